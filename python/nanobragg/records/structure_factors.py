"""Structure factors as they are read or computed: a grid, and what there is to say about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nanobragg.records.record import Record

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class StructureFactors(Record):
    """Amplitudes on a dense grid of Miller indices, holes filled with the default."""

    grid: NDArray[np.float64]
    """(H, K, L)"""
    minimum: tuple[int, int, int]
    """h, k, l of ``grid[0, 0, 0]``"""
    count: int
    """Reflections given, duplicates included; of a cache: grid points."""
    described: str = "lines h k l F"
    """What of a text list was read, for messages."""
    warnings: tuple[str, ...] = ()
    """Sentences about what was doubtful."""

    @property
    def maximum(self) -> tuple[int, int, int]:
        """h, k, l of the last grid point."""
        h, k, l = (low + size - 1 for low, size in zip(self.minimum, self.grid.shape, strict=True))  # noqa: E741
        return h, k, l
