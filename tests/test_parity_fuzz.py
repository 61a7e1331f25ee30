"""The fuzzer and the upkeep of the golden data find what is different, and nothing that is not (specs/parity.md).

The "original" here is a small script that runs nanobragg, in one process per command line, with other quirks.
"""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from conftest import GOLDEN
from nanobragg import Scene, Shape, resolve, trace_pixel
from nanobragg.inputs.words import parse_words
from nanobragg.parity import differences, fuzz, golden, runner
from nanobragg.parity.cases import Outcome
from nanobragg.parity.command_line import CommandLine
from nanobragg.parity.draw import draw
from nanobragg.parity.excluded import reasons

pytestmark = pytest.mark.slow


def other_build(folder: Path, quirks: str = "all", more: str = "") -> str:
    path = folder / "original.py"
    path.write_text(
        f"#!{sys.executable}\nimport sys\nfrom nanobragg.cli import main\n"
        f"sys.exit(main(['-quirks', {quirks!r}, '-threads', '1', *sys.argv[1:], *{more.split()!r}]))\n"
    )
    path.chmod(0o755)
    return str(path)


def line(text: str, **files: bytes) -> CommandLine:
    units: list[tuple[str, ...]] = []
    for word in text.split():
        number = word.lstrip("-")[:1].isdigit()
        if word.startswith("-") and not number:
            units.append((word,))
        else:
            units[-1] = (*units[-1], word)
    return CommandLine(units=tuple(units), files=files)


SMALL = "-cell 70 80 90 75 85 95 -default_F 100 -N 4 -detpixels 10 -pixel 0.5 -distance 60 -oversample 1 -seed 3"


# ---- drawing ----------------------------------------------------------------------------------------------


def test_the_same_seed_draws_the_same_command_lines() -> None:
    """A finding is repeated by its number."""
    for number in range(20):
        assert draw(7, number) == draw(7, number)
    assert len({" ".join(draw(7, n).words) for n in range(50)}) == 50


def test_drawn_command_lines_are_legal_and_cover_the_options(in_folder) -> None:
    """A fuzzer that draws what is refused, or the same few options, proves nothing."""
    from nanobragg.errors import InputError

    folder = in_folder()
    seen: set[str] = set()
    refused = 0
    for number in range(400):
        drawn = draw(1, number)
        for name, data in drawn.files.items():
            (folder / name).write_bytes(data)
        run = parse_words(drawn.words)
        assert all(", used as " in warning for warning in run.warnings), drawn.words
        seen.update(unit[0] for unit in drawn.units)
        try:
            resolve(run.experiment)
        except InputError:
            refused += 1
    assert refused <= 20
    assert len(seen) > 100


# ---- comparing --------------------------------------------------------------------------------------------


def test_the_same_program_agrees(tmp_path: Path) -> None:
    bench = fuzz.Bench(other_build(tmp_path), tmp_path / "scratch")
    hkl = b"".join(b"%d %d %d 20\n" % (h, k, l) for h in range(-5, 6) for k in range(-5, 6) for l in range(-5, 6))  # noqa: E741
    lines = [
        line(SMALL),
        line(f"{SMALL} -roi 2 5 3 20 -adc 3 -scale 2 -pgmscale 0.1 -floatfile f.bin -noisefile n.img"),
        line(f"{SMALL} -hkl P1.hkl -dump F.bin -nonoise", **{"P1.hkl": hkl}),
        line("-detpixels 4"),
    ]
    for one in lines:
        outcome = bench.run(one)
        assert (outcome.differences, outcome.skipped) == ({}, ""), one.words


