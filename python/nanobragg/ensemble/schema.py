"""The JSON schema of ensembles, for editors (``specs/ensembles.md``): that of experiments, and ``[ensemble]``.

``nanobragg ensemble -schema`` prints it; it is made from the rows of the fields.
"""

from __future__ import annotations

import json
from typing import Any

from nanobragg.ensemble.reading import PIXELS, SECTIONS
from nanobragg.ensemble.settings import Settings, SpectrumSettings
from nanobragg.inputs import schema as of_experiments
from nanobragg.inputs.schema import property_of
from nanobragg.inputs.toml import PLACES
from nanobragg.records.fields import Place, own_places

_NUMBERS = {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2}
_LIMITS = {"least": {"type": "number"}, "most": {"type": "number"}}
_VALUES = {"type": "array", "minItems": 1}
_DISTRIBUTIONS: dict[str, dict[str, Any]] = {
    "constant": {"constant": {}},
    "list": {"list": _VALUES},
    "choice": {"choice": _VALUES, "weights": {"type": "array", "items": {"type": "number", "minimum": 0}}},
    "range": {"range": {**_NUMBERS, "items": {"type": "integer"}}},
    "uniform": {"uniform": _NUMBERS},
    "normal": {"normal": _NUMBERS, **_LIMITS},
    "log_normal": {"log_normal": _NUMBERS, **_LIMITS},
    "poisson": {"poisson": {"type": "number", "minimum": 0}},
    "start": {"start": {"type": "number"}, "step": {"type": "number"}},
    "table": {"table": {"type": "string"}, "column": {"type": "string"}, "draw": {"type": "boolean"}},
    "orientations": {"orientations": {"const": "uniform"}},
    "add": {"add": {"$ref": "#/definitions/part"}},
    "multiply": {"multiply": {"$ref": "#/definitions/part"}},
}
"""What may stand in the table of each distribution."""
_NEEDED = {"start": ["start", "step"], "table": ["table", "column"]}


def schema() -> dict[str, Any]:
    """The schema, a JSON object."""
    found = of_experiments.schema()
    found["title"] = "nanobragg ensemble"
    found["description"] = "Many shots of one experiment, as nanobragg ensemble reads them (specs/ensembles.md)."
    found["properties"]["ensemble"] = _ensemble()
    found["required"] = ["ensemble"]
    tables = [
        {"type": "object", "additionalProperties": False, "properties": keys, "required": _NEEDED.get(name, [name])}
        for name, keys in _DISTRIBUTIONS.items()
    ]
    found["definitions"] = {
        "distribution": {"description": "A distribution of values from shot to shot.", "anyOf": tables},
        "part": {"anyOf": [{"type": "number"}, {"$ref": "#/definitions/distribution"}]},
    }
    return found


def text() -> str:
    """The schema as it is printed."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def _ensemble() -> dict[str, Any]:
    properties = {place.key: property_of(place) for place in own_places(Settings)}
    properties["crystals"] = _varied(next(place for place in own_places(Settings) if place.key == "crystals"))
    for section in SECTIONS:
        places = [place for place in PLACES.values() if place.section == section]
        properties[section] = _table(
            f"Fields of [{section}] that vary from shot to shot.",
            {p.key: _varied(p) for p in places if section != "detector" or p.key not in PIXELS},
        )
    spectrum = {place.key: property_of(place) for place in own_places(SpectrumSettings)}
    properties["spectrum"] = _table("A spectrum for every shot.", spectrum)
    return _table("Shots, and what varies from one to the next.", properties) | {"required": ["shots"]}


def _table(description: str, properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "description": description,
        "additionalProperties": False,
        "properties": properties,
    }


def _varied(place: Place) -> dict[str, Any]:
    """A value of the field, a distribution, or one for each part."""
    parts = {"type": "array", "items": {"$ref": "#/definitions/part"}}
    description = property_of(place)["description"]
    values = [(place.row.kind.in_toml or place.row.kind).schema, {"$ref": "#/definitions/distribution"}, parts]
    return {"description": description, "anyOf": values}
