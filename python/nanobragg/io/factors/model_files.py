"""Models of PDB, mmCIF and small-molecule CIF files, read by gemmi (``specs/formats.md``)."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from nanobragg.errors import InputError
from nanobragg.io.factors.cells import checked_cell
from nanobragg.io.factors.cif_blocks import choose_block, described_blocks, read_document, with_cell
from nanobragg.io.factors.elements import Elements
from nanobragg.io.factors.kinds import read_text
from nanobragg.io.factors.models import ModelFile, are_usual, atoms_of, check_atoms
from nanobragg.io.factors.small_molecule import read_small_molecule
from nanobragg.io.factors.symmetry import Said, Symmetry, no_symmetry, of_triplets, symmetry_of
from nanobragg.io.factors.types import Choice
from nanobragg.io.support.extras import need
from nanobragg.io.support.reasons import reason

if TYPE_CHECKING:
    from nanobragg.io.factors.cif_blocks import Blocks
    from nanobragg.maths.lattice import Cell

_REFLECTIONS = ("_refln.index_h", "_refln_index_h", "_shelx_hkl_file")
_LARGEST_BOX = 2e10
"""Å³"""
_RIGID = 0.1
"""How far the axes of an NCS operator may be from a rotation's."""
_REMARK_290 = re.compile(r"^REMARK 290 +\d+555 +(\S{0,20}[XYZ]\S{0,20},\S{1,40},\S{1,40})", re.MULTILINE)


def read_model(path: str | os.PathLike[str], choice: Choice | None = None) -> ModelFile:
    """Read a PDB, mmCIF or small-molecule CIF file, also compressed by gzip.

    Raises :class:`InputError` when the file is none, holds no atom, or has a cell but no symmetry.
    """
    name = os.fspath(path)
    gemmi = need("gemmi", name)
    choice = choice or Choice()
    text = read_text(path)
    try:
        if not _is_cif(text):
            if choice.block is not None:
                raise InputError(f"-sf_block: found {choice.block!r}, expected none: {name} is no CIF")
            return _from_pdb(gemmi, name, text, choice)
        document = read_document(gemmi, name, "a model")
        tests = (lambda block: _has(block, "_atom_site.Cartn_x"), lambda block: _has(block, "_atom_site_fract_x"))
        blocks = choose_block(name, document, choice.block, tests, "atoms")
        if _has(blocks.chosen, "_atom_site_fract_x"):
            return _with_notes(name, read_small_molecule(gemmi, name, blocks, choice), blocks)
        cell, said, doubts = with_cell(gemmi, name, blocks)
        structure = gemmi.make_structure_from_block(blocks.chosen)
        model = _macromolecule(gemmi, name, structure, _symmetry(gemmi, name, said, cell, choice))
        return _with_notes(name, replace(model, warnings=(*doubts, *model.warnings)), blocks)
    except InputError:
        raise
    except (RuntimeError, ValueError, IndexError) as error:
        raise InputError(f"{name}: found {reason(error)}, expected a model (PDB or CIF)") from error


def _with_notes(name: str, model: ModelFile, blocks: Blocks) -> ModelFile:
    """The model, with what is said of the blocks and tables that are not read."""
    notes = described_blocks(name, blocks)
    tables = [b.name for b in blocks.document if any(_has(b, tag) for tag in _REFLECTIONS)]
    if tables:
        notes.append(f"{name}: its reflections (block {', '.join(tables)}) are not read, but its atoms")
    return replace(model, notes=(*model.notes, *notes))


def _is_cif(text: str) -> bool:
    lines = (line.strip() for line in text.splitlines())
    return next((line for line in lines if line and not line.startswith("#")), "")[:5].lower() == "data_"


def _has(block: Any, tag: str) -> bool:
    return len(block.find_values(tag)) > 0


