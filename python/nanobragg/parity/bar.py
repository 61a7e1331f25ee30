"""How near two float images must be (``specs/design.md``, "Precision and parity")."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

BARS = {"double": (1e-6, 1e-9), "mixed": (1e-5, 1e-7)}
"""By precision: fraction of the pixel, and of the largest finite pixel."""


def tolerance(reference: ArrayLike, precision: str = "double") -> NDArray[np.float64]:
    """The largest difference allowed at each pixel of ``reference`` (any shape); NaN where it is not finite."""
    relative, of_largest = BARS[precision]
    expected = np.asarray(reference, dtype=np.float64)
    finite = np.isfinite(expected)
    largest = float(np.abs(expected[finite]).max(initial=0.0))
    return np.where(finite, relative * np.abs(expected) + of_largest * largest, np.nan)


def excess(image: ArrayLike, reference: ArrayLike, precision: str = "double") -> NDArray[np.float64]:
    """Difference in units of the tolerance, at each pixel: above 1 is outside the bar.

    Non-finite pixels that agree in kind are at 0, those that do not at infinity.
    """
    got, expected = np.asarray(image, dtype=np.float64), np.asarray(reference, dtype=np.float64)
    allowed = tolerance(expected, precision)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        ratio = np.abs(got - expected) / allowed
    same = (got == expected) | (np.isnan(got) & np.isnan(expected))
    ratio = np.where(np.isfinite(got) & np.isfinite(expected), ratio, np.inf)
    return np.where(same, 0.0, ratio)


def outside(image: ArrayLike, reference: ArrayLike, precision: str = "double") -> NDArray[np.bool_]:
    """The pixels of ``image`` that are beyond the bar."""
    return excess(image, reference, precision) > 1.0
