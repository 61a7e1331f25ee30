"""From what ``nanobragg nonbragg`` was told to a scene (``specs/nonbragg.md``, "Geometry")."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nanobragg.errors import InputError
from nanobragg.io.images.companion_smv import CompanionHeader, read_companion_header
from nanobragg.io.lists.columns import read_table
from nanobragg.maths.c_numbers import leading_real
from nanobragg.maths.constants import AVOGADRO, DEGREES, THOMSON
from nanobragg.maths.vectors import Vec, cross, dot, rotate, rotate_axis, scale, unit
from nanobragg.records.nonbragg import AmorphousScene, NonBraggRun, ResolvedNonBragg
from nanobragg.resolver.beam import ellipse
from nanobragg.resolver.steps import sweep

_MOST_PIXELS = 1 << 31
_MOST_SOURCES = 100_000_000
_FACTORS = {"stol": 1.0e10, "4stol": 1.0e10 / 4, "Q": 1.0e10 / math.pi / 4}
_SMALLEST = 2.2250738585072014e-308
"""The smallest normal double: what the cosine of a detector that the beam never meets becomes."""


def resolve_nonbragg(run: NonBraggRun) -> ResolvedNonBragg:
    """The scene of ``run``, its files read.

    Raises :class:`InputError` for files that cannot be read and for what no image can be made of.
    """
    known = _Known(run)
    panel = _panel(known)
    placed = _place(known, panel)
    profile = _profile(known)
    wavelength = _wavelength(known)
    sources = _sources(known, placed, wavelength)
    _check_image(known, panel, sources)
    sample, density, molecules = _sample(known)
    oversample = run.oversample if run.oversample > 0 else 1
    known.touches("solid_angle_printed", oversample > 1)
    scene = AmorphousScene(
        shape=panel.shape,
        roi=_roi(run, panel.shape),
        origin=placed.origin,
        fast_axis=placed.fast,
        slow_axis=placed.slow,
        beam=placed.beam,
        pixel_size=panel.pixel,
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
        fluence=_fluence(run),
        molecules=molecules,
        steps=_steps(known, sources.weights) * oversample * oversample,
        signed_intensity="negative_intensity" in run.quirks,
        show=_shown(known, len(sources.positions) * oversample),
        profile_stol=(profile[:, 0] * _FACTORS[run.profile_unit]).tolist(),
        profile_amplitude=profile[:, 1].tolist(),
        profile_held="linear_extrapolation" not in run.quirks,
    )
    phi, oscillation = _rotation(known)
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


class _Known:
    """What was said, on the command line and in the header of ``-img``, and the quirks that touch the run."""

    def __init__(self, run: NonBraggRun) -> None:
        self.run = run
        self.warnings: list[str] = []
        self.touched = set(run.touched)
        self.header: CompanionHeader | None = None
        if run.image is not None:
            self.header = read_companion_header(run.image, substring="header_substring" in run.quirks)

    def touches(self, name: str, condition: bool = True) -> bool:
        """Whether the quirk is on and ``condition`` holds: it touches this run."""
        if name not in self.run.quirks or not condition:
            return False
        self.touched.add(name)
        return True

    def in_header(self, key: str) -> float | None:
        """The number of a key of the header."""
        if self.header is None:
            return None
        value = self.header.value(key)
        exact = self.header.text(key)
        read = None if exact is None else leading_real(exact)
        self.touches("header_substring", value is not None and (read is None or read[0] != value))
        return value

    def said_or(self, said: float | None, key: str, divisor: float) -> float | None:
        """A number of the command line, else the header's, divided by ``divisor``."""
        value = self.in_header(key) if said is None else said
        return None if value is None else value / divisor


# ---- the panel --------------------------------------------------------------------------------------------


class _Panel(NamedTuple):
    pixel: float
    shape: tuple[int, int]
    """slow, fast"""
    detsize: tuple[float, float]
    """fast, slow, m"""
    header_slow: float
    """What the header says that the slow edge is, m."""


