"""A run in the making: what the words scanned so far have set, on top of what a file said."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from nanobragg.records.experiment import Beam, Crystal, Detector, Experiment, Sampling
from nanobragg.records.run import Output, Run

DEFAULT_DUMP = "Fdump.bin"
_OUTPUT = Output()
_SECTIONS = ("beam", "crystal", "detector", "sampling")
_RUN_FIELDS = ("threads", "precision", "device", "progress", "printout", "printout_pixel", "trace_pixel")
_NAMED_PIVOT = {"mosflm": "beam", "denzo": "beam", "adxv": "beam", "xds": "sample", "dials": "sample"}

# What words say overrides a stronger way of saying the same in the file: (said, cleared unless said).
_OVERRIDES = (
    ("detector.size.0", "detector.shape.0"),
    ("detector.size.1", "detector.shape.1"),
    ("crystal.cells.0", "crystal.size.0"),
    ("crystal.cells.1", "crystal.size.1"),
    ("crystal.cells.2", "crystal.size.2"),
    ("beam.fluence", "beam.flux"),
    ("detector.distance", "detector.close_distance"),
)


class Draft:
    """Fields by name, ``section.field`` or ``section.field.index``; mutable until :meth:`run` freezes them."""

    def __init__(self, base: Run | None) -> None:
        start = base if base is not None else Run()
        self._values: dict[str, dict[str, Any]] = {name: _fields(getattr(start.experiment, name)) for name in _SECTIONS}
        self._values["output"] = _fields(start.output)
        self._values["run"] = {name: getattr(start, name) for name in _RUN_FIELDS}
        output = self._values["output"]
        self._values["write"] = {"pgm": output["pgmfile"] is not None, "noise": output["noisefile"] is not None}
        output["pgmfile"] = output["pgmfile"] or _OUTPUT.pgmfile
        output["noisefile"] = output["noisefile"] or _OUTPUT.noisefile
        self._open_tuples()
        if base is None:
            self._values["crystal"]["dump"] = DEFAULT_DUMP
            self._values["detector"]["pivot_as_left"] = "beam"
        self.quirks = start.experiment.quirks
        self.warnings: list[str] = list(start.warnings)
        self._said: set[str] = set()

    def _open_tuples(self) -> None:
        crystal, detector = self._values["crystal"], self._values["detector"]
        crystal["cells"] = _listed(crystal["cells"], 3)
        crystal["size"] = _listed(crystal["size"], 3)
        detector["shape"] = _listed(detector["shape"], 2)
        detector["size"] = _listed(detector["size"], 2)
        crystal["cell"] = list(crystal["cell"] or ())

    def set(self, target: str, value: object) -> None:
        """Set one field, or one element of it."""
        self._said.add(target)
        section, name, *index = target.split(".")
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

    def warn(self, sentence: str) -> None:
        """Add a warning, once."""
        if sentence not in self.warnings:
            self.warnings.append(sentence)

    def effect(self, quirks: frozenset[str]) -> str:
        """What the parse quirks can change, as far as it has an effect on the experiment."""
        crystal, detector = self._values["crystal"], self._values["detector"]
        said, implied, left = detector["pivot"], detector["pivot_implied"], detector["pivot_as_left"]
        named = _NAMED_PIVOT.get(detector["convention"] or "mosflm")
        pivot = (named or left) if "pivot_overridden" in quirks else (said or implied or named or left)
        misset = crystal["misset"] or (0.0, 0.0, 0.0)
        seed = crystal["misset_seed"] if misset == "random" else None
        twotheta = detector["twotheta"] or 0.0
        return repr((pivot, twotheta, detector["curved"], misset, seed))

    def run(self, parse_quirks: tuple[tuple[str, str], ...]) -> Run:
        """The finished run."""
        for weaker, stronger in _OVERRIDES:
            if weaker in self._said and stronger not in self._said:
                self.set(stronger, None)
        sections = {name: dict(values) for name, values in self._values.items()}
        crystal, detector, output = sections["crystal"], sections["detector"], sections["output"]
        crystal["cells"] = tuple(crystal["cells"])
        crystal["size"] = _closed(crystal["size"])
        crystal["cell"] = tuple(crystal["cell"]) or None
        detector["shape"] = _closed(detector["shape"])
        detector["size"] = _closed(detector["size"])
        if crystal["misset"] == "random" and crystal["misset_seed"] is None:
            crystal["misset_seed"] = output["seed"]
        if not sections["write"]["pgm"]:
            output["pgmfile"] = None
        if not sections["write"]["noise"]:
            output["noisefile"] = None
        return Run(
            experiment=Experiment(
                beam=Beam(**sections["beam"]),
                crystal=Crystal(**crystal),
                detector=Detector(**detector),
                sampling=Sampling(**sections["sampling"]),
                quirks=self.quirks,
            ),
            output=Output(**output),
            warnings=tuple(self.warnings),
            parse_quirks=parse_quirks,
            **sections["run"],
        )


def _fields(instance: Any) -> dict[str, Any]:
    return {f.name: getattr(instance, f.name) for f in fields(instance)}


def _listed(value: Any, length: int) -> list[Any]:
    return [value] * length if value is None or isinstance(value, (int, float)) else list(value)


def _closed(values: list[Any]) -> tuple[Any, ...] | None:
    return None if all(value is None for value in values) else tuple(values)
