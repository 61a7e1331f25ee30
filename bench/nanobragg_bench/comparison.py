"""Our image against the original's, or against our reference renderer's."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nanobragg_bench.programs import ask_worker

if TYPE_CHECKING:
    import numpy as np

Roi = tuple[int, int, int, int]
MOST_LEFT_OUT = 500
"""more pixels than this outside the bar are not looked at: the images disagree"""


@dataclass(frozen=True)
class Agreement:
    """The outcome of a comparison."""

    compared_with: str
    """``original`` or ``reference renderer``"""
    pixels: int
    """compared"""
    outside: int
    """beyond the bar, and not left out"""
    left_out: int = 0
    """beyond the bar within rounding of a discontinuity"""

    @property
    def agrees(self) -> bool:
        """No pixel is outside."""
        return self.outside == 0


def _crop(path: Path, shape: tuple[int, int], roi: Roi) -> np.ndarray:
    import numpy as np

    x0, x1, y0, y1 = roi
    return np.fromfile(path, np.float32).reshape(shape)[y0 : y1 + 1, x0 : x1 + 1]


def compare(
    folder: Path,
    words: list[str],
    precision: str,
    ours: Path,
    theirs: Path,
    shape: tuple[int, int],
    roi: Roi,
    with_what: str,
    skip_first: bool,
    turn: int = 0,
) -> Agreement:
    """Compare two files of bare floats within ``roi``.

    Args:
        folder: where the input files of ``words`` are.
        words: the command line.
        precision: which bar.
        ours: the file of our image.
        theirs: the file of the other.
        shape: (slow, fast) of both.
        roi: fast first, fast last, slow first, slow last, inclusive.
        with_what: what ``theirs`` is.
        skip_first: leave out the first pixel of ``roi``, whose crystal was a stale one in the run that started there.
        turn: number of the orientation, as the worker turns the crystal.

    """
    import numpy as np

    from nanobragg.parity.bar import outside

    x0, _, y0, _ = roi
    bad = outside(_crop(ours, shape, roi), _crop(theirs, shape, roi), precision)
    if skip_first:
        bad[0, 0] = False
    places = [[int(y) + y0, int(x) + x0] for y, x in np.argwhere(bad)]
    left_out = 0
    if places and len(places) <= MOST_LEFT_OUT:
        left_out = sum(ask_worker(folder, "excuse", words=words, precision=precision, pixels=places, turn=turn))
    return Agreement(with_what, bad.size - int(skip_first), len(places) - left_out, left_out)


def smv_pixels(path: Path, pixels: int) -> np.ndarray:
    """The last so many pixels of a file: the original's header can be longer than it says."""
    import numpy as np

    return np.fromfile(path, np.uint16, offset=path.stat().st_size - 2 * pixels)


def integers_differ(ours: Path, theirs: Path, pixels: int) -> dict[str, Any]:
    """Number of pixels in which two SMV files differ, and by how much at most."""
    import numpy as np

    a, b = (smv_pixels(path, pixels).astype(np.int32) for path in (ours, theirs))
    difference = np.abs(a - b)
    return {"integer_pixels_differ": int((difference > 0).sum()), "integer_difference": int(difference.max(initial=0))}
