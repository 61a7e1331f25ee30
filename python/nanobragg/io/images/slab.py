"""An image of several panels as formats hold it that know of one: the file's own array, with gaps that are masked
(``specs/formats.md``, "Several panels").
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from nanobragg.errors import InputError
from nanobragg.records.panel import panel_views

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from nanobragg.records.panel import ScenePanel
    from nanobragg.records.resolved import Resolved
    from nanobragg.records.scene import Scene

_ENOUGH = 1e-7
"""m: panels that are nearer to the slab's plane need no word"""


MASK_OF_PARTS = "pixel_mask_slab"
"""The mask (slow, fast) of an NXmx file whose pixel_mask is one of images."""


def is_stack(panels: Sequence[ScenePanel]) -> bool:
    """Whether the file's array has the panels behind each other, and not side by side."""
    return any(len(panel.place) > 2 for panel in panels)


def array_shape(panels: Sequence[ScenePanel]) -> tuple[int, ...]:
    """Shape of the file's array, (slow, fast) or (module, slow, fast).

    Raises :class:`InputError` for places of two numbers and of three.
    """
    if len(panels) == 1:
        return tuple(panels[0].shape)
    if len({len(panel.place) for panel in panels}) > 1:
        raise InputError("panels: found places of two and of three numbers in the file's array, expected one kind")
    ends = [(*np.add(panel.place[:-2], 1), *np.add(panel.place[-2:], panel.shape)) for panel in panels]
    return tuple(int(max(along)) for along in zip(*ends, strict=True))


def has_whole_rows(panels: Sequence[ScenePanel]) -> bool:
    """Whether each panel has all pixels of its rows of the slab."""
    return all(panel.shape[1] == array_shape(panels)[-1] for panel in panels)


def _follows_image(panels: Sequence[ScenePanel], sizes: tuple[int, ...]) -> bool:
    """Whether the file's array has the image's pixels one after the other, so that no copy of it need be made."""
    counts = np.cumsum([0, *(panel.shape[0] * panel.shape[1] for panel in panels)]).tolist()
    begins = [int(np.ravel_multi_index(panel.place, sizes)) for panel in panels]
    return [*begins, int(np.prod(sizes))] == counts and all(panel.shape[1] == sizes[-1] for panel in panels)


def in_file(image: NDArray[Any], panels: Sequence[ScenePanel], fill: float = 0) -> NDArray[Any]:
    """The file's array, (slow, fast) or (module, slow, fast), of an image of the shape ``Scene.image_shape``.

    Args:
        image: the pixels.
        panels: the Scene's.
        fill: what stands where there is no panel.

    Raises:
        InputError: for places that overlap, or of two and three numbers.

    """
    if len(panels) == 1:
        return image
    sizes = array_shape(panels)
    if _follows_image(panels, sizes):
        return image.reshape(sizes)
    result = np.full(sizes, fill, image.dtype)
    used = np.zeros(sizes, bool)
    for panel, pixels in zip(panels, panel_views(image, panels), strict=True):
        where = _where(panel)
        if used[where].any():
            raise InputError(
                f"panels: found {panel.name} over another panel in the file's array, expected a place apart"
            )
        used[where] = True
        result[where] = pixels
    return result


def part_of(array: NDArray[Any], panel: ScenePanel, number: int, count: int) -> NDArray[Any]:
    """The pixels (slow, fast) of a panel in an array that holds a detector; of another shape where it does not.

    Args:
        array: the file's array, slab or stack, or (panel, slow, fast).
        panel: the panel.
        number: of it, from 0.
        count: of panels.

    """
    place, (slow, fast) = panel.place, panel.shape
    if array.ndim == 3 and (len(place) == 2 or array.shape == (count, slow, fast)):
        return array[number] if number < len(array) else array[0, :0]
    if array.ndim != len(place):
        return array.reshape(-1)[:0]
    if len(place) == 3:
        array = array[place[0]] if place[0] < len(array) else array[0, :0]
    s0, f0 = place[-2:]
    return array[s0 : s0 + slow, f0 : f0 + fast]


