"""Whether two images agree (``specs/design.md``, "Precision and parity")."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nanobragg.records.scene import Scene
    from nanobragg.rendering.trace import Evaluation

NEAR = {"double": 1e-9, "mixed": 1e-6}
"""relative distance to a discontinuity within which pixels are left out"""
MOST_LEFT_OUT = 500
"""more pixels than this outside the bar are not looked at: the images disagree"""


@dataclass(frozen=True)
class Agreement:
    """The outcome of a comparison."""

    compared_with: str
    """``original`` or ``reference renderer``"""
    pixels: int
    """compared"""
    outside: int
    """beyond the bar, and not left out"""
    left_out: int = 0
    """beyond the bar within rounding of a discontinuity"""

    @property
    def agrees(self) -> bool:
        """No pixel is outside."""
        return self.outside == 0


def excusable(scene: Scene, slow: int, fast: int, precision: str) -> bool:
    """Whether an evaluation of this pixel is where rounding decides, so that a parity test leaves the pixel out."""
    from nanobragg.rendering.trace import trace_pixel

    return any(_rounding_decides(scene, e, NEAR[precision]) for e in trace_pixel(scene, slow, fast).evaluations)


def _rounding_decides(scene: Scene, e: Evaluation, near: float) -> bool:
    from nanobragg.records.scene import Interpolation, Shape

    offsets = [h - round(h) for h in e.hkl]
    if scene.crystal_shape == Shape.SQUARE and any(
        round(h) != 0 and abs(d) < 1e-9 * abs(h) for h, d in zip(e.hkl, offsets, strict=True)
    ):
        return True
    if scene.crystal_shape == Shape.ROUND:
        radius = math.pi * math.sqrt(scene.fudge * sum((d * n) ** 2 for d, n in zip(offsets, scene.cells, strict=True)))
        if 0 < radius < 3e-5:
            return True
    if scene.crystal_shape == Shape.TOPHAT and _at_tophat_edge(scene, offsets, near):
        return True
    if scene.dmin > 0 and e.stol > 0 and abs(0.5 / e.stol - scene.dmin) < near * scene.dmin:
        return True
    if scene.f_grid.size == 0:
        return False
    if any(abs(abs(d) - 0.5) < near * max(1.0, abs(h)) for h, d in zip(e.hkl, offsets, strict=True)):
        return True
    limits = zip(e.hkl, scene.f_min, scene.f_grid.shape, strict=True)
    return scene.interpolation != Interpolation.NEAREST and any(
        abs(h - edge) < near * max(1.0, abs(h)) for h, low, size in limits for edge in (low + 2, low + size - 3)
    )


def _at_tophat_edge(scene: Scene, offsets: list[float], near: float) -> bool:
    miss = [sum(d * scene.reciprocal[axis][i] for axis, d in enumerate(offsets)) for i in range(3)]
    size = scene.cells[0] * scene.cells[1] * scene.cells[2]
    radius = sum(x * x for x in miss) * size * size * scene.fudge
    return abs(radius / 0.3969 - 1.0) < 2 * near
