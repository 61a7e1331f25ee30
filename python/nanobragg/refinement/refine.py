"""``nanobragg.refine``: which crystal, beam and detector made an image (``specs/refinement.md``)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nanobragg.differentiation.point import point_of
from nanobragg.errors import InputError
from nanobragg.refinement.beginning import begin
from nanobragg.refinement.choice import chosen
from nanobragg.refinement.covariance import determined
from nanobragg.refinement.data import Data, data_of
from nanobragg.refinement.fit import Path, descend
from nanobragg.refinement.likelihood import LIKELIHOODS, LOSSES, Likelihood, rooted
from nanobragg.refinement.model import Model
from nanobragg.refinement.orientation import explicit
from nanobragg.refinement.pixels import Pixels, near_beam, reach_of, without
from nanobragg.refinement.result import Refinement
from nanobragg.refinement.settings import Settings
from nanobragg.refinement.target import State, Target
from nanobragg.refinement.variables import Known, Variables, expanded
from nanobragg.resolver.resolve import resolve

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from nanobragg.records.experiment import Experiment

    Array = NDArray[np.float64]
    Progress = Callable[[int, float], object]

_ENOUGH = 1e-3
"""The way down ends where a step would take no more from chi-squared: 0.03 standard deviations in all."""
_NEAR = 100.0
"""a chi-squared: where the mild misfit gives way to the likelihood"""
_MILD = 0.06
"""a part of the intensity of bright pixels: photons that are added to data and model at the beginning, so that what is
between the spots, the fringes of small crystals above all, does not count yet"""
_ROUNDS = 4


def refine(
    experiment: Experiment,
    images: Any,
    parameters: Sequence[str],
    *,
    pixels: str = "all",
    shoebox: int | None = None,
    background: str = "constant",
    mask: Any = None,
    bounds: Mapping[str, tuple[float, float]] | None = None,
    priors: Mapping[str, Known] | None = None,
    progress: Progress | None = None,
    **how: Any,
) -> Refinement:
    """Refine what an experiment says against an image of it.

    Args:
        experiment: where to start.
        images: photons, or raw pixels with a ``gain``: an array of the experiment's image, or a file of any format.
        parameters: what is free: names of :func:`nanobragg.derivatives.parameters`, of single numbers or whole fields;
            ``crystal.cell``: the free numbers of its crystal system; ``scale``: of all spots (fluence or flux).
        pixels: ``all``, or those in ``shoeboxes`` around predicted reflections.
        shoebox: their half width, pixels; default: five, or more where spots are larger. Of ``spots``: pixels around
            their boxes; default: three.
        background: ``constant`` or ``plane`` for each panel or shoebox, or ``none``, besides the experiment's own.
        mask: pixels of 0 are left out: an array, or a file.
        bounds: lowest and highest value by name.
        priors: what is known before, by name: a standard deviation about the start, or a value and one.
        progress: called after each step with its number and the misfit of a pixel.
        how: further ones, with their defaults, in ``specs/refinement.md``: ``likelihood``, ``loss``, ``outliers``,
            ``gain``, ``offset``, ``readout``, ``saturation``, ``spots``, ``spots_image``, ``search``, ``steps``,
            ``threads``.

    Ctrl-C ends the refinement with the best that was found, which is not ``converged``.

    Raises:
        InputError: for names that there are not, images of another shape, and what cannot be refined.

    """
    said = {"shoebox": shoebox, "mask": mask, "bounds": bounds or {}, "priors": priors or {}}
    unknown = sorted(set(how) - set(Settings.__dataclass_fields__))
    if unknown:
        raise InputError(f"refine: found {unknown[0]}, expected one of {', '.join(Settings.__dataclass_fields__)}")
    settings = Settings(pixels=pixels, background=background, **said, **how)
    return _Work(experiment, images, parameters, settings, progress).done()


class _Work:
    """A refinement of one image."""

    def __init__(
        self,
        experiment: Experiment,
        images: Any,
        parameters: Sequence[str],
        settings: Settings,
        progress: Progress | None,
    ) -> None:
        if experiment.crystal.shape == "tophat":
            raise InputError("crystal.shape: found tophat, expected another: its spots are steps, with no slopes")
        self.settings, self.progress = settings, progress
        self.start = explicit(experiment)
        self.resolved = resolve(self.start)
        point = point_of(self.start)
        names, self.notes = expanded(parameters, point)
        self.variables = Variables(names, point, settings.bounds, settings.priors)
        self.data: Data = data_of(images, self.resolved, settings)
        used = self.data.used & ~near_beam(self.resolved)
        if not used.all():
            self.notes.append(f"{int((self.data.used & ~used).sum())} pixels left out: the spot of the direct beam")
        self.pixels = chosen(self.resolved, used, settings)
        self.model = Model(point, self.variables, self.pixels, settings.threads)
        self.steps = 0
        self.best: State | None = None

    def done(self) -> Refinement:
        """Go down, and say where that ended."""
        converged, misfits = False, ()
        try:
            path = self._path()
            converged, misfits = path.converged, tuple(path.misfits)
            state = path.state
        except KeyboardInterrupt:
            if self.best is None:
                raise
            state = self.best
            self.notes.append("interrupted: the best so far")
        target = self._target(self._likelihood())
        # The best so far may be of another likelihood and other pixels.
        return self._result(target, target.at(state.x), converged, misfits)

    def _path(self) -> Path:
        mild = self._target(Likelihood(rooted, self.data.variance + _MILD * self._bright()))
        state = begin(mild, self.settings.search, reach_of(self.resolved, self.pixels))
        state = descend(mild, state, enough=_NEAR, steps=self.settings.steps, told=self._told).state
        target = self._target(self._likelihood())
        path = descend(target, target.at(state.x), enough=_ENOUGH, steps=self.settings.steps, told=self._told)
        for _ in range(_ROUNDS if self.settings.outliers else 0):
            if not self._left_out(target, path.state):
                break
            target = self._target(self._likelihood())
            path = descend(target, target.at(path.state.x), enough=_ENOUGH, steps=self.settings.steps, told=self._told)
        return path

    def _told(self, state: State, _: int) -> None:
        self.steps += 1
        self.best = state
        if self.progress is not None:
            self.progress(self.steps, state.misfit / len(self.pixels.index))

    def _target(self, likelihood: Likelihood) -> Target:
        photons = self.data.photons.ravel()[self.pixels.index]
        return Target(self.model, self.variables, self.pixels, photons, likelihood, self.settings.background)

    def _likelihood(self) -> Likelihood:
        return Likelihood(LIKELIHOODS[self.settings.likelihood], self.data.variance, LOSSES.get(self.settings.loss))

    def _bright(self) -> float:
        """Photons that one in a hundred pixels of spots has, or more; single ones (the direct beam) do not matter."""
        photons = self.data.photons.ravel()[self.pixels.index]
        middle = float(np.median(photons))
        spots = photons[photons - middle > 5.0 * np.sqrt(max(middle, 0.0) + 1.0)] - middle
        return float(np.quantile(spots, 0.99)) if spots.size else 0.0

    def _left_out(self, target: Target, state: State) -> bool:
        """Leave out what is further from the model than so many median deviations; whether anything is."""
        away = _deviations(target, state)
        middle = np.median(away)
        limit = float(self.settings.outliers or 0.0) * 1.4826 * float(np.median(np.abs(away - middle)))
        out = np.abs(away - middle) > max(limit, 1e-6)
        if not out.any() or out.all():
            return False
        self.notes.append(f"{int(out.sum())} pixels left out: further than {limit:.3g} sigma from the model")
        self.pixels = without(self.pixels, out)
        self.model.look_at(self.pixels)
        return True

    def _result(self, target: Target, state: State, converged: bool, misfits: tuple[float, ...]) -> Refinement:
        variables = self.variables
        slopes = target.slopes(state)
        found = determined(slopes.normal, variables.slopes(state.x), variables)
        model = state.spots + state.below
        variance = np.maximum(model + self.data.variance, 1e-6)
        residuals = (target.data - model) / np.sqrt(variance)
        return Refinement(
            experiment=variables.at(state.x, self.start),
            names=tuple(variables.names),
            units=tuple(item.unit for item in variables.items),
            start=variables.values(np.zeros(len(variables))),
            values=variables.values(state.x),
            covariance=found.covariance,
            weak=found.weak,
            misfit=state.misfit,
            misfits=misfits,
            jacobians=self.model.jacobians,
            converged=converged,
            shoeboxes=_boxes(self.pixels, residuals, variance),
            data=self._image(target.data),
            spots=self._image(state.spots),
            background=self._image(state.below),
            residuals=self._image(residuals),
            notes=(*self.notes, *self.data.notes),
        )

    def _image(self, values: Array) -> Array:
        image = np.full(self.data.photons.size, np.nan)
        image[self.pixels.index] = values
        return image.reshape(self.data.photons.shape)


def _deviations(target: Target, state: State) -> Array:
    """(m,) about normal: roots of misfits, with the sign of data - model."""
    model = state.spots + state.below
    misfit = target.likelihood._replace(loss=None).of(target.data, model).misfit
    return np.sign(target.data - model) * np.sqrt(np.maximum(misfit, 0.0))


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
