"""The crystal and its orientations: lattice, misset, phi steps and mosaic domains (``specs/geometry.md``,
``specs/random.md``).
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from nanobragg import _core
from nanobragg.errors import InputError
from nanobragg.maths.constants import DEGREES
from nanobragg.maths.duals import cos, sin
from nanobragg.maths.rotations import uniform_rotation
from nanobragg.maths.vectors import Vec, norm, scale, turn_about
from nanobragg.records.structure_factors import StructureFactors
from nanobragg.resolver import crystal as crystals
from nanobragg.resolver import steps
from nanobragg.resolver.beam import beam_size_of
from nanobragg.resolver.crystal import Cell, Lattice
from nanobragg.resolver.log import Log, which
from nanobragg.resolver.mosaic import Mosaic, domains_of, mosaic_of, with_domains

if TYPE_CHECKING:
    from nanobragg.records.experiment import Crystal, Sampling
    from nanobragg.resolver.files import Said
    from nanobragg.resolver.headers import HeaderValues

MOST_ORIENTATIONS = 50_000_000


class Rotation(NamedTuple):
    """The turn of the spindle, radians."""

    start: float
    extent: float
    step: float
    count: int
    first: float
    """angle of the first phi step: its start, or its middle"""

    @property
    def angles(self) -> list[float]:
        """One of each phi step."""
        return [self.first + self.step * tic for tic in range(self.count)]


class OrientedCrystal(NamedTuple):
    """The crystal, made explicit."""

    lattice: Lattice
    """at phi = 0"""
    misset: Vec | None
    """radians; those drawn, where they are random"""
    misset_random: bool
    said_cells: Vec
    cells: Vec
    """Na, Nb, Nc"""
    cells_off_diagonal: Vec
    extents: Vec
    """m, along a, b, c"""
    rotation: Rotation
    mosaic: Mosaic
    orientations: np.ndarray
    """(O, 3, 3) m: rows a, b, c"""
    first_orientations: np.ndarray
    """(O, 3, 3) m: rows a, b, c for the very first evaluation of the run, or (0, 3, 3)"""
    random_state: tuple[int, ...]
    """state of the table of random numbers when all is drawn"""
    log: Log


def oriented_crystal(said: Said, wavelength: float, spindle: Vec, quirks: frozenset[str]) -> OrientedCrystal:
    """The crystal in all of its orientations.

    Args:
        said: the experiment and its files.
        wavelength: m, of orientation matrices.
        spindle: unit vector.
        quirks: those that are kept.

    Raises:
        InputError: for a cell, a size or numbers of steps that cannot be.

    """
    crystal, table = said.experiment.crystal, _core.RandomTable()
    rotation = rotation_of(said.experiment.sampling, said.header, quirks)
    mosaic = _mosaic(crystal, rotation)
    misset, drawn = misset_of(crystal, table, quirks)
    lattice, log = lattice_at_zero(said, wavelength, misset, quirks)
    lengths = _lengths(lattice)
    said_cells, size = crystals.cells_of(crystal), crystals.sizes_of(crystal)
    cells, clipped = crystals.crystal_cells(said_cells, size, beam_size_of(said.experiment.beam), lengths)
    off_diagonal, unused = crystals.cells_off_diagonal(crystal, cells)
    domains = domains_of(mosaic, table)
    phi = phi_cells(direct_cell(lattice), spindle, rotation, quirks)
    touched = phi.touched | which(random_misset_units=drawn)
    return OrientedCrystal(
        lattice=lattice,
        misset=misset,
        misset_random=drawn,
        said_cells=said_cells,
        cells=cells,
        cells_off_diagonal=off_diagonal,
        extents=(lengths[0] * cells[0], lengths[1] * cells[1], lengths[2] * cells[2]),
        rotation=rotation,
        mosaic=mosaic,
        orientations=with_domains(phi.general, domains),
        first_orientations=np.empty((0, 3, 3)) if phi.first is None else with_domains(phi.first, domains),
        random_state=tuple(table.state()),
        log=_drawn(misset, drawn) + log + Log(warnings=(*mosaic.warnings, *clipped, *unused), touched=quirks & touched),
    )


def lattice_at_zero(said: Said, wavelength: float, misset: Vec | None, quirks: frozenset[str]) -> tuple[Lattice, Log]:
    """The crystal at phi = 0, with its ``misset`` (radians)."""
    cell, log = _cell(said)
    matrix = _matrix(said, wavelength)
    turn = said.turn if matrix is None else None
    lattice = crystals.turned(crystals.lattice_of(cell, matrix, wavelength, misset, quirks), turn)
    angles = matrix is None and cell is not None and crystals.changes_angles(cell)
    return lattice, log + Log(touched=quirks & which(cell_angles=angles))


def _lengths(lattice: Lattice) -> Vec:
    """|a|, |b|, |c| in m."""
    a, b, c = (norm(scale(1e-10, v)) for v in (lattice.a, lattice.b, lattice.c))
    return (a, b, c)


def rotation_of(sampling: Sampling, header: HeaderValues, quirks: frozenset[str]) -> Rotation:
    """The phi steps: as said, else from the header (degrees there).

    Without the quirk phi_at_step_starts each is sampled at its middle.
    """

    def radians(said: float | None, of_header: float | None = None) -> float | None:
        value = said if said is not None else of_header
        return None if value is None else value / DEGREES

    start = radians(sampling.phi, header.phi) or 0.0
    extent = radians(sampling.oscillation, header.oscillation)
    extent, step, count = steps.rotation(extent, radians(sampling.phi_step), sampling.phi_steps)
    first = start if "phi_at_step_starts" in quirks else start + 0.5 * step
    return Rotation(start, extent, step, count, first)


def _mosaic(crystal: Crystal, rotation: Rotation) -> Mosaic:
    mosaic = mosaic_of(crystal)
    if rotation.count * mosaic.count > MOST_ORIENTATIONS:
        raise InputError(
            f"-phisteps and -mosaic_dom: found {rotation.count} x {mosaic.count} orientations, "
            f"expected at most {MOST_ORIENTATIONS}"
        )
    return mosaic


def _drawn(misset: Vec | None, drawn: bool) -> Log:
    """A note of angles that nobody said."""
    if misset is None or not drawn:
        return Log()
    angles = " ".join(f"{angle * DEGREES:f}" for angle in misset)
    return Log(notes=(f"random orientation misset angles: {angles} deg",))


def _cell(said: Said) -> tuple[Cell | None, Log]:
    """The cell as said; where nothing is said, that of the file of structure factors."""
    crystal, file = said.experiment.crystal, said.factors
    if crystal.cell is not None:
        return crystals.cell_of(crystal.cell), Log()
    if crystal.matrix is not None or said.axes is not None:
        return None, Log()
    if file is None or isinstance(file, StructureFactors) or file.cell is None:
        return None, Log()
    numbers = " ".join(f"{value:g}" for value in file.cell)
    return crystals.cell_of(file.cell), Log(notes=(f"unit cell {numbers} (Å, degrees) from {file.name}",))


def _matrix(said: Said, wavelength: float) -> list[list[float]] | None:
    """The orientation matrix as said, or that which came with the geometry, where nothing is said."""
    if said.matrix is not None:
        return said.matrix.tolist()
    if said.axes is None or said.experiment.crystal.cell is not None:
        return None
    return (np.linalg.inv(said.axes) * (wavelength * 1e10)).tolist()


def _another_seed() -> int:
    """Not the clock's: two shots of one second would be the same."""
    return 1 + int.from_bytes(os.urandom(4), "little") % 2**30


