"""The arithmetic of one evaluation, counted by reading ``kernel_*.inl``, ``lattice.hpp`` and ``physics.hpp``.

A fused multiply-add is counted as two operations, and everything else that goes through a floating-point unit as one:
additions, products, comparisons and maxima, divisions, square roots. Sums of a product and another term are taken as
fused where the compiler may do so. Not counted: whole-number work, conversions, selections by mask, loads and stores;
and what is done once per pixel (rays, factors) or once for several wavelengths (stored indices).

The counts follow the kernels: whoever changes those, counts again.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Count:
    """Floating-point operations of one evaluation in one number type."""

    fused: int = 0
    """multiply-adds"""
    plain: int = 0
    """additions, products, comparisons, maxima"""
    divisions: int = 0
    roots: int = 0

    @property
    def flops(self) -> int:
        """Operations, multiply-adds as two."""
        return 2 * self.fused + self.plain + self.divisions + self.roots

    def __add__(self, other: Count) -> Count:
        return Count(
            self.fused + other.fused,
            self.plain + other.plain,
            self.divisions + other.divisions,
            self.roots + other.roots,
        )

    def __mul__(self, times: int) -> Count:
        return Count(self.fused * times, self.plain * times, self.divisions * times, self.roots * times)


# An index from 1/R and p/R, from 1/R and a number that grows by additions (loops with vectors), or from a stored one
# and the wavelength; three of them. In a fan there is none, but the cosine of a difference.
_INDICES = {"direct": Count(fused=2) * 3, "ramp": Count(fused=1, plain=1) * 3, "stored": Count(fused=1) * 3}
_DIFFERENCE = Count(fused=1, plain=1)

# Building blocks, double.
_OFFSETS = Count(plain=2 + 1) * 3  # the addition and subtraction of a large number; h - h0
_FRACTIONS = Count(plain=1) * 3  # the offset in loops with vectors
_SIN_PI = Count(fused=7, plain=2)
_COS_TWO_PI = Count(fused=1) + _SIN_PI
_MISS_SQUARED = Count(fused=5, plain=4)
_RADIUS_SQUARED = Count(fused=2, plain=5)
_EXP_NEGATIVE = Count(fused=1 + 2 + 11, plain=1 + 1 + 1 + 1 + 1)  # range, two-step remainder, polynomial, power of two
_SPHERE = Count(fused=9 + 14, plain=4 + 4 + 6, divisions=1)  # series, two sines, the formula
_INVERSE_ROOT = Count(fused=2, plain=2, roots=1)  # an estimate, and a step of Newton's method
_SQUARE = Count(plain=1)
_ADD = Count(fused=1)  # to the pixel's sum

# Building blocks, single.
_TURNS = Count(plain=1)  # a whole-number phase in turns
_SIN_PI_SINGLE = Count(fused=4, plain=2)
_COS_TWO_PI_SINGLE = Count(fused=1) + _SIN_PI_SINGLE


def _few_cells(cosine: Count, degree: int) -> Count:
    """Polynomials of that degree in the cosines of three axes (an odd number 2 degree + 1 of cells), squared."""
    return (cosine + Count(fused=degree)) * 3 * bool(degree) + Count(plain=2) + _SQUARE


KERNELS: dict[tuple[str, str], dict[str, Count]] = {
    # three clamps, three remainders of N d, six sines, products, one division, the square
    ("square", "double"): {
        "double": _FRACTIONS
        + Count(plain=1 + 1, fused=2) * 3
        + _SIN_PI * 6
        + Count(plain=4, divisions=1)
        + _SQUARE
        + _ADD
    },
    ("square", "mixed"): {"single": _TURNS * 6 + _SIN_PI_SINGLE * 6 + Count(plain=4, divisions=1) + _SQUARE + _ADD},
    # the square shape with 5 cells along each axis, and with 1: nothing but the product of constants and its square
    ("square 5", "double"): {"double": _FRACTIONS + _few_cells(_COS_TWO_PI, 2) + _ADD},
    ("square 5", "mixed"): {"single": _few_cells(_COS_TWO_PI_SINGLE, 2) + _ADD},
    ("square 5 fan", "double"): {"double": _few_cells(_DIFFERENCE, 2) + _ADD},
    ("square 5 fan", "mixed"): {"single": _few_cells(_DIFFERENCE, 2) + _ADD},
    ("square 1", "double"): {"double": _few_cells(_COS_TWO_PI, 0) + _ADD},
    ("square 1", "mixed"): {"single": _few_cells(_COS_TWO_PI_SINGLE, 0) + _ADD},
    ("round", "double"): {"double": _OFFSETS + _RADIUS_SQUARED + Count(roots=1) + _SPHERE + _SQUARE + _ADD},
    ("round", "mixed"): {
        # the radius squared, and what single precision misses of it
        "double": _FRACTIONS + _RADIUS_SQUARED + Count(plain=1),
        # bound, root and residual; series; reduction; sine and cosine; the formula
        "single": Count(plain=1)
        + _INVERSE_ROOT
        + Count(fused=1, plain=2)
        + Count(fused=4)
        + Count(fused=1, plain=5)
        + _SIN_PI_SINGLE
        + Count(fused=4, plain=1)
        + Count(fused=1, plain=4)
        + _SQUARE
        + _ADD,
    },
    ("gauss", "double"): {"double": _OFFSETS + _MISS_SQUARED + Count(plain=2, divisions=1) + _EXP_NEGATIVE + _ADD},
    ("gauss", "mixed"): {
        # scale, bound and whole part of the exponent
        "double": _FRACTIONS + _MISS_SQUARED + Count(plain=1 + 1 + 3),
        "single": Count(fused=6, plain=2) + _ADD,
    },
    ("tophat", "double"): {"double": _OFFSETS + _MISS_SQUARED + Count(plain=2) + _ADD},
    ("tophat", "mixed"): {"single": _TURNS * 3 + _MISS_SQUARED + Count(plain=2) + _ADD},
}
"""By shape and precision, from the indices on, with a constant F; by number type."""

# Scale, range, whole part, fraction, four weights and place along three axes; 64 points in 16 rows of 4; F squared.
_TRICUBIC = Count(plain=(1 + 5 + 4 + 1 + 15 + 2) * 3, fused=2) + Count(fused=16 * 3 + 4, plain=16 * 3) + _SQUARE
LOOKUPS: dict[tuple[str, str], dict[str, Count]] = {
    ("constant", "double"): {},
    ("constant", "mixed"): {},
    # ties, limits and place in the grid; F squared and its unit. Mixed does all but the unit in whole numbers.
    ("nearest", "double"): {"double": Count(plain=2) * 3 + Count(plain=3 + 6, fused=2) + Count(plain=2)},
    ("nearest", "mixed"): {"single": Count(plain=1)},
    ("tricubic", "double"): {"double": _TRICUBIC},
}
"""What the source of F adds, by source and precision."""


# Derivatives (``cpp/src/derivatives/slopes_*.inl``, ``lattice_slopes.hpp``), in either number type but for indices:
# sums of products, and fractions; along an axis the polynomials of d^2, the square, the products with them; of three
# axes, and the sums over orientations. A polynomial over its highest coefficient begins with an addition; in double
# those of the sixth, eighth and fourth degree have three, four and two multiply-adds, and four, five and three sums.
_SLOPE_INDICES = Count(fused=2, plain=1) * 3 + _FRACTIONS


_ALONG_AXIS = {
    "double": Count(fused=3 + 4, plain=4 + 5) + Count(plain=1 + 2 + 3) + Count(fused=1, plain=2),
    "single": Count(fused=3 + 4, plain=2) + Count(plain=1 + 2 + 2 + 3) + Count(fused=3),
}
# A gradient multiplies derivatives by what a pixel's term weighs, and adds those by the shape up at once.
_THREE_AXES = {
    "jacobian": Count(plain=4 + 3 + 1) + Count(plain=2, fused=1) * 3 + Count(plain=1 + 3),
    "gradient": Count(plain=5 + 3 + 2) + Count(plain=1, fused=2) * 3 + Count(plain=1),
}
_METRIC_VALUE = {
    ("jacobian", "double"): Count(plain=3 + 6 + 3) + Count(plain=1 + 6),
    ("jacobian", "mixed"): Count(plain=3 + 6 + 3) + Count(plain=1 + 6),
    ("gradient", "double"): Count(plain=1 + 3 + 3, fused=6) + Count(plain=1),
    ("gradient", "mixed"): Count(plain=3 + 6 + 3) + Count(plain=3, fused=6) + Count(plain=1),
}
SLOPES: dict[tuple[str, str], dict[str, Count]] = {
    ("square", "double"): {
        "double": _SLOPE_INDICES + _ALONG_AXIS["double"] * 3,
    },
    ("square", "mixed"): {
        "double": _SLOPE_INDICES,
        "single": _ALONG_AXIS["single"] * 3,
    },
    # the miss with its slopes, and the exponential
    ("gauss", "double"): {
        "double": _SLOPE_INDICES
        + Count(fused=2, plain=1) * 3
        + Count(fused=2, plain=1)
        + Count(fused=2 + 2 + 1, plain=2 + 2 + 3 + 3 + 1)
    },
    ("gauss", "mixed"): {
        "double": _SLOPE_INDICES,
        "single": Count(fused=5, plain=5 + 1) + Count(fused=6, plain=1 + 3 + 1 + 1) + Count(fused=3, plain=5 + 1),
    },
}
"""The bench's derivatives from q to what all axes share, with a constant F, for N = 5 of the square shape, by shape and
precision."""

SLOPE_SUMS = {
    ("gradient", "double"): Count(fused=12, plain=3),
    ("gradient", "mixed"): Count(fused=9 + 9),
    ("jacobian", "double"): Count(fused=9),
    ("jacobian", "mixed"): Count(fused=9),
}
"""What the sums of a gradient (along a row; by q, and by the orientation) and of columns that strain all orientations
add."""


def slope_operations(kind: str, shape: str, precision: str) -> dict[str, Count]:
    """Operations of one evaluation with its derivatives, by number type.

    Args:
        kind: ``gradient`` or ``jacobian``.
        shape: of :data:`nanobragg_bench.derivatives_step.SHAPES`.
        precision: ``double`` or ``mixed``.

    """
    shape = shape.removesuffix("_index")
    sums = "single" if precision == "mixed" else "double"
    last = SLOPE_SUMS[kind, precision] + (_THREE_AXES[kind] if shape == "square" else _METRIC_VALUE[kind, precision])
    return {number: count + (last if number == sums else Count()) for number, count in SLOPES[shape, precision].items()}


def operations(
    shape: str, lookup: str, precision: str, stored: bool = False, fan: bool = False
) -> dict[str, Count] | None:
    """Operations of one evaluation by number type (``double``, ``single``); ``None`` if they have not been counted.

    Args:
        shape: of the crystal; ``square N`` for N cells along each axis where that has a kernel of its own.
        lookup: where F comes from.
        precision: ``double`` or ``mixed``; interpolation is in double whatever it is.
        stored: several wavelengths share their indices.
        fan: beams of one wavelength share their cosines.

    """
    if lookup == "tricubic":
        precision = "double"
    kernel, extra = KERNELS.get((f"{shape} fan" if fan else shape, precision)), LOOKUPS.get((lookup, precision))
    if kernel is None or extra is None:
        return None
    by_hand = (
        precision == "mixed" or lookup == "constant"
        if shape.startswith("square")
        else (shape in ("round", "gauss") and precision == "mixed" and lookup == "constant")
    )
    indices = _INDICES["stored" if stored else "ramp" if by_hand else "direct"]
    if fan:
        indices = Count()
    elif lookup == "tricubic":  # stored, though they are used once
        indices = _INDICES["direct"] + _INDICES["stored"]
    return {
        kind: kernel.get(kind, Count()) + extra.get(kind, Count()) + (indices if kind == "double" else Count())
        for kind in {"double", *kernel, *extra}
    }
