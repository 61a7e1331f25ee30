"""HDF5 files after NeXus' application definition NXmx: images with geometry, beam and goniometer
(``specs/formats.md``).

Vectors are in NeXus' frame (McStas): z along the beam, x horizontal, y up; horizontal is the polarization axis.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from nanobragg.errors import InputError
from nanobragg.io.images import for_dials, slab
from nanobragg.io.images.masked import NO_PIXEL, with_masked
from nanobragg.io.images.sensor import doubt_of_sensors, told_sensor
from nanobragg.io.support.extras import need
from nanobragg.io.support.hdf5_file import Piece, new_hdf5, virtual_stack, write_chunked
from nanobragg.maths.constants import DEGREES
from nanobragg.maths.projection import direct_beam
from nanobragg.records.counts import CountScale

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from nanobragg.records.panel import ScenePanel
    from nanobragg.records.resolved import Geometry, Resolved

_TRANSFORMATIONS = "/entry/instrument/detector/transformations"


def write(
    path: str | os.PathLike[str], pixels: NDArray[Any], resolved: Resolved, *, scale: CountScale | None = None
) -> None:
    """Write one image, of the shape ``Scene.image_shape``. Raises :class:`InputError` when it cannot be written."""
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
        pixels: of the shape ``Scene.image_shape``, of one detector and one type.
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
    with new_series(path, resolved[0], len(pixels), pixels[0].dtype, scale) as series:
        for data, source in zip(pixels, resolved, strict=True):
            series.add(with_masked(data, source), frame_of(source))


def advice(name: str, resolved: Resolved) -> str | None:
    """What DIALS is to be told besides the file, as a line; ``None`` if nothing. It does not read polarization."""
    return for_dials.line(name, for_dials.polarization(resolved))


def doubt(resolved: Resolved) -> str | None:
    """What NXmx cannot tell, as a sentence; ``None`` if it tells all."""
    return doubt_of_sensors(resolved.scene.panels)


def _same_detector(one: Resolved, other: Resolved) -> bool:
    a, b = one.geometry, other.geometry
    ours, theirs = one.scene.panels, other.scene.panels
    if (a.beam, a.spindle) != (b.beam, b.spindle) or len(ours) != len(theirs):
        return False
    fields = ("shape", "pixel_size", "origin", "fast", "slow", "sensor_thickness", "place")
    return all(
        np.array_equal(getattr(p, field), getattr(q, field))
        for p, q in zip(ours, theirs, strict=True)
        for field in fields
    )


def laboratory_to_nexus(geometry: Geometry) -> NDArray[np.float64]:
    """(3, 3) rotation from our laboratory frame: rows are NeXus' x, y and z."""
    z = np.array(geometry.beam, dtype=float)
    x = -np.array(geometry.polar, dtype=float)
    x = x - (x @ z) * z
    if np.linalg.norm(x) < 1e-9:
        x = np.cross([0.0, 1.0, 0.0] if abs(z[1]) < 0.9 else [1.0, 0.0, 0.0], z)
    x /= np.linalg.norm(x)
    return np.array([x, np.cross(z, x), z])


class Frame(NamedTuple):
    """What a file tells of one of its images."""

    wavelength: float
    """Å"""
    phi: float
    """radians, where the oscillation begins"""
    oscillation: float
    """radians"""
    cell: tuple[float, ...] | None = None
    """Å, degrees; ``None``: nothing is told of crystals"""
    axes: NDArray[np.float64] | None = None
    """(3, 3) Å: rows a, b, c at phi = 0 in our laboratory frame"""


def frame_of(resolved: Resolved) -> Frame:
    """All of it."""
    radiation, sample = resolved.radiation, resolved.sample
    axes = np.array([sample.a0, sample.b0, sample.c0]) * 1e10
    return Frame(radiation.wavelength * 1e10, radiation.phi, radiation.oscillation, sample.cell, axes)


class Series:
    """A file in the making: images, one after the other."""

    def __init__(self, file: Any, nominal: Resolved, stack: Any) -> None:
        self._file, self._nominal, self._stack = file, nominal, stack
        self._frames: list[Frame] = []

    def add(self, pixels: NDArray[Any] | None, frame: Frame) -> None:
        """Write the next image, of the shape ``Scene.image_shape``; ``None``: its pixels are 0."""
        if pixels is not None:
            # In signed numbers a gap is what a masked pixel is.
            gap = NO_PIXEL if pixels.dtype.kind == "i" else 0
            self._stack[len(self._frames)] = slab.in_file(pixels, slab.flattened(self._nominal.scene.panels), gap)
        self._frames.append(frame)

    def close(self) -> None:
        """Write what the file tells of all images."""
        turn = laboratory_to_nexus(self._nominal.geometry)
        _beam(self._file["entry/instrument"], self._nominal, self._frames)
        _sample(self._file["entry"], self._nominal, self._frames, turn)
        if self._stack is not None:
            self._stack.flush()


