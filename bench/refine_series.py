"""Refinement of detectors from series of stills, and of mosaic spread and wavelength: errors beside their standard
deviations, over realisations of orientations and noise.

    python bench/refine_series.py                   # 20 realisations of both
    python bench/refine_series.py detector 3        # three of the detector, from the first on

It prints, for each: chi-squared a parameter (1 where standard deviations are right), the largest error in standard
deviations, the largest errors in units, and the time; the way there is in ``nanobragg_bench/series.py`` and
``spread.py``.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))

from nanobragg_bench.series import detector_refined
from nanobragg_bench.spread import spread_refined

KINDS = {
    "detector": (detector_refined, {"in_plane": "mm in the plane", "tilt": "degrees of tilt"}),
    "spread": (spread_refined, {"spread": "of the mosaic spread, a part", "centroid": "eV of the centroid"}),
}


def measure(kind: str, realisations: int) -> None:
    """Print the figures of one kind."""
    work, units = KINDS[kind]
    found = []
    for seed in range(realisations):
        found.append(work(seed))
        one = found[-1]
        errors = ", ".join(f"{one[name]:.2g} {unit}" for name, unit in units.items())
        print(f"{kind} {seed}: {errors}; {one['seconds']:.2f} s ({one['processor']:.2f} s of processors)", flush=True)
    squares = np.array([one["squares"] for one in found])
    print(f"{kind}: {realisations} realisations of {squares.shape[1]} parameters")
    print(f"  chi-squared a parameter {squares.mean():.2f}, largest error {np.sqrt(squares.max()):.1f} sigma")
    if "own" in found[0]:
        own = np.concatenate([one["own"] for one in found])
        print(f"  with covariances {np.mean([one['together'] for one in found]):.2f}")
        print(f"  of each shot's numbers {own.mean():.2f}, largest error {np.sqrt(own.max()):.1f} sigma")
    for name, unit in units.items():
        print(f"  at most {max(one[name] for one in found):.2g} {unit}")
    clock, processors = ([one[name] for one in found] for name in ("seconds", "processor"))
    print(
        f"  {max(one['jacobians'] for one in found)} Jacobians at most; {np.median(clock):.2f} s in the median, "
        f"{max(clock):.2f} s at most; {np.median(processors):.2f} s of processors"
    )


def main(words: list[str]) -> int:
    """Both kinds, or the one that is said, so many realisations."""
    kinds = [word for word in words if word in KINDS] or list(KINDS)
    numbers = [int(word) for word in words if word.isdigit()] or [20]
    for kind in kinds:
        measure(kind, numbers[0])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
