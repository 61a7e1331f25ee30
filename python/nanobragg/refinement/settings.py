"""What is said of a refinement besides its parameters: rows, as of all records (``specs/refinement.md``)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from nanobragg.errors import InputError
from nanobragg.records.fields import checked, row
from nanobragg.records.kinds import (
    COUNT,
    FILE_OR_ARRAY,
    INPUT_FILE,
    NATURAL,
    NOT_NEGATIVE,
    NUMBER,
    POSITIVE,
    Kind,
    Mismatch,
    choice,
    limited,
    one_or_several,
)
from nanobragg.records.record import Record
from nanobragg.refinement.background import KINDS
from nanobragg.refinement.likelihood import LIKELIHOODS, LOSSES
from nanobragg.refinement.variables import Known

OF_SHOTS = ("mask", "spots", "spots_image")
"""Settings that may be lists, one for each shot."""


def _mask(value: Any) -> Any:
    """A mask, or a tuple of some: an array is one of them, in lists of numbers too."""
    several = isinstance(value, (list, tuple)) and any(isinstance(one, (str, np.ndarray)) for one in value)
    return tuple(FILE_OR_ARRAY.read(one) for one in value) if several else FILE_OR_ARRAY.read(value)


def _by_name(value: Any) -> dict[str, Any]:
    """Values by names; tables of a TOML file are parts of names."""
    if not isinstance(value, Mapping) or not all(isinstance(name, str) for name in value):
        raise Mismatch
    found: dict[str, Any] = {}
    for name, known in value.items():
        inner = {f"{name}.{rest}": each for rest, each in _by_name(known).items()} if isinstance(known, Mapping) else {}
        found |= inner or {name: known}
    return found


_MASKS = Kind(
    expected="the name of a file or an array, or one for each shot",
    read=_mask,
    schema={},
    file="input",
    argument="FILE",
    in_toml=one_or_several("the name of a file, or of one for each shot", INPUT_FILE),
)
_PRIORS = Kind(expected="a standard deviation, or a value and one, by name", read=_by_name, schema={"type": "object"})
_BOUNDS = Kind(expected="the lowest and the highest value by name", read=_by_name, schema={"type": "object"})


class Settings(Record):
    """How an experiment is refined."""

    pixels: str = row(
        choice("all", "shoeboxes"),
        "what is compared: whole panels, or shoeboxes around predicted reflections",
        default="all",
    )
    shoebox: int | None = row(
        COUNT,
        "half width of shoeboxes; around boxes of spots 3",
        unit="pixels",
        unset="5, or more where spots are larger",
    )
    background: str = row(choice(*KINDS), "background of each panel or shoebox, or of the image", default="constant")
    likelihood: str = row(choice(*LIKELIHOODS), "of photons", default="poisson")
    loss: str = row(choice("none", *LOSSES), "what large misfits count", default="none", unset="none: all")
    mask: Any = row(_MASKS, "image whose pixels of 0 are left out")
    spots: Any = row(
        one_or_several("the name of a .refl file, or of one for each shot", INPUT_FILE, "FILE"),
        "the strong spots of DIALS are what is compared, with what is around them",
    )
    spots_image: Any = row(
        one_or_several("a whole number, 0 or more, or one for each shot", NATURAL, "N"),
        "whose spots: experiment or frame of the .refl file",
        unset="it has one, or each shot its own",
    )
    bounds: Mapping[str, tuple[float, float]] | None = row(_BOUNDS, "lowest and highest values by name")
    priors: Mapping[str, Known] | None = row(_PRIORS, "what is known before, by name")
    outliers: float | None = row(
        limited("a number of 1 or more", 1.0), "leave pixels out that are so many median deviations away", unset="none"
    )
    gain: float | None = row(POSITIVE, "of a photon", unit="ADU", unset="the experiment's, or 1")
    offset: float | None = row(NUMBER, "of every pixel", unit="ADU", unset="the experiment's, or 0")
    readout: float | None = row(NOT_NEGATIVE, "rms of the read-out noise", unit="ADU", unset="the experiment's, or 0")
    saturation: float | None = row(
        NUMBER, "raw pixels from there on are left out", unit="ADU", unset="the experiment's, or none"
    )
    search: float = row(
        limited("a number from 0 to 180", 0.0, 180.0),
        "within which the orientation is looked for",
        unit="degrees",
        default=0.0,
    )
    steps: int = row(COUNT, "how many at most, for each stage", default=50)
    threads: int = row(NATURAL, "0 for all processors", default=0)

    def of_shot(self, number: int, shots: int) -> Settings:
        """Those of one of many shots. Raises :class:`InputError` for lists of another length."""
        own = {}
        for name in OF_SHOTS:
            said = getattr(self, name)
            if isinstance(said, tuple):
                if len(said) != shots:
                    raise InputError(
                        f"{name}: found {len(said)}, expected one for all shots, or one for each of {shots}"
                    )
                own[name] = said[number]
        if shots > 1 and self.spots_image is None and isinstance(self.spots, (str, os.PathLike)):
            own["spots_image"] = number
        return replace(self, **own) if own else self


def settings_of(who: str, how: Mapping[str, Any]) -> Settings:
    """Settings of what ``who`` was given. Raises :class:`InputError` for one that there is not, or of another kind."""
    unknown = sorted(set(how) - set(Settings.__dataclass_fields__))
    if unknown:
        raise InputError(f"{who}: found {unknown[0]}, expected one of {', '.join(Settings.__dataclass_fields__)}")
    return checked(Settings, Settings(**how))
