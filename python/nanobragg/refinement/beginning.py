"""Where to begin: near enough for the way down to end at the lowest place.

The image of a crystal of few unit cells has wide spots, so that a model overlaps the data although it is off by more
than the width of the data's own; and the misfit of square roots is milder than that of photons. So the way down begins
with a small crystal, whose spots have the same sum, and with the best of many orientations where it is asked for.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from nanobragg.maths.constants import DEGREES
from nanobragg.refinement.fit import descend

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from nanobragg.refinement.target import State, Target

    Array = NDArray[np.float64]

MOST_CELLS = 8.0
"""along an axis, of the crystal that the way down begins with"""
_FEWEST_CELLS = 3.0
_MOST_STARTS = 4000
_STEPS = 3
_WIDTHS = ("crystal.cells", "crystal.fudge", "crystal.mosaic_spread")
_SCALES = ("beam.fluence", "beam.flux")


def begin(target: Target, search: float, reach: float) -> State:
    """The state from which to go down with everything free.

    Args:
        target: of a mild likelihood (``rooted``).
        search: degrees; within this radius of the start the orientation is looked for. 0: it is known well enough.
        reach: the largest Miller index of the data, or a bit more.

    """
    variables, model = target.variables, target.model
    plain = _scaled(target, np.zeros(len(variables)))
    few = MOST_CELLS
    if search > 0.0:
        few = min(max(0.75 / (reach * search / DEGREES), _FEWEST_CELLS), MOST_CELLS)
    model.most_cells = few
    x = np.zeros(len(variables))
    if search > 0.0 and variables.turned:
        x = _best_turn(target, search, 0.8 / (few * reach) * DEGREES)
    free = np.array([not v.name.startswith(_WIDTHS) for v in variables.items])
    blurred = _scaled(target, x)
    while free.any():
        blurred = descend(target, blurred, free=free, steps=_STEPS, enough=1.0).state
        if few == MOST_CELLS:
            break
        few = MOST_CELLS if 1.5 * few > MOST_CELLS else min(2.0 * few, MOST_CELLS)
        model.most_cells = few
        blurred = _scaled(target, blurred.x)
    model.most_cells = np.inf
    if plain.misfit < blurred.misfit:
        return plain
    return _grown(target, blurred.x)


def _best_turn(target: Target, radius: float, step: float) -> Array:
    """The turn within a radius (degrees) whose image is most like the data."""
    count = math.ceil(radius / step)
    while (2 * count + 1) ** 3 > 2 * _MOST_STARTS:
        count -= 1
    ticks = np.linspace(-radius, radius, 2 * count + 1)
    grid = np.stack(np.meshgrid(ticks, ticks, ticks, indexing="ij"), axis=-1).reshape(-1, 3)
    grid = grid[np.linalg.norm(grid, axis=1) <= radius * 1.0001]
    wanted = np.sqrt(np.maximum(target.data - np.median(target.data), 0.0))
    x = np.zeros(len(target.variables))
    best, found = -np.inf, x
    for turn in grid[np.argsort(np.linalg.norm(grid, axis=1), kind="stable")]:
        tried = x.copy()
        tried[target.variables.turns] = turn
        like = _likeness(np.sqrt(target.model.spots(tried)), wanted)
        if like > best:
            best, found = like, tried
    return found


def _likeness(a: Array, b: Array) -> float:
    a, b = a - a.mean(), b - b.mean()
    size = math.sqrt(float(a @ a) * float(b @ b))
    return float(a @ b) / size if size > 0.0 else 0.0


def _scaled(target: Target, x: Array) -> State:
    """The state at ``x`` with the scale, where it is free, that is best there."""
    state = target.at(x)
    number = next((i for i, v in enumerate(target.variables.items) if v.name in _SCALES), None)
    if number is None:
        return state
    above = target.data - np.median(target.data)
    weight = 1.0 / np.maximum(np.median(target.data) + np.maximum(above, 0.0), 1.0)
    factor = float((weight * above) @ state.spots) / max(float((weight * state.spots) @ state.spots), 1e-300)
    if not factor > 0.0:
        return state
    lowest, highest = target.variables.limits
    other = x.copy()
    other[number] = min(max(x[number] + math.log(factor), lowest[number]), highest[number])
    scaled = target.at(other)
    return scaled if scaled.misfit < state.misfit else state


def _grown(target: Target, x: Array) -> State:
    """The state that has the small crystal's numbers of cells where those are free, the spots' sums as they were."""
    items = target.variables.items
    values = target.variables.values(x)
    grown = x.copy()
    lowest, highest = target.variables.limits
    for i, item in enumerate(items):
        if item.name.startswith("crystal.cells") and values[i] > MOST_CELLS:
            grown[i] = max(math.log(MOST_CELLS / item.start), lowest[i])
    lost = float((x - grown)[[v.name.startswith("crystal.cells") for v in items]].sum())
    for i, item in enumerate(items):
        if item.name in _SCALES:
            grown[i] = min(max(x[i] + lost, lowest[i]), highest[i])
    return target.at(grown)
