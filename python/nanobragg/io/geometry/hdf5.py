"""Groups, paths, numbers with units, and chains of transformations of NeXus files (``specs/formats.md``).

What the HDF5 library says of a damaged item never gets further than this module: :class:`Unusable` has our own words.
"""

from __future__ import annotations

import math
import posixpath
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from nanobragg.errors import InputError
from nanobragg.io.geometry.units import DEGREES, MILLIMETRES
from nanobragg.maths.rotations import rotation

if TYPE_CHECKING:
    from numpy.typing import NDArray

Value = TypeVar("Value")

ASSUMED = "assumed"
"""An attribute of what we write only because readers ask for it."""
_MOST_STEPS = 64
_MOST_PIXELS = 1_000_000
"""along an edge"""
_MOST_VALUES = 10_000_000
"""Values of an item that is read whole; images are not."""
_FAILURES = (OSError, KeyError, TypeError, ValueError, RuntimeError, AttributeError, IndexError, OverflowError)
"""What h5py and NumPy raise for items that cannot be read."""


class Unusable(Exception):
    """A sentence, without the name of the file, on an item that cannot be used."""


class NoDetector(InputError):
    """An HDF5 file that describes none."""


def text(value: Any) -> str:
    """A string of an attribute or dataset, in whatever form it was written."""
    while isinstance(value, (list, tuple, np.ndarray)):
        found = np.asarray(value, dtype=object).ravel()
        value = found[0] if found.size else ""
    return (value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)).strip()


def attribute(item: Any, key: str, default: str = "") -> str:
    """A text attribute; ``default`` where there is none."""
    try:
        return text(item.attrs[key]) if key in item.attrs else default
    except _FAILURES:
        return default


def is_group(item: Any) -> bool:
    """Whether an item holds others."""
    return hasattr(item, "keys")


def child(group: Any, name: str) -> Any:
    """What a group has under a name or path; ``None`` where there is none or its link leads nowhere."""
    try:
        return group[name] if group is not None and name in group else None
    except _FAILURES:
        return None


def child_said(group: Any, name: str) -> Any:
    """A child as :func:`child` gives it, unless it is only there because readers ask for one."""
    item = child(group, name)
    return None if item is None or attribute(item, ASSUMED) else item


def members(group: Any) -> Iterator[tuple[str, Any]]:
    """Names and items, without links that lead nowhere."""
    for name in group if is_group(group) else ():
        item = child(group, name)
        if item is not None:
            yield name, item


def of_class(group: Any, nx_class: str, *names: str) -> list[Any]:
    """Groups by their NX_class; where none has it, those without any class by the beginning of their name."""
    groups = [(name, item) for name, item in members(group) if is_group(item)]
    found = [item for _, item in groups if attribute(item, "NX_class") == nx_class]
    return found or [
        item for name, item in groups if not attribute(item, "NX_class") and name.startswith(names or "\0")
    ]


def stored(item: Any) -> Any:
    """The value of a dataset. Raises :class:`Unusable` for what would take memory beyond all use."""
    if (getattr(item, "size", None) or 0) > _MOST_VALUES:
        raise Unusable(f"found {item.size} values in {item.name}, expected at most {_MOST_VALUES}")
    return item[()]


def real_numbers(value: Any) -> NDArray[np.float64]:
    """Numbers of a value. Raises :class:`TypeError` for complex ones, and what NumPy raises for anything else."""
    if np.iscomplexobj(value):
        raise TypeError("complex numbers")
    return np.asarray(value, dtype=float)


def numbers(item: Any) -> NDArray[np.float64]:
    """The numbers of a dataset, (n,). Raises :class:`Unusable` for anything else."""
    try:
        values = np.atleast_1d(real_numbers(stored(item))).ravel()
    except _FAILURES as error:
        raise Unusable(f"found no numbers in {item.name}, expected some") from error
    if not values.size or not np.isfinite(values[0]):
        raise Unusable(f"found no number in {item.name}, expected one")
    return values


