"""Quirks of nonBragg.c switched off: what physics, the option's name or the help would say (specs/nonbragg.md).

With a quirk on, test_nonbragg.py compares with the original's files. Here each is off, and the line that names it is
printed when it touches a run.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from companions import Companion, Ran, printed
from nanobragg.records.nonbragg import NONBRAGG_QUIRKS

SHAPE = (20, 24)
BASE = "-detpixels_x 24 -detpixels_y 20 -pixel 1.5 -distance 30 -fluence 1e16 -seed 1 -noprogress"
FLAT = "0 2\n1 2\n"
SLOPE = "0 1\n0.1 3\n0.2 4\n0.3 2\n0.4 5\n"


@pytest.fixture
def nonbragg(in_folder, capsys: pytest.CaptureFixture[str]) -> Companion:
    return Companion("nonbragg", in_folder(), capsys)


@pytest.fixture
def both(nonbragg: Companion):
    """A function that runs with a quirk on and off; images have SHAPE in both."""

    def run(quirk: str, words: str, *files: str, **texts: str) -> tuple[Ran, np.ndarray, np.ndarray]:
        kept = "all,-extra_pixel"
        on = nonbragg(f"-quirks {kept} {words}", *files, **texts)
        assert (on.status, f"quirk {quirk}:" in on.out) == (0, True), on.out + on.err
        with_quirk = on.floats(SHAPE)
        off = nonbragg(f"-quirks {kept},-{quirk} {words}")
        assert (off.status, f"quirk {quirk}:" in off.out) == (0, False), off.out + off.err
        return off, with_quirk, off.floats(SHAPE)

    return run


@pytest.fixture
def plain(nonbragg: Companion):
    """A function that gives the image of words without any quirk."""

    def run(words: str, *files: str, **texts: str) -> np.ndarray:
        ran = nonbragg(f"-quirks none {words}", *files, **texts)
        assert ran.status == 0, ran.err
        return ran.floats(SHAPE)

    return run


def near(a: np.ndarray, b: np.ndarray) -> None:
    np.testing.assert_allclose(a, b, rtol=2e-6, atol=1e-9 * float(np.abs(b).max()))


def test_every_quirk_has_a_test_here() -> None:
    """A switch that nobody tries may do nothing."""
    text = Path(__file__).read_text(encoding="utf-8")
    assert [name for name in NONBRAGG_QUIRKS if name not in text] == []


# ---- the table --------------------------------------------------------------------------------------------


def test_linear_extrapolation(both) -> None:
    """Outside the table the first or last F."""
    off, on, image = both("linear_extrapolation", f"-stol t.stol -Fmap {BASE}", t="0.15 3\n0.2 4\n0.25 3.5\n")
    assert on.min() < 3.0 - 0.1
    assert (image.min(), image[0, 0]) == (3.0, 3.5)
    count = int(printed(r"^(\d+) evaluations outside", off.out)[0])
    assert 0 < count < image.size


def test_text_lines_are_points(both, plain) -> None:
    """Titles and comments do not count."""
    _, _, image = both("text_lines_are_points", f"-stol t.stol {BASE}", t="# x F\n" + SLOPE)
    np.testing.assert_array_equal(image, both("text_lines_are_points", f"-stol t.stol {BASE}", t=SLOPE + "end\n")[2])


def test_unsorted_profile(both, nonbragg: Companion) -> None:
    """Sorted by x."""
    lines = SLOPE.splitlines(keepends=True)
    _, _, image = both("unsorted_profile", f"-stol t.stol {BASE}", t="".join(lines[::-1]))
    sorted_one = nonbragg(f"-quirks all,-extra_pixel -stol t.stol {BASE}", t=SLOPE).floats(SHAPE)
    np.testing.assert_array_equal(image, sorted_one)


def test_duplicate_points(both, nonbragg: Companion) -> None:
    """One point, their mean."""
    _, on, image = both("duplicate_points", f"-stol t.stol {BASE}", t=SLOPE + "0.4 7\n0.5 6\n")
    assert not np.isfinite(on).all()
    merged = SLOPE.replace("0.4 5", "0.4 6") + "0.5 6\n"
    np.testing.assert_array_equal(
        image, nonbragg(f"-quirks all,-extra_pixel -stol t.stol {BASE}", t=merged).floats(SHAPE)
    )


def test_negative_intensity(both, plain) -> None:
    """F², whatever the sign of F."""
    _, on, image = both("negative_intensity", f"-stol t.stol {BASE}", t=FLAT.replace("2\n", "-2\n"))
    np.testing.assert_array_equal(image, -on)
    assert image.min() > 0.0


# ---- sources and samples ----------------------------------------------------------------------------------


def test_fmap_last_subpixel(both) -> None:
    """The mean over subpixels: on a straight line about that of the pixel's centre, not of its corner."""
    words = f"-stol t.stol -Fmap {BASE}"
    _, on, image = both("fmap_last_subpixel", f"{words} -oversample 5", t="0 0\n1 10\n")
    centre = both("linear_extrapolation", words, t="0.001 0.01\n1 10\n")[2]
    assert np.abs(image - centre).mean() < 0.05 * np.abs(on - centre).mean()


