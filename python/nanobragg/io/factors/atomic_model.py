"""Structure factors computed from an atomic model (``specs/formats.md``).

One reflection of each set of equivalent ones is computed, and the others are copied. Small models are summed over their
atoms (:mod:`~nanobragg.io.factors.direct_sum`); the density of large ones is transformed
(:mod:`~nanobragg.io.factors.density`). Form factors of International Tables C 6.1.1.4, f′ and f″ of Cromer and
Liberman; flat bulk solvent after Jiang and Brünger (1994) J. Mol. Biol. 243, 100-115.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from nanobragg.errors import InputError
from nanobragg.io.factors.density import Reflections, Transformed, grid_points
from nanobragg.io.factors.direct_sum import Summed, cost_of
from nanobragg.io.factors.hkl import LARGEST_GRID
from nanobragg.io.factors.models import ModelFile, in_group
from nanobragg.io.factors.symmetry import no_symmetry
from nanobragg.io.support.extras import need
from nanobragg.records.structure_factors import StructureFactors

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    Waves = tuple[NDArray[np.complex128], NDArray[np.complex128]]

K_SOL = 0.35
"""electrons/Å³"""
_MASK_LIMIT = 2**26
"""points of the solvent's grid; it becomes coarser in larger cells"""
_TRANSFORMS = 0.7
"""Fraction of the work that transforms of the atoms are."""
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
    told = progress or (lambda fraction: None)
    parts = _parts(gemmi, model, recipe, Reflections(unique, metric, slack), told)
    minimum = (-bounds[0], -bounds[1], -bounds[2])
    grid = _core.grid_of_holes([2 * bound + 1 for bound in bounds])
    for piece in _pieces(len(unique)):
        _core.spread_reflections(*group, unique[piece], *_amplitudes(parts, piece), minimum, grid)
        told(parts.done + (1.0 - parts.done) * min(1.0, piece.stop / len(unique)))
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
    """What adds up to the crystal's structure factors. Grids are let go of as soon as their values are taken."""

    atoms: Callable[[slice], Waves]
    """What f0 + f′ and what f″ give for a piece of the reflections."""
    solvent: NDArray[np.complex64] | None
    """(n,) of all reflections"""
    done: float
    """Fraction of the work that they took."""
    warnings: tuple[str, ...] = ()


def _pieces(count: int) -> list[slice]:
    return [slice(start, start + _CHUNK) for start in range(0, count, _CHUNK)]


def _parts(
    gemmi: Any,
    model: ModelFile,
    recipe: Recipe,
    wanted: Reflections,
    told: Callable[[float], object],
) -> _Parts:
    """``told``: how far this has come."""
    atoms: Callable[[slice], Waves]
    done = 0.0
    if cost_of(model, len(wanted.hkl)) <= max(1e9, 60 * grid_points(model, recipe.resolution)):
        summed = Summed(gemmi, model, recipe.energy)

        def atoms(piece: slice) -> Waves:
            return summed(wanted.hkl[piece])

    else:
        atoms = Transformed(
            model, recipe.energy, recipe.resolution, wanted, lambda fraction: told(_TRANSFORMS * fraction)
        )
        done = _TRANSFORMS
    spacing = _mask_spacing(model, recipe)
    warnings = ()
    if recipe.k_sol and spacing > _usual_spacing(recipe):
        warnings = (
            f"{model.name}: the bulk solvent of so large a cell is computed on a grid of {spacing:.2g} Å, to "
            f"{2 * spacing:.2g} Å",
        )
    return _Parts(atoms, _solvent(gemmi, in_group(gemmi, model), recipe, spacing, wanted), done, warnings)


def _amplitudes(parts: _Parts, piece: slice) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """|F| (n,) of a piece and of its mates. f″ is a quarter turn ahead of f, so that the mates differ."""
    total, absorbing = parts.atoms(piece)
    if parts.solvent is not None:
        total += parts.solvent[piece]
    return np.abs(total + 1j * absorbing), np.abs(total - 1j * absorbing)


def _usual_spacing(recipe: Recipe) -> float:
    """Å; at low resolution, too, the mask follows the molecule's surface."""
    return min(recipe.resolution / 3, 0.8)


def _mask_spacing(model: ModelFile, recipe: Recipe) -> float:
    return max(_usual_spacing(recipe), (model.structure.cell.volume / _MASK_LIMIT) ** (1 / 3))


def _solvent(
    gemmi: Any,
    structure: Any,
    recipe: Recipe,
    spacing: float,
    wanted: Reflections,
) -> NDArray[np.complex64] | None:
    """(n,) of all reflections, 0 beyond what a grid of that spacing reaches."""
    if recipe.k_sol == 0.0:
        return None
    mask = gemmi.FloatGrid()
    mask.setup_from(structure, spacing=spacing)
    gemmi.SolventMasker(gemmi.AtomicRadiiSet.Refmac).put_mask_on_float_grid(mask, structure[0])
    grid = gemmi.transform_map_to_f_phi(mask, half_l=True)
    found = np.zeros(len(wanted.hkl), np.complex64)
    for piece in _pieces(len(found)):
        indices = wanted.hkl[piece].astype(float)
        d2 = np.einsum("ni,ij,nj->n", indices, wanted.metric, indices)
        inside = d2 <= (2 * spacing) ** -2
        values = grid.get_value_by_hkl(np.ascontiguousarray(wanted.hkl[piece][inside]))
        found[piece][inside] = recipe.k_sol * np.exp(-recipe.b_sol / 4 * d2[inside]) * values
    return found
