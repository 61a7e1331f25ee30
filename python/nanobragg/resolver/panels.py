"""Panels of a Scene, made of what users and files say of them: in metres, with normals away from the sample."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from nanobragg.errors import InputError
from nanobragg.io.images.slab import part_of
from nanobragg.records.panel import ScenePanel, usual_places

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from nanobragg.io.geometry.types import FileGeometry, FilePanel
    from nanobragg.records.experiment import Detector, Panel
    from nanobragg.resolver.detector import Frame


def facing(what: str, origin: ArrayLike, fast: ArrayLike, slow: ArrayLike) -> tuple[NDArray[np.float64], float]:
    """The normal of a panel that points away from the sample, and how far from the sample its plane is (m).

    Raises :class:`InputError`, naming ``what``, for axes that span no plane, and for a plane through the sample.
    """
    normal = np.cross(np.asarray(fast), np.asarray(slow))
    length = float(np.linalg.norm(normal))
    if not length > 1e-9:
        raise InputError(f"{what}: found fast and slow axes along one line, expected different directions")
    normal = normal / length
    distance = float(normal @ np.asarray(origin))
    if distance == 0.0:
        raise InputError(f"{what}: found a plane that goes through the sample, expected one that it shines on")
    return (normal, distance) if distance > 0.0 else (-normal, -distance)


def placed(
    panel: ScenePanel, origin: NDArray[np.float64], fast: NDArray[np.float64], slow: NDArray[np.float64]
) -> ScenePanel:
    """The panel at another place. Raises :class:`InputError` as :func:`facing` does."""
    normal, distance = facing(f"panel {panel.name}", origin, fast, slow)
    return replace(panel, origin=origin, fast=fast, slow=slow, normal=normal, close_distance=distance)


# ---- of users ---------------------------------------------------------------------------------------------


def panels_of_user(detector: Detector, frame: Frame, masks: Sequence[NDArray[Any] | None]) -> tuple[ScenePanel, ...]:
    """The panels of ``Detector.panels``.

    Args:
        detector: the detector.
        frame: of the convention, for axes that are not said.
        masks: of each panel, as its file or array has it.

    Raises:
        InputError: naming the panel, for what is missing or cannot be.

    """
    said = detector.panels or ()
    names = [panel.name or f"p{number}" for number, panel in enumerate(said)]
    double = next((name for number, name in enumerate(names) if name in names[:number]), None)
    if double is not None:
        raise InputError(f"detector.panels: found two panels {double}, expected a name for each")
    places = _places(said)
    if len({len(place) for place in places}) > 1:
        raise InputError("detector.panels: found places in a slab and in a stack, expected one of them")
    panels = tuple(
        _panel_of_user(panel, name, place, detector, frame, mask)
        for panel, name, place, mask in zip(said, names, places, masks, strict=True)
    )
    if shared := overlapping(panels):
        raise InputError(f"detector.panels: found {shared[0]} and {shared[1]} at one place of the file's array")
    return panels


def _places(said: Sequence[Panel]) -> list[tuple[int, ...]]:
    """Where each panel is in the file's array: as said, else in a stack, or below each other."""
    given = [panel.place for panel in said]
    if all(place is not None for place in given):
        return [tuple(place) for place in given if place is not None]
    if any(place is not None for place in given):
        raise InputError("detector.panels: found places in the file's array for some panels, expected them for all")
    return usual_places([panel.shape or (0, 0) for panel in said])


def _panel_of_user(
    panel: Panel, name: str, place: tuple[int, ...], detector: Detector, frame: Frame, mask: NDArray[Any] | None
) -> ScenePanel:
    shape, origin = panel.shape, panel.origin
    for field, value in (("shape", shape), ("origin", origin)):
        if value is None:
            raise InputError(f"detector.panels: found no {field} of panel {name}, expected one")
    assert shape is not None
    assert origin is not None
    size = panel.pixel_size if panel.pixel_size is not None else detector.pixel_size
    edges = size if isinstance(size, tuple) else (0.1 if size is None else size,) * 2
    fast, slow = (
        _unit(f"detector.panels: {field} of panel {name}", frame_axis if vector is None else vector)
        for field, vector, frame_axis in (
            ("fast_axis", panel.fast_axis, frame.fast),
            ("slow_axis", panel.slow_axis, frame.slow),
        )
    )
    corner = np.array(origin) / 1000.0
    normal, distance = facing(f"panel {name}", corner, fast, slow)
    return ScenePanel(
        name=name,
        group=panel.group,
        shape=shape,
        pixel_size=(edges[0] / 1000.0, edges[1] / 1000.0),
        origin=corner,
        fast=fast,
        slow=slow,
        normal=normal,
        close_distance=distance,
        sensor_material=panel.sensor_material or "",
        **sensor_numbers(panel),
        gain=panel.gain,
        saturation=panel.saturation,
        mask=_mask_of_user(panel, name, shape, mask),
        place=place,
    )


def sensor_numbers(panel: Panel) -> dict[str, Any]:
    """What is said of a panel's own sensor, as :class:`~nanobragg.records.panel.ScenePanel` has it; of dual numbers, if
    they are.
    """
    return {
        "sensor_thickness": (panel.sensor_thickness or 0.0) * 1e-6,
        "sensor_attenuation": 0.0 if panel.attenuation_depth is None else 1.0 / (panel.attenuation_depth * 1e-6),
    }


