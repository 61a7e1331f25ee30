"""The connection to a scheduler of Dask's and its workers, and what is said where it fails."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from nanobragg.errors import InputError
from nanobragg.io.support.extras import need

_SETTINGS = {
    # What a worker does with memory is the renderer's affair; its warnings would be about shared libraries.
    "distributed.worker.memory.terminate": False,
    "distributed.worker.memory.pause": False,
    # For Dask's pages, which nobody sees here, each worker would look at itself a hundred times a second.
    "distributed.worker.profile.enabled": False,
    "distributed.admin.system-monitor.interval": "10s",
    "distributed.admin.tick.interval": "1s",
    # Images go to workers as they are given, once.
    "distributed.admin.large-graph-warning-threshold": "1 TB",
}
"""Settings of a client, and of a scheduler of our own and its workers."""


def workers_said(text: str) -> int:
    """How many workers the word after ``-workers`` says."""
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 10_000):
        raise InputError(f"-workers: found {text!r}, expected a whole number, 1 or more")
    return int(text)


def check_one_of(workers: int | None = None, scheduler: str | None = None) -> None:
    """Raise :class:`InputError` where both are said."""
    if workers is not None and scheduler is not None:
        raise InputError(
            "-workers and -scheduler: found both, expected one of them: a scheduler has workers of its own"
        )


@contextmanager
def client_of(workers: int, scheduler: str | None) -> Iterator[Any]:
    """A connection to a scheduler, or to one of our own with as many processes; raises :class:`InputError`."""
    import logging

    need("distributed", "-scheduler" if scheduler else "-workers", extra="ensemble")
    import dask
    import distributed

    if scheduler is not None:
        # What its client would log of a scheduler that is gone is told by a sentence.
        logging.getLogger("distributed.client").setLevel(logging.CRITICAL)
        try:
            client = distributed.Client(scheduler, timeout=20)
        except (OSError, ValueError, TimeoutError) as error:
            raise InputError(f"-scheduler: found no scheduler at {scheduler!r}, expected one of Dask's") from error
        with dask.config.set(_SETTINGS), client:
            yield client
        return
    with (
        dask.config.set(_SETTINGS),
        distributed.LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            # Without an address it would take a certain port, and warn where another run has it.
            scheduler_kwargs={"dashboard": False, "dashboard_address": "127.0.0.1:0"},
            silence_logs=logging.CRITICAL,
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        client.register_plugin(_undisturbed(distributed))
        yield client


def _undisturbed(distributed: Any) -> Any:
    """What makes workers leave Ctrl-C, which a terminal sends to them too, to the process that will stop them."""
    import signal

    class Undisturbed(distributed.WorkerPlugin):
        def setup(self, worker: Any) -> None:
            signal.signal(signal.SIGINT, signal.SIG_IGN)

    return Undisturbed()


def result_of(future: Any, name: str, again: str) -> Any:
    """The result of a task.

    Args:
        future: of the task.
        name: of what it works on.
        again: what the same command does where the scheduler is gone.

    Raises:
        InputError: when workers are killed over it again and again, and for a scheduler that is gone; what the task
            raises.

    """
    from distributed import CancelledError
    from distributed.comm import CommClosedError
    from distributed.scheduler import KilledWorker

    try:
        return future.result()
    except KilledWorker as error:
        raise InputError(
            f"{name}: found its workers killed again and again, expected enough memory for them"
        ) from error
    except (CancelledError, CommClosedError, ConnectionError) as error:
        # Nobody cancels, but a client that has lost its scheduler.
        raise InputError(
            f"-scheduler: found it gone in the middle of the work, expected it to stay; the same command {again}"
        ) from error
