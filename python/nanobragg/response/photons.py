"""Photons: a float image as a counting detector sees it (``specs/random.md``)."""

from __future__ import annotations

import operator
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, SupportsIndex

import numpy as np

from nanobragg.errors import InputError
from nanobragg.records.record import Record
from nanobragg.response.region import Roi, float_image, regions_of

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from nanobragg.records.panel import ScenePanel


class NoiseImage(Record):
    """An image of whole photons plus offset."""

    pixels: NDArray[np.uint16] | NDArray[np.int32]
    """Shape of the float image; 0 outside the region of interest."""
    photons: float
    """Sum of the photons, those above the limit of the pixels included."""
    overloads: int
    """Pixels above 65535, or above 2³¹ - 1 in an image of 32 bits."""
    seed: int
    """The seed used, to repeat the image."""


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
    gain: float = 1.0,
    panels: Sequence[ScenePanel] | None = None,
) -> NoiseImage:
    """Photons drawn for the means in ``image`` (slow, fast) or (panel, slow, fast), plus ``adc_offset``, as uint16.

    ``wide``: as int32, the same photons, up to 2³¹ - 1; what an offset takes below 0 is negative.

    ``exact`` is nanoBragg.c's serial generator: the same seed, the same bytes. A negative seed goes on from
    ``random_state`` (``Resolved.random_state``). ``fast`` is a counter-based generator in as many threads as wanted
    (0: all), with the same image for any number of them. Without ``seed`` the clock gives one. ``gain``: what a photon
    of the exact generator counts as, ADU. ``panels``: the Scene's, whose regions of interest take the place of ``roi``.

    Raises :class:`InputError` for an unknown generator, a seed beyond ±(2³¹ - 1) with ``exact`` or beyond 64 bits
    with ``fast``, or an image of another number of dimensions.
    """
    from nanobragg import _core

    pixels = np.ascontiguousarray(float_image(image, panels))
    limits = regions_of(pixels, roi, panels)
    if rng not in ("exact", "fast"):
        raise InputError(f"-noise_rng: found {rng!r}, expected exact or fast")
    exact = rng == "exact"
    if seed is None:
        seed = int(time.time()) if exact else time.time_ns()
    seed = _seed(seed, exact=exact)
    if exact:
        table = _core.RandomTable() if random_state is None else _core.RandomTable(_state(random_state))
        draw = _core.noise_exact_wide if wide else _core.noise_exact
        noisy, photons, overloads = draw(pixels, adc_offset, limits, _core.Stream(seed), table, gain)
    else:
        draw = _core.noise_fast_wide if wide else _core.noise_fast
        noisy, photons, overloads = draw(pixels, adc_offset, limits, seed % 2**64, threads)
    return NoiseImage(pixels=noisy, photons=photons, overloads=overloads, seed=seed)


def _seed(said: SupportsIndex, *, exact: bool) -> int:
    """The seed, in the range of its generator."""
    seed = _whole(said)
    if exact and abs(seed) > 2**31 - 1:
        raise InputError(f"-seed: found {seed}, expected a whole number from -2147483647 to 2147483647")
    if not -(2**63) <= seed < 2**64:
        raise InputError(f"-seed: found {seed}, expected a whole number of 64 bits")
    return seed


def _whole(seed: SupportsIndex) -> int:
    try:
        return operator.index(seed)
    except TypeError:
        raise InputError(f"-seed: found {seed!r}, expected a whole number") from None


def _state(numbers: Sequence[int]) -> list[int]:
    state = [int(number) for number in numbers]
    if len(state) != 33 or not all(0 <= number < 2**31 for number in state):
        raise InputError(f"random_state: found {str(state)[:60]}, expected RandomTable.state(), 33 numbers below 2^31")
    return state
