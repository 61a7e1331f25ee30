"""The transform of the electron density of a model's atoms, in slabs (Ten Eyck (1977) Acta Cryst. A33, 486-492).

Only the atoms of the asymmetric unit are smeared, by gemmi, and on one slab of the cell at a time. Each plane of it is
transformed along x and y as soon as it is there, and of that the indices within the resolution are kept; the
transform along z follows when all planes are. Symmetry is applied to the waves. So memory is a few bytes for each
reflection, not for each grid point, and empty parts of a cell cost nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from nanobragg.io.factors.models import atoms_of
from nanobragg.io.support.extras import need

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from nanobragg.io.factors.models import ModelFile

    Waves = tuple[NDArray[np.complex128], NDArray[np.complex128]]

_RATE = 1.5
"""grid points per half of the resolution"""
_SLAB = 2**25
"""grid points of a slab, about"""


class Reflections(NamedTuple):
    """Where the transform is wanted."""

    hkl: NDArray[np.int32]
    """(n, 3)"""
    metric: NDArray[np.float64]
    """(3, 3) of the reciprocal lattice, 1/Å²"""
    largest: float
    """1/d² of all of them, 1/Å²"""


def grid_points(model: ModelFile, resolution: float) -> float:
    """About how many grid points are transformed."""
    return model.structure.cell.volume * (2 * _RATE / resolution) ** 3


class Transformed:
    """Atoms on a grid, transformed."""

    def __init__(
        self, model: ModelFile, energy: float, resolution: float, wanted: Reflections, told: Callable[[float], object]
    ) -> None:
        gemmi = need("gemmi", model.name)
        smeared = _Smeared(gemmi, model, resolution, _shape(model, resolution, wanted))
        h, k, _ = _bounds(model, wanted)
        # By h, k (those below 0 at the end, as in a transform) and z, then l; touching its memory is half the work.
        columns = np.empty((h + 1, 2 * k + 1, smeared.shape[2]), np.complex64)
        shifts = {z: gemmi.cromer_liberman(z=z, energy=energy) for z in smeared.elements}
        for z, element in smeared.elements.items():
            smeared.calculator.addends.set(element, shifts[z][0])
        self._scattering = _waves(
            model, smeared, wanted, columns, smeared.calculator.add_atom_density_to_grid, 0.0, told
        )
        absorbing = {z: f[1] for z, f in shifts.items()}
        self._absorbing = None
        if any(absorbing.values()):

            def put(atom: Any) -> None:
                if strength := absorbing[atom.element.atomic_number]:
                    smeared.calculator.add_c_contribution_to_grid(atom, strength)

            self._absorbing = _waves(model, smeared, wanted, columns, put, 0.5, told)
        told(1.0)

    def __call__(self, piece: slice) -> Waves:
        """What f0 + f′ and what f″ give for a piece of the reflections."""
        total = self._scattering[piece].astype(np.complex128)
        return total, np.zeros_like(total) if self._absorbing is None else self._absorbing[piece].astype(np.complex128)


def _shape(model: ModelFile, resolution: float, wanted: Reflections) -> tuple[int, int, int]:
    """Grid points along the axes: planes lie close enough, and no index within the resolution has another's wave."""
    fast = need("scipy", model.name, module="scipy.fft").next_fast_len
    spacings = 1.0 / np.sqrt(np.diag(wanted.metric))
    apart = resolution / (2 * _RATE)
    highest = _bounds(model, wanted)
    u, v, w = (
        fast(max(int(np.ceil(spacing / apart)), 2 * bound + 2))
        for spacing, bound in zip(spacings, highest, strict=True)
    )
    return u, v, w


def _bounds(model: ModelFile, wanted: Reflections) -> tuple[int, int, int]:
    """The largest indices of the reflections and of all that the rotations make of them, also in a cell that the
    rotations do not leave quite as it is.
    """
    lattice = np.linalg.inv(wanted.metric)
    turned = np.einsum("pji,jk,pkm->pim", model.symmetry.point_rotations, lattice, model.symmetry.point_rotations)
    h, k, l = np.sqrt(wanted.largest * np.einsum("pii->pi", turned).max(axis=0) * (1 + 1e-9))  # noqa: E741
    return int(h), int(k), int(l)


