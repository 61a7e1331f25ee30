"""What a refinement of many shots found."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from nanobragg.refinement.result import COLUMNS, RefinedShot, table

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]


class Example(NamedTuple):
    """Images of a shot; NaN where pixels were not compared."""

    shot: int
    """its number"""
    data: Array
    """photons"""
    spots: Array
    """the model without its background"""
    background: Array
    residuals: Array
    """(data - model) in standard deviations of the model"""


@dataclass(frozen=True, eq=False)
class RefinedShots:
    """The experiments that explain many images best, with some numbers in common."""

    shots: tuple[RefinedShot, ...] = field(repr=False)
    """in the order of the images; numbers of each: its own, then the common ones"""
    common: tuple[str, ...]
    """names of what all shots have in common"""
    weak: tuple[str, ...]
    """what the data hardly tell apart, in words, the weakest first"""
    misfit: float
    """what was made small: of the likelihood, and of what was known before"""
    misfits: tuple[float, ...]
    """after each step of the last stage"""
    jacobians: int
    """how often derivatives were computed, of each shot"""
    converged: bool
    """False where the steps came to their end, or were interrupted"""
    notes: tuple[str, ...] = ()
    """what was assumed, and left out"""
    examples: tuple[Example, ...] = field(default=(), repr=False)
    """the shots that are explained worst, the worst first, and the one that is explained best"""

    @property
    def _shared(self) -> slice:
        return slice(len(self.shots[0].names) - len(self.common), None)

    @property
    def values(self) -> Array:
        """(c,) refined, of the common numbers."""
        return self.shots[0].values[self._shared]

    @property
    def covariance(self) -> Array:
        """(c, c) of the common numbers."""
        return self.shots[0].covariance[self._shared, self._shared]

    @property
    def sigmas(self) -> Array:
        """(c,) standard deviations of the common numbers."""
        return self.shots[0].sigmas[self._shared]

    @property
    def reduced_chi2(self) -> float:
        """Chi-squared for each pixel that is left when every refined number took one; about 1 of a right model."""
        own = len(self.shots[0].names) - len(self.common)
        left = self.pixels - own * len(self.shots) - len(self.common)
        return sum(float(shot.shoeboxes["chi2"].sum()) for shot in self.shots) / max(left, 1)

    @property
    def pixels(self) -> int:
        """How many were compared."""
        return sum(shot.pixels for shot in self.shots)

    @property
    def correlation(self) -> Array:
        """(c, c) of the common numbers."""
        return self.shots[0].correlation[self._shared, self._shared]

    def __getitem__(self, name: str) -> tuple[float, float]:
        """Value and standard deviation of a common number. Raises :class:`KeyError` for one that is none."""
        if name not in self.common:
            raise KeyError(f"{name}: expected one of {', '.join(self.common) or 'none'}; others are in shots[i]")
        return self.shots[0][name]

    def rows(self) -> list[dict[str, Any]]:
        """Shot, name, unit, start, value and sigma of each number; of common ones the shot is ``None``."""
        first = self.shots[0].rows()
        rows: list[dict[str, Any]] = [{"shot": None, **row} for row in first[self._shared]]
        for number, shot in enumerate(self.shots):
            rows += [{"shot": number, **row} for row in shot.rows()[: self._shared.start]]
        return rows

    def csv(self) -> str:
        """The same as text, with commas."""
        return table(self.rows(), ("shot", *COLUMNS))

    def __str__(self) -> str:
        """A table for people: common numbers, and the range of each other one."""
        first = self.shots[0]
        lines = first.lines()[self._shared]
        for i in range(self._shared.start):
            values, sigmas = (
                [a[i] for a in by] for by in zip(*((s.values, s.sigmas) for s in self.shots), strict=True)
            )
            spread = f"{min(values):.6g} to {max(values):.6g}"
            lines.append(f"{first.names[i]}  {spread} {first.units[i]}, ± {min(sigmas):.2g} to {max(sigmas):.2g}")
        state = "converged" if self.converged else "not converged"
        lines.append(
            f"{len(self.shots)} shots: chi-squared {self.reduced_chi2:.4g} a pixel, {self.pixels} pixels, "
            f"{self.jacobians} Jacobians of each, {state}"
        )
        return "\n".join([*lines, *self.weak, *self.notes])
