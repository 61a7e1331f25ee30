"""Geometry in the headers of detectors' own formats: whoever simulates a real MarCCD, mar345, R-AXIS, d*TREK, Bruker,
EDF or PILATUS image gets another experiment if these fail.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import fabio.brukerimage
import fabio.edfimage
import fabio.mar345image
import fabio.tifimage
import numpy as np
import pytest

from nanobragg import Beam, Crystal, Detector, Experiment, InputError, Sampling, resolve
from nanobragg.io.any_image import read_pixels
from nanobragg.io.geometry.any_file import is_smv, read_file_geometry
from nanobragg.io.geometry.types import FileGeometry

SHAPE = (64, 64)
PIXELS = np.arange(SHAPE[0] * SHAPE[1], dtype=np.uint16).reshape(SHAPE)
CENTRE = (20.25, 25.75)


# ---- the files, by the formats' definitions ---------------------------------------------------------------


def _marccd(path: Path, order: str = "<", **changes: int) -> Path:
    """A TIFF with one directory, MarCCD's header at 1024, pixels at 4096."""
    values = {
        28: 1234 if order == "<" else 4321,
        80: SHAPE[1],
        84: SHAPE[0],
        88: 2,
        104: 65535,
        640: 150_500,  # distance, µm
        644: 20_250,  # beam centre, thousandths of a pixel
        648: 25_750,
        696: 150_500,
        684: 5_000,  # phi
        716: 5_700,
        728: 150_500,
        732: 4,  # phi turns
        736: 700,
        772: 73_242,  # nm
        776: 73_242,
        908: 97_946,  # fm
    }
    values.update({int(key[1:]): value for key, value in changes.items()})
    header = bytearray(3072)
    header[4:7] = b"MMX"
    for offset, value in values.items():
        struct.pack_into(f"{order}i", header, offset, value)
    fields = [(256, 4, SHAPE[1]), (257, 4, SHAPE[0]), (258, 3, 16), (259, 3, 1), (262, 3, 1), (273, 4, 4096)]
    fields += [(277, 3, 1), (278, 4, SHAPE[0]), (279, 4, PIXELS.nbytes)]
    directory = struct.pack(f"{order}H", len(fields))
    for tag, kind, value in fields:
        packed = struct.pack(f"{order}{'H2x' if kind == 3 else 'I'}", value)
        directory += struct.pack(f"{order}HHI", tag, kind, 1) + packed
    magic = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HI", 42, 8)
    content = (magic + directory + bytes(4)).ljust(1024, b"\0") + bytes(header)
    path.write_bytes(content + PIXELS.astype(f"{order}u2").tobytes())
    return path


def _mar345(path: Path) -> Path:
    header = {
        "PIXEL_LENGTH": 150,
        "PIXEL_HEIGHT": 150,
        "WAVELENGTH": 0.97946,
        "DISTANCE": 150.5,
        "PHI_START": 5.0,
        "PHI_END": 5.7,
        "OMEGA_START": 0.0,
        "OMEGA_END": 0.0,
        "CHI": 0.0,
        "TWOTHETA": 0.0,
        "CENTER_X": CENTRE[0],
        "CENTER_Y": CENTRE[1],
    }
    image = fabio.mar345image.Mar345Image(data=PIXELS, header=header)
    image.byteorder = "<"
    image.write(str(path))
    return path


RAXIS = {
    292: ("f", 0.97946),
    344: ("f", 150.5),
    448: ("i", 0),  # flat
    524: ("f", 5.0),
    528: ("f", 5.7),
    540: ("f", CENTRE[0]),
    544: ("f", CENTRE[1]),
    556: ("f", 0.0),  # 2theta
    768: ("i", SHAPE[1]),
    772: ("i", SHAPE[0]),
    776: ("f", 0.1),
    780: ("f", 0.1),
    784: ("i", 2 * SHAPE[1]),
    788: ("i", SHAPE[0]),
    800: ("f", 8.0),
}


def _raxis(path: Path, changes: dict[int, tuple[str, float]] | None = None) -> Path:
    header = bytearray(1536)  # a whole number of records, of a line each
    header[:7] = b"R-AXIS4"
    for offset, (kind, value) in {**RAXIS, **(changes or {})}.items():
        struct.pack_into(f">{kind}", header, offset, value)
    path.write_bytes(bytes(header) + PIXELS.astype(">u2").tobytes())
    return path


