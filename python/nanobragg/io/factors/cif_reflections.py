"""Reflections in CIF: mmCIF, core CIF and SHELX's ``.fcf``, read by gemmi (``specs/formats.md``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nanobragg.errors import InputError
from nanobragg.io.factors.cif_blocks import choose_block, described_blocks, read_document, values_of, with_cell
from nanobragg.io.factors.columns import difference_of, mates_of, no_column, rows_of, without_unmeasured
from nanobragg.io.factors.shelx import rows_in_cif
from nanobragg.io.factors.symmetry import symmetry_of
from nanobragg.io.factors.types import Column, ReflectionFile
from nanobragg.io.support.extras import need
from nanobragg.io.support.reasons import reason

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from nanobragg.io.factors.cif_blocks import Blocks
    from nanobragg.io.factors.symmetry import Symmetry
    from nanobragg.io.factors.types import Choice
    from nanobragg.maths.lattice import Cell

_CATEGORIES = ("_refln.", "_refln_", "_diffrn_refln.", "_diffrn_refln_")
"""the unmerged ones last"""
_USUAL: dict[str, bool] = {
    # label: whether it holds intensities; the order is that of preference
    "F_meas_au": False,
    "F_meas": False,
    "pdbx_F_plus": False,
    "intensity_meas": True,
    "F_squared_meas": True,
    "intensity_net": True,
    "counts_net": True,
    "pdbx_I_plus": True,
    "F_calc_au": False,
    "F_calc": False,
    "pdbx_FC": False,
    "intensity_calc": True,
    "F_squared_calc": True,
}
_MEASUREMENTS = ("wavelength_id", "crystal_id")
"""Labels of what a reflection was measured with: several of them are several lists."""
_LIST, _INSTRUCTIONS = "_shelx_hkl_file", "_shelx_res_file"
_WAVELENGTHS = ("_diffrn_radiation_wavelength?wavelength", "_diffrn_radiation?wavelength")
_PROBES = ("_diffrn_radiation?probe", "_diffrn_radiation?pdbx_scattering_type", "_exptl?method")
_UNRELIABLE = "x"
_INTENSITY_WORDS = ("intensity", "squared", "_i_", "counts")


class _Table:
    """The columns of one category of a block."""

    def __init__(self, gemmi: Any, name: str, block: Any, category: str) -> None:
        self._gemmi, self._name, self._block, self.category = gemmi, name, block, category
        loop = block.find_loop(f"{category}index_h").get_loop()
        self.labels = [tag[len(category) :] for tag in loop.tags if tag.lower().startswith(category)]
        self.kept, self.passed_over = self._one_measurement()

    def _one_measurement(self) -> tuple[NDArray[np.bool_] | slice, list[str]]:
        """Which rows are of the same wavelength and crystal as the first, and what else there is."""
        kept: NDArray[np.bool_] | slice = slice(None)
        others = []
        for label in _MEASUREMENTS:
            found = np.array(list(self._block.find_loop(self.category + label)) if label in self.labels else [])
            different = list(dict.fromkeys(found.tolist()))
            if len(different) > 1:
                kept = (found == different[0]) if isinstance(kept, slice) else kept & (found == different[0])
                others.append(f"{label} {different[0]} is read, not {', '.join(different[1:4])}")
        return kept, others

    def numbers(self, label: str) -> NDArray[np.float64]:
        """(n,) values; NaN for ``?`` and ``.``"""
        column = self._block.find_loop(self.category + label)
        texts = list(column)
        try:
            found = np.array([np.nan if text in ("?", ".") else text for text in texts], dtype=np.float64)
        except ValueError:  # standard uncertainties in parentheses, quotes
            found = np.array([self._gemmi.cif.as_number(text) for text in texts], dtype=np.float64)
        return found[self.kept]

    def values(self, label: str) -> NDArray[np.float64]:
        """Numbers of a column without mates that are 0 because they were not measured."""
        found = self.numbers(label)
        sigma = next((s for s in (f"{label}_sigma", label.replace("_meas", "_sigma")) if s in self.labels), None)
        pair = mates_of(label, self.labels) is not None
        return without_unmeasured(found, self.numbers(sigma)) if pair and sigma is not None else found

    def texts(self, label: str) -> list[str]:
        return np.array(list(self._block.find_loop(self.category + label)), dtype=object)[self.kept].tolist()

    def has_values(self, label: str) -> bool:
        return any(text not in ("?", ".") for text in self.texts(label))


def read_cif(name: str, choice: Choice) -> ReflectionFile:
    """Read one column (or Friedel pair) of the reflections of one block.

    Raises :class:`InputError` when there are none, or no such block or column.
    """
    gemmi = need("gemmi", name)
    document = read_document(gemmi, name, "structure factors")
    tests = (
        lambda block: _has_values(block, choice.column),
        lambda block: _category_of(block) is not None,
        lambda block: values_of(block, _LIST) != [],
    )
    blocks = choose_block(name, document, choice.block, tests, "table of reflections")
    cell, said, doubts = with_cell(gemmi, name, blocks)
    symmetry = symmetry_of(gemmi, name, said, cell, choice.group)
    if symmetry is None:
        raise InputError(f"{name}: found no space group and no symmetry operators, expected either, or -sf_group NAME")
    category = _category_of(blocks.chosen)
    if category is None:
        return _listed(gemmi, name, blocks, choice, cell, symmetry, doubts)
    table = _Table(gemmi, name, blocks.chosen, category)
    column = _column(name, table, choice.column)
    try:
        indices = np.stack([table.numbers(f"index_{axis}") for axis in "hkl"], axis=1)
        hkl, values = rows_of(name, indices, column, table.values)
        scale, scaled = _scale(gemmi, name, blocks.chosen, column)
    except InputError:
        raise
    except (RuntimeError, ValueError) as error:
        raise InputError(f"{name}: found {reason(error)}, expected numbers in its table of reflections") from error
    return ReflectionFile(
        name=name,
        described=f"CIF, block {blocks.chosen.name}",
        cell=cell,
        symmetry=symmetry,
        hkl=hkl,
        values=_divided(name, values, scale),
        column=column,
        unmerged=f"table {table.category.strip('._')}" if "diffrn" in table.category else "",
        wavelength=_wavelength(gemmi, blocks.chosen),
        notes=(*described_blocks(name, blocks), *scaled, *_notes(name, table, column)),
        warnings=(*doubts, *_doubts(name, table, column), *_probes(name, blocks.chosen)),
    )


def _listed(
    gemmi: Any, name: str, blocks: Blocks, choice: Choice, cell: Cell | None, symmetry: Symmetry, doubts: list[str]
) -> ReflectionFile:
    """A block without a table, which has SHELX's list of reflections as text."""
    instructions = "\n".join(values_of(blocks.chosen, _INSTRUCTIONS))
    hkl, values, column = rows_in_cif(name, values_of(blocks.chosen, _LIST)[0], instructions)
    if choice.column is not None and choice.column != column.label:
        raise no_column(name, choice.column, [column.label])
    return ReflectionFile(
        name=name,
        described=f"CIF, block {blocks.chosen.name}, SHELX's list {_LIST}",
        cell=cell,
        symmetry=symmetry,
        hkl=hkl,
        values=values,
        column=column,
        wavelength=_wavelength(gemmi, blocks.chosen),
        notes=tuple(described_blocks(name, blocks)),
        warnings=(*doubts, *_probes(name, blocks.chosen)),
    )


