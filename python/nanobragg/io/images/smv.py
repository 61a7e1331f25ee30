"""SMV images (``specs/formats.md``): a header of ``KEY=value;`` lines, then uint16 pixels, fast axis fastest."""

from __future__ import annotations

import os
import re
import sys
from typing import TYPE_CHECKING

import numpy as np

from nanobragg.errors import InputError
from nanobragg.io.images import for_dials
from nanobragg.io.images.masked import with_masked
from nanobragg.io.support.atomic import atomic_write, read_bytes
from nanobragg.maths.constants import DEGREES
from nanobragg.maths.projection import Swing, before_swing, unsaid_without_vectors
from nanobragg.records.panel import only_panel
from nanobragg.records.quirks import off_switch, parse_quirks
from nanobragg.records.record import Record

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from nanobragg.records.counts import CountScale
    from nanobragg.records.panel import ScenePanel
    from nanobragg.records.resolved import Resolved

_BLOCK = 512
_LARGEST_HEADER = 1 << 20

_MAGIC = re.compile(rb"\{\s*HEADER_BYTES\s*=\s*(\d{1,7})\s*;")
_SEPARATORS = re.compile(r"[;\r\n]")
_NUMBER = re.compile(r"\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)", re.ASCII)
SWING_AXIS = "TWOTHETA_AXIS"
"""The key that tells headers whose keys mean the same in every convention (without the quirk header_by_convention)."""
_BYTE_ORDERS = {"little_endian": "<", "big_endian": ">"}
_TYPES = {
    "unsigned_short": "u2",
    "unsigned_short_int": "u2",
    "mad": "u2",
    "signed_short": "i2",
    "short_int": "i2",
    "unsigned_long": "u4",
    "unsigned_int": "u4",
    "signed_long": "i4",
    "long_int": "i4",
    "signed_int": "i4",
    "unsigned_char": "u1",
    "float": "f4",
}
"""Pixels by the header's TYPE, or d*TREK's Data_type; all but the first three are others' than nanoBragg.c's."""


class SmvHeader(Record):
    """Header of an SMV file."""

    name: str
    """The file."""
    text: str
    size: int
    """bytes"""
    nfast: int
    nslow: int

    def text_of(self, key: str) -> str | None:
        """The value of the exact key, the last one if it is there twice; ``None`` without it."""
        return exact_keys(self.text).get(key)

    def value(self, key: str, *, substring: bool = False) -> float | None:
        """The number that ``key`` stands for; ``None`` without it.

        With ``substring`` the key matches as the last substring anywhere in the header, as in nanoBragg.c
        (``DISTANCE`` finds a ``CLOSE_DISTANCE`` that comes later; quirk header_substring), and its value follows the
        next ``=``.

        Raises :class:`InputError` when the value is not a number.
        """
        text = self._text_after_substring(key) if substring else self.text_of(key)
        if text is None:
            return None
        match = _NUMBER.match(text)
        if match is None or not np.isfinite(float(match[1])):
            found = text.partition(";")[0].partition("\n")[0].strip()
            hint = " (with -quirks all,-header_substring only the exact key counts)" if substring else ""
            raise InputError(f"{self.name}: found {key}={found[:40]!r}, expected a number{hint}")
        return float(match[1])

    def _text_after_substring(self, key: str) -> str | None:
        _, found, after = self.text.partition("\0")[0].rpartition(key)
        if not found:
            return None
        return after.partition("=")[2]


class SmvImage(SmvHeader):
    """An SMV file: its header and its pixels."""

    pixels: NDArray[np.uint16] | NDArray[np.int16] | NDArray[np.uint32] | NDArray[np.int32] | NDArray[np.float32]
    """(slow, fast), as the header's TYPE says"""


def read_smv_header(path: str | os.PathLike[str]) -> SmvHeader:
    """Read the header only. Raises :class:`InputError` when the file is not SMV or ends within its header."""
    return _parse_header(os.fspath(path), read_bytes(path, _LARGEST_HEADER))


def read_smv(path: str | os.PathLike[str]) -> SmvImage:
    """Read header and pixels of either byte order.

    Raises :class:`InputError` when the file is not SMV, of pixels that are not known, or shorter than its header says.
    """
    name = os.fspath(path)
    data = read_bytes(path)
    header = _parse_header(name, data)
    said = header.text_of("TYPE") or header.text_of("Data_type") or "unsigned_short"
    kind = _TYPES.get(re.sub(r"[ _]+", "_", said.lower()))
    if kind is None:
        raise InputError(f"{name}: found TYPE={said[:40]!r}, expected {', '.join(_TYPES)}")
    order = header.text_of("BYTE_ORDER")
    if order not in _BYTE_ORDERS:
        raise InputError(f"{name}: found BYTE_ORDER={order!r:.60}, expected little_endian or big_endian")
    dtype = np.dtype(_BYTE_ORDERS[order] + kind)
    count = header.nslow * header.nfast
    expected = header.size + dtype.itemsize * count
    if len(data) < expected:
        raise InputError(
            f"{name}: found {len(data)} bytes, expected {expected} ({header.nfast} x {header.nslow} pixels)"
        )
    pixels = np.frombuffer(data, dtype=dtype, count=count, offset=header.size)
    native = pixels.astype(dtype.newbyteorder("="))
    return SmvImage(**vars(header), pixels=native.reshape(header.nslow, header.nfast))


