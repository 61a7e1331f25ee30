"""Detectors of panels before any option moves them: of users, of files, and ready-made ones by their names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nanobragg.errors import InputError
from nanobragg.records.detector_table import DETECTORS, Module, NamedDetector, modules_of
from nanobragg.records.panel import ScenePanel
from nanobragg.records.pivots import convention_of
from nanobragg.resolver.body import Body, Plane
from nanobragg.resolver.detector import FRAMES, Frame, Pixels, frame_of
from nanobragg.resolver.panels import facing, panels_of_file, panels_of_user

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from nanobragg.io.geometry.types import FileGeometry
    from nanobragg.records.experiment import Detector, Experiment

_DISTANCE = 100.0
"""mm: of a ready-made detector that is not built for one"""


def body_of_user(experiment: Experiment, masks: Sequence[NDArray[Any] | None]) -> Body:
    """The panels that a user says, in the lab frame of the convention; ``masks`` are their arrays."""
    detector = experiment.detector
    _refuse(detector, "detector.panels", but=("pixel_size",))
    return Body(panels_of_user(detector, _frame(experiment), masks))


def body_of_file(experiment: Experiment, file: FileGeometry) -> Body:
    """The panels of a file, in its own frame; where a convention is named, in that one's frame: the beam and the
    polarization of the file are then those of the convention.
    """
    detector, vectors = experiment.detector, file.vectors
    _refuse(detector, file.name)
    frame = FRAMES.get(detector.convention or "custom")
    if frame is None or vectors is None or vectors.polarization is None:
        return Body(panels_of_file(file))
    here, there = (_triad(*axes) for axes in ((vectors.beam, vectors.polarization), (frame.beam, frame.polar)))
    return Body(panels_of_file(file, there.T @ here))


def _triad(beam: Sequence[float], polarization: Sequence[float]) -> NDArray[np.float64]:
    """(3, 3): rows beam, polarization, and the axis at right angles to both."""
    travel, electric = np.array(beam, dtype=float), np.array(polarization, dtype=float)
    electric = electric - (electric @ travel) * travel
    electric /= np.linalg.norm(electric)
    return np.stack([travel, electric, np.cross(travel, electric)])


def _frame(experiment: Experiment) -> Frame:
    beam, crystal, detector = experiment.beam, experiment.crystal, experiment.detector
    return frame_of(convention_of(beam, crystal, detector), beam, crystal, detector)[0]


_OWN = {
    "shape": "-detpixels",
    "size": "-detsize",
    "pixel_size": "-pixel",
    "fast_axis": "-fdet_vector",
    "slow_axis": "-sdet_vector",
    "normal_axis": "-odet_vector",
    "pix0": "-pix0_vector",
}
"""Fields of a detector of one panel, which others do not have."""


def _refuse(detector: Detector, what: str, but: Sequence[str] = ()) -> None:
    """Raise :class:`InputError` for what each panel has for itself."""
    for field, option in _OWN.items():
        if field not in but and getattr(detector, field) is not None:
            raise InputError(f"{option}: found it with the panels of {what}, expected none: each panel has its own")


# ---- ready-made detectors ---------------------------------------------------------------------------------


def body_of_name(experiment: Experiment) -> Body:
    """A ready-made detector across the beam, with the beam in its middle."""
    detector = experiment.detector
    _refuse(detector, f"-detector {detector.name}", but=("fast_axis", "slow_axis", "normal_axis"))
    said = DETECTORS[detector.name or ""]
    frame = _frame(experiment)
    axes = np.array([frame.fast, frame.slow, frame.normal])
    modules = modules_of(said)
    distance = (_DISTANCE if said.distance is None else said.distance) / 1000.0
    plane = _plane(modules, said.pixel_size, distance, axes)
    return Body(tuple(_panel(module, said, distance, axes) for module in modules), plane)


def _plane(modules: Sequence[Module], pixel: float, distance: float, axes: NDArray[np.float64]) -> Plane:
    """The plane at the distance, its origin in the corner of a rectangle around all modules, whole pixels (mm) wide."""
    points = [
        np.add(module.corner, f * pixel * module.shape[1] * np.array(module.fast))
        + s * pixel * module.shape[0] * np.array(module.slow)
        for module in modules
        for f in (0, 1)
        for s in (0, 1)
    ]
    low, high = np.min(points, axis=0)[:2], np.max(points, axis=0)[:2]
    nfast, nslow = (int(count) for count in np.ceil((high - low) / pixel - 1e-6))
    edge = pixel / 1000.0
    corner = np.array([*(low / 1000.0), distance]) @ axes
    return Plane(corner, axes[0], axes[1], axes[2], Pixels(nfast, nslow, edge, nfast * edge, nslow * edge), edge)


def _panel(module: Module, said: NamedDetector, distance: float, axes: NDArray[np.float64]) -> ScenePanel:
    """A module in the laboratory: its numbers are along the detector's fast, slow and normal axis."""
    x, y, z = (value / 1000.0 for value in module.corner)
    origin = np.array([x, y, z + distance]) @ axes
    fast, slow = np.array(module.fast) @ axes, np.array(module.slow) @ axes
    normal, close = facing(f"panel {module.name}", origin, fast, slow)
    edge = said.pixel_size / 1000.0
    return ScenePanel(
        name=module.name,
        group=module.group,
        shape=module.shape,
        pixel_size=(edge, edge),
        origin=origin,
        fast=fast,
        slow=slow,
        normal=normal,
        close_distance=close,
        sensor_material=said.material,
        sensor_thickness=said.thickness * 1e-6,
        place=module.place,
    )
