"""The grid of structure factors: a list's, expanded from reflections, computed from a model, or the default alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from nanobragg.errors import InputError
from nanobragg.maths.constants import ENERGY
from nanobragg.records.experiment import Crystal
from nanobragg.records.scene import Interpolation
from nanobragg.records.structure_factors import StructureFactors
from nanobragg.resolver.log import Log
from nanobragg.resolver.memory import FILES

if TYPE_CHECKING:
    from nanobragg.io.factors.models import ModelFile
    from nanobragg.io.factors.types import ReflectionFile
    from nanobragg.maths.vectors import Vec

    Progress = Callable[[float], object]

_ELECTRONS = 0.06
"""Å; shorter wavelengths are an electron microscope's"""


class FactorGrid(NamedTuple):
    """Amplitudes (H, K, L) on whole Miller indices from ``minimum`` on, empty without a list; and how they are used."""

    values: np.ndarray
    minimum: tuple[int, int, int]
    count: int
    """reflections read"""
    interpolate: bool
    interpolation: Interpolation
    log: Log


class Use(NamedTuple):
    """What the structure factors are for."""

    cell: tuple[float, float, float, float, float, float]
    """the crystal's cell, Å and degrees"""
    wavelength: float
    """m"""
    said_cells: Vec
    """Na, Nb, Nc as said: few of them ask for interpolation"""
    cells: Vec
    """Na, Nb, Nc of the crystal, a size taken into account"""
    corner: Callable[[], float]
    """the highest resolution on the detector, Å"""
    quirks: frozenset[str]
    progress: Progress | None = None


def factor_grid(crystal: Crystal, given: StructureFactors | ReflectionFile | ModelFile | None, use: Use) -> FactorGrid:
    """The grid, from what the files say (:class:`~nanobragg.resolver.files.Said`).

    Raises:
        InputError: when there is none and ``default_F`` is 0, and where a grid would be too large.

    """
    if given is None and crystal.default_F == 0.0:
        raise InputError("-hkl: found no structure factors and no cache, expected -hkl FILE, a cache or a -default_F")
    said = crystal.interpolate
    early = "interpolation_before_size" in use.quirks
    wanted = min(use.said_cells if early else use.cells) <= 2 if said is None else said
    factors, log = _NOTHING, Log()
    if isinstance(given, StructureFactors):
        factors = given
    elif given is not None:
        factors, log = _of_file(crystal, given, use, reach=2.5 if wanted else 0.5)
    log = _unused(crystal, given) + log + Log(warnings=factors.warnings)
    if said is None:
        chosen = "tricubic interpolation of structure factors" if wanted else "no interpolation"
        log += Log(notes=(f"auto-selected {chosen}",)) + _doubtful_interpolation(factors, use)
    interpolate = wanted and factors.count > 0
    return FactorGrid(
        values=factors.grid,
        minimum=factors.minimum,
        count=factors.count,
        interpolate=interpolate,
        interpolation=_interpolation(interpolate, use.quirks),
        log=log,
    )


_NOTHING = StructureFactors(grid=np.empty((0, 0, 0)), minimum=(0, 0, 0), count=0)


def _interpolation(interpolate: bool, quirks: frozenset[str]) -> Interpolation:
    if not interpolate:
        return Interpolation.NEAREST
    return Interpolation.TRICUBIC_STICKY if "sticky_interpolation_fallback" in quirks else Interpolation.TRICUBIC


def _doubtful_interpolation(factors: StructureFactors, use: Use) -> Log:
    """The original looks at the number of cells before a size becomes one."""
    said, made = min(use.said_cells) <= 2, min(use.cells) <= 2
    if factors.count == 0 or said == made or "interpolation_before_size" not in use.quirks:
        return Log()
    touched = frozenset({"interpolation_before_size"})
    if not said:
        return Log(touched=touched)
    words = [" x ".join(f"{n:.12g}" for n in cells) for cells in (use.said_cells, use.cells)]
    doubt = (
        f"tricubic interpolation was chosen for the {words[0]} cells of -N, though the crystal's size makes {words[1]} "
        "cells, where it takes much time and changes little (-nointerpolate)"
    )
    return Log(warnings=(doubt,), touched=touched)


def _unused(crystal: Crystal, given: object) -> Log:
    """Options that say nothing about structure factors of this kind."""
    warnings = []
    if crystal.sf_dmin is not None and (given is None or isinstance(given, StructureFactors)):
        warnings.append("-sf_dmin has no effect on a list of structure factors")
    if (crystal.k_sol is not None or crystal.b_sol != Crystal.b_sol) and not hasattr(given, "structure"):
        warnings.append("-k_sol and -b_sol have no effect without a model")
    return Log(warnings=tuple(warnings))


