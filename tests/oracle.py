"""A second opinion: the physics of ``specs/physics.md`` in the most naive form, one evaluation after the other.

Written from the specification alone and in double precision. It renders an :class:`nanobragg.Experiment` without
:func:`nanobragg.resolve` and without the compiled renderers (only the random numbers of mosaic domains are theirs).
What is kept of nanoBragg.c's deviations from physics is chosen one by one. Meant for a hundred pixels.

Supported: explicit ``oversample``; ``cells``, or one ``size`` smaller than the beam; range and number of steps given
together (or neither); arrays rather than files; no ``header``.
"""

from __future__ import annotations

import itertools
import math
import random
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np

from nanobragg import Beam, Crystal, Detector, Experiment, Sampling, _core
from nanobragg.records.quirks import parse_quirks

THOMSON = 7.94079248018965e-30
AVOGADRO = 6.02214179e23
DEFAULT_FLUENCE = 125932015286227086360700780544.0

X, Y, Z = np.eye(3)
FRAMES = {
    # beam, fast, slow, normal, twotheta axis, polarization, spindle, pivot
    "mosflm": (X, Z, -Y, X, -Z, Z, Z, "beam"),
    "denzo": (X, Z, -Y, X, -Z, Z, Z, "beam"),
    "adxv": (Z, X, -Y, Z, -X, X, X, "beam"),
    "xds": (Z, X, Y, Z, X, X, X, "sample"),
    "dials": (Z, X, Y, Z, Y, Y, Y, "sample"),
    "custom": (X, Z, -Y, X, Y, Z, Z, "beam"),
}


@cache
def _gauss_points() -> tuple[np.ndarray, np.ndarray]:
    """Nodes between -1 and 1, and weights, of C. F. Gauss's quadrature."""
    return np.polynomial.legendre.leggauss(40)


@cache
def _table_of(rows: bytes) -> dict[tuple[int, int, int], float]:
    """F by index, of h, k, l and F row after row."""
    found = np.frombuffer(rows).reshape(-1, 4)
    return dict(zip(map(tuple, found[:, :3].astype(int).tolist()), found[:, 3].tolist(), strict=True))


def unit(v: Any) -> np.ndarray:
    """v/|v|"""
    v = np.asarray(v, float)
    return v / np.linalg.norm(v)


def cross(a: Any, b: Any) -> np.ndarray:
    """Cross product of two vectors. (NumPy's takes arrays of any shape, and thirty times as long.)"""
    (ax, ay, az), (bx, by, bz) = (v.tolist() for v in (a, b))
    return np.array([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx])


def turn(axis: Any, angle: float) -> np.ndarray:
    """Matrix of the right-handed rotation about ``axis`` (any length) by ``angle`` (radians)."""
    x, y, z = unit(axis)
    k = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    return np.eye(3) + math.sin(angle) * k + (1.0 - math.cos(angle)) * (k @ k)


def turn_xyz(rx: float, ry: float, rz: float) -> np.ndarray:
    """About lab x, then y, then z (degrees)."""
    return turn(Z, math.radians(rz)) @ turn(Y, math.radians(ry)) @ turn(X, math.radians(rx))


@dataclass
class Place:
    """Where everything is: metres, lab frame."""

    beam: np.ndarray
    fast: np.ndarray
    slow: np.ndarray
    normal: np.ndarray
    polar: np.ndarray
    spindle: np.ndarray
    pix0: np.ndarray
    distance: float
    close_distance: float
    pixel: float
    shape: tuple[int, int]


