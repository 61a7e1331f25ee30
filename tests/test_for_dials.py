"""What DIALS makes of our files: headers that it reads right, or a line that says what to give to `dials.import`.

dxtbx, the reader of DIALS, is not there: its rules for SMV and CBF are here in a few lines, read off its behaviour, and
`tests/external/dials/` tries them on the real one. If these fail, indexing fails, or the cell comes out wrong.
"""

from __future__ import annotations

import re
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import fabio
import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nanobragg import Beam, Crystal, Detector, Experiment, Image, Resolved, Response, Sampling, resolve
from nanobragg.cli import main
from nanobragg.io.images import cbf, nexus
from nanobragg.io.images.formats import format_of
from nanobragg.io.images.smv import read_smv, read_smv_header, smv_header

CRYSTAL = Crystal(cell=[50], default_F=1.0)
CONVENTIONS = ["mosflm", "denzo", "adxv", "xds", "dials"]
ONCE = Sampling(oversample=1, oscillation=0.5, phi_steps=1)


class Theirs(NamedTuple):
    """A detector and a spindle in the frame of DIALS, where the beam travels along -z."""

    origin: np.ndarray
    """mm"""
    fast: np.ndarray
    slow: np.ndarray
    spindle: np.ndarray


def made(quirks: str = "none", beam: Beam | None = None, **detector: Any) -> Resolved:
    """Asymmetric in everything, so that a swapped axis shows."""
    fields = {"shape": (40, 56), "pixel_size": 0.5, "distance": 80.0, "beam_x": 9.7, "beam_y": 12.4, **detector}
    light = Beam(wavelength=1.0, polarization=0.998) if beam is None else beam
    return resolve(Experiment(crystal=CRYSTAL, beam=light, detector=Detector(**fields), sampling=ONCE, quirks=quirks))


def header_as_dxtbx_reads_it(path: Path, resolved: Resolved) -> Theirs:
    """A detector at right angles to the beam, the fast axis along x, the slow one along -y, the spindle along x."""
    if path.suffix == ".cbf":
        text = "\n".join(cbf.header_lines(resolved, 1000))
        match = re.search(r"Beam_xy \((.*), (.*)\) pixels", text)
        far = re.search(r"Detector_distance (.*) m", text)
        assert match is not None
        assert far is not None
        size = 1e3 * resolved.scene.panels[0].pixel_size[0]
        fast, slow, distance = float(match[1]) * size, float(match[2]) * size, 1e3 * float(far[1])
    else:
        path.write_bytes(smv_header(resolved))
        header = read_smv_header(path)
        assert header.text_of("BEAMLINE") == "fake"
        x, y, size, distance = (
            header.value(key) or 0.0 for key in ("BEAM_CENTER_X", "BEAM_CENTER_Y", "PIXEL_SIZE", "DISTANCE")
        )
        fast, slow = x + size, header.nslow * size - y + size
    x_axis, y_axis = np.eye(3)[:2]
    return Theirs(np.array([-fast, slow, -distance]), x_axis, -y_axis, x_axis)


def told(theirs: Theirs, line: str | None) -> Theirs:
    """What `dials.import` makes of it with the options of our line."""
    options = dict(word.split("=") for word in (line or "").split() if "=" in word)
    vectors = {key: np.array([float(x) for x in text.split(",")]) for key, text in options.items()}
    if "mosflm_beam_centre" in vectors:
        slow, fast = vectors["mosflm_beam_centre"]
        distance = vectors.get("detector.distance", -theirs.origin[2:])[0]
        theirs = theirs._replace(origin=np.array([-fast, slow, -distance]))
    if "panel.origin" in vectors:
        theirs = Theirs(vectors["panel.origin"], vectors["panel.fast_axis"], vectors["panel.slow_axis"], theirs.spindle)
    return theirs._replace(spindle=vectors.get("goniometer.axis", theirs.spindle))


def invariants(corners: np.ndarray, spindle: Any, beam: Any) -> tuple[np.ndarray, np.ndarray]:
    """What a rotation of everything leaves alone: products of all pairs of vectors, and handedness."""
    vectors = np.vstack([corners, [np.asarray(spindle) * 100.0], [np.asarray(beam) * 100.0]])
    return vectors @ vectors.T, np.linalg.det([corners[1] - corners[0], corners[2] - corners[0], vectors[-1]])


