"""``nb-compare``: nanoBragg.c and nanobragg on the same command line, or any two images (``specs/parity.md``)."""

from __future__ import annotations

import argparse
import shutil
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nanobragg.errors import InputError
from nanobragg.parity.usage import USAGE, Parser

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from nanobragg.parity.explain import Explanation
    from nanobragg.parity.metrics import Metrics
    from nanobragg.parity.runner import Finished
    from nanobragg.records.run import Run

AGREE, FAILED, DIFFERENT, SHAPES, UNREADABLE = 0, 2, 3, 4, 5
"""Exit statuses."""
_SUMMARY = "summary.json"
_DESCRIPTION = """Is it the same? Runs nanoBragg.c and nanobragg on the same arguments in separate folders and compares
their float images; or compares two finished images. Exit status: 0 they agree, 1 usage, 2 a program failed, 3 below the
threshold, 4 the shapes differ, 5 a file cannot be read."""


class _ProblemError(Exception):
    """A comparison that came to an end before its result."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


def make_parser() -> argparse.ArgumentParser:
    """The options."""
    parser = Parser(
        prog="nb-compare",
        description=_DESCRIPTION,
        usage="nb-compare [options] -- ARGS...\n       nb-compare [options] --images a b",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--c-bin", metavar="FILE", help="the original program (NB_C_BIN in the environment)")
    add("--images", nargs=2, metavar=("A", "B"), help="compare image B with A: .npy, .bin, or what fabio reads")
    add("--shape", nargs=2, type=int, metavar=("SLOW", "FAST"), help="pixels of images of bare floats (.bin)")
    add(
        "--roi",
        nargs=4,
        type=int,
        metavar=("XMIN", "XMAX", "YMIN", "YMAX"),
        help="compare these pixels only, inclusive, fast axis first",
    )
    add("--threshold", type=float, metavar="R", help="least correlation (without: the parity bar, for every pixel)")
    add("--precision", choices=("double", "mixed"), default="double", help="of nanobragg, and which parity bar")
    add("--resample", action="store_true", help="bring images of different shapes onto the first one's pixels")
    add("--peaks", type=int, default=20, metavar="N", help="strongest peaks to find again (20)")
    add("--outdir", default="nb_compare", metavar="DIR", help="where the results go (nb_compare)")
    add("--save-diff", action="store_true", help="write the difference as difference.npy, too")
    add("--threads", type=int, default=0, metavar="N", help="threads of nanobragg (0: all processors)")
    add("--quirks", default="all", metavar="Q", help="quirks of nanobragg (all)")
    add("--explain", action="store_true", help="if they differ, trace the worst pixel and try the quirks")
    add("--timeout", type=float, metavar="S", help="longest time for each program, seconds")
    return parser


@dataclass(frozen=True, kw_only=True)
class _Pair:
    """The two images, and the runs that made them."""

    reference: NDArray[np.float32]
    image: NDArray[np.float32]
    names: tuple[str, str]
    runs: tuple[Finished, ...] = ()


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``nb-compare`` with ``argv`` (default: the process's arguments) and give its exit status."""
    words = list(sys.argv[1:] if argv is None else argv)
    cut = words.index("--") if "--" in words else len(words)
    parser = make_parser()
    options, args = parser.parse_args(words[:cut]), words[cut + 1 :]
    if (options.images is None) == (not args):
        parser.error("expected either ARGS after --, or --images A B")
    if options.explain and options.images is not None:
        parser.error("--explain: found --images, expected ARGS after --")
    if options.threads < 0 or options.peaks < 0:
        parser.error("--threads and --peaks: expected 0 or more")
    try:
        return _compare(options, args)
    except _ProblemError as problem:
        print(f"nb-compare: {problem}", file=sys.stderr)
        return problem.status
    except InputError as error:
        print(f"nb-compare: {error}", file=sys.stderr)
        return USAGE


def _compare(options: argparse.Namespace, args: list[str]) -> int:
    outdir = _fresh_folder(Path(options.outdir))
    pair = _finished_images(options) if options.images is not None else _run_both(options, args, outdir)
    pair = _same_shape(pair, options.resample)
    area = _area(options.roi, pair.reference.shape)
    origin = (area[0].start, area[1].start)
    from nanobragg.parity.metrics import measure

    metrics = measure(
        pair.image[area], pair.reference[area], precision=options.precision, peaks=options.peaks, origin=origin
    )
    least = options.threshold
    agree = metrics.outside == 0 if least is None else metrics.correlation >= least
    explanation = None
    if options.explain and metrics.outside > 0:
        explanation = _explain(options, args, outdir, pair, area, metrics)
    _write(options, args, outdir, pair, area, metrics, agree, explanation)
    return AGREE if agree else DIFFERENT


