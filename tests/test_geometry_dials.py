"""DIALS's files that people hand us: each is read right, or refused in a sentence. If one of these fails, images are
of another detector or crystal, or a file that others read is refused.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from headers import CRYSTAL, line_of, nxmx_file, resolved_of
from nanobragg import Beam, Crystal, Detector, Experiment, InputError, Sampling, resolve
from nanobragg.inputs.words import parse_words
from nanobragg.io.images.nexus import laboratory_to_nexus


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
    found = resolved_of(_expt(tmp_path / "a.expt"), **BARE)
    assert np.argwhere(found.scene.panels[0].mask == 0).tolist() == [[6, 5], [6, 6], [6, 7]]
    for words in ("3 bad pixels", "gain 10", "trusted range 0 to 1000"):
        assert words in line_of(found)


def test_all_children_of_a_hierarchy_are_walked(tmp_path: Path) -> None:
    document = json.loads(_expt(tmp_path / "a.expt").read_text())
    turned = {"fast_axis": [0, 1, 0], "slow_axis": [-1, 0, 0], "origin": [0, 0, -50]}
    document["detector"][0]["hierarchy"] = {
        "fast_axis": [1, 0, 0], "slow_axis": [0, 1, 0], "origin": [1, 2, 3],
        "children": [{"children": []}, {**turned, "children": [{"children": [{"panel": 0}]}]}],
    }  # fmt: skip
    (tmp_path / "a.expt").write_text(json.dumps(document))
    panel = resolved_of(tmp_path / "a.expt", **BARE).scene.panels[0]
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
        resolved_of(tmp_path / "a.expt", **BARE)


def test_a_crystal_that_is_not_there_is_an_options(tmp_path: Path) -> None:
    document = json.loads(_expt(tmp_path / "a.expt").read_text())
    document["experiment"][0]["crystal"] = -1
    (tmp_path / "a.expt").write_text(json.dumps(document))
    with pytest.raises(InputError, match=r"found crystal -1 of 1 .*; -cell or -mat can say it instead"):
        resolved_of(tmp_path / "a.expt", **BARE)
    assert resolved_of(tmp_path / "a.expt").sample.cell[0] == pytest.approx(79.0)


def test_widths_of_models_are_told(tmp_path: Path) -> None:
    crystal = {f"real_space_{axis}": np.diag([50.0, 60, 70])[n].tolist() for n, axis in enumerate("abc")}
    beam = {"direction": [0, 0, 1], "wavelength": 0.98, "divergence": 0.0, "sigma_divergence": 0.02}
    path = _expt(tmp_path / "a.expt", beam=[beam], crystal=[{**crystal, "mosaicity": 0.2}])
    line = line_of(resolved_of(path, **BARE))
    assert "sigma of the divergence 0.02 deg, mosaicity 0.2 deg (-mosaic_spread)" in line
    assert "its crystal" not in line


def test_a_block_of_old_dials_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('[\n  {\n    "__id__": "DataBlock",\n    "imageset": []\n  }\n]')
    with pytest.raises(InputError, match=r"found a DataBlock of DIALS before 2\.0"):
        resolved_of(tmp_path / "a.json")


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
    found = resolved_of(path, **BARE, sampling=Sampling(phi=phi))
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
    found = resolved_of(_expt(tmp_path / "a.expt", goniometer=[goniometer]), **BARE, sampling=Sampling(phi=31.75))
    between = (np.array(about_y(0.3)) + about_y(0.4)).reshape(3, 3) / 2  # 3.5 images after the start, with half of one
    at = found.geometry.spindle
    np.testing.assert_allclose(at, between[:, 0] / np.linalg.norm(between[:, 0]), atol=5e-2)
    assert at[2] < -0.3


def test_a_beam_that_varies(tmp_path: Path) -> None:
    points = [[0.0, 0.01 * n, -1.0] for n in range(5)]
    beam = {"direction": [0, 0, 1], "wavelength": 1.0, "s0_at_scan_points": points}
    found = resolved_of(_expt(tmp_path / "a.expt", beam=[beam]), **BARE, sampling=Sampling(phi=31.0))
    assert found.geometry.beam == pytest.approx(np.array([0, 0.025, -1]) / np.hypot(1, 0.025))


def test_an_experiment_of_several_is_chosen_or_told(tmp_path: Path) -> None:
    path = _expt(tmp_path / "a.expt", experiments=3)
    found = resolved_of(path, **BARE)
    assert any("found 3 experiments, the first is used" in warning for warning in found.warnings)
    run = parse_words(["-img", str(path), "-default_F", "1", "-experiment", "2"])
    chosen = resolve(run.experiment)
    assert chosen.sample.cell[0] == pytest.approx(52.0)
    assert "experiment 2 of 3" in line_of(chosen)
    with pytest.raises(InputError, match="-experiment: found 3, expected 0 to 2"):
        resolved_of(path, **BARE, detector={"experiment": 3})
    with pytest.raises(InputError, match=r"-experiment: found 0 with -img .*\(NeXus\), expected a DIALS"):
        resolved_of(nxmx_file(tmp_path / "a.h5"), detector={"experiment": 0})
    with pytest.raises(InputError, match="-experiment: found 1 without -img"):
        resolve(Experiment(crystal=CRYSTAL, detector=Detector(experiment=1)))


def test_a_polychromatic_beam_is_its_range(tmp_path: Path) -> None:
    beam = {"__id__": "polychromatic", "direction": [0, 0, 1], "wavelength_range": [0.95, 1.05]}
    found = resolved_of(_expt(tmp_path / "a.expt", beam=[beam]), **BARE)
    waves = found.scene.source_wavelength * 1e10
    assert len(set(waves)) > 20
    assert waves.min() > 0.95
    assert waves.max() < 1.05
    assert waves.mean() == pytest.approx(1.0)
    one = resolved_of(tmp_path / "a.expt", **BARE, beam=Beam(wavelength=1.0))
    assert len(one.scene.source_wavelength) == 1
    one = resolved_of(_expt(tmp_path / "b.expt", beam=[beam | {"wavelength_range": [0.97, 0.97]}]), **BARE)
    np.testing.assert_allclose(one.scene.source_wavelength, [0.97e-10])
    assert "one wavelength 0.97 Å" in line_of(one)


@pytest.mark.parametrize("beam", [{}, {"wavelength": "long"}, {"wavelength": 0.0}, {"wavelength_range": [2, -1]}])
def test_a_wavelength_that_a_dials_file_lacks_is_an_options(beam: dict[str, Any], tmp_path: Path) -> None:
    path = _expt(tmp_path / "a.expt", beam=[{"direction": [0, 0, 1], **beam}])
    with pytest.raises(InputError, match="-lambda can say it instead"):
        resolved_of(path, **BARE)
    found = resolved_of(path, **BARE, beam=Beam(wavelength=1.1))
    assert found.radiation.wavelength == pytest.approx(1.1e-10)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_dials_file_of_any_encoding(encoding: str, tmp_path: Path) -> None:
    """As some editors of Windows save it."""
    path = _expt(tmp_path / "a.expt")
    path.write_text(path.read_text(), encoding=encoding)
    assert resolved_of(path, **BARE).geometry.distance == pytest.approx(0.12)


def test_the_nexus_frame_after_a_dials_file_is_not_turned(tmp_path: Path) -> None:
    """NeXus' x and z are minus those of DIALS."""
    found = resolved_of(_expt(tmp_path / "a.expt"), **BARE)
    np.testing.assert_allclose(laboratory_to_nexus(found.geometry), np.diag([-1.0, 1.0, -1.0]), atol=1e-12)
