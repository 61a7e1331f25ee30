"""A number for each number of a Scene: a direction in which it changes, or what a sum over the image depends on it
(``specs/derivatives.md``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nanobragg.records.record import Record

if TYPE_CHECKING:
    import numpy as np


class SceneChange(Record):
    """Changes of a :class:`~nanobragg.Scene`, or derivatives by its numbers, in its units. Arrays are float64; ``None``
    stands for zeros.
    """

    panels: np.ndarray | None = None
    """(P, 18): origin, fast, slow and normal (3 each), pixel size along fast and slow, pixel area, close distance;
    attenuation and depth of a sensor of its own (else 0)."""
    curved_distance: float = 0.0
    beam_direction: np.ndarray | None = None
    """(3,)"""
    layers: np.ndarray | None = None
    """(T, 5) of the Scene's sensor, below them (T, 5) of the own sensor of each panel that has one."""
    attenuation: float = 0.0
    sensor_depth: float = 0.0
    kahn_factor: float = 0.0
    polarization_axis: np.ndarray | None = None
    """(3,)"""
    sources: np.ndarray | None = None
    """(S, 5): direction (3), wavelength, weight."""
    orientations: np.ndarray | None = None
    """(O, 3, 3)"""
    first_orientations: np.ndarray | None = None
    """(O, 3, 3), or (0, 3, 3)"""
    cells: np.ndarray | None = None
    """(3,)"""
    cells_off_diagonal: np.ndarray | None = None
    """(3,)"""
    fudge: float = 0.0
    reciprocal: np.ndarray | None = None
    """(3, 3)"""
    f_grid: np.ndarray | None = None
    """(H, K, L)"""
    default_F: float = 0.0
    background_sum: float = 0.0
    background: float = 0.0
    scale: float = 0.0

    def plus(self, other: SceneChange) -> SceneChange:
        """The sum of both; an array that one of them does not have is the other's."""
        return SceneChange(**{name: _sum(mine, getattr(other, name)) for name, mine in vars(self).items()})

    def dot(self, other: SceneChange) -> float:
        """The sum of the products of all numbers with those of another one: what a change makes of a sum that depends
        on them so.
        """
        total = 0.0
        for name, mine in vars(self).items():
            theirs = getattr(other, name)
            if isinstance(mine, float):
                total += mine * theirs
            elif mine is not None and theirs is not None:
                total += float((mine * theirs).sum())
        return total


def _sum(mine: Any, theirs: Any) -> Any:
    return theirs if mine is None else mine if theirs is None else mine + theirs
