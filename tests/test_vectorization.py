"""Hot loops stay vectorised: a careless edit or another compiler must not make every image several times slower."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
BENCH = REPOSITORY / "bench"
sys.path.insert(0, str(BENCH))

from nanobragg_bench.loops import Source  # noqa: E402
from nanobragg_bench.vectorizer import count_arithmetic, levels  # noqa: E402

KERNEL = REPOSITORY / "cpp" / "src" / "kernel.inl"
MARKED = [loop for loop in Source([KERNEL]).loops if loop.name]


def test_marked_loops_are_vectorised_at_every_level(tmp_path: Path) -> None:
    """Every loop marked `must vectorise` in kernel.inl uses full registers, in every instance, at every level."""
    results = tmp_path / "findings.json"
    command = [sys.executable, str(BENCH / "vectorization.py"), "--compiler", "g++", "--json", str(results)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    findings = [finding for finding in json.loads(results.read_text()) if finding["must"]]
    expected = {(level.name, loop.name) for level in levels(REPOSITORY / "CMakeLists.txt") for loop in MARKED}
    assert {(finding["level"], finding["must"]) for finding in findings} == expected
    assert all(finding["good"] and finding["bytes"] >= 16 for finding in findings)


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
    (source / "src").mkdir(parents=True)
    (source / "include" / "nanobragg").mkdir(parents=True)
    (source / "include" / "nanobragg" / "physics.hpp").write_text("")
    (source / "src" / "kernel.inl").write_text(SMALL_KERNEL)
    for level in ("baseline", "avx2", "avx512"):
        (source / "src" / f"kernel_{level}.cpp").write_text('#include "kernel.inl"\n')
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
