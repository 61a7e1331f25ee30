"""Pictures of diffraction images: dark spots on white, as PNG, with resolution rings, beam centre and region of
interest on request (``specs/formats.md``).
"""

from __future__ import annotations

import io
import itertools
import math
import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from nanobragg.io.support.atomic import atomic_write
from nanobragg.io.support.extras import need
from nanobragg.maths.projection import pixels_of_rays
from nanobragg.records.kinds import RINGS, resolutions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from nanobragg.io.images.assembled import View
    from nanobragg.records.panel import ScenePanel
    from nanobragg.records.resolved import Resolved

LARGEST = 1600
"""pixels along an edge of a picture; larger images are reduced"""
_RING, _BEAM, _REGION = (30, 110, 200), (210, 40, 30), (20, 140, 60)
_GAP = (225, 228, 240)
"""where there is no panel"""
_GOOD_RINGS = (50.0, 30.0, 20.0, 15.0, 10.0, 8.0, 6.0, 5.0, 4.0, 3.5, 3.0, 2.5, 2.2, 2.0, 1.8, 1.6, 1.4, 1.2, 1.0, 0.8)
_MOST_RINGS = 5


@dataclass(frozen=True, kw_only=True)
class Marks:
    """What is drawn over the image."""

    rings: str | None = None
    """``auto``, or resolutions in Å separated by commas"""
    beam: bool = False
    roi: bool = False
    raw: bool = False
    """The file's array, and not the detector as it is seen along the beam."""


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
        pixels: (slow, fast); with ``resolved``, of the shape ``Scene.image_shape``: several panels are shown as they
            are seen along the beam. Without it, NaN are gaps.
        resolved: what the marks are drawn from.
        marks: needs ``resolved``.

    Raises:
        InputError: when pillow is not installed, and for rings that are no resolutions.

    """
    pillow = need("pillow", "PNG", module="PIL.Image")
    seen = seen_of(np.asarray(pixels), resolved, marks or Marks())
    small, factor = reduced(seen.pixels)
    picture = pillow.fromarray(grey_levels(small))
    if seen.view is not None or (resolved is None and np.isnan(small).any()):
        picture = _with_gaps(pillow, picture, np.isnan(small))
    if seen.resolved is not None and marks is not None and (marks.rings or marks.beam or marks.roi):
        picture = picture.convert("RGB")
        _draw(picture, seen, marks, factor)
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


# ---- several panels ---------------------------------------------------------------------------------------


class Seen(NamedTuple):
    """What a picture shows."""

    pixels: NDArray[Any]
    """(down, right)"""
    resolved: Resolved | None
    view: View | None
    """How several panels are seen along the beam; ``None``: the pixels are those of the one panel of ``resolved``."""


def seen_of(pixels: NDArray[Any], resolved: Resolved | None, marks: Marks) -> Seen:
    if resolved is None or len(resolved.scene.panels) == 1:
        return Seen(pixels, resolved, None)
    if marks.raw:
        from nanobragg.io.images import slab

        panels = slab.flattened(resolved.scene.panels)
        flat = replace(resolved, scene=replace(resolved.scene, panels=panels))
        return Seen(slab.in_file(pixels, panels), slab.as_one_panel(flat, "picture"), None)
    from nanobragg.io.images.assembled import assembled

    picture, view = assembled(pixels, resolved)
    return Seen(picture, resolved, view)


def _with_gaps(pillow: Any, picture: Any, gaps: NDArray[np.bool_]) -> Any:
    """The picture with gaps in a colour of their own."""
    colours = np.repeat(np.asarray(picture)[:, :, None], 3, axis=2)
    colours[gaps] = _GAP
    return pillow.fromarray(colours)


# ---- marks ------------------------------------------------------------------------------------------------


def _rays(resolved: Resolved, d: float, points: int) -> NDArray[np.float64]:
    """(n, 3) directions of reflections of spacing ``d`` (Å); none where there are none."""
    sine = resolved.radiation.wavelength * 1e10 / (2.0 * d)
    if sine > 1.0:
        return np.empty((0, 3))
    angle = 2.0 * math.asin(sine)
    beam = np.array(resolved.geometry.beam)
    around = np.linspace(0.0, 2.0 * math.pi, points)[:, None]
    across = np.cross(beam, [0.0, 0.0, 1.0] if abs(beam[2]) < 0.9 else [1.0, 0.0, 0.0])
    across /= np.linalg.norm(across)
    other = np.cross(beam, across)
    return math.cos(angle) * beam + math.sin(angle) * (np.cos(around) * across + np.sin(around) * other)


def ring_lines(seen: Seen, d: float, points: int = 721) -> list[NDArray[np.float64]]:
    """Where reflections of spacing ``d`` (Å) are in the picture: (n, 2) for each panel; NaN: nowhere on it."""
    assert seen.resolved is not None, "rings are drawn for what was simulated"
    rays = _rays(seen.resolved, d, points)
    lines = []
    for panel in seen.resolved.scene.panels:
        at = pixels_of_rays(panel, rays)
        if seen.view is not None:
            with np.errstate(invalid="ignore"):
                at[~((at >= 0).all(axis=1) & (at[:, 0] < panel.shape[1]) & (at[:, 1] < panel.shape[0]))] = np.nan
            at = seen.view.of(panel.at(at[:, 0], at[:, 1]))
        lines.append(at)
    return lines


def chosen_rings(seen: Seen) -> list[float]:
    """Up to five round resolutions whose rings lie on the detector, spread over it."""
    visible = []
    rows, columns = seen.pixels.shape
    for d in _GOOD_RINGS:
        inside = 0
        for points in ring_lines(seen, d, 181):
            with np.errstate(invalid="ignore"):
                inside += int(((points > 0).all(axis=1) & (points[:, 0] < columns) & (points[:, 1] < rows)).sum())
        if inside > 18:
            visible.append(d)
    if len(visible) <= _MOST_RINGS:
        return visible
    # Evenly spaced on the detector, which is nearly evenly in 1/d.
    wanted = np.linspace(1 / visible[0], 1 / visible[-1], _MOST_RINGS + 1)[1:]
    return list(dict.fromkeys(min(visible, key=lambda d: abs(1 / d - w)) for w in wanted))


def _draw(picture: Any, seen: Seen, marks: Marks, factor: int) -> None:
    drawing = need("pillow", "PNG", module="PIL.ImageDraw").Draw(picture)
    rings: Sequence[float] = ()
    if marks.rings is not None:
        said = parse_rings(marks.rings)
        rings = chosen_rings(seen) if said is None else said
    for d in rings:
        for points in ring_lines(seen, d):
            _draw_ring(drawing, picture.size, points / factor, d)
    assert seen.resolved is not None, "marks are drawn for what was simulated"
    panels = seen.resolved.scene.panels
    if marks.beam:
        beam = np.array([seen.resolved.geometry.beam])
        at = pixels_of_rays(panels[0], beam)[0] if seen.view is None else seen.view.of(np.zeros((1, 3)))[0]
        if np.isfinite(at).all():
            x, y = at / factor
            drawing.line([x - 8, y, x + 8, y], fill=_BEAM, width=2)
            drawing.line([x, y - 8, x, y + 8], fill=_BEAM, width=2)
    if marks.roi:
        for panel in panels:
            _draw_region(drawing, seen, panel, factor)


def _draw_region(drawing: Any, seen: Seen, panel: ScenePanel, factor: int) -> None:
    x0, x1, y0, y1 = panel.region
    if seen.view is None:
        box = [x0 / factor, y0 / factor, max(x0, x1) / factor, max(y0, y1) / factor]
        drawing.rectangle(box, outline=_REGION, width=2)
    elif x1 >= x0 and y1 >= y0:
        corners = panel.at([x0, x1 + 1, x1 + 1, x0, x0], [y0, y0, y1 + 1, y1 + 1, y0])
        drawing.line([tuple(at) for at in (seen.view.of(corners) / factor).tolist()], fill=_REGION, width=2)


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
