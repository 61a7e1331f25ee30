"""What JAX's programs need (extra ``jax``): names of this table, whose modules are imported at first use.

Whoever adds a module here adds its public names to the table and to ``__init__.pyi``; the modules import jax at their
top.
"""

from __future__ import annotations

_HOMES = {"simulate": "images"}
"""Public names, and the modules they are in."""


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'nanobragg.jax' has no attribute {name!r}")
    from importlib import import_module

    from nanobragg.io.support.extras import need

    need("jax", f"nanobragg.jax.{name}", extra="jax")
    value: object = getattr(import_module(f"nanobragg.jax.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(_HOMES)
