"""One pass over the words of a command line, as nanoBragg.c and its companions make it (``specs/cli.md``).

Words are scanned left to right: every option whose key occurs in a word that starts with ``-`` is carried out, values
are not skipped, and the last occurrence wins.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import Any

from nanobragg.inputs.option import Option, Said
from nanobragg.inputs.parse_quirks import ParseQuirks
from nanobragg.maths.c_numbers import is_number


class Scanner:
    """One pass over the words.

    Args:
        words: the command line.
        table: the options, in the order in which they are looked for in a word.
        draft: what the options act on.
        quirks: those that are kept.

    """

    likeness = 0.5
    """How like an unknown option must be to a known one that is named in its place; short tables need more."""

    def __init__(self, words: Sequence[str], table: Sequence[Option], draft: Any, quirks: ParseQuirks) -> None:
        self.words, self.table, self.draft, self.quirks = list(words), table, draft, quirks
        self._covered = -1
        """Position of the last word that is a value of an option."""
        self._unknown = False
        """The words up to the next option may belong to an unknown one."""

    def scan(self, skipped: Container[int] = (), *, skip_values: bool = False) -> None:
        """Carry out the words that are not ``skipped``, in order; ``skip_values``: nor those that are values."""
        for at, word in enumerate(self.words):
            if skip_values and self.is_value(at):
                continue
            if at in skipped or self.takes_whole(at):
                self._unknown = False
            elif not word.startswith("-"):
                self._stray(at)
            elif self._options_in(at):
                self._unknown = False
            elif not self.is_value(at):
                self._no_option(at)

    def is_value(self, at: int) -> bool:
        """Whether the word at ``at`` is a value of an option before it."""
        return at <= self._covered

    def said(self, option: Option, at: int) -> Said:
        """An option as the word at ``at`` says it."""
        return Said(option, self.words, at, self.draft, self.quirks)

    def takes_whole(self, at: int) -> bool:
        """Whether the word at ``at`` is used up before options are looked for in it."""
        return False

    def passes_over(self, said: Said) -> bool:
        """Whether an option is known and yet not carried out."""
        return False

    def known(self) -> Sequence[Option]:
        """The options that somebody who misspelt one may have meant."""
        return self.table

    def _options_in(self, at: int) -> bool:
        """Carry out every option that the word contains; whether there is any."""
        word, known = self.words[at], False
        for option in self.table:
            if option.matches(word) is None:
                continue
            known = True
            said = self.said(option, at)
            if self.passes_over(said):
                continue
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
        if not self.is_value(at) and not self._unknown:
            self.draft.warn(f"the word {self.words[at]!r} belongs to no option and is ignored")

    def _no_option(self, at: int) -> None:
        word = self.words[at]
        if is_number(word):
            self._stray(at)
            return
        import difflib

        names = {name.lower(): name for name in reversed(names_of(self.known()))}  # among equals the first
        near = difflib.get_close_matches(word.lower(), names, 1, self.likeness)
        hint = f"; did you mean {names[near[0]]}?" if near else ""
        self.draft.warn(f"unknown option {word} is ignored{hint}")
        self._unknown = True


def names_of(options: Sequence[Option]) -> list[str]:
    """Every name that one may write."""
    return list(dict.fromkeys(name for row in options for name in (*row.names, *row.keys, *row.whole)))
