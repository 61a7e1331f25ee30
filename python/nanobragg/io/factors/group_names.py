"""Names of space groups as people and programs write them, and the setting that fits a cell (``specs/formats.md``)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nanobragg.maths.lattice import Cell

_REPLACED = (
    (r"[−–‾‐]", "-"),
    (r"[{}$\\'\"]", ""),
    (r"\(?\s*(no\.?|#)\s*\d+\s*\)?", ""),
    (r"\((\d)\)", r"\1"),  # P 2(1)/c
    (r"(\d)\s*bar", r"-\1"),  # Fd3barm
    (r"bar\s*(\d)", r"-\1"),
    (r"(\d)\s*-(?=[\s\da-z/]|$)", r"-\1"),  # F 4- 3 m
    (r"[\s,]*\(?\borigin\s*(?:choice\s*)?([12])\)?\s*$", r":\1"),
    (r"(?<=[a-z0-9])\s*[:\s]O([12])\s*$", r":\1"),
    (r"(?<=[a-z0-9])\s*:?\s*S\s*$", ":1"),  # origins of the ICSD
    (r"(?<=[a-z0-9])\s*:?\s*Z\s*$", ":2"),
    (r"^(R.*?)\s*:?\s*(?:HR|H)\s*$", r"\1:H"),
    (r"^(R.+?)\s*:?\s*R\s*$", r"\1:R"),
    (r"\s*:\s*", ":"),
)
_LONGEST_NAME = 200
_AXES = re.compile(r":(-?[abc]\d?|(?:-?[abc]){3})$", re.IGNORECASE)
"""The setting of a monoclinic or orthorhombic group after its standard name: ``:b1``, ``:cab``."""


@dataclass(frozen=True)
class Found:
    """A group of gemmi's table, and what its name left open."""

    group: Any
    assumed: str = ""
    """What was taken for granted; empty where the name and the cell say all."""
    origins: tuple[Any, ...] = ()
    """The group with each of its origins, where the name does not say which."""


def find_group(gemmi: Any, text: str, cell: Cell | None) -> Found | None:
    """The group of that name, in the setting that fits the cell; ``None`` for a name that is not known."""
    for name in _spellings(text):
        axes = _AXES.search(name)
        plain = name[: axes.start()] if axes else name
        known = gemmi.find_spacegroup_by_name(plain)
        settings = [*_settings(gemmi, plain, known)]
        if axes and settings:
            wanted = axes[1].lower().removesuffix("abc") if axes[1].lower() == "abc" else axes[1].lower()
            settings = [g for g in gemmi.spacegroup_table() if _same_setting(g, settings[0].number, wanted)]
        if settings:
            return _fitting(settings, cell, said_origin=":" in plain, said_axes=bool(axes))
    return None


def group_of_number(gemmi: Any, number: int, cell: Cell | None, centring: str = "") -> Found | None:
    """The setting of a group known by its number alone (``centring``: or its centring, too) that fits the cell."""
    if number > 230:  # other settings have numbers of their own in CCP4's table
        group = next((g for g in gemmi.spacegroup_table() if g.ccp4 == number), None)
        return None if group is None else Found(group)
    settings = [g for g in gemmi.spacegroup_table() if g.number == number]
    if centring:
        settings = [g for g in settings if g.hm[0] == centring.upper()] or []
    if not settings:
        return None
    found = _fitting(settings, cell, said_origin=False, said_axes=False)
    assumed = found.assumed or (f"the setting {found.group.xhm()} is taken" if len(settings) > 1 else "")
    return Found(found.group, assumed, found.origins)


