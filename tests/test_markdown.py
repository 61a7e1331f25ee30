"""Markdown is at most 120 columns wide, so that changes can be read side by side; filling it changes nothing else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "docs"))

from wrap import too_long, wrapped  # noqa: E402


def pages() -> list[str]:
    """All Markdown of the repository; in an archive without git, all that is there."""
    listed = subprocess.run(["git", "ls-files", "*.md"], cwd=ROOT, capture_output=True, text=True, check=False)
    names = listed.stdout.split() if listed.returncode == 0 else []
    return names or [str(path.relative_to(ROOT)) for path in ROOT.rglob("*.md") if "build" not in path.parts]


@pytest.mark.parametrize("name", pages())
def test_lines_are_not_too_long(name: str) -> None:
    """If this fails: ``python docs/wrap.py FILE``; lines of code by hand."""
    text = (ROOT / name).read_text(encoding="utf-8")
    assert too_long(text) == []


LONG = "word " * 30


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"{LONG}end", f"{'word ' * 23}word\n{'word ' * 6}end\n"),
        (f"- {LONG}end", f"- {'word ' * 22}word\n  {'word ' * 7}end\n"),
        (f"10. {LONG}end", f"10. {'word ' * 22}word\n    {'word ' * 7}end\n"),
        ("short\nlines\nstay", "short\nlines\nstay\n"),
        (f"{'word ' * 23}- x", f"{'word ' * 23}- x\n"),
        (f"{'word ' * 24}- x", f"{'word ' * 22}word\nword - x\n"),
        (f"| {LONG} | x |", f"| {LONG} | x |\n"),
        (f"```\n{LONG}\n```", f"```\n{LONG}\n```\n"),
        (f"    {LONG}", f"    {LONG}\n"),
        (f"> {LONG}end", f"> {'word ' * 22}word\n> {'word ' * 7}end\n"),
        (f"[name]: https://{'x' * 150}", f"[name]: https://{'x' * 150}\n"),
        (f"# {LONG}", f"# {LONG}\n"),
    ],
)
def test_only_text_is_filled(text: str, expected: str) -> None:
    """Tables, code and headings stay what they are, and no word begins a list by where it comes to stand."""
    assert wrapped(text) == expected


def test_what_cannot_be_broken_is_not_broken() -> None:
    """Code spans and links."""
    span, link = f"`{'code ' * 10}`", f"[text of it]({'address' * 10})"
    lines = wrapped(f"{'word ' * 20}{span} {'word ' * 20}{link}").splitlines()
    assert any(span in line for line in lines)
    assert any(link in line for line in lines)
    assert max(map(len, lines)) <= 120
    assert too_long("x" * 200) == []
    assert too_long("- " + link * 3) == []
    assert too_long(LONG) == [1]
