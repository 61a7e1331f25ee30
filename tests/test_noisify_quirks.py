"""Quirks of noisify.c switched off: what physics, or the help, would say (specs/noisify.md).

With a quirk on, test_noisify.py compares with the original's files. Here each is off, and the line that names it is
printed when it touches a run.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from companions import Companion, Ran
from nanobragg.records.noisify import NOISIFY_QUIRKS
from test_noisify import SHAPE, gamma, photons

SIZE = "-detpixels_x 40 -detpixels_y 30 -adc 0"
LARGE = (400, 250)
"""1e5 pixels, for means and variances."""


@pytest.fixture
def noisify(in_folder, capsys: pytest.CaptureFixture[str]) -> Companion:
    return Companion("noisify", in_folder(), capsys)


@pytest.fixture
def counts(noisify: Companion):
    """A function that gives the noise image of a float image."""

    def run(image: np.ndarray, words: str, quirks: str = "none", kind: str = "<u2") -> np.ndarray:
        photons(noisify, image)
        slow, fast = np.shape(image)
        ran = noisify(f"-quirks {quirks} -bin x.bin -detpixels_x {fast} -detpixels_y {slow} -adc 0 {words}")
        assert ran.status == 0, ran.err
        return ran.words((slow, fast), "noiseimage.img", kind).astype(float)

    return run


def tells(noisify: Companion, quirk: str, words: str) -> Ran:
    """Run with all quirks; the line about ``quirk`` must be there, and not without it."""
    on = noisify(f"-bin x.bin {words}")
    assert (on.status, f"quirk {quirk}:" in on.out) == (0, True), on.out + on.err
    off = noisify(f"-quirks all,-{quirk} -bin x.bin {words}")
    assert f"quirk {quirk}:" not in off.out
    return off


def test_every_quirk_has_a_test_here() -> None:
    """A switch that nobody tries may do nothing."""
    text = Path(__file__).read_text(encoding="utf-8")
    assert [name for name in NOISIFY_QUIRKS if name not in text] == []


# ---- noise ------------------------------------------------------------------------------------------------


def test_calibration_by_default(noisify: Companion, counts) -> None:
    """No calibration error without being asked: bright pixels vary by their root."""
    image = np.full(LARGE, 40000.0)
    drawn = counts(image, "-seed 2")
    assert drawn.var() == pytest.approx(40000.0, rel=4 * np.sqrt(2 / drawn.size))
    photons(noisify, gamma())
    tells(noisify, "calibration_by_default", SIZE)


def test_calibration_not_static(noisify: Companion, counts) -> None:
    """The same map for every seed, another one for another -calib_seed."""
    image = np.full(LARGE, 30000.0)
    kept = "all,-calibration_not_static"
    one, two, other = (
        counts(image, f"-calibration 0.1 -seed {seed} -calib_seed {map_seed}", kept)
        for seed, map_seed in ((1, 5), (2, 5), (3, 6))
    )
    assert np.corrcoef(one.ravel(), two.ravel())[0, 1] > 0.99
    assert abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < 4 / np.sqrt(image.size)
    shared = [counts(image, f"-calibration 0.1 -seed {seed} -calib_seed 5", "all") for seed in (1, 2)]
    assert abs(np.corrcoef(shared[0].ravel(), shared[1].ravel())[0, 1]) < 0.05
    photons(noisify, gamma())
    tells(noisify, "calibration_not_static", SIZE)


def test_calibration_before_counting(noisify: Companion, counts) -> None:
    """A wrong gain scales counts: those of a pixel are multiples of its factor, and none at all stay none."""
    image = np.full(LARGE, 3.0)
    drawn = counts(image, "-calibration 0.3 -gain 1000", "all,-calibration_before_counting,-truncation,-negative_wraps")
    plain = counts(image, "-calibration 0 -gain 1000", "all")
    assert (drawn == 0).mean() == pytest.approx(np.exp(-3.0), abs=4 * np.sqrt(np.exp(-3.0) / image.size))
    # Multiplied after counting the variance is mean + sigma² (mean + mean²); before, mean + sigma² mean².
    assert (drawn / 1000).var() == pytest.approx(3.0 + 0.09 * 12.0, rel=0.03)
    assert (plain / 1000).var() == pytest.approx(3.0, rel=0.03)
    photons(noisify, gamma())
    tells(noisify, "calibration_before_counting", SIZE)


def test_flicker_per_pixel(noisify: Companion, counts) -> None:
    """The source flickers: all pixels together."""
    image = np.full((100, 100), 1000.0)
    sums = [counts(image, f"-flicker 0.1 -seed {seed}", "none").sum() / 1e7 for seed in range(1, 61)]
    assert np.std(sums) == pytest.approx(0.1, rel=4 / np.sqrt(2 * len(sums)))
    assert np.mean(sums) == pytest.approx(1.0, abs=4 * 0.1 / np.sqrt(len(sums)))
    photons(noisify, gamma())
    tells(noisify, "flicker_per_pixel", f"{SIZE} -flicker 0.1")


def test_negative_factor(noisify: Companion, counts) -> None:
    """A gain is never below 0, and has the mean and rms that were asked for."""
    image = np.full(LARGE, 5000.0)
    words = "-calibration 0.8 -seed 4"
    drawn = counts(image, words, "all,-negative_factor,-calibration_not_static")
    assert drawn.min() > 0
    assert drawn.mean() / 5000 == pytest.approx(1.0, abs=4 * 0.8 / np.sqrt(image.size))
    assert drawn.std() / 5000 == pytest.approx(0.8, rel=0.05)
    assert counts(image, words, "all").min() == 0
    photons(noisify, gamma())
    tells(noisify, "negative_factor", f"{SIZE} -calibration 0.8")


def test_poisson_float32(noisify: Companion, counts) -> None:
    """The variance is the mean, where the original's is 1.28 times that."""
    image = np.full((200, 250), 800534.0)
    tolerance = 4 * np.sqrt(2 / image.size)
    drawn = counts(image, "-bits 32 -calibration 0", "all,-poisson_float32", "<u4")
    assert drawn.var() / 800534 == pytest.approx(1.0, abs=tolerance)
    assert counts(image, "-bits 32 -calibration 0", "all", "<u4").var() / 800534 > 1.2
    photons(noisify, np.full(SHAPE, 2e5))
    tells(noisify, "poisson_float32", SIZE)


