"""The ``nanobragg`` command. Its version is told before anything is imported; all else is in :mod:`.program`."""

from __future__ import annotations

import gc
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_HELP = ("-h", "--help", "-help")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program with ``argv`` (default: the process's arguments) and give its exit status."""
    words = list(sys.argv[1:] if argv is None else argv)
    if "--version" in words and not any(word in _HELP for word in words):
        from nanobragg import _core

        print(f"nanobragg {_core.__version__}")
        return 0
    from nanobragg.program.program import run_program

    return run_program(words)


def _end_in_order() -> None:
    """Let SIGTERM and SIGHUP (the limits of a batch system) end the run as Ctrl-C does: no half-written file stays."""
    import _signal  # type: ignore[import-not-found] # the module signal would cost a millisecond

    def end(number: int, _frame: object) -> None:
        raise SystemExit(128 + number)

    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(_signal, name, None)
        if number is not None and _signal.getsignal(number) == _signal.SIG_DFL:
            _signal.signal(number, end)


def command() -> int:
    """Run :func:`main` as the only work of a process: the console script.

    Imports make many objects and no garbage. Looking for it, also at the end, takes a tenth of a small image's time.
    """
    gc.disable()
    _end_in_order()
    try:
        return main()
    finally:
        gc.freeze()
