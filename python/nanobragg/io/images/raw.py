"""Float images: bare float32, fast axis fastest (``specs/formats.md``)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np

from nanobragg.errors import InputError
from nanobragg.io.support.atomic import atomic_write, read_bytes

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


def write_float_image(path: str | os.PathLike[str], image: ArrayLike) -> None:
    """Write ``image`` (any shape) as native float32. Raises :class:`InputError` when the file cannot be written."""
    data = np.ascontiguousarray(image, dtype=np.float32)
    with atomic_write(path) as file:
        file.write(data.data)


def read_float_image(path: str | os.PathLike[str], shape: tuple[int, ...]) -> NDArray[np.float32]:
    """The float32 image of ``shape``, fast axis last.

    Raises :class:`InputError` when the file cannot be read or has another size.
    """
    data = read_bytes(path)
    expected = 4 * int(np.prod(shape, dtype=object))
    if len(data) != expected:
        raise InputError(
            f"{os.fspath(path)}: found {len(data)} bytes, expected {expected} (float32, {' x '.join(map(str, shape))})"
        )
    return np.frombuffer(data, dtype=np.float32).reshape(shape).copy()
