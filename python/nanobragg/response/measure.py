"""From expected photons to counts, stage by stage (``specs/response.md``).

A stage is a function of the pixels of one panel, (slow, fast), and gives as many. Random numbers depend on seed, shot,
stage, panel and pixel alone, so that neither threads nor the order of panels and images make a difference.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Iterator, Sequence
from enum import IntEnum
from functools import lru_cache
from statistics import NormalDist
from typing import TYPE_CHECKING, NamedTuple, SupportsIndex

import numpy as np

from nanobragg import _core
from nanobragg.errors import InputError
from nanobragg.response.convolution import Spreading, spread_by_kernel, spread_image
from nanobragg.response.region import regions_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from nanobragg.records.response import DetectorModel

    Floats = NDArray[np.float32]

STAGES = ("expected", "photons", "recorded")
"""Truth that can be asked for: the means of the counting, the photons drawn, the photons that are digitized."""


class Stream(IntEnum):
    """Which random numbers; the numbers are part of what a seed means."""

    FLICKER = 2
    COUNTING = 3
    CALIBRATION = 4
    BAD_PIXELS = 5
    COUNT_RATE = 6
    READOUT = 7


class Shot(NamedTuple):
    """An image of a series."""

    seed: int
    """0 to 2⁶⁴ - 1."""
    number: int

    def key(self, stream: Stream, panel: int) -> int:
        """The key of one stream of random numbers."""
        return _core.measurement_key(self.seed, self.number, int(stream), panel)


class Measured(NamedTuple):
    """The counts of one panel, and how they came about."""

    counts: NDArray[np.int32]
    """(slow, fast)"""
    photons: float
    """Sum of the photons that were drawn."""
    overloads: int
    """Pixels above the highest value, the bad ones not counted."""
    stages: dict[str, Floats]
    """By the names of :data:`STAGES`, where they were asked for."""


def measure_panel(
    expected: Floats,
    model: DetectorModel,
    shot: Shot,
    *,
    panel: int = 0,
    pixel_size: tuple[float, float] = (1e-4, 1e-4),
    stages: bool = False,
    threads: int = 0,
) -> Measured:
    """Counts of one panel for the expected photons.

    Args:
        expected: (slow, fast) photons; NaN counts as 0.
        model: the detector.
        shot: seed, and number of the image in its series.
        panel: number of the panel in the detector.
        pixel_size: m, along fast and slow.
        stages: keep the truth of every stage.
        threads: 0: all processors; the counts do not depend on them.

    Raises:
        InputError: for a point spread without scipy.

    """
    means = _means(expected, model, shot, panel, threads)
    if model.counting:
        means = _spread(means, model, pixel_size, threads)
    drawn, total, _ = _core.noise_fast_photons(
        means, 0.0, regions_of(means, None), shot.key(Stream.COUNTING, panel), threads
    )
    kept = {"expected": means, "photons": drawn} if stages else {}
    del means  # an image is let go as soon as the next one is there
    recorded = drawn
    del drawn
    if model.counting:
        recorded = _counted(recorded, model, shot.key(Stream.COUNT_RATE, panel), threads)
    else:
        recorded = _spread(recorded, model, pixel_size, threads)
        recorded = _calibrated(recorded, model, panel, threads)
    counts, overloads = _digitized(recorded, model, shot.key(Stream.READOUT, panel), panel, threads)
    if stages:
        kept["recorded"] = recorded
    del recorded
    return Measured(_with_bad_pixels(counts, model, panel, threads), total, overloads, kept)


def _means(expected: Floats, model: DetectorModel, shot: Shot, panel: int, threads: int) -> Floats:
    """What the photons are drawn of: the source's flicker, what is captured, how well a pixel counts."""
    factor = source_factor(model, shot)
    means = np.ascontiguousarray(expected, np.float32)
    if factor != 1.0:
        means = means * factor
    if model.counting:
        means = _calibrated(means, model, panel, threads)
    return means


def source_factor(model: DetectorModel, shot: Shot) -> np.float32:
    """What all means of an image are multiplied by: the source's flicker, and the part that is captured."""
    factor = model.capture
    if model.flicker > 0.0:
        deviate = float(_core.normal_deviates(shot.key(Stream.FLICKER, 0), (1,), 1)[0])
        factor *= float(log_normal(model.flicker, np.array([deviate]))[0])
    return np.float32(factor)


def _digitized(
    photons: Floats, model: DetectorModel, key: int, panel: int, threads: int
) -> tuple[NDArray[np.int32], int]:
    """Whole numbers, and how many are above the highest value."""
    return _core.digitize(
        photons,
        model.gain,
        model.offset,
        model.readout,
        model.lowest,
        model.highest,
        key,
        None if model.gain_map is None else model.gain_map[panel],
        None if model.dark_map is None else model.dark_map[panel],
        threads,
    )


def log_normal(sigma: float, deviates: NDArray[np.floating]) -> NDArray[np.float64]:
    """Factors of mean 1 and rms ``sigma``, never negative, from deviates of mean 0 and rms 1."""
    width = math.sqrt(math.log1p(sigma * sigma))
    return np.exp(width * np.asarray(deviates, np.float64) - 0.5 * width * width)


# ---- calibration ------------------------------------------------------------------------------------------


def calibration_factors(model: DetectorModel, panel: int, shape: tuple[int, int], threads: int = 0) -> Floats:
    """The factor of every pixel, the same in every image of the detector."""
    return _factors(model.calibration, model.calibration_seed % 2**64, panel, shape, threads)


@lru_cache(maxsize=16)
def _factors(sigma: float, seed: int, panel: int, shape: tuple[int, int], threads: int) -> Floats:
    factors = _core.normal_deviates(Shot(seed, 0).key(Stream.CALIBRATION, panel), shape, threads)
    for rows in _bands(shape):
        factors[rows] = log_normal(sigma, factors[rows])
    factors.setflags(write=False)
    return factors