def test_source_weights_unnormalised(both, nonbragg: Companion) -> None:
    """Weights are shares: twice as large ones change nothing."""
    sources = "-10 0 0 {} 1e-10\n-10 0.5 0 {} 1e-10\n"
    (nonbragg.folder / "s.txt").write_text(sources.format(6, 2))
    _, on, image = both("source_weights_unnormalised", f"-stol t.stol -sourcefile s.txt {BASE}", t=SLOPE)
    near(on, image * np.float32(4.0))
    (nonbragg.folder / "s.txt").write_text(sources.format(0.75, 0.25))
    near(nonbragg(f"-quirks none -stol t.stol -sourcefile s.txt {BASE} -Xbeam 17.25 -Ybeam 15.75").floats(SHAPE), image)


def test_text_lines_are_sources(both, nonbragg: Companion) -> None:
    """A title is no source."""
    (nonbragg.folder / "s.txt").write_text("X Y Z I lambda\n-10 0 0 1 1e-10\n")
    _, on, image = both("text_lines_are_sources", f"-stol t.stol -sourcefile s.txt {BASE}", t=SLOPE)
    assert np.isnan(on).all()
    np.testing.assert_array_equal(image, nonbragg(f"-quirks all,-extra_pixel -stol t.stol {BASE}").floats(SHAPE))


def test_divsteps_is_radians(both, nonbragg: Companion) -> None:
    """No range, no divergence."""
    _, on, image = both("divsteps_is_radians", f"-stol t.stol -hdivsteps 3 {BASE}", t=SLOPE)
    parallel = nonbragg(f"-quirks all,-extra_pixel -stol t.stol {BASE}").floats(SHAPE)
    assert np.abs(on - parallel).max() > 0.1 * parallel.max()
    np.testing.assert_array_equal(image, parallel)


def test_divsteps_one_is_none(both, nonbragg: Companion) -> None:
    """One step is one source on the axis."""
    _, on, image = both("divsteps_one_is_none", f"-stol t.stol -divsteps 1 {BASE}", t=SLOPE)
    assert np.isnan(on).all()
    np.testing.assert_array_equal(image, nonbragg(f"-quirks all,-extra_pixel -stol t.stol {BASE}").floats(SHAPE))


# ---- geometry ---------------------------------------------------------------------------------------------


def test_extra_pixel(nonbragg: Companion) -> None:
    """As many pixels as were asked for; a size that is no multiple of the pixel is rounded as nanoBragg.c rounds it."""
    words = "-stol t.stol -pixel 0.1 -detpixels 21 -seed 1"
    on = nonbragg(words, t=FLAT)
    assert "quirk extra_pixel:" in on.out
    assert "SIZE1=22;" in on.header("intimage.img")
    assert "SIZE1=21;" in nonbragg(f"-quirks none {words}").header("intimage.img")
    assert "SIZE1=21;" in nonbragg("-quirks none -stol t.stol -pixel 0.1 -detsize 2.14").header("intimage.img")


