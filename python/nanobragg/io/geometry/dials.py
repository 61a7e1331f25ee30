"""DIALS experiment lists (``.expt``, JSON): beam, crystal, goniometer and a detector of one panel."""

from __future__ import annotations

import json
import math
import os
from typing import Any

import numpy as np

from nanobragg.errors import InputError
from nanobragg.io.geometry.types import FileGeometry, Vec, Vectors, ray_on_plane, vec_of
from nanobragg.io.support.atomic import read_bytes
from nanobragg.maths.rotations import rotation


def read_experiment_list(path: str | os.PathLike[str]) -> FileGeometry:
    """The first experiment of the list.

    Raises :class:`InputError` when the file is not one, when its detector has several panels or pixels that are not
    square, and for models that are incomplete.
    """
    name = os.fspath(path)
    document = _document(name)
    experiments = document["experiment"]
    try:
        with np.errstate(all="ignore"):  # what is not finite is found afterwards
            found = _geometry(name, document, experiments[0])
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"{name}: found an incomplete model ({type(error).__name__}: {error}), expected an experiment list of DIALS"
        ) from error
    return found


def _document(name: str) -> dict[str, Any]:
    try:
        document = json.loads(read_bytes(name))
    except ValueError as error:
        raise InputError(f"{name}: found {str(error)[:80]}, expected JSON (a DIALS experiment list)") from error
    kind = document.get("__id__") if isinstance(document, dict) else None
    experiments = document.get("experiment") if isinstance(document, dict) else None
    if kind != "ExperimentList" or not isinstance(experiments, list) or not experiments:
        raise InputError(f"{name}: found no experiment, expected an experiment list of DIALS")
    return document


def _geometry(name: str, document: dict[str, Any], experiment: dict[str, Any]) -> FileGeometry:
    beam = document["beam"][experiment["beam"]]
    detector = document["detector"][experiment["detector"]]
    panel = _panel(name, detector)
    fast_size = panel["pixel_size"][0]
    frame = _hierarchy(detector)
    travel = -_unit(beam["direction"])  # theirs points at the source
    normal = beam.get("polarization_normal")
    goniometer = _model(document, experiment, "goniometer")
    spindle, setting = _goniometer(goniometer)
    vectors = Vectors(
        origin=vec_of(frame[:3, :3] @ np.array(panel["origin"], float) + frame[:3, 3]),
        fast=vec_of(frame[:3, :3] @ _unit(panel["fast_axis"])),
        slow=vec_of(frame[:3, :3] @ _unit(panel["slow_axis"])),
        beam=vec_of(travel),
        polarization=None if normal is None else vec_of(np.cross(_unit(normal), travel)),
        spindle=spindle,
    )
    distance, (f, s) = ray_on_plane(vectors)
    scan = _model(document, experiment, "scan")
    start, width = _oscillation(scan)
    crystal = _model(document, experiment, "crystal")
    fraction = beam.get("polarization_fraction")
    count = len(document["experiment"])
    doubts = () if count == 1 else (f"{name}: found {count} experiments, the first is used",)
    return FileGeometry(
        name=name,
        kind="DIALS experiment list",
        nfast=int(panel["image_size"][0]),
        nslow=int(panel["image_size"][1]),
        pixel_size=float(fast_size),
        distance=distance,
        centre=(f / fast_size, s / fast_size),
        wavelength=float(beam["wavelength"]),
        phi=start,
        oscillation=width,
        polarization=None if fraction is None else 2.0 * float(fraction) - 1.0,
        vectors=vectors,
        real_space=None if crystal is None else _real_space(crystal) @ setting.T,
        warnings=doubts,
    )


def _panel(name: str, detector: dict[str, Any]) -> dict[str, Any]:
    """The one panel of the detector, of square pixels."""
    panels = detector["panels"]
    if len(panels) != 1:
        raise InputError(f"{name}: found a detector of {len(panels)} panels, expected one panel")
    fast_size, slow_size = panels[0]["pixel_size"]
    if abs(fast_size - slow_size) > 1e-6 * fast_size:
        raise InputError(f"{name}: found pixels of {fast_size:g} x {slow_size:g} mm, expected square ones")
    return panels[0]


def _model(document: dict[str, Any], experiment: dict[str, Any], kind: str) -> dict[str, Any] | None:
    index = experiment.get(kind)
    return None if index is None else document[kind][index]


def _hierarchy(detector: dict[str, Any]) -> np.ndarray:
    """(4, 4): from the panel's frame to the laboratory's, through the groups that hold it."""
    matrix, group = np.eye(4), detector.get("hierarchy")
    while group and "panel" not in group:
        if group.get("fast_axis") is not None:
            fast, slow = _unit(group["fast_axis"]), _unit(group["slow_axis"])
            step = np.eye(4)
            step[:3, :3] = np.stack([fast, slow, np.cross(fast, slow)], axis=1)
            step[:3, 3] = group["origin"]
            matrix = matrix @ step
        group = next(iter(group.get("children") or ()), None)
    return matrix


def _goniometer(goniometer: dict[str, Any] | None) -> tuple[Vec | None, np.ndarray]:
    """Spindle in the laboratory, and what turns the crystal of the file to phi = 0."""
    if goniometer is None:
        return None, np.eye(3)
    if "axes" in goniometer:
        return _several_axes(goniometer)
    fixed = np.array(goniometer.get("fixed_rotation") or np.eye(3).ravel(), float).reshape(3, 3)
    setting = np.array(goniometer.get("setting_rotation") or np.eye(3).ravel(), float).reshape(3, 3)
    # setting · R(axis, phi) · fixed is a rotation about setting · axis, after setting · fixed.
    return vec_of(setting @ _unit(goniometer["rotation_axis"])), setting @ fixed


def _several_axes(goniometer: dict[str, Any]) -> tuple[Vec, np.ndarray]:
    """Axes from the crystal outwards: those inside the scanned one turn the crystal, those outside the spindle, too."""
    turns = [
        rotation(_unit(axis), math.radians(angle))
        for axis, angle in zip(goniometer["axes"], goniometer["angles"], strict=True)
    ]
    scanned = int(goniometer["scan_axis"])
    fixed, setting = np.eye(3), np.eye(3)
    for turn in turns[:scanned]:
        fixed = turn @ fixed
    for turn in turns[scanned + 1 :]:
        setting = turn @ setting
    return vec_of(setting @ _unit(goniometer["axes"][scanned])), setting @ fixed


def _oscillation(scan: dict[str, Any] | None) -> tuple[float | None, float | None]:
    """Start and width of the first image, degrees."""
    if scan is None:
        return None, None
    if "oscillation" in scan:
        start, width = scan["oscillation"]
        return float(start), float(width)
    angles = scan.get("properties", {}).get("oscillation")
    if not angles:
        return None, None
    width = scan.get("properties", {}).get("oscillation_width", [None])[0]
    if width is None:
        width = angles[1] - angles[0] if len(angles) > 1 else 0.0
    return float(angles[0]), float(width)


def _real_space(crystal: dict[str, Any]) -> np.ndarray:
    """(3, 3) Å: rows a, b, c."""
    vectors = np.array([crystal[f"real_space_{axis}"] for axis in "abc"], float)
    if vectors.shape != (3, 3) or not np.isfinite(vectors).all():
        raise ValueError("real_space_a, b, c")
    return vectors


def _unit(vector: Any) -> np.ndarray:
    array = np.array(vector, float)
    length = float(np.linalg.norm(array))
    if array.shape != (3,) or not 0 < length < math.inf:
        raise ValueError(f"the vector {vector}")
    return array / length
