"""CBF images with a PILATUS header ("miniCBF"): whole numbers, byte-offset compression (``specs/formats.md``)."""

from __future__ import annotations

import base64
import hashlib
import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nanobragg.errors import InputError
from nanobragg.io.support.atomic import atomic_write
from nanobragg.io.support.extras import need
from nanobragg.maths.constants import DEGREES, ENERGY
from nanobragg.maths.projection import direct_beam
from nanobragg.records.panel import only_panel

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from nanobragg.records.panel import ScenePanel
    from nanobragg.records.resolved import Geometry, Resolved

_START = b"\x0c\x1a\x04\xd5"
_PADDING = 4095


def write(path: str | os.PathLike[str], pixels: ArrayLike, resolved: Resolved) -> None:
    """Write whole numbers (slow, fast) as signed 32-bit integers, every one exactly.

    Args:
        path: the file.
        pixels: of an integer type, each within 32 bits.
        resolved: what the header tells of.

    Raises:
        InputError: for pixels of another type or range, and when the file cannot be written.

    """
    name = os.fspath(path)
    data = _whole_numbers(name, np.asarray(pixels))
    compression = need("fabio", name, module="fabio.compression")
    packed: bytes = compression.compByteOffset(np.ascontiguousarray(data, dtype=np.int32))
    header = header_lines(resolved, min(int(np.iinfo(data.dtype).max), 2**31 - 1))
    lines = [*_text_lines(name, header), *_binary_lines(packed, data.shape)]
    with atomic_write(path) as file:
        file.write("\r\n".join(lines).encode("ascii"))
        file.write(_START + packed + bytes(_PADDING))
        file.write(b"\r\n--CIF-BINARY-FORMAT-SECTION----\r\n;\r\n\r\n")


def _whole_numbers(name: str, data: NDArray[Any]) -> NDArray[Any]:
    """The pixels, if CBF holds them."""
    if data.dtype.kind not in "iu":
        raise InputError(f"{name}: found {data.dtype} pixels, expected whole numbers: CBF holds no others")
    if data.size and (int(data.min()) < -(2**31) or int(data.max()) >= 2**31):
        raise InputError(f"{name}: found pixels from {data.min()} to {data.max()}, expected signed 32-bit integers")
    return data


def _text_lines(name: str, header: list[str]) -> list[str]:
    """The file up to its binary section."""
    return [
        "###CBF: VERSION 1.5, nanobragg",
        "",
        f"data_{_block_name(name)}",
        "",
        '_array_data.header_convention "PILATUS_1.2"',
        "_array_data.header_contents",
        ";",
        *(f"# {line}" for line in header),
        ";",
        "",
        "_array_data.data",
        ";",
    ]


def _binary_lines(packed: bytes, shape: tuple[int, ...]) -> list[str]:
    """The header of the binary section, with the empty line that ends it."""
    nslow, nfast = shape
    digest = base64.b64encode(hashlib.md5(packed, usedforsecurity=False).digest()).decode()
    return [
        "--CIF-BINARY-FORMAT-SECTION--",
        "Content-Type: application/octet-stream;",
        '     conversions="x-CBF_BYTE_OFFSET"',
        "Content-Transfer-Encoding: BINARY",
        f"X-Binary-Size: {len(packed)}",
        "X-Binary-ID: 1",
        'X-Binary-Element-Type: "signed 32-bit integer"',
        "X-Binary-Element-Byte-Order: LITTLE_ENDIAN",
        f"Content-MD5: {digest}",
        f"X-Binary-Number-of-Elements: {nslow * nfast}",
        f"X-Binary-Size-Fastest-Dimension: {nfast}",
        f"X-Binary-Size-Second-Dimension: {nslow}",
        f"X-Binary-Size-Padding: {_PADDING}",
        "",
        "",
    ]


