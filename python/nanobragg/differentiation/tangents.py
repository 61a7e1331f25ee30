"""How the numbers of a Scene change with those that users say, exactly: by dual numbers through the resolver's own
functions, or, where a field is a number of the Scene, at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from nanobragg import _core
from nanobragg.differentiation.fields import with_said
from nanobragg.differentiation.scene_numbers import change_of
from nanobragg.differentiation.systems import followed
from nanobragg.maths.constants import THOMSON
from nanobragg.maths.duals import Dual, slopes
from nanobragg.records.scene_change import SceneChange
from nanobragg.resolver.beam import Light, light_of
from nanobragg.resolver.body import Motion, motion_of
from nanobragg.resolver.detector import Pixels, Placement, pixels_of, place
from nanobragg.resolver.factors import Water, water_of
from nanobragg.resolver.mosaic import with_domains
from nanobragg.resolver.orientation import PhiSteps, direct_cell, lattice_at_zero, misset_of, phi_cells, rotation_of
from nanobragg.resolver.panels import sensor_numbers
from nanobragg.resolver.sensor import Sensor, scene_sensor, sensor_of, sensors_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from nanobragg.differentiation.names import Chosen
    from nanobragg.differentiation.point import Point
    from nanobragg.resolver.crystal import Lattice
    from nanobragg.resolver.files import Said


class DualStages(NamedTuple):
    """Those of the resolver's stages that change, in dual numbers."""

    pixels: Pixels
    placement: Placement
    motion: Motion | None
    """How a detector of panels moves."""
    sensors: list[Sensor]
    """That of the Scene, and then each panel's."""
    light: Light
    lattice: Lattice
    phi: PhiSteps
    domains: NDArray[np.float64]
    water: Water
    blocks: float


def tangents(chosen: Sequence[Chosen], point: Point) -> Iterator[SceneChange]:
    """How the Scene changes with each of the chosen numbers, one after the other (they take memory)."""
    said = [one for one in chosen if one.row.kind in ("said", "sensor")]
    dual = _dual_stages(_dual_said(said, point), point) if said else None
    for one in chosen:
        if one.row.kind == "move" and point.path is not None:
            yield SceneChange(panels=point.path.by_move(one.parameter.name, *one.index))
        elif one.row.kind == "scene" or dual is None:
            yield change_of(one, point)
        else:
            yield _tangent(said.index(one), len(said), dual, point)


# ---- dual numbers in --------------------------------------------------------------------------------------


def _dual_said(chosen: Sequence[Chosen], point: Point) -> Said:
    """What is said, with dual numbers in place of those that are chosen."""
    values = {one.parameter.name: one.parameter.value for one in chosen}
    # Free numbers of a cell are of all six, said or not; with one of them, what is said of the cell is of six, too.
    said = point.said.experiment.crystal.cell
    whole = [one.parameter.value for one in chosen if one.row.name == "crystal.cell" and one.parameter.value != said]
    values |= {"crystal.cell": whole[0]} if whole else {}
    seeds: dict[str, dict[int | None, tuple[float, ...]]] = {}
    for number, one in enumerate(chosen):
        unit, index = np.eye(len(chosen))[number], one.index if one.parameter.shape else (None,)
        if whole and one.row.name == "crystal.cell" and one.parameter.value == said:
            index = followed(one.parameter.value, *one.index)
        places = seeds.setdefault(one.parameter.name, {})
        for i in index:
            places[i] = tuple((np.array(places.get(i, (0.0,) * len(chosen))) + unit).tolist())
    experiment = point.said.experiment
    for name, places in seeds.items():
        experiment = with_said(experiment, name, _seeded(values[name], places))
    return point.said._replace(experiment=experiment)


def _seeded(value: Any, places: dict[int | None, tuple[float, ...]]) -> Any:
    if None in places:
        return Dual(float(value), places[None])
    return tuple(Dual(float(v), places[i]) if i in places else v for i, v in enumerate(value))


# ---- through the resolver ---------------------------------------------------------------------------------