def place(experiment: Experiment, quirks: frozenset[str]) -> Place:
    """Detector geometry (``specs/geometry.md``)."""
    beam, crystal, det = experiment.beam, experiment.crystal, experiment.detector
    vectors = (beam.direction, det.fast_axis, det.slow_axis, det.normal_axis, det.twotheta_axis,
               beam.polarization_axis, crystal.spindle_axis)  # fmt: skip
    any_given = det.pix0 is not None or any(v is not None for v in vectors)
    convention = det.convention or ("custom" if any_given else "mosflm")
    *frame, natural_pivot = FRAMES[convention]
    if convention == "custom":
        frame = [old if new is None else np.asarray(new, float) for old, new in zip(frame, vectors, strict=True)]
    b, f, s, o, axis, p, spindle = frame
    b, f, s, p, spindle = map(unit, (b, f, s, p, spindle))
    o = o if np.linalg.norm(o) == 1.0 else unit(cross(f, s))
    pixel = (det.pixel_size or 0.1) / 1000.0
    nslow, nfast = det.shape or (1024, 1024)
    size_f, size_s = nfast * pixel, nslow * pixel

    def mm(value: float | None, default: float) -> float:
        return default if value is None else value / 1000.0

    Fclose = size_f / 2 if det.orgx is None else (det.orgx - 0.5) * pixel
    Sclose = size_s / 2 if det.orgy is None else (det.orgy - 0.5) * pixel
    if convention in ("mosflm", "denzo"):
        half = pixel / 2 if convention == "mosflm" else 0.0
        Fbeam = mm(det.beam_y, (size_f + pixel) / 2) + half
        Sbeam = mm(det.beam_x, (size_s + pixel) / 2) + half
    elif convention == "adxv":
        Fbeam = mm(det.beam_x, (size_f + pixel) / 2)
        Sbeam = size_s - mm(det.beam_y, (size_s - pixel) / 2)
    else:
        Fbeam, Sbeam = mm(det.beam_x, mm(det.close_x, Fclose)), mm(det.beam_y, mm(det.close_y, Sclose))
        if convention == "custom":
            Fclose, Sclose = Fbeam, Sbeam
    implied = None
    if any(v is not None for v in (det.twotheta, det.close_distance, det.orgx, det.orgy, det.close_x, det.close_y)):
        implied = "sample"
    elif any(v is not None for v in (det.distance, det.beam_x, det.beam_y)):
        implied = "beam"
    pivot = det.pivot or implied or natural_pivot
    if "pivot_overridden" in quirks and convention != "custom":
        pivot = natural_pivot
    tilt = turn_xyz(det.rotx, det.roty, det.rotz)
    swing = turn(axis, math.radians(det.twotheta or 0.0)) @ tilt
    ratio = float(b @ tilt @ o)
    close = mm(det.close_distance, abs(ratio * mm(det.distance, 0.1)))
    fast, slow, normal = swing @ f, swing @ s, swing @ o
    if det.pix0 is not None and "pix0_ignored" not in quirks:
        pix0 = swing @ np.asarray(det.pix0, float)
    elif pivot == "sample":
        pix0 = swing @ (-Fclose * f - Sclose * s + close * o)
    else:
        pix0 = -Fbeam * fast - Sbeam * slow + close / ratio * b
    close = float(pix0 @ normal)
    return Place(b, fast, slow, normal, p, spindle, pix0, close / ratio, close, pixel, (nslow, nfast))


def lattice(cell: Any, misset: Any, quirks: frozenset[str]) -> tuple[np.ndarray, np.ndarray]:
    """Rows a, b, c (Å) and a*, b*, c* (1/Å) at phi = 0: a* along x, b* in the xy plane, then the missetting angles.

    The quirk cell_angles, the z component of c* made with V where a lattice asks for V*, bends the angles by up to a
    few degrees and keeps lengths and the volume of the formula.
    """
    a, b, c = (float(v) for v in cell[:3])
    ca, cb, cg = (math.cos(math.radians(v)) for v in cell[3:])
    metric = np.array(
        [[a * a, a * b * cg, a * c * cb], [a * b * cg, b * b, b * c * ca], [a * c * cb, b * c * ca, c * c]]
    )
    volume = math.sqrt(np.linalg.det(metric))
    # The Cholesky factor of the reciprocal metric tensor has exactly this orientation.
    star = np.linalg.cholesky(np.linalg.inv(metric))
    if "cell_angles" in quirks:
        sin_gamma_star = star[1, 1] / np.linalg.norm(star[1])
        star[2, 2] = np.linalg.norm(star[2]) * volume / (a * b * c * sin_gamma_star)
    if misset is not None:
        star = star @ turn_xyz(*misset).T
    normals = (cross(star[1], star[2]), cross(star[2], star[0]), cross(star[0], star[1]))
    direct = np.array([length * unit(v) for length, v in zip((a, b, c), normals, strict=True)])
    again = (cross(direct[1], direct[2]), cross(direct[2], direct[0]), cross(direct[0], direct[1]))
    return direct, np.array(again) / volume


