"""Comments can be read without the line above them: none begins with "of", which would hang on that line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PYTHON = ("python", "bench", "docs", "examples", "tests", "wheels")
EXCEPT = {"test_comments.py", "test_config_layout.py"}
"""Files whose text is about such comments."""
_OPENING = re.compile(r'(?:^\s*"""|#|//+|/\*+)\s*(of)\s', re.IGNORECASE)
_WHOLE_LINE = re.compile(r"\s*(#|//)")


def hanging(text: str) -> Iterator[int]:
    """Numbers of the lines whose comment begins with "of"; a comment that goes on from the line before does not."""
    before = ""
    for number, line in enumerate(text.splitlines(), 1):
        goes_on = _WHOLE_LINE.match(line) is not None and _WHOLE_LINE.match(before) is not None
        if _OPENING.search(line) and not goes_on:
            yield number
        before = line


def sources() -> list[Path]:
    """All Python of the repository."""
    return sorted(path for folder in PYTHON for path in (ROOT / folder).rglob("*.py"))


def test_no_comment_hangs_on_the_line_above() -> None:
    """If this fails: say what is of something, as in "number of the device", not "of the device"."""
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in sources()
        if path.name not in EXCEPT
        for number in hanging(path.read_text(encoding="utf-8"))
    ]
    assert found == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('x = 1\n"""Of the device."""', [2]),
        ("x = 1  # of the device", [1]),
        ("int x;  // of the device", [1]),
        ("// A sentence that speaks\n// of the device", []),
        ('"""Offices."""', []),
        ("x = 1  # number of the device", []),
    ],
)
def test_only_openings_count(text: str, expected: list[int]) -> None:
    """What the test above sees."""
    assert list(hanging(text)) == expected
