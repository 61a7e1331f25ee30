"""Geometry that image and experiment files tell of: what ``-img`` and ``-mask`` take from anything but SMV
(``specs/formats.md``).
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from nanobragg.errors import InputError
from nanobragg.io.atomic import read_bytes
from nanobragg.io.extras import need

if TYPE_CHECKING:
    from numpy.typing import NDArray

Vec = tuple[float, float, float]

_SMV = re.compile(rb"\{\s*HEADER_BYTES\s*=")
_JSON = re.compile(rb"\s*\{\s*[\"}]")
_LARGEST_CBF_HEADER = 16 * 512
"""what fabio reads of it"""
_HDF5 = b"\x89HDF\r\n\x1a\n"
_NUMBER = r"([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)"
_LENGTHS = {"m": 1000.0, "mm": 1.0, "um": 1e-3, "": 1.0}


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
        return f"from {self.name} ({self.kind}): {', '.join(parts)}"


def has_crystal(path: str | os.PathLike[str]) -> bool:
    """Whether ``path`` is a file whose geometry comes with a crystal's cell and orientation."""
    name = os.fspath(path)
    if not os.path.isfile(name) or is_smv(name):
        return False
    beginning = read_bytes(name, 4096)
    if beginning.startswith(_HDF5) or _JSON.match(beginning):
        return read_file_geometry(name).real_space is not None
    return False


def is_smv(path: str | os.PathLike[str]) -> bool:
    """Whether ``path`` is read as SMV: it is, or it is no regular file (a pipe is read only once)."""
    name = os.fspath(path)
    if os.path.exists(name) and not os.path.isfile(name):
        return True
    return _SMV.match(read_bytes(name, 512)) is not None


def read_file_geometry(path: str | os.PathLike[str], *, mask: bool = False) -> FileGeometry:
    """What a DIALS experiment list, a NeXus file, or an image of any format that fabio knows, tells.

    Args:
        path: the file.
        mask: its pixels are wanted, too.

    Raises:
        InputError: when it is none of these, or says what cannot be used.

    """
    found = _read(os.fspath(path), mask)
    _check(found)
    return found


def _check(found: FileGeometry) -> None:
    """Numbers that no experiment has."""
    numbers = {
        "pixel size (mm)": found.pixel_size,
        "distance (mm)": found.distance,
        "wavelength (Å)": found.wavelength,
    }
    for what, value in numbers.items():
        if value is not None and not 0.0 < value < 1e6:
            raise InputError(f"{found.name}: found a {what} of {value:g}, expected a positive number")
    if not (0 < found.nfast < 1_000_000 and 0 < found.nslow < 1_000_000):
        raise InputError(f"{found.name}: found {found.nfast} x {found.nslow} pixels, expected an image")
    rest = [found.phi, found.oscillation, found.polarization, *(found.centre or ())]
    if not all(value is None or abs(value) < 1e9 for value in rest):
        raise InputError(f"{found.name}: found angles or a beam centre that are not finite, expected finite numbers")
    axes = found.real_space
    if axes is not None and not ((np.abs(axes) < 1e6).all() and abs(np.linalg.det(axes)) > 1e-6):
        raise InputError(f"{found.name}: found crystal axes {axes.tolist()}, expected three that span a cell (Å)")
    v = found.vectors
    for vector in () if v is None else (v.origin, v.fast, v.slow, v.beam, v.polarization, v.spindle):
        if vector is not None and not all(abs(x) < 1e9 for x in vector):
            raise InputError(f"{found.name}: found the vector {vector}, expected finite numbers")


def _read(name: str, mask: bool) -> FileGeometry:
    beginning = read_bytes(name, 4096)
    if _JSON.match(beginning):
        from nanobragg.io.dials import read_experiment_list

        if mask:
            raise InputError(f"-mask: found {name}, which is no image, expected one")
        return read_experiment_list(name)
    if beginning.startswith(_HDF5):
        from nanobragg.io.nexus_geometry import read_nexus_geometry

        pixels = _fabio_image(name).data if mask else None
        return read_nexus_geometry(name, pixels)
    return _from_fabio(name, mask=mask)


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