def misfit(rotations: np.ndarray, cell: Cell) -> float:
    """How far a cell is from one that the rotations (m, 3, 3) leave as it is: the largest change of a length (percent)
    or an angle (degrees).
    """
    from nanobragg.maths.lattice import reciprocal_metric

    metric = np.linalg.inv(reciprocal_metric(cell))
    turned = np.einsum("mji,jk,mkl->mil", rotations, metric, rotations)
    lengths, old = np.sqrt(np.einsum("mii->mi", turned)), np.sqrt(np.diag(metric))
    cosines = turned / (lengths[:, :, None] * lengths[:, None, :])
    angles = np.degrees(np.arccos(np.clip(cosines, -1, 1)))
    before = np.degrees(np.arccos(np.clip(metric / np.outer(old, old), -1, 1)))
    return max(100 * float(np.abs(lengths / old - 1).max()), float(np.abs(angles - before).max()))


def described(group: Any) -> str:
    """Name, number and setting, for messages."""
    parts = [f"number {group.number}"]
    axis = group.monoclinic_unique_axis()
    if axis.strip("\0 "):
        parts.append(f"unique axis {axis}")
    if group.ext in ("1", "2"):
        parts.append(f"origin choice {group.ext}")
    if group.ext in ("H", "R"):
        parts.append("hexagonal axes" if group.ext == "H" else "rhombohedral axes")
    return f"{group.xhm()} ({', '.join(parts)})"


def rotations_of(group: Any) -> np.ndarray:
    """(m, 3, 3) of a gemmi.SpaceGroup or gemmi.GroupOps."""
    operations = group.operations() if hasattr(group, "operations") else group
    return np.array([op.rot for op in operations.sym_ops], dtype=np.int64) // 24


def _spellings(text: str) -> Iterator[str]:
    """What a name can mean, the most literal first."""
    text = text[:_LONGEST_NAME]
    for underscores in ("", " "):
        name = text.strip().replace("_", underscores)
        for pattern, replacement in _REPLACED:
            name = re.sub(pattern, replacement, name, flags=re.IGNORECASE)
        name = " ".join(name.split())
        yield name
        # Full symbols: P 21/n 21/m 21/a is P n m a, and P 4/m 2/m 2/m is P 4/m m m.
        base, colon, setting = name.partition(":")
        words = base.split()
        shortened = [re.sub(r"^\d+/([a-z])$", r"\1", word) for word in words]
        if shortened != words:
            yield " ".join([*words[:2], *shortened[2:]]) + colon + setting
            yield " ".join(shortened) + colon + setting


def _settings(gemmi: Any, name: str, known: Any | None) -> Iterator[Any]:
    """Groups that can be meant by a name: the one that gemmi finds, then those that a short name leaves open."""
    if known is not None:
        yield known
    base, _, setting = name.partition(":")
    key = base.replace(" ", "").lower()
    for group in gemmi.spacegroup_table():
        if known is not None and (group.number != known.number or group.xhm() == known.xhm()):
            continue
        same_name = known is not None and group.hm == known.hm
        short = "".join(word for word in group.hm.split() if word != "1").lower()
        of_axes = bool(group.monoclinic_unique_axis().strip("\0 ")) and short == key
        if (same_name or of_axes) and (not setting or group.ext.lower() == setting.lower()):
            yield group


def _same_setting(group: Any, number: int, wanted: str) -> bool:
    return group.number == number and group.qualifier == wanted


def _fitting(settings: list[Any], cell: Cell | None, *, said_origin: bool, said_axes: bool) -> Found:
    """The first of the settings that the cell fits, and what it was not chosen by."""
    fits = settings if cell is None else [g for g in settings if misfit(rotations_of(g), cell) < 1.0]
    group = (fits or settings)[0]
    others = [g for g in fits if g is not group]
    origins: tuple[Any, ...] = ()
    assumed = ""
    if group.ext in ("1", "2") and not said_origin:
        origins = (group, *(g for g in others if g.hm == group.hm))
        assumed = f"origin choice {group.ext} is taken" if len(origins) > 1 else ""
    axis = group.monoclinic_unique_axis().strip("\0 ")
    if axis and not said_axes and any(g.monoclinic_unique_axis() != axis for g in others):
        assumed = f"unique axis {axis} is taken"
    return Found(group, assumed, origins if len(origins) > 1 else ())
