"""Geometry in the SMV headers that we write without the quirk header_by_convention (``specs/formats.md``)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nanobragg.errors import InputError
from nanobragg.io.geometry.detector_headers import fields_said
from nanobragg.io.geometry.types import FileGeometry
from nanobragg.io.images.smv import SWING_AXIS, SmvImage

if TYPE_CHECKING:
    from nanobragg.io.images.smv import SmvHeader


def smv_geometry(header: SmvHeader) -> FileGeometry | None:
    """What a header tells whose keys mean the same in every convention; ``None`` for any other.

    Distance and beam centre are those before the detector is turned by TWOTHETA, through the sample and about minus its
    fast axis, as in CBF files.
    """
    if header.text_of(SWING_AXIS) != "-fast":
        return None

    def pixels(key: str) -> float:
        length, size = header.value(key), header.value("PIXEL_SIZE")
        if length is None or not size:
            raise InputError(f"{header.name}: found no {key} and PIXEL_SIZE, expected both")
        return length / size

    fields = fields_said(
        header.name,
        pixel_size=lambda: header.value("PIXEL_SIZE"),
        distance=lambda: header.value("DISTANCE"),
        centre=lambda: (pixels("DENZO_Y_BEAM"), pixels("DENZO_X_BEAM")),
        wavelength=lambda: header.value("WAVELENGTH"),
        phi=lambda: header.value("PHI"),
        oscillation=lambda: header.value("OSC_RANGE"),
        swing=lambda: header.value("TWOTHETA"),
    )
    return FileGeometry(
        name=header.name,
        kind="SMV",
        nfast=header.nfast,
        nslow=header.nslow,
        pixels=header.pixels if isinstance(header, SmvImage) else None,
        swing_known="swing" in fields,
        **fields,
    )
