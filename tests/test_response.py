"""What a detector makes of photons: every stage against closed forms, and random numbers by seed, shot and pixel."""

from __future__ import annotations

import math
import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nanobragg import Beam, Crystal, Detector, Experiment, Image, InputError, Response, _core, resolve, simulate
from nanobragg.cli import main
from nanobragg.records.response import DetectorModel
from nanobragg.records.run import PLACES
from nanobragg.resolver.response import detector_model
from nanobragg.response.convolution import Spreading, quadrant, spread_by_kernel, spread_image
from nanobragg.response.measure import calibration_factors, measure, shot_of

SIDE = 1000
PIXELS = SIDE * SIDE
MEAN = 20.0


@pytest.fixture(scope="module")
def flat() -> Image:
    """A million pixels of 20 photons each, on a detector of 0.1 mm pixels."""
    resolved = resolve(
        Experiment(
            crystal=Crystal(cell=(100, 100, 100, 90, 90, 90), default_F=1),
            beam=Beam(wavelength=1.0, exposure=1.0),
            detector=Detector(shape=(SIDE, SIDE), pixel_size=0.1, distance=100),
        )
    )
    return Image(np.full((SIDE, SIDE), MEAN, np.float32), resolved)


def model_of(image: Image, **said: Any) -> DetectorModel:
    return detector_model(image.resolved, Response(**said))


def near(found: float, expected: float, sigma: float) -> bool:
    """Within four standard deviations."""
    return abs(found - expected) < 4.0 * sigma


def check_moments(values: np.ndarray, mean: float, variance: float, fourth: float = 3.0) -> None:
    """Mean and variance of independent pixels; ``fourth``: their kurtosis."""
    assert near(values.mean(dtype=np.float64), mean, math.sqrt(variance / values.size))
    assert near(values.var(dtype=np.float64), variance, variance * math.sqrt((fourth - 1.0) / values.size))


def cut(image: Image, slow: int, fast: int) -> Image:
    """Its first rows and columns, as an image of a smaller detector."""
    panel = replace(image.resolved.scene.panels[0], shape=(slow, fast), mask=None, roi=None)
    resolved = replace(image.resolved, scene=replace(image.resolved.scene, panels=(panel,)))
    return Image(np.ascontiguousarray(image.data[:slow, :fast]), resolved)


# ---- counting, gain, read-out -----------------------------------------------------------------------------


def test_without_words_every_photon_is_counted(flat: Image) -> None:
    found = flat.measured(seed=1)
    assert found.data.dtype == np.int32
    check_moments(found.data, MEAN, MEAN, 3.0 + 1.0 / MEAN)
    assert found.photons == found.data.sum()
    assert (found.overloads, found.seed, found.stages) == (0, 1, None)


def test_read_out_noise_gain_and_offset(flat: Image) -> None:
    """The variance is gain² · mean + read-out² + 1/12 of the rounding."""
    found = flat.measured(seed=2, response=Response(gain=1.7, offset=100.0, readout=5.0))
    check_moments(found.data, 1.7 * MEAN + 100.0, 1.7**2 * MEAN + 25.0 + 1.0 / 12.0)


def test_capture_thins_the_photons(flat: Image) -> None:
    """What is not captured is not counted: counts stay Poissonian."""
    found = flat.measured(seed=3, response=Response(capture=0.3))
    check_moments(found.data, 0.3 * MEAN, 0.3 * MEAN, 3.0 + 1.0 / (0.3 * MEAN))


def test_calibration_is_the_same_in_all_shots(flat: Image) -> None:
    """Multiplied after counting: variance m(1 + σ²) + σ²m², covariance between shots σ²m²."""
    response = Response(calibration=0.2, gain=100.0, bits=32)
    one, two = (flat.measured(seed=4, shot=shot, response=response).data / 100.0 for shot in (0, 1))
    fourth = 3.6
    check_moments(one, MEAN, MEAN * 1.04 + 0.04 * MEAN**2, fourth)
    covariance = float(((one - one.mean()) * (two - two.mean())).mean())
    assert near(covariance, 0.04 * MEAN**2, (MEAN * 1.04 + 0.04 * MEAN**2) * math.sqrt(2.0 / PIXELS))
    other = flat.measured(seed=40, response=replace(response, calibration_seed=9)).data / 100.0
    assert near(float(((one - MEAN) * (other - MEAN)).mean()), 0.0, 37.0 / math.sqrt(PIXELS))


