"""A run in the making: what the options said so far have set, on top of what a file said."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NoReturn

from nanobragg.inputs.parse_quirks import ParseQuirks
from nanobragg.records.experiment import Experiment
from nanobragg.records.fields import assembled
from nanobragg.records.pivots import convention_of, implied_pivot, pivot_of
from nanobragg.records.run import PLACES, Run

if TYPE_CHECKING:
    from nanobragg.inputs.option import Said

DEFAULT_DUMP = "Fdump.bin"
_IN_PARTS = {"crystal.cells": 3, "crystal.size": 3, "detector.shape": 2, "detector.size": 2}
"""Fields whose parts have options of their own, and how many parts."""

# What options say overrides a stronger way of saying the same in the file: (said, cleared unless said).
_OVERRIDES = (
    ("detector.size.0", "detector.shape.0"),
    ("detector.size.1", "detector.shape.1"),
    ("crystal.cells.0", "crystal.size.0"),
    ("crystal.cells.1", "crystal.size.1"),
    ("crystal.cells.2", "crystal.size.2"),
    ("beam.fluence", "beam.flux"),
    ("detector.distance", "detector.close_distance"),
    ("detector.name", "detector.panels"),
    ("detector.name", "detector.header"),
    ("detector.header", "detector.name"),
    ("detector.header", "detector.panels"),
)


class Draft:
    """Fields by name, ``field``, ``section.field`` or ``section.field.index``; :meth:`run` freezes them."""

    def __init__(self, base: Run | None, quirks: ParseQuirks) -> None:
        """Begin with ``base``, what the file of ``-config`` says."""
        start = base if base is not None else Run()
        self._quirks = quirks
        self._values: dict[str, Any] = {name: place.value(start) for name, place in PLACES.items()}
        for name, length in _IN_PARTS.items():
            self._values[name] = _listed(self._values[name], length)
        self._values["crystal.cell"] = list(self._values["crystal.cell"] or ())
        self._open_pictures()
        if base is None:
            self._values["crystal.dump"] = DEFAULT_DUMP
        self.warnings: list[str] = list(start.warnings)
        self._said: set[str] = set()
        detector = start.experiment.detector
        self._pivot_said: str | None = detector.pivot
        self._pivot_implied = implied_pivot(detector)
        self._pivot_left: str = detector.pivot or self._pivot_implied or "beam"
        """What the options so far leave, the last of all that say, imply or select one."""

    def _open_pictures(self) -> None:
        """An image that is not written keeps a name: an option that wants it need not say it again."""
        self._written = {name: self._values[name] is not None for name in ("output.pgmfile", "output.noisefile")}
        for name in self._written:
            self._values[name] = self._values[name] or PLACES[name].row.default

    # ---- what options say ---------------------------------------------------------------------------------

    def set(self, target: str, value: object) -> None:
        """Set one field, or one element of it."""
        self._said.add(target)
        if target in PLACES:
            self._values[target] = value
        else:
            name, _, index = target.rpartition(".")
            self._values[name][int(index)] = value

    def append(self, target: str, value: object) -> None:
        """Add to a field that is a list; the first time to an empty one, whatever the file says."""
        before = self._values[target] if target in self._said else ()
        self.set(target, (*before, value))

    def replace_last(self, target: str, **changes: object) -> bool:
        """Change fields of the record that was added last; whether there is one."""
        if target not in self._said:
            return False
        *before, last = self._values[target]
        self.set(target, (*before, replace(last, **changes)))
        return True

    def set_cell(self, position: int, value: float) -> None:
        """Set one of the six cell constants; later ones keep what was said before."""
        cell = self._values["crystal.cell"]
        cell[position : position + 1] = [value]

    @property
    def has_cell(self) -> bool:
        """Whether any cell constant has been said."""
        return bool(self._values["crystal.cell"])

    def write_picture(self, wanted: bool) -> None:
        """Whether the picture is written."""
        self._written["output.pgmfile"] = wanted

    def write_noise(self, wanted: bool) -> None:
        """Whether the noise image is written."""
        self._written["output.noisefile"] = wanted

    def say_pivot(self, pivot: str) -> None:
        """What the detector turns about."""
        self._pivot_said = self._pivot_left = pivot

    def imply_pivot(self, pivot: str) -> None:
        """The pivot that goes with a distance or a centre."""
        self._pivot_implied = self._pivot_left = pivot

    def select_convention(self, convention: str, pivot: str | None) -> None:
        """A convention, and the pivot that it leaves."""
        self.set("detector.convention", convention)
        self._pivot_left = pivot or self._pivot_left

    def warn(self, sentence: str) -> None:
        """Add a warning, once."""
        if sentence not in self.warnings:
            self.warnings.append(sentence)

    def unreadable(self, said: Said, value: str, instead: str) -> NoReturn:
        """A word that is not what its option takes; only companions have something ``instead``."""
        raise said.wrong(value)

    # ---- what they add up to ------------------------------------------------------------------------------

    def run(self) -> Run:
        """The finished run."""
        for weaker, stronger in _OVERRIDES:
            if weaker in self._said and stronger not in self._said:
                self.set(stronger, None)
        values = dict(self._values)
        for name in _IN_PARTS:
            values[name] = _closed(values[name])
        values["crystal.cell"] = tuple(values["crystal.cell"]) or None
        values["detector.pivot"] = None
        if values["crystal.misset"] == "random" and values["crystal.misset_seed"] is None:
            values["crystal.misset_seed"] = values["output.seed"]
        for name, wanted in self._written.items():
            values[name] = values[name] if wanted else None
        run = replace(assembled(Run, values), warnings=tuple(self.warnings))
        pivot: Any = self._pivot(run.experiment)
        if pivot is not None:
            detector = replace(run.experiment.detector, pivot=pivot)
            run = replace(run, experiment=replace(run.experiment, detector=detector))
        return run

    def _pivot(self, experiment: Experiment) -> str | None:
        """What ``detector.pivot`` must be for the pivot that the options in their order give; ``None``: nothing.

        nanoBragg.c takes the last option's in its custom convention, where without the quirk pivot_overridden that of
        ``-pivot`` is the stronger. The file of ``-img`` may lead to that convention as well.
        """
        beam, crystal, detector = experiment.beam, experiment.crystal, experiment.detector
        convention = convention_of(beam, crystal, detector)
        wanted = self._pivot_said or self._pivot_implied
        if convention == "custom" or (detector.convention is None and detector.header is not None):
            wanted = wanted or self._pivot_left
            if wanted != self._pivot_left and self._quirks.on("pivot_overridden"):
                wanted = self._pivot_left
        by_itself = pivot_of(convention, detector, overridden=False)
        return None if wanted == by_itself and wanted != self._pivot_said else wanted


def _listed(value: Any, length: int) -> list[Any]:
    return [value] * length if value is None or isinstance(value, (int, float)) else list(value)


def _closed(values: list[Any]) -> tuple[Any, ...] | None:
    return None if all(value is None for value in values) else tuple(values)