def _panel(known: _Known) -> _Panel:
    run = known.run
    pixel = known.said_or(run.pixel_size, "PIXEL_SIZE", 1000.0)
    pixel = 0.1e-3 if pixel is None else pixel
    if not 0.0 < pixel < math.inf:
        raise InputError(f"-pixel: found {pixel * 1000.0:g} mm, expected a positive size")
    in_header = known.said_or(None, "PIXEL_SIZE", 1000.0)
    header_pixel = 0.1e-3 if in_header is None else in_header
    in_file = (None, None) if known.header is None else (known.header.nfast, known.header.nslow)
    counts, edges = [], []
    for name, asked, edge, there in zip(("fast", "slow"), run.pixels, run.detsize, in_file, strict=True):
        number = (there or 0) if asked is None else asked
        size = edge / 1000.0 if edge is not None else 102.4e-3 if there is None else header_pixel * there
        if number < 0 or size < 0.0:
            found = f"{number} pixels" if number < 0 else f"{size * 1000.0:g} mm"
            raise InputError(f"-detpixels and -detsize: found {found} along the {name} axis, expected a positive size")
        size = pixel * number if number else size
        edges.append(size)
        counts.append(_count(known, number, size / pixel, name))
    if counts[0] * counts[1] >= _MOST_PIXELS:
        raise InputError(f"-detpixels: found {counts[0]} x {counts[1]} pixels, expected fewer than 2^31")
    return _Panel(pixel, (counts[1], counts[0]), (edges[0], edges[1]), header_pixel * (in_file[1] or 0))


def _count(known: _Known, asked: int, ratio: float, name: str) -> int:
    if not 0.0 < ratio < _MOST_PIXELS:
        raise InputError(f"-detsize: found {ratio:g} pixels along the {name} axis, expected at least one")
    count, physical = math.ceil(ratio), asked or max(math.ceil(ratio - 0.5), 1)
    return count if known.touches("extra_pixel", count != physical) else physical


def _roi(run: NonBraggRun, shape: tuple[int, int]) -> tuple[int, int, int, int]:
    x0, x1, y0, y1 = run.roi
    return max(x0, 0), shape[1] if x1 < 0 else x1, max(y0, 0), shape[0] if y1 < 0 else y1


def _check_image(known: _Known, panel: _Panel, sources: _Sources) -> None:
    header, (slow, fast) = known.header, panel.shape
    if (header is not None or known.run.amplitudes) and not sources.positions:
        raise InputError("-divsteps: found no source, expected at least one for -Fmap or -img")
    if header is not None and slow * fast > header.nfast * header.nslow:
        raise InputError(
            f"-img: found {header.nfast} x {header.nslow} pixels in {header.name}, "
            f"expected at least the detector's {fast} x {slow}"
        )


# ---- where it is ------------------------------------------------------------------------------------------


class _Placed(NamedTuple):
    pivot: str
    twotheta: float
    origin: Vec
    fast: Vec
    slow: Vec
    beam: Vec
    polar: Vec
    distance: float
    close_distance: float
    Xbeam: float
    Ybeam: float
    Xclose: float
    Yclose: float


def _place(known: _Known, panel: _Panel) -> _Placed:
    run = known.run
    beam, fast, slow, polar = (unit(v) for v in (run.beam, run.fast_axis, run.slow_axis, run.polarization_axis))
    normal = unit(cross(fast, slow))
    if run.normal_axis is not None and not known.touches("odet_ignored"):
        normal = unit(run.normal_axis)
    turn = (run.rotations[0] / DEGREES, run.rotations[1] / DEGREES, run.rotations[2] / DEGREES)
    twotheta = _twotheta(known)
    pivot = _pivot(known, twotheta)
    Xclose, Yclose, Xbeam, Ybeam = _centres(known, panel, pivot)
    ratio = dot(beam, rotate(normal, *turn)) or _SMALLEST
    close = _close_distance(known, ratio)
    distance = close / ratio

    def swing(v: Vec) -> Vec:
        return rotate_axis(rotate(v, *turn), run.twotheta_axis, twotheta)

    origin = swing(_sum(-Xclose, fast, -Yclose, slow, close, normal))
    fast, slow, normal = swing(fast), swing(slow), swing(normal)
    if pivot == "beam":
        origin = _sum(-Xbeam, fast, -Ybeam, slow, distance, beam)
    if run.pix0 is not None and not known.touches("pix0_ignored"):
        origin = swing(run.pix0)
    close = dot(origin, normal)
    if not known.touches("spot_without_twotheta", twotheta != 0.0):
        ratio = dot(beam, normal) or _SMALLEST
    distance = close / ratio
    reach = scale(distance, beam)
    hit = (reach[0] - origin[0], reach[1] - origin[1], reach[2] - origin[2])
    if not all(math.isfinite(x) for x in (*origin, *fast, *slow, distance)):
        raise InputError("detector: found a position that is not finite, expected finite distances, centres and angles")
    return _Placed(
        pivot=pivot,
        twotheta=twotheta,
        origin=origin,
        fast=fast,
        slow=slow,
        beam=beam,
        polar=polar,
        distance=distance,
        close_distance=close if known.touches("negative_close_distance", close < 0.0) else abs(close),
        Xbeam=dot(fast, hit),
        Ybeam=dot(slow, hit),
        Xclose=-dot(origin, fast),
        Yclose=-dot(origin, slow),
    )


