"""Geometry from the headers of images that fabio reads, and their pixels (``specs/formats.md``).

Files on which fabio would hang, crash or write beyond its memory are refused before it sees them.
"""

from __future__ import annotations

import os
import re
import struct
from importlib import import_module
from io import BytesIO
from typing import Any

import numpy as np

from nanobragg.errors import InputError
from nanobragg.io.geometry.detector_headers import Fields, dtrek_fields, header_fields, marccd_fields
from nanobragg.io.geometry.imgcif import imgcif_fields, is_imgcif
from nanobragg.io.geometry.pilatus import pilatus_header
from nanobragg.io.geometry.types import FileGeometry
from nanobragg.io.images.smv import read_smv_header
from nanobragg.io.support.atomic import read_bytes
from nanobragg.io.support.extras import need
from nanobragg.io.support.quiet import quiet

_SMV = re.compile(rb"\{\s*HEADER_BYTES\s*=")
_DTREK = re.compile(rb"[;{\n][ \t\r]*DETECTOR_NAMES[ \t]*=")
_PIXEL_SIZE = re.compile(rb"[;{\n][ \t\r]*PIXEL_SIZE[ \t]*=")
_SMV_BEGINNING = 16384
"""bytes of a header, in which the key that tells d*TREK from SMV is looked for"""
_MAR345 = (b"\x2d\x04", b"\xd2\x04", b"\x04\x2d", b"\x04\xd2")
_PCK = re.compile(rb"CCP4 packed image(?: V2)?, X: *(\d{1,5}), Y: *(\d{1,5})")
_BITS = (0, 4, 5, 6, 7, 8, 16, 32)
_BITS_LATER = (0, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 32)
"""Bits of a packed pixel by the code in its block; the later ones are those of V2."""
_LARGEST_CBF_HEADER = 65536
"""bytes"""
_CBF_SECTION = b"--CIF-BINARY-FORMAT-SECTION--"
_HEADER_LINE = re.compile(rb"^(?:#[ \t]*[A-Za-z]|[ \t]*[A-Z]).*", re.MULTILINE)


def begins_as_smv(path: str | os.PathLike[str]) -> bool:
    """Whether the file is SMV. d*TREK's files begin as SMV's do, with other keys: they are not."""
    beginning = read_bytes(path, _SMV_BEGINNING)
    return _SMV.match(beginning) is not None and not _is_dtrek(beginning)


def _is_dtrek(beginning: bytes) -> bool:
    header = beginning.partition(b"}")[0]
    return _SMV.match(header) is not None and bool(_DTREK.search(header)) and not _PIXEL_SIZE.search(header)


def read_fabio_geometry(name: str, *, mask: bool) -> FileGeometry:
    """What the header of an image tells; with its pixels where they are wanted as a ``mask``.

    Raises :class:`InputError` as :func:`read_fabio_image` does, and for a header that says what cannot be used.
    """
    image, doubts = read_fabio_image(name, pixels=mask)
    from nanobragg.io.factors.kinds import unpacked_beginning

    fields: Fields
    kind = type(image).__name__.removesuffix("Image")
    nslow, nfast = image.shape
    beginning = read_bytes(name, _SMV_BEGINNING)
    marccd = marccd_fields(name, beginning, (int(nslow), int(nfast)))
    if marccd is not None:
        kind, fields = "MarCCD", marccd
    elif kind == "Cbf":
        header = unpacked_beginning(name).partition(_CBF_SECTION)[0]
        imgcif = is_imgcif(header)
        kind = "imgCIF" if imgcif else kind
        shape = (int(nslow), int(nfast))
        fields = imgcif_fields(name, header, shape) if imgcif else pilatus_header(name, _cbf_lines(header))
    elif kind == "Pilatus":
        fields = pilatus_header(name, "\n".join(f"# {key} {value}" for key, value in image.header.items()))
    elif _is_dtrek(beginning):
        kind, fields = "d*TREK", dtrek_fields(name, read_smv_header(name))
    else:
        fields = header_fields(name, kind, image.header)
    size: Fields = {"nfast": int(nfast), "nslow": int(nslow)}
    return FileGeometry(
        name=name,
        kind=kind,
        pixels=np.asarray(image.data) if mask else None,
        **size | fields | {"warnings": (*doubts, *fields.get("warnings", ()))},
    )