DTREK = {
    "DETECTOR_NUMBER": "1",
    "DETECTOR_NAMES": "CCD_",
    "CCD_DETECTOR_DIMENSIONS": f"{SHAPE[1]} {SHAPE[0]}",
    "CCD_DETECTOR_SIZE": f"{SHAPE[1] * 0.1} {SHAPE[0] * 0.1}",
    "CCD_DETECTOR_DESCRIPTION": "a CCD",
    "CCD_GONIO_NAMES": "RotZ 2Theta RotY TransX TransY Distance",
    "CCD_GONIO_UNITS": "deg deg deg mm mm mm",
    "CCD_GONIO_VALUES": "0 0 0 0 0 150.5",
    "CCD_SPATIAL_DISTORTION_TYPE": "Simple_spatial",
    "CCD_SPATIAL_DISTORTION_INFO": f"{CENTRE[0]} {CENTRE[1]} 0.1 0.1",
    "ROTATION": "5 5.7 0.7 1 0 0 0 0 0 0",
    "SOURCE_WAVELENGTH": "1 0.97946",
    "SATURATED_VALUE": "65535",
}


def _dtrek(path: Path, **changes: str) -> Path:
    values = {
        "HEADER_BYTES": " 2048",
        "DIM": "2",
        "BYTE_ORDER": "little_endian",
        "Data_type": "unsigned short int",
        "SIZE1": f"{SHAPE[1]}",
        "SIZE2": f"{SHAPE[0]}",
        **DTREK,
        **changes,
    }
    text = "".join(f"{key}={value};\n" for key, value in values.items())
    path.write_bytes(f"{{\n{text}}}\n".encode().ljust(2048) + PIXELS.astype("<u2").tobytes())
    return path


def _bruker(path: Path, **changes: str) -> Path:
    header = {
        "FORMAT": "        86",
        "DISTANC": "15.20 15.05",
        "WAVELEN": "0.97946 0.97946 0.97946",
        "START": "5.0",
        "INCREME": "0.7",
        "CENTER": f"{CENTRE[0]} {CENTRE[1]}",
        "ANGLES": "0.0 0.0 0.0 54.7",
    }
    fabio.brukerimage.BrukerImage(data=PIXELS % 200, header={**header, **changes}).write(str(path))
    return path


EDF = {
    "PSize_1": "0.0001",
    "PSize_2": "1e-4",
    "SampleDistance": "0.1505",
    "WaveLength": "9.7946e-11",
    "Center_1": str(CENTRE[0]),
    "Center_2": str(CENTRE[1]),
}


def _edf(path: Path, **changes: str) -> Path:
    fabio.edfimage.EdfImage(data=PIXELS, header={**EDF, **changes}).write(str(path))
    return path


def _found(path: Path) -> FileGeometry:
    return read_file_geometry(path, mask=True)


def _agrees(found: FileGeometry, kind: str, pixel_size: float) -> None:
    assert found.kind == kind
    assert (found.nslow, found.nfast) == SHAPE
    assert found.pixel_size == pytest.approx(pixel_size)
    assert found.distance == pytest.approx(150.5)
    assert found.wavelength == pytest.approx(0.97946)
    assert found.centre == pytest.approx(CENTRE)
    assert found.warnings == ()
    np.testing.assert_array_equal(found.pixels, PIXELS)


def _turns(found: FileGeometry) -> None:
    assert found.phi == pytest.approx(5.0)
    assert found.oscillation == pytest.approx(0.7)


# ---- what they say ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("name", ["a.mccd", "a.tif", "a_0001.rx"])
def test_marccd(name: str, order: str, tmp_path: Path) -> None:
    """Whatever the file is called: Rayonix' files have many extensions."""
    found = _found(_marccd(tmp_path / name, order))
    _agrees(found, "MarCCD", 0.073242)
    _turns(found)


def test_a_marccd_that_turns_omega(tmp_path: Path) -> None:
    found = _found(_marccd(tmp_path / "a.mccd", _732=1, _672=-30_000, _640=0))
    assert found.phi == pytest.approx(-30.0)
    assert found.distance == pytest.approx(150.5)  # the distance at the start


def test_mar345(tmp_path: Path) -> None:
    found = _found(_mar345(tmp_path / "a.mar2300"))
    _agrees(found, "Mar345", 0.15)
    _turns(found)


@pytest.mark.parametrize(("at", "value"), [(0, 1235), (4, 60), (8, 9), (8, -5), (20, 64 * 63)])
def test_a_mar345_whose_pixels_are_others_than_its_headers(at: int, value: int, tmp_path: Path) -> None:
    """Otherwise fabio writes beyond its memory, and the program dies without a word."""
    path = _mar345(tmp_path / "a.mar2300")
    content = bytearray(path.read_bytes())
    struct.pack_into("<i", content, at, value)
    path.write_bytes(bytes(content))
    with pytest.raises(InputError, match=r"a\.mar2300"):
        _found(path)


