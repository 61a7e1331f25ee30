"""The parts of the pages that are made from the program: ``<!-- generated: NAME -->`` in a page becomes one of them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    lines = [tuple(head)]
    lines += [("---",) * len(lines[0]), *(tuple(cell.replace("|", "\\|") for cell in row) for row in rows)]
    return "\n".join("| " + " | ".join(row) + " |" for row in lines) + "\n"


# ---- the command line -------------------------------------------------------------------------------------


def fields_of(option: Any) -> list[str]:
    """Fields of the dataclasses, which are keys of TOML files, that an option of ``options.py`` sets."""
    if option.convention and not option.sets:
        return ["detector.convention"]
    # section.field.index names one element of a field; the field is wanted.
    return list(dict.fromkeys(".".join(field.split(".")[:2]) for field in option.sets))


def options() -> str:
    """All options of the command line, a table for each subject."""
    from nanobragg.inputs.options import ALL_OPTIONS, GROUPS, OWN_OPTIONS

    own = set(OWN_OPTIONS)
    parts = []
    for group in GROUPS:
        rows = []
        for option in ALL_OPTIONS:
            if option.group != group:
                continue
            first = f"`{f'{option.names[0]} {option.arguments}'.rstrip()}`"
            others = ", ".join(f"`{name}`" for name in option.names[1:])
            text = _plain(option.help) + (f"; also {others}" if others else "")
            new = "*new:* " if option in own else ""
            rows.append((first, new + text, ", ".join(f"`{f}`" for f in fields_of(option))))
        parts.append(f"## {group}\n\n" + _table(("option", "meaning (default)", "Python, TOML"), rows))
    return "\n".join(parts)


def _plain(text: str) -> str:
    """``text`` with the characters that mean something to Markdown taken literally, and links to ``specs/``."""
    literal = "".join(f"\\{c}" if c in "*_<>[]|`" else c for c in text)
    return re.sub(r"specs/(\w+)\.md", r"[specs/\1](../../specs/\1.md)", literal)


# ---- TOML files -------------------------------------------------------------------------------------------


def toml_keys() -> str:
    """All keys of a TOML file, a table for each section."""
    from nanobragg.inputs.schema import schema

    properties = schema()["properties"]
    top = {key: value for key, value in properties.items() if value.get("type") != "object"}
    parts = ["## At the top\n\n" + _keys(top)]
    for section, value in properties.items():
        if value.get("type") == "object":
            keys = value.get("properties", {})
            parts.append(f"## [{section}]\n\n{_sentence(value['description'])}\n\n" + (_keys(keys) if keys else ""))
            for key, inner in keys.items():
                if _is_tables(inner):
                    table = inner["items"]
                    parts.append(
                        f"## [[{section}.{key}]]\n\n{_sentence(table['description'])}\n\n" + _keys(table["properties"])
                    )
    return "\n".join(parts)


def _is_tables(value: dict[str, Any]) -> bool:
    """Whether a key holds an array of tables."""
    return value.get("type") == "array" and value.get("items", {}).get("type") == "object"


def _keys(properties: dict[str, dict[str, Any]]) -> str:
    rows = []
    for key, value in properties.items():
        default = f"`{_toml(value['default'])}`" if "default" in value else ""
        rows.append((f"`{key}`", _kind(value), default, _plain(_sentence(value.get("description", "")))))
    return _table(("key", "value", "default", "meaning"), rows)


def _sentence(text: str) -> str:
    return " ".join(text.replace("``", "").split())


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return f"[{', '.join(_toml(item) for item in value)}]"
    return f'"{value}"' if isinstance(value, str) else str(value)


def _kind(value: dict[str, Any]) -> str:
    """What a key's value may be, in words."""
    if "anyOf" in value:
        return " or ".join(_kind(kind) for kind in value["anyOf"])
    if "enum" in value:
        return ", ".join(f"`{_toml(name)}`" for name in value["enum"])
    if "const" in value:
        return f"`{_toml(value['const'])}`"
    if _is_tables(value):
        return "tables, see below"
    if value["type"] == "array":
        least, most = value["minItems"], value["maxItems"]
        return f"{least if least == most else f'{least} to {most}'} × {_kind(value['items'])}"
    return {"number": "number", "integer": "whole number", "string": "text", "boolean": "`true`, `false`"}[
        value["type"]
    ]


# ---- ready-made detectors ---------------------------------------------------------------------------------


def detectors() -> str:
    """All ready-made detectors, with the sources of their dimensions."""
    from nanobragg.records.detector_table import DETECTORS

    rows = [
        (f"`{d.name}`", ", ".join(f"`{name}`" for name in d.also), d.description, d.source) for d in DETECTORS.values()
    ]
    return _table(("name", "also", "panels", "dimensions from"), rows)


# ---- how to cite ------------------------------------------------------------------------------------------


def citation() -> str:
    """The paper of ``CITATION.cff``, as text and as BibTeX."""
    import yaml

    paper = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))["preferred-citation"]
    people = [(a["given-names"], a["family-names"]) for a in paper["authors"]]
    names = [f"{''.join(f'{n[0]}. ' for n in given.split())}{family}" for given, family in people]
    pages = f"{paper['start']}–{paper['end']}"
    printed = (
        f"*{paper['journal']}* **{paper['volume']}**, {pages}. [doi:{paper['doi']}](https://doi.org/{paper['doi']})"
    )
    return f"""> {", ".join(names[:-1])} and {names[-1]} ({paper["year"]}). {paper["title"]}. {printed}

```bibtex
@article{{{people[0][1]}{paper["year"]},
  author  = {{{" and ".join(f"{family}, {given}" for given, family in people)}}},
  title   = {{{paper["title"]}}},
  journal = {{{paper["journal"]}}},
  year    = {paper["year"]},
  volume  = {paper["volume"]},
  pages   = {{{pages.replace("–", "--")}}},
  doi     = {{{paper["doi"]}}},
}}
```
"""


PARTS = {"options": options, "TOML keys": toml_keys, "detectors": detectors, "citation": citation}
