"""Geometry files beside an image: CrystFEL's ``.geom``, DIALS' ``.expt`` (``specs/formats.md``, "Several panels")."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nanobragg.errors import InputError
from nanobragg.io.images import slab
from nanobragg.io.images.nexus import laboratory_to_nexus
from nanobragg.io.support.atomic import atomic_write
from nanobragg.maths.constants import ENERGY
from nanobragg.maths.rotations import rotation

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from nanobragg.records.panel import ScenePanel
    from nanobragg.records.resolved import Resolved

_TO_DIALS = np.diag([-1.0, 1.0, -1.0])
"""from NeXus' frame"""
_SQUARE = 1e-6
"""cosine of the angle between axes that DIALS takes for a right one"""
_RESERVED = re.compile(r"(bad|group|rigid_group)|[^A-Za-z0-9_]", re.ASCII)


# ---- CrystFEL ---------------------------------------------------------------------------------------------


def write_geom(path: str | os.PathLike[str], resolved: Resolved, image: str | None = None) -> None:
    """Write a CrystFEL geometry, whose ``data`` is that of an NXmx file that nanobragg writes.

    Args:
        path: ``.geom``.
        resolved: what was simulated.
        image: the file of the image, for a comment; ``None``: none was written that CrystFEL reads.

    Raises:
        InputError: for panels whose places overlap, and when the file cannot be written.

    """
    panels = slab.flattened(resolved.scene.panels)
    slab.array_shape(panels)
    turn = laboratory_to_nexus(resolved.geometry)
    clen = resolved.geometry.distance
    lines = [
        "; written by nanobragg" + ("" if image is None else f", for {os.path.basename(image)}"),
        f"photon_energy = {ENERGY / (resolved.radiation.wavelength * 1e10):.9f}",
        f"clen = {clen:.12f}",
        "data = /entry/data/data",
        "dim0 = %",
        "dim1 = ss",
        "dim2 = fs",
        "mask = /entry/instrument/detector/" + ("pixel_mask" if slab.has_whole_rows(panels) else slab.MASK_OF_PARTS),
        "mask_good = 0x0",
        "mask_bad = 0xffffffff",
        "",
    ]
    names = _crystfel_names(panels)
    for panel, name in zip(panels, names, strict=True):
        lines += [*(f"{name}/{line}" for line in _panel_lines(panel, turn, clen)), ""]
    lines += _groups(panels, names)
    with atomic_write(path) as file:
        file.write("\n".join(lines).encode("ascii", "replace"))


def _crystfel_names(panels: Sequence[ScenePanel]) -> list[str]:
    """The panels' names, or numbers where CrystFEL would take one for something else."""
    names = [panel.name for panel in panels]
    usable = len(set(names)) == len(names) and not any(_RESERVED.match(n) or _RESERVED.search(n[1:]) for n in names)
    return names if usable and all(names) else [f"p{number}" for number in range(len(panels))]


def _panel_lines(panel: ScenePanel, turn: NDArray[np.float64], clen: float) -> list[str]:
    slow, fast = panel.place
    resolution = 1.0 / panel.pixel_size[0]
    corner = turn @ panel.origin
    lines = [
        f"min_fs = {fast}",
        f"max_fs = {fast + panel.shape[1] - 1}",
        f"min_ss = {slow}",
        f"max_ss = {slow + panel.shape[0] - 1}",
        f"res = {resolution:.12f}",
        f"fs = {_combination(turn @ panel.fast * panel.pixel_size[0] * resolution)}",
        f"ss = {_combination(turn @ panel.slow * panel.pixel_size[1] * resolution)}",
        f"corner_x = {corner[0] * resolution:.12f}",
        f"corner_y = {corner[1] * resolution:.12f}",
        f"coffset = {corner[2] - clen:.15f}",
        f"adu_per_photon = {panel.gain:.9f}",
    ]
    return lines if panel.saturation is None else [*lines, f"max_adu = {panel.saturation:.9f}"]


def _combination(vector: NDArray[np.float64]) -> str:
    """A vector as CrystFEL writes it, without exponents."""
    return " ".join(f"{value:+.15f}{axis}" for value, axis in zip(vector.tolist(), "xyz", strict=True))


