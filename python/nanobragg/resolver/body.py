"""A detector of panels, moved as one rigid body (``specs/geometry.md``, "Detectors of panels")."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from nanobragg.errors import InputError
from nanobragg.maths.constants import DEGREES
from nanobragg.maths.duals import number
from nanobragg.maths.nearest import nearest_to_beam
from nanobragg.maths.vectors import Vec, cross, rotate, rotate_axis, unit
from nanobragg.records.pivots import convention_of, pivot_of
from nanobragg.resolver.detector import Frame, Pixels, Placement, centre_of, frame_of, said_centre
from nanobragg.resolver.panels import placed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from nanobragg.records.experiment import Detector, Experiment
    from nanobragg.records.panel import ScenePanel


class Plane(NamedTuple):
    """The plane on which distance and beam centre count: that of the panel nearest to the beam, with the corner of the
    file's array for its origin; or that of a ready-made detector.
    """

    origin: NDArray[np.float64]
    """(3,) m"""
    fast: NDArray[np.float64]
    slow: NDArray[np.float64]
    normal: NDArray[np.float64]
    """away from the sample"""
    pixels: Pixels
    """those of the file's array; one pixel size, that along the fast axis"""
    slow_edge: float
    """m: pixel size along the slow axis"""

    def at(self, f: float, s: float) -> NDArray[np.float64]:
        """The point (3,) that is so far along both axes (m)."""
        return self.origin + self.fast * f + self.slow * s

    def coordinates(self, point: NDArray[np.float64]) -> tuple[float, float]:
        """How far along both axes (m) a point of the plane is; they need not be at right angles."""
        across = np.cross(self.fast, self.slow)
        hit, area = point - self.origin, float(across @ across)
        f, s = hit @ np.cross(self.slow, across) / area, hit @ np.cross(across, self.fast) / area
        return float(f), float(s)

    def reach(self, beam: Vec) -> float | None:
        """How far along the beam it is (m); ``None`` where the beam does not meet it."""
        along = float(self.normal @ np.array(beam))
        return number(self.normal @ self.origin) / along if abs(along) > 1e-9 else None


class Body(NamedTuple):
    """Panels where they stand before any option moves them."""

    panels: tuple[ScenePanel, ...]
    plane: Plane | None = None
    """That of a ready-made detector; ``None``: that of the panel nearest to the beam."""