def _scale(gemmi: Any, name: str, block: Any, column: Column) -> tuple[float, list[str]]:
    """What SHELX multiplied its values by, so that they fit into their columns."""
    text = next(iter(values_of(block, "_shelx_F_squared_multiplier")), "1")
    factor = gemmi.cif.as_number(text)
    if not factor > 0 or factor == 1.0:
        return 1.0, []
    note = f"{name}: its values are divided by the F_squared_multiplier of SHELX, {text}"
    return factor if column.intensity else factor**0.5, [note]


def _divided(name: str, values: NDArray[np.float64], scale: float) -> NDArray[np.float64]:
    with np.errstate(over="ignore"):
        found = values / scale
    if np.isinf(found).any():
        raise InputError(f"{name}: found values that overflow, divided by {scale:g}, expected smaller ones")
    return found


def _wavelength(gemmi: Any, block: Any) -> float | None:
    """Where there is one, and one only."""
    texts = {text for tag in _WAVELENGTHS for text in values_of(block, tag)}
    number = gemmi.cif.as_number(texts.pop()) if len(texts) == 1 else 0.0
    return number if number > 0 else None


def _probes(name: str, block: Any) -> list[str]:
    """A warning about amplitudes that were not measured with X-rays."""
    said = " ".join(text for tag in _PROBES for text in values_of(block, tag)).lower()
    other = next((probe for probe in ("neutron", "electron") if probe in said), None)
    return [] if other is None else [f"{name}: its values are of {other} diffraction, and used as those of X-rays"]


