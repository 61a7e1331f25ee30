"""The models of a DIALS experiment: panels of a hierarchy, goniometer, scan and crystal (``specs/formats.md``)."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np

from nanobragg.errors import InputError
from nanobragg.io.geometry.types import FilePanel, Vec, vec_of
from nanobragg.maths.rotations import rotation
from nanobragg.records.panel import usual_places


class Incomplete(ValueError):
    """What of a model is not there, or is something else."""

    def __init__(self, reason: str, model: Any = None, key: str | None = None) -> None:
        super().__init__(reason)
        self.model = model
        """the object of the file that it concerns"""
        self.key = key
        """what of it"""


class Model(dict[str, Any]):
    """An object of the file, which knows what of it was read last: where reading fails, that is the reason."""

    last: str | None = None

    def __getitem__(self, key: str) -> Any:
        self.last = key
        return super().__getitem__(key)

    def get(self, key: str, default: Any = None) -> Any:
        """As that of any dict."""
        self.last = key
        return super().get(key, default)


@contextmanager
def within(model: Any) -> Iterator[None]:
    """Whatever fails in the block is :class:`Incomplete`, and concerns the model or a part of it."""
    try:
        yield
    except Incomplete as error:
        if error.model is None:
            error.model = model
        raise
    except KeyError as error:
        raise Incomplete(f"no {error.args[0] if error.args else 'item'}", model) from error
    except (IndexError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        if isinstance(error, InputError):
            raise
        key = getattr(model, "last", None)
        value = "an item" if key is None else f"{key} {str(model.get(key))[:40]}"
        raise Incomplete(f"{value} of another kind", model, key) from error


_DEEPEST = 64
"""groups inside each other"""


# ---- detector ---------------------------------------------------------------------------------------------


def panels_of(detector: dict[str, Any]) -> list[FilePanel]:
    """The panels, in the laboratory's frame: each is local to the groups of the hierarchy that hold it."""
    if not isinstance(detector["panels"], list) or not detector["panels"]:
        raise Incomplete("no panels", detector, "panels")
    wrong = next((n for n, panel in enumerate(detector["panels"]) if not isinstance(panel, dict)), None)
    if wrong is not None:
        raise Incomplete(f"panel {wrong} that is no object", detector, "panels")
    frames = _frames(detector.get("hierarchy"), len(detector["panels"]))
    numbered = enumerate(detector["panels"])
    panels = [_panel(panel, *frames.get(number, (np.eye(4), ""))) for number, panel in numbered]
    if any(any(panel.place) for panel in panels):
        return panels
    places = usual_places([panel.shape for panel in panels])
    return [replace(panel, place=place) for panel, place in zip(panels, places, strict=True)]


def _frames(hierarchy: dict[str, Any] | None, panels: int) -> dict[int, tuple[np.ndarray, str]]:
    """(4, 4) from the frame of each panel to the laboratory's, and the name of the group that holds it; groups of one
    name are numbered from the second on, since they move apart.

    Raises :class:`Incomplete` where a panel is in no group, or in several: nobody knows then where it is.
    """
    found: dict[int, tuple[np.ndarray, str]] = {}
    names: dict[str, int] = {}
    waiting = deque([] if not hierarchy else [(hierarchy, np.eye(4), 0)])
    while waiting:
        group, outside, depth = waiting.popleft()
        if depth > _DEEPEST:
            raise Incomplete(f"more than {_DEEPEST} groups inside each other", group)
        with within(group):
            inside = outside @ _frame(group)
            label = str(group.get("name") or "")
            names[label] = names.get(label, 0) + 1
            label += f" {names[label]}" if label and names[label] > 1 else ""
            for node in group.get("children") or ():
                with within(node):
                    if node.get("panel") is None:
                        waiting.append((node, inside, depth + 1))
                    else:
                        number = int(node["panel"])
                        if number in found or not 0 <= number < panels:
                            what = "for the second time" if number in found else f"of {panels}"
                            raise Incomplete(f"panel {number} {what}", node, "panel")
                        found[number] = (inside, label)
    if hierarchy and hierarchy.get("children") and len(found) < panels:
        number = next(number for number in range(panels) if number not in found)
        raise Incomplete(f"no group that holds panel {number}", hierarchy, "children")
    return found


