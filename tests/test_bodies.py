"""Detectors of panels as users say them: each panel where it is said, all of them moved as one rigid body, and no quirk
of nanoBragg.c in the image. If one of these fails, spots are on other pixels than a user's own geometry puts them.
"""

from __future__ import annotations

import itertools
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

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
    ScenePanel,
    parse_words,
    read_config,
    render,
    resolve,
    write_config,
)
from nanobragg.derivatives import jacobian
from nanobragg.records.panel import panel_views

CRYSTAL = Crystal(cell=(50, 60, 70, 80, 95, 100), cells=4, default_F=100.0, misset=(10, 20, 30))
TILTED = (
    Panel(name="a", group="q0", shape=(6, 8), pixel_size=(0.1, 0.2), origin=(100, 1, 2), fast_axis=(0, 0.1, 3)),
    Panel(name="b", shape=(6, 8), origin=(101, -5, 2), fast_axis=(0, 0, 1), slow_axis=(0.2, -1, 0.1), gain=2.5),
    Panel(name="c", shape=(6, 8), origin=(-20, -80, 2), fast_axis=(0, 0, 1), slow_axis=(1, 0.1, 0), place=None),
)
"""The beam meets none of them, and comes nearest to the first one; the last one is behind the sample."""


def resolved(detector: Detector, **parts: Any) -> Resolved:
    return resolve(Experiment(**{"crystal": CRYSTAL, "detector": detector, "beam": Beam(wavelength=1.0), **parts}))


def corners(found: Resolved | Detector) -> NDArray[np.float64]:
    """(panels × 4, 3) m."""
    scene = (resolved(found) if isinstance(found, Detector) else found).scene
    return np.concatenate([p.at([0, p.shape[1], 0, p.shape[1]], [0, 0, p.shape[0], p.shape[0]]) for p in scene.panels])


def scenes_differ(one: Resolved, other: Resolved) -> list[str]:
    """Fields in which two Scenes differ, in anything."""

    def content(value: Any) -> Any:
        if isinstance(value, tuple) and value and isinstance(value[0], ScenePanel):
            return [[content(getattr(panel, f.name)) for f in fields(panel)] for panel in value]
        return value.tolist() if isinstance(value, np.ndarray) else value

    names = [f.name for f in fields(one.scene)]
    return [name for name in names if content(getattr(one.scene, name)) != content(getattr(other.scene, name))]


# ---- what is said -----------------------------------------------------------------------------------------


def test_panels_stand_where_they_are_said() -> None:
    """Axes of any length, not at right angles, rectangular pixels, behind the sample."""
    a, b, c = resolved(Detector(panels=TILTED)).scene.panels
    np.testing.assert_allclose(a.at(2, 3), [0.1, 1e-3, 2e-3] + 2e-4 * np.array([0, 0.1, 3]) / np.hypot(0.1, 3)
                               + 6e-4 * np.array([0, -1, 0]), atol=1e-15)  # fmt: skip
    np.testing.assert_allclose(b.at(0, 5), [0.101, -5e-3, 2e-3] + 5e-4 * np.array([0.2, -1, 0.1]) / np.sqrt(1.05))
    assert (a.name, a.group, a.place, b.place, b.gain) == ("a", "q0", (0, 0, 0), (1, 0, 0), 2.5)
    for panel in (a, b, c):
        assert panel.normal @ panel.origin == pytest.approx(panel.close_distance)
        assert panel.close_distance > 0
        assert abs(panel.normal @ panel.fast) + abs(panel.normal @ panel.slow) < 1e-15
        assert np.linalg.norm([panel.fast, panel.slow, panel.normal], axis=1) == pytest.approx(1.0)


def test_places_in_the_files_array_where_nobody_says_them() -> None:
    """A stack of panels of one shape; else a slab, each below the other."""
    panels = (Panel(shape=(4, 5), origin=(90, 0, 0)), Panel(shape=(3, 9), origin=(95, 0, 0)))
    found = resolved(Detector(panels=panels, pixel_size=0.2)).scene.panels
    assert [panel.place for panel in found] == [(0, 0), (4, 0)]
    assert [panel.name for panel in found] == ["p0", "p1"]
    assert {panel.pixel_size for panel in found} == {(2e-4, 2e-4)}
    (one,) = resolved(Detector(panels=panels[:1])).scene.panels
    assert one.place == (0, 0)


