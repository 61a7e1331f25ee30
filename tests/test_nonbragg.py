"""``nanobragg nonbragg`` gives nonBragg.c's files, byte for byte, and its refusals (specs/nonbragg.md)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from companions import SHARED, Companion, cases, pgm_pixels, printed

PRINTED = {
    "max_I": r"max_I = (\S+)",
    "mean": r"mean= (\S+)",
    "rms": r" rms= (\S+)",
    "rmsd": r"rmsd= (\S+)",
    "intfile_scale": r"intfile_scale = (\S+)",
    "pgm_scale": r"pgm_scale = (\S+)",
    "photons": r"(\S+) photons on noise image",
    "overloads": r"\((\d+) overloads\)",
    "solid_angle": r"detector = (\S+) steradian",
    "density": r"wide, (\S+) g/cm",
    "molecules": r"\((\S+) molecules\)",
    "fluence": r"fluence: (\S+) ",
}
BASE = "-detpixels_x 24 -detpixels_y 20 -pixel 1.5 -distance 30 -fluence 1e16 -seed 1 -noprogress"
SHAPE = (20, 25)


@pytest.fixture
def nonbragg(in_folder, capsys: pytest.CaptureFixture[str]) -> Companion:
    return Companion("nonbragg", in_folder(), capsys)


def named(case: dict[str, Any], keys: tuple[str, str], default: str) -> str:
    """The last file name behind one of ``keys``."""
    words = case["args"]
    return next((words[i + 1] for i in reversed(range(len(words) - 1)) if words[i] in keys), default)


@pytest.mark.parametrize(("case", "source"), cases("nonbragg"))
def test_golden_cases(nonbragg: Companion, case: dict[str, Any], source: Path) -> None:
    """A script that runs nonBragg would get other files."""
    ran = nonbragg.case(case, source)
    assert ran.status == case["exit"]
    if ran.status != 0:
        assert "expected" in ran.err or "cannot be read" in ran.err
        return
    golden = np.load(source / f"{case['id']}.npz")
    image = golden["float"]
    got = ran.floats(image.shape, named(case, ("-floatfile", "-floatimage"), "floatimage.bin"))
    np.testing.assert_array_equal(got, image)
    for kind, keys, default in (
        ("int", ("-intfile", "-intimage"), "intimage.img"),
        ("noise", ("-noisefile", "-noiseimage"), "noiseimage.img"),
    ):
        name = named(case, keys, default)
        assert (ran.folder / name).exists() == (kind in golden)
        if kind in golden:
            assert ran.header(name) == case["header"]
            np.testing.assert_array_equal(ran.words(image.shape, name), golden[kind])
    pgm = ran.folder / named(case, ("-pgmfile", "-pgmimage"), "image.pgm")
    np.testing.assert_array_equal(pgm_pixels(pgm, image.shape, case["pgm_scale"]), golden["pgm"])
    if "stolout" in golden:
        lines = (ran.folder / named(case, ("-stolout", ""), "output.stol")).read_text().splitlines()
        table = np.array([[float(word) for word in line.split()] for line in lines]).reshape(-1, 6)
        np.testing.assert_array_equal(table[:, [0, 1, 2, 5]], golden["stolout"])
    for key, pattern in PRINTED.items():
        if key in case:
            assert printed(pattern, ran.out) == (str(case[key]).replace("-nan", "nan"),)


@pytest.mark.skipif(not SHARED.is_dir(), reason="the original's own tables are not part of the repository")
def test_the_originals_own_tables_are_tested_where_they_are() -> None:
    """Otherwise their cases would be left out silently."""
    assert {"water", "ice", "nanoice_header_lines"} <= {param.id for param in cases("nonbragg")}


def test_a_drop_of_water_by_hand(nonbragg: Companion) -> None:
    """Photons on an absolute scale: F² · r_e² · fluence · molecules · solid angle, 1754.72 in the pixel of the beam."""
    beam = "-flux 1e12 -beamsize 0.1 -pixel 1 -distance 1000 -detpixels 5 -nopolar -seed 1"
    ran = nonbragg(f"-stol flat.stol -thick 1 {beam} -Xbeam 2.5 -Ybeam 2.5", flat="0 2.57\n1 2.57\n")
    assert ran.floats((5, 5))[2, 2] == pytest.approx(1754.72, rel=3e-6)


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("profile", ["smooth.stol", "unsorted.stol"])
def test_the_number_of_threads_does_not_matter(nonbragg: Companion, profile: str, threads: int) -> None:
    """An image must not depend on the machine; also where a table out of order is searched evaluation by evaluation."""
    words = f"-stol {profile} -detpixels 150 -pixel 0.4 -distance 40 -oversample 2 -hdivrange 20 -nonoise"
    one = nonbragg(f"-threads 1 {words}", profile).floats((150, 150))
    np.testing.assert_array_equal(nonbragg(f"-threads {threads} {words}").floats((150, 150)), one)


@pytest.mark.parametrize("instructions", ["baseline", "avx2"])
def test_the_instruction_set_does_not_matter(
    nonbragg: Companion, instructions: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The original's bits on every processor."""
    from nanobragg import _core

    if instructions not in _core.instruction_sets():
        pytest.skip(f"this processor has no {instructions}")
    words = "-stol fine.stol -polar 0.9 -oversample 2 -dispersion 3 -nonoise " + BASE
    best = nonbragg(words, "fine.stol").floats(SHAPE)
    monkeypatch.setenv("NANOBRAGG_ISA", instructions)
    np.testing.assert_array_equal(nonbragg(words).floats(SHAPE), best)


