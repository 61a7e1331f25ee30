"""Background and detector, from nothing to counts: side by side with nonBragg.c and noisify.c.

``counts_6m``: water and air on 2463 x 2527 pixels, about 10 photons a pixel, photon noise and read-out, with and
without a fiber point spread. ``series_1024``: 100 frames of 1024 x 1024 pixels with one background. Where a GPU was
asked for also one such frame on it, of an image that lies there, and left there.
"""

from __future__ import annotations

import os
import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from nanobragg_bench.comparison import Agreement, smv_pixels
from nanobragg_bench.programs import Job, ask_worker, original_program, run_processes
from nanobragg_bench.rows import Row, Settings, median, ratios_of

THREADS = 2
SEED = 1
PSF = {"no psf": "", "fiber psf": "-psf fiber -psf_fwhm 80"}
"""Words of noisify.c, and of ours."""
_READING = "-readout 3 -gain 1.8"
_OFFSET = 40
"""ADU, as noisify.c has it unasked."""
_BEAM = "-lambda 1 -flux 1e12 -exposure 0.032 -beamsize 0.1"
_MATERIALS = {"water": (0.1, 1.0, 18.0), "air": (30.0, 1.2e-3, 28.0)}
"""mm, g/cm3, g/mol; the tables of structure factors are ours, for both."""


@dataclass(frozen=True, kw_only=True)
class CountsCase:
    """A detector, and how many images of it."""

    name: str
    shape: tuple[int, int]
    pixel: float
    frames: int
    original_frames: int
    """How many of them the original makes; its time is scaled."""

    def small(self) -> CountsCase:
        """The same on few pixels."""
        return CountsCase(name=self.name, shape=(96, 112), pixel=4.0, frames=3, original_frames=1)

    @property
    def detector(self) -> str:
        """For all programs."""
        slow, fast = self.shape
        return f"-detpixels_x {fast} -detpixels_y {slow} -pixel {self.pixel:g} -distance 200"

    @property
    def centre(self) -> tuple[float, float]:
        """The beam on the fast and slow axis, mm from the outer corner of the first pixel."""
        return self.shape[1] * self.pixel / 2.0, self.shape[0] * self.pixel / 2.0


CASES = (
    CountsCase(name="counts_6m", shape=(2527, 2463), pixel=0.172, frames=1, original_frames=1),
    CountsCase(name="series_1024", shape=(1024, 1024), pixel=0.172, frames=100, original_frames=2),
)


def measure_counts_6m(settings: Settings) -> list[Row]:
    """One image, with and without a point spread."""
    return _rows(CASES[0], settings)


def measure_series_1024(settings: Settings) -> list[Row]:
    """Many images of one background, with and without a point spread."""
    return _rows(CASES[1], settings)


def _rows(case: CountsCase, settings: Settings) -> list[Row]:
    case = case.small() if settings.quick else case
    folder = settings.scratch / case.name
    folder.mkdir(exist_ok=True)
    rows = [_measure(case, psf, folder, settings) for psf in PSF]
    return (
        rows if settings.device.gpu is None else [*rows, *(_on_the_device(case, psf, folder, settings) for psf in PSF)]
    )


def _on_the_device(case: CountsCase, psf: str, folder: Path, settings: Settings) -> Row:
    answer = ask_worker(
        folder,
        "device_counts",
        **_asked(case, psf),
        device=settings.device.name,
        at_least=settings.at_least,
        at_most=3 if settings.quick else 2000,
    )
    # Without a point spread all counts are the CPU's; with one those differ by one that are as near to a half as light
    # is to the CPU's, 4e-7 of the image's rms (specs/response.md).
    allowed = 0.0 if psf == "no psf" else 1.0 + 2.0 * 4e-7 * answer["rms"] * answer["pixels"]
    wrong = answer["beyond_one"] if answer["different"] <= allowed else answer["different"]
    return Row(
        case=case.name,
        what=case.name,
        variant=f"{psf} on the device",
        device=settings.device.label,
        threads=1,
        seconds=answer["seconds"],
        evaluations=answer["pixels"],
        peak_memory_bytes=answer["peak_memory_bytes"],
        agreement=Agreement("the CPU's counts", answer["pixels"], wrong),
        note="one frame; evaluations are pixels; nothing is copied to the host",
        extra={"first_seconds": answer["first_seconds"]},
    )


def _measure(case: CountsCase, psf: str, folder: Path, settings: Settings) -> Row:
    programs = [original_program(os.environ.get(name)) for name in ("NB_NONBRAGG_BIN", "NB_NOISIFY_BIN")]
    original: list[_Time] = []
    answers: list[dict[str, Any]] = []
    for pair in range(settings.repeat):
        settings.say(f"{case.name} {psf}: pair {pair + 1}")
        answers.append(_ours(case, psf, folder, settings))
        if all(programs):
            original.append(_original([str(program) for program in programs], case, psf, folder))
    return _row(case, psf, folder, answers, original)


