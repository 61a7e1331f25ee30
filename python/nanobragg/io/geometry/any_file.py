"""Geometry that image and experiment files tell of: what ``-img`` and ``-mask`` take from anything but SMV
(``specs/formats.md``).
"""

from __future__ import annotations

import os
import re
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from nanobragg.errors import InputError
from nanobragg.io.geometry.detector_headers import dtrek_fields, header_fields, marccd_fields, square_pixel
from nanobragg.io.images.smv import read_smv_header
from nanobragg.io.support.atomic import read_bytes
from nanobragg.io.support.extras import need

if TYPE_CHECKING:
    from numpy.typing import NDArray

Vec = tuple[float, float, float]

_SMV = re.compile(rb"\{\s*HEADER_BYTES\s*=")
_DTREK = re.compile(rb"[;{\n]\s*DETECTOR_NAMES\s*=")
_PIXEL_SIZE = re.compile(rb"[;{\n]\s*PIXEL_SIZE\s*=")
_SMV_BEGINNING = 16384
"""of a header, in which the key that tells d*TREK from SMV is looked for"""
_MAR345 = (b"\x2d\x04", b"\xd2\x04", b"\x04\x2d", b"\x04\xd2")
_PCK = re.compile(rb"CCP4 packed image(?: V2)?, X: *(\d{1,5}), Y: *(\d{1,5})")
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
        if len(parts) == 1:
            parts.append("no geometry that is known")
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
    """Whether ``path`` is read as SMV: it is, or it is no regular file (a pipe is read only once).

    d*TREK's files begin as SMV's do, with other keys: they are not.
    """
    name = os.fspath(path)
    if os.path.exists(name) and not os.path.isfile(name):
        return True
    beginning = read_bytes(name, _SMV_BEGINNING)
    return _SMV.match(beginning) is not None and not _is_dtrek(beginning)


def _is_dtrek(beginning: bytes) -> bool:
    header = beginning.partition(b"}")[0]
    return _SMV.match(header) is not None and bool(_DTREK.search(header)) and not _PIXEL_SIZE.search(header)


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
        from nanobragg.io.geometry.dials import read_experiment_list

        if mask:
            raise InputError(f"-mask: found {name}, which is no image, expected one")
        return read_experiment_list(name)
    if beginning.startswith(_HDF5):
        from nanobragg.io.geometry.nexus import read_nexus_geometry

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
    from nanobragg.io.factors.kinds import read_unpacked

    if ".cbf" not in os.path.basename(name).lower() and read_bytes(name, 3) != b"###":
        return
    content = read_unpacked(name)
    section = content.find(b"--CIF-BINARY-FORMAT-SECTION--", 0, _LARGEST_CBF_HEADER)
    if section < 0 or content.find(b"\x0c\x1a\x04\xd5", section) < 0:
        raise InputError(f"{name}: found no binary section, expected a CBF image")


def _is_mar345(name: str) -> bool:
    """Whether fabio takes the file for a mar345, by two bytes or by its name."""
    return read_bytes(name, 2) in _MAR345 or re.search(r"\.mar\d{4}", os.path.basename(name).lower()) is not None


def _check_mar345(name: str) -> None:
    """Refuse a mar345 whose packed pixels are not those of its header: fabio would write beyond its memory."""
    from nanobragg.io.factors.kinds import read_unpacked

    content = read_unpacked(name)
    order = "<" if content.startswith(b"\xd2") else ">"
    magic, width, high, _, _, count = struct.unpack_from(f"{order}6i", content.ljust(24, b"\0"))
    if magic != 1234:
        raise InputError(f"{name}: found no header of a mar345 image, expected one")
    packed = _PCK.search(content, 4096)
    records = 4096 + 64 * -(-high // 8)
    if packed is None or not 0 <= high <= count or packed.start() not in range(records, records + 2):
        raise InputError(f"{name}: found no packed pixels behind {high} high ones, expected a mar345 image")
    if width <= 0 or (int(packed[1]), int(packed[1]) * int(packed[2])) != (width, count):
        raise InputError(f"{name}: found {count} pixels in the header, expected {int(packed[1])} x {int(packed[2])}")


def _fabio_image(name: str, *, pixels: bool = True) -> Any:
    """The image; of a mar345 the header only where its ``pixels`` are not wanted: fabio crashes on damaged ones."""
    fabio = need("fabio", name)
    _check_cbf(name)
    mar345 = _is_mar345(name)
    if mar345 and pixels:
        _check_mar345(name)
    try:
        image = fabio.openheader(name) if mar345 and not pixels else fabio.open(name)
        if len(image.shape) != 2 or (image.data is None and pixels):
            raise ValueError("no image of two dimensions")
    except Exception as error:  # fabio raises whatever its many readers do
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise InputError(
            f"{name}: found no image ({reason}), expected SMV, CBF, HDF5, TIFF or another format that fabio reads"
        ) from error
    return image


def _from_fabio(name: str, *, mask: bool) -> FileGeometry:
    image = _fabio_image(name, pixels=mask)
    kind = type(image).__name__.removesuffix("Image")
    nslow, nfast = image.shape
    beginning = read_bytes(name, _SMV_BEGINNING)
    marccd = marccd_fields(name, beginning, (int(nslow), int(nfast)))
    if marccd is not None:
        kind, fields = "MarCCD", marccd
    elif kind == "Cbf":
        fields = _pilatus_header(name, str(image.header.get("_array_data.header_contents", "")))
    elif kind == "Pilatus":
        fields = _pilatus_header(name, "\n".join(f"# {key} {value}" for key, value in image.header.items()))
    elif _is_dtrek(beginning):
        kind, fields = "d*TREK", dtrek_fields(name, read_smv_header(name))
    else:
        fields = header_fields(name, kind, image.header)
    return FileGeometry(
        name=name,
        kind=kind,
        nfast=int(nfast),
        nslow=int(nslow),
        pixels=np.asarray(image.data) if mask else None,
        **fields,
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
        values["pixel_size"] = square_pixel(name, pixel[0], pixel[1])
    if centre is not None:
        values["centre"] = (centre[0], centre[1])
    return {**values, "warnings": doubts}
