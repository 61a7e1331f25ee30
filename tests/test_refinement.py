"""Refinement: the experiment that made an image is found again, as well as its photons allow, or the reason is said."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nanobragg import Beam, Crystal, Detector, Experiment, InputError, Sampling, parse_words, refine, resolve, simulate
from nanobragg.differentiation.point import point_of
from nanobragg.io.images.geometry_texts import write_expt
from nanobragg.refinement.background import Background
from nanobragg.refinement.likelihood import Likelihood, gaussian, poisson, rooted
from nanobragg.refinement.model import Model
from nanobragg.refinement.orientation import explicit, matrix_of, misset_of_matrix, placed, turn_of
from nanobragg.refinement.pixels import panels_of
from nanobragg.refinement.variables import Variables, expanded

BENCH = Path(__file__).resolve().parent.parent / "bench"
sys.path.insert(0, str(BENCH))

from nanobragg_bench.stills import photons, refined, still, true_values  # noqa: E402

FREE = ["crystal.misset", "crystal.cell", "crystal.cells", "scale"]
CRYSTAL = "-cell 55 65 75 80 95 100 -N 5 -misset 10 20 30 -detpixels 12 -pixel 1 -default_F 100 -lambda 1.2"


def off(truth: Experiment, turn: tuple[float, float, float], **crystal: Any) -> Experiment:
    """The experiment with another orientation, ten times the fluence, and other things."""
    said = truth.crystal.misset
    misset = tuple(misset_of_matrix(turn_of(np.array(turn)) @ matrix_of(said)).tolist())
    beam = replace(truth.beam, fluence=truth.beam.fluence * 10)
    return replace(truth, crystal=replace(truth.crystal, misset=misset, **crystal), beam=beam)


def rough(truth: Experiment, turn: tuple[float, float, float]) -> Experiment:
    """As an indexing program might leave it: edges and angle off by 0.1 Å and 0.1°, N = 20, scale x 10."""
    return off(truth, turn, cells=20, cell=(55.1, 64.9, 75.1, 90, 95.1, 90))


def distances(found: Any, truth: Experiment) -> np.ndarray:
    """Refined minus true, in standard deviations."""
    return (found.values - true_values(found.names, truth)) / found.sigmas


# ---- from an image back to its crystal --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("turn", "search", "jacobians"), [((0.1, 0.05, -0.1), 0.0, 12), ((1.5, -1.4, 1.4), 3.0, 12)], ids=["near", "far"]
)
def test_a_still_is_refined_to_what_its_photons_allow(
    turn: tuple[float, float, float], search: float, jacobians: int
) -> None:
    """Orientation, cell, N and scale within their standard deviations, at the price of a dozen Jacobians."""
    truth = still()
    squares = []
    for seed in range(2):
        found = refine(rough(truth, turn), photons(truth, seed), FREE, search=search)
        away = distances(found, truth)
        assert found.converged
        assert np.abs(away).max() < 4.0
        assert found.jacobians <= jacobians
        assert found.reduced_chi2 == pytest.approx(1.0, abs=0.03)
        squares.append(away**2)
    assert 0.4 < np.mean(squares) < 2.0
    assert found.experiment.crystal.cells == pytest.approx((12, 12, 11), abs=0.1)
    assert found.experiment.crystal.cells == tuple(found[f"crystal.cells[{i}]"][0] for i in range(3))
    assert found["crystal.misset[0]"][1] < 0.01


def test_the_matrix_of_a_gaussian_crystal_is_refined() -> None:
    """Users of diffBragg find all six numbers of their N again, as well as the photons allow, from a ball."""
    truth, beside = still(), (3.0, -2.0, 1.0)
    truth = replace(truth, crystal=replace(truth.crystal, shape="gauss_index", cells_off_diagonal=beside))
    start = off(truth, (0.4, 0.3, -0.2), cells=14, cells_off_diagonal=None)
    found = refine(start, photons(truth, 0), ["crystal.misset", "crystal.cells", "crystal.cells_off_diagonal", "scale"])
    assert found.converged
    for field, true in (("cells", (12, 12, 11)), ("cells_off_diagonal", beside)):
        for i in range(3):
            value, sigma = found[f"crystal.{field}[{i}]"]
            assert abs(value - true[i]) < min(4 * sigma, 0.5)


@pytest.mark.parametrize(("system", "start"), [("cubic", "near"), ("triclinic", "far")])
def test_gaussian_spots_are_found_though_they_have_no_tails(system: str, start: str) -> None:
    """Where model and data do not overlap there is no slope: the way down begins with wide spots."""
    found = refined(system, "gauss", start, 1, 0)
    assert max(found["squares"][0]) < 16.0
    assert found["explained"] == [True]
    assert found["jacobians"][0] <= 15


@pytest.mark.parametrize(
    ("system", "start", "seed"),
    [
        ("cubic", "far", 65),
        ("triclinic", "far", 84),
        ("triclinic", "far", 47),
        ("triclinic", "near", 31),
        ("cubic", "near", 204),
    ],
    ids=["narrow", "held", "led-astray", "one-bright", "kept"],
)
def test_a_still_that_was_lost_is_found(system: str, start: str, seed: int) -> None:
    """As many wide spots as of the right turn meet those of the data by a wrong one; the cell made up for it; a crystal
    with one bright spot at its place explained most photons. Of a hundred stills one was lost, or took dozens of
    Jacobians.
    """
    found = refined(system, "gauss", start, 1, 0, seed)
    assert max(found["squares"][0]) < 16.0
    assert found["jacobians"][0] <= 15


def test_a_false_minimum_is_not_taken_for_the_crystal() -> None:
    """Where pixels are as wide as fringes, eight cells look a bit like twelve: no step is better, but chi-squared says
    what the table of values does not.
    """
    truth = still(1e5, edge=64, misset=(-10.0, 35.0, 70.0))
    data = photons(truth, 1)
    free = ["crystal.misset", "crystal.cells", "scale"]
    assert not any("not explained" in note for note in refine(truth, data, free).notes)
    small = replace(truth, crystal=replace(truth.crystal, cells=(8, 12, 11)))
    lost = refine(small, data, free, bounds={"crystal.cells[0]": (6.0, 9.0)})
    assert any(note.startswith("not explained: chi-squared") for note in lost.notes)
    assert "not explained" in str(lost)


def test_standard_deviations_are_those_of_the_photons() -> None:
    """Ten times the photons: a third of the standard deviations, or less where the background had hidden fringes."""
    sigmas = [refine(still(peak), photons(still(peak), 1), FREE).sigmas[:10] for peak in (1e4, 1e5)]
    assert ((sigmas[0] / sigmas[1] > 3.1) & (sigmas[0] / sigmas[1] < 5.0)).all()


def test_rings_of_water_are_a_radial_background() -> None:
    """Air and water scatter by the resolution: a constant would pull scale and size along, a plane has no rings."""
    truth, turn = still(edge=128), (0.1, 0.05, -0.1)
    at = panels_of(resolve(truth), np.ones((128, 128), bool)).resolution.reshape(128, 128)
    under = 60.0 * np.exp(-((at / 0.1) ** 2)) + 40.0 * np.exp(-(((at - 0.08) / 0.025) ** 2)) + 5.0
    data = np.random.default_rng(1).poisson(simulate(truth).data + under).astype(float)
    for pixels in ("all", "shoeboxes"):
        found = refine(rough(truth, turn), data, FREE, background="radial", pixels=pixels)
        assert np.abs(distances(found, truth)).max() < 4.0
        assert found.reduced_chi2 == pytest.approx(1.0, abs=0.05)
    seen = np.isfinite(found.background)
    assert (np.abs(found.background - under)[seen] < 0.1 * under[seen] + 2.0).mean() > 0.95
    assert not any("not explained" in note for note in found.notes)
    plane = refine(rough(truth, turn), data, FREE, background="plane")
    assert plane.reduced_chi2 > 1.5
    assert any("not explained" in note for note in plane.notes)


def test_a_distance_that_a_file_says_is_refined(tmp_path: Path) -> None:
    """The detector of `dials.index` is a start, and no law; where it is free its place is what it was."""
    truth = still(1e5, edge=128)
    away = replace(truth, detector=replace(truth.detector, distance=150.2, beam_x=25.7))
    write_expt(tmp_path / "indexed.expt", resolve(away), crystal=True)
    crystal = replace(truth.crystal, cell=None, misset=None)
    start = replace(truth, crystal=crystal, detector=Detector(header=tmp_path / "indexed.expt"))
    free = ["crystal.misset", "scale", "detector.distance", "detector.beam_x", "detector.beam_y"]
    before, after = (resolve(each).scene.panels[0].origin for each in (explicit(start), placed(explicit(start), free)))
    assert after.tolist() == before.tolist()
    found = refine(start, photons(truth, 4), free)
    assert found.reduced_chi2 == pytest.approx(1.0, abs=0.03)
    value, sigma = found["detector.distance"]
    assert abs(value - 150.0) < 4 * sigma < 0.05


def test_outliers_and_saturated_pixels_do_not_count() -> None:
    """A hot pixel beside a spot, and a spot beyond what the detector holds, would pull the crystal along."""
    truth = still()
    data = photons(truth, 3)
    beside = np.argwhere((data > 100.0) & (data < 400.0))
    hot = np.random.default_rng(5).permutation(beside)[:30].T
    data[tuple(hot)] = 3000.0
    data = np.minimum(data, 4000.0)
    how = {"pixels": "shoeboxes", "background": "plane", "saturation": 4000}
    pulled = refine(rough(truth, (0.1, 0.05, -0.1)), data, FREE, **how)
    for others in ({"outliers": 5.0}, {"loss": "cauchy"}):
        found = refine(rough(truth, (0.1, 0.05, -0.1)), data, FREE, **how, **others)
        assert np.abs(distances(found, truth)).max() < 5.0
    assert np.abs(distances(pulled, truth)).max() > 10.0
    assert any("saturated" in note for note in found.notes)
    assert np.isnan(found.data[hot[0][0], hot[1][0]]) or found.data[hot[0][0], hot[1][0]] == 3000.0
    assert set(found.shoeboxes.dtype.names) >= {"h", "k", "l", "chi2", "Z", "pixels", "fast", "slow"}


def test_what_the_data_cannot_tell_apart_is_said() -> None:
    """Wavelength and cell scaled together make the same image: a covariance would not say that in words."""
    truth = still(edge=128)
    data = photons(truth, 4)
    names = ["crystal.misset", "crystal.cell", "scale", "beam.wavelength"]
    found = refine(truth, data, names)
    assert len(found.weak) == 1
    assert all(name in found.weak[0] for name in ("beam.wavelength", "monoclinic.a", "monoclinic.b", "monoclinic.c"))
    known = refine(truth, data, names, priors={"beam.wavelength": 1e-3})
    assert known["beam.wavelength"][1] == pytest.approx(1e-3, rel=0.01)
    assert known["crystal.cell.monoclinic.a"][1] < 0.1


def test_a_prior_holds_the_orientation_and_a_bound_the_cell() -> None:
    """What is known before is kept to."""
    truth = still(edge=128)
    start = off(truth, (0.05, 0.0, 0.0))
    held = refine(start, photons(truth, 0), ["crystal.misset", "scale"], priors={"crystal.misset": 1e-5})
    assert held.values[:3] == pytest.approx(start.crystal.misset, abs=1e-3)
    bound = refine(
        truth, photons(truth, 0), ["crystal.cell", "scale"], bounds={"crystal.cell.monoclinic.a": (55.0, 55.0)}
    )
    assert bound["crystal.cell.monoclinic.a"][0] == 55.0


def test_an_orientation_at_the_pole_of_missetting_angles_is_refined() -> None:
    """With a second angle of 90 degrees two of the three axes are one: the turn is refined, not the angles."""
    truth = still(misset=(10.0, 90.0, 30.0), edge=128)
    found = refine(off(truth, (0.1, -0.1, 0.1)), photons(truth, 2), ["crystal.misset", "scale"])
    angle = np.degrees(np.arccos((np.trace(matrix_of(found.values[:3]).T @ matrix_of((10, 90, 30))) - 1) / 2))
    assert angle < 0.02


def test_detector_and_mosaic_spread_are_refined_too() -> None:
    """Whatever has a derivative can be free."""
    truth = still(shape="gauss", edge=128)
    truth = replace(truth, crystal=replace(truth.crystal, mosaic_spread=0.3, mosaic_domains=20))
    start = replace(
        truth,
        crystal=replace(truth.crystal, mosaic_spread=0.15),
        detector=replace(truth.detector, distance=150.3),
    )
    found = refine(start, photons(truth, 1), ["crystal.mosaic_spread", "detector.distance", "scale"])
    for name, true in (("crystal.mosaic_spread", 0.3), ("detector.distance", 150.0)):
        value, sigma = found[name]
        assert abs(value - true) < 4 * sigma
        assert sigma < 0.1


# ---- the data ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["shot.cbf", "shot.npy", "shot.h5"])
def test_images_are_read_from_files(name: str, tmp_path: Path) -> None:
    """People have files, with an offset and in units of their detector."""
    truth = still(edge=128)
    image = simulate(truth).noisy(seed=3)
    image.write(tmp_path / name)
    start = off(truth, (0.05, 0.0, -0.05))
    found = refine(start, tmp_path / name, ["crystal.misset", "scale"], offset=40.0, background="none", mask=None)
    same = refine(start, (image.data - 40.0) * 2.5, ["crystal.misset", "scale"], gain=2.5, background="none")
    assert found.values == pytest.approx(same.values, rel=1e-9)
    assert found.values[:3] == pytest.approx((12, -25, 40), abs=0.05)


def test_the_same_bits_on_any_number_of_threads() -> None:
    """Whoever runs it again gets the same numbers."""
    truth = still(edge=128)
    runs = [refine(rough(truth, (0.1, 0.0, 0.1)), photons(truth, 1), FREE, threads=n).values for n in (1, 2)]
    assert np.array_equal(*runs)


def test_ctrl_c_keeps_the_best_so_far() -> None:
    """Hours of steps would be lost."""
    truth = still(edge=128)

    def impatient(step: int, misfit: float) -> None:
        if step == 3:
            raise KeyboardInterrupt

    found = refine(rough(truth, (0.1, 0.0, 0.1)), photons(truth, 1), FREE, progress=impatient)
    assert not found.converged
    assert any("interrupted" in note for note in found.notes)
    assert found["crystal.cells[0]"][0] < 19.0


def test_the_refined_experiment_is_written_and_explains_the_image(tmp_path: Path) -> None:
    """The result is an experiment as any other."""
    truth = still(edge=128)
    data = photons(truth, 1)
    found = refine(rough(truth, (0.1, 0.0, 0.1)), data, FREE)
    simple = replace(found.experiment, crystal=replace(found.experiment.crystal, structure_factors=None, default_F=1.0))
    simple.to_toml(tmp_path / "refined.toml")
    again = Experiment.from_toml(tmp_path / "refined.toml")
    assert again.crystal.cell == pytest.approx(found.experiment.crystal.cell)
    assert np.nanmax(np.abs(found.spots - simulate(found.experiment).data)) < 0.02 * np.nanmax(found.spots)
    assert 0.99 < np.isfinite(found.residuals).mean() < 1.0  # all but the direct beam's
    assert any("direct beam" in note for note in found.notes)
    assert "crystal.cells[0]" in str(found)
    assert found.csv().count("\n") == len(found.names) + 1


# ---- what cannot be ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "how", "sentence"),
    [
        (["crystal.colour"], {}, r"^crystal.colour: found no parameter of this name, expected one of beam.wavelength"),
        ("scale", {}, r"^parameters: found 'scale', expected a list of names"),
        ([], {}, r"^parameters: found none, expected each name once"),
        (["scale", "beam.fluence"], {}, r"^parameters: found beam.fluence twice"),
        (
            ["scale"],
            {"bounds": {"crystal.cell": (1, 2)}},
            r"^bounds: found crystal.cell, expected one of what is refined",
        ),
        (["scale"], {"bounds": {"scale": (1, 2)}}, r"^bounds: scale: found 1 to 2, expected the start, .* inside"),
        (["scale"], {"priors": {"scale": -1}}, r"^priors: scale: found -1, expected a standard deviation"),
        (
            ["crystal.misset"],
            {"bounds": {"crystal.misset": (0, 1)}},
            r"^bounds: found crystal.misset, which is refined",
        ),
        (["scale"], {"pixels": "some"}, r"^pixels: found 'some', expected all or shoeboxes"),
        (["scale"], {"background": "cubic"}, r"^background: found 'cubic', expected none, constant"),
        (["scale"], {"gain": 0.0}, r"^gain: found 0.0, expected a number above 0"),
        (["scale"], {"search": 200.0}, r"^search: found 200.0, expected a number from 0 to 180"),
        (["scale"], {"speed": 1}, r"^refine: found speed, expected one of "),
        (["scale"], {"saturation": 0.0}, r"^refine: found no pixel to compare"),
    ],
)
def test_what_cannot_be_refined_is_said(names: Any, how: dict[str, Any], sentence: str) -> None:
    """One sentence, before any work."""
    truth = still(edge=32)
    with pytest.raises(InputError, match=sentence):
        refine(truth, np.ones((32, 32)), names, **how)


@pytest.mark.parametrize("image", [np.ones((3, 3)), object(), np.ones((2, 64, 64))])
def test_images_that_are_none(image: Any) -> None:
    """Another shape is another detector."""
    with pytest.raises(InputError, match=r"found"):
        refine(still(edge=32), image, ["scale"])


def test_spots_with_steps_are_refused() -> None:
    """TOPHAT has no slopes: a refinement would go nowhere, without a word."""
    truth = still(edge=32)
    truth = replace(truth, crystal=replace(truth.crystal, shape="tophat"))
    with pytest.raises(InputError, match=r"crystal.shape: found tophat"):
        refine(truth, np.ones((32, 32)), ["scale"])


# ---- its parts --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        f"{CRYSTAL} -distance 80 -phi 1 -osc 2 -phisteps 3 -mosaic 0.4 -mosaic_domains 4 -oversample 2 -gauss_xtal",
        f"{CRYSTAL} -distance 80 -phi 0 -osc 2 -phisteps 3",
        f"{CRYSTAL} -distance 80 -misset 10 89.9999 30",
    ],
    ids=["turned", "stale", "pole"],
)
def test_columns_are_the_slopes_of_spots(words: str) -> None:
    """A wrong column would make refinement slow, or its covariance a lie."""
    point = point_of(explicit(parse_words(words).experiment))
    names = ["crystal.misset", "crystal.cell.triclinic", "crystal.cells", "detector.distance", "scale"]
    variables = Variables(expanded(names, point)[0], point)
    pixels = panels_of(resolve(point.said.experiment), np.ones((12, 12), bool))
    model = Model(point, variables, pixels)
    x = np.full(len(variables), 0.01)
    columns = model.columns(x)
    for i, column in enumerate(columns):
        step = np.zeros(len(x))
        step[i] = 1e-6
        slope = (model.spots(x + step) - model.spots(x - step)) / 2e-6
        assert np.linalg.norm(slope - column) < 1e-4 * np.linalg.norm(column) + 1e-9
    slopes = variables.slopes(x)
    if "89.9999" not in words:
        for i in range(len(x)):
            step = np.zeros(len(x))
            step[i] = 1e-6
            slope = (variables.values(x + step) - variables.values(x - step)) / 2e-6
            assert slope == pytest.approx(slopes[:, i], rel=1e-5, abs=1e-6 * np.abs(slopes).max())


@pytest.mark.parametrize("terms", [poisson, gaussian, rooted])
def test_scores_are_the_slopes_of_misfits(terms: Any) -> None:
    """And the expected curvature is that of the misfit's mean."""
    data, model = np.array([0.0, 3.0, 40.0, 1e4]), np.array([0.7, 5.0, 30.0, 1.1e4])
    ahead, back = terms(data, model + 1e-4, 2.0).misfit, terms(data, model - 1e-4, 2.0).misfit
    assert -(ahead - back) / 4e-4 == pytest.approx(terms(data, model, 2.0).score, rel=1e-4)
    drawn = np.random.default_rng(1).poisson(500.0, 200_000).astype(float)
    middle = np.full(drawn.size, 500.0)
    curvature = terms(drawn, middle + 1, 0.0).score.mean() - terms(drawn, middle - 1, 0.0).score.mean()
    assert -curvature / 2 == pytest.approx(terms(drawn, middle, 0.0).weight.mean(), rel=0.02)