def steps_of(extent: float | None, count: int | None) -> list[float]:
    """Positions of a symmetric sweep with a range and a number of steps (or neither)."""
    if not extent:
        return [0.0]
    assert count is not None
    count = max(count, 2)
    return [-extent / 2 + extent / (count - 1) * i for i in range(count)]


def sources_of(beam: Beam, at: Place, quirks: frozenset[str]) -> list[tuple[np.ndarray, float, float]]:
    """(direction of travel, wavelength in m, weight) of each source; weights have mean 1."""
    wavelength = (12398.42 / beam.energy if beam.energy else beam.wavelength or 1.0) * 1e-10
    if beam.sources is not None:
        rows = np.asarray(beam.sources, float)
        weights = np.ones(len(rows)) if "source_weights_ignored" in quirks else rows[:, 3] / rows[:, 3].mean()
        return [(-unit(row[:3]), row[4], w) for row, w in zip(rows, weights, strict=True)]
    vertical = unit(cross(at.beam, at.polar))
    h_range = (beam.horizontal_divergence or 0.0) / 1000.0
    v_range = (beam.vertical_divergence or 0.0) / 1000.0
    width = (beam.dispersion or 0.0) / 100.0
    out = []
    for h in steps_of(h_range, beam.horizontal_divergence_steps):
        for v in steps_of(v_range, beam.vertical_divergence_steps):
            assert not (h_range and v_range and beam.round_divergence), "the oracle knows no ellipse"
            direction = turn(vertical, h) @ turn(at.polar, v) @ at.beam
            out += [(direction, wavelength * (1 + d), 1.0) for d in steps_of(width, beam.dispersion_steps)]
    return out


def layers_of(det: Detector, quirks: frozenset[str]) -> tuple[float, int, float]:
    """Step (m), number of layers, attenuation coefficient (1/m); a step of 0: no sensor."""
    thickness = (det.thickness or 0.0) * 1e-6
    if thickness <= 0:
        return 0.0, 1, 0.0
    if det.layers is None:
        step, count = thickness / 2, 2
    elif "thickness_step" in quirks:
        count = max(det.layers, 2)
        step = thickness / (count - 1)
    else:
        step, count = thickness / det.layers, det.layers
    depth = det.attenuation_depth
    mu = 1 / thickness if depth is None else 0.0 if math.isinf(depth) else 1e6 / depth
    return step, count, mu


@dataclass
class Factors:
    """Structure factors on whole indices, and between them."""

    crystal: Crystal
    sticky: bool
    cells: np.ndarray
    """cells along each axis, of which two or fewer are interpolated"""
    table: dict[tuple[int, int, int], float] = field(default_factory=dict)
    low: np.ndarray = field(default_factory=lambda: np.zeros(3, int))
    high: np.ndarray = field(default_factory=lambda: -np.ones(3, int))
    interpolate: bool = False

    def __post_init__(self) -> None:
        if self.crystal.structure_factors is None:
            return
        rows = np.asarray(self.crystal.structure_factors, float)
        self.low, self.high = rows[:, :3].min(0).astype(int), rows[:, :3].max(0).astype(int)
        self.table = _table_of(rows.tobytes())
        said = self.crystal.interpolate
        self.interpolate = min(self.cells) <= 2 if said is None else said

    def nearest(self, hkl: tuple[int, int, int]) -> float:
        return self.table.get(hkl, self.crystal.default_F)

    def __call__(self, hkl: np.ndarray) -> float:
        rounded = tuple(int(v) for v in np.ceil(hkl - 0.5))
        if self.interpolate:
            span = self.high - self.low + 1
            if np.all(hkl - self.low + 3 <= span) and np.all(hkl - 2 >= self.low):
                return self.tricubic(hkl)
            if self.sticky:
                self.interpolate = False
        return self.nearest(rounded)

    def tricubic(self, hkl: np.ndarray) -> float:
        base = np.floor(hkl).astype(int)
        weights = []
        for t in hkl - base:
            nodes = (-1.0, 0.0, 1.0, 2.0)
            weights.append([math.prod((t - m) / (n - m) for m in nodes if m != n) for n in nodes])
        total = 0.0
        for i, j, k in itertools.product(range(4), repeat=3):
            h, k_, l_ = (int(v) for v in base + np.array([i, j, k]) - 1)
            total += weights[0][i] * weights[1][j] * weights[2][k] * self.nearest((h, k_, l_))
        return total


