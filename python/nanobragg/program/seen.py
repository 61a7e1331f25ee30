"""Finished images as ``nanobragg view`` shows them: several panels as they are seen along the beam."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NamedTuple

from nanobragg.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from nanobragg.records.resolved import Resolved

_BESIDE = (".geom", ".expt")
"""Geometry files that are taken where they have the image's name."""
_FAR = 1e4
"""mm: a camera length, which nothing of a view along the beam depends on"""


class SeenFile(NamedTuple):
    """What is shown of a file."""

    pixels: NDArray[Any]
    """(down, right), NaN in gaps and masks; the file's array (slow, fast) where no several panels are known"""
    note: str | None
    """where the panels are from, if from another file"""
    doubt: str | None
    """why the file's array is shown although there is a geometry"""


def seen_of_file(
    path: str | os.PathLike[str],
    shape: tuple[int, int] | None = None,
    geometry: str | os.PathLike[str] | None = None,
) -> SeenFile:
    """The image of a file, its panels where its geometry has them.

    Args:
        path: an image of any format.
        shape: (slow, fast) pixels of bare floats; not needed with a geometry.
        geometry: a file that says where the panels are; ``None``: the image itself, or a ``.geom`` or ``.expt`` of
            its name beside it.

    Raises:
        InputError: when the image cannot be read, and for a ``geometry`` that is not its own.

    """
    name = os.fspath(path)
    if geometry is not None:
        seen = _with_panels(name, shape, geometry, _resolved(geometry))
        return _as_it_is(name, shape, None) if seen is None else seen
    doubt = None
    for other in (*_own(name), *_beside(name)):
        try:
            resolved = _resolved(other)
            seen = _with_panels(name, shape, other, resolved)
        except InputError as error:
            doubt = doubt or f"{error}; the file's array is shown"
            continue
        if seen is not None:
            return seen
    return _as_it_is(name, shape, doubt)


def _as_it_is(name: str, shape: tuple[int, int] | None, doubt: str | None) -> SeenFile:
    """The file's array; the modules of a stack below each other."""
    from nanobragg.io.any_image import read_pixels

    pixels = read_pixels(name, shape)
    return SeenFile(pixels.reshape(-1, pixels.shape[-1]), None, doubt)


def _beside(name: str) -> list[str]:
    """Geometry files of the image's name."""
    found = [os.path.splitext(name)[0] + end for end in _BESIDE]
    return [path for path in found if path != name and os.path.isfile(path)]


def _own(name: str) -> list[str]:
    """The file itself, if its format may tell of several panels."""
    from nanobragg.io.images.formats import format_of

    found = format_of(name)
    return [name] if found is not None and found.panels and not found.picture else []


def _with_panels(
    name: str, shape: tuple[int, int] | None, geometry: str | os.PathLike[str], resolved: Resolved
) -> SeenFile | None:
    """The image with the panels of a geometry; ``None`` where that has one panel."""
    from nanobragg.io.any_image import read_pixels
    from nanobragg.io.images import slab
    from nanobragg.io.images.assembled import assembled

    panels = resolved.scene.panels
    if len(panels) == 1:
        return None
    sizes = slab.array_shape(panels)
    pixels = read_pixels(name, sizes if shape is None else shape)
    found = slab.from_file(pixels, panels)
    if found is None:
        there, wanted = (" x ".join(str(size) for size in of) for of in (pixels.shape, sizes))
        raise InputError(f"{name}: found {there} pixels, expected the {wanted} of the panels of {geometry}")
    note = None if geometry == name else f"{name}: {len(panels)} panels where {geometry} has them"
    return SeenFile(assembled(found, resolved)[0], note, None)


def _resolved(geometry: str | os.PathLike[str]) -> Resolved:
    """The panels of a file, for whatever crystal."""
    from nanobragg.records.experiment import Crystal, Detector, Experiment, Sampling
    from nanobragg.resolver.resolve import resolve

    clen = _FAR if os.fspath(geometry).lower().endswith(".geom") else None
    return resolve(
        Experiment(
            crystal=Crystal(cell=(50, 50, 50, 90, 90, 90), default_F=1.0),
            detector=Detector(header=geometry, clen=clen),
            sampling=Sampling(oversample=1),
            quirks="none",
        )
    )
