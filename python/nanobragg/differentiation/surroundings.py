"""How what is around the crystal (``specs/around.md``) changes with a Scene: by complex steps through the formulas that
the image's photons are made by.

A number x that changes by dx is x + i h dx, with h so small that its square is nothing beside 1: the imaginary part of
what a formula gives is h times its change, to the last digits.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from nanobragg.differentiation.fields import with_said
from nanobragg.maths.constants import ENERGY, THOMSON
from nanobragg.records.panel import panel_views
from nanobragg.records.scene import Factor
from nanobragg.rendering.surroundings import Rays, captured_part, passed_part
from nanobragg.resolver.beam import beam_size_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from nanobragg.differentiation.fields import Parameter
    from nanobragg.records.around import Scatterer, Surroundings
    from nanobragg.records.experiment import Experiment
    from nanobragg.records.panel import ScenePanel
    from nanobragg.records.scene import Scene
    from nanobragg.records.scene_change import SceneChange

_STEP = 1e-40
_BLOCK = 1 << 16
"""pixels that are taken together"""
_PLACED = ("panels", "beam_direction", "layers", "polarization_axis", "sources")
_PLAIN = ("curved_distance", "attenuation", "sensor_depth", "kahn_factor")


class VeilChange(NamedTuple):
    """How what is between the crystal and the image changes, arrays of the image's shape."""

    passed: NDArray[np.float64]
    """The part of the crystal's photons that arrives."""
    added: NDArray[np.float64]
    """The photons of all materials that arrive."""


def veil_change(
    change: SceneChange, scene: Scene, surroundings: Surroundings, said: Experiment, own: Parameter | None = None
) -> VeilChange | None:
    """How what is around the crystal changes where a Scene changes so; ``None``: not at all.

    Args:
        change: of the Scene. That of its scale is left out: photons of materials go with the fluence.
        scene: what is rendered.
        surroundings: what is around the crystal.
        said: the experiment that both are made of.
        own: a number of the experiment that changes besides, and that the surroundings are made of.

    """
    arrays = [getattr(change, name) for name in _PLACED]
    if own is not None:  # said or not
        said = with_said(said, {own.name: _plus(own.value, 1.0)})
    elif not any(array is not None and array.any() for array in arrays) and not any(
        getattr(change, name) for name in _PLAIN
    ):
        return None
    return VeilChange(*(each.imag / _STEP for each in moved_veil(change, scene, surroundings, said)))


def moved_veil(
    change: SceneChange, scene: Scene, surroundings: Surroundings, said: Experiment
) -> tuple[NDArray[np.complex128], NDArray[np.complex128]]:
    """What is passed and added, complex: as it is, and its change times the step. As :func:`veil_change` has them;
    ``said`` may have complex numbers.
    """
    moved = _moved_scene(scene, change)
    veil = _moved_surroundings(moved, surroundings, said)
    out = np.zeros(scene.image_shape, complex), np.zeros(scene.image_shape, complex)
    views = (panel_views(each, scene.panels) for each in out)
    for number, (passed, added) in enumerate(zip(*views, strict=True)):
        _put_panel(moved, moved.panels[number], veil, scene.panels[number], passed, added)
        if surroundings.shadow is not None:
            passed *= surroundings.shadow[number]
            added *= surroundings.shadow[number]
    return out


# ---- numbers with their changes ---------------------------------------------------------------------------


def _plus(value: Any, change: Any) -> Any:
    return value + 1j * _STEP * (0.0 if change is None else change)


def _moved_scene(scene: Scene, change: SceneChange) -> Any:
    """What the formulas read of a Scene, in complex numbers."""
    rows = np.zeros((len(scene.panels), 18)) if change.panels is None else change.panels
    sources = np.zeros((len(scene.source_weight), 5)) if change.sources is None else change.sources
    common = SimpleNamespace(
        attenuation=_plus(scene.attenuation, change.attenuation), depth=_plus(scene.sensor_depth, change.sensor_depth)
    )
    return SimpleNamespace(
        panels=[_moved_panel(panel, row, common) for row, panel in zip(rows, scene.panels, strict=True)],
        sensor_of=lambda panel: panel.sensor,
        curved_distance=_plus(scene.curved_distance, change.curved_distance) if scene.curved_distance else 0.0,
        beam_direction=_plus(scene.beam_direction, change.beam_direction),
        polarization_axis=_plus(scene.polarization_axis, change.polarization_axis),
        kahn_factor=_plus(scene.kahn_factor, change.kahn_factor),
        source_direction=_plus(scene.source_direction, sources[:, 0:3]),
        source_wavelength=_plus(scene.source_wavelength, sources[:, 3]),
        source_weight=_plus(scene.source_weight, sources[:, 4]),
        polar=scene.polar,
        capture=scene.capture,
        point_pixel=scene.point_pixel,
    )


def _moved_panel(panel: ScenePanel, row: NDArray[np.float64], common: Any) -> Any:
    """The same for a panel, by its row in ``SceneChange.panels``; ``common``: the Scene's sensor."""
    own = panel.sensor
    if own is not None:
        own = SimpleNamespace(attenuation=_plus(own.attenuation, row[16]), depth=_plus(own.depth, row[17]))
    return SimpleNamespace(
        shape=panel.shape,
        origin=_plus(panel.origin, row[0:3]),
        fast=_plus(panel.fast, row[3:6]),
        slow=_plus(panel.slow, row[6:9]),
        normal=_plus(panel.normal, row[9:12]),
        pixel_size=tuple(_plus(np.array(panel.pixel_size), row[12:14])),
        area=_plus(panel.area, row[14]),
        close_distance=_plus(panel.close_distance, row[15]),
        sensor=common if own is None else own,
    )


