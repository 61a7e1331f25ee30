"""Geometry and masks from other programs' files: a user who simulates a real experiment gets another one if these
fail.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import fabio
import fabio.edfimage
import fabio.tifimage
import h5py
import numpy as np
import pytest

from nanobragg import Beam, Crystal, Detector, Experiment, Image, InputError, Sampling, resolve, simulate
from nanobragg.inputs.words import parse_words
from nanobragg.io.geometry.any_file import read_file_geometry

CONVENTIONS = ["mosflm", "denzo", "adxv", "xds", "dials"]


def _experiment(**detector: object) -> Experiment:
    fields = {"shape": (40, 56), "pixel_size": 0.5, "distance": 80.0, "orgx": 20.3, "orgy": 25.8, "convention": "xds"}
    return Experiment(
        crystal=Crystal(cell=(50, 60, 70, 80, 95, 100), cells=4, misset=(10, 20, 30), default_F=100),
        beam=Beam(wavelength=1.1, fluence=1e30, polarization=0.9),
        detector=Detector(**{**fields, **detector}),  # type: ignore[arg-type]
        sampling=Sampling(phi=5.0, oscillation=1.0, phi_steps=3, oversample=1),
        quirks="none",
    )


def _only_file(path: Path, experiment: Experiment, **detector: object) -> Experiment:
    """The experiment with everything that the file should tell taken away."""
    return replace(
        experiment,
        detector=Detector(header=path, **detector),  # type: ignore[arg-type]
        beam=replace(experiment.beam, wavelength=None, polarization=0.0),
        sampling=replace(experiment.sampling, phi=None, oscillation=None),
        crystal=replace(experiment.crystal, cell=None, misset=None),
    )


TILTED = {"rotx": 7.0, "roty": -4.0, "rotz": 3.0, "twotheta": 12.0}


# ---- NeXus ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tilt", [{}, TILTED], ids=["flat", "tilted"])
def test_an_nxmx_file_repeats_its_own_simulation(tilt: dict[str, float], tmp_path: Path) -> None:
    """Detector, beam, spindle, crystal: all of it from the file, and the same image to 1e-5."""
    image = simulate(_experiment(**tilt))
    path = tmp_path / "a.nxs"
    image.write(path)
    again = simulate(_only_file(path, image.resolved.experiment))
    assert any("axes of detector" in note for note in again.resolved.notes)
    assert not any("odet" in warning for warning in again.resolved.warnings)
    np.testing.assert_allclose(again.data, image.data, rtol=1e-4, atol=1e-5 * image.data.max())


def test_rotations_and_offsets_in_a_nexus_chain(tmp_path: Path) -> None:
    """Beamlines place detectors by an arm: 2theta about y, then a translation along it, with an offset in mm."""
    simulate(_experiment()).write(tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        chain = file["entry/instrument/detector/transformations"]
        chain["distance"].attrs["depends_on"] = "two_theta"
        arm = chain.create_dataset("two_theta", data=30.0)
        arm.attrs.update({"transformation_type": "rotation", "vector": [0.0, 1.0, 0.0], "units": "deg"})
        arm.attrs.update({"depends_on": ".", "offset": [0.0, 0.0, 10.0], "offset_units": "mm"})
    (straight,) = simulate(_experiment()).resolved.scene.panels
    found = read_file_geometry(tmp_path / "a.h5")
    assert found.vectors is not None
    turn = np.array([[np.cos(np.pi / 6), 0, 0.5], [0, 1, 0], [-0.5, 0, np.cos(np.pi / 6)]])
    half = np.diag([-1.0, -1.0, 1.0])  # XDS' frame to NeXus'
    np.testing.assert_allclose(found.vectors.origin, turn @ half @ straight.origin * 1000 + [0, 0, 10])
    np.testing.assert_allclose(found.vectors.fast, turn @ half @ straight.fast, atol=1e-12)


def test_a_series_without_ends_is_as_wide_as_its_steps(tmp_path: Path) -> None:
    """Masters of some beamlines list the angles at which images start, and not those at which they end."""
    simulate(_experiment()).write(tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        angles = file["entry/sample/transformations"]
        attributes = dict(angles["omega"].attrs)
        del angles["omega"], angles["omega_end"]
        angles.create_dataset("omega", data=[30.0, 30.25, 30.5]).attrs.update(attributes)
    found = read_file_geometry(tmp_path / "a.h5")
    assert (found.phi, found.oscillation) == pytest.approx((30.0, 0.25))


def test_a_master_file_without_vectors_gives_what_it_has(tmp_path: Path) -> None:
    """Older DECTRIS files: distances, beam centre and wavelength only."""
    with h5py.File(tmp_path / "master.h5", "w") as file:
        detector = file.create_group("entry/instrument/detector")
        for key, value, unit in (
            ("detector_distance", 0.2, "m"),
            ("x_pixel_size", 7.5e-5, "m"),
            ("beam_center_x", 30.5, "pixel"),
            ("beam_center_y", 20.5, "pixel"),
        ):
            detector[key] = value
            detector[key].attrs["units"] = unit
        file["entry/instrument/beam/incident_wavelength"] = 0.9
        file["entry/data/data_000001"] = np.zeros((2, 48, 64), np.uint32)
    g = resolve(Experiment(crystal=_experiment().crystal, detector=Detector(header=tmp_path / "master.h5")))
    (panel,) = g.scene.panels
    assert panel.shape == (48, 64)
    assert g.geometry.distance == pytest.approx(0.2)
    assert g.radiation.wavelength == pytest.approx(0.9e-10)
    assert g.geometry.Fbeam / panel.pixel_size[0] == pytest.approx(30.5)
    assert g.geometry.Sbeam / panel.pixel_size[1] == pytest.approx(20.5)


# ---- CBF --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_the_beam_centre_of_a_cbf_is_the_same_pixel_in_every_convention(convention: str, tmp_path: Path) -> None:
    image = simulate(_experiment())
    image.noisy(seed=1).write(tmp_path / "a.cbf")
    resolved = resolve(_only_file_with_cell(tmp_path / "a.cbf", image, convention))
    g, r = resolved.geometry, resolved.radiation
    assert g.Fbeam / resolved.scene.panels[0].pixel_size[0] == pytest.approx(19.8)
    assert g.Sbeam / resolved.scene.panels[0].pixel_size[1] == pytest.approx(25.3)
    assert g.distance == pytest.approx(0.08)
    assert r.wavelength == pytest.approx(1.1e-10)
    assert np.degrees(r.phi) == pytest.approx(5.0)
    assert np.degrees(r.oscillation) == pytest.approx(1.0)
    assert any("pixel size 0.5 mm, distance 80 mm, wavelength 1.1" in note for note in resolved.notes)


def _only_file_with_cell(path: Path, image: Image, convention: str) -> Experiment:
    experiment = image.resolved.experiment
    bare = _only_file(path, experiment, convention=convention)
    return replace(bare, crystal=experiment.crystal)


def test_what_is_said_is_stronger_than_the_file(tmp_path: Path) -> None:
    image = simulate(_experiment())
    image.noisy(seed=1).write(tmp_path / "a.cbf")
    experiment = replace(
        image.resolved.experiment, detector=Detector(header=tmp_path / "a.cbf", distance=123.0, shape=(30, 20))
    )
    resolved = resolve(replace(experiment, beam=Beam(wavelength=2.0)))
    assert resolved.geometry.distance == pytest.approx(0.123)
    assert resolved.scene.shape == (30, 20)
    assert resolved.radiation.wavelength == pytest.approx(2e-10)


# ---- masks ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["mask.tif", "mask.cbf", "mask.edf", "mask.h5"])
def test_masks_of_any_format_blank_their_pixels(name: str, tmp_path: Path) -> None:
    pixels = np.ones((40, 56), np.int32)
    pixels[5:9, 7:20] = 0
    path = tmp_path / name
    experiment = _experiment()
    if name == "mask.tif":
        fabio.tifimage.TifImage(data=pixels.astype(np.uint8)).write(str(path))
    elif name == "mask.edf":
        fabio.edfimage.EdfImage(data=pixels).write(str(path))
    else:
        image = simulate(experiment)
        Image(pixels.astype(np.uint16), image.resolved).write(path)
    masked = simulate(replace(experiment, detector=replace(experiment.detector, mask=path)))
    assert (masked.data[pixels == 0] == 0).all()
    assert (masked.data[pixels != 0] > 0).all()
    masked.write(tmp_path / "out.nxs")
    with h5py.File(tmp_path / "out.nxs") as file:
        np.testing.assert_array_equal(file["entry/instrument/detector/pixel_mask"][()] != 0, pixels == 0)


def test_what_is_no_image_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "a.img").write_bytes(b"nothing like an image")
    (tmp_path / "a.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    (tmp_path / "a.expt").write_text("{}")
    with h5py.File(tmp_path / "empty.h5", "w") as file:
        file["x"] = 1
    for name in ("a.img", "a.h5", "a.expt", "empty.h5"):
        for field in ("header", "mask"):
            with pytest.raises(InputError, match=name):
                resolve(
                    Experiment(crystal=Crystal(cell=[50], default_F=1), detector=Detector(**{field: tmp_path / name}))
                )


# ---- DIALS ------------------------------------------------------------------------------------------------


def _expt(experiment: Experiment, **changes: Any) -> dict[str, Any]:
    """The experiment list that dxtbx would write for a resolved experiment in XDS' frame."""
    resolved = resolve(experiment)
    g, s, r = resolved.geometry, resolved.sample, resolved.radiation
    (ours,) = resolved.scene.panels
    panel = {
        "name": "Panel",
        "type": "SENSOR_PAD",
        "fast_axis": ours.fast.tolist(),
        "slow_axis": ours.slow.tolist(),
        "origin": [1000 * x for x in ours.origin.tolist()],
        "pixel_size": [1000 * size for size in ours.pixel_size],
        "image_size": list(ours.shape[::-1]),
        "thickness": 0.45,
        "mu": 3.9,
    }
    identity = [1, 0, 0, 0, 1, 0, 0, 0, 1]
    normal = np.cross(g.beam, g.polar)
    document = {
        "__id__": "ExperimentList",
        "experiment": [{"__id__": "Experiment", "beam": 0, "detector": 0, "goniometer": 0, "scan": 0, "crystal": 0}],
        "beam": [
            {
                "__id__": "monochromatic",
                "direction": [-x for x in g.beam],
                "wavelength": r.wavelength * 1e10,
                "polarization_normal": normal.tolist(),
                "polarization_fraction": 0.95,
            }
        ],
        "detector": [
            {
                "panels": [panel],
                "hierarchy": {
                    "origin": [0, 0, 0],
                    "fast_axis": [1, 0, 0],
                    "slow_axis": [0, 1, 0],
                    "children": [{"panel": 0}],
                },
            }
        ],
        "goniometer": [{"rotation_axis": list(g.spindle), "fixed_rotation": identity, "setting_rotation": identity}],
        "scan": [{"image_range": [1, 10], "oscillation": [5.0, 1.0]}],
        "crystal": [
            {
                "real_space_a": [1e10 * x for x in s.a0],
                "real_space_b": [1e10 * x for x in s.b0],
                "real_space_c": [1e10 * x for x in s.c0],
                "space_group_hall_symbol": " P 1",
            }
        ],
    }
    return {**document, **changes}


