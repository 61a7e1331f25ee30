"""Amorphous materials by name: structure factors per molecule, density and molecular weight (``specs/around.md``).

Water's values are figures of measurements; the others are computed from atomic form factors. F² is what one molecule
scatters in units of one electron's scattering: coherently, with its neighbours, and incoherently.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

_ATOMS: dict[str, tuple[tuple[float, ...], tuple[float, ...], float]] = {
    "H": ((0.493002, 0.322912, 0.140191, 0.04081), (10.5109, 26.1257, 3.14236, 57.7997), 0.003038),
    "He": ((0.8734, 0.6309, 0.3112, 0.178), (9.1037, 3.3568, 22.9276, 0.9821), 0.0064),
    "C": ((2.31, 1.02, 1.5886, 0.865), (20.8439, 10.2075, 0.5687, 51.6512), 0.2156),
    "N": ((12.2126, 3.1322, 2.0125, 1.1663), (0.0057, 9.8933, 28.9975, 0.5826), -11.529),
    "O": ((3.0485, 2.2868, 1.5463, 0.867), (13.2771, 5.7011, 0.3239, 32.9089), 0.2508),
    "Ar": ((7.4845, 6.7723, 0.6539, 1.6442), (0.9072, 14.8407, 43.8983, 33.3929), 1.4445),
}
"""a, b, c of f(s) = Σ a exp(-b s²) + c, s = sin θ/λ in 1/Å (International Tables for Crystallography C, 6.1.1.4)."""
_ELECTRONS = {"H": 1, "He": 2, "C": 6, "N": 7, "O": 8, "Ar": 18}

_FINE, _COARSE, _HIGHEST = 0.0005, 0.005, 1.0
"""1/Å: steps of the tables, and where they end."""
_WATER_STEP = 0.01
_WATER = (
    "2.57 2.57 2.58 2.58 2.59 2.62 2.69 2.83 3.05 3.35 3.74 4.30 5.09 6.07 7.05 7.75 8.01 7.82 7.39 6.97 "
    "6.75 6.72 6.74 6.64 6.33 5.85 5.32 4.86 4.55 4.38 4.31 4.31 4.33 4.35 4.36 4.36 4.34 4.30 4.25 4.19 "
    "4.12 4.03 3.94 3.84 3.74 3.63 3.53 3.43 3.33 3.24 3.15 "
)
"""Electrons per molecule, every 0.01 1/Å: the table of water that comes with nonBragg.c, read off with two decimals."""


class Substance(NamedTuple):
    """What is known of a material."""

    density: float
    """g/cm³"""
    molecular_weight: float
    """g/mol"""
    profile: Callable[[], tuple[Array, Array]]
    """sin θ/λ (1/Å, rising) and structure factor (electrons per molecule)"""


def form_factor(element: str, stol: Array) -> Array:
    """Electrons, for ``stol`` in 1/Å."""
    a, b, c = _ATOMS[element]
    terms = [height * np.exp(-width * stol * stol) for height, width in zip(a, b, strict=True)]
    return sum(terms, np.full_like(stol, c))


def incoherent(element: str, stol: Array) -> Array:
    """Z - f²/Z: what electrons scatter that are all spread as the atom is; exact for helium (I. Waller & D. R. Hartree,
    Proc. R. Soc. A 124 (1929) 119-142, for one orbital).
    """
    z = _ELECTRONS[element]
    return z - form_factor(element, stol) ** 2 / z


def debye(atoms: list[tuple[str, tuple[float, float, float]]], stol: Array) -> Array:
    """F² of a free molecule: the coherent part by Debye's formula, and the incoherent one. Places in Å."""
    q = 4.0 * math.pi * stol
    total = np.zeros_like(stol)
    factors = [form_factor(element, stol) for element, _ in atoms]
    for (_, here), one in zip(atoms, factors, strict=True):
        for (_, there), other in zip(atoms, factors, strict=True):
            total += one * other * np.sinc(q * math.dist(here, there) / math.pi)
    return total + sum(incoherent(element, stol) for element, _ in atoms)