def test_large_means_not_whole(noisify: Companion, counts) -> None:
    """Photons are whole."""
    image, words = np.full(SHAPE, 3e6), "-bits 32 -gain 100 -calibration 0"
    assert np.all(counts(image, words, "all,-large_means_not_whole", "<u4") % 100 == 0)
    assert not np.all(counts(image, words, "all", "<u4") % 100 == 0)
    photons(noisify, image)
    tells(noisify, "large_means_not_whole", f"{SIZE} -bits 32")


def test_minus_one_first(noisify: Companion, counts) -> None:
    """A mean below 0 gives no photon."""
    image = np.full(SHAPE, -1.0)
    assert counts(image, "-calibration 0", "all,-minus_one_first").max() == 0
    assert counts(image, "-calibration 0", "all")[0, 0] > 50
    photons(noisify, image)
    tells(noisify, "minus_one_first", f"{SIZE} -calibration 0")


# ---- point spread -----------------------------------------------------------------------------------------


def spread_photons(noisify: Companion, image: np.ndarray, words: str, quirks: str = "none") -> np.ndarray:
    """The int image of 32 bits without noise, whose numbers are photons times 1e4."""
    photons(noisify, image)
    slow, fast = np.shape(image)
    size = f"-detpixels_x {fast} -detpixels_y {slow}"
    ran = noisify(f"-quirks {quirks} -bin x.bin {size} -adc 0 -nonoise -bits 32 -gain 1e4 {words}")
    assert ran.status == 0, ran.err
    return ran.words((slow, fast), "intimage.img", "<u4").astype(float) / 1e4


def one_spot(value: float = 1000.0, at: tuple[int, int] = (15, 20), shape: tuple[int, int] = SHAPE) -> np.ndarray:
    image = np.zeros(shape)
    image[at] = value
    return image


PSF = [("gauss", ""), ("fiber", ""), ("gauss", "-psf_radius 6"), ("fiber", "-psf_radius 6")]


@pytest.mark.parametrize(("shape", "radius"), PSF)
def test_without_quirks_the_point_spread_is_linear_and_conserves(noisify: Companion, shape: str, radius: str) -> None:
    """The sum of two images is spread as the sum of what they become; where nothing leaves, all is left."""
    words = f"-psf {shape} -psf_fwhm 150 {radius}"
    one, two = one_spot(1000.0, (12, 18)), one_spot(70.0, (17, 25))
    both = spread_photons(noisify, one + two, words)
    apart = spread_photons(noisify, one, words) + spread_photons(noisify, two, words)
    np.testing.assert_allclose(both, apart, atol=2e-4)
    if shape == "gauss" or radius:
        assert both.sum() == pytest.approx(1070.0, abs=0.1)
    assert both[12, 18] == both.max()


