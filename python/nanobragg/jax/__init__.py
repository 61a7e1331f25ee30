"""What JAX's programs need (extra ``jax``): names of this table, whose modules are imported at first use.

Whoever adds a module here adds its public names to the table and to ``__init__.pyi``; the modules import jax at their
top.
"""

from __future__ import annotations

_HOMES = {"simulate": "images"}
"""Public names, and the modules they are in."""


def __getattr__(name: str) -> object:
    from nanobragg.io.support.extras import looked_up

    return looked_up(__name__, _HOMES, name, "jax")


def __dir__() -> list[str]:
    return sorted(_HOMES)
