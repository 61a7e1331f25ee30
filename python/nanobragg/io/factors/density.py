"""The transform of the electron density of a model's atoms, in slabs (Ten Eyck (1977) Acta Cryst. A33, 486-492).

Only the atoms of the asymmetric unit are smeared, by gemmi, and on one slab of the cell at a time, which is transformed
as soon as it is there (:mod:`~nanobragg.io.factors.waves`). Symmetry is applied to the waves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nanobragg.io.factors.models import atoms_of
from nanobragg.io.factors.waves import Columns
from nanobragg.io.support.extras import need

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from nanobragg.io.factors.models import ModelFile
    from nanobragg.io.factors.waves import Reflections

    Waves = tuple[NDArray[np.complex64], NDArray[np.complex64] | None]

_RATE = 1.5
"""grid points per half of the resolution"""
_SLAB = 2**25
"""grid points of a slab, about"""


def grid_points(model: ModelFile, resolution: float) -> float:
    """About how many grid points are transformed."""
    return model.structure.cell.volume * (2 * _RATE / resolution) ** 3


class Transformed:
    """Atoms on a grid, transformed."""

    def __init__(
        self,
        model: ModelFile,
        energy: float,
        resolution: float,
        wanted: Reflections,
        others: NDArray[np.complex64],
        told: Callable[[float], object],
    ) -> None:
        """``others``: structure factors (n,) of what else is in the crystal; those of the atoms are added to them."""
        gemmi = need("gemmi", model.name)
        smeared = _Smeared(gemmi, model, resolution, _shape(model, resolution, wanted))
        columns = Columns(model.name, smeared.shape, wanted.bounds(model.symmetry))
        shifts = {z: gemmi.cromer_liberman(z=z, energy=energy) for z in smeared.elements}
        for z, element in smeared.elements.items():
            smeared.calculator.addends.set(element, shifts[z][0])
        self._scattering, self._absorbing = others, None
        put_all = smeared.calculator.add_atom_density_to_grid
        _add_waves(model, smeared, wanted, columns, put_all, others, lambda fraction: told(0.5 * fraction))
        absorbing = {z: f[1] for z, f in shifts.items()}
        if any(absorbing.values()):

            def put(atom: Any) -> None:
                if strength := absorbing[atom.element.atomic_number]:
                    smeared.calculator.add_c_contribution_to_grid(atom, strength)

            self._absorbing = np.zeros(len(wanted.hkl), np.complex64)
            _add_waves(
                model, smeared, wanted, columns, put, self._absorbing, lambda fraction: told(0.5 + 0.5 * fraction)
            )
        told(1.0)

    def __call__(self, piece: slice) -> Waves:
        """What f0 + f′ (and the others) and what f″ give for a piece of the reflections; ``None``: nothing."""
        return self._scattering[piece], None if self._absorbing is None else self._absorbing[piece]


def _shape(model: ModelFile, resolution: float, wanted: Reflections) -> tuple[int, int, int]:
    """Grid points along the axes: planes lie close enough, and no index within the resolution has another's wave."""
    fast = need("scipy", model.name, module="scipy.fft").next_fast_len
    spacings = 1.0 / np.sqrt(np.diag(wanted.metric))
    apart = resolution / (2 * _RATE)
    highest = wanted.bounds(model.symmetry)
    u, v, w = (
        fast(max(int(np.ceil(spacing / apart)), 2 * bound + 2))
        for spacing, bound in zip(spacings, highest, strict=True)
    )
    return u, v, w


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


def _add_waves(
    model: ModelFile,
    smeared: _Smeared,
    wanted: Reflections,
    columns: Columns,
    put: Callable[[Any], object],
    sums: NDArray[np.complex64],
    told: Callable[[float], object],
) -> None:
    """Adds to ``sums`` (n,) the structure factors of what all atoms give that are ``put``, by way of ``columns``."""
    u, v, w = smeared.shape
    for here, density in smeared.slabs(put):
        columns.put(here, density)
        told(0.6 * here.stop / w)
    columns.along_z()
    told(0.8)
    rotations, translations = model.symmetry.representatives
    scale = model.structure.cell.volume / (u * v * w) * len(model.symmetry.rotations) / len(rotations)
    columns.add_to(sums, wanted, (rotations, translations), scale, smeared.calculator.blur)
