"""Stills of a mosaic crystal in a beam of several wavelengths, refined from a wrong spread and a wrong wavelength."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import numpy as np

from nanobragg import Experiment, refine
from nanobragg.maths.rotations import uniform_rotation
from nanobragg_bench.series import oriented
from nanobragg_bench.stills import photons, still

ENERGY = 12398.41984
"""eV times Å"""
WIDTH = 10.0
"""eV, of eight wavelengths"""
FREE = ("crystal.misset", "crystal.mosaic_spread", "beam.wavelength", "scale")


def mosaic_still(seed: int) -> Experiment:
    """The still with a spread of 0.2 degrees (30 domains) and eight wavelengths over 10 eV."""
    rng = np.random.default_rng(39000 + seed)
    plain = still(misset=(0.0, 0.0, 0.0))
    plain = oriented(plain, uniform_rotation(*rng.random(3)))
    wavelength = plain.beam.wavelength or 1.0
    beam = replace(plain.beam, dispersion=100.0 * WIDTH * wavelength / ENERGY, dispersion_steps=8)
    crystal = replace(plain.crystal, mosaic_spread=0.2, mosaic_domains=30)
    # Some 60 000 photons in the brightest pixel.
    beam = replace(beam, fluence=10.0 * (beam.fluence or 0.0))
    return replace(plain, beam=beam, crystal=crystal)


def spread_refined(seed: int, threads: int = 0) -> dict[str, Any]:
    """Refine one: squares of errors in standard deviations, errors of the spread (a part) and of the energy (eV)."""
    truth = mosaic_still(seed)
    rng = np.random.default_rng(49000 + seed)
    beam = replace(truth.beam, wavelength=1.002 * (truth.beam.wavelength or 0.0))
    start = oriented(replace(truth, beam=beam), rng.uniform(-0.05, 0.05, 3))
    start = replace(start, crystal=replace(start.crystal, mosaic_spread=0.12))
    data = photons(truth, seed)
    began = time.perf_counter(), time.process_time()
    found = refine(start, data, FREE, pixels="shoeboxes", threads=threads)
    ended = time.perf_counter(), time.process_time()
    spread, wavelength = found["crystal.mosaic_spread"], found["beam.wavelength"]
    true = truth.beam.wavelength or 1.0
    return {
        "squares": [((spread[0] - 0.2) / spread[1]) ** 2, ((wavelength[0] - true) / wavelength[1]) ** 2],
        "spread": abs(spread[0] / 0.2 - 1.0),
        "centroid": abs(ENERGY / wavelength[0] - ENERGY / true),
        "seconds": ended[0] - began[0],
        "processor": ended[1] - began[1],
        "jacobians": found.jacobians,
        "chi2": found.reduced_chi2,
        "converged": found.converged,
    }
