"""HDF5 files, written whole or not at all."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from nanobragg.errors import InputError
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
        bytes_of_it = _Patient(file.raw)
        try:
            with h5py.File(bytes_of_it, "w") as hdf5:
                yield hdf5
        except InputError:
            raise
        except (RuntimeError, ValueError) as error:
            raise OSError(0, str(error)) from error
        if bytes_of_it.error is not None:
            raise bytes_of_it.error


def write_chunked(group: Any, name: str, pixels: Any, **how: Any) -> None:
    """Write a dataset in chunks, which have their place in the file when this returns.

    Left to itself HDF5 places them when the dataset is closed, and that is when Python forgets it: a debugger or a
    profiler, such as the one of Dask's workers, may remember it longer, and the same content would be other bytes.

    Args:
        group: where.
        name: of the dataset.
        pixels: the array.
        how: compression and so on, as for h5py's ``create_dataset``.

    """
    group.create_dataset(name, data=pixels, **how).flush()


class Piece(NamedTuple):
    """A file whose images are shown by another one."""

    name: str
    """Beside that one."""
    images: int


def virtual_stack(group: Any, shape: tuple[int, ...], dtype: Any, pieces: Sequence[Piece]) -> None:
    """Make ``data`` in a group, which shows the images of all pieces, one after the other.

    h5py's own way would write the time of day into the file. ``shape`` is that of an image.
    """
    import h5py

    space = h5py.h5s.create_simple((sum(piece.images for piece in pieces), *shape))
    made = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    made.set_layout(h5py.h5d.VIRTUAL)
    made.set_obj_track_times(False)
    first = 0
    for piece in pieces:
        part = (piece.images, *shape)
        space.select_hyperslab((first, *(0 for _ in shape)), part)
        made.set_virtual(space, os.fsencode(piece.name), b"/entry/data/data", h5py.h5s.create_simple(part))
        first += piece.images
    space.select_all()
    h5py.h5d.create(group.id, b"data", h5py.h5t.py_create(dtype), space, made)


class _Patient:
    """A file that takes every byte, and remembers that it could not.

    After an error of its file HDF5 cannot close it, and ends the process when it is to forget it; nor does h5py notice
    that a full disk took only some of the bytes.
    """

    def __init__(self, raw: io.FileIO) -> None:
        self._raw = raw
        self.error: OSError | None = None

    def write(self, data: Any) -> int:
        """Write all of it, unless something could not be written before."""
        left = memoryview(data).cast("B")
        size = len(left)
        try:
            while left and self.error is None:
                left = left[self._raw.write(left) :]
        except OSError as error:
            self.error = error
        return size

    def truncate(self, size: int) -> int:
        """Cut the file, or lengthen it."""
        try:
            return self._raw.truncate(size)
        except OSError as error:
            self.error = self.error or error
            return size

    def readinto(self, buffer: Any) -> int:
        """Read; what was not written is 0."""
        found = self._raw.readinto(buffer) or 0
        view = memoryview(buffer).cast("B")
        view[found:] = bytes(len(view) - found)
        return len(view)

    def read(self, size: int = -1) -> bytes:
        """By which h5py tells a file from a name."""
        return self._raw.read(size) or b""

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a byte."""
        return self._raw.seek(offset, whence)

    def tell(self) -> int:
        """Where it is."""
        return self._raw.tell()

    def flush(self) -> None:
        """Nothing is kept back."""
