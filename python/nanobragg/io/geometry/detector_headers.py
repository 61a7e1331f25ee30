"""Geometry in the headers of detectors' own formats: MarCCD and Rayonix, mar345, R-AXIS, d*TREK, Bruker, EDF
(``specs/formats.md``).

Each function gives fields of :class:`~nanobragg.io.geometry.types.FileGeometry`: only what the header says. Lengths,
wavelengths and beam centres of 0 count as not said: that is what programs write when they do not know them.
"""

from __future__ import annotations

import math
import re
import struct
from typing import TYPE_CHECKING, Any

from nanobragg.errors import InputError
from nanobragg.io.geometry.units import METRES, some

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from nanobragg.io.images.smv import SmvHeader

Fields = dict[str, Any]

_METRES = {"": 1.0, **some(METRES, "m", "mm", "um", "nm"), "A": METRES["angstrom"]}
_WITH_UNIT = re.compile(r"\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)[\s_]*([A-Za-z]*)\s*", re.ASCII)


def header_fields(name: str, kind: str, header: Mapping[str, Any]) -> Fields:
    """Fields from the header of fabio's class ``kind`` (without "Image"); none for a kind without geometry.

    Raises :class:`InputError` for pixels that are not square and for values that are no numbers.
    """
    read = _KINDS.get(kind)
    return {} if read is None else read(name, header)


def square_pixel(name: str, fast: float, slow: float) -> float:
    """The edge of a pixel; raises :class:`InputError` for two that differ."""
    if abs(fast - slow) > 1e-6 * abs(fast):
        raise InputError(f"{name}: found pixels of {fast:g} x {slow:g} mm, expected square ones")
    return fast


