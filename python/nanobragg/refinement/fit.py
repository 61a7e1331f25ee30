"""Levenberg and Marquardt's way down, on normal equations, with Fisher's expected curvature.

``scipy.optimize.least_squares`` takes residuals, all of them at once, whose weights it does not change. Here weights
follow the model (photon statistics), backgrounds are taken out of the normal matrix, and an image costs a tenth of its
derivatives, so that steps are tried on images alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from nanobragg.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from nanobragg.refinement.arrow import Arrow
    from nanobragg.refinement.joint import Joint, State

    Array = NDArray[np.float64]

_TRIES = 12
_MORE, _LONGER = 1.1, 3
"""A step that took so many times what it promised is made longer, so many times at most."""
_CLOSE = 20.0
"""times what is enough: where a step that promises so much takes less than enough, that is the lowest place, too"""
_SLIGHT, _KEPT, _STUCK = 20.0, 0.05, 2
"""Steps, one after the other, that promise no more than so much and take no more than so much of it: no others will."""
_LEAST_DAMPING, _MOST_DAMPING = 1e-9, 1e12


class Path(NamedTuple):
    """How far a refinement came."""

    state: State
    misfits: list[float]
    """at the start and after each step"""
    converged: bool
    slopes: Arrow | None = None
    """at the state, where they are known"""


def descend(
    target: Joint,
    state: State,
    *,
    free: NDArray[np.bool_] | None = None,
    enough: float = 1e-4,
    steps: int = 50,
    damping: float = 1e-2,
    leap: bool = False,
    told: Callable[[State, int], object] | None = None,
) -> Path:
    """Go down from ``state``, until steps take no more. (Where an image jumps, as where a pixel between two spots comes
    to the other one's structure factor, none keeps its promise.)

    Args:
        target: what is made small.
        state: where to begin.
        free: (n,) which numbers may move; default: all.
        enough: what a full step may still promise to take from the misfit when it is called the lowest place.
        steps: how many at most.
        damping: of the first step, in units of the curvature's diagonal (D. Marquardt, 1963).
        leap: whether that last step is taken, which costs an image: then there are no slopes at the end.
        told: called with each better state and its number.

    """
    may_move = np.ones(len(state.x), bool) if free is None else free
    misfits, stuck = [state.misfit], 0
    for number in range(steps):
        slopes = target.slopes(state)
        inside = may_move & _inside(state.x, slopes.gradient, target.limits)
        promise = _promise(slopes, inside)
        if promise < enough:
            last = _stepped(target, state, slopes, inside, damping) if leap else None
            return Path(state, misfits, True, slopes) if last is None else Path(last[0], misfits, True)
        found = _stepped(target, state, slopes, inside, damping)
        gained = 0.0 if found is None else state.misfit - found[0].misfit
        stuck = stuck + 1 if gained < _KEPT * promise < _KEPT * _SLIGHT else 0
        close, short = promise < _CLOSE * enough, damping > 1.0
        if found is None or (not leap and (stuck == _STUCK or (gained < enough and (close or short)))):
            return Path(state, misfits, close or not (short or stuck == _STUCK), slopes)
        state, damping = found
        misfits.append(state.misfit)
        if told is not None:
            told(state, number + 1)
    return Path(state, misfits, False)


def _inside(x: Array, gradient: Array, limits: tuple[Array, Array]) -> NDArray[np.bool_]:
    """Which numbers are not held by a limit."""
    lowest, highest = limits
    return ~(((x <= lowest) & (gradient < 0.0)) | ((x >= highest) & (gradient > 0.0)))


def _promise(slopes: Arrow, inside: NDArray[np.bool_]) -> float:
    """By how much a full step would make the misfit smaller."""
    return float(slopes.gradient @ slopes.step(inside, _LEAST_DAMPING))


def _stepped(
    target: Joint,
    state: State,
    slopes: Arrow,
    inside: NDArray[np.bool_],
    damping: float,
) -> tuple[State, float] | None:
    """A better state, and the damping of the next step."""
    for _ in range(_TRIES):
        step = slopes.step(inside, damping)
        step /= _too_long(slopes, np.abs(step) / target.longest)
        ahead = _at(target, state.x + step)
        if ahead is not None and ahead.misfit < state.misfit:
            step = ahead.x - state.x
            promised = float(step @ (2.0 * slopes.gradient - slopes.times(step)))
            kept = (state.misfit - ahead.misfit) / promised if promised > 0.0 else 0.0
            return _further(target, state, ahead) if kept > _MORE else ahead, _next(damping, kept)
        damping = max(damping, 1e-4) * 8.0
        if damping > _MOST_DAMPING:
            break
    return None


def _at(target: Joint, x: Array) -> State | None:
    """The target there, within limits; ``None``: no crystal is like that."""
    try:
        return target.at(np.clip(x, *target.limits))
    except InputError:
        return None


def _further(target: Joint, state: State, ahead: State) -> State:
    """Where a step that took more than it promised ends when it is made longer as long as that pays: an image is a part
    of the price of the derivatives for another step.
    """
    for _ in range(_LONGER):
        further = _at(target, state.x + 2.0 * (ahead.x - state.x))
        if further is None or further.misfit >= ahead.misfit:
            break
        ahead = further
    return ahead


def _too_long(slopes: Arrow, length: Array) -> Array:
    """(n,) by how much steps are too long: all by common numbers, each shot's by its own."""
    common, own = slopes.parted(length)
    shared = common.max(initial=1.0)
    longest = own.max(axis=1, initial=shared)
    return np.append(np.full(len(common), shared), np.repeat(longest, own.shape[1]))


def _next(damping: float, kept: float) -> float:
    """Less where a step ``kept`` what it promised, more where it did not."""
    if kept > 0.75:
        return max(damping / 20.0, _LEAST_DAMPING)
    return max(damping / 4.0, _LEAST_DAMPING) if kept > 0.25 else min(damping * 2.0, _MOST_DAMPING)
