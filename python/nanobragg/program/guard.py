"""What surrounds the work of the ``nanobragg`` command: streams, mistakes in one sentence, exit statuses."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable
from typing import TextIO

from nanobragg.errors import InputError

FATAL = 9
"""Exit status of every mistake, as of the original's fatal errors."""
INTERRUPTED = 128 + 2
"""Exit status after SIGINT. (The module signal would cost a millisecond to import.)"""
PIPE_CLOSED = 128 + 13
"""What a shell reports of a program that SIGPIPE ended."""


def guarded(work: Callable[[], int]) -> int:
    """Do the work of a command and give its exit status: its own, or that of what went wrong, which is told."""
    # NumPy's linear algebra, which is not used, would start a thread for each processor.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    _have_streams()
    for stream in (sys.stdout, sys.stderr):
        _never_fail_on_characters(stream)
    try:
        status = _status(work)
        sys.stdout.flush()
    except KeyboardInterrupt:
        _say("interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        _close_pipe()
        return PIPE_CLOSED
    return status


def _status(work: Callable[[], int]) -> int:
    """The exit status, with every error made one sentence."""
    try:
        return work()
    except InputError as error:
        # A pipe that closed while a file was written through it is no mistake in the input.
        if isinstance(error.__cause__, BrokenPipeError):
            raise BrokenPipeError from error
        return _fail(str(error))
    except BrokenPipeError:
        raise
    except MemoryError as error:
        detail = f" ({error})" if str(error) else ""
        return _fail(f"out of memory{detail}: expected fewer pixels, structure factors or steps")
    except OSError as error:
        name = "" if error.filename is None else f"{error.filename}: "
        return _fail(f"{name}{error.strerror or error}")


def _fail(sentence: str) -> int:
    sys.stdout.flush()
    _say(sentence)
    return FATAL


def _say(sentence: str) -> None:
    with contextlib.suppress(BrokenPipeError):
        print(f"nanobragg: {' '.join(sentence.split())}", file=sys.stderr, flush=True)


def _have_streams() -> None:
    """A process whose output or error stream was closed before it began has none."""
    if sys.stdout is None:
        sys.stdout = _nowhere()
    if sys.stderr is None:
        sys.stderr = _nowhere()


def _nowhere() -> TextIO:
    return open(os.devnull, "w", encoding="utf-8")


def _never_fail_on_characters(stream: TextIO) -> None:
    """File names may hold bytes, and help units, that the terminal's encoding does not know."""
    reconfigure = getattr(stream, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="backslashreplace")


def _close_pipe() -> None:
    """Whoever read our output is gone: let the interpreter's last flush go nowhere."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
