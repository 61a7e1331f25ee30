"""Detectors of panels beside one panel of the same area, in one process and thread, and what reading them takes."""

from __future__ import annotations

import statistics
from dataclasses import dataclass

from nanobragg_bench.comparison import Agreement
from nanobragg_bench.programs import ask_worker
from nanobragg_bench.rows import Row, Settings

DOMAINS = 10


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
    """Two rows for each way: the image, whose ratio is the time of the one panel over its own, and reading its
    ``.geom``.
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
    return rows
