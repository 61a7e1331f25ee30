"""Detector geometry: conventions, beam centres, pivots and rotations (``specs/geometry.md``)."""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING, NamedTuple

from nanobragg.errors import InputError
from nanobragg.maths.constants import DEGREES
from nanobragg.maths.duals import plain
from nanobragg.maths.vectors import Vec, cross, dot, norm, rotate, rotate_axis, scale, unit
from nanobragg.records.pivots import convention_of, pivot_of

if TYPE_CHECKING:
    from nanobragg.records.experiment import Beam, Crystal, Detector
    from nanobragg.resolver.headers import HeaderValues


class Frame(NamedTuple):
    """The vectors of a convention."""

    beam: Vec
    fast: Vec
    slow: Vec
    normal: Vec
    twotheta_axis: Vec
    polar: Vec
    spindle: Vec


_X, _Y, _Z = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)
_MINUS_X, _MINUS_Y, _MINUS_Z = (-1.0, 0.0, 0.0), (0.0, -1.0, 0.0), (0.0, 0.0, -1.0)

FRAMES: dict[str, Frame] = {
    "mosflm": Frame(_X, _Z, _MINUS_Y, _X, _MINUS_Z, _Z, _Z),
    "denzo": Frame(_X, _Z, _MINUS_Y, _X, _MINUS_Z, _Z, _Z),
    "adxv": Frame(_Z, _X, _MINUS_Y, _Z, _MINUS_X, _X, _X),
    "xds": Frame(_Z, _X, _Y, _Z, _X, _X, _X),
    "dials": Frame(_Z, _X, _Y, _Z, _Y, _Y, _Y),
}
_CUSTOM = Frame(_X, _Z, _MINUS_Y, _X, _Y, _Z, _Z)


class Pixels(NamedTuple):
    """The raster: numbers of pixels, pixel size and detector size (m)."""

    nfast: int
    nslow: int
    pixel_size: float
    detsize_f: float
    detsize_s: float


class Placement(NamedTuple):
    """Where the detector is, after all rotations. Metres, lab frame."""

    convention: str
    pivot: str
    frame: Frame
    """with the rotated detector vectors, all normalised"""
    vertical: Vec
    pix0: Vec
    distance: float
    close_distance: float
    Xbeam: float
    Ybeam: float
    Xclose: float
    Yclose: float
    Fbeam: float
    Sbeam: float
    Fclose: float
    Sclose: float
    orgx: float
    orgy: float
    warnings: tuple[str, ...]


def _whole(name: str, value: float) -> int:
    if not 1 <= value <= 2**31 - 1:
        raise InputError(f"{name}: found {value:g} pixels, expected at least 1 and at most 2147483647")
    return int(value)


_LARGEST = 1e100
"""m; the area of larger pixels overflows, and squares of larger distances"""


def pixels_of(detector: Detector, header: HeaderValues) -> Pixels:
    """The raster. Pixel counts are stronger than sizes, explicit ones stronger than a header's."""
    size_mm = 0.1
    if header.pixel_size is not None:
        size_mm = header.pixel_size
    if detector.pixel_size is not None:
        size_mm = detector.pixel_size
    pixel = size_mm / 1000.0
    if not 0.0 < pixel < math.inf:
        raise InputError(f"-pixel: found {size_mm:g} mm, expected a positive size")
    if not pixel < _LARGEST:
        raise InputError(f"-pixel: found {size_mm:g} mm, expected less than {1e3 * _LARGEST:g} mm")
    said_s, said_f = detector.shape if detector.shape is not None else (None, None)
    size_s, size_f = detector.size if detector.size is not None else (None, None)

    def axis(name: str, said: int | None, from_header: int | None, size: float | None) -> tuple[float, int]:
        count = said if said is not None else from_header
        if count is not None and count < 0:
            raise InputError(f"-detpixels{name}: found {count}, expected at least 1 pixel")
        detsize = 102.4 / 1000.0 if size is None else size / 1000.0
        if count:
            detsize = pixel * count
        return detsize, _whole(f"-detsize{name}", math.ceil(detsize / pixel - 0.5) if detsize < math.inf else math.inf)

    detsize_f, nfast = axis("_f", said_f, header.nfast, size_f)
    detsize_s, nslow = axis("_s", said_s, header.nslow, size_s)
    return Pixels(nfast=nfast, nslow=nslow, pixel_size=pixel, detsize_f=detsize_f, detsize_s=detsize_s)


def _vector(name: str, given: Vec | None, default: Vec) -> Vec:
    if given is None:
        return default
    if norm(given) == 0.0:
        raise InputError(f"{name}: found a vector of length 0, expected a direction")
    return given


