"""What differs between the files of the original and ours, made with one command line (``specs/parity.md``)."""

from __future__ import annotations

import contextlib
import io
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nanobragg.errors import InputError
from nanobragg.io.images import raw
from nanobragg.parity.bar import excess
from nanobragg.parity.cases import Outcome
from nanobragg.parity.excluded import reasons
from nanobragg.parity.runner import inside
from nanobragg.program.outputs import write_outputs
from nanobragg.rendering.trace import trace_pixel

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from nanobragg.records.resolved import Resolved
    from nanobragg.records.run import Run

_MOST_TRACED = 100
_FEW = 3
"""pixels of an int or PGM image that may differ, by one"""
_PRINTED = re.compile(r"max_I = (\S+)|mean= (\S+) rms= (\S+) rmsd= (\S+)|intfile_scale = (\S+)|pgm_scale = (\S+)")


@dataclass(frozen=True, kw_only=True)
class Results:
    """What both programs made of one command line."""

    theirs: Path
    """the folder in which the original wrote its files"""
    ours: Path
    rebuilt: Path
    """an empty folder, for the files that we make of the original's float image"""
    their_print: str
    """what the original printed"""
    our_print: str


def compare(run: Run, resolved: Resolved, results: Results) -> Outcome:
    """Compare float images, files in their two steps, headers, the cache, and the statistics that are printed."""
    outcome = Outcome()
    expected = _compare_images(outcome, run.output.floatfile or "", resolved, results)
    if expected is None:
        return outcome
    with inside(results.rebuilt), contextlib.redirect_stdout(io.StringIO()):
        write_outputs(run, resolved, expected, run.output.seed)
    for kind, name in (("int", run.output.intfile), ("pgm", run.output.pgmfile), ("noise", run.output.noisefile)):
        if name is not None:
            _compare_file(outcome, kind, results.theirs / name, results.rebuilt / name, exact=True)
            if kind != "noise" and not outcome.left_out and "float" not in outcome.differences:
                _compare_file(outcome, f"{kind} (own)", results.theirs / name, results.ours / name, exact=False)
    if run.output.intfile is not None:
        _compare_headers(outcome, results.theirs / run.output.intfile, results.ours / run.output.intfile)
    dump = run.experiment.crystal.dump
    if run.experiment.crystal.structure_factors is not None and dump is not None:
        a, b = (folder / os.fspath(dump) for folder in (results.theirs, results.ours))
        if a.read_bytes() != b.read_bytes():
            outcome.differences["cache"] = f"{os.fspath(dump)} differs"
    if not outcome.left_out and "float" not in outcome.differences:
        _compare_printed(outcome, results.their_print, results.our_print)
    return outcome


def nothing_in(folder: Path, words: list[str]) -> bool:
    """Whether the float image in ``folder`` holds no photon: only zeros and what is not finite."""
    names = [words[i + 1] for i, word in enumerate(words[:-1]) if word in ("-floatfile", "-floatimage")]
    pixels = np.fromfile(folder / (names[-1] if names else "floatimage.bin"), dtype=np.float32)
    return not np.any(np.isfinite(pixels) & (pixels != 0.0))


def _compare_images(
    outcome: Outcome, floatfile: str, resolved: Resolved, results: Results
) -> NDArray[np.float32] | None:
    """The original's image, (slow, fast); ``None`` where it cannot be read."""
    try:
        expected = raw.read(results.theirs / floatfile, resolved.scene.shape)
    except InputError as error:
        outcome.differences["float"] = str(error)
        return None
    got = raw.read(results.ours / floatfile, resolved.scene.shape)
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
    return expected


def _left_out(outcome: Outcome, resolved: Resolved, beyond: NDArray[np.float64]) -> list[tuple[int, int, float]]:
    """The pixels outside the bar that must agree: slow, fast, times the bar; worst first."""
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
    ours, theirs = (float(np.max(image, where=np.isfinite(image), initial=0.0)) for image in (got, expected))
    return abs(ours - theirs) > 1.5 * float(np.spacing(np.float32(theirs)))


def _compare_file(outcome: Outcome, kind: str, theirs: Path, ours: Path, *, exact: bool) -> None:
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
