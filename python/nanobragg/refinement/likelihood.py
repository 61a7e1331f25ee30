"""How well a model explains counted photons, pixel by pixel (``specs/refinement.md``, "Likelihood").

Each likelihood gives, for every pixel, twice the negative logarithm (``misfit``: for a right model about chi-squared),
its slope by the model, and the expected curvature: what Fisher's scoring needs. Read-out noise of variance v is taken
as v photons more in data and model, which has the right mean and variance.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

LEAST = 1e-6
"""photons: no model is below it"""


class Terms(NamedTuple):
    """What each pixel (m,) adds: ``misfit``, half of minus its slope by the model, half its expected curvature."""

    misfit: Array
    score: Array
    weight: Array


def poisson(data: Array, model: Array, variance: float) -> Terms:
    """Counted photons: the deviance 2 (m - d + d ln(d / m))."""
    d, m = data + variance, np.maximum(model + variance, LEAST)
    ratio = np.where(d > 0.0, d / m, 1.0)
    misfit = 2.0 * (m - d + np.where(d > 0.0, d * np.log(ratio), 0.0))
    return Terms(misfit, (d - m) / m, 1.0 / m)


def gaussian(data: Array, model: Array, variance: float) -> Terms:
    """A normal distribution of variance V = m + v: (d - m)² / V + ln(V / max(d + v, 1)).

    As diffBragg has it but for a constant.
    """
    m = np.maximum(model + variance, LEAST)
    away = data + variance - m
    z2 = away * away / m
    misfit = z2 + np.log(m / np.maximum(data + variance, 1.0))
    return Terms(misfit, away / m + 0.5 * (z2 - 1.0) / m, 1.0 / m + 0.5 / (m * m))


def rooted(data: Array, model: Array, variance: float) -> Terms:
    """Least squares of 2 √(d + 3/8), whose variance is nearly 1: milder than the others where a model is far off.

    F. J. Anscombe, *Biometrika* **35** (1948) 246-254.
    """
    d, m = np.sqrt(np.maximum(data + variance, 0.0) + 0.375), np.sqrt(np.maximum(model + variance, 0.0) + 0.375)
    return Terms(4.0 * (d - m) ** 2, 2.0 * (d - m) / m, 1.0 / (m * m))


LIKELIHOODS: dict[str, Callable[[Array, Array, float], Terms]] = {"poisson": poisson, "gaussian": gaussian}


def huber(misfit: Array) -> tuple[Array, Array]:
    """A misfit beyond 1.5 standard deviations counts by its root (P. J. Huber, 1964); and the slope of that."""
    limit = 1.5
    root = np.sqrt(np.maximum(misfit, limit * limit))
    far = misfit > limit * limit
    return np.where(far, 2.0 * limit * root - limit * limit, misfit), np.where(far, limit / root, 1.0)


def cauchy(misfit: Array) -> tuple[Array, Array]:
    """c² ln(1 + misfit / c²) with c = 2.385, of 95 % efficiency; and the slope of that."""
    square = 2.385**2
    inside = 1.0 + np.maximum(misfit, 0.0) / square
    return square * np.log(inside), 1.0 / inside


LOSSES: dict[str, Callable[[Array], tuple[Array, Array]]] = {"huber": huber, "cauchy": cauchy}


class Likelihood(NamedTuple):
    """A likelihood, and what becomes of large misfits."""

    terms: Callable[[Array, Array, float], Terms]
    variance: float
    """photons², of the read-out"""
    loss: Callable[[Array], tuple[Array, Array]] | None = None

    def of(self, data: Array, model: Array) -> Terms:
        """What each pixel adds."""
        found = self.terms(data, model, self.variance)
        if self.loss is None:
            return found
        misfit, slope = self.loss(found.misfit)
        return Terms(misfit, found.score * slope, found.weight * slope)
