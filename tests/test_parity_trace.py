"""Traces and ``nb-trace-diff``: a first divergence is found in minutes, not in days (specs/trace.md)."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from nanobragg import simulate
from nanobragg.cli import main as nanobragg
from nanobragg.parity import trace_diff
from nanobragg.rendering.trace import Evaluation, format_trace, read_trace, trace_pixel

WORDS = "-cell 70 80 90 75 85 95 -default_F 100 -lambda 1 -N 3 -detpixels 12 -distance 60 -nonoise -nopgm -oversample 2"
SPECIFICATION = (Path(__file__).parent.parent / "specs" / "trace.md").read_text()


def traced(words: str, slow: int = 7, fast: int = 5):
    return trace_pixel(simulate(args=words).resolved.scene, slow, fast)


def test_text_and_json_hold_the_same_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """17 digits: what is read back is the number itself."""
    monkeypatch.chdir(tmp_path)
    assert nanobragg([*WORDS.split(), "-trace_pixel", "7", "5", "-trace_json", "t.json"]) == 0
    Path("t.txt").write_text(capsys.readouterr().out)
    expected = traced(WORDS).to_dict()
    assert read_trace("t.txt") == expected
    assert read_trace("t.json") == expected
    assert json.loads(Path("t.json").read_text())["schema"] == 1
    assert len(expected["evaluations"]) == 4
    image = simulate(args=WORDS).data
    assert np.float32(expected["value"]) == pytest.approx(image[7, 5], rel=1e-6)


def test_every_name_is_in_the_specification() -> None:
    """Scripts that read traces rely on the page, and on nothing being renamed."""
    trace = traced(WORDS)
    names = {line.split()[1] for line in format_trace(trace)} | {f.name for f in fields(Evaluation)}
    described = {
        name.strip() for row in re.findall(r"^\| ([\w, ]+) \|", SPECIFICATION, re.MULTILINE) for name in row.split(",")
    }
    assert {name for name in names if not name.isdigit()} <= described
    assert {"schema", "pixel", "panel", "rendered", "evaluations"} | (names & set(trace.to_dict())) == set(
        trace.to_dict()
    )


def test_numbers_that_are_not_finite_survive(tmp_path: Path) -> None:
    from dataclasses import replace

    trace = replace(traced(WORDS), value=float("nan"), scale=float("inf"), polar=float("-inf"))
    (tmp_path / "a.json").write_text(trace.to_json())
    (tmp_path / "a.txt").write_text("\n".join(format_trace(trace)))
    for name in ("a.json", "a.txt"):
        read = read_trace(tmp_path / name)
        assert np.isnan(read["value"])
        assert (read["scale"], read["polar"]) == (float("inf"), float("-inf"))
    assert trace_diff.main([str(tmp_path / "a.json"), str(tmp_path / "a.txt")]) == 0


def test_a_json_file_needs_a_pixel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert nanobragg([*WORDS.split(), "-trace_json", "t.json"]) == 9
    assert "expected -trace_pixel SLOW FAST" in capsys.readouterr().err
    assert nanobragg([*WORDS.split(), "-trace_pixel", "1", "1", "-trace_json", "no/t.json"]) == 9
    assert list(tmp_path.iterdir()) == []


# ---- nb-trace-diff ----------------------------------------------------------------------------------------


def files(folder: Path, a: str, b: str) -> list[str]:
    for name, words in (("a", a), ("b", b)):
        (folder / name).write_text(traced(words).to_json())
    return [str(folder / "a"), str(folder / "b")]


@pytest.mark.parametrize(
    ("more", "first"),
    [
        ("-distance 60.001", "position"),
        ("-lambda 1.0001", "wavelength"),
        ("-misset 0.01 0 0", "a"),
        ("-default_F 101", "F_cell"),
        ("-Na 4", "F_latt"),
        ("-polar 0.5", "polar"),
        ("-fluence 1e28", "scale"),
        ("-point_pixel", "omega"),
        ("-phisteps 2 -osc 1", "steps"),
    ],
)
def test_the_first_difference_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], more: str, first: str
) -> None:
    """Everything after it differs as well; the first is the one that a person looks for."""
    assert trace_diff.main(files(tmp_path, WORDS, f"{WORDS} {more}")) == 3
    assert f"first difference: {first} " in capsys.readouterr().out


def test_the_tolerance_decides(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pair = files(tmp_path, WORDS, f"{WORDS} -default_F 100.00001")
    assert trace_diff.main([*pair, "--tolerance", "1e-6"]) == 0
    assert "agree" in capsys.readouterr().out
    assert trace_diff.main([*pair, "--all"]) == 3
    printed = capsys.readouterr().out
    assert printed.count("F_cell\n") == 4
    assert "value" in printed


def test_evaluations_of_one_trace_only_are_differences(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = list(trace_diff.differences(traced(WORDS).to_dict(), traced(f"{WORDS} -oversample 1").to_dict()))
    assert [d.name for d in found].count("evaluation") == 3
    assert trace_diff.main(files(tmp_path, WORDS, WORDS)) == 0
    capsys.readouterr()


@pytest.mark.parametrize("content", ["", "no trace", "{", '{"schema": 2}', "TRACE schema 1\nTRACE", "TRACE schema x"])
def test_what_is_no_trace_is_status_5(tmp_path: Path, content: str, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a").write_text(traced(WORDS).to_json())
    (tmp_path / "b").write_text(content)
    assert trace_diff.main([str(tmp_path / "a"), str(tmp_path / "b")]) == 5
    assert str(tmp_path / "b") in capsys.readouterr().err


def test_usage_is_status_1(tmp_path: Path) -> None:
    for words in (["a"], ["a", "b", "--tolerance", "-1"]):
        with pytest.raises(SystemExit) as stop:
            trace_diff.main(words)
        assert stop.value.code == 1
