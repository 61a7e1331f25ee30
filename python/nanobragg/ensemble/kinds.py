"""Distributions as a file says them: ``{ normal = [200, 5], least = 190 }`` (``specs/ensembles.md``)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from nanobragg.ensemble.distributions import (
    Changed,
    Choice,
    Constant,
    Distribution,
    Listed,
    LogNormal,
    Normal,
    Orientations,
    Parts,
    Poisson,
    Range,
    Rows,
    Sweep,
    Uniform,
    part_between,
)
from nanobragg.ensemble.randomness import Randomness
from nanobragg.ensemble.tables import read_column
from nanobragg.errors import InputError
from nanobragg.inputs.toml import beside, unknown, value_of
from nanobragg.records.fields import Place, Row
from nanobragg.records.kinds import CELLS, FLAG, NAME, NUMBER, WHOLE, Kind, Mismatch, shown

MOST_MEAN = 500.0
"""the largest mean of a Poisson number"""


@dataclass(frozen=True)
class Rounded:
    """The nearest whole number, or several."""

    of: Distribution

    def draw(self, random: Randomness, name: str) -> Any:
        drawn = self.of.draw(random, name)
        if isinstance(drawn, tuple):
            return tuple(math.floor(part + 0.5) for part in drawn)
        return math.floor(drawn + 0.5)


_NUMBER = Place("", (), Row(kind=NUMBER, help="", more="", unit="", option="", unset="", default=None))
"""A number that is no field's: what is added to one."""


class Field(NamedTuple):
    """What is to be known of a field to read its distribution."""

    file: str
    """The file that says it."""
    place: Place
    base: Any
    """What the experiment has there; ``None``: nothing."""
    files: dict[tuple[str, ...], str]
    """Where the names of input files are found, added by their keys."""
    at: tuple[str, ...]
    """The keys of the field in the file."""
    item: bool = False
    """It is a part of the field."""

    @property
    def spoken(self) -> str:
        """As messages call it."""
        return f"{self.file}: {'.'.join(self.at)}"

    def wrong(self, found: object, expected: str) -> InputError:
        """The error that says what was found and expected."""
        return InputError(f"{self.spoken}: found {shown(found)}, expected {expected}")

    @property
    def kind(self) -> Kind:
        """The field's kind."""
        return self.place.row.kind

    @property
    def whole(self) -> bool:
        """Whether only whole numbers are drawn: where no others are taken, and of cells, of which crystals are made."""
        return _reads(self.kind, 1) and (self.kind is CELLS or not _reads(self.kind, 0.5))

    @property
    def numeric(self) -> bool:
        """Whether one number is taken."""
        return self.item or _reads(self.kind, 1)


def _reads(kind: Kind, value: object) -> bool:
    try:
        kind.read(value)
    except Mismatch:
        return False
    return True


def read_distribution(field: Field, value: object) -> Distribution:
    """What a file says of a field. Raises :class:`InputError` for what is no distribution of values of its kind."""
    if isinstance(value, dict):
        return _read_table(field, value)
    if isinstance(value, list) and any(isinstance(part, dict) for part in value):
        if field.item:
            raise field.wrong(value, "a number or a distribution")
        return _read_parts(field, value)
    return Constant(_value(field, value))


def _value(field: Field, value: object) -> Any:
    """A value of the field itself."""
    if field.item:
        return (WHOLE if field.whole else NUMBER).checked(value, field.spoken)
    read = value_of(field.file, field.place, value, ".".join(field.at))
    if field.kind.file == "input":
        field.files[field.at] = read
    return read


def _read_parts(field: Field, value: list[Any]) -> Distribution:
    sample = tuple(1 if field.whole else 1.0 for _ in value)
    if not _reads(field.kind, sample):
        raise field.wrong(value, f"parts of {field.kind.expected}")
    base = field.base if isinstance(field.base, tuple) and len(field.base) == len(value) else (None,) * len(value)
    parts = []
    for number, (part, of_base) in enumerate(zip(value, base, strict=True)):
        at = (*field.at[:-1], f"{field.at[-1]}[{number}]")
        parts.append(read_distribution(field._replace(base=of_base, at=at, item=True), part))
    return Parts(tuple(parts))


