"""The share of each loop in the time that a benchmark case takes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nanobragg_bench.cases import Case, furnish
from nanobragg_bench.loops import Block, Source
from nanobragg_bench.profiling import Frame, Instruments, frames_of
from nanobragg_bench.programs import ask_profiler
from nanobragg_bench.rows import PRECISIONS
from nanobragg_bench.vectorizer import REGISTER_BYTES, Finding

KERNEL = re.compile(r"kernel\w*\.inl")
"""files of the kernel"""
OUTSIDE = "outside loops"
"""the kernel's code between its loops"""
OTHER = "other"
"""the renderer around the kernel, the C library, the interpreter"""
MOST_EVALUATIONS = 1e9
"""evaluations of one image; of larger ones the middle is rendered, which does not change the shares"""
SHOWN = 0.005
"""Loops that stay below this share in all cases are left out of tables."""


@dataclass(frozen=True)
class Shares:
    """Where one case spends its time, in one precision."""

    case: str
    precision: str
    instruction_set: str
    samples: int
    fractions: Mapping[str, float]
    """by name of a loop (:func:`names_of`), ``outside loops`` and ``other``; their sum is 1"""


def names_of(source: Source) -> dict[str, str]:
    """Names of the kernel's loops by place: their marks, or the functions that they are in.

    Lines change with every edit of the source; names do not.
    """
    unmarked: dict[str, list[Block]] = {}
    names = {}
    for loop in source.loops:
        if loop.name:
            names[loop.place] = loop.name
        else:
            home = source.home(loop)
            unmarked.setdefault(home.name if home else loop.file, []).append(loop)
    for function, loops in unmarked.items():
        for number, loop in enumerate(loops, 1):
            names[loop.place] = f"{function}, loop {number}" if len(loops) > 1 else function
    return names


def loop_of(frames: Sequence[Frame], source: Source) -> Block | None:
    """The loop that a sample is in: the innermost vector loop, or else the innermost of all.

    A small loop in a function that a vector loop calls is unrolled there, and part of that.
    """
    for candidates in ([loop for loop in source.loops if loop.simd], source.loops):
        for file, line in frames:
            inside = KERNEL.fullmatch(file)
            around = [loop for loop in candidates if inside and loop.file == file and loop.first <= line <= loop.last]
            if around:
                return min(around, key=lambda loop: loop.last - loop.first)
    return None


def attribute(samples: Mapping[int, int], frames: Mapping[int, Sequence[Frame]], source: Source) -> Counter[str]:
    """Samples by loop."""
    names = names_of(source)
    counts: Counter[str] = Counter()
    for address, count in samples.items():
        chain = frames.get(address, [])
        loop = loop_of(chain, source)
        if loop is not None:
            counts[names[loop.place]] += count
        else:
            counts[OUTSIDE if any(KERNEL.fullmatch(file) for file, _ in chain) else OTHER] += count
    return counts


def measure(
    case: Case, instruments: Instruments, source: Source, seconds: float, scratch: Path, shared: Path
) -> list[Shares]:
    """Sample one case in both precisions, each for so many seconds of CPU time.

    Raises:
        BenchError: when it cannot be run.

    """
    folder = scratch / case.name
    furnish(case, folder, shared)
    found = []
    for precision in PRECISIONS:
        answer = ask_profiler(
            folder,
            core=str(instruments.core),
            sampler=str(instruments.sampler),
            words=case.words,
            precision=precision,
            seconds=seconds,
            most_evaluations=MOST_EVALUATIONS,
        )
        inside = {int(address): count for address, count in answer["inside"].items()}
        counts = attribute(inside, frames_of(instruments.core, inside), source)
        counts[OTHER] += answer["elsewhere"]
        total = sum(counts.values())
        fractions = {name: count / total for name, count in counts.most_common()}
        found.append(Shares(case.name, precision, answer["instruction_set"], total, fractions))
    return found


# ---- the inventory: every loop, what the compiler made of it, and its shares ------------------------------


def inventory(findings: Iterable[Finding], shares: Sequence[Shares], source: Source) -> list[dict[str, Any]]:
    """One entry for each loop, in the order of the source, and two for the rest."""
    by_place: dict[str, list[Finding]] = {}
    for finding in findings:
        by_place.setdefault(finding.place, []).append(finding)
    names = names_of(source)
    entries = [
        {"loop": names[loop.place], "must": bool(loop.name), "levels": _levels(by_place.get(loop.place, []))}
        for loop in source.loops
        if KERNEL.fullmatch(loop.file)
    ]
    entries += [{"loop": name, "must": False, "levels": {}} for name in (OUTSIDE, OTHER)]
    for entry in entries:
        entry["shares"] = {
            precision: {
                found.case: round(found.fractions.get(str(entry["loop"]), 0.0), 4)
                for found in shares
                if found.precision == precision
            }
            for precision in PRECISIONS
        }
    return entries


def _levels(findings: Sequence[Finding]) -> dict[str, Any]:
    """For each level, bytes of the vectors in the loop's instances, and why they are not vectors."""
    found = {}
    for level in REGISTER_BYTES:
        here = [finding for finding in findings if finding.level == level]
        if here:
            found[level] = {
                "bytes": sorted({finding.bytes for finding in here}),
                "reasons": sorted({finding.reason for finding in here if finding.reason}),
            }
    return found


def _vectors(entry: Mapping[str, Any]) -> str:
    """Bytes at each level."""
    levels = entry["levels"]
    return " / ".join(
        "–".join(map(str, levels[level]["bytes"])) if level in levels else "·" for level in REGISTER_BYTES
    )


def _percent(share: float) -> str:
    return f"{100 * share:.0f}" if share >= SHOWN else "·"


def lines(entries: Sequence[Mapping[str, Any]], cases: Sequence[str]) -> list[list[str]]:
    """Cells of a table of shares in percent, double / mixed; the first line is its head."""
    table = [["loop", "bytes", *cases]]
    for entry in entries:
        double, mixed = (entry["shares"][precision] for precision in PRECISIONS)
        if entry["loop"] in (OUTSIDE, OTHER) or max([*double.values(), *mixed.values()]) >= SHOWN:
            cells = [f"{_percent(double[case])} / {_percent(mixed[case])}" for case in cases]
            table.append([f"{entry['loop']}{' *' if entry['must'] else ''}", _vectors(entry), *cells])
    return table


def markdown(results: Mapping[str, Any]) -> str:
    """A page with the table."""
    head, *rows = lines(results["loops"], results["cases"])
    machine = results["machine"]
    text = [
        "# Loops and their shares of the run time",
        "",
        "Written by `python bench/vectorization.py --shares --markdown FILE`. Percent of the samples of the program "
        f"counter while a case is rendered by one thread, in double / mixed precision, instruction set "
        f"{results['instruction_set']} ({machine['cpu']}, {machine['compiler']}; {results['seconds']:g} s of CPU time "
        f"each). Below {100 * SHOWN:g} %: a dot; loops that are below it everywhere are left out.",
        "",
        "*bytes*: size of the vectors at baseline / avx2 / avx512 (0: scalar; several: not alike in all instances; a "
        "dot: the vectoriser did not come to it). *Starred* loops must be vectorised. *outside loops*: the "
        "kernel's code between its loops; *other*: the renderer around the kernel, the C library, Python.",
        "",
        f"| {' | '.join(head)} |",
        f"|{'---|' * len(head)}",
        *(f"| {' | '.join(row)} |" for row in rows),
    ]
    return "\n".join(text) + "\n"
