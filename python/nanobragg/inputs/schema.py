"""The JSON schema of TOML experiments, for editors (``specs/config.md``).

``python -m nanobragg.inputs.schema`` writes it beside this module; it is made from the rows of the fields.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from nanobragg.inputs.toml import PLACES, REFINE
from nanobragg.records.fields import Place, about, own_places, sections
from nanobragg.records.run import Run

FILE = Path(__file__).with_name("experiment.schema.json")


def schema() -> dict[str, Any]:
    """The schema, a JSON object."""
    properties = _properties("")
    for section, record in sections(Run).items():
        properties[section] = {
            "type": "object",
            "description": _plain(about(record)),
            "additionalProperties": False,
            "properties": _properties(section),
        }
    properties[REFINE] = {
        "type": "object",
        "description": "How nanobragg refine refines it (specs/refinement.md); simulations leave it aside.",
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


def _properties(section: str) -> dict[str, Any]:
    return {place.key: property_of(place) for place in PLACES.values() if place.section == section}


def property_of(place: Place) -> dict[str, Any]:
    """What a key may hold, with its description and default."""
    result = {**place.row.kind.schema, "description": _plain(place.row.description)}
    if place.row.default is not None:
        result["default"] = place.row.default
    if place.row.kind.record is not None:
        result["items"] = _table(place.row.kind.record)
    return result


def _table(record: type) -> dict[str, Any]:
    """A table of an array of them."""
    return {
        "type": "object",
        "description": _plain(about(record)),
        "additionalProperties": False,
        "properties": {place.key: property_of(place) for place in own_places(record)},
    }


def _plain(text: str) -> str:
    return text.replace("``", "")


def main() -> int:
    """Write the schema."""
    from nanobragg.io.support.atomic import atomic_write

    with atomic_write(FILE) as file:
        file.write(text().encode())
    print(f"writing {FILE}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
