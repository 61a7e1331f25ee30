"""Derivatives of the image by the numbers of its Scene (``specs/derivatives.md``)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from nanobragg import _core
from nanobragg.errors import InputError
from nanobragg.records.scene_change import SceneChange
from nanobragg.rendering.binding import bound

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from nanobragg.records.scene import Scene


PIECE = 1e9
"""Evaluations, each with its derivatives, between two looks at the keyboard: seconds at most."""


def render_jvp(
    scene: Scene,
    directions: Sequence[SceneChange],
    *,
    precision: str = "double",
    threads: int = 0,
    pixels: ArrayLike | None = None,
    progress: Callable[[float], object] | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The image, and how it changes along some directions, in one sweep.

    Args:
        scene: what is rendered.
        directions: k of them; an array that is ``None`` does not change.
        precision: ``double``, or ``mixed``: indices and all that a pixel has in double, shapes and their derivatives in
            single precision; where numbers might not fit in that, double.
        threads: 0 for all processors. The result does not depend on it.
        pixels: which pixels are wanted, a boolean array in ``scene.image_shape``; ``None``: all. Others take no time.
        progress: called now and then with the fraction done; what it raises stops the sweep.

    Returns:
        The image, float64 in ``scene.image_shape``, and its changes, ``(k, *image_shape)``; with n chosen pixels these
        alone, one row after the other, (n,) and (k, n).

    Raises:
        InputError: for a Scene that cannot be rendered or whose image depends on the order of evaluations, and for
            arrays of other shapes than the Scene's.
        KeyboardInterrupt: on Ctrl-C, within seconds.

    """
    numbers, shape = _chosen(scene, pixels)
    given, held = list(directions), bound(scene)
    pieces = _pieces(scene, numbers, 1 + len(given) / 4)
    if len(pieces) == 1:
        image, columns = _core.jvp(held, given, precision, threads, numbers)
    else:
        image, columns = np.empty(pieces[-1].stop), np.empty((len(given), pieces[-1].stop))
        for piece in pieces:
            image[piece], columns[:, piece] = _core.jvp(held, given, precision, threads, _of(numbers, piece))
            if progress is not None:
                progress(piece.stop / pieces[-1].stop)
    return image.reshape(shape), columns.reshape(len(columns), *shape)


def render_vjp(
    scene: Scene,
    weights: ArrayLike,
    *,
    precision: str = "double",
    threads: int = 0,
    grid: bool = True,
    pixels: ArrayLike | None = None,
    progress: Callable[[float], object] | None = None,
) -> tuple[NDArray[np.float64], SceneChange]:
    """The image, and the derivatives of Σ weights · image by every number of the Scene, in one sweep.

    Args:
        scene: what is rendered.
        weights: one for each pixel, in ``scene.image_shape``, or (n,) for n chosen ones; not counted where masked.
        precision: as :func:`render_jvp` has it.
        threads: 0 for all processors. The result does not depend on it.
        grid: whether those by the structure factors are wanted; they take memory.
        pixels: which pixels are wanted, a boolean array in ``scene.image_shape``; ``None``: all. Others take no time.
        progress: called now and then with the fraction done; what it raises stops the sweep.

    Returns:
        The image, float64 in ``scene.image_shape``, or (n,) for n chosen pixels; and the derivatives.

    Raises:
        InputError: as :func:`render_jvp` does.

    """
    given = np.asarray(weights, dtype=np.float64)
    numbers, shape = _chosen(scene, pixels)
    if given.shape != shape:
        raise InputError(f"weights: found an array of shape {given.shape}, expected the image's, {shape}")
    flat, held = given.reshape(-1), bound(scene)
    pieces = _pieces(scene, numbers, 4.0)
    if len(pieces) == 1:
        image, found = _core.vjp(held, flat, precision, threads, grid, numbers)
        return image.reshape(shape), SceneChange(**found)
    image, change = np.empty(flat.size), SceneChange()
    for piece in pieces:
        weights_of = np.ascontiguousarray(flat[piece])
        image[piece], found = _core.vjp(held, weights_of, precision, threads, grid, _of(numbers, piece))
        change = change.plus(SceneChange(**found))
        if progress is not None:
            progress(piece.stop / flat.size)
    return image.reshape(shape), change


def _pieces(scene: Scene, numbers: NDArray[np.intp] | None, price: float) -> list[slice]:
    """Parts of the wanted pixels that are swept one after the other. They depend on the Scene alone, and so does the
    result. ``price``: of an evaluation with its derivatives, in evaluations.
    """
    pixels = int(np.prod(scene.image_shape)) if numbers is None else len(numbers)
    orientations, sources = len(scene.orientations), len(scene.source_weight)
    each = price * orientations * sources * len(scene.layers) * scene.oversample**2
    step = max(int(PIECE / each), 1)
    return [slice(first, min(first + step, pixels)) for first in range(0, pixels, step)] or [slice(0, 0)]


def _of(numbers: NDArray[np.intp] | None, piece: slice) -> NDArray[np.intp]:
    """The numbers of a piece's pixels in the image."""
    return np.arange(piece.start, piece.stop) if numbers is None else numbers[piece]


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
