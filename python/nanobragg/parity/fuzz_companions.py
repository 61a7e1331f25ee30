"""Random command lines through nonBragg.c or noisify.c and ours; differences, each shrunk to a minimal command line.

    python -m nanobragg.parity.fuzz_companions nonbragg --cases 500 --c-bin path/to/nonBragg

Compared are exit statuses, every file that is written, byte for byte (float images: the bits of numbers, and NaN with
NaN; PGM images without what stands behind their pixels), and the numbers that are printed. The original is that of
--c-bin, or of NB_NONBRAGG_BIN and NB_NOISIFY_BIN in the environment.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from nanobragg.parity import cases
from nanobragg.parity.cases import Outcome, add_options_of_cases, fuzz
from nanobragg.parity.command_line import CommandLine
from nanobragg.parity.draw_noisify import draw_noisify
from nanobragg.parity.draw_nonbragg import draw_nonbragg
from nanobragg.parity.runner import inside, run_program
from nanobragg.parity.usage import USAGE, Parser

_TIMEOUT = 30.0
_UNDEFINED = "undefined in the original, refused"


class Companion(NamedTuple):
    """One of the originals."""

    draw: Callable[[int, int], CommandLine]
    variable: str
    """Variable of the environment that says where the program is."""
    printed: tuple[str, ...]
    """Numbers that both print."""
    refusals: tuple[str, ...]
    """Sentences with which we refuse what the specification calls undefined."""


COMPANIONS = {
    "nonbragg": Companion(
        draw_nonbragg,
        "NB_NONBRAGG_BIN",
        (
            *(r"max_I = (\S+)  at (\S+) (\S+)", r"mean= (\S+) rms= (\S+) rmsd= (\S+)", r"intfile_scale = (\S+)"),
            *(r"pgm_scale = (\S+)", r"(\S+) photons on noise image \((\d+) overloads\)"),
            *(r"detector = (\S+) steradian", r"wide, (\S+) g/cm", r"\((\S+) molecules\)", r"fluence: (\S+)"),
            *(r"detector origin: (\S+) (\S+) (\S+)", r"total of (\d+) sources", r"Xbeam=(\S+) Ybeam=(\S+)"),
        ),
        (
            "expected at least the detector's",
            "found no source, expected at least one for -Fmap or -img",
            "found no number, expected lines of sin(theta)/lambda",
            "found a search beyond the end of the table",
        ),
    ),
    "noisify": Companion(
        draw_noisify,
        "NB_NOISIFY_BIN",
        (
            *(r"maximum value in input file: (\S+) \( (\S+) ", r"(\S+) photons on noise image \((\d+) overloads\)"),
            *(r"(\S+) photons on noise image before PSF", r"maximum input photon/pixel: (\S+)"),
            *(r"auto-selected psf_radius = (\S+)", r"adding back (\S+) lost"),
        ),
        ("found too few words after it, expected gauss or fiber",),
    ),
}


class Bench(cases.Bench[Outcome]):
    """Runs both programs in a scratch folder."""

    def __init__(self, name: str, original: str, scratch: Path) -> None:
        self.name, self.companion, self.original, self.scratch = name, COMPANIONS[name], original, scratch

    def draw(self, seed: int, number: int) -> CommandLine:
        """Any of the companion's command lines."""
        return self.companion.draw(seed, number)

    def run(self, line: CommandLine) -> Outcome:
        """Run ``line`` with both, and compare."""
        theirs, ours = self.scratch / "original", self.scratch / "nanobragg"
        for folder in (theirs, ours):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            for name, data in line.files.items():
                (folder / name).write_bytes(data)
        done = run_program([self.original, *line.words], theirs, _TIMEOUT)
        if done.status == 124:
            return Outcome(skipped="the original is too slow")
        with inside(ours):
            status, printed = _ours([self.name, *line.words])
        if status != 0 and any(text in printed for text in self.companion.refusals):
            return Outcome(skipped=_UNDEFINED)
        if status != done.status:
            last = next((text for text in reversed(printed.splitlines()) if text.strip()), "")
            return Outcome(differences={"status": f"original {done.status}, ours {status}: {last}"})
        outcome = Outcome()
        if status == 0:
            self._compare(outcome, line, theirs, ours)
            self._compare_printed(outcome, done.output, printed)
        return outcome

    def _compare(self, outcome: Outcome, line: CommandLine, theirs: Path, ours: Path) -> None:
        for name in sorted({path.name for folder in (theirs, ours) for path in folder.iterdir()} - set(line.files)):
            if not (theirs / name).exists() or not (ours / name).exists():
                outcome.differences[name] = "written by one program only"
                continue
            found = _difference((theirs / name).read_bytes(), (ours / name).read_bytes(), name)
            if found:
                outcome.differences[name] = found

    def _compare_printed(self, outcome: Outcome, theirs: str, ours: str) -> None:
        for pattern in self.companion.printed:
            a, b = (re.search(pattern, text) for text in (theirs, ours))
            if (a is None) != (b is None) or (a is not None and b is not None and not _same(a.groups(), b.groups())):
                both = tuple(None if m is None else m[0] for m in (a, b))
                outcome.differences["printed"] = f"{both[0]!r} and {both[1]!r}"
                return


