"""One value for each reflection and its Friedel mate, from the rows of a file (``specs/formats.md``)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nanobragg.records.record import Record

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from nanobragg.io.factors.types import ReflectionFile

LARGEST_INDEX = 32767
_SAME = 1e-4
"""relative; intensities that differ by less are one value that was rounded"""


class Merged(Record):
    """Amplitudes of reflections none of which is equivalent to another, nor to another's mate."""

    hkl: NDArray[np.int32]
    """(n, 3)"""
    plus: NDArray[np.float64]
    """(n,)"""
    minus: NDArray[np.float64]
    """(n,) of the Friedel mates; the same as ``plus`` where the mate was not measured"""
    rows: int
    """rows with a value"""
    unique: int
    """reflections with a value, mates apart"""
    conflicts: int
    """reflections whose equivalents have different values"""
    mates: int
    """pairs with both mates, leaving out reflections that are equivalent to their own mate"""
    alone: int
    """reflections without their mate"""
    anomalous: bool
    """Whether mates differ."""
    negative: int
    """intensities below 0"""


def merge(file: ReflectionFile) -> Merged:
    """The root of the mean intensity of equivalent rows, each member of a Friedel pair on its own.

    Rows are equivalent by the rotations of the point group, without Friedel's law unless the file says that it holds. A
    mate that no row gives takes the value of the one that is given.
    """
    known = np.isfinite(file.values)
    hkl, values = file.hkl[known], file.values[known]
    intensities = values if file.column.intensity else values * values
    rotations = file.symmetry.point_rotations.astype(np.int64)
    if file.friedel:
        rotations = np.concatenate([rotations, -rotations])
    keys = canonical(hkl, rotations)
    unique, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    count = np.bincount(inverse)
    mean = np.bincount(inverse, intensities) / count
    spread = np.zeros(len(unique))
    np.maximum.at(spread, inverse, np.abs(intensities - mean[inverse]))
    conflicts = int((spread > _SAME * np.maximum(np.abs(mean), 1e-30)).sum())
    amplitude = np.sqrt(np.maximum(mean, 0.0))
    return _paired(hkl[first], amplitude, unique, rotations, len(values), conflicts, int((mean < 0).sum()))


def _paired(
    hkl: NDArray[np.int32],
    amplitude: NDArray[np.float64],
    keys: NDArray[np.int64],
    rotations: NDArray[np.int64],
    rows: int,
    conflicts: int,
    negative: int,
) -> Merged:
    mates = canonical(-hkl, rotations)
    at = np.minimum(np.searchsorted(keys, mates), len(keys) - 1)
    measured = keys[at] == mates
    centric = mates == keys
    of_mate = np.where(measured, amplitude[at], amplitude)
    both = measured & ~centric
    first = ~both | (keys > mates)
    differ = np.abs(of_mate - amplitude) > _SAME * np.maximum(of_mate, amplitude)
    return Merged(
        hkl=np.ascontiguousarray(hkl[first]),
        plus=amplitude[first],
        minus=of_mate[first],
        rows=rows,
        unique=len(keys),
        conflicts=conflicts,
        mates=int(both.sum()) // 2,
        alone=int((~measured & ~centric).sum()),
        anomalous=bool((differ & both).any()),
        negative=negative,
    )


def canonical(hkl: NDArray[np.int32], rotations: NDArray[np.int64]) -> NDArray[np.int64]:
    """(n,) numbers that equivalent reflections have in common."""
    offset = 3 * LARGEST_INDEX
    width = 2 * offset + 1
    best = np.full(len(hkl), -1, dtype=np.int64)
    indices = hkl.astype(np.int64)
    for rotation in rotations:
        turned = indices @ rotation + offset
        np.maximum(best, (turned[:, 0] * width + turned[:, 1]) * width + turned[:, 2], out=best)
    return best
