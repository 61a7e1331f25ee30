"""Which points of a grid of structure factors are one reflection, by symmetry and Friedel's law."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nanobragg.differentiation.systems import whole_cell
from nanobragg.errors import InputError
from nanobragg.io.factors.group_names import find_group, rotations_of
from nanobragg.io.factors.merge import canonical
from nanobragg.io.support.extras import need

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from nanobragg.resolver.structure_factors import FactorGrid

    Array = NDArray[np.float64]

FRIEDEL = ("together", "apart")


def indices_of(grid: FactorGrid) -> NDArray[np.int32]:
    """(n, 3): h, k, l of all points of a grid."""
    return (np.indices(grid.values.shape).reshape(3, -1).T + np.array(grid.minimum)).astype(np.int32)


class Reflections:
    """The reflections of a grid.

    Args:
        grid: of structure factors.
        group: name of the space group.
        friedel: one of :data:`FRIEDEL`: whether mates are one reflection.
        cell: by which the group's setting is chosen.

    Raises:
        InputError: for a group that there is not, and an empty grid.

    """

    def __init__(self, grid: FactorGrid, group: str, friedel: str, cell: Sequence[float] | None) -> None:
        if friedel not in FRIEDEL:
            raise InputError(f"friedel: found {friedel!r:.60}, expected {', '.join(FRIEDEL)}")
        if not grid.values.size:
            raise InputError("crystal.structure_factors: found none, expected those to begin with")
        edges: Any = None if cell is None else whole_cell(tuple(cell))
        found = find_group(need("gemmi", "group"), str(group), edges)
        if found is None:
            raise InputError(f"group: found {group!r:.60}, expected the name of a space group")
        self.group, self.friedel = found.group, friedel
        """gemmi.SpaceGroup"""
        points = indices_of(grid)
        rotations = rotations_of(found.group)
        keys = canonical(points, rotations)
        if friedel == "together":
            keys = np.maximum(keys, canonical(-points, rotations))
        _, first, of = np.unique(keys, return_index=True, return_inverse=True)
        self._of, self._shape = of.reshape(-1), grid.values.shape
        self.hkl = points[first]
        """(n, 3): one of the indices of each"""
        self.may_move = self.hkl.any(axis=1)
        """(n,): all but 0 0 0"""
        self._counts = np.bincount(self._of, minlength=len(first))

    def __len__(self) -> int:
        return len(self.hkl)

    def summed(self, grid: Array) -> Array:
        """(n,) from the grid's shape: the sums over all points of each reflection."""
        return np.asarray(np.bincount(self._of, grid.ravel(), len(self)), dtype=np.float64)

    def mean(self, grid: Array) -> Array:
        """(n,) from the grid's shape."""
        return self.summed(grid) / self._counts

    def grid(self, values: Array) -> Array:
        """The grid of values (n,)."""
        return np.ascontiguousarray(values[self._of].reshape(self._shape))
