"""Photons that amorphous material scatters, and the profile back from an image (``specs/nonbragg.md``)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from nanobragg.errors import InputError
from nanobragg.records.record import Record

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from nanobragg.records.nonbragg import AmorphousScene

_EVALUATIONS = 1 << 26
"""Evaluations between two looks at the keyboard, well below a second."""
_ENOUGH = 100
"""A point of a profile needs more pixels than this."""
_FAR = 2
"""Points that stand before those of the table."""


class PixelFacts(Record):
    """What pixels had, arrays (slow, fast): of the last subpixel and source, or means over all of them."""

    stol: NDArray[np.float64]
    """sin θ/λ, 1/m."""
    polar: NDArray[np.float64]
    omega: NDArray[np.float64]
    """sr; with ``means`` 1, and ``polar`` is the mean of the product."""
    point: NDArray[np.int32]
    """Number of the table's last point at or below ``stol``, the two far points before the table counted."""
    means: bool


class Scattered(NamedTuple):
    """A rendered image."""

    image: NDArray[Any]
    """(slow, fast), photons per pixel; 0 outside the region of interest. float32, or float64 where that is wanted."""
    solid_angle: float
    """sr, the sum over all subpixels."""
    outside: int
    """Evaluations beyond the ends of the table."""
    facts: PixelFacts | None