def _number(name: str, key: str, value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise InputError(f"{name}: found {key} {str(value)[:40]!r}, expected a number")
    return number


def _fields(name: str, *, swing: float | None = None, doubts: tuple[str, ...] = (), **said: Any) -> Fields:
    """What is not ``None``, and not the 0 of a length; the detector's ``swing`` about the spindle gets a warning."""
    known = {
        key: value
        for key, value in said.items()
        if value is not None and not (key in ("pixel_size", "distance", "wavelength") and value == 0.0)
    }
    if known.get("centre") == (0.0, 0.0):
        del known["centre"]
    if swing:
        doubts = (*doubts, f"{name}: its 2theta of {swing:g} degrees is not used: say -twotheta")
    return {**known, "warnings": doubts}


# ---- MarCCD, Rayonix --------------------------------------------------------------------------------------

_MARCCD_SIZE = 4096
_PHI = 684
_ROTATIONS = {1: 672, 2: 676, 3: 680, 4: _PHI, 5: 688, 6: 692}
"""Start angles (omega, chi, kappa, phi, delta, gamma) by the header's code of the axis that turns."""


def marccd_fields(name: str, data: bytes, shape: tuple[int, int]) -> Fields | None:
    """Fields from the beginning (4096 bytes) of a TIFF that MarCCD or Rayonix wrote; ``None`` for any other.

    The header stands 1024 bytes into the file, and repeats the ``shape`` (slow, fast) of the TIFF. Lengths in µm, edges
    of pixels in nm, the wavelength in fm, angles and the beam centre in thousandths of degrees and pixels.
    """
    order = {b"II": "<", b"MM": ">"}.get(data[:2])
    if order is None or len(data) < _MARCCD_SIZE:
        return None

    def at(offset: int) -> int:
        return struct.unpack_from(f"{order}i", data, 1024 + offset)[0]

    if (at(84), at(80)) != shape or at(88) not in (1, 2, 4):
        return None
    width = at(736)
    rotations = ((740, "x"), (744, "y"), (748, "z"))
    turned = [f"{at(offset) / 1e3:g} about {axis}" for offset, axis in rotations if at(offset)]
    doubts = [f"{name}: its detector rotation of {', '.join(turned)} (degrees) is not used"] if turned else []
    centre, middle = (at(644) / 1e3, at(648) / 1e3), (at(80) / 2, at(84) / 2)
    if all(0 < x < 0.5 * half for x, half in zip(centre, middle, strict=True)):
        doubts.append(
            f"{name}: its beam centre is taken as {centre[0]:g} {centre[1]:g} pixels, far from the middle: "
            "some beamlines write mm there"
        )
    return _fields(
        name,
        pixel_size=square_pixel(name, at(772) / 1e6, at(776) / 1e6),
        distance=(at(640) or at(696)) / 1e3,
        centre=centre,
        wavelength=at(908) / 1e5,
        phi=at(_ROTATIONS.get(at(732), _PHI)) / 1e3,
        oscillation=width / 1e3 if width else None,
        swing=at(668) / 1e3,
        doubts=tuple(doubts),
    )


# ---- d*TREK -----------------------------------------------------------------------------------------------


def dtrek_fields(name: str, header: SmvHeader) -> Fields:
    """Fields from a d*TREK header: SMV's frame, with keys that begin with the detector's name."""

    def words(key: str) -> list[str]:
        return (header.text_of(key) or "").split()

    def numbers(key: str, least: int) -> list[float]:
        found = [_number(name, key, word) for word in words(key)]
        if found and len(found) < least:
            raise InputError(f"{name}: found {len(found)} numbers for {key}, expected {least}")
        return found

    prefix = (words("DETECTOR_NAMES") or [""])[0]
    info = numbers(f"{prefix}SPATIAL_DISTORTION_INFO", 4) or None
    centre = info or numbers(f"{prefix}SPATIAL_BEAM_POSITION", 2)
    size, pixels = numbers(f"{prefix}DETECTOR_SIZE", 2), numbers(f"{prefix}DETECTOR_DIMENSIONS", 2)
    pixel: float | None = None
    if info is not None:
        pixel = square_pixel(name, info[2], info[3])
    elif size and pixels and pixels[0] > 0 and pixels[1] > 0:
        pixel = square_pixel(name, size[0] / pixels[0], size[1] / pixels[1])
    names = [word.lower() for word in words(f"{prefix}GONIO_NAMES")]
    values = numbers(f"{prefix}GONIO_VALUES", len(names))
    units = words(f"{prefix}GONIO_UNITS")
    places = dict(zip(names, values, strict=False))
    turned = [
        f"{place} {places[place]:g}" for place, unit in zip(names, units, strict=False) if _is_turn(unit, places, place)
    ]
    doubts = (f"{name}: its detector position {', '.join(turned)} (degrees) is not used",) if turned else ()
    rotation = numbers("ROTATION", 3)
    wavelength = numbers("SCAN_WAVELENGTH", 1) or numbers("SOURCE_WAVELENGTH", 1)
    return _fields(
        name,
        pixel_size=pixel,
        distance=places.get("distance"),
        centre=(centre[0], centre[1]) if centre else None,
        wavelength=wavelength[-1] if wavelength else None,
        phi=rotation[0] if rotation else None,
        oscillation=rotation[2] if rotation else None,
        doubts=doubts,
    )


def _is_turn(unit: str, places: Mapping[str, float], place: str) -> bool:
    return unit.startswith("deg") and places.get(place, 0.0) != 0.0


# ---- what fabio makes a dictionary of ---------------------------------------------------------------------


def _mar345(name: str, header: Mapping[str, Any]) -> Fields:
    """Lengths in mm, the wavelength in Å; the centre of the scanner is where the beam is aimed at."""

    def get(key: str) -> float | None:
        return _number(name, key, header[key]) if key in header else None

    length, height, start, end = (get(key) for key in ("PixelLength", "PixelHeight", "StartPhi", "EndPhi"))
    x, y = get("CENTER_X"), get("CENTER_Y")
    return _fields(
        name,
        pixel_size=None if length is None or height is None else square_pixel(name, length, height),
        distance=get("Distance"),
        centre=None if x is None or y is None else (x, y),
        wavelength=get("Wavelength"),
        phi=start,
        oscillation=None if start is None or end is None else end - start,
        swing=get("TwoTheta"),
    )


def _raxis(name: str, header: Mapping[str, Any]) -> Fields:
    def get(key: str) -> float:
        return _number(name, key, header[key])

    start = get("Phi Oscillation Start")
    curved = "the image plate is a cylinder, which is not used"
    return _fields(
        name,
        pixel_size=square_pixel(name, get("X Pixel Length"), get("Y Pixel Length")),
        distance=get("Crystal-to-detector Distance"),
        centre=(get("Direct beam X position"), get("Direct beam Y position")),
        wavelength=get("Wavelength"),
        phi=start,
        oscillation=get("Phi Oscillation Stop") - start,
        swing=get("2Theta Angle"),
        doubts=(f"{name}: {curved}",) if header["IP shape"] == 1 else (),
    )


def _bruker(name: str, header: Mapping[str, Any]) -> Fields:
    """Distance (cm; of two numbers the second is the refined one), the first wavelength, start and increment.

    CENTER and the pixels per cm count pixels of a binning and from a corner that depend on the detector.
    """

    def get(key: str, last: bool = False) -> float | None:
        words = str(header.get(key, "")).split()
        return _number(name, key, words[min(len(words), 2) - 1 if last else 0]) if words else None

    distance = get("DISTANC", last=True)
    return _fields(
        name,
        distance=None if distance is None else 10.0 * distance,
        wavelength=get("WAVELEN"),
        phi=get("START"),
        oscillation=get("INCREME"),
        swing=get("ANGLES"),
        doubts=(f"{name}: pixel size and beam centre of a Bruker header are not used: say -pixel, -Xbeam and -Ybeam",),
    )


def _edf(name: str, header: Mapping[str, Any]) -> Fields:
    """The ESRF's keys for scattering: PSize, SampleDistance and WaveLength in m, Center in pixels from the corner."""
    values = {str(key).lower(): str(value) for key, value in header.items()}

    def get(key: str, units: Mapping[str, float]) -> float | None:
        text = values.get(key.lower())
        if text is None:
            return None
        match = _WITH_UNIT.fullmatch(text)
        if match is None or match[2] not in units:
            raise InputError(f"{name}: found {key} {text[:40]!r}, expected a number{' of metres' * (len(units) > 1)}")
        return float(match[1]) * units[match[2]]

    def scaled(key: str, factor: float) -> float | None:
        found = get(key, _METRES)
        return None if found is None else found * factor

    plain = {"": 1.0, "pixel": 1.0}
    fast, slow = scaled("PSize_1", 1e3), scaled("PSize_2", 1e3)
    x, y = get("Center_1", plain), get("Center_2", plain)
    doubts = []
    if x is not None and (get("Offset_1", plain) or get("Offset_2", plain)):
        x = y = None
        doubts.append(f"{name}: its Center is not used, as the image is a part of another (Offset)")
    angle = {"": 1.0, "rad": 1.0, "deg": 1.0}
    turns = [key for axis in "123" if get(key := f"DetectorRotation_{axis}", angle)]
    if turns:
        doubts.append(f"{name}: its {', '.join(turns)} is not used")
    return _fields(
        name,
        pixel_size=None if fast is None or slow is None else square_pixel(name, fast, slow),
        distance=scaled("SampleDistance", 1e3),
        centre=None if x is None or y is None else (x, y),
        wavelength=scaled("WaveLength", 1e10),
        doubts=tuple(doubts),
    )


_KINDS: dict[str, Callable[[str, Mapping[str, Any]], Fields]] = {
    "Mar345": _mar345,
    "Raxis": _raxis,
    "Bruker": _bruker,
    "Bruker100": _bruker,
    "Edf": _edf,
}
