"""Structure-factor files: a misread reflection is a wrong image without any other sign (specs/formats.md)."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nanobragg.errors import InputError
from nanobragg.io.factors.hkl import read_dump, read_hkl, structure_factors_from_array, write_dump
from nanobragg.records.structure_factors import StructureFactors

INPUTS = Path(__file__).resolve().parent.parent / "golden_data" / "inputs"
FUZZ = settings(max_examples=150)


def read(folder: Path, text: str | bytes, default_F: float = 0.0) -> StructureFactors:
    path = folder / "test.hkl"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_hkl(path, default_F)


def at(factors: StructureFactors, *index: int) -> float:
    return float(factors.grid[tuple(i - low for i, low in zip(index, factors.minimum, strict=True))])


def test_a_golden_file_is_read_as_numpy_reads_it() -> None:
    table = np.loadtxt(INPUTS / "dense.hkl")
    factors = read_hkl(INPUTS / "dense.hkl")
    assert factors.count == len(table)
    assert factors.minimum == tuple(table[:, :3].min(axis=0).astype(int))
    assert factors.maximum == tuple(table[:, :3].max(axis=0).astype(int))
    for h, k, l, amplitude in table:  # noqa: E741
        assert at(factors, int(h), int(k), int(l)) == amplitude


def test_holes_take_the_default_and_duplicates_the_last_value(tmp_path: Path) -> None:
    factors = read(tmp_path, "0 0 0 5\n1 2 -3 7\n0 0 0 6\n", default_F=1.5)
    assert factors.grid.shape == (2, 3, 4)
    assert factors.minimum == (0, 0, -3)
    assert (at(factors, 0, 0, 0), at(factors, 1, 2, -3), at(factors, 1, 1, -1)) == (6.0, 7.0, 1.5)
    assert factors.count == 3
    assert "the last F counts of reflections that are repeated with another one (1 line)" in factors.warnings[0]
    assert read(tmp_path, "0 0 0 5\n1 2 -3 7\n0 0 0 5\n").warnings == ()


def test_further_columns_are_told(tmp_path: Path) -> None:
    """They may be what the user wanted to be read."""
    assert "their further columns are not used" in read(tmp_path, "# a b c d e f\n1 2 3 4 0.1\n").described
    assert read(tmp_path, "# a b c d e f\n1 2 3 4\n1 2 4 5\n").described == "lines h k l F"


def test_layout_does_not_matter(tmp_path: Path) -> None:
    """Extra columns, comments, blank lines, other line ends: what people's programs write."""
    text = "# made by hand\r\n\r\n \t1  -2\t+3 1.5e2 0.25 flag\r\n  # more\n1 -2 4 2. 1\n\v1.0 -2 5 .5"
    factors = read(tmp_path, text)
    assert factors.minimum == (1, -2, 3)
    assert factors.grid.ravel().tolist() == [150.0, 2.0, 0.5]
    assert factors.warnings == ()
    assert read(tmp_path, "1 2 3 4\r5 6 7 8\r").count == 2


def test_a_gzip_file_is_read_whatever_its_name(tmp_path: Path) -> None:
    assert read(tmp_path, gzip.compress(b"1 2 3 4\n")).count == 1