def test_raxis(tmp_path: Path) -> None:
    found = _found(_raxis(tmp_path / "a.osc"))
    _agrees(found, "Raxis", 0.1)
    _turns(found)


def test_an_image_may_end_where_angles_begin_anew(tmp_path: Path) -> None:
    start, stop = sorted(offset for offset, (_, value) in RAXIS.items() if value in (5.0, 5.7))
    found = _found(_raxis(tmp_path / "a.osc", {start: ("f", 359.5), stop: ("f", 0.25)}))
    assert (found.phi, found.oscillation) == pytest.approx((359.5, 0.75))


@pytest.mark.parametrize("without", ["", "CCD_SPATIAL_DISTORTION_INFO", "\nROTATION"])
def test_dtrek(without: str, tmp_path: Path) -> None:
    """Its files begin as SMV's do, and hold other keys."""
    scan = {"SCAN_ROTATION": DTREK["ROTATION"], "CCD_SPATIAL_BEAM_POSITION": f"{CENTRE[0]} {CENTRE[1]}"}
    path = _dtrek(tmp_path / "a.img", **scan)
    if without:
        path.write_bytes(path.read_bytes().replace(without.encode(), b"\n".ljust(len(without), b"X")))
    assert not is_smv(path)
    found = _found(path)
    _agrees(found, "d*TREK", 0.1)
    _turns(found)
    np.testing.assert_array_equal(read_pixels(path), PIXELS)


@pytest.mark.parametrize(
    ("said", "mean"), [("2 0.7 0.72", 0.71), ("2 0.7 0.73 2 1", 0.71), ("0.71", 0.71), ("1 0.71 1", 0.71)]
)
def test_wavelengths_of_dtrek(said: str, mean: float, tmp_path: Path) -> None:
    """Their number stands before them, and weights may stand behind."""
    found = _found(_dtrek(tmp_path / "a.img", SOURCE_WAVELENGTH=said, DETECTOR_NAMES="CCD_ OTHER_"))
    assert found.wavelength == pytest.approx(mean)
    assert found.comments[0] == "detector CCD_ (not OTHER_)"
    assert any("mean of its 2 wavelengths 0.7 0.7" in text for text in found.comments) == said.startswith("2")


def test_dtrek_says_what_is_not_used(tmp_path: Path) -> None:
    """The crystal's goniometer and the polarization; of Kα1 and Kα2 the mean is taken."""
    said = {
        "CRYSTAL_GONIO_NAMES": "Omega Chi Phi",
        "CRYSTAL_GONIO_VALUES": "5 30 0",
        "ROTATION_AXIS_NAME": "Omega",
        "SOURCE_POLARZ": "0.99 1 0 0",
        "SCAN_WAVELENGTH": "2 0.7093 0.7136",
    }
    found = _found(_dtrek(tmp_path / "a.img", **said))
    assert found.unused == ("Chi 30 deg", "SOURCE_POLARZ 0.99 (-polar)")
    assert found.wavelength == pytest.approx(0.71145)


def test_an_smv_header_says_what_was_used(tmp_path: Path) -> None:
    """ADSC's own files; one with d*TREK's keys besides SMV's is still SMV."""
    keys = {"SIZE1": 64, "SIZE2": 64, "PIXEL_SIZE": 0.1, "DISTANCE": 150.5, "WAVELENGTH": 0.97946, "PHI": 5}
    keys |= {"BEAM_CENTER_X": 2.0, "BEAM_CENTER_Y": 2.5, "DETECTOR_NAMES": "CCD_"}
    text = "".join(f"{key}={value};\n" for key, value in keys.items())
    path = tmp_path / "a.img"
    path.write_bytes(f"{{\nHEADER_BYTES= 1024;\n{text}}}\n".encode().ljust(1024) + PIXELS.tobytes())
    assert is_smv(path)
    resolved = resolve(Experiment(crystal=Crystal(cell=[50], default_F=1), detector=Detector(header=path)))
    expected = "64 x 64 pixels, PIXEL_SIZE 0.1 mm, DISTANCE 150.5 mm, WAVELENGTH 0.97946 Å, "
    expected += "BEAM_CENTER_X 2 mm, BEAM_CENTER_Y 2.5 mm, PHI 5 deg"
    assert f"from {path} (SMV): {expected}" in resolved.notes


