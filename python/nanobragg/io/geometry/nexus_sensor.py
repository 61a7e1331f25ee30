"""What a NeXus file tells of a detector's sensor (``specs/formats.md``)."""

from __future__ import annotations

from typing import Any

from nanobragg.io.geometry.hdf5 import Said, child, child_said, is_group, stored, text
from nanobragg.io.geometry.units import MILLIMETRES


def told_of_sensor(said: Said, detector: Any) -> tuple[float | None, str]:
    """Its thickness (mm) and material; ``None`` and '' where nobody said them, or nothing can be made of them."""
    item = child_said(detector, "sensor_thickness")
    thickness = said.length("thickness", item, MILLIMETRES, "m")
    name = child(detector, "sensor_material")
    assumed = item is None and child(detector, "sensor_thickness") is not None
    material = None if assumed or name is None else said.attempt("material", lambda: _text(name))
    for field in ("thickness", "material"):
        said.bad.pop(field, None)
    return thickness, material or ""


def _text(item: Any) -> str:
    return "" if is_group(item) else text(stored(item)).strip()
