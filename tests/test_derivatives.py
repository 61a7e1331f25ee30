"""Derivatives by what users say: exact, in their units, or refused in a sentence."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from nanobragg import (
    Around,
    Beam,
    Crystal,
    Detector,
    Experiment,
    InputError,
    Material,
    Move,
    Panel,
    Sampling,
    parse_words,
    resolve,
    simulate,
)
from nanobragg.derivatives import gradient, jacobian, parameters, with_values
from nanobragg.differentiation.fields import Parameter
from nanobragg.differentiation.names import choose
from nanobragg.differentiation.point import point_of
from nanobragg.differentiation.surroundings import moved_veil
from nanobragg.differentiation.systems import SYSTEMS
from nanobragg.differentiation.tangents import tangents
from nanobragg.maths.duals import Dual, cos, sin, sqrt
from nanobragg.records.scene_change import SceneChange
from nanobragg.rendering import derivatives as rendering
from nanobragg.rendering.derivatives import render_jvp

CRYSTAL = "-cell 55 65 75 80 95 100 -N 5 -misset 10 20 30 -detpixels 12 -pixel 1"
STILL = f"{CRYSTAL} -default_F 100 -lambda 1.2 -distance 80 -water 20 -oversample 2"
TURNED = (
    f"{CRYSTAL} -default_F 50 -energy 11000 -close_distance 70 -detector_rotx 3 -detector_roty -4 -detector_rotz 20 "
    "-twotheta 12 -phi 1 -osc 2 -phisteps 3 -mosaic 0.4 -mosaic_domains 4 -polar 0.9 -flux 1e12 -beamsize 0.2 "
    "-detector_thick 400 -detector_abs 300 -detector_thicksteps 3 -hdiv 3 -hdivsteps 2 -dispersion 2 -dispsteps 3 "
    "-gauss_xtal -fudge 10 -oversample 1"
)
BEAM = f"{CRYSTAL} -default_F 10 -Xbeam 5 -Ybeam 6.5 -distance 90 -round_xtal -oversample_omega -quirks none"
DENZO = f"{CRYSTAL} -default_F 10 -Xclose 5 -Yclose 6 -denzo -vdiv 2 -vdivsteps 2 -polar 0.5 -fluence 1e20"
XDS = f"{CRYSTAL} -default_F 10 -ORGX 5 -ORGY 6 -xds -distance 100 -curved_det -tophat_spots -fudge 1"
VECTORS = (
    f"{CRYSTAL} -default_F 20 -lambda 1.1 -distance 85 -fdet_vector 0 0.02 1 -sdet_vector 0.01 -1 0 "
    "-beam_vector 1 0.01 0.02 -polar_vector 0 0.1 1 -spindle_axis 0.05 0.1 1 -twotheta_axis 0.1 0 1 -twotheta 5 "
    "-phi 1 -osc 2 -phisteps 3 -polar 0.7 -hdiv 2 -hdivsteps 2 -flux 1e12 -exposure 0.1 -beamsize 0.05 -blocks 3 "
    "-water 10 -oversample 1 -quirks none"
)
PIX0 = f"{CRYSTAL} -default_F 20 -pix0_vector 0.085 0.007 -0.006 -detector_rotx 3 -oversample 1 -quirks none"
STOPPED = Experiment(
    crystal=Crystal(cell=(55, 65, 75, 80, 95, 100), cells=5, default_F=100),
    detector=Detector(shape=(12, 12), pixel_size=1, distance=80),
    around=Around(beamstop=4.0),
)
STEPS = (
    f"{CRYSTAL} -default_F 20 -lambda 1.1 -distance 85 -hdiv 3 -hdivstep 0.8 -vdivstep 1.2 -osc 2 -phistep 0.7 "
    "-oversample 1 -quirks none"
)
PANELS = Experiment(
    beam=Beam(wavelength=1.1, polarization=0.7),
    crystal=Crystal(cell=(55, 65, 75, 80, 95, 100), cells=5, misset=(10, 20, 30), default_F=100),
    detector=Detector(
        panels=(
            Panel(name="left", group="front", shape=(6, 8), pixel_size=(1.0, 1.5), origin=(80, 10, -8)),
            Panel(
                name="right",
                group="front",
                shape=(6, 8),
                pixel_size=1,
                origin=(82, 9, 2),
                fast_axis=(-0.2, 0.1, 1),
                attenuation_depth=200,
            ),
            Panel(
                name="back",
                shape=(7, 5),
                pixel_size=1.0,
                origin=(-60, 9, 2),
                slow_axis=(0.1, -1, 0.2),
                sensor_thickness=800,
            ),
        ),
        moves=(
            Move(panel="left", shift=(0.1, 0.2, 0.3), rotation=(1, 2, 3)),
            Move(group="front", rotation=(2, -1, 1), shift=(0, 0.1, 0), pivot=(70, 1, 2)),
            Move(panel="2", rotation=(0, 5, 0)),
        ),
        distance=70,
        beam_x=3,
        rotx=3,
        roty=-2,
        attenuation_depth=300,
        thickness=400,
    ),
    sampling=Sampling(oversample=2, oversample_omega=True),
)
NAMED = Experiment(
    crystal=PANELS.crystal,
    detector=Detector(name="EIGER2 1M", close_distance=70, orgx=500, orgy=250, twotheta=10, rotz=3),
    sampling=Sampling(oversample=1),
)
EXPERIMENTS = {
    "still": STILL,
    "turned": TURNED,
    "beam": BEAM,
    "denzo": DENZO,
    "xds": XDS,
    "vectors": VECTORS,
    "pix0": PIX0,
    "steps": STEPS,
    "panels": PANELS,
}
SCENES = {**EXPERIMENTS, "named": NAMED}


def experiment_of(said: str | Experiment) -> Experiment:
    """What a command line says."""
    return parse_words(said).experiment if isinstance(said, str) else said


def numbers_of(experiment: Experiment) -> list[str]:
    """Names of all single numbers that the image can be differentiated by."""
    names = []
    for name, parameter in parameters(experiment).items():
        names += [f"{name}[{i}]" for i in range(parameter.shape[0])] if len(parameter.shape) == 1 else [name]
    return [name for name in names if name != "crystal.structure_factors"]


def values_of(experiment: Experiment, names: list[str]) -> list[float]:
    """The numbers that have these names."""
    there = parameters(experiment)
    return [_value(there, name) for name in names]


def _value(there: Mapping[str, Parameter], name: str) -> float:
    return there[name].value if name in there else there[name[:-3]].value[int(name[-2])]


SAME_NAMES = (
    *("curved_distance", "beam_direction", "layers", "attenuation", "sensor_depth", "kahn_factor", "polarization_axis"),
    *(
        "orientations",
        "first_orientations",
        "cells",
        "cells_off_diagonal",
        "fudge",
        "reciprocal",
        "default_F",
        "background_sum",
        "background",
        "scale",
    ),
)


def scene_numbers(experiment: Experiment) -> dict[str, np.ndarray]:
    """The numbers of its Scene, as a SceneChange has them."""
    s = point_of(experiment).scene
    own = [(0.0, 0.0) if p.sensor is None else (p.sensor.attenuation, p.sensor.depth) for p in s.panels]
    panels = [
        [*p.origin, *p.fast, *p.slow, *p.normal, *p.pixel_size, p.area, p.close_distance, *sensor]
        for p, sensor in zip(s.panels, own, strict=True)
    ]
    return {
        "panels": np.array(panels),
        "sources": np.hstack([s.source_direction, s.source_wavelength[:, None], s.source_weight[:, None]]),
        **{name: np.asarray(getattr(s, name), dtype=float) for name in SAME_NAMES},
        "layers": np.concatenate([s.layers, *(p.sensor.layers for p in s.panels if p.sensor is not None)]),
    }


@pytest.mark.parametrize("words", SCENES.values(), ids=SCENES)
def test_scenes_change_with_every_number_as_differences_say(words: str | Experiment) -> None:
    """A wrong slope here would send a refinement astray, or make it slow without a word."""
    experiment = experiment_of(words)
    # What is not the detector's is the same with panels.
    part = "" if isinstance(words, str) else "detector"
    names = [n for n in numbers_of(experiment) if n.startswith(part)]
    point = point_of(experiment)
    now = scene_numbers(experiment)
    changes = tangents(choose(names, point), point)
    for name, value, change in zip(names, values_of(experiment, names), changes, strict=True):
        size = abs(value)
        # (The spread is rounded to single precision.)
        share = 0.2 if name == "crystal.mosaic_spread" else 1e-3
        steps = (share * size or share, share / 2 * size or share / 2)
        slopes = []
        for step in steps:
            more, less = (scene_numbers(with_values(experiment, {name: value + s})) for s in (step, -step))
            slopes.append({key: (more[key] - less[key]) / (2 * step) for key in now})
        for key, number in now.items():
            found = getattr(change, key)
            expected = (4 * slopes[1][key] - slopes[0][key]) / 3
            rounding = 1e-14 * float(np.abs(number).max(initial=0.0)) / steps[1]
            off = np.abs((np.zeros(number.shape) if found is None else found) - expected)
            limit = 1e-6 if name == "crystal.mosaic_spread" else 1e-10  # the spread is rounded to single precision
            assert off.max(initial=0.0) <= limit * float(np.abs(expected).max(initial=0.0)) + rounding, (name, key)


@pytest.mark.parametrize("words", EXPERIMENTS.values(), ids=EXPERIMENTS)
def test_columns_are_what_the_image_changes_by(words: str | Experiment) -> None:
    """In photons per unit of each field, all numbers at once."""
    experiment = experiment_of(words)
    names = numbers_of(experiment)
    image, columns = jacobian(experiment, names)
    assert image.dtype == columns.dtype == np.float64
    assert columns.shape == (len(names), *image.shape)
    simulated = simulate(experiment).data
    np.testing.assert_allclose(image, simulated, rtol=1e-6, atol=1e-7 * float(simulated.max()))
    for name, value, column in zip(names, values_of(experiment, names), columns, strict=True):
        if name == "crystal.mosaic_spread":
            continue  # it is rounded to single precision, which hides so small a step
        size = abs(value)
        step = 1e-7 * max(size, 1e-2)
        more, less = (exact_image(with_values(experiment, {name: value + s})) for s in (step, -step))
        expected = (more - less) / (2 * step)
        off = float(np.linalg.norm(column - expected))
        noise = 1e-10 * float(np.linalg.norm(image)) / step
        assert off <= 3e-5 * float(np.linalg.norm(expected)) + noise, name


def exact_image(experiment: Experiment) -> np.ndarray:
    """The image in double precision."""
    return render_jvp(resolve(experiment).scene, [])[0]


@pytest.mark.parametrize("words", EXPERIMENTS.values(), ids=EXPERIMENTS)
def test_a_gradient_is_the_weighted_sum_of_columns(words: str | Experiment) -> None:
    """Both ways to the same number: what one of them gets wrong, the other shows."""
    experiment = experiment_of(words)
    names = numbers_of(experiment)
    _, columns = jacobian(experiment, names)
    weights = np.random.default_rng(1).normal(size=columns.shape[1:])
    found = gradient(experiment, weights, names)
    for name, column in zip(names, columns, strict=True):
        expected, scale = float((weights * column).sum()), float(np.abs(weights * column).sum())
        assert abs(found[name] - expected) <= 1e-11 * scale, name
    everything = gradient(experiment, weights)
    assert list(everything) == list(parameters(experiment))
    np.testing.assert_array_equal(everything["crystal.misset"], [found[f"crystal.misset[{i}]"] for i in range(3)])


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("detector.panels[0].shift[1]", 5.0, {0: Move(panel="left", shift=(0.1, 5.0, 0.3), rotation=(1, 2, 3))}),
        (
            "detector.groups[front].shift",
            (1, 2, 3),
            {1: Move(group="front", rotation=(2, -1, 1), shift=(1, 2, 3), pivot=(70, 1, 2))},
        ),
        ("detector.panels[back].rotation[0]", 7.0, {2: Move(panel="2", rotation=(7.0, 5, 0))}),
        ("detector.panels[right].rotation[0]", 7.0, {3: Move(panel="right", rotation=(7.0, 0, 0))}),
    ],
)
def test_values_of_panels_go_into_their_moves(name: str, value: Any, expected: dict[int, Move]) -> None:
    """What refines a detector writes what it found into the experiment: in the move that is there, or in a new one."""
    moves = with_values(PANELS, {name: value}).detector.moves
    before = PANELS.detector.moves
    assert moves is not None
    assert before is not None
    assert len(moves) == max(len(before), *(number + 1 for number in expected))
    for number, move in enumerate(moves):
        assert vars(move) == vars(expected.get(number, before[min(number, 2)])), number


def test_panels_and_groups_are_told_apart_whatever_their_names() -> None:
    """A panel that is called 0 and is not the first took the place of the first one; and groups may have brackets."""
    panels = [replace(panel, name=name) for panel, name in zip(PANELS.detector.panels or (), "201", strict=True)]
    panels[2] = replace(panels[2], group="back[0]")
    experiment = replace(PANELS, detector=replace(PANELS.detector, panels=tuple(panels), moves=None))
    image, columns = jacobian(experiment, [f"detector.panels[{number}].shift[0]" for number in range(3)])
    for number, (column, size) in enumerate(zip(columns, (48, 48, 35), strict=True)):
        its = slice(48 * number, 48 * number + size)
        assert column[its].any()
        assert not np.delete(column, its).any()
        moves = with_values(experiment, {f"detector.panels[{number}].shift[0]": 1.0}).detector.moves
        assert moves is not None
        assert moves[-1].panel == "201"[number]
    found = gradient(experiment, np.ones(image.shape))
    shifts = [np.asarray(found[f"detector.panels[{number}].shift"])[0] for number in range(3)]
    np.testing.assert_allclose(shifts, columns.sum(axis=1), rtol=1e-11)
    (column,) = jacobian(experiment, ["detector.groups[back[0]].shift[0]"])[1]
    np.testing.assert_allclose(column, columns[2], rtol=1e-12)


def test_values_are_set_by_name() -> None:
    """One number, all of a field, those of a cell that are equal, and factors of a list."""
    experiment = experiment_of(f"{STILL} -cell 50 50 70 90 90 90")
    values = {
        "crystal.cell.tetragonal.a": 51.0,
        "crystal.misset": np.array([1, 2, 3]),
        "detector.distance": 99,
        "beam.fluence": 1e20,
    }
    found = with_values(experiment, values)
    assert found.crystal.cell == (51.0, 51.0, 70, 90, 90, 90)
    assert found.crystal.misset == (1.0, 2.0, 3.0)
    assert (found.detector.distance, found.beam.fluence) == (99.0, 1e20)
    assert with_values(experiment, {"crystal.misset[2]": 5, "crystal.misset[0]": 6}).crystal.misset == (6.0, 20.0, 5.0)
    grid = resolve(with_factors()).scene.f_grid
    doubled = resolve(with_values(with_factors(), {"crystal.structure_factors": 2 * grid})).scene
    np.testing.assert_array_equal(doubled.f_grid, 2 * grid)
    one = resolve(with_values(with_factors(), {"crystal.structure_factors[-9,-9,-8]": 3.0})).scene
    assert one.f_grid[0, 0, 1] == 3.0
    assert np.count_nonzero(one.f_grid != grid) == 1
    with pytest.raises(InputError, match=r"beam\.wavelength: found 'long', expected a number"):
        with_values(experiment, {"beam.wavelength": "long"})
    with pytest.raises(InputError, match="values: found None, expected a mapping of names to values"):
        with_values(experiment, None)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"crystal.misset: found values of shape \(2,\), expected \(3,\)"):
        with_values(experiment, {"crystal.misset": (1, 2)})
    with pytest.raises(InputError, match=r"-lambda \(beam.wavelength\): found inf"):
        with_values(experiment, {"beam.wavelength": math.inf})


def with_factors(**also: Any) -> Experiment:
    """A crystal with a few structure factors; all others are the default."""
    rng = np.random.default_rng(2)
    indices = [(h, k, l) for h in range(-9, 10) for k in range(-9, 10) for l in range(-9, 10) if (h + k + l) % 3]  # noqa: E741
    factors = np.column_stack([np.array(indices, float), rng.uniform(10, 100, len(indices))])
    experiment = experiment_of(f"{CRYSTAL} -default_F 7 -distance 80 -oversample 1")
    return replace(experiment, crystal=replace(experiment.crystal, structure_factors=factors, **also))


@pytest.mark.parametrize("interpolate", [False, True])
def test_structure_factors_have_derivatives_as_a_grid_and_one_by_one(interpolate: bool) -> None:
    """Also where they are interpolated, and the default of reflections that are not listed."""
    experiment = with_factors(interpolate=interpolate)
    scene = resolve(experiment).scene
    weights = np.ones(scene.image_shape)
    found = gradient(experiment, weights, ["crystal.structure_factors", "crystal.default_F"])
    grid = found["crystal.structure_factors"]
    assert isinstance(grid, np.ndarray)
    assert grid.shape == scene.f_grid.shape
    place = np.unravel_index(int(grid.argmax()), grid.shape)
    h, k, l = (int(i) + low for i, low in zip(place, scene.f_min, strict=True))  # noqa: E741
    _, columns = jacobian(experiment, [f"crystal.structure_factors[{h},{k},{l}]", "crystal.default_F"])
    assert columns[0].sum() == pytest.approx(grid.max(), rel=1e-11)
    assert columns[1].sum() == pytest.approx(found["crystal.default_F"], rel=1e-11)
    more, less = (exact_image(with_factors(interpolate=interpolate, default_F=7 + step)) for step in (1e-3, -1e-3))
    np.testing.assert_allclose(columns[1], (more - less) / 2e-3, rtol=1e-7, atol=1e-7 * float(columns[1].max()))


CELLS = {
    "triclinic": (55, 65, 75, 80, 95, 100),
    "monoclinic": (55, 65, 75, 90, 95, 90),
    "orthorhombic": (55, 65, 75, 90, 90, 90),
    "tetragonal": (55, 55, 75, 90, 90, 90),
    "rhombohedral": (55, 55, 55, 80, 80, 80),
    "hexagonal": (55, 55, 75, 90, 90, 120),
    "cubic": (55, 55, 55, 90, 90, 90),
}


@pytest.mark.parametrize("system", SYSTEMS)
def test_cells_of_all_crystal_systems_keep_their_shape(system: str) -> None:
    """A tetragonal cell is refined by a and c: what moves one of two equal edges alone would break its symmetry."""
    still = experiment_of(f"{CRYSTAL} -default_F 10 -distance 80 -oversample 1")
    experiment = replace(still, crystal=replace(still.crystal, cell=CELLS[system]))
    free = SYSTEMS[system]
    _, columns = jacobian(experiment, [f"crystal.cell.{system}.{name}" for name in free])
    _, single = jacobian(experiment, [f"crystal.cell[{i}]" for i in range(6)])
    for column, numbers in zip(columns, free.values(), strict=True):
        np.testing.assert_allclose(column, single[list(numbers)].sum(axis=0), rtol=1e-9, atol=1e-12 * single.max())


@pytest.mark.parametrize("said", [(55.0,), (55.0, 55.0, 55.0), (55.0, 0.0, 55.0, 0.0, 0.0, 0.0)])
def test_free_numbers_of_a_cell_need_not_be_said(said: tuple[float, ...]) -> None:
    """A cell may be said by its edges; an angle that is refined then starts at 90 degrees, and ended in a TypeError or
    had a column of zeros.
    """
    still = experiment_of(f"{CRYSTAL} -default_F 10 -distance 80 -oversample 1")
    short, whole = (replace(still, crystal=replace(still.crystal, cell=cell)) for cell in (said, CELLS["cubic"]))
    free = [f"crystal.cell.{system}.{name}" for system in ("triclinic", "rhombohedral") for name in SYSTEMS[system]]
    image, columns = jacobian(whole, free)
    np.testing.assert_allclose(jacobian(short, free)[1], columns, rtol=1e-9, atol=1e-12 * columns.max())
    # Beside a number that is said, whose followers go with it.
    _, (first, angle) = jacobian(short, ["crystal.cell[0]", "crystal.cell.monoclinic.beta"])
    _, (alone,) = jacobian(short, ["crystal.cell[0]"])
    np.testing.assert_allclose(first, alone, rtol=1e-9, atol=1e-12 * columns.max())
    np.testing.assert_allclose(angle, columns[4], rtol=1e-9, atol=1e-12 * columns.max())
    weights = np.ones(image.shape)
    found, expected = (gradient(one, weights, free) for one in (short, whole))
    assert list(found.values()) == pytest.approx(list(expected.values()), rel=1e-9)
    both = {"crystal.cell[0]": 56.0, "crystal.cell.monoclinic.beta": 91.0}
    edges = [56.0 if i == 0 or i >= len(said) or said[i] == 0.0 else said[i] for i in range(3)]
    for values in (both, dict(reversed(both.items()))):
        assert with_values(short, values).crystal.cell == (*edges, 90.0, 91.0, 90.0)


def test_a_region_of_interest_is_that_part_of_the_image() -> None:
    """Shoeboxes around spots are what refinement looks at."""
    experiment = experiment_of(STILL)
    image, columns = jacobian(experiment, ["detector.distance"], roi=(2, 6, 3, 9))
    whole, all_columns = jacobian(experiment, ["detector.distance"])
    np.testing.assert_array_equal(image[3:10, 2:7], whole[3:10, 2:7])
    np.testing.assert_array_equal(columns[0, 3:10, 2:7], all_columns[0, 3:10, 2:7])
    assert image.sum() == pytest.approx(whole[3:10, 2:7].sum())


def test_a_region_of_interest_is_of_the_panels_that_are_rendered() -> None:
    """Others came back with it: whoever refines one panel in shoeboxes had the pixels of all."""
    one = replace(PANELS, detector=replace(PANELS.detector, rendered="right"))
    names = ["crystal.misset[0]", "detector.distance"]
    image, columns = jacobian(one, names, roi=(1, 4, 2, 3))
    whole, all_columns = jacobian(PANELS, names, roi=(1, 4, 2, 3))
    right = slice(48, 96)
    np.testing.assert_array_equal(image[right], whole[right])
    np.testing.assert_array_equal(columns[:, right], all_columns[:, right])
    assert np.count_nonzero(image) == np.count_nonzero(image[right]) == 8


@pytest.mark.parametrize("words", EXPERIMENTS.values(), ids=EXPERIMENTS)
def test_chosen_pixels_are_those_of_the_whole_image(words: str) -> None:
    """Shoeboxes of a large image, at the price of their pixels."""
    experiment = experiment_of(words)
    names = ["crystal.misset[0]", "crystal.cells[1]"]
    whole, all_columns = jacobian(experiment, names)
    chosen = np.random.default_rng(3).random(whole.shape) < 0.4
    image, columns = jacobian(experiment, names, pixels=chosen)
    np.testing.assert_array_equal(image, whole[chosen])
    np.testing.assert_array_equal(columns, all_columns[:, chosen])
    weights = np.random.default_rng(4).random(len(image))
    found = gradient(experiment, weights, names, pixels=chosen)
    np.testing.assert_allclose(list(found.values()), columns @ weights, rtol=1e-9, atol=1e-11 * np.abs(columns).max())
    sparse = np.zeros(whole.shape)
    sparse[chosen] = weights
    assert gradient(experiment, sparse, names) == found
    nothing, none = jacobian(experiment, names, pixels=np.zeros_like(chosen))
    assert nothing.shape == (0,)
    assert none.shape == (2, 0)


def test_long_sweeps_are_made_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C ends them and a bar moves; columns are the same bit for bit, sums but for their last digits."""
    experiment = replace(experiment_of(STILL), detector=replace(experiment_of(STILL).detector, roi=(1, 9, 2, 10)))
    names = ["crystal.misset[0]", "detector.distance", "crystal.default_F"]
    weights = np.random.default_rng(3).normal(size=(12, 12))
    chosen = weights > 0
    image, columns = jacobian(experiment, names)
    slopes = gradient(experiment, weights, names)
    seen: list[float] = []
    monkeypatch.setattr(rendering, "PIECE", 300.0)
    pieces = jacobian(experiment, names, progress=seen.append)
    np.testing.assert_array_equal(pieces[0], image)
    np.testing.assert_array_equal(pieces[1], columns)
    assert len(seen) > 3
    assert seen == sorted(seen)
    assert seen[-1] == 1.0
    seen.clear()
    for name, slope in gradient(experiment, weights, names, progress=seen.append).items():
        assert slope == pytest.approx(slopes[name], rel=1e-12)
    assert len(seen) > 3
    np.testing.assert_array_equal(jacobian(experiment, names, pixels=chosen)[1], columns[:, chosen])

    def stop(fraction: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        jacobian(experiment, names, progress=stop)


def test_images_of_many_rows_have_columns_to_the_last() -> None:
    """One thread took thousands of pieces of rows with memory that each of them had made a little smaller."""
    experiment = experiment_of("-cell 50 60 70 90 90 90 -N 3 -default_F 10 -fluence 1e20 -detpixels 1200 -oversample 1")
    image, (column,) = jacobian(experiment, ["beam.fluence"], threads=1)
    np.testing.assert_allclose(column, image / 1e20, rtol=1e-12)


@pytest.mark.parametrize(
    ("words", "name", "sentence"),
    [
        (STILL, "detector.nonsense", "detector.nonsense: found no parameter of this name, expected one of beam"),
        (STILL, "crystal.misset", "crystal.misset: found 3 numbers, expected one of them, such as crystal.misset[0]"),
        (STILL, "crystal.misset[3]", "crystal.misset[3]: found an index that is outside"),
        (STILL, "beam.wavelength[0]", "expected beam.wavelength without an index"),
        (STILL, "beam.energy", "beam.energy: found that the image of this experiment does not depend on it"),
        (STILL, "crystal.cell.cubic.a", "found the cell 55 65 75 80 95 100, expected a cubic one"),
        (STILL, "crystal.cell.cubic.c", "crystal.cell.cubic.c: found no such number of a cell"),
        (STILL, "beam.wavelength.cubic.a", "expected it after crystal.cell"),
        (f"{STILL} -oversample_omega", "beam.wavelength", "multiply the running sum"),
        (STILL, "around.materials[0].thickness", "around.materials[0].thickness: found no parameter of this name"),
        (f"{STILL} -misset random", "beam.wavelength", "found 'random' without a seed"),
        (PANELS, "detector.panels[3].shift[0]", "detector.panels[3].shift[0]: found no parameter of this name"),
        (
            PANELS,
            "detector.panels[0].shift",
            "found 3 numbers, expected one of them, such as detector.panels[0].shift[0]",
        ),
        (PANELS, "detector.panels[0]", "detector.panels[0]: found no parameter of this name, expected one of beam"),
        (f"{STILL} -phi 0 -osc 1 -phisteps 3", "sampling.phi", "sampling.phi: found that the image"),
        (STEPS, "sampling.oscillation", "sampling.oscillation: found that the image of this experiment does not"),
        (
            replace(PANELS, beam=replace(PANELS.beam, sources=np.ones((2, 5)), dispersion=1.0)),
            "beam.dispersion",
            "beam.dispersion: found that the image of this experiment does not",
        ),
        (
            replace(STOPPED, around=replace(STOPPED.around, beamstop_penumbra=0.0)),
            "around.beamstop",
            "around.beamstop: found that the image of this experiment does not",
        ),
    ],
)
def test_what_there_is_not_is_refused_in_a_sentence(words: str | Experiment, name: str, sentence: str) -> None:
    """Rather than by a column of zeros."""
    with pytest.raises(InputError) as caught:
        jacobian(experiment_of(words), [name])
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


SURROUNDED = replace(
    experiment_of(f"{STILL} -fluence 1e26 -detector_thick 400 -detector_abs 300"),
    around=Around(
        materials=(Material(name="water", thickness=0.2), Material(name="air", thickness=50, density=1.1e-3)),
        flight_path="air",
        flight_start=20.0,
        beamstop=4.0,
        beamstop_penumbra=2.0,
        shadow=np.linspace(0.5, 1.0, 144).reshape(12, 12),
    ),
)


def test_what_is_around_the_crystal_is_in_image_columns_and_gradient() -> None:
    """A background that is fitted with the spots: its thickness, density and weight, and what stands before spots."""
    names = [name for name in numbers_of(SURROUNDED) if not name.startswith("crystal.structure")]
    expected = ["beam.fluence", "crystal.misset[0]", "around.materials[0].thickness", "around.materials[1].density"]
    assert set(expected) <= set(names)
    names = [name for name in names if not name.startswith(("detector", "beam.w", "beam.p", "around.b"))]  # see below
    image, columns = jacobian(SURROUNDED, names)
    simulated = simulate(SURROUNDED).data
    np.testing.assert_allclose(image, simulated, rtol=1e-6, atol=1e-7 * float(simulated.max()))
    for name, value, column in zip(names, values_of(SURROUNDED, names), columns, strict=True):
        step = 1e-2 * max(abs(value), 1e-2) if name == "beam.fluence" else 1e-5 * max(abs(value), 1e-2)
        more, less = (jacobian(with_values(SURROUNDED, {name: value + s}), [])[0] for s in (step, -step))
        off = float(np.linalg.norm(column - (more - less) / (2 * step)))
        assert off <= 1e-7 * float(np.linalg.norm(column)) + 1e-14 * float(np.linalg.norm(image)) / step, name
    weights = np.random.default_rng(1).normal(size=image.shape)
    chosen = weights > 0
    for pixels, of_pixels in ((None, np.ones_like(chosen)), (chosen, chosen)):
        own = weights if pixels is None else weights[pixels]
        found = gradient(SURROUNDED, own, names, pixels=pixels)
        for name, column in zip(names, columns, strict=True):
            products = (weights * column)[of_pixels]
            assert found[name] == pytest.approx(products.sum(), abs=1e-11 * float(np.abs(products).sum())), name
    np.testing.assert_array_equal(jacobian(SURROUNDED, names, pixels=chosen)[1], columns[:, chosen])


def test_no_light_has_derivatives_with_something_around() -> None:
    """A fit that tries a fluence of 0 stopped in a division; by the fluence itself there is a sentence."""
    dark = replace(SURROUNDED, beam=replace(SURROUNDED.beam, fluence=0.0))
    image, columns = jacobian(dark, ["detector.distance", "around.materials[0].thickness"])
    assert not image.any()
    assert not columns.any()
    with pytest.raises(InputError, match=r"-fluence \(beam.fluence\): found 0 with something around the crystal"):
        gradient(dark, np.ones(image.shape))


@pytest.mark.parametrize("around", [Around(), SURROUNDED.around])
def test_weights_of_pixels_that_are_not_rendered_do_not_count(around: Around) -> None:
    """Masked pixels of measured images are often NaN, and so are weights made of them; with something around the
    crystal that was the gradient as well.
    """
    mask = np.ones((12, 12))
    mask[3:5, 2:9] = 0
    detector = replace(SURROUNDED.detector, mask=mask, roi=(1, 10, 0, 11))
    experiment = replace(SURROUNDED, detector=detector, around=around)
    weights = np.random.default_rng(2).normal(size=(12, 12))
    out = mask == 0
    out[:, [0, 11]] = True
    expected = gradient(experiment, np.where(out, 0.0, weights))
    for pixels in (None, np.ones((12, 12), bool)):
        nowhere = np.where(out, np.nan, weights)
        found = gradient(experiment, nowhere if pixels is None else nowhere[pixels], pixels=pixels)
        for name, slope in found.items():
            np.testing.assert_allclose(slope, expected[name], rtol=1e-12)


AROUND_ALONE = replace(
    SURROUNDED,
    beam=replace(SURROUNDED.beam, horizontal_divergence=4.0, horizontal_divergence_steps=2, polarization=0.7),
    crystal=replace(SURROUNDED.crystal, default_F=1e-20, water=0.0),
)


@pytest.mark.parametrize(
    "experiment",
    [
        AROUND_ALONE,
        replace(
            AROUND_ALONE,
            beam=replace(AROUND_ALONE.beam, fluence=None, flux=1e18, size=0.5),
            around=replace(AROUND_ALONE.around, beamstop_penumbra=None),
        ),
        replace(
            AROUND_ALONE,
            around=replace(AROUND_ALONE.around, beamstop_shape="square", flight_path="helium"),
            detector=replace(AROUND_ALONE.detector, rotx=3.0),  # no pixel on the stop's diagonals
        ),
        replace(
            AROUND_ALONE,
            beam=replace(AROUND_ALONE.beam, fluence=None, flux=1e18),  # nobody says its size
            detector=replace(AROUND_ALONE.detector, curved=True, thickness=None),
        ),
        replace(
            AROUND_ALONE,
            beam=replace(AROUND_ALONE.beam, direction=(1.0, 0.02, -0.01), polarization_axis=(0.0, 0.1, 1.0)),
            detector=replace(AROUND_ALONE.detector, fast_axis=(0.0, 0.02, 1.0), slow_axis=(0.01, -1.0, 0.0)),
        ),
    ],
)
def test_what_is_around_moves_with_beam_and_detector(experiment: Experiment) -> None:
    """Columns of the background alone, against differences of the same formulas, which give the image; and the
    gradient.
    """

    def background(one: Experiment) -> np.ndarray:
        point = point_of(one, around=True)
        assert point.surroundings is not None
        return moved_veil(SceneChange(), point.scene, point.surroundings, one)[1].real

    np.testing.assert_allclose(background(experiment), jacobian(experiment, [])[0], rtol=1e-12)
    names = [name for name in numbers_of(experiment) if name.startswith(("detector", "beam", "around"))]
    assert {"beam.wavelength", "beam.polarization", "detector.distance", "detector.rotx"} <= set(names)
    assert {"around.flight_start", "around.beamstop", "around.beamstop_distance"} <= set(names)
    assert ("around.beamstop_penumbra" in names) == (experiment.around.beamstop_penumbra is not None)
    image, columns = jacobian(experiment, names)
    weights = np.random.default_rng(1).normal(size=image.shape)
    found = gradient(experiment, weights, names)
    for name, value, column in zip(names, values_of(experiment, names), columns, strict=True):
        step = 1e-5 * (abs(value) if name in ("beam.fluence", "beam.flux") else max(abs(value), 1e-2))
        moved = [background(with_values(experiment, {name: value + s})) for s in (step, -step, 2 * step, -2 * step)]
        once, twice = (moved[0] - moved[1]) / (2 * step), (moved[2] - moved[3]) / (4 * step)
        noise = 1e-14 * float(np.linalg.norm(image)) / step
        smooth = np.abs(once - twice) <= 1e-6 * np.abs(once).max() + noise  # no edge of the stop, no point of a profile
        off = np.linalg.norm((column - once)[smooth])
        assert smooth.mean() > 0.6, name
        assert off <= 1e-7 * np.linalg.norm(once) + noise, name
        products = weights * column
        assert found[name] == pytest.approx(products.sum(), abs=1e-11 * float(np.abs(products).sum())), name


@pytest.mark.parametrize(("size", "alike"), [(1e2, False), (1e18, True)])
def test_mixed_is_double_where_numbers_have_no_room_in_a_float(size: float, alike: bool) -> None:
    """Squares of F = 1e18 have none; weights of any size are taken over the largest."""
    indices = np.array(list(itertools.product(range(-9, 10), repeat=3)), float)
    factors = np.column_stack([indices, np.full(len(indices), size)])
    experiment = experiment_of(STILL)
    experiment = replace(experiment, crystal=replace(experiment.crystal, structure_factors=factors))
    names = ["crystal.misset[0]", "detector.distance"]
    image, columns = jacobian(experiment, names)
    found, mixed = jacobian(experiment, names, precision="mixed")
    assert np.array_equal(found, image) == np.array_equal(mixed, columns) == alike
    assert np.linalg.norm(mixed - columns) <= 1e-5 * np.linalg.norm(columns)
    for scale in (1e-60, 1e60):
        slopes = gradient(experiment, np.full(image.shape, scale), names, precision="mixed")
        for name, column in zip(names, columns, strict=True):
            assert slopes[name] == pytest.approx(scale * column.sum(), abs=1e-6 * scale * np.abs(column).sum())


def test_weights_precision_and_device_are_checked() -> None:
    """Each is named."""
    experiment = experiment_of(STILL)
    with pytest.raises(InputError, match=r"weights: found an array of shape \(3, 4\), expected the image's"):
        gradient(experiment, np.ones((3, 4)), ["beam.wavelength"])
    with pytest.raises(InputError, match="precision: found single, expected double or mixed"):
        jacobian(experiment, ["beam.wavelength"], precision="single")
    with pytest.raises(InputError, match="device: found 'gpu', expected cpu, cuda, cuda:NUMBER or auto"):
        jacobian(experiment, ["beam.wavelength"], device="gpu")
    with pytest.raises(
        InputError, match=r"pixels: found an array of shape \(3,\) of int64, expected bool in the image"
    ):
        jacobian(experiment, ["beam.wavelength"], pixels=np.arange(3))
    with pytest.raises(InputError, match="names: found the text"):
        jacobian(experiment, "beam.wavelength")


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ({"names": 5}, "names: found 5, expected a list of names"),
        ({"names": ["beam.wavelength", None]}, "names: found None among them, expected texts"),
        ({"weights": "abc"}, "weights: found an array of <U3, expected real numbers in the image's shape"),
        ({"weights": [[1, 2], [3]]}, "weights: found no array of numbers, expected real numbers in the image's shape"),
        ({"weights": np.ones((12, 12), complex)}, "weights: found an array of complex128, expected real numbers"),
        ({"roi": (0, 3)}, "roi: found (0, 3), expected four whole numbers"),
        ({"roi": (0, 3, 0, math.nan)}, "roi: found (0, 3, 0, nan), expected four whole numbers"),
        ({"threads": -1}, "threads: found -1, expected a positive number, or 0 for all processors"),
        ({"threads": 1.5}, "threads: found 1.5, expected a positive number, or 0 for all processors"),
        ({"precision": None}, "precision: found None, expected double or mixed"),
    ],
)
def test_arguments_of_another_kind_are_named(said: dict[str, Any], sentence: str) -> None:
    """Not by a traceback of NumPy or of the extension's."""
    arguments: dict[str, Any] = {"names": ["beam.wavelength"], "weights": np.ones((12, 12)), **said}
    with pytest.raises(InputError) as caught:
        gradient(experiment_of(STILL), **arguments)
    assert str(caught.value).startswith(sentence)
    if "weights" not in said:
        del arguments["weights"]
        with pytest.raises(InputError) as caught:
            jacobian(experiment_of(STILL), **arguments)
        assert str(caught.value).startswith(sentence)


