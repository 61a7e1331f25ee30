"""A Scene is handed to C++ once: a program of many small images does not pay for it again, nor get stale ones."""

from __future__ import annotations

import copy
import gc
import pickle
import weakref
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from nanobragg import InputError, Renderer, Scene, _core, render, resolve, trace_pixel
from nanobragg.inputs.words import parse_words
from nanobragg.rendering.binding import bound
from nanobragg.rendering.devices import evaluations, only_cpu

WORDS = "-cell 50 60 70 80 90 100 -N 5 -default_F 10 -lambda 1 -distance 100 -detpixels 16 -oversample 1"


def scene_of(words: str = "") -> Scene:
    """A Scene of 16 x 16 pixels with structure factors."""
    scene = resolve(parse_words(f"{WORDS} {words}").experiment).scene
    grid = np.random.default_rng(1).uniform(1, 100, (21, 21, 21))
    return replace(scene, f_grid=grid, f_min=(-10, -10, -10))


@pytest.fixture
def conversions(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The Scenes that were converted."""
    seen: list[Any] = []

    def convert(scene: Any) -> _core.BoundScene:
        seen.append(weakref.ref(scene))
        return _core.BoundScene(scene)

    monkeypatch.setattr("nanobragg.rendering.binding._core", SimpleNamespace(BoundScene=convert))
    return seen


def test_everything_shares_one_binding(conversions: list[Any]) -> None:
    """Rendering, tracing and asking about a Scene convert it once, and new orientations not at all."""
    scene = scene_of()
    for precision in ("double", "mixed"):
        render(scene, precision=precision)
        renderer = Renderer(scene, device="auto", precision=precision)
        renderer.render()
        renderer.render(scene.orientations)
    render(scene, renderer="reference")
    trace_pixel(scene, 3, 4)
    assert evaluations(scene) == 256
    assert only_cpu(scene) == ""
    assert len(conversions) == 1
    render(replace(scene, scale=1.0))
    assert len(conversions) == 2


def test_arrays_of_a_rendered_scene_do_not_change() -> None:
    """Whoever writes into one is told, and gets no image that is half of the old and half of the new values."""
    scene = scene_of()
    before = render(scene)
    records = (scene, *scene.panels)
    arrays = [value for record in records for value in vars(record).values() if isinstance(value, np.ndarray)]
    assert len(arrays) >= 14
    for array in arrays:
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0
    changed = replace(scene, f_grid=2 * scene.f_grid)
    assert render(changed) == pytest.approx(4 * before, rel=1e-6)
    assert (render(scene) == before).all()


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda scene: pickle.loads(pickle.dumps(scene))])
def test_copies_of_a_rendered_scene(duplicate: Any) -> None:
    """Scenes travel to other processes after they were rendered, and their copies are rendered alike."""
    scene = scene_of()
    image = render(scene, precision="mixed")
    other = duplicate(scene)
    assert bound(other) is not bound(scene)
    assert (render(other, precision="mixed") == image).all()


def test_a_scene_is_not_kept_alive() -> None:
    """A program of many Scenes does not run out of memory."""
    scene = scene_of()
    grid, seen = weakref.ref(scene.f_grid), weakref.ref(scene)
    render(scene, precision="mixed")
    del scene
    gc.collect()
    assert seen() is None
    assert grid() is None


def test_threads_bind_one_scene() -> None:
    """Threads that meet at a new Scene get the same binding, and right images."""
    expected = render(scene_of("-mosaic 1 -mosaic_dom 5"), precision="mixed", threads=1)
    for _ in range(5):
        scene = scene_of("-mosaic 1 -mosaic_dom 5")
        with ThreadPoolExecutor(8) as pool:
            bindings = list(pool.map(bound, [scene] * 8))
            images = list(pool.map(lambda s: render(s, precision="mixed", threads=1), [scene] * 8))
        assert all(one is bound(scene) for one in bindings)
        assert all((image == expected).all() for image in images)


def test_turned_crystals_are_scaled_to_their_number() -> None:
    """More orientations make no brighter image, and those of the first evaluation are the new ones' or none."""
    scene = scene_of("-phi 0 -osc 1 -phisteps 3")
    cells = np.concatenate([scene.orientations] * 4)
    expected = render(replace(scene, first_orientations=scene.first_orientations[:0]))
    assert Renderer(scene, device="cpu").render(cells) == pytest.approx(expected, rel=1e-6)
    with pytest.raises(InputError, match=r"first_orientations: found 2, expected none or as many"):
        Renderer(scene, device="cpu").render(cells, first_orientations=cells[:2])


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"source_weight": np.ones(7)}, r"Scene: source_weight: expected an array \(1,\) of float64"),
        ({"orientations": np.zeros((3, 3))}, r"Scene: orientations: expected an array \(n, 3, 3\) of float64"),
        ({"panels": ()}, "Scene: panels: found none, expected at least one"),
        ({"panels": None}, "Scene: panels: expected a tuple of panels"),
        ({"cells": (1, 0.5, 1)}, "Scene: cells: expected numbers from 1 to 1e9"),
    ],
)
def test_scenes_that_cannot_be_bound(changes: dict[str, Any], sentence: str) -> None:
    """Who fills a Scene by hand is told which field is wrong, and may still correct its arrays."""
    scene = replace(scene_of(), **changes)
    with pytest.raises(InputError, match=sentence):
        render(scene)
    scene.f_grid[...] = 1.0


@pytest.mark.parametrize("what", [None, 3, "scene", parse_words(WORDS).experiment])
def test_what_is_no_scene(what: Any) -> None:
    """The sentence names what was given."""
    for use in (render, lambda scene: trace_pixel(scene, 0, 0), lambda scene: render(scene, renderer="reference")):
        with pytest.raises(InputError, match=f"scene: found {type(what).__name__}, expected a Scene"):
            use(what)
