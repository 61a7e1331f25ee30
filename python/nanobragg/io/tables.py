"""Tables of reflections as files: HDF5, NumPy, CSV (``specs/formats.md``)."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from nanobragg.errors import InputError
from nanobragg.io.support.atomic import atomic_write
from nanobragg.io.support.extras import need
from nanobragg.io.support.hdf5_file import new_hdf5

if TYPE_CHECKING:
    from numpy.typing import NDArray

UNITS = {
    "fast": "pixels, centre of the first pixel at 0.5",
    "slow": "pixels, centre of the first pixel at 0.5",
    "phi": "degrees, where the reflection is nearest to the Ewald sphere",
    "d": "angstrom",
    "two_theta": "degrees",
    "distance_to_ewald": "1/angstrom, least over the rotation, positive outside the sphere",
    "F": "electrons",
    "partiality": "of the lattice transform's peak at the nearest approach",
    "intensity": "photons of the noiseless image over the footprint, background taken off",
    "background": "photons per pixel around the footprint",
    "pixels": "pixels of the footprint",
    "overlap": "the footprint touches another reflection's",
    "panel": "number of the panel, from 0; fast and slow are on it",
    "slab_fast": "pixels, likewise, in the file's array",
    "slab_slow": "pixels, likewise, in the file's array",
}


def write_truth(path: str | os.PathLike[str], table: NDArray[Any]) -> None:
    """Write the table as its extension says: HDF5 has ``/truth``, one dataset a column, which pandas and h5py open.

    Raises :class:`InputError` for another extension, and when the file cannot be written.
    """
    write, _ = _format_of("-truthfile", os.fspath(path))
    write(path, table)


def check_table(what: str, path: str | os.PathLike[str]) -> None:
    """Find out before the work whether the extension is known and its packages are there.

    Raises :class:`InputError` naming ``what``, the option.
    """
    _, packages = _format_of(what, os.fspath(path))
    for package in packages:
        need(package, what)


def _format_of(what: str, name: str) -> tuple[Callable[[str | os.PathLike[str], NDArray[Any]], None], tuple[str, ...]]:
    extension = os.path.splitext(name)[1].lower()
    if extension not in TABLES:
        raise InputError(f"{what}: found {name!r}, expected a name that ends in .h5, .csv or .npy")
    return TABLES[extension]


def _write_numpy(path: str | os.PathLike[str], table: NDArray[Any]) -> None:
    import numpy as np

    with atomic_write(path) as file:
        np.save(file, table)


def _write_csv(path: str | os.PathLike[str], table: NDArray[Any]) -> None:
    with atomic_write(path) as file:
        file.write((",".join(table.dtype.names or ()) + "\n").encode())
        for row in table.tolist():
            file.write((",".join(f"{int(v) if isinstance(v, bool) else v!r}" for v in row) + "\n").encode())


def _write_hdf5(path: str | os.PathLike[str], table: NDArray[Any]) -> None:
    import numpy as np

    with new_hdf5(path) as file:
        group = file.create_group("truth")
        for column in table.dtype.names or ():
            dataset = group.create_dataset(column, data=np.ascontiguousarray(table[column]))
            if column in UNITS:
                dataset.attrs["units"] = UNITS[column]


TABLES = {
    ".h5": (_write_hdf5, ("h5py",)),
    ".csv": (_write_csv, ()),
    ".npy": (_write_numpy, ()),
    ".hdf5": (_write_hdf5, ("h5py",)),
}
"""By extension, what writes the table and the packages that it needs."""
