"""The table of image formats: one row and one module are all that a format needs, and the pages say what it says."""

from __future__ import annotations

import importlib
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from nanobragg import Crystal, Detector, Image, InputError, read_pixels, simulate
from nanobragg.cli import main
from nanobragg.completion import table
from nanobragg.io.images import formats

ROOT = Path(__file__).resolve().parent.parent
WORDS = "-cell 50 60 70 90 90 90 -default_F 30 -N 2 -detpixels 12 -pixel 1 -nopgm -seed 1"


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[formats.Format]:
    """A format of whole numbers, as text: its module, and its row."""
    module: Any = ModuleType("nanobragg.io.images.toy")
    module.write = lambda path, pixels, resolved: np.savetxt(path, pixels, "%d")
    module.read = lambda path, shape=None: np.loadtxt(path, dtype=np.int32)
    module.doubt = lambda resolved: "toys tell nothing"
    monkeypatch.setitem(sys.modules, module.__name__, module)
    row = formats.Format(name="Toy", extensions=(".toy",), module="toy", contents="text", bits=32)
    monkeypatch.setattr(formats, "FORMATS", (*formats.FORMATS, row))
    monkeypatch.chdir(tmp_path)
    yield row
    monkeypatch.undo()
    importlib.reload(table)


@pytest.fixture(scope="module")
def image() -> Image:
    return simulate(crystal=Crystal(cell=(50, 60, 70), default_F=30.0), detector=Detector(shape=(5, 7)))


def test_a_row_and_a_module_make_a_format(
    toy: formats.Format, image: Image, capsys: pytest.CaptureFixture[str]
) -> None:
    """Writing from the shell and from Python, reading, viewing and completion know it."""
    assert main([*WORDS.split(), "-noisefile", "a.toy", "-intfile", "b.TOY", "-floatfile", "c.npy"]) == 0
    printed = capsys.readouterr().out
    assert "WARNING: a.toy: toys tell nothing" in printed
    assert "writing a.toy as Toy, 4-byte integers" in printed
    assert read_pixels("a.toy").shape == (12, 12)
    counts = image.noisy(seed=1)
    with pytest.warns(UserWarning, match="toys tell nothing"):
        counts.write("d.toy")
    np.testing.assert_array_equal(read_pixels("d.toy"), counts.data)
    assert main(["view", "a.toy", "-o", "a.png"]) == 0
    importlib.reload(table)
    assert all("toy" in table.SUFFIXES[option] for option in ("-intfile", "-noisefile"))
    assert set(table.SUFFIXES["-floatfile"]) == {"bin", "h5", "nxs", "tif", "tiff", "npy"}
    assert "toy" in table.IMAGES


def test_floats_are_refused_where_they_cannot_be(
    toy: formats.Format, image: Image, capsys: pytest.CaptureFixture[str]
) -> None:
    """A float image in a format of whole numbers would lose everything below one photon."""
    with pytest.raises(InputError, match="expected whole numbers for Toy"):
        image.write("a.toy")
    assert main([*WORDS.split(), "-floatfile", "a.toy"]) == 9
    assert "expected .h5, .tif, .npy or .bin for a float image" in capsys.readouterr().err
    assert not os.path.exists("a.toy")


@pytest.mark.parametrize(("option", "row"), [("-floatfile", formats.FLOATS), ("-intfile", formats.SMV)])
@pytest.mark.parametrize("name", ["x", "x.bin", "x.img", "x.pgm", "x.png", "x.data"])
def test_the_original_formats_have_any_other_name(option: str, row: formats.Format, name: str) -> None:
    """Scripts written for nanoBragg.c name their files as they like."""
    assert formats.option_format(name, floats=option == "-floatfile") is row


def test_the_guide_lists_what_the_table_lists() -> None:
    """Who looks for a format looks there."""
    text = (ROOT / "docs" / "guide" / "images.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`\..*?) \| (.*?) \| (.*?) \|$", text, re.MULTILINE)
    assert rows == [
        (", ".join(f"`{extension}`" for extension in row.extensions), row.name, row.contents) for row in formats.FORMATS
    ]


@pytest.mark.parametrize("row", formats.FORMATS, ids=lambda row: row.name)
def test_every_format_is_described(row: formats.Format) -> None:
    """In the specification, and where ``Image.write`` is explained."""
    specification = (ROOT / "specs" / "formats.md").read_text(encoding="utf-8")
    for extension in row.extensions:
        assert f"`{extension}`" in specification, extension
        assert f"``{extension}``" in (Image.write.__doc__ or ""), extension
