"""What the words of a command line mean (``specs/cli.md``): old scripts must mean what they always meant."""

from __future__ import annotations

import ctypes
import json
import math
import re
from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nanobragg.errors import InputError
from nanobragg.inputs import actions
from nanobragg.inputs.help import help_text
from nanobragg.inputs.option import Option
from nanobragg.inputs.options import ALL_OPTIONS, OPTIONS, OWN_OPTIONS
from nanobragg.inputs.request import Request
from nanobragg.inputs.scanner import names_of
from nanobragg.inputs.toml import write_config
from nanobragg.inputs.words import parse_words, request_of
from nanobragg.maths.c_numbers import leading_integer, leading_real
from nanobragg.records.pivots import convention_of, pivot_of
from nanobragg.records.quirks import QUIRKS
from nanobragg.records.run import PLACES, Run

GOLDEN = Path(__file__).parent.parent / "golden_data"
BASE = "-cell 100 100 100 90 90 90 -default_F 100"


def _touched(run: Run) -> list[str]:
    return [name for name, _ in run.parse_quirks]


def _command_lines(name: str) -> list[tuple[str, str]]:
    lines = (GOLDEN / f"{name}.jsonl").read_text().splitlines()
    return [(case["id"], case["args"]) for case in map(json.loads, lines)]


# ---- numbers ----------------------------------------------------------------------------------------------

libc = ctypes.CDLL(None)
libc.atof.restype = ctypes.c_double
libc.atof.argtypes = [ctypes.c_char_p]
libc.atoi.argtypes = [ctypes.c_char_p]

number_like = st.one_of(
    st.text(alphabet="0123456789+-.eExXpPinfINFatyANABCDEF( )\t_", max_size=24),
    st.floats().map(repr),
    st.integers(-(2**70), 2**70).map(str),
    st.tuples(st.floats().map(float.hex), st.sampled_from(["", "p", "Å", " ", "e5"])).map("".join),
)


def _same(ours: float, theirs: float) -> bool:
    if math.isnan(ours) or math.isnan(theirs):
        return math.isnan(ours) and math.isnan(theirs)
    return ours == theirs and math.copysign(1, ours) == math.copysign(1, theirs)


@given(number_like)
def test_reals_are_read_as_atof_reads_them(word: str) -> None:
    """Else a published command line gives another wavelength, distance, angle…"""
    read = leading_real(word)
    assert _same(0.0 if read is None else read[0], libc.atof(word.encode()))


@given(number_like)
def test_integers_are_read_as_atoi_reads_them(word: str) -> None:
    read = leading_integer(word)
    assert (0 if read is None else read[0]) == libc.atoi(word.encode())


@pytest.mark.parametrize(
    ("word", "value"),
    [
        (" 1.5", 1.5),
        ("+2e-3x", 2e-3),
        ("0x1p4", 16.0),
        ("-Infinity", -math.inf),
        (".5", 0.5),
        ("1e", 1.0),
        ("1e999", math.inf),
    ],
)
def test_real_examples(word: str, value: float) -> None:
    read = leading_real(word)
    assert read is not None
    assert read[0] == value


@pytest.mark.parametrize("word", ["nan", "inf", "-inf", "1e400", "NaN(1)", "-infinity"])
def test_numbers_that_are_not_finite_are_refused(word: str) -> None:
    """They would end in an image of nothing but NaN."""
    for option in ("-lambda", "-hdivrange", "-detector_rotx", "-flux", "-default_F", "-polar", "-xtal_thick"):
        with pytest.raises(InputError, match=re.escape(f"{option}: found {word!r}, expected a finite number")):
            parse_words([option, word])


def test_the_nearest_name_is_found_in_any_case() -> None:
    """-xbeam is no option; -Ybeam is not what was meant."""
    assert any("did you mean -Xbeam?" in warning for warning in parse_words("-xbeam 10").warnings)


@pytest.mark.parametrize("word", ["", "abc", "-", ".", "e5", "--5", "i", "-x1"])
def test_words_without_a_leading_number(word: str) -> None:
    assert leading_real(word) is None


