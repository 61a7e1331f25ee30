"""A panel of a Scene: a raster of pixels on a plane, explicit, in SI units and the laboratory's frame."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nanobragg.errors import InputError
from nanobragg.records.record import Record

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


class SceneSensor(Record):
    """What absorbs in a panel. Raises :class:`InputError` for layers that are not rows of five numbers."""

    layers: NDArray[np.float64]
    """(T, 5) m, as ``Scene.layers`` has them."""
    attenuation: float
    """1/m"""
    depth: float
    """m: of all layers together."""

    def __post_init__(self) -> None:
        layers = np.array(self.layers, dtype=np.float64)
        if layers.ndim != 2 or layers.shape[1] != 5:
            raise InputError(f"SceneSensor: layers: found an array of shape {layers.shape}, expected (T, 5)")
        layers.setflags(write=False)
        object.__setattr__(self, "layers", layers)


class ScenePanel(Record):
    """Where its pixels are, what they are like, and where they are found in a file.

    Vectors may be given as any three numbers; they are kept as read-only float64.

    Raises:
        InputError: for vectors that are not three numbers, and a mask of another shape.

    """

    name: str
    group: str = ""
    """Name of the panels that are moved together with it (a quadrant, say)."""
    shape: tuple[int, int]
    """(slow, fast) pixels."""
    pixel_size: tuple[float, float]
    """m, along the fast axis and along the slow one."""
    origin: NDArray[np.float64]
    """(3,) m: the outer corner of the first pixel."""
    fast: NDArray[np.float64]
    """(3,) along which pixels follow each other, ``pixel_size`` times its length apart."""
    slow: NDArray[np.float64]
    """(3,) along which rows follow each other; not always at right angles to ``fast``."""
    normal: NDArray[np.float64]
    """(3,) unit vector of the sensor's depth, away from the sample."""
    close_distance: float
    """m: from the sample to the panel's plane."""
    pixel_area: float | None = None
    """m², what the solid angle takes; ``None``: the parallelogram that a pixel's edges span."""
    sensor: SceneSensor | None = None
    """What absorbs in it, in as many layers as ``Scene.layers`` has; ``None``: what the Scene says."""
    sensor_material: str = ""
    """For files; '': not known, and files say Si."""
    sensor_thickness: float = 0.0
    """m; 0: not known. For files; what absorbs is said by the sensor."""
    sensor_attenuation: float = 0.0
    """1/m; 0: not known. What is said of the panel; what absorbs is said by the sensor."""
    gain: float = 1.0
    """Units of a raw pixel for each photon."""
    saturation: float | None = None
    """The largest count that a pixel holds; ``None``: what its file does."""
    mask: NDArray[np.uint8] | None = None
    """(slow, fast), 0: not rendered."""
    roi: tuple[int, int, int, int] | None = None
    """fast first, fast last, slow first, slow last of what is rendered (inclusive, inside the panel; last < first:
    nothing); ``None``: all."""
    place: tuple[int, ...] = (0, 0)
    """Where the first pixel is in the file's array: (slow, fast) in a slab, (module, slow, fast) in a stack."""

    def __post_init__(self) -> None:
        for name in ("origin", "fast", "slow", "normal"):
            object.__setattr__(self, name, _vector(f"ScenePanel: {name}", getattr(self, name)))
        if self.mask is not None:
            mask = np.asarray(self.mask)
            if mask.shape != tuple(self.shape):
                raise InputError(
                    f"ScenePanel: mask: found an array of shape {mask.shape}, expected {tuple(self.shape)}"
                )
            if mask.dtype != np.uint8:
                mask = (mask if mask.dtype == bool else mask != 0).view(np.uint8)
            object.__setattr__(self, "mask", np.ascontiguousarray(mask))

    @property
    def region(self) -> tuple[int, int, int, int]:
        """``roi``, or that of all pixels."""
        return (0, self.shape[1] - 1, 0, self.shape[0] - 1) if self.roi is None else self.roi

    @property
    def area(self) -> float:
        """m²: ``pixel_area``, or that of the parallelogram."""
        if self.pixel_area is not None:
            return self.pixel_area
        return self.pixel_size[0] * self.pixel_size[1] * float(np.linalg.norm(np.cross(self.fast, self.slow)))

    def at(self, fast: ArrayLike, slow: ArrayLike) -> NDArray[np.float64]:
        """Positions (..., 3) m of points in pixels: 0, 0 is the outer corner of the first one, 0.5, 0.5 its centre."""
        along_fast = np.asarray(fast, dtype=float)[..., None] * self.pixel_size[0]
        along_slow = np.asarray(slow, dtype=float)[..., None] * self.pixel_size[1]
        return self.origin + along_fast * self.fast + along_slow * self.slow


