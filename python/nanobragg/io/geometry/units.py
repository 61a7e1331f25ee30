"""The units that files name, and their factors."""

from __future__ import annotations

from nanobragg.maths.constants import DEGREES as _DEGREES_OF_A_RADIAN

METRES = {
    "m": 1.0,
    "mm": 1e-3,
    "um": 1e-6,
    "µm": 1e-6,
    "micron": 1e-6,
    "nm": 1e-9,
    "angstrom": 1e-10,
    "å": 1e-10,
    "a": 1e-10,
}
MILLIMETRES = {unit: factor / 1e-3 for unit, factor in METRES.items()}
ANGSTROMS = {unit: factor / 1e-10 for unit, factor in METRES.items()}
DEGREES = {
    "deg": 1.0,
    "degree": 1.0,
    "degrees": 1.0,
    "rad": _DEGREES_OF_A_RADIAN,
    "radian": _DEGREES_OF_A_RADIAN,
}


def some(factors: dict[str, float], *units: str) -> dict[str, float]:
    """Those units of a table that a format may name, in this order."""
    return {unit: factors[unit] for unit in units}
