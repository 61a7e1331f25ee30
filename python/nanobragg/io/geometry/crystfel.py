"""CrystFEL geometry files (``.geom``): panels, beam, bad regions (``specs/formats.md``).

Positions count from the panel's outer corner, in pixels of 1/res m: corner + f fs + s ss, the camera length clen and
coffset (m) added along z. What a file leaves to a path in a data file comes from options.
"""

from __future__ import annotations

import math
import os
from typing import Any

import numpy as np

from nanobragg.errors import InputError
from nanobragg.io.geometry.crystfel_text import (
    GeometryText,
    Keys,
    Value,
    in_units,
    is_path,
    number_of,
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
_ANYWHERE = 100.0
"""mm: a camera length for as long as none is known"""


def read_crystfel_geometry(path: str | os.PathLike[str], *, clen: float | None = None) -> FileGeometry:
    """The panels and the beam of a geometry.

    Args:
        path: the file.
        clen: mm, camera length (before coffset) in place of the file's.

    Raises:
        InputError: naming file, line and key, for what is missing or cannot be read.

    """
    name = os.fspath(path)
    said = read_geometry_text(name, read_bytes(name).decode("utf-8", "replace"))
    if not said.panels:
        raise InputError(f"{name}: found no panel, expected keys such as p0/min_fs")
    bad: dict[str, str] = {}
    lengths = {_clen(name, keys, clen, bad) for keys in said.panels.values()}
    energy = _energy(name, said.top)
    if energy is None and (beam := next((said.top[k] for k in _SOURCES if k in said.top), None)) is not None:
        unused = (f"the wavelength at {beam.text.split()[0]} of a data file (-lambda, -energy)",)
    else:
        unused = ()
    groups = _groups_of(said)
    panels = [_panel(name, owner, keys, said, clen, groups, energy) for owner, keys in said.panels.items()]
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
            "unused": (*fields.get("unused", ()), *unused, *_left_out(said)),
            "warnings": (*said.warnings, *fields.get("warnings", ())),
        }
    )


def _left_out(said: GeometryText) -> list[str]:
    masks = [keys[k].text for keys in said.panels.values() for k in ("mask", "mask0_data", "mask_file") if k in keys]
    found = [f"masks in data files ({masks[0]})"] if masks else []
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


def _panel(
    name: str,
    owner: str,
    keys: Keys,
    said: GeometryText,
    clen: float | None,
    groups: dict[str, str],
    wavelength: float | None,
) -> FilePanel:
    missing = [key for key in _NEEDED if key not in keys]
    if missing:
        raise InputError(f"{name}: panel {owner}: found no {', '.join(missing)}, expected each")
    plain = ("res", "corner_x", "corner_y", "min_fs", "max_fs", "min_ss", "max_ss")
    res, x, y, *edges = (number_of(name, f"{owner}/{key}", keys[key]) for key in plain)
    f0, f1, s0, s1 = (int(edge) for edge in edges)
    if not res > 0.0 or f1 < f0 or s1 < s0 or f0 < 0 or s0 < 0 or f1 >= 1_000_000 or s1 >= 1_000_000:
        line = keys["res" if not res > 0.0 else "max_fs"].line
        raise InputError(f"{name}: line {line}: found res {res:g} and pixels {f0}-{f1} x {s0}-{s1} of panel {owner}, "
                         "expected a panel of pixels")  # fmt: skip
    edge = 1e3 / res
    fast, slow = (vector_of(name, f"{owner}/{key}", keys[key]) for key in ("fs", "ss"))
    length = _clen(name, keys, clen, {})
    z = (_ANYWHERE if length is None else length) + _metres(name, owner, keys, "coffset")
    shift = [0.0 if (v := said.top.get(f"detector_shift_{axis}")) is None or is_path(v)
             else in_units(name, f"detector_shift_{axis}", v, _LENGTHS) for axis in "xy"]  # fmt: skip
    of_fast, of_slow = math.hypot(*fast), math.hypot(*slow)
    shape = (s1 - s0 + 1, f1 - f0 + 1)
    return FilePanel(
        name=owner,
        group=groups.get(owner, ""),
        shape=shape,
        pixel_size=(of_fast * edge, of_slow * edge),
        origin=(x * edge + shift[0], y * edge + shift[1], z),
        fast=(fast[0] / of_fast, fast[1] / of_fast, fast[2] / of_fast),
        slow=(slow[0] / of_slow, slow[1] / of_slow, slow[2] / of_slow),
        gain=_gain(name, owner, keys, wavelength),
        trusted_range=None if "max_adu" not in keys else (0.0, number_of(name, f"{owner}/max_adu", keys["max_adu"])),
        bad=_bad(name, owner, keys, said.bad, (x, y, fast, slow), (f0, s0), shape),
        place=_place(keys, f0, s0),
    )


