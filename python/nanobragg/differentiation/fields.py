"""The numbers of an experiment that its image can be differentiated by: names, values, units, and how smooth it is."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from nanobragg.maths.constants import DEGREES
from nanobragg.records.around import Material
from nanobragg.records.experiment import Experiment, Move, Panel
from nanobragg.records.fields import own_places, places
from nanobragg.resolver.beam import DEFAULT_EXPOSURE, DEFAULT_SIZE
from nanobragg.resolver.materials import SUBSTANCES

if TYPE_CHECKING:
    from nanobragg.differentiation.point import Point

Smoothness = Literal["smooth", "piecewise smooth"]


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """A number, or several, that the image can be differentiated by."""

    name: str
    """The experiment's own: ``detector.distance``, ``crystal.misset``."""
    value: Any
    """As it is said, or what is taken where nothing is; of structure factors, ``None``."""
    unit: str
    shape: tuple[int, ...]
    """() of one number; of several, each has a name of its own: ``crystal.misset[0]``."""
    smoothness: Smoothness
    why: str
    """What the image has steps or kinks at, and what is held."""


class Row(NamedTuple):
    """How one field is differentiated."""

    name: str
    value: Callable[[Point], Any]
    """As users say it; ``None``: the image is not differentiated by it, since it is not said, or in vain."""
    kind: Literal["said", "scene", "move", "material", "around", "sensor"] = "said"
    """``said``: by dual numbers through the resolver; ``scene``: it is a number of the Scene (``scene_numbers.py``);
    ``move``: of a panel, or of a group of them (``panels.py``); ``material``: of one around the crystal; ``around``: of
    what else is around it, and moves nothing of the Scene (``surroundings.py``); ``sensor``: of a panel's own, by dual
    numbers as well."""
    smoothness: Smoothness = "piecewise smooth"
    why: str = "indices"


WHY = {
    "indices": "half-integer Miller indices, dmin; whole indices, and the range, of interpolated structure factors",
    "tophat": "the edge of the spots, which are steps: nothing else changes with indices",
    "model": "half-integer Miller indices, dmin; whole indices, and the range, of interpolated structure factors; "
    "those of a model are held",
    "none": "",
    "cells": "1, below which there are none, and 2, up to which structure factors are interpolated where that is not "
    "said; whole numbers of cells are no steps on the way",
    "first": "a value of 0, where no spread is drawn; half-integer Miller indices",
    "size": "numbers of pixels and half-integer Miller indices",
    "clipped": "whole numbers of cells, of a crystal that the beam clips; the edges of a beamstop's penumbra",
    "steps": "half-integer Miller indices, dmin; whole indices, and the range, of interpolated structure factors; "
    "whole numbers of steps in a range, where a step is said",
    "gas": "0, and where pixels are nearer than the gas begins",
    "stop": "the edges of the beamstop's penumbra",
}


def _experiment(point: Point) -> Experiment:
    return point.said.experiment


def _said(name: str) -> Callable[[Point], Any]:
    part, _, field = name.partition(".")
    return lambda point: getattr(getattr(_experiment(point), part), field)


def _positive(name: str) -> Callable[[Point], Any]:
    """A width, which at 0 is none at all."""
    said = _said(name)

    def value(point: Point) -> Any:
        found = said(point)
        return found if found is not None and 0.0 < found < float("inf") else None

    return value


def _of_grid(name: str) -> Callable[[Point], Any]:
    """A width of a beam whose sources nobody lists."""
    found = _positive(name)
    return lambda point: None if point.light.sources.from_file else found(point)


def _oscillation(point: Point) -> Any:
    """Where a step is said, it decides how many there are, and nothing else."""
    step = _experiment(point).sampling.phi_step
    decided = step is not None and point.crystal.rotation.step == step / DEGREES
    return None if decided else _positive("sampling.oscillation")(point)


