"""Blocks of a CIF: which one is read, and what it says of cell and symmetry (``specs/formats.md``)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nanobragg.errors import InputError
from nanobragg.io.factors.cells import checked_cell
from nanobragg.io.factors.kinds import read_text
from nanobragg.io.factors.symmetry import Said
from nanobragg.io.support.digits import whole_number
from nanobragg.io.support.reasons import reason

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from nanobragg.maths.lattice import Cell

_OPERATORS = ("_space_group_symop?operation_xyz", "_symmetry_equiv?pos_as_xyz")
_HALL = ("_space_group?name_Hall", "_symmetry?space_group_name_Hall")
_NAMES = (
    "_space_group?name_H-M_alt",
    "_symmetry?space_group_name_H-M",
    "_space_group?name_H-M_full",
    "_symmetry?pdbx_full_space_group_name_H-M",
    "_space_group?name_H-M_ref",
    "_space_group?name_Schoenflies",
)
_NUMBERS = ("_space_group?IT_number", "_symmetry?Int_Tables_number")
_SETTINGS = ("_space_group?IT_coordinate_system_code",)
_CELL = ("length_a", "length_b", "length_c", "angle_alpha", "angle_beta", "angle_gamma")


@dataclass(frozen=True, eq=False)
class Blocks:
    """The block that is read, and what to say of the others."""

    chosen: Any
    """gemmi.cif.Block"""
    others: tuple[str, ...]
    """names of those that might have been read instead"""
    document: Any


def read_document(gemmi: Any, name: str, expected: str) -> Any:
    """The gemmi.cif.Document. Raises :class:`InputError` when the file is no CIF."""
    try:
        return gemmi.cif.read_string(read_text(name))
    except (RuntimeError, ValueError, IndexError) as error:
        raise InputError(f"{name}: found {reason(error)}, expected {expected} in CIF") from error


def choose_block(
    name: str, document: Any, wanted: str | None, holds: Sequence[Callable[[Any], bool]], expected: str
) -> Blocks:
    """The block called ``wanted``, else the first for which a test of ``holds`` is true, the first test first.

    Raises :class:`InputError` when there is none.
    """
    candidates: list[Any] = []
    for test in holds:
        candidates = candidates or [block for block in document if test(block)]
    all_of_them = [block.name for block in document if any(test(block) for test in holds)]
    if wanted is not None:
        bare = wanted.removeprefix("data_").lower()
        chosen = next((block for block in document if block.name.lower() == bare), None)
        if chosen is None or not any(test(chosen) for test in holds):
            there = ", ".join(all_of_them) or "none"
            raise InputError(f"-sf_block: found {wanted!r}, expected a block of {name} with {expected}: {there}")
    elif candidates:
        chosen = candidates[0]
    else:
        raise InputError(f"{name}: found no {expected}, expected some in CIF")
    return Blocks(chosen, tuple(other for other in all_of_them if other != chosen.name), document)


def described_blocks(name: str, blocks: Blocks) -> list[str]:
    """A note about the blocks that are not read."""
    if not blocks.others:
        return []
    return [f"{name}: block {blocks.chosen.name} is read, not {', '.join(blocks.others)} (-sf_block NAME)"]


def values_of(block: Any, tag: str) -> list[str]:
    """The values of a tag in either dialect (``?`` stands for ``_`` or ``.``), without those that are not known."""
    for separator in "._":
        column = block.find_values(tag.replace("?", separator))
        if column is not None and len(column):
            texts = [column.str(i) for i in range(len(column))]
            return [text for text in texts if text not in ("", "?", ".")]
    return []


def symmetry_said(block: Any) -> Said:
    """What a block says about its symmetry."""
    first = [next(iter(values_of(block, tag)), "") for tag in (*_NUMBERS, *_SETTINGS)]
    number = next((found for text in first[:-1] if (found := whole_number(text)) is not None), None)
    hall = next((text for tag in _HALL for text in values_of(block, tag)), "")
    names = [text for tag in _NAMES for text in values_of(block, tag)[:1]]
    operators = next((found for tag in _OPERATORS if (found := values_of(block, tag))), [])
    return Said(operators=operators, hall=hall, names=names, number=number, setting=first[-1])


def cell_of_block(gemmi: Any, name: str, block: Any) -> Cell | None:
    """Å, degrees; ``None`` where the block has none (or the unit cube that stands for none). Angles that are not given
    are 90.
    """
    numbers = []
    for word in _CELL:
        text = next(iter(values_of(block, f"_cell?{word}")), "90" if word.startswith("angle") else "")
        numbers.append(gemmi.cif.as_number(text))
    if not all(number > 0 for number in numbers) or numbers[:3] == [1.0, 1.0, 1.0]:
        return None
    return checked_cell(name, numbers)


def with_cell(gemmi: Any, name: str, blocks: Blocks) -> tuple[Cell | None, Said, list[str]]:
    """Cell and symmetry of the chosen block, else those of the first other block that says them, with a warning."""
    warnings: list[str] = []
    cell, said = cell_of_block(gemmi, name, blocks.chosen), symmetry_said(blocks.chosen)
    silent = not (said.operators or said.hall or said.names or said.number)
    for block in blocks.document:
        if cell is None and (theirs := cell_of_block(gemmi, name, block)) is not None:
            cell = theirs
            warnings.append(f"{name}: block {blocks.chosen.name} has no unit cell; that of block {block.name} is taken")
        other = symmetry_said(block)
        if silent and (other.operators or other.hall or other.names or other.number):
            said, silent = other, False
            warnings.append(
                f"{name}: block {blocks.chosen.name} has no space group; that of block {block.name} is taken"
            )
    return cell, said, warnings
