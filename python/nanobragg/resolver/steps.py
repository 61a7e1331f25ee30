"""Step counts: what was said of range, step and number decides the rest (``specs/geometry.md``, "Step counts")."""

from __future__ import annotations

import math

from nanobragg.errors import InputError
from nanobragg.maths.constants import DEGREES

MOST_STEPS = 100_000_000


def _count(name: str, extent: float, step: float) -> int:
    ratio = extent / step
    if not ratio < MOST_STEPS:
        raise InputError(f"{name}: found {ratio:g} steps (range {extent:g}, step {step:g}), expected below 1e8")
    return math.ceil(ratio)


def sweep(
    name: str, extent: float, step: float, count: int, *, default_extent: float = 1.0, thickness: bool = False
) -> tuple[float, float, int]:
    """Range, step and number of a sweep. Unset: range < 0, step ≤ 0, count ≤ 0."""
    if count <= 0:
        if extent < 0.0:
            extent, step, count = (0.0, 0.0, 1) if step <= 0.0 else (step, step, 2)
        elif step <= 0.0:
            count = 2
            step = extent / count if thickness else extent
        else:
            count = _count(name, extent, step)
    elif extent < 0.0:
        if step <= 0.0:
            extent = default_extent
            step = extent / count
        else:
            extent, count = step, 2
    elif step <= 0.0:
        count = max(count, 2)
        step = extent / (count - 1)
    if extent <= 0.0 or step <= 0.0 or count <= 0:
        return 0.0, 0.0, 1
    return extent, step, count


def rotation(oscillation: float | None, step: float | None, count: int | None) -> tuple[float, float, int]:
    """Oscillation range, step (radians) and number of phi steps.

    A negative number of degrees, or of steps, is as good as unset. Raises :class:`InputError` for a rotation of no
    steps at all.
    """
    osc = -1.0 if oscillation is None else oscillation
    dphi = -1.0 if step is None else step
    n = -1 if count is None else count
    if n < 0:
        if osc < 0.0:
            return (0.0, 0.0, 1) if dphi <= 0.0 else (dphi, dphi, 2)
        if dphi <= 0.0:
            return osc, osc / 2.0, 2
        n = _count("-phistep", osc, dphi)
        if n == 0:
            raise InputError("-osc: found 0 with a -phistep, expected a range that holds at least one step")
        return osc, dphi, n
    n = max(n, 1)
    if osc < 0.0:
        if dphi <= 0.0:
            osc = 1.0 / DEGREES
            return osc, osc / n, n
        return dphi, dphi, 2
    return osc, (osc / n if dphi < 0.0 else dphi), n
