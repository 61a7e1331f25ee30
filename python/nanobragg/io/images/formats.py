"""Image files by extension (``specs/formats.md``)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from nanobragg.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from nanobragg.records.resolved import Resolved

_PACKAGES = {
    ".cbf": ("fabio",),
    ".h5": ("h5py", "hdf5plugin"),
    ".nxs": ("h5py", "hdf5plugin"),
    ".tif": ("pillow",),
    ".tiff": ("pillow",),
    ".npy": (),
}
_MODULES = {"pillow": "PIL.Image"}


def format_of(path: str | os.PathLike[str]) -> str | None:
    """The extension (lower case) if it selects one of the formats of this module, else ``None``."""
    extension = os.path.splitext(os.fspath(path))[1].lower()
    return extension if extension in _PACKAGES else None


def check_format(what: str, path: str | os.PathLike[str], *, floats: bool) -> None:
    """Find out before the work whether the format can be written: its packages, and ``floats`` in it.

    Raises :class:`InputError` naming ``what``.
    """
    from nanobragg.io.support.extras import need

    extension = format_of(path)
    if extension == ".cbf" and floats:
        raise InputError(
            f"{what}: found {os.fspath(path)!r}, a format of whole numbers, expected .h5, .tif, .npy or .bin for a "
            "float image (or -intfile, -noisefile for CBF)"
        )
    for package in _PACKAGES.get(extension or "", ()):
        need(package, f"{what} {os.fspath(path)}", module=_MODULES.get(package))


def write_format(path: str | os.PathLike[str], pixels: NDArray[Any], resolved: Resolved) -> str:
    """Write ``pixels`` (slow, fast), float32, int32 or uint16, as the extension says.

    Returns:
        What was written, for messages.

    Raises:
        InputError: for floats in CBF, and when the file cannot be written.

    """
    import numpy as np

    extension = format_of(path)
    if extension == ".cbf":
        from nanobragg.io.images.cbf import write_cbf

        write_cbf(path, pixels, resolved)
        return "CBF, 4-byte integers"
    kind = f"{pixels.dtype.itemsize}-byte {'floats' if pixels.dtype.kind == 'f' else 'integers'}"
    if extension in (".h5", ".nxs"):
        from nanobragg.io.images.nexus import write_pixels

        write_pixels([pixels], [resolved], path)
        return f"NeXus NXmx, {kind}"
    if extension in (".tif", ".tiff"):
        from nanobragg.io.images.tiff import write_tiff

        write_tiff(path, pixels)
        return f"TIFF, {kind}"
    from nanobragg.io.support.atomic import atomic_write

    with atomic_write(path) as file:
        np.save(file, pixels)
    return f"NumPy, {kind}"
