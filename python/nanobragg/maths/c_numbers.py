"""Numbers as C reads and prints them: ``atoi``, ``atof`` and ``%g`` of the C locale (``specs/cli.md``)."""

from __future__ import annotations

import math
import re

_BLANKS = r"[ \t\n\v\f\r]*"
_INTEGER = re.compile(_BLANKS + r"([+-]?)([0-9]+)")
_DECIMAL = re.compile(_BLANKS + r"([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)")
# Rare ones are compiled when a word may need them.
_HEXADECIMAL = _BLANKS + r"([+-]?0[xX](?:[0-9a-fA-F]+\.?[0-9a-fA-F]*|\.[0-9a-fA-F]+)(?:[pP][+-]?[0-9]+)?)"
_NOT_FINITE = _BLANKS + r"([+-]?)(inf(?:inity)?|nan(?:\([0-9a-zA-Z_]*\))?)"

_LONG_DIGITS = 19


def leading_integer(word: str) -> tuple[int, str] | None:
    """What ``atoi`` makes of ``word``, and the characters that it leaves; ``None`` where no number leads.

    As in glibc the digits saturate at 64 bits and the low 32 of them are the answer.
    """
    match = _INTEGER.match(word)
    if match is None:
        return None
    sign, digits = match[1], match[2].lstrip("0") or "0"
    # int() refuses thousands of digits; more than 19 saturate anyway.
    magnitude = int(digits) if len(digits) <= _LONG_DIGITS else 2**64
    value = max(-magnitude, -(2**63)) if sign == "-" else min(magnitude, 2**63 - 1)
    return (value + 2**31) % 2**32 - 2**31, word[match.end() :]


def integer_overflows(word: str) -> bool:
    """Whether ``atoi`` keeps only a part of the number that leads ``word``."""
    match = _INTEGER.match(word)
    read = leading_integer(word)
    if match is None or read is None:
        return False
    digits = match[2].lstrip("0") or "0"
    return len(digits) > _LONG_DIGITS or int(match[1] + digits) != read[0]


def leading_real(word: str) -> tuple[float, str] | None:
    """What ``atof`` makes of ``word``, and the characters that it leaves; ``None`` where no number leads."""
    match = re.match(_HEXADECIMAL, word) if "x" in word or "X" in word else None
    if match is not None:
        return _hexadecimal(match[1]), word[match.end() :]
    match = _DECIMAL.match(word)
    if match is not None:
        return float(match[1]), word[match.end() :]
    match = re.match(_NOT_FINITE, word, re.IGNORECASE | re.ASCII)
    if match is not None:
        value = math.inf if match[2][0] in "iI" else math.nan
        return (-value if match[1] == "-" else value), word[match.end() :]
    return None


def _hexadecimal(text: str) -> float:
    try:
        return float.fromhex(text)
    except OverflowError:
        return -math.inf if text.startswith("-") else math.inf


def is_number(word: str) -> bool:
    """Whether the whole word is one number."""
    read = leading_real(word)
    return read is not None and not read[1]


def general(value: float) -> str:
    """``value`` as C's ``%g`` prints it: Python has no sign for NaN."""
    return "-nan" if math.isnan(value) and math.copysign(1.0, value) < 0.0 else f"{value:g}"