def test_indices_that_are_not_whole_are_rounded_with_one_warning(tmp_path: Path) -> None:
    factors = read(tmp_path, "1 2 3 4\n1.2 2 3 5\n\n1 2.9 -3.4 6\n")
    assert (at(factors, 1, 2, 3), at(factors, 1, 3, -3)) == (5.0, 6.0)
    warning, _ = factors.warnings
    assert "test.hkl" in warning
    assert "2 lines, the first line 2: '1.2 2 3 5'" in warning


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1 2 3 4\n\n1 2 3\n", "line 3: found '1 2 3'"),
        ("1 2 3 4\n1 2 x 4\n", "line 2: found '1 2 x 4'"),
        ("1,2,3,4\n", "line 1: found '1,2,3,4'"),
        ("1 2 3 4abc\n", "line 1"),
        ("1 2 3 nan\n", "line 1"),
        ("1 2 3 inf\n", "line 1"),
        ("nan 2 3 4\n", "line 1"),
        ("1 2 3 1e999\n", "line 1"),
        ("1e10 2 3 4\n", "line 1"),
        ("1 2 3 +-4\n", "line 1"),
        ("1 2 3 #4\n", "line 1"),
        ("1 2 \x00 4\n", r"line 1: found '1 2 \? 4'"),
        ("", "found no reflection"),
        ("# nothing\n\n", "found no reflection"),
        ("0 0 0 1\n2000 2000 2000 1\n", "h from 0 to 2000, k from 0 to 2000, l from 0 to 2000"),
        (
            "-2147483647 0 0 1\n2147483647 2147483647 -2147483647 1\n",
            "found the reflection -2147483647 0 0, expected indices up to",
        ),
    ],
)
def test_anything_else_is_an_error_that_names_the_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        read(tmp_path, text)
    assert str(caught.value).startswith(str(tmp_path / "test.hkl"))


def test_line_numbers_hold_far_into_a_large_file(tmp_path: Path) -> None:
    """Large files are read in pieces; the message must still point at the right line, the first one."""
    lines = [f"{i % 50} {i % 30} {i % 20} {i}" for i in range(60_000)]
    expected = read(tmp_path, "\n".join(lines))
    assert expected.count == 60_000
    assert at(expected, 49, 29, 19) == 59_999.0
    lines[41_234] = "0 0.25 0 1"
    warning, _ = read(tmp_path, "\n".join(lines)).warnings
    assert "line 41235" in warning
    lines[41_236] = lines[59_000] = "oops"
    with pytest.raises(InputError, match="line 41237: found 'oops'"):
        read(tmp_path, "\n".join(lines))


