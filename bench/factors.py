"""Structure factors from stills: 40 of 256 x 256 pixels, factors off by 20 % at the start, orientations by 0.05
degrees, scales by 2 or 1/2.

    python bench/factors.py [--seeds 3] [--shots 40] [--threads 0]

Prints, for each seed, R over the reflections seen three times, the part of them within three standard deviations,
chi-squared of a reflection and seconds, and says in its exit status whether R is at most 4 % and 95 % are within.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from nanobragg_bench.factor_shots import measured


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3, help="how many series (3)")
    parser.add_argument("--shots", type=int, default=40, help="stills of each (40)")
    parser.add_argument("--threads", type=int, default=0, help="0: all processors")
    options = parser.parse_args()
    good = True
    for seed in range(options.seeds):
        row = measured(seed, options.shots, options.threads)
        print(
            f"seed {seed}: {row['reflections']:.0f} reflections seen three times, R {100 * row['R']:.2f} % (start "
            f"{100 * row['R at the start']:.1f} %), {100 * row['within 3 sigma']:.1f} % within 3 sigma, chi-squared "
            f"{row['chi2']:.2f}, {row['seconds']:.1f} s, {row['processor']:.1f} s of processors",
            flush=True,
        )
        good &= row["R"] <= 0.04 and row["within 3 sigma"] >= 0.95 and row["converged"]
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
