"""From the words after ``nanobragg noisify`` to a :class:`~nanobragg.records.noisify.NoisifyRun`
(``specs/noisify.md``, "Words").
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from typing import Any

from nanobragg.errors import InputError
from nanobragg.inputs.companion_words import CompanionScan, Fields, check_seed, help_of, own_options
from nanobragg.inputs.option import Option, Said
from nanobragg.inputs.option_row import option
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


def _open(fields: Fields, name: str) -> None:
    """The last name counts, also one that cannot be opened."""
    readable = os.path.isfile(name)
    fields.set("image", name if readable else None)
    fields.set("missing", None if readable else name)


def _set_image(said: Said) -> int:
    _open(said.draft, said.words[said.at + 1])
    return 1


def _set_psf(said: Said) -> int:
    word = said.words[said.at + 1]
    psf = next((name for name in _PSF if name in word), None)
    said.draft.set("psf", psf)
    if psf is None:
        said.draft.warn(f"{said.word}: found {word!r}, no point spread; expected gauss or fiber")
    return 1


def _set_radius(said: Said) -> int:
    value = math.trunc(said.real())
    if abs(value) > _LARGEST_RADIUS:
        raise InputError(f"{said.word}: found {said.words[said.at + 1]!r}, expected a number of pixels below 2^31")
    said.draft.set("psf_radius", value)
    return 1


def _set_unused(said: Said) -> int:
    said.value()
    if not said.quirks.on("unused_options"):
        said.draft.warn(f"unknown option {said.word} is ignored")
    return 1


TABLE: tuple[Option, ...] = (
    option("-lambda", _HEADER, "wavelength (1)", values="r", sets="wavelength", arguments="Å"),
    option("-Xbeam", _HEADER, "beam along the fast axis (the middle)", values="r", sets="Xbeam", arguments="mm"),
    option("-Ybeam", _HEADER, "beam along the slow axis (the middle)", values="r", sets="Ybeam", arguments="mm"),
    option("-distance", _HEADER, "distance (100)", values="r", sets="distance", arguments="mm"),
    option("-detsize=", _IMAGE, "both edges (quirk detsize_ignored)", values="r", sets="size_x size_y", arguments="mm"),
    option("-detsize_x", _IMAGE, "edge along the fast axis", values="r", sets="size_x", arguments="mm"),
    option("-detsize_y", _IMAGE, "edge along the slow axis", values="r", sets="size_y", arguments="mm"),
    option("-detpixels=", _IMAGE, "pixels along both axes", values="i", sets="pixels_x pixels_y"),
    option("-detpixels_x", _IMAGE, "pixels along the fast axis", values="i", sets="pixels_x"),
    option("-detpixels_y", _IMAGE, "pixels along the slow axis", values="i", sets="pixels_y"),
    option("-pixel", _DETECTOR, "edge of a pixel (0.1)", values="r", sets="pixel_size", arguments="mm"),
    option("-psf=", _DETECTOR, "point spread function", values="t", action=_set_psf, arguments="gauss | fiber"),
    option("-psf_rad", _DETECTOR, "its radius (0: automatic)", values="r", action=_set_radius, arguments="pixels"),
    option("-psf_si -psf_fw -psf_wi", _DETECTOR, "its full width (46)", values="r", sets="psf_width", arguments="µm"),
    option("-fluence", _PHOTONS, "times r_e² a factor (1)", values="r", sets="fluence", arguments="photons/m²"),
    option("-header", _IMAGE, "SMV file: size, and header of the outputs", values="t", sets="header"),
    option("-floatfile -floatimage -bin", _IMAGE, "expected photons, float32", values="t", action=_set_image),
    option("-pgmfile -pgmimage", _OUTPUT, "grey levels (image.pgm)", values="t", sets="pgmfile"),
    option("-intfile -intimage", _OUTPUT, "counts without noise, SMV (intimage.img)", values="t", sets="intfile"),
    option("-bits", _OUTPUT, "16 or 32 (16)", values="i", sets="bits"),
    option("-noisefile -noiseimage", _OUTPUT, "counts, SMV (noiseimage.img)", values="t", sets="noisefile"),
    option("-nonoise", _OUTPUT, "no noise", sets="nonoise"),
    option("-nopgm", _OUTPUT, "no grey levels", sets="nopgm"),
    option("-readout -readnoi", _DETECTOR, "read-out noise, rms (0)", values="r", sets="readout", arguments="ADU"),
    option("-flicker", _PHOTONS, "of the source, relative rms (0)", values="r", sets="flicker"),
    option(
        "-calibration", _DETECTOR, "error, relative rms (0.03: quirk calibration_by_default)", values="r", sets="calib"
    ),
    option("-scale", _PHOTONS, "factor on the image (1)", values="r", sets="scale"),
    option("-seed", _PHOTONS, "of the noise (the clock)", values="i", sets="seed"),
    option("-calib_seed", _DETECTOR, "of the calibration error", values="i", sets="calib_seed"),
    option("-badpix_seed", _DETECTOR, "", values="i", action=_set_unused),
    option("-hotpix_seed", _DETECTOR, "", values="i", action=_set_unused),
    option("-adc", _DETECTOR, "offset (40)", values="r", sets="offset", arguments="ADU"),
    option("-gain", _DETECTOR, "gain (1)", values="r", sets="gain", arguments="ADU/photon"),
    option("-phi", _HEADER, "phi (0)", values="r", sets="phi", arguments="deg"),
    option("-osc", _HEADER, "oscillation range (1)", values="r", sets="oscillation", arguments="deg"),
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
    return help_of(USAGE, TABLE, GROUPS, NOISIFY_QUIRKS)


def parse_noisify(args: Sequence[str]) -> NoisifyRun | None:
    """The run that the words after ``nanobragg noisify`` describe; ``None`` where they name no image.

    Raises :class:`InputError` for a wrong value of ours, and for what no run can be made of.
    """
    own = own_options(args, NOISIFY_QUIRKS)
    scan = _Scan(own.words, TABLE, _DEFAULTS, own.quirks, "words_not_skipped")
    scan.scan(skip_values="words_not_skipped" not in own.quirks)
    f = scan.draft.values
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
            scan.quirks.on("calibration_by_default")
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
        touched=scan.touched,
        warnings=tuple(scan.draft.warnings),
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


class _Scan(CompanionScan):
    def takes_whole(self, at: int) -> bool:
        """A word that contains the usual name of the float image is its name."""
        word = self.words[at]
        if _BARE_NAME not in word:
            return False
        a_value = self.is_value(at)
        if a_value and self.words[at - 1] not in ("-floatfile", "-floatimage", "-bin"):
            self.quirks.on("floatimage_word")
        if "floatimage_word" not in self.quirks.kept and (a_value or word.startswith("-")):
            return a_value
        _open(self.draft, word)
        return True
