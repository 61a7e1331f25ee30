"""Reading with libraries that crash or never end on damaged files: in a process of its own, which may die."""

from __future__ import annotations

import contextlib
import os
import pickle
import select
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from typing import NoReturn, TypeVar

from nanobragg.errors import InputError

Value = TypeVar("Value")

_SECONDS = 5.0
"""Processor time, s, for a file of no size."""
_SLOWEST = 1e7
"""Bytes a second: large files may take longer."""
_PATIENCE = 120.0
"""s; a process that has neither answered nor computed in the meantime waits for something that only its parent has"""


class _Turns:
    """Threads that compute, or one that copies this process: OpenBLAS ends its threads as a process is copied, and a
    thread that waits for what they were to do waits for ever.
    """

    def __init__(self) -> None:
        self._change = threading.Condition()
        self._computing, self._wanted, self._copying = 0, 0, False
        self._mine = threading.local()

    @contextlib.contextmanager
    def computing(self) -> Iterator[None]:
        """What one of several threads does; the process is not copied meanwhile, but by this thread itself."""
        if self._inside:
            yield
            return
        with self._change:
            self._change.wait_for(lambda: not (self._copying or self._wanted))
            self._computing += 1
        self._mine.inside = True
        try:
            yield
        finally:
            self._mine.inside = False
            self._count(computing=-1)

    @contextlib.contextmanager
    def copying(self) -> Iterator[None]:
        """The process is copied now, when all threads that compute have come to an end of it."""
        inside = int(self._inside)
        self._count(computing=-inside, wanted=1)
        try:
            with self._change:
                self._change.wait_for(lambda: not (self._copying or self._computing))
                self._copying = True
            try:
                yield
            finally:
                self._copying = False
        finally:
            self._count(computing=inside, wanted=-1)

    @property
    def _inside(self) -> bool:
        return getattr(self._mine, "inside", False)

    def _count(self, computing: int, wanted: int = 0) -> None:
        with self._change:
            self._computing += computing
            self._wanted += wanted
            self._change.notify_all()


TURNS = _Turns()


def read_apart(name: str, read: Callable[[], Value]) -> Value:
    """What ``read`` gives or raises, done by a copy of this process; nothing that it prints is seen.

    Raises :class:`InputError` when that process crashes, has too little memory, or computes without an end. Where there
    can be no other process, ``read`` is called here.
    """
    here, there = os.pipe()
    try:
        with TURNS.copying(), warnings.catch_warnings():  # a copy has no other threads, and needs none of their locks
            warnings.simplefilter("ignore")
            child = os.fork()
            if child == 0:  # in which another thread may have held what ends this block
                _answer(name, read, there)
    except OSError:
        os.close(here)
        os.close(there)
        return read()
    os.close(there)
    try:
        answer = _received(here, child, 2.0 * _limit(name))
    finally:
        os.close(here)
        with contextlib.suppress(ProcessLookupError, ChildProcessError):
            os.kill(child, 9)
            os.waitpid(child, 0)
    if answer is None:
        return read()
    if not answer:
        raise InputError(f"{name}: found bytes on which its reader crashes or never ends, expected an undamaged file")
    value, error = pickle.loads(answer)
    if isinstance(error, MemoryError):
        raise InputError(f"{name}: found an image for which there is not enough memory, expected a smaller one")
    if error is not None:
        raise error
    return value


def _answer(name: str, read: Callable[[], object], pipe: int) -> NoReturn:
    """Do the work of the copy."""
    import resource

    with contextlib.suppress(BaseException):
        if "faulthandler" in sys.modules:
            sys.modules["faulthandler"].disable()
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        heed(signal.SIGXCPU)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_CPU, (_limit(name), resource.getrlimit(resource.RLIMIT_CPU)[1]))
        try:
            answer = pickle.dumps((read(), None), protocol=5)
        except Exception as error:
            answer = pickle.dumps((None, error))
        with os.fdopen(pipe, "wb") as file:
            file.write(answer)
    os._exit(0)


def heed(*numbers: signal.Signals) -> None:
    """Let these signals end this process: whoever started it may have them ignored or blocked."""
    for number in numbers:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, numbers)


def _limit(name: str) -> int:
    """Processor time, s, after which the reader of a file never ends."""
    try:
        return int(_SECONDS + os.path.getsize(name) / _SLOWEST)
    except (OSError, ValueError):
        return int(_SECONDS)


def _received(pipe: int, child: int, limit: float) -> bytearray | None:
    """All that the copy writes, nothing where it computes longer than ``limit`` (s), which its own limit should have
    prevented; ``None`` where it waits and never comes to an end.
    """
    answer, before = bytearray(), 0.0
    waiting = select.poll()  # not select, which knows the first 1024 files only
    waiting.register(pipe, select.POLLIN)
    while True:
        if waiting.poll(1000.0 * _PATIENCE):
            block = os.read(pipe, 1 << 20)
            if not block:
                return answer
            answer += block
            continue
        busy, seconds = _doing(child)
        if not busy and seconds == before:
            return None
        if seconds > limit:
            return bytearray()
        before = seconds


def _doing(process: int) -> tuple[bool, float]:
    """Whether a process has work to do, though a busy machine or its disk may not let it, and its processor time, s."""
    try:
        with open(f"/proc/{process}/stat", encoding="utf-8", errors="replace") as file:
            words = file.read().rpartition(")")[2].split()
        return words[0] in "RD", (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")
    except (OSError, IndexError, ValueError):
        return False, 0.0
