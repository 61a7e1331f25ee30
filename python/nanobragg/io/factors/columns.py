"""Which column of a file is read: amplitudes before intensities, and the mates of a pair together."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from nanobragg.errors import InputError
from nanobragg.io.factors.merge import LARGEST_INDEX
from nanobragg.io.factors.types import Column

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

_MATES = (("(+)", "(-)"), ("plus", "minus"), ("PLUS", "MINUS"), ("Plus", "Minus"), ("+", "-"))


def mates_of(label: str, labels: Iterable[str]) -> tuple[str, str] | None:
    """Both labels of a Friedel pair that ``label`` belongs to, the plus mate first; ``None`` for no pair."""
    others = {*labels}
    for plus, minus in _MATES:
        for mine, other in ((plus, minus), (minus, plus)):
            # The sign is near the end: F-obs(+), not the hyphen of F-obs.
            head, sign, tail = label.rpartition(mine)
            mate = f"{head}{other}{tail}"
            if sign and mate in others:
                return (label, mate) if mine == plus else (mate, label)
    return None


def difference_of(label: str, differences: Iterable[str], amplitudes: Iterable[str]) -> str | None:
    """The column of F(+) − F(−) that belongs to the amplitudes ``label``: by its name, or as the only one."""
    candidates = [*differences]
    stem = _stem(label, r"^(F|FP|FMEAN|FOBS)(?=$|[^A-Za-z0-9])")
    for candidate in candidates:
        if _stem(candidate, r"^(DANO|DELANO|DELF|DF|D)(?=$|[^A-Za-z0-9])") == stem:
            return candidate
    return candidates[0] if len(candidates) == 1 and len([*amplitudes]) == 1 else None


def no_column(name: str, wanted: str, usable: Iterable[str]) -> InputError:
    """What to raise for a column that a file does not have."""
    return InputError(f"-sf_column: found {wanted!r}, expected a column of {name}: {', '.join(usable)}")


def no_choice(name: str, described: str, column: str | None) -> None:
    """Raises :class:`InputError` for a column that is asked of a kind of file that has but one."""
    if column is not None:
        raise InputError(f"-sf_column: found {column!r}, expected none: {name} ({described}) has but one to read")


def rows_of(
    name: str, indices: NDArray, column: Column, get: Callable[[str], NDArray[np.float64]]
) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """Indices (n, 3) and values (n,) of a column, the mates of a pair as rows of their own. ``get`` gives the values
    of a label.
    """
    hkl = whole_indices(name, indices)
    values = get(column.label) if column.intensity else np.abs(get(column.label))
    if column.difference is not None:
        # Where there is no difference, one mate was measured, or both are equivalent.
        half = get(column.difference) / 2
        plus, minus = values + np.nan_to_num(half, nan=0.0), values - half
        return np.concatenate([hkl, -hkl]), np.maximum(np.concatenate([plus, minus]), 0.0)
    if column.minus is None:
        return hkl, values
    minus = get(column.minus) if column.intensity else np.abs(get(column.minus))
    return np.concatenate([hkl, -hkl]), np.concatenate([values, minus])


def whole_indices(name: str, indices: NDArray) -> NDArray[np.int32]:
    """Indices (n, 3) as integers. Raises :class:`InputError` when they are not."""
    if not (np.abs(indices) <= LARGEST_INDEX).all() or (indices != np.round(indices)).any():
        raise InputError(
            f"{name}: found Miller indices that are no whole numbers up to {LARGEST_INDEX}, expected reflections"
        )
    return np.ascontiguousarray(indices.astype(np.int32))


def without_unmeasured(values: NDArray[np.float64], sigmas: NDArray | None) -> NDArray[np.float64]:
    """Values with NaN for those that were not measured: 0 with a sigma of 0 or less."""
    if sigmas is None:
        return values
    return np.where((values == 0.0) & (sigmas <= 0.0), np.nan, values)


def _stem(label: str, prefix: str) -> str:
    """The label without the word for its kind: both ``F_peak`` and ``DANO_peak`` are ``_peak``."""
    return re.sub(prefix, "", label, flags=re.IGNORECASE)
