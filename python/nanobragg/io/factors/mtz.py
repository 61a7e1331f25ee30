"""MTZ files, read by gemmi (``specs/formats.md``)."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

import numpy as np

from nanobragg.errors import InputError
from nanobragg.io.factors.cells import checked_cell
from nanobragg.io.factors.columns import difference_of, mates_of, no_column, rows_of, without_unmeasured
from nanobragg.io.factors.kinds import read_unpacked
from nanobragg.io.factors.symmetry import Said, symmetry_of
from nanobragg.io.factors.types import Column, ReflectionFile
from nanobragg.io.support.extras import need
from nanobragg.io.support.reasons import reason

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from nanobragg.io.factors.types import Choice
    from nanobragg.maths.lattice import Cell

_MEAN_AMPLITUDES = ("F", "FP", "FOBS", "F-obs", "F-obs-filtered", "FMEAN", "F_meas_au", "F_meas")
_CALCULATED = ("FC", "F-model", "FC_ALL", "FMODEL")
_PARTIAL = 256
"""M/ISYM is this times M, 1 for reflections measured in part, plus the number of the operation"""
_RECORD = 80
"""bytes of a header line"""


def read_mtz(name: str, choice: Choice) -> ReflectionFile:
    """Read one column, or the columns of a Friedel pair, of an MTZ file.

    Raises :class:`InputError` when the file is damaged, has no such column, or holds partial reflections.
    """
    gemmi = need("gemmi", name)
    with np.errstate(invalid="ignore"):  # bits that are no numbers are NaN, which is found afterwards
        return _reflections(gemmi, name, choice)


def _reflections(gemmi: Any, name: str, choice: Choice) -> ReflectionFile:
    mtz, header = _read(gemmi, name)
    types: dict[str, str] = {}
    for item in mtz.columns:
        types.setdefault(item.label, item.type)
    table = np.asarray(mtz.array)
    column = _column(name, types, choice.column)
    labels = [item.label for item in mtz.columns]

    def values(label: str) -> NDArray[np.float64]:
        at = labels.index(label)
        found = np.where(table[:, at] == np.float32(mtz.valm), np.nan, table[:, at].astype(np.float64))
        sigmas = table[:, at + 1] if at + 1 < len(labels) and types[labels[at + 1]] in "QLM" else None
        return without_unmeasured(found, sigmas) if column.minus is not None else found

    indices, unmerged = _original_indices(name, mtz, types, table, labels)
    hkl, rows = rows_of(name, indices, column, values)
    return ReflectionFile(
        name=name,
        described="MTZ",
        cell=(cell := _cell_of(name, mtz, column)),
        symmetry=_symmetry_of(gemmi, name, (mtz, header), cell, choice.group),
        hkl=hkl,
        values=rows,
        column=column,
        unmerged=unmerged,
        wavelength=_wavelength(mtz, column),
        notes=_notes(name, column, types),
        warnings=(f"{name}: {column.described} are calculated, not measured",) if column.label in _CALCULATED else (),
    )


def _read(gemmi: Any, name: str) -> tuple[Any, list[str]]:
    """The file, and the lines of its header."""
    data = read_unpacked(name)
    start, end = _header(data)
    # Labels and titles may hold letters that are no ASCII, which gemmi does not decode.
    header = bytes(byte if byte < 128 else ord("?") for byte in data[start:end])
    size = re.search(rb"NCOL +(\d{1,9}) +(\d{1,9})", header)
    if size is None or 4 * int(size[1]) * int(size[2]) > len(data):
        raise InputError(f"{name}: found fewer numbers than its header says, expected an MTZ file")
    # gemmi reads MTZ from files only, and a compressed one has no name of its own.
    with os.fdopen(os.memfd_create("mtz"), "wb") as copy:
        copy.write(data[:start] + header + data[end:])
        copy.flush()
        path = f"/proc/self/fd/{copy.fileno()}"
        try:
            mtz = gemmi.read_mtz_file(path)
            mtz.column_labels()
        except (RuntimeError, ValueError, OSError, IndexError) as error:
            raise InputError(f"{name}: found {reason(error, path)}, expected an MTZ file") from error
    if mtz.nreflections == 0 or len(mtz.columns) < 3:
        raise InputError(f"{name}: found no reflections, expected structure factors")
    text = header.decode("ascii")
    return mtz, [text[at : at + _RECORD].rstrip() for at in range(0, len(text), _RECORD)]


def _header(data: bytes) -> tuple[int, int]:
    """Where the lines of the header begin and end; nowhere in a file that is damaged."""
    for order in ("little", "big"):
        start = 4 * (int.from_bytes(data[4:8], order) - 1)
        end = data.find(b"END ", max(start, 0))
        if 80 <= start < end and data[start : start + 4] == b"VERS":
            return start, end
    return len(data), len(data)


def _original_indices(
    name: str, mtz: Any, types: dict[str, str], table: NDArray[np.float32], labels: list[str]
) -> tuple[NDArray[np.float32], str]:
    """Indices (n, 3), and how the file shows that it is unmerged.

    Unmerged files have indices of the asymmetric unit; M/ISYM is even for those that were measured as the mates of
    what stands there.
    """
    indices = table[:, :3]
    symmetry = next((label for label, kind in types.items() if kind == "Y"), None)
    batches = "B" in types.values()
    if symmetry is None or not (batches or len(mtz.batches) or symmetry == "M/ISYM"):
        return indices, f"{len(mtz.batches)} batches" if len(mtz.batches) else ""
    flags = np.nan_to_num(table[:, labels.index(symmetry)]).astype(np.int64)
    if (flags // _PARTIAL > 0).any():
        raise InputError(f"{name}: found unmerged reflections that were measured in part, expected merged ones")
    mates = (flags % _PARTIAL) % 2 == 0
    stated = f"{len(mtz.batches)} batches" if len(mtz.batches) else f"column {symmetry}"
    return np.where((mates & (flags > 0))[:, None], -indices, indices), stated


# ---- columns ----------------------------------------------------------------------------------------------


def _column(name: str, types: dict[str, str], wanted: str | None) -> Column:
    usable = [label for label, kind in types.items() if kind in "FGJK"]
    if wanted is not None:
        if wanted not in usable:
            raise no_column(name, wanted, usable)
        return _with_mate(wanted, types)
    for kind in "FGJK":
        of_kind = [label for label in usable if types[label] == kind]
        single = [label for label in of_kind if kind in "FJ" and mates_of(label, of_kind) is None]
        of_kind = single or of_kind
        if of_kind:
            known = [label for label in _MEAN_AMPLITUDES if label in of_kind]
            measured = [label for label in of_kind if _has_sigma(label, types)]
            calculated = [label for label in _CALCULATED if label in of_kind]
            return _with_mate((known or measured or calculated or of_kind)[0], types)
    raise InputError(f"{name}: found the columns {', '.join(types)}, expected amplitudes or intensities")


def _has_sigma(label: str, types: dict[str, str]) -> bool:
    labels = list(types)
    after = labels.index(label) + 1
    return after < len(labels) and types[labels[after]] in "QLM"


def _with_mate(label: str, types: dict[str, str]) -> Column:
    """The column, with its Friedel mate if it is one of a pair, or the differences of mates that belong to it."""
    kind = types[label]
    alike = [other for other, of_kind in types.items() if of_kind == kind]
    pair = mates_of(label, alike)
    if pair is None and kind in "GK":  # mates stand one after the other, whatever their names
        first = alike.index(label) // 2 * 2
        pair = (alike[first], alike[first + 1]) if first + 1 < len(alike) else None
    if pair is not None:
        return Column(pair[0], pair[1], intensity=kind in "JK")
    if kind == "F":
        differences = [other for other, of_kind in types.items() if of_kind == "D"]
        return Column(label, difference=difference_of(label, differences, alike))
    return Column(label, intensity=kind in "JK")


def _notes(name: str, column: Column, types: dict[str, str]) -> tuple[str, ...]:
    """Pairs of mates that are there but not read."""
    if column.minus is not None or column.difference is not None:
        return ()
    pair = next((label for label, kind in types.items() if kind == ("K" if column.intensity else "G")), None)
    if pair is None:
        return ()
    return (f"{name}: its Friedel pairs are not used; -sf_column '{pair}' reads them",)


def _dataset(mtz: Any, column: Column) -> Any:
    """The gemmi.Mtz.Dataset that a column belongs to; ``None`` where there is none."""
    ids = [item.dataset_id for item in mtz.columns if item.label == column.label]
    return next((dataset for dataset in mtz.datasets if dataset.id in ids[:1]), None)


def _wavelength(mtz: Any, column: Column) -> float | None:
    """Å, of the column's dataset; ``None`` where it is not said."""
    dataset = _dataset(mtz, column)
    return dataset.wavelength if dataset is not None and dataset.wavelength > 0 else None


# ---- cell and symmetry ------------------------------------------------------------------------------------


def _cell_of(name: str, mtz: Any, column: Column) -> Cell:
    """The cell of the column's dataset, which may be another than that of the file."""
    dataset = _dataset(mtz, column)
    cell = mtz.cell if dataset is None or not dataset.cell.is_crystal() else dataset.cell
    if not cell.is_crystal():
        raise InputError(f"{name}: found no unit cell, expected one")
    return checked_cell(name, cell.parameters)


def _symmetry_of(gemmi: Any, name: str, file: tuple[Any, list[str]], cell: Cell, wanted: str | None) -> Any:
    mtz, header = file
    operators = [line[5:].strip() for line in header if line.startswith("SYMM ")]
    names = [text for text in (mtz.spacegroup_name.strip(),) if text]
    said = Said(operators=operators, names=names, number=mtz.spacegroup_number or None)
    symmetry = symmetry_of(gemmi, name, said, cell, wanted)
    if symmetry is None:
        raise InputError(f"{name}: found no space group, expected one (-sf_group NAME)")
    return symmetry