def test_shots_of_one_seed_are_independent(flat: Image) -> None:
    images = [flat.measured(seed=5, shot=shot, response=Response(readout=3.0)).data - MEAN for shot in range(3)]
    images.append(flat.measured(seed=6, shot=0, response=Response(readout=3.0)).data - MEAN)
    for i, one in enumerate(images):
        for two in images[:i]:
            assert near(float((one * two).mean()), 0.0, (MEAN + 9.0) / math.sqrt(PIXELS))
    # Nor do neighbours have anything in common, in a row (they share random words) or in a column.
    for one, two in ((images[0][:, ::2], images[0][:, 1::2]), (images[0][::2], images[0][1::2])):
        assert near(float((one * two).mean()), 0.0, (MEAN + 9.0) / math.sqrt(PIXELS / 2))


def test_flicker_is_one_factor_for_an_image(flat: Image) -> None:
    """Mean 1, and the rms that was asked for; all pixels rise and fall together."""
    small = replace(flat, data=np.full((SIDE, SIDE), 1000.0, np.float32)[:40, :50])
    model, shots = model_of(flat, flicker=0.2), 400
    size = [(1e-4, 1e-4)]
    sums = np.array([measure([small.data], model, shot_of(7, n), size).photons for n in range(shots)]) / 2e6
    assert near(sums.mean(), 1.0, 0.2 / math.sqrt(shots))
    assert near(sums.std(), 0.2, 0.2 * math.sqrt(1.0 / shots))
    counts = measure([small.data], model, shot_of(7, 3), size).panels[0]
    check_moments(counts, 1000.0 * sums[3], 1000.0 * sums[3])


# ---- nothing but seed, shot, stage, panel and pixel -------------------------------------------------------

EVERYTHING = Response(
    flicker=0.05,
    psf="fiber",
    psf_fwhm=80,
    calibration=0.03,
    gain=1.8,
    offset=10,
    readout=3,
    dead=0.01,
    hot=0.002,
    bits=16,
)


def test_counts_do_not_depend_on_the_threads(flat: Image) -> None:
    small = replace(flat, data=flat.data * np.linspace(0, 8, SIDE, dtype=np.float32))
    one, several = (small.measured(seed=8, shot=3, response=EVERYTHING, threads=n) for n in (1, 3))
    assert np.array_equal(one, several)
    assert (one.photons, one.overloads) == (several.photons, several.overloads)


def test_counts_do_not_depend_on_the_order_of_panels_and_shots(flat: Image) -> None:
    """A panel and shot that is measured alone has the counts that it has among others."""
    rng = np.random.default_rng(0)
    panels = [rng.uniform(0, 50, (64, 80)).astype(np.float32) for _ in range(3)]
    sizes = [(1e-4, 1e-4)] * 3
    model = model_of(flat, flicker=0.05, psf="gauss", psf_fwhm=150, calibration=0.03, readout=3)
    whole = {n: measure(panels, model, shot_of(9, n), sizes) for n in (0, 1)}
    again = measure(panels, model, shot_of(9, 0), sizes)
    assert all(np.array_equal(a, b) for a, b in zip(whole[0].panels, again.panels, strict=True))
    assert not any(np.array_equal(a, b) for a, b in zip(whole[0].panels, whole[1].panels, strict=True))
    dark = [np.zeros_like(panel) for panel in panels]
    last = measure([*dark[:2], panels[2]], model, shot_of(9, 0), sizes)
    assert np.array_equal(last.panels[2], whole[0].panels[2])
    # Equal panels have other noise.
    equal = measure([panels[0]] * 2, model, shot_of(9, 0), sizes[:2])
    assert not np.array_equal(*equal.panels)


