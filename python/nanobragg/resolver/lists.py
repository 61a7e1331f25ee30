"""Orientation matrix and list of sources, from files or arrays."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np

from nanobragg.errors import InputError
from nanobragg.resolver.log import Log
from nanobragg.resolver.memory import once

if TYPE_CHECKING:
    from nanobragg.records.experiment import Crystal, Experiment


def matrix_of(crystal: Crystal) -> tuple[np.ndarray | None, Log]:
    """(3, 3) columns a*, b*, c* in units of 1/λ, where any are said. Raises :class:`InputError` for another shape."""
    given, log = crystal.matrix, Log()
    if given is None:
        return None, log
    if isinstance(given, (str, os.PathLike)):
        from nanobragg.io.lists.matrix import read_matrix

        log = Log(notes=(f"reading {os.fspath(given)}",))
        given = once(read_matrix, given)
    table = np.asarray(given, dtype=float)
    if table.shape != (3, 3) or not np.isfinite(table).all():
        raise InputError(f"-mat: found an array of shape {table.shape}, expected (3, 3) finite numbers")
    return table, log


def sources_of(experiment: Experiment) -> tuple[np.ndarray | None, Log]:
    """(n, 5) x, y, z, weight, wavelength (m), where any are said. Raises :class:`InputError` for another shape."""
    given, log = experiment.beam.sources, Log()
    if given is None:
        return None, log
    if isinstance(given, (str, os.PathLike)):
        from nanobragg.io.lists.sources import read_sources

        log = Log(notes=(f"reading {os.fspath(given)}",))
        given = once(read_sources, given)
    table = np.asarray(given, dtype=float)
    if table.ndim != 2 or table.shape[1] != 5 or len(table) == 0:
        raise InputError(f"-sourcefile: found an array of shape {table.shape}, expected (n, 5)")
    return table, log
