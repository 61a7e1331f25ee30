"""Images to compare, from any file; and one image on the raster of another."""

from __future__ import annotations

import os
from pathlib import Path
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
    name = os.fspath(path)
    suffix = Path(name).suffix.lower()
    if suffix == ".bin":
        return _read_bin(name, shape)
    try:
        pixels = np.load(name, allow_pickle=False) if suffix == ".npy" else _read_with_fabio(name)
    except InputError:
        raise
    except Exception as error:  # fabio and its readers raise whatever their formats do
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise InputError(f"{name}: cannot be read ({reason}), expected an image that fabio knows") from error
    if pixels.ndim == 3 and pixels.shape[0] == 1:
        pixels = pixels[0]
    if pixels.ndim != 2 or pixels.size == 0:
        raise InputError(f"{name}: found an array of shape {pixels.shape}, expected one image (slow, fast)")
    return np.ascontiguousarray(pixels, dtype=np.float32)


def _read_bin(name: str, shape: tuple[int, int] | None) -> NDArray[np.float32]:
    from nanobragg.io.images.raw import read_float_image

    if shape is None:
        raise InputError(f"{name}: found bare floats, expected --shape SLOW FAST with them")
    return read_float_image(name, shape)


def _read_with_fabio(name: str) -> NDArray[np.float32]:
    try:
        import fabio
    except ImportError as error:
        raise InputError(f"{name}: fabio is not installed, expected it: pip install 'nanobragg[parity]'") from error
    with fabio.open(name) as file:
        return np.asarray(file.data)


def resample(image: NDArray[np.float32], shape: tuple[int, int]) -> NDArray[np.float32]:
    """The image (slow, fast) of the same detector area on ``shape`` pixels; photons are kept.

    Every pixel is shared out over those that it overlaps.
    """
    rows = _overlaps(shape[0], image.shape[0])
    columns = _overlaps(shape[1], image.shape[1])
    return (rows @ image.astype(np.float64) @ columns.T).astype(np.float32)


def _overlaps(target: int, source: int) -> NDArray[np.float64]:
    """(target, source): fraction of each source pixel that lies in each target pixel."""
    edges = np.arange(source + 1) * (target / source)  # of the source's pixels, in target pixels
    first = np.arange(target)[:, None]
    low, high = np.maximum(edges[None, :-1], first), np.minimum(edges[None, 1:], first + 1)
    return np.clip(high - low, 0.0, None) * (source / target)