def test_names_may_be_made_on_the_way() -> None:
    """Whoever writes ``(f"crystal.misset[{i}]" for i in range(3))`` gets three columns, not an empty array."""
    experiment, names = experiment_of(STILL), [f"crystal.misset[{i}]" for i in range(3)]
    image, columns = jacobian(experiment, (name for name in names))
    np.testing.assert_array_equal(columns, jacobian(experiment, names)[1])
    assert list(gradient(experiment, np.ones(image.shape), iter(names))) == names


def test_any_number_of_threads_will_do() -> None:
    """Tens of thousands, which a typing error or another program's setting may say, ended the process."""
    experiment, names = experiment_of(STILL), ["crystal.misset[0]"]
    image, columns = jacobian(experiment, names)
    for threads in (100_000, 10**30):
        np.testing.assert_array_equal(jacobian(experiment, names, threads=threads)[1], columns)
    weights = np.ones(image.shape)
    assert gradient(experiment, weights, names, threads=100_000) == gradient(experiment, weights, names)


@pytest.mark.parametrize("words", [STILL, TURNED, BEAM, XDS, PANELS], ids=["still", "turned", "beam", "xds", "panels"])
def test_a_device_differentiates_as_the_cpu_does(words: str | Experiment, gpu: str) -> None:
    """Whoever has a GPU gets the same image, columns and gradient from it, in whatever precision."""
    experiment = experiment_of(words)
    names = numbers_of(experiment)[:: 5 if gpu == "emulated" else 1]
    image, columns = jacobian(experiment, names)
    there, columns_there = jacobian(experiment, names, device="cuda", precision="mixed")
    assert np.linalg.norm(there - image) <= 1e-11 * np.linalg.norm(image)
    for column, expected in zip(columns_there, columns, strict=True):
        assert np.linalg.norm(column - expected) <= 1e-8 * np.linalg.norm(expected)
    weights = np.random.default_rng(5).normal(size=image.shape)
    slopes = gradient(experiment, weights, names, device="cuda:0")
    for name, column in zip(names, columns, strict=True):
        product = weights * column
        assert slopes[name] == pytest.approx(product.sum(), abs=1e-8 * np.abs(product).sum())
    chosen = weights > 0.5
    np.testing.assert_array_equal(
        jacobian(experiment, names, device="cuda", pixels=chosen)[1], columns_there[:, chosen]
    )


