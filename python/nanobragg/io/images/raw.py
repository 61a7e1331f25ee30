"""Float images: bare float32, fast axis fastest (``specs/formats.md``)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np

from nanobragg.errors import InputError
from nanobragg.io.support.atomic import atomic_write, read_bytes

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from nanobragg.records.resolved import Resolved


def write(path: str | os.PathLike[str], pixels: ArrayLike, resolved: Resolved | None = None) -> None:
    """Write ``pixels`` (any shape) as native float32; ``resolved`` is not told.

    Raises :class:`InputError` when the file cannot be written.
    """
    data = np.ascontiguousarray(pixels, dtype=np.float32)
    with atomic_write(path) as file:
        file.write(data.data)


def read(path: str | os.PathLike[str], shape: tuple[int, ...] | None = None) -> NDArray[np.float32]:
    """The image of ``shape``, fast axis last; without it, a square one.

    Raises :class:`InputError` when the file cannot be read, or the numbers of pixels are others.
    """
    data = read_bytes(path)
    if shape is None:
        count = len(data) // 4
        side = int(count**0.5)
        if side * side != count:
            raise InputError(
                f"{os.fspath(path)}: found {count} pixels, which make no square, expected -shape SLOW FAST"
            )
        shape = (side, side)
    expected = 4 * int(np.prod(shape, dtype=object))
    if len(data) != expected:
        raise InputError(
            f"{os.fspath(path)}: found {len(data)} bytes, expected {expected} (float32, {' x '.join(map(str, shape))})"
        )
    return np.frombuffer(data, dtype=np.float32).reshape(shape).copy()
