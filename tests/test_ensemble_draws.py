"""What an ensemble draws (``specs/ensembles.md``): the distributions that it says, and one shot i whatever else."""

from __future__ import annotations

import math
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import jsonschema
import numpy as np
import pytest

from nanobragg import Ensemble, InputError, Scene, simulate
from nanobragg.cli import main
from nanobragg.ensemble import schema
from nanobragg.ensemble.distributions import (
    Choice,
    LogNormal,
    Normal,
    Orientations,
    Poisson,
    Range,
    Rows,
    Sweep,
    Uniform,
)
from nanobragg.ensemble.kinds import KINDS
from nanobragg.ensemble.randomness import Randomness
from nanobragg.ensemble.spectrum import Spikes, mean_wavelength

EXPERIMENT = """
quirks = "none"
[beam]
wavelength = 1.0
fluence = 1e26
[crystal]
cell = [60, 70, 80, 90, 90, 90]
cells = 12
default_F = 100
water = 1.0
[detector]
shape = [48, 40]
pixel_size = 1.0
distance = 100
[sampling]
oversample = 1
"""


@pytest.fixture
def ensemble(tmp_path: Path) -> Callable[..., Ensemble]:
    """An ensemble of the lines that come after ``[ensemble]``."""

    def make(text: str, experiment: str = EXPERIMENT, shots: int = 10) -> Ensemble:
        path = tmp_path / "set.toml"
        path.write_text(f"{experiment}\n[ensemble]\nshots = {shots}\n{text}\n", encoding="utf-8")
        return Ensemble(path, threads=1)

    return make


# ---- distributions ----------------------------------------------------------------------------------------

MANY = 4000


def drawn(distribution: Any) -> np.ndarray:
    """Values of many shots."""
    return np.array([distribution.draw(Randomness(5, shot), "crystal.cells") for shot in range(MANY)], float)


def _phi(z: float) -> float:
    return math.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi)


def _cumulated(z: float) -> float:
    return 0.5 * math.erfc(-z / math.sqrt(2.0))


def _truncated_moments(a: float, b: float) -> tuple[float, float]:
    """Mean and variance of a normal deviate between a and b."""
    z = _cumulated(b) - _cumulated(a)
    mean = (_phi(a) - _phi(b)) / z
    return mean, 1.0 + (a * _phi(a) - b * _phi(b)) / z - mean**2


_LOW, _VARIANCE = _truncated_moments(-1.0, 0.5)


@pytest.mark.parametrize(
    ("distribution", "mean", "variance"),
    [
        (Uniform(2.0, 5.0), 3.5, 9.0 / 12.0),
        (Range(3, 7), 5.0, (5**2 - 1) / 12.0),
        (Normal(200.0, 5.0), 200.0, 25.0),
        (Normal(10.0, 2.0, least=8.0, most=11.0), 10.0 + 2.0 * _LOW, 4.0 * _VARIANCE),
        (LogNormal(40.0, 10.0), 40.0, 100.0),
        (Poisson(2.5), 2.5, 2.5),
        (Poisson(60.0), 60.0, 60.0),
        (Choice((1.0, 2.0, 4.0), (1.0, 1.0, 2.0)), 2.75, 0.25 * 1 + 0.25 * 4 + 0.5 * 16 - 2.75**2),
        (Rows((1.0, 2.0, 6.0), True, "t.csv"), 3.0, 14.0 / 3.0),
    ],
    ids=lambda value: repr(value) if not isinstance(value, float) else "",
)
def test_distributions_have_their_moments(distribution: Any, mean: float, variance: float) -> None:
    """Whoever asks for a mean and an rms trains on them."""
    values = drawn(distribution)
    assert abs(values.mean() - mean) < 5.0 * math.sqrt(variance / MANY)
    # The variance of a variance is (kurtosis - 1)/n; that of the widest one here is 5.
    assert abs(values.var() - variance) < 5.0 * variance * math.sqrt(5.0 / MANY)
    assert np.abs(np.corrcoef(values[1:], values[:-1])[0, 1]) < 5.0 / math.sqrt(MANY)


