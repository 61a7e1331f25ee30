"""Running the two programs: whole processes by the launcher, our engine by the worker."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nanobragg_bench import BenchError

_HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Job:
    """A command, the folder it runs in, and what it adds to the environment."""

    command: Sequence[str]
    folder: Path
    threads: int = 1


@dataclass(frozen=True)
class Usage:
    """What a process used."""

    seconds: float
    processor_seconds: float
    """all threads together"""
    peak_memory_bytes: int


def run_processes(jobs: Sequence[Job]) -> list[Usage]:
    """Run commands one after another.

    Raises:
        BenchError: when one fails.

    """
    request = [
        {
            "command": [str(word) for word in job.command],
            "folder": str(job.folder),
            "environment": {"OMP_NUM_THREADS": str(job.threads)},
        }
        for job in jobs
    ]
    answers = _ask([sys.executable, "-I", "-S", str(_HERE / "launcher.py")], request, None)
    for job, answer in zip(jobs, answers, strict=True):
        if answer["status"] != 0:
            words = " ".join(map(str, job.command))
            raise BenchError(f"{words}: found exit status {answer['status']}, expected 0; it said: {answer['tail']}")
    return [
        Usage(*(answer[name] for name in ("seconds", "processor_seconds", "peak_memory_bytes"))) for answer in answers
    ]


def run_process(job: Job) -> Usage:
    """Run one command."""
    return run_processes([job])[0]


def ask_worker(folder: Path, do: str, **arguments: Any) -> Any:
    """One answer of :mod:`nanobragg_bench.worker`, run in ``folder``."""
    return _ask([sys.executable, "-m", "nanobragg_bench.worker"], {"do": do, **arguments}, folder)


def ask_profiler(folder: Path, **arguments: Any) -> Any:
    """One answer of :mod:`nanobragg_bench.profiler`, run in ``folder``."""
    return _ask([sys.executable, "-m", "nanobragg_bench.profiler"], arguments, folder)


def _ask(command: list[str], request: Any, folder: Path | None) -> Any:
    path = os.pathsep.join(filter(None, (str(_HERE.parent), os.environ.get("PYTHONPATH"))))
    done = subprocess.run(
        command,
        input=json.dumps(request),
        capture_output=True,
        text=True,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path},
        check=False,
    )
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or ["no message"]
        raise BenchError(f"{command[-1]}: found exit status {done.returncode}, expected 0; it said: {lines[-1]}")
    return json.loads(done.stdout)


def our_program() -> list[str]:
    """The ``nanobragg`` of this Python."""
    program = Path(sys.executable).parent / "nanobragg"
    return [str(program)] if program.exists() else [sys.executable, "-m", "nanobragg"]


def original_program(name: str | None) -> str | None:
    """The original's executable, absolute.

    Raises:
        BenchError: when there is none of that name.

    """
    if not name:
        return None
    path = Path(name).resolve()
    if not os.access(path, os.X_OK) or path.is_dir():
        raise BenchError(f"--c-bin (or NB_C_BIN): found {name!r}, expected the executable of nanoBragg.c")
    return str(path)
