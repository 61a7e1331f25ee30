"""What files tell of a geometry, in one form for all of them (``specs/formats.md``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from nanobragg.errors import InputError
from nanobragg.maths.nearest import nearest_to_beam
from nanobragg.maths.vectors import Vec
from nanobragg.records.record import Record

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

_SHEAR = 1e-4
"""Cosine between the axes of a panel up to which its solid angles are those of right angles, within 1e-8."""


class FilePanel(Record):
    """A panel as its file has it: lengths in mm, in the file's own laboratory frame; ``None``: the file does not say.

    It becomes a :class:`nanobragg.records.panel.ScenePanel` (metres, our frame) where it is placed.
    """

    name: str
    group: str = ""
    shape: tuple[int, int]
    """(slow, fast) pixels"""
    pixel_size: tuple[float, float]
    """mm, along the fast axis and along the slow one"""
    origin: Vec
    """mm, outer corner of the first pixel"""
    fast: Vec
    """unit vector"""
    slow: Vec
    """unit vector, not always at right angles to ``fast``"""
    gain: float | None = None
    trusted_range: tuple[float, float] | None = None
    thickness: float | None = None
    """mm, of the sensor"""
    material: str = ""
    mu: float | None = None
    """1/mm, absorption of the sensor"""
    bad: NDArray[np.bool_] | None = None
    """(slow, fast), true: a pixel that does not count"""
    place: tuple[int, ...] = (0, 0)
    """Where the first pixel is in the file's array: (slow, fast) in a slab, (module, slow, fast) in a stack."""

    @property
    def where(self) -> tuple[int | slice, ...]:
        """Its pixels in the file's array."""
        s0, f0 = self.place[-2:]
        return (*self.place[:-2], slice(s0, s0 + self.shape[0]), slice(f0, f0 + self.shape[1]))

    def at(self, fast: ArrayLike, slow: ArrayLike) -> NDArray[np.float64]:
        """Positions (..., 3) mm of points in pixels: 0, 0 is the outer corner of the first one, 0.5, 0.5 its centre."""
        along_fast = np.asarray(fast, dtype=float)[..., None] * self.pixel_size[0]
        along_slow = np.asarray(slow, dtype=float)[..., None] * self.pixel_size[1]
        return np.array(self.origin) + along_fast * np.array(self.fast) + along_slow * np.array(self.slow)


class Vectors(Record):
    """Where everything is, in the file's own laboratory frame."""

    origin: Vec
    """mm, outer corner of the first pixel"""
    fast: Vec
    slow: Vec
    beam: Vec
    """direction of travel"""
    polarization: Vec | None = None
    """direction of E"""
    spindle: Vec | None = None
    spindle_said: bool = True
    """false: the spindle is one across the beam, since the file names none"""

    @property
    def mirrored(self) -> bool:
        """Whether fast x slow points at the sample, so that the normal is the other one."""
        return float(np.cross(self.fast, self.slow) @ np.array(self.origin)) < 0.0


