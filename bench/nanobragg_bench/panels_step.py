"""Detectors of panels beside one panel of the same area: in one process and thread, and as whole processes; and what
reading them takes.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from pathlib import Path

from nanobragg_bench.comparison import Agreement
from nanobragg_bench.process import THREADS
from nanobragg_bench.programs import Job, Usage, ask_worker, our_program, run_process
from nanobragg_bench.rows import Row, Settings

DOMAINS = 10
_WORDS = (
    "-cell 79 79 38 90 90 90 -N 10 -misset 10 20 30 -default_F 100 -lambda 1 -oversample 1 -quirks none "
    f"-mosaic 0.3 -mosaic_domains {DOMAINS} -precision mixed -threads {THREADS} -nopgm -nonoise"
)


@dataclass(frozen=True)
class Way:
    """A detector of panels, each a little tilted and shifted."""

    variant: str
    """the name of this way in the table"""
    panels: int
    shape: tuple[int, int]
    """(slow, fast) pixels of each"""
    apart: float
    """mm along the beam from a panel to the next"""


WAYS = (
    Way("32 of 514 x 1030", 32, (514, 1030), 0.05),
    Way("256 of 32 x 128, metres apart", 256, (32, 128), 10.0),
)
SMALL = (8, 24)
"""(slow, fast) pixels of a panel, for ``quick``"""


def measure_panels(settings: Settings) -> list[Row]:
    """Three rows for each way: the image, whose ratio is the time of the one panel over its own, reading its
    ``.geom``, and whole processes that read it and write their files, with the ratio of the image's row.
    """
    folder = settings.scratch / "panels"
    folder.mkdir(parents=True)
    rows = []
    for way in WAYS:
        settings.say(f"panels: {way.variant}")
        shape = SMALL if settings.quick else way.shape
        answer = ask_worker(
            folder,
            "panels",
            panels=way.panels,
            shape=list(shape),
            apart=way.apart,
            domains=DOMAINS,
            pairs=settings.repeat,
        )
        whole, times = answer["whole_seconds"], answer["seconds"]
        pixels = way.panels * shape[0] * shape[1]
        memory = answer["peak_memory_bytes"]
        rows.append(
            Row(
                case="panels",
                what="panels",
                variant=way.variant,
                threads=1,
                peak_memory_bytes=memory,
                seconds=statistics.median(times),
                ratios=tuple(one / several for one, several in zip(whole, times, strict=True)),
                evaluations=pixels * DOMAINS,
                agreement=Agreement("reference renderer", answer["compared"], answer["outside"]),
                note="the ratio is the time of one panel of the same area over this",
                extra={"whole_seconds": statistics.median(whole)},
            )
        )
        rows.append(
            Row(
                case="panels",
                what="panels",
                variant=f"read {way.variant}",
                threads=1,
                peak_memory_bytes=memory,
                seconds=statistics.median(answer["read_seconds"]),
                note="a .geom file of them, to the Scene",
            )
        )
        rows.append(_process(way, folder, pixels, settings))
    return rows


def _process(way: Way, folder: Path, pixels: int, settings: Settings) -> Row:
    """Whole processes, in alternating order; the worker left the panels' ``.geom`` in the folder."""
    edge = round(pixels**0.5)
    detectors = {"several": "-img panels.geom", "one": f"-distance 200 -pixel 0.075 -detpixels {edge}"}
    usages: dict[str, list[Usage]] = {name: [] for name in detectors}
    for pair in range(settings.repeat):
        for name in sorted(detectors, reverse=pair % 2 == 1):
            job = Job([*our_program(), *_WORDS.split(), *detectors[name].split()], folder, THREADS)
            usages[name].append(run_process(job))
    several, one = ([usage.seconds for usage in usages[name]] for name in ("several", "one"))
    return Row(
        case="panels",
        what="panels",
        variant=f"process, {way.variant}",
        threads=THREADS,
        peak_memory_bytes=max(usage.peak_memory_bytes for usage in usages["several"]),
        seconds=statistics.median(several),
        ratios=tuple(b / a for a, b in zip(several, one, strict=True)),
        evaluations=pixels * DOMAINS,
        bytes_written=6 * pixels,
        note="the ratio is the time of one panel of the same area over this",
        extra={"whole_seconds": statistics.median(one)},
    )