def test_default_centre(both) -> None:
    """The middle: the image of a flat profile is its own mirror image, both ways."""
    _, on, image = both("default_centre", f"-stol t.stol {BASE}", t=FLAT)
    near(image, image[::-1, :])
    near(image, image[:, ::-1])
    assert np.abs(on - on[:, ::-1]).max() > 1e-3 * on.max()


def test_beam_centre_lost(both, nonbragg: Companion) -> None:
    """With the pivot at the sample the near point is the beam centre."""
    words = f"-stol t.stol -Xbeam 5 -Ybeam 8 {BASE} -twotheta 10"
    _, on, image = both("beam_centre_lost", words, t=FLAT)
    near(
        image, nonbragg(f"-quirks all,-extra_pixel -stol t.stol -Xclose 5 -Yclose 8 {BASE} -twotheta 10").floats(SHAPE)
    )
    assert np.abs(on - image).max() > 0.05 * image.max()


def test_pivot_by_order(both, nonbragg: Companion) -> None:
    """-twotheta swings about the sample wherever it stands; an explicit -pivot wins."""
    _, on, image = both("pivot_by_order", f"-stol t.stol -twotheta 20 {BASE}", t=FLAT)
    last = f"-stol t.stol {BASE} -twotheta 20"
    np.testing.assert_array_equal(image, nonbragg(f"-quirks all,-extra_pixel {last}").floats(SHAPE))
    beam = nonbragg(f"-quirks all,-extra_pixel,-pivot_by_order -pivot beam {last}").floats(SHAPE)
    np.testing.assert_array_equal(beam, on)


def test_twotheta_axis_parse(both, nonbragg: Companion) -> None:
    """An axis is an axis."""
    words = f"-stol t.stol {BASE} -twotheta_axis 12 0.5 0.1"
    _, on, image = both("twotheta_axis_parse", words, t=FLAT)
    np.testing.assert_array_equal(image, nonbragg(f"-quirks all,-extra_pixel -stol t.stol {BASE}").floats(SHAPE))
    assert not np.array_equal(on, image)


def test_odet_ignored(both) -> None:
    """A given normal is the detector's: solid angles follow it."""
    _, on, image = both("odet_ignored", f"-stol t.stol -odet_vector 0.8 0 0.6 {BASE} -pivot sample", t=FLAT)
    assert np.abs(on - image).max() > 0.1 * on.max()


def test_pix0_ignored(both, nonbragg: Companion) -> None:
    """A given corner is where the first pixel is."""
    _, _, image = both("pix0_ignored", f"-stol t.stol -pix0_vector 0.03 0.012 -0.009 {BASE}", t=FLAT)
    words = f"-stol t.stol {BASE} -Xbeam 9 -Ybeam 12"
    near(image, nonbragg(f"-quirks all,-extra_pixel {words}").floats(SHAPE))


def test_negative_close_distance(both) -> None:
    """A detector seen from behind counts, too."""
    words = f"-stol t.stol -detector_roty 130 {BASE} -pivot beam"
    off, on, image = both("negative_close_distance", words, t=FLAT)
    np.testing.assert_array_equal(image, -on)
    assert "CLOSE_DISTANCE=-" not in off.header("intimage.img")


def test_spot_without_twotheta(both) -> None:
    """Header and curved detector have the spot where the beam meets the swung detector."""
    words = f"-stol t.stol -Xclose 18 -Yclose 15 {BASE} -detector_roty 0 -twotheta 20"
    off, on, image = both("spot_without_twotheta", words, t=FLAT)
    np.testing.assert_array_equal(image, on)  # a flat one's pixels are where they were
    header = dict(line.rstrip(";").split("=") for line in off.header("intimage.img").splitlines()[1:-1])
    assert float(header["DISTANCE"]) == pytest.approx(30 / np.cos(np.radians(20)), rel=1e-5)
    assert abs(float(header["BEAM_CENTER_X"]) - 18) == pytest.approx(30 * np.tan(np.radians(20)), rel=1e-4)


