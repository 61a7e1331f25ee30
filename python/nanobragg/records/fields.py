"""One row for each field of the records: what it may hold, its unit and meaning, and the option that sets it.

The row stands where the field is declared (:mod:`nanobragg.records.experiment`, :mod:`nanobragg.records.run`).
Checks, TOML files and their schema, messages, help, completion and the reference all read it from there.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import field, fields, replace
from functools import cache
from typing import Any, NamedTuple, TypeVar

from nanobragg.errors import InputError
from nanobragg.records.kinds import Kind, Mismatch, shown

AnyRecord = TypeVar("AnyRecord")
_ROW, _PART = "row", "part"


class Row(NamedTuple):
    """What is known of a field."""

    kind: Kind
    help: str
    """What it is, without its unit; what else is worth knowing follows after a semicolon."""
    more: str
    """Further sentences, for the reference."""
    unit: str
    option: str
    """The option of the command line that gives its value; empty where there is none, or there is one for each word."""
    unset: str
    """What is taken where nothing is said."""
    default: Any
    """What a new record holds; ``None``: nothing was said."""

    def _summary(self, unset: str) -> str:
        name, semicolon, rest = self.help.partition("; ")
        unit = f", {self.unit}" if self.unit else ""
        return name + unit + (f" ({unset})" if unset else "") + semicolon + rest

    @property
    def summary(self) -> str:
        """What it is, with its unit and, in parentheses, what it is where nothing is said."""
        default = f"{self.default:g}" if isinstance(self.default, float) else str(self.default)
        return self._summary(self.unset or ("" if self.default is None or isinstance(self.default, bool) else default))

    @property
    def description(self) -> str:
        """All that is said of it but its default, as sentences."""
        summary = self._summary(self.unset)
        return f"{summary[:1].upper()}{summary[1:]}." + (f" {self.more}" if self.more else "")


def row(
    kind: Kind, help: str, *, default: Any = None, unit: str = "", option: str = "", unset: str = "", more: str = ""
) -> Any:
    """Declare a field. See :class:`Row`."""
    said = Row(kind=kind, help=help, more=more, unit=unit, option=option, unset=unset, default=default)
    return field(default=default, metadata={_ROW: said})


def part(record: type, *, named: bool = True) -> Any:
    """Declare a field that holds a record, with fields that are ``named`` after it (``beam.energy``), or are not."""
    return field(default_factory=record, metadata={_PART: (record, named)})


class Place(NamedTuple):
    """A field, and where it is."""

    name: str
    """As messages and TOML files have it: ``threads``, ``beam.energy``."""
    attributes: tuple[str, ...]
    """The way to it from the record that was asked about."""
    row: Row

    @property
    def section(self) -> str:
        """The section of a TOML file; empty at its top."""
        return self.name.rpartition(".")[0]

    @property
    def key(self) -> str:
        """The key in that section."""
        return self.name.rpartition(".")[2]

    @property
    def spoken(self) -> str:
        """The option of the command line and the field, for messages."""
        option = self.row.option
        if not option or option == f"-{self.name}":
            return option or self.name
        return f"{option} ({self.name})"

    def value(self, record: Any) -> Any:
        """What the field holds in ``record``."""
        for attribute in self.attributes:
            record = getattr(record, attribute)
        return record

    def checked(self, value: Any) -> Any:
        """``value`` as the field holds it. Raises :class:`InputError` if it cannot hold it."""
        if value is None and self.row.default is None:
            return None
        return self.row.kind.checked(value, self.spoken, self.row.unit)


class _Member(NamedTuple):
    """A field of a record: a place with a row, or a record of its own."""

    attribute: str
    place: Place | None
    record: type | None
    named: bool


@cache
def _members(record: type) -> tuple[_Member, ...]:
    found = []
    for f in fields(record):
        if _ROW in f.metadata:
            found.append(_Member(f.name, Place(f.name, (f.name,), f.metadata[_ROW]), None, True))
        elif _PART in f.metadata:
            found.append(_Member(f.name, None, *f.metadata[_PART]))
    return tuple(found)


def _below(member: _Member) -> Iterator[Place]:
    """The places of a record that is a field."""
    assert member.record is not None
    prefix = f"{member.attribute}." if member.named else ""
    for place in places(member.record):
        yield place._replace(name=prefix + place.name, attributes=(member.attribute, *place.attributes))


@cache
def places(record: type) -> tuple[Place, ...]:
    """All fields of a record that have a row, in their order, with those of the records in it."""
    found: list[Place] = []
    for member in _members(record):
        found += _below(member) if member.place is None else (member.place,)
    return tuple(found)


def own_places(record: type) -> tuple[Place, ...]:
    """The fields of a record itself that have a row."""
    return tuple(member.place for member in _members(record) if member.place is not None)


def assembled(record: type[AnyRecord], values: Mapping[str, Any]) -> AnyRecord:
    """A record with some values, by the names of their places."""
    said: dict[str, Any] = {}
    for member in _members(record):
        if member.place is not None:
            if member.attribute in values:
                said[member.attribute] = values[member.attribute]
        elif member.record is not None:
            prefix = f"{member.attribute}." if member.named else ""
            inner = {name.removeprefix(prefix): v for name, v in values.items() if name.startswith(prefix)}
            said[member.attribute] = assembled(member.record, inner)
    return record(**said)


def checked(record: type[AnyRecord], value: object, name: str = "") -> AnyRecord:
    """``value`` with everything in it of the kind that its field has: NumPy's numbers and lists become Python's.

    Args:
        record: the type of record that is expected.
        value: what was found.
        name: of the field that holds it, for errors.

    Raises:
        InputError: naming the first field whose value is of another kind.

    """
    return _checked(record, value, name or record.__name__.lower(), "")


def _checked(record: type[AnyRecord], value: object, name: str, prefix: str) -> AnyRecord:
    if not isinstance(value, record):
        article = "an" if record.__name__[0] in "AEIO" else "a"
        raise InputError(f"{name}: found {shown(value)}, expected {article} {record.__name__}")
    changed = {}
    for attribute, place, inner, named in _members(record):
        read = found = getattr(value, attribute)
        if place is not None:
            try:
                read = place.checked(found)
            except InputError:  # which is to say where the record is
                place._replace(name=prefix + place.name).checked(found)
                raise
        elif inner is not None:
            read = _checked(inner, found, prefix + attribute, f"{prefix}{attribute}." if named else prefix)
        if read is not found:
            changed[attribute] = read
    return replace(value, **changed) if changed else value  # type: ignore[type-var]


# ---- lists of records -------------------------------------------------------------------------------------


def list_of(record: type) -> Kind:
    """The kind of a field that holds several records, in TOML an array of tables."""

    def read(value: Any) -> tuple[Any, ...]:
        return tuple(_read_record(record, item, number) for number, item in enumerate(_items(value)))

    def read_tables(value: Any) -> tuple[Any, ...]:
        return tuple(_read_table(record, item, number) for number, item in enumerate(_items(value)))

    name = record.__name__
    schema = {"type": "array", "minItems": 1}
    tables = Kind(expected="an array of tables", read=read_tables, schema=schema, record=record)
    return Kind(expected=f"a list of {name}s", read=read, schema=schema, in_toml=tables, record=record)


def _items(value: Any) -> tuple[Any, ...]:
    if isinstance(value, (str, bytes, bytearray, dict)):
        raise Mismatch
    try:
        items = tuple(value)
    except TypeError:
        raise Mismatch from None
    if not items:
        raise Mismatch
    return items


def _read_record(record: type, item: Any, number: int) -> Any:
    if not isinstance(item, record):
        raise Mismatch(f"{shown(item)} as number {number}")
    changed = {}
    for place in own_places(record):
        found = getattr(item, place.name)
        if found is not None or place.row.default is not None:
            read = _of_record(record, number, place, place.row.kind, found)
            if read is not found:
                changed[place.name] = read
    return replace(item, **changed) if changed else item


def _read_table(record: type, table: Any, number: int) -> Any:
    if not isinstance(table, dict):
        raise Mismatch(f"{shown(table)} as number {number}")
    known = {place.name: place for place in own_places(record)}
    unknown = next((key for key in table if key not in known), None)
    if unknown is not None:
        raise Mismatch(f"the key {unknown!r} in number {number}", f"one of {', '.join(known)}")
    return record(
        **{
            key: _of_record(record, number, known[key], known[key].row.kind.in_toml or known[key].row.kind, value)
            for key, value in table.items()
        }
    )


def _of_record(record: type, number: int, place: Place, kind: Kind, value: Any) -> Any:
    """A field of a record in a list, with both named where it is of another kind."""
    try:
        return kind.read(value)
    except Mismatch as mismatch:
        found = mismatch.found or shown(value)
        expected = mismatch.expected or kind.expected + (f" ({place.row.unit})" if place.row.unit else "")
        raise Mismatch(f"{found} as the {place.name} of {record.__name__.lower()} {number}", expected) from None


def sections(record: type) -> dict[str, type]:
    """The records in it whose fields are named after them."""
    found: dict[str, type] = {}
    for attribute, _, inner, named in _members(record):
        if inner is not None:
            found |= {attribute: inner} if named else sections(inner)
    return found


FIELDS = "Fields:"
"""The line of a record's documentation below which its fields are."""


def document(*records: type) -> None:
    """Add their fields to the documentation of records, for ``help(...)`` and notebooks."""
    for record in records:
        if record.__doc__:  # there is none with python -OO
            rows = [f"    {place.name}: {place.row.description}" for place in own_places(record)]
            record.__doc__ = "\n".join([record.__doc__.rstrip(), "", FIELDS, *rows]) + "\n"


def about(record: type) -> str:
    """What the documentation of a record says without its fields."""
    return inspect.cleandoc((record.__doc__ or "").partition(FIELDS)[0])
