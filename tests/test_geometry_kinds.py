"""The kinds of files that people hand us: each is read right, or refused in a sentence. If one of these fails, images
are of another detector or crystal, or a file that others read is refused.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import fabio.cbfimage
import fabio.tifimage
import h5py
import numpy as np
import pytest

from nanobragg import Beam, Crystal, Detector, Experiment, InputError, Resolved, Sampling, resolve, simulate
from nanobragg.inputs.words import parse_words
from nanobragg.io.geometry.any_file import read_file_geometry
from nanobragg.io.images.nexus import laboratory_to_nexus

CRYSTAL = Crystal(cell=[79, 79, 38], default_F=10.0, cells=3)


def _resolved(path: Path, **parts: Any) -> Resolved:
    detector = Detector(header=path, **parts.pop("detector", {}))
    return resolve(Experiment(**{"crystal": CRYSTAL, "detector": detector, **parts}))


def _line(resolved: Resolved) -> str:
    return next(note for note in resolved.notes if note.startswith("from "))


def _beam_pixels(resolved: Resolved) -> tuple[float, float]:
    size = resolved.scene.panels[0].pixel_size[0]
    return resolved.geometry.Fbeam / size, resolved.geometry.Sbeam / size


# ---- NXmx -------------------------------------------------------------------------------------------------


def _put(group: Any, name: str, value: Any, **attributes: Any) -> Any:
    item = group.create_dataset(name, data=value)
    item.attrs.update(attributes)
    return item


def _axis(group: Any, name: str, value: Any, kind: str, vector: Any, depends_on: str, **attributes: Any) -> Any:
    units = {"translation": "m", "rotation": "deg"}[kind]
    said = {"transformation_type": kind, "vector": np.array(vector, float), "depends_on": depends_on, "units": units}
    return _put(group, name, value, **said | attributes)


def _nxmx(path: Path, change: Any = None) -> Path:
    """20 (fast) x 30 (slow) pixels of 0.1 mm at 100 mm, beam at 8, 12, omega from 10 deg in steps of 0.1."""

    def group(parent: Any, name: str, nx_class: str) -> Any:
        made = parent.create_group(name)
        made.attrs["NX_class"] = nx_class
        return made

    with h5py.File(path, "w") as file:
        entry = group(file, "entry", "NXentry")
        group(entry, "data", "NXdata")["data_000001"] = np.ones((3, 30, 20), np.uint16)
        instrument = group(entry, "instrument", "NXinstrument")
        _put(group(instrument, "beam", "NXbeam"), "incident_wavelength", 0.9, units="angstrom")
        detector = group(instrument, "detector", "NXdetector")
        arm = group(detector, "transformations", "NXtransformations")
        _axis(arm, "translation", 0.1, "translation", (0, 0, 1), ".")
        module = group(detector, "module", "NXdetector_module")
        module["data_origin"], module["data_size"] = [0, 0], [30, 20]
        base = "/entry/instrument/detector/transformations/translation"
        moved = {"offset": [8e-4, 12e-4, 0.0], "offset_units": "m"}
        _axis(module, "module_offset", 0.0, "translation", (1, 0, 0), base, **moved)
        _axis(module, "fast_pixel_direction", 1e-4, "translation", (-1, 0, 0), f"{module.name}/module_offset")
        _axis(module, "slow_pixel_direction", 1e-4, "translation", (0, -1, 0), f"{module.name}/module_offset")
        for axis, centre in (("x", 8.0), ("y", 12.0)):
            _put(detector, f"{axis}_pixel_size", 1e-4, units="m")
            detector[f"beam_center_{axis}"] = centre
        _put(detector, "detector_distance", 0.1, units="m")
        sample = group(entry, "sample", "NXsample")
        sample["depends_on"] = "/entry/sample/transformations/omega"
        axes = group(sample, "transformations", "NXtransformations")
        _axis(axes, "omega", [10.0, 10.1, 10.2], "rotation", (-1, 0, 0), ".")
        if change is not None:
            change(entry)
    return path


def _replace(group: Any, name: str, value: Any) -> None:
    attributes = dict(group[name].attrs)
    del group[name]
    _put(group, name, value, **attributes)


def _swap(entry: Any) -> None:
    _replace(entry["instrument/detector/module"], "data_size", [20, 30])


def _rename(entry: Any) -> None:
    file = entry.file
    for at, name in (("entry/instrument/detector", "ELE_D0"), ("entry/instrument", "beamline")):
        file.move(at, f"{at.rpartition('/')[0]}/{name}")
    detector = entry["beamline/ELE_D0"]
    for axis in detector["module"].values():
        if "depends_on" in axis.attrs:
            axis.attrs["depends_on"] = axis.attrs["depends_on"].replace("/instrument/detector/", "/beamline/ELE_D0/")
    file.create_group("another").attrs["NX_class"] = "NXentry"


def _relative(entry: Any) -> None:
    module = entry["instrument/detector/module"]
    module["module_offset"].attrs["depends_on"] = "../transformations/translation"
    for axis in ("fast", "slow"):
        module[f"{axis}_pixel_direction"].attrs["depends_on"] = np.bytes_("module_offset")
    _replace(entry["sample"], "depends_on", "transformations/omega")


def _fast_offset(entry: Any) -> None:
    module = entry["instrument/detector/module"]
    del module["module_offset"]
    fast, slow = module["fast_pixel_direction"], module["slow_pixel_direction"]
    fast.attrs.update({"offset": [0.8, 1.2, 0.0], "offset_units": "mm"})
    fast.attrs["depends_on"] = "/entry/instrument/detector/transformations/translation"
    slow.attrs["depends_on"] = fast.name


def _centre_only(entry: Any) -> None:
    entry["instrument/detector/module/module_offset"].attrs["offset"] = [0.0, 0.0, 0.0]


def _distance_only(entry: Any) -> None:
    _replace(entry["instrument/detector/transformations"], "translation", 0.0)


def _old_sign(entry: Any) -> None:
    _replace(entry["instrument/detector/transformations"], "translation", -0.1)
    _replace(entry["instrument/detector"], "detector_distance", -0.1)


def _micrometres(entry: Any) -> None:
    for axis in ("fast", "slow"):
        item = f"{axis}_pixel_direction"
        module = entry["instrument/detector/module"]
        _replace(module, item, 100.0)
        module[item].attrs["units"] = "micrometers"


def _beam_of_sample(entry: Any) -> None:
    entry.file.move("entry/instrument/beam", "entry/sample/light")


def _energy(entry: Any) -> None:
    beam = entry["instrument/beam"]
    del beam["incident_wavelength"]
    _put(beam, "incident_energy", 12398.42 / 0.9 / 1000.0, units="keV")


def _spectrum(entry: Any) -> None:
    beam = entry["instrument/beam"]
    del beam["incident_wavelength"]
    _put(beam, "incident_wavelength", [0.5, 0.89, 0.9, 0.92], units="angstrom")
    _put(beam, "incident_wavelength_weights", [0.0, 1.0, 3.0, 0.5])


def _inner_axes(entry: Any) -> None:
    axes = entry["sample/transformations"]
    _axis(axes, "chi", 30.0, "rotation", (0, 0, 1), "sam_x")
    _axis(axes, "phi", 15.0, "rotation", (-1, 0, 0), "chi")
    _axis(axes, "sam_x", [1e-3], "translation", (1, 0, 0), "omega")
    _replace(entry["sample"], "depends_on", "/entry/sample/transformations/phi")


def _data_elsewhere(entry: Any) -> None:
    """A master file whose data files are not at hand; the mask is, and data_size is swapped."""
    _swap(entry)
    del entry["data/data_000001"]
    entry["data/data_000001"] = h5py.ExternalLink("gone.h5", "/entry/data/data")
    entry["instrument/detector/pixel_mask"] = np.zeros((30, 20), np.uint32)


def _wavelength_elsewhere(entry: Any) -> None:
    entry.file.move("entry/instrument/beam/incident_wavelength", "entry/source/light/wavelength")


def _nothing_depends(entry: Any) -> None:
    """The sample depends on nothing, although there are axes."""
    _replace(entry["sample"], "depends_on", ".")
    axes = entry["sample/transformations"]
    axes.move("omega", "goniometer_omega")
    _axis(axes, "kappa", 0.0, "rotation", (0, 1, 1), ".")


def _backwards(entry: Any) -> None:
    """From 10.1 down to 10.0 deg: the same range."""
    _replace(entry["sample/transformations"], "omega", [10.1, 10.0, 9.9])


def _module_depends(entry: Any) -> None:
    """The pixel directions depend on what their module does."""
    module = entry["instrument/detector/module"]
    for axis in ("fast", "slow"):
        del module[f"{axis}_pixel_direction"].attrs["depends_on"]
    module["depends_on"] = "module_offset"


def _from_the_detector(entry: Any) -> None:
    """Paths that count from the detector, and from the group whose attribute says them."""
    entry["instrument/detector/module/module_offset"].attrs["depends_on"] = "transformations/translation"
    del entry["sample/depends_on"]
    entry["sample"].attrs["depends_on"] = "transformations/omega"


def _past_half_a_turn(entry: Any) -> None:
    """An axis whose angles begin anew."""
    _replace(entry["sample/transformations"], "omega", [10.0, -349.9, -349.8])


def _end_past_half_a_turn(entry: Any) -> None:
    _replace(entry["sample/transformations"], "omega", [10.0])
    entry["sample/transformations/omega_end"] = [-349.9]


def _width_beside(entry: Any) -> None:
    """One angle, and the width where DECTRIS writes it."""
    _replace(entry["sample/transformations"], "omega", [10.0])
    entry["sample/goniometer/omega_range_average"] = 0.1


def _goniometer_alone(entry: Any) -> None:
    """Without NX_class, and nothing depends on it: one axis, found once."""
    _replace(entry["sample"], "depends_on", ".")
    entry["sample"].move("transformations", "goniometer")
    del entry["sample/goniometer"].attrs["NX_class"]


@pytest.mark.parametrize(
    "change",
    [
        _past_half_a_turn, _end_past_half_a_turn, _width_beside, _goniometer_alone, _from_the_detector,
        _data_elsewhere, _wavelength_elsewhere, _nothing_depends, _backwards, _module_depends,
        None, _swap, _rename, _relative, _fast_offset, _centre_only, _distance_only, _old_sign, _micrometres,
        _beam_of_sample, _energy, _spectrum, _inner_axes,
    ],
)  # fmt: skip
def test_one_experiment_said_in_many_ways(change: Any, tmp_path: Path) -> None:
    """After reports of dials, cctbx, nexusformat and xia2."""
    found = _resolved(_nxmx(tmp_path / "a.nxs", change))
    panel, wavelength = found.scene.panels[0], 0.9
    if change is _spectrum:
        wavelength = (0.89 + 3 * 0.9 + 0.5 * 0.92) / 4.5
        np.testing.assert_allclose(found.scene.source_wavelength * 1e10, [0.89, 0.9, 0.92])
        np.testing.assert_allclose(found.scene.source_weight, np.array([1.0, 3.0, 0.5]) / 1.5)
    assert panel.shape == (30, 20)
    np.testing.assert_allclose(panel.origin, [8e-4, 12e-4, 0.1], atol=1e-12)
    np.testing.assert_allclose([panel.fast, panel.slow], [[-1, 0, 0], [0, -1, 0]], atol=1e-12)
    assert panel.pixel_size == pytest.approx((1e-4, 1e-4))
    assert found.radiation.wavelength == pytest.approx(wavelength * 1e-10, rel=1e-7)
    assert np.degrees([found.radiation.phi, found.radiation.oscillation]) == pytest.approx([10.0, 0.1])
    assert found.geometry.spindle == pytest.approx((-1, 0, 0))
    assert found.warnings == ()


def test_a_wavelength_names_its_spectrum(tmp_path: Path) -> None:
    """NXmx' variants: the wavelength that was calibrated is one of a spectrum, whose weights stand with it."""

    def vary(entry: Any) -> None:
        beam = entry["instrument/beam"]
        beam["incident_wavelength"].attrs["variant"] = "calibrated"
        _put(beam, "calibrated", 0.91, units="angstrom", variant="spectrum_1D")
        _put(beam, "spectrum_1D", [0.089, 0.09, 0.092], units="nm")
        beam["spectrum_1D_weights"] = [1.0, 2.0, 1.0]

    found = _resolved(_nxmx(tmp_path / "a.nxs", vary))
    np.testing.assert_allclose(found.scene.source_wavelength * 1e10, [0.89, 0.90, 0.92])
    np.testing.assert_allclose(found.scene.source_weight, [0.75, 1.5, 0.75])