def test_structure_factors_are_differentiated_on_a_device(gpu: str) -> None:
    """One after the other, and all in a grid, as on the CPU."""
    experiment = with_factors()
    name = "crystal.structure_factors[1,2,3]"
    image, columns = jacobian(experiment, [name])
    there = jacobian(experiment, [name], device="cuda")
    np.testing.assert_allclose(there[1], columns, rtol=1e-10, atol=1e-12 * np.abs(columns).max())
    weights = np.random.default_rng(5).normal(size=image.shape)
    on_cpu = np.asarray(gradient(experiment, weights, ["crystal.structure_factors"])["crystal.structure_factors"])
    found = gradient(experiment, weights, ["crystal.structure_factors"], device="cuda")
    np.testing.assert_allclose(found["crystal.structure_factors"], on_cpu, rtol=0, atol=1e-11 * np.abs(on_cpu).max())


def test_long_sweeps_on_a_device_are_made_in_pieces(gpu: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C ends them and a bar moves."""
    experiment, names = experiment_of(STILL), ["crystal.misset[0]", "detector.distance"]
    image, columns = jacobian(experiment, names, device="cuda")
    seen: list[float] = []
    monkeypatch.setattr(rendering, "DEVICE_PIECE", 200.0)
    pieces = jacobian(experiment, names, device="cuda", progress=seen.append)
    np.testing.assert_array_equal(pieces[0], image)
    np.testing.assert_array_equal(pieces[1], columns)
    assert len(seen) > 3


def test_parameters_say_what_they_are() -> None:
    """With units, values where nothing is said, and what they are smooth in."""
    found = parameters(experiment_of(f"{STILL} -misset 0 0 0"))
    wavelength = found["beam.wavelength"]
    assert (wavelength.value, wavelength.unit, wavelength.shape) == (1.2, "Å", ())
    assert wavelength.smoothness == "piecewise smooth"
    assert "half-integer" in wavelength.why
    assert found["crystal.misset"].value == (0.0, 0.0, 0.0)
    assert found["beam.fluence"].smoothness == "smooth"
    assert "crystal.fudge" not in found  # it says nothing about square crystals
    assert "detector.beam_x" not in found  # said, it would move the pivot
    assert not {"beam.exposure", "beam.direction", "detector.pix0"} & set(found)  # which say nothing here
    of_flux = parameters(experiment_of(f"{STILL} -flux 1e12"))
    assert (of_flux["beam.exposure"].value, of_flux["beam.size"].value, of_flux["beam.size"].unit) == (1.0, 0.1, "mm")
    of_steps = parameters(experiment_of(f"{XDS} -mosaic 1"))
    for name in ("crystal.misset", "crystal.cells", "crystal.fudge", "crystal.mosaic_spread", "detector.distance"):
        assert of_steps[name].smoothness == "piecewise smooth"
        assert "steps" in of_steps[name].why
    assert of_steps["beam.fluence"].smoothness == "smooth"
    # Layers stand deeper in a thicker sensor, and see other indices.
    assert "half-integer" in parameters(experiment_of(TURNED))["detector.thickness"].why


def test_interpolated_structure_factors_have_kinks_at_whole_indices() -> None:
    """A symmetric detector may have pixels just there: the column is the slope to one side, and parameters say so."""
    experiment = with_factors(interpolate=True, misset=(0, 0, 0), cell=(55, 65, 75, 90, 90, 90), cells=2)
    detector = replace(experiment.detector, beam_x=5.5, beam_y=5.5, convention="denzo")
    experiment = replace(experiment, detector=detector)
    image, (column,) = jacobian(experiment, ["crystal.misset[0]"])
    sides = [(exact_image(with_values(experiment, {"crystal.misset[0]": s})) - image) / s for s in (1e-6, -1e-6)]
    kinks = np.abs(sides[0] - sides[1]) > 0.01 * np.abs(column).max()
    assert kinks.any()
    nearest = np.minimum(*(np.abs(side - column) for side in sides))
    assert nearest.max() < 1e-4 * np.abs(column).max()
    assert "whole indices" in parameters(experiment)["crystal.misset"].why


def test_dual_numbers_are_differentiated_as_their_formulas() -> None:
    """What the resolver's arithmetic is made of; and nothing takes one for a plain number."""
    x, y = Dual(0.7, (1.0, 0.0)), Dual(-1.3, (0.0, 1.0))
    found = 2 / (x * y) - sin(x) * cos(y) + sqrt(x + 3) ** 3 - abs(y) + (1 - x) / y - -x
    assert found.value == pytest.approx(
        2 / (0.7 * -1.3) - math.sin(0.7) * math.cos(-1.3) + math.sqrt(3.7) ** 3 - 1.3 + 0.3 / -1.3 + 0.7
    )
    by_x = -2 / (0.7**2 * -1.3) - math.cos(0.7) * math.cos(-1.3) + 1.5 * math.sqrt(3.7) - 1 / -1.3 + 1
    by_y = -2 / (0.7 * 1.3**2) + math.sin(0.7) * math.sin(-1.3) + 1 - 0.3 / 1.3**2
    assert found.slopes == pytest.approx((by_x, by_y))
    assert Dual(0.0, (1.0,)) != 0.0
    assert Dual(0.0, (0.0,)) == 0.0
    with pytest.raises(TypeError):
        math.sin(x)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        np.array([x], dtype=np.float64)
