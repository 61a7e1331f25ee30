"""Structure factors by direct summation over atoms, in NumPy alone: what the program's transforms are held against."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

# International Tables C (1992), table 6.1.1.4: a1 a2 a3 a4, b1 b2 b3 b4, c
FORM_FACTORS = {
    "C": ((2.31, 1.02, 1.5886, 0.865), (20.8439, 10.2075, 0.5687, 51.6512), 0.2156),
    "N": ((12.2126, 3.1322, 2.0125, 1.1663), (0.0057, 9.8933, 28.9975, 0.5826), -11.529),
    "O": ((3.0485, 2.2868, 1.5463, 0.867), (13.2771, 5.7011, 0.3239, 32.9089), 0.2508),
    "S": ((6.9053, 5.2034, 1.4379, 1.5863), (1.4679, 22.2151, 0.2536, 56.172), 0.8669),
    "SE": ((17.0006, 5.8196, 3.9731, 4.3543), (2.4098, 0.2726, 15.2372, 43.8163), 2.8409),
}


@dataclass
class Atoms:
    """Atoms of the asymmetric unit, from a PDB file."""

    cell: tuple[float, ...]
    elements: list[str]
    xyz: np.ndarray
    """(n, 3) Å"""
    occupancy: np.ndarray
    u: np.ndarray
    """(n, 3, 3) Å², Cartesian"""


def read_pdb(path: Path) -> Atoms:
    cell: tuple[float, ...] = ()
    elements, xyz, occupancy, u = [], [], [], []
    for line in path.read_text().splitlines():
        if line.startswith("CRYST1"):
            cell = tuple(float(line[a:b]) for a, b in ((6, 15), (15, 24), (24, 33), (33, 40), (40, 47), (47, 54)))
        elif line.startswith(("ATOM", "HETATM")):
            elements.append(line[76:78].strip())
            xyz.append([float(line[30:38]), float(line[38:46]), float(line[46:54])])
            occupancy.append(float(line[54:60]))
            u.append(np.eye(3) * float(line[60:66]) / (8 * math.pi**2))
        elif line.startswith("ANISOU"):
            a, b, c, d, e, f = (int(line[28 + 7 * i : 35 + 7 * i]) * 1e-4 for i in range(6))
            if a or b or c:
                u[-1] = np.array([[a, d, e], [d, b, f], [e, f, c]])
    return Atoms(cell, elements, np.array(xyz), np.array(occupancy), np.array(u))


def fractionalization(cell: tuple[float, ...]) -> np.ndarray:
    """(3, 3): Cartesian to fractional, a along x, b in the xy plane."""
    a, b, c = cell[:3]
    ca, cb, cg = (math.cos(math.radians(x)) for x in cell[3:])
    sg = math.sin(math.radians(cell[5]))
    z = math.sqrt(1 - ca * ca - cb * cb - cg * cg + 2 * ca * cb * cg) / sg
    return np.linalg.inv([[a, b * cg, c * cb], [0, b * sg, c * (ca - cb * cg) / sg], [0, 0, c * z]])


def direct_sum(
    atoms: Atoms,
    symmetry: list[tuple[np.ndarray, np.ndarray]],
    hkl: np.ndarray,
    anomalous: dict[str, complex] | None = None,
) -> np.ndarray:
    """Complex F (m,) of indices (m, 3). ``symmetry``: rotations and translations of fractional coordinates;
    ``anomalous``: f′ + i f″ by element.
    """
    to_fraction = fractionalization(atoms.cell)
    s = hkl @ to_fraction  # rows: reciprocal-space vectors, 1/Å
    quarter = (s**2).sum(axis=1) / 4
    factor = {}
    for element in set(atoms.elements):
        a, b, c = FORM_FACTORS[element]
        f0 = sum(ai * np.exp(-bi * quarter) for ai, bi in zip(a, b, strict=True)) + c
        factor[element] = f0 + (anomalous or {}).get(element, 0.0)
    total = np.zeros(len(hkl), dtype=complex)
    fractions = atoms.xyz @ to_fraction.T
    for rotation, translation in symmetry:
        turned = hkl @ rotation
        s_turned = turned @ to_fraction
        for i, element in enumerate(atoms.elements):
            phase = 2 * math.pi * (turned @ fractions[i] + hkl @ translation)
            damping = np.exp(-2 * math.pi**2 * np.einsum("mi,ij,mj->m", s_turned, atoms.u[i], s_turned))
            total += atoms.occupancy[i] * factor[element] * damping * np.exp(1j * phase)
    return total


P21 = [(np.eye(3), np.zeros(3)), (np.diag([-1.0, 1.0, -1.0]), np.array([0, 0.5, 0]))]
P212121 = [
    (np.eye(3), np.zeros(3)),
    (np.diag([-1.0, -1.0, 1.0]), np.array([0.5, 0, 0.5])),
    (np.diag([-1.0, 1.0, -1.0]), np.array([0, 0.5, 0.5])),
    (np.diag([1.0, -1.0, -1.0]), np.array([0.5, 0.5, 0])),
]
