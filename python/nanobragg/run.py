"""A run: the experiment, what to write, and how to compute it. What one command line or TOML file says."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from nanobragg.experiment import Experiment


@dataclass(frozen=True, kw_only=True, eq=False)
class Output:
    """Files and pictures of a run (``specs/formats.md``); ``None`` as a file name: not written."""

    floatfile: str | None = "floatimage.bin"
    intfile: str | None = "intimage.img"
    pgmfile: str | None = "image.pgm"
    noisefile: str | None = "noiseimage.img"
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
    misset_seed_parse, curved_det_needs_word)."""