def _category_of(block: Any) -> str | None:
    """The category whose table has indices, the merged one first."""
    for category in _CATEGORIES:
        if all(block.find_loop(f"{category}index_{axis}").get_loop() is not None for axis in "hkl"):
            return category
    return None


def _has_values(block: Any, column: str | None) -> bool:
    category = _category_of(block)
    if category is None:
        return False
    labels = [column] if column is not None else [*_USUAL]
    columns = [block.find_loop(category + label) for label in labels]
    return any(text not in ("?", ".") for values in columns for text in values)


def _column(name: str, table: _Table, wanted: str | None) -> Column:
    if wanted is not None:
        if wanted not in table.labels or wanted.startswith("index_"):
            raise no_column(name, wanted, [label for label in table.labels if not label.startswith("index_")])
        return _with_mate(table, wanted)
    there = [label for label in _USUAL if label in table.labels]
    if not there:
        raise InputError(
            f"{name}: found the columns {', '.join(table.labels)}, expected amplitudes or intensities (-sf_column)"
        )
    with_values = [label for label in there if _with_values(table, label)]
    return _with_mate(table, (with_values or there)[0])


def _with_values(table: _Table, label: str) -> bool:
    return any(table.has_values(one) for one in mates_of(label, table.labels) or (label,))


def _with_mate(table: _Table, label: str) -> Column:
    words = f"{label.lower()}_"
    intensity = _USUAL.get(label, any(word in words for word in _INTENSITY_WORDS))
    pair = mates_of(label, table.labels)
    if pair is not None:
        return Column(pair[0], pair[1], intensity)
    differences = [other for other in table.labels if other == "pdbx_anom_difference"]
    if label.startswith("F_meas") and differences and table.has_values(differences[0]):
        return Column(label, difference=difference_of(label, differences, [label]))
    return Column(label, intensity=intensity)


def _notes(name: str, table: _Table, column: Column) -> list[str]:
    pair = next((label for label in ("pdbx_F_plus", "pdbx_I_plus") if label in table.labels), None)
    if pair is None or column.minus is not None or column.difference is not None or not table.has_values(pair):
        return []
    return [f"{name}: its Friedel pairs are not used; -sf_column {pair} reads them"]


def _doubts(name: str, table: _Table, column: Column) -> list[str]:
    said = [f"{name}: {sentence}" for sentence in table.passed_over]
    if "calc" in column.label:
        said.append(f"{name}: it has no measured values; {column.described} are calculated ones")
    for label in ("status", "observed_status"):
        if label in table.labels:
            there = np.isfinite(table.values(column.label))
            unreliable = sum(text.strip("'\"") == _UNRELIABLE for text in np.array(table.texts(label))[there])
            if unreliable:
                said.append(f"{name}: {unreliable} reflections with the status 'x' (unreliable) are used")
    return said
