"""A copy of the engine with line tables, and from samples of it to lines of its source."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from nanobragg_bench import BenchError

_HERE = Path(__file__).resolve().parent
Frame = tuple[str, int]
"""name of a file, line"""


@dataclass(frozen=True)
class Instruments:
    """What is sampled, and what samples it."""

    core: Path
    sampler: Path


def _run(command: Sequence[str | Path], text: str | None = None) -> str:
    words = [str(word) for word in command]
    try:
        done = subprocess.run(words, input=text, capture_output=True, text=True, check=False)
    except OSError as error:
        raise BenchError(f"{words[0]}: {error.strerror}, expected it to be installed") from error
    if done.returncode != 0:
        lines = (done.stderr.strip() or done.stdout.strip() or "no message").splitlines()
        telling = next((line for line in lines if "rror" in line), lines[-1])
        raise BenchError(f"{words[0]}: found exit status {done.returncode}, expected 0; it said: {telling}")
    return done.stdout


def _tool(name: str) -> str | None:
    """Beside this Python, or on the path."""
    return shutil.which(name, path=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]))


def build(repository: Path, folder: Path, compiler: str) -> Instruments:
    """Build what is needed, or what changed since it was built in that folder.

    The options are those of ``CMakeLists.txt`` for a release, and line tables, which do not change the code. (DWARF 4:
    binutils name the wrong file for some lines of GCC's DWARF 5.)

    Raises:
        BenchError: when CMake, pybind11 or the compiler is missing or fails.

    """
    try:
        import pybind11
    except ImportError as error:
        raise BenchError("pybind11: found no such Python package, expected it to be installed") from error
    cmake = _tool("cmake") or "cmake"
    ninja = _tool("ninja")
    make = ["-G", "Ninja", f"-DCMAKE_MAKE_PROGRAM={ninja}"] if ninja else []
    # A release would be stripped.
    options = {
        "CMAKE_CXX_COMPILER": compiler,
        "CMAKE_BUILD_TYPE": "RelWithDebInfo",
        "CMAKE_CXX_FLAGS_RELWITHDEBINFO": "-O3 -DNDEBUG -g1 -gdwarf-4",
        "NANOBRAGG_TESTS": "OFF",
        "NANOBRAGG_CUDA": "OFF",
        "Python_EXECUTABLE": sys.executable,
        "pybind11_DIR": pybind11.get_cmake_dir(),
    }
    folder.mkdir(parents=True, exist_ok=True)
    _run([cmake, "-S", repository, "-B", folder, *make, *(f"-D{name}={value}" for name, value in options.items())])
    _run([cmake, "--build", folder, "--target", "_core", "--parallel", str(os.cpu_count() or 1)])
    return Instruments(next(folder.glob("_core*.so")), build_sampler(folder, compiler))


def build_sampler(folder: Path, compiler: str) -> Path:
    """Build the library that samples.

    Raises:
        BenchError: when the compiler is missing or fails.

    """
    sampler = folder / "sampler.so"
    _run([compiler, "-O1", "-shared", "-fPIC", "-o", sampler, _HERE / "sampler.cpp"])
    return sampler


def frames_of(core: Path, addresses: Iterable[int]) -> dict[int, list[Frame]]:
    """The lines that each address comes from: the innermost inlined function's first, its callers' after it.

    Raises:
        BenchError: when addr2line is missing or fails.

    """
    asked = sorted(addresses)
    if not asked:
        return {}
    found: dict[int, list[Frame]] = {}
    text = "".join(f"{address:#x}\n" for address in asked)
    for line in _run(["addr2line", "-a", "-i", "-e", core], text).splitlines():
        if line.startswith("0x"):
            current = found.setdefault(int(line, 16), [])
            continue
        path, _, number = line.split(" ")[0].rpartition(":")  # "(discriminator 2)" may follow
        current.append((Path(path).name, int(number) if number.isdigit() else 0))
    return found