def _steps(step: float) -> Array:
    return np.arange(0.0, _HIGHEST + step / 2.0, step)


# ---- gases ------------------------------------------------------------------------------------------------


def _air() -> tuple[Array, Array]:
    """Dry air: 78.1 % N₂ (1.098 Å), 21.0 % O₂ (1.208 Å), 0.9 % Ar."""
    stol, here = _steps(_COARSE), (0.0, 0.0, 0.0)
    square = 0.781 * debye([("N", here), ("N", (1.098, 0.0, 0.0))], stol)
    square += 0.210 * debye([("O", here), ("O", (1.208, 0.0, 0.0))], stol)
    return stol, np.sqrt(square + 0.009 * debye([("Ar", here)], stol))


def _helium() -> tuple[Array, Array]:
    stol = _steps(_COARSE)
    return stol, np.sqrt(debye([("He", (0.0, 0.0, 0.0))], stol))


# ---- liquids ----------------------------------------------------------------------------------------------


def _water() -> tuple[Array, Array]:
    figures = np.array([float(each) for each in _WATER.split()])
    return _WATER_STEP * np.arange(float(len(figures))), figures


def _paratone() -> tuple[Array, Array]:
    """Hydrocarbon oil, by CH₂: f²·S + incoherent, with the halo of amorphous polyethylene at 4.6 Å.

    S = 1 - 0.97·exp(-q²/2a²) + A·exp(-(q-q₁)²/2w²); q₁ = 1.37 and w = 0.17 1/Å; A is such that the density is right:
    ∫q²(S - 1)dq = -2π²ρ.
    """
    stol = _steps(_COARSE)
    q, middle, width, core = 4.0 * math.pi * stol, 1.37, 0.17, 1.1
    density = 0.89 / 14.027 * 0.602214  # CH₂ in Å³
    hole = 0.97 * core**3 * math.sqrt(math.pi / 2.0)
    height = (hole - 2.0 * math.pi**2 * density) / (width * math.sqrt(2.0 * math.pi) * (middle**2 + width**2))
    structure = 1.0 - 0.97 * np.exp(-(q**2) / (2.0 * core**2))
    structure += height * np.exp(-((q - middle) ** 2) / (2.0 * width**2))
    unit = form_factor("C", stol) + 2.0 * form_factor("H", stol)
    other = incoherent("C", stol) + 2.0 * incoherent("H", stol)
    return stol, np.sqrt(unit**2 * structure + other)


# ---- ice --------------------------------------------------------------------------------------------------

_ICE_A, _ICE_C, _ICE_Z = 4.497, 7.322, 0.0622
"""Å; z of the oxygen atoms at (1/3, 2/3, z) and its mates, P6₃/mmc (W. F. Kuhs & M. S. Lehmann, J. Phys. Chem. 87
(1983) 4312-4313)."""
_ICE_B = 1.0
"""Å²: isotropic B at 100 K."""


def _ice(size: float) -> Callable[[], tuple[Array, Array]]:
    """Hexagonal ice in crystallites of ``size`` Å in all orientations: a spherical average.

    Scherrer's width of the lines, 0.9/size in 1/d; a molecule is an oxygen with its electrons and the hydrogens'.
    """

    def profile() -> tuple[Array, Array]:
        stol = _steps(_FINE)
        volume = _ICE_A**2 * math.sqrt(0.75) * _ICE_C
        rings = np.zeros_like(stol)
        sigma = 0.9 / size / (2.0 * math.sqrt(2.0 * math.log(2.0)))
        for d_star, square in _ice_reflections():
            line = np.exp(-(((2.0 * stol - d_star) / sigma) ** 2) / 2.0) / (sigma * math.sqrt(2.0 * math.pi))
            # |F|²/V for each point of the lattice, spread over its sphere; four molecules in a cell.
            rings += square / (4.0 * volume * 4.0 * math.pi * d_star**2) * line
        unit = _water_molecule(stol)
        diffuse = unit**2 * (1.0 - np.exp(-2.0 * _ICE_B * stol * stol))
        other = incoherent("O", stol) + 2.0 * incoherent("H", stol)
        return stol, np.sqrt(rings + diffuse + other)

    return profile


