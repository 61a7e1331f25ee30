"""CrystFEL geometry files (``.geom``): panels, beam, bad regions (``specs/formats.md``).

Positions count from the panel's outer corner, in pixels of 1/res m: corner + f fs + s ss, the camera length clen and
coffset (m) added along z. What a file leaves to a path in a data file comes from options.
"""

from __future__ import annotations

import math
import os
from typing import NamedTuple

import numpy as np

from nanobragg.errors import InputError
from nanobragg.io.geometry.crystfel_data import with_data
from nanobragg.io.geometry.crystfel_layout import Layout, Masks, layout_of, places_of
from nanobragg.io.geometry.crystfel_text import (
    GeometryText,
    Keys,
    Value,
    in_units,
    is_path,
    number_of,
    once,
    read_geometry_text,
    vector_of,
)
from nanobragg.io.geometry.types import FileGeometry, FilePanel, Vec, across, fields_of_panels
from nanobragg.io.support.atomic import read_bytes
from nanobragg.maths.constants import ENERGY

_BEAM: Vec = (0.0, 0.0, 1.0)
_HORIZONTAL: Vec = (-1.0, 0.0, 0.0)
_NEEDED = ("res", "fs", "ss", "corner_x", "corner_y", "min_fs", "max_fs", "min_ss", "max_ss")
_LENGTHS = {"m": 1e3, "mm": 1.0}
_MOST = 1_000_000
"""pixels along an edge"""
_MOST_PIXELS = 2_000_000_000
"""the most of a panel: more cannot be rendered"""
_ANYWHERE = 100.0
"""mm: a camera length for as long as none is known"""


def read_crystfel_geometry(
    path: str | os.PathLike[str], *, clen: float | None = None, data: str | None = None
) -> FileGeometry:
    """The panels and the beam of a geometry.

    Args:
        path: the file.
        clen: mm, camera length (before coffset) in place of the file's.
        data: HDF5 file that has what the geometry leaves to it.

    Raises:
        InputError: naming file, line and key, for what is missing or cannot be read.

    """
    name = os.fspath(path)
    said = read_geometry_text(name, read_bytes(name).decode("utf-8", "replace"))
    if not said.panels:
        raise InputError(f"{name}: found no panel, expected keys such as p0/min_fs")
    if data is not None:
        said = with_data(name, said, data)
    bad: dict[str, str] = {}
    lengths = {_clen(name, keys, clen, bad) for keys in said.panels.values()}
    energy = _energy(name, said.top)
    if energy is None and (beam := next((said.top[k] for k in _SOURCES if k in said.top), None)) is not None:
        unused = (f"the wavelength at {beam.text.split()[0]} of a data file (-lambda, -energy)",)
    else:
        unused = ()
    common = _common(name, said, clen, energy, data)
    panels = [_panel(common, owner, keys) for owner, keys in said.panels.items()]
    spindle = {"spindle": across(_BEAM, _HORIZONTAL), "spindle_said": False}
    fields = fields_of_panels(name, panels, {"beam": _BEAM, "polarization": _HORIZONTAL, **spindle})
    if "distance" in bad:
        fields["distance"] = None
    return FileGeometry(
        **fields
        | {
            "name": name,
            "kind": "CrystFEL geometry",
            "wavelength": energy,
            "bad": bad | fields.get("bad", {}),
            "comments": tuple(f"camera length {z:g} mm" for z in sorted(z for z in lengths if z is not None)[:1]),
            "unused": (*fields.get("unused", ()), *unused, *_left_out(common)),
            "warnings": (*_doubts(name, said), *fields.get("warnings", ())),
        }
    )


def _doubts(name: str, said: GeometryText) -> list[str]:
    return [*said.warnings, *_unknown_in_regions(name, said), *_unknown_members(name, said)]


def _left_out(common: _Common) -> list[str]:
    said = common.said
    missing = list(common.masks.missing)
    found = [f"masks in data files ({missing[0]})"] if missing else []
    if any(layout.turned for layout in common.layouts.values()):
        found.append("that its data have the fast axis before the slow one")
    if "electron_voltage" in said.top:
        found.append("that these are electrons, since X-rays are simulated")
    if "bandwidth" in said.top:
        found.append(f"bandwidth {said.top['bandwidth'].text} (-dispersion)")
    flags = [k for keys in said.panels.values() for k in keys if k.startswith("flag_")]
    return [*found, *dict.fromkeys(flags)]


