"""Matrices, sources, float images, grey maps, and how files are written (specs/formats.md)."""

from __future__ import annotations

import math
import os
import stat
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nanobragg.errors import InputError
from nanobragg.io.images import pgm, raw
from nanobragg.io.lists.matrix import read_matrix
from nanobragg.io.lists.sources import read_sources
from nanobragg.io.support.atomic import atomic_write, read_bytes

INPUTS = Path(__file__).resolve().parent.parent / "golden_data" / "inputs"
FUZZ = settings(max_examples=150)


def text_file(folder: Path, text: str | bytes) -> Path:
    path = folder / "test.txt"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


# ---- orientation matrices ---------------------------------------------------------------------------------


def test_a_mosflm_matrix_is_read_row_by_row() -> None:
    """Text after the nine numbers is MOSFLM's and no error."""
    expected = [
        [-0.00695665, 0.01132253, 0.00298033],
        [-0.00993937, -0.00646072, 0.00714410],
        [0.01037115, 0.00140306, 0.00884579],
    ]
    assert read_matrix(INPUTS / "A.mat").tolist() == expected


def test_columns_of_fixed_width_may_touch(tmp_path: Path) -> None:
    matrix = read_matrix(text_file(tmp_path, " -0.12345678-10.12345678  0.00000001\n1 2 3\n4 5 6e0 rest"))
    assert matrix.tolist() == [[-0.12345678, -10.12345678, 1e-8], [1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1 2 3\n4 5 6\n7 8\n", "found the end of the file after 8 numbers"),
        ("1 2 3\n4 five 6\n7 8 9\n", "found 'five' after 4 numbers"),
        ("1 2 nan", "found 'nan' after 2 numbers"),
        ("1e999 0 0 0 1 0 0 0 1", "found '1e999' after 0 numbers"),
        ("", "found the end of the file after 0 numbers"),
    ],
)
def test_fewer_than_nine_numbers_are_an_error(tmp_path: Path, text: str, message: str) -> None:
    path = text_file(tmp_path, text)
    with pytest.raises(InputError, match=message) as caught:
        read_matrix(path)
    assert str(caught.value).startswith(str(path))


@FUZZ
@given(data=st.binary(max_size=100) | st.text(alphabet="0123456789 .-+e\n", max_size=100).map(str.encode))
def test_any_bytes_are_a_matrix_or_refused(tmp_path: Path, data: bytes) -> None:
    try:
        matrix = read_matrix(text_file(tmp_path, data))
    except InputError:
        return
    assert matrix.shape == (3, 3)
    assert np.isfinite(matrix).all()


@FUZZ
@given(values=st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=9, max_size=9))
def test_any_matrix_round_trips(tmp_path: Path, values: list[float]) -> None:
    assert read_matrix(text_file(tmp_path, " ".join(map(repr, values)))).ravel().tolist() == values


# ---- source files -----------------------------------------------------------------------------------------


def test_the_golden_sources_are_read() -> None:
    sources = read_sources(INPUTS / "sources.txt")
    np.testing.assert_array_equal(
        sources,
        [
            [-10.0, 0.02, 0.01, 1.0, 1.00e-10],
            [-10.0, -0.03, 0.0, 3.0, 1.01e-10],
            [-9.0, 0.0, 0.02, 0.5, 0.985e-10],
            [-10.0, 0.0, 0.0, 1.0, math.nan],
        ],
    )


def test_every_separator_of_the_original_is_one(tmp_path: Path) -> None:
    """Source lists come out of spreadsheets as often as out of programs."""
    sources = read_sources(
        text_file(tmp_path, "# X Y Z\r\n\r\n1,2;3:4!5e-10\r\n;1\t,,2 # on axis\n1 two 3 x 1.E-10 9 9\n")
    )
    expected = [
        [1, 2, 3, 4, 5e-10],
        [1, 2, math.nan, math.nan, math.nan],
        [1, math.nan, 3, math.nan, 1e-10],
    ]
    np.testing.assert_array_equal(sources, expected)


@pytest.mark.parametrize("text", ["", "# nothing\n\n", "\x00\x01\n", "no numbers here"])
def test_a_file_without_sources_is_an_error(tmp_path: Path, text: str) -> None:
    """The original would render nothing, or beams of wavelength 0."""
    with pytest.raises(InputError, match="found no source"):
        read_sources(text_file(tmp_path, text))


@FUZZ
@given(data=st.binary(max_size=100) | st.text(alphabet="0123456789 .-+e,;:!#\n", max_size=100).map(str.encode))
def test_any_bytes_are_sources_or_refused(tmp_path: Path, data: bytes) -> None:
    try:
        sources = read_sources(text_file(tmp_path, data))
    except InputError:
        return
    assert sources.shape[1] == 5
    assert not np.isinf(sources).any()