def test_second_moments_of_a_gaussian(noisify: Companion) -> None:
    """The width is what was asked for, plus that of a pixel."""
    image = spread_photons(noisify, one_spot(1e4), "-psf gauss -psf_fwhm 300")
    y, x = np.indices(SHAPE)
    sigma = 3.0 / np.sqrt(8 * np.log(2))
    for axis, centre in ((y, 15), (x, 20)):
        moment = ((axis - centre) ** 2 * image).sum() / image.sum()
        assert moment == pytest.approx(sigma**2 + 1 / 12, rel=1e-3)


def test_psf_missing_in_int_image(noisify: Companion) -> None:
    """The image without noise is what the noise is about."""
    photons(noisify, one_spot())
    words = f"{SIZE} -detpixels_x 40 -psf gauss -psf_fwhm 300 -calibration 0"
    off = tells(noisify, "psf_missing_in_int_image", words)
    assert off.words(SHAPE, "intimage.img").max() < 500
    assert noisify(f"-bin x.bin {words}").words(SHAPE, "intimage.img").max() == 1000


def test_psf_wraps_column(noisify: Companion) -> None:
    """Light that leaves on the right is lost."""
    words = "-psf fiber -psf_fwhm 200 -psf_radius 5"
    image = one_spot(1000.0, (15, 38))
    on = spread_photons(noisify, image, words, "none,psf_wraps_column")
    off = spread_photons(noisify, image, words)
    assert on[:, 0].sum() > 1.0
    assert off[:, :30].sum() == 0.0
    tells(noisify, "psf_wraps_column", f"{SIZE} {words}")


def test_psf_tail_spread(noisify: Companion) -> None:
    """Beyond its radius a pixel spreads nothing."""
    words = "-psf gauss -psf_fwhm 300 -psf_radius 3"
    image = one_spot()
    assert spread_photons(noisify, image, words, "none,psf_tail_spread")[0, 0] > 0.01
    assert spread_photons(noisify, image, words)[0, 0] == 0.0
    tells(noisify, "psf_tail_spread", f"{SIZE} {words}")


def test_psf_radius_by_brightness(noisify: Companion) -> None:
    """One kernel for all: a faint pixel's tails reach as far as a bright one's."""
    words = "-psf fiber -psf_fwhm 30"
    faint, bright = one_spot(4.0), one_spot(40000.0)
    on = [spread_photons(noisify, image, words, "none,psf_radius_by_brightness") for image in (faint, bright)]
    assert on[0][15, 32] == 0.0
    assert on[1][15, 32] > 0.0
    off = spread_photons(noisify, faint * 1e3, words)
    np.testing.assert_allclose(spread_photons(noisify, bright / 10, words), off, rtol=1e-4, atol=2e-4)
    assert off[15, 32] > 0.0
    photons(noisify, faint)
    tells(noisify, "psf_radius_by_brightness", f"{SIZE} {words}")


def test_psf_not_conserving(noisify: Companion) -> None:
    """What a radius cuts off is made up for."""
    words = "-psf gauss -psf_fwhm 150 -psf_radius 1"
    image = one_spot()
    assert spread_photons(noisify, image, words).sum() == pytest.approx(1000.0, abs=0.01)
    assert spread_photons(noisify, image, words, "none,psf_not_conserving,psf_tail_spread").sum() > 1050
    tells(noisify, "psf_not_conserving", f"{SIZE} {words}")


def test_psf_drops_faint(noisify: Companion) -> None:
    """Light is light, however little."""
    words = "-psf gauss -psf_fwhm 100 -gain 1e6"
    image = one_spot(0.005)
    assert spread_photons(noisify, image, words, "all").sum() == 0.0
    assert spread_photons(noisify, image, words).sum() == pytest.approx(0.5, rel=0.02)
    assert spread_photons(noisify, image, words, "all,-psf_drops_faint").sum() > 0.3
    photons(noisify, image)
    tells(noisify, "psf_drops_faint", f"{SIZE} {words} -nonoise")


