"""Names of parameters, as users write them: a field, with an index where it holds several numbers."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from nanobragg.differentiation.fields import MOVES, PROPORTIONAL, ROWS, SENSORS, Parameter, Row, known, sensor_rows
from nanobragg.differentiation.systems import free_number, whole_cell
from nanobragg.errors import InputError

if TYPE_CHECKING:
    from nanobragg.differentiation.point import Point

_NAME = re.compile(
    rf"(?P<field>\w+\.\w+(?:\[.*\]\.(?:{'|'.join((*MOVES, *SENSORS, *PROPORTIONAL))}))?)"
    r"(?:\[(?P<index>[^\]]*)\])?(?:\.(?P<rest>\w+\.\w+))?"
)

_PANEL = re.compile(r"detector\.panels\[(.+)\]\.(\w+(?:\[\d+\])?)")


class Chosen(NamedTuple):
    """One number to differentiate by."""

    name: str
    """As it was written."""
    row: Row
    parameter: Parameter
    index: tuple[int, ...]
    """Which numbers of a field move, where it has several; h, k, l of a structure factor."""


class Target(NamedTuple):
    """What a name stands for: one number, or all of a field."""

    name: str
    row: Row
    parameter: Parameter
    whole: bool
    """Whether it is a field of several numbers, all of them."""
    numbers: tuple[Chosen, ...]
    """One by one; none of structure factors as a whole, which are many."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of its value, and of the derivatives by it."""
        return self.parameter.shape if self.whole else ()

    @property
    def of_grid(self) -> bool:
        """Whether the grid of structure factors changes with it."""
        return self.row.name in ("crystal.structure_factors", "crystal.default_F")


def targets_of(names: Iterable[str] | None, point: Point) -> list[Target]:
    """What these names stand for; without an index, a field of several numbers stands for all. ``None``: all names.

    Raises:
        InputError: as :func:`choose` does.

    """
    there = known(point)
    found = []
    for name in there if names is None else _list(names):
        row, parameter = there.get(_by_number(name, point), (None, None))
        if row is None or parameter is None:
            one = _chosen(name, there, point)
            found.append(Target(name, one.row, one.parameter, False, (one,)))
        elif not parameter.shape:
            found.append(Target(name, row, parameter, False, (Chosen(name, row, parameter, ()),)))
        else:
            many = range(parameter.shape[0]) if len(parameter.shape) == 1 else ()
            numbers = tuple(Chosen(f"{name}[{i}]", row, parameter, (i,)) for i in many)
            found.append(Target(name, row, parameter, True, numbers))
    return found


def choose(names: Iterable[str], point: Point) -> list[Chosen]:
    """The numbers that have these names.

    Raises:
        InputError: naming the first that there is not, what was found and what was expected.

    """
    there = known(point)
    return [_chosen(name, there, point) for name in _list(names)]


def _by_number(name: str, point: Point) -> str:
    """A name with its panel's number, where it has its name: ``detector.panels[left].shift[0]``. A number is one also
    where another panel has it for its name: it is what :func:`known` calls that panel.
    """
    match = _PANEL.fullmatch(name)
    if match is None or point.path is None:
        return name
    names = [panel.name for panel in point.scene.panels]
    by_name = match[1] in names and match[1] not in map(str, range(len(names)))
    return f"detector.panels[{names.index(match[1])}].{match[2]}" if by_name else name


def _list(names: Iterable[str]) -> list[str]:
    """All of them; what can be gone through only once is, here."""
    if isinstance(names, str):
        raise InputError(f"names: found the text {names!r}, expected a list of names")
    if not isinstance(names, Iterable):
        raise InputError(f"names: found {names!r}, expected a list of names")
    every = list(names)
    for name in every:
        if not isinstance(name, str):
            raise InputError(f"names: found {name!r} among them, expected texts")
    return every


def _chosen(name: str, there: dict[str, tuple[Row, Parameter]], point: Point) -> Chosen:
    match = _NAME.fullmatch(_by_number(name, point))
    if match is None or match["field"] not in {*there, *(row.name for row in (*ROWS, *sensor_rows(point)))}:
        raise InputError(f"{name}: found no parameter of this name, expected one of {_names(there)}")
    if match["field"] not in there:
        raise InputError(
            f"{name}: found that the image of this experiment does not depend on it, or not smoothly (it is not said, "
            f"or has no effect), expected one of {_names(there)}"
        )
    row, parameter = there[match["field"]]
    if match["rest"] is not None:
        if row.name != "crystal.cell" or match["index"] is not None:
            raise InputError(f"{name}: found {match['rest']} after a field, expected it after crystal.cell")
        cell = whole_cell(parameter.value)
        index = free_number(name, match["rest"], cell)
        return Chosen(name, row, replace(parameter, value=cell, shape=(6,)), index)
    return Chosen(name, row, parameter, _index(name, match["index"], parameter, point))


def _names(there: dict[str, tuple[Row, Parameter]]) -> str:
    """All names; of what panels have, which are many, those of the first one."""
    moves = [name for name, (row, _) in there.items() if row.kind in ("move", "sensor")]
    few = {name for name in moves if not name.startswith(("detector.panels[0]", "detector.groups"))}
    return ", ".join(name for name in there if name not in few) + (", ..." if few else "")


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
