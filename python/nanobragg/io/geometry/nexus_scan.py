"""The goniometer of a NeXus file: which of its axes is scanned, and what the others turn (``specs/formats.md``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from nanobragg.io.geometry.hdf5 import (
    Said,
    Unusable,
    attribute,
    chain,
    child,
    direction_of,
    is_group,
    is_rotation,
    matrix_of,
    members,
    of_class,
    quantities,
    stored,
    text,
)
from nanobragg.io.geometry.types import Vec, vec_of
from nanobragg.io.geometry.units import DEGREES, whole_turns_off

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_NAMES = ("omega", "phi")
"""Axes that are scanned where neither values nor ends tell."""


class Scan(NamedTuple):
    """The first image of a scan, degrees."""

    phi: float | None = None
    oscillation: float | None = None
    spindle: Vec | None = None
    turn: NDArray[np.float64] | None = None
    """(3, 3): of the crystal, by the axes that are not scanned"""


class _Axis(NamedTuple):
    item: Any
    angles: NDArray[np.float64] | None
    """degrees; ``None``: none that can be read"""
    ends: NDArray[np.float64] | None

    @property
    def name(self) -> str:
        return self.item.name.rsplit("/", 1)[1]

    @property
    def varies(self) -> float:
        """Degrees over the series, or else over the first image."""
        if self.angles is None:
            return 0.0
        spread = float(np.ptp(self.angles))
        return spread if spread > 1e-9 or self.ends is None else abs(float(self.ends[0] - self.angles[0]))


def scan_of(entry: Any, said: Said) -> Scan:
    """The scan of an entry; nothing for a file without goniometer."""
    rotations = said.attempt("phi", lambda: _rotations(entry, said)) or []
    beside = [group for sample in of_class(entry, "NXsample", "sample") for group in _goniometers(sample)]
    axes = [_axis(item, said, beside) for item in rotations]
    if not axes:
        return Scan()
    number = _scanned(axes, said)
    scanned = axes[number]
    phi = width = None
    if scanned.angles is not None:
        phi = float(scanned.angles[0])
        width = None if scanned.ends is None else float(scanned.ends[0]) - phi
        if width is None and len(scanned.angles) > 1:
            width = float(scanned.angles[1] - scanned.angles[0])
    spindle = said.attempt("spindle", lambda: _spindle(scanned, axes[number + 1 :]))
    others = [axis for axis in axes if axis is not scanned]
    turned = [axis for axis in others if axis.angles is not None and abs(axis.angles[0]) > 1e-9]
    turn = None
    if turned:
        turn = said.attempt("turn", lambda: matrix_of([axis.item for axis in others])[:3, :3])
        values = ", ".join(f"{axis.name} {axis.angles[0]:g}" for axis in turned if axis.angles is not None)
        said.comments.append(f"{scanned.name} is scanned and {values} deg turn the crystal")
    return Scan(phi, width, spindle, turn)


def _spindle(scanned: _Axis, outside: list[_Axis]) -> Vec | None:
    if "vector" not in scanned.item.attrs:
        return None
    return vec_of(matrix_of([axis.item for axis in outside])[:3, :3] @ direction_of(scanned.item))


def _rotations(entry: Any, said: Said) -> list[Any]:
    """Axes that turn the sample, the innermost first; where it depends on nothing, one by its name."""
    for sample in of_class(entry, "NXsample", "sample"):
        depends = child(sample, "depends_on")
        path = attribute(sample, "depends_on")
        if depends is not None and not is_group(depends):
            path = text(stored(depends))
        try:
            found = [] if path in ("", ".") else chain(sample if depends is None else depends, path)
        except Unusable as error:
            said.warnings.append(f"{said.name}: {error}")
            found = []
        found = [item for item in found if is_group(item) or is_rotation(item)]
        if found:
            return found
        groups = [*of_class(sample, "NXtransformations", "transformations"), *_goniometers(sample)]
        loose = [item for group in groups for name, item in members(group) if _is_loose(name, item)]
        if loose:
            scanned = loose[_scanned([_axis(item, said) for item in loose], said)]
            return [scanned, *[item for item in chain(scanned) if is_rotation(item)]]
    return []


def _is_loose(name: str, item: Any) -> bool:
    """Whether an item is an axis that turns, though nothing depends on it."""
    return not is_group(item) and (name in _NAMES or attribute(item, "transformation_type") == "rotation")


def _goniometers(sample: Any) -> list[Any]:
    found = of_class(sample, "NXgoniometer", "goniometer") + of_class(sample, "NXpositioner", "goniometer")
    return list({group.name: group for group in found}.values())


def _axis(item: Any, said: Said, beside: Sequence[Any] = ()) -> _Axis:
    """An axis with its angles. ``beside``: groups that may say, too, how wide an image is."""
    angles = said.attempt("phi", lambda: _angles(item))
    if angles is None:
        return _Axis(item, None, None)
    angles = np.unwrap(angles, period=360.0)
    name = item.name.rsplit("/", 1)[1]
    ends = None
    other = child(item.parent, f"{name}_end")
    if other is not None:
        ends = said.attempt("oscillation", lambda: _angles(other, attribute(item, "units")))
        ends = None if ends is None else angles[:1] + whole_turns_off(float(ends[0] - angles[0]))
    steps = ("_range_average", "_increment_set") if len(angles) == 1 else ()
    for step in (child(group, name + key) for group in (item.parent, *beside) for key in steps):
        if ends is None and step is not None:
            width = said.attempt("oscillation", lambda step=step: _angles(step, attribute(item, "units")))
            ends = None if width is None else angles[:1] + width[:1]
    return _Axis(item, angles, ends)


def _angles(item: Any, unit: str = "deg") -> NDArray[np.float64]:
    if is_group(item):
        raise Unusable(f"found a group as the axis {item.name}, expected angles")
    return quantities(item, DEGREES, unit.lower() or "deg")


def _scanned(axes: list[_Axis], said: Said) -> int:
    """Which axis is scanned: that which varies most, else one by its name, else the outermost."""
    moving = [number for number, axis in enumerate(axes) if axis.varies > 1e-9]
    if len(moving) > 1:
        names = ", ".join(axes[number].name for number in moving)
        said.warnings.append(f"{said.name}: found several axes that vary ({names}), the one that varies most is used")
    if moving:
        return max(moving, key=lambda number: axes[number].varies)
    for name in _NAMES:
        for number, axis in enumerate(axes):
            if axis.name.lower() == name:
                return number
    return len(axes) - 1
