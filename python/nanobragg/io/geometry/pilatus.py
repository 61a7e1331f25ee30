"""Geometry in the lines of a PILATUS header: miniCBF files, and the TIFF files of the same detectors
(``specs/formats.md``).
"""

from __future__ import annotations

import re

from nanobragg.errors import InputError
from nanobragg.io.geometry.detector_headers import Fields, fields_said
from nanobragg.io.geometry.units import ANGSTROMS, DEGREES, ELECTRONVOLTS, MILLIMETRES
from nanobragg.maths.constants import ENERGY
from nanobragg.records.solids import SOLIDS, in_pilatus_header

_NUMBER = r"([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)(?![\d.])"
_UNIT = r"[ \t]*([^\W\d_]*)"
_DECIMAL_COMMA = re.compile(r",\d")
_PIXELS = {"pixels": 1.0, "pixel": 1.0, "px": 1.0, "": 1.0}
_ANGLES = {"": 1.0, **DEGREES}
_LEAST_DISTANCE, _LEAST_EDGE = 5.0, 0.005
"""mm; a smaller number without a unit is one of metres, which the header is in by its convention"""
_ENERGY_KEY = "(?:Photon_e|X[-_]?ray_e|E)nergy"
_SETTINGS = ("Omega", "Kappa", "Phi", "Chi")
_LEFT_OUT = ("Detector_Voffset", "Detector_Hoffset", "Polarization", "Transmission")


class _Lines:
    """The lines of a header. All raise :class:`InputError` for units that are not known."""

    def __init__(self, name: str, header: str) -> None:
        self._name = name
        self._text = re.sub(r"[ \t]+", " ", header)  # long runs of blanks would be tried in all ways

    def numbers(self, key: str, units: dict[str, float], most: int = 1) -> list[float]:
        """None, or up to ``most`` numbers; a unit behind the last counts for those that have none."""
        begin = re.search(rf"(?:^|\n)#? ?{key}(?!\w)[ :=(]*", self._text, re.IGNORECASE)
        if begin is None:
            return []
        found: list[tuple[float, str]] = []
        between, place = re.compile(rf"[ x,]*{_NUMBER}{_UNIT}"), begin.end()
        while len(found) < most and (match := between.match(self._text, place)):
            unit = "" if match[2].lower() == "x" else match[2].lower()
            found.append((float(match[1]), unit))
            place = match.end()
        if not found or (most == 1 and _DECIMAL_COMMA.match(self._text, place)):
            value = self._text[begin.end() : begin.end() + 40].partition("\n")[0]
            raise InputError(f"{self._name}: found {key} {value!r}, expected a number")
        if not found[-1][1]:  # (1, 2) pixels
            behind = re.compile(rf"\){_UNIT}").match(self._text, place)
            found[-1] = (found[-1][0], behind[1].lower() if behind else "")
        if unknown := [unit for _, unit in found if unit not in units]:
            known = ", ".join(list(filter(None, units))[:4])
            raise InputError(f"{self._name}: found {key} in {unknown[0]!r}, expected {known}")
        last = found[-1][1]
        return [number * units[unit or last] for number, unit in found]

    def number(self, key: str, units: dict[str, float]) -> float | None:
        """One of them."""
        return next(iter(self.numbers(key, units)), None)

    def said(self, key: str) -> str:
        """What stands behind a key that says something other than 0; '' for none."""
        match = re.search(rf"(?:^|\n)#? ?{key}[ :=]+([^\n]*)", self._text, re.IGNORECASE)
        value = "" if match is None else match[1].strip()[:40]
        number = re.match(_NUMBER, value)
        return "" if number is not None and float(number[1]) == 0.0 else value