@pytest.mark.parametrize("psf", ["gauss", "fiber"])
@pytest.mark.parametrize("reading", ["integrating", "counting"])
@pytest.mark.parametrize("shape", [(40, 50), (300, 260)])
def test_no_light_crosses_a_gap(flat: Image, psf: Any, reading: Any, shape: tuple[int, int]) -> None:
    """Panels beside a bright one stay dark, the bright one is what it is alone, and its edges lose light."""
    model = model_of(flat, reading=reading, psf=psf, psf_fwhm=300.0, bits=32)
    dark, bright = np.zeros(shape, np.float32), np.full(shape, 1e6, np.float32)
    found = measure([dark, bright, dark], model, shot_of(1, 0), [(1e-4, 1e-4)] * 3)
    assert (found.panels[0].max(), found.panels[2].max()) == (0, 0)
    alone = measure([dark * 0, bright], model, shot_of(1, 0), [(1e-4, 1e-4)] * 2)
    assert np.array_equal(found.panels[1], alone.panels[1])
    # At the middle of the first column: what the function has on the panel.
    kernel, row = whole_kernel(Spreading(psf, (3.0, 3.0), None), (shape[0] - 1, shape[1] - 1)), shape[0] // 2
    part = kernel[shape[0] - 1 - row : 2 * shape[0] - 1 - row, shape[1] - 1 :].sum()
    assert found.panels[1][row - 2 : row + 3, 0].mean() == pytest.approx(1e6 * part, rel=0.005)


@pytest.mark.parametrize(
    "response",
    [EVERYTHING, Response(reading="counting", psf="fiber", dead_time=100, calibration=0.02)],
    ids=["integrating", "counting"],
)
def test_counts_take_the_memory_of_a_few_images(flat: Image, response: Response) -> None:
    """Five images, the Fourier transforms among them: a series of large ones fits where one of them does."""
    model = detector_model(flat.resolved, response)
    measure([flat.data], model, shot_of(1, 0), [(1e-4, 1e-4)])  # the detector's maps are kept
    tracemalloc.start()
    measure([flat.data], model, shot_of(1, 1), [(1e-4, 1e-4)])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5.0 * flat.data.nbytes


def test_seeds_are_numbers_of_64_bits(flat: Image) -> None:
    tiny = cut(flat, 4, 4)
    assert not np.array_equal(tiny.measured(seed=-1).data, tiny.measured(seed=2**63 - 1).data)
    assert (
        tiny.measured(seed=-1).photons == measure([tiny.data], model_of(tiny), shot_of(2**64 - 1, 0), [(1, 1)]).photons
    )
    for said in ({"seed": 2**64}, {"seed": 1, "shot": -1}, {"seed": 1.5}):
        with pytest.raises(InputError, match="expected a whole number"):
            tiny.measured(**said)  # type: ignore[arg-type]


# ---- point spread -----------------------------------------------------------------------------------------


def whole_kernel(spreading: Spreading, reach: tuple[int, int]) -> np.ndarray:
    """From its quadrant."""
    quarter = quadrant(spreading, reach)
    rows = np.concatenate([quarter[:0:-1], quarter])
    return np.concatenate([rows[:, :0:-1], rows], axis=1)


def test_a_gaussian_is_whole_and_as_wide_as_asked() -> None:
    """Integral 1; second moments those of the function and of the pixel, σ² + 1/12."""
    width = (3.6, 5.1)
    kernel = whole_kernel(Spreading("gauss", width, None), (40, 60))
    assert kernel.sum() == pytest.approx(1.0, abs=1e-6)
    for axis, (w, half) in enumerate(zip(width, (40, 60), strict=True)):
        along = kernel.sum(axis=1 - axis)
        moment = float((along * np.arange(-half, half + 1.0) ** 2).sum())
        assert moment == pytest.approx(w * w / (8.0 * math.log(2.0)) + 1.0 / 12.0, rel=1e-9)


def test_a_fiber_psf_has_the_integral_of_its_closed_form() -> None:
    """The part within a square, and the second moment within it, of the Moffat function of exponent 3/2."""
    width, half = 3.0, 400
    g, edge = width / (2.0 * math.sqrt(2.0 ** (2.0 / 3.0) - 1.0)), half + 0.5
    kernel = whole_kernel(Spreading("fiber", (width, width), None), (half, half))
    within = 2.0 / math.pi * math.atan(edge * edge / (g * math.sqrt(g * g + 2.0 * edge * edge)))
    assert kernel.sum() == pytest.approx(within, abs=1e-6)
    assert 1.0 - within < 1.2 * g / edge
    # <x²> of the function within the square by its integral over y, then numerically over x.
    x = np.linspace(0.0, edge, 400001)
    density = g / math.pi * edge / ((g * g + x * x) * np.sqrt(g * g + x * x + edge * edge))
    terms = density * x * x
    moment = float((terms[1:] + terms[:-1]).sum()) * (x[1] - x[0])  # both sides of 0
    found = float((kernel.sum(axis=0) * np.arange(-half, half + 1.0) ** 2).sum())
    assert found == pytest.approx(moment + within / 12.0, rel=1e-4)


