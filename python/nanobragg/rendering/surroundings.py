"""The image of a crystal with what is around it (``specs/around.md``)."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from nanobragg import _core
from nanobragg.maths.constants import THOMSON
from nanobragg.maths.rotations import parts
from nanobragg.records.nonbragg import AmorphousScene
from nanobragg.records.panel import panel_views
from nanobragg.records.record import Record
from nanobragg.records.scene import Factor
from nanobragg.resolver.memory import Memory
from nanobragg.response.amorphous import scatter

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from nanobragg.records.around import BeamStop, Scatterer, Surroundings
    from nanobragg.records.panel import ScenePanel
    from nanobragg.records.resolved import Resolved
    from nanobragg.records.scene import Scene

    Floats = NDArray[np.float32]
    Pixels = NDArray[Any]  # float32 or float64
    Doubles = NDArray[np.float64]

_BLOCK = 1 << 17
"""pixels whose rays are made at once"""
VEILS = Memory(limit=1 << 28)
"""What does not depend on the crystal, by all that it depends on."""


def surrounded(image: Floats, resolved: Resolved, *, threads: int = 0) -> Floats:
    """``image`` with what the materials around the crystal scatter, behind gas, beamstop and shadow.

    What does not depend on the crystal is kept, so that a series of orientations has it computed once.

    Args:
        image: photons that the crystal scatters, of the shape ``Scene.image_shape``; it is left alone.
        resolved: the experiment.
        threads: 0: all processors; the result does not depend on them.

    """
    if resolved.surroundings is None:
        return image
    return _surrounded(np.asarray(image, np.float32), resolved.scene, resolved.surroundings, threads)


def passed_and_added(scene: Scene, surroundings: Surroundings, *, threads: int = 0) -> tuple[Doubles, list[Doubles]]:
    """Which part of a photon of the crystal arrives at each pixel, and the photons of each material that do; in
    ``Scene.image_shape``, in double precision.
    """
    nothing = np.zeros(scene.image_shape)
    passed = _surrounded(nothing + 1.0, scene, replace(surroundings, scatterers=()), threads)
    alone = [replace(surroundings, scatterers=(one,)) for one in surroundings.scatterers]
    return passed, [_surrounded(nothing, scene, one, threads) for one in alone]


def _surrounded(image: Pixels, scene: Scene, surroundings: Surroundings, threads: int) -> Pixels:
    """In the precision of the image."""
    result = np.array(image)
    for number, (pixels, panel) in enumerate(zip(panel_views(result, scene.panels), scene.panels, strict=True)):
        veil = veil_before(panel, scene, surroundings, threads=threads, dtype=result.dtype.type)
        pixels += veil.added
        if veil.passed is not None:
            pixels *= veil.passed
        if surroundings.shadow is not None:
            pixels *= surroundings.shadow[number]
        if panel.mask is not None:
            pixels[panel.mask == 0] = 0.0
    return result


class Veil(Record):
    """What is before a panel, whatever the crystal; arrays (slow, fast)."""

    added: Pixels
    """Photons of the materials."""
    passed: Pixels | None
    """The part that gas and beamstop let through."""


def veil_before(
    panel: ScenePanel,
    scene: Scene,
    surroundings: Surroundings,
    *,
    threads: int = 0,
    dtype: type[np.floating] = np.float32,
) -> Veil:
    """What is before a panel, in float32 or float64; it is kept."""
    materials = [amorphous_scene(scene, panel, surroundings, scatterer) for scatterer in surroundings.scatterers]
    absorber = scene.sensor_of(panel)
    sensor = (scene.capture, absorber.depth, absorber.attenuation, panel.normal.tolist())
    way = (surroundings.attenuation, surroundings.start, surroundings.stop, scene.polarization_axis.tolist())
    placed = (panel.shape, panel.pixel_size, panel.origin.tolist(), panel.fast.tolist(), panel.slow.tolist())
    curved = (scene.curved_distance, scene.beam_direction.tolist())
    key = repr((materials, sensor, way, placed, curved, dtype))  # numbers with all their digits
    return VEILS.get(key, lambda: _computed(materials, scene, panel, surroundings, threads, dtype))


def _computed(
    materials: list[AmorphousScene],
    scene: Scene,
    panel: ScenePanel,
    surroundings: Surroundings,
    threads: int,
    dtype: type[np.floating],
) -> Veil:
    added = np.zeros(panel.shape, dtype)
    for material in materials:
        added += scatter(material, threads=threads, dtype=dtype).image
    if materials and scene.capture is not Factor.OFF:
        _multiply(added, scene, panel, threads, lambda rays: captured_part(scene, panel, rays).astype(dtype))
    if surroundings.attenuation == 0.0 and surroundings.stop is None:
        return Veil(added=added, passed=None)
    passed = np.ones(panel.shape, dtype)
    _multiply(passed, scene, panel, threads, lambda rays: passed_part(surroundings, scene, rays).astype(dtype))
    return Veil(added=added, passed=passed)


def amorphous_scene(
    scene: Scene, panel: ScenePanel, surroundings: Surroundings, scatterer: Scatterer
) -> AmorphousScene:
    """A material on the pixels, and in the beam, of a Scene."""

    def three(vector: Doubles) -> tuple[float, float, float]:
        return float(vector[0]), float(vector[1]), float(vector[2])

    return AmorphousScene(
        shape=panel.shape,
        roi=panel.region,
        origin=three(panel.origin),
        fast_axis=three(panel.fast),
        slow_axis=three(panel.slow),
        beam=surroundings.beam,
        pixel_size=panel.pixel_size,
        pixel_area=panel.area,
        close_distance=panel.close_distance,
        distance=scene.curved_distance,
        oversample=1,
        curved=scene.curved_distance != 0.0,
        point_pixel=scene.point_pixel,
        source_travel=[three(travel) for travel in scene.source_direction],
        source_wavelength=scene.source_wavelength.tolist(),
        source_weight=scene.source_weight.tolist(),
        polarized=scene.polar is not Factor.OFF,
        kahn_factor=scene.kahn_factor,
        polarization_axis=three(scene.polarization_axis),
        cross_section=THOMSON,
        fluence=surroundings.fluence,
        molecules=scatterer.molecules,
        steps=float(scene.source_weight.sum()),
        signed_intensity=False,
        show=0,
        profile_stol=scatterer.stol.tolist(),
        profile_amplitude=scatterer.amplitude.tolist(),
        profile_held=True,
    )


# ---- rays to pixels ---------------------------------------------------------------------------------------


class Rays:
    """From the sample to the centres of some rows of pixels, on the front of the sensor."""

    def __init__(self, scene: Scene, panel: ScenePanel, rows: range) -> None:
        slow = (np.array(rows)[:, None] + 0.5) * panel.pixel_size[1]
        fast = (np.arange(panel.shape[1])[None, :] + 0.5) * panel.pixel_size[0]
        at = [slow * panel.slow[i] + panel.origin[i] + fast * panel.fast[i] for i in range(3)]
        if scene.curved_distance != 0.0:
            at = _bent(scene, panel, at)
        self.length = np.sqrt(at[0] * at[0] + at[1] * at[1] + at[2] * at[2])
        """m"""
        inverse = 1.0 / np.where(self.length.real > 0.0, self.length, 1.0)
        self._unit = [each * inverse for each in at]

    def along(self, vector: Doubles) -> Doubles:
        """Components of the rays' directions along a vector."""
        x, y, z = self._unit
        return x * vector[0] + y * vector[1] + z * vector[2]


