"""HDF5 files after NeXus' application definition NXmx: images with geometry, beam and goniometer
(``specs/formats.md``).

Vectors are in NeXus' frame (McStas): z along the beam, x horizontal, y up; horizontal is the polarization axis.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nanobragg.errors import InputError
from nanobragg.io.images import for_dials
from nanobragg.io.images.masked import with_masked
from nanobragg.io.support.extras import need
from nanobragg.io.support.hdf5_file import new_hdf5
from nanobragg.maths.constants import DEGREES
from nanobragg.maths.projection import direct_beam
from nanobragg.records.counts import CountScale
from nanobragg.records.panel import THINNEST, only_panel

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from nanobragg.records.panel import ScenePanel
    from nanobragg.records.resolved import Geometry, Resolved

_TRANSFORMATIONS = "/entry/instrument/detector/transformations"


def write(
    path: str | os.PathLike[str], pixels: NDArray[Any], resolved: Resolved, *, scale: CountScale | None = None
) -> None:
    """Write one image (slow, fast). Raises :class:`InputError` when the file cannot be written."""
    write_series([pixels], [resolved], path, scale=scale)


def write_series(
    pixels: Sequence[NDArray[Any]],
    resolved: Sequence[Resolved],
    path: str | os.PathLike[str],
    *,
    scale: CountScale | None = None,
) -> None:
    """Write one image or a series (a rotation scan, or shots) into one file, compressed by bitshuffle and LZ4.

    Args:
        pixels: (slow, fast), of one detector and one type.
        resolved: what they were made from, one for one; phi, crystal and wavelength may differ from image to image.
        path: ``.h5`` or ``.nxs``.
        scale: what the whole numbers of all images mean.

    Raises:
        InputError: without images, for images of different detectors or pixel types, and when the file cannot be
            written.

    """
    name = os.fspath(path)
    if not pixels:
        raise InputError(f"{name}: found no image, expected one or more")
    for number, (data, source) in enumerate(zip(pixels, resolved, strict=True)):
        if data.shape != pixels[0].shape or data.dtype != pixels[0].dtype or not _same_detector(source, resolved[0]):
            raise InputError(
                f"{name}: found another detector or pixel type in image {number}, expected those of image 0"
            )
    h5py, plugin = need("h5py", name), need("hdf5plugin", name)
    with new_hdf5(path) as file:
        _write(h5py, plugin, file, pixels, resolved, scale or CountScale())


def advice(name: str, resolved: Resolved) -> str | None:
    """What DIALS is to be told besides the file, as a line; ``None`` if nothing. It does not read polarization."""
    return for_dials.line(name, for_dials.polarization(resolved))


def _same_detector(one: Resolved, other: Resolved) -> bool:
    a, b = one.geometry, other.geometry
    p, q = (only_panel(resolved.scene.panels, "NXmx") for resolved in (one, other))
    if (a.beam, a.spindle) != (b.beam, b.spindle):
        return False
    fields = ("shape", "pixel_size", "origin", "fast", "slow", "sensor_thickness")
    return all(np.array_equal(getattr(p, field), getattr(q, field)) for field in fields)


def laboratory_to_nexus(geometry: Geometry) -> NDArray[np.float64]:
    """(3, 3) rotation from our laboratory frame: rows are NeXus' x, y and z."""
    z = np.array(geometry.beam, dtype=float)
    x = -np.array(geometry.polar, dtype=float)
    x = x - (x @ z) * z
    if np.linalg.norm(x) < 1e-9:
        x = np.cross([0.0, 1.0, 0.0] if abs(z[1]) < 0.9 else [1.0, 0.0, 0.0], z)
    x /= np.linalg.norm(x)
    return np.array([x, np.cross(z, x), z])


def _write(
    h5py: Any,
    plugin: Any,
    file: Any,
    pixels: Sequence[NDArray[Any]],
    resolved: Sequence[Resolved],
    scale: CountScale,
) -> None:
    from nanobragg import _core

    first = resolved[0]
    turn = laboratory_to_nexus(first.geometry)
    file.attrs["default"] = "entry"
    file.attrs["creator"] = f"nanobragg {_core.__version__}"
    entry = _group(file, "entry", "NXentry", default="data")
    _value(entry, "definition", "NXmx", version="1.0")
    _value(entry, "title", "simulated diffraction images")
    _value(entry, "start_time", "1970-01-01T00:00:00Z")
    _value(entry, "end_time_estimated", "1970-01-01T00:00:00Z")
    source = _group(entry, "source", "NXsource")
    _value(source, "name", "nanobragg", short_name="simulation")
    instrument = _group(entry, "instrument", "NXinstrument")
    _value(instrument, "name", "nanobragg", short_name="simulation")
    _beam(instrument, resolved)
    _detector(instrument, pixels, first, turn, scale)
    _sample(entry, resolved, turn)
    _data(h5py, plugin, entry, pixels, resolved)


def _data(h5py: Any, plugin: Any, entry: Any, pixels: Sequence[NDArray[Any]], resolved: Sequence[Resolved]) -> None:
    data = _group(entry, "data", "NXdata", signal="data")
    shape = pixels[0].shape
    stack = data.create_dataset(
        "data",
        shape=(len(pixels), *shape),
        dtype=pixels[0].dtype,
        chunks=(1, *shape),
        **plugin.Bitshuffle(cname="lz4"),
    )
    for number, (image, source) in enumerate(zip(pixels, resolved, strict=True)):
        stack[number] = with_masked(image, source)
    entry["instrument/detector/data"] = h5py.SoftLink("/entry/data/data")


