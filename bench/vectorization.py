"""``python bench/vectorization.py``: which loops of the hot paths the compiler vectorised, at each instruction set.

Compiles ``cpp/src/cpu/kernel_*.cpp`` into a temporary folder with the options of ``CMakeLists.txt`` and reads what GCC
says of each loop in each instance of a template. Ends with status 1 when a loop marked in ``kernel*.inl`` by the
comment ``// must vectorise: NAME`` (on the line above ``#pragma omp simd``) is not vectorised with the full registers
of some level in some instance, or when the object code of its function has no packed arithmetic in such registers.
Without the pragma, the loop is written with vectors, and only the native tests look at its object code.

``--shares [CASE ...]`` also renders benchmark cases with a copy of the engine that has line tables, samples the program
counter, and tells each loop's share of the time.
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
from nanobragg_bench.cases import CASES, GROUPS, REPOSITORY, expand, load
from nanobragg_bench.loops import Source
from nanobragg_bench.vectorizer import REGISTER_BYTES, Finding, compile_level, findings_of, levels

SOURCES = REPOSITORY / "cpp"
PROFILED = REPOSITORY / "build" / f"profile-{sys.implementation.cache_tag}"


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


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench/vectorization.py", description="Which hot loops are vectorised.")
    parser.add_argument("--compiler", default=os.environ.get("CXX", "g++"), help="GCC (default: $CXX or g++)")
    parser.add_argument("--level", nargs="+", choices=tuple(REGISTER_BYTES), help="instruction sets (all)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the findings there")
    parser.add_argument("--all", action="store_true", help="list also the loops without #pragma omp simd")
    parser.add_argument("--source", type=Path, default=SOURCES, metavar="FOLDER", help="the folder cpp")
    shares = parser.add_argument_group("shares of the run time")
    shares.add_argument("--shares", nargs="*", metavar="CASE", help="of engine cases of bench/run.py (default: all)")
    shares.add_argument("--seconds", type=float, default=4.0, help="CPU time of each case and precision (4)")
    shares.add_argument("--markdown", type=Path, metavar="FILE", help="write the table of shares there")
    shares.add_argument("--build", type=Path, default=PROFILED, metavar="FOLDER", help="where the copy is built")
    shares.add_argument("--shared", type=Path, default=REPOSITORY.parent / "shared", help="inputs of real_crystal")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Compile, tell, and judge."""
    args = _arguments(argv)
    try:
        _check(args)
        source = _sources(args.source.resolve())
        findings = _investigate(args.source.resolve(), args.compiler, source, args.level)
        failures = [finding for finding in findings if finding.must and not finding.good]
        print(_table([finding for finding in findings if finding.simd or args.all]))
        for finding in failures:
            where = f"{finding.place} in {finding.function}" if finding.function else finding.place
            print(f"vectorization: {finding.must}, {finding.level}: {where}: {finding.outcome}", file=sys.stderr)
        results: object = [finding.as_dict() for finding in findings]
        if args.shares is not None:
            results = _shares(args, findings, source)
    except BenchError as error:
        print(f"vectorization: {error}", file=sys.stderr)
        return 2
    if args.json is not None:
        args.json.write_text(json.dumps(results, indent=1) + "\n")
    return 1 if failures else 0


def _check(args: argparse.Namespace) -> None:
    if not 0 < args.seconds <= 600:
        raise BenchError(f"--seconds: found {args.seconds:g}, expected more than 0, at most 600")
    if args.shares is None and args.markdown is not None:
        raise BenchError("--markdown: found no --shares, expected both")
    cases = [case.name for case in CASES]
    known = (*cases, *(group for group, members in GROUPS.items() if members[0] in cases))
    for name in args.shares or ():
        if name not in known:
            raise BenchError(f"--shares: found {name!r}, expected one of {', '.join(known)}")
    for option, file in (("--json", args.json), ("--markdown", args.markdown)):
        if file is not None and not file.resolve().parent.is_dir():
            raise BenchError(f"{option}: found {str(file)!r} in a folder that does not exist, expected an existing one")


def _shares(args: argparse.Namespace, findings: Sequence[Finding], source: Source) -> dict[str, object]:
    """Sample, print, and give everything that the JSON file holds."""
    from nanobragg_bench.machine import describe
    from nanobragg_bench.profiling import build
    from nanobragg_bench.shares import Shares, inventory, lines, markdown, measure

    print("building the engine with line tables", file=sys.stderr, flush=True)
    instruments = build(args.source.resolve().parent, args.build.resolve(), args.compiler)
    found: list[Shares] = []
    chosen = [case for case in CASES if case.name in expand(args.shares or None)]
    with tempfile.TemporaryDirectory(prefix="nanobragg_shares_") as scratch:
        for plain in chosen:
            case = load(plain, args.shared.resolve())
            if isinstance(case, str):
                print(f"{plain.name}: left out: {case}", file=sys.stderr)
                continue
            print(f"sampling {case.name}", file=sys.stderr, flush=True)
            found += measure(case, instruments, source, args.seconds, Path(scratch), args.shared.resolve())
    if not found:
        raise BenchError("--shares: found the inputs of no case, expected those of one")
    results = {
        "machine": describe(),
        "instruction_set": found[0].instruction_set,
        "seconds": args.seconds,
        "cases": list(dict.fromkeys(shares.case for shares in found)),
        "samples": {
            precision: {shares.case: shares.samples for shares in found if shares.precision == precision}
            for precision in ("double", "mixed")
        },
        "loops": inventory(findings, found, source),
    }
    table = lines(results["loops"], results["cases"])
    widths = [max(len(line[i]) for line in table) for i in range(len(table[0]))]
    print(f"\nshares of the run time in %, double / mixed, {results['instruction_set']}")
    for line in table:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
    if args.markdown is not None:
        args.markdown.write_text(markdown(results), encoding="utf-8")
    return results


def _sources(folder: Path) -> Source:
    kernel = folder / "src" / "cpu" / "kernel.inl"
    if not kernel.exists():
        raise BenchError(f"--source: found no src/cpu/kernel.inl in {str(folder)!r}, expected the folder cpp")
    physics = ("lattice", "lookup", "rays", "pixel", "physics")
    helpers = (
        *(folder / "src" / "physics" / f"{name}.hpp" for name in physics),
        folder / "src" / "cpu" / "vectors.hpp",
        folder / "src" / "cpu" / "vector_types.hpp",
    )
    kernels = sorted((folder / "src" / "cpu").glob("kernel*.inl"))
    return Source([*kernels, *(path for path in helpers if path.exists())])


def _investigate(folder: Path, compiler: str, source: Source, names: Sequence[str] | None) -> list[Finding]:
    findings: list[Finding] = []
    with tempfile.TemporaryDirectory(prefix="nanobragg_vectorization_") as scratch:
        for level in levels(folder.parent / "CMakeLists.txt"):
            if names is not None and level.name not in names:
                continue
            built = compile_level(level, folder, Path(scratch), compiler)
            findings += findings_of(level, built, source)
    return sorted(findings, key=lambda f: (f.place.rsplit(":", 1)[0], int(f.place.rsplit(":", 1)[1])))


if __name__ == "__main__":
    sys.exit(main())
