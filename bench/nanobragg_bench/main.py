"""The command: which cases, how often, and what to do with the figures."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from nanobragg_bench import BenchError
from nanobragg_bench.cases import GROUPS, NAMES, OTHERS, REPOSITORY, by_name, expand, load
from nanobragg_bench.devices import device_of
from nanobragg_bench.rows import Row, Settings, Skipped


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="bench/run.py",
        description="Run benchmarks of nanobragg, side by side with nanoBragg.c where there is one (bench/README.md).",
    )
    parser.add_argument("--case", nargs="+", metavar="NAME", help=f"default: all of {', '.join((*NAMES, *GROUPS))}")
    parser.add_argument("--c-bin", default=os.environ.get("NB_C_BIN"), help="the original (default: $NB_C_BIN)")
    parser.add_argument("--shared", type=Path, default=REPOSITORY.parent / "shared", help="inputs of real_crystal")
    parser.add_argument("--device", default="cpu", metavar="cpu|cuda|cuda:N", help="of engine cases (cpu)")
    parser.add_argument("--threads", nargs="+", type=int, default=[1], metavar="N", help="of engine cases (1)")
    parser.add_argument("--repeat", type=int, metavar="N", help="pairs of each measurement (3; quick: 1)")
    parser.add_argument("--quick", action="store_true", help="small images: a test of the suite, not a measurement")
    parser.add_argument("--original-edge", type=int, metavar="N", help="the original renders N x N pixels, scaled")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    parser.add_argument("--plots", type=Path, metavar="FOLDER", help="draw plots there (needs matplotlib)")
    parser.add_argument("--scratch", type=Path, metavar="FOLDER", help="where to make the scratch folder")
    return parser.parse_args(argv)


def _check(args: argparse.Namespace) -> None:
    for option, values in (
        ("--threads", args.threads),
        ("--repeat", [args.repeat]),
        ("--original-edge", [args.original_edge]),
    ):
        if any(value is not None and value < 1 for value in values):
            raise BenchError(f"{option}: found {min(values)}, expected 1 or more")
    if args.original_edge == 1:
        raise BenchError("--original-edge: found 1, expected 2 or more")
    if args.json is not None and not args.json.resolve().parent.is_dir():
        raise BenchError(
            f"--json: found {str(args.json)!r} in a folder that does not exist, expected an existing folder"
        )
    device_of(args.device)
    if args.plots is not None:
        from nanobragg_bench.plots import require_matplotlib

        require_matplotlib()


def _say(text: str) -> None:
    print(f"  {text}", file=sys.stderr, flush=True)


def _settings(args: argparse.Namespace, scratch: Path) -> Settings:
    from nanobragg import _core
    from nanobragg_bench.peak import peak_rates
    from nanobragg_bench.programs import original_program

    return Settings(
        original=original_program(args.c_bin),
        shared=args.shared.resolve(),
        scratch=scratch,
        threads=tuple(dict.fromkeys(args.threads)),
        repeat=args.repeat or (1 if args.quick else 3),
        quick=args.quick,
        original_edge=args.original_edge,
        instruction_set=_core.instruction_set(),
        rates=peak_rates(0.05 if args.quick else 0.5),
        say=_say,
        device=device_of(args.device).measured(),
    )


def _others() -> dict[str, Callable[[Settings], list[Row]]]:
    from nanobragg_bench.counts_step import measure_counts_6m, measure_series_1024
    from nanobragg_bench.derivatives_step import measure_derivatives
    from nanobragg_bench.noise_step import measure_noise
    from nanobragg_bench.panels_step import measure_panels
    from nanobragg_bench.reading import measure_reading
    from nanobragg_bench.refine_step import measure_refinement
    from nanobragg_bench.scaling import measure_scaling
    from nanobragg_bench.small_scene import measure_small_scene
    from nanobragg_bench.starting import measure_starting
    from nanobragg_bench.tolerance_growth import measure_tolerance_growth
    from nanobragg_bench.tolerance_step import measure_tolerance

    counts = (measure_counts_6m, measure_series_1024)
    within = (measure_tolerance, measure_tolerance_growth)
    small = (measure_small_scene, measure_derivatives, *within, measure_refinement, measure_panels)
    measures = (measure_noise, *counts, measure_reading, measure_starting, *small, measure_scaling)
    return dict(zip(OTHERS, measures, strict=True))


def _measure(name: str, settings: Settings) -> list[Row] | Skipped:
    """The rows of one case."""
    from nanobragg_bench.cuda_cases import measure_cuda
    from nanobragg_bench.engine import measure_engine
    from nanobragg_bench.process import measure_process

    if name in OTHERS:
        return _others()[name](settings)
    case = load(by_name(name), settings.shared)
    if isinstance(case, str):
        return Skipped(name, case)
    case = case.small() if settings.quick else case
    if case.group == "cuda":
        return measure_cuda(case, settings)
    rows = measure_engine(case, settings)
    if case.process:
        rows += measure_process(case, settings)
    return rows


def run(args: argparse.Namespace, scratch: Path) -> dict[str, Any]:
    """Measure and give everything that the JSON file holds."""
    from nanobragg_bench.machine import describe
    from nanobragg_bench.report import as_json

    names = expand(args.case)
    settings, machine = _settings(args, scratch), describe()
    rows: list[Row] = []
    skipped: list[Skipped] = []
    for name in names:
        found = _measure(name, settings)
        if isinstance(found, Skipped):
            skipped.append(found)
        else:
            rows += found
        for folder in scratch.iterdir():  # large images; nothing is needed by the next case
            shutil.rmtree(folder)
    return as_json(machine, settings, rows, skipped)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the suite; 0, 1 when images disagree, 2 when something cannot be run."""
    args = _arguments(argv)
    try:
        _check(args)
        if args.scratch is not None and not args.scratch.is_dir():
            raise BenchError(f"--scratch: found {str(args.scratch)!r}, expected an existing folder")
        with tempfile.TemporaryDirectory(prefix="nanobragg_bench_", dir=args.scratch) as scratch:
            results = run(args, Path(scratch).resolve())
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    return _publish(args, results)


def _publish(args: argparse.Namespace, results: dict[str, Any]) -> int:
    from nanobragg_bench.report import table, write_json

    print(table(results))
    if args.json is not None:
        write_json(args.json, results)
    if args.plots is not None:
        from nanobragg_bench.plots import draw

        for file in draw(results, args.plots):
            print(f"wrote {file}")
    disagreeing = [row for row in results["rows"] if row["agreement"] and not row["agreement"]["agrees"]]
    for row in disagreeing:
        print(f"bench: {row['case']} {row['variant']}: the images disagree", file=sys.stderr)
    return 1 if disagreeing else 0
