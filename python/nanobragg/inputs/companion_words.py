"""Command lines of the original's companions (``specs/nonbragg.md``, ``specs/noisify.md``): tables and their scanner.

Words are scanned as the originals scan them: left to right, every key that occurs in a word, values not skipped, the
last occurrence wins. Options of ours are whole words and are taken out beforehand.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from nanobragg.errors import InputError
from nanobragg.maths.c_numbers import integer_overflows, is_number, leading_integer, leading_real
from nanobragg.records.quirks import parse_quirks

OWN = {"-quirks": "all | none | names", "-threads": "n"}
"""Options of ours, and what follows them."""
_KIND = {"r": "a number", "i": "a whole number", "t": "a word"}
_HOW_MANY = {2: "two", 3: "three", 4: "four"}


class Key(NamedTuple):
    """One option of a companion."""

    keys: tuple[str, ...]
    """Recognised wherever they occur in a word."""
    whole: tuple[str, ...]
    """Recognised as whole words."""
    values: str
    """One letter for each word that must follow: r (real), i (integer), t (text)."""
    sets: tuple[str, ...]
    """Fields that become the value, or the tuple of values."""
    to: Any
    """What an option without values sets them to."""
    pivot: str | None
    """The pivot that it implies."""
    action: str | None
    """Method of the scanner that carries it out instead."""
    group: str
    arguments: str
    help: str

    def matches(self, word: str) -> bool:
        """Whether ``word`` contains or is a key."""
        return word in self.whole or any(key in word for key in self.keys)

    @property
    def name(self) -> str:
        """What people write."""
        return (self.keys or self.whole)[0]


def key(
    match: str,
    group: str,
    help: str,
    *,
    values: str = "",
    sets: str = "",
    to: Any = True,
    pivot: str | None = None,
    action: str | None = None,
    arguments: str = "",
) -> Key:
    """One row. ``match``: keys separated by blanks, those with ``=`` at the end need the whole word."""
    words = match.split()
    return Key(
        keys=tuple(word for word in words if not word.endswith("=")),
        whole=tuple(word[:-1] for word in words if word.endswith("=")),
        values=values,
        sets=tuple(sets.split()),
        to=to,
        pivot=pivot,
        action=action,
        group=group,
        arguments=arguments or {"": "", "t": "file", "i": "n", "r": "x", "rrr": "x y z"}.get(values, ""),
        help=help,
    )


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
    left, chosen, threads = [], "all", 0
    at = 0
    while at < len(words):
        word = words[at]
        if word not in OWN:
            left.append(word)
            at += 1
            continue
        if at + 1 >= len(words):
            raise InputError(f"{word}: found too few words after it, expected {OWN[word]}")
        value = words[at + 1]
        if word == "-quirks":
            chosen = value
        elif value.isascii() and value.isdigit() and int(value) < 10**6:
            threads = int(value)
        else:
            raise InputError(f"-threads: found {value!r}, expected a whole number, 0 for all processors")
        at += 2
    return Own(left, parse_quirks(chosen, quirks), threads)


class Scanner:
    """One pass over the words. Subclasses have a method for every ``action`` of their table.

    Args:
        words: of the command line, without our own options.
        table: the options.
        fields: defaults; what the words say replaces them.
        lenient: an option with too few words after it is ignored and a word that is no number is 0, as for the
            originals, with a warning; otherwise both are mistakes.

    """

    def __init__(self, words: Sequence[str], table: Sequence[Key], fields: dict[str, Any], *, lenient: bool) -> None:
        self.words, self.table, self.fields, self.lenient = list(words), table, fields, lenient
        self.warnings: list[str] = []
        self.touched: set[str] = set()
        """Quirks that decided something."""
        self._covered = -1
        self._unknown = False

    def run(self, *, skip_values: bool = False) -> None:
        """Carry out all words, in order."""
        for at, word in enumerate(self.words):
            if skip_values and at <= self._covered:
                continue
            if self.takes_whole(at):
                self._unknown = False
            elif not word.startswith("-"):
                self._stray(at)
            elif self._options_in(at):
                self._unknown = False
            elif at > self._covered:
                self._not_known(at)

    def takes_whole(self, at: int) -> bool:
        """Whether the word at ``at`` is used up before options are looked for in it."""
        return False

    def _options_in(self, at: int) -> bool:
        known = False
        for option in self.table:
            if option.matches(self.words[at]):
                known = True
                self._carry_out(option, at)
        return known

    def _carry_out(self, option: Key, at: int) -> None:
        count = len(option.values)
        if at + count >= len(self.words) and count:
            self.too_few(option, at)
            return
        if option.action is not None:
            action: Callable[[Key, int], bool] = getattr(self, option.action)
            if not action(option, at):
                return
        else:
            values = [self.value(option, at, offset) for offset in range(1, count + 1)]
            result = option.to if not values else values[0] if count == 1 else tuple(values)
            for name in option.sets:
                self.fields[name] = result
        self._covered = max(self._covered, at + count)
        if option.pivot is not None:
            self.fields["pivot_as_left"] = option.pivot

    def too_few(self, option: Key, at: int) -> None:
        """An option at the end of the line without its words."""
        expected = self.expected(option)
        if not self.lenient:
            raise InputError(f"{self.words[at]}: found too few words after it, expected {expected}")
        self.warnings.append(f"{self.words[at]}: found too few words after it, ignored; expected {expected}")

    def value(self, option: Key, at: int, offset: int = 1) -> Any:
        """The value ``offset`` words behind an option, read as C reads it."""
        kind, text = option.values[offset - 1], self.words[at + offset]
        if kind == "t":
            return text
        read = leading_real(text) if kind == "r" else leading_integer(text)
        if read is None:
            if not self.lenient:
                raise InputError(f"{self.words[at]}: found {text!r}, expected {self.expected(option)}")
            self.warnings.append(f"{self.words[at]}: found {text!r}, used as 0; expected {self.expected(option)}")
            return 0.0 if kind == "r" else 0
        if not math.isfinite(read[0]):
            raise InputError(f"{self.words[at]}: found {text!r}, expected a finite number")
        if read[1].strip() or (kind == "i" and integer_overflows(text)):
            self.warnings.append(f"{self.words[at]}: found {text!r}, used as {read[0]:g}")
        return read[0]

    def expected(self, option: Key) -> str:
        """What should follow an option."""
        if len(option.values) > 1:
            kind = "whole numbers" if option.values[0] == "i" else "numbers"
            return f"{_HOW_MANY[len(option.values)]} {kind} ({option.arguments})"
        if option.arguments == "file":
            return "the name of a file"
        plain = option.arguments in ("n", "x", "")
        return _KIND[option.values] if plain else f"{_KIND[option.values]} ({option.arguments})"

    def _stray(self, at: int) -> None:
        if at > self._covered and not self._unknown:
            self.warnings.append(f"the word {self.words[at]!r} belongs to no option and is ignored")

    def _not_known(self, at: int) -> None:
        word = self.words[at]
        if is_number(word):
            self._stray(at)
            return
        import difflib

        names = {name.lower(): name for option in reversed(self.table) for name in (*option.keys, *option.whole)}
        near = difflib.get_close_matches(word.lower(), names, 1, 0.6)
        hint = f"; did you mean {names[near[0]]}?" if near else ""
        self.warnings.append(f"unknown option {word} is ignored{hint}")
        self._unknown = True


def help_of(table: Sequence[Key], groups: Sequence[str]) -> str:
    """The options, a paragraph for each group."""
    parts = []
    for group in groups:
        lines = [f"{group}:"]
        for option in table:
            if option.group == group and option.help:
                head = f"  {', '.join((*option.keys, *option.whole))} {option.arguments}".rstrip()
                lines.append(f"{head:<40} {option.help}" if len(head) < 40 else f"{head}\n{'':<40} {option.help}")
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


def own_help(quirks: dict[str, str]) -> str:
    """What is said of our own options, and the quirks."""
    lines = [
        "Running:",
        f"  {'-quirks all | none | names':<37} deviations from physics to keep (all); all,-name takes one away",
        f"  {'-threads n':<37} threads, 0 for all processors (0)",
        "",
        "Quirks:",
        *(f"  {name:<28} {text}" for name, text in quirks.items()),
    ]
    return "\n".join(lines) + "\n"