@pytest.mark.parametrize("shape", [(37, 52), (257, 260)])
@pytest.mark.parametrize("spreading", [Spreading("gauss", (2.0, 3.0), None), Spreading("fiber", (2.0, 3.0), None)])
def test_a_point_spread_is_linear_and_does_not_wrap(spreading: Spreading, shape: tuple[int, int]) -> None:
    """Every pixel's light is where the kernel has it, and what leaves on one side does not come back on the other."""
    rng = np.random.default_rng(1)
    one, two = (rng.normal(size=shape).astype(np.float32) for _ in range(2))
    both = spread_image(one + np.float32(3) * two, spreading)
    apart = spread_image(one, spreading) + 3 * spread_image(two, spreading)
    assert np.abs(both - apart).max() < 1e-5
    kernel = whole_kernel(spreading, (shape[0] - 1, shape[1] - 1))
    last = (shape[0] - 1, shape[1] - 1)
    for row, column in ((0, 0), last, (17, 3)):
        image = np.zeros(shape, np.float32)
        image[row, column] = 1.0
        expected = kernel[last[0] - row :, last[1] - column :][: shape[0], : shape[1]]
        assert np.abs(spread_image(image, spreading) - expected).max() < 1e-6


@pytest.mark.parametrize("width", [(0.5, 0.5), (2.0, 3.0), (8.0, 8.0), (2.0, 4.0)])
def test_light_that_goes_far_is_as_exact_as_light_that_stays_near(width: tuple[float, float]) -> None:
    """The tails of a fiber, which carry a hundredth of the light, are on a coarse grid: 3e-7 of the image's rms.

    (The last width is too uneven for that grid.)
    """
    shape = (300, 277)
    spreading = Spreading("fiber", width, None)
    kernel = whole_kernel(spreading, (shape[0] - 1, shape[1] - 1))
    image = np.random.default_rng(2).poisson(10.0, shape).astype(np.float32)
    size = [3 * n for n in shape]
    light = np.fft.irfft2(np.fft.rfft2(image.astype(np.float64), size) * np.fft.rfft2(kernel, size), size)
    expected = light[shape[0] - 1 : 2 * shape[0] - 1, shape[1] - 1 : 2 * shape[1] - 1]
    error = spread_image(image, spreading) - expected
    rms = math.sqrt((image.astype(np.float64) ** 2).mean())
    assert math.sqrt((error**2).mean()) < 3e-7 * rms
    assert np.abs(error).max() < 2e-6 * rms
    # In a flat image, what every pixel loses is what goes beyond the panel: no light is made or lost on the way.
    flat = spread_image(np.ones(shape, np.float32), spreading)
    within = kernel[shape[0] - 1 - 149 : 2 * shape[0] - 1 - 149, shape[1] - 1 - 138 : 2 * shape[1] - 1 - 138].sum()
    assert flat[149, 138] == pytest.approx(within, abs=1e-6)


def test_a_radius_ends_the_function_and_keeps_the_light() -> None:
    image = np.zeros((41, 41), np.float32)
    image[20, 20] = 1000.0
    found = spread_image(image, Spreading("fiber", (2.0, 2.0), 5))
    assert found.sum() == pytest.approx(1000.0, rel=1e-6)
    slow, fast = np.indices(image.shape) - 20
    assert np.abs(found[slow**2 + fast**2 > 25]).max() < 1e-3
    assert found[20, 25] > 1.0


def test_a_kernel_of_the_user_is_placed_by_its_middle(flat: Image) -> None:
    kernel = np.zeros((3, 5))
    kernel[0, 1] = 6.0
    kernel[1, 2] = 2.0
    model = model_of(flat, psf_kernel=kernel)
    assert model.psf_kernel is not None
    assert model.psf_kernel.sum() == pytest.approx(1.0)
    image = np.zeros((6, 7), np.float32)
    image[2, 3], image[0, 0] = 8.0, 4.0
    expected = np.zeros_like(image)
    expected[1, 2], expected[2, 3], expected[0, 0] = 6.0, 2.0, 1.0
    assert np.abs(spread_by_kernel(image, model.psf_kernel) - expected).max() < 1e-5


