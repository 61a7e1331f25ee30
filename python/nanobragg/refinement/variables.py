"""What is free in a refinement: names of numbers, where they start, what is known of them, and how they are moved.

The vector that is refined holds, for each number, its distance from the start: of positive numbers (``POSITIVE``) that
of the logarithm, of the orientation a turn about the laboratory's axes in degrees, of others that in the user's units.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from nanobragg.differentiation.names import choose, targets_of
from nanobragg.differentiation.systems import SYSTEMS, belongs_to, whole_cell
from nanobragg.differentiation.values import replaced
from nanobragg.errors import InputError
from nanobragg.refinement.orientation import (
    matrix_of,
    misset_of_matrix,
    slopes_of_misset,
    slopes_of_turn,
    turn_of,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from nanobragg.differentiation.names import Chosen
    from nanobragg.differentiation.point import Point
    from nanobragg.records.experiment import Experiment

POSITIVE = frozenset(
    (
        *("beam.fluence", "beam.flux", "beam.dispersion", "beam.horizontal_divergence", "beam.vertical_divergence"),
        *("crystal.cells", "crystal.mosaic_spread", "crystal.fudge", "crystal.water", "sampling.oscillation"),
        *("detector.thickness", "detector.attenuation_depth", "detector.pixel_size"),
        *("beam.exposure", "beam.size", "sampling.phi_step"),
        *("beam.horizontal_divergence_step", "beam.vertical_divergence_step"),
    )
)
"""Refined by their logarithms."""
SCALE = "scale"
"""Another name for what all spots are multiplied by."""
SCALES = ("beam.fluence", "beam.flux")
"""What that is: the one of them that is said."""
_ORDER = ("cubic", "tetragonal", "hexagonal", "rhombohedral", "orthorhombic", "monoclinic", "triclinic")
_TURN = tuple(f"crystal.misset[{i}]" for i in range(3))

Known = float | tuple[float, float]
"""What is known of a number before: its standard deviation about the start, or about another value."""


@dataclass(frozen=True)
class Variable:
    """A number that is free."""

    name: str
    unit: str
    start: float
    log: bool = False
    turn: int | None = None
    """The axis of the laboratory that an orientation turns about."""
    lowest: float = -math.inf
    highest: float = math.inf
    prior: tuple[float, float] | None = None
    """Centre and standard deviation, in the user's units; of a turn, degrees from the start."""


def expanded(names: Sequence[str], point: Point) -> tuple[list[str], list[str]]:
    """Names of single numbers, from those of numbers and whole fields; and what was assumed.

    Raises :class:`InputError` for what is no list of names, and names that are there twice.
    """
    if isinstance(names, str) or not all(isinstance(name, str) for name in names):
        raise InputError(f"parameters: found {names!r:.60}, expected a list of names")
    found: list[str] = []
    notes: list[str] = []
    for name in names:
        found += _expanded(name, point, notes)
    twice = sorted({name for name in found if found.count(name) > 1})
    if twice or not found:
        raise InputError(f"parameters: found {twice[0] + ' twice' if twice else 'none'}, expected each name once")
    return found, notes


def _expanded(name: str, point: Point, notes: list[str]) -> list[str]:
    crystal = point.said.experiment.crystal
    if name == SCALE:
        return ["beam.flux" if point.said.experiment.beam.flux else "beam.fluence"]
    system = name.removeprefix("crystal.cell.")
    if name == "crystal.cell" and crystal.cell is not None:
        cell = whole_cell(crystal.cell)
        system = next(system for system in _ORDER if belongs_to(cell, system))
        notes.append(f"crystal.cell: taken for a {system} one: {', '.join(SYSTEMS[system])} are refined")
    if system in SYSTEMS:
        return [f"crystal.cell.{system}.{free}" for free in SYSTEMS[system]]
    numbers = [one.name for one in targets_of([name], point)[0].numbers]
    if not numbers:
        raise InputError(f"parameters: found {name}, which are many, expected names of single numbers of them")
    return numbers


