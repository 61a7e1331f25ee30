"""From what ``nanobragg noisify`` was told to an image of expected photons and its header (``specs/noisify.md``)."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nanobragg.errors import InputError
from nanobragg.io.images.companion_smv import CompanionHeader, image_lines, read_companion_header, short_header
from nanobragg.io.support.atomic import read_bytes
from nanobragg.maths.constants import THOMSON
from nanobragg.records.noisify import NoisifyRun

_MOST_PIXELS = 1 << 31
_CALIBRATION_STATE = 123456789
"""State of the calibration stream where no seed is said: positive, so that it does not begin anew."""


class ResolvedNoisify(NamedTuple):
    """A :class:`NoisifyRun` with its files read."""

    run: NoisifyRun
    image: NDArray[np.float32]
    """(slow, fast) as in the file."""
    expected: NDArray[np.float32]
    """Photons per pixel."""
    factor: float
    """Photons per unit of the image."""
    pixel_size: float
    """m"""
    header: bytes
    """The header of both SMV images."""
    psf_width: float
    """Full width at half maximum, pixels; 0: no point spread."""
    calibration_state: int
    geometry: dict[str, float]
    """m: detsize_x, detsize_y, distance, Xbeam, Ybeam."""
    warnings: tuple[str, ...]
    touched: frozenset[str]
    """Quirks that touch this run."""


def resolve_noisify(run: NoisifyRun) -> ResolvedNoisify:
    """The image of ``run``, scaled, and the header of what is made of it.

    Raises :class:`InputError` for files that cannot be read or do not fit.
    """
    known = _Known(run)
    data = read_bytes(run.image)
    pixel = known.or_header(run.pixel_size, "PIXEL_SIZE", 1000.0, 0.1e-3)
    if pixel == 0.0 or not math.isfinite(pixel):
        raise InputError(f"-pixel: found {pixel * 1000.0:g} mm, expected a size other than 0")
    shape = _shape(known, len(data), pixel)
    image = _image(known, data, shape)
    factor = (run.fluence * THOMSON) * run.scale
    with np.errstate(over="ignore", invalid="ignore"):
        expected = (factor * image.astype(np.float64)).astype(np.float32)
    lowest = float(np.fmin.reduce(image, axis=None, initial=0.0))
    if lowest < 0.0:
        known.warnings.append(f"{int((image < 0.0).sum())} pixels below 0 in {run.image}, the lowest {lowest:g}")
    geometry = _geometry(known, shape, pixel)
    state = _CALIBRATION_STATE if run.calib_seed is None else -run.calib_seed
    return ResolvedNoisify(
        run=run,
        image=image,
        expected=expected,
        factor=factor,
        pixel_size=pixel,
        header=_header(known, shape, pixel, geometry),
        psf_width=run.psf_width / pixel if run.psf is not None and run.psf_width > 0.0 and pixel > 0.0 else 0.0,
        calibration_state=state,
        geometry=geometry,
        warnings=tuple(known.warnings),
        touched=frozenset(known.touched),
    )


class _Known:
    """What was said, on the command line and in a header, and the quirks that touch the run."""

    def __init__(self, run: NoisifyRun) -> None:
        self.run = run
        self.warnings: list[str] = []
        self.touched = set(run.touched)
        self.header: CompanionHeader | None = None
        if run.header is not None:
            self.header = read_companion_header(run.header, substring="header_substring" in run.quirks)
            keys = ("SIZE1", "SIZE2", "PIXEL_SIZE", "DISTANCE", "WAVELENGTH", "BEAM_CENTER_X", "BEAM_CENTER_Y")
            self.touches("header_substring", any(self.header.ambiguous(key) for key in keys))

    def touches(self, name: str, condition: bool = True) -> bool:
        """Whether the quirk is on and ``condition`` holds: it touches this run."""
        if name not in self.run.quirks or not condition:
            return False
        self.touched.add(name)
        return True

    def or_header(self, said: float | None, key: str, divisor: float, default: float) -> float:
        """A number of the header, else of the command line; with header_verbatim off the other way round."""
        there = None if self.header is None else self.header.value(key)
        first, second = (there, said) if "header_verbatim" in self.run.quirks else (said, there)
        value = second if first is None else first
        return default if value is None else value / divisor


# ---- size -------------------------------------------------------------------------------------------------


def _shape(known: _Known, size: int, pixel: float) -> tuple[int, int]:
    """(slow, fast)."""
    run = known.run
    if known.header is not None:
        x, y, count = known.header.nfast, known.header.nslow, known.header.nfast * known.header.nslow
    else:
        (x, y), count = run.pixels, size // 4
    if x < 0 or y < 0:
        raise InputError(f"-detpixels: found {x} x {y} pixels, expected positive numbers")
    if not x and not y:
        x, y = _unsaid(known, count, pixel)
    elif not y:
        y = count // x
    elif not x:
        x = count // y
    x = x or _from_size(run.detsize[0], pixel)
    y = y or _from_size(run.detsize[1], pixel)
    if not 0 < x * y < _MOST_PIXELS:
        raise InputError(f"-detpixels: found {x} x {y} pixels, expected at least one, and fewer than 2^31")
    return y, x


def _from_size(size: float | None, pixel: float) -> int:
    ratio = (102.4e-3 if size is None else size / 1000.0) / pixel
    if not ratio < _MOST_PIXELS:
        raise InputError(f"-detsize: found {ratio:g} pixels, expected fewer than 2^31")
    return max(math.ceil(ratio - 0.5), 0)


def _unsaid(known: _Known, count: int, pixel: float) -> tuple[int, int]:
    """X and y where no number of pixels is said."""
    run = known.run
    if count == 0:
        raise InputError(f"{run.image}: found no pixel, expected a float image")
    said = any(edge is not None for edge in run.detsize)
    if said and not known.touches("detsize_ignored"):
        return _from_size(run.detsize[0], pixel), _from_size(run.detsize[1], pixel)
    x = math.isqrt(count)
    if x * x == count:
        return x, x
    if not known.touches("guessed_dimensions"):
        raise InputError(f"-detpixels: found {count} pixels in {run.image} and no size, expected -detpixels_x")
    x = next(divisor for divisor in range(x, 0, -1) if count % divisor == 0)
    known.warnings.append(f"guessing {x} x {count // x} pixels")
    return x, count // x


def _image(known: _Known, data: bytes, shape: tuple[int, int]) -> NDArray[np.float32]:
    name, count = known.run.image, shape[0] * shape[1]
    expected = f"{4 * count} (float32, {shape[1]} x {shape[0]})"
    if len(data) < 4 * count:
        if len(data) < count or not known.touches("short_file_padded"):
            raise InputError(f"{name}: found {len(data)} bytes, expected {expected}")
        known.warnings.append(f"{name} has {len(data)} bytes of {expected}: filled up with zeros")
    elif len(data) > 4 * count:
        if not known.touches("size_not_checked"):
            raise InputError(f"{name}: found {len(data)} bytes, expected {expected}")
        known.warnings.append(f"{name} has {len(data)} bytes, of which {expected} are used")
    return np.frombuffer(data[: 4 * count].ljust(4 * count, b"\0"), np.float32).reshape(shape)


# ---- header -----------------------------------------------------------------------------------------------


def _geometry(known: _Known, shape: tuple[int, int], pixel: float) -> dict[str, float]:
    run = known.run
    width, height = pixel * shape[1], pixel * shape[0]
    flipped = "beam_center_y_flipped" in run.quirks
    there = None if known.header is None else known.header.value("BEAM_CENTER_Y")
    said = None if run.Ybeam is None else run.Ybeam / 1000.0
    in_header = None if there is None else height - there / 1000.0 if flipped else there / 1000.0
    first, second = (in_header, said) if "header_verbatim" in run.quirks else (said, in_header)
    Ybeam = second if first is None else first
    return {
        "detsize_x": width,
        "detsize_y": height,
        "distance": known.or_header(run.distance, "DISTANCE", 1000.0, 0.1),
        "Xbeam": known.or_header(run.Xbeam, "BEAM_CENTER_X", 1000.0, width / 2.0),
        "Ybeam": height / 2.0 if Ybeam is None else Ybeam,
    }


def _header(known: _Known, shape: tuple[int, int], pixel: float, geometry: dict[str, float]) -> bytes:
    """The header of both images."""
    run = known.run
    if known.header is not None and known.touches("header_verbatim"):
        return known.header.raw
    wide = run.bits == 32
    lines = image_lines(shape, "long_integer" if wide else "unsigned_short")
    known.touches("beam_center_y_flipped", run.Ybeam is not None)
    flipped = "beam_center_y_flipped" in run.quirks
    beam_y = geometry["detsize_y"] - geometry["Ybeam"] if flipped else geometry["Ybeam"]
    numbers = {
        "PIXEL_SIZE": pixel * 1000.0,
        "DISTANCE": geometry["distance"] * 1000.0,
        "WAVELENGTH": known.or_header(run.wavelength, "WAVELENGTH", 1.0, 1.0),
        "BEAM_CENTER_X": geometry["Xbeam"] * 1000.0,
        "BEAM_CENTER_Y": beam_y * 1000,
        "PHI": run.phi,
        "OSC_START": run.phi,
        "OSC_RANGE": run.oscillation,
    }
    values = [(key, f"{number:g}") for key, number in numbers.items()]
    tail = [("DETECTOR_SN", "000"), ("BEAMLINE", "fake")]
    if run.bits in (16, 32):
        return short_header([*lines, *values, *tail])
    known.touches("odd_bits_no_pixels")
    return short_header([*lines[4:], *values, *tail])[2:] + b"  "
