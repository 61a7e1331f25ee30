"""What a command line of ``nanobragg noisify`` says, what a detector makes of photons, and the quirks
(``specs/noisify.md``).
"""

from __future__ import annotations

from dataclasses import dataclass

from nanobragg.records.record import Record

NOISIFY_QUIRKS: dict[str, str] = {
    "calibration_by_default": "3 % calibration error without being asked",
    "calibration_not_static": "calibration errors follow -seed, not -calib_seed alone",
    "calibration_before_counting": "the calibration error multiplies the expected photons, not the counts",
    "flicker_per_pixel": "every pixel has a flicker of its own",
    "negative_factor": "factors of flicker and calibration may be negative",
    "poisson_float32": "counting statistics in float32, whose variance is too large above 3e5 photons",
    "large_means_not_whole": "above 1e6 photons a Gaussian deviate, not rounded",
    "minus_one_first": "a mean of -1 before all others gives about a hundred photons",
    "psf_missing_in_int_image": "int and PGM image have the point spread only with -nonoise",
    "psf_wraps_column": "light beyond the right edge by one pixel lands in column 0, one row down",
    "psf_tail_spread": "light beyond a pixel's radius is spread evenly over the image",
    "psf_radius_by_brightness": "an automatic radius follows each pixel's own photons",
    "psf_not_conserving": "point spread and lost light do not add up to 1",
    "psf_drops_faint": "a Gaussian of fewer than 0.01 photons vanishes",
    "psf_drops_negative": "pixels below 0 vanish in the point spread",
    "psf_nan_spreads": "one NaN makes the whole image NaN",
    "psf_radius_negative": "a negative radius spreads nothing but the tails",
    "truncation": "counts are truncated",
    "negative_wraps": "counts below 0 wrap around",
    "int_clamped_at_65535": "the image of 32 bits without noise stops at 65535",
    "odd_bits_no_pixels": "-bits other than 16 and 32 gives images without pixels",
    "guessed_dimensions": "without sizes the image is the most nearly square one, x <= y",
    "detsize_ignored": "-detsize does not decide about the size",
    "size_not_checked": "a file longer than the image is used in part",
    "short_file_padded": "a file down to a quarter of the image is filled up with zeros",
    "header_substring": "header keys match as the last substring in the header",
    "header_verbatim": "the header of -header is copied, whatever it says, and wins over options",
    "beam_center_y_flipped": "BEAM_CENTER_Y is detsize_y less -Ybeam",
    "floatimage_word": "a word that contains floatimage.bin is the input, wherever it stands",
    "words_not_skipped": "values that look like options are options, and words that are no numbers are 0",
    "unused_options": "-badpix_seed and -hotpix_seed are accepted, and have no effect",
}


class NoisifyRun(Record):
    """What the words say, in their units; ``None``: not said."""

    image: str
    """The float image."""
    header: str | None
    """SMV file that the outputs' header is taken from."""
    pixels: tuple[int, int]
    """x, y; 0: not said."""
    detsize: tuple[float | None, float | None]
    pixel_size: float | None
    distance: float | None
    wavelength: float | None
    Xbeam: float | None
    Ybeam: float | None
    phi: float
    oscillation: float
    scale: float
    fluence: float
    flicker: float
    calibration: float | None
    psf: str | None
    """``gauss`` or ``fiber``."""
    psf_width: float
    """Full width at half maximum, m, a float32 number."""
    psf_radius: int
    gain: float
    offset: float
    readout: float
    seed: int | None
    calib_seed: int | None
    bits: int
    intfile: str
    pgmfile: str | None
    noisefile: str | None
    threads: int
    quirks: frozenset[str]
    touched: frozenset[str]
    """Quirks that decided what the words mean."""
    warnings: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class CountingModel:
    """What happens before the point spread: flicker, calibration error, counting."""

    flicker: float
    calibration: float
    """Relative rms; off unless above 0."""
    flicker_per_pixel: bool = True
    """Else one factor for the image."""
    shared_calibration: bool = True
    """Deviates from the streams in their common order; else from a map."""
    calibration_first: bool = True
    """Before counting; else left to the caller."""
    may_be_negative: bool = True
    """Factors 1 + σ·deviate; else log-normal ones."""
    exact_counting: bool = False
    """Poisson deviates of the counter-based generator."""
    whole: bool = False
    """Gaussian deviates above 1e6 are rounded."""
    minus_one_first: bool = True


@dataclass(frozen=True, kw_only=True)
class ReadoutModel:
    """What happens after the point spread: gain, offset, read-out noise, whole numbers."""

    gain: float
    offset: float
    readout: float
    """rms, ADU; off unless above 0."""
    bits: int = 16
    """16, or 32 for up to 2³¹ - 1."""
    round: bool = False
    """To the nearest number; else towards 0."""
    clamp: bool = False
    """At 0; else modulo 2^bits."""
    most: float = 0.0
    """Largest value; 0: what the bits hold."""


@dataclass(frozen=True, kw_only=True)
class PsfRules:
    """What noisify.c does that another point spread would not."""

    wrap: bool = True
    """Light beyond the right edge by one pixel lands in column 0, one row down."""
    tail: bool = True
    """Light beyond the radius is spread evenly over the image."""
    drop_negative: bool = True
    drop_faint: bool = True
    """A Gaussian of fewer than 0.01 photons has no radius."""
    spread_nan: bool = True
    """One NaN makes the image NaN."""
    conserve: bool = False
    """Every pixel's kernel is normalised to 1."""