def lattice_transform(crystal: Crystal, hkl: np.ndarray, reciprocal: np.ndarray, cells: np.ndarray) -> float:
    """F_latt of one crystal shape."""
    delta = hkl - np.ceil(hkl - 0.5)
    if crystal.shape == "square":
        out = 1.0
        for n, h in zip(cells, hkl, strict=True):
            if n > 1:
                below = math.sin(math.pi * h)
                out *= math.sin(math.pi * n * h) / below if below else n
        return out
    volume = float(np.prod(cells))
    if crystal.shape == "round":
        x = math.pi * math.sqrt(crystal.fudge * float(np.sum((delta * cells) ** 2)))
        return volume * 0.723601254558268 * (3 * (math.sin(x) / x - math.cos(x)) / x**2 if x else 1.0)
    if crystal.shape == "gauss_index":
        ab, bc, ac = crystal.cells_off_diagonal
        matrix = np.array([[cells[0], ab, ac], [ab, cells[1], bc], [ac, bc, cells[2]]])
        return float(np.linalg.det(matrix) * math.exp(-crystal.fudge * np.sum((matrix @ delta) ** 2) / 0.63))
    square = float(np.sum((delta @ reciprocal) ** 2)) * volume**2
    if crystal.shape == "gauss":
        return volume * math.exp(-crystal.fudge * square / 0.63)
    return volume if crystal.fudge * square < 0.3969 else 0.0