class Variables:
    """The free numbers of one experiment.

    Args:
        names: of single numbers (:func:`expanded`).
        point: where the experiment starts.
        bounds: lowest and highest value by name, or by a whole field's.
        priors: what is known before, by name, or by a whole field's.

    Raises:
        InputError: for a name that there is not, and bounds and priors of numbers that are not free or cannot be.

    """

    def __init__(
        self,
        names: Sequence[str],
        point: Point,
        bounds: Mapping[str, tuple[float, float]] | None = None,
        priors: Mapping[str, Known] | None = None,
    ) -> None:
        self.names = list(names)
        chosen = choose(self.names, point)
        self._origin = matrix_of(point.said.experiment.crystal.misset or (0.0, 0.0, 0.0))
        frame = point.said.turn
        self._frame = np.eye(3) if frame is None else frame
        """The goniometer's, in which the crystal is missetted."""
        self.turned = all(name in self.names for name in _TURN)
        self.items = [self._variable(one) for one in chosen]
        self._targets, self._point = targets_of(self.names, point), point
        self._limit(bounds or {}, priors or {})
        self.log = np.array([v.log for v in self.items])
        self.turns = [self.names.index(name) for name in _TURN] if self.turned else []

    def __len__(self) -> int:
        return len(self.items)

    def _variable(self, one: Chosen) -> Variable:
        value = one.parameter.value
        start = float(value[one.index[0]] if one.index else value)
        return Variable(
            name=one.name,
            unit=_unit(one),
            start=start,
            log=(one.parameter.name in POSITIVE or one.row.kind == "sensor") and start > 0.0,
            turn=_TURN.index(one.name) if self.turned and one.name in _TURN else None,
            lowest=1.0 if one.parameter.name == "crystal.cells" else -math.inf,
        )

    def _limit(self, bounds: Mapping[str, tuple[float, float]], priors: Mapping[str, Known]) -> None:
        for name, limits in bounds.items():
            for i in self._numbers(name, "bounds"):
                self.items[i] = _bounded(self.items[i], name, limits)
        for name, known in priors.items():
            for i in self._numbers(name, "priors"):
                self.items[i] = _known(self.items[i], name, known)

    def _numbers(self, name: str, what: str) -> list[int]:
        found = [i for i, n in enumerate(self.names) if n == name or n.startswith((f"{name}[", f"{name}."))]
        if name == SCALE:
            found = [i for i, n in enumerate(self.names) if n in SCALES]
        if not found:
            raise InputError(f"{what}: found {name}, expected one of what is refined: {', '.join(self.names)}")
        return found

    # ---- to and fro -------------------------------------------------------------------------------------

    def values(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n,) in the user's units."""
        starts = np.array([v.start for v in self.items])
        found = np.where(self.log, starts * np.exp(np.where(self.log, x, 0.0)), starts + x)
        if self.turned:
            turn = self._frame.T @ turn_of(x[self.turns]) @ self._frame
            found[self.turns] = misset_of_matrix(turn @ self._origin)
        return found

    def slopes(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n, n): how the values change with ``x``."""
        values = self.values(x)
        found = np.diag(np.where(self.log, values, 1.0))
        if self.turned:
            angles = slopes_of_misset(values[self.turns]) @ self._frame.T @ slopes_of_turn(x[self.turns])
            found[np.ix_(self.turns, self.turns)] = angles
        return found

    @property
    def limits(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The lowest and highest ``x``."""
        ends = [[_distance(v, v.lowest) for v in self.items], [_distance(v, v.highest) for v in self.items]]
        return np.array(ends[0]), np.array(ends[1])

    def at(self, x: NDArray[np.float64], experiment: Experiment) -> Experiment:
        """The experiment with the values of ``x``, numbers of cells that are not whole among them."""
        return replaced(experiment, self._targets, self.values(x).tolist(), self._point)

    def without_experiment(self) -> Variables:
        """A small copy for another process, which has all but :meth:`at`."""
        found = copy(self)
        del found._targets, found._point
        return found


def _unit(one: Chosen) -> str:
    """The unit of a number; a cell's has its own."""
    if one.parameter.name != "crystal.cell":
        return one.parameter.unit
    return "Å" if one.index[0] < 3 else "degrees"


def _distance(v: Variable, value: float) -> float:
    if not v.log or math.isinf(value):
        return value - v.start
    return math.log(value / v.start) if value > 0.0 else -math.inf


def _bounded(v: Variable, name: str, limits: Any) -> Variable:
    if v.turn is not None:
        raise InputError(f"bounds: found {name}, which is refined as a turn, expected a prior of it")
    try:
        lowest, highest = (float(limit) for limit in limits)
    except (TypeError, ValueError, OverflowError):
        raise InputError(f"bounds: {name}: found {limits!r:.60}, expected the lowest and the highest value") from None
    if not lowest <= v.start <= highest:
        raise InputError(f"bounds: {name}: found {lowest:g} to {highest:g}, expected the start, {v.start:g}, inside")
    return replace(v, lowest=max(lowest, v.lowest), highest=highest)


def _known(v: Variable, name: str, known: Any) -> Variable:
    pair = known if isinstance(known, (tuple, list)) else (0.0 if v.turn is not None else v.start, known)
    try:
        centre, sigma = (float(value) for value in pair)
    except (TypeError, ValueError, OverflowError):
        centre, sigma = math.nan, math.nan
    if not (sigma > 0.0 and math.isfinite(centre)):
        raise InputError(f"priors: {name}: found {known!r:.60}, expected a standard deviation, or a value and one")
    return replace(v, prior=(centre, sigma))