def _read_table(field: Field, table: dict[str, Any]) -> Distribution:
    names = [key for key in table if key in KINDS]
    if len(names) != 1:
        raise field.wrong(table, f"a value, or one of {', '.join(KINDS)}")
    name = names[0]
    read, extra, numbers = KINDS[name]
    for key in table:
        if key != name and key not in extra:
            raise unknown(f"{field.spoken}.{key}", key, [name, *extra])
    if numbers and not field.numeric:
        raise field.wrong(table, f"another distribution: {name} gives numbers, and this is {field.kind.expected}")
    found = read(field, table)
    whole = numbers and field.whole and not isinstance(found, (Range, Poisson))
    return Rounded(found) if whole else found


# ---- the kinds --------------------------------------------------------------------------------------------


def _constant(field: Field, table: dict[str, Any]) -> Distribution:
    return Constant(_value(field, table["constant"]))


def _several_values(field: Field, key: str, values: object) -> tuple[Any, ...]:
    if not isinstance(values, list) or not values:
        raise field.wrong(values, "a list of one or more values")
    return tuple(_value(field._replace(at=(*field.at, key, str(i))), value) for i, value in enumerate(values))


def _list(field: Field, table: dict[str, Any]) -> Distribution:
    return Listed(_several_values(field, "list", table["list"]))


def _choice(field: Field, table: dict[str, Any]) -> Distribution:
    values = _several_values(field, "choice", table["choice"])
    said = table.get("weights", [1.0] * len(values))
    weights = _numbers(field, said, "weights", len(values), "as many numbers of 0 or more as values")
    if min(weights) < 0.0 or not sum(weights) > 0.0:
        raise field.wrong(said, "weights of 0 or more whose sum is positive")
    return Choice(values, weights)


def _range(field: Field, table: dict[str, Any]) -> Distribution:
    said = table["range"]
    if not isinstance(said, list) or len(said) != 2:
        raise field.wrong(said, "two whole numbers, first and last")
    first, last = (WHOLE.checked(value, field.spoken) for value in said)
    if first > last:
        raise field.wrong(said, "the first not above the last")
    return Range(first, last)


def _uniform(field: Field, table: dict[str, Any]) -> Distribution:
    low, high = _numbers(field, table["uniform"], "uniform", 2, "two finite numbers, low and high")
    if low > high:
        raise field.wrong(table["uniform"], "low not above high")
    return Uniform(low, high)


def _limits(field: Field, table: dict[str, Any], least: float) -> tuple[float, float]:
    ends = [
        end if key not in table else NUMBER.checked(table[key], f"{field.spoken}.{key}")
        for key, end in (("least", least), ("most", math.inf))
    ]
    if not ends[0] < ends[1]:
        raise field.wrong(table, "least below most")
    return ends[0], ends[1]


def _normal(field: Field, table: dict[str, Any]) -> Distribution:
    mean, rms = _numbers(field, table["normal"], "normal", 2, "two finite numbers, mean and rms")
    least, most = _limits(field, table, -math.inf)
    _check_rms(field, table, rms)
    if rms > 0.0 and not part_between((least - mean) / rms, (most - mean) / rms) > 0.0:
        raise field.wrong(table, "limits that leave some of the values")
    return Normal(mean, rms, least, most)


def _log_normal(field: Field, table: dict[str, Any]) -> Distribution:
    mean, rms = _numbers(field, table["log_normal"], "log_normal", 2, "two finite numbers, mean and rms")
    least, most = _limits(field, table, 0.0)
    _check_rms(field, table, rms)
    if not mean > 0.0 or not most > 0.0:
        raise field.wrong(table, "a mean above 0, and most above 0")
    found = LogNormal(mean, rms, least, most)
    # The rms may be such that nothing but the limits themselves would come out.
    ends = {found.draw(Randomness(0, shot), "limits") for shot in range(4)} if rms > 0.0 else {mean}
    if rms > 0.0 and len(ends) == 1:
        raise field.wrong(table, "limits that leave some of the values")
    return found


