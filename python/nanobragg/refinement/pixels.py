"""Which pixels are compared, in which groups: whole panels, or boxes around spots, predicted or found."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from nanobragg.errors import InputError
from nanobragg.records.panel import panel_views
from nanobragg.results.truth import predicted

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from nanobragg.io.lists.spots import Spots
    from nanobragg.records.resolved import Resolved
    from nanobragg.records.scene import Scene

_AROUND = 3
"""pixels"""


class Pixels(NamedTuple):
    """Pixels of an image, group after group."""

    index: NDArray[np.intp]
    """(m,) in the flat image"""
    fast: NDArray[np.float64]
    """(m,) in the panel"""
    slow: NDArray[np.float64]
    resolution: NDArray[np.float64]
    """(m,) 1/d of each, 1/Å"""
    starts: NDArray[np.intp]
    """(g,) where each group begins"""
    groups: NDArray[np.intp]
    """(m,) of each pixel"""
    rows: NDArray[np.void]
    """(g,) what each group is: panel, centre (fast, slow; pixels), and h, k, l of a shoebox"""

    @property
    def sizes(self) -> NDArray[np.intp]:
        """(g,) pixels of each group."""
        return np.diff(np.append(self.starts, len(self.index)))


ROWS = np.dtype(
    [("panel", np.int32), ("fast", float), ("slow", float), ("h", np.int32), ("k", np.int32), ("l", np.int32)]
)


def panels_of(resolved: Resolved, used: NDArray[np.bool_]) -> Pixels:
    """All ``used`` pixels (of the image's shape), each panel a group."""
    owners = []
    rows = np.zeros(len(resolved.scene.panels), ROWS)
    for number, panel in enumerate(resolved.scene.panels):
        owners.append(np.full(panel.shape, number).ravel())
        rows[number] = (number, panel.shape[1] / 2, panel.shape[0] / 2, 0, 0, 0)
    return _grouped(resolved, np.concatenate(owners), used, rows)


def shoeboxes_of(resolved: Resolved, used: NDArray[np.bool_], radius: int | None) -> Pixels:
    """The ``used`` pixels of squares around predicted reflections; where they overlap, each belongs to the nearest.

    Args:
        resolved: the experiment at its start.
        used: of the image's shape.
        radius: half width, pixels; ``None``: five, or twice the half width of a spot where that is more.

    Raises:
        InputError: where no reflection is predicted on a pixel that is used.

    """
    table, footprint = predicted(resolved)
    half = max(5, 2 * footprint) if radius is None else radius
    rows = np.zeros(len(table), ROWS)
    for name in ROWS.names or ():
        rows[name] = table[name]
    middles = np.column_stack([rows["fast"], rows["slow"]]).astype(int)
    return _boxed(resolved, used, rows, np.hstack([middles - half, middles + half + 1]))


def spots_of(resolved: Resolved, used: NDArray[np.bool_], spots: Spots, around: int | None) -> Pixels:
    """The ``used`` pixels of the boxes of spots; where they overlap, each belongs to the nearest spot.

    Spots that are not indexed have the index that is nearest at the start.

    Args:
        resolved: the experiment at its start.
        used: of the image's shape.
        spots: those of the image.
        around: pixels more on each side of a box, for the background; ``None``: three.

    Raises:
        InputError: for spots on panels that there are not, and where none is on a pixel that is used.

    """
    panels = resolved.scene.panels
    if spots.panel.max() >= len(panels) or spots.panel.min() < 0:
        raise InputError(f"spots: found one on panel {spots.panel.max()}, expected panels 0 to {len(panels) - 1}")
    rows = np.zeros(len(spots.panel), ROWS)
    rows["panel"], (rows["fast"], rows["slow"]) = spots.panel, spots.place.T
    hkl = np.where(np.any(spots.hkl, axis=1, keepdims=True), spots.hkl, _nearest(resolved, rows))
    rows["h"], rows["k"], rows["l"] = hkl.T
    wider = _AROUND if around is None else around
    limit = max(max(panel.shape) for panel in panels)
    boxes = np.clip(spots.box[:, (0, 2, 1, 3)], -limit, 2 * limit) + np.array([-wider, -wider, wider, wider])
    return _boxed(resolved, used, rows, boxes)


def _nearest(resolved: Resolved, rows: NDArray[np.void]) -> NDArray[np.intp]:
    """(n, 3): whole indices that are nearest to the places of spots."""
    panels = resolved.scene.panels
    places = [panels[row["panel"]].at(row["fast"], row["slow"]) for row in rows]
    return np.rint(indices_at(resolved.scene, np.array(places))).astype(np.intp)


def _boxed(resolved: Resolved, used: NDArray[np.bool_], rows: NDArray[np.void], boxes: NDArray[np.intp]) -> Pixels:
    """The ``used`` pixels of boxes (n, 4): first fast and slow, and the ones after the last."""
    scene = resolved.scene
    owner = np.full(used.size, -1)
    nearest = np.full(used.size, np.inf)
    owners, distances = panel_views(owner, scene.panels), panel_views(nearest, scene.panels)
    for number, (row, box) in enumerate(zip(rows, np.maximum(boxes, 0).tolist(), strict=True)):
        cut = (slice(box[1], box[3]), slice(box[0], box[2]))
        mine = owners[row["panel"]][cut]
        slow, fast = np.indices(mine.shape) + np.array([box[1], box[0]])[:, None, None] + 0.5
        away = (fast - row["fast"]) ** 2 + (slow - row["slow"]) ** 2
        closer = away < distances[row["panel"]][cut]
        mine[closer] = number
        distances[row["panel"]][cut][closer] = away[closer]
    return _grouped(resolved, owner, used, rows)


def _grouped(resolved: Resolved, owner: NDArray[np.intp], used: NDArray[np.bool_], rows: NDArray[np.void]) -> Pixels:
    taken = np.flatnonzero((owner >= 0) & used.ravel())
    if not taken.size:
        raise InputError("refine: found no pixel to compare (masks, saturation, predictions), expected some")
    index = taken[np.argsort(owner[taken], kind="stable")]
    groups, starts, numbers = np.unique(owner[index], return_index=True, return_inverse=True)
    grids = [np.indices(panel.shape).reshape(2, -1) for panel in resolved.scene.panels]
    slow, fast = np.concatenate(grids, axis=1)[:, index].astype(float)
    resolution = 1e-10 * np.linalg.norm(_scattering(resolved.scene, _places(resolved.scene)[index]), axis=1)
    return Pixels(index, fast, slow, resolution, starts, numbers, rows[groups])


def indices_of(resolved: Resolved) -> NDArray[np.float64]:
    """(n, 3): h, k, l at the middles of all pixels, in the first orientation and at the first source."""
    return indices_at(resolved.scene, _places(resolved.scene))


def _places(scene: Scene) -> NDArray[np.float64]:
    """(n, 3): the middles of all pixels."""
    return np.concatenate([p.at(*(np.indices(p.shape)[::-1] + 0.5)).reshape(-1, 3) for p in scene.panels])


def indices_at(scene: Scene, places: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n, 3): the same at places (n, 3) of the laboratory."""
    return _scattering(scene, places) @ scene.orientations[0].T


def _scattering(scene: Scene, places: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n, 3) 1/m: the scattering vectors there, of the first source."""
    rays = places / np.linalg.norm(places, axis=1)[:, None]
    return (rays - scene.source_direction[0]) / scene.source_wavelength[0]


def near_beam(indices: NDArray[np.float64]) -> NDArray[np.bool_]:
    """(n,) of :func:`indices_of`: pixels of the spot 0 0 0, which no detector records and a beamstop hides."""
    return np.asarray((np.abs(indices) < 0.5).all(axis=1))


def reach_of(indices: NDArray[np.float64], pixels: Pixels) -> float:
    """The largest Miller index on the pixels, from :func:`indices_of`."""
    return max(float(np.abs(indices[pixels.index]).max()), 1.0)


def without(pixels: Pixels, out: NDArray[np.bool_]) -> Pixels:
    """The pixels but those that are ``out`` (m,)."""
    keep = ~out
    groups, starts, numbers = np.unique(pixels.groups[keep], return_index=True, return_inverse=True)
    return Pixels(
        pixels.index[keep],
        pixels.fast[keep],
        pixels.slow[keep],
        pixels.resolution[keep],
        starts,
        numbers,
        pixels.rows[groups],
    )