def test_a_large_image_is_rendered_in_parts(nonbragg: Companion, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the parts Ctrl-C and progress are looked at; their seams must not show."""
    from nanobragg.response import amorphous

    words = "-stol unsorted.stol -oversample 2 -nonoise " + BASE
    whole = nonbragg(words, "unsorted.stol")
    monkeypatch.setattr(amorphous, "_EVALUATIONS", 500)
    parts = nonbragg(words)
    np.testing.assert_array_equal(parts.floats(SHAPE), whole.floats(SHAPE))
    assert printed(PRINTED["solid_angle"], parts.out) == printed(PRINTED["solid_angle"], whole.out)


# ---- words ------------------------------------------------------------------------------------------------


def test_help_lists_options_and_quirks(nonbragg: Companion) -> None:
    """Nobody remembers ninety options."""
    ran = nonbragg("-h")
    assert ran.status == 0
    for text in ("-stol", "-thick", "-sourcefile", "-stolout", "linear_extrapolation", "-quirks"):
        assert text in ran.out


def test_usage_without_a_profile(nonbragg: Companion) -> None:
    """As the original: usage, and status 9."""
    ran = nonbragg("-detpixels 8")
    assert (ran.status, ran.out.splitlines()[0]) == (9, "usage: nanobragg nonbragg -stol FILE [options]")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("-wrong 3", "unknown option -wrong is ignored"),
        ("-samplsize 3", "unknown option -samplsize is ignored; did you mean -samplesize?"),
        ("stray", "the word 'stray' belongs to no option"),
        ("-adc word", "-adc: found 'word', used as 0; expected a number (ADU)"),
        ("-adc 3ADU", "-adc: found '3ADU', used as 3"),
        ("-thick", "-thick: found too few words after it, ignored"),
        ("-pivot neither", "-pivot: found 'neither', ignored"),
    ],
)
def test_what_is_ignored_is_said(nonbragg: Companion, words: str, sentence: str) -> None:
    """The original ignores in silence."""
    ran = nonbragg(f"-stol smooth.stol {BASE} {words}", "smooth.stol")
    assert ran.status == 0
    assert f"WARNING: {sentence}" in ran.out


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("-stol nowhere.stol", "nowhere.stol: cannot be read (no such file or folder)"),
        ("-stol nothing.stol", "nothing.stol: found no line, expected lines of sin(theta)/lambda and F"),
        ("-stol prose.stol", "prose.stol: found no number, expected lines of sin(theta)/lambda and F"),
        ("-stol one.stol -sourcefile nowhere.txt", "nowhere.txt: cannot be read"),
        ("-stol one.stol -pixel 0", "-pixel: found 0 mm, expected a positive size"),
        ("-stol one.stol -detpixels -5", "found -5 pixels along the fast axis, expected a positive size"),
        ("-stol one.stol -detsize_x -5", "found -5 mm along the fast axis"),
        ("-stol one.stol -detpixels 100000000", "expected fewer than 2^31"),
        ("-stol one.stol -divsteps 1 -Fmap", "found no source, expected at least one for -Fmap or -img"),
        ("-stol one.stol -img nowhere.img", "nowhere.img: cannot be read"),
        ("-stol one.stol -img one.stol", "one.stol: found 3 bytes, expected an SMV header"),
        ("-stol one.stol -energy 0", "expected an energy other than 0"),
        ("-stol one.stol -flux 1e9 -beamsize 0", "-beamsize: found 0 mm with a -flux"),
        ("-stol one.stol -Xbeam nan", "-Xbeam: found 'nan', expected a finite number"),
        ("-stol one.stol -distance 1e999", "-distance: found '1e999', expected a finite number"),
        (
            "-stol one.stol -floatfile nowhere/a.bin",
            "-floatfile: found 'nowhere/a.bin' in a folder that does not exist",
        ),
        ("-stol one.stol -quirks some", "-quirks: found 'some', expected all, none or names of quirks"),
        ("-stol one.stol -threads x", "-threads: found 'x', expected a whole number"),
        ("-stol one.stol -quirks", "-quirks: found too few words after it"),
        ("-stol one.stol -seed 2147483648", "-seed: found -2147483648, expected a whole number from -2147483647"),
    ],
)
def test_refusals(nonbragg: Companion, words: str, sentence: str) -> None:
    """One sentence, status 9, no file."""
    ran = nonbragg(words, one="0 2", nothing="", prose="no numbers\nhere\n")
    assert ran.status == 9
    assert sentence in " ".join(ran.err.split())
    assert len(ran.err.strip().splitlines()) == 1
    assert not (ran.folder / "floatimage.bin").exists()


def test_an_image_smaller_than_the_detector_is_refused(nonbragg: Companion) -> None:
    """The original reads behind its end."""
    ran = nonbragg("-img swung.img -stol one.stol -detpixels 60", "swung.img", one="0 2")
    assert ran.status == 9
    assert "expected at least the detector's 60 x 60" in ran.err


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"no image" * 100, "found no SMV header"),
        (b"{\nHEADER_BYTES=  512;\nDIM=2;\n}".ljust(600), "found no BYTE_ORDER"),
        (b"{\nHEADER_BYTES=99999;\nBYTE_ORDER=little_endian;\n}".ljust(600), "expected a header's size"),
        (b"{\nHEADER_BYTES=  512;\nBYTE_ORDER=little_endian;\nSIZE1=-3;\n}".ljust(600), "expected numbers of pixels"),
    ],
)
def test_files_that_are_no_image(nonbragg: Companion, data: bytes, sentence: str) -> None:
    """The original crashes."""
    (nonbragg.folder / "x.img").write_bytes(data)
    ran = nonbragg("-img x.img -stol one.stol", one="0 2")
    assert ran.status == 9
    assert sentence in ran.err


def test_printout_of_one_pixel(nonbragg: Companion) -> None:
    """What a pixel is made of."""
    ran = nonbragg(f"-stol smooth.stol {BASE} -printout_pixel 3 5", "smooth.stol")
    assert printed(r"^ *(\d+) +(\d+) : stol = ", ran.out) == ("3", "5")
    pixel = float(printed(r"^pixel +(\S+)$", ran.out)[0])
    assert pixel == pytest.approx(float(ran.floats(SHAPE)[5, 3]), rel=1e-9)
    assert ran.out.count("omega") == 1


def test_spaces_in_headers_and_numbers_in_all_notations(nonbragg: Companion) -> None:
    """Tables come from everywhere: +, exponents, hexadecimal, blank and empty lines, more columns, no last newline."""
    plain = nonbragg(f"-stol t.stol {BASE}", t="0 2\n0.25 4\n0.5 1\n").floats(SHAPE)
    odd = nonbragg(f"-stol t.stol {BASE}", t="\n ,\n0x0 +2.0e0 9 9\n\t25e-2;4.\n .5 : 1").floats(SHAPE)
    np.testing.assert_array_equal(odd, plain)
