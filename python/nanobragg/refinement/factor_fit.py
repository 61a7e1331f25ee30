"""Structure factors and shots' own numbers together: L-BFGS on numbers that are measured in their standard deviations.

The gradient by all structure factors costs one backward pass for each shot (``specs/derivatives.md``), however many
they are. The curvature has no such price; but each reflection is alone in most of its pixels, so that its diagonal,
which is cheap, is nearly all of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from nanobragg.io.support.extras import need

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from nanobragg.refinement.crew import Crew
    from nanobragg.refinement.joint import Joint, State
    from nanobragg.refinement.reflections import Reflections
    from nanobragg.refinement.shot import Shot
    from nanobragg.refinement.target import Part, Target

    Array = NDArray[np.float64]

_LEAST = 0.05
"""part of the root mean square factor: smaller ones have no slope, and count as that where curvature is asked for"""
_INFORMED = 0.3
"""A factor moves where the data know it to three times itself or better."""
_MEMORY = 30


class Place(NamedTuple):
    """Factors, and the shots with them."""

    factors: Array
    """(n,)"""
    state: State


class FactorFit:
    """What is made small, by structure factors too.

    Args:
        shots: with numbers of their own.
        joint: their targets.
        crew: who works on them.
        reflections: of their grid.
        prior: what is known of factors before: a part of each at the start, as a standard deviation; ``None``: nothing.
        told: called with each better place.

    """

    def __init__(
        self,
        shots: Sequence[Shot],
        joint: Joint,
        crew: Crew,
        reflections: Reflections,
        prior: float | None,
        told: Callable[[Place], object],
    ) -> None:
        self.shots, self.joint, self._crew, self.reflections, self._told = shots, joint, crew, reflections, told
        self.start = reflections.mean(shots[0].model.factors.values)
        """(n,)"""
        self._rms = float(np.sqrt((self.start**2).mean())) or 1.0
        self.known = np.zeros(len(reflections))
        if prior is not None:
            self.known = 1.0 / (prior * np.maximum(self.start, _LEAST * self._rms)) ** 2
        """(n,) information, of 1/F²"""

    def at(self, factors: Array, x: Array) -> Place:
        """The place of factors (n,) and the shots' numbers."""
        self._take(factors)
        state = self.joint.at(x)
        return Place(factors, state._replace(misfit=state.misfit + self._surprise(factors)))

    def _take(self, factors: Array) -> None:
        grid = self.reflections.grid(factors)
        for shot in self.shots:
            shot.model.with_factors(grid)

    def _surprise(self, factors: Array) -> float:
        return float((self.known * (factors - self.start) ** 2).sum())

    def _backward(self, place: Place, weights: Callable[[Target, Part], Array]) -> tuple[Array, Array]:
        """Derivatives of the sums of spots times weights: (s, l) by shots' numbers, (s, n) by factors."""

        def one(target: Target, x: Array, part: Part) -> tuple[Array, Array]:
            by_x, by_grid = target.model.back(x, weights(target, part))
            return by_x, self.reflections.summed(by_grid)

        found = self.joint.with_parts(one, place.state)
        return np.array([by_x for by_x, _ in found]), np.array([by_f for _, by_f in found])

    # ---- curvature --------------------------------------------------------------------------------------

    def raised(self, factors: Array) -> Array:
        """Factors without the smallest ones."""
        return np.maximum(factors, _LEAST * self._rms)

    def information(self, place: Place, boxes: bool) -> Array:
        """(s, n): how well each shot knows each F² when all else is known, 1/sigma².

        Exact where a pixel has photons of one reflection only. ``boxes``: each reflection has its background to itself,
        which is then not known.
        """
        raised = self.raised(place.factors)
        self._take(raised)

        def one(target: Target, x: Array, part: Part) -> Array:
            spots = target.model.spots(x)
            weight = target.terms(part).weight
            weighted = target.background.unexplained(spots, weight) if boxes else spots * weight
            return self.reflections.summed(target.model.back(x, weighted)[1])

        found = np.array(self.joint.with_parts(one, place.state))
        self._take(place.factors)
        return np.maximum(found, 0.0) / (2.0 * raised**3)

    def mixed(self, place: Place) -> Array:
        """(s, l, n): the curvature of shots' own numbers with each F²."""
        raised = self.raised(place.factors)
        slopes = self._columns(place)

        def one(target: Target, x: Array, part: Part, columns: Array) -> list[Array]:
            weight = target.terms(part).weight
            weighted = [target.background.unexplained(column, weight) for column in columns]
            return [self.reflections.summed(target.model.back(x, each)[1]) for each in weighted]

        self._take(raised)
        every = zip(self.joint.targets, self.joint.unpacked(place.state.x), place.state.parts, slopes, strict=True)
        found = np.array(self._crew.starmap(one, every))
        self._take(place.factors)
        return found / (2.0 * raised)

    def _columns(self, place: Place) -> list[Array]:
        return self.joint.with_parts(lambda target, x, _: target.model.columns(x), place.state)

    # ---- the way down -----------------------------------------------------------------------------------

    def round(self, place: Place, *, boxes: bool, enough: float, steps: int) -> Place:
        """Go down from a place, in units of what is known there."""
        minimize = need("scipy", "refine_factors", module="scipy.optimize").minimize
        information = self.information(place, boxes).sum(axis=0) * 4.0 * self.raised(place.factors) ** 2 + self.known
        moving = self.reflections.may_move & (information * self.raised(place.factors) ** 2 > _INFORMED**2)
        moving &= place.factors > 0.0
        sizes = 1.0 / np.sqrt(information[moving])
        blocks = self.joint.slopes(place.state).blocks
        turned = np.linalg.inv(np.linalg.cholesky(_held(blocks))).transpose(0, 2, 1)
        origin, count = self.joint.unpacked(place.state.x), int(moving.sum())
        best = [place]

        def misfit(z: Array) -> tuple[float, Array]:
            factors = place.factors.copy()
            factors[moving] = np.maximum(factors[moving] + sizes * z[:count], 0.0)
            x = origin + np.einsum("sij,sj->si", turned, z[count:].reshape(origin.shape))
            ahead = self.at(factors, self.joint.packed(np.clip(x, *map(self.joint.unpacked, self.joint.limits))))
            by_x, by_f = self._backward(ahead, lambda target, part: target.terms(part).score)
            by_x += np.array(self.joint.over(lambda target, y: target.pull(y), ahead.state.x))
            by_f = by_f.sum(axis=0) - self.known * (factors - self.start)
            if ahead.state.misfit < best[0].state.misfit:
                best[0] = ahead
                self._told(ahead)
            slopes = np.append(by_f[moving] * sizes, np.einsum("sij,si->sj", turned, by_x).ravel())
            return 0.5 * ahead.state.misfit, -slopes

        lowest = [(-factor / size, None) for factor, size in zip(place.factors[moving], sizes, strict=True)]
        ends = [*lowest, *[(None, None)] * origin.size]
        options = {"maxiter": steps, "maxcor": _MEMORY, "ftol": enough / max(place.state.misfit, 1.0), "gtol": 0.0}
        minimize(misfit, np.zeros(len(ends)), jac=True, method="L-BFGS-B", bounds=ends, options=options)
        self._take(best[0].factors)
        return best[0]


def _held(blocks: Array) -> Array:
    """Blocks (s, l, l) without directions of no curvature."""
    sizes = np.einsum("sii->si", blocks)
    return blocks + 1e-9 * np.einsum("si,ij->sij", np.maximum(sizes, 1e-300), np.eye(blocks.shape[1]))
