"""Why two images differ: the worst pixel traced, and the quirks tried until one explains it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from nanobragg.errors import InputError
from nanobragg.parity.bar import outside, tolerance
from nanobragg.records.quirks import QUIRKS, parse_quirks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from nanobragg.records.resolved import Resolved
    from nanobragg.rendering.trace import Trace

_MOST_AT_ONCE = 3


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """What is known about a difference."""

    quantities: tuple[tuple[str, str], ...]
    """(name, value with its unit) of the worst pixel"""
    tried: tuple[tuple[str, float], ...]
    """(``-quirks`` argument, the worst pixel with it), of each quirk that changes the pixel when switched"""
    explained_by: str | None
    """``-quirks`` argument with which the images agree"""
    sentence: str


def choice_text(kept: frozenset[str]) -> str:
    """The shortest ``-quirks`` argument that keeps just these."""
    dropped = [name for name in QUIRKS if name not in kept]
    if not kept:
        return "none"
    if len(dropped) <= len(kept):
        return ",".join(["all", *(f"-{name}" for name in dropped)])
    return ",".join(name for name in QUIRKS if name in kept)


def explain(
    words: Sequence[str],
    original: NDArray[np.float32],
    *,
    quirks: str,
    pixel: tuple[int, int],
    area: tuple[slice, slice],
    threads: int = 0,
    precision: str = "double",
) -> Explanation:
    """Explain why our image is not ``original``, in the current folder with the input files.

    Args:
        words: the command line.
        original: (slow, fast) the other program's image.
        quirks: those that our image was made with.
        pixel: (slow, fast) where they differ most.
        area: the part of the image that is compared.
        threads: for rendering.
        precision: the parity bar: ``double`` or ``mixed``.

    """
    kept = parse_quirks(quirks)
    resolved = _resolved(words, kept)
    trace = _trace(resolved, pixel, threads)
    theirs = float(original[pixel])
    allowed = float(tolerance(original[area], precision)[pixel[0] - area[0].start, pixel[1] - area[1].start])
    tried = _try_one_at_a_time(words, kept, pixel, trace.value, threads)
    explained = None
    for names in _candidates(tried):
        choice = kept.symmetric_difference(names)
        value = _value(words, choice, pixel, threads)
        if value is None or not _near(value, theirs, allowed):
            continue
        if _agrees(words, choice, original, area, threads, precision):
            explained = choice_text(choice)
            break
    return Explanation(
        quantities=_quantities(trace, theirs, resolved),
        tried=tuple((choice_text(kept ^ {name}), value) for name, value in tried),
        explained_by=explained,
        sentence=_sentence(explained, kept, tried, theirs, trace.value),
    )


def _resolved(words: Sequence[str], kept: frozenset[str]) -> Resolved:
    from nanobragg.inputs.words import parse_words
    from nanobragg.resolver.resolve import resolve

    return resolve(parse_words(["-quirks", choice_text(kept), *words]).experiment)


def _trace(resolved: Resolved, pixel: tuple[int, int], threads: int) -> Trace:
    from nanobragg.rendering.trace import trace_pixel

    return trace_pixel(resolved.scene, *pixel, threads=threads)


def _value(words: Sequence[str], kept: frozenset[str], pixel: tuple[int, int], threads: int) -> float | None:
    """The pixel with these quirks, ``None`` where the experiment is impossible or has no such pixel."""
    from nanobragg.rendering.trace import trace_pixel

    try:
        return trace_pixel(_resolved(words, kept).scene, *pixel, threads=threads, last_only=True).value
    except InputError:
        return None


def _try_one_at_a_time(
    words: Sequence[str], kept: frozenset[str], pixel: tuple[int, int], value: float, threads: int
) -> list[tuple[str, float]]:
    """Every quirk whose switching changes the pixel, with what it becomes."""
    changed = []
    for name in QUIRKS:
        other = _value(words, kept ^ {name}, pixel, threads)
        if other is not None and not (other == value or (np.isnan(other) and np.isnan(value))):
            changed.append((name, other))
    return changed


def _candidates(tried: list[tuple[str, float]]) -> list[tuple[str, ...]]:
    """Quirks to switch: one alone first, then several of those that matter, then all of them."""
    names = [name for name, _ in tried]
    sets = [chosen for size in range(1, _MOST_AT_ONCE + 1) for chosen in combinations(names, size)]
    return [*sets, tuple(names)] if len(names) > _MOST_AT_ONCE else sets


def _near(value: float, theirs: float, allowed: float) -> bool:
    if not np.isfinite(theirs):
        return not np.isfinite(np.float32(value))
    return abs(float(np.float32(value)) - theirs) <= allowed


def _agrees(
    words: Sequence[str],
    kept: frozenset[str],
    original: NDArray[np.float32],
    area: tuple[slice, slice],
    threads: int,
    precision: str,
) -> bool:
    from nanobragg.rendering.render import render

    image = render(_resolved(words, kept).scene, threads=threads)[0]
    return image.shape == original.shape and not outside(image[area], original[area], precision).any()


def _sentence(
    explained: str | None, kept: frozenset[str], tried: list[tuple[str, float]], theirs: float, ours: float
) -> str:
    if explained is not None:
        chosen = parse_quirks(explained)
        dropped, added = sorted(kept - chosen), sorted(chosen - kept)
        parts = []
        if dropped:
            parts.append(f"the other program is a build with {_these(dropped)} fixed")
        if added:
            parts.append(f"the other program has {_these(added)}")
        return f"agrees with -quirks {explained}: {' and '.join(parts)}"
    ratio = f"; the pixel is {theirs / ours:.9g} of ours" if ours not in (0.0, theirs) else ""
    if tried:
        names = ", ".join(name for name, _ in tried)
        return f"no quirk explains the difference (those that change the pixel: {names}){ratio}"
    return f"no quirk changes the pixel, so that none explains the difference{ratio}"


def _these(names: list[str]) -> str:
    return f"the defect {names[0]}" if len(names) == 1 else f"the defects {', '.join(names)}"


def _quantities(trace: Trace, theirs: float, resolved: Resolved) -> tuple[tuple[str, str], ...]:
    """The few numbers that a person looks at first."""
    rows: list[tuple[str, Any]] = [
        ("pixel (slow, fast)", f"{trace.slow} {trace.fast}"),
        ("original, photons", f"{theirs:.9g}"),
        ("reference renderer, photons", f"{trace.value:.9g}"),
        ("sum / steps", f"{trace.sum:.9g} / {trace.steps}"),
        ("r_e² × fluence", f"{trace.scale:.9g}"),
        ("solid angle, steradian", f"{trace.omega:.9g}"),
        ("polarization", f"{trace.polar:.9g}"),
        ("capture", f"{trace.capture:.9g}"),
    ]
    if trace.evaluations:
        top = max(trace.evaluations, key=lambda e: (np.nan_to_num(e.term, nan=np.inf), -e.orientation))
        domains = resolved.sample.mosaic_domains
        rows += [
            ("evaluations", str(len(trace.evaluations))),
            (
                "strongest evaluation",
                f"layer {top.layer}, subpixel {top.sub_slow} {top.sub_fast}, source {top.source}, "
                f"phi step {top.orientation // domains}, mosaic domain {top.orientation % domains}",
            ),
            ("its position, m", " ".join(f"{x:.9g}" for x in top.position)),
            ("its wavelength, Å", f"{top.wavelength * 1e10:.9g}"),
            ("its h k l", " ".join(f"{x:.9g}" for x in top.hkl)),
            ("nearest reflection", " ".join(str(x) for x in top.hkl0)),
            ("its F_cell" + (" (interpolated)" if top.interpolated else ""), f"{top.F_cell:.9g}"),
            ("its F_latt", f"{top.F_latt:.9g}"),
            ("its share of the sum", f"{top.term / trace.sum:.3g}" if trace.sum else "0"),
        ]
    return tuple(rows)
