"""Where to begin: near enough for the way down to end at the lowest place.

The image of a crystal of few unit cells has wide spots, so that a model overlaps the data although it is off by more
than the width of the data's own; and the misfit of square roots is milder than that of photons. So the way down begins
with a small crystal, whose spots have the same sum, and with the best of many orientations where it is asked for.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from nanobragg.records.shapes import Shape
from nanobragg.refinement.fit import descend
from nanobragg.refinement.model import widened
from nanobragg.refinement.turning import MOST_CELLS, best_turn, fewest_cells, more_cells
from nanobragg.refinement.variables import SCALES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from nanobragg.refinement.joint import Joint, State
    from nanobragg.refinement.target import Target

    Array = NDArray[np.float64]

_STEPS = 2
_EXPLAINED, _BETTER = 0.2, 0.5
"""The start itself is taken where it leaves no more than so much of the misfit without any spots (else it has no spots
where the data have them), and of the misfit that was found from small crystals (one bright spot may be all that it
explains)."""
_CLEARLY = 0.8
"""The start's orientation is left, where none was to be looked for, for one of no more than so much of the misfit."""
_WIDTHS = ("crystal.cells", "crystal.fudge", "crystal.mosaic_spread")
_BRIGHT = 4096
_SIZES, _WORSE = 8, 2
"""Crystals, each √2 times as large as the one before, that are tried in the end, until so many one after the other are
worse than the ones before them."""
_OTHERS = 8
"""The scale is found by so many pixels, the brightest of data and model, and by each eighth other one."""


def begin(target: Joint, search: float, reach: float) -> State:
    """The state from which to go down with everything free.

    Args:
        target: of a mild likelihood (``rooted``).
        search: degrees; within this radius of the start orientations are looked for. 0: they are known well enough.
        reach: the largest Miller index of the data, or a bit more.

    """
    start = np.zeros(len(target.longest))
    if target.turned:
        turns = target.packed(np.array(target.over(lambda shot, x: _turned(shot, x, search, reach), start)))
        found = _grown(target, _small(target, turns).x)
        if search == 0.0:
            found = target.best(_grown(target, _small(target, start).x), found, _CLEARLY)
    else:
        found = _grown(target, _moved(target, start, search, reach).x)
    plain = _scaled(target, start)
    return plain if plain.misfit < min(_BETTER * found.misfit, _EXPLAINED * target.empty()) else found


def _small(target: Joint, x: Array) -> State:
    """The state of a small crystal, with the scale that is best."""
    target.limit_cells(MOST_CELLS)
    found = _scaled(target, x)
    target.limit_cells(np.inf)
    return found


def _moved(target: Joint, start: Array, search: float, reach: float) -> State:
    """The same, some steps down from the start with everything free but the width."""
    free = target.gathered([not v.name.startswith(_WIDTHS) for v in target.items]) > 0.0
    few = fewest_cells(search, reach)
    target.limit_cells(few)
    blurred = _scaled(target, start)
    while free.any():
        blurred = descend(target, blurred, free=free, steps=_STEPS if few == MOST_CELLS else 1, enough=1.0).state
        if few == MOST_CELLS:
            break
        few = more_cells(few)
        target.limit_cells(few)
        blurred = _scaled(target, blurred.x)
    target.limit_cells(np.inf)
    return blurred


def _turned(target: Target, x: Array, search: float, reach: float) -> Array:
    """A shot's numbers with the turn that is found."""
    found = x.copy()
    found[target.variables.turns] = best_turn(target, search, reach)
    return found


def _shared(target: Joint, moves: Array) -> Array:
    """The moves (s, l + c) that shots would make, those of common numbers their median."""
    common = slice(target.own, None)
    return np.hstack([moves[:, : target.own], np.tile(np.median(moves[:, common], axis=0), (len(moves), 1))])


