"""Ground truth: where reflections are on an image, and how many photons they brought (``specs/formats.md``).

For developers of spot finders, indexers and integrators: a flat table with one row for each reflection near the Ewald
sphere, with its predicted centroid and its intensity integrated from the noiseless image.
"""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from nanobragg.errors import InputError
from nanobragg.maths.absorption import mean_depth_in_layers
from nanobragg.maths.lattice import bounds_of, planes_of
from nanobragg.maths.projection import pixels_of_rays
from nanobragg.maths.rotations import parts
from nanobragg.records.panel import panel_views, rendered_part

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from nanobragg.records.panel import ScenePanel
    from nanobragg.records.resolved import Resolved
    from nanobragg.records.scene import Scene

COLUMNS = np.dtype(
    [
        ("h", np.int32),
        ("k", np.int32),
        ("l", np.int32),
        ("fast", np.float64),
        ("slow", np.float64),
        ("phi", np.float64),
        ("d", np.float64),
        ("two_theta", np.float64),
        ("distance_to_ewald", np.float64),
        ("F", np.float64),
        ("partiality", np.float64),
        ("intensity", np.float64),
        ("background", np.float64),
        ("pixels", np.int32),
        ("overlap", np.bool_),
        ("panel", np.int32),
        ("slab_fast", np.float64),
        ("slab_slow", np.float64),
    ]
)
_MOST_REFLECTIONS = 20_000_000
_CHUNK = 20_000
_PIXELS = 60_000
"""in windows around reflections that are summed together"""
_FRAME = 3
"""pixels, of the frame around a footprint whose median is the background"""
_WIDTH = 0.886
"""full width at half maximum of (sin Nx / sin x)², in units of 1/N"""


def truth(
    resolved: Resolved, image: NDArray[np.float32], *, tolerance: float | None = None, radius: int | None = None
) -> NDArray[Any]:
    """Reflections near the Ewald sphere that fall on the detector.

    Args:
        resolved: what was simulated.
        image: float32 photons per pixel, without noise, of the shape ``Scene.image_shape``.
        tolerance: how far from the sphere, 1/Å; default: three half widths of a spot with the spread of wavelengths,
            divergence and mosaicity.
        radius: half width of the square footprint, pixels; default: from the size of the crystal's transform and the
            spreads, 2 or more.

    Returns:
        Structured array of :data:`COLUMNS`, sorted by resolution, low first.

    Raises:
        InputError: for a curved detector, and for an image that is not the simulated one.

    """
    scene = resolved.scene
    if np.asarray(image).shape != scene.image_shape or np.asarray(image).dtype != np.float32:
        raise InputError(f"truth: found {np.asarray(image).dtype} pixels, expected the float32 image of the simulation")
    if resolved.geometry.curved:
        raise InputError("truth: found a curved detector, expected a flat one")
    width = _spot_width(resolved)
    limit = 3.0 * width if tolerance is None else tolerance
    pixels = panel_views(np.asarray(image, dtype=np.float64), scene.panels)
    found = _predictions(resolved, limit, width)
    for panel, rows, values in zip(scene.panels, found, pixels, strict=True):
        _integrate(rows, values, _footprint(resolved, panel, width) if radius is None else radius, panel)
    table = np.concatenate(found)
    return table[np.argsort(-table["d"], kind="stable")]


def predicted(resolved: Resolved) -> tuple[NDArray[Any], int]:
    """Reflections near the Ewald sphere that fall on the detector, without intensities, panel after panel; and the
    largest half width of a footprint, pixels.

    Raises:
        InputError: for a curved detector.

    """
    if resolved.geometry.curved:
        raise InputError("predictions: found a curved detector, expected a flat one")
    width = _spot_width(resolved)
    found = _predictions(resolved, 3.0 * width, width)
    return np.concatenate(found), max(_footprint(resolved, panel, width) for panel in resolved.scene.panels)


# ---- prediction -------------------------------------------------------------------------------------------


def _spot_width(resolved: Resolved) -> float:
    """Half width of a reflection across the sphere, 1/Å: crystal size, and the spreads at the corner."""
    sample, radiation, scene = resolved.sample, resolved.radiation, resolved.scene
    extent = min(
        np.linalg.norm(axis) * 1e10 * n for axis, n in zip((sample.a0, sample.b0, sample.c0), sample.cells, strict=True)
    )
    size = 0.5 * _WIDTH / float(extent)
    longest = 1.0 / _corner(resolved)
    waves = scene.source_wavelength
    bandwidth = 0.5 * float(np.ptp(waves) / waves.mean()) * longest
    tilt = 0.5 * max(radiation.hdivrange, radiation.vdivrange, 0.0) * longest
    return float(math.hypot(size, bandwidth, tilt, sample.mosaic_spread * longest))


