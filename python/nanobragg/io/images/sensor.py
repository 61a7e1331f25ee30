"""What NXmx files tell of a sensor (``specs/formats.md``)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nanobragg.io.geometry.hdf5 import ASSUMED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nanobragg.records.panel import ScenePanel

_DIALS = ("Si", "CdTe", "GaAs")
_BLACK = ("CdTe", 1e-3)
"""Material and m: at 1 Å it captures all, 21 µm deep in the mean."""


def told_sensor(panel: ScenePanel) -> tuple[str, float, dict[str, str]]:
    """Material, thickness (m) and attributes; without a sensor those of one that captures everything near its front.

    DIALS asks for both, divides intensities by what it thinks is captured, and shifts spots by the depth at which.
    """
    if panel.sensor_thickness > 0.0:
        return panel.sensor_material or "Si", panel.sensor_thickness, {}
    return (*_BLACK, {ASSUMED: "nothing is said of a sensor"})


def doubt_of_sensors(panels: Sequence[ScenePanel]) -> str | None:
    """What a file cannot tell of them, or DIALS cannot read, as a sentence; ``None``: nothing. It has one for all."""
    sensors = {told_sensor(panel)[:2] for panel in panels}
    material, thickness, _ = told_sensor(panels[0])
    if len(sensors) > 1:
        told = f"it tells the sensor of the first panel, {1e6 * thickness:g} um of {material}"
        return f"{told}, and there are {len(sensors)}"
    if material not in _DIALS:
        return f"DIALS refuses its sensor of {material}: it knows {', '.join(_DIALS)}"
    return None