def test_a_detector_that_moves_along_the_series_is_told(tmp_path: Path) -> None:
    arm = "instrument/detector/transformations"
    found = _resolved(_nxmx(tmp_path / "a.nxs", lambda e: _replace(e[arm], "translation", [0.1, 0.1, 0.12])))
    assert found.geometry.distance == pytest.approx(0.1)
    assert any("translation is 0.1 to 0.12 m along the series" in warning for warning in found.warnings)


@pytest.mark.parametrize("item", ["incident_wavelength", "incident_energy"])
def test_wavelengths_that_change_along_the_series_are_told(item: str, tmp_path: Path) -> None:
    values = np.array([0.9, 0.901, 0.902])

    def change(entry: Any) -> None:
        del entry["instrument/beam/incident_wavelength"]
        energies = item.endswith("energy")
        said = 12398.42 / values if energies else values
        _put(entry["instrument/beam"], item, said, units="eV" if energies else "angstrom")

    found = _resolved(_nxmx(tmp_path / "a.nxs", change))
    np.testing.assert_allclose(found.scene.source_wavelength * 1e10, [0.9], rtol=1e-6)
    assert "the wavelength of the first image (0.9 to 0.902 Å in the series)" in _line(found).replace("0.900000", "0.9")


def test_the_width_of_a_band_is_told(tmp_path: Path) -> None:
    found = _resolved(
        _nxmx(tmp_path / "a.nxs", lambda e: _put(e["instrument/beam"], "incident_wavelength_spread", 0.02))
    )
    assert "not used: incident_wavelength_spread 0.02 (-dispersion)" in _line(found)