def test_limits_hold_far_out_in_the_tails() -> None:
    """Rare values are what limits are for: twenty rms from the mean, on either side, there are still some."""
    for distribution in (Normal(0.0, 1.0, 20.0, 21.0), Normal(0.0, 1.0, -21.0, -20.0), LogNormal(1.0, 0.5, 5.0, 6.0)):
        values = drawn(distribution)
        assert values.min() >= distribution.least
        assert values.max() <= distribution.most
        assert len(set(values.tolist())) > MANY // 2
    # Beyond a the mean of a normal tail is a + 1/a - 2/a³.
    assert drawn(Normal(0.0, 1.0, 20.0, 21.0)).mean() == pytest.approx(20.0 + 1 / 20.0 - 2 / 20.0**3, abs=0.005)


def test_an_rms_of_nearly_nothing_is_none() -> None:
    """Beside the mean it vanishes, and its logarithm's width is 0."""
    for rms in (5e-324, 1e-200):
        assert set(drawn(LogNormal(8.0, rms, 3.0, 20.0)).tolist()) == {8.0}
        assert drawn(Normal(8.0, rms, 3.0, 20.0)).mean() == pytest.approx(8.0)


def test_orientations_are_uniform() -> None:
    """Every direction of the crystal is as likely: the cosines of an axis are uniform, and so is its mean square."""
    from nanobragg.maths.constants import DEGREES
    from nanobragg.maths.vectors import rotate

    axes = []
    for shot in range(1500):
        angles = Orientations().draw(Randomness(0, shot), "crystal.misset")
        axes.append(
            [rotate((axis[0], axis[1], axis[2]), *(a / DEGREES for a in angles)) for axis in np.eye(3).tolist()]
        )
    cosines = np.array(axes)
    assert np.abs(cosines.mean(axis=0)).max() < 5.0 * math.sqrt(1 / 3 / 1500)
    assert np.abs((cosines**2).mean(axis=0) - 1 / 3).max() < 5.0 * math.sqrt(4 / 45 / 1500)


def test_sweeps_and_lists_go_on_from_shot_to_shot(ensemble: Callable[..., Ensemble]) -> None:
    """A rotation series is a sweep; lists begin again."""
    found = ensemble("[ensemble.sampling]\nphi = { start = 10, step = 0.5 }\n[ensemble.crystal]\ncells = {list=[5, 7]}")
    assert [found.draw(i).parameters["sampling.phi"] for i in range(3)] == [10.0, 10.5, 11.0]
    assert [found.draw(i).of_crystals[0]["crystal.cells"] for i in range(3)] == [5, 7, 5]
    assert drawn(Sweep(1.0, 2.0))[3] == 7.0


def test_measured_values_stay_together(ensemble: Callable[..., Ensemble], tmp_path: Path) -> None:
    """Columns of one table come from one row, for CSV and HDF5: cells that were measured, not mixtures of them."""
    rows = [(60 + i, 160 + i) for i in range(30)]
    text = "a, b\n" + "".join(f"{a}, {b}\n" for a, b in rows)
    (tmp_path / "cells.csv").write_text(text, encoding="utf-8")
    with h5py.File(tmp_path / "cells.h5", "w") as file:
        file["cells"] = [(a, b, 80, 90, 90, 90) for a, b in rows]
    column = '{{ table = "cells.csv", column = "{}", draw = true }}'
    found = ensemble(f"[ensemble.crystal]\ncell = [{column.format('a')}, {column.format('b')}, 80, 90, 90, 90]")
    cells = [found.draw(i).of_crystals[0]["crystal.cell"] for i in range(10)]
    assert {cell[:2] for cell in cells} <= set(rows)
    assert len(set(cells)) > 5
    found = ensemble('[ensemble.crystal]\ncell = { table = "cells.h5", column = "cells" }')
    assert found.draw(3).of_crystals[0]["crystal.cell"] == (63.0, 163.0, 80.0, 90.0, 90.0, 90.0)


