"""The pictures of the gallery: each is nanobragg's image of one TOML file in ``gallery/``.

    python examples/gallery.py              all of them, into example_output/gallery/
    python examples/gallery.py powder       one
    python examples/gallery.py --small      quick ones: fewer pixels and mosaic domains

An entry is rendered by the command ``nanobragg -config examples/gallery/NAME.toml``, the rotation by
``gallery/rotation_series.py``; what comes after that here makes thumbnails. Needs nanobragg[files].
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
GALLERY = HERE / "gallery"
SERIES = GALLERY / "rotation_series.py"
OUTPUT = HERE.parent / "example_output" / "gallery"
NAMES = ("still", "rotation", "xfel", "saxs", "powder", "parallax", "jungfrau", "barrel")
WIDTH = 480  # pixels of a picture

SMALL: dict[str, list[str]] = {
    "still": ["-mosaic_dom", "6"],
    "rotation": ["-mosaic_dom", "20"],
    "xfel": ["-mosaic_dom", "50", "-oversample", "1"],
    "saxs": ["-mosaic_dom", "200", "-pixel", "0.344", "-detpixels", "240"],
    "powder": ["-mosaic_dom", "3000", "-pixel", "0.344", "-detpixels", "240"],
    "parallax": ["-mosaic_dom", "1", "-roi", "240", "479", "60", "419"],
    "jungfrau": ["-mosaic_dom", "4"],
    "barrel": ["-mosaic_dom", "3"],
}
"""Options of nanobragg that override the TOML file's values."""

IMAGES = 12  # in the rotation series
TILE = 77  # pixels: the part of an image of the series that is shown, and a frame around it
ZOOM = 2
FRAME = 3
TILE_AT = (60, 250)  # slow, fast
GAP = 205  # grey of what is no panel
GREY_LEVELS = 24  # few levels keep the files small


def command(name: str, small: bool = False) -> list[str]:
    """What renders an entry in the current folder."""
    toml = str(GALLERY / f"{name}.toml")
    words = [*(SMALL[name] if small else []), "-noprogress"]
    if name == "rotation":
        return [sys.executable, str(SERIES), toml, str(IMAGES), "rotation.h5", *words]
    return [sys.executable, "-m", "nanobragg", "-config", toml, *words]


def render(name: str, folder: Path, small: bool = False) -> Path:
    """Render an entry into ``folder`` and give its picture, a PNG file in there.

    Raises :class:`subprocess.CalledProcessError` when the command fails.
    """
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(command(name, small), cwd=folder, check=True, stdout=subprocess.DEVNULL)
    picture = folder / f"{name}.png"
    save(PICTURES.get(name, spots)(folder, name), picture)
    return picture


# ---- pictures ---------------------------------------------------------------------------------------------


def spots(folder: Path, name: str) -> np.ndarray:
    """Grey values (slow, fast) of the counts: blocks' maxima, square root between background and spots."""
    from nanobragg import read_pixels
    from nanobragg.io.images.picture import grey_levels, reduced

    extension = "cbf" if name == "xfel" else "img"
    return grey_levels(reduced(read_pixels(folder / f"{name}.{extension}"), WIDTH)[0])


def montage(folder: Path, name: str) -> np.ndarray:
    """The same part of nine images of the series, in reading order, in one contrast."""
    import h5py
    import hdf5plugin  # noqa: F401  (reads the compressed images)

    from nanobragg.io.images.picture import grey_levels

    with h5py.File(folder / f"{name}.h5") as file:
        data = file["/entry/data/data"]
        slow, fast = TILE_AT
        tiles = data[:9, slow : slow + TILE, fast : fast + TILE].astype(float)
    framed = [np.pad(np.kron(tile, np.ones((ZOOM, ZOOM))), FRAME, constant_values=np.nan) for tile in tiles]
    sheet = np.block([framed[0:3], framed[3:6], framed[6:9]])
    grey = grey_levels(sheet, (float(np.nanmedian(sheet)), 0.1 * float(np.nanmax(sheet))))
    grey[np.isnan(sheet)] = 160
    return grey


def decades(folder: Path, name: str) -> np.ndarray:
    """Grey values (slow, fast) of the noise image by the logarithm, from the faintest hundredth to the brightest."""
    from nanobragg import read_pixels

    counts = np.log(np.maximum(read_pixels(folder / f"{name}.img").astype(float), 1.0))
    low, high = np.percentile(counts, 1.0), counts.max()
    return (255 - np.rint(255 * np.clip((counts - low) / (high - low), 0.0, 1.0))).astype(np.uint8)


def panels(folder: Path, name: str) -> np.ndarray:
    """Grey values (down, right) of a detector of panels as it is seen along the beam."""
    from nanobragg.program.seen import seen_of_file

    return _side_by_side(seen_of_file(folder / f"{name}.h5").pixels)


def unrolled(folder: Path, name: str) -> np.ndarray:
    """The barrel as it is seen along the beam, and, to its right, its rows below each other, as its files have them."""
    from nanobragg import read_pixels
    from nanobragg.program.seen import seen_of_file

    file = folder / f"{name}.h5"
    slab = read_pixels(file).astype(float)
    slab[slab < 0] = np.nan
    return _side_by_side(seen_of_file(file).pixels, slab)


def _side_by_side(*images: np.ndarray) -> np.ndarray:
    """Grey values of images whose gaps are NaN, each in the middle of its share of the width."""
    from nanobragg.io.images.picture import grey_levels, reduced

    share = WIDTH // len(images) - (0 if len(images) == 1 else FRAME)
    small = []
    for image in images:
        block = -(-image.shape[1] // share)
        small.append(reduced(image, -(-max(image.shape) // block))[0])
    sheet = np.full((max(len(image) for image in small), WIDTH), GAP, np.uint8)
    for number, image in enumerate(small):
        grey = grey_levels(image)
        grey[np.isnan(image)] = GAP
        down = (len(sheet) - len(grey)) // 2
        right = number * (WIDTH - share) // max(len(images) - 1, 1) + (share - grey.shape[1]) // 2
        sheet[down : down + len(grey), right : right + grey.shape[1]] = grey
    return sheet


PICTURES = {"rotation": montage, "saxs": decades, "jungfrau": panels, "barrel": unrolled}
"""Pictures that are not :func:`spots`."""


def save(grey: np.ndarray, path: Path) -> None:
    """Write grey values as a PNG file of few levels."""
    from PIL import Image

    steps = np.rint(grey / 255.0 * (GREY_LEVELS - 1)).astype(np.uint8)
    picture = Image.fromarray(steps, mode="P")
    picture.putpalette([round(level * 255 / (GREY_LEVELS - 1)) for level in range(GREY_LEVELS) for _ in range(3)])
    temporary = path.with_name(path.name + ".part")
    picture.save(temporary, format="PNG", optimize=True)
    os.replace(temporary, path)


def main(arguments: Sequence[str] | None = None) -> None:
    """Render what the command line asks for."""
    parser = argparse.ArgumentParser(description="render the gallery")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)} (default: all)")
    parser.add_argument("--small", action="store_true", help="fewer pixels and mosaic domains")
    parser.add_argument("--outdir", type=Path, default=OUTPUT, help="folder to write to (default: %(default)s)")
    options = parser.parse_args(arguments)
    unknown = [name for name in options.names if name not in NAMES]
    if unknown:
        parser.error(f"found {unknown[0]!r}, expected names out of {', '.join(NAMES)}")
    for name in options.names or NAMES:
        print(f"wrote {render(name, options.outdir, options.small)}", flush=True)


if __name__ == "__main__":
    main()
