"""How far a render has come: a bar on a terminal, plain percentages elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any, TextIO

QUIET_SECONDS = 0.5
"""Nothing is shown of a render that is over within this time."""


class Progress:
    """Call it with the fraction done (0 to 1); use it as a context manager, so that the bar is closed.

    On a terminal it is a bar on standard error; elsewhere lines ``NN% done`` on standard output, as nanoBragg.c
    prints them: every percent within the first and last ten, every five between. ``label``, if there is one, stands
    before each.
    """

    def __init__(self, stream: TextIO | None = None, label: str = "") -> None:
        self._label = label
        self._stream = sys.stdout if stream is None else stream
        self._start = time.monotonic()
        self._printed = -1
        self._bar: Any = None
        self._terminal = self._stream.isatty() and sys.stderr.isatty()

    def __call__(self, fraction: float) -> None:
        """Show ``fraction``, unless the render is still young."""
        if time.monotonic() - self._start < QUIET_SECONDS:
            return
        percent = min(100, max(0, int(fraction * 100.0)))
        if self._terminal:
            self._move_bar(percent)
        else:
            self._print(percent)

    def _move_bar(self, percent: int) -> None:
        if self._bar is None:
            import shutil

            from tqdm import tqdm

            # Terminals of unknown size say 0 x 0, and tqdm would believe them.
            size = shutil.get_terminal_size()
            shape = {"ncols": min(size.columns, 100), "nrows": size.lines}
            bar = "{l_bar}{bar}| {elapsed}<{remaining}"
            self._bar = tqdm(total=100, desc=self._label or None, bar_format=bar, leave=False, **shape)
        self._bar.update(percent - self._bar.n)

    def _print(self, percent: int) -> None:
        reached = percent if percent < 10 or percent >= 90 else percent - percent % 5
        if reached > self._printed:
            self._printed = reached
            label = f"{self._label}: " if self._label else ""
            print(f"{label}{reached}% done", file=self._stream, flush=True)

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()
