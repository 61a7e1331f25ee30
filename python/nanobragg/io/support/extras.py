"""Packages that only some formats need: imported when used, named in one sentence when missing."""

from __future__ import annotations

from collections.abc import Mapping
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


def looked_up(package: str, homes: Mapping[str, str], name: str, extra: str) -> object:
    """A name of a package whose modules import ``extra`` at their top; for its ``__getattr__``.

    ``homes``: the package's public names, and the modules of it that they are in, which are imported at first use.
    """
    if name not in homes:
        raise AttributeError(f"module {package!r} has no attribute {name!r}")
    need(extra, f"{package}.{name}", extra=extra)
    value: object = getattr(import_module(f"{package}.{homes[name]}"), name)
    setattr(import_module(package), name, value)
    return value
