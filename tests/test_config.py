"""TOML files (``specs/config.md``): a run that is written down must be the same run when it is read."""

from __future__ import annotations

import math
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nanobragg import Beam, Crystal, Detector, Experiment
from nanobragg.errors import InputError
from nanobragg.inputs.toml import read_config, write_config
from nanobragg.inputs.words import parse_words
from nanobragg.records import kinds
from nanobragg.records.detectors import DETECTOR, NAMES
from nanobragg.records.fields import Place, assembled, own_places, places
from nanobragg.records.quirks import QUIRK_NAMES
from nanobragg.records.run import Output, Run

reals = st.floats(allow_nan=False, allow_infinity=False)
wholes = st.integers(-(2**63), 2**63 - 1)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
files = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0/"), min_size=1, max_size=20)
vectors = st.tuples(reals, reals, reals)
edges = st.floats(0.0, exclude_min=True, allow_infinity=False)
resolutions = st.lists(st.floats(0.1, 100.0), min_size=1, max_size=3).map(lambda d: ",".join(map(repr, d)))

STRATEGIES: dict[kinds.Kind, st.SearchStrategy[Any]] = {
    kinds.NUMBER: reals,
    kinds.NOT_NEGATIVE: st.floats(0.0, allow_infinity=False),
    kinds.POSITIVE: st.floats(0.0, exclude_min=True, allow_infinity=False),
    kinds.FRACTION: st.floats(0.0, 1.0),
    kinds.DEPTH: st.floats(allow_nan=False),
    kinds.WHOLE: wholes,
    kinds.NATURAL: st.integers(0, 2**62),
    kinds.FLAG: st.booleans(),
    kinds.VECTOR: vectors,
    kinds.ANGLES: vectors | st.just("random"),
    kinds.FILE_OR_ARRAY: files,
    kinds.INPUT_FILE: files,
    kinds.CACHE_FILE: files,
    kinds.OUTPUT_FILE: st.none() | files,
    kinds.CELL: st.lists(reals, min_size=1, max_size=6).map(tuple),
    kinds.CELLS: wholes | reals | st.tuples(wholes, reals, wholes),
    kinds.SIZES: reals | st.tuples(*[st.none() | reals] * 3),
    kinds.TWO_WHOLE: st.tuples(st.none() | wholes, st.none() | wholes),
    kinds.TWO_NUMBERS: st.tuples(st.none() | reals, st.none() | reals),
    kinds.REGION: st.tuples(wholes, wholes, wholes, wholes),
    kinds.PIXEL: st.tuples(st.integers(0, 10**6), st.integers(0, 10**6)),
    kinds.NAME: texts,
    kinds.RINGS: st.just("auto") | resolutions,
    kinds.DEVICE: st.sampled_from(["cpu", "cuda", "cuda:1", "auto"]),
    kinds.RASTER: st.tuples(st.integers(1, 10**6), st.integers(1, 10**6)),
    kinds.EDGES: edges | st.tuples(edges, edges),
    kinds.REGIONS: st.lists(st.tuples(wholes, wholes, wholes, wholes), max_size=2).map(tuple),
    kinds.ELEMENT: st.lists(st.integers(0, 10**6), min_size=2, max_size=3).map(tuple),
    DETECTOR: st.sampled_from(list(NAMES)),
    QUIRK_NAMES: st.sampled_from(["all", "none", "all,-pix0_ignored", "stale_phi_zero"]),
}


def _strategy(place: Place) -> st.SearchStrategy[Any]:
    kind = place.row.kind
    if kind.record is not None:
        of_one = st.fixed_dictionaries({inner.name: _strategy(inner) for inner in own_places(kind.record)})
        record: Any = kind.record
        return st.none() | st.lists(of_one.map(lambda values: record(**values)), min_size=1, max_size=3).map(tuple)
    values = st.sampled_from(kind.words) if kind not in STRATEGIES else STRATEGIES[kind]
    return st.none() | values if place.row.default is None else values


runs = st.fixed_dictionaries({place.name: _strategy(place) for place in places(Run)}).map(
    lambda values: assembled(Run, values)
)


