"""Subpixels along each axis of a pixel: as said, or as many as the crystal's size asks for."""

from __future__ import annotations

import math
from typing import NamedTuple

from nanobragg.errors import InputError
from nanobragg.maths.vectors import Vec
from nanobragg.resolver.log import Log

_MOST = 10_000


class Oversampling(NamedTuple):
    """The number, and whether it was chosen because nobody said one."""

    number: int
    chosen: bool
    log: Log


def oversampling_of(
    said: int | None, extents: Vec, wavelength: float, distance: float, pixel_size: float
) -> Oversampling:
    """Subpixels along each axis.

    Args:
        said: a number; ``None``, 0 or less: none.
        extents: of the crystal along a, b and c, m.
        wavelength: m.
        distance: of the detector, m.
        pixel_size: m.

    Raises:
        InputError: for more than 10000.

    """
    recommended = recommended_oversampling(extents, wavelength, distance, pixel_size)
    chosen = said is None or said <= 0
    number = recommended if said is None or said <= 0 else said
    if number > _MOST and chosen:
        raise InputError(
            f"-oversample: found none, and a crystal of {max(extents) * 1e3:g} mm asks for "
            f"{float(number):g} subpixels along an axis; expected a smaller crystal, or -oversample"
        )
    if number > _MOST:
        raise InputError(f"-oversample: found {number}, expected at most {_MOST} subpixels along an axis")
    log = Log()
    if chosen:
        log = Log(notes=(f"auto-selected {number}-fold oversampling",))
    elif number < recommended:
        reciprocal_pixel = wavelength * distance / pixel_size
        doubt = (
            f"maximum dimension of sample is {max(extents) * 1e10:g} A but reciprocal pixel size is "
            f"{reciprocal_pixel * 1e10:g} A: intensity may vary significantly across a pixel; recommend "
            f"-oversample {recommended}"
        )
        log = Log(warnings=(doubt,))
    return Oversampling(number, chosen, log)


def recommended_oversampling(extents: Vec, wavelength: float, distance: float, pixel_size: float) -> int:
    """Subpixels that resolve the lattice transform of a crystal of the given extents (all in m), at least 1."""
    reciprocal_pixel = wavelength * distance / pixel_size
    ratio = 3.0 * max(extents) / reciprocal_pixel if reciprocal_pixel != 0.0 else 0.0
    # A crystal may be said that no number holds.
    return max(1, math.ceil(min(ratio, 1e300)))
