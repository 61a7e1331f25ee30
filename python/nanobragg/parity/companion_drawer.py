"""What drawing random command lines of nonBragg.c and of noisify.c has in common."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np

from nanobragg.parity.command_line import CommandLine, Unit


class Drawer:
    """One command line in the making."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.units: list[Unit] = []
        self.files: dict[str, bytes] = {}

    def may(self, probability: float) -> bool:
        return self.rng.random() < probability

    def add(self, *words: str | int) -> None:
        self.units.append(tuple(str(word) for word in words))

    def number(self, low: float, high: float) -> str:
        """Between ``low`` and ``high``; as people type them, round more often than not."""
        return f"{self.rng.uniform(low, high):.{self.rng.choice((1, 2, 3, 4, 6))}g}"

    def decade(self, low: float, high: float) -> str:
        """The same, every decade as likely as the next."""
        value = 10.0 ** self.rng.uniform(np.log10(low), np.log10(high))
        return f"{value:.{self.rng.choice((1, 2, 4))}g}"

    def vector(self) -> tuple[str, str, str]:
        x, y, z = (f"{self.rng.gauss(0.0, 1.0):.3g}" for _ in range(3))
        return x, y, z

    def near(self, vector: Sequence[float]) -> tuple[str, ...]:
        """Something like ``vector``."""
        return tuple(f"{x + self.rng.gauss(0.0, 0.15):.3g}" for x in vector)

    def line(self) -> CommandLine:
        """What has been drawn."""
        if self.may(0.5):
            self.rng.shuffle(self.units)
        return CommandLine(units=tuple(self.units), files=self.files)

    def odd_numbers(self) -> None:
        """Numbers with something behind them, which C's atof and atoi do not look at."""
        for i, unit in enumerate(self.units):
            if len(unit) == 2 and unit[1].replace(".", "").isdigit() and self.may(0.3):
                self.units[i] = (unit[0], unit[1] + self.rng.choice(("A", "mm", ".0", ",", "_x")))

    def header(self, lines: dict[str, str], size: int = 512) -> bytes:
        """An SMV header."""
        body = "".join(f"{key}={value};\n" for key, value in lines.items())
        return f"{{\nHEADER_BYTES={size:5d};\n{body}}}\f".encode().ljust(size)
