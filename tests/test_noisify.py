"""``nanobragg noisify`` gives noisify.c's files, byte for byte, and its refusals (specs/noisify.md)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from companions import Companion, cases, printed

PRINTED = {
    "maximum": r"maximum value in input file: (\S+)",
    "photons": r"^(\S+) photons on noise image \(",
    "overloads": r"\((\d+) overloads\)",
    "photons_before_psf": r"^(\S+) photons on noise image before",
    "psf_maximum": r"maximum input photon/pixel: (\S+)",
    "psf_radius": r"auto-selected psf_radius = (\S+)",
    "psf_lost": r"adding back (\S+) lost",
}
NAMES = {"int": "intimage.img", "noise": "noiseimage.img", "pgm": "image.pgm"}
SHAPE = (30, 40)
BASE = "-bin x.bin -detpixels_x 40 -detpixels_y 30 -seed 3"


@pytest.fixture
def noisify(in_folder, capsys: pytest.CaptureFixture[str]) -> Companion:
    return Companion("noisify", in_folder(), capsys)


@pytest.mark.parametrize(("case", "source"), cases("noisify"))
def test_golden_cases(noisify: Companion, case: dict[str, Any], source: Path) -> None:
    """A script that runs noisify would get other files."""
    ran = noisify.case(case, source)
    assert ran.status == case["exit"], ran.err
    if ran.status != 0:
        assert "expected" in ran.err or "cannot be read" in ran.err
        return
    golden = np.load(source / f"{case['id']}.npz")
    slow, fast = case["shape"]
    for kind, name in case["outputs"].items():
        data = (ran.folder / name).read_bytes()
        head = f"P5\n{fast} {slow}\n# pixels scaled by 1\n255\n".encode()
        if kind != "pgm":
            size = case["header_bytes"]
            copied = case["header"].removeprefix("copied from ")
            whole = copied != case["header"]
            head = (ran.folder / copied).read_bytes()[:size] if whole else case["header"].encode().ljust(size)
        assert data.startswith(head)
        pixels = data[len(head) :]
        if kind not in golden:  # other numbers of bits: no pixels
            assert not pixels
            continue
        np.testing.assert_array_equal(np.frombuffer(pixels, golden[kind].dtype).reshape(slow, fast), golden[kind])
    assert [name for kind, name in NAMES.items() if kind not in case["outputs"] and (ran.folder / name).exists()] == []
    for key, pattern in PRINTED.items():
        if key in case["printed"]:
            assert printed(pattern, ran.out) == (str(case["printed"][key]).replace("-nan", "nan"),)


def photons(noisify: Companion, image: np.ndarray, name: str = "x.bin") -> None:
    """Write the image of expected photons."""
    np.asarray(image, np.float32).tofile(noisify.folder / name)


def gamma(scale: float = 20.0, shape: tuple[int, int] = SHAPE) -> np.ndarray:
    return np.random.default_rng(5).gamma(2.0, scale, shape)


@pytest.mark.parametrize("words", ["-psf fiber -psf_fwhm 300", "-psf gauss -psf_fwhm 500", "-psf fiber -psf_radius 60"])
@pytest.mark.parametrize("threads", [2, 3])
def test_the_number_of_threads_does_not_matter(noisify: Companion, words: str, threads: int) -> None:
    """Every pixel's sum goes over its sources in the same order, in whatever band of rows it is."""
    shape = (190, 150)
    photons(noisify, gamma(20.0, shape))
    base = f"-bin x.bin -detpixels_x 150 -detpixels_y 190 -seed 3 -bits 32 -gain 1000 {words}"
    one = noisify(f"{base} -threads 1").words(shape, "noiseimage.img", "<u4")
    np.testing.assert_array_equal(noisify(f"{base} -threads {threads}").words(shape, "noiseimage.img", "<u4"), one)


