"""Orientations that are off by degrees: the turn is found that makes an image most like the data."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nanobragg import Detector, Experiment, Panel, parse_words, refine, resolve
from nanobragg.differentiation.point import point_of
from nanobragg.differentiation.turns import turned
from nanobragg.records.response import Response
from nanobragg.refinement.arrow import Arrow
from nanobragg.refinement.fit import descend
from nanobragg.refinement.joint import State
from nanobragg.refinement.model import Model
from nanobragg.refinement.orientation import explicit, matrix_of, turn_of
from nanobragg.refinement.pixels import panels_of
from nanobragg.refinement.settings import settings_of
from nanobragg.refinement.shot import MILD, Shot
from nanobragg.refinement.turning import best_turn
from nanobragg.refinement.variables import Variables

BENCH = Path(__file__).resolve().parent.parent / "bench"
sys.path.insert(0, str(BENCH))

from nanobragg_bench.stills import photons, still, true_values, wrong  # noqa: E402

FREE = ["crystal.misset", "crystal.cell", "crystal.cells", "scale"]
WORDS = "-cell 55 65 75 80 95 100 -N 5 -misset 10 20 30 -detpixels 12 -pixel 1 -default_F 100 -lambda 1.2 -distance 80"


def in_panels(truth: Experiment) -> Experiment:
    """The same still on three panels of three shapes, the largest of which is turned in its plane."""
    shapes, corners = ((256, 140), (120, 110), (133, 110)), ((25.6, -25.6), (25.6, 3.6), (0.4, 3.6))
    panels = tuple(
        Panel(shape=shape, origin=(150, y, z), fast_axis=(0, 0, 1), slow_axis=(0, -1, 0))
        for shape, (y, z) in zip(shapes, corners, strict=True)
    )
    aslant = replace(panels[0], origin=(150, -25.6, -25.6), slow_axis=(0, 1, 0))
    return replace(truth, detector=Detector(panels=(aslant, *panels[1:]), pixel_size=0.2, distance=150))


def beam_stopped(truth: Experiment) -> np.ndarray:
    """A mask without the beamstop's arm and with a dead quarter."""
    mask = np.ones(resolve(truth).scene.image_shape, bool)
    mask[120:136, :128] = mask[:100, 150:] = False
    return mask


@pytest.mark.parametrize(
    ("case", "how"),
    [
        ("plain", {}),
        ("plain", {"background": "radial"}),
        ("plain", {"pixels": "shoeboxes"}),
        ("mask", {}),
        ("panels", {}),
        ("spread", {}),
    ],
    ids=["plain", "radial", "shoeboxes", "mask", "panels", "spread"],
)
def test_the_turn_is_found_on_whatever_is_compared(case: str, how: dict[str, Any]) -> None:
    """Wide pixels are those of every panel, without what is not compared."""
    truth = still(1e5)
    if case == "panels":
        truth = in_panels(truth)
    if case == "spread":
        truth = replace(truth, response=Response(psf="gauss", psf_fwhm=300.0))
    rng = np.random.default_rng(5)
    start, data = wrong(truth, 1.5, rng), photons(truth, 5)
    settings = settings_of("test", {"search": 2.0, "mask": beam_stopped(truth) if case == "mask" else None, **how})
    shot = Shot(start, data, FREE, (), settings.of_shot(0, 1), 1)
    turn = turn_of(best_turn(shot.target(MILD), 2.0, shot.reach)) @ matrix_of(start.crystal.misset)
    off = turn @ matrix_of(truth.crystal.misset).T
    assert np.degrees(np.arccos((np.trace(off) - 1.0) / 2.0)) < 0.5


def test_a_still_on_panels_is_refined_from_afar() -> None:
    """All of the way, and the same bits on any number of threads."""
    truth = in_panels(still(1e5))
    start, data = wrong(truth, 1.5, np.random.default_rng(5)), photons(truth, 5)
    one, two = (refine(start, data, FREE, search=2.0, threads=n) for n in (1, 2))
    assert np.array_equal(one.values, two.values)
    assert one.converged
    assert one.jacobians <= 12
    assert (np.abs(one.values - true_values(one.names, truth)) < 4.0 * one.sigmas).all()


@pytest.mark.parametrize(
    "words",
    [
        f"{WORDS} -phi 1 -osc 2 -phisteps 3 -mosaic 0.4 -mosaic_domains 4 -spindle_axis 0 1 0",
        f"{WORDS} -phi 0 -osc 2 -phisteps 3",
    ],
    ids=["turned", "stale"],
)
def test_a_turned_scene_is_that_of_the_turned_crystal(words: str) -> None:
    """Whether a turn goes by missetting angles or straight to the orientations."""
    point = point_of(explicit(parse_words(words).experiment))
    variables = Variables([f"crystal.misset[{i}]" for i in range(3)], point)
    pixels = panels_of(resolve(point.said.experiment), np.ones((12, 12), bool))
    vector = np.array([1.0, -2.0, 3.0])
    found = turned(point.scene, point, turn_of(vector))
    expected = Model(point, variables, pixels).scene_at(vector)
    np.testing.assert_allclose(found.orientations, expected.orientations, rtol=1e-9, atol=1e-19)
    np.testing.assert_allclose(found.first_orientations, expected.first_orientations, rtol=1e-9, atol=1e-19)
    assert not np.allclose(found.orientations, point.scene.orientations, rtol=1e-3, atol=0.0)


class Step:
    """A parabola that jumps before its lowest place, which its slopes do not say."""

    def __init__(self, edge: float) -> None:
        self.edge, self.jacobians = edge, 0
        self.limits, self.longest = (np.array([-np.inf]), np.array([np.inf])), np.array([np.inf])

    def at(self, x: np.ndarray) -> State:
        """With the jump."""
        return State(x, 1000.0 + 100.0 * float(x[0]) ** 2 + 1000.0 * float(x[0] < self.edge), [])

    def slopes(self, state: State) -> Arrow:
        """Those of the parabola."""
        self.jacobians += 1
        normal = np.full((1, 1), 100.0)
        return Arrow(-100.0 * state.x, normal, np.zeros((0, 0, 1)), np.zeros((0, 0, 0)))


@pytest.mark.parametrize(("edge", "converged"), [(-9.0, True), (0.005, True), (0.2, False)])
def test_the_way_ends_where_no_step_keeps_what_slopes_promise(edge: float, converged: bool) -> None:
    """Between two spots the image jumps: dozens of further Jacobians took nothing from the misfit."""
    target: Any = Step(edge)
    path = descend(target, target.at(np.array([1.0])), enough=1e-3)
    assert path.converged == converged
    assert path.state.x[0] == pytest.approx(max(edge, 0.0), abs=0.02)
    assert target.jacobians <= 15