@FUZZ
@given(rows=st.lists(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=5, max_size=5), min_size=1))
def test_any_sources_round_trip(tmp_path: Path, rows: list[list[float]]) -> None:
    text = "\n".join(" ".join(map(repr, row)) for row in rows)
    assert read_sources(text_file(tmp_path, text)).tolist() == rows


# ---- float images and grey maps ---------------------------------------------------------------------------


def test_a_float_image_is_bare_numbers(tmp_path: Path) -> None:
    image = np.random.default_rng(1).random((5, 7)).astype(np.float32)
    raw.write(tmp_path / "image.bin", image)
    assert (tmp_path / "image.bin").read_bytes() == image.tobytes()
    np.testing.assert_array_equal(raw.read(tmp_path / "image.bin", (5, 7)), image)
    with pytest.raises(InputError, match="found 140 bytes, expected 144"):
        raw.read(tmp_path / "image.bin", (6, 6))


def test_a_transposed_image_is_written_in_its_own_order(tmp_path: Path) -> None:
    image = np.arange(6, dtype=np.float32).reshape(2, 3).T
    raw.write(tmp_path / "image.bin", image)
    np.testing.assert_array_equal(raw.read(tmp_path / "image.bin", (3, 2)), image)


def test_a_grey_map_has_the_originals_bytes_and_opens_elsewhere(tmp_path: Path) -> None:
    from PIL import Image

    pixels = np.arange(6, dtype=np.uint8).reshape(2, 3)
    path = tmp_path / "image.pgm"
    pgm.write(path, pixels, scale=625.36366854827)
    assert path.read_bytes() == b"P5\n3 2\n# pixels scaled by 625.364\n255\n" + bytes(range(6))
    with Image.open(path) as picture:
        np.testing.assert_array_equal(np.asarray(picture), pixels)


# ---- writing ----------------------------------------------------------------------------------------------


def write_half(path: Path, error: Exception) -> None:
    with atomic_write(path) as file:
        file.write(b"half of the ne")
        raise error


def test_an_error_while_writing_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    """A full disk or a crash must not cost the previous result."""
    path = tmp_path / "result"
    path.write_bytes(b"old")
    with pytest.raises(RuntimeError, match="crash"):
        write_half(path, RuntimeError("crash"))
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["result"]


def test_a_full_disk_is_told_with_the_files_name(tmp_path: Path) -> None:
    path = tmp_path / "result"
    with pytest.raises(InputError, match=r"result: cannot be written \(no space left"):
        write_half(path, OSError(28, "No space left on device"))
    assert os.listdir(tmp_path) == []


def test_the_file_appears_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "result"
    with atomic_write(path) as file:
        file.write(b"new")
        assert not path.exists()
    assert path.read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["result"]


def test_permissions_are_those_of_an_ordinary_file(tmp_path: Path) -> None:
    """Colleagues must be able to read results; a file made unreadable stays so."""
    plain = tmp_path / "plain"
    plain.write_bytes(b"")
    with atomic_write(tmp_path / "new") as file:
        file.write(b"x")
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == stat.S_IMODE(plain.stat().st_mode)
    plain.chmod(0o640)
    with atomic_write(plain) as file:
        file.write(b"x")
    assert stat.S_IMODE(plain.stat().st_mode) == 0o640


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    real, link = tmp_path / "folder" / "real", tmp_path / "link"
    real.write_bytes(b"old")
    link.symlink_to(real)
    with atomic_write(link) as file:
        file.write(b"new")
    assert link.is_symlink()
    assert real.read_bytes() == b"new"


def test_a_device_is_written_not_replaced() -> None:
    """-floatfile /dev/null is how people switch a file off."""
    with atomic_write("/dev/null") as file:
        file.write(b"x")
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


@pytest.mark.parametrize("name", ["missing/result", "folder", "file/result", "", "a\0b", "x" * 300])
def test_a_name_that_cannot_be_written_is_an_error(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_bytes(b"")
    target = os.path.join(tmp_path, name) if name else name
    with pytest.raises(InputError), atomic_write(target) as file:
        file.write(b"x")
    assert sorted(os.listdir(tmp_path)) == ["file", "folder"]


def test_a_file_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    for name in ("missing", "folder"):
        (tmp_path / "folder").mkdir(exist_ok=True)
        with pytest.raises(InputError, match=f"{name}: cannot be read"):
            read_bytes(tmp_path / name)
