"""All files of an ensemble: one after the other in this process, or by the workers of Dask's scheduler."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from threading import Lock
from typing import TYPE_CHECKING, Any

from nanobragg.cluster.client import client_of, result_of
from nanobragg.ensemble.reading import plan_of
from nanobragg.ensemble.shot import Maker
from nanobragg.ensemble.shot_file import Nominal, nominal_of, shots_name, write_shots
from nanobragg.io.support.apart import TURNS

if TYPE_CHECKING:
    from nanobragg.ensemble.plan import Plan

TASKS_PER_WORKER = 2
"""Files that a worker has in hand or in wait: more would fill the scheduler for nothing."""
_KEPT: dict[str, tuple[Maker, Nominal]] = {}
"""What a worker keeps: what the shots of an ensemble have in common, by its identity."""
_PLACE: dict[str, str] = {}
"""The ``device`` that a worker was given; nothing: the file's."""
_KEEPING = Lock()
"""One of a worker's threads at a time looks for what is kept, or makes it."""

Done = Callable[[int], object]
"""Told the number of every file that is there."""


def make_files(plan: Plan, folder: str, identity: str, numbers: list[int], done: Done) -> None:
    """Make files in this process, one after the other.

    Args:
        plan: the ensemble.
        folder: where.
        identity: of the ensemble.
        numbers: of the files.
        done: called after each.

    Raises:
        InputError: when a file cannot be written.

    """
    maker, nominal = Maker(plan), nominal_of(plan)
    for number in numbers:
        write_shots(maker, nominal, folder, number, identity)
        done(number)


def make_one(document: dict[str, Any], path: str, folder: str, identity: str, number: int) -> int:
    """A task of a worker: one file, in one thread."""
    with _KEEPING:
        if identity not in _KEPT:
            plan = plan_of(document, path)
            _KEPT.clear()
            _KEPT[identity] = Maker(plan, threads=1, device=_PLACE.get("device")), nominal_of(plan)
        maker, nominal = _KEPT[identity]
    with TURNS.computing():
        write_shots(maker, nominal, folder, number, identity)
    return number


def make_files_with_dask(
    plan: Plan,
    folder: str,
    identity: str,
    numbers: list[int],
    done: Done,
    *,
    workers: int,
    scheduler: str | None,
    devices: Sequence[str] = (),
) -> None:
    """Make files with workers: ``workers`` processes of this machine, each with one of the ``devices`` where there are
    any, or those of a scheduler.

    Raises:
        InputError: without the package distributed, for a scheduler that does not answer, when a file cannot be
            written, and when workers are killed over one file again and again.

    """
    shared = (plan.document, os.path.abspath(plan.path), os.path.abspath(folder), identity)
    with client_of(workers, scheduler) as client:
        if devices and scheduler is None:
            client.register_plugin(_on_devices(devices))
        slots = TASKS_PER_WORKER * max(sum(client.ncores().values()), workers, 1)
        tasks = ((_key(identity, number), (*shared, number)) for number in numbers)
        for future in through(client, make_one, tasks, slots):
            name = str(future.key).rpartition("-")[0]
            done(result_of(future, name, "goes on where it was"))


def through(client: Any, work: Callable[..., Any], tasks: Iterator[tuple[str, tuple[Any, ...]]], slots: int) -> Any:
    """Futures of ``work`` as they are done, with no more than ``slots`` tasks at the scheduler.

    ``tasks`` are names and arguments.
    """
    from distributed import as_completed

    def submitted(count: int) -> list[Any]:
        return [client.submit(work, *said, pure=False, key=key) for key, said in islice(tasks, count)]

    running = as_completed(submitted(slots))
    for future in running:
        yield future
        running.update(submitted(1))


def _key(identity: str, number: int) -> str:
    """The name of a task, in Dask's pages too. A file that was begun twice is made once."""
    return f"{shots_name(number)}-{identity[:12]}"


def _on_devices(devices: Sequence[str]) -> Any:
    """What gives the workers of this machine, which are numbered, one device after the other; a worker that replaces a
    dead one has its number.
    """
    import distributed

    class OnDevice(distributed.WorkerPlugin):
        def setup(self, worker: Any) -> None:
            from nanobragg.ensemble import engine

            engine._PLACE["device"] = devices[int(worker.name) % len(devices)]

    return OnDevice()
