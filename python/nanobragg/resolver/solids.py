"""How X-rays are absorbed in the solids that sensors are made of (``specs/geometry.md``, "Sensors")."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

from nanobragg.errors import InputError
from nanobragg.io.support.extras import need
from nanobragg.maths.constants import AVOGADRO, ENERGY, THOMSON
from nanobragg.maths.duals import Dual, plain
from nanobragg.records.solids import SOLIDS

_LOWEST, _HIGHEST = 3e3, 70e3
"""eV: where the theory holds; the figures that it was compared with end here, too."""
_STEP = 1e-5
"""Relative step for the slope by the wavelength: f'' is smooth but at edges."""


def absorption(solid: str, wavelength: Any) -> Any:
    """The photoelectric absorption coefficient of one of :data:`~nanobragg.records.solids.SOLIDS`, 1/m.

    Of Cromer and Liberman's f'' (*J. Chem. Phys.* 53 (1970) 1891) by the optical theorem: mu = 2 r λ Σ n f''. What is
    scattered is not counted: it is not recorded where it is scattered.

    Args:
        solid: its name.
        wavelength: m; also a dual number.

    Raises:
        InputError: for energies at which this is not known.

    """
    at = plain(wavelength)
    value = _absorption(solid, at)
    if not isinstance(wavelength, Dual):
        return value
    more, less = (_coefficient(solid, at * (1.0 + step)) for step in (_STEP, -_STEP))
    return wavelength.chained(value, (more - less) / (2.0 * _STEP * at))


@lru_cache(maxsize=256)
def _absorption(solid: str, wavelength: float) -> float:
    energy = ENERGY / (wavelength * 1e10)
    if not _LOWEST <= energy <= _HIGHEST:
        raise InputError(
            f"attenuation depth of {solid}: found photons of {energy / 1e3:.4g} keV, expected {_LOWEST / 1e3:g} to "
            f"{_HIGHEST / 1e3:g} keV, or -detector_abs"
        )
    return _coefficient(solid, wavelength)


def _coefficient(solid: str, wavelength: float) -> float:
    gemmi = need("gemmi", f"attenuation depth of {solid} (-detector_abs says it, too)")
    atoms, density, _ = SOLIDS[solid]
    weight, strength = 0.0, 0.0
    for symbol, count in atoms:
        element = gemmi.Element(symbol)
        _, f_second = gemmi.cromer_liberman(element.atomic_number, ENERGY / (wavelength * 1e10))
        weight += count * element.weight
        strength += count * f_second
    molecules = density * 1e6 * AVOGADRO / weight  # 1/m³
    return 2.0 * math.sqrt(THOMSON) * wavelength * strength * molecules
