"""How far an ensemble has come: a bar on a terminal, now and then a line elsewhere."""

from __future__ import annotations

import sys
import time
from typing import Any

SECONDS = 10.0
"""between two lines"""


class FileProgress:
    """Call it with the shots of every file that is done; use it as a context manager.

    Args:
        files: all files, those that were there included.
        there: files that were there.
        shots: shots that are yet to be made.
        shown: whether anything is shown.

    """

    def __init__(self, files: int, there: int, shots: int, *, shown: bool) -> None:
        self._files, self._done, self._shots, self._made = files, there, shots, 0
        self._shown = shown
        self._start = self._said = time.monotonic()
        self._bar: Any = None
        if shown and sys.stdout.isatty() and sys.stderr.isatty():
            from tqdm import tqdm

            self._bar = tqdm(total=shots, unit=" shots", dynamic_ncols=True)

    def __call__(self, shots: int) -> None:
        """A file of so many shots is done."""
        self._done += 1
        self._made += shots
        if self._bar is not None:
            self._bar.set_postfix_str(f"{self._done}/{self._files} files", refresh=False)
            self._bar.update(shots)
        elif self._shown and time.monotonic() - self._said > SECONDS:
            self._said = time.monotonic()
            print(self.line(), flush=True)

    def line(self) -> str:
        """Files, shots per second, time left."""
        seconds = max(time.monotonic() - self._start, 1e-9)
        speed = self._made / seconds
        left = (self._shots - self._made) / speed if speed > 0.0 else 0.0
        return f"{self._done}/{self._files} files, {speed:.3g} shots/s, {duration(left)} left"

    def __enter__(self) -> FileProgress:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()


def duration(seconds: float) -> str:
    """Hours, minutes and seconds."""
    whole = round(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"
