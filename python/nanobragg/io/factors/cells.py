"""Unit cells that files state."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nanobragg.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nanobragg.maths.lattice import Cell

_LENGTHS = (1.0, 1e5)
"""Å; shorter axes stand for no crystal"""
_FLAT = 1e-6
"""a cell's volume, over that of a brick with its axes"""


def checked_cell(name: str, constants: Sequence[float]) -> Cell:
    """Six constants, Å and degrees. Raises :class:`InputError`, naming the file, for a cell that cannot be."""
    a, b, c, alpha, beta, gamma = constants
    if all(0.0 < angle < 180.0 for angle in (alpha, beta, gamma)) and all(
        _LENGTHS[0] < length < _LENGTHS[1] for length in (a, b, c)
    ):
        x, y, z = np.cos(np.radians((alpha, beta, gamma)))
        if 1 - x * x - y * y - z * z + 2 * x * y * z > _FLAT**2:
            return (a, b, c, alpha, beta, gamma)
    numbers = " ".join(f"{value:g}" for value in constants)
    raise InputError(f"{name}: found the unit cell {numbers}, expected one that is possible (Å, degrees)")