def _frame(group: dict[str, Any]) -> np.ndarray:
    matrix = np.eye(4)
    if group.get("fast_axis") is None:
        return matrix
    fast, slow = (_direction(group, key) for key in ("fast_axis", "slow_axis"))
    matrix[:3, :3] = np.stack([fast, slow, np.cross(fast, slow)], axis=1)
    matrix[:3, 3] = numbers_of(group, "origin", 3)
    return matrix


def _panel(panel: dict[str, Any], frame: np.ndarray, group: str) -> FilePanel:
    with within(panel):
        return _read_panel(panel, frame, group)


def _read_panel(panel: dict[str, Any], frame: np.ndarray, group: str) -> FilePanel:
    fast_size, slow_size = numbers_of(panel, "pixel_size", 2).tolist()
    nfast, nslow = (int(count) for count in numbers_of(panel, "image_size", 2))
    if not (0.0 < fast_size < 1e6 and 0.0 < slow_size < 1e6 and 0 < nfast < 1_000_000 and 0 < nslow < 1_000_000):
        key = "pixel_size" if 0 < nfast < 1_000_000 and 0 < nslow < 1_000_000 else "image_size"
        raise Incomplete(f"{nfast} x {nslow} pixels of {fast_size:g} x {slow_size:g} mm", panel, key)
    limits = numbers_of(panel, "trusted_range", 2, finite=False).tolist() if panel.get("trusted_range") else None
    f0, s0 = numbers_of(panel, "raw_image_offset", 2) if panel.get("raw_image_offset") else (0, 0)
    if not (0 <= f0 < 1_000_000 and 0 <= s0 < 1_000_000):
        raise Incomplete(f"raw_image_offset {f0:g}, {s0:g}, which is no pixel,", panel, "raw_image_offset")
    fast, slow = (_direction(panel, key) for key in ("fast_axis", "slow_axis"))
    return FilePanel(
        name=str(panel.get("name", "")),
        group=group,
        shape=(nslow, nfast),
        pixel_size=(fast_size, slow_size),
        origin=vec_of(frame[:3, :3] @ numbers_of(panel, "origin", 3) + frame[:3, 3]),
        fast=vec_of(frame[:3, :3] @ fast),
        slow=vec_of(frame[:3, :3] @ slow),
        gain=_number(panel, "gain"),
        trusted_range=None if limits is None else (limits[0], limits[1]),
        thickness=_number(panel, "thickness"),
        material=str(panel.get("material") or ""),
        mu=_number(panel, "mu"),
        bad=_bad(panel, (nslow, nfast)),
        place=(int(s0), int(f0)),
    )


def _bad(panel: dict[str, Any], shape: tuple[int, int]) -> np.ndarray | None:
    """Pixels of rectangles fast, slow, fast end, slow end; the ends are not in them."""
    rectangles = panel.get("mask")
    if not rectangles:
        return None
    bad = np.zeros(shape, bool)
    for rectangle in rectangles if isinstance(rectangles, list) else [None]:
        f0, s0, f1, s1 = (max(int(edge), 0) for edge in _numbers(rectangle, 4, panel, "mask"))
        bad[s0:s1, f0:f1] = True
    return bad


# ---- models along a scan ----------------------------------------------------------------------------------


def model_at(model: dict[str, Any] | None, key: str, at: float | None) -> np.ndarray | None:
    """A model's value ``at`` so many images from the start of the scan, between those of its points.

    ``None`` where it does not vary. Points are the starts of images, and the end of the last; beyond them there is
    nothing else than the first or last.
    """
    points = None if model is None else model.get(key)
    if not points or at is None:
        return None
    table = np.array(points, float)
    place = min(max(at, 0.0), len(table) - 1.0)
    lower = min(int(place), len(table) - 1)
    upper = min(lower + 1, len(table) - 1)
    return table[lower] + (place - lower) * (table[upper] - table[lower])


def oscillation_of(scan: dict[str, Any] | None) -> tuple[float | None, float | None]:
    """Start and width of the first image, degrees."""
    if scan is None:
        return None, None
    if "oscillation" in scan:
        start, width = scan["oscillation"]
        return float(start), float(width)
    properties = scan.get("properties") or {}
    angles = properties.get("oscillation")
    if not angles:
        return None, None
    width = (properties.get("oscillation_width") or [None])[0]
    if width is None:
        width = angles[1] - angles[0] if len(angles) > 1 else 0.0
    return float(angles[0]), float(width)