@contextmanager
def new_series(
    path: str | os.PathLike[str],
    nominal: Resolved,
    count: int,
    dtype: np.dtype[Any],
    scale: CountScale | None = None,
) -> Iterator[Series]:
    """A file to be filled with images, compressed by bitshuffle and LZ4; it appears when the block ends.

    Args:
        path: ``.h5`` or ``.nxs``.
        nominal: the detector and beam that the file tells.
        count: images.
        dtype: of their pixels.
        scale: what whole numbers mean.

    Raises:
        InputError: for panels whose places in the file's array overlap, and when the file cannot be written.

    """
    name = os.fspath(path)
    plugin = need("hdf5plugin", name)
    shape = slab.array_shape(slab.flattened(nominal.scene.panels))
    with new_hdf5(path) as file:
        data = _skeleton(file, nominal, dtype, scale or CountScale())
        stack = data.create_dataset(
            "data", shape=(count, *shape), dtype=dtype, chunks=(1, *shape), **plugin.Bitshuffle(cname="lz4")
        )
        series = Series(file, nominal, stack)
        yield series
        series.close()


def write_master(
    path: str | os.PathLike[str],
    nominal: Resolved,
    dtype: np.dtype[Any],
    pieces: Sequence[Piece],
    frames: Sequence[Frame],
    scale: CountScale | None = None,
) -> None:
    """Write a file that shows the images of several files as one series (HDF5's virtual datasets).

    Args:
        path: beside the other files.
        nominal: as for :func:`new_series`.
        dtype: of the pixels.
        pieces: the files, in their order.
        frames: what is told of each image of all files.
        scale: what whole numbers mean.

    Raises:
        InputError: when the file cannot be written.

    """
    need("h5py", os.fspath(path))
    with new_hdf5(path) as file:
        data = _skeleton(file, nominal, dtype, scale or CountScale())
        virtual_stack(data, slab.array_shape(slab.flattened(nominal.scene.panels)), dtype, pieces)
        series = Series(file, nominal, None)
        for frame in frames:
            series.add(None, frame)
        series.close()


def read_frames(path: str | os.PathLike[str]) -> list[Frame]:
    """What a file that was written here tells of its images, but for crystals.

    Raises :class:`InputError` when it cannot be read.
    """
    name = os.fspath(path)
    h5py = need("h5py", name)
    try:
        with h5py.File(name, "r") as file:
            turns = file["entry/sample/transformations"]
            phi, width = (np.asarray(turns[key][()]) / DEGREES for key in ("omega", "omega_increment_set"))
            waves = np.broadcast_to(file["entry/instrument/beam/incident_wavelength"][()], phi.shape)
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{name}: found a damaged file, expected one of the series") from error
    return [Frame(*values) for values in zip(waves.tolist(), phi.tolist(), width.tolist(), strict=True)]


def _skeleton(file: Any, nominal: Resolved, dtype: np.dtype[Any], scale: CountScale) -> Any:
    """Write all but what differs from image to image; gives the group of the pixels."""
    import h5py

    from nanobragg import _core

    turn = laboratory_to_nexus(nominal.geometry)
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
    _detector(instrument, dtype, nominal, turn, scale)
    data = _group(entry, "data", "NXdata", signal="data")
    entry["instrument/detector/data"] = h5py.SoftLink("/entry/data/data")
    return data


def _beam(instrument: Any, nominal: Resolved, frames: Sequence[Frame]) -> None:
    beam = _group(instrument, "beam", "NXbeam")
    waves = [frame.wavelength for frame in frames]
    _value(beam, "incident_wavelength", waves[0] if len(set(waves)) == 1 else waves, units="angstrom")
    said = nominal.experiment.beam
    size = 1e-3 * (0.1 if said.size is None else said.size)
    _value(beam, "incident_beam_size", [size, size], units="m")
    if said.flux:
        _value(beam, "total_flux", said.flux, units="Hz")
    kahn = nominal.radiation.kahn_factor
    _value(beam, "incident_polarization_stokes", [1.0, kahn, 0.0, 0.0])