def _write(folder: Path, document: dict[str, Any]) -> Path:
    path = folder / "models.expt"
    path.write_text(json.dumps(document))
    return path


@pytest.mark.parametrize("tilt", [{}, TILTED], ids=["flat", "tilted"])
def test_a_dials_experiment_gives_the_same_image(tilt: dict[str, float], tmp_path: Path) -> None:
    experiment = _experiment(**tilt)
    path = _write(tmp_path, _expt(experiment))
    image, again = simulate(experiment), simulate(_only_file(path, experiment))
    np.testing.assert_allclose(again.data, image.data, rtol=1e-4, atol=1e-5 * image.data.max())


def test_the_pivot_in_the_frame_of_a_file_is_the_last_words(tmp_path: Path) -> None:
    """A file's axes make the convention custom, although no word says so."""
    path = str(_write(tmp_path, _expt(_experiment())))
    for words, with_quirk in (("-pivot sample -distance 90", "beam"), ("-distance 90 -pivot sample", "sample")):
        for quirks, pivot in (("all", with_quirk), ("none", "sample")):
            run = parse_words(["-img", path, "-default_F", "1", *words.split()], quirks=quirks)
            assert resolve(run.experiment).geometry.pivot == pivot


def test_goniometer_settings_turn_crystal_and_spindle(tmp_path: Path) -> None:
    """A crystal refined on a kappa goniometer: setting · R(axis, phi) · fixed · U B."""
    experiment = _experiment()
    document = _expt(experiment)
    rng = np.random.default_rng(4)
    fixed, setting = (np.linalg.qr(rng.normal(size=(3, 3)))[0] for _ in range(2))
    fixed, setting = fixed * np.linalg.det(fixed), setting * np.linalg.det(setting)
    crystal, goniometer = document["crystal"][0], document["goniometer"][0]
    for axis in "abc":
        vector = np.array(crystal[f"real_space_{axis}"])
        crystal[f"real_space_{axis}"] = (fixed.T @ setting.T @ vector).tolist()
    goniometer["rotation_axis"] = (setting.T @ np.array(goniometer["rotation_axis"])).tolist()
    goniometer["fixed_rotation"], goniometer["setting_rotation"] = fixed.ravel().tolist(), setting.ravel().tolist()
    again = simulate(_only_file(_write(tmp_path, document), experiment))
    image = simulate(experiment)
    np.testing.assert_allclose(again.data, image.data, rtol=1e-4, atol=1e-5 * image.data.max())


