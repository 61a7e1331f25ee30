"""Defaults from image headers: ``-mask`` first, then ``-img``; explicit fields are stronger than both
(``specs/formats.md``, "SMV, reading").
"""

from __future__ import annotations

import math
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from nanobragg.errors import InputError
from nanobragg.maths.vectors import cross, dot, scale, unit

if TYPE_CHECKING:
    from collections.abc import Callable

    from nanobragg.io.geometry.types import FileGeometry, Vectors
    from nanobragg.io.images.smv import SmvHeader
    from nanobragg.records.experiment import Detector, Experiment

_ALL_KEYS = (
    "PIXEL_SIZE",
    "DISTANCE",
    "CLOSE_DISTANCE",
    "WAVELENGTH",
    "BEAM_CENTER_X",
    "BEAM_CENTER_Y",
    "ORGX",
    "ORGY",
    "PHI",
    "OSC_RANGE",
    "SIZE1",
    "SIZE2",
)

_KEYS_OF = {
    "pixel_size": ("PIXEL_SIZE",),
    "distance": ("DISTANCE", "CLOSE_DISTANCE"),
    "wavelength": ("WAVELENGTH",),
    "centre": ("BEAM_CENTER_X", "BEAM_CENTER_Y", "ORGX", "ORGY"),
    "phi": ("PHI",),
    "oscillation": ("OSC_RANGE",),
}
"""By what options replace."""
_INSTEAD = {"PHI": "OSC_START", "ORGX": "XDS_ORGX", "ORGY": "XDS_ORGY"}
"""Keys that say the same, of headers that have no other; ours have the latter two for the former."""


class HeaderValues(NamedTuple):
    """Geometry found in headers, in the header's units (mm, Å, pixels, degrees); None: not there."""

    nfast: int | None = None
    nslow: int | None = None
    pixel_size: float | None = None
    distance: float | None = None
    close_distance: float | None = None
    wavelength: float | None = None
    beam_x: float | None = None
    beam_y: float | None = None
    """mm, or see ``beam_y_metres``"""
    beam_y_metres: float | None = None
    """A mask's flipped centre, in metres; stronger than ``beam_y``."""
    orgx: float | None = None
    orgy: float | None = None
    phi: float | None = None
    oscillation: float | None = None
    centre: tuple[float, float] | None = None
    """Direct beam (fast, slow), pixels from the outer corner of the first: of files that are not SMV, and stronger than
    ``beam_x`` and ``beam_y``."""
    near: tuple[float, float] | None = None
    """The detector's near point, in the same pixels, of files that have axes."""
    mirrored: bool = False
    """Whether the detector's normal is minus fast x slow, which of a file's axes may point at the sample."""
    sensor_material: str = ""
    """What absorbs in a detector of one panel."""
    sensor_attenuation: float | None = None
    """1/m: its absorption."""
    pivot: str | None = None
    """What a detector turns about that its file has at a 2theta: the sample."""


def _flipped(image: SmvHeader, value: float, pixel_size_mm: float) -> float:
    return pixel_size_mm / 1000.0 * image.nslow - value / 1000.0


def apply_header(values: HeaderValues, image: SmvHeader, *, mask: bool, substring: bool) -> HeaderValues:
    """``values`` with what the header of ``image`` says. ``substring``: the quirk header_substring."""

    def value(key: str) -> float | None:
        found = _value(image, key, substring)
        return None if found is None or math.isnan(found) else found

    new: dict[str, Any] = {"nfast": image.nfast, "nslow": image.nslow}
    keys = {
        "pixel_size": "PIXEL_SIZE",
        "distance": "DISTANCE",
        "close_distance": "CLOSE_DISTANCE",
        "wavelength": "WAVELENGTH",
        "beam_x": "BEAM_CENTER_X",
        "orgx": "ORGX",
        "orgy": "ORGY",
        "phi": "PHI",
        "oscillation": "OSC_RANGE",
    }
    for field, key in keys.items():
        if (found := value(key)) is not None:
            new[field] = found
    if "beam_x" in new:
        new["centre"] = None
    if (beam_y := value("BEAM_CENTER_Y")) is not None:
        if mask:
            pixel_size = new.get("pixel_size", values.pixel_size)
            new["beam_y_metres"] = _flipped(image, beam_y, 0.1 if pixel_size is None else pixel_size)
        else:
            new["beam_y"] = beam_y
            new["beam_y_metres"] = None
    return values._replace(**new)


def used(image: SmvHeader, *, substring: bool) -> str:
    """One line: the values that a header gives, and their units."""
    units = dict.fromkeys(_ALL_KEYS, "mm") | {"WAVELENGTH": "Å", "PHI": "deg", "OSC_RANGE": "deg"}
    units |= {"ORGX": "pixels", "ORGY": "pixels"}
    found = {key: _value(image, key, substring) for key in _ALL_KEYS if not key.startswith("SIZE")}
    parts = [f"{key} {value:g} {units[key]}" for key, value in found.items() if value is not None]
    return f"from {image.name} (SMV): {', '.join([f'{image.nfast} x {image.nslow} pixels', *parts])}"


