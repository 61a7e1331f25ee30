"""The file of an ensemble: an experiment as TOML, and its table ``[ensemble]`` (``specs/ensembles.md``)."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

from nanobragg.ensemble.distributions import Distribution
from nanobragg.ensemble.kinds import Field, read_distribution
from nanobragg.ensemble.plan import Plan, Varied
from nanobragg.ensemble.settings import Settings, SpectrumSettings
from nanobragg.ensemble.spectrum import Lines, MeasuredSpectra, Spikes
from nanobragg.ensemble.tables import read_dataset
from nanobragg.errors import InputError
from nanobragg.inputs.toml import parsed, run_of, unknown, value_of
from nanobragg.io.support.atomic import read_bytes
from nanobragg.records.experiment import Experiment
from nanobragg.records.fields import Place, own_places, places, sections
from nanobragg.records.kinds import shown
from nanobragg.records.quirks import parse_quirks
from nanobragg.records.run import PLACES, Run

TABLE = "ensemble"
SECTIONS = tuple(sections(Experiment))
"""Sections with fields that may vary."""
PIXELS = (
    "name",
    "panels",
    "shape",
    "size",
    "pixel_size",
    "roi",
    "mask",
    "header",
    "experiment",
    "geometry_data",
)
"""Fields of the detector that decide which pixels there are."""
_NOT_USED = ("output", "printout", "printout_pixel", "trace_pixel")
"""What a run may say besides, and an ensemble has no use for."""
_WEIGHTS = "source_weights_ignored"


def read_ensemble(path: str | os.PathLike[str]) -> Plan:
    """Read and check the file of an ensemble.

    Raises:
        InputError: for a file that cannot be read, and for what is no experiment or no distribution in it; one sentence
            that names the file, the key, what was found and what was expected.

    """
    name = os.fspath(path)
    return plan_of(parsed(name, read_bytes(name)), name)


def plan_of(document: dict[str, Any], name: str) -> Plan:
    """The plan that what was read of a file says; errors as for :func:`read_ensemble`."""
    run = run_of({key: value for key, value in document.items() if key != TABLE}, name)
    table = document.get(TABLE)
    if not isinstance(table, dict):
        found = "none" if table is None else shown(table)
        raise InputError(f"{name}: {TABLE}: found {found}, expected a section [{TABLE}]")
    return _Reading(name, document, run).plan(table)


class _Reading:
    """One file on its way to a plan."""

    def __init__(self, name: str, document: dict[str, Any], run: Run) -> None:
        self.name, self.document, self.run = name, document, run
        self.files = _input_files(run.experiment)
        self.notes = [
            f"{name}: {key}: not used, an ensemble has files of its own" for key in document if key in _NOT_USED
        ]

    def plan(self, table: dict[str, Any]) -> Plan:
        known = {place.key: place for place in own_places(Settings)}
        for key in table:
            if key not in known and key not in SECTIONS and key != "spectrum":
                raise unknown(f"{self.name}: {TABLE}.{key}", key, [*known, *SECTIONS, "spectrum"])
        settings = self._settings(table, known)
        varied = tuple(v for section in SECTIONS for v in self._varied(section, table.get(section, {})))
        spectrum = self._spectrum(table["spectrum"]) if "spectrum" in table else None
        if spectrum is not None:
            self._count_weights()
        return Plan(
            path=self.name,
            run=self.run,
            settings=settings,
            varied=varied,
            crystals=self._distribution(known["crystals"], (TABLE, "crystals"), table.get("crystals", 1), None),
            spectrum=spectrum,
            notes=tuple(self.notes),
            document=self.document,
            files=self.files,
        )

    def _settings(self, table: dict[str, Any], known: dict[str, Place]) -> Settings:
        said = {
            key: value_of(self.name, place, table[key], f"{TABLE}.{key}")
            for key, place in known.items()
            if key in table and key != "crystals"
        }
        settings = Settings(**said)
        for key in ("shots", "shots_per_file"):
            if getattr(settings, key) < 1:
                found = said.get(key, "nothing")
                raise InputError(f"{self.name}: {TABLE}.{key}: found {found}, expected a whole number, 1 or more")
        return settings

    def _distribution(self, place: Place, at: tuple[str, ...], value: object, base: object) -> Distribution:
        return read_distribution(Field(self.name, place, base, self.files, at), value)

    def _varied(self, section: str, table: object) -> list[Varied]:
        if not isinstance(table, dict):
            raise InputError(f"{self.name}: {TABLE}.{section}: found {shown(table)}, expected a table of fields")
        known = {place.key: place for place in PLACES.values() if place.section == section}
        found = []
        for key, value in table.items():
            spoken = f"{self.name}: {TABLE}.{section}.{key}"
            if key not in known:
                raise unknown(spoken, key, list(known))
            place = known[key]
            base = place.value(self.run)
            if section == "detector":
                _check_detector(spoken, key, base)
            found.append(Varied(place, self._distribution(place, (TABLE, section, key), value, base)))
        return found

    # ---- spectra ------------------------------------------------------------------------------------------

    def _spectrum(self, table: object) -> Lines:
        spoken = f"{TABLE}.spectrum"
        if not isinstance(table, dict):
            raise InputError(f"{self.name}: {spoken}: found {shown(table)}, expected a table")
        known = {place.key: place for place in own_places(SpectrumSettings)}
        for key in table:
            if key not in known:
                raise unknown(f"{self.name}: {spoken}.{key}", key, list(known))
        said = {k: value_of(self.name, known[k], value, f"{spoken}.{k}") for k, value in table.items()}
        if self.run.experiment.beam.sources is not None:
            raise InputError(f"{self.name}: {spoken}: found beam.sources besides, expected one of them")
        settings = SpectrumSettings(**said)
        if settings.file is not None:
            return self._measured(settings, said, spoken)
        return self._spikes(settings, said, spoken)

    def _spikes(self, settings: SpectrumSettings, said: dict[str, Any], spoken: str) -> Lines:
        for key in ("energies", "spectra", "draw"):
            if key in said:
                raise InputError(f"{self.name}: {spoken}.{key}: found one without {spoken}.file, expected both")
        if settings.bandwidth is None or settings.spike is None:
            raise InputError(f"{self.name}: {spoken}: found no bandwidth or no spike, expected both, or a file")
        if not settings.spike <= settings.bandwidth < 50.0 or settings.bandwidth > 1e4 * settings.spike:
            raise InputError(
                f"{self.name}: {spoken}: found a spike of {settings.spike:g} and a bandwidth of "
                f"{settings.bandwidth:g} percent, expected a bandwidth of 1 to 10000 spikes, below 50 percent"
            )
        if not 1 <= settings.wavelengths <= 10_000:
            raise InputError(f"{self.name}: {spoken}.wavelengths: found {settings.wavelengths}, expected 1 to 10000")
        beam, own = self.run.experiment.beam, self.document[TABLE].get("beam", {})
        if beam.wavelength is None and beam.energy is None and not {"wavelength", "energy"} & set(own):
            raise InputError(f"{self.name}: {spoken}: found no beam.wavelength or beam.energy, expected one of them")
        return Spikes(settings.bandwidth / 100.0, settings.spike / 100.0, settings.wavelengths)

    def _measured(self, settings: SpectrumSettings, said: dict[str, Any], spoken: str) -> Lines:
        for key in ("bandwidth", "spike", "wavelengths"):
            if key in said:
                raise InputError(f"{self.name}: {spoken}.{key}: found one besides {spoken}.file, expected one of them")
        file = self.files[(TABLE, "spectrum", "file")] = os.fspath(settings.file or "")
        energies = read_dataset(file, settings.energies, f"{self.name}: {spoken}.energies")
        spectra = read_dataset(file, settings.spectra, f"{self.name}: {spoken}.spectra")
        if energies.ndim != 1 or spectra.ndim != 2 or spectra.shape[1] != len(energies) or not (energies > 0.0).all():
            raise InputError(
                f"{self.name}: {spoken}: found energies of shape {energies.shape} and spectra of shape "
                f"{spectra.shape} in {file}, expected (n) positive ones and (spectra, n)"
            )
        if not (spectra.max(axis=1) > 0.0).all():
            empty = int((spectra.max(axis=1) <= 0.0).argmax())
            raise InputError(f"{self.name}: {spoken}: found nothing above 0 in spectrum {empty} of {file}")
        return MeasuredSpectra(energies, spectra, settings.draw)

    def _count_weights(self) -> None:
        """With nanoBragg.c's quirk a spectrum would have no heights."""
        experiment = self.run.experiment
        if _WEIGHTS in parse_quirks(experiment.quirks):
            quirks = f"{experiment.quirks},-{_WEIGHTS}"
            self.run = replace(self.run, experiment=replace(experiment, quirks=quirks))
            self.notes.append(f"{self.name}: without the quirk {_WEIGHTS}: spectra have weights")


def _input_files(experiment: Experiment) -> dict[tuple[str, ...], str]:
    """Names of the experiment's input files by their keys."""
    found = {
        tuple(place.name.split(".")): os.fspath(value)
        for place in places(Experiment)
        if place.row.kind.file == "input" and (value := place.value(experiment)) is not None
    }
    for number, panel in enumerate(experiment.detector.panels or ()):
        if isinstance(panel.mask, (str, os.PathLike)):
            found["detector", "panels", str(number), "mask"] = os.fspath(panel.mask)
    return found


def _check_detector(spoken: str, key: str, base: object) -> None:
    if key in PIXELS:
        raise InputError(f"{spoken}: found a distribution, expected the same pixels in all shots")
    if base is None:
        raise InputError(f"{spoken}: found no detector.{key}, expected the nominal one, which images will tell")
