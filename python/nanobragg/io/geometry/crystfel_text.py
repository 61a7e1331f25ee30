"""The text of a CrystFEL geometry (``.geom``): keys and values by panel, region and group (``specs/formats.md``)."""

from __future__ import annotations

import re
from typing import NamedTuple

from nanobragg.errors import InputError

_PANEL_KEYS = frozenset(
    [
        "data",
        "min_fs",
        "max_fs",
        "min_ss",
        "max_ss",
        "corner_x",
        "corner_y",
        "res",
        "fs",
        "ss",
        "coffset",
        "clen",
        "rail_direction",
        "clen_for_centering",
        "adu_per_eV",
        "adu_per_photon",
        "max_adu",
        "no_index",
        "badrow_direction",
        "mask",
        "mask_file",
        "mask_good",
        "mask_bad",
        "mask_edge_pixels",
        "flag_lessthan",
        "flag_morethan",
        "flag_equal",
        "saturation_map",
        "saturation_map_file",
        "integr_radius",
    ]
)
_PATTERNS = re.compile(r"dim\d+|mask\d*_(?:data|file|goodbits|badbits)")
_BEAM_KEYS = frozenset(
    [
        "photon_energy",
        "wavelength",
        "electron_voltage",
        "bandwidth",
        "photon_energy_scale",
        "detector_shift_x",
        "detector_shift_y",
        "peak_list",
        "peak_list_type",
        "peak_info_location",
    ]
)
_GROUPS = ("group_", "rigid_group")
_LONGEST = 1e6
"""pixels along x, y or z for each along fs or ss"""
_LONGEST_KEY = 255
_ASSIGNMENT = f"key = value, the key of at most {_LONGEST_KEY} characters"
_TERM = re.compile(r"([+-]*)([0-9.]*(?:[eE][+-]?[0-9]+)?)([xyz])")


class Value(NamedTuple):
    """A value and the line that it stands on."""

    text: str
    line: int


Keys = dict[str, Value]


class GeometryText(NamedTuple):
    """What a geometry says, not yet interpreted."""

    top: Keys
    """what concerns the beam and the whole detector"""
    panels: dict[str, Keys]
    """with what was said at the top before a panel was first mentioned"""
    bad: dict[str, Keys]
    """regions"""
    groups: dict[str, tuple[str, ...]]
    """members: panels, or other groups"""
    first_lines: dict[str, int]
    """where each panel is first mentioned"""
    warnings: tuple[str, ...]


def read_geometry_text(name: str, text: str) -> GeometryText:
    """The keys of a geometry.

    Raises :class:`InputError` for a line that is no assignment.
    """
    top: Keys = {}
    defaults: Keys = {}
    panels: dict[str, Keys] = {}
    bad: dict[str, Keys] = {}
    groups: dict[str, tuple[str, ...]] = {}
    unknown: dict[str, list[str]] = {}
    late: Keys = {}
    first_lines: dict[str, int] = {}
    for line, whole in enumerate(text.splitlines(), 1):
        said = whole.partition(";")[0].strip()
        if not said:
            continue
        key, equals, value = said.partition("=")
        key, value = key.rstrip(), Value(value.strip(), line)
        if not equals or not 0 < len(key) <= _LONGEST_KEY:
            raise InputError(f"{name}: line {line}: found {said[:40]!r}, expected {_ASSIGNMENT}")
        owner, slash, own = key.partition("/")
        if slash and owner.startswith("bad"):
            bad.setdefault(owner, {})[own] = value
        elif slash:
            panel = panels.get(owner)
            if panel is None:
                panel = panels[owner] = dict(defaults)
                late, first_lines[owner] = {}, line
            panel[own] = value
            if own not in _PANEL_KEYS and not _PATTERNS.fullmatch(own):
                unknown.setdefault(own, []).append(f"{name}: line {line}: the key {key} is not known")
        elif key.startswith(_GROUPS):
            groups[key] = tuple(member.strip() for member in value.text.split(",") if member.strip())
        elif key in _PANEL_KEYS or _PATTERNS.fullmatch(key):
            defaults[key] = late[key] = top[key] = value
        else:
            top[key] = value
            if key not in _BEAM_KEYS:
                unknown.setdefault(key, []).append(f"{name}: line {line}: the key {key} is not known")
    behind = [f"{name}: line {v.line}: {key} stands behind all panels and has no effect" for key, v in late.items()]
    warnings = (*map(once, unknown.values()), *(behind if panels else ()))
    return GeometryText(top, panels, bad, groups, first_lines, warnings)


def once(sentences: list[str]) -> str:
    """The first of sentences that differ in a line and a name alone, and how many others there are."""
    more = len(sentences) - 1
    return f"{sentences[0]} (nor are {more} more of that name)" if more else sentences[0]


def number_of(name: str, key: str, value: Value) -> float:
    """A number, its unit left aside. Raises :class:`InputError` for anything else."""
    try:
        found = float(value.text.split()[0])
    except (ValueError, IndexError):
        found = float("nan")
    if not abs(found) < 1e30:
        raise InputError(f"{name}: line {value.line}: found {key} {value.text[:40]!r}, expected a number")
    return found


def in_units(name: str, key: str, value: Value, units: dict[str, float]) -> float:
    """A number in the first of ``units``, by name their factors. Raises :class:`InputError` for others."""
    found, words = number_of(name, key, value), value.text.split()
    unit = words[1] if len(words) > 1 else next(iter(units))
    if unit not in units:
        raise InputError(f"{name}: line {value.line}: found {key} in {unit[:20]!r}, expected {' or '.join(units)}")
    return found * units[unit]


def is_path(value: Value) -> bool:
    """Whether a value is in a data file, at this path."""
    return value.text.startswith("/")


def vector_of(name: str, key: str, value: Value) -> tuple[float, float, float]:
    """A sum of numbers times x, y, z; a bare x is 1. Raises :class:`InputError` for anything else."""
    text = value.text.replace(" ", "").replace("\t", "")
    found, at = [0.0, 0.0, 0.0], 0
    while at < len(text):
        term = _TERM.match(text, at)
        try:
            size = 0.0 if term is None else float(term[2] or 1.0)
        except ValueError:
            term, size = None, 0.0
        if term is None or size > _LONGEST:
            break
        found["xyz".index(term[3])] += -size if term[1].count("-") % 2 else size
        at = term.end()
    if at < len(text) or not any(found):
        raise InputError(
            f"{name}: line {value.line}: found {key} {value.text[:40]!r}, expected a vector as +1.0x -0.1y"
        )
    return (found[0], found[1], found[2])