# ---- whole command lines ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "args", [args for _, args in _command_lines("cases")], ids=[i for i, _ in _command_lines("cases")]
)
def test_golden_command_lines_are_understood_without_warnings(args: str) -> None:
    assert parse_words(args).warnings == ()


def test_a_value_that_need_not_be_there_is_no_stray_word() -> None:
    """The trace of a pixel of a panel was right, and a warning said that one of its numbers was ignored."""
    run = parse_words(f"{BASE} -trace_pixel 31 254 255 -panels 31")
    assert (run.trace_pixel, run.warnings) == ((31, 254, 255), ())
    stray = parse_words(f"{BASE} -trace_pixel 254 255 here")
    assert (stray.trace_pixel, len(stray.warnings)) == ((254, 255), 1)


DOUBTFUL = {
    "AT-CLI-009-cap-test_unsupported_flag_dispstep": "-dispstep",
    "AT-CLI-009-cap-test_unsupported_flag_hdiv": "-hdiv",
    "AT-CLI-009-cap-test_unsupported_flag_vdiv": "-vdiv",
    "AT-PARALLEL-015-sim-test_mixed_units_comprehensive": "-dmin",
}


def test_acceptance_command_lines_are_understood_with_the_warnings_they_deserve() -> None:
    found = {i: run.warnings for i, args in _command_lines("acceptance") if (run := parse_words(args)).warnings}
    assert set(found) == set(DOUBTFUL)
    for identifier, word in DOUBTFUL.items():
        assert len(found[identifier]) == 1
        assert word in found[identifier][0]


@given(
    st.lists(
        st.one_of(
            st.sampled_from([n for n in names_of(ALL_OPTIONS) if "config" not in n]), st.text(max_size=12), number_like
        ),
        max_size=12,
    )
)
def test_arbitrary_words_give_a_run_or_one_sentence(words: list[str]) -> None:
    """A traceback would tell the user nothing."""
    try:
        run = parse_words(words)
    except InputError as error:
        sentence = str(error)
    else:
        sentence = "; ".join(run.warnings) or "fine"
    assert sentence


@given(st.text(max_size=60))
def test_an_arbitrary_line_gives_a_run_or_one_sentence(line: str) -> None:
    try:
        sentence = "; ".join(parse_words(line).warnings) or "fine"
    except InputError as error:
        sentence = str(error)
    assert sentence


def test_defaults_of_the_empty_command_line() -> None:
    run = parse_words("")
    assert run.experiment.crystal.dump == "Fdump.bin"
    assert run.experiment.quirks == "all"
    assert (run.output.floatfile, run.output.noisefile) == ("floatimage.bin", "noiseimage.img")
    assert run.warnings == ()


# ---- matching ---------------------------------------------------------------------------------------------


def test_a_key_is_found_anywhere_in_a_word() -> None:
    run = parse_words("-matrix m.mat -mosaic_domains 3 -detector_absorb 50 -adcoffset 7 -detpixels_x 20 -hkl a.hkl")
    crystal, detector = run.experiment.crystal, run.experiment.detector
    assert (crystal.matrix, crystal.mosaic_domains, crystal.structure_factors) == ("m.mat", 3, "a.hkl")
    assert (detector.attenuation_depth, detector.shape) == (50.0, (None, 20))
    assert run.output.adc_offset == 7.0


def test_keys_that_need_the_whole_word_do_not_match_longer_ones() -> None:
    run = parse_words("-phisteps 4 -detpixels_x 7 -mosaic_domains 2 -hdivsteps 3")
    assert run.experiment.sampling.phi is None
    assert run.experiment.sampling.phi_steps == 4
    assert run.experiment.detector.shape == (None, 7)
    assert run.experiment.crystal.mosaic_spread is None
    assert run.experiment.beam.horizontal_divergence_step is None