# ---- goniometer and crystal -------------------------------------------------------------------------------


def goniometer_of(goniometer: dict[str, Any] | None, at: float | None) -> tuple[Vec | None, np.ndarray]:
    """Spindle in the laboratory, and what turns the crystal of the file to phi = 0."""
    if goniometer is None:
        return None, np.eye(3)
    if "axes" in goniometer:
        axis, fixed, setting = _several_axes(goniometer)
    else:
        axis = goniometer["rotation_axis"]
        identity = np.eye(3).ravel()
        fixed = np.array(goniometer.get("fixed_rotation") or identity, float).reshape(3, 3)
        setting = np.array(goniometer.get("setting_rotation") or identity, float)
    moved = model_at(goniometer, "setting_rotation_at_scan_points", at)
    setting = (setting if moved is None else moved).reshape(3, 3)
    # setting · R(axis, phi) · fixed is a rotation about setting · axis, after setting · fixed.
    return vec_of(setting @ unit_of(axis)), setting @ fixed


def _several_axes(goniometer: dict[str, Any]) -> tuple[Any, np.ndarray, np.ndarray]:
    """The scanned one of axes from the crystal outwards, and what those inside and those outside turn."""
    turns = [
        rotation(unit_of(axis), math.radians(angle))
        for axis, angle in zip(goniometer["axes"], goniometer["angles"], strict=True)
    ]
    scanned = int(goniometer["scan_axis"])
    fixed, setting = np.eye(3), np.eye(3)
    for turn in turns[:scanned]:
        fixed = turn @ fixed
    for turn in turns[scanned + 1 :]:
        setting = turn @ setting
    return goniometer["axes"][scanned], fixed, setting


def real_space_of(crystal: dict[str, Any], at: float | None) -> np.ndarray:
    """(3, 3) Å: rows a, b, c; of a crystal that varies along the scan, ``at`` so many images from its start."""
    moved = model_at(crystal, "A_at_scan_points", at)
    if moved is not None:
        # Columns of A are a*, b*, c*; rows of its inverse are a, b, c.
        try:
            vectors = np.linalg.inv(moved.reshape(3, 3))
        except np.linalg.LinAlgError as error:
            raise Incomplete("A_at_scan_points without an inverse", crystal, "A_at_scan_points") from error
    else:
        vectors = np.array([crystal[f"real_space_{axis}"] for axis in "abc"], float)
    if vectors.shape != (3, 3) or not np.isfinite(vectors).all():
        raise Incomplete("real_space_a, b, c that are not three numbers each", crystal, "real_space_a")
    return vectors


def numbers_of(model: Any, key: str, count: int, *, finite: bool = True) -> np.ndarray:
    """(count,) numbers of a model; raises :class:`Incomplete` where there are others, or none."""
    value = model.get(key) if isinstance(model, dict) else None
    if value is None:
        raise Incomplete(f"no {key}", model, key)
    return _numbers(value, count, model, key, finite=finite)


def _numbers(value: Any, count: int, model: Any, key: str, *, finite: bool = True) -> np.ndarray:
    try:
        array = np.array(value, dtype=float)
    except (TypeError, ValueError):
        array = np.empty(0)
    if array.shape != (count,) or np.isnan(array).any() or (finite and np.isinf(array).any()):
        raise Incomplete(f"{key} {str(value)[:40]}, not {count} numbers,", model, key)
    return array


def _number(panel: dict[str, Any], key: str) -> float | None:
    """A number that a panel may have."""
    value = panel.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise Incomplete(f"{key} {str(value)[:40]}, not a number,", panel, key)
    return float(value)


def _direction(model: dict[str, Any], key: str) -> np.ndarray:
    """A vector of a model as a unit vector."""
    vector = numbers_of(model, key, 3)
    try:
        return unit_of(vector)
    except ValueError as error:
        raise Incomplete(f"{key} {vector.tolist()}, which has no direction,", model, key) from error


def unit_of(vector: Any) -> np.ndarray:
    """The unit vector; raises :class:`ValueError` for what has no direction."""
    array = np.array(vector, float)
    length = float(np.linalg.norm(array))
    if array.shape != (3,) or not 0 < length < math.inf:
        raise ValueError(f"{vector} has no direction")
    return array / length