@pytest.mark.parametrize("instructions", ["baseline", "avx2"])
@pytest.mark.parametrize("words", ["-psf fiber -psf_fwhm 300", "-psf gauss -psf_fwhm 500", "-psf fiber -psf_radius 60"])
def test_the_instruction_set_does_not_matter(
    noisify: Companion, instructions: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The original's bits on every processor."""
    from nanobragg import _core

    if instructions not in _core.instruction_sets():
        pytest.skip(f"this processor has no {instructions}")
    photons(noisify, gamma(200.0))
    best = noisify(f"{BASE} -bits 32 -gain 1000 {words}").words(SHAPE, "noiseimage.img", "<u4")
    monkeypatch.setenv("NANOBRAGG_ISA", instructions)
    np.testing.assert_array_equal(
        noisify(f"{BASE} -bits 32 -gain 1000 {words}").words(SHAPE, "noiseimage.img", "<u4"), best
    )


def plain_spread(image: np.ndarray, kernel: np.ndarray, radii: np.ndarray, lost: float) -> np.ndarray:
    """The sum as the specification writes it: source after source, every target rounded to float32 after each."""
    slow, fast = image.shape
    reach = len(kernel) // 2
    out = np.zeros((slow + 1, fast + 1))
    y, x = np.indices(out.shape)
    for y0, x0 in np.argwhere(image > 0):
        inside = (x - x0) ** 2 + (y - y0) ** 2 <= radii[y0, x0] ** 2
        inside[slow, :] = False
        share = float(image[y0, x0]) * kernel[np.clip(y - y0 + reach, 0, None), np.clip(x - x0 + reach, 0, None)]
        out = np.where(inside & (x < fast), (out + share).astype(np.float32), out)
        right = np.flatnonzero(inside[:, fast])
        out[right + 1, 0] = (out[right + 1, 0] + share[right, fast]).astype(np.float32)
    return (out[:slow, :fast] + lost / image.size).astype(np.float32)


@pytest.mark.parametrize(
    ("shape", "width", "scale"), [("fiber", 0.6, 5.0), ("gauss", 2.5, 50.0), ("fiber", 6.0, 300.0)]
)
def test_the_point_spread_is_the_sum_in_the_specification(shape: str, width: float, scale: float) -> None:
    """To the last bit: bands, vectors, squares and masks are ways to the same sum."""
    from nanobragg import _core
    from nanobragg.records.noisify import PsfRules
    from nanobragg.response.psf import spread

    image = np.floor(gamma(scale, (70, 33))).astype(np.float32)
    image[np.random.default_rng(6).random(image.shape) < 0.7] = 0
    found = spread(image, shape, width, 0, PsfRules(), threads=2)  # type: ignore[arg-type]
    with np.errstate(divide="ignore", invalid="ignore"):
        p = image.astype(float)
        share = np.sqrt(p) / 10.0 / p
        g = 0.652383013252053 * width
        beyond = g / share if shape == "fiber" else np.sqrt(-np.log(share) / np.log(16.0)) * width
    radii = np.minimum(1 + np.ceil(np.nan_to_num(beyond)), 70).astype(int)
    assert found.radius == int(1 + np.ceil(np.nanmax(beyond)))
    kernel = _core.psf_kernel(shape, width, 72, False)
    np.testing.assert_array_equal(found.image, plain_spread(image, kernel, radii, found.lost))


def test_not_finite_photons_spread_as_they_do() -> None:
    """0 times infinity is not 0: what a mask leaves out must stay what it was."""
    from nanobragg.records.noisify import PsfRules
    from nanobragg.response.psf import spread

    image = np.ones((40, 30), np.float32)
    image[10, 10] = np.inf
    found = spread(image, "gauss", 2.0, 3, PsfRules(tail=False)).image
    assert np.isposinf(found[8:13, 9:12]).all()
    assert np.isfinite(np.delete(found, range(7, 14), 0)).all()
    image[10, 10] = np.nan
    assert np.isnan(spread(image, "gauss", 2.0, 0, PsfRules()).image).all()


@pytest.mark.parametrize("shape", ["gauss", "fiber"])
def test_kernels_are_integrals_over_pixels(shape: str) -> None:
    """Against adaptive quadrature of the function, and 1 over the plane."""
    from scipy import integrate

    from nanobragg import _core

    width, g = 1.7, 0.652383013252053 * 1.7

    def value(y: float, x: float) -> float:
        square = x * x + y * y
        if shape == "gauss":
            return float(np.log(16) / (np.pi * width**2) * np.exp(-np.log(16) * square / width**2))
        return float(g / (2 * np.pi) * (g * g + square) ** -1.5)

    kernel = _core.psf_kernel(shape, width, 40, False)
    for dx, dy in ((0, 0), (1, 0), (0, 2), (3, -2)):
        expected = integrate.dblquad(value, dx - 0.5, dx + 0.5, dy - 0.5, dy + 0.5, epsabs=1e-11)[0]
        assert kernel[40 + dy, 40 + dx] == pytest.approx(expected, abs=1e-10)
    assert kernel.sum() == pytest.approx(1.0, abs=1e-12 if shape == "gauss" else 1.3 * g / 40.5)


def test_widths_are_full_widths_at_half_maximum() -> None:
    """The original's constant for the fiber function."""
    g = 0.652383013252053
    assert (g * g + 0.25) ** -1.5 * g**3 == pytest.approx(0.5, rel=1e-12)


# ---- words ------------------------------------------------------------------------------------------------


def test_help_lists_options_and_quirks(noisify: Companion) -> None:
    """Nobody remembers them all."""
    ran = noisify("-h")
    assert ran.status == 0
    for text in ("-floatfile", "-psf", "-calib_seed", "-bits", "psf_wraps_column", "-quirks"):
        assert text in ran.out


def test_usage_without_an_image(noisify: Companion) -> None:
    """As the original: usage, and status 9."""
    ran = noisify("-seed 3")
    assert (ran.status, ran.out.splitlines()[0]) == (9, "usage: nanobragg noisify -floatfile FILE [options]")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("-wrong 3", "unknown option -wrong is ignored"),
        ("-psf lorentz", "-psf: found 'lorentz', no point spread; expected gauss or fiber"),
        ("-gain word", "-gain: found 'word', used as 0; expected a number (ADU/photon)"),
        ("-readout", "-readout: found too few words after it, ignored"),
        ("stray", "the word 'stray' belongs to no option"),
    ],
)
def test_what_is_ignored_is_said(noisify: Companion, words: str, sentence: str) -> None:
    """The original ignores in silence."""
    photons(noisify, gamma())
    ran = noisify(f"{BASE} {words}")
    assert ran.status == 0
    assert f"WARNING: {sentence}" in ran.out