def test_jitter_is_about_what_the_experiment_says(ensemble: Callable[..., Ensemble]) -> None:
    """A distance that jitters stays near the nominal one; whole numbers stay whole."""
    found = ensemble(
        "[ensemble.detector]\ndistance = { add = { normal = [0, 0.1] } }\n"
        "[ensemble.beam]\nfluence = { multiply = { uniform = [0.5, 1.5] } }\n"
        "[ensemble.crystal]\ncells = { add = { range = [-2, 2] } }"
    )
    draws = [found.draw(i) for i in range(10)]
    assert all(99 < draw.parameters["detector.distance"] < 101 for draw in draws)
    assert all(0.5e26 <= draw.parameters["beam.fluence"] <= 1.5e26 for draw in draws)
    cells = {draw.of_crystals[0]["crystal.cells"] for draw in draws}
    assert cells <= set(range(10, 15))
    assert len(cells) > 1


def test_spikes_are_chaotic_light() -> None:
    """The mean spectrum is the Gaussian that was asked for, each intensity as wide as its mean, spikes as wide too."""
    lines = Spikes(bandwidth=0.01, spike=0.001, wavelengths=20)
    shots = [lines.fine(Randomness(2, shot)) for shot in range(600)]
    offsets, spectra = np.array(shots[0][0]), np.array([spectrum for _, spectrum in shots])
    envelope = np.exp(-4.0 * math.log(2.0) * (offsets / 0.01) ** 2)
    middle = np.abs(offsets) < 0.006
    field = spectra[:, middle] / envelope[middle]
    assert field.mean() == pytest.approx(1.0, abs=0.05)
    assert field.var() == pytest.approx(1.0, abs=0.15)
    # The correlation of intensities has fallen to a half at half of the spike's width.
    step = offsets[1] - offsets[0]
    lag = round(0.0005 / step)
    expected = 0.5 ** ((lag * step / 0.0005) ** 2)
    found = np.mean((field[:, :-lag] - 1.0) * (field[:, lag:] - 1.0)) / field.var()
    assert found == pytest.approx(expected, abs=0.08)
    drawn_lines = lines.draw(Randomness(2, 0), 1.5)
    assert drawn_lines.shape == (20, 2)
    assert drawn_lines[:, 1].sum() == pytest.approx(spectra[0].sum())
    assert drawn_lines[10, 0] == pytest.approx(1.5 / (1.0 + 0.5 * 0.03 / 20))


# ---- shot i ------------------------------------------------------------------------------------------------

VARIED = """
blank = 0.2
crystals = { poisson = 2.0 }
[ensemble.crystal]
misset = { orientations = "uniform" }
cells = { log_normal = [12, 3], least = 8 }
"""


def same(one: Any, other: Any) -> bool:
    """Whether two shots are the same in every pixel and number."""
    image, truth = one
    return bool(
        np.array_equal(image.data, other.image.data)
        and np.array_equal(truth.expected, other.truth.expected)
        and truth.parameters == other.truth.parameters
        and [c.parameters for c in truth.crystals] == [c.parameters for c in other.truth.crystals]
    )


def test_a_shot_depends_on_the_file_and_its_number_alone(ensemble: Callable[..., Ensemble]) -> None:
    """In any order, from the end, pickled, in a longer ensemble: the same shot."""
    found = ensemble(VARIED)
    shots = list(found)
    assert len(shots) == len(found) == 10
    assert same(found[7], shots[7])
    assert same(found[-10], shots[0])
    assert same(pickle.loads(pickle.dumps(found))[7], shots[7])
    assert same(ensemble(VARIED, shots=1000)[7], shots[7])
    assert not same(ensemble("seed = 1" + VARIED)[7], shots[7])
    assert len({shot.image.data.tobytes() for shot in shots}) == 10
    with pytest.raises(IndexError):
        found[10]


