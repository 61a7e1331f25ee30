"""Completion of the command line in shells: scripts made from the table of options (``specs/cli.md``).

The scripts are whole in themselves: no Python starts when Tab is pressed.
"""

from __future__ import annotations

from nanobragg.errors import InputError

SHELLS = ("bash", "zsh", "fish")


def completion_script(shell: str) -> str:
    """The script that completes the options of ``nanobragg``, ``nb-compare`` and ``nb-trace-diff``.

    Raises :class:`InputError` for a shell other than bash, zsh and fish.
    """
    if shell not in SHELLS:
        raise InputError(f"-completion: found {shell!r}, expected {', '.join(SHELLS[:-1])} or {SHELLS[-1]}")
    from importlib import import_module

    from nanobragg.completion.table import commands

    script: str = import_module(f"nanobragg.completion.{shell}").script(commands())
    return script