def assert_in_its_place(theirs: Theirs, resolved: Resolved, pixels: float = 1.5e-2) -> None:
    panel, g = resolved.scene.panels[0], resolved.geometry
    nslow, nfast = panel.shape
    ours = 1e3 * panel.at([0, nfast, 0], [0, 0, nslow])
    size = 1e3 * panel.pixel_size[0]
    found = theirs.origin + size * np.array([0 * theirs.fast, nfast * theirs.fast, nslow * theirs.slow])
    (products, hand), (expected, expected_hand) = (
        invariants(found, theirs.spindle, (0, 0, -1)),
        invariants(ours, g.spindle, g.beam),
    )
    farthest = float(np.sqrt(np.diag(expected).max()))
    np.testing.assert_allclose(products, expected, rtol=0, atol=2 * farthest * size * pixels)
    np.testing.assert_allclose(hand, expected_hand, rtol=1e-2)


@pytest.mark.parametrize("quirks", ["none", "all"])
@pytest.mark.parametrize("convention", CONVENTIONS)
@pytest.mark.parametrize("name", ["a.img", "a.cbf"])
@pytest.mark.parametrize(
    "place", [{}, {"twotheta": 9.0}, {"rotx": 5.0, "roty": -7.0, "rotz": 3.0}, {"shape": (56, 56)}]
)
def test_dials_puts_the_detector_in_its_place(
    name: str, convention: str, quirks: str, place: dict[str, Any], tmp_path: Path
) -> None:
    """By the header, or with the options that the line about the file gives."""
    resolved = made(quirks, convention=convention, **place)
    chosen = format_of(name)
    assert chosen is not None
    line = chosen.advice(name, resolved)
    assert_in_its_place(told(header_as_dxtbx_reads_it(tmp_path / name, resolved), line), resolved)
    right_as_it_is = not (set(place) - {"shape"}) and convention not in ("adxv", "dials")
    if right_as_it_is and (name == "a.cbf" or quirks == "none"):
        assert line is None
    elif not right_as_it_is:
        assert line is not None


@settings(max_examples=60)
@given(
    convention=st.sampled_from(CONVENTIONS),
    centre=st.tuples(st.floats(-30, 60), st.floats(-30, 60)),
    quirks=st.sampled_from(["none", "all"]),
    distance=st.floats(20, 900),
)
def test_wherever_the_beam_is(
    convention: str, centre: tuple[float, float], quirks: str, distance: float, tmp_path: Path
) -> None:
    """Beside the detector, too."""
    resolved = made(quirks, convention=convention, beam_x=centre[0], beam_y=centre[1], distance=distance)
    line = format_of("a.img").advice("a.img", resolved)  # type: ignore[union-attr]
    theirs = told(header_as_dxtbx_reads_it(tmp_path / "a.img", resolved), line)
    assert_in_its_place(theirs, resolved)


@pytest.mark.parametrize(
    ("convention", "polarization", "expected"),
    [
        ("xds", 0.998, []),
        ("xds", 0.0, ["geometry.beam.polarization_fraction=0.5"]),
        ("xds", -0.9, ["geometry.beam.polarization_fraction=0.05"]),
        ("dials", 0.998, ["goniometer.axis=0,-1,0", "geometry.beam.polarization_normal=-1,0,0"]),
    ],
)
def test_dials_is_told_of_another_polarization_than_it_takes(
    convention: str, polarization: float, expected: list[str]
) -> None:
    """Its factor is 2 at 90 degrees: intensities would be wrong by it."""
    resolved = made(beam=Beam(wavelength=1.0, polarization=polarization), convention=convention)
    line = format_of("a.img").advice("a.img", resolved)  # type: ignore[union-attr]
    assert (line or "").split()[4:] == expected


# ---- the quirk header_by_convention -----------------------------------------------------------------------


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_without_the_quirk_the_header_is_one_for_all_conventions(convention: str) -> None:
    """The same detector has the same header, whichever words it was said with."""
    resolved = made("header_by_convention", convention=convention)
    g, panel = resolved.geometry, resolved.scene.panels[0]
    again = replace(resolved, experiment=replace(resolved.experiment, quirks="none"))
    text = smv_header(again).decode()

    def number(key: str) -> float:
        match = re.search(rf"^{key}=(.*);$", text, re.MULTILINE)
        assert match is not None, key
        return float(match[1])

    size = panel.pixel_size[0] * 1e3
    assert number("BEAM_CENTER_X") == pytest.approx(g.Fbeam * 1e3 - size, abs=1e-9)
    assert number("BEAM_CENTER_Y") == pytest.approx((g.detsize_s - g.Sbeam) * 1e3 + size, abs=1e-9)
    assert number("ADXV_CENTER_X") == pytest.approx(g.Fbeam * 1e3, abs=1e-9)
    assert number("XDS_ORGX") == pytest.approx(g.Fbeam * 1e3 / size + 0.5, abs=1e-9)
    assert re.search(r"^DIALS_ORIGIN=[^;\n]*;$", text, re.MULTILINE)
    assert "TWOTHETA_AXIS=-fast;" in text
    assert b"TWOTHETA_AXIS" not in smv_header(resolved)