class FileGeometry(Record):
    """What a file says; ``None``: nothing."""

    name: str
    kind: str
    """for messages"""
    nfast: int | None = None
    nslow: int | None = None
    pixel_size: float | None = None
    """mm"""
    distance: float | None = None
    """mm, along the beam; negative: upstream"""
    centre: tuple[float, float] | None = None
    """Direct beam, fast and slow, pixels from the outer corner of the first."""
    wavelength: float | None = None
    """Å; of a spectrum its weighted mean"""
    spectrum: NDArray[np.float64] | None = None
    """(n, 2) wavelengths (Å) and weights, where there are several"""
    phi: float | None = None
    """degrees"""
    oscillation: float | None = None
    polarization: float | None = None
    """Kahn factor"""
    material: str = ""
    """What absorbs in a detector of one panel."""
    mu: float | None = None
    """1/mm: its absorption."""
    swing: float | None = None
    """degrees of 2theta that the file tells of; its distance and centre are those at 0"""
    swing_known: bool = False
    """whether the sense of ``swing`` is defined: about minus the fast axis, through the sample"""
    vectors: Vectors | None = None
    panels: tuple[FilePanel, ...] = ()
    """panels of a file with a frame of its own"""
    several: bool = False
    """Whether options cannot say such a detector: there are several panels, or one of rectangular pixels or axes that
    are not at right angles."""
    real_space: NDArray[np.float64] | None = None
    """(3, 3) Å: rows a, b, c at phi = 0, in the frame of ``vectors``"""
    turn: NDArray[np.float64] | None = None
    """(3, 3) rotation of a crystal by the axes of a goniometer that are not scanned"""
    bad_pixels: NDArray[np.bool_] | None = None
    """(slow, fast), of a detector of one panel"""
    pixels: NDArray[Any] | None = None
    """(slow, fast)"""
    bad: Mapping[str, str] = field(default_factory=dict)
    """Fields that the file says and that cannot be used, with the sentence for whoever does not say them."""
    comments: tuple[str, ...] = ()
    """What else its line tells, how it was understood for one."""
    unused: tuple[str, ...] = ()
    """What the file says and nothing is made of."""
    warnings: tuple[str, ...] = field(default=())

    def used(self) -> str:
        """One line: the values and their units."""
        parts = [] if self.nfast is None or self.nslow is None else [f"{self.nfast} x {self.nslow} pixels"]
        if self.several:
            parts.append(described(self.panels))
        for text, value in (
            ("pixel size {:g} mm", self.pixel_size),
            ("distance {:g} mm" + (", of the panel nearest to the beam" if self.several else ""), self.distance),
            ("wavelength {:g} Å", self.wavelength),
            ("phi {:g} deg", self.phi),
            ("oscillation {:g} deg", self.oscillation),
            ("polarization {:g}", self.polarization),
        ):
            if value is not None:
                parts.append(text.format(value))
        if self.centre is not None:
            parts.append(f"beam at {self.centre[0]:.2f} {self.centre[1]:.2f} pixels (fast, slow)")
        if self.swing and self.swing_known:
            parts.append(f"swung by 2theta {self.swing:g} deg about the sample (-pivot sample)")
        if self.vectors is not None and not self.several:
            parts.append(f"axes of detector, beam{' and spindle' if self.vectors.spindle_said else ''}")
        if self.real_space is not None:
            parts.append("the crystal's cell and orientation")
        if len(parts) <= 1 and not self.panels:
            parts.append("no geometry that is known")
        bad = [self.bad_pixels, *(panel.bad for panel in self.panels if self.several)]
        if count := sum(int(np.count_nonzero(pixels)) for pixels in bad if pixels is not None):
            parts.append(f"{count} bad pixels, which are not rendered")
        line = f"from {self.name} ({self.kind}): {', '.join([*parts, *self.comments])}"
        return f"{line}; not used: {', '.join(self.unused)}" if self.unused else line

    def with_sensors(self, comment: str) -> FileGeometry:
        """Its sensors are used, as a comment says, and not among what is not."""
        sensors = _unused_sensors(self.panels)
        unused = tuple(text for text in self.unused if text not in sensors)
        return replace(self, unused=unused, comments=(*self.comments, comment))