def whole_numbers(item: Any, least: int) -> tuple[int, ...]:
    """The numbers of a dataset, two or three, that count pixels. Raises :class:`Unusable` for others."""
    values = numbers(item)
    if values.size not in (2, 3) or not ((values >= least) & (values < _MOST_PIXELS)).all():
        found = " ".join(f"{value:g}" for value in values[:4])
        raise Unusable(f"found {found} in {item.name}, expected two or three whole numbers from {least} on")
    return tuple(values.astype(int).tolist())


def quantities(item: Any, units: Mapping[str, float], default: str = "") -> NDArray[np.float64]:
    """The numbers of a dataset in the unit that ``units`` converts to; ``default``: the unit of one without any.

    Raises :class:`Unusable` for units that are not known.
    """
    return numbers(item) * factor_of(item, attribute(item, "units"), units, default)


def factor_of(item: Any, unit: str, units: Mapping[str, float], default: str = "") -> float:
    """What ``unit`` is multiplied with. Raises :class:`Unusable` for one that is not known."""
    known = unit.lower() or default
    if not known:
        return 1.0
    if known not in units:
        raise Unusable(f"found {item.name} in {unit[:40]!r}, expected {', '.join(list(units)[:6])}...")
    return units[known]


def vector_of(item: Any, key: str = "vector") -> NDArray[np.float64]:
    """A vector attribute, (3,). Raises :class:`Unusable` where it has not three numbers."""
    try:
        vector = real_numbers(item.attrs[key]).ravel()
    except _FAILURES as error:
        raise Unusable(f"found no {key} of {item.name}, expected three numbers") from error
    if vector.shape != (3,) or not np.isfinite(vector).all():
        raise Unusable(f"found the {key} {str(vector.tolist())[:60]} of {item.name}, expected three numbers")
    return vector


def direction_of(item: Any) -> NDArray[np.float64]:
    """The unit vector of an axis. Raises :class:`Unusable` where it is none."""
    vector = vector_of(item)
    with np.errstate(over="ignore"):
        length = float(np.linalg.norm(vector))
    if not 0.0 < length < math.inf:
        raise Unusable(f"found a vector of length {length:g} of {item.name}, expected a direction")
    return vector / length


def follow(item: Any, path: str) -> Any:
    """What ``path`` leads to from an item: absolute; relative to the group that holds the item, ``..`` included, or to
    the item if it is a group itself; or, as some write it, relative to a group further out.

    Raises :class:`Unusable` where it leads nowhere.
    """
    if path.startswith("/"):
        folders = ["/"]
    else:
        folders = [item.name] if is_group(item) else []
        folder = item.parent.name
        while folder not in folders:
            folders.append(folder)
            folder = posixpath.dirname(folder)
    for folder in folders:
        for inside in ("", "transformations/"):
            found = child(item.file, posixpath.normpath(posixpath.join(folder, inside, path)))
            if found is not None and not (is_group(found) and inside):
                return found
    raise Unusable(f"found {path!r} as what {item.name} depends on, expected an axis that is there")


def chain(item: Any, path: str | None = None) -> list[Any]:
    """The axes that an item depends on, the innermost first: those of ``path``, or of its depends_on.

    Raises :class:`Unusable` for a chain that leads nowhere, or round and round.
    """
    axes: list[Any] = []
    path = attribute(item, "depends_on", ".") if path is None else path
    while path not in ("", "."):
        item = follow(item, path)
        if len(axes) >= _MOST_STEPS or any(item.name == axis.name for axis in axes):
            raise Unusable(f"found {item.name} twice in a chain of axes, expected an end")
        axes.append(item)
        path = attribute(item, "depends_on", ".")
    return axes


def is_rotation(item: Any) -> bool:
    """Whether an axis turns; by its units where its type is not said."""
    kind = attribute(item, "transformation_type")
    return kind == "rotation" if kind else attribute(item, "units").lower() in DEGREES


