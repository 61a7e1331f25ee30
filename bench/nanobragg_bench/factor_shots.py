"""Stills of one crystal whose structure factors are not quite what they are thought to be, and what refinement of them
makes of it.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from nanobragg import Experiment, RefinedFactors, refine_factors, simulate
from nanobragg.maths.rotations import uniform_rotation
from nanobragg.refinement.orientation import matrix_of, misset_of_matrix, turn_of
from nanobragg_bench.stills import BACKGROUND, factors, still

OFF = 0.2
"""part of a factor: its standard deviation at the start"""
TURNED = 0.05
"""degrees: orientations are off by so much about an axis at random"""

_REACH = (8, 10, 11)
"""the largest indices on the detector, and a bit more"""


class Series(NamedTuple):
    """Stills, and where their refinement starts."""

    images: list[np.ndarray]
    starts: list[Experiment]
    true: dict[tuple[int, ...], float]
    """by h, k, l"""


def factor_series(seed: int, shots: int = 40, edge: int = 256, *, symmetry: str = "P 1", apart: bool = False) -> Series:
    """Stills in random orientations; factors off by 20 %, orientations by 0.05 degrees, scales by 2 or 1/2.

    Args:
        seed: of all that is drawn.
        shots: how many stills.
        edge: of the detector, pixels.
        symmetry: ``P 1`` or ``P 1 2 1``.
        apart: whether Friedel mates differ, by 10 %.

    """
    rng = np.random.default_rng(31000 + seed)
    listed = factors()
    listed = listed[(np.abs(listed[:, :3]) <= _REACH).all(axis=1)]
    keys = [_key(tuple(hkl), symmetry) for hkl in listed[:, :3].astype(int).tolist()]
    kept = dict(zip(keys, listed[:, 3].tolist(), strict=True))
    off = {key: np.exp(OFF * rng.normal()) for key in kept}
    mates = {key: 1.0 + 0.05 * rng.choice((-1.0, 1.0)) if apart else 1.0 for key in kept}
    signs = [
        1 if tuple(hkl) in _half(key, symmetry) else -1 for hkl, key in zip(listed[:, :3].tolist(), keys, strict=True)
    ]
    true = listed.copy()
    true[:, 3] = [kept[key] * mates[key] ** sign for key, sign in zip(keys, signs, strict=True)]
    thought = true.copy()
    thought[:, 3] *= [off[key] for key in keys]
    first = still(edge=edge)
    images, starts = [], []
    for _ in range(shots):
        truth = _turned(_with(first, true), uniform_rotation(*rng.random(3)))
        images.append(rng.poisson(simulate(truth).data + BACKGROUND).astype(float))
        axis = rng.normal(size=3)
        start = _with(_turned(truth, turn_of(TURNED * axis / np.linalg.norm(axis))), thought)
        fluence = (start.beam.fluence or 0.0) * rng.choice((0.5, 2.0))
        starts.append(replace(start, beam=replace(start.beam, fluence=fluence)))
    return Series(images, starts, {tuple(hkl): f for hkl, f in zip(true[:, :3].tolist(), true[:, 3], strict=True)})


def _half(hkl: tuple[int, ...], symmetry: str) -> set[tuple[int, ...]]:
    """The reflections that are one with ``hkl`` where Friedel mates are two."""
    h, k, l = hkl  # noqa: E741
    return {(h, k, l)} if symmetry == "P 1" else {(h, k, l), (-h, k, -l)}


def _key(hkl: tuple[int, ...], symmetry: str) -> tuple[int, ...]:
    mate = (-hkl[0], -hkl[1], -hkl[2])
    return max(_half(hkl, symmetry) | _half(mate, symmetry))


def _turned(experiment: Experiment, turn: np.ndarray) -> Experiment:
    misset = misset_of_matrix(turn @ matrix_of(experiment.crystal.misset or (0.0, 0.0, 0.0)))
    return replace(experiment, crystal=replace(experiment.crystal, misset=tuple(misset.tolist())))


def _with(experiment: Experiment, listed: np.ndarray) -> Experiment:
    return replace(experiment, crystal=replace(experiment.crystal, structure_factors=listed))


def compared(found: RefinedFactors, true: dict[tuple[int, ...], float], times: int = 3) -> dict[str, float]:
    """Refined factors seen so many times beside the true ones, on their scale: R, that of the start, the part within
    three standard deviations, chi-squared.
    """
    often = found.seen >= times
    values, sigmas, start = found.values[often], found.sigmas[often], found.start[often]
    truth = np.array([true[tuple(hkl)] for hkl in found.hkl[often].tolist()])
    scale = float((values * truth / sigmas**2).sum() / (values**2 / sigmas**2).sum())
    away = (scale * values - truth) / (scale * sigmas)
    return {
        "reflections": float(often.sum()),
        "scale": scale,
        "R": float(np.abs(scale * values - truth).sum() / truth.sum()),
        "R at the start": float(np.abs(start - truth).sum() / truth.sum()),
        "within 3 sigma": float((np.abs(away) < 3.0).mean()),
        "chi2": float((away**2).mean()),
    }


def measured(seed: int, shots: int, threads: int = 0) -> dict[str, Any]:
    """One refinement of such a series: what :func:`compared` says, and seconds."""
    series = factor_series(seed, shots)
    began, processor = time.perf_counter(), time.process_time()
    found = refine_factors(series.starts, series.images, threads=threads)
    seconds = {"seconds": time.perf_counter() - began, "processor": time.process_time() - processor}
    return {**compared(found, series.true), **seconds, "converged": found.shots.converged}
