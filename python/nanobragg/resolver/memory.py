"""What was read, kept while it may be asked for again: many scenes of one experiment name the same files."""

from __future__ import annotations

import os
import stat
from _thread import allocate_lock  # the module threading takes half a millisecond to import
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar

from nanobragg.errors import InputError

LIMIT = 1 << 30
"""bytes of all that is kept; what is larger than this alone is not kept"""

Value = TypeVar("Value")


class Memory:
    """Values by key, the least recently used ones forgotten beyond a number of bytes.

    Any number of threads may ask; a value that several ask for at once is made by one of them, and the others wait.
    """

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._begin()
        if hasattr(os, "register_at_fork"):
            # Another thread of the parent may hold the locks for ever.
            os.register_at_fork(after_in_child=self._begin)

    def _begin(self) -> None:
        self._lock = allocate_lock()
        self._slots: OrderedDict[Hashable, _Slot] = OrderedDict()
        self._used = 0

    def forget(self) -> None:
        """Let go of everything."""
        with self._lock:
            self._slots.clear()
            self._used = 0

    def get(self, key: Hashable, make: Callable[[], Value], extra: int = 0) -> Value:
        """The value of ``key``, from ``make`` where it is not at hand.

        Arrays in it can no longer be written to: everyone gets the same ones.

        Args:
            key: says all that the value depends on.
            make: makes it; what it raises is raised here, and nothing is kept.
            extra: bytes that the value takes besides its arrays.

        """
        with self._lock:
            slot = self._slots.setdefault(key, _Slot())
            self._slots.move_to_end(key)
        with slot.lock:
            if not slot.made:
                try:
                    slot.value = make()
                except BaseException:
                    self.drop(key)
                    raise
                slot.made, slot.size = True, extra + _lock_arrays(slot.value)
                self._admit(key, slot)
            return slot.value

    def drop(self, key: Hashable) -> None:
        """Let go of one value."""
        with self._lock:
            slot = self._slots.pop(key, None)
            if slot is not None and slot.counted:
                self._used -= slot.size

    def _admit(self, key: Hashable, slot: _Slot) -> None:
        with self._lock:
            if self._slots.get(key) is not slot:
                return
            if slot.size > self._limit:
                del self._slots[key]
                return
            slot.counted = True
            self._used += slot.size
            for old in list(self._slots):
                if self._used <= self._limit:
                    return
                if self._slots[old].counted:
                    self._used -= self._slots.pop(old).size


class _Slot:
    """A value, or the place where one of several threads is about to put it."""

    def __init__(self) -> None:
        self.lock = allocate_lock()
        self.made = False
        self.counted = False
        self.value: Any = None
        self.size = 0


def _lock_arrays(value: Any) -> int:
    """Make the arrays of a record read-only, and give their bytes."""
    if hasattr(value, "setflags"):
        value.setflags(write=False)
        return value.nbytes
    if isinstance(value, tuple):
        return sum(map(_lock_arrays, value))
    return sum(_lock_arrays(getattr(value, f.name)) for f in fields(value)) if is_dataclass(value) else 0


FILES = Memory()
"""The files of this process: whatever :mod:`nanobragg.resolver.files` reads, and the grids made of it."""


def once(read: Callable[..., Value], path: str | os.PathLike[str], *arguments: Any) -> Value:
    """What ``read`` makes of a file, at hand if the file has not changed since."""
    name = os.fspath(path)
    identity = identity_of(name)
    if identity is None:
        return read(name, *arguments)
    key = (read, identity, arguments)
    try:
        value = FILES.get(key, lambda: read(name, *arguments), extra=identity[-1])
    except MemoryError as error:
        raise InputError(f"{name}: found more than fits into memory, expected a smaller file") from error
    if identity_of(name) != identity:
        FILES.drop(key)
    return value


def identity_of(name: str) -> tuple[str, int, int, int, int] | None:
    """What tells a regular file from others, and from what it was before; ``None`` for all else."""
    try:
        found = os.stat(name)
    except (OSError, ValueError):
        return None
    if not stat.S_ISREG(found.st_mode):
        return None
    return (name, found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size)
