"""NXmx files that people hand us: each is read right, or refused in a sentence. If one of these fails, images are
of another detector or crystal, or a file that others read is refused.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from headers import beam_pixels_of, line_of, nxmx_file, put_axis, put_item, resolved_of
from nanobragg import Beam, InputError, Sampling
from nanobragg.io.geometry.any_file import read_file_geometry


def _replace(group: Any, name: str, value: Any) -> None:
    attributes = dict(group[name].attrs)
    del group[name]
    put_item(group, name, value, **attributes)


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
    put_item(beam, "incident_energy", 12398.42 / 0.9 / 1000.0, units="keV")


def _spectrum(entry: Any) -> None:
    beam = entry["instrument/beam"]
    del beam["incident_wavelength"]
    put_item(beam, "incident_wavelength", [0.5, 0.89, 0.9, 0.92], units="angstrom")
    put_item(beam, "incident_wavelength_weights", [0.0, 1.0, 3.0, 0.5])


def _inner_axes(entry: Any) -> None:
    axes = entry["sample/transformations"]
    put_axis(axes, "chi", 30.0, "rotation", (0, 0, 1), "sam_x")
    put_axis(axes, "phi", 15.0, "rotation", (-1, 0, 0), "chi")
    put_axis(axes, "sam_x", [1e-3], "translation", (1, 0, 0), "omega")
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
    put_axis(axes, "kappa", 0.0, "rotation", (0, 1, 1), ".")


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
    found = resolved_of(nxmx_file(tmp_path / "a.nxs", change))
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
        put_item(beam, "calibrated", 0.91, units="angstrom", variant="spectrum_1D")
        put_item(beam, "spectrum_1D", [0.089, 0.09, 0.092], units="nm")
        beam["spectrum_1D_weights"] = [1.0, 2.0, 1.0]

    found = resolved_of(nxmx_file(tmp_path / "a.nxs", vary))
    np.testing.assert_allclose(found.scene.source_wavelength * 1e10, [0.89, 0.90, 0.92])
    np.testing.assert_allclose(found.scene.source_weight, [0.75, 1.5, 0.75])


def test_a_detector_that_moves_along_the_series_is_told(tmp_path: Path) -> None:
    arm = "instrument/detector/transformations"
    found = resolved_of(nxmx_file(tmp_path / "a.nxs", lambda e: _replace(e[arm], "translation", [0.1, 0.1, 0.12])))
    assert found.geometry.distance == pytest.approx(0.1)
    assert any("translation is 0.1 to 0.12 m along the series" in warning for warning in found.warnings)


@pytest.mark.parametrize("item", ["incident_wavelength", "incident_energy"])
def test_wavelengths_that_change_along_the_series_are_told(item: str, tmp_path: Path) -> None:
    values = np.array([0.9, 0.901, 0.902])

    def change(entry: Any) -> None:
        del entry["instrument/beam/incident_wavelength"]
        energies = item.endswith("energy")
        said = 12398.42 / values if energies else values
        put_item(entry["instrument/beam"], item, said, units="eV" if energies else "angstrom")

    found = resolved_of(nxmx_file(tmp_path / "a.nxs", change))
    np.testing.assert_allclose(found.scene.source_wavelength * 1e10, [0.9], rtol=1e-6)
    assert "the wavelength of the first image (0.9 to 0.902 Å in the series)" in line_of(found).replace(
        "0.900000", "0.9"
    )


def test_the_width_of_a_band_is_told(tmp_path: Path) -> None:
    found = resolved_of(
        nxmx_file(tmp_path / "a.nxs", lambda e: put_item(e["instrument/beam"], "incident_wavelength_spread", 0.02))
    )
    assert "not used: incident_wavelength_spread 0.02 (-dispersion)" in line_of(found)


def test_scalars_that_contradict_the_axes_are_told(tmp_path: Path) -> None:
    def contradict(entry: Any) -> None:
        _replace(entry["instrument/detector"], "beam_center_x", 80.0)
        _replace(entry["instrument/detector"], "detector_distance", 0.2)

    found = resolved_of(nxmx_file(tmp_path / "a.h5", contradict))
    assert found.geometry.distance == pytest.approx(0.1)
    assert "the distance of its axes, not the 200 mm" in line_of(found)
    assert "the beam centre of its axes, not the 80 12" in line_of(found)


def test_a_module_may_be_a_part_of_the_data(tmp_path: Path) -> None:
    def part(entry: Any) -> None:
        _replace(entry["instrument/detector/module"], "data_origin", [10, 4])
        _replace(entry["instrument/detector/module"], "data_size", [20, 16])

    assert resolved_of(nxmx_file(tmp_path / "a.h5", part)).scene.panels[0].shape == (20, 16)


def test_inner_axes_turn_the_crystal(tmp_path: Path) -> None:
    plain, turned = (
        resolved_of(nxmx_file(tmp_path / name, change)) for name, change in (("a.h5", None), ("b.h5", _inner_axes))
    )
    a, c = np.radians(15.0), np.radians(30.0)
    phi = np.array([[1, 0, 0], [0, np.cos(a), np.sin(a)], [0, -np.sin(a), np.cos(a)]])
    chi = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    np.testing.assert_allclose(turned.sample.b0, chi @ phi @ np.array(plain.sample.b0), atol=1e-15)
    assert "omega is scanned and phi 15, chi 30 deg turn the crystal" in line_of(turned)


def _scalars_only(entry: Any, **changes: float) -> None:
    del entry["instrument/detector/module"]
    for name, value in changes.items():
        _replace(entry["instrument/detector"], name, value)


def test_zeros_are_not_said_and_what_is_taken_is_told(tmp_path: Path) -> None:
    zeros = {"detector_distance": 0.0, "beam_center_x": 0.0, "beam_center_y": 0.0}
    found = resolved_of(nxmx_file(tmp_path / "a.h5", lambda e: _scalars_only(e, **zeros)), detector={"distance": 150.0})
    assert found.geometry.distance == pytest.approx(0.15)
    assert beam_pixels_of(found) == pytest.approx((11.0, 16.0))  # MOSFLM's middle
    assert "taken: beam centre in the middle of the detector" in line_of(found)
    assert "distance 100 mm" not in line_of(found)
    found = resolved_of(tmp_path / "a.h5")
    assert "distance 100 mm, beam centre" in line_of(found)


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
    path = nxmx_file(tmp_path / "a.h5", damage)
    with pytest.raises(InputError, match=sentence) as caught:
        resolved_of(path)
    assert "\n" not in str(caught.value)
    assert "h5py" not in str(caught.value)
    assert "synchronously" not in str(caught.value)
    resolved_of(path, **option)


def test_rectangular_pixels_and_sheared_axes_are_kept(tmp_path: Path) -> None:
    """One edge for both, or axes made to be at right angles, would move pixels by millimetres."""

    def odd(entry: Any) -> None:
        _replace(entry["instrument/detector/module"], "slow_pixel_direction", 2e-4)
        entry["instrument/detector/module/slow_pixel_direction"].attrs["vector"] = [0.02, -1, 0]

    found = resolved_of(nxmx_file(tmp_path / "a.h5", odd))
    (panel,) = found.scene.panels
    assert panel.pixel_size == pytest.approx((1e-4, 2e-4))
    slow = np.array([0.02, -1, 0]) / np.hypot(0.02, 1)
    np.testing.assert_allclose(
        panel.at(3, 5), np.array([8e-4, 12e-4, 0.1]) + [-3e-4, 0, 0] + 5 * 2e-4 * slow, atol=1e-12
    )
    assert "a panel of 20 x 30 pixels of 0.1 x 0.2 mm" in line_of(found)


def test_several_modules_are_several_panels(tmp_path: Path) -> None:
    def two(entry: Any) -> None:
        entry.file.copy("entry/instrument/detector/module", "entry/instrument/detector/module_2")
        entry["instrument/detector/module_2/fast_pixel_direction"].attrs["offset"] = [0.0, 0.0, 0.05]

    path = nxmx_file(tmp_path / "a.h5", two)
    one, other = read_file_geometry(path).panels
    np.testing.assert_allclose(np.array(other.origin) - one.origin, [0, 0, 50.0], atol=1e-9)
    one, other = resolved_of(path).scene.panels
    np.testing.assert_allclose(other.origin - one.origin, [0, 0, 0.05], atol=1e-12)


def test_bad_pixels_of_the_file_are_not_rendered(tmp_path: Path) -> None:
    def mask(entry: Any) -> None:
        bad = np.zeros((30, 20), np.uint32)
        bad[3:5, 7] = 1
        entry["instrument/detector/pixel_mask"] = bad

    found = resolved_of(nxmx_file(tmp_path / "a.h5", mask))
    assert "2 bad pixels, which are not rendered" in line_of(found)
    assert np.argwhere(found.scene.panels[0].mask == 0).tolist() == [[3, 7], [4, 7]]


def test_bad_pixels_of_another_layout_are_told(tmp_path: Path) -> None:
    """As of a mask that somebody transposed."""
    mask = np.ones((20, 30), np.uint32)
    found = resolved_of(
        nxmx_file(
            tmp_path / "a.nxs", lambda e: e.file.create_dataset("entry/instrument/detector/pixel_mask", data=mask)
        )
    )
    assert found.scene.panels[0].mask is None
    assert any("its bad pixels are not used" in warning for warning in found.warnings)


def test_axes_whose_normal_points_at_the_sample_stay_where_they_are(tmp_path: Path) -> None:
    def mirror(entry: Any) -> None:
        entry["instrument/detector/module/slow_pixel_direction"].attrs["vector"] = [0.0, 1.0, 0.0]

    panel = resolved_of(nxmx_file(tmp_path / "a.h5", mirror)).scene.panels[0]
    np.testing.assert_allclose(panel.at(0, 0), [8e-4, 12e-4, 0.1], atol=1e-12)
    assert panel.close_distance == pytest.approx(0.1)


def test_a_detector_behind_the_sample_is_told(tmp_path: Path) -> None:
    def upstream(entry: Any) -> None:
        _replace(entry["instrument/detector/transformations"], "translation", -0.1)
        del entry["instrument/detector/detector_distance"]

    found = resolved_of(nxmx_file(tmp_path / "a.h5", upstream))
    np.testing.assert_allclose(found.scene.panels[0].at(8, 12), [0, 0, -0.1], atol=1e-12)
    assert any("upstream of the sample, at -100 mm" in warning for warning in found.warnings)


@pytest.mark.parametrize("options", [{}, {"oscillation": 1.0, "phi_steps": 2}])
def test_a_still_turns_across_the_beam_if_at_all(options: Any, tmp_path: Path) -> None:
    """A spindle along the beam, which the custom convention has, would be nobody's."""
    path = nxmx_file(
        tmp_path / "a.h5", lambda entry: entry["sample"].pop("depends_on") and entry.file.pop("entry/sample")
    )
    found = resolved_of(path, sampling=Sampling(**options))
    assert abs(np.dot(found.geometry.spindle, found.geometry.beam)) < 1e-12
    assert bool(options) == any("names no spindle" in warning for warning in found.warnings)
    assert "spindle -1 0 0, across the beam" in line_of(found)