def _fresh_folder(outdir: Path) -> Path:
    """The folder of the results, without those of an earlier comparison."""
    if outdir.exists():
        if not outdir.is_dir() or (any(outdir.iterdir()) and not (outdir / _SUMMARY).exists()):
            raise _ProblemError(
                USAGE, f"--outdir: found {str(outdir)!r}, expected a new or empty folder, or one of ours"
            )
        for name in ("original", "nanobragg"):
            shutil.rmtree(outdir / name, ignore_errors=True)
        for path in (*outdir.glob("*.png"), *outdir.glob("*.txt"), outdir / "difference.npy", outdir / "report.html"):
            path.unlink(missing_ok=True)
    outdir.mkdir(parents=True, exist_ok=True)
    # From now on the folder is known as ours, even if the comparison stops half-way.
    _write_bytes(outdir / _SUMMARY, b"{}\n")
    return outdir


def _finished_images(options: argparse.Namespace) -> _Pair:
    from nanobragg.parity.image_files import read_image

    shape = None if options.shape is None else (options.shape[0], options.shape[1])
    try:
        reference, image = (read_image(name, shape) for name in options.images)
    except InputError as error:
        raise _ProblemError(UNREADABLE, str(error)) from error
    return _Pair(reference=reference, image=image, names=(options.images[0], options.images[1]))


def _run_both(options: argparse.Namespace, args: list[str], outdir: Path) -> _Pair:
    from nanobragg.parity import runner
    from nanobragg.records.quirks import parse_quirks

    parse_quirks(options.quirks)
    original = runner.find_original(options.c_bin)
    runner.refuse_own_words(args)
    run = _parsed(args, options.quirks)
    folders = (outdir / "original", outdir / "nanobragg")
    words = [runner.prepare(folder, args, run) for folder in folders]
    own = runner.ours(words[1], quirks=options.quirks, threads=options.threads, precision=options.precision)
    finished = (
        runner.run_original(original, words[0], folders[0], options.timeout),
        runner.run_program(own, folders[1], options.timeout),
    )
    for name, done in zip(("original", "nanobragg"), finished, strict=True):
        _write_bytes(outdir / f"{name}.txt", done.output.encode("utf-8", "backslashreplace"))
    for name, done in zip(("the original", "nanobragg"), finished, strict=True):
        if done.status != 0:
            last = next((line for line in reversed(done.output.splitlines()) if line.strip()), "it said nothing")
            raise _ProblemError(FAILED, f"{name} failed with exit status {done.status}: {last}")
    if run is None:
        raise _ProblemError(FAILED, "nanobragg ran, but its command line cannot be read here")
    floatfile, intfile = _stored(run.output.floatfile), _stored(run.output.intfile)
    try:
        reference = runner.float_image(folders[0], floatfile, intfile, ours=False)
        image = runner.float_image(folders[1], floatfile, intfile, ours=True)
    except InputError as error:
        raise _ProblemError(UNREADABLE, str(error)) from error
    return _Pair(reference=reference, image=image, names=("original", "nanobragg"), runs=finished)


def _parsed(args: list[str], quirks: str) -> Run | None:
    """The run, or ``None`` when nanobragg is going to refuse it."""
    from nanobragg.inputs.words import parse_words

    try:
        return parse_words(["-quirks", quirks, *args])
    except InputError:
        return None


def _stored(name: str | None) -> str:
    """Where :func:`runner.prepare` lets an output go."""
    path = Path(name or "")
    return path.name if path.is_absolute() or ".." in path.parts else str(path)


def _same_shape(pair: _Pair, resample_it: bool) -> _Pair:
    a, b = pair.reference.shape, pair.image.shape
    if a == b:
        return pair
    if not resample_it:
        raise _ProblemError(
            SHAPES,
            f"the shapes differ: {pair.names[0]} has {a[0]} x {a[1]} pixels (slow x fast), {pair.names[1]} "
            f"{b[0]} x {b[1]} (--resample compares them all the same)",
        )
    from nanobragg.parity.image_files import resample

    return _Pair(reference=pair.reference, image=resample(pair.image, (a[0], a[1])), names=pair.names, runs=pair.runs)


def _area(roi: list[int] | None, shape: tuple[int, ...]) -> tuple[slice, slice]:
    if roi is None:
        return slice(0, shape[0]), slice(0, shape[1])
    x0, x1, y0, y1 = roi
    if not (0 <= x0 <= x1 < shape[1] and 0 <= y0 <= y1 < shape[0]):
        raise _ProblemError(
            USAGE, f"--roi: found {x0} {x1} {y0} {y1}, expected pixels of {shape[1]} (fast) x {shape[0]} (slow)"
        )
    return slice(y0, y1 + 1), slice(x0, x1 + 1)


def _explain(
    options: argparse.Namespace,
    args: list[str],
    outdir: Path,
    pair: _Pair,
    area: tuple[slice, slice],
    metrics: Metrics,
) -> Explanation:
    from nanobragg.parity import runner
    from nanobragg.parity.explain import explain

    if pair.runs[0].folder == pair.runs[1].folder or pair.image.shape != pair.reference.shape:
        raise _ProblemError(USAGE, "--explain: found images of different shapes, expected the same")
    # A folder without the caches that the runs have written.
    folder = outdir / "nanobragg" / "explain"
    shutil.rmtree(folder, ignore_errors=True)
    words = runner.prepare(folder, args, _parsed(args, options.quirks))
    with runner.inside(folder):
        return explain(
            words,
            pair.reference,
            quirks=options.quirks,
            pixel=metrics.worst,
            area=area,
            threads=options.threads,
            precision=options.precision,
        )


