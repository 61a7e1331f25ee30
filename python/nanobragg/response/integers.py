"""From a float image to whole numbers and grey levels (``specs/physics.md``, "After the image").

Comparisons with NaN are C's: false.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nanobragg.response.region import Roi, blocks, float_image, regions_of
from nanobragg.response.statistics import statistics

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from nanobragg.records.panel import ScenePanel


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
    panels: Sequence[ScenePanel] | None = None,
    wide: bool = False,
    threads: int = 0,
) -> NDArray[np.uint16] | NDArray[np.int32]:
    """``floor(float32(p·scale + adc_offset + ½))``, clamped to 0…65535; 0 outside ``roi``, and for NaN.

    ``panels``: the Scene's, whose regions of interest take the place of ``roi``.

    ``wide``: int32 instead of uint16, the same up to 65535, and above that up to 2³¹ - 1 without float32 in between.

    Without a positive ``scale`` it is that of :func:`integer_scale` for ``maximum`` (default: the image's within
    ``roi``).
    """
    from nanobragg import _core

    pixels = np.ascontiguousarray(float_image(image, panels))
    if (scale is None or scale <= 0.0) and maximum is None:
        maximum = statistics(pixels, roi, panels=panels, threads=threads).maximum
    factor = integer_scale(scale, 0.0 if maximum is None else maximum)
    convert = _core.integers_wide if wide else _core.integers
    return convert(pixels, factor, adc_offset, regions_of(pixels, roi, panels), threads)


def to_pgm_bytes(
    image: ArrayLike, scale: float, roi: Roi | None = None, *, panels: Sequence[ScenePanel] | None = None
) -> NDArray[np.uint8]:
    """``trunc(min(255, p·scale))``, 0 outside ``roi`` (with the Scene's ``panels``: their regions) and for NaN.

    Negative values wrap around, as in nanoBragg.c.
    """
    pixels = np.ascontiguousarray(float_image(image, panels))
    result = np.zeros(pixels.shape, np.uint8)
    with np.errstate(over="ignore", invalid="ignore"):
        for block, grey in blocks(pixels, result, regions_of(pixels, roi, panels)):
            values = block.astype(np.float64)
            values *= scale
            values[~(values > -2147483649.0)] = 0.0  # NaN, and what no 32-bit integer holds
            np.fmin(values, 255.0, out=values)
            grey[...] = values.astype(np.int32).astype(np.uint8)
    return result
