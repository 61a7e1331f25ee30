"""Tables of numbers in text: what the formats of reflections have in common."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from nanobragg.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray


def numbers_of(name: str, lines: Iterable[tuple[int, str]], columns: int, expected: str) -> NDArray[np.float64]:
    """(n, columns) first numbers of lines (with their numbers in the file); further columns are passed over.

    ``-`` stands for no number. Raises :class:`InputError`, naming the line.
    """
    rows = []
    for number, line in lines:
        words = line.split()[:columns]
        try:
            rows.append([float("nan") if word == "-" else float(word) for word in words])
        except ValueError:
            rows.append([])
        if len(rows[-1]) != columns:
            raise InputError(f"{name}: line {number}: found {line.strip()[:60]!r}, expected {expected}")
    return np.array(rows, dtype=np.float64).reshape(-1, columns)


def fixed_numbers(
    name: str, lines: Iterable[tuple[int, str]], widths: Sequence[int], expected: str
) -> NDArray[np.float64]:
    """(n, columns) numbers of columns of fixed width, which may touch; NaN for those that are blank.

    Raises :class:`InputError`, naming the line.
    """
    ends = np.cumsum(widths)
    starts = ends - np.array(widths)
    rows = []
    for number, line in lines:
        texts = [line[start:end].strip() for start, end in zip(starts, ends, strict=True)]
        try:
            rows.append([float(text) if text else float("nan") for text in texts])
        except ValueError:
            rows.append([])
        if not rows[-1] or not np.isfinite(rows[-1][:4]).all():
            raise InputError(f"{name}: line {number}: found {line.strip()[:60]!r}, expected {expected}")
    return np.array(rows, dtype=np.float64).reshape(-1, len(widths))


def free_numbers(lines: Iterable[tuple[int, str]], columns: Sequence[int]) -> NDArray[np.float64] | None:
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
