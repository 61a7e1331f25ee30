"""The Scene that the stages of the resolver add up to."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from nanobragg.errors import InputError
from nanobragg.maths.constants import THOMSON
from nanobragg.records.panel import SceneSensor, few, panel_number
from nanobragg.records.scene import Scene
from nanobragg.records.shapes import SHAPES
from nanobragg.resolver.sensor import scene_sensor

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nanobragg.records.panel import ScenePanel
    from nanobragg.resolver.stages import Stages


def scene_of(stages: Stages, roi: tuple[int, int, int, int] | None = None) -> Scene:
    """Everything that the renderers need, in SI units. ``roi``: a region of interest instead of the detector's."""
    scene = Scene(**_detector(stages), **_factors(stages), **_beam(stages), **_crystal(stages), **_sampling(stages))
    region = stages.detector.roi if roi is None else roi
    return _of_chosen_panels(scene.cropped(region), stages.said.experiment.detector.rendered)


def _of_chosen_panels(scene: Scene, wanted: str | None) -> Scene:
    """The Scene in which only the panels that a user names, or numbers, are rendered."""
    if wanted is None:
        return scene
    names = [panel.name for panel in scene.panels]
    chosen = set()
    for word in wanted.split(","):
        said = word.strip()
        number = panel_number(names, said)
        chosen.add(number)
        if number is None:
            raise InputError(
                f"-panels: found {said!r}, expected names ({few(names)}) or numbers from 0 to {len(names) - 1}, with "
                "commas"
            )
    panels = [
        panel if number in chosen else replace(panel, roi=(0, -1, 0, -1)) for number, panel in enumerate(scene.panels)
    ]
    return replace(scene, panels=tuple(panels))


def _detector(stages: Stages) -> dict[str, Any]:
    detector, placement = stages.detector, stages.detector.placement
    common = scene_sensor(detector.sensor, last_layer=stages.factors.last_layer)
    return {
        "panels": tuple(_panels(stages, common)),
        "curved_distance": placement.distance if stages.said.experiment.detector.curved else 0.0,
        "beam_direction": np.array(placement.frame.beam),
        "layers": np.array(common["layers"]),
        "attenuation": common["attenuation"],
        "sensor_depth": common["depth"],
    }


def _panels(stages: Stages, common: dict[str, Any]) -> Iterator[ScenePanel]:
    """The panels, with sensors of their own where these are others than the common one."""
    for panel, sensor in zip(stages.detector.panels, stages.detector.sensors, strict=True):
        own = common
        if sensor is not stages.detector.sensor:
            own = scene_sensor(sensor, last_layer=stages.factors.last_layer)
        yield panel if own == common else replace(panel, sensor=SceneSensor(**own))


def _factors(stages: Stages) -> dict[str, Any]:
    factors, experiment = stages.factors, stages.said.experiment
    return {
        "omega": factors.omega,
        "polar": factors.polar,
        "capture": factors.capture,
        "point_pixel": experiment.detector.point_pixel,
        "running_product": factors.running_product,
        "kahn_factor": experiment.beam.polarization,
        "polarization_axis": np.array(stages.detector.placement.frame.polar),
    }


def _beam(stages: Stages) -> dict[str, Any]:
    light = stages.light
    return {
        "source_direction": np.array(light.sources.travel),
        "source_wavelength": np.array(light.sources.wavelengths),
        "source_weight": np.array(light.scene_weights),
    }


def _crystal(stages: Stages) -> dict[str, Any]:
    said, crystal, grid = stages.said.experiment.crystal, stages.crystal, stages.grid
    lattice = crystal.lattice
    return {
        "orientations": crystal.orientations,
        "first_orientations": crystal.first_orientations,
        "crystal_shape": SHAPES[said.shape],
        "cells": crystal.cells,
        "cells_off_diagonal": crystal.cells_off_diagonal,
        "fudge": said.fudge,
        "reciprocal": np.array([lattice.a_star, lattice.b_star, lattice.c_star]),
        "f_grid": grid.values,
        "f_min": grid.minimum,
        "default_F": said.default_F,
        "interpolation": grid.interpolation,
    }


def _sampling(stages: Stages) -> dict[str, Any]:
    dmin, blocks = stages.said.experiment.sampling.dmin, stages.said.experiment.crystal.blocks
    return {
        "oversample": stages.oversampling.number,
        "dmin": 0.0 if dmin is None else dmin * 1e-10,
        "background_sum": stages.water.at_start / blocks,
        "background": stages.water.once,
        "scale": THOMSON * stages.light.fluence * blocks,
        "steps": stages.samples,
        "tolerance": stages.said.experiment.sampling.tolerance,
    }
