"""What the stages of the resolver have to say about what they did."""

from __future__ import annotations

from typing import NamedTuple


class Log(NamedTuple):
    """The remarks of one stage or, added up, of several in their order."""

    notes: tuple[str, ...] = ()
    """Plain remarks, in order."""
    warnings: tuple[str, ...] = ()
    """Sentences, in order."""
    touched: frozenset[str] = frozenset()
    """Names of the quirks that make a difference."""

    def __add__(self, other: Log) -> Log:  # type: ignore[override]
        return Log(
            notes=self.notes + other.notes,
            warnings=self.warnings + other.warnings,
            touched=self.touched | other.touched,
        )


def which(**touches: bool) -> frozenset[str]:
    """The names that are true."""
    return frozenset(name for name, true in touches.items() if true)