def test_pixels_below_zero_are_told_in_one_line(noisify: Companion) -> None:
    """The original prints a line for each of them."""
    photons(noisify, np.where(np.arange(1200).reshape(SHAPE) < 7, -2.5, 3.0))
    assert "WARNING: 7 pixels below 0 in x.bin, the lowest -2.5\n" in noisify(BASE).out


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("-bin nowhere.bin", "nowhere.bin: cannot be read (no such file or folder)"),
        ("-bin x.bin -bin nowhere.bin", "nowhere.bin: cannot be read"),
        ("-bin x.bin -psf", "-psf: found too few words after it, expected gauss or fiber"),
        ("-bin x.bin -detpixels -3", "-detpixels: found -3 x -3 pixels, expected positive numbers"),
        ("-bin x.bin -detpixels 100", "found 4800 bytes, expected 40000 (float32, 100 x 100)"),
        ("-bin empty.bin", "empty.bin: found no pixel, expected a float image"),
        ("-bin x.bin -header nowhere.img", "nowhere.img: cannot be read"),
        ("-bin x.bin -header x.bin", "x.bin: found no SMV header"),
        ("-bin x.bin -pixel 0", "-pixel: found 0 mm, expected a size other than 0"),
        ("-bin x.bin -intfile nowhere/a.img", "-intfile: found 'nowhere/a.img' in a folder that does not exist"),
        ("-bin x.bin -seed -2147483648", "-seed: found -2147483648, expected a whole number from -2147483647"),
        ("-bin x.bin -calib_seed 2147483648", "-calib_seed: found -2147483648, expected"),
        ("-bin x.bin -gain nan", "-gain: found 'nan', expected a finite number"),
        ("-bin x.bin -quirks some", "-quirks: found 'some', expected all, none or names of quirks"),
    ],
)
def test_refusals(noisify: Companion, words: str, sentence: str) -> None:
    """One sentence, status 9, no file."""
    photons(noisify, gamma())
    (noisify.folder / "empty.bin").write_bytes(b"")
    ran = noisify(words)
    assert ran.status == 9
    assert sentence in ran.err
    assert len(ran.err.strip().splitlines()) == 1
    assert not (ran.folder / "intimage.img").exists()
