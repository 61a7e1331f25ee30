"""One image of a refinement: what it is compared with, on which pixels, and by what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from nanobragg.differentiation.point import point_of
from nanobragg.errors import InputError
from nanobragg.refinement.background import Background
from nanobragg.refinement.choice import chosen
from nanobragg.refinement.data import data_of
from nanobragg.refinement.likelihood import LIKELIHOODS, LOSSES, Likelihood, rooted
from nanobragg.refinement.model import Model
from nanobragg.refinement.orientation import explicit, placed
from nanobragg.refinement.pixels import indices_of, near_beam, reach_of, without
from nanobragg.refinement.spread import Spread, kernels_of
from nanobragg.refinement.target import Target
from nanobragg.refinement.variables import Variables, expanded
from nanobragg.resolver.resolve import resolve

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from nanobragg.differentiation.point import Point
    from nanobragg.records.experiment import Experiment
    from nanobragg.refinement.settings import Settings
    from nanobragg.refinement.target import Part

    Array = NDArray[np.float64]

MILD, LIKELY = "mild", "likely"
"""kinds of targets"""
_MILD_PART = 0.06
"""a part of the intensity of bright pixels: photons that are added to data and model at the beginning, so that what is
between the spots, the fringes of small crystals above all, does not count yet"""


class Shot:
    """An image and the experiment that is to explain it.

    Args:
        experiment: where to start.
        image: photons or raw pixels, or a file.
        own: names of the shot's own numbers.
        common: names of those that it has in common with others.
        settings: how it is compared.
        threads: of its renderer.

    Raises:
        InputError: for names that there are not, images of another shape, and what cannot be refined.

    """

    def __init__(
        self,
        experiment: Experiment,
        image: Any,
        own: Sequence[str],
        common: Sequence[str],
        settings: Settings,
        threads: int,
    ) -> None:
        if experiment.crystal.shape == "tophat":
            raise InputError("crystal.shape: found tophat, expected another: its spots are steps, with no slopes")
        self.settings = settings
        self.start = placed(explicit(experiment), [*own, *common])
        resolved = resolve(self.start)
        point = point_of(self.start)
        mine, shared, self.notes = _names(own, common, point)
        self.own = len(mine)
        """how many of the variables, the first ones, are the shot's own"""
        self.variables = Variables([*mine, *shared], point, settings.bounds, settings.priors)
        data = data_of(image, resolved, settings)
        self.notes += data.notes
        indices = indices_of(resolved)
        beam = near_beam(indices).reshape(resolved.scene.image_shape)
        used = data.used & ~beam
        if not used.all():
            self.notes.append(f"{int((data.used & ~used).sum())} pixels left out: the spot of the direct beam")
        self.pixels = chosen(resolved, used, settings)
        self.reach = reach_of(indices, self.pixels)
        """the largest Miller index"""
        self.photons = data.photons.ravel()[self.pixels.index]
        """(m,) of the pixels that are compared"""
        self.variance, self._shape = data.variance, data.photons.shape
        panels = resolved.scene.panels
        kernels, lost = kernels_of(data.detector, panels)
        self.notes += lost
        spreading = (lambda index: Spread(panels, kernels, index, beam)) if kernels else None
        self.model = Model(point, self.variables, self.pixels, threads, spreading)

    @property
    def size(self) -> int:
        """How many pixels are compared."""
        return len(self.photons)

    def target(self, kind: str) -> Target:
        """What is made small: ``MILD`` at the beginning, ``LIKELY`` in the end."""
        settings = self.settings
        mild = kind == MILD
        if mild:
            likelihood = Likelihood(rooted, self.variance + _MILD_PART * self._bright())
        else:
            likelihood = Likelihood(LIKELIHOODS[settings.likelihood], self.variance, LOSSES.get(settings.loss))
        background = settings.background
        return Target(
            self.model, self.variables, self.pixels, self.photons, likelihood, background, self.own, leashed=mild
        )

    def _bright(self) -> float:
        """Photons that one in a hundred pixels of spots has, or more; single ones (the direct beam) do not matter."""
        below = Background(self.settings.background, self.pixels, Likelihood(rooted, 0.0)).typical(self.photons)
        away = self.photons - below
        spots = away[away > 5.0 * np.sqrt(below + 1.0)]
        return float(np.quantile(spots, 0.99)) if spots.size else 0.0

    def leave_out(self, target: Target, part: Part) -> bool:
        """Leave out what is further from the model than so many median deviations; whether anything is."""
        away = _deviations(target, part)
        middle = np.median(away)
        limit = float(self.settings.outliers or 0.0) * 1.4826 * float(np.median(np.abs(away - middle)))
        out = np.abs(away - middle) > max(limit, 1e-6)
        if not out.any() or out.all():
            return False
        self.notes.append(f"{int(out.sum())} pixels left out: further than {limit:.3g} sigma from the model")
        self.pixels, self.photons = without(self.pixels, out), self.photons[~out]
        self.model.look_at(self.pixels)
        return True

    def image(self, values: Array) -> Array:
        """An image with values of the pixels that are compared, NaN elsewhere."""
        image = np.full(int(np.prod(self._shape)), np.nan)
        image[self.pixels.index] = values
        return image.reshape(self._shape)


class Recipe(NamedTuple):
    """What one of many shots is made of."""

    number: int
    experiment: Experiment
    image: Any
    own: Sequence[str]
    common: Sequence[str]
    settings: Settings

    def made(self, threads: int) -> Shot:
        """The shot; errors as for it, with its number."""
        try:
            return Shot(self.experiment, self.image, self.own, self.common, self.settings, threads)
        except InputError as error:
            raise InputError(f"shot {self.number}: {error}") from error


def _names(own: Sequence[str], common: Sequence[str], point: Point) -> tuple[list[str], list[str], list[str]]:
    """Names of single numbers, the shot's own and those in common, and what was assumed."""
    mine, said = expanded(own, point) if len(own) or not common else ([], [])
    shared, more = expanded(common, point) if len(common) else ([], [])
    twice = [name for name in shared if name in mine]
    if twice:
        raise InputError(f"parameters: found {twice[0]} in common and for each shot, expected it once")
    misset = [name.startswith("crystal.misset[") for name in shared]
    if any(misset) and any(name.startswith("crystal.misset[") for name in mine):
        raise InputError("crystal.misset: found a part of it in common, expected all or none of it")
    return mine, shared, [*said, *more]


def _deviations(target: Target, part: Part) -> Array:
    """(m,) about normal: roots of misfits, with the sign of data - model."""
    model = part.spots + part.below
    misfit = target.likelihood._replace(loss=None).of(target.data, model).misfit
    return np.sign(target.data - model) * np.sqrt(np.maximum(misfit, 0.0))