def test_a_missing_or_damaged_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.hkl: cannot be read \(no such file"):
        read_hkl(tmp_path / "nowhere.hkl")
    with pytest.raises(InputError, match="cannot be read"):
        read_hkl(tmp_path)
    with pytest.raises(InputError, match="damaged gzip"):
        read(tmp_path, gzip.compress(b"1 2 3 4\n" * 100)[:-20])


def test_an_array_gives_the_same_grid(tmp_path: Path) -> None:
    table = np.array([[0, 0, 0, 5], [1, 2, -3, 7], [0, 0, 0, 6], [0.5, 1, 1, 8]])
    from_array = structure_factors_from_array(table, 1.5)
    from_file = read(tmp_path, "\n".join(" ".join(map(str, row)) for row in table), 1.5)
    np.testing.assert_array_equal(from_array.grid, from_file.grid)
    assert (from_array.minimum, from_array.count) == (from_file.minimum, 4)
    assert len(from_array.warnings) == 1


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((3, 3)), r"found an array \(3, 3\)"),
        (np.zeros((0, 4)), r"found an array \(0, 4\)"),
        ([["a", 1, 2, 3]], r"expected an array \(n, 4\)"),
        ([[0, 0, 0, 1], [0, 0, float("nan"), 1]], "in row 1"),
        ([[0, 0, 0, 1], [5000, 5000, 5000, 1]], "8 GiB"),
        ([[1e300, -1e300, 0, 1], [-1e300, 1e300, 0, 1]], "8 GiB"),
    ],
)
def test_a_bad_array_is_an_error(array: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        structure_factors_from_array(array)  # type: ignore[arg-type]


@FUZZ
@given(data=st.binary(max_size=200) | st.text(alphabet="0123456789 .-+e#\n\r\tx", max_size=200).map(str.encode))
def test_any_bytes_are_read_or_refused(tmp_path: Path, data: bytes) -> None:
    """A wrong file name on the command line must end in a sentence."""
    try:
        factors = read(tmp_path, data)
    except InputError:
        return
    assert np.isfinite(factors.grid).all()
    assert factors.count >= 1


# ---- the cache --------------------------------------------------------------------------------------------


def test_a_cache_has_the_originals_bytes(tmp_path: Path) -> None:
    """nanoBragg.c and its scripts read the same Fdump.bin."""
    factors = structure_factors_from_array([[-1, 0, 2, 5.5], [0, 0, 3, 7.25]], 1.0)
    path = tmp_path / "Fdump.bin"
    write_dump(path, factors)
    # One plane of zeros at the end of each axis: (2 + 1) x (1 + 1) x (2 + 1) doubles.
    numbers = [5.5, 1, 0, 0, 0, 0, 1, 7.25, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
    assert path.read_bytes() == b"-1 0 0 0 2 3\n\f" + struct.pack("18d", *numbers)


def test_a_cache_round_trips(tmp_path: Path) -> None:
    factors = read_hkl(INPUTS / "sparse.hkl", 2.0)
    write_dump(tmp_path / "cache", factors)
    again = read_dump(tmp_path / "cache")
    np.testing.assert_array_equal(again.grid, factors.grid)
    assert (again.minimum, again.maximum) == (factors.minimum, factors.maximum)
    assert again.grid.flags.c_contiguous


def test_a_cache_that_starts_with_white_space_bytes_is_read(tmp_path: Path) -> None:
    """The original loses such bytes: 0x0c is the form feed that ends the header, and the first byte of this double."""
    (number,) = struct.unpack("d", b"\x0c\x20\x0a\x00\x00\x00\xf0\x3f")
    write_dump(tmp_path / "cache", structure_factors_from_array([[0, 0, 0, number]]))
    assert read_dump(tmp_path / "cache").grid.item() == number


def cache_bytes() -> bytes:
    return b"0 0 0 0 0 1\n\f" + struct.pack("12d", *[1.0] * 12)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "no header of six indices"),
        (b"1 2 3 4\n", "no header of six indices"),
        (cache_bytes()[:-1], r"found 108 bytes, expected 109"),
        (cache_bytes() + b"x", r"found 110 bytes, expected 109"),
        (b"1 0 0 0 0 0\n\f" + bytes(64), "in order"),
        (b"-999999999 999999999 0 999999999 0 999999999\n\f" + bytes(64), "found 110 bytes, expected 160000000320"),
        (cache_bytes()[:13] + struct.pack("12d", *[float("nan")] * 12), "not finite"),
    ],
)
def test_a_damaged_cache_is_an_error(tmp_path: Path, data: bytes, message: str) -> None:
    """The original would render whatever is in memory."""
    path = tmp_path / "Fdump.bin"
    path.write_bytes(data)
    with pytest.raises(InputError, match=message) as caught:
        read_dump(path)
    assert str(path) in str(caught.value)


def test_a_missing_cache_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_dump(tmp_path / "nothing")


@FUZZ
@given(
    data=st.binary(max_size=300)
    | st.builds(
        lambda bounds, tail: " ".join(map(str, bounds)).encode() + b"\n\f" + tail,
        st.lists(st.integers(-3, 3), min_size=6, max_size=6),
        st.binary(max_size=300),
    )
)
def test_any_bytes_are_a_cache_or_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "fuzz.bin"
    path.write_bytes(data)
    try:
        factors = read_dump(path)
    except InputError:
        return
    assert np.isfinite(factors.grid).all()


@FUZZ
@given(
    low=st.tuples(*[st.integers(-5, 5)] * 3),
    values=st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=12),
)
def test_any_amplitudes_round_trip_through_text_and_cache(
    tmp_path: Path, low: tuple[int, int, int], values: list[float]
) -> None:
    rows = [(low[0] + i % 2, low[1] + i % 3, low[2] + i, value) for i, value in enumerate(values)]
    from_text = read(tmp_path, "\n".join(f"{h} {k} {l} {value!r}" for h, k, l, value in rows), 3.0)  # noqa: E741
    for h, k, l, value in rows:  # noqa: E741
        assert at(from_text, h, k, l) == value
    write_dump(tmp_path / "cache", from_text)
    np.testing.assert_array_equal(read_dump(tmp_path / "cache").grid, from_text.grid)
