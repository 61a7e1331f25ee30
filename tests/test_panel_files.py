"""Files of detectors of many panels: every pixel where an independent computation has it, every bad pixel left out,
and what cannot be read named by file, line and key. Whoever simulates a beamline's detector has it in such a file.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray

from nanobragg import Beam, Crystal, Detector, Experiment, InputError, Resolved, Sampling, resolve, trace_pixel
from nanobragg.maths.rotations import rotation

CRYSTAL = Crystal(cell=[50], default_F=1.0, cells=2)
SHARED = Path(__file__).parents[2] / "shared" / "geometry"
TO_OURS = np.array([[0, 0, 1], [0, 1, 0], [-1, 0, 0]])
"""from CrystFEL's and NeXus' frame to MOSFLM's"""


def resolved(path: Path, **said: Any) -> Resolved:
    beam, one = said.pop("beam", Beam()), Sampling(oversample=1)
    return resolve(Experiment(crystal=CRYSTAL, beam=beam, sampling=one, detector=Detector(header=path, **said)))


def check_pixels(found: Resolved, panel: int, centres: NDArray[np.float64], turn: Any = None) -> None:
    """Whether pixels 0, 0 and 1, 2 (slow, fast) of a panel are there (m)."""
    turn = np.eye(3) if turn is None else turn
    for (slow, fast), centre in zip(((0, 0), (1, 2)), centres, strict=True):
        np.testing.assert_allclose(found.scene.panels[panel].at(fast + 0.5, slow + 0.5), turn @ centre, atol=1e-12)


def traced(found: Resolved, panel: int, slow: int, fast: int) -> NDArray[np.float64]:
    """(3,) m: where the renderer has the centre of a pixel."""
    evaluations = trace_pixel(found.scene, slow, fast, panel=panel).evaluations
    return np.mean([np.array(each.position) for each in evaluations], axis=0)


# ---- CrystFEL ---------------------------------------------------------------------------------------------

GEOMETRY = """; two quadrants of two panels
photon_energy = 9500 eV
clen = {clen}
coffset = 0.01
res = 10000
adu_per_photon = 2
max_adu = 60000
data = /entry_1/data_1/data
dim0 = %
dim1 = ss
dim2 = fs
a/min_fs = 0
a/max_fs = 3
a/min_ss = 0
a/max_ss = 2
a/fs = x
a/ss = y
a/corner_x = 10
a/corner_y = -20
b/min_fs = 4
b/max_fs = 7
b/min_ss = 0
b/max_ss = 2
b/fs = -0.6x+0.8y
b/ss = -0.8x-0.6y
b/corner_x = -10
b/corner_y = 20.5
coffset = -0.02
c/min_fs = 0
c/max_fs = 3
c/min_ss = 3
c/max_ss = 5
c/fs = 0.9x + 0.1y -0.2z
c/ss = 0.02x - 1.1y
c/corner_x = 1
c/corner_y = 2
{more}
"""
GROUPS = "{old}q0 = a,b\n{old}q1 = c\n{old}collection_quadrants = q0,q1"


def geometry(folder: Path, clen: str = "0.1", more: str = "", **changes: str) -> Path:
    text = GEOMETRY.format(clen=clen, more=more)
    for key, value in changes.items():
        text = text.replace(key.replace("__", "/"), value)
    path = folder / "a.geom"
    path.write_text(text)
    return path


def crystfel_pixels(corner: Any, fast: Any, slow: Any, z: float) -> NDArray[np.float64]:
    """Centres of the pixels 0, 0 and 1, 2 (slow, fast), m, by the formula of CrystFEL's manual."""
    counts = np.array([[0.5, 0.5], [2.5, 1.5]])
    return (np.array([*corner, 0.0]) + counts @ np.array([fast, slow])) / 10000 + np.array([0, 0, z])