def _water_molecule(stol: Array) -> Array:
    return form_factor("O", stol) + 2.0 * form_factor("H", stol) * np.sinc(4.0 * stol * 0.98)


def _ice_reflections() -> list[tuple[float, float]]:
    """1/d (1/Å) and |F|² of all reflections up to 1/d of 2 · 0.6, one each."""
    places = [
        (1 / 3, 2 / 3, _ICE_Z),
        (2 / 3, 1 / 3, 0.5 + _ICE_Z),
        (2 / 3, 1 / 3, -_ICE_Z),
        (1 / 3, 2 / 3, 0.5 - _ICE_Z),
    ]
    limit = 1.2
    ranges = [np.arange(-n, n + 1) for n in (6, 6, 9)]
    h, k, el = (axis.ravel() for axis in np.meshgrid(*ranges, indexing="ij"))
    d_star = np.sqrt((h * h + h * k + k * k) / (0.75 * _ICE_A**2) + el * el / _ICE_C**2)
    phase = sum(np.exp(2j * math.pi * (h * x + k * y + el * z)) for x, y, z in places)
    stol = d_star / 2.0
    square = np.abs(phase) ** 2 * (_water_molecule(stol) * np.exp(-_ICE_B * stol * stol)) ** 2
    used = (d_star > 0.0) & (d_star < limit) & (square > 1e-6)
    return list(zip(d_star[used].tolist(), square[used].tolist(), strict=True))


SUBSTANCES: dict[str, Substance] = {
    "water": Substance(0.997, 18.015, _water),
    "ice": Substance(0.93, 18.015, _ice(500.0)),
    "nanoice": Substance(0.93, 18.015, _ice(50.0)),
    "paratone": Substance(0.89, 14.027, _paratone),
    "air": Substance(1.2041e-3, 28.97, _air),
    "helium": Substance(1.664e-4, 4.0026, _helium),
}

# ---- attenuation ------------------------------------------------------------------------------------------

_KEV = (1, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 40, 50, 60, 80, 100)
_ATTENUATION = {
    "air": (
        3606, 1191, 527.9, 162.5, 77.88, 40.27, 23.41, 9.921, 5.120, 1.614, 0.7779, 0.3538, 0.2485, 0.2080, 0.1875,
        0.1662, 0.1541,
    ),
    "helium": (
        60.84, 16.76, 6.863, 2.007, 0.9329, 0.5766, 0.4195, 0.2933, 0.2476, 0.2092, 0.1960, 0.1838, 0.1763, 0.1703,
        0.1651, 0.1562, 0.1486,
    ),
}  # fmt: skip
"""cm²/g at these energies (J. H. Hubbell & S. M. Seltzer, NISTIR 5632)."""


def attenuation_of(gas: str, kev: float) -> float:
    """Linear attenuation coefficient, 1/m, of a gas at 20 °C and 1 atm; between energies logarithmic in both."""
    logs = np.interp(math.log(kev), np.log(_KEV), np.log(_ATTENUATION[gas]))
    return float(math.exp(logs)) * SUBSTANCES[gas].density * 100.0


def attenuation_power(gas: str, kev: float) -> float:
    """The power of the energy with which the attenuation coefficient goes there."""
    energies, values = np.log(_KEV), np.log(_ATTENUATION[gas])
    place = min(max(int(np.searchsorted(energies, math.log(kev), side="right")), 1), len(energies) - 1)
    return float((values[place] - values[place - 1]) / (energies[place] - energies[place - 1]))
