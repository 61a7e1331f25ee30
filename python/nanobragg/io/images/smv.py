"""SMV images (``specs/formats.md``): a header of ``KEY=value;`` lines, then uint16 pixels, fast axis fastest."""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nanobragg.errors import InputError
from nanobragg.io.support.atomic import atomic_write, read_bytes
from nanobragg.maths.constants import DEGREES
from nanobragg.records.panel import only_panel

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from nanobragg.records.resolved import Resolved

_BLOCK = 512
_LARGEST_HEADER = 1 << 20

_MAGIC = re.compile(rb"\{\s*HEADER_BYTES\s*=\s*(\d{1,7})\s*;")
_ASSIGNMENT = re.compile(r"(?:^|[;{\r\n])[ \t]*([^={};\r\n]+?)[ \t]*=[ \t]*([^;\r\n]*)")
_NUMBER = re.compile(r"\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)", re.ASCII)
_BYTE_ORDERS = {"little_endian": "<u2", "big_endian": ">u2"}


@dataclass(frozen=True, kw_only=True, eq=False)
class SmvHeader:
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


@dataclass(frozen=True, kw_only=True, eq=False)
class SmvImage(SmvHeader):
    """An SMV file: its header and its pixels."""

    pixels: NDArray[np.uint16]
    """(slow, fast)"""


def read_smv_header(path: str | os.PathLike[str]) -> SmvHeader:
    """Read the header only. Raises :class:`InputError` when the file is not SMV or ends within its header."""
    return _parse_header(os.fspath(path), read_bytes(path, _LARGEST_HEADER))


def read_smv(path: str | os.PathLike[str]) -> SmvImage:
    """Read header and pixels of either byte order.

    Raises :class:`InputError` when the file is not SMV, not of 16-bit pixels, or shorter than its header says.
    """
    name = os.fspath(path)
    data = read_bytes(path)
    header = _parse_header(name, data)
    kind = header.text_of("TYPE")
    if kind not in (None, "unsigned_short"):
        raise InputError(f"{name}: found TYPE={kind[:40]!r}, expected unsigned_short")
    order = header.text_of("BYTE_ORDER")
    if order not in _BYTE_ORDERS:
        raise InputError(f"{name}: found BYTE_ORDER={order!r:.60}, expected little_endian or big_endian")
    count = header.nslow * header.nfast
    expected = header.size + 2 * count
    if len(data) < expected:
        raise InputError(
            f"{name}: found {len(data)} bytes, expected {expected} ({header.nfast} x {header.nslow} pixels)"
        )
    pixels = np.frombuffer(data, dtype=_BYTE_ORDERS[order], count=count, offset=header.size)
    return SmvImage(**vars(header), pixels=pixels.astype(np.uint16).reshape(header.nslow, header.nfast))


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
    return {key: value.strip() for key, value in _ASSIGNMENT.findall(text.partition("}")[0])}


def _pixels(name: str, key: str, text: str | None) -> int:
    if text is None or not re.fullmatch(r"0*[1-9]\d{0,5}", text, re.ASCII):
        found = "nothing" if text is None else repr(text[:40])
        raise InputError(f"{name}: found {found} for {key}, expected a number of pixels")
    return int(text)


def smv_header(resolved: Resolved) -> bytes:
    """The header of an image of ``resolved``: nanoBragg.c's bytes, 512 of them.

    Where the numbers need more, HEADER_BYTES says so and is the next multiple of 512.
    """
    size = _BLOCK
    while len(text := _header_text(resolved, size)) > size:
        size += _BLOCK
    return text.ljust(size)


def _header_text(resolved: Resolved, size: int) -> bytes:
    g, r = resolved.geometry, resolved.radiation
    panel = only_panel(resolved.scene.panels, "SMV")
    (nslow, nfast), pixel_size = panel.shape, panel.pixel_size[0]
    half = 0.5 * pixel_size
    numbers = {
        "PIXEL_SIZE": pixel_size * 1000.0,
        "DISTANCE": g.distance * 1000.0,
        "WAVELENGTH": r.wavelength * 1e10,
        "BEAM_CENTER_X": g.Xbeam * 1000.0,
        "BEAM_CENTER_Y": g.Ybeam * 1000.0,
        "ADXV_CENTER_X": g.Fbeam * 1000.0,
        "ADXV_CENTER_Y": (g.detsize_s - g.Sbeam) * 1000.0,
        "MOSFLM_CENTER_X": (g.Sbeam - half) * 1000.0,
        "MOSFLM_CENTER_Y": (g.Fbeam - half) * 1000.0,
        "DENZO_X_BEAM": g.Sbeam * 1000.0,
        "DENZO_Y_BEAM": g.Fbeam * 1000.0,
        "DIALS_ORIGIN": g.dials_origin,
        "XDS_ORGX": g.orgx,
        "XDS_ORGY": g.orgy,
        "CLOSE_DISTANCE": panel.close_distance * 1000.0,
        "PHI": r.phi * DEGREES,
        "OSC_START": r.phi * DEGREES,
        "OSC_RANGE": r.oscillation * DEGREES,
        "TWOTHETA": g.twotheta * DEGREES,
    }
    lines = [
        "{",
        f"HEADER_BYTES={size};",
        "DIM=2;",
        f"BYTE_ORDER={sys.byteorder}_endian;",
        "TYPE=unsigned_short;",
        f"SIZE1={nfast};",
        f"SIZE2={nslow};",
    ]
    for key, number in numbers.items():
        if isinstance(number, tuple):  # nanoBragg.c ends this line without a semicolon
            lines.append(f"{key}={','.join(f'{component:g}' for component in number)}")
        else:
            lines.append(f"{key}={number:g};")
    return "\n".join([*lines, "DETECTOR_SN=000;", "BEAMLINE=fake;", "}\f"]).encode("ascii")


def write(path: str | os.PathLike[str], pixels: ArrayLike, resolved: Resolved) -> None:
    """Write ``pixels`` (slow, fast) as uint16: 65535 for what is above it, and negative ones wrap around, as in
    nanoBragg.c. Raises :class:`InputError` when the file cannot be written.
    """
    whole = np.asarray(pixels)
    if whole.dtype != np.uint16:
        whole = np.minimum(whole, 65535)
    data = np.ascontiguousarray(whole, dtype=np.uint16)
    with atomic_write(path) as file:
        file.write(smv_header(resolved))
        file.write(data.data)
