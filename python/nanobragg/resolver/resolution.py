"""The resolution that a detector sees."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from nanobragg.resolver.detector import Pixels, Placement

_EDGE = 33
"""points along each edge: beyond 90 degrees the highest angle need not be at a corner"""


def highest(
    placement: Placement, pixels: Pixels, travel: np.ndarray, wavelengths: np.ndarray, *, curved: bool = False
) -> float:
    """The smallest d spacing (Å) that reaches the detector's edges.

    Args:
        placement: where the detector is.
        pixels: its raster.
        travel: (S, 3) unit vectors of the sources.
        wavelengths: (S,) m.
        curved: every pixel at the same distance, angles in proportion to lengths on the detector.

    """
    along = np.linspace(0.0, 1.0, _EDGE)
    zero, one = np.zeros(_EDGE), np.ones(_EDGE)
    f = np.concatenate([along, along, zero, one]) * pixels.detsize_f
    s = np.concatenate([zero, one, along, along]) * pixels.detsize_s
    frame = placement.frame
    points = np.array(placement.pix0) + f[:, None] * np.array(frame.fast) + s[:, None] * np.array(frame.slow)
    directions = points / np.linalg.norm(points, axis=1, keepdims=True)
    best = math.inf
    for start in range(0, len(travel), 65536):
        chunk, waves = travel[start : start + 65536], wavelengths[start : start + 65536]
        angles = np.arccos(np.clip(chunk @ directions.T, -1.0, 1.0)).max(axis=1)
        if curved:
            lengths = np.hypot(f - placement.Fclose, s - placement.Sclose)
            tilts = np.arccos(np.clip(chunk @ np.array(frame.beam), -1.0, 1.0))
            angles = np.minimum(tilts + float(lengths.max()) / abs(placement.distance), math.pi)
        with np.errstate(divide="ignore"):
            best = min(best, float((waves / (2.0 * np.sin(angles / 2.0))).min()))
    return best * 1e10
