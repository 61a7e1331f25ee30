"""A full imgCIF, for the fuzzer of files to damage, and for tests of where its detector stands."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

IMGCIF = """###CBF: VERSION 1.5

data_image_1

loop_
_diffrn_radiation.diffrn_id
_diffrn_radiation.polarizn_source_ratio
_diffrn_radiation.polarizn_source_norm
DS1 0.8 0.0

loop_
_diffrn_radiation_wavelength.id
_diffrn_radiation_wavelength.wavelength
_diffrn_radiation_wavelength.wt
WAVELENGTH1 0.9795 1.0

loop_
_diffrn_scan_axis.scan_id
_diffrn_scan_axis.axis_id
_diffrn_scan_axis.angle_start
_diffrn_scan_axis.angle_range
_diffrn_scan_axis.angle_increment
_diffrn_scan_axis.displacement_start
_diffrn_scan_axis.displacement_range
_diffrn_scan_axis.displacement_increment
SCAN1 OMEGA 11.0 90.0 0.5 0.0 0.0 0.0
SCAN1 PHI 0.0 0.0 0.0 0.0 0.0 0.0
SCAN1 DETECTOR_Z 0.0 0.0 0.0 -150.0 0.0 0.0
SCAN1 PITCH 10.0 0.0 0.0 0.0 0.0 0.0

loop_
_diffrn_scan_frame_axis.frame_id
_diffrn_scan_frame_axis.axis_id
_diffrn_scan_frame_axis.angle
_diffrn_scan_frame_axis.displacement
FRAME1 OMEGA 12.0 0.0
FRAME1 DETECTOR_Z 0.0 -150.0

loop_
_axis.id
_axis.type
_axis.equipment
_axis.depends_on
_axis.vector[1]
_axis.vector[2]
_axis.vector[3]
_axis.offset[1]
_axis.offset[2]
_axis.offset[3]
OMEGA rotation goniometer . 1 0 0 . . .
PHI rotation goniometer OMEGA 1 0 0 . . .
SOURCE general source . 0 0 1 . . .
DETECTOR_Z translation detector PITCH 0 0 1 0 0 0
PITCH rotation detector . 0 1 0 0 0 0
ELEMENT_X translation detector DETECTOR_Z 1 0 0 -3.4 4.2 0
ELEMENT_Y translation detector ELEMENT_X 0 -1 0 0 0 0

loop_
_array_structure_list.array_id
_array_structure_list.index
_array_structure_list.dimension
_array_structure_list.precedence
_array_structure_list.direction
_array_structure_list.axis_set_id
ARRAY1 1 40 1 increasing ELEMENT_X
ARRAY1 2 50 2 increasing ELEMENT_Y

loop_
_array_structure_list_axis.axis_set_id
_array_structure_list_axis.axis_id
_array_structure_list_axis.displacement
_array_structure_list_axis.displacement_increment
ELEMENT_X ELEMENT_X 0.086 0.172
ELEMENT_Y ELEMENT_Y 0.086 0.172

_array_intensities.gain 1.0
_array_intensities.overload 1048576

loop_
_array_data.array_id
_array_data.binary_id
_array_data.data
ARRAY1 1
;
"""
"""40 (fast) x 50 (slow) pixels of 0.172 mm on an arm of 150 mm that is turned by 10 degrees about y."""


def write_imgcif(path: Path, pixels: NDArray[np.int32], header: str = IMGCIF) -> None:
    """An image (slow, fast) behind a header."""
    from fabio.cbfimage import CbfImage

    CbfImage(data=pixels).write(str(path))
    content = path.read_bytes()
    section = content[content.index(b"--CIF-BINARY-FORMAT-SECTION--") :]
    path.write_bytes(header.replace("\n", "\r\n").encode() + section)
