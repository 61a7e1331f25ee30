"""Point spread functions as convolutions: linear, normalised, nothing wraps around (``specs/response.md``).

One panel at a time, by Fourier transforms in single precision of the panel and as many zeros as light goes far, so that
what leaves on one side does not come back on the other. What a fiber sends far varies slowly, and is computed on a
coarse grid: transforms of a quarter of the pixels are left.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from nanobragg import _core

if TYPE_CHECKING:
    from types import ModuleType

    from numpy.typing import NDArray

PsfShape = Literal["gauss", "fiber"]
_FIBER = 2.0 * math.sqrt(2.0 ** (2.0 / 3.0) - 1.0)
"""Full width at half maximum of a Moffat function of exponent 3/2, in units of its parameter g."""
_GAUSS = 2.0 * math.sqrt(2.0 * math.log(2.0))
"""The same of a Gaussian, in units of its rms."""
_LAST = 7.0
"""A Gaussian is followed to this many times its rms: 1e-11 of it is beyond."""
_NEAR = 128
"""Pixels beyond which the light of a fiber is on the coarse grid altogether, from none of it in the middle on."""
_WIDEST, _UNEVEN = 8.0, 1.5
"""Pixels, and largest ratio of the widths along the axes; of other functions the coarse grid would miss more than 2e-7
of an image's rms."""


class Spreading(NamedTuple):
    """A point spread function on the pixels of a panel."""

    shape: PsfShape
    width: tuple[float, float]
    """Full width at half maximum in pixels, along slow and fast."""
    radius: int | None
    """Pixels; the function within this radius is made to add up to 1. ``None``: the whole function, of which the part
    beyond the panel is lost."""


def spread_image(image: NDArray[np.float32], spreading: Spreading, threads: int = 0) -> NDArray[np.float32]:
    """``image`` (slow, fast) with the light of every pixel spread.

    Args:
        image: photons, finite; negative ones too.
        spreading: how.
        threads: 0: all processors.

    Raises:
        InputError: without scipy.

    """
    image = np.ascontiguousarray(image, np.float32)
    if not _reaches_far(spreading, _shape(image)):
        spectrum, size = whole_spectrum(spreading, _shape(image))
        return _multiplied(image, spectrum, size, threads)
    spectrum, size = _near_spectrum(spreading, _shape(image))
    out = _multiplied(image, spectrum, size, threads)
    coarse = _core.coarsen(image, threads)
    spectrum, size = _far_spectrum(spreading, _shape(coarse))
    _core.refine(_multiplied(coarse, spectrum, size, threads), out, threads)
    return out


def spread_by_kernel(image: NDArray[np.float32], kernel: NDArray[np.float64], threads: int = 0) -> NDArray[np.float32]:
    """The same by a kernel of the user's, (odd, odd), whose middle is where a pixel's light stays."""
    spectrum, size = kernel_spectrum(kernel, _shape(image), threads)
    return _multiplied(image, spectrum, size, threads)


def quadrant(spreading: Spreading, reach: tuple[int, int], step: int = 1) -> NDArray[np.float64]:
    """The function integrated over pixels, 0 … ``reach`` times ``step`` pixels from its middle along slow and fast.

    Gaussian: differences of error functions. Fiber: Moffat of exponent 3/2, g/2π (g² + r²)^(-3/2), by its integral over
    a corner at infinity, arctan(xy / g √(g² + x² + y²))/2π (Holton, Nielsen & Frankel, J. Synchrotron Rad. 19 (2012)
    1006-1011).
    """
    axes = [step * np.arange(r + 1) / w for r, w in zip(reach, spreading.width, strict=True)]
    half = [0.5 / w for w in spreading.width]
    if spreading.shape == "gauss":
        slow, fast = (_gauss(at, step) for at, step in zip(axes, half, strict=True))
        values = np.outer(slow, fast)
    else:
        values = _fiber(axes, half, beside=step == 1)
    if spreading.radius is None:
        return values
    square = np.add.outer(np.arange(reach[0] + 1.0) ** 2, np.arange(reach[1] + 1.0) ** 2)
    values[square > float(spreading.radius) ** 2] = 0.0
    often = np.outer(np.where(np.arange(reach[0] + 1), 2.0, 1.0), np.where(np.arange(reach[1] + 1), 2.0, 1.0))
    return values / (values * often).sum()


def _gauss(at: NDArray[np.float64], half: float) -> NDArray[np.float64]:
    """A Gaussian of unit width at half maximum over intervals around ``at``."""
    scale = _GAUSS / math.sqrt(2.0)
    return np.array([(math.erf((x + half) * scale) - math.erf((x - half) * scale)) / 2.0 for x in at])


def _fiber(axes: list[NDArray[np.float64]], half: list[float], *, beside: bool) -> NDArray[np.float64]:
    """The Moffat function of unit width at half maximum over the pixels around the places ``axes``."""
    g = 1.0 / _FIBER
    # Pixels beside each other share an edge; others have two each, and what is between them is left out.
    y, x = (
        np.append(at - h, at[-1] + h) if beside else np.stack([at - h, at + h], axis=1).ravel()
        for at, h in zip(axes, half, strict=True)
    )
    corner = np.add.outer(y * y, x * x + g * g)
    np.sqrt(corner, out=corner)
    np.divide(np.outer(y, x / g), corner, out=corner)
    np.arctan(corner, out=corner)
    every = 1 if beside else 2
    along = np.diff(corner, axis=1)[:, ::every]
    return np.diff(along, axis=0)[::every] / (2.0 * math.pi)