def overlapping(panels: Sequence[ScenePanel]) -> tuple[str, str] | None:
    """The names of two panels that share pixels of the file's array; ``None``: there are none."""
    corners = np.array([((0, *panel.place)[-3:]) for panel in panels])
    ends = corners + [(1, *panel.shape) for panel in panels]
    apart = (corners[:, None] >= ends[None]) | (corners[None] >= ends[:, None])
    shared = np.argwhere(np.triu(~apart.any(axis=2), 1))
    return (panels[shared[0][0]].name, panels[shared[0][1]].name) if len(shared) else None


def _unit(what: str, vector: ArrayLike) -> NDArray[np.float64]:
    array = np.asarray(vector, dtype=float)
    length = float(np.linalg.norm(array))
    if not length > 0.0:
        raise InputError(f"{what}: found a vector of length 0, expected a direction")
    return array / length


def _mask_of_user(panel: Panel, name: str, shape: tuple[int, int], given: NDArray[Any] | None) -> Any:
    """Flags of the pixels that are rendered; ``None`` for all."""
    if given is None and not panel.bad:
        return None
    kept = np.ones(shape, bool) if given is None else np.asarray(given) != 0
    if kept.shape != shape:
        found = " x ".join(str(count) for count in kept.shape)
        raise InputError(
            f"panel {name}: found a mask of {found} pixels, expected {shape[0]} x {shape[1]} (slow x fast)"
        )
    kept = kept.copy()
    for f0, f1, s0, s1 in panel.bad:
        if min(f0, s0) < 0 or f1 < f0 or s1 < s0 or f1 >= shape[1] or s1 >= shape[0]:
            raise InputError(
                f"panel {name}: found the bad region {f0} {f1} {s0} {s1}, expected fast from, to, slow from, to within "
                f"{shape[1]} x {shape[0]} pixels"
            )
        kept[s0 : s1 + 1, f0 : f1 + 1] = False
    return kept


# ---- of files ---------------------------------------------------------------------------------------------


def panels_of_file(file: FileGeometry, turn: NDArray[np.float64] | None = None) -> tuple[ScenePanel, ...]:
    """The panels of a file, its mm in m; ``turn`` (3, 3) from the file's frame to another."""
    return tuple(_panel_of_file(file.name, panel, number, turn) for number, panel in enumerate(file.panels))


def _panel_of_file(file: str, panel: FilePanel, number: int, turn: NDArray[np.float64] | None) -> ScenePanel:
    name = panel.name or f"p{number}"
    vectors = np.array([panel.origin, panel.fast, panel.slow])
    vectors[0] /= 1000.0
    if turn is not None:
        vectors = vectors @ turn.T
    normal, distance = facing(f"{file}: panel {name}", *vectors)
    return ScenePanel(
        name=name,
        group=panel.group,
        shape=panel.shape,
        pixel_size=(panel.pixel_size[0] / 1000.0, panel.pixel_size[1] / 1000.0),
        origin=vectors[0],
        fast=vectors[1],
        slow=vectors[2],
        normal=normal,
        close_distance=distance,
        sensor_material=panel.material,
        sensor_thickness=(panel.thickness or 0.0) / 1000.0,
        sensor_attenuation=1000.0 * (panel.mu or 0.0),
        gain=panel.gain if panel.gain is not None and panel.gain > 0.0 else 1.0,
        saturation=None if panel.trusted_range is None else _saturation(panel.trusted_range),
        mask=None if panel.bad is None else (~panel.bad).view(np.uint8),
        place=panel.place,
    )


def _saturation(trusted: tuple[float, float]) -> float | None:
    return trusted[1] if trusted[0] < trusted[1] else None


# ---- of arrays --------------------------------------------------------------------------------------------


def with_mask(panels: Sequence[ScenePanel], mask: NDArray[Any], name: str) -> tuple[ScenePanel, ...]:
    """Panels without what a mask leaves out as well.

    Args:
        panels: one or more.
        mask: 0: not rendered. (panel, slow, fast), or as the file's array has the panels: slab or stack.
        name: where it is from, for the error.

    Raises:
        InputError: for a mask that does not hold the panels.

    """
    kept = np.asarray(mask) != 0
    parts = [part_of(kept, panel, number, len(panels)) for number, panel in enumerate(panels)]
    wrong = next((n for n, (panel, part) in enumerate(zip(panels, parts, strict=True)) if part.shape != panel.shape), 0)
    if parts[wrong].shape != panels[wrong].shape:
        found = " x ".join(str(count) for count in mask.shape)
        place = " ".join(str(index) for index in panels[wrong].place)
        slow, fast = panels[wrong].shape
        raise InputError(
            f"-mask: found {found} pixels in {name}, expected an array that holds panel {panels[wrong].name}, "
            f"{slow} x {fast} pixels (slow x fast) from {place} on"
        )
    return tuple(
        replace(panel, mask=(part if panel.mask is None else part & (panel.mask != 0)).view(np.uint8))
        for panel, part in zip(panels, parts, strict=True)
    )
