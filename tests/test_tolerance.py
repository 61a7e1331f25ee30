"""Images within a stated error: what is left out is counted and never matters more than was said."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nanobragg import Beam, Crystal, Detector, Experiment, InputError, Sampling, Scene, read_config, simulate
from nanobragg.cli import main
from nanobragg.parity import fuzz_tolerance
from nanobragg.parity.command_line import CommandLine
from nanobragg.rendering.render import render_scene
from nanobragg.rendering.renderer import RenderResult

SPECTRUM = (
    "-cell 79 79 38 90 90 90 -N 40 -default_F 100 -lambda 1.3 -dispersion 0.5 -dispsteps 40 -mosaic 0.1 -mosaic_dom 20 "
    "-misset 10 20 30 -flux 1e12 -exposure 1 -beamsize 0.1 -distance 200 -detpixels 96 -oversample 1 -fudge 0.003"
)
SHAPES = ("-square_xtal", "-gauss_xtal", "-tophat_spots", "-round_xtal", "-gauss_index -fudge 1 -Ndef 9 -12 7")


def rendered(words: str, tolerance: float, precision: Any = "mixed") -> Any:
    """The result of rendering a command line within a tolerance."""
    scene = Experiment.from_args(words).scene()
    return render_scene(replace(scene, tolerance=tolerance), precision=precision)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("precision", ["double", "mixed"])
def test_no_pixel_is_wrong_by_more_and_most_evaluations_are_left_out(shape: str, precision: str) -> None:
    """Somebody who asks for a tolerance gets an image within it, sooner."""
    words = f"{SPECTRUM} {shape}".replace("-default_F 100", "-default_F 3")
    full, within = rendered(words, 0.0, precision), rendered(words, 0.05, precision)
    rounding = {"double": 2e-7, "mixed": 1e-5}[precision] * full.image + 1e-7 * full.image.max()
    assert np.all(np.abs(within.image.astype(float) - full.image) <= 0.05 + rounding)
    assert within.all_terms == ""
    assert 0 < within.error_bound <= 0.05
    assert within.left_out > within.evaluations
    assert full.left_out == 0


def test_interpolated_structure_factors(in_folder) -> None:
    """The dearest evaluations of all are left out, too; no pixel is wrong by more."""
    in_folder(["dense.hkl"])
    words = f"-hkl dense.hkl -interpolate {SPECTRUM} -cell 30 31 32 90 90 90 -lambda 3".replace("-default_F 100", "")
    full, within = rendered(words, 0.0), rendered(words, 1e-4 * float(rendered(words, 0.0).image.max()))
    error = np.abs(within.image.astype(float) - full.image)
    assert np.all(error <= within.error_bound + 1e-5 * full.image)
    assert within.all_terms == ""
    assert within.left_out > within.evaluations


def test_without_a_tolerance_all_is_computed(capfd: pytest.CaptureFixture[str]) -> None:
    """Nobody gets an approximation without asking for it, nor a line about it."""
    assert Sampling().tolerance == 0.0
    assert rendered(SPECTRUM, 0.0).left_out == 0
    assert main([*SPECTRUM.split(), "-detpixels", "16"]) == 0
    assert "tolerance" not in capfd.readouterr().out


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ("-N 2 -cell 100 100 100 90 90 90 -default_F 1", "finding out which matter would take as long"),
        ("-N 30 -cell 99 99 99 90 90 90 -default_F 1 -oversample_omega", "depend on the order of evaluations"),
    ],
)
def test_where_everything_is_computed_one_line_says_why(
    words: str, why: str, in_folder, capfd: pytest.CaptureFixture[str]
) -> None:
    """Somebody who waits learns that the tolerance is not at work."""
    in_folder()
    command = f"{words} -lambda 1 -distance 100 -detpixels 64 -oversample 1 -tolerance 1e-3".split()
    assert main(command) == 0
    (line,) = [line for line in capfd.readouterr().out.splitlines() if line.startswith("tolerance of")]
    assert line.startswith("tolerance of 0.001 photons: all evaluations are made: ")
    assert why in line


def test_the_option_is_a_field_in_files_and_scripts(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The same tolerance by word, TOML and keyword; the line gives what was left out."""
    config = tmp_path / "run.toml"
    command = [*SPECTRUM.split(), "-precision", "mixed", "-tolerance", "0.01", "-write_config", str(config)]
    assert main(command) == 0
    out = capfd.readouterr().out
    assert "% are left out" in out or "%) are left out" in out
    assert read_config(config).experiment.sampling.tolerance == 0.01
    image = simulate(
        crystal=Crystal(cell=(50, 50, 50, 90, 90, 90), cells=30, default_F=10.0),
        beam=Beam(wavelength=1.0),
        detector=Detector(shape=(64, 64), distance=100.0),
        sampling=Sampling(tolerance=1.0),
    )
    assert image.resolved.scene.tolerance == 1.0


