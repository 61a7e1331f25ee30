"""What sensors are made of: solids whose absorption follows from their elements."""

from __future__ import annotations

from typing import NamedTuple

from nanobragg.records.kinds import Kind, Mismatch


class Solid(NamedTuple):
    """A compound, and how dense it is."""

    atoms: tuple[tuple[str, float], ...]
    """Elements, and how many of each there are."""
    density: float
    """g/cm³"""
    also: tuple[str, ...] = ()
    """Other names, in lower case."""


SOLIDS = {
    "Si": Solid((("Si", 1),), 2.329, ("silicon",)),
    "Ge": Solid((("Ge", 1),), 5.327, ("germanium",)),
    "GaAs": Solid((("Ga", 1), ("As", 1)), 5.318, ("gallium arsenide",)),
    "CdTe": Solid((("Cd", 1), ("Te", 1)), 5.856, ("cadmium telluride",)),
    "CdZnTe": Solid((("Cd", 0.9), ("Zn", 0.1), ("Te", 1)), 5.843, ("czt", "cadmium zinc telluride")),
}
"""Densities are those of their cubic cells, of edges 5.4310, 5.6579, 5.6533 and 6.481 Å; in CdZnTe a tenth of the
cadmium is zinc, and the edge is 6.443 Å by Vegard's rule."""


def solid_of(name: str) -> str | None:
    """The name that ``SOLIDS`` has for a material, in whatever case it is written; ``None``: it has none."""
    plain = " ".join(name.lower().split())
    return next((solid for solid, known in SOLIDS.items() if plain in (solid.lower(), *known.also)), None)


def in_pilatus_header(material: str) -> str:
    """How the line about the sensor calls a material."""
    return "Silicon" if material == "Si" else material


def _read(value: object) -> str:
    found = solid_of(value) if isinstance(value, str) else None
    if found is None:
        raise Mismatch
    return found


SOLID = Kind(
    expected=f"one of {', '.join(SOLIDS)}",
    read=_read,
    schema={"anyOf": [{"enum": list(SOLIDS)}, {"type": "string"}]},
    words=tuple(SOLIDS),
    argument=" | ".join(SOLIDS),
)
"""What a field holds that names one."""
