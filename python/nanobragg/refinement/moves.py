"""Directions that move panels alone, made fewer: as a rigid body a panel moves in six ways, whatever moves it.

A column of the image is linear in its direction, and a pixel depends on its own panel. So each panel gets a basis of
its directions, one sweep has the first of all panels, the next the second, and columns are sums of those with factors
for each panel.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nanobragg.records.scene_change import SceneChange

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Array = NDArray[np.float64]

_NOTHING = 1e-10
"""a part of the largest singular value"""


class Fewer:
    """Directions, as few as do.

    Args:
        changes: those that are wanted.

    """

    def __init__(self, changes: Sequence[SceneChange]) -> None:
        alone = [i for i, change in enumerate(changes) if _moves_panels_alone(change)]
        self.changes = list(changes)
        """which are to be rendered"""
        self._alone: list[int] = []
        if len(alone) < 2:
            return
        moves = np.array([changes[i].panels for i in alone])  # (k, P, 16)
        sizes = np.linalg.norm(moves, axis=(1, 2))
        left, values, right = np.linalg.svd(np.moveaxis(moves / sizes[:, None, None], 1, 0), full_matrices=False)
        ranks = (values > _NOTHING * values.max()).sum(axis=1)
        count = int(ranks.max())
        if count == len(alone):
            return
        self._alone = alone
        self._factors = left[:, :, :count] * values[:, None, :count] * sizes[:, None]  # (P, k, count)
        basis = [SceneChange(panels=np.ascontiguousarray(right[:, i])) for i in range(count)]
        self._others = [i for i in range(len(changes)) if i not in alone]
        self.changes = [*(changes[i] for i in self._others), *basis]

    def columns(self, found: Array, panels: NDArray[np.intp]) -> Array:
        """Those that are wanted (n, m), from those of :attr:`changes`; ``panels`` (m,) of the pixels."""
        if not self._alone:
            return found
        others = len(self._others)
        wanted = np.empty((others + len(self._alone), found.shape[1]))
        wanted[self._others] = found[:others]
        for panel in np.unique(panels):
            mine = panels == panel
            wanted[np.ix_(self._alone, mine)] = np.einsum("kr,rm->km", self._factors[panel], found[others:, mine])
        return wanted


def _moves_panels_alone(change: SceneChange) -> bool:
    fields = {name: value for name, value in vars(change).items() if value is not None and np.any(value)}
    return list(fields) == ["panels"]