def _reaches_far(spreading: Spreading, shape: tuple[int, int]) -> bool:
    """Whether the coarse grid saves anything, and is as good as the whole transform."""
    widest = max(spreading.width)
    smooth = widest <= _WIDEST and widest <= _UNEVEN * min(spreading.width)
    return spreading.shape == "fiber" and spreading.radius is None and smooth and min(shape) >= 2 * _NEAR


def _far_part(reach: tuple[int, int], step: int) -> NDArray[np.float64]:
    """How much of a fiber's light is on the coarse grid: 0 in the middle, 1 from :data:`_NEAR` pixels on, smooth."""
    square = np.add.outer(np.arange(reach[0] + 1.0) ** 2, np.arange(reach[1] + 1.0) ** 2)
    t = np.minimum(np.sqrt(square, out=square) * (step / _NEAR), 1.0)
    return t**6 * (462.0 + t * (-1980.0 + t * (3465.0 + t * (-3080.0 + t * (1386.0 - t * 252.0)))))


def kernel_spectrum(
    kernel: NDArray[np.float64], shape: tuple[int, int], threads: int = 0
) -> tuple[NDArray[np.complex64], tuple[int, int]]:
    """The transform of a kernel of the user's, half of its columns, with the size of the image's transform."""
    reach = tuple(n // 2 for n in kernel.shape)
    size = _padded(shape, (reach[0], reach[1]))
    plane = np.zeros(size, np.float32)
    rows, columns = (np.arange(-r, r + 1) % n for r, n in zip(reach, size, strict=True))
    np.add.at(plane, np.ix_(rows, columns), kernel)
    return _fft().rfft2(plane, workers=_workers(threads)), size


@lru_cache(maxsize=4)
def whole_spectrum(spreading: Spreading, shape: tuple[int, int]) -> tuple[NDArray[np.float32], tuple[int, int]]:
    """The transform of the whole function, a quarter of its rows and columns since it is even, with the size of the
    image's transform.

    Raises :class:`InputError` without scipy.
    """
    reach = _reach(spreading, shape)
    return _even_transform(quadrant(spreading, reach), shape)


@lru_cache(maxsize=4)
def _near_spectrum(spreading: Spreading, shape: tuple[int, int]) -> tuple[NDArray[np.float32], tuple[int, int]]:
    """The same of what is on the pixels themselves."""
    reach = (_NEAR - 1, _NEAR - 1)
    return _even_transform(quadrant(spreading, reach) * (1.0 - _far_part(reach, 1)), shape)


@lru_cache(maxsize=4)
def _far_spectrum(spreading: Spreading, shape: tuple[int, int]) -> tuple[NDArray[np.float32], tuple[int, int]]:
    """The same of what is on the coarse grid of so many nodes."""
    reach = (shape[0] - 1, shape[1] - 1)
    step = _core.COARSE_STEP
    return _even_transform(quadrant(spreading, reach, step) * _far_part(reach, step), shape)


def _even_transform(
    quarter: NDArray[np.float64], shape: tuple[int, int]
) -> tuple[NDArray[np.float32], tuple[int, int]]:
    """The transform of a function that is real and even: rows and columns from 0 to half of the padded size."""
    size = _padded(shape, (quarter.shape[0] - 1, quarter.shape[1] - 1))
    plane = np.zeros((size[0] // 2 + 1, size[1] // 2 + 1))
    plane[: quarter.shape[0], : quarter.shape[1]] = quarter
    spectrum = _fft().dctn(plane, type=1, overwrite_x=True, workers=_workers(0)).astype(np.float32)
    spectrum.setflags(write=False)
    return spectrum, size


def _reach(spreading: Spreading, shape: tuple[int, int]) -> tuple[int, int]:
    """How far light may go from one pixel of the panel to another."""
    reach = [n - 1 for n in shape]
    if spreading.radius is not None:
        reach = [min(n, spreading.radius) for n in reach]
    elif spreading.shape == "gauss":
        reach = [min(n, math.ceil(_LAST / _GAUSS * w) + 1) for n, w in zip(reach, spreading.width, strict=True)]
    return reach[0], reach[1]


def _padded(shape: tuple[int, int], reach: tuple[int, int]) -> tuple[int, int]:
    """Even lengths with room for what leaves the panel, and for the function on both sides."""
    fft = _fft()
    slow, fast = (2 * fft.next_fast_len(max((n + r + 1) // 2, r)) for n, r in zip(shape, reach, strict=True))
    return slow, fast


def _multiplied(
    image: NDArray[np.float32],
    spectrum: NDArray[np.float32] | NDArray[np.complex64],
    size: tuple[int, int],
    threads: int,
) -> NDArray[np.float32]:
    """The image, its transform multiplied by ``spectrum``, rows of zeros left out where they can be."""
    fft, workers = _fft(), _workers(threads)
    slow, fast = image.shape
    waves = fft.rfft(np.asarray(image, np.float32), size[1], axis=1, workers=workers)
    waves = fft.fft(waves, size[0], axis=0, overwrite_x=True, workers=workers)
    if np.iscomplexobj(spectrum):
        waves *= spectrum
    else:
        middle = size[0] // 2
        waves[: middle + 1] *= spectrum
        waves[middle + 1 :] *= spectrum[middle - 1 : 0 : -1]
    waves = fft.ifft(waves, axis=0, overwrite_x=True, workers=workers)[:slow]
    return np.ascontiguousarray(fft.irfft(waves, size[1], axis=1, workers=workers)[:, :fast])


def _shape(image: NDArray[np.float32]) -> tuple[int, int]:
    return image.shape[0], image.shape[1]


def _workers(threads: int) -> int:
    return _core.thread_count(threads)


def _fft() -> ModuleType:
    from nanobragg.io.support.extras import need

    return need("scipy", "-psf", module="scipy.fft", extra="response")
