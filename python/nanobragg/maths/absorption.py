"""Where in a sensor photons are absorbed, on average (``specs/physics.md``, "Absorption in the sensor")."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


def mean_depth(thickness: float | NDArray[np.float64], attenuation: float, parallax: ArrayLike) -> NDArray[np.float64]:
    """Mean depth, along the normal, at which a slab absorbs rays; m.

    Args:
        thickness: of the slab, m.
        attenuation: its linear attenuation coefficient, 1/m; 0: half of the thickness, the limit.
        parallax: components of the rays' directions along the normal.

    """
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        x = np.asarray(thickness * attenuation / np.asarray(parallax, dtype=float))
        # What is left is exp(-x z/thickness). The two terms cancel where x is small.
        fraction = np.where(np.abs(x) < 1e-4, 0.5 - x / 12.0, 1.0 / x - 1.0 / np.expm1(x))
    return thickness * fraction


def mean_depth_in_layers(
    layers: NDArray[np.float64], attenuation: float, parallax: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Mean depth of what is recorded of rays by all layers, each with its capture fraction; m.

    Args:
        layers: rows of ``Scene.layers``.
        attenuation: 1/m.
        parallax: (n,) components of the rays' directions along the normal.

    """
    total, weights = np.zeros(len(parallax)), np.zeros(len(parallax))
    for depth, front, back, _, thickness in layers:
        with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
            captured = np.exp(-front * attenuation / parallax) - np.exp(-back * attenuation / parallax)
        total += captured * (depth + mean_depth(thickness, attenuation, parallax))
        weights += captured
    return np.divide(total, weights, out=np.zeros(len(parallax)), where=weights > 0.0)
