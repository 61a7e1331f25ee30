"""Many shots refined together: what they have in common is found better than one alone allows, and nothing is mixed up.

Quick: small images of few pixels; ``bench`` has the figures of many realisations.
"""

from __future__ import annotations

import sys
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nanobragg import Experiment, InputError, refine, refine_shots, simulate
from nanobragg.differentiation.names import choose
from nanobragg.differentiation.tangents import tangents
from nanobragg.refinement import kept
from nanobragg.refinement.arrow import Arrow
from nanobragg.refinement.crew import Crew
from nanobragg.refinement.far import FarCrew
from nanobragg.refinement.joint import Joint
from nanobragg.refinement.moves import Fewer
from nanobragg.refinement.settings import settings_of
from nanobragg.refinement.shot import LIKELY, MILD
from nanobragg.refinement.shots import found_of, recipes_of
from nanobragg.refinement.work import Work
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


# ---- workers ----------------------------------------------------------------------------------------------


def bits(found: Any) -> list[bytes]:
    """All numbers that a refinement gives."""
    every: list[tuple[Any, ...]] = [(found.misfits,)]
    every += [(one.values, one.covariance, one.shoeboxes["chi2"], one.shoeboxes["Z"]) for one in found.shots]
    every += [(one.data, one.spots, one.background, one.residuals) for one in found.examples]
    return [np.asarray(array).tobytes() for each in every for array in each]


def test_workers_find_the_same_bits(series: tuple[list[Experiment], list[np.ndarray], Any]) -> None:
    """Two processes, one of which is killed in the middle: its shots are made again by the other."""
    psutil = pytest.importorskip("psutil")
    pytest.importorskip("distributed")
    truth, data, alone = series

    def kill_one(step: int, _: float) -> None:
        workers = [one for one in psutil.Process().children() if "spawn_main" in " ".join(one.cmdline())]
        assert len(workers) >= 2 or step > 2
        if step == 2:
            workers[-1].kill()

    found = refine_shots(off(truth), data, EACH, COMMON, workers=2, progress=kill_one)
    assert bits(found) == bits(alone)
    assert (found.notes, found.weak, found.jacobians) == (alone.notes, alone.weak, alone.jacobians)


class Forgetful:
    """A client whose two workers are this process, and know nothing any more after each third task."""

    status = "closed"

    def __init__(self) -> None:
        self.tasks = 0

    def ncores(self) -> dict[str, int]:
        """Workers and their threads."""
        return {"a": 1, "b": 1}

    def submit(self, work: Any, *given: Any, **_: Any) -> Any:
        """Do it at once."""
        self.tasks += 1
        if self.tasks % 3 == 0:
            kept._KEPT.clear()
        value = work(*(one.result() if isinstance(one, Future) else one for one in given))
        done: Future[Any] = Future()
        done.set_result(value)
        return done


def test_a_worker_makes_what_another_one_knew() -> None:
    """Pixels that were left out, models and backgrounds: all that a step needs follows from what the client knows."""
    pytest.importorskip("distributed")
    truth = shots(2, 48)
    data = [photons(each, seed) for seed, each in enumerate(truth)]
    data[0][5, 7] += 5000
    settings = settings_of("test", {"outliers": 4.0, "steps": 3})
    recipes = recipes_of(off(truth), data, EACH, COMMON, settings)
    every = []
    for crew in (Crew(2, 1), FarCrew(Forgetful(), recipes)):
        shown = crew.shots(recipes)
        every.append(found_of(shown, Work(shown, crew, settings).done(), crew))
    assert any("left out: further than" in note for note in every[0].notes)
    assert every[0].notes == every[1].notes
    assert bits(every[0]) == bits(every[1])


