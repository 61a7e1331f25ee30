"""What is around the crystal: what is said of it, and what that comes to (``specs/around.md``)."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from nanobragg.records.fields import document, list_of, row
from nanobragg.records.kinds import (
    FILE_OR_ARRAY,
    NOT_NEGATIVE,
    POSITIVE,
    choice,
)
from nanobragg.records.record import Record

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    PathOrArray = str | os.PathLike[str] | np.ndarray

Substance = Literal["water", "ice", "nanoice", "paratone", "air", "helium"]
Gas = Literal["vacuum", "air", "helium"]
StopShape = Literal["disc", "square"]
_SUBSTANCE, _GAS, _STOP_SHAPE = choice(*get_args(Substance)), choice(*get_args(Gas)), choice(*get_args(StopShape))


@dataclass(frozen=True, eq=False)
class Material:
    """An amorphous material in the beam, by name or with a profile of its own."""

    name: Substance | None = row(_SUBSTANCE, "what it is; instead of a profile")
    profile: PathOrArray | None = row(
        FILE_OR_ARRAY,
        "structure factors, electrons per molecule, against sin θ/λ, 1/Å",
        more="Lines of two numbers; as an array: (n, 2). With a density and a molecular weight.",
    )
    thickness: float | None = row(NOT_NEGATIVE, "thickness along the beam; must be said", unit="mm")
    density: float | None = row(POSITIVE, "density", unit="g/cm³", unset="that of the name")
    molecular_weight: float | None = row(POSITIVE, "molecular weight", unit="g/mol", unset="that of the name")


def material_of_words(name: str, thickness: float) -> Material:
    """A material as a command line has it: a name or a file, and a thickness."""
    known = next((each for each in get_args(Substance) if each == name), None)
    return Material(name=known, profile=None if known else name, thickness=thickness)


class Around(Record):
    """What is around the crystal: amorphous materials, the way to the detector, and what stands in it."""

    materials: tuple[Material, ...] | None = row(
        list_of(Material), "amorphous materials in the beam", option="-around", unset="none"
    )
    flight_path: Gas = row(
        _GAS, "what is between sample and detector, and attenuates", default="vacuum", option="-flight_path"
    )
    flight_start: float = row(
        NOT_NEGATIVE, "where it begins, from the sample", default=0.0, unit="mm", option="-flight_start"
    )
    beamstop: float | None = row(
        POSITIVE, "diameter of a disc, or edge of a square, that stops the beam", unit="mm", option="-beamstop"
    )
    beamstop_shape: StopShape = row(_STOP_SHAPE, "its shape", default="disc", option="-beamstop_shape")
    beamstop_distance: float = row(
        POSITIVE, "its distance from the sample", default=30.0, unit="mm", option="-beamstop_distance"
    )
    beamstop_penumbra: float | None = row(
        NOT_NEGATIVE,
        "width of its shadow's edge, at the beamstop",
        unit="mm",
        option="-beamstop_penumbra",
        unset="as the beam's size makes it",
    )
    shadow: PathOrArray | None = row(
        FILE_OR_ARRAY,
        "image of what reaches the detector, 0 to 1",
        option="-shadow",
        more="As an array: of the image's shape.",
    )


class Scatterer:
    """A material in the beam: plain numbers."""

    def __init__(self, label: str, stol: NDArray[np.float64], amplitude: NDArray[np.float64], molecules: float) -> None:
        self.label = label
        self.stol = stol
        """1/m, rising."""
        self.amplitude = amplitude
        """Electrons per molecule."""
        self.molecules = molecules
        """In the beam."""


class BeamStop(Record):
    """A disc or square in the way of the rays, its middle on the beam."""

    half: float
    """m: radius, or half an edge."""
    square: bool
    distance: float
    """m along the beam."""
    penumbra: float
    """m at the stop: what is covered by half its light or less becomes free within this width."""


class Surroundings(Record):
    """An :class:`Around` made explicit: plain numbers in SI units, and maps as one array for each panel."""

    scatterers: tuple[Scatterer, ...]
    fluence: float
    """photons/m²"""
    beam: tuple[float, float, float]
    """Unit vector of travel."""
    attenuation: float
    """1/m, of the gas between sample and detector."""
    start: float
    """m: where the gas begins."""
    stop: BeamStop | None
    shadow: tuple[NDArray[np.float32], ...] | None


document(Material, Around)
