"""Two threads over one, in the cases where evaluations are all there is."""

from __future__ import annotations

import statistics

from nanobragg_bench.cases import by_name, furnish
from nanobragg_bench.programs import ask_worker
from nanobragg_bench.rows import PRECISIONS, Row, Settings, ratios_of

CASES = ("mosaic_25", "sources_100")


def measure_scaling(settings: Settings) -> list[Row]:
    """One row for each case and precision: the time of one thread over that of two, in alternating pairs."""
    return [_measure(settings, name, precision) for name in CASES for precision in PRECISIONS]


def _measure(settings: Settings, name: str, precision: str) -> Row:
    case = by_name(name)
    case = case.small() if settings.quick else case
    folder = settings.scratch / name / "threads"
    furnish(case, folder, settings.shared)
    times: dict[int, list[float]] = {1: [], 2: []}
    evaluations = ask_worker(folder, "facts", words=case.words)["evaluations"]
    for pair in range(settings.repeat):
        settings.say(f"threads: {name} {precision}, pair {pair + 1}")
        for threads in (1, 2) if pair % 2 == 0 else (2, 1):
            answer = ask_worker(
                folder,
                "render",
                words=case.words,
                precision=precision,
                threads=threads,
                image=None,
                at_least=settings.at_least,
                at_most=5,
            )
            times[threads].append(statistics.median(answer["seconds"]))
    return Row(
        case=name,
        what="threads",
        variant=precision,
        threads=2,
        seconds=statistics.median(times[2]),
        ratios=ratios_of(times[1], times[2]),
        evaluations=evaluations,
        note="ratio: one thread over two",
        extra={"one_thread_seconds": statistics.median(times[1])},
    )
