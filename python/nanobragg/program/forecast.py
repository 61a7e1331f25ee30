"""A warning before a run that will take long: how much work it is, how long that takes here, and what asks for it.

The time is measured: a part of the Scene is rendered before the whole, by the same renderer. Runs that cannot take
long are not looked at.
"""

from __future__ import annotations

import math
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from nanobragg import _core
from nanobragg.records.scene import Interpolation
from nanobragg.rendering.devices import evaluations, only_cpu

if TYPE_CHECKING:
    from nanobragg.records.resolved import Resolved
    from nanobragg.records.scene import Scene
    from nanobragg.rendering.renderer import Renderer

LONG = 10.0
"""seconds, from which a run is worth a warning"""
_CAREFUL = 0.2
"""The part of :data:`LONG` that counts: what may take so long by the quickest loops is measured."""
_QUICKEST = {"cpu": 1e-9, "tricubic": 5e-9, "reference": 5e-8, "cuda": 5e-12}
"""Seconds of an evaluation, about, on one thread or the GPU (``specs/performance.md``)."""
_FIRST = 4e6
"""Evaluations of the first measurement, a few milliseconds."""
_SECONDS = 0.1
"""How long the last one takes, at least."""
_WIDEST = 4096
"""Pixels of a row that are measured, at most."""


def forecast(resolved: Resolved, renderer: Renderer, threads: int = 0) -> str | None:
    """One sentence about a run that will take :data:`LONG` or more; ``None`` of others.

    Args:
        resolved: what will be rendered.
        renderer: that will render it; it has the same Scene afterwards.
        threads: of the CPU; 0: all.

    """
    scene = resolved.scene
    work = evaluations(scene) * _rendered_share(scene)
    threads = 1 if renderer.place.number is not None else _core.thread_count(threads)
    if work * _QUICKEST[_loops(scene, renderer)] / threads < _CAREFUL * LONG:
        return None
    seconds = work * _seconds_each(scene, renderer, work, threads)
    if seconds < LONG:
        return None
    return f"{work:.2g} evaluations, {duration(seconds)} on this machine, {reason(resolved)}"


def duration(seconds: float) -> str:
    """About how long, with the digits that a forecast has."""
    for unit, size, most in (("seconds", 1.0, 90.0), ("minutes", 60.0, 5400.0), ("hours", 3600.0, 172_800.0)):
        if seconds < most:
            return f"about {float(f'{seconds / size:.2g}'):g} {unit}"
    return f"about {float(f'{seconds / 86_400.0:.2g}'):g} days"


def reason(resolved: Resolved) -> str:
    """What asks for the work, and how it is said otherwise."""
    factor, words = max(_factors(resolved), key=lambda each: each[0])
    text = f"mostly for {words}" if factor > 1 else "for that many pixels (-roi renders a part)"
    slow = _slow_ways(resolved)
    return f"{text}; each takes long, with {' and '.join(slow)}" if slow else text


def _factors(resolved: Resolved) -> list[tuple[int, str]]:
    """How many evaluations of a pixel each choice asks for, and the choice."""
    r, s, g = resolved.radiation, resolved.sample, resolved.geometry
    sources = len(resolved.scene.source_wavelength)
    beams = "-sourcefile" if r.divergence_steps < 0 else "-dispsteps, -hdivsteps, -vdivsteps"
    chosen = ", chosen for the crystal's size" if r.oversample_chosen else ""
    return [
        (r.oversample**2, f"{r.oversample} x {r.oversample} subpixels (-oversample{chosen})"),
        (sources, f"{sources} sources ({beams})"),
        (r.phi_steps, f"{r.phi_steps} phi steps (-phisteps)"),
        (s.mosaic_domains, f"{s.mosaic_domains} mosaic domains (-mosaic_domains)"),
        (g.thickness_steps, f"{g.thickness_steps} layers of the sensor (-detector_thicksteps)"),
    ]


