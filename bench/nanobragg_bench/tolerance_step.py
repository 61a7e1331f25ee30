"""Images within a tolerance beside those of all evaluations, in one process and thread: what leaving out saves."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from nanobragg_bench.cases import REAL_CRYSTAL, furnish, load
from nanobragg_bench.comparison import Agreement
from nanobragg_bench.programs import ask_worker
from nanobragg_bench.rows import Row, Settings

if TYPE_CHECKING:
    import numpy as np

TOLERANCE = 0.01  # photons
_UNCOUNTED, _SHORT = 3, 1.0
"""pairs of images of less than so many seconds: their memory is new to the process, and a virtual machine may take
longer to give it than a short image takes"""
_1ORC = "-hkl 1orc.hkl -cell 34.77 39.17 48.31 90 90 90 -misset 10 20 30 -oversample 1 -nointerpolate -nopgm -nonoise"
_BRIGHT = "-exposure 1 -beamsize 1"
_SPECTRUM = f"{_1ORC} -mosaic 0.08 -mosaic_dom 25 -lambda 1.3 -dispersion 0.5 -dispsteps 100 {_BRIGHT} -flux 1e18"
_WIDE = "-fudge 0.002"  # spots of compact shapes about as wide as those of squares
SCENES = {
    "xfel_real N50": f"{_SPECTRUM} -N 50 -distance 100 -pixel 0.075 -detpixels 1024",
    "xfel_real N100": f"{_SPECTRUM} -N 100 -distance 100 -pixel 0.075 -detpixels 1024",
    "rotation_real": "",
    "powder_20000": f"{_1ORC} -mosaic 90 -mosaic_dom 20000 -lambda 1 {_BRIGHT} -flux 1e20 -N 25 -distance 200 "
    "-pixel 0.172 -detpixels 160",
    "mosaic_100": f"{_1ORC} -mosaic 0.1 -mosaic_dom 100 -lambda 1 {_BRIGHT} -flux 1e18 -N 50 -distance 200 "
    "-pixel 0.172 -detpixels 1024",
}
"""Command lines; that of the real crystal is in the shared folder."""
SHAPES = {
    "square": "-square_xtal",
    "gauss": f"-gauss_xtal {_WIDE}",
    "tophat": f"-tophat_spots {_WIDE}",
    "round": "-round_xtal",
}


def within(words: list[str], tolerance: float, pairs: int) -> dict[str, Any]:
    """Time images of all evaluations and those within a tolerance in turn, and compare every pixel.

    Args:
        words: the command line.
        tolerance: photons.
        pairs: how often, after :data:`_UNCOUNTED` of short ones.

    """
    from nanobragg import resolve
    from nanobragg.inputs.words import parse_words
    from nanobragg.rendering.devices import evaluations
    from nanobragg.rendering.render import render_scene

    full = resolve(parse_words(words).experiment).scene
    scenes = (full, replace(full, tolerance=tolerance))
    render_scene(full.cropped((0, 0, 0, 0)), precision="mixed", threads=1)
    times: tuple[list[float], list[float]] = ([], [])
    results: list[Any] = []
    while len(times[0]) < pairs + (_UNCOUNTED if times[0] and times[0][0] < _SHORT else 0):
        results = []
        for scene, own in zip(scenes, times, strict=True):
            started = time.perf_counter()
            results.append(render_scene(scene, precision="mixed", threads=1))
            own.append(time.perf_counter() - started)
    images = [result.image.astype(float) for result in results]
    error = beyond_bar(images[1], images[0])
    return {
        "full_seconds": times[0][-pairs:],
        "seconds": times[1][-pairs:],
        "evaluations": int(evaluations(full)),
        "evaluated": results[1].evaluations / max(results[0].evaluations, 1),
        "outside": int((error > tolerance).sum()),
        "worst": float(error.max() / tolerance),
        "error_bound": results[1].error_bound,
        "all_terms": results[1].all_terms,
        "pixels": int(images[0].size),
        "brightest": float(images[0].max()),
    }


def beyond_bar(image: np.ndarray, full: np.ndarray) -> np.ndarray:
    """Differences, photons, less what mixed precision itself leaves open."""
    import numpy as np

    expected = full.astype(float)
    return np.abs(image - expected) - 1e-5 * expected - 1e-7 * expected.max()


def measure_tolerance(settings: Settings) -> list[Row]:
    """One row for each scene and shape, in mixed precision; the ratio is the time of all evaluations over its own."""
    folder = settings.scratch / "tolerance"
    furnish(replace(REAL_CRYSTAL, files=("1orc.hkl",)), folder, settings.shared)
    rows = []
    for name, words in _scenes(settings):
        for shape, option in SHAPES.items():
            settings.say(f"tolerance: {name} {shape}")
            request = {"words": f"{words} {option}".split(), "tolerance": TOLERANCE, "pairs": settings.repeat}
            rows.append(_row(f"{name} {shape}", ask_worker(folder, "within", **request)))
    return rows


def _scenes(settings: Settings) -> Iterator[tuple[str, str]]:
    for name, words in SCENES.items():
        if name == "rotation_real":
            case = load(REAL_CRYSTAL, settings.shared)
            if isinstance(case, str):
                settings.say(f"tolerance: {name} is left out: {case}")
                continue
            furnish(case, settings.scratch / "tolerance", settings.shared)
            yield name, " ".join(case.words) + (" -roi 1200 1295 1200 1263" if settings.quick else "")
        else:
            yield name, f"{words} -detpixels 16" if settings.quick else words


def _row(variant: str, answer: dict[str, Any]) -> Row:
    extra = {name: answer[name] for name in ("evaluated", "worst", "error_bound", "brightest", "full_seconds")}
    error = f", error/tolerance {answer['worst']:.2f}"
    return row_beside("tolerance", variant, answer, error=error, times="the time", extra=extra)


def row_beside(
    case: str, variant: str, answer: dict[str, Any], *, error: str = "", times: str, extra: dict[str, Any]
) -> Row:
    """A row of a case whose ratios are ``times`` of all evaluations over its own."""
    note = answer["all_terms"] or f"{100 * answer['evaluated']:.2f} % evaluated{error}"
    return Row(
        case=case,
        what=case,
        variant=variant,
        threads=1,
        seconds=statistics.median(answer["seconds"]),
        ratios=tuple(full / own for full, own in zip(answer["full_seconds"], answer["seconds"], strict=True)),
        evaluations=answer["evaluations"],
        agreement=Agreement("all evaluations", answer["pixels"], answer["outside"]),
        note=f"{note}; the ratio is {times} of all evaluations over this",
        extra=extra,
    )


if __name__ == "__main__":
    import sys

    print(json.dumps(within(sys.argv[3:], float(sys.argv[1]), int(sys.argv[2])), indent=1))