@pytest.mark.parametrize("spelling", ["rigid_group_", "group_"])
def test_crystfel_panels_stand_where_its_manual_says(spelling: str, tmp_path: Path) -> None:
    """Corners, coffsets, axes of any length and angle, old and new groups; in CrystFEL's frame and in ours."""
    path = geometry(tmp_path, more=GROUPS.format(old=spelling))
    for convention, turn in ((None, None), ("mosflm", TO_OURS)):
        found = resolved(path, convention=convention)
        check_pixels(found, 0, crystfel_pixels((10, -20), (1, 0, 0), (0, 1, 0), 0.11), turn)
        check_pixels(found, 1, crystfel_pixels((-10, 20.5), (-0.6, 0.8, 0), (-0.8, -0.6, 0), 0.11), turn)
    panels = found.scene.panels
    expected = crystfel_pixels((1, 2), (0.9, 0.1, -0.2), (0.02, -1.1, 0), 0.08)
    np.testing.assert_allclose(traced(found, 2, 1, 2), TO_OURS @ expected[1], atol=1e-9)
    np.testing.assert_allclose(panels[2].at(2.5, 1.5), TO_OURS @ expected[1], atol=1e-12)
    assert [panel.group for panel in panels] == ["q0", "q0", "q1"]
    assert [panel.place for panel in panels] == [(0, 0), (0, 4), (3, 0)]
    assert {(panel.gain, panel.saturation) for panel in panels} == {(2.0, 60000.0)}
    assert panels[2].pixel_size == pytest.approx((1e-4 * np.sqrt(0.86), 1e-4 * np.hypot(0.02, 1.1)))


def test_the_camera_length_may_be_an_option(tmp_path: Path) -> None:
    """Before coffset, in mm; a distance moves all panels by the same."""
    path = geometry(tmp_path, clen="/LCLS/EncoderValue")
    with pytest.raises(InputError, match=r"a\.geom: line 3: found clen at /LCLS/EncoderValue.*-clen MM says it"):
        resolved(path)
    check_pixels(resolved(path, clen=100.0), 0, crystfel_pixels((10, -20), (1, 0, 0), (0, 1, 0), 0.11))
    near = resolved(path, distance=60.0)
    farther = resolved(path, distance=75.0)
    assert near.geometry.distance == pytest.approx(0.06)
    for one, other in zip(near.scene.panels, farther.scene.panels, strict=True):
        np.testing.assert_allclose(other.origin - one.origin, [0, 0, 0.015], atol=1e-15)


def test_what_is_left_to_a_data_file_is_read_from_it(tmp_path: Path) -> None:
    """Camera length (mm, unless a unit is said), energy and masks; options are stronger."""
    data = tmp_path / "run.h5"
    bad = np.zeros((3, 6, 8), np.uint16)
    bad[0, 4, 1] = 2
    with h5py.File(data, "w") as file:
        file["LCLS/EncoderValue"] = np.array([90.0, 91.0])
        file["LCLS/keV"] = 9.5
        file["mask"] = bad
        file["words"] = "none"
    said = {"9500 eV": "/LCLS/keV keV", "res = 10000": "res = 10000\nmask = /mask\nmask_bad = 0x2"}

    def corner(z: float) -> NDArray[np.float64]:
        return crystfel_pixels((10, -20), (1, 0, 0), (0, 1, 0), z)

    path = geometry(tmp_path, clen="/LCLS/EncoderValue", **said)
    found = resolved(path, geometry_data=data)
    check_pixels(found, 0, corner(0.10))
    assert found.radiation.wavelength == pytest.approx(12398.42e-10 / 9500)
    assert found.scene.panels[0].mask is None
    assert found.scene.panels[2].mask is not None
    assert np.argwhere(found.scene.panels[2].mask == 0).tolist() == [[1, 1]]
    check_pixels(resolved(path, geometry_data=data, clen=100.0), 0, corner(0.11))
    with h5py.File(data, "a") as file:
        file["LCLS/EncoderValue"][0] = 95.0
    check_pixels(resolved(path, geometry_data=data), 0, corner(0.105))
    in_metres = geometry(tmp_path, clen="/LCLS/EncoderValue m", **said)
    assert resolved(in_metres, geometry_data=data).scene.panels[0].origin[2] == pytest.approx(95.01)


