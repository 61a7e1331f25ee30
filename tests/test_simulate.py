"""The call that most programs make: parts, command line and experiment lead to the same image."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from nanobragg import Beam, Crystal, Detector, Experiment, InputError, Renderer, Sampling, render, simulate
from nanobragg.io.factors.hkl import read_dump, read_hkl
from nanobragg.resolver.cache import save_cache

CRYSTAL = Crystal(cell=(70, 80, 90, 75, 85, 95), cells=6, default_F=100)
DETECTOR = Detector(shape=(12, 20), pixel_size=0.5, distance=60)
ARGS = "-cell 70 80 90 75 85 95 -N 6 -default_F 100 -detpixels_f 20 -detpixels_s 12 -pixel 0.5 -distance 60"


def test_all_ways_lead_to_the_same_image(tmp_path) -> None:
    """Whoever moves a script from the shell to Python must not move a single pixel."""
    parts = simulate(crystal=CRYSTAL, detector=DETECTOR, sampling=Sampling(oversample=1))
    words = simulate(args=ARGS + " -oversample 1")
    experiment = Experiment(crystal=CRYSTAL, detector=DETECTOR, sampling=Sampling(oversample=1))
    experiment.to_toml(tmp_path / "experiment.toml")
    file = simulate(Experiment.from_toml(tmp_path / "experiment.toml"))
    for other in (words, file, simulate(experiment)):
        np.testing.assert_array_equal(np.asarray(parts), other.data)
    assert parts.data.dtype == np.float32
    assert parts.shape == (12, 20)
    assert parts.data.max() > 0


def test_an_image_is_an_array_by_numpys_rules() -> None:
    """np.asarray shares the pixels, np.array copies them, and who forbids a copy gets none."""
    image = simulate(args=ARGS + " -oversample 1")
    assert np.asarray(image) is image.data
    assert np.shares_memory(image.__array__(np.float32, copy=False), image.data)
    copied = image.__array__(copy=True)
    assert not np.shares_memory(copied, image.data)
    np.testing.assert_array_equal(copied, image.data)
    assert np.asarray(image, dtype=np.float64).dtype == np.float64
    with pytest.raises(ValueError, match="a copy is needed"):
        image.__array__(np.float64, copy=False)


def test_parts_replace_those_of_a_command_line() -> None:
    image = simulate(args=ARGS + " -oversample 1", beam=Beam(fluence=2 * 125932015286227086360700780544.0))
    np.testing.assert_allclose(image.data, 2 * simulate(args=ARGS + " -oversample 1").data, rtol=1e-6)


def test_two_ways_to_say_everything_are_refused() -> None:
    with pytest.raises(InputError, match="expected one of them"):
        simulate(Experiment(), args=ARGS)


def test_the_cache_is_saved_on_request_only(tmp_path) -> None:
    """The second run of a series must not parse the list again, and must give the same image; but a call from Python
    must not leave files behind that nobody asked for.
    """
    lines = [f"{h} {k} {2 * k} {7 + h - k}\n" for h in range(-3, 4) for k in (0, 1)]
    (tmp_path / "P1.hkl").write_text("".join(lines))
    cache = tmp_path / "Fdump.bin"
    crystal = {"cell": (70, 80, 90, 75, 85, 95), "cells": 6, "dump": cache}
    first = simulate(crystal=Crystal(structure_factors=tmp_path / "P1.hkl", **crystal), detector=DETECTOR)
    assert not cache.exists()
    assert save_cache(first.resolved) == str(cache)
    np.testing.assert_array_equal(read_dump(cache).grid, read_hkl(tmp_path / "P1.hkl").grid)
    second = simulate(crystal=Crystal(**crystal), detector=DETECTOR)
    np.testing.assert_array_equal(first.data, second.data)
    assert save_cache(second.resolved) is None


def test_an_exception_of_the_progress_callback_stops_the_render() -> None:
    """A program that wants to give up must get its own exception back, not a finished image minutes later."""

    class GaveUpError(Exception):
        pass

    def give_up(fraction: float) -> None:
        raise GaveUpError

    crystal = Crystal(cell=(70, 80, 90, 75, 85, 95), cells=20, default_F=100, mosaic_spread=1, mosaic_domains=4000)
    with pytest.raises(GaveUpError):
        simulate(
            crystal=crystal, detector=Detector(shape=(500, 500)), sampling=Sampling(oversample=1), progress=give_up
        )


def test_unknown_words_are_told() -> None:
    """A misspelt option must not silently give the default."""
    image = simulate(args="-cell 79 79 38 90 90 90 -default_F 100 -N 5 -detpixels 8 -distnace 50")
    assert any("-distnace" in warning and "-distance" in warning for warning in image.resolved.warnings)


_FORKED = """
import os
from nanobragg import Crystal, Detector, simulate
def shot(seed):
    parts = {"crystal": Crystal(cell=(79, 79, 38), cells=10, default_F=100), "detector": Detector(shape=(256, 256))}
    return simulate(**parts, threads=2).noisy(seed=seed).data.sum()
before = shot(1)
child = os.fork()
if child == 0:
    os._exit(0 if shot(1) == before else 1)
assert os.waitpid(child, 0)[1] == 0
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_forked_workers_render() -> None:
    """Pools and data loaders fork processes that have rendered; waiting for threads that stayed behind would hang."""
    subprocess.run([sys.executable, "-c", _FORKED], check=True, timeout=60)


def test_quirks_hold_for_the_meaning_of_words() -> None:
    """The keyword and -quirks give the same image, also where the quirk is about what a word says."""
    words = "-cell 50 60 70 90 90 90 -default_F 1 -detpixels 8 -pixel 1 -twotheta_axis 20 0 1"
    image = simulate(args=words, quirks="none")
    np.testing.assert_array_equal(image, simulate(args=f"{words} -quirks none"))
    assert not np.array_equal(image, simulate(args=words))


def test_scenes_that_are_not_finite_are_refused() -> None:
    """A NaN from a script's arithmetic is one sentence and not a crash."""
    scene = Experiment(crystal=Crystal(cell=(50, 60, 70), default_F=1.0), detector=Detector(shape=(8, 8))).scene()
    with pytest.raises(InputError, match="sources: found a direction, wavelength or weight that is not finite"):
        render(replace(scene, source_direction=np.full_like(scene.source_direction, np.nan)))


def test_slips_in_calls_are_one_sentence() -> None:
    """A part given for the whole, or a number that is none, is named."""
    crystal, detector = Crystal(cell=(50, 60, 70), default_F=1.0), Detector(shape=(8, 8))
    image = simulate(crystal=crystal, detector=detector)
    scene = Experiment(crystal=crystal, detector=detector).scene()
    for call, sentence in (
        (lambda: simulate(crystal), r"simulate: found Crystal, expected an Experiment \(its parts have names"),  # type: ignore[arg-type]
        (lambda: Renderer(3), "scene: found int, expected a Scene or an Experiment"),  # type: ignore[arg-type]
        (lambda: render(scene, threads=None), "threads: found None, expected a positive number"),  # type: ignore[arg-type]
        (lambda: render(scene, threads=-1), "threads: found -1, expected a positive number"),
        (lambda: image.noisy(adc_offset=float("nan")), "adc_offset: found nan, expected a finite number"),
        (lambda: image.integers(scale=float("nan")), "scale: found nan, expected a finite number"),
    ):
        with pytest.raises(InputError, match=sentence):
            call()
