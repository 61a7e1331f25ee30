"""What the stages of the resolver leave, each made of those before it."""

from __future__ import annotations

from functools import reduce
from operator import add
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from nanobragg.resolver.beam import Light
    from nanobragg.resolver.factors import Factors, Water
    from nanobragg.resolver.files import Said
    from nanobragg.resolver.geometry import PlacedDetector
    from nanobragg.resolver.log import Log
    from nanobragg.resolver.orientation import OrientedCrystal
    from nanobragg.resolver.oversampling import Oversampling
    from nanobragg.resolver.structure_factors import FactorGrid


class Stages(NamedTuple):
    """All of them, in their order."""

    said: Said
    detector: PlacedDetector
    light: Light
    crystal: OrientedCrystal
    oversampling: Oversampling
    grid: FactorGrid
    factors: Factors
    water: Water

    @property
    def samples(self) -> int:
        """Sources × orientations × subpixels: the divisor of a pixel's sum."""
        orientations = self.crystal.rotation.count * self.crystal.mosaic.count
        return len(self.light.sources.travel) * orientations * self.oversampling.number**2

    @property
    def log(self) -> Log:
        """What all of them have to say."""
        return reduce(add, (stage.log for stage in self))