def pilatus_header(name: str, header: str) -> Fields:
    """Fields of :class:`~nanobragg.io.geometry.types.FileGeometry` from the lines of a PILATUS header.

    Detector_distance and Beam_xy are those of the detector before it is turned by Detector_2theta, through the sample.
    """
    lines = _Lines(name, header)
    axis = _scanned(lines)

    def angle(key: str, other: str) -> float | None:
        found = lines.number(key, _ANGLES)
        return lines.number(other, _ANGLES) if found is None and axis else found

    fields = fields_said(
        name,
        pixel=lambda: _pixel(lines),
        distance=lambda: _distance(lines),
        centre=lambda: _centre(name, lines),
        wavelength=lambda: _wavelength(lines),
        phi=lambda: angle("Start_angle", axis),
        oscillation=lambda: angle("Angle_increment", f"{axis}_increment"),
        swing=lambda: lines.number("Detector_2theta", _ANGLES),
    )
    return fields | {"swing_known": "swing" in fields, "unused": _unused(lines, axis), "material": _sensor(lines)[0]}


def _scanned(lines: _Lines) -> str:
    """Which of the goniometer's angles is scanned, where the header names it; ''."""
    word = lines.said("Oscillation_axis").lower()
    return next((key for key in _SETTINGS if word.startswith(key.lower())), "")


def _unused(lines: _Lines, scanned: str) -> tuple[str, ...]:
    """What the header says and nothing is made of."""
    angles = [key for key in _SETTINGS if key != scanned]
    if not lines.said("Start_angle") and not scanned:
        angles = [*_SETTINGS]
    said = [f"{key} {value}" for key in (*angles, *_LEFT_OUT) if (value := lines.said(key))]
    material, thickness = _sensor(lines)
    return (*said, *([f"sensor of {material}, thickness {thickness} (-detector_thick)"] if thickness else []))


def _sensor(lines: _Lines) -> tuple[str, str]:
    """Its material, and how thick it is; '' where the header does not say it."""
    for material in SOLIDS:
        if thickness := lines.said(f"{in_pilatus_header(material)} sensor, thickness"):
            return material, thickness
    return "", ""


def _length(value: float, least: float) -> float:
    """A number without unit, in mm."""
    return 1e3 * value if abs(value) < least else value


def _pixel(lines: _Lines) -> tuple[float, float] | None:
    found = lines.numbers("Pixel_size", {"": 0.0, **MILLIMETRES}, 2)
    if found and max(found) == 0.0:  # no unit
        found = [_length(value, _LEAST_EDGE) for value in lines.numbers("Pixel_size", {"": 1.0}, 2)]
    return None if not found or min(found) <= 0.0 else (found[0], found[-1])


def _distance(lines: _Lines) -> float | None:
    """In mm; -1 of any unit is what is written where none is known."""
    found = lines.number("Detector_distance", {"": 0.0, **MILLIMETRES})
    if found == 0.0:  # no unit, or none is known
        found = _length(lines.number("Detector_distance", {"": 1.0, **MILLIMETRES}) or 0.0, _LEAST_DISTANCE)
    return None if found is not None and (abs(found + 1000.0) < 1e-9 or found == -1.0) else found


def _centre(name: str, lines: _Lines) -> tuple[float, float] | None:
    found = lines.numbers("Beam_xy", _PIXELS, 2)
    if not found:  # each by a name of its own
        found = [value for key in ("Beam_x", "Beam_y") for value in lines.numbers(key, _PIXELS)]
    if len(found) == 1:
        raise InputError(f"{name}: found a beam at {found[0]:g} pixels (Beam_xy), expected two numbers")
    return (found[0], found[1]) if found else None


def _wavelength(lines: _Lines) -> float | None:
    """In Å: the wavelength, or else that of the energy."""
    found = lines.number("Wavelength", {"": 1.0, **ANGSTROMS})
    energy = None if found not in (None, 0.0, -1.0) else lines.number(_ENERGY_KEY, {"": 1.0, **ELECTRONVOLTS})
    return ENERGY / energy if energy is not None and energy > 0.0 else found