# ---- the beam ---------------------------------------------------------------------------------------------

_SOURCES = ("photon_energy", "wavelength", "electron_voltage")


def _energy(name: str, top: Keys) -> float | None:
    """The wavelength, Å; ``None`` where it is not said, or in a data file."""
    for key in _SOURCES:
        value = top.get(key)
        if value is None or is_path(value):
            continue
        if key == "wavelength":
            wave = in_units(name, key, value, {"m": 1e10, "A": 1.0})
        elif key == "photon_energy":
            energy = in_units(name, key, value, {"eV": 1.0, "keV": 1e3, "MeV": 1e6})
            wave = ENERGY / energy if energy > 0.0 else math.inf
        else:
            wave = _of_electrons(in_units(name, key, value, {"V": 1.0, "kV": 1e3, "MV": 1e6}))
        if not 0.0 < wave < math.inf:
            raise InputError(f"{name}: line {value.line}: found {key} {value.text[:40]!r}, expected a positive number")
        return wave
    return None


def _of_electrons(voltage: float) -> float:
    """De Broglie wavelength (Å) of electrons that were accelerated by a voltage (CODATA 2018)."""
    h, m, e, c = 6.62607015e-34, 9.1093837015e-31, 1.602176634e-19, 299792458.0
    if not voltage > 0.0:
        return math.inf
    return 1e10 * h / math.sqrt(2.0 * m * e * voltage * (1.0 + e * voltage / (2.0 * m * c * c)))


def _clen(name: str, keys: Keys, given: float | None, bad: dict[str, str]) -> float | None:
    """mm; where none is known, the reason is in ``bad``."""
    value = keys.get("clen")
    if given is not None:
        return given
    if value is None:
        bad.setdefault("distance", f"{name}: found no clen, expected the camera length: -clen MM says it")
        return None
    if is_path(value):
        bad.setdefault(
            "distance",
            f"{name}: line {value.line}: found clen at {value.text.split()[0]} of a data file, expected a number: "
            "-clen MM says it",
        )
        return None
    return in_units(name, "clen", value, _LENGTHS)


# ---- panels -----------------------------------------------------------------------------------------------


def _groups_of(said: GeometryText) -> dict[str, str]:
    """The first group that names each panel."""
    found: dict[str, str] = {}
    for group, members in said.groups.items():
        label = group.removeprefix("rigid_").removeprefix("group_")
        if not label.startswith("collection_"):
            for member in members:
                found.setdefault(member, label)
    return found


def _unknown_members(name: str, said: GeometryText) -> list[str]:
    """A warning for each group with members that are neither panels nor groups."""
    known = {*said.panels, *(g.removeprefix("rigid_").removeprefix("group_") for g in said.groups), *said.groups}
    lost = {group: [m for m in members if m not in known] for group, members in said.groups.items()}
    return [f"{name}: {group} has {members[0][:40]!r}, which is no panel" for group, members in lost.items() if members]


class _Common(NamedTuple):
    """What all panels of a geometry share."""

    name: str
    said: GeometryText
    clen: float | None
    groups: dict[str, str]
    wavelength: float | None
    layouts: dict[str, Layout]
    places: dict[str, tuple[int, ...]]
    masks: Masks
    regions: list[_Region]


def _common(name: str, said: GeometryText, clen: float | None, wavelength: float | None, data: str | None) -> _Common:
    layouts = {owner: layout_of(name, owner, keys) for owner, keys in said.panels.items()}
    return _Common(
        name=name,
        said=said,
        clen=clen,
        groups=_groups_of(said),
        wavelength=wavelength,
        layouts=layouts,
        places=places_of(said.panels, layouts),
        masks=Masks(name, data),
        regions=[_region(name, region, limits) for region, limits in said.bad.items()],
    )