def scatter(
    scene: AmorphousScene,
    *,
    threads: int = 0,
    facts: bool = False,
    means: bool = False,
    dtype: type[np.floating] = np.float32,
    progress: Callable[[float], object] | None = None,
) -> Scattered:
    """Render ``scene``; the result does not depend on ``threads`` (0: all processors).

    ``facts``: also what its pixels had, ``means``: as means. ``dtype``: of the image, which is computed in double
    precision. ``progress`` is called with the fraction done.
    """
    from nanobragg import _core

    slow, fast = scene.shape
    image = np.zeros(scene.shape, dtype)
    kept = _no_facts(scene.shape, means) if facts else None
    renderer = _core.AmorphousRenderer(scene)
    in_row = fast * max(len(scene.source_weight), 1) * scene.oversample**2
    rows = max(_EVALUATIONS // in_row, 1)
    for first in range(0, slow, rows):
        renderer.rows(first, min(first + rows, slow), image, threads, kept)
        if progress is not None:
            progress(min(first + rows, slow) / slow)
    return Scattered(image, renderer.solid_angle, renderer.outside, kept)


def _no_facts(shape: tuple[int, int], means: bool) -> PixelFacts:
    return PixelFacts(
        stol=np.zeros(shape),
        polar=np.zeros(shape),
        omega=np.zeros(shape),
        point=np.zeros(shape, np.int32),
        means=means,
    )


class ProfilePoint(NamedTuple):
    """One point of a profile that an image gives."""

    x: float
    """In the unit of the table."""
    mean: float
    """F, electrons."""
    deviation: float
    """rms deviation of F."""
    median: float
    median_deviation: float
    count: int
    """Pixels."""


class BackFromImage(NamedTuple):
    """A profile from an image."""

    points: list[ProfilePoint]
    """The points with enough pixels, in the order of the table."""
    sparse: list[ProfilePoint]
    """The others."""
    last_count: int
    """Pixels of the table's last point."""


def profile_from_image(
    scene: AmorphousScene,
    facts: PixelFacts,
    pixels: NDArray[np.uint16],
    *,
    unit: float,
    offset: float,
    gain: float,
    ignore: tuple[int, ...],
    quirks: frozenset[str],
) -> BackFromImage:
    """Structure factors from the pixels of an image (``specs/nonbragg.md``, "An image in").

    Args:
        scene: whose geometry is the image's.
        facts: of its pixels.
        pixels: the image; it is read flat, and may be larger than the scene's.
        unit: 1/m in one of the table's x.
        offset: ADU of no photon.
        gain: ADU per photon.
        ignore: values that do not count.
        quirks: those that are on.

    Raises:
        InputError: when the table's search ran off its end.

    """
    values = pixels.ravel()[: facts.stol.size].reshape(scene.shape)
    stol_of = np.concatenate(([-1e99, -1e98], scene.profile_stol, [1e98, 1e99]))
    bins = _bins(scene, facts, values, stol_of, ignore)
    amplitudes = _amplitudes(scene, facts, values, offset, gain, quirks)
    found = _Found(bins, amplitudes, len(stol_of), _region(scene), quirks)
    points, sparse = [], []
    for number in range(_FAR, len(stol_of) - _FAR):
        point = found.point(number, stol_of[number] / unit)
        (points if point.count > _ENOUGH else sparse).append(point)
    return BackFromImage(points, sparse, int(found.count[len(stol_of) - _FAR - 1]))


def _region(scene: AmorphousScene) -> NDArray[np.bool_]:
    """The rendered pixels."""
    inside = np.zeros(scene.shape, bool)
    x0, x1, y0, y1 = scene.roi
    inside[y0 : max(y1 + 1, y0), x0 : max(x1 + 1, x0)] = True
    return inside


def _bins(
    scene: AmorphousScene,
    facts: PixelFacts,
    values: NDArray[np.uint16],
    stol_of: NDArray[np.float64],
    ignore: tuple[int, ...],
) -> NDArray[np.int32]:
    """The point that each pixel belongs to; 0: none."""
    inside = _region(scene)
    point = facts.point
    if (point[inside] >= len(stol_of) - 1).any():
        raise InputError("-img: found a search beyond the end of the table, expected sources of finite wavelengths")
    with np.errstate(invalid="ignore"):
        nearer = facts.stol > (stol_of[point] + stol_of[point + 1]) / 2.0
    used = inside & ~np.isin(values, np.array(ignore, np.int64))
    return np.where(used, point + nearer, 0).astype(np.int32)


def _amplitudes(
    scene: AmorphousScene,
    facts: PixelFacts,
    values: NDArray[np.uint16],
    offset: float,
    gain: float,
    quirks: frozenset[str],
) -> NDArray[np.float32]:
    with np.errstate(all="ignore"):
        delta = ((values.astype(np.float64) - offset) / gain).astype(np.float32)
        square = np.abs(delta).astype(np.float64) / facts.polar / facts.omega / scene.fluence / scene.cross_section
        square /= scene.molecules
        if "stolout_times_steps" in quirks:
            square *= scene.steps
        sign = np.where(delta < 0.0, -1.0, 1.0)
        amplitude = (sign * np.sqrt(square)).astype(np.float32)
    return np.where(_region(scene), amplitude, np.float32(0.0))


class _Found:
    """The values of every bin."""

    def __init__(
        self,
        bins: NDArray[np.int32],
        amplitudes: NDArray[np.float32],
        size: int,
        inside: NDArray[np.bool_],
        quirks: frozenset[str],
    ) -> None:
        from nanobragg import _core

        self.quirks = quirks
        used, numbers = amplitudes[inside], bins[inside]
        self.count = np.bincount(numbers, minlength=size)
        # Pixels outside the region overflow from bin 0 to where others' values stand.
        laid, where = (amplitudes, bins) if "roi_spoils_stolout" in quirks else (used, numbers)
        self.mean, self.deviation, self._values = _core.binned_profile(
            np.ascontiguousarray(laid), np.ascontiguousarray(where), self.count.tolist()
        )
        self._ends = np.cumsum(self.count)

    def point(self, number: int, x: float) -> ProfilePoint:
        count = int(self.count[number])
        values = self._values[self._ends[number] - count : self._ends[number]].astype(np.float64)
        mean, deviation, median, spread = float(self.mean[number]), float(self.deviation[number]), 0.0, 0.0
        if count and "stolout_columns" not in self.quirks:
            median = float(np.median(values))
            spread = float(np.median(np.abs(values - median)))
        if count and "stolout_mean_of_F" not in self.quirks:
            square = float(np.mean(values * np.abs(values)))
            mean = float(np.copysign(np.sqrt(abs(square)), square))
            deviation = float(np.sqrt(np.mean((values - mean) ** 2)))
        return ProfilePoint(float(x), mean, deviation, median, spread, count)