def test_bruker_gives_what_is_certain_and_says_so(tmp_path: Path) -> None:
    found = _found(_bruker(tmp_path / "a.0001"))
    assert found.distance == pytest.approx(150.5)
    assert found.wavelength == pytest.approx(0.97946)
    _turns(found)
    assert found.centre is None
    assert any("beam centre of a Bruker header are not used" in warning for warning in found.warnings)
    np.testing.assert_array_equal(found.pixels, PIXELS % 200)


@pytest.mark.parametrize(
    "units",
    [{}, {"PSize_1": "0.1_mm", "PSize_2": "100_um", "SampleDistance": "150.5 mm", "WaveLength": "0.97946_A"}],
    ids=["metres", "units"],
)
def test_edf(units: dict[str, str], tmp_path: Path) -> None:
    _agrees(_found(_edf(tmp_path / "a.edf", **units)), "Edf", 0.1)


def test_a_pilatus_tiff(tmp_path: Path) -> None:
    """DECTRIS' TIFF files describe themselves in the lines that their CBF files have."""
    lines = ["Pixel_size 172e-6 m x 172e-6 m", "Detector_distance 0.1505 m", "Beam_xy (20.25, 25.75) pixels"]
    text = (
        "".join(f"# {line}\r\n" for line in [*lines, "Wavelength 0.97946 A", "Start_angle 5.0 deg."]).encode() + b"\0"
    )
    fields = [(256, 4, SHAPE[1]), (257, 4, SHAPE[0]), (258, 3, 16), (259, 3, 1), (262, 3, 1), (270, 2, 200)]
    fields += [(273, 4, 4096), (277, 3, 1), (278, 4, SHAPE[0]), (279, 4, PIXELS.nbytes)]
    directory = struct.pack("<H", len(fields))
    for tag, kind, value in fields:
        count = len(text) if kind == 2 else 1
        directory += struct.pack("<HHI", tag, kind, count) + struct.pack("<H2x" if kind == 3 else "<I", value)
    content = (b"II*\0" + struct.pack("<I", 0x0082)).ljust(0x82, b"\0") + directory + bytes(4)
    content = (
        content.ljust(512, b"\0").replace(
            struct.pack("<HHI", 270, 2, len(text)) + struct.pack("<I", 200),
            struct.pack("<HHI", 270, 2, len(text)) + struct.pack("<I", 512),
        )
        + text
    )
    (tmp_path / "a.tif").write_bytes(content.ljust(4096, b"\0") + PIXELS.tobytes())
    found = _found(tmp_path / "a.tif")
    _agrees(found, "Pilatus", 0.172)
    assert found.phi == pytest.approx(5.0)


def test_a_format_without_geometry_says_so(tmp_path: Path) -> None:
    """A user who believes that the distance came from the file gets the default."""
    fabio.tifimage.TifImage(data=PIXELS).write(str(tmp_path / "a.tif"))
    used = read_file_geometry(tmp_path / "a.tif").used()
    assert used == f"from {tmp_path / 'a.tif'} (Tif): 64 x 64 pixels, no geometry that is known"


WRITERS: dict[str, Callable[[Path], Path]] = {
    "a.mccd": _marccd,
    "a.mar2300": _mar345,
    "a.osc": _raxis,
    "a.img": _dtrek,
    "a.edf": _edf,
}


@pytest.mark.parametrize("name", WRITERS)
def test_the_header_places_the_detector(name: str, tmp_path: Path) -> None:
    """Up to the resolved experiment, whose message names the values."""
    path = WRITERS[name](tmp_path / name)
    resolved = resolve(Experiment(crystal=Crystal(cell=[50], default_F=1), detector=Detector(header=path)))
    g = resolved.geometry
    assert g.distance == pytest.approx(0.1505)
    assert resolved.radiation.wavelength == pytest.approx(0.97946e-10)
    (panel,) = resolved.scene.panels
    assert (g.Fbeam / panel.pixel_size[0], g.Sbeam / panel.pixel_size[1]) == pytest.approx(CENTRE)
    assert any(
        "distance 150.5 mm, wavelength 0.97946" in note and "beam at 20.25 25.75" in note for note in resolved.notes
    )


