"""An atomic model as it was read, and its atoms in the space group (``specs/formats.md``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nanobragg.errors import InputError
from nanobragg.records.record import Record

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nanobragg.io.factors.symmetry import Symmetry
    from nanobragg.maths.lattice import Cell

_LARGEST = 1e5
_LEAST_B, _LEAST_U = -100.0, -1.0
"""Å²; refinement leaves some a little below 0"""


class ModelFile(Record):
    """A model, its atoms in the asymmetric unit."""

    name: str
    structure: Any
    """gemmi.Structure"""
    cell: Cell | None
    """Å, degrees; ``None``: the file has no crystal (NMR, electron microscopy)"""
    symmetry: Symmetry
    macromolecule: bool
    contents: str
    """What is in the cell, for messages."""
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def atoms_of(model: Any) -> Iterator[Any]:
    """The atoms of a gemmi.Model."""
    return (atom for chain in model for residue in chain for atom in residue)


def check_atoms(name: str, structure: Any) -> None:
    """Raises :class:`InputError` for numbers that no atom has: they would take memory and time without end, and
    displacements that are far below 0 make infinities.
    """
    for atom in (atom for model in structure for atom in atoms_of(model)):
        tensor = atom.aniso.elements_pdb()
        sane = are_usual(*atom.pos.tolist(), atom.occ, atom.b_iso, *tensor) and atom.b_iso > _LEAST_B
        if sane and max(map(abs, tensor)) > -_LEAST_U:
            sane = float(np.linalg.eigvalsh(atom.aniso.as_mat33().tolist())[0]) > _LEAST_U
        if not sane:
            raise InputError(
                f"{name}: found the atom {atom.name} {atom.serial} with numbers that no atom has, expected "
                "coordinates, occupancy and displacement parameters (Å, Å²)"
            )


def are_usual(*numbers: float) -> bool:
    """Whether numbers are those of a molecule (Å, Å²)."""
    return all(-_LARGEST < number < _LARGEST for number in numbers)


def in_group(gemmi: Any, model: ModelFile) -> Any:
    """The gemmi.Structure in its space group; in P 1 with all its atoms, where gemmi does not know the operations."""
    structure, symmetry = model.structure.clone(), model.symmetry
    structure.spacegroup_hm = "P 1" if symmetry.group is None else symmetry.group.xhm()
    if symmetry.group is None:
        for chain in structure[0]:
            for residue in chain:
                _expand(gemmi, residue, structure.cell, symmetry)
    structure.setup_cell_images()
    return structure


def _expand(gemmi: Any, residue: Any, cell: Any, symmetry: Symmetry) -> None:
    originals = [atom.clone() for atom in residue]
    for rotation, translation in zip(symmetry.rotations, symmetry.translations, strict=True):
        if (rotation == [[1, 0, 0], [0, 1, 0], [0, 0, 1]]).all() and not translation.any():
            continue
        for original in originals:
            residue.add_atom(_moved(gemmi, original, cell, rotation, translation))


def _moved(gemmi: Any, atom: Any, cell: Any, rotation: Any, translation: Any) -> Any:
    moved = atom.clone()
    place = rotation @ np.array(cell.fractionalize(atom.pos).tolist()) + translation
    moved.pos = cell.orthogonalize(gemmi.Fractional(*place))
    if atom.aniso.nonzero():
        orth = np.array(cell.orth.mat.tolist())
        turn = orth @ rotation @ np.linalg.inv(orth)
        u = turn @ np.array(atom.aniso.as_mat33().tolist()) @ turn.T
        moved.aniso = gemmi.SMat33f(u[0, 0], u[1, 1], u[2, 2], u[0, 1], u[0, 2], u[1, 2])
    return moved