def test_light_of_an_integrating_detector_is_shared_by_neighbours(flat: Image) -> None:
    """Photons are counted first and spread then: variance and covariance are those of the squared kernel."""
    response = Response(psf="gauss", psf_fwhm=200, gain=1000.0, bits=32)
    found = flat.measured(seed=11, response=response).data[10:-10, 10:-10] / 1000.0
    kernel = whole_kernel(Spreading("gauss", (2.0, 2.0), None), (20, 20))
    expected = MEAN * float((kernel**2).sum())
    neighbours = MEAN * float((kernel[:, 1:] * kernel[:, :-1]).sum())
    # Neighbours vary together: there are fewer independent pixels, 1/Σ(k*k)² of them.
    independent = found.size * expected**2 / MEAN**2 / 4.0
    assert near(found.var(), expected, expected * math.sqrt(2.0 / independent))
    deviation = found - found.mean()
    covariance = float((deviation[:, 1:] * deviation[:, :-1]).mean())
    assert near(covariance, neighbours, expected * math.sqrt(2.0 / independent))


def test_everything_at_once_has_the_moments_of_its_parts(flat: Image) -> None:
    """Mean, variance and covariance of neighbours and of shots, of the stages together.

    A shot's factor f, a pixel's c: E c = 1, var c = σ²; a pixel holds gain · c · Σ k n, n of mean f·m.
    """
    sigma, gain, readout = 0.05, 10.0, 8.0
    response = Response(
        psf="fiber", psf_fwhm=80.0, psf_radius=20, calibration=sigma, gain=gain, offset=100.0, readout=readout, bits=32
    )
    one, two = (
        flat.measured(seed=21, shot=n, response=response).data[20:-20, 20:-20].astype(np.float64) for n in (0, 1)
    )
    kernel = whole_kernel(Spreading("fiber", (0.8, 0.8), 20), (20, 20))
    own = MEAN * float((kernel**2).sum())
    beside = MEAN * float((kernel[:, 1:] * kernel[:, :-1]).sum())
    variance = gain**2 * ((1.0 + sigma**2) * own + sigma**2 * MEAN**2) + readout**2 + 1.0 / 12.0
    # Light is shared: what independent pixels there are is taken as a third of all.
    error = variance * math.sqrt(2.0 / (one.size / 3.0))
    assert near(one.mean(), 100.0 + gain * MEAN, math.sqrt((gain**2 * (MEAN + sigma**2 * MEAN**2) + 65.0) / one.size))
    assert near(one.var(), variance, error)
    a, b = one - one.mean(), two - two.mean()
    assert near(float((a[:, 1:] * a[:, :-1]).mean()), gain**2 * beside, error)
    assert near(float((a * b).mean()), gain**2 * sigma**2 * MEAN**2, error)


def test_light_of_a_counting_detector_is_counted_in_one_pixel(flat: Image) -> None:
    """Whole counts, without covariance, whatever the point spread."""
    found = flat.measured(seed=12, response=Response(reading="counting", psf="gauss", psf_fwhm=200))
    inside = found.data[10:-10, 10:-10]
    check_moments(inside, MEAN, MEAN, 3.0 + 1.0 / MEAN)
    deviation = inside - MEAN
    assert near(float((deviation[:, 1:] * deviation[:, :-1]).mean()), 0.0, MEAN / math.sqrt(inside.size))


# ---- counting pixels at high rates ------------------------------------------------------------------------


@pytest.mark.parametrize("paralyzable", [True, False])
def test_counts_at_high_rates_are_those_of_photons_at_random_times(paralyzable: bool) -> None:
    """Mean and variance, against arrivals one by one."""
    rng = np.random.default_rng(3)
    mean, dead_time, trials = 2000.0, 1e-4, 1500
    photons = rng.poisson(mean, trials)
    counted = np.array([_arrivals(rng, n, dead_time, paralyzable=paralyzable) for n in photons], float)
    n = rng.poisson(mean, 200_000).astype(float)
    expected, spread = _core.counted_moments(n, dead_time, paralyzable)
    variance = float(spread.mean() + expected.var())
    assert near(counted.mean(), float(expected.mean()), math.sqrt(variance / trials))
    assert near(counted.var(), variance, variance * math.sqrt(2.0 / trials))
    assert variance < 0.8 * mean


def _arrivals(rng: np.random.Generator, n: int, dead_time: float, *, paralyzable: bool) -> int:
    times = np.sort(rng.random(n))
    if paralyzable:
        return 1 + int((np.diff(times) > dead_time).sum())
    counted, free = 0, 0.0
    for time in times:
        if time >= free:
            counted, free = counted + 1, time + dead_time
    return counted