def _asked(case: CountsCase, psf: str) -> dict[str, Any]:
    """The command line of a case in our words, what is around, and the seed."""
    fast, slow = case.centre
    half = case.pixel / 2.0
    centre = f"-Xbeam {slow - half:.9g} -Ybeam {fast - half:.9g}"  # MOSFLM's, along slow first
    words = f"{case.detector} {_BEAM} {centre} {_READING} -offset {_OFFSET} -bits 16 {PSF[psf]}"
    return {
        "words": ["-cell", "50", "50", "50", "90", "90", "90", "-default_F", "1e-9", *words.split()],
        "materials": _MATERIALS,
        "seed": SEED,
    }


def _ours(case: CountsCase, psf: str, folder: Path, settings: Settings) -> dict[str, Any]:
    return ask_worker(
        folder,
        "counts",
        **_asked(case, psf),
        frames=case.frames,
        threads=THREADS,
        # A single image is made three times: the first has the imports and the point spread's own transform as well.
        at_least=settings.at_least if case.frames > 1 else 3600.0,
        at_most=3,
    )


class _Time(NamedTuple):
    """Seconds of the clock, and of the processor."""

    seconds: float
    processor: float


def _original(programs: list[str], case: CountsCase, psf: str, folder: Path) -> _Time:
    """Time of nonBragg.c for each material, and of noisify.c for each frame. (Adding the images is not counted.)"""
    nonbragg, noisify = programs
    fast, slow = case.centre
    renders = [
        Job(
            f"{nonbragg} -stol {name}.stol -thick {thickness} -density {density} -MW {weight} {case.detector} {_BEAM} "
            f"-Xbeam {fast:.9g} -Ybeam {slow:.9g} -nonoise -noprogress -floatfile {name}.bin".split(),
            folder,
            THREADS,
        )
        for name, (thickness, density, weight) in _MATERIALS.items()
    ]
    background = run_processes(renders)
    sum(np.fromfile(folder / f"{name}.bin", np.float32) for name in _MATERIALS).tofile(folder / "sum.bin")
    frames = [
        Job(
            f"{noisify} -floatfile sum.bin {case.detector} -calibration 0 {_READING} {PSF[psf]} -seed {SEED + number} "
            "-nopgm -noisefile original.img -intfile int.img".split(),
            folder,
            THREADS,
        )
        for number in range(case.original_frames)
    ]
    often = case.frames / case.original_frames
    used = [(usage, 1.0) for usage in background] + [(usage, often) for usage in run_processes(frames)]
    return _Time(
        sum(usage.seconds * times for usage, times in used),
        sum(usage.processor_seconds * times for usage, times in used),
    )


def _row(case: CountsCase, psf: str, folder: Path, answers: list[dict[str, Any]], original: list[_Time]) -> Row:
    ours = [answer["seconds"] for answer in answers]
    processor = [answer["processor_seconds"] for answer in answers]
    extra = {
        "first_seconds": statistics.median(answer["first_seconds"] for answer in answers),
        "processor_seconds": min(processor),
    }
    pixels = case.shape[0] * case.shape[1]
    note = "evaluations are pixels"
    if case.original_frames < case.frames:
        note += f"; the original's {case.original_frames} frames are scaled"
    if original:
        extra["original_processor_seconds"] = theirs = min(each.processor for each in original)
        note += f"; seconds of the processor: {min(processor):.3g}, the original's {theirs:.3g}"
    return Row(
        case=case.name,
        what=case.name,
        variant=psf,
        threads=THREADS,
        seconds=statistics.median(ours),
        original_seconds=median([each.seconds for each in original]),
        ratios=ratios_of([each.seconds for each in original], ours),
        evaluations=pixels * case.frames,
        peak_memory_bytes=max(answer["peak_memory_bytes"] for answer in answers),
        agreement=_agreement(folder, pixels, answers[0], with_original=bool(original)),
        note=note,
        extra=extra,
    )


def _agreement(folder: Path, pixels: int, answer: dict[str, Any], *, with_original: bool) -> Agreement:
    """Photons of the background, pixel by pixel, and the number of those that were counted, to six deviations."""
    background = np.fromfile(folder / "background.bin", np.float32)
    if not with_original:
        return Agreement("number of photons", pixels, 0 if answer["deviation"] < 6.0 else pixels)
    theirs = np.fromfile(folder / "sum.bin", np.float32)
    counts = smv_pixels(folder / "original.img", pixels).astype(float)
    same = abs(counts.mean() - answer["mean"]) < 0.02 * answer["mean"]
    apart = int((np.abs(background - theirs) > 1e-5 * theirs + 1e-7 * theirs.max()).sum())
    return Agreement("original", pixels, apart if same and answer["deviation"] < 6.0 else pixels)
