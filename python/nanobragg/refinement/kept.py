"""What a worker of Dask's keeps of shots that another process refines: images, models, and what was last computed.

Only numbers travel. In the other process a shot, a target or a part of a state is a small stand-in, which says how to
compute the thing itself again; so a worker that has not got it, since the one that had it is gone, makes it anew.
"""

from __future__ import annotations

import pickle
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from nanobragg.errors import InputError
from nanobragg.io.support.apart import TURNS
from nanobragg.refinement.target import Part

if TYPE_CHECKING:
    from collections.abc import Callable

    from nanobragg.refinement.shot import Recipe, Shot
    from nanobragg.refinement.target import Target

_PARTS = 4
"""How many of a shot are kept: more than a step needs."""


class OwnShot(NamedTuple):
    """Stands for the shot itself among what work is given."""


class OwnTarget(NamedTuple):
    """Stands for the shot's target."""

    kind: str
    level: bytes | None
    """from which its background's next fit begins"""


class FarPart(NamedTuple):
    """Stands for a :class:`~nanobragg.refinement.target.Part`: its misfit, and where it was computed."""

    misfit: float
    target: OwnTarget
    """as it was before"""
    y: bytes
    """(n,) the shot's numbers"""
    most_cells: float
    """the model's"""


class Order(NamedTuple):
    """What is to be done with a shot."""

    number: int
    left_out: tuple[FarPart, ...]
    """at which pixels were left out before, one after the other"""
    most_cells: float
    arguments: tuple[Any, ...]
    """what the work is given, stand-ins among them; the first is the shot or a target"""


class Answer(NamedTuple):
    """What came of it."""

    found: Any
    """a stand-in where it is a part"""
    jacobians: int
    """how many were computed for it"""
    level: bytes | None
    """the target's afterwards, where it was done with one"""


class KeptShot:
    """A shot of this process.

    Args:
        shot: with all of its pixels.

    """

    def __init__(self, shot: Shot) -> None:
        self._shot = shot
        self._left_out: tuple[FarPart, ...] = ()
        self._targets: dict[str, Target] = {}
        self._parts: dict[FarPart, Part] = {}

    def serves(self, order: Order) -> bool:
        """Whether no more pixels were left out than the order says: a run that is interrupted goes back."""
        return self._left_out == order.left_out[: len(self._left_out)]

    def done(self, work: Callable[..., Any], order: Order) -> Answer:
        """Carry the order out."""
        model = self._shot.model
        for part in order.left_out[len(self._left_out) :]:
            self._shot.leave_out(self._target(part.target), self._part(part))
            self._left_out = (*self._left_out, part)
            self._targets.clear()
            self._parts.clear()
        rest = [self._part(one) if isinstance(one, FarPart) else one for one in order.arguments[1:]]
        before, model.most_cells = model.jacobians, order.most_cells
        own = order.arguments[0]
        if isinstance(own, OwnShot):
            return Answer(work(self._shot, *rest), model.jacobians - before, None)
        target = self._target(own)
        found = work(target, *rest)
        if isinstance(found, Part):
            found = self._stood_for(found, order)
        return Answer(found, model.jacobians - before, None if target.level is None else target.level.tobytes())

    def _target(self, own: OwnTarget) -> Target:
        if own.kind not in self._targets:
            self._targets[own.kind] = self._shot.target(own.kind)
        target = self._targets[own.kind]
        level = own.level
        target.level = None if level is None else np.frombuffer(level).reshape(target.background.numbers, -1)
        return target

    def _part(self, far: FarPart) -> Part:
        """That part, computed where it is not kept."""
        part = self._parts.pop(far, None)
        if part is None:
            self._shot.model.most_cells = far.most_cells
            part = self._target(far.target).at(np.frombuffer(far.y).copy())
        self._keep(far, part)
        return part

    def _stood_for(self, part: Part, order: Order) -> FarPart:
        """What stands for the part of a target, the order's first argument, at the second."""
        target, y = order.arguments[:2]
        far = FarPart(part.misfit, target, y.tobytes(), order.most_cells)
        self._keep(far, part)
        return far

    def _keep(self, far: FarPart, part: Part) -> None:
        self._parts[far] = part
        while len(self._parts) > _PARTS:
            del self._parts[next(iter(self._parts))]


class _Kept:
    """Some shots of a refinement, on which one thread works at a time."""

    def __init__(self) -> None:
        self.working = Lock()
        self.shots: dict[int, KeptShot] = {}


_KEPT: dict[tuple[str, int], _Kept] = {}
"""By the name of a refinement, and the number of a heap of its shots."""
_LOOKING = Lock()


def given(recipes: bytes) -> bytes:
    """A task: what a heap of shots is made of, so that Dask has it where they are worked on."""
    return recipes


def carried_out(recipes: bytes, name: str, heap: int, orders: bytes) -> list[Answer] | InputError:
    """A task: the same work done with shots of a heap.

    Args:
        recipes: pickled, of the heap's shots by number.
        name: of the refinement. What is kept of another one is forgotten.
        heap: its number.
        orders: pickled: the work, and the orders.

    Returns:
        answers in the order of the orders; or the first error, which is no failure of the worker.

    """
    with _LOOKING:
        for key in [key for key in _KEPT if key[0] != name]:
            del _KEPT[key]
        kept = _KEPT.setdefault((name, heap), _Kept())
    work, every = pickle.loads(orders)
    with kept.working, TURNS.computing():
        try:
            _make(kept.shots, every, recipes)
            return [kept.shots[order.number].done(work, order) for order in every]
        except InputError as error:
            return error


def _make(shots: dict[int, KeptShot], orders: list[Order], recipes: bytes) -> None:
    """Make the shots that are not there, or not as they were."""
    wanted = [order for order in orders if not (order.number in shots and shots[order.number].serves(order))]
    every: dict[int, Recipe] = pickle.loads(recipes) if wanted else {}
    for order in wanted:
        shots[order.number] = KeptShot(every[order.number].made(threads=1))


def forget(name: str) -> None:
    """Forget what is kept of a refinement."""
    with _LOOKING:
        for key in [key for key in _KEPT if key[0] == name]:
            del _KEPT[key]
