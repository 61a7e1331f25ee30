"""The detector's point spread on the pixels that are compared alone, of images and of their derivatives alike.

Light comes from pixels around them, too, which are rendered besides. All is in double precision and in blocks of some
dozen pixels, by Fourier transforms (overlap-save: T. G. Stockham, *AFIPS Proc.* **28** (1966) 229-233), so that
shoeboxes on a large detector cost what they cover.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from nanobragg.records.panel import panel_views
from nanobragg.response.convolution import quadrant
from nanobragg.response.measure import spreading_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from nanobragg.records.panel import ScenePanel
    from nanobragg.records.response import DetectorModel

    Array = NDArray[np.float64]

_FAR = 32
"""Pixels: light that goes further is left to the background, which is as smooth."""
_LOST = 1e-4
"""a part of the light that need not be followed, either"""
_FEW = 32
"""pixels of a block besides four times the reach"""


def kernels_of(model: DetectorModel, panels: Sequence[ScenePanel]) -> tuple[list[Array], list[str]]:
    """Where the light of a pixel goes on each panel, (odd, odd), and what of it is left aside; without a point spread
    there are none.

    Panels whose pixels have one size share an array.
    """
    by_size: dict[tuple[float, float], Array] = {}
    for panel in panels:
        size = (panel.pixel_size[0], panel.pixel_size[1])
        spreading = spreading_of(model, size)
        if model.psf_kernel is not None:
            by_size[size] = next(iter(by_size.values()), model.psf_kernel)
        elif spreading is not None and size not in by_size:
            reach = _FAR if spreading.radius is None else spreading.radius
            quarter = quadrant(spreading, (reach, reach))
            half = np.concatenate([quarter[:0:-1], quarter])
            by_size[size] = np.concatenate([half[:, :0:-1], half], axis=1)
    near = {size: _near(kernel) for size, kernel in by_size.items()}
    lost = max((1.0 - float(kernel.sum()) for kernel in near.values()), default=0.0)
    notes = [f"point spread: {100 * lost:.2g} % of the light, beyond {_FAR} pixels, is left to the background"]
    return [near[panel.pixel_size] for panel in panels if near], notes if lost > 10.0 * _LOST else []


def _near(kernel: Array) -> Array:
    """The middle of a kernel, in which all of it is but what need not be followed."""
    middle, near = [n // 2 for n in kernel.shape], kernel
    for reach in range(_FAR + 1):
        near = kernel[tuple(slice(max(m - reach, 0), m + reach + 1) for m in middle)]
        if float(np.abs(kernel).sum() - np.abs(near).sum()) <= _LOST:
            break
    return near


class _Blocks(NamedTuple):
    """The blocks of panels with one kernel."""

    spectrum: NDArray[np.complex128]
    """(B, C // 2 + 1)"""
    light: NDArray[np.intp]
    """(b, B, C) which of the rendered pixels is there; their number where none is"""
    places: NDArray[np.intp]
    """(k,) in the flat blocks, of those pixels that are compared"""
    numbers: NDArray[np.intp]
    """(k,) which of the m they are"""


class Spread:
    """The point spread of an image.

    Args:
        panels: of the image.
        kernels: of each panel.
        index: (m,) in the flat image, of the pixels that are compared.
        dark: (of the image's shape) pixels whose light goes nowhere, since a beamstop is there.

    """

    def __init__(
        self,
        panels: Sequence[ScenePanel],
        kernels: Sequence[Array],
        index: NDArray[np.intp],
        dark: NDArray[np.bool_],
    ) -> None:
        self._count = len(index)
        numbers = np.full(dark.size, -1)
        numbers[index] = np.arange(len(index))
        rendered = np.zeros(dark.shape, bool)
        every = list(zip(panel_views(numbers, panels), panel_views(rendered, panels), kernels, strict=True))
        for wanted, around, kernel in every:
            around[:] = _widened(wanted >= 0, kernel)
        rendered &= ~dark
        self.rendered = rendered
        """(of the image's shape) pixels whose light is wanted, (n,) of them"""
        order = np.where(rendered.ravel(), np.cumsum(rendered) - 1, np.count_nonzero(rendered))
        self._blocks: list[_Blocks] = []
        for kernel in {id(kernel): kernel for kernel in kernels}.values():
            shown = zip(panel_views(numbers, panels), panel_views(order, panels), kernels, strict=True)
            mine = [(wanted, light) for wanted, light, its in shown if its is kernel]
            self._blocks.append(_blocks(kernel, mine, int(np.count_nonzero(rendered))))

    def __call__(self, light: Array) -> Array:
        """(..., m) of the pixels that are compared, from (..., n) of those that are rendered."""
        found = np.zeros((*light.shape[:-1], self._count))
        for row in np.ndindex(light.shape[:-1]):
            lit = np.append(light[row], 0.0)
            for blocks in self._blocks:
                waves = np.fft.rfft2(lit[blocks.light]) * blocks.spectrum
                found[row][blocks.numbers] = np.fft.irfft2(waves, blocks.light.shape[1:]).ravel()[blocks.places]
        return found

    def back(self, weights: Array) -> Array:
        """(n,), from weights (m,): the transpose."""
        found = np.zeros(np.count_nonzero(self.rendered) + 1)
        for blocks in self._blocks:
            laid = np.zeros(blocks.light.shape)
            laid.reshape(-1)[blocks.places] = weights[blocks.numbers]
            waves = np.fft.rfft2(laid) * blocks.spectrum.conj()
            shown = np.fft.irfft2(waves, blocks.light.shape[1:])
            found += np.bincount(blocks.light.ravel(), shown.ravel(), len(found))
        return found[:-1]


def _widened(wanted: NDArray[np.bool_], kernel: Array) -> NDArray[np.bool_]:
    """Pixels from which light comes to those that are wanted."""
    found = wanted.copy()
    for axis, length in enumerate(kernel.shape):
        along = np.moveaxis(found, axis, 0)
        narrow = along.copy()
        for shift in range(1, length // 2 + 1):
            along[shift:] |= narrow[:-shift]
            along[:-shift] |= narrow[shift:]
    return found


def _blocks(kernel: Array, panels: Sequence[tuple[NDArray[np.intp], NDArray[np.intp]]], none: int) -> _Blocks:
    """The blocks in which pixels are compared.

    Args:
        kernel: of these panels.
        panels: (slow, fast) numbers of pixels that are compared, -1: is not; and of those that are rendered.
        none: the number of one that is not.

    """
    reach = (kernel.shape[0] // 2, kernel.shape[1] // 2)
    size = (_length(reach[0]), _length(reach[1]))
    inner = (size[0] - 2 * reach[0], size[1] - 2 * reach[1])
    lights, places, numbers = [], [], []
    for wanted, light in panels:
        padded = np.pad(light, [(r, n) for r, n in zip(reach, size, strict=True)], constant_values=none)
        slow, fast = np.nonzero(wanted >= 0)
        count = wanted.shape[1] // inner[1] + 1
        which, block = np.unique(slow // inner[0] * count + fast // inner[1], return_inverse=True)
        rows = which // count * inner[0]
        columns = which % count * inner[1]
        first = sum(len(each) for each in lights)
        at = (slow - rows[block] + reach[0]) * size[1] + fast - columns[block] + reach[1]
        places.append((first + block) * (size[0] * size[1]) + at)
        numbers.append(wanted[slow, fast])
        lights.append(
            padded[rows[:, None, None] + np.arange(size[0])[:, None], columns[:, None, None] + np.arange(size[1])]
        )
    plane = np.zeros(size)
    plane[np.ix_(*(np.arange(-r, r + 1) for r in reach))] = kernel
    return _Blocks(np.fft.rfft2(plane), np.concatenate(lights), np.concatenate(places), np.concatenate(numbers))


def _length(reach: int) -> int:
    """A block's length, which is transformed fast."""
    least = _FEW + 4 * reach
    return min(length for length in (32, 40, 48, 64, 80, 96, 128, 160) if length >= least)
