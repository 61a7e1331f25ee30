"""Wavelength, fluence and the list of sources (``specs/geometry.md``, "Sources" and "Fluence")."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from nanobragg.errors import InputError
from nanobragg.maths.constants import ENERGY
from nanobragg.maths.duals import isfinite
from nanobragg.maths.vectors import Vec, rotate_axis, scale, unit
from nanobragg.resolver.log import Log, which
from nanobragg.resolver.steps import sweep

if TYPE_CHECKING:
    import numpy as np

    from nanobragg.records.experiment import Beam
    from nanobragg.resolver.detector import Placement
    from nanobragg.resolver.files import Said
    from nanobragg.resolver.headers import HeaderValues

DEFAULT_EXPOSURE, DEFAULT_SIZE = 1.0, 0.1
"""s, mm; they count where a flux is said"""
DEFAULT_FLUENCE = 125932015286227086360700780544.0
SOURCE_DISTANCE = 10.0
"""m; shows in the list of sources only."""


class Sources(NamedTuple):
    """Sources as the Scene wants them, and the grid they came from (None with a source file)."""

    travel: list[Vec]
    """unit vectors of travel"""
    wavelengths: list[float]
    """m"""
    weights: list[float]
    """as read, or 1 for each"""
    from_file: bool
    hdiv: tuple[float, float, int] = (0.0, 0.0, 1)
    vdiv: tuple[float, float, int] = (0.0, 0.0, 1)
    dispersion: tuple[float, float, int] = (0.0, 0.0, 1)
    points: tuple[tuple[float, float], ...] = ()
    """divergence grid points that are kept"""
    grid_wavelengths: tuple[float, ...] = ()


class Light(NamedTuple):
    """The beam: what every source has in common, and the sources."""

    wavelength: float
    """m"""
    fluence: float
    """photons/m²"""
    sources: Sources
    scene_weights: list[float]
    """(n,) what multiplies each source's terms, mean 1"""
    log: Log


def light_of(said: Said, placement: Placement, quirks: frozenset[str]) -> Light:
    """The beam as it hits the sample.

    Raises:
        InputError: for a wavelength, fluence or list of sources that cannot be.

    """
    beam = said.experiment.beam
    wavelength, fluence = wavelength_of(beam, said.header), fluence_of(beam)
    frame = placement.frame
    if said.sources is None:
        sources = grid_sources(beam, wavelength, frame.beam, frame.polar, placement.vertical)
    else:
        sources = listed_sources(said.sources, beam, wavelength, frame.beam)
    ignored = "source_weights_ignored" in quirks and not said.spectrum
    matters = ignored and any(weight != sources.weights[0] for weight in sources.weights)
    return Light(
        wavelength=wavelength,
        fluence=fluence,
        sources=sources,
        scene_weights=scene_weights(sources, ignored),
        log=Log(touched=which(source_weights_ignored=matters)),
    )


def wavelength_of(beam: Beam, header: HeaderValues) -> float:
    """The wavelength in m: as said, else from the header, else 1 Å."""
    if beam.wavelength is not None and beam.energy is not None:
        raise InputError("wavelength and energy: found both, expected one of them")
    if beam.energy is not None:
        value = (ENERGY / beam.energy) / 1.0e10 if beam.energy != 0 else math.inf
        name, found, unit_name = "-energy", beam.energy, "eV"
    else:
        found = beam.wavelength if beam.wavelength is not None else header.wavelength
        found = 1.0 if found is None else found
        value, name, unit_name = found / 1e10, "-lambda", "Å"
    if not 0.0 < value < math.inf:
        raise InputError(f"{name}: found {found:g} {unit_name}, expected a positive number")
    return value


def beam_size_of(beam: Beam) -> float:
    """Edge of the beam, m."""
    return (DEFAULT_SIZE if beam.size is None else beam.size) / 1000


def fluence_of(beam: Beam) -> float:
    """photons/m²; a flux wins over a fluence."""
    fluence = DEFAULT_FLUENCE if beam.fluence is None else beam.fluence
    exposure = DEFAULT_EXPOSURE if beam.exposure is None else beam.exposure
    size = beam_size_of(beam)
    if beam.flux and exposure > 0.0 and size >= 0:
        if size == 0:
            raise InputError("-beamsize: found 0 mm with a -flux, expected a positive size")
        fluence = beam.flux * exposure / size / size
    if not isfinite(fluence):
        raise InputError(f"-fluence: found {fluence:g} photons/m^2, expected a finite number")
    return fluence


def _or(value: float | None, factor: float) -> float:
    return -1.0 if value is None else value / factor