def apply_file(values: HeaderValues, file: FileGeometry) -> HeaderValues:
    """``values`` with what a file that is not SMV says."""
    new: dict[str, Any] = {"nfast": file.nfast, "nslow": file.nslow}
    for name in ("pixel_size", "distance", "wavelength", "phi", "oscillation", "centre"):
        if (found := getattr(file, name)) is not None:
            new[name] = found
    if (width := new.get("oscillation", 0.0)) < 0.0:  # a range may begin at its other end
        new["oscillation"], new["phi"] = -width, new.get("phi", values.phi or 0.0) + width
    new["sensor_material"] = file.material
    new["sensor_attenuation"] = 1000.0 * file.mu if file.mu and file.mu > 0.0 else None
    if "distance" in new:
        new["close_distance"] = None
    if file.centre is not None:
        # ORGX counts from 1 at the centre of a pixel.
        new["orgx"], new["orgy"] = file.centre[0] + 0.5, file.centre[1] + 0.5
        new["near"] = None if file.vectors is None else near_point(file)
    return values._replace(**new)


def near_point(file: FileGeometry) -> tuple[float, float] | None:
    """Where the plane of a detector of one panel is nearest to the sample: fast and slow, pixels from the outer corner
    of the first.
    """
    if len(file.panels) != 1:
        return None
    (panel,) = file.panels
    return (
        -dot(panel.origin, panel.fast) / panel.pixel_size[0],
        -dot(panel.origin, panel.slow) / panel.pixel_size[1],
    )


def with_vectors(experiment: Experiment, file: FileGeometry) -> Experiment | None:
    """``experiment`` in the frame of a file that has one; ``None`` where a named convention wants another.

    What was said stays: vectors, and a polarization other than 0.
    """
    vectors, detector, beam = file.vectors, experiment.detector, experiment.beam
    if vectors is None or detector.convention not in (None, "custom"):
        return None
    polarization = beam.polarization
    if polarization == 0.0 and file.polarization is not None:
        polarization = file.polarization
    return replace(
        experiment,
        detector=replace(detector, convention="custom", **({} if file.several else _axes(detector, vectors))),
        beam=replace(
            beam,
            polarization=polarization,
            direction=beam.direction or vectors.beam,
            polarization_axis=beam.polarization_axis or vectors.polarization,
        ),
        crystal=replace(experiment.crystal, spindle_axis=experiment.crystal.spindle_axis or vectors.spindle),
    )


def _axes(detector: Detector, vectors: Vectors) -> dict[str, Any]:
    """The axes of a detector of one panel; what was said stays."""
    normal = scale(-1.0 if vectors.mirrored else 1.0, unit(cross(vectors.fast, vectors.slow)))
    return {
        "fast_axis": detector.fast_axis or vectors.fast,
        "slow_axis": detector.slow_axis or vectors.slow,
        "normal_axis": detector.normal_axis or normal,
    }


def _value(image: SmvHeader, key: str, substring: bool) -> float | None:
    """The value of a key as it is found, or of the one that stands for it where it is not there."""
    found = image.value(key, substring=substring)
    return _exact(image, key) if found is None else found


def without_replaced(
    image: SmvHeader, substring: bool, replaced: Callable[[str], tuple[str, bool]]
) -> tuple[SmvHeader, str]:
    """The header without items that are no numbers and that options say; and the words for those, '' for none.

    Args:
        image: the header.
        substring: the quirk header_substring.
        replaced: the option that says a field of :class:`HeaderValues`, and whether it is given.

    Raises:
        InputError: for an item that no option says.

    """
    left_out = []
    for field, key in ((field, key) for field, keys in _KEYS_OF.items() for key in keys):
        wrong = _wrong(image, key, substring)
        if not wrong:
            continue
        option, given = replaced(field)
        if not given:
            raise InputError(f"{wrong}; {option} can say it instead")
        image = replace(image, text=re.sub(rf"\b{key}\b[^;\r\n]*", "", image.text))
        left_out.append(key)
    return image, f"; not used: {', '.join(left_out)}, no numbers" if left_out else ""


def _wrong(image: SmvHeader, key: str, substring: bool) -> str:
    """Why a value cannot be read; '' where it can, or is not there."""
    try:
        _value(image, key, substring)
    except InputError as error:
        return str(error)
    return ""


def _exact(image: SmvHeader, key: str) -> float | None:
    """The value of a key, or of the one that stands for it where it is not there."""
    found = image.value(key, substring=False)
    other = _INSTEAD.get(key)
    return image.value(other, substring=False) if found is None and other is not None else found


def substring_matters(image: SmvHeader) -> bool:
    """Whether matching keys as the last substring reads anything else than exact keys would."""
    for key in _ALL_KEYS:
        loose, exact = image.value(key, substring=True), _exact(image, key)
        if loose is None and exact is None:
            continue
        if loose is None or exact is None or not (loose == exact or (math.isnan(loose) and math.isnan(exact))):
            return True
    return False