def _slow_ways(resolved: Resolved) -> list[str]:
    """What makes evaluations slower than they might be."""
    scene, found = resolved.scene, []
    if _interpolates(scene):
        cells = " x ".join(f"{n:.12g}" for n in scene.cells)
        found.append(f"tricubic interpolation of structure factors for {cells} cells (-nointerpolate)")
    if only_cpu(scene) and resolved.scene.running_product:
        found.append("factors that multiply the running sum (-quirks all,-running_product)")
    return found


def _interpolates(scene: Scene) -> bool:
    return scene.f_grid.size > 0 and scene.interpolation != Interpolation.NEAREST


def _loops(scene: Scene, renderer: Renderer) -> str:
    if renderer.place.number is not None:
        return "cuda"
    return "reference" if only_cpu(scene) else "tricubic" if _interpolates(scene) else "cpu"


def _rendered_share(scene: Scene) -> float:
    """Part of the regions of interest whose rows masks leave something of: others cost nothing."""
    pixels = rendered = 0
    for panel in scene.panels:
        x0, x1, y0, y1 = panel.region
        width, height = max(x1 - x0 + 1, 0), max(y1 - y0 + 1, 0)
        mask = panel.mask
        rows = height if mask is None else int((mask[y0 : y1 + 1, x0 : x1 + 1] != 0).any(axis=1).sum())
        pixels += width * height
        rendered += width * rows
    return rendered / pixels if pixels else 0.0


# ---- measuring ----------------------------------------------------------------------------------------------


def _seconds_each(scene: Scene, renderer: Renderer, work: float, threads: int) -> float:
    """Seconds of one evaluation: of larger and larger parts, until one takes long enough to tell."""
    goal = _FIRST
    try:
        renderer.load(_part(scene, 1.0, threads))
        renderer.result()  # threads start, and structure factors are squared, once for all
        while True:
            part = _part(scene, goal, threads)
            renderer.load(part)
            start = time.perf_counter()
            renderer.result()
            seconds, done = time.perf_counter() - start, evaluations(part)
            each = seconds / done
            # A small part never takes less than its share of a large one.
            if seconds >= _SECONDS or goal > 0.05 * work or each * work < 0.3 * LONG:
                return each
            goal *= min(16.0, max(2.0, 1.5 * _SECONDS / seconds))
    finally:
        renderer.load(scene)


def _part(scene: Scene, goal: float, threads: int) -> Scene:
    """A part of the Scene of about ``goal`` evaluations: some rows of one panel, with less of what is summed."""
    pixels = [(p.region[1] - p.region[0] + 1) * (p.region[3] - p.region[2] + 1) for p in scene.panels]
    panel = scene.panels[int(np.argmax(pixels))]
    pixel = evaluations(scene) / sum(pixels)
    x0, x1, y0, y1 = panel.region
    x1 = min(x1, x0 + _WIDEST - 1)
    width, height = x1 - x0 + 1, y1 - y0 + 1
    rows = min(height, max(2 * threads, int(goal / (width * pixel))))
    first = y0 + (height - rows) // 4  # neither at the beam nor in a corner, on most detectors
    fewer = width * rows * pixel / goal
    counts = {}
    for name, count, least in (
        ("oversample", scene.oversample, 2),
        ("orientations", len(scene.orientations), 8),
        ("sources", len(scene.source_wavelength), 8),
        ("layers", len(scene.layers), 2),
    ):
        power = 2 if name == "oversample" else 1
        wanted = math.ceil(count / max(fewer, 1.0) ** (1 / power))
        counts[name] = min(count, max(least, wanted))
        fewer /= (count / counts[name]) ** power
    sources, layers = counts["sources"], counts["layers"]
    own = panel.sensor and replace(panel.sensor, layers=panel.sensor.layers[:layers])
    return replace(
        scene,
        panels=(replace(panel, mask=None, sensor=own, roi=(x0, x1, first, first + rows - 1)),),
        oversample=counts["oversample"],
        orientations=scene.orientations[: counts["orientations"]],
        first_orientations=np.empty((0, 3, 3)),
        source_direction=scene.source_direction[:sources],
        source_wavelength=scene.source_wavelength[:sources],
        source_weight=scene.source_weight[:sources],
        layers=scene.layers[:layers],
    )