def _dual_stages(said: Said, point: Point) -> DualStages:
    """The resolver's stages, made again by the functions that made them."""
    experiment, quirks = said.experiment, point.quirks
    pixels, placement = point.detector.pixels, point.detector.placement
    if said.body is None:
        detector = experiment.detector
        pixels = pixels_of(detector, said.header)
        placement = place(experiment.beam, experiment.crystal, detector, said.header, pixels, quirks)
    light = light_of(said, placement, quirks)
    table = _core.RandomTable()
    misset, _ = misset_of(experiment.crystal, table, quirks)
    lattice, _ = lattice_at_zero(said, light.wavelength, misset, quirks)
    rotation = rotation_of(experiment.sampling, said.header, quirks)
    return DualStages(
        pixels=pixels,
        placement=placement,
        motion=None if said.body is None else motion_of(experiment, said.body),
        sensors=_sensors(said, point),
        light=light,
        lattice=lattice,
        phi=phi_cells(direct_cell(lattice), placement.frame.spindle, rotation, quirks),
        domains=point.domains,
        water=water_of(experiment.crystal, light.fluence, quirks),
        blocks=experiment.crystal.blocks,
    )


def _sensors(said: Said, point: Point) -> list[Sensor]:
    """The Scene's, and then each panel's, as the resolver has them."""
    if said.body is None:
        return [sensor_of(said, point.quirks)] * 2
    panels = said.body.panels
    if (owners := said.experiment.detector.panels) is not None:
        panels = tuple(replace(panel, **sensor_numbers(owner)) for panel, owner in zip(panels, owners, strict=True))
    sensors = sensors_of(said, panels)
    return [sensors[0], *sensors]


# ---- derivatives out --------------------------------------------------------------------------------------


def _tangent(number: int, count: int, dual: DualStages, point: Point) -> SceneChange:
    def of(x: Any) -> float:
        return slopes(x, count)[number]

    def of_all(x: Any) -> NDArray[np.float64]:
        array = np.asarray(x)
        if array.dtype != object:  # no dual number among them
            return np.zeros(array.shape)
        return np.array([of(value) for value in array.ravel()], dtype=np.float64).reshape(array.shape)

    light, lattice, motion, path = dual.light, dual.lattice, dual.motion, point.path
    common = scene_sensor(dual.sensors[0], last_layer=point.factors.last_layer)
    panels = _panels(dual, of, of_all) if path is None or motion is None else path.by_motion(motion, number, count)
    layers = [common["layers"]]
    for row, panel, sensor in zip(panels, point.scene.panels, dual.sensors[1:], strict=True):
        if panel.sensor is not None:
            own = scene_sensor(sensor, last_layer=point.factors.last_layer)
            row[-2:] = of(own["attenuation"]), of(own["depth"])
            layers.append(own["layers"])
    wavelengths = of_all(light.sources.wavelengths)[:, None]
    weights = of_all(light.scene_weights)[:, None]
    first = dual.phi.first if point.crystal.first_orientations.size else None
    return SceneChange(
        panels=panels,
        curved_distance=of(dual.placement.distance) if point.said.experiment.detector.curved else 0.0,
        beam_direction=of_all(dual.placement.frame.beam),
        layers=np.concatenate([of_all(table) for table in layers]),
        attenuation=of(common["attenuation"]),
        sensor_depth=of(common["depth"]),
        polarization_axis=of_all(dual.placement.frame.polar),
        sources=np.hstack([of_all(light.sources.travel), wavelengths, weights]),
        orientations=with_domains(of_all(dual.phi.general), dual.domains),
        first_orientations=None if first is None else with_domains(of_all(first), dual.domains),
        reciprocal=of_all([lattice.a_star, lattice.b_star, lattice.c_star]),
        background_sum=of(dual.water.at_start / dual.blocks),
        background=of(dual.water.once),
        scale=of(THOMSON * light.fluence * dual.blocks),
    )


def _panels(dual: DualStages, of: Any, of_all: Any) -> NDArray[np.float64]:
    """The row of the one flat panel (``SceneChange.panels``)."""
    at, edge = dual.placement, dual.pixels.pixel_size
    vectors = [of_all(v) for v in (at.pix0, at.frame.fast, at.frame.slow, at.frame.normal)]
    return np.hstack([*vectors, [of(edge), of(edge), of(edge**2), of(at.close_distance), 0.0, 0.0]])[None]
