"""SHELX's HKLF files: ``h k l F² σ`` in columns of fixed width (``specs/formats.md``)."""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING

import numpy as np

from nanobragg.errors import InputError
from nanobragg.io.factors.columns import no_column, whole_indices
from nanobragg.io.factors.kinds import as_utf8, read_unpacked, shelx_lines
from nanobragg.io.factors.symmetry import Said, no_symmetry, symmetry_of
from nanobragg.io.factors.text_tables import fixed_numbers
from nanobragg.io.factors.types import Column, ReflectionFile
from nanobragg.io.support.extras import need

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from nanobragg.io.factors.types import Choice

_WIDTHS = (4, 4, 4, 8, 8)
_BATCH = slice(28, 32)
"""columns of a row: the number of a batch, or of a twin's domain"""
_HKLF = re.compile(r"^HKLF[ \t]+([^\n!]*)", re.IGNORECASE | re.MULTILINE)
_NUMBER = re.compile(r"-?(\d{1,20}\.?\d{0,20}|\.\d{1,20})")
_WITH_MATRIX = 11
"""numbers of HKLF: what it reads, a factor, and a matrix for the indices"""
_END = b"\n   0   0   0    0.00    0.00\n"
_SQUARES, _AMPLITUDES = "F_squared", "F"


def read_shelx(name: str, choice: Choice) -> ReflectionFile:
    """Read squares of amplitudes (HKLF 4), or with the column ``F`` amplitudes (HKLF 3).

    Raises :class:`InputError` when the file is none, or for another column.
    """
    if choice.column not in (None, _SQUARES, _AMPLITUDES):
        raise no_column(name, choice.column, (_SQUARES, _AMPLITUDES))
    content = as_utf8(read_unpacked(name))
    hkl, values = shelx_rows(name, content)
    gemmi = need("gemmi", name)
    symmetry = symmetry_of(gemmi, name, Said(), None, choice.group) or no_symmetry("as the file has none")
    column = Column(choice.column or _SQUARES, intensity=choice.column != _AMPLITUDES)
    assumed = "its values are taken for squares of F (HKLF 4; -sf_column F: HKLF 3)"
    said = [] if choice.column else [assumed]
    if choice.group is None:
        said.append("it has no space group, and P 1 is taken (-sf_group NAME)")
    if overlaps := _overlaps(content):
        said.append(f"{overlaps} rows are of a twin, overlap with the row after them (HKLF 5), and are used as others")
    return ReflectionFile(
        name=name,
        described="SHELX HKLF",
        cell=None,
        symmetry=symmetry,
        hkl=hkl,
        values=values,
        column=column,
        warnings=tuple(f"{name}: {sentence}" for sentence in said),
    )


def _overlaps(content: bytes) -> int:
    """How many rows share their value with the next one: of another domain, of which the last alone is above 0. (A list
    with -1 and 1 alone marks free reflections.)
    """
    texts = [line[_BATCH].strip() for line in shelx_lines(content) or ()]
    domains = [int(text) if re.fullmatch(rb"-?\d+", text) else 1 for text in texts]
    return sum(domain < 0 and abs(domain) != abs(after) for domain, after in itertools.pairwise(domains))


def shelx_rows(name: str, content: bytes) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """Indices (n, 3) and values (n,) of a list. Raises :class:`InputError` when it is none."""
    lines = shelx_lines(content)
    if lines is None:
        raise InputError(f"{name}: found no reflections, expected SHELX's h k l F² σ")
    texts = [line.decode("ascii", errors="replace") for line in lines]
    table = fixed_numbers(name, [*enumerate(texts, 1)], _WIDTHS, "h k l F² σ (3I4, 2F8)")
    return whole_indices(name, table[:, :3]), table[:, 3]


def rows_in_cif(name: str, listed: str, instructions: str) -> tuple[NDArray[np.int32], NDArray[np.float64], Column]:
    """Indices, values and column of the list that SHELXL keeps in a CIF. ``instructions``: its .res file, or ''.

    Raises :class:`InputError` when it is none, or has not one value for each reflection.
    """
    said = _HKLF.search(instructions)
    words = (said[1].split() if said else []) or ["4"]
    if not all(_NUMBER.fullmatch(word) for word in words):
        raise InputError(f"{name}: found HKLF {' '.join(words)[:40]} in its instructions, expected numbers")
    numbers = [float(word) for word in words]
    if numbers[0] not in (3.0, 4.0):
        raise InputError(f"{name}: found HKLF {numbers[0]:g} in its instructions, expected HKLF 4 or 3")
    hkl, values = shelx_rows(name, listed.encode() + _END)
    if len(numbers) >= _WITH_MATRIX:
        hkl = whole_indices(name, hkl @ np.array(numbers[2:_WITH_MATRIX]).reshape(3, 3).T)
    intensity = numbers[0] == 4.0
    return hkl, values, Column(_SQUARES if intensity else _AMPLITUDES, intensity=intensity)