def test_mistakes_about_a_data_file_are_named(tmp_path: Path) -> None:
    data = tmp_path / "run.h5"
    with h5py.File(data, "w") as file:
        file["words"] = "none"
    with pytest.raises(InputError, match=r"run\.h5: found no array /LCLS/gone that can be read"):
        resolved(geometry(tmp_path, clen="/LCLS/gone"), geometry_data=data)
    with pytest.raises(InputError, match=r"run\.h5: found no number at /words, expected the clen of .*a\.geom, line 3"):
        resolved(geometry(tmp_path, clen="/words"), geometry_data=data)
    with pytest.raises(InputError, match=r"-geomdata: found .*run\.h5 without -img, expected a CrystFEL geometry"):
        resolve(Experiment(crystal=CRYSTAL, detector=Detector(geometry_data=data)))


def test_solid_angles_are_those_of_tilted_pixels(tmp_path: Path) -> None:
    """Area times |cos| over the square of the distance, for axes not at right angles, whichever way f × s points."""
    found = resolved(geometry(tmp_path))
    for panel in found.scene.panels:
        a, b, c, d = panel.at([1, 2, 2, 1], [1, 1, 2, 2])
        centre = panel.at(1.5, 1.5)
        area = 0.5 * np.cross(c - a, d - b)
        expected = abs(area @ centre) / np.linalg.norm(centre) ** 3
        number = found.scene.panels.index(panel)
        (evaluation,) = trace_pixel(found.scene, 1, 1, panel=number).evaluations
        assert evaluation.omega == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("dims", "places"),
    [
        ({}, [(0, 0), (0, 4), (3, 0)]),
        ({"dim1 = ss": "dim1 = 0", "dim2 = fs": "dim2 = ss\ndim3 = fs"}, [(0, 0), (0, 4), (3, 0)]),
        ({"c/min_fs": "c/dim1 = 5\nc/dim2 = ss\nc/dim3 = fs\nc/min_fs", "dim2 = fs": "dim2 = ss\ndim3 = fs",
          "dim1 = ss": "dim1 = 2"}, [(2, 0, 0), (2, 0, 4), (5, 3, 0)]),
        ({"c/min_fs": "c/data = /other\nc/min_fs"}, [(0, 0, 0), (0, 0, 4), (1, 3, 0)]),
    ],
    ids=["slab", "one index", "stack", "several arrays"],
)  # fmt: skip
def test_places_in_the_data_follow_its_dimensions(dims: Any, places: Any, tmp_path: Path) -> None:
    found = resolved(geometry(tmp_path, **dims))
    assert [panel.place for panel in found.scene.panels] == places


def test_panels_that_share_pixels_of_the_data_are_told(tmp_path: Path) -> None:
    """As where the last row of a panel is said to be the first of the next: whose counts are these?"""
    assert resolved(geometry(tmp_path)).warnings == ()
    assert resolved(geometry(tmp_path, **{"a/max_ss = 2": "a/max_ss = 3"})).warnings == (
        "panels a and c share pixels of the file's array",
    )


