"""Ground truth: whoever tests a spot finder or integrator against it must not be misled."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from nanobragg import Beam, Crystal, Detector, Image, InputError, Sampling, simulate
from nanobragg.io.tables import write_truth
from nanobragg.results.truth import COLUMNS, _corner, truth


def _image(phi_steps: int = 1, **fields: object) -> Image:
    crystal = {"cell": (50, 60, 70, 80, 95, 100), "cells": 20, "misset": (10, 20, 30), "default_F": 100}
    return simulate(
        crystal=Crystal(**{**crystal, **fields}),  # type: ignore[arg-type]
        beam=Beam(wavelength=1.1, fluence=1e30),
        detector=Detector(shape=(300, 400), pixel_size=0.15, distance=80, convention="xds", rotx=8, roty=-5),
        sampling=Sampling(oversample=3, phi=3.0, oscillation=1.0, phi_steps=phi_steps),
        quirks="none",
    )


def _with(image: Image, **parts: dict[str, Any]) -> Image:
    """An image's experiment with some fields changed."""
    experiment = image.resolved.experiment
    return simulate(replace(experiment, **{k: replace(getattr(experiment, k), **v) for k, v in parts.items()}))


@pytest.fixture(scope="module", params=[1, 6], ids=["still", "rotation"])
def image(request: pytest.FixtureRequest) -> Image:
    return _image(request.param)


def _whole(table: np.ndarray) -> np.ndarray:
    """Reflections that neither the edge nor a neighbour disturbs."""
    inside = (table["fast"] > 8) & (table["fast"] < 392) & (table["slow"] > 8) & (table["slow"] < 292)
    return table[inside & ~table["overlap"]]


def _spots(table: np.ndarray) -> np.ndarray:
    return _whole(table[table["intensity"] > 0.3 * table["intensity"].max()])


def test_predicted_centroids_are_those_of_the_spots(image: Image) -> None:
    """Against the centre of mass of what was rendered, which pixels of this size know to a third of one."""
    spots = _spots(image.truth())
    assert len(spots) > 10
    misses = []
    for spot in spots:
        f, s = int(spot["fast"]), int(spot["slow"])
        box = image.data[s - 4 : s + 5, f - 4 : f + 5].astype(float)
        box[box < 0.05 * box.max()] = 0.0
        slow, fast = np.indices(box.shape)
        centre = (box * fast).sum() / box.sum() + f - 3.5, (box * slow).sum() / box.sum() + s - 3.5
        misses.append(np.subtract(centre, (spot["fast"], spot["slow"])))
    assert np.abs(misses).max() < 0.4
    assert np.abs(np.mean(misses, axis=0)).max() < 0.06


def _assert_complete(image: Image) -> None:
    """The brightest spots are in the table."""
    table = image.truth()
    peaks = image.data.copy()
    for _ in range(15):
        s, f = np.unravel_index(int(peaks.argmax()), peaks.shape)
        nearest = np.hypot(table["fast"] - f - 0.5, table["slow"] - s - 0.5).min()
        beam = image.resolved.geometry.Fbeam / 0.15e-3, image.resolved.geometry.Sbeam / 0.15e-3
        at_beam = np.hypot(beam[0] - f, beam[1] - s) < 15  # 0 0 0 is no reflection
        assert nearest < 1.5 or at_beam
        peaks[max(s - 5, 0) : s + 6, max(f - 5, 0) : f + 6] = 0


def test_every_strong_spot_is_in_the_table(image: Image) -> None:
    """A spot without an entry would count as a false positive of a good spot finder."""
    _assert_complete(image)


@pytest.mark.parametrize("cell", [(200, 25, 40), (25, 200, 40), (40, 25, 200)])
def test_every_strong_spot_of_a_long_axis_is_in_the_table(cell: tuple[float, float, float]) -> None:
    """Each index has limits of its own."""
    _assert_complete(_image(cell=(*cell, 90, 90, 90)))


