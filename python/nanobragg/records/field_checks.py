"""What the fields of an Experiment may hold, by their annotations: whatever is wrong is named before it is used."""

from __future__ import annotations

import math
import operator
import os
from collections.abc import Callable
from dataclasses import fields, replace
from functools import cache
from typing import TYPE_CHECKING, Any

from nanobragg.errors import InputError
from nanobragg.records.config_values import Mismatch, either

if TYPE_CHECKING:
    from nanobragg.inputs.options import Option
    from nanobragg.records.experiment import Experiment

Check = Callable[[Any], Any]
"""Gives the value as the resolver takes it. Raises :class:`Mismatch`."""

_MAY_BE_INFINITE = "attenuation_depth"


_OPTIONS = {
    "beam.wavelength": "-lambda",
    "beam.energy": "-energy",
    "crystal.cell": "-cell",
    "crystal.cells": "-N",
    "crystal.misset": "-misset",
    "detector.header": "-img",
}
"""Of fields whose options do more than to set them."""


def _number(value: Any) -> float:
    if isinstance(value, (str, bytes, bytearray)) or not hasattr(value, "__float__"):
        raise Mismatch
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        raise Mismatch from None


def _finite(value: Any) -> float:
    number = _number(value)
    if not math.isfinite(number):
        raise Mismatch
    return number


def _depth(value: Any) -> float:
    number = _number(value)
    if math.isnan(number):
        raise Mismatch
    return number


def _whole(value: Any) -> int:
    try:
        return operator.index(value)
    except TypeError:
        raise Mismatch from None


def _flag(value: Any) -> bool:
    if type(value).__name__ not in ("bool", "bool_"):  # NumPy's, too
        raise Mismatch
    return bool(value)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise Mismatch
    return value


def _path(value: Any) -> Any:
    if not isinstance(value, (str, os.PathLike)):
        raise Mismatch
    return value


def _path_or_array(value: Any) -> Any:
    if isinstance(value, (str, os.PathLike)) or hasattr(value, "__array__") or isinstance(value, (list, tuple)):
        return value
    raise Mismatch


def _unset_or(check: Check) -> Check:
    return lambda value: None if value is None else check(value)


def _several(check: Check, least: int, most: int | None = None) -> Check:
    def several(value: Any) -> tuple[Any, ...]:
        if isinstance(value, (str, bytes, bytearray)):
            raise Mismatch
        try:
            values = tuple(value)
        except TypeError:
            raise Mismatch from None
        if not least <= len(values) <= (least if most is None else most):
            raise Mismatch
        return tuple(check(v) for v in values)

    return several


_VECTOR = _several(_finite, 3)
_KINDS: dict[str, tuple[str, Check]] = {
    "float": ("a finite number", _finite),
    "int": ("a whole number", _whole),
    "bool": ("True or False", _flag),
    "Vector": ("three finite numbers", _VECTOR),
    "Vector | Literal['random']": ("three finite numbers or 'random'", either(_text, _VECTOR)),
    "PathOrArray": ("the name of a file or an array", _path_or_array),
    "str | os.PathLike[str]": ("the name of a file", _path),
    "str": ("a text", _text),
    "Sequence[float]": ("one to six finite numbers", _several(_finite, 1, 6)),
    "int | tuple[int, int, int]": ("a whole number or three", either(_whole, _several(_whole, 3))),
    "float | tuple[float | None, float | None, float | None]": (
        "a finite number, or three of which some may be None",
        either(_finite, _several(_unset_or(_finite), 3)),
    ),
    "tuple[int | None, int | None]": (
        "two whole numbers of which some may be None",
        _several(_unset_or(_whole), 2),
    ),
    "tuple[float | None, float | None]": (
        "two finite numbers of which some may be None",
        _several(_unset_or(_finite), 2),
    ),
    "tuple[int, int, int, int]": ("four whole numbers", _several(_whole, 4)),
    "ColumnName": ("the name of a column", _text),
    "CrystalShape": ("'square', 'round', 'gauss' or 'tophat'", _text),
    "Convention": ("'mosflm', 'xds', 'adxv', 'denzo', 'dials' or 'custom'", _text),
    "Pivot": ("'beam' or 'sample'", _text),
}
"""What is expected, in words, and how it is looked at: by the annotation in ``experiment.py``."""


@cache
def _table(group: type) -> tuple[tuple[str, bool, str, Check], ...]:
    """For each field: its name, whether it may be ``None``, what is expected, and the check."""
    rows = []
    for field in fields(group):
        optional = field.type.endswith(" | None")  # type: ignore[union-attr]
        expected, check = _KINDS[str(field.type).removesuffix(" | None")]
        if field.name == _MAY_BE_INFINITE:
            expected, check = "a number", _depth
        rows.append((field.name, optional, expected, check))
    return tuple(rows)


def checked(experiment: Experiment) -> Experiment:
    """The experiment with every value of the type that its field has: NumPy's numbers and lists become Python's.

    Raises:
        InputError: naming the first field whose value is of another kind, or not finite.

    """
    from nanobragg.records.experiment import Beam, Crystal, Detector, Sampling

    groups: dict[str, Any] = {}
    for name, kind in (("beam", Beam), ("crystal", Crystal), ("detector", Detector), ("sampling", Sampling)):
        group = getattr(experiment, name, None)
        if not isinstance(group, kind):
            raise InputError(f"{name}: found {_shown(group)}, expected a {kind.__name__}")
        groups[name] = _checked_group(name, group)
    if not isinstance(experiment.quirks, str):
        raise InputError(f"quirks: found {_shown(experiment.quirks)}, expected a text")
    if all(groups[name] is getattr(experiment, name) for name in groups):
        return experiment
    return replace(experiment, **groups)


def _checked_group(name: str, group: Any) -> Any:
    changed = {}
    for field, optional, expected, check in _table(type(group)):
        value = getattr(group, field)
        if value is None and optional:
            continue
        try:
            read = check(value)
        except Mismatch:
            raise InputError(f"{_named(f'{name}.{field}')}: found {_shown(value)}, expected {expected}") from None
        if read is not value:
            changed[field] = read
    return replace(group, **changed) if changed else group


def _named(field: str) -> str:
    """The field, and the option of the command line that sets it."""
    from nanobragg.inputs.options import OPTIONS

    if field in _OPTIONS:
        return f"{_OPTIONS[field]} ({field})"
    setters = [option for option in OPTIONS if any(s == field or s.startswith(f"{field}.") for s in option.sets)]

    def distance(option: Option) -> tuple[bool, int]:
        """One that sets nothing else; of those for parts of the field, one that sets them all."""
        part = field not in option.sets
        return part, -len(option.sets) if part else len(option.sets)

    closest = min(setters, key=distance, default=None)
    return field if closest is None else f"{closest.names[0]} ({field})"


def _shown(value: object) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= 80 else text[:77] + "..."