def test_scalars_that_contradict_the_axes_are_told(tmp_path: Path) -> None:
    def contradict(entry: Any) -> None:
        _replace(entry["instrument/detector"], "beam_center_x", 80.0)
        _replace(entry["instrument/detector"], "detector_distance", 0.2)

    found = _resolved(_nxmx(tmp_path / "a.h5", contradict))
    assert found.geometry.distance == pytest.approx(0.1)
    assert "the distance of its axes, not the 200 mm" in _line(found)
    assert "the beam centre of its axes, not the 80 12" in _line(found)


def test_a_module_may_be_a_part_of_the_data(tmp_path: Path) -> None:
    def part(entry: Any) -> None:
        _replace(entry["instrument/detector/module"], "data_origin", [10, 4])
        _replace(entry["instrument/detector/module"], "data_size", [20, 16])

    assert _resolved(_nxmx(tmp_path / "a.h5", part)).scene.panels[0].shape == (20, 16)


def test_inner_axes_turn_the_crystal(tmp_path: Path) -> None:
    plain, turned = (
        _resolved(_nxmx(tmp_path / name, change)) for name, change in (("a.h5", None), ("b.h5", _inner_axes))
    )
    a, c = np.radians(15.0), np.radians(30.0)
    phi = np.array([[1, 0, 0], [0, np.cos(a), np.sin(a)], [0, -np.sin(a), np.cos(a)]])
    chi = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    np.testing.assert_allclose(turned.sample.b0, chi @ phi @ np.array(plain.sample.b0), atol=1e-15)
    assert "omega is scanned and phi 15, chi 30 deg turn the crystal" in _line(turned)


def _scalars_only(entry: Any, **changes: float) -> None:
    del entry["instrument/detector/module"]
    for name, value in changes.items():
        _replace(entry["instrument/detector"], name, value)


def test_zeros_are_not_said_and_what_is_taken_is_told(tmp_path: Path) -> None:
    zeros = {"detector_distance": 0.0, "beam_center_x": 0.0, "beam_center_y": 0.0}
    found = _resolved(_nxmx(tmp_path / "a.h5", lambda e: _scalars_only(e, **zeros)), detector={"distance": 150.0})
    assert found.geometry.distance == pytest.approx(0.15)
    assert _beam_pixels(found) == pytest.approx((11.0, 16.0))  # MOSFLM's middle
    assert "taken: beam centre in the middle of the detector" in _line(found)
    assert "distance 100 mm" not in _line(found)
    found = _resolved(tmp_path / "a.h5")
    assert "distance 100 mm, beam centre" in _line(found)


@pytest.mark.parametrize(
    ("damage", "sentence", "option"),
    [
        (lambda e: e["sample/transformations"].move("omega", "x") or e["sample/transformations"].create_group("omega"),
         "found a group as the axis", {"sampling": Sampling(phi=1.0)}),
        (lambda e: _replace(e["instrument/beam"], "incident_wavelength", "long"),
         "found no numbers in", {"beam": Beam(wavelength=1.0)}),
        (lambda e: e["instrument/beam/incident_wavelength"].attrs.update({"units": "furlong"}),
         "in 'furlong', expected", {"beam": Beam(energy=12000.0)}),
        (lambda e: e["instrument/detector/module/slow_pixel_direction"].attrs.update({"depends_on": "nowhere"}),
         "found 'nowhere'", {"detector": {"distance": 100.0, "beam_x": 1.0, "beam_y": 1.0}}),
    ],
    ids=["group", "text", "unit", "chain"],
)  # fmt: skip
def test_a_bad_item_is_our_own_sentence_or_an_options(damage: Any, sentence: str, option: Any, tmp_path: Path) -> None:
    path = _nxmx(tmp_path / "a.h5", damage)
    with pytest.raises(InputError, match=sentence) as caught:
        _resolved(path)
    assert "\n" not in str(caught.value)
    assert "h5py" not in str(caught.value)
    assert "synchronously" not in str(caught.value)
    _resolved(path, **option)


def test_rectangular_pixels_and_sheared_axes_are_kept(tmp_path: Path) -> None:
    """One edge for both, or axes made to be at right angles, would move pixels by millimetres."""

    def odd(entry: Any) -> None:
        _replace(entry["instrument/detector/module"], "slow_pixel_direction", 2e-4)
        entry["instrument/detector/module/slow_pixel_direction"].attrs["vector"] = [0.02, -1, 0]

    found = _resolved(_nxmx(tmp_path / "a.h5", odd))
    (panel,) = found.scene.panels
    assert panel.pixel_size == pytest.approx((1e-4, 2e-4))
    slow = np.array([0.02, -1, 0]) / np.hypot(0.02, 1)
    np.testing.assert_allclose(
        panel.at(3, 5), np.array([8e-4, 12e-4, 0.1]) + [-3e-4, 0, 0] + 5 * 2e-4 * slow, atol=1e-12
    )
    assert "a panel of 20 x 30 pixels of 0.1 x 0.2 mm" in _line(found)


