"""Refinement of stills from wrong starts: whether the crystal is found, within what is said of it, and how soon."""

from __future__ import annotations

import statistics
from dataclasses import dataclass

import numpy as np

from nanobragg_bench.comparison import Agreement
from nanobragg_bench.programs import ask_worker
from nanobragg_bench.rows import Row, Settings

REALISATIONS = {True: 1, False: 60}
"""by ``quick``"""
_FOUND = 4.0
"""standard deviations"""
_MAY_BE_LOST = {"near": 0.0, "far": 0.15}
"""the part of the refinements"""


@dataclass(frozen=True)
class Way:
    """What is refined."""

    system: str
    shape: str
    start: str
    """``near``: 0.15 degrees off, ``far``: 2.5"""

    @property
    def variant(self) -> str:
        """The name of this way in the table."""
        return f"{self.system} {self.shape} {self.start}"


WAYS = tuple(
    Way(system, shape, start)
    for start in ("near", "far")
    for system in ("P 1 2 1", "cubic", "triclinic")
    for shape in ("square", "gauss")
)


def measure_refinement(settings: Settings) -> list[Row]:
    """One row for each way; what agrees are the refinements, not pixels."""
    folder = settings.scratch / "refine_still"
    folder.mkdir(parents=True)
    rows, threads = [], max(settings.threads)
    for way in (WAYS[0], WAYS[-1]) if settings.quick else WAYS:
        settings.say(f"refine_still: {way.variant}")
        answer = ask_worker(
            folder,
            "refined",
            system=way.system,
            shape=way.shape,
            start=way.start,
            realisations=REALISATIONS[settings.quick],
            threads=threads,
        )
        worst = np.array([max(squares) ** 0.5 for squares in answer["squares"]])
        found = (worst <= _FOUND) & np.array(answer["explained"])
        lost = int((~found).sum())
        mean = float(np.mean([squares for squares, ok in zip(answer["squares"], found, strict=True) if ok] or [[0.0]]))
        excused = min(lost, int(_MAY_BE_LOST[way.start] * len(found)))
        rows.append(
            Row(
                case="refine_still",
                what="refine_still",
                variant=way.variant,
                threads=threads,
                seconds=statistics.median(answer["seconds"]),
                peak_memory_bytes=answer["peak_memory_bytes"],
                agreement=Agreement("truth", len(found), lost - excused, excused),
                note=f"{int(found.sum())} of {len(found)} found; chi-squared {mean:.2f} a parameter; "
                f"{max(answer['jacobians'])} Jacobians at most",
                extra={"chi2": mean, "jacobians": answer["jacobians"], "worst": worst.tolist()},
            )
        )
    return rows
