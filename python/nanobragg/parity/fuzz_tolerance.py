"""Random command lines within a tolerance, held against the reference renderer, which computes everything.

    python -m nanobragg.parity.fuzz_tolerance --cases 10000 --seed 1

No pixel may differ by more than the bound that the result states, which is at most the tolerance, on top of the parity
bar of ``specs/design.md``: with every instruction set, in both precisions, and where leaving out does not pay, too.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nanobragg import _core
from nanobragg.errors import InputError
from nanobragg.parity import bar
from nanobragg.parity.command_line import CommandLine, Unit
from nanobragg.parity.draw_tolerance import corner, draw_tolerance
from nanobragg.parity.excluded import reasons
from nanobragg.parity.fuzz import AGREE, DIFFERENT, report
from nanobragg.parity.runner import inside
from nanobragg.parity.shrink import shrink
from nanobragg.parity.usage import Parser, add_options_of_cases
from nanobragg.rendering.binding import bound
from nanobragg.rendering.devices import evaluations
from nanobragg.rendering.renderer import Precision, RenderResult
from nanobragg.rendering.trace import trace_pixel

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from nanobragg.records.scene import Scene

_MOST_EVALUATIONS = 6e5
_TOO_MANY = "too many evaluations"
_MOST_TRACED = 20
_PRECISIONS: tuple[Precision, ...] = ("double", "mixed")


@dataclass(kw_only=True)
class Outcome:
    """What came of one command line."""

    differences: dict[str, str] = field(default_factory=dict)
    """A sentence by instruction set and precision."""
    excluded: Counter[str] = field(default_factory=Counter)
    """Pixels that decide by rounding, by the reason."""
    skipped: str = ""
    """Why it was not rendered."""
    terms: float = 0
    left_out: int = 0
    """The most of them that were, with any instruction set."""
    worst: float = 0.0
    """The largest error of a pixel beyond the parity bar, in tolerances."""


class Bench:
    """Renders command lines in a scratch folder."""

    def __init__(self, scratch: Path) -> None:
        self.scratch = scratch

    def scene(self, line: CommandLine) -> Scene:
        """The Scene of ``line``, or an InputError."""
        from nanobragg.inputs.words import parse_words
        from nanobragg.resolver.resolve import resolve

        for name, data in line.files.items():
            (self.scratch / name).write_bytes(data)
        with inside(self.scratch):
            scene = resolve(parse_words(line.words).experiment).scene
        if not 0 < evaluations(scene) <= _MOST_EVALUATIONS:
            raise InputError(_TOO_MANY)
        return scene

    def prepared(self, line: CommandLine, rng: random.Random) -> CommandLine:
        """``line`` with a tolerance, as bright as that matters, and at times with a node on a pixel's centre."""
        if rng.random() < 0.3:
            line = self._aimed(line, rng)
        tolerance = 10.0 ** rng.uniform(-6, 1)
        pixels = rendered(self.scene(line))[0]
        brightest = float(np.max(pixels, where=np.isfinite(pixels), initial=0.0))
        others = tuple(unit for unit in line.units if unit[0] not in ("-flux", "-exposure", "-fluence"))
        now = 125932015286227086360700780544.0  # photons/m^2, where nothing is said
        # Not brighter than what floats hold: squares of structure factors, times cells to the sixth, times this.
        factor = min(tolerance * 10.0 ** rng.uniform(-1, 7) / brightest, 1e6) if brightest > 0 else 1.0
        return line.with_units((*others, ("-fluence", f"{now * factor:.6g}"), ("-tolerance", f"{tolerance:.4g}")))

    def _aimed(self, line: CommandLine, rng: random.Random) -> CommandLine:
        """Other lengths of the axes: at the corner of a piece, indices are whole or half-integer but for rounding."""
        scene = self.scene(line)
        panel = rng.randrange(len(scene.panels))
        slow, fast = (corner(rng, n) for n in scene.panels[panel].shape)
        at = trace_pixel(scene, slow, fast, panel=panel, threads=1).evaluations
        if not at:
            return line
        units: list[Unit] = []
        for unit in line.units:
            if unit[0] == "-cell" and len(unit) == 7:
                lengths = []
                for length, index in zip(unit[1:4], at[0].hkl, strict=True):
                    wanted = round(index) + rng.choice((0.0, 0.0, 0.0, 0.5))
                    factor = wanted / index if index and 0.5 < wanted / index < 2 else 1.0
                    lengths.append(repr(float(length) * factor))
                unit = (unit[0], *lengths, *unit[4:])
            units.append(unit)
        return line.with_units(tuple(units))

    def run(self, line: CommandLine) -> Outcome:
        """Render ``line`` with the reference renderer and within its tolerance, and compare."""
        try:
            scene = self.scene(line)
        except InputError as error:
            return _skipped(error)
        outcome = Outcome(terms=evaluations(scene))
        expected = np.asarray(_core.render(bound(replace(scene, tolerance=0.0)), reference=True)[0], np.float64)
        for isa in _core.instruction_sets():
            with forced(isa):
                for precision in _PRECISIONS:
                    found = within(scene, precision)
                    _compare(outcome, scene, found, expected, (isa, precision))
        _compare(outcome, scene, rendered(scene), expected, ("as the program does", "double"))
        return outcome


