"""Derivatives of the image by the numbers of its Scene (``specs/derivatives.md``)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nanobragg import _core
from nanobragg.errors import InputError
from nanobragg.records.scene_change import SceneChange
from nanobragg.rendering.binding import bound
from nanobragg.rendering.devices import Device, checked_precision, checked_threads, choose_device

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from nanobragg.records.scene import Scene


PIECE = 1e9
"""Evaluations, each with its derivatives, between two looks at the keyboard: seconds at most."""
DEVICE_PIECE = 3e10
"""The same on a CUDA device."""


def render_jvp(
    scene: Scene,
    directions: Sequence[SceneChange],
    *,
    precision: str = "double",
    threads: int = 0,
    device: Device = "cpu",
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
        device: ``cpu``, ``cuda``, ``cuda:NUMBER`` or ``auto`` (a GPU if there is one and the work is worth it). A CUDA
            device computes in double precision whichever is asked for.
        pixels: which pixels are wanted, a boolean array in ``scene.image_shape``; ``None``: all. Others take no time.
        progress: called now and then with the fraction done; what it raises stops the sweep.

    Returns:
        The image, float64 in ``scene.image_shape``, and its changes, ``(k, *image_shape)``; with n chosen pixels these
        alone, one row after the other, (n,) and (k, n).

    Raises:
        InputError: for a Scene that cannot be rendered or whose image depends on the order of evaluations, and for
            arrays of other shapes than the Scene's.
        DeviceError: if there is no such device, or too little memory on it.
        KeyboardInterrupt: on Ctrl-C, within seconds.

    """
    (numbers, shape), how = _chosen(scene, pixels), (checked_precision(precision), checked_threads(threads))
    given, held = list(directions), bound(scene)
    by, most = _differentiator(scene, device)
    pieces = _pieces(scene, numbers, 1 + len(given) / 4, most)

    def sweep(those: NDArray[np.intp] | None) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        return by.jvp(held, given, *how, those)

    image, columns = sweep(numbers) if len(pieces) == 1 else _jvp_of(sweep, len(given), pieces, numbers, progress)
    return image.reshape(shape), columns.reshape(len(given), *shape)


def render_vjp(
    scene: Scene,
    weights: ArrayLike,
    *,
    precision: str = "double",
    threads: int = 0,
    device: Device = "cpu",
    grid: bool = True,
    pixels: ArrayLike | None = None,
    image: bool = True,
    progress: Callable[[float], object] | None = None,
) -> tuple[NDArray[np.float64], SceneChange]:
    """The image, and the derivatives of Σ weights · image by every number of the Scene, in one sweep.

    Args:
        scene: what is rendered.
        weights: one for each pixel, in ``scene.image_shape``, or (n,) for n chosen ones; not counted where masked.
        precision: as :func:`render_jvp` has it.
        threads: 0 for all processors. The result does not depend on it.
        device: as :func:`render_jvp` has it. On a CUDA device the last digits of derivatives by structure factors,
            which many threads add up, differ from one time to the next.
        grid: whether those by the structure factors are wanted; they take memory.
        pixels: which pixels are wanted, a boolean array in ``scene.image_shape``; ``None``: all. Others take no time.
        image: whether the image is wanted; new pages of memory take a tenth of the time of few orientations.
        progress: called now and then with the fraction done; what it raises stops the sweep.

    Returns:
        The image, float64 in ``scene.image_shape``, or (n,) for n chosen pixels, or (0,) if none is wanted; and the
        derivatives.

    Raises:
        InputError, DeviceError, KeyboardInterrupt: as :func:`render_jvp` does.

    """
    (numbers, shape), how = _chosen(scene, pixels), (checked_precision(precision), checked_threads(threads))
    flat, held = _flat(weights, shape), bound(scene)
    by, most = _differentiator(scene, device)
    pieces = _pieces(scene, numbers, 4.0, most)

    def sweep(own: NDArray[np.float64], those: NDArray[np.intp] | None) -> tuple[NDArray[np.float64], SceneChange]:
        pixels_of, found = by.vjp(held, own, *how, grid, those, image)
        return pixels_of, SceneChange(**found)

    seen, change = sweep(flat, numbers) if len(pieces) == 1 else _vjp_of(sweep, flat, pieces, numbers, progress)
    return seen.reshape(shape) if image else seen, change


