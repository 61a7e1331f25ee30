"""XDS_ASCII.HKL of XDS and XSCALE, merged or not (``specs/formats.md``)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from nanobragg.errors import InputError
from nanobragg.io.factors.cells import checked_cell
from nanobragg.io.factors.columns import no_choice, whole_indices
from nanobragg.io.factors.kinds import read_text
from nanobragg.io.factors.symmetry import Said, no_symmetry, symmetry_of
from nanobragg.io.factors.text_tables import numbers_of
from nanobragg.io.factors.types import Column, ReflectionFile
from nanobragg.io.support.digits import whole_number
from nanobragg.io.support.extras import need

if TYPE_CHECKING:
    from nanobragg.io.factors.types import Choice
    from nanobragg.maths.lattice import Cell

_KEY = re.compile(r"([A-Z][A-Z_'%0-9()-]*)\s*=\s*(.*?)(?=\s+[A-Z][A-Z_'%0-9()-]*\s*=|$)")

_LONGEST_LINE = 1000
"""Characters of a line of the header that are looked at."""


def read_xds(name: str, choice: Choice) -> ReflectionFile:
    """Read the intensities; those that XDS rejected (a negative sigma) are left out.

    Raises :class:`InputError` when the file is damaged, or holds other columns.
    """
    gemmi = need("gemmi", name)
    no_choice(name, "XDS_ASCII", choice.column)
    lines = read_text(name).splitlines()
    header = _header(lines)
    rows = [(number, line) for number, line in enumerate(lines, 1) if line.strip() and not line.startswith("!")]
    order = [_place(name, header, item, at) for at, item in enumerate(("H", "K", "L", "IOBS", "SIGMA(IOBS)"), 1)]
    table = numbers_of(name, rows, [at - 1 for at in order], "h k l I σ")
    rejected = table[:, 4] < 0
    cell = _cell_of(name, header)
    number = whole_number(header.get("SPACE_GROUP_NUMBER", ""))
    symmetry = symmetry_of(gemmi, name, Said(number=number), cell, choice.group)
    said = [f"{int(rejected.sum())} reflections that were rejected (negative sigma) are left out"] * bool(
        rejected.any()
    )
    if symmetry is None:
        said.append("it has no space group, and P 1 is taken (-sf_group NAME)")
    merged = header.get("MERGE", "TRUE").startswith("T")
    friedel = any(header.get(key, "").startswith("T") for key in ("FRIEDEL'S_LAW", "FRIEDEL%S_LAW"))
    return ReflectionFile(
        name=name,
        described="XDS_ASCII",
        cell=cell,
        symmetry=symmetry or no_symmetry("as the file has none"),
        hkl=whole_indices(name, table[:, :3]),
        values=np.where(rejected, np.nan, table[:, 3]),
        column=Column("IOBS", intensity=True),
        friedel=friedel,
        unmerged="" if merged else "MERGE=FALSE",
        wavelength=_wavelength(header),
        warnings=tuple(f"{name}: {sentence}" for sentence in said),
    )


def _header(lines: list[str]) -> dict[str, str]:
    header: dict[str, str] = {}
    for line in lines:
        if line.startswith("!END_OF_HEADER") or not line.startswith("!"):
            break
        header.update({key: value.strip() for key, value in _KEY.findall(line[1:_LONGEST_LINE])})
    return header


def _place(name: str, header: dict[str, str], item: str, usual: int) -> int:
    """The column of an item, counted from 1."""
    text = header.get(f"ITEM_{item}", str(usual))
    number = whole_number(text)
    if number is None or not 1 <= number <= 1000:
        raise InputError(f"{name}: found ITEM_{item}={text[:20]}, expected the number of a column")
    return number


def _wavelength(header: dict[str, str]) -> float | None:
    try:
        return float(header["X-RAY_WAVELENGTH"].split()[0])
    except (KeyError, IndexError, ValueError):
        return None


def _cell_of(name: str, header: dict[str, str]) -> Cell | None:
    text = header.get("UNIT_CELL_CONSTANTS")
    if text is None:
        return None
    try:
        a, b, c, alpha, beta, gamma = (float(word) for word in text.split())
    except ValueError:
        raise InputError(f"{name}: found the unit cell {text[:60]!r}, expected six numbers") from None
    return checked_cell(name, (a, b, c, alpha, beta, gamma))