def transformation(item: Any) -> NDArray[np.float64]:
    """(4, 4), mm: what one axis does, at the first image. Raises :class:`Unusable` for values without meaning."""
    matrix = np.eye(4)
    turns = is_rotation(item)
    values = quantities(item, DEGREES if turns else MILLIMETRES, "deg" if turns else "m")
    if turns:
        matrix[:3, :3] = rotation(direction_of(item), math.radians(values[0]))
    elif values[0] != 0.0:
        matrix[:3, 3] = values[0] * direction_of(item)
    matrix[:3, 3] += offset_of(item, turns=turns)
    return matrix


def offset_of(item: Any, *, turns: bool = False) -> NDArray[np.float64]:
    """(3,) mm: the offset of an axis; in the axis' own units where it is a length and the offset has none."""
    if "offset" not in item.attrs:
        return np.zeros(3)
    own = "" if turns else attribute(item, "units")
    unit = attribute(item, "offset_units") or own
    return vector_of(item, "offset") * factor_of(item, unit, MILLIMETRES, "m")


def moves_of(item: Any, path: str, known: dict[str, NDArray[np.float64] | None]) -> NDArray[np.float64]:
    """(4, 4), mm: what the chain of axes that begins at ``path`` does to an item.

    ``known``: of axes by name, so that modules share what they hang on; ``None`` for one that is being followed.
    """
    if path in ("", "."):
        return np.eye(4)
    axis = follow(item, path)
    if axis.name not in known:
        known[axis.name] = None
        known[axis.name] = moves_of(axis, attribute(axis, "depends_on", "."), known) @ transformation(axis)
    found = known[axis.name]
    if found is None:
        raise Unusable(f"found {axis.name} twice in a chain of axes, expected an end")
    return found


def moving(name: str, file: Any, axes: Iterable[str]) -> list[str]:
    """Warnings on axes of a detector, by their paths, that move along a series."""
    said = []
    for path in axes:
        item = child(file, path)
        values = np.zeros(1) if item is None or is_group(item) else numbers(item)
        if np.ptp(values) > 1e-6 * np.abs(values).max():
            unit = attribute(item, "units")
            said.append(
                f"{name}: its {path} is {values.min():g} to {values.max():g} {unit} along the series; "
                f"the {values[0]:g} of the first image is used"
            )
    return said


def matrix_of(axes: list[Any]) -> NDArray[np.float64]:
    """(4, 4), mm: all axes of a chain, the last of them outermost."""
    total = np.eye(4)
    for axis in axes:
        total = transformation(axis) @ total
    return total


class Said:
    """What of a file could be used; what could not is remembered, with a sentence, under the field that it concerns."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.bad: dict[str, str] = {}
        self.comments: list[str] = []
        self.unused: list[str] = []
        self.warnings: list[str] = []

    def attempt(self, field: str, read: Callable[[], Value | None]) -> Value | None:
        """What ``read`` gives; ``None`` if it fails."""
        try:
            return read()
        except Unusable as error:
            self.bad.setdefault(field, f"{self.name}: {error}")
        except _FAILURES:
            self.bad.setdefault(field, f"{self.name}: found an item of the {field} that cannot be read, expected one")
        return None

    def length(self, field: str, item: Any, units: Mapping[str, float], default: str) -> float | None:
        """A length, energy or wavelength; 0, -1 and no number are what is written where nothing is known."""
        if item is None:
            return None
        values = self.attempt(field, lambda: numbers(item) if is_known(item) else None)
        if values is None:
            return None
        found = self.attempt(field, lambda: quantities(item, units, default))
        return None if found is None else float(found[0])


def is_nan(item: Any) -> bool:
    """Whether the first number is none, as of what is not known."""
    first = np.atleast_1d(real_numbers(stored(item))).ravel()
    return bool(first.size and np.isnan(first[0]))


def is_known(item: Any) -> bool:
    """Whether a number is more than the 0 or -1 of what is not known. Raises :class:`Unusable` for a group."""
    if is_group(item):
        raise Unusable(f"found a group as {item.name}, expected a number")
    values = stored(item)
    if isinstance(values, (bytes, str)) or getattr(values, "dtype", np.dtype(float)).kind in "OSU":
        values = numbers(item)
    first = np.atleast_1d(real_numbers(values)).ravel()
    return bool(first.size and np.isfinite(first[0]) and first[0] not in (0.0, -1.0))
