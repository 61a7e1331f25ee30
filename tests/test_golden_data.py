"""The golden data are complete and unchanged: otherwise every parity test would prove less than it says."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

GOLDEN = Path(__file__).parent.parent / "golden_data"
FAILING = {"fail_no_hkl", "fail_no_cell", "fail_missing_hkl"}
TEXTS = {"README.md", "acceptance.md", "SHA256SUMS"}
SIZE_LIMIT = 10_000_000  # bytes: a clone stays small


def read_lines(name: str) -> list[dict[str, Any]]:
    """The objects of a JSON-lines file of the golden data."""
    return [json.loads(line) for line in (GOLDEN / name).read_text().splitlines()]


CASES = read_lines("cases.jsonl")
FACTS = {fact["id"]: fact for fact in read_lines("facts.jsonl")}


def data_files() -> dict[str, Path]:
    """Every file of the golden data but the texts, by its path in the folder."""
    paths = {path.relative_to(GOLDEN).as_posix(): path for path in GOLDEN.rglob("*") if path.is_file()}
    return {name: path for name, path in paths.items() if name not in TEXTS}


def test_no_file_was_changed_added_or_lost() -> None:
    """A changed reference image would let a wrong renderer pass."""
    listed = dict(reversed(line.split("  ", 1)) for line in (GOLDEN / "SHA256SUMS").read_text().splitlines())
    found = {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in data_files().items()}
    assert found == listed


def test_folder_stays_small() -> None:
    """Golden data over the limit would make every clone slow."""
    assert sum(path.stat().st_size for path in GOLDEN.rglob("*") if path.is_file()) < SIZE_LIMIT


def test_cases_are_all_there() -> None:
    """A lost case would leave its option untested."""
    names = [case["id"] for case in CASES]
    assert len(names) == len(set(names)) == 113
    assert set(FACTS) == set(names)
    assert len(read_lines("acceptance.jsonl")) == 342


def test_every_case_has_its_image_and_only_the_failing_have_none() -> None:
    """A case without an image would be compared with nothing."""
    without = {case["id"] for case in CASES if not (GOLDEN / f"{case['id']}.npz").exists()}
    assert without == FAILING == {name for name, fact in FACTS.items() if fact["exit"] != 0}
    images = {path.stem for path in GOLDEN.glob("*.npz")}
    assert images == set(FACTS) - FAILING


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_case_agrees_with_its_facts(case: dict[str, Any]) -> None:
    """A fact recorded for another command line would be a wrong expectation."""
    fact = FACTS[case["id"]]
    assert {key: fact.get(key) for key in case} == case
    for name in case.get("files", []):
        assert (GOLDEN / "inputs" / name).is_file()


@pytest.mark.parametrize("case", [c for c in CASES if c["id"] not in FAILING], ids=lambda case: case["id"])
def test_images_have_the_size_and_bytes_of_the_original(case: dict[str, Any]) -> None:
    """Images of another shape than the command line's would be compared pixel by wrong pixel."""
    fact = FACTS[case["id"]]
    with np.load(GOLDEN / f"{case['id']}.npz") as archive:
        images = {name: archive[name] for name in archive.files}
    shape = (fact["scene"]["spixels"], fact["scene"]["fpixels"])
    if "crop" in case:
        slow_first, slow_end, fast_first, fast_end = case["crop"]
        shape = (slow_end - slow_first, fast_end - fast_first)
    dtypes = {"float": "float32", "int": "uint16", "noise": "uint16", "pgm": "uint8"}
    assert {"float", "int"} <= set(images) <= set(dtypes)
    assert {name: (image.shape, image.dtype.name) for name, image in images.items()} == {
        name: (shape, dtypes[name]) for name in images
    }
    if "crop" not in case:
        assert hashlib.sha256(images["float"].tobytes()).hexdigest() == fact["float_sha256"]
