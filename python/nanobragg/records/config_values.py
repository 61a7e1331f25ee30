"""What a value in a TOML file may be, by the type of the field that it sets (``specs/config.md``)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from nanobragg.errors import InputError


class Mismatch(Exception):
    """The value is not of the kind."""


@dataclass(frozen=True)
class Kind:
    """A kind of value: what it is in words, and how it is read."""

    expected: str
    read: Callable[[object], Any]
    """The value as the field holds it. Raises :class:`Mismatch`."""


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise Mismatch
    try:
        return float(value)
    except OverflowError:
        raise Mismatch from None


def _whole(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not -(2**63) <= value < 2**64:
        raise Mismatch
    return value


def _natural(value: object) -> int:
    number = _whole(value)
    if number < 0:
        raise Mismatch
    return number


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise Mismatch
    return value


def _string(value: object) -> str:
    if not isinstance(value, str):
        raise Mismatch
    return value


def _device(value: object) -> str:
    from nanobragg.rendering.devices import check_device

    try:
        return check_device(value)
    except InputError:
        raise Mismatch from None


def _unset_or(read: Callable[[object], Any]) -> Callable[[object], Any]:
    return lambda value: None if value == "unset" else read(value)


def _several(read: Callable[[object], Any], least: int, most: int | None = None) -> Callable[[object], Any]:
    def read_list(value: object) -> tuple[Any, ...]:
        if not isinstance(value, list) or not least <= len(value) <= (least if most is None else most):
            raise Mismatch
        return tuple(read(v) for v in value)

    return read_list


def either(one: Callable[[object], Any], other: Callable[[object], Any]) -> Callable[[object], Any]:
    """A reader that tries one, and where that is a :class:`Mismatch` the other."""

    def read_either(value: object) -> Any:
        try:
            return one(value)
        except Mismatch:
            return other(value)

    return read_either


def _exactly(*names: str) -> Callable[[object], str]:
    def read(value: object) -> str:
        if not isinstance(value, str) or value not in names:
            raise Mismatch
        return value

    return read


def _choice(*names: str) -> Kind:
    quoted = [f'"{name}"' for name in names]
    return Kind(", ".join(quoted[:-1]) + " or " + quoted[-1], _exactly(*names))


_NUMBER = Kind("a number", _number)
_WHOLE = Kind("a whole number", _whole)
_FLAG = Kind("true or false", _flag)
_FILE = Kind("the name of a file", _string)
_PIXEL = Kind("two whole numbers, 0 or more", _several(_natural, 2))
_VECTOR = _several(_number, 3)

KINDS: dict[str, Kind] = {
    "float": _NUMBER,
    "float | None": _NUMBER,
    "int": Kind("a whole number, 0 or more", _natural),
    "int | None": _WHOLE,
    "bool": _FLAG,
    "bool | None": _FLAG,
    "Vector | None": Kind("three numbers", _VECTOR),
    "Vector | Literal['random'] | None": Kind('three numbers or "random"', either(_VECTOR, _exactly("random"))),
    "PathOrArray | None": _FILE,
    "str | os.PathLike[str] | None": _FILE,
    "Device": Kind("cpu, cuda, cuda:NUMBER or auto", _device),
    "str | None": Kind("the name of a file, or false for none", _string),
    "Sequence[float] | None": Kind("one to six numbers", _several(_number, 1, 6)),
    "int | tuple[int, int, int]": Kind("a whole number or three", either(_whole, _several(_whole, 3))),
    "float | tuple[float | None, float | None, float | None] | None": Kind(
        'a number, or three of which some may be "unset"', either(_number, _several(_unset_or(_number), 3))
    ),
    "tuple[int | None, int | None] | None": Kind(
        'two whole numbers of which some may be "unset"', _several(_unset_or(_whole), 2)
    ),
    "tuple[float | None, float | None] | None": Kind(
        'two numbers of which some may be "unset"', _several(_unset_or(_number), 2)
    ),
    "tuple[int, int, int, int] | None": Kind("four whole numbers", _several(_whole, 4)),
    "tuple[int, int] | None": _PIXEL,
    "ColumnName | None": Kind("the name of a column", _string),
    "Rings | None": Kind('"auto" or resolutions separated by commas', _string),
    "CrystalShape": _choice("square", "round", "gauss", "tophat"),
    "Convention | None": _choice("mosflm", "xds", "adxv", "denzo", "dials", "custom"),
    "Pivot | None": _choice("beam", "sample"),
    "Literal['exact', 'fast']": _choice("exact", "fast"),
    "Literal['double', 'mixed']": _choice("double", "mixed"),
}
"""By the annotation of the field, as it is written in ``experiment.py`` and ``run.py``."""
