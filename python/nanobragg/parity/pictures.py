"""Pictures of images and of their difference, as PNG."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np

from nanobragg.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LONGEST = 1024
"""pixels along a side; larger images are thinned out by taking the largest of each block"""


def preview(image: NDArray[np.float32], brightest: float) -> bytes:
    """PNG of ``image`` (slow, fast) in greys, dark for many photons; ``brightest`` and above are black."""
    values = _blocks(np.nan_to_num(image.astype(np.float64), posinf=brightest, neginf=0.0))
    level = np.sqrt(np.clip(values / brightest, 0.0, 1.0)) if brightest > 0.0 else np.zeros_like(values)
    return _png(np.round(255.0 * (1.0 - level)).astype(np.uint8))


def brightness(image: NDArray[np.float32]) -> float:
    """What :func:`preview` shows black: all but one pixel in a thousand are below."""
    finite = image[np.isfinite(image)]
    if finite.size == 0:
        return 1.0
    level = float(np.quantile(finite, 0.999))
    return level if level > 0.0 else float(finite.max()) or 1.0


def signed_difference(difference: NDArray[np.float64]) -> tuple[bytes, float]:
    """PNG of ``difference`` (slow, fast): red above 0, blue below, white at 0; and what full colour means."""
    values = _blocks(np.nan_to_num(difference, nan=0.0, posinf=0.0, neginf=0.0))
    full = float(np.abs(values).max(initial=0.0))
    level = np.sign(values) * np.sqrt(np.abs(values) / full) if full > 0.0 else np.zeros_like(values)
    fade = np.round(255.0 * (1.0 - np.abs(level))).astype(np.uint8)
    strong = np.full_like(fade, 255)
    red = np.where(level >= 0.0, strong, fade)
    blue = np.where(level <= 0.0, strong, fade)
    return _png(np.stack([red, fade, blue], axis=-1)), full


def _blocks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Thinned to at most 1024 pixels a side: of each block the value with the largest magnitude."""
    step = -(-max(values.shape) // _LONGEST)
    if step <= 1:
        return values
    slow, fast = (-(-n // step) for n in values.shape)
    padded = np.zeros((slow * step, fast * step))
    padded[: values.shape[0], : values.shape[1]] = values
    blocks = padded.reshape(slow, step, fast, step).swapaxes(1, 2).reshape(slow, fast, step * step)
    index = np.abs(blocks).argmax(axis=2)
    return np.take_along_axis(blocks, index[:, :, None], axis=2)[:, :, 0]


def _png(pixels: NDArray[np.uint8]) -> bytes:
    try:
        from PIL import Image
    except ImportError as error:
        raise InputError("pictures: pillow is not installed, expected it: pip install 'nanobragg[parity]'") from error
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()