def _sum(a: float, u: Vec, b: float, v: Vec, c: float, w: Vec) -> Vec:
    return (a * u[0] + b * v[0] + c * w[0], a * u[1] + b * v[1] + c * w[1], a * u[2] + b * v[2] + c * w[2])


def _twotheta(known: _Known) -> float:
    if known.run.twotheta is not None:
        return known.run.twotheta / DEGREES
    in_header = known.in_header("TWOTHETA") or 0.0
    return 0.0 if known.touches("header_twotheta_ignored", in_header != 0.0) else in_header / DEGREES


def _pivot(known: _Known, twotheta: float) -> str:
    run = known.run
    near = (run.Xclose, run.Yclose, run.orgx, run.orgy, run.close_distance, run.twotheta)
    at_sample = twotheta != 0.0 or any(value is not None for value in near)
    physical = run.pivot or ("sample" if at_sample else "beam")
    return run.pivot_as_left if known.touches("pivot_by_order", run.pivot_as_left != physical) else physical


def _centres(known: _Known, panel: _Panel, pivot: str) -> tuple[float, float, float, float]:
    """Near point and beam spot (m) before any rotation: Xclose, Yclose, Xbeam, Ybeam."""
    run = known.run
    Xbeam = known.said_or(run.Xbeam, "BEAM_CENTER_X", 1000.0)
    Ybeam = None if run.Ybeam is None else run.Ybeam / 1000.0
    flipped = known.in_header("BEAM_CENTER_Y")
    if Ybeam is None and flipped is not None:
        Ybeam = panel.header_slow - flipped / 1000.0
    half = panel.pixel if "default_centre" in run.quirks else 0.0
    said = ((run.orgx, "ORGX", run.Xclose, Xbeam, -half), (run.orgy, "ORGY", run.Yclose, Ybeam, half))
    near = []
    for (org, key, close, beam, shift), edge in zip(said, panel.detsize, strict=True):
        pixels = known.said_or(org, key, 1.0)
        if pixels is not None:
            near.append(pixels * panel.pixel)
        elif close is not None:
            near.append(close / 1000.0)
        elif beam is not None and pivot == "sample" and not known.touches("beam_centre_lost"):
            near.append(beam)
        else:
            known.touches("default_centre", beam is None or pivot == "sample")
            near.append((edge + shift) / 2.0)
    return near[0], near[1], near[0] if Xbeam is None else Xbeam, near[1] if Ybeam is None else Ybeam


def _close_distance(known: _Known, ratio: float) -> float:
    """The distance (m, signed) of the plane."""
    run = known.run
    if run.close_distance is not None:
        return run.close_distance / 1000.0
    in_header = known.in_header("CLOSE_DISTANCE")
    if in_header is not None and (run.distance is None or known.touches("header_close_distance")):
        return in_header / 1000.0
    distance = known.said_or(run.distance, "DISTANCE", 1000.0)
    return ratio * (0.1 if distance is None else distance)


def _rotation(known: _Known) -> tuple[float, float]:
    """Phi and oscillation range (radians), which are for headers only."""
    run = known.run
    phi = known.said_or(run.phi, "PHI", DEGREES) or 0.0
    oscillation = known.said_or(run.oscillation, "OSC_RANGE", DEGREES)
    if oscillation is not None and oscillation >= 0.0:
        return phi, oscillation
    if run.phistep is not None and run.phistep > 0.0:
        return phi, run.phistep / DEGREES
    return phi, 1.0 / DEGREES if run.phisteps is not None and run.phisteps >= 0 else 0.0


# ---- profile and sample -----------------------------------------------------------------------------------


def _profile(known: _Known) -> NDArray[np.float64]:
    """The table (n, 2), as the quirks leave it."""
    run, name = known.run, known.run.profile
    titles = "text_lines_are_points" in run.quirks
    table = read_table(name, 2, titles=titles, expected="lines of sin(theta)/lambda and F")
    if table.without_number == len(table.values):
        raise InputError(f"{name}: found no number, expected lines of sin(theta)/lambda and F")
    known.touches("text_lines_are_points", table.without_number > 0)
    values = table.values
    backwards = not bool((np.diff(values[:, 0]) >= 0.0).all())
    if backwards and not known.touches("unsorted_profile"):
        values = values[np.argsort(values[:, 0], kind="stable")]
    distinct, index = np.unique(values[:, 0], return_inverse=True)
    if len(distinct) < len(values) and not known.touches("duplicate_points"):
        values = _merged(values, distinct, index.ravel())
    return values