def test_values_are_scanned_for_options_as_the_original_scans_them() -> None:
    run = parse_words("-hkl -Na5 3")
    assert run.experiment.crystal.structure_factors == "-Na5"
    assert run.experiment.crystal.cells == (3, 1, 1)


def test_values_of_our_options_are_not_scanned() -> None:
    run = parse_words("-write_config -nopgm -threads 3")
    assert run.output.pgmfile == "image.pgm"
    assert run.threads == 3


def test_one_word_may_trigger_several_options() -> None:
    beam = parse_words("-lambda-fluence 2").experiment.beam
    assert (beam.wavelength, beam.fluence) == (2.0, 2.0)


@pytest.mark.parametrize("word", ["-Na", "-Nb", "-Nc"])
def test_cell_counts_end_the_scan_of_their_word(word: str) -> None:
    assert parse_words(f"{word}-lambda 2").experiment.beam.wavelength is None


def test_oversample_flags_end_the_scan_of_their_word() -> None:
    sampling = parse_words("-oversample_thick -oversample_polar -oversample_omega -oversample 3").experiment.sampling
    assert sampling.oversample == 3
    assert sampling.oversample_thick
    assert sampling.oversample_polar
    assert sampling.oversample_omega


def test_image_and_mask_are_looked_for_in_every_word() -> None:
    detector = parse_words("-Na-img 5 -mask m.img").experiment.detector
    assert (detector.header, detector.mask) == ("5", "m.img")


def test_the_last_occurrence_wins() -> None:
    run = parse_words("-distance 50 -distance 80 -xds -denzo -energy 12000 -lambda 1.5 -pixel 0.1 -pixel 0.2")
    assert run.experiment.detector.distance == 80.0
    assert run.experiment.detector.convention == "denzo"
    assert (run.experiment.beam.wavelength, run.experiment.beam.energy) == (1.5, None)
    assert run.experiment.detector.pixel_size == 0.2


def test_energy_after_wavelength_wins() -> None:
    beam = parse_words("-lambda 1.5 -energy 12398").experiment.beam
    assert (beam.wavelength, beam.energy) == (None, 12398.0)


def test_numbers_are_kept_in_the_units_that_they_were_typed_in() -> None:
    """A step of exactly 0 must stay exactly 0: conversions happen once, in resolve."""
    run = parse_words("-phi 0.1 -osc 0.7 -pixel 0.172 -divergence 0.3 -dmin 1.7 -pix0_vector_mm 1 2 3")
    assert run.experiment.sampling.phi == 0.1
    assert run.experiment.sampling.dmin == 1.7
    assert run.experiment.detector.pixel_size == 0.172
    assert run.experiment.beam.vertical_divergence == 0.3
    assert run.experiment.detector.pix0 == (0.001, 0.002, 0.003)


# ---- order --------------------------------------------------------------------------------------------------


def test_polar_undoes_nopolar_and_the_other_way_round() -> None:
    assert parse_words("-nopolar -polar 0.9").experiment.beam.polarization_correction
    assert not parse_words("-polar 0.9 -nopolar").experiment.beam.polarization_correction


def test_output_options_act_in_order() -> None:
    assert parse_words("-nonoise -noisefile a.img").output.noisefile == "a.img"
    assert parse_words("-noisefile a.img -nonoise").output.noisefile is None
    assert parse_words("-nopgm -pgmscale 2").output.pgmfile == "image.pgm"
    assert parse_words("-pgmfile a.pgm -nopgm").output.pgmfile is None


@pytest.mark.parametrize("word", ["inf", "0", "0.0", "xinf"])
def test_no_absorption_zeroes_the_thickness_at_that_point(word: str) -> None:
    before = parse_words(f"-detector_thick 100 -detector_abs {word}").experiment.detector
    after = parse_words(f"-detector_abs {word} -detector_thick 100").experiment.detector
    assert (before.thickness, before.attenuation_depth) == (0.0, math.inf)
    assert (after.thickness, after.attenuation_depth) == (100.0, math.inf)