def test_several_axes_and_nested_groups(tmp_path: Path) -> None:
    experiment = _experiment()
    document = _expt(experiment)
    spindle = document["goniometer"][0]["rotation_axis"]
    document["goniometer"] = [
        {"axes": [[0, 1, 0], spindle], "angles": [90.0, 33.0], "names": ["phi", "omega"], "scan_axis": 1}
    ]
    turn = np.array([[0, 0, 1], [0, 1, 0], [-1, 0, 0]])
    for axis in "abc":
        vector = np.array(document["crystal"][0][f"real_space_{axis}"])
        document["crystal"][0][f"real_space_{axis}"] = (turn.T @ vector).tolist()
    panel, group = document["detector"][0]["panels"][0], document["detector"][0]["hierarchy"]
    group["children"] = [
        {"origin": [1.0, 2.0, 3.0], "fast_axis": [1, 0, 0], "slow_axis": [0, 1, 0], "children": [{"panel": 0}]}
    ]
    panel["origin"] = (np.array(panel["origin"]) - [1.0, 2.0, 3.0]).tolist()
    again = simulate(_only_file(_write(tmp_path, document), experiment))
    image = simulate(experiment)
    np.testing.assert_allclose(again.data, image.data, rtol=1e-4, atol=1e-5 * image.data.max())


