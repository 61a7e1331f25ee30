"""Geometry from HDF5 images: NeXus NXmx (vectors), and DECTRIS master files that have less (``specs/formats.md``).

Groups are found by their NX_class, not by their names; what cannot be used is remembered under the field that it
concerns (:class:`~nanobragg.io.geometry.hdf5.Said`), so that an option can take its place.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from nanobragg.errors import InputError
from nanobragg.io.geometry.hdf5 import (
    NoDetector,
    Said,
    Unusable,
    attribute,
    child,
    direction_of,
    is_group,
    is_nan,
    members,
    moves_of,
    moving,
    numbers,
    of_class,
    offset_of,
    quantities,
    stored,
    text,
    whole_numbers,
)
from nanobragg.io.geometry.nexus_beam import beam_of
from nanobragg.io.geometry.nexus_mask import bad_pixels, with_bad_pixels
from nanobragg.io.geometry.nexus_scan import scan_of
from nanobragg.io.geometry.nexus_sensor import told_of_sensor
from nanobragg.io.geometry.types import (
    FileGeometry,
    FilePanel,
    Vec,
    across,
    fields_of_panels,
    ray_on_plane,
    vec_of,
)
from nanobragg.io.geometry.units import MILLIMETRES
from nanobragg.io.support.extras import need

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_BEAM: Vec = (0.0, 0.0, 1.0)
_HORIZONTAL: Vec = (-1.0, 0.0, 0.0)
"""Polarization and spindle where a file names none: NXmx has no axis for the one, and this is the usual other."""


def read_nexus_geometry(path: str | os.PathLike[str], *, stack: bool = False) -> FileGeometry:
    """What an entry with a detector tells; ``stack``: with the pixels of the first image, if modules lie in a stack.

    Raises :class:`NoDetector` when there is none, and :class:`InputError` for a damaged file.
    """
    name = os.fspath(path)
    h5py = need("h5py", name)
    try:
        with h5py.File(name, "r") as file:
            return _geometry(name, file, stack)
    except Unusable as error:
        raise InputError(f"{name}: {error}") from error
    except InputError:
        raise
    except (OSError, KeyError, TypeError, ValueError, RuntimeError, AttributeError, IndexError, OverflowError) as error:
        raise InputError(f"{name}: found a damaged file, expected an HDF5 image (NeXus NXmx)") from error


def _geometry(name: str, file: Any, stack: bool) -> FileGeometry:
    said = Said(name)
    entry, detector = _detector(file, said)
    modules = sorted(of_class(detector, "NXdetector_module", "module"), key=lambda item: item.name)
    modules = modules if any("fast_pixel_direction" in module for module in modules) else []
    data = _data(entry, detector)
    scan = scan_of(entry, said)
    beam = beam_of(entry, _images(data, len(modules)), said)
    fields: dict[str, Any] = {}
    panels = said.attempt("position", lambda: _panels(said, detector, modules, data)) if modules else None
    if panels:
        spindle = {"spindle": scan.spindle or across(_BEAM, _HORIZONTAL), "spindle_said": scan.spindle is not None}
        fields = fields_of_panels(name, panels, {"beam": _BEAM, "polarization": _HORIZONTAL, **spindle})
    else:
        fields = _scalars(said, detector, modules, data)
    framed = "vectors" in fields
    real_space = child(entry, "sample/real_space_vectors") if framed else None
    return FileGeometry(
        **fields
        | {
            "name": name,
            "kind": "NeXus" if modules else "HDF5",
            "wavelength": beam.wavelength,
            "spectrum": beam.spectrum,
            "phi": scan.phi,
            "oscillation": scan.oscillation,
            "polarization": beam.polarization,
            "real_space": None if real_space is None else said.attempt("crystal", lambda: _first_cell(real_space)),
            "turn": scan.turn if framed else None,
            "bad_pixels": bad_pixels(said, detector) if len(modules) <= 1 else None,
            "pixels": _stack(fields.get("panels", ()), data) if stack else None,
            "bad": said.bad | fields.get("bad", {}),
            "comments": tuple(said.comments),
            "unused": (*fields.get("unused", ()), *said.unused),
            "warnings": (*said.warnings, *fields.get("warnings", ())),
        }
    )


# ---- what there is ----------------------------------------------------------------------------------------


def _detector(file: Any, said: Said) -> tuple[Any, Any]:
    """The entry and the detector: of several, the default entry, and the detector with most modules."""
    entries = of_class(file, "NXentry", "entry")
    default = attribute(file, "default").strip("/")
    entries.sort(key=lambda entry: entry.name.strip("/") != default)
    found = [(entry, detector) for entry in entries for detector in _detectors(entry)]
    if not found:
        raise NoDetector(f"{said.name}: found no detector (NXdetector in an NXentry), expected an image (NeXus NXmx)")
    entry, detector = max(found, key=lambda pair: (-entries.index(pair[0]), _worth(pair[1])))
    if len(found) > 1:
        others = ", ".join(other.name for _, other in found if other.name != detector.name)
        said.comments.append(f"detector {detector.name} (not {others})")
    return entry, detector


def _detectors(entry: Any) -> list[Any]:
    instruments = of_class(entry, "NXinstrument", "instrument")
    return [detector for group in (*instruments, entry) for detector in of_class(group, "NXdetector", "detector")]


def _worth(detector: Any) -> int:
    """How much a detector tells: cameras that look on have neither modules nor a size of pixels."""
    modules = len(of_class(detector, "NXdetector_module", "module"))
    return 10 * modules + sum(key in detector for key in ("x_pixel_size", "beam_center_x", "distance", "data"))


def _data(entry: Any, detector: Any) -> Any:
    """A dataset of images; ``None`` where there is none or its file is not at hand."""
    for group in of_class(entry, "NXdata", "data"):
        signal = attribute(group, "signal")
        names = sorted(name for name, _ in members(group) if name.startswith("data"))
        for name in dict.fromkeys([signal, *names] if signal else names):
            item = child(group, name)
            if getattr(item, "ndim", 0) >= 2:
                return item
    item = child(detector, "data")
    return item if getattr(item, "ndim", 0) >= 2 else None


def _is_part(module: Any, size: list[int], shape: tuple[int, int]) -> bool:
    """Whether a module is a part of larger data: it begins elsewhere than these, and ends in them."""
    origin = child(module, "data_origin")
    begin = [0, 0] if origin is None else numbers(origin)[-2:].astype(int).tolist()
    fits = all(at >= 0 and at + n <= most for at, n, most in zip(begin, size, shape, strict=False))
    return any(begin) and len(begin) == len(size) == 2 and min(size) > 0 and fits


def _shape_there(detector: Any, data: Any) -> tuple[int, int] | None:
    """(slow, fast) of the data, of the mask, or as the detector counts its pixels."""
    for item in (data, child(detector, "pixel_mask"), child(detector, "detectorSpecific/pixel_mask")):
        if getattr(item, "ndim", 0) >= 2:
            return int(item.shape[-2]), int(item.shape[-1])
    for group in (child(detector, "detectorSpecific"), detector):
        counts = [child(group, f"{axis}_pixels_in_detector") for axis in "yx"]
        if all(item is not None for item in counts):
            slow, fast = (int(numbers(item)[0]) for item in counts)
            return slow, fast
    return None


def _images(data: Any, modules: int) -> int | None:
    """Images of the series, where the data tell."""
    if data is None:
        return None
    return 1 if data.ndim == 2 or (data.ndim == 3 and modules > 1 and data.shape[0] == modules) else int(data.shape[0])


def _shape(said: Said, module: Any, data: Any, alone: bool) -> tuple[int, int]:
    """(slow, fast) of a module. The shape of the data is what is there; data_size is what somebody wrote."""
    size = child(module, "data_size")
    shape = _shape_there(module.parent, data) if alone else None
    if shape is None:
        if size is None:
            raise Unusable(f"found no data_size in {module.name}, expected the numbers of its pixels")
        slow, fast = whole_numbers(size, 1)[-2:]
        return slow, fast
    written = None if size is None else numbers(size)[-2:].astype(int).tolist()
    if written is not None and _is_part(module, written, shape):
        return written[0], written[1]
    if written is not None and tuple(written) != shape:
        said.comments.append(f"data_size says {written[1]} x {written[0]}, the data decide")
    return shape


# ---- panels -----------------------------------------------------------------------------------------------


def _panels(said: Said, detector: Any, modules: list[Any], data: Any) -> list[FilePanel]:
    alone = len(modules) == 1
    common = _common(said, detector)
    known: dict[str, NDArray[np.float64] | None] = {}
    found = [_panel(module, _shape(said, module, data, alone), common, known) for module in modules]
    said.warnings += moving(said.name, detector.file, known)
    return [_mended(said, detector, found[0])] if alone else with_bad_pixels(said, detector, found)


def _common(said: Said, detector: Any) -> dict[str, Any]:
    """What all panels of a detector share."""
    largest = child(detector, "saturation_value")
    least = child(detector, "underload_value")
    limits = None
    if largest is not None:
        low = None if least is None else said.attempt("limits", lambda: float(numbers(least)[0]))
        high = said.attempt("limits", lambda: float(numbers(largest)[0]))
        limits = None if high is None else (0.0 if low is None else low, high)
    said.bad.pop("limits", None)  # nothing is made of them
    thickness, material = told_of_sensor(said, detector)
    return {"thickness": thickness, "material": material, "trusted_range": limits}


def _panel(
    module: Any, shape: tuple[int, int], common: dict[str, Any], known: dict[str, NDArray[np.float64] | None]
) -> FilePanel:
    axes, sizes, matrices = {}, [], []
    for key in ("fast", "slow"):
        item = child(module, f"{key}_pixel_direction")
        if item is None or is_group(item):
            raise Unusable(f"found no {key}_pixel_direction in {module.name}, expected an axis")
        matrix = moves_of(item, _depends_on(item, module), known)
        matrices.append(matrix)
        axes[key] = vec_of(matrix[:3, :3] @ direction_of(item))
        sizes.append(_edge(item, module, "x" if key == "fast" else "y"))
    first = matrices[0]
    place, name, gain = (child(module, key) for key in ("data_origin", "module_name", "gain"))
    return FilePanel(
        name=module.name.rsplit("/", 1)[1] if name is None or is_group(name) else text(stored(name)),
        shape=shape,
        pixel_size=(sizes[0], sizes[1]),
        origin=vec_of(first[:3, :3] @ offset_of(module["fast_pixel_direction"]) + first[:3, 3]),
        fast=axes["fast"],
        slow=axes["slow"],
        place=(0, 0) if place is None else whole_numbers(place, 0),
        gain=None if gain is None else float(numbers(gain)[0]),
        **common,
    )


def _depends_on(item: Any, module: Any) -> str:
    """What a pixel direction depends on; where it does not say, what its module or detector does."""
    path = attribute(item, "depends_on")
    for group in (module, module.parent):
        said = child(group, "depends_on")
        if not path and said is not None and not is_group(said):
            path = text(stored(said))
            if not path.startswith(("/", ".")):
                path = f"{group.name}/{path}"
    return path or "."


def _edge(item: Any, module: Any, axis: str) -> float:
    """mm: the value of a pixel direction, or, where that is 0, what the detector says."""
    value = abs(float(quantities(item, MILLIMETRES, "m")[0]))
    other = child(module.parent, f"{axis}_pixel_size")
    if value == 0.0 and other is not None:
        value = float(quantities(other, MILLIMETRES, "m")[0])
    if not 1e-5 < value < 1e3:
        raise Unusable(f"found pixels of {value:g} mm in {item.name}, expected 0.00001 to 1000")
    return value


def _mended(said: Said, detector: Any, panel: FilePanel) -> FilePanel:
    """A panel where scalars tell what its axes leave out, as common writers do: 0 is what they do not know."""
    x, y, z = panel.origin
    distance = said.length("distance", _distance(detector), MILLIMETRES, "m")
    centre = _centre(said, detector)
    for field in ("distance", "centre"):  # the axes say it
        said.bad.pop(field, None)
    if abs(z) < 1e-9 and distance is not None:
        z = abs(distance)
        said.comments.append("its axes are at 0 mm, the distance of the detector is taken")
    if z < 0.0 and distance is not None and abs(abs(distance) + z) < 0.05 * abs(z):
        z = -z
        said.comments.append("its distance has the sign of older files")
    if max(abs(x), abs(y)) < 1e-9 and centre is not None:
        corner = -centre[0] * panel.pixel_size[0] * np.array(panel.fast)
        corner -= centre[1] * panel.pixel_size[1] * np.array(panel.slow)
        x, y, z = (np.array([x, y, z]) + corner).tolist()
        said.comments.append("its axes begin in the beam, the detector's beam centre is taken")
    _compare(said, panel, (x, y, z), distance, centre)
    size = _scalar_pixel(said, detector)
    said.bad.pop("pixel_size", None)
    if size is not None and abs(size - panel.pixel_size[0]) > 1e-4 * panel.pixel_size[0]:
        said.warnings.append(
            f"{said.name}: its x_pixel_size says {size:g} mm, and its module {panel.pixel_size[0]:g} mm, which is used"
        )
    return replace(panel, origin=(x, y, z))


def _compare(
    said: Said, panel: FilePanel, origin: Vec, distance: float | None, centre: tuple[float, float] | None
) -> None:
    """Say where the detector's distance and beam centre are others than its axes'."""
    along, (f, s) = ray_on_plane(said.name, replace(panel, origin=origin), _BEAM)
    found = (f / panel.pixel_size[0], s / panel.pixel_size[1])
    if distance is not None and abs(abs(distance) - abs(along)) > 0.01 * abs(along):
        said.comments.append(f"the distance of its axes, not the {abs(distance):g} mm that it says")
    if centre is not None and max(abs(a - b) for a, b in zip(found, centre, strict=True)) > 1.0:
        said.comments.append(f"the beam centre of its axes, not the {centre[0]:g} {centre[1]:g} that it says")


# ---- scalars ----------------------------------------------------------------------------------------------


def _distance(detector: Any) -> Any:
    for key in ("detector_distance", "distance"):
        if (item := child(detector, key)) is not None:
            return item
    return None


def _centre(said: Said, detector: Any) -> tuple[float, float] | None:
    """Where the beam meets the detector, in pixels; nothing for 0, 0 and -1, -1."""
    values = []
    for axis in "xy":
        item = child(detector, f"beam_center_{axis}")
        if item is None or said.attempt("centre", lambda item=item: is_nan(item)):
            return None
        found = said.attempt("centre", lambda item=item: float(numbers(item)[0]))
        unit = attribute(item, "units").lower()
        if found is not None and unit in MILLIMETRES:
            edge = said.length("centre", child(detector, f"{axis}_pixel_size"), MILLIMETRES, "m")
            found = None if edge is None else found * MILLIMETRES[unit] / edge
        values.append(found)
    x, y = values
    return None if x is None or y is None or (x, y) in ((0.0, 0.0), (-1.0, -1.0)) else (x, y)


def _scalar_pixel(said: Said, detector: Any) -> float | None:
    return said.length("pixel_size", child(detector, "x_pixel_size"), MILLIMETRES, "m")


def _scalars(said: Said, detector: Any, modules: list[Any], data: Any) -> dict[str, Any]:
    """What a detector without vectors has: numbers of pixels, their size, distance and beam centre."""
    shape = said.attempt("shape", lambda: _scalar_shape(said, detector, modules, data))
    size, other = (
        _scalar_pixel(said, detector),
        said.length("pixel_size", child(detector, "y_pixel_size"), MILLIMETRES, "m"),
    )
    if size is not None and other is not None and abs(size - other) > 1e-6 * size:
        said.bad["pixel_size"] = f"{said.name}: found pixels of {size:g} x {other:g} mm, expected square ones"
        size = None
    distance = said.length("distance", _distance(detector), MILLIMETRES, "m")
    if distance is not None and distance < 0.0:
        said.comments.append("its distance has the sign of older files")
    thickness, material = told_of_sensor(said, detector)
    if thickness:
        said.unused.append(f"sensor {1e3 * thickness:g} um thick (-detector_thick)")
    return {
        "nslow": None if shape is None else shape[0],
        "nfast": None if shape is None else shape[1],
        "pixel_size": size,
        "distance": None if distance is None else abs(distance),
        "centre": _centre(said, detector),
        "material": material,
    }


def _scalar_shape(said: Said, detector: Any, modules: list[Any], data: Any) -> tuple[int, int]:
    there = _shape_there(detector, data)
    if there is not None:
        return there
    if len(modules) == 1:
        return _shape(said, modules[0], None, alone=True)
    raise Unusable("found no image, expected data of two or three dimensions")


def _stack(panels: Sequence[FilePanel], data: Any) -> NDArray[Any] | None:
    """(module, slow, fast) of the first image, where modules lie in a stack."""
    if not panels or len(panels[0].place) < 3 or data is None or data.ndim < 3:
        return None
    return np.asarray(data[(0,) * (data.ndim - 3)])


def _first_cell(item: Any) -> NDArray[np.float64]:
    cell = numbers(item)[:9]
    if cell.size != 9:
        raise Unusable(f"found {cell.size} numbers in {item.name}, expected three vectors")
    return cell.reshape(3, 3)
