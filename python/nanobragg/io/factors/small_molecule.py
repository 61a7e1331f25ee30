"""Small-molecule CIF: atoms on symmetry elements, settings, and what the formula says (``specs/formats.md``)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from nanobragg.errors import InputError
from nanobragg.io.factors.cif_blocks import values_of, with_cell
from nanobragg.io.factors.elements import Elements, parse_formula
from nanobragg.io.factors.models import ModelFile, check_atoms
from nanobragg.io.factors.symmetry import of_group, symmetry_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from nanobragg.io.factors.cif_blocks import Blocks
    from nanobragg.io.factors.symmetry import Symmetry
    from nanobragg.io.factors.types import Choice
    from nanobragg.maths.lattice import Cell

_SAME_PLACE = 0.3
"""Å; an atom and its image that are nearer are one atom on a symmetry element"""
_FULL = 1.05
"""Occupancy beyond which two atoms are not one that is disordered."""
_PAIRS = 2e7
"""Pairs of atoms and images, beyond which none are compared."""
_FAR = 1e4
"""cells; coordinates beyond are none"""
_MANY = 0.02
"""relative; a cell whose atoms differ by more from the formula is doubtful"""


def read_small_molecule(gemmi: Any, name: str, blocks: Blocks, choice: Choice) -> ModelFile:
    """The atoms of a block of a core CIF. Raises :class:`InputError` for one without a cell, symmetry or atoms."""
    block = blocks.chosen
    cell, said, warnings = with_cell(gemmi, name, blocks)
    if cell is None:
        raise InputError(f"{name}: found no unit cell, expected one")
    symmetry = symmetry_of(gemmi, name, said, cell, choice.group, origin_matters=True)
    if symmetry is None:
        raise InputError(f"{name}: found no space group and no symmetry operators, expected either, or -sf_group NAME")
    small = gemmi.make_small_structure_from_block(block)
    small.cell = gemmi.UnitCell(*cell)
    formula = parse_formula(next(iter(values_of(block, "_chemical_formula?sum")), ""))
    sites, doubts = _sites(gemmi, name, block, small, formula)
    if not sites:
        raise InputError(f"{name}: found no atoms, expected a model (PDB or CIF)")
    places = np.array([site.fract.tolist() for site in sites])
    symmetry, doubt = _of_origin(name, _Contents(block, formula, cell, places, sites), symmetry)
    multiplicity = len(symmetry.rotations) // _site_symmetry(symmetry, places, cell)
    structure = _structure(gemmi, small, sites, multiplicity / len(symmetry.rotations))
    check_atoms(name, structure)
    return ModelFile(
        name=name,
        structure=structure,
        cell=cell,
        symmetry=symmetry,
        macromolecule=False,
        contents=_listed(sites, multiplicity),
        warnings=(*warnings, *symmetry.warnings, *doubts, *doubt, *_twice(name, symmetry, places, cell, sites)),
    )


def _sites(gemmi: Any, name: str, block: Any, small: Any, formula: dict[str, float]) -> tuple[list[Any], list[str]]:
    """The atoms that are used, and what there is to say about them."""
    elements = Elements(gemmi, formula)
    dummies, tensors = _dummies(block), _tensors_of_b(gemmi, block)
    sites, unplaced, still = [], [], 0
    for site in small.sites:
        if site.label in dummies or not (np.abs(site.fract.tolist()) < _FAR).all():
            unplaced.append(site.label)
            continue
        found = elements.find(site.label, site.type_symbol, site.element)
        if found is not None:
            site.element = found
            tensor = tensors.get(site.label, site.aniso)
            site.aniso = tensor if np.isfinite(tensor.elements_pdb()).all() else gemmi.SMat33d(0, 0, 0, 0, 0, 0)
            still += site.u_iso == 0.0 and not site.aniso.nonzero()
            sites.append(site)
    warnings = elements.warnings(name)
    if unplaced:
        warnings.append(f"{name}: dummy atoms and atoms without coordinates are left out: {', '.join(unplaced[:8])}")
    if still:
        warnings.append(f"{name}: {still} atoms have no displacement parameter; they are taken to stand still (U = 0)")
    return sites, warnings


def _dummies(block: Any) -> set[str]:
    """Labels of atoms that only mark a place."""
    table = block.find("_atom_site_", ["label", "calc_flag"])
    return {row.str(0) for row in table if row.str(1).lower() == "dum"}


def _tensors_of_b(gemmi: Any, block: Any) -> dict[str, Any]:
    """U (gemmi.SMat33d) of atoms for which the file has B = 8π²U instead, by label."""
    table = block.find("_atom_site_aniso_", ["label", "B_11", "B_22", "B_33", "B_12", "B_13", "B_23"])
    found = {row.str(0): [gemmi.cif.as_number(row[i]) / (8 * np.pi**2) for i in range(1, 7)] for row in table}
    return {label: gemmi.SMat33d(*numbers) for label, numbers in found.items() if np.isfinite(numbers).all()}


class _Contents:
    """What a cell should hold by its formula."""

    def __init__(
        self, block: Any, formula: dict[str, float], cell: Cell, places: NDArray[np.float64], sites: list[Any]
    ) -> None:
        self.cell, self.places = cell, places
        units = next(iter(values_of(block, "_cell?formula_units_Z")), "")
        try:
            number = float(units)
        except ValueError:
            number = 0.0
        # Hydrogen is often left out of models.
        self.expected = number * sum(count for element, count in formula.items() if element not in ("H", "D"))
        self.occupancies = np.array([0.0 if site.element.is_hydrogen else site.occ for site in sites])

    def count(self, symmetry: Symmetry) -> float:
        """Atoms in the cell, without hydrogen."""
        multiplicity = len(symmetry.rotations) // _site_symmetry(symmetry, self.places, self.cell)
        return float((self.occupancies * multiplicity).sum())

    def fits(self, symmetry: Symmetry) -> bool:
        return abs(self.count(symmetry) - self.expected) <= _MANY * self.expected


def _of_origin(name: str, contents: _Contents, symmetry: Symmetry) -> tuple[Symmetry, list[str]]:
    """The symmetry with the origin that gives as many atoms as the formula; a warning where none does."""
    if not contents.expected or contents.fits(symmetry):
        return symmetry, []
    for origin in symmetry.origins:
        other = of_group(origin, "with the origin that gives the atoms of its formula")
        if contents.fits(other):
            return replace(other, warnings=tuple(w for w in symmetry.warnings if "origin choice" not in w)), []
    return symmetry, [
        f"{name}: {contents.count(symmetry):.4g} atoms (without hydrogen) are in the cell, where its formula says "
        f"{contents.expected:.4g}"
    ]


def _meetings(
    symmetry: Symmetry, cell: Cell, places: NDArray[np.float64], others: NDArray[np.float64]
) -> Iterator[NDArray[np.bool_]]:
    """Which places each operation puts where others (..., 3) are that they are broadcast with."""
    from nanobragg.maths.lattice import reciprocal_metric

    metric = np.linalg.inv(reciprocal_metric(cell))
    for rotation, translation in zip(symmetry.rotations, symmetry.translations, strict=True):
        away = places @ rotation.T + translation - others
        away -= np.round(away)
        yield np.einsum("...i,ij,...j->...", away, metric, away) < _SAME_PLACE**2


def _site_symmetry(symmetry: Symmetry, places: NDArray[np.float64], cell: Cell) -> NDArray[np.int64]:
    """(n,) operations that leave each place where it is."""
    count = np.sum(list(_meetings(symmetry, cell, places, places)), axis=0)
    # A group's size is a multiple of its subgroup's; places near several elements may count one too many.
    size = len(symmetry.rotations)
    divisors = np.array([d for d in range(1, size + 1) if size % d == 0])
    return divisors[np.searchsorted(divisors, count, side="right") - 1]


def _twice(name: str, symmetry: Symmetry, places: NDArray[np.float64], cell: Cell, sites: list[Any]) -> list[str]:
    """A warning about atoms that symmetry puts where others are, as in a list of all atoms of the cell whose group is
    still named: they would count twice.
    """
    if len(places) ** 2 * len(symmetry.rotations) > _PAIRS:
        return []
    near = np.zeros((len(places), len(places)), dtype=bool)
    for meeting in _meetings(symmetry, cell, places[:, None], places):
        near |= meeting
    occupancies = np.array([site.occ for site in sites])
    pairs = np.argwhere(np.triu(near | near.T, 1) & (np.add.outer(occupancies, occupancies) > _FULL))
    if not len(pairs):
        return []
    found = {sites[second].label: sites[first].label for first, second in reversed(pairs.tolist())}
    shown = ", ".join(f"{second} ({first})" for second, first in list(found.items())[:4])
    return [f"{name}: {len(found)} atoms are where symmetry puts others, and count twice: {shown}"]


def _structure(gemmi: Any, small: Any, sites: list[Any], shares: NDArray[np.float64]) -> Any:
    """A gemmi.Structure. Occupancies become those of a crystal: shared where an atom lies on a symmetry element."""
    structure = gemmi.Structure()
    structure.cell = small.cell
    residue = gemmi.Residue()
    for site, share in zip(sites, shares, strict=True):
        atom = gemmi.Atom()
        atom.name, atom.element, atom.occ = site.label, site.element, site.occ * share
        atom.pos = small.cell.orthogonalize(site.fract)
        atom.b_iso = 8 * np.pi**2 * site.u_iso
        if site.aniso.nonzero():
            atom.aniso = _orthogonal(gemmi, small, site)
        residue.add_atom(atom)
    chain, model = gemmi.Chain("A"), gemmi.Model(1)
    chain.add_residue(residue)
    model.add_chain(chain)
    structure.add_model(model)
    return structure


def _orthogonal(gemmi: Any, small: Any, site: Any) -> Any:
    """U along a*, b*, c* (as CIF has it) as Cartesian U."""
    lengths = np.array(small.cell.reciprocal().parameters[:3])
    matrix = np.array(small.cell.orth.mat.tolist()) @ np.diag(lengths)
    u = matrix @ np.array(site.aniso.as_mat33().tolist()) @ matrix.T
    return gemmi.SMat33f(u[0, 0], u[1, 1], u[2, 2], u[0, 1], u[0, 2], u[1, 2])


def _listed(sites: list[Any], multiplicity: NDArray[np.int64]) -> str:
    counts: dict[str, int] = {}
    for site, number in zip(sites, multiplicity, strict=True):
        counts[site.element.name] = counts.get(site.element.name, 0) + int(number)
    elements = " ".join(f"{element}{count}" for element, count in counts.items())
    return f"{int(multiplicity.sum())} atoms in the cell ({elements})"
