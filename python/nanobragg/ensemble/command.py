"""``nanobragg ensemble``: many shots of one experiment, in files (``specs/ensembles.md``)."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from nanobragg.cluster.client import check_one_of, workers_said
from nanobragg.errors import InputError

if TYPE_CHECKING:
    from nanobragg.ensemble.plan import Draw, Plan
    from nanobragg.ensemble.shot import Maker


class Word(NamedTuple):
    """An option of the command."""

    help: str
    value: str = ""
    """What follows it; empty: nothing."""


WORDS = {
    "-o": Word("where all files go", "FOLDER"),
    "-workers": Word("processes of this machine, one core each; default: all cores; 1: none besides this one", "N"),
    "-scheduler": Word("have the workers of a running Dask scheduler do it", "ADDRESS"),
    "-dry_run": Word("show ten drawn shots, and about how much time and space all will take"),
    "-status": Word("say how far the ensemble in the folder has come"),
    "-schema": Word("print the JSON schema of such files, for editors"),
}
USAGE = (
    """usage: nanobragg ensemble SET.toml -o FOLDER [options]

Makes the shots that the file's table [ensemble] describes: HDF5 files of images (NXmx), a master file that shows all of
them, tables of what was drawn, and checksums. Shot i depends on the file and i alone: the files are the same whatever
the workers. The same command goes on where another one was stopped.

