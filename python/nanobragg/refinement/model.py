"""The spots of one experiment on the chosen pixels, and how they change with what is free."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from nanobragg.differentiation.names import choose
from nanobragg.differentiation.point import moved
from nanobragg.differentiation.tangents import tangents
from nanobragg.differentiation.turns import turns
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
        """Crystals of more unit cells along an axis are taken for smaller ones, with wider spots of the same sum."""
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

    def spots(self, x: Array) -> Array:
        """(m,) photons."""
        return self._image(self._scene(self._point(x)), [])[0]

    def columns(self, x: Array) -> Array:
        """(n, m): their derivatives by ``x``."""
        self.jacobians += 1
        point, variables = self._point(x), self._variables
        scene = self._scene(point)
        plain = [name for i, name in enumerate(variables.names) if i not in variables.turns]
        changes = list(tangents(choose(plain, point), point))
        if variables.turned:
            changes += turns(point)
        found = self._image(scene, changes)[1]
        columns = np.empty((len(variables), found.shape[1]))
        others = [i for i in range(len(variables)) if i not in variables.turns]
        values = variables.values(x)
        scales = np.where(variables.log, values, 1.0)
        columns[others] = found[: len(others)] * scales[others, None]
        if variables.turned:
            columns[variables.turns] = slopes_of_turn(x[variables.turns]).T @ found[len(others) :]
        return columns

    def _point(self, x: Array) -> Point:
        return moved(self._start, self._variables.at(x, self._start.said.experiment))

    def _scene(self, point: Point) -> Scene:
        """With a crystal that is not larger than wanted."""
        cells = np.array(point.scene.cells)
        fewer = np.minimum(cells, self.most_cells)
        scale = point.scene.scale * float(np.prod(cells / fewer))
        return replace(point.scene, cells=tuple(fewer.tolist()), scale=scale)

    def _image(self, scene: Scene, changes: list[SceneChange]) -> tuple[Array, Array]:
        image, columns = render_jvp(scene, changes, threads=self._threads, pixels=self._wanted)
        return image[self._order], columns[:, self._order]
