"""SMV images: what every data-processing program of the field opens (specs/formats.md)."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nanobragg import ScenePanel
from nanobragg.errors import InputError
from nanobragg.io.images import smv
from nanobragg.io.images.smv import read_smv, read_smv_header, smv_header

GOLDEN = Path(__file__).resolve().parent.parent / "golden_data"
FACTS = {fact["id"]: fact for fact in map(json.loads, (GOLDEN / "facts.jsonl").read_text().splitlines())}
FUZZ = settings(max_examples=150)


def write(
    folder: Path, keys: str, data: bytes = bytes(12), size: int = 512, start: str = "{\nHEADER_BYTES=  %d;\n"
) -> Path:
    path = folder / "test.img"
    header = (start % size if "%" in start else start) + keys + "}\f"
    path.write_bytes(header.encode("latin-1").ljust(size) + data)
    return path


SMALL = "DIM=2;\nBYTE_ORDER=little_endian;\nTYPE=unsigned_short;\nSIZE1=3;\nSIZE2=2;\n"


def resolved_of(scene: dict[str, Any], args: str, header: str) -> SimpleNamespace:
    """What smv_header needs of a Resolved. Keys that the scene lacks follow from it, or from the command line."""
    pixel, degrees = scene["pixel_size"], 180.0 * 0.31830988618379067154
    words = args.split()

    def word(name: str) -> float | None:
        return float(words[words.index(name) + 1]) if name in words else None

    detsize = word("-detsize_s") or word("-detsize_y") or word("-detsize")
    twotheta = word("-twotheta")
    if twotheta is None:
        twotheta = word("-twotheta_axis") or 0.0
    x, y, z = scene["pix0"]
    geometry = SimpleNamespace(
        distance=scene["distance"],
        Xbeam=scene["Xbeam"],
        Ybeam=scene["Ybeam"],
        Fbeam=scene["Fbeam"],
        Sbeam=scene["Sbeam"],
        detsize_s=scene["spixels"] * pixel if detsize is None else detsize / 1000.0,
        orgx=scene["Fclose"] / pixel + 0.5,
        orgy=scene["Sclose"] / pixel + 0.5,
        dials_origin=(
            1000.0 * (x * 0.0 + y * 0.0 + z * 1.0),
            1000.0 * (x * 0.0 + y * 1.0 + z * 0.0),
            1000.0 * (x * -1.0 + y * 0.0 + z * 0.0),
        ),
        twotheta=twotheta / degrees,
    )
    # An oscillation of one step is not in the scene.
    oscillation = next(float(line.split("=")[1][:-1]) for line in header.split("\n") if line.startswith("OSC_RANGE"))
    radiation = SimpleNamespace(wavelength=scene["lambda0"], phi=scene["phi0"], oscillation=oscillation / degrees)
    panel = ScenePanel(
        name="panel",
        shape=(scene["spixels"], scene["fpixels"]),
        pixel_size=(pixel, pixel),
        origin=scene["pix0"],
        fast=scene["fdet"],
        slow=scene["sdet"],
        normal=scene["odet"],
        close_distance=scene["close_distance"],
    )
    scene_of_panel = SimpleNamespace(panels=(panel,), image_mask=None)
    return SimpleNamespace(
        geometry=geometry, radiation=radiation, scene=scene_of_panel, experiment=SimpleNamespace(quirks="all")
    )


@pytest.mark.parametrize("case", [name for name, fact in FACTS.items() if "header" in fact])
def test_headers_are_the_originals(case: str) -> None:
    """Programs that read the original's images read ours."""
    fact = FACTS[case]
    header = smv_header(resolved_of(fact["scene"], fact["args"], fact["header"]))  # type: ignore[arg-type]
    expected = fact["header"].replace("little_endian", f"{sys.byteorder}_endian") + "\f"
    assert header == expected.encode().ljust(512)