def _skipped(error: InputError) -> Outcome:
    return Outcome(skipped=_TOO_MANY if str(error) == _TOO_MANY else "refused")


@contextmanager
def forced(isa: str) -> Iterator[None]:
    """Renders with this instruction set."""
    before = os.environ.get("NANOBRAGG_ISA")
    os.environ["NANOBRAGG_ISA"] = isa
    try:
        yield
    finally:
        os.environ.pop("NANOBRAGG_ISA")
        if before is not None:
            os.environ["NANOBRAGG_ISA"] = before


def rendered(scene: Scene) -> RenderResult:
    """As the program renders it."""
    return RenderResult(*_core.render(bound(scene), threads=1))


def within(scene: Scene, precision: Precision) -> RenderResult:
    """Terms are left out even where that takes longer."""
    return RenderResult(*_core.render(bound(scene), precision, threads=1, only_if_faster=False))


def _compare(
    outcome: Outcome, scene: Scene, found: RenderResult, expected: NDArray[np.float64], how: tuple[str, str]
) -> None:
    outcome.left_out = max(outcome.left_out, found.left_out)
    if found.error_bound > scene.tolerance:
        outcome.differences[" ".join(how)] = f"the bound is {found.error_bound:g}"
    precision: Precision = "mixed" if how[1] == "mixed" else "double"
    error = _beyond_bar(found.image, expected, precision)
    if (error > found.error_bound).any() and precision == "mixed":  # which may be wrong by more where nothing is bright
        full = np.asarray(_core.render(bound(replace(scene, tolerance=0.0)), precision, threads=1)[0], np.float64)
        error = np.minimum(error, _beyond_bar(found.image, full, precision))
    beyond = np.argwhere(error > found.error_bound)
    bad = []
    for place in beyond[:_MOST_TRACED]:
        panel, slow, fast = (int(i) for i in place)
        why = reasons(scene, trace_pixel(scene, slow, fast, panel=panel, threads=1), precision)
        outcome.excluded.update(why)
        if not why:
            bad.append((panel, slow, fast))
    if bad:
        worst = max(bad, key=lambda place: error[place])
        outcome.differences[" ".join(how)] = (
            f"{len(bad)} pixels, worst at panel, slow, fast {worst}: {expected[worst]:.9g} and "
            f"{found.image[worst]:.9g}, {error[worst]:.6g} beyond the parity bar, {found.error_bound:.6g} stated"
        )
    error[tuple(beyond.T)] = 0
    outcome.worst = max(outcome.worst, float(error.max(initial=0.0)) / scene.tolerance)


def _beyond_bar(image: NDArray[np.float32], expected: NDArray[np.float64], precision: Precision) -> NDArray[np.float64]:
    """Differences less the bar; infinite where pixels that are not finite differ in kind."""
    got = image.astype(np.float64)
    with np.errstate(invalid="ignore"):
        error = np.abs(got - expected) - bar.tolerance(expected, precision)
        same = (got == expected) | (np.isnan(got) & np.isnan(expected))
    return np.where(same, 0.0, np.where(np.isfinite(error), error, np.inf))


# ---- the program ------------------------------------------------------------------------------------------


def main(argv: Sequence[str] | None = None) -> int:
    """Run the fuzzer with ``argv`` (default: the process's arguments) and give its exit status."""
    parser = Parser(prog="python -m nanobragg.parity.fuzz_tolerance", description=(__doc__ or "").splitlines()[0])
    add_options_of_cases(parser)
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="nb_fuzz_") as scratch:
        return _fuzz(options, Bench(Path(scratch)))


def _fuzz(options: argparse.Namespace, bench: Bench) -> int:
    began = time.monotonic()
    counts: Counter[str] = Counter()
    excluded: Counter[str] = Counter()
    worst = 0.0
    for number in range(options.first, options.first + options.cases):
        if options.seconds is not None and time.monotonic() - began > options.seconds:
            break
        line = draw_tolerance(options.seed, number)
        try:
            line = bench.prepared(line, random.Random(f"prepared {options.seed} {number}"))
            outcome = bench.run(line)
        except InputError as error:
            outcome = _skipped(error)
        counts[outcome.skipped or "run"] += 1
        counts["with terms left out"] += outcome.left_out > 0
        counts["with half of the terms left out"] += outcome.left_out > 0.5 * outcome.terms
        excluded.update(outcome.excluded)
        worst = max(worst, outcome.worst)
        if outcome.differences:
            counts["different"] += 1
            if not options.no_shrink:
                line = _shrunk(bench, line)
                outcome = bench.run(line)
            report(Path(options.outdir), options.seed, number, line, outcome.differences)
    print(f"{counts['run']} command lines in {time.monotonic() - began:.0f} s, {counts['different']} of them differ")
    print(f"  largest error of a pixel: {worst:.3f} of the tolerance")
    for reason, count in sorted(counts.items()):
        if reason not in ("run", "different") and count:
            print(f"  {reason}: {count} command lines")
    for reason, count in sorted(excluded.items()):
        print(f"  pixels left out, {reason}: {count}")
    return DIFFERENT if counts["different"] else AGREE


def _shrunk(bench: Bench, line: CommandLine) -> CommandLine:
    def differs(other: CommandLine) -> bool:
        return bool(bench.run(other).differences)

    return shrink(line, differs)


if __name__ == "__main__":
    sys.exit(main())