def _panel(common: _Common, owner: str, keys: Keys) -> FilePanel:
    name, said = common.name, common.said
    missing = [key for key in _NEEDED if key not in keys]
    if missing:
        line = said.first_lines[owner]
        raise InputError(f"{name}: line {line}: found no {', '.join(missing)} of panel {owner}, expected each")
    plain = ("res", "corner_x", "corner_y", "min_fs", "max_fs", "min_ss", "max_ss")
    res, x, y, *edges = (number_of(name, f"{owner}/{key}", keys[key]) for key in plain)
    f0, f1, s0, s1 = (int(edge) for edge in edges)
    _check_raster(common, owner, keys, res, (f0, f1, s0, s1))
    edge = 1e3 / res
    fast, slow = (vector_of(name, f"{owner}/{key}", keys[key]) for key in ("fs", "ss"))
    length = _clen(name, keys, common.clen, {})
    z = (_ANYWHERE if length is None else length) + _metres(name, owner, keys, "coffset")
    shift = [0.0 if (v := said.top.get(f"detector_shift_{axis}")) is None or is_path(v)
             else in_units(name, f"detector_shift_{axis}", v, _LENGTHS) for axis in "xy"]  # fmt: skip
    if np.linalg.norm(np.cross(fast, slow)) <= 1e-9 * math.hypot(*fast) * math.hypot(*slow):
        raise InputError(
            f"{name}: line {keys['ss'].line}: found {owner}/ss {keys['ss'].text[:40]!r} along its fs, expected another "
            "direction"
        )
    of_fast, of_slow = math.hypot(*fast), math.hypot(*slow)
    shape = (s1 - s0 + 1, f1 - f0 + 1)
    return FilePanel(
        name=owner,
        group=common.groups.get(owner, ""),
        shape=shape,
        pixel_size=(of_fast * edge, of_slow * edge),
        origin=(x * edge + shift[0], y * edge + shift[1], z),
        fast=(fast[0] / of_fast, fast[1] / of_fast, fast[2] / of_fast),
        slow=(slow[0] / of_slow, slow[1] / of_slow, slow[2] / of_slow),
        gain=_gain(name, owner, keys, common.wavelength),
        trusted_range=None if "max_adu" not in keys else (0.0, number_of(name, f"{owner}/max_adu", keys["max_adu"])),
        bad=_either(
            _bad(common, owner, keys, (x + shift[0] / edge, y + shift[1] / edge, fast, slow), (f0, s0), shape),
            common.masks.bad(owner, keys, common.layouts[owner], (s0, f0), shape),
        ),
        place=(*common.places[owner], s0, f0),
    )


def _check_raster(common: _Common, owner: str, keys: Keys, res: float, edges: tuple[int, int, int, int]) -> None:
    """Raise :class:`InputError`, naming line and key, for what are no pixels."""
    f0, f1, s0, s1 = edges
    for wrong, key in (
        (not res > 0.0, "res"),
        (f0 < 0, "min_fs"),
        (s0 < 0, "min_ss"),
        (f1 < f0 or f1 >= _MOST, "max_fs"),
        (s1 < s0 or s1 >= _MOST, "max_ss"),
        ((f1 - f0 + 1) * (s1 - s0 + 1) > _MOST_PIXELS, "max_ss"),
    ):
        if wrong:
            raise InputError(
                f"{common.name}: line {keys[key].line}: found {owner}/{key} {keys[key].text[:40]} for pixels {f0} to "
                f"{f1} (fs) and {s0} to {s1} (ss), expected a panel of pixels"
            )


def _either(one: np.ndarray | None, other: np.ndarray | None) -> np.ndarray | None:
    """Pixels that either calls bad; ``None``: none."""
    found = one if other is None else other if one is None else one | other
    return None if found is None or not found.any() else found


def _metres(name: str, owner: str, keys: Keys, key: str) -> float:
    """A length of the panel in mm, 0 if it has none."""
    return in_units(name, f"{owner}/{key}", keys[key], _LENGTHS) if key in keys else 0.0


def _gain(name: str, owner: str, keys: Keys, wavelength: float | None) -> float | None:
    """Units of a raw pixel for each photon."""
    key = "adu_per_photon" if "adu_per_photon" in keys else "adu_per_eV"
    if key not in keys:
        return None
    found = number_of(name, f"{owner}/{key}", keys[key])
    if not found > 0.0:
        raise InputError(
            f"{name}: line {keys[key].line}: found {owner}/{key} {keys[key].text[:40]}, expected a positive number"
        )
    if key == "adu_per_photon":
        return found
    return None if wavelength is None else found * ENERGY / wavelength


# ---- bad pixels -------------------------------------------------------------------------------------------