def test_a_header_that_outgrows_512_bytes_says_so(tmp_path: Path) -> None:
    """The original claims 512 bytes there, and every reader then takes header for pixels."""
    fact = FACTS["grazing"]
    resolved = resolved_of(fact["scene"], fact["args"], fact["header"])
    resolved.geometry.orgx = -0.000123457
    resolved.geometry.orgy = -0.000123457
    shape = resolved.scene.panels[0].shape
    pixels = np.arange(shape[0] * shape[1], dtype=np.uint16).reshape(shape)
    path = tmp_path / "long.img"
    smv.write(path, pixels, resolved)  # type: ignore[arg-type]
    data = path.read_bytes()
    assert data.startswith(b"{\nHEADER_BYTES=1024;\n")
    assert len(data) == 1024 + pixels.nbytes
    np.testing.assert_array_equal(read_smv(path).pixels, pixels)


def test_an_image_round_trips_and_other_programs_read_it(tmp_path: Path) -> None:
    import fabio

    fact = FACTS["noise_mid"]
    pixels = np.random.default_rng(1).integers(0, 65536, (56, 72), dtype=np.uint16)
    path = tmp_path / "image.img"
    smv.write(path, pixels, resolved_of(fact["scene"], fact["args"], fact["header"]))  # type: ignore[arg-type]
    image = read_smv(path)
    np.testing.assert_array_equal(image.pixels, pixels)
    assert (image.nfast, image.nslow) == (72, 56)
    with fabio.open(path) as other:
        np.testing.assert_array_equal(other.data, pixels)


def test_the_golden_mask_and_header_are_read() -> None:
    mask = read_smv(GOLDEN / "inputs" / "mask.img")
    assert mask.pixels.shape == (56, 72)
    assert mask.pixels.dtype == np.uint16
    image = read_smv(GOLDEN / "inputs" / "header.img")
    assert (image.nfast, image.nslow) == (64, 48)
    assert image.value("DISTANCE") == 90.0
    assert image.value("DISTANCE", substring=True) == 91.0  # CLOSE_DISTANCE comes later
    assert image.value("ORGX") is None
    assert image.value("ORGX", substring=True) == 30.5
    assert image.value("WAVELENGTH") == image.value("WAVELENGTH", substring=True) == 1.3


def test_both_byte_orders_are_read(tmp_path: Path) -> None:
    """Images from old big-endian workstations are masks still in use."""
    values = np.array([[1, 2, 3], [500, 65535, 0]])
    for order, dtype in (("little_endian", "<u2"), ("big_endian", ">u2")):
        keys = SMALL.replace("little_endian", order)
        np.testing.assert_array_equal(read_smv(write(tmp_path, keys, values.astype(dtype).tobytes())).pixels, values)


def test_longer_headers_and_trailing_bytes_are_read(tmp_path: Path) -> None:
    keys = SMALL + "COMMENT=" + "x" * 700 + ";\nPHI=3;\n"
    image = read_smv(write(tmp_path, keys, np.arange(6, dtype="<u2").tobytes() + b"tail", 1024))
    assert image.pixels.tolist() == [[0, 1, 2], [3, 4, 5]]
    assert image.value("PHI") == image.value("PHI", substring=True) == 3.0


def test_the_last_assignment_wins(tmp_path: Path) -> None:
    header = read_smv_header(write(tmp_path, SMALL + "PHI = 1.5 deg ; PHI=-2e1;\nOSC_RANGE=.25\n"))
    assert header.value("PHI") == -20.0
    assert header.value("OSC_RANGE") == 0.25
    assert header.value("PHI", substring=True) == -20.0


def test_a_value_may_be_the_last_substring(tmp_path: Path) -> None:
    """Quirk header_substring: the key may be in another key or in a value, and the number follows the next '='."""
    header = read_smv_header(write(tmp_path, SMALL + "ORGX=1;\nCOMMENT=ORGX;\nGAIN=7;\n"))
    assert header.value("ORGX") == 1.0
    assert header.value("ORGX", substring=True) == 7.0


