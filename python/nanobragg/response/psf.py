"""Point spread functions (``specs/noisify.md``, "Point spread")."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from nanobragg.errors import InputError
from nanobragg.records.noisify import PsfRules

if TYPE_CHECKING:
    from numpy.typing import NDArray

PsfShape = Literal["gauss", "fiber"]


class Spread(NamedTuple):
    """An image whose pixels have been spread."""

    image: NDArray[np.float32]
    largest: float | None
    """Largest pixel, where the radius is automatic."""
    radius: int | None
    """Radius for the largest pixel, or as given; ``None``: the whole image."""
    lost: float
    """Light beyond the radii."""
    empty: bool
    """There was nothing to spread."""


def spread(
    image: NDArray[np.float32], shape: PsfShape, width: float, radius: int, rules: PsfRules, *, threads: int = 0
) -> Spread:
    """``image`` (slow, fast) as noisify.c spreads it, to the last bit with the default ``rules``.

    Args:
        image: photons, float32.
        shape: ``gauss`` or ``fiber`` (Moffat).
        width: full width at half maximum, pixels.
        radius: pixels; 0: by each pixel's value; negative: only tails.
        rules: deviations of the original to keep.
        threads: 0: all processors; the result does not depend on them.

    """
    from nanobragg import _core

    pixels = np.ascontiguousarray(image, np.float32)
    out, largest, used, automatic, empty, lost = _core.spread(pixels, shape, width, radius, rules, threads)
    return Spread(out, largest if automatic else None, used, lost, empty)


def spread_linear(
    image: NDArray[np.float32],
    shape: PsfShape,
    width: float,
    radius: int | None,
    *,
    wrap: bool = False,
    normalised: bool = True,
    threads: int = 0,
) -> NDArray[np.float32]:
    """``image`` (slow, fast) convolved with one kernel for all pixels, by Fourier transforms of twice its size.

    What leaves the image is lost and nothing crosses its edges.

    Args:
        image: photons; negative ones too.
        shape: ``gauss`` or ``fiber``.
        width: full width at half maximum, pixels.
        radius: pixels; ``None``: the function over the whole image, whose integral over the plane is 1.
        wrap: light beyond the right edge by one pixel lands in column 0, one row down.
        normalised: the kernel within ``radius`` adds up to 1.
        threads: 0: all processors.

    Raises:
        InputError: without scipy.

    """
    from nanobragg import _core
    from nanobragg.io.support.extras import need

    fft = need("scipy", "-psf", module="scipy.fft", extra="response")
    slow, fast = image.shape
    reach = max(slow, fast) if radius is None else min(radius, max(slow, fast))
    kernel = _core.psf_kernel(shape, width, reach, radius is not None, threads)
    if radius is not None and normalised:
        kernel = kernel / kernel.sum()
    size = [fft.next_fast_len(length + 1 + min(reach, length), real=True) for length in (slow, fast)]
    workers = _core.thread_count(threads)
    product = fft.rfft2(image, size, workers=workers) * fft.rfft2(_placed(kernel, image.shape, size), workers=workers)
    whole = fft.irfft2(product, size, workers=workers)
    out = whole[:slow, :fast].copy()
    if wrap:
        out[1:, 0] += whole[: slow - 1, fast]
    return out.astype(np.float32)


def _placed(kernel: NDArray[np.float64], shape: tuple[int, int], size: list[int]) -> NDArray[np.float64]:
    """The kernel's part that reaches from one pixel to another, around the first pixel of a periodic plane."""
    reach = len(kernel) // 2
    plane = np.zeros(size)
    rows, columns = (np.arange(-min(reach, n), min(reach, n) + 1) for n in shape)
    plane[np.ix_(rows % size[0], columns % size[1])] = kernel[np.ix_(rows + reach, columns + reach)]
    return plane


def spread_with_quirks(
    image: NDArray[np.float32], shape: PsfShape, width: float, radius: int, quirks: frozenset[str], *, threads: int = 0
) -> Spread:
    """``image`` spread with the quirks of :data:`~nanobragg.records.noisify.NOISIFY_QUIRKS` that are on."""
    rules = PsfRules(
        wrap="psf_wraps_column" in quirks,
        tail="psf_tail_spread" in quirks,
        drop_negative="psf_drops_negative" in quirks,
        drop_faint="psf_drops_faint" in quirks,
        spread_nan="psf_nan_spreads" in quirks,
        conserve="psf_not_conserving" not in quirks,
    )
    if radius < 0 and "psf_radius_negative" not in quirks:
        raise InputError(f"-psf_radius: found {radius}, expected a positive number of pixels, or 0")
    one_kernel = radius == 0 and "psf_radius_by_brightness" not in quirks
    if not one_kernel:
        return spread(image, shape, width, radius, rules, threads=threads)
    given = np.asarray(image, np.float32)
    finite = np.where(np.isnan(given), 0.0, given) if not rules.spread_nan else given
    source = np.maximum(finite, np.float32(0.0)) if rules.drop_negative else finite
    out = spread_linear(source, shape, width, None, wrap=rules.wrap, threads=threads)
    out[np.isnan(given)] = np.nan
    return Spread(out, None, None, 0.0, False)
