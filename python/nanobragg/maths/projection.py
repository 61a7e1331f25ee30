"""Where rays from the sample meet the flat detector, for what is drawn on images or written beside them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from nanobragg.records.resolved import Geometry


def pixels_of_rays(g: Geometry, rays: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n, 2) fast, slow (pixels, 0 at the first pixel's outer corner) where ``rays`` (n, 3) meet the flat detector;
    NaN for rays that do not.
    """
    normal, origin = np.array(g.normal), np.array(g.pix0)
    reach = float(origin @ normal)
    towards = rays @ normal
    with np.errstate(divide="ignore", invalid="ignore"):
        along = reach / towards
        along[~(along > 0)] = np.nan
    hits = rays * along[:, None] - origin
    return np.stack([hits @ np.array(g.fast), hits @ np.array(g.slow)], axis=1) / g.pixel_size


def direct_beam(g: Geometry) -> tuple[float, float, float]:
    """Where the beam meets the flat detector: fast, slow (pixels) and its distance from the sample (m).

    nanoBragg.c's ``Fbeam``, ``Sbeam`` and ``distance``, which SMV headers have, leave out ``-twotheta``. They are taken
    where the beam does not meet the detector.
    """
    beam, normal = np.array(g.beam), np.array(g.normal)
    fast, slow = pixels_of_rays(g, beam[None])[0].tolist()
    if not np.isfinite([fast, slow]).all():
        return g.Fbeam / g.pixel_size, g.Sbeam / g.pixel_size, g.distance
    return fast, slow, float(np.array(g.pix0) @ normal / (beam @ normal))
