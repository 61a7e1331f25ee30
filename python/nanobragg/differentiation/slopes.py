"""The derivatives of a weighted sum of pixels by what users say."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from nanobragg.differentiation.tangents import tangents
from nanobragg.rendering.derivatives import render_vjp

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from nanobragg.differentiation.names import Target
    from nanobragg.differentiation.point import Point
    from nanobragg.records.scene_change import SceneChange

Slope = float | np.ndarray
"""By a target: a number, or an array of its shape."""


def slopes_at(
    point: Point, targets: Sequence[Target], weights: ArrayLike, threads: int, pixels: ArrayLike | None = None
) -> tuple[NDArray[np.float64], list[Slope]]:
    """The image, and the derivatives of Σ weights · image by each target; of chosen pixels alone, if any are."""
    grid = any(target.row.name in ("crystal.structure_factors", "crystal.default_F") for target in targets)
    image, change = render_vjp(point.scene, weights, threads=threads, grid=grid, pixels=pixels)
    slopes = iter([t.dot(change) for t in tangents([n for target in targets for n in target.numbers], point)])
    return image, [_taken(target, slopes, change) for target in targets]


def _taken(target: Target, slopes: Iterator[float], change: SceneChange) -> Slope:
    """The derivatives by a target, from those by all numbers in their order."""
    if not target.numbers:
        return change.f_grid if change.f_grid is not None else np.zeros(target.shape)
    return np.array([next(slopes) for _ in target.numbers]) if target.whole else next(slopes)
