"""Random command lines, rendered by every renderer: what no golden case foresaw must not depend on the renderer."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from conftest import CUDA, outside_bar, rendered
from nanobragg import InputError, Scene, resolve, trace_pixel
from nanobragg.inputs.words import parse_words
from nanobragg.parity.draw import draw
from nanobragg.parity.excluded import reasons
from nanobragg.rendering.devices import evaluations, only_cpu

LINES = 400
"""Command lines for each renderer and precision; too many evaluations for the reference renderer are drawn again."""


def random_scene(seed: int, number: int, folder: Path, largest: float) -> Scene | None:
    """The Scene of a command line that can be resolved and has few evaluations."""
    line = draw(seed, number)
    for name, data in line.files.items():
        (folder / name).write_bytes(data)
    quirks = random.Random(f"{seed} {number}").choice(["all", "none"])
    try:
        scene = resolve(parse_words(["-quirks", quirks, *line.words]).experiment).scene
    except InputError:
        return None
    return scene if 0 < evaluations(scene) <= largest else None


def without_reason(scene: Scene, outside: np.ndarray, precision: str) -> int:
    """The pixels outside the bar that no discontinuity explains (``specs/design.md``); 20 of them are looked at."""
    found = np.argwhere(outside)[:20]
    return sum(not reasons(scene, trace_pixel(scene, int(s), int(f)), precision) for _, s, f in found)


@pytest.mark.parametrize("precision", ["double", "mixed"])
@pytest.mark.parametrize("renderer", ["cpu", "played", "emulated", CUDA])
def test_random_command_lines(renderer: str, precision: str, in_folder) -> None:
    folder, done, number = in_folder(), 0, 0
    bad: list[int] = []
    while done < LINES:
        number += 1
        scene = random_scene(4, number, folder, 2e5)
        if scene is None or (renderer != "cpu" and only_cpu(scene)):
            continue
        done += 1
        expected = rendered(scene, "reference", "double")
        outside = outside_bar(rendered(scene, renderer, precision), expected, precision)
        if outside.any() and without_reason(scene, outside, precision):
            bad.append(number)
    assert bad == []


@pytest.mark.parametrize("renderer", ["cpu", "played", "emulated", CUDA])
def test_a_dark_fan_of_beams_in_single_precision(renderer: str) -> None:
    """Drawn at random: cosines that are made of two products are wrong by twice as much, too much for dark pixels."""
    words = (
        "-lambda 2.2021 -cell 297.67 27.06 43.81 72.8 76.8 74.7 -N 4 -default_F 10 -distance 289.9 -detpixels 24 "
        "-pixel 2 -dispersion 3 -dispsteps 1 -divergence 0.5 -divsteps 4 -mosaic_spread 0 -mosaic_domains 3 "
        "-misset 66.5 28.0 83.7 -oversample 1 -detector_abs 500 -detector_thick 450 -thicksteps 2"
    )
    scene = resolve(parse_words(words.split()).experiment).scene
    assert len(scene.source_wavelength) > 8
    expected = rendered(scene, "reference", "double")
    assert not outside_bar(rendered(scene, renderer, "mixed"), expected, "mixed").any()