def test_masks_beside_a_geometry_are_used(tmp_path: Path) -> None:
    """Bits that must be set and bits that must not, of two files, in both spellings; a file that is away is named."""
    rng = np.random.default_rng(3)
    one, other = rng.integers(0, 8, (6, 8)), rng.integers(0, 4, (2, 8, 6))
    with h5py.File(tmp_path / "one.h5", "w") as file:
        file["mask"] = one
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["entry/mask"] = other
    bad = (one & 5) != 5
    old = "mask_file = one.h5\nmask = /mask\nmask_good = 0x5\nmask_bad = 0x0\nres = 10000"
    found = resolved(geometry(tmp_path, **{"res = 10000": old})).scene.panels
    for panel in found:
        s, f = panel.place
        assert panel.mask is not None
        assert ((panel.mask == 0) == bad[s : s + 3, f : f + 4]).all()
    new = "mask0_file = one.h5\nmask0_data = /mask\nmask0_goodbits = 0x5\n" \
          "mask1_data = /entry/mask\nmask1_file = other.h5\nmask1_badbits = 2\nres = 10000"  # fmt: skip
    turned = {"res = 10000": new, "dim1 = ss": "dim1 = fs", "dim2 = fs": "dim2 = ss"}
    with h5py.File(tmp_path / "one.h5", "w") as file:
        file["mask"] = one.T
    result = resolved(geometry(tmp_path, **turned))
    both = bad | ((other[0].T & 2) != 0)
    for panel in result.scene.panels:
        s, f = panel.place
        assert panel.mask is not None
        assert ((panel.mask == 0) == both[s : s + 3, f : f + 4]).all()
    (tmp_path / "other.h5").unlink()
    (line,) = (note for note in resolved(geometry(tmp_path, **turned)).notes if note.startswith("from "))
    assert "masks in data files (other.h5)" in line
    assert "the fast axis before the slow one" in line


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"b/corner_x = -10": ""}, r"line 20: found no corner_x of panel b"),
        ({"c/fs = 0.9x + 0.1y -0.2z": "c/fs = 0"}, r"line 33: found c/fs '0', expected a vector"),
        ({"dim1 = ss": "dim1 = slow"}, r"line 10: found a/dim1 'slow', expected %, ss, fs or a number"),
        ({"dim1 = ss": "dim1 = fs"}, r"line 11: found the axes fs fs of the data of panel a"),
        ({"a/max_fs = 3": "a/max_fs = -3"}, r"line 13: found a/max_fs -3 for pixels 0 to -3"),
        ({"res = 10000": "res = 10000\nmask = /m\nmask_file = f.h5\nmask_good = yes"}, "line 8: found 'yes' as bits"),
        ({"c/ss = 0.02x - 1.1y": "c/ss = 1.8x+0.2y-0.4z"}, "line 34: found c/ss '1.8x.0.2y-0.4z' along its fs"),
        ({"res = 10000": "res = 10000\nbad1/min_fs = 0\nbad1/max_x = 3"}, "line 6: found max_x and min_fs of bad1"),
        ({"adu_per_photon = 2": "adu_per_photon = 0"}, "line 6: found a/adu_per_photon 0, expected a positive number"),
    ],
)
def test_mistakes_of_a_geometry_are_named(change: dict[str, str], sentence: str, tmp_path: Path) -> None:
    (tmp_path / "f.h5").touch()
    with pytest.raises(InputError, match=sentence) as caught:
        resolved(geometry(tmp_path, **change))
    assert "\n" not in str(caught.value)


def test_regions_and_groups_of_what_is_not_there_are_told(tmp_path: Path) -> None:
    """A wrong name leaves bad pixels in the image, and panels that are not moved together."""
    more = "bad1/panel = z\nbad1/min_fs = 0\nbad1/max_fz = 3\ngroup_q = a,d\n"
    more += "\n".join(f"bad{n}/min_fs = 0\nbad{n}/max_fz = 3" for n in (2, 3))
    said = resolved(geometry(tmp_path, more=more)).warnings
    for sentence in (
        "line 37: bad1 is of panel 'z', which is not there",
        "line 39: the key bad1/max_fz is not known (nor are 2 more of that name)",
        "group_q has 'd', which is no panel",
    ):
        assert any(sentence in warning for warning in said)


def test_a_mask_that_is_none_is_named(tmp_path: Path) -> None:
    said = {"res = 10000": "res = 10000\nmask = /m\nmask_file = f.h5"}
    (tmp_path / "f.h5").write_text("no HDF5")
    with pytest.raises(InputError, match=r"f\.h5: found no array /m that can be read, expected one"):
        resolved(geometry(tmp_path, **said))
    with h5py.File(tmp_path / "f.h5", "w") as file:
        file["m"] = np.zeros((5, 7), np.uint8)
    with pytest.raises(InputError, match=r"f\.h5: found 5 x 7 pixels in /m, expected those of panel b"):
        resolved(geometry(tmp_path, **said))


def test_options_of_one_panel_are_refused(tmp_path: Path) -> None:
    options: dict[str, Any] = {"-pixel": {"pixel_size": 0.1}, "-detpixels": {"shape": (3, 4)}}
    options["-fdet_vector"] = {"fast_axis": (1, 0, 0)}
    for option, said in options.items():
        with pytest.raises(InputError, match=rf"{option}: found it with the panels of .*a\.geom, expected none"):
            resolved(geometry(tmp_path), **said)


# ---- DIALS ------------------------------------------------------------------------------------------------


