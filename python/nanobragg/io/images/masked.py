"""What files of whole numbers have in the place of a pixel that was not rendered because a mask leaves it out
(``specs/formats.md``, "Masked pixels").
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from nanobragg.records.resolved import Resolved

NO_PIXEL = -1
"""In signed integers, as a PILATUS writes its gaps: no count can be it."""


def with_masked(pixels: NDArray[Any], resolved: Resolved | None, value: int = NO_PIXEL) -> NDArray[Any]:
    """``pixels`` with ``value`` where a mask leaves them out; floats as they are: they have no number for it."""
    mask = None if resolved is None else resolved.scene.image_mask
    if mask is None or pixels.dtype.kind not in "iu" or mask.shape != pixels.shape or mask.all():
        return pixels
    result = pixels.copy()
    result[mask == 0] = value
    return result