def test_masks_and_bad_regions_of_a_panel(tmp_path: Path) -> None:
    """By array, by file, by regions; and the detector's own mask besides, as a stack."""
    flags = np.ones((6, 8), np.int32)
    flags[2, 3] = 0
    np.save(tmp_path / "mask.npy", flags)
    for mask in (flags, tmp_path / "mask.npy"):
        panels = (replace(TILTED[0], mask=mask, bad=[(0, 1, 4, 5)]), TILTED[1])
        whole = np.ones((2, 6, 8), bool)
        whole[1, 0] = False
        a, b = resolved(Detector(panels=panels, mask=whole)).scene.panels
        assert a.mask is not None
        assert b.mask is not None
        assert np.argwhere(a.mask == 0).tolist() == [[2, 3], [4, 0], [4, 1], [5, 0], [5, 1]]
        assert np.argwhere(b.mask == 0)[:, 0].tolist() == [0] * 8


def test_a_mask_is_cut_as_the_files_array_has_the_panels() -> None:
    panels = (replace(TILTED[0], place=(0, 10)), replace(TILTED[1], place=(20, 0)))
    mask = np.ones((26, 18), np.uint8)
    mask[1, 12] = mask[25, 7] = 0
    a, b = resolved(Detector(panels=panels, mask=mask)).scene.panels
    assert a.mask is not None
    assert b.mask is not None
    assert np.argwhere(a.mask == 0).tolist() == [[1, 2]]
    assert np.argwhere(b.mask == 0).tolist() == [[5, 7]]


def test_the_geometry_of_a_masks_header_is_not_used(tmp_path: Path) -> None:
    """It is that of one flat detector; its pixels are."""
    flat = Experiment(crystal=CRYSTAL, detector=Detector(shape=(6, 8), distance=77.0))
    pixels = np.ones((6, 8), np.int32)
    pixels[2, 1] = 0
    image = Image(np.zeros((6, 8), np.float32), resolve(flat)).integers()
    replace(image, data=pixels).write(tmp_path / "mask.img")
    found = resolved(Detector(panels=(replace(TILTED[0], place=(0, 0)),), mask=tmp_path / "mask.img"))
    (panel,) = found.scene.panels
    assert panel.origin.tolist() == [0.1, 0.001, 0.002]
    assert panel.mask is not None
    assert np.argwhere(panel.mask == 0).tolist() == [[2, 1]]
    assert any("its distance and beam centre are not used" in warning for warning in found.warnings)


def test_toml_has_panels_as_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is written is read number for number; masks of panels are relative to the file."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "inner").mkdir()
    np.save(tmp_path / "inner" / "mask.npy", np.arange(48).reshape(6, 8))
    detector = Detector(panels=(replace(TILTED[0], mask="inner/mask.npy"), *TILTED[1:]), distance=90.0, rotx=3.0)
    experiment = Experiment(crystal=CRYSTAL, detector=detector)
    experiment.to_toml("inner/run.toml")
    text = Path("inner/run.toml").read_text()
    assert text.count("[[detector.panels]]") == 3
    assert 'mask = "mask.npy"' in text
    assert not scenes_differ(resolve(experiment), resolve(Experiment.from_toml("inner/run.toml")))
    run = read_config("inner/run.toml")
    write_config(run, "inner/again.toml", like="inner/run.toml")
    assert Path("inner/again.toml").read_text() == text
    write_config(run, "elsewhere.toml", like="inner/run.toml")
    assert 'mask = "inner/mask.npy"' in Path("elsewhere.toml").read_text()
    assert not scenes_differ(resolve(experiment), resolve(Experiment.from_toml("elsewhere.toml")))


