"""The experiment resolved, stage by stage in the order of ``specs/geometry.md``.

Each stage is a function of the experiment and of the stages before it and gives a record, what it has to say included
(:class:`~nanobragg.resolver.log.Log`). Only the first reads files.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from nanobragg.records.experiment import Experiment
from nanobragg.records.fields import checked
from nanobragg.records.quirks import QUIRKS, parse_quirks
from nanobragg.records.resolved import Resolved
from nanobragg.resolver import report, resolution
from nanobragg.resolver.around import surroundings_of
from nanobragg.resolver.beam import light_of
from nanobragg.resolver.crystal import cell_constants
from nanobragg.resolver.factors import factors_of, water_of
from nanobragg.resolver.files import read_files
from nanobragg.resolver.geometry import placed_detector
from nanobragg.resolver.orientation import oriented_crystal
from nanobragg.resolver.oversampling import oversampling_of
from nanobragg.resolver.scene import scene_of
from nanobragg.resolver.stages import Stages
from nanobragg.resolver.structure_factors import FactorGrid, Use, factor_grid

if TYPE_CHECKING:
    from collections.abc import Callable

    from nanobragg.resolver.beam import Light
    from nanobragg.resolver.files import Said
    from nanobragg.resolver.geometry import PlacedDetector
    from nanobragg.resolver.orientation import OrientedCrystal


def resolve(experiment: Experiment, progress: Callable[[float], object] | None = None) -> Resolved:
    """Make an experiment explicit.

    Args:
        experiment: what is said.
        progress: called with the fraction done of structure factors that take a while.

    Returns:
        The Scene, the numbers that people read, and what there is to say about the way from one to the other.

    Raises:
        InputError: one sentence naming the field or file, what was found and what was expected.

    """
    experiment = checked(Experiment, experiment)
    said, quirks = said_of(experiment)
    if said.body is not None:
        experiment = replace(experiment, quirks="none")  # files that are written ask for them, too
    stages = stages_of(said, quirks, progress)
    scene = scene_of(stages)
    surroundings, told = surroundings_of(experiment, scene, stages.light.fluence)
    log = stages.log + told
    return Resolved(
        experiment=experiment,
        scene=scene,
        geometry=report.geometry_of(stages),
        sample=report.sample_of(stages),
        radiation=report.radiation_of(stages),
        surroundings=surroundings,
        notes=log.notes,
        warnings=log.warnings,
        random_state=stages.crystal.random_state,
        quirks=tuple((name, QUIRKS[name]) for name in QUIRKS if name in log.touched),
    )


def said_of(experiment: Experiment) -> tuple[Said, frozenset[str]]:
    """What the experiment and its files say, and the quirks that are kept: none of a detector of panels, since they are
    those of nanoBragg.c, which has one flat panel.
    """
    quirks = parse_quirks(experiment.quirks)
    said = read_files(experiment, quirks)
    return said, quirks if said.body is None else frozenset()


def stages_of(
    said: Said,
    quirks: frozenset[str],
    progress: Callable[[float], object] | None = None,
    *,
    grid: FactorGrid | None = None,
) -> Stages:
    """All stages after the files; with structure factors that are there already, where they are given."""
    experiment = said.experiment
    detector = placed_detector(said, quirks)
    placement, pixels = detector.placement, detector.pixels
    light = light_of(said, placement, quirks)
    crystal = oriented_crystal(said, light.wavelength, placement.frame.spindle, quirks)
    # The beam may meet the plane of a panel behind the sample, seen against the beam.
    distance = placement.distance if said.body is None else abs(placement.distance)
    oversampling = oversampling_of(
        experiment.sampling.oversample, crystal.extents, light.wavelength, distance, pixels.pixel_size
    )
    if grid is None:
        use = _use(said, detector, light, crystal, quirks, progress)
        grid = factor_grid(experiment.crystal, said.factors, use)
    return Stages(
        said=said,
        detector=detector,
        light=light,
        crystal=crystal,
        oversampling=oversampling,
        grid=grid,
        factors=factors_of(
            experiment, detector.sensor, light.sources.travel, oversampling.number, len(crystal.orientations), quirks
        ),
        water=water_of(experiment.crystal, light.fluence, quirks),
    )


def _use(
    said: Said,
    detector: PlacedDetector,
    light: Light,
    crystal: OrientedCrystal,
    quirks: frozenset[str],
    progress: Callable[[float], object] | None,
) -> Use:
    """What the structure factors are for."""
    experiment, lattice, sources = said.experiment, crystal.lattice, light.sources

    def corner() -> float:
        """The highest resolution that the detector sees, at any source, or ``dmin`` where that is lower, Å."""
        seen = resolution.highest(
            detector.panels,
            np.array(sources.travel),
            np.array(sources.wavelengths),
            sphere=detector.placement if experiment.detector.curved else None,
        )
        return max(seen, experiment.sampling.dmin or 0.0)

    return Use(
        cell=cell_constants(lattice.a, lattice.b, lattice.c),
        wavelength=light.wavelength,
        said_cells=crystal.said_cells,
        cells=crystal.cells,
        corner=corner,
        quirks=quirks,
        progress=progress,
    )
