"""Geometry in the headers of detectors' own formats: MarCCD and Rayonix, mar345, R-AXIS, d*TREK, Bruker, EDF
(``specs/formats.md``).

Each function gives fields of :class:`~nanobragg.io.geometry.types.FileGeometry`: only what the header says. Lengths,
wavelengths and beam centres of 0 or -1 count as not said: that is what programs write when they do not know them. What
cannot be used is in ``bad``, so that an option can take its place.
"""

from __future__ import annotations

import math
import re
import struct
from typing import TYPE_CHECKING, Any

import numpy as np

from nanobragg.errors import InputError
from nanobragg.io.geometry.units import METRES, MILLIMETRES, some, whole_turns_off

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from nanobragg.io.images.smv import SmvHeader

Fields = dict[str, Any]

_LENGTHS = ("pixel_size", "distance", "wavelength")
_METRES = {"": 1.0, **some(METRES, "m", "mm", "um", "nm"), "A": METRES["angstrom"]}
_WITH_UNIT = re.compile(r"\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)[\s_]*([A-Za-z]*)\s*", re.ASCII)


def header_fields(name: str, kind: str, header: Mapping[str, Any]) -> Fields:
    """Fields from the header of fabio's class ``kind`` (without "Image"); none for a kind without geometry."""
    read = _KINDS.get(kind)
    return {} if read is None else read(name, header)