def _of_file(
    crystal: Crystal, file: ReflectionFile | ModelFile, use: Use, *, reach: float
) -> tuple[StructureFactors, Log]:
    """The grid that a file with a cell makes.

    ``reach``: how far from a point of reciprocal space, in indices, reflections are looked up.
    """
    from nanobragg.io.factors.types import ReflectionFile

    warnings = []
    if file.cell is not None and not _alike(file.cell, use.cell):
        numbers = " ".join(f"{value:g}" for value in file.cell)
        warnings.append(f"{file.name}: its unit cell {numbers} is not the crystal's; its structure factors are used")
    if isinstance(file, ReflectionFile):
        factors, notes, doubts = _reflections(crystal, file, use)
        warnings += doubts
    else:
        factors, notes = _model(crystal, file, use, reach)
        if use.wavelength * 1e10 < _ELECTRONS:
            warnings.append(
                f"{file.name}: the form factors are those of X-rays, and {use.wavelength * 1e10:.4g} Å is a wavelength "
                "of electrons"
            )
    return factors, Log(notes=(*file.notes, *notes), warnings=tuple(warnings))


def _reflections(
    crystal: Crystal, file: ReflectionFile, use: Use
) -> tuple[StructureFactors, tuple[str, ...], list[str]]:
    """The grid, notes and warnings."""
    from nanobragg.io.factors.reflections import expand_to_p1

    wanted = (crystal.default_F, crystal.sf_dmin, None if file.cell else use.cell)
    expanded = FILES.get((file, wanted), lambda: expand_to_p1(file, *wanted))
    complete = 100.0 * (1.0 - expanded.missing / expanded.expected) if expanded.expected else 100.0
    notes = [
        f"read {expanded.described}",
        f"they are {expanded.factors.count} structure factors of P 1 to {expanded.resolution:.2f} Å, {complete:.1f} % "
        "complete",
    ]
    if expanded.missing:
        notes.append(
            f"{expanded.missing} of {expanded.expected} reflections to {expanded.resolution:.2f} Å are missing and "
            f"take the default {crystal.default_F:g}"
        )
    wavelength, doubts = use.wavelength * 1e10, []
    if expanded.anomalous and file.wavelength and abs(file.wavelength - wavelength) > 0.01 * wavelength:
        doubts.append(
            f"{file.name}: its mates differ as they do at {file.wavelength:.5g} Å, and are used at {wavelength:.5g} Å"
        )
    return expanded.factors, tuple(notes), doubts


def _model(crystal: Crystal, file: ModelFile, use: Use, reach: float) -> tuple[StructureFactors, tuple[str, ...]]:
    from nanobragg.io.factors.atomic_model import K_SOL, Recipe, model_factors
    from nanobragg.maths.lattice import reciprocal_metric

    resolution = crystal.sf_dmin
    if resolution is None:
        # A point of reciprocal space at the limit may be nearest to a reflection beyond it.
        steps = np.sqrt(np.diag(reciprocal_metric(file.cell or use.cell)))
        resolution = 1.0 / (1.0 / use.corner() + reach * float(steps.sum()))
    k_sol = crystal.k_sol if crystal.k_sol is not None else K_SOL if file.macromolecule else 0.0
    recipe = Recipe(resolution=resolution, energy=ENERGY / (use.wavelength * 1e10), k_sol=k_sol, b_sol=crystal.b_sol)
    wanted = (recipe, None if file.cell else use.cell, crystal.default_F)
    factors = FILES.get((file, wanted), lambda: model_factors(file, *wanted, use.progress))
    solvent = f"bulk solvent of {k_sol:g} electrons/Å³, B {crystal.b_sol:g} Å²" if k_sol else "no bulk solvent"
    return factors, (
        f"{file.name}: {file.symmetry.described}, {file.contents}",
        f"computed {factors.count} structure factors to {resolution:.3f} Å from {file.name}: {solvent}, anomalous "
        f"scattering at {recipe.energy:.1f} eV",
    )


def _alike(one: Sequence[float], other: Sequence[float]) -> bool:
    """Whether lengths agree to 1% and angles to 1 degree."""
    lengths = all(abs(a - b) <= 0.01 * b for a, b in zip(one[:3], other[:3], strict=True))
    return lengths and all(abs(a - b) <= 1.0 for a, b in zip(one[3:], other[3:], strict=True))
