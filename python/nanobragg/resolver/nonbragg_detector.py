"""Size and place of the detector of ``nanobragg nonbragg`` (``specs/nonbragg.md``, "Geometry")."""

from __future__ import annotations

import math
from typing import NamedTuple

from nanobragg.errors import InputError
from nanobragg.maths.constants import DEGREES
from nanobragg.maths.vectors import Vec, cross, dot, rotate, rotate_axis, scale, unit
from nanobragg.records.nonbragg import NonBraggRun
from nanobragg.resolver.nonbragg_known import Known

_MOST_PIXELS = 1 << 31
_SMALLEST = 2.2250738585072014e-308
"""The smallest normal double: what the cosine of a detector that the beam never meets becomes."""


# ---- the panel --------------------------------------------------------------------------------------------


class Panel(NamedTuple):
    pixel: float
    shape: tuple[int, int]
    """slow, fast"""
    detsize: tuple[float, float]
    """fast, slow, m"""
    header_slow: float
    """What the header says that the slow edge is, m."""


def panel_of(known: Known) -> Panel:
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
    return Panel(pixel, (counts[1], counts[0]), (edges[0], edges[1]), header_pixel * (in_file[1] or 0))


def _count(known: Known, asked: int, ratio: float, name: str) -> int:
    if not 0.0 < ratio < _MOST_PIXELS:
        raise InputError(f"-detsize: found {ratio:g} pixels along the {name} axis, expected at least one")
    count, physical = math.ceil(ratio), asked or max(math.ceil(ratio - 0.5), 1)
    return count if known.touches("extra_pixel", count != physical) else physical


def roi_of(run: NonBraggRun, shape: tuple[int, int]) -> tuple[int, int, int, int]:
    x0, x1, y0, y1 = run.roi
    return max(x0, 0), shape[1] if x1 < 0 else x1, max(y0, 0), shape[0] if y1 < 0 else y1


# ---- where it is ------------------------------------------------------------------------------------------


class Placed(NamedTuple):
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


def place(known: Known, panel: Panel) -> Placed:
    """The detector in the laboratory.

    Raises :class:`InputError` where it comes to lie at no finite place.
    """
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

    def swing(v: Vec) -> Vec:
        return rotate_axis(rotate(v, *turn), run.twotheta_axis, twotheta)

    origin = swing(_sum(-Xclose, fast, -Yclose, slow, close, normal))
    fast, slow, normal = swing(fast), swing(slow), swing(normal)
    if pivot == "beam":
        origin = _sum(-Xbeam, fast, -Ybeam, slow, close / ratio, beam)
    if run.pix0 is not None and not known.touches("pix0_ignored"):
        origin = swing(run.pix0)
    close = dot(origin, normal)
    if not known.touches("spot_without_twotheta", twotheta != 0.0):
        ratio = dot(beam, normal) or _SMALLEST
    if not all(math.isfinite(x) for x in (*origin, *fast, *slow, close / ratio)):
        raise InputError("detector: found a position that is not finite, expected finite distances, centres and angles")
    signed = known.touches("negative_close_distance", close < 0.0)
    return _placed(pivot, twotheta, (origin, fast, slow, beam, polar), close / ratio, close if signed else abs(close))


def _placed(
    pivot: str, twotheta: float, vectors: tuple[Vec, Vec, Vec, Vec, Vec], distance: float, close_distance: float
) -> Placed:
    origin, fast, slow, beam, polar = vectors
    reach = scale(distance, beam)
    hit = (reach[0] - origin[0], reach[1] - origin[1], reach[2] - origin[2])
    return Placed(
        pivot=pivot,
        twotheta=twotheta,
        origin=origin,
        fast=fast,
        slow=slow,
        beam=beam,
        polar=polar,
        distance=distance,
        close_distance=close_distance,
        Xbeam=dot(fast, hit),
        Ybeam=dot(slow, hit),
        Xclose=-dot(origin, fast),
        Yclose=-dot(origin, slow),
    )


def _sum(a: float, u: Vec, b: float, v: Vec, c: float, w: Vec) -> Vec:
    return (a * u[0] + b * v[0] + c * w[0], a * u[1] + b * v[1] + c * w[1], a * u[2] + b * v[2] + c * w[2])


def _twotheta(known: Known) -> float:
    if known.run.twotheta is not None:
        return known.run.twotheta / DEGREES
    in_header = known.in_header("TWOTHETA") or 0.0
    return 0.0 if known.touches("header_twotheta_ignored", in_header != 0.0) else in_header / DEGREES


def _pivot(known: Known, twotheta: float) -> str:
    run = known.run
    near = (run.Xclose, run.Yclose, run.orgx, run.orgy, run.close_distance, run.twotheta)
    at_sample = twotheta != 0.0 or any(value is not None for value in near)
    physical = run.pivot or ("sample" if at_sample else "beam")
    return run.pivot_as_left if known.touches("pivot_by_order", run.pivot_as_left != physical) else physical


def _centres(known: Known, panel: Panel, pivot: str) -> tuple[float, float, float, float]:
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


def _close_distance(known: Known, ratio: float) -> float:
    """The distance (m, signed) of the plane."""
    run = known.run
    if run.close_distance is not None:
        return run.close_distance / 1000.0
    in_header = known.in_header("CLOSE_DISTANCE")
    if in_header is not None and (run.distance is None or known.touches("header_close_distance")):
        return in_header / 1000.0
    distance = known.said_or(run.distance, "DISTANCE", 1000.0)
    return ratio * (0.1 if distance is None else distance)


def rotation_of(known: Known) -> tuple[float, float]:
    """Phi and oscillation range (radians), which are for headers only."""
    run = known.run
    phi = known.said_or(run.phi, "PHI", DEGREES) or 0.0
    oscillation = known.said_or(run.oscillation, "OSC_RANGE", DEGREES)
    if oscillation is not None and oscillation >= 0.0:
        return phi, oscillation
    if run.phistep is not None and run.phistep > 0.0:
        return phi, run.phistep / DEGREES
    return phi, 1.0 / DEGREES if run.phisteps is not None and run.phisteps >= 0 else 0.0
