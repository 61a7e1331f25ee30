"""``python tests/external/dials/shots.py``: how many shots of an ensemble `dials.stills_process` indexes, and how well.

Needs what ``recover.py`` does. Shots of 1ORC, of a crystal in any orientation before 1024 x 1024 pixels of a JUNGFRAU
with 20 wavelengths of SASE, are made by ``nanobragg ensemble`` and processed up to indexing, with known cell and group.
A shot is strong where the truth has enough reflections that stand out of the background. Prints how many shots were
indexed, and how many of these in the orientation that they were made with, and ends with status 1 where fewer than
95 % of the strong ones were. Without ``--shots 1000`` a hundred; on one core half a second for a shot, and several for
its indexing.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np
from recover import run_dials
from series import CELL, REPOSITORY
from truth import compare

from nanobragg.cli import main as nanobragg
from nanobragg.ensemble.reading import read_ensemble
from nanobragg.maths.constants import ENERGY
from nanobragg.resolver.resolve import resolve

BAR = 0.95
"""The part of the strong shots that must be indexed."""
TURNED = 1.0
"""degrees: a lattice that is turned by more is another one"""
OUTSTANDING, ENOUGH = 5.0, 20
"""A reflection stands out by so many times the square root of what is below it; a strong shot has so many."""
SET = f"""
quirks = "none"
precision = "mixed"

[beam]
wavelength = 1.3
fluence = 1e25
polarization = 0.99

[crystal]
structure_factors = "{REPOSITORY / "examples" / "1orc.hkl.gz"}"
cell = {list(CELL)}
mosaic_spread = 0.05
mosaic_domains = 10
water = 0.5

[detector]
convention = "xds"
shape = [1024, 1024]
pixel_size = 0.15
distance = 80.0
orgx = 512.5
orgy = 512.5

[sampling]
oversample = 1

[response]
preset = "jungfrau"

[ensemble]
shots = SHOTS
shots_per_file = 100
reflections = true

[ensemble.crystal]
misset = {{ orientations = "uniform" }}
cells = {{ log_normal = [40, 10], least = 30, most = 60 }}

[ensemble.spectrum]
bandwidth = 0.2
spike = 0.02
wavelengths = 20
"""
PHIL = f"""
dispatch.integrate = False
spotfinder.filter.min_spot_size = 2
spotfinder.filter.d_max = 25
spotfinder.threshold.dispersion.gain = {ENERGY / 1.3:.0f}
indexing.method = fft1d
indexing.known_symmetry.space_group = P212121
indexing.known_symmetry.unit_cell = {",".join(map(str, CELL))}
indexing.stills.indexer = stills
indexing.stills.refine_all_candidates = False
output.composite_output = False
"""
"""The gain is that of images in eV."""


def strong_shots(folder: Path) -> set[int]:
    """Numbers of the shots in which enough reflections stand out of what is below them."""
    found = []
    for path in sorted(folder.glob("reflections_*.h5")):
        with h5py.File(path) as file:
            table = {name: file[f"truth/{name}"][:] for name in ("shot", "intensity", "background")}
        out = table["intensity"] > OUTSTANDING * np.sqrt(np.maximum(table["background"], 1.0))
        found.append(table["shot"][out])
    numbers, counts = np.unique(np.concatenate(found), return_counts=True)
    return set(numbers[counts >= ENOUGH].tolist())


def lattices(folder: Path) -> dict[int, list[np.ndarray]]:
    """The axes (3, 3) Å, rows a, b, c, that were found in each shot."""
    found: dict[int, list[np.ndarray]] = {}
    for path in sorted(folder.glob("*_refined.expt")):
        said = json.loads(path.read_text())
        for experiment in said["experiment"]:
            crystal = said["crystal"][experiment["crystal"]]
            (image,) = said["imageset"][experiment["imageset"]]["single_file_indices"]
            axes = np.array([crystal[f"real_space_{axis}"] for axis in "abc"])
            found.setdefault(image, []).append(axes)
    return found


def figures(folder: Path) -> tuple[set[int], set[int], dict[int, tuple[float, float]]]:
    """Strong shots, indexed ones, and of these how far cell (per cent) and orientation (degrees) are off."""
    plan = read_ensemble(folder / "set.toml")
    off = {}
    found = lattices(folder / "dials")
    for number, several in found.items():
        resolved = resolve(plan.draw(number).experiments[0])
        compared = [compare(axes, resolved) for axes in several]
        off[number] = min(((cell, turn) for cell, _, turn, _ in compared), key=lambda each: each[1])
    return strong_shots(folder / "shots"), set(found), off


def made(folder: Path, shots: int) -> None:
    """Make the shots, and have them processed."""
    (folder / "set.toml").write_text(SET.replace("SHOTS", str(shots)), encoding="utf-8")
    if nanobragg(["ensemble", str(folder / "set.toml"), "-o", str(folder / "shots"), "-workers", "1"]) != 0:
        sys.exit("nanobragg ensemble: found no shots, expected them")
    with open(folder / "shots" / "shots.csv", encoding="utf-8") as table:
        assert sum(1 for _ in csv.DictReader(table)) == shots
    (folder / "dials").mkdir(exist_ok=True)
    (folder / "dials" / "shots.phil").write_text(PHIL, encoding="utf-8")
    run_dials(("dials.stills_process", str(folder / "shots" / "master.h5"), "shots.phil"), folder / "dials")


def main(words: Sequence[str] | None = None) -> int:
    """Make, process, compare."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--shots", type=int, default=100, help="how many (%(default)s)")
    parser.add_argument("--folder", type=Path, help="where everything is kept (default: nowhere)")
    parser.add_argument("--look", action="store_true", help="only compare what is in the folder already")
    asked = parser.parse_args(words)
    with tempfile.TemporaryDirectory() as temporary:
        folder = (asked.folder or Path(temporary)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        if not asked.look:
            made(folder, asked.shots)
        strong, indexed, off = figures(folder)
    right = {number for number, (_, turn) in off.items() if turn < TURNED}
    both = strong & right
    cells, turns = (np.array([off[number][which] for number in sorted(right)] or [np.nan]) for which in (0, 1))
    print(f"{asked.shots} shots: {len(strong)} strong, {len(indexed)} indexed, {len(right)} of these as they were made")
    print(f"of the strong ones {100.0 * len(both) / max(len(strong), 1):.1f} % are indexed as they were made")
    print(f"medians: cell {np.median(cells):.3f} %, orientation {np.median(turns):.4f} degrees")
    return 0 if len(both) >= BAR * len(strong) else 1


if __name__ == "__main__":
    sys.exit(main())
