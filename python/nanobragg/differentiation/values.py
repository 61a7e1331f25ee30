"""Experiments with other values of their parameters, by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from nanobragg.differentiation.fields import material_of, with_said
from nanobragg.differentiation.names import Target, targets_of
from nanobragg.differentiation.point import Point, point_of
from nanobragg.differentiation.systems import followed, whole_cell
from nanobragg.errors import InputError
from nanobragg.records.experiment import Experiment
from nanobragg.records.fields import checked
from nanobragg.resolver.crystal import cell_constants

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray


def with_values(experiment: Experiment, values: Mapping[str, ArrayLike]) -> Experiment:
    """The experiment with other values of some of its parameters.

    Args:
        experiment: what is simulated; it stays what it is.
        values: by the names of :func:`nanobragg.derivatives.parameters`; in the units of the fields, of the parameter's
            shape. A free number of a cell (``crystal.cell.cubic.a``) is the value of all that are equal to it.

    Raises:
        InputError: for a name that there is not, a value of another shape, and values that a field cannot have.

    """
    if not isinstance(values, Mapping):
        raise InputError(f"values: found {values!r}, expected a mapping of names to values")
    point = point_of(experiment, around=True)
    return checked(Experiment, replaced(experiment, targets_of(list(values), point), list(values.values()), point))


def replaced(
    experiment: Experiment, targets: Sequence[Target], values: Sequence[ArrayLike], point: Point
) -> Experiment:
    """The experiment with a value for each target; ``point`` is where its names were looked up."""
    for target, value in zip(targets, values, strict=True):
        numbers = _numbers(target, value)
        if numbers.shape != target.shape:
            raise InputError(
                f"{target.name}: found values of shape {numbers.shape}, expected {target.shape or 'one number'}"
            )
        if target.row.kind == "move":
            experiment = _moved(experiment, target, numbers, point)
        elif target.row.kind == "material":
            experiment = _with_material(experiment, target, float(numbers))
        elif target.row.name == "crystal.structure_factors":
            experiment = _with_factors(experiment, target, numbers, point)
        else:
            experiment = _with_field(experiment, target, numbers)
    return experiment


def _numbers(target: Target, value: ArrayLike) -> NDArray[np.float64]:
    try:
        return np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError) as error:
        expected = "numbers" if target.shape else "a number"
        raise InputError(f"{target.name}: found {value!r}, expected {expected}") from error


def _with_field(experiment: Experiment, target: Target, numbers: NDArray[np.float64]) -> Experiment:
    name, now = target.row.name, None
    if target.row.kind != "sensor":  # which is one number
        part, _, field = name.partition(".")
        now = getattr(getattr(experiment, part), field)
    # What an earlier target changed is in the record; what nobody said is in the parameter.
    if name == "crystal.cell" and now is not None and not target.whole:
        return with_said(experiment, {name: _cell(now, target, float(numbers))})
    value = _set(target.parameter.value if _is_another(now, target) else now, target, numbers)
    return with_said(experiment, {name: value})


def _cell(now: Sequence[float], target: Target, value: float) -> tuple[float, ...]:
    """A cell with another number; ``now``: what an earlier target may have made a whole one."""
    index = target.numbers[0].index
    if target.name.startswith("crystal.cell."):
        new = list(whole_cell(now))
    else:
        new = list(now)
        index = (*index, *(i for i in followed(target.parameter.value, *index) if i < len(new) and new[i] > 0.0))
    for i in index:
        new[i] = value
    return tuple(new)


def _is_another(now: Any, target: Target) -> bool:
    """Whether a field holds nothing, or fewer numbers than the parameter has."""
    return now is None or isinstance(now, str) or np.shape(now) != target.parameter.shape


def _set(now: Any, target: Target, numbers: NDArray[np.float64]) -> Any:
    if target.parameter.shape == ():
        return float(numbers)
    new = list(now)
    if target.whole:
        return tuple(numbers.tolist())
    for index in target.numbers[0].index:
        new[index] = float(numbers)
    return tuple(new)


def _moved(experiment: Experiment, target: Target, numbers: NDArray[np.float64], point: Point) -> Experiment:
    """With another move of a panel or a group; where it has none, one more at the end."""
    assert point.path is not None
    name, _, field = target.row.name.rpartition(".")
    subject = point.path.subjects[name]
    moves = list(experiment.detector.moves or ())
    number = subject.number_in(moves)
    if number == len(moves):
        moves.append(subject.move)
    value = _set(getattr(moves[number], field), target, numbers)
    moves[number] = replace(moves[number], **{field: value})
    return replace(experiment, detector=replace(experiment.detector, moves=tuple(moves)))


def _with_material(experiment: Experiment, target: Target, number: float) -> Experiment:
    index, field = material_of(target.row.name)
    materials = list(experiment.around.materials or ())
    changed: dict[str, Any] = {field: number}
    materials[index] = replace(materials[index], **changed)
    return replace(experiment, around=replace(experiment.around, materials=tuple(materials)))


def _with_factors(experiment: Experiment, target: Target, numbers: NDArray[np.float64], point: Point) -> Experiment:
    """With a list of all structure factors of the grid instead of a file."""
    grid = point.grid.values.copy()
    if target.whole:
        grid = numbers
    else:
        grid[tuple(i - low for i, low in zip(target.numbers[0].index, point.grid.minimum, strict=True))] = numbers
    indices = np.indices(grid.shape).reshape(3, -1).T + point.grid.minimum
    crystal = replace(
        experiment.crystal,
        structure_factors=np.column_stack([indices.astype(np.float64), grid.ravel()]),
        sf_column=None,
        sf_block=None,
        sf_group=None,
    )
    if crystal.cell is None and crystal.matrix is None:  # it came with the file
        lattice = point.crystal.lattice
        crystal = replace(crystal, cell=cell_constants(lattice.a, lattice.b, lattice.c))
    return replace(experiment, crystal=crystal)
