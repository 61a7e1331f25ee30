"""What NXmx files tell of a sensor (``specs/formats.md``)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nanobragg.io.geometry.hdf5 import ASSUMED

if TYPE_CHECKING:
    from nanobragg.records.panel import ScenePanel

_BLACK = ("CdTe", 1e-3)
"""Material and m: at 1 Å it captures all, 21 µm deep in the mean."""


def told_sensor(panel: ScenePanel) -> tuple[str, float, dict[str, str]]:
    """Material, thickness (m) and attributes; without a sensor those of one that captures everything near its front.

    DIALS asks for both, divides intensities by what it thinks is captured, and shifts spots by the depth at which.
    """
    if panel.sensor_thickness > 0.0:
        return panel.sensor_material or "Si", panel.sensor_thickness, {}
    return (*_BLACK, {ASSUMED: "nothing is said of a sensor"})
