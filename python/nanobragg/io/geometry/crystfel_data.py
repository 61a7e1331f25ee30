"""What a CrystFEL geometry leaves to its data file: camera length, energy and shifts (``specs/formats.md``)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from nanobragg.errors import InputError
from nanobragg.io.geometry.crystfel_text import GeometryText, Keys, Value, is_path
from nanobragg.io.support.apart import read_apart
from nanobragg.io.support.extras import need

if TYPE_CHECKING:
    from numpy.typing import NDArray

_UNITS = {
    "clen": "mm",
    "photon_energy": "eV",
    "wavelength": "m",
    "electron_voltage": "V",
    "detector_shift_x": "m",
    "detector_shift_y": "m",
}
"""Keys whose values may be in a data file, and the unit of one that has none; a camera length there is in mm."""


def read_array(path: str, data: str) -> NDArray[Any]:
    """A dataset of an HDF5 file. Raises :class:`InputError` where there is none that can be read."""
    h5py = need("h5py", path)

    def read() -> NDArray[Any]:
        with h5py.File(path, "r") as file:
            return np.asarray(file[data][()])

    try:
        return read_apart(path, read)
    except InputError:
        raise
    except (OSError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise InputError(f"{path}: found no array {data} that can be read, expected one") from error


def with_data(name: str, said: GeometryText, data: str) -> GeometryText:
    """``said`` with numbers in place of their paths in a data file; of an array the first number.

    Args:
        name: the geometry, for errors.
        said: what it says.
        data: the HDF5 file.

    Raises:
        InputError: naming file, line and key, for what is not there or is no number.

    """
    known: dict[str, float] = {}

    def number(path: str, key: str, line: int) -> float:
        if path not in known:
            found = read_array(data, path).ravel()
            value = float(found[0]) if found.size and found.dtype.kind in "iuf" else math.nan
            if not math.isfinite(value):
                raise InputError(f"{data}: found no number at {path}, expected the {key} of {name}, line {line}")
            known[path] = value
        return known[path]

    return said._replace(
        top=_filled(said.top, number), panels={owner: _filled(keys, number) for owner, keys in said.panels.items()}
    )


def _filled(keys: Keys, number: Callable[[str, str, int], float]) -> Keys:
    filled = dict(keys)
    for key, unit in _UNITS.items():
        value = keys.get(key)
        if value is not None and is_path(value):
            path, *words = value.text.split()
            filled[key] = Value(f"{number(path, key, value.line)!r} {words[0] if words else unit}", value.line)
    return filled