def _beam(instrument: Any, resolved: Sequence[Resolved]) -> None:
    beam = _group(instrument, "beam", "NXbeam")
    waves = [source.radiation.wavelength * 1e10 for source in resolved]
    _value(beam, "incident_wavelength", waves[0] if len(set(waves)) == 1 else waves, units="angstrom")
    first = resolved[0].experiment.beam
    size = 1e-3 * (0.1 if first.size is None else first.size)
    _value(beam, "incident_beam_size", [size, size], units="m")
    if first.flux:
        _value(beam, "total_flux", first.flux, units="Hz")
    kahn = resolved[0].radiation.kahn_factor
    _value(beam, "incident_polarization_stokes", [1.0, kahn, 0.0, 0.0])


def _detector(
    instrument: Any, pixels: Sequence[NDArray[Any]], first: Resolved, turn: NDArray[np.float64], scale: CountScale
) -> None:
    panel = only_panel(first.scene.panels, "NXmx")
    detector = _group(instrument, "detector", "NXdetector")
    _value(detector, "depends_on", f"{_TRANSFORMATIONS}/distance")
    _value(detector, "description", "nanobragg simulation")
    _value(detector, "type", "simulation")
    _value(detector, "sensor_material", panel.sensor_material)
    _value(detector, "sensor_thickness", max(panel.sensor_thickness, THINNEST), units="m")
    fast, slow, distance = direct_beam(panel, first.geometry)
    if distance > 0.0:  # upstream, they would be taken for those of a detector in front
        _value(detector, "distance", distance, units="m")
        _value(detector, "beam_center_x", fast, units="pixel")
        _value(detector, "beam_center_y", slow, units="pixel")
    _value(detector, "x_pixel_size", panel.pixel_size[0], units="m")
    _value(detector, "y_pixel_size", panel.pixel_size[1], units="m")
    exposure = first.experiment.beam.exposure
    for time in ("count_time", "frame_time"):
        _value(detector, time, 1.0 if exposure is None else exposure, units="s")
    _value(detector, "underload_value", int(scale.lowest))
    if pixels[0].dtype.kind in "iu":
        _value(detector, "saturation_value", scale.saturation(pixels[0].dtype, panel.saturation))
        _value(detector, "bit_depth_readout", 8 * pixels[0].dtype.itemsize)
    unused = np.zeros(panel.shape, np.uint32) if panel.mask is None else (panel.mask == 0).astype(np.uint32)
    detector.create_dataset("pixel_mask", data=unused, compression="gzip", shuffle=True)
    _value(detector, "pixel_mask_applied", True)
    chain = _group(detector, "transformations", "NXtransformations")
    _move(chain, "distance", distance, (0.0, 0.0, 1.0), ".")
    _module(detector, panel, distance, turn)


def _module(detector: Any, panel: ScenePanel, distance: float, turn: NDArray[np.float64]) -> None:
    module = _group(detector, "module", "NXdetector_module")
    _value(module, "data_origin", np.array(panel.place, np.int64))
    _value(module, "data_size", np.array(panel.shape, np.int64))
    corner = turn @ panel.origin - [0.0, 0.0, distance]
    length = float(np.linalg.norm(corner))
    direction = corner / length if length > 0 else np.array([1.0, 0.0, 0.0])
    _move(module, "module_offset", length, direction, f"{_TRANSFORMATIONS}/distance")
    offset = "/entry/instrument/detector/module/module_offset"
    for axis, vector, size in (("fast", panel.fast, panel.pixel_size[0]), ("slow", panel.slow, panel.pixel_size[1])):
        _move(module, f"{axis}_pixel_direction", size, turn @ vector, offset)


def _sample(entry: Any, resolved: Sequence[Resolved], turn: NDArray[np.float64]) -> None:
    sample = _group(entry, "sample", "NXsample")
    _value(sample, "name", "simulated crystal")
    _value(sample, "depends_on", "/entry/sample/transformations/omega")
    _value(sample, "unit_cell", np.array([source.sample.cell for source in resolved]), units="angstrom, degree")
    # Rows a, b, c at omega = 0 in NeXus' frame, Å: what indexing should find.
    vectors = [np.array([s.sample.a0, s.sample.b0, s.sample.c0]) * 1e10 @ turn.T for s in resolved]
    _value(sample, "real_space_vectors", np.array(vectors), units="angstrom")
    chain = _group(sample, "transformations", "NXtransformations")
    start = np.array([source.radiation.phi for source in resolved]) * DEGREES
    width = np.array([source.radiation.oscillation for source in resolved]) * DEGREES
    axis = turn @ np.array(resolved[0].geometry.spindle)
    attributes = {"transformation_type": "rotation", "vector": axis, "depends_on": ".", "units": "deg"}
    _value(chain, "omega", start, **attributes)
    _value(chain, "omega_end", start + width, units="deg")
    _value(chain, "omega_increment_set", width, units="deg")


def _group(parent: Any, name: str, kind: str, **attributes: Any) -> Any:
    group = parent.create_group(name)
    group.attrs["NX_class"] = kind
    for key, value in attributes.items():
        group.attrs[key] = value
    return group


def _value(group: Any, name: str, value: Any, **attributes: Any) -> None:
    dataset = group.create_dataset(name, data=value)
    for key, attribute in attributes.items():
        dataset.attrs[key] = attribute


def _move(group: Any, name: str, length: float, vector: Any, depends_on: str) -> None:
    _value(
        group,
        name,
        length,
        transformation_type="translation",
        vector=np.asarray(vector, dtype=float),
        offset=np.zeros(3),
        depends_on=depends_on,
        units="m",
    )
