"""``nanobragg nonbragg``: what nonBragg.c does, words in, files and text out (``specs/nonbragg.md``)."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from nanobragg.errors import InputError
from nanobragg.maths.c_numbers import general
from nanobragg.maths.constants import DEGREES

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from nanobragg.io.images.companion_smv import CompanionHeader
    from nanobragg.records.nonbragg import NonBraggRun, ResolvedNonBragg
    from nanobragg.response.amorphous import Scattered

_HELP = ("-h", "--help", "-help")


def nonbragg(words: Sequence[str]) -> int:
    """Carry out ``nanobragg nonbragg`` with the words after it, and give the exit status.

    Raises :class:`InputError` for wrong words, and files that cannot be read or written.
    """
    from nanobragg.inputs.nonbragg_words import USAGE, help_text, parse_nonbragg

    if any(word in _HELP for word in words):
        print(help_text(), end="")
        return 0
    run = parse_nonbragg(words)
    if run is None:
        print(USAGE, end="")
        raise InputError("nonbragg: found no table of structure factors, expected -stol, -4stol or -Q FILE")
    from nanobragg.program.requests import check_files
    from nanobragg.program.summary import tell_quirks

    files = {"-floatfile": run.floatfile, "-intfile": run.intfile, "-pgmfile": run.pgmfile}
    check_files({**files, "-noisefile": run.noisefile, "-stolout": run.stolout if run.image else None})
    from nanobragg.program.nonbragg_summary import print_summary
    from nanobragg.records.nonbragg import NONBRAGG_QUIRKS
    from nanobragg.resolver.nonbragg import resolve_nonbragg

    resolved = resolve_nonbragg(run)
    seed = _seed(run)
    for warning in (*run.warnings, *resolved.warnings):
        print(f"WARNING: {warning}")
    print_summary(resolved, seed)
    tell_quirks(NONBRAGG_QUIRKS, resolved.touched | _touched_by_output(resolved))
    sys.stdout.flush()
    _carry_out(resolved, seed)
    return 0


def _seed(run: NonBraggRun) -> int:
    if run.seed is not None:
        return run.seed
    import time

    return int(time.time())


def _touched_by_output(resolved: ResolvedNonBragg) -> frozenset[str]:
    """Quirks that touch what is made of the image."""
    run = resolved.run
    whole = (resolved.scene.roi[0], resolved.scene.roi[2]) == (0, 0)
    names = {"rmsd_shifted": True, "gain_ignored": run.gain != 1.0 and run.noisefile is not None}
    if run.image is not None:
        names["stats_count"] = names["stolout_columns"] = names["stolout_mean_of_F"] = True
        names["stolout_times_steps"] = resolved.scene.steps != 1.0
        names["roi_spoils_stolout"] = not whole or run.roi != (-1, -1, -1, -1)
    return frozenset(name for name, touched in names.items() if touched and name in run.quirks)


def _carry_out(resolved: ResolvedNonBragg, seed: int) -> None:
    from nanobragg.program.progress import Progress
    from nanobragg.response.amorphous import scatter

    run, scene = resolved.run, resolved.scene
    pixels = None if run.image is None else _pixels(run, run.image)
    with Progress() as progress:
        scattered = scatter(
            scene,
            threads=run.threads,
            facts=run.image is not None or run.printout,
            means=run.image is not None and "stolout_times_steps" not in run.quirks,
            progress=progress if run.progress and not run.printout else None,
        )
    _tell_of_image(resolved, scattered)
    if run.printout:
        _print_pixels(resolved, scattered)
    angle = scattered.solid_angle
    if "solid_angle_printed" not in run.quirks:
        angle /= scene.oversample**2
    print(
        f"\nsolid angle subtended by detector = {angle:g} steradian ( {100 * angle / 4 / 3.141592653589793:g}% sphere)"
    )
    count = -1
    if pixels is not None:
        last = _write_profile(resolved, scattered, pixels)
        count = last if "stats_count" in run.quirks else -1
    _write_images(resolved, scattered.image, count, seed)


def _tell_of_image(resolved: ResolvedNonBragg, scattered: Scattered) -> None:
    """Quirks that only the image shows."""
    from nanobragg.program.summary import tell_quirks
    from nanobragg.records.nonbragg import NONBRAGG_QUIRKS

    quirks, touched = resolved.run.quirks, set()
    if scattered.outside and "linear_extrapolation" in quirks:
        touched.add("linear_extrapolation")
    elif scattered.outside:
        print(f"{scattered.outside} evaluations outside {resolved.run.profile} have its first or last F")
    if "negative_intensity" in quirks and bool((scattered.image < 0.0).any()):
        touched.add("negative_intensity")
    tell_quirks(NONBRAGG_QUIRKS, touched)


def _pixels(run: NonBraggRun, name: str) -> NDArray[np.uint16]:
    from nanobragg.io.images.companion_smv import read_companion_header, read_companion_pixels

    header: CompanionHeader = read_companion_header(name, substring="header_substring" in run.quirks)
    print(f"reading {name}")
    return read_companion_pixels(header, as_said="image_byte_order" not in run.quirks)


def _write_profile(resolved: ResolvedNonBragg, scattered: Scattered, pixels: NDArray[np.uint16]) -> int:
    """Write the profile that the image gives; number of pixels of its last point."""
    from nanobragg.io.support.atomic import atomic_write
    from nanobragg.response.amorphous import profile_from_image

    run = resolved.run
    if scattered.facts is None:
        raise InputError("-img: found no facts of the pixels, expected them with an image")
    found = profile_from_image(
        resolved.scene,
        scattered.facts,
        pixels,
        unit=resolved.profile_factor,
        offset=run.adc_offset,
        gain=run.gain,
        ignore=run.ignore,
        quirks=run.quirks,
    )
    for point in found.sparse:
        print(f"WARNING: only {point.count} pixels at {point.x:g}, which is left out of {run.stolout}")
    lines = []
    for point in found.points:
        x, mean, deviation, median, spread = (general(number) for number in point[:5])
        lines.append(f"{x} {mean} {deviation}   {median} {spread}  {point.count}\n")
    with atomic_write(run.stolout) as file:
        file.write("".join(lines).encode("ascii"))
    print(f"writing {run.stolout} as {len(lines)} lines of text")
    return found.last_count


def _write_images(resolved: ResolvedNonBragg, image: NDArray[np.float32], count: int, seed: int) -> None:
    from nanobragg import _core
    from nanobragg.io.images import pgm, raw
    from nanobragg.io.images.companion_smv import write_with_header
    from nanobragg.io.support.in_background import Background
    from nanobragg.response.integers import integer_scale, pgm_scale, to_integers, to_pgm_bytes
    from nanobragg.response.photons import poisson_noise

    run, roi = resolved.run, resolved.scene.roi
    header = smv_header(resolved)
    shifted = "rmsd_shifted" in run.quirks
    with Background() as background:
        print(f"writing {run.floatfile} as {image.size} 4-byte floats")
        background.start(raw.write, run.floatfile, image)
        mean, rms, rmsd, maximum, at = _core.ordered_statistics(image, roi, count, shifted)
        x, y = _last_subpixel(resolved, at)
        print(f"max_I = {maximum:g}  at {x:g} {y:g}")
        print(f"mean= {mean:g} rms= {rms:g} rmsd= {rmsd:g}")
        scale = integer_scale(run.scale, maximum)
        print(f"intfile_scale = {scale:g}")
        whole = to_integers(image, scale, run.adc_offset, roi, threads=run.threads)
        print(f"writing {run.intfile} as 2-byte integers")
        write_with_header(run.intfile, header, whole)
        if run.pgmfile is not None:
            grey = pgm_scale(run.pgm_scale, rmsd, scale)
            print(f"pgm_scale = {grey:g}")
            print(f"writing {run.pgmfile} as 1-byte integers")
            pgm.write(run.pgmfile, to_pgm_bytes(image, grey, roi), scale=grey)
        if run.noisefile is None:
            return
        gain = 1.0 if "gain_ignored" in run.quirks else run.gain
        noise = poisson_noise(image, seed=seed, rng="exact", adc_offset=run.adc_offset, roi=roi, gain=gain)
        print(f"{noise.photons:.0f} photons on noise image ({noise.overloads} overloads)")
        print(f"writing {run.noisefile} as 2-byte integers")
        write_with_header(run.noisefile, header, noise.pixels)


def smv_header(resolved: ResolvedNonBragg) -> bytes:
    """The header of both SMV images."""
    from nanobragg.io.images.companion_smv import image_lines, short_header

    r, scene = resolved, resolved.scene
    numbers = {
        "PIXEL_SIZE": scene.pixel_size[0] * 1000.0,
        "DISTANCE": scene.distance * 1000.0,
        "WAVELENGTH": r.wavelength * 1e10,
        "BEAM_CENTER_X": r.Xbeam * 1000.0,
        "BEAM_CENTER_Y": (r.detsize[1] - r.Ybeam) * 1000,
        "ORGX": r.Xclose / scene.pixel_size[0],
        "ORGY": r.Yclose / scene.pixel_size[0],
        "CLOSE_DISTANCE": scene.close_distance * 1000.0,
        "PHI": r.phi * DEGREES,
        "OSC_START": r.phi * DEGREES,
        "OSC_RANGE": r.oscillation * DEGREES,
        "TWOTHETA": r.twotheta * DEGREES,
    }
    lines = [(key, f"{number:g}") for key, number in numbers.items()]
    last = [("DETECTOR_SN", "000"), ("BEAMLINE", "fake")]
    return short_header([*image_lines(scene.shape, "unsigned_short"), *lines, *last])


def _last_subpixel(resolved: ResolvedNonBragg, at: int) -> tuple[float, float]:
    """Where on the detector (fast, slow; m) a pixel's last subpixel is; 0, 0 for none."""
    if at < 0:
        return 0.0, 0.0
    slow, fast = divmod(at, resolved.scene.shape[1])
    oversample = resolved.scene.oversample
    subpixel = resolved.scene.pixel_size[0] / oversample
    return (
        subpixel * (fast * oversample + oversample - 1) + subpixel / 2.0,
        subpixel * (slow * oversample + oversample - 1) + subpixel / 2.0,
    )


def _print_pixels(resolved: ResolvedNonBragg, scattered: Scattered) -> None:
    """A paragraph for each pixel of ``-printout``."""
    run, scene, facts = resolved.run, resolved.scene, scattered.facts
    if facts is None:
        return
    x0, x1, y0, y1 = scene.roi
    one = run.printout_pixel if run.printout_pixel is not None and run.printout_pixel[0] >= 0 else None
    for slow in range(y0, min(y1 + 1, scene.shape[0])):
        for fast in range(x0, min(x1 + 1, scene.shape[1])):
            if one is not None and one != (fast, slow):
                continue
            print(f"{fast:4d} {slow:4d} : stol = {facts.stol[slow, fast]:g} 1/m")
            print(f"polar   {facts.polar[slow, fast]:15.10g}")
            print(f"omega   {facts.omega[slow, fast]:15.10g}")
            print(f"pixel   {scattered.image[slow, fast]:15.10g}")
