"""Pictures of diffraction images: dark spots on white, as PNG, with resolution rings, beam centre and region of
interest on request (``specs/formats.md``).
"""

from __future__ import annotations

import io
import itertools
import math
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from nanobragg.io.support.atomic import atomic_write
from nanobragg.io.support.extras import need
from nanobragg.maths.projection import pixels_of_rays
from nanobragg.records.kinds import RINGS, resolutions
from nanobragg.records.panel import only_panel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from nanobragg.records.resolved import Resolved

LARGEST = 1600
"""pixels along an edge of a picture; larger images are reduced"""
_RING, _BEAM, _REGION = (30, 110, 200), (210, 40, 30), (20, 140, 60)
_GOOD_RINGS = (50.0, 30.0, 20.0, 15.0, 10.0, 8.0, 6.0, 5.0, 4.0, 3.5, 3.0, 2.5, 2.2, 2.0, 1.8, 1.6, 1.4, 1.2, 1.0, 0.8)
_MOST_RINGS = 5


@dataclass(frozen=True, kw_only=True)
class Marks:
    """What is drawn over the image."""

    rings: str | None = None
    """``auto``, or resolutions in Å separated by commas"""
    beam: bool = False
    roi: bool = False


def parse_rings(text: str) -> list[float] | None:
    """Resolutions (Å); ``None`` for ``auto``. Raises :class:`InputError` for anything else."""
    return resolutions(RINGS.checked(text, "-png_rings", "Å"))


def contrast(pixels: ArrayLike) -> tuple[float, float]:
    """(white, black): the values of the background and of what is shown as black.

    The background is the median; black lies 30 times the spread of the background above it, and not above the
    brightest of the image: weak spots show, strong ones saturate. Images that are mostly 0 go by their bright pixels.
    """
    with np.errstate(all="ignore"):  # pixels of files may be any bytes
        return _contrast(np.asarray(pixels, dtype=np.float64))


