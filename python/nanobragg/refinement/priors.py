"""What is known of some numbers before."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from nanobragg.refinement.variables import Variables

    Array = NDArray[np.float64]


class Priors:
    """Those of the variables whose numbers are given."""

    def __init__(self, variables: Variables, numbers: Sequence[int]) -> None:
        said = [(i, *v.prior) for i, v in enumerate(variables.items) if v.prior is not None and i in numbers]
        self.numbers = np.array([i for i, _, _ in said], dtype=int)
        """which variables have one"""
        self._centres = np.array([centre for _, centre, _ in said])
        self._sigmas = np.array([sigma for _, _, sigma in said])
        self._turning = np.array([v.turn is not None for v in variables.items])
        self._variables = variables

    def surprise(self, x: Array) -> tuple[Array, Array]:
        """Standard deviations away, and their slopes by ``x``; both of :attr:`numbers`."""
        values = np.where(self._turning, x, self._variables.values(x))[self.numbers]
        log = self._variables.log[self.numbers]
        return (values - self._centres) / self._sigmas, np.where(log, values, 1.0) / self._sigmas

    def misfit(self, x: Array) -> float:
        """What they add to chi-squared."""
        return float((self.surprise(x)[0] ** 2).sum()) if self.numbers.size else 0.0
