"""Random command lines within a tolerance, held against the reference renderer, which computes everything.

    python -m nanobragg.parity.fuzz_tolerance --cases 10000 --seed 1

No pixel may differ by more than the bound that the result states, which is at most the tolerance, on top of the parity
bar of ``specs/design.md``: with every instruction set, in both precisions, and where leaving out does not pay, too.
"""

from __future__ import annotations

import os
import random
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nanobragg import _core
from nanobragg.errors import InputError
from nanobragg.parity import bar, cases
from nanobragg.parity.cases import add_options_of_cases, fuzz
from nanobragg.parity.command_line import CommandLine, Unit
from nanobragg.parity.draw_tolerance import corner, draw_tolerance
from nanobragg.parity.excluded import reasons
from nanobragg.parity.runner import inside
from nanobragg.parity.usage import Parser
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
class Outcome(cases.Outcome):
    """What came of one command line."""

    terms: float = 0
    fewer: int = 0
    """The most of them that were left out, with any instruction set."""
    worst: float = 0.0
    """The largest error of a pixel beyond the parity bar, in tolerances."""


class Bench(cases.Bench[Outcome]):
    """Renders command lines in a scratch folder."""

    name = "tolerance"

    def __init__(self, scratch: Path) -> None:
        self.scratch = scratch
        self.worst = 0.0

    def draw(self, seed: int, number: int) -> CommandLine:
        """A command line with a tolerance; without one, if it is refused."""
        line = draw_tolerance(seed, number)
        try:
            return self._prepared(line, random.Random(f"prepared {seed} {number}"))
        except InputError:
            return line

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

    def _prepared(self, line: CommandLine, rng: random.Random) -> CommandLine:
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

    def remarks(self, outcome: Outcome) -> list[str]:
        """Those that a tolerance made cheaper."""
        half = ["with half of the terms left out"] if outcome.fewer > 0.5 * outcome.terms else []
        return [*half, "with terms left out"] if outcome.fewer else []

    def summary(self) -> list[str]:
        """The worst pixel of all."""
        return [f"largest error of a pixel: {self.worst:.3f} of the tolerance"]

    def run(self, line: CommandLine) -> Outcome:
        """Render ``line`` with the reference renderer and within its tolerance, and compare."""
        try:
            scene = self.scene(line)
        except InputError as error:
            return Outcome(skipped=_TOO_MANY if str(error) == _TOO_MANY else "refused")
        outcome = Outcome(terms=evaluations(scene))
        expected = np.asarray(_core.render(bound(replace(scene, tolerance=0.0)), reference=True)[0], np.float64)
        for isa in _core.instruction_sets():
            with forced(isa):
                for precision in _PRECISIONS:
                    found = within(scene, precision)
                    _compare(outcome, scene, found, expected, (isa, precision))
        _compare(outcome, scene, rendered(scene), expected, ("as the program does", "double"))
        self.worst = max(self.worst, outcome.worst)
        return outcome


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
    outcome.fewer = max(outcome.fewer, found.left_out)
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
        outcome.left_out.update(why)
        if not why:
            bad.append((panel, slow, fast))
    if bad:
        worst = max(bad, key=lambda place: error[place])
        outcome.differences[" ".join(how)] = (
            f"{len(bad)} pixels, worst at panel, slow, fast {worst}: {expected[worst]:.9g} and "
            f"{found.image[worst]:.9g}, {error[worst]:.6g} beyond the parity bar, {found.error_bound:.6g} stated"
        )
    error[tuple(beyond.T)] = 0
    if scene.tolerance > 0:  # (A line that is shrunk may lose its tolerance.)
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
        return fuzz(options, Bench(Path(scratch)))


if __name__ == "__main__":
    sys.exit(main())
