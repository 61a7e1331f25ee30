"""Cell, orientation and size of the crystal (``specs/geometry.md``, "Crystal")."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from nanobragg.errors import InputError
from nanobragg.maths.constants import DEGREES
from nanobragg.maths.duals import cos, isfinite, number, plain, sin, sqrt
from nanobragg.maths.vectors import Vec, cross, dot, norm, rescale, rotate, scale

if TYPE_CHECKING:
    from nanobragg.records.experiment import Crystal


class Cell(NamedTuple):
    """A direct cell as said: lengths in Å, angles in radians."""

    lengths: Vec
    angles: Vec
    volume: float


_LEAST_LENGTH, _LARGEST_LENGTH = 1e-30, 1e30
"""Å; products of what is beyond overflow"""


class Lattice(NamedTuple):
    """The crystal at phi = 0: direct vectors in Å, reciprocal ones in 1/Å."""

    a: Vec
    b: Vec
    c: Vec
    a_star: Vec
    b_star: Vec
    c_star: Vec
    volume: float


def cell_of(values: Sequence[float]) -> Cell:
    """The cell, with the defaults for what is missing or not positive.

    Raises :class:`InputError` for a cell that cannot exist.
    """
    said = [number(v) for v in values]
    text = " ".join(f"{v:g}" for v in said)
    said += [0.0] * (6 - len(said))
    a = said[0]
    lengths = (a, said[1] if said[1] > 0.0 else a, said[2] if said[2] > 0.0 else a)
    right = math.pi / 2
    alpha, beta, gamma = (v / DEGREES if v > 0.0 else right for v in said[3:])
    half = (alpha + beta + gamma) / 2
    skew = sin(half) * sin(half - alpha) * sin(half - beta) * sin(half - gamma)
    possible = a > 0.0 and all(0.0 < v < math.pi for v in (alpha, beta, gamma))
    # A skew below this is what rounding leaves of none.
    if not possible or not skew > 1e-14:
        raise InputError(f"-cell: found {text!r}, which has no volume, expected a possible unit cell (Å, degrees)")
    volume = 2.0 * lengths[0] * lengths[1] * lengths[2] * sqrt(skew)
    if not (min(lengths) > _LEAST_LENGTH and max(lengths) < _LARGEST_LENGTH):
        raise InputError(
            f"-cell: found {text!r}, expected lengths between {_LEAST_LENGTH:g} and {_LARGEST_LENGTH:g} (Å, degrees)"
        )
    return Cell(lengths, (alpha, beta, gamma), volume)


def _clamp(x: float) -> float:
    return max(-1.0, min(1.0, x))


def _cosine(x: float) -> float:
    # The original's choice for a cosine out of range is +1, whatever its sign.
    return 1.0 if x * x > 1.0 else x


_ALIKE = 1e-9
"""Up to which two sines of gamma are one."""


def reciprocal_of(cell: Cell, quirks: frozenset[str]) -> tuple[Vec, Vec, Vec]:
    """a*, b*, c* (1/Å) in the default orientation: a* along x, b* in the xy plane."""
    a, b, c = cell.lengths
    alpha, beta, gamma = cell.angles
    inverse = 1.0 / cell.volume
    length_a = b * c * sin(alpha) * inverse
    length_b = c * a * sin(beta) * inverse
    length_c = a * b * sin(gamma) * inverse
    sin_gamma = _clamp(c * inverse / length_a / length_b)
    cos_alpha = (cos(beta) * cos(gamma) - cos(alpha)) / (sin(beta) * sin(gamma))
    cos_beta = (cos(gamma) * cos(alpha) - cos(beta)) / (sin(gamma) * sin(alpha))
    cos_gamma = (cos(alpha) * cos(beta) - cos(gamma)) / (sin(alpha) * sin(beta))
    cos_alpha, cos_beta, cos_gamma = _cosine(cos_alpha), _cosine(cos_beta), _cosine(cos_gamma)
    # c* . c = 1 with c along z: with the sine of gamma the z component is 1/c. Where the two agree but for rounding,
    # there is no quirk, and images without it are those with it to the last bit.
    sine = sin(gamma)
    if "cell_angles" in quirks or abs(sin_gamma - sine) < _ALIKE:
        sine = sin_gamma
    return (
        (length_a, 0.0, 0.0),
        (length_b * cos_gamma, length_b * sin_gamma, 0.0),
        (
            length_c * cos_beta,
            length_c * (cos_alpha - cos_beta * cos_gamma) / sin_gamma,
            length_c * cell.volume / (a * b * c * sine),
        ),
    )


def changes_angles(cell: Cell) -> bool:
    """Whether the quirk cell_angles matters to a cell (:func:`reciprocal_of`); how it changes does not."""
    a, b, c, alpha, beta, gamma = (plain(x) for x in (*cell.lengths, *cell.angles))
    sin_gamma = _clamp(plain(cell.volume) / (a * b * c * sin(alpha) * sin(beta)))
    return not abs(sin_gamma - sin(gamma)) < _ALIKE


def lattice_of(
    cell: Cell | None,
    matrix: Sequence[Sequence[float]] | None,
    wavelength: float,
    misset: Vec | None,
    quirks: frozenset[str],
) -> Lattice:
    """The lattice at phi = 0.

    Args:
        cell: forces the lengths of the direct cell.
        matrix: three rows with columns a*, b*, c*, in units of 1/wavelength; stronger than the cell's orientation.
        wavelength: m.
        misset: radians about lab x, y, z.
        quirks: those that are kept.

    """
    a_star, b_star, c_star = _reciprocal_axes(cell, matrix, wavelength, quirks)
    if misset is not None:
        a_star, b_star, c_star = (rotate(v, *misset) for v in (a_star, b_star, c_star))
    ab, bc, ca = cross(a_star, b_star), cross(b_star, c_star), cross(c_star, a_star)
    reciprocal_volume = dot(a_star, bc)
    if reciprocal_volume == 0.0 or not isfinite(reciprocal_volume):
        raise InputError("-mat: found a matrix whose vectors span no volume, expected three independent vectors")
    if cell is not None:
        bc = rescale(bc, cell.lengths[0] / cell.volume)
        ca = rescale(ca, cell.lengths[1] / cell.volume)
        ab = rescale(ab, cell.lengths[2] / cell.volume)
        reciprocal_volume = 1.0 / cell.volume
    volume = 1.0 / reciprocal_volume
    a, b, c = scale(volume, bc), scale(volume, ca), scale(volume, ab)
    return Lattice(
        a,
        b,
        c,
        scale(reciprocal_volume, cross(b, c)),
        scale(reciprocal_volume, cross(c, a)),
        scale(reciprocal_volume, cross(a, b)),
        volume,
    )


def turned(lattice: Lattice, rotation: np.ndarray | None) -> Lattice:
    """The lattice after a rotation (3, 3); ``None``: none."""
    if rotation is None:
        return lattice
    a, b, c, a_star, b_star, c_star = (rotation @ np.array(vector) for vector in lattice[:6])
    return Lattice(*(tuple(v.tolist()) for v in (a, b, c, a_star, b_star, c_star)), lattice.volume)  # type: ignore


def _reciprocal_axes(
    cell: Cell | None, matrix: Sequence[Sequence[float]] | None, wavelength: float, quirks: frozenset[str]
) -> tuple[Vec, Vec, Vec]:
    """a*, b*, c* (1/Å) before any misset."""
    if matrix is not None:
        unwave = 1e-10 / wavelength
        a, b, c = (scale(unwave, (matrix[0][i], matrix[1][i], matrix[2][i])) for i in range(3))
        return a, b, c
    if cell is not None:
        return reciprocal_of(cell, quirks)
    raise InputError("-cell or -mat: found neither, expected the crystal's unit cell or orientation matrix")


def cell_constants(a: Vec, b: Vec, c: Vec) -> tuple[float, float, float, float, float, float]:
    """Lengths (unit of the vectors) and angles (degrees) of three vectors."""

    def angle(u: Vec, v: Vec) -> float:
        return math.atan2(norm(cross(u, v)), dot(u, v)) * DEGREES

    return (norm(a), norm(b), norm(c), angle(b, c), angle(a, c), angle(a, b))


def cells_of(crystal: Crystal) -> Vec:
    """Na, Nb, Nc as said."""
    said = crystal.cells
    if isinstance(said, (int, float)):
        return (said, said, said)
    return said


def sizes_of(crystal: Crystal) -> Vec:
    """Sample sizes along x, y, z (m); 0: not said."""
    said = crystal.size
    if said is None:
        return (0.0, 0.0, 0.0)
    values = (said, said, said) if isinstance(said, (int, float)) else said
    x, y, z = (0.0 if v is None else v / 1000 for v in values)
    return (x, y, z)


def crystal_cells(cells: Vec, sizes: Vec, beam_size: float, lengths: Vec) -> tuple[Vec, tuple[str, ...]]:
    """Unit cells along each axis, from the size (m) where one is said; at least 1. And what was clipped.

    ``lengths``: |a|, |b|, |c| in m; ``beam_size``: m, clips y and z unless negative.
    """
    clipped, warnings = list(sizes), []
    if beam_size >= 0:
        for i, word in ((1, "high"), (2, "wide")):
            if beam_size < clipped[i]:
                warnings.append(f"clipping sample ({clipped[i]:g} m {word}) with beam ({beam_size:g} m)")
                clipped[i] = beam_size
    out = []
    for n, size, length in zip(cells, clipped, lengths, strict=True):
        if size > 0 and not size / length < 1e9:
            raise InputError(f"-xtalsize: found {size * 1000:g} mm, expected below 1e9 unit cells")
        count = float(math.ceil(size / length)) if size > 0 else float(n)
        out.append(count if count > 1.0 else 1.0)
    return (out[0], out[1], out[2]), tuple(warnings)


def cells_off_diagonal(crystal: Crystal, cells: Vec) -> tuple[Vec, tuple[str, ...]]:
    """N_ab, N_bc, N_ac of the shape that has them, else 0; and a sentence where they are said in vain.

    Raises :class:`InputError` where N, with ``cells`` on its diagonal, is not positive definite.
    """
    said = crystal.cells_off_diagonal or (0.0, 0.0, 0.0)
    if crystal.shape != "gauss_index":
        warning = f"-Ndef is not used: crystals of shape {crystal.shape} have none (-gauss_index has)"
        return (0.0, 0.0, 0.0), (warning,) if any(said) else ()
    ab, bc, ac = said
    matrix = np.diag(cells) + np.array([[0.0, ab, ac], [ab, 0.0, bc], [ac, bc, 0.0]])
    if not np.linalg.eigvalsh(matrix)[0] > 0.0:
        found, diagonal = (" ".join(f"{n:g}" for n in numbers) for numbers in (said, cells))
        raise InputError(
            f"-Ndef: found {found} beside a diagonal of {diagonal}, expected less: N must be positive definite"
        )
    return said, ()
