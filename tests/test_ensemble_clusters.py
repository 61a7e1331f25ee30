"""`nanobragg ensemble` on machines that come and go: remote workers, SLURM, a scheduler that is killed, a full disk."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from conftest import player
from nanobragg.cli import main
from test_ensemble_files import MANY, finished, folder, run, sums, sums_of_many

pytestmark = pytest.mark.slow
__all__ = ["folder"]
GUIDE = Path(__file__).resolve().parent.parent / "docs" / "guide" / "ensembles.md"


def until(there: Callable[[], Any], seconds: float = 120) -> None:
    """Wait for something."""
    end = time.monotonic() + seconds
    while not there():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)


def begun(out: Path) -> Callable[[], bool]:
    """Whether the first of the files are there."""
    return lambda: any((out / "parts").glob("*.json"))


class Cluster:
    """Dask's own programs: a scheduler, and workers that nobody replaces."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.processes: list[subprocess.Popen[bytes]] = []
        words = ["--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", "scheduler.json"]
        self.scheduler = self._start("dask_scheduler", *words)
        said = folder / "scheduler.json"
        until(lambda: said.exists() and said.read_text().endswith("}"))
        self.address: str = json.loads(said.read_text())["address"]

    def worker(self) -> subprocess.Popen[bytes]:
        """Another one."""
        return self._start("dask_worker", self.address, "--no-nanny", "--nthreads", "1", "--no-dashboard")

    def _start(self, program: str, *words: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", f"distributed.cli.{program}", *words]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self.processes.append(subprocess.Popen(command, cwd=self.folder, **quiet))
        return self.processes[-1]


@pytest.fixture
def cluster(folder: Path) -> Iterator[Cluster]:
    """A scheduler without workers, and an ensemble that takes a while."""
    (folder / "set.toml").write_text(MANY, encoding="utf-8")
    found = Cluster(folder)
    yield found
    for process in found.processes:
        process.kill()
        process.wait()


# ---- workers and schedulers -------------------------------------------------------------------------------


def test_a_host_that_vanishes_takes_no_file_along(folder: Path, cluster: Cluster) -> None:
    """Its files are made by workers that are left, and by one that came later; the bytes are the same."""
    lost, _ = cluster.worker(), cluster.worker()
    process = run("set.toml", "-o", "b", "-scheduler", cluster.address)
    until(begun(folder / "b"))
    lost.kill()
    assert process.poll() is None
    cluster.worker()
    finished(process)
    assert sums(folder / "b") == sums_of_many()


def test_a_scheduler_that_is_killed_is_a_sentence(folder: Path, cluster: Cluster) -> None:
    """No traceback of Dask's; what there is stays, and the rest is made by whoever is asked next."""
    cluster.worker()
    process = run("set.toml", "-o", "b", "-scheduler", cluster.address)
    until(begun(folder / "b"))
    cluster.scheduler.kill()
    _, errors = process.communicate(timeout=120)
    assert (process.returncode, errors.decode()) == (
        9,
        "nanobragg: -scheduler: found it gone in the middle of the work, expected it to stay; the same command goes on "
        "where it was\n",
    )
    assert not (folder / "b" / "manifest.json").exists()
    assert main(["ensemble", "set.toml", "-o", "b", "-workers", "1"]) == 0
    assert sums(folder / "b") == sums_of_many()


SBATCH = """#!/bin/sh
echo "$@" >> jobs
cp "$1" "job_$$"  # as SLURM does: dask-jobqueue takes the file away at once
setsid sh "job_$$" > /dev/null 2>&1 &
echo "Submitted batch job $!"
"""
SCANCEL = """#!/bin/sh
kill -- -"$1"
"""


def test_the_example_for_slurm_makes_the_shots(folder: Path) -> None:
    """The guide's script, with programs that start a job at once in SLURM's place, and two workers for 640."""
    found: Any = re.search(r"needs SLURM -->\n```python\n(.+?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    (folder / "slurm.py").write_text(found[1].replace("scale(640)", "scale(2)"), encoding="utf-8")
    for name, text in (("sbatch", SBATCH), ("scancel", SCANCEL)):
        (folder / name).write_text(text, encoding="utf-8")
        (folder / name).chmod(0o755)
    paths = [str(folder), str(Path(sys.executable).parent), os.environ["PATH"]]
    subprocess.run([sys.executable, "slurm.py"], check=True, timeout=120, env=os.environ | {"PATH": ":".join(paths)})
    assert len((folder / "jobs").read_text().splitlines()) == 2
    assert main(["ensemble", "set.toml", "-o", "a", "-workers", "1"]) == 0
    assert sums(folder / "a") == sums(folder / "shots")


def test_two_runs_at_once_do_not_mind_each_other(folder: Path) -> None:
    """Nor another cluster of the user's: nothing is said of ports that are taken."""
    runs = [run("set.toml", "-o", name, "-workers", "2") for name in ("a", "b", "c")]
    for process in runs:
        _, errors = process.communicate(timeout=120)
        assert (process.returncode, errors.decode()) == (0, "")
    assert sums(folder / "a") == sums(folder / "b") == sums(folder / "c")


TWO_DEVICES = """
import os
import sys
from types import SimpleNamespace


def renderer(number):
    from nanobragg import _core

    with open(os.environ["DEVICES_SEEN"], "a") as seen:
        seen.write(f"{os.getpid()} {number}\\n")
    return _core.PlayedRenderer(0, budget=1e4)


about = {"name": "Played", "capability": (9, 0), "memory": 2**34, "multiprocessors": 9, "clock_hz": 1e9}
devices = [{"number": number, "memory_bandwidth": 2e12, **about} for number in (0, 3)]
system = {"devices": devices, "reason": "", "driver": 13000, "runtime": 13000}
sys.modules["nanobragg._cuda"] = SimpleNamespace(Renderer=renderer, system=lambda: system)
"""
"""What every process of a machine with the CUDA devices 0 and 3 begins with; the CPU plays them."""


def test_each_device_has_a_worker(folder: Path) -> None:
    """On a machine of several GPUs all of them work, each for one process, and the files are the same as of one."""
    player()
    (folder / "sitecustomize.py").write_text(TWO_DEVICES, encoding="utf-8")
    (folder / "set.toml").write_text('device = "cuda"\n' + (folder / "set.toml").read_text(), encoding="utf-8")
    path = os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])

    def seen(out: str, *words: str) -> list[list[str]]:
        environment = os.environ | {"PYTHONPATH": path, "DEVICES_SEEN": str(folder / f"{out}.txt")}
        command = [sys.executable, "-m", "nanobragg", "ensemble", "set.toml", "-o", out, *words]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
        assert ("2 processes on cuda:0, cuda:3" in done.stdout) == (not words)
        return sorted((line.split() for line in (folder / f"{out}.txt").read_text().splitlines()), key=lambda x: x[1])

    together, alone = seen("two"), seen("one", "-workers", "1")
    assert [number for _, number in together] == ["0", "3"]
    assert together[0][0] != together[1][0]
    assert {number for _, number in alone} == {"0"}
    assert sums(folder / "two") == sums(folder / "one")


