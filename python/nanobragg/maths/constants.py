"""Constants, with the digits that nanoBragg.c has: images agree to the last bits only with these."""

from __future__ import annotations

DEGREES = 180.0 * 0.31830988618379067154
"""Degrees in a radian. Angles that people write are divided by it (``specs/geometry.md``)."""
ENERGY = 12398.42
"""eV·Å: a photon's energy times its wavelength."""
THOMSON = 7.94079248018965e-30
"""m²: r_e², the square of the classical radius of the electron."""
AVOGADRO = 6.02214179e23
"""1/mol."""
