"""The files of a refinement."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from nanobragg.inputs.toml import write_config
from nanobragg.io.images.geometry_texts import write_expt
from nanobragg.io.support.atomic import atomic_write
from nanobragg.resolver.resolve import resolve

if TYPE_CHECKING:
    from nanobragg.records.run import Run
    from nanobragg.refinement.result import Refinement


def write_experiment(path: str, run: Run, found: Refinement, like: str) -> None:
    """The file of the start with the refined values in place, its comments and order kept."""
    write_config(replace(run, experiment=found.experiment), path, like=like)


def write_crystal(path: str, found: Refinement, image: str) -> None:
    """DIALS' models of beam, detector, goniometer and crystal."""
    write_expt(path, resolve(found.experiment), image, crystal=True)


def write_text(path: str, text: str) -> None:
    """A file of text."""
    with atomic_write(path) as file:
        file.write(text.encode())


def write_json(path: str, found: Refinement) -> None:
    """All numbers but those of pixels. What is not finite is null."""
    boxes = [dict(zip(found.shoeboxes.dtype.names or (), row.tolist(), strict=True)) for row in found.shoeboxes]
    document = {
        "parameters": [{name: _finite(value) for name, value in row.items()} for row in found.rows()],
        "covariance": _finite(found.covariance.tolist()),
        "weak": list(found.weak),
        "chi2": float(found.shoeboxes["chi2"].sum()),
        "pixels": found.pixels,
        "misfit": found.misfit,
        "misfits": list(found.misfits),
        "jacobians": found.jacobians,
        "converged": found.converged,
        "shoeboxes": boxes,
        "notes": list(found.notes),
    }
    write_text(path, json.dumps(document, indent=1, allow_nan=False) + "\n")


def _finite(value: object) -> object:
    if isinstance(value, list):
        return [_finite(part) for part in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value