@pytest.mark.parametrize("word", ["-1", "nan", "much"])
def test_a_tolerance_below_zero_is_refused(word: str) -> None:
    """A slip is named before minutes of work."""
    with pytest.raises(InputError, match=r"-tolerance: found .*, expected a number"):
        Experiment.from_args([*SPECTRUM.split(), "-tolerance", word])


@pytest.mark.slow
def test_random_command_lines_stay_within_their_tolerance(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever is rendered, no pixel is wrong by more than the bound that is stated (10 s)."""
    assert fuzz_tolerance.main(["--cases", "200", "--outdir", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    count = {name: int(number) for name, number in re.findall(r"  (.+): (\d+) command lines", printed)}
    assert count["with half of the terms left out"] > 60
    assert sum(count.get(name, 0) for name in ("refused", "too many evaluations")) < 30


def test_a_command_line_that_lost_its_tolerance_is_compared(tmp_path: Path) -> None:
    """A finding is shrunk by taking words away, the tolerance too: then nothing may be left out."""
    units = (("-cell", "50", "60", "70", "90", "90", "90"), ("-default_F", "9"), ("-N", "5"), ("-detpixels", "8"))
    outcome = fuzz_tolerance.Bench(tmp_path).run(CommandLine(units=units, files={}))
    assert (outcome.differences, outcome.skipped, outcome.fewer, outcome.worst) == ({}, "", 0, 0.0)


@pytest.mark.parametrize(
    "words",
    [
        "-cell 8 6 5 0.3 0.3 0.3 -misset -32 5 8 -default_F 24 -N 300 -gauss_xtal -detpixels 25",
        "-cell 7 6 6 1 1 1 -default_F 4 -N 75 -tophat_spots -detpixels_s 4 -tolerance 0.0005",
        "-cell 7 8 9 89 91 179.2 -default_F 4 -N 40 -gauss_xtal -detpixels 16 -tolerance 0.01",
    ],
)
def test_axes_that_nearly_coincide(words: str, tmp_path: Path) -> None:
    """Reciprocal axes are then long and nearly cancel: with the products of the metric, 7e-5 of a pixel was noise."""
    units = tuple(tuple(unit.split()) for unit in re.split(r" (?=-[a-zA-Z])", words))
    outcome = fuzz_tolerance.Bench(tmp_path).run(CommandLine(units=units, files={}))
    assert (outcome.differences, outcome.skipped, outcome.left_out) == ({}, "", {})


def test_a_pixel_beyond_the_stated_bound_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A search that overlooks a wrong bound proves nothing: one that is 30 times too low is reported."""

    def too_low(scene: Scene, precision: Any) -> RenderResult:
        result = within(replace(scene, tolerance=30 * scene.tolerance), precision)
        return result._replace(error_bound=min(result.error_bound / 30, scene.tolerance))

    within = fuzz_tolerance.within
    monkeypatch.setattr(fuzz_tolerance, "within", too_low)
    options = ["--cases", "6", "--seed", "2", "--outdir", str(tmp_path), "--no-shrink"]
    assert fuzz_tolerance.main(options) == 3
    assert "beyond the parity bar" in capsys.readouterr().out
    assert list(tmp_path.glob("*/finding.json"))
