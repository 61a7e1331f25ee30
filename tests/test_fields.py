"""The rows of the fields: what is written once must fit what stands elsewhere: options, annotations, documentation."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest

from nanobragg.errors import InputError
from nanobragg.inputs.option import Option
from nanobragg.inputs.options import ALL_OPTIONS
from nanobragg.records import kinds
from nanobragg.records.around import Around, Material
from nanobragg.records.experiment import Beam, Crystal, Detector, Experiment, Move, Panel, Sampling
from nanobragg.records.fields import Place, assembled, checked, own_places, places
from nanobragg.records.kinds import Kind
from nanobragg.records.response import Response
from nanobragg.records.run import Output, Run
from nanobragg.records.shapes import SHAPES, CrystalShape

RECORDS = (Beam, Crystal, Panel, Move, Detector, Sampling, Material, Around, Response, Experiment, Output, Run)
PLACES = {place.name: place for place in places(Run)}

ANNOTATIONS = {
    kinds.NUMBER: "float",
    kinds.NOT_NEGATIVE: "float",
    kinds.POSITIVE: "float",
    kinds.FRACTION: "float",
    kinds.DEPTH: "float",
    kinds.WHOLE: "int",
    kinds.NATURAL: "int",
    kinds.FLAG: "bool",
    kinds.NAME: "str",
    kinds.VECTOR: "Vector",
    kinds.ANGLES: "Vector | Literal['random']",
    kinds.CELL: "Sequence[float]",
    kinds.CELLS: "float | tuple[float, float, float]",
    kinds.SIZES: "float | tuple[float | None, float | None, float | None]",
    kinds.TWO_WHOLE: "tuple[int | None, int | None]",
    kinds.TWO_NUMBERS: "tuple[float | None, float | None]",
    kinds.REGION: "tuple[int, int, int, int]",
    kinds.PIXEL: "tuple[int, int]",
    kinds.INPUT_FILE: "str | os.PathLike[str]",
    kinds.CACHE_FILE: "str | os.PathLike[str]",
    kinds.FILE_OR_ARRAY: "PathOrArray",
    kinds.OUTPUT_FILE: "str | None",
    kinds.RASTER: "tuple[int, int]",
    kinds.EDGES: "float | tuple[float, float]",
    kinds.REGIONS: "tuple[tuple[int, int, int, int], ...]",
    kinds.ELEMENT: "tuple[int, ...]",
    kinds.DEVICE: "str",
    kinds.RINGS: "str",
}
"""What type checkers, and readers, are told of a field of a kind. Those of choices have names of their own."""


def _sets(option: Option) -> set[str]:
    """The fields that the table says an option sets; of an element of a field, the field."""
    return {".".join(field.split(".")[:2]) for field in option.sets}


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.__name__)
def test_every_field_has_a_row(record: type) -> None:
    """Else it could be neither read from TOML nor checked."""
    rows = {place.name for place in own_places(record)}
    parts = {"beam", "crystal", "detector", "sampling", "around", "response", "experiment", "output"}
    others = {"warnings", "parse_quirks"} if record is Run else set()
    assert {f.name for f in fields(record)} - (parts - rows) == rows | others


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.__name__)
def test_annotations_say_what_the_kinds_take(record: type) -> None:
    """A script that satisfies the type checker must not be refused when it runs."""
    annotations = {f.name: str(f.type) for f in fields(record)}
    for place in own_places(record):
        expected = ANNOTATIONS.get(place.row.kind)
        if place.row.kind.record is not None:
            expected = f"tuple[{place.row.kind.record.__name__}, ...]"
        if expected is None:
            assert place.row.kind.words, place.name
        else:
            optional = " | None" if place.row.default is None and not expected.endswith("| None") else ""
            assert annotations[place.name] == expected + optional, place.name


def test_every_option_that_a_row_names_sets_its_field() -> None:
    """Messages name it as the one to look at."""
    by_name = {name: option for option in ALL_OPTIONS for name in option.names}
    for place in PLACES.values():
        if place.row.option:
            option = by_name[place.row.option]
            assert place.name in _sets(option), place.name


def test_every_field_that_an_option_gives_a_value_names_one() -> None:
    for option in ALL_OPTIONS:
        for field in _sets(option):
            if option.values:
                assert PLACES[field].row.option, (option.names, field)


def test_help_and_notebooks_know_every_field() -> None:
    for record in RECORDS:
        for place in own_places(record):
            assert f"    {place.name}: {place.row.description}" in (record.__doc__ or ""), place.name
    assert "distance: Sample to detector along the beam, mm (100)." in (Detector.__doc__ or "")


def test_names_of_shapes_are_those_of_the_enumeration() -> None:
    assert get_args(CrystalShape) == tuple(SHAPES)
    assert PLACES["crystal.shape"].row.kind.words == tuple(SHAPES)


# ---- kinds ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "value", "read"),
    [
        (kinds.NUMBER, np.float32(0.5), 0.5),
        (kinds.NUMBER, 3, 3.0),
        (kinds.DEPTH, float("inf"), float("inf")),
        (kinds.WHOLE, np.uint8(3), 3),
        (kinds.FLAG, np.True_, True),
        (kinds.VECTOR, np.array([1, 2, 3]), (1.0, 2.0, 3.0)),
        (kinds.ANGLES, "random", "random"),
        (kinds.CELLS, [1, 2, 3], (1, 2, 3)),
        (kinds.CELLS, np.float64(2.5), 2.5),
        (kinds.SIZES, (None, 0.1, None), (None, 0.1, None)),
        (kinds.FILE_OR_ARRAY, Path("a"), Path("a")),
        (kinds.OUTPUT_FILE, None, None),
        (kinds.RINGS, "3,2.5", "3,2.5"),
    ],
)
def test_values_are_read(kind: Kind, value: Any, read: Any) -> None:
    found = kind.checked(value, "field")
    assert found == read
    assert type(found) is type(read)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (kinds.NUMBER, True),
        (kinds.NUMBER, np.True_),
        (kinds.NUMBER, "1"),
        (kinds.NUMBER, 1j),
        (kinds.NUMBER, np.array([1.0])),
        (kinds.NUMBER, float("nan")),
        (kinds.NUMBER, float("inf")),
        (kinds.NUMBER, 10**400),
        (kinds.NOT_NEGATIVE, -1),
        (kinds.POSITIVE, 0),
        (kinds.FRACTION, 1.01),
        (kinds.DEPTH, float("nan")),
        (kinds.WHOLE, 1.0),
        (kinds.WHOLE, True),
        (kinds.WHOLE, 2**64),
        (kinds.NATURAL, -1),
        (kinds.FLAG, 1),
        (kinds.VECTOR, "123"),
        (kinds.VECTOR, {1: 1, 2: 2, 3: 3}),
        (kinds.VECTOR, (1, 2)),
        (kinds.VECTOR, (1, None, 2)),
        (kinds.ANGLES, "randomly"),
        (kinds.FILE_OR_ARRAY, 3),
        (kinds.OUTPUT_FILE, False),
        (kinds.RINGS, "3,,2"),
        (kinds.RINGS, "1_0"),
        (kinds.RINGS, "-3"),
        (kinds.RINGS, "1e999"),
        (kinds.RINGS, ""),
        (kinds.DEVICE, "gpu"),
    ],
)
def test_other_values_are_refused_in_one_sentence(kind: Kind, value: Any) -> None:
    with pytest.raises(InputError) as caught:
        kind.checked(value, "-option (field)", "mm")
    assert str(caught.value).startswith("-option (field): found ")
    assert f"expected {kind.expected} (mm)" in str(caught.value)


# ---- records ----------------------------------------------------------------------------------------------


def test_messages_name_the_option_the_field_and_the_unit() -> None:
    with pytest.raises(InputError) as caught:
        checked(Run, Run(output=Output(scale="a")))  # type: ignore[arg-type]
    assert str(caught.value) == "-scale (output.scale): found 'a', expected a finite number"
    with pytest.raises(InputError) as caught:
        checked(Experiment, Experiment(detector=Detector(distance=float("nan"))))
    assert str(caught.value) == "-distance (detector.distance): found nan, expected a finite number (mm)"
    with pytest.raises(InputError) as caught:
        checked(Run, Run(threads=-1))
    assert str(caught.value) == "-threads: found -1, expected a whole number, 0 or more"


def test_a_record_of_another_type_is_named() -> None:
    with pytest.raises(InputError, match="experiment: found 3, expected an Experiment"):
        checked(Experiment, 3)
    with pytest.raises(InputError, match=r"beam: found Crystal\(.*expected a Beam"):
        checked(Run, Run(experiment=Experiment(beam=Crystal())))  # type: ignore[arg-type]


def test_a_record_that_is_right_stays_the_same_object() -> None:
    """Checks are made for every image of a series."""
    run = Run()
    assert checked(Run, run) is run


def test_records_are_assembled_from_names() -> None:
    run = assembled(Run, {"threads": 3, "quirks": "none", "beam.energy": 9000.0, "output.seed": 5})
    assert (run.threads, run.experiment.quirks, run.experiment.beam.energy, run.output.seed) == (3, "none", 9000.0, 5)
    assert [place.value(run) for place in (PLACES["beam.energy"], PLACES["threads"])] == [9000.0, 3]
    assert all(place.value(Run()) == place.row.default for place in PLACES.values())


def test_messages_and_descriptions_are_whole() -> None:
    """Descriptions are put together from pieces, for the schema, the reference and ``help``."""

    def said(place: Place) -> str:
        return place.row.description

    assert said(PLACES["beam.energy"]) == "Photon energy, eV; instead of the wavelength."
    assert said(PLACES["sampling.phi_steps"]) == "Steps of the rotation (1)."
    assert said(PLACES["crystal.fudge"]) == "Scale of the spots' radius; not of square crystals."
    assert PLACES["crystal.fudge"].row.summary == "scale of the spots' radius (1); not of square crystals"
    assert all(said(place).endswith(".") and ".." not in said(place).replace("...", "") for place in PLACES.values())
