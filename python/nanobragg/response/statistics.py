"""Statistics of a float image (``specs/physics.md``, "After the image"). Comparisons with NaN are C's: false."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nanobragg.records.panel import panel_position
from nanobragg.records.record import Record
from nanobragg.response.region import Roi, float_image, regions_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike

    from nanobragg.records.panel import ScenePanel


class Statistics(Record):
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


def statistics(
    image: ArrayLike,
    roi: Roi | None = None,
    mask: ArrayLike | None = None,
    *,
    panels: Sequence[ScenePanel] | None = None,
    threads: int = 0,
) -> Statistics:
    """Statistics of ``image`` (slow, fast) or (panel, slow, fast) within ``roi``.

    With the Scene's ``panels``: of an image of the shape ``Scene.image_shape``, within their regions of interest.

    Pixels where ``mask`` (the image's shape, or one panel's) is 0 are left out as :class:`Statistics` says.
    Squares are rounded to float32, as nanoBragg.c's are; sums are double, and do not depend on ``threads``.
    """
    from nanobragg import _core

    pixels = np.ascontiguousarray(float_image(image, panels))
    used = None if mask is None else np.broadcast_to(np.asarray(mask) != 0, pixels.shape).astype(np.uint8)
    mean, rms, rmsd, maximum, at = _core.statistics(pixels, regions_of(pixels, roi, panels), used, threads)
    index: tuple[int, ...] | None = None
    if at >= 0 and panels is not None and len(panels) > 1:
        index = panel_position(panels, at)
    elif at >= 0:
        index = tuple(int(i) for i in np.unravel_index(at, pixels.shape))
    return Statistics(mean=mean, rms=rms, rmsd=rmsd, maximum=maximum, maximum_at=index)