def experiment_list(folder: Path) -> tuple[Path, list[NDArray[np.float64]]]:
    """A detector of two levels of turned groups, and the centres of two pixels of each panel, m."""
    rng = np.random.default_rng(8)

    def frame() -> tuple[dict[str, Any], NDArray[np.float64]]:
        matrix, axis = np.eye(4), rng.normal(size=3)
        matrix[:3, :3] = rotation(axis / np.linalg.norm(axis), 0.3)
        matrix[:3, 3] = rng.uniform(-5, 5, 3)
        names = ("fast_axis", "slow_axis", "origin")
        return dict(zip(names, matrix[:3, [0, 1, 3]].T.tolist(), strict=True)), matrix

    root, of_root = frame()
    root["origin"][2] = of_root[2, 3] = -150.0
    panels, centres, children = [], [], []
    for group in range(2):
        inner, of_group = frame()
        inner |= {"name": f"quadrant {group}", "children": []}
        for _ in range(2):
            said, of_panel = frame()
            said |= {
                "name": f"p{len(panels)}", "image_size": [6, 5], "pixel_size": [0.1, 0.1], "gain": 3.0,
                "trusted_range": [-1.0, 9999.0], "thickness": 0.32, "material": "Si", "mu": 3.9,
                "raw_image_offset": [6 * len(panels), 0], "mask": [[0, 1, 2, 4]] if len(panels) == 3 else [],
            }  # fmt: skip
            matrix = of_root @ of_group @ of_panel
            points = np.array([[0.05, 0.05, 0, 1], [0.25, 0.15, 0, 1]])
            centres.append((points @ matrix.T)[:, :3] / 1000)
            inner["children"].append({"panel": len(panels)})
            panels.append(said)
        children.append(inner)
    document = {
        "__id__": "ExperimentList", "experiment": [{"beam": 0, "detector": 0}],
        "beam": [{"direction": [0, 0, 1], "wavelength": 1.2, "polarization_normal": [0, 1, 0],
                  "polarization_fraction": 0.95}],
        "detector": [{"panels": panels, "hierarchy": {**root, "children": children}}],
    }  # fmt: skip
    path = folder / "a.expt"
    path.write_text(json.dumps(document))
    return path, centres


def test_dials_hierarchies_are_followed(tmp_path: Path) -> None:
    """Each panel is local to all groups that hold it, the root included."""
    path, centres = experiment_list(tmp_path)
    to_ours = TO_OURS @ np.diag([-1.0, 1.0, -1.0])
    for convention, turn in ((None, None), ("mosflm", to_ours)):
        found = resolved(path, convention=convention)
        for number, expected in enumerate(centres):
            check_pixels(found, number, expected, turn)
        np.testing.assert_allclose(
            traced(found, 1, 1, 2), (np.eye(3) if turn is None else turn) @ centres[1][1], atol=1e-9
        )
    panels = found.scene.panels
    assert [panel.group for panel in panels] == ["quadrant 0", "quadrant 0", "quadrant 1", "quadrant 1"]
    assert [panel.place for panel in panels] == [(0, 0), (0, 6), (0, 12), (0, 18)]
    assert {(p.gain, p.saturation, p.sensor_material) for p in panels} == {(3.0, 9999.0, "Si")}
    assert panels[0].sensor_thickness == pytest.approx(320e-6)
    assert panels[3].mask is not None
    assert np.argwhere(panels[3].mask == 0).tolist() == [[s, f] for s in (1, 2, 3) for f in (0, 1)]
    assert found.radiation.wavelength == pytest.approx(1.2e-10)
    assert found.radiation.kahn_factor == pytest.approx(0.9)


def test_groups_of_one_name_stay_apart(tmp_path: Path) -> None:
    path, _ = experiment_list(tmp_path)
    path.write_text(re.sub("quadrant [01]", "quad", path.read_text()))
    assert [panel.group for panel in resolved(path).scene.panels] == ["quad", "quad", "quad 2", "quad 2"]


