"""How a row of a table of options is written."""

from __future__ import annotations

from typing import Any

from nanobragg.inputs import actions
from nanobragg.inputs.option import Action, Option
from nanobragg.records.fields import Row

_ARGUMENTS = {"t": "file", "i": "n", "r": "x", "rrr": "x y z"}
"""Names of values that have none of their own."""


def option(
    match: str,
    group: str,
    help: str,
    *,
    values: str = "",
    more: str = "",
    arguments: str = "",
    names: str = "",
    action: Action | None = None,
    sets: str = "",
    asks: str = "",
    to: Any = True,
    row: Row | None = None,
    pivot: str | None = None,
    convention: str | None = None,
    ends_scan: bool = False,
) -> Option:
    """One row. ``match``: keys separated by blanks, those with ``=`` at the end need the whole word."""
    words = match.split()
    return Option(
        keys=tuple(w for w in words if not w.endswith("=")),
        whole=tuple(w[:-1] for w in words if w.endswith("=")),
        names=tuple((names or match.replace("=", "")).split()),
        values=values,
        more=more,
        action=action or (actions.ignore if asks else actions.set_values if values else actions.set_constant),
        sets=tuple(sets.split()),
        asks=asks,
        to=to,
        row=row,
        pivot=pivot,
        convention=convention,
        ends_scan=ends_scan,
        group=group,
        arguments=arguments or _ARGUMENTS.get(values, ""),
        help=help,
    )