def frame_of(
    convention: str, beam: Beam, crystal: Crystal, detector: Detector, mirrored: bool = False
) -> tuple[Frame, tuple[str, ...]]:
    """The vectors before rotation, and warnings: a named convention overwrites every one that is given.

    ``mirrored``: the normal that is generated is minus fast x slow.
    """
    warnings: tuple[str, ...] = ()
    raw = FRAMES.get(convention)
    if raw is None:
        raw = Frame(
            _vector("-beam_vector", beam.direction, _CUSTOM.beam),
            _vector("-fdet_vector", detector.fast_axis, _CUSTOM.fast),
            _vector("-sdet_vector", detector.slow_axis, _CUSTOM.slow),
            _vector("-odet_vector", detector.normal_axis, _CUSTOM.normal),
            _vector("-twotheta_axis", detector.twotheta_axis, _CUSTOM.twotheta_axis),
            _vector("-polar_vector", beam.polarization_axis, _CUSTOM.polar),
            _vector("-spindle_axis", crystal.spindle_axis, _CUSTOM.spindle),
        )
    fast, slow = unit(raw.fast), unit(raw.slow)
    if norm(raw.normal) != 1.0:
        warnings = ("auto-generating odet_vector",)
        normal = unit(cross(fast, slow))
        if norm(normal) == 0.0:
            raise InputError("-fdet_vector: found a vector parallel to -sdet_vector, expected different directions")
        normal = scale(-1.0, normal) if mirrored else normal
    else:
        normal = unit(raw.normal)
    frame = Frame(unit(raw.beam), fast, slow, normal, raw.twotheta_axis, unit(raw.polar), unit(raw.spindle))
    return frame, warnings


class _Centres(NamedTuple):
    Xbeam: float
    Ybeam: float
    Fbeam: float
    Sbeam: float
    Fclose: float
    Sclose: float
    Xclose: float
    Yclose: float


def _metres(value: float | None) -> float | None:
    return None if value is None else value / 1000.0


def _first(*values: float | None) -> float | None:
    return next((v for v in values if v is not None), None)


def _centres(convention: str, detector: Detector, header: HeaderValues, pixels: Pixels) -> _Centres:
    """Near point and direct beam on the detector before rotation, by convention."""
    pixel, size_f, size_s = pixels.pixel_size, pixels.detsize_f, pixels.detsize_s
    orgx, orgy = _first(detector.orgx, header.orgx), _first(detector.orgy, header.orgy)
    Fclose = size_f / 2.0 if orgx is None else (orgx - 0.5) * pixel
    Sclose = size_s / 2.0 if orgy is None else (orgy - 0.5) * pixel
    given_x, given_y = _metres(detector.close_x), _metres(detector.close_y)
    Xclose = Fclose if given_x is None else given_x
    Yclose = Sclose if given_y is None else given_y
    centre_x, centre_y = _centre_in_frame(convention, header.centre, pixels)
    Xbeam = _first(_metres(detector.beam_x), centre_x, _metres(header.beam_x))
    Ybeam = _first(_metres(detector.beam_y), centre_y, header.beam_y_metres, _metres(header.beam_y))
    if convention in ("mosflm", "denzo"):
        Xbeam = (size_s + pixel) / 2.0 if Xbeam is None else Xbeam
        Ybeam = (size_f + pixel) / 2.0 if Ybeam is None else Ybeam
        half = 0.5 * pixel if convention == "mosflm" else 0.0
        return _Centres(Xbeam, Ybeam, Ybeam + half, Xbeam + half, Fclose, Sclose, Xclose, Yclose)
    if convention == "adxv":
        Xbeam = (size_f + pixel) / 2.0 if Xbeam is None else Xbeam
        Ybeam = (size_s - pixel) / 2.0 if Ybeam is None else Ybeam
        return _Centres(Xbeam, Ybeam, Xbeam, size_s - Ybeam, Fclose, Sclose, Xclose, Yclose)
    Xbeam = Xclose if Xbeam is None else Xbeam
    Ybeam = Yclose if Ybeam is None else Ybeam
    if convention == "custom":
        Fclose, Sclose = Xbeam, Ybeam
        if header.near is not None and centre_x is not None and detector.beam_x is None and detector.beam_y is None:
            Fclose, Sclose = header.near[0] * pixel, header.near[1] * pixel
    return _Centres(Xbeam, Ybeam, Xbeam, Ybeam, Fclose, Sclose, Xclose, Yclose)


def _centre_in_frame(
    convention: str, centre: tuple[float, float] | None, pixels: Pixels
) -> tuple[float | None, float | None]:
    """Xbeam and Ybeam (m) that put the direct beam at ``centre`` (fast, slow; pixels)."""
    if centre is None:
        return None, None
    pixel = pixels.pixel_size
    return centre_of(convention, centre[0] * pixel, centre[1] * pixel, pixels, pixel)


def centre_of(convention: str, f: float, s: float, pixels: Pixels, slow_edge: float) -> tuple[float, float]:
    """Xbeam and Ybeam of a direct beam that is f, s from the outer corner of the first pixel; all in m.

    ``slow_edge``: a pixel along the slow axis.
    """
    if convention in ("mosflm", "denzo"):
        half = 0.5 if convention == "mosflm" else 0.0
        return s - half * slow_edge, f - half * pixels.pixel_size
    return (f, pixels.detsize_s - s) if convention == "adxv" else (f, s)