@pytest.mark.parametrize(
    ("place", "value", "sentence"),
    [
        ("detector.0.panels.2.pixel_size", None, "no pixel_size in detector[0].panels[2]"),
        ("detector.0.panels.2.fast_axis", [0, 0, 0], "fast_axis [0.0, 0.0, 0.0], which has no direction"),
        ("detector.0.panels.3.mask", [[1, 2]], "mask [1, 2], not 4 numbers, in detector[0].panels[3]"),
        (
            "detector.0.panels.1.image_size",
            [4, 10**9],
            "4 x 1000000000 pixels of",
        ),
        ("detector.0.panels.1.raw_image_offset", [-3, 0], "raw_image_offset -3, 0, which is no pixel, in detector[0]"),
        ("detector.0.panels", {"a": 1}, "no panels in detector[0]"),
        ("detector.0.panels.1", 3, "panel 1 that is no object in detector[0]"),
        (
            "detector.0.hierarchy.children.1.origin",
            "x",
            "origin x, not 3 numbers, in detector[0].hierarchy",
        ),
        ("detector.0.hierarchy.children.0.children.0.panel", "x", "panel x of another kind in detector[0].hierarchy"),
        ("beam.0.direction", "up", "direction up of another kind in beam[0]"),
        ("beam.0.wavelength", [1.0], "wavelength [1.0] of another kind in beam[0]"),
        ("experiment.0.detector", 4, "detector 4 of 1 in experiment[0]"),
    ],
)
def test_mistakes_of_a_dials_model_are_named(place: str, value: Any, sentence: str, tmp_path: Path) -> None:
    """By the line and the keys that lead to them: such files have thousands of lines, one like the other."""
    path, _ = experiment_list(tmp_path)
    document = json.loads(path.read_text())
    *outer, last = (int(step) if step.isdigit() else step for step in place.split("."))
    item = document
    for step in outer:
        item = item[step]
    if value is None:
        del item[last]
    else:
        item[last] = value
    text = json.dumps(document, indent=1)
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        resolved(path)
    said = str(caught.value)
    assert said.startswith(f"{path}: line ")
    assert f"found {sentence}" in said
    line = text.splitlines()[int(said.split("line ")[1].split(":")[0]) - 1]
    if isinstance(last, str) and value is not None:
        assert line.strip().startswith(f'"{last}":')
    assert "\n" not in said


def test_a_broken_experiment_list_is_named_by_line(tmp_path: Path) -> None:
    path, _ = experiment_list(tmp_path)
    text = json.dumps(json.loads(path.read_text()), indent=1)
    path.write_text(text[: text.index('"pixel_size"')])
    with pytest.raises(InputError, match=rf"a.expt: line {text[: text.index('pixel_size')].count(chr(10)) + 1}: found"):
        resolved(path)


def test_sensors_that_differ_are_told(tmp_path: Path) -> None:
    """One sensor is rendered, that of the options; images of the others would be wrong without a word."""
    path, _ = experiment_list(tmp_path)
    document = json.loads(path.read_text())
    document["detector"][0]["panels"][2] |= {"thickness": 1.0, "material": "CdTe", "mu": 5.0}
    path.write_text(json.dumps(document))
    (line,) = (note for note in resolved(path).notes if note.startswith("from "))
    assert "sensor of Si 320 um thick (-detector_thick), attenuation depth 256.4 um (-detector_abs)" in line
    assert "sensor of CdTe 1000 um thick (-detector_thick), attenuation depth 200 um (-detector_abs)" in line
    assert "that its panels have 2 sensors (-own_sensors)" in line
    found = resolved(path, thickness=320.0, attenuation_depth=256.0)
    assert (
        "the sensors of all panels are rendered 320 um thick (-detector_thick), not 1000 um (-own_sensors)"
        in found.warnings
    )
    assert [panel.sensor_thickness for panel in found.scene.panels] == pytest.approx([320e-6] * 4)


def test_dials_panels_without_a_place_make_a_stack(tmp_path: Path) -> None:
    """Most experiments say no raw_image_offset: images are lists of panels."""
    path, _ = experiment_list(tmp_path)
    document = json.loads(path.read_text())
    for panel in document["detector"][0]["panels"]:
        panel["raw_image_offset"] = [0, 0]
    path.write_text(json.dumps(document))
    found = resolved(path)
    assert [panel.place for panel in found.scene.panels] == [(0, 0, 0), (1, 0, 0), (2, 0, 0), (3, 0, 0)]
    assert found.warnings == ()


# ---- NXmx -------------------------------------------------------------------------------------------------


