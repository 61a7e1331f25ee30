"""The image formats that we write and read back: one row each (``specs/formats.md``).

Options, ``Image.write``, ``nanobragg view``, completion and the documentation ask this table. A new format is a module
of this folder and a row. The module has ``write(path, pixels, resolved)`` and, where no other reader of images knows
the format, ``read(path, shape)``; ``doubt(resolved)`` tells what its header cannot say, ``advice(name, resolved)`` what
DIALS is to be told besides it.
"""

from __future__ import annotations

import os
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

from nanobragg.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from nanobragg.records.resolved import Resolved


class Format(NamedTuple):
    """What a format is called, what it holds, and what it needs."""

    name: str
    extensions: tuple[str, ...]
    """Lower case, the usual one first."""
    module: str
    """In this folder."""
    contents: str
    """What it holds, in words."""
    floats: bool = False
    """Whether it holds float32."""
    bits: int = 0
    """Bits of the whole numbers that it holds: 16 (unsigned) or 32 (signed); 0: it holds none."""
    packages: tuple[str, ...] = ()
    """What writing it needs besides NumPy."""
    original: bool = False
    """nanoBragg.c's: its option writes this format whatever the extension, unless that is another format's."""
    picture: bool = False
    """8 bits to look at, with an option of its own."""
    geometry: bool = False
    """Whether such files, of whatever program, may tell geometry and serve as masks (``-img``, ``-mask``)."""
    geometry_written: bool = True
    """Whether those that we write do."""
    scaled: bool = False
    """Whether their headers tell what whole numbers mean: ``write`` takes a ``scale``
    (:class:`~nanobragg.records.counts.CountScale`)."""
    panels: bool = False
    """Whether they hold several panels, each with its geometry; else they have the array of them all."""

    def check(self, what: str) -> None:
        """Find out before the work whether the packages are there. Raises :class:`InputError` naming ``what``."""
        from nanobragg.io.support.extras import need

        for package in self.packages:
            need(package, what, module=_MODULES.get(package))

    @property
    def stacks(self) -> bool:
        """Whether they hold panels that are behind each other in the file's array."""
        return self.panels or not (self.geometry or self.picture)

    def write(self, path: str | os.PathLike[str], pixels: NDArray[Any], resolved: Resolved, **details: Any) -> None:
        """Write pixels, of the shape ``Scene.image_shape`` and a type that the format holds; ``details`` are the
        module's own.

        Raises :class:`InputError` for others, and when the file cannot be written.
        """
        panels = resolved.scene.panels
        if len(panels) > 1 and not self.panels:
            from nanobragg.io.images import slab
            from nanobragg.io.images.masked import with_masked

            if slab.is_stack(panels) and self.stacks:
                pixels = slab.in_file(with_masked(pixels, resolved), panels)
                self._module().write(path, pixels, None, **details)
                return
            one = slab.as_one_panel(resolved, os.fspath(path))
            pixels, resolved = slab.in_file(pixels, panels), one
        self._module().write(path, pixels, resolved, **details)

    def doubt(self, resolved: Resolved) -> str | None:
        """What the format cannot say about this geometry, as a sentence; ``None`` if it says it all."""
        tell = getattr(self._module(), "doubt", None)
        if tell is None or self.panels or len(resolved.scene.panels) == 1:
            return None if tell is None else tell(resolved)
        from nanobragg.io.images import slab

        return slab.doubt(resolved.scene.panels) or tell(slab.as_one_panel(resolved, self.name))

    def advice(self, name: str, resolved: Resolved) -> str | None:
        """What DIALS is to be told of a file of this format besides its name, as a line; ``None`` for nothing."""
        tell = getattr(self._module(), "advice", None)
        several = len(resolved.scene.panels) > 1 and not self.panels
        return None if tell is None or several else tell(name, resolved)

    def read(self, path: str | os.PathLike[str], shape: tuple[int, ...] | None = None) -> NDArray[Any] | None:
        """The pixels (slow, fast) of a file, of ``shape`` where it does not tell; ``None``: fabio reads the format.

        Raises :class:`InputError` when it cannot be read.
        """
        read = getattr(self._module(), "read", None)
        return None if read is None else read(path, shape)

    def described(self, pixels: NDArray[Any]) -> str:
        """What a file of these pixels is, for messages; of the original's formats in its words."""
        kind = f"{pixels.dtype.itemsize}-byte {'floats' if pixels.dtype.kind == 'f' else 'integers'}"
        if not self.original:
            return f"{self.name}, {kind}{'' if self.geometry_written else ', no geometry'}"
        return f"{pixels.size} {kind}" if self.floats else kind

    def _module(self) -> ModuleType:
        return import_module(f"nanobragg.io.images.{self.module}")


