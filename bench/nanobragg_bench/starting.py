"""Starting up, on top of a bare ``python -c pass``."""

from __future__ import annotations

import statistics
import sys

from nanobragg_bench.programs import Job, our_program, run_processes
from nanobragg_bench.rows import Row, Settings

_IMAGE = "-cell 100 100 100 90 90 90 -N 5 -default_F 100 -lambda 1 -distance 100 -detpixels 8 -nonoise -nopgm"


def measure_starting(settings: Settings) -> list[Row]:
    """One row for each command; its seconds are the median of the differences from a bare Python next to it."""
    folder = settings.scratch / "start"
    folder.mkdir(parents=True)
    bare = [sys.executable, "-c", "pass"]
    commands = {
        "--version": [*our_program(), "--version"],
        "import": [sys.executable, "-c", "import nanobragg"],
        "8x8 image": [*our_program(), *_IMAGE.split()],
    }
    settings.say("start")
    times = 3 if settings.quick else 15
    jobs = [Job(part, folder, 2) for command in commands.values() for part in (bare, command)]
    run_processes(jobs)  # files into the cache
    usages = run_processes(jobs * times)
    rows = []
    for at, name in enumerate(commands):
        pairs = [usages[i : i + 2] for i in range(2 * at, len(usages), len(jobs))]
        differences = [program.seconds - python.seconds for python, program in pairs]
        rows.append(
            Row(
                case="start",
                what="start",
                variant=name,
                threads=1,
                seconds=statistics.median(differences),
                original_seconds=_original(settings, times) if name == "8x8 image" else None,
                peak_memory_bytes=max(program.peak_memory_bytes for _, program in pairs),
                note="on top of python -c pass",
                extra={"python_seconds": statistics.median(python.seconds for python, _ in pairs)},
            )
        )
    return rows


def _original(settings: Settings, times: int) -> float | None:
    if settings.original is None:
        return None
    folder = settings.scratch / "start"
    usages = run_processes([Job([settings.original, *_IMAGE.split()], folder)] * times)
    return statistics.median(usage.seconds for usage in usages)