def _calibrated(image: Floats, model: DetectorModel, panel: int, threads: int) -> Floats:
    if not model.calibration > 0.0:
        return image
    return image * calibration_factors(model, panel, _shape(image), threads)


# ---- point spread -----------------------------------------------------------------------------------------


def _spread(image: Floats, model: DetectorModel, pixel_size: tuple[float, float], threads: int) -> Floats:
    if model.psf_kernel is not None:
        return spread_by_kernel(_finite(image), model.psf_kernel, threads)
    spreading = spreading_of(model, pixel_size)
    return image if spreading is None else spread_image(_finite(image), spreading, threads)


def spreading_of(model: DetectorModel, pixel_size: tuple[float, float]) -> Spreading | None:
    """The detector's function on a panel's pixels, (fast, slow) in m; not a kernel of the user's."""
    if model.psf == "none":
        return None
    return Spreading(model.psf, (model.psf_fwhm / pixel_size[1], model.psf_fwhm / pixel_size[0]), model.psf_radius)


def _finite(image: Floats) -> Floats:
    """The image with 0 for what is no number: one of them would spread to all pixels."""
    return image if math.isfinite(float(image.sum(dtype=np.float64))) else np.nan_to_num(image, nan=0.0)


# ---- count rate -------------------------------------------------------------------------------------------


def _counted(photons: Floats, model: DetectorModel, key: int, threads: int) -> Floats:
    """What a counter with a dead time makes of the photons that came within the exposure."""
    if not model.dead_time > 0.0:
        return photons
    return _core.with_dead_time(photons, model.dead_time, model.paralyzable, key, threads)


# ---- bad pixels -------------------------------------------------------------------------------------------


def _with_bad_pixels(counts: NDArray[np.int32], model: DetectorModel, panel: int, threads: int) -> NDArray[np.int32]:
    kinds = bad_pixels(model, panel, _shape(counts), threads)
    if kinds is not None:
        counts[kinds == 1] = 0
        counts[kinds == 2] = int(model.highest)
    return counts


def bad_pixels(model: DetectorModel, panel: int, shape: tuple[int, int], threads: int = 0) -> NDArray[np.uint8] | None:
    """1 for dead pixels, 2 for hot ones, else 0; ``None`` where there are none. The same in every image."""
    listed = None if model.bad_pixels is None else model.bad_pixels[panel]
    if model.dead <= 0.0 and model.hot <= 0.0:
        return listed
    drawn = _drawn_bad_pixels(model.dead, model.hot, model.calibration_seed % 2**64, panel, shape, threads)
    return drawn if listed is None else np.where(listed != 0, listed, drawn)


@lru_cache(maxsize=16)
def _drawn_bad_pixels(
    dead: float, hot: float, seed: int, panel: int, shape: tuple[int, int], threads: int
) -> NDArray[np.uint8]:
    deviates = _core.normal_deviates(Shot(seed, 0).key(Stream.BAD_PIXELS, panel), shape, threads)
    kinds = np.zeros(shape, np.uint8)
    kinds[deviates < _quantile(dead)] = 1
    kinds[deviates > -_quantile(hot)] = 2
    return kinds


def _quantile(part: float) -> float:
    """The deviate below which this part of them is."""
    return -math.inf if part <= 0.0 else math.inf if part >= 1.0 else NormalDist().inv_cdf(part)


def _bands(shape: tuple[int, int]) -> Iterator[slice]:
    """Rows that are taken together, of some 2¹⁶ pixels: what is computed in double precision takes little memory."""
    rows = max(1, 2**16 // max(shape[1], 1))
    return (slice(first, first + rows) for first in range(0, shape[0], rows))


def _shape(image: NDArray[np.float32] | NDArray[np.int32]) -> tuple[int, int]:
    return image.shape[0], image.shape[1]


# ---- whole images -----------------------------------------------------------------------------------------


class Counts(NamedTuple):
    """The counts of all panels."""

    panels: list[NDArray[np.int32]]
    photons: float
    overloads: int
    stages: dict[str, list[Floats]]


def measure(
    panels: Sequence[Floats],
    model: DetectorModel,
    shot: Shot,
    pixel_sizes: Sequence[tuple[float, float]],
    *,
    stages: bool = False,
    threads: int = 0,
) -> Counts:
    """Counts of all panels, arrays (slow, fast) in the detector's order; see :func:`measure_panel`."""
    found = [
        measure_panel(image, model, shot, panel=number, pixel_size=size, stages=stages, threads=threads)
        for number, (image, size) in enumerate(zip(panels, pixel_sizes, strict=True))
    ]
    kept = {name: [each.stages[name] for each in found] for name in STAGES} if stages else {}
    return Counts(
        [each.counts for each in found],
        math.fsum(each.photons for each in found),
        sum(each.overloads for each in found),
        kept,
    )


def shot_of(seed: SupportsIndex, number: SupportsIndex) -> Shot:
    """Seed and number of a shot, checked.

    Raises :class:`InputError` for what is no whole number of 64 bits, and for a negative number of a shot.
    """
    wanted, shot = _whole("seed", seed), _whole("shot", number)
    if not -(2**63) <= wanted < 2**64:
        raise InputError(f"-seed: found {wanted}, expected a whole number of 64 bits")
    if not 0 <= shot < 2**64:
        raise InputError(f"-shot: found {shot}, expected a whole number, 0 or more")
    return Shot(wanted % 2**64, shot)


def _whole(name: str, value: SupportsIndex) -> int:
    try:
        return operator.index(value)
    except TypeError:
        raise InputError(f"-{name}: found {value!r}, expected a whole number") from None
