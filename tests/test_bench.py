"""The benchmark suite: whoever doubts our figures can repeat them, and they are figures of the right image."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
BENCH = REPOSITORY / "bench"
sys.path.insert(0, str(BENCH))

from nanobragg.parity.bar import outside  # noqa: E402
from nanobragg_bench import BenchError  # noqa: E402
from nanobragg_bench.arithmetic import KERNELS, Count, operations  # noqa: E402
from nanobragg_bench.cases import CASES, NAMES, expand  # noqa: E402
from nanobragg_bench.parity import Agreement, excusable  # noqa: E402
from nanobragg_bench.peak import fraction_of_peak  # noqa: E402
from nanobragg_bench.report import table  # noqa: E402
from nanobragg_bench.rows import Row  # noqa: E402
from nanobragg_bench.targets import target_of  # noqa: E402

ROW_KEYS = {
    "case", "what", "variant", "threads", "evaluations", "seconds", "original_seconds", "ns_per_evaluation",
    "original_ns_per_evaluation", "ratio", "ratios", "target", "met", "peak_memory_bytes",
    "original_peak_memory_bytes", "memory_target_bytes", "memory_met", "fraction_of_peak", "agreement", "note",
}  # fmt: skip
MACHINE_KEYS = {"cpu", "instruction_set", "cores", "compiler", "core_compiler", "python", "numpy", "nanobragg", "date"}


def run_suite(*words: str) -> subprocess.CompletedProcess[str]:
    """The suite as a user runs it, without the original."""
    environment = {name: value for name, value in os.environ.items() if name != "NB_C_BIN"}
    command = [sys.executable, str(BENCH / "run.py"), *words]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[str, Any]]:
    """What a few small cases print, and their JSON file."""
    folder = tmp_path_factory.mktemp("bench")
    cases = ("mosaic_25", "gauss", "nearest", "everything_512", "real_crystal", "noise_4096", "read_hkl", "start")
    done = run_suite(
        "--quick", "--json", str(folder / "results.json"), "--shared", str(folder), "--scratch", str(folder),
        "--case", *cases,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert [path.name for path in folder.iterdir()] == ["results.json"]  # nothing left behind
    return done.stdout, json.loads((folder / "results.json").read_text())


def test_images_of_the_benchmark_are_right(quick: tuple[str, dict[str, Any]]) -> None:
    """A fast wrong image is no figure: every case is compared, here with the reference renderer."""
    rows = {(row["case"], row["variant"]): row for row in quick[1]["rows"]}
    for case in ("mosaic_25", "gauss", "nearest", "everything_512"):
        for precision in ("double", "mixed"):
            agreement = rows[case, precision]["agreement"]
            assert agreement["compared_with"] == "reference renderer"
            assert agreement["agrees"]
            assert agreement["pixels"] > 100
    assert rows["noise_4096", "fast"]["agreement"]["agrees"]
    assert rows["read_hkl", "text"]["agreement"]["agrees"]
    assert rows["read_hkl", "dump"]["agreement"]["agrees"]


def test_results_say_what_was_measured(quick: tuple[str, dict[str, Any]]) -> None:
    """Figures of another machine can be compared: all keys, the machine, and the evaluations that were counted."""
    results = quick[1]
    assert set(results["machine"]) >= MACHINE_KEYS
    assert set(results) == {"machine", "settings", "peak_flops", "rows", "skipped"}
    for row in results["rows"]:
        assert set(row) >= ROW_KEYS
        assert row["ratio"] is None
        assert row["peak_memory_bytes"] > 1e6
        if row["what"] == "engine":
            assert row["seconds"] > 0
            assert row["ns_per_evaluation"] == pytest.approx(1e9 * row["seconds"] / row["evaluations"])
    evaluations = {row["case"]: row["evaluations"] for row in results["rows"]}
    assert evaluations["mosaic_25"] == 128 * 128 * 25
    assert evaluations["everything_512"] == 48 * 48 * 5 * 9 * 5


def test_table_shows_every_row_and_what_was_skipped(quick: tuple[str, dict[str, Any]]) -> None:
    """Nobody has to read JSON, and a case without its inputs is not silently left out."""
    text, results = quick
    assert text.strip() == table(results).strip()
    assert len(text.splitlines()) == 3 + len(results["rows"]) + 1
    assert results["skipped"][0]["case"] == "real_crystal"
    assert "skipped real_crystal: its input golden/real_crystal.json" in text


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--case", "cubic"], "bench: --case: found 'cubic', expected one of cubic_1024"),
        (["--c-bin", "no/such/program"], "bench: --c-bin (or NB_C_BIN): found 'no/such/program', expected the exec"),
        (["--threads", "0"], "bench: --threads: found 0, expected 1 or more"),
        (["--json", "no/such/folder/a.json"], "bench: --json: found 'no/such/folder/a.json' in a folder that does not"),
    ],
)
def test_mistakes_are_told_before_the_work(words: list[str], sentence: str) -> None:
    """An hour of measuring is not lost to a misspelt name at its end."""
    done = run_suite("--quick", *words)
    assert done.returncode == 2
    assert done.stderr.startswith(sentence)


def test_plots_without_matplotlib(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who asks for plots and cannot have them knows it at once."""
    from nanobragg_bench.plots import require_matplotlib

    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(BenchError, match="--plots: found no matplotlib, expected it to be installed"):
        require_matplotlib()


