"""Whole processes, real files written, two threads."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

from nanobragg_bench.cases import Case, furnish
from nanobragg_bench.comparison import Agreement, compare, integers_differ
from nanobragg_bench.programs import Job, Usage, ask_worker, our_program, run_process
from nanobragg_bench.rows import PRECISIONS, Row, Settings, median, ratios_of

THREADS = 2
_OUTPUTS = ("floatimage.bin", "intimage.img")


def _run(command: list[str], folder: Path) -> Usage:
    for name in _OUTPUTS:  # both make new files
        (folder / name).unlink(missing_ok=True)
    return run_process(Job(command, folder, THREADS))


def measure_process(case: Case, settings: Settings) -> list[Row]:
    """Rows of one case in both precisions."""
    folders = {name: settings.scratch / case.name / f"process_{name}" for name in ("original", *PRECISIONS)}
    for folder in folders.values():
        furnish(case, folder, settings.shared)
    commands = {
        precision: [*our_program(), "-threads", str(THREADS), "-precision", precision, *case.words]
        for precision in PRECISIONS
    }
    if settings.original is not None:
        commands["original"] = [settings.original, *case.words]
    usages: dict[str, list[Usage]] = {name: [] for name in folders}
    for pair in range(settings.repeat):
        settings.say(f"{case.name}: process, pair {pair + 1}")
        steps: list[Callable[[], None]] = [
            lambda name=name: usages[name].append(_run(commands[name], folders[name])) for name in commands
        ]
        for step in steps if pair % 2 == 0 else reversed(steps):
            step()
    facts = ask_worker(folders["double"], "facts", words=case.words)
    return [_row(case, settings, folders, usages, precision, facts) for precision in PRECISIONS]


def _row(
    case: Case,
    settings: Settings,
    folders: dict[str, Path],
    usages: dict[str, list[Usage]],
    precision: str,
    facts: dict[str, Any],
) -> Row:
    ours = [usage.seconds for usage in usages[precision]]
    original = [usage.seconds for usage in usages["original"]]
    agreement, differences = None, {}
    if original:
        agreement, differences = _agreement(case, settings, folders, precision, facts)
    return Row(
        case=case.name,
        what="process",
        variant=precision,
        threads=THREADS,
        seconds=statistics.median(ours),
        original_seconds=median(original),
        ratios=ratios_of(original, ours),
        peak_memory_bytes=max(usage.peak_memory_bytes for usage in usages[precision]),
        original_peak_memory_bytes=max((usage.peak_memory_bytes for usage in usages["original"]), default=None),
        bytes_written=6 * facts["pixels"],
        agreement=agreement,
        extra=differences,
    )


def _agreement(
    case: Case, settings: Settings, folders: dict[str, Path], precision: str, facts: dict[str, Any]
) -> tuple[Agreement, dict[str, Any]]:
    theirs, ours = folders["original"], folders[precision]
    if facts["order_dependent"] and settings.original is not None:
        # Each of the original's threads starts with a crystal of its own.
        run_process(Job([settings.original, *case.words], theirs, 1))
    slow, fast = facts["shape"]
    agreement = compare(
        ours,
        case.words,
        precision,
        ours / "floatimage.bin",
        theirs / "floatimage.bin",
        (slow, fast),
        (0, fast - 1, 0, slow - 1),
        "original",
        False,
    )
    return agreement, integers_differ(ours / "intimage.img", theirs / "intimage.img", facts["pixels"])
