"""Where rays from the sample meet a flat panel, for what is drawn on images or written beside them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from nanobragg.records.panel import ScenePanel
    from nanobragg.records.resolved import Geometry


def pixels_of_rays(panel: ScenePanel, rays: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n, 2) fast, slow (pixels, 0 at the first pixel's outer corner) where ``rays`` (n, 3) meet the panel's plane;
    NaN for rays that do not.
    """
    normal = np.cross(panel.fast, panel.slow)
    along = _reach(panel, normal, rays)
    hits = rays * along[:, None] - panel.origin
    # Axes that are not at right angles have other vectors that pick the coordinates out.
    fast = np.cross(panel.slow, normal) / (normal @ normal)
    slow = np.cross(normal, panel.fast) / (normal @ normal)
    return np.stack([hits @ fast / panel.pixel_size[0], hits @ slow / panel.pixel_size[1]], axis=1)


def _reach(panel: ScenePanel, normal: NDArray[np.float64], rays: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far along each ray the plane is, in the ray's length; NaN for those that do not meet it."""
    with np.errstate(divide="ignore", invalid="ignore"):
        along = float(panel.origin @ normal) / (rays @ normal)
        along[~(along > 0)] = np.nan
    return along


def direct_beam(panel: ScenePanel, g: Geometry) -> tuple[float, float, float]:
    """Where the beam meets the plane of a panel: fast, slow (pixels) and its distance from the sample (m).

    nanoBragg.c's ``Fbeam``, ``Sbeam`` and ``distance``, which SMV headers have, leave out ``-twotheta``. They are taken
    where the beam does not meet the detector.
    """
    beam = np.array(g.beam)[None]
    fast, slow = pixels_of_rays(panel, beam)[0].tolist()
    if not np.isfinite([fast, slow]).all():
        return g.Fbeam / panel.pixel_size[0], g.Sbeam / panel.pixel_size[1], g.distance
    return fast, slow, float(_reach(panel, np.cross(panel.fast, panel.slow), beam)[0])
