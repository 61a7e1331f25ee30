"""What a file of structure factors is, by its content (``specs/formats.md``). Cheap: no NumPy, no gemmi."""

from __future__ import annotations

import codecs
import gzip
import os
import re
import zlib
from dataclasses import dataclass
from typing import Literal

from nanobragg.errors import InputError
from nanobragg.io.support.atomic import read_bytes

FileKind = Literal["text", "mtz", "reflections", "model", "shelx", "xds", "crystfel", "scalepack"]

GZIP_MAGIC = b"\x1f\x8b"
_BEGINNING = 65536
_PDB_RECORDS = re.compile(
    rb"(HEADER|CRYST1|REMARK|TITLE|ATOM  |HETATM|COMPND|AUTHOR|MODEL |SEQRES|ORIGX|SCALE|EXPDTA|OBSLTE|SPLIT|CAVEAT)"
)
_CIF_START = re.compile(rb"data_\S", re.IGNORECASE)
_CIF_REFLECTIONS = re.compile(rb"^[ \t]*_(diffrn_)?refln[._]index_h", re.IGNORECASE | re.MULTILINE)
_CIF_LIST = re.compile(rb"^[ \t]*_shelx_hkl_file", re.IGNORECASE | re.MULTILINE)
_CIF_ATOMS = re.compile(rb"^[ \t]*_atom_site[._](fract|cartn)_x", re.IGNORECASE | re.MULTILINE)
_CRYSTFEL = re.compile(rb"CrystFEL reflection list|\s*h\s+k\s+l\s+I\s", re.IGNORECASE)
_SCALEPACK_MERGED = re.compile(rb"\s*1\s{0,80}\n\s{0,80}-98[57]\s{0,80}\n(\s+[\d.]+){6}\s")
_SCALEPACK_UNMERGED = re.compile(rb"\s*\d+ +[A-Za-z][^\n]*\n(\s+-?[01]){9}\s*\n", re.IGNORECASE)
_SHELX_LINE = rb"[ \d-]{3}\d[ \d-]{3}\d[ \d-]{3}\d[ \d.+-]{7}[\d.][ \d.+-]{7}[\d.][^\n]{0,52}\n"
_SHELX_TABLE = re.compile(rb"(?:" + _SHELX_LINE + rb"|[ \t]*\n)+")
_SHELX_END = re.compile(rb"^   0   0   0 *0?\.0+ *0?\.0+ *(?: \d+ *)?\r?$", re.MULTILINE)
_TOUCHING = re.compile(rb"^(?:.{4}|.{8}|.{12}|.{20})[^ \n]", re.MULTILINE)
_EXTENSIONS: dict[str, FileKind] = {".mtz": "mtz", ".pdb": "model", ".ent": "model"}
_OTHERS = (
    (re.compile(rb"\s*(\{[^\n{}]*\}\s*)*(NREF|INDE|ANOM)\w*[ =]", re.IGNORECASE), "CNS reflections"),
    (re.compile(rb"!OUTPUT_FILE=INTEGRATE\.HKL"), "XDS's INTEGRATE.HKL, which CORRECT makes an XDS_ASCII.HKL of"),
    (re.compile(rb"\x89HDF\r\n"), "an HDF5 file"),
    (re.compile(rb".{0,32}dials::af::reflection_table", re.DOTALL), "a DIALS table of reflections"),
    (re.compile(rb"\x93NUMPY"), "a NumPy array"),
)


@dataclass(frozen=True)
class Format:
    """How reflections of one kind of file are read."""

    described: str
    reader: str
    """module and function"""
    cell: bool
    """Whether such a file holds a unit cell."""


_HERE = "nanobragg.io.factors"
FORMATS: dict[FileKind, Format] = {
    "mtz": Format("MTZ", f"{_HERE}.mtz:read_mtz", cell=True),
    "reflections": Format("CIF", f"{_HERE}.cif_reflections:read_cif", cell=True),
    "shelx": Format("SHELX HKLF", f"{_HERE}.shelx:read_shelx", cell=False),
    "xds": Format("XDS_ASCII", f"{_HERE}.xds:read_xds", cell=True),
    "crystfel": Format("CrystFEL", f"{_HERE}.crystfel:read_crystfel", cell=False),
    "scalepack": Format("Scalepack", f"{_HERE}.scalepack:read_scalepack", cell=True),
}
"""Reflections that are merged, expanded and described; text lists and models have their own ways."""


