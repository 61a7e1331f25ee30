"""Tables of structure factors and lists of sources as nonBragg.c reads them (``specs/nonbragg.md``, "Reading")."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from nanobragg.errors import InputError
from nanobragg.io.support.atomic import read_bytes

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Table(NamedTuple):
    """Columns of numbers."""

    values: NDArray[np.float64]
    """(rows, columns); NaN: missing."""
    without_number: int
    """Lines that begin with no number."""


def read_table(path: str | os.PathLike[str], columns: int, *, titles: bool, expected: str) -> Table:
    """The first ``columns`` columns of a text file.

    Args:
        path: the file.
        columns: how many.
        titles: lines that begin with no number count, as zeros; else they are left out.
        expected: what the file should hold, for the message.

    Raises:
        InputError: when the file cannot be read, or holds no line.

    """
    from nanobragg import _core

    values, without = _core.read_columns(read_bytes(path), columns, titles)
    if not len(values):
        raise InputError(f"{os.fspath(path)}: found no line, expected {expected}")
    return Table(values, without)
