"""How the Scene changes when the whole crystal is turned about the axes of the laboratory: smooth at every orientation,
where the three missetting angles are not (two of their axes fall together when the second angle is 90 degrees).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from nanobragg.maths.constants import DEGREES
from nanobragg.records.scene_change import SceneChange
from nanobragg.resolver.mosaic import with_domains
from nanobragg.resolver.orientation import direct_cell, phi_cells

if TYPE_CHECKING:
    from nanobragg.differentiation.point import Point
    from nanobragg.records.scene import Scene


def turns(point: Point) -> list[SceneChange]:
    """The changes, per degree, with turns of the crystal at phi = 0 about the laboratory's x, y and z."""
    cell = direct_cell(point.crystal.lattice)
    every = [_orientations(point, np.cross(axis, cell) / DEGREES) for axis in np.eye(3)]
    return [SceneChange(orientations=general, first_orientations=first) for general, first in every]


def turned(scene: Scene, point: Point, turn: np.ndarray) -> Scene:
    """The Scene of ``point``, or one with the same crystal, after a turn (3, 3) of the crystal at phi = 0."""
    every, first = _orientations(point, direct_cell(point.crystal.lattice) @ turn.T)
    return replace(scene, orientations=every, first_orientations=scene.first_orientations if first is None else first)


def _orientations(point: Point, cell: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """Those of the Scene, and of its first evaluation where they differ, by the cell (3, 3) at phi = 0, with rows a, b,
    c. They are linear in it.
    """
    spindle = point.detector.placement.frame.spindle
    phi = phi_cells(cell, spindle, point.crystal.rotation, point.quirks)
    first = phi.general if phi.first is None else phi.first
    separate = point.crystal.first_orientations.size > 0
    return with_domains(phi.general, point.domains), with_domains(first, point.domains) if separate else None
