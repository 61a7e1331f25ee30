"""Running nanoBragg.c and nanobragg on the same words, each in a folder of its own."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nanobragg.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from nanobragg.records.run import Run

_READ_AND_UNUSED = ("-stol", "-4stol", "-Q")


@dataclass(frozen=True, kw_only=True)
class Finished:
    """A program that has ended."""

    command: tuple[str, ...]
    folder: Path
    status: int
    """Exit status, negative: the signal that ended it."""
    seconds: float
    """wall clock"""
    output: str
    """standard output and standard error"""


def find_original(given: str | None) -> str:
    """The original program: ``given``, else the environment variable ``NB_C_BIN``.

    Raises:
        InputError: when there is none, or it cannot be run.

    """
    name = given or os.environ.get("NB_C_BIN")
    if not name:
        raise InputError("--c-bin: found no original program, expected --c-bin FILE or NB_C_BIN in the environment")
    path = shutil.which(name)
    if path is None:
        where = "--c-bin" if given else "NB_C_BIN"
        raise InputError(f"{where}: found {name!r}, expected an executable program")
    return os.path.abspath(path)


def refuse_own_words(words: Sequence[str]) -> None:
    """Raise :class:`InputError` when words that nanoBragg.c does not know are among those for both programs."""
    from nanobragg.inputs.options import OWN

    for word in words:
        if word in OWN:
            raise InputError(f"{word}: found after --, but nanoBragg.c has no such option, expected its options only")


def run_original(original: str, words: Sequence[str], folder: Path, timeout: float | None = None) -> Finished:
    """Run the original in ``folder``, in one thread unless ``OMP_NUM_THREADS`` says otherwise.

    Built with OpenMP, it has a stale orientation in each thread, so that its images depend on their number.
    Raises :class:`InputError` when it cannot be started.
    """
    return run_program([original, *words], folder, timeout, {"OMP_NUM_THREADS": "1", **os.environ})


def run_program(
    command: Sequence[str], folder: Path, timeout: float | None = None, environment: dict[str, str] | None = None
) -> Finished:
    """Run ``command`` in ``folder``, by default in this process's environment.

    Raises :class:`InputError` when it cannot be started.
    """
    began = time.perf_counter()
    try:
        done = subprocess.run(
            list(command),
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=timeout,
            check=False,
        )
        status, output = done.returncode, done.stdout
    except subprocess.TimeoutExpired as error:
        status, output = 124, (error.stdout or b"") + b"\n(stopped: too slow)\n"
    except OSError as error:
        raise InputError(f"{command[0]}: cannot be run ({error.strerror}), expected a program") from error
    seconds = time.perf_counter() - began
    return Finished(
        command=tuple(command),
        folder=folder,
        status=status,
        seconds=seconds,
        output=output.decode("utf-8", "backslashreplace"),
    )


def ours(words: Sequence[str], *, quirks: str, threads: int, precision: str) -> list[str]:
    """The command that runs nanobragg: options of ours in front, since some quirks look at what follows a word."""
    own = ["-quirks", quirks, "-threads", str(threads), "-precision", precision]
    return [sys.executable, "-m", "nanobragg", *own, *words]


@contextlib.contextmanager
def inside(folder: Path) -> Iterator[None]:
    """Another current folder for a while."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def prepare(folder: Path, words: Sequence[str], run: Run | None) -> list[str]:
    """Make ``folder`` a place to run ``words`` in: input files copied, folders for outputs made.

    Returns the words to run there. Input files with an absolute name, or above the current folder, are named
    absolutely; outputs that would lie outside ``folder`` lose their folder's name.
    """
    folder.mkdir(parents=True)
    changed: dict[str, str] = {}
    for name in _inputs(words, run):
        source = Path(name)
        if not source.is_file():
            continue
        if _stays_inside(name):
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
        elif not source.is_absolute():
            changed[name] = os.path.abspath(name)
    for name in _outputs(run):
        if not _stays_inside(name):
            changed[name] = Path(name).name
            if Path(name).is_file() and run is not None and name == run.experiment.crystal.dump:
                shutil.copyfile(name, folder / Path(name).name)
        else:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
    return [changed.get(word, word) for word in words]


def _stays_inside(name: str) -> bool:
    return not os.path.isabs(name) and ".." not in Path(name).parts


def _inputs(words: Sequence[str], run: Run | None) -> list[str]:
    names = [words[i + 1] for i, word in enumerate(words[:-1]) if word in _READ_AND_UNUSED]
    if run is not None:
        e = run.experiment
        given = (
            e.crystal.structure_factors,
            e.crystal.matrix,
            e.crystal.dump,
            e.detector.mask,
            e.detector.header,
            e.beam.sources,
        )
        names += [os.fspath(name) for name in given if isinstance(name, (str, os.PathLike))]
    return names


def _outputs(run: Run | None) -> list[str]:
    if run is None:
        return []
    o = run.output
    names = [name for name in (o.floatfile, o.intfile, o.pgmfile, o.noisefile) if name is not None]
    dump = run.experiment.crystal.dump
    # A cache that both programs write must not be the same file.
    return [*names, os.fspath(dump)] if dump is not None else names


def float_image(folder: Path, floatfile: str, intfile: str, *, ours: bool) -> NDArray[np.float32]:
    """The float image that a program left in ``folder``; its shape is that of the integer image's header.

    ``ours``: it was nanobragg, for which the extension decides about the format.

    Raises:
        InputError: when one of the files is missing or not what it should be.

    """
    from nanobragg.io.images import raw
    from nanobragg.io.images.formats import FLOATS, SMV, option_format
    from nanobragg.io.images.smv import read_smv_header
    from nanobragg.parity.image_files import read_image

    if ours and option_format(floatfile, floats=True) is not FLOATS:
        return read_image(folder / floatfile)
    if ours and option_format(intfile, floats=False) is not SMV:
        return raw.read(folder / floatfile, read_image(folder / intfile).shape)
    header = read_smv_header(folder / intfile)
    return raw.read(folder / floatfile, (header.nslow, header.nfast))