def test_a_field_is_drawn_as_it_is_without_the_others(ensemble: Callable[..., Ensemble]) -> None:
    """Whoever lets one more field vary compares with the shots that were there before."""
    few, more = (
        ensemble(VARIED),
        ensemble(VARIED + "water = {uniform=[1,2]}\n[ensemble.sampling]\nphi = 3"),
    )
    for i in range(10):
        pairs = zip(few.draw(i).of_crystals, more.draw(i).of_crystals, strict=True)
        assert all(one == other for one, other in pairs)


def test_crystals_add_and_blank_shots_are_water(ensemble: Callable[..., Ensemble]) -> None:
    """Photons of several crystals add; without one there is the background, once whatever their number."""
    found = ensemble(VARIED)
    numbers = [found.draw(i).crystals for i in range(10)]
    assert 0 in numbers
    assert max(numbers) > 1
    water = found[numbers.index(0)].truth
    assert water.crystals == ()
    assert water.expected.min() > 0
    for i in (numbers.index(0), numbers.index(max(numbers))):
        draw, truth = found.draw(i), found[i].truth
        images = [simulate(experiment, threads=1).data for experiment in draw.experiments]
        assert np.allclose(truth.expected, np.sum(images, axis=0), rtol=1e-6)
        assert [experiment.crystal.water for experiment in draw.experiments[1:]] == [0.0] * (len(images) - 1)
        table = truth.reflections()
        assert set(table["crystal"].tolist()) == set(range(draw.crystals))


def test_fewer_than_no_crystals_are_none(ensemble: Callable[..., Ensemble]) -> None:
    """A number that is drawn may be below 0."""
    found = ensemble("crystals = { uniform = [-3, -1] }")
    assert found.draw(0).crystals == 0
    assert found[0].truth.crystals == ()


