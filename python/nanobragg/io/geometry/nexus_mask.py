"""Pixels that a NeXus file calls bad: of the whole detector, or of each of its modules (``specs/formats.md``)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from nanobragg.io.geometry.hdf5 import Said, child
from nanobragg.io.geometry.types import holds

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from nanobragg.io.geometry.types import FilePanel


def bad_pixels(said: Said, detector: Any) -> NDArray[np.bool_] | None:
    """(slow, fast) pixels that the detector's mask marks; ``None``: none."""
    mask = _mask(said, detector, 2)
    return mask if mask is not None and mask.any() else None


def with_bad_pixels(said: Said, detector: Any, panels: Sequence[FilePanel]) -> list[FilePanel]:
    """Panels with what the detector's mask, a slab or a stack as the data are, marks on each of them."""
    mask = _mask(said, detector, len(panels[0].place))
    parts = [None if mask is None else _part(panel, mask) for panel in panels]
    if mask is not None and any(part is None for part in parts):
        said.unused.append("its pixel_mask, which has another layout than its modules")
        return list(panels)
    return [
        replace(panel, bad=part if part is not None and part.any() else None)
        for panel, part in zip(panels, parts, strict=True)
    ]


def _mask(said: Said, detector: Any, dimensions: int) -> NDArray[np.bool_] | None:
    """The last dimensions of the mask, at the first image of those before them."""
    for group in (detector, child(detector, "detectorSpecific")):
        item = child(group, "pixel_mask")
        if getattr(item, "ndim", 0) >= 2:
            front = (0,) * max(item.ndim - dimensions, 0)
            return said.attempt("mask", lambda item=item, front=front: np.asarray(item[front]) != 0)
    return None


def _part(panel: FilePanel, mask: NDArray[np.bool_]) -> NDArray[np.bool_] | None:
    """What of a mask is a panel's; ``None`` where it does not hold the panel."""
    return mask[panel.where] if holds(mask, panel) else None
