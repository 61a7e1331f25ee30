"""``python tests/external/dials/imports.py``: whether `dials.import` puts our detectors where they are.

Small images of every format that tells geometry, in the conventions and placements below, with quirks and without, are
given to DIALS with the options that nanobragg prints for them, and the imported detector, beam and spindle are compared
with those of the simulation, but for a rotation of everything. Prints a line for each that is elsewhere, and ends with
status 1 if there is one. About five minutes on one slow core.
"""

from __future__ import annotations

import itertools
import json
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
from recover import run_dials

from nanobragg import Beam, Crystal, Detector, Image, Resolved, Sampling, simulate
from nanobragg.io.images.formats import format_of

CONVENTIONS = ("mosflm", "denzo", "adxv", "xds", "dials")
PLACES = {"flat": {}, "swung": {"twotheta": 9.0}, "tilted": {"rotx": 5.0, "roty": -7.0, "rotz": 3.0}}
SENSOR = {"thickness": 450.0, "attenuation_depth": 235.0}
NEAR = 0.02
"""pixels"""


def _image(convention: str, quirks: str, place: str) -> Image:
    """Asymmetric in everything, so that a swapped axis shows."""
    fields = {"shape": (40, 56), "pixel_size": 0.5, "distance": 80.0, "beam_x": 9.7, "beam_y": 12.4}
    return simulate(
        crystal=Crystal(cell=(50, 60, 70), cells=3, default_F=10),
        beam=Beam(wavelength=1.0, fluence=1e28),
        detector=Detector(convention=convention, **fields, **PLACES[place], **(SENSOR if place == "swung" else {})),
        sampling=Sampling(phi=3.0, oscillation=0.5, phi_steps=1),
        quirks=quirks,
    ).noisy(seed=1)


def _apart(found: dict, resolved: Resolved) -> float:
    """Pixels between the imported detector and ours, by products of corners, spindle and beam."""
    panel, g = resolved.scene.panels[0], resolved.geometry
    theirs, root = found["detector"][0]["panels"][0], found["detector"][0]["hierarchy"]
    across = np.array([root["fast_axis"], root["slow_axis"], np.cross(root["fast_axis"], root["slow_axis"])])
    origin, fast, slow = (np.array(theirs[key]) @ across for key in ("origin", "fast_axis", "slow_axis"))
    origin = origin + root["origin"]  # a panel's frame is in its root's, which options move
    spindle, beam = found["goniometer"][0]["rotation_axis"], -np.array(found["beam"][0]["direction"])
    nslow, nfast = panel.shape
    size = np.array(theirs["pixel_size"])
    corners = [origin, origin + nfast * size[0] * fast, origin + nslow * size[1] * slow]
    ours = 1e3 * panel.at([0, nfast, 0], [0, 0, nslow])
    products, hands = [], []
    for points, axis, travel in ((corners, spindle, beam), (ours, g.spindle, g.beam)):
        vectors = np.vstack([points, [100.0 * np.array(axis)], [100.0 * np.array(travel)]])
        products.append(vectors @ vectors.T)
        hands.append(np.linalg.det([vectors[1] - vectors[0], vectors[2] - vectors[0], vectors[4]]))
    if hands[0] * hands[1] < 0:
        return float("inf")
    farthest = float(np.sqrt(np.diag(products[1]).max()))
    return float(np.abs(products[0] - products[1]).max() / farthest / size[0])


def main() -> int:
    """All of them."""
    warnings.simplefilter("ignore")  # what headers cannot say
    wrong = tried = 0
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for convention, quirks, place in itertools.product(CONVENTIONS, ("none", "all"), PLACES):
            image = _image(convention, quirks, place)
            for extension in ("img", "cbf", "h5"):
                name = f"{convention}_{quirks}_{place}_0001.{extension}"
                image.write(folder / name)
                row = format_of(name)
                line = None if row is None else row.advice(name, image.resolved)
                run_dials(("dials.import", name, *(line or "").split()[4:], "output.experiments=x.expt"), folder)
                apart = _apart(json.loads((folder / "x.expt").read_text()), image.resolved)
                tried += 1
                if apart > NEAR:
                    wrong += 1
                    print(f"{name}: {apart:.3g} pixels off, with: {line}", flush=True)
                (folder / "x.expt").unlink()
    print(f"{tried} files imported, {wrong} of them elsewhere")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
