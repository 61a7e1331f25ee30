"""The ``nanobragg`` command. Its version is told before anything is imported; all else is in :mod:`.program`."""

from __future__ import annotations

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
    from nanobragg.program import run_program

    return run_program(words)
