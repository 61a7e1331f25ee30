"""Numbers that say how alike two images are."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nanobragg.parity.bar import excess

if TYPE_CHECKING:
    from numpy.typing import NDArray

_NEGLIGIBLE = 1e-9
"""fraction of the largest pixel below which relative differences mean nothing"""


@dataclass(frozen=True, kw_only=True)
class Metrics:
    """Image against reference; non-finite pixels count in ``outside`` alone."""

    pixels: int
    correlation: float
    """Pearson's"""
    sum_ratio: float
    """image/reference"""
    rmse: float
    max_absolute: float
    max_relative: float
    """over pixels above 1e-9 of the reference's largest"""
    outside: int
    """pixels outside the parity bar"""
    worst: tuple[int, int]
    """(slow, fast) of the pixel that is furthest outside, or nearest to being so"""
    worst_values: tuple[float, float]
    """the reference and the image at that pixel"""
    peaks: int
    """strongest peaks of the reference"""
    peaks_matched: int
    mean_shift: float
    """pixels, of the peaks matched"""
    max_shift: float


def measure(
    image: NDArray[np.float32],
    reference: NDArray[np.float32],
    *,
    precision: str = "double",
    peaks: int = 20,
    origin: tuple[int, int] = (0, 0),
) -> Metrics:
    """Compare ``image`` with ``reference``, both (slow, fast).

    Args:
        image: what is judged.
        reference: what it is held against.
        precision: ``double`` or ``mixed``: which parity bar.
        peaks: number of strongest peaks to find again.
        origin: (slow, fast) of the first pixel in the whole image.

    """
    got, expected = image.astype(np.float64), reference.astype(np.float64)
    both = np.isfinite(got) & np.isfinite(expected)
    difference = np.where(both, got - np.where(both, expected, 0.0), 0.0)
    size = np.where(both, np.abs(expected), 0.0)
    difference[~both] = 0.0
    beyond = excess(image, reference, precision)
    slow, fast = (int(i) for i in np.unravel_index(int(np.argmax(beyond)), beyond.shape))
    counted = size > _NEGLIGIBLE * float(size.max(initial=0.0))
    shifts = peak_shifts(image, reference, peaks)
    return Metrics(
        pixels=int(image.size),
        correlation=correlation(got[both], expected[both]),
        sum_ratio=_ratio(float(got[both].sum()), float(expected[both].sum())),
        rmse=math.sqrt(float(np.mean(np.square(difference[both])))) if both.any() else 0.0,
        max_absolute=float(np.abs(difference).max(initial=0.0)),
        max_relative=float((np.abs(difference[counted]) / size[counted]).max(initial=0.0)),
        outside=int(np.count_nonzero(beyond > 1.0)),
        worst=(slow + origin[0], fast + origin[1]),
        worst_values=(float(expected[slow, fast]), float(got[slow, fast])),
        peaks=shifts[0],
        peaks_matched=len(shifts[1]),
        mean_shift=float(np.mean(shifts[1])) if shifts[1] else 0.0,
        max_shift=max(shifts[1], default=0.0),
    )


def _ratio(a: float, b: float) -> float:
    if b != 0.0:
        return a / b
    return 1.0 if a == 0.0 else math.inf


def correlation(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Pearson's correlation of two lists; of flat ones 1 when both are, else 0."""
    if a.size == 0:
        return 1.0
    x, y = a - a.mean(), b - b.mean()
    # Scaled, so that squares of very large or small numbers stay finite.
    largest_x, largest_y = float(np.abs(x).max()), float(np.abs(y).max())
    if largest_x == 0.0 or largest_y == 0.0:
        return 1.0 if largest_x == largest_y else 0.0
    x, y = x / largest_x, y / largest_y
    return float(np.dot(x, y) / math.sqrt(float(np.dot(x, x)) * float(np.dot(y, y))))


def find_peaks(image: NDArray[np.float32]) -> NDArray[np.float64]:
    """Local maxima, strongest first: (n, 3) rows of centroid (slow, fast; pixels) and height.

    A maximum is not below any of its eight neighbours and above those before it in reading order, so that a plateau
    counts once; its centroid is that of the 3 x 3 pixels above their lowest.
    """
    values = np.where(np.isfinite(image), image, -np.inf).astype(np.float64)
    if min(values.shape) < 3:
        return np.empty((0, 3))
    middle = values[1:-1, 1:-1]
    is_peak = np.isfinite(middle)
    around = []
    for ds in (-1, 0, 1):
        for df in (-1, 0, 1):
            neighbour = values[1 + ds : values.shape[0] - 1 + ds, 1 + df : values.shape[1] - 1 + df]
            around.append((ds, df, neighbour))
            if (ds, df) < (0, 0):
                is_peak &= middle > neighbour
            elif (ds, df) > (0, 0):
                is_peak &= middle >= neighbour
    slow, fast = np.nonzero(is_peak)
    box = np.stack([neighbour[slow, fast] for _, _, neighbour in around])
    weights = np.where(np.isfinite(box), box - np.where(np.isfinite(box), box, np.inf).min(axis=0), 0.0)
    total = np.where(weights.sum(axis=0) > 0.0, weights.sum(axis=0), 1.0)
    shift_slow = sum(ds * w for (ds, _, _), w in zip(around, weights, strict=True)) / total
    shift_fast = sum(df * w for (_, df, _), w in zip(around, weights, strict=True)) / total
    heights = middle[slow, fast]
    order = np.argsort(-heights, kind="stable")
    return np.stack([slow + 1 + shift_slow, fast + 1 + shift_fast, heights], axis=1)[order]


def peak_shifts(image: NDArray[np.float32], reference: NDArray[np.float32], count: int) -> tuple[int, list[float]]:
    """How far the ``count`` strongest peaks of ``reference`` lie from peaks of ``image``.

    Matched one to one, nearest pairs first, with those peaks of ``image`` that are at least half as high as the
    weakest sought. Gives the number sought and the shifts (pixels) of those found.
    """
    sought = find_peaks(reference)[:count]
    if len(sought) == 0:
        return 0, []
    found = find_peaks(image)
    found = found[found[:, 2] >= 0.5 * sought[-1, 2]]
    if len(found) == 0:
        return len(sought), []
    distance = np.hypot(sought[:, None, 0] - found[None, :, 0], sought[:, None, 1] - found[None, :, 1])
    shifts: list[float] = []
    for _ in range(min(len(sought), len(found))):
        i, j = np.unravel_index(int(np.argmin(distance)), distance.shape)
        shifts.append(float(distance[i, j]))
        distance[i, :] = np.inf
        distance[:, j] = np.inf
    return len(sought), shifts
