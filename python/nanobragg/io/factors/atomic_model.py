"""Structure factors computed from an atomic model (``specs/formats.md``).

One reflection of each set of equivalent ones is computed, and the others are copied. Small models are summed over their
atoms; the atoms of large ones are smeared on a grid and Fourier transformed by gemmi (Ten Eyck (1977) Acta Cryst. A33,
486-492). Form factors of International Tables C 6.1.1.4, f′ and f″ of Cromer and Liberman; flat bulk solvent after
Jiang and Brünger (1994) J. Mol. Biol. 243, 100-115.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from nanobragg.errors import InputError
from nanobragg.io.factors.direct_sum import Summed, cost_of
from nanobragg.io.factors.hkl import LARGEST_GRID
from nanobragg.io.factors.models import ModelFile, atoms_of, in_group
from nanobragg.io.factors.symmetry import no_symmetry
from nanobragg.io.support.extras import need
from nanobragg.records.structure_factors import StructureFactors

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

K_SOL = 0.35
"""electrons/Å³"""
_RATE = 1.5
"""grid points per half of the resolution"""
_GRID_LIMIT = 2**29
"""points of a density grid"""
_MASK_LIMIT = 2**26
"""points of the solvent's grid; it becomes coarser in larger cells"""
_CHUNK = 2**19
"""reflections at a time"""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How structure factors are computed."""

    resolution: float
    """Å"""
    energy: float
    """eV, of f′ and f″"""
    k_sol: float
    """electrons/Å³"""
    b_sol: float
    """Å²"""


def model_factors(
    model: ModelFile,
    recipe: Recipe,
    cell: Sequence[float] | None = None,
    default_F: float = 0.0,
    progress: Callable[[float], object] | None = None,
) -> StructureFactors:
    """Amplitudes (electrons per cell) of all reflections of P1 within the resolution, both Friedel mates, and F(000).

    Args:
        model: the atoms.
        recipe: resolution, energy and solvent.
        cell: of a model without a crystal, which then stands alone in P1.
        default_F: fills the grid beyond the resolution.
        progress: called with the fraction done.

    Raises:
        InputError: when the cell is not known, or a grid would be too large.

    """
    from nanobragg import _core
    from nanobragg.maths.lattice import ball_of

    gemmi = need("gemmi", model.name)
    model = _in_cell(gemmi, model, cell)
    constants = _constants(model)
    metric, bounds = ball_of(constants, recipe.resolution**-2)
    _check_size(model, recipe, bounds)
    group = (model.symmetry.rotations, model.symmetry.translations)
    # A reflection at the limit may stand for one that rounding, or a cell that is a little off, puts beyond it.
    slack = recipe.resolution**-2 * (1 + 1e-9 + 0.04 * _misfit(model))
    unique = _core.unique_reflections(*group, metric, slack, ball_of(constants, slack)[1])
    parts = _parts(gemmi, model, recipe, len(unique))
    minimum = (-bounds[0], -bounds[1], -bounds[2])
    grid = _core.grid_of_holes([2 * bound + 1 for bound in bounds])
    for start in range(0, len(unique), _CHUNK):
        hkl = unique[start : start + _CHUNK]
        _core.spread_reflections(*group, hkl, *_amplitudes(parts, hkl, metric), minimum, grid)
        if progress is not None:
            progress(min(1.0, (start + _CHUNK) / len(unique)))
    expected, missing, _ = _core.complete_grid(*group, metric, recipe.resolution**-2, bounds, default_F, grid)
    return StructureFactors(
        grid=grid, minimum=minimum, count=expected - missing + 1, warnings=(*model.warnings, *parts.warnings)
    )


# ---- the cell ---------------------------------------------------------------------------------------------


def _in_cell(gemmi: Any, model: ModelFile, cell: Sequence[float] | None) -> ModelFile:
    if model.cell is not None:
        return model
    if cell is None:
        raise InputError(f"{model.name}: found no unit cell, expected one, or -cell")
    structure = model.structure.clone()
    structure.cell = gemmi.UnitCell(*cell)
    return replace(model, structure=structure, symmetry=no_symmetry(""))


def _constants(model: ModelFile) -> tuple[float, float, float, float, float, float]:
    unit = model.structure.cell
    return (unit.a, unit.b, unit.c, unit.alpha, unit.beta, unit.gamma)


def _misfit(model: ModelFile) -> float:
    from nanobragg.io.factors.group_names import misfit

    amount = misfit(model.symmetry.point_rotations, _constants(model))
    return amount if amount > 1e-6 else 0.0


def _check_size(model: ModelFile, recipe: Recipe, bounds: tuple[int, int, int]) -> None:
    if 8 * np.prod([2.0 * bound + 1 for bound in bounds]) > LARGEST_GRID:
        raise InputError(
            f"{model.name}: found indices to {bounds} at {recipe.resolution:.3g} Å, expected fewer: set -sf_dmin"
        )


# ---- computing --------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Parts:
    """What adds up to the crystal's structure factors."""

    atoms: Callable[[NDArray[np.int32]], tuple[NDArray[np.complex128], NDArray[np.complex128]]]
    """What f0 + f′ and what f″ give for reflections (n, 3)."""
    solvent: Any | None
    """gemmi.ReciprocalComplexGrid"""
    k_sol: float
    b_sol: float
    solvent_limit: float
    """1/d² (1/Å²) to which the solvent's grid reaches"""
    warnings: tuple[str, ...] = ()


