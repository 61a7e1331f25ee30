"""The spots of one experiment on the chosen pixels, and how they change with what is free."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from nanobragg.differentiation.names import choose
from nanobragg.differentiation.point import moved
from nanobragg.differentiation.tangents import tangents
from nanobragg.differentiation.turns import turns
from nanobragg.records.shapes import Shape
from nanobragg.refinement.moves import Fewer
from nanobragg.refinement.orientation import slopes_of_turn
from nanobragg.rendering.derivatives import render_jvp, render_vjp

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from nanobragg.differentiation.point import Point
    from nanobragg.records.scene import Scene
    from nanobragg.records.scene_change import SceneChange
    from nanobragg.refinement.pixels import Pixels
    from nanobragg.refinement.spread import Spread
    from nanobragg.refinement.variables import Variables
    from nanobragg.resolver.structure_factors import FactorGrid

    Array = NDArray[np.float64]


class Model:
    """Spots by the numbers that are free.

    Args:
        start: where the experiment starts; its files and structure factors are held.
        variables: what is free.
        pixels: where the spots are wanted.
        threads: 0 for all processors.
        spreading: makes the point spread of the pixels (m,) of a flat image; ``None``: there is none.

    """

    def __init__(
        self,
        start: Point,
        variables: Variables,
        pixels: Pixels,
        threads: int = 0,
        spreading: Callable[[NDArray[np.intp]], Spread] | None = None,
    ) -> None:
        self.start, self._variables, self.threads = start, variables, threads
        self._spreading = spreading
        self._spread: Spread | None = None
        self.most_cells = np.inf
        """Spots are at least as wide as those of so many cells along each axis (:func:`widened`)."""
        self.jacobians = 0
        """how many were computed"""
        self.look_at(pixels)

    def look_at(self, pixels: Pixels) -> None:
        """From now on, want the spots on other pixels."""
        if self._spreading is None:
            self._wanted = np.zeros(self.start.scene.image_shape, bool)
            self._wanted.reshape(-1)[pixels.index] = True
            order = np.searchsorted(np.flatnonzero(self._wanted), pixels.index)
            sorted_already = bool((np.diff(order) > 0).all())
            self._order = slice(None) if sorted_already else order
        else:
            spread = self._spread = self._spreading(pixels.index)
            self._wanted = spread.rendered
        self._index = pixels.index
        ends = np.cumsum([int(np.prod(panel.shape)) for panel in self.start.scene.panels])
        self._panels = np.searchsorted(ends, pixels.index, side="right")

    def spots(self, x: Array) -> Array:
        """(m,) photons."""
        return self._image(self.scene_at(x), [])[0]

    def columns(self, x: Array) -> Array:
        """(n, m): their derivatives by ``x``."""
        self.jacobians += 1
        point = self._point(x)
        fewer = Fewer(self._changes(point))
        found = fewer.columns(self._image(self._scene(point), fewer.changes)[1], self._panels)
        return self._by_x(found, x)

    def back(self, x: Array, weights: Array) -> tuple[Array, Array]:
        """The derivatives of the sum of spots times weights (m,) by ``x`` (n,) and by the grid (H, K, L)."""
        point = self._point(x)
        if self._spread is None:
            full = np.zeros(self._wanted.size)
            full[self._index] = weights
            chosen = full[self._wanted.ravel()]
        else:
            chosen = self._spread.back(weights)
        change = render_vjp(self._scene(point), chosen, threads=self.threads, pixels=self._wanted)[1]
        slopes = np.array([one.dot(change) for one in self._changes(point)])
        assert change.f_grid is not None
        return self._by_x(slopes, x), change.f_grid

    def with_factors(self, grid: Array) -> None:
        """From now on, of these structure factors (H, K, L)."""
        self.start = self.start._replace(grid=self.start.grid._replace(values=grid))

    @property
    def factors(self) -> FactorGrid:
        """The structure factors."""
        return self.start.grid

    def _changes(self, point: Point) -> list[SceneChange]:
        """How the Scene changes with the numbers that are free: plain ones first, then turns."""
        variables = self._variables
        plain = [name for i, name in enumerate(variables.names) if i not in variables.turns]
        changes = list(tangents(choose(plain, point), point))
        return changes + turns(point) if variables.turned else changes

    def _by_x(self, slopes: Array, x: Array) -> Array:
        """(n, ...) derivatives by ``x`` from those by :meth:`_changes`."""
        variables = self._variables
        others = [i for i in range(len(variables)) if i not in variables.turns]
        sizes = np.where(variables.log, variables.values(x), 1.0)[others]
        slopes[: len(others)] *= sizes.reshape(-1, *[1] * (slopes.ndim - 1))
        if variables.turned:
            slopes[len(others) :] = slopes_of_turn(x[variables.turns]).T @ slopes[len(others) :]
        return slopes[np.argsort([*others, *variables.turns], kind="stable")]

    def _point(self, x: Array) -> Point:
        return moved(self.start, self._variables.at(x, self.start.said.experiment))

    def _scene(self, point: Point) -> Scene:
        """With a crystal that is not larger than wanted."""
        return point.scene if np.isinf(self.most_cells) else widened(point.scene, self.most_cells)

    def scene_at(self, x: Array) -> Scene:
        """The Scene at ``x``, with all pixels."""
        return self._scene(self._point(x))

    def _image(self, scene: Scene, changes: list[SceneChange]) -> tuple[Array, Array]:
        image, columns = render_jvp(scene, changes, threads=self.threads, pixels=self._wanted)
        if self._spread is not None:
            return self._spread(image), self._spread(columns)
        return image[self._order], columns[:, self._order]


def widened(scene: Scene, most: float) -> Scene:
    """The Scene with spots at least as wide as those of ``most`` cells along each axis, each of the sum that it had.

    The width is that of the cells of a SQUARE crystal; ROUND and Gaussian ones have ``fudge`` for it. The sum is taken
    over all of reciprocal space: spots across the sphere of reflection become wider, too.
    """
    cells = np.array(scene.cells)
    if scene.crystal_shape is Shape.SQUARE:
        fewer = np.minimum(cells, most)
        return replace(scene, cells=tuple(fewer.tolist()), scale=scene.scale * float(np.prod(cells / fewer)))
    part = min(1.0, (most / _extent(scene)) ** 2)
    return replace(scene, fudge=scene.fudge * part, scale=scene.scale * part**1.5)


def _extent(scene: Scene) -> float:
    """Along an axis, the cells of a SQUARE crystal whose spots are about as wide."""
    root = float(np.sqrt(scene.fudge))
    if scene.crystal_shape in (Shape.ROUND, Shape.GAUSS_INDEX):
        return max(scene.cells) * root
    longest = float(np.linalg.norm(scene.orientations[0], axis=1).max()) * 1e10
    return float(np.prod(scene.cells)) * root / longest
