"""Integer, grey and noisy images: scripts compare these files byte for byte (specs/physics.md, specs/random.md)."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from nanobragg import _core
from nanobragg.errors import InputError
from nanobragg.response.integers import integer_scale, pgm_scale, to_integers, to_pgm_bytes
from nanobragg.response.photons import poisson_noise
from nanobragg.response.statistics import statistics

GOLDEN = Path(__file__).resolve().parent.parent / "golden_data"
FACTS = {fact["id"]: fact for fact in map(json.loads, (GOLDEN / "facts.jsonl").read_text().splitlines())}
CASES = [name for name, fact in FACTS.items() if "scene" in fact and "crop" not in fact and name != "real_crystal"]


@dataclass(frozen=True)
class Words:
    """What the command lines say about the files (-scale, -adc, -pgmscale, -roi, -mask, -seed)."""

    scale: float | None = None
    adc_offset: float = 40.0
    pgm_scale: float | None = None
    roi: tuple[int, int, int, int] | None = None
    masked: bool = False
    seed: int | None = None


WORDS = {
    "int_scale_pgm": Words(scale=0.02, adc_offset=10.0, pgm_scale=0.001),
    "roi": Words(roi=(10, 50, 5, 30)),
    "mask": Words(masked=True),
    "img_and_mask": Words(masked=True),
    "noise_low": Words(seed=7),
    "noise_mid": Words(seed=1, adc_offset=15.0),
    "noise_high": Words(seed=99),
    "noise_roi_mask": Words(seed=3, roi=(4, 60, 3, 50), masked=True),
}


def words_of(case: str) -> Words:
    return WORDS.get(case, Words())


def mask_of(case: str) -> np.ndarray | None:
    if not words_of(case).masked:
        return None
    data = (GOLDEN / "inputs" / "mask.img").read_bytes()
    return np.frombuffer(data, "<u2", offset=512).reshape(56, 72)


def image_of(case: str, array: str = "float") -> np.ndarray:
    with np.load(GOLDEN / f"{case}.npz") as arrays:
        return arrays[array]


def test_the_words_are_those_of_the_cases() -> None:
    """Guards the table above: a case with another option for the files would be compared with the wrong image."""
    options = {"-scale", "-adc", "-pgmscale", "-roi", "-mask", "-seed"}
    assert {name for name in CASES if options & set(FACTS[name]["args"].split())} == set(WORDS)


@pytest.mark.parametrize("case", CASES)
def test_integer_images_are_the_originals(case: str) -> None:
    words = words_of(case)
    pixels = to_integers(image_of(case), words.scale, words.adc_offset, words.roi)
    np.testing.assert_array_equal(pixels, image_of(case, "int"))


def test_part_of_a_large_integer_image_is_the_originals() -> None:
    pixels = to_integers(image_of("high_resolution_roi"))
    np.testing.assert_array_equal(pixels, image_of("high_resolution_roi", "int"))


@pytest.mark.parametrize("case", CASES)
def test_statistics_are_printed_as_the_originals(case: str) -> None:
    words, facts = words_of(case), FACTS[case]
    found = statistics(image_of(case), words.roi, mask_of(case))
    assert {
        "max_I": f"{found.maximum:g}",
        "mean": f"{found.mean:g}",
        "rms": f"{found.rms:g}",
        "rmsd": f"{found.rmsd:g}",
        "intfile_scale": f"{integer_scale(words.scale, found.maximum):g}",
    } == {key: facts[key].replace("-nan", "nan") for key in ("max_I", "mean", "rms", "rmsd", "intfile_scale")}


@pytest.mark.parametrize("case", [name for name, fact in FACTS.items() if "pgm_comment" in fact])
def test_grey_images_are_the_originals(case: str) -> None:
    words, image = words_of(case), image_of(case)
    found = statistics(image, words.roi, mask_of(case))
    scale = pgm_scale(words.pgm_scale, found.rmsd, integer_scale(words.scale, found.maximum))
    assert f"# pixels scaled by {scale:g}" == FACTS[case]["pgm_comment"]
    np.testing.assert_array_equal(to_pgm_bytes(image, scale, words.roi), image_of(case, "pgm"))


@pytest.mark.parametrize("case", [name for name, words in WORDS.items() if words.seed is not None])
def test_noise_images_are_the_originals(case: str) -> None:
    """Someone who repeats a published run with its seed expects its noise image, byte for byte."""
    words = words_of(case)
    noisy = poisson_noise(image_of(case), seed=words.seed, adc_offset=words.adc_offset, roi=words.roi)
    np.testing.assert_array_equal(noisy.pixels, image_of(case, "noise"))
    assert (f"{noisy.photons:.0f}", str(noisy.overloads)) == (FACTS[case]["photons"], FACTS[case]["overloads"])


# A run of the original with -mosaic_dom 5 and -seed -5: its noise goes on with the table that the domains left.
CONTINUED_MEANS = """
7.397393703460693 11.456676483154297 0.747479259967804 473.29119873046875 853.1510009765625 36.92231750488281
59.878108978271484 40.40243148803711 8.921632766723633 1166.414306640625 1292.488037109375 32.197021484375
125.12370300292969 770.7533569335938 2532.461181640625 16091.1630859375 6234.5693359375 64.29808807373047
16.558757781982422 14.269876480102539 64.16361236572266 6234.8671875 16101.2412109375 2546.590087890625"""
CONTINUED_NOISE = """
47 47 40 508 899 88 94 85 51 1257 1366 76 169 869 2635 16246 6154 120 53 52 109 6330 16175 2627"""


def test_a_negative_seed_goes_on_with_the_table_of_the_mosaic_domains() -> None:
    table = _core.RandomTable()
    _core.mosaic_rotations(0.017, 5, _core.Stream(12345678), table)
    means = np.array(CONTINUED_MEANS.split(), dtype=np.float32).reshape(4, 6)
    noisy = poisson_noise(means, seed=-5, random_state=table.state())
    assert noisy.pixels.ravel().tolist() == [int(word) for word in CONTINUED_NOISE.split()]


def test_negative_values_wrap_around_as_the_originals() -> None:
    """An offset below 0 is legal; scripts that undo it rely on 16-bit arithmetic."""
    image = np.zeros((1, 4), np.float32)
    assert poisson_noise(image, seed=1, adc_offset=-3.7).pixels.tolist() == [[65533] * 4]
    assert poisson_noise(image, seed=1, adc_offset=-3e9).pixels.tolist() == [[0] * 4]
    assert poisson_noise(image, seed=1, adc_offset=-3.7, rng="fast").pixels.tolist() == [[65533] * 4]


@pytest.mark.parametrize("rng", ["exact", "fast"])
def test_not_a_number_does_not_spread(rng: str) -> None:
    """One bad pixel must not cost the others."""
    image = np.full((8, 8), 3.0, np.float32)
    image[2, 5] = np.nan
    image[3, 3] = np.inf
    noisy = poisson_noise(image, seed=1, rng=rng)
    assert noisy.pixels[2, 5] == 0
    assert (np.delete(noisy.pixels.ravel(), [21, 27]) >= 40).all()
    assert to_integers(image, 1.0)[2, 5] == 0
    assert to_pgm_bytes(image, 1.0)[2, 5] == 0
    found = statistics(image)
    assert math.isnan(found.mean)
    assert (found.maximum, found.maximum_at) == (math.inf, (3, 3))


# A mean in every branch: none, inversion, the limit between inversion and rejection, rejection, Gaussian.
MEANS = [0.0, 0.003, 0.4, 3.0, 9.99, 10.0, 11.99, 12.0, 25.0, 300.0, 2e4]


@pytest.mark.parametrize("rng", ["exact", "fast"])
@pytest.mark.parametrize("mean", MEANS)
def test_deviates_have_mean_and_variance_of_a_poisson_distribution(rng: str, mean: float) -> None:
    """Else counting statistics, and every error estimate from them, would be wrong."""
    image = np.full((400, 500), mean, np.float32)
    noisy = poisson_noise(image, seed=11, rng=rng, adc_offset=0.0)
    counts = noisy.pixels.astype(float)
    number, mean = counts.size, float(np.float32(mean))
    assert noisy.photons == counts.sum()
    # The exact generator's float32 uniforms bias it by up to a few 1e-4 of a standard deviation.
    bias = 1e-3 if rng == "exact" else 0.0
    assert abs(counts.mean() - mean) <= math.sqrt(mean) * (5 / math.sqrt(number) + bias)
    variance_error = math.sqrt((mean + 2 * mean**2) / number)  # for the sample variance of a Poisson distribution
    assert abs(((counts - mean) ** 2).mean() - mean) <= 5 * variance_error + 3 * bias * mean


@pytest.mark.parametrize("mean", [0.01, 0.7, 4.0, 9.5, 10.5, 18.0, 60.0, 400.0, 1e4, 1e5])
def test_fast_deviates_follow_the_distribution(mean: float) -> None:
    """Beyond the moments: the chi-squared of the histogram, whose tails decide what looks like a weak spot."""
    counts = np.array(_core.pixel_poisson(mean, 5, 0, 400_000))
    assert (counts == np.floor(counts)).all()
    largest = int(mean + 6 * math.sqrt(mean) + 6)
    expected = np.array([math.exp(k * math.log(mean) - mean - math.lgamma(k + 1)) for k in range(largest + 1)])
    expected = np.append(expected, 1 - expected.sum()) * len(counts)
    found = np.append(np.bincount(counts.astype(int), minlength=largest + 1)[: largest + 1], (counts > largest).sum())
    common = expected > 10
    chi_squared = ((found - expected)[common] ** 2 / expected[common]).sum()
    freedom = common.sum() - 1
    assert chi_squared < freedom + 5 * math.sqrt(2 * freedom)


@pytest.mark.parametrize("mean", [1e6, 1e9, 3e12])
def test_fast_deviates_of_huge_means_are_whole_and_unbiased(mean: float) -> None:
    counts = np.array(_core.pixel_poisson(mean, 8, 0, 100_000))
    assert (counts == np.floor(counts)).all()
    z = (counts - mean) / math.sqrt(mean)
    assert abs(z.mean()) < 5 / math.sqrt(len(z))
    assert abs((z**2).mean() - 1) < 5 * math.sqrt(2 / len(z))


def test_pixels_of_the_fast_generator_are_independent() -> None:
    counts = np.array(_core.pixel_poisson(4.0, 21, 0, 400_001)) - 4.0
    for lag in (1, 2, 64):
        correlation = (counts[lag:] * counts[:-lag]).mean() / 4.0
        assert abs(correlation) < 5 / math.sqrt(len(counts))


def test_fast_noise_does_not_depend_on_threads() -> None:
    """The same seed is the same image on a laptop and on a cluster."""
    image = np.random.default_rng(3).gamma(0.5, 40.0, (301, 233)).astype(np.float32)
    images = [poisson_noise(image, seed=9, rng="fast", threads=threads) for threads in (1, 2, 3, 4, 0)]
    for other in images[1:]:
        np.testing.assert_array_equal(other.pixels, images[0].pixels)
        assert (other.photons, other.overloads) == (images[0].photons, images[0].overloads)


def test_fast_noise_of_a_pixel_does_not_depend_on_the_others() -> None:
    """A region of interest, and another width of the vector unit, show the same photons in the same pixels."""
    image = np.random.default_rng(4).gamma(0.5, 40.0, (40, 151)).astype(np.float32)
    whole = poisson_noise(image, seed=-2, rng="fast").pixels
    part = poisson_noise(image, seed=-2, rng="fast", roi=(17, 131, 5, 500)).pixels
    np.testing.assert_array_equal(part[5:, 17:132], whole[5:, 17:132])
    assert not part[:5].any()
    assert not part[:, :17].any()
    assert not part[:, 132:].any()
    one = [_core.pixel_poisson(float(mean), 2**64 - 2, i, 1)[0] + 40 for i, mean in enumerate(image.ravel())]
    np.testing.assert_array_equal(np.minimum(one, 65535), whole.ravel())


@pytest.mark.parametrize("isa", _core.instruction_sets())
def test_fast_noise_is_the_same_on_every_processor(isa: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A seed that a colleague sends gives the colleague's image, on a newer or older processor too."""
    monkeypatch.setenv("NANOBRAGG_ISA", isa)
    image = np.exp(np.random.default_rng(6).uniform(np.log(0.01), np.log(1e5), (60, 151))).astype(np.float32)
    noisy = poisson_noise(image, seed=12, rng="fast", wide=True).pixels
    one = [_core.pixel_poisson(float(mean), 12, i, 1)[0] + 40 for i, mean in enumerate(image.ravel())]
    np.testing.assert_array_equal(noisy.ravel(), one)


