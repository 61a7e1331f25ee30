"""``nanobragg nonbragg``, ``noisify`` and ``add``: the programs beside ``nanobragg`` itself."""

from __future__ import annotations

from collections.abc import Sequence


def run_companion(words: Sequence[str]) -> int:
    """Carry out a command line that begins with nonbragg, noisify or add, and give the exit status.

    Raises :class:`InputError` for wrong words, and files that cannot be read or written.
    """
    if words[0] == "noisify":
        from nanobragg.program.noisify import noisify

        return noisify(words[1:])
    if words[0] == "add":
        from nanobragg.program.add import add

        return add(words[1:])
    from nanobragg.program.nonbragg import nonbragg

    return nonbragg(words[1:])
