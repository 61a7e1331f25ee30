"""Where the structure factors come from: a list, a file, a cache, or the default alone."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nanobragg.errors import InputError

if TYPE_CHECKING:
    from nanobragg.experiment import Crystal


@dataclass(frozen=True)
class Grid:
    """Amplitudes (H, K, L) on whole Miller indices from ``minimum`` on; empty without a list."""

    values: np.ndarray
    minimum: tuple[int, int, int]
    count: int
    """reflections read"""


_NO_GRID = Grid(np.empty((0, 0, 0)), (0, 0, 0), 0)


def _age(path: str) -> str:
    seconds = max(0.0, time.time() - os.stat(path).st_mtime)
    for length, unit in ((86400.0, "days"), (3600.0, "hours"), (60.0, "minutes")):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit} old"
    return f"{seconds:.0f} seconds old"


def load(crystal: Crystal, notes: list[str], warnings: list[str]) -> Grid:
    """The grid of structure factors.

    Raises :class:`InputError` when there is none and ``default_F`` is 0.
    """
    from nanobragg.io.hkl import read_dump, read_hkl, structure_factors_from_array

    given = crystal.structure_factors
    if given is not None:
        if isinstance(given, (str, os.PathLike)):
            factors = read_hkl(given, crystal.default_F)
            notes.append(f"read {factors.count} structure factors from {os.fspath(given)}")
        else:
            factors = structure_factors_from_array(given, crystal.default_F)
        warnings.extend(factors.warnings)
        return Grid(factors.grid, factors.minimum, factors.count)
    if crystal.dump is not None and Path(crystal.dump).exists():
        name = os.fspath(crystal.dump)
        factors = read_dump(name)
        notes.append(f"reading Fs from {name}, the cache of an earlier run ({_age(name)})")
        return Grid(factors.grid, factors.minimum, factors.count)
    if crystal.default_F == 0.0:
        raise InputError("-hkl: found no structure factors and no cache, expected -hkl FILE, a cache or a -default_F")
    return _NO_GRID