class Motion(NamedTuple):
    """A shift, and then a turn about a fixed point."""

    shift: NDArray[np.float64]
    turn: NDArray[np.float64]
    """(3, 3)"""
    fixed: NDArray[np.float64]

    @property
    def moves(self) -> bool:
        """Whether anything is elsewhere afterwards."""
        return bool(self.shift.any()) or not np.array_equal(self.turn, np.eye(3))

    def point(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Where a point (3,) comes to lie."""
        if np.array_equal(self.turn, np.eye(3)):
            return x + self.shift
        return self.turn @ (x + self.shift - self.fixed) + self.fixed


def place_body(experiment: Experiment, body: Body) -> tuple[tuple[ScenePanel, ...], Placement, Pixels]:
    """The panels where options put them, what conventions make of their plane, and the pixels of the file's array.

    Raises:
        InputError: for options that such a detector does not have, and for motions that cannot be.

    """
    base = _base_of(experiment, body)
    motion = _motion(base, experiment.detector)
    panels = tuple(_moved(panel, motion) for panel in body.panels) if motion.moves else body.panels
    placement = _placement(base, _moved_plane(base.plane, motion))
    return panels, placement, base.plane.pixels


def motion_of(experiment: Experiment, body: Body) -> Motion:
    """How options move all panels of a detector; they may be dual numbers."""
    return _motion(_base_of(experiment, body), experiment.detector)


class _Base(NamedTuple):
    """What options count from."""

    convention: str
    pivot: str
    frame: Frame
    plane: Plane
    warnings: tuple[str, ...]


def _base_of(experiment: Experiment, body: Body) -> _Base:
    beam, crystal, detector = experiment.beam, experiment.crystal, experiment.detector
    convention = convention_of(beam, crystal, detector)
    frame, warnings = frame_of(convention, beam, crystal, detector)
    plane = body.plane or plane_of(body.panels, frame.beam)
    return _Base(convention, pivot_of("custom", detector, overridden=False), frame, plane, warnings)


def plane_of(panels: Sequence[ScenePanel], beam: Vec) -> Plane:
    """The plane of the panel nearest to the beam."""
    panel = panels[nearest_to_beam(panels, beam)]
    s0, f0 = panel.place[-2:]
    nslow = max(p.place[-2] + p.shape[0] for p in panels)
    nfast = max(p.place[-1] + p.shape[1] for p in panels)
    edge, slow_edge = panel.pixel_size
    return Plane(
        origin=panel.at(-f0, -s0),
        fast=panel.fast,
        slow=panel.slow,
        normal=panel.normal,
        pixels=Pixels(nfast, nslow, edge, nfast * edge, nslow * slow_edge),
        slow_edge=slow_edge,
    )


# ---- where it goes ----------------------------------------------------------------------------------------


def _motion(base: _Base, detector: Detector) -> Motion:
    convention, pivot, frame, plane, _ = base
    beam = np.array(frame.beam)
    reach = plane.reach(frame.beam)
    shift = _shift_in_plane(convention, pivot, detector, beam, reach, plane)
    if detector.close_distance is not None:
        shift = shift + plane.normal * (detector.close_distance / 1000.0 - float(plane.normal @ plane.origin))
    elif detector.distance is not None:
        wanted = detector.distance / 1000.0
        shift = shift + beam * (wanted - _met(reach, "-distance", detector.distance))
    turn = np.array([_swing(axis, detector, frame) for axis in np.eye(3).tolist()]).T
    fixed = np.zeros(3)
    if pivot == "beam" and not np.array_equal(turn, np.eye(3)):
        moved = plane._replace(origin=plane.origin + shift)
        fixed = beam * _met(moved.reach(frame.beam), "-pivot", "beam")
    return Motion(shift, turn, fixed)


def _met(reach: float | None, option: str, value: object) -> float:
    if reach is None:
        raise InputError(f"{option}: found {value} and a detector along the beam, expected one that the beam meets")
    return reach


def _shift_in_plane(
    convention: str,
    pivot: str,
    detector: Detector,
    beam: NDArray[np.float64],
    reach: float | None,
    plane: Plane,
) -> NDArray[np.float64]:
    """What brings the beam centre, or the near point, to where it is said to be on the plane."""
    beam_f, beam_s = said_centre(convention, detector, plane.pixels, plane.slow_edge)
    edge = plane.pixels.pixel_size
    near_f = _first(_of_org(detector.orgx, edge), _of_mm(detector.close_x))
    near_s = _first(_of_org(detector.orgy, plane.slow_edge), _of_mm(detector.close_y))
    of_beam = beam_f is not None or beam_s is not None
    of_near = near_f is not None or near_s is not None
    if of_near and (pivot == "sample" or not of_beam):
        here = float(plane.normal @ plane.origin) * plane.normal
        return _brought(plane, here, near_f, near_s)
    if of_beam:
        return _brought(plane, _met(reach, "-Xbeam", "a beam centre") * beam, beam_f, beam_s)
    return np.zeros(3)


def _brought(plane: Plane, here: NDArray[np.float64], f: float | None, s: float | None) -> NDArray[np.float64]:
    """The shift that brings the point f, s of the plane (m; ``None``: as it is) to ``here``."""
    now_f, now_s = plane.coordinates(here)
    return here - plane.at(now_f if f is None else f, now_s if s is None else s)


def _first(*values: float | None) -> float | None:
    return next((value for value in values if value is not None), None)


def _of_org(org: float | None, edge: float) -> float | None:
    return None if org is None else (org - 0.5) * edge


def _of_mm(length: float | None) -> float | None:
    return None if length is None else length / 1000.0


def _swing(vector: Sequence[float], detector: Detector, frame: Frame) -> Vec:
    x, y, z = vector
    turned = rotate((x, y, z), detector.rotx / DEGREES, detector.roty / DEGREES, detector.rotz / DEGREES)
    if not detector.twotheta:
        return turned
    return rotate_axis(turned, unit(frame.twotheta_axis), detector.twotheta / DEGREES)


# ---- there ------------------------------------------------------------------------------------------------


def _moved(panel: ScenePanel, motion: Motion) -> ScenePanel:
    return placed(panel, motion.point(panel.origin), motion.turn @ panel.fast, motion.turn @ panel.slow)


def _moved_plane(plane: Plane, motion: Motion) -> Plane:
    origin, normal = motion.point(plane.origin), motion.turn @ plane.normal
    if float(normal @ origin) < 0.0:
        normal = -normal
    return plane._replace(origin=origin, fast=motion.turn @ plane.fast, slow=motion.turn @ plane.slow, normal=normal)


def _placement(base: _Base, plane: Plane) -> Placement:
    """What conventions make of the plane as it stands, whatever moved it there."""
    convention, pivot, frame, _, warnings = base
    close = float(plane.normal @ plane.origin)
    reach = plane.reach(frame.beam)
    distance = reach if reach is not None and math.isfinite(reach) else close
    f, s = plane.coordinates(distance * np.array(frame.beam))
    near_f, near_s = plane.coordinates(close * plane.normal)
    x, y = centre_of(convention, f, s, plane.pixels, plane.slow_edge)
    axes = {name: _vec(getattr(plane, name)) for name in ("fast", "slow", "normal")}
    return Placement(
        convention=convention,
        pivot=pivot,
        frame=frame._replace(**axes),
        vertical=unit(cross(frame.beam, frame.polar)),
        pix0=_vec(plane.origin),
        distance=distance,
        close_distance=close,
        Xbeam=x,
        Ybeam=y,
        Xclose=near_f,
        Yclose=near_s,
        Fbeam=f,
        Sbeam=s,
        Fclose=near_f,
        Sclose=near_s,
        orgx=near_f / plane.pixels.pixel_size + 0.5,
        orgy=near_s / plane.slow_edge + 0.5,
        warnings=warnings,
    )


def _vec(array: NDArray[np.float64]) -> Vec:
    x, y, z = array.tolist()
    return (x, y, z)
