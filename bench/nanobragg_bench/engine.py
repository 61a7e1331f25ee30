"""Engine time: ours inside ``render``; the original's less that of the same command with a 1x1 region."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from nanobragg_bench.cases import Case, furnish
from nanobragg_bench.ceilings import ceilings_of
from nanobragg_bench.comparison import Agreement, compare
from nanobragg_bench.peak import fraction_of_peak
from nanobragg_bench.programs import Job, ask_worker, run_processes
from nanobragg_bench.rows import PRECISIONS, Row, Settings, median, ratios_of
from nanobragg_bench.worker import middle

REFERENCE_EVALUATIONS = {True: 1e5, False: 2e6}
"""Evaluations of the reference renderer, by ``quick``."""


@dataclass
class _Runs:
    """What one case and number of threads gave."""

    original: list[float] = field(default_factory=list)
    original_peak: int | None = None
    ours: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in PRECISIONS})
    peak: dict[str, int] = field(default_factory=dict)
    evaluations: dict[str, int] = field(default_factory=dict)
    """Evaluations that our renderer made, by precision."""


class EngineCase:
    """One case, measured at some numbers of threads."""

    def __init__(self, case: Case, settings: Settings) -> None:
        self.case, self.settings = case, settings
        self.folder = settings.scratch / case.name / "engine"
        self.theirs = settings.scratch / case.name / "original_engine"
        furnish(case, self.folder, settings.shared)
        furnish(case, self.theirs, settings.shared)
        self.agreements: dict[str, Agreement] = {}
        # Shape and region of the image, before anything is timed.
        self.facts: dict[str, Any] = ask_worker(self.folder, "facts", words=case.words)
        self.roi = self._roi()

    def rows(self) -> list[Row]:
        """All rows of the case."""
        return [row for threads in self.settings.threads for row in self._measure(threads)]

    def _roi(self) -> tuple[int, int, int, int]:
        """What the original renders."""
        edges = [edge for edge in (self.case.original_edge, self.settings.original_edge) if edge is not None]
        x0, x1, y0, y1 = self.facts["roi"]
        return middle((x0, x1, y0, y1), min(edges)) if edges else (x0, x1, y0, y1)

    def _render(self, precision: str, threads: int, image: str | None) -> dict[str, Any]:
        return ask_worker(
            self.folder,
            "render",
            words=self.case.words,
            precision=precision,
            threads=threads,
            image=image,
            at_least=self.settings.at_least,
            at_most=5,
            device=self.settings.device.name,
        )

    def _original(self, runs: _Runs, threads: int) -> None:
        command = [self.settings.original or "", *self.case.words, "-floatfile", "float.bin", "-intfile", "int.img"]
        jobs = [
            Job([*command, "-roi", "0", "0", "0", "0", "-floatfile", "one.bin"], self.theirs, threads),
            Job([*command, "-roi", *map(str, self.roi)], self.theirs, threads),
        ]
        one, whole = run_processes(jobs)
        x0, x1, y0, y1 = self.facts["roi"]
        pixels = (x1 - x0 + 1) * (y1 - y0 + 1)
        rendered = (self.roi[1] - self.roi[0] + 1) * (self.roi[3] - self.roi[2] + 1)
        runs.original.append((whole.seconds - one.seconds) * pixels / max(1, rendered - 1))
        runs.original_peak = whole.peak_memory_bytes

    def _ours(self, runs: _Runs, threads: int, precision: str) -> None:
        first = not runs.ours[precision]
        answer = self._render(precision, threads, f"{precision}.bin" if first else None)
        runs.ours[precision].append(statistics.median(answer["seconds"]))
        runs.evaluations[precision] = answer["evaluations"]
        runs.peak[precision] = max(runs.peak.get(precision, 0), answer["peak_memory_bytes"])

    def _measure(self, threads: int) -> list[Row]:
        runs = _Runs()
        for pair in range(self.settings.repeat):
            self.settings.say(f"{self.case.name}: engine, {threads} thread(s), pair {pair + 1}")
            steps: list[Callable[[], None]] = [
                lambda precision=precision: self._ours(runs, threads, precision) for precision in PRECISIONS
            ]
            if self.settings.original is not None:
                steps.insert(0, lambda: self._original(runs, threads))
            for step in steps if pair % 2 == 0 else reversed(steps):
                step()
        return [self._row(runs, threads, precision) for precision in PRECISIONS]

    def _agreement(self, precision: str, threads: int) -> Agreement:
        """Compared once for each precision, with the first number of threads."""
        if precision in self.agreements:
            return self.agreements[precision]
        shape, stale, words = tuple(self.facts["shape"]), self.facts["order_dependent"], self.case.words
        roi, skip_first = self.roi, False
        if self.settings.original is None:
            budget = REFERENCE_EVALUATIONS[self.settings.quick]
            other = self.folder / "reference.bin"
            x0, x1, y0, y1 = ask_worker(self.folder, "reference", words=words, budget=budget, image=other.name)["roi"]
            roi, name = (x0, x1, y0, y1), "reference renderer"
        else:
            other, name = self.theirs / "float.bin", "original"
            whole = list(roi) == self.facts["roi"]
            skip_first = stale and not whole
            if stale and threads > 1:  # each of the original's threads starts with a crystal of its own
                command = [self.settings.original, *words, "-floatfile", "float.bin", "-roi", *map(str, roi)]
                run_processes([Job(command, self.theirs, 1)])
        ours = self.folder / f"{precision}.bin"
        found = compare(self.folder, words, precision, ours, other, shape, roi, name, skip_first)
        self.agreements[precision] = found
        return found

    def _fraction_of_peak(self, precision: str, seconds: float, threads: int, evaluations: int) -> float | None:
        case, gpu = self.case, self.settings.device.gpu
        if gpu is None:
            sharing = (case.stored, case.fan)
            return fraction_of_peak(self.settings.rates, case.kernel, precision, sharing, seconds, evaluations, threads)
        pixels = self.facts["pixels"]
        kernel = (case.kernel, precision, case.stored)
        ceilings = ceilings_of(gpu, *kernel, pixels, seconds, evaluations, self.settings.device.rates)
        return ceilings.arithmetic_fraction

    def _row(self, runs: _Runs, threads: int, precision: str) -> Row:
        facts, case = self.facts, self.case
        seconds = statistics.median(runs.ours[precision])
        scaled = list(self.roi) != self.facts["roi"] and self.settings.original is not None
        edge = f"{self.roi[1] - self.roi[0] + 1}x{self.roi[3] - self.roi[2] + 1}"
        return Row(
            case=case.name,
            what="engine",
            variant=precision,
            threads=threads,
            seconds=seconds,
            device=self.settings.device.label,
            original_seconds=median(runs.original),
            ratios=ratios_of(runs.original, runs.ours[precision]),
            evaluations=facts["evaluations"],
            peak_memory_bytes=runs.peak[precision],
            original_peak_memory_bytes=runs.original_peak,
            bytes_written=4 * facts["pixels"] if self.settings.device.gpu is None else None,
            fraction_of_peak=self._fraction_of_peak(precision, seconds, threads, runs.evaluations[precision]),
            agreement=self._agreement(precision, threads),
            note=f"the original on {edge} pixels, scaled" if scaled else "",
        )


def measure_engine(case: Case, settings: Settings) -> list[Row]:
    """Rows of one case, for each number of threads and both precisions."""
    return EngineCase(case, settings).rows()
