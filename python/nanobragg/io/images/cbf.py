"""CBF images with the lines of a PILATUS header ("miniCBF"): whole numbers, byte-offset compression
(``specs/formats.md``).
"""

from __future__ import annotations

import base64
import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nanobragg.errors import InputError
from nanobragg.io.images import for_dials
from nanobragg.io.images.masked import with_masked
from nanobragg.io.support.atomic import atomic_write
from nanobragg.io.support.extras import need
from nanobragg.maths.constants import DEGREES, ENERGY
from nanobragg.maths.projection import before_swing, unsaid_without_vectors
from nanobragg.records.counts import CountScale
from nanobragg.records.panel import only_panel
from nanobragg.records.solids import in_pilatus_header

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from nanobragg.records.panel import ScenePanel
    from nanobragg.records.resolved import Resolved

_START = b"\x0c\x1a\x04\xd5"
_PADDING = 4095
_MODULE, _GAP, _PIXEL = (195, 487), (17, 7), 172e-6
"""A PILATUS: (slow, fast) pixels of its modules and of the gaps between them, and the edge of a pixel, m."""


def write(
    path: str | os.PathLike[str], pixels: ArrayLike, resolved: Resolved, *, scale: CountScale | None = None
) -> None:
    """Write whole numbers (slow, fast) as signed 32-bit integers, every one exactly; masked pixels are -1.

    Args:
        path: the file.
        pixels: of an integer type, each within 32 bits.
        resolved: what the header tells of.
        scale: what the numbers mean.

    Raises:
        InputError: for pixels of another type or range, and when the file cannot be written.

    """
    name = os.fspath(path)
    data = with_masked(_whole_numbers(name, np.asarray(pixels)), resolved)
    compression = need("fabio", name, module="fabio.compression")
    packed: bytes = compression.compByteOffset(np.ascontiguousarray(data, dtype=np.int32))
    header = header_lines(resolved, (scale or CountScale()).saturation(data.dtype))
    lines = [*_text_lines(name, header, _convention(resolved)), *_binary_lines(packed, data.shape)]
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


def _text_lines(name: str, header: list[str], convention: str) -> list[str]:
    """The file up to its binary section."""
    return [
        "###CBF: VERSION 1.5, nanobragg",
        "",
        f"data_{_block_name(name)}",
        "",
        f'_array_data.header_convention "{convention}"',
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


def _is_pilatus(panel: ScenePanel) -> bool:
    """Whether the panel is one: modules and gaps of its size, and no pixels that count in the gaps."""
    if any(abs(size - _PIXEL) > 1e-9 for size in panel.pixel_size):
        return False
    kept = np.ones(panel.shape, bool) if panel.mask is None else panel.mask != 0
    for axis, (pixels, module, gap) in enumerate(zip(panel.shape, _MODULE, _GAP, strict=True)):
        modules, rest = divmod(pixels + gap, module + gap)
        if rest or not modules:
            return False
        in_gap = np.arange(pixels) % (module + gap) >= module
        if np.take(kept, np.flatnonzero(in_gap), axis=axis).any():
            return False
    return True


def _convention(resolved: Resolved) -> str:
    """What the header calls itself: dxtbx asks a PILATUS for its modules, and reads any size of the other."""
    return "PILATUS_1.2" if _is_pilatus(only_panel(resolved.scene.panels, "CBF")) else "GENERIC_MINI"


def _sensor_lines(panel: ScenePanel) -> list[str]:
    """What absorbs: nothing without thickness, which DIALS refuses. It knows Si and CdTe, and of others no parallax."""
    if panel.sensor_thickness < 5e-7:
        return []
    material = in_pilatus_header(panel.sensor_material or "Si")
    return [f"{material} sensor, thickness {panel.sensor_thickness:.6f} m"]


def header_lines(resolved: Resolved, cutoff: int) -> list[str]:
    """The lines of a PILATUS header, one for each quantity. ``cutoff``: the count at which pixels are overloaded."""
    g, r, beam = resolved.geometry, resolved.radiation, resolved.experiment.beam
    panel = only_panel(resolved.scene.panels, "CBF")
    place = before_swing(panel, g)
    energy = ENERGY / (r.wavelength * 1e10)
    exposure = 1.0 if beam.exposure is None else beam.exposure
    increment = r.oscillation * DEGREES
    start = r.phi * DEGREES
    return [
        f"Detector: {'PILATUS simulated by nanobragg' if _is_pilatus(panel) else 'nanobragg simulation'}, S/N 00-0000",
        "1970-01-01T00:00:00.000",
        f"Pixel_size {panel.pixel_size[0]:.14g} m x {panel.pixel_size[1]:.14g} m",
        *_sensor_lines(panel),
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
        f"Detector_distance {place.distance:.12f} m",
        f"Beam_xy ({place.fast:.9f}, {place.slow:.9f}) pixels",
        f"Flux {0.0 if beam.flux is None else beam.flux:g} ph/s",
        "Filter_transmission 1.0000",
        f"Start_angle {start:.5f} deg.",
        f"Angle_increment {increment:.5f} deg.",
        f"Detector_2theta {place.twotheta * DEGREES:.10f} deg.",
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


def doubt(resolved: Resolved) -> str | None:
    """What the header cannot say about this geometry, as a sentence; ``None`` if it says it all."""
    said = unsaid_without_vectors(only_panel(resolved.scene.panels, "CBF"), resolved.geometry)
    return None if said is None else f"the CBF header {said}"


def advice(name: str, resolved: Resolved) -> str | None:
    """What DIALS is to be told besides the file, as a line; ``None`` if nothing. It does not read Detector_2theta."""
    panel = only_panel(resolved.scene.panels, "CBF")
    place = before_swing(panel, resolved.geometry)
    return for_dials.line(
        name, for_dials.options(panel, resolved, for_dials.Read(place.fast, place.slow, place.distance))
    )


def _block_name(name: str) -> str:
    stem = "".join(c if c.isascii() and (c.isalnum() or c in "-_.") else "_" for c in Path(name).stem)
    return stem[:60] or "image"
