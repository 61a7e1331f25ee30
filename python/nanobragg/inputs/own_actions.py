"""What options of ours do to a run. Their values must be right to the last character (``specs/cli.md``)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from nanobragg.errors import InputError
from nanobragg.maths.c_numbers import leading_real
from nanobragg.records.around import material_of_words
from nanobragg.records.kinds import NOT_NEGATIVE, POSITIVE, Mismatch

if TYPE_CHECKING:
    from nanobragg.inputs.option import Said


def set_value(said: Said) -> int:
    """Set the option's field to the words that follow, which must be of its kind: those that must be there, and as many
    of those that may as are such words.
    """
    row = said.option.row
    assert row is not None, "only options of one field have this action"
    words = said.following(len(said.option.values))
    try:
        read = [_read(word, letter) for word, letter in zip(words, said.option.values, strict=True)]
        read += _possible(said)
        value = row.kind.read(read[0] if len(read) == 1 else read)
    except Mismatch as mismatch:
        raise row.kind.refusal(mismatch, " ".join(words), said.word, row.unit) from None
    said.draft.set(said.option.sets[0], value)
    return len(read)


def _possible(said: Said) -> Iterator[float | int | str]:
    """What the words that may follow those that must are, up to the first that is none of them."""
    option = said.option
    words = said.following(len(option.values) + len(option.more))[len(option.values) :]
    for word, letter in zip(words, option.more, strict=False):
        try:
            value = _read(word, letter)
        except Mismatch:
            return
        yield value


def add_material(said: Said) -> int:
    """``-around``: a name or a file, and a thickness; one more material."""
    name, word = said.following(2)
    try:
        material = material_of_words(str(_read(name, "t")), NOT_NEGATIVE.read(_read(word, "r")))
    except Mismatch:
        raise InputError(
            f"{said.word}: found {name!r} and {word!r}, expected a name or a file, and a thickness (mm)"
        ) from None
    said.draft.append(said.option.sets[0], material)
    return 2


def set_density(said: Said) -> int:
    """``-around_density``: of the material before."""
    return _of_material(said, "density")


def set_molecular_weight(said: Said) -> int:
    """``-around_MW``: of the material before."""
    return _of_material(said, "molecular_weight")


def _of_material(said: Said, name: str) -> int:
    (word,) = said.following(1)
    try:
        value = POSITIVE.read(_read(word, "r"))
    except Mismatch:
        raise POSITIVE.refusal(Mismatch(), word, said.word, said.option.arguments) from None
    if not said.draft.replace_last(said.option.sets[0], **{name: value}):
        raise InputError(f"{said.word}: found {word} before any material, expected -around before it")
    return 1


def _read(word: str, letter: str) -> float | int | str:
    """The number or text that the whole word is."""
    if letter == "i":
        if not (word.isascii() and word.isdigit() and len(word) < 10):
            raise Mismatch(repr(word))
        return int(word)
    if letter == "r":
        read = leading_real(word)
        if read is None or read[1]:
            raise Mismatch(repr(word))
        return read[0]
    if not word or "\0" in word:
        raise Mismatch(repr(word))
    return word
