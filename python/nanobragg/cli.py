"""The ``nanobragg`` command: words in, an exit status out. What they ask for is done in :mod:`nanobragg.program`."""

from __future__ import annotations

import gc
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program with ``argv`` (default: the process's arguments) and give its exit status."""
    words = list(sys.argv[1:] if argv is None else argv)
    if words == ["--version"]:  # installers ask often, and nothing else need be imported
        return _version()
    from nanobragg.program.guard import guarded

    return guarded(lambda: _carry_out(words))


def _carry_out(words: list[str]) -> int:
    if words[:1] in (["nonbragg"], ["noisify"], ["add"], ["profile"]):
        from nanobragg.program.companion import run_companion

        return run_companion(words)
    if words[:1] == ["ensemble"]:
        from nanobragg.ensemble.command import ensemble

        return ensemble(words[1:])
    if words[:1] == ["refine"]:
        from nanobragg.refinement.command import refine_command

        return refine_command(words[1:])
    from nanobragg.inputs.words import request_of

    request = request_of(words)
    if request.tell == "version":
        return _version()
    if request.completion is not None:
        from nanobragg.completion.scripts import completion_script

        print(completion_script(request.completion), end="")
        return 0
    from nanobragg.program.program import carry_out

    return carry_out(request)


def _version() -> int:
    from nanobragg import _core

    print(f"nanobragg {_core.__version__}")
    return 0


def _end_in_order() -> None:
    """Let SIGTERM and SIGHUP (the limits of a batch system) end the run as Ctrl-C does: no half-written file stays."""
    import _signal  # type: ignore[import-not-found] # the module signal would cost a millisecond

    def end(number: int, frame: FrameType | None) -> None:
        if frame is not None and frame.f_code.co_filename.startswith("<frozen importlib"):
            # Python ignores what is raised in some callbacks of an import: it is asked again in a moment.
            _signal.signal(_signal.SIGALRM, lambda _, now: end(number, now))
            _signal.setitimer(_signal.ITIMER_REAL, 0.001)
            return
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
