"""Looking at images: in Jupyter, with matplotlib, and with ``nanobragg view``."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path

import matplotlib
import numpy as np
import PIL.Image
import pytest

from nanobragg import Crystal, Detector, Image, InputError, simulate
from nanobragg.cli import main
from nanobragg.io.any_image import read_pixels

matplotlib.use("agg")


@pytest.fixture(scope="module")
def image() -> Image:
    return simulate(
        crystal=Crystal(cell=(50, 60, 70, 80, 95, 100), cells=4, default_F=100),
        detector=Detector(shape=(40, 56), pixel_size=0.5),
    )


def test_jupyter_shows_the_image(image: Image, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = image._repr_png_()
    assert shown is not None
    assert PIL.Image.open(io.BytesIO(shown)).size == (56, 40)
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    assert image._repr_png_() is None  # Jupyter falls back to text


def test_matplotlib_draws_pixels_where_positions_are(image: Image) -> None:
    """The first pixel's outer corner is at 0 0, as in the header and the table of reflections."""
    import matplotlib.pyplot as plt

    axes = image.plot()
    assert list(axes.images[0].get_extent()) == [0, 56, 40, 0]
    figure, given = plt.subplots()
    assert image.plot(given, vmin=0, vmax=5) is given
    assert given.images[0].get_clim() == (0, 5)
    figure.canvas.draw()
    axes.figure.canvas.draw()
    plt.close("all")


@pytest.mark.parametrize("name", ["a.img", "a.cbf", "a.h5", "a.tif", "a.npy"])
def test_view_makes_pictures_of_every_format(
    name: str, image: Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    image.noisy(seed=1).write(name)
    np.testing.assert_array_equal(read_pixels(name), image.noisy(seed=1).data)
    assert main(["view", name, "-o", "p.png"]) == 0
    with PIL.Image.open("p.png") as picture:
        assert picture.size == (56, 40)


def test_bare_floats_need_their_shape_unless_square(image: Image, tmp_path: Path) -> None:
    image.write(tmp_path / "a.bin")
    with pytest.raises(InputError, match="-shape"):
        read_pixels(tmp_path / "a.bin")
    np.testing.assert_array_equal(read_pixels(tmp_path / "a.bin", (40, 56)), image.data)


def test_options_come_before_or_after_the_files(image: Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    image.write("a.bin")
    pictures = []
    for words in ("-shape 40 56 -o p.png a.bin", "a.bin -o p.png -shape 40 56"):
        assert main(["view", *words.split()]) == 0
        pictures.append(Path("p.png").read_bytes())
        Path("p.png").unlink()
    assert pictures[0] == pictures[1]


def test_several_files_make_several_pictures(image: Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a.npy", "b.npy"):
        image.write(name)
    assert main(["view", "a.npy", "b.npy", "-o", "p{}.png"]) == 0
    assert sorted(os.listdir()) == ["a.npy", "b.npy", "p1.png", "p2.png"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("view -o a.png", "no file"),
        ("view a.npy -o", "-o"),
        ("view a.npy -o a.jpg", ".png"),
        ("view a.npy b.npy -o a.png", "{}"),
        ("view nothing.npy -o a.png", "nothing.npy"),
        ("view nothing.img -o a.png", "nothing.img"),
        ("view a.npy -x", "-x"),
        ("view a.npy -shape 3", "-shape"),
        ("view a.npy", "display"),
    ],
)
def test_mistakes_are_one_sentence(
    words: str,
    said: str,
    image: Image,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    image.write("a.npy")
    image.write("b.npy")
    assert main(words.split()) == 9
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1


def test_view_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["view", "-h"]) == 0
    assert "usage: nanobragg view" in capsys.readouterr().out
    assert main(["view"]) == 9
