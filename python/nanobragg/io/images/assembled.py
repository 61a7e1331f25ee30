"""A detector of several panels as it is seen along the beam, for pictures (``specs/formats.md``, "Several panels")."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from nanobragg.records.panel import panel_views

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from nanobragg.records.panel import ScenePanel
    from nanobragg.records.resolved import Geometry, Resolved

_LARGEST = 6000
"""pixels along an edge; larger detectors are shown with larger ones"""
_EDGE_ON = 1e-3
"""part of a pixel's area that is left of it in the view; panels with less of it are not seen"""


class View(NamedTuple):
    """A picture across the beam: polarization to the right, and downwards what is at right angles to it."""

    axes: NDArray[np.float64]
    """(2, 3) unit vectors: to the right, and down"""
    corner: NDArray[np.float64]
    """(2,) m: of the first pixel"""
    edge: float
    """m, of a pixel"""
    shape: tuple[int, int]

    def of(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n, 2) pixels to the right and down, of points (n, 3) m; 0, 0 is the outer corner of the first pixel."""
        return (points @ self.axes.T - self.corner) / self.edge


def view_of(panels: Sequence[ScenePanel], geometry: Geometry) -> View:
    """The view that holds all panels, with pixels of the smallest size that they have."""
    beam = np.array(geometry.beam)
    right = np.array(geometry.polar) - (np.array(geometry.polar) @ beam) * beam
    if np.linalg.norm(right) < 1e-9:
        right = np.cross(beam, [0.0, 1.0, 0.0] if abs(beam[1]) < 0.9 else [1.0, 0.0, 0.0])
    right /= np.linalg.norm(right)
    axes = np.array([right, np.cross(beam, right)])
    corners = np.concatenate([p.at([0, p.shape[1], 0, p.shape[1]], [0, 0, p.shape[0], p.shape[0]]) for p in panels])
    low, high = (corners @ axes.T).min(axis=0), (corners @ axes.T).max(axis=0)
    edge = max(min(min(panel.pixel_size) for panel in panels), float((high - low).max()) / _LARGEST)
    columns, rows = np.maximum(1, np.ceil((high - low) / edge - 1e-6)).astype(int).tolist()
    return View(axes, low, edge, (rows, columns))


def assembled(image: NDArray[Any], resolved: Resolved) -> tuple[NDArray[np.float64], View]:
    """The picture (down, right) of an image of the shape ``Scene.image_shape``, each of its pixels the one of the panel
    that is seen there, NaN in gaps and masks; and the view.
    """
    panels = resolved.scene.panels
    view = view_of(panels, resolved.geometry)
    picture = np.full(view.shape, np.nan)
    for panel, pixels in zip(panels, panel_views(image, panels), strict=True):
        _place(picture, view, panel, pixels)
    return picture, view


def _place(picture: NDArray[np.float64], view: View, panel: ScenePanel, pixels: NDArray[Any]) -> None:
    origin = view.of(panel.at(0, 0)[None])[0]
    steps = np.stack([view.of(panel.at(1, 0)[None])[0], view.of(panel.at(0, 1)[None])[0]], axis=1) - origin[:, None]
    area = float(np.linalg.det(steps))
    if abs(area) * view.edge**2 < _EDGE_ON * panel.pixel_size[0] * panel.pixel_size[1]:
        return
    corners = origin[:, None] + steps @ np.array([[0, panel.shape[1]] * 2, [0, 0, panel.shape[0], panel.shape[0]]])
    first = np.maximum(np.floor(corners.min(axis=1)).astype(int), 0)
    last = np.minimum(np.ceil(corners.max(axis=1)).astype(int), view.shape[::-1])
    right, down = np.meshgrid(np.arange(first[0], last[0]) + 0.5, np.arange(first[1], last[1]) + 0.5)
    fast, slow = np.linalg.solve(steps, np.stack([right.ravel() - origin[0], down.ravel() - origin[1]]))
    column, row = np.floor(fast).astype(int), np.floor(slow).astype(int)
    on = (column >= 0) & (column < panel.shape[1]) & (row >= 0) & (row < panel.shape[0])
    if panel.mask is not None:
        on[on] = panel.mask[row[on], column[on]] != 0
    shown = picture[first[1] : last[1], first[0] : last[0]]
    flat = shown.reshape(-1).copy()
    flat[on] = pixels[row[on], column[on]]
    shown[...] = flat.reshape(shown.shape)
