"""The files of a refinement."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from nanobragg.inputs.toml import write_config
from nanobragg.io.images.geometry_texts import write_experiments
from nanobragg.io.support.atomic import atomic_write
from nanobragg.refinement.factors_result import RefinedFactors
from nanobragg.refinement.result import Refinement
from nanobragg.refinement.series_file import series_text
from nanobragg.resolver.resolve import resolve

if TYPE_CHECKING:
    from nanobragg.records.experiment import Experiment
    from nanobragg.refinement.request import Request
    from nanobragg.refinement.result import RefinedShot
    from nanobragg.refinement.shots_result import RefinedShots


class Outputs:
    """What was found, in files.

    Args:
        request: what was asked for.
        found: what was found.
        factors: the file of refined structure factors, which experiments name from then on.

    """

    def __init__(
        self, request: Request, found: Refinement | RefinedShots | RefinedFactors, factors: str | None = None
    ) -> None:
        self.request, self.found, self.factors = request, found, factors
        self._shots = found.shots if isinstance(found, RefinedFactors) else found

    @property
    def _single(self) -> tuple[RefinedShot, ...]:
        return (self._shots,) if isinstance(self._shots, Refinement) else self._shots.shots

    def _experiments(self) -> list[Experiment]:
        experiments = [shot.experiment for shot in self._single]
        if self.factors is None:
            return experiments
        return [replace(each, crystal=replace(each.crystal, structure_factors=self.factors)) for each in experiments]

    def write_experiment(self, path: str) -> None:
        """The file of the start with the refined values in place, comments and order kept; of many shots with a table
        for each. In another folder, the files that ``[refine]`` names are named from there.
        """
        request = self.request
        if request.one and not (request.has_table and _folder(path) != _folder(request.path)):
            write_config(replace(request.run, experiment=self._experiments()[0]), path, like=request.path)
        else:
            write_text(path, series_text(request, self._experiments(), path))

    def write_crystal(self, path: str) -> None:
        """DIALS' models of beam, detector, goniometer and crystal, of each shot."""
        shots = zip(self._experiments(), self.request.images, strict=True)
        write_experiments(path, [(resolve(each), image) for each, image in shots], crystals=True)

    def write_table(self, path: str) -> None:
        """Values and standard deviations."""
        write_text(path, self._shots.csv())

    def write_factors(self, path: str) -> None:
        """Structure factors."""
        assert isinstance(self.found, RefinedFactors)
        self.found.write_mtz(path)

    def write_page(self, path: str) -> None:
        """A page to look at."""
        from nanobragg.refinement.report import page

        write_text(path, page(self._shots, self.request.images))

    def write_json(self, path: str) -> None:
        """All numbers but those of pixels. What is not finite is null."""
        shots = self._shots
        document = {
            "parameters": [{name: _finite(value) for name, value in row.items()} for row in shots.rows()],
            "covariance": _finite(shots.covariance.tolist()),
            "weak": list(shots.weak),
            "chi2": sum(float(shot.shoeboxes["chi2"].sum()) for shot in self._single),
            "pixels": shots.pixels,
            "misfit": shots.misfit,
            "misfits": list(shots.misfits),
            "jacobians": shots.jacobians,
            "converged": shots.converged,
            "notes": list(shots.notes),
        }
        if isinstance(shots, Refinement):
            document["shoeboxes"] = _boxes(shots)
        else:
            document["shots"] = [
                {"image": image, "covariance": _finite(shot.covariance.tolist()), "shoeboxes": _boxes(shot)}
                for image, shot in zip(self.request.images, shots.shots, strict=True)
            ]
        write_text(path, json.dumps(document, indent=1, allow_nan=False) + "\n")


def _folder(path: str) -> str:
    return os.path.realpath(os.path.dirname(path) or ".")


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """A file of text."""
    with atomic_write(path) as file:
        file.write(text.encode())


def _boxes(shot: RefinedShot) -> list[dict[str, Any]]:
    return [dict(zip(shot.shoeboxes.dtype.names or (), row.tolist(), strict=True)) for row in shot.shoeboxes]


def _finite(value: object) -> object:
    if isinstance(value, list):
        return [_finite(part) for part in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value