class _Region(NamedTuple):
    """A region of pixels that do not count."""

    panel: str | None
    """which alone it concerns"""
    of_pixels: bool
    """in indices of the file's array, limits included; else in x and y (pixels of 1/res), limits left out"""
    limits: tuple[float, float, float, float]
    """fast from, to, slow from, to; or x from, to, y from, to"""


_LIMITS = ("min_fs", "max_fs", "min_ss", "max_ss", "min_x", "max_x", "min_y", "max_y")


def _unknown_in_regions(name: str, said: GeometryText) -> list[str]:
    """Warnings for keys of bad regions that are not known, or not said, and panels that are not there."""
    warnings = []
    unknown: dict[str, list[str]] = {}
    for region, limits in said.bad.items():
        panel = limits.get("panel")
        of_pixels = any(key in limits for key in _LIMITS[:4])
        lost = [key for key in (_LIMITS[:4] if of_pixels else _LIMITS[4:]) if key not in limits]
        if lost:
            line = next(iter(limits.values())).line
            means = "is 0" if of_pixels else "leaves the region empty"
            warnings.append(f"{name}: line {line}: {region} has no {', '.join(lost)}, which {means}, as in CrystFEL")
        for key, value in limits.items():
            if key not in (*_LIMITS, "panel"):
                unknown.setdefault(key, []).append(f"{name}: line {value.line}: the key {region}/{key} is not known")
        if panel is not None and panel.text not in said.panels:
            warnings.append(f"{name}: line {panel.line}: {region} is of panel {panel.text[:40]!r}, which is not there")
    return [*warnings, *(once(sentences) for sentences in unknown.values())]


def _region(name: str, region: str, limits: Keys) -> _Region:
    def number(key: str) -> float:
        value: Value | None = limits.get(key)
        if value is None:  # what CrystFEL takes: nothing is between limits that are no numbers
            return 0.0 if key.endswith("s") else math.nan
        return number_of(name, f"{region}/{key}", value)

    panel = limits["panel"].text if "panel" in limits else None
    kinds = {key.endswith("s") for key in limits if key in _LIMITS}
    if len(kinds) != 1:
        line = next(iter(limits.values())).line
        raise InputError(
            f"{name}: line {line}: found {' and '.join(sorted(limits))[:80]} of {region}, expected limits either in fs "
            "and ss or in x and y"
        )
    if kinds == {True}:
        return _Region(panel, True, (number("min_fs"), number("max_fs"), number("min_ss"), number("max_ss")))
    return _Region(panel, False, (number("min_x"), number("max_x"), number("min_y"), number("max_y")))


def _bad(
    common: _Common,
    owner: str,
    keys: Keys,
    position: tuple[float, float, Vec, Vec],
    first: tuple[int, int],
    shape: tuple[int, int],
) -> np.ndarray | None:
    """(slow, fast) pixels of a panel that do not count; ``None`` where all do."""
    whole = keys.get("no_index")
    if whole is not None and number_of(common.name, f"{owner}/no_index", whole) != 0.0:
        return np.ones(shape, bool)
    found = np.zeros(shape, bool)
    edge = keys.get("mask_edge_pixels")
    if edge is not None and (width := int(number_of(common.name, f"{owner}/mask_edge_pixels", edge))) > 0:
        found[:width] = found[-width:] = True
        found[:, :width] = found[:, -width:] = True
    f0, s0 = first
    for panel, of_pixels, limits in common.regions:
        if panel is not None and panel != owner:
            continue
        if of_pixels:
            low_f, high_f, low_s, high_s = (int(limit) for limit in limits)
            slow = slice(max(low_s - s0, 0), max(high_s - s0 + 1, 0))
            found[slow, max(low_f - f0, 0) : max(high_f - f0 + 1, 0)] = True
        else:
            found |= _inside(position, shape, limits)
    return found if found.any() else None


def _inside(
    position: tuple[float, float, Vec, Vec], shape: tuple[int, int], limits: tuple[float, float, float, float]
) -> np.ndarray:
    """Pixels whose first corner is within x and y limits (pixels of 1/res), the limits left out."""
    corner_x, corner_y, fast, slow = position
    s, f = np.ogrid[: shape[0], : shape[1]]
    x, y = corner_x + f * fast[0] + s * slow[0], corner_y + f * fast[1] + s * slow[1]
    low_x, high_x, low_y, high_y = limits
    return (x > low_x) & (x < high_x) & (y > low_y) & (y < high_y)
