"""``nanobragg profile``: the way back, from a measured image to structure factors (``specs/around.md``)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from nanobragg.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from nanobragg.records.around import Material
    from nanobragg.records.resolved import Resolved
    from nanobragg.records.run import Run
    from nanobragg.records.scene import Scene
    from nanobragg.rendering.background import RingProfile


class Word(NamedTuple):
    """An option of the command's own."""

    help: str
    value: str
    default: int = 0


WORDS = {
    "-stolout": Word("the profile, a file that -around takes (output.stol)", "FILE"),
    "-rings": Word("rings of equal width in sin(theta)/lambda, up to the detector's corner (200)", "N", 200),
    "-fewest": Word("pixels that a ring must have (100)", "N", 100),
}
USAGE = (
    """usage: nanobragg profile IMAGE -around MATERIAL MM [options]

Gives the structure factors with which a material scatters as the background of a measured image: medians of resolution
rings, of which spots cover less than half. MATERIAL is a name, or a file with -around_density and -around_MW.

"""
    + "".join(f"  {name + ' ' + word.value:<20} {word.help}\n" for name, word in WORDS.items())
    + """
All else that is known of the image is said in nanobragg's own words (nanobragg -h), on the command line, in the file of
-config, or in a header (-img): beam and detector, mask and region, gain and offset (-response, -gain, ...), gas and
beamstop. Crystals and files to be written play no part.
"""
)


class _Request(NamedTuple):
    image: str
    numbers: dict[str, int]
    file: str
    words: list[str]


def profile(words: Sequence[str]) -> int:
    """Carry out ``nanobragg profile`` with the words after it, and give the exit status.

    Raises :class:`InputError` for wrong words, and files that cannot be read or written.
    """
    if not words or any(word in ("-h", "--help", "-help") for word in words):
        print(USAGE, end="")
        return 0 if words else 9
    from nanobragg.inputs.words import parse_words
    from nanobragg.program.requests import check_files
    from nanobragg.rendering.background import background_profile, without_crystal
    from nanobragg.resolver.resolve import resolve

    request = _parsed(words)
    check_files({"-stolout": request.file})
    run = parse_words(request.words)
    for warning in run.warnings:
        print(f"WARNING: {warning}")
    material = _material(run)
    experiment = without_crystal(run.experiment)
    resolved = resolve(experiment)
    pixels = _pixels(request.image, resolved.scene)
    offset, gain, good = _scales(resolved, pixels)
    found = background_profile(
        pixels,
        experiment,
        material,
        offset=offset,
        gain=gain,
        mask=good,
        rings=request.numbers["-rings"],
        fewest=request.numbers["-fewest"],
        threads=run.threads,
    )
    _write(request, material, found)
    return 0


def _parsed(words: Sequence[str]) -> _Request:
    """What is said in words of our own, and the words of nanobragg."""
    numbers = {name: word.default for name, word in WORDS.items() if word.default}
    file, others, rest = "output.stol", [], list(words)
    image = rest.pop(0)
    if image.startswith("-"):
        raise InputError(f"profile: found {image!r} as the first word, expected an image")
    if rest and not rest[0].startswith("-"):
        raise InputError(f"profile: found {rest[0]!r} after {image!r}, expected one image, and options")
    while rest:
        word = rest.pop(0)
        if word not in WORDS:
            others.append(word)
            continue
        if not rest:
            raise InputError(f"{word}: found too few words after it, expected {WORDS[word].value}")
        value = rest.pop(0)
        if word not in numbers:
            file = value
        elif not (value.isascii() and value.isdigit() and 0 < int(value) < 10**7):
            raise InputError(f"{word}: found {value!r}, expected a whole number above 0")
        else:
            numbers[word] = int(value)
    return _Request(image, numbers, file, others)


def _material(run: Run) -> Material:
    materials = run.experiment.around.materials or ()
    if len(materials) != 1:
        raise InputError(
            f"-around: found {len(materials) or 'no'} materials, expected the one that is to scatter as the background"
        )
    return materials[0]


def _pixels(name: str, scene: Scene) -> NDArray[Any]:
    """The pixels of a file in the order and shape that the detector's panels have."""
    from nanobragg.io.any_image import read_pixels
    from nanobragg.io.images import slab

    pixels = read_pixels(name, slab.array_shape(scene.panels))
    found = slab.as_rendered(pixels, scene)
    if found is None:
        raise InputError(
            f"{name}: found pixels of shape {pixels.shape}, expected the detector's {scene.image_shape}, "
            "which -config, -img, -detector or -detpixels say"
        )
    return found


def _scales(resolved: Resolved, pixels: NDArray[Any]) -> tuple[Any, Any, Any]:
    """The value of no photon and of a photon besides, and which pixels are good: numbers or images.

    Pixels that hold the detector's highest value are not: there were as many photons, or more.
    """
    import numpy as np

    from nanobragg.resolver.response import detector_model

    model, shape = detector_model(resolved), resolved.scene.image_shape

    def image(maps: Sequence[NDArray[Any]]) -> NDArray[Any]:
        return np.concatenate([each.ravel() for each in maps]).reshape(shape)

    offset = model.offset if model.dark_map is None else model.offset + image(model.dark_map).astype(np.float64)
    gain = model.gain * model.capture
    good = pixels != model.highest
    full = int(good.size - np.count_nonzero(good))
    if full:
        print(f"{full} pixels of the highest value ({model.highest:.0f}) do not count")
    if model.bad_pixels is not None:
        good &= image(model.bad_pixels) == 0
    return (
        offset,
        gain if model.gain_map is None else gain * image(model.gain_map).astype(np.float64),
        good,
    )


def _write(request: _Request, material: Material, found: RingProfile) -> None:
    from nanobragg.io.support.atomic import atomic_write

    label = material.name or (os.fspath(material.profile) if isinstance(material.profile, str) else "the material")
    low, high = found.stol[0], found.stol[-1]
    print(
        f"{request.image}: background as of {label}, {material.thickness:g} mm: {len(found.stol)} rings of "
        f"{request.numbers['-fewest']} or more pixels, sin(theta)/lambda {low:.4g} to {high:.4g} 1/A"
    )
    lines = ["# sin(theta)/lambda (1/A), F (electrons per molecule), median deviation of F^2 (electrons^2), pixels\n"]
    lines += ["{:.6g} {:.6g} {:.6g} {:d}\n".format(*row) for row in zip(*found, strict=True)]
    print(f"writing {request.file}")
    with atomic_write(request.file) as file:
        file.write("".join(lines).encode())
