"""What happens to a float image after it is made: statistics, whole numbers, grey levels, photons.

``specs/physics.md`` ("After the image") and ``specs/random.md``. Comparisons with NaN are C's: false.
"""

from __future__ import annotations

import operator
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, SupportsIndex

import numpy as np

from nanobragg.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

Roi = tuple[int, int, int, int]
"""fast first, fast last, slow first, slow last, inclusive; may reach beyond the image"""

_BLOCK = 1 << 19
"""pixels handled at once: the temporaries stay in the cache"""


@dataclass(frozen=True, kw_only=True)
class Statistics:
    """Statistics of the region of interest, photons per pixel."""

    mean: float
    """Over the pixels that are not masked."""
    rms: float
    """sqrt(sum p² / (n - 1)), over the same."""
    rmsd: float
    """sqrt(sum (p - mean)² / (n - 1)), over all pixels, masked ones as 0."""
    maximum: float
    """Largest pixel that is not masked; 0 if none is above 0."""
    maximum_at: tuple[int, ...] | None
    """Its index, (slow, fast) or (panel, slow, fast), the first in reading order; ``None`` when the maximum is 0."""


@dataclass(frozen=True, kw_only=True, eq=False)
class NoiseImage:
    """An image of whole photons plus offset."""

    pixels: NDArray[np.uint16] | NDArray[np.int32]
    """Shape of the float image; 0 outside the region of interest."""
    photons: float
    """Sum of the photons, those above the limit of the pixels included."""
    overloads: int
    """Pixels above 65535, or above 2³¹ - 1 in an image of 32 bits."""
    seed: int
    """The seed used, to repeat the image."""


def statistics(
    image: ArrayLike, roi: Roi | None = None, mask: ArrayLike | None = None, *, threads: int = 0
) -> Statistics:
    """Statistics of ``image`` (slow, fast) or (panel, slow, fast) within ``roi``.

    Pixels where ``mask`` (the image's shape, or one panel's) is 0 are left out as :class:`Statistics` says.
    Squares are rounded to float32, as nanoBragg.c's are; sums are double, and do not depend on ``threads``.
    """
    from nanobragg import _core

    pixels = np.ascontiguousarray(_image(image))
    used = None if mask is None else np.broadcast_to(np.asarray(mask) != 0, pixels.shape).astype(np.uint8)
    limits = _limits(pixels, roi)
    mean, rms, rmsd, maximum, at = _core.statistics(pixels, limits, used, threads)
    index = None if at < 0 else tuple(int(i) for i in np.unravel_index(at, pixels.shape))
    return Statistics(mean=mean, rms=rms, rmsd=rmsd, maximum=maximum, maximum_at=index)


def integer_scale(scale: float | None, maximum: float) -> float:
    """The scale of the integer image: ``scale`` if it is positive; else the maximum becomes 55000."""
    if scale is not None and not scale <= 0.0:
        return float(scale)
    return 55000.0 / maximum if maximum > 0.0 else 1.0


def pgm_scale(scale: float | None, rmsd: float, int_scale: float) -> float:
    """The scale of the grey levels: ``scale`` if it is positive; else five times ``rmsd`` becomes 250."""
    if scale is not None and not scale <= 0.0:
        return float(scale)
    return 250.0 / (5.0 * rmsd) if rmsd > 0.0 else int_scale


def to_integers(
    image: ArrayLike,
    scale: float | None = None,
    adc_offset: float = 40.0,
    roi: Roi | None = None,
    maximum: float | None = None,
    *,
    wide: bool = False,
    threads: int = 0,
) -> NDArray[np.uint16] | NDArray[np.int32]:
    """``floor(float32(p·scale + adc_offset + ½))``, clamped to 0…65535; 0 outside ``roi``, and for NaN.

    ``wide``: int32 instead of uint16, the same up to 65535, and above that up to 2³¹ - 1 without float32 in between.

    Without a positive ``scale`` it is that of :func:`integer_scale` for ``maximum`` (default: the image's within
    ``roi``).
    """
    from nanobragg import _core

    pixels = np.ascontiguousarray(_image(image))
    if (scale is None or scale <= 0.0) and maximum is None:
        maximum = statistics(pixels, roi, threads=threads).maximum
    factor = integer_scale(scale, 0.0 if maximum is None else maximum)
    convert = _core.integers_wide if wide else _core.integers
    return convert(pixels, factor, adc_offset, _limits(pixels, roi), threads)