def test_the_background_is_the_plane_under_the_spots() -> None:
    """A slope that is taken for a part of spots would move them."""
    truth = still(edge=64)
    pixels = panels_of(resolve(truth), np.ones((64, 64), bool))
    plane = 20.0 + 0.1 * pixels.fast - 0.05 * pixels.slow
    spots = simulate(truth).data.ravel()[pixels.index].astype(float)
    background = Background("plane", pixels, Likelihood(poisson, 0.0))
    assert background.under(spots, spots + plane)[0] == pytest.approx(plane, rel=1e-4)


@pytest.mark.parametrize("how", ["matrix", "random", "cell"])
def test_an_orientation_is_said_as_cell_and_misset(how: str) -> None:
    """Orientation matrices have no angles and edges to refine."""
    plain = Crystal(cell=(55, 65, 75, 80, 95, 100), cells=5, default_F=10.0, misset=(10, 20, 30))
    crystal = plain
    if how == "matrix":
        sample = resolve(Experiment(crystal=plain, quirks="none")).sample
        matrix = np.array([sample.a_star, sample.b_star, sample.c_star]).T
        crystal = Crystal(matrix=matrix, cells=5, default_F=10.0)
    if how == "random":
        crystal = replace(plain, misset="random", misset_seed=3)
    said = Experiment(crystal=crystal, beam=Beam(wavelength=1.0), sampling=Sampling(phi=3.0), quirks="none")
    found = explicit(said)
    assert found.crystal.matrix is None
    assert not isinstance(found.crystal.misset, str)
    assert found.crystal.cell == pytest.approx((55, 65, 75, 80, 95, 100))
    assert resolve(found).scene.orientations == pytest.approx(resolve(said).scene.orientations, abs=1e-16)
