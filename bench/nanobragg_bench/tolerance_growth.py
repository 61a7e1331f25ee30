"""What images within a tolerance cost as the work grows, and where leaving out does not pay."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from nanobragg_bench.cases import REAL_CRYSTAL, furnish
from nanobragg_bench.programs import ask_worker
from nanobragg_bench.rows import Row, Settings
from nanobragg_bench.tolerance_step import TOLERANCE, beyond_bar, row_beside

if TYPE_CHECKING:
    import numpy as np

    from nanobragg.records.scene import Scene

_1ORC = "-hkl 1orc.hkl -cell 34.77 39.17 48.31 90 90 90 -misset 10 20 30 -oversample 1 -nointerpolate"
_CRYSTAL = f"{_1ORC} -N 50 -distance 100 -detpixels 256 -pixel 0.3 -exposure 1 -beamsize 1 -flux 1e18"
GROWTH = {
    "domains": f"{_CRYSTAL} -lambda 1 -mosaic 0.1 -mosaic_dom",
    "wavelengths": f"{_CRYSTAL} -pixel 0.15 -lambda 1.3 -mosaic 0.08 -mosaic_dom 10 -dispersion 0.5 -dispsteps",
    "steps": f"{_CRYSTAL} -lambda 1 -osc 0.1 -phisteps",
}
"""Command lines by what grows; the number is behind the last word."""
COUNTS = (1, 3, 10, 30, 100, 300, 1000)
SAMPLES = 128
"""pixels of which every term is looked at"""
_SMALL = (
    "-nonoise -nopgm -default_F 100 -distance 100 -lambda 1 -cell 80 90 100 90 90 90 -misset 10 20 30 -oversample 1"
)
OFF = {
    "N 2": f"{_SMALL} -N 2 -detpixels 512 -mosaic 0.1 -mosaic_dom 10",
    "N 5": f"{_SMALL} -N 5 -detpixels 1024 -mosaic 0.1 -mosaic_dom 10",
    "N 8, reflections": f"{_1ORC} -N 8 -distance 100 -detpixels 512 -lambda 1 -mosaic 0.5 -mosaic_dom 25",
    "spots 3 px apart": f"{_SMALL} -N 20 -cell 400 400 400 90 90 90 -detpixels 512 -pixel 0.08 -mosaic_dom 10",
    "tolerance 1e-9": f"{_CRYSTAL} -lambda 1 -mosaic 0.1 -mosaic_dom 20",
    "powder": f"{_1ORC} -N 25 -distance 200 -detpixels 128 -lambda 1 -mosaic 90 -mosaic_dom 1000",
    "one evaluation": f"{_CRYSTAL} -detpixels 1024 -lambda 1",
    "64 x 64 pixels": f"{_CRYSTAL} -detpixels 64 -lambda 1 -mosaic 0.1 -mosaic_dom 20",
    "16 x 16 pixels": f"{_CRYSTAL} -detpixels 16 -lambda 1 -mosaic 0.1 -mosaic_dom 100",
    "100 wavelengths, N 5": f"{_1ORC} -N 5 -distance 100 -detpixels 256 -lambda 1 -dispersion 2 -dispsteps 100",
    "gauss, wide": f"{_SMALL} -N 5 -gauss_xtal -detpixels 512 -mosaic 0.1 -mosaic_dom 10",
    "round, wide": f"{_SMALL} -N 5 -round_xtal -detpixels 512 -mosaic 0.1 -mosaic_dom 10",
}
"""Command lines for which leaving out does not pay, or hardly; of the one so named the tolerance is 1e-9 photons."""


def beside(words: list[str], tolerance: float, pairs: int, at_least: float) -> dict[str, Any]:
    """The processor's seconds for all evaluations and within a tolerance, in turn, and what a perfect bound leaves.

    Args:
        words: the command line.
        tolerance: photons.
        pairs: how often.
        at_least: seconds for which an image is rendered again and again.

    """
    from nanobragg import resolve
    from nanobragg.inputs.words import parse_words
    from nanobragg.rendering.render import render_scene

    full = resolve(parse_words(words).experiment).scene
    scenes = (full, replace(full, tolerance=tolerance))
    results: list[Any] = [render_scene(scene, precision="mixed", threads=1) for scene in scenes]
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(pairs):
        runs, spent = 0, [0.0, 0.0]
        while not runs or sum(spent) < at_least:
            runs += 1
            for i in (0, 1) if runs % 2 else (1, 0):
                started = time.process_time()
                render_scene(scenes[i], precision="mixed", threads=1)
                spent[i] += time.process_time() - started
        for own, seconds in zip(times, spent, strict=True):
            own.append(seconds / runs)
    return {
        "full_seconds": times[0],
        "seconds": times[1],
        "pixels": int(results[0].image.size),
        "evaluations": int(results[0].evaluations),
        "evaluated": results[1].evaluations / max(results[0].evaluations, 1),
        "perfect": perfect(full, results[0].image, tolerance) if grid_is_looked_up(full) else 0.0,
        "outside": int((beyond_bar(results[1].image, results[0].image) > tolerance).sum()),
        "all_terms": results[1].all_terms,
    }


def grid_is_looked_up(scene: Scene) -> bool:
    """Whether :func:`perfect` knows such scenes."""
    return bool(scene.f_grid.size) and scene.crystal_shape == 0 and scene.oversample == 1


def perfect(scene: Scene, image: np.ndarray, tolerance: float) -> float:
    """The part of the evaluations that must be made by who knows all terms beforehand: the smallest are left out.

    Of square crystals with looked-up structure factors, one subpixel and no layers; for :data:`SAMPLES` pixels.

    Args:
        scene: what was rendered.
        image: (1, slow, fast) photons/pixel, of all evaluations.
        tolerance: photons.

    """
    import numpy as np

    panel = scene.panels[0]
    rng = np.random.default_rng(1)
    places = np.stack([rng.integers(0, n, SAMPLES) for n in panel.shape], axis=-1)
    kept = 0
    for slow, fast in places:
        at = panel.at(fast + 0.5, slow + 0.5)
        q = (at / np.linalg.norm(at) - scene.source_direction) / scene.source_wavelength[:, None]
        hkl = np.einsum("oij,sj->osi", scene.orientations, q)
        whole = np.rint(hkl)
        phase = np.pi * (hkl - whole)
        cells = np.asarray(scene.cells)
        with np.errstate(invalid="ignore", divide="ignore"):
            factor = np.where(phase == 0, cells, np.sin(cells * phase) / np.sin(phase)).prod(axis=-1)
        index = (whole - np.asarray(scene.f_min)).astype(int)
        inside = np.all((index >= 0) & (index < scene.f_grid.shape), axis=-1)
        f = np.where(inside, scene.f_grid[tuple(np.moveaxis(np.where(inside[..., None], index, 0), -1, 0))], 0.0)
        terms = np.sort((factor * np.where(inside, f, scene.default_F)).ravel() ** 2)
        photons = float(image[0, slow, fast]) / max(terms.sum(), 1e-300)
        kept += int((np.cumsum(terms) * photons > tolerance).sum())
    return kept / (SAMPLES * len(scene.orientations) * len(scene.source_wavelength))


def measure_tolerance_growth(settings: Settings) -> list[Row]:
    """One row for each number of domains, wavelengths and steps, and for each scene for which leaving out does not pay;
    the ratio is the time of all evaluations over its own.
    """
    rows = []
    for what, words in GROWTH.items():
        for count in COUNTS[: 2 if settings.quick else None]:
            number = max(count, 2) if what == "wavelengths" else count
            answer = _asked(settings, f"{words} {number}", TOLERANCE)
            extra = {name: answer[name] for name in ("full_seconds", "evaluated", "perfect")}
            rows.append(_row(f"{what} {number}", answer, {"grows": what, "count": number, **extra}))
    for name, words in OFF.items():
        answer = _asked(settings, words, 1e-9 if name.startswith("tolerance") else TOLERANCE)
        rows.append(_row(f"off: {name}", answer, {"full_seconds": answer["full_seconds"]}))
    return rows


def _asked(settings: Settings, words: str, tolerance: float) -> dict[str, Any]:
    folder = settings.scratch / "tolerance_growth"
    if not folder.exists():
        furnish(replace(REAL_CRYSTAL, files=("1orc.hkl",)), folder, settings.shared)
    settings.say(f"tolerance_growth: {words}")
    small = " -detpixels 32" if settings.quick else ""
    request = {"words": f"{words}{small}".split(), "tolerance": tolerance, "pairs": settings.repeat}
    return ask_worker(folder, "beside", **request, at_least=settings.at_least)


def _row(variant: str, answer: dict[str, Any], extra: dict[str, Any]) -> Row:
    return row_beside("tolerance_growth", variant, answer, times="the processor's time", extra=extra)
