"""How well a model explains its image, group by group of pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from nanobragg.refinement.pixels import Pixels
    from nanobragg.refinement.shot import Shot
    from nanobragg.refinement.target import Part

    Array = NDArray[np.float64]


class Explained(NamedTuple):
    """What is left of an image without its model."""

    residuals: Array
    """(m,) in standard deviations of the model"""
    shoeboxes: NDArray[np.void]
    """(g,)"""


def explained_by(shot: Shot, part: Part) -> Explained:
    """How well the model explains what the shot is compared with."""
    model = part.spots + part.below
    variance = np.maximum(model + shot.variance, 1e-6)
    residuals = (shot.photons - model) / np.sqrt(variance)
    return Explained(residuals, _boxes(shot.pixels, residuals, variance))


def refined_shot(shot: Shot, x: Array, covariance: Array, explained: Explained) -> dict[str, Any]:
    """The fields of a :class:`~nanobragg.refinement.result.RefinedShot` whose variables are ``x``."""
    variables = shot.variables
    return {
        "experiment": variables.at(x, shot.start),
        "names": tuple(variables.names),
        "units": tuple(item.unit for item in variables.items),
        "start": variables.values(np.zeros(len(variables))),
        "values": variables.values(x),
        "covariance": covariance,
        "shoeboxes": explained.shoeboxes,
    }


_BOX = np.dtype([("pixels", np.int32), ("chi2", float), ("spread", float), ("Z", float)])


def _boxes(pixels: Pixels, residuals: Array, variance: Array) -> NDArray[np.void]:
    """A row for each group of pixels, with how well it is explained.

    The square of a Poisson deviate's distance from its mean m, in variances, has the variance 2 + 1/m.
    """
    chi2 = np.add.reduceat(residuals**2, pixels.starts)
    spread = np.sqrt(np.add.reduceat(2.0 + 1.0 / variance, pixels.starts))
    counts = pixels.sizes
    rows = np.zeros(len(pixels.rows), np.dtype([*pixels.rows.dtype.descr, *_BOX.descr]))
    for name in pixels.rows.dtype.names or ():
        rows[name] = pixels.rows[name]
    rows["pixels"], rows["chi2"], rows["spread"], rows["Z"] = counts, chi2, spread, (chi2 - counts) / spread
    return rows
