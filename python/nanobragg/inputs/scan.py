"""One pass over the words of a command line (``specs/cli.md``).

Words are scanned as nanoBragg.c scans them: left to right, every key that occurs in a word starting with ``-``, values
not skipped, the last occurrence wins. Options of ours are whole words whose values are skipped.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from nanobragg.errors import InputError
from nanobragg.inputs.draft import Draft, ParseQuirks
from nanobragg.inputs.option import Option, Said, too_few
from nanobragg.inputs.options import OPTIONS, all_names, own_option
from nanobragg.maths.c_numbers import is_number
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


def tell_apart(words: list[str]) -> Words:
    """Find the options of ours, which are skipped when the others are looked for."""
    own: list[tuple[Option, int]] = []
    skipped: set[int] = set()
    asked: dict[str, Any] = {}
    wrong, free = None, 0
    for at, word in enumerate(words):
        option = own_option(word)
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
    return Words(words, own, skipped, asked, wrong)


class Scan:
    """One pass over the words, with some quirks kept, on top of what a file says."""

    def __init__(self, found: Words, base: Run | None, kept: frozenset[str]) -> None:
        self.found = found
        self.quirks = ParseQuirks(kept)
        self.draft = Draft(base, self.quirks)
        self._covered = -1
        """Position of the last word that is a value of an option."""
        self._unknown = False
        """The words up to the next option may belong to an unknown one."""

    def run(self) -> Run:
        """The run that the words describe."""
        for option, at in self.found.own:
            option.action(self._said(option, at))
        for at, word in enumerate(self.found.words):
            if at in self.found.skipped:
                self._unknown = False
            elif not word.startswith("-"):
                self._stray(at)
            elif self._options_in(at):
                self._unknown = False
            else:
                self._no_option(at)
        return self.draft.run()

    def _said(self, option: Option, at: int) -> Said:
        return Said(option, self.found.words, at, self.draft, self.quirks)

    def _options_in(self, at: int) -> bool:
        """Carry out every option that the word contains; whether there is any."""
        word, known = self.found.words[at], False
        for option in OPTIONS:
            if option.matches(word) is None:
                continue
            known = True
            said = self._said(option, at)
            values = option.action(said)
            if values is not None:
                self._covered = max(self._covered, at + values)
                self._frame(option)
            if said.ends_word:
                break
        return known

    def _frame(self, option: Option) -> None:
        if option.convention is not None:
            self.draft.select_convention(option.convention, option.pivot)
        elif option.pivot is not None:
            self.draft.imply_pivot(option.pivot)

    def _stray(self, at: int) -> None:
        if at > self._covered and not self._unknown:
            self.draft.warn(f"the word {self.found.words[at]!r} belongs to no option and is ignored")

    def _no_option(self, at: int) -> None:
        word = self.found.words[at]
        if at <= self._covered:
            return
        if is_number(word):
            self._stray(at)
            return
        import difflib

        names = {name.lower(): name for name in reversed(all_names())}  # among equals the first
        near = difflib.get_close_matches(word.lower(), names, 1, 0.5)
        hint = f"; did you mean {names[near[0]]}?" if near else ""
        self.draft.warn(f"unknown option {word} is ignored{hint}")
        self._unknown = True
