"""What is made small for many shots together: the sum of their misfits, by common numbers and by those of each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np

from nanobragg.errors import InputError
from nanobragg.refinement.arrow import Arrow
from nanobragg.refinement.leash import Leash
from nanobragg.refinement.priors import Priors
from nanobragg.refinement.variables import SCALES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from nanobragg.refinement.crew import Crew
    from nanobragg.refinement.far import FarCrew, FarTarget
    from nanobragg.refinement.target import Part, Target
    from nanobragg.refinement.variables import Variable

    Array = NDArray[np.float64]

Found = TypeVar("Found")


class State(NamedTuple):
    """The target at one place."""

    x: Array
    """(n,) the common numbers, then each shot's own, as :class:`Arrow` has them"""
    misfit: float
    """about chi-squared, that of what is known before included"""
    parts: list[Part]
    """what each shot adds"""


class Joint:
    """What is minimised.

    Args:
        targets: of each shot. Their variables have the same names: own ones first, then those that are common.
        common: how many are common.
        crew: who works on the shots.
        leashed: whether common cells are kept near the start.

    """

    def __init__(
        self, targets: Sequence[Target | FarTarget], common: int, crew: Crew | FarCrew, *, leashed: bool = False
    ) -> None:
        self.targets: list[Any] = list(targets)
        self.common, self._crew = common, crew
        variables = self.targets[0].variables
        self.own = len(variables) - common
        shared = range(self.own, len(variables))
        self._priors, self._leash = Priors(variables, shared), Leash(variables, shared, holds=leashed)
        self.turned = variables.turned and all(i < self.own for i in variables.turns)
        """whether each shot has an orientation of its own that is free"""
        self.limits = (self._of_limits(0), self._of_limits(1))
        """(n,) lowest and highest"""
        self.longest = self.gathered(
            [np.where(v.log, 1.5, np.where(v.turn is not None, 3.0, np.inf)) for v in variables.items]
        )
        """(n,) steps"""

    @property
    def items(self) -> list[Variable]:
        """The variables of a shot, as the first one has them."""
        return self.targets[0].variables.items

    @property
    def scales(self) -> int | None:
        """Which of a shot's numbers multiplies all spots; ``None``: it is not free."""
        return next((i for i, v in enumerate(self.items) if v.name in SCALES and v.log), None)

    def gathered(self, values: Sequence[object]) -> Array:
        """(n,): of all numbers, from what is the same for each shot, own ones first."""
        found = np.array(values, dtype=float)
        return np.append(found[self.own :], np.tile(found[: self.own], len(self.targets)))

    def _of_limits(self, end: int) -> Array:
        every = np.array([target.variables.limits[end] for target in self.targets])
        return self.packed(every)

    def packed(self, every: Array) -> Array:
        """(n,) from (s, l + c); common numbers are the first shot's."""
        return np.append(every[0, self.own :], every[:, : self.own].ravel())

    def unpacked(self, x: Array) -> Array:
        """(s, l + c): what each shot sees of ``x``."""
        own = x[self.common :].reshape(len(self.targets), self.own)
        return np.hstack([own, np.tile(x[: self.common], (len(own), 1))])

    def over(self, work: Callable[[Target, Array], Found], x: Array) -> list[Found]:
        """What ``work`` makes of each shot and its numbers."""
        return self._crew.starmap(work, zip(self.targets, self.unpacked(x), strict=True))

    def with_parts(self, work: Callable[[Target, Array, Part], Found], state: State) -> list[Found]:
        """What ``work`` makes of each shot, its numbers and its part of the state."""
        return self._crew.starmap(work, zip(self.targets, self.unpacked(state.x), state.parts, strict=True))

    def at(self, x: Array) -> State:
        """The target at ``x`` (n,). Where it is nowhere, nothing is known of it afterwards, of no shot."""
        levels = [target.level for target in self.targets]
        try:
            return self.of(x, self.over(lambda target, y: target.at(y), x))
        except InputError:
            for target, level in zip(self.targets, levels, strict=True):
                target.level = level
            raise

    def of(self, x: Array, parts: list[Part]) -> State:
        """The state with these parts."""
        first = self.unpacked(x)[0]
        misfit = sum(part.misfit for part in parts) + self._priors.misfit(first)
        return State(x, misfit * self._leash.factor(first), parts)

    def again(self, state: State) -> State:
        """The state of the same models, compared in another way than before."""
        return self.of(state.x, self.with_parts(lambda target, y, part: target.of(y, part.spots), state))

    def best(self, one: State, other: State, clearly: float = 1.0) -> State:
        """The better one; where they differ in shots' own numbers alone, the better one for each shot. The other has no
        more than ``clearly`` of the misfit then.
        """
        if not np.array_equal(one.x[: self.common], other.x[: self.common]):
            return one if clearly * one.misfit <= other.misfit else other
        better = np.array([b.misfit < clearly * a.misfit for a, b in zip(one.parts, other.parts, strict=True)])
        every = np.where(better[:, None], self.unpacked(other.x), self.unpacked(one.x))
        parts = [b if yes else a for a, b, yes in zip(one.parts, other.parts, better, strict=True)]
        return self.of(self.packed(every), parts)

    def empty(self) -> float:
        """The misfit without any spots."""
        return sum(self._crew.map(lambda target: target.empty(), self.targets))

    def slopes(self, state: State) -> Arrow:
        """The target's slopes there."""
        found = self.with_parts(lambda target, y, part: target.slopes(y, part), state)
        gradients = np.array([slopes.gradient for slopes in found])
        normals = np.array([slopes.normal for slopes in found])
        head = normals[:, self.own :, self.own :].sum(axis=0)
        gradient = gradients[:, self.own :].sum(axis=0)
        first = self.unpacked(state.x)[0]
        surprise, slopes = self._priors.surprise(first)
        known = self._priors.numbers - self.own
        gradient[known] -= surprise * slopes
        head[known, known] += slopes * slopes
        factor, held = self._leash.slopes(first, state.misfit)
        pull, held = (held * first)[self.own :], held[self.own :]
        return Arrow(
            np.append(factor * gradient - pull, factor * gradients[:, : self.own].ravel()),
            factor * head + np.diag(held),
            factor * normals[:, : self.own, self.own :],
            factor * normals[:, : self.own, : self.own],
        )

    def limit_cells(self, most: float) -> None:
        """From now on, spots are at least as wide as those of so many cells along each axis."""
        for target in self.targets:
            target.model.most_cells = most