def test_the_header_tells_the_offset(tmp_path: Path) -> None:
    """DIALS takes 1 where it is not said."""
    resolved = made()
    Image(np.ones(resolved.scene.shape, np.float32), resolved).noisy(seed=1, adc_offset=12.0).write(tmp_path / "a.img")
    assert read_smv_header(tmp_path / "a.img").value("ADC_OFFSET") == 12.0


def test_the_program_says_what_to_give_to_dials(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With nanoBragg.c's header, whose centre DIALS reads as another convention's; nothing where it reads it right."""
    monkeypatch.chdir(tmp_path)
    words = "-cell 50 60 70 90 90 90 -default_F 3 -N 2 -detpixels 12 -pixel 1 -nopgm -nonoise -xds -ORGX 3 -polar 0.998"
    assert main(words.split()) == 0
    printed = capsys.readouterr().out
    assert "\nfor DIALS: dials.import intimage.img mosflm_beam_centre=6,2.5\n" in printed
    assert main(["-quirks", "none", *words.split()]) == 0
    assert "for DIALS" not in capsys.readouterr().out
    assert main([*words.split(), "-intfile", "a.tif"]) == 0
    assert "writing a.tif as TIFF, 4-byte integers, no geometry\n" in capsys.readouterr().out


# ---- masked pixels ----------------------------------------------------------------------------------------


def _masked_counts(quirks: str = "none", mask: np.ndarray | None = None) -> Image:
    kept = np.ones((40, 56), np.uint8)
    kept[3:5, 7] = 0
    resolved = made(quirks, mask=kept if mask is None else mask)
    return Image(np.full((40, 56), 5, np.float32), resolved).noisy(seed=1, adc_offset=40.0)


@pytest.mark.parametrize(("name", "value"), [("a.cbf", -1), ("a.h5", -1), ("a.tif", -1), ("a.npy", -1), ("a.img", 0)])
def test_masked_pixels_can_be_told_from_counts(name: str, value: int, tmp_path: Path) -> None:
    """As if they had counted nothing, they would be background; with an offset even more so."""
    image = _masked_counts()
    image.write(tmp_path / name)
    found = read_smv(tmp_path / name).pixels if name == "a.img" else None
    if found is None:
        found = np.load(tmp_path / name) if name == "a.npy" else fabio.open(str(tmp_path / name)).data
    np.testing.assert_array_equal(np.argwhere(found == value), [[3, 7], [4, 7]])
    assert found[found != value].min() >= 40
    assert image.data.min() >= 40  # in memory they are what they were
    if name == "a.h5":
        with h5py.File(tmp_path / name) as file:
            np.testing.assert_array_equal(
                np.argwhere(file["entry/instrument/detector/pixel_mask"][()]), [[3, 7], [4, 7]]
            )


@pytest.mark.parametrize("name", ["a.cbf", "a.h5", "a.tif", "a.img"])
def test_a_mask_comes_back(name: str, tmp_path: Path) -> None:
    """As `-mask` of the next run."""
    _masked_counts().write(tmp_path / name)
    again = made(mask=tmp_path / name)
    mask = again.scene.panels[0].mask
    assert mask is not None
    np.testing.assert_array_equal(np.argwhere(mask == 0), [[3, 7], [4, 7]])


def test_with_the_quirk_masked_pixels_of_smv_have_the_offset(tmp_path: Path) -> None:
    """As in nanoBragg.c."""
    _masked_counts("offset_in_masked_pixels").write(tmp_path / "a.img")
    assert read_smv(tmp_path / "a.img").pixels.min() >= 40


# ---- what a CBF calls itself ------------------------------------------------------------------------------


def _pilatus(modules: tuple[int, int], masked: bool = True, pixel: float = 0.172) -> Resolved:
    """(slow, fast) modules."""
    slow, fast = 212 * modules[0] - 17, 494 * modules[1] - 7
    kept = np.ones((slow, fast), np.uint8)
    kept[np.arange(slow) % 212 >= 195, :] = 0
    kept[:, np.arange(fast) % 494 >= 487] = 0
    return made(shape=(slow, fast), pixel_size=pixel, mask=kept if masked else None, beam_x=None, beam_y=None)


@pytest.mark.parametrize(
    ("resolved", "convention"),
    [
        (lambda: _pilatus((1, 1), masked=False), "PILATUS_1.2"),
        (lambda: _pilatus((3, 1)), "PILATUS_1.2"),
        (lambda: _pilatus((2, 3)), "PILATUS_1.2"),
        (lambda: _pilatus((3, 1), masked=False), "GENERIC_MINI"),
        (lambda: _pilatus((1, 1), pixel=0.1), "GENERIC_MINI"),
        (made, "GENERIC_MINI"),
    ],
)
def test_a_pilatus_is_called_one(resolved: Any, convention: str, tmp_path: Path) -> None:
    """DIALS looks for the modules of what is called a PILATUS, leaves out its gaps, and stops at another size."""
    scene = resolved()
    cbf.write(tmp_path / "a.cbf", np.zeros(scene.scene.shape, np.int32), scene)
    text = (tmp_path / "a.cbf").read_bytes()[:2000].decode("latin-1")
    assert f'_array_data.header_convention "{convention}"' in text
    assert ("# Detector: PILATUS" in text) == (convention == "PILATUS_1.2")


@pytest.mark.parametrize("material", ["Si", "CdTe", "GaAs", None])
def test_a_cbf_names_the_sensor_that_absorbs(material: str | None, tmp_path: Path) -> None:
    """DIALS takes spots for where such a sensor sees them."""
    depth = {"attenuation_depth": 200.0} if material is None else {"material": material}
    resolved = made(thickness=1000.0, **depth)
    cbf.write(tmp_path / "a.cbf", np.zeros(resolved.scene.shape, np.int32), resolved)
    word = {None: "Silicon", "Si": "Silicon"}.get(material, material)
    assert f"# {word} sensor, thickness 0.001000 m\r\n".encode() in (tmp_path / "a.cbf").read_bytes()
    again = made(header=tmp_path / "a.cbf", thickness=1000.0, convention=None, beam_x=None, beam_y=None, distance=None)
    if material is not None:
        assert again.scene.panels[0].sensor_material == material
        assert again.scene.attenuation == pytest.approx(resolved.scene.attenuation)


# ---- NXmx -------------------------------------------------------------------------------------------------


def test_nxmx_says_which_counts_to_trust_and_how_long_a_frame_is(tmp_path: Path) -> None:
    """DIALS trusts all that an integer can be where it is not said, stops at a sensor without thickness, and divides
    intensities by what a thin one captures.
    """
    resolved = made(beam=Beam(wavelength=1.0, exposure=0.25))
    image = Image(np.ones(resolved.scene.shape, np.float32), resolved)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        image.noisy(seed=1).write(tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5") as file:
        detector = {
            key: item[()] for key, item in file["entry/instrument/detector"].items() if isinstance(item, h5py.Dataset)
        }
    assert (detector["underload_value"], detector["saturation_value"]) == (0, 2**31 - 1)
    assert (detector["frame_time"], detector["count_time"]) == (0.25, 0.25)
    assert (detector["sensor_material"], detector["sensor_thickness"]) == (b"CdTe", 1e-3)
    again = made(header=tmp_path / "a.h5", convention=None, beam_x=None, beam_y=None, distance=None)
    assert "sensor" not in " ".join(again.notes)


@pytest.mark.parametrize("material", ["GaAs", "Ge"])
def test_nxmx_says_where_dials_does_not_know_the_sensor(material: str) -> None:
    sentence = nexus.doubt(made(thickness=500.0, material=material))
    assert sentence == (None if material == "GaAs" else "DIALS refuses its sensor of Ge: it knows Si, CdTe, GaAs")


def test_headers_tell_where_the_counts_of_a_detector_end(tmp_path: Path) -> None:
    """Overloads that are taken for counts spoil the strongest reflections."""
    resolved = made()
    image = Image(np.ones(resolved.scene.shape, np.float32), resolved)
    counts = image.measured(seed=1, response=Response(bits=14, offset=10.0, gain=2.0))
    for name in ("a.h5", "a.cbf", "a.img"):
        counts.write(tmp_path / name)
    with h5py.File(tmp_path / "a.h5") as file:
        assert file["entry/instrument/detector/saturation_value"][()] == 2**14 - 1
    assert b"# Count_cutoff 16383 counts\r" in (tmp_path / "a.cbf").read_bytes()
    assert read_smv_header(tmp_path / "a.img").value("ADC_OFFSET") == 10.0
    signed = image.measured(seed=1, response=Response(bits=14, signed=True))
    signed.write(tmp_path / "b.h5")
    with h5py.File(tmp_path / "b.h5") as file:
        assert file["entry/instrument/detector/underload_value"][()] == -(2**13)
