"""SMV images as nonBragg.c and noisify.c read and write them (``specs/nonbragg.md``, ``specs/noisify.md``)."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from nanobragg.errors import InputError
from nanobragg.io.images.smv import exact_keys
from nanobragg.io.support.atomic import atomic_write, read_bytes
from nanobragg.maths.c_numbers import leading_real
from nanobragg.records.record import Record

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MAGIC = b"{\nHEADER_BYT"
_BLOCK = 512
_LARGEST_HEADER = 1 << 20
_LARGEST_SIDE = 1 << 20


class CompanionHeader(Record):
    """The header of an SMV file, whose keys are found as the originals find them."""

    name: str
    """The file."""
    raw: bytes
    """The header, as many bytes as it says."""
    substring: bool
    """A key is the last substring that matches (quirk header_substring); else the exact key."""
    nfast: int
    nslow: int

    def value(self, key: str) -> float | None:
        """The number after ``key``, 0 for what is none; ``None`` without the key."""
        return _value(self.raw, key, self.substring)

    def text(self, key: str) -> str | None:
        """The value of the exact key."""
        return exact_keys(self.raw.decode("latin-1")).get(key)

    def ambiguous(self, key: str) -> bool:
        """Whether the last substring that matches ``key`` has another number than the exact key, or that is missing."""
        return _value(self.raw, key, True) != _value(self.raw, key, False)


def _value(raw: bytes, key: str, substring: bool) -> float | None:
    text = raw.partition(b"\0")[0].decode("latin-1")
    if substring:
        _, found, after = text.rpartition(key)
        value = after.partition("=")[2] if found else None
    else:
        value = exact_keys(text).get(key)
    if value is None:
        return None
    read = leading_real(value)
    number = 0.0 if read is None else read[0]
    return None if number != number else number  # NaN: as if it were not there


def read_companion_header(path: str | os.PathLike[str], *, substring: bool) -> CompanionHeader:
    """The header of ``path``.

    Raises :class:`InputError` for a file that is no SMV image, or ends within its header.
    """
    name = os.fspath(path)
    data = read_bytes(path, _LARGEST_HEADER)
    if len(data) < _BLOCK:
        raise InputError(f"{name}: found {len(data)} bytes, expected an SMV header of at least {_BLOCK}")
    if not data.startswith(_MAGIC):
        raise InputError(f"{name}: found no SMV header, expected a file that starts with {{ and HEADER_BYTES=")
    said = _value(data[:_BLOCK], "HEADER_BYTES", substring) or 0.0
    size = int(min(max(said, 0.0), float(_LARGEST_HEADER)))
    if size < len(_MAGIC) or size > len(data):
        raise InputError(f"{name}: found HEADER_BYTES={size} in a file of {len(data)} bytes, expected a header's size")
    raw = data[:size]
    if b"BYTE_ORDER=" not in raw.partition(b"\0")[0]:
        raise InputError(f"{name}: found no BYTE_ORDER, expected little_endian or big_endian")
    sides = [_value(raw, key, substring) for key in ("SIZE1", "SIZE2")]
    if not sides[0]:
        sides = [_value(raw, "DETECTOR_DIMENSIONS", substring)] * 2
    whole = [int(side) if side is not None and 1.0 <= side < _LARGEST_SIDE else 0 for side in sides]
    if not all(whole):
        raise InputError(f"{name}: found SIZE1 and SIZE2 of {whole[0]} x {whole[1]}, expected numbers of pixels")
    return CompanionHeader(name=name, raw=raw, substring=substring, nfast=whole[0], nslow=whole[1])


def read_companion_pixels(header: CompanionHeader, *, as_said: bool) -> NDArray[np.uint16]:
    """The pixels (slow, fast) behind ``header``; missing ones are 0. ``as_said``: BYTE_ORDER is obeyed, not ignored."""
    data = read_bytes(header.name)
    count = header.nfast * header.nslow
    begin = len(header.raw) // 2 * 2  # counted in words of two bytes
    words = data[begin : begin + 2 * count].ljust(2 * count, b"\0")
    big = (header.text("BYTE_ORDER") or "") == "big_endian" if as_said else sys.byteorder == "big"
    return np.frombuffer(words, ">u2" if big else "<u2").astype(np.uint16).reshape(header.nslow, header.nfast)


def short_header(lines: Iterable[tuple[str, str]]) -> bytes:
    """A header of 512 bytes with ``lines`` of keys and values."""
    body = "".join(f"{key}={value};\n" for key, value in lines)
    return f"{{\n{body}}}\f".encode("latin-1").ljust(_BLOCK)


def image_lines(shape: tuple[int, int], kind: str) -> list[tuple[str, str]]:
    """The lines of a header that tell what the pixels are. ``kind``: TYPE."""
    return [
        ("HEADER_BYTES", str(_BLOCK)),
        ("DIM", "2"),
        ("BYTE_ORDER", f"{sys.byteorder}_endian"),
        ("TYPE", kind),
        ("SIZE1", str(shape[1])),
        ("SIZE2", str(shape[0])),
    ]


def write_with_header(path: str | os.PathLike[str], header: bytes, pixels: NDArray[np.integer] | None) -> None:
    """Write ``header`` and then ``pixels`` as they are. Raises :class:`InputError` when the file cannot be written."""
    with atomic_write(path) as file:
        file.write(header)
        if pixels is not None:
            file.write(np.ascontiguousarray(pixels).data)