# ---- fabio ------------------------------------------------------------------------------------------------


def _check_cbf(name: str) -> None:
    """Refuse a CBF without pixels: fabio would look for their beginning for ever."""
    from nanobragg.io.kinds import read_unpacked

    if ".cbf" not in os.path.basename(name).lower() and read_bytes(name, 3) != b"###":
        return
    content = read_unpacked(name)
    section = content.find(b"--CIF-BINARY-FORMAT-SECTION--", 0, _LARGEST_CBF_HEADER)
    if section < 0 or content.find(b"\x0c\x1a\x04\xd5", section) < 0:
        raise InputError(f"{name}: found no binary section, expected a CBF image")


def _fabio_image(name: str) -> Any:
    fabio = need("fabio", name)
    _check_cbf(name)
    try:
        image = fabio.open(name)
        if image.data is None or image.data.ndim != 2:
            raise ValueError("no image of two dimensions")
    except Exception as error:  # fabio raises whatever its many readers do
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise InputError(
            f"{name}: found no image ({reason}), expected SMV, CBF, HDF5, TIFF or another format that fabio reads"
        ) from error
    return image


def _from_fabio(name: str, *, mask: bool) -> FileGeometry:
    image = _fabio_image(name)
    kind = type(image).__name__.removesuffix("Image")
    nslow, nfast = image.data.shape
    header = str(image.header.get("_array_data.header_contents", ""))
    return FileGeometry(
        name=name,
        kind=kind,
        nfast=int(nfast),
        nslow=int(nslow),
        pixels=np.asarray(image.data) if mask else None,
        **_pilatus_header(name, header),
    )


def _pilatus_header(name: str, header: str) -> dict[str, Any]:
    """Fields of :class:`FileGeometry` from the lines of a PILATUS header."""

    def quantity(key: str, units: dict[str, float], count: int = 1) -> list[float] | None:
        between = r"\s*(?:m|mm)?\s*[x,]?\s*"
        pattern = rf"#?\s*{key}[\s:=(]*{between.join([_NUMBER] * count)}\)?\s*([A-Za-z]*)"
        match = re.search(pattern, header)
        if match is None:
            return None
        unit = match[count + 1]
        if unit not in units:
            raise InputError(f"{name}: found {key} in {unit!r}, expected {', '.join(filter(None, units))}")
        return [float(number) * units[unit] for number in match.groups()[:count]]

    angles = {"deg": 1.0, "": 1.0}
    pixel = quantity("Pixel_size", _LENGTHS, 2)
    if pixel is not None and abs(pixel[0] - pixel[1]) > 1e-6 * pixel[0]:
        raise InputError(f"{name}: found pixels of {pixel[0]:g} x {pixel[1]:g} mm, expected square ones")
    centre = quantity("Beam_xy", {"pixels": 1.0, "": 1.0}, 2)
    swing = quantity("Detector_2theta", angles)
    doubts = ()
    if swing is not None and swing[0] != 0.0:
        doubts = (f"{name}: its Detector_2theta of {swing[0]:g} degrees is not used: say -twotheta",)
    single = {
        "distance": quantity("Detector_distance", _LENGTHS),
        "wavelength": quantity("Wavelength", {"A": 1.0, "": 1.0, "nm": 10.0}),
        "phi": quantity("Start_angle", angles),
        "oscillation": quantity("Angle_increment", angles),
    }
    values: dict[str, Any] = {key: found[0] for key, found in single.items() if found is not None}
    if pixel is not None:
        values["pixel_size"] = pixel[0]
    if centre is not None:
        values["centre"] = (centre[0], centre[1])
    return {**values, "warnings": doubts}
