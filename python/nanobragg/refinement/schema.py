"""The JSON schema of files that say how they are refined, for editors (``specs/refinement.md``).

``nanobragg refine -schema`` prints it; it is made from the rows of the fields.
"""

from __future__ import annotations

import json
from typing import Any

from nanobragg.inputs import schema as of_experiments
from nanobragg.inputs.schema import property_of
from nanobragg.inputs.toml import PLACES, REFINE
from nanobragg.refinement.request import FIELDS, OF_EACH_SHOT, SHOTS

_PAIR = {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2}
_BY_NAME = {
    "priors": {"anyOf": [{"type": "number", "exclusiveMinimum": 0}, _PAIR, {"$ref": "#/definitions/priors"}]},
    "bounds": {"anyOf": [_PAIR, {"$ref": "#/definitions/bounds"}]},
}
"""Values by name; a table is a part of names."""


def schema() -> dict[str, Any]:
    """The schema, a JSON object."""
    found = of_experiments.schema()
    found["title"] = "nanobragg refine"
    found["description"] = "An experiment and how it is refined, as nanobragg refine reads it (specs/refinement.md)."
    own = {key: _property(key) for key in FIELDS if key not in PLACES}
    shot = {key: {**_property(key), **_one(key)} for key in OF_EACH_SHOT}
    shot |= {key: value for key, value in found["properties"].items() if key != REFINE}
    own[SHOTS] = {"type": "array", "description": "A table for each shot.", "items": _table("A shot.", shot)}
    found["properties"][REFINE] = _table("What is refined, and how.", own)
    found["definitions"] = {
        key: {"type": "object", "additionalProperties": value, "minProperties": 1} for key, value in _BY_NAME.items()
    }
    return found


def text() -> str:
    """The schema as it is printed."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def _property(key: str) -> dict[str, Any]:
    place = FIELDS[key]
    description = property_of(place)["description"]
    if key in _BY_NAME:
        return {"description": description, "$ref": f"#/definitions/{key}"}
    return {**property_of(place), **(place.row.kind.in_toml or place.row.kind).schema}


def _one(key: str) -> dict[str, Any]:
    """What a shot may say where many may say a list."""
    kind = FIELDS[key].row.kind
    return {"anyOf": (kind.in_toml or kind).schema["anyOf"][:1]}


def _table(description: str, properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "description": description, "additionalProperties": False, "properties": properties}
