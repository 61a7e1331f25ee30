"""Geometry from HDF5 images: NeXus NXmx (vectors), and DECTRIS master files that have less."""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING, Any

import numpy as np

from nanobragg.errors import InputError
from nanobragg.io.geometry.types import FileGeometry, Vec, Vectors, ray_on_plane, vec_of
from nanobragg.io.geometry.units import ANGSTROMS, DEGREES, MILLIMETRES, some
from nanobragg.io.support.extras import need
from nanobragg.maths.rotations import rotation

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MM = some(MILLIMETRES, "m", "mm", "um", "µm", "micron", "nm")
_ANGSTROMS = some(ANGSTROMS, "angstrom", "a", "å", "nm", "m")
_MOST_STEPS = 32


def read_nexus_geometry(path: str | os.PathLike[str], pixels: NDArray[Any] | None = None) -> FileGeometry:
    """What the first entry tells. ``pixels`` go into the result.

    Raises :class:`InputError` when there is no detector, several modules, or values in units that are not known.
    """
    name = os.fspath(path)
    h5py = need("h5py", name)
    try:
        with h5py.File(name, "r") as file:
            return _geometry(name, file, pixels)
    except (OSError, KeyError, TypeError, ValueError, RuntimeError, AttributeError, IndexError) as error:
        if isinstance(error, InputError):
            raise
        reason = " ".join(str(error).split())[:120]
        raise InputError(f"{name}: found {reason}, expected an HDF5 image (NeXus NXmx)") from error


def _geometry(name: str, file: Any, pixels: NDArray[Any] | None) -> FileGeometry:
    entry = file.get("entry")
    if entry is None or "instrument/detector" not in entry:
        raise InputError(f"{name}: found no /entry/instrument/detector, expected an HDF5 image (NeXus NXmx)")
    detector = entry["instrument/detector"]
    modules = [item for item in detector.values() if _class(item) == "NXdetector_module"]
    if len(modules) > 1:
        raise InputError(f"{name}: found a detector of {len(modules)} modules, expected one")
    nslow, nfast = _size(name, entry, detector, modules)
    pixel_size = _number(detector.get("x_pixel_size"), _MM)
    phi, width, spindle = _rotation(file, entry)
    vectors = _vectors(file, modules[0], spindle) if modules else None
    if vectors is not None:
        distance, (f, s) = ray_on_plane(vectors)
        pixel_size = pixel_size or _number(modules[0]["fast_pixel_direction"], _MM)
        centre = None if pixel_size is None else (f / pixel_size, s / pixel_size)
    else:
        distance = _number(detector.get("distance", detector.get("detector_distance")), _MM)
        x, y = (_number(detector.get(f"beam_center_{axis}"), None) for axis in "xy")
        centre = None if x is None or y is None else (x, y)
    real_space = entry.get("sample/real_space_vectors") if vectors is not None else None
    return FileGeometry(
        name=name,
        kind="NeXus" if modules else "HDF5",
        nfast=nfast,
        nslow=nslow,
        pixel_size=pixel_size,
        distance=distance,
        centre=centre,
        wavelength=_number(entry.get("instrument/beam/incident_wavelength"), _ANGSTROMS),
        phi=phi,
        oscillation=width,
        polarization=_polarization(entry.get("instrument/beam/incident_polarization_stokes")),
        vectors=vectors,
        real_space=None if real_space is None else np.array(real_space[0], float),
        pixels=pixels,
    )


def _class(item: Any) -> str:
    found = item.attrs.get("NX_class", "")
    return found.decode() if isinstance(found, bytes) else str(found)


def _size(name: str, entry: Any, detector: Any, modules: list[Any]) -> tuple[int, int]:
    if modules and "data_size" in modules[0]:
        slow, fast = (int(n) for n in modules[0]["data_size"][()][-2:])
        return slow, fast
    data = entry.get("data")
    for key in () if data is None else data:
        if (key.startswith("data")) and getattr(data[key], "ndim", 0) >= 2:
            slow, fast = data[key].shape[-2:]
            return int(slow), int(fast)
    specific = detector.get("detectorSpecific")
    if specific is not None and "x_pixels_in_detector" in specific:
        return int(specific["y_pixels_in_detector"][()]), int(specific["x_pixels_in_detector"][()])
    raise InputError(f"{name}: found no image, expected data of two or three dimensions")


def _number(item: Any, units: dict[str, float] | None) -> float | None:
    """The first number of a dataset in the unit that ``units`` converts to."""
    if item is None:
        return None
    values = np.atleast_1d(np.asarray(item[()], float)).ravel()
    if not values.size or not np.isfinite(values[0]):
        return None
    return float(values[0]) * (1.0 if units is None else _unit_of(item, units))


