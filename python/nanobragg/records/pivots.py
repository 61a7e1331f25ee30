"""Which convention an experiment has and what its detector turns about: said, or implied (``specs/geometry.md``)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nanobragg.records.experiment import Beam, Crystal, Detector

NAMED_PIVOTS = {"mosflm": "beam", "denzo": "beam", "adxv": "beam", "xds": "sample", "dials": "sample"}
"""The pivot of each convention that has one of its own."""


def convention_of(beam: Beam, crystal: Crystal, detector: Detector) -> str:
    """The convention: as said, else custom if any vector is given, else mosflm."""
    if detector.convention is not None:
        return detector.convention
    given = (
        detector.fast_axis,
        detector.slow_axis,
        detector.normal_axis,
        detector.twotheta_axis,
        detector.pix0,
        beam.direction,
        beam.polarization_axis,
        crystal.spindle_axis,
    )
    return "custom" if any(v is not None for v in given) else "mosflm"


def pivot_of(convention: str, detector: Detector, *, overridden: bool) -> str:
    """What the detector turns about, ``beam`` or ``sample``.

    The pivot that is said comes first, then the one that distances and centres imply, then the convention's.

    Args:
        convention: as :func:`convention_of` gives it.
        detector: the detector.
        overridden: whether the pivot of a named convention comes before all others (the quirk pivot_overridden).

    """
    named = NAMED_PIVOTS.get(convention)
    if overridden and named is not None:
        return named
    return detector.pivot or implied_pivot(detector) or named or "beam"


def implied_pivot(detector: Detector) -> str | None:
    """The pivot that distances and centres imply; what turns about the sample is the stronger."""
    sample = (
        detector.twotheta,
        detector.close_distance,
        detector.orgx,
        detector.orgy,
        detector.close_x,
        detector.close_y,
    )
    if any(v is not None for v in sample):
        return "sample"
    beam = (detector.distance, detector.beam_x, detector.beam_y)
    return "beam" if any(v is not None for v in beam) else None