def _same(a: Sequence[str], b: Sequence[str]) -> bool:
    return [text.replace("-nan", "nan") for text in a] == [text.replace("-nan", "nan") for text in b]


def _difference(theirs: bytes, ours: bytes, name: str) -> str:
    """What differs between two files; nothing if that is nothing."""
    if name.endswith(".bin"):
        return _float_difference(theirs, ours)
    if theirs.startswith(b"P5\n"):
        theirs = theirs[: _pgm_size(theirs)]
    if theirs == ours or _same_but_machine(theirs, ours):
        return ""
    if len(theirs) != len(ours):
        return f"{len(theirs)} and {len(ours)} bytes"
    at = next(i for i, (a, b) in enumerate(zip(theirs, ours, strict=True)) if a != b)
    count = int(np.count_nonzero(np.frombuffer(theirs, np.uint8) != np.frombuffer(ours, np.uint8)))
    return f"{count} bytes, the first at {at}: {theirs[at : at + 12]!r} and {ours[at : at + 12]!r}"


def _same_but_machine(theirs: bytes, ours: bytes) -> bool:
    """Whether two SMV files of 32 bits differ only where NaN, or a number below -2^31, has become one.

    The original's vector and scalar instructions make two different things of them (``specs/noisify.md``).
    """
    head = re.match(rb"\{\nHEADER_BYTES= *(\d+);", theirs)
    size = 0 if head is None else int(head[1])
    if not size or len(theirs) != len(ours) or (len(theirs) - size) % 4 or theirs[:size] != ours[:size]:
        return False
    a, b = (np.frombuffer(data[size:], np.uint32) for data in (theirs, ours))
    return bool((a[a != b] == 2**31).all())


def _float_difference(theirs: bytes, ours: bytes) -> str:
    if len(theirs) != len(ours):
        return f"{len(theirs)} and {len(ours)} bytes"
    a, b = np.frombuffer(theirs, np.float32), np.frombuffer(ours, np.float32)
    different = ~((a == b) | (np.isnan(a) & np.isnan(b)))
    if not different.any():
        return ""
    at = int(np.argmax(different))
    return f"{int(different.sum())} pixels, the first {at}: {a[at]:.9g} and {b[at]:.9g}"


def _pgm_size(data: bytes) -> int:
    """Bytes of header and pixels."""
    match = re.match(rb"P5\n(\d+) (\d+)\n#[^\n]*\n255\n", data)
    return len(data) if match is None else match.end() + int(match[1]) * int(match[2])


def _ours(words: list[str]) -> tuple[int, str]:
    """Run ours in this process; exit status and what it printed."""
    from nanobragg.program.companion import run_companion
    from nanobragg.program.guard import guarded

    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        status = guarded(lambda: run_companion(words))
    return status, out.getvalue()


def main(argv: Sequence[str] | None = None) -> int:
    """Run the fuzzer with ``argv`` (default: the process's arguments) and give its exit status."""
    parser = Parser(prog="python -m nanobragg.parity.fuzz_companions", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("companion", choices=sorted(COMPANIONS), help="which of them")
    add_options_of_cases(parser)
    parser.add_argument("--c-bin", metavar="FILE", help="the original program (or by the environment, see above)")
    options = parser.parse_args(argv)
    companion = COMPANIONS[options.companion]
    original = shutil.which(options.c_bin or os.environ.get(companion.variable) or "")
    if original is None:
        print(f"fuzz_companions: found no original, expected --c-bin FILE or {companion.variable}", file=sys.stderr)
        return USAGE
    with tempfile.TemporaryDirectory(prefix="nb_fuzz_") as scratch:
        return fuzz(options, Bench(options.companion, os.path.abspath(original), Path(scratch)))


if __name__ == "__main__":
    sys.exit(main())
