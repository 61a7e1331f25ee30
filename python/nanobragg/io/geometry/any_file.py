"""Geometry that image and experiment files tell of: what ``-img`` and ``-mask`` take from anything but SMV
(``specs/formats.md``).
"""

from __future__ import annotations

import os
import re

import numpy as np

from nanobragg.errors import InputError
from nanobragg.io.geometry.fabio_image import begins_as_smv, read_fabio_geometry, read_fabio_image
from nanobragg.io.geometry.types import FileGeometry
from nanobragg.io.support.atomic import read_bytes

_JSON = re.compile(rb"\s*\{\s*[\"}]")
_HDF5 = b"\x89HDF\r\n\x1a\n"


def is_smv(path: str | os.PathLike[str]) -> bool:
    """Whether ``path`` is read as SMV: it is, or it is no regular file (a pipe is read only once)."""
    name = os.fspath(path)
    if os.path.exists(name) and not os.path.isfile(name):
        return True
    return begins_as_smv(name)


def read_file_geometry(path: str | os.PathLike[str], *, mask: bool = False) -> FileGeometry:
    """What a DIALS experiment list, a NeXus file, or an image of any format that fabio knows, tells.

    Args:
        path: the file.
        mask: its pixels are wanted, too.

    Raises:
        InputError: when it is none of these, or says what cannot be used.

    """
    found = _read(os.fspath(path), mask)
    _check(found)
    return found


def _check(found: FileGeometry) -> None:
    """Numbers that no experiment has."""
    numbers = {
        "pixel size (mm)": found.pixel_size,
        "distance (mm)": found.distance,
        "wavelength (Å)": found.wavelength,
    }
    for what, value in numbers.items():
        if value is not None and not 0.0 < value < 1e6:
            raise InputError(f"{found.name}: found a {what} of {value:g}, expected a positive number")
    if not (0 < found.nfast < 1_000_000 and 0 < found.nslow < 1_000_000):
        raise InputError(f"{found.name}: found {found.nfast} x {found.nslow} pixels, expected an image")
    rest = [found.phi, found.oscillation, found.polarization, *(found.centre or ())]
    if not all(value is None or abs(value) < 1e9 for value in rest):
        raise InputError(f"{found.name}: found angles or a beam centre that are not finite, expected finite numbers")
    axes = found.real_space
    if axes is not None and not ((np.abs(axes) < 1e6).all() and abs(np.linalg.det(axes)) > 1e-6):
        raise InputError(f"{found.name}: found crystal axes {axes.tolist()}, expected three that span a cell (Å)")
    v = found.vectors
    for vector in () if v is None else (v.origin, v.fast, v.slow, v.beam, v.polarization, v.spindle):
        if vector is not None and not all(abs(x) < 1e9 for x in vector):
            raise InputError(f"{found.name}: found the vector {vector}, expected finite numbers")


def _read(name: str, mask: bool) -> FileGeometry:
    beginning = read_bytes(name, 4096)
    if _JSON.match(beginning):
        from nanobragg.io.geometry.dials import read_experiment_list

        if mask:
            raise InputError(f"-mask: found {name}, which is no image, expected one")
        return read_experiment_list(name)
    if beginning.startswith(_HDF5):
        from nanobragg.io.geometry.nexus import read_nexus_geometry

        pixels = read_fabio_image(name).data if mask else None
        return read_nexus_geometry(name, pixels)
    return read_fabio_geometry(name, mask=mask)
