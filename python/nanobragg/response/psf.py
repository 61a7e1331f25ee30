"""Point spread functions (``specs/noisify.md``, "Point spread")."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from nanobragg.errors import InputError
from nanobragg.records.noisify import PsfRules
from nanobragg.response.convolution import PsfShape, Spreading, spread_image

if TYPE_CHECKING:
    from numpy.typing import NDArray


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
    threads: int = 0,
) -> NDArray[np.float32]:
    """``image`` (slow, fast) convolved with one function for all pixels (:mod:`nanobragg.response.convolution`).

    What leaves the image is lost and nothing crosses its edges.

    Args:
        image: photons; negative ones too.
        shape: ``gauss`` or ``fiber``.
        width: full width at half maximum, pixels.
        radius: pixels, within which the function is made to add up to 1; ``None``: the function over the whole image,
            whose integral over the plane is 1.
        wrap: light beyond the right edge by one pixel lands in column 0, one row down.
        threads: 0: all processors.

    Raises:
        InputError: without scipy.

    """
    spreading = Spreading(shape, (width, width), radius)
    if not wrap:
        return spread_image(image, spreading, threads)
    wider = spread_image(np.pad(image, ((0, 0), (0, 1))), spreading, threads)
    out = np.ascontiguousarray(wider[:, :-1])
    out[1:, 0] += wider[:-1, -1]
    return out


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