def test_several_modules_are_several_panels(tmp_path: Path) -> None:
    def two(entry: Any) -> None:
        entry.file.copy("entry/instrument/detector/module", "entry/instrument/detector/module_2")
        entry["instrument/detector/module_2/fast_pixel_direction"].attrs["offset"] = [0.0, 0.0, 0.05]

    path = _nxmx(tmp_path / "a.h5", two)
    one, other = read_file_geometry(path).panels
    np.testing.assert_allclose(np.array(other.origin) - one.origin, [0, 0, 50.0], atol=1e-9)
    one, other = _resolved(path).scene.panels
    np.testing.assert_allclose(other.origin - one.origin, [0, 0, 0.05], atol=1e-12)


def test_bad_pixels_of_the_file_are_not_rendered(tmp_path: Path) -> None:
    def mask(entry: Any) -> None:
        bad = np.zeros((30, 20), np.uint32)
        bad[3:5, 7] = 1
        entry["instrument/detector/pixel_mask"] = bad

    found = _resolved(_nxmx(tmp_path / "a.h5", mask))
    assert "2 bad pixels, which are not rendered" in _line(found)
    assert np.argwhere(found.scene.panels[0].mask == 0).tolist() == [[3, 7], [4, 7]]


def test_bad_pixels_of_another_layout_are_told(tmp_path: Path) -> None:
    """As of a mask that somebody transposed."""
    mask = np.ones((20, 30), np.uint32)
    found = _resolved(
        _nxmx(tmp_path / "a.nxs", lambda e: e.file.create_dataset("entry/instrument/detector/pixel_mask", data=mask))
    )
    assert found.scene.panels[0].mask is None
    assert any("its bad pixels are not used" in warning for warning in found.warnings)


def test_axes_whose_normal_points_at_the_sample_stay_where_they_are(tmp_path: Path) -> None:
    def mirror(entry: Any) -> None:
        entry["instrument/detector/module/slow_pixel_direction"].attrs["vector"] = [0.0, 1.0, 0.0]

    panel = _resolved(_nxmx(tmp_path / "a.h5", mirror)).scene.panels[0]
    np.testing.assert_allclose(panel.at(0, 0), [8e-4, 12e-4, 0.1], atol=1e-12)
    assert panel.close_distance == pytest.approx(0.1)


def test_a_detector_behind_the_sample_is_told(tmp_path: Path) -> None:
    def upstream(entry: Any) -> None:
        _replace(entry["instrument/detector/transformations"], "translation", -0.1)
        del entry["instrument/detector/detector_distance"]

    found = _resolved(_nxmx(tmp_path / "a.h5", upstream))
    np.testing.assert_allclose(found.scene.panels[0].at(8, 12), [0, 0, -0.1], atol=1e-12)
    assert any("upstream of the sample, at -100 mm" in warning for warning in found.warnings)


@pytest.mark.parametrize("options", [{}, {"oscillation": 1.0, "phi_steps": 2}])
def test_a_still_turns_across_the_beam_if_at_all(options: Any, tmp_path: Path) -> None:
    """A spindle along the beam, which the custom convention has, would be nobody's."""
    path = _nxmx(tmp_path / "a.h5", lambda entry: entry["sample"].pop("depends_on") and entry.file.pop("entry/sample"))
    found = _resolved(path, sampling=Sampling(**options))
    assert abs(np.dot(found.geometry.spindle, found.geometry.beam)) < 1e-12
    assert bool(options) == any("names no spindle" in warning for warning in found.warnings)
    assert "spindle -1 0 0, across the beam" in _line(found)


# ---- DIALS ------------------------------------------------------------------------------------------------


def _expt(path: Path, experiments: int = 1, **models: Any) -> Path:
    panel = {
        "fast_axis": [1, 0, 0], "slow_axis": [0, -1, 0], "origin": [-30.0, 33.0, -120.0], "pixel_size": [0.2, 0.2],
        "image_size": [40, 30], "gain": 10.0, "trusted_range": [0, 1000], "mask": [[5, 6, 8, 7]],
    }  # fmt: skip
    index = dict.fromkeys(("beam", "detector", "goniometer", "scan", "crystal"), 0)
    document = {
        "__id__": "ExperimentList",
        "experiment": [{**index, "crystal": number} for number in range(experiments)],
        "beam": [{"direction": [0, 0, 1], "wavelength": 0.98, "polarization_normal": [0, 1, 0]}],
        "detector": [{"panels": [panel], "hierarchy": {"children": [{"panel": 0}]}}],
        "goniometer": [{"rotation_axis": [1, 0, 0]}],
        "scan": [{"image_range": [1, 4], "oscillation": [30.0, 0.5]}],
        "crystal": [
            {"real_space_a": [50.0 + n, 0, 0], "real_space_b": [0, 60, 0], "real_space_c": [0, 0, 70]}
            for n in range(experiments)
        ],
        **models,
    }  # fmt: skip
    path.write_text(json.dumps(document))
    return path


BARE = {"crystal": Crystal(default_F=1.0)}


def test_masks_gain_and_limits_of_a_panel_are_used_or_told(tmp_path: Path) -> None:
    found = _resolved(_expt(tmp_path / "a.expt"), **BARE)
    assert np.argwhere(found.scene.panels[0].mask == 0).tolist() == [[6, 5], [6, 6], [6, 7]]
    for words in ("3 bad pixels", "gain 10", "trusted range 0 to 1000"):
        assert words in _line(found)


def test_all_children_of_a_hierarchy_are_walked(tmp_path: Path) -> None:
    document = json.loads(_expt(tmp_path / "a.expt").read_text())
    turned = {"fast_axis": [0, 1, 0], "slow_axis": [-1, 0, 0], "origin": [0, 0, -50]}
    document["detector"][0]["hierarchy"] = {
        "fast_axis": [1, 0, 0], "slow_axis": [0, 1, 0], "origin": [1, 2, 3],
        "children": [{"children": []}, {**turned, "children": [{"children": [{"panel": 0}]}]}],
    }  # fmt: skip
    (tmp_path / "a.expt").write_text(json.dumps(document))
    panel = _resolved(tmp_path / "a.expt", **BARE).scene.panels[0]
    np.testing.assert_allclose(panel.origin * 1000, [-33 + 1, -30 + 2, -120 - 50 + 3], atol=1e-9)