class Oracle:
    """One experiment; call :meth:`image`."""

    def __init__(self, experiment: Experiment, quirks: str | None = None) -> None:
        self.experiment = experiment
        self.quirks = on = parse_quirks(experiment.quirks if quirks is None else quirks)
        self.at = at = place(experiment, on)
        beam, crystal, sampling = experiment.beam, experiment.crystal, experiment.sampling
        self.sources = sources_of(beam, at, on)
        self.layer_step, self.layers, self.mu = layers_of(experiment.detector, on)
        self.over = sampling.oversample or 1
        self.dmin = (sampling.dmin or 0.0) * 1e-10
        said = np.maximum(np.array([crystal.cells] * 3 if isinstance(crystal.cells, int) else crystal.cells), 1)
        direct, self.reciprocal = lattice(crystal.cell, crystal.misset, on)
        self.cells = said
        if isinstance(crystal.size, float):
            self.cells = np.ceil(crystal.size * 1e7 / np.linalg.norm(direct, axis=1))
        cell = direct * 1e-10
        count = max(sampling.phi_steps or 1, 1)
        step = (sampling.phi_step if sampling.phi_step is not None else (sampling.oscillation or 0.0) / count) or 0.0
        # Exactly 0 is a quirk's condition: radians are added up, in the specification's order.
        degree = math.pi / 180.0
        first = (sampling.phi or 0.0) * degree + (0.0 if "phi_at_step_starts" in on else 0.5 * step * degree)
        self.phis = [first + step * degree * i for i in range(count)]
        self.by_phi = [cell @ turn(at.spindle, phi).T if phi else cell for phi in self.phis]
        self.kept_cell = cell
        spread = crystal.mosaic_spread or 0.0
        domains = crystal.mosaic_domains or 1
        self.domains = np.eye(3)[None]
        if spread > 0:
            stream = _core.Stream(12345678 if crystal.mosaic_seed is None else crystal.mosaic_seed)
            drawn = _core.mosaic_rotations(math.radians(spread), domains, stream, _core.RandomTable())
            self.domains = np.asarray(drawn).reshape(-1, 3, 3)
        fluence = DEFAULT_FLUENCE if beam.fluence is None else beam.fluence
        if beam.flux:
            size = (0.1 if beam.size is None else beam.size) / 1000
            fluence = beam.flux * (1.0 if beam.exposure is None else beam.exposure) / size**2
        self.scale = THOMSON * fluence
        self.background = 2.57**2 * self.scale * (crystal.water * 1e-6) ** 3 * 1e6 * AVOGADRO / 18.0
        self.steps = len(self.sources) * count * len(self.domains) * self.over**2
        early = said if "interpolation_before_size" in on else self.cells
        self.factors = Factors(crystal, "sticky_interpolation_fallback" in on, early)

    # ---- one place on the detector -------------------------------------------------------------------------

    def position(self, along_fast: float, along_slow: float, depth: float) -> np.ndarray:
        at = self.at
        flat = at.pix0 + along_fast * at.fast + along_slow * at.slow + depth * at.normal
        if not self.experiment.detector.curved:
            return flat
        start = at.distance * at.beam
        return turn(at.fast, flat[2] / at.distance) @ turn(at.slow, flat[1] / at.distance) @ start

    def omega(self, position: np.ndarray) -> float:
        distance = float(np.linalg.norm(position))
        if self.experiment.detector.point_pixel:
            return 1.0 / distance**2
        return self.at.pixel**2 / distance**2 * self.at.close_distance / distance

    def capture(self, position: np.ndarray, layer: int) -> float:
        if not self.layer_step:
            return 1.0
        depth = self.layer_step * self.mu / float(unit(position) @ self.at.normal)
        return math.exp(-layer * depth) - math.exp(-(layer + 1) * depth)

    def depth(self, along: tuple[float, float], layer: int) -> float:
        """Where the layer stands, by quadrature over what it absorbs."""
        front = layer * self.layer_step
        if "layers_at_front_faces" in self.quirks or not self.layer_step:
            return front
        inverse_depth = self.mu / float(unit(self.position(*along, 0.0)) @ self.at.normal)
        nodes, weights = _gauss_points()
        inside = 0.5 * (nodes + 1.0) * self.layer_step
        absorbed = weights * np.exp(-inverse_depth * inside)
        return front + float(absorbed @ inside / absorbed.sum())

    def polarization(self, position: np.ndarray, incident: np.ndarray) -> float:
        beam, d = self.experiment.beam, unit(position)
        cos2theta = float(incident @ d)
        square = cos2theta**2
        if beam.polarization == 0.0:
            return (1 + square) / 2
        magnetic = unit(cross(self.at.polar, incident))
        electric = unit(cross(incident, magnetic))
        psi = -math.atan2(float(d @ magnetic), float(d @ electric))
        return (1 + square - beam.polarization * math.cos(2 * psi) * (1 - square)) / 2

    # ---- one pixel -----------------------------------------------------------------------------------------

    def pixel(self, slow: int, fast: int) -> float:
        on, sampling = self.quirks, self.experiment.sampling
        corrected = self.experiment.beam.polarization_correction
        running, first = "running_product" in on, "first_subpixel_factors" in on
        over, side = self.over, self.at.pixel / self.over
        centre = self.position((fast + 0.5) * self.at.pixel, (slow + 0.5) * self.at.pixel, 0.0)
        water_inside = "water_scaling" in on
        total, water = 0.0, self.background if water_inside else 0.0
        first_omega = first_polar = None
        last_capture = 1.0
        each_polar = sampling.oversample_polar and (running or corrected)
        for layer in range(self.layers):
            first_capture = None
            for sub_slow, sub_fast in itertools.product(range(over), repeat=2):
                along = (fast * over + sub_fast + 0.5) * side, (slow * over + sub_slow + 0.5) * side
                front = self.position(*along, layer * self.layer_step)
                where = self.position(*along, self.depth(along, layer))
                first_omega = self.omega(where) if first_omega is None else first_omega
                first_capture = first_capture or self.capture(front, layer)  # one of exactly 0 is made again
                # What multiplies every term, and what multiplies the sum after every term (a quirk).
                term_factor = run_factor = 1.0
                if sampling.oversample_thick:
                    value = self.capture(where, layer) if self.layer_step or not running else 0.0
                    run_factor *= value if running else 1.0
                    term_factor *= 1.0 if running else value
                else:
                    last_capture = first_capture if first else self.capture(centre, layer)
                    term_factor *= 1.0 if "last_layer_capture" in on or self.layers == 1 else last_capture
                if sampling.oversample_omega:
                    run_factor *= self.omega(where) if running else 1.0
                    term_factor *= 1.0 if running else self.omega(where)
                for incident, wavelength, weight in self.sources:
                    q = (unit(where) - incident) / wavelength
                    if self.dmin > 0 and np.any(q) and self.dmin > 1 / np.linalg.norm(q):
                        continue
                    term_polar = run_polar = 1.0
                    if each_polar:
                        value = self.polarization(where, incident)
                        run_polar, term_polar = (value, 1.0) if running else (1.0, value)
                    elif corrected and first:
                        first_polar = self.polarization(where, incident) if first_polar is None else first_polar
                    elif corrected:
                        term_polar = self.polarization(centre, incident)
                    for intensity in self.evaluations(q):
                        if intensity is None and not (water_inside and self.background):
                            continue
                        total += (intensity or 0.0) * weight * term_factor * term_polar
                        total *= run_factor * run_polar
                        water *= run_factor * run_polar
        # What the terms have met one by one, the water meets at the pixel's centre.
        if not running and sampling.oversample_omega:
            water *= self.omega(centre)
        one_for_all = "last_layer_capture" in on or self.layers == 1
        if sampling.oversample_thick:
            water *= 1.0 if running else self.central_capture(centre)
        elif not one_for_all:
            water *= self.central_capture(centre)
        if corrected and (not running if sampling.oversample_polar else not first):
            water *= self.central_polarization(centre)
        out = self.scale * (total + water) / self.steps
        if not sampling.oversample_omega:
            out *= first_omega if first else self.omega(centre)
        if not sampling.oversample_thick and one_for_all:
            out *= last_capture
        if corrected and first and not sampling.oversample_polar:
            out *= first_polar or 0.0
        return out + (0.0 if water_inside else self.water(centre))

    def evaluations(self, q: np.ndarray):
        """F_cell² F_latt² of every orientation; None where the lattice transform is 0."""
        for index, phi in enumerate(self.phis):
            if phi != 0.0 or "stale_phi_zero" not in self.quirks:
                self.kept_cell = self.by_phi[index]
            for domain in self.domains:
                hkl = (self.kept_cell @ domain.T) @ q
                transform = lattice_transform(self.experiment.crystal, hkl, self.reciprocal, self.cells)
                yield None if transform == 0.0 else (self.factors(hkl) * transform) ** 2

    def central_polarization(self, centre: np.ndarray) -> float:
        """Mean over the sources, by weight."""
        values = [weight * self.polarization(centre, incident) for incident, _, weight in self.sources]
        return sum(values) / len(values)

    def central_capture(self, centre: np.ndarray) -> float:
        """Sum over the layers."""
        if not self.layer_step and self.experiment.sampling.oversample_thick and "running_product" in self.quirks:
            return 0.0
        return sum(self.capture(centre, layer) for layer in range(self.layers))

    def water(self, centre: np.ndarray) -> float:
        """The background of one pixel, once."""
        beam = self.experiment.beam
        each = self.experiment.sampling.oversample_polar and "running_product" in self.quirks
        polar = self.central_polarization(centre) if beam.polarization_correction or each else 1.0
        return self.background * self.omega(centre) * polar * self.central_capture(centre)

    def image(self) -> np.ndarray:
        """(slow, fast) float64, photons per pixel."""
        nslow, nfast = self.at.shape
        out = np.zeros((nslow, nfast))
        mask = self.experiment.detector.mask
        x0, x1, y0, y1 = self.experiment.detector.roi or (0, nfast - 1, 0, nslow - 1)
        for slow in range(y0, y1 + 1):
            for fast in range(x0, x1 + 1):
                if mask is None or np.asarray(mask)[slow, fast]:
                    out[slow, fast] = self.pixel(slow, fast)
        return out