def test_a_still_has_exactly_the_reflections_near_the_sphere_and_on_the_detector() -> None:
    """Each index up to 30 by hand, from the Scene's vectors: also those on the outermost pixels."""
    still = _image()
    scene, beam = still.resolved.scene, np.array(still.resolved.geometry.beam)
    (panel,) = scene.panels
    hkl = np.stack(np.meshgrid(*[np.arange(-30, 31)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    q = hkl @ np.linalg.inv(scene.orientations[0]).T * 1e-10
    rays = q + beam / 1.1
    excess = np.linalg.norm(rays, axis=1) - 1 / 1.1
    normal = np.cross(panel.fast, panel.slow)
    forward = rays @ normal > 0
    reach = np.where(forward, panel.origin @ normal / np.where(forward, rays @ normal, 1), 0)
    at = (rays * reach[:, None] - panel.origin) / panel.pixel_size[0]
    fast, slow = at @ panel.fast, at @ panel.slow
    near = forward & (fast >= 0) & (fast < 400) & (slow >= 0) & (slow < 300)
    near &= hkl.any(axis=1)
    three_half_widths = 3 * 0.5 * 0.886 / (20 * 50)  # for the shortest edge's transform
    for tolerance in (None, 0.01):
        on = near & (np.abs(excess) <= (tolerance or three_half_widths))
        table = still.truth(tolerance=tolerance)
        assert {tuple(row) for row in hkl[on]} == {(int(r["h"]), int(r["k"]), int(r["l"])) for r in table}
    assert min(fast[on].min(), slow[on].min()) < 1
    assert fast[on].max() > 399


def test_intensities_go_with_f_squared_and_are_counted_from_the_image(image: Image) -> None:
    spots = _spots(image.truth())
    again = _spots(_with(image, crystal={"default_F": 200}).truth())
    np.testing.assert_allclose(again["intensity"], 4 * spots["intensity"], rtol=1e-4)
    assert (spots["F"] == 100).all()
    spot = spots[0]
    radius = int((np.sqrt(spot["pixels"]) - 1) / 2)
    f, s = int(spot["fast"]), int(spot["slow"])
    total = image.data[s - radius : s + radius + 1, f - radius : f + radius + 1].astype(float).sum()
    assert spot["intensity"] == pytest.approx(total - spot["pixels"] * spot["background"], rel=1e-6)


def test_structure_factors_are_those_of_the_file(tmp_path: Path) -> None:
    """One F for every index, the default's where the file has none; who scales integrated intensities divides by it."""
    rng = np.random.default_rng(1)
    grid = rng.integers(50, 500, (25, 25, 25)) * (rng.random((25, 25, 25)) < 0.5)  # indices from -12 on; 0: not in it
    path = tmp_path / "some.hkl"
    path.write_text("".join(f"{h - 12} {k - 12} {i - 12} {grid[h, k, i]}\n" for h, k, i in np.argwhere(grid)))
    table = _image(structure_factors=path, default_F=7.0).truth()
    at = np.stack([table["h"], table["k"], table["l"]], axis=1) + 12
    inside = ((at >= 0) & (at < 25)).all(axis=1)
    assert inside.any()
    assert not inside.all()
    expected = np.zeros(len(table))
    expected[inside] = grid[tuple(at[inside].T)]
    expected[expected == 0] = 7
    np.testing.assert_array_equal(table["F"], expected)


@pytest.mark.parametrize(
    "beam",
    [
        {"dispersion": 1.0, "dispersion_steps": 40},
        {"horizontal_divergence": 4.0, "horizontal_divergence_steps": 9,
         "vertical_divergence": 4.0, "vertical_divergence_steps": 9},
    ],
    ids=["dispersion", "divergence"],
)  # fmt: skip
def test_partiality_tells_bright_from_faint_with_a_spread_beam(beam: dict[str, Any]) -> None:
    """A width without the beam's spread would call the brightest spots absent; one too wide, the faint ones whole."""
    table = _whole(_with(_image(), beam=beam).truth())

    def typical(low: float, high: float) -> float:
        return float(np.median(table["intensity"][(table["partiality"] > low) & (table["partiality"] <= high)]))

    full = typical(0.8, 1.0)
    assert 0.03 < typical(0.4, 0.6) / full < 0.5
    assert typical(0.0, 0.2) / full < 0.05


def test_the_resolution_of_the_corners_is_that_of_the_farthest_pixel(image: Image) -> None:
    """It bounds the indices that are looked at, and the spread of a reflection."""
    slow, fast = np.meshgrid(np.arange(301), np.arange(401), indexing="ij")
    at = image.resolved.scene.panels[0].at(fast, slow)
    two_theta = np.arccos(at @ np.array(image.resolved.geometry.beam) / np.linalg.norm(at, axis=-1))
    assert _corner(image.resolved) == pytest.approx(1.1 / (2 * np.sin(two_theta.max() / 2)), rel=1e-9)


def test_predicted_centroids_know_of_parallax(image: Image) -> None:
    """An indexer is tested on where spots are, in a sensor where it records them."""
    sensor = {"thickness": 1000.0, "attenuation_depth": 700.0, "layers": 3}
    thick = _with(image, detector=sensor)
    spots = [{tuple(row)[:3]: row for row in each.truth()} for each in (image, thick)]
    shifts = []
    for hkl in {tuple(row)[:3] for row in _spots(thick.truth())} & spots[0].keys():
        seen = []
        for each in (image, thick):
            f, s = int(spots[0][hkl]["fast"]), int(spots[0][hkl]["slow"])
            box = each.data[s - 7 : s + 8, f - 7 : f + 8].astype(float)
            slow, fast = np.indices(box.shape)
            seen.append(np.array([(box * fast).sum(), (box * slow).sum()]) / box.sum())
        told = [np.array([table[hkl]["fast"], table[hkl]["slow"]]) for table in spots]
        shifts.append(np.concatenate([seen[1] - seen[0], told[1] - told[0]]))
    moved = np.array(shifts)
    assert np.abs(moved[:, 2:]).max() > 0.9
    assert np.median(np.abs(moved[:, :2] - moved[:, 2:])) < 0.1


def test_phi_is_the_angle_at_which_a_reflection_is_brightest() -> None:
    """Whoever integrates in three dimensions needs it; turned the other way, other reflections would be listed."""
    steps = np.linspace(3.25, 7.75, 10)
    rotation = _with(_image(cells=40), sampling={"oscillation": 5.0, "phi_steps": 10, "oversample": 1})
    parts = [_with(rotation, sampling={"phi": float(phi), "oscillation": 0.0, "phi_steps": 1}).data for phi in steps]
    table = rotation.truth()
    table = table[~table["overlap"] & (table["pixels"] == 25) & (table["phi"] > 3.4) & (table["phi"] < 7.6)]
    sharp = 0
    for row in table[np.argsort(-table["intensity"])[:20]]:
        f, s = int(row["fast"]), int(row["slow"])
        sums = np.array([part[s - 2 : s + 3, f - 2 : f + 3].sum(dtype=float) for part in parts])
        if sums.max() > 0.9 * sums.sum():  # all in one step; the others pass through the sphere slowly
            sharp += 1
            assert steps[int(sums.argmax())] == pytest.approx(row["phi"])
    assert sharp > 12


def test_masked_and_unrendered_pixels_do_not_count(image: Image) -> None:
    whole = _spots(image.truth())
    mask = np.ones((300, 400), np.uint8)
    mask[:, ::2] = 0
    scene = image.resolved.scene
    panels = tuple(replace(panel, mask=mask) for panel in scene.panels)
    resolved = replace(image.resolved, scene=replace(scene, panels=panels))
    wild = np.where(mask != 0, image.data, np.float32(1e6))
    table = {tuple(row)[:3]: row for row in truth(resolved, wild)}
    for spot in whole:
        row = table[tuple(spot)[:3]]
        columns = np.arange(int(spot["fast"]) - 2, int(spot["fast"]) + 3)
        assert row["pixels"] == 5 * int((columns % 2).sum())
        assert row["intensity"] < spot["intensity"]


def test_the_footprint_grows_with_the_spot_in_pixels() -> None:
    """Three half widths of the transform, 0.443/1000 1/Å, at 80 mm and 1.1 Å: 5.8 pixels of 20 µm."""
    fine = _with(_image(), detector={"pixel_size": 0.02})
    pixels = fine.truth()["pixels"]
    assert pixels.max() == 13**2
    assert _image().truth()["pixels"].max() == 5**2  # never fewer


def test_the_resolution_limit_is_the_simulations() -> None:
    limited = _with(_image(), sampling={"dmin": 4.0})
    table = limited.truth()
    assert table["d"].min() / 0.999 >= 4.0
    assert _image().truth()["d"].min() < 3.0


def test_background_is_taken_off() -> None:
    dry = _spots(_image().truth())
    wet = {tuple(row)[:3]: row for row in _image(water=1.0).truth()}
    assert wet[tuple(dry[0])[:3]]["background"] > dry[0]["background"]
    for spot in dry:
        assert wet[tuple(spot)[:3]]["intensity"] == pytest.approx(spot["intensity"], rel=0.05)


def test_resolution_and_order(image: Image) -> None:
    """D by Bragg's law from the angle; low resolution first."""
    table = image.truth()
    near = np.abs(table["distance_to_ewald"]) < 1e-4
    bragg = 1.1 / (2 * np.sin(np.radians(table["two_theta"][near]) / 2))
    np.testing.assert_allclose(bragg, table["d"][near], rtol=2e-3)
    assert (np.diff(table["d"]) <= 0).all()
    assert table.dtype == COLUMNS


@pytest.mark.parametrize("extension", [".h5", ".csv", ".npy"])
def test_tables_read_back(extension: str, tmp_path: Path) -> None:
    table = _image().truth()
    path = tmp_path / f"t{extension}"
    write_truth(path, table)
    if extension == ".h5":
        with h5py.File(path) as file:
            columns = {name: item[()] for name, item in file["truth"].items()}
            assert file["truth/d"].attrs["units"] == "angstrom"
    elif extension == ".npy":
        loaded = np.load(path)
        columns = {name: loaded[name] for name in loaded.dtype.names}
    else:
        loaded = np.genfromtxt(path, delimiter=",", names=True)
        columns = {name: loaded[name] for name in loaded.dtype.names}
    assert set(columns) == set(COLUMNS.names or ())
    for name, values in columns.items():
        np.testing.assert_array_equal(values, table[name])


def test_mistakes_are_one_sentence(tmp_path: Path) -> None:
    image = _image()
    with pytest.raises(InputError, match="without noise"):
        image.noisy(seed=1).truth()
    curved = replace(image.resolved.experiment.detector, curved=True)
    with pytest.raises(InputError, match="curved"):
        simulate(replace(image.resolved.experiment, detector=curved)).truth()
    with pytest.raises(InputError, match=r"\.h5"):
        write_truth(tmp_path / "a.txt", image.truth())


def test_nothing_on_the_detector_is_an_empty_table() -> None:
    table = _image(cell=(5, 5, 5, 90, 90, 90), cells=500).truth()
    assert table.dtype == COLUMNS
    assert len(table) < 5


def test_on_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from nanobragg.cli import main

    monkeypatch.chdir(tmp_path)
    words = "-cell 70 80 90 90 90 90 -default_F 10 -N 10 -detpixels 100 -misset 10 20 30 -nonoise -nopgm -noprogress"
    assert main([*words.split(), "-truthfile", "t.h5"]) == 0
    assert "reflections" in capsys.readouterr().out
    assert (tmp_path / "t.h5").exists()
    assert main([*words.split(), "-truthfile", "t.txt"]) == 9
    assert "-truthfile" in capsys.readouterr().err
