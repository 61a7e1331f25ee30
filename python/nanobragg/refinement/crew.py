"""Shots side by side: the same is done with each, in threads, and comes back in their order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from nanobragg import _core
from nanobragg.io.support.apart import TURNS

if TYPE_CHECKING:
    from nanobragg.refinement.shot import Recipe, Shot
    from nanobragg.refinement.target import Part, Target

Item = TypeVar("Item")
Found = TypeVar("Found")


class Crew:
    """Threads among which shots are shared out. What comes of it does not depend on how many they are.

    Args:
        shots: how many there will be.
        threads: 0 for all processors.

    """

    def __init__(self, shots: int, threads: int) -> None:
        every = _core.thread_count(threads)
        self._hands = max(min(shots, every), 1)
        self.each = max(every // self._hands, 1) if shots > 1 else threads
        """Threads of a shot's renderer."""

    def shots(self, recipes: Sequence[Recipe]) -> list[Shot]:
        """The shots that are made so."""
        return self.map(lambda recipe: recipe.made(self.each), recipes)

    def targets(self, shots: Sequence[Shot], kind: str) -> list[Target]:
        """What is made small for each shot (:meth:`Shot.target`)."""
        return self.map(lambda shot: shot.target(kind), shots)

    def left_out(self, shots: Iterable[Shot], targets: Iterable[Target], parts: Iterable[Part]) -> bool:
        """Leave out pixels that are far from the models of these parts; whether there are any."""
        return any(self.starmap(lambda shot, *there: shot.leave_out(*there), zip(shots, targets, parts, strict=True)))

    def map(self, work: Callable[[Item], Found], items: Sequence[Item]) -> list[Found]:
        """What ``work`` makes of each, in order. The first error ends it, as Ctrl-C does."""

        def done(item: Item) -> Found:
            with TURNS.computing():
                return work(item)

        if self._hands == 1 or len(items) == 1:
            return [done(item) for item in items]
        with ThreadPoolExecutor(self._hands) as pool:
            futures = [pool.submit(done, item) for item in items]
            try:
                return [future.result() for future in futures]
            except BaseException:
                for future in futures:
                    future.cancel()
                raise

    def starmap(self, work: Callable[..., Found], items: Iterable[tuple[object, ...]]) -> list[Found]:
        """The same with several arguments."""
        return self.map(lambda arguments: work(*arguments), list(items))
