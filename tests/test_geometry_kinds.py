"""Headers of CBF, SMV and d*TREK, and masks, that people hand us: each is read right, or refused in a sentence. If one
of these fails, images are of another detector, or a file that others read is refused.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import fabio.cbfimage
import fabio.tifimage
import h5py
import numpy as np
import pytest

from headers import CRYSTAL, beam_pixels_of, line_of, resolved_of
from nanobragg import Beam, Detector, Experiment, InputError, Sampling, resolve, simulate


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
    found = resolved_of(path, detector={"twotheta": twotheta, "convention": convention})
    turn = np.radians(23.24)
    up = 4.3 * np.cos(turn) - 40 * np.sin(turn)
    np.testing.assert_allclose(1e3 * found.scene.panels[0].origin @ found.geometry.beam, 38.4511, atol=1e-3)
    np.testing.assert_allclose(1e3 * abs(found.scene.panels[0].origin[1]), abs(up), atol=1e-3)
    assert "about the sample (-pivot sample)" in line_of(found)
    assert found.warnings == ()


def test_a_swing_that_an_option_replaces_is_told(tmp_path: Path) -> None:
    found = resolved_of(_cbf(tmp_path / "a.cbf", SWUNG), detector={"twotheta": 0.0})
    np.testing.assert_allclose(1e3 * found.scene.panels[0].origin @ found.geometry.beam, 40.0, atol=1e-9)
    assert "not used: its 2theta of 23.24 deg, since -twotheta is given" in line_of(found)
    assert "swung" not in line_of(found)


def test_minus_one_is_not_said_and_energies_are(tmp_path: Path) -> None:
    lines = [
        "Pixel_size 172e-6 m x 172e-6 m",
        "Wavelength -1.0 A",
        "Detector_distance -1.0 m",
        "Beam_xy (-1.0, -1.0) pixels",
    ]
    found = resolved_of(_cbf(tmp_path / "a.cbf", lines))
    assert "taken: distance 100 mm, beam centre in the middle of the detector, wavelength 1 Å" in line_of(found)
    for key in ("Energy", "Photon_energy", "X_ray_energy"):
        found = resolved_of(_cbf(tmp_path / "b.cbf", [*lines, f"{key} 12398.42 eV", "Detector_distance: 0.2 m"][4:]))
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
    found = resolved_of(_cbf(tmp_path / "a.cbf", [*said.values()]))
    assert found.scene.panels[0].pixel_size == pytest.approx((172e-6, 172e-6))
    assert found.geometry.distance == pytest.approx(0.15)
    assert beam_pixels_of(found) == pytest.approx((20.5, 25.25))
    assert found.radiation.wavelength == pytest.approx(0.9795e-10)
    assert np.degrees([found.radiation.phi, found.radiation.oscillation]) == pytest.approx([12.5, 0.1])


def test_what_a_pilatus_header_says_besides_is_told(tmp_path: Path) -> None:
    lines = ["Silicon sensor, thickness 0.000450 m", "Start_angle 1.0 deg.", "Omega 1.0 deg.", "Kappa 20.0 deg.",
             "Phi 0.0 deg.", "Oscillation_axis OMEGA", "Polarization 0.990", "Detector_Voffset 0.0 m"]  # fmt: skip
    line = line_of(resolved_of(_cbf(tmp_path / "a.cbf", lines)))
    assert "not used: Kappa 20.0 deg., Polarization 0.990, sensor of Si, thickness 0.000450 m (-detector_thick)" in line


def test_a_decimal_comma_is_no_number(tmp_path: Path) -> None:
    """0,9795 would be 0, which nobody says, and 1,0332 would be 1."""
    path = _cbf(tmp_path / "a.cbf", ["Wavelength 1,0332 A", "Beam_xy (20.50,25.25) pixels", "Start_angle 3.0 deg."])
    with pytest.raises(InputError, match=r"found Wavelength '1,0332 A', expected a number; -lambda can say it instead"):
        resolved_of(path)
    found = resolved_of(path, beam=Beam(wavelength=1.0332))
    assert beam_pixels_of(found) == pytest.approx((20.5, 25.25))
    assert "taken: pixel size 0.1 mm, distance 100 mm, oscillation 0 deg" in line_of(found)


def test_a_bad_number_of_a_pilatus_header_is_an_options(tmp_path: Path) -> None:
    """One bad item is no reason to refuse a file, nor its pixels."""
    path = _cbf(tmp_path / "a.cbf", ["Detector_distance unknown m", "Beam_xy (20.50, 25.25) pixels"])
    with pytest.raises(InputError, match=r"found Detector_distance 'unknown m', expected a number; -distance can say"):
        resolved_of(path)
    assert resolved_of(path, detector={"distance": 80.0, "mask": path}).geometry.distance == pytest.approx(0.08)


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
    found = resolved_of(tmp_path / "a.img", sampling=Sampling(phi_steps=2))
    assert any(
        "OSC_RANGE of -0.5 degrees is not used" in text and "-phi 9.5 -osc 0.5" in text for text in found.warnings
    )
    assert not resolved_of(tmp_path / "a.img", sampling=Sampling(phi=9.5, oscillation=0.5)).warnings


def test_a_bad_number_of_an_smv_header_is_an_options(tmp_path: Path) -> None:
    header = "{\nHEADER_BYTES=  512;\nSIZE1=4;\nSIZE2=6;\nDISTANCE=far;\nOSC_START=3;\nPIXEL_SIZE=0;\n}\n"
    (tmp_path / "a.img").write_text(header.ljust(512))
    with pytest.raises(InputError, match=r"found DISTANCE='far', expected a number .*; -distance can say it instead"):
        resolved_of(tmp_path / "a.img")
    found = resolved_of(tmp_path / "a.img", detector={"distance": 80.0, "pixel_size": 0.2})
    assert found.geometry.distance == pytest.approx(0.08)
    assert "PHI 3 deg; not used: DISTANCE, no numbers" in line_of(found)
    (tmp_path / "a.img").write_text(header.replace("far", "0").ljust(512))
    found = resolved_of(tmp_path / "a.img", detector={"pixel_size": 0.2})
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
    found = resolved_of(tmp_path / "a.img")
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
