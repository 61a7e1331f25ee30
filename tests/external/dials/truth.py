"""What DIALS found, compared with what was simulated."""

from __future__ import annotations

import gzip
import itertools
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import cache
from pathlib import Path
from typing import Any

import gemmi
import numpy as np
from series import REPOSITORY, Case

from nanobragg import Crystal, Detector, Experiment, Image, Resolved, resolve

_TABLE = re.compile(r"RMSDs by experiment:.*?\n((?:[+|].*\n)+)")
_FRAMES_APART = 20
"""Every so many frames spots are compared."""


@dataclass(frozen=True)
class Figures:
    """How far DIALS is from the truth; ``None``: does not apply."""

    cell: float
    """per cent, the largest deviation of a length; of stills the median"""
    angle: float
    """degrees, the largest deviation of a cell's angle"""
    orientation: float
    """degrees; of stills the median"""
    rmsd: float
    """pixels, the larger of x and y"""
    rmsd_z: float | None
    """frames"""
    intensities: float | None
    """correlation with |F|²"""
    back: float | None
    """pixels: the largest shift of a spot when the refined experiment is simulated"""
    lattices: int = 1
    about_beam: float | None = None
    """degrees, of stills: the part of the orientation that positions of spots tell; the median"""
    scatter: float | None = None
    """degrees, of stills: how far the orientation is off by chance, since a spot does not tell on which side of the
    sphere its reflection is: √(2/n) times the rms of the rotations that bring the n reflections onto it; the median of
    two such numbers
    """

    def beyond(self, case: Case) -> list[str]:
        """Sentences about figures that are beyond their bars."""
        bars: dict[str, float] = {"cell": 0.02, "orientation": 0.005, "rmsd": 0.1, "rmsd_z": 0.08, "back": 0.1}
        if case.stills:  # each lattice has 90 spots
            bars |= {"orientation": 2.0 * (self.scatter or 0.0), "about_beam": 0.005}
        found = {field.name: getattr(self, field.name) for field in fields(self)}
        lines = [
            f"{name}: found {found[name]:.4g}, expected at most {bar:g}"
            for name, bar in bars.items()
            if found[name] is not None and found[name] > bar
        ]
        if self.intensities is not None and self.intensities < 0.999:
            lines.append(f"intensities: found r = {self.intensities:.5f}, expected at least 0.999")
        if case.stills and self.lattices != 10:
            lines.append(f"lattices: found {self.lattices} of images, expected 10")
        return lines


_TITLES = ("cell, %", "orientation, °", "centroids, px", "frames", "r with \\|F\\|²", "given back, px")


def heading() -> str:
    """Two lines of a table in Markdown."""
    return f"| series | {' | '.join(_TITLES)} |\n|---|{'---|' * len(_TITLES)}"


def row(case: Case, found: Figures) -> str:
    """A line of it."""

    def text(value: float | None, digits: int) -> str:
        return "" if value is None else f"{value:.{digits}f}"

    cells = (
        text(found.cell, 4),
        text(found.orientation, 4) + ("" if found.about_beam is None else f" ({found.about_beam:.4f} about the beam)"),
        text(found.rmsd, 3),
        text(found.rmsd_z, 3),
        text(found.intensities, 5),
        text(found.back, 3),
    )
    return f"| {case.title} | {' | '.join(cells)} |"


def figures_of(case: Case, made: Sequence[Experiment], resolved: Sequence[Resolved], folder: Path) -> Figures:
    """All figures of a case whose files are in ``folder``."""
    found = json.loads((folder / "refined.expt").read_text())
    nearest = [_nearest(_axes(crystal), resolved if case.stills else resolved[:1]) for crystal in found["crystal"]]
    spots, rmsd, rmsd_z = _rmsds((folder / "dials.refine.out").read_text())
    lattices = zip(*(lattice for _, lattice in nearest), strict=True)
    cell, angle, turn, about = (float(np.median(values)) for values in lattices)
    return Figures(
        cell=cell,
        angle=angle,
        orientation=turn,
        rmsd=rmsd,
        rmsd_z=None if case.stills else rmsd_z,
        intensities=None if case.stills else _correlation(folder / "scaled.mtz"),
        back=None if case.stills else _given_back(made, resolved, folder / "refined.expt"),
        lattices=len({number for number, _ in nearest}),
        about_beam=about if case.stills else None,
        scatter=rmsd_z * np.sqrt(2.0 / spots) * np.sqrt(2.0 * np.log(2.0)) if case.stills else None,
    )


# ---- the lattice ------------------------------------------------------------------------------------------


def _axes(crystal: dict[str, Any]) -> np.ndarray:
    """(3, 3) Å: rows a, b, c."""
    return np.array([crystal[f"real_space_{axis}"] for axis in "abc"])


def _nearest(axes: np.ndarray, resolved: Sequence[Resolved]) -> tuple[int, tuple[float, float, float, float]]:
    """The image whose crystal is oriented most like a lattice, and how far that is."""
    apart = [compare(axes, one) for one in resolved]
    number = min(range(len(apart)), key=lambda image: apart[image][2])
    return number, apart[number]