def test_several_panels_stand_where_one_would(tmp_path: Path) -> None:
    """A detector in two halves, each with its own origin, has the pixels of the whole."""
    document = _expt(_experiment())
    (whole,) = resolve(_only_file(_write(tmp_path, document), _experiment())).scene.panels
    (panel,) = document["detector"][0]["panels"]
    nfast, nslow = panel["image_size"]
    far = np.array(panel["origin"]) + 10 * panel["pixel_size"][0] * np.array(panel["fast_axis"])
    document["detector"][0]["panels"] = [
        {**panel, "name": "a", "image_size": [10, nslow]},
        {**panel, "name": "b", "image_size": [nfast - 10, nslow], "origin": far.tolist(), "raw_image_offset": [10, 0]},
    ]
    document["detector"][0]["hierarchy"]["children"] = [{"panel": 0}, {"panel": 1}]
    one, other = resolve(_only_file(_write(tmp_path, document), _experiment())).scene.panels
    assert (one.name, other.name, other.place) == ("a", "b", (0, 10))
    np.testing.assert_allclose(one.at(3.5, 2.5), whole.at(3.5, 2.5), atol=1e-12)
    np.testing.assert_allclose(other.at(3.5, 2.5), whole.at(13.5, 2.5), atol=1e-12)


@pytest.mark.parametrize("missing", ["beam", "detector", "crystal", "goniometer"])
def test_an_incomplete_list_is_one_sentence(missing: str, tmp_path: Path) -> None:
    document = _expt(_experiment())
    document[missing] = []
    with pytest.raises(InputError, match=r"models\.expt"):
        resolve(_only_file(_write(tmp_path, document), _experiment()))


def test_a_named_convention_keeps_its_axes_and_says_so(tmp_path: Path) -> None:
    path = _write(tmp_path, _expt(_experiment()))
    experiment = _only_file(path, _experiment(), convention="mosflm")
    experiment = replace(experiment, crystal=Crystal(cell=[50], default_F=1))
    resolved = resolve(experiment)
    assert resolved.geometry.beam == (1, 0, 0)
    assert resolved.geometry.distance == pytest.approx(0.08)
    assert any("mosflm" in warning for warning in resolved.warnings)


def test_the_command_line_needs_no_cell_with_a_dials_crystal(tmp_path: Path) -> None:
    from nanobragg.cli import main

    path = _write(tmp_path, _expt(_experiment()))
    out = tmp_path / "a.npy"
    words = ["-img", str(path), "-default_F", "100", "-N", "4", "-nonoise", "-nopgm", "-noprogress"]
    assert main([*words, "-floatfile", str(out), "-intfile", str(tmp_path / "a.img")]) == 0
    assert np.load(out).max() > 0
