"""Panels: where pixels are, and that whoever reads a Scene of several of them reads each."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from nanobragg import (
    Beam,
    Crystal,
    Detector,
    Experiment,
    Image,
    InputError,
    Resolved,
    Sampling,
    Scene,
    ScenePanel,
    _core,
    render,
    resolve,
    trace_pixel,
)
from nanobragg.maths.projection import pixels_of_rays
from nanobragg.program.printout import print_pixels
from nanobragg.records.panel import panel_views
from nanobragg.rendering.binding import bound
from nanobragg.rendering.render import render_scene
from nanobragg.resolver.resolution import highest

CRYSTAL = Crystal(cell=(50, 60, 70, 80, 95, 100), cells=8, default_F=100, misset=(10, 20, 30))
DETECTOR = Detector(shape=(40, 60), pixel_size=1.0, distance=60, convention="xds", roty=7.0)


@pytest.fixture(scope="module")
def whole() -> Resolved:
    """A detector of one panel."""
    experiment = Experiment(crystal=CRYSTAL, detector=DETECTOR, beam=Beam(wavelength=1.0, flux=1e12))
    return resolve(replace(experiment, sampling=Sampling(oversample=1)))


def panel(**changes: Any) -> ScenePanel:
    """A tilted one of rectangular pixels, its axes not at right angles."""
    fast, slow = np.array([0.96, 0.28, 0.0]), np.array([-0.2, 0.97, np.sqrt(1 - 0.2**2 - 0.97**2)])
    values: dict[str, Any] = {
        "name": "q0a3", "shape": (7, 9), "pixel_size": (1e-4, 2e-4), "origin": (-0.01, 0.02, 0.3), "fast": fast,
        "slow": slow, "normal": np.cross(fast, slow), "close_distance": 0.3,
    }  # fmt: skip
    return ScenePanel(**{**values, **changes})


def halves(resolved: Resolved, mask: np.ndarray | None = None) -> Resolved:
    """The panel cut into a left and a right one; ``mask`` is the right one's."""
    (one,) = resolved.scene.panels
    nslow, nfast = one.shape
    left = replace(one, name="left", shape=(nslow, nfast // 2), roi=None)
    right = replace(left, name="right", origin=one.at(nfast // 2, 0), place=(0, nfast // 2), mask=mask)
    return replace(resolved, scene=replace(resolved.scene, panels=(left, right)))


def joined(stack: np.ndarray) -> np.ndarray:
    """(panel, slow, fast) side by side."""
    return np.concatenate(list(stack), axis=1)


# ---- one panel --------------------------------------------------------------------------------------------


def test_pixels_and_rays_are_inverse() -> None:
    """Beam centres, predicted spots and rings on a panel with axes not at right angles and rectangular pixels."""
    one = panel()
    at = np.random.default_rng(1).uniform(-3, 12, (20, 2))
    np.testing.assert_allclose(pixels_of_rays(one, 5.0 * one.at(*at.T)), at, atol=1e-9)
    assert np.isnan(pixels_of_rays(one, -one.at(*at.T))).all()
    assert one.at(0, 0) == pytest.approx(one.origin)
    step = one.at([0, 1], [2, 2])
    assert step[1] - step[0] == pytest.approx(1e-4 * one.fast)


def test_vectors_are_three_numbers_and_do_not_change() -> None:
    """A list will do; what is no vector is named."""
    given = np.array([0.0, 0.0, 0.1])
    one = panel(origin=given)
    given[2] = 5.0
    assert one.origin.tolist() == [0.0, 0.0, 0.1]
    with pytest.raises(ValueError, match="read-only"):
        one.origin[0] = 1.0
    for wrong in ((1, 2), "abc", [[1, 2, 3]], None, (1, "x", 3)):
        with pytest.raises(InputError, match=r"ScenePanel: fast: found .*, expected three numbers"):
            panel(fast=wrong)


def test_a_mask_is_the_panels() -> None:
    """Flags will do; a mask of another detector is refused."""
    flags = np.arange(63).reshape(7, 9) % 2 == 0
    assert panel(mask=flags).mask.tolist() == flags.astype(int).tolist()
    assert panel(mask=flags * 300).mask.tolist() == flags.astype(int).tolist()
    with pytest.raises(InputError, match=r"ScenePanel: mask: found an array of shape \(9, 7\), expected \(7, 9\)"):
        panel(mask=flags.T)


# ---- several ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("renderer", ["cpu", "reference"])
def test_each_panel_is_where_it_is(whole: Resolved, renderer: Any) -> None:
    """Two halves have the image of the whole, each by its own vectors and with its own mask."""
    expected = render(whole.scene, renderer=renderer)[0]
    mask = np.random.default_rng(2).random((40, 30)) < 0.7
    scene = halves(whole, mask).scene
    assert scene.shape == (40, 30)
    assert scene.image_shape == (2, 40, 30)
    assert scene.image_mask is not None
    shown = joined(scene.image_mask) != 0
    assert shown[:, :30].all()
    assert (shown[:, 30:] == mask).all()
    assert (joined(render(scene, renderer=renderer)) == expected * shown).all()
    backwards = replace(scene, panels=scene.panels[::-1])
    assert (render(backwards, renderer=renderer)[::-1] == render(scene, renderer=renderer)).all()
    for number, one in enumerate(scene.panels):
        alone = render(replace(scene, panels=(one,)), renderer=renderer)[0]
        np.testing.assert_allclose(alone, render(scene, renderer=renderer)[number], rtol=2e-6)


def tiles(one: ScenePanel, seed: int) -> list[tuple[ScenePanel, slice, slice]]:
    """A panel cut at random, told by positions alone, in no order; and where each tile is in it."""
    random = np.random.default_rng(seed)
    slow, fast = ([0, *sorted(random.choice(np.arange(1, n), 3, replace=False).tolist()), n] for n in one.shape)
    cut = []
    for (s0, s1), (f0, f1) in itertools.product(itertools.pairwise(slow), itertools.pairwise(fast)):
        where = slice(s0, s1), slice(f0, f1)
        mask = None if one.mask is None else one.mask[where]
        tile = replace(one, shape=(s1 - s0, f1 - f0), origin=one.at(f0, s0), mask=mask, place=(s0, f0), roi=None)
        cut.append((tile, *where))
    return [cut[i] for i in random.permutation(len(cut))]


def played(scene: Scene, precision: str) -> np.ndarray:
    """The image of a GPU that the CPU plays."""
    renderer = _core.PlayedRenderer()
    renderer.load(bound(scene), precision)
    return renderer.render()[0].numpy()


@pytest.mark.parametrize(("renderer", "precision"), [("cpu", "double"), ("cpu", "mixed"), ("reference", "double")])
@pytest.mark.parametrize("seed", range(5))
def test_a_detector_cut_into_tiles_has_the_image_of_the_whole(
    whole: Resolved, renderer: Any, precision: Any, seed: int
) -> None:
    """Bit for bit: where modules end is nothing that a simulation may show."""
    (one,) = whole.scene.panels
    one = replace(one, mask=np.random.default_rng(seed).random(one.shape) < 0.9)
    uncut = replace(whole.scene, panels=(one,))
    expected = render(uncut, renderer=renderer, precision=precision)[0]
    cut = tiles(one, seed)
    scene = replace(uncut, panels=tuple(tile for tile, *_ in cut))
    image = render(scene, renderer=renderer, precision=precision)
    assert image.shape == scene.image_shape == (40 * 60,)
    found = np.full(one.shape, np.nan, np.float32)
    for pixels, (_, *where) in zip(panel_views(image, scene.panels), cut, strict=True):
        found[tuple(where)] = pixels
    np.testing.assert_array_equal(found, expected)
    assert scene.image_mask is not None
    if renderer == "cpu":
        on_gpu = np.concatenate([played(uncut, precision)[0][tuple(where)].ravel() for _, *where in cut])
        np.testing.assert_array_equal(played(scene, precision), on_gpu)
    assert (scene.image_mask == np.concatenate([tile.mask.ravel() for tile, *_ in cut if tile.mask is not None])).all()


def cube() -> tuple[ScenePanel, ...]:
    """Six faces around the sample: square pixels, rectangular ones, and axes that are no unit vectors."""
    faces = []
    for axis, sign in itertools.product(range(3), (1.0, -1.0)):
        normal, fast, slow = np.roll(np.eye(3), axis, axis=1) * [[sign], [1.0], [sign]]
        size = {"shape": (24, 24), "pixel_size": (0.2 / 24, 0.2 / 24)}
        if axis == 1:
            size = {"shape": (20, 30), "pixel_size": (0.2 / 30, 0.2 / 20)}
        if axis == 2:
            size = {"shape": (24, 24), "pixel_size": (0.1 / 24, 0.4 / 24)}
        axes = {"fast": 2 * fast, "slow": 0.5 * slow} if axis == 2 else {"fast": fast, "slow": slow}
        corner = 0.1 * (normal - fast - slow)
        faces.append(panel(**size, **axes, normal=normal, origin=corner, close_distance=0.1))
    return tuple(faces)


def test_panels_all_around_the_sample_fill_the_sphere(whole: Resolved) -> None:
    """Behind it, too: solid angles add up to 4 pi, and every renderer has the same image."""
    scene = replace(whole.scene, panels=cube(), first_orientations=whole.scene.first_orientations[:0])
    result = render_scene(scene)
    assert result.solid_angle == pytest.approx(4 * np.pi, rel=3e-3)
    expected = render(scene, renderer="reference")
    assert all(view.any() for view in panel_views(expected, scene.panels))
    for image, relative in ((result.image, 1e-6), (render(scene, precision="mixed"), 1e-5)):
        np.testing.assert_allclose(image, expected, rtol=relative, atol=1e-2 * relative * expected.max())


def test_pixels_with_axes_not_at_right_angles_have_their_own_area(whole: Resolved) -> None:
    """|f x s|, and not the product of the edges."""
    slow = np.array([0.5, 0.8, 0.3])
    across = np.cross(panel().fast, slow)
    one = panel(slow=slow, normal=across / np.linalg.norm(across))
    one = replace(one, close_distance=float(one.origin @ one.normal))
    scene = replace(whole.scene, panels=(one,))
    trace = trace_pixel(scene, 3, 4)
    at = one.at(4.5, 3.5)
    area = np.linalg.norm(np.cross(one.pixel_size[0] * one.fast, one.pixel_size[1] * one.slow))
    expected = area * (at @ one.normal) / np.linalg.norm(at) ** 3
    assert area < 0.95 * one.pixel_size[0] * one.pixel_size[1]
    assert trace.omega == pytest.approx(expected, rel=1e-12)


def test_traces_are_of_the_panel(whole: Resolved) -> None:
    """The pixel that is explained is the one that was asked for."""
    scene = halves(whole).scene
    image = render(scene)
    for number, one in enumerate(scene.panels):
        trace = trace_pixel(scene, 3, 4, panel=number)
        assert trace.value == pytest.approx(float(image[number, 3, 4]), rel=1e-6)
        assert trace.evaluations[0].position == pytest.approx(one.at(4.5, 3.5))


def test_the_panels_of_a_rendered_scene_do_not_change(whole: Resolved) -> None:
    """C++ points to the mask."""
    scene = halves(whole, np.ones((40, 30), bool)).scene
    render(scene)
    mask = scene.panels[1].mask
    assert mask is not None
    with pytest.raises(ValueError, match="read-only"):
        mask[0, 0] = 0


def test_statistics_and_reflections_are_those_of_all_panels(whole: Resolved) -> None:
    """Cutting a detector into panels changes neither."""
    one, two = (Image(render(r.scene).reshape(r.scene.image_shape), r) for r in (whole, halves(whole)))
    assert two.statistics().mean == pytest.approx(one.statistics().mean)
    assert one.statistics().maximum_at is not None
    slow, fast = one.statistics().maximum_at or (0, 0)
    assert two.statistics().maximum_at == (fast // 30, slow, fast % 30)
    indices = [sorted(zip(*(t[x].tolist() for x in "hkl"), strict=True)) for t in (one.truth(), two.truth())]
    assert indices[0] == indices[1]
    assert len(indices[0]) > 20


def test_every_pixel_of_every_panel_is_printed(whole: Resolved, capsys: pytest.CaptureFixture[str]) -> None:
    """-printout: as many as there are."""
    two = halves(whole)
    two = replace(two, scene=two.scene.cropped((2, 4, 5, 6)))
    print_pixels(two, None, render(two.scene))
    assert capsys.readouterr().out.count("real-space cell vectors") == 2 * 3 * 2


def test_the_highest_resolution_is_that_of_the_outermost_panel(whole: Resolved) -> None:
    """A model's structure factors must reach to the corner of the last panel."""
    beam = np.array([whole.geometry.beam]), np.array([1e-10])
    left, right = halves(whole).scene.panels
    both = highest((left, right), *beam)
    assert both == pytest.approx(highest(whole.scene.panels, *beam))
    assert both == min(highest((left,), *beam), highest((right,), *beam))


# ---- what is refused --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"shape": (40,)}, r"Scene: panels\[1\]\.shape: expected 2 numbers"),
        ({"shape": (0, 3)}, r"Scene: panels\[1\]\.shape: found 0 x 3, expected at least 1 x 1 pixels"),
        ({"pixel_size": (2e-3, "wide")}, r"Scene: panels\[1\]\.pixel_size: expected 2 numbers"),
        ({"roi": (0, 30, 0, 3)}, r"Scene: panels\[1\]\.roi: reaches outside the panel"),
        (
            {"origin": (0, 0, float("nan"))},
            r"Scene: panels\[1\]: found a position, axis or size",
        ),
        ({"close_distance": "far"}, r"Scene: panels\[1\]\.close_distance: expected a number"),
    ],
)
def test_panels_that_are_not_rendered(whole: Resolved, changes: dict[str, Any], sentence: str) -> None:
    """Who fills a Scene by hand is told which panel is wrong, and in what."""
    scene = halves(whole).scene
    left, right = scene.panels
    with pytest.raises(InputError, match=sentence):
        render(replace(scene, panels=(left, replace(right, **changes))))


def test_panels_of_several_shapes_have_no_common_one() -> None:
    """It is said, and not taken from the first."""
    scene: Any = Scene.__new__(Scene)
    object.__setattr__(scene, "panels", (panel(), panel(shape=(8, 9))))
    with pytest.raises(InputError, match="found the shapes 7 x 9, 8 x 9"):
        _ = scene.shape