def test_curved_det_needs_word(both, nonbragg: Companion) -> None:
    """The last word counts."""
    _, _, image = both("curved_det_needs_word", f"-stol t.stol {BASE} -curved_det", t=SLOPE)
    np.testing.assert_array_equal(
        image, nonbragg(f"-quirks all,-extra_pixel -curved_det -stol t.stol {BASE}").floats(SHAPE)
    )


# ---- an image in ------------------------------------------------------------------------------------------


def image_file(nonbragg: Companion, header: str, pixels: np.ndarray, order: str = "little_endian") -> None:
    slow, fast = pixels.shape
    text = f"{{\nHEADER_BYTES=  512;\nBYTE_ORDER={order};\nSIZE1={fast};\nSIZE2={slow};\nPIXEL_SIZE=1.5;\n{header}}}\f"
    data = pixels.astype(">u2" if order == "big_endian" else "<u2").tobytes()
    (nonbragg.folder / "x.img").write_bytes(text.encode().ljust(512) + data)


def table(ran: Ran) -> np.ndarray:
    lines = (ran.folder / "output.stol").read_text().splitlines()
    return np.array([[float(word) for word in line.split()] for line in lines])


IMAGE = "-img x.img -stol t.stol -fluence 1e16 -seed 1 -noprogress"


def test_header_substring(both, nonbragg: Companion) -> None:
    """DISTANCE is DISTANCE."""
    image_file(nonbragg, "DISTANCE=30;\nOLD_DISTANCE=90;\n", np.zeros(SHAPE))
    _, on, image = both("header_substring", IMAGE, t=FLAT)
    np.testing.assert_array_equal(image, nonbragg(f"-quirks all,-extra_pixel -stol t.stol {BASE}").floats(SHAPE))
    assert image.max() > 5 * on.max()


def test_header_close_distance(both, nonbragg: Companion) -> None:
    """The command line wins."""
    image_file(nonbragg, "DISTANCE=90;\nCLOSE_DISTANCE=90;\n", np.zeros(SHAPE))
    _, on, image = both("header_close_distance", f"{IMAGE} -distance 30", t=FLAT)
    np.testing.assert_array_equal(image, nonbragg(f"-quirks all,-extra_pixel -stol t.stol {BASE}").floats(SHAPE))
    assert image.max() > 5 * on.max()


def test_header_twotheta_ignored(both, nonbragg: Companion) -> None:
    """The detector is swung as the header says."""
    image_file(nonbragg, "DISTANCE=30;\nTWOTHETA=20;\n", np.zeros(SHAPE))
    _, _, image = both("header_twotheta_ignored", IMAGE, t=FLAT)
    swung = nonbragg(f"-quirks all,-extra_pixel -stol t.stol {BASE} -twotheta 20 -pivot beam").floats(SHAPE)
    np.testing.assert_array_equal(image, swung)


def made_profile(
    nonbragg: Companion, words: str, quirks: str, pixels: np.ndarray | None = None, *files: str
) -> np.ndarray:
    """The profile back from an image of F = 2 at the place of BASE."""
    if pixels is None:
        flat = nonbragg(f"-quirks none -stol t.stol {BASE} -Xbeam 17.25 -Ybeam 15.75 -scale 1 {words}", t=FLAT)
        pixels = flat.words(SHAPE, "intimage.img")
    image_file(nonbragg, "DISTANCE=30;\n", pixels)
    ran = nonbragg(f"-quirks {quirks} {IMAGE} {words} -Xbeam 17.25 -Ybeam 15.75", t="0.1 1\n0.3 1\n")
    assert ran.status == 0, ran.err
    return table(ran)


@pytest.mark.parametrize("words", ["", "-oversample 3", "-hdivrange 10 -hdivsteps 3"])
def test_a_profile_comes_back(nonbragg: Companion, words: str) -> None:
    """Without quirks an image of constant F gives that F, with oversampling and several sources too."""
    found = made_profile(nonbragg, words, "none")
    np.testing.assert_allclose(found[:, 1], 2.0, rtol=0.02)
    np.testing.assert_allclose(found[:, 3], 2.0, rtol=0.02)


