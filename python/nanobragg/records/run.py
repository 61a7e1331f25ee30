"""A run: the experiment, what to write, and how to compute it. What one command line or TOML file says."""

from __future__ import annotations

from typing import Literal, get_args

from nanobragg.records.experiment import Experiment
from nanobragg.records.fields import document, part, places, row
from nanobragg.records.kinds import DEVICE, ELEMENT, FLAG, NATURAL, NUMBER, OUTPUT_FILE, PIXEL, RINGS, WHOLE, choice
from nanobragg.records.record import Record

NoiseGenerator = Literal["exact", "fast"]
Precision = Literal["double", "mixed"]
_GENERATOR, _PRECISION = choice(*get_args(NoiseGenerator)), choice(*get_args(Precision))


class Output(Record):
    """Files and pictures of a run (``specs/formats.md``); ``None`` as a file name: not written."""

    floatfile: str | None = row(
        OUTPUT_FILE,
        "float image, photons/pixel; also .h5 .nxs .tif .npy",
        default="floatimage.bin",
        option="-floatfile",
    )
    intfile: str | None = row(
        OUTPUT_FILE,
        "SMV image without noise; also .cbf .h5 .nxs .tif .npy",
        default="intimage.img",
        option="-intfile",
    )
    pgmfile: str | None = row(OUTPUT_FILE, "8-bit picture", default="image.pgm", option="-pgmfile")
    noisefile: str | None = row(
        OUTPUT_FILE,
        "SMV image with photon noise; also .cbf .h5 .nxs .tif .npy",
        default="noiseimage.img",
        option="-noisefile",
    )
    countsfile: str | None = row(
        OUTPUT_FILE,
        "counts as the detector of [response] gives them: SMV; also .cbf .h5 .nxs .tif .npy",
        option="-countsfile",
        unset="not written",
    )
    pngfile: str | None = row(
        OUTPUT_FILE,
        "preview with automatic contrast, of the counts or the noise image if there are any",
        option="-pngfile",
        unset="not written",
        more="Otherwise of the float image.",
    )
    truthfile: str | None = row(
        OUTPUT_FILE,
        "table of reflections, their centroids and intensities: .h5, .csv or .npy",
        option="-truthfile",
        unset="not written",
    )
    geomfile: str | None = row(
        OUTPUT_FILE,
        "CrystFEL geometry beside the image, of what an .h5 file of it holds",
        option="-geomfile",
        unset="not written",
    )
    exptfile: str | None = row(
        OUTPUT_FILE,
        "DIALS models beside the image: detector with its groups, beam",
        option="-exptfile",
        unset="not written",
    )
    png_rings: str | None = row(
        RINGS, "resolution rings on the preview; auto, or numbers separated by commas", unit="Å", option="-png_rings"
    )
    png_beam: bool = row(FLAG, "mark the direct beam on the preview", default=False, option="-png_beam")
    png_roi: bool = row(FLAG, "mark the region of interest on the preview", default=False, option="-png_roi")
    png_raw: bool = row(
        FLAG,
        "show several panels as in the file's array, and not as seen along the beam",
        default=False,
        option="-png_raw",
    )
    scale: float | None = row(NUMBER, "scale of the integer image", option="-scale", unset="the maximum becomes 55000")
    adc_offset: float = row(NUMBER, "offset of the integer and noise images", default=40.0, option="-adc")
    pgm_scale: float | None = row(
        NUMBER, "scale of the picture", option="-pgmscale", unset="250 at five times the rmsd"
    )
    seed: int | None = row(WHOLE, "seed of the noise", option="-seed", unset="the clock")
    shot: int = row(NATURAL, "number of the image in a series of one seed, for its counts", default=0, option="-shot")
    noise_rng: NoiseGenerator = row(
        _GENERATOR,
        "fast: parallel generator, other photons than nanoBragg.c's",
        default="exact",
        option="-noise_rng",
        more="It is counter-based, and the photons are the same for any number of threads.",
    )


class Run(Record):
    """An :class:`Experiment` with its outputs and the manner of computing it."""

    experiment: Experiment = part(Experiment, named=False)
    output: Output = part(Output)
    threads: int = row(
        NATURAL, "threads; the result is the same", default=0, option="-threads", unset="0: all processors"
    )
    precision: Precision = row(
        _PRECISION,
        "mixed: 1e-5 instead of 1e-6 of every pixel, twice as fast",
        default="double",
        option="-precision",
    )
    device: str = row(
        DEVICE,
        "where to render; auto: on a GPU if there is one and the work is worth it",
        default="cpu",
        option="-device",
    )
    progress: bool = row(FLAG, "show progress", default=True, option="-progress")
    printout: bool = row(FLAG, "print the values of every pixel", default=False, option="-printout")
    printout_pixel: tuple[int, int] | None = row(
        PIXEL, "print the values of one pixel, fast axis first", option="-printout_pixel"
    )
    trace_pixel: tuple[int, ...] | None = row(
        ELEMENT,
        "print every intermediate quantity of one pixel, slow axis first",
        option="-trace_pixel",
        more="Of a detector of panels, the number of the panel, from 0, stands before (0 if it does not).",
    )
    warnings: tuple[str, ...] = ()
    """What the words or the file made doubtful: trailing characters, unknown options with the nearest name."""
    parse_quirks: tuple[tuple[str, str], ...] = ()
    """(name, sentence) of the parse quirks that touched this command line (twotheta_axis_parse,
    misset_seed_parse, curved_det_needs_word, and pivot_overridden in the custom convention)."""


PLACES = {place.name: place for place in places(Run)}
"""Every field of a run by its name."""
document(Output, Run)