def test_a_step_to_nowhere_is_forgotten() -> None:
    """Which shots had been there before one found no crystal depends on threads; what comes after must not."""
    truth = shots(2, 24)
    data = [photons(each, seed) for seed, each in enumerate(truth)]
    crew = Crew(2, 1)
    own = crew.shots(recipes_of(truth, data, EACH, (), settings_of("test", {})))
    found = []
    for nowhere in (False, True):
        joint = Joint(crew.targets(own, LIKELY), 0, crew)
        start = np.zeros(len(joint.longest))
        joint.at(start)
        if nowhere:
            held, joint.targets[1] = joint.targets[1], Nowhere(joint.targets[1])
            with pytest.raises(InputError, match="nowhere"):
                joint.at(start + 0.05)
            joint.targets[1] = held
        found.append([part.below.tobytes() for part in joint.at(start + 0.01).parts])
    assert found[0] == found[1]


@pytest.mark.parametrize("common", [(), ("crystal.cell",)], ids=["each", "common"])
def test_a_cell_is_held_at_first_as_slopes_say(common: tuple[str, ...]) -> None:
    """What holds it is a part of the misfit, of each shot's or of all; wrong slopes would end the way too early."""
    truth = shots(2, 24)
    data = [photons(each, seed) for seed, each in enumerate(truth)]
    crew = Crew(1, 1)
    free = EACH if common else [*EACH, "crystal.cell"]
    own = crew.shots(recipes_of(truth, data, free, common, settings_of("test", {})))
    shared = len(own[0].variables) - own[0].own
    held = Joint(crew.targets(own, MILD), shared, crew, leashed=True)
    every = [v.name for v in own[0].variables.items]
    every = (every[own[0].own :] if common else []) + every[: own[0].own] * 2
    cells = np.array([name.startswith("crystal.cell.") for name in every])
    assert cells.sum() == (4 if common else 8)
    x = np.where(cells, 0.4, 0.02)
    slopes = held.slopes(held.at(x))
    for i in range(len(x)):
        step = np.where(np.arange(len(x)) == i, 1e-4, 0.0)
        measured = (held.at(x + step).misfit - held.at(x - step).misfit) / 2e-4
        assert -2.0 * slopes.gradient[i] == pytest.approx(measured, rel=2e-3, abs=1e-4 * np.abs(slopes.gradient).max())


class Nowhere:
    """A target without a crystal."""

    def __init__(self, target: Any) -> None:
        self.level = target.level

    def at(self, _: np.ndarray) -> None:
        """Raise."""
        raise InputError("nowhere")


@pytest.mark.parametrize(
    ("who", "said"),
    [
        ({"workers": 0}, "workers: found 0"),
        ({"workers": 2, "scheduler": "tcp://x:1"}, "-workers and -scheduler: found both"),
    ],
)
def test_wrong_workers_are_named(who: dict[str, Any], said: str) -> None:
    """Before anything is read."""
    with pytest.raises(InputError, match=said):
        refine_shots(still(edge=8), [np.zeros((8, 8))], EACH, **who)


def test_columns_of_moves_are_those_one_by_one() -> None:
    """Panels are moved in six ways instead of one for each number, which must not change a column."""
    truth, data = detector_shots(2, shots=1, edge=24)
    names = [*DETECTOR, "detector.panels[1].shift"]
    shot = recipes_of(truth, data, EACH, names, settings_of("test", {}))[0].made(threads=1)
    model, point = shot.model, shot.model.start
    names = [name for name in shot.variables.names if name.startswith("detector.")]
    changes = list(tangents(choose(names, point), point))
    fewer = Fewer(changes)
    assert len(fewer.changes) == 6
    found = fewer.columns(render_jvp(point.scene, fewer.changes)[1].reshape(6, -1), np.repeat(np.arange(4), 24 * 24))
    for one, column in zip(changes, found, strict=True):
        alone = render_jvp(point.scene, [one])[1].ravel()
        assert np.linalg.norm(column - alone) < 1e-9 * np.linalg.norm(alone)
    assert len(model.columns(np.zeros(len(shot.variables)))) == len(shot.variables)


def test_mosaic_spread_and_wavelength_are_found() -> None:
    """From 0.12 instead of 0.2 degrees, and a wavelength off by more than the beam's whole width."""
    found = spread_refined(0)
    assert found["converged"]
    assert max(found["squares"]) < 16.0
    assert found["spread"] < 0.05
    assert found["centroid"] < 0.2
