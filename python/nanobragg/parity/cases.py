"""Random command lines one after the other: what all fuzzers of command lines do with each, and count at the end."""

from __future__ import annotations

import argparse
import json
import sys
import time
from abc import ABC, abstractmethod
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar

from nanobragg.errors import InputError
from nanobragg.parity.command_line import CommandLine
from nanobragg.parity.shrink import shrink
from nanobragg.parity.usage import Parser

AGREE, DIFFERENT = 0, 3
"""Exit statuses, as those of nb-compare."""


@dataclass(kw_only=True)
class Outcome:
    """What came of one command line."""

    differences: dict[str, str] = field(default_factory=dict)
    """a sentence by kind: a file, an instruction set, ``status``, ``printed``"""
    left_out: Counter[str] = field(default_factory=Counter)
    """pixels, by the reason for which they are left out"""
    skipped: str = ""
    """why it was not compared"""


AnOutcome = TypeVar("AnOutcome", bound=Outcome)


class Bench(ABC, Generic[AnOutcome]):
    """Draws command lines and runs them."""

    name: str
    """what findings are called by"""

    @abstractmethod
    def draw(self, seed: int, number: int) -> CommandLine:
        """The command line ``number`` of ``seed``."""

    @abstractmethod
    def run(self, line: CommandLine) -> AnOutcome:
        """Run ``line`` and compare; an InputError where it cannot be run."""

    def alike(self, found: AnOutcome, first: AnOutcome) -> bool:
        """Whether a smaller command line shows the difference that the first one showed."""
        return bool(found.differences.keys() & first.differences.keys())

    def remarks(self, outcome: AnOutcome) -> list[str]:
        """What the command line is counted among, besides."""
        return []

    def summary(self) -> list[str]:
        """What is to be said about all command lines."""
        return []


def add_options_of_cases(parser: Parser) -> None:
    """What all fuzzers of command lines can be asked for."""
    parser.add_argument("--cases", type=int, default=500, help="command lines (500)")
    parser.add_argument("--seed", type=int, default=1, help="the same seed draws the same command lines (1)")
    parser.add_argument("--first", type=int, default=0, help="number of the first command line (0)")
    parser.add_argument("--outdir", default="nb_fuzz", help="where findings go (nb_fuzz)")
    parser.add_argument("--seconds", type=float, help="stop after this time")
    parser.add_argument("--no-shrink", action="store_true", help="report command lines as they were drawn")


def fuzz(options: argparse.Namespace, bench: Bench[AnOutcome]) -> int:
    """Draw, run and compare as the options of :func:`add_options_of_cases` ask; the exit status."""
    began = time.monotonic()
    counts: Counter[str] = Counter()
    left_out: Counter[str] = Counter()
    compared = different = 0
    for number in range(options.first, options.first + options.cases):
        if options.seconds is not None and time.monotonic() - began > options.seconds:
            break
        line = bench.draw(options.seed, number)
        outcome = bench.run(line)
        left_out.update(outcome.left_out)
        counts.update(bench.remarks(outcome))
        if outcome.skipped:
            counts[outcome.skipped] += 1
        else:
            compared += 1
        if outcome.differences:
            different += 1
            if not options.no_shrink:
                line = _shrunk(bench, line, outcome)
                outcome = bench.run(line)
            _report(Path(options.outdir), f"{bench.name}_{options.seed}_{number}", line, outcome)
    print(f"{compared} command lines compared in {time.monotonic() - began:.0f} s, {different} of them differ")
    for sentence in bench.summary():
        print(f"  {sentence}")
    for reason, count in sorted(counts.items()):
        print(f"  {reason}: {count} command lines")
    for reason, count in sorted(left_out.items()):
        print(f"  pixels left out, {reason}: {count}")
    return DIFFERENT if different else AGREE


def _shrunk(bench: Bench[AnOutcome], line: CommandLine, first: AnOutcome) -> CommandLine:
    def differs(other: CommandLine) -> bool:
        try:
            return bench.alike(bench.run(other), first)
        except InputError:
            return False

    return shrink(line, differs)


def _report(outdir: Path, name: str, line: CommandLine, outcome: Outcome) -> None:
    """Keep a finding with its files in a folder of its own, and print it."""
    from nanobragg.io.support.atomic import atomic_write

    folder = outdir / name
    folder.mkdir(parents=True, exist_ok=True)
    for file_name, data in line.files.items():
        with atomic_write(folder / file_name) as file:
            file.write(data)
    found = {
        "id": name,
        "args": line.words,
        "files": sorted(line.files),
        "pre": line.first_words,
        "differences": outcome.differences,
    }
    with atomic_write(folder / "finding.json") as file:
        file.write((json.dumps(found, indent=1) + "\n").encode())
    print(f"{name}: {' '.join(line.words)}" + (f" (after {' '.join(line.first_words)})" if line.first_words else ""))
    for kind, sentence in outcome.differences.items():
        print(f"  {kind}: {sentence}")
    sys.stdout.flush()