def test_groups_and_names() -> None:
    """`shapes` is three cases, and every case has a name of its own."""
    assert expand(["shapes", "gauss", "start"]) == ["round", "gauss", "tophat", "start"]
    assert expand(None) == list(NAMES)
    assert len(set(NAMES)) == len(NAMES)


def test_targets() -> None:
    """Engine targets are for AVX-512, half of them for AVX2; the others hold anywhere."""
    full, half = (target_of("mosaic_25", "engine", "mixed", level) for level in ("avx512", "avx2"))
    assert full is not None
    assert half is not None
    assert (full.value, half.value) == (120.0, 60.0)
    assert target_of("mosaic_25", "engine", "mixed", "baseline") is None
    start = target_of("start", "start", "--version", "avx2")
    assert start is not None
    assert start.met(None, 0.029) is True
    assert start.met(None, 0.031) is False
    assert full.met(None, 1.0) is None


def test_the_ratio_is_the_median_of_the_pairs() -> None:
    """One disturbed pair does not decide, and a row is judged by it and by its memory."""
    row = Row(
        case="mosaic_25", what="engine", variant="mixed", threads=1, seconds=1.0, original_seconds=130.0,
        ratios=(130.0, 20.0, 121.0), evaluations=10**9, peak_memory_bytes=160_000_000, bytes_written=4_000_000,
        agreement=Agreement("original", 100, 1),
    )  # fmt: skip
    judged = row.judged("avx512")
    assert (judged["ratio"], judged["met"], judged["memory_met"]) == (121.0, True, False)
    assert judged["ns_per_evaluation"] == pytest.approx(1.0)
    assert judged["agreement"]["agrees"] is False
    assert row.judged("avx512", judge=False)["met"] is None


def test_bars() -> None:
    """The bars are those of specs/design.md, and a NaN is a NaN."""
    reference = np.array([1000.0, 1.0, np.nan, np.inf])
    assert not outside(reference * (1 + 0.9e-6), reference, "double").any()
    assert outside(np.array([1000.0, 1 + 4e-6, 1.0, np.inf]), reference, "double").tolist() == [
        False, True, True, False,
    ]  # fmt: skip
    assert not outside(reference * (1 + 0.9e-5), reference, "mixed").any()


def test_left_out_pixels() -> None:
    """A pixel is left out only where rounding decides: here the edge of a top-hat spot goes through one."""
    from nanobragg import resolve
    from nanobragg.trace import trace_pixel
    from nanobragg.words import parse_words

    words = "-lambda 1 -cell 100 100 100 90 90 90 -N 5 -default_F 100 -distance 100 -detpixels 8 -oversample 1 "
    scene = resolve(parse_words(words + "-tophat_spots").experiment).scene
    assert not excusable(scene, 1, 2, "double")
    (evaluation,) = trace_pixel(scene, 1, 2).evaluations
    offsets = np.array(evaluation.hkl) - np.round(evaluation.hkl)
    size = np.prod(scene.cells)
    radius = float(np.sum((offsets @ scene.reciprocal) ** 2)) * size * size
    at_edge = replace(scene, fudge=0.3969 / radius)
    assert excusable(at_edge, 1, 2, "double")
    assert not excusable(replace(at_edge, fudge=at_edge.fudge * (1 + 1e-7)), 1, 2, "double")
    assert excusable(replace(at_edge, fudge=at_edge.fudge * (1 + 1e-7)), 1, 2, "mixed")


def test_arithmetic_is_counted_for_every_case() -> None:
    """Each case can be told how near to the processor's peak it is."""
    assert {shape for shape, _ in KERNELS} >= {"square", "round", "gauss", "tophat"}
    for case in CASES:
        for precision in ("double", "mixed"):
            counted = operations(*case.kernel, precision, case.stored)
            assert counted is not None
            assert sum(count.flops for count in counted.values()) >= 15
    assert Count(fused=2, plain=3, divisions=1).flops == 8
    rates = {"double": 1e9, "single": 2e9}
    counted = operations("square", "constant", "mixed")
    assert counted is not None
    ideal = counted["double"].flops / 1e9 + counted["single"].flops / 2e9
    assert fraction_of_peak(rates, ("square", "constant"), "mixed", False, 2 * ideal, 1, 1) == pytest.approx(0.5)
    assert fraction_of_peak(None, ("square", "constant"), "mixed", False, 1.0, 1, 1) is None
