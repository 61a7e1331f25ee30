"""What readers of reflections give: indices, values, cell and symmetry, as they stand in the file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from nanobragg.records.record import Record

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from nanobragg.io.factors.symmetry import Symmetry
    from nanobragg.maths.lattice import Cell


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What is asked for of a file; ``None``: what is usual."""

    column: str | None = None
    block: str | None = None
    group: str | None = None
    """Name or number of a space group that is stronger than the file's."""


@dataclass(frozen=True)
class Column:
    """What is read from a file: one column, the two of a Friedel pair, or amplitudes and their differences."""

    label: str
    minus: str | None = None
    intensity: bool = False
    difference: str | None = None
    """F(+) − F(−)"""

    @property
    def described(self) -> str:
        """For messages."""
        text = self.label
        if self.minus is not None:
            text += f" and {self.minus}"
        if self.difference is not None:
            text += f" ± {self.difference}/2"
        return f"{'intensities' if self.intensity else 'amplitudes'} {text}"


class ReflectionFile(Record):
    """The reflections of a file, one row a measurement: the members of a Friedel pair are rows of their own."""

    name: str
    described: str
    """The kind of file, with the block of a CIF, for messages."""
    cell: Cell | None
    """Å, degrees; ``None``: the file has none."""
    symmetry: Symmetry
    hkl: NDArray[np.int32]
    """(n, 3)"""
    values: NDArray[np.float64]
    """(n,) amplitudes or intensities; NaN where missing"""
    column: Column
    friedel: bool = False
    """Whether the file says that mates are one reflection"""
    unmerged: str = ""
    """How the file shows that it is unmerged; empty where it does not."""
    wavelength: float | None = None
    """Å, that the values were measured at; ``None``: not said"""
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
