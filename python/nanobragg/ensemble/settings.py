"""What a file says of its ensemble besides distributions: rows, as of all records (``specs/ensembles.md``)."""

from __future__ import annotations

import os

from nanobragg.records.fields import document, row
from nanobragg.records.kinds import FLAG, FRACTION, INPUT_FILE, NAME, NATURAL, POSITIVE, WHOLE
from nanobragg.records.record import Record


class Settings(Record):
    """How many shots, and what they have in common."""

    shots: int = row(NATURAL, "number of shots", default=0)
    seed: int = row(WHOLE, "seed of all that is drawn, noise too", default=0)
    shots_per_file: int = row(NATURAL, "shots of a file", default=100)
    blank: float = row(FRACTION, "part of the shots that hit no crystal", default=0.0)
    crystals: int = row(NATURAL, "crystals in the beam, each with a draw of its own; or a distribution", default=1)
    reflections: bool = row(FLAG, "tables of reflections beside the files of shots", default=False)


class SpectrumSettings(Record):
    """A spectrum for every shot: spikes of self-amplified spontaneous emission, or rows of measured ones."""

    bandwidth: float | None = row(POSITIVE, "full width at half maximum of the mean spectrum", unit="percent")
    spike: float | None = row(POSITIVE, "full width at half maximum of its spikes", unit="percent")
    wavelengths: int = row(NATURAL, "wavelengths that a spectrum with spikes is divided into", default=20)
    file: str | os.PathLike[str] | None = row(INPUT_FILE, "HDF5 file of measured spectra")
    energies: str = row(NAME, "its dataset (n) of photon energies, eV", default="energies")
    spectra: str = row(NAME, "its dataset (spectra, n) of intensities", default="spectra")
    draw: bool = row(FLAG, "a spectrum is drawn for every shot, instead of one after the other", default=False)


document(Settings, SpectrumSettings)
