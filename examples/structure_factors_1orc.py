"""Structure factors of the protein crystal 1ORC, as ``1orc.hkl.gz`` beside this script.

The model's electron density is put on a grid and Fourier transformed (atoms smeared by a blur that is taken off
afterwards), flat bulk solvent is added (Jiang & Brünger (1994) J. Mol. Biol. 243, 100-115), and every reflection
within the resolution limit is written out: all of P1, both mates of each Friedel pair, and F(000). Amplitudes are
in electrons per unit cell.

Run it with ``python examples/structure_factors_1orc.py`` (needs gemmi and numpy); ``--check`` compares the
Fourier transform with direct summation over the atoms instead of writing the file.
"""

from __future__ import annotations

import argparse
import gzip
import os
from pathlib import Path

import gemmi
import numpy as np

HERE = Path(__file__).parent
MODEL = HERE / "1orc.pdb"
RESULT = HERE / "1orc.hkl.gz"
RESOLUTION = 1.39  # Å, the corner of the detector in 1orc.toml
SOLVENT_DENSITY = 0.35  # electrons/Å³ (k_sol)
SOLVENT_B = 46.0  # Å² (B_sol)


def miller_indices(cell: gemmi.UnitCell, resolution: float) -> np.ndarray:
    """All h, k, l with d >= ``resolution`` (Å), (n, 3) int32, sorted, 0 0 0 among them."""
    limits = [int(length / resolution) for length in (cell.a, cell.b, cell.c)]
    axes = [np.arange(-limit, limit + 1, dtype=np.int32) for limit in limits]
    hkl = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    return np.ascontiguousarray(hkl[cell.calculate_1_d2_array(hkl) <= resolution**-2])


def protein_part(structure: gemmi.Structure, hkl: np.ndarray, resolution: float) -> np.ndarray:
    """Complex structure factors of the atoms, (n,), electrons per cell, by Fourier transform of the density."""
    density = gemmi.DensityCalculatorX()
    density.d_min = resolution
    density.rate = 1.5
    density.set_refmac_compatible_blur(structure[0])
    density.set_grid_cell_and_spacegroup(structure)
    density.put_model_density_on_grid(structure[0])
    return gemmi.transform_map_to_f_phi(density.grid).get_value_by_hkl(hkl, unblur=density.blur)


def solvent_part(structure: gemmi.Structure, hkl: np.ndarray, resolution: float) -> np.ndarray:
    """Complex structure factors of the flat bulk solvent, (n,), electrons per cell."""
    mask = gemmi.FloatGrid()
    mask.setup_from(structure, spacing=resolution / 3)
    gemmi.SolventMasker(gemmi.AtomicRadiiSet.Refmac).put_mask_on_float_grid(mask, structure[0])
    transform = gemmi.transform_map_to_f_phi(mask).get_value_by_hkl(hkl)
    return SOLVENT_DENSITY * np.exp(-SOLVENT_B / 4 * structure.cell.calculate_1_d2_array(hkl)) * transform


def write_amplitudes(path: Path, hkl: np.ndarray, amplitudes: np.ndarray) -> None:
    """Write ``h k l F`` lines, compressed: five digits, three decimals at most. Same numbers, same bytes."""
    rounded = np.round(amplitudes.astype(float), 3).tolist()
    lines = ("{} {} {} {:.5g}\n".format(*index, f) for index, f in zip(hkl.tolist(), rounded, strict=True))
    temporary = path.with_name(path.name + ".part")
    temporary.write_bytes(gzip.compress("".join(lines).encode(), compresslevel=9, mtime=0))
    os.replace(temporary, path)


def check(structure: gemmi.Structure, resolution: float, count: int = 2000) -> None:
    """Compare the protein part with direct summation for ``count`` reflections and print the differences."""
    hkl = miller_indices(structure.cell, resolution)
    chosen = np.random.default_rng(1).choice(len(hkl), min(count, len(hkl)), replace=False)
    hkl = np.concatenate([[[0, 0, 0]], hkl[np.sort(chosen)]]).astype(np.int32)
    direct_sum = gemmi.StructureFactorCalculatorX(structure.cell)
    direct = np.array([direct_sum.calculate_sf_from_model(structure[0], index) for index in hkl.tolist()])
    transformed = protein_part(structure, hkl, resolution)
    difference = np.abs(transformed - direct)
    relative = np.sqrt(np.sum(difference**2) / np.sum(np.abs(direct) ** 2))
    without_000 = np.sqrt(np.sum(difference[1:] ** 2) / np.sum(np.abs(direct[1:]) ** 2))
    print(f"{len(hkl)} reflections to {resolution} Å, atoms only: transform against direct summation")
    print(f"F(000)                      {transformed[0].real:.2f} against {direct[0].real:.2f} electrons")
    print(f"rms difference / rms F      {relative:.2e} with F(000), {without_000:.2e} without")
    print(f"largest difference          {difference.max():.3f} electrons")


def main() -> None:
    """Write the structure factors, or check them."""
    parser = argparse.ArgumentParser(description="structure factors of 1ORC for the example")
    parser.add_argument("--check", action="store_true", help="compare with direct summation, write nothing")
    parser.add_argument("--resolution", type=float, default=RESOLUTION, metavar="Å", help="default: %(default)s")
    options = parser.parse_args()
    structure = gemmi.read_structure(str(MODEL))
    if options.check:
        check(structure, options.resolution)
        return
    hkl = miller_indices(structure.cell, options.resolution)
    protein = protein_part(structure, hkl, options.resolution)
    amplitudes = np.abs(protein + solvent_part(structure, hkl, options.resolution))
    write_amplitudes(RESULT, hkl, amplitudes)
    print(f"{RESULT.name}: {len(hkl)} reflections to {options.resolution} Å, F from 0 to {amplitudes.max():.1f}")


if __name__ == "__main__":
    main()