def test_stolout_times_steps(nonbragg: Companion) -> None:
    """The quirk's factor is the root of the number of steps."""
    kept = "none,stolout_times_steps"
    np.testing.assert_allclose(made_profile(nonbragg, "-oversample 3", kept)[:, 1], 6.0, rtol=0.02)


def test_stolout_mean_of_F(nonbragg: Companion) -> None:
    """In weak images the mean of photons is right, the mean of their roots low."""
    mean = nonbragg(f"-quirks none -stol t.stol {BASE} -Xbeam 17.25 -Ybeam 15.75", t=FLAT).floats(SHAPE)
    weak = np.random.default_rng(1).poisson(mean / mean.mean()) + 40  # about a photon a pixel
    scale = 2.0 / np.sqrt(mean.mean())
    right, low = (made_profile(nonbragg, "", quirks, weak)[:, 1] for quirks in ("none", "stolout_mean_of_F"))
    np.testing.assert_allclose(right, scale, rtol=0.1)
    assert (low < 0.85 * scale).all()


def test_stolout_columns(nonbragg: Companion) -> None:
    """Columns 4 and 5 are median and median deviation."""
    pixels = np.full(SHAPE, 140)
    pixels[:, ::5] = 65000
    found = made_profile(nonbragg, "", "none", pixels)
    assert (found[:, 3] < 0.5 * found[:, 1]).all()
    assert (found[:, 4] < 0.5 * found[:, 2]).all()
    np.testing.assert_array_equal(made_profile(nonbragg, "", "stolout_columns", pixels)[:, 3:5], 0.0)


def test_roi_spoils_stolout(nonbragg: Companion) -> None:
    """Pixels outside the region of interest are left out."""
    words = "-roi 0 23 0 15"
    np.testing.assert_allclose(made_profile(nonbragg, words, "none")[:, 1], 2.0, rtol=0.02)
    assert made_profile(nonbragg, words, "roi_spoils_stolout")[:, 1].min() < 1.8


def test_image_byte_order(nonbragg: Companion) -> None:
    """Bytes are swapped where the header says so."""
    pixels = np.random.default_rng(2).integers(50, 400, SHAPE)
    expected = made_profile(nonbragg, "", "none", pixels)
    image_file(nonbragg, "DISTANCE=30;\n", pixels, "big_endian")
    words = f"{IMAGE} -Xbeam 17.25 -Ybeam 15.75"
    np.testing.assert_array_equal(table(nonbragg(f"-quirks none {words}")), expected)
    assert not np.array_equal(table(nonbragg(f"-quirks image_byte_order {words}")), expected)


def test_stats_count(nonbragg: Companion) -> None:
    """The mean is the mean."""
    image_file(nonbragg, "DISTANCE=30;\n", np.full(SHAPE, 50))
    ran = nonbragg(f"-quirks all,-extra_pixel,-stats_count {IMAGE}", t=FLAT)
    mean = float(printed(r"mean= (\S+)", ran.out)[0])
    assert mean == pytest.approx(float(ran.floats(SHAPE).mean(dtype=float)), rel=1e-5)
    on = nonbragg(f"-quirks all,-extra_pixel {IMAGE}")
    assert "quirk stats_count:" in on.out
    assert float(printed(r"mean= (\S+)", on.out)[0]) != pytest.approx(mean, rel=0.1)


# ---- what is made of the image ----------------------------------------------------------------------------


def test_rmsd_shifted(nonbragg: Companion) -> None:
    """The root mean square deviation of the region's own pixels."""
    words = f"-stol t.stol {BASE} -roi 3 10 5 15"
    ran = nonbragg(f"-quirks all,-extra_pixel,-rmsd_shifted {words}", t=SLOPE)
    part = ran.floats(SHAPE)[5:16, 3:11].astype(float)
    rmsd = float(printed(r"rmsd= (\S+)", ran.out)[0])
    assert rmsd == pytest.approx(part.std(ddof=1), rel=1e-5)
    assert float(printed(r"rmsd= (\S+)", nonbragg(f"-quirks all,-extra_pixel {words}").out)[0]) != rmsd


