"""Whole numbers in text."""

from __future__ import annotations


def whole_number(text: str) -> int | None:
    """The whole number of one to nine digits that ``text`` is, blanks aside; ``None`` for anything else.

    Python's own test takes digits of other scripts for some, and its conversion refuses thousands of them.
    """
    bare = text.strip()
    return int(bare) if bare.isascii() and bare.isdigit() and len(bare) < 10 else None