SMV = Format(
    name="SMV",
    extensions=(".img", ".smv"),
    module="smv",
    contents="whole numbers of 16 bits, with the field's header keys",
    bits=16,
    original=True,
    geometry=True,
    scaled=True,
)
FLOATS = Format(
    name="bare floats",
    extensions=(".bin",),
    module="raw",
    contents="float32 and nothing else",
    floats=True,
    original=True,
)
PGM = Format(name="PGM", extensions=(".pgm",), module="pgm", contents="8 bits of grey", original=True, picture=True)
PNG = Format(
    name="PNG",
    extensions=(".png",),
    module="picture",
    contents="a preview",
    packages=("pillow",),
    picture=True,
    panels=True,
)
FORMATS = (
    SMV,
    Format(
        name="CBF",
        extensions=(".cbf",),
        module="cbf",
        contents="whole numbers of 32 bits, with the lines of a PILATUS header",
        bits=32,
        packages=("fabio",),
        geometry=True,
        scaled=True,
    ),
    Format(
        name="NeXus NXmx",
        extensions=(".h5", ".nxs"),
        module="nexus",
        contents="float32, or whole numbers of 32 bits, with geometry, beam and goniometer; bitshuffle and LZ4",
        floats=True,
        bits=32,
        packages=("h5py", "hdf5plugin"),
        panels=True,
        geometry=True,
        scaled=True,
    ),
    Format(
        name="TIFF",
        extensions=(".tif", ".tiff"),
        module="tiff",
        contents="float32, or whole numbers of 32 bits",
        floats=True,
        bits=32,
        packages=("pillow",),
        geometry=True,
        geometry_written=False,
    ),
    Format(
        name="NumPy",
        extensions=(".npy",),
        module="numpy_array",
        contents="float32, or whole numbers of 32 bits",
        floats=True,
        bits=32,
        geometry_written=False,
    ),
    FLOATS,
    PGM,
    PNG,
)
FOREIGN = (".edf", ".mccd")
"""Extensions that completion offers of the many formats that fabio reads and we do not write."""
_MODULES = {"pillow": "PIL.Image"}
"""Modules of the packages that have another name than their module."""


def format_of(path: str | os.PathLike[str]) -> Format | None:
    """The format that the extension stands for, whatever its case."""
    extension = os.path.splitext(os.fspath(path))[1].lower()
    return next((row for row in FORMATS if extension in row.extensions), None)


def option_formats(*, floats: bool) -> tuple[Format, ...]:
    """What an option for images of floats (``-floatfile``) or of whole numbers may write: first what it does under any
    name, then what it does by extension.
    """
    own = FLOATS if floats else SMV
    chosen = (row for row in FORMATS if not row.original and not row.picture and (row.floats if floats else row.bits))
    return (own, *chosen)


def option_format(path: str | os.PathLike[str], *, floats: bool) -> Format:
    """What such an option writes into this file; bare floats and SMV under all names that are not another format's.

    nanoBragg.c's scripts name their files as they like.
    """
    found = format_of(path)
    return found if found is not None and not found.original and not found.picture else (FLOATS if floats else SMV)


def check_format(what: str, path: str | os.PathLike[str], *, floats: bool) -> None:
    """Find out before the work whether an option can write its file: whether the format holds it, its packages.

    Raises :class:`InputError` naming ``what``, the option.
    """
    chosen, possible = option_format(path, floats=floats), option_formats(floats=floats)
    if chosen not in possible:
        others = ", ".join(row.extensions[0] for row in possible[1:])
        raise InputError(
            f"{what}: found {os.fspath(path)!r}, a format of {chosen.contents}, expected {others} or "
            f"{possible[0].extensions[0]} for {'a float image' if floats else 'whole numbers'}"
            f" (or {'-intfile, -noisefile' if floats else '-floatfile'} for {chosen.name})"
        )
    chosen.check(f"{what} {os.fspath(path)}")
