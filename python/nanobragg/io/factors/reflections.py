"""Measured structure factors: MTZ files and reflections in CIF, expanded to P1 (``specs/formats.md``)."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from nanobragg.errors import InputError
from nanobragg.io.factors.hkl import LARGEST_GRID, StructureFactors
from nanobragg.io.factors.kinds import read_unpacked
from nanobragg.io.support.extras import need

if TYPE_CHECKING:
    from numpy.typing import NDArray

Cell = tuple[float, float, float, float, float, float]

_MEAN_AMPLITUDES = ("F", "FP", "FOBS", "F-obs", "F-obs-filtered", "FMEAN", "F_meas_au", "F_meas", "FC", "F-model")
_PAIRS_OF_LABELS = (("(+)", "(-)"), ("plus", "minus"))
_CIF_COLUMNS: dict[str, tuple[str, str | None, bool]] = {
    # label: (its data or that of the plus mate, minus mate, intensities); the order is that of preference
    "F_meas_au": ("F_meas_au", None, False),
    "F_meas": ("F_meas", None, False),
    "pdbx_F_plus": ("pdbx_F_plus", "pdbx_F_minus", False),
    "intensity_meas": ("intensity_meas", None, True),
    "F_squared_meas": ("F_squared_meas", None, True),
    "pdbx_I_plus": ("pdbx_I_plus", "pdbx_I_minus", True),
    "F_calc_au": ("F_calc_au", None, False),
    "F_calc": ("F_calc", None, False),
    "F_squared_calc": ("F_squared_calc", None, True),
}


@dataclass(frozen=True)
class Column:
    """What is read from a file: one column, or the two of a Friedel pair."""

    label: str
    minus: str | None = None
    intensity: bool = False

    @property
    def described(self) -> str:
        """For messages."""
        both = self.label if self.minus is None else f"{self.label} and {self.minus}"
        return f"{'intensities' if self.intensity else 'amplitudes'} {both}"


@dataclass(frozen=True, kw_only=True, eq=False)
class ReflectionFile:
    """The unique reflections of a file, as they stand in it."""

    name: str
    cell: Cell
    """Å, degrees"""
    group: Any
    """gemmi.GroupOps"""
    hkl: NDArray[np.int32]
    """(n, 3)"""
    plus: NDArray[np.float64]
    """(n,) values of h, k, l; NaN where missing"""
    minus: NDArray[np.float64] | None
    """(n,) values of −h, −k, −l; ``None``: those of ``plus``"""
    column: Column


@dataclass(frozen=True, kw_only=True, eq=False)
class Expanded:
    """Structure factors in P1, and what there is to say about them."""

    factors: StructureFactors
    missing: int
    """reflections of P1 within the file's resolution that take default_F"""
    expected: int
    """all of them, without systematic absences and 0 0 0"""
    resolution: float
    """Å"""


def read_reflection_file(
    path: str | os.PathLike[str], kind: Literal["mtz", "reflections"], column: str | None
) -> ReflectionFile:
    """Read one column (or Friedel pair) of an MTZ or CIF file; ``None`` chooses it: amplitudes before intensities.

    Raises :class:`InputError` when the file is not what it claims, is unmerged, or has no such column.
    """
    gemmi = need("gemmi", os.fspath(path))
    reader = _read_mtz if kind == "mtz" else _read_cif
    file = reader(gemmi, os.fspath(path), column)
    if not np.isfinite(file.plus).any() and (file.minus is None or not np.isfinite(file.minus).any()):
        raise InputError(f"{file.name}: found no value in {file.column.described}, expected structure factors")
    return file


