"""Random command lines, through nanoBragg.c and nanobragg; differences, each shrunk to a minimal command line.

    python -m nanobragg.parity.fuzz --cases 500 --seed 1 --c-bin path/to/nanoBragg

Compared are the float images to the parity bar of ``specs/design.md``, the other files in its two steps, SMV headers,
the cache of structure factors, the statistics that are printed, and exit statuses.
"""

from __future__ import annotations

import contextlib
import io
import re
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nanobragg.errors import InputError
from nanobragg.parity import cases
from nanobragg.parity.cases import Outcome, add_options_of_cases, fuzz
from nanobragg.parity.command_line import CommandLine
from nanobragg.parity.differences import Results, compare, nothing_in
from nanobragg.parity.draw import draw
from nanobragg.parity.runner import inside, run_original
from nanobragg.parity.usage import USAGE, Parser
from nanobragg.rendering.devices import evaluations

if TYPE_CHECKING:
    from nanobragg.records.resolved import Resolved
    from nanobragg.records.run import Run

_MOST_EVALUATIONS = 1_500_000
_TIMEOUT = 30.0


class Bench(cases.Bench[Outcome]):
    """Runs both programs in a scratch folder."""

    name = "fuzz"

    def __init__(self, original: str, scratch: Path) -> None:
        self.original, self.scratch = original, scratch

    def draw(self, seed: int, number: int) -> CommandLine:
        """Any of nanoBragg.c's command lines."""
        return draw(seed, number)

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

    def alike(self, found: Outcome, first: Outcome) -> bool:
        """Refused with the same sentence but for its numbers, or different in one of the same files."""
        now, before = (re.sub(r"[-+.\de]+", "#", of.differences.get("status", "")) for of in (found, first))
        return now == before if before else super().alike(found, first)

    def remarks(self, outcome: Outcome) -> list[str]:
        """Those of which not every pixel was compared."""
        return ["with pixels left out"] if outcome.left_out else []

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
        return fuzz(options, Bench(original, Path(scratch)))


if __name__ == "__main__":
    sys.exit(main())
