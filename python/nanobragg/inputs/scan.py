"""Options of ours in a command line, and one pass over the others (``specs/cli.md``).

Options of ours are whole words whose values are skipped; the others are those of nanoBragg.c.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from nanobragg.errors import InputError
from nanobragg.inputs.draft import Draft
from nanobragg.inputs.option import Option, too_few
from nanobragg.inputs.options import ALL_OPTIONS, OPTIONS, OWN
from nanobragg.inputs.parse_quirks import ParseQuirks
from nanobragg.inputs.scanner import Scanner
from nanobragg.records.run import Run


class Words(NamedTuple):
    """A command line, and the options of ours in it."""

    words: list[str]
    own: list[tuple[Option, int]]
    """Options of ours that act on the run, and where they are."""
    skipped: set[int]
    """Where options of ours and their values are."""
    asked: dict[str, Any]
    """What the others ask for, by field of a request."""
    wrong: InputError | None
    """What is wrong with the first one that has too few words after it."""


def tell_apart(words: Sequence[str], ours: Mapping[str, Option] = OWN) -> Words:
    """Find the options of ours, by word, which are skipped when the others are looked for."""
    own: list[tuple[Option, int]] = []
    skipped: set[int] = set()
    asked: dict[str, Any] = {}
    wrong, free = None, 0
    for at, word in enumerate(words):
        option = ours.get(word)
        if option is None:
            continue
        if option.asks and not option.values:
            asked[option.asks] = True  # wherever it stands
        if at < free:
            continue
        free = at + 1 + len(option.values)
        skipped.update(range(at, free))
        if free > len(words):
            wrong = too_few(word, option)
        elif not option.asks:
            own.append((option, at))
        elif option.values:
            asked[option.asks] = words[at + 1]
    return Words(list(words), own, skipped, asked, wrong)


class Scan(Scanner):
    """One pass over the words, with some quirks kept, on top of what a file says."""

    def __init__(self, found: Words, base: Run | None, kept: frozenset[str]) -> None:
        quirks = ParseQuirks(kept)
        super().__init__(found.words, OPTIONS, Draft(base, quirks), quirks)
        self.found = found

    def run(self) -> Run:
        """The run that the words describe."""
        skipped = set(self.found.skipped)
        for option, at in self.found.own:
            values = option.action(self.said(option, at)) or 0  # more, where some need not be there
            skipped.update(range(at, at + 1 + values))
        self.scan(skipped)
        return self.draft.run()

    def known(self) -> Sequence[Option]:
        """Those of ours, too."""
        return ALL_OPTIONS
