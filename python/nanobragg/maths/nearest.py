"""Which of several panels the direct beam meets, or comes nearest to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

_EDGE = np.linspace(0.0, 1.0, 33)
_OUTLINE = np.concatenate(
    [np.stack(np.broadcast_arrays(*pair), axis=1) for pair in ((_EDGE, 0), (_EDGE, 1), (0, _EDGE), (1, _EDGE))]
)
"""(132, 2) points on the edges of a panel, in its own lengths"""


class OnPlane(Protocol):
    """A raster of pixels on a plane."""

    @property
    def shape(self) -> tuple[int, int]:
        """(slow, fast) pixels."""

    @property
    def pixel_size(self) -> tuple[float, float]:
        """Along the fast axis and along the slow one."""

    @property
    def origin(self) -> ArrayLike:
        """(3,) outer corner of the first pixel."""

    @property
    def fast(self) -> ArrayLike:
        """(3,) unit vector."""

    @property
    def slow(self) -> ArrayLike:
        """(3,) unit vector."""


def nearest_to_beam(panels: Sequence[OnPlane], beam: ArrayLike) -> int:
    """The number of the panel that a beam through the sample meets first; where it meets none, of the panel that comes
    nearest to it in angle (by points on its edges). Of several the first.

    Args:
        panels: one or more.
        beam: (3,) direction of travel.

    """
    if len(panels) == 1:
        return 0
    travel = np.asarray(beam, dtype=float)
    origins = np.array([panel.origin for panel in panels], dtype=float)
    fast = np.array([np.multiply(p.fast, p.pixel_size[0] * p.shape[1]) for p in panels])
    slow = np.array([np.multiply(p.slow, p.pixel_size[1] * p.shape[0]) for p in panels])
    along = _meets(origins, fast, slow, travel)
    if np.isfinite(along).any():
        return int(np.argmin(along))
    points = origins[:, None] + _OUTLINE[:, :1] * fast[:, None] + _OUTLINE[:, 1:] * slow[:, None]
    with np.errstate(invalid="ignore"):
        cosines = (points @ travel / np.linalg.norm(points, axis=2)).max(axis=1)
    return int(np.argmax(cosines > np.nanmax(cosines) - 1e-12))


def _meets(
    origins: NDArray[np.float64], fast: NDArray[np.float64], slow: NDArray[np.float64], travel: NDArray[np.float64]
) -> NDArray[np.float64]:
    """How far along the beam each panel is; infinity for those that it does not meet."""
    normals = np.cross(fast, slow)
    areas = np.einsum("ij,ij->i", normals, normals)
    with np.errstate(divide="ignore", invalid="ignore"):
        along = np.einsum("ij,ij->i", origins, normals) / (normals @ travel)
        hits = along[:, None] * travel - origins
        f = np.einsum("ij,ij->i", hits, np.cross(slow, normals)) / areas
        s = np.einsum("ij,ij->i", hits, np.cross(normals, fast)) / areas
        met = (along > 0.0) & (f >= 0.0) & (f <= 1.0) & (s >= 0.0) & (s <= 1.0)
    return np.where(met, along, np.inf)
