"""``[refine]`` in a file: many shots, numbers in common, structure factors and spots, as Python has them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

from nanobragg import Experiment, read_config, refine_shots, resolve, simulate
from nanobragg.cli import main
from nanobragg.inputs.toml import parsed
from nanobragg.io.geometry.dials import count_experiments
from nanobragg.io.images.geometry_texts import write_experiments
from nanobragg.parity.file_samples import packed_spots
from nanobragg.refinement.request import read_request

TOML = """quirks = "none"

[crystal]
cell = [34.77, 39.17, 48.31, 90.0, 90.0, 90.0]
cells = 8
structure_factors = "factors.hkl"

[beam]
wavelength = 1.3
fluence = 1e26

[detector]
shape = [48, 48]
pixel_size = 2.0
distance = 100.0                # as it was read off

[sampling]
oversample = 1
"""
REFINE = """
[refine]
free = ["crystal.misset", "scale"]
common = "detector.distance"
background = "none"

[refine.priors]
detector.distance = [100, 5.0]
"""
MISSETS = ((10.0, 20.0, 30.0), (-40.0, 5.0, 60.0), (70.0, -30.0, 15.0))


def shot_tables(off: float = 0.05) -> str:
    """A table for each shot, with an orientation that is off."""
    rows = [
        f"\n[[refine.shots]]\nimage = 'shot_{i}.npy'\ncrystal.misset = {[angle + off for angle in angles]}\n"
        for i, angles in enumerate(MISSETS)
    ]
    return "".join(rows)


@pytest.fixture
def series(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with ``data/series.toml`` and three shots beside it; the current one."""
    monkeypatch.chdir(tmp_path)
    data = tmp_path / "data"
    data.mkdir()
    rng = np.random.default_rng(1)
    indices = np.indices((13, 15, 17)).reshape(3, -1).T - (6, 7, 8)
    np.savetxt(
        data / "factors.hkl", np.column_stack([indices, rng.uniform(50, 150, len(indices))]), "%.0f %.0f %.0f %.3f"
    )
    for i, angles in enumerate(MISSETS):
        (data / "truth.toml").write_text(TOML.replace("cells = 8", f"cells = 8\nmisset = {list(angles)}"))
        image = simulate(Experiment.from_toml(data / "truth.toml"))
        np.save(data / f"shot_{i}.npy", rng.poisson(image.data))
    text = TOML.replace("distance = 100.0 ", "distance = 100.5 ")
    (data / "series.toml").write_text(text + REFINE + shot_tables())
    return tmp_path


