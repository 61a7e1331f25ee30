"""``nanobragg add``: float images added up with factors, as float_add does."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from nanobragg.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

USAGE = """usage: nanobragg add FILE FILE... [OUTPUT] [-scale1 X] [-scale2 X]... [-outfile OUTPUT] [options]

Adds bare float32 images, out = outscale (scale1 (A - offset) + scale2 (B - offset) + ...) + outoffset, in
double precision, rounded once. The output is that of -outfile, else the last of three or more files, else output.bin.

  -scaleN x       factor of the Nth file (1)
  -offset x       taken from every file (0); also the default of -outoffset
  -outscale x     factor of the sum (1)
  -outoffset x    added to it (0)
  -header n       bytes at the beginning of every file that are no pixels; those of the first are copied (0)
  -outfile file   the sum; also -output
  -nostats        print no statistics
"""
NUMBERS = {
    "-offset": "taken from every file (0); also the default of -outoffset",
    "-outscale": "factor of the sum (1)",
    "-outoffset": "added to it (0)",
    "-header": "bytes at the beginning of every file that are no pixels (0)",
}
"""Options with a number."""
_BLOCK = 1 << 20
"""pixels"""


@dataclass
class _Request:
    files: list[str] = field(default_factory=list)
    scales: dict[int, float] = field(default_factory=dict)
    numbers: dict[str, float] = field(default_factory=dict)
    outfile: str | None = None
    statistics: bool = True


def add(words: Sequence[str]) -> int:
    """Carry out ``nanobragg add`` with the words after it, and give the exit status.

    Raises :class:`InputError` for wrong words, and files that cannot be read, written, or added.
    """
    if not words or any(word in ("-h", "--help", "-help") for word in words):
        print(USAGE, end="")
        return 0 if words else 9
    from nanobragg.io.support.atomic import atomic_write
    from nanobragg.program.requests import check_files

    request = _parsed(words)
    inputs, output = request.files, request.outfile
    if output is None:
        output = inputs.pop() if len(inputs) > 2 else "output.bin"
    extra = [number for number in request.scales if number > len(inputs)]
    if extra:
        raise InputError(f"-scale{extra[0]}: found {len(inputs)} files, expected one for every factor")
    check_files({"-outfile": output})
    header, images = _read(inputs, int(request.numbers.get("-header", 0.0)))
    total = _sum(images, request)
    for number, name in enumerate(inputs, 1):
        print(f"{request.scales.get(number, 1.0):g} x {name}")
    if request.statistics:
        _print_statistics(total)
    print(f"writing {output} as {total.size} 4-byte floats")
    with atomic_write(output) as file:
        file.write(header)
        file.write(total.data)
    return 0


def _parsed(words: Sequence[str]) -> _Request:
    request = _Request()
    rest = list(words)
    while rest:
        word = rest.pop(0)
        scale = re.fullmatch(r"-scale([1-9][0-9]{0,3})", word)
        if scale is not None:
            request.scales[int(scale[1])] = _number(word, rest)
        elif word in NUMBERS:
            request.numbers[word] = _number(word, rest)
        elif word in ("-outfile", "-output"):
            if not rest:
                raise InputError(f"{word}: found too few words after it, expected the name of a file")
            request.outfile = rest.pop(0)
        elif word == "-nostats":
            request.statistics = False
        elif word.startswith("-"):
            raise InputError(f"add: found the option {word!r}, expected files, -scale1, -scale2... or those of add -h")
        else:
            request.files.append(word)
    if not request.files:
        raise InputError("add: found no file, expected float images")
    bytes_in_front = request.numbers.get("-header", 0.0)
    if bytes_in_front < 0 or bytes_in_front != int(bytes_in_front):
        raise InputError(f"-header: found {bytes_in_front:g}, expected a number of bytes")
    return request


def _number(word: str, rest: list[str]) -> float:
    from nanobragg.maths.c_numbers import leading_real

    text = rest.pop(0) if rest else ""
    read = leading_real(text)
    if read is None or read[1].strip() or not math.isfinite(read[0]):
        raise InputError(f"{word}: found {text!r}, expected a number")
    return read[0]


def _read(names: Sequence[str], skipped: int) -> tuple[bytes, list[NDArray[np.float32]]]:
    """What precedes the first image's pixels, and the pixels of all."""
    import numpy as np

    from nanobragg.io.support.atomic import read_bytes

    header, images = b"", []
    for name in names:
        data = read_bytes(name)
        if len(data) < skipped or (len(data) - skipped) % 4:
            raise InputError(f"{name}: found {len(data)} bytes, expected whole float32 numbers behind {skipped} bytes")
        image = np.frombuffer(data, np.float32, offset=skipped)
        if images and image.size != images[0].size:
            raise InputError(f"{name}: found {image.size} pixels, expected {images[0].size} as in {names[0]}")
        header = header or data[:skipped]
        images.append(image)
    return header, images


def _sum(images: Sequence[NDArray[np.float32]], request: _Request) -> NDArray[np.float32]:
    import numpy as np

    offset = request.numbers.get("-offset", 0.0)
    scale = request.numbers.get("-outscale", 1.0)
    shift = request.numbers.get("-outoffset", offset)
    total = np.empty(images[0].size, np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        for begin in range(0, total.size, _BLOCK):
            part = slice(begin, begin + _BLOCK)
            block = np.zeros(total[part].size)
            for number, image in enumerate(images, 1):
                block += request.scales.get(number, 1.0) * (image[part].astype(np.float64) - offset)
            total[part] = scale * block + shift
    return total


def _print_statistics(total: NDArray[np.float32]) -> None:
    import numpy as np

    with np.errstate(all="ignore"):  # numbers that are not finite
        values = total.astype(np.float64)
        if not values.size:
            return
        print(f"max = {values.max():g} min = {values.min():g}")
        print(f"mean = {values.mean():g} rms = {np.sqrt(np.mean(values**2)):g} rmsd = {values.std():g}")
