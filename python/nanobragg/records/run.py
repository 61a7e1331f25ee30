"""A run: the experiment, what to write, and how to compute it. What one command line or TOML file says."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from nanobragg.records.experiment import Experiment

Rings = str
Device = str


@dataclass(frozen=True, kw_only=True, eq=False)
class Output:
    """Files and pictures of a run (``specs/formats.md``); ``None`` as a file name: not written."""

    floatfile: str | None = "floatimage.bin"
    intfile: str | None = "intimage.img"
    pgmfile: str | None = "image.pgm"
    noisefile: str | None = "noiseimage.img"
    pngfile: str | None = None
    """Preview: of the noise image if there is one, else of the float image."""
    truthfile: str | None = None
    """Table of reflections: ``.h5``, ``.csv`` or ``.npy``."""
    png_rings: Rings | None = None
    """Resolution rings on the preview: ``"auto"``, or Å separated by commas."""
    png_beam: bool = False
    """Mark the direct beam on the preview."""
    png_roi: bool = False
    """Mark the region of interest on the preview."""
    scale: float | None = None
    """Scale of the integer image; default: the maximum becomes 55000."""
    adc_offset: float = 40.0
    """Added to every pixel of the integer and noise images."""
    pgm_scale: float | None = None
    seed: int | None = None
    """Seed of the noise; default: the clock."""
    noise_rng: Literal["exact", "fast"] = "exact"
    """``exact``: nanoBragg.c's serial generator; ``fast``: counter-based, the same for any number of threads."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Run:
    """An :class:`Experiment` with its outputs and the manner of computing it."""

    experiment: Experiment = field(default_factory=Experiment)
    output: Output = field(default_factory=Output)
    threads: int = 0
    """0: as many as the machine has."""
    precision: Literal["double", "mixed"] = "double"
    device: Device = "cpu"
    """``cpu``, ``cuda``, ``cuda:NUMBER``, or ``auto``: a GPU if there is one and the work is worth it."""
    progress: bool = True
    printout: bool = False
    printout_pixel: tuple[int, int] | None = None
    """(fast, slow); ``None``: every pixel."""
    trace_pixel: tuple[int, int] | None = None
    """(slow, fast)."""
    warnings: tuple[str, ...] = ()
    """What the words or the file made doubtful: trailing characters, unknown options with the nearest name."""
    parse_quirks: tuple[tuple[str, str], ...] = ()
    """(name, sentence) of the parse quirks that touched this command line (twotheta_axis_parse,
    misset_seed_parse, curved_det_needs_word, and pivot_overridden in the custom convention)."""
