"""DIALS experiment lists (``.expt``, JSON): beam, crystal, goniometer, scan and detector (``specs/formats.md``).

Models that vary along the scan are taken at the middle of the image.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from nanobragg.errors import InputError
from nanobragg.io.geometry.dials_models import (
    Incomplete,
    Model,
    goniometer_of,
    model_at,
    oscillation_of,
    panels_of,
    real_space_of,
    unit_of,
    within,
)
from nanobragg.io.geometry.json_lines import line_of, place_of, shown
from nanobragg.io.geometry.types import FileGeometry, Vec, across, fields_of_panels, vec_of
from nanobragg.io.support.atomic import read_bytes

_Found = TypeVar("_Found")
_VERTICAL: Vec = (0.0, 1.0, 0.0)
_HORIZONTAL: Vec = (1.0, 0.0, 0.0)
_WAVELENGTHS = 51
"""that a polychromatic beam is made of"""


def read_experiment_list(
    path: str | os.PathLike[str],
    *,
    experiment: int | None = None,
    phi: float | None = None,
    oscillation: float | None = None,
) -> FileGeometry:
    """One experiment of the list.

    Args:
        path: the file.
        experiment: which, from 0; ``None``: the first.
        phi: degrees, where the image starts; ``None``: where the scan does.
        oscillation: degrees, its width; ``None``: the scan's.

    Raises:
        InputError: when the file is no list of experiments, has none of that number, and for models that are
            incomplete.

    """
    name = os.fspath(path)
    document = _document(name)
    experiments = document["experiment"]
    number = 0 if experiment is None else experiment
    if not 0 <= number < len(experiments):
        raise InputError(
            f"-experiment: found {number}, expected 0 to {len(experiments) - 1}, which are the experiments of {name}"
        )
    chosen = f"experiment {number} of {len(experiments)}" if len(experiments) > 1 or experiment is not None else ""
    doubts: tuple[str, ...] = ()
    if len(experiments) > 1 and experiment is None:
        doubts = (f"{name}: found {len(experiments)} experiments, the first is used: -experiment N chooses",)
    try:
        with np.errstate(all="ignore"), within(experiments):  # what is not finite is found afterwards
            return _geometry(name, document, experiments[number], (phi, oscillation), chosen, doubts)
    except Incomplete as error:
        raise InputError(_sentence(name, document, error)) from error


def count_experiments(path: str | os.PathLike[str]) -> int:
    """How many experiments a list has; errors as for :func:`read_experiment_list`."""
    return len(_document(os.fspath(path))["experiment"])


def _sentence(name: str, document: dict[str, Any], error: Incomplete) -> str:
    """What is wrong, with the line and keys of the file."""
    path = place_of(document, error.model) or []
    at = [*path, error.key] if error.key is not None else path
    line = line_of(_text(name), at)
    where = f" in {shown(path)}" if path else ""
    return f"{name}: line {line}: found {error}{where}, expected a complete experiment of DIALS"


def _text(name: str) -> str:
    data = read_bytes(name)
    return data.decode(json.detect_encoding(data), "replace")


def _document(name: str) -> dict[str, Any]:
    try:
        document = json.loads(_text(name), object_hook=Model)
    except json.JSONDecodeError as error:
        raise InputError(
            f"{name}: line {error.lineno}: found {error.msg[:60]}, expected JSON (a DIALS experiment list)"
        ) from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{name}: found {str(error)[:80]}, expected JSON (a DIALS experiment list)") from error
    kind = document.get("__id__") if isinstance(document, dict) else None
    experiments = document.get("experiment") if isinstance(document, dict) else None
    if kind != "ExperimentList" or not isinstance(experiments, list) or not experiments:
        raise InputError(f"{name}: found no experiment, expected an experiment list of DIALS")
    return document


def _model(document: dict[str, Any], experiment: dict[str, Any], kind: str) -> dict[str, Any] | None:
    index = experiment.get(kind)
    if index is None:
        return None
    models = document.get(kind)
    if not isinstance(models, list) or not isinstance(index, int) or not 0 <= index < len(models):
        known = len(models) if isinstance(models, list) else 0
        raise Incomplete(f"{kind} {str(index)[:20]} of {known}", experiment, kind)
    if not isinstance(models[index], dict):
        raise Incomplete(f"{kind} {index} that is no object", models)
    return models[index]


def _crystal(
    name: str, document: dict[str, Any], experiment: dict[str, Any]
) -> tuple[dict[str, Any] | None, dict[str, str]]:
    """The crystal; one that is not there is bad: options may replace it."""
    try:
        return _model(document, experiment, "crystal"), {}
    except Incomplete as error:
        return None, {"crystal": _sentence(name, document, error)}


def _geometry(
    name: str,
    document: dict[str, Any],
    experiment: dict[str, Any],
    wanted: tuple[float | None, float | None],
    chosen: str,
    doubts: tuple[str, ...],
) -> FileGeometry:
    kinds = ("detector", "beam", "scan", "goniometer")
    detector, beam, scan, goniometer = (_model(document, experiment, kind) for kind in kinds)
    crystal, bad = _crystal(name, document, experiment)
    if beam is None or detector is None:
        raise Incomplete("no beam or no detector", experiment)
    start, width = _of(scan, lambda: oscillation_of(scan))
    at, outside = _place_in_scan(name, start, width, wanted, (beam, goniometer, crystal))
    spindle, setting = _of(goniometer, lambda: goniometer_of(goniometer, at))
    light, comments = _light(name, document, beam, at)
    travel = light.pop("travel")
    vectors = {
        "beam": travel,
        "polarization": light.pop("axis"),
        "spindle": spindle or across(travel, _HORIZONTAL),
        "spindle_said": spindle is not None,
    }
    axes = _of(crystal, lambda: None if crystal is None else real_space_of(crystal, at) @ setting.T)
    fields = fields_of_panels(name, _of(detector, lambda: panels_of(detector)), vectors)
    named = (("beam", beam), ("goniometer", goniometer), ("crystal", crystal))
    varies = [word for word, model in named if _varies(model)]
    if varies and at is not None and start is not None and width is not None:
        comments.append(f"{' and '.join(varies)} as at {start + at * width:g} deg of the scan")
    return FileGeometry(
        **fields
        | light
        | {
            "name": name,
            "kind": "DIALS experiment list",
            "phi": start,
            "oscillation": width,
            "real_space": axes,
            "bad": bad | light.get("bad", {}) | fields.get("bad", {}),
            "unused": (*fields.get("unused", ()), *_probe(beam), *_spreads(beam, crystal)),
            "comments": tuple([chosen] * bool(chosen) + comments),
            "warnings": (*outside, *doubts, *fields.get("warnings", ())),
        }
    )


def _of(model: dict[str, Any] | None, read: Callable[[], _Found]) -> _Found:
    """What ``read`` gives of a model; where it fails, the model is named."""
    with within(model):
        return read()


def _probe(beam: dict[str, Any]) -> list[str]:
    """What a beam of other particles is."""
    probe = str(beam.get("probe") or "x-ray")
    return [] if probe == "x-ray" else [f"the probe {probe[:20]}, since X-rays are simulated"]


def _spreads(beam: dict[str, Any], crystal: dict[str, Any] | None) -> list[str]:
    """Widths that models have, in degrees (but for a domain's size, Å), and that no image is given."""
    known = (
        (beam, "divergence", "divergence {:g} deg"),
        (beam, "sigma_divergence", "sigma of the divergence {:g} deg"),
        (crystal, "mosaicity", "mosaicity {:g} deg (-mosaic_spread)"),
        (crystal, "ML_half_mosaicity_deg", "half mosaicity {:g} deg (-mosaic_spread)"),
        (crystal, "ML_domain_size_ang", "domains of {:g} Å (-xtalsize)"),
    )
    values = ((text, (model or {}).get(key)) for model, key, text in known)
    return [text.format(value) for text, value in values if isinstance(value, (int, float)) and value]


def _varies(model: dict[str, Any] | None) -> bool:
    return model is not None and any(key.endswith("_at_scan_points") and model[key] for key in model)


def _place_in_scan(
    name: str,
    start: float | None,
    width: float | None,
    wanted: tuple[float | None, float | None],
    models: tuple[dict[str, Any] | None, ...],
) -> tuple[float | None, list[str]]:
    """The middle of the image, in images from the start of the scan; ``None`` without a scan that turns."""
    if start is None or width is None:
        return (0.5, []) if any(_varies(model) for model in models) else (None, [])
    if width == 0.0:
        return 0.5, []
    phi = start if wanted[0] is None else wanted[0]
    extent = width if wanted[1] is None else wanted[1]
    at = (phi - start + 0.5 * extent) / width
    points = [
        len(model[key]) for model in models if model for key in model if key.endswith("_at_scan_points") and model[key]
    ]
    if points and not -0.5 <= at <= max(points) - 0.5:
        return at, [f"{name}: phi {phi:g} is outside its scan, the models at the scan's end are used"]
    return at, []


def _light(
    name: str, document: dict[str, Any], beam: dict[str, Any], at: float | None
) -> tuple[dict[str, Any], list[str]]:
    """Fields of the beam, and what to say of it. A wavelength that cannot be used is bad: an option may replace it."""
    moved = _of(beam, lambda: model_at(beam, "s0_at_scan_points", at))
    said = _of(beam, lambda: _beam(beam, moved))
    try:
        waves, comments = _of(beam, lambda: _waves(beam, moved))
    except Incomplete as error:
        waves, comments = {"bad": {"wavelength": _sentence(name, document, error)}}, []
    return said | waves, comments


def _beam(beam: dict[str, Any], moved: np.ndarray | None) -> dict[str, Any]:
    """Direction of travel, axis and factor of polarization. ``moved``: the wave vector of a beam that varies."""
    travel = -unit_of(beam["direction"]) if moved is None else unit_of(moved)  # their direction points at the source
    normal = beam.get("polarization_normal")
    electric = np.cross(travel, unit_of(_VERTICAL if normal is None else normal))
    fraction = beam.get("polarization_fraction")
    return {
        "travel": vec_of(travel),
        # The sense of E matters to nobody but to the frame of files that are written: x of NeXus is minus ours.
        "axis": across(travel, electric if np.linalg.norm(electric) > 1e-6 else _HORIZONTAL),
        "polarization": None if fraction is None else 2.0 * float(fraction) - 1.0,
    }


def _waves(beam: dict[str, Any], moved: np.ndarray | None) -> tuple[dict[str, Any], list[str]]:
    """Wavelength or range of them, and what to say of it."""
    band = beam.get("wavelength_range")
    if moved is not None:
        return {"wavelength": 1.0 / float(np.linalg.norm(moved))}, []
    if beam.get("wavelength") is None and band is not None:
        low, high = sorted(float(value) for value in band)
        if not 0.0 < low <= high < math.inf:
            raise Incomplete(f"wavelengths from {low:g} to {high:g}", beam, "wavelength_range")
        if low == high:
            return {"wavelength": low}, [f"a polychromatic beam of the one wavelength {low:g} Å"]
        waves = low + (np.arange(_WAVELENGTHS) + 0.5) / _WAVELENGTHS * (high - low)
        flat = np.stack([waves, np.ones(_WAVELENGTHS)], axis=1)
        comment = f"a polychromatic beam, {low:g} to {high:g} Å, as {_WAVELENGTHS} wavelengths of one weight"
        return {"wavelength": 0.5 * (low + high), "spectrum": flat}, [comment]
    return {"wavelength": float(beam["wavelength"])}, []
