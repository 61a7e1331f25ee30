"""Series of stills on one detector, and what refinement of all of them together makes of it from a wrong start."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from nanobragg import Beam, Crystal, Detector, Experiment, Move, Panel, Sampling, simulate
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
KNOWN = 0.01
"""mm: the standard deviation of a distance that was measured otherwise"""
TURNED = 0.005
"""degrees: that of the turn of a group of panels about the beam"""


SHOTS = 12
PEAK = 1e4
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