@pytest.mark.parametrize(
    ("quirks", "more", "words", "kinds"),
    [
        ("all,-stale_phi_zero", "", f"{SMALL} -phi 0 -osc 3 -phisteps 3", {"float"}),
        ("all", "-adc 41", SMALL, {"int", "int (own)", "noise"}),
        ("all", "-pgmscale 0.7", SMALL, {"pgm", "pgm (own)", "pgm header", "printed"}),
        ("all", "-Xbeam 2.61", f"{SMALL} -twotheta 0", {"float", "header", "int", "pgm", "pgm header", "noise"}),
        ("all", "-default_F x", SMALL, {"status"}),
    ],
)
def test_every_kind_of_difference_is_found(tmp_path: Path, quirks: str, more: str, words: str, kinds: set[str]) -> None:
    outcome = fuzz.Bench(other_build(tmp_path, quirks, more), tmp_path / "scratch").run(line(words))
    assert kinds & set(outcome.differences)
    assert set(outcome.differences) <= kinds | {"printed", "int", "pgm header"}


def test_an_empty_image_of_the_original_is_no_finding(tmp_path: Path) -> None:
    """What cannot be simulated is refused by us, and black or NaN in the original."""
    path = tmp_path / "original.py"
    path.write_text(f"#!{sys.executable}\nopen('floatimage.bin', 'wb').write(bytes(400))\n")
    path.chmod(0o755)
    outcome = fuzz.Bench(str(path), tmp_path / "scratch").run(line(f"{SMALL} -divsteps 1"))
    assert outcome.differences == {}
    assert "refused" in outcome.skipped