def expand_to_p1(file: ReflectionFile, default_F: float = 0.0, dmin: float | None = None) -> Expanded:
    """All reflections that symmetry and Friedel's law give, each mate on its own, on a dense grid.

    Systematic absences are 0, other reflections that the file lacks ``default_F``. ``dmin`` (Å) leaves out what lies
    beyond it. Raises :class:`InputError` when the grid would exceed 8 GiB, or nothing is left.
    """
    from nanobragg.maths.lattice import bounds_of, inverse_d2, plane_of

    known = np.isfinite(file.plus) if file.minus is None else np.isfinite(file.plus) | np.isfinite(file.minus)
    known &= (file.hkl != 0).any(axis=1) | np.isfinite(file.plus)
    d2 = inverse_d2(file.cell, file.hkl)
    if dmin is not None:
        known &= d2 <= dmin**-2
    if not (known & (d2 > 0)).any():
        raise InputError(f"{file.name}: found no reflection to {dmin or 0:g} Å, expected some within -sf_dmin")
    sharpest = float(d2[known].max()) * (1 + 1e-6)
    bounds = bounds_of(file.cell, sharpest**-0.5)
    shape = tuple(2 * b + 1 for b in bounds)
    if 8 * np.prod(shape, dtype=float) > LARGEST_GRID:
        raise InputError(f"{file.name}: found indices to {bounds}, expected a range whose grid fits in 8 GiB")
    grid = np.full(shape, np.nan)
    hkl, plus = file.hkl[known], _amplitudes(file.plus[known], file.column)
    minus = plus if file.minus is None else _amplitudes(file.minus[known], file.column)
    for operation in file.group.sym_ops:
        turned = hkl @ np.array(operation.rot, dtype=np.int64) // 24
        for sign, values in ((-1, minus), (1, plus)):
            said = np.isfinite(values)
            at = sign * turned[said] + np.array(bounds)
            inside = ((at >= 0) & (at < np.array(shape))).all(axis=1)
            grid[tuple(at[inside].T)] = values[said][inside]
    missing = expected = 0
    for h in range(-bounds[0], bounds[0] + 1):
        indices, inside = plane_of(file.cell, h, bounds, sharpest)
        plane = grid[h + bounds[0]]
        absent = inside & file.group.systematic_absences(indices.reshape(-1, 3)).reshape(inside.shape)
        wanted = inside & ~absent
        if h == 0:
            wanted[bounds[1], bounds[2]] = False
        lacking = np.isnan(plane)
        expected += int(wanted.sum())
        missing += int((wanted & lacking).sum())
        plane[absent & lacking] = 0.0
        plane[np.isnan(plane)] = default_F
    factors = StructureFactors(
        grid=grid,
        minimum=(-bounds[0], -bounds[1], -bounds[2]),
        count=expected - missing,
        warnings=tuple(_doubts(file)),
    )
    return Expanded(factors=factors, missing=missing, expected=expected, resolution=float(d2[known].max()) ** -0.5)


def _doubts(file: ReflectionFile) -> list[str]:
    if not file.column.intensity:
        return []
    values = file.plus if file.minus is None else np.concatenate([file.plus, file.minus])
    negative = int((values < 0).sum())
    return [
        f"{file.name}: amplitudes are the square roots of {file.column.described}, without French-Wilson statistics; "
        f"{negative} negative intensities became 0"
    ]


def _amplitudes(values: NDArray[np.float64], column: Column) -> NDArray[np.float64]:
    return np.sqrt(np.maximum(values, 0.0)) if column.intensity else np.abs(values)


# ---- MTZ --------------------------------------------------------------------------------------------------


def _read_mtz(gemmi: Any, name: str, column: str | None) -> ReflectionFile:
    data = read_unpacked(name)
    try:
        # gemmi reads MTZ from files only, and a compressed one has no name of its own.
        with tempfile.NamedTemporaryFile(suffix=".mtz") as copy:
            copy.write(data)
            copy.flush()
            mtz = gemmi.read_mtz_file(copy.name)
    except (RuntimeError, ValueError, OSError, IndexError) as error:
        raise InputError(f"{name}: found {_reason(error)}, expected an MTZ file") from error
    if len(mtz.batches):
        raise InputError(f"{name}: found unmerged reflections, expected an MTZ file of merged ones")
    types = {item.label: item.type for item in mtz.columns}
    chosen = _mtz_column(name, types, column)
    table = np.array(mtz.array, dtype=np.float64)
    labels = mtz.column_labels()

    def values(label: str) -> NDArray[np.float64]:
        return table[:, labels.index(label)]

    return ReflectionFile(
        name=name,
        cell=_cell_of(name, mtz.cell),
        group=_group_of(name, mtz.spacegroup),
        hkl=_whole_indices(name, table[:, :3]),
        plus=values(chosen.label),
        minus=None if chosen.minus is None else values(chosen.minus),
        column=chosen,
    )


