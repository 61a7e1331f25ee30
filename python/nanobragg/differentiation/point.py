"""An experiment made explicit: where its image is differentiated."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from nanobragg import _core
from nanobragg.differentiation.panels import PanelPath
from nanobragg.errors import InputError
from nanobragg.records.experiment import Experiment
from nanobragg.records.fields import checked
from nanobragg.records.kinds import REGION
from nanobragg.rendering.surroundings import passed_and_added
from nanobragg.resolver.around import surroundings_of
from nanobragg.resolver.mosaic import domains_of
from nanobragg.resolver.orientation import misset_of
from nanobragg.resolver.resolve import said_of, stages_of
from nanobragg.resolver.scene import scene_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike

    from nanobragg.records.around import Surroundings
    from nanobragg.records.scene import Scene
    from nanobragg.resolver.beam import Light
    from nanobragg.resolver.factors import Factors
    from nanobragg.resolver.files import Said
    from nanobragg.resolver.geometry import PlacedDetector
    from nanobragg.resolver.orientation import OrientedCrystal
    from nanobragg.resolver.structure_factors import FactorGrid


class Veil(NamedTuple):
    """What is between the crystal and the image, arrays of the image's shape."""

    passed: np.ndarray
    """The part of the crystal's photons that arrives."""
    added: Sequence[np.ndarray]
    """Photons of each material."""

    @property
    def total(self) -> np.ndarray:
        """Photons of all materials."""
        return sum(self.added, np.zeros_like(self.passed))

    def of(self, pixels: ArrayLike | None) -> Veil:
        """That of chosen pixels, (n,)."""
        if pixels is None:
            return self
        chosen = np.asarray(pixels)
        return Veil(self.passed[chosen], [each[chosen] for each in self.added])


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
    """How a detector of panels moves."""
    surroundings: Surroundings | None
    veil: Veil | None
    """The photons of what is around the crystal."""


def point_of(experiment: Experiment, roi: tuple[int, int, int, int] | None = None, *, around: bool = False) -> Point:
    """The experiment made explicit, with another region of interest where one is given.

    Args:
        experiment: what is said.
        roi: fast first, fast last, slow first, slow last.
        around: whether what is around the crystal is reckoned with: it is in the image and not in its Scene.

    Raises:
        InputError: as the resolver does; for an orientation that is another one every time; and where something is
            around the crystal with which nobody reckons.

    """
    experiment = checked(Experiment, experiment)
    roi = None if roi is None else REGION.checked(roi, "roi")
    if isinstance(experiment.crystal.misset, str) and experiment.crystal.misset_seed is None:
        raise InputError("-misset (crystal.misset): found 'random' without a seed, expected a misset_seed")
    return _point(*said_of(experiment), roi, around=around)


def moved(point: Point, experiment: Experiment, roi: tuple[int, int, int, int] | None = None) -> Point:
    """``point.said.experiment`` with other numbers; files and structure factors, those of a model too, are held.

    Raises:
        InputError: for numbers that cannot be.

    """
    return _point(
        point.said._replace(experiment=experiment), point.quirks, roi, point.grid, around=point.veil is not None
    )


def _point(
    said: Said,
    quirks: frozenset[str],
    roi: tuple[int, int, int, int] | None,
    grid: FactorGrid | None = None,
    *,
    around: bool,
) -> Point:
    experiment = said.experiment
    stages = stages_of(said, quirks, grid=grid)
    table = _core.RandomTable()
    misset_of(experiment.crystal, table, quirks)  # the domains are drawn after it
    scene = _with_own_sensors(scene_of(stages, roi), said)
    surroundings, _ = surroundings_of(experiment, scene, stages.light.fluence)
    if surroundings is not None and not around:
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
        scene=scene,
        path=None if said.body is None else PanelPath(said.experiment, said.body),
        surroundings=surroundings,
        veil=None if surroundings is None else Veil(*passed_and_added(scene, surroundings)),
    )


def _with_own_sensors(scene: Scene, said: Said) -> Scene:
    """The Scene in which every panel has a sensor of its own where the user says any: panels whose sensors are alike
    share one, and yet each can change alone.
    """
    if not any(panel.sensor_thickness or panel.attenuation_depth for panel in said.experiment.detector.panels or ()):
        return scene
    return replace(scene, panels=tuple(replace(panel, sensor=scene.sensor_of(panel)) for panel in scene.panels))
