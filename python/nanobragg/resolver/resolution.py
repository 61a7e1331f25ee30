"""The resolution that a detector sees."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nanobragg.records.panel import ScenePanel
    from nanobragg.resolver.detector import Placement

_EDGE = 33
"""points along each edge: beyond 90 degrees the highest angle need not be at a corner"""


def highest(
    panels: Sequence[ScenePanel], travel: np.ndarray, wavelengths: np.ndarray, sphere: Placement | None = None
) -> float:
    """The smallest d spacing (Å) that reaches the edges of a panel.

    Args:
        panels: the detector's.
        travel: (S, 3) unit vectors of the sources.
        wavelengths: (S,) m.
        sphere: of a curved detector: every pixel at the same distance, angles in proportion to lengths on it.

    """
    return min(_of_panel(panel, travel, wavelengths, sphere) for panel in panels)


def _of_panel(panel: ScenePanel, travel: np.ndarray, wavelengths: np.ndarray, sphere: Placement | None) -> float:
    along = np.linspace(0.0, 1.0, _EDGE)
    zero, one = np.zeros(_EDGE), np.ones(_EDGE)
    f = np.concatenate([along, along, zero, one]) * panel.shape[1]
    s = np.concatenate([zero, one, along, along]) * panel.shape[0]
    points = panel.at(f, s)
    directions = points / np.linalg.norm(points, axis=1, keepdims=True)
    best = math.inf
    for start in range(0, len(travel), 65536):
        chunk, waves = travel[start : start + 65536], wavelengths[start : start + 65536]
        angles = np.arccos(np.clip(chunk @ directions.T, -1.0, 1.0)).max(axis=1)
        if sphere is not None:
            lengths = np.hypot(f * panel.pixel_size[0] - sphere.Fclose, s * panel.pixel_size[1] - sphere.Sclose)
            tilts = np.arccos(np.clip(chunk @ np.array(sphere.frame.beam), -1.0, 1.0))
            angles = np.minimum(tilts + float(lengths.max()) / abs(sphere.distance), math.pi)
        with np.errstate(divide="ignore"):
            best = min(best, float((waves / (2.0 * np.sin(angles / 2.0))).min()))
    return best * 1e10