def _check_rms(field: Field, table: dict[str, Any], rms: float) -> None:
    if rms < 0.0:
        raise field.wrong(table, "an rms of 0 or more")


def _poisson(field: Field, table: dict[str, Any]) -> Distribution:
    mean = NUMBER.checked(table["poisson"], f"{field.spoken}.poisson")
    if not 0.0 <= mean <= MOST_MEAN:
        raise field.wrong(table, f"a mean from 0 to {MOST_MEAN:g}")
    return Poisson(mean)


def _start(field: Field, table: dict[str, Any]) -> Distribution:
    if "step" not in table:
        raise field.wrong(table, "a start and a step")
    return Sweep(*(NUMBER.checked(table[key], f"{field.spoken}.{key}") for key in ("start", "step")))


def _table(field: Field, table: dict[str, Any]) -> Distribution:
    name = NAME.checked(table["table"], f"{field.spoken}.table")
    if "column" not in table:
        raise field.wrong(table, "the column of the table")
    column = NAME.checked(table["column"], f"{field.spoken}.column")
    path = field.files[(*field.at, "table")] = beside(field.file, name)
    values = read_column(path, column, field.spoken)
    rows = Rows(values, FLAG.checked(table.get("draw", False), f"{field.spoken}.draw"), name)
    if not isinstance(values[0], tuple) and not field.numeric:
        raise field.wrong(table, f"rows of {field.kind.expected}")
    if isinstance(values[0], tuple) and not (not field.item and _reads(field.kind, values[0])):
        raise field.wrong(table, f"a column of {field.kind.expected}")
    return Rounded(rows) if field.whole and not isinstance(values[0], tuple) else rows


def _orientations(field: Field, table: dict[str, Any]) -> Distribution:
    if field.place.name != "crystal.misset" or field.item:
        raise field.wrong(table, "orientations in ensemble.crystal.misset only")
    if table["orientations"] != "uniform":
        raise field.wrong(table["orientations"], "uniform")
    return Orientations()


def _changed(key: str) -> Callable[[Field, dict[str, Any]], Distribution]:
    def read(field: Field, table: dict[str, Any]) -> Distribution:
        parts = field.base if isinstance(field.base, tuple) else (field.base,)
        if not all(isinstance(part, (int, float)) and not isinstance(part, bool) for part in parts):
            raise field.wrong(table, f"{key} where {field.place.name} itself is said and a number, or several")
        # What is added to a whole number is rounded after it was added.
        change = read_distribution(field._replace(at=(*field.at, key), place=_NUMBER, item=True, base=None), table[key])
        found = Changed(field.base, change, multiply=key == "multiply")
        return Rounded(found) if field.whole else found

    return read


def _numbers(field: Field, said: object, key: str, count: int, expected: str) -> tuple[float, ...]:
    if not isinstance(said, list) or len(said) != count:
        raise InputError(f"{field.spoken}.{key}: found {shown(said)}, expected {expected}")
    return tuple(NUMBER.checked(value, f"{field.spoken}.{key}") for value in said)


class _KindRow(NamedTuple):
    read: Callable[[Field, dict[str, Any]], Distribution]
    extra: tuple[str, ...] = ()
    numbers: bool = True
    """It gives numbers."""


KINDS = {
    "constant": _KindRow(_constant, numbers=False),
    "list": _KindRow(_list, numbers=False),
    "choice": _KindRow(_choice, ("weights",), numbers=False),
    "range": _KindRow(_range),
    "uniform": _KindRow(_uniform),
    "normal": _KindRow(_normal, ("least", "most")),
    "log_normal": _KindRow(_log_normal, ("least", "most")),
    "poisson": _KindRow(_poisson),
    "start": _KindRow(_start, ("step",)),
    "table": _KindRow(_table, ("column", "draw"), numbers=False),
    "orientations": _KindRow(_orientations, numbers=False),
    "add": _KindRow(_changed("add"), numbers=False),
    "multiply": _KindRow(_changed("multiply"), numbers=False),
}
"""By the key that says which distribution it is."""
