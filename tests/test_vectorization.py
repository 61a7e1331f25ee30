"""Hot loops stay vectorised: a careless edit or another compiler must not make every image several times slower.

ctest looks for that in the kernels that were built (``vectorised_*``); here are the tools that tell why a loop is not,
and where the time goes.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
BENCH = REPOSITORY / "bench"
sys.path.insert(0, str(BENCH))

from nanobragg import _core  # noqa: E402
from nanobragg_bench.cases import by_name  # noqa: E402
from nanobragg_bench.loops import Source  # noqa: E402
from nanobragg_bench.profiling import Instruments, build_sampler  # noqa: E402
from nanobragg_bench.shares import OTHER, OUTSIDE, attribute, inventory, loop_of, markdown, measure  # noqa: E402
from nanobragg_bench.vectorizer import count_arithmetic  # noqa: E402
from vectorization import main  # noqa: E402

pytestmark = pytest.mark.slow

KERNEL = sorted((REPOSITORY / "cpp" / "src" / "cpu").glob("kernel*.inl"))
MARKED = [loop for loop in Source(KERNEL).loops if loop.name]


def test_something_is_marked() -> None:
    """The loops over evaluations are on the list, and each name is there once."""
    names = [loop.name for loop in MARKED]
    assert any("evaluations" in name for name in names)
    assert len(set(names)) == len(names)


SMALL_KERNEL = """
namespace {
inline __attribute__((always_inline)) double shifted(const double* x, int p) {
    return x[p] + 1.0;
}
}
void doubled(const double* x, double* y, int n) {
// must vectorise: doubling
#pragma omp simd
    for (int p = 0; p < n; ++p) {
        const double value = shifted(x, p);
        y[p] = 2.0 * value;
    }
}
double outside(double);
void called(const double* x, double* y, int n) {
// must vectorise: calling
#pragma omp simd
    for (int p = 0; p < n; ++p) {
        y[p] = outside(x[p]);
    }
}
"""


def test_a_scalar_loop_is_found(tmp_path: Path) -> None:
    """The check can fail: a call in a loop keeps it scalar, and that is told; its neighbour is not blamed."""
    source = tmp_path / "cpp"
    (source / "src" / "cpu").mkdir(parents=True)
    (source / "src" / "physics").mkdir()
    (source / "src" / "physics" / "physics.hpp").write_text("")
    (source / "src" / "cpu" / "kernel.inl").write_text(SMALL_KERNEL)
    for level in ("baseline", "avx2", "avx512"):
        (source / "src" / "cpu" / f"kernel_{level}.cpp").write_text('#include "kernel.inl"\n')
    (tmp_path / "CMakeLists.txt").write_text((REPOSITORY / "CMakeLists.txt").read_text())
    command = [sys.executable, str(BENCH / "vectorization.py"), "--compiler", "g++", "--source", str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "vectorization: calling, baseline: kernel.inl:19 in called" in done.stderr
    assert "doubling" not in done.stderr
    assert "doubling" in done.stdout


def test_object_code_is_counted_by_register() -> None:
    """The word of the compiler is checked against what it wrote."""
    listing = """
0000000000000000 <first>:
   0:\tvmulpd %zmm1,%zmm2,%zmm3
   6:\tvfmadd213ps (%rax),%ymm1,%ymm2
   c:\tvaddsd %xmm1,%xmm2,%xmm3
  12:\tvmovapd %zmm1,%zmm2

0000000000000020 <second>:
  20:\tsqrtpd %xmm1,%xmm2
"""
    counts = count_arithmetic(listing)
    assert counts["first"] == {"zmm": 1, "ymm": 1, "scalar": 1}
    assert counts["second"] == {"xmm": 1}


def test_shares_of_the_run_time(tmp_path: Path) -> None:
    """The inventory says where the time goes: all of it, and in mosaic_25 most of it in the loop over evaluations."""
    source = Source(KERNEL)
    core = Path(_core.__file__)
    assert b".debug_line" in core.read_bytes(), f"{core}: found no line tables, expected those of a build with tests"
    instruments = Instruments(core, build_sampler(tmp_path, "g++"))
    found = measure(by_name("mosaic_25"), instruments, source, 0.5, tmp_path, tmp_path)
    assert [shares.precision for shares in found] == ["double", "mixed"]
    for shares in found:
        assert shares.samples >= 20
        assert sum(shares.fractions.values()) == pytest.approx(1.0)
        assert shares.fractions[f"evaluations of a straight row, {shares.precision}"] > 0.6
    entries = inventory([], found, source)
    assert {entry["loop"] for entry in entries if entry["must"]} == {loop.name for loop in MARKED}
    for precision in ("double", "mixed"):
        assert sum(entry["shares"][precision]["mosaic_25"] for entry in entries) == pytest.approx(1.0, abs=0.01)


SHARED_KERNEL = """
inline double helper(double x) {
    double sum = 0;
    for (int i = 0; i < 3; ++i) sum += x;
    return sum;
}
void sweep(const double* x, double* y, int n, int times) {
    for (int w = 0; w < times; ++w) {
// must vectorise: summing
#pragma omp simd
        for (int p = 0; p < n; ++p) {
            y[p] += helper(x[p]);
        }
        y[0] += 1;
    }
    y[1] = 0;
}
"""


def test_samples_belong_to_the_innermost_vector_loop(tmp_path: Path) -> None:
    """A helper's time is that of the vector loop which it is inlined in; what is between loops is told apart."""
    (tmp_path / "kernel.inl").write_text(SHARED_KERNEL)
    source = Source([tmp_path / "kernel.inl"])
    frames = {
        1: [("kernel.inl", 4), ("kernel.inl", 12)],  # the helper's loop, inlined
        2: [("physics.hpp", 30), ("kernel.inl", 12)],
        3: [("kernel.inl", 14)],
        4: [("kernel.inl", 16)],
        5: [("render_cpu.cpp", 100)],
    }
    counts = attribute({1: 10, 2: 20, 3: 3, 4: 2, 5: 1, 6: 1}, frames, source)
    assert counts == {"summing": 30, "sweep": 3, OUTSIDE: 2, OTHER: 2}
    loop = loop_of(frames[1], source)
    assert loop is not None
    assert loop.name == "summing"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--shares", "mosaic"], "--shares: found 'mosaic', expected one of cubic_1024"),
        (["--shares", "start"], "--shares: found 'start', expected one of cubic_1024"),
        (["--shares", "--seconds", "0"], "--seconds: found 0, expected more than 0"),
        (["--markdown", "shares.md"], "--markdown: found no --shares, expected both"),
    ],
)
def test_bad_words_are_named(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A wrong name is told before minutes are spent on compiling."""
    assert main(words) == 2
    assert message in capsys.readouterr().err


def test_the_committed_page_is_of_the_committed_figures() -> None:
    """The table of shares in bench/results is what the command makes of the figures beside it."""
    results = json.loads((BENCH / "results" / "loop_shares.json").read_text(encoding="utf-8"))
    page = (BENCH / "results" / "loop_shares.md").read_text(encoding="utf-8")
    assert page.split() == markdown(results).split()  # docs/wrap.py fills its lines
    for precision, samples in results["samples"].items():
        for case in samples:
            total = sum(entry["shares"][precision][case] for entry in results["loops"])
            assert total == pytest.approx(1.0, abs=0.01)
