"""The benchmark suite: whoever doubts our figures can repeat them, and they are figures of the right image."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
BENCH = REPOSITORY / "bench"
sys.path.insert(0, str(BENCH))

from nanobragg.parity.bar import outside  # noqa: E402
from nanobragg.rendering.cuda_system import CudaDevice, cuda_system  # noqa: E402
from nanobragg_bench import BenchError  # noqa: E402
from nanobragg_bench.arithmetic import KERNELS, SLOPES, Count, operations, slope_operations  # noqa: E402
from nanobragg_bench.cases import CASES, CUDA_CASES, NAMES, by_name, expand  # noqa: E402
from nanobragg_bench.ceilings import (  # noqa: E402
    COUNTED,
    LANES,
    Ceilings,
    Instructions,
    arithmetic_ceiling,
    ceilings_of,
    memory_ceiling,
)
from nanobragg_bench.comparison import Agreement  # noqa: E402
from nanobragg_bench.counts_step import measure_series_1024  # noqa: E402
from nanobragg_bench.cuda_cases import WAYS, measure_cuda  # noqa: E402
from nanobragg_bench.devices import CPU, device_of, why_not_cuda  # noqa: E402
from nanobragg_bench.engine import measure_engine  # noqa: E402
from nanobragg_bench.main import main  # noqa: E402
from nanobragg_bench.noise_step import measure_noise  # noqa: E402
from nanobragg_bench.panels_step import WAYS as WAYS_OF_PANELS  # noqa: E402
from nanobragg_bench.peak import fraction_of_peak  # noqa: E402
from nanobragg_bench.report import as_json, table  # noqa: E402
from nanobragg_bench.rows import Row, Settings, Skipped  # noqa: E402
from nanobragg_bench.small_scene import WAYS as WAYS_OF_SMALL  # noqa: E402
from nanobragg_bench.targets import target_of  # noqa: E402
from nanobragg_bench.worker import COMMANDS, turned  # noqa: E402

pytestmark = pytest.mark.slow

ROW_KEYS = {
    "case", "what", "variant", "device", "threads", "evaluations", "seconds", "original_seconds", "ns_per_evaluation",
    "original_ns_per_evaluation", "ratio", "ratios", "target", "met", "peak_memory_bytes",
    "original_peak_memory_bytes", "memory_target_bytes", "memory_met", "fraction_of_peak", "agreement", "note",
}  # fmt: skip
MACHINE_KEYS = {
    "cpu", "gpu", "instruction_set", "cores", "compiler", "core_compiler", "python", "numpy", "nanobragg", "date",
}  # fmt: skip


def run_suite(*words: str) -> subprocess.CompletedProcess[str]:
    """The suite as a user runs it, without the original."""
    originals = ("NB_C_BIN", "NB_NONBRAGG_BIN", "NB_NOISIFY_BIN")
    environment = {name: value for name, value in os.environ.items() if name not in originals}
    command = [sys.executable, str(BENCH / "run.py"), *words]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[str, Any]]:
    """What a few small cases print, and their JSON file."""
    folder = tmp_path_factory.mktemp("bench")
    cases = (
        "mosaic_25", "gauss", "nearest", "everything_512", "real_crystal", "noise_4096", "read_hkl", "start",
        "small_scene", "series_1024", "derivatives", "panels", "refine_still", "gpu_next_image",
    )  # fmt: skip
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
    assert all(rows["small_scene", way.variant]["agreement"]["agrees"] for way in WAYS_OF_SMALL)
    for way in WAYS_OF_SMALL:  # generous: other programs may be running
        row = rows["small_scene", way.variant]
        assert row["seconds"] < 500e-6
        assert row["seconds"] == pytest.approx(row["call_seconds"] - row["pixels_seconds"])
    assert all(rows["series_1024", psf]["agreement"]["agrees"] for psf in ("no psf", "fiber psf"))
    for kind in ("gradient", "jacobian"):
        assert all(rows["derivatives", f"{kind} {shape}"]["agreement"]["agrees"] for shape in ("square", "gauss"))
    assert all(
        row["agreement"]["compared_with"] == "truth" for row in quick[1]["rows"] if row["case"] == "refine_still"
    )
    assert rows["refine_still", "P 1 2 1 square near"]["agreement"]["agrees"]
    assert all(rows["panels", way.variant]["agreement"]["agrees"] for way in WAYS_OF_PANELS)
    assert rows["read_hkl", "text"]["agreement"]["agrees"]
    assert rows["read_hkl", "dump"]["agreement"]["agrees"]


def test_results_say_what_was_measured(quick: tuple[str, dict[str, Any]]) -> None:
    """Figures of another machine can be compared: all keys, the machine, and the evaluations that were counted."""
    results = quick[1]
    assert set(results["machine"]) >= MACHINE_KEYS
    assert set(results) == {"machine", "settings", "peak_flops", "rows", "skipped"}
    for row in results["rows"]:
        assert set(row) >= ROW_KEYS
        beside = row["case"] == "derivatives" or (row["case"] == "panels" and not row["variant"].startswith("read"))
        assert (row["ratio"] is None) == (not beside)  # the original's time is not there
        assert row["device"] == "cpu"
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
    assert len(text.splitlines()) == 3 + len(results["rows"]) + 2
    assert results["skipped"][0]["case"] == "real_crystal"
    assert "skipped real_crystal: its input golden/real_crystal.json" in text
    assert "skipped gpu_next_image: it runs on a CUDA device only: " in text


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--case", "cubic"], "bench: --case: found 'cubic', expected one of cubic_1024"),
        (["--c-bin", "no/such/program"], "bench: --c-bin (or NB_C_BIN): found 'no/such/program', expected the exec"),
        (["--device", "gpu"], "bench: --device: found 'gpu', expected cpu, cuda or cuda:NUMBER"),
        (["--device", "cudax"], "bench: --device: found 'cudax', expected cpu, cuda or cuda:NUMBER"),
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
    from nanobragg.inputs.words import parse_words
    from nanobragg.rendering.trace import trace_pixel

    words = "-lambda 1 -cell 100 100 100 90 90 90 -N 5 -default_F 100 -distance 100 -detpixels 8 -oversample 1 "
    words += "-tophat_spots"
    scene = resolve(parse_words(words).experiment).scene
    (evaluation,) = trace_pixel(scene, 1, 2).evaluations
    offsets = np.array(evaluation.hkl) - np.round(evaluation.hkl)
    fudge = 0.3969 / (float(np.sum((offsets @ scene.reciprocal) ** 2)) * np.prod(scene.cells) ** 2)

    def excused(fudge: float, precision: str) -> list[bool]:
        return COMMANDS["excuse"](f"{words} -fudge {fudge:.17g}".split(), precision, [[1, 2], [2, 1], [6, 6]])

    assert excused(1.0, "double") == [False] * 3
    assert excused(fudge, "double") == [True, True, False]  # the image is symmetric about its diagonal
    assert excused(fudge * (1 + 1e-7), "double") == [False] * 3
    assert excused(fudge * (1 + 1e-7), "mixed") == [True, True, False]


def test_arithmetic_is_counted_for_every_case() -> None:
    """Each case can be told how near to the processor's peak it is."""
    assert {shape for shape, _ in KERNELS} >= {"square", "round", "gauss", "tophat"}
    for case in CASES:
        for precision in ("double", "mixed"):
            counted = operations(*case.kernel, precision, case.stored, case.fan)
            assert counted is not None
            assert sum(count.flops for count in counted.values()) >= 15
    assert Count(fused=2, plain=3, divisions=1).flops == 8
    rates = {"double": 1e9, "single": 2e9}
    counted = operations("square", "constant", "mixed")
    assert counted is not None
    ideal = counted["double"].flops / 1e9 + counted["single"].flops / 2e9
    assert fraction_of_peak(rates, ("square", "constant"), "mixed", (False, False), 2 * ideal, 1, 1) == pytest.approx(
        0.5
    )
    assert fraction_of_peak(None, ("square", "constant"), "mixed", (False, False), 1.0, 1, 1) is None
    for shape, precision in SLOPES:
        gradient, jacobian = (slope_operations(kind, shape, precision) for kind in ("gradient", "jacobian"))
        more = {("square", "double"): 11, ("square", "mixed"): 20, ("gauss", "double"): 10, ("gauss", "mixed"): 27}
        sums = sum(c.flops for c in jacobian.values()) + more[shape, precision]
        assert sum(count.flops for count in gradient.values()) == sums
        alone = operations({"square": "square 5"}.get(shape, shape), "constant", precision)
        assert alone is not None
        least = 1.45 if (shape, precision) == ("gauss", "double") else 1.5
        assert sum(count.flops for count in gradient.values()) > least * sum(count.flops for count in alone.values())