def test_dead_time_takes_counts(flat: Image) -> None:
    bright = cut(replace(flat, data=flat.data * np.float32(5e3)), 200, 200)
    response = Response(reading="counting", dead_time=1000, count_rate="nonparalyzable", bits=32)
    found = bright.measured(seed=13, response=response)
    x = 1e5 * 1e-6
    assert near(found.data.mean(), 1e5 / (1 + x), math.sqrt(1e5 / 40000))
    assert found.data.var() == pytest.approx(1e5 / (1 + x) ** 3, rel=4 * math.sqrt(2 / 40000))


# ---- maps, limits, bad pixels -----------------------------------------------------------------------------


def test_maps_are_taken_pixel_by_pixel(flat: Image) -> None:
    gain = np.ones((SIDE, SIDE))
    gain[:, 500:] = 2.0
    dark = np.zeros((SIDE, SIDE))
    dark[500:] = 7.25
    found = flat.measured(seed=14, response=Response(gain_map=gain, dark_map=dark)).data
    plain = flat.measured(seed=14).data
    assert np.array_equal(found[:500, :500], plain[:500, :500])
    assert np.array_equal(found[:500, 500:], 2 * plain[:500, 500:])
    assert np.array_equal(found[500:, :500], np.floor(plain[500:, :500] + 7.75))


def test_values_end_where_the_bits_or_the_detector_end(flat: Image) -> None:
    eight = flat.measured(seed=15, response=Response(gain=12.0, bits=8))
    assert eight.data.max() == 255
    assert eight.overloads == (flat.measured(seed=15).data * 12 > 255).sum() > 0
    assert flat.measured(seed=15, response=Response(saturation=20.5)).data.max() == 20
    below = Response(readout=30.0)
    assert flat.measured(seed=15, response=below).data.min() == 0
    signed = flat.measured(seed=15, response=replace(below, signed=True)).data
    assert signed.min() < -50
    check_moments(signed, MEAN, MEAN + 900.0 + 1.0 / 12.0)


def test_dead_and_hot_pixels_stay(flat: Image) -> None:
    response = Response(dead=0.01, hot=0.002, readout=1.0, offset=100.0)
    one, two = (flat.measured(seed=16, shot=n, response=response).data for n in (0, 1))
    for value, part in ((0, 0.01), (65535, 0.002)):
        assert np.array_equal(one == value, two == value)
        assert near((one == value).sum(), part * PIXELS, math.sqrt(part * PIXELS))
    assert flat.measured(seed=16, response=response).overloads == 0
    listed = np.zeros((SIDE, SIDE), np.uint8)
    listed[3, 4], listed[5, 6] = 1, 2
    found = flat.measured(seed=16, response=Response(bad_pixels=listed, offset=100.0)).data
    assert (found[3, 4], found[5, 6], (found == 0).sum()) == (0, 65535, 1)


def test_no_photons_and_no_numbers(flat: Image) -> None:
    """One pixel without a number does not spoil the others."""
    odd = replace(flat, data=np.full((64, 64), 9.0, np.float32))
    odd.data[0, 0], odd.data[0, 1] = np.nan, -4.0
    found = measure([odd.data], model_of(flat, psf="fiber", psf_fwhm=80), shot_of(1, 0), [(1e-4, 1e-4)])
    assert found.panels[0][5:, 5:].mean() == pytest.approx(9.0, rel=0.1)
    none = measure([np.zeros((9, 9), np.float32)], model_of(flat), shot_of(1, 0), [(1e-4, 1e-4)])
    assert not none.panels[0].any()


def test_stages_tell_how_counts_came_about(flat: Image) -> None:
    response = Response(flicker=0.3, psf="gauss", psf_fwhm=100, calibration=0.1, gain=2.0)
    found = flat.measured(seed=17, response=response, stages=True)
    assert found.stages is not None
    expected, photons, recorded = (found.stages[name] for name in ("expected", "photons", "recorded"))
    assert expected.min() == expected.max() != MEAN
    assert photons.sum() == found.photons
    assert np.array_equal(photons, np.floor(photons))
    spread = spread_image(photons, Spreading("gauss", (1.0, 1.0), None))
    factors = calibration_factors(model_of(flat, calibration=0.1), 0, (SIDE, SIDE))
    assert np.abs(recorded - spread * factors).max() < 1e-3
    assert np.array_equal(found.data, np.maximum(np.floor(recorded.astype(float) * 2.0 + 0.5), 0))