def _contrast(values: NDArray[np.float64]) -> tuple[float, float]:
    values = values[np.isfinite(values)]
    if not values.size:
        return 0.0, 1.0
    if values.size > 1_000_000:
        values = values[:: values.size // 1_000_000]
    background = float(np.median(values))
    spread = 1.4826 * float(np.median(np.abs(values - background)))
    bright = values[values > background]
    if not bright.size:
        return background, background + 1.0
    typical = float(np.percentile(bright, 99.0))
    black = background + 30.0 * spread if spread > 1e-3 * (typical - background) else typical
    black = min(max(black, background + 0.02 * (typical - background)), float(bright.max()))
    return background, black if black > background else background + 1.0


def grey_levels(pixels: NDArray[Any], levels: tuple[float, float] | None = None) -> NDArray[np.uint8]:
    """(slow, fast) grey values of an image, 255 for the background, 0 for black; by the square root in between."""
    white, black = contrast(pixels) if levels is None else levels
    with np.errstate(all="ignore"):
        above = (np.nan_to_num(pixels.astype(np.float64)) - white) / (black - white)
    above = np.clip(np.nan_to_num(above), 0.0, 1.0)
    return (255 - np.rint(255 * np.sqrt(above))).astype(np.uint8)


def reduced(pixels: NDArray[Any], largest: int = LARGEST) -> tuple[NDArray[Any], int]:
    """The image with blocks of pixels replaced by their maximum, so that no spot is lost, and the blocks' edge."""
    factor = max(1, math.ceil(max(pixels.shape) / largest))
    if factor == 1:
        return pixels, 1
    slow, fast = (np.arange(0, length, factor) for length in pixels.shape)
    return np.maximum.reduceat(np.maximum.reduceat(pixels, slow, axis=0), fast, axis=1), factor


def png_bytes(pixels: ArrayLike, resolved: Resolved | None = None, marks: Marks | None = None) -> bytes:
    """The picture as a PNG file.

    Args:
        pixels: (slow, fast).
        resolved: what the marks are drawn from.
        marks: needs ``resolved``.

    Raises:
        InputError: when pillow is not installed, and for rings that are no resolutions.

    """
    pillow = need("pillow", "PNG", module="PIL.Image")
    small, factor = reduced(np.asarray(pixels))
    picture = pillow.fromarray(grey_levels(small))
    if resolved is not None and marks is not None and (marks.rings or marks.beam or marks.roi):
        picture = picture.convert("RGB")
        _draw(picture, resolved, marks, factor)
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()


def write(
    path: str | os.PathLike[str], pixels: ArrayLike, resolved: Resolved | None = None, marks: Marks | None = None
) -> None:
    """Write :func:`png_bytes`. Raises :class:`InputError` as it does, and when the file cannot be written."""
    content = png_bytes(pixels, resolved, marks)
    with atomic_write(path) as file:
        file.write(content)


# ---- marks ------------------------------------------------------------------------------------------------


def ring(resolved: Resolved, d: float, points: int = 721) -> NDArray[np.float64]:
    """Where reflections of spacing ``d`` (Å) meet a flat detector: (n, 2) fast, slow in pixels; NaN: nowhere."""
    sine = resolved.radiation.wavelength * 1e10 / (2.0 * d)
    if sine > 1.0:
        return np.full((points, 2), np.nan)
    angle, around = 2.0 * math.asin(sine), np.linspace(0.0, 2.0 * math.pi, points)[:, None]
    beam = np.array(resolved.geometry.beam)
    across = np.cross(beam, [1.0, 0.0, 0.0] if abs(beam[0]) < 0.9 else [0.0, 1.0, 0.0])
    across /= np.linalg.norm(across)
    other = np.cross(beam, across)
    rays = math.cos(angle) * beam + math.sin(angle) * (np.cos(around) * across + np.sin(around) * other)
    return pixels_of_rays(only_panel(resolved.scene.panels, "picture"), rays)


def chosen_rings(resolved: Resolved) -> list[float]:
    """Up to five round resolutions whose rings lie on the detector, spread over it."""
    visible = []
    nslow, nfast = resolved.scene.shape
    for d in _GOOD_RINGS:
        points = ring(resolved, d, 181)
        inside = (points > 0).all(axis=1) & (points[:, 0] < nfast) & (points[:, 1] < nslow)
        if inside.mean() > 0.1:
            visible.append(d)
    if len(visible) <= _MOST_RINGS:
        return visible
    # Evenly spaced on the detector, which is nearly evenly in 1/d.
    wanted = np.linspace(1 / visible[0], 1 / visible[-1], _MOST_RINGS + 1)[1:]
    return list(dict.fromkeys(min(visible, key=lambda d: abs(1 / d - w)) for w in wanted))


def _draw(picture: Any, resolved: Resolved, marks: Marks, factor: int) -> None:
    drawing = need("pillow", "PNG", module="PIL.ImageDraw").Draw(picture)
    rings: Sequence[float] = ()
    if marks.rings is not None:
        said = parse_rings(marks.rings)
        rings = chosen_rings(resolved) if said is None else said
    for d in rings:
        _draw_ring(drawing, picture.size, ring(resolved, d) / factor, d)
    if marks.beam:
        panel = only_panel(resolved.scene.panels, "picture")
        at = pixels_of_rays(panel, np.array([resolved.geometry.beam]))[0] / factor
        if np.isfinite(at).all():
            x, y = at
            drawing.line([x - 8, y, x + 8, y], fill=_BEAM, width=2)
            drawing.line([x, y - 8, x, y + 8], fill=_BEAM, width=2)
    if marks.roi:
        x0, x1, y0, y1 = only_panel(resolved.scene.panels, "picture").region
        drawing.rectangle(
            [x0 / factor, y0 / factor, max(x0, x1) / factor, max(y0, y1) / factor], outline=_REGION, width=2
        )


def _draw_ring(drawing: Any, size: tuple[int, int], points: NDArray[np.float64], d: float) -> None:
    label = None
    for one, other in itertools.pairwise(points):
        if not np.isfinite([one, other]).all() or np.abs([one, other]).max() > 1e6:
            continue
        drawing.line([*one, *other], fill=_RING, width=1)
        inside = 4 < one[0] < size[0] - 40 and 4 < one[1] < size[1] - 14
        if inside and (label is None or one[1] < label[1]):
            label = one
    if label is not None:
        drawing.text((float(label[0]) + 3, float(label[1]) + 2), f"{d:g} A", fill=_RING)