def test_cell_stops_at_an_option_and_keeps_what_was_said_before() -> None:
    assert parse_words("-cell 70 80 -N 5").experiment.crystal.cell == (70.0, 80.0)
    assert parse_words("-cell 70 80 90 -cell 60 -N 5").experiment.crystal.cell == (60.0, 80.0, 90.0)
    assert parse_words("-cell 70 80 90 91 92 93 -N 5").experiment.crystal.cell == (70.0, 80.0, 90.0, 91.0, 92.0, 93.0)


def test_missetting_angles_or_a_random_orientation() -> None:
    assert parse_words("-misset random").experiment.crystal.misset == "random"
    assert parse_words("-misset random -misset 1 -2 3").experiment.crystal.misset == (1.0, -2.0, 3.0)


def test_a_random_orientation_takes_the_seed_of_the_noise() -> None:
    assert parse_words("-misset random -seed 7").experiment.crystal.misset_seed == 7
    assert parse_words("-misset random -seed 7 -misset_seed 8").experiment.crystal.misset_seed == 8
    assert parse_words("-seed 7").experiment.crystal.misset_seed is None


def test_crystal_sizes_and_their_synonyms() -> None:
    assert parse_words("-xtalsize 0.1").experiment.crystal.size == (0.1, 0.1, 0.1)
    size = parse_words("-sample_x 1 -xtal_width 2 -heigh 3").experiment.crystal.size
    assert size == (1.0, 2.0, 3.0)
    assert parse_words("-sample_y 2").experiment.crystal.size == (None, 2.0, None)


def test_printout_pixel_prints_that_pixel() -> None:
    run = parse_words("-printout_pixel 3 4")
    assert run.printout
    assert run.printout_pixel == (3, 4)
    assert parse_words("-printout_pixel -1 4").printout_pixel is None


# ---- pivots and conventions -----------------------------------------------------------------------------------


def _pivots(run: Run) -> tuple[str, str]:
    """What the detector turns about: with, and without the quirk that lets named conventions decide."""
    experiment = run.experiment
    convention = convention_of(experiment.beam, experiment.crystal, experiment.detector)
    on, off = (pivot_of(convention, experiment.detector, overridden=overridden) for overridden in (True, False))
    return on, off


@pytest.mark.parametrize(
    ("words", "said", "overridden", "free"),
    [
        ("", None, "beam", "beam"),
        ("-ORGX 5", None, "beam", "sample"),
        ("-ORGX 5 -Xbeam 5", "beam", "beam", "beam"),
        ("-pivot sample", "sample", "beam", "sample"),
        ("-pivot sample -distance 100", "sample", "beam", "sample"),
        ("-xds", None, "sample", "sample"),
        ("-xds -dials", None, "sample", "sample"),
        ("-close_distance 100 -mosflm", None, "beam", "sample"),
        ("-twotheta 5", None, "beam", "sample"),
        ("-Yclose 5 -pivot beam -dials", "beam", "sample", "beam"),
    ],
)
def test_pivot_of_a_named_convention(words: str, said: str | None, overridden: str, free: str) -> None:
    """-pivot comes before what distances and centres imply, of which the last counts; the convention's is the last."""
    run = parse_words(words)
    assert (run.experiment.detector.pivot, *_pivots(run)) == (said, overridden, free)
    assert _pivots(parse_words(words, quirks="none"))[1] == free


@pytest.mark.parametrize(
    ("words", "last", "free"),
    [
        ("-fdet_vector 0 0 1", "beam", "beam"),
        ("-xds -fdet_vector 0 0 1", "sample", "sample"),
        ("-xds -dials -fdet_vector 0 0 1", "beam", "beam"),
        ("-distance 100 -xds -fdet_vector 0 0 1", "sample", "beam"),
        ("-ORGX 5 -Xbeam 5 -fdet_vector 0 0 1", "beam", "beam"),
        ("-fdet_vector 0 0 1 -pivot sample -distance 100", "beam", "sample"),
        ("-fdet_vector 0 0 1 -distance 100 -pivot sample", "sample", "sample"),
    ],
)
def test_pivot_of_the_custom_convention(words: str, last: str, free: str) -> None:
    """nanoBragg.c takes what the last word says, implies or selects."""
    run = parse_words(words)
    assert _pivots(run) == (last, last)
    assert _touched(run) == ([] if last == free else ["pivot_overridden"])
    assert _pivots(parse_words(f"{words} -quirks none")) == (free, free)
    assert _touched(parse_words(f"{words} -quirks none")) == []