def from_file(array: NDArray[Any], panels: Sequence[ScenePanel]) -> NDArray[Any] | None:
    """The pixels of all panels, one panel after the other, (pixels,); ``None`` where the array does not hold them.

    The panels of a stack may be below each other in it.
    """
    if array.ndim == 2:
        panels = flattened(panels)
    parts = [part_of(array, panel, number, len(panels)) for number, panel in enumerate(panels)]
    if any(part.shape != tuple(panel.shape) for part, panel in zip(parts, panels, strict=True)):
        return None
    return np.concatenate([part.ravel() for part in parts])


def as_rendered(array: NDArray[Any], scene: Scene) -> NDArray[Any] | None:
    """The pixels in the shape ``Scene.image_shape``, from an array of that shape, or one that holds the panels as
    :func:`from_file` finds them; ``None`` where it does not.
    """
    if array.shape == scene.image_shape:
        return array
    found = from_file(array, scene.panels) if len(scene.panels) > 1 else None
    return None if found is None else found.reshape(scene.image_shape)


def _where(panel: ScenePanel) -> tuple[int | slice, ...]:
    slow, fast = panel.place[-2:]
    return (*panel.place[:-2], slice(slow, slow + panel.shape[0]), slice(fast, fast + panel.shape[1]))


def flattened(panels: Sequence[ScenePanel]) -> tuple[ScenePanel, ...]:
    """The panels with places in a slab: those of a stack below each other."""
    if not is_stack(panels):
        return tuple(panels)
    high = max(panel.place[-2] + panel.shape[0] for panel in panels)
    return tuple(replace(panel, place=(panel.place[0] * high + panel.place[-2], panel.place[-1])) for panel in panels)


def as_one_panel(resolved: Resolved, what: str) -> Resolved:
    """The detector as the one panel that holds the file's array: where the first one is, and masked in the gaps.

    Raises :class:`InputError` naming ``what``, where panels are in a stack.
    """
    scene = resolved.scene
    panels = scene.panels
    if len(panels) == 1:
        return resolved
    if is_stack(panels):
        raise InputError(
            f"{what}: found {len(panels)} panels in a stack, expected panels with a place in one slab, or .h5 or .npy"
        )
    mask = scene.image_mask
    ones = np.ones(scene.image_shape, np.uint8) if mask is None else mask
    whole = in_file(ones, panels)
    slab = replace(_around(panels[0]), shape=whole.shape, mask=None if whole.all() else whole)
    return replace(resolved, scene=replace(scene, panels=(slab,)))


def _around(first: ScenePanel) -> ScenePanel:
    """The panel of the slab, but for its shape and mask."""
    slow, fast = first.place
    return replace(first, name="slab", origin=first.at(-fast, -slow), place=(0, 0), shape=(1, 1), mask=None, roi=None)


def deviation(panels: Sequence[ScenePanel]) -> float:
    """How far a pixel's corner is from where the slab has it, m."""
    slab = _around(panels[0])
    worst = 0.0
    for panel in panels:
        fast, slow = np.array([0, panel.shape[1]]), np.array([0, panel.shape[0]])
        own = panel.at(fast, slow)
        worst = max(worst, float(np.abs(own - slab.at(fast + panel.place[-1], slow + panel.place[-2])).max()))
    return worst


def doubt(panels: Sequence[ScenePanel]) -> str | None:
    """What a header that knows of one panel cannot tell, as a sentence; ``None`` if it tells all."""
    if len(panels) == 1 or is_stack(panels):
        return None
    off = deviation(panels)
    if off < _ENOUGH:
        return None
    return (
        f"the header has one flat panel, and of the {len(panels)} panels some are up to {off * 1e3:.3g} mm elsewhere; "
        "write NXmx (.h5) to keep the geometry"
    )
