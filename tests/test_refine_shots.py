"""Many shots refined together: what they have in common is found better than one alone allows, and nothing is mixed up.

Quick: small images of few pixels; ``bench`` has the figures of many realisations.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nanobragg import Experiment, InputError, refine, refine_shots, simulate
from nanobragg.differentiation.names import choose
from nanobragg.differentiation.tangents import tangents
from nanobragg.refinement.arrow import Arrow
from nanobragg.refinement.moves import Fewer
from nanobragg.refinement.settings import settings_of
from nanobragg.refinement.shots import shots_of
from nanobragg.rendering.derivatives import render_jvp

BENCH = Path(__file__).resolve().parent.parent / "bench"
sys.path.insert(0, str(BENCH))

from nanobragg_bench.series import COMMON as DETECTOR  # noqa: E402
from nanobragg_bench.series import detector_refined, detector_shots, oriented  # noqa: E402
from nanobragg_bench.spread import spread_refined  # noqa: E402
from nanobragg_bench.stills import photons, still  # noqa: E402

EACH = ["crystal.misset", "scale"]
COMMON = ["detector.distance", "crystal.cells"]


def shots(count: int = 3, edge: int = 96) -> list[Experiment]:
    """Stills of one crystal in several orientations."""
    first = still(edge=edge)
    turns = np.random.default_rng(1).uniform(-40.0, 40.0, (count, 3))
    return [first, *(oriented(first, turn) for turn in turns[1:])]


def off(truth: list[Experiment]) -> list[Experiment]:
    """A start: distance and sizes off for all, orientation and scale for each."""
    turns = np.random.default_rng(2).uniform(-0.1, 0.1, (len(truth), 3))
    return [
        replace(
            oriented(each, turn),
            beam=replace(each.beam, fluence=each.beam.fluence * factor),
            detector=replace(each.detector, distance=150.4),
            crystal=replace(oriented(each, turn).crystal, cells=15),
        )
        for each, turn, factor in zip(truth, turns, (2.0, 0.5, 3.0, 1.0), strict=False)
    ]


@pytest.fixture(scope="module")
def series() -> tuple[list[Experiment], list[np.ndarray], Any]:
    """Truth, photons, and what was found."""
    truth = shots()
    data = [photons(each, seed) for seed, each in enumerate(truth)]
    return truth, data, refine_shots(off(truth), data, EACH, COMMON)


def test_what_shots_have_in_common_is_found_together(series: tuple[list[Experiment], list[np.ndarray], Any]) -> None:
    """Distance and size are one number each, known better than from one shot; orientations are each shot's own."""
    truth, data, found = series
    assert found.converged
    assert found.reduced_chi2 == pytest.approx(1.0, abs=0.05)
    assert found.common == ("detector.distance", *(f"crystal.cells[{i}]" for i in range(3)))
    away = (found.values - (150.0, 12.0, 12.0, 11.0)) / found.sigmas
    assert np.abs(away).max() < 4.0
    for shot, true in zip(found.shots, truth, strict=True):
        assert shot.names[:3] == tuple(f"crystal.misset[{i}]" for i in range(3))
        assert shot.experiment.detector.distance == found["detector.distance"][0]
        one = refine(shot.experiment, data[0] if true is truth[0] else data[1], EACH, steps=1)
        assert one.names == shot.names[:4]
        assert abs(shot["beam.fluence"][0] - true.beam.fluence) < 4 * shot["beam.fluence"][1]
    alone = refine(off(truth)[0], data[0], [*EACH, *COMMON])
    assert found["detector.distance"][1] < 0.8 * alone["detector.distance"][1]
    text = str(found)
    assert "3 shots" in text
    assert len(found.csv().splitlines()) == 1 + 4 + 3 * 4


