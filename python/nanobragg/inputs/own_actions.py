"""What options of ours do to a run. Their values must be right to the last character (``specs/cli.md``)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nanobragg.errors import InputError
from nanobragg.maths.c_numbers import leading_real

if TYPE_CHECKING:
    from nanobragg.inputs.option import Said


def set_flag(said: Said) -> int:
    """Set a field to true."""
    said.draft.set(said.option.sets[0], True)
    return 0


def set_text(said: Said) -> int:
    """Set a field to a word that is not empty."""
    (value,) = said.following(1)
    if not value or "\0" in value:
        raise _wrong(said, said.option.arguments)
    said.draft.set(said.option.sets[0], value)
    return 1


def set_choice(said: Said) -> int:
    """Set a field to one of the words that are offered."""
    (value,) = said.following(1)
    if value not in said.option.choices:
        raise _wrong(said, " or ".join(said.option.choices))
    said.draft.set(said.option.sets[0], value)
    return 1


def set_real(said: Said) -> int:
    """Set a field to a finite number of 0 or more."""
    said.draft.set(said.option.sets[0], _number(said, positive=False))
    return 1


def set_positive(said: Said) -> int:
    """Set a field to a finite number above 0."""
    said.draft.set(said.option.sets[0], _number(said, positive=True))
    return 1


def set_count(said: Said) -> int:
    """Set a field to a whole number, 0 or more."""
    said.draft.set(said.option.sets[0], _counts(said)[0])
    return 1


def set_pixel(said: Said) -> int:
    """Set a field to two whole numbers, 0 or more."""
    slow, fast = _counts(said)
    said.draft.set(said.option.sets[0], (slow, fast))
    return 2


def set_rings(said: Said) -> int:
    """``-png_rings``: ``auto``, or resolutions separated by commas."""
    (value,) = said.following(1)
    parts = [leading_real(part) for part in value.split(",")]
    if value != "auto" and not all(p is not None and not p[1] and 0.0 < p[0] < float("inf") for p in parts):
        raise _wrong(said, "auto or resolutions in Å separated by commas")
    said.draft.set(said.option.sets[0], value)
    return 1


def set_device(said: Said) -> int:
    """``-device``."""
    from nanobragg.rendering.devices import check_device

    said.draft.set(said.option.sets[0], check_device(said.following(1)[0], said.word))
    return 1


def _number(said: Said, *, positive: bool) -> float:
    """The number that is the whole word."""
    read = leading_real(said.following(1)[0])
    if read is None or read[1] or not 0.0 <= read[0] < float("inf") or (positive and read[0] == 0.0):
        raise _wrong(said, f"a number {'above 0' if positive else 'of 0 or more'} ({said.option.arguments})")
    return read[0]


def _counts(said: Said) -> list[int]:
    values = said.following(len(said.option.values))
    for value in values:
        if not (value.isascii() and value.isdigit() and len(value) < 10):
            raise InputError(f"{said.word}: found {value!r}, expected a whole number, 0 or more")
    return [int(value) for value in values]


def _wrong(said: Said, expected: str) -> InputError:
    return InputError(f"{said.word}: found {said.following(1)[0]!r}, expected {expected}")
