"""The background under the spots: for each group of pixels (a shoebox, a panel) a constant or a plane, which is fitted
anew for every model of the spots, so that it needs no place among what is refined (variable projection: G. Golub and
V. Pereyra, *SIAM J. Numer. Anal.* **10** (1973) 413-432).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from nanobragg.refinement.likelihood import Likelihood, Terms
    from nanobragg.refinement.pixels import Pixels

    Array = NDArray[np.float64]

KINDS = {"none": 0, "constant": 1, "plane": 3}
"""Numbers of each group."""
_STEPS = 12
_LEAST = 1e-3
"""photons a pixel: no background is below it"""


class Background:
    """A background of pixels in groups, fitted by a likelihood.

    Args:
        kind: one of :data:`KINDS`.
        pixels: those of the data, group after group.
        likelihood: by which it is fitted.

    """

    def __init__(self, kind: str, pixels: Pixels, likelihood: Likelihood) -> None:
        self.numbers = KINDS[kind]
        self._starts, self._sizes, self._likelihood = pixels.starts, pixels.sizes, likelihood
        basis = [np.ones(len(pixels.index)), *(self._centred(x) for x in (pixels.fast, pixels.slow))]
        self.basis = np.array(basis[: self.numbers]).reshape(self.numbers, len(pixels.index))
        """(q, m)"""
        self._found: Array | None = None

    def _sums(self, x: Array) -> Array:
        """(..., m) to (..., groups)."""
        return np.add.reduceat(x, self._starts, axis=-1)

    def _spread(self, x: Array) -> Array:
        """(..., groups) to (..., m)."""
        return np.repeat(x, self._sizes, axis=-1)

    def _centred(self, x: Array) -> Array:
        """From -1 to 1 over each group or less, mean 0."""
        away = x - self._spread(self._sums(x) / self._sizes)
        return away / self._spread(np.maximum(np.maximum.reduceat(np.abs(away), self._starts), 1.0))

    def under(self, spots: Array, data: Array) -> Array:
        """(m,): the background that explains the data best with these spots."""
        if not self.numbers:
            return np.zeros_like(spots)
        found = self._found
        if found is None:
            found = np.zeros((self.numbers, len(self._starts)))
            found[0] = np.maximum(self._medians(data), _LEAST)
        below = self._value(found)
        terms = self._likelihood.of(data, spots + below)
        misfit = self._sums(terms.misfit)
        for _ in range(_STEPS):
            step = self._step(terms)
            ahead, scale = found, np.ones(len(misfit))
            for _ in range(_STEPS):
                ahead = found + scale * step
                below = self._value(ahead)
                ahead_terms = self._likelihood.of(data, spots + below)
                worse = self._sums(ahead_terms.misfit) > misfit * (1.0 + 1e-12) + 1e-9
                if not worse.any():
                    break
                scale = np.where(worse, scale / 4.0, scale)
            found, terms = ahead, ahead_terms
            gained = misfit - self._sums(terms.misfit)
            misfit = misfit - gained
            if gained.max() < 1e-6:
                break
        self._found = found
        return below

    def _value(self, numbers: Array) -> Array:
        return np.maximum((self._spread(numbers) * self.basis).sum(axis=0), _LEAST)

    def _medians(self, data: Array) -> Array:
        return np.array([np.median(part) for part in np.split(data, self._starts[1:])])

    def _step(self, terms: Terms) -> Array:
        """(q, groups): Newton's, by Fisher's expected curvature."""
        slopes = self._sums(self.basis * terms.score)
        step: Array = np.asarray(np.linalg.solve(self._normal(terms.weight), slopes.T[..., None]), dtype=np.float64)
        return step[..., 0].T

    def _normal(self, weight: Array) -> Array:
        """(groups, q, q)"""
        rows = [self._sums(self.basis * (one * weight)) for one in self.basis]
        found = np.moveaxis(np.array(rows), -1, 0)
        return found + 1e-12 * np.trace(found, axis1=1, axis2=2)[:, None, None] * np.eye(self.numbers)

    def unexplained(self, values: Array, weight: Array) -> Array:
        """(m,): what the background leaves of values (m,) when it follows them, times the weights."""
        if not self.numbers:
            return values * weight
        sums = np.array([self._sums(one * values * weight) for one in self.basis])  # (q, groups)
        follow = np.asarray(np.linalg.solve(self._normal(weight), sums.T[..., None]), dtype=np.float64)
        return (values - (self._spread(follow[..., 0].T) * self.basis).sum(axis=0)) * weight

    def taken_out(self, normal: Array, weighted: Array, weight: Array) -> Array:
        """The normal matrix (n, n) when the background follows (a Schur complement), from columns times weights (n, m)
        and the weights.
        """
        if not self.numbers:
            return normal
        others = (self._sums(weighted * one) for one in self.basis[1:])
        mixed = np.array([self._sums(weighted), *others])  # (q, n, groups); the first of the basis is 1
        mixed = np.moveaxis(mixed, -1, 0)
        return normal - np.einsum("gqi,gqj->ij", mixed, np.linalg.solve(self._normal(weight), mixed))