def read_fabio_image(name: str, *, pixels: bool = True) -> tuple[Any, list[str]]:
    """The image, and what libraries have to say of it; of a mar345 the header only where its ``pixels`` are not wanted:
    fabio crashes on damaged ones.

    Raises :class:`InputError` when it is no image of two dimensions.
    """
    fabio = need("fabio", name)
    _quiet()
    cbf = _checked_cbf(name)
    mar345 = _is_mar345(name)
    if mar345 and pixels:
        _check_mar345(name)
    try:
        with quiet() as said:
            if cbf is not None:
                image = import_module("fabio.cbfimage").CbfImage().read(BytesIO(cbf))
            else:
                image = fabio.openheader(name) if mar345 and not pixels else fabio.open(name)
            if len(image.shape) != 2 or (pixels and (np.ndim(image.data) != 2 or not np.size(image.data))):
                raise ValueError("no image of two dimensions")
    except Exception as error:  # fabio raises whatever its many readers do
        raise InputError(
            f"{name}: found no image that can be read, expected SMV, CBF, HDF5, TIFF or another format that fabio reads"
        ) from error
    return image, [f"{name}: {' '.join(sentence.split())[:200]}" for sentence in dict.fromkeys(said)]


def _quiet() -> None:
    """What fabio logs would stand on stderr, and not say of which file it is."""
    import logging

    logger = logging.getLogger("fabio")
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())


def _checked_cbf(name: str) -> bytes | None:
    """What fabio is given of a CBF; ``None`` for other files. One without pixels is refused: fabio would look for their
    beginning for ever. The lines of a PILATUS have another name then, since fabio refuses an image for one bad number.
    """
    from nanobragg.io.factors.kinds import read_unpacked

    if ".cbf" not in os.path.basename(name).lower() and read_bytes(name, 3) != b"###":
        return None
    content = read_unpacked(name)
    section = content.find(_CBF_SECTION, 0, _LARGEST_CBF_HEADER)
    if section < 0 or content.find(b"\x0c\x1a\x04\xd5", section) < 0:
        raise InputError(f"{name}: found no binary section, expected a CBF image")
    if is_imgcif(content[:section]):  # fabio knows no loop of images, and reads 8 KiB of a header
        return b"###CBF: VERSION 1.5\r\n\r\ndata_image\r\n\r\n_array_data.data\r\n;\r\n" + content[section:]
    header = content[:section].replace(b"_array_data.header_contents", b"_array_data.header_lines")
    return header + content[section:]


def _is_mar345(name: str) -> bool:
    """Whether fabio takes the file for a mar345, by two bytes or by its name."""
    return read_bytes(name, 2) in _MAR345 or re.search(r"\.mar\d{4}", os.path.basename(name).lower()) is not None


def _check_mar345(name: str) -> None:
    """Refuse a mar345 whose packed pixels are not those of its header: fabio would write beyond its memory."""
    from nanobragg.io.factors.kinds import read_unpacked

    content = read_unpacked(name)
    order = "<" if content.startswith(b"\xd2") else ">"
    magic, width, high, _, _, count = struct.unpack_from(f"{order}6i", content.ljust(24, b"\0"))
    if magic != 1234:
        raise InputError(f"{name}: found no header of a mar345 image, expected one")
    packed = _PCK.search(content, 4096)
    records = 4096 + 64 * -(-high // 8)
    if packed is None or not 0 <= high <= count or packed.start() not in range(records, records + 2):
        raise InputError(f"{name}: found no packed pixels behind {high} high ones, expected a mar345 image")
    if width <= 0 or (int(packed[1]), int(packed[1]) * int(packed[2])) != (width, count):
        raise InputError(f"{name}: found {count} pixels in the header, expected {int(packed[1])} x {int(packed[2])}")
    found = _packed_pixels(content[content.find(b"\n", packed.end()) + 1 :], count, later=packed[0].find(b"V2") > 0)
    if found != count:
        raise InputError(f"{name}: found {found} packed pixels, expected {count}")


def _packed_pixels(packed: bytes, wanted: int, *, later: bool) -> int:
    """The pixels of blocks until ``wanted`` are there. A block begins with the logarithm of their number and the code
    of their bits (J. P. Abrahams; in CCP4's pack_c.c).
    """
    width, bits = (4, _BITS_LATER) if later else (3, _BITS)
    mask, pixels, place, end = (1 << width) - 1, 0, 0, 8 * len(packed)
    packed += b"\0\0"
    while pixels < wanted and place < end:
        byte = place >> 3
        head = (packed[byte] | packed[byte + 1] << 8) >> (place & 7)
        size = 1 << (head & mask)
        pixels += size
        place += 2 * width + size * bits[head >> width & mask]
    return pixels if place <= end else 0


def _cbf_lines(header: bytes) -> str:
    """The lines of a miniCBF's header, whatever item they stand in: not all programs spell it as others do."""
    return b"\n".join(line.strip() for line in _HEADER_LINE.findall(header)).decode("latin-1")