def _detector(
    instrument: Any, dtype: np.dtype[Any], nominal: Resolved, turn: NDArray[np.float64], scale: CountScale
) -> None:
    panels = slab.flattened(nominal.scene.panels)
    panel = panels[0]
    detector = _group(instrument, "detector", "NXdetector")
    _value(detector, "depends_on", f"{_TRANSFORMATIONS}/distance")
    _value(detector, "description", "nanobragg simulation")
    _value(detector, "type", "simulation")
    material, thickness, remark = told_sensor(panel)
    _value(detector, "sensor_material", material)
    _value(detector, "sensor_thickness", thickness, units="m", **remark)
    fast, slow, distance = direct_beam(panel, nominal.geometry)
    if len(panels) > 1:
        distance = nominal.geometry.distance
    if distance > 0.0:  # upstream, they would be taken for those of a detector in front
        _value(detector, "distance", distance, units="m")
    if distance > 0.0 and len(panels) == 1:
        _value(detector, "beam_center_x", fast, units="pixel")
        _value(detector, "beam_center_y", slow, units="pixel")
    _value(detector, "x_pixel_size", panel.pixel_size[0], units="m")
    _value(detector, "y_pixel_size", panel.pixel_size[1], units="m")
    exposure = nominal.experiment.beam.exposure
    for time in ("count_time", "frame_time"):
        _value(detector, time, 1.0 if exposure is None else exposure, units="s")
    _value(detector, "underload_value", int(scale.lowest))
    if dtype.kind in "iu":
        limits = [each.saturation for each in panels if each.saturation is not None]
        _value(detector, "saturation_value", scale.saturation(dtype, min(limits, default=None)))
        _value(detector, "bit_depth_readout", 8 * dtype.itemsize)
    _pixel_mask(detector, nominal, panels)
    chain = _group(detector, "transformations", "NXtransformations")
    _move(chain, "distance", distance, (0.0, 0.0, 1.0), ".")
    # Readers take modules in the order of their names.
    digits = len(str(len(panels) - 1))
    for number, each in enumerate(panels):
        _module(detector, "module" if len(panels) == 1 else f"module_{number:0{digits}d}", each, distance, turn)


def _pixel_mask(detector: Any, nominal: Resolved, panels: Sequence[ScenePanel]) -> None:
    """1 where no pixel is rendered."""
    mask = nominal.scene.image_mask
    used = np.ones(nominal.scene.image_shape, np.uint8) if mask is None else mask
    unused = (slab.in_file(used, panels) == 0).astype(np.uint32)
    compression = {"compression": "gzip", "shuffle": True}
    if not slab.has_whole_rows(panels):
        # dxtbx 3.12 fails on a part of a mask's rows, and leaves a mask of images alone; CrystFEL takes a slab.
        write_chunked(detector, slab.MASK_OF_PARTS, unused, **compression)
        unused = unused[None]
    write_chunked(detector, "pixel_mask", unused, **compression)
    _value(detector, "pixel_mask_applied", True)


def _module(detector: Any, name: str, panel: ScenePanel, distance: float, turn: NDArray[np.float64]) -> None:
    module = _group(detector, name, "NXdetector_module")
    _value(module, "data_origin", np.array(panel.place, np.int64))
    _value(module, "data_size", np.array(panel.shape, np.int64))
    if panel.gain != 1.0:
        _value(module, "gain", panel.gain)
    corner = turn @ panel.origin - [0.0, 0.0, distance]
    length = float(np.linalg.norm(corner))
    direction = corner / length if length > 0 else np.array([1.0, 0.0, 0.0])
    _move(module, "module_offset", length, direction, f"{_TRANSFORMATIONS}/distance")
    offset = f"/entry/instrument/detector/{name}/module_offset"
    for axis, vector, size in (("fast", panel.fast, panel.pixel_size[0]), ("slow", panel.slow, panel.pixel_size[1])):
        scale = float(np.linalg.norm(vector))
        _move(module, f"{axis}_pixel_direction", size * scale, turn @ vector / scale, offset)


def _sample(entry: Any, nominal: Resolved, frames: Sequence[Frame], turn: NDArray[np.float64]) -> None:
    sample = _group(entry, "sample", "NXsample")
    _value(sample, "name", "simulated crystal")
    if not _are_stills(frames):
        _value(sample, "depends_on", "/entry/sample/transformations/omega")
    axes = [frame.axes for frame in frames if frame.axes is not None]
    if len(axes) == len(frames):
        _value(sample, "unit_cell", np.array([frame.cell for frame in frames]), units="angstrom, degree")
        # Rows a, b, c at omega = 0 in NeXus' frame, Å: what indexing should find.
        _value(sample, "real_space_vectors", np.array([rows @ turn.T for rows in axes]), units="angstrom")
    chain = _group(sample, "transformations", "NXtransformations")
    start, width = (np.array([frame[i] for frame in frames]) * DEGREES for i in (1, 2))
    axis = turn @ np.array(nominal.geometry.spindle)
    attributes = {"transformation_type": "rotation", "vector": axis, "depends_on": ".", "units": "deg"}
    _value(chain, "omega", start, **attributes)
    _value(chain, "omega_end", start + width, units="deg")
    _value(chain, "omega_increment_set", width, units="deg")


def _are_stills(frames: Sequence[Frame]) -> bool:
    """Whether they are no scan: with an axis dxtbx would make one of them, and take the first wavelength for all."""
    told = any(frame.axes is not None for frame in frames)
    turns = {(frame.phi, frame.oscillation) for frame in frames}
    return (len(frames) > 1 or not told) and len(turns) == 1 and turns.pop()[1] == 0.0


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
