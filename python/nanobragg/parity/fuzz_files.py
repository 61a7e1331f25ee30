"""Damaged files of every format that is read: each is used, or refused in one sentence.

    python -m nanobragg.parity.fuzz_files --minutes 60 --seed 1

A file may cost 10 s of processor time and 2 GB; nothing but :class:`InputError` may come of it, and nothing may be
printed to the error stream. Whatever else happens is counted by its kind and kept with the file and the command line.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import json
import math
import os
import random
import resource
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nanobragg.errors import InputError
from nanobragg.io.support.apart import heed
from nanobragg.parity.cases import AGREE, DIFFERENT
from nanobragg.parity.damage import damaged
from nanobragg.parity.file_samples import BESIDE, samples
from nanobragg.parity.usage import Parser

if TYPE_CHECKING:
    from nanobragg.parity.file_samples import Sample
    from nanobragg.records.scene import Scene

SECONDS, BYTES = 10, 2 * 1000**3
"""Processor time and address space that a file may cost."""
_WAIT = 1000
"""s; a file that takes so long by the clock waits for something, also where others keep the processors busy"""
_BATCH = 400
"""Files for each process."""
_KEPT = 3
"""Files of each kind of finding."""
_MOST_PIXELS = 1_000_000
"""Pixels of an image that is refined."""
_LONGEST_SENTENCE = 800


@dataclass
class Tally:
    """What became of the files."""

    read: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    slowest: dict[str, float] = field(default_factory=dict)
    findings: Counter[str] = field(default_factory=Counter)

    @property
    def count(self) -> int:
        """Files tried."""
        return self.read.total() + self.refused.total() + self.findings.total()


class Case:
    """A damaged file and the command line that reads it; the same for the same seed and number."""

    def __init__(self, seed: int, number: int, known: list[Sample]) -> None:
        draw = random.Random(f"{seed}:{number}")
        self.sample = known[number % len(known)]
        self.content = damaged(draw, self.sample, known)
        self.words = draw.choice(self.sample.ways).replace("{}", self.sample.name).split()


# ---- one file ---------------------------------------------------------------------------------------------


def read(words: Sequence[str]) -> None:
    """Read the file that a command line names, and make of it all that precedes the image.

    Raises :class:`InputError` as the command does.
    """
    if words[0] == "nonbragg":
        _nonbragg(words[1:])
    elif words[0] == "noisify":
        from nanobragg.inputs.noisify_words import parse_noisify
        from nanobragg.resolver.noisify import resolve_noisify

        run = parse_noisify(words[1:])
        if run is not None:
            resolve_noisify(run)
    elif words[0] == "ensemble":
        _ensemble(words[1])
    elif words[:2] == ["refine", "-spots"]:
        _spots(words[2])
    elif words[0] == "refine":
        _refine(words[1])
    elif words[0] == "add":
        from nanobragg.program.add import add

        add(words[1:])
    else:
        _nanobragg(words)


def _nonbragg(words: Sequence[str]) -> None:
    from nanobragg.inputs.nonbragg_words import parse_nonbragg
    from nanobragg.io.images.companion_smv import read_companion_header, read_companion_pixels
    from nanobragg.resolver.nonbragg import resolve_nonbragg

    run = parse_nonbragg(words)
    if run is None:
        return
    resolve_nonbragg(run)
    if run.image is not None:
        read_companion_pixels(read_companion_header(run.image, substring=True), as_said=True)


def _ensemble(name: str) -> None:
    """The shots that decide whether an ensemble is one, and what its files say besides."""
    from nanobragg.ensemble.command import probe
    from nanobragg.ensemble.reading import read_ensemble
    from nanobragg.ensemble.shot import Maker
    from nanobragg.ensemble.shot_file import file_count, nominal_of
    from nanobragg.resolver.resolve import resolve

    plan = read_ensemble(name)
    nominal_of(plan)
    file_count(plan)
    for experiment in probe(Maker(plan, threads=1)).experiments:
        _check_finite(resolve(experiment).scene)


def _spots(name: str) -> None:
    """Which pixels of an image are compared."""
    from nanobragg.records.experiment import Crystal, Detector, Experiment
    from nanobragg.refinement.choice import chosen
    from nanobragg.refinement.settings import Settings
    from nanobragg.resolver.resolve import resolve

    crystal = Crystal(cell=(50, 50, 70, 90, 90, 90), cells=2, default_F=1)
    raster = Detector(shape=(20, 24), pixel_size=1, distance=100)
    chosen(resolve(Experiment(crystal=crystal, detector=raster)), np.ones((20, 24), bool), Settings(spots=name))


def _refine(name: str) -> None:
    """What is refined of shots without photons, and the file that says it again."""
    from nanobragg.refinement.request import read_request
    from nanobragg.refinement.series_file import series_text
    from nanobragg.refinement.settings import settings_of
    from nanobragg.refinement.shot import Shot
    from nanobragg.resolver.resolve import resolve

    request = read_request(name, {})
    settings = settings_of("refine", request.how)
    series_text(request, [run.experiment for run in request.runs], "again.toml")
    for number, run in enumerate(request.runs[:2]):
        shape = resolve(run.experiment).scene.image_shape
        if math.prod(shape) > _MOST_PIXELS:  # the image that is refined would be as large
            continue
        nothing = np.zeros(shape)
        Shot(
            run.experiment,
            nothing,
            request.free,
            request.common,
            settings.of_shot(number, len(request.runs)),
            threads=1,
        )


def _nanobragg(words: Sequence[str]) -> None:
    from nanobragg.inputs.toml import write_config
    from nanobragg.inputs.words import request_of
    from nanobragg.program.summary import summary
    from nanobragg.program.view import view
    from nanobragg.resolver.resolve import resolve
    from nanobragg.resolver.response import detector_model

    request = request_of(words)
    if request.view is not None:
        view(request.view)
    elif request.run is not None:
        if request.config is not None:
            write_config(request.run, "again.toml", request.config)
        resolved = resolve(request.run.experiment)
        _check_finite(resolved.scene)
        detector_model(resolved)
        summary(resolved, None)


def _check_finite(scene: Scene) -> None:
    """Raises :class:`ArithmeticError` for numbers that no image can be made of."""
    arrays = {"structure factors": scene.f_grid, "orientations": scene.orientations}
    arrays["detector"] = np.array([(panel.origin, panel.fast, panel.slow) for panel in scene.panels])
    for what, array in arrays.items():
        if not np.isfinite(array).all():
            raise ArithmeticError(f"{what} that are not finite")


# ---- the process that reads them --------------------------------------------------------------------------


class _Reader:
    """Reads files in a process of its own, where what libraries print and take can be seen."""

    def __init__(self, seed: int, known: list[Sample], folder: Path) -> None:
        self._seed, self._known, self._folder = seed, known, folder
        self._errors = os.memfd_create("stderr")
        os.dup2(self._errors, 2)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os.chdir(folder)
        for name, content in BESIDE.items():
            (folder / name).write_bytes(content)
        warnings.simplefilter("always")
        for kind in (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning):
            warnings.simplefilter("ignore", kind)  # as Python does without options
        heed(signal.SIGXCPU, signal.SIGALRM)
        resource.setrlimit(resource.RLIMIT_AS, (BYTES, BYTES))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

    def outcome(self, number: int) -> dict[str, object]:
        """What becomes of the file of that number."""
        from nanobragg.resolver.memory import FILES

        case = Case(self._seed, number, self._known)
        path = self._folder / case.sample.name
        path.unlink(missing_ok=True)
        path.write_bytes(case.content)
        self._forget_damage(case.sample)
        began = time.process_time()
        resource.setrlimit(resource.RLIMIT_CPU, (int(began) + SECONDS + 1, resource.RLIM_INFINITY))
        signal.alarm(_WAIT)
        found, refused = self._found(case.words)
        signal.alarm(0)
        path.unlink(missing_ok=True)  # what stands beside an image is read with it
        FILES.forget()
        return {"number": number, "found": found, "refused": refused, "seconds": time.process_time() - began}

    def _forget_damage(self, sample: Sample) -> None:
        """What HDF5 says while a file is damaged, or what is left of that is forgotten, says nothing of its reader."""
        if sample.kind == "hdf5":
            gc.collect()
        sys.stderr.flush()
        os.ftruncate(self._errors, 0)
        os.lseek(self._errors, 0, os.SEEK_SET)

    def _found(self, words: Sequence[str]) -> tuple[str, bool]:
        """What is wrong, if anything, and whether the file was refused."""
        found, refused = "", False
        try:
            read(words)
        except InputError as error:
            refused = True
            found = _wrong_sentence(str(error))
        except BaseException as error:
            found = _described(error)
        sys.stdout.flush()
        sys.stderr.flush()
        printed = os.pread(self._errors, 2000, 0)
        return found or (f"printed: {printed.decode('utf-8', 'replace')}" if printed else ""), refused


def _wrong_sentence(text: str) -> str:
    if not text.strip() or len(text) > _LONGEST_SENTENCE or "\n" in text:
        return f"no sentence: {text[:200]!r}"
    return ""


def _described(error: BaseException) -> str:
    """The exception, and where in our code it came up."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "nanobragg" in frame.filename and "parity" not in frame.filename]
    place = f"{Path(ours[-1].filename).name}, {ours[-1].name}" if ours else "nowhere of ours"
    return f"{type(error).__name__} in {place}: {str(error)[:300]}"


