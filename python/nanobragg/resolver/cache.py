"""The cache of structure factors (``Fdump.bin``), written after a text list was read (``specs/formats.md``)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nanobragg.records.experiment import Crystal
    from nanobragg.records.resolved import Resolved


SMALL = 16 * 1024**2
"""bytes; so small a cache is always written"""
POINTS_PER_REFLECTION = 32
"""A line of text takes as long to read as so many grid points of a cache."""


def is_cached(crystal: Crystal) -> bool:
    """Whether the structure factors are a text list's, for which a cache is wanted."""
    from nanobragg.resolver.files import kind_of

    given = crystal.structure_factors
    return crystal.dump is not None and isinstance(given, (str, os.PathLike)) and kind_of(given) == "text"


def saves_time(resolved: Resolved) -> bool:
    """Whether a cache of the structure factors is read more quickly than their list."""
    grid = resolved.scene.f_grid
    return grid.nbytes <= SMALL or grid.size <= POINTS_PER_REFLECTION * resolved.sample.reflections


def save_cache(resolved: Resolved) -> str | None:
    """Write the grid that was read to ``Crystal.dump``.

    Returns:
        The name of the file; ``None`` where none is wanted, or the structure factors are not a text list's.

    Raises:
        InputError: when the file cannot be written.

    """
    crystal, scene = resolved.experiment.crystal, resolved.scene
    if crystal.dump is None or not is_cached(crystal):
        return None
    from nanobragg.io.factors.hkl import write_dump
    from nanobragg.records.structure_factors import StructureFactors

    factors = StructureFactors(grid=scene.f_grid, minimum=scene.f_min, count=resolved.sample.reflections)
    write_dump(crystal.dump, factors)
    return os.fspath(crystal.dump)
