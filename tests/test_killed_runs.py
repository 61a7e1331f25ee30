"""Runs that are killed leave whole files or none, and nothing else (``specs/formats.md``, "Others")."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
from pathlib import Path

import h5py
import pytest

from nanobragg.errors import InputError
from nanobragg.io.support import atomic
from nanobragg.io.support.atomic import atomic_write
from nanobragg.io.support.hdf5_file import new_hdf5

KILLS = """
import os, random, signal, sys, time
from nanobragg.cli import main

draw = random.Random(7)
with open("F.hkl", "w") as file:
    file.writelines(f"{h} {k} {l} {10 + h + k + l}\\n" for h in range(30) for k in range(30) for l in range(30))


def run(folder):
    os.makedirs(folder, exist_ok=True)
    os.chdir(folder)
    sys.stdout = open(os.devnull, "w")
    words = "-hkl ../F.hkl -cell 80 80 80 90 90 90 -N 5 -lambda 1 -distance 100 -detpixels 200 -seed 1 -threads 1"
    words += " -floatfile f.bin -intfile i.cbf -noisefile n.h5 -pgmfile p.pgm -pngfile p.png -truthfile t.h5"
    assert main(words.split()) == 0


def forked(folder):
    child = os.fork()
    if not child:
        run(folder)
        os._exit(0)
    return child


began = time.monotonic()
os.waitpid(forked("whole"), 0)
seconds = time.monotonic() - began
for number in range(30):
    child = forked(str(number))
    time.sleep(draw.uniform(0.0, 1.1 * seconds))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
"""


def test_runs_killed_at_any_moment_leave_whole_files_and_no_others(tmp_path: Path) -> None:
    """Batch systems kill; what lies there afterwards is taken for a result, or fills the disk."""
    subprocess.run([sys.executable, "-c", KILLS], cwd=tmp_path, check=True, timeout=300)
    whole = {path.name: path.stat().st_size for path in (tmp_path / "whole").iterdir()}
    assert sorted(whole) == ["Fdump.bin", "f.bin", "i.cbf", "n.h5", "p.pgm", "p.png", "t.h5"]
    seen = []
    for number in range(30):
        for path in (tmp_path / str(number)).glob("*") if (tmp_path / str(number)).exists() else ():
            assert path.name in whole
            assert path.stat().st_size == whole[path.name]
            seen.append(path.name)
        assert not [*(tmp_path / str(number)).glob(".*")]
    assert 10 < len(seen) < 30 * len(whole) - 10, "runs were killed too early or too late to tell"


def test_what_is_being_written_has_no_name(tmp_path: Path) -> None:
    """Neither a new file nor one that replaces another, nor what HDF5 writes by itself."""
    new, old = tmp_path / "new", tmp_path / "old"
    old.write_bytes(b"old")
    for path in (new, old):
        before = sorted(os.listdir(tmp_path))
        with atomic_write(path) as file:
            file.write(b"x" * 100_000)
            file.flush()
            assert sorted(os.listdir(tmp_path)) == before
        assert path.read_bytes() == b"x" * 100_000
    with new_hdf5(tmp_path / "image.h5") as hdf5:
        hdf5["data"] = range(1000)
        hdf5.flush()
        assert sorted(os.listdir(tmp_path)) == ["new", "old"]
    with h5py.File(tmp_path / "image.h5") as hdf5:
        assert hdf5["data"][999] == 999
    assert sorted(os.listdir(tmp_path)) == ["image.h5", "new", "old"]


@pytest.mark.parametrize("unknown", ["open", "link"])
def test_file_systems_that_know_only_names_are_written_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unknown: str
) -> None:
    """NFS has no files without a name, and some systems of permissions forbid links."""

    def refuse(*arguments: object, **keywords: object) -> int:
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    monkeypatch.setattr(atomic.os, unknown, refuse)
    path = tmp_path / "result"
    for content in (b"one", b"another"):
        with atomic_write(path) as file:
            file.write(content)
        assert path.read_bytes() == content
        assert os.listdir(tmp_path) == ["result"]
        path.chmod(0o640)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    with new_hdf5(path) as hdf5:
        hdf5["data"] = 3
    assert path.read_bytes()[1:4] == b"HDF"
    assert os.listdir(tmp_path) == ["result"]
    with pytest.raises(InputError, match="cannot be written"), atomic_write(tmp_path / "missing" / "result"):
        pass
    assert os.listdir(tmp_path) == ["result"]