def header_lines(resolved: Resolved, cutoff: int) -> list[str]:
    """The PILATUS header, a line for each quantity. ``cutoff``: the count at which pixels are overloaded."""
    g, r, beam = resolved.geometry, resolved.radiation, resolved.experiment.beam
    panel = only_panel(resolved.scene.panels, "CBF")
    fast, slow, distance, swing = _place(panel, g)
    energy = ENERGY / (r.wavelength * 1e10)
    exposure = 1.0 if beam.exposure is None else beam.exposure
    increment = r.oscillation * DEGREES
    start = r.phi * DEGREES
    return [
        "Detector: nanobragg simulation, S/N 00-0000",
        "1970-01-01T00:00:00.000",
        f"Pixel_size {panel.pixel_size[0]:.14g} m x {panel.pixel_size[1]:.14g} m",
        f"Silicon sensor, thickness {panel.sensor_thickness:.6f} m",
        f"Exposure_time {exposure:.7f} s",
        f"Exposure_period {exposure:.7f} s",
        "Tau = 0 s",
        f"Count_cutoff {cutoff} counts",
        f"Threshold_setting: {energy / 2:.0f} eV",
        "Gain_setting: not implemented (vrf = 9.900)",
        "N_excluded_pixels = 0",
        "Excluded_pixels: (nil)",
        "Flat_field: (nil)",
        "Trim_file: (nil)",
        "Image_path: ./",
        f"Wavelength {r.wavelength * 1e10:.7f} A",
        f"Detector_distance {distance:.12f} m",
        f"Beam_xy ({fast:.9f}, {slow:.9f}) pixels",
        f"Flux {0.0 if beam.flux is None else beam.flux:g} ph/s",
        "Filter_transmission 1.0000",
        f"Start_angle {start:.5f} deg.",
        f"Angle_increment {increment:.5f} deg.",
        f"Detector_2theta {swing * DEGREES:.10f} deg.",
        f"Polarization {r.kahn_factor:.4f}",
        "Alpha 0.0000 deg.",
        "Kappa 0.0000 deg.",
        f"Phi {start:.5f} deg.",
        f"Phi_increment {increment:.5f} deg.",
        "Chi 0.0000 deg.",
        "Chi_increment 0.0000 deg.",
        "Oscillation_axis X.CW",
        "N_oscillations 1",
    ]


def _place(panel: ScenePanel, g: Geometry) -> tuple[float, float, float, float]:
    """Beam centre (fast, slow; pixels), distance (m) and 2theta (radians) as the header has them.

    Distance and centre are those before the detector is turned by 2theta, through the sample and about minus the fast
    axis. Of a detector that is tilted otherwise: where the beam meets it, and no 2theta.
    """
    if _tilted(panel, g):
        return (*direct_beam(panel, g), 0.0)
    beam = np.array(g.beam)
    swing = math.atan2(-float(np.cross(beam, panel.normal) @ panel.fast), float(beam @ panel.normal))
    fast = -float(panel.origin @ panel.fast) / panel.pixel_size[0]
    slow = -float(panel.origin @ panel.slow) / panel.pixel_size[1]
    if max(abs(fast), abs(slow)) < 1e-9:
        fast = 1e-9  # 0, 0 is what is written where no centre is known
    return fast, slow, panel.close_distance, swing


def _tilted(panel: ScenePanel, g: Geometry) -> bool:
    """Whether a swing about the fast axis is not enough to turn the panel to where it is."""
    return abs(float(panel.fast @ np.array(g.beam))) > 1e-9


def doubt(resolved: Resolved) -> str | None:
    """What a PILATUS header cannot say about this geometry, as a sentence; ``None`` if it says it all."""
    g = resolved.geometry
    panel = only_panel(resolved.scene.panels, "CBF")
    if g.curved:
        return "the CBF header tells of a flat detector, the image is of a curved one"
    if _tilted(panel, g):
        return "the CBF header cannot tell how the detector is tilted; write NXmx (.h5) to keep the geometry"
    if abs(float(panel.fast @ np.array(g.spindle)) - 1) > 1e-9:
        return "the CBF header implies a spindle along the fast axis; write NXmx (.h5) to keep the geometry"
    if float(np.cross(panel.fast, panel.slow) @ panel.normal) < 0:
        return "the CBF header cannot tell that the image is mirrored; write NXmx (.h5) to keep the geometry"
    return None


def _block_name(name: str) -> str:
    stem = "".join(c if c.isascii() and (c.isalnum() or c in "-_.") else "_" for c in Path(name).stem)
    return stem[:60] or "image"
