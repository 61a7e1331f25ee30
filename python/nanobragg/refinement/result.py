"""What a refinement found."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from nanobragg.records.experiment import Experiment

    Array = NDArray[np.float64]


COLUMNS = ("name", "unit", "start", "value", "sigma")


@dataclass(frozen=True, eq=False)
class RefinedShot:
    """The experiment that explains an image best, and how well it is known."""

    experiment: Experiment
    """With the refined values."""
    names: tuple[str, ...]
    """what was refined, as derivatives name it"""
    units: tuple[str, ...]
    start: Array
    """(n,) values at the start, in these units"""
    values: Array
    """(n,) refined"""
    covariance: Array
    """(n, n) of the values"""
    shoeboxes: NDArray[np.void]
    """(g,) of each group of pixels: panel, fast, slow (pixels), h, k, l, pixels; chi2: the sum of (data - model)² in
    variances of the model; spread: the standard deviation of such a sum; Z: how far chi2 is from the number of pixels,
    in spreads"""

    @property
    def sigmas(self) -> Array:
        """(n,) standard deviations of the values."""
        return np.sqrt(np.maximum(np.diag(self.covariance), 0.0))

    @property
    def correlation(self) -> Array:
        """(n, n)"""
        sigmas = np.where(self.sigmas > 0.0, self.sigmas, 1.0)
        return self.covariance / np.outer(sigmas, sigmas)

    @property
    def pixels(self) -> int:
        """How many were compared."""
        return int(self.shoeboxes["pixels"].sum())

    @property
    def reduced_chi2(self) -> float:
        """Chi-squared for each pixel that is left when every refined number took one; about 1 of a right model."""
        return float(self.shoeboxes["chi2"].sum()) / max(self.pixels - len(self.names), 1)

    @property
    def Z(self) -> float:
        """How far chi-squared of all pixels is from their number, in the standard deviations of such a sum."""
        boxes = self.shoeboxes
        return float((boxes["chi2"] - boxes["pixels"]).sum() / np.sqrt((boxes["spread"] ** 2).sum()))

    def __getitem__(self, name: str) -> tuple[float, float]:
        """Value and standard deviation by name. Raises :class:`KeyError` for one that was not refined."""
        if name not in self.names:
            raise KeyError(f"{name}: expected one of {', '.join(self.names)}")
        number = self.names.index(name)
        return float(self.values[number]), float(self.sigmas[number])

    def rows(self) -> list[dict[str, Any]]:
        """Name, unit, start, value and sigma of each number."""
        columns = (self.names, self.units, self.start.tolist(), self.values.tolist(), self.sigmas.tolist())
        return [dict(zip(COLUMNS, row, strict=True)) for row in zip(*columns, strict=True)]

    def csv(self) -> str:
        """The same as text, with commas."""
        return table(self.rows(), COLUMNS)

    def lines(self) -> list[str]:
        """A row for each number, for people."""
        width = max(len(name) for name in self.names)
        return [
            f"{row['name']:<{width}}  {with_sigma(row['value'], row['sigma']):>26} {row['unit']:<12} "
            f"from {row['start']:.6g}"
            for row in self.rows()
        ]


@dataclass(frozen=True, eq=False)
class Refinement(RefinedShot):
    """The experiment that explains an image best, and how well the image determines it."""

    weak: tuple[str, ...]
    """what the data hardly tell apart, in words, the weakest first"""
    misfit: float
    """what was made small: of the likelihood, and of what was known before"""
    misfits: tuple[float, ...]
    """after each step of the last stage"""
    jacobians: int
    """how often derivatives were computed"""
    converged: bool
    """False where the steps came to their end, or were interrupted"""
    data: Array = field(repr=False)
    """photons, of the image's shape; NaN where they were not compared"""
    spots: Array = field(repr=False)
    """the model without its background, of that shape"""
    background: Array = field(repr=False)
    residuals: Array = field(repr=False)
    """(data - model) in standard deviations of the model"""
    notes: tuple[str, ...] = ()
    """what was assumed, and left out"""

    def __str__(self) -> str:
        """A table for people."""
        state = "converged" if self.converged else "not converged"
        explained = f"chi-squared {self.reduced_chi2:.4g} a pixel (Z {self.Z:.1f})"
        last = f"{explained}, {self.pixels} pixels, {self.jacobians} Jacobians, {state}"
        return "\n".join([*self.lines(), last, *self.weak, *self.notes])


def table(rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> str:
    """Rows as text, with commas."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def with_sigma(value: float, sigma: float) -> str:
    """With as many digits as the standard deviation says."""
    if not 0.0 < sigma < 1e300:
        return f"{value:.8g} ± {sigma:.2g}"
    if not 1e-6 < abs(value) < 1e7:
        return f"{value:.{max(int(np.floor(np.log10(abs(value) / sigma))) + 1, 1) if value else 1}e} ± {sigma:.1e}"
    digits = max(1 - int(np.floor(np.log10(sigma))), 3 - int(np.floor(np.log10(abs(value)))), 0)
    return f"{value:.{digits}f} ± {sigma:.{digits}f}"
