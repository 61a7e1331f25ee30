"""Panels and groups of panels that are moved on their own (``specs/geometry.md``, "Detectors of panels")."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from nanobragg.errors import InputError
from nanobragg.maths.constants import DEGREES
from nanobragg.maths.vectors import rotate
from nanobragg.records.panel import few, panel_number
from nanobragg.resolver.panels import placed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from nanobragg.records.experiment import Detector, Move
    from nanobragg.records.panel import ScenePanel


class PanelMove(NamedTuple):
    """A move, made explicit: metres, lab frame."""

    panels: tuple[int, ...]
    """Numbers of those that are moved."""
    shift: NDArray[np.float64]
    turn: NDArray[np.float64]
    """(3, 3)"""
    pivot: NDArray[np.float64] | None
    """``None``: the mean of the panels' middles."""

    def centre(self, at: NDArray[np.float64], halves: NDArray[np.float64]) -> NDArray[np.float64]:
        """The mean of the middles of its panels; of changes of their vectors, how it changes."""
        mine = list(self.panels)
        return (at[mine, 0] + np.einsum("pi,pix->px", halves[mine], at[mine, 1:])).mean(axis=0)

    def applied(self, at: NDArray[np.float64], halves: NDArray[np.float64]) -> NDArray[np.float64]:
        """The vectors (P, 3, 3: origin, fast, slow) of all panels after it."""
        mine = list(self.panels)
        fixed = self.centre(at, halves) if self.pivot is None else self.pivot
        after = at.copy()
        after[mine] = at[mine] @ self.turn.T
        after[mine, 0] = (at[mine, 0] - fixed) @ self.turn.T + fixed + self.shift
        return after


def moves_of(detector: Detector, panels: Sequence[ScenePanel]) -> tuple[PanelMove, ...]:
    """The moves of a detector of panels.

    Raises:
        InputError: naming the move, for panels and groups that there are not, or that are moved twice.

    """
    found = [(_moved_by(move, number, panels), move) for number, move in enumerate(detector.moves or ())]
    subjects = [(move.group is None, numbers) for numbers, move in found]
    for number, subject in enumerate(subjects):
        if subject in subjects[:number]:
            raise InputError(f"detector.moves: found {_subject(found[number][1])} twice, expected one move of it")
    return tuple(
        PanelMove(
            panels=numbers,
            shift=np.array(move.shift) / 1000.0,
            turn=np.array([rotate((x, y, z), *(r / DEGREES for r in move.rotation)) for x, y, z in np.eye(3)]).T,
            pivot=None if move.pivot is None else np.array(move.pivot) / 1000.0,
        )
        for numbers, move in found
    )


def moved_panels(panels: tuple[ScenePanel, ...], moves: Sequence[PanelMove]) -> tuple[ScenePanel, ...]:
    """The panels after their moves; the very same where there are none."""
    at, halves = vectors_of(panels), halves_of(panels)
    for move in moves:
        at = move.applied(at, halves)
    touched = {number for move in moves for number in move.panels}
    return tuple(placed(panel, *at[number]) if number in touched else panel for number, panel in enumerate(panels))


def groups_of(panels: Sequence[ScenePanel]) -> dict[str, tuple[int, ...]]:
    """Numbers of the panels of each group, by its name, in the order of the panels."""
    found: dict[str, tuple[int, ...]] = {}
    for number, panel in enumerate(panels):
        if panel.group:
            found[panel.group] = (*found.get(panel.group, ()), number)
    return found


def vectors_of(panels: Sequence[ScenePanel]) -> NDArray[np.float64]:
    """(P, 3, 3): origin, fast and slow of each."""
    return np.array([(panel.origin, panel.fast, panel.slow) for panel in panels])


def halves_of(panels: Sequence[ScenePanel]) -> NDArray[np.float64]:
    """(P, 2): from the first corner of each panel to its middle, in lengths of fast and slow (m)."""
    return np.array([np.multiply(panel.pixel_size, panel.shape[::-1]) / 2.0 for panel in panels])


def _moved_by(move: Move, number: int, panels: Sequence[ScenePanel]) -> tuple[int, ...]:
    """Numbers of the panels that it moves."""
    if (move.panel is None) == (move.group is None):
        found = "neither panel nor group" if move.panel is None else "panel and group"
        raise InputError(f"detector.moves: found {found} in move {number}, expected one of them")
    if move.panel is not None:
        names = [panel.name for panel in panels]
        index = panel_number(names, move.panel)
        if index is None:
            raise InputError(
                f"detector.moves: found the panel {move.panel!r} in move {number}, expected {few(names)} or a number "
                f"from 0 to {len(names) - 1}"
            )
        return (index,)
    groups = groups_of(panels)
    if move.group not in groups:
        expected = few(list(groups)) if groups else "a panel, since there are no groups"
        raise InputError(f"detector.moves: found the group {move.group!r} in move {number}, expected {expected}")
    return groups[move.group]


def _subject(move: Move) -> str:
    return f"panel {move.panel}" if move.group is None else f"group {move.group}"
