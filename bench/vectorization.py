"""``python bench/vectorization.py``: which loops of the hot paths the compiler vectorised, at each instruction set.

Compiles ``cpp/src/kernel_*.cpp`` into a temporary folder with the options of ``CMakeLists.txt`` and reads what GCC says
of each loop in each instance of a template. Ends with status 1 when a loop marked in ``kernel.inl`` by the comment
``// must vectorise: NAME`` (on the line above ``#pragma omp simd``) is not vectorised with the full registers of some
level in some instance, or when the object code of its function has no packed arithmetic in such registers.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from nanobragg_bench import BenchError
from nanobragg_bench.loops import Source
from nanobragg_bench.vectorizer import Finding, compile_level, findings_of, levels

SOURCES = Path(__file__).resolve().parent.parent / "cpp"


def _lines(findings: Sequence[Finding]) -> list[tuple[str, ...]]:
    """A line for each loop and level; its copies together where they came out alike."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for f in findings:
        groups.setdefault((f.place, f.must, f.level, f.outcome), []).append(f.function)
    return [
        (*key[:3], f"{len(functions)}x" if len(functions) > 1 else functions[0], key[3])
        for key, functions in groups.items()
    ]


def _table(findings: Sequence[Finding]) -> str:
    lines = [("loop", "must", "level", "in", "outcome"), *_lines(findings)]
    widths = [max(len(line[i]) for line in lines) for i in range(4)]
    return "\n".join(
        "  ".join([*(cell.ljust(width) for cell, width in zip(line, widths, strict=False)), line[4]]) for line in lines
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Compile, tell, and judge."""
    parser = argparse.ArgumentParser(prog="bench/vectorization.py", description="Which hot loops are vectorised.")
    parser.add_argument("--compiler", default=os.environ.get("CXX", "g++"), help="GCC (default: $CXX or g++)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the findings there")
    parser.add_argument("--all", action="store_true", help="list also the loops without #pragma omp simd")
    parser.add_argument("--source", type=Path, default=SOURCES, metavar="FOLDER", help="the folder cpp")
    args = parser.parse_args(argv)
    try:
        findings = _investigate(args.source.resolve(), args.compiler)
    except BenchError as error:
        print(f"vectorization: {error}", file=sys.stderr)
        return 2
    failures = [finding for finding in findings if finding.must and not finding.good]
    print(_table([finding for finding in findings if finding.simd or args.all]))
    for finding in failures:
        where = f"{finding.place} in {finding.function}" if finding.function else finding.place
        print(f"vectorization: {finding.must}, {finding.level}: {where}: {finding.outcome}", file=sys.stderr)
    if args.json is not None:
        args.json.write_text(json.dumps([finding.as_dict() for finding in findings], indent=1) + "\n")
    return 1 if failures else 0


def _investigate(source: Path, compiler: str) -> list[Finding]:
    kernel = source / "src" / "kernel.inl"
    if not kernel.exists():
        raise BenchError(f"--source: found no src/kernel.inl in {str(source)!r}, expected the folder cpp")
    files = Source([kernel, source / "include" / "nanobragg" / "physics.hpp"])
    findings: list[Finding] = []
    with tempfile.TemporaryDirectory(prefix="nanobragg_vectorization_") as folder:
        for level in levels(source.parent / "CMakeLists.txt"):
            built = compile_level(level, source, Path(folder), compiler)
            findings += findings_of(level, built, files)
    return sorted(findings, key=lambda f: int(f.place.rsplit(":", 1)[1]))


if __name__ == "__main__":
    sys.exit(main())
