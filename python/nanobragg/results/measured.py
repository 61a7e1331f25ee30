"""Counts of an image: the stages of the response on all its panels (``specs/response.md``)."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nanobragg.records.counts import CountScale
from nanobragg.records.panel import panel_views
from nanobragg.resolver.response import detector_model
from nanobragg.response.measure import Counts, measure, shot_of

if TYPE_CHECKING:
    from nanobragg.records.resolved import Resolved
    from nanobragg.records.response import DetectorModel, Response


def measured(
    data: np.ndarray,
    resolved: Resolved,
    seed: int | None,
    shot: int,
    response: Response | None,
    *,
    stages: bool,
    threads: int,
) -> dict[str, Any]:
    """What an :class:`~nanobragg.Image` of counts has that the one of ``data`` has not."""
    model = detector_model(resolved, response)
    used = time.time_ns() if seed is None else seed
    found = counts_of(data, resolved, model, seed=used, shot=shot, stages=stages, threads=threads)
    return {
        "data": whole_image(found.panels, data),
        "overloads": found.overloads,
        "photons": found.photons,
        "seed": used,
        "scale": scale_of(model),
        "stages": {name: whole_image(panels, data) for name, panels in found.stages.items()} if stages else None,
    }


def scale_of(model: DetectorModel) -> CountScale:
    """What the detector's numbers mean."""
    return CountScale(offset=model.offset, lowest=model.lowest, highest=model.highest)


def counts_of(
    data: np.ndarray,
    resolved: Resolved,
    model: DetectorModel,
    *,
    seed: int,
    shot: int = 0,
    stages: bool = False,
    threads: int = 0,
) -> Counts:
    """Counts of the panels of an image, float32 photons; pixels that were not rendered hold 0."""
    panels = resolved.scene.panels
    sizes = [panel.pixel_size for panel in panels]
    found = measure(panel_views(data, panels), model, shot_of(seed, shot), sizes, stages=stages, threads=threads)
    for counts, panel in zip(found.panels, panels, strict=True):
        x0, x1, y0, y1 = panel.region
        if panel.mask is not None:
            counts[panel.mask == 0] = 0
        counts[:y0] = counts[y1 + 1 :] = 0
        counts[:, :x0] = counts[:, x1 + 1 :] = 0
    return found


def whole_image(panels: Sequence[np.ndarray], like: np.ndarray) -> np.ndarray:
    """The arrays of panels as one, as ``like`` has them."""
    return np.concatenate([panel.ravel() for panel in panels]).reshape(like.shape)