def nxmx(folder: Path, layout: str) -> tuple[Path, list[NDArray[np.float64]], NDArray[np.bool_]]:
    """Three modules of 4 x 6 pixels on a turned arm: centres of two pixels of each, m; bad pixels of all."""
    rng = np.random.default_rng(11)
    bad = rng.random((3, 4, 6)) < 0.3
    arm = rotation([0.0, 1.0, 0.0], np.radians(20.0))
    origins = np.array([[0.01, 0.02, 0.0], [-0.03, 0.0, 0.001], [0.0, -0.02, -0.002]])
    fast, slow = np.array([-0.8, 0.6, 0.0]), np.array([-0.6, -0.8, 0.0])
    path = folder / f"{layout}.h5"

    def group(parent: Any, name: str, nx_class: str) -> Any:
        made = parent.create_group(name)
        made.attrs["NX_class"] = nx_class
        return made

    def axis(parent: Any, name: str, value: float, kind: str, vector: Any, depends_on: str, offset: Any = None) -> Any:
        item = parent.create_dataset(name, data=value)
        item.attrs.update({"transformation_type": kind, "vector": np.array(vector, float), "depends_on": depends_on})
        item.attrs["units"] = {"translation": "mm", "rotation": "deg"}[kind]
        if offset is not None:
            item.attrs.update({"offset": offset, "offset_units": "m"})
        return item

    with h5py.File(path, "w") as file:
        entry = group(file, "entry", "NXentry")
        instrument = group(entry, "instrument", "NXinstrument")
        beam = group(instrument, "beam", "NXbeam")
        beam["incident_wavelength"] = 1.1
        beam["incident_wavelength"].attrs["units"] = "angstrom"
        detector = group(instrument, "ELE_D0", "NXdetector")
        chain = group(detector, "transformations", "NXtransformations")
        axis(chain, "distance", 100.0, "translation", (0, 0, 1), ".")
        axis(chain, "swing", 20.0, "rotation", (0, 1, 0), f"{chain.name}/distance")
        stack = layout.startswith("stack")
        mask = bad if stack else np.concatenate(list(bad))
        detector["pixel_mask"] = mask.astype(np.uint32) * 4
        group(entry, "data", "NXdata")["data"] = np.zeros((2, *mask.shape), np.int32)
        for number, origin in enumerate(origins):
            module = group(detector, f"module_{number:02}", "NXdetector_module")
            module["data_origin"] = [number, 0, 0] if stack else [4 * number, 0]
            module["data_size"] = [1, 4, 6] if stack else [4, 6]
            base, offset = f"{chain.name}/swing", origin
            if layout.endswith("module_offset"):
                axis(module, "module_offset", 0.0, "translation", (1, 0, 0), base, origin)
                base, offset = f"{module.name}/module_offset", None
            elif layout.endswith("value"):
                length = float(np.linalg.norm(origin))
                axis(module, "shift", 1000 * length, "translation", origin / length, base)
                base, offset = "shift", None
            axis(module, "fast_pixel_direction", 0.2, "translation", fast, base, offset)
            slow_base = f"{module.name}/fast_pixel_direction" if layout == "stack of offsets" else base
            own = offset if slow_base == base else None
            axis(module, "slow_pixel_direction", 0.2, "translation", slow, slow_base, own)
    counts = np.array([[0.5, 0.5], [2.5, 1.5]])
    centres = [(o + 2e-4 * counts @ np.array([fast, slow])) @ arm.T + np.array([0, 0, 0.1]) for o in origins]
    return path, centres, bad


@pytest.mark.parametrize(
    "layout", ["slab of module_offset", "slab of value", "stack of offsets", "slab of offset", "stack of module_offset"]
)
def test_nxmx_modules_in_all_layouts(layout: str, tmp_path: Path) -> None:
    """The position in module_offset, in an axis' value, or in the offset of a pixel direction; a slab or a stack."""
    path, centres, bad = nxmx(tmp_path, layout)
    for convention, turn in ((None, None), ("mosflm", TO_OURS)):
        found = resolved(path, convention=convention)
        for number, expected in enumerate(centres):
            check_pixels(found, number, expected, turn)
    for number, panel in enumerate(found.scene.panels):
        assert panel.place == ((number, 0, 0) if layout.startswith("stack") else (4 * number, 0))
        assert panel.mask is not None
        assert ((panel.mask == 0) == bad[number]).all()
    (line,) = (note for note in found.notes if note.startswith("from "))
    assert "3 panels of 6 x 4 pixels of 0.2 mm, distance" in line
    assert f"{bad.sum()} bad pixels" in line


