"""Structure factors: text ``h k l F`` and the cache Fdump.bin (``specs/formats.md``)."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

import numpy as np

from nanobragg.errors import InputError
from nanobragg.io.factors.kinds import as_utf8, read_unpacked
from nanobragg.io.support.atomic import atomic_write, read_bytes
from nanobragg.records.structure_factors import StructureFactors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike

LARGEST_GRID = 8 * 1024**3
"""bytes; a wider range of indices is taken for a mistake"""

SMALLEST_SPACING = 0.1
"""Å; reflections beyond are taken for columns that touch, or another kind of file"""

LARGEST_CELL = 5000.0
"""Å"""

_BEGINNING = 4096
_FURTHER = re.compile(rb"^[ \t]*[^#\s]+(?:[ \t]+[^\s]+){4}", re.MULTILINE)
"""A line of five columns."""
_DUMP_HEADER = re.compile(rb"(-?\d{1,10}) (-?\d{1,10}) (-?\d{1,10}) (-?\d{1,10}) (-?\d{1,10}) (-?\d{1,10})\n\f")


def read_hkl(
    path: str | os.PathLike[str], default_F: float = 0.0, cell: Sequence[float] | None = None
) -> StructureFactors:
    """Read lines ``h k l F``, also compressed by gzip.

    Further columns, blank lines and lines that start with ``#`` are skipped, later duplicates win.

    Args:
        path: the list.
        default_F: fills the holes.
        cell: Å and degrees; tells which indices are absurd where the grid would be large.

    Raises:
        InputError: naming the line, for anything else, for a file without reflections and for a range of indices
            that is absurd, or whose grid would exceed 8 GiB.

    """
    from nanobragg._core import parse_hkl

    name = os.fspath(path)
    data = as_utf8(read_unpacked(path))
    likely = _likely_indices(cell)
    try:
        grid, (h, k, l), count, warnings = parse_hkl(data, default_F, likely)  # noqa: E741
    except InputError as error:
        raise InputError(f"{name}: {error}") from None
    further = _FURTHER.search(data[:_BEGINNING]) is not None
    return StructureFactors(
        grid=grid,
        minimum=(h, k, l),
        count=count,
        described=f"lines h k l F{'; their further columns are not used' if further else ''}",
        warnings=tuple(f"{name}: {sentence}" for sentence in warnings),
    )


def _likely_indices(cell: Sequence[float] | None) -> list[int]:
    """The largest that a crystal's reflections have; without a cell, those of the largest there are."""
    said = [*(cell or ())][:3]
    lengths = said + said[:1] * (3 - len(said)) if said else [LARGEST_CELL] * 3
    return [1 + int((length if 0 < length < LARGEST_CELL else LARGEST_CELL) / SMALLEST_SPACING) for length in lengths]


def structure_factors_from_array(reflections: ArrayLike, default_F: float = 0.0) -> StructureFactors:
    """Structure factors from an array (n, 4) of h, k, l, F. Indices are rounded with a warning, later duplicates win.

    Raises :class:`InputError` when the array is of another shape, not finite, or of an absurd range.
    """
    try:
        array = np.asarray(reflections, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"structure factors: found {reflections!r:.60}, expected an array (n, 4) of h k l F"
        ) from error
    if array.ndim != 2 or array.shape[1] != 4 or not len(array):
        raise InputError(f"structure factors: found an array {array.shape}, expected (n, 4) of h k l F")
    if not np.isfinite(array).all():
        row = int(np.flatnonzero(~np.isfinite(array).all(axis=1))[0])
        raise InputError(f"structure factors: found {array[row].tolist()} in row {row}, expected finite numbers")
    rounded = np.round(array[:, :3])
    fractional = np.flatnonzero((rounded != array[:, :3]).any(axis=1))
    warnings = ()
    if len(fractional):
        warnings = (
            f"structure factors: Miller indices that are not whole numbers were rounded ({len(fractional)} rows, "
            f"the first {array[fractional[0], :3].tolist()})",
        )
    low, high = rounded.min(axis=0), rounded.max(axis=0)
    if np.abs([low, high]).max() > 2**31 - 1 or 8 * np.prod(high - low + 1) > LARGEST_GRID:
        raise InputError(
            f"structure factors: found indices from {low.tolist()} to {high.tolist()}, expected a range whose grid "
            "fits in 8 GiB"
        )
    index = (rounded - low).astype(np.int64)
    grid = np.full(tuple(index.max(axis=0) + 1), float(default_F))
    flat = np.ravel_multi_index(tuple(index.T), grid.shape)
    grid.ravel()[flat] = array[:, 3]
    h, k, l = (int(x) for x in low)  # noqa: E741
    return StructureFactors(grid=grid, minimum=(h, k, l), count=len(array), warnings=warnings)


def read_dump(path: str | os.PathLike[str]) -> StructureFactors:
    """Read a cache of structure factors.

    Raises :class:`InputError` when the file is not one, is truncated or longer than its header says.
    """
    name = os.fspath(path)
    match = _DUMP_HEADER.match(read_bytes(path, 128))
    if match is None:
        raise InputError(f"{name}: found no header of six indices, expected a cache of structure factors")
    bounds = [int(number) for number in match.groups()]
    low, high = bounds[0::2], bounds[1::2]
    if any(a > b for a, b in zip(low, high, strict=True)):
        raise InputError(f"{name}: found the bounds {bounds}, expected h_min h_max k_min k_max l_min l_max in order")
    # One plane of zeros more than the range at the end of each axis.
    padded = tuple(b - a + 2 for a, b in zip(low, high, strict=True))
    size, expected = os.stat(path).st_size, match.end() + 8 * padded[0] * padded[1] * padded[2]
    if size != expected:
        raise InputError(f"{name}: found {size} bytes, expected {expected} for the bounds {bounds}")
    if size > LARGEST_GRID:
        raise InputError(f"{name}: found {size} bytes, expected a cache of at most 8 GiB")
    mapped = np.memmap(path, dtype=np.float64, mode="r", offset=match.end(), shape=padded)
    grid = np.array(mapped[:-1, :-1, :-1])
    for plane in grid:
        if not np.isfinite(plane).all():
            raise InputError(f"{name}: found amplitudes that are not finite, expected a cache of structure factors")
    return StructureFactors(grid=grid, minimum=(low[0], low[1], low[2]), count=grid.size)


def write_dump(path: str | os.PathLike[str], factors: StructureFactors) -> None:
    """Write a cache that nanoBragg.c can read, too. Raises :class:`InputError` when the file cannot be written."""
    bounds = [bound for pair in zip(factors.minimum, factors.maximum, strict=True) for bound in pair]
    nh, nk, nl = factors.grid.shape
    plane = np.zeros((nk + 1, nl + 1))
    with atomic_write(path) as file:
        file.write(" ".join(map(str, bounds)).encode() + b"\n\f")
        for h in range(nh):
            plane[:-1, :-1] = factors.grid[h]
            file.write(plane.data)
        file.write(np.zeros_like(plane).data)
