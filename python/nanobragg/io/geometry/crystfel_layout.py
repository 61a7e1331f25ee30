"""Where CrystFEL geometries have their panels in the data, and masks that lie beside them (``specs/formats.md``)."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from nanobragg.errors import InputError
from nanobragg.io.geometry.crystfel_data import read_array
from nanobragg.io.geometry.crystfel_text import Keys, Value
from nanobragg.io.support.digits import whole_number

if TYPE_CHECKING:
    from numpy.typing import NDArray

_AXES = ("ss", "fs")
_MASK_KEY = re.compile(r"mask(\d*)_?(data|file|goodbits|badbits|good|bad)?")
_DATA = "/data/data"


class Layout(NamedTuple):
    """The dimensions of an array that holds a panel, frames left out."""

    fixed: tuple[int, ...]
    """indices of dimensions that are the same for all of the panel's pixels"""
    turned: bool
    """whether the fast axis comes before the slow one"""


def layout_of(name: str, owner: str, keys: Keys) -> Layout:
    """What the dim keys of a panel say; by default slow, then fast. Raises :class:`InputError` for what is no axis."""
    named = ((whole_number(key[3:]), value) for key, value in keys.items() if key[:3] == "dim")
    dims = sorted((number, value) for number, value in named if number is not None)
    fixed, order = [], []
    for number, value in dims:
        text = value.text
        if (at := whole_number(text)) is not None:
            fixed.append(at)
        elif text in _AXES:
            order.append(text)
        elif text != "%":
            raise InputError(
                f"{name}: line {value.line}: found {owner}/dim{number} {text[:20]!r}, expected %, ss, fs or a number"
            )
    if order and sorted(order) != ["fs", "ss"]:
        line = dims[-1][1].line
        raise InputError(
            f"{name}: line {line}: found the axes {' '.join(order)} of the data of panel {owner}, expected ss and fs"
        )
    return Layout(tuple(fixed), order == ["fs", "ss"])


def places_of(panels: Mapping[str, Keys], layouts: Mapping[str, Layout]) -> dict[str, tuple[int, ...]]:
    """Before slow and fast: nothing where all panels are in one slab; else the number of the panel's array.

    It is the index of a dimension where one tells the panels apart, else the order in which arrays are first named.
    """
    arrays = {owner: (_text(keys, "data", _DATA), layouts[owner].fixed) for owner, keys in panels.items()}
    distinct = list(dict.fromkeys(arrays.values()))
    if len(distinct) == 1:
        return dict.fromkeys(panels, ())
    lengths = {len(fixed) for _, fixed in distinct}
    if len({data for data, _ in distinct}) == 1 and len(lengths) == 1:
        of_each = zip(*(fixed for _, fixed in distinct), strict=True)
        columns = [number for number, indices in enumerate(of_each) if len(set(indices)) > 1]
        if len(columns) == 1:
            return {owner: (fixed[columns[0]],) for owner, (_, fixed) in arrays.items()}
    return {owner: (distinct.index(array),) for owner, array in arrays.items()}


def _text(keys: Keys, key: str, default: str) -> str:
    return keys[key].text if key in keys else default


# ---- masks ------------------------------------------------------------------------------------------------


class Mask(NamedTuple):
    """A mask in a file of its own."""

    file: str
    data: str
    good: int
    """bits that must be set"""
    bad: int
    """bits that must not"""


class Masks:
    """Masks of one geometry; each file is opened once. Those that are not at hand are named in ``missing``."""

    def __init__(self, name: str, data: str | None) -> None:
        self._name, self._data = name, data
        self._arrays: dict[tuple[str, str], NDArray[Any] | None] = {}
        self.missing: dict[str, None] = {}

    def bad(self, owner: str, keys: Keys, layout: Layout, first: tuple[int, int], shape: tuple[int, int]) -> Any:
        """(slow, fast) pixels of a panel that its masks call bad; ``None``: no mask is at hand.

        Raises :class:`InputError` for a mask that does not hold the panel.
        """
        found = None
        for mask in self._of(owner, keys):
            array = self._array(mask)
            if array is None:
                self.missing[mask.file or mask.data] = None
                continue
            part = _part(array, layout, first, shape)
            if part is None or part.dtype.kind not in "iub":
                size = " x ".join(str(count) for count in array.shape)
                raise InputError(
                    f"{mask.file or self._data}: found {size} pixels in {mask.data}, expected those of panel {owner}"
                )
            bits = part.astype(np.int64)
            wrong = ((bits & mask.good) != mask.good) | ((bits & mask.bad) != 0)
            found = wrong if found is None else found | wrong
        return found

    def _of(self, owner: str, keys: Keys) -> list[Mask]:
        """Masks by their numbers; those of the old spelling are number 0."""
        said: dict[int, dict[str, Value]] = {}
        for key, value in keys.items():
            match = _MASK_KEY.fullmatch(key) if key.startswith("mask") else None
            if match is not None:
                what = (match[2] or "data").removesuffix("bits")
                said.setdefault(int(match[1] or 0), {})[what] = value
        masks = []
        for number in sorted(said):
            values = said[number]
            if "data" in values:
                good, bad = (self._bits(owner, values.get(what)) for what in ("good", "bad"))
                file = values["file"].text if "file" in values else ""
                masks.append(Mask(file, values["data"].text, good, bad))
        return masks

    def _bits(self, owner: str, value: Value | None) -> int:
        if value is None:
            return 0
        try:
            return int(value.text, 0)
        except ValueError:
            raise InputError(
                f"{self._name}: line {value.line}: found {value.text[:20]!r} as bits of a mask of panel {owner}, "
                "expected a whole number such as 0x1"
            ) from None

    def _array(self, mask: Mask) -> NDArray[Any] | None:
        """The mask's array, of its own file or of the data's; ``None`` where there is no such file."""
        path = os.path.join(os.path.dirname(self._name), mask.file) if mask.file else self._data
        if path is None or "%" in mask.data or not os.path.isfile(path):
            return None
        if (path, mask.data) not in self._arrays:
            self._arrays[path, mask.data] = read_array(path, mask.data)
        return self._arrays[path, mask.data]


def _part(array: NDArray[Any], layout: Layout, first: tuple[int, int], shape: tuple[int, int]) -> NDArray[Any] | None:
    """What of an array is a panel's: its last dimensions are those of the data without frames."""
    wanted = len(layout.fixed) + 2
    if array.ndim < wanted or not array.size:
        return None
    array = array[(0,) * (array.ndim - wanted)]
    if any(index >= size for index, size in zip(layout.fixed, array.shape, strict=False)):
        return None
    array = array[layout.fixed]
    array = array.T if layout.turned else array
    part = array[first[0] : first[0] + shape[0], first[1] : first[1] + shape[1]]
    return part if part.shape == shape else None