@pytest.mark.parametrize("layout", ["slab of offset", "stack of offsets"])
def test_images_of_modules_are_masks(layout: str, tmp_path: Path) -> None:
    """A slab or a stack: its pixels below 0 are gaps, those of its pixel_mask are bad, and zeros are no photons."""
    path, _, bad = nxmx(tmp_path, layout)
    gaps = np.random.default_rng(5).random((3, 4, 6)) < 0.2
    with h5py.File(path, "a") as file:
        first = np.where(gaps, -1, 0) if layout.startswith("stack") else np.concatenate(list(np.where(gaps, -1, 0)))
        file["entry/data/data"][0] = first
    for said in ({"header": path, "mask": path}, {"mask": path}):
        found = resolve(Experiment(crystal=CRYSTAL, detector=Detector(**said)))
        for number, panel in enumerate(found.scene.panels):
            assert panel.mask is not None
            assert ((panel.mask == 0) == (bad[number] | gaps[number])).all()


def test_a_mask_of_another_layout_is_said_not_to_be_used(tmp_path: Path) -> None:
    path, _, _ = nxmx(tmp_path, "slab of offset")
    with h5py.File(path, "a") as file:
        detector = file["entry/instrument/ELE_D0"]
        del detector["pixel_mask"]
        detector["pixel_mask"] = np.ones((3, 3), np.uint32)
    found = resolved(path)
    assert all(panel.mask is None for panel in found.scene.panels)
    assert any("its pixel_mask, which has another layout than its modules" in note for note in found.notes)


# ---- real files -------------------------------------------------------------------------------------------


@pytest.mark.skipif(not SHARED.is_dir(), reason="../shared is not there")
@pytest.mark.parametrize("convention", [None, "mosflm"])
def test_real_detectors_are_where_an_independent_reader_has_them(convention: Any) -> None:
    """Positions, 2theta, solid angles, bad pixels and counts of detectors of XFELs and synchrotrons."""
    for expected in json.loads((SHARED / "expected.json").read_text()):
        clen = expected.get("clen_mm") if expected["kind"] == "crystfel" else None
        light = Beam(wavelength=expected["wavelength_A"])
        found = resolved(SHARED / "files" / expected["file"], clen=clen, convention=convention, beam=light)
        panels = found.scene.panels
        shapes: dict[str, int] = {}
        for panel in panels:
            shapes[f"{panel.shape[0]}x{panel.shape[1]}"] = shapes.get(f"{panel.shape[0]}x{panel.shape[1]}", 0) + 1
        assert (len(panels), shapes) == (expected["panels"], expected["shapes"])
        assert sum(panel.shape[0] * panel.shape[1] for panel in panels) == expected["pixels"]
        bad = {panel.name: int((panel.mask == 0).sum()) for panel in panels if panel.mask is not None}
        assert bad == (expected.get("bad_pixels") or {})
        names, beam = [panel.name for panel in panels], np.array(found.geometry.beam)
        for pixel in expected["pixels_checked"]:
            panel = panels[names.index(pixel["panel"]) if pixel["panel"] in names else pixel["index"]]
            at = panel.at(pixel["fast"] + 0.5, pixel["slow"] + 0.5)
            np.testing.assert_allclose(at, np.array(pixel["nanobragg" if convention else "file"]) / 1000, atol=1e-9)
            angle = np.degrees(np.arctan2(np.linalg.norm(np.cross(beam, at)), beam @ at))
            assert angle == pytest.approx(pixel["two_theta_deg"], abs=2e-6)
            traced_pixel = trace_pixel(found.scene, pixel["slow"], pixel["fast"], panel=panels.index(panel))
            for evaluation in traced_pixel.evaluations:  # there is none of a bad pixel
                np.testing.assert_allclose(evaluation.position, at, atol=1e-9)
                assert evaluation.omega == pytest.approx(pixel["omega_sr"], rel=1e-9)
                if pixel["d_A"]:
                    assert 0.5e10 / evaluation.stol == pytest.approx(pixel["d_A"], rel=1e-6)