def test_psf_drops_negative(noisify: Companion) -> None:
    """A difference of images is spread like any other."""
    words = "-psf gauss -psf_fwhm 150 -adc 100"
    image = one_spot(1000.0, (12, 12)) - one_spot(20.0, (20, 30))
    assert spread_photons(noisify, image, words)[20, 30] < 0.01
    for quirks in ("none", "all,-psf_drops_negative"):
        photons(noisify, image)
        ran = noisify(f"-quirks {quirks} -bin x.bin {SIZE} -nonoise {words} -gain 10")
        assert ran.words(SHAPE, "intimage.img")[20, 30] < 60
    photons(noisify, image)
    tells(noisify, "psf_drops_negative", f"{SIZE} {words} -nonoise")


def test_psf_nan_spreads(noisify: Companion) -> None:
    """A pixel that is not known does not take the others with it."""
    words = "-psf gauss -psf_fwhm 150"
    image = one_spot()
    image[3, 3] = np.nan
    for quirks in ("none", "all,-psf_nan_spreads,-int_clamped_at_65535"):
        found = spread_photons(noisify, image, words, quirks)
        assert found[15, 20] > 100
        assert found[3, 3] == 0.0
    assert spread_photons(noisify, image, words, "all").max() == 0.0
    photons(noisify, image)
    tells(noisify, "psf_nan_spreads", f"{SIZE} {words} -nonoise")


def test_psf_radius_negative(noisify: Companion) -> None:
    """A radius is a positive number of pixels."""
    photons(noisify, one_spot())
    ran = noisify(f"-quirks none -bin x.bin {SIZE} -psf gauss -psf_radius -2")
    assert (ran.status, "-psf_radius: found -2, expected a positive number" in ran.err) == (9, True)
    on = noisify(f"-bin x.bin {SIZE} -psf gauss -psf_radius -2")
    assert "quirk psf_radius_negative:" in on.out


# ---- whole numbers ----------------------------------------------------------------------------------------


def test_truncation(noisify: Companion, counts) -> None:
    """To the nearest number: half an ADU is not lost on average."""
    image = np.full(LARGE, 100.0)
    words = "-gain 0.37 -calibration 0 -seed 8"
    nearest, truncated = (counts(image, words, f"all{less}").mean() for less in (",-truncation", ""))
    assert nearest == pytest.approx(37.0, abs=4 * 3.7 / np.sqrt(image.size))
    assert nearest - truncated == pytest.approx(0.5, abs=0.02)
    photons(noisify, gamma())
    tells(noisify, "truncation", f"{SIZE} -gain 0.37")


def test_negative_wraps(noisify: Companion, counts) -> None:
    """Below 0 there is 0."""
    image = np.full(SHAPE, 0.1)
    assert counts(image, "-readout 5 -calibration 0", "all,-negative_wraps").max() < 40
    assert counts(image, "-readout 5 -calibration 0", "all").max() > 65000
    photons(noisify, image)
    tells(noisify, "negative_wraps", f"{SIZE} -readout 5")


def test_int_clamped_at_65535(noisify: Companion) -> None:
    """32 bits hold more."""
    photons(noisify, np.full(SHAPE, 1e6))
    off = tells(noisify, "int_clamped_at_65535", f"{SIZE} -bits 32")
    assert off.words(SHAPE, "intimage.img", "<u4").max() == 10**6
    assert noisify(f"-bin x.bin {SIZE} -bits 32").words(SHAPE, "intimage.img", "<u4").max() == 65535


def test_odd_bits_no_pixels(noisify: Companion) -> None:
    """There are 16 bits, and 32."""
    photons(noisify, gamma())
    assert "quirk odd_bits_no_pixels:" in noisify(f"-bin x.bin {SIZE} -bits 8").out
    ran = noisify(f"-quirks none -bin x.bin {SIZE} -bits 8")
    assert (ran.status, "-bits: found 8, expected 16 or 32" in ran.err) == (9, True)


# ---- files ------------------------------------------------------------------------------------------------


def test_guessed_dimensions(noisify: Companion) -> None:
    """A size is said, or the image is square."""
    photons(noisify, gamma())
    assert "quirk guessed_dimensions:" in noisify("-bin x.bin").out
    ran = noisify("-quirks none -bin x.bin")
    assert (ran.status, "found 1200 pixels in x.bin and no size, expected -detpixels_x" in ran.err) == (9, True)
    photons(noisify, gamma(20.0, (32, 32)))
    assert "SIZE1=32;" in noisify("-quirks none -bin x.bin").header("intimage.img")


def test_detsize_ignored(noisify: Companion) -> None:
    """-detsize and -pixel are a size."""
    photons(noisify, gamma())
    off = tells(noisify, "detsize_ignored", "-detsize_x 4 -detsize_y 3 -pixel 0.1")
    assert "SIZE1=40;\nSIZE2=30;" in off.header("intimage.img")


