"""The background under the spots: for each group of pixels (a shoebox, a panel) a constant or a plane, or for the image
a smooth function of the resolution. It is fitted anew for every model of the spots, so that it needs no place among
what is refined (variable projection: G. Golub and V. Pereyra, *SIAM J. Numer. Anal.* **10** (1973) 413-432).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from nanobragg.refinement.likelihood import Likelihood, Terms
    from nanobragg.refinement.pixels import Pixels

    Array = NDArray[np.float64]

_PARTS = 8
"""into which the range of resolutions (1/d) is divided for a spline"""
KINDS = {"none": 0, "constant": 1, "plane": 3, "radial": _PARTS + 3}
"""Numbers of each group, and of ``radial`` of the image."""
_STEPS = 12
_ENOUGH = 1e-5
"""The fit of all groups ends where a step promises to take less from the misfit, or took less."""
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
        if kind == "radial":
            self._starts, self._sizes = np.zeros(1, np.intp), np.array([len(pixels.index)])
            self.basis = splines(pixels.resolution, _PARTS)
        else:
            basis = [np.ones(len(pixels.index)), *(self._centred(x) for x in (pixels.fast, pixels.slow))]
            self.basis = np.array(basis[: self.numbers]).reshape(self.numbers, len(pixels.index))
        """(q, m)"""
        self.found: Array | None = None
        """(q, groups) what was fitted last, from which the next fit begins"""

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

    def under(self, spots: Array, data: Array) -> tuple[Array, Terms]:
        """(m,): the background that explains the data best with these spots; and what each pixel adds then."""
        if not self.numbers:
            return np.zeros_like(spots), self._likelihood.of(data, spots)
        found = self.found
        if found is None:
            found = self._first(data)
        below = self._value(found)
        terms = self._likelihood.of(data, spots + below)
        misfit = self._sums(terms.misfit)
        for _ in range(_STEPS):
            step, promise = self._step(terms)
            if promise < _ENOUGH:
                break
            ahead, ahead_terms, scale = found, terms, np.ones(len(misfit))
            for _ in range(_STEPS):
                ahead = found + scale * step
                below = self._value(ahead)
                ahead_terms = self._likelihood.of(data, spots + below)
                worse = self._sums(ahead_terms.misfit) > misfit * (1.0 + 1e-12) + 1e-9
                if not worse.any():
                    break
                scale = np.where(worse, scale / 4.0, scale)
            found, terms = ahead, ahead_terms
            before, misfit = misfit, self._sums(terms.misfit)
            if (before - misfit).sum() < _ENOUGH:
                break
        self.found = found
        return below, terms

    def _value(self, numbers: Array) -> Array:
        return np.maximum((self._spread(numbers) * self.basis).sum(axis=0), _LEAST)

    def _first(self, data: Array) -> Array:
        """(q, groups): medians, of a spline those where its functions are largest."""
        found = np.zeros((self.numbers, len(self._starts)))
        if self.numbers <= KINDS["plane"]:
            found[0] = [np.median(part) for part in np.split(data, self._starts[1:])]
            return np.maximum(found, [[_LEAST], *[[0.0]] * (self.numbers - 1)])
        largest = self.basis.argmax(axis=0)
        found[:] = np.median(data)
        for i in np.unique(largest):
            found[i] = np.median(data[largest == i])
        return np.maximum(found, _LEAST)

    def typical(self, data: Array) -> Array | float:
        """About what is under the spots, whose model is not known yet: a median, or (m,) one that follows a spline."""
        if self.numbers <= KINDS["plane"]:
            return max(float(np.median(data)), _LEAST)
        return self._value(self._first(data))

    def _step(self, terms: Terms) -> tuple[Array, float]:
        """(q, groups): Newton's, by Fisher's expected curvature; and what it promises to take from the misfit."""
        slopes = self._sums(self.basis * terms.score)
        step: Array = np.asarray(np.linalg.solve(self._normal(terms.weight), slopes.T[..., None]), dtype=np.float64)
        step = step[..., 0].T
        return step, float((slopes * step).sum())

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
        mixed = np.array([self._sums(weighted * one) for one in self.basis])  # (q, n, groups)
        mixed = np.moveaxis(mixed, -1, 0)
        return normal - np.einsum("gqi,gqj->ij", mixed, np.linalg.solve(self._normal(weight), mixed))


def splines(x: Array, parts: int) -> Array:
    """(parts + 3, m): the cubic splines of knots that divide the range of ``x`` (m,) equally; their sum is 1.

    C. de Boor, *A Practical Guide to Splines* (1978).
    """
    lowest, highest = float(x.min()), float(x.max())
    place = (x - lowest) * (parts / max(highest - lowest, 1e-12))
    first = np.minimum(place.astype(np.intp), parts - 1)
    t = place - first
    pieces = ((1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3)
    found = np.zeros((parts + 3, len(x)))
    for i, piece in enumerate(pieces):
        found[first + i, np.arange(len(x))] = piece / 6.0
    return found