def _grid(beam: Beam) -> tuple[tuple[float, float, int], tuple[float, float, int], tuple[float, float, int]]:
    hdiv = sweep(
        "-hdivstep",
        _or(beam.horizontal_divergence, 1000.0),
        _or(beam.horizontal_divergence_step, 1000.0),
        beam.horizontal_divergence_steps or -1,
    )
    vdiv = sweep(
        "-vdivstep",
        _or(beam.vertical_divergence, 1000.0),
        _or(beam.vertical_divergence_step, 1000.0),
        beam.vertical_divergence_steps or -1,
    )
    width = 0.0 if beam.dispersion is None else beam.dispersion / 100.0
    return hdiv, vdiv, sweep("-dispsteps", width, -1.0, beam.dispersion_steps or -1)


def ellipse(offset: float, extent: float, step: float, count: int) -> float:
    """One axis' share of the ellipse's equation; NaN without divergence, as 0/0 gives the original."""
    numerator = offset * offset - step * step / 4.0 * (1 - count % 2)
    square = extent * extent
    return numerator / extent / extent if square != 0.0 else math.nan


def grid_sources(beam: Beam, wavelength: float, travel: Vec, polar: Vec, vertical: Vec) -> Sources:
    """Sources of divergence and dispersion: horizontal steps outermost, wavelengths innermost."""
    hdiv, vdiv, disp = _grid(beam)
    if hdiv[2] * vdiv[2] * disp[2] > 100_000_000:
        raise InputError(f"-divsteps and -dispsteps: found {hdiv[2] * vdiv[2] * disp[2]} sources, expected below 1e8")
    wavelengths = tuple(wavelength * (1.0 + disp[1] * k - disp[0] / 2.0) for k in range(disp[2]))
    points: list[tuple[float, float]] = []
    travel_of_each: list[Vec] = []
    start = scale(-SOURCE_DISTANCE, travel)
    for i in range(hdiv[2]):
        h = hdiv[1] * i - hdiv[0] / 2.0
        for j in range(vdiv[2]):
            v = vdiv[1] * j - vdiv[0] / 2.0
            test = ellipse(h, *hdiv) + ellipse(v, *vdiv)
            if beam.round_divergence and test * 4.0 > 1.1:
                continue
            points.append((h, v))
            position = rotate_axis(rotate_axis(start, polar, v), vertical, h)
            travel_of_each.extend([scale(-1.0, unit(position))] * len(wavelengths))
    if not travel_of_each:
        raise InputError("-round_div: no point of the divergence grid lies inside the ellipse, expected at least one")
    return Sources(
        travel=travel_of_each,
        wavelengths=list(wavelengths) * len(points),
        weights=[1.0] * len(travel_of_each),
        from_file=False,
        hdiv=hdiv,
        vdiv=vdiv,
        dispersion=disp,
        points=tuple(points),
        grid_wavelengths=wavelengths,
    )


def listed_sources(table: np.ndarray, beam: Beam, wavelength: float, travel: Vec) -> Sources:
    """Sources of a table (n, 5): x, y, z, weight, wavelength (m); NaN takes the default.

    Raises :class:`InputError` for a source without direction or with an impossible wavelength.
    """
    hdiv, vdiv, disp = _grid(beam)
    directions, wavelengths, weights = [], [], []
    for number, row in enumerate(table.tolist(), 1):
        x, y, z = (-SOURCE_DISTANCE * travel[i] if math.isnan(row[i]) else row[i] for i in range(3))
        weight = 1.0 if math.isnan(row[3]) else row[3]
        wave = wavelength if math.isnan(row[4]) else row[4]
        if not 0.0 < wave < math.inf:
            raise InputError(f"source {number}: found a wavelength of {wave:g} m, expected a positive number")
        if (x, y, z) == (0.0, 0.0, 0.0) or not all(isfinite(c) for c in (x, y, z, weight)):
            raise InputError(
                f"source {number}: found position {x:g} {y:g} {z:g}, weight {weight:g}, expected a direction"
            )
        directions.append(scale(-1.0, unit((x, y, z))))
        wavelengths.append(wave)
        weights.append(weight)
    return Sources(
        travel=directions,
        wavelengths=wavelengths,
        weights=weights,
        from_file=True,
        hdiv=hdiv,
        vdiv=vdiv,
        dispersion=disp,
    )


def scene_weights(sources: Sources, ignored: bool) -> list[float]:
    """Factors of the sources' terms, of mean 1.

    Raises :class:`InputError` when the weights add up to nothing.
    """
    count = len(sources.weights)
    if ignored:
        return [1.0] * count
    total = math.fsum(sources.weights)
    if not total > 0.0:
        raise InputError(f"-sourcefile: found weights that add up to {total:g}, expected a positive sum")
    return [w * count / total for w in sources.weights]