def _parts(gemmi: Any, model: ModelFile, recipe: Recipe, reflections: int) -> _Parts:
    points = model.structure.cell.volume * (2 * _RATE / recipe.resolution) ** 3
    atoms: Any
    if cost_of(model, reflections) <= max(1e9, 60 * points):
        atoms = Summed(gemmi, model, recipe.energy)
    elif points > _GRID_LIMIT:
        raise InputError(
            f"{model.name}: found a cell of {points:.2g} grid points at {recipe.resolution:.3g} Å, expected at most "
            f"{_GRID_LIMIT:.2g}: set -sf_dmin"
        )
    else:
        atoms = _Transformed(gemmi, in_group(gemmi, model), recipe)
    spacing = _mask_spacing(model, recipe)
    warnings = ()
    if recipe.k_sol and spacing > _usual_spacing(recipe):
        warnings = (
            f"{model.name}: the bulk solvent of so large a cell is computed on a grid of {spacing:.2g} Å, to "
            f"{2 * spacing:.2g} Å",
        )
    return _Parts(
        atoms,
        _solvent(gemmi, model, recipe, spacing),
        recipe.k_sol,
        recipe.b_sol,
        (2 * spacing) ** -2,
        warnings,
    )


def _amplitudes(
    parts: _Parts, hkl: NDArray[np.int32], metric: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """|F| (n,) of reflections and of their mates. f″ is a quarter turn ahead of f, so that the mates differ."""
    total, absorbing = parts.atoms(hkl)
    if parts.solvent is not None:
        indices = hkl.astype(float)
        d2 = np.einsum("ni,ij,nj->n", indices, metric, indices)
        inside = d2 <= parts.solvent_limit
        values = parts.solvent.get_value_by_hkl(np.ascontiguousarray(hkl[inside]))
        total[inside] += parts.k_sol * np.exp(-parts.b_sol / 4 * d2[inside]) * values
    return np.abs(total + 1j * absorbing), np.abs(total - 1j * absorbing)


class _Transformed:
    """Atoms on a grid, transformed."""

    def __init__(self, gemmi: Any, structure: Any, recipe: Recipe) -> None:
        model = structure[0]
        density = gemmi.DensityCalculatorX()
        density.d_min = recipe.resolution
        density.rate = _RATE
        density.set_grid_cell_and_spacegroup(structure)
        density.set_refmac_compatible_blur(model)
        elements = {atom.element.atomic_number: atom.element for atom in atoms_of(model)}
        shifts = {z: gemmi.cromer_liberman(z=z, energy=recipe.energy) for z in elements}
        for z, element in elements.items():
            density.addends.set(element, shifts[z][0])
        density.put_model_density_on_grid(model)
        self._blur = density.blur
        self._scattering = gemmi.transform_map_to_f_phi(density.grid, half_l=True)
        self._absorbing = _absorbing(gemmi, density, model, {z: f[1] for z, f in shifts.items()})

    def __call__(self, hkl: NDArray[np.int32]) -> tuple[NDArray[np.complex128], NDArray[np.complex128]]:
        hkl = np.ascontiguousarray(hkl)
        total = np.array(self._scattering.get_value_by_hkl(hkl, unblur=self._blur), dtype=np.complex128)
        if self._absorbing is None:
            return total, np.zeros_like(total)
        absorbing = self._absorbing.get_value_by_hkl(hkl, unblur=self._blur)
        return total, np.array(absorbing, dtype=np.complex128)


def _absorbing(gemmi: Any, density: Any, model: Any, f_double_prime: dict[int, float]) -> Any | None:
    """The transform of f″ at every atom."""
    if not any(f_double_prime.values()):
        return None
    density.initialize_grid()
    for atom in atoms_of(model):
        strength = f_double_prime[atom.element.atomic_number]
        if strength:
            density.add_c_contribution_to_grid(atom, strength)
    density.grid.symmetrize_sum()
    return gemmi.transform_map_to_f_phi(density.grid, half_l=True)


def _usual_spacing(recipe: Recipe) -> float:
    """Å; at low resolution, too, the mask follows the molecule's surface."""
    return min(recipe.resolution / 3, 0.8)


def _mask_spacing(model: ModelFile, recipe: Recipe) -> float:
    return max(_usual_spacing(recipe), (model.structure.cell.volume / _MASK_LIMIT) ** (1 / 3))


def _solvent(gemmi: Any, model: ModelFile, recipe: Recipe, spacing: float) -> Any | None:
    if recipe.k_sol == 0.0:
        return None
    structure = in_group(gemmi, model)
    mask = gemmi.FloatGrid()
    mask.setup_from(structure, spacing=spacing)
    gemmi.SolventMasker(gemmi.AtomicRadiiSet.Refmac).put_mask_on_float_grid(mask, structure[0])
    return gemmi.transform_map_to_f_phi(mask, half_l=True)
