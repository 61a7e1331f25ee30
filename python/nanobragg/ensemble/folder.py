"""The folder of an ensemble: what is there, and what is written when all shots are (``specs/ensembles.md``)."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from nanobragg.ensemble.identity import identity, input_checksums, portable_text
from nanobragg.ensemble.shot_file import (
    PIXELS,
    Nominal,
    described,
    file_count,
    part_name,
    shots_name,
    shots_of,
    write_json,
)
from nanobragg.errors import InputError
from nanobragg.io.support.atomic import atomic_write, read_bytes

if TYPE_CHECKING:
    from nanobragg.ensemble.plan import Plan

ENSEMBLE, MANIFEST, SET, MASTER = "ensemble.json", "manifest.json", "set.toml", "master.h5"


class Status(NamedTuple):
    """How far an ensemble has come."""

    files: int
    all_files: int
    shots: int
    all_shots: int
    failed: int
    bytes: int
    finished: bool


def read_json(path: str) -> Any:
    """What a JSON file says; raises :class:`InputError`."""
    content = read_bytes(path)
    try:
        return json.loads(content)
    except ValueError as error:
        raise InputError(f"{path}: found no JSON, expected what an ensemble has written") from error


def status_of(folder: str) -> Status:
    """How far the ensemble of a folder has come; raises :class:`InputError` where there is none."""
    said = read_json(os.path.join(folder, ENSEMBLE))
    files = shots = failed = size = 0
    for number in range(said["files"]):
        part = done_part(folder, number, said["ensemble"])
        if part is not None:
            files, shots = files + 1, shots + len(part["shots"])
            failed += sum("error" in row for row in part["shots"])
            size += sum(file["bytes"] for file in part["files"].values())
    finished = os.path.exists(os.path.join(folder, MANIFEST))
    return Status(files, said["files"], shots, said["shots"], failed, size, finished)


def done_part(folder: str, number: int, wanted: str) -> dict[str, Any] | None:
    """The record of a file of shots of that ensemble; ``None`` where it is yet to be made."""
    path = os.path.join(folder, part_name(number))
    if not os.path.exists(path):
        return None
    part = read_json(path)
    there = all(_size(os.path.join(folder, name)) == file["bytes"] for name, file in part["files"].items())
    return part if there and part["ensemble"] == wanted else None


def _size(path: str) -> int:
    return os.path.getsize(path) if os.path.isfile(path) else -1


class Folder:
    """Where the shots of an ensemble go.

    Args:
        path: the folder; it is made where there is none.
        plan: the ensemble.

    Raises:
        InputError: for a folder with another ensemble in it, and what cannot be read or written.

    """

    def __init__(self, path: str, plan: Plan) -> None:
        self.path, self.plan = path, plan
        self.sums = input_checksums(plan)
        self.identity = identity(plan, self.sums)
        mine = {
            "nanobragg": _version(),
            "ensemble": self.identity,
            "shots": plan.settings.shots,
            "files": file_count(plan),
        }
        if os.path.exists(self._file(ENSEMBLE)):
            if read_json(self._file(ENSEMBLE)).get("ensemble") != self.identity:
                raise InputError(
                    f"{path}: found the shots of another ensemble (the file, one that it names, or nanobragg has "
                    "changed), expected an empty folder"
                )
            return
        try:
            os.makedirs(self._file("parts"), exist_ok=True)
        except OSError as error:
            raise InputError(f"{path}: cannot be made ({(error.strerror or str(error)).lower()})") from error
        text = portable_text(plan, read_bytes(plan.path).decode(), path)
        with atomic_write(self._file(SET)) as file:
            file.write(text.encode())
        write_json(self._file(ENSEMBLE), mine)

    def _file(self, name: str) -> str:
        return os.path.join(self.path, name)

    def missing(self) -> list[int]:
        """The files that are yet to be made."""
        files = range(file_count(self.plan))
        return [number for number in files if done_part(self.path, number, self.identity) is None]

    def _parts(self) -> Iterator[dict[str, Any]]:
        for number in range(file_count(self.plan)):
            yield read_json(self._file(part_name(number)))

    def _rows(self) -> Iterator[tuple[int, dict[str, Any]]]:
        for number, part in enumerate(self._parts()):
            for row in part["shots"]:
                yield number, row

    def finish(self, nominal: Nominal) -> list[dict[str, Any]]:
        """Write the tables, the master file and the manifest; gives the rows of shots that failed."""
        self._write_table("shots.csv", self._shots)
        self._write_table("crystals.csv", self._crystals)
        self._write_master(nominal)
        files = {name: file for part in self._parts() for name, file in part["files"].items()}
        for name in ("shots.csv", "crystals.csv", MASTER, SET):
            files[name] = described(self._file(name))
        failed = [row for _, row in self._rows() if "error" in row]
        manifest = {
            "nanobragg": _version(),
            "ensemble": self.identity,
            "seed": self.plan.settings.seed,
            "shots": self.plan.settings.shots,
            "failed": failed,
            "inputs": {os.path.basename(path): total for path, total in self.sums.items()},
            "files": dict(sorted(files.items())),
        }
        write_json(self._file(MANIFEST), manifest)
        return failed

    # ---- tables -------------------------------------------------------------------------------------------

    def _shots(self) -> Iterator[dict[str, Any]]:
        for number, row in self._rows():
            at = {
                "shot": row["shot"],
                "file": shots_name(number),
                "image": row["shot"] - shots_of(self.plan, number)[0],
            }
            if "error" in row:
                yield at | {"error": row["error"]}
            else:
                counts = {"crystals": len(row["crystals"]), "photons": row["photons"], "overloads": row["overloads"]}
                yield at | counts | _flat(row["parameters"])

    def _crystals(self) -> Iterator[dict[str, Any]]:
        for _, row in self._rows():
            for number, crystal in enumerate(row.get("crystals", ())):
                yield {"shot": row["shot"], "crystal": number} | _flat(crystal)

    def _write_table(self, name: str, rows: Any) -> None:
        """A CSV file of rows, which are asked for twice: all columns first."""
        import csv

        columns = list(dict.fromkeys(column for row in rows() for column in row)) or ["shot"]
        with atomic_write(self._file(name)) as file:
            writer = csv.DictWriter(_Encoded(file), columns, restval="", lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows())

    # ---- master -------------------------------------------------------------------------------------------

    def _write_master(self, nominal: Nominal) -> None:
        from nanobragg.io.images.nexus import read_frames, write_master
        from nanobragg.io.support.hdf5_file import Piece

        pieces, frames = [], []
        for number in range(file_count(self.plan)):
            name = shots_name(number)
            pieces.append(Piece(name, len(shots_of(self.plan, number))))
            frames += read_frames(self._file(name))
        write_master(self._file(MASTER), nominal.resolved, PIXELS, pieces, frames, nominal.scale)


class _Encoded:
    """A file of bytes that takes text."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def write(self, text: str) -> int:
        """Write the text in UTF-8."""
        return self._file.write(text.encode())


def _flat(values: dict[str, Any]) -> dict[str, Any]:
    """Values of several parts as columns of their own."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, (list, tuple)):
            found |= {f"{name}[{i}]": part for i, part in enumerate(value)}
        else:
            found[name] = value
    return found


def _version() -> str:
    from nanobragg import _core

    return _core.__version__
