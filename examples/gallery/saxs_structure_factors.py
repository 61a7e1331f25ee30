"""Structure factors of one protein molecule in water, as ``1orc_in_water.hkl.gz`` beside this script.

One molecule of 1ORC alone in a box of 120 Å: the lattice points of the box sample the molecule's transform four times
finer than its size asks for, so that the values between them can be interpolated. What scatters at small angles is the
contrast with the water, which fills the box: the transform of the atoms less that of as much water as they displace.
F(000), too, is this contrast, in electrons.

Run it with ``python examples/gallery/saxs_structure_factors.py`` (needs gemmi and numpy).
"""

from __future__ import annotations

import sys
from pathlib import Path

import gemmi
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import structure_factors_1orc as crystal

RESULT = Path(__file__).resolve().parent / "1orc_in_water.hkl.gz"
BOX = 120.0  # Å
RESOLUTION = 8.5  # Å: beyond the corners of the detector in saxs.toml
GRID_RESOLUTION = 3.0  # Å: of the maps, fine enough for the surface of the molecule


def molecule_in_box() -> gemmi.Structure:
    """The model without its crystal, in P1."""
    structure = gemmi.read_structure(str(crystal.MODEL))
    structure.cell = gemmi.UnitCell(BOX, BOX, BOX, 90, 90, 90)
    structure.spacegroup_hm = "P 1"
    structure.setup_cell_images()
    return structure


def contrast(structure: gemmi.Structure, hkl: np.ndarray) -> np.ndarray:
    """Complex transform of the molecule less that of the water it displaces, (n,), electrons."""
    both = crystal.protein_part(structure, hkl, GRID_RESOLUTION)
    both = both + crystal.solvent_part(structure, hkl, GRID_RESOLUTION)
    # The solvent outside of a molecule is the full box, which adds to 000 alone, less the volume displaced.
    both[(hkl == 0).all(axis=1)] -= crystal.SOLVENT_DENSITY * structure.cell.volume
    return both


def main() -> None:
    """Write the structure factors."""
    structure = molecule_in_box()
    hkl = crystal.miller_indices(structure.cell, RESOLUTION)
    amplitudes = np.abs(contrast(structure, hkl))
    crystal.write_amplitudes(RESULT, hkl, amplitudes)
    forward = amplitudes[(hkl == 0).all(axis=1)][0]
    print(f"{RESULT.name}: {len(hkl)} reflections to {RESOLUTION} Å, F(000) = {forward:.1f} electrons")


if __name__ == "__main__":
    main()
