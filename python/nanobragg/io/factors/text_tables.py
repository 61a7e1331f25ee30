"""Tables of numbers in text: what the formats of reflections have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from nanobragg.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

Lines = Sequence[tuple[int, str]]
"""Lines with their numbers in the file."""


def numbers_of(name: str, lines: Lines, columns: Sequence[int], expected: str) -> NDArray[np.float64]:
    """(n, columns) numbers of some columns, counted from 0, that blanks keep apart.

    Raises :class:`InputError`, naming the line.
    """
    table = _split([line for _, line in lines], columns)
    if table is None:
        bad = next((line for line in lines if _split([line[1]], columns) is None), (0, ""))
        raise _bad_line(name, *bad, expected)
    return table


def _split(lines: list[str], columns: Sequence[int]) -> NDArray[np.float64] | None:
    if not lines:
        return np.empty((0, len(columns)))
    try:
        return np.loadtxt(lines, dtype=np.float64, comments=None, usecols=columns, ndmin=2)
    except ValueError:
        return None


def fixed_numbers(name: str, lines: Lines, widths: Sequence[int], expected: str) -> NDArray[np.float64]:
    """(n, columns) numbers of columns of fixed width, which may touch; NaN for those that are blank.

    The first four must not be. Raises :class:`InputError`, naming the line.
    """
    ends = np.cumsum(widths)
    total = int(ends[-1])
    text = np.array([line[:total].ljust(total).encode("ascii", "replace") for _, line in lines], dtype=f"S{total}")
    letters = text.view("S1").reshape(len(lines), total)
    columns = []
    try:
        for width, end in zip(widths, ends, strict=True):
            field = np.ascontiguousarray(letters[:, end - width : end]).view(f"S{width}").ravel()
            field = np.char.strip(field)
            columns.append(np.where(field == b"", b"nan", field).astype(np.float64))
        table = np.stack(columns, axis=1)
        bad = ~np.isfinite(table[:, :4]).all(axis=1)
    except ValueError:
        if len(lines) == 1:
            raise _bad_line(name, *lines[0], expected) from None
        for line in lines:
            fixed_numbers(name, [line], widths, expected)
        raise
    if bad.any():
        raise _bad_line(name, *lines[int(np.argmax(bad))], expected)
    return table


def free_numbers(lines: Lines, columns: Sequence[int]) -> NDArray[np.float64] | None:
    """(n, most of ``columns``) numbers that blanks keep apart, NaN for those at the end that a line lacks; ``None``
    where a line has another number of columns than those.
    """
    rows = []
    for _, line in lines:
        words = line.split()
        if len(words) not in columns:
            return None
        try:
            rows.append([float(word) for word in words] + [float("nan")] * (max(columns) - len(words)))
        except ValueError:
            return None
    return np.array(rows, dtype=np.float64).reshape(-1, max(columns))


def _bad_line(name: str, number: int, line: str, expected: str) -> InputError:
    return InputError(f"{name}: line {number}: found {line.strip()[:60]!r}, expected {expected}")
