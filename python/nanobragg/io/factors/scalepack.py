"""Scalepack's ``.sca``: merged, with or without mates apart, and unmerged (``specs/formats.md``)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from nanobragg.errors import InputError
from nanobragg.io.factors.cells import checked_cell
from nanobragg.io.factors.columns import no_choice, whole_indices
from nanobragg.io.factors.kinds import read_text
from nanobragg.io.factors.symmetry import Said, symmetry_of
from nanobragg.io.factors.text_tables import fixed_numbers, free_numbers
from nanobragg.io.factors.types import Column, ReflectionFile
from nanobragg.io.support.digits import whole_number
from nanobragg.io.support.extras import need

if TYPE_CHECKING:
    from nanobragg.io.factors.types import Choice
    from nanobragg.maths.lattice import Cell

_MERGED = (4, 4, 4, 8, 8, 8, 8)
_UNMERGED = (4, 4, 4, 4, 4, 4, 6, 2, 2, 3, 8, 8)
"""measured and unique indices, batch, centric, spindle, asymmetric unit, intensity, sigma"""


def read_scalepack(name: str, choice: Choice) -> ReflectionFile:
    """Read the intensities; a sigma of −1 says that a reflection was not measured.

    Raises :class:`InputError` when the file is damaged, or its space group is not known.
    """
    gemmi = need("gemmi", name)
    no_choice(name, "Scalepack", choice.column)
    lines = read_text(name).splitlines()
    while lines and not lines[0].strip():
        del lines[0]
    first = lines[0].split()
    return _merged(gemmi, name, lines, choice) if len(first) == 1 else _unmerged(gemmi, name, lines, choice)


def _merged(gemmi: Any, name: str, lines: list[str], choice: Choice) -> ReflectionFile:
    words = lines[2].split()
    try:
        a, b, c, alpha, beta, gamma = (float(word) for word in words[:6])
    except ValueError:
        raise InputError(f"{name}: line 3: found {lines[2][:60]!r}, expected a unit cell and a space group") from None
    rows = _data(lines, 3)
    cell = checked_cell(name, (a, b, c, alpha, beta, gamma))
    table = free_numbers(rows, (5, 7))
    if table is None:
        table = fixed_numbers(name, rows, _MERGED, "h k l I σ (3I4, 2F8 or 4F8)")
    pairs = bool(np.isfinite(table[:, 5]).any())
    hkl = whole_indices(name, table[:, :3])
    values = np.where(table[:, 4] < 0, np.nan, table[:, 3])
    if pairs:
        minus = np.where(table[:, 6] < 0, np.nan, table[:, 5])
        hkl, values = np.concatenate([hkl, -hkl]), np.concatenate([values, minus])
    column = Column("I(+)", "I(-)", intensity=True) if pairs else Column("I", intensity=True)
    return _file(gemmi, name, (" ".join(words[6:]), hkl, values, column), cell, choice)


def _unmerged(gemmi: Any, name: str, lines: list[str], choice: Choice) -> ReflectionFile:
    count, _, group = lines[0].strip().partition(" ")
    # Each operation is a line of its rotation and one of its translation.
    rows = _data(lines, 1 + 2 * (whole_number(count) or 0))
    table = free_numbers(rows, (len(_UNMERGED),))
    if table is None:
        table = fixed_numbers(name, rows, _UNMERGED, "a reflection of an unmerged file")
    hkl = whole_indices(name, table[:, :3])
    column = Column("I", intensity=True)
    return _file(gemmi, name, (group, hkl, table[:, 10], column), None, choice, unmerged="original indices")


def _data(lines: list[str], start: int) -> list[tuple[int, str]]:
    return [(number, line) for number, line in enumerate(lines[start:], start + 1) if line.strip()]


def _file(
    gemmi: Any, name: str, rows: tuple[str, Any, Any, Column], cell: Cell | None, choice: Choice, unmerged: str = ""
) -> ReflectionFile:
    group, hkl, values, column = rows
    names = [re.sub(r"\s+", " ", group.strip())] if group.strip() else []
    symmetry = symmetry_of(gemmi, name, Said(names=names), cell, choice.group)
    if symmetry is None:
        raise InputError(f"{name}: found no space group, expected one (-sf_group NAME)")
    return ReflectionFile(
        name=name,
        described="Scalepack",
        cell=cell,
        symmetry=symmetry,
        hkl=hkl,
        values=values,
        column=column,
        unmerged=unmerged,
    )
