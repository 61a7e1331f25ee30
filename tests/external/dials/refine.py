"""``python tests/external/dials/refine.py``: a series refined pixel by pixel, beside what `dials.refine` makes of it.

Needs what ``recover.py`` does. A series of 1ORC is simulated and processed with DIALS as there, up to `dials.refine`.
Then ``nanobragg refine`` takes crystal and detector as `dials.index` left them, and every few images: orientation,
cell, width of spots, distance, beam centre and tilts of the detector, in common, and the scale of each image. What it
knows besides are structure factors and the detector's point spread; the background is a plane for each shoebox. Prints
how far both are from the truth, and ends with status 1 where the pixels are further. Two minutes on one core.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from recover import STEPS, run_dials
from series import CASES, REPOSITORY, SPREAD, WIDTH, Case, experiments, write
from truth import compare

from nanobragg import Experiment, Resolved, resolve
from nanobragg.cli import main as nanobragg

COMMON = (
    *("crystal.misset", "crystal.cell", "crystal.fudge", "detector.distance", "detector.beam_x", "detector.beam_y"),
    *("detector.rotx", "detector.roty", "detector.rotz"),
)
START = f"""
quirks = "none"

[beam]
fluence = 1e28                  # a guess, and so is the size of the crystal
polarization = 0.998

[crystal]
structure_factors = "{REPOSITORY / "examples" / "1orc.hkl.gz"}"
cells = 8
shape = "gauss"

[detector]
header = "indexed.expt"

[sampling]
oscillation = {WIDTH}
phi_steps = 8
oversample = 2

[response]
psf = "gauss"
psf_fwhm = FWHM

[refine]
free = ["scale"]
common = {list(COMMON)}
pixels = "shoeboxes"
shoebox = 4
background = "plane"
"""
"""The point spread is known: as wide as that of the images, whose pixels it is the mean over."""


def processed(case: Case, frames: int, folder: Path) -> None:
    """Simulate and write the images, and refine them with DIALS."""
    folder.mkdir(parents=True, exist_ok=True)
    words = write(case, frames, folder, lambda text: print(f"\r{text:40}", end="", file=sys.stderr, flush=True))[1]
    print(file=sys.stderr)
    for step in (("dials.import", *words), *STEPS[:3]):
        run_dials(step, folder)


def refined(every: int, frames: int, folder: Path, pixel_size: float) -> Experiment:
    """What ``nanobragg refine`` makes of every so many images in the folder."""
    width = np.sqrt(8.0 * np.log(2.0)) * np.sqrt(SPREAD**2 - 1.0 / 12.0) * 1e3 * pixel_size
    shots = [
        f'\n[[refine.shots]]\nimage = "frame_{number + 1:04}.cbf"\nsampling.phi = {WIDTH * number}\n'
        for number in range(every // 2, frames, every)
    ]
    start = folder / "pixels.toml"
    start.write_text(START.replace("FWHM", f"{width:.1f}") + "".join(shots), encoding="utf-8")
    found = folder / "pixels_refined.toml"
    words = ["refine", str(start), "-o", str(found), "-expt", str(found.with_suffix(".expt"))]
    if nanobragg([*words, "-json", str(found.with_suffix(".json"))]) != 0:
        sys.exit("nanobragg refine: found no crystal, expected one")
    return Experiment.from_toml(found)


def axes_of(resolved: Resolved) -> np.ndarray:
    """(3, 3) Å: rows a, b, c across and along the beam, as DIALS has them."""
    beam, polar = np.array(resolved.geometry.beam), np.array(resolved.geometry.polar)
    x = polar - (polar @ beam) * beam
    x /= np.linalg.norm(x)
    sample = resolved.sample
    return np.array([sample.a0, sample.b0, sample.c0]) * 1e10 @ np.array([x, np.cross(-beam, x), -beam]).T


def distance_of(expt: Path) -> float:
    """How far the panel of a DIALS list is along its normal, mm."""
    panel = json.loads(expt.read_text())["detector"][0]["panels"][0]
    return abs(float(np.array(panel["origin"]) @ np.cross(panel["fast_axis"], panel["slow_axis"])))


def main(words: Sequence[str] | None = None) -> int:
    """Make, process, refine, compare."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--frames", type=int, default=60, help="frames of 0.5 degrees in the series (%(default)s)")
    parser.add_argument("--every", type=int, default=6, help="of so many, one is refined by its pixels (%(default)s)")
    parser.add_argument("--folder", type=Path, help="where everything is kept (default: nowhere)")
    parser.add_argument("--look", action="store_true", help="the folder has the series and what DIALS makes of it")
    asked = parser.parse_args(words)
    case = next(case for case in CASES if case.name == "cbf")
    with tempfile.TemporaryDirectory() as temporary:
        folder = (asked.folder or Path(temporary)).resolve()
        if not asked.look:
            processed(case, asked.frames, folder)
        truth = resolve(experiments(case, 1)[0])
        found = resolve(refined(asked.every, asked.frames, folder, case.experiment.detector.pixel_size or 0.0))
        crystal = json.loads((folder / "refined.expt").read_text())["crystal"][0]
        theirs = np.array([crystal[f"real_space_{axis}"] for axis in "abc"])
        distances = (distance_of(folder / "refined.expt"), 1e3 * found.geometry.distance)
    off = []
    print("|  | cell, % | orientation, ° | distance, mm |\n|---|---|---|---|")
    for name, axes, distance in zip(("DIALS", "pixels"), (theirs, axes_of(found)), distances, strict=True):
        cell, _, turn, _ = compare(axes, truth)
        off.append((cell, turn, abs(distance - 1e3 * truth.geometry.distance)))
        print(f"| {name} | {off[-1][0]:.5f} | {off[-1][1]:.5f} | {off[-1][2]:.5f} |")
    return 0 if all(ours <= dials for dials, ours in zip(*off, strict=True)) else 1


if __name__ == "__main__":
    sys.exit(main())
