"""What makes two ensembles the same: the file, and the contents of all files that it names."""

from __future__ import annotations

import hashlib
import json
import os
from copy import deepcopy
from typing import TYPE_CHECKING, Any

from nanobragg.errors import InputError

if TYPE_CHECKING:
    from nanobragg.ensemble.plan import Plan

_MANNER = ("threads", "device", "progress")
"""Keys at the top that make no difference to any byte."""


def checksum(path: str) -> str:
    """SHA-256 of a file, or of the names and checksums of a folder's files; raises :class:`InputError`."""
    digest = hashlib.sha256()
    try:
        with open(path, "rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({(error.strerror or str(error)).lower()})") from error
    return digest.hexdigest()


def input_checksums(plan: Plan) -> dict[str, str]:
    """Checksums of the input files by their names, as the file has them from the current folder."""
    return {path: checksum(path) for path in sorted(set(plan.files.values()))}


def identity(plan: Plan, sums: dict[str, str]) -> str:
    """SHA-256 of all that the shots depend on; names of input files are replaced by checksums of their contents."""
    from nanobragg import _core

    document = deepcopy({key: value for key, value in plan.document.items() if key not in _MANNER})
    for keys, path in plan.files.items():
        put(document, keys, sums[path])
    text = json.dumps([_core.__version__, document], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def put(document: Any, keys: tuple[str, ...], value: str) -> None:
    """Set a value of a TOML document; ``cell[0]`` is the first part of ``cell``, ``3`` an item of a list."""
    *way, last = (step for key in keys for step in _steps(key))
    for step in way:
        document = document[step]
    document[last] = value


def _steps(key: str) -> list[str | int]:
    name, bracket, number = key.partition("[")
    if bracket:
        return [name, int(number.rstrip("]"))]
    return [int(key) if key.isdigit() else key]


def portable_text(plan: Plan, text: str, folder: str) -> str:
    """The file, with names of input files relative to another folder; all else stays as it was written."""
    import tomlkit

    from nanobragg.inputs.toml import relative

    if not plan.files:
        return text
    document = tomlkit.parse(text)
    for keys, path in plan.files.items():
        put(document, keys, relative(path, os.path.join(folder, "set.toml")))
    return tomlkit.dumps(document)
