"""``nanobragg refine``: from a file and an image to refined files, or one sentence."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from nanobragg import Beam, Crystal, Detector, Experiment, Image, read_config, simulate
from nanobragg.cli import main
from nanobragg.refinement.command import FILES, WORDS

TOML = """quirks = "none"

# how the crystal was indexed
[crystal]
cell = [34.8, 39.1, 48.4, 90.0, 90.0, 90.0]
cells = 10                      # a guess
misset = [10.05, 19.95, 30.1]
default_F = 100.0

[beam]
wavelength = 1.3
fluence = 1e26

[detector]
shape = [96, 96]
pixel_size = 1.0
distance = 100.0

[sampling]
oversample = 2
phi = 4.0
"""


@pytest.fixture
def shot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with ``start.toml`` and ``shot.cbf``, 40 ADU in every pixel; the current one."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "start.toml").write_text(TOML)
    truth(tmp_path).noisy(seed=2).write("shot.cbf")
    return tmp_path


def truth(folder: Path) -> Image:
    """What the shot was made from."""
    text = TOML.replace("34.8, 39.1, 48.4", "34.77, 39.17, 48.31").replace("cells = 10 ", "cells = 8 ")
    text = text.replace("10.05, 19.95, 30.1", "10, 20, 30").replace("1e26", "1.4e26")
    (folder / "truth.toml").write_text(text)
    return simulate(Experiment.from_toml(folder / "truth.toml"))


def test_a_shot_is_refined_into_files(shot: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The file with the refined values in place, tables, DIALS' models and a page."""
    words = ["-o", "r.toml", "-expt", "r.expt", "-csv", "r.csv", "-json", "r.json", "-report", "r.html"]
    how = ["--offset", "40", "-background", "none", "-search", "0.5"]
    assert main(["refine", "start.toml", "-image", "shot.cbf", *how, *words]) == 0
    said = capsys.readouterr().out
    assert "crystal.cell.orthorhombic.a" in said
    assert "converged" in said
    refined = read_config("r.toml").experiment
    assert refined.crystal.cells == pytest.approx((8, 8, 8), abs=0.5)
    assert refined.crystal.cell == pytest.approx((34.77, 39.17, 48.31, 90, 90, 90), abs=0.01)
    assert refined.crystal.misset == pytest.approx((10, 20, 30), abs=0.01)
    assert "# how the crystal was indexed" in Path("r.toml").read_text()
    numbers = json.loads(Path("r.json").read_text())
    assert numbers["converged"]
    sizes = [row for row in numbers["parameters"] if row["name"].startswith("crystal.cells")]
    assert all(abs(row["value"] - 8.0) < 4.0 * row["sigma"] < 1.0 for row in sizes)
    assert abs(numbers["shoeboxes"][0]["Z"]) < 4.0
    assert len(numbers["covariance"]) == len(numbers["parameters"]) == 10
    assert Path("r.csv").read_text().startswith("name,unit,start,value,sigma\ncrystal.misset[0],degrees,")
    page = Path("r.html").read_text()
    assert page.count("data:image/png;base64,") == 3
    assert "crystal.cells[0]" in page


def test_the_refined_crystal_is_there_for_dials(shot: Path) -> None:
    """An ``.expt`` whose crystal, read again, makes the same image."""
    words = ["-free", "crystal.misset", "scale", "-offset", "40", "-background", "none", "-expt", "r.expt"]
    assert main(["refine", "start.toml", "-image", "shot.cbf", *words]) == 0
    refined = read_config("refined.toml").experiment
    again = Experiment(
        beam=Beam(fluence=refined.beam.fluence),
        crystal=Crystal(cells=refined.crystal.cells, default_F=100.0),
        detector=Detector(header="r.expt"),
        sampling=refined.sampling.__class__(oversample=2),
        quirks="none",
    )
    images = [simulate(each).data for each in (refined, again)]
    assert np.abs(images[0] - images[1].reshape(96, 96)).max() < 1e-3 * images[0].max()


@pytest.mark.parametrize("pixels", ["all", "shoeboxes"])
def test_priors_and_bounds_are_said(shot: Path, pixels: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever Python takes, the command takes."""
    words = ["-free", "crystal.misset,crystal.cell", "scale", "beam.wavelength", "-pixels", pixels, "-offset", "40"]
    known = [
        "-prior",
        "beam.wavelength=1.3,0.001",
        "-bound",
        "crystal.cell.orthorhombic.a=34,36",
        "-prior",
        "scale=1e25",
    ]
    assert main(["refine", "start.toml", "-image", "shot.cbf", *words, *known, "-report", "r.html"]) == 0
    assert "beam.wavelength" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["start.toml"], "refine: found no image, expected -image SHOT"),
        (["-image", "shot.cbf"], "refine: found no FILE.toml"),
        (["start.toml", "-image"], "-image: found too few words after it, expected FILE"),
        (["start.toml", "-image", "shot.cbf", "-workers", "0"], "-workers: found '0', expected a whole number"),
        (["start.toml", "-image", "shot.cbf", "-workers", "2"], "-workers: found 2 with one image, expected many"),
        (["start.toml", "other.toml"], "refine: found 'start.toml' and 'other.toml', expected one file"),
        (["start.toml", "-colour", "red"], "refine: found the option '-colour', expected a file, -image, -free"),
        (["start.toml", "-image", "shot.cbf", "-steps", "two"], "-steps: found 'two', expected a whole number"),
        (["start.toml", "-image", "shot.cbf", "-gain", "big"], "-gain: found 'big', expected a number"),
        (["start.toml", "-image", "shot.cbf", "-bound", "scale=1"], "-bound: found 'scale=1', expected limits"),
        (["start.toml", "-image", "shot.cbf", "-prior", "0.1"], "-prior: found '0.1', expected what is known"),
        (["start.toml", "-image", "shot.cbf", "-loss", "much"], "-loss: found 'much', expected none, huber or cauchy"),
        (["start.toml", "-image", "none.cbf"], "none.cbf: cannot be read"),
        (["none.toml", "-image", "shot.cbf"], "none.toml: cannot be read"),
        (["start.toml", "-image", "shot.cbf", "-free", "crystal.mood"], "crystal.mood: found no parameter"),
        (["start.toml", "-image", "shot.cbf", "-o", "no/r.toml"], "-o: found 'no/r.toml' in a folder"),
    ],
)
def test_what_cannot_be_is_one_sentence(
    shot: Path, words: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit status 9, one sentence, and no file."""
    before = set(shot.iterdir())
    assert main(["refine", *words]) == 9
    error = capsys.readouterr().err
    assert error.startswith(f"nanobragg: {sentence}")
    assert error.count("\n") == 1
    assert set(shot.iterdir()) == before


def test_help_names_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    """Without words, and when asked."""
    assert main(["refine"]) == 9
    assert main(["refine", "--help"]) == 0
    said = capsys.readouterr().out
    assert all(f"  {name} " in said for name in (*WORDS, *FILES))