def test_toml_of_other_panels_keeps_what_was_there_as_a_comment(tmp_path: Path) -> None:
    one, other = tmp_path / "a.toml", tmp_path / "b.toml"
    Experiment(crystal=CRYSTAL, detector=Detector(panels=TILTED)).to_toml(one)
    run = read_config(one)
    few = replace(run.experiment.detector, panels=TILTED[1:2])
    write_config(replace(run, experiment=replace(run.experiment, detector=few)), other, like=one)
    assert "# [[detector.panels]]" in other.read_text()
    assert [panel.name for panel in read_config(other).experiment.detector.panels or ()] == ["b"]


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        ("shape = [2, 0]\norigin = [1, 2, 3]", r"found \[2, 0\] as the shape of panel 0, expected two whole numbers"),
        ("shape = [2, 2]\norigin = [1, 2]", r"found \[1, 2\] as the origin of panel 0, expected three .* \(mm\)"),
        ("size = 3", "found the key 'size' in number 0, expected one of name, group"),
    ],
)
def test_mistakes_in_toml_are_named(table: str, sentence: str, tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text(f"[[detector.panels]]\n{table}\n")
    with pytest.raises(InputError, match=rf"a\.toml: detector\.panels: {sentence}"):
        read_config(path)


# ---- what moves -------------------------------------------------------------------------------------------

AXES = {"origin": (0, 0, 0), "fast_axis": (0, 0, 1), "slow_axis": (0, -1, 0)}
MOVES: dict[str, dict[str, Any]] = {
    "distance": {"distance": 300.0},
    "close": {"close_distance": 50.0},
    "beam": {"beam_x": 1.3, "beam_y": -2.7},
    "origin": {"orgx": 3.0, "orgy": 12.5},
    "near": {"close_x": 3.0, "close_y": 1.5},
    "turned": {"rotx": 10.0, "roty": -20.0, "rotz": 30.0},
    "swung": {"twotheta": 25.0},
    "all": {"distance": 77.0, "beam_x": 1.0, "rotz": 3.0, "twotheta": 2.0, "pivot": "beam"},
}


@pytest.mark.parametrize("convention", [None, "mosflm", "xds", "adxv", "denzo", "dials", "custom"])
@pytest.mark.parametrize("move", MOVES.values(), ids=MOVES)
def test_all_panels_move_as_one_rigid_body(convention: Any, move: dict[str, Any]) -> None:
    """No distance between two pixels changes, and nothing becomes its mirror image."""
    panels = TILTED
    if convention in ("xds", "adxv", "dials"):  # the beam is along z
        panels = tuple(
            replace(panel, **{name: np.roll(getattr(panel, name) or unset, -1) for name, unset in AXES.items()})
            for panel in panels
        )
    stay = Detector(panels=panels, convention=convention)
    before, after = corners(stay), corners(replace(stay, **move))
    assert np.abs(after - before).max() > 1e-4
    edges = [points[1:] - points[0] for points in (before, after)]
    np.testing.assert_allclose(edges[1] @ edges[1].T, edges[0] @ edges[0].T, atol=1e-14)
    volumes = [np.linalg.det(points[[0, 1, 4]]) for points in edges]
    assert volumes[1] == pytest.approx(volumes[0])
    assert abs(volumes[0]) > 1e-12


def test_what_is_said_is_so_afterwards() -> None:
    """Distance and beam centre are those of the plane of the panel nearest to the beam."""
    panels = (
        Panel(name="far", shape=(9, 9), origin=(120, 50, 50)),
        Panel(name="near", shape=(9, 9), origin=(90, 3, 1)),
    )
    for number, (convention, f, s) in enumerate([("xds", 1.5, 2.5), ("mosflm", 2.55, 1.55), ("denzo", 2.5, 1.5)]):
        frame = {"fast_axis": (1, 0, 0), "slow_axis": (0, 1, 0)} if convention == "xds" else {}
        said = tuple(replace(panel, **frame) for panel in panels)
        if convention == "xds":
            said = tuple(replace(p, origin=(p.origin[1], p.origin[2], p.origin[0])) for p in said if p.origin)
        detector = Detector(panels=said, convention=convention, distance=200.0, beam_x=1.5, beam_y=2.5)  # type: ignore[arg-type]
        found = resolved(detector)
        near = found.scene.panels[1]
        np.testing.assert_allclose(near.at(f / 0.1, s / 0.1), 0.2 * np.array(found.geometry.beam), atol=1e-15)
        assert found.geometry.distance == pytest.approx(0.2)
        assert (found.geometry.Xbeam, found.geometry.Ybeam) == pytest.approx((1.5e-3, 2.5e-3)), number
        assert (found.geometry.Fbeam, found.geometry.Sbeam) == pytest.approx((f / 1e3, s / 1e3))


def test_the_pivot_stays_in_place() -> None:
    """The sample, or where the beam meets the plane."""
    one = Detector(panels=(Panel(shape=(9, 9), origin=(90, 3, 1)),), rotx=7.0, roty=20.0)
    before = resolved(replace(one, rotx=0.0, roty=0.0))
    at = [before.geometry.Fbeam * 1e4, before.geometry.Sbeam * 1e4]
    about_beam, about_sample = (resolved(replace(one, pivot=pivot)).scene.panels[0] for pivot in ("beam", "sample"))
    np.testing.assert_allclose(about_beam.at(*at), [0.09, 0, 0], atol=1e-15)
    assert about_sample.close_distance == pytest.approx(before.scene.panels[0].close_distance)
    assert np.linalg.norm(about_sample.origin) == pytest.approx(np.linalg.norm(before.scene.panels[0].origin))
    assert about_beam.close_distance != pytest.approx(0.09)


def test_origin_and_close_distance_are_those_of_the_near_point() -> None:
    panel = Panel(shape=(9, 9), origin=(90, 3, 1), fast_axis=(0.5, 0, 1), slow_axis=(0, -1, 0))
    found = resolved(Detector(panels=(panel,), orgx=4.5, orgy=-2.0, close_distance=60.0))
    (there,) = found.scene.panels
    assert there.close_distance == pytest.approx(0.06)
    np.testing.assert_allclose(there.at(4.0, -2.5), 0.06 * there.normal, atol=1e-15)
    assert (found.geometry.orgx, found.geometry.orgy) == pytest.approx((4.5, -2.0))


def test_nothing_said_moves_nothing() -> None:
    """Not even by rounding: positions are compared with other programs' to the last digit."""
    found = resolved(Detector(panels=TILTED)).scene.panels
    for panel, said in zip(found, TILTED, strict=True):
        assert panel.origin.tolist() == [x / 1000.0 for x in said.origin or ()]


# ---- one panel cut into tiles -----------------------------------------------------------------------------


def test_tiles_have_the_image_of_the_whole() -> None:
    """However a panel is cut, its pixels have the same photons, to the last bit."""
    rng = np.random.default_rng(4)
    whole = Panel(shape=(24, 30), pixel_size=1.0, origin=(60, 14, -12), fast_axis=(0.1, 0, 1), slow_axis=(0.05, -1, 0))
    scene = resolved(Detector(panels=(whole,))).scene
    image = render(scene)[0]
    for _ in range(4):
        rows, columns = (sorted({0, size, *rng.integers(1, size, 2).tolist()}) for size in (24, 30))
        tiles = [
            replace(
                whole,
                name=f"{s}-{f}",
                shape=(s_end - s, f_end - f),
                place=(s, f),
                origin=tuple(1000.0 * scene.panels[0].at(f, s)),
            )
            for s, s_end in itertools.pairwise(rows)
            for f, f_end in itertools.pairwise(columns)
        ]
        order = rng.permutation(len(tiles))
        cut = resolved(Detector(panels=tuple(tiles[i] for i in order))).scene
        for view, panel in zip(panel_views(render(cut), cut.panels), cut.panels, strict=True):
            s, f = panel.place
            assert (view == image[s : s + panel.shape[0], f : f + panel.shape[1]]).all()


# ---- quirks -----------------------------------------------------------------------------------------------

SKEWED = replace(CRYSTAL, cell=(50, 60, 70, 57, 57, 57))
TOUCHY: list[dict[str, Any]] = [
    {"detector": {"pix0": None, "distance": 90.0, "twotheta": 5.0, "pivot": "beam", "convention": "mosflm"}},
    {"sampling": Sampling(oversample=3), "detector": {"thickness": 300.0, "attenuation_depth": 100.0, "layers": 4}},
    {"sampling": Sampling(oversample=2, oversample_omega=True, oversample_polar=True, oversample_thick=True)},
    {"crystal": replace(CRYSTAL, water=20.0, mosaic_spread=0.5, mosaic_domains=4, cells=2)},
    {"beam": Beam(wavelength=1.0, sources=np.array([[-1, 0, 0, 1, 1e-10], [-1, 0.01, 0, 5, 1.1e-10]]))},
    {"sampling": Sampling(phi=1.0, oscillation=2.0, phi_steps=3), "crystal": SKEWED},
]


@pytest.mark.parametrize("said", TOUCHY, ids=range(len(TOUCHY)))
def test_no_quirk_touches_a_detector_of_panels(said: dict[str, Any]) -> None:
    """Its image is that of physics, whatever -quirks says, and no line claims otherwise."""
    detector = Detector(panels=TILTED[:2], **said.get("detector", {}))
    parts = {name: part for name, part in said.items() if name != "detector"}
    kept, none = (resolved(detector, quirks=quirks, **parts) for quirks in ("all", "none"))
    assert scenes_differ(kept, none) == []
    assert kept.quirks == ()
    assert kept.experiment.quirks == "none"  # which SMV files are written by
    assert (kept.random_state, kept.warnings) == (none.random_state, none.warnings)


@pytest.mark.parametrize("words", ["-twotheta_axis 3 0 0", "-misset_seed 1 2 3", "-curved_det"])
def test_no_quirk_of_words_touches_one_either(words: str) -> None:
    run = parse_words(f"-detector CSPAD -cell 50 60 70 {words}")
    assert run.parse_quirks == ()
    assert run.experiment.detector.twotheta is None
    assert run.experiment.crystal.misset is None
    assert run.experiment.detector.curved == (words == "-curved_det")


def test_one_flat_panel_keeps_its_quirks() -> None:
    """The same detector, said as nanoBragg.c does, is nanoBragg.c's."""
    flat = resolved(Detector(shape=(6, 8), distance=90.0), sampling=Sampling(oversample=2))
    assert "first_subpixel_factors" in dict(flat.quirks)


# ---- what is refused --------------------------------------------------------------------------------------

ONE = Panel(shape=(3, 4), origin=(100, 0, 0))
ALONG = replace(ONE, fast_axis=(1, 0, 0), origin=(9, 9, 9))


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ({"panels": []}, r"detector\.panels: found \[\], expected a list of Panels"),
        ({"panels": [3]}, r"detector\.panels: found 3 as number 0, expected a list of Panels"),
        ({"panels": ONE}, r"detector\.panels: found Panel\(.*, expected a list of Panels"),
        ({"panels": [Panel(shape=(3, 4))]}, r"detector\.panels: found no origin of panel p0, expected one"),
        ({"panels": [Panel(origin=(3, 4, 5))]}, r"detector\.panels: found no shape of panel p0, expected one"),
        ({"panels": [replace(ONE, fast_axis=(0, 0, 0))]}, "fast_axis of panel p0: found a vector of length 0"),
        ({"panels": [replace(ONE, fast_axis=(0, 1, 0))]}, "panel p0: found fast and slow axes along one line"),
        ({"panels": [replace(ONE, origin=(0, 1, 0))]}, "panel p0: found a plane that goes through the sample"),
        ({"panels": [replace(ONE, name="a"), replace(ONE, name="a")]}, r"detector\.panels: found two panels a"),
        ({"panels": [ONE, replace(ONE, place=(0, 0))]}, r"detector\.panels: found places in the file's array for some"),
        ({"panels": [replace(ONE, place=(0, 0)), replace(ONE, place=(2, 3))]}, "found p0 and p1 at one place"),
        ({"panels": [replace(ONE, place=(0, 0)), replace(ONE, place=(1, 0, 0))]}, "places in a slab and in a stack"),
        ({"panels": [replace(ONE, bad=[(0, 4, 0, 0)])]}, "panel p0: found the bad region 0 4 0 0, expected .* 4 x 3"),
        ({"panels": [replace(ONE, mask=np.ones((4, 3)))]}, r"panel p0: found a mask of 4 x 3 pixels, expected 3 x 4"),
        ({"panels": [ONE], "mask": np.ones((2, 4))}, "-mask: found 2 x 4 pixels in an array, expected .* panel p0"),
        ({"panels": [ONE], "curved": True}, "-curved_det: found it with a detector of panels"),
        ({"panels": [ONE], "shape": (3, 4)}, r"-detpixels: found it with the panels of detector\.panels"),
        ({"panels": [ONE], "pix0": (1, 2, 3)}, r"-pix0_vector: found it with the panels of detector\.panels"),
        ({"panels": [ONE], "name": "CSPAD"}, "-detector: found it with panels, expected one of them"),
        ({"panels": [ONE], "header": "a.geom"}, r"a\.geom"),
        ({"panels": [ALONG], "distance": 1.0}, "-distance: found 1.0 and a detector along the beam"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_one_sentence(said: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence) as caught:
        resolved(Detector(**said))
    assert "\n" not in str(caught.value)


def test_derivatives_of_a_detector_of_panels_are_those_of_its_image() -> None:
    """Without quirks, as the image itself, whatever -quirks says."""
    parts: dict[str, Any] = {"beam": Beam(wavelength=1.0), "sampling": Sampling(oversample=2)}
    experiment = Experiment(crystal=CRYSTAL, detector=Detector(panels=TILTED[:2]), **parts)
    image, columns = jacobian(experiment, ["crystal.misset[0]"])
    np.testing.assert_allclose(image, render(resolve(experiment).scene), rtol=2e-6)
    without = jacobian(replace(experiment, quirks="none"), ["crystal.misset[0]"])
    assert (columns == without[1]).all()
    assert np.abs(columns).max() > 0
