"""What is made of an image of panels of several shapes: statistics, counts, tables, traces, each on its panel."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import PIL.Image
import pytest

from nanobragg import (
    Beam,
    Crystal,
    Detector,
    Experiment,
    Image,
    InputError,
    Panel,
    Resolved,
    Sampling,
    resolve,
    simulate,
    trace_pixel,
)
from nanobragg.cli import main
from nanobragg.io.any_image import read_pixels as read_image
from nanobragg.io.images.assembled import assembled
from nanobragg.io.images.geometry_texts import _rectangles, write_expt, write_geom
from nanobragg.io.images.nexus import laboratory_to_nexus
from nanobragg.io.images.picture import Marks, png_bytes
from nanobragg.io.images.slab import flattened, in_file
from nanobragg.records.panel import panel_views

CRYSTAL = Crystal(cell=(50, 60, 70, 80, 95, 100), cells=8, default_F=100, misset=(10, 20, 30))
PANELS = (
    Panel(name="near", shape=(30, 50), pixel_size=0.5, origin=(60, 14.0, -26.0), fast_axis=(0, 0, 1),
          slow_axis=(0, -1, 0), place=(0, 0)),
    Panel(name="far", shape=(20, 40), pixel_size=(0.5, 1.0), origin=(70, 14.0, 3.0), fast_axis=(0.1, 0, 1),
          slow_axis=(0, -1, 0.05), place=(35, 4)),
    Panel(name="low", shape=(10, 60), pixel_size=0.5, origin=(65, -8.0, -15.0), fast_axis=(0, 0, 1),
          slow_axis=(0.3, -1, 0), place=(60, 2)),
)  # fmt: skip
DETECTOR = Detector(panels=PANELS)
TO_NEXUS = np.eye(3)
"""from the frame that CrystFEL geometries are read in"""
EXPERIMENT = Experiment(
    crystal=CRYSTAL,
    detector=DETECTOR,
    beam=Beam(wavelength=1.0, flux=1e13),
    quirks="none",
    sampling=Sampling(oversample=1),
)


@pytest.fixture(scope="module")
def image() -> Image:
    """An image of three panels of three shapes."""
    return simulate(EXPERIMENT)


def alone(number: int, **changes: Any) -> Image:
    """The image of one of the panels."""
    return simulate(replace(EXPERIMENT, detector=replace(DETECTOR, panels=(PANELS[number],), **changes)))


def test_each_panel_is_found_in_the_image(image: Image) -> None:
    """By name, as a view of the flat data; the pixels are those that the panel alone would have."""
    assert image.data.shape == (30 * 50 + 20 * 40 + 10 * 60,)
    assert [panel.name for panel in image.panels] == ["near", "far", "low"]
    for number, panel in enumerate(image.panels):
        assert panel.pixels.shape == PANELS[number].shape
        assert np.shares_memory(panel.pixels, image.data)
        assert panel.geometry is image.resolved.scene.panels[number]
        np.testing.assert_allclose(panel.pixels, alone(number).data, rtol=1e-6)
        assert panel.pixels.any()


def test_statistics_are_those_of_all_pixels(image: Image) -> None:
    """And the maximum is on its panel."""
    found = image.statistics()
    pixels = image.data.astype(float)
    assert found.mean == pytest.approx(pixels.mean())
    assert found.rmsd == pytest.approx(pixels.std(ddof=1))
    assert found.maximum == pixels.max()
    assert found.maximum_at is not None
    panel, slow, fast = found.maximum_at
    assert image.panels[panel].pixels[slow, fast] == found.maximum


@pytest.mark.parametrize("rng", ["exact", "fast"])
def test_noise_is_drawn_in_the_order_of_the_panels(image: Image, rng: Any) -> None:
    """An image of one long row has the same: no pixel is left out or drawn twice."""
    from nanobragg import poisson_noise

    noisy = image.noisy(seed=5, rng=rng, adc_offset=7)
    row = poisson_noise(image.data[None], seed=5, rng=rng, adc_offset=7, wide=True)
    assert noisy.data.shape == image.data.shape
    np.testing.assert_array_equal(noisy.data, row.pixels[0])
    assert noisy.photons == row.photons


def test_regions_are_each_panels(image: Image) -> None:
    """-roi holds for every panel, as far as it has such pixels."""
    part = simulate(replace(EXPERIMENT, detector=replace(DETECTOR, roi=(5, 45, 8, 25))))
    for whole, panel in zip(image.panels, part.panels, strict=True):
        inside = np.zeros(panel.pixels.shape, bool)
        inside[8:26, 5:46] = True
        np.testing.assert_array_equal(panel.pixels, whole.pixels * inside)
        noisy = panel_views(part.noisy(seed=1).data, part.resolved.scene.panels)
        assert all(((view == 0) | (view >= 40)).all() for view in noisy)
    inside = part.data > 0
    assert (part.integers().data[inside] > 0).all()
    assert part.statistics().mean == pytest.approx(part.data[inside].mean(dtype=float))


def test_only_the_chosen_panels_are_rendered(image: Image) -> None:
    """-panels by name or number."""
    part = simulate(replace(EXPERIMENT, detector=replace(DETECTOR, rendered="low, 0")))
    near, far, low = (panel.pixels for panel in part.panels)
    np.testing.assert_array_equal(near, image.panels[0].pixels)
    np.testing.assert_array_equal(low, image.panels[2].pixels)
    assert not far.any()
    with pytest.raises(
        InputError, match=r"-panels: found 'q9', expected names \(near, far, low\) or numbers from 0 to 2"
    ):
        resolve(replace(EXPERIMENT, detector=replace(DETECTOR, rendered="near,q9")))
    with pytest.raises(InputError, match="-panels: found '3'"):
        resolve(replace(EXPERIMENT, detector=replace(DETECTOR, rendered="3")))


def test_reflections_are_on_their_panels(image: Image) -> None:
    """The table says which panel, where on it, and where in the file's array."""
    table = image.truth()
    assert set(table["panel"].tolist()) == {0, 1, 2}
    for number, panel in enumerate(image.panels):
        rows = table[table["panel"] == number]
        own = alone(number).truth()
        strong = {tuple(row) for row in own[["h", "k", "l"]].tolist()}
        assert {tuple(row) for row in rows[["h", "k", "l"]].tolist()} >= strong or len(rows) >= len(own)
        slow, fast = panel.geometry.place
        np.testing.assert_allclose(rows["slab_fast"] - rows["fast"], fast)
        np.testing.assert_allclose(rows["slab_slow"] - rows["slow"], slow)
        assert (rows["fast"] < panel.pixels.shape[1]).all()
        at = panel.geometry.at(rows["fast"], rows["slow"])
        two_theta = np.degrees(np.arccos(at[:, 0] / np.linalg.norm(at, axis=1)))
        np.testing.assert_allclose(two_theta, rows["two_theta"], atol=1e-9)