PIVOT_OPTIONS = (
    *("-distance 90", "-close_distance 80", "-Xbeam 3", "-Yclose 4", "-ORGX 30", "-pivot beam", "-pivot sample"),
    *("-twotheta 5", "-twotheta_axis 1 0 0", "-xds", "-dials", "-adxv", "-fdet_vector 0 0 1"),
)
pivot_options = st.lists(st.sampled_from(PIVOT_OPTIONS), max_size=5).map(" ".join)


@settings(deadline=None)  # files are written
@given(words=pivot_options, more=pivot_options, quirks=st.sampled_from(["all", "none"]))
def test_a_written_file_gives_the_same_pivot(words: str, more: str, quirks: str, tmp_path_factory) -> None:
    """-config after -write_config: the same detector, and nanoBragg.c's own for the words that follow.

    A file says a pivot and not the order of words: what came after -pivot is not last any more (specs/config.md).
    """
    file = tmp_path_factory.getbasetemp() / "pivot.toml"
    run = parse_words(f"-quirks {quirks} {words}")
    write_config(run, file)
    assert _pivots(parse_words(f"-config {file}")) == _pivots(run)
    order_is_lost = "-pivot" in words and not words.split(" -")[-1].lstrip("-").startswith("pivot")
    if quirks == "all" and not order_is_lost:
        assert _pivots(parse_words(f"-config {file} {more}"))[0] == _pivots(parse_words(f"{words} {more}"))[0]


@pytest.mark.parametrize(
    "word",
    ["-fdet_vector", "-sdet_vector", "-odet_vector", "-beam_vector", "-polar_vector", "-spindle_axis", "-pix0_vector"],
)
def test_a_vector_selects_the_custom_convention_at_that_point(word: str) -> None:
    assert parse_words(f"-xds {word} 0 0 1").experiment.detector.convention == "custom"
    assert parse_words(f"{word} 0 0 1 -xds").experiment.detector.convention == "xds"


# ---- parse quirks -----------------------------------------------------------------------------------------


def test_twotheta_axis_also_sets_the_angle() -> None:
    run = parse_words("-twotheta_axis 5 0 1")
    assert run.experiment.detector.twotheta == 5.0
    assert _touched(run) == ["twotheta_axis_parse"]


@pytest.mark.parametrize("quirks", ["none", "all,-twotheta_axis_parse"])
def test_twotheta_axis_alone_with_the_quirk_off(quirks: str) -> None:
    run = parse_words(f"-twotheta_axis 5 0 1 -quirks {quirks}")
    assert run.experiment.detector.twotheta is None
    assert run.experiment.detector.twotheta_axis == (5.0, 0.0, 1.0)
    assert _touched(run) == []


def test_twotheta_axis_followed_by_the_angle_leaves_nothing_to_tell() -> None:
    run = parse_words("-twotheta_axis 1 0 0 -twotheta 20")
    assert run.experiment.detector.twotheta == 20.0
    assert _touched(run) == []


def test_misset_seed_reads_the_words_after_it() -> None:
    run = parse_words("-misset random -misset_seed 5 7 -N 3")
    assert run.experiment.crystal.misset == (5.0, 7.0, 0.0)
    assert run.experiment.crystal.misset_seed == 5
    assert _touched(run) == ["misset_seed_parse"]


@pytest.mark.parametrize("words", ["-misset random -misset_seed 5", "-misset random -misset_seed 5 -nopgm"])
def test_misset_seed_with_fewer_than_three_words_after_it(words: str) -> None:
    run = parse_words(words)
    assert run.experiment.crystal.misset == "random"
    assert _touched(run) == []


