"""From the words after ``nanobragg noisify`` to a :class:`~nanobragg.records.noisify.NoisifyRun`
(``specs/noisify.md``, "Words").
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from typing import Any

from nanobragg.errors import InputError
from nanobragg.inputs.companion_words import Key, Scanner, check_seed, help_of, key, own_help, own_options
from nanobragg.records.noisify import NOISIFY_QUIRKS, NoisifyRun

USAGE = """usage: nanobragg noisify -floatfile FILE [options]

From expected photons (a bare float32 image) to detector counts: flicker, calibration error, counting, point spread,
gain, offset, read-out noise; the words and files of noisify.c. -h lists all options; specs/noisify.md has the details.
"""
GROUPS = ("Image in", "Photons", "Detector", "For the header", "Output")
_IMAGE, _PHOTONS, _DETECTOR, _HEADER, _OUTPUT = GROUPS
_BARE_NAME = "floatimage.bin"
_PSF = ("fiber", "gauss")
_LARGEST_RADIUS = 2**31 - 1

TABLE: tuple[Key, ...] = (
    key("-lambda", _HEADER, "wavelength (1)", values="r", sets="wavelength", arguments="Å"),
    key("-Xbeam", _HEADER, "beam along the fast axis (the middle)", values="r", sets="Xbeam", arguments="mm"),
    key("-Ybeam", _HEADER, "beam along the slow axis (the middle)", values="r", sets="Ybeam", arguments="mm"),
    key("-distance", _HEADER, "distance (100)", values="r", sets="distance", arguments="mm"),
    key("-detsize=", _IMAGE, "both edges (quirk detsize_ignored)", values="r", sets="size_x size_y", arguments="mm"),
    key("-detsize_x", _IMAGE, "edge along the fast axis", values="r", sets="size_x", arguments="mm"),
    key("-detsize_y", _IMAGE, "edge along the slow axis", values="r", sets="size_y", arguments="mm"),
    key("-detpixels=", _IMAGE, "pixels along both axes", values="i", sets="pixels_x pixels_y"),
    key("-detpixels_x", _IMAGE, "pixels along the fast axis", values="i", sets="pixels_x"),
    key("-detpixels_y", _IMAGE, "pixels along the slow axis", values="i", sets="pixels_y"),
    key("-pixel", _DETECTOR, "edge of a pixel (0.1)", values="r", sets="pixel_size", arguments="mm"),
    key("-psf=", _DETECTOR, "point spread function", values="t", action="set_psf", arguments="gauss | fiber"),
    key("-psf_rad", _DETECTOR, "its radius (0: automatic)", values="r", action="set_radius", arguments="pixels"),
    key("-psf_si -psf_fw -psf_wi", _DETECTOR, "its full width (46)", values="r", sets="psf_width", arguments="µm"),
    key("-fluence", _PHOTONS, "times r_e² a factor (1)", values="r", sets="fluence", arguments="photons/m²"),
    key("-header", _IMAGE, "SMV file: size, and header of the outputs", values="t", sets="header"),
    key("-floatfile -floatimage -bin", _IMAGE, "expected photons, float32", values="t", action="set_image"),
    key("-pgmfile -pgmimage", _OUTPUT, "grey levels (image.pgm)", values="t", sets="pgmfile"),
    key("-intfile -intimage", _OUTPUT, "counts without noise, SMV (intimage.img)", values="t", sets="intfile"),
    key("-bits", _OUTPUT, "16 or 32 (16)", values="i", sets="bits"),
    key("-noisefile -noiseimage", _OUTPUT, "counts, SMV (noiseimage.img)", values="t", sets="noisefile"),
    key("-nonoise", _OUTPUT, "no noise", sets="nonoise"),
    key("-nopgm", _OUTPUT, "no grey levels", sets="nopgm"),
    key("-readout -readnoi", _DETECTOR, "read-out noise, rms (0)", values="r", sets="readout", arguments="ADU"),
    key("-flicker", _PHOTONS, "of the source, relative rms (0)", values="r", sets="flicker"),
    key(
        "-calibration", _DETECTOR, "error, relative rms (0.03: quirk calibration_by_default)", values="r", sets="calib"
    ),
    key("-scale", _PHOTONS, "factor on the image (1)", values="r", sets="scale"),
    key("-seed", _PHOTONS, "of the noise (the clock)", values="i", sets="seed"),
    key("-calib_seed", _DETECTOR, "of the calibration error", values="i", sets="calib_seed"),
    key("-badpix_seed", _DETECTOR, "", values="i", action="set_unused"),
    key("-hotpix_seed", _DETECTOR, "", values="i", action="set_unused"),
    key("-adc", _DETECTOR, "offset (40)", values="r", sets="offset", arguments="ADU"),
    key("-gain", _DETECTOR, "gain (1)", values="r", sets="gain", arguments="ADU/photon"),
    key("-phi", _HEADER, "phi (0)", values="r", sets="phi", arguments="deg"),
    key("-osc", _HEADER, "oscillation range (1)", values="r", sets="oscillation", arguments="deg"),
)

_UNSET = (
    "size_x",
    "size_y",
    "pixel_size",
    "distance",
    "wavelength",
    "Xbeam",
    "Ybeam",
    "header",
    "image",
    "psf",
    "missing",
)
_DEFAULTS: dict[str, Any] = {
    **dict.fromkeys((*_UNSET, "calib", "seed", "calib_seed")),
    **dict.fromkeys(("phi", "flicker", "readout"), 0.0),
    **dict.fromkeys(("oscillation", "scale", "gain"), 1.0),
    **dict.fromkeys(("pixels_x", "pixels_y", "psf_radius"), 0),
    **dict.fromkeys(("nonoise", "nopgm"), False),
    "fluence": 125932015286227086360700780544.0,
    "offset": 40.0,
    "psf_width": 46.0,
    "bits": 16,
    "intfile": "intimage.img",
    "pgmfile": "image.pgm",
    "noisefile": "noiseimage.img",
}


def help_text() -> str:
    """All options, and the quirks."""
    return "\n".join((USAGE, help_of(TABLE, GROUPS), own_help(NOISIFY_QUIRKS)))


def parse_noisify(args: Sequence[str]) -> NoisifyRun | None:
    """The run that the words after ``nanobragg noisify`` describe; ``None`` where they name no image.

    Raises :class:`InputError` for a wrong value of ours, and for what no run can be made of.
    """
    own = own_options(args, NOISIFY_QUIRKS)
    scan = _Scan(own.words, own.quirks)
    scan.run(skip_values="words_not_skipped" not in own.quirks)
    f = scan.fields
    if f["missing"] is not None:
        raise InputError(f"{f['missing']}: cannot be read (no such file or folder)")
    if f["image"] is None:
        return None
    for name in ("seed", "calib_seed"):
        check_seed(f"-{name}", f[name])
    if f["bits"] not in (16, 32) and "odd_bits_no_pixels" not in own.quirks:
        raise InputError(f"-bits: found {f['bits']}, expected 16 or 32")
    if f["psf_radius"] < 0 and "psf_radius_negative" not in own.quirks:
        raise InputError(f"-psf_radius: found {f['psf_radius']}, expected a positive number of pixels, or 0")
    calibration = f["calib"]
    if calibration is None:
        calibration = 0.03 if "calibration_by_default" in own.quirks else 0.0
        if calibration and not f["nonoise"]:
            scan.touched.add("calibration_by_default")
    return NoisifyRun(
        pixels=(f["pixels_x"], f["pixels_y"]),
        detsize=(f["size_x"], f["size_y"]),
        calibration=0.0 if f["nonoise"] else calibration,
        flicker=0.0 if f["nonoise"] else f["flicker"],
        readout=0.0 if f["nonoise"] else f["readout"],
        psf_width=_as_float(f["psf_width"] / 1e6),
        pgmfile=None if f["nopgm"] else f["pgmfile"],
        noisefile=None if f["nonoise"] else f["noisefile"],
        threads=own.threads,
        quirks=own.quirks,
        touched=frozenset(scan.touched & own.quirks),
        warnings=tuple(scan.warnings),
        **{name: f[name] for name in _SAME},
    )


_SAME = (
    *("image", "header", "pixel_size", "distance", "wavelength", "Xbeam", "Ybeam", "phi", "oscillation", "scale"),
    *("fluence", "psf", "psf_radius", "gain", "offset", "seed", "calib_seed", "bits", "intfile"),
)


def _as_float(value: float) -> float:
    """``value`` rounded to float32, without NumPy."""
    import struct

    try:
        return float(struct.unpack("f", struct.pack("f", value))[0])
    except OverflowError:
        return math.copysign(math.inf, value)


class _Scan(Scanner):
    def __init__(self, words: Sequence[str], quirks: frozenset[str]) -> None:
        super().__init__(words, TABLE, dict(_DEFAULTS), lenient="words_not_skipped" in quirks)
        self.quirks = quirks

    def takes_whole(self, at: int) -> bool:
        """A word that contains the usual name of the float image is its name."""
        word = self.words[at]
        if _BARE_NAME not in word:
            return False
        a_value = at <= self._covered
        if a_value and self.words[at - 1] not in ("-floatfile", "-floatimage", "-bin"):
            self.touched.add("floatimage_word")
        if "floatimage_word" not in self.quirks and (a_value or word.startswith("-")):
            return a_value
        self._open(word)
        return True

    def _open(self, name: str) -> None:
        """The last name counts, also one that cannot be opened."""
        readable = os.path.isfile(name)
        self.fields["image"], self.fields["missing"] = (name, None) if readable else (None, name)

    def set_image(self, option: Key, at: int) -> bool:
        self._open(self.value(option, at))
        return True

    def set_psf(self, option: Key, at: int) -> bool:
        word = self.words[at + 1]
        self.fields["psf"] = next((name for name in _PSF if name in word), None)
        if self.fields["psf"] is None:
            self.warnings.append(f"{self.words[at]}: found {word!r}, no point spread; expected gauss or fiber")
        return True

    def set_radius(self, option: Key, at: int) -> bool:
        value = math.trunc(self.value(option, at))
        if abs(value) > _LARGEST_RADIUS:
            raise InputError(f"{self.words[at]}: found {self.words[at + 1]!r}, expected a number of pixels below 2^31")
        self.fields["psf_radius"] = value
        return True

    def set_unused(self, option: Key, at: int) -> bool:
        self.touched.add("unused_options")
        self.value(option, at)
        if "unused_options" not in self.quirks:
            self.warnings.append(f"unknown option {self.words[at]} is ignored")
        return True

    def too_few(self, option: Key, at: int) -> None:
        if option.name == "-psf" or option.whole == ("-psf",):
            raise InputError(f"{self.words[at]}: found too few words after it, expected gauss or fiber")
        super().too_few(option, at)
