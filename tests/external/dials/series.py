"""The experiments that `recover.py` makes: a crystal of 1ORC in several settings, and their images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter

from nanobragg import Beam, Crystal, Detector, Experiment, Image, Sampling, resolve, simulate, write_nxmx
from nanobragg.io.images.formats import format_of
from nanobragg.maths.projection import direct_beam

REPOSITORY = Path(__file__).resolve().parents[3]
CELL = (34.77, 39.17, 48.31, 90.0, 90.0, 90.0)
WIDTH = 0.5
"""degrees, of a frame"""
STEPS = 8
"""phi steps in a frame"""
SPREAD = 0.6
"""pixels: sigma of the detector's point spread"""
MOSAIC = {"cells": (14, 12, 12), "mosaic_spread": 0.2, "mosaic_domains": 1500}
"""Crystal of the stills: DIALS takes the width of a spot on a still for turned domains, not for a small crystal."""
LIGHT = 20.0
"""times the photons of a series, on as much background: of a still neither counts nor domains shall show"""
STOP = 9.0
"""pixels: the beam stop's radius"""
SENSOR = {"thickness": 1000.0, "material": "CdTe"}
"""NXmx must name a sensor, and DIALS takes spots for where such a one sees them. This one captures everything,
since DIALS takes photons that a sensor lets through for captured at its front: 320 µm of silicon at 1 Å have their mean
depth at 125 µm, of which DIALS makes 93.
"""

BASE = Experiment(
    crystal=Crystal(
        structure_factors=REPOSITORY / "examples" / "1orc.hkl.gz",
        cell=CELL,
        misset=(37.0, -21.0, 64.0),
        cells=(9, 8, 8),
        shape="gauss",
        water=0.033,
    ),
    beam=Beam(wavelength=1.0, fluence=7.5e28, polarization=0.998, exposure=0.1),
    detector=Detector(convention="xds", shape=(580, 640), pixel_size=0.15, distance=110.0, orgx=325.3, orgy=281.8),
    sampling=Sampling(phi=0.0, oscillation=WIDTH, phi_steps=STEPS, oversample=2),
    quirks="none",
)
"""Spots are two pixels wide and a third of a degree, so that neither pixels nor phi steps show."""


@dataclass(frozen=True)
class Case:
    """One series: what is simulated, and how it is written."""

    name: str
    title: str
    experiment: Experiment
    extension: str
    stills: bool = False


def _detector(**fields: object) -> Experiment:
    return replace(BASE, detector=replace(BASE.detector, **fields))


THICK = _detector(**SENSOR)


def _kappa() -> Experiment:
    """The spindle is phi on a kappa axis of 50 degrees at kappa = 40: no longer across the beam."""
    alpha, kappa = np.radians(50.0), np.radians(40.0)
    axis = np.array([np.cos(alpha), np.sin(alpha), 0.0])
    along = np.array([1.0, 0.0, 0.0])
    turned = (
        along * np.cos(kappa) + np.cross(axis, along) * np.sin(kappa) + axis * (axis @ along) * (1.0 - np.cos(kappa))
    )
    crystal = replace(BASE.crystal, spindle_axis=tuple(turned.tolist()))
    frame = {"fast_axis": (1.0, 0.0, 0.0), "slow_axis": (0.0, 1.0, 0.0), "normal_axis": (0.0, 0.0, 1.0)}
    place = {"orgx": None, "orgy": None, "beam_x": 48.72, "beam_y": 42.195}
    detector = replace(THICK.detector, convention="custom", **frame, **place)
    beam = replace(BASE.beam, direction=(0.0, 0.0, 1.0), polarization_axis=(1.0, 0.0, 0.0))
    return replace(BASE, crystal=crystal, detector=detector, beam=beam)


CASES = (
    Case("nxmx", "NXmx", THICK, "h5"),
    Case("cbf", "CBF", BASE, "cbf"),
    Case("smv", "SMV", BASE, "img"),
    Case("tilted", "NXmx, tilted and swung", _detector(rotx=4.0, roty=-6.0, rotz=2.0, twotheta=8.0, **SENSOR), "h5"),
    Case("swung", "CBF, swung (`dials.import` told)", _detector(twotheta=-8.0, **SENSOR), "cbf"),
    Case("kappa", "NXmx, kappa setting", _kappa(), "h5"),
    Case("stills", "NXmx, ten stills", THICK, "h5", stills=True),
)


def _behind_a_beam_stop(experiment: Experiment) -> Experiment:
    """Without the pixels around the direct beam, where the reflection 0 0 0 is."""
    resolved = resolve(experiment)
    fast, slow, _ = direct_beam(resolved.scene.panels[0], resolved.geometry)
    rows, columns = np.indices(resolved.scene.shape)
    mask = np.hypot(rows + 0.5 - slow, columns + 0.5 - fast) > STOP
    return replace(experiment, detector=replace(experiment.detector, mask=mask))


def experiments(case: Case, frames: int) -> list[Experiment]:
    """One experiment for each image."""
    base = _behind_a_beam_stop(case.experiment)
    if case.stills:
        still = replace(base.sampling, oscillation=0.0, phi_steps=1, oversample=3)
        thin = {"water": base.crystal.water / LIGHT}
        base = replace(
            base,
            crystal=replace(base.crystal, **MOSAIC, **thin),
            beam=replace(base.beam, fluence=LIGHT * base.beam.fluence),
        )
        return [
            replace(
                base,
                crystal=replace(base.crystal, misset="random", misset_seed=number + 1),
                sampling=still,
            )
            for number in range(10)
        ]
    sampling = base.sampling
    return [replace(base, sampling=replace(sampling, phi=WIDTH * n)) for n in range(frames)]


def write(case: Case, frames: int, folder: Path, progress: Callable[[str], object]) -> tuple[list[Image], list[str]]:
    """Simulate the images and write them into ``folder``: the images, and the words for `dials.import`."""
    images = []
    for number, experiment in enumerate(experiments(case, frames)):
        image = simulate(experiment, precision="mixed")
        spread = replace(image, data=gaussian_filter(image.data, SPREAD))
        images.append(spread.noisy(seed=number + 1, adc_offset=0.0))
        progress(f"{case.name}: {number + 1} images")
    row = format_of(f"x.{case.extension}")
    if case.extension == "h5":
        write_nxmx(images, folder / "series.h5")
        names = ["series.h5"]
    else:
        names = [f"frame_{number + 1:04}.{case.extension}" for number in range(len(images))]
        for name, image in zip(names, images, strict=True):
            image.write(folder / name)
    advice = None if row is None else row.advice(names[0], images[0].resolved)
    options = [] if advice is None else advice.split()[4:]
    return images, [*names, *options]