def test_what_is_common_is_read_once(
    ensemble: Callable[..., Ensemble], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A hundred thousand shots read their structure factors and maps once, and share one grid."""
    np.save(tmp_path / "gain.npy", np.ones((48, 40), np.float32))
    (tmp_path / "list.hkl").write_text("".join(f"{h} 0 0 100\n" for h in range(-9, 10)), encoding="utf-8")
    experiment = EXPERIMENT.replace("default_F = 100", 'structure_factors = "list.hkl"')
    found = ensemble(VARIED + '[ensemble.response]\ngain_map = "gain.npy"\n', experiment)
    from nanobragg.io import any_image

    read: list[str] = []
    original = any_image.read_pixels

    def counted(path: str) -> Any:
        read.append(path)
        return original(path)

    monkeypatch.setattr(any_image, "read_pixels", counted)
    scenes: list[Scene] = [c.resolved.scene for shot in found for c in shot.truth.crystals]
    assert len(read) == 1
    assert len({id(scene.f_grid) for scene in scenes}) == 1


def test_wavelengths_that_overflow_have_no_mean() -> None:
    with pytest.raises(InputError, match=r"found wavelengths up to 1e\+308 Å"):
        mean_wavelength(np.array([[1e308, 1.0], [1e308, 1.0]]))


def test_measured_spectra_have_their_weights(ensemble: Callable[..., Ensemble], tmp_path: Path) -> None:
    """A row of a spectrometer is a shot's sources, whatever nanoBragg.c does with weights; negative noise is none."""
    with h5py.File(tmp_path / "spectra.h5", "w") as file:
        file["energies"] = [12000.0, 12400.0, 12800.0]
        file["spectra"] = [[0.0, 1.0, 3.0], [2.0, -0.5, 2.0]]
    found = ensemble('[ensemble.spectrum]\nfile = "spectra.h5"', EXPERIMENT.replace('quirks = "none"', ""))
    assert any("source_weights_ignored" in note for note in found.plan.notes)
    scene = found[0].truth.crystals[0].resolved.scene
    assert scene.source_wavelength * 1e10 == pytest.approx([12398.42 / 12400, 12398.42 / 12800])
    assert scene.source_weight == pytest.approx([0.5, 1.5])
    assert found.draw(1).parameters["mean_wavelength"] == pytest.approx(12398.42 * (1 / 12000 + 1 / 12800) / 2)


# ---- what is refused ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("shots_per_file = 0", "ensemble.shots_per_file: found 0, expected a whole number, 1 or more"),
        ("shot_per_file = 5", "ensemble.shot_per_file: found an unknown key; did you mean shots_per_file?"),
        ("blank = 1.5", "ensemble.blank: found 1.5, expected a number from 0 to 1"),
        (
            "crystals = { poisson = 1e4 }",
            "crystals: found {'poisson': 10000.0}, expected a mean from 0 to 500",
        ),
        ("crystal = 3", "ensemble.crystal: found 3, expected a table of fields"),
        ("[ensemble.crystal]\ncell = { uniform = [1, 2] }", "expected another distribution: uniform gives numbers"),
        ("[ensemble.crystal]\ncels = 4", "ensemble.crystal.cels: found an unknown key; did you mean cells?"),
        ("[ensemble.crystal]\ncells = { nromal = [1, 2] }", "expected a value, or one of constant, list, choice"),
        ("[ensemble.crystal]\ncells = { normal = [1] }", "cells.normal: found [1], expected two finite numbers"),
        ("[ensemble.crystal]\ncells = { normal = [9, -1] }", "expected an rms of 0 or more"),
        ("[ensemble.crystal]\ncells = { normal = [9, 1], lest = 3 }", "cells.lest: found an unknown key; did you mean"),
        ("[ensemble.crystal]\ncells = { normal = [9, 1], least = 3, most = 2 }", "expected least below most"),
        (
            "[ensemble.crystal]\ncells = { normal = [0, 1], least = 60 }",
            "expected limits that leave some",
        ),
        ("[ensemble.crystal]\ncells = { log_normal = [0, 1] }", "expected a mean above 0"),
        ("[ensemble.crystal]\ncells = { range = [5, 2] }", "expected the first not above the last"),
        ("[ensemble.crystal]\ncells = { choice = [5, 'x'] }", "found 'x', expected a finite number or three"),
        ("[ensemble.crystal]\ncells = { choice = [5, 2], weights = [1] }", "expected as many numbers of 0 or more"),
        ("[ensemble.crystal]\ncells = { list = [] }", "expected a list of one or more values"),
        ("[ensemble.crystal]\ncells = { start = 1 }", "expected a start and a step"),
        ("[ensemble.crystal]\ncells = [{range=[1,2]}, 3]", "expected parts of a finite number or three"),
        ('[ensemble.crystal]\ncells = { table = "no.csv", column = "a" }', "no.csv: cannot be read"),
        ('[ensemble.crystal]\ncells = { table = "bad.csv", column = "b" }', "found the columns a in"),
        ('[ensemble.crystal]\ncells = { table = "bad.csv", column = "a" }', "found 'x' in row 2 of"),
        ('[ensemble.crystal]\nspindle_axis = { orientations = "uniform" }', "in ensemble.crystal.misset only"),
        ("[ensemble.crystal]\nmisset = { add = 1 }", "expected add where crystal.misset itself is said"),
        ("[ensemble.crystal]\nwater = { add = { choice = ['a'] } }", "found 'a', expected a finite number"),
        ("[ensemble.detector]\nshape = [5, 5]", "expected the same pixels in all shots"),
        ("[ensemble.detector]\nbeam_x = { uniform = [1, 2] }", "found no detector.beam_x, expected the nominal one"),
        ("[ensemble.output]\nseed = 5", "ensemble.output: found an unknown key, expected one of shots"),
        ("[ensemble.spectrum]\nbandwidth = 1", "found no bandwidth or no spike, expected both, or a file"),
        ("[ensemble.spectrum]\nbandwidth = 1\nspike = 2", "expected a bandwidth of 1 to 10000 spikes"),
        ("[ensemble.spectrum]\nfile = 'no.h5'", "no.h5: cannot be read"),
        ("[ensemble.spectrum]\nfile = 'bad.csv'", "expected numbers in an HDF5 file"),
    ],
)
def test_mistakes_are_one_sentence(ensemble: Callable[..., Ensemble], tmp_path: Path, text: str, sentence: str) -> None:
    """A file with a mistake is refused before the first shot, by the key in which it is."""
    (tmp_path / "bad.csv").write_text("a\n1\nx\n", encoding="utf-8")
    with pytest.raises(InputError) as error:
        ensemble(text)
    assert sentence in str(error.value)
    assert "\n" not in str(error.value)


