"""Writing one file while the next is made."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import threading


class Background:
    """Runs functions in threads of their own; leaving the ``with`` block waits for them.

    The first exception of a function is raised there, unless the block itself raises.
    """

    def __init__(self) -> None:
        self._threads: list[threading.Thread] = []
        self._errors: list[BaseException] = []

    def start(self, function: Callable[..., object], *args: object) -> None:
        """Begin ``function(*args)``; it should spend its time without the interpreter's lock."""
        import threading

        def run() -> None:
            try:
                function(*args)
            except BaseException as error:
                self._errors.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        self._threads.append(thread)

    def __enter__(self) -> Background:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for thread in self._threads:
            thread.join()
        if error is None and self._errors:
            raise self._errors[0]