def test_findings_are_shrunk_to_what_matters(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A command line of forty words says nothing; the three that matter do."""
    monkeypatch.chdir(tmp_path)
    drawn = line(f"{SMALL} -phi 0 -osc 3.125 -phisteps 2 -point_pixel -nonoise -nopgm -misset 10 20 30 -fluence 1e25")
    monkeypatch.setattr(fuzz, "draw", lambda seed, number: drawn)
    monkeypatch.setattr(fuzz.Bench, "run", simulated_bench)
    assert fuzz.main(["--cases", "1", "--c-bin", sys.executable]) == 3
    finding = json.loads(Path("nb_fuzz/fuzz_1_0/finding.json").read_text())
    words = finding["args"]
    assert {"-cell", "-default_F", "-phisteps"} <= set(words)
    assert not {"-point_pixel", "-nopgm", "-misset", "-fluence"} & set(words)
    assert "3.125" not in words
    assert "1 of them differ" in capsys.readouterr().out


def simulated_bench(self: fuzz.Bench, one: CommandLine) -> Outcome:
    """The two programs in this process: with and without stale_phi_zero, always on few pixels."""
    from nanobragg import simulate
    from nanobragg.errors import InputError

    outcome = Outcome()
    try:
        few = [*one.words, "-detpixels", "6", "-oversample", "1"]
        a, b = (simulate(args=few, quirks=quirks).data for quirks in ("all", "all,-stale_phi_zero"))
    except InputError:
        return outcome
    if not np.allclose(a, b, rtol=1e-3):
        outcome.differences["float"] = "different"
    return outcome


def test_a_run_without_findings_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--cases", "3", "--seed", "1", "--outdir", str(tmp_path / "out"), "--c-bin", other_build(tmp_path)]
    assert fuzz.main(options) == 0
    assert "3 command lines compared" in capsys.readouterr().out
    assert not (tmp_path / "out").exists()


def test_usage_is_status_1(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NB_C_BIN", raising=False)
    monkeypatch.chdir(tmp_path)
    assert fuzz.main(["--cases", "1"]) == 1
    assert golden.main(["--check"]) == 1
    assert golden.main(["--check", "--c-bin", sys.executable]) == 1
    for words in (["--nonsense"], ["--check", "--update"]):
        with pytest.raises(SystemExit) as stop:
            (fuzz if words == ["--nonsense"] else golden).main(words)
        assert stop.value.code == 1


# ---- pixels that are left out -----------------------------------------------------------------------------


def why(words: str, slow: int, fast: int) -> set[str]:
    scene = resolve(parse_words(words).experiment).scene
    return reasons(scene, trace_pixel(scene, slow, fast))


def test_pixels_without_a_reason_are_not_left_out() -> None:
    """A parity test that leaves out too much proves nothing."""
    left = [why(SMALL, slow, fast) for slow in range(10) for fast in range(10)]
    assert not any(left)


def test_images_scaled_by_another_maximum_are_not_compared() -> None:
    """The original cancels at the direct beam: its whole numbers come from another scale. Rounding is no excuse."""
    image = np.array([[1.0, 441951776.0, np.inf]], np.float32)
    rounded, twice, cancelled = image.copy(), image.copy(), image.copy()
    rounded[0, 1] = np.nextafter(image[0, 1], np.float32(np.inf))
    twice[0, 1] = np.nextafter(rounded[0, 1], np.float32(np.inf))
    cancelled[0, 1] = 441952160.0
    assert not differences._brightest_differs(rounded, image)
    assert differences._brightest_differs(twice, image)
    assert differences._brightest_differs(cancelled, image)
    assert not differences._brightest_differs(np.full((2, 2), np.nan, np.float32), np.full((2, 2), np.nan, np.float32))


def test_the_limits_of_resolution_and_tophat_are_reasons() -> None:
    scene = resolve(parse_words(SMALL).experiment).scene
    stol = trace_pixel(scene, 3, 4).evaluations[0].stol
    assert why(f"{SMALL} -dmin {0.5e10 / stol:.17g}", 3, 4) == {"resolution limit"}
    assert why(f"{SMALL} -dmin {0.501e10 / stol:.17g}", 3, 4) == set()
    e = trace_pixel(scene, 3, 4).evaluations[0]
    delta = [h - h0 for h, h0 in zip(e.hkl, e.hkl0, strict=True)]
    radius = np.linalg.norm(np.array(delta) @ scene.reciprocal) ** 2 * np.prod(np.array(scene.cells) ** 2)
    assert why(f"{SMALL} -tophat_spots -fudge {0.3969 / radius:.17g}", 3, 4) == {"tophat edge"}


def test_cancelling_indices_are_a_reason() -> None:
    """At h = 1 within rounding the original divides noise by noise; its value there is nobody's."""
    scene = resolve(parse_words(SMALL).experiment).scene
    trace = trace_pixel(scene, 3, 4)
    e = trace.evaluations[0]
    at_peak = replace(e, hkl=(1.0 + 1e-12, *e.hkl[1:]), hkl0=(1, *e.hkl0[1:]))
    assert reasons(scene, replace(trace, evaluations=(at_peak,))) == {"cancellation"}


def test_an_index_between_two_nodes_is_a_reason_where_they_differ() -> None:
    """Rounding decides which structure factor counts, or which way a spot of a GAUSS crystal is skewed."""
    scene = resolve(parse_words(SMALL).experiment).scene
    trace = trace_pixel(scene, 3, 4)
    halfway = replace(trace.evaluations[0], hkl=(2.5, 0.1, 0.1), hkl0=(2, 0, 0))
    grid = np.full((4, 1, 1), 7.0)

    def of(scene: Scene, **changes: object) -> set[str]:
        return reasons(scene, replace(trace, evaluations=(replace(halfway, **changes),)))

    assert of(scene) == set()
    alike = replace(scene, f_grid=grid, f_min=(0, 0, 0))
    assert of(alike) == set()
    assert of(alike, hkl=(2.4, 0.5, 0.1)) == {"half-integer index"}  # 0 1 0 is not in the grid
    grid = grid.copy()
    grid[3] = 8.0
    assert of(replace(alike, f_grid=grid)) == {"half-integer index"}
    assert of(replace(alike, f_grid=grid), hkl=(2.4, 0.1, 0.1)) == set()
    assert of(replace(alike, f_grid=grid), interpolated=True) == set()
    assert of(replace(scene, crystal_shape=Shape.GAUSS)) == {"half-integer index"}


def test_a_zero_of_interpolated_structure_factors_is_a_reason() -> None:
    """Found by the fuzzer: F(000) = 0 at the direct beam, and no other spot: the image is its slope times rounding."""
    scene = resolve(parse_words(f"{SMALL} -tophat_spots").experiment).scene
    scene = replace(scene, f_grid=np.full((6, 6, 6), 100.0), f_min=(-3, -3, -3))
    trace = trace_pixel(resolve(parse_words(SMALL).experiment).scene, 3, 4)
    at_beam = replace(trace.evaluations[0], hkl=(6e-16, 0.0, -1e-17), hkl0=(0, 0, 0), F_cell=1e-14, interpolated=True)

    def of(**changes: object) -> set[str]:
        return reasons(scene, replace(trace, evaluations=(replace(at_beam, **changes),)))

    assert of() == {"cancellation"}
    assert of(F_cell=0.0) == {"cancellation"}
    assert of(interpolated=False) == set()
    assert of(F_cell=1e-3) == set()
    assert of(hkl=(1e-3, 0.0, 0.0)) == set()


def test_the_original_runs_in_one_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With OpenMP its images depend on the number of threads, and every difference found would be one of those."""
    program = tmp_path / "original"
    program.write_text("#!/bin/sh\necho $OMP_NUM_THREADS $*\n")
    program.chmod(0o755)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert runner.run_original(str(program), ["-N", "5"], tmp_path).output == "1 -N 5\n"
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    assert runner.run_original(str(program), [], tmp_path).output == "4\n"


# ---- golden data ------------------------------------------------------------------------------------------


@pytest.fixture
def few_cases(tmp_path: Path) -> Path:
    folder = tmp_path / "golden"
    (folder / "inputs").mkdir(parents=True)
    names = {"simple_cubic", "noise_mid", "hkl_fdump", "int_scale_pgm", "misset_random", "fail_no_cell", "defaults"}
    for name in ("cases.jsonl", "facts.jsonl"):
        kept = [text for text in (GOLDEN / name).read_text().splitlines() if json.loads(text)["id"] in names]
        (folder / name).write_text("".join(f"{text}\n" for text in kept))
    accepted = (GOLDEN / "acceptance.jsonl").read_text().splitlines()
    short = [text for text in accepted if json.loads(text)["id"].startswith("AT-GEO-002")]
    (folder / "acceptance.jsonl").write_text("".join(f"{text}\n" for text in short))
    for name in names - {"fail_no_cell"}:
        shutil.copy(GOLDEN / f"{name}.npz", folder)
    for name in ("A.mat", "sparse.hkl"):
        shutil.copy(GOLDEN / "inputs" / name, folder / "inputs")
    return folder


def test_golden_data_are_checked_and_stored(
    few_cases: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What another original gives is seen, told and stored; and then it is what is there.

    Our own program stands in for the original: its float images differ in the last bits, everything else is the same.
    """
    words = ["--folder", str(few_cases), "--c-bin", other_build(tmp_path)]
    assert golden.main(["--check", *words]) == 3
    told = {
        text.split(":")[0] + ":" + text.split(":")[1] for text in capsys.readouterr().out.splitlines() if ": " in text
    }
    wrong = {
        text
        for text in told
        if not text.endswith((": float_sha256", ": the float image differs", " the int image differs"))
    }
    assert {text for text in wrong if not text.startswith("AT-GEO")} <= {"noise_mid: the noise image differs"}
    assert golden.main(["--update", *words]) == 0
    capsys.readouterr()
    assert golden.main(["--check", *words]) == 0
    assert (few_cases / "SHA256SUMS").read_text() == golden.checksums(few_cases)
    facts = [json.loads(text) for text in (few_cases / "facts.jsonl").read_text().splitlines()]
    assert all("scene" in fact for fact in facts if fact["exit"] == 0)


def test_another_original_is_noticed(few_cases: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--check", "--folder", str(few_cases), "--only", "simple_cubic", "--without-acceptance"]
    assert golden.main([*words, "--c-bin", other_build(tmp_path, more="-fluence 1e28")]) == 3
    printed = capsys.readouterr().out
    assert "simple_cubic: the float image differs" in printed
    assert "simple_cubic: max_I" in printed


def test_the_checksums_are_those_of_the_tool() -> None:
    """``--update`` must not change the file where nothing has changed."""
    listed = (GOLDEN / "SHA256SUMS").read_text().splitlines()
    assert sorted(listed) == sorted(golden.checksums(GOLDEN).splitlines())
