"""The way back: structure factors of an amorphous background from a measured image (``specs/around.md``)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from nanobragg.errors import InputError
from nanobragg.records.around import Material
from nanobragg.records.experiment import Crystal, Experiment
from nanobragg.rendering.surroundings import Rays, surrounded
from nanobragg.resolver.materials import SUBSTANCES
from nanobragg.resolver.resolve import resolve

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from nanobragg.records.resolved import Resolved

_HIGHEST = 10.0
"""1/Å: where the flat profile ends."""


class RingProfile(NamedTuple):
    """Rings of equal width in sin θ/λ that hold enough pixels, arrays (n,)."""

    stol: NDArray[np.float64]
    """Median of the ring's pixels, 1/Å."""
    amplitude: NDArray[np.float64]
    """Root of the median of F², electrons per molecule; 0 where that is below 0."""
    deviation: NDArray[np.float64]
    """Median deviation of F² from its median, electrons²."""
    pixels: NDArray[np.int64]

    @property
    def table(self) -> NDArray[np.float64]:
        """(n, 2): what ``Material(profile=...)`` takes, and ``numpy.savetxt`` writes for ``-around``."""
        return np.column_stack([self.stol, self.amplitude])


def background_profile(
    pixels: ArrayLike,
    experiment: Experiment,
    material: Material,
    *,
    offset: ArrayLike = 0.0,
    gain: ArrayLike = 1.0,
    mask: ArrayLike | None = None,
    rings: int = 200,
    fewest: int = 100,
    threads: int = 0,
) -> RingProfile:
    """The profile with which ``material`` scatters as the background of a measured image.

    Medians of resolution rings: spots and zingers, as long as they cover less than half of a ring, do not count. (A
    median of few photons is a whole number: there should be ten or more in a pixel.)

    Args:
        pixels: the image, (slow, fast) or (panel, slow, fast).
        experiment: beam and detector of the image; gas, beamstop and shadow are taken off, its materials and crystal
            play no part.
        material: thickness, and density and molecular weight where it has no name.
        offset: value of no photon, or an image of it.
        gain: value of a photon besides, or an image of it; pixels without do not count.
        mask: image whose pixels of 0 do not count, besides those of the experiment and negative values.
        rings: how many, up to the detector's corner.
        fewest: pixels that a ring must have.
        threads: 0: all processors.

    Raises:
        InputError: for an image of another shape than the detector's, no gain, and where no ring has enough pixels.

    """
    resolved = resolve(_of_one_electron(experiment, material))
    values = np.asarray(pixels, np.float64)
    if values.shape != resolved.scene.image_shape:
        raise InputError(f"pixels: found shape {values.shape}, expected the detector's {resolved.scene.image_shape}")
    unit = surrounded(np.zeros(values.shape, np.float32), resolved, threads=threads)
    dark, scale = (np.broadcast_to(np.asarray(each, np.float64), values.shape) for each in (offset, gain))
    if not (scale > 0.0).any():
        raise InputError(f"gain: found {scale.max():g} for a photon, expected a number above 0")
    used = np.isfinite(values) & (values >= 0.0) & (unit > 0.0) & (scale > 0.0)
    used &= np.asarray(1 if mask is None else mask) != 0
    square = (values[used] - dark[used]) / scale[used] / unit[used]
    return _rings(_stol(resolved)[used], square, rings, fewest)


def _of_one_electron(experiment: Experiment, material: Material) -> Experiment:
    """The experiment with a material of F = 1 for all its materials."""
    substance = None if material.name is None else SUBSTANCES[material.name]
    density, weight = material.density, material.molecular_weight
    if substance is not None:
        density, weight = density or substance.density, weight or substance.molecular_weight
    flat = Material(
        profile=np.array([[0.0, 1.0], [_HIGHEST, 1.0]]),
        thickness=material.thickness,
        density=density,
        molecular_weight=weight,
    )
    return replace(without_crystal(experiment), around=replace(experiment.around, materials=(flat,)))


def without_crystal(experiment: Experiment) -> Experiment:
    """The experiment with a crystal that scatters next to nothing, so that it need not be said, or read from files."""
    nothing = Crystal(
        cell=(50.0, 50.0, 50.0, 90.0, 90.0, 90.0), default_F=1e-9, spindle_axis=experiment.crystal.spindle_axis
    )
    return replace(experiment, crystal=nothing, sampling=replace(experiment.sampling, oversample=1))


def _stol(resolved: Resolved) -> NDArray[np.float64]:
    """Sin θ/λ of every pixel's centre, 1/Å, for the beam's direction and wavelength."""
    scene = resolved.scene
    panels = []
    for panel in scene.panels:
        cosine = Rays(scene, panel, range(panel.shape[0])).along(scene.beam_direction)
        panels.append(np.sqrt(np.maximum(1.0 - cosine, 0.0) / 2.0) / (resolved.radiation.wavelength * 1e10))
    return np.concatenate([each.ravel() for each in panels]).reshape(scene.image_shape)


def _rings(stol: NDArray[np.float64], square: NDArray[np.float64], rings: int, fewest: int) -> RingProfile:
    highest = float(stol.max()) if stol.size else 0.0
    ring = np.minimum((stol * (rings / highest if highest > 0.0 else 0.0)).astype(np.int64), rings - 1)
    order = np.argsort(ring, kind="stable")
    ends = np.cumsum(np.bincount(ring, minlength=rings))
    found = []
    for begin, end in zip(np.concatenate([[0], ends[:-1]]), ends, strict=True):
        if end - begin >= max(fewest, 1):
            inside = order[begin:end]
            median = float(np.median(square[inside]))
            deviation = float(np.median(np.abs(square[inside] - median)))
            found.append((float(np.median(stol[inside])), max(median, 0.0) ** 0.5, deviation, int(end - begin)))
    if not found:
        raise InputError(
            f"pixels: found no ring of {fewest} pixels, expected a larger image, fewer rings or a wider mask"
        )
    stols, amplitudes, deviations, numbers = zip(*found, strict=True)
    return RingProfile(np.array(stols), np.array(amplitudes), np.array(deviations), np.array(numbers, np.int64))
