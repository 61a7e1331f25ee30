"""Structure factors computed from an atomic model (``specs/formats.md``), with gemmi.

Atoms are smeared on a grid and Fourier transformed (Ten Eyck (1977) Acta Cryst. A33, 486-492): form factors of
International Tables C 6.1.1.4, f′ and f″ of Cromer and Liberman; flat bulk solvent after Jiang and Brünger (1994)
J. Mol. Biol. 243, 100-115.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from nanobragg.errors import InputError
from nanobragg.io.factors.hkl import LARGEST_GRID, StructureFactors
from nanobragg.io.factors.kinds import read_unpacked
from nanobragg.io.support.extras import need

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from nanobragg.io.factors.reflections import Cell

K_SOL = 0.35
"""electrons/Å³"""
_RATE = 1.5
"""grid points per half of the resolution"""
_GRID_LIMIT = 2**29
"""points of a density grid"""


@dataclass(frozen=True, kw_only=True, eq=False)
class ModelFile:
    """A model, its atoms in the asymmetric unit."""

    name: str
    structure: Any
    """gemmi.Structure"""
    cell: Cell | None
    """Å, degrees; ``None``: the file has no crystal (NMR, electron microscopy)"""
    macromolecule: bool
    warnings: tuple[str, ...]


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


def read_model(path: str | os.PathLike[str]) -> ModelFile:
    """Read a PDB, mmCIF or small-molecule CIF file, also compressed by gzip.

    Raises :class:`InputError` when the file is none, or holds no atom.
    """
    name = os.fspath(path)
    gemmi = need("gemmi", name)
    content = read_unpacked(path)
    warnings: list[str] = []
    try:
        structure, macromolecule = _parsed(gemmi, content)
    except (RuntimeError, ValueError, IndexError) as error:
        reason = " ".join(str(error).split())[:120]
        raise InputError(f"{name}: found {reason}, expected a model (PDB or CIF)") from error
    if len(structure) > 1:
        warnings.append(f"{name}: found {len(structure)} models, the first is used")
        while len(structure) > 1:
            del structure[1]
    unknown = _remove_unknown(structure)
    if unknown:
        warnings.append(f"{name}: {unknown} atoms of unknown element are left out")
    if not len(structure) or not any(True for _ in structure[0].all()):
        raise InputError(f"{name}: found no atoms, expected a model (PDB or CIF)")
    cell = structure.cell
    known = (cell.a, cell.b, cell.c, cell.alpha, cell.beta, cell.gamma) if cell.is_crystal() else None
    if known is not None and gemmi.find_spacegroup_by_name(structure.spacegroup_hm or "P 1") is None:
        raise InputError(f"{name}: found the space group {structure.spacegroup_hm!r}, expected one that is known")
    return ModelFile(name=name, structure=structure, cell=known, macromolecule=macromolecule, warnings=tuple(warnings))


def model_factors(
    model: ModelFile, recipe: Recipe, cell: Sequence[float] | None = None, default_F: float = 0.0
) -> StructureFactors:
    """Amplitudes (electrons per cell) of all reflections of P1 within the resolution, both Friedel mates, and F(000).

    Args:
        model: the atoms.
        recipe: resolution, energy and solvent.
        cell: of a model without a crystal, which then stands alone in P1.
        default_F: fills the grid beyond the resolution.

    Raises:
        InputError: when the cell is not known, or a grid would be too large.

    """
    from nanobragg.maths.lattice import bounds_of, plane_of

    gemmi = need("gemmi", model.name)
    structure = _in_cell(gemmi, model, cell)
    unit = structure.cell
    constants = (unit.a, unit.b, unit.c, unit.alpha, unit.beta, unit.gamma)
    bounds = bounds_of(constants, recipe.resolution)
    shape = tuple(2 * bound + 1 for bound in bounds)
    points = unit.volume * max((2 * _RATE / recipe.resolution) ** 3, _mask_spacing(recipe) ** -3)
    if 8 * np.prod(shape, dtype=float) > LARGEST_GRID or points > _GRID_LIMIT:
        raise InputError(
            f"{model.name}: found indices to {bounds} at {recipe.resolution:.3g} Å, expected fewer: set -sf_dmin"
        )
    parts = _transforms(gemmi, structure, recipe)
    grid = np.full(shape, float(default_F))
    largest, count = recipe.resolution**-2, 0
    for h in range(-bounds[0], bounds[0] + 1):
        indices, inside = plane_of(constants, h, bounds, largest)
        hkl = np.ascontiguousarray(indices[inside])
        if len(hkl):
            grid[h + bounds[0]][inside] = np.abs(_sum(parts, hkl, unit.calculate_1_d2_array(hkl)))
        count += len(hkl)
    return StructureFactors(
        grid=grid, minimum=(-bounds[0], -bounds[1], -bounds[2]), count=count, warnings=model.warnings
    )


# ---- reading ----------------------------------------------------------------------------------------------


def _parsed(gemmi: Any, content: bytes) -> tuple[Any, bool]:
    """The structure, and whether it is a macromolecule's."""
    beginning = next((s for s in map(bytes.strip, content.splitlines()) if s and not s.startswith(b"#")), b"")
    if beginning[:5].lower() != b"data_":
        structure = gemmi.read_pdb_string(content)
        macromolecule = True
    else:
        document = gemmi.cif.read_string(content)
        block = next((b for b in document if b.find_values("_atom_site.id")), None)
        if block is not None:
            structure, macromolecule = gemmi.make_structure_from_block(block), True
        else:
            block = next((b for b in document if b.find_values("_atom_site_label")), document[0])
            structure, macromolecule = _from_small(gemmi, gemmi.make_small_structure_from_block(block)), False
    structure.setup_entities()
    if structure.ncs:
        structure.expand_ncs(gemmi.HowToNameCopiedChain.Short)
    return structure, macromolecule