def _from_pdb(gemmi: Any, name: str, text: str, choice: Choice) -> ModelFile:
    structure = gemmi.read_pdb_string(text)
    cell = _crystal(name, structure)
    operators = _REMARK_290.findall(text)
    hm = structure.spacegroup_hm.strip()
    said = Said(names=[hm] if hm else [])
    try:
        symmetry = _symmetry(gemmi, name, said, cell, choice)
    except InputError:
        # CRYST1 is what programs keep up to date; remarks stand in where it does not help.
        if not operators or choice.group is not None:
            raise
        symmetry = of_triplets(gemmi, name, operators, f"from the {len(operators)} operators of REMARK 290")
    model = _macromolecule(gemmi, name, structure, symmetry)
    if not structure.cell.explicit_matrices:
        return model
    doubt = f"{name}: its atoms are placed in the cell by its SCALE records, which are not those of its CRYST1"
    return replace(model, warnings=(*model.warnings, doubt))


def _crystal(name: str, structure: Any) -> Cell | None:
    return checked_cell(name, structure.cell.parameters) if structure.cell.is_crystal() else None


def _symmetry(gemmi: Any, name: str, said: Said, cell: Cell | None, choice: Choice) -> Symmetry:
    if cell is None:
        return no_symmetry("as the file has no crystal")
    symmetry = symmetry_of(gemmi, name, said, cell, choice.group, origin_matters=True)
    if symmetry is None:
        raise InputError(f"{name}: found no space group and no symmetry operators, expected either, or -sf_group NAME")
    return symmetry


def _macromolecule(gemmi: Any, name: str, structure: Any, symmetry: Symmetry) -> ModelFile:
    warnings = [*symmetry.warnings]
    structure.setup_entities()
    check_atoms(name, structure)
    if structure.ncs:
        _check_copies(name, structure)
        structure.expand_ncs(gemmi.HowToNameCopiedChain.Short)
    if len(structure) > 1:
        warnings.append(f"{name}: found {len(structure)} models, the first is used")
        while len(structure) > 1:
            del structure[1]
    elements = Elements(gemmi, {})
    for chain in structure[0] if len(structure) else ():
        for residue in chain:
            _find_elements(residue, elements)
    warnings += elements.warnings(name)
    count = sum(1 for _ in atoms_of(structure[0])) if len(structure) else 0
    if not count:
        raise InputError(f"{name}: found no atoms, expected a model (PDB or CIF)")
    images = len(symmetry.rotations)
    return ModelFile(
        name=name,
        structure=structure,
        cell=_crystal(name, structure),
        symmetry=symmetry,
        macromolecule=True,
        contents=f"{images} x {count} atoms in the cell" if images > 1 else f"{count} atoms in the cell",
        warnings=tuple(warnings),
    )


def _check_copies(name: str, structure: Any) -> None:
    """Raises :class:`InputError` for NCS operators that are no rotations, or strew copies over more space than a box
    can be laid around.
    """
    places = np.array([atom.pos.tolist() for model in structure for atom in atoms_of(model)]).reshape(-1, 3)
    everywhere = [places]
    for operation in structure.ncs:
        matrix, vector = np.array(operation.tr.mat.tolist()), np.array(operation.tr.vec.tolist())
        if not are_usual(*matrix.ravel(), *vector) or np.abs(matrix @ matrix.T - np.eye(3)).max() > _RIGID:
            raise InputError(f"{name}: found the NCS operator {operation.id}, which is no rotation, expected one")
        if not operation.given:
            everywhere.append(places @ matrix.T + vector)
    extent = np.ptp(np.concatenate(everywhere), axis=0) if len(places) else np.zeros(3)
    if np.prod(extent + 1.0) > _LARGEST_BOX:
        lengths = " x ".join(f"{length:.0f}" for length in extent)
        raise InputError(f"{name}: found NCS operators that strew its atoms over {lengths} Å, expected a molecule")


def _find_elements(residue: Any, elements: Elements) -> None:
    """Sets the elements of atoms that gemmi does not know, and removes atoms of none."""
    for index in reversed(range(len(residue))):
        atom = residue[index]
        if atom.element.atomic_number and atom.element.it92 is not None:
            continue
        found = elements.find(atom.name, atom.name, atom.element)
        if found is None:
            del residue[index]
        else:
            atom.element = found
