"""Random command lines, through nanoBragg.c and nanobragg; differences, each shrunk to a minimal command line.

    python -m nanobragg.parity.fuzz --cases 500 --seed 1 --c-bin path/to/nanoBragg

Compared are the float images to the parity bar of ``specs/design.md``, the other files in its two steps, SMV headers,
the cache of structure factors, the statistics that are printed, and exit statuses.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import re
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nanobragg.errors import InputError
from nanobragg.parity.command_line import CommandLine
from nanobragg.parity.differences import Outcome, Results, compare, nothing_in
from nanobragg.parity.draw import draw
from nanobragg.parity.runner import inside, run_original
from nanobragg.parity.shrink import shrink
from nanobragg.parity.usage import USAGE, Parser, add_options_of_cases
from nanobragg.rendering.devices import evaluations

if TYPE_CHECKING:
    from nanobragg.records.resolved import Resolved
    from nanobragg.records.run import Run

AGREE, DIFFERENT = 0, 3
"""Exit statuses, as those of nb-compare."""
_MOST_EVALUATIONS = 1_500_000
_TIMEOUT = 30.0


class Bench:
    """Runs both programs in a scratch folder."""

    def __init__(self, original: str, scratch: Path) -> None:
        self.original, self.scratch = original, scratch

    def run(self, line: CommandLine) -> Outcome:
        """Run ``line`` with both, and compare."""
        folders = tuple(self.scratch / name for name in ("original", "nanobragg", "from_original"))
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            for name, data in line.files.items():
                (folder / name).write_bytes(data)
        theirs, ours, rebuilt = folders
        outcome = Outcome()
        with inside(ours):
            if line.first_words is not None:
                _ours(line.first_words)
            run, resolved, refused = _resolved(line.words)
            if resolved is not None and evaluations(resolved.scene) > _MOST_EVALUATIONS:
                outcome.skipped = "too many evaluations"
                return outcome
            status, printed = _ours(line.words)
        if line.first_words is not None:
            self._original(line.first_words, theirs)
        done = self._original(line.words, theirs)
        if done is None:
            outcome.skipped = "the original is too slow"
            return outcome
        their_status, their_print = done
        if status != 0 and their_status == 0 and nothing_in(theirs, line.words):
            outcome.skipped = "refused, and the original's image is empty"
        elif (status == 0) != (their_status == 0):
            reason = refused or next((text for text in reversed(printed.splitlines()) if text.strip()), "")
            outcome.differences["status"] = f"original {their_status}, ours {status}: {reason}"
        elif status == 0 and run is not None and resolved is not None:
            results = Results(theirs=theirs, ours=ours, rebuilt=rebuilt, their_print=their_print, our_print=printed)
            return compare(run, resolved, results)
        return outcome

    def _original(self, words: list[str], folder: Path) -> tuple[int, str] | None:
        done = run_original(self.original, words, folder, _TIMEOUT)
        return None if done.status == 124 else (done.status, done.output)


def _ours(words: list[str]) -> tuple[int, str]:
    """Run nanobragg's program in this process; exit status and what it printed."""
    from nanobragg.inputs.words import request_of
    from nanobragg.program.guard import guarded
    from nanobragg.program.program import carry_out

    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        status = guarded(lambda: carry_out(request_of(["-threads", "1", "-noprogress", *words])))
    return status, out.getvalue()


def _resolved(words: list[str]) -> tuple[Run | None, Resolved | None, str]:
    from nanobragg.inputs.words import parse_words
    from nanobragg.resolver.resolve import resolve

    try:
        run = parse_words(words)
        return run, resolve(run.experiment), ""
    except InputError as error:
        return None, None, str(error)


# ---- the program ------------------------------------------------------------------------------------------


def main(argv: Sequence[str] | None = None) -> int:
    """Run the fuzzer with ``argv`` (default: the process's arguments) and give its exit status."""
    parser = Parser(prog="python -m nanobragg.parity.fuzz", description=(__doc__ or "").splitlines()[0])
    add_options_of_cases(parser)
    parser.add_argument("--c-bin", metavar="FILE", help="the original program (NB_C_BIN in the environment)")
    options = parser.parse_args(argv)
    from nanobragg.parity.runner import find_original

    try:
        original = find_original(options.c_bin)
    except InputError as error:
        print(f"fuzz: {error}", file=sys.stderr)
        return USAGE
    with tempfile.TemporaryDirectory(prefix="nb_fuzz_") as scratch:
        return _fuzz(options, Bench(original, Path(scratch)), Path(options.outdir))


def _fuzz(options: argparse.Namespace, bench: Bench, outdir: Path) -> int:
    began = time.monotonic()
    counts: Counter[str] = Counter()
    left_out: Counter[str] = Counter()
    for number in range(options.first, options.first + options.cases):
        if options.seconds is not None and time.monotonic() - began > options.seconds:
            break
        line = draw(options.seed, number)
        outcome = bench.run(line)
        left_out.update(outcome.left_out)
        counts[outcome.skipped or "run"] += 1
        counts["with pixels left out"] += bool(outcome.left_out)
        if outcome.differences:
            counts["different"] += 1
            if not options.no_shrink:
                line, outcome = _shrunk(bench, line, outcome)
            report(outdir, options.seed, number, line, outcome.differences)
    seconds = time.monotonic() - began
    print(f"{counts['run']} command lines compared in {seconds:.0f} s, {counts['different']} of them differ")
    for reason, count in sorted(counts.items()):
        if reason not in ("run", "different") and count:
            print(f"  {reason}: {count} command lines")
    for reason, count in sorted(left_out.items()):
        print(f"  pixels left out, {reason}: {count}")
    return DIFFERENT if counts["different"] else AGREE


def _shrunk(bench: Bench, line: CommandLine, outcome: Outcome) -> tuple[CommandLine, Outcome]:
    kinds = set(outcome.differences)
    sentence = re.sub(r"[-+.\de]+", "#", outcome.differences.get("status", ""))

    def differs(other: CommandLine) -> bool:
        found = bench.run(other).differences
        if "status" in kinds:
            return re.sub(r"[-+.\de]+", "#", found.get("status", "")) == sentence
        return bool(kinds & set(found))

    smallest = shrink(line, differs)
    return smallest, bench.run(smallest)


def report(outdir: Path, seed: int, number: int, line: CommandLine, differences: dict[str, str]) -> None:
    """Keep a finding with its files in a folder of its own, and print it."""
    from nanobragg.io.support.atomic import atomic_write

    folder = outdir / f"{seed}_{number}"
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in line.files.items():
        with atomic_write(folder / name) as file:
            file.write(data)
    found = {
        "id": f"fuzz_{seed}_{number}",
        "args": " ".join(line.words),
        "files": sorted(line.files),
        "pre": None if line.first_words is None else " ".join(line.first_words),
        "differences": differences,
    }
    with atomic_write(folder / "finding.json") as file:
        file.write((json.dumps(found, indent=1) + "\n").encode())
    print(f"{found['id']}: {found['args']}" + (f" (after {found['pre']})" if found["pre"] else ""))
    for kind, sentence in differences.items():
        print(f"  {kind}: {sentence}")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
