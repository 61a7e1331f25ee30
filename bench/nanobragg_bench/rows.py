"""One line of the table, and what all measurements share."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from nanobragg_bench.comparison import Agreement
from nanobragg_bench.devices import CPU, BenchDevice
from nanobragg_bench.peak import Rates
from nanobragg_bench.targets import MEMORY_ALLOWANCE, target_of

PRECISIONS = ("double", "mixed")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What was asked for, and where things are."""

    original: str | None
    """the original's executable; ``None``: our own figures only"""
    shared: Path
    scratch: Path
    threads: tuple[int, ...]
    repeat: int
    """pairs"""
    quick: bool
    original_edge: int | None
    """limit for the edge of what the original renders in engine cases"""
    instruction_set: str
    rates: Rates | None
    say: Callable[[str], None]
    device: BenchDevice = CPU
    """where engine cases are rendered"""

    @property
    def at_least(self) -> float:
        """Seconds for which a short measurement is repeated within a pair."""
        return 0.0 if self.quick else 0.3


@dataclass(frozen=True, kw_only=True)
class Row:
    """One measurement. Times are medians over the pairs."""

    case: str
    what: str
    """``engine``, ``process``, ``threads``, ``cuda``, or the case's own name"""
    variant: str
    threads: int
    seconds: float
    device: str = "cpu"
    """``cpu`` or the GPU's name"""
    original_seconds: float | None = None
    ratios: tuple[float, ...] = ()
    """ratio of each pair of runs"""
    evaluations: int | None = None
    peak_memory_bytes: int | None = None
    original_peak_memory_bytes: int | None = None
    bytes_written: int | None = None
    """size of the arrays that are written"""
    fraction_of_peak: float | None = None
    agreement: Agreement | None = None
    note: str = ""
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def ratio(self) -> float | None:
        """Median of the pairs' ratios."""
        return statistics.median(self.ratios) if self.ratios else None

    @property
    def ns_per_evaluation(self) -> float | None:
        """Nanoseconds of one core, or of the GPU."""
        cores = self.threads if self.device == "cpu" else 1
        return None if not self.evaluations else 1e9 * self.seconds * cores / self.evaluations

    @property
    def original_ns_per_evaluation(self) -> float | None:
        """Nanoseconds of one core of the original for one evaluation."""
        if not self.evaluations or self.original_seconds is None:
            return None
        return 1e9 * self.original_seconds * self.threads / self.evaluations

    @property
    def memory_limit_bytes(self) -> float | None:
        """Target for the peak memory."""
        return None if self.bytes_written is None else self.bytes_written + MEMORY_ALLOWANCE

    def judged(self, instruction_set: str, judge: bool = True) -> dict[str, Any]:
        """All of it, with the targets, for JSON; without ``judge``, not whether they are met."""
        target = target_of(self.case, self.what, self.variant, instruction_set, self.device)
        limit, peak = self.memory_limit_bytes, self.peak_memory_bytes
        agreement = None if self.agreement is None else {**asdict(self.agreement), "agrees": self.agreement.agrees}
        return {
            "case": self.case,
            "what": self.what,
            "variant": self.variant,
            "device": self.device,
            "threads": self.threads,
            "evaluations": self.evaluations,
            "seconds": self.seconds,
            "original_seconds": self.original_seconds,
            "ns_per_evaluation": self.ns_per_evaluation,
            "original_ns_per_evaluation": self.original_ns_per_evaluation,
            "ratio": self.ratio,
            "ratios": list(self.ratios),
            "target": None if target is None else str(target),
            "met": None if target is None or not judge else target.met(self.ratio, self.seconds, self.evaluations),
            "peak_memory_bytes": peak,
            "original_peak_memory_bytes": self.original_peak_memory_bytes,
            "memory_target_bytes": limit,
            "memory_met": None if limit is None or peak is None or not judge else peak <= limit,
            "fraction_of_peak": self.fraction_of_peak,
            "agreement": agreement,
            "note": self.note,
            **self.extra,
        }


@dataclass(frozen=True)
class Skipped:
    """A case that was not run, and why."""

    case: str
    reason: str


def ratios_of(original: Sequence[float], ours: Sequence[float]) -> tuple[float, ...]:
    """Ratios of the pairs; those whose difference of two runs came out as nothing are left out."""
    return tuple(a / b for a, b in zip(original, ours, strict=False) if a > 0 and b > 0)


def median(values: Sequence[float]) -> float | None:
    """Median, ``None`` of nothing."""
    return statistics.median(values) if values else None