def test_misset_seed_is_only_a_seed_with_the_quirk_off() -> None:
    run = parse_words("-quirks all,-misset_seed_parse -misset random -misset_seed 5 -N 3 -nopgm")
    assert run.experiment.crystal.misset == "random"
    assert _touched(run) == []


def test_misset_seed_before_explicit_angles_changes_nothing() -> None:
    run = parse_words("-misset_seed 5 -N 3 -nopgm -misset 1 2 3")
    assert run.experiment.crystal.misset == (1.0, 2.0, 3.0)
    assert _touched(run) == []


def test_curved_det_as_the_last_word() -> None:
    assert not parse_words("-N 3 -curved_det").experiment.detector.curved
    assert _touched(parse_words("-N 3 -curved_det")) == ["curved_det_needs_word"]
    assert parse_words("-curved_det -N 3").experiment.detector.curved
    assert _touched(parse_words("-curved_det -N 3 -curved_det")) == []
    assert parse_words("-quirks none -curved_det").experiment.detector.curved


def test_the_quirks_hold_wherever_they_are_said() -> None:
    assert parse_words("-twotheta_axis 5 0 1 -quirks none").experiment.detector.twotheta is None
    assert parse_words("-quirks none -quirks all -twotheta_axis 5 0 1").experiment.detector.twotheta == 5.0


def test_parse_quirks_are_told_in_the_words_of_the_table() -> None:
    assert dict(parse_words("-N 3 -curved_det").parse_quirks) == {
        "curved_det_needs_word": QUIRKS["curved_det_needs_word"]
    }


# ---- warnings and errors ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "value", "said"),
    [("-lambda 1.0A", 1.0, "1.0A"), ("-lambda 1e-1x", 0.1, "1e-1x")],
)
def test_trailing_characters_are_used_as_c_does_with_a_warning(words: str, value: float, said: str) -> None:
    run = parse_words(words)
    assert run.experiment.beam.wavelength == value
    assert len(run.warnings) == 1
    assert said in run.warnings[0]


@pytest.mark.parametrize(("word", "value"), [("2.5", 2), ("1e1", 1), ("4294967298", 2)])
def test_integers_that_are_none_are_used_as_c_does_with_a_warning(word: str, value: int) -> None:
    run = parse_words(f"-oversample {word}")
    assert run.experiment.sampling.oversample == value
    assert word in run.warnings[0]


@pytest.mark.parametrize(
    ("words", "nearest"),
    [
        ("-distnce 50", "-distance"),
        ("-noisfile a", "-noisefile"),
        ("-Lambda 1", "-lambda"),
        ("--quirks none", "-quirks"),
    ],
)
def test_unknown_options_are_told_with_the_nearest_real_name(words: str, nearest: str) -> None:
    warnings = parse_words(words).warnings
    assert len(warnings) == 1
    assert words.split()[0] in warnings[0]
    assert nearest in warnings[0]


def test_a_value_that_looks_like_an_option_is_no_unknown_option() -> None:
    assert parse_words("-noisefile -x.img -misset -1 -2e0 -3").warnings == ()


@pytest.mark.parametrize("words", ["-N 5 7", "-N 5 7 -img a.img", "7 -mask a.img"])
def test_a_word_that_belongs_to_nothing_is_told(words: str) -> None:
    assert parse_words(words).warnings == ("the word '7' belongs to no option and is ignored",)