def _multiply(image: Pixels, scene: Scene, panel: ScenePanel, threads: int, factor: Callable[[Rays], Pixels]) -> None:
    """Multiply an image by what a function gives for the rays to its pixels, some rows at a time."""
    step = max(_BLOCK // max(panel.shape[1], 1), 1)

    def some_rows(first: int) -> None:
        rows = range(first, min(first + step, panel.shape[0]))
        image[rows.start : rows.stop] *= factor(Rays(scene, panel, rows))

    with ThreadPoolExecutor(_core.thread_count(threads)) as pool:
        for _ in pool.map(some_rows, range(0, panel.shape[0], step)):
            pass


def _bent(scene: Scene, panel: ScenePanel, at: list[Doubles]) -> list[Doubles]:
    """Places on a flat panel where a curved detector has them (``specs/geometry.md``)."""
    shape = at[0].shape
    start = np.broadcast_to(scene.curved_distance * scene.beam_direction, (at[0].size, 3))
    turned = _turned(start, panel.slow, at[1].ravel() / scene.curved_distance)
    turned = _turned(turned, panel.fast, at[2].ravel() / scene.curved_distance)
    return [turned[:, i].reshape(shape) for i in range(3)]


def _turned(vectors: Doubles, axis: Doubles, angle: Doubles) -> Doubles:
    along, across, third = parts(vectors, axis)
    return along + np.cos(angle)[:, None] * across + np.sin(angle)[:, None] * third


# ---- what is taken away -----------------------------------------------------------------------------------


# (They take complex numbers, too: differentiation/surroundings.py.)


def captured_part(scene: Scene, panel: ScenePanel, rays: Rays) -> Doubles:
    """The part that the whole sensor absorbs."""
    sensor = scene.sensor_of(panel)
    with np.errstate(divide="ignore", over="ignore"):
        return -np.expm1(-sensor.depth * sensor.attenuation / rays.along(panel.normal))


def passed_part(surroundings: Surroundings, scene: Scene, rays: Rays) -> Doubles:
    """The part that gas and beamstop let through."""
    behind = rays.length - surroundings.start
    passed = np.exp(-surroundings.attenuation * np.where(behind.real > 0.0, behind, 0.0))
    if surroundings.stop is not None:
        passed *= beside_stop(surroundings.stop, np.asarray(surroundings.beam), scene.polarization_axis, rays)
    return passed


def beside_stop(stop: BeamStop, beam: Doubles, edge: Doubles, rays: Rays) -> Doubles:
    """The part of every ray that passes a beamstop: 0 behind it, 1 beside, in proportion within the penumbra; 1 where
    the ray ends before the stop's plane.

    Args:
        stop: the beamstop.
        beam: unit vector of travel.
        edge: a square's edges are along the part of this vector across the beam.
        rays: to the pixels.

    """
    forward = rays.along(beam)
    one = edge - (edge @ beam) * beam
    one = one / np.sqrt(one @ one)
    with np.errstate(divide="ignore", invalid="ignore"):
        u, v = (stop.distance * rays.along(axis) / forward for axis in (one, np.cross(beam, one)))
        if stop.square:
            u, v = (np.where(part.real < 0.0, -part, part) for part in (u, v))
            off = np.where(u.real > v.real, u, v)
        else:
            off = np.sqrt(u * u + v * v)
        if stop.penumbra.real > 0.0:
            part = (off - stop.half) / stop.penumbra + 0.5
            part = np.where(part.real < 1.0, np.where(part.real > 0.0, part, 0.0), 1.0)
        else:
            part = (off.real > stop.half).astype(np.float64)
    return np.where((rays.length * forward).real > stop.distance.real, part, 1.0)
