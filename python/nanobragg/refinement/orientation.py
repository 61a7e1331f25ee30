"""Orientations as matrices, missetting angles and turns, and experiments that say theirs so."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from nanobragg import _core
from nanobragg.differentiation.point import point_of
from nanobragg.errors import InputError
from nanobragg.maths.constants import DEGREES
from nanobragg.maths.rotations import rotation
from nanobragg.resolver.crystal import cell_constants

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from nanobragg.differentiation.point import Point
    from nanobragg.records.experiment import Experiment

X, Y, Z = np.eye(3)


def matrix_of(misset: ArrayLike) -> NDArray[np.float64]:
    """(3, 3): turns about the laboratory's x, then y, then z by ``misset`` (degrees)."""
    x, y, z = np.asarray(misset, dtype=float) / DEGREES
    return rotation(Z, z) @ rotation(Y, y) @ rotation(X, x)


def misset_of_matrix(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """(3,) degrees: what :func:`matrix_of` takes."""
    return np.array(_core.rotation_angles(matrix)) * DEGREES


def turn_of(vector: NDArray[np.float64]) -> NDArray[np.float64]:
    """(3, 3): a turn by the length of ``vector`` (degrees) about its direction."""
    angle = float(np.linalg.norm(vector))
    return np.eye(3) if angle == 0.0 else rotation(vector / angle, angle / DEGREES)


def slopes_of_turn(vector: NDArray[np.float64]) -> NDArray[np.float64]:
    """(3, 3): the small turn that follows :func:`turn_of` when ``vector`` (degrees) changes, per change.

    J. Solà, *Quaternion kinematics for the error-state Kalman filter* (2017), eq. 183: the left Jacobian of SO(3).
    """
    angle = float(np.linalg.norm(vector)) / DEGREES
    if angle < 1e-9:
        return np.eye(3)
    axis = vector / (angle * DEGREES)
    cross = np.array([[0.0, -axis[2], axis[1]], [axis[2], 0.0, -axis[0]], [-axis[1], axis[0], 0.0]])
    return np.eye(3) + (1.0 - math.cos(angle)) / angle * cross + (1.0 - math.sin(angle) / angle) * cross @ cross


def slopes_of_misset(misset: NDArray[np.float64]) -> NDArray[np.float64]:
    """(3, 3): how missetting angles change with small turns about x, y, z; very large near a second angle of 90°."""
    _, y, z = misset / DEGREES
    first = rotation(Z, z) @ rotation(Y, y) @ X
    return np.asarray(np.linalg.pinv(np.column_stack([first, rotation(Z, z) @ Y, Z]), rcond=1e-12), dtype=np.float64)


def explicit(experiment: Experiment) -> Experiment:
    """The same experiment with its orientation in ``crystal.cell`` and ``crystal.misset``, and its number of subpixels.

    Raises:
        InputError: as the resolver does, and for orientations that missetting angles cannot say.

    """
    point = point_of(experiment)
    crystal = experiment.crystal
    sampling = replace(experiment.sampling, oversample=point.scene.oversample)
    experiment = replace(experiment, sampling=sampling)
    if crystal.cell is not None and crystal.matrix is None and not isinstance(crystal.misset, str):
        misset = (0.0, 0.0, 0.0) if crystal.misset is None else tuple(crystal.misset)
        return replace(experiment, crystal=replace(crystal, misset=misset))
    cell = _whole(cell_constants(*_rows(point).tolist()))
    plain = replace(crystal, cell=cell, matrix=None, misset=(0.0, 0.0, 0.0), misset_seed=None)
    unturned = point_of(replace(experiment, crystal=plain))
    turn = np.linalg.solve(_rows(unturned), _rows(point)).T
    frame = np.eye(3) if unturned.said.turn is None else unturned.said.turn
    misset = misset_of_matrix(np.asarray(frame.T @ turn @ frame, dtype=np.float64))
    found = replace(experiment, crystal=replace(plain, misset=tuple(misset.tolist())))
    if not np.allclose(_rows(point_of(found)), _rows(point), rtol=1e-6, atol=1e-6):
        raise InputError("crystal: found an orientation that is no turn of the cell, expected a right-handed one")
    return found


_FROM_FILES = {"distance": "distance", "beam_x": "Xbeam", "beam_y": "Ybeam"}
"""Fields of the detector, and what they are in its placement."""


def placed(experiment: Experiment, names: Sequence[str]) -> Experiment:
    """The same experiment, with the distance and the beam centre that a file says where ``names`` has them.

    What stands in a file cannot be moved; where the panel would be elsewhere for it, nothing is said.
    """
    detector = experiment.detector
    wanted = [field for field in _FROM_FILES if f"detector.{field}" in names and getattr(detector, field) is None]
    if detector.header is None or not wanted:
        return experiment
    point = point_of(experiment)
    said = {field: 1e3 * getattr(point.detector.placement, _FROM_FILES[field]) for field in wanted}
    found = replace(experiment, detector=replace(detector, **said))
    corners = [[panel.origin for panel in each.detector.panels] for each in (point, point_of(found))]
    return found if np.allclose(*corners, rtol=1e-12, atol=1e-12) else experiment


def _rows(point: Point) -> NDArray[np.float64]:
    """(3, 3) Å: a, b, c at phi = 0."""
    lattice = point.crystal.lattice
    return np.array([lattice.a, lattice.b, lattice.c])


def _whole(cell: tuple[float, ...]) -> tuple[float, ...]:
    """A cell without the rounding errors of its vectors, by which 90 degrees would be none."""
    return tuple(round(value, 9) for value in cell)
