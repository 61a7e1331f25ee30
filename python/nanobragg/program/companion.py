"""``nanobragg nonbragg``, ``noisify``, ``add`` and ``profile``: the programs beside ``nanobragg`` itself."""

from __future__ import annotations

from collections.abc import Sequence


def run_companion(words: Sequence[str]) -> int:
    """Carry out a command line that begins with the name of one of them, and give the exit status.

    Raises :class:`InputError` for wrong words, and files that cannot be read or written.
    """
    if words[0] == "noisify":
        from nanobragg.program.noisify import noisify

        return noisify(words[1:])
    if words[0] == "add":
        from nanobragg.program.add import add

        return add(words[1:])
    if words[0] == "profile":
        from nanobragg.program.profile import profile

        return profile(words[1:])
    from nanobragg.program.nonbragg import nonbragg

    return nonbragg(words[1:])
