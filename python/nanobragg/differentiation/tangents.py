"""How the numbers of a Scene change with those that users say, exactly: by dual numbers through the resolver's own
functions, or, where a field is a number of the Scene, at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
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
    water: Water
    blocks: float


def tangents(chosen: Sequence[Chosen], point: Point) -> Iterator[SceneChange]:
    """How the Scene changes with each of the chosen numbers, one after the other (they take memory)."""
    said = [one for one in chosen if _is_said(one)]
    slopes = _slopes_of(said, point) if said else None
    for one in chosen:
        if slopes is None or not _is_said(one):
            yield _by_itself(one, point)
        else:
            yield _tangent(said.index(one), slopes, point)


def slopes_by(chosen: Sequence[Chosen], point: Point, change: SceneChange) -> list[float]:
    """What a sum depends on each of the chosen numbers, from what it depends on the Scene's. That is each number's
    tangent times these; those that are made by dual numbers are summed all at once.
    """
    said = [one for one in chosen if _is_said(one)]
    found = iter(_products(_slopes_of(said, point), change, point).tolist() if said else ())
    return [next(found) if _is_said(one) else _by_itself(one, point).dot(change) for one in chosen]


def _is_said(one: Chosen) -> bool:
    """Whether dual numbers go through the resolver for it."""
    return one.row.kind in ("said", "sensor")


def _by_itself(one: Chosen, point: Point) -> SceneChange:
    if one.row.kind == "move" and point.path is not None:
        return SceneChange(panels=point.path.by_move(one.parameter.name, *one.index))
    return change_of(one, point)


# ---- dual numbers in --------------------------------------------------------------------------------------


def _dual_said(chosen: Sequence[Chosen], point: Point) -> Said:
    """What is said, with dual numbers in place of those that are chosen."""
    values = {one.parameter.name: one.parameter.value for one in chosen}
    # Free numbers of a cell are of all six, said or not; with one of them, what is said of the cell is of six, too.
    said = point.said.experiment.crystal.cell
    whole = [one.parameter.value for one in chosen if one.row.name == "crystal.cell" and one.parameter.value != said]
    values |= {"crystal.cell": whole[0]} if whole else {}
    seeds: dict[str, dict[int | None, list[float]]] = {}
    for number, one in enumerate(chosen):
        index = one.index if one.parameter.shape else (None,)
        if whole and one.row.name == "crystal.cell" and one.parameter.value == said:
            index = followed(one.parameter.value, *one.index)
        places = seeds.setdefault(one.parameter.name, {})
        for i in index:
            places.setdefault(i, [0.0] * len(chosen))[number] += 1.0
    seeded = {name: _seeded(values[name], places) for name, places in seeds.items()}
    return point.said._replace(experiment=with_said(point.said.experiment, seeded))


def _seeded(value: Any, places: dict[int | None, list[float]]) -> Any:
    if None in places:
        return Dual(float(value), tuple(places[None]))
    return tuple(Dual(float(v), tuple(places[i])) if i in places else v for i, v in enumerate(value))


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


class _Slopes(NamedTuple):
    """The derivatives by some numbers, which are the first axis: of what a :class:`SceneChange` has, by its names, and
    of the crystal's cells before its domains turn them.
    """

    panels: NDArray[np.float64]
    curved_distance: NDArray[np.float64]
    beam_direction: NDArray[np.float64]
    layers: NDArray[np.float64]
    attenuation: NDArray[np.float64]
    sensor_depth: NDArray[np.float64]
    polarization_axis: NDArray[np.float64]
    sources: NDArray[np.float64]
    reciprocal: NDArray[np.float64]
    background_sum: NDArray[np.float64]
    background: NDArray[np.float64]
    scale: NDArray[np.float64]
    phi: NDArray[np.float64]
    first_phi: NDArray[np.float64] | None


_AS_THEY_ARE = tuple(name for name in _Slopes._fields if name not in ("phi", "first_phi"))


def _slopes_of(said: Sequence[Chosen], point: Point) -> _Slopes:
    dual, count = _dual_stages(_dual_said(said, point), point), len(said)

    def of(x: Any) -> NDArray[np.float64]:
        array = np.asarray(x)
        if array.dtype != object:  # no dual number among them
            return np.zeros((count, *array.shape))
        rows = np.array([slopes(value, count) for value in array.ravel()], dtype=np.float64)
        return rows.reshape(-1, count).T.reshape(count, *array.shape)

    light, lattice = dual.light, dual.lattice
    panels, layers = _panels(dual, of, count, point)
    common = scene_sensor(dual.sensors[0], last_layer=point.factors.last_layer)
    sources = [of(light.sources.travel), of(light.sources.wavelengths)[..., None], of(light.scene_weights)[..., None]]
    return _Slopes(
        panels=panels,
        curved_distance=of(dual.placement.distance if point.said.experiment.detector.curved else 0.0),
        beam_direction=of(dual.placement.frame.beam),
        layers=np.concatenate([of(common["layers"]), *layers], axis=1),
        attenuation=of(common["attenuation"]),
        sensor_depth=of(common["depth"]),
        polarization_axis=of(dual.placement.frame.polar),
        sources=np.concatenate(sources, axis=-1),
        reciprocal=of([lattice.a_star, lattice.b_star, lattice.c_star]),
        background_sum=of(dual.water.at_start / dual.blocks),
        background=of(dual.water.once),
        scale=of(THOMSON * light.fluence * dual.blocks),
        phi=of(dual.phi.general),
        first_phi=of(dual.phi.first) if point.crystal.first_orientations.size else None,
    )


def _panels(
    dual: DualStages, of: Callable[[Any], NDArray[np.float64]], count: int, point: Point
) -> tuple[NDArray[np.float64], list[NDArray[np.float64]]]:
    """The rows of the panels (``SceneChange.panels``), and the layers of those that have a sensor of their own."""
    at, edge = dual.placement, dual.pixels.pixel_size
    if point.path is None or dual.motion is None:  # the one flat panel
        numbers = (edge, edge, edge**2, at.close_distance, 0.0, 0.0)
        parts = (at.pix0, at.frame.fast, at.frame.slow, at.frame.normal, numbers)
        rows = np.concatenate([of(part) for part in parts], axis=-1)[:, None]
    else:
        rows = np.stack([point.path.by_motion(dual.motion, number, count) for number in range(count)])
    layers = []
    for number, (panel, sensor) in enumerate(zip(point.scene.panels, dual.sensors[1:], strict=True)):
        if panel.sensor is not None:
            own = scene_sensor(sensor, last_layer=point.factors.last_layer)
            rows[:, number, -2], rows[:, number, -1] = of(own["attenuation"]), of(own["depth"])
            layers.append(of(own["layers"]))
    return rows, layers


def _tangent(number: int, slopes: _Slopes, point: Point) -> SceneChange:
    first = None if slopes.first_phi is None else with_domains(slopes.first_phi[number], point.domains)
    return SceneChange(
        orientations=with_domains(slopes.phi[number], point.domains),
        first_orientations=first,
        **{name: getattr(slopes, name)[number] for name in _AS_THEY_ARE},
    )


def _products(slopes: _Slopes, change: SceneChange, point: Point) -> NDArray[np.float64]:
    """The sums of all numbers of each tangent times those of ``change``."""
    pairs = [(getattr(slopes, name), getattr(change, name)) for name in _AS_THEY_ARE]
    for phi, turned in ((slopes.phi, change.orientations), (slopes.first_phi, change.first_orientations)):
        if phi is not None and turned is not None:
            by_step = turned.reshape(phi.shape[1], -1, 3, 3)  # domains are innermost
            pairs.append((phi, np.einsum("nmki,mij->nkj", by_step, point.domains)))
    each = [(mine * theirs).reshape(len(mine), -1).sum(axis=1) for mine, theirs in pairs if theirs is not None]
    return np.sum(each, axis=0)
