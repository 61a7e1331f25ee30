"""How the Scene changes when the whole crystal is turned about the axes of the laboratory: smooth at every orientation,
where the three missetting angles are not (two of their axes fall together when the second angle is 90 degrees).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nanobragg.maths.constants import DEGREES
from nanobragg.records.scene_change import SceneChange
from nanobragg.resolver.mosaic import with_domains
from nanobragg.resolver.orientation import direct_cell, phi_cells

if TYPE_CHECKING:
    from nanobragg.differentiation.point import Point


def turns(point: Point) -> list[SceneChange]:
    """The changes, per degree, with turns of the crystal at phi = 0 about the laboratory's x, y and z."""
    cell = direct_cell(point.crystal.lattice)
    return [_turn(point, np.cross(axis, cell) / DEGREES) for axis in np.eye(3)]


def _turn(point: Point, change: np.ndarray) -> SceneChange:
    """The change of the Scene that comes of a change (3, 3) of the cell at phi = 0, with rows a, b, c."""
    spindle = point.detector.placement.frame.spindle
    phi = phi_cells(change, spindle, point.crystal.rotation, point.quirks)
    first = phi.general if phi.first is None else phi.first
    return SceneChange(
        orientations=with_domains(phi.general, point.domains),
        first_orientations=with_domains(first, point.domains) if point.crystal.first_orientations.size else None,
    )
