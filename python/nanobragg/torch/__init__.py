"""What PyTorch's programs need (extra ``torch``): names of this table, whose modules are imported at first use.

Whoever adds a module here adds its public names to the table and to ``__init__.pyi``; the modules import torch at their
top.
"""

from __future__ import annotations

_HOMES = {"ShotDataset": "shots", "simulate": "images"}
"""Public names, and the modules they are in."""


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'nanobragg.torch' has no attribute {name!r}")
    from importlib import import_module

    from nanobragg.io.support.extras import need

    need("torch", f"nanobragg.torch.{name}", extra="torch")
    value: object = getattr(import_module(f"nanobragg.torch.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(_HOMES)
