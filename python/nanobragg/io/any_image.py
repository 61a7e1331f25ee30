"""The pixels of an image file of any format (``specs/formats.md``)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from nanobragg.errors import InputError
from nanobragg.io.geometry.any_file import is_smv, read_file_geometry
from nanobragg.io.images.formats import format_of
from nanobragg.io.images.smv import read_smv

if TYPE_CHECKING:
    from numpy.typing import NDArray


def read_pixels(path: str | os.PathLike[str], shape: tuple[int, ...] | None = None) -> NDArray[Any]:
    """The pixels (slow, fast) of an image file; ``shape`` of the array of a bare float image.

    Raises :class:`InputError` when it cannot be read.
    """
    name = os.fspath(path)
    found = format_of(name)
    pixels = None if found is None else found.read(name, shape)
    if pixels is None:
        pixels = read_smv(name).pixels if is_smv(name) else np.asarray(read_file_geometry(name, mask=True).pixels)
    if not pixels.size:
        raise InputError(f"{name}: found no pixels, expected an image")
    return pixels
