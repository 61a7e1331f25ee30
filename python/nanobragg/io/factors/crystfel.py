"""CrystFEL's lists of reflections: merged intensities with a point group (``specs/formats.md``)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from nanobragg.errors import InputError
from nanobragg.io.factors.columns import no_choice, whole_indices
from nanobragg.io.factors.kinds import read_text
from nanobragg.io.factors.symmetry import Said, Symmetry, no_symmetry, symmetry_of
from nanobragg.io.factors.text_tables import numbers_of
from nanobragg.io.factors.types import Column, ReflectionFile
from nanobragg.io.support.extras import need

if TYPE_CHECKING:
    from nanobragg.io.factors.types import Choice

_HEADING = re.compile(r"\s*h\s+k\s+l\s+I\b")
_AXES = {"a": [[0, 1, 0], [0, 0, 1], [1, 0, 0]], "b": [[0, 0, 1], [1, 0, 0], [0, 1, 0]]}
"""(x, y, z) in a frame whose c is this axis"""


def read_crystfel(name: str, choice: Choice) -> ReflectionFile:
    """Read the intensities; they are expanded by the point group that the list was merged in.

    Raises :class:`InputError` when the file is damaged, or its point group is not known.
    """
    gemmi = need("gemmi", name)
    no_choice(name, "CrystFEL", choice.column)
    lines = read_text(name).splitlines()
    heading = next((at for at, line in enumerate(lines) if _HEADING.match(line)), None)
    if heading is None:
        raise InputError(f"{name}: found no heading h k l I, expected a CrystFEL list of reflections")
    point_group = next((line.split(":", 1)[1].strip() for line in lines[:heading] if line.startswith("Symmetry:")), "")
    rows = []
    for number, line in enumerate(lines[heading + 1 :], heading + 2):
        if line.startswith("End of reflections"):
            break
        if line.strip():
            rows.append((number, line))
    table = numbers_of(name, rows, range(4), "h k l I")
    symmetry = symmetry_of(gemmi, name, Said(), None, choice.group) or _of_point_group(gemmi, name, point_group)
    said = []
    if not point_group and choice.group is None:
        said.append(f"{name}: it has no symmetry, and P 1 is taken (-sf_group NAME)")
    return ReflectionFile(
        name=name,
        described="CrystFEL",
        cell=None,
        symmetry=symmetry,
        hkl=whole_indices(name, table[:, :3]),
        values=table[:, 3],
        column=Column("I", intensity=True),
        warnings=tuple(said),
    )


def _of_point_group(gemmi: Any, name: str, text: str) -> Symmetry:
    """The operations of CrystFEL's point groups: ``4/mmm``, ``2_uab`` (unique axis b; c is usual), ``321_H``."""
    if not text:
        return no_symmetry("as the file has none")
    symbol, _, suffix = text.partition("_")
    rhombohedral = suffix == "R"
    axis = suffix[2:] if suffix.startswith("ua") else "c"
    found = [g for g in gemmi.spacegroup_table() if g.is_symmorphic() and _is(g, symbol, rhombohedral=rhombohedral)]
    if not found or axis not in "abc":
        raise InputError(f"{name}: found the symmetry {text!r}, expected one of CrystFEL's point groups, or -sf_group")
    rotations = np.array([op.rot for op in found[0].operations().sym_ops], dtype=np.int32) // 24
    if axis != "c":
        turn = np.array(_AXES[axis], dtype=np.int32)
        rotations = turn.T @ rotations @ turn
    return Symmetry(
        rotations=rotations,
        translations=np.zeros((len(rotations), 3)),
        described=f"point group {text} (systematic absences are not known)",
    )


def _is(group: Any, symbol: str, *, rhombohedral: bool) -> bool:
    """Whether a group is the primitive one of a point group; the unique axis of monoclinic ones is c."""
    words = group.hm.split()
    if rhombohedral:
        return group.ext == "R" and "".join(words[1:]) == symbol
    key = "".join(words[1:])
    short = "".join(word for word in words[1:] if word != "1") or "1"
    if group.number in range(3, 16):
        return words[0] == "P" and group.monoclinic_unique_axis().strip("\0 ") == "c" and short == symbol
    return words[0] == "P" and (key == symbol or (group.number in (143, 147) and short == symbol))
