"""How well many shots know structure factors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from nanobragg.refinement.factor_fit import FactorFit, Place

    Array = NDArray[np.float64]

_NULL = 1e-7
"""1 - s² of a direction that nothing determines: all factors and all scales together"""
_SEEN = 9.0
"""(F/sigma)² in one shot from which a reflection is called seen there"""


def sigmas_of(fit: FactorFit, place: Place, boxes: bool) -> tuple[Array, NDArray[np.intp]]:
    """Standard deviations (n,) of factors, infinite where nothing is known; and in how many shots each is seen (n,).

    The covariance of F² is the inverse of D - Σ C N⁻¹ Cᵀ: D a diagonal (:meth:`FactorFit.information`), N the normal
    matrix of a shot's own numbers, C their curvature with F². It differs from a diagonal by l numbers a shot, and is
    inverted by them (Woodbury). What nothing determines, a factor for all, is left out. sigma(F) = √(F² + sigma(F²)) -
    F: half of sigma(F²)/F for strong reflections, finite for weak ones.
    """
    squares, raised = place.factors**2, fit.raised(place.factors)
    each = fit.information(place, boxes)
    seen = (4.0 * each * raised**4 > _SEEN).sum(axis=0)
    total = each.sum(axis=0) + fit.known / (2.0 * raised) ** 2
    known = total > 0.0
    root = np.sqrt(np.where(known, total, 1.0))
    blocks = fit.joint.slopes(place.state).blocks
    lower = np.linalg.inv(
        np.linalg.cholesky(blocks + 1e-12 * np.einsum("sii->s", blocks)[:, None, None] * _one(blocks))
    )
    low = np.einsum("sij,sjn->sin", lower, fit.mixed(place) / root)
    low = low.reshape(-1, len(squares))[:, known]
    values, vectors = np.linalg.eigh(low @ low.T)
    left = 1.0 - values
    gain = np.where(left > _NULL, 1.0 / np.maximum(left, _NULL), -1.0 / np.maximum(values, 0.5))
    variances = np.ones(len(squares))
    variances[known] += np.einsum("kn,k->n", (vectors.T @ low) ** 2, gain)
    sigmas = np.sqrt(np.maximum(variances, 0.0)) / root
    found = np.sqrt(squares + sigmas) - place.factors
    return np.where(known, found, np.inf), seen


def _one(blocks: Array) -> Array:
    return np.eye(blocks.shape[1])