@pytest.mark.parametrize(
    ("children", "sentence"),
    [
        ([{"panel": 0}, {"panel": 0}], "panel 0 for the second time"),
        ([{"panel": 1}], "panel 1 of 1"),
        ([{"name": "nothing"}], "no group that holds panel 0"),
    ],
)
def test_panels_are_each_in_one_group(children: list[Any], sentence: str, tmp_path: Path) -> None:
    """Nobody knows where others are, and DIALS refuses them, too."""
    document = json.loads(_expt(tmp_path / "a.expt").read_text())
    document["detector"][0]["hierarchy"]["children"] = children
    (tmp_path / "a.expt").write_text(json.dumps(document))
    with pytest.raises(InputError, match=sentence):
        _resolved(tmp_path / "a.expt", **BARE)


def test_a_crystal_that_is_not_there_is_an_options(tmp_path: Path) -> None:
    document = json.loads(_expt(tmp_path / "a.expt").read_text())
    document["experiment"][0]["crystal"] = -1
    (tmp_path / "a.expt").write_text(json.dumps(document))
    with pytest.raises(InputError, match=r"found crystal -1 of 1 .*; -cell or -mat can say it instead"):
        _resolved(tmp_path / "a.expt", **BARE)
    assert _resolved(tmp_path / "a.expt").sample.cell[0] == pytest.approx(79.0)


def test_widths_of_models_are_told(tmp_path: Path) -> None:
    crystal = {f"real_space_{axis}": np.diag([50.0, 60, 70])[n].tolist() for n, axis in enumerate("abc")}
    beam = {"direction": [0, 0, 1], "wavelength": 0.98, "divergence": 0.0, "sigma_divergence": 0.02}
    path = _expt(tmp_path / "a.expt", beam=[beam], crystal=[{**crystal, "mosaicity": 0.2}])
    line = _line(_resolved(path, **BARE))
    assert "sigma of the divergence 0.02 deg, mosaicity 0.2 deg (-mosaic_spread)" in line
    assert "its crystal" not in line


def test_a_block_of_old_dials_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('[\n  {\n    "__id__": "DataBlock",\n    "imageset": []\n  }\n]')
    with pytest.raises(InputError, match=r"found a DataBlock of DIALS before 2\.0"):
        _resolved(tmp_path / "a.json")


@pytest.mark.parametrize(("phi", "place"), [(None, 0.5), (31.0, 2.5), (28.0, 0.0)])
def test_models_that_vary_are_those_of_the_images_phi(phi: float | None, place: float, tmp_path: Path) -> None:
    """The middle of the image, between the points of the scan; beyond them its end, with a warning."""
    lengths = np.array([50.0, 50.1, 50.3, 50.2, 50.4])
    points = [np.diag([1 / a, 1 / 60, 1 / 70]).ravel().tolist() for a in lengths]
    crystal = {
        "real_space_a": [9, 0, 0],
        "real_space_b": [0, 60, 0],
        "real_space_c": [0, 0, 70],
        "A_at_scan_points": points,
    }
    path = _expt(tmp_path / "a.expt", crystal=[crystal])
    found = _resolved(path, **BARE, sampling=Sampling(phi=phi))
    assert found.sample.cell[0] == pytest.approx(1 / np.interp(place, range(5), 1 / lengths), rel=1e-9)
    assert (phi == 28.0) == any("outside its scan" in warning for warning in found.warnings)


def test_the_setting_of_several_axes_may_vary(tmp_path: Path) -> None:
    """What refinement found of a goniometer along the scan beats the product of its axes."""

    def about_y(angle: float) -> list[float]:
        c, s = np.cos(angle), np.sin(angle)
        return [c, 0, s, 0, 1, 0, -s, 0, c]

    goniometer = {
        "axes": [[1, 0, 0], [1, 0, 0]], "angles": [0.0, 0.0], "names": ["PHI", "OMEGA"], "scan_axis": 1,
        "setting_rotation_at_scan_points": [about_y(0.1 * n) for n in range(5)],
    }  # fmt: skip
    found = _resolved(_expt(tmp_path / "a.expt", goniometer=[goniometer]), **BARE, sampling=Sampling(phi=31.75))
    between = (np.array(about_y(0.3)) + about_y(0.4)).reshape(3, 3) / 2  # 3.5 images after the start, with half of one
    at = found.geometry.spindle
    np.testing.assert_allclose(at, between[:, 0] / np.linalg.norm(between[:, 0]), atol=5e-2)
    assert at[2] < -0.3


def test_a_beam_that_varies(tmp_path: Path) -> None:
    points = [[0.0, 0.01 * n, -1.0] for n in range(5)]
    beam = {"direction": [0, 0, 1], "wavelength": 1.0, "s0_at_scan_points": points}
    found = _resolved(_expt(tmp_path / "a.expt", beam=[beam]), **BARE, sampling=Sampling(phi=31.0))
    assert found.geometry.beam == pytest.approx(np.array([0, 0.025, -1]) / np.hypot(1, 0.025))


def test_an_experiment_of_several_is_chosen_or_told(tmp_path: Path) -> None:
    path = _expt(tmp_path / "a.expt", experiments=3)
    found = _resolved(path, **BARE)
    assert any("found 3 experiments, the first is used" in warning for warning in found.warnings)
    run = parse_words(["-img", str(path), "-default_F", "1", "-experiment", "2"])
    chosen = resolve(run.experiment)
    assert chosen.sample.cell[0] == pytest.approx(52.0)
    assert "experiment 2 of 3" in _line(chosen)
    with pytest.raises(InputError, match="-experiment: found 3, expected 0 to 2"):
        _resolved(path, **BARE, detector={"experiment": 3})
    with pytest.raises(InputError, match=r"-experiment: found 0 with -img .*\(NeXus\), expected a DIALS"):
        _resolved(_nxmx(tmp_path / "a.h5"), detector={"experiment": 0})
    with pytest.raises(InputError, match="-experiment: found 1 without -img"):
        resolve(Experiment(crystal=CRYSTAL, detector=Detector(experiment=1)))


