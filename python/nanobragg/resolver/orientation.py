"""Orientations of the crystal: misset, phi steps and mosaic domains (``specs/physics.md``, ``specs/random.md``)."""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from nanobragg import _core
from nanobragg.errors import InputError
from nanobragg.maths.vectors import DEGREES, Vec, rotate_axis

if TYPE_CHECKING:
    from nanobragg.records.experiment import Crystal
    from nanobragg.resolver.crystal import Lattice

MOST_ORIENTATIONS = 50_000_000


def _uniform_rotation(table: _core.RandomTable, stream: _core.Stream) -> np.ndarray:
    """A rotation matrix, uniform over all rotations (Shoemake 1992: a uniform unit quaternion)."""
    u, v, w = (float(table.uniform(stream)) for _ in range(3))
    x = math.sqrt(1.0 - u) * math.sin(2.0 * math.pi * v)
    y = math.sqrt(1.0 - u) * math.cos(2.0 * math.pi * v)
    z = math.sqrt(u) * math.sin(2.0 * math.pi * w)
    r = math.sqrt(u) * math.cos(2.0 * math.pi * w)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * r), 2 * (x * z + y * r)],
            [2 * (x * y + z * r), 1 - 2 * (x * x + z * z), 2 * (y * z - x * r)],
            [2 * (x * z - y * r), 2 * (y * z + x * r), 1 - 2 * (x * x + y * y)],
        ]
    )


def _another_seed() -> int:
    """Not the clock's: two shots of one second would be the same."""
    return 1 + int.from_bytes(os.urandom(4), "little") % 2**30


def misset_of(crystal: Crystal, table: _core.RandomTable, quirks: frozenset[str]) -> tuple[Vec | None, bool]:
    """Missetting angles (radians), and whether they were drawn."""
    said = crystal.misset
    if said is None:
        return None, False
    if isinstance(said, str):
        if said != "random":
            raise InputError(f"-misset: found {said!r}, expected three angles (degrees) or random")
        seed = _another_seed() if crystal.misset_seed is None else crystal.misset_seed
        stream = _core.Stream(seed)
        if "random_misset_units" in quirks:
            matrix = _core.random_rotation(90.0, stream, table)
        else:
            matrix = _uniform_rotation(table, stream)
        x, y, z = _core.rotation_angles(matrix)
        return (x, y, z), True
    if len(said) != 3 or not all(math.isfinite(v) for v in said):
        raise InputError(f"-misset: found {said!r}, expected three finite angles (degrees) or random")
    return (said[0] / DEGREES, said[1] / DEGREES, said[2] / DEGREES), False


class PhiSteps(NamedTuple):
    """Cells (steps, 3, 3) of the phi steps: in general, and in the very first sweep of the run."""

    general: np.ndarray
    first: np.ndarray | None
    stale: bool
    """the quirk stale_phi_zero changed an orientation"""


def phi_cells(cell: np.ndarray, spindle: Vec, phi0: float, step: float, count: int, stale: bool) -> PhiSteps:
    """Rotate the cell (rows a, b, c) to each phi step.

    With ``stale`` (quirk stale_phi_zero) a phi of exactly 0 keeps what the step evaluated before it left: the step
    before, or, at the start of a sweep, the last step of the sweep before.
    """
    rows = [tuple(row) for row in cell.tolist()]
    turned: list[np.ndarray | None] = []
    for tic in range(count):
        phi = phi0 + step * tic
        turned.append(None if phi == 0.0 else np.array([rotate_axis(row, spindle, phi) for row in rows]))
    true = np.array([cell if t is None else t for t in turned])
    if not stale or all(t is not None for t in turned):
        return PhiSteps(true, None, False)

    def sweep_from(state: np.ndarray) -> np.ndarray:
        out = []
        for t in turned:
            state = state if t is None else t
            out.append(state)
        return np.array(out)

    first = sweep_from(cell)
    general = sweep_from(first[-1])
    differs = not np.array_equal(first, general)
    return PhiSteps(general, first if differs else None, not np.array_equal(general, true))


def with_domains(cells: np.ndarray, domains: np.ndarray) -> np.ndarray:
    """Every cell (n, 3, 3) turned by every domain (m, 3, 3): (n·m, 3, 3), domains innermost."""
    out = np.einsum("mij,nkj->nmki", domains, cells)
    return np.ascontiguousarray(out.reshape(-1, 3, 3))


def domains_of(spread: float, count: int, seed: int | None, table: _core.RandomTable) -> np.ndarray:
    """Mosaic rotations (count, 3, 3), the first of them the identity.

    The numbers are drawn without a spread, too: a later negative noise seed goes on from the table they leave.
    """
    stream = _core.Stream(12345678 if seed is None else seed)
    matrices = np.asarray(_core.mosaic_rotations(spread, count, stream, table)).reshape(count, 3, 3)
    return matrices if spread > 0.0 else np.broadcast_to(np.eye(3), (count, 3, 3))


def direct_cell(lattice: Lattice) -> np.ndarray:
    """Rows a, b, c in metres."""
    return np.array([lattice.a, lattice.b, lattice.c]) * 1e-10