def _of_one_panel(name: str, counts: Callable[[Point], bool] = lambda point: True) -> Row:
    """What is said of the one flat panel, where it counts."""
    found = _said(name)
    return Row(name, lambda point: found(point) if point.said.body is None and counts(point) else None)


def _vector(name: str) -> Row:
    """A direction: named conventions have their own."""
    return _of_one_panel(name, lambda point: point.detector.placement.convention == "custom")


def _misset(point: Point) -> Any:
    said = _experiment(point).crystal.misset
    return (0.0, 0.0, 0.0) if said is None else None if isinstance(said, str) else said


def _wavelength(point: Point) -> Any:
    beam = _experiment(point).beam
    return point.light.wavelength * 1e10 if beam.wavelength is None and beam.energy is None else beam.wavelength


def _fluence(point: Point) -> Any:
    beam = _experiment(point).beam
    if beam.flux:
        return None
    return point.light.fluence if beam.fluence is None else beam.fluence


def _of_flux(name: str, default: float) -> Callable[[Point], Any]:
    """What makes a fluence of a flux."""
    said = _said(name)

    def value(point: Point) -> Any:
        found = said(point)
        found = default if found is None else found
        return found if _flux(point) and found > 0.0 else None

    return value


def _phi(point: Point) -> Any:
    said = _experiment(point).sampling.phi
    stale = point.crystal.first_orientations.size or 0.0 in point.crystal.rotation.angles
    if stale and "stale_phi_zero" in point.quirks:
        return None  # the image has a step there
    return point.said.header.phi or 0.0 if said is None else said


def _cells(point: Point) -> Any:
    crystal = _experiment(point).crystal
    return tuple(point.crystal.cells) if crystal.size is None else None


def _cells_off_diagonal(point: Point) -> Any:
    return point.crystal.cells_off_diagonal if _experiment(point).crystal.shape == "gauss_index" else None


def _fudge(point: Point) -> Any:
    crystal = _experiment(point).crystal
    return None if crystal.shape == "square" else crystal.fudge


def _spread(point: Point) -> Any:
    return _experiment(point).crystal.mosaic_spread if point.crystal.mosaic.spread > 0.0 else None


def _grid(point: Point) -> Any:
    return point.grid.values if point.grid.values.size else None


def _flux(point: Point) -> Any:
    return _experiment(point).beam.flux or None


def _flight_start(point: Point) -> Any:
    around = point.surroundings
    return None if around is None or around.attenuation == 0.0 else _experiment(point).around.flight_start


def _of_stop(name: str) -> Callable[[Point], Any]:
    """What is said of a beamstop whose shadow has an edge with a width: one without is a step."""
    found = _said(name)

    def value(point: Point) -> Any:
        stop = None if point.surroundings is None else point.surroundings.stop
        return None if stop is None or stop.penumbra <= 0.0 else found(point)

    return value


