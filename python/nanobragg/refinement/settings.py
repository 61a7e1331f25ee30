"""What is said of a refinement besides its parameters, checked."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nanobragg.errors import InputError
from nanobragg.refinement.background import KINDS
from nanobragg.refinement.likelihood import LIKELIHOODS, LOSSES
from nanobragg.refinement.variables import Known

CHOICES = {
    "pixels": ("all", "shoeboxes"),
    "background": tuple(KINDS),
    "likelihood": tuple(LIKELIHOODS),
    "loss": ("none", *LOSSES),
}
"""What the settings that are words may be."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How an experiment is refined; :func:`nanobragg.refine` says what each is."""

    pixels: str = "all"
    shoebox: int | None = None
    background: str = "constant"
    mask: Any = None
    bounds: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    priors: Mapping[str, Known] = field(default_factory=dict)
    likelihood: str = "poisson"
    loss: str = "none"
    outliers: float | None = None
    gain: float | None = None
    offset: float | None = None
    readout: float | None = None
    saturation: float | None = None
    spots: Any = None
    spots_image: int | None = None
    search: float = 0.0
    steps: int = 50
    threads: int = 0

    def __post_init__(self) -> None:
        for name, choices in CHOICES.items():
            if getattr(self, name) not in choices:
                raise InputError(f"{name}: found {getattr(self, name)!r:.60}, expected {', '.join(choices)}")
        for name, least in (
            ("outliers", 1.0),
            ("readout", 0.0),
            ("search", 0.0),
            ("shoebox", 1),
            ("spots_image", 0),
            ("steps", 1),
        ):
            _number(name, getattr(self, name), least)
        positive("gain", self.gain)
        _number("offset", self.offset, -math.inf)
        _number("saturation", self.saturation, -math.inf)
        if self.spots is not None and not isinstance(self.spots, (str, os.PathLike)):
            raise InputError(f"spots: found {self.spots!r:.60}, expected the name of a .refl file")
        if self.search > 180.0:
            raise InputError(f"search: found {self.search:g}, expected at most 180 degrees")


def settings_of(who: str, how: Mapping[str, Any]) -> Settings:
    """Settings of what ``who`` was given. Raises :class:`InputError` for one that there is not."""
    unknown = sorted(set(how) - set(Settings.__dataclass_fields__))
    if unknown:
        raise InputError(f"{who}: found {unknown[0]}, expected one of {', '.join(Settings.__dataclass_fields__)}")
    return Settings(**how)


def positive(name: str, found: Any) -> None:
    """Raise :class:`InputError` for what is not ``None`` and no number above 0."""
    _number(name, found, 1e-300)


def _number(name: str, found: Any, least: float) -> None:
    if found is None:
        return
    if isinstance(found, bool) or not isinstance(found, (int, float)) or not (math.isfinite(found) and found >= least):
        smallest = "a finite number" if math.isinf(least) else f"a number from {least:g} on"
        raise InputError(f"{name}: found {found!r:.60}, expected {smallest if least != 1e-300 else 'one above 0'}")