# ---- what they cannot say ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("write", "expected"),
    [
        (lambda p: _marccd(p, _668=12_000), "2theta of 12 degrees is not used"),
        (lambda p: _marccd(p, _740=2_000), "rotation of 2 about x"),
        (lambda p: _marccd(p, _644=1_500, _648=1_800), "some beamlines write mm"),
        (lambda p: _raxis(p, {448: ("i", 1)}), "cylinder"),
        (lambda p: _raxis(p, {556: ("f", 12.0)}), "2theta of 12 degrees"),
        (lambda p: _dtrek(p, CCD_GONIO_VALUES="0 12 0 0 0 150.5"), "2theta of 12 degrees"),
        (lambda p: _dtrek(p, CCD_GONIO_VALUES="0 0 0 3 0 150.5"), "detector position TransX 3 mm is not used"),
        (lambda p: _bruker(p, ANGLES="12.0 0 0 54.7"), "2theta of 12 degrees"),
        (lambda p: _edf(p, Offset_1="100"), "Center is not used"),
        (lambda p: _edf(p, DetectorRotation_2="0.1_rad"), "DetectorRotation_2 is not used"),
    ],
    ids=["swing", "rotation", "mm", "cylinder", "raxis", "dtrek", "beside", "bruker", "offset", "edf"],
)
def test_what_is_left_out_is_a_warning(write: Callable[[Path], Path], expected: str, tmp_path: Path) -> None:
    path = write(tmp_path / "a")
    found = resolve(Experiment(crystal=Crystal(cell=[50], default_F=1), detector=Detector(header=path)))
    assert any(expected in warning for warning in found.warnings), found.warnings


def test_zeros_are_not_taken_for_values(tmp_path: Path) -> None:
    """Programs write 0 for what they do not know; the defaults are better."""
    zeros = {f"_{offset}": 0 for offset in (640, 644, 648, 696, 736, 772, 776, 908)}
    found = _found(_marccd(tmp_path / "a.mccd", **zeros))
    values = (found.distance, found.wavelength, found.pixel_size, found.centre, found.oscillation)
    assert values == (None,) * 5


@pytest.mark.parametrize(
    ("write", "expected"),
    [
        (lambda p: _marccd(p, _776=80_000), "expected square ones"),
        (lambda p: _marccd(p, _640=-5), "distance"),
        (lambda p: _dtrek(p, CCD_SPATIAL_DISTORTION_INFO="20 25"), "found 2 numbers"),
        (lambda p: _dtrek(p, ROTATION="a b c"), "expected a number"),
        (lambda p: _bruker(p, DISTANC="far"), "expected a number"),
        (lambda p: _edf(p, SampleDistance="1_mile"), "expected a number of metres"),
        (lambda p: _raxis(p, {292: ("f", float("nan"))}), "expected a number"),
    ],
)
def test_what_cannot_be_is_one_sentence(write: Callable[[Path], Path], expected: str, tmp_path: Path) -> None:
    """Unless an option says it: then nobody needs the header's."""
    path, crystal = write(tmp_path / "a"), Crystal(cell=[50], default_F=1)
    with pytest.raises(InputError, match=expected) as caught:
        resolve(Experiment(crystal=crystal, detector=Detector(header=path)))
    said = Detector(header=path, pixel_size=0.1, distance=100, beam_x=3, beam_y=3)
    sampling = Sampling(phi=0, oscillation=1)
    resolve(Experiment(crystal=crystal, detector=said, beam=Beam(wavelength=1), sampling=sampling))
    assert "\n" not in str(caught.value)


# ---- what iotbx reads in the same files -------------------------------------------------------------------


@pytest.mark.skipif(find_spec("iotbx") is None, reason="iotbx is not there (pip install 'nanobragg[cctbx]')")
@pytest.mark.parametrize(
    ("name", "kind", "write"),
    [("a.mccd", "MARImage", _marccd), ("a.osc", "RAXISImage", _raxis), ("a.img", "DTREKImage", _dtrek)],
)
def test_iotbx_reads_the_same_values(name: str, kind: str, write: Callable[[Path], Path], tmp_path: Path) -> None:
    """The files above are those of the formats, and not of our own idea of them."""
    from test_iotbx import read_with_iotbx

    path = write(tmp_path / name)
    ours = _found(path)
    theirs: dict[str, Any] = read_with_iotbx(path, kind)
    assert ours.centre is not None
    assert theirs["distance"] == pytest.approx(ours.distance)
    assert theirs["wavelength"] == pytest.approx(ours.wavelength)
    assert theirs["pixel_size"] == pytest.approx(ours.pixel_size)
    assert (theirs["osc_start"], theirs["deltaphi"]) == pytest.approx((ours.phi, ours.oscillation))
    centre = [theirs["header"][f"BEAM_CENTER_{axis}"] / theirs["pixel_size"] for axis in "XY"]
    assert centre == pytest.approx(ours.centre)