ROWS: tuple[Row, ...] = (
    Row("beam.wavelength", _wavelength, why="model"),
    Row("beam.energy", _said("beam.energy"), why="model"),
    Row("beam.fluence", _fluence, smoothness="smooth", why="none"),
    Row("beam.flux", _flux, smoothness="smooth", why="none"),
    Row("beam.exposure", _of_flux("beam.exposure", DEFAULT_EXPOSURE), smoothness="smooth", why="none"),
    Row("beam.size", _of_flux("beam.size", DEFAULT_SIZE), why="clipped"),
    Row("beam.dispersion", _of_grid("beam.dispersion")),
    Row("beam.horizontal_divergence", _of_grid("beam.horizontal_divergence"), why="steps"),
    Row("beam.vertical_divergence", _of_grid("beam.vertical_divergence"), why="steps"),
    Row("beam.horizontal_divergence_step", _of_grid("beam.horizontal_divergence_step"), why="steps"),
    Row("beam.vertical_divergence_step", _of_grid("beam.vertical_divergence_step"), why="steps"),
    Row("beam.polarization", _said("beam.polarization"), "scene", "smooth", "none"),
    _vector("beam.direction"),
    _vector("beam.polarization_axis")._replace(smoothness="smooth", why="none"),
    Row("crystal.cell", _said("crystal.cell"), why="model"),
    Row("crystal.misset", _misset),
    Row("crystal.cells", _cells, "scene", "piecewise smooth", "cells"),
    Row("crystal.cells_off_diagonal", _cells_off_diagonal, "scene", "smooth", "none"),
    Row("crystal.fudge", _fudge, "scene", "smooth", "none"),
    Row("crystal.structure_factors", _grid, "scene", "smooth", "none"),
    Row("crystal.default_F", _said("crystal.default_F"), "scene", "smooth", "none"),
    Row("crystal.mosaic_spread", _spread, "scene", why="first"),
    Row("crystal.water", _said("crystal.water"), smoothness="smooth", why="none"),
    _vector("crystal.spindle_axis"),
    Row("detector.distance", _said("detector.distance")),
    Row("detector.close_distance", _said("detector.close_distance")),
    Row("detector.beam_x", _said("detector.beam_x")),
    Row("detector.beam_y", _said("detector.beam_y")),
    Row("detector.close_x", _said("detector.close_x")),
    Row("detector.close_y", _said("detector.close_y")),
    Row("detector.orgx", _said("detector.orgx")),
    Row("detector.orgy", _said("detector.orgy")),
    Row("detector.rotx", _said("detector.rotx")),
    Row("detector.roty", _said("detector.roty")),
    Row("detector.rotz", _said("detector.rotz")),
    Row("detector.twotheta", _said("detector.twotheta")),
    _of_one_panel("detector.pix0", lambda point: "pix0_ignored" not in point.quirks),
    _vector("detector.fast_axis"),
    _vector("detector.slow_axis"),
    _vector("detector.twotheta_axis"),
    _of_one_panel("detector.pixel_size")._replace(why="size"),
    Row("detector.attenuation_depth", _positive("detector.attenuation_depth")),
    Row("detector.thickness", _positive("detector.thickness")),
    Row("sampling.phi", _phi),
    Row("sampling.oscillation", _oscillation, why="steps"),
    Row("sampling.phi_step", _positive("sampling.phi_step"), why="steps"),
    Row("around.flight_start", _flight_start, "around", why="gas"),
    Row("around.beamstop", _of_stop("around.beamstop"), "around", why="stop"),
    Row("around.beamstop_distance", _of_stop("around.beamstop_distance"), "around", why="stop"),
    Row("around.beamstop_penumbra", _of_stop("around.beamstop_penumbra"), "around", why="stop"),
)

_OF_EDGE = ("crystal.cells", "crystal.fudge", "crystal.mosaic_spread")
"""Numbers of the Scene with which the edge of TOPHAT's spots goes."""

_UNITS = {place.name: place.row.unit for place in places(Experiment)}
MOVES = {place.name: place.row.unit for place in own_places(Move) if place.row.unit and place.name != "pivot"}
"""Units of what panels and groups of them are moved by."""


SENSORS = {
    place.name: place.row.unit for place in own_places(Panel) if place.name in ("sensor_thickness", "attenuation_depth")
}
"""Units of what is said of a panel's own sensor."""
_OF_PANEL = re.compile(r"detector\.panels\[(\d+)\]\.(\w+)")


def with_said(experiment: Experiment, values: Mapping[str, Any]) -> Experiment:
    """The experiment that says other values, by the names of fields or of panels' sensors; they may be dual numbers."""
    parts: dict[str, dict[str, Any]] = {}
    panels = list(experiment.detector.panels or ())
    for name, value in values.items():
        if match := _OF_PANEL.fullmatch(name):
            number = int(match[1])
            panels[number] = replace(panels[number], **{match[2]: value})
            parts.setdefault("detector", {})["panels"] = tuple(panels)
        else:
            part, _, field = name.partition(".")
            parts.setdefault(part, {})[field] = value
    return replace(experiment, **{part: replace(getattr(experiment, part), **said) for part, said in parts.items()})


