"""Images as NumPy's files: float32, int32 or uint16, shape and type in the header (``specs/formats.md``)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from nanobragg.errors import InputError
from nanobragg.io.images.masked import with_masked
from nanobragg.io.support.atomic import atomic_write
from nanobragg.io.support.quiet import quiet

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from nanobragg.records.resolved import Resolved


def write(path: str | os.PathLike[str], pixels: ArrayLike, resolved: Resolved | None = None) -> None:
    """Write ``pixels`` (slow, fast); of ``resolved`` nothing is told but masked pixels of int32, which are -1.

    Raises :class:`InputError` when it cannot be written.
    """
    data = np.asarray(pixels)
    if data.dtype == np.int32:
        data = with_masked(data, resolved)
    with atomic_write(path) as file:
        np.save(file, data)


def read(path: str | os.PathLike[str], shape: tuple[int, ...] | None = None) -> NDArray[Any]:
    """The pixels (slow, fast), or (module, slow, fast) of a stack.

    Raises :class:`InputError` for a file that is not NumPy's, or not of one image.
    """
    name = os.fspath(path)
    try:
        with quiet():
            pixels = np.load(name, allow_pickle=False)
    except Exception as error:  # NumPy evaluates the header as Python, and raises what its parser does
        raise InputError(f"{name}: found {str(error)[:80]}, expected a NumPy file") from error
    if pixels.ndim == 3 and len(pixels) == 1:  # as an image of one panel is rendered
        pixels = pixels[0]
    if pixels.ndim not in (2, 3):
        raise InputError(f"{name}: found an array of shape {pixels.shape}, expected (slow, fast) or a stack of those")
    return pixels