def test_any_number_of_threads_gives_the_same_bits(series: tuple[list[Experiment], list[np.ndarray], Any]) -> None:
    """Whoever runs it on another machine gets the same numbers."""
    truth, data, found = series
    again = refine_shots(off(truth), data, EACH, COMMON, threads=3)
    assert np.array_equal(again.covariance, found.covariance)
    for one, other in zip(again.shots, found.shots, strict=True):
        assert np.array_equal(one.values, other.values)


def test_covariances_are_those_of_all_numbers_at_once(series: tuple[list[Experiment], list[np.ndarray], Any]) -> None:
    """Blocks are taken out for the sake of time; nothing else may change."""
    rng = np.random.default_rng(3)
    s, own, common = 4, 3, 2
    n = common + s * own
    full, gradient = np.zeros((n, n)), rng.normal(size=n)
    for i in range(s):
        mine = [*range(common), *range(common + i * own, common + (i + 1) * own)]
        rows = rng.normal(size=(20, own + common))
        full[np.ix_(mine, mine)] += rows.T @ rows
    blocks = [slice(common + i * own, common + (i + 1) * own) for i in range(s)]
    arrow = Arrow(
        gradient,
        full[:common, :common],
        np.array([full[b, :common] for b in blocks]),
        np.array([full[b, b] for b in blocks]),
    )
    x = rng.normal(size=n)
    assert arrow.times(x) == pytest.approx(full @ x)
    free = np.ones(n, bool)
    free[[1, 4]] = False
    damped = full + 0.1 * np.diag(np.diag(full))
    step = arrow.step(free, 0.1)
    assert step[free] == pytest.approx(np.linalg.solve(damped[np.ix_(free, free)], gradient[free]))
    assert not step[~free].any()
    complement, _ = arrow.reduced()
    assert np.linalg.inv(complement) == pytest.approx(np.linalg.inv(full)[:common, :common])


def test_a_prior_of_what_is_common_counts_once() -> None:
    """It would be as sharp as many measurements otherwise; each shot's own counts for each."""
    truth = shots(2, 48)
    data = [photons(each, seed) for seed, each in enumerate(truth)]
    known = {"detector.distance": 1e-4, "crystal.misset": 1e-5}
    found = refine_shots(truth, data, EACH, ["detector.distance"], priors=known)
    assert found["detector.distance"][1] == pytest.approx(1e-4, rel=0.01)
    assert found.shots[1]["crystal.misset[0]"][1] < 3e-5


def test_what_many_shots_cannot_tell_apart_is_said() -> None:
    """Wavelength and cell of all scaled together make the same images."""
    truth = shots(2, 64)
    data = [photons(each, seed) for seed, each in enumerate(truth)]
    found = refine_shots(truth, data, EACH, ["crystal.cell", "beam.wavelength"])
    assert len(found.weak) == 1
    assert all(name in found.weak[0] for name in ("beam.wavelength", "monoclinic.a", "monoclinic.b", "monoclinic.c"))


def test_shots_with_nothing_in_common_are_those_alone() -> None:
    """A series of images is refined in one call."""
    truth = shots(2, 128)
    data = [photons(each, seed) for seed, each in enumerate(truth)]
    start = [replace(each, detector=truth[0].detector) for each in off(truth)]
    found = refine_shots(start, data, [*EACH, "crystal.cells"])
    for one, image, shot in zip(start, data, found.shots, strict=True):
        alone = refine(one, image, [*EACH, "crystal.cells"])
        assert (np.abs(shot.values - alone.values) < 0.1 * alone.sigmas).all()
        assert shot.sigmas == pytest.approx(alone.sigmas, rel=1e-2)


