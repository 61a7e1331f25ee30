"""Masks in HDF5 files that describe no detector: one data set of two dimensions (``specs/formats.md``)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from nanobragg.errors import InputError
from nanobragg.io.geometry.hdf5 import child
from nanobragg.io.geometry.types import FileGeometry
from nanobragg.io.support.extras import need

if TYPE_CHECKING:
    from numpy.typing import NDArray

_BAD_WHERE_SET = "pixel_mask"
"""NeXus' name of a mask whose pixels are bad where it is not 0."""
_DAMAGES = (OSError, KeyError, TypeError, ValueError, RuntimeError, AttributeError)


def parted(name: str) -> tuple[str, str]:
    """File and data set of ``file.h5:/path``; the data set is '' where none is said."""
    file, _, inside = name.partition(":/")
    return (file, f"/{inside}") if inside and os.path.isfile(file) and not os.path.exists(name) else (name, "")


def read_data_set(name: str, inside: str = "") -> FileGeometry:
    """The pixels of one data set: ``inside``, or the only one that has two dimensions (of more, each but two is 1).

    Raises :class:`InputError` for a file with none of them, or with several and none said.
    """
    need("hdf5plugin", name)
    h5py = need("h5py", name)
    try:
        with h5py.File(name, "r") as file:
            there = _of_two_dimensions(file)
            chosen = inside or (there[0] if len(there) == 1 else "")
            if chosen not in there and not (inside and _is_image(child(file, inside))):
                known = f" ({', '.join(there[:6])})" if there else ""
                what = f"no image {inside}" if inside else f"{len(there)} data sets of two dimensions"
                raise InputError(f"{name}: found {what}{known}, expected one (FILE:/PATH)")
            pixels = _pixels(file[chosen])
    except InputError:
        raise
    except _DAMAGES as error:
        raise InputError(f"{name}: found a damaged file, expected a mask in HDF5") from error
    bad = pixels != 0 if chosen.rsplit("/", 1)[1] == _BAD_WHERE_SET else None
    return FileGeometry(
        name=f"{name}:{chosen}",
        kind="HDF5",
        nfast=pixels.shape[1],
        nslow=pixels.shape[0],
        pixels=pixels if bad is None else np.ones(pixels.shape, np.uint8),
        bad_pixels=bad,
    )


def _is_image(item: Any) -> bool:
    shape = getattr(item, "shape", None) or ()
    kind = getattr(getattr(item, "dtype", None), "kind", "")
    return len(shape) >= 2 and min(shape) > 0 and set(shape[:-2]) <= {1} and kind in "biuf" and kind != ""


def _of_two_dimensions(file: Any) -> list[str]:
    found: list[str] = []
    file.visititems(lambda path, item: found.append(f"/{path}") if _is_image(item) else None)
    return sorted(found)


def _pixels(item: Any) -> NDArray[Any]:
    """(slow, fast)"""
    return np.asarray(item[(0,) * (item.ndim - 2)])
