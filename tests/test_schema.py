"""The schema that editors check TOML experiments with: it must accept what the program accepts and mark mistakes."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from nanobragg.errors import InputError
from nanobragg.inputs.schema import FILE, text
from nanobragg.inputs.toml import read_config, write_config
from nanobragg.inputs.words import parse_words

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parent.parent


def _validate(document: dict[str, Any]) -> None:
    jsonschema.Draft7Validator(json.loads(FILE.read_text("utf-8"))).validate(document)


def test_the_file_is_up_to_date() -> None:
    """After a change of a field: python -m nanobragg.inputs.schema"""
    assert FILE.read_text("utf-8") == text()


def test_it_is_a_schema_whose_fields_are_described() -> None:
    found = json.loads(FILE.read_text("utf-8"))
    jsonschema.Draft7Validator.check_schema(found)
    sections = [
        found["properties"],
        *(part["properties"] for part in found["properties"].values() if "properties" in part),
    ]
    assert all(value["description"] for section in sections for value in section.values())
    assert "eV" in found["properties"]["beam"]["properties"]["energy"]["description"]
    assert found["properties"]["output"]["properties"]["adc_offset"]["default"] == 40.0


@pytest.mark.parametrize("path", sorted(ROOT.glob("examples/**/*.toml")), ids=lambda path: path.name)
def test_examples_are_valid(path: Path) -> None:
    _validate(tomllib.loads(path.read_text("utf-8")))


@pytest.mark.parametrize(
    "words",
    [
        "-cell 70 80 90 90 90 90 -default_F 1 -lambda 1 -detsize_f 30 -misset random -nopgm -nonoise",
        "-hkl a.mtz -sf_column F -N 5 -roi 1 2 3 4 -pngfile a.png -png_rings 3,2.5 -trace_pixel 1 2 -xtal_x 0.1",
        "-img a.cbf -mask m.tif -xds -detector_abs inf -noise_rng fast -precision mixed -truthfile t.h5",
    ],
)
def test_what_the_program_writes_is_valid(words: str, tmp_path: Path) -> None:
    write_config(parse_words(words), tmp_path / "run.toml")
    _validate(tomllib.loads((tmp_path / "run.toml").read_text("utf-8")))


@pytest.mark.parametrize(
    "line",
    [
        "thread = 1",
        "threads = -1",
        "quirks = 3",
        "[beam]\nwavelenght = 1.0",
        '[beam]\nwavelength = "1.0"',
        "[crystal]\ncell = []",
        '[crystal]\nmisset = "any"',
        "[detector]\nshape = [1]",
        '[detector]\nconvention = "XDS"',
        "[output]\npgmfile = true",
        "[colours]",
    ],
)
def test_mistakes_are_marked_as_the_program_refuses_them(line: str, tmp_path: Path) -> None:
    with pytest.raises(jsonschema.ValidationError):
        _validate(tomllib.loads(line))
    (tmp_path / "a.toml").write_text(line)
    with pytest.raises(InputError):
        read_config(tmp_path / "a.toml")
