"""The region of interest of an image, and images of one panel or several, as everything after rendering takes them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from nanobragg.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

Roi = tuple[int, int, int, int]
"""fast first, fast last, slow first, slow last, inclusive; may reach beyond the image"""

_BLOCK = 1 << 19
"""pixels handled at once: the temporaries stay in the cache"""


def float_image(image: ArrayLike) -> NDArray[np.float32]:
    """The image as float32. Raises :class:`InputError` for one that is not (slow, fast) or (panel, slow, fast)."""
    pixels = np.asarray(image, dtype=np.float32)
    if pixels.ndim not in (2, 3):
        raise InputError(f"image: found shape {pixels.shape}, expected (slow, fast) or (panel, slow, fast)")
    return pixels


def region_limits(pixels: NDArray[np.float32], roi: Roi | None) -> list[int]:
    """The region; one far beyond any image must still fit in 64 bits."""
    return [min(max(x, -(2**62)), 2**62) for x in (roi if roi is not None else _everything(pixels.shape))]


def _everything(shape: tuple[int, ...]) -> Roi:
    return 0, shape[-1] - 1, 0, shape[-2] - 1


def row_blocks(shape: tuple[int, ...], roi: Roi | None) -> Iterator[tuple[int | slice, ...]]:
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
