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
import os
import re
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from nanobragg.errors import InputError
from nanobragg.parity.draw import CommandLine, Unit, draw
from nanobragg.parity.runner import inside
from nanobragg.parity.usage import USAGE, Parser
from nanobragg.rendering.devices import evaluations

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from nanobragg.records.resolved import Resolved
    from nanobragg.records.run import Run

AGREE, DIFFERENT = 0, 3
"""Exit statuses, as those of nb-compare."""
_MOST_EVALUATIONS = 1_500_000
_TIMEOUT = 30.0
_MOST_TRACED = 100
_MOST_SHRINKS = 250
_FEW = 3
"""pixels of an int or PGM image that may differ, by one"""
_PRINTED = re.compile(r"max_I = (\S+)|mean= (\S+) rms= (\S+) rmsd= (\S+)|intfile_scale = (\S+)|pgm_scale = (\S+)")


@dataclass(kw_only=True)
class Outcome:
    """What came of one command line."""

    differences: dict[str, str] = field(default_factory=dict)
    """by kind: float, int, pgm, noise, header, cache, printed, status"""
    left_out: Counter[str] = field(default_factory=Counter)
    """pixels, by the reason for which they are left out"""
    skipped: str = ""
    """why it was not run"""


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
        if status != 0 and their_status == 0 and _nothing_in(theirs, line.words):
            outcome.skipped = "refused, and the original's image is empty"
        elif (status == 0) != (their_status == 0):
            reason = refused or next((text for text in reversed(printed.splitlines()) if text.strip()), "")
            outcome.differences["status"] = f"original {their_status}, ours {status}: {reason}"
        elif status == 0 and run is not None and resolved is not None:
            self._compare(outcome, run, resolved, theirs, ours, rebuilt, their_print, printed)
        return outcome

    def _original(self, words: list[str], folder: Path) -> tuple[int, str] | None:
        from nanobragg.parity.runner import run_program

        done = run_program([self.original, *words], folder, _TIMEOUT)
        return None if done.status == 124 else (done.status, done.output)

    def _compare(
        self,
        outcome: Outcome,
        run: Run,
        resolved: Resolved,
        theirs: Path,
        ours: Path,
        rebuilt: Path,
        their_print: str,
        printed: str,
    ) -> None:
        from nanobragg.io.images.raw import read_float_image
        from nanobragg.parity.bar import excess

        floatfile = run.output.floatfile or ""
        try:
            expected = read_float_image(theirs / floatfile, resolved.scene.shape)
        except InputError as error:
            outcome.differences["float"] = str(error)
            return
        got = read_float_image(ours / floatfile, resolved.scene.shape)
        beyond = excess(got, expected)
        left = _left_out(outcome, resolved, beyond)
        if left:
            slow, fast, ratio = left[0]
            count = int((beyond > 1.0).sum())
            outcome.differences["float"] = (
                f"{count} pixels, worst at slow {slow} fast {fast}: {expected[slow, fast]:.9g} and "
                f"{got[slow, fast]:.9g}, {ratio:.3g} times the bar"
            )
        elif _brightest_differs(got, expected):
            outcome.left_out.update(["brightest pixel"])
        with inside(rebuilt), contextlib.redirect_stdout(io.StringIO()):
            from nanobragg.program.outputs import write_outputs

            write_outputs(run, resolved, expected, run.output.seed)
        for kind, name in (("int", run.output.intfile), ("pgm", run.output.pgmfile), ("noise", run.output.noisefile)):
            if name is not None:
                _compare_file(outcome, kind, theirs / name, rebuilt / name, exact=True)
                if kind != "noise" and not outcome.left_out and "float" not in outcome.differences:
                    _compare_file(outcome, f"{kind} (own)", theirs / name, ours / name, exact=False)
        if run.output.intfile is not None:
            _compare_headers(outcome, theirs / run.output.intfile, ours / run.output.intfile)
        dump = run.experiment.crystal.dump
        if run.experiment.crystal.structure_factors is not None and dump is not None:
            a, b = (folder / os.fspath(dump) for folder in (theirs, ours))
            if a.read_bytes() != b.read_bytes():
                outcome.differences["cache"] = f"{os.fspath(dump)} differs"
        if not outcome.left_out and "float" not in outcome.differences:
            _compare_printed(outcome, their_print, printed)


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


