"""The units that files name, and their factors."""

from __future__ import annotations

from nanobragg.maths.constants import DEGREES as _DEGREES_OF_A_RADIAN


def _names(*spelt: tuple[float, str]) -> dict[str, float]:
    return {name: factor for factor, names in spelt for name in names.split()}


METRES = _names(
    (1.0, "m meter meters metre metres"),
    (1e-3, "mm millimeter millimeters millimetre millimetres"),
    (1e-2, "cm centimeter centimeters centimetre centimetres"),
    (1e-6, "um µm μm micron microns micrometer micrometers micrometre micrometres"),
    (1e-9, "nm nanometer nanometers nanometre nanometres"),
    (1e-12, "pm picometer picometre"),
    (1e-10, "angstrom angstroms å a ang angstroem ångström ångstrom"),
)
MILLIMETRES = {unit: factor / 1e-3 for unit, factor in METRES.items()}
ANGSTROMS = {unit: factor / 1e-10 for unit, factor in METRES.items()}
ELECTRONVOLTS = _names((1.0, "ev electronvolt"), (1e3, "kev"), (1e6, "mev"), (1.0 / 1.602176634e-19, "j joule joules"))
DEGREES = _names((1.0, "deg degree degrees °"), (_DEGREES_OF_A_RADIAN, "rad radian radians"))


def whole_turns_off(width: float) -> float:
    """Degrees of an image from the difference of its ends, of an axis that begins anew at 180 or 360."""
    return width + 360.0 if width < -180.0 else width


def some(factors: dict[str, float], *units: str) -> dict[str, float]:
    """The units of a table that a format may name, in this order."""
    return {unit: factors[unit] for unit in units}
