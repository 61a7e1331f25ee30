"""Derivatives of the image by the numbers of its Scene (``specs/derivatives.md``)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from nanobragg import _core
from nanobragg.errors import InputError
from nanobragg.records.scene_change import SceneChange
from nanobragg.rendering.binding import bound

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from nanobragg.records.scene import Scene


def render_jvp(
    scene: Scene, directions: Sequence[SceneChange], *, threads: int = 0, pixels: ArrayLike | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The image, and how it changes along some directions, in one sweep.

    Args:
        scene: what is rendered.
        directions: k of them; an array that is ``None`` does not change.
        threads: 0 for all processors. The result does not depend on it.
        pixels: which pixels are wanted, a boolean array in ``scene.image_shape``; ``None``: all. Others take no time.

    Returns:
        The image, float64 in ``scene.image_shape``, and its changes, ``(k, *image_shape)``; with n chosen pixels these
        alone, one row after the other, (n,) and (k, n).

    Raises:
        InputError: for a Scene that cannot be rendered or whose image depends on the order of evaluations, and for
            arrays of other shapes than the Scene's.

    """
    numbers, shape = _chosen(scene, pixels)
    image, columns = _core.jvp(bound(scene), list(directions), threads, numbers)
    return image.reshape(shape), columns.reshape(len(columns), *shape)


def render_vjp(
    scene: Scene, weights: ArrayLike, *, threads: int = 0, grid: bool = True, pixels: ArrayLike | None = None
) -> tuple[NDArray[np.float64], SceneChange]:
    """The image, and the derivatives of Σ weights · image by every number of the Scene, in one sweep.

    Args:
        scene: what is rendered.
        weights: one for each pixel, in ``scene.image_shape``, or (n,) for n chosen pixels. Those of masked pixels do
            not count.
        threads: 0 for all processors. The result does not depend on it.
        grid: whether those by the structure factors are wanted; they take memory.
        pixels: which pixels are wanted, a boolean array in ``scene.image_shape``; ``None``: all. Others take no time.

    Returns:
        The image, float64 in ``scene.image_shape``, or (n,) for n chosen pixels; and the derivatives.

    Raises:
        InputError: as :func:`render_jvp` does.

    """
    given = np.asarray(weights, dtype=np.float64)
    numbers, shape = _chosen(scene, pixels)
    if given.shape != shape:
        raise InputError(f"weights: found an array of shape {given.shape}, expected the image's, {shape}")
    image, found = _core.vjp(bound(scene), given.reshape(-1), threads, grid, numbers)
    return image.reshape(shape), SceneChange(**found)


def _chosen(scene: Scene, pixels: ArrayLike | None) -> tuple[NDArray[np.intp] | None, tuple[int, ...]]:
    """Numbers of the chosen pixels in the image, and the shape of what there is of each."""
    shape = tuple(scene.image_shape)
    if pixels is None:
        return None, shape
    chosen = np.asarray(pixels)
    if chosen.dtype != np.bool_ or chosen.shape != shape:
        raise InputError(
            f"pixels: found an array of shape {chosen.shape} of {chosen.dtype}, expected bool in the image's, {shape}"
        )
    numbers = np.flatnonzero(chosen)
    return numbers, numbers.shape
