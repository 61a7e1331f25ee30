"""The region of interest of an image, and images of one panel or several, as everything after rendering takes them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nanobragg.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from nanobragg.records.panel import ScenePanel

Roi = tuple[int, int, int, int]
"""fast first, fast last, slow first, slow last, inclusive; may reach beyond the image"""

_BLOCK = 1 << 19
"""pixels handled at once: the temporaries stay in the cache"""


def float_image(image: ArrayLike, panels: Sequence[ScenePanel] | None = None) -> NDArray[np.float32]:
    """The image as float32. Raises :class:`InputError` for one that is not (slow, fast) or (panel, slow, fast), nor the
    pixels of ``panels``.
    """
    pixels = np.asarray(image, dtype=np.float32)
    if panels is None:
        if pixels.ndim not in (2, 3):
            raise InputError(f"image: found shape {pixels.shape}, expected (slow, fast) or (panel, slow, fast)")
    elif pixels.size != sum(panel.shape[0] * panel.shape[1] for panel in panels):
        raise InputError(f"image: found shape {pixels.shape}, expected the pixels of {len(panels)} panels")
    return pixels


def regions_of(
    pixels: NDArray[np.float32], roi: Roi | None, panels: Sequence[ScenePanel] | None = None
) -> list[tuple[int, int, int, int, int, int]]:
    """Slow and fast pixels, and the region, of each panel: ``roi``, or that of ``panels``.

    A region far beyond any image must still fit in 64 bits.
    """
    if panels is not None:
        return [(*panel.shape, *panel.region) for panel in panels]
    slow, fast = pixels.shape[-2:]
    x0, x1, y0, y1 = (min(max(x, -(2**62)), 2**62) for x in (roi or (0, fast - 1, 0, slow - 1)))
    return [(slow, fast, x0, x1, y0, y1)] * (len(pixels) if pixels.ndim == 3 else 1)


def blocks(
    pixels: NDArray[Any], others: NDArray[Any], regions: Sequence[tuple[int, int, int, int, int, int]]
) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
    """Views of groups of rows that cover the regions of two images of the same panels, in reading order."""
    flat, other = pixels.reshape(-1), others.reshape(-1)
    start = 0
    for slow, fast, fast_first, fast_last, slow_first, slow_last in regions:
        one, two = (array[start : start + slow * fast].reshape(slow, fast) for array in (flat, other))
        start += slow * fast
        begin, end = max(slow_first, 0), min(slow_last + 1, slow)
        columns = slice(max(fast_first, 0), min(fast_last + 1, fast))
        if columns.stop <= columns.start:
            continue
        rows = max(1, _BLOCK // (columns.stop - columns.start))
        for first in range(begin, end, rows):
            where = (slice(first, min(first + rows, end)), columns)
            yield one[where], two[where]
