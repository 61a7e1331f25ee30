"""The JSON schema of TOML experiments, for editors (``specs/config.md``).

``python -m nanobragg.inputs.schema`` writes it beside this module; it is made from the dataclasses, their defaults
and the texts below their fields.
"""

from __future__ import annotations

import ast
import inspect
import json
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import Any

from nanobragg.inputs.toml import OUTPUT_FILES, RUN_KEYS, SECTIONS
from nanobragg.records import experiment as experiment_module
from nanobragg.records import run as run_module
from nanobragg.records.run import Run

FILE = Path(__file__).with_name("experiment.schema.json")

_NUMBER: dict[str, Any] = {"type": "number"}
_WHOLE: dict[str, Any] = {"type": "integer"}
_NATURAL: dict[str, Any] = {"type": "integer", "minimum": 0}
_TEXT: dict[str, Any] = {"type": "string"}
_FLAG: dict[str, Any] = {"type": "boolean"}


def _list(item: dict[str, Any], least: int, most: int | None = None) -> dict[str, Any]:
    return {"type": "array", "items": item, "minItems": least, "maxItems": least if most is None else most}


def _any(*kinds: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": list(kinds)}


def _names(*names: str) -> dict[str, Any]:
    return {"enum": list(names)}


_UNSET = _names("unset")

SCHEMAS: dict[str, dict[str, Any]] = {
    "float": _NUMBER,
    "int": _NATURAL,
    "int | None": _WHOLE,
    "bool": _FLAG,
    "Vector": _list(_NUMBER, 3),
    "Vector | Literal['random']": _any(_list(_NUMBER, 3), _names("random")),
    "PathOrArray": _TEXT,
    "str | os.PathLike[str]": _TEXT,
    "str": _TEXT,
    "ColumnName": _TEXT,
    "Device": {"type": "string", "pattern": r"^(cpu|cuda|cuda:[0-9]{1,5}|auto)$"},
    "Rings": {"type": "string", "pattern": r"^(auto|[-+0-9.eE]+(,[-+0-9.eE]+)*)$"},
    "Sequence[float]": _list(_NUMBER, 1, 6),
    "int | tuple[int, int, int]": _any(_WHOLE, _list(_WHOLE, 3)),
    "float | tuple[float | None, float | None, float | None]": _any(_NUMBER, _list(_any(_NUMBER, _UNSET), 3)),
    "tuple[int | None, int | None]": _list(_any(_WHOLE, _UNSET), 2),
    "tuple[float | None, float | None]": _list(_any(_NUMBER, _UNSET), 2),
    "tuple[int, int, int, int]": _list(_WHOLE, 4),
    "tuple[int, int]": _list(_NATURAL, 2),
    "CrystalShape": _names("square", "round", "gauss", "tophat"),
    "Convention": _names("mosflm", "xds", "adxv", "denzo", "dials", "custom"),
    "Pivot": _names("beam", "sample"),
    "Literal['exact', 'fast']": _names("exact", "fast"),
    "Literal['double', 'mixed']": _names("double", "mixed"),
}
"""By the annotation of the field, without ``| None`` unless that matters."""


def schema() -> dict[str, Any]:
    """The schema, a JSON object."""
    notes = {**_descriptions(experiment_module), **_descriptions(run_module)}
    properties: dict[str, Any] = {
        "quirks": {
            "type": "string",
            "default": "all",
            "description": "Deviations of nanoBragg.c from physics to keep: all, none, or names (specs/quirks.md).",
        }
    }
    for field in fields(Run):
        if field.name in RUN_KEYS:
            properties[field.name] = _property(field, notes.get(("Run", field.name)), field.name)
    for section, kind in SECTIONS.items():
        properties[section] = {
            "type": "object",
            "description": inspect.cleandoc(kind.__doc__ or ""),
            "additionalProperties": False,
            "properties": {
                field.name: _property(field, notes.get((kind.__name__, field.name)), f"{section}.{field.name}")
                for field in fields(kind)
            },
        }
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "nanobragg experiment",
        "description": "A run of nanobragg, as -config reads it (specs/config.md).",
        "type": "object",
        "additionalProperties": False,
        "properties": properties,
    }


def text() -> str:
    """The schema as the file holds it."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def _property(field: Field[Any], description: str | None, place: str) -> dict[str, Any]:
    annotation = str(field.type).replace('"', "'")
    found = SCHEMAS.get(annotation) or SCHEMAS[annotation.removesuffix(" | None")]
    if place in OUTPUT_FILES:
        found = _any(found, {"const": False})
    result = dict(found)
    if description:
        result["description"] = description
    if field.default is not MISSING and field.default is not None:
        result["default"] = field.default
    return result


def _descriptions(module: Any) -> dict[tuple[str, str], str]:
    """The text below each field of each class of a module, by class and field."""
    found: dict[tuple[str, str], str] = {}
    for node in ast.parse(inspect.getsource(module)).body:
        if not isinstance(node, ast.ClassDef):
            continue
        for statement, following in zip(node.body, node.body[1:], strict=False):
            if not isinstance(statement, ast.AnnAssign) or not isinstance(statement.target, ast.Name):
                continue
            if isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant):
                described = inspect.cleandoc(str(following.value.value)).replace("``", "")
                found[(node.name, statement.target.id)] = " ".join(described.split())
    return found


def main() -> int:
    """Write the schema."""
    from nanobragg.io.support.atomic import atomic_write

    with atomic_write(FILE) as file:
        file.write(text().encode())
    print(f"writing {FILE}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
