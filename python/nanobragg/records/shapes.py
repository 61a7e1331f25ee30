"""The shapes of a crystal that can be simulated."""

from __future__ import annotations

from enum import IntEnum
from typing import Literal


class Shape(IntEnum):
    """Lattice transform (``specs/physics.md``, F_latt)."""

    SQUARE = 0
    ROUND = 1
    GAUSS = 2
    TOPHAT = 3
    GAUSS_INDEX = 4


CrystalShape = Literal["square", "round", "gauss", "tophat", "gauss_index"]
"""The same names for type checkers, which cannot take them from the enumeration."""
SHAPES = {shape.name.lower(): shape for shape in Shape}
"""By the names that users write."""
