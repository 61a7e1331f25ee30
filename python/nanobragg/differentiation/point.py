"""An experiment made explicit: where its image is differentiated."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from nanobragg import _core
from nanobragg.differentiation.panels import PanelPath
from nanobragg.errors import InputError
from nanobragg.records.experiment import Experiment
from nanobragg.records.fields import checked
from nanobragg.resolver.around import surroundings_of
from nanobragg.resolver.mosaic import domains_of
from nanobragg.resolver.orientation import misset_of
from nanobragg.resolver.resolve import said_of, stages_of
from nanobragg.resolver.scene import scene_of

if TYPE_CHECKING:
    import numpy as np

    from nanobragg.records.scene import Scene
    from nanobragg.resolver.beam import Light
    from nanobragg.resolver.factors import Factors
    from nanobragg.resolver.files import Said
    from nanobragg.resolver.geometry import PlacedDetector
    from nanobragg.resolver.orientation import OrientedCrystal
    from nanobragg.resolver.structure_factors import FactorGrid


class Point(NamedTuple):
    """The resolver's stages that matter, and what they add up to."""

    said: Said
    quirks: frozenset[str]
    detector: PlacedDetector
    light: Light
    crystal: OrientedCrystal
    grid: FactorGrid
    factors: Factors
    domains: np.ndarray
    """(n, 3, 3): the mosaic domains' rotations"""
    scene: Scene
    path: PanelPath | None
    """Of a detector of panels."""


def point_of(experiment: Experiment, roi: tuple[int, int, int, int] | None = None) -> Point:
    """The experiment made explicit, with another region of interest where one is given.

    Raises:
        InputError: as the resolver does; for an orientation that is another one every time; and where something is
            around the crystal, which is in the image and not in its Scene.

    """
    experiment = checked(Experiment, experiment)
    if isinstance(experiment.crystal.misset, str) and experiment.crystal.misset_seed is None:
        raise InputError("-misset (crystal.misset): found 'random' without a seed, expected a misset_seed")
    return _point(*said_of(experiment), roi)


def moved(point: Point, experiment: Experiment) -> Point:
    """``point.said.experiment`` with other numbers; files and structure factors, those of a model too, are held.

    Raises:
        InputError: for numbers that cannot be.

    """
    return _point(point.said._replace(experiment=experiment), point.quirks, None, point.grid)


def _point(
    said: Said, quirks: frozenset[str], roi: tuple[int, int, int, int] | None, grid: FactorGrid | None = None
) -> Point:
    experiment = said.experiment
    stages = stages_of(said, quirks, grid=grid)
    table = _core.RandomTable()
    misset_of(experiment.crystal, table, quirks)  # the domains are drawn after it
    scene = scene_of(stages)
    if surroundings_of(experiment, scene, stages.light.fluence)[0] is not None:
        raise InputError("around: found something around the crystal, expected nothing: the derivatives are the spots'")
    return Point(
        said=stages.said,
        quirks=quirks,
        detector=stages.detector,
        light=stages.light,
        crystal=stages.crystal,
        grid=stages.grid,
        factors=stages.factors,
        domains=domains_of(stages.crystal.mosaic, table),
        scene=scene if roi is None else scene.cropped(roi),
        path=None if said.body is None else PanelPath(said.experiment, said.body),
    )
