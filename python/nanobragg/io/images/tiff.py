"""TIFF images: float32, int32 or uint16, one page, not compressed (``specs/formats.md``)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np

from nanobragg.errors import InputError
from nanobragg.io.images.masked import with_masked
from nanobragg.io.support.atomic import atomic_write
from nanobragg.io.support.extras import need

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from nanobragg.records.resolved import Resolved


def write(path: str | os.PathLike[str], pixels: ArrayLike, resolved: Resolved | None = None) -> None:
    """Write ``pixels`` (slow, fast), float32, int32 or uint16, the first row on top; of ``resolved``
    nothing is told but masked pixels of int32, which are -1.

    Raises :class:`InputError` for other pixels, and when the file cannot be written.
    """
    data = np.ascontiguousarray(pixels)
    if data.dtype == np.int32:
        data = with_masked(data, resolved)
    if data.dtype not in (np.float32, np.int32, np.uint16):
        raise InputError(f"{os.fspath(path)}: found {data.dtype} pixels, expected float32, int32 or uint16")
    pillow = need("pillow", os.fspath(path), module="PIL.Image")
    with atomic_write(path) as file:
        pillow.fromarray(data).save(file, format="TIFF")
