"""Defaults from image headers: ``-mask`` first, then ``-img``; explicit fields are stronger than both
(``specs/formats.md``, "SMV, reading").
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nanobragg.io.smv import SmvHeader

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


@dataclass(frozen=True, kw_only=True)
class HeaderValues:
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


def _flipped(image: SmvHeader, value: float, pixel_size_mm: float) -> float:
    return pixel_size_mm / 1000.0 * image.nslow - value / 1000.0


def apply_header(values: HeaderValues, image: SmvHeader, *, mask: bool, substring: bool) -> HeaderValues:
    """``values`` with what the header of ``image`` says. ``substring``: the quirk header_substring."""

    def value(key: str) -> float | None:
        found = image.value(key, substring=substring)
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
    if (beam_y := value("BEAM_CENTER_Y")) is not None:
        if mask:
            pixel_size = new.get("pixel_size", values.pixel_size)
            new["beam_y_metres"] = _flipped(image, beam_y, 0.1 if pixel_size is None else pixel_size)
        else:
            new["beam_y"] = beam_y
            new["beam_y_metres"] = None
    return replace(values, **new)


def substring_matters(image: SmvHeader) -> bool:
    """Whether matching keys as the last substring reads anything else than exact keys would."""
    for key in _ALL_KEYS:
        loose, exact = image.value(key, substring=True), image.value(key, substring=False)
        if loose is None and exact is None:
            continue
        if loose is None or exact is None or not (loose == exact or (math.isnan(loose) and math.isnan(exact))):
            return True
    return False
