"""The pixels of an image file of any format (``specs/formats.md``)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from nanobragg.errors import InputError
from nanobragg.io.geometry.any_file import is_smv, read_file_geometry
from nanobragg.io.images.raw import read_float_image
from nanobragg.io.images.smv import read_smv
from nanobragg.io.support.atomic import read_bytes

if TYPE_CHECKING:
    from numpy.typing import NDArray


def read_pixels(path: str | os.PathLike[str], shape: tuple[int, int] | None = None) -> NDArray[Any]:
    """The pixels (slow, fast) of an image file; ``shape`` of a bare float image.

    Raises :class:`InputError` when it cannot be read.
    """
    name = os.fspath(path)
    extension = os.path.splitext(name)[1].lower()
    if extension == ".npy":
        try:
            pixels = np.load(name, allow_pickle=False)
        except (OSError, ValueError) as error:
            raise InputError(f"{name}: found {str(error)[:80]}, expected a NumPy file") from error
        if pixels.ndim != 2:
            raise InputError(f"{name}: found an array of shape {pixels.shape}, expected (slow, fast)")
        return pixels
    if extension == ".bin":
        count = len(read_bytes(name)) // 4
        side = int(count**0.5)
        if shape is None and side * side != count:
            raise InputError(f"{name}: found {count} pixels, which make no square, expected -shape SLOW FAST")
        return read_float_image(name, shape or (side, side))
    if is_smv(name):
        return read_smv(name).pixels
    found = read_file_geometry(name, mask=True).pixels
    return np.asarray(found)
