"""What files tell of a geometry, in one form for all of them (``specs/formats.md``)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from nanobragg.errors import InputError
from nanobragg.maths.vectors import Vec

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True, kw_only=True, eq=False)
class Vectors:
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


@dataclass(frozen=True, kw_only=True, eq=False)
class FileGeometry:
    """What a file says; ``None``: nothing."""

    name: str
    kind: str
    """for messages"""
    nfast: int
    nslow: int
    pixel_size: float | None = None
    """mm"""
    distance: float | None = None
    """mm, along the beam"""
    centre: tuple[float, float] | None = None
    """Direct beam, fast and slow, pixels from the outer corner of the first."""
    wavelength: float | None = None
    """Å"""
    phi: float | None = None
    """degrees"""
    oscillation: float | None = None
    polarization: float | None = None
    """Kahn factor"""
    vectors: Vectors | None = None
    real_space: NDArray[np.float64] | None = None
    """(3, 3) Å: rows a, b, c at phi = 0, in the frame of ``vectors``"""
    pixels: NDArray[Any] | None = None
    """(slow, fast)"""
    warnings: tuple[str, ...] = field(default=())

    def used(self) -> str:
        """One line: the values and their units."""
        parts = [f"{self.nfast} x {self.nslow} pixels"]
        for text, value in (
            ("pixel size {:g} mm", self.pixel_size),
            ("distance {:g} mm", self.distance),
            ("wavelength {:g} Å", self.wavelength),
            ("phi {:g} deg", self.phi),
            ("oscillation {:g} deg", self.oscillation),
            ("polarization {:g}", self.polarization),
        ):
            if value is not None:
                parts.append(text.format(value))
        if self.centre is not None:
            parts.append(f"beam at {self.centre[0]:.2f} {self.centre[1]:.2f} pixels (fast, slow)")
        if self.vectors is not None:
            parts.append("axes of detector, beam and spindle")
        if self.real_space is not None:
            parts.append("the crystal's cell and orientation")
        if len(parts) == 1:
            parts.append("no geometry that is known")
        return f"from {self.name} ({self.kind}): {', '.join(parts)}"


def ray_on_plane(vectors: Vectors) -> tuple[float, tuple[float, float]]:
    """Distance along the beam (mm), and where it meets the detector: fast and slow, mm.

    Raises :class:`InputError` for a detector that it does not meet.
    """
    origin, fast, slow, beam = (np.array(v) for v in (vectors.origin, vectors.fast, vectors.slow, vectors.beam))
    normal = np.cross(fast, slow)
    towards = float(beam @ normal)
    along = float(origin @ normal) / towards if abs(towards) > 1e-12 else -1.0
    if not along > 0:
        raise InputError("detector: found a plane that the beam does not meet, expected one in front of it")
    hit = along * beam - origin
    return along, (float(hit @ fast), float(hit @ slow))


def vec_of(array: ArrayLike) -> Vec:
    """Three numbers of an array as Python's own."""
    x, y, z = np.asarray(array, dtype=float).tolist()
    return (x, y, z)