def test_size_not_checked(noisify: Companion) -> None:
    """A file of another size is not this image."""
    photons(noisify, gamma())
    assert "quirk size_not_checked:" in noisify("-bin x.bin -detpixels_x 40 -detpixels_y 29").out
    ran = noisify("-quirks none -bin x.bin -detpixels_x 40 -detpixels_y 29")
    assert (ran.status, "found 4800 bytes, expected 4640" in ran.err) == (9, True)


def test_short_file_padded(noisify: Companion) -> None:
    """Missing pixels are not black."""
    photons(noisify, gamma())
    assert "quirk short_file_padded:" in noisify("-bin x.bin -detpixels_x 40 -detpixels_y 31").out
    ran = noisify("-quirks none -bin x.bin -detpixels_x 40 -detpixels_y 31")
    assert (ran.status, "found 4800 bytes, expected 4960" in ran.err) == (9, True)


def header_file(noisify: Companion, more: str) -> None:
    text = f"{{\nHEADER_BYTES=  512;\nBYTE_ORDER=big_endian;\nTYPE=real;\nSIZE1=40;\nSIZE2=30;\n{more}}}\f"
    (noisify.folder / "head.img").write_bytes(text.encode().ljust(512))


def test_header_substring(noisify: Companion) -> None:
    """SIZE1 is SIZE1."""
    photons(noisify, gamma())
    header_file(noisify, "RAW_SIZE1=20;\n")
    assert "quirk header_substring:" in noisify("-bin x.bin -header head.img").out
    off = noisify("-quirks none -bin x.bin -header head.img")
    assert "SIZE1=40;" in off.header("intimage.img")


def test_header_verbatim(noisify: Companion) -> None:
    """The header is true, and options are stronger than it."""
    photons(noisify, gamma())
    header_file(noisify, "DISTANCE=70;\nWAVELENGTH=0.9;\nPIXEL_SIZE=0.2;\n")
    words = "-header head.img -distance 55"
    assert "TYPE=real;" in noisify(f"-bin x.bin {words}").header("intimage.img")
    header = tells(noisify, "header_verbatim", words).header("intimage.img")
    for line in (
        "BYTE_ORDER=little_endian;",
        "TYPE=unsigned_short;",
        "DISTANCE=55;",
        "WAVELENGTH=0.9;",
        "PIXEL_SIZE=0.2;",
    ):
        assert line in header


def test_beam_center_y_flipped(noisify: Companion) -> None:
    """-Ybeam is BEAM_CENTER_Y."""
    photons(noisify, gamma())
    off = tells(noisify, "beam_center_y_flipped", f"{SIZE} -Ybeam 0.7")
    assert "BEAM_CENTER_Y=0.7;" in off.header("intimage.img")


# ---- words ------------------------------------------------------------------------------------------------


def test_floatimage_word(noisify: Companion) -> None:
    """An output's name is an output's name."""
    photons(noisify, gamma())
    photons(noisify, gamma(), "floatimage.bin")
    assert noisify(f"-bin x.bin {SIZE} -noisefile floatimage.bin.img").status == 9
    ran = noisify(f"-quirks all,-floatimage_word -bin x.bin {SIZE} -noisefile floatimage.bin.img")
    assert (ran.status, (ran.folder / "floatimage.bin.img").exists()) == (0, True)
    for words in ("floatimage.bin", "-bin floatimage.bin", f"{SIZE} floatimage.bin"):
        assert noisify(f"-quirks none {words} {SIZE}").status == 0


def test_words_not_skipped(noisify: Companion) -> None:
    """A value is a value, and must be one."""
    photons(noisify, gamma())
    assert not (noisify(f"-bin x.bin {SIZE} -intfile -nonoise").folder / "noiseimage.img").exists()
    ran = noisify(f"-quirks none -bin x.bin {SIZE} -intfile -nonoise")
    assert (ran.folder / "noiseimage.img").exists()
    ran = noisify(f"-quirks none -bin x.bin {SIZE} -gain word")
    assert (ran.status, "-gain: found 'word', expected a number" in ran.err) == (9, True)


def test_unused_options(noisify: Companion) -> None:
    """What does nothing is said to be unknown."""
    photons(noisify, gamma())
    off = tells(noisify, "unused_options", f"{SIZE} -badpix_seed 3")
    assert "WARNING: unknown option -badpix_seed is ignored" in off.out