def _scaled(target: Joint, x: Array) -> State:
    """The state at ``x`` with the scale, where it is free, that is best there."""
    state = target.at(x)
    number = next((i for i, v in enumerate(target.items) if v.name in SCALES), None)
    if number is None:
        return state
    moves = np.zeros((len(target.targets), len(target.items)))
    moves[:, number] = target.with_parts(lambda shot, _, part: _best_scale(shot, part.spots), state)
    scaled = target.at(np.clip(x + target.packed(_shared(target, moves)), *target.limits))
    return target.best(state, scaled)


def _best_scale(target: Target, spots: Array) -> float:
    """The logarithm of the factor by which these spots explain the data best, over a typical background."""
    weight = np.zeros(len(spots))
    weight[::_OTHERS] = _OTHERS
    for values in (spots, target.data):
        weight[np.argpartition(values, -min(_BRIGHT, len(values)))[-_BRIGHT:]] = 1.0
    chosen = weight > 0.0
    weight, data, model = weight[chosen], target.data[chosen], spots[chosen]
    below = np.broadcast_to(target.background.typical(target.data), len(spots))[chosen]

    def misfit(log: float) -> float:
        return float((target.likelihood.of(data, math.exp(log) * model + below).misfit * weight).sum())

    top = float(model.max())
    if not top > 0.0:
        return 0.0
    middle = math.log(max(float((data - below).max()), 1.0) / top)
    for step, count in ((1.0, 8), (0.25, 4), (0.06, 4)):
        middle = min((middle + step * n for n in range(-count, count + 1)), key=misfit)
    return middle


def _grown(target: Joint, x: Array) -> State:
    """From the numbers that wide spots tell, on to a crystal of any size: of several, from small to the start's, the
    one that explains the data best, for each shot where sizes are not in common.
    """

    def of_size(most: float) -> State:
        moves = np.array(target.over(lambda shot, y: _growth(shot, y, most), x))
        return target.at(np.clip(x + target.packed(_shared(target, moves)), *target.limits))

    best = last = of_size(MOST_CELLS)
    worse = 0
    for number in range(1, _SIZES):
        ahead = of_size(MOST_CELLS * 2.0 ** (number / 2.0))
        worse = worse + 1 if all(a.misfit > b.misfit for a, b in zip(ahead.parts, last.parts, strict=True)) else 0
        if worse == _WORSE or np.array_equal(ahead.x, last.x):
            break
        best, last = target.best(best, ahead), ahead
    return best


def _growth(target: Target, x: Array, most: float) -> Array:
    """By what a shot's numbers move so that its spots are as wide as those of ``most`` cells, where their width is
    free, with the sums they had.
    """
    variables = target.variables
    shape, fudge, cells = _widths(target, x, most)
    if any(item.name == "crystal.fudge" for item in variables.items):
        cells = np.ones(3)
    moves = np.zeros(len(x))
    scale = 0.0
    for i, item in enumerate(variables.items):
        if item.name == "crystal.fudge":
            moves[i] = math.log(fudge)
            scale += 1.5 * math.log(fudge)
        elif item.name.startswith("crystal.cells_off_diagonal["):
            moves[i] = variables.values(x)[i] * (cells[0] - 1.0)
        elif item.name.startswith("crystal.cells["):
            moves[i] = math.log(cells[int(item.name[-2])])
            # The sum of a spot goes by the product of cells, of a GAUSS crystal by its inverse.
            scale += moves[i] if shape is Shape.GAUSS else -moves[i]
    for i, item in enumerate(variables.items):
        if item.name in SCALES:
            moves[i] = scale
    return moves


def _widths(target: Target, x: Array, most: float) -> tuple[Shape, float, Array]:
    """The widths of a crystal of ``most`` cells, in parts of those at ``x``: ``fudge``, or numbers of cells, which do
    the same.
    """
    model = target.model
    large = model.scene_at(x)
    small = widened(large, most)
    fudge = small.fudge / large.fudge
    if large.crystal_shape is Shape.SQUARE:
        return large.crystal_shape, 1.0, np.array(small.cells) / np.array(large.cells)
    return large.crystal_shape, fudge, np.full(3, fudge ** (1 / 6 if large.crystal_shape is Shape.GAUSS else 1 / 2))