def contents(run: Run) -> str:
    """Everything in a run, floats by their digits (so that NaN equals NaN)."""
    return repr([(place.name, place.value(run)) for place in places(Run)])


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@given(run=runs)
def test_what_is_written_is_read_number_for_number(folder: Path, run: Run) -> None:
    write_config(run, "run.toml")
    assert contents(read_config("run.toml")) == contents(run)


@given(content=st.binary(max_size=80) | texts.map(str.encode))
def test_arbitrary_bytes_are_a_run_or_one_sentence(folder: Path, content: bytes) -> None:
    Path("any.toml").write_bytes(content)
    try:
        read_config("any.toml")
        sentence = "any.toml: fine"
    except InputError as error:
        sentence = str(error)
    assert "any.toml" in sentence


def test_a_command_line_written_down_is_the_same_run(folder: Path) -> None:
    run = parse_words(
        "-cell 70 80 90 75 85 95 -misset 10 20 30 -lambda 0.9 -N 5 -detpixels_x 70 -nopgm -pivot sample "
        "-detector_abs inf -roi 1 2 3 -1 -phi 0.1 -hkl a.hkl -twotheta_axis 1 0 0 -threads 2 -quirks all,-pix0_ignored"
    )
    write_config(run, "run.toml")
    assert contents(read_config("run.toml")) == contents(run)
    assert contents(parse_words("-config run.toml")) == contents(run)


def test_nothing_in_the_file_is_nothing_said(folder: Path) -> None:
    Path("empty.toml").write_text("")
    assert contents(read_config("empty.toml")) == contents(Run())


def test_numpy_and_paths_are_written_as_what_they_hold(folder: Path) -> None:
    crystal = Crystal(cell=np.array([1.0, 2.0, 3.0]), default_F=np.float32(0.5), structure_factors=Path("a.hkl"))
    write_config(Run(experiment=Experiment(crystal=crystal)), "run.toml")
    read = read_config("run.toml").experiment.crystal
    assert (read.cell, read.default_F, read.structure_factors) == ((1.0, 2.0, 3.0), 0.5, "a.hkl")


@pytest.mark.parametrize("section", ["crystal", "beam", "detector"])
def test_arrays_cannot_be_written(folder: Path, section: str) -> None:
    field = {"crystal": "structure_factors", "beam": "sources", "detector": "mask"}[section]
    part = {"crystal": Crystal, "beam": Beam, "detector": Detector}[section](**{field: np.zeros((2, 4))})
    with pytest.raises(InputError, match=rf"{section}\.{field}: found an array"):
        write_config(Run(experiment=replace(Experiment(), **{section: part})), "run.toml")
    assert not Path("run.toml").exists()


# ---- files in the file ------------------------------------------------------------------------------------


def test_input_files_are_relative_to_the_folder_of_the_file(folder: Path) -> None:
    Path("sub").mkdir()
    Path("sub/run.toml").write_text(
        '[crystal]\nstructure_factors = "a.hkl"\ndump = "F.bin"\n[output]\nfloatfile = "f.bin"\n'
    )
    run = read_config("sub/run.toml")
    assert run.experiment.crystal.structure_factors == os.path.join("sub", "a.hkl")
    assert run.experiment.crystal.dump == "F.bin"
    assert run.output.floatfile == "f.bin"


def test_files_of_a_run_written_into_another_folder_are_found_again(folder: Path) -> None:
    Path("data").mkdir()
    Path("sub").mkdir()
    absolute = str(folder / "b.mat")
    run = Run(experiment=Experiment(crystal=Crystal(structure_factors="data/a.hkl", matrix=absolute)))
    write_config(run, "sub/run.toml")
    assert "../data/a.hkl" in Path("sub/run.toml").read_text()
    crystal = read_config("sub/run.toml").experiment.crystal
    assert (crystal.structure_factors, crystal.matrix) == ("data/a.hkl", absolute)


def test_a_linked_folder_does_not_lead_astray(folder: Path) -> None:
    Path("real/deep").mkdir(parents=True)
    Path("link").symlink_to("real/deep")
    Path("a.hkl").write_text("")
    write_config(Run(experiment=Experiment(crystal=Crystal(structure_factors="a.hkl"))), "link/run.toml")
    found = read_config("link/run.toml").experiment.crystal.structure_factors
    assert os.path.samefile(str(found), "a.hkl")


