"""Writing MTZ files, by gemmi (``specs/formats.md``)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from nanobragg.io.support.atomic import atomic_write
from nanobragg.io.support.extras import need

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Array = NDArray[np.float64]

_TOGETHER = (("F", "F"), ("SIGF", "Q"))
_APART = (("F(+)", "G"), ("SIGF(+)", "L"), ("F(-)", "G"), ("SIGF(-)", "L"))


def write_mtz(
    path: str | os.PathLike[str],
    *,
    cell: Sequence[float] | None,
    group: str,
    wavelength: float,
    hkl: NDArray[Any],
    values: Array,
    sigmas: Array,
    apart: bool,
) -> None:
    """Amplitudes and their standard deviations, in the asymmetric unit.

    Args:
        path: the file.
        cell: Å and degrees.
        group: name of the space group.
        wavelength: Å.
        hkl: (n, 3) one of the indices of each reflection.
        values: (n,)
        sigmas: (n,)
        apart: whether Friedel mates are reflections of their own: columns F(+) and F(-).

    Raises:
        InputError: when the file cannot be written, and without gemmi.

    """
    gemmi = need("gemmi", os.fspath(path))
    mtz = gemmi.Mtz(with_base=True)
    mtz.title = "nanobragg refine"
    mtz.spacegroup = gemmi.SpaceGroup(group)
    mtz.set_cell_for_all(gemmi.UnitCell(*(cell or (1.0, 1.0, 1.0, 90.0, 90.0, 90.0))))
    mtz.add_dataset("refined").wavelength = wavelength
    for label, kind in _APART if apart else _TOGETHER:
        mtz.add_column(label, kind)
    mtz.set_data(_rows(gemmi, mtz.spacegroup, hkl, np.column_stack([values, sigmas]), apart))
    mtz.sort()
    with atomic_write(path) as file:
        file.write(bytes(mtz.write_to_bytes()))


def _rows(gemmi: Any, group: Any, hkl: NDArray[Any], numbers: Array, apart: bool) -> NDArray[np.float32]:
    operations, unit = group.operations(), gemmi.ReciprocalAsu(group)
    rows: dict[tuple[int, ...], list[float]] = {}
    for indices, pair in zip(hkl.tolist(), numbers.tolist(), strict=True):
        place, number = unit.to_asu(indices, operations)
        row = rows.setdefault(tuple(place), [np.nan] * (4 if apart else 2))
        centric = operations.is_reflection_centric(indices)
        if not apart or centric or number % 2 == 1:
            row[:2] = pair
        if apart and (centric or number % 2 == 0):
            row[2:] = pair
    return np.array([[*place, *row] for place, row in rows.items()], np.float32)