def fields_of_panels(name: str, panels: Sequence[FilePanel], vectors: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of :class:`FileGeometry` that follow from panels.

    Args:
        name: the file.
        panels: one or more.
        vectors: of :class:`Vectors`: beam, polarization, spindle, and whether that was said.

    """
    panel = panels[nearest_to_beam(panels, vectors["beam"])]
    fields: dict[str, Any] = {
        "panels": tuple(panels),
        "several": len(panels) > 1 or not is_regular(panel),
        "vectors": Vectors(origin=panel.origin, fast=panel.fast, slow=panel.slow, **vectors),
    }
    if fields["several"]:
        distance = distance_along(panel, vectors["beam"])
        return fields | {"distance": distance, "unused": _unused_sensors(panels)}
    along, (f, s) = ray_on_plane(name, panel, vectors["beam"])
    fast_size, slow_size = panel.pixel_size
    return fields | {
        "nslow": panel.shape[0],
        "nfast": panel.shape[1],
        "pixel_size": fast_size,
        "distance": along if abs(along) > 1e-9 else None,
        "centre": (f / fast_size, s / slow_size),
        "bad_pixels": panel.bad,
        "material": panel.material,
        "mu": panel.mu,
        "unused": unused_of(panel),
        "warnings": (f"{name}: the detector stands upstream of the sample, at {along:g} mm",) if along < -1e-9 else (),
    }


def is_regular(panel: FilePanel) -> bool:
    """Whether pixels are square and the axes at right angles, as options say a detector of one panel."""
    fast_size, slow_size = panel.pixel_size
    return abs(fast_size - slow_size) <= 1e-6 * fast_size and abs(float(np.dot(panel.fast, panel.slow))) <= _SHEAR


def unused_of(panel: FilePanel) -> tuple[str, ...]:
    """What a file says of a panel and nothing is made of: gain, trusted range, sensor."""
    said = []
    if panel.gain is not None and panel.gain not in (0.0, 1.0):
        said.append(f"gain {panel.gain:g}")
    if panel.trusted_range is not None and panel.trusted_range[0] < panel.trusted_range[1]:
        said.append(f"trusted range {panel.trusted_range[0]:g} to {panel.trusted_range[1]:g}")
    return (*said, *_unused_sensors([panel]))


def _unused_sensors(panels: Sequence[FilePanel]) -> tuple[str, ...]:
    """The sensors that a file says, each once: what absorbs is said by options, which may ask for these sensors."""
    texts = []
    for panel in panels:
        if panel.thickness:
            depth = f", attenuation depth {1e3 / panel.mu:.4g} um (-detector_abs)" if panel.mu else ""
            material = f" of {panel.material}" if panel.material else ""
            texts.append(f"sensor{material} {1e3 * panel.thickness:g} um thick (-detector_thick){depth}")
    distinct = list(dict.fromkeys(texts))
    if len(distinct) < 2:
        return tuple(distinct)
    return (*distinct[:3], f"that its panels have {len(distinct)} sensors (-own_sensors)")


def distance_along(panel: FilePanel, beam: Vec) -> float | None:
    """How far along the beam (mm) the plane of a panel is; ``None`` where the beam does not meet it."""
    normal = np.cross(panel.fast, panel.slow)
    across_beam = float(normal @ np.array(beam))
    return float(normal @ np.array(panel.origin)) / across_beam if abs(across_beam) > 1e-9 else None


def holds(array: NDArray[Any], panel: FilePanel) -> bool:
    """Whether an array, a slab or a stack, has all pixels of a panel at its place."""
    ends = [*(index + 1 for index in panel.place[:-2]), *np.add(panel.place[-2:], panel.shape)]
    return array.ndim == len(ends) and all(end <= size for end, size in zip(ends, array.shape, strict=True))


def ray_on_plane(name: str, panel: FilePanel, beam: Vec) -> tuple[float, tuple[float, float]]:
    """Distance along the beam (mm, negative upstream), and where it meets the panel's plane: fast and slow, mm.

    Raises :class:`InputError` for a plane that the beam is parallel to.
    """
    origin, fast, slow, travel = (np.array(v) for v in (panel.origin, panel.fast, panel.slow, beam))
    axes = np.stack([travel, -fast, -slow], axis=1)
    if not np.isfinite(axes).all() or abs(float(np.linalg.det(axes))) < 1e-9:
        raise InputError(f"{name}: found a detector along the beam, expected one that the beam meets")
    along, f, s = np.linalg.solve(axes, origin).tolist()
    return along, (f, s)


def described(panels: Sequence[FilePanel]) -> str:
    """How many panels, and of what: 64 panels of 194 x 185 pixels of 0.11 mm."""
    shapes = list(dict.fromkeys(panel.shape for panel in panels))
    sizes = list(dict.fromkeys(tuple(f"{size:.4g}" for size in panel.pixel_size) for panel in panels))
    pixels = ", ".join(f"{fast} x {slow}" for slow, fast in shapes[:3]) + ("..." if len(shapes) > 3 else "")
    edges = ", ".join(fast if fast == slow else f"{fast} x {slow}" for fast, slow in sizes[:3])
    count = f"{len(panels)} panels" if len(panels) > 1 else "a panel"
    return f"{count} of {pixels} pixels of {edges} mm"


def across(beam: ArrayLike, direction: ArrayLike) -> Vec:
    """Unit vector nearest to ``direction`` that is at right angles to the beam."""
    travel, wanted = np.asarray(beam, dtype=float), np.asarray(direction, dtype=float)
    for axis in (wanted, np.array([0.0, 1.0, 0.0]), np.array([0.0, 0.0, 1.0])):
        rest = axis - (axis @ travel) * travel
        if np.linalg.norm(rest) > 1e-3:
            return vec_of(rest / np.linalg.norm(rest))
    return vec_of(wanted)


def vec_of(array: ArrayLike) -> Vec:
    """Three numbers of an array as Python's own."""
    x, y, z = np.asarray(array, dtype=float).tolist()
    return (x, y, z)