H200 = CudaDevice(0, "NVIDIA H200", (9, 0), 150 * 10**9, 132, 1.98e9, 4.8e12)


def ask_here(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """A worker in this process."""

    def ask(folder: Path, do: str, **arguments: Any) -> Any:
        with monkeypatch.context() as inside:
            inside.chdir(folder)
            return COMMANDS[do](**json.loads(json.dumps(arguments)))

    return ask


@pytest.fixture
def on_played(played: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Settings:
    """Settings of a quick run on a GPU that the CPU plays; the worker works in this process."""
    ask = ask_here(monkeypatch)
    for module in ("engine", "cuda_cases", "comparison", "counts_step"):
        monkeypatch.setattr(f"nanobragg_bench.{module}.ask_worker", ask)
    return Settings(
        original=None, shared=tmp_path, scratch=tmp_path, threads=(1,), repeat=2, quick=True, original_edge=None,
        instruction_set="avx512", rates={"double": 1e9, "single": 1e9}, say=lambda text: None,
        device=device_of("cuda"),
    )  # fmt: skip


def test_engine_cases_on_a_gpu(on_played: Settings) -> None:
    """Their images come from there and are right; the GPU is named, and not judged by a processor's targets."""
    double, mixed = measure_engine(by_name("mosaic_25").small(), on_played)
    for row in (double, mixed):
        judged = row.judged("avx512")
        assert (judged["device"], judged["target"], judged["memory_target_bytes"]) == ("Played", None, None)
        assert judged["agreement"]["agrees"]
        assert judged["ns_per_evaluation"] == pytest.approx(1e9 * row.seconds / (128 * 128 * 25))
        gpu = on_played.device.gpu
        assert gpu is not None
        ceiling = arithmetic_ceiling(gpu, ("square 5", "constant"), row.variant, False)
        assert ceiling is not None
        assert judged["fraction_of_peak"] == pytest.approx(128 * 128 * 25 / row.seconds / ceiling)
    others = measure_engine(by_name("gauss").small(), on_played)
    assert [row.fraction_of_peak for row in others] == [None, None]  # not counted for GPUs


def test_the_suite_on_a_gpu(on_played: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One command measures engine cases and those for GPUs, and leaves the others to the processors."""
    file = tmp_path / "results.json"
    words = ["--quick", "--device", "cuda", "--json", str(file), "--scratch", str(tmp_path)]
    assert main([*words, "--case", "nearest", "gpu_mosaic_1000", "read_hkl"]) == 0
    results = json.loads(file.read_text())
    assert capsys.readouterr().out.strip() == table(results).strip()
    devices = {(row["case"], row["device"]) for row in results["rows"]}
    assert devices == {("nearest", "Played"), ("gpu_mosaic_1000", "Played"), ("read_hkl", "cpu")}
    assert results["skipped"] == []


def test_counts_on_a_gpu(on_played: Settings) -> None:
    """Counts that a GPU makes are timed where they are made, and are no figure unless they are the CPU's."""
    rows = measure_series_1024(on_played)
    assert [row.variant for row in rows[2:]] == ["no psf on the device", "fiber psf on the device"]
    for row in rows[2:]:
        assert row.device == "Played"
        assert row.agreement is not None
        assert row.agreement.agrees
        assert (row.agreement.compared_with, row.agreement.pixels) == ("the CPU's counts", 96 * 112)


@pytest.mark.parametrize("case", [case.name for case in CUDA_CASES])
def test_cuda_cases(on_played: Settings, case: str) -> None:
    """Each way has its row, with a right image, a target and both ceilings."""
    rows = measure_cuda(by_name(case).small(), on_played)
    assert isinstance(rows, list)
    assert [row.variant for row in rows] == [way.variant for way in WAYS[case]]
    results = as_json({"cpu": "", "instruction_set": "", "cores": 1, "date": ""}, on_played, rows, [])
    assert results["settings"]["device"] == "cuda:0"
    assert results["machine"]["gpu"]["multiprocessors"] == 100
    for row in results["rows"]:
        assert row["device"] == "Played"
        assert row["agreement"]["agrees"]
        assert row["agreement"]["compared_with"] == "CPU renderer"
        assert row["agreement"]["pixels"] >= 36
        assert row["target"] is not None
        assert set(row) >= ROW_KEYS
        ceilings = row["ceilings"]
        assert (ceilings["evaluations"] < row["evaluations"] / 2) == (case == "gpu_xfel_3000")  # a spectrum
        rate = ceilings["evaluations"] / row["seconds"]
        assert ceilings["arithmetic_fraction"] == pytest.approx(rate / ceilings["arithmetic_evaluations_per_second"])
        assert ceilings["memory_fraction"] == pytest.approx(ceilings["memory_seconds"] / row["seconds"])
        assert row["fraction_of_peak"] == ceilings["arithmetic_fraction"]
        assert "ceilings: arithmetic" in table(results)
    assert table(results).splitlines()[0].endswith(", Played")


def test_a_wrong_image_of_a_gpu_is_found(on_played: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """An image in another orientation than the CPU's is no figure."""
    case = by_name("gpu_next_image").small()
    monkeypatch.setattr("nanobragg_bench.worker.turned", lambda scene, number: turned(scene, min(number, 1)))
    rows = measure_cuda(case, on_played)
    assert isinstance(rows, list)
    assert all(row.agreement is not None and row.agreement.agrees for row in rows)
    series = COMMANDS["series"]
    monkeypatch.setitem(COMMANDS, "series", lambda **arguments: {**series(**arguments), "turn": 0})
    rows = measure_cuda(case, on_played)
    assert isinstance(rows, list)
    assert not any(row.agreement is None or row.agreement.agrees for row in rows)


def test_turned_crystals() -> None:
    """Every image of the series has another orientation of the same cell; number 0 is the command line's."""
    from nanobragg import resolve
    from nanobragg.inputs.words import parse_words

    scene = resolve(parse_words(by_name("gpu_next_image").command).experiment).scene
    assert turned(scene, 0) is scene
    before, after = scene.orientations[0], turned(scene, 90).orientations[0]
    rotation = np.linalg.solve(before, after)
    assert rotation @ rotation.T == pytest.approx(np.eye(3))
    assert np.linalg.det(rotation) == pytest.approx(1.0)
    assert np.trace(rotation) == pytest.approx(1 + 2 * np.cos(np.radians(63)))
    assert np.ones(3) @ rotation == pytest.approx(np.ones(3))


def test_devices_of_the_benchmark(played: None) -> None:
    """A number that is not there is told, before the work."""
    assert device_of("cpu") is CPU
    assert CPU.label == "cpu"
    assert CPU.described() is None
    assert (device_of("cuda:0").name, device_of("cuda").label) == ("cuda:0", "Played")
    assert why_not_cuda(device_of("cuda")) == ""
    assert why_not_cuda(CPU) == "it runs on a CUDA device only: ask for it with --device cuda"
    with pytest.raises(BenchError, match="--device: found 'cuda:3', expected one of cuda:0"):
        device_of("cuda:3")


@pytest.mark.skipif(not cuda_system().reason, reason="there is a CUDA device")
def test_no_device(tmp_path: Path) -> None:
    """Without a GPU, asking for one is a sentence and exit status 2, and its cases say why they were skipped."""
    done = run_suite("--quick", "--device", "cuda")
    assert done.returncode == 2
    reason = cuda_system().reason
    assert done.stderr == f"bench: --device: found 'cuda', but {reason}; expected a CUDA device, or cpu\n"
    settings = Settings(
        original=None, shared=tmp_path, scratch=tmp_path, threads=(1,), repeat=1, quick=True, original_edge=None,
        instruction_set="avx512", rates=None, say=lambda text: None,
    )  # fmt: skip
    expected = Skipped("gpu_next_image", f"it runs on a CUDA device only: {reason}")
    assert measure_cuda(by_name("gpu_next_image"), settings) == expected


def test_targets_for_a_gpu() -> None:
    """Evaluations per second are at least, seconds at most; every way of every case has one."""
    rate, most = (target_of(case, "cuda", variant, "baseline", "NVIDIA H200") for case, variant in (
        ("gpu_mosaic_1000", "mixed"), ("gpu_next_image", "mixed device"),
    ))  # fmt: skip
    assert rate is not None
    assert most is not None
    assert (str(rate), str(most)) == (">= 2.5e+11/s", "<= 0.5 ms")
    assert rate.met(None, 1.0, 26 * 10**10) is True
    assert rate.met(None, 1.1, 26 * 10**10) is False
    assert rate.met(None, 1.0) is None
    for case, ways in WAYS.items():
        assert all(target_of(case, "cuda", way.variant, "avx512") is not None for way in ways)
    others = ["noise_4096", "derivatives"]
    assert expand(["cuda"]) == [*(case.name for case in CUDA_CASES), *others] == [*WAYS, *others]


def test_ceilings_of_an_h200() -> None:
    """The figures of specs/performance.md: what the counted instructions and the published rates come to."""
    kernel = ("square 5", "constant")
    found = {
        (precision, stored): arithmetic_ceiling(H200, kernel, precision, stored)
        for precision in ("double", "mixed")
        for stored in (False, True)
    }
    expected = {
        ("double", False): 2.93e11, ("double", True): 3.22e11, ("mixed", False): 7.97e11, ("mixed", True): 9.04e11,
    }  # fmt: skip
    assert found == pytest.approx(expected, rel=2e-3)
    assert memory_ceiling(H200, 3000**2) == pytest.approx(37.5e-6)
    assert memory_ceiling(H200, 1024**2) == pytest.approx(4.37e-6, rel=1e-3)
    lanes = LANES[9, 0]
    assert Instructions(double=64, single=0).clocks(lanes) == 1.0
    assert Instructions(double=0, single=128).clocks(lanes) == 1.0
    assert Instructions(double=60, single=60, conversions=136).clocks(lanes) == 2.0
    assert {kernel for kernel, _, _ in COUNTED} == {case.kernel for case in CUDA_CASES}


def test_ceilings_from_what_a_gpu_reached() -> None:
    """Where its rates were measured, they take the place of what its clock and memory promise."""
    lanes = LANES[9, 0]
    whole = 132 * 1.98e9
    rates = {"double": 0.5 * whole * lanes.double, "single": 0.5 * whole * lanes.single, "copied": 0.8 * 4.8e12}
    for precision in ("double", "mixed"):
        promised = arithmetic_ceiling(H200, ("square 5", "constant"), precision, False)
        assert promised is not None
        reached = arithmetic_ceiling(H200, ("square 5", "constant"), precision, False, rates)
        assert reached == pytest.approx(promised / 2)
    assert memory_ceiling(H200, 3000**2, rates) == pytest.approx(37.5e-6 / 0.8)


def test_noise_on_a_gpu(on_played: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is timed where the image lies, and must be the CPU's to the last photon."""
    monkeypatch.setattr("nanobragg_bench.noise_step.ask_worker", ask_here(monkeypatch))
    row = measure_noise(on_played)[-1]
    assert (row.variant, row.device) == ("on the device", "Played")
    assert row.agreement is not None
    assert row.agreement.agrees
    assert str(target_of("noise_4096", row.what, row.variant, "avx512", "Played")) == "<= 2 ms"


def test_ceilings_that_are_not_known() -> None:
    """A GPU that does not tell its clocks, or of another generation, is no error."""
    for unknown in (H200._replace(clock_hz=0.0), H200._replace(capability=(99, 0))):
        assert arithmetic_ceiling(unknown, ("square 5", "constant"), "mixed", False) is None
    found = ceilings_of(H200._replace(memory_bandwidth=0.0), ("round", "constant"), "mixed", False, 100, 2.0, 10**9)
    assert found == Ceilings(None, None, 2.0, 10**9)
    assert str(found) == "5e+08 evaluations/s; ceilings: arithmetic unknown; memory unknown"
    assert set(found.as_json().values()) == {None, 10**9}  # the last is the number of evaluations
