"""``nanobragg.refine_factors``: structure factors from many shots (``specs/refinement.md``)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from nanobragg.errors import InputError
from nanobragg.records.kinds import POSITIVE
from nanobragg.refinement.crew import Crew
from nanobragg.refinement.factor_fit import FactorFit, Place
from nanobragg.refinement.factor_sigmas import sigmas_of
from nanobragg.refinement.factors_result import RefinedFactors
from nanobragg.refinement.fit import descend
from nanobragg.refinement.joint import Joint
from nanobragg.refinement.reflections import Reflections, indices_of
from nanobragg.refinement.settings import settings_of
from nanobragg.refinement.shot import LIKELY
from nanobragg.refinement.shots import check_alike, found_of, recipes_of
from nanobragg.refinement.work import End

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from nanobragg.records.experiment import Experiment
    from nanobragg.refinement.settings import Settings
    from nanobragg.refinement.shot import Shot

    Array = NDArray[np.float64]
    Progress = Callable[[int, float], object]

_ROUNDS = 6
_NEAR, _ENOUGH = 10.0, 0.05
"""chi-squared: what a step promises, or brings, where the way down ends"""
_SETTLED = 1.0
"""chi-squared that a round brings where the last one was"""


def refine_factors(
    experiments: Experiment | Sequence[Experiment],
    images: Sequence[Any],
    each: Sequence[str] = ("crystal.misset", "scale"),
    *,
    group: str = "P 1",
    friedel: str = "together",
    prior: float | None = None,
    progress: Progress | None = None,
    **how: Any,
) -> RefinedFactors:
    """Refine structure factors against many images, and numbers of each shot with them.

    Args:
        experiments: where to start: one for each image, or one for all; all with the same structure factors.
        images: of each shot, as :func:`nanobragg.refine` takes it.
        each: what is free of each shot besides, as :func:`nanobragg.refine_shots` has it. It should start near: as that
            leaves it.
        group: the space group by which reflections are one.
        friedel: whether mates are: ``together``, or ``apart``.
        prior: what is known of factors before: a part of each, as its standard deviation. Without it, all factors keep
            the scale that they have at the start.
        progress: called after each better place with its number and the misfit of a pixel.
        how: what :func:`nanobragg.refine` takes, but ``search``; ``pixels`` are ``shoeboxes`` where nothing is said.

    Results do not depend on the number of threads. Ctrl-C ends the refinement with the best that was found, which is
    not ``converged``.

    Raises:
        InputError: as :func:`nanobragg.refine_shots` does, for shots of different structure factors, and without gemmi
            and SciPy.

    """
    settings = settings_of("refine_factors", {"pixels": "shoeboxes", **how})
    if prior is not None:
        POSITIVE.checked(prior, "prior")
    recipes = recipes_of(experiments, images, each, (), settings)
    crew = Crew(len(recipes), settings.threads)
    shots = crew.shots(recipes)
    check_alike(shots)
    reflections = _reflections(shots, group, friedel)
    return _Work(shots, crew, reflections, settings, prior, progress).done()


def _reflections(shots: Sequence[Shot], group: str, friedel: str) -> Reflections:
    """Raise :class:`InputError` for shots whose structure factors differ."""
    first = shots[0].model.factors
    for number, shot in enumerate(shots):
        grid = shot.model.factors
        if grid.minimum != first.minimum or not np.array_equal(grid.values, first.values):
            raise InputError(f"shot {number}: found other structure factors than in shot 0, expected the same in all")
    return Reflections(first, group, friedel, shots[0].start.crystal.cell)


class _Work:
    """The way of a refinement of structure factors."""

    def __init__(
        self,
        shots: list[Shot],
        crew: Crew,
        reflections: Reflections,
        settings: Settings,
        prior: float | None,
        progress: Progress | None,
    ) -> None:
        self._shots, self._settings, self._progress, self._prior = shots, settings, progress, prior
        self._boxes = settings.pixels != "all" or settings.spots is not None
        self._joint, self._crew = Joint(crew.targets(shots, LIKELY), 0, crew), crew
        self.fit = FactorFit(shots, self._joint, crew, reflections, prior, self._told)
        self._places = 0
        self._best: Place | None = None
        self._misfits: list[float] = []

    def done(self) -> RefinedFactors:
        """Go down, and say where that ended."""
        try:
            converged, interrupted = self._down(), False
        except KeyboardInterrupt:
            if self._best is None:
                raise
            converged, interrupted = False, True
        assert self._best is not None
        place = self.fit.at(self._best.factors, self._best.state.x)
        return self._found(self._scaled(place), converged, interrupted)

    def _down(self) -> bool:
        fit, steps = self.fit, self._settings.steps
        self._told(fit.at(fit.start, np.zeros(len(self._joint.longest))))
        assert self._best is not None
        path = descend(self._joint, self._best.state, enough=_NEAR, steps=steps)
        self._told(Place(fit.start, path.state))
        for _ in range(_ROUNDS):
            before = self._best.state.misfit
            fit.round(self._best, boxes=self._boxes, enough=_ENOUGH, steps=steps)
            if before - self._best.state.misfit < _SETTLED:
                return True
        return False

    def _told(self, place: Place) -> None:
        self._best = place
        self._places += 1
        self._misfits.append(place.state.misfit)
        if self._progress is not None:
            self._progress(self._places, place.state.misfit / sum(len(shot.photons) for shot in self._shots))

    def _scaled(self, place: Place) -> Place:
        """With factors on the scale of the start, where nothing else says on which, and the shots' scales with them."""
        numbers = self._joint.scales
        if self._prior is not None or numbers is None:
            return place
        information = self.fit.information(place, self._boxes).sum(axis=0) * self.fit.raised(place.factors) ** 2
        square = float((information * place.factors**2).sum())
        ratio = float((information * place.factors * self.fit.start).sum()) / square if square > 0.0 else 1.0
        if not ratio > 0.0:
            return place
        x = self._joint.unpacked(place.state.x).copy()
        x[:, numbers] -= 2.0 * np.log(ratio)
        lowest, highest = (self._joint.unpacked(end) for end in self._joint.limits)
        if (x < lowest).any() or (x > highest).any():
            return place
        return self.fit.at(place.factors * ratio, self._joint.packed(x))

    def _found(self, place: Place, converged: bool, interrupted: bool) -> RefinedFactors:
        sigmas, seen = sigmas_of(self.fit, place, self._boxes)
        end = End(
            self._joint,
            place.state,
            self._joint.slopes(place.state),
            tuple(self._misfits),
            converged,
            interrupted,
        )
        shots = found_of(self._shots, end, self._crew)
        reflections, grid = self.fit.reflections, self._shots[0].model.factors
        factors = np.column_stack([indices_of(grid).astype(float), grid.values.ravel()])
        kept = [replace(shot, experiment=_with_factors(shot.experiment, factors)) for shot in shots.shots]
        used = reflections.may_move & np.isfinite(sigmas) & (sigmas < place.factors / 0.3)
        return RefinedFactors(
            shots=replace(shots, shots=tuple(kept)),
            group=reflections.group.hm,
            friedel=reflections.friedel,
            hkl=reflections.hkl[used],
            start=self.fit.start[used],
            values=place.factors[used],
            sigmas=sigmas[used],
            seen=seen[used],
        )


def _with_factors(experiment: Experiment, factors: Array) -> Experiment:
    """With a list of structure factors (n, 4) instead of a file."""
    crystal = replace(experiment.crystal, structure_factors=factors, sf_column=None, sf_block=None, sf_group=None)
    return replace(experiment, crystal=crystal)