def test_a_value_that_is_no_number_is_an_error(tmp_path: Path) -> None:
    header = read_smv_header(write(tmp_path, SMALL + "PHI=north;\nXPHI_AXIS=gonio;\nDISTANCE=;\n"))
    with pytest.raises(InputError, match="found PHI='north'"):
        header.value("PHI")
    with pytest.raises(InputError, match=r"found PHI='gonio', expected a number \(with -quirks all,-header_substring"):
        header.value("PHI", substring=True)
    with pytest.raises(InputError, match="found DISTANCE=''"):
        header.value("DISTANCE")


@pytest.mark.parametrize(
    ("keys", "arguments", "message"),
    [
        (SMALL, {"data": bytes(11)}, "found 523 bytes, expected 524 .3 x 2 pixels."),
        (SMALL, {"start": "P5\n"}, "no SMV header"),
        (SMALL, {"start": "{\nHEADER_BYTES=2000;\n"}, "expected a header of 2000"),
        (SMALL, {"start": "{\nHEADER_BYTES=3;\n"}, "HEADER_BYTES=3"),
        (SMALL.replace("SIZE1=3;\n", ""), {}, "nothing for SIZE1"),
        (SMALL.replace("SIZE2=2", "SIZE2=-2"), {}, "'-2' for SIZE2"),
        (SMALL.replace("SIZE2=2", "SIZE2=2.5"), {}, "'2.5' for SIZE2"),
        (SMALL.replace("unsigned_short", "double"), {}, "TYPE='double'"),
        (SMALL.replace("little_endian", "middle"), {}, "BYTE_ORDER='middle'"),
        (SMALL.replace("BYTE_ORDER=little_endian;\n", ""), {}, "BYTE_ORDER=None"),
    ],
)
def test_files_that_cannot_be_what_they_claim_are_errors(
    tmp_path: Path, keys: str, arguments: dict[str, Any], message: str
) -> None:
    path = write(tmp_path, keys, **arguments)
    with pytest.raises(InputError, match=message) as caught:
        read_smv(path)
    assert str(caught.value).startswith(str(path))


def test_a_header_is_read_without_its_pixels(tmp_path: Path) -> None:
    """-img takes the geometry only; the original does not mind missing pixels."""
    assert read_smv_header(write(tmp_path, SMALL, b"")).nfast == 3


def test_missing_files_are_errors(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot be read \(no such file"):
        read_smv(tmp_path / "nothing.img")
    with pytest.raises(InputError, match="expected the name of a file"):
        read_smv("")


@FUZZ
@given(
    data=st.binary(max_size=700)
    | st.builds(
        lambda keys, tail: ("{\nHEADER_BYTES=512;\n" + keys).encode("latin-1", "replace")[:510].ljust(512) + tail,
        st.lists(
            st.sampled_from(
                [*SMALL.splitlines(keepends=True), "PHI=;", "}", "\0", "=", ";\n", "DETECTOR_DIMENSIONS=2;"]
            )
            | st.text(max_size=20)
        ).map("".join),
        st.binary(max_size=30),
    )
)
def test_any_bytes_are_an_image_or_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "fuzz.img"
    path.write_bytes(data)
    for reader in (read_smv, read_smv_header):
        try:
            image = reader(path)
            for key in ("PHI", "SIZE1", "DISTANCE"):
                for substring in (False, True):
                    image.value(key, substring=substring)
        except InputError:
            continue
        assert image.nfast > 0


def test_a_failed_write_leaves_the_old_image(tmp_path: Path) -> None:
    path = tmp_path / "image.img"
    path.write_bytes(b"old")
    fact = FACTS["noise_mid"]
    resolved = resolved_of(fact["scene"], fact["args"], fact["header"])
    resolved.geometry.orgx = "not a number"
    with pytest.raises(ValueError, match="format code"):
        smv.write(path, np.zeros((2, 2), np.uint16), resolved)  # type: ignore[arg-type]
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["image.img"]
