"""Rotations of arrays of vectors by Rodrigues' formula; of single ones, in the original's order of operations, see
:func:`nanobragg.maths.vectors.rotate_axis`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


def rotation(axis: ArrayLike, angle: float) -> NDArray[np.float64]:
    """(3, 3): what turns a column about the unit vector ``axis`` by ``angle`` (radians, right-handed)."""
    x, y, z = np.asarray(axis, dtype=float)
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    return np.eye(3) + math.sin(angle) * cross + (1.0 - math.cos(angle)) * cross @ cross


def parts(
    vectors: NDArray[np.float64], axis: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Parts of ``vectors`` (n, 3) along the unit vector ``axis``, across it, and at right angles to both; (n, 3) each.

    Turned by an angle, the vectors are along + cos(angle)·across + sin(angle)·third.
    """
    along = np.outer(vectors @ axis, axis)
    return along, vectors - along, np.cross(axis, vectors)


def uniform_rotation(u: float, v: float, w: float) -> NDArray[np.float64]:
    """(3, 3): a rotation that is uniform over all of them for numbers that are uniform from 0 to 1.

    K. Shoemake, *Graphics Gems III* (1992) 124-132: a uniform unit quaternion.
    """
    x = math.sqrt(1.0 - u) * math.sin(2.0 * math.pi * v)
    y = math.sqrt(1.0 - u) * math.cos(2.0 * math.pi * v)
    z = math.sqrt(u) * math.sin(2.0 * math.pi * w)
    r = math.sqrt(u) * math.cos(2.0 * math.pi * w)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * r), 2 * (x * z + y * r)],
            [2 * (x * y + z * r), 1 - 2 * (x * x + z * z), 2 * (y * z - x * r)],
            [2 * (x * z - y * r), 2 * (y * z + x * r), 1 - 2 * (x * x + y * y)],
        ]
    )