def _write(
    options: argparse.Namespace,
    args: list[str],
    outdir: Path,
    pair: _Pair,
    area: tuple[slice, slice],
    metrics: Metrics,
    agree: bool,
    explanation: Explanation | None,
) -> None:
    from nanobragg.parity import report

    bar = "the parity bar" if options.threshold is None else f"the least correlation {options.threshold:g}"
    verdict = _verdict(agree, metrics, bar, pair)
    rows = report.metric_rows(metrics)
    if pair.runs:
        theirs, ours = (run.seconds for run in pair.runs)
        rows.append(("run times", f"{theirs:.3g} s and {ours:.3g} s, ratio {theirs / ours:.3g}"))
        rows.append(("command line", " ".join(args)))
    pictures = _pictures(outdir, pair, area)
    if options.save_diff:
        _save_difference(outdir, pair, area)
    content = _summary(options, args, pair, metrics, agree, explanation)
    _write_bytes(outdir / _SUMMARY, report.summary_json(content))
    outputs = [
        (f"What {name} printed ({' '.join(run.command)})", run.output)
        for name, run in zip(pair.names, pair.runs, strict=bool(pair.runs))
    ]
    page = report.html_report(
        verdict=verdict, agree=agree, rows=rows, pictures=pictures, explanation=explanation, outputs=outputs
    )
    _write_bytes(outdir / "report.html", page)
    for name, value in rows:
        print(f"{name:30} {value}")
    if explanation is not None:
        print("\nthe worst pixel:")
        for name, value in explanation.quantities:
            print(f"  {name:28} {value}")
        for choice, value in explanation.tried:
            print(f"  {value:<28.9g} with -quirks {choice}")
        print(explanation.sentence)
    print(f"\n{verdict}\nreport: {outdir / 'report.html'}")


def _verdict(agree: bool, metrics: Metrics, bar: str, pair: _Pair) -> str:
    a, b = pair.names
    if agree:
        return f"{a} and {b} agree: {metrics.pixels} pixels within {bar}"
    if metrics.outside:
        return f"{a} and {b} differ: {metrics.outside} of {metrics.pixels} pixels outside the parity bar"
    return f"{a} and {b} differ: correlation {metrics.correlation:.9g} below {bar}"


def _pictures(outdir: Path, pair: _Pair, area: tuple[slice, slice]) -> list[tuple[bytes, str]]:
    from nanobragg.parity import pictures

    reference, image = pair.reference[area], pair.image[area]
    brightest = pictures.brightness(reference)
    difference, full = pictures.signed_difference(_difference(pair, area))
    made = [
        ("reference.png" if not pair.runs else "original.png", pictures.preview(reference, brightest), pair.names[0]),
        ("image.png" if not pair.runs else "nanobragg.png", pictures.preview(image, brightest), pair.names[1]),
        ("difference.png", difference, f"{pair.names[1]} − {pair.names[0]}: red above, blue below, full at {full:.3g}"),
    ]
    for name, png, _ in made:
        _write_bytes(outdir / name, png)
    return [(png, caption) for _, png, caption in made]


def _difference(pair: _Pair, area: tuple[slice, slice]) -> NDArray[np.float64]:
    import numpy as np

    with np.errstate(invalid="ignore", over="ignore"):
        return pair.image[area].astype(np.float64) - pair.reference[area]


def _save_difference(outdir: Path, pair: _Pair, area: tuple[slice, slice]) -> None:
    import numpy as np

    from nanobragg.io.support.atomic import atomic_write

    with atomic_write(outdir / "difference.npy") as file:
        np.save(file, _difference(pair, area).astype(np.float32))


def _summary(
    options: argparse.Namespace,
    args: list[str],
    pair: _Pair,
    metrics: Metrics,
    agree: bool,
    explanation: Explanation | None,
) -> dict[str, Any]:
    from nanobragg import _core

    content: dict[str, Any] = {
        "nanobragg": _core.__version__,
        "agree": agree,
        "status": AGREE if agree else DIFFERENT,
        "threshold": options.threshold,
        "precision": options.precision,
        "roi": options.roi,
        "metrics": asdict(metrics),
    }
    if pair.runs:
        theirs, ours = pair.runs
        content["args"] = args
        content["quirks"] = options.quirks
        content["runs"] = {
            name: {"command": list(run.command), "status": run.status, "seconds": run.seconds}
            for name, run in zip(("original", "nanobragg"), pair.runs, strict=True)
        }
        content["speedup"] = theirs.seconds / ours.seconds
    else:
        content["images"] = list(pair.names)
        content["shape"] = list(pair.reference.shape)
    if explanation is not None:
        content["explanation"] = asdict(explanation)
    return content


def _write_bytes(path: Path, data: bytes) -> None:
    from nanobragg.io.support.atomic import atomic_write

    with atomic_write(path) as file:
        file.write(data)


if __name__ == "__main__":
    sys.exit(main())