def test_a_file_says_all_of_many_shots(series: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One word on the command line does what a script does, to the bit, and its result can be refined again."""
    words = ["-csv", "r.csv", "-json", "r.json", "-expt", "r.expt", "-o", "refined.toml"]
    words += ["-report", "r.html"]
    assert main(["refine", "data/series.toml", *words]) == 0
    said = capsys.readouterr().out
    assert "3 shots: chi-squared" in said
    assert "detector.distance" in said
    request = read_request("data/series.toml", {})
    images = [np.load(f"data/shot_{i}.npy") for i in range(3)]
    found = refine_shots(
        *([run.experiment for run in request.runs], images, ["crystal.misset", "scale"], ["detector.distance"]),
        background="none",
        priors={"detector.distance": (100.0, 5.0)},
    )
    again = read_request("refined.toml", {})
    for run, shot, angles in zip(again.runs, found.shots, MISSETS, strict=True):
        assert run.experiment.crystal.misset == shot.experiment.crystal.misset
        assert run.experiment.beam.fluence == shot.experiment.beam.fluence
        assert run.experiment.crystal.misset == pytest.approx(angles, abs=0.02)
    distance = found["detector.distance"]
    assert again.run.experiment.detector.distance == distance[0]
    assert abs(distance[0] - 100.0) < 4.0 * distance[1] < 0.5
    assert "# as it was read off" in Path("refined.toml").read_text()
    assert again.values["priors"] == {"detector.distance": [100, 5.0]}
    assert [Path(image).resolve() for image in again.images] == [series / f"data/shot_{i}.npy" for i in range(3)]
    assert Path("r.csv").read_text().count("\n") == 1 + 1 + 3 * 4
    numbers = json.loads(Path("r.json").read_text())
    assert len(numbers["covariance"]) == 1
    assert [len(shot["covariance"]) for shot in numbers["shots"]] == [5, 5, 5]
    assert count_experiments("r.expt") == 3
    models = json.loads(Path("r.expt").read_text())
    assert [len(models[kind]) for kind in ("detector", "crystal", "imageset")] == [1, 3, 3]
    page = Path("r.html").read_text()
    assert page.count("data:image/png;base64,") == 3 + 1 + 1 + 1
    assert page.count("<h3>data/shot_") == 3
    assert [example.shot for example in found.examples] == sorted(range(3), key=lambda i: -found.shots[i].Z)
    assert main(["refine", "refined.toml", "-o", "again.toml"]) == 0
    assert read_config("again.toml").experiment.detector.distance == pytest.approx(distance[0], abs=0.1 * distance[1])


def test_the_command_line_is_in_place_of_the_file(series: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Priors are added to those of the file."""
    words = ["-free", "crystal.misset,scale", "-common", "detector.distance", "crystal.cells"]
    known = ["-prior", "crystal.cells=0.1", "-background", "constant", "-steps", "2"]
    assert main(["refine", "data/series.toml", *words, *known]) == 0
    assert "crystal.cells[2]" in capsys.readouterr().out
    text = parsed("refined.toml", Path("refined.toml").read_bytes())["refine"]
    assert text["priors"] == {"detector.distance": [100, 5.0], "crystal.cells": 0.1}
    assert text["common"] == ["detector.distance", "crystal.cells"]
    assert text["background"] == "constant"


def test_shots_are_the_experiments_of_a_list(series: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What DIALS makes of many stills is one file; their images are named in its order."""
    request = read_request("data/series.toml", {})
    write_experiments("data/all.expt", [(resolve(run.experiment), None) for run in request.runs], crystals=True)
    beam_and_crystal = '[crystal]\ncells = 8\nstructure_factors = "factors.hkl"\n[beam]\nfluence = 1e26\n'
    rest = '[detector]\nheader = "all.expt"\n[sampling]\noversample = 1\n'
    table = '[refine]\nfree = ["crystal.misset", "scale"]\nbackground = "none"\n'
    Path("data/dials.toml").write_text(f'quirks = "none"\n{beam_and_crystal}{rest}{table}')
    images = [f"data/shot_{i}.npy" for i in range(3)]
    words = ["-common", "beam.wavelength", "-prior", "beam.wavelength=0.01"]
    assert main(["refine", "data/dials.toml", "-image", *images, *words]) == 0
    said = capsys.readouterr().out
    assert "each shot is the experiment of its number in data/all.expt" in said
    assert "converged" in said
    again = read_request("refined.toml", {})
    cells = [run.experiment.crystal.misset for run in again.runs]
    assert len(set(cells)) == 3


def test_structure_factors_are_refined_from_a_file(series: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """They are in an MTZ file, which the refined file names."""
    text = TOML + REFINE.partition("common")[0] + 'factors = "together"\nbackground = "none"\nfactors_prior = 0.3\n'
    Path("data/factors.toml").write_text(text + shot_tables())
    assert main(["refine", "data/factors.toml", "-mtz", "f.mtz", "-o", "data/r.toml", "-json", "r.json"]) == 0
    assert "reflections (P 1, Friedel mates together)" in capsys.readouterr().out
    again = read_request("data/r.toml", {})
    assert Path(again.run.experiment.crystal.structure_factors or "").resolve() == series / "f.mtz"
    scene = resolve(again.runs[0].experiment).scene
    assert (scene.f_grid > 0.0).sum() > 50


def test_each_shot_has_its_own_spots(series: Path) -> None:
    """One file of all of them by the shots' numbers, or a file for each."""
    boxes = np.array([[20 + 4 * i, 25 + 4 * i, 20, 25, 0, 1] for i in range(3)])
    Path("data/all.refl").write_bytes(packed_spots(bbox=boxes, panel=[0, 0, 0], id=[0, 1, 2]))
    for i in range(3):
        Path(f"data/{i}.refl").write_bytes(packed_spots(bbox=boxes[i : i + 1], panel=[0], id=[0]))
    request = read_request("data/series.toml", {"spots": "data/all.refl", "steps": 1})
    together = request.refined(None)
    rows = [f"image = 'shot_{i}.npy'\nspots = '{i}.refl'" for i in range(3)]
    text = Path("data/series.toml").read_text()
    for i, each in enumerate(rows):
        text = text.replace(f"image = 'shot_{i}.npy'", each)
    Path("data/spots.toml").write_text(text)
    apart = read_request("data/spots.toml", {"steps": 1}).refined(None)
    for one, other in zip(together.shots, apart.shots, strict=True):
        assert np.array_equal(one.shoeboxes, other.shoeboxes)
        assert np.array_equal(one.values, other.values)
    assert [shot.shoeboxes["fast"][0] for shot in together.shots] == [22.5, 26.5, 30.5]


@pytest.mark.parametrize("path", ["data/refined.toml", "refined.toml"])
def test_one_image_may_be_said_in_the_file(series: Path, path: str) -> None:
    """The refined file names the same image, wherever it is; in the same folder with its comments."""
    said = '[refine]\nimage = "shot_0.npy"  # the first\nfree = ["crystal.misset", "scale"]\nbackground = "none"\n'
    text = TOML.replace("cells = 8", f"cells = 8\nmisset = {list(MISSETS[0])}") + said
    Path("data/one.toml").write_text(text)
    assert main(["refine", "data/one.toml", "-o", path]) == 0
    again = read_request(path, {})
    assert again.one
    assert Path(again.images[0]).resolve() == series / "data/shot_0.npy"
    assert ("# the first" in Path(path).read_text()) == path.startswith("data")
    assert "# as it was read off" in Path(path).read_text()
    assert again.runs[0].experiment.crystal.misset == pytest.approx(MISSETS[0], abs=0.02)


def test_a_simulation_leaves_the_table_aside(series: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And says so: its file is that of an experiment, too."""
    assert main(["-config", "data/series.toml", "-floatfile", "a.bin"]) == 0
    assert "data/series.toml: refine: left aside, it is for nanobragg refine" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("common =", "comon =", "a.toml: refine.comon: found an unknown key; did you mean common?"),
        ("[refine]", "[refine]\nthreads = 2", "a.toml: refine.threads: found an unknown key"),
        ('background = "none"', 'background = "flat"', "a.toml: refine.background: found 'flat', expected none,"),
        ('background = "none"', "search = 200", "a.toml: refine.search: found 200, expected a number from 0 to 180"),
        ('background = "none"', "friedel = 1", "a.toml: refine.friedel: found an unknown key"),
        ('background = "none"', 'group = "P 1"', "group: found P 1 without factors, expected factors, too"),
        ('background = "none"', 'factors = "apart"', "common: found detector.distance with factors"),
        ('background = "none"', 'image = "a.npy"', "a.toml: refine.image: found it there and for each shot"),
        ('background = "none"', 'mask = ["a.npy"]', "mask: found 1, expected one for all shots, or one for each of 3"),
        ("image = 'shot_1.npy'", "", "a.toml: refine.shots: number 1: image: found none, expected one"),
        ("image = 'shot_1.npy'", "image = 3", "a.toml: refine.shots: number 1.image: found 3, expected the name of"),
        ("image = 'shot_1.npy'", "picture = 1", "a.toml: refine.shots: number 1.picture: found an unknown key"),
        ("image = 'shot_1.npy'", "image = 'shot_1.npy'\nspots = 'a'", "a.toml: refine.shots: number 0: spots: found"),
        ("crystal.misset = [-39.95", "crystal.miset = [-39.95", "shot 1: a.toml: crystal.miset: found an unknown key"),
        ("crystal.misset = [-39.95", "crystal = [-39.95", "a.toml: refine.shots: number 1.crystal: found [-39.95"),
        ("[[refine.shots]]", "[refine.shots]", "a.toml: refine.shots: found {"),
        ("detector.distance = [100, 5.0]", "detector.twist = 1", "shot 0: priors: found detector.twist, expected"),
        ("detector.distance = [100, 5.0]", "detector.distance = 'x'", "shot 0: priors: detector.distance: found 'x'"),
    ],
)
def test_what_cannot_be_is_one_sentence(
    series: Path, old: str, new: str, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """It names the file and the key, before any work."""
    text = Path("data/series.toml").read_text()
    assert old in text
    if old == "[[refine.shots]]":
        text = text.partition("\n[[refine.shots]]")[0] + "\n[refine.shots]\na = 1\n"
    Path("a.toml").write_text(
        text.replace(old, new, 1).replace("factors.hkl", "data/factors.hkl").replace("'shot_", "'data/shot_")
    )
    assert main(["refine", "a.toml"]) == 9
    error = capsys.readouterr().err
    assert error.startswith(f"nanobragg: {sentence}")
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["-image", "a.npy", "b.npy"], "data/series.toml: refine.shots: found 3 of them, expected one for each of 2"),
        (["-mtz", "a.mtz"], "-mtz: found 'a.mtz' without -factors, expected both"),
        (["-factors", "some"], "-factors: found 'some', expected together or apart"),
        (["-spots_image", "1", "2"], "spots_image: found 2, expected one for all shots, or one for each of 3"),
        (["-common", "detector.tilt"], "shot 0: detector.tilt: found no parameter"),
    ],
)
def test_wrong_words_are_one_sentence(
    series: Path, words: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The option, what was found, what was expected."""
    assert main(["refine", "data/series.toml", *words]) == 9
    assert capsys.readouterr().err.startswith(f"nanobragg: {sentence}")


def test_editors_mark_what_is_refused(series: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """``nanobragg refine -schema``: files that are read are valid, and keys that nobody knows are not."""
    assert main(["refine", "-schema"]) == 0
    found = json.loads(capsys.readouterr().out)
    validator = jsonschema.Draft7Validator(found)
    validator.check_schema(found)
    text = Path("data/series.toml").read_text()
    for more in ("", 'spots = "a.refl"\nspots_image = [0, 1, 2]\n', 'factors = "apart"\nimage = ["a"]\n'):
        document = parsed("a.toml", text.replace("[refine.priors]", more + "[refine.priors]").encode())
        assert validator.is_valid(document), [error.message for error in validator.iter_errors(document)]
    for old, new in (("common =", "comon ="), ("image =", "picture ="), ("[100, 5.0]", '"x"'), ("misset =", "miset =")):
        assert not validator.is_valid(parsed("a.toml", text.replace(old, new, 1).encode())), new


def test_the_table_is_no_list(series: Path, capsys: pytest.CaptureFixture[Any]) -> None:
    """A file that says something else there."""
    Path("a.toml").write_text("refine = 3\n" + TOML)
    assert main(["refine", "a.toml", "-image", "a.npy"]) == 9
    assert capsys.readouterr().err.startswith("nanobragg: a.toml: refine: found 3, expected a table")
