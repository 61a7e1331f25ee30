"""Reading and writing whole files or none (``specs/formats.md``), with errors of one sentence.

Every run comes here: no pathlib, which is slow to import.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from typing import BinaryIO

from nanobragg.errors import InputError


def read_bytes(path: str | os.PathLike[str], limit: int = -1) -> bytes:
    """The file's content, or its first ``limit`` bytes. Raises :class:`InputError` when it cannot be read."""
    _check_name(path)
    try:
        with open(path, "rb") as file:
            return file.read(limit)
    except OSError as error:
        raise InputError(f"{os.fspath(path)}: cannot be read ({_reason(error)})") from error


@contextlib.contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open ``path`` for writing bytes; the file appears, or changes, only when the block ends without an error.

    The bytes go to a temporary name in the same folder, which is renamed at the end. A link keeps pointing to the
    same file; a device or pipe such as ``/dev/null`` is written directly.

    Raises :class:`InputError` when the file cannot be written.
    """
    _check_name(path)
    try:
        target = os.path.realpath(path)
        mode = os.stat(target).st_mode if os.path.exists(target) else None
        if mode is not None and stat.S_ISDIR(mode):
            raise IsADirectoryError(0, "it is a folder")
        if mode is not None and not stat.S_ISREG(mode):
            with open(target, "wb") as device:
                yield device
            return
        if mode is not None and not os.access(target, os.W_OK):
            raise PermissionError(0, "it is not writable")
        with _renamed_at_the_end(target, mode) as file:
            yield file
    except OSError as error:
        raise InputError(f"{os.fspath(path)}: cannot be written ({_reason(error)})") from error


@contextlib.contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[str]:
    """As :func:`atomic_write`, for writers that want a name: a temporary one, renamed when the block ends.

    Raises :class:`InputError` when the file cannot be written, or is no regular file.
    """
    _check_name(path)
    try:
        target = os.path.realpath(path)
        mode = os.stat(target).st_mode if os.path.exists(target) else None
        if mode is not None and not stat.S_ISREG(mode):
            raise IsADirectoryError(0, "it is not a regular file")
        if mode is not None and not os.access(target, os.W_OK):
            raise PermissionError(0, "it is not writable")
        with _renamed_at_the_end(target, mode) as file:
            yield file.name
    except OSError as error:
        raise InputError(f"{os.fspath(path)}: cannot be written ({_reason(error)})") from error


@contextlib.contextmanager
def _renamed_at_the_end(target: str, mode: int | None) -> Iterator[BinaryIO]:
    # Not tempfile: its files are private, and ours should get the permissions that open() would have given.
    folder, name = os.path.split(target)
    temporary = os.path.join(folder, f".{name[:200]}.{os.getpid()}.{os.urandom(4).hex()}.tmp")
    try:
        with open(temporary, "xb") as file:
            yield file
        if mode is not None:
            os.chmod(temporary, stat.S_IMODE(mode))
        os.replace(temporary, target)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise


def _check_name(path: str | os.PathLike[str]) -> None:
    name = os.fspath(path)
    if not name or "\0" in name:
        raise InputError(f"file name: found {name!r}, expected the name of a file")


def _reason(error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return "no such file or folder"
    text = error.strerror or str(error) or type(error).__name__
    return text[0].lower() + text[1:]
