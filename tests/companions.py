"""Shared by the tests of the companions nonbragg and noisify: golden cases, and running one in a folder of its own."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from conftest import GOLDEN
from nanobragg.cli import main

SHARED = GOLDEN.parent.parent / "shared"
"""Cases on the original's own tables are not part of the repository."""


class Ran(NamedTuple):
    """What came of one command line."""

    status: int
    out: str
    err: str
    folder: Path

    def floats(self, shape: tuple[int, ...], name: str = "floatimage.bin") -> np.ndarray:
        """The float image."""
        return np.fromfile(self.folder / name, np.float32).reshape(shape)

    def words(self, shape: tuple[int, ...], name: str, kind: str = "<u2") -> np.ndarray:
        """The pixels behind a header of 512 bytes."""
        return np.frombuffer((self.folder / name).read_bytes()[512:], kind).reshape(shape)

    def header(self, name: str) -> str:
        """The header of 512 bytes, up to its closing brace."""
        return (self.folder / name).read_bytes()[:512].decode().partition("}")[0] + "}"


def cases(companion: str) -> list[Any]:
    """The golden cases: those of the repository, and those beside it where they are there."""
    own = [json.loads(line) for line in (GOLDEN / companion / "cases.jsonl").read_text().splitlines()]
    params = [pytest.param(case, GOLDEN / companion, id=case["id"]) for case in own]
    beside = SHARED / f"golden-{companion}"
    if not (beside / "cases.jsonl").exists():
        return params
    names = {case["id"] for case in own}
    more = [json.loads(line) for line in (beside / "cases.jsonl").read_text().splitlines()]
    return params + [pytest.param(case, beside, id=case["id"]) for case in more if case["id"] not in names]


def case_of(companion: str, name: str) -> dict[str, Any]:
    """One golden case of the repository."""
    lines = (GOLDEN / companion / "cases.jsonl").read_text().splitlines()
    return next(case for case in map(json.loads, lines) if case["id"] == name)


class Companion:
    """Runs ``nanobragg nonbragg`` or ``noisify`` in a folder with some of their golden inputs."""

    def __init__(self, name: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.name, self.folder, self.capsys = name, folder, capsys

    def __call__(self, words: str | list[str], *files: str, source: Path | None = None, **texts: str) -> Ran:
        """Run with ``words``; ``files`` are golden inputs, ``texts`` files by stem with the extension ``.stol``."""
        for file in files:
            shutil.copyfile((source or GOLDEN / self.name) / "data" / file, self.folder / file)
        for stem, text in texts.items():
            (self.folder / f"{stem}.stol").write_text(text)
        self.capsys.readouterr()
        status = main([self.name, *(words.split() if isinstance(words, str) else words)])
        out, err = self.capsys.readouterr()
        return Ran(status, out, err, self.folder)

    def case(self, case: dict[str, Any], source: Path) -> Ran:
        """Run a golden case."""
        return self(case["args"], *(case.get("files") or []), source=source)


def pgm_pixels(path: Path, shape: tuple[int, int], scale: str) -> np.ndarray:
    """The pixels of a PGM file, whose header must be the original's."""
    data = path.read_bytes()
    head = f"P5\n{shape[1]} {shape[0]}\n# pixels scaled by {scale}\n255\n".encode()
    assert data.startswith(head)
    assert len(data) == len(head) + shape[0] * shape[1]
    return np.frombuffer(data[len(head) :], np.uint8).reshape(shape)


def printed(pattern: str, out: str) -> tuple[str, ...]:
    """The numbers of a line."""
    found = re.search(pattern, out, re.MULTILINE)
    assert found is not None, f"no line {pattern!r}"
    return tuple(text.replace("-nan", "nan") for text in found.groups())