def _from_small(gemmi: Any, small: Any) -> Any:
    """A small-molecule structure as a Structure. Its occupancies become those of a crystal: shared where an atom lies
    on a symmetry element.
    """
    small.setup_cell_images()
    small.change_occupancies_to_crystallographic()
    structure = gemmi.Structure()
    structure.cell = small.cell
    structure.spacegroup_hm = "P 1" if small.spacegroup is None else small.spacegroup.xhm()
    residue = gemmi.Residue()
    for site in small.sites:
        atom = gemmi.Atom()
        atom.name, atom.element, atom.occ = site.label, site.element, site.occ
        atom.pos = small.cell.orthogonalize(site.fract)
        atom.b_iso = 8 * np.pi**2 * site.u_iso
        if site.aniso.nonzero():
            atom.aniso = _orthogonal(gemmi, small, site)
        residue.add_atom(atom)
    chain, model = gemmi.Chain("A"), gemmi.Model(1)
    chain.add_residue(residue)
    model.add_chain(chain)
    structure.add_model(model)
    structure.setup_cell_images()
    return structure


def _orthogonal(gemmi: Any, small: Any, site: Any) -> Any:
    """U along a*, b*, c* (as CIF has it) as Cartesian U."""
    lengths = np.array(small.cell.reciprocal().parameters[:3])
    matrix = np.array(small.cell.orth.mat.tolist()) @ np.diag(lengths)
    u = matrix @ np.array(site.aniso.as_mat33().tolist()) @ matrix.T
    return gemmi.SMat33f(u[0, 0], u[1, 1], u[2, 2], u[0, 1], u[0, 2], u[1, 2])


def _remove_unknown(structure: Any) -> int:
    removed = 0
    for model in structure:
        for chain in model:
            for residue in chain:
                for index in reversed(range(len(residue))):
                    if residue[index].element.atomic_number == 0:
                        del residue[index]
                        removed += 1
    return removed


def _in_cell(gemmi: Any, model: ModelFile, cell: Sequence[float] | None) -> Any:
    if model.cell is not None:
        return model.structure
    if cell is None:
        raise InputError(f"{model.name}: found no unit cell, expected one, or -cell")
    structure = model.structure.clone()
    structure.cell = gemmi.UnitCell(*cell)
    structure.spacegroup_hm = "P 1"
    structure.setup_cell_images()
    return structure


# ---- computing --------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Parts:
    """Transforms (gemmi.ReciprocalComplexGrid) of the densities that add up to the crystal's."""

    atoms: Any
    blur: float
    absorbing: Any | None
    """f″"""
    solvent: Any | None
    k_sol: float
    b_sol: float


def _transforms(gemmi: Any, structure: Any, recipe: Recipe) -> _Parts:
    model = structure[0]
    density = gemmi.DensityCalculatorX()
    density.d_min = recipe.resolution
    density.rate = _RATE
    density.set_grid_cell_and_spacegroup(structure)
    density.set_refmac_compatible_blur(model)
    elements = {atom.element.atomic_number: atom.element for _, _, atom in _atoms(model)}
    shifts = {z: gemmi.cromer_liberman(z=z, energy=recipe.energy) for z in elements}
    for z, element in elements.items():
        density.addends.set(element, shifts[z][0])
    density.put_model_density_on_grid(model)
    atoms = gemmi.transform_map_to_f_phi(density.grid)
    return _Parts(
        atoms,
        density.blur,
        _absorbing(gemmi, density, model, {z: f[1] for z, f in shifts.items()}),
        _solvent(gemmi, structure, recipe),
        recipe.k_sol,
        recipe.b_sol,
    )


def _atoms(model: Any) -> Any:
    return ((chain, residue, atom) for chain in model for residue in chain for atom in residue)


def _absorbing(gemmi: Any, density: Any, model: Any, f_double_prime: dict[int, float]) -> Any | None:
    """The transform of f″ at every atom."""
    if not any(f_double_prime.values()):
        return None
    density.initialize_grid()
    for _, _, atom in _atoms(model):
        strength = f_double_prime[atom.element.atomic_number]
        if strength:
            density.add_c_contribution_to_grid(atom, strength)
    density.grid.symmetrize_sum()
    return gemmi.transform_map_to_f_phi(density.grid)


def _mask_spacing(recipe: Recipe) -> float:
    """Å; at low resolution, too, the mask follows the molecule's surface."""
    return min(recipe.resolution / 3, 0.8) if recipe.k_sol else recipe.resolution / 3


def _solvent(gemmi: Any, structure: Any, recipe: Recipe) -> Any | None:
    if recipe.k_sol == 0.0:
        return None
    mask = gemmi.FloatGrid()
    mask.setup_from(structure, spacing=_mask_spacing(recipe))
    gemmi.SolventMasker(gemmi.AtomicRadiiSet.Refmac).put_mask_on_float_grid(mask, structure[0])
    return gemmi.transform_map_to_f_phi(mask)


def _sum(parts: _Parts, hkl: NDArray[np.int32], inverse_d2: NDArray[np.float64]) -> NDArray[np.complex128]:
    """Complex structure factors (n,). f″ is a quarter turn ahead of f, so that Friedel mates differ."""
    total = np.array(parts.atoms.get_value_by_hkl(hkl, unblur=parts.blur), dtype=np.complex128)
    if parts.absorbing is not None:
        total += 1j * parts.absorbing.get_value_by_hkl(hkl, unblur=parts.blur)
    if parts.solvent is not None:
        total += parts.k_sol * np.exp(-parts.b_sol / 4 * inverse_d2) * parts.solvent.get_value_by_hkl(hkl)
    return total
