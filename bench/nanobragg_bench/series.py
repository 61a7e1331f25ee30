"""Series of stills on one detector, and what refinement of all of them together makes of it from a wrong start."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import numpy as np

from nanobragg import Beam, Crystal, Detector, Experiment, Move, Panel, RefinedShot, Sampling, refine_shots, simulate
from nanobragg.maths.rotations import uniform_rotation
from nanobragg.refinement.orientation import matrix_of, misset_of_matrix, turn_of
from nanobragg_bench.stills import BACKGROUND, CELLS, factors

PIXEL = 0.2
"""mm"""
GROUPS = ("left", "right")
COMMON = (
    *(f"detector.groups[{group}].{what}" for group in GROUPS for what in ("shift", "rotation")),
    "detector.distance",
    "beam.wavelength",
)
EACH = ("crystal.misset", "scale")
KNOWN = {"detector.distance": 0.01, "detector.groups[left].rotation[0]": 0.005}
"""Standard deviations, mm and degrees, of what was measured otherwise. Without it distance and shifts along the beam
are one, and so are turns of all panels and of all crystals about the beam.
"""
SHOTS = 12
PEAK = 1e5
"""photons in the brightest pixel of the first shot"""


def panels(edge: int = 128) -> tuple[Panel, ...]:
    """2 x 2 panels across the beam (MOSFLM's frame: the beam along x), 2 mm apart, in the groups left and right."""
    size = edge * PIXEL
    corners = ((1.0 + size, -1.0 - size), (-1.0, -1.0 - size), (1.0 + size, 1.0), (-1.0, 1.0))
    return tuple(
        Panel(shape=(edge, edge), pixel_size=PIXEL, origin=(150.0, y, z), group=GROUPS[number // 2])
        for number, (y, z) in enumerate(corners)
    )


def detector_shots(seed: int, shots: int = SHOTS, edge: int = 128) -> tuple[list[Experiment], list[np.ndarray]]:
    """Stills on panels that are not quite where they are thought to be: the truth, and photons.

    Shifts of both groups of panels are up to 0.3 mm along each axis, rotations up to 0.3 degrees.
    """
    rng = np.random.default_rng(9000 + seed)
    moves = tuple(
        Move(group=group, shift=tuple(rng.uniform(-0.3, 0.3, 3)), rotation=tuple(rng.uniform(-0.3, 0.3, 3)))
        for group in GROUPS
    )
    plain = Experiment(
        beam=Beam(wavelength=1.8, fluence=1e24),
        crystal=Crystal(
            cell=CELLS["P 1 2 1"], cells=(12, 12, 11), misset=(0, 0, 0), structure_factors=factors(), interpolate=False
        ),
        detector=Detector(panels=panels(edge), distance=150, moves=moves),
        sampling=Sampling(oversample=2, phi=30.0),
        quirks="none",
    )
    turned = [oriented(plain, uniform_rotation(*rng.random(3))) for _ in range(shots)]
    brightest = float(simulate(turned[0]).data.max())
    truth = [
        replace(each, beam=replace(each.beam, fluence=1e24 * PEAK / brightest * rng.uniform(0.5, 2.0)))
        for each in turned
    ]
    return truth, [rng.poisson(simulate(each).data + BACKGROUND).astype(float) for each in truth]


def oriented(experiment: Experiment, turn: np.ndarray) -> Experiment:
    """The experiment with its crystal turned: a matrix (3, 3), or degrees about x, y, z."""
    matrix = turn if turn.ndim == 2 else turn_of(turn)
    misset = misset_of_matrix(matrix @ matrix_of(experiment.crystal.misset or (0.0, 0.0, 0.0)))
    return replace(experiment, crystal=replace(experiment.crystal, misset=tuple(misset.tolist())))


def detector_starts(truth: list[Experiment], seed: int) -> list[Experiment]:
    """What is thought to be: panels in their places, distance + 1 mm, wavelength + 0.2 %, orientations off by up to 0.1
    degrees about each axis, scales by up to 2.
    """
    rng = np.random.default_rng(19000 + seed)
    found = []
    for each in truth:
        beam = replace(
            each.beam,
            wavelength=1.002 * (each.beam.wavelength or 0.0),
            fluence=(each.beam.fluence or 0.0) * rng.choice((0.5, 2.0)),
        )
        detector = replace(each.detector, distance=(each.detector.distance or 0.0) + 1.0, moves=None)
        found.append(replace(oriented(each, rng.uniform(-0.1, 0.1, 3)), beam=beam, detector=detector))
    return found


def true_common(names: tuple[str, ...], truth: Experiment) -> np.ndarray:
    """The true values of what the shots have in common."""
    moves = {move.group: move for move in truth.detector.moves or ()}
    values: list[float] = []
    for name in names:
        if name.startswith("detector.groups["):
            group, _, what = name.removeprefix("detector.groups[").partition("].")
            values.append(getattr(moves[group], what[:-3])[int(what[-2])])
        else:
            part, _, field = name.partition(".")
            values.append(getattr(getattr(truth, part), field))
    return np.array(values, dtype=float)


def detector_refined(seed: int, shots: int = SHOTS, threads: int = 0) -> dict[str, Any]:
    """Refine a detector from stills: squares of errors in standard deviations (``together``: of all common numbers,
    with their covariances, for each), and errors in mm and degrees across the beam.
    """
    truth, data = detector_shots(seed, shots)
    rng = np.random.default_rng(29000 + seed)
    known = {
        name: (float(true_common((name,), truth[0])[0] + rng.normal(0.0, sigma)), sigma)
        for name, sigma in KNOWN.items()
    }
    began = time.perf_counter(), time.process_time()
    found = refine_shots(
        *(detector_starts(truth, seed), data, EACH, COMMON), pixels="shoeboxes", priors=known, threads=threads
    )
    ended = time.perf_counter(), time.process_time()
    errors = found.values - true_common(found.common, truth[0])
    across = {
        kind: [i for i, name in enumerate(found.common) if name.endswith((f"{kind}[1]", f"{kind}[2]"))]
        for kind in ("shift", "rotation")
    }
    return {
        "squares": ((errors / found.sigmas) ** 2).tolist(),
        "together": float(errors @ np.linalg.solve(found.covariance, errors)) / len(errors),
        "own": np.concatenate([_own(one, true) for one, true in zip(found.shots, truth, strict=True)]).tolist(),
        "in_plane": float(np.abs(errors[across["shift"]]).max()),
        "tilt": float(np.abs(errors[across["rotation"]]).max()),
        "seconds": ended[0] - began[0],
        "processor": ended[1] - began[1],
        "jacobians": found.jacobians,
        "chi2": found.reduced_chi2,
        "weak": list(found.weak),
    }


def _own(found: RefinedShot, truth: Experiment) -> np.ndarray:
    """Squares of errors of a shot's orientation, as a small turn, and scale, in standard deviations."""
    names = found.names
    number = names.index("beam.fluence")
    scale = (found.values[number] - (truth.beam.fluence or 0.0)) / found.sigmas[number]
    misset = [names.index(f"crystal.misset[{i}]") for i in range(3)]
    away = np.array(found.values[misset] - np.array(truth.crystal.misset))
    away = (away + 180.0) % 360.0 - 180.0
    return np.append((away / found.sigmas[misset]) ** 2, scale**2)
