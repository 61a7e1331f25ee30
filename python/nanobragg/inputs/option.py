"""An option of the command line: a row of the table, and the row as one command line says it (``specs/cli.md``)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from nanobragg.errors import InputError
from nanobragg.maths.c_numbers import integer_overflows, leading_integer, leading_real

if TYPE_CHECKING:
    from nanobragg.inputs.parse_quirks import ParseQuirks
    from nanobragg.records.fields import Row

_LETTERS = {"r": "a number", "i": "a whole number", "t": "a word"}
_IN_WORDS = {"µm": "a number (µm)", "x y z": "three numbers (x y z)"}
_HOW_MANY = {2: "two", 3: "three", 4: "four"}


class Option(NamedTuple):
    """One option of nanoBragg.c or of one of its companions, or one of ours."""

    keys: tuple[str, ...]
    """Recognised wherever they occur in a word that starts with ``-``."""
    whole: tuple[str, ...]
    """Recognised as whole words."""
    names: tuple[str, ...]
    """What people write, the plain name first."""
    values: str
    """One letter for each word that must follow: r (real), i (integer), t (text)."""
    more: str
    """One letter for each word that may follow after them."""
    action: Action
    """What it does to the run."""
    sets: tuple[str, ...]
    """Fields of a :class:`~nanobragg.Run` that it gives a value: field, section.field, or section.field.index."""
    asks: str
    """The field of a :class:`~nanobragg.inputs.request.Request` that it sets; it does nothing to the run."""
    to: bool | str | None
    """What an option without values sets them to."""
    row: Row | None
    """That of the field whose value it gives."""
    pivot: str | None
    """The pivot that the option implies."""
    convention: str | None
    """The convention that the option selects."""
    ends_scan: bool
    """No further key is looked for in the word."""
    group: str
    arguments: str
    """Names of the values, for help."""
    help: str

    def matches(self, word: str) -> str | None:
        """The key that ``word`` contains or is, or ``None``."""
        if word in self.whole:
            return word
        return next((key for key in self.keys if key in word), None)

    @property
    def choices(self) -> tuple[str, ...]:
        """The words that its value may be."""
        if self.row is not None:
            return self.row.kind.words
        alternatives = self.arguments.split(" | ")
        return tuple(word for word in alternatives if len(alternatives) > 1 and word.isascii() and word.isalpha())

    @property
    def expected(self) -> str:
        """Its values in a sentence about those that were found."""
        if len(self.values) > 1:
            numbers = "whole numbers" if self.values[0] == "i" else "numbers"
            return f"{_HOW_MANY[len(self.values)]} {numbers} ({self.arguments})"
        if "|" in self.arguments:
            alternatives = [_IN_WORDS.get(each, each) for each in self.arguments.split(" | ")]
            return ", ".join(alternatives[:-1]) + " or " + alternatives[-1]
        if self.arguments == "file":
            return "the name of a file"
        one = _LETTERS[self.values or "r"]
        return one if self.arguments in ("n", "x", "F", "K", "") else f"{one} ({self.arguments})"


class Said:
    """An option as it is said: the word that it was found in, those that follow, and the run that it acts on."""

    __slots__ = ("at", "draft", "ends_word", "option", "quirks", "words")

    draft: Any
    """What it acts on: a :class:`~nanobragg.inputs.draft.Draft`, or a companion's
    :class:`~nanobragg.inputs.companion_words.Fields`.
    """

    def __init__(self, option: Option, words: list[str], at: int, draft: Any, quirks: ParseQuirks) -> None:
        self.option, self.words, self.at, self.draft, self.quirks = option, words, at, draft, quirks
        self.ends_word = option.ends_scan
        """No further option is looked for in the word."""

    @property
    def word(self) -> str:
        """The word that the option was found in."""
        return self.words[self.at]

    def following(self, count: int) -> list[str]:
        """Up to ``count`` words after it."""
        return self.words[self.at + 1 : self.at + 1 + count]

    def need(self, count: int) -> None:
        """Raise :class:`InputError` where fewer words follow."""
        if self.at + count >= len(self.words):
            raise too_few(self.word, self.option)

    def wrong(self, value: str) -> InputError:
        """The error that names what was found and what was expected."""
        return InputError(f"{self.word}: found {value!r}, expected {self.option.expected}")

    def real(self, offset: int = 1) -> float:
        """The number that a following word begins with; what comes after it is a warning."""
        value = self.words[self.at + offset]
        read = leading_real(value)
        if read is None:
            self.draft.unreadable(self, value, "used as 0")
            return 0.0
        if not math.isfinite(read[0]):
            raise InputError(f"{self.word}: found {value!r}, expected a finite number")
        if read[1].strip():
            self.draft.warn(f"{self.word}: found {value!r}, used as {read[0]:g}")
        return read[0]

    def integer(self, offset: int = 1) -> int:
        """The whole number that a following word begins with, as C's ``atoi`` has it."""
        value = self.words[self.at + offset]
        read = leading_integer(value)
        if read is None:
            self.draft.unreadable(self, value, "used as 0")
            return 0
        if read[1].strip() or integer_overflows(value):
            self.draft.warn(f"{self.word}: found {value!r}, used as {read[0]}")
        return read[0]

    def value(self, offset: int = 1) -> float | int | str:
        """A following word, as the option's row reads it."""
        letter = self.option.values[offset - 1]
        if letter == "r":
            return self.real(offset)
        return self.integer(offset) if letter == "i" else self.words[self.at + offset]


Action = Callable[[Said], "int | None"]
"""Gives the number of the following words that are its values; ``None`` if the option does not hold here."""


def too_few(word: str, option: Option) -> InputError:
    """The error of an option with too few words after it."""
    return InputError(f"{word}: found too few words after it, expected {option.expected}")
