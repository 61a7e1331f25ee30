"""Columns of tables that people measured: CSV with a line of names, HDF5."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from nanobragg.errors import InputError
from nanobragg.io.support.atomic import read_bytes
from nanobragg.io.support.extras import need
from nanobragg.io.support.reasons import reason
from nanobragg.records.kinds import shown

if TYPE_CHECKING:
    from numpy.typing import NDArray


def read_column(path: str, column: str, what: str) -> tuple[Any, ...]:
    """The values of a column: numbers of a CSV file, numbers or rows of numbers of a dataset of an HDF5 file.

    Raises :class:`InputError` naming ``what``, for a file or column that cannot be read, and for what is no number.
    """
    if os.path.splitext(path)[1].lower() in (".h5", ".hdf5", ".nxs"):
        return _rows(read_dataset(path, column, what), path, column, what)
    return _csv_column(path, column, what)


def read_dataset(path: str, name: str, what: str) -> NDArray[Any]:
    """A dataset of an HDF5 file; errors as for :func:`read_column`."""
    import numpy as np

    h5py = need("h5py", what)
    read_bytes(path, 1)  # for its sentences about files that are not there
    try:
        with h5py.File(path, "r") as file:
            if not isinstance(file.get(name), h5py.Dataset):
                raise InputError(f"{what}: found no dataset {name!r} in {path}, expected one of values")
            values = np.asarray(file[name][()], float)
    except (OSError, TypeError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{what}: found {reason(error)} in {path}, expected numbers in an HDF5 file") from error
    if not values.size or not np.isfinite(values).all():
        raise InputError(f"{what}: found {name!r} without values or with some that are not finite in {path}")
    return values


def _rows(values: NDArray[Any], path: str, column: str, what: str) -> tuple[Any, ...]:
    if values.ndim not in (1, 2):
        raise InputError(f"{what}: found {values.ndim} dimensions of {column!r} in {path}, expected one or two")
    return tuple(tuple(row) if isinstance(row, list) else row for row in values.tolist())


def _csv_column(path: str, column: str, what: str) -> tuple[float, ...]:
    import csv

    text = read_bytes(path).decode("utf-8-sig", errors="replace")
    lines = [line for line in csv.reader(text.splitlines()) if line and not line[0].startswith("#")]
    names = [name.strip() for name in lines[0]] if lines else []
    if column not in names:
        found = ", ".join(names)[:80] or "nothing"
        raise InputError(f"{what}: found the columns {found} in {path}, expected {column!r} among them")
    at = names.index(column)
    if len(lines) < 2:
        raise InputError(f"{what}: found no row in {path}, expected one or more below the names")
    return tuple(_number(line, at, f"{what}: found {{}} in row {i} of {path}") for i, line in enumerate(lines[1:], 1))


def _number(line: list[str], at: int, sentence: str) -> float:
    import math

    word = line[at].strip() if at < len(line) else ""
    try:
        value = float(word)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise InputError(f"{sentence.format(shown(word))}, expected a finite number")
    return value
