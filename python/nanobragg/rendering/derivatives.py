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
    scene: Scene, directions: Sequence[SceneChange], *, threads: int = 0
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The image, and how it changes along some directions, in one sweep.

    Args:
        scene: what is rendered.
        directions: k of them; an array that is ``None`` does not change.
        threads: 0 for all processors. The result does not depend on it.

    Returns:
        The image, float64 in ``scene.image_shape``, and its changes, ``(k, *image_shape)``.

    Raises:
        InputError: for a Scene that cannot be rendered or whose image depends on the order of evaluations, and for
            arrays of other shapes than the Scene's.

    """
    image, columns = _core.jvp(bound(scene), list(directions), threads)
    return image.reshape(scene.image_shape), columns.reshape(len(columns), *scene.image_shape)


def render_vjp(
    scene: Scene, weights: ArrayLike, *, threads: int = 0, grid: bool = True
) -> tuple[NDArray[np.float64], SceneChange]:
    """The image, and the derivatives of Σ weights · image by every number of the Scene, in one sweep.

    Args:
        scene: what is rendered.
        weights: one for each pixel, in ``scene.image_shape``. Those of masked pixels do not count.
        threads: 0 for all processors. The result does not depend on it.
        grid: whether those by the structure factors are wanted; they take memory.

    Returns:
        The image, float64 in ``scene.image_shape``, and the derivatives.

    Raises:
        InputError: as :func:`render_jvp` does.

    """
    given = np.asarray(weights, dtype=np.float64)
    if given.shape != scene.image_shape:
        raise InputError(
            f"weights: found an array of shape {given.shape}, expected the image's, {tuple(scene.image_shape)}"
        )
    image, found = _core.vjp(bound(scene), given.reshape(-1), threads, grid)
    return image.reshape(scene.image_shape), SceneChange(**found)
