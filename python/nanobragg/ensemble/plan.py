"""What an ensemble's file comes to: a draw, experiments and their parameters, for every shot."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from nanobragg.ensemble.distributions import Distribution
from nanobragg.ensemble.randomness import Randomness
from nanobragg.ensemble.spectrum import Lines, mean_wavelength
from nanobragg.maths.constants import ENERGY
from nanobragg.records.experiment import Beam, Crystal, Experiment
from nanobragg.records.fields import Place
from nanobragg.records.record import Record
from nanobragg.records.run import Run

if TYPE_CHECKING:
    from nanobragg.ensemble.settings import Settings

SHOT_FIELDS = ("crystal.water",)
"""Fields of the crystal that are the shot's: drawn once, whatever the number of crystals."""
_SEEDS = 2**31 - 2
"""The largest seed that is drawn for mosaic domains and random orientations, which have no longer ones."""


@dataclass(frozen=True, eq=False)
class Varied:
    """A field and its distribution."""

    place: Place
    """Its name is that in a :class:`~nanobragg.records.run.Run`, as are the attributes."""
    distribution: Distribution

    @property
    def of_crystal(self) -> bool:
        """Whether each crystal has a draw of its own."""
        return self.place.section == "crystal" and self.place.name not in SHOT_FIELDS


class Draw(Record):
    """One shot as it was drawn."""

    number: int
    experiments: tuple[Experiment, ...]
    """One for each crystal; of a blank shot, one without."""
    crystals: int
    parameters: dict[str, Any]
    """What was drawn for the shot, by the fields' names."""
    of_crystals: tuple[dict[str, Any], ...]
    """What was drawn for each crystal."""


class Plan(Record):
    """A file of an ensemble, read and checked."""

    path: str
    run: Run
    """The experiment without what varies, and the manner of computing it."""
    settings: Settings
    varied: tuple[Varied, ...]
    crystals: Distribution
    spectrum: Lines | None
    notes: tuple[str, ...]
    document: dict[str, Any] = field(repr=False)
    """The file as TOML has it."""
    files: dict[tuple[str, ...], str] = field(repr=False)
    """The input files that it names, by their keys."""

    def draw(self, number: int) -> Draw:
        """Draw a shot.

        Raises :class:`~nanobragg.InputError` where what was drawn is nothing that a field can hold.
        """
        random = Randomness(self.settings.seed, number)
        blank = random.uniform("blank") < self.settings.blank
        crystals = 0 if blank else max(self.crystals.draw(random, "crystals"), 0)
        shot = [varied for varied in self.varied if not varied.of_crystal]
        parameters = {varied.place.name: _drawn(varied, random, "") for varied in shot}
        experiment = _with(self.run.experiment, parameters)
        if self.spectrum is not None:
            experiment, parameters["mean_wavelength"] = self._with_spectrum(experiment, random)
        of_crystals = tuple(self._of_crystal(random, i) for i in range(crystals))
        return Draw(
            number=number,
            experiments=tuple(
                _without_water(_with(experiment, own)) if i else _with(experiment, own)
                for i, own in enumerate(of_crystals)
            )
            or (_blank(experiment),),
            crystals=crystals,
            parameters=parameters,
            of_crystals=of_crystals,
        )

    def nominal(self) -> Experiment:
        """The experiment without a crystal and without what varies: the detector that images tell."""
        return _blank(self.run.experiment)

    def _of_crystal(self, random: Randomness, number: int) -> dict[str, Any]:
        suffix = f"#{number}" if number else ""
        own = {v.place.name: _drawn(v, random, suffix) for v in self.varied if v.of_crystal}
        crystal = _with(self.run.experiment, own).crystal
        # Seeds that nobody said would make the same crystal of every shot, or another one in every run.
        if crystal.mosaic_spread and crystal.mosaic_seed is None:
            own["crystal.mosaic_seed"] = random.whole(f"crystal.mosaic_seed{suffix}", 1, _SEEDS)
        if crystal.misset == "random" and crystal.misset_seed is None:
            own["crystal.misset_seed"] = random.whole(f"crystal.misset_seed{suffix}", 1, _SEEDS)
        return own

    def _with_spectrum(self, experiment: Experiment, random: Randomness) -> tuple[Experiment, float]:
        """The experiment with a spectrum, and its mean wavelength, Å."""
        import numpy as np

        assert self.spectrum is not None
        lines = self.spectrum.draw(random, wavelength_of(experiment.beam))
        sources = np.full((len(lines), 5), math.nan)
        sources[:, 3] = lines[:, 1]
        sources[:, 4] = lines[:, 0] * 1e-10
        mean = mean_wavelength(lines)
        return replace(experiment, beam=replace(experiment.beam, sources=sources, wavelength=mean, energy=None)), mean


def wavelength_of(beam: Beam) -> float:
    """Å; of a beam that says it, or 1."""
    if beam.energy:
        return ENERGY / beam.energy
    return 1.0 if beam.wavelength is None else beam.wavelength


def _drawn(varied: Varied, random: Randomness, suffix: str) -> Any:
    place = varied.place
    return place.checked(varied.distribution.draw(random, place.name + suffix))


def _with(experiment: Experiment, values: dict[str, Any]) -> Experiment:
    """The experiment with some of its fields changed, by their names."""
    changed: dict[str, dict[str, Any]] = {}
    for name, value in values.items():
        section, _, key = name.partition(".")
        if key:
            changed.setdefault(section, {})[key] = value
    parts = {section: replace(getattr(experiment, section), **fields) for section, fields in changed.items()}
    return replace(experiment, **parts) if parts else experiment


def _without_water(experiment: Experiment) -> Experiment:
    """The second crystal and those after it: there is one drop around all of them."""
    return replace(experiment, crystal=replace(experiment.crystal, water=0.0))


def _blank(experiment: Experiment) -> Experiment:
    """Nothing but the water."""
    import numpy as np

    said = experiment.crystal
    nothing = Crystal(
        cell=(100.0, 100.0, 100.0, 90.0, 90.0, 90.0),
        structure_factors=np.array([[0.0, 0.0, 0.0, 0.0]]),
        interpolate=False,
        water=said.water,
        spindle_axis=said.spindle_axis,
    )
    return replace(experiment, crystal=nothing)
