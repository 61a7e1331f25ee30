"""Cases for a CUDA device: many evaluations, a large image, and one image after another."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nanobragg_bench.cases import Case, furnish
from nanobragg_bench.ceilings import ceilings_of
from nanobragg_bench.comparison import Agreement, compare
from nanobragg_bench.devices import why_not_cuda
from nanobragg_bench.programs import ask_worker
from nanobragg_bench.rows import PRECISIONS, Row, Settings, Skipped

CPU_EVALUATIONS = {True: 1e5, False: 2e9}
"""Evaluations of the CPU's image that is compared with, by ``quick``."""
MOST_IMAGES = {True: 3, False: 2000}
"""Images of one Renderer in a row, by ``quick``."""


@dataclass(frozen=True)
class Way:
    """How a case is measured."""

    precision: str
    place: str = ""
    """``host``: copied there; ``device``: left there; empty: a whole ``render_scene``"""
    moving: bool = False
    """Every image has an orientation of its own."""

    @property
    def variant(self) -> str:
        """The name of this way in the table."""
        return f"{self.precision} {self.place}" if self.moving else self.precision


WAYS = {
    "gpu_mosaic_1000": tuple(Way(precision, "device") for precision in PRECISIONS),
    "gpu_xfel_3000": tuple(Way(precision) for precision in PRECISIONS),
    "gpu_real_3000": tuple(Way(precision) for precision in PRECISIONS),
    "gpu_next_image": tuple(
        Way(precision, place, moving=True) for precision in PRECISIONS for place in ("host", "device")
    ),
}
"""By case."""


def measure_cuda(case: Case, settings: Settings) -> list[Row] | Skipped:
    """One row for each way; or why there is none."""
    reason = why_not_cuda(settings.device)
    if reason:
        return Skipped(case.name, reason)
    folder = settings.scratch / case.name
    furnish(case, folder, settings.shared)
    facts = ask_worker(folder, "facts", words=case.words)
    return [_row(case, settings, folder, facts, way) for way in WAYS[case.name]]


def _row(case: Case, settings: Settings, folder: Path, facts: dict[str, Any], way: Way) -> Row:
    gpu = settings.device.gpu
    assert gpu is not None
    image = f"{way.variant.replace(' ', '_')}.bin"
    answers = []
    for number in range(settings.repeat):
        settings.say(f"{case.name}: {way.variant}, {settings.device.name}, run {number + 1}")
        answers.append(_render(case, settings, folder, way, image if number == 0 else None))
    seconds = statistics.median(statistics.median(answer["seconds"]) for answer in answers)
    made = answers[0].get("evaluations", facts["evaluations"])  # fewer for a spectrum
    kernel = (case.kernel, way.precision, case.stored)
    ceilings = ceilings_of(gpu, *kernel, facts["pixels"], seconds, made, settings.device.rates)
    return Row(
        case=case.name,
        what="cuda",
        variant=way.variant,
        device=settings.device.label,
        threads=1,
        seconds=seconds,
        evaluations=facts["evaluations"],
        peak_memory_bytes=max(answer["peak_memory_bytes"] for answer in answers),
        fraction_of_peak=ceilings.arithmetic_fraction,
        agreement=_agreement(case, settings, folder, facts, way, image, answers[0].get("turn", 0)),
        note=str(ceilings),
        extra={"ceilings": ceilings.as_json()},
    )


def _render(case: Case, settings: Settings, folder: Path, way: Way, image: str | None) -> dict[str, Any]:
    shared: dict[str, Any] = {
        "words": case.words,
        "precision": way.precision,
        "device": settings.device.name,
        "image": image,
        "at_least": settings.at_least,
    }
    if not way.place:
        return ask_worker(folder, "render", threads=0, at_most=5, **shared)
    return ask_worker(
        folder, "series", host=way.place == "host", moving=way.moving, at_most=MOST_IMAGES[settings.quick], **shared
    )


def _agreement(
    case: Case, settings: Settings, folder: Path, facts: dict[str, Any], way: Way, image: str, turn: int
) -> Agreement:
    """The middle of the image against the CPU's in double."""
    budget = CPU_EVALUATIONS[settings.quick]
    other = folder / "cpu.bin"
    answer = ask_worker(
        folder, "reference", words=case.words, budget=budget, image=other.name, renderer="cpu", turn=turn
    )
    x0, x1, y0, y1 = answer["roi"]
    slow, fast = facts["shape"]
    return compare(
        folder, case.words, way.precision, folder / image, other, (slow, fast), (x0, x1, y0, y1), "CPU renderer", False,
        turn,
    )  # fmt: skip