# ---- what is said -----------------------------------------------------------------------------------------


def test_presets_are_real_detectors(flat: Image) -> None:
    pilatus, rayonix, jungfrau = (model_of(flat, preset=name) for name in ("pilatus", "rayonix", "jungfrau"))
    assert (pilatus.counting, pilatus.psf, pilatus.highest) == (True, "none", 2**20 - 1)
    assert (rayonix.psf, rayonix.psf_fwhm, rayonix.offset) == ("fiber", pytest.approx(41e-6), 10.0)
    assert (rayonix.gain, model_of(flat, preset="rayonix", gain=1.8).gain) == (1.5, 1.8)
    assert model_of(flat, preset="rayonix", gain_per_kev=0.1).gain == pytest.approx(1.239842)
    assert model_of(flat, preset="jungfrau", gain=2.0).gain == 2.0
    assert jungfrau.gain == pytest.approx(12398.42)  # eV at 1 Å
    assert jungfrau.lowest < 0
    assert model_of(flat, preset="rayonix", psf="none", offset=3.0).psf == "none"
    dark = replace(flat, data=np.zeros((SIDE, SIDE), np.float32))
    check_moments(dark.measured(seed=1, response=Response(preset="jungfrau")).data, 0.0, 300.0**2 + 1 / 12)


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        (
            {"preset": "pilatus", "gain": 2.0},
            "-gain: found 2.0, expected none with a counting detector",
        ),
        ({"dead_time": 100.0}, "-dead_time: found 100.0, expected none with an integrating"),
        ({"bits": 40}, "-bits: found 40, expected 1 to 32"),
        ({"saturation": 1e6}, "-saturation: found 1e+06, expected at most 65535, for 16 bits"),
        ({"gain": 1.0, "gain_per_kev": 1.0}, "-gain and -gain_per_kev: found both, expected one of them"),
        (
            {"psf_kernel": np.ones((2, 3))},
            "-psf_kernel: found an array of shape (2, 3), expected odd",
        ),
        ({"psf_kernel": np.zeros((3, 3))}, "-psf_kernel: found a sum of 0, expected"),
        ({"psf_kernel": np.ones((3, 3)), "psf": "gauss"}, "found one besides -psf gauss, expected one of them"),
        (
            {"gain_map": np.ones((3, 3))},
            "-gain_map: found 3 x 3 pixels, expected 1000 x 1000 pixels (slow x fast)",
        ),
        ({"bad_pixels": np.full((SIDE, SIDE), 3)}, "expected 0 good, 1 dead, 2 hot"),
        ({"capture": 1.5}, "capture: found 1.5, expected a number from 0 to 1"),
        ({"dead": 0.6, "hot": 0.6}, "-dead and -hot: found 0.6 and 0.6 of the pixels, expected at most all of them"),
        ({"preset": "ccd"}, "expected pilatus, eiger, rayonix, jungfrau, agipd or epix"),
    ],
)
def test_what_cannot_be_is_one_sentence(flat: Image, said: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError) as caught:
        model_of(flat, **said)
    assert sentence in str(caught.value)


WORDS = "-cell 50 50 50 90 90 90 -default_F 100 -N 5 -detpixels_f 40 -detpixels_s 30 -flux 1e15 -nonoise -nopgm"
SAID = "-response rayonix -psf_fwhm 80 -flicker 0.01 -calibration 0.02 -readout 4.5 -gain 1.8 -bits 16 -shot 2 -seed 5"


def command(*words: str) -> int:
    """The exit status of ``nanobragg`` with :data:`WORDS` and others."""
    return main([*WORDS.split(), *(each for word in words for each in word.split())])


