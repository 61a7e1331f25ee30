"""The transform of what is in a cell, plane by plane.

Planes of the cell are transformed along x and y as they come, by several threads, and of that the indices that are
wanted are kept, with z as the last axis; the transform along it follows when all planes are there. What threads work on
is small and stays in their caches, rows and planes of zeros cost nothing, and memory is a few bytes for each
reflection, not for each grid point.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from nanobragg.io.support.extras import need

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from nanobragg.io.factors.symmetry import Symmetry

_TOGETHER = 8
"""planes whose columns are written together: complex numbers in a line of the cache"""


class Reflections(NamedTuple):
    """Where the transform is wanted."""

    hkl: NDArray[np.int32]
    """(n, 3)"""
    metric: NDArray[np.float64]
    """(3, 3) of the reciprocal lattice, 1/Å²"""
    largest: float
    """1/d² of all of them, 1/Å²"""

    def bounds(self, symmetry: Symmetry) -> tuple[int, int, int]:
        """The largest indices of the reflections and of all that the rotations make of them, also in a cell that the
        rotations do not leave quite as it is.
        """
        lattice, rotations = np.linalg.inv(self.metric), symmetry.point_rotations
        turned = np.einsum("pji,jk,pkm->pim", rotations, lattice, rotations)
        h, k, l = np.sqrt(self.largest * np.einsum("pii->pi", turned).max(axis=0) * (1 + 1e-9))  # noqa: E741
        return int(h), int(k), int(l)


class Columns:
    """Columns of a transform along z."""

    def __init__(self, name: str, shape: tuple[int, int, int], bounds: tuple[int, int, int]) -> None:
        """``name``: of the file, for messages. ``shape``: grid points along x, y, z; at least ``2 * bound + 1``."""
        from nanobragg import _core

        self._fft = need("scipy", name, module="scipy.fft")
        self._pool = ThreadPoolExecutor(_core.thread_count(0))
        self._shape = shape
        # By h, k (those below 0 at the end, as in a transform) and z, then l; touching its memory is half the work.
        self._columns = np.empty((bounds[0] + 1, 2 * bounds[1] + 1, shape[2]), np.complex64)

    def put(self, here: slice, density: NDArray[Any] | None) -> None:
        """Planes (z, y, x) of a slab of the cell; ``None``: nothing but zeros."""
        if density is None:
            self._columns[:, :, here] = 0
            return
        starts = range(0, len(density), _TOGETHER)
        self._all(lambda start: self._put(here.start + start, density[start : start + _TOGETHER]), starts)

    def _put(self, first: int, density: NDArray[Any]) -> None:
        from nanobragg import _core

        width = self._columns.shape[0]
        planes = np.zeros((len(density), self._shape[1], width), np.complex64)
        for plane, transformed in zip(density, planes, strict=True):
            rows = np.flatnonzero(plane.any(axis=1))
            if len(rows):
                occupied = plane if len(rows) == len(plane) else plane[rows]
                transformed[rows] = self._fft.rfft(occupied.astype(np.float32, copy=False), axis=1)[:, :width]
                self._in_place(transformed, 0)
        _core.put_planes(planes, first, self._columns)

    def along_z(self) -> None:
        """The last step, when all planes are there."""
        self._all(lambda plane: self._in_place(plane, 1), self._columns)

    def add_to(
        self,
        sums: NDArray[np.complex64],
        wanted: Reflections,
        symmetry: tuple[NDArray[np.int32], NDArray[np.float64]],
        scale: float,
        blur: float,
    ) -> None:
        """Adds the structure factors of reflections to ``sums``, (n,): those of what was put and of all that
        ``symmetry``, rotations and translations, makes of it; times ``scale``, and without a B factor ``blur``, Å².
        """
        from nanobragg import _core

        _core.sum_over_symmetry(*symmetry, self._columns, wanted.hkl, wanted.metric, wanted.largest, scale, blur, sums)

    def _in_place(self, values: NDArray[np.complex64], axis: int) -> None:
        transformed = self._fft.fft(values, axis=axis, overwrite_x=True)
        if not np.may_share_memory(transformed, values):
            values[:] = transformed

    def _all(self, work: Any, pieces: Any) -> None:
        for _ in self._pool.map(work, pieces):
            pass
