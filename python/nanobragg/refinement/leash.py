"""What keeps the first steps of a refinement near the cell that is said.

Where a model is far from the data, spots that meet the wrong ones pull at edges and angles, by more than indexing ever
is wrong. A factor of the misfit holds them: it is nothing to a model that explains the data.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nanobragg.maths.constants import DEGREES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from nanobragg.refinement.variables import Variable, Variables

    Array = NDArray[np.float64]

_FAR = 0.02
"""a part of an edge, or radians: a number that is so far off counts as much as the misfit does"""


class Leash:
    """By how much a misfit is made larger at some of the numbers.

    Args:
        variables: what is free.
        numbers: which of them are looked at.
        holds: whether it does anything.

    """

    def __init__(self, variables: Variables, numbers: Sequence[int], *, holds: bool) -> None:
        self._weights = np.array(
            [_weight(v) if holds and i in numbers else 0.0 for i, v in enumerate(variables.items)], dtype=float
        )

    def factor(self, x: Array) -> float:
        """What the misfit at ``x`` (n,) is multiplied by."""
        return 1.0 + float(self._weights @ (x * x))

    def slopes(self, x: Array, misfit: float) -> tuple[float, Array]:
        """The factor, by which slopes of the misfit without it are multiplied, and the curvatures (n,) that it adds;
        those times ``x`` are taken from half of minus the gradient. ``misfit``: with the factor.
        """
        factor = self.factor(x)
        return factor, misfit / factor * self._weights


def _weight(v: Variable) -> float:
    if not v.name.startswith(("crystal.cell[", "crystal.cell.")):
        return 0.0
    far = _FAR * (v.start if v.unit == "Å" else DEGREES)
    return 1.0 / (far * far)