def _read_files(seed: int, known: list[Sample], folder: Path, numbers: range, pipe: int) -> None:
    """The work of the process: a line for each file."""
    reader = _Reader(seed, known, folder)
    with os.fdopen(pipe, "w") as lines:
        for number in numbers:
            print(json.dumps(reader.outcome(number)), file=lines, flush=True)


def _outcomes(seed: int, known: list[Sample], folder: Path, numbers: range) -> Generator[dict[str, object]]:
    """Outcomes of files, from processes that begin anew after a while, and where one has ended before its time."""
    while numbers:
        here, there = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                os.close(here)
                _read_files(seed, known, folder, numbers[:_BATCH], there)
            finally:
                os._exit(0)
        os.close(there)
        done = numbers[:_BATCH]
        try:
            with os.fdopen(here) as lines:
                for line in lines:
                    done = done[1:]
                    yield json.loads(line)
        except GeneratorExit:
            os.kill(child, signal.SIGKILL)
            raise
        finally:
            _, status = os.waitpid(child, 0)
        if done:
            yield {"number": done[0], "found": _ended(status), "refused": False, "seconds": 0.0}
            done = done[1:]
        numbers = range(done.start if done else numbers[:_BATCH].stop, numbers.stop)


def _ended(status: int) -> str:
    if not os.WIFSIGNALED(status):
        return f"the process ended with status {os.waitstatus_to_exitcode(status)}"
    number = os.WTERMSIG(status)
    if number in (signal.SIGXCPU, signal.SIGALRM):
        return f"took more than {SECONDS if number == signal.SIGXCPU else _WAIT} s"
    return f"the process was killed by {signal.Signals(number).name}"


