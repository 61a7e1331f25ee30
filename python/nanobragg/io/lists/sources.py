"""Lists of X-ray sources (``specs/formats.md``)."""

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

_COLUMNS = 5
_SEPARATORS = re.compile(r"[ \t,;:!\v\f]+")
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)


def read_sources(path: str | os.PathLike[str]) -> NDArray[np.float64]:
    """Sources (n, 5) float64: X, Y, Z towards the source, relative weight, wavelength in metres.

    NaN stands for a column that is missing or unreadable. Blank lines and what follows a ``#`` are skipped.

    Raises :class:`InputError` when the file cannot be read or holds no source.
    """
    sources: list[list[float]] = []
    for line in re.split(r"[\r\n]+", read_bytes(path).decode("latin-1")):
        words = [word for word in _SEPARATORS.split(line.partition("#")[0]) if word][:_COLUMNS]
        if words:
            sources.append([_number(word) for word in words] + [math.nan] * (_COLUMNS - len(words)))
    if not sources or not np.isfinite(np.array(sources)).any():
        raise InputError(f"{os.fspath(path)}: found no source, expected lines of X Y Z weight wavelength")
    return np.array(sources)


def _number(word: str) -> float:
    value = float(word) if _NUMBER.fullmatch(word) else math.nan
    return value if math.isfinite(value) else math.nan
