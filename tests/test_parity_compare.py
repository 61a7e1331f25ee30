"""``nb-compare``: whoever switches gets a verdict on their own data, and the verdict is right (specs/parity.md).

The "original" here is a small script that runs nanobragg with other quirks.
"""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nanobragg.parity import compare
from nanobragg.parity.bar import excess, outside
from nanobragg.parity.explain import choice_text
from nanobragg.parity.image_files import read_image, resample
from nanobragg.parity.metrics import correlation, find_peaks, measure
from nanobragg.records.quirks import QUIRKS, parse_quirks

pytestmark = pytest.mark.slow

WORDS = "-cell 70 80 90 75 85 95 -default_F 100 -lambda 1 -N 5 -detpixels 40 -pixel 0.3 -distance 60 -nonoise -nopgm"
PHI_ZERO = f"{WORDS} -phi 0 -osc 2 -phisteps 3"


def program(folder: Path, body: str) -> str:
    path = folder / "original.py"
    path.write_text(f"#!{sys.executable}\nimport sys\nwords = sys.argv[1:]\n{body}\n")
    path.chmod(0o755)
    return str(path)


def other_build(folder: Path, quirks: str = "all", more: str = "") -> str:
    """An "original" that keeps these quirks."""
    extra = f"words += {more.split()!r}\n" if more else ""
    return program(
        folder,
        f"{extra}from nanobragg.cli import main\nsys.exit(main(['-quirks', {quirks!r}, '-threads', '1', *words]))",
    )


def run(folder: Path, original: str, words: str, *options: str) -> tuple[int, dict[str, Any]]:
    status = compare.main(
        ["--c-bin", original, "--threads", "1", "--outdir", str(folder / "out"), *options, "--", *words.split()]
    )
    summary = folder / "out" / "summary.json"
    return status, json.loads(summary.read_text()) if summary.exists() else {}


def test_the_same_program_agrees_and_everything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    status, summary = run(tmp_path, other_build(tmp_path), WORDS, "--save-diff")
    assert status == 0
    assert summary["agree"] is True
    assert summary["metrics"]["outside"] == 0
    assert summary["metrics"]["correlation"] == pytest.approx(1.0)
    assert summary["metrics"]["peaks_matched"] == summary["metrics"]["peaks"] == 20
    assert summary["metrics"]["max_shift"] == 0.0
    assert summary["runs"]["original"]["seconds"] > 0.0
    assert summary["speedup"] > 0.0
    out = tmp_path / "out"
    assert {"original.png", "nanobragg.png", "difference.png", "original.txt", "nanobragg.txt", "report.html"} <= set(
        os.listdir(out)
    )
    assert (np.load(out / "difference.npy") == 0).all()
    page = (out / "report.html").read_text()
    assert page.count("data:image/png;base64,") == 3
    assert not re.search(r'(src|href)="(?!data:)', page)
    assert "max_I" in page
    assert "agree" in capsys.readouterr().out


