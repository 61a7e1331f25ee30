"""Spectra from shot to shot: spikes of spontaneous emission, or measured ones (``specs/ensembles.md``)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from nanobragg.ensemble.randomness import Randomness
from nanobragg.errors import InputError
from nanobragg.maths.constants import ENERGY

if TYPE_CHECKING:
    from numpy.typing import NDArray

NAME = "spectrum"
"""the name of its random numbers"""
REACH = 1.5
"""times the bandwidth to either side: beyond is 0.2 percent of the mean spectrum's height"""
POINTS = 6
"""points of a spike's width, on the grid that spectra are made on"""
_WIDTH = 2.0 * math.sqrt(2.0 * math.log(2.0))
"""full width at half maximum of a Gaussian of rms 1"""


class Lines(Protocol):
    """Gives a spectrum for every shot."""

    def draw(self, random: Randomness, wavelength: float) -> NDArray[np.float64]:
        """(n, 2): wavelengths, Å, and weights, for the wavelength (Å) that the shot has besides."""
        ...


@dataclass(frozen=True)
class Spikes:
    """Chaotic light: a Gaussian mean spectrum, times the square of a complex Gaussian field that is correlated over the
    width of a spike.
    """

    bandwidth: float
    """Full width at half maximum of the mean spectrum, relative."""
    spike: float
    """Full width at half maximum of the correlation of intensities, relative."""
    wavelengths: int

    def draw(self, random: Randomness, wavelength: float) -> NDArray[np.float64]:
        offsets, intensities = self.fine(random)
        size = len(offsets) // self.wavelengths
        rows = []
        for first in range(0, len(offsets), size):
            # Sums by math.fsum, and elementary functions by math: those of NumPy depend on the processor.
            total = math.fsum(intensities[first : first + size])
            middle = 0.5 * (offsets[first] + offsets[first + size - 1])
            rows.append((wavelength / (1.0 + middle), total))
        return np.array(rows)

    def fine(self, random: Randomness) -> tuple[list[float], list[float]]:
        """The spectrum before it is divided: offsets relative to the energy, and intensities."""
        size = max(math.ceil(2.0 * REACH * self.bandwidth * POINTS / (self.spike * self.wavelengths)), 1)
        points = size * self.wavelengths
        step = 2.0 * REACH * self.bandwidth / points
        offsets = [(i + 0.5) * step - REACH * self.bandwidth for i in range(points)]
        mean = [math.exp(-0.5 * (x * _WIDTH / self.bandwidth) ** 2) for x in offsets]
        field = self._field(random, points, step)
        return offsets, [m * f for m, f in zip(mean, field, strict=True)]

    def _field(self, random: Randomness, points: int, step: float) -> list[float]:
        """|E|² of mean 1 of a field whose |γ|² is a Gaussian of the spike's width."""
        rms = self.spike / _WIDTH / step
        reach = math.ceil(4.0 * rms)
        kernel = [math.exp(-0.5 * (i / rms) ** 2) for i in range(-reach, reach + 1)]
        norm = math.sqrt(0.5 / math.fsum(k * k for k in kernel))
        noise = random.normals(NAME, (2, points + 2 * reach))
        total = np.zeros((2, points))
        for i, k in enumerate(kernel):
            total += (k * norm) * noise[:, i : i + points]
        return (total[0] * total[0] + total[1] * total[1]).tolist()


@dataclass(frozen=True, eq=False)
class MeasuredSpectra:
    """Spectra of a file, one after the other or drawn; intensities below 0 count as 0."""

    energies: NDArray[np.float64]
    """(n,) eV"""
    spectra: NDArray[np.float64]
    """(spectra, n)"""
    drawn: bool

    def draw(self, random: Randomness, wavelength: float) -> NDArray[np.float64]:
        count = len(self.spectra)
        row = random.whole(NAME, 0, count - 1) if self.drawn else random.shot % count
        weights = np.maximum(self.spectra[row], 0.0)
        kept = weights > 0.0
        return np.stack([ENERGY / self.energies[kept], weights[kept]], axis=1)


def mean_wavelength(lines: NDArray[np.float64]) -> float:
    """Å, of a spectrum (n, 2). Raises :class:`InputError` where its wavelengths overflow."""
    total = math.fsum(lines[:, 1].tolist())
    try:
        return math.fsum(w * weight for w, weight in lines.tolist()) / total
    except OverflowError as error:
        longest = lines[:, 0].max()
        raise InputError(f"ensemble.spectrum: found wavelengths up to {longest:g} Å, expected shorter ones") from error
