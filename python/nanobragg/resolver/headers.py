"""Defaults from image headers: ``-mask`` first, then ``-img``; explicit fields are stronger than both
(``specs/formats.md``, "SMV, reading").
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from nanobragg.io.geometry.types import FileGeometry
    from nanobragg.io.images.smv import SmvHeader
    from nanobragg.records.experiment import Experiment

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
    found = {key: image.value(key, substring=substring) for key in _ALL_KEYS if not key.startswith("SIZE")}
    parts = [f"{key} {value:g} {units[key]}" for key, value in found.items() if value is not None]
    return f"from {image.name} (SMV): {', '.join([f'{image.nfast} x {image.nslow} pixels', *parts])}"


def apply_file(values: HeaderValues, file: FileGeometry) -> HeaderValues:
    """``values`` with what a file that is not SMV says."""
    new: dict[str, Any] = {"nfast": file.nfast, "nslow": file.nslow}
    for name in ("pixel_size", "distance", "wavelength", "phi", "oscillation", "centre"):
        if (found := getattr(file, name)) is not None:
            new[name] = found
    if "distance" in new:
        new["close_distance"] = None
    if file.centre is not None:
        # ORGX counts from 1 at the centre of a pixel.
        new["orgx"], new["orgy"] = file.centre[0] + 0.5, file.centre[1] + 0.5
    return values._replace(**new)


def with_vectors(experiment: Experiment, file: FileGeometry) -> Experiment | None:
    """``experiment`` in the frame of a file that has one; ``None`` where a named convention wants another.

    What was said stays: vectors, and a polarization other than 0.
    """
    vectors, detector, beam = file.vectors, experiment.detector, experiment.beam
    if vectors is None or detector.convention not in (None, "custom"):
        return None
    f, s = vectors.fast, vectors.slow
    normal = (f[1] * s[2] - f[2] * s[1], f[2] * s[0] - f[0] * s[2], f[0] * s[1] - f[1] * s[0])
    polarization = beam.polarization
    if polarization == 0.0 and file.polarization is not None:
        polarization = file.polarization
    return replace(
        experiment,
        detector=replace(
            detector,
            convention="custom",
            fast_axis=detector.fast_axis or f,
            slow_axis=detector.slow_axis or s,
            normal_axis=detector.normal_axis or normal,
        ),
        beam=replace(
            beam,
            polarization=polarization,
            direction=beam.direction or vectors.beam,
            polarization_axis=beam.polarization_axis or vectors.polarization,
        ),
        crystal=replace(experiment.crystal, spindle_axis=experiment.crystal.spindle_axis or vectors.spindle),
    )


def substring_matters(image: SmvHeader) -> bool:
    """Whether matching keys as the last substring reads anything else than exact keys would."""
    for key in _ALL_KEYS:
        loose, exact = image.value(key, substring=True), image.value(key, substring=False)
        if loose is None and exact is None:
            continue
        if loose is None or exact is None or not (loose == exact or (math.isnan(loose) and math.isnan(exact))):
            return True
    return False