@pytest.mark.parametrize(
    ("each", "common", "how", "sentence"),
    [
        (["scale"], ["scale"], {}, "shot 0: parameters: found beam.fluence in common and for each shot"),
        (["crystal.mood"], [], {}, "shot 0: crystal.mood: found no parameter"),
        (["scale"], ["detector.distance"], {}, "detector.distance: found 150 in shot 0 and 151 in shot 1"),
        (["crystal.misset[0]"], ["crystal.misset[1]"], {}, "shot 0: crystal.misset: found a part of it in common"),
        (["scale"], [], {"colour": 1}, "refine_shots: found colour, expected one of"),
        ([], [], {}, "shot 0: parameters: found none"),
    ],
)
def test_what_cannot_be_is_said(each: list[str], common: list[str], how: dict[str, Any], sentence: str) -> None:
    """One sentence, with the shot in it."""
    truth = shots(2, 32)
    start = [truth[0], replace(truth[1], detector=replace(truth[1].detector, distance=151))]
    with pytest.raises(InputError) as caught:
        refine_shots(start, [simulate(one).data for one in truth], each, common, **how)
    assert str(caught.value).startswith(sentence)


@pytest.mark.parametrize("images", [[], [np.ones((32, 32))], "shot.cbf", [np.ones((32, 32)), np.ones((3, 3))]])
def test_images_are_one_for_each_experiment(images: Any) -> None:
    """A list that is too short would be another series."""
    with pytest.raises(InputError, match=r"images: found"):
        refine_shots(shots(2, 32), images, ["scale"])


# ---- what is asked of it: few realisations here, twenty by bench/refine_series.py -------------------------


def test_panels_of_a_detector_are_found_from_stills() -> None:
    """Two groups of panels off by 0.3 mm and degrees, distance, wavelength and orientations: to parts of a pixel."""
    found = detector_refined(0)
    assert found["chi2"] == pytest.approx(1.0, abs=0.02)
    assert max(found["squares"]) < 16.0
    assert max(found["own"]) < 16.0
    assert found["in_plane"] < 0.005
    assert found["tilt"] < 0.01
    assert found["jacobians"] <= 15


def test_what_moves_detector_and_crystals_together_is_named() -> None:
    """No still says how far all panels are but by shifts along the beam, nor how all is turned about it."""
    truth, data = detector_shots(1, shots=3, edge=64)
    found = refine_shots(truth, data, EACH, DETECTOR, pixels="shoeboxes", steps=3)
    distance = next(text for text in found.weak if "detector.distance" in text)
    assert all(f"detector.groups[{group}].shift[0]" in distance for group in ("left", "right"))
    turned = next(text for text in found.weak if "crystal.misset about lab x of each shot" in text)
    assert all(f"detector.groups[{group}].rotation[0]" in turned for group in ("left", "right"))


def test_columns_of_moves_are_those_one_by_one() -> None:
    """Panels are moved in six ways instead of one for each number, which must not change a column."""
    truth, data = detector_shots(2, shots=1, edge=24)
    shots, _ = shots_of(truth, data, EACH, [*DETECTOR, "detector.panels[1].shift"], settings_of("test", {}))
    model, point = shots[0].model, shots[0].model._start
    names = [name for name in shots[0].variables.names if name.startswith("detector.")]
    changes = list(tangents(choose(names, point), point))
    fewer = Fewer(changes)
    assert len(fewer.changes) == 6
    found = fewer.columns(render_jvp(point.scene, fewer.changes)[1].reshape(6, -1), np.repeat(np.arange(4), 24 * 24))
    for one, column in zip(changes, found, strict=True):
        alone = render_jvp(point.scene, [one])[1].ravel()
        assert np.linalg.norm(column - alone) < 1e-9 * np.linalg.norm(alone)
    assert len(model.columns(np.zeros(len(shots[0].variables)))) == len(shots[0].variables)


def test_mosaic_spread_and_wavelength_are_found() -> None:
    """From 0.12 instead of 0.2 degrees, and a wavelength off by more than the beam's whole width."""
    found = spread_refined(0)
    assert found["converged"]
    assert max(found["squares"]) < 16.0
    assert found["spread"] < 0.05
    assert found["centroid"] < 0.2
