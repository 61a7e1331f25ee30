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
from nanobragg.rendering.derivatives import render_jvp

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from nanobragg.differentiation.point import Point
    from nanobragg.records.scene import Scene
    from nanobragg.records.scene_change import SceneChange
    from nanobragg.refinement.pixels import Pixels
    from nanobragg.refinement.variables import Variables

    Array = NDArray[np.float64]


class Model:
    """Spots by the numbers that are free.

    Args:
        start: where the experiment starts; its files and structure factors are held.
        variables: what is free.
        pixels: where the spots are wanted.
        threads: 0 for all processors.

    """

    def __init__(self, start: Point, variables: Variables, pixels: Pixels, threads: int = 0) -> None:
        self._start, self._variables, self._threads = start, variables, threads
        self.most_cells = np.inf
        """Spots are at least as wide as those of so many cells along each axis (:func:`widened`)."""
        self.jacobians = 0
        """how many were computed"""
        self.look_at(pixels)

    def look_at(self, pixels: Pixels) -> None:
        """From now on, want the spots on other pixels."""
        self._wanted = np.zeros(self._start.scene.image_shape, bool)
        self._wanted.reshape(-1)[pixels.index] = True
        order = np.searchsorted(np.flatnonzero(self._wanted), pixels.index)
        sorted_already = bool((np.diff(order) > 0).all())
        self._order = slice(None) if sorted_already else order
        ends = np.cumsum([int(np.prod(panel.shape)) for panel in self._start.scene.panels])
        self._panels = np.searchsorted(ends, pixels.index, side="right")

    def spots(self, x: Array) -> Array:
        """(m,) photons."""
        return self._image(self.scene_at(x), [])[0]

    def columns(self, x: Array) -> Array:
        """(n, m): their derivatives by ``x``."""
        self.jacobians += 1
        point, variables = self._point(x), self._variables
        scene = self._scene(point)
        plain = [name for i, name in enumerate(variables.names) if i not in variables.turns]
        changes = list(tangents(choose(plain, point), point))
        if variables.turned:
            changes += turns(point)
        fewer = Fewer(changes)
        found = fewer.columns(self._image(scene, fewer.changes)[1], self._panels)
        others = [i for i in range(len(variables)) if i not in variables.turns]
        found[: len(others)] *= np.where(variables.log, variables.values(x), 1.0)[others, None]
        if variables.turned:
            found[len(others) :] = slopes_of_turn(x[variables.turns]).T @ found[len(others) :]
        return found[np.argsort([*others, *variables.turns], kind="stable")]

    def _point(self, x: Array) -> Point:
        return moved(self._start, self._variables.at(x, self._start.said.experiment))

    def _scene(self, point: Point) -> Scene:
        """With a crystal that is not larger than wanted."""
        return point.scene if np.isinf(self.most_cells) else widened(point.scene, self.most_cells)

    def scene_at(self, x: Array) -> Scene:
        """The Scene at ``x``, with all pixels."""
        return self._scene(self._point(x))

    def _image(self, scene: Scene, changes: list[SceneChange]) -> tuple[Array, Array]:
        image, columns = render_jvp(scene, changes, threads=self._threads, pixels=self._wanted)
        return image[self._order], columns[:, self._order]


def widened(scene: Scene, most: float) -> Scene:
    """The Scene with spots at least as wide as those of ``most`` cells along each axis, each of the sum that it had.

    The width is that of the cells of a SQUARE crystal; ROUND and GAUSS ones have ``fudge`` for it. The sum is taken
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
    if scene.crystal_shape is Shape.ROUND:
        return max(scene.cells) * root
    longest = float(np.linalg.norm(scene.orientations[0], axis=1).max()) * 1e10
    return float(np.prod(scene.cells)) * root / longest
