"""How well the data determine what was refined, and in words what they do not."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from nanobragg.refinement.variables import Variables

    Array = NDArray[np.float64]

LEAST = 1e-15
"""a part of the largest eigenvalue; below it, nothing is known"""
WEAK = 1e-3
"""An eigenvalue of the scaled normal matrix, whose diagonal is 1. A direction with one below is weak: along it the
numbers move 30 times as far as each of them alone could."""
_NAMED = 0.2
"""a part of the largest component; smaller ones are not named"""


class Determined(NamedTuple):
    """In the user's units."""

    covariance: Array
    weak: tuple[str, ...]
    """what the data cannot tell apart, in words; the weakest first"""


def determined(normal: Array, slopes: Array, variables: Variables) -> Determined:
    """Covariance and weak directions.

    Args:
        normal: (n, n) half the expected curvature of the misfit.
        slopes: (n, n) of the user's values.
        variables: their names and units.

    """
    scale = np.sqrt(np.maximum(np.diag(normal), 0.0))
    dead = scale == 0.0
    scale[dead] = 1.0
    values, vectors = np.linalg.eigh(normal / np.outer(scale, scale) + np.diag(np.where(dead, 1.0, 0.0)))
    held = np.maximum(values, LEAST * max(values[-1], 1e-300))
    inverse = (vectors / held) @ vectors.T / np.outer(scale, scale)
    weak = np.flatnonzero((values < WEAK) & (values.size > 1))
    moves = [slopes @ (vectors[:, i] / (np.sqrt(held[i]) * scale)) for i in weak]
    words = [named(vectors[:, i], moved, variables.names, variables) for i, moved in zip(weak, moves, strict=True)]
    words += [f"{variables.names[i]}: the data do not depend on it" for i in np.flatnonzero(dead)]
    covariance = slopes @ inverse @ slopes.T
    covariance[dead, dead] = np.inf
    return Determined(covariance, tuple(words))


def named(share: Array, moved: Array, names: Sequence[str], variables: Variables) -> str:
    """What a step of one standard deviation along a weak direction is, or a smaller one that people can imagine.

    Args:
        share: (n,) of each number, in standard deviations of it alone.
        moved: (n,) by how much it moves, in the user's units.
        names: of the numbers.
        variables: their starts and units.

    """
    large = np.flatnonzero(np.abs(share) >= _NAMED * np.abs(share).max())
    ordered = large[np.argsort(-np.abs(share[large]), kind="stable")]
    starts = np.array([abs(item.start) for item in variables.items])
    far = max((abs(moved[i]) / starts[i] for i in ordered if starts[i] > 0.0), default=0.0)
    part = min(1.0, 0.01 / far) if far > 0.1 else 1.0
    sign = part if moved[ordered[0]] >= 0.0 else -part
    parts = [f"{names[i]} {sign * moved[i]:+.3g} {variables.items[i].unit}".rstrip() for i in ordered]
    change = "1" if part == 1.0 else f"{part * part:.1g}"
    return f"together hardly determined: {', '.join(parts)} change chi-squared by {change}"