def test_workers_of_our_own_do_not_watch_themselves() -> None:
    """Dask's profiler takes some percent of a worker for pages that are not shown."""
    asked = ("distributed.worker.profile.enabled", "distributed.admin.tick.interval")
    code = f"""
        import dask
        from nanobragg.cluster.client import client_of

        if __name__ == "__main__":
            with client_of(1, None) as client:
                print(*(list(client.run(dask.config.get, key).values()) for key in {asked}))
        """
    said = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True, capture_output=True, text=True)
    assert said.stdout == "[False] ['1s']\n"


# ---- a full disk ------------------------------------------------------------------------------------------

FULL = """
set -e
mount -t tmpfs -o size=900k none full
status=0
"$PYTHON" -m nanobragg ensemble set.toml -o full -workers 2 2> errors > /dev/null || status=$?
test $status = 9
ls full > left
mount -o remount,size=90m full
"$PYTHON" -m nanobragg ensemble set.toml -o full -workers 2 > /dev/null
cp -r full b
"""


def may_mount() -> bool:
    """Whether a process of its own name spaces may mount a disk in memory."""
    command = ["unshare", "-rm", "sh", "-c", "mount -t tmpfs none /mnt"]
    return (
        shutil.which("unshare") is not None
        and subprocess.run(command, capture_output=True, check=False).returncode == 0
    )


@pytest.mark.skipif(not may_mount(), reason="no disk may be mounted here")
def test_a_disk_that_is_full_stops_workers_with_a_sentence(folder: Path) -> None:
    """Whoever makes room and says the command again has all the files, and none of them is half of one."""
    (folder / "set.toml").write_text(MANY, encoding="utf-8")
    (folder / "full").mkdir()
    environment = os.environ | {"PYTHON": sys.executable}
    subprocess.run(["unshare", "-rm", "sh", "-c", FULL], check=True, timeout=600, env=environment)
    errors = (folder / "errors").read_text()
    assert re.fullmatch(r"nanobragg: \S*full/\S+: cannot be written \(no space left on device\)\n", errors)
    assert "manifest.json" not in (folder / "left").read_text().split()
    assert sums(folder / "b") == sums_of_many()
