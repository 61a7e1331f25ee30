"""A command line as a value, and one in the making, whose words are drawn at random."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field, replace

Unit = tuple[str, ...]
"""One option with its values."""


@dataclass(frozen=True, kw_only=True)
class CommandLine:
    """Words by option, and the input files that they name."""

    units: tuple[Unit, ...]
    files: dict[str, bytes] = field(default_factory=dict)
    first: tuple[Unit, ...] | None = None
    """A command line to run before, in the same folder: it writes the cache that this one reads."""

    @property
    def words(self) -> list[str]:
        """The command line."""
        return [word for unit in self.units for word in unit]

    @property
    def first_words(self) -> list[str] | None:
        """The one before."""
        return None if self.first is None else [word for unit in self.first for word in unit]

    def with_units(self, units: tuple[Unit, ...]) -> CommandLine:
        """Other words, the same files."""
        return replace(self, units=units)


class Words:
    """One command line in the making."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.units: list[Unit] = []
        self.files: dict[str, bytes] = {}
        self.first: tuple[Unit, ...] | None = None

    def may(self, probability: float) -> bool:
        """True with this probability."""
        return self.rng.random() < probability

    def add(self, *words: str | int) -> None:
        """An option with its values."""
        self.units.append(tuple(str(word) for word in words))

    def number(self, low: float, high: float) -> str:
        """Between ``low`` and ``high``; as people type them, round more often than not."""
        value = self.rng.uniform(low, high)
        return f"{value:.{self.rng.choice((1, 2, 2, 3, 6))}g}"

    def decade(self, low: float, high: float) -> str:
        """A number between two others, every decade as likely as the next, as text."""
        value = 10.0 ** self.rng.uniform(math.log10(low), math.log10(high))
        return f"{value:.{self.rng.choice((1, 1, 2, 4))}g}"

    def signed(self, size: float) -> str:
        """A number between -``size`` and ``size``, as text."""
        return self.number(-size, size)

    def vector(self) -> tuple[str, str, str]:
        """Three numbers of any direction."""
        x, y, z = (f"{self.rng.gauss(0.0, 1.0):.3g}" for _ in range(3))
        return x, y, z
