"""Miller indices within a resolution limit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

Cell = tuple[float, float, float, float, float, float]
"""a, b, c (Å), α, β, γ (degrees)"""


def reciprocal_metric(cell: Sequence[float]) -> NDArray[np.float64]:
    """(3, 3) metric of the reciprocal lattice, 1/Å², of a cell in Å and degrees."""
    lengths, cosines = np.array(cell[:3], dtype=float), np.cos(np.radians(np.array(cell[3:6], dtype=float)))
    cosines[np.array(cell[3:6]) == 90.0] = 0.0
    angles = np.array([[1, cosines[2], cosines[1]], [cosines[2], 1, cosines[0]], [cosines[1], cosines[0], 1]])
    return np.linalg.inv(np.outer(lengths, lengths) * angles)


def inverse_d2(cell: Sequence[float], hkl: ArrayLike) -> NDArray[np.float64]:
    """1/d² (1/Å²) of indices (..., 3)."""
    indices = np.asarray(hkl, dtype=float)
    return np.einsum("...i,ij,...j->...", indices, reciprocal_metric(cell), indices)


def bounds_of(cell: Sequence[float], dmin: float) -> tuple[int, int, int]:
    """The largest h, k and l with d ≥ ``dmin`` (Å)."""
    h, k, l = (int(np.floor(length / dmin + 1e-9)) for length in cell[:3])  # noqa: E741
    return h, k, l


def planes_of(
    cell: Sequence[float], planes: tuple[int, int], bounds: tuple[int, int, int], largest: float
) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
    """Indices (H, K, L, 3) of planes of the box, from one h to before another, and which have 1/d² ≤ ``largest``."""
    k, l = (np.arange(-bound, bound + 1, dtype=np.int32) for bound in bounds[1:])  # noqa: E741
    h = np.arange(*planes, dtype=np.int32)
    indices = np.empty((len(h), len(k), len(l), 3), dtype=np.int32)
    indices[..., 0], indices[..., 1], indices[..., 2] = h[:, None, None], k[:, None], l
    return indices, inverse_d2(cell, indices) <= largest


def ball_of(cell: Sequence[float], largest: float) -> tuple[NDArray[np.float64], tuple[int, int, int]]:
    """Metric (3, 3) of the reciprocal lattice, and the bounds of indices with 1/d² ≤ ``largest`` (1/Å²)."""
    return reciprocal_metric(cell), bounds_of(cell, largest**-0.5)
