"""Refinement with a detector's point spread: what is refined is the crystal, and not how far light goes in a sensor."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nanobragg import Beam, Crystal, Detector, Experiment, Panel, refine, resolve, simulate
from nanobragg.records.panel import panel_views
from nanobragg.records.response import Response
from nanobragg.refinement.spread import Spread, kernels_of
from nanobragg.resolver.response import detector_model
from nanobragg.response.convolution import Spreading, spread_image

BENCH = Path(__file__).resolve().parent.parent / "bench"
sys.path.insert(0, str(BENCH))

from nanobragg_bench.stills import BACKGROUND, still, true_values, wrong  # noqa: E402

FREE = ["crystal.misset", "crystal.cell", "crystal.cells", "scale"]


def detector_of(panels: tuple[Panel, ...], **response: Any) -> tuple[Any, list[np.ndarray], list[str]]:
    """Panels in a Scene, where the light of their pixels goes, and what is said of it."""
    crystal = Crystal(cell=(50, 50, 50, 90, 90, 90), cells=5, default_F=10)
    resolved = resolve(
        Experiment(
            crystal=crystal,
            beam=Beam(wavelength=1),
            detector=Detector(panels=panels, distance=100),
            response=Response(**response),
        )
    )
    return resolved.scene.panels, *kernels_of(detector_model(resolved), resolved.scene.panels)


def directly(image: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """The light of every pixel shared out, pixel by pixel."""
    slow, fast = (n // 2 for n in kernel.shape)
    found = np.zeros((image.shape[0] + 2 * slow, image.shape[1] + 2 * fast))
    for (row, column), light in np.ndenumerate(image):
        found[row : row + kernel.shape[0], column : column + kernel.shape[1]] += light * kernel
    return found[slow : slow + image.shape[0], fast : fast + image.shape[1]]


def test_light_goes_where_the_detector_sends_it() -> None:
    """Panels of two sizes and a kernel that is not even: chosen pixels in any order, and the way back."""
    rng = np.random.default_rng(1)
    kernel = rng.random((5, 3)) * [[1], [2], [9], [2], [1]]
    kernel /= kernel.sum()
    panels = tuple(
        Panel(shape=shape, pixel_size=size, origin=(100, y, 0))
        for shape, size, y in (((40, 70), 0.1, 0), ((30, 20), 0.1, 20), ((30, 20), 0.2, 40))
    )
    placed, kernels, notes = detector_of(panels, psf_kernel=kernel)
    assert not notes
    image = rng.random(sum(panel.shape[0] * panel.shape[1] for panel in panels))
    dark = rng.random(image.size) < 0.02
    index = rng.permutation(image.size)[:600]
    spread = Spread(placed, kernels, index, dark)
    lit = np.where(dark, 0.0, image)
    expected = np.concatenate([directly(view, kernel).ravel() for view in panel_views(lit, placed)])[index]
    rendered = image[spread.rendered]
    np.testing.assert_allclose(spread(np.array([rendered, 2 * rendered])), [expected, 2 * expected], atol=1e-12)
    weights = rng.normal(size=len(index))
    assert weights @ expected == pytest.approx(spread.back(weights) @ rendered, rel=1e-12)


@pytest.mark.parametrize(
    ("response", "reach", "words"),
    [
        ({"psf": "gauss", "psf_fwhm": 200.0}, 3, []),
        ({"psf": "fiber", "psf_fwhm": 60.0, "psf_radius": 12}, 12, []),
        ({"psf": "fiber", "psf_fwhm": 60.0}, 32, ["1.1 % of the light, beyond 32 pixels, is left to the background"]),
    ],
    ids=["gauss", "radius", "far"],
)
def test_light_is_followed_as_far_as_it_matters(response: dict[str, Any], reach: int, words: list[str]) -> None:
    """The simulation's own spread within a few parts of 1e4, and what is left aside is said."""
    panels, (kernel,), notes = detector_of((Panel(shape=(120, 90), pixel_size=0.1, origin=(100, 0, 0)),), **response)
    assert kernel.shape == (2 * reach + 1, 2 * reach + 1)
    assert [note.partition(": ")[2] for note in notes] == words
    image = np.where(np.random.default_rng(2).random((120, 90)) < 0.02, 1000.0, 0.0)
    every = np.arange(image.size)
    spread = Spread(panels, [kernel], every, np.zeros(image.shape, bool))(image.ravel())
    width = response["psf_fwhm"] / 100.0
    expected = spread_image(
        image.astype(np.float32), Spreading(response["psf"], (width, width), response.get("psf_radius"))
    )
    np.testing.assert_allclose(spread, expected.ravel(), atol=0.3 if not words else 3.0)


@pytest.mark.parametrize("pixels", ["all", "shoeboxes"])
def test_a_point_spread_is_not_taken_for_a_small_crystal(pixels: str) -> None:
    """Light that a sensor spreads over two pixels would be a crystal of fewer cells."""
    truth = still(1e5, edge=128)
    truth = replace(truth, response=Response(psf="gauss", psf_fwhm=500.0))
    rng = np.random.default_rng(3)
    means = spread_image(simulate(truth).data + np.float32(BACKGROUND), Spreading("gauss", (1.25, 1.25), None))
    data = rng.poisson(means).astype(float)
    start = wrong(truth, 0.15, rng)
    found = refine(start, data, FREE, pixels=pixels)
    assert found.converged
    assert found.reduced_chi2 == pytest.approx(1.0, abs=0.03)
    assert (np.abs(found.values - true_values(found.names, truth)) < 4.0 * found.sigmas).all()
    if pixels == "all":
        unaware = refine(replace(start, response=Response()), data, FREE, steps=3)
        assert any("not explained" in note for note in unaware.notes)