def render(experiment: Experiment, quirks: str | None = None) -> np.ndarray:
    """The image (slow, fast) of an experiment, float64, photons per pixel; ``quirks`` replaces the experiment's."""
    return Oracle(experiment, quirks).image()


RENDER_QUIRKS = (
    "phi_at_step_starts", "stale_phi_zero", "last_layer_capture", "thickness_step", "first_subpixel_factors",
    "layers_at_front_faces", "running_product",
    "sticky_interpolation_fallback", "source_weights_ignored", "water_scaling", "pivot_overridden", "pix0_ignored",
)  # fmt: skip
"""The quirks that an Experiment meets; the others concern words, headers and the random orientation."""


def _random_beam(r: random.Random) -> Beam:
    kind = r.choice(("list", "divergence", "dispersion", "one"))
    common = {
        "polarization": r.choice((0.0, 0.95)), "polarization_correction": r.random() < 0.7, "flux": 1e12
    }  # fmt: skip
    if kind == "list":
        rows = [(-10, r.uniform(-0.3, 0.3), r.uniform(-0.3, 0.3), r.uniform(0.1, 3), r.uniform(1.4e-10, 1.6e-10))
                for _ in range(r.choice((1, 2, 3)))]  # fmt: skip
        return Beam(sources=np.array(rows), **common)
    if kind == "divergence":
        return Beam(wavelength=1.5, horizontal_divergence=20.0, horizontal_divergence_steps=2, **common)
    if kind == "dispersion":
        return Beam(wavelength=1.5, dispersion=5.0, dispersion_steps=3, **common)
    return Beam(wavelength=1.5, **common)


