"""From what ``nanobragg nonbragg`` was told to a scene (``specs/nonbragg.md``, "Geometry")."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from nanobragg.errors import InputError
from nanobragg.io.lists.columns import read_table
from nanobragg.maths.constants import AVOGADRO, THOMSON
from nanobragg.maths.vectors import Vec, scale, unit
from nanobragg.records.nonbragg import AmorphousScene, NonBraggRun, ResolvedNonBragg
from nanobragg.resolver.nonbragg_beam import Sources, fluence_of, sources_of, steps_of, wavelength_of
from nanobragg.resolver.nonbragg_detector import Panel, Placed, panel_of, place, roi_of, rotation_of
from nanobragg.resolver.nonbragg_known import Known

_FACTORS = {"stol": 1.0e10, "4stol": 1.0e10 / 4, "Q": 1.0e10 / math.pi / 4}


def resolve_nonbragg(run: NonBraggRun) -> ResolvedNonBragg:
    """The scene of ``run``, its files read.

    Raises :class:`InputError` for files that cannot be read and for what no image can be made of.
    """
    known = Known(run)
    panel = panel_of(known)
    placed = place(known, panel)
    profile = _profile(known)
    wavelength = wavelength_of(known)
    sources = sources_of(known, placed, wavelength)
    _check_image(known, panel, sources)
    sample, density, molecules = _sample(known)
    phi, oscillation = rotation_of(known)
    scene = _scene(known, panel, placed, profile, sources, molecules)
    return ResolvedNonBragg(
        run=run,
        scene=scene,
        profile_factor=_FACTORS[run.profile_unit],
        pivot=placed.pivot,
        detsize=panel.detsize,
        Xbeam=placed.Xbeam,
        Ybeam=placed.Ybeam,
        Xclose=placed.Xclose,
        Yclose=placed.Yclose,
        wavelength=wavelength,
        phi=phi,
        oscillation=oscillation,
        twotheta=placed.twotheta,
        sample=sample,
        density=density,
        dispersion=(sources.dispersion[0], sources.dispersion[2]),
        horizontal=sources.horizontal,
        vertical=sources.vertical,
        points=sources.points,
        wavelengths=sources.grid_wavelengths,
        source_positions=tuple(sources.positions),
        warnings=tuple(known.warnings),
        touched=frozenset(known.touched),
    )


def _scene(
    known: Known, panel: Panel, placed: Placed, profile: NDArray[np.float64], sources: Sources, molecules: float
) -> AmorphousScene:
    run = known.run
    oversample = run.oversample if run.oversample > 0 else 1
    known.touches("solid_angle_printed", oversample > 1)
    return AmorphousScene(
        shape=panel.shape,
        roi=roi_of(run, panel.shape),
        origin=placed.origin,
        fast_axis=placed.fast,
        slow_axis=placed.slow,
        beam=placed.beam,
        pixel_size=(panel.pixel, panel.pixel),
        pixel_area=panel.pixel * panel.pixel,
        close_distance=placed.close_distance,
        distance=placed.distance,
        oversample=oversample,
        curved=run.curved,
        point_pixel=run.point_pixel,
        source_travel=[unit(scale(-1.0, position)) for position in sources.positions],
        source_wavelength=sources.wavelengths,
        source_weight=sources.weights,
        polarized=run.polarized,
        kahn_factor=run.polarization,
        polarization_axis=placed.polar,
        cross_section=THOMSON,
        fluence=fluence_of(run),
        molecules=molecules,
        steps=steps_of(known, sources.weights) * oversample * oversample,
        signed_intensity="negative_intensity" in run.quirks,
        show=_shown(known, len(sources.positions) * oversample),
        profile_stol=profile[:, 0].tolist(),
        profile_amplitude=profile[:, 1].tolist(),
        profile_held="linear_extrapolation" not in run.quirks,
    )


def _check_image(known: Known, panel: Panel, sources: Sources) -> None:
    header, (slow, fast) = known.header, panel.shape
    if (header is not None or known.run.amplitudes) and not sources.positions:
        raise InputError("-divsteps: found no source, expected at least one for -Fmap or -img")
    if header is not None and slow * fast > header.nfast * header.nslow:
        raise InputError(
            f"-img: found {header.nfast} x {header.nslow} pixels in {header.name}, "
            f"expected at least the detector's {fast} x {slow}"
        )


def _shown(known: Known, evaluations: int) -> int:
    if not known.run.amplitudes:
        return 0
    return 1 if known.touches("fmap_last_subpixel", evaluations > 1) or evaluations == 1 else 2


# ---- profile and sample -----------------------------------------------------------------------------------


def _profile(known: Known) -> NDArray[np.float64]:
    """The table (n, 2) of sin(theta)/lambda (1/m) and F, as the quirks leave it."""
    run, name = known.run, known.run.profile
    titles = "text_lines_are_points" in run.quirks
    table = read_table(name, 2, titles=titles, expected="lines of sin(theta)/lambda and F")
    if table.without_number == len(table.values):
        raise InputError(f"{name}: found no number, expected lines of sin(theta)/lambda and F")
    known.touches("text_lines_are_points", table.without_number > 0)
    values = table.values
    backwards = not bool((values[1:, 0] >= values[:-1, 0]).all())
    if backwards and not known.touches("unsorted_profile"):
        values = values[np.argsort(values[:, 0], kind="stable")]
    distinct, index = np.unique(values[:, 0], return_inverse=True)
    if len(distinct) < len(values) and not known.touches("duplicate_points"):
        values = _merged(values, distinct, index.ravel())
    with np.errstate(over="ignore"):
        return values * [_FACTORS[run.profile_unit], 1.0]


def _merged(values: NDArray[np.float64], distinct: NDArray[np.float64], index: NDArray[np.intp]) -> NDArray[np.float64]:
    """Points of equal x as one, the mean, where the first of them was."""
    amplitude = np.nan_to_num(values[:, 1], nan=0.0, posinf=np.inf, neginf=-np.inf)
    means = np.bincount(index, amplitude) / np.bincount(index)
    _, first = np.unique(index, return_index=True)
    order = np.argsort(first)
    return np.column_stack((distinct, means))[order]


def _sample(known: Known) -> tuple[Vec, float, float]:
    """Size (m), density (g/m³) and number of molecules in the beam."""
    run = known.run
    x, y, z = (edge / 1000 for edge in run.sample)
    beamsize = run.beamsize / 1000
    if beamsize >= 0.0:
        for name, edge in (("high", y), ("wide", z)):
            if beamsize < edge:
                known.warnings.append(f"clipping sample ({edge:g} m {name}) with beam ({beamsize:g} m)")
        y, z = min(y, beamsize), min(z, beamsize)
    volume, density, weight = x * y * z, run.density * 1e6, run.molecular_weight
    if weight == 0.0:
        raise InputError("-MW: found 0, expected a molecular weight in g/mol")
    if run.molecules != 0.0:
        if volume == 0.0:
            raise InputError("-molecules: found a sample without volume, expected positive sizes")
        density = run.molecules / volume / AVOGADRO * weight
    return (x, y, z), density, volume * density * AVOGADRO / weight
