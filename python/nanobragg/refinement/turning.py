"""Which turn of a crystal, of all within some degrees, makes an image that is most like the data.

What is compared are images of few cells, whose spots are so wide that pixels can be too: each stands for a square of
those of the data. Nothing but the orientation differs from one to the next, so that hundreds take no longer than a few
of the images that are refined.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from nanobragg.differentiation.turns import turned
from nanobragg.maths.constants import DEGREES
from nanobragg.refinement.model import widened
from nanobragg.refinement.orientation import turn_of
from nanobragg.refinement.pixels import indices_at
from nanobragg.rendering.render import render

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from nanobragg.records.panel import ScenePanel
    from nanobragg.records.scene import Scene
    from nanobragg.refinement.target import Target

    Array = NDArray[np.float64]

MOST_CELLS = 8.0
"""along an axis, of the crystals whose spots are wide enough to begin with"""
_FEWEST_CELLS = 3.0
_STEP = 0.8
"""The grid's, in parts of what moves the outermost spots by their width"""
_FINER = (1.0, 0.5)
"""Steps around the best turn at the end of the grids, in parts of the grid's for so many cells."""
_NARROW, _LAST = 1.5 * MOST_CELLS, 0.5
"""Cells of a crystal whose narrower spots tell apart turns by which as many wide ones meet the data's; and the step
around the turn, of the same grid's."""
_MOST_STARTS = 4000
_AROUND = np.stack(np.meshgrid(*[np.arange(-1.0, 2.0)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
_SQUARES = np.column_stack([_AROUND[:, i] * _AROUND[:, j] for i in range(3) for j in range(i, 3)])
_CLIFF = 1e-3
"""a part of the largest curvature: a direction that curves less, or up, is taken to curve so much"""


def fewest_cells(radius: float, reach: float) -> float:
    """How many cells along an axis a crystal has whose outermost spots are as wide as they move within the radius."""
    return MOST_CELLS if radius == 0.0 else min(max(0.75 / (reach * radius / DEGREES), _FEWEST_CELLS), MOST_CELLS)


def more_cells(cells: float) -> float:
    """Twice as many, or the most."""
    return MOST_CELLS if 1.5 * cells > MOST_CELLS else min(2.0 * cells, MOST_CELLS)


def best_turn(target: Target, radius: float, reach: float) -> Array:
    """The turn (3,) about the laboratory's axes, degrees.

    Args:
        target: of a shot whose orientation is free.
        radius: degrees; the turn is not much larger.
        reach: the largest Miller index of the data.

    """
    look = _Look(target)
    cells = fewest_cells(radius, reach)
    step = _STEP / reach * DEGREES
    turns = _grid(radius, step / cells)
    best = turns[np.argmax(look.likes(turns, cells))]
    while (cells := more_cells(cells)) < MOST_CELLS:
        turns = best + step / cells * _AROUND
        best = turns[np.argmax(look.likes(turns, cells))]
    for part in _FINER if radius > 0.0 else _FINER[1:]:
        best = _peak(look, best, part * step / MOST_CELLS, MOST_CELLS)
    return _peak(_Look(target, _NARROW), best, _LAST * step / MOST_CELLS, _NARROW)


def _grid(radius: float, step: float) -> Array:
    """(n, 3): turns within a radius, small ones first."""
    count = math.ceil(radius / step)
    while (2 * count + 1) ** 3 > 2 * _MOST_STARTS:
        count -= 1
    ticks = np.linspace(-radius, radius, 2 * count + 1)
    grid = np.stack(np.meshgrid(ticks, ticks, ticks, indexing="ij"), axis=-1).reshape(-1, 3)
    sizes = np.linalg.norm(grid, axis=1)
    order = np.argsort(sizes, kind="stable")
    return grid[order[sizes[order] <= radius * 1.0001]]


def _peak(look: _Look, turn: Array, step: float, cells: float) -> Array:
    """Where likeness is largest, by a parabola through that of turns a step around, at most 1½ steps away."""
    likes = look.likes(turn + step * _AROUND, cells)
    found = np.linalg.lstsq(np.column_stack([np.ones(len(_AROUND)), _AROUND, _SQUARES]), likes, rcond=None)[0]
    slope, upper = found[1:4], np.zeros((3, 3))
    upper[np.triu_indices(3)] = found[4:]
    curves, axes = np.linalg.eigh(upper + upper.T)
    curves = np.minimum(curves, -_CLIFF * np.abs(curves).max() - 1e-300)
    return turn + step * np.clip(-axes @ ((axes.T @ slope) / curves), -1.5, 1.5)


class _Look:
    """A shot through wide pixels.

    Args:
        target: of the shot.
        most: cells along an axis, of the largest crystals that are looked at.

    """

    def __init__(self, target: Target, most: float = MOST_CELLS) -> None:
        self._start, self._threads = target.model.start, target.model.threads
        scene, pixels = self._start.scene, target.pixels
        size = _size(scene, most)
        panels = [_coarse(panel, size) for panel in scene.panels]
        firsts = np.cumsum([0, *(math.prod(panel.shape) for panel in panels)])
        shapes = np.array([panel.shape for panel in panels])
        number = pixels.rows["panel"][pixels.groups]
        place = np.column_stack([pixels.slow, pixels.fast]).astype(np.intp) // size
        inside = (place < shapes[number]).all(axis=1)
        wide = (firsts[number] + place[:, 0] * shapes[number, 1] + place[:, 1])[inside]
        away = np.broadcast_to(target.data - target.background.typical(target.data), len(number))[inside]
        counts = np.bincount(wide, minlength=firsts[-1])
        self._seen = counts > 0
        means = np.bincount(wide, away, firsts[-1])[self._seen] / counts[self._seen]
        self._wanted = _standard(means)
        masks = np.split(self._seen.astype(np.uint8), firsts[1:-1])
        every = zip(panels, masks, strict=True)
        self._scene = replace(scene, panels=tuple(replace(p, mask=mask.reshape(p.shape)) for p, mask in every))

    def likes(self, turns: Array, cells: float) -> Array:
        """(n,) how like the data the image of each turn (n, 3) is, for crystals of at most so many cells along an axis:
        the correlation of square roots.
        """
        scene = widened(self._scene, cells)
        images = (render(turned(scene, self._start, turn_of(turn)), threads=self._threads) for turn in turns)
        return np.array([float((_standard(image.reshape(-1)[self._seen]) * self._wanted).sum()) for image in images])


def _coarse(panel: ScenePanel, size: int) -> ScenePanel:
    """The panel in pixels of ``size`` times the length of its own, or of its own where it is too small."""
    shape = (panel.shape[0] // size, panel.shape[1] // size)
    fast, slow = panel.pixel_size
    area = None if panel.pixel_area is None else panel.pixel_area * size * size
    return replace(panel, shape=shape, pixel_size=(fast * size, slow * size), pixel_area=area, mask=None, roi=None)


def _size(scene: Scene, cells: float) -> int:
    """How many pixels the spots of a crystal of so many cells cover along an axis, in the middle of a panel."""
    panel = scene.panels[0]
    slow, fast = panel.shape[0] / 2, panel.shape[1] / 2
    middle, *beside = indices_at(scene, panel.at([fast, fast + 1.0, fast], [slow, slow, slow + 1.0]))
    return max(round(1.0 / (cells * float(np.abs(np.array(beside) - middle).max()))), 1)


def _standard(photons: NDArray[np.floating]) -> Array:
    """Square roots, of mean 0 and length 1, or all 0."""
    roots = np.sqrt(np.maximum(photons.astype(np.float64), 0.0))
    roots -= roots.mean()
    length = math.sqrt(float((roots * roots).sum()))
    return roots / length if length > 0.0 else roots
