"""What is made small: misfits of all pixels, and of what is known before."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from nanobragg.refinement.background import Background

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from nanobragg.refinement.likelihood import Likelihood
    from nanobragg.refinement.model import Model
    from nanobragg.refinement.pixels import Pixels
    from nanobragg.refinement.variables import Variables

    Array = NDArray[np.float64]


class State(NamedTuple):
    """The target at one place."""

    x: Array
    misfit: float
    """about chi-squared, that of what is known before included"""
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
        variables: what is free.
        pixels: those of the data.
        data: (m,) photons.
        likelihood: by which model and data are compared.
        background: its kind.

    """

    def __init__(
        self,
        model: Model,
        variables: Variables,
        pixels: Pixels,
        data: Array,
        likelihood: Likelihood,
        background: str,
    ) -> None:
        self.model, self.variables, self.pixels, self.data = model, variables, pixels, data
        self.likelihood = likelihood
        self.background = Background(background, pixels, likelihood)
        self.turning = np.array([v.turn is not None for v in variables.items])
        priors = [(i, *v.prior) for i, v in enumerate(variables.items) if v.prior is not None]
        self._known = np.array([i for i, _, _ in priors], dtype=int)
        self._centres = np.array([centre for _, centre, _ in priors])
        self._sigmas = np.array([sigma for _, _, sigma in priors])

    def at(self, x: Array) -> State:
        """The target at ``x`` (n,)."""
        spots = self.model.spots(x)
        below = self.background.under(spots, self.data)
        misfit = float(self.likelihood.of(self.data, spots + below).misfit.sum())
        return State(x, misfit + float((self._surprise(x)[0] ** 2).sum()), spots, below)

    def empty(self) -> float:
        """The misfit without any spots."""
        nothing = np.zeros(len(self.data))
        below = self.background.under(nothing, self.data)
        return float(self.likelihood.of(self.data, nothing + below).misfit.sum())

    def slopes(self, state: State) -> Slopes:
        """The target's slopes there."""
        columns = self.model.columns(state.x)
        terms = self.likelihood.of(self.data, state.spots + state.below)
        weighted = columns * terms.weight
        normal = self.background.taken_out(weighted @ columns.T, weighted, terms.weight)
        gradient = columns @ terms.score
        surprise, slopes = self._surprise(state.x)
        gradient[self._known] -= surprise * slopes
        normal[self._known, self._known] += slopes * slopes
        return Slopes(gradient, normal)

    def _surprise(self, x: Array) -> tuple[Array, Array]:
        """What is known before: standard deviations away, and their slopes by ``x``."""
        values = np.where(self.turning, x, self.variables.values(x))[self._known]
        log = self.variables.log[self._known]
        return (values - self._centres) / self._sigmas, np.where(log, values, 1.0) / self._sigmas