def rendered_part(panel: ScenePanel) -> NDArray[np.bool_]:
    """(slow, fast) pixels that are rendered: those of its region that its mask does not leave out."""
    f0, f1, s0, s1 = panel.region
    part = np.zeros(panel.shape, bool)
    part[s0 : s1 + 1, f0 : f1 + 1] = True
    return part if panel.mask is None else part & (panel.mask != 0)


def only_panel(panels: Sequence[ScenePanel], what: str) -> ScenePanel:
    """The panel of a detector that has one. Raises :class:`InputError` naming ``what`` takes no more."""
    if len(panels) != 1:
        raise InputError(f"{what}: found a detector of {len(panels)} panels, expected one")
    return panels[0]


def panel_number(names: Sequence[str], said: str) -> int | None:
    """The number of the panel with a name, or else with that number; ``None``: there is none."""
    if said in names:
        return names.index(said)
    return int(said) if said.isdecimal() and int(said) < len(names) else None


def few(names: Sequence[str]) -> str:
    """Some names, for messages."""
    return ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")


def usual_places(shapes: Sequence[tuple[int, int]]) -> list[tuple[int, ...]]:
    """Places in the file's array of panels of which nobody says any: a stack where shapes (slow, fast) agree, else a
    slab, each below the one before.
    """
    if len(shapes) == 1:
        return [(0, 0)]
    if len(set(shapes)) == 1:
        return [(number, 0, 0) for number in range(len(shapes))]
    return [(sum(shape[0] for shape in shapes[:number]), 0) for number in range(len(shapes))]


def panel_views(image: NDArray[Any], panels: Sequence[ScenePanel]) -> list[NDArray[Any]]:
    """The pixels (slow, fast) of each panel in an image of the shape ``Scene.image_shape``; views, not copies."""
    flat = image.reshape(-1)
    views, begin = [], 0
    for panel in panels:
        end = begin + panel.shape[0] * panel.shape[1]
        views.append(flat[begin:end].reshape(panel.shape))
        begin = end
    return views


def panel_position(panels: Sequence[ScenePanel], pixel: int) -> tuple[int, int, int]:
    """Panel, slow and fast index of a pixel, counted through an image of the shape ``Scene.image_shape``."""
    for number, panel in enumerate(panels):
        size = panel.shape[0] * panel.shape[1]
        if pixel < size:
            return (number, *divmod(pixel, panel.shape[1]))
        pixel -= size
    raise InputError(f"panels: found pixel {pixel} beyond the last one, expected one of the image")


def common_shape(panels: Sequence[ScenePanel]) -> tuple[int, int]:
    """(slow, fast) pixels of every panel. Raises :class:`InputError` where they differ, or there is none."""
    shapes = sorted({tuple(panel.shape) for panel in panels})
    if len(shapes) != 1:
        found = ", ".join(f"{slow} x {fast}" for slow, fast in shapes) or "none"
        raise InputError(f"panels: found the shapes {found} (slow x fast), expected panels of one shape")
    return (shapes[0][0], shapes[0][1])


def _vector(name: str, given: ArrayLike) -> NDArray[np.float64]:
    try:
        vector = np.array(given, dtype=np.float64)
    except (TypeError, ValueError):
        vector = np.empty(0)
    if vector.shape != (3,):
        raise InputError(f"{name}: found {given!r:.60}, expected three numbers")
    vector.setflags(write=False)
    return vector
