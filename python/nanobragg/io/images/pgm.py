"""Portable grey maps (``specs/formats.md``)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np

from nanobragg.io.support.atomic import atomic_write

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from nanobragg.records.resolved import Resolved


def pgm_header(shape: tuple[int, int], scale: float) -> bytes:
    """Header for ``shape`` (slow, fast); the scale of the pixels is told in a comment."""
    nslow, nfast = shape
    return b"P5\n%d %d\n# pixels scaled by %g\n255\n" % (nfast, nslow, scale)


def write(
    path: str | os.PathLike[str], pixels: NDArray[np.uint8], resolved: Resolved | None = None, *, scale: float
) -> None:
    """Write ``pixels`` (slow, fast) uint8, which are photons times ``scale``; ``resolved`` is not told.

    Raises :class:`InputError` when the file cannot be written.
    """
    data = np.ascontiguousarray(pixels, dtype=np.uint8)
    nslow, nfast = data.shape
    with atomic_write(path) as file:
        file.write(pgm_header((nslow, nfast), scale))
        file.write(data.data)