def test_pgm_tail(nonbragg: Companion) -> None:
    """Memory of the process is never written, with the quirk or without."""
    for quirks in ("all", "all,-pgm_tail"):
        ran = nonbragg(f"-quirks {quirks},-extra_pixel -stol t.stol {BASE}", t=SLOPE)
        data = (ran.folder / "image.pgm").read_bytes()
        assert len(data.split(b"\n255\n", 1)[1]) == SHAPE[0] * SHAPE[1]


def test_nopgm_ignored(nonbragg: Companion) -> None:
    """-nopgm means no PGM."""
    assert not (
        nonbragg(f"-quirks all,-nopgm_ignored -nopgm -stol t.stol {BASE}", t=FLAT).folder / "image.pgm"
    ).exists()
    on = nonbragg(f"-nopgm -stol t.stol {BASE}", t=FLAT)
    assert "quirk nopgm_ignored:" in on.out
    assert (on.folder / "image.pgm").exists()


def test_gain_ignored(nonbragg: Companion) -> None:
    """Counts are photons times gain, plus offset."""
    words = f"-stol t.stol {BASE} -gain 2.5 -fluence 1e14"
    photons = nonbragg(f"-quirks all,-extra_pixel {words}", t=SLOPE)
    assert "quirk gain_ignored:" in photons.out
    counts = photons.words(SHAPE, "noiseimage.img").astype(float) - 40
    gained = nonbragg(f"-quirks all,-extra_pixel,-gain_ignored {words}").words(SHAPE, "noiseimage.img")
    np.testing.assert_array_equal(gained, np.trunc(2.5 * counts + 40))


def test_solid_angle_printed(nonbragg: Companion) -> None:
    """The detector's solid angle does not grow with oversampling."""
    words = f"-stol t.stol {BASE}"
    one = float(printed(r"detector = (\S+)", nonbragg(f"-quirks none {words}", t=FLAT).out)[0])
    four = float(printed(r"detector = (\S+)", nonbragg(f"-quirks none {words} -oversample 4").out)[0])
    on = nonbragg(f"-quirks none,solid_angle_printed {words} -oversample 4")
    assert "quirk solid_angle_printed:" in on.out
    assert four == pytest.approx(one, rel=1e-3)
    assert float(printed(r"detector = (\S+)", on.out)[0]) == pytest.approx(16 * four, rel=1e-5)


# ---- words ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("-adc", "-adc: found too few words after it, expected a number (ADU)"),
        ("-adc word", "-adc: found 'word', expected a number (ADU)"),
        ("-pivot neither", "-pivot: found 'neither', expected sample or beam"),
        ("-roi 1 2 3", "-roi: found too few words after it, expected four whole numbers (xmin xmax ymin ymax)"),
    ],
)
def test_unknown_ignored(nonbragg: Companion, words: str, sentence: str) -> None:
    """Mistakes are mistakes."""
    ran = nonbragg(f"-quirks none -stol t.stol {BASE} {words}", t=FLAT)
    assert (ran.status, ran.err) == (9, f"nanobragg: {sentence}\n")


def test_thicksteps_is_thickness(both, nonbragg: Companion) -> None:
    """A number of steps is no thickness."""
    _, on, image = both("thicksteps_is_thickness", f"-stol t.stol -thicksteps 2 {BASE}", t=FLAT)
    np.testing.assert_array_equal(image, nonbragg(f"-quirks all,-extra_pixel -stol t.stol {BASE}").floats(SHAPE))
    near(on, image * np.float32(20))


def test_oversample_any(both, nonbragg: Companion) -> None:
    """Only -oversample is the oversampling."""
    _, on, image = both("oversample_any", f"-stol t.stol -oversample_thick 3 {BASE}", t=SLOPE)
    np.testing.assert_array_equal(image, nonbragg(f"-quirks all,-extra_pixel -stol t.stol {BASE}").floats(SHAPE))
    np.testing.assert_array_equal(
        on, nonbragg(f"-quirks all,-extra_pixel -oversample 3 -stol t.stol {BASE}").floats(SHAPE)
    )
