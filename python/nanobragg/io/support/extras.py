"""Packages that only some formats need: imported when used, named in one sentence when missing."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from nanobragg.errors import InputError


def need(package: str, what: str, *, module: str | None = None, extra: str = "files") -> ModuleType:
    """The module of ``package``, needed for ``what``. Raises :class:`InputError` when it is not installed."""
    try:
        return import_module(module or package)
    except ImportError as error:
        raise InputError(
            f"{what}: found no package {package}, expected it to be installed (pip install 'nanobragg[{extra}]')"
        ) from error
