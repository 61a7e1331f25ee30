"""HDF5 files, written whole or not at all."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Any

from nanobragg.io.support.atomic import atomic_write
from nanobragg.io.support.extras import need


@contextlib.contextmanager
def new_hdf5(path: str | os.PathLike[str]) -> Iterator[Any]:
    """An h5py.File to be filled; the file appears, or changes, only when the block ends without an error.

    Raises :class:`InputError` when h5py is not installed, the file cannot be written, or is no regular file.
    """
    h5py = need("h5py", os.fspath(path))
    with atomic_write(path) as file:
        if not file.raw.readable():
            raise OSError(0, "it is not a regular file")
        try:
            with h5py.File(file.raw, "w") as hdf5:
                yield hdf5
        except (RuntimeError, ValueError) as error:  # what h5py makes of a full disk
            raise OSError(0, str(error)) from error
