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
from nanobragg.io.factors.density import Transformed, grid_points
from nanobragg.io.factors.direct_sum import Summed, cost_of
from nanobragg.io.factors.hkl import LARGEST_GRID
from nanobragg.io.factors.models import ModelFile, in_group
from nanobragg.io.factors.symmetry import no_symmetry
from nanobragg.io.factors.waves import Columns, Reflections
from nanobragg.io.support.extras import need
from nanobragg.records.structure_factors import StructureFactors

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    Waves = tuple[NDArray[np.complexfloating], NDArray[np.complexfloating] | None]

K_SOL = 0.35
"""electrons/Å³"""
_MASK_LIMIT = 2**26
"""points of the solvent's grid; it becomes coarser in larger cells"""
_SOLVENT, _TRANSFORMS = 0.2, 0.6
"""Fractions of the work that the solvent and the transforms of the atoms are."""
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
        # f″ is a quarter turn ahead of f, so that the mates differ.
        mates = _core.amplitudes_of_mates(*parts.waves(piece))
        _core.spread_reflections(*group, unique[piece], *mates, minimum, grid)
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

    waves: Callable[[slice], Waves]
    """What f0 + f′ and the solvent, and what f″ give for a piece of the reflections; ``None``: nothing."""
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
    spacing = _mask_spacing(model, recipe)
    warnings = ()
    if recipe.k_sol and spacing > _usual_spacing(recipe):
        warnings = (
            f"{model.name}: the bulk solvent of so large a cell is computed on a grid of {spacing:.2g} Å, to "
            f"{2 * spacing:.2g} Å",
        )
    solvent = np.zeros(len(wanted.hkl), np.complex64)
    if recipe.k_sol:
        _add_solvent(gemmi, model, recipe, spacing, wanted, solvent)
    told(_SOLVENT)
    if cost_of(model, len(wanted.hkl)) > max(1e9, 60 * grid_points(model, recipe.resolution)):
        atoms = Transformed(
            model,
            recipe.energy,
            recipe.resolution,
            wanted,
            solvent,
            lambda fraction: told(_SOLVENT + _TRANSFORMS * fraction),
        )
        return _Parts(atoms, _SOLVENT + _TRANSFORMS, warnings)
    summed = Summed(gemmi, model, recipe.energy)

    def waves(piece: slice) -> Waves:
        total, absorbing = summed(wanted.hkl[piece])
        return total + solvent[piece], absorbing

    return _Parts(waves, _SOLVENT, warnings)


def _usual_spacing(recipe: Recipe) -> float:
    """Å; at low resolution, too, the mask follows the molecule's surface."""
    return min(recipe.resolution / 3, 0.8)


def _mask_spacing(model: ModelFile, recipe: Recipe) -> float:
    return max(_usual_spacing(recipe), (model.structure.cell.volume / _MASK_LIMIT) ** (1 / 3))


def _add_solvent(
    gemmi: Any,
    model: ModelFile,
    recipe: Recipe,
    spacing: float,
    wanted: Reflections,
    sums: NDArray[np.complex64],
) -> None:
    """Adds the solvent to the structure factors (n,) of all reflections that a grid of that spacing reaches.

    It is a cell full of solvent, which scatters into 0 0 0 alone, less what is within the atoms.
    """
    structure = in_group(gemmi, model)
    mask = gemmi.Int8Grid()
    mask.setup_from(structure, spacing=spacing)
    gemmi.SolventMasker(gemmi.AtomicRadiiSet.Refmac).put_mask_on_int8_grid(mask, structure[0])
    shape = (mask.nu, mask.nv, mask.nw)
    within = np.array(mask, copy=False).T == 0
    reached = wanted._replace(largest=(2 * spacing) ** -2)
    crystal = no_symmetry("")
    u, v, w = (min(bound, (points - 1) // 2) for bound, points in zip(reached.bounds(crystal), shape, strict=True))
    columns = Columns(model.name, shape, (u, v, w))
    columns.put(slice(0, mask.nw), within)
    columns.along_z()
    volume = model.structure.cell.volume
    whole_cell = (crystal.rotations, crystal.translations)
    columns.add_to(sums, reached, whole_cell, -recipe.k_sol * volume / within.size, -recipe.b_sol)
    sums[0] += recipe.k_sol * volume  # 0 0 0 is the first of all