def test_a_polychromatic_beam_is_its_range(tmp_path: Path) -> None:
    beam = {"__id__": "polychromatic", "direction": [0, 0, 1], "wavelength_range": [0.95, 1.05]}
    found = _resolved(_expt(tmp_path / "a.expt", beam=[beam]), **BARE)
    waves = found.scene.source_wavelength * 1e10
    assert len(set(waves)) > 20
    assert waves.min() > 0.95
    assert waves.max() < 1.05
    assert waves.mean() == pytest.approx(1.0)
    one = _resolved(tmp_path / "a.expt", **BARE, beam=Beam(wavelength=1.0))
    assert len(one.scene.source_wavelength) == 1
    one = _resolved(_expt(tmp_path / "b.expt", beam=[beam | {"wavelength_range": [0.97, 0.97]}]), **BARE)
    np.testing.assert_allclose(one.scene.source_wavelength, [0.97e-10])
    assert "one wavelength 0.97 Å" in _line(one)


@pytest.mark.parametrize("beam", [{}, {"wavelength": "long"}, {"wavelength": 0.0}, {"wavelength_range": [2, -1]}])
def test_a_wavelength_that_a_dials_file_lacks_is_an_options(beam: dict[str, Any], tmp_path: Path) -> None:
    path = _expt(tmp_path / "a.expt", beam=[{"direction": [0, 0, 1], **beam}])
    with pytest.raises(InputError, match="-lambda can say it instead"):
        _resolved(path, **BARE)
    found = _resolved(path, **BARE, beam=Beam(wavelength=1.1))
    assert found.radiation.wavelength == pytest.approx(1.1e-10)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_dials_file_of_any_encoding(encoding: str, tmp_path: Path) -> None:
    """As some editors of Windows save it."""
    path = _expt(tmp_path / "a.expt")
    path.write_text(path.read_text(), encoding=encoding)
    assert _resolved(path, **BARE).geometry.distance == pytest.approx(0.12)


def test_the_nexus_frame_after_a_dials_file_is_not_turned(tmp_path: Path) -> None:
    """NeXus' x and z are minus those of DIALS."""
    found = _resolved(_expt(tmp_path / "a.expt"), **BARE)
    np.testing.assert_allclose(laboratory_to_nexus(found.geometry), np.diag([-1.0, 1.0, -1.0]), atol=1e-12)


# ---- CBF, d*TREK, SMV -------------------------------------------------------------------------------------


def _cbf(path: Path, lines: list[str], item: str = "header_contents", pixels: np.ndarray | None = None) -> Path:
    fabio.cbfimage.CbfImage(data=np.ones((50, 40), np.int32) if pixels is None else pixels).write(str(path))
    content = path.read_bytes()
    header = "\r\n".join([f"_array_data.{item}", ";", *(f"# {line}" for line in lines), ";", "", ""]).encode()
    at = content.index(b"_array_data.data")
    path.write_bytes(content[:at] + header + content[at:])
    return path


SWUNG = ["Pixel_size 172e-6 m x 172e-6 m", "Wavelength 0.56 A", "Detector_distance 0.04 m",
         "Beam_xy (20.0, 25.0) pixels", "Detector_2theta 23.24 deg."]  # fmt: skip


@pytest.mark.parametrize("item", ["header_contents", "header_content"])
@pytest.mark.parametrize("twotheta", [None, 23.24])
@pytest.mark.parametrize("convention", [None, "mosflm", "xds"])
def test_a_swung_cbf_stands_on_its_arm(item: str, twotheta: float | None, convention: Any, tmp_path: Path) -> None:
    """Distance and centre are those at 0: 40 mm along the arm, and nothing to be said but the file's name."""
    if convention == "xds" and twotheta:
        twotheta = -twotheta  # XDS' axis is the other way
    path = _cbf(tmp_path / "a.cbf", SWUNG, item)
    found = _resolved(path, detector={"twotheta": twotheta, "convention": convention})
    turn = np.radians(23.24)
    up = 4.3 * np.cos(turn) - 40 * np.sin(turn)
    np.testing.assert_allclose(1e3 * found.scene.panels[0].origin @ found.geometry.beam, 38.4511, atol=1e-3)
    np.testing.assert_allclose(1e3 * abs(found.scene.panels[0].origin[1]), abs(up), atol=1e-3)
    assert "about the sample (-pivot sample)" in _line(found)
    assert found.warnings == ()


def test_a_swing_that_an_option_replaces_is_told(tmp_path: Path) -> None:
    found = _resolved(_cbf(tmp_path / "a.cbf", SWUNG), detector={"twotheta": 0.0})
    np.testing.assert_allclose(1e3 * found.scene.panels[0].origin @ found.geometry.beam, 40.0, atol=1e-9)
    assert "not used: its 2theta of 23.24 deg, since -twotheta is given" in _line(found)
    assert "swung" not in _line(found)


def test_minus_one_is_not_said_and_energies_are(tmp_path: Path) -> None:
    lines = [
        "Pixel_size 172e-6 m x 172e-6 m",
        "Wavelength -1.0 A",
        "Detector_distance -1.0 m",
        "Beam_xy (-1.0, -1.0) pixels",
    ]
    found = _resolved(_cbf(tmp_path / "a.cbf", lines))
    assert "taken: distance 100 mm, beam centre in the middle of the detector, wavelength 1 Å" in _line(found)
    for key in ("Energy", "Photon_energy", "X_ray_energy"):
        found = _resolved(_cbf(tmp_path / "b.cbf", [*lines, f"{key} 12398.42 eV", "Detector_distance: 0.2 m"][4:]))
        assert found.radiation.wavelength == pytest.approx(1e-10, rel=1e-6)
    assert found.geometry.distance == pytest.approx(0.2)


