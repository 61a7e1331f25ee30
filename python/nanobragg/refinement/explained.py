"""How well a model explains its image, group by group of pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from nanobragg.refinement.pixels import Pixels
    from nanobragg.refinement.shot import Shot
    from nanobragg.refinement.target import Part

    Array = NDArray[np.float64]


_MUCH, _FAR = 1.2, 8.0
"""Chi-squared a pixel, and its standard deviations away from 1, from which on a model is not right."""


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


def doubts(found: Sequence[NDArray[np.void]]) -> list[str]:
    """What is to be said where chi-squared of shots, each with its shoeboxes, is far from that of a right model."""
    far = []
    for number, boxes in enumerate(found):
        chi2 = float(boxes["chi2"].sum() / boxes["pixels"].sum())
        away = float((boxes["chi2"] - boxes["pixels"]).sum() / np.sqrt((boxes["spread"] ** 2).sum()))
        if chi2 > _MUCH and away > _FAR:
            far.append((number, chi2))
    if not far:
        return []
    number, worst = max(far, key=lambda one: one[1])
    where = f" of shot {number}, the worst of {len(far)}," if len(found) > 1 else ""
    return [
        f"not explained: chi-squared{where} is {worst:.3g} a pixel, that of a right model 1: something that is held is "
        "wrong, or this is a false minimum, which another start may avoid (orientation: search; cells; background)"
    ]


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


def pictures(shot: Shot, part: Part, explained: Explained) -> dict[str, Any]:
    """Data, spots, background and residuals as images, NaN where pixels are not compared."""
    return {
        "data": shot.image(shot.photons),
        "spots": shot.image(part.spots),
        "background": shot.image(part.below),
        "residuals": shot.image(explained.residuals),
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
