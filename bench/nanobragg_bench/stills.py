"""Stills whose crystal and beam are known, and what refinement makes of them from a wrong start."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import numpy as np

from nanobragg import Beam, Crystal, Detector, Experiment, Sampling, refine, simulate
from nanobragg.maths.rotations import uniform_rotation
from nanobragg.refinement.orientation import matrix_of, misset_of_matrix, turn_of

BACKGROUND = 10.0
"""photons a pixel"""
CELLS = {
    "P 1 2 1": (55.0, 65.0, 75.0, 90.0, 95.0, 90.0),
    "cubic": (65.0, 65.0, 65.0, 90.0, 90.0, 90.0),
    "triclinic": (55.0, 65.0, 75.0, 85.0, 95.0, 100.0),
}
FREE = {
    "square": ("crystal.misset", "crystal.cell", "crystal.cells", "scale"),
    "gauss": ("crystal.misset", "crystal.cell", "crystal.fudge", "scale"),
}
"""By shape: spots of a GAUSS crystal depend on the product of cells alone, and ``fudge`` has the same effect."""
OFF = {"near": 0.15, "far": 2.5}
"""degrees"""
SEARCH = {"near": 0.0, "far": 3.0}
PEAKS = (1e4, 1e5)
"""photons, in turn"""


def factors() -> np.ndarray:
    """(n, 4): h, k, l, F; |F|² of an exponential distribution."""
    rng = np.random.default_rng(1000)
    indices = np.indices((25, 29, 33)).reshape(3, -1).T - (12, 14, 16)
    return np.column_stack([indices, np.sqrt(rng.exponential(1e4, len(indices)))])


def still(
    peak: float = 1e4,
    *,
    cell: tuple[float, ...] = CELLS["P 1 2 1"],
    misset: tuple[float, float, float] = (12.0, -25.0, 40.0),
    shape: Any = "square",
    edge: int = 256,
) -> Experiment:
    """The still of diffBragg's tests (``hopper``): 1.8 Å, 256 x 256 pixels of 0.2 mm at 150 mm; its brightest pixel has
    ``peak`` photons. With another ``edge`` pixels are larger.
    """
    experiment = Experiment(
        beam=Beam(wavelength=1.8, fluence=1e24),
        crystal=Crystal(
            cell=cell, cells=(12, 12, 11), misset=misset, structure_factors=factors(), shape=shape, interpolate=False
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


def wrong(truth: Experiment, degrees: float, rng: np.random.Generator) -> Experiment:
    """The start: orientation off by so much, edges and angles that are free by 0.1 Å and 0.1°, N = 20 (or
    ``fudge``, for spots as narrow), scale x 10.
    """
    axis = rng.normal(size=3)
    turn = turn_of(axis * (degrees / np.linalg.norm(axis)))
    said = np.array(truth.crystal.cell)
    signs = rng.choice([-0.1, 0.1], 6)
    if said[0] == said[1]:
        signs[1:3] = signs[0]
    cell = np.where(said == 90.0, said, said + signs)
    misset = misset_of_matrix(turn @ matrix_of(truth.crystal.misset or (0.0, 0.0, 0.0)))
    size = {"cells": 20} if truth.crystal.shape == "square" else {"fudge": (20.0**3 / (12 * 12 * 11)) ** 2}
    crystal = replace(truth.crystal, cell=tuple(cell.tolist()), misset=tuple(misset.tolist()), **size)
    return replace(truth, crystal=crystal, beam=replace(truth.beam, fluence=10.0 * (truth.beam.fluence or 1.0)))


def true_values(names: tuple[str, ...], truth: Experiment) -> np.ndarray:
    """The true values of what is refined."""
    numbers = {"a": 0, "b": 1, "c": 2, "alpha": 3, "beta": 4, "gamma": 5}
    crystal = truth.crystal
    assert crystal.cell is not None
    values: list[float] = []
    for name in names:
        if name.startswith("crystal.cell."):
            values.append(crystal.cell[numbers[name.rpartition(".")[2]]])
        elif name == "beam.fluence":
            values.append(truth.beam.fluence or 0.0)
        elif name == "crystal.fudge":
            values.append(crystal.fudge)
        else:
            field, _, index = name.removeprefix("crystal.").partition("[")
            values.append(getattr(crystal, field)[int(index[:-1])])
    return np.array(values, dtype=float)


def refined(
    system: str, shape: str, start: str, realisations: int, threads: int, first_seed: int = 0
) -> dict[str, Any]:
    """Refine stills of random orientations, with noise of their own.

    Args:
        system: one of :data:`CELLS`.
        shape: of the crystal.
        start: one of :data:`OFF`.
        realisations: how many.
        threads: of each refinement.
        first_seed: of the first still; the others' are the next ones.

    """
    squares, seconds, jacobians, explained = [], [], [], []
    for seed in range(first_seed, first_seed + realisations):
        rng = np.random.default_rng(7000 + seed)
        misset = tuple(misset_of_matrix(uniform_rotation(*rng.random(3))).tolist())
        truth = still(PEAKS[seed % len(PEAKS)], cell=CELLS[system], misset=misset, shape=shape)
        data, first = photons(truth, seed), wrong(truth, OFF[start], rng)
        began = time.perf_counter()
        found = refine(first, data, FREE[shape], search=SEARCH[start], threads=threads)
        seconds.append(time.perf_counter() - began)
        jacobians.append(found.jacobians)
        explained.append(bool(abs(found.reduced_chi2 - 1.0) < 0.1 and np.isfinite(found.sigmas).all()))
        squares.append((((found.values - true_values(found.names, truth)) / found.sigmas) ** 2).tolist())
    return {"squares": squares, "seconds": seconds, "jacobians": jacobians, "explained": explained}
