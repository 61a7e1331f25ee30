"""Unit cells with fewer free numbers than six: those of the seven crystal systems."""

from __future__ import annotations

from collections.abc import Sequence

from nanobragg.errors import InputError

SYSTEMS: dict[str, dict[str, tuple[int, ...]]] = {
    "triclinic": {"a": (0,), "b": (1,), "c": (2,), "alpha": (3,), "beta": (4,), "gamma": (5,)},
    "monoclinic": {"a": (0,), "b": (1,), "c": (2,), "beta": (4,)},
    "orthorhombic": {"a": (0,), "b": (1,), "c": (2,)},
    "tetragonal": {"a": (0, 1), "c": (2,)},
    "rhombohedral": {"a": (0, 1, 2), "alpha": (3, 4, 5)},
    "hexagonal": {"a": (0, 1), "c": (2,)},
    "cubic": {"a": (0, 1, 2)},
}
"""The free numbers of each, and which of a, b, c, α, β, γ each of them is."""

_FIXED = {"hexagonal": (90.0, 90.0, 120.0)}


def whole_cell(said: Sequence[float]) -> tuple[float, ...]:
    """All six numbers (Å, degrees), with the defaults of those that are not said."""
    six = [*said, *[0.0] * (6 - len(said))]
    lengths = [six[0], *(length if length > 0.0 else six[0] for length in six[1:3])]
    return (*lengths, *(angle if angle > 0.0 else 90.0 for angle in six[3:]))


def followed(said: Sequence[float], number: int) -> tuple[int, ...]:
    """Which numbers of the whole cell change with one that is said: none with one that is left out, as 0 is."""
    if not said[number] > 0.0:
        return ()
    return (number, *(i for i in (1, 2) if number == 0 and (i >= len(said) or not said[i] > 0.0)))


def belongs_to(cell: Sequence[float], system: str) -> bool:
    """Whether a whole cell has the shape of a crystal system."""
    free = SYSTEMS[system]
    fixed = _FIXED.get(system, (90.0, 90.0, 90.0))
    for numbers in free.values():
        if any(cell[i] != cell[numbers[0]] for i in numbers):
            return False
    moving = {i for numbers in free.values() for i in numbers}
    return all(cell[3 + i] == fixed[i] for i in range(3) if 3 + i not in moving)


def free_number(name: str, rest: str, cell: Sequence[float]) -> tuple[int, ...]:
    """Which of the cell's numbers a free one is (``tetragonal.a``).

    Raises :class:`InputError` for one that does not exist, or a cell of another shape.
    """
    system, _, free = rest.partition(".")
    if free not in SYSTEMS.get(system, {}):
        known = ", ".join(f"{s}.{n}" for s, numbers in SYSTEMS.items() for n in numbers)
        raise InputError(f"{name}: found no such number of a cell, expected one of {known}")
    if not belongs_to(cell, system):
        raise InputError(f"{name}: found the cell {' '.join(f'{v:g}' for v in cell)}, expected a {system} one")
    return SYSTEMS[system][free]
