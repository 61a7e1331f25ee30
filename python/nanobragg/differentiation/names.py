"""Names of parameters, as users write them: a field, with an index where it holds several numbers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from nanobragg.differentiation.fields import ROWS, Parameter, Row, known
from nanobragg.differentiation.systems import free_number, whole_cell
from nanobragg.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nanobragg.differentiation.point import Point

_NAME = re.compile(r"(?P<field>\w+\.\w+)(?:\[(?P<index>[^\]]*)\])?(?:\.(?P<rest>\w+\.\w+))?")


class Chosen(NamedTuple):
    """One number to differentiate by."""

    name: str
    """As it was written."""
    row: Row
    parameter: Parameter
    index: tuple[int, ...]
    """Which numbers of a field move, where it has several; h, k, l of a structure factor."""


def choose(names: Sequence[str], point: Point) -> list[Chosen]:
    """The numbers that have these names.

    Raises:
        InputError: naming the first that there is not, what was found and what was expected.

    """
    if isinstance(names, str):
        raise InputError(f"names: found the text {names!r}, expected a list of names")
    there = known(point)
    return [_chosen(name, there, point) for name in names]


def _chosen(name: str, there: dict[str, tuple[Row, Parameter]], point: Point) -> Chosen:
    match = _NAME.fullmatch(name) if isinstance(name, str) else None
    if match is None or match["field"] not in {row.name for row in ROWS}:
        fields = ", ".join(there)
        raise InputError(f"{name}: found no parameter of this name, expected one of {fields}")
    if match["field"] not in there:
        raise InputError(
            f"{name}: found that the image of this experiment does not depend on it, or not smoothly (it is not said, "
            f"or has no effect), expected one of {', '.join(there)}"
        )
    row, parameter = there[match["field"]]
    if match["rest"] is not None:
        if row.name != "crystal.cell" or match["index"] is not None:
            raise InputError(f"{name}: found {match['rest']} after a field, expected it after crystal.cell")
        whole = free_number(name, match["rest"], whole_cell(parameter.value))
        return Chosen(name, row, parameter, tuple(i for i in whole if i < len(parameter.value)))
    return Chosen(name, row, parameter, _index(name, match["index"], parameter, point))


def _index(name: str, given: str | None, parameter: Parameter, point: Point) -> tuple[int, ...]:
    several = parameter.shape != ()
    if given is None:
        if several:
            raise InputError(
                f"{name}: found {_numbers(parameter)}, expected one of them, such as {_example(parameter)}"
            )
        return ()
    try:
        index = tuple(int(word) for word in given.split(","))
    except ValueError:
        index = ()
    if len(index) != max(len(parameter.shape), 0) or not several:
        expected = f"one such as {_example(parameter)}" if several else f"{parameter.name} without an index"
        raise InputError(f"{name}: found the index [{given}], expected {expected}")
    lowest = point.grid.minimum if len(index) == 3 else (0,)
    inside = all(0 <= i - low < n for i, low, n in zip(index, lowest, parameter.shape, strict=True))
    if not inside:
        raise InputError(f"{name}: found an index that is outside of its {_numbers(parameter)}, expected one inside")
    return index


def _numbers(parameter: Parameter) -> str:
    return " x ".join(map(str, parameter.shape)) + " numbers"


def _example(parameter: Parameter) -> str:
    return f"{parameter.name}[{'h,k,l' if len(parameter.shape) == 3 else 0}]"