@pytest.mark.parametrize("rng", ["exact", "fast"])
def test_images_of_32_bits_hold_the_same_photons(rng: str) -> None:
    """A file that can hold a strong reflection shows all of it, and the same noise everywhere else."""
    image = np.array([[3.0, 7e4, 2e6, 65500.0, np.nan, 1e12]], np.float32)
    narrow, wide = (poisson_noise(image, seed=4, rng=rng, wide=wide) for wide in (False, True))
    assert (narrow.pixels.dtype, wide.pixels.dtype) == (np.uint16, np.int32)
    np.testing.assert_array_equal(np.minimum(wide.pixels, 65535), narrow.pixels)
    assert abs(int(wide.pixels[0, 2]) - 2_000_040) < 10_000
    assert (wide.pixels[0, 4:] == [0, 2**31 - 1]).all()
    assert wide.overloads == 1
    assert poisson_noise(image[:, :1] * 0, seed=1, rng=rng, adc_offset=-3.7, wide=True).pixels.tolist() == [[-3]]
    whole = to_integers(image, 1.0, wide=True)
    np.testing.assert_array_equal(whole, [[43, 70040, 2000040, 65540, 0, 2**31 - 1]])
    np.testing.assert_array_equal(to_integers(image, 1.0), np.minimum(whole, 65535))