def checked_weights(weights: ArrayLike) -> NDArray[np.float64]:
    """Weights as numbers, of whatever shape.

    Raises :class:`InputError` for texts, complex numbers, and rows of several lengths.
    """
    try:
        given = np.asarray(weights)
        if given.dtype.kind in "biufO":
            return np.asarray(given, dtype=np.float64)
        found = f"an array of {given.dtype}"
    except (TypeError, ValueError):
        found = "no array of numbers"
    raise InputError(f"weights: found {found}, expected real numbers in the image's shape")


def _flat(weights: ArrayLike, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """The weights of an image of this shape, in a row."""
    given = checked_weights(weights)
    if given.shape != shape:
        raise InputError(f"weights: found an array of shape {given.shape}, expected the image's, {shape}")
    return given.reshape(-1)


def _jvp_of(
    sweep: Callable[..., tuple[NDArray[np.float64], NDArray[np.float64]]],
    count: int,
    pieces: list[slice],
    numbers: NDArray[np.intp] | None,
    progress: Callable[[float], object] | None,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The image and ``count`` columns, piece by piece."""
    image, columns = np.empty(pieces[-1].stop), np.empty((count, pieces[-1].stop))
    for piece in pieces:
        image[piece], columns[:, piece] = sweep(_of(numbers, piece))
        if progress is not None:
            progress(piece.stop / pieces[-1].stop)
    return image, columns


def _vjp_of(
    sweep: Callable[..., tuple[NDArray[np.float64], SceneChange]],
    weights: NDArray[np.float64],
    pieces: list[slice],
    numbers: NDArray[np.intp] | None,
    progress: Callable[[float], object] | None,
) -> tuple[NDArray[np.float64], SceneChange]:
    """The image and the derivatives, piece by piece."""
    image, change = np.empty(0), SceneChange()
    for piece in pieces:
        own, found = sweep(np.ascontiguousarray(weights[piece]), _of(numbers, piece))
        if own.size > 0:
            image = np.empty(weights.size) if image.size == 0 else image
            image[piece] = own
        change = change.plus(found)
        if progress is not None:
            progress(piece.stop / weights.size)
    return image, change


def render_there(scene: Scene, number: int) -> Any:
    """The image, float64, in the memory of the CUDA device of that number (a ``_cuda.DeviceImage``)."""
    from nanobragg import _cuda

    return _cuda.Differentiator(number).image(bound(scene))


def render_vjp_there(scene: Scene, weights: Any, number: int, *, grid: bool = True) -> SceneChange:
    """The derivatives of :func:`render_vjp` by weights that are in the memory of the CUDA device of that number: such
    an image, or float64 of whoever has ``__cuda_array_interface__``. Their library's work on them is to be done.
    """
    from nanobragg import _cuda

    return SceneChange(**_cuda.Differentiator(number).slopes(bound(scene), weights, grid=grid))


def stays(scene: Scene, device: Device) -> int | None:
    """The number of the CUDA device that these two are for, in one sweep without a look at the keyboard, if that is
    where the Scene is differentiated; else ``None``.
    """
    number = choose_device(device, scene).number
    return number if number is not None and len(_pieces(scene, None, 4.0, DEVICE_PIECE)) == 1 else None


def _differentiator(scene: Scene, device: Device) -> tuple[Any, float]:
    """Who differentiates, and how many evaluations at once."""
    number = choose_device(device, scene).number
    if number is None:
        return _core.Differentiator(), PIECE
    from nanobragg import _cuda

    return _cuda.Differentiator(number), DEVICE_PIECE


def _pieces(scene: Scene, numbers: NDArray[np.intp] | None, price: float, most: float) -> list[slice]:
    """Parts of the wanted pixels that are swept one after the other, of ``most`` evaluations each. They depend on the
    Scene and the kind of device alone, and so does the result. ``price``: of an evaluation with its derivatives, in
    evaluations.
    """
    pixels = int(np.prod(scene.image_shape)) if numbers is None else len(numbers)
    orientations, sources = len(scene.orientations), len(scene.source_weight)
    each = price * orientations * sources * len(scene.layers) * scene.oversample**2
    step = max(int(most / each), 1)
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
