"""Orientation matrices (``specs/formats.md``, ``specs/geometry.md``)."""

from __future__ import annotations

import math
import os
import re
from typing import TYPE_CHECKING

import numpy as np

from nanobragg.errors import InputError
from nanobragg.io.support.atomic import read_bytes

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Fixed-width columns may touch ("-0.5-0.5"), so numbers are not split at blanks.
_NUMBER = re.compile(rb"\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)")


def read_matrix(path: str | os.PathLike[str]) -> NDArray[np.float64]:
    """The first nine numbers of the file, (3, 3) float64: rows as in the file, columns a*, b*, c* times wavelength.

    What follows (MOSFLM writes more) is ignored. Raises :class:`InputError` when there are fewer than nine numbers.
    """
    text = read_bytes(path)
    values: list[float] = []
    position = 0
    while len(values) < 9:
        match = _NUMBER.match(text, position)
        if match is None or not math.isfinite(float(match[1])):
            found = text[position:].split(maxsplit=1)[:1]
            what = repr(found[0][:40].decode("ascii", "replace")) if found else "the end of the file"
            raise InputError(
                f"{os.fspath(path)}: found {what} after {len(values)} numbers, expected a matrix of nine numbers"
            )
        values.append(float(match[1]))
        position = match.end()
    return np.array(values).reshape(3, 3)