def _parse_header(name: str, data: bytes) -> SmvHeader:
    match = _MAGIC.match(data[:_BLOCK])
    if match is None:
        raise InputError(f"{name}: found no SMV header, expected a file that starts with {{ and HEADER_BYTES=")
    size = int(match[1])
    if not match.end() < size <= _LARGEST_HEADER:
        raise InputError(f"{name}: found HEADER_BYTES={size}, expected the size of the header")
    if len(data) < size:
        raise InputError(f"{name}: found {len(data)} bytes, expected a header of {size}")
    text = data[:size].decode("latin-1")
    values = exact_keys(text)
    fast, slow = values.get("SIZE1"), values.get("SIZE2")
    if fast is None and slow is None:
        fast = slow = values.get("DETECTOR_DIMENSIONS")
    return SmvHeader(
        name=name, text=text, size=size, nfast=_pixels(name, "SIZE1", fast), nslow=_pixels(name, "SIZE2", slow)
    )


def exact_keys(text: str) -> dict[str, str]:
    """Exact keys of a header, the last value of each."""
    keys = {}
    for statement in _SEPARATORS.split(text.partition("}")[0]):
        key, equals, value = statement.partition("=")
        name = key.rpartition("{")[2].strip(" \t")
        if equals and name:
            keys[name] = value.strip()
    return keys


def _pixels(name: str, key: str, text: str | None) -> int:
    if text is None or not re.fullmatch(r"0*[1-9]\d{0,5}", text, re.ASCII):
        found = "nothing" if text is None else repr(text[:40])
        raise InputError(f"{name}: found {found} for {key}, expected a number of pixels")
    return int(text)


def smv_header(resolved: Resolved, offset: float | None = None) -> bytes:
    """The header of an image of ``resolved``: nanoBragg.c's bytes, 512 of them, with the quirk header_by_convention.

    Where the numbers need more, HEADER_BYTES says so and is the next multiple of 512. ``offset``: the value of a pixel
    without photons, for the header without the quirk.
    """
    size = _BLOCK
    while len(text := _header_text(resolved, size, offset)) > size:
        size += _BLOCK
    return text.ljust(size)


def _header_text(resolved: Resolved, size: int, offset: float | None) -> bytes:
    panel = only_panel(resolved.scene.panels, "SMV")
    nslow, nfast = panel.shape
    lines = [
        "{",
        f"HEADER_BYTES={size};",
        "DIM=2;",
        f"BYTE_ORDER={sys.byteorder}_endian;",
        "TYPE=unsigned_short;",
        f"SIZE1={nfast};",
        f"SIZE2={nslow};",
    ]
    if _has(resolved, "header_by_convention"):
        lines += _lines(_by_convention(panel, resolved), 6)
    else:
        lines += _lines(_in_every_convention(panel, resolved), 12)
        lines += [f"{SWING_AXIS}=-fast;"]
        lines += [] if offset is None else [f"ADC_OFFSET={offset:.12g};"]
    return "\n".join([*lines, "DETECTOR_SN=000;", "BEAMLINE=fake;", "}\f"]).encode("ascii")


def _has(resolved: Resolved, quirk: str) -> bool:
    return quirk in parse_quirks(resolved.experiment.quirks)


def _lines(numbers: dict[str, float | tuple[float, ...]], digits: int) -> list[str]:
    lines = []
    for key, number in numbers.items():
        if isinstance(number, tuple):  # nanoBragg.c ends this line without a semicolon
            text = ",".join(f"{component:.{digits}g}" for component in number)
            lines.append(f"{key}={text}{'' if digits == 6 else ';'}")
        else:
            lines.append(f"{key}={number:.{digits}g};")
    return lines


def _by_convention(panel: ScenePanel, resolved: Resolved) -> dict[str, float | tuple[float, ...]]:
    """The quantities as nanoBragg.c has them."""
    g = resolved.geometry
    fast, slow = g.Fbeam * 1000.0, g.Sbeam * 1000.0
    centre = (g.Xbeam * 1000.0, g.Ybeam * 1000.0)
    down = (g.detsize_s - g.Sbeam) * 1000.0
    half = 0.5 * panel.pixel_size[0]
    mosflm = ((g.Sbeam - half) * 1000.0, (g.Fbeam - half) * 1000.0)
    return _quantities(
        panel,
        resolved,
        distance=g.distance * 1000.0,
        centre=centre,
        adxv=(fast, down),
        mosflm=mosflm,
        denzo=(slow, fast),
        twotheta=g.twotheta * DEGREES,
    )


