"""Wavelength, fluence and sources of ``nanobragg nonbragg`` (``specs/nonbragg.md``, "Geometry")."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from nanobragg.errors import InputError
from nanobragg.io.lists.columns import read_table
from nanobragg.maths.vectors import Vec, cross, rotate_axis, scale, unit
from nanobragg.records.nonbragg import NonBraggRun
from nanobragg.resolver.beam import ellipse
from nanobragg.resolver.nonbragg_detector import Placed
from nanobragg.resolver.nonbragg_known import Known
from nanobragg.resolver.steps import sweep

_MOST_SOURCES = 100_000_000


def fluence_of(run: NonBraggRun) -> float:
    """photons/m²; a flux wins."""
    beamsize = run.beamsize / 1000
    if run.flux == 0.0 or not run.exposure > 0.0 or not beamsize >= 0.0:
        return run.fluence
    if beamsize == 0.0:
        raise InputError("-beamsize: found 0 mm with a -flux, expected a positive size")
    return run.flux * run.exposure / beamsize / beamsize


# ---- sources ----------------------------------------------------------------------------------------------


class Sources(NamedTuple):
    positions: list[Vec]
    wavelengths: list[float]
    weights: list[float]
    horizontal: tuple[float, float, int]
    vertical: tuple[float, float, int]
    dispersion: tuple[float, float, int]
    points: tuple[tuple[float, float], ...] | None = None
    grid_wavelengths: tuple[float, ...] = ()


def wavelength_of(known: Known) -> float:
    said = known.run.wavelength
    in_header = known.in_header("WAVELENGTH")
    wavelength = said if said is not None else 1.0e-10 if in_header is None else in_header / 1e10
    if not math.isfinite(wavelength):
        raise InputError(f"-lambda: found {wavelength:g} m, expected a finite number")
    return wavelength


def _divergence(known: Known, name: str, said: tuple[float | None, float | None, int]) -> tuple[float, float, int]:
    extent, step, count = said
    wide = -1.0 if extent is None else extent / 1000.0
    apart = -1.0 if step is None else step / 1000.0
    if count > 0 and wide < 0.0 and apart <= 0.0:
        one = count == 1 and not known.touches("divsteps_one_is_none")
        if not known.touches("divsteps_is_radians") or one:
            return 0.0, 0.0, 1
    return sweep(name, wide, apart, count or -1)


def sources_of(known: Known, placed: Placed, wavelength: float) -> Sources:
    run = known.run
    horizontal = _divergence(known, "-hdivstep", run.horizontal)
    vertical = _divergence(known, "-vdivstep", run.vertical)
    dispersion = sweep("-dispsteps", run.dispersion / 100.0, -1.0, run.dispersion_steps or -1)
    from_here = scale(-run.source_distance / 1000.0, placed.beam)
    if run.sourcefile is not None:
        return _listed(known, from_here, wavelength, (horizontal, vertical, dispersion))
    if horizontal[2] * vertical[2] * dispersion[2] > _MOST_SOURCES:
        raise InputError("-divsteps and -dispsteps: found more than 1e8 sources, expected fewer")
    upright = unit(cross(placed.beam, placed.polar))
    waves = tuple(wavelength * (1.0 + dispersion[1] * k - dispersion[0] / 2.0) for k in range(dispersion[2]))
    points, positions = [], []
    for i in range(horizontal[2]):
        h = horizontal[1] * i - horizontal[0] / 2.0
        for j in range(vertical[2]):
            v = vertical[1] * j - vertical[0] / 2.0
            if run.round_divergence and (ellipse(h, *horizontal) + ellipse(v, *vertical)) * 4.0 > 1.1:
                continue
            points.append((h, v))
            positions += [rotate_axis(rotate_axis(from_here, placed.polar, v), upright, h)] * len(waves)
    if not positions:
        known.warnings.append("no point of the divergence grid is inside its ellipse: no source, and an image of NaN")
    return Sources(
        positions=positions,
        wavelengths=list(waves) * len(points),
        weights=[1.0] * len(positions),
        horizontal=horizontal,
        vertical=vertical,
        dispersion=dispersion,
        points=tuple(points),
        grid_wavelengths=waves,
    )


def _listed(known: Known, missing: Vec, wavelength: float, grid: tuple[tuple[float, float, int], ...]) -> Sources:
    """Sources of a file; ``missing``: what missing coordinates are."""
    name = known.run.sourcefile or ""
    titles = "text_lines_are_sources" in known.run.quirks
    table = read_table(name, 5, titles=titles, expected="lines of x y z weight wavelength")
    known.touches("text_lines_are_sources", table.without_number > 0)
    default = np.array([*missing, 1.0, wavelength])
    rows = np.where(np.isnan(table.values), default, table.values).tolist()
    if not all(math.isfinite(number) for row in rows for number in row):
        raise InputError(f"{name}: found a number that is not finite, expected finite positions and wavelengths")
    return Sources(
        positions=[(row[0], row[1], row[2]) for row in rows],
        wavelengths=[row[4] for row in rows],
        weights=[row[3] for row in rows],
        horizontal=grid[0],
        vertical=grid[1],
        dispersion=grid[2],
    )


def steps_of(known: Known, weights: list[float]) -> float:
    """What the sum over the sources is divided by."""
    total = math.fsum(weights)
    if known.touches("source_weights_unnormalised", total != len(weights)) or total == len(weights):
        return float(len(weights))
    if not total > 0.0:
        raise InputError(f"-sourcefile: found weights that add up to {total:g}, expected a positive sum")
    return total
