"""From what is said of the crystal's surroundings to numbers (``specs/around.md``)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, get_args

import numpy as np

from nanobragg.errors import InputError
from nanobragg.maths.constants import AVOGADRO, ENERGY
from nanobragg.records.around import Around, BeamStop, Material, Scatterer, Substance, Surroundings
from nanobragg.records.fields import own_places
from nanobragg.resolver.beam import beam_size_of
from nanobragg.resolver.log import Log
from nanobragg.resolver.maps import panel_maps

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from nanobragg.records.experiment import Experiment
    from nanobragg.records.scene import Scene

_OPTIONS = {place.key: place.spoken for place in own_places(Around)}
_LARGEST = 1e100
_FEWEST = 1
"""points of a profile"""


def surroundings_of(experiment: Experiment, scene: Scene, fluence: float) -> tuple[Surroundings | None, Log]:
    """What is around the crystal, and what there is to say about it; ``None`` where there is nothing.

    Args:
        experiment: what is said.
        scene: made of it, for panels and wavelengths.
        fluence: photons/m².

    Raises:
        InputError: for files that cannot be read, and for what cannot be.

    """
    around = experiment.around
    attenuation, notes = _attenuation(around, scene)
    notes += _without_effect(around, scene)
    scatterers = []
    for number, material in enumerate(around.materials or ()):
        _check(number, material)
        found, said = _scatterer(material, beam_size_of(experiment.beam))
        scatterers.append(found)
        notes.append(said)
    shapes = [(panel.shape[0], panel.shape[1]) for panel in scene.panels]
    shadow = panel_maps(around.shadow, _OPTIONS["shadow"], shapes, np.float32)
    if shadow is not None and not all(((each >= 0.0) & (each <= 1.0)).all() for each in shadow):
        raise InputError(f"{_OPTIONS['shadow']}: found numbers below 0 or above 1, expected what reaches the detector")
    stop = _stop(around, experiment, scene)
    if not scatterers and attenuation == 0.0 and stop is None and shadow is None:
        return None, Log(notes=tuple(notes))
    beam = scene.beam_direction
    surroundings = Surroundings(
        scatterers=tuple(scatterers),
        fluence=fluence,
        beam=(float(beam[0]), float(beam[1]), float(beam[2])),
        attenuation=attenuation,
        start=around.flight_start / 1000.0,
        stop=stop,
        shadow=shadow,
    )
    return surroundings, Log(notes=tuple(notes))


# ---- materials --------------------------------------------------------------------------------------------


def _check(number: int, material: Material) -> None:
    """Whether a material says what it must, and nothing twice."""
    place = f"{_OPTIONS['materials']}: material {number}"
    if (material.name is None) == (material.profile is None):
        found = "neither" if material.name is None else "both"
        raise InputError(f"{place}: found {found} a name and a profile, expected one of them")
    if material.thickness is None:
        raise InputError(f"{place}: found no thickness, expected one (mm)")
    if isinstance(material.profile, (str, os.PathLike)) and not os.path.exists(material.profile):
        raise InputError(
            f"{place}: found {os.fspath(material.profile)!r}, expected {', '.join(get_args(Substance))} or a file"
        )
    if material.profile is not None and (material.density is None or material.molecular_weight is None):
        raise InputError(
            f"{place}: found a profile alone, expected its density (g/cm³) and molecular_weight (g/mol), too: "
            "-around_density, -around_MW"
        )


def _scatterer(material: Material, beam_size: float) -> tuple[Scatterer, str]:
    """A material in a beam of ``beam_size`` m, and a line about it."""
    if material.name is not None:
        from nanobragg.resolver.materials import SUBSTANCES

        substance, label = SUBSTANCES[material.name], material.name
        stol, amplitude = substance.profile()
        density = substance.density if material.density is None else material.density
        weight = substance.molecular_weight if material.molecular_weight is None else material.molecular_weight
    else:
        label = os.fspath(material.profile) if isinstance(material.profile, (str, os.PathLike)) else "a profile"
        stol, amplitude = _profile(material, label)
        density, weight = material.density or 0.0, material.molecular_weight or 1.0
    if beam_size <= 0.0:
        raise InputError(f"-beamsize: found {beam_size * 1000:g} mm, expected a positive size with {label} in the beam")
    thickness = material.thickness or 0.0
    volume = thickness / 1000.0 * beam_size * beam_size
    molecules = volume * density * 1e6 * AVOGADRO / weight
    note = (
        f"around the crystal: {label}, {thickness:g} mm, {density:g} g/cm3, {weight:g} g/mol, "
        f"{molecules:g} molecules in the beam; structure factors up to {stol[-1]:g} 1/A, the last one beyond"
    )
    return Scatterer(label, stol * 1e10, amplitude, molecules), note


def _profile(material: Material, label: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """A table of the user's, sorted; points of one place are one, the mean."""
    given = material.profile
    if isinstance(given, (str, os.PathLike)):
        from nanobragg.io.lists.columns import read_table

        table = read_table(given, 2, titles=False, expected="lines of sin(theta)/lambda and F").values
    else:
        table = np.asarray(given, np.float64)
    if table.ndim != 2 or table.shape[1] != 2 or len(table) < _FEWEST:
        raise InputError(f"{_OPTIONS['materials']}: found an array of shape {table.shape} in {label}, expected (n, 2)")
    if not (np.abs(table) < _LARGEST).all() or (table[:, 0] < 0.0).any():
        raise InputError(
            f"{_OPTIONS['materials']}: found numbers that cannot be in {label}, expected sin(theta)/lambda and F"
        )
    stol, index = np.unique(table[:, 0], return_inverse=True)
    return stol, np.bincount(index.ravel(), table[:, 1]) / np.bincount(index.ravel())


