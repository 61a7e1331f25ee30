"""Changes of the Scene with fields that are numbers of it, or nearly."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from nanobragg.maths.constants import DEGREES
from nanobragg.records.scene_change import SceneChange
from nanobragg.resolver.files import read_files
from nanobragg.resolver.mosaic import with_domains
from nanobragg.resolver.orientation import direct_cell, phi_cells

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from nanobragg.differentiation.names import Chosen
    from nanobragg.differentiation.point import Point


def change_of(chosen: Chosen, point: Point) -> SceneChange:
    """How the Scene changes with a field that is a number of it."""
    return _CHANGES[chosen.parameter.name](chosen.index, point)


def _polarization(index: tuple[int, ...], point: Point) -> SceneChange:
    return SceneChange(kahn_factor=1.0)


def _cells(index: tuple[int, ...], point: Point) -> SceneChange:
    return SceneChange(cells=np.eye(3)[index[0]])


def _cells_off_diagonal(index: tuple[int, ...], point: Point) -> SceneChange:
    return SceneChange(cells_off_diagonal=np.eye(3)[index[0]])


def _fudge(index: tuple[int, ...], point: Point) -> SceneChange:
    return SceneChange(fudge=1.0)


def _factor(index: tuple[int, ...], point: Point) -> SceneChange:
    change = np.zeros(point.grid.values.shape)
    change[tuple(i - low for i, low in zip(index, point.grid.minimum, strict=True))] = 1.0
    return SceneChange(f_grid=change)


def _default_F(index: tuple[int, ...], point: Point) -> SceneChange:
    """Grid points that no list has hold it, too: those that are others with another default."""
    grid = point.grid.values
    if not grid.size:
        return SceneChange(default_F=1.0)
    from nanobragg.resolver.resolve import stages_of

    experiment = point.said.experiment
    other = replace(experiment, crystal=replace(experiment.crystal, default_F=experiment.crystal.default_F + 1.0))
    changed = stages_of(read_files(other, point.quirks), point.quirks).grid.values
    return SceneChange(default_F=1.0, f_grid=(changed != grid).astype(np.float64))


def _mosaic_spread(index: tuple[int, ...], point: Point) -> SceneChange:
    """Each domain is turned about an axis of its own by a share of the spread."""
    crystal, frame = point.crystal, point.detector.placement.frame
    domains = point.domains
    slopes = _logarithms(domains) @ domains / (crystal.mosaic.spread * DEGREES)
    phi = phi_cells(direct_cell(crystal.lattice), frame.spindle, crystal.rotation, point.quirks)
    first = phi.first if crystal.first_orientations.size else None
    return SceneChange(
        orientations=with_domains(phi.general, slopes),
        first_orientations=None if first is None else with_domains(first, slopes),
    )


def _logarithms(turns: NDArray[np.float64]) -> NDArray[np.float64]:
    """The antisymmetric matrices (n, 3, 3) whose exponentials rotations below 180 degrees are."""
    skews = (turns - turns.transpose(0, 2, 1)) / 2.0
    sines = np.sqrt((skews * skews).sum(axis=(1, 2)) / 2.0)
    angles = np.arctan2(sines, (np.trace(turns, axis1=1, axis2=2) - 1.0) / 2.0)
    return skews * np.divide(angles, sines, out=np.ones_like(sines), where=sines > 0.0)[:, None, None]


_CHANGES: dict[str, Callable[[tuple[int, ...], Point], SceneChange]] = {
    "beam.polarization": _polarization,
    "crystal.cells": _cells,
    "crystal.cells_off_diagonal": _cells_off_diagonal,
    "crystal.fudge": _fudge,
    "crystal.structure_factors": _factor,
    "crystal.default_F": _default_F,
    "crystal.mosaic_spread": _mosaic_spread,
}