def test_a_file_without_an_ensemble_is_none(tmp_path: Path) -> None:
    """Whoever gives a plain experiment learns what is missing."""
    path = tmp_path / "set.toml"
    for text, sentence in (
        (EXPERIMENT, "ensemble: found none, expected a section [ensemble]"),
        (EXPERIMENT + "[ensemble]\nseed = 3", "ensemble.shots: found nothing, expected a whole number, 1 or more"),
        ("ensemble = 3", "ensemble: found 3, expected a section [ensemble]"),
        ("[ensemble", "expected a TOML file"),
    ):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(InputError) as error:
            Ensemble(path)
        assert sentence in str(error.value)


def test_what_is_not_used_is_said(ensemble: Callable[..., Ensemble]) -> None:
    """A file with outputs of a single run does not lose them in silence."""
    found = ensemble("", EXPERIMENT + "[output]\nseed = 3\n")
    assert found.plan.notes == (f"{found.plan.path}: output: not used, an ensemble has files of its own",)
    assert repr(found) == f"<Ensemble {found.plan.path}: 10 shots>"


def test_a_draw_that_is_no_experiment_says_why(ensemble: Callable[..., Ensemble]) -> None:
    """The sentence of a shot is that of its experiment."""
    found = ensemble(
        "[ensemble.detector]\ndistance = { normal = [-100, 1] }\n[ensemble.response]\nbits = { constant = 40 }"
    )
    with pytest.raises(InputError, match="bits"):
        found[0]


# ---- in an editor -----------------------------------------------------------------------------------------


def test_the_schema_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """For the first line of a file: ``#:schema ensemble.schema.json``."""
    assert main(["ensemble", "-schema"]) == 0
    assert capsys.readouterr().out == schema.text()


def test_editors_mark_what_the_program_refuses(ensemble: Callable[..., Ensemble], tmp_path: Path) -> None:
    """What can be read is valid, every distribution too, and keys that nobody knows are not."""
    (tmp_path / "t.csv").write_text("a\n12\n", encoding="utf-8")
    validator = jsonschema.Draft7Validator(schema.schema())
    validator.check_schema(schema.schema())
    kinds = (
        "12",
        "{ constant = 12 }",
        "{ list = [12, [3, 4, 5]] }",
        "{ choice = [12, 13], weights = [1, 2] }",
        "{ range = [3, 7] }",
        "{ uniform = [3, 7.5] }",
        "{ normal = [12, 2], least = 5 }",
        "{ log_normal = [12, 2], most = 15 }",
        "{ poisson = 12 }",
        "{ start = 12, step = 1 }",
        '{ table = "t.csv", column = "a", draw = true }',
        "{ add = { uniform = [-1, 1] } }",
        "{ multiply = 2 }",
        "[12, { range = [1, 2] }, 3]",
    )
    for kind in kinds:
        assert validator.is_valid(ensemble(f"crystals = 2\n[ensemble.crystal]\ncells = {kind}").plan.document), kind
    assert set(KINDS) == set(schema._DISTRIBUTIONS)
    good = ensemble(VARIED + "[ensemble.spectrum]\nbandwidth = 1\nspike = 0.1").plan.document
    assert validator.is_valid(good)
    for section, key, value in (
        ("crystal", "cels", 3),
        ("crystal", "cells", {"nromal": [1, 2]}),
        ("detector", "roi", 1),
    ):
        wrong = {**good["ensemble"], section: {key: value}}
        assert not validator.is_valid({**good, "ensemble": wrong}), key
