"""Geometry that image and experiment files tell of: what ``-img`` and ``-mask`` take from anything but SMV
(``specs/formats.md``).
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from nanobragg.errors import InputError
from nanobragg.io.geometry.data_set import parted, read_data_set
from nanobragg.io.geometry.fabio_image import begins_as_smv, read_fabio_geometry, read_fabio_image
from nanobragg.io.geometry.types import FileGeometry
from nanobragg.io.support.apart import read_apart
from nanobragg.io.support.atomic import read_bytes
from nanobragg.io.support.extras import need

_JSON = re.compile(r"\s*\{\s*[\"}]")
_BLOCKS = re.compile(rb"\s*\[\s*\{[^{}]*\"DataBlock\"")
_HDF5 = b"\x89HDF\r\n\x1a\n"
_CRYSTFEL = re.compile(rb"^[ \t]*(?:[^\s;=/]+/)?(?:corner_x|min_fs|max_fs)[ \t]*=", re.MULTILINE)
_BEGINNING = 65536


class Wanted(NamedTuple):
    """What the options say that decides what is read of a file with more than one answer."""

    experiment: int | None = None
    """number of an experiment in a list, from 0"""
    phi: float | None = None
    """degrees, where the image starts"""
    oscillation: float | None = None
    clen: float | None = None
    """mm, CrystFEL's camera length"""
    data: str | None = None
    """CrystFEL's data file"""
    version: tuple[object, ...] | None = None
    """What tells the data file from what it was before"""


def is_smv(path: str | os.PathLike[str]) -> bool:
    """Whether ``path`` is read as SMV: it is, or it is no regular file (a pipe is read only once)."""
    name = os.fspath(path)
    if os.path.exists(name) and not os.path.isfile(name):
        return True
    return begins_as_smv(parted(name)[0])


def read_file_geometry(
    path: str | os.PathLike[str], *, mask: bool = False, wanted: Wanted | None = None
) -> FileGeometry:
    """What a DIALS experiment list, a NeXus file, a CrystFEL geometry, or an image that fabio knows, tells.

    Args:
        path: the file.
        mask: its pixels are wanted, too.
        wanted: which experiment, at which angle, how far away.

    Raises:
        InputError: when it is none of these. What a file says that cannot be used is in ``FileGeometry.bad``.

    """
    return _checked(_read(os.fspath(path), mask, wanted or Wanted()))


def _checked(found: FileGeometry) -> FileGeometry:
    """Without numbers that no experiment has; they are in ``bad`` then."""
    bad = dict(found.bad)

    def wrong(field: str, sentence: str) -> None:
        bad.setdefault(field, f"{found.name}: found {sentence}")

    for field, what in (("pixel_size", "pixel size (mm)"), ("wavelength", "wavelength (Å)"), ("distance", "distance")):
        value = getattr(found, field)
        upstream = field == "distance" and found.vectors is not None
        if value is not None and not (0.0 < (abs(value) if upstream else value) < 1e6):
            wrong(field, f"a {what} of {value:g}, expected a positive number")
    counts = (1 if found.nfast is None else found.nfast, 1 if found.nslow is None else found.nslow)
    if not (min(counts) > 0 and max(counts) < 1_000_000):
        wrong("shape", f"{found.nfast} x {found.nslow} pixels, expected an image")
    for field in ("phi", "oscillation", "polarization", "centre"):
        value = getattr(found, field)
        if value is not None and not (np.abs(value) < 1e9).all():
            wrong(field, f"{value} for {field}, expected finite numbers")
    axes = found.real_space
    if axes is not None and not ((np.abs(axes) < 1e6).all() and abs(np.linalg.det(axes)) > 1e-6):
        wrong("crystal", f"crystal axes {axes.tolist()}, expected three that span a cell (Å)")
    v = found.vectors
    for vector in () if v is None else (v.origin, v.fast, v.slow, v.beam, v.polarization, v.spindle):
        if vector is not None and not all(abs(x) < 1e9 for x in vector):
            raise InputError(f"{found.name}: found the vector {vector}, expected finite numbers")
    return _without(found, bad)


_FIELDS_OF = {"crystal": ("real_space",), "shape": ("nfast", "nslow"), "wavelength": ("wavelength", "spectrum")}


def _without(found: FileGeometry, bad: dict[str, str]) -> FileGeometry:
    """What is bad is not said."""
    if not bad:
        return found
    names = {name for field in bad for name in _FIELDS_OF.get(field, (field,)) if hasattr(found, name)}
    return replace(found, bad=bad, **dict.fromkeys(names))  # type: ignore[arg-type]


def _read(name: str, mask: bool, wanted: Wanted) -> FileGeometry:
    name, inside = parted(name) if mask else (name, "")
    beginning = read_bytes(name, _BEGINNING)
    if inside and not beginning.startswith(_HDF5):
        raise InputError(f"-mask: found {inside} of {name}, expected a data set of an HDF5 file")
    # A byte-order mark, or zeros, tell the encoding of JSON.
    if _JSON.match(beginning.decode(json.detect_encoding(beginning), "ignore")):
        from nanobragg.io.geometry.dials import read_experiment_list

        _no_mask(name, mask)
        return read_experiment_list(name, experiment=wanted.experiment, phi=wanted.phi, oscillation=wanted.oscillation)
    if _BLOCKS.match(beginning):
        raise InputError(f"{name}: found a DataBlock of DIALS before 2.0, expected an experiment list (dials.import)")
    if beginning.startswith(_HDF5):
        need("h5py", name)
        return read_apart(name, lambda: read_data_set(name, inside) if inside else _read_hdf5(name, mask))
    if _CRYSTFEL.search(beginning) and b"\0" not in beginning:
        from nanobragg.io.geometry.crystfel import read_crystfel_geometry

        _no_mask(name, mask)
        return read_crystfel_geometry(name, clen=wanted.clen, data=wanted.data)
    need("fabio", name)
    return read_apart(name, lambda: read_fabio_geometry(name, mask=mask))


def _read_hdf5(name: str, mask: bool) -> FileGeometry:
    from nanobragg.io.geometry.hdf5 import NoDetector
    from nanobragg.io.geometry.nexus import read_nexus_geometry

    try:
        found = read_nexus_geometry(name, stack=mask)
    except NoDetector:
        if not mask:
            raise
        return read_data_set(name)
    if not mask or found.pixels is not None:
        return found
    image, doubts = read_fabio_image(name)
    return replace(found, pixels=np.asarray(image.data), warnings=(*doubts, *found.warnings))


def _no_mask(name: str, mask: bool) -> None:
    if mask:
        raise InputError(f"-mask: found {name}, which is no image, expected one")