def _mtz_column(name: str, types: dict[str, str], wanted: str | None) -> Column:
    usable = [label for label, kind in types.items() if kind in "FGJK"]
    if wanted is not None:
        if wanted not in usable:
            raise _no_column(name, wanted, usable)
        return _with_mate(wanted, types)
    for kind in "FGJK":
        of_kind = [label for label in usable if types[label] == kind]
        if of_kind:
            known = [label for label in _MEAN_AMPLITUDES if label in of_kind]
            measured = [label for label in of_kind if _has_sigma(label, types)]
            return _with_mate((known or measured or of_kind)[0], types)
    raise InputError(f"{name}: found the columns {', '.join(types)}, expected amplitudes or intensities")


def _has_sigma(label: str, types: dict[str, str]) -> bool:
    labels = list(types)
    after = labels.index(label) + 1
    return after < len(labels) and types[labels[after]] in "QLM"


def _with_mate(label: str, types: dict[str, str]) -> Column:
    """The column, with its Friedel mate if it is one of a pair."""
    kind = types[label]
    for plus, minus in _PAIRS_OF_LABELS:
        for mine, other in ((plus, minus), (minus, plus)):
            mate = label.replace(mine, other)
            if mate != label and types.get(mate) == kind and kind in "GK":
                first, second = (label, mate) if mine == plus else (mate, label)
                return Column(first, second, intensity=kind == "K")
    return Column(label, intensity=kind in "JK")


# ---- CIF --------------------------------------------------------------------------------------------------


def _read_cif(gemmi: Any, name: str, column: str | None) -> ReflectionFile:
    try:
        document = gemmi.cif.read_string(read_unpacked(name))
        blocks = [block for block in gemmi.as_refln_blocks(document) if block.default_loop is not None]
    except (RuntimeError, ValueError, IndexError) as error:
        raise InputError(f"{name}: found {_reason(error)}, expected structure factors in CIF") from error
    if not blocks:
        raise InputError(f"{name}: found no table of reflections, expected structure factors in CIF")
    block = blocks[0]
    if not block.is_merged() and block.is_unmerged():
        raise InputError(f"{name}: found unmerged reflections, expected merged ones")
    labels = list(block.column_labels())
    chosen = _cif_column(name, labels, column)

    def values(label: str) -> NDArray[np.float64]:
        return np.array(block.make_float_array(label), dtype=np.float64)

    try:
        indices = np.array(block.make_miller_array(), dtype=np.float64)
    except (RuntimeError, ValueError) as error:
        raise InputError(f"{name}: found {_reason(error)}, expected Miller indices") from error
    return ReflectionFile(
        name=name,
        cell=_cell_of(name, block.cell),
        group=_group_of(name, block.spacegroup),
        hkl=_whole_indices(name, indices),
        plus=values(chosen.label),
        minus=None if chosen.minus is None else values(chosen.minus),
        column=chosen,
    )


def _cif_column(name: str, labels: list[str], wanted: str | None) -> Column:
    if wanted is not None:
        if wanted not in labels:
            raise _no_column(name, wanted, labels)
        for plus, minus, intensity in _CIF_COLUMNS.values():
            if wanted in (plus, minus):
                return Column(plus, minus if minus in labels else None, intensity)
        return Column(wanted)
    for label, (plus, minus, intensity) in _CIF_COLUMNS.items():
        if label in labels:
            return Column(plus, minus if minus in labels else None, intensity)
    raise InputError(f"{name}: found the columns {', '.join(labels)}, expected amplitudes or intensities")


# ---- both -------------------------------------------------------------------------------------------------


def _no_column(name: str, wanted: str, usable: list[str]) -> InputError:
    return InputError(f"-sf_column: found {wanted!r}, expected a column of {name}: {', '.join(usable)}")


def _whole_indices(name: str, indices: NDArray[np.float64]) -> NDArray[np.int32]:
    if not (np.abs(indices) < 1e6).all() or (indices != np.round(indices)).any():
        raise InputError(f"{name}: found Miller indices that are no whole numbers below 1e6, expected reflections")
    return np.ascontiguousarray(indices.astype(np.int32))


def _cell_of(name: str, cell: Any) -> Cell:
    if not cell.is_crystal():
        raise InputError(f"{name}: found no unit cell, expected one")
    return (cell.a, cell.b, cell.c, cell.alpha, cell.beta, cell.gamma)


def _group_of(name: str, group: Any) -> Any:
    if group is None:
        raise InputError(f"{name}: found no space group that is known, expected one")
    return group.operations()


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:120] or type(error).__name__