@pytest.mark.parametrize(
    "words",
    ["-misset 10 20 30", "-misset random", "-misset_seed 3", "-cell 1 2 3 90 90 90", "-lambda 1", "-roi 1 2 3 4",
     "-detsize 100", "-pivot sample", "-point_pixel", "-seed 5", "-fdet_vector 1 0 0", "-device cpu"],
)  # fmt: skip
def test_one_word_more_than_an_option_takes_is_told(words: str) -> None:
    """A value too many is a slip of whoever wrote the script; one too few swallowed would be the next option."""
    assert parse_words(words).warnings == ()
    assert parse_words(f"{words} 4").warnings == ("the word '4' belongs to no option and is ignored",)


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ("-distance abc", ("-distance", "'abc'", "mm")),
        ("-N five", ("-N", "'five'", "whole number")),
        ("-misset 10 20", ("-misset", "three numbers")),
        ("-misset 10 20 -lambda 1", ("-misset", "'-lambda'")),
        ("-roi 1 2 3", ("-roi", "four whole numbers")),
        ("-lambda", ("-lambda", "too few words")),
        ("-detector_abs", ("-detector_abs", "too few words")),
        ("-detector_thick", ("-detector_thick", "too few words")),
        ("-cell", ("-cell", "too few words")),
        ("-cell -N 5", ("-cell", "'-N'")),
        ("-cell a b c", ("-cell", "'a'")),
        ("-pivot up", ("-pivot", "'up'", "sample")),
        ("-misset_seed x -N 5", ("-misset_seed", "'x'")),
        ("-stol nowhere.stol", ("-stol", "nowhere.stol")),
        ("-threads -1", ("-threads", "'-1'")),
        ("-threads 1.5", ("-threads", "'1.5'")),
        ("-precision single", ("-precision", "double or mixed")),
        ("-noise_rng quick", ("-noise_rng", "exact or fast")),
        ("-device cuda:x", ("-device", "'cuda:x'", "cuda:NUMBER")),
        ("-device tpu", ("-device", "'tpu'")),
        ("-trace_pixel 3", ("-trace_pixel", "two whole numbers")),
        ("-trace_pixel -3 4", ("-trace_pixel", "'-3'")),
        ("-quirks nonsense", ("-quirks", "nonsense")),
        ("-config nowhere.toml", ("nowhere.toml",)),
        ("-hkl 'a", ("command line", "quotes")),
    ],
)
def test_mistakes_are_one_sentence_that_names_what_is_wrong(words: str, names: tuple[str, ...]) -> None:
    with pytest.raises(InputError) as caught:
        parse_words(words)
    for name in names:
        assert name in str(caught.value)


def test_stol_files_are_accepted_and_have_no_effect(tmp_path: Path) -> None:
    file = tmp_path / "water.stol"
    file.write_text("0.1 2.5\n")
    assert (
        parse_words(["-stol", str(file), "-stolout", "x", "-coherent", "-density", "1.2", "-MW", "18"]).warnings == ()
    )


# ---- what is asked of the program -------------------------------------------------------------------------


def test_what_only_a_command_line_can_say(tmp_path: Path) -> None:
    """Files that are no fields of a run; of several the last counts, as everywhere."""
    (tmp_path / "a.toml").write_text("threads = 3\n")
    config, other = str(tmp_path / "a.toml"), "nowhere.toml"
    words = ["-config", other, "-write_config", "x", "-trace_json", "-nopgm", "-write_config", "y", "-config", config]
    request = request_of([*words, "-N", "5"])
    assert (request.config, request.write_config, request.trace_json) == (config, "y", "-nopgm")
    assert (request.tell, request.completion, request.view) == (None, None, None)
    assert request.run is not None
    assert (request.run.threads, request.run.output.pgmfile) == (3, "image.pgm")
    assert request.run.experiment.crystal.cells == (5, 5, 5)


@pytest.mark.parametrize(
    ("words", "asked"),
    [
        ("-h", ("help", None, None)),
        ("-lambda x -help --devices", ("help", None, None)),
        ("-hkl --help", ("help", None, None)),
        ("-threads -h", ("help", None, None)),
        ("--version -threads --help", ("help", None, None)),
        ("-completion zsh -h -trace_pixel", ("help", None, None)),
        ("--devices -N", ("devices", None, None)),
        ("-pngfile --devices", ("devices", None, None)),
        ("--version", ("version", None, None)),
        ("-lambda x --version --devices", ("version", None, None)),
        ("view --version", ("version", None, None)),
        ("-completion zsh", (None, "zsh", None)),
        ("-N five -completion bash -completion fish", (None, "fish", None)),
        ("view", (None, None, ())),
        ("view a.img -h --version", (None, None, ("a.img", "-h", "--version"))),
        ("view a.img --devices", (None, None, ("a.img", "--devices"))),
    ],
)
def test_something_else_than_a_run(words: str, asked: tuple[object, ...]) -> None:
    """Help comes whatever else is wrong on the line; nothing is simulated with it."""
    request = request_of(words.split())
    assert (request.tell, request.completion, request.view) == asked
    assert request.run is None


