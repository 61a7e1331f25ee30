"""How the panels of a detector of several change with what moves all of them, and with moves of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from nanobragg.maths.constants import DEGREES
from nanobragg.maths.duals import Dual, plain, slopes
from nanobragg.maths.vectors import rotate
from nanobragg.records.experiment import Move
from nanobragg.resolver.body import Body, Motion, place_body
from nanobragg.resolver.moves import PanelMove, groups_of, halves_of, moves_of, vectors_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from nanobragg.records.experiment import Detector, Experiment
    from nanobragg.records.panel import ScenePanel


class Subject(NamedTuple):
    """What is moved on its own, a panel or a group."""

    name: str
    """``detector.panels[3]``, ``detector.groups[q0]``"""
    panels: tuple[int, ...]
    move: Move
    """That it has; else one that moves nothing."""
    number: int | None
    """Which of the moves that is; ``None``: none, it is taken for the last one."""

    def number_in(self, moves: Sequence[Move]) -> int:
        """The number of its move, also of one that was added; where there is none, the number of all moves."""
        if self.number is not None:
            return self.number
        mine = (self.move.panel, self.move.group)
        return next((n for n, move in enumerate(moves) if (move.panel, move.group) == mine), len(moves))


class PanelPath:
    """The panels of a detector of several on their way through its moves."""

    def __init__(self, experiment: Experiment, body: Body) -> None:
        self._body = body
        panels, _, _ = place_body(experiment, body)
        self._moves = moves_of(experiment.detector, panels)
        self._halves = halves_of(panels)
        self._at = [vectors_of(panels)]
        for move in self._moves:
            self._at.append(move.applied(self._at[-1], self._halves))
        self.subjects = _subjects(experiment.detector, panels, self._moves)
        """By name: all panels by their numbers, then all groups."""

    # ---- changes: (P, 18) as SceneChange.panels has them ---------------------------------------------------

    def by_motion(self, motion: Motion, number: int, count: int) -> NDArray[np.float64]:
        """With what moves the whole detector; ``motion`` in dual numbers of ``count`` slopes."""

        def values(array: NDArray[np.generic]) -> NDArray[np.float64]:
            return np.array([plain(x) for x in np.asarray(array).ravel()], dtype=float).reshape(np.shape(array))

        def of(array: NDArray[np.generic]) -> NDArray[np.float64]:
            return np.array([slopes(x, count)[number] for x in np.asarray(array).ravel()]).reshape(np.shape(array))

        shift, turn, fixed = of(motion.shift), of(motion.turn), of(motion.fixed)
        at = vectors_of(self._body.panels)
        change = at @ turn.T
        change[:, 0] = (at[:, 0] + values(motion.shift) - values(motion.fixed)) @ turn.T
        change[:, 0] += (shift - fixed) @ values(motion.turn).T + fixed
        return self._carried(change, 0)

    def by_move(self, name: str, axis: int) -> NDArray[np.float64]:
        """With a shift (mm) or a rotation (degrees): ``detector.panels[3].shift``."""
        subject_name, _, kind = name.rpartition(".")
        subject = self.subjects[subject_name]
        number = len(self._moves) if subject.number is None else subject.number
        mine, at = list(subject.panels), self._at[number]
        change = np.zeros_like(at)
        if kind == "shift":
            change[mine, 0] = np.eye(3)[axis] / 1000.0
        else:
            move = self._move_of(subject)
            fixed = move.centre(at, self._halves) if move.pivot is None else move.pivot
            turn = _turn_slope(subject.move.rotation, axis)
            change[mine] = at[mine] @ turn.T
            change[mine, 0] = (at[mine, 0] - fixed) @ turn.T
        return self._carried(change, number + 1)

    def _move_of(self, subject: Subject) -> PanelMove:
        if subject.number is not None:
            return self._moves[subject.number]
        return PanelMove(subject.panels, np.zeros(3), np.eye(3), None)

    def _carried(self, change: NDArray[np.float64], first: int) -> NDArray[np.float64]:
        """A change of the vectors before one of the moves, after all of them."""
        for move in self._moves[first:]:
            mine = list(move.panels)
            if not change[mine].any():
                continue
            middle = move.centre(change, self._halves) if move.pivot is None else np.zeros(3)
            origins = (change[mine, 0] - middle) @ move.turn.T + middle
            change[mine] = change[mine] @ move.turn.T
            change[mine, 0] = origins
        return _rows(self._at[-1], change)


def _rows(at: NDArray[np.float64], change: NDArray[np.float64]) -> NDArray[np.float64]:
    """With normals and distances, which follow the vectors; pixels keep their size."""
    (origin, fast, slow), (d_origin, d_fast, d_slow) = np.moveaxis(at, 1, 0), np.moveaxis(change, 1, 0)
    across, d_across = np.cross(fast, slow), np.cross(d_fast, slow) + np.cross(fast, d_slow)
    length = np.linalg.norm(across, axis=1, keepdims=True)
    normal = across / length
    d_normal = (d_across - (normal * d_across).sum(axis=1, keepdims=True) * normal) / length
    away = np.where((normal * origin).sum(axis=1, keepdims=True) < 0.0, -1.0, 1.0)
    d_distance = away * (d_normal * origin + normal * d_origin).sum(axis=1, keepdims=True)
    return np.hstack(
        [d_origin, d_fast, d_slow, away * d_normal, np.zeros((len(at), 3)), d_distance, np.zeros((len(at), 2))]
    )


def _turn_slope(rotation: Sequence[float], axis: int) -> NDArray[np.float64]:
    """(3, 3): of the rotation matrix about lab x, y, z by one of the three angles, per degree."""
    angles = [Dual(r / DEGREES, (1.0 / DEGREES,)) if i == axis else r / DEGREES for i, r in enumerate(rotation)]
    columns = [rotate((x, y, z), *angles) for x, y, z in np.eye(3)]  # type: ignore[arg-type]
    return np.array([[slopes(x, 1)[0] for x in column] for column in columns]).T


def _subjects(detector: Detector, panels: Sequence[ScenePanel], moves: Sequence[PanelMove]) -> dict[str, Subject]:
    said = detector.moves or ()
    numbers = {(move.group, made.panels): n for n, (move, made) in enumerate(zip(said, moves, strict=True))}
    none: list[tuple[str, Move, tuple[int, ...]]] = [
        (f"detector.panels[{n}]", Move(panel=panel.name), (n,)) for n, panel in enumerate(panels)
    ]
    for group, members in groups_of(panels).items():
        none.append((f"detector.groups[{group}]", Move(group=group), members))
    found = {}
    for name, move, members in none:
        number = numbers.get((move.group, members))
        found[name] = Subject(name, members, move if number is None else said[number], number)
    return found