def _in_every_convention(panel: ScenePanel, resolved: Resolved) -> dict[str, float | tuple[float, ...]]:
    """The quantities of the detector before it is turned by TWOTHETA, through the sample and about minus its fast axis.

    BEAM_CENTER_X and _Y are what makes dxtbx put the beam where it is.
    """
    place, size = before_swing(panel, resolved.geometry), panel.pixel_size[0] * 1000.0
    fast, slow = place.fast * size, place.slow * size
    down = panel.shape[0] * size - slow
    return _quantities(
        panel,
        resolved,
        distance=place.distance * 1000.0,
        centre=(fast - size, down + size),
        adxv=(fast, down),
        mosflm=(slow - 0.5 * size, fast - 0.5 * size),
        denzo=(slow, fast),
        twotheta=place.twotheta * DEGREES,
    )


Pair = tuple[float, float]


def _quantities(
    panel: ScenePanel,
    resolved: Resolved,
    *,
    distance: float,
    centre: Pair,
    adxv: Pair,
    mosflm: Pair,
    denzo: Pair,
    twotheta: float,
) -> dict[str, float | tuple[float, ...]]:
    """By the header's keys, in their order."""
    g, r = resolved.geometry, resolved.radiation
    return {
        "PIXEL_SIZE": panel.pixel_size[0] * 1000.0,
        "DISTANCE": distance,
        "WAVELENGTH": r.wavelength * 1e10,
        "BEAM_CENTER_X": centre[0],
        "BEAM_CENTER_Y": centre[1],
        "ADXV_CENTER_X": adxv[0],
        "ADXV_CENTER_Y": adxv[1],
        "MOSFLM_CENTER_X": mosflm[0],
        "MOSFLM_CENTER_Y": mosflm[1],
        "DENZO_X_BEAM": denzo[0],
        "DENZO_Y_BEAM": denzo[1],
        "DIALS_ORIGIN": g.dials_origin,
        "XDS_ORGX": g.orgx,
        "XDS_ORGY": g.orgy,
        "CLOSE_DISTANCE": panel.close_distance * 1000.0,
        "PHI": r.phi * DEGREES,
        "OSC_START": r.phi * DEGREES,
        "OSC_RANGE": r.oscillation * DEGREES,
        "TWOTHETA": twotheta,
    }


def doubt(resolved: Resolved) -> str | None:
    """What the header cannot say about this geometry, as a sentence; ``None`` if it says it all."""
    panel = only_panel(resolved.scene.panels, "SMV")
    said = unsaid_without_vectors(panel, resolved.geometry, square=True)
    if (
        said is None
        and _has(resolved, "header_by_convention")
        and abs(before_swing(panel, resolved.geometry).twotheta) > 1e-9
    ):
        said = f"does not tell which way the detector is swung ({off_switch('header_by_convention')})"
    return None if said is None else f"the SMV header {said}"


def advice(name: str, resolved: Resolved) -> str | None:
    """What DIALS is to be told besides the file, as a line; ``None`` if nothing. It does not read TWOTHETA."""
    panel = only_panel(resolved.scene.panels, "SMV")
    return for_dials.line(name, for_dials.options(panel, resolved, _read_by_dials(panel, resolved)))


def _read_by_dials(panel: ScenePanel, resolved: Resolved) -> for_dials.Read:
    """What dxtbx makes of the header: BEAM_CENTER_X and _Y as ADXV has them, and a pixel beyond."""
    g, size = resolved.geometry, panel.pixel_size[0]
    if not _has(resolved, "header_by_convention"):
        place: Swing = before_swing(panel, g)
        return for_dials.Read(place.fast, place.slow, place.distance)
    return for_dials.Read(g.Xbeam / size + 1.0, panel.shape[0] - g.Ybeam / size + 1.0, g.distance)


def write(
    path: str | os.PathLike[str], pixels: ArrayLike, resolved: Resolved, *, scale: CountScale | None = None
) -> None:
    """Write ``pixels`` (slow, fast) as uint16: 65535 for what is above it, and negative ones wrap around, as in
    nanoBragg.c; without the quirk offset_in_masked_pixels those that a mask leaves out are 0.

    ``scale``: what the numbers mean, for the header. Raises :class:`InputError` when the file cannot be written.
    """
    whole = np.asarray(pixels)
    if whole.dtype != np.uint16:
        whole = np.minimum(whole, 65535)
    if not _has(resolved, "offset_in_masked_pixels"):
        whole = with_masked(whole, resolved, 0)
    data = np.ascontiguousarray(whole, dtype=np.uint16)
    with atomic_write(path) as file:
        file.write(smv_header(resolved, None if scale is None else scale.offset))
        file.write(data.data)
