"""Images to compare, from any file; and one image on the raster of another."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np

from nanobragg.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray


def read_image(path: str | os.PathLike[str], shape: tuple[int, int] | None = None) -> NDArray[np.float32]:
    """The image (slow, fast) in ``path``: ``.npy``, bare float32 ``.bin`` of ``shape``, or what fabio reads.

    Raises:
        InputError: when the file cannot be read as an image, and for bare floats without their shape.

    """
    from nanobragg.io.any_image import read_pixels
    from nanobragg.io.images.formats import FLOATS, format_of

    name = os.fspath(path)
    if format_of(name) is FLOATS and shape is None:
        raise InputError(f"{name}: found bare floats, expected --shape SLOW FAST with them")
    pixels = read_pixels(name, shape)
    if pixels.ndim != 2 or pixels.size == 0:
        raise InputError(f"{name}: found an array of shape {pixels.shape}, expected one image (slow, fast)")
    return np.ascontiguousarray(pixels, dtype=np.float32)


def resample(image: NDArray[np.float32], shape: tuple[int, int]) -> NDArray[np.float32]:
    """The image (slow, fast) of the same detector area on ``shape`` pixels; photons are kept.

    Every pixel is shared out over those that it overlaps.
    """
    rows = _overlaps(shape[0], image.shape[0])
    columns = _overlaps(shape[1], image.shape[1])
    return (rows @ image.astype(np.float64) @ columns.T).astype(np.float32)


def _overlaps(target: int, source: int) -> NDArray[np.float64]:
    """(target, source): fraction of each source pixel that lies in each target pixel."""
    edges = np.arange(source + 1) * (target / source)  # borders of the source's pixels, in target pixels
    first = np.arange(target)[:, None]
    low, high = np.maximum(edges[None, :-1], first), np.minimum(edges[None, 1:], first + 1)
    return np.clip(high - low, 0.0, None) * (source / target)