def _moved_surroundings(scene: Any, surroundings: Surroundings, said: Experiment) -> Any:
    """What the formulas read of the surroundings, as they follow from the Scene."""
    around: Any = said.around
    size: Any = beam_size_of(said.beam)
    stop: Any = surroundings.stop
    if stop is not None:
        penumbra, distance = stop.penumbra, around.beamstop_distance / 1000.0
        far = min((panel.close_distance for panel in scene.panels), key=lambda distance: distance.real)
        if around.beamstop_penumbra is not None:
            penumbra = around.beamstop_penumbra / 1000.0
        elif penumbra > 0.0:
            penumbra = size * (1.0 - distance / far)
        stop = SimpleNamespace(half=around.beamstop / 2000.0, square=stop.square, distance=distance, penumbra=penumbra)
    attenuation: Any = surroundings.attenuation
    if attenuation != 0.0:
        from nanobragg.resolver.materials import attenuation_power

        wavelength = (scene.source_wavelength * scene.source_weight).sum() / scene.source_weight.sum()
        power = attenuation_power(around.flight_path, ENERGY / (wavelength.real * 1e10) / 1000.0)
        attenuation = attenuation * (1.0 - 1j * power * wavelength.imag / wavelength.real)
    return SimpleNamespace(
        scatterers=surroundings.scatterers,
        fluence=surroundings.fluence * (size / size.real) ** 2,  # there are more molecules in a wider beam
        beam=scene.beam_direction,
        attenuation=attenuation,
        start=around.flight_start / 1000.0,
        stop=stop,
    )


# ---- formulas ---------------------------------------------------------------------------------------------


def _put_panel(scene: Any, panel: Any, veil: Any, placed: ScenePanel, passed: Any, added: Any) -> None:
    """Put what a panel's pixels have in place, some rows at a time."""
    fast_first, fast_last, slow_first, slow_last = placed.region
    step = max(_BLOCK // max(panel.shape[1], 1), 1)
    columns = slice(max(fast_first, 0), fast_last + 1)
    for first in range(max(slow_first, 0), min(slow_last + 1, panel.shape[0]), step):
        rows = range(first, min(first + step, slow_last + 1, panel.shape[0]))
        rays = Rays(scene, panel, rows)
        through = passed_part(veil, scene, rays)
        photons = np.zeros(rays.length.shape, complex)
        for scatterer in veil.scatterers:
            photons += veil.fluence * scatterer.molecules * THOMSON * _scattered(scene, panel, rays, scatterer)
        if scene.capture is not Factor.OFF:
            photons *= captured_part(scene, panel, rays)
        where = slice(rows.start, rows.stop), columns
        passed[where] = through[:, columns]
        added[where] = (photons * through)[:, columns]
    if placed.mask is not None:
        passed[placed.mask == 0] = 0.0
        added[placed.mask == 0] = 0.0


def _scattered(scene: Any, panel: Any, rays: Rays, scatterer: Scatterer) -> Any:
    """Mean over the sources of F² · polarization, times the solid angle."""
    total: Any = 0.0
    for travel, wavelength, weight in zip(
        scene.source_direction, scene.source_wavelength, scene.source_weight, strict=True
    ):
        away = [rays.along(axis) - part for axis, part in zip(np.eye(3), travel, strict=True)]
        stol = 0.5 * np.sqrt(sum(part * part for part in away)) / wavelength
        amplitude = _interpolated(scatterer.stol, scatterer.amplitude, stol)
        total = total + weight * amplitude * amplitude * _polarized(scene, rays, travel)
    square = rays.length * rays.length
    omega = 1.0 / square if scene.point_pixel else panel.area / square * panel.close_distance / rays.length
    return total / scene.source_weight.sum() * omega


def _polarized(scene: Any, rays: Rays, travel: Any) -> Any:
    if scene.polar is Factor.OFF:
        return 1.0
    magnetic = _unit(np.cross(scene.polarization_axis, travel))
    electric = _unit(np.cross(travel, magnetic))
    cosine, e, m = (rays.along(vector) for vector in (travel, electric, magnetic))
    square = e * e + m * m
    seen = square.real > 0.0
    turned = np.where(seen, (e * e - m * m) / np.where(seen, square, 1.0), 1.0)
    return 0.5 * (1.0 + cosine * cosine - scene.kahn_factor * turned * (1.0 - cosine * cosine))


def _unit(vector: Any) -> Any:
    return vector / np.sqrt((vector * vector).sum())


def _interpolated(stol: Sequence[float] | Any, amplitude: Any, at: Any) -> Any:
    """F at sin(theta)/lambda, by a cubic through four neighbours, as photons have it (``Profile``)."""
    x = np.concatenate([[-1e99, -1e98], stol, [1e98, 1e99]])
    f = np.concatenate([[amplitude[0]] * 2, amplitude, [amplitude[-1]] * 2])
    within = (at.real >= stol[0]) & (at.real <= stol[-1])
    held = np.where(within, at, np.clip(at.real, stol[0], stol[-1]))
    k = np.clip(np.searchsorted(x, held.real, side="right") - 1, 1, len(x) - 3)
    total: Any = 0.0
    for i in range(-1, 3):
        weight: Any = f[k + i]
        for j in range(-1, 3):
            if j != i:
                weight = weight * ((held - x[k + j]) / (x[k + i] - x[k + j]))
        total = total + weight
    return total
