"""What a file of structure factors is, by its content (``specs/formats.md``). Cheap: no NumPy, no gemmi."""

from __future__ import annotations

import gzip
import os
import re
import zlib
from typing import Literal

from nanobragg.errors import InputError
from nanobragg.io.support.atomic import read_bytes

Kind = Literal["text", "mtz", "reflections", "model"]

GZIP_MAGIC = b"\x1f\x8b"
_BEGINNING = 65536
_PDB_RECORDS = re.compile(
    rb"(HEADER|CRYST1|REMARK|TITLE|ATOM  |HETATM|COMPND|AUTHOR|MODEL |SEQRES|ORIGX|SCALE|EXPDTA|OBSLTE|SPLIT|CAVEAT)"
)
_CIF_START = re.compile(rb"data_\S", re.IGNORECASE)
_CIF_REFLECTIONS = re.compile(rb"^\s*_refln[._]index_h", re.IGNORECASE | re.MULTILINE)
_CIF_ATOMS = re.compile(rb"^\s*_atom_site[._]", re.IGNORECASE | re.MULTILINE)
_EXTENSIONS: dict[str, Kind] = {".mtz": "mtz", ".pdb": "model", ".ent": "model"}


def structure_factor_kind(path: str | os.PathLike[str]) -> Kind:
    """Whether ``path`` is a text list ``h k l F``, an MTZ file, reflections in CIF, or a model to compute them from.

    Pipes are text lists: they can be read only once. Raises :class:`InputError` when the file cannot be read.
    """
    name = os.fspath(path)
    if os.path.exists(name) and not os.path.isfile(name):
        return "text"
    beginning = _beginning(name)
    if beginning.startswith(b"MTZ "):
        return "mtz"
    line = _first_line(beginning)
    if _CIF_START.match(line):
        return _cif_kind(name)
    if _PDB_RECORDS.match(line):
        return "model"
    stem = name[:-3] if name.lower().endswith(".gz") else name
    extension = os.path.splitext(stem)[1].lower()
    if extension in (".cif", ".mmcif"):
        return _cif_kind(name)
    return _EXTENSIONS.get(extension, "text")


def read_unpacked(path: str | os.PathLike[str]) -> bytes:
    """The content, decompressed if it is gzip. Raises :class:`InputError` when it cannot be read."""
    data = read_bytes(path)
    if not data.startswith(GZIP_MAGIC):
        return data
    try:
        return gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{os.fspath(path)}: found damaged gzip data ({error}), expected structure factors") from error


def _beginning(name: str) -> bytes:
    data = read_bytes(name, _BEGINNING)
    if not data.startswith(GZIP_MAGIC):
        return data
    try:
        return zlib.decompressobj(wbits=31).decompress(data, _BEGINNING)
    except zlib.error:
        return b""  # whoever reads the file says what is wrong with it


def _first_line(data: bytes) -> bytes:
    """The first line that is neither blank nor a comment."""
    lines = (line.strip() for line in data.splitlines())
    return next((line + b"  " for line in lines if line and not line.startswith(b"#")), b"")


def _cif_kind(name: str) -> Kind:
    """A CIF holds atoms, or reflections; one with both is a model."""
    content = read_unpacked(name)
    if _CIF_ATOMS.search(content):
        return "model"
    if _CIF_REFLECTIONS.search(content):
        return "reflections"
    raise InputError(f"{name}: found a CIF without atoms and reflections, expected a model or structure factors")