def test_another_build_differs_and_the_quirk_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first question of everyone who finds a difference: is it ours, or is their build another one?"""
    monkeypatch.chdir(tmp_path)
    status, summary = run(tmp_path, other_build(tmp_path, "all,-stale_phi_zero"), PHI_ZERO, "--explain")
    assert status == 3
    assert summary["agree"] is False
    assert summary["explanation"]["explained_by"] == "all,-stale_phi_zero"
    sentence = (
        "agrees with -quirks all,-stale_phi_zero: the other program is a build with the defect stale_phi_zero fixed"
    )
    assert sentence in capsys.readouterr().out
    assert sentence in (tmp_path / "out" / "report.html").read_text()
    names = [name for name, _ in summary["explanation"]["quantities"]]
    assert "its h k l" in names


def test_two_quirks_together_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    words = f"{PHI_ZERO} -detector_thick 200 -detector_abs 150 -thicksteps 3"
    original = other_build(tmp_path, "all,-stale_phi_zero,-thickness_step")
    status, summary = run(tmp_path, original, words, "--explain")
    assert status == 3
    assert summary["explanation"]["explained_by"] == "all,-stale_phi_zero,-thickness_step"


def test_a_difference_that_is_no_quirk_is_not_explained_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    status, summary = run(tmp_path, other_build(tmp_path, more="-fluence 1e28"), PHI_ZERO, "--explain")
    assert status == 3
    assert summary["explanation"]["explained_by"] is None
    assert "no quirk explains" in summary["explanation"]["sentence"]
    assert "of ours" in summary["explanation"]["sentence"]


def test_a_threshold_replaces_the_bar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    original = other_build(tmp_path, more="-fluence 1e28")
    assert run(tmp_path, original, WORDS)[0] == 3
    status, summary = run(tmp_path, original, WORDS, "--threshold", "0.9999")
    assert (status, summary["agree"]) == (0, True)
    assert summary["metrics"]["sum_ratio"] == pytest.approx(12.5932, rel=1e-4)


def test_a_region_alone_is_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    original = other_build(tmp_path, more="-roi 0 19 0 39")
    assert run(tmp_path, original, WORDS, "--roi", "0", "19", "0", "39")[0] == 0
    status, summary = run(tmp_path, original, WORDS, "--roi", "10", "29", "5", "24")
    assert status == 3
    assert summary["metrics"]["worst"][1] >= 20


def test_quirks_are_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    original = other_build(tmp_path, "none")
    assert run(tmp_path, original, PHI_ZERO)[0] == 3
    assert run(tmp_path, original, PHI_ZERO, "--quirks", "none")[0] == 0


def test_input_files_are_found_and_the_users_files_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A comparison must not overwrite the images and caches in the folder it is started in."""
    (tmp_path / "data").mkdir()
    (tmp_path / "work").mkdir()
    (tmp_path / "above.mat").write_text("0.01 0 0\n0 0.011 0\n0 0 0.012\n")
    monkeypatch.chdir(tmp_path / "work")
    reflections = "".join(
        f"{h} {k} {l} {50 + h + k}\n"
        for h in range(-9, 10)
        for k in range(-9, 10)
        for l in (-1, 0, 1)  # noqa: E741
    )
    Path("sub").mkdir()
    Path("sub/a.hkl").write_text(reflections)
    Path("Fdump.bin").write_bytes(b"mine")
    Path("f.bin").write_bytes(b"mine")
    words = WORDS.replace("-cell 70 80 90 75 85 95", "-mat ../above.mat -hkl sub/a.hkl -floatfile ../work/f.bin")
    status, summary = run(tmp_path, other_build(tmp_path), words)
    assert (status, summary["agree"]) == (0, True)
    assert Path("Fdump.bin").read_bytes() == Path("f.bin").read_bytes() == b"mine"
    assert sorted(os.listdir()) == ["Fdump.bin", "f.bin", "sub"]