# ---- mistakes ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "names"),
    [
        ("wavelength = 1", ("wavelength", "unknown")),
        ("[beem]\n", ("beem", "beam")),
        ("[beam]\nwavelenth = 1.0", ("beam.wavelenth", "did you mean wavelength?")),
        ('[detector]\npivot_as_left = "beam"', ("detector.pivot_as_left", "did you mean pivot?")),
        ('[beam]\nwavelength = "long"', ("beam.wavelength", "'long'", "a finite number (Å)")),
        ("[beam]\nwavelength = true", ("beam.wavelength", "True", "a finite number (Å)")),
        ("[beam]\ndispersion_steps = 1.5", ("beam.dispersion_steps", "1.5", "whole number")),
        ("[beam]\nround_divergence = 1", ("beam.round_divergence", "true or false")),
        ("[beam]\ndirection = [1, 2]", ("beam.direction", "three finite numbers")),
        ("beam = 5", ("beam", "section")),
        ('[crystal]\nmisset = "randomly"', ("crystal.misset", "numbers or random")),
        ("[crystal]\ncell = []", ("crystal.cell", "one to six")),
        ('[crystal]\nshape = "cube"', ("crystal.shape", "tophat or gauss_index")),
        ("[crystal]\nstructure_factors = 5", ("crystal.structure_factors", "file")),
        ("[detector]\nroi = [1, 2, 3]", ("detector.roi", "four whole numbers")),
        ("[detector]\nshape = [1, 2.5]", ("detector.shape", "unset")),
        ("[output]\nfloatfile = true", ("output.floatfile", "false")),
        ("threads = -1", ("threads", "0 or more")),
        ('precision = "half"', ("precision", "mixed")),
        ('quirks = "nonsense"', ("quirks", "nonsense")),
        ("quirks = 5", ("quirks", "all, none or names")),
        ("trace_pixel = [1]", ("trace_pixel", "two or three whole numbers")),
        ("a = ", ("TOML",)),
        ("a = " + "[" * 5000, ("TOML",)),
        ("[beam]\nwavelength = 1" + "0" * 400, ("beam.wavelength", "a finite number")),
    ],
)
def test_mistakes_name_the_file_the_key_and_what_was_expected(
    folder: Path, content: str, names: tuple[str, ...]
) -> None:
    Path("bad.toml").write_text(content)
    with pytest.raises(InputError) as caught:
        read_config("bad.toml")
    assert str(caught.value).startswith("bad.toml: ")
    for name in names:
        assert name in str(caught.value)


def test_a_value_of_the_wrong_type_is_not_written(folder: Path) -> None:
    experiment = Experiment(beam=Beam(wavelength="one"))  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"beam\.wavelength: found 'one', expected a finite number"):
        write_config(Run(experiment=experiment), "run.toml")
    assert not Path("run.toml").exists()


def test_names_that_are_no_unicode_are_not_written(folder: Path) -> None:
    with pytest.raises(InputError, match="Unicode"):
        write_config(Run(output=Output(floatfile="\udcff")), "run.toml")


def test_infinite_and_undefined_numbers(folder: Path) -> None:
    """A sensor may absorb nothing; nothing else can be infinite, and the file's line is where to say so."""
    Path("run.toml").write_text("[detector]\nattenuation_depth = inf\n")
    assert read_config("run.toml").experiment.detector.attenuation_depth == math.inf
    for value in ("nan", "inf"):
        Path("run.toml").write_text(f"[detector]\nbeam_x = {value}\n")
        with pytest.raises(InputError, match=rf"run\.toml: detector\.beam_x: found {value}, expected a finite number"):
            read_config("run.toml")


def test_experiments_have_the_same_door(folder: Path) -> None:
    experiment = Experiment.from_args("-cell 70 80 90 -default_F 5 -xds -detpixels 50 -ORGX 3")
    experiment.to_toml("e.toml")
    assert contents(Run(experiment=Experiment.from_toml("e.toml"))) == contents(Run(experiment=experiment))