def _of_sensor(number: int, field: str, point: Point) -> Any:
    """As it is said, where the panel absorbs by it."""
    sensor = point.scene.panels[number].sensor
    said = getattr((_experiment(point).detector.panels or ())[number], field)
    return said if said and sensor is not None and sensor.depth > 0.0 else None


def sensor_rows(point: Point) -> list[Row]:
    """What is said of the sensor of each panel that a user says."""
    return [
        Row(f"detector.panels[{number}].{field}", partial(_of_sensor, number, field), "sensor")
        for number in range(len(_experiment(point).detector.panels or ()))
        for field in SENSORS
    ]


def _of_move(subject: str, field: str, point: Point) -> Any:
    assert point.path is not None
    return getattr(point.path.subjects[subject].move, field)


def _move_rows(point: Point) -> list[Row]:
    """The shift and the rotation of each panel and each group of a detector of panels."""
    if point.path is None:
        return []
    return [
        Row(f"{subject.name}.{field}", partial(_of_move, subject.name, field), "move")
        for subject in point.path.subjects.values()
        for field in MOVES
    ]


_MATERIALS = {place.name: place.row.unit for place in own_places(Material) if place.row.unit}
PROPORTIONAL = {"thickness": 1, "density": 1, "molecular_weight": -1}
"""Powers with which a material's photons go."""


def _material_rows(point: Point) -> list[Row]:
    """What the photons of each material around the crystal are in proportion to."""
    materials = _experiment(point).around.materials or ()
    return [
        Row(f"around.materials[{n}].{field}", partial(_of_material, n, field), "material", "smooth", "none")
        for n, material in enumerate(materials if point.veil is not None else ())
        for field in PROPORTIONAL
        if material.thickness
    ]


def material_of(name: str) -> tuple[int, str]:
    """The number of the material and its field, of the name of one that a material's photons go in proportion to."""
    place, _, field = name.rpartition(".")
    return int(place.partition("[")[2].rstrip("]")), field


def _of_material(number: int, field: str, point: Point) -> Any:
    material = (_experiment(point).around.materials or ())[number]
    said = getattr(material, field)
    return getattr(SUBSTANCES[material.name], field) if said is None and material.name is not None else said


def _unit(row: Row) -> str:
    if row.kind == "material":
        return _MATERIALS[row.name.rpartition(".")[2]]
    if row.name == "crystal.structure_factors":
        return "electrons"
    if row.kind in ("move", "sensor"):
        return (MOVES | SENSORS)[row.name.rpartition(".")[2]]
    return _UNITS[row.name]


def parameter_of(row: Row, point: Point) -> Parameter | None:
    """What is known of a field; ``None`` where the image is not differentiated by it."""
    value = row.value(point)
    if value is None:
        return None
    grid = row.name == "crystal.structure_factors"
    shape = point.grid.values.shape if grid else (len(value),) if isinstance(value, (tuple, list)) else ()
    smoothness, why = row.smoothness, WHY[row.why]
    moving = row.smoothness != "smooth" and row.kind in ("said", "move", "sensor")
    if _experiment(point).crystal.shape == "tophat" and (moving or row.name in _OF_EDGE):
        smoothness, why = "piecewise smooth", WHY["tophat"]
    return Parameter(
        name=row.name,
        value=None if grid else value,
        unit=_unit(row),
        shape=shape,
        smoothness=smoothness,
        why=why,
    )


def known(point: Point) -> dict[str, tuple[Row, Parameter]]:
    """All fields that the image of this experiment is differentiated by."""
    rows = (*ROWS, *sensor_rows(point), *_move_rows(point), *_material_rows(point))
    found = ((row, parameter_of(row, point)) for row in rows)
    return {row.name: (row, parameter) for row, parameter in found if parameter is not None}
