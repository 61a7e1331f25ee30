"""A picture of a diffraction image: dark spots on white, as ``python examples/preview.py IMAGE.img PICTURE.png``.

Blocks of pixels are reduced to their maximum, so that a spot of one pixel stays visible, and the grey scale follows
the square root of the counts, so that weak and strong spots show together. Needs nanobragg and pillow.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import numpy as np
from PIL import Image

from nanobragg.io.images.smv import read_smv

GREY_LEVELS = 16  # few levels keep the noisy background, and with it the file, small


def bin_by_maximum(image: np.ndarray, factor: int) -> np.ndarray:
    """The largest value of each block of ``factor`` × ``factor`` pixels; incomplete blocks are dropped."""
    slow, fast = (size // factor for size in image.shape)
    blocks = image[: slow * factor, : fast * factor].reshape(slow, factor, fast, factor)
    return blocks.max(axis=(1, 3))


def grey(counts: np.ndarray) -> np.ndarray:
    """Grey values, 255 for the background's median and below, 0 for strong spots; same shape, uint8."""
    background = float(np.median(counts))
    noise = max(1.0, float(np.sqrt(background)))
    darkest = background + 25 * noise
    above = np.clip((counts - background) / (darkest - background), 0, 1)
    levels = np.rint(np.sqrt(above) * (GREY_LEVELS - 1))
    return (255 - np.rint(levels * 255 / (GREY_LEVELS - 1))).astype(np.uint8)


def main() -> None:
    """Read the image, write the picture."""
    parser = argparse.ArgumentParser(description="picture of a diffraction image")
    parser.add_argument("image", type=Path, help="SMV image")
    parser.add_argument("picture", type=Path, help="PNG file to write")
    parser.add_argument("--bin", type=int, default=2, help="pixels along each edge of a block (default: %(default)s)")
    options = parser.parse_args()
    picture = Image.fromarray(grey(bin_by_maximum(read_smv(options.image).pixels, options.bin)))
    temporary = options.picture.with_name(options.picture.name + ".part")
    picture.save(temporary, format="PNG", optimize=True)
    os.replace(temporary, options.picture)
    print(f"wrote {options.picture}: {picture.width} x {picture.height} pixels")


if __name__ == "__main__":
    main()
