"""Measured structure factors: the reflections of a file, expanded to P1 (``specs/formats.md``)."""

from __future__ import annotations

import os
from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING

import numpy as np

from nanobragg.errors import InputError
from nanobragg.io.factors.hkl import LARGEST_GRID, SMALLEST_SPACING
from nanobragg.io.factors.kinds import FORMATS
from nanobragg.io.factors.types import Choice
from nanobragg.records.record import Record
from nanobragg.records.structure_factors import StructureFactors

if TYPE_CHECKING:
    from nanobragg.io.factors.kinds import FileKind
    from nanobragg.io.factors.merge import Merged
    from nanobragg.io.factors.types import ReflectionFile
    from nanobragg.maths.lattice import Cell

_LARGEST = 1e100
"""An amplitude or intensity beyond this is none."""


class Expanded(Record):
    """Structure factors in P1, and what there is to say about them."""

    factors: StructureFactors
    missing: int
    """reflections of P1 within the file's resolution that take default_F"""
    expected: int
    """all of them, without systematic absences and 0 0 0"""
    resolution: float
    """Å"""
    anomalous: bool
    """Whether mates differ."""
    described: str
    """What was read, for messages."""


def read_reflection_file(path: str | os.PathLike[str], kind: FileKind, choice: Choice | None = None) -> ReflectionFile:
    """Read one column (or Friedel pair) of a file of one of the ``FORMATS``.

    Raises :class:`InputError` when the file is not what it claims, or has no such column.
    """
    module, _, function = FORMATS[kind].reader.partition(":")
    file: ReflectionFile = getattr(import_module(module), function)(os.fspath(path), choice or Choice())
    if not np.isfinite(file.values).any():
        raise InputError(f"{file.name}: found no value in {file.column.described}, expected structure factors")
    absurd = np.abs(file.values) > _LARGEST
    if absurd.any():
        raise InputError(
            f"{file.name}: found {file.values[int(np.argmax(absurd))]:g} in {file.column.described}, expected "
            "structure factors"
        )
    return file


def expand_to_p1(
    file: ReflectionFile, default_F: float = 0.0, dmin: float | None = None, cell: Cell | None = None
) -> Expanded:
    """All reflections that symmetry and Friedel's law give, each mate on its own, on a dense grid.

    Equivalent rows become one value, systematic absences 0, other reflections that the file lacks ``default_F``.

    Args:
        file: what was read.
        default_F: of missing reflections.
        dmin: Å; leaves out what lies beyond it.
        cell: Å, degrees; stands in for that of a file without one.

    Raises:
        InputError: when the grid would exceed 8 GiB, indices are absurd, or nothing is left.

    """
    from nanobragg import _core
    from nanobragg.io.factors.merge import merge
    from nanobragg.maths.lattice import ball_of

    file, unit = _with_cell(file, cell)
    file, highest = _within(file, unit, dmin)
    sharpest = highest * (1 + 1e-6)
    metric, bounds = ball_of(unit, sharpest)
    if 8 * np.prod([2.0 * bound + 1 for bound in bounds]) > LARGEST_GRID:
        raise InputError(f"{file.name}: found indices to {bounds}, expected a range whose grid fits in 8 GiB")
    merged = merge(file)
    grid = _core.grid_of_holes([2 * bound + 1 for bound in bounds])
    minimum = (-bounds[0], -bounds[1], -bounds[2])
    group = (file.symmetry.rotations, file.symmetry.translations)
    _core.spread_reflections(*group, merged.hkl, merged.plus, merged.minus, minimum, grid)
    expected, missing, absences = _core.complete_grid(*group, metric, sharpest, bounds, default_F, grid)
    warnings = (*file.warnings, *file.symmetry.warnings, *_doubts(file, merged, absences))
    return Expanded(
        factors=StructureFactors(grid=grid, minimum=minimum, count=expected - missing, warnings=warnings),
        missing=missing,
        expected=expected,
        resolution=highest**-0.5,
        anomalous=merged.anomalous,
        described=_described(file, merged),
    )


def _with_cell(file: ReflectionFile, cell: Cell | None) -> tuple[ReflectionFile, Cell]:
    """The file, and its unit cell or the one that stands in for it, which must suit its symmetry."""
    from nanobragg.io.factors.symmetry import checked_against

    if file.cell is not None:
        return file, file.cell
    if cell is None:
        raise InputError(f"{file.name}: found no unit cell, expected one, or -cell")
    return replace(file, symmetry=checked_against(file.name, file.symmetry, cell)), cell


def _within(file: ReflectionFile, cell: Cell, dmin: float | None) -> tuple[ReflectionFile, float]:
    """The rows with a value within the resolution, and the largest 1/d² (1/Å²) of them."""
    from nanobragg.maths.lattice import inverse_d2

    d2 = inverse_d2(cell, file.hkl)
    known = np.isfinite(file.values) if dmin is None else np.isfinite(file.values) & (d2 <= dmin**-2)
    if not (known & (d2 > 0)).any():
        raise InputError(f"{file.name}: found no reflection to {dmin or 0:g} Å, expected some within -sf_dmin")
    beyond = known & (d2 > SMALLEST_SPACING**-2)
    if beyond.any():
        index = " ".join(map(str, file.hkl[int(np.argmax(beyond))].tolist()))
        raise InputError(
            f"{file.name}: found the reflection {index}, expected none beyond {SMALLEST_SPACING:g} Å in this unit cell"
        )
    return replace(file, hkl=file.hkl[known], values=file.values[known]), float(d2[known].max())


def _described(file: ReflectionFile, merged: Merged) -> str:
    """What was read and how it is understood, in one line."""
    mates = f"anomalous ({merged.mates} pairs of mates)" if merged.anomalous else "not anomalous (Friedel's law)"
    return (
        f"{merged.unique} reflections from {file.column.described} of {file.name} ({file.described}), "
        f"{file.symmetry.described}, {mates}"
    )


def _doubts(file: ReflectionFile, merged: Merged, absences: int) -> list[str]:
    said = []
    apart = "mates together, since it says that Friedel's law holds" if file.friedel else "mates apart"
    if file.column.intensity:
        said.append(
            f"amplitudes are the square roots of {file.column.described}, without French-Wilson statistics; "
            f"{merged.negative} negative intensities became 0"
        )
    if file.unmerged:
        said.append(
            f"its reflections are unmerged ({file.unmerged}): {merged.rows} rows became the means of the intensities "
            f"of {merged.unique} reflections, {apart}; data that were scaled and merged are better"
        )
    elif merged.conflicts:
        said.append(
            f"equivalent rows have different values (reflections for which this is so: {merged.conflicts}; unmerged?): "
            f"the means of their intensities are used, {apart}"
        )
    if merged.anomalous and merged.alone:
        said.append(f"{merged.alone} Friedel mates were not measured and take the value of the mate that was")
    if absences:
        said.append(f"{absences} systematic absences of its space group have values other than 0, which are used")
    return [f"{file.name}: {sentence}" for sentence in said]