class _Smeared:
    """The atoms of the asymmetric unit, and the slabs that they are put on."""

    def __init__(self, gemmi: Any, model: ModelFile, resolution: float, shape: tuple[int, int, int]) -> None:
        structure = model.structure.clone()
        self.shape = shape
        self.calculator = gemmi.DensityCalculatorX()
        self.calculator.d_min = resolution
        self.calculator.rate = _RATE
        self.calculator.set_refmac_compatible_blur(structure[0])
        self._gemmi, self._cell, self._structure = gemmi, structure.cell, structure
        self._atoms = [*atoms_of(structure[0])]
        self.elements = {atom.element.atomic_number: atom.element for atom in self._atoms}
        fraction = np.array(structure.cell.frac.mat.tolist())
        self._places = np.array([atom.pos.tolist() for atom in self._atoms]) @ fraction.T
        radii = np.array([self.calculator.estimate_radius(_roundest(gemmi, atom)) for atom in self._atoms])
        self._reach = np.ceil(radii * np.linalg.norm(fraction[2]) * shape[2]).astype(int) + 1
        self._thickness = min(shape[2], max(8, _SLAB // (shape[0] * shape[1])))

    def slabs(self, put: Callable[[Any], object]) -> Iterator[tuple[slice, NDArray[np.float32] | None]]:
        """Planes of z, and their density (z, y, x) after all atoms were ``put``; ``None`` where there are none."""
        planes = self.shape[2]
        heights = (self._places[:, 2] * planes) % planes
        for first in range(0, planes, self._thickness):
            here = slice(first, min(first + self._thickness, planes))
            # An atom counts where its sphere reaches the slab; the slab has a margin that holds what is beyond.
            above = (heights - first + self._reach) % planes
            chosen = np.flatnonzero(above < here.stop - first + 2 * self._reach)
            yield here, self._density(put, chosen, here) if len(chosen) else None

    def _density(self, put: Callable[[Any], object], chosen: NDArray[np.intp], here: slice) -> NDArray[np.float32]:
        # What spheres of atoms beyond the slab have beyond its margin wraps around into the other margin.
        thickness, margin = here.stop - here.start, int(self._reach[chosen].max())
        planes = self.shape[2]
        whole = thickness + 2 * margin >= planes
        if whole:
            margin = 0
        height = planes if whole else thickness + 2 * margin
        begin = 0 if whole else here.start - margin
        unit = self._cell
        lengths = (unit.a, unit.b, unit.c * height / planes)
        cell = self._gemmi.UnitCell(*lengths, unit.alpha, unit.beta, unit.gamma)
        grid = self.calculator.grid
        grid.set_size(self.shape[0], self.shape[1], height)
        grid.set_unit_cell(cell)
        grid.fill(0.0)
        places = self._places[chosen].copy()
        places[:, 2] = ((places[:, 2] * planes - begin) % planes) / height
        for number, place in zip(chosen.tolist(), places.tolist(), strict=True):
            atom = self._atoms[number]
            atom.pos = cell.orthogonalize(self._gemmi.Fractional(*place))
            put(atom)
        start = here.start if whole else margin
        return np.array(grid, copy=False).T[start : start + thickness]


def _roundest(gemmi: Any, atom: Any) -> Any:
    """An atom whose sphere holds that of an anisotropic one."""
    if not atom.aniso.nonzero():
        return atom
    rounder = atom.clone()
    rounder.b_iso = 8 * np.pi**2 * float(np.linalg.eigvalsh(atom.aniso.as_mat33().tolist())[-1])
    rounder.aniso = gemmi.SMat33f(0, 0, 0, 0, 0, 0)
    return rounder


def _waves(
    model: ModelFile,
    smeared: _Smeared,
    wanted: Reflections,
    columns: NDArray[np.complex64],
    put: Callable[[Any], object],
    before: float,
    told: Callable[[float], object],
) -> NDArray[np.complex64]:
    """(n,) structure factors of all reflections: what all atoms give that are ``put``, by way of ``columns``, the
    memory of the transform. ``before``: of the fraction done, half of which this is.
    """
    from nanobragg import _core

    fft = need("scipy", model.name, module="scipy.fft")
    threads = _core.thread_count(0)
    u, v, w = smeared.shape
    h, k = columns.shape[0] - 1, columns.shape[1] // 2
    for here, density in smeared.slabs(put):
        if density is None:
            columns[:, :, here] = 0
        else:
            rows = fft.rfft(density, axis=2, workers=threads)[:, :, : h + 1]
            planes = fft.fft(rows, axis=1, workers=threads)
            columns[:, : k + 1, here] = planes[:, : k + 1].T
            columns[:, k + 1 :, here] = planes[:, v - k :].T
        told(before + 0.3 * here.stop / w)
    for plane in columns:
        plane[:] = fft.fft(plane, axis=1, workers=threads, overwrite_x=True)
    told(before + 0.4)
    rotations, translations = model.symmetry.representatives
    scale = model.structure.cell.volume / (u * v * w) * len(model.symmetry.rotations) / len(rotations)
    return _core.sum_over_symmetry(
        rotations, translations, columns, wanted.hkl, wanted.metric, scale, smeared.calculator.blur
    )