def _merged(values: NDArray[np.float64], distinct: NDArray[np.float64], index: NDArray[np.intp]) -> NDArray[np.float64]:
    """Points of equal x as one, the mean, where the first of them was."""
    amplitude = np.nan_to_num(values[:, 1], nan=0.0, posinf=np.inf, neginf=-np.inf)
    means = np.bincount(index, amplitude) / np.bincount(index)
    _, first = np.unique(index, return_index=True)
    order = np.argsort(first)
    return np.column_stack((distinct, means))[order]


def _sample(known: _Known) -> tuple[Vec, float, float]:
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


def _fluence(run: NonBraggRun) -> float:
    """photons/m²; a flux wins."""
    beamsize = run.beamsize / 1000
    if run.flux == 0.0 or not run.exposure > 0.0 or not beamsize >= 0.0:
        return run.fluence
    if beamsize == 0.0:
        raise InputError("-beamsize: found 0 mm with a -flux, expected a positive size")
    return run.flux * run.exposure / beamsize / beamsize


# ---- sources ----------------------------------------------------------------------------------------------


class _Sources(NamedTuple):
    positions: list[Vec]
    wavelengths: list[float]
    weights: list[float]
    horizontal: tuple[float, float, int]
    vertical: tuple[float, float, int]
    dispersion: tuple[float, float, int]
    points: tuple[tuple[float, float], ...] | None = None
    grid_wavelengths: tuple[float, ...] = ()


def _wavelength(known: _Known) -> float:
    said = known.run.wavelength
    in_header = known.in_header("WAVELENGTH")
    wavelength = said if said is not None else 1.0e-10 if in_header is None else in_header / 1e10
    if not math.isfinite(wavelength):
        raise InputError(f"-lambda: found {wavelength:g} m, expected a finite number")
    return wavelength


def _divergence(known: _Known, name: str, said: tuple[float | None, float | None, int]) -> tuple[float, float, int]:
    extent, step, count = said
    wide = -1.0 if extent is None else extent / 1000.0
    apart = -1.0 if step is None else step / 1000.0
    if count > 0 and wide < 0.0 and apart <= 0.0:
        one = count == 1 and not known.touches("divsteps_one_is_none")
        if not known.touches("divsteps_is_radians") or one:
            return 0.0, 0.0, 1
    return sweep(name, wide, apart, count or -1)


def _sources(known: _Known, placed: _Placed, wavelength: float) -> _Sources:
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
    return _Sources(
        positions=positions,
        wavelengths=list(waves) * len(points),
        weights=[1.0] * len(positions),
        horizontal=horizontal,
        vertical=vertical,
        dispersion=dispersion,
        points=tuple(points),
        grid_wavelengths=waves,
    )


def _listed(known: _Known, missing: Vec, wavelength: float, grid: tuple[tuple[float, float, int], ...]) -> _Sources:
    """Sources of a file; ``missing``: what missing coordinates are."""
    name = known.run.sourcefile or ""
    titles = "text_lines_are_sources" in known.run.quirks
    table = read_table(name, 5, titles=titles, expected="lines of x y z weight wavelength")
    known.touches("text_lines_are_sources", table.without_number > 0)
    default = np.array([*missing, 1.0, wavelength])
    rows = np.where(np.isnan(table.values), default, table.values).tolist()
    if not all(math.isfinite(number) for row in rows for number in row):
        raise InputError(f"{name}: found a number that is not finite, expected finite positions and wavelengths")
    return _Sources(
        positions=[(row[0], row[1], row[2]) for row in rows],
        wavelengths=[row[4] for row in rows],
        weights=[row[3] for row in rows],
        horizontal=grid[0],
        vertical=grid[1],
        dispersion=grid[2],
    )


def _steps(known: _Known, weights: list[float]) -> float:
    """What the sum over the sources is divided by."""
    total = math.fsum(weights)
    if known.touches("source_weights_unnormalised", total != len(weights)) or total == len(weights):
        return float(len(weights))
    if not total > 0.0:
        raise InputError(f"-sourcefile: found weights that add up to {total:g}, expected a positive sum")
    return total


def _shown(known: _Known, evaluations: int) -> int:
    if not known.run.amplitudes:
        return 0
    return 1 if known.touches("fmap_last_subpixel", evaluations > 1) or evaluations == 1 else 2
