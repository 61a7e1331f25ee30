"""The symmetry that a file states: operators, a Hall symbol, a name, a number (``specs/formats.md``)."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from nanobragg.errors import InputError
from nanobragg.io.factors.group_names import Found, described, find_group, group_of_number, misfit
from nanobragg.io.support.digits import whole_number
from nanobragg.records.record import Record

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from nanobragg.maths.lattice import Cell

_MOST_OPERATORS = 1024
_OWN_SETTING = "a group in a setting of its own"
_TERM = re.compile(r"([+-]?)(\d*\.?\d+(?:/[1-9]\d*)?|\d+\.)?\*?([xyz])?")


@dataclass(frozen=True, kw_only=True)
class Said:
    """What a file says about its symmetry."""

    operators: Sequence[str] = ()
    """``-x,y+1/2,-z``"""
    hall: str = ""
    names: Sequence[str] = ()
    """Hermann-Mauguin names, the most telling first."""
    number: int | None = None
    setting: str = ""
    """The code that belongs to the name: ``2``, ``h``, ``b1``."""


class Symmetry(Record):
    """All operations of a space group, the centring ones included."""

    rotations: NDArray[np.int32]
    """(m, 3, 3) of fractional coordinates; the row h times a rotation is an equivalent reflection"""
    translations: NDArray[np.float64]
    """(m, 3) fractions of the cell"""
    described: str
    """Name, number, setting and where they are from, for messages."""
    group: Any | None = None
    """gemmi.SpaceGroup, where the operations are those of one"""
    origins: tuple[Any, ...] = ()
    """Groups that differ in their origin, where the file leaves open which."""
    warnings: tuple[str, ...] = ()

    @property
    def point_rotations(self) -> NDArray[np.int32]:
        """(p, 3, 3), each rotation once."""
        return np.unique(self.rotations, axis=0)

    @property
    def representatives(self) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
        """Rotations (p, 3, 3), each once, with one of their translations (p, 3)."""
        rotations, first = np.unique(self.rotations, axis=0, return_index=True)
        return rotations, self.translations[first]


def symmetry_of(
    gemmi: Any, name: str, said: Said, cell: Cell | None, wanted: str | None = None, *, origin_matters: bool = False
) -> Symmetry | None:
    """The symmetry of a file: as ``wanted`` (``-sf_group``), else its operators, Hall symbol, name or number, in this
    order; ``None`` where it says nothing.

    Raises :class:`InputError` for operators that are no group, and for a group that the cell does not fit.
    """
    symmetry = _chosen(gemmi, name, said, cell, wanted)
    if symmetry is None:
        return None
    if not origin_matters:
        no_origins = [w for w in symmetry.warnings if "origin choice" not in w]
        symmetry = replace(symmetry, origins=(), warnings=tuple(no_origins))
    return symmetry if cell is None else checked_against(name, symmetry, cell)


def checked_against(name: str, symmetry: Symmetry, cell: Cell) -> Symmetry:
    """The symmetry, with a warning for a cell that it changes a little.

    Raises :class:`InputError` when the cell does not fit at all.
    """
    amount = misfit(symmetry.point_rotations, cell)
    if amount < 0.1:
        return symmetry
    numbers = " ".join(f"{value:g}" for value in cell)
    if amount > 1.0:
        raise InputError(
            f"{name}: found the unit cell {numbers} with the symmetry {symmetry.described}, expected a cell that fits "
            "it, or -sf_group NAME"
        )
    doubt = f"{name}: its unit cell {numbers} fits the symmetry {symmetry.described} but for {amount:.2g} % or degrees"
    return replace(symmetry, warnings=(*symmetry.warnings, doubt))


def of_group(group: Any, source: str, origins: tuple[Any, ...] = (), warnings: Sequence[str] = ()) -> Symmetry:
    """The operations of a gemmi.SpaceGroup."""
    operations = [*group.operations()]
    return Symmetry(
        rotations=np.array([op.rot for op in operations], dtype=np.int32) // 24,
        translations=np.array([op.tran for op in operations], dtype=float) / 24 % 1.0,
        described=f"{described(group)}, {source}" if source else described(group),
        group=group,
        origins=origins,
        warnings=tuple(warnings),
    )


def no_symmetry(source: str) -> Symmetry:
    """P 1."""
    import gemmi

    return of_group(gemmi.SpaceGroup("P 1"), source)


# ---- choosing ---------------------------------------------------------------------------------------------


def _chosen(gemmi: Any, name: str, said: Said, cell: Cell | None, wanted: str | None) -> Symmetry | None:
    if wanted is not None:
        number = whole_number(wanted)
        found = group_of_number(gemmi, number, cell) if number else find_group(gemmi, wanted, cell)
        if found is None:
            raise InputError(f"-sf_group: found {wanted!r}, expected the name or the number of a space group")
        return of_group(found.group, "from -sf_group", found.origins, _assumptions("-sf_group", found))
    if said.operators:
        symmetry = of_triplets(gemmi, name, said.operators, f"from its {len(said.operators)} operators")
        return _compared(gemmi, name, symmetry, said, cell)
    hall = _hall_operators(gemmi, said.hall)
    if hall:
        symmetry = of_triplets(gemmi, name, hall, f"from its Hall symbol {said.hall}")
        return _compared(gemmi, name, symmetry, said, cell)
    found, named = _by_name(gemmi, said, cell)
    if found is not None:
        doubts = _number_doubts(name, found.group, named, said)
        return of_group(found.group, f"from its name {named}", found.origins, [*_assumptions(name, found), *doubts])
    return _of_number(gemmi, name, said, cell)


def _by_name(gemmi: Any, said: Said, cell: Cell | None) -> tuple[Found | None, str]:
    for text in said.names:
        code = said.setting.strip()
        variants = [f"{text}:{code}", text] if code and ":" not in text else [text]
        for variant in variants:
            found = find_group(gemmi, variant, cell)
            if found is not None:
                return found, text
    return None, ""


def _of_number(gemmi: Any, name: str, said: Said, cell: Cell | None) -> Symmetry | None:
    """What is left when the name is missing or not known."""
    if said.number is None:
        if said.names:
            raise InputError(f"{name}: found the space group {said.names[0]!r}, expected one that is known (-sf_group)")
        return None
    letter = next((text.strip()[:1].upper() for text in said.names if text.strip()), "")
    found = group_of_number(gemmi, said.number, cell, letter if letter in "PABCIFR" else "")
    if found is None:
        stated = f"{said.names[0]!r}, number {said.number}" if said.names else f"number {said.number}"
        raise InputError(f"{name}: found the space group {stated}, expected one that is known (-sf_group)")
    doubts = _assumptions(name, found)
    if said.names:
        doubts.append(
            f"{name}: its space group {said.names[0]!r} is not known; number {said.number} is taken as "
            f"{found.group.xhm()}"
        )
    return of_group(found.group, f"from its number {said.number}", found.origins, doubts)


def _assumptions(name: str, found: Found) -> list[str]:
    if not found.assumed:
        return []
    return [f"{name}: the setting of its space group {found.group.hm} is not said; {found.assumed} (-sf_group NAME)"]


def _number_doubts(name: str, group: Any, named: str, said: Said) -> list[str]:
    if said.number in (None, 0, group.number, group.ccp4):
        return []
    return [
        f"{name}: its space group {named!r} is number {group.number}, not {said.number} as it says; the name is used"
    ]


def _hall_operators(gemmi: Any, symbol: str) -> list[str]:
    """Empty for a symbol that is none."""
    try:
        return [operation.triplet() for operation in gemmi.symops_from_hall(symbol)] if symbol.strip() else []
    except (RuntimeError, ValueError):
        return []


def _compared(gemmi: Any, name: str, symmetry: Symmetry, said: Said, cell: Cell | None) -> Symmetry:
    """The symmetry with what its name adds: another origin, or a warning that it is another group."""
    found, named = _by_name(gemmi, said, cell)
    if found is None:
        return symmetry
    if symmetry.group is not None and symmetry.group.number == found.group.number:
        return symmetry
    if symmetry.group is None and len(symmetry.rotations) == len(found.group.operations()):
        text = f"{found.group.hm} (number {found.group.number}, a setting of its own)"
        return replace(symmetry, described=symmetry.described.replace(_OWN_SETTING, text))
    doubt = f"{name}: its operations are {symmetry.described}, not those of {named!r} as it says; they are used"
    return replace(symmetry, warnings=(*symmetry.warnings, doubt))


# ---- operators --------------------------------------------------------------------------------------------


def of_triplets(gemmi: Any, name: str, triplets: Sequence[str], source: str) -> Symmetry:
    """The group of operators. Raises :class:`InputError`, naming the file, for one that is none."""
    if len(triplets) > _MOST_OPERATORS:
        raise InputError(f"{name}: found {len(triplets)} symmetry operators, expected at most {_MOST_OPERATORS}")
    parsed = [parse_operator(name, text) for text in triplets]
    rotations = np.array([np.eye(3, dtype=np.int32), *(r for r, _ in parsed)])  # some files leave x,y,z out
    translations = np.array([np.zeros(3), *(t for _, t in parsed)])
    _, first = np.unique(_keys(rotations, translations), axis=0, return_index=True)
    rotations, translations = rotations[np.sort(first)], translations[np.sort(first)]
    _check_group(name, rotations, translations)
    group = _in_table(gemmi, rotations, translations)
    text = _OWN_SETTING if group is None else described(group)
    return Symmetry(rotations=rotations, translations=translations, described=f"{text}, {source}", group=group)


def parse_operator(name: str, text: str) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """Rotation (3, 3) and translation (3,) of ``1/2-x, y, z+.5``. Raises :class:`InputError`, naming the file."""
    parts = re.sub(r"^\s*\d+\s+(?=\S*[xyz])", "", text.strip(" '\""), flags=re.IGNORECASE).lower()
    parts = [part.replace(" ", "") for part in parts.split(",")]
    rotation, translation = np.zeros((3, 3), dtype=np.int32), np.zeros(3)
    for row, part in enumerate(parts[:3]):
        if not part or "".join(match[0] for match in _TERM.finditer(part)) != part:
            break
        for sign, number, axis in _TERM.findall(part):
            value = -1.0 if sign == "-" else 1.0
            if number:
                top, _, bottom = number.partition("/")
                value *= float(top) / float(bottom or 1)
            if axis:
                rotation[row, "xyz".index(axis)] += round(min(max(value, -9.0), 9.0))
            elif number:
                translation[row] += value
    if (
        len(parts) != 3
        or not np.isfinite(translation).all()
        or abs(round(float(np.linalg.det(rotation)))) != 1
        or np.abs(rotation).max() > 1
    ):
        raise InputError(f"{name}: found the symmetry operator {text[:40]!r}, expected one such as -x,y+1/2,-z")
    # Decimals of thirds and sixths are rounded in files.
    nearest = np.round(translation * 24) / 24
    return rotation, np.where(np.abs(translation - nearest) < 0.004, nearest, translation) % 1.0


def _keys(rotations: NDArray[np.int32], translations: NDArray[np.float64]) -> NDArray[np.int64]:
    whole = np.round(translations * 2400).astype(np.int64) % 2400
    return np.concatenate([rotations.reshape(-1, 9).astype(np.int64), whole], axis=1)


def _check_group(name: str, rotations: NDArray[np.int32], translations: NDArray[np.float64]) -> None:
    """That the product of any two is one of them."""
    known = {tuple(row) for row in _keys(rotations, translations).tolist()}
    for rotation, translation in zip(rotations, translations, strict=True):
        keys = _keys(rotation @ rotations, translations @ rotation.T + translation)
        if any(tuple(row) not in known for row in keys.tolist()):
            raise InputError(
                f"{name}: found {len(rotations)} symmetry operators that are no group, expected all of one, or "
                "-sf_group NAME"
            )


def _in_table(gemmi: Any, rotations: NDArray[np.int32], translations: NDArray[np.float64]) -> Any | None:
    twenty_fourths = np.round(translations * 24)
    if np.abs(translations * 24 - twenty_fourths).max() > 1e-6:
        return None
    operations = []
    for rotation, shift in zip(rotations, twenty_fourths, strict=True):
        operation = gemmi.Op()
        operation.rot, operation.tran = (rotation * 24).tolist(), [int(x) % 24 for x in shift]
        operations.append(operation)
    return gemmi.find_spacegroup_by_ops(gemmi.GroupOps(operations))