def _nothing_in(folder: Path, words: list[str]) -> bool:
    """Whether the float image in ``folder`` holds no photon: only zeros and what is not finite."""
    import numpy as np

    names = [words[i + 1] for i, word in enumerate(words[:-1]) if word in ("-floatfile", "-floatimage")]
    pixels = np.fromfile(folder / (names[-1] if names else "floatimage.bin"), dtype=np.float32)
    return not np.any(np.isfinite(pixels) & (pixels != 0.0))


def _left_out(outcome: Outcome, resolved: Resolved, beyond: NDArray[np.float64]) -> list[tuple[int, int, float]]:
    """The pixels outside the bar that must agree: slow, fast, times the bar; worst first."""
    import numpy as np

    from nanobragg.parity.excluded import reasons
    from nanobragg.rendering.trace import trace_pixel

    slow, fast = np.nonzero(beyond > 1.0)
    order = np.argsort(-beyond[slow, fast], kind="stable")
    left: list[tuple[int, int, float]] = []
    for index in order[:_MOST_TRACED]:
        s, f = int(slow[index]), int(fast[index])
        why = reasons(resolved.scene, trace_pixel(resolved.scene, s, f, threads=1))
        if why:
            outcome.left_out.update(why)
        else:
            left.append((s, f, float(beyond[s, f])))
    return left


def _brightest_differs(got: NDArray[np.float32], expected: NDArray[np.float32]) -> bool:
    """Whether the largest values, within the bar, differ by more than rounding: the original cancels there.

    Whole numbers and grey levels are scaled by them, so that those of the two images cannot be compared.
    """
    import numpy as np

    ours, theirs = (float(np.max(image, where=np.isfinite(image), initial=0.0)) for image in (got, expected))
    return abs(ours - theirs) > 1.5 * float(np.spacing(np.float32(theirs)))


def _compare_file(outcome: Outcome, kind: str, theirs: Path, ours: Path, *, exact: bool) -> None:
    import numpy as np

    if not theirs.exists() or not ours.exists():
        if theirs.exists() != ours.exists():
            outcome.differences[kind] = f"{theirs.name}: written by one program only"
        return
    a, b = theirs.read_bytes(), ours.read_bytes()
    count = 1 if kind.startswith("pgm") else 2
    start_a, start_b = (_pixels_begin(data, kind) for data in (a, b))
    x = np.frombuffer(a[start_a:], dtype="u1" if count == 1 else "<u2").astype(int)
    y = np.frombuffer(b[start_b:], dtype="u1" if count == 1 else "<u2").astype(int)
    if x.shape != y.shape:
        outcome.differences[kind] = f"{theirs.name}: {len(x)} and {len(y)} pixels"
        return
    different = np.nonzero(x != y)[0]
    if len(different) > (0 if exact else _FEW) or (len(different) and not exact and np.abs(x - y).max() > 1):
        i = int(different[0])
        source = "from the original's float image" if exact else "from our float image"
        outcome.differences[kind] = f"{len(different)} pixels differ ({source}), first {i}: {x[i]} and {y[i]}"
    if exact and kind == "pgm" and a[:start_a] != b[:start_b]:
        outcome.differences["pgm header"] = f"{a[:start_a]!r} and {b[:start_b]!r}"


def _pixels_begin(data: bytes, kind: str) -> int:
    if kind.startswith("pgm"):
        match = re.match(rb"P5\n\d+ \d+\n#[^\n]*\n\d+\n", data)
        return 0 if match is None else match.end()
    # The original's header may be longer than it says; what follows the brace is padding to 512 bytes.
    match = re.search(rb"HEADER_BYTES=(\d+)", data[:100])
    said = 512 if match is None else int(match[1])
    return max(said, data.index(b"}\f") + 2 if said == 512 else said)


def _header(path: Path) -> list[str]:
    data = path.read_bytes()
    return data[: data.index(b"}\f")].decode("ascii", "replace").splitlines()


def _compare_headers(outcome: Outcome, theirs: Path, ours: Path) -> None:
    a, b = _header(theirs), _header(ours)
    if len(a) != len(b):
        outcome.differences["header"] = f"{len(a)} and {len(b)} lines"
        return
    for x, y in zip(a, b, strict=True):
        if x != y and not x.startswith("HEADER_BYTES=") and not _same_numbers(x, y):
            outcome.differences["header"] = f"{x} and {y}"
            return


