"""Which quirks about the meaning of words a command line keeps, and which of them mattered."""

from __future__ import annotations


class ParseQuirks:
    """The quirks that a command line keeps. What was asked about them is remembered: no other one can have mattered."""

    def __init__(self, kept: frozenset[str]) -> None:
        self.kept = kept
        self.asked: set[str] = set()

    def on(self, name: str) -> bool:
        """Whether a quirk is kept, where that makes a difference."""
        self.asked.add(name)
        return name in self.kept
