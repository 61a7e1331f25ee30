"""Where the structure factors come from: a list, a file, a cache, or the default alone."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from nanobragg.errors import InputError

if TYPE_CHECKING:
    from nanobragg.io.factors.atomic_model import ModelFile
    from nanobragg.io.factors.hkl import StructureFactors
    from nanobragg.io.factors.reflections import ReflectionFile
    from nanobragg.records.experiment import Crystal

    FactorFile = ReflectionFile | ModelFile

ENERGY = 12398.42
"""eV Å, as ``-energy`` has it"""


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


class Use(NamedTuple):
    """What the structure factors are for."""

    cell: tuple[float, float, float, float, float, float]
    """of the crystal, Å and degrees"""
    wavelength: float
    """m"""
    corner: Callable[[], float]
    """the highest resolution on the detector, Å"""
    reach: float
    """How far from a point of reciprocal space, in indices, reflections are looked up."""


def open_file(crystal: Crystal) -> FactorFile | None:
    """A file of structure factors that has a cell: reflections or a model. ``None`` for all else.

    Raises :class:`InputError` when it cannot be read, and for options that belong to other kinds of files.
    """
    given = crystal.structure_factors
    kind = "text"
    if isinstance(given, (str, os.PathLike)):
        from nanobragg.io.factors.kinds import structure_factor_kind

        kind = structure_factor_kind(given)
    if crystal.sf_column is not None and kind not in ("mtz", "reflections"):
        raise InputError(f"-sf_column: found {crystal.sf_column!r} without a file of columns, expected -hkl MTZ or CIF")
    if crystal.sf_dmin is not None and not 0.0 < crystal.sf_dmin < math.inf:
        raise InputError(f"-sf_dmin: found {crystal.sf_dmin:g}, expected a positive resolution (Å)")
    for name, value in (("-k_sol", crystal.k_sol), ("-b_sol", crystal.b_sol)):
        if value is not None and not 0.0 <= value < math.inf:
            raise InputError(f"{name}: found {value:g}, expected 0 or more")
    if not isinstance(given, (str, os.PathLike)) or kind == "text":
        return None
    if kind == "model":
        from nanobragg.io.factors.atomic_model import read_model

        return read_model(given)
    from nanobragg.io.factors.reflections import read_reflection_file

    return read_reflection_file(given, kind, crystal.sf_column)


def load(crystal: Crystal, file: FactorFile | None, use: Use, notes: list[str], warnings: list[str]) -> Grid:
    """The grid of structure factors, from ``file`` (see :func:`open_file`) if there is one.

    Raises :class:`InputError` when there is none and ``default_F`` is 0.
    """
    from nanobragg.io.factors.hkl import read_dump, read_hkl, structure_factors_from_array

    _warn_unused(crystal, file, warnings)
    given = crystal.structure_factors
    if file is not None:
        factors = _from_file(crystal, file, use, notes, warnings)
        warnings.extend(factors.warnings)
        return Grid(factors.grid, factors.minimum, factors.count)
    if given is not None:
        if isinstance(given, (str, os.PathLike)):
            factors = read_hkl(given, crystal.default_F)
            notes.append(f"read {factors.count} structure factors from {os.fspath(given)}")
        else:
            factors = structure_factors_from_array(given, crystal.default_F)
        warnings.extend(factors.warnings)
        return Grid(factors.grid, factors.minimum, factors.count)
    if crystal.dump is not None and os.path.exists(crystal.dump):
        name = os.fspath(crystal.dump)
        factors = read_dump(name)
        notes.append(f"reading Fs from {name}, the cache of an earlier run ({_age(name)})")
        return Grid(factors.grid, factors.minimum, factors.count)
    if crystal.default_F == 0.0:
        raise InputError("-hkl: found no structure factors and no cache, expected -hkl FILE, a cache or a -default_F")
    return _NO_GRID


def _warn_unused(crystal: Crystal, file: FactorFile | None, warnings: list[str]) -> None:
    from nanobragg.records.experiment import Crystal as Fields

    if crystal.sf_dmin is not None and file is None:
        warnings.append("-sf_dmin has no effect on a list of structure factors")
    if (crystal.k_sol is not None or crystal.b_sol != Fields.b_sol) and not hasattr(file, "structure"):
        warnings.append("-k_sol and -b_sol have no effect without a model")


def _from_file(crystal: Crystal, file: FactorFile, use: Use, notes: list[str], warnings: list[str]) -> StructureFactors:
    from nanobragg.io.factors.reflections import ReflectionFile

    if file.cell is not None and not _alike(file.cell, use.cell):
        numbers = " ".join(f"{value:g}" for value in file.cell)
        warnings.append(f"{file.name}: its unit cell {numbers} is not the crystal's; its structure factors are used")
    if isinstance(file, ReflectionFile):
        return _reflections(crystal, file, notes)
    return _model(crystal, file, use, notes)


def _reflections(crystal: Crystal, file: ReflectionFile, notes: list[str]) -> StructureFactors:
    from nanobragg.io.factors.reflections import expand_to_p1

    expanded = expand_to_p1(file, crystal.default_F, crystal.sf_dmin)
    notes.append(f"read {expanded.factors.count} structure factors of P1 from {file.column.described} of {file.name}")
    if expanded.missing:
        notes.append(
            f"{expanded.missing} of {expanded.expected} reflections to {expanded.resolution:.2f} Å are missing and "
            f"take the default {crystal.default_F:g}"
        )
    return expanded.factors


def _model(crystal: Crystal, file: ModelFile, use: Use, notes: list[str]) -> StructureFactors:
    from nanobragg.io.factors.atomic_model import K_SOL, Recipe, model_factors
    from nanobragg.maths.lattice import reciprocal_metric

    resolution = crystal.sf_dmin
    if resolution is None:
        # A point of reciprocal space at the limit may be nearest to a reflection beyond it.
        steps = np.sqrt(np.diag(reciprocal_metric(file.cell or use.cell)))
        resolution = 1.0 / (1.0 / use.corner() + use.reach * float(steps.sum()))
    k_sol = crystal.k_sol if crystal.k_sol is not None else K_SOL if file.macromolecule else 0.0
    recipe = Recipe(resolution=resolution, energy=ENERGY / (use.wavelength * 1e10), k_sol=k_sol, b_sol=crystal.b_sol)
    factors = model_factors(file, recipe, use.cell, crystal.default_F)
    solvent = f"bulk solvent of {k_sol:g} electrons/Å³, B {crystal.b_sol:g} Å²" if k_sol else "no bulk solvent"
    notes.append(
        f"computed {factors.count} structure factors to {resolution:.3f} Å from {file.name}: {solvent}, anomalous "
        f"scattering at {recipe.energy:.1f} eV"
    )
    return factors


def _alike(one: Sequence[float], other: Sequence[float]) -> bool:
    """Whether lengths agree to 1% and angles to 1 degree."""
    lengths = all(abs(a - b) <= 0.01 * b for a, b in zip(one[:3], other[:3], strict=True))
    return lengths and all(abs(a - b) <= 1.0 for a, b in zip(one[3:], other[3:], strict=True))