def to_pgm_bytes(image: ArrayLike, scale: float, roi: Roi | None = None) -> NDArray[np.uint8]:
    """``trunc(min(255, p·scale))``, 0 outside ``roi`` and for NaN; negative values wrap around, as in nanoBragg.c."""
    pixels = _image(image)
    result = np.zeros(pixels.shape, np.uint8)
    with np.errstate(over="ignore", invalid="ignore"):
        for block in _blocks(pixels.shape, roi):
            values = pixels[block].astype(np.float64)
            values *= scale
            values[~(values > -2147483649.0)] = 0.0  # NaN, and what no 32-bit integer holds
            np.fmin(values, 255.0, out=values)
            result[block] = values.astype(np.int32).astype(np.uint8)
    return result


def poisson_noise(
    image: ArrayLike,
    *,
    seed: int | None = None,
    rng: Literal["exact", "fast"] = "exact",
    adc_offset: float = 40.0,
    roi: Roi | None = None,
    random_state: Sequence[int] | None = None,
    wide: bool = False,
    threads: int = 0,
) -> NoiseImage:
    """Photons drawn for the means in ``image`` (slow, fast) or (panel, slow, fast), plus ``adc_offset``, as uint16.

    ``wide``: as int32, the same photons, up to 2³¹ - 1; what an offset takes below 0 is negative.

    ``exact`` is nanoBragg.c's serial generator: the same seed, the same bytes. A negative seed goes on from
    ``random_state`` (``Resolved.random_state``). ``fast`` is a counter-based generator in as many threads as wanted
    (0: all), with the same image for any number of them. Without ``seed`` the clock gives one.

    Raises :class:`InputError` for an unknown generator, a seed beyond ±(2³¹ - 1) with ``exact`` or beyond 64 bits
    with ``fast``, or an image of another number of dimensions.
    """
    from nanobragg import _core

    pixels = np.ascontiguousarray(_image(image))
    if seed is None:
        seed = int(time.time()) if rng == "exact" else time.time_ns()
    seed = _whole(seed)
    limits = _limits(pixels, roi)
    if rng == "exact":
        if abs(seed) > 2**31 - 1:
            raise InputError(f"-seed: found {seed}, expected a whole number from -2147483647 to 2147483647")
        table = _core.RandomTable() if random_state is None else _core.RandomTable(_state(random_state))
        draw = _core.noise_exact_wide if wide else _core.noise_exact
        noisy, photons, overloads = draw(pixels, adc_offset, limits, _core.Stream(seed), table)
    elif rng == "fast":
        if not -(2**63) <= seed < 2**64:
            raise InputError(f"-seed: found {seed}, expected a whole number of 64 bits")
        draw = _core.noise_fast_wide if wide else _core.noise_fast
        noisy, photons, overloads = draw(pixels, adc_offset, limits, seed % 2**64, threads)
    else:
        raise InputError(f"-noise_rng: found {rng!r}, expected exact or fast")
    return NoiseImage(pixels=noisy, photons=photons, overloads=overloads, seed=seed)


def _whole(seed: SupportsIndex) -> int:
    try:
        return operator.index(seed)
    except TypeError:
        raise InputError(f"-seed: found {seed!r}, expected a whole number") from None


def _limits(pixels: NDArray[np.float32], roi: Roi | None) -> list[int]:
    """The region; one far beyond any image must still fit in 64 bits."""
    return [min(max(x, -(2**62)), 2**62) for x in (roi if roi is not None else _everything(pixels.shape))]


def _state(numbers: Sequence[int]) -> list[int]:
    state = [int(number) for number in numbers]
    if len(state) != 33 or not all(0 <= number < 2**31 for number in state):
        raise InputError(f"random_state: found {str(state)[:60]}, expected RandomTable.state(), 33 numbers below 2^31")
    return state


def _image(image: ArrayLike) -> NDArray[np.float32]:
    pixels = np.asarray(image, dtype=np.float32)
    if pixels.ndim not in (2, 3):
        raise InputError(f"image: found shape {pixels.shape}, expected (slow, fast) or (panel, slow, fast)")
    return pixels


def _everything(shape: tuple[int, ...]) -> Roi:
    return 0, shape[-1] - 1, 0, shape[-2] - 1


def _blocks(shape: tuple[int, ...], roi: Roi | None) -> Iterator[tuple[int | slice, ...]]:
    """Indices of groups of rows that cover ``roi`` of every panel, in reading order."""
    fast_first, fast_last, slow_first, slow_last = _everything(shape) if roi is None else roi
    begin, end = max(slow_first, 0), min(slow_last + 1, shape[-2])
    columns = slice(max(fast_first, 0), min(fast_last + 1, shape[-1]))
    if columns.stop <= columns.start:
        return
    rows = max(1, _BLOCK // (columns.stop - columns.start))
    panels: list[tuple[int, ...]] = [(panel,) for panel in range(shape[0])] if len(shape) == 3 else [()]
    for panel in panels:
        for first in range(begin, end, rows):
            yield (*panel, slice(first, min(first + rows, end)), columns)
