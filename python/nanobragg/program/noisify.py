"""``nanobragg noisify``: what noisify.c does, words in, files and text out (``specs/noisify.md``)."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from nanobragg.errors import InputError

if TYPE_CHECKING:
    from nanobragg.records.noisify import NoisifyRun
    from nanobragg.resolver.noisify import ResolvedNoisify
    from nanobragg.response.noisify import Detector
    from nanobragg.response.psf import Spread

_HELP = ("-h", "--help", "-help")


def noisify(words: Sequence[str]) -> int:
    """Carry out ``nanobragg noisify`` with the words after it, and give the exit status.

    Raises :class:`InputError` for wrong words, and files that cannot be read or written.
    """
    from nanobragg.inputs.noisify_words import USAGE, help_text, parse_noisify

    if any(word in _HELP for word in words):
        print(help_text(), end="")
        return 0
    run = parse_noisify(words)
    if run is None:
        print(USAGE, end="")
        raise InputError("noisify: found no float image, expected -floatfile FILE")
    from nanobragg.program.requests import check_files
    from nanobragg.program.summary import tell_quirks
    from nanobragg.records.noisify import NOISIFY_QUIRKS
    from nanobragg.resolver.noisify import resolve_noisify

    check_files({"-intfile": run.intfile, "-pgmfile": run.pgmfile, "-noisefile": run.noisefile})
    resolved = resolve_noisify(run)
    seed = _seed(run)
    for warning in (*run.warnings, *resolved.warnings):
        print(f"WARNING: {warning}")
    _print_summary(resolved, seed)
    tell_quirks(NOISIFY_QUIRKS, resolved.touched | _touched(resolved))
    sys.stdout.flush()
    _write_images(resolved, _detector(resolved, seed))
    return 0


def _seed(run: NoisifyRun) -> int:
    if run.seed is not None:
        return run.seed
    import time

    return int(time.time())


def _detector(r: ResolvedNoisify, seed: int) -> Detector:
    from nanobragg.response.noisify import Detector

    run = r.run
    return Detector(
        flicker=run.flicker,
        calibration=run.calibration or 0.0,
        psf=run.psf if r.psf_width > 0.0 else None,  # type: ignore[arg-type]
        psf_width=r.psf_width,
        psf_radius=run.psf_radius,
        gain=run.gain,
        offset=run.offset,
        readout=run.readout,
        bits=run.bits,
        seed=seed,
        calibration_state=r.calibration_state,
        quirks=run.quirks,
    )


def _touched(r: ResolvedNoisify) -> frozenset[str]:
    """Quirks that touch what is made of the photons."""
    run, noisy = r.run, r.run.noisefile is not None
    calibrated, largest = bool(run.calibration), float(r.expected.max(initial=0.0))
    fractions = any(number != int(number) for number in (run.gain, run.offset)) or run.readout > 0.0
    negative = bool((r.expected < 0.0).any())
    spread = r.psf_width > 0.0
    names = {
        "calibration_not_static": calibrated,
        "calibration_before_counting": calibrated,
        "flicker_per_pixel": run.flicker > 0.0,
        "negative_factor": max(run.flicker, run.calibration or 0.0) > 0.2,
        "poisson_float32": noisy and largest > 1e5,
        "large_means_not_whole": noisy and largest > 1e6,
        "minus_one_first": noisy and float(r.expected.flat[0]) == -1.0,
        "psf_missing_in_int_image": spread and noisy,
        "psf_wraps_column": spread,
        "psf_tail_spread": spread,
        "psf_radius_by_brightness": spread and run.psf_radius == 0,
        "psf_not_conserving": spread,
        "psf_drops_faint": spread and not noisy and run.psf == "gauss" and run.psf_radius == 0,
        "psf_drops_negative": spread and negative and not noisy,
        "psf_nan_spreads": spread and bool((r.expected != r.expected).any()),
        "psf_radius_negative": spread and run.psf_radius < 0,
        "truncation": fractions or not noisy,
        "negative_wraps": negative or run.offset < 0.0 or (run.readout > 0.0 and run.offset < 6.0 * run.readout),
        "int_clamped_at_65535": run.bits == 32 and largest * run.gain + run.offset > 65535.0,
    }
    return frozenset(name for name, touched in names.items() if touched and name in run.quirks)


def _print_summary(r: ResolvedNoisify, seed: int) -> None:
    import numpy as np

    from nanobragg import _core
    from nanobragg.maths.constants import THOMSON

    run, g = r.run, r.geometry
    slow, fast = r.image.shape
    print(f"nanobragg {_core.__version__}, noisify: from expected photons to counts")
    if run.header is not None:
        print(f"taking header from {run.header}")
    print(f"reading {run.image} as {r.image.size} 4-byte floats")
    print(
        f"  distance={g['distance']:g} detsize={g['detsize_x']:g}x{g['detsize_y']:g}  pixel={r.pixel_size:g} meters "
        f"({fast}x{slow} pixels)"
    )
    print(f"  Xbeam={g['Xbeam']:g} Ybeam={g['Ybeam']:g}")
    if r.psf_width > 0.0:
        radius = "an automatic radius" if run.psf_radius == 0 else f"a radius of {run.psf_radius} pixels"
        print(f"  {run.psf} point spread of {run.psf_width * 1e6:g} um with {radius}")
    print(f"  seed: {seed}, calibration seed: {'not said' if run.calib_seed is None else run.calib_seed}")
    print(f"  calibration_noise = {(run.calibration or 0.0) * 100:g} %  flicker_noise = {run.flicker * 100:g} %")
    print(f"  input file scale = {run.scale:g}  readout_noise = {run.readout:g} ADU")
    print(f"  quantum_gain = {run.gain:g} ADU/photon  adc_offset = {run.offset:g} ADU")
    largest = float(np.fmax.reduce(r.image, axis=None, initial=0.0))
    scaled = largest * run.scale * run.fluence * THOMSON
    print(f"maximum value in input file: {largest:g} ( {scaled:g} on photon scale)")


def _tell_spread(found: Spread) -> None:
    if found.largest is not None:
        print(f"  maximum input photon/pixel: {found.largest:g}")
    if found.empty:
        print("WARNING: no photons, nothing is spread")
        return
    if found.largest is not None and found.radius is not None:
        print(f"  auto-selected psf_radius = {found.radius} pixels")
    print(f"adding back {found.lost:g} lost photons")


def _write_images(r: ResolvedNoisify, detector: Detector) -> None:
    from nanobragg.io.images import pgm
    from nanobragg.io.images.companion_smv import write_with_header
    from nanobragg.response.noisify import blurred, with_noise, without_noise

    run, threads = r.run, r.run.threads
    shown = r.expected
    if run.noisefile is None or "psf_missing_in_int_image" not in run.quirks:
        spread = blurred(shown, detector, threads)
        if spread is not None:
            _tell_spread(spread)
            shown = spread.image
    numbers, grey = without_noise(shown, detector, threads)
    whole = run.bits in (16, 32)
    print(f"writing {run.intfile} as {numbers.size if whole else 0} {run.bits // 8}-byte integers")
    write_with_header(run.intfile, r.header, numbers if whole else None)
    if run.pgmfile is not None:
        print(f"writing {run.pgmfile} as 1-byte integers")
        pgm.write(run.pgmfile, grey, scale=1.0)
    if run.noisefile is None:
        return
    counted = with_noise(r.expected, detector, threads)
    if counted.spread is not None:
        print(f"{counted.photons_before_psf:.0f} photons on noise image before PSF")
        _tell_spread(counted.spread)
    print(f"{counted.photons:.0f} photons on noise image ({counted.overloads if whole else 0} overloads)")
    print(f"writing {run.noisefile} as {run.bits // 8}-byte integers")
    write_with_header(run.noisefile, r.header, counted.pixels if whole else None)
