"""Shots that workers of Dask's keep, each its own heap of them: parameters go to them, and blocks of normal equations
come back (``specs/refinement.md``, "Many shots").
"""

from __future__ import annotations

from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import numpy as np

from nanobragg.cluster.client import client_of, result_of
from nanobragg.errors import InputError
from nanobragg.refinement.kept import FarPart, Order, OwnShot, OwnTarget, carried_out, forget, given

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from nanobragg.refinement.kept import Answer
    from nanobragg.refinement.shot import Recipe, Shot
    from nanobragg.refinement.variables import Variables


@dataclass
class FarModel:
    """What is known here of a shot's model."""

    most_cells: float = np.inf
    jacobians: int = 0


@dataclass
class FarShot:
    """A shot that a worker keeps."""

    number: int
    variables: Variables
    """which cannot say experiments here"""
    own: int
    reach: float
    size: int
    notes: list[str]
    model: FarModel = field(default_factory=FarModel)
    left_out: tuple[FarPart, ...] = ()
    """at which pixels were left out"""


@dataclass
class FarTarget:
    """A target that a worker keeps."""

    shot: FarShot
    kind: str
    level: bytes | None = None
    """from which its background's next fit begins"""

    @property
    def variables(self) -> Variables:
        """The shot's."""
        return self.shot.variables

    @property
    def model(self) -> FarModel:
        """The shot's."""
        return self.shot.model


@contextmanager
def far_crew(recipes: Sequence[Recipe], workers: int, scheduler: str | None) -> Iterator[FarCrew]:
    """Workers for shots: so many processes of this machine, or those of a scheduler.

    Raises:
        InputError: without the package distributed, and for a scheduler that does not answer.

    """
    with client_of(workers, scheduler) as client:
        client.wait_for_workers(max(workers, 1))
        crew = FarCrew(client, recipes)
        try:
            yield crew
        finally:
            crew.close()


class FarCrew:
    """Workers among which shots are shared out, as :class:`~nanobragg.refinement.crew.Crew` is of threads.

    Args:
        client: of their scheduler.
        recipes: of all shots.

    """

    def __init__(self, client: Any, recipes: Sequence[Recipe]) -> None:
        self._client, self._name = client, uuid4().hex
        places = [place for place, threads in sorted(client.ncores().items()) for _ in range(threads)]
        heaps = np.array_split(np.arange(len(recipes)), min(len(places), len(recipes)))
        self._places = places[: len(heaps)]
        """each heap's"""
        self._heaps = np.repeat(np.arange(len(heaps)), [len(heap) for heap in heaps])
        """each shot's"""
        self._recipes = [
            self._task(number, given, _pickled({int(i): recipes[i] for i in heap})) for number, heap in enumerate(heaps)
        ]

    def _task(self, heap: int, work: Callable[..., Any], *arguments: Any) -> Any:
        """The future of a task, by the heap's worker if it is still there."""
        return self._client.submit(
            work,
            *arguments,
            key=f"refine_shots-{uuid4().hex}",
            workers=[self._places[heap]],
            allow_other_workers=True,
            pure=False,
        )

    def close(self) -> None:
        """Let workers forget the shots, which they do with the next refinement, too."""
        if self._client.status == "running":  # the scheduler is not gone
            with suppress(Exception):
                self._client.run(forget, self._name)

    def shots(self, recipes: Sequence[Recipe]) -> list[FarShot]:
        """The shots, made where they are kept."""
        orders = [Order(recipe.number, (), np.inf, (OwnShot(),)) for recipe in recipes]
        answers = self._answers(_told, orders)
        return [FarShot(order.number, **answer.found) for order, answer in zip(orders, answers, strict=True)]

    def targets(self, shots: Iterable[FarShot], kind: str) -> list[FarTarget]:
        """What is made small."""
        return [FarTarget(shot, kind) for shot in shots]

    def left_out(self, shots: Sequence[FarShot], _: Iterable[FarTarget], parts: Iterable[Any]) -> bool:
        """Leave out pixels that are far from the models of these parts; whether there are any."""
        before = [shot.left_out for shot in shots]
        for shot, part in zip(shots, parts, strict=True):
            shot.left_out = (*shot.left_out, part)
        try:
            every = self.map(_size_and_notes, shots)
        except BaseException:
            for shot, old in zip(shots, before, strict=True):
                shot.left_out = old
            raise
        fewer = any(size < shot.size for shot, (size, _) in zip(shots, every, strict=True))
        for shot, (size, notes) in zip(shots, every, strict=True):
            shot.size, shot.notes = size, notes
        return fewer

    def map(self, work: Callable[[Any], Any], items: Sequence[Any]) -> list[Any]:
        """What ``work`` makes of each shot or target, in order. The first error ends it, as Ctrl-C does."""
        return self.starmap(work, [(item,) for item in items])

    def starmap(self, work: Callable[..., Any], items: Iterable[tuple[Any, ...]]) -> list[Any]:
        """The same with several arguments, of which the first is a shot or a target."""
        every = list(items)
        shots = [item[0].shot if isinstance(item[0], FarTarget) else item[0] for item in every]
        orders = [
            Order(shot.number, shot.left_out, shot.model.most_cells, tuple(map(_stand_in, item)))
            for shot, item in zip(shots, every, strict=True)
        ]
        answers = self._answers(work, orders)
        for item, shot, answer in zip(every, shots, answers, strict=True):
            shot.model.jacobians += answer.jacobians
            if isinstance(item[0], FarTarget):
                item[0].level = answer.level
        return [answer.found for answer in answers]

    def _answers(self, work: Callable[..., Any], orders: Sequence[Order]) -> list[Answer]:
        """The workers' answers, in order."""
        by_heap: dict[int, list[Order]] = {}
        for order in orders:
            by_heap.setdefault(int(self._heaps[order.number]), []).append(order)
        futures = {
            heap: self._task(heap, carried_out, self._recipes[heap], self._name, heap, _pickled((work, mine)))
            for heap, mine in sorted(by_heap.items())
        }
        try:
            answers = {heap: result_of(future, "refine_shots", "begins again") for heap, future in futures.items()}
        except BaseException:
            with suppress(Exception):
                self._client.cancel(list(futures.values()))
            raise
        for answer in answers.values():
            if isinstance(answer, InputError):
                raise answer
        by_shot = {
            order.number: answer
            for heap, mine in by_heap.items()
            for order, answer in zip(mine, answers[heap], strict=True)
        }
        return [by_shot[order.number] for order in orders]


def _stand_in(argument: Any) -> Any:
    """What is sent of an argument."""
    if isinstance(argument, FarShot):
        return OwnShot()
    return OwnTarget(argument.kind, argument.level) if isinstance(argument, FarTarget) else argument


def _pickled(given: Any) -> bytes:
    """Functions without a name, too."""
    from distributed.protocol.pickle import dumps

    return dumps(given)


def _told(shot: Shot) -> dict[str, Any]:
    """What the other process knows of a shot."""
    return {
        "variables": shot.variables.without_experiment(),
        "own": shot.own,
        "reach": shot.reach,
        "size": shot.size,
        "notes": shot.notes,
    }


def _size_and_notes(shot: Shot) -> tuple[int, list[str]]:
    return shot.size, shot.notes
