"""``nb-trace-diff``: where two traces of a pixel first part (``specs/trace.md``)."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from nanobragg.errors import InputError
from nanobragg.parity.usage import Parser

AGREE, DIFFERENT, UNREADABLE = 0, 3, 5
"""Exit statuses, as those of nb-compare."""

ORDER = ("position", "airpath", "diffracted", "incident", "wavelength", "scattering", "stol", "omega", "capture")
ORDER += ("polar", "a", "b", "c", "hkl", "hkl0", "F_latt", "skipped", "F_cell", "interpolated", "term", "sum")
"""Quantities of one evaluation in the order in which they follow from each other."""
KEY = ("layer", "sub_slow", "sub_fast", "source", "orientation")
BEFORE = ("pixel", "panel", "rendered", "scale", "steps")
AFTER = ("sum", "per_step", "omega", "capture", "polar", "value")
_ABSOLUTE_BELOW_ONE = ("hkl", "hkl0")
"""Compared on the scale of 1 where they are smaller: a Miller index of 1e-16 is 0."""


@dataclass(frozen=True, kw_only=True)
class Difference:
    """A quantity that is not the same in both traces."""

    where: str
    """the evaluation it belongs to, or the pixel"""
    name: str
    a: Any
    b: Any
    relative: float
    """norm of the difference over the larger norm; infinite if one of them is missing"""


def make_parser() -> argparse.ArgumentParser:
    """The options."""
    parser = Parser(
        prog="nb-trace-diff",
        description="Names the first quantity in which two traces of a pixel differ. A trace is what nanobragg "
        "-trace_pixel prints (other lines may stand around it), or the file of -trace_json. Exit status: 0 they agree, "
        "1 usage, 3 they differ, 5 a file cannot be read.",
    )
    parser.add_argument("a")
    parser.add_argument("b")
    parser.add_argument("--tolerance", type=float, default=1e-9, help="relative difference allowed (1e-9)")
    parser.add_argument("--all", action="store_true", help="list every difference, not just the first")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``nb-trace-diff`` with ``argv`` (default: the process's arguments) and give its exit status."""
    parser = make_parser()
    options = parser.parse_args(argv)
    if not options.tolerance >= 0.0:
        parser.error("--tolerance: expected 0 or more")
    from nanobragg.rendering.trace import read_trace

    try:
        a, b = read_trace(options.a), read_trace(options.b)
    except InputError as error:
        print(f"nb-trace-diff: {error}", file=sys.stderr)
        return UNREADABLE
    found = differences(a, b, options.tolerance)
    first = next(found, None)
    if first is None:
        print(f"the traces agree to {options.tolerance:g}")
        return AGREE
    print(f"first difference: {first.name} ({first.where})")
    for difference in (first, *(found if options.all else ())):
        print(_described(difference))
    return DIFFERENT


def differences(a: dict[str, Any], b: dict[str, Any], tolerance: float = 1e-9) -> Iterator[Difference]:
    """The quantities of two traces that differ by more than ``tolerance``, in the order of their computation.

    Args:
        a: as :meth:`nanobragg.rendering.trace.Trace.to_dict` gives it.
        b: the other one.
        tolerance: relative; of a vector, in units of its norm.

    """
    yield from _compared(a, b, BEFORE, "the pixel", tolerance)
    ours, theirs = ({tuple(e[k] for k in KEY): e for e in trace["evaluations"]} for trace in (a, b))
    for key in sorted({*ours, *theirs}):
        where = "layer {}, subpixel {} {}, source {}, orientation {}".format(*key)
        if key not in ours or key not in theirs:
            yield Difference(where=where, name="evaluation", a=key in ours, b=key in theirs, relative=math.inf)
            continue
        yield from _compared(ours[key], theirs[key], ORDER, where, tolerance)
    yield from _compared(a, b, AFTER, "the whole pixel", tolerance)


def _compared(
    a: dict[str, Any], b: dict[str, Any], names: Sequence[str], where: str, tolerance: float
) -> Iterator[Difference]:
    for name in names:
        relative = _relative(a.get(name), b.get(name), floor=1.0 if name in _ABSOLUTE_BELOW_ONE else 0.0)
        if relative > tolerance:
            yield Difference(where=where, name=name, a=a.get(name), b=b.get(name), relative=relative)


def _relative(a: Any, b: Any, floor: float) -> float:
    if a is None or b is None:
        return 0.0 if a is b else math.inf
    x, y = _numbers(a), _numbers(b)
    if len(x) != len(y):
        return math.inf
    if any(not math.isfinite(v) for v in (*x, *y)):
        same = all(u == v or (math.isnan(u) and math.isnan(v)) for u, v in zip(x, y, strict=True))
        return 0.0 if same else math.inf
    apart = math.hypot(*(u - v for u, v in zip(x, y, strict=True)))
    size = max(math.hypot(*x), math.hypot(*y), floor)
    return apart / size if apart else 0.0


def _numbers(value: Any) -> list[float]:
    return [float(v) for v in value] if isinstance(value, (list, tuple)) else [float(value)]


def _described(d: Difference) -> str:
    if d.name == "evaluation":
        return f"  {d.where}: only in the {'first' if d.a else 'second'} trace"
    return f"  {d.where}: {d.name}\n    a {_text(d.a)}\n    b {_text(d.b)}\n    relative difference {d.relative:.3g}"


def _text(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return " ".join(_text(v) for v in value)
    return f"{value:.17g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    sys.exit(main())
