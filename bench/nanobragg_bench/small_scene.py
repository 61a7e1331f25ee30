"""Small images one after another in one process: what a call costs besides its pixels' work."""

from __future__ import annotations

import statistics
from dataclasses import dataclass

from nanobragg_bench.comparison import Agreement
from nanobragg_bench.programs import ask_worker
from nanobragg_bench.rows import Row, Settings

EDGE = 64
CALLS = {True: 20, False: 1000}
"""number of calls of each way, by ``quick``"""
WORDS = "-lambda 1 -cell 100 100 100 90 90 90 -N 5 -default_F 100 -distance 100 -oversample 1 -detpixels"


@dataclass(frozen=True)
class Way:
    """How the same Scene is rendered again."""

    precision: str
    kind: str
    """``render``, ``turned`` (a Renderer, each image in a new orientation) or ``bound anew`` (to C++, at each call)"""

    @property
    def variant(self) -> str:
        """The name of this way in the table."""
        return f"{self.precision} {self.kind}"


WAYS = (Way("double", "render"), Way("mixed", "render"), Way("double", "turned"), Way("double", "bound anew"))


def measure_small_scene(settings: Settings) -> list[Row]:
    """One row for each way; its seconds are those of a call beyond the work of its pixels."""
    folder = settings.scratch / "small_scene"
    folder.mkdir(parents=True)
    rows = []
    for way in WAYS:
        settings.say(f"small_scene: {way.variant}")
        answers = [
            ask_worker(
                folder,
                "small",
                words=WORDS.split(),
                edge=EDGE,
                precision=way.precision,
                kind=way.kind,
                calls=CALLS[settings.quick],
            )
            for _ in range(settings.repeat)
        ]
        whole, pixels = (statistics.median(answer[key] for answer in answers) for key in ("call", "pixels"))
        rows.append(
            Row(
                case="small_scene",
                what="small_scene",
                variant=way.variant,
                threads=1,
                seconds=statistics.median(answer["call"] - answer["pixels"] for answer in answers),
                evaluations=EDGE * EDGE,
                peak_memory_bytes=max(answer["peak_memory_bytes"] for answer in answers),
                agreement=Agreement("reference renderer", EDGE * EDGE, max(answer["outside"] for answer in answers)),
                note=f"a call takes {whole * 1e6:.0f} us, of which its pixels' work {pixels * 1e6:.0f} us",
                extra={"call_seconds": whole, "pixels_seconds": pixels},
            )
        )
    return rows
