"""The index of the tests is up to date: whoever looks for the test of an identifier finds it (tests/README.md)."""

from __future__ import annotations

import re
import subprocess
import sys

import make_index
from conftest import GOLDEN

FILES = ("tests/test_acceptance.py", "tests/test_acceptance_more.py")


def test_the_index_is_what_the_tests_say() -> None:
    """If this fails: python tests/make_index.py."""
    assert make_index.main(["--check"]) == 0


def test_every_identifier_of_the_acceptance_tests_is_covered() -> None:
    """An acceptance test that nobody wrote must not go unnoticed."""
    listed: set[str] = set()
    for row in re.findall(r"^\| ([A-Z][A-Z0-9, -]+\d{3}) \|", (GOLDEN / "acceptance.md").read_text(), re.MULTILINE):
        listed.update(f"AT-{name.strip()}" for name in row.split(","))
    assert len(listed) > 20
    assert listed - set(make_index.identifiers()) == set()


def test_those_that_were_asked_for_are_there() -> None:
    """The suite of the field's existing port, whole."""
    ranges = {
        "GEO": 6, "SAM": 3, "ABS": 1, "STR": 4, "POL": 1, "BKG": 1, "NOISE": 1, "IO": 4, "SRC": 3, "PRE": 2, "ROI": 1,
        "FLU": 1, "STA": 1, "CLI": 9, "PARALLEL": 29,
    }  # fmt: skip
    asked = {f"AT-{name}-{n:03}" for name, last in ranges.items() for n in range(1, last + 1)} - {"AT-PARALLEL-019"}
    assert asked - set(make_index.identifiers()) == set()


def test_the_commands_select_the_tests() -> None:
    """The command next to an identifier runs its tests, those that are command lines and the others."""
    identifier = "AT-ROI-001"
    command = next(row[2] for row in make_index.identifier_rows() if row[0] == identifier)
    match = re.fullmatch(r'`pytest -k "(.*)"`', command)
    assert match is not None
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", "-k", match[1], *FILES],
        cwd=make_index.ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    kinds = make_index.identifiers()[identifier]
    assert len(re.findall("test_acceptance.py::", done.stdout)) == kinds["words"]
    assert len(re.findall("test_acceptance_more.py::", done.stdout)) >= kinds["tests"]