# ---- the way to the detector ------------------------------------------------------------------------------


def _attenuation(around: Around, scene: Scene) -> tuple[float, list[str]]:
    """1/m of the gas, and a line about it."""
    if around.flight_path == "vacuum":
        return 0.0, []
    from nanobragg.resolver.materials import attenuation_of

    wavelength = float(np.average(scene.source_wavelength, weights=scene.source_weight))
    kev = ENERGY / (wavelength * 1e10) / 1000.0
    if not 1.0 <= kev <= 100.0:
        raise InputError(f"{_OPTIONS['flight_path']}: found photons of {kev:g} keV, expected 1 to 100 keV")
    found = attenuation_of(around.flight_path, kev)
    note = f"from the sample to the detector: {around.flight_path} from {around.flight_start:g} mm on, {found:g} 1/m"
    return found, [note]


def _without_effect(around: Around, scene: Scene) -> list[str]:
    """Lines about what is said and makes no difference."""
    alone = Around()
    lines = []
    if around.flight_path == "vacuum" and around.flight_start != alone.flight_start:
        lines.append(f"{_OPTIONS['flight_start']}: without effect: there is no gas ({_OPTIONS['flight_path']})")
    if around.beamstop is None:
        said = [
            _OPTIONS[name]
            for name in ("beamstop_shape", "beamstop_distance", "beamstop_penumbra")
            if getattr(around, name) != getattr(alone, name)
        ]
        if said:
            lines.append(f"{', '.join(said)}: without effect: there is no beamstop ({_OPTIONS['beamstop']})")
    elif all(panel.close_distance * 1000.0 <= around.beamstop_distance for panel in scene.panels):
        lines.append(
            f"{_OPTIONS['beamstop_distance']}: {around.beamstop_distance:g} mm is not before the detector: pixels that "
            "are nearer have no shadow"
        )
    return lines


def _stop(around: Around, experiment: Experiment, scene: Scene) -> BeamStop | None:
    if around.beamstop is None:
        return None
    distance = around.beamstop_distance / 1000.0
    if around.beamstop_penumbra is not None:
        penumbra = around.beamstop_penumbra / 1000.0
    else:
        # The sample is as wide as the beam; seen from the detector, its edges pass the stop this far apart.
        far = min(panel.close_distance for panel in scene.panels)
        penumbra = beam_size_of(experiment.beam) * max(1.0 - distance / far, 0.0) if far > 0.0 else 0.0
    return BeamStop(
        half=around.beamstop / 2000.0, square=around.beamstop_shape == "square", distance=distance, penumbra=penumbra
    )