@pytest.mark.parametrize("words", ["-completion", "-completion zsh -threads", "-threads", "-N 3 view -trace_pixel 1"])
def test_options_of_ours_with_too_few_words(words: str) -> None:
    with pytest.raises(InputError, match=f"{words.split()[-1 if words[-1] != '1' else -2]}: found too few words"):
        request_of(words.split())


SETTABLE = set(PLACES)
ASKABLE = {field.name for field in fields(Request)} | {"quirks", "help", "devices", "detectors", "version"}


@pytest.mark.parametrize("option", ALL_OPTIONS, ids=lambda option: option.names[0])
def test_options_set_fields_of_a_run_or_ask_for_something(option: Option) -> None:
    """Messages and the documentation read the table: a field that is none would lead users astray."""
    assert {re.sub(r"\.\d$", "", target) for target in option.sets} <= SETTABLE
    idle = option.action in (actions.ignore, actions.check_readable)
    assert idle == (option.asks in ASKABLE if option.asks else not option.sets and not option.convention)


# ---- ours -------------------------------------------------------------------------------------------------


def test_our_options() -> None:
    run = parse_words("-threads 4 -precision mixed -noise_rng fast -trace_pixel 5 6 -device auto -quirks none")
    assert (run.threads, run.precision, run.output.noise_rng) == (4, "mixed", "fast")
    assert run.trace_pixel == (5, 6)
    assert run.experiment.quirks == "none"


def test_our_options_never_match_inside_a_word_of_an_old_command_line() -> None:
    run = parse_words("-x-threads 4")
    assert run.threads == 0


@pytest.mark.parametrize("option", OWN_OPTIONS, ids=lambda option: option.names[0])
def test_our_words_contain_no_key_of_the_original(option: Option) -> None:
    """Else the original's scan of a mixed command line would see something else in them."""
    for word in option.whole:
        assert not any(row.matches(word) for row in OPTIONS)


def test_config_values_come_first_and_words_override_them(tmp_path: Path) -> None:
    file = tmp_path / "run.toml"
    file.write_text(
        "threads = 3\n[beam]\nwavelength = 1.1\nflux = 1e12\n[detector]\nshape = [100, 200]\ndistance = 50.0\n"
        "[crystal]\ncells = 7\nsize = [0.1, 0.2, 0.3]\n[output]\npgmfile = false\n"
    )
    run = parse_words(f"-distance 80 -N 5 -energy 12000 -detsize_f 30 -fluence 1e20 -config {file}")
    beam, crystal, detector = run.experiment.beam, run.experiment.crystal, run.experiment.detector
    assert run.threads == 3
    assert (beam.wavelength, beam.energy) == (None, 12000.0)
    assert (beam.fluence, beam.flux) == (1e20, None)
    assert (detector.distance, detector.shape, detector.size) == (80.0, (100, None), (None, 30.0))
    assert (crystal.cells, crystal.size) == ((5, 5, 5), None)
    assert run.output.pgmfile is None
    assert run.experiment.crystal.dump is None


def test_help_names_every_option_with_its_subject() -> None:
    text = help_text()
    for row in ALL_OPTIONS:
        assert row.names[0] in text
    for sample in ("Å (1.0)", "mm (100)", "Fdump.bin", "degrees (0)", "Beam:", "Output:"):
        assert sample in text
    assert max(map(len, text.splitlines())) <= 120
