"""Images of one number for each pixel of the detector, from files and arrays."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nanobragg.errors import InputError
from nanobragg.resolver.memory import once

if TYPE_CHECKING:
    from numpy.typing import NDArray


def pixels_of(given: Any) -> Any:
    """The pixels of a file, or what is given instead of one."""
    if not isinstance(given, (str, os.PathLike)):
        return given
    from nanobragg.io.any_image import read_pixels

    return once(read_pixels, given)


def panel_maps(
    given: Any, option: str, shapes: Sequence[tuple[int, int]], kind: type
) -> tuple[NDArray[Any], ...] | None:
    """An array of ``kind`` for each panel; ``None`` for none.

    Args:
        given: a file, or an array (slow, fast) of one panel, (panel, slow, fast) or a list of several.
        option: what it is given by, for errors.
        shapes: of the panels.
        kind: a type of NumPy.

    Raises:
        InputError: for files that cannot be read, other shapes, and numbers that are not finite.

    """
    if given is None:
        return None
    pixels = pixels_of(given)
    several = pixels if isinstance(pixels, (list, tuple)) or np.ndim(pixels) == 3 else [pixels]
    arrays = [np.asarray(each) for each in several]
    if [array.shape for array in arrays] != list(shapes):
        raise InputError(
            f"{option}: found {_shown([a.shape for a in arrays])}, expected {_shown(shapes)} (slow x fast)"
        )
    if not all(np.isfinite(array).all() for array in arrays):
        raise InputError(f"{option}: found numbers that are not finite, expected finite ones")
    return tuple(np.ascontiguousarray(array, kind) for array in arrays)


def _shown(shapes: Sequence[tuple[int, ...]]) -> str:
    sizes = " and ".join(" x ".join(map(str, shape)) for shape in dict.fromkeys(shapes))
    return f"{sizes} pixels" if len(shapes) == 1 else f"{len(shapes)} panels of {sizes} pixels"
