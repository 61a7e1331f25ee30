"""Mosaic domains: how many, and how each of them is turned (``specs/physics.md``, ``specs/random.md``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from nanobragg import _core
from nanobragg.errors import InputError
from nanobragg.maths.constants import DEGREES

if TYPE_CHECKING:
    from nanobragg.records.experiment import Crystal

DEFAULT_SEED = 12345678


class Mosaic(NamedTuple):
    """The spread of the domains, and their number."""

    spread: float
    """radians"""
    count: int
    seed: int
    warnings: tuple[str, ...] = ()


def mosaic_of(crystal: Crystal) -> Mosaic:
    """Spread and number as said, each completed by the other (``specs/geometry.md``, "Step counts")."""
    said = -1.0 if crystal.mosaic_spread is None else crystal.mosaic_spread / DEGREES
    count = -1 if crystal.mosaic_domains is None else crystal.mosaic_domains
    seed = DEFAULT_SEED if crystal.mosaic_seed is None else crystal.mosaic_seed
    if count <= 0:
        if said <= 0.0:
            return Mosaic(0.0, 1, seed)
        return Mosaic(said, 10, seed, ("finite mosaicity with only one domain! upping to 10 mosaic domains",))
    if said < 0.0:
        return Mosaic(0.0, 1, seed, ("no mosaic spread specified.  setting mosaic_domains = 1",))
    if said == 0.0:
        return Mosaic(0.0, 1, seed, ("zero mosaic spread specified.  setting mosaic_domains = 1",))
    return Mosaic(said, count, seed)


def domains_of(mosaic: Mosaic, table: _core.RandomTable) -> np.ndarray:
    """Mosaic rotations (count, 3, 3), the first of them the identity.

    The numbers are drawn without a spread, too: a later negative noise seed goes on from the table they leave. Raises
    :class:`InputError` for a spread that overflows.
    """
    stream = _core.Stream(mosaic.seed)
    drawn = np.asarray(_core.mosaic_rotations(mosaic.spread, mosaic.count, stream, table)).reshape(-1, 3, 3)
    if not np.isfinite(drawn).all():
        raise InputError(f"-mosaic: found {mosaic.spread * DEGREES:g} degrees, expected an angle that turns a crystal")
    return drawn if mosaic.spread > 0.0 else np.broadcast_to(np.eye(3), drawn.shape)


def with_domains(cells: np.ndarray, domains: np.ndarray) -> np.ndarray:
    """Every cell (n, 3, 3) turned by every domain (m, 3, 3): (n·m, 3, 3), domains innermost."""
    out = np.einsum("mij,nkj->nmki", domains, cells)
    return np.ascontiguousarray(out.reshape(-1, 3, 3))
