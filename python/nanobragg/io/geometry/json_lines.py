"""Where in a JSON text a part of its document stands, for messages."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

_BLANK = re.compile(r"[ \t\n\r]*")
_DECODER = json.JSONDecoder()

Step = str | int
"""a key of an object, or an index of an array"""


def place_of(document: Any, part: Any) -> list[Step] | None:
    """The keys and indices that lead to an object or array of a document: to itself, not to its like; ``None``: there
    is no such part.
    """
    waiting: list[tuple[Any, list[Step]]] = [(document, [])]
    while waiting:
        here, path = waiting.pop()
        if here is part:
            return path
        members = here.items() if isinstance(here, dict) else enumerate(here) if isinstance(here, list) else ()
        waiting += [(value, [*path, step]) for step, value in members if isinstance(value, (dict, list))]
    return None


def line_of(text: str, path: Sequence[Step]) -> int:
    """The line, from 1, on which the part begins that the keys and indices lead to; of what is not there, that of what
    should hold it.
    """
    at = line = _after_blanks(text, 0)
    for step in path:
        found = [(begin, value) for key, begin, value in _members(text, at) if key == step]
        if not found:
            break
        line, at = found[-1]  # The last one of a key that is said twice counts.
    return text.count("\n", 0, line) + 1


def shown(path: Sequence[Step]) -> str:
    """Keys and indices as text: detector[0].panels[3]."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).removeprefix(".")


def _members(text: str, at: int) -> Iterator[tuple[Step, int, int]]:
    """Each key or index of the object or array that begins there, where it begins, and where its value does."""
    closing = {"{": "}", "[": "]"}.get(text[at], "")
    named, number = closing == "}", 0
    at = _after_blanks(text, at + 1)
    while closing and text[at] != closing:
        key, value = _DECODER.raw_decode(text, at) if named else (number, at)
        if named:
            value = _after_blanks(text, _after_blanks(text, value) + 1)
        yield key, at, value
        at = _after_blanks(text, _DECODER.raw_decode(text, value)[1])
        at = _after_blanks(text, at + 1) if text[at] == "," else at
        number += 1


def _after_blanks(text: str, at: int) -> int:
    match = _BLANK.match(text, at)
    return at if match is None else match.end()
