"""A run in the making: what the options said so far have set, on top of what a file said."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

from nanobragg.records.experiment import Beam, Crystal, Detector, Experiment, Sampling
from nanobragg.records.pivots import convention_of, implied_pivot, pivot_of
from nanobragg.records.run import Output, Run

DEFAULT_DUMP = "Fdump.bin"
_OUTPUT = Output()
_SECTIONS = ("beam", "crystal", "detector", "sampling")
_TOP = ""
_TOP_FIELDS = ("threads", "precision", "device", "progress", "printout", "printout_pixel", "trace_pixel")

# What options say overrides a stronger way of saying the same in the file: (said, cleared unless said).
_OVERRIDES = (
    ("detector.size.0", "detector.shape.0"),
    ("detector.size.1", "detector.shape.1"),
    ("crystal.cells.0", "crystal.size.0"),
    ("crystal.cells.1", "crystal.size.1"),
    ("crystal.cells.2", "crystal.size.2"),
    ("beam.fluence", "beam.flux"),
    ("detector.distance", "detector.close_distance"),
)


class ParseQuirks:
    """The quirks that a command line keeps. What was asked about them is remembered: no other one can have mattered."""

    def __init__(self, kept: frozenset[str]) -> None:
        self.kept = kept
        self.asked: set[str] = set()

    def on(self, name: str) -> bool:
        """Whether a quirk is kept, where that makes a difference."""
        self.asked.add(name)
        return name in self.kept


class Draft:
    """Fields by name, ``field``, ``section.field`` or ``section.field.index``; :meth:`run` freezes them."""

    def __init__(self, base: Run | None, quirks: ParseQuirks) -> None:
        """Begin with ``base``, what the file of ``-config`` says."""
        start = base if base is not None else Run()
        self._quirks = quirks
        self._values: dict[str, dict[str, Any]] = {name: _fields(getattr(start.experiment, name)) for name in _SECTIONS}
        self._values["output"] = _fields(start.output)
        self._values[_TOP] = {name: getattr(start, name) for name in _TOP_FIELDS}
        self._open_tuples()
        self._open_pictures()
        if base is None:
            self._values["crystal"]["dump"] = DEFAULT_DUMP
        self.warnings: list[str] = list(start.warnings)
        self._said: set[str] = set()
        detector = start.experiment.detector
        self._pivot_said: str | None = detector.pivot
        self._pivot_implied = implied_pivot(detector)
        self._pivot_left: str = detector.pivot or self._pivot_implied or "beam"
        """What the options so far leave, the last of all that say, imply or select one."""

    def _open_tuples(self) -> None:
        crystal, detector = self._values["crystal"], self._values["detector"]
        crystal["cells"] = _listed(crystal["cells"], 3)
        crystal["size"] = _listed(crystal["size"], 3)
        detector["shape"] = _listed(detector["shape"], 2)
        detector["size"] = _listed(detector["size"], 2)
        crystal["cell"] = list(crystal["cell"] or ())

    def _open_pictures(self) -> None:
        """An image that is not written keeps a name: an option that wants it need not say it again."""
        output = self._values["output"]
        self._written = {name: output[name] is not None for name in ("pgmfile", "noisefile")}
        for name in self._written:
            output[name] = output[name] or getattr(_OUTPUT, name)

    # ---- what options say ---------------------------------------------------------------------------------

    def set(self, target: str, value: object) -> None:
        """Set one field, or one element of it."""
        self._said.add(target)
        section, name, *index = target.split(".") if "." in target else (_TOP, target)
        if index:
            self._values[section][name][int(index[0])] = value
        else:
            self._values[section][name] = value

    def set_cell(self, position: int, value: float) -> None:
        """Set one of the six cell constants; later ones keep what was said before."""
        cell = self._values["crystal"]["cell"]
        cell[position : position + 1] = [value]

    @property
    def has_cell(self) -> bool:
        """Whether any cell constant has been said."""
        return bool(self._values["crystal"]["cell"])

    def write_picture(self, wanted: bool) -> None:
        """Whether the picture is written."""
        self._written["pgmfile"] = wanted

    def write_noise(self, wanted: bool) -> None:
        """Whether the noise image is written."""
        self._written["noisefile"] = wanted

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

    # ---- what they add up to ------------------------------------------------------------------------------

    def run(self) -> Run:
        """The finished run."""
        for weaker, stronger in _OVERRIDES:
            if weaker in self._said and stronger not in self._said:
                self.set(stronger, None)
        sections = {name: dict(values) for name, values in self._values.items()}
        crystal, detector, output = sections["crystal"], sections["detector"], sections["output"]
        crystal["cells"] = tuple(crystal["cells"])
        crystal["size"] = _closed(crystal["size"])
        crystal["cell"] = tuple(crystal["cell"]) or None
        detector["pivot"] = None
        detector["shape"] = _closed(detector["shape"])
        detector["size"] = _closed(detector["size"])
        if crystal["misset"] == "random" and crystal["misset_seed"] is None:
            crystal["misset_seed"] = output["seed"]
        for name, wanted in self._written.items():
            output[name] = output[name] if wanted else None
        experiment = Experiment(
            beam=Beam(**sections["beam"]),
            crystal=Crystal(**crystal),
            detector=Detector(**detector),
            sampling=Sampling(**sections["sampling"]),
        )
        pivot: Any = self._pivot(experiment)
        if pivot is not None:
            experiment = replace(experiment, detector=replace(experiment.detector, pivot=pivot))
        return Run(experiment=experiment, output=Output(**output), warnings=tuple(self.warnings), **sections[_TOP])

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


def _fields(instance: Any) -> dict[str, Any]:
    return {f.name: getattr(instance, f.name) for f in fields(instance)}


def _listed(value: Any, length: int) -> list[Any]:
    return [value] * length if value is None or isinstance(value, (int, float)) else list(value)


def _closed(values: list[Any]) -> tuple[Any, ...] | None:
    return None if all(value is None for value in values) else tuple(values)