def _corner(resolved: Resolved) -> float:
    """Resolution of the panels' corners at the shortest wavelength, Å."""
    scene = resolved.scene
    points = np.concatenate(
        [panel.at([0, 0, panel.shape[1], panel.shape[1]], [0, panel.shape[0]] * 2) for panel in scene.panels]
    )
    rays = points / np.linalg.norm(points, axis=1)[:, None]
    cosine = float((rays @ np.array(resolved.geometry.beam)).min())
    half_sine = math.sqrt(max((1.0 - cosine) / 2.0, 1e-12))
    return float(scene.source_wavelength.min()) * 1e10 / (2.0 * half_sine)


def _predictions(resolved: Resolved, limit: float, width: float) -> list[NDArray[Any]]:
    """Rows without intensities of each panel: reflections within ``limit`` (1/Å) of the sphere at some angle of the
    rotation.
    """
    r, scene, sample = resolved.radiation, resolved.scene, resolved.sample
    beam = np.array(resolved.geometry.beam)
    reciprocal = np.array([sample.a_star, sample.b_star, sample.c_star])
    dmin = max(_corner(resolved), scene.dmin * 1e10) * 0.999
    found: list[list[NDArray[Any]]] = [[np.empty(0, COLUMNS)] for _ in scene.panels]
    angles = np.array(r.phi_angles)
    for hkl in _indices(sample, dmin):
        q = hkl @ reciprocal
        phi, excess = _nearest_approach(q, angles, np.array(resolved.geometry.spindle), beam, r.wavelength * 1e10)
        near = np.abs(excess) <= limit
        if near.any():
            rows, rays = _rows(resolved, hkl[near], q[near], phi[near], excess[near], width)
            for number, of_panel in enumerate(found):
                of_panel.append(_on_panel(number, scene, rows, rays))
    return [np.concatenate(of_panel) for of_panel in found]