def compare(axes: np.ndarray, resolved: Resolved) -> tuple[float, float, float, float]:
    """Deviations: of a length (per cent), of an angle, of the orientation, and of that about the beam (degrees)."""
    g, sample = resolved.geometry, resolved.sample
    z = -np.array(g.beam)
    x = np.array(g.polar) - (np.array(g.polar) @ z) * z
    x /= np.linalg.norm(x)
    truth = np.array([sample.a0, sample.b0, sample.c0]) * 1e10 @ np.array([x, np.cross(z, x), z]).T
    lengths, expected = np.linalg.norm(axes, axis=1), np.linalg.norm(truth, axis=1)
    cosines = axes @ axes.T / np.outer(lengths, lengths)
    angle = max(abs(np.degrees(np.arccos(cosines[i, j])) - 90.0) for i, j in ((1, 2), (0, 2), (0, 1)))
    turns = []
    for signs in itertools.product((1.0, -1.0), repeat=3):
        if np.prod(signs) > 0:  # the group's rotations
            u, _, vt = np.linalg.svd((np.diag(signs) @ truth / expected[:, None]).T @ (axes / lengths[:, None]))
            turn = u @ vt
            whole = np.degrees(np.arccos(np.clip((np.trace(turn) - 1.0) / 2.0, -1.0, 1.0)))
            turns.append((whole, np.degrees(abs(turn[1, 0] - turn[0, 1])) / 2.0))  # z is along the beam
    turned, about = min(turns)
    return float(100.0 * np.abs(lengths / expected - 1.0).max()), float(angle), float(turned), float(about)


# ---- centroids, intensities -------------------------------------------------------------------------------


def _rmsds(log: str) -> tuple[float, float, float]:
    """The last table of `dials.refine`: spots of an experiment, pixels (the larger of x and y, over all experiments),
    frames (of stills the degrees of the rotation onto the sphere).
    """
    rows = [
        [float(cell) for cell in line.strip("|").split("|")]
        for line in _TABLE.findall(log)[-1].splitlines()
        if re.match(r"\|\s+\d", line)
    ]
    table = np.array([values[:5] for values in rows])
    weights = table[:, 1] / table[:, 1].sum()
    means = np.sqrt(weights @ table[:, 2:] ** 2)
    return float(table[:, 1].mean()), float(max(means[:2])), float(means[2])


@cache
def _squares() -> dict[tuple[int, int, int], float]:
    """|F|² by h, k, l >= 0: the point group is 222, and nothing is anomalous."""
    with gzip.open(REPOSITORY / "examples" / "1orc.hkl.gz", "rt") as file:
        table = np.loadtxt(file)
    return {(int(h), int(k), int(m)): f * f for h, k, m, f in table if min(h, k, m) >= 0}


def _correlation(path: Path) -> float:
    """How scaled, unmerged intensities correlate with |F|²."""
    mtz = gemmi.read_mtz_file(str(path))
    table = np.array(mtz, copy=False)
    labels = mtz.column_labels()
    intensities = table[:, labels.index("I")]
    squares = np.array([_squares().get(tuple(np.abs(hkl).astype(int).tolist()), np.nan) for hkl in table[:, :3]])
    known = np.isfinite(squares) & np.isfinite(intensities)
    return float(np.corrcoef(intensities[known], squares[known])[0, 1])


# ---- the refined experiment, simulated --------------------------------------------------------------------


def _given_back(made: Sequence[Experiment], resolved: Sequence[Resolved], refined: Path) -> float:
    """The largest distance between spots of an image and of what `-img refined.expt` makes of the same angle."""
    largest = 0.0
    for number in range(0, len(made), _FRAMES_APART):
        experiment = made[number]
        again = resolve(
            Experiment(
                crystal=Crystal(
                    structure_factors=experiment.crystal.structure_factors,
                    cells=experiment.crystal.cells,
                    shape=experiment.crystal.shape,
                ),
                beam=replace(experiment.beam, wavelength=None, direction=None, polarization_axis=None),
                detector=Detector(header=refined, thickness=experiment.detector.thickness),
                sampling=experiment.sampling,
                quirks=experiment.quirks,
            )
        )
        largest = max(largest, _shift(_spots(resolved[number]), _spots(again)))
    return largest


def _spots(resolved: Resolved) -> np.ndarray:
    """(n, 3) fast, slow, phi of reflections that are well in diffraction."""
    table = Image(np.zeros(resolved.scene.image_shape, np.float32), resolved).truth()
    return np.stack([table["fast"], table["slow"], table["phi"]], axis=1)[table["partiality"] > 0.5]


def _shift(ours: np.ndarray, theirs: np.ndarray) -> float:
    """The largest distance to the nearest spot at the same phi step, of spots that are nearer than half a spacing."""
    shifts = []
    for fast, slow, phi in ours:
        there = theirs[np.abs(theirs[:, 2] - phi) < 1e-6]
        if len(there):
            shifts.append(np.hypot(there[:, 0] - fast, there[:, 1] - slow).min())
    found = np.array(shifts)
    near = found[found < 5.0]
    if len(near) < 0.7 * len(ours):
        return float("inf")
    return float(near.max())