def _polarization(stokes: Any) -> float | None:
    """The Kahn factor of the first image's Stokes vector."""
    if stokes is None:
        return None
    first = np.asarray(stokes[()], float).reshape(-1, 4)[0]
    return float(first[1] / first[0]) if first[0] > 0 else None


def _unit_of(item: Any, units: dict[str, float]) -> float:
    text = item.attrs.get("units", "")
    text = (text.decode() if isinstance(text, bytes) else str(text)).strip().lower()
    if not text:
        return next(iter(units.values()))
    if text not in units:
        raise InputError(f"{item.file.filename}: found {item.name} in {text!r}, expected {', '.join(units)}")
    return units[text]


def _rotation(file: Any, entry: Any) -> tuple[float | None, float | None, Vec | None]:
    """Angle, width and axis of the scan."""
    depends = entry.get("sample/depends_on")
    path = "" if depends is None else depends[()]
    path = path.decode() if isinstance(path, bytes) else str(path)
    item = file.get(path) if path not in ("", ".") else None
    if item is None:
        item = entry.get("sample/goniometer/omega")
    if item is None:
        return None, None, None
    angles = np.atleast_1d(np.asarray(item[()], float)) * _unit_of(item, DEGREES)
    end = item.parent.get(f"{item.name.rsplit('/', 1)[1]}_end")
    width = None
    if end is not None:
        width = float(np.atleast_1d(end[()])[0]) * _unit_of(item, DEGREES) - float(angles[0])
    elif len(angles) > 1:
        width = float(angles[1] - angles[0])
    if "vector" not in item.attrs:
        return float(angles[0]), width, None
    axis = _linear(file, item.attrs.get("depends_on", ".")) @ np.array(item.attrs["vector"], float)
    return float(angles[0]), width, vec_of(axis / np.linalg.norm(axis))


def _vectors(file: Any, module: Any, spindle: Vec | None) -> Vectors:
    axes = []
    for key in ("fast_pixel_direction", "slow_pixel_direction"):
        item = module[key]
        axis = _linear(file, item.attrs["depends_on"]) @ np.array(item.attrs["vector"], float)
        axes.append(vec_of(axis / np.linalg.norm(axis)))
    start = module["fast_pixel_direction"].attrs["depends_on"]
    origin = (_matrix(file, start) @ np.array([0.0, 0.0, 0.0, 1.0]))[:3]
    # NeXus' frame: the beam travels along z. NXmx has no polarization axis but x, the horizontal.
    return Vectors(
        origin=vec_of(origin),
        fast=axes[0],
        slow=axes[1],
        beam=(0.0, 0.0, 1.0),
        polarization=(-1.0, 0.0, 0.0),
        spindle=spindle,
    )


def _linear(file: Any, path: Any) -> np.ndarray:
    return _matrix(file, path)[:3, :3]


def _matrix(file: Any, path: Any) -> np.ndarray:
    """(4, 4), mm: all transformations from ``path`` on, the last of the chain outermost."""
    total = np.eye(4)
    for _ in range(_MOST_STEPS):
        path = path.decode() if isinstance(path, bytes) else str(path)
        if path in (".", ""):
            return total
        item = file[path]
        total = _step(item) @ total
        following = item.attrs.get("depends_on", ".")
        following = following.decode() if isinstance(following, bytes) else str(following)
        path = following if following.startswith(("/", ".")) else f"{item.parent.name}/{following}"
    raise ValueError(f"a chain of more than {_MOST_STEPS} transformations")


def _step(item: Any) -> np.ndarray:
    kind = item.attrs["transformation_type"]
    kind = kind.decode() if isinstance(kind, bytes) else str(kind)
    axis = np.array(item.attrs["vector"], float)
    axis = axis / np.linalg.norm(axis)
    value = float(np.atleast_1d(np.asarray(item[()], float)).ravel()[0])
    matrix = np.eye(4)
    if kind == "rotation":
        angle = math.radians(value * _unit_of(item, DEGREES))
        matrix[:3, :3] = rotation(axis, angle)
    else:
        matrix[:3, 3] = value * _unit_of(item, _MM) * axis
    if "offset" in item.attrs:
        units = item.attrs.get("offset_units", item.attrs.get("units", "m") if kind != "rotation" else "m")
        units = (units.decode() if isinstance(units, bytes) else str(units)).lower()
        matrix[:3, 3] += np.array(item.attrs["offset"], float) * _MM.get(units, 1000.0)
    return matrix