def _groups(panels: Sequence[ScenePanel], names: Sequence[str]) -> list[str]:
    members: dict[str, list[str]] = {}
    for panel, name in zip(panels, names, strict=True):
        if panel.group:
            members.setdefault(re.sub(r"[^A-Za-z0-9]", "_", panel.group), []).append(name)
    if not members:
        return []
    own = [f"group_{group} = {','.join(of)}" for group, of in members.items()]
    return [*own, f"group_all = {','.join(members)}", ""] if "all" not in members else [*own, ""]


# ---- DIALS ------------------------------------------------------------------------------------------------


def write_expt(
    path: str | os.PathLike[str], resolved: Resolved, image: str | None = None, *, crystal: bool = False
) -> None:
    """Write the models of a DIALS experiment: beam, detector with its groups, and goniometer.

    Args:
        path: ``.expt``.
        resolved: what was simulated.
        image: the file of the image, which the experiment names; ``None``: it names none.
        crystal: whether the crystal is among them, as it stands in the middle of the rotation, without symmetry (P 1).

    Raises:
        InputError: for axes that are not at right angles, which DIALS does not take, and when the file cannot be
            written.

    """
    write_experiments(path, [(resolved, image)], crystals=crystal)


def write_experiments(
    path: str | os.PathLike[str], shots: Iterable[tuple[Resolved, str | None]], *, crystals: bool
) -> None:
    """Write a list of experiments, of which those with the same beam, detector or goniometer share it; arguments and
    errors as for :func:`write_expt`.
    """
    kinds = ("imageset", "beam", "detector", "goniometer", "scan", "crystal", "profile", "scaling_model")
    document: dict[str, list[Any]] = {kind: [] for kind in ("experiment", *kinds)}
    for resolved, image in shots:
        panels = slab.flattened(resolved.scene.panels)
        turn = _TO_DIALS @ laboratory_to_nexus(resolved.geometry)
        models: dict[str, Any] = {
            "beam": _beam(resolved, turn),
            "detector": {
                "panels": [_dials_panel(os.fspath(path), p, turn, resolved) for p in panels],
                "hierarchy": _hierarchy(panels),
            },
            "goniometer": _goniometer(resolved, turn),
        }
        if crystals:
            models["crystal"] = _crystal(resolved, turn)
        if image is not None:
            models["imageset"] = _imageset(image)
        numbers = {kind: _number_of(model, document[kind]) for kind, model in models.items()}
        document["experiment"].append({"__id__": "Experiment", "identifier": "", **numbers})
    with atomic_write(path) as file:
        file.write((json.dumps({"__id__": "ExperimentList", **document}, indent=1) + "\n").encode())


def _number_of(model: Any, known: list[Any]) -> int:
    """Where the model is among those that are known; it is added to them where it is new."""
    if model not in known:
        known.append(model)
    return known.index(model)


def _imageset(image: str) -> dict[str, Any]:
    """The first image of a file."""
    unsaid = dict.fromkeys(("mask", "gain", "pedestal", "dx", "dy"))
    return {
        "__id__": "ImageSet",
        "images": [os.path.abspath(image)],
        "single_file_indices": [0],
        **unsaid,
        "params": {},
    }


def _beam(resolved: Resolved, turn: NDArray[np.float64]) -> dict[str, Any]:
    g, radiation = resolved.geometry, resolved.radiation
    return {
        "__id__": "monochromatic",
        "direction": _list(-turn @ np.array(g.beam)),
        "wavelength": radiation.wavelength * 1e10,
        "divergence": 0.0,
        "sigma_divergence": 0.0,
        "polarization_normal": [0.0, 1.0, 0.0],  # E is along x, by the choice of the frame
        "polarization_fraction": 0.5 * (1.0 + radiation.kahn_factor),
        "flux": 0.0,
        "transmission": 1.0,
    }


def _crystal(resolved: Resolved, turn: NDArray[np.float64]) -> dict[str, Any]:
    sample, angles = resolved.sample, resolved.radiation.phi_angles
    stood = rotation(np.array(resolved.geometry.spindle), float(np.mean(angles)))
    axes = {
        f"real_space_{name}": _list(1e10 * (turn @ stood @ np.array(getattr(sample, f"{name}0")))) for name in "abc"
    }
    return {"__id__": "crystal", **axes, "space_group_hall_symbol": " P 1"}


def _goniometer(resolved: Resolved, turn: NDArray[np.float64]) -> dict[str, Any]:
    identity = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]
    axis = _list(turn @ np.array(resolved.geometry.spindle))
    return {"rotation_axis": axis, "fixed_rotation": identity, "setting_rotation": identity}