# ---- the program ------------------------------------------------------------------------------------------


def main(argv: Sequence[str] | None = None) -> int:
    """Run the fuzzer with ``argv`` (default: the process's arguments) and give its exit status."""
    parser = Parser(prog="python -m nanobragg.parity.fuzz_files", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--count", type=int, default=1_000_000_000, help="files (no limit)")
    parser.add_argument("--minutes", type=float, default=1.0, help="stop after this time (1)")
    parser.add_argument("--seed", type=int, default=1, help="the same seed damages files in the same ways (1)")
    parser.add_argument("--first", type=int, default=0, help="number of the first file (0)")
    parser.add_argument("--formats", default="", help="those whose names hold this word (all)")
    parser.add_argument("--outdir", default="nb_fuzz_files", help="where findings go (nb_fuzz_files)")
    options = parser.parse_args(argv)
    known = [sample for sample in samples() if options.formats.lower() in sample.format.lower()]
    if not known:
        parser.error(f"--formats: found {options.formats!r}, expected a part of the name of a format")
    with tempfile.TemporaryDirectory(prefix="nb_fuzz_") as scratch:
        tally = _fuzz(options, known, Path(scratch))
    _report(tally)
    return DIFFERENT if tally.findings else AGREE


def _fuzz(options: argparse.Namespace, known: list[Sample], folder: Path) -> Tally:
    tally, end = Tally(), time.monotonic() + 60.0 * options.minutes
    numbers = range(options.first, options.first + options.count)
    with contextlib.closing(_outcomes(options.seed, known, folder, numbers)) as outcomes:
        for outcome in outcomes:
            number, found, seconds = int(str(outcome["number"])), str(outcome["found"]), float(str(outcome["seconds"]))
            name = known[number % len(known)].format
            tally.slowest[name] = max(seconds, tally.slowest.get(name, 0.0))
            if found:
                _keep(options, known, number, found, tally)
            else:
                (tally.refused if outcome["refused"] else tally.read)[name] += 1
            if time.monotonic() > end:
                break
    return tally


def _keep(options: argparse.Namespace, known: list[Sample], number: int, found: str, tally: Tally) -> None:
    """Count a finding by its format and kind, and keep the first files."""
    from nanobragg.io.support.atomic import atomic_write

    case = Case(options.seed, number, known)
    kind = f"{case.sample.format}: {found.partition(': ')[0] if 'Error in' in found else found[:120]}"
    tally.findings[kind] += 1
    if tally.findings[kind] > _KEPT:
        return
    folder = Path(options.outdir) / f"{options.seed}_{number}"
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in ((case.sample.name, case.content), *BESIDE.items()):
        with atomic_write(folder / name) as file:
            file.write(content)
    with atomic_write(folder / "finding.json") as file:
        file.write((json.dumps({"args": " ".join(case.words), "found": found}, indent=1) + "\n").encode())
    print(f"{folder}: {case.sample.format}: nanobragg {' '.join(case.words)}\n  {found}", flush=True)


def _report(tally: Tally) -> None:
    for name in sorted(tally.slowest):
        slowest = f"{tally.slowest[name]:5.2f} s at most"
        print(f"{name:28} {tally.read[name]:7} read {tally.refused[name]:7} refused   {slowest}")
    for kind, count in tally.findings.most_common():
        print(f"{count:7} x {kind}")
    print(f"{tally.count} files, {tally.findings.total()} of them neither read nor refused in one sentence")


if __name__ == "__main__":
    sys.exit(main())