def _metres(name: str, owner: str, keys: Keys, key: str) -> float:
    """A length of the panel in mm, 0 if it has none."""
    return in_units(name, f"{owner}/{key}", keys[key], _LENGTHS) if key in keys else 0.0


def _gain(name: str, owner: str, keys: Keys, wavelength: float | None) -> float | None:
    """Units of a raw pixel for each photon."""
    if "adu_per_photon" in keys:
        return number_of(name, f"{owner}/adu_per_photon", keys["adu_per_photon"])
    if "adu_per_eV" in keys and wavelength is not None:
        return number_of(name, f"{owner}/adu_per_eV", keys["adu_per_eV"]) * ENERGY / wavelength
    return None


def _place(keys: Keys, f0: int, s0: int) -> tuple[int, ...]:
    """Where the first pixel is in an image of the data: indices that are fixed, then slow and fast."""
    dims = sorted(key for key in keys if key.startswith("dim"))
    fixed = [int(keys[key].text) for key in dims if keys[key].text.isdecimal()]
    return (*fixed, s0, f0)


# ---- bad pixels -------------------------------------------------------------------------------------------


def _bad(
    name: str,
    owner: str,
    keys: Keys,
    regions: dict[str, Keys],
    position: tuple[float, float, Vec, Vec],
    first: tuple[int, int],
    shape: tuple[int, int],
) -> np.ndarray | None:
    """(slow, fast) pixels of a panel that do not count; ``None`` where all do."""
    whole = keys.get("no_index")
    if whole is not None and number_of(name, f"{owner}/no_index", whole) != 0.0:
        return np.ones(shape, bool)
    found = np.zeros(shape, bool)
    edge = keys.get("mask_edge_pixels")
    if edge is not None and (width := int(number_of(name, f"{owner}/mask_edge_pixels", edge))) > 0:
        found[:width] = found[-width:] = True
        found[:, :width] = found[:, -width:] = True
    for region, limits in regions.items():
        panel = limits.get("panel")
        if panel is not None and panel.text != owner:
            continue
        number = _limits(name, region, limits)
        if "min_fs" in limits or "min_ss" in limits:
            f0, s0 = first
            slow = slice(max(int(number("min_ss", 0)) - s0, 0), max(int(number("max_ss", 1e6)) - s0 + 1, 0))
            found[slow, max(int(number("min_fs", 0)) - f0, 0) : max(int(number("max_fs", 1e6)) - f0 + 1, 0)] = True
        else:
            found |= _inside(position, shape, [number(k, 0.0) for k in ("min_x", "max_x", "min_y", "max_y")])
    return found if found.any() else None


def _limits(name: str, region: str, limits: Keys) -> Any:
    def number(key: str, default: float) -> float:
        value: Value | None = limits.get(key)
        return default if value is None else number_of(name, f"{region}/{key}", value)

    return number


def _inside(position: tuple[float, float, Vec, Vec], shape: tuple[int, int], limits: list[float]) -> np.ndarray:
    """Pixels whose first corner is within x and y limits (pixels of 1/res), the limits left out."""
    corner_x, corner_y, fast, slow = position
    s, f = np.ogrid[: shape[0], : shape[1]]
    x, y = corner_x + f * fast[0] + s * slow[0], corner_y + f * fast[1] + s * slow[1]
    low_x, high_x, low_y, high_y = limits
    return (x > low_x) & (x < high_x) & (y > low_y) & (y < high_y)
