"""What a field may be from shot to shot: each distribution gives a value for a shot (``specs/ensembles.md``)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, Protocol

from nanobragg.ensemble.randomness import Randomness

STANDARD = NormalDist()


class Distribution(Protocol):
    """Gives a value for every shot."""

    def draw(self, random: Randomness, name: str) -> Any:
        """The value in one shot, of the random numbers that are called ``name``."""
        ...


# ---- values that are listed -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Constant:
    """The same in every shot."""

    value: Any

    def draw(self, random: Randomness, name: str) -> Any:
        return self.value


@dataclass(frozen=True)
class Listed:
    """One after the other, and again from the start."""

    values: tuple[Any, ...]

    def draw(self, random: Randomness, name: str) -> Any:
        return self.values[random.shot % len(self.values)]


@dataclass(frozen=True)
class Choice:
    """One of some values, with weights."""

    values: tuple[Any, ...]
    weights: tuple[float, ...]

    def draw(self, random: Randomness, name: str) -> Any:
        left = random.uniform(name) * math.fsum(self.weights)
        for value, weight in zip(self.values, self.weights, strict=True):
            left -= weight
            if left < 0.0:
                return value
        return next(v for v, w in zip(reversed(self.values), reversed(self.weights), strict=True) if w > 0.0)


@dataclass(frozen=True)
class Rows:
    """A column of a table, row by row, or each time of a row that is drawn: the same one for all of its columns."""

    values: tuple[Any, ...]
    drawn: bool
    table: str
    """Its name, as the file of the ensemble has it."""

    def draw(self, random: Randomness, name: str) -> Any:
        if self.drawn:
            # Crystals of one shot have rows of their own: their number ends the name.
            crystal = name[name.index("#") :] if "#" in name else ""
            return self.values[random.whole(f"table {self.table}{crystal}", 0, len(self.values) - 1)]
        return self.values[random.shot % len(self.values)]


# ---- numbers ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Sweep:
    """start + shot · step."""

    start: float
    step: float

    def draw(self, random: Randomness, name: str) -> float:
        return self.start + random.shot * self.step


@dataclass(frozen=True)
class Range:
    """Whole numbers from the first to the last, all as likely."""

    first: int
    last: int

    def draw(self, random: Randomness, name: str) -> int:
        return random.whole(name, self.first, self.last)


@dataclass(frozen=True)
class Uniform:
    """Between two numbers."""

    low: float
    high: float

    def draw(self, random: Randomness, name: str) -> float:
        return self.low + (self.high - self.low) * random.uniform(name)


@dataclass(frozen=True)
class Normal:
    """A mean and an rms; between ``least`` and ``most`` only."""

    mean: float
    rms: float
    least: float = -math.inf
    most: float = math.inf

    def draw(self, random: Randomness, name: str) -> float:
        if self.rms == 0.0:
            return self.mean
        low, high = ((end - self.mean) / self.rms for end in (self.least, self.most))
        value = self.mean + self.rms * deviate_between(random.uniform(name), low, high)
        return min(max(value, self.least), self.most)


@dataclass(frozen=True)
class LogNormal:
    """A mean and an rms (of the value, not of its logarithm); between ``least`` and ``most`` only."""

    mean: float
    rms: float
    least: float = 0.0
    most: float = math.inf

    def draw(self, random: Randomness, name: str) -> float:
        variance = math.log1p((self.rms / self.mean) ** 2)
        if variance == 0.0:  # also of an rms that is nothing beside the mean
            return self.mean
        centre, width = math.log(self.mean) - 0.5 * variance, math.sqrt(variance)
        low = (math.log(self.least) - centre) / width if self.least > 0.0 else -math.inf
        high = (math.log(self.most) - centre) / width
        value = math.exp(centre + width * deviate_between(random.uniform(name), low, high))
        return min(max(value, self.least), self.most)


def part_between(low: float, high: float) -> float:
    """The part of normal deviates that is between two numbers."""
    if low > 0.0:
        return part_between(-high, -low)
    return _below(high) - _below(low)


def deviate_between(uniform: float, low: float, high: float) -> float:
    """A normal deviate between two numbers: the cumulative distribution, inverted."""
    if low > 0.0:  # where the other tail has the digits
        return -deviate_between(1.0 - uniform, -high, -low)
    below = _below(low)
    return STANDARD.inv_cdf(min(max(below + uniform * (_below(high) - below), 5e-324), 1.0 - 2.0**-53))


def _below(z: float) -> float:
    return 0.5 * math.erfc(-z / math.sqrt(2.0))


@dataclass(frozen=True)
class Poisson:
    """Whole numbers, of a mean."""

    mean: float

    def draw(self, random: Randomness, name: str) -> int:
        left, term, number = random.uniform(name), math.exp(-self.mean), 0
        while left >= term and term > 0.0:
            left -= term
            number += 1
            term *= self.mean / number
        return number


# ---- several numbers --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Orientations:
    """Angles about x, y and z, degrees: rotations, uniform over all of them."""

    def draw(self, random: Randomness, name: str) -> tuple[float, ...]:
        from nanobragg import _core
        from nanobragg.maths.constants import DEGREES
        from nanobragg.maths.rotations import uniform_rotation

        u, v, w = random.uniforms(name, 3)
        return tuple(angle * DEGREES for angle in _core.rotation_angles(uniform_rotation(u, v, w)))


@dataclass(frozen=True)
class Parts:
    """A distribution for each part of a value."""

    parts: tuple[Distribution, ...]

    def draw(self, random: Randomness, name: str) -> tuple[Any, ...]:
        field, mark, crystal = name.partition("#")
        return tuple(part.draw(random, f"{field}[{i}]{mark}{crystal}") for i, part in enumerate(self.parts))


@dataclass(frozen=True)
class Changed:
    """The value that the experiment has, plus or times something drawn."""

    value: Any
    """A number, or several."""
    change: Distribution
    multiply: bool

    def draw(self, random: Randomness, name: str) -> Any:
        drawn = self.change.draw(random, name)
        if not isinstance(self.value, tuple):
            return self._of(self.value, drawn)
        each = drawn if isinstance(drawn, tuple) else (drawn,) * len(self.value)
        return tuple(self._of(value, change) for value, change in zip(self.value, each, strict=True))

    def _of(self, value: float, change: float) -> float:
        return value * change if self.multiply else value + change
