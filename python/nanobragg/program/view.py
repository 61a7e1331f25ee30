"""``nanobragg view``: diffraction images in a window or as a PNG file."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from nanobragg.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

USAGE = """usage: nanobragg view FILE... [-o PICTURE.png] [-shape SLOW FAST]

Shows diffraction images of any format that nanobragg writes or fabio reads, dark spots on white, in a window (needs
matplotlib), or writes them as PNG with -o (needs pillow); NXmx files of several panels as seen along the beam. Of
several files -o takes a name with {} for their number. -shape gives the pixels of bare float images (.bin), which are
taken for square without it.
"""


def view(words: Sequence[str]) -> int:
    """Carry out ``nanobragg view`` with the words after it, and give the exit status.

    Raises :class:`InputError` for wrong words, and files that cannot be read or written.
    """
    if not words or any(word in ("-h", "--help", "-help") for word in words):
        print(USAGE, end="")
        return 0 if words else 9
    from nanobragg.io.any_image import read_pixels

    files, output, shape = _parsed(words)
    images = [(name, _seen(name, read_pixels(name, shape))) for name in files]
    if output is None:
        _show(images)
        return 0
    from nanobragg.io.images import picture

    for number, (_, pixels) in enumerate(images, 1):
        name = output.replace("{}", str(number))
        picture.write(name, pixels)
        print(f"writing {name}")
    return 0


def _seen(name: str, pixels: NDArray[Any]) -> NDArray[Any]:
    """The pixels of several panels as they are seen along the beam, if the file tells where those are."""
    from nanobragg.io.images.formats import format_of

    found = format_of(name)
    if found is None or not found.panels or found.picture:
        return pixels
    import numpy as np

    from nanobragg.io.images.assembled import assembled
    from nanobragg.records.experiment import Crystal, Detector, Experiment, Sampling
    from nanobragg.resolver.resolve import resolve

    crystal, one = Crystal(cell=(50, 50, 50, 90, 90, 90), default_F=1.0), Sampling(oversample=1)
    try:
        resolved = resolve(Experiment(crystal=crystal, detector=Detector(header=name), sampling=one, quirks="none"))
    except InputError:  # then the file is an image and no more
        return pixels
    panels = resolved.scene.panels
    if len(panels) == 1 or any(len(panel.place) != 2 for panel in panels):
        return pixels
    parts = []
    for panel in panels:
        (slow, fast), (nslow, nfast) = panel.place, panel.shape
        part = pixels[slow : slow + nslow, fast : fast + nfast]
        if part.shape != tuple(panel.shape):
            return pixels
        parts.append(part.ravel())
    return assembled(np.concatenate(parts), resolved)[0]


def _parsed(words: Sequence[str]) -> tuple[list[str], str | None, tuple[int, int] | None]:
    files: list[str] = []
    output: str | None = None
    shape: tuple[int, int] | None = None
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if word == "-o":
            if not rest:
                raise InputError("-o: found too few words after it, expected the name of a PNG file")
            output = rest.pop(0)
            if not output.lower().endswith(".png"):
                raise InputError(f"-o: found {output!r}, expected a name that ends in .png")
        elif word == "-shape":
            numbers, rest = rest[:2], rest[2:]
            if len(numbers) < 2 or not all(n.isascii() and n.isdigit() and 0 < int(n) < 10**6 for n in numbers):
                raise InputError(f"-shape: found {' '.join(numbers)!r}, expected two whole numbers (slow fast)")
            shape = (int(numbers[0]), int(numbers[1]))
        elif word.startswith("-"):
            raise InputError(f"view: found the option {word!r}, expected files, -o or -shape")
        else:
            files.append(word)
    if not files:
        raise InputError("view: found no file, expected one or more images")
    if output is not None and len(files) > 1 and "{}" not in output:
        raise InputError(f"-o: found {output!r} for {len(files)} images, expected a name with {{}} for their number")
    return files, output, shape


def _show(images: Sequence[tuple[str, NDArray[Any]]]) -> None:
    from nanobragg.io.support.extras import need
    from nanobragg.results.plot import plot

    matplotlib = need("matplotlib", "view", extra="plot")
    if sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        raise InputError("view: found no display for a window, expected one, or -o PICTURE.png")
    pyplot = need("matplotlib", "view", module="matplotlib.pyplot", extra="plot")
    if matplotlib.get_backend().lower() == "agg":
        raise InputError("view: found no window system that matplotlib can use, expected one, or -o PICTURE.png")
    for name, pixels in images:
        plot(pixels).set_title(os.path.basename(name))
    pyplot.show()