@pytest.mark.parametrize(
    "lines",
    [
        [],
        ["Pixel_size 172 um x 172 um", "Detector_distance 150 mm", "Beam_xy: 20.50, 25.25 px"],
        ["Pixel_size 172e-6 x 172e-6", "Detector_distance 0.15", "Beam_xy (20.50, 25.25)"],
        ["Pixel_size 0.172 mm", "Detector_distance 15 cm", "Wavelength 0.097950 nm"],
        ["Wavelength:", "wavelength: 0.97950 A", "Beam_xy:", "beam_x 20.50 pixels", "beam_y 25.25 pixels"],
        ["Start_angle 12.5 rad-", "Phi 0.0 deg.", "Omega_increment 0.1 deg.", "Omega 12.5 deg.",
         "Oscillation_axis OMEGA", "Detector_distance_offset 3 m"],
    ],
    ids=["usual", "micrometres", "no units", "one edge", "other names", "named axis"],
)  # fmt: skip
def test_one_pilatus_header_in_many_ways(lines: list[str], tmp_path: Path) -> None:
    """Without a unit lengths are metres, which the header is in; the scanned axis may be said by its name alone."""
    said = {line.split()[0].strip(":"): line for line in [
        "Pixel_size 172e-6 m x 172e-6 m", "Wavelength 0.97950 A", "Detector_distance 0.15 m",
        "Beam_xy (20.50, 25.25) pixels", "Start_angle 12.5000 deg.", "Angle_increment 0.1000 deg.", *lines
    ]}  # fmt: skip
    said = {key: line for key, line in said.items() if " " in line}  # a key alone: it is not there
    if "Omega" in said:
        said = {"Energy_range": "Energy_range (0, 0) eV", **said}
        del said["Start_angle"], said["Angle_increment"]
    found = _resolved(_cbf(tmp_path / "a.cbf", [*said.values()]))
    assert found.scene.panels[0].pixel_size == pytest.approx((172e-6, 172e-6))
    assert found.geometry.distance == pytest.approx(0.15)
    assert _beam_pixels(found) == pytest.approx((20.5, 25.25))
    assert found.radiation.wavelength == pytest.approx(0.9795e-10)
    assert np.degrees([found.radiation.phi, found.radiation.oscillation]) == pytest.approx([12.5, 0.1])


def test_what_a_pilatus_header_says_besides_is_told(tmp_path: Path) -> None:
    lines = ["Silicon sensor, thickness 0.000450 m", "Start_angle 1.0 deg.", "Omega 1.0 deg.", "Kappa 20.0 deg.",
             "Phi 0.0 deg.", "Oscillation_axis OMEGA", "Polarization 0.990", "Detector_Voffset 0.0 m"]  # fmt: skip
    line = _line(_resolved(_cbf(tmp_path / "a.cbf", lines)))
    assert "not used: Kappa 20.0 deg., Polarization 0.990, sensor of Si, thickness 0.000450 m (-detector_thick)" in line


def test_a_decimal_comma_is_no_number(tmp_path: Path) -> None:
    """0,9795 would be 0, which nobody says, and 1,0332 would be 1."""
    path = _cbf(tmp_path / "a.cbf", ["Wavelength 1,0332 A", "Beam_xy (20.50,25.25) pixels", "Start_angle 3.0 deg."])
    with pytest.raises(InputError, match=r"found Wavelength '1,0332 A', expected a number; -lambda can say it instead"):
        _resolved(path)
    found = _resolved(path, beam=Beam(wavelength=1.0332))
    assert _beam_pixels(found) == pytest.approx((20.5, 25.25))
    assert "taken: pixel size 0.1 mm, distance 100 mm, oscillation 0 deg" in _line(found)


def test_a_bad_number_of_a_pilatus_header_is_an_options(tmp_path: Path) -> None:
    """One bad item is no reason to refuse a file, nor its pixels."""
    path = _cbf(tmp_path / "a.cbf", ["Detector_distance unknown m", "Beam_xy (20.50, 25.25) pixels"])
    with pytest.raises(InputError, match=r"found Detector_distance 'unknown m', expected a number; -distance can say"):
        _resolved(path)
    assert _resolved(path, detector={"distance": 80.0, "mask": path}).geometry.distance == pytest.approx(0.08)


@pytest.mark.parametrize(
    ("words", "dtype"),
    [("TYPE=unsigned_short", "<u2"), ("TYPE=mad", "<u2"), ("Data_type=unsigned short int", "<u2"),
     ("TYPE=signed_short", "<i2"), ("TYPE=signed_long", "<i4"), ("TYPE=unsigned_long", "<u4"),
     ("TYPE=float", "<f4"), ("TYPE=unsigned_char", "u1"), ("BYTE_ORDER=big_endian;TYPE=signed_long", ">i4")],
)  # fmt: skip
def test_pixels_of_every_type_of_smv(words: str, dtype: str, tmp_path: Path) -> None:
    """In a header of any size. Numbers with a sign that are below 0 are where no pixels are; zeros are then counts."""
    pixels = np.arange(6 * 4).reshape(6, 4) + 3
    signed = np.dtype(dtype).kind != "u"
    pixels[2], pixels[4, 1] = (-1, 0) if signed else (0, 7)
    order = "" if "BYTE_ORDER" in words else "BYTE_ORDER=little_endian;\n"
    header = f"{{\nHEADER_BYTES= 1536;\nDIM=2;\n{order}{words};\nSIZE1=4;\nSIZE2=6;\n}}\n"
    (tmp_path / "a.img").write_bytes(header.encode().ljust(1536, b"\0") + pixels.astype(dtype).tobytes())
    found = resolve(Experiment(crystal=CRYSTAL, detector=Detector(mask=tmp_path / "a.img")))
    assert np.argwhere(found.scene.panels[0].mask == 0)[:, 0].tolist() == [2] * 4


def test_a_scan_backwards_in_an_smv_header_is_told(tmp_path: Path) -> None:
    """The original takes it for none, and turns the crystal by a degree a step."""
    header = "{\nHEADER_BYTES=  512;\nSIZE1=4;\nSIZE2=6;\nPHI=10;\nOSC_RANGE=-0.5;\n}\n"
    (tmp_path / "a.img").write_text(header.ljust(512))
    found = _resolved(tmp_path / "a.img", sampling=Sampling(phi_steps=2))
    assert any(
        "OSC_RANGE of -0.5 degrees is not used" in text and "-phi 9.5 -osc 0.5" in text for text in found.warnings
    )
    assert not _resolved(tmp_path / "a.img", sampling=Sampling(phi=9.5, oscillation=0.5)).warnings


