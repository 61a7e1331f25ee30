"""Where rays from the sample meet a flat panel, for what is drawn on images or written beside them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from nanobragg.records.panel import ScenePanel
    from nanobragg.records.resolved import Geometry


def pixels_of_rays(
    panel: ScenePanel, rays: NDArray[np.float64], depth: NDArray[np.float64] | float = 0.0
) -> NDArray[np.float64]:
    """(n, 2) fast, slow (pixels, 0 at the first pixel's outer corner) where ``rays`` (n, 3) meet the panel's plane, or
    come to a depth (m, one or (n,)) behind it; NaN for rays that do not.
    """
    normal = np.cross(panel.fast, panel.slow)
    along = _reach(panel, normal, rays, depth)
    hits = rays * along[:, None] - panel.origin
    # Axes that are not at right angles have other vectors that pick the coordinates out.
    fast = np.cross(panel.slow, normal) / (normal @ normal)
    slow = np.cross(normal, panel.fast) / (normal @ normal)
    return np.stack([hits @ fast / panel.pixel_size[0], hits @ slow / panel.pixel_size[1]], axis=1)


def _reach(
    panel: ScenePanel, normal: NDArray[np.float64], rays: NDArray[np.float64], depth: NDArray[np.float64] | float = 0.0
) -> NDArray[np.float64]:
    """How far along each ray the plane is, in the ray's length; NaN for those that do not meet it."""
    with np.errstate(divide="ignore", invalid="ignore"):
        along = (float(panel.origin @ normal) + depth * float(panel.normal @ normal)) / (rays @ normal)
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


class Swing(NamedTuple):
    """Where a panel was before it was turned about minus its fast axis, through the sample: what headers without
    vectors can say.
    """

    fast: float
    """pixels from the outer corner of the first, where the beam meets the panel at 2theta 0"""
    slow: float
    distance: float
    """m"""
    twotheta: float
    """radians, by the right hand"""


def before_swing(panel: ScenePanel, g: Geometry) -> Swing:
    """The place of a panel at 2theta 0, and its 2theta.

    Of a panel that is tilted otherwise (:func:`is_tilted`): where the beam meets it, and no 2theta.
    """
    if is_tilted(panel, g):
        return Swing(*direct_beam(panel, g), 0.0)
    beam = np.array(g.beam)
    twotheta = math.atan2(-float(np.cross(beam, panel.normal) @ panel.fast), float(beam @ panel.normal))
    fast = -float(panel.origin @ panel.fast) / panel.pixel_size[0]
    slow = -float(panel.origin @ panel.slow) / panel.pixel_size[1]
    for unsaid in (0.0, -1.0):  # what headers have where no centre is known
        if max(abs(fast - unsaid), abs(slow - unsaid)) < 1e-9:
            fast = unsaid + 1e-9
    return Swing(fast, slow, panel.close_distance, twotheta)


def is_tilted(panel: ScenePanel, g: Geometry) -> bool:
    """Whether a swing about the fast axis is not enough to turn the panel to where it is."""
    return abs(float(panel.fast @ np.array(g.beam))) > 1e-9


def is_mirrored(panel: ScenePanel) -> bool:
    """Whether fast x slow points at the sample."""
    return float(np.cross(panel.fast, panel.slow) @ panel.normal) < 0.0


def unsaid_without_vectors(panel: ScenePanel, g: Geometry, *, square: bool = False) -> str | None:
    """What a header without vectors cannot say: the end of a sentence that begins with the header's name; ``None`` if
    it says it all. ``square``: it has one edge for the pixels.
    """
    if square and abs(panel.pixel_size[0] - panel.pixel_size[1]) > 1e-9 * panel.pixel_size[0]:
        return "has one edge of the pixels, which are not square; write NXmx (.h5) to keep the geometry"
    if abs(float(panel.fast @ panel.slow)) > 1e-9:
        return "cannot tell that the pixels' axes are not at right angles; write NXmx (.h5) to keep the geometry"
    if g.curved:
        return "tells of a flat detector, the image is of a curved one"
    if is_tilted(panel, g):
        return "cannot tell how the detector is tilted; write NXmx (.h5) to keep the geometry"
    if abs(float(panel.fast @ np.array(g.spindle)) - 1) > 1e-9:
        return "implies a spindle along the fast axis; write NXmx (.h5) to keep the geometry"
    if is_mirrored(panel):
        return "cannot tell that the image is mirrored; write NXmx (.h5) to keep the geometry"
    return None