def misset_of(crystal: Crystal, table: _core.RandomTable, quirks: frozenset[str]) -> tuple[Vec | None, bool]:
    """Missetting angles (radians), and whether they were drawn."""
    said = crystal.misset
    if said is None:
        return None, False
    if isinstance(said, str):
        seed = _another_seed() if crystal.misset_seed is None else crystal.misset_seed
        stream = _core.Stream(seed)
        if "random_misset_units" in quirks:
            matrix = _core.random_rotation(90.0, stream, table)
        else:
            matrix = uniform_rotation(*(float(table.uniform(stream)) for _ in range(3)))
        x, y, z = _core.rotation_angles(matrix)
        return (x, y, z), True
    return (said[0] / DEGREES, said[1] / DEGREES, said[2] / DEGREES), False


class PhiSteps(NamedTuple):
    """Cells (steps, 3, 3) of the phi steps: in general, and in the very first sweep of the run."""

    general: np.ndarray
    first: np.ndarray | None
    touched: frozenset[str]
    """quirks that make a difference, or would"""


def phi_cells(cell: np.ndarray, spindle: Vec, rotation: Rotation, quirks: frozenset[str]) -> PhiSteps:
    """Rotate the cell (rows a, b, c) to each phi step.

    With the quirk stale_phi_zero a phi of exactly 0 keeps what the step evaluated before it left: the step
    before, or, at the start of a sweep, the last step of the sweep before.
    """
    angles = rotation.angles
    moved = np.array([angle != 0.0 for angle in angles])
    turned = np.repeat(cell[None], len(angles), axis=0)
    if moved.any():
        # Many steps cost microseconds each otherwise; NumPy's own sine may differ in the last bit.
        sines, cosines = np.array([sin(angle) for angle in angles]), np.array([cos(angle) for angle in angles])
        x, y, z = cell.T[:, :, None]
        axes = turn_about((x, y, z), tuple(np.array(spindle)[:, None, None]), sines, cosines)
        turned = np.stack(axes, axis=-1).swapaxes(0, 1)
    true = np.where(moved[:, None, None], turned, cell)
    turns = which(phi_at_step_starts=rotation.step != 0.0)
    if "stale_phi_zero" not in quirks or moved.all():
        return PhiSteps(true, None, turns)
    last = np.maximum.accumulate(np.where(moved, np.arange(len(moved)), -1))

    def sweep_from(state: np.ndarray) -> np.ndarray:
        return np.where(last[:, None, None] < 0, state, turned[last])

    first = sweep_from(cell)
    general = sweep_from(first[-1])
    differs = not np.array_equal(first, general)
    stale = which(stale_phi_zero=not np.array_equal(general, true))
    return PhiSteps(general, first if differs else None, turns | stale)


def direct_cell(lattice: Lattice) -> np.ndarray:
    """Rows a, b, c in metres."""
    return np.array([lattice.a, lattice.b, lattice.c]) * 1e-10
