"""What a detector makes of photons: what is said of it, and what that comes to (``specs/response.md``)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Literal, get_args

from nanobragg.records.fields import document, row
from nanobragg.records.kinds import (
    FILE_OR_ARRAY,
    FLAG,
    FRACTION,
    NATURAL,
    NOT_NEGATIVE,
    NUMBER,
    POSITIVE,
    WHOLE,
    choice,
)
from nanobragg.records.record import Record

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    PathOrArray = str | os.PathLike[str] | np.ndarray

Preset = Literal["pilatus", "eiger", "rayonix", "jungfrau", "agipd", "epix"]
Reading = Literal["integrating", "counting"]
PointSpread = Literal["none", "gauss", "fiber"]
CountRate = Literal["nonparalyzable", "paralyzable"]
_PRESET, _READING = choice(*get_args(Preset)), choice(*get_args(Reading))
_POINT_SPREAD, _COUNT_RATE = choice(*get_args(PointSpread)), choice(*get_args(CountRate))


class Response(Record):
    """What the detector makes of photons: from the expected image to counts."""

    preset: Preset | None = row(
        _PRESET,
        "detector whose values are taken for what is not said here",
        option="-response",
        unset="none: every photon is counted",
        more="The values and their sources are in ``specs/response.md``.",
    )
    reading: Reading | None = row(
        _READING,
        "whether a pixel integrates charge or counts photons",
        option="-reading",
        unset="the preset's, or integrating",
    )
    flicker: float | None = row(
        NOT_NEGATIVE, "relative rms of the source, one factor for an image", option="-flicker", unset="0"
    )
    capture: float | None = row(
        FRACTION,
        "part of the photons that is recorded",
        option="-capture",
        unset="1",
        more="What a sensor of some ``detector.thickness`` captures is in the expected image already.",
    )
    psf: PointSpread | None = row(_POINT_SPREAD, "point spread function", option="-psf", unset="the preset's, or none")
    psf_fwhm: float | None = row(
        POSITIVE, "its full width at half maximum", unit="µm", option="-psf_fwhm", unset="the preset's, or 46"
    )
    psf_radius: int | None = row(
        NATURAL, "radius at which it ends", unit="pixels", option="-psf_radius", unset="the panel's edges"
    )
    psf_kernel: PathOrArray | None = row(
        FILE_OR_ARRAY,
        "image of a point spread function, of odd numbers of pixels; instead of psf",
        option="-psf_kernel",
        more="It is divided by its sum. As an array: (slow, fast).",
    )
    calibration: float | None = row(
        NOT_NEGATIVE,
        "relative rms of the pixels' calibration, the same in all images",
        option="-calibration",
        unset="0",
    )
    calibration_seed: int = row(
        WHOLE,
        "seed of the calibration, and of dead and hot pixels: of one detector",
        default=123456789,
        option="-calib_seed",
    )
    gain: float | None = row(POSITIVE, "gain", unit="ADU/photon", option="-gain", unset="the preset's, or 1")
    gain_per_kev: float | None = row(
        POSITIVE, "gain for photons of 1 keV; instead of gain", unit="ADU/keV", option="-gain_per_kev"
    )
    gain_map: PathOrArray | None = row(
        FILE_OR_ARRAY,
        "image of factors of the gain",
        option="-gain_map",
        more="As an array: of the image's shape.",
    )
    offset: float | None = row(
        NUMBER, "offset of every pixel", unit="ADU", option="-offset", unset="the preset's, or 0"
    )
    dark_map: PathOrArray | None = row(
        FILE_OR_ARRAY,
        "image of offsets, added to offset",
        unit="ADU",
        option="-dark_map",
        more="As an array: of the image's shape.",
    )
    readout: float | None = row(
        NOT_NEGATIVE, "rms of the read-out noise", unit="ADU", option="-readout", unset="the preset's, or 0"
    )
    count_rate: CountRate | None = row(
        _COUNT_RATE,
        "what photons within the dead time do to a counting pixel",
        option="-count_rate",
        unset="the preset's, or paralyzable",
    )
    dead_time: float | None = row(
        NOT_NEGATIVE, "dead time of a counting pixel", unit="ns", option="-dead_time", unset="the preset's, or 0"
    )
    dead: float | None = row(FRACTION, "part of the pixels that reads 0", option="-dead", unset="0")
    hot: float | None = row(FRACTION, "part of the pixels that reads the highest value", option="-hot", unset="0")
    bad_pixels: PathOrArray | None = row(
        FILE_OR_ARRAY,
        "image of the bad pixels: 0 good, 1 dead, 2 hot",
        option="-bad_pixels",
        more="As an array: of the image's shape.",
    )
    bits: int | None = row(NATURAL, "bits of a value, 1 to 32", option="-bits", unset="the preset's, or 16")
    saturation: float | None = row(
        POSITIVE, "the highest value", unit="ADU", option="-saturation", unset="the preset's, or what the bits hold"
    )
    signed: bool | None = row(
        FLAG, "values below 0 are kept", option="-signed", unset="the preset's, or false: they become 0"
    )


class DetectorModel(Record):
    """A :class:`Response` made explicit: plain numbers, and maps as one array for each panel."""

    counting: bool
    flicker: float
    capture: float
    psf: PointSpread
    psf_fwhm: float
    """m"""
    psf_radius: int | None
    """pixels"""
    psf_kernel: NDArray[np.float64] | None
    """(odd, odd), of sum 1"""
    calibration: float
    calibration_seed: int
    gain: float
    """ADU per photon"""
    gain_map: tuple[NDArray[np.float32], ...] | None
    offset: float
    dark_map: tuple[NDArray[np.float32], ...] | None
    readout: float
    paralyzable: bool
    dead_time: float
    """As a part of the exposure."""
    dead: float
    hot: float
    bad_pixels: tuple[NDArray[np.uint8], ...] | None
    lowest: float
    highest: float
    """ADU, whole numbers"""


document(Response)
