"""``nanobragg add`` adds float images with factors, as float_add does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from companions import Companion


@pytest.fixture
def add(in_folder, capsys: pytest.CaptureFixture[str]) -> Companion:
    folder = in_folder()
    for name, seed in (("a.bin", 1), ("b.bin", 2), ("c.bin", 3)):
        np.random.default_rng(seed).gamma(2.0, 10.0, 1200).astype(np.float32).tofile(folder / name)
    return Companion("add", folder, capsys)


def read(path: Path) -> np.ndarray:
    return np.fromfile(path, np.float32).astype(float)


def test_spots_and_backgrounds_with_factors(add: Companion) -> None:
    """Photons per pixel add, and are rounded once."""
    ran = add("a.bin b.bin c.bin -scale1 1000 -scale3 0.5 -outfile sum.bin")
    assert ran.status == 0, ran.err
    a, b, c = (read(add.folder / name) for name in ("a.bin", "b.bin", "c.bin"))
    np.testing.assert_array_equal(read(add.folder / "sum.bin"), (1000 * a + b + 0.5 * c).astype(np.float32))


@pytest.mark.parametrize(
    ("words", "output"),
    [("a.bin b.bin", "output.bin"), ("a.bin b.bin x.bin", "x.bin"), ("-nostats -output x.bin a.bin b.bin", "x.bin")],
)
def test_the_output_is_where_float_add_puts_it(add: Companion, words: str, output: str) -> None:
    """Scripts run with the name changed."""
    ran = add(words)
    assert ran.status == 0, ran.err
    expected = (read(add.folder / "a.bin") + read(add.folder / "b.bin")).astype(np.float32)
    np.testing.assert_array_equal(read(add.folder / output), expected)
    assert ("max = " in ran.out) == ("-nostats" not in words)


def test_offsets_factors_and_headers(add: Companion) -> None:
    """Images with a header and an offset stay so."""
    for name in ("a.bin", "b.bin"):
        data = (read(add.folder / name) + 40).astype(np.float32).tobytes()
        (add.folder / name).write_bytes(name.encode().ljust(512) + data)
    ran = add("a.bin b.bin -header 512 -offset 40 -outscale 2 -outfile sum.bin")
    assert ran.status == 0, ran.err
    made = (add.folder / "sum.bin").read_bytes()
    a, b = (np.frombuffer((add.folder / n).read_bytes()[512:], np.float32).astype(float) for n in ("a.bin", "b.bin"))
    assert made[:512] == b"a.bin".ljust(512)
    np.testing.assert_array_equal(
        np.frombuffer(made[512:], np.float32), (2 * ((a - 40) + (b - 40)) + 40).astype(np.float32)
    )


def test_help(add: Companion) -> None:
    """How it is used."""
    assert add("-h").out.startswith("usage: nanobragg add")
    assert add([]).status == 9


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("nowhere.bin a.bin", "nowhere.bin: cannot be read"),
        ("a.bin short.bin", "short.bin: found 3 pixels, expected 1200 as in a.bin"),
        ("a.bin odd.bin", "odd.bin: found 13 bytes, expected whole float32 numbers behind 0 bytes"),
        ("a.bin b.bin -scale3 2", "-scale3: found 2 files, expected one for every factor"),
        ("a.bin b.bin -scale1 x", "-scale1: found 'x', expected a number"),
        ("a.bin b.bin -scale1", "-scale1: found '', expected a number"),
        ("a.bin b.bin -outfile", "-outfile: found too few words after it"),
        ("a.bin b.bin -outfile nowhere/x.bin", "-outfile: found 'nowhere/x.bin' in a folder that does not exist"),
        ("a.bin b.bin -header -4", "-header: found -4, expected a number of bytes"),
        ("a.bin -twice", "add: found the option '-twice'"),
        ("-nostats", "add: found no file, expected float images"),
    ],
)
def test_refusals(add: Companion, words: str, sentence: str) -> None:
    """One sentence, status 9, no file."""
    np.zeros(3, np.float32).tofile(add.folder / "short.bin")
    (add.folder / "odd.bin").write_bytes(bytes(13))
    ran = add(words)
    assert ran.status == 9
    assert sentence in ran.err
    assert not (add.folder / "output.bin").exists()
