"""What other libraries say while they read a file is collected: on the error stream nobody could place it."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator


@contextlib.contextmanager
def quiet() -> Iterator[list[str]]:
    """Warnings, and what is logged and nobody handles, become sentences of the list."""
    import logging

    found: list[str] = []
    before = logging.lastResort
    collector = logging.Handler(logging.WARNING)
    collector.emit = lambda record: found.append(record.getMessage())  # type: ignore[method-assign]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        logging.lastResort = collector
        try:
            yield found
        finally:
            logging.lastResort = before
            found += [str(warning.message) for warning in caught]