def test_a_bad_number_of_an_smv_header_is_an_options(tmp_path: Path) -> None:
    header = "{\nHEADER_BYTES=  512;\nSIZE1=4;\nSIZE2=6;\nDISTANCE=far;\nOSC_START=3;\nPIXEL_SIZE=0;\n}\n"
    (tmp_path / "a.img").write_text(header.ljust(512))
    with pytest.raises(InputError, match=r"found DISTANCE='far', expected a number .*; -distance can say it instead"):
        _resolved(tmp_path / "a.img")
    found = _resolved(tmp_path / "a.img", detector={"distance": 80.0, "pixel_size": 0.2})
    assert found.geometry.distance == pytest.approx(0.08)
    assert "PHI 3 deg; not used: DISTANCE, no numbers" in _line(found)
    (tmp_path / "a.img").write_text(header.replace("far", "0").ljust(512))
    found = _resolved(tmp_path / "a.img", detector={"pixel_size": 0.2})
    assert any("its DISTANCE of 0 is used, as nanoBragg.c does" in warning for warning in found.warnings)


@pytest.mark.parametrize(("gap", "counts"), [(-1, True), (-2, True), (0, False)])
def test_gaps_of_a_mask_and_zeros_of_an_image(gap: int, counts: bool, tmp_path: Path) -> None:
    pixels = np.full((50, 40), 7, np.int32)
    pixels[10:13], pixels[20, 5] = gap, 0
    path = _cbf(tmp_path / "a.cbf", [], pixels=pixels)
    found = resolve(Experiment(crystal=CRYSTAL, detector=Detector(mask=path)))
    rendered = found.scene.panels[0].mask
    assert rendered is not None
    assert not rendered[10:13].any()
    assert bool(rendered[20, 5]) is counts
    said = f"pixels below 0 ({3 * 40}) are not" if counts else f"a mask: its pixels of 0 ({3 * 40 + 1}) are not"
    assert any(said in note for note in found.notes)


@pytest.mark.parametrize("suffix", ["tif", "npy"])
def test_the_largest_number_is_no_pixel_where_there_are_counts(suffix: str, tmp_path: Path) -> None:
    """Also in TIFF and NumPy files of 32 bits without a sign; in a mask of two values it is a pixel like others."""
    pixels = np.full((50, 40), 7, np.uint32)
    pixels[10:13], pixels[20, 5] = 2**32 - 1, 0
    for counts, fives in ((True, 7), (False, 2**32 - 1)):
        path = tmp_path / f"{counts}.{suffix}"
        image = np.where(pixels == 7, np.uint32(fives), pixels)
        np.save(path, image) if suffix == "npy" else fabio.tifimage.TifImage(data=image).write(str(path))
        found = resolve(Experiment(crystal=CRYSTAL, detector=Detector(mask=path)))
        rendered = found.scene.panels[0].mask
        assert rendered is not None
        assert (rendered == 0).sum() == (3 * 40 if counts else 1)
        assert rendered[20, 5] == counts
        said = "of 4294967294 and 4294967295 (120) are not" if counts else "its pixels of 0 (1) are not rendered"
        assert any(said in note for note in found.notes)


def test_a_data_set_of_an_hdf5_file_is_a_mask(tmp_path: Path) -> None:
    """The only one of two dimensions, or the one that is said; that of NeXus' name marks what is bad."""
    good = np.ones((50, 40), np.uint8)
    good[4, 5] = 0
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["deep/good"], file["other"] = good[None], np.arange(3)

    def rendered(name: Any) -> list[list[int]]:
        found = resolve(Experiment(crystal=CRYSTAL, detector=Detector(mask=name)))
        said = "1 bad pixels" if str(name).endswith("pixel_mask") else "pixels of 0 (1) are not rendered"
        assert any(f"from {path}:/" in note and said in note for note in found.notes)
        mask = found.scene.panels[0].mask
        assert mask is not None
        return np.argwhere(mask == 0).tolist()

    assert rendered(path) == [[4, 5]]
    with h5py.File(path, "a") as file:
        file["pixel_mask"] = 1 - good
    with pytest.raises(InputError, match=r"found 2 data sets of two dimensions \(/deep/good, /pixel_mask\)"):
        rendered(path)
    assert rendered(f"{path}:/deep/good") == rendered(f"{path}:/pixel_mask") == [[4, 5]]
    for wrong in ("other", "nothing"):
        with pytest.raises(InputError, match=rf"found no image /{wrong} \(/deep/good, /pixel_mask\)"):
            rendered(f"{path}:/{wrong}")


@pytest.mark.parametrize(
    ("names", "values"),
    [("RotZ RotX/Swing TransZ/Dist", "0 -20 45.0"), ("TransX TransZ", "3 45"), ("Det_Dist Swing", "45 0")],
)
def test_distances_of_dtrek(names: str, values: str, tmp_path: Path) -> None:
    units = " ".join("mm" if "Trans" in name or "Dist" in name else "deg" for name in names.split())
    keys = {"HEADER_BYTES": " 1024", "DIM": "2", "BYTE_ORDER": "little_endian", "Data_type": "unsigned short int",
            "SIZE1": "40", "SIZE2": "30", "DETECTOR_NAMES": "A_", "A_SPATIAL_DISTORTION_INFO": "20 15 0.1 0.1",
            "A_GONIO_NAMES": names, "A_GONIO_UNITS": units, "A_GONIO_VALUES": values}  # fmt: skip
    text = "".join(f"{key}={value};\n" for key, value in keys.items())
    (tmp_path / "a.img").write_bytes(f"{{\n{text}}}\n".encode().ljust(1024) + bytes(2400))
    found = _resolved(tmp_path / "a.img")
    assert found.geometry.distance == pytest.approx(0.045)
    assert ("Swing -20" in "".join(found.warnings) or "2theta of -20" in "".join(found.warnings)) == ("-20" in values)


def test_osc_start_is_phi_where_nothing_else_is(tmp_path: Path) -> None:
    image = simulate(
        Experiment(crystal=CRYSTAL, detector=Detector(shape=(9, 9)), sampling=Sampling(phi=30.0, oscillation=1.0))
    )
    image.noisy(seed=1).write(tmp_path / "a.img")
    content = (tmp_path / "a.img").read_bytes()
    (tmp_path / "a.img").write_bytes(content.replace(b"\nPHI=30;", b"\nXXX=30;"))
    for quirks in ("all", "none"):
        found = resolve(
            replace(
                image.resolved.experiment,
                sampling=Sampling(),
                detector=Detector(header=tmp_path / "a.img"),
                quirks=quirks,
            )
        )
        assert np.degrees(found.radiation.phi) == pytest.approx(30.0)