def test_the_command_writes_what_python_measures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Words, a TOML file made of them, and Python give the same counts."""
    monkeypatch.chdir(tmp_path)
    assert command(SAID, "-countsfile one.npy -write_config run.toml -floatfile f.npy") == 0
    one = np.load("one.npy")
    assert 'preset = "rayonix"' in Path("run.toml").read_text()
    assert main(["-config", "run.toml", "-countsfile", "two.npy"]) == 0
    assert np.array_equal(one, np.load("two.npy"))
    image = simulate(args=f"{WORDS} {SAID}")
    assert np.array_equal(image, np.load("f.npy"))
    assert np.array_equal(one, image.measured(seed=5, shot=2))
    assert command(SAID, "-shot 3 -countsfile three.img") == 0
    assert not np.array_equal(one, simulate(args=f"{WORDS} {SAID}").measured(seed=5, shot=3))


@pytest.mark.parametrize(
    ("words", "lines"),
    [
        (
            "-readout 3 -shot 2",
            ["-readout: without effect: there are no counts", "-shot: without effect: there are no"],
        ),
        ("-countsfile a.npy -psf none -psf_fwhm 9", ["-psf_fwhm: without effect: there is no point spread (-psf)"]),
        ("-countsfile a.npy -psf_fwhm 9 -psf_kernel k.npy", ["-psf_fwhm: without effect: the point spread is -psf_ke"]),
        (
            "-countsfile a.npy -response pilatus -count_rate paralyzable -calib_seed 5",
            [
                "-count_rate: without effect: there is no dead time",
                "-calib_seed (calibration_seed): without effect: no",
            ],
        ),
        ("-countsfile a.npy -response rayonix -psf_fwhm 50 -calib_seed 5 -dead 0.1", []),
    ],
)
def test_what_makes_no_difference_is_told(
    words: str, lines: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever wants read-out noise and says no file for it hears so, and does not take another file for it."""
    monkeypatch.chdir(tmp_path)
    np.save("k.npy", np.ones((3, 3)))
    assert command(words) == 0
    told = [line for line in capsys.readouterr().out.splitlines() if "without effect" in line]
    assert len(told) == len(lines)
    assert all(found.startswith(line) for found, line in zip(told, lines, strict=True))


def test_mistakes_cost_no_rendered_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for words, sentence in (
        ("-countsfile a.img -response jungfrau", "expected .cbf, .h5, .tif or .npy for values below 0"),
        ("-countsfile a.npy -gain_map none.npy", "none.npy"),
        ("-countsfile a.npy -psf gauss -psf_kernel none.npy", "found one besides -psf gauss"),
        ("-countsfile nowhere/a.npy", "a folder that does not exist"),
        ("-gain 0", "-gain: found '0', expected a number above 0 (ADU/photon)"),
    ):
        assert command(words) == 9
        told = capsys.readouterr()
        assert sentence in told.err
        assert "solid angle" not in told.out
    assert command("-countsfile a.img -response eiger") == 0
    assert "WARNING: a.img: counts up to 2147483647 are kept up to 65535" in capsys.readouterr().out


def test_pixels_that_are_not_rendered_hold_nothing() -> None:
    mask = np.ones((30, 40), np.uint8)
    mask[:5] = 0
    image = simulate(
        crystal=Crystal(cell=(50, 50, 50, 90, 90, 90), cells=5, default_F=100),
        beam=Beam(flux=1e15),
        detector=Detector(shape=(30, 40), mask=mask, roi=(3, 30, 0, 25)),
    )
    found = image.measured(seed=1, response=Response(offset=50.0)).data
    inside = np.zeros_like(mask)
    inside[5:26, 3:31] = 1
    assert np.array_equal(found > 0, inside == 1)


def test_panels_of_unequal_shapes_are_measured_one_after_the_other(flat: Image) -> None:
    one = flat.resolved.scene.panels[0]
    panels = (replace(one, shape=(30, 40)), replace(one, shape=(20, 10), roi=(2, 6, 0, 19)))
    resolved = replace(flat.resolved, scene=replace(flat.resolved.scene, panels=panels))
    image = Image(np.full(1400, MEAN, np.float32), resolved)
    found = image.measured(seed=3, response=Response(offset=5.0), stages=True)
    model = detector_model(resolved, Response(offset=5.0))
    whole = measure(
        [image.data[:1200].reshape(30, 40), image.data[1200:].reshape(20, 10)], model, shot_of(3, 0), [(1, 1)] * 2
    )
    assert np.array_equal(found.data[:1200], whole.panels[0].ravel())
    second = found.data[1200:].reshape(20, 10)
    assert np.array_equal(second[:, 2:7], whole.panels[1][:, 2:7])
    assert not second[:, :2].any()
    assert not second[:, 7:].any()
    assert found.stages is not None
    assert found.stages["photons"].shape == (1400,)


def test_every_field_has_an_option() -> None:
    assert all(place.row.option for name, place in PLACES.items() if name.startswith("response."))
