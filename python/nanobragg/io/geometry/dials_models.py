"""The models of a DIALS experiment: panels of a hierarchy, goniometer, scan and crystal (``specs/formats.md``)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from nanobragg.io.geometry.types import FilePanel, Vec, vec_of
from nanobragg.maths.rotations import rotation

_DEEPEST = 64
"""groups inside each other"""


# ---- detector ---------------------------------------------------------------------------------------------


def panels_of(detector: dict[str, Any]) -> list[FilePanel]:
    """The panels, in the laboratory's frame: each is local to the groups of the hierarchy that hold it."""
    frames = _frames(detector.get("hierarchy"))
    return [_panel(panel, *frames.get(number, (np.eye(4), ""))) for number, panel in enumerate(detector["panels"])]


def _frames(hierarchy: dict[str, Any] | None) -> dict[int, tuple[np.ndarray, str]]:
    """(4, 4) from the frame of each panel to the laboratory's, and the name of the group that holds it."""
    found: dict[int, tuple[np.ndarray, str]] = {}
    waiting = [] if not hierarchy else [(hierarchy, np.eye(4), 0)]
    while waiting:
        group, outside, depth = waiting.pop()
        if depth > _DEEPEST:
            raise ValueError(f"more than {_DEEPEST} groups inside each other")
        inside = outside @ _frame(group)
        for node in group.get("children") or ():
            if node.get("panel") is not None:
                found[int(node["panel"])] = (inside, str(group.get("name") or ""))
            else:
                waiting.append((node, inside, depth + 1))
    return found


def _frame(group: dict[str, Any]) -> np.ndarray:
    matrix = np.eye(4)
    if group.get("fast_axis") is None:
        return matrix
    fast, slow = unit_of(group["fast_axis"]), unit_of(group["slow_axis"])
    matrix[:3, :3] = np.stack([fast, slow, np.cross(fast, slow)], axis=1)
    matrix[:3, 3] = group["origin"]
    return matrix


def _panel(panel: dict[str, Any], frame: np.ndarray, group: str) -> FilePanel:
    fast_size, slow_size = (float(size) for size in panel["pixel_size"])
    nfast, nslow = (int(count) for count in panel["image_size"])
    if not (0.0 < fast_size < 1e6 and 0.0 < slow_size < 1e6 and 0 < nfast < 1_000_000 and 0 < nslow < 1_000_000):
        raise ValueError(f"{nfast} x {nslow} pixels of {fast_size:g} x {slow_size:g} mm")
    limits = panel.get("trusted_range")
    f0, s0 = panel.get("raw_image_offset") or (0, 0)
    return FilePanel(
        name=str(panel.get("name", "")),
        group=group,
        shape=(nslow, nfast),
        pixel_size=(fast_size, slow_size),
        origin=vec_of(frame[:3, :3] @ np.array(panel["origin"], float) + frame[:3, 3]),
        fast=vec_of(frame[:3, :3] @ unit_of(panel["fast_axis"])),
        slow=vec_of(frame[:3, :3] @ unit_of(panel["slow_axis"])),
        gain=None if panel.get("gain") is None else float(panel["gain"]),
        trusted_range=None if not limits else (float(limits[0]), float(limits[1])),
        thickness=None if panel.get("thickness") is None else float(panel["thickness"]),
        material=str(panel.get("material") or ""),
        mu=None if panel.get("mu") is None else float(panel["mu"]),
        bad=_bad(panel.get("mask"), (nslow, nfast)),
        place=(int(s0), int(f0)),
    )


def _bad(rectangles: Any, shape: tuple[int, int]) -> np.ndarray | None:
    """Pixels of rectangles fast, slow, fast end, slow end; the ends are not in them."""
    if not rectangles:
        return None
    bad = np.zeros(shape, bool)
    for f0, s0, f1, s1 in rectangles:
        bad[max(int(s0), 0) : max(int(s1), 0), max(int(f0), 0) : max(int(f1), 0)] = True
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
        return _several_axes(goniometer)
    identity = np.eye(3).ravel()
    fixed = np.array(goniometer.get("fixed_rotation") or identity, float).reshape(3, 3)
    moved = model_at(goniometer, "setting_rotation_at_scan_points", at)
    setting = np.array(goniometer.get("setting_rotation") or identity, float) if moved is None else moved
    setting = setting.reshape(3, 3)
    # setting · R(axis, phi) · fixed is a rotation about setting · axis, after setting · fixed.
    return vec_of(setting @ unit_of(goniometer["rotation_axis"])), setting @ fixed


def _several_axes(goniometer: dict[str, Any]) -> tuple[Vec, np.ndarray]:
    """Axes from the crystal outwards: those inside the scanned one turn the crystal, those outside the spindle, too."""
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
    return vec_of(setting @ unit_of(goniometer["axes"][scanned])), setting @ fixed


def real_space_of(crystal: dict[str, Any], at: float | None) -> np.ndarray:
    """(3, 3) Å: rows a, b, c; of a crystal that varies along the scan, ``at`` so many images from its start."""
    moved = model_at(crystal, "A_at_scan_points", at)
    if moved is not None:
        # Columns of A are a*, b*, c*; rows of its inverse are a, b, c.
        try:
            vectors = np.linalg.inv(moved.reshape(3, 3))
        except np.linalg.LinAlgError as error:
            raise ValueError("A_at_scan_points") from error
    else:
        vectors = np.array([crystal[f"real_space_{axis}"] for axis in "abc"], float)
    if vectors.shape != (3, 3) or not np.isfinite(vectors).all():
        raise ValueError("real_space_a, b, c")
    return vectors


def unit_of(vector: Any) -> np.ndarray:
    """The unit vector; raises :class:`ValueError` for what has no direction."""
    array = np.array(vector, float)
    length = float(np.linalg.norm(array))
    if array.shape != (3,) or not 0 < length < math.inf:
        raise ValueError(f"the vector {vector}")
    return array / length
