"""The pixels that a parity test leaves out, and why (``specs/design.md``, "Precision and parity").

There the last bits of a product decide about the value: 0/0 of rounding noise, or a discontinuity.
"""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

from nanobragg.maths.absorption import mean_depth
from nanobragg.records.scene import Interpolation
from nanobragg.records.shapes import Shape

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np

    from nanobragg.records.scene import Scene
    from nanobragg.rendering.trace import Evaluation, Trace

_CANCELLING = 1e-9
_DIRECT_BEAM = 3e-5
_TOPHAT_EDGE = 0.3969
_NEAR = {"double": 1e-9, "mixed": 1e-6}


def reasons(scene: Scene, trace: Trace, precision: str = "double") -> set[str]:
    """Why the traced pixel of ``scene`` is left out: some of ``cancellation``, ``tophat edge``, ``half-integer index``,
    ``tricubic limit``, ``resolution limit``; empty when it must agree.
    """
    near = _NEAR[precision]
    found: set[str] = set()
    for evaluation in trace.evaluations:
        found.update(_reasons(scene, evaluation, near))
    if _resolution_limit(scene, trace, near):
        found.add("resolution limit")
    return found


def _reasons(scene: Scene, e: Evaluation, near: float) -> Iterator[str]:
    deltas = [h - h0 for h, h0 in zip(e.hkl, e.hkl0, strict=True)]
    shape = Shape(scene.crystal_shape)
    if shape is Shape.SQUARE:
        for h, h0, delta in zip(e.hkl, e.hkl0, deltas, strict=True):
            if h0 != 0 and abs(delta) < _CANCELLING * abs(h):
                yield "cancellation"
    elif shape is Shape.ROUND:
        rho = math.hypot(*(delta * n for delta, n in zip(deltas, scene.cells, strict=True)))
        if 0.0 < math.pi * math.sqrt(scene.fudge) * rho < _DIRECT_BEAM:
            yield "cancellation"
    elif shape is Shape.TOPHAT and abs(_squared_radius(scene, deltas) / _TOPHAT_EDGE - 1.0) < near:
        yield "tophat edge"
    if e.interpolated and _at_a_zero(scene, e, deltas, near):
        yield "cancellation"
    if _between_two_nodes(scene, e, deltas, near):
        yield "half-integer index"
    if scene.interpolation is not Interpolation.NEAREST and scene.f_grid.size and _at_tricubic_limit(scene, e, near):
        yield "tricubic limit"


def _between_two_nodes(scene: Scene, e: Evaluation, deltas: list[float], near: float) -> bool:
    """Whether rounding decides which node of the reciprocal lattice is the nearest, and it matters which one.

    It does where their structure factors differ, and to the shapes that go by the distance from the node in space.
    """
    half = [abs(abs(delta) - 0.5) < near * max(abs(h), 1.0) for h, delta in zip(e.hkl, deltas, strict=True)]
    if not any(half):
        return False
    if Shape(scene.crystal_shape) in (Shape.GAUSS, Shape.TOPHAT, Shape.GAUSS_INDEX):
        return True
    either = [
        (math.floor(h), math.floor(h) + 1) if between else (h0,)
        for h, h0, between in zip(e.hkl, e.hkl0, half, strict=True)
    ]
    return not e.interpolated and len({_stored(scene, node) for node in itertools.product(*either)}) > 1


def _stored(scene: Scene, node: tuple[int, ...]) -> float:
    at = [index - low for index, low in zip(node, scene.f_min, strict=True)]
    inside = all(0 <= index < size for index, size in zip(at, scene.f_grid.shape, strict=True))
    return float(scene.f_grid[tuple(at)]) if inside else scene.default_F


def _squared_radius(scene: Scene, deltas: list[float]) -> float:
    vector = [sum(d * float(row[i]) for d, row in zip(deltas, scene.reciprocal, strict=True)) for i in range(3)]
    return scene.fudge * sum(x * x for x in vector) * math.prod(n * n for n in scene.cells)


def _at_a_zero(scene: Scene, e: Evaluation, deltas: list[float], near: float) -> bool:
    """Whether the interpolation goes through 0 here: what is left is its slope times the rounding of the indices."""
    whole = all(abs(delta) < near * max(abs(h), 1.0) for h, delta in zip(e.hkl, deltas, strict=True))
    return whole and abs(e.F_cell) < near * float(abs(scene.f_grid).max())


def _at_tricubic_limit(scene: Scene, e: Evaluation, near: float) -> bool:
    for h, low, size in zip(e.hkl, scene.f_min, scene.f_grid.shape, strict=True):
        for limit in (low + size - 3, low + 2):
            if abs(h - limit) < near * max(abs(h), 1.0):
                return True
    return False


def _resolution_limit(scene: Scene, trace: Trace, near: float) -> bool:
    """Whether a source is at the limit that culls it: its evaluations may or may not be in the trace."""
    if scene.dmin <= 0.0:
        return False
    if any(abs(2.0 * e.stol * scene.dmin - 1.0) < near for e in trace.evaluations):
        return True
    return any(
        abs(_length_of_q(scene, position, source) * scene.dmin - 1.0) < near
        for position in _subpixels(scene, trace)
        for source in range(len(scene.source_wavelength))
    )


def _subpixels(scene: Scene, trace: Trace) -> Iterator[np.ndarray]:
    """Positions (m) in the layers of the sensor."""
    panel, n = scene.panels[trace.panel], scene.oversample
    sensor = scene.sensor_of(panel)
    for i in range(n):
        for j in range(n):
            at = panel.at(trace.fast + (j + 0.5) / n, trace.slow + (i + 0.5) / n)
            parallax = float(at @ panel.normal) / math.hypot(*at)
            for depth, _, _, _, thickness in sensor.layers:
                yield at + (depth + mean_depth(thickness, sensor.attenuation, parallax)) * panel.normal


def _length_of_q(scene: Scene, position: np.ndarray, source: int) -> float:
    direction = position / math.hypot(*position)
    return math.hypot(*(direction - scene.source_direction[source])) / float(scene.source_wavelength[source])
