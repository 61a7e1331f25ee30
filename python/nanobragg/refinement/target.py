"""What is made small for one image: misfits of all pixels, and of what is known before."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from nanobragg.refinement.background import Background
from nanobragg.refinement.leash import Leash
from nanobragg.refinement.priors import Priors

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from nanobragg.refinement.likelihood import Likelihood, Terms
    from nanobragg.refinement.model import Model
    from nanobragg.refinement.pixels import Pixels
    from nanobragg.refinement.variables import Variables

    Array = NDArray[np.float64]


class Part(NamedTuple):
    """One image's target at one place."""

    misfit: float
    """about chi-squared, that of what is known before of the shot's own numbers included"""
    spots: Array
    """(m,) photons"""
    below: Array
    """(m,) the background"""


class Slopes(NamedTuple):
    """How the target changes there: half of minus its gradient, and half its expected curvature."""

    gradient: Array
    """(n,)"""
    normal: Array
    """(n, n)"""


class Target:
    """What is minimised for one image.

    Args:
        model: of the spots.
        variables: what is free: the shot's own numbers, then common ones.
        pixels: those of the data.
        data: (m,) photons.
        likelihood: by which model and data are compared.
        background: its kind.
        own: how many numbers are the shot's own.
        leashed: whether cells are kept near the start.

    """

    def __init__(
        self,
        model: Model,
        variables: Variables,
        pixels: Pixels,
        data: Array,
        likelihood: Likelihood,
        background: str,
        own: int,
        *,
        leashed: bool = False,
    ) -> None:
        self.model, self.variables, self.pixels, self.data = model, variables, pixels, data
        self.likelihood = likelihood
        self.background = Background(background, pixels, likelihood)
        self._priors = Priors(variables, range(own))
        self._leash = Leash(variables, range(own), holds=leashed)

    @property
    def level(self) -> Array | None:
        """(q, groups): from which the background's next fit begins, so that it goes on where the last one ended."""
        return self.background.found

    @level.setter
    def level(self, level: Array | None) -> None:
        self.background.found = level

    def at(self, x: Array) -> Part:
        """The target at ``x`` (n,)."""
        return self.of(x, self.model.spots(x))

    def of(self, x: Array, spots: Array) -> Part:
        """The target at ``x``, whose spots are these."""
        below, terms = self.background.under(spots, self.data)
        misfit = float(terms.misfit.sum()) + self._priors.misfit(x)
        return Part(misfit * self._leash.factor(x), spots, below)

    def empty(self) -> float:
        """The misfit without any spots."""
        return float(self.background.under(np.zeros(len(self.data)), self.data)[1].misfit.sum())

    def slopes(self, x: Array, part: Part) -> Slopes:
        """The target's slopes there."""
        columns = self.model.columns(x)
        terms = self.terms(part)
        weighted = columns * terms.weight
        normal = self.background.taken_out(_products(weighted, columns), weighted, terms.weight)
        gradient = np.einsum("nm,m->n", columns, terms.score)
        gradient += self.pull(x)
        known, slopes = self._priors.numbers, self._priors.surprise(x)[1]
        normal[known, known] += slopes * slopes
        factor, held = self._leash.slopes(x, part.misfit)
        return Slopes(factor * gradient - held * x, factor * normal + np.diag(held))

    def terms(self, part: Part) -> Terms:
        """What each pixel adds there."""
        return self.likelihood.of(self.data, part.spots + part.below)

    def pull(self, x: Array) -> Array:
        """(n,): half of minus the gradient of what is known before."""
        surprise, slopes = self._priors.surprise(x)
        found = np.zeros(len(x))
        found[self._priors.numbers] = -surprise * slopes
        return found


_SMALL = 1 << 18
"""Multiplications that BLAS does in one thread. Several would wait for each other where shots are worked on side by
side, and a sum might depend on them."""


def _products(a: Array, b: Array) -> Array:
    """(n, n): a bᵀ of (n, m), in pieces of few pixels."""
    n, m = a.shape
    size = max(_SMALL // (n * n), 16)
    whole = m - m % size
    pieces = [x[:, :whole].reshape(n, -1, size).transpose(1, 0, 2) for x in (a, b)]
    return (pieces[0] @ pieces[1].transpose(0, 2, 1)).sum(axis=0) + a[:, whole:] @ b[:, whole:].T