def test_our_own_formats_are_read_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The original writes its own formats under any name."""
    monkeypatch.chdir(tmp_path)
    body = "words = [w.replace('.npy', '.x') for w in words]\nimport os\nfrom nanobragg.cli import main\n"
    body += "status = main(words)\n"
    body += "os.rename('f.x', 'f.npy')\nos.rename('i.x', 'i.npy')\nsys.exit(status)"
    assert run(tmp_path, program(tmp_path, body), f"{WORDS} -floatfile f.npy -intfile i.npy")[0] == 0


def test_a_cache_is_compared_on_a_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.hkl").write_text(
        "".join(f"{h} {k} {l} 5{h % 2}\n" for h in range(-9, 10) for k in range(-9, 10) for l in (0, 1))  # noqa: E741
    )
    original = other_build(tmp_path)
    words = WORDS.replace("-default_F 100", "-default_F 3")
    assert run(tmp_path, original, f"{words} -hkl a.hkl -dump {tmp_path}/F.bin")[0] == 0
    assert not Path("F.bin").exists()
    made = (tmp_path / "out" / "original" / "F.bin").read_bytes()
    Path("F.bin").write_bytes(made)
    status, summary = run(tmp_path, original, f"{words} -dump {tmp_path}/F.bin")
    assert status == 0
    assert "F.bin" in (tmp_path / "out" / "nanobragg.txt").read_text()
    assert summary["metrics"]["outside"] == 0


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ("print('oh no'); sys.exit(9)", 2, "the original failed with exit status 9: oh no"),
        ("sys.exit(0)", 5, "intimage.img: cannot be read"),
    ],
)
def test_programs_that_fail(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    body: str,
    status: int,
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(tmp_path, program(tmp_path, body), WORDS)[0] == status
    assert said in capsys.readouterr().err


def test_ours_failing_is_status_2_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(tmp_path, program(tmp_path, "sys.exit(0)"), f"{WORDS} -oversample x")[0] == 2
    assert "nanobragg failed with exit status 9" in capsys.readouterr().err


def test_a_program_that_hangs_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    hanging = program(tmp_path, "import time; time.sleep(60)")
    assert run(tmp_path, hanging, WORDS, "--timeout", "1.5")[0] == 2


def test_other_shapes_are_status_4_unless_resampled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    original = other_build(tmp_path, more="-pixel 0.15 -detpixels 80")
    words = f"{WORDS} -distance 400 -denzo -Xbeam 6 -Ybeam 6"
    assert run(tmp_path, original, words)[0] == 4
    assert "80 x 80" in capsys.readouterr().err
    status, summary = run(tmp_path, original, words, "--resample", "--threshold", "0.9")
    assert status == 0
    assert summary["metrics"]["pixels"] == 6400


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["--"],
        ["--images", "a", "b", "--", "-cell"],
        ["--nonsense", "--", "-cell"],
        ["--images", "a", "b", "--explain"],
        ["--threads", "-1", "--", "-cell"],
        ["--c-bin", "/no/such/program", "--", "-cell"],
        ["--quirks", "nonsense", "--", "-cell"],
        ["--c-bin", sys.executable, "--", "-quirks", "none"],
    ],
)
def test_usage_is_status_1(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str]) -> None:
    monkeypatch.chdir(tmp_path)
    try:
        status = compare.main(words)
    except SystemExit as stop:
        status = stop.code
    assert status == 1


def test_the_original_comes_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NB_C_BIN", raising=False)
    assert compare.main(["--", *WORDS.split()]) == 1
    monkeypatch.setenv("NB_C_BIN", other_build(tmp_path))
    assert compare.main(["--outdir", "mine", "--", *WORDS.split()]) == 0


def test_a_folder_with_other_things_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").write_text("years of work")
    assert run(tmp_path, other_build(tmp_path), WORDS)[0] == 1
    assert os.listdir(tmp_path / "out") == ["thesis.tex"]


# ---- finished images --------------------------------------------------------------------------------------


def images(a: Path | str, b: Path | str, *options: str, out: Path) -> int:
    return compare.main(["--images", str(a), str(b), "--outdir", str(out), *options])


def test_finished_images_of_any_format(tmp_path: Path) -> None:
    import fabio.cbfimage
    import fabio.edfimage

    rng = np.random.default_rng(1)
    pixels = rng.integers(0, 1000, (20, 30)).astype(np.int32)
    fabio.cbfimage.CbfImage(data=pixels).write(str(tmp_path / "a.cbf"))
    fabio.edfimage.EdfImage(data=pixels.astype(np.float32)).write(str(tmp_path / "a.edf"))
    np.save(tmp_path / "a.npy", pixels)
    pixels.astype(np.float32).tofile(tmp_path / "a.bin")
    for name in ("a.cbf", "a.edf", "a.npy"):
        assert images(tmp_path / name, tmp_path / "a.bin", "--shape", "20", "30", out=tmp_path / "out") == 0, name
    other = pixels.copy()
    other[3, 4] += 1
    np.save(tmp_path / "b.npy", other)
    assert images(tmp_path / "a.cbf", tmp_path / "b.npy", out=tmp_path / "out") == 3
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["metrics"]["worst"] == [3, 4]
    assert summary["metrics"]["outside"] == 1
    assert (tmp_path / "out" / "image.png").exists()


def test_our_own_images_are_read_by_fabio(tmp_path: Path) -> None:
    from nanobragg import simulate

    image = simulate(args=WORDS)
    image.write(tmp_path / "a.img")
    assert (read_image(tmp_path / "a.img") == image.integers().data).all()


@pytest.mark.parametrize("name", ["no.cbf", "text.cbf", "bare.bin", "cube.npy"])
def test_what_is_no_image_is_status_5(tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "text.cbf").write_text("this is not an image")
    (tmp_path / "bare.bin").write_bytes(bytes(400))
    np.save(tmp_path / "cube.npy", np.zeros((2, 3, 4)))
    np.save(tmp_path / "a.npy", np.zeros((10, 10)))
    assert images(tmp_path / "a.npy", tmp_path / name, out=tmp_path / "out") == 5
    assert name in capsys.readouterr().err


# ---- the numbers ------------------------------------------------------------------------------------------


def test_the_bar_is_that_of_the_golden_tests() -> None:
    from conftest import outside_bar

    rng = np.random.default_rng(2)
    reference = (10.0 ** rng.uniform(-12, 6, (40, 40))).astype(np.float32)
    image = (reference * (1 + rng.normal(0, 2e-6, reference.shape))).astype(np.float32)
    reference[0, :4] = [np.nan, np.inf, np.inf, 1]
    image[0, :4] = [np.nan, np.inf, -np.inf, np.nan]
    for precision in ("double", "mixed"):
        expected = outside_bar(image, reference, precision)
        assert (outside(image, reference, precision) == expected).all()
    assert excess(image, reference)[0, :4].tolist() == [0.0, 0.0, np.inf, np.inf]


def test_shifted_peaks_are_measured() -> None:
    """A beam centre that is off by a pixel must be seen as such, not as a poor correlation."""
    slow, fast = np.mgrid[:60, :60]
    rng = np.random.default_rng(3)
    centres = [(s, f, rng.uniform(50, 100)) for s in range(8, 60, 12) for f in range(8, 60, 12)]

    def spots(dy: float, dx: float) -> np.ndarray:
        image = np.zeros((60, 60))
        for s, f, height in centres:
            image += height * np.exp(-((slow - s - dy) ** 2 + (fast - f - dx) ** 2) / 2)
        return image.astype(np.float32)

    metrics = measure(spots(1, 2), spots(0, 0), peaks=10)
    assert (metrics.peaks, metrics.peaks_matched) == (10, 10)
    assert metrics.mean_shift == pytest.approx(5**0.5, rel=1e-3)
    part = measure(spots(0.3, 0), spots(0, 0), peaks=10)
    assert 0.1 < part.mean_shift < 0.4


def test_a_plateau_is_one_peak() -> None:
    image = np.zeros((9, 9), np.float32)
    image[3:5, 3:6] = 7
    assert len([p for p in find_peaks(image) if p[2] > 0]) == 1


def test_correlation_of_flat_images() -> None:
    flat, other = np.zeros(5), np.arange(5.0)
    assert correlation(flat, flat + 1) == 1.0
    assert correlation(flat, other) == 0.0
    assert correlation(other, -other) == pytest.approx(-1.0)


def test_resampling_keeps_the_photons() -> None:
    rng = np.random.default_rng(4)
    image = rng.uniform(0, 100, (30, 21)).astype(np.float32)
    for shape in ((30, 21), (60, 42), (15, 7), (13, 50)):
        assert resample(image, shape).sum(dtype=float) == pytest.approx(image.sum(dtype=float), rel=1e-5)
    assert (resample(image, (30, 21)) == image).all()
    assert resample(np.ones((4, 4), np.float32), (2, 2)).tolist() == [[4, 4], [4, 4]]


def test_choices_of_quirks_are_written_as_they_are_read() -> None:
    names = list(QUIRKS)
    for kept in (names, [], names[1:], names[:1], names[::2], names[1::2], names[3:]):
        assert parse_quirks(choice_text(frozenset(kept))) == frozenset(kept)