def test_counts_are_each_panels(image: Image) -> None:
    """The response of the detector is applied to every panel, and its pixels stay where they are."""
    counts = image.measured(seed=3)
    assert counts.data.shape == image.data.shape
    total = image.data.sum(dtype=float)
    assert counts.photons == pytest.approx(total, abs=6 * np.sqrt(total))


def test_a_trace_is_of_the_panel(image: Image, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """-trace_pixel PANEL SLOW FAST, with the panel in the JSON."""
    config, traced = tmp_path / "panels.toml", tmp_path / "trace.json"
    EXPERIMENT.to_toml(config)
    words = ["-config", str(config), "-trace_json", str(traced), "-nopgm", "-floatfile", str(tmp_path / "a.npy")]
    assert main([*words, "-trace_pixel", "1", "3", "4", "-nointimage", "-nonoise"]) in (0, None)
    found = json.loads(traced.read_text())
    assert (found["panel"], found["pixel"]) == (1, [3, 4])
    expected = trace_pixel(image.resolved.scene, 3, 4, panel=1)
    assert found["value"] == pytest.approx(expected.value)
    at = np.array(found["evaluations"][0]["position"])
    np.testing.assert_allclose(at, image.panels[1].geometry.at(4.5, 3.5), atol=1e-12)
    assert main([*words, "-trace_pixel", "1", "20", "4"]) == 9
    assert "-trace_pixel: found slow 20, fast 4, expected a pixel of 20 (slow) x 40 (fast)" in capsys.readouterr().err
    assert main([*words, "-trace_pixel", "3", "2", "4"]) == 9
    assert "-trace_pixel: found panel 3, expected one from 0 to 2" in capsys.readouterr().err


# ---- files ------------------------------------------------------------------------------------------------


def stacked() -> Experiment:
    """Three panels of one shape, behind each other in the file's array."""
    panels = tuple(
        Panel(name=f"p{n}", shape=(20, 30), pixel_size=0.5, origin=(60 + n, 14.0 - 11 * n, -5.0), fast_axis=(0, 0, 1),
              slow_axis=(0, -1, 0.01 * n))
        for n in range(3)
    )  # fmt: skip
    return replace(EXPERIMENT, detector=Detector(panels=panels))


def masked(image: Image) -> Image:
    """With some pixels of the second panel masked."""
    near, far, *others = image.resolved.scene.panels
    mask = np.ones(far.shape, np.uint8)
    mask[2:4, 5:9] = 0
    scene = replace(image.resolved.scene, panels=(near, replace(far, mask=mask), *others))
    return replace(image, resolved=replace(image.resolved, scene=scene))


def read_back(path: Path, quirks: str = "none") -> Resolved:
    """What nanobragg reads of its own file."""
    return resolve(replace(EXPERIMENT, detector=Detector(header=path), quirks=quirks))


@pytest.mark.parametrize("experiment", [EXPERIMENT, stacked()], ids=["slab", "stack"])
def test_nxmx_holds_every_panel(experiment: Experiment, tmp_path: Path) -> None:
    """Positions to 1e-9 m, masks, and the pixels at their places; a stack as a slab, which every reader takes."""
    made = masked(simulate(experiment).noisy(seed=1))
    file = tmp_path / "a.h5"
    made.write(file)
    again = read_back(file)
    turn = laboratory_to_nexus(made.resolved.geometry)
    pixels = read_image(file)
    for one, other, counts in zip(made.resolved.scene.panels, again.scene.panels, made.panels, strict=True):
        assert one.shape == other.shape
        corners = [0, one.shape[1]], [one.shape[0], 0]
        np.testing.assert_allclose(other.at(*corners), one.at(*corners) @ turn.T, atol=1e-9)
        slow, fast = other.place
        part = pixels[slow : slow + one.shape[0], fast : fast + one.shape[1]]
        mask = np.ones(one.shape, bool) if one.mask is None else one.mask != 0
        np.testing.assert_array_equal(part, np.where(mask, counts.pixels, -1))
        np.testing.assert_array_equal(np.ones(one.shape) if other.mask is None else other.mask, mask)
    with h5py.File(file) as content:
        detector = content["entry/instrument/detector"]
        assert [name for name in detector if name.startswith("module")] == [f"module_{n}" for n in range(3)]
        inside = np.zeros(pixels.shape, bool)
        for panel in again.scene.panels:
            inside[
                panel.place[0] : panel.place[0] + panel.shape[0], panel.place[1] : panel.place[1] + panel.shape[1]
            ] = True
        mask = detector["pixel_mask"][()]
        if mask.ndim == 3:
            mask = mask[0]
            np.testing.assert_array_equal(detector["pixel_mask_slab"][()], mask)
        assert (mask[~inside] != 0).all()
        assert (pixels[~inside] == -1).all()


@pytest.mark.parametrize("extension", [".npy", ".tif", ".cbf"])
def test_a_slab_has_every_panel_at_its_place(image: Image, extension: str, tmp_path: Path) -> None:
    """And says so where its header cannot hold the geometry; gaps are marked as masked pixels are."""
    counts, file = image.noisy(seed=1), tmp_path / f"a{extension}"
    if extension == ".cbf":
        with pytest.warns(UserWarning, match="one flat panel, and of the 3 panels some are up to .* mm elsewhere"):
            counts.write(file)
    else:
        counts.write(file)
    pixels = read_image(file)
    assert pixels.shape == (70, 62)
    assert (pixels == -1).sum() == pixels.size - image.data.size
    for panel in counts.panels:
        slow, fast = panel.geometry.place
        nslow, nfast = panel.pixels.shape
        np.testing.assert_array_equal(pixels[slow : slow + nslow, fast : fast + nfast], panel.pixels)


def test_a_detector_cut_along_its_gaps_is_one_slab(tmp_path: Path) -> None:
    """The header of the slab has the geometry of all of it, and no doubt is told."""
    one = Panel(
        name="a", shape=(40, 30), pixel_size=0.5, origin=(60, 10.0, -10.0), fast_axis=(0, 0, 1), slow_axis=(0, -1, 0)
    )
    other = replace(one, name="b", origin=(60, 10.0, -10.0 + 0.5 * 35), place=(0, 35))
    detector = Detector(panels=(replace(one, place=(0, 0)), other))
    made = simulate(replace(EXPERIMENT, detector=detector)).noisy(seed=1)
    file = tmp_path / "a.cbf"
    made.write(file)
    again = resolve(replace(EXPERIMENT, detector=Detector(header=file, convention="mosflm"))).scene.panels[0]
    np.testing.assert_allclose(again.at(35, 0), made.resolved.scene.panels[1].at(0, 0), atol=1e-7)
    assert (read_image(file)[:, 30:35] == -1).all()


def test_panels_in_the_files_order_are_not_copied(image: Image) -> None:
    """A detector of 16 megapixels is written without a second one in memory; with a gap, it cannot be."""
    shapes = [(3, 5), (2, 5), (4, 5)]
    places = [(0, 0), (3, 0), (5, 0)]
    panels = [
        replace(image.resolved.scene.panels[0], shape=shape, place=place, mask=None, roi=None)
        for shape, place in zip(shapes, places, strict=True)
    ]
    pixels = np.arange(45, dtype=np.float32)
    slab = in_file(pixels, panels)
    assert slab.shape == (9, 5)
    assert np.shares_memory(slab, pixels)
    apart = in_file(pixels, [*panels[:2], replace(panels[2], place=(6, 0))])
    assert apart.shape == (10, 5)
    assert (apart[5] == 0).all()
    assert (np.delete(apart, 5, axis=0) == slab).all()
    swapped = in_file(pixels, [replace(p, place=at) for p, at in zip(panels, [(6, 0), (4, 0), (0, 0)], strict=True)])
    assert (swapped[6:] == pixels[:15].reshape(3, 5)).all()


def test_what_holds_no_stack_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Before the work where it was asked for; else it is not written, and that is told."""
    made = simulate(stacked())
    for name in ("a.cbf", "a.tif", "a.img"):
        with pytest.raises(InputError, match="found 3 panels in a stack, expected panels with a place"):
            made.noisy(seed=1).write(tmp_path / name)
    made.write(tmp_path / "a.npy")
    assert np.load(tmp_path / "a.npy").shape == (3, 20, 30)
    config = tmp_path / "a.toml"
    stacked().to_toml(config)
    words = ["-config", str(config), "-noprogress", "-floatfile", str(tmp_path / "b.npy")]
    assert main([*words, "-noisefile", str(tmp_path / "b.cbf")]) == 9
    assert "-noisefile: found" in capsys.readouterr().err
    assert not (tmp_path / "b.npy").exists()
    assert main([*words, "-noisefile", str(tmp_path / "b.h5")]) in (0, None)
    assert "not written, since the panels are in a stack and not in a slab: intfile, pgmfile" in capsys.readouterr().out
    np.testing.assert_array_equal(np.load(tmp_path / "b.npy"), made.data)
    assert read_image(tmp_path / "b.h5").shape == (60, 30)


@pytest.mark.parametrize("experiment", [EXPERIMENT, stacked()], ids=["slab", "stack"])
def test_a_crystfel_geometry_is_read_back(experiment: Experiment, tmp_path: Path) -> None:
    """To 1e-9 m, rectangular pixels and sheared axes too; the places are those of the NXmx file."""
    made = resolve(experiment)
    file = tmp_path / "a.geom"
    write_geom(file, made)
    again = read_back(file)
    turn = laboratory_to_nexus(made.geometry)
    for one, other in zip(made.scene.panels, again.scene.panels, strict=True):
        assert (one.shape, one.name) == (other.shape, other.name)
        corners = [0, one.shape[1], 0], [0, 0, one.shape[0]]
        np.testing.assert_allclose(other.at(*corners) @ TO_NEXUS.T, one.at(*corners) @ turn.T, atol=1e-9)
        assert other.place == flattened(made.scene.panels)[made.scene.panels.index(one)].place
    assert again.radiation.wavelength == pytest.approx(made.radiation.wavelength, rel=1e-9)


def test_dials_models_are_read_back(tmp_path: Path) -> None:
    """With the groups; axes that are not at right angles are refused, since DIALS does not take them."""
    straight = tuple(
        replace(panel, slow_axis=(0, -1, 0), fast_axis=(0, 0, 1), group=f"q{number // 2}")
        for number, panel in enumerate(PANELS)
    )
    made = resolve(replace(EXPERIMENT, detector=Detector(panels=straight)))
    file = tmp_path / "a.expt"
    write_expt(file, made)
    again = read_back(file)
    for one, other in zip(made.scene.panels, again.scene.panels, strict=True):
        corners = [0, one.shape[1], 0], [0, 0, one.shape[0]]
        turned = one.at(*corners) @ laboratory_to_nexus(made.geometry).T
        np.testing.assert_allclose(other.at(*corners) @ np.diag([-1.0, 1.0, -1.0]), turned, atol=1e-9)
        assert (one.shape, one.name, one.place) == (other.shape, other.name, other.place)
    groups = json.loads(file.read_text())["detector"][0]["hierarchy"]["children"]
    assert [(group["name"], group["children"]) for group in groups] == [
        ("q0", [{"panel": 0}, {"panel": 1}]),
        ("q1", [{"panel": 2}]),
    ]
    with pytest.raises(InputError, match="found axes of panel far that are not at right angles"):
        write_expt(file, resolve(replace(EXPERIMENT, detector=DETECTOR)))


def test_dials_models_have_masks_gains_and_what_absorbs(tmp_path: Path) -> None:
    """Else spots on masked pixels count, and are looked for where rays enter the sensor."""
    panels = tuple(
        replace(panel, slow_axis=(0, -1, 0), fast_axis=(0, 0, 1), gain=1.0 + number, bad=bad)
        for number, (panel, bad) in enumerate(
            zip(PANELS, (((0, 3, 5, 9), (4, 4, 9, 9), (48, 49, 0, 29)), (), ((0, 59, 0, 9),)), strict=True)
        )
    )
    for sensor, mu, strategy in (
        ({}, 0.0, "SimplePxMmStrategy"),
        ({"thickness": 450.0, "attenuation_depth": 250.0}, 4.0, "ParallaxCorrectionPxMmStrategy"),
    ):
        made = resolve(replace(EXPERIMENT, detector=Detector(panels=panels, **sensor)))
        file = tmp_path / "a.expt"
        write_expt(file, made)
        said = json.loads(file.read_text())["detector"][0]["panels"]
        assert sorted(said[0]["mask"]) == [[0, 5, 4, 9], [0, 9, 5, 10], [48, 0, 50, 30]]
        assert [panel["mask"] for panel in said[1:]] == [[], [[0, 0, 60, 10]]]
        assert {panel["px_mm_strategy"]["type"] for panel in said} == {strategy}
        assert [panel["mu"] for panel in said] == pytest.approx([mu] * 3)
        assert [panel["thickness"] for panel in said] == pytest.approx([sensor.get("thickness", 0.0) / 1000] * 3)
        for one, other in zip(made.scene.panels, read_back(file).scene.panels, strict=True):
            assert one.gain == other.gain
            unused = [np.zeros(one.shape, bool) if p.mask is None else p.mask == 0 for p in (one, other)]
            np.testing.assert_array_equal(*unused)


def test_any_mask_is_made_of_rectangles() -> None:
    """That do not overlap, and are few where rows are alike."""
    rng = np.random.default_rng(7)
    for masked in (*(rng.random((17, 23)) < share for share in (0.0, 0.1, 0.6, 1.0)), np.zeros((3, 4), bool)):
        covered = np.zeros(masked.shape, int)
        for f0, s0, f1, s1 in (rectangles := _rectangles(masked)):
            covered[s0:s1, f0:f1] += 1
        np.testing.assert_array_equal(covered, masked.astype(int))
        assert len(rectangles) == 1 or not masked.all()


@pytest.mark.parametrize(
    ("item", "value", "sentence"),
    [
        ("data_origin", [1.0], "found 1 in {}, expected two or three whole numbers from 0 on"),
        ("data_origin", [-5, 0], "found -5 0 in {}"),
        ("data_size", [10**9, 10], r"found 1e\+09 10 in {}, expected two or three whole numbers from 1 on"),
        ("data_size", [0, 10], "found 0 10 in {}"),
        ("gain", "high", "found no numbers in {}"),
        ("fast_pixel_direction", None, "found no fast_pixel_direction in /entry/instrument/detector/module_1"),
    ],
)
def test_mistakes_of_a_module_are_named(item: str, value: Any, sentence: str, image: Image, tmp_path: Path) -> None:
    """By its path: a panel that is left out, or somewhere else in the data, would be an image without a word."""
    image.noisy(seed=1).write(tmp_path / "a.h5")
    name = f"/entry/instrument/detector/module_1/{item}"
    with h5py.File(tmp_path / "a.h5", "r+") as content:
        if name in content:
            del content[name]
        if value is not None:
            content[name] = value
    with pytest.raises(InputError, match=sentence.format(name)) as caught:
        read_back(tmp_path / "a.h5")
    assert "\n" not in str(caught.value)


def test_gains_of_modules_are_read_back(tmp_path: Path) -> None:
    """And sensors that NXmx cannot tell apart are said: it has one for all modules."""
    panels = tuple(
        replace(panel, gain=2.5 if number else 1.0, sensor_thickness=100.0 * (1 + number))
        for number, panel in enumerate(PANELS)
    )
    image = simulate(replace(EXPERIMENT, detector=Detector(panels=panels))).noisy(seed=1)
    with pytest.warns(UserWarning, match=r"it tells the sensor of the first panel, 100 um of Si, and there are 3"):
        image.write(tmp_path / "a.h5")
    assert [panel.gain for panel in read_back(tmp_path / "a.h5").scene.panels] == [1.0, 2.5, 2.5]
    with h5py.File(tmp_path / "a.h5") as content:
        detector = content["entry/instrument/detector"]
        assert "gain" not in detector["module_0"]
        assert detector["module_1/gain"][()] == 2.5


# ---- pictures ---------------------------------------------------------------------------------------------


def test_a_picture_shows_the_detector_along_the_beam(image: Image) -> None:
    """Every panel where it is seen, gaps between them; -png_raw the file's array."""
    picture, view = assembled(image.data, image.resolved)
    for panel in image.panels:
        slow, fast = np.unravel_index(np.argmax(panel.pixels), panel.pixels.shape)
        right, down = view.of(panel.geometry.at(fast + 0.5, slow + 0.5)[None])[0]
        assert picture[int(down), int(right)] == panel.pixels[slow, fast]
    assert 0.05 < np.isnan(picture).mean() < 0.7
    right, down = view.of(np.array([[0.1, 0.0, 0.001], [0.1, 0.001, 0.0], [0.2, 0.0, 0.0]])).T
    assert (right[0] > right[1], down[0] > down[1]) == (True, True)  # the polarization to the right, y up
    assert np.array([right[2], down[2]]) == pytest.approx(view.of(np.zeros((1, 3)))[0])
    drawn = np.array(PIL.Image.open(io.BytesIO(png_bytes(image.data, image.resolved, Marks(rings="auto", beam=True)))))
    assert drawn.shape == (*picture.shape, 3)
    raw = np.array(PIL.Image.open(io.BytesIO(png_bytes(image.data, image.resolved, Marks(raw=True)))))
    assert raw.shape[:2] == (70, 62)
    assert image._repr_png_() is not None


def test_view_shows_a_file_of_panels_along_the_beam(image: Image, tmp_path: Path) -> None:
    """And a file without geometry as it is."""
    counts = image.noisy(seed=1)
    seen = assembled(counts.data, counts.resolved)[0]
    for name, shape in (("a.h5", seen.shape), ("a.npy", (70, 62))):
        counts.write(tmp_path / name)
        assert main(["view", str(tmp_path / name), "-o", str(tmp_path / "a.png")]) in (0, None)
        assert np.array(PIL.Image.open(tmp_path / "a.png")).shape[:2] == shape


@pytest.mark.parametrize("name", ["a.npy", "a.bin"])
@pytest.mark.parametrize("geometry", ["a.geom", "a.expt", "other.geom"])
def test_view_takes_panels_from_a_geometry_beside_the_image(
    name: str, geometry: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Else a slab of tilted panels is all that there is to see of formats without geometry."""
    panels = (replace(PANELS[0], bad=((0, 3, 0, 3),)), replace(PANELS[1], slow_axis=(0, -1, 0)))
    image = simulate(replace(EXPERIMENT, detector=Detector(panels=panels)))
    image.write(tmp_path / name)
    (write_geom if geometry.endswith(".geom") else write_expt)(tmp_path / geometry, image.resolved)
    words = ["view", str(tmp_path / name), "-o", str(tmp_path / "p.png")]
    if geometry.startswith("other"):
        words += ["-img", str(tmp_path / geometry)]
    assert main(words) == 0
    assert f"2 panels where {tmp_path / geometry} has them" in capsys.readouterr().out
    seen = png_bytes(assembled(image.data, image.resolved)[0])
    picture, expected = (np.array(PIL.Image.open(file)).astype(int) for file in (tmp_path / "p.png", io.BytesIO(seen)))
    assert picture.shape == expected.shape
    assert (np.abs(picture - expected).max(axis=-1) > 8).mean() < 0.02  # a pixel's edge may be rounded otherwise


def test_view_of_a_stack_needs_no_slab(tmp_path: Path) -> None:
    """In a NumPy file modules lie behind each other; their geometry has them below each other."""
    panels = tuple(replace(panel, shape=(30, 50), place=None, slow_axis=(0, -1, 0)) for panel in PANELS)
    image = simulate(replace(EXPERIMENT, detector=Detector(panels=panels)))
    image.write(tmp_path / "a.npy")
    assert np.load(tmp_path / "a.npy").shape == (3, 30, 50)
    sizes = []
    for geometry in (None, "a.geom"):
        if geometry:
            write_geom(tmp_path / geometry, image.resolved)
        assert main(["view", str(tmp_path / "a.npy"), "-o", str(tmp_path / "p.png")]) == 0
        with PIL.Image.open(tmp_path / "p.png") as picture:
            sizes.append(picture.size[::-1])
    assert sizes == [(90, 50), assembled(image.data, image.resolved)[0].shape]


def test_view_says_why_it_shows_the_files_array(
    image: Image, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image.write(tmp_path / "a.npy")
    (tmp_path / "a.geom").write_text("clen = 0.1\np0/min_fs = 0\n")
    assert main(["view", str(tmp_path / "a.npy"), "-o", str(tmp_path / "p.png")]) == 0
    (said, _) = capsys.readouterr().out.splitlines()
    assert "line 2" in said
    assert "the file's array is shown" in said
    write_geom(tmp_path / "b.geom", image.resolved)
    simulate(replace(EXPERIMENT, detector=Detector(shape=(8, 8)))).write(tmp_path / "c.npy")
    assert main(["view", str(tmp_path / "c.npy"), "-o", str(tmp_path / "p.png"), "-img", str(tmp_path / "b.geom")]) == 9
    assert "found 8 x 8 pixels, expected the 70 x 62 of the panels" in capsys.readouterr().err
    assert main(["view", str(tmp_path / "c.npy"), "-img"]) == 9
