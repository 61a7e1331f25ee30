"""What one command line asks of the program."""

from __future__ import annotations

from typing import Literal

from nanobragg.records.record import Record
from nanobragg.records.run import Run


class Request(Record):
    """A run, and what only a command line can say about it; or something else than a run."""

    run: Run | None = None
    """``None`` where something else is asked for: one of ``tell``, ``completion`` and ``view`` says what."""
    config: str | None = None
    """The file that the run begins with (``-config``)."""
    write_config: str | None = None
    """The file that the run is written to."""
    trace_json: str | None = None
    """The file that the quantities of ``Run.trace_pixel`` are written to."""
    tell: Literal["help", "devices", "detectors", "version"] | None = None
    """Print this, and nothing else."""
    completion: str | None = None
    """The shell whose script is to be printed."""
    view: tuple[str, ...] | None = None
    """The words after ``nanobragg view``."""
