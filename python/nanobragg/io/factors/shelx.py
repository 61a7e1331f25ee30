"""SHELX's HKLF files: ``h k l F² σ`` in columns of fixed width (``specs/formats.md``)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nanobragg.errors import InputError
from nanobragg.io.factors.columns import no_column, whole_indices
from nanobragg.io.factors.kinds import as_utf8, read_unpacked, shelx_lines
from nanobragg.io.factors.symmetry import Said, no_symmetry, symmetry_of
from nanobragg.io.factors.text_tables import fixed_numbers
from nanobragg.io.factors.types import Column, ReflectionFile
from nanobragg.io.support.extras import need

if TYPE_CHECKING:
    from nanobragg.io.factors.types import Choice

_WIDTHS = (4, 4, 4, 8, 8)
_SQUARES, _AMPLITUDES = "F_squared", "F"


def read_shelx(name: str, choice: Choice) -> ReflectionFile:
    """Read squares of amplitudes (HKLF 4), or with the column ``F`` amplitudes (HKLF 3).

    Raises :class:`InputError` when the file is none, or for another column.
    """
    if choice.column not in (None, _SQUARES, _AMPLITUDES):
        raise no_column(name, choice.column, (_SQUARES, _AMPLITUDES))
    lines = shelx_lines(as_utf8(read_unpacked(name)))
    if lines is None:
        raise InputError(f"{name}: found no reflections, expected SHELX's h k l F² σ")
    texts = [line.decode("ascii", errors="replace") for line in lines]
    table = fixed_numbers(name, [*enumerate(texts, 1)], _WIDTHS, "h k l F² σ (3I4, 2F8)")
    gemmi = need("gemmi", name)
    symmetry = symmetry_of(gemmi, name, Said(), None, choice.group) or no_symmetry("as the file has none")
    column = Column(choice.column or _SQUARES, intensity=choice.column != _AMPLITUDES)
    assumed = "its values are taken for squares of F (HKLF 4; -sf_column F: HKLF 3)"
    said = [] if choice.column else [assumed]
    if choice.group is None:
        said.append("it has no space group, and P 1 is taken (-sf_group NAME)")
    return ReflectionFile(
        name=name,
        described="SHELX HKLF",
        cell=None,
        symmetry=symmetry,
        hkl=whole_indices(name, table[:, :3]),
        values=table[:, 3],
        column=column,
        warnings=tuple(f"{name}: {sentence}" for sentence in said),
    )
