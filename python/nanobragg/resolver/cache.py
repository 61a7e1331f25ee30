"""The cache of structure factors (``Fdump.bin``), written after a text list was read (``specs/formats.md``)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nanobragg.records.resolved import Resolved


def save_cache(resolved: Resolved) -> str | None:
    """Write the grid that was read to ``Crystal.dump``.

    Returns:
        The name of the file; ``None`` where none is wanted, or the structure factors are not a text list's.

    Raises:
        InputError: when the file cannot be written.

    """
    crystal, scene = resolved.experiment.crystal, resolved.scene
    if not isinstance(crystal.structure_factors, (str, os.PathLike)) or crystal.dump is None:
        return None
    from nanobragg.io.factors.hkl import StructureFactors, write_dump
    from nanobragg.resolver.files import kind_of

    if kind_of(crystal.structure_factors) != "text":
        return None
    factors = StructureFactors(grid=scene.f_grid, minimum=scene.f_min, count=resolved.sample.reflections)
    write_dump(crystal.dump, factors)
    return os.fspath(crystal.dump)
