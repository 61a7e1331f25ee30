"""Command lines of the original's companions (``specs/nonbragg.md``, ``specs/noisify.md``): what both have in common.

Their words are scanned as those of nanoBragg.c. Options of ours are taken out beforehand.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from nanobragg.errors import InputError
from nanobragg.inputs.help import options_text
from nanobragg.inputs.option import Option, Said, too_few
from nanobragg.inputs.option_row import option
from nanobragg.inputs.options import OWN
from nanobragg.inputs.parse_quirks import ParseQuirks
from nanobragg.inputs.scan import tell_apart
from nanobragg.inputs.scanner import Scanner
from nanobragg.records.quirks import parse_quirks

_RUNNING = "Running"
OWN_OPTIONS = (
    OWN["-quirks"]._replace(help="deviations from physics to keep (all); all,-name takes one away"),
    option("-threads=", _RUNNING, "threads, 0 for all processors (0)", values="i", asks="threads"),
)
_OWN = {word: row for row in OWN_OPTIONS for word in row.whole}


def check_seed(name: str, seed: int | None) -> None:
    """Raise :class:`InputError` for a seed that the exact generator has no stream for."""
    if seed is not None and abs(seed) > 2**31 - 1:
        raise InputError(f"{name}: found {seed}, expected a whole number from -2147483647 to 2147483647")


class Own(NamedTuple):
    """What our own options say, and the words without them."""

    words: list[str]
    quirks: frozenset[str]
    threads: int


def own_options(words: Sequence[str], quirks: dict[str, str]) -> Own:
    """Take our own options out of ``words``. Raises :class:`InputError` for wrong or missing values."""
    found = tell_apart(words, _OWN)
    if found.wrong is not None:
        raise found.wrong
    threads = found.asked.get("threads", "0")
    if not (threads.isascii() and threads.isdigit() and int(threads) < 10**6):
        raise InputError(f"-threads: found {threads!r}, expected a whole number, 0 for all processors")
    left = [word for at, word in enumerate(found.words) if at not in found.skipped]
    return Own(left, parse_quirks(found.asked.get("quirks", "all"), quirks), int(threads))


class Fields:
    """A companion's run in the making.

    Args:
        defaults: what the words say replaces them.
        lenient: a word that is no number is 0, as for the originals, with a warning; otherwise it is a mistake.

    """

    def __init__(self, defaults: Mapping[str, Any], *, lenient: bool) -> None:
        self.values, self.lenient = dict(defaults), lenient
        self.warnings: list[str] = []

    def set(self, name: str, value: object) -> None:
        """Set one field."""
        self.values[name] = value

    def imply_pivot(self, pivot: str) -> None:
        """What the detector turns about, unless a later option says something else."""
        self.values["pivot_as_left"] = pivot

    def warn(self, sentence: str) -> None:
        """Add a warning."""
        self.warnings.append(sentence)

    def unreadable(self, said: Said, value: str, instead: str) -> None:
        """A word that is not what its option takes: an error, or a warning of what is done ``instead``."""
        if not self.lenient:
            raise said.wrong(value)
        self.warn(f"{said.word}: found {value!r}, {instead}; expected {said.option.expected}")


class CompanionScan(Scanner):
    """One pass over a companion's words."""

    draft: Fields
    likeness = 0.6

    def __init__(
        self, words: Sequence[str], table: Sequence[Option], defaults: Mapping[str, Any], kept: frozenset[str], via: str
    ) -> None:
        """``via``: the quirk by which the companion overlooks mistakes."""
        super().__init__(words, table, Fields(defaults, lenient=via in kept), ParseQuirks(kept))
        self._via = via

    @property
    def touched(self) -> frozenset[str]:
        """The quirks that decided something."""
        return frozenset(self.quirks.asked & self.quirks.kept)

    def passes_over(self, said: Said) -> bool:
        """An option with too few words after it, which the originals ignore."""
        count = len(said.option.values)
        if not count or said.at + count < len(said.words):
            return False
        if not self.draft.lenient or said.option.names[0] == "-psf":
            raise too_few(said.word, said.option)
        self.quirks.on(self._via)
        self.draft.warn(f"{said.word}: found too few words after it, ignored; expected {said.option.expected}")
        return True


def help_of(usage: str, table: Sequence[Option], groups: Sequence[str], quirks: Mapping[str, str]) -> str:
    """The options, a paragraph for each group, and the quirks."""
    named = "\n".join(("Quirks:", *(f"  {name:<28} {text}" for name, text in quirks.items())))
    return f"{usage}{options_text((*table, *OWN_OPTIONS), (*groups, _RUNNING))}\n{named}\n"