def _indices(sample: Any, dmin: float) -> Any:
    """All h, k, l with d ≥ ``dmin`` but 0 0 0, in arrays (n, 3)."""
    bounds = bounds_of(sample.cell, dmin)
    if float(np.prod([2.0 * b + 1 for b in bounds])) > _MOST_REFLECTIONS * 100:
        raise InputError(f"truth: found indices to {bounds}, expected fewer: set -dmin")
    together = max(_CHUNK // ((2 * bounds[1] + 1) * (2 * bounds[2] + 1)), 1)
    for h in range(-bounds[0], bounds[0] + 1, together):
        indices, inside = planes_of(sample.cell, (h, min(h + together, bounds[0] + 1)), bounds, dmin**-2)
        chosen = indices[inside & indices.any(axis=-1)]
        for start in range(0, len(chosen), _CHUNK):
            yield chosen[start : start + _CHUNK]


def _nearest_approach(
    q: NDArray[np.float64],
    angles: NDArray[np.float64],
    spindle: NDArray[np.float64],
    beam: NDArray[np.float64],
    wavelength: float,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The step's angle (radians) at which each q is nearest to the sphere, and its distance from it there, 1/Å."""
    best_angle = np.full(len(q), angles[0])
    best = np.full(len(q), np.inf)
    along, across, third = parts(q, spindle)
    for angle in angles:
        turned = along + math.cos(angle) * across + math.sin(angle) * third
        excess = np.linalg.norm(turned + beam / wavelength, axis=1) - 1.0 / wavelength
        better = np.abs(excess) < np.abs(best)
        best[better] = excess[better]
        best_angle[better] = angle
    return best_angle, best


def _rows(
    resolved: Resolved,
    hkl: NDArray[np.int32],
    q: NDArray[np.float64],
    phi: NDArray[np.float64],
    excess: NDArray[np.float64],
    width: float,
) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """What does not depend on the panel, and unit vectors (n, 3) of the diffracted rays."""
    g = resolved.geometry
    wavelength = resolved.radiation.wavelength * 1e10
    spindle = np.array(g.spindle)
    along, across, third = parts(q, spindle)
    turned = along + np.cos(phi)[:, None] * across + np.sin(phi)[:, None] * third
    rays = turned + np.array(g.beam) / wavelength
    rays /= np.linalg.norm(rays, axis=1)[:, None]
    rows = np.zeros(len(hkl), COLUMNS)
    rows["h"], rows["k"], rows["l"] = hkl.T
    rows["phi"] = np.degrees(phi)
    rows["d"] = 1.0 / np.linalg.norm(q, axis=1)
    rows["two_theta"] = np.degrees(np.arccos(np.clip(rays @ np.array(g.beam), -1.0, 1.0)))
    rows["distance_to_ewald"] = excess
    rows["F"] = _factors(resolved, hkl)
    rows["partiality"] = np.exp(-np.log(2.0) * (excess / width) ** 2)
    return rows, rays


def _on_panel(number: int, scene: Scene, rows: NDArray[Any], rays: NDArray[np.float64]) -> NDArray[Any]:
    """The rows whose rays meet a panel, and where its sensor records them."""
    panel = scene.panels[number]
    sensor = scene.sensor_of(panel)
    at = pixels_of_rays(panel, rays, mean_depth_in_layers(sensor.layers, sensor.attenuation, rays @ panel.normal))
    slow, fast = panel.shape
    with np.errstate(invalid="ignore"):
        on = (at[:, 0] >= 0) & (at[:, 0] < fast) & (at[:, 1] >= 0) & (at[:, 1] < slow)
    met = rows[on]
    met["panel"] = number
    met["fast"], met["slow"] = at[on].T
    met["slab_fast"], met["slab_slow"] = met["fast"] + panel.place[-1], met["slow"] + panel.place[-2]
    return met


def _factors(resolved: Resolved, hkl: NDArray[np.int32]) -> NDArray[np.float64]:
    scene = resolved.scene
    found = np.full(len(hkl), scene.default_F)
    if scene.f_grid.size:
        at = hkl - np.array(scene.f_min)
        inside = ((at >= 0) & (at < np.array(scene.f_grid.shape))).all(axis=1)
        found[inside] = scene.f_grid[tuple(at[inside].T)]
    return found


# ---- integration ------------------------------------------------------------------------------------------


def _footprint(resolved: Resolved, panel: ScenePanel, width: float) -> int:
    """Half width of a spot's square, pixels: three half widths at the distance of the detector, or of the panel's
    middle where there are several.
    """
    wavelength = resolved.radiation.wavelength * 1e10
    several = len(resolved.scene.panels) > 1
    middle = panel.at(0.5 * panel.shape[1], 0.5 * panel.shape[0])
    distance = float(np.linalg.norm(middle)) if several else resolved.geometry.distance
    pixels = 3.0 * width * wavelength * distance / min(panel.pixel_size)
    return int(min(max(2, math.ceil(abs(pixels))), max(2, min(panel.shape) // 4)))


def _integrate(rows: NDArray[Any], image: NDArray[np.float64], radius: int, panel: ScenePanel) -> None:
    """Sums over the footprints, less the median of a frame around each; what is not rendered does not count."""
    used = rendered_part(panel) & np.isfinite(image)
    outer = radius + _FRAME
    owners = _owners(rows, image.shape, radius)
    # What is beyond the edges is not used, and nobody's.
    values = np.pad(np.where(used, image, 0.0), outer)
    used, free = np.pad(used, outer), np.pad(owners == 0, outer)
    several = np.pad(owners > 1, outer)
    window = np.arange(2 * outer + 1)
    box = (..., slice(_FRAME, -_FRAME), slice(_FRAME, -_FRAME))
    many = max(_PIXELS // window.size**2, 1)
    for start in range(0, len(rows), many):
        some = rows[start : start + many]
        fast, slow = some["fast"].astype(np.intp), some["slow"].astype(np.intp)
        at = (slow[:, None, None] + window[:, None], fast[:, None, None] + window)
        inside, light = used[at], values[at]
        some["pixels"] = inside[box].sum(axis=(1, 2))
        some["overlap"] = several[at][box].any(axis=(1, 2))
        some["background"] = _medians(light, inside & free[at])
        some["intensity"] = light[box].sum(axis=(1, 2)) - some["background"] * some["pixels"]


def _owners(rows: NDArray[Any], shape: tuple[int, ...], radius: int) -> NDArray[np.intp]:
    """(slow, fast): how many footprints each pixel is in, from where they begin and end."""
    slow, fast = (rows[name].astype(np.intp) for name in ("slow", "fast"))
    edges = np.zeros((shape[0] + 1, shape[1] + 1), np.intp)
    ends = [
        [(1, np.maximum(at - radius, 0)), (-1, np.minimum(at + radius + 1, size))]
        for at, size in zip((slow, fast), shape, strict=True)
    ]
    for (sign, s), (other, f) in itertools.product(*ends):
        np.add.at(edges, (s, f), sign * other)
    return edges.cumsum(axis=0).cumsum(axis=1)[:-1, :-1]


def _medians(values: NDArray[np.float64], wanted: NDArray[np.bool_]) -> NDArray[np.float64]:
    """(n,): of the wanted ones of each (n, ...); 0 where there are none."""
    order = np.sort(np.where(wanted, values, np.inf).reshape(len(values), -1), axis=1)
    count = wanted.reshape(len(values), -1).sum(axis=1)
    number = np.arange(len(values))
    lower, upper = order[number, np.maximum(count - 1, 0) // 2], order[number, count // 2 % order.shape[1]]
    return np.where(count > 0, 0.5 * (lower + upper), 0.0)