"""
    + "".join(f"  {name + ' ' + word.value:<20} {word.help}\n" for name, word in WORDS.items())
    + "\nOptions may begin with two dashes, too. The table and the files are described in specs/ensembles.md.\n"
)
PROBED = 10
"""Shots of which one must be an experiment, or the file is wrong."""
SHOWN = 10
"""Shots of a dry run."""


@dataclass
class _Request:
    file: str | None = None
    folder: str | None = None
    workers: int | None = None
    scheduler: str | None = None
    dry_run: bool = False
    status: bool = False
    schema: bool = False


def ensemble(words: Sequence[str]) -> int:
    """Carry out ``nanobragg ensemble`` with the words after it, and give the exit status.

    Raises :class:`InputError` for wrong words, a wrong file, and files that cannot be read or written.
    """
    if not words or any(word in ("-h", "--help", "-help") for word in words):
        print(USAGE, end="")
        return 0 if words else 9
    request = _parsed(words)
    if request.schema:
        from nanobragg.ensemble.schema import text

        print(text(), end="")
        return 0
    if request.status:
        return _tell_status(_said(request.folder, "-o FOLDER"))
    from nanobragg.ensemble.reading import read_ensemble

    plan = read_ensemble(_said(request.file, "SET.toml"))
    for note in plan.notes:
        print(note)
    if request.dry_run:
        return _dry_run(plan)
    return _make(plan, _said(request.folder, "-o FOLDER"), request)


def _said(value: str | None, what: str) -> str:
    if value is None:
        raise InputError(f"ensemble: found no {what}, expected nanobragg ensemble SET.toml -o FOLDER")
    return value


def _parsed(words: Sequence[str]) -> _Request:
    request = _Request()
    rest = list(words)
    while rest:
        word = rest.pop(0)
        name = word[1:] if word.startswith("--") else word
        if not word.startswith("-"):
            if request.file is not None:
                raise InputError(f"ensemble: found {request.file!r} and {word!r}, expected one file")
            request.file = word
        elif name not in WORDS:
            raise InputError(f"ensemble: found the option {word!r}, expected a file, {', '.join(WORDS)}")
        elif not WORDS[name].value:
            setattr(request, name[1:], True)
        elif not rest:
            raise InputError(f"{name}: found too few words after it, expected {WORDS[name].value}")
        else:
            value = rest.pop(0)
            key = {"-o": "folder"}.get(name, name[1:])
            setattr(request, key, workers_said(value) if name == "-workers" else value)
    check_one_of(request.workers, request.scheduler)
    return request


# ---- the work -----------------------------------------------------------------------------------------------


def _make(plan: Plan, path: str, request: _Request) -> int:
    from nanobragg.ensemble.engine import make_files, make_files_with_dask
    from nanobragg.ensemble.folder import Folder
    from nanobragg.ensemble.progress import FileProgress
    from nanobragg.ensemble.shot import Maker
    from nanobragg.ensemble.shot_file import file_count, nominal_of, shots_of
    from nanobragg.io.support.extras import need

    for package in ("h5py", "hdf5plugin"):
        need(package, "ensemble")
    nominal = nominal_of(plan)
    maker = Maker(plan)
    first = probe(maker)
    _tell_factors(maker, first)
    folder = Folder(path, plan)
    missing, files = folder.missing(), file_count(plan)
    if len(missing) < files:
        print(f"{files - len(missing)} of {files} files are there")
    devices = () if request.scheduler else devices_of(plan.run.device, first)
    workers = 1 if request.scheduler else _number_of_workers(request.workers, len(missing), len(devices))
    if workers > 1 and devices:
        print(f"{workers} processes on {', '.join(devices[:workers])}")
    shots = sum(len(shots_of(plan, number)) for number in missing)
    with FileProgress(files, files - len(missing), shots, shown=plan.run.progress) as progress:
        made = (plan, path, folder.identity, missing, lambda number: progress(len(shots_of(plan, number))))
        if missing and (request.scheduler or workers > 1):
            make_files_with_dask(*made, workers=workers, scheduler=request.scheduler, devices=devices)
        elif missing:
            make_files(*made)
    failed = folder.finish(nominal)
    for row in failed[:5]:
        print(f"shot {row['shot']}: {row['error']}", file=sys.stderr)
    more = f"; {len(failed)} of them failed, see shots.csv" if failed else ""
    print(f"{plan.settings.shots} shots in {files} file{'s' if files > 1 else ''} in {path}{more}")
    return 0


def devices_of(device: str, first: Draw) -> tuple[str, ...]:
    """The CUDA devices that the shots are rendered on; none where the processors render them.

    Args:
        device: as the file says.
        first: a shot, for ``auto``, which chooses by the work.

    """
    from nanobragg.rendering.cuda_system import cuda_system
    from nanobragg.rendering.devices import choose_device
    from nanobragg.resolver.resolve import resolve

    if device == "auto":
        device = choose_device(device, resolve(first.experiments[0]).scene).name.partition(":")[0]
    if device != "cuda":
        return () if device == "cpu" else (device,)
    return tuple(f"cuda:{found.number}" for found in cuda_system().devices)


def _number_of_workers(said: int | None, files: int, devices: int) -> int:
    """As said, or one for each device, or core, where Dask is installed; never more than files."""
    if said is not None:
        return max(min(said, files), 1)
    from importlib.util import find_spec

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    workers = max(min(devices or cores, files), 1)
    if workers > 1 and find_spec("distributed") is None:
        print("one process: no package distributed (pip install 'nanobragg[ensemble]')")
        return 1
    return workers


def probe(maker: Maker) -> Draw:
    """The first shot with a crystal that is an experiment; where there is none, any; else the first one's error.

    Raises :class:`InputError`: what is wrong with all of some shots is wrong with the file.
    """
    first, blank = None, None
    for number in range(min(PROBED, maker.plan.settings.shots)):
        found = _checked(maker, number)
        if isinstance(found, InputError):
            first = first or found
        elif found.crystals:
            return found
        else:
            blank = blank or found
    if first is None and blank is not None:
        return blank
    assert first is not None
    raise first


def _tell_factors(maker: Maker, first: Draw) -> None:
    """Say where every shot computes its own structure factors, which takes longer than all else that it needs."""
    from nanobragg.resolver.resolve import resolve

    one = first.experiments[0] if first.crystals else None
    name = None if one is None else one.crystal.structure_factors
    if one is None or not isinstance(name, (str, os.PathLike)):
        return
    for number in range(first.number + 1, min(first.number + PROBED, maker.plan.settings.shots)):
        began = time.perf_counter()
        found = _checked(maker, number)
        seconds = time.perf_counter() - began
        if isinstance(found, InputError) or not found.crystals:
            continue
        other = found.experiments[0]
        if name == other.crystal.structure_factors and resolve(one).scene.f_grid is not resolve(other).scene.f_grid:
            each = f"{seconds / found.crystals:.2g} s"
            print(
                f"{os.fspath(name)}: structure factors are computed anew for each shot ({each}), since the wavelength, "
                "resolution or cell that they are for is drawn (crystal.sf_dmin keeps the resolution)"
            )
        return


def _checked(maker: Maker, number: int) -> Draw | InputError:
    """A shot that is an experiment, or why it is none."""
    from nanobragg.resolver.resolve import resolve
    from nanobragg.resolver.response import detector_model

    try:
        draw = maker.plan.draw(number)
        for experiment in draw.experiments:
            detector_model(resolve(experiment))
    except InputError as error:
        return error
    return draw


def _tell_status(folder: str) -> int:
    from nanobragg.ensemble.folder import status_of

    found = status_of(folder)
    failed = f", {found.failed} of them failed" if found.failed else ""
    state = "finished" if found.finished else "not finished"
    print(
        f"{folder}: {found.files}/{found.all_files} files, {found.shots}/{found.all_shots} shots{failed}, "
        f"{found.bytes / 1e6:.3g} MB, {state}"
    )
    return 0


# ---- a dry run ------------------------------------------------------------------------------------------------


def _dry_run(plan: Plan) -> int:
    from nanobragg.ensemble.progress import duration
    from nanobragg.ensemble.shot import Maker

    maker = Maker(plan, threads=1)
    for number in range(min(SHOWN, plan.settings.shots)):
        found = _checked(maker, number)
        print(f"shot {number}: {found}" if isinstance(found, InputError) else _shown(found))
    draw = probe(maker)
    _tell_factors(maker, draw)
    maker.made(draw)  # reads the files
    began = time.perf_counter()
    shot = maker.made(draw)
    seconds = (time.perf_counter() - began) * plan.settings.shots
    size = _compressed(shot.image.data) * plan.settings.shots
    print(
        f"{plan.settings.shots} shots like shot {draw.number}: about {duration(seconds)} on one core, "
        f"{size / 1e9:.3g} GB of images"
    )
    return 0


def _shown(draw: Draw) -> str:
    """What was drawn, on one line for the shot and one for each crystal."""
    count = f"{draw.crystals} crystal{'s' if draw.crystals != 1 else ''}"
    lines = [f"shot {draw.number}: {', '.join([count, *_values(draw.parameters)])}"]
    lines += [f"    crystal {i}: {', '.join(_values(own))}" for i, own in enumerate(draw.of_crystals) if own]
    return "\n".join(lines)


def _values(parameters: dict[str, Any]) -> list[str]:
    return [f"{name} = {_value(value)}" for name, value in parameters.items()]


def _value(value: object) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(_value(part) for part in value)}]"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _compressed(pixels: Any) -> int:
    """Bytes of an image in a file."""
    from nanobragg.io.support.extras import need

    h5py, plugin = need("h5py", "-dry_run"), need("hdf5plugin", "-dry_run")
    with h5py.File("none", "w", driver="core", backing_store=False) as file:
        data = file.create_dataset("data", data=pixels, chunks=pixels.shape, **plugin.Bitshuffle(cname="lz4"))
        return data.id.get_storage_size()