def test_other_seeds_give_other_noise() -> None:
    image = np.full((20, 20), 50.0, np.float32)
    for rng in ("exact", "fast"):
        first, second = (poisson_noise(image, seed=seed, rng=rng).pixels for seed in (1, 2))
        assert (first != second).any()


def test_without_a_seed_the_clock_gives_one_that_repeats_the_image() -> None:
    image = np.full((20, 20), 50.0, np.float32)
    for rng in ("exact", "fast"):
        noisy = poisson_noise(image, rng=rng)
        np.testing.assert_array_equal(poisson_noise(image, seed=noisy.seed, rng=rng).pixels, noisy.pixels)


@pytest.mark.parametrize("rng", ["exact", "fast"])
def test_panels_are_drawn_one_after_the_other(rng: str) -> None:
    image = np.random.default_rng(5).gamma(0.5, 40.0, (3, 8, 10)).astype(np.float32)
    panels = poisson_noise(image, seed=6, rng=rng).pixels
    np.testing.assert_array_equal(panels.reshape(24, 10), poisson_noise(image.reshape(24, 10), seed=6, rng=rng).pixels)


@pytest.mark.parametrize("roi", [(5, 4, 0, 9), (0, 9, 20, 30), (-5, -1, 0, 9), (0, 9, 7, 3), (10**30, 10**31, 0, 0)])
def test_an_empty_region_gives_empty_images(roi: tuple[int, int, int, int]) -> None:
    image = np.full((10, 10), 7.0, np.float32)
    assert not to_integers(image, 1.0, 40.0, roi).any()
    assert not to_pgm_bytes(image, 1.0, roi).any()
    for rng in ("exact", "fast"):
        assert not poisson_noise(image, seed=1, rng=rng, roi=roi).pixels.any()
    found = statistics(image, roi)
    assert (found.mean, found.rms, found.rmsd, found.maximum, found.maximum_at) == (0.0, 0.0, 0.0, 0.0, None)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"seed": 2**31}, "-seed: found"),
        ({"seed": 2**64, "rng": "fast"}, "-seed: found"),
        ({"seed": 1, "rng": "good"}, "-noise_rng: found 'good'"),
        ({"seed": 1, "random_state": [1, 2]}, "random_state: found"),
        ({"seed": 1, "random_state": [-1] * 33}, "random_state: found"),
    ],
)
def test_bad_arguments_are_told_in_a_sentence(arguments: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        poisson_noise(np.zeros((2, 2)), **arguments)


def test_an_image_of_one_dimension_is_an_error() -> None:
    with pytest.raises(InputError, match=r"expected \(slow, fast\)"):
        poisson_noise(np.zeros(4), seed=1)


def scalar_integer(pixel: float, scale: float, offset: float) -> int:
    value = min(max(float(pixel) * scale + offset, 0.0), 65535.0)
    return math.floor(float(np.float32(value + 0.5)))


@settings(max_examples=60, deadline=None)
@given(
    image=hnp.arrays(np.float32, (3, 4), elements=st.floats(-1e6, 1e6, width=32) | st.floats(0, 70000, width=32)),
    scale=st.floats(1e-3, 1e3),
    offset=st.floats(-1e4, 1e5),
)
def test_integer_images_of_any_numbers(image: np.ndarray, scale: float, offset: float) -> None:
    """Whatever the scale, a pixel is rounded, not wrapped around."""
    expected = [[scalar_integer(pixel, scale, offset) for pixel in row] for row in image]
    assert to_integers(image, scale, offset).tolist() == expected


@settings(max_examples=60, deadline=None)
@given(image=hnp.arrays(np.float32, (5, 7), elements=st.floats(width=32)), seed=st.integers(-(2**31) + 1, 2**31 - 1))
def test_no_float_image_breaks_anything(image: np.ndarray, seed: int) -> None:
    found = statistics(image, (1, 5, -3, 2), np.arange(35).reshape(5, 7) % 3)
    to_integers(image, integer_scale(None, found.maximum))
    to_pgm_bytes(image, pgm_scale(None, found.rmsd, 1.0))
    exact, fast = (poisson_noise(image, seed=seed, rng=rng) for rng in ("exact", "fast"))
    ordinary = np.abs(image) < 1e-3
    assert (exact.pixels[ordinary] <= 42).all()
    assert (fast.pixels[ordinary] <= 42).all()


def test_seeds_may_come_out_of_arrays() -> None:
    """NumPy's whole numbers are seeds; others are refused by name."""
    means = np.full((4, 4), 3.0, np.float32)
    for rng in ("fast", "exact"):
        expected = poisson_noise(means, seed=-3, rng=rng).pixels
        assert (poisson_noise(means, seed=np.int16(-3), rng=rng).pixels == expected).all()
        with pytest.raises(InputError, match=r"-seed: found 1\.5, expected a whole number"):
            poisson_noise(means, seed=1.5, rng=rng)  # type: ignore[arg-type]
