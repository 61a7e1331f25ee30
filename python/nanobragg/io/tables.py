"""Tables of reflections as files: HDF5, NumPy, CSV (``specs/formats.md``)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from nanobragg.errors import InputError
from nanobragg.io.support.atomic import atomic_path, atomic_write
from nanobragg.io.support.extras import need

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
}


TABLES = (".h5", ".csv", ".npy", ".hdf5")
"""Extensions of tables."""


def write_truth(path: str | os.PathLike[str], table: NDArray[Any]) -> None:
    """Write the table as HDF5: ``/truth``, one dataset a column, which pandas and h5py open; ``.npy`` and ``.csv`` too.

    Raises :class:`InputError` for another extension, and when the file cannot be written.
    """
    write = {".npy": _write_numpy, ".csv": _write_csv}.get(check_truth_name(os.fspath(path)), _write_hdf5)
    write(path, table)


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

    h5py = need("h5py", os.fspath(path))
    with atomic_path(path) as temporary, h5py.File(temporary, "w") as file:
        group = file.create_group("truth")
        for column in table.dtype.names or ():
            dataset = group.create_dataset(column, data=np.ascontiguousarray(table[column]))
            if column in UNITS:
                dataset.attrs["units"] = UNITS[column]


def check_truth_name(name: str) -> str:
    """The extension. Raises :class:`InputError` for one that is not known."""
    extension = os.path.splitext(name)[1].lower()
    if extension not in TABLES:
        raise InputError(f"-truthfile: found {name!r}, expected a name that ends in .h5, .csv or .npy")
    return extension