def random_factors(seed: int, holes: float = 0.1, reach: int = 7) -> np.ndarray:
    """Rows h, k, l, F in a box of indices, some of them missing."""
    rng = np.random.default_rng(seed)
    box = [hkl for hkl in itertools.product(range(-reach, reach + 1), repeat=3) if rng.random() >= holes]
    return np.array([(*hkl, rng.uniform(1, 50)) for hkl in box])


def _random_crystal(r: random.Random) -> Crystal:
    shape = r.choice(("square", "square", "round", "gauss", "tophat", "gauss_index"))
    mosaic = {"mosaic_spread": 2.0, "mosaic_domains": r.choice((2, 3)), "mosaic_seed": r.choice((None, 3))}
    return Crystal(
        cell=r.choice(((20, 30, 25, 80, 95, 100), (22, 22, 31, 90, 90, 90))),
        misset=r.choice((None, (10, 20, 30))),
        cells=r.choice((1, 2, 3, (2, 1, 3))),
        shape=shape,
        cells_off_diagonal=(0.4, -0.3, 0.2) if shape == "gauss_index" else None,
        fudge=r.choice((1.0, 1.5)),
        structure_factors=random_factors(r.randrange(1000)) if r.random() < 0.5 else None,
        default_F=r.choice((5.0, 10.0)),
        interpolate=r.choice((None, None, True, False)),
        water=r.choice((0.0, 0.0, 1.0)),
        **(mosaic if r.random() < 0.4 else {}),
    )


def _random_detector(r: random.Random) -> Detector:
    more: dict[str, Any] = {}
    if r.random() < 0.6:
        more.update(thickness=r.choice((300, 450)), layers=r.choice((1, 2, 3)))
        more.update(attenuation_depth=r.choice((200, 500, None)))
    choice = r.random()
    if choice < 0.2:
        more["pix0"] = (0.02, 0.004, -0.005)
    elif choice < 0.5:
        more["twotheta"] = r.choice((10.0, 20.0))
    if r.random() < 0.3:
        more["convention"] = r.choice(("mosflm", "xds", "adxv", "denzo", "dials"))
    if r.random() < 0.2:
        more["pivot"] = r.choice(("beam", "sample"))
    if r.random() < 0.2:
        more["orgx"] = 4.0
    return Detector(
        shape=(4, 5),
        pixel_size=r.choice((2.0, 3.0)),
        distance=r.choice((20.0, 30.0)),
        rotx=r.choice((0.0, 10.0)),
        roty=r.choice((0.0, 5.0)),
        rotz=r.choice((0.0, 7.0)),
        curved=r.random() < 0.25,
        point_pixel=r.random() < 0.25,
        **more,
    )


def random_experiment(seed: int, quirks: str) -> Experiment:
    """A small experiment in which many things happen at once."""
    r = random.Random(seed)
    phi = {"phi": r.choice((0.0, -2.0, 5.0)), "oscillation": r.choice((4.0, 6.0)), "phi_steps": r.choice((2, 3))}
    sampling = Sampling(
        oversample=r.choice((1, 2, 2, 3)),
        oversample_thick=r.random() < 0.3,
        oversample_polar=r.random() < 0.3,
        oversample_omega=r.random() < 0.3,
        dmin=r.choice((None, None, 2.0)),
        **(phi if r.random() < 0.5 else {}),
    )
    return Experiment(
        beam=_random_beam(r),
        crystal=_random_crystal(r),
        detector=_random_detector(r),
        sampling=sampling,
        quirks=quirks,
    )
