"""From expected photons to detector counts, as noisify.c goes (``specs/noisify.md``)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from nanobragg.records.noisify import CountingModel, ReadoutModel
from nanobragg.response.psf import PsfShape, Spread, spread_with_quirks

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Detector:
    """What a detector does to photons."""

    flicker: float
    calibration: float
    """Relative rms."""
    psf: PsfShape | None
    psf_width: float
    """Full width at half maximum, pixels."""
    psf_radius: int
    gain: float
    """ADU per photon."""
    offset: float
    readout: float
    """ADU."""
    bits: int
    seed: int
    calibration_state: int
    quirks: frozenset[str]


class Counted(NamedTuple):
    """An image with noise."""

    pixels: NDArray[np.uint16] | NDArray[np.uint32]
    photons_before_psf: float
    spread: Spread | None
    photons: float
    """Sum after the point spread."""
    overloads: int


def blurred(photons: NDArray[np.float32], detector: Detector, threads: int = 0) -> Spread | None:
    """Photons after the point spread; ``None`` without one."""
    if detector.psf is None or detector.psf_width <= 0.0:
        return None
    return spread_with_quirks(
        photons, detector.psf, detector.psf_width, detector.psf_radius, detector.quirks, threads=threads
    )


def _readout_model(detector: Detector) -> ReadoutModel:
    return ReadoutModel(
        gain=detector.gain,
        offset=detector.offset,
        readout=detector.readout,
        bits=32 if detector.bits == 32 else 16,
        round="truncation" not in detector.quirks,
        clamp="negative_wraps" not in detector.quirks,
    )


def without_noise(
    photons: NDArray[np.float32], detector: Detector, threads: int = 0
) -> tuple[NDArray[np.uint16] | NDArray[np.uint32], NDArray[np.uint8]]:
    """Whole numbers of photons without noise, and as grey levels."""
    from nanobragg import _core

    model = _readout_model(detector)
    if model.bits == 32 and "int_clamped_at_65535" in detector.quirks:
        model = replace(model, most=65535.0)
    pixels = _core.whole_numbers(photons, model, threads)
    narrow = pixels
    if model.bits == 32:
        narrow = _core.whole_numbers(photons, replace(model, bits=16), threads)
    return pixels, np.minimum(narrow, 255).astype(np.uint8)


def with_noise(photons: NDArray[np.float32], detector: Detector, threads: int = 0) -> Counted:
    """Counts drawn for the expected ``photons`` (slow, fast), with the original's random numbers."""
    from nanobragg import _core

    quirks, calibrated = detector.quirks, detector.calibration > 0.0
    counting = CountingModel(
        flicker=detector.flicker,
        calibration=detector.calibration,
        flicker_per_pixel="flicker_per_pixel" in quirks,
        shared_calibration="calibration_not_static" in quirks and "calibration_before_counting" in quirks,
        calibration_first="calibration_before_counting" in quirks,
        may_be_negative="negative_factor" in quirks,
        exact_counting="poisson_float32" not in quirks,
        whole="large_means_not_whole" not in quirks,
        minus_one_first="minus_one_first" in quirks,
    )
    noise = _core.DetectorNoise(detector.seed, detector.calibration_state)
    errors = None
    if calibrated and not counting.shared_calibration:
        errors = _core.calibration_map(detector.calibration_state, photons.shape)
    drawn, before = noise.photons(photons, counting, errors)
    spread = blurred(drawn, detector, threads)
    recorded = drawn if spread is None else spread.image
    if errors is not None and not counting.calibration_first:
        recorded = recorded * _factors(errors, counting)
    pixels, total, overloads = noise.counts(recorded, _readout_model(detector))
    return Counted(pixels, before, spread, total, overloads)


def _factors(errors: NDArray[np.float32], counting: CountingModel) -> NDArray[np.float32]:
    """The gains of pixels, of mean 1."""
    sigma = counting.calibration
    if counting.may_be_negative:
        return (1.0 + sigma * errors.astype(np.float64)).astype(np.float32)
    width = np.sqrt(np.log1p(sigma * sigma))
    return np.exp(width * errors.astype(np.float64) - 0.5 * width * width).astype(np.float32)