def said_centre(
    convention: str, detector: Detector, pixels: Pixels, slow_edge: float
) -> tuple[float | None, float | None]:
    """The direct beam that beam_x and beam_y say, fast and slow from the outer corner of the first pixel (m)."""
    x, y = _metres(detector.beam_x), _metres(detector.beam_y)
    if convention in ("mosflm", "denzo"):
        half = 0.5 if convention == "mosflm" else 0.0
        return None if y is None else y + half * pixels.pixel_size, None if x is None else x + half * slow_edge
    if convention == "adxv":
        return x, None if y is None else pixels.detsize_s - y
    return x, y


def _on_plane(along_f: float, along_s: float, along_o: float, fast: Vec, slow: Vec, normal: Vec) -> Vec:
    return (
        -along_f * fast[0] - along_s * slow[0] + along_o * normal[0],
        -along_f * fast[1] - along_s * slow[1] + along_o * normal[1],
        -along_f * fast[2] - along_s * slow[2] + along_o * normal[2],
    )


def _distances(detector: Detector, header: HeaderValues, frame: Frame, turn: Vec) -> tuple[float, float, float]:
    """Obliquity of the detector, close distance and distance (m)."""
    ratio = dot(frame.beam, rotate(frame.normal, *turn))
    if ratio == 0.0:
        ratio = sys.float_info.min
    distance = _first(_metres(detector.distance), _metres(header.distance))
    close = _first(_metres(detector.close_distance), _metres(header.close_distance))
    if close is None:
        close = abs(ratio * (100.0 / 1000.0 if distance is None else distance))
    return ratio, close, close / ratio


def place(
    beam: Beam,
    crystal: Crystal,
    detector: Detector,
    header: HeaderValues,
    pixels: Pixels,
    quirks: frozenset[str],
) -> Placement:
    """The detector's origin and axes in the lab frame.

    Raises:
        InputError: for vectors that are no directions, and for a detector that comes to lie at no finite place.

    """
    convention = convention_of(beam, crystal, detector)
    frame, warnings = frame_of(convention, beam, crystal, detector, header.mirrored)
    pivot = header.pivot or pivot_of(convention, detector, overridden="pivot_overridden" in quirks)
    centres = _centres(convention, detector, header, pixels)
    turn = (detector.rotx / DEGREES, detector.roty / DEGREES, detector.rotz / DEGREES)
    twotheta = (detector.twotheta or 0.0) / DEGREES
    ratio, close_distance, distance = _distances(detector, header, frame, turn)

    def swing(v: Vec) -> Vec:
        return rotate_axis(rotate(v, *turn), frame.twotheta_axis, twotheta)

    given = None if "pix0_ignored" in quirks else detector.pix0
    fast, slow, normal = swing(frame.fast), swing(frame.slow), swing(frame.normal)
    if given is not None:
        pix0 = swing(given)
    elif pivot == "sample":
        pix0 = swing(_on_plane(centres.Fclose, centres.Sclose, close_distance, frame.fast, frame.slow, frame.normal))
    else:
        pix0 = _on_plane(centres.Fbeam, centres.Sbeam, distance, fast, slow, frame.beam)
    if not all(abs(plain(x)) < _LARGEST for x in (*pix0, *fast, *slow, *normal)):
        raise InputError(
            f"detector: found a position beyond {_LARGEST:g} m, expected finite distances, centres and angles"
        )
    turned = frame._replace(fast=fast, slow=slow, normal=normal)
    return _measured(convention, pivot, turned, pix0, ratio, centres, pixels, warnings)


def _measured(
    convention: str,
    pivot: str,
    frame: Frame,
    pix0: Vec,
    ratio: float,
    centres: _Centres,
    pixels: Pixels,
    warnings: tuple[str, ...],
) -> Placement:
    """Near point, direct beam and distances of a detector whose first corner is at ``pix0``."""
    Fclose, Sclose, close_distance = -dot(pix0, frame.fast), -dot(pix0, frame.slow), dot(pix0, frame.normal)
    reach = scale(close_distance / ratio, frame.beam)
    hit = (reach[0] - pix0[0], reach[1] - pix0[1], reach[2] - pix0[2])
    return Placement(
        convention=convention,
        pivot=pivot,
        frame=frame,
        vertical=unit(cross(frame.beam, frame.polar)),
        pix0=pix0,
        distance=close_distance / ratio,
        close_distance=close_distance,
        Xbeam=centres.Xbeam,
        Ybeam=centres.Ybeam,
        Xclose=centres.Xclose,
        Yclose=centres.Yclose,
        Fbeam=dot(frame.fast, hit),
        Sbeam=dot(frame.slow, hit),
        Fclose=Fclose,
        Sclose=Sclose,
        orgx=Fclose / pixels.pixel_size + 0.5,
        orgy=Sclose / pixels.pixel_size + 0.5,
        warnings=warnings,
    )
