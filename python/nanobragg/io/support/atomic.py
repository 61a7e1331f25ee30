"""Reading and writing whole files or none (``specs/formats.md``), with errors of one sentence.

Every run comes here: no pathlib, which is slow to import.
"""

from __future__ import annotations

import contextlib
import io
import os
import stat
from collections.abc import Iterator

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
def atomic_write(path: str | os.PathLike[str]) -> Iterator[io.BufferedWriter[io.FileIO]]:
    """Open ``path`` for writing bytes; the file appears, or changes, only when the block ends without an error.

    Until then the bytes have no name, where the file system can do that, so that nothing is left of a process that is
    killed; else a temporary one in the same folder. A link keeps pointing to the same file; a device or pipe such as
    ``/dev/null`` is written directly. What is below the buffer (``raw``) can be read, too, but for those.

    Raises :class:`InputError` when the file cannot be written.
    """
    with _errors_told(path):
        target, mode = _target(path)
        if mode is not None and stat.S_ISDIR(mode):
            raise IsADirectoryError(0, "it is a folder")
        if mode is not None and not stat.S_ISREG(mode):
            with io.BufferedWriter(io.FileIO(target, "w")) as device:
                yield device
            return
        with _whole_at_the_end(target, mode) as file:
            yield file


@contextlib.contextmanager
def _errors_told(path: str | os.PathLike[str]) -> Iterator[None]:
    _check_name(path)
    try:
        yield
    except OSError as error:
        raise InputError(f"{os.fspath(path)}: cannot be written ({_reason(error)})") from error


def _target(path: str | os.PathLike[str]) -> tuple[str, int | None]:
    """The file that a path, or a link there, stands for, and its type and permissions; ``None`` for a new one."""
    target = os.path.realpath(path)
    mode = os.stat(target).st_mode if os.path.exists(target) else None
    if mode is not None and stat.S_ISREG(mode) and not os.access(target, os.W_OK):
        raise PermissionError(0, "it is not writable")
    return target, mode


@contextlib.contextmanager
def _whole_at_the_end(target: str, mode: int | None) -> Iterator[io.BufferedWriter[io.FileIO]]:
    """A file without a name, which gets one when the block ends."""
    nameless = _nameless(os.path.dirname(target))
    if nameless is None:
        with _renamed_at_the_end(target, mode) as file:
            yield file
        return
    with nameless as file:
        descriptor = file.fileno()
        yield file
        file.flush()
        if mode is not None:
            os.fchmod(descriptor, stat.S_IMODE(mode))
        try:
            _name(descriptor, target)
        except FileExistsError:
            # No call replaces a file by one without a name. Between these two the new one has two names.
            temporary = _temporary(target)
            with _removed_after_errors(temporary):
                _name(descriptor, temporary)
                os.replace(temporary, target)
        except OSError:
            # Some systems of permissions forbid links: then the bytes are copied.
            with open(_DESCRIPTOR % descriptor, "rb") as written, _renamed_at_the_end(target, mode) as copy:
                while block := written.read(1 << 24):
                    copy.write(block)


_DESCRIPTOR = "/proc/self/fd/%d"


def _nameless(folder: str) -> io.BufferedWriter[io.FileIO] | None:
    """A new file without a name; ``None`` where the system or the file system knows no such thing."""
    if not hasattr(os, "O_TMPFILE") or not os.path.exists(_DESCRIPTOR[:-3]):
        return None
    try:
        descriptor = os.open(folder, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o666)
    except OSError:
        return None  # whoever tries again with a name learns the reason
    return io.BufferedWriter(io.FileIO(descriptor, "r+"))


def _name(descriptor: int, name: str) -> None:
    # With a descriptor of a folder, which absolute paths leave unused, Python calls linkat, which follows the link.
    os.link(_DESCRIPTOR % descriptor, name, src_dir_fd=descriptor)


@contextlib.contextmanager
def _renamed_at_the_end(target: str, mode: int | None) -> Iterator[io.BufferedWriter[io.FileIO]]:
    # Not tempfile: its files are private, and ours should get the permissions that open() would have given.
    temporary = _temporary(target)
    with _removed_after_errors(temporary):
        with io.BufferedWriter(io.FileIO(temporary, "x+")) as file:
            yield file
        if mode is not None:
            os.chmod(temporary, stat.S_IMODE(mode))
        os.replace(temporary, target)


def _temporary(target: str) -> str:
    folder, name = os.path.split(target)
    return os.path.join(folder, f".{name[:200]}.{os.getpid()}.{os.urandom(4).hex()}.tmp")


@contextlib.contextmanager
def _removed_after_errors(temporary: str) -> Iterator[None]:
    try:
        yield
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