def _dials_panel(name: str, panel: ScenePanel, turn: NDArray[np.float64], resolved: Resolved) -> dict[str, Any]:
    fast, slow = turn @ panel.fast, turn @ panel.slow
    lengths = float(np.linalg.norm(fast)), float(np.linalg.norm(slow))
    if abs(float(fast @ slow)) > _SQUARE * lengths[0] * lengths[1]:
        raise InputError(
            f"{name}: found axes of panel {panel.name} that are not at right angles, expected .h5 or .geom"
        )
    sensor = resolved.scene.sensor_of(panel)
    absorbs = sensor.attenuation > 0.0 and sensor.depth > 0.0
    return {
        "name": panel.name,
        "type": "SENSOR_PAD",
        "fast_axis": _list(fast / lengths[0]),
        "slow_axis": _list(slow / lengths[1]),
        "origin": _list(1e3 * (turn @ panel.origin)),
        "raw_image_offset": [panel.place[1], panel.place[0]],
        "image_size": [panel.shape[1], panel.shape[0]],
        "pixel_size": [1e3 * panel.pixel_size[0] * lengths[0], 1e3 * panel.pixel_size[1] * lengths[1]],
        "trusted_range": [0.0, 2.0**31 - 1 if panel.saturation is None else panel.saturation],
        "thickness": 1e3 * (sensor.depth if absorbs else panel.sensor_thickness),
        "material": panel.sensor_material or "Si",
        "mu": 1e-3 * sensor.attenuation if absorbs else 0.0,
        "identifier": "",
        "mask": [] if panel.mask is None else _rectangles(panel.mask == 0),
        "gain": panel.gain,
        "pedestal": 0.0,
        # Spots are where rays are absorbed only if that was simulated.
        "px_mm_strategy": {"type": "ParallaxCorrectionPxMmStrategy" if absorbs else "SimplePxMmStrategy"},
    }


def _rectangles(masked: NDArray[np.bool_]) -> list[list[int]]:
    """Fast and slow of the first pixel, and behind the last one, of rectangles that hold all pixels of a mask (slow,
    fast), each once: runs of a row, and of the rows below that have the same.
    """
    edges = np.diff(np.pad(masked.astype(np.int8), ((0, 0), (1, 1))), axis=1)
    rows, begins = np.nonzero(edges == 1)
    ends = np.nonzero(edges == -1)[1]
    order = np.lexsort((rows, ends, begins))
    runs = np.stack([begins, rows, ends], axis=1)[order].reshape(-1, 3)
    below = (np.diff(runs[:, [0, 2]], axis=0) == 0).all(axis=1) & (np.diff(runs[:, 1]) == 1)
    first = np.flatnonzero(np.r_[True, ~below][: len(runs)])
    last = np.flatnonzero(np.r_[~below, True][: len(runs)])
    return [[*runs[a].tolist(), int(runs[b, 1]) + 1] for a, b in zip(first, last, strict=True)]


def _hierarchy(panels: Sequence[ScenePanel]) -> dict[str, Any]:
    """The root, and below it the groups, all with the laboratory's frame: what panels say is then where they are."""
    groups: dict[str, list[dict[str, int]]] = {}
    for number, panel in enumerate(panels):
        groups.setdefault(panel.group, []).append({"panel": number})
    children: list[Any] = list(groups.pop("", []))
    children += [{**_node(group), "children": members} for group, members in groups.items()]
    return {**_node("detector"), "children": children}


def _node(name: str) -> dict[str, Any]:
    return {
        "name": name,
        "type": "",
        "fast_axis": [1.0, 0.0, 0.0],
        "slow_axis": [0.0, 1.0, 0.0],
        "origin": [0.0, 0.0, 0.0],
        "raw_image_offset": [0, 0],
        "image_size": [0, 0],
        "pixel_size": [0.0, 0.0],
        "trusted_range": [0.0, 0.0],
        "thickness": 0.0,
        "material": "",
        "mu": 0.0,
        "identifier": "",
        "mask": [],
        "gain": 1.0,
        "pedestal": 0.0,
        "px_mm_strategy": {"type": "SimplePxMmStrategy"},
    }


def _list(vector: NDArray[np.float64]) -> list[float]:
    return [float(value) + 0.0 for value in vector]