def structure_factor_kind(path: str | os.PathLike[str], block: str | None = None) -> FileKind:
    """What ``path`` is: a text list ``h k l F``, reflections of one of the ``FORMATS``, or a model.

    Pipes are text lists: they can be read only once. ``block`` of a CIF decides by itself what the file is.

    Raises :class:`InputError` when the file cannot be read, or is one that needs to be converted first.
    """
    name = os.fspath(path)
    if os.path.exists(name) and not os.path.isfile(name):
        return "text"
    beginning = unpacked_beginning(name)
    if beginning.startswith(b"MTZ "):
        return "mtz"
    beginning = as_utf8(beginning)
    line = _first_line(beginning)
    stem = name[:-3] if name.lower().endswith(".gz") else name
    extension = os.path.splitext(stem)[1].lower()
    if _CIF_START.match(line) or extension in (".cif", ".mmcif"):
        return _cif_kind(name, block)
    if _PDB_RECORDS.match(line):
        return "model"
    for pattern, described in _OTHERS:
        if pattern.match(beginning):
            raise InputError(
                f"{name}: found {described}, expected structure factors (convert it to MTZ, CIF or lines h k l F)"
            )
    return _text_kind(name, beginning) or _EXTENSIONS.get(extension, "text")


def read_unpacked(path: str | os.PathLike[str]) -> bytes:
    """The content, decompressed if it is gzip. Raises :class:`InputError` when it cannot be read."""
    data = read_bytes(path)
    if not data.startswith(GZIP_MAGIC):
        return data
    try:
        return gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{os.fspath(path)}: found damaged gzip data ({error}), expected structure factors") from error


def unpacked_beginning(name: str) -> bytes:
    """Its beginning, decompressed if it is gzip: 64 KiB at most, and nothing where that is damaged."""
    data = read_bytes(name, _BEGINNING)
    if not data.startswith(GZIP_MAGIC):
        return data
    try:
        return zlib.decompressobj(wbits=31).decompress(data, _BEGINNING)
    except zlib.error:
        return b""  # whoever reads the file says what is wrong with it


def read_text(path: str | os.PathLike[str]) -> str:
    """The content of a file, unpacked, as text; what is no UTF-8 becomes a replacement character."""
    return as_utf8(read_unpacked(path)).decode("utf-8", errors="replace")


def as_utf8(data: bytes) -> bytes:
    """Text without its byte-order mark, from UTF-16 where the mark says so."""
    if data.startswith(codecs.BOM_UTF8):
        return data[len(codecs.BOM_UTF8) :]
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", errors="replace").encode()
    return data


def shelx_lines(data: bytes) -> list[bytes] | None:
    """The lines of a SHELX HKLF file, without what ends them; ``None`` for anything else.

    Such a list has columns of fixed width (3I4, 2F8, I4). What tells it from lines h k l F is the reflection 0 0 0 at
    its end, or columns that touch.
    """
    end = _SHELX_END.search(data)
    table = (data[: end.start()] if end else data).replace(b"\r\n", b"\n").strip(b"\n") + b"\n"
    if not _SHELX_TABLE.fullmatch(table) or not (end or _TOUCHING.search(table)):
        return None
    return [line for line in table.split(b"\n") if line.strip()]


def _text_kind(name: str, beginning: bytes) -> FileKind | None:
    if beginning.startswith(b"!FORMAT=XDS_ASCII"):
        return "xds"
    if _CRYSTFEL.match(beginning):
        return "crystfel"
    if _SCALEPACK_MERGED.match(beginning) or _SCALEPACK_UNMERGED.match(beginning):
        return "scalepack"
    first = next((line for line in beginning.splitlines() if line.strip()), b"")
    if _SHELX_TABLE.fullmatch(first.rstrip() + b"\n") and shelx_lines(as_utf8(read_unpacked(name))) is not None:
        return "shelx"
    return None


def _first_line(data: bytes) -> bytes:
    """The first line that is neither blank nor a comment."""
    lines = (line.strip() for line in data.splitlines())
    return next((line + b"  " for line in lines if line and not line.startswith(b"#")), b"")


def _cif_kind(name: str, block: str | None) -> FileKind:
    """A CIF holds atoms, or reflections; one with both is a model, unless a block is chosen."""
    content = as_utf8(read_unpacked(name))
    if block is not None:
        content = _block_of(content, block)
    if _CIF_ATOMS.search(content):
        return "model"
    if _CIF_REFLECTIONS.search(content) or _CIF_LIST.search(content):
        return "reflections"
    raise InputError(f"{name}: found a CIF without atoms and reflections, expected a model or structure factors")


def _block_of(content: bytes, block: str) -> bytes:
    """The text from ``data_block`` to the next one; all of it where there is none (whoever reads it says so)."""
    wanted = block.lower().removeprefix("data_").encode()
    starts = [*re.finditer(rb"^[ \t]*data_(\S+)", content, re.IGNORECASE | re.MULTILINE)]
    for number, start in enumerate(starts):
        if start[1].lower() == wanted:
            return content[start.start() : starts[number + 1].start() if number + 1 < len(starts) else None]
    return content