def _number(name: str, key: str, value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise InputError(f"{name}: found {key} {str(value)[:40]!r}, expected a number")
    return number


def fields_said(name: str, *, doubts: tuple[str, ...] = (), **said: Any) -> Fields:
    """Fields of what is known.

    Args:
        name: the file.
        doubts: warnings.
        said: fields by name, ``None`` for none, or functions that read them and may fail; ``pixel``: both edges, mm.

    """
    known: Fields = {}
    bad: dict[str, str] = {}
    for key, value in said.items():
        try:
            found = value() if callable(value) else value
            if key == "pixel":
                key, found = "pixel_size", None if found is None else _square_pixel(name, *found)
        except InputError as error:
            bad["pixel_size" if key == "pixel" else key] = str(error)
            continue
        if found is None or (key in _LENGTHS and found in (0.0, -1.0)):
            continue
        if not np.isfinite(found).all() or np.abs(found).max() > 1e9:
            bad[key] = f"{name}: found a {key.replace('_', ' ')} of {found}, expected a finite number"
            continue
        if key in _LENGTHS and not 0.0 < found < 1e6:
            bad[key] = f"{name}: found a {key.replace('_', ' ')} of {found:g}, expected a positive number"
        elif not (key == "centre" and found in ((0.0, 0.0), (-1.0, -1.0))) and not (key == "swing" and found == 0.0):
            known[key] = found
    return {**known, "bad": bad, "warnings": doubts}


def _square_pixel(name: str, fast: float | None, slow: float | None) -> float | None:
    """The edge of a pixel; raises :class:`InputError` for two that differ."""
    if fast is None or slow is None:
        return fast if slow is None else slow
    if abs(fast - slow) > 1e-6 * abs(fast):
        raise InputError(f"{name}: found pixels of {fast:g} x {slow:g} mm, expected square ones")
    return fast


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
    return fields_said(
        name,
        pixel=(at(772) / 1e6, at(776) / 1e6),
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
    said = _Dtrek(name, header)
    try:
        places = said.places()
    except InputError:
        places = []
    swings = [value for place, _, value in places if _parts(place) & _SWINGS]
    moved = [
        f"{place} {value:g} {unit}".strip()
        for place, unit, value in places
        if value != 0.0 and not _parts(place) & (_SWINGS | _DISTANCES | _ALONG)
    ]
    return fields_said(
        name,
        pixel=said.pixel,
        distance=lambda: _dtrek_distance(name, said.places()),
        centre=said.centre,
        wavelength=said.wavelength,
        phi=lambda: said.rotation()[0],
        oscillation=lambda: said.rotation()[2],
        swing=swings[0] if swings else None,
        doubts=(f"{name}: its detector position {', '.join(moved)} is not used",) if moved else (),
    ) | {"unused": said.unused(), "comments": tuple(said.comments)}


class _Dtrek:
    """Words and numbers of a d*TREK header. All raise :class:`InputError` for what is no number, or too few."""

    def __init__(self, name: str, header: SmvHeader) -> None:
        self._name, self._header = name, header
        first, *others = self._words("DETECTOR_NAMES") or [""]
        self._prefix = first
        self.comments = [f"detector {first} (not {', '.join(others)})"] if others else []

    def _words(self, key: str) -> list[str]:
        return (self._header.text_of(key) or "").split()

    def numbers(self, key: str, least: int) -> list[float]:
        """None, or at least so many."""
        found = [_number(self._name, key, word) for word in self._words(key)]
        if found and len(found) < least:
            raise InputError(f"{self._name}: found {len(found)} numbers for {key}, expected {least}")
        return found

    def pixel(self) -> tuple[float, float] | None:
        """Edges, mm."""
        if info := self.numbers(f"{self._prefix}SPATIAL_DISTORTION_INFO", 4):
            return info[2], info[3]
        size = self.numbers(f"{self._prefix}DETECTOR_SIZE", 2)
        pixels = self.numbers(f"{self._prefix}DETECTOR_DIMENSIONS", 2)
        return (size[0] / pixels[0], size[1] / pixels[1]) if size and pixels and min(pixels[:2]) > 0 else None

    def centre(self) -> tuple[float, float] | None:
        """Pixels."""
        keys = ((f"{self._prefix}SPATIAL_DISTORTION_INFO", 4), (f"{self._prefix}SPATIAL_BEAM_POSITION", 2))
        found = next((numbers for key, least in keys if (numbers := self.numbers(key, least))), None)
        return None if found is None else (found[0], found[1])

    def rotation(self) -> list[Any]:
        """Start, end and width of the image; of the scan where only that is said."""
        return self.numbers("ROTATION", 3) or self.numbers("SCAN_ROTATION", 3) or [None] * 3

    def wavelength(self) -> float | None:
        """Å."""
        found = self.numbers("SCAN_WAVELENGTH", 1) or self.numbers("SOURCE_WAVELENGTH", 1)
        # The number of wavelengths stands before them, and weights may follow: of several, Kα1 and Kα2 say, the mean.
        count = int(found[0]) if len(found) > 1 and found[0] in (len(found) - 1, (len(found) - 1) / 2) else 0
        waves, weights = found[1 : count + 1] or found[-1:], found[count + 1 :]
        if count > 1:
            self.comments.append(f"the mean of its {count} wavelengths {' '.join(f'{wave:g}' for wave in waves)} Å")
        if count and len(weights) == count and sum(weights) > 0.0:
            return sum(wave * weight for wave, weight in zip(waves, weights, strict=True)) / sum(weights)
        return sum(waves) / len(waves) if waves else None

    def unused(self) -> tuple[str, ...]:
        """What is said of the crystal's goniometer and of polarization, and nothing is made of."""
        names = self._words("CRYSTAL_GONIO_NAMES")
        scanned = (self._words("ROTATION_AXIS_NAME") or [""])[0].lower()
        values = zip(names, self._words("CRYSTAL_GONIO_VALUES"), strict=False)
        said = [f"{name} {value} deg" for name, value in values if _is_set(value) and name.lower() != scanned]
        polarization = self._words("SOURCE_POLARZ")[:1]
        return (*said, *(f"SOURCE_POLARZ {value} (-polar)" for value in polarization if _is_set(value)))

    def places(self) -> list[tuple[str, str, float]]:
        """Names, units and values of the detector's goniometer."""
        names, units = self._words(f"{self._prefix}GONIO_NAMES"), self._words(f"{self._prefix}GONIO_UNITS")
        values = self.numbers(f"{self._prefix}GONIO_VALUES", len(names))
        return list(zip(names, [*units, *[""] * len(names)], values, strict=False))


def _is_set(word: str) -> bool:
    """Whether a word is anything but a zero."""
    try:
        return float(word) != 0.0
    except ValueError:
        return True


_DISTANCES, _ALONG = {"distance", "dist", "detdist"}, {"transz", "z"}
_SWINGS = {"swing", "2theta", "twotheta"}


def _parts(place: str) -> set[str]:
    """The names of one axis of the detector's goniometer: ``TransZ/Dist`` has two."""
    return set(re.split(r"[/_,-]", place.lower()))


def _dtrek_distance(name: str, places: list[tuple[str, str, float]]) -> float | None:
    """mm: the translation that is called a distance, else that along z."""
    for known in (_DISTANCES, _ALONG):
        for place, unit, value in places:
            if _parts(place) & known and not unit.startswith("deg"):
                if unit and unit.lower() not in MILLIMETRES:
                    raise InputError(f"{name}: found {place} in {unit[:20]!r}, expected mm")
                return value * MILLIMETRES[unit.lower() or "mm"]
    return None


# ---- what fabio makes a dictionary of ---------------------------------------------------------------------


def _mar345(name: str, header: Mapping[str, Any]) -> Fields:
    """Lengths in mm, the wavelength in Å; the centre of the scanner is where the beam is aimed at."""

    def get(key: str) -> float | None:
        return _number(name, key, header[key]) if key in header else None

    return fields_said(
        name,
        pixel=lambda: (get("PixelLength"), get("PixelHeight")),
        distance=lambda: get("Distance"),
        centre=lambda: _pair(get("CENTER_X"), get("CENTER_Y")),
        wavelength=lambda: get("Wavelength"),
        phi=lambda: get("StartPhi"),
        oscillation=lambda: _difference(get("StartPhi"), get("EndPhi")),
        swing=lambda: get("TwoTheta"),
    )


def _pair(x: float | None, y: float | None) -> tuple[float, float] | None:
    return None if x is None or y is None else (x, y)


def _difference(start: float | None, end: float | None) -> float | None:
    return None if start is None or end is None else whole_turns_off(end - start)


def _raxis(name: str, header: Mapping[str, Any]) -> Fields:
    def get(key: str) -> float:
        return _number(name, key, header[key])

    curved = "the image plate is a cylinder, which is not used"
    return fields_said(
        name,
        pixel=lambda: (get("X Pixel Length"), get("Y Pixel Length")),
        distance=lambda: get("Crystal-to-detector Distance"),
        centre=lambda: (get("Direct beam X position"), get("Direct beam Y position")),
        wavelength=lambda: get("Wavelength"),
        phi=lambda: get("Phi Oscillation Start"),
        oscillation=lambda: _difference(get("Phi Oscillation Start"), get("Phi Oscillation Stop")),
        swing=lambda: get("2Theta Angle"),
        doubts=(f"{name}: {curved}",) if header["IP shape"] == 1 else (),
    )


def _bruker(name: str, header: Mapping[str, Any]) -> Fields:
    """Distance (cm; of two numbers the second is the refined one), the first wavelength, start and increment.

    CENTER and the pixels per cm count pixels of a binning and from a corner that depend on the detector.
    """

    def get(key: str, last: bool = False, factor: float = 1.0) -> float | None:
        words = str(header.get(key, "")).split()
        return factor * _number(name, key, words[min(len(words), 2) - 1 if last else 0]) if words else None

    return fields_said(
        name,
        distance=lambda: get("DISTANC", last=True, factor=10.0),
        wavelength=lambda: get("WAVELEN"),
        phi=lambda: get("START"),
        oscillation=lambda: get("INCREME"),
        swing=lambda: get("ANGLES"),
        doubts=(f"{name}: pixel size and beam centre of a Bruker header are not used: say -pixel, -Xbeam and -Ybeam",),
    )


def _edf(name: str, header: Mapping[str, Any]) -> Fields:
    """The ESRF's keys for scattering: PSize, SampleDistance and WaveLength in m, Center in pixels from the corner."""
    values = {str(key).lower(): str(value) for key, value in header.items()}

    def get(key: str, units: Mapping[str, float]) -> float | None:
        text = values.get(key.lower())
        if text is None:
            return None
        match = _WITH_UNIT.fullmatch(text[:80])
        if match is None or match[2] not in units:
            raise InputError(f"{name}: found {key} {text[:40]!r}, expected a number{' of metres' * (len(units) > 1)}")
        return float(match[1]) * units[match[2]]

    def scaled(key: str, factor: float) -> float | None:
        found = get(key, _METRES)
        return None if found is None else found * factor

    plain = {"": 1.0, "pixel": 1.0}
    doubts = []

    def centre() -> tuple[float, float] | None:
        found = _pair(get("Center_1", plain), get("Center_2", plain))
        if found is not None and (get("Offset_1", plain) or get("Offset_2", plain)):
            doubts.append(f"{name}: its Center is not used, as the image is a part of another (Offset)")
            return None
        return found

    angle = {"": 1.0, "rad": 1.0, "deg": 1.0}
    turns = [key for axis in "123" if _is_turned(get, key := f"DetectorRotation_{axis}", angle)]
    if turns:
        doubts.append(f"{name}: its {', '.join(turns)} is not used")
    fields = fields_said(
        name,
        pixel=lambda: _pair(scaled("PSize_1", 1e3), scaled("PSize_2", 1e3)),
        distance=lambda: scaled("SampleDistance", 1e3),
        centre=centre,
        wavelength=lambda: scaled("WaveLength", 1e10),
    )
    return fields | {"warnings": tuple(doubts)}


def _is_turned(get: Callable[..., float | None], key: str, units: Mapping[str, float]) -> bool:
    """Whether an angle is other than 0, or cannot be read."""
    try:
        return bool(get(key, units))
    except InputError:
        return True


_KINDS: dict[str, Callable[[str, Mapping[str, Any]], Fields]] = {
    "Mar345": _mar345,
    "Raxis": _raxis,
    "Bruker": _bruker,
    "Bruker100": _bruker,
    "Edf": _edf,
}
