"""What ``nanobragg nonbragg`` was told: on the command line, and by the header of ``-img``."""

from __future__ import annotations

from nanobragg.io.images.companion_smv import CompanionHeader, read_companion_header
from nanobragg.records.nonbragg import NonBraggRun


class Known:
    """What was said, on the command line and in the header of ``-img``, and the quirks that touch the run."""

    def __init__(self, run: NonBraggRun) -> None:
        self.run = run
        self.warnings: list[str] = []
        self.touched = set(run.touched)
        self.header: CompanionHeader | None = None
        if run.image is not None:
            self.header = read_companion_header(run.image, substring="header_substring" in run.quirks)

    def touches(self, name: str, condition: bool = True) -> bool:
        """Whether the quirk is on and ``condition`` holds: it touches this run."""
        if name not in self.run.quirks or not condition:
            return False
        self.touched.add(name)
        return True

    def in_header(self, key: str) -> float | None:
        """The number of a key of the header."""
        if self.header is None:
            return None
        self.touches("header_substring", self.header.ambiguous(key))
        return self.header.value(key)

    def said_or(self, said: float | None, key: str, divisor: float) -> float | None:
        """A number of the command line, else the header's, divided by ``divisor``."""
        value = self.in_header(key) if said is None else said
        return None if value is None else value / divisor
