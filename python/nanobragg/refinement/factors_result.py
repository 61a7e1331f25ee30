"""What a refinement of structure factors found."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from nanobragg.io.factors.mtz_writing import write_mtz
from nanobragg.refinement.result import table

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from nanobragg.refinement.shots_result import RefinedShots

    Array = NDArray[np.float64]

_COLUMNS = ("h", "k", "l", "start", "F", "sigma", "seen")


@dataclass(frozen=True, eq=False)
class RefinedFactors:
    """The structure factors that explain many images best: those that the images know to three times themselves."""

    shots: RefinedShots = field(repr=False)
    """with experiments that have the refined factors; covariances are for given factors"""
    group: str
    """the space group by which reflections are one"""
    friedel: str
    """``together``, or ``apart``"""
    hkl: NDArray[np.integer[Any]] = field(repr=False)
    """(n, 3) one of the indices of each"""
    start: Array = field(repr=False)
    """(n,) amplitudes at the start"""
    values: Array = field(repr=False)
    """(n,) refined"""
    sigmas: Array = field(repr=False)
    """(n,) standard deviations, of a common scale apart"""
    seen: NDArray[np.intp] = field(repr=False)
    """(n,) in how many shots it is three standard deviations or more by itself"""

    def rows(self) -> list[dict[str, Any]]:
        """Indices, start, F, sigma and seen of each reflection."""
        columns = (*self.hkl.T.tolist(), *(x.tolist() for x in (self.start, self.values, self.sigmas, self.seen)))
        return [dict(zip(_COLUMNS, row, strict=True)) for row in zip(*columns, strict=True)]

    def csv(self) -> str:
        """The same as text, with commas."""
        return table(self.rows(), _COLUMNS)

    def write_mtz(self, path: str | os.PathLike[str]) -> None:
        """A file of F and SIGF, or F(+), SIGF(+), F(-) and SIGF(-), in the asymmetric unit. Needs gemmi.

        Raises :class:`InputError` when it cannot be written.
        """
        experiment = self.shots.shots[0].experiment
        write_mtz(
            path,
            cell=experiment.crystal.cell,
            group=self.group,
            wavelength=experiment.beam.wavelength or 0.0,
            hkl=self.hkl,
            values=self.values,
            sigmas=self.sigmas,
            apart=self.friedel == "apart",
        )

    def __str__(self) -> str:
        """For people."""
        often = int((self.seen >= 3).sum())
        changed = float(np.abs(self.values - self.start).sum() / max(self.start.sum(), 1e-300))
        line = f"{len(self.values)} reflections ({self.group}, Friedel mates {self.friedel}), {often} seen three times"
        return f"{line}, {100 * changed:.2g} % from the start\n{self.shots}"
