"""A still whose crystal and beam are known, for the tests and the benchmark of refinement."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from nanobragg import Beam, Crystal, Detector, Experiment, Sampling, simulate

BACKGROUND = 10.0
"""photons a pixel"""


def still(
    peak: float = 1e4,
    *,
    cell: tuple[float, ...] = (55, 65, 75, 90, 95, 90),
    misset: tuple[float, float, float] = (12.0, -25.0, 40.0),
    shape: Any = "square",
    edge: int = 256,
) -> Experiment:
    """The still of diffBragg's tests (``hopper``): 1.8 Å, 256 x 256 pixels of 0.2 mm at 150 mm, |F|² of an exponential
    distribution; its brightest pixel has ``peak`` photons.
    """
    rng = np.random.default_rng(1000)
    indices = np.indices((25, 29, 33)).reshape(3, -1).T - (12, 14, 16)
    factors = np.column_stack([indices, np.sqrt(rng.exponential(1e4, len(indices)))])
    experiment = Experiment(
        beam=Beam(wavelength=1.8, fluence=1e24),
        crystal=Crystal(
            cell=cell, cells=(12, 12, 11), misset=misset, structure_factors=factors, shape=shape, interpolate=False
        ),
        detector=Detector(shape=(edge, edge), pixel_size=51.2 / edge, distance=150),
        sampling=Sampling(oversample=1),
        quirks="none",
    )
    brightest = float(simulate(experiment).data.max())
    return replace(experiment, beam=replace(experiment.beam, fluence=1e24 * peak / brightest))


def photons(experiment: Experiment, seed: int) -> np.ndarray:
    """What a perfect detector counts, float64."""
    return np.random.default_rng(seed).poisson(simulate(experiment).data + BACKGROUND).astype(float)