def _same_numbers(a: str, b: str) -> bool:
    """Whether two header lines differ only in the noise of the last digits, or in the noise around 0."""
    key_a, _, value_a = a.partition("=")
    key_b, _, value_b = b.partition("=")
    x, y = (value.rstrip(";").split(",") for value in (value_a, value_b))
    if key_a != key_b or len(x) != len(y):
        return False
    try:
        return all(abs(float(u) - float(v)) <= max(1e-5 * abs(float(u)), 1e-10) for u, v in zip(x, y, strict=True))
    except ValueError:
        return False


def _compare_printed(outcome: Outcome, theirs: str, ours: str) -> None:
    a, b = (
        [float(value) for match in _PRINTED.finditer(text) for value in match.groups() if value is not None]
        for text in (theirs, ours)
    )
    if len(a) != len(b) or not all(_near(x, y) for x, y in zip(a, b, strict=False)):
        outcome.differences["printed"] = f"statistics {a} and {b}"


def _near(a: float, b: float) -> bool:
    return a == b or (a != a and b != b) or abs(a - b) <= 2e-5 * abs(a)


# ---- shrinking --------------------------------------------------------------------------------------------


def shrink(line: CommandLine, differs: Callable[[CommandLine], bool]) -> CommandLine:
    """The least command line that ``differs`` still: options taken away, then numbers made rounder."""
    budget = _MOST_SHRINKS
    changed = True
    while changed and budget > 0:
        changed = False
        for smaller in (*_without_one(line), *_rounder(line)):
            budget -= 1
            if budget < 0:
                break
            if differs(smaller):
                line, changed = smaller, True
                break
    used = {word for unit in (*line.units, *(line.first or ())) for word in unit}
    return CommandLine(units=line.units, files={n: d for n, d in line.files.items() if n in used}, first=line.first)


def _without_one(line: CommandLine) -> Iterator[CommandLine]:
    if line.first is not None:
        yield CommandLine(units=line.units, files=line.files)
    for i in range(len(line.units)):
        yield line.with_units((*line.units[:i], *line.units[i + 1 :]))


def _rounder(line: CommandLine) -> Iterator[CommandLine]:
    for i, unit in enumerate(line.units):
        for j, word in enumerate(unit[1:], 1):
            for rounded in _rounded(word):
                changed: Unit = (*unit[:j], rounded, *unit[j + 1 :])
                yield line.with_units((*line.units[:i], changed, *line.units[i + 1 :]))


def _rounded(word: str) -> Iterator[str]:
    try:
        value = float(word)
    except ValueError:
        return
    for digits in (1, 2, 3):
        text = f"{value:.{digits}g}"
        if len(text) < len(word):
            yield text
    if value == int(value) and int(value) > 8:
        yield str(int(value) // 2)


# ---- the program ------------------------------------------------------------------------------------------


def main(argv: Sequence[str] | None = None) -> int:
    """Run the fuzzer with ``argv`` (default: the process's arguments) and give its exit status."""
    parser = Parser(prog="python -m nanobragg.parity.fuzz", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--cases", type=int, default=500, help="command lines (500)")
    parser.add_argument("--seed", type=int, default=1, help="the same seed draws the same command lines (1)")
    parser.add_argument("--first", type=int, default=0, help="number of the first command line (0)")
    parser.add_argument("--c-bin", metavar="FILE", help="the original program (NB_C_BIN in the environment)")
    parser.add_argument("--outdir", default="nb_fuzz", help="where findings go (nb_fuzz)")
    parser.add_argument("--seconds", type=float, help="stop after this time")
    parser.add_argument("--no-shrink", action="store_true", help="report command lines as they were drawn")
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
            _report(outdir, options.seed, number, line, outcome)
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


def _report(outdir: Path, seed: int, number: int, line: CommandLine, outcome: Outcome) -> None:
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
        "differences": outcome.differences,
    }
    with atomic_write(folder / "finding.json") as file:
        file.write((json.dumps(found, indent=1) + "\n").encode())
    print(f"{found['id']}: {found['args']}" + (f" (after {found['pre']})" if found["pre"] else ""))
    for kind, sentence in outcome.differences.items():
        print(f"  {kind}: {sentence}")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
