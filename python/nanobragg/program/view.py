"""``nanobragg view``: diffraction images in a window or as a PNG file."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from nanobragg.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

USAGE = """usage: nanobragg view FILE... [-o PICTURE.png] [-img GEOMETRY] [-shape SLOW FAST]

Shows diffraction images of any format that nanobragg writes or fabio reads, dark spots on white, in a window (needs
matplotlib), or writes them as PNG with -o (needs pillow). Of several files -o takes a name with {} for their number.
Several panels are shown as seen along the beam: those of NXmx files, or of a .geom or .expt of the image's name beside
it, or as -img says (a CrystFEL .geom, DIALS .expt or NXmx file). -shape gives the pixels of bare float images (.bin),
which are taken for square without it.
"""


def view(words: Sequence[str]) -> int:
    """Carry out ``nanobragg view`` with the words after it, and give the exit status.

    Raises :class:`InputError` for wrong words, and files that cannot be read or written.
    """
    if not words or any(word in ("-h", "--help", "-help") for word in words):
        print(USAGE, end="")
        return 0 if words else 9
    from nanobragg.program.seen import seen_of_file

    said = _parsed(words)
    images = []
    for name in said.files:
        seen = seen_of_file(name, said.shape, said.geometry)
        for line in (seen.note, seen.doubt):
            if line is not None:
                print(line)
        images.append((name, seen.pixels))
    if said.output is None:
        _show(images)
        return 0
    from nanobragg.io.images import picture

    for number, (_, pixels) in enumerate(images, 1):
        name = said.output.replace("{}", str(number))
        picture.write(name, pixels)
        print(f"writing {name}")
    return 0


class _Said(NamedTuple):
    """What the words ask for."""

    files: list[str]
    output: str | None
    geometry: str | None
    shape: tuple[int, int] | None


def _parsed(words: Sequence[str]) -> _Said:
    files: list[str] = []
    output: str | None = None
    geometry: str | None = None
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
        elif word == "-img":
            if not rest:
                raise InputError("-img: found too few words after it, expected a geometry file")
            geometry = rest.pop(0)
        elif word == "-shape":
            numbers, rest = rest[:2], rest[2:]
            if len(numbers) < 2 or not all(n.isascii() and n.isdigit() and 0 < int(n) < 10**6 for n in numbers):
                raise InputError(f"-shape: found {' '.join(numbers)!r}, expected two whole numbers (slow fast)")
            shape = (int(numbers[0]), int(numbers[1]))
        elif word.startswith("-"):
            raise InputError(f"view: found the option {word!r}, expected files, -o, -img or -shape")
        else:
            files.append(word)
    if not files:
        raise InputError("view: found no file, expected one or more images")
    if output is not None and len(files) > 1 and "{}" not in output:
        raise InputError(f"-o: found {output!r} for {len(files)} images, expected a name with {{}} for their number")
    return _Said(files, output, geometry, shape)


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
