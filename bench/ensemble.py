"""What a shot of an ensemble costs besides rendering, what a second worker brings, how many tasks a scheduler takes.

    python bench/ensemble.py                      # 1024² pixels, 60 shots: processor time by part, bytes, memory
    python bench/ensemble.py --edge 256 --shots 200
    python bench/ensemble.py --edge 64 --shots 10000   # whether memory grows
    python bench/ensemble.py --workers 2          # shots per second of two workers over those of one
    python bench/ensemble.py --tasks 100000       # tasks per second of Dask's scheduler, with nothing to do in them

One thread, processor time, so that other programs on the machine disturb little; with ``--workers`` also the clock's
time, in turn with one worker, and ratios as medians over such pairs: they mean something where nothing else runs. The
crystal is that of ``examples/1orc.toml``: 30 to 60 cells along each axis, 10 mosaic domains, 20 wavelengths of SASE,
water, counts of a JUNGFRAU, mixed precision.
"""

from __future__ import annotations

import argparse
import os
import resource
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

PER_FILE = 100
"""Shots of a file, at most."""
EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
SET = """
quirks = "none"
precision = "mixed"
[beam]
wavelength = 1.3
fluence = 1e25
[crystal]
structure_factors = "{factors}"
cell = [34.77, 39.17, 48.31, 90.0, 90.0, 90.0]
mosaic_spread = 0.05
mosaic_domains = 10
water = 1.0
[detector]
shape = [{edge}, {edge}]
pixel_size = {pixel}
distance = 120.0
[sampling]
oversample = 1
[response]
preset = "{preset}"
[ensemble]
shots = {shots}
shots_per_file = {per_file}
[ensemble.crystal]
misset = {{ orientations = "uniform" }}
cells = {{ log_normal = [40, 10], least = 30, most = 60 }}
[ensemble.spectrum]
bandwidth = 0.2
spike = 0.02
wavelengths = 20
"""


class Parts:
    """Processor time of functions, which are replaced by ones that tell."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def watch(self, owner: Any, name: str, part: str) -> None:
        """Count the time of ``owner.name`` for ``part``."""
        original = getattr(owner, name)

        def told(*arguments: Any, **named: Any) -> Any:
            began = time.process_time()
            try:
                return original(*arguments, **named)
            finally:
                self.seconds[part] = self.seconds.get(part, 0.0) + time.process_time() - began

        setattr(owner, name, told)


def shares(folder: Path, edge: int, shots: int, preset: str) -> None:
    """Print what a shot costs."""
    from nanobragg.ensemble.reading import read_ensemble
    from nanobragg.ensemble.shot import Maker
    from nanobragg.ensemble.shot_file import file_count, nominal_of, write_shots
    from nanobragg.io.images.nexus import Series
    from nanobragg.rendering.renderer import Renderer
    from nanobragg.results.image import Image

    per_file = min(max(shots // 3, 1), PER_FILE)
    files = shots // per_file
    write_set(folder, edge, files * per_file, per_file, preset)
    (folder / "parts").mkdir()
    plan = read_ensemble(folder / "set.toml")
    maker, nominal = Maker(plan, threads=1), nominal_of(plan)
    write_shots(maker, nominal, str(folder), 0, "")  # reads the files, imports all that is needed
    first = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    parts = Parts()
    for owner, name, part in (
        (Renderer, "result", "render"),
        (Image, "measured", "counts"),
        (Series, "add", "compress and write"),
    ):
        parts.watch(owner, name, part)
    began = time.process_time()
    for number in range(1, file_count(plan)):
        write_shots(maker, nominal, str(folder), number, "")
    total = time.process_time() - began
    count = (files - 1) * per_file
    print(
        f"{edge} x {edge} pixels, {preset}: {1e3 * total / count:.1f} ms a shot, {count / total:.2f} shots/s of a core"
    )
    kernels = sum(parts.seconds.values())
    for part, seconds in (*parts.seconds.items(), ("all else", total - kernels)):
        print(f"  {part:<20} {1e3 * seconds / count:8.2f} ms {100 * seconds / total:6.1f} %")
    size = sum(path.stat().st_size for path in folder.glob("shots_*.h5")) / (files * per_file)
    last = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"  {size / 1e6:.2f} MB a shot; memory {first:.0f} MiB after {per_file} shots, {last:.0f} MiB after "
        f"{files * per_file}"
    )


def write_set(folder: Path, edge: int, shots: int, per_file: int, preset: str) -> None:
    """Write ``set.toml``."""
    factors = EXAMPLES / "1orc.hkl.gz"
    text = SET.format(factors=factors, edge=edge, pixel=153.6 / edge, shots=shots, per_file=per_file, preset=preset)
    (folder / "set.toml").write_text(text, encoding="utf-8")


def pairs(folder: Path, edge: int, shots: int, preset: str, workers: int, repeat: int) -> None:
    """Print what several workers bring over one, both of them Dask's."""
    per_file = max(shots // (10 * workers), 1)
    write_set(folder, edge, 10 * workers * per_file, per_file, preset)
    rates: dict[int, list[float]] = {1: [], workers: []}
    costs: dict[int, list[float]] = {1: [], workers: []}
    for number in range(repeat):
        for count in (1, workers) if number % 2 == 0 else (workers, 1):
            rate, cost = one_run(folder, f"out_{number}_{count}", count, per_file)
            rates[count].append(rate)
            costs[count].append(cost)
            print(f"{count} workers: {rate:.2f} shots/s, {1e3 * cost:.1f} ms of processors a shot", flush=True)
    gains = [many / one for one, many in zip(rates[1], rates[workers], strict=True)]
    dearer = [many / one for one, many in zip(costs[1], costs[workers], strict=True)]
    print(f"{workers} workers over one: {median(gains):.2f} times the shots ({min(gains):.2f} to {max(gains):.2f})")
    print(f"  {median(dearer):.3f} times the processors' time a shot ({min(dearer):.3f} to {max(dearer):.3f})")


def one_run(folder: Path, out: str, workers: int, per_file: int) -> tuple[float, float]:
    """Shots a second, and seconds a shot of all processes, from when each worker has made a file to the last one."""
    from nanobragg.ensemble.engine import make_files_with_dask
    from nanobragg.ensemble.folder import Folder
    from nanobragg.ensemble.reading import read_ensemble

    plan = read_ensemble(folder / "set.toml")
    place = Folder(str(folder / out), plan)
    marks: list[tuple[float, float]] = []

    def done(_: int) -> None:
        marks.append((time.perf_counter(), processor_time()))

    make_files_with_dask(plan, place.path, place.identity, place.missing(), done, workers=workers, scheduler=None)
    shots = (len(marks) - workers) * per_file
    (began, used), (ended, all_used) = marks[workers - 1], marks[-1]
    return shots / (ended - began), (all_used - used) / shots


def processor_time() -> float:
    """Seconds of this process, and of those that it started."""
    import psutil

    mine = psutil.Process()
    used = [process.cpu_times() for process in (mine, *mine.children(recursive=True))]
    return sum(times.user + times.system for times in used)


def nothing(number: int) -> int:
    """A task of which only the scheduler's share is left."""
    return number


def tasks(count: int) -> None:
    """Print how many tasks a second go through the engine's loop."""
    from nanobragg.cluster.client import client_of
    from nanobragg.ensemble.engine import TASKS_PER_WORKER, through

    with client_of(2, None) as client:
        began, used = time.perf_counter(), processor_time()
        named = ((f"task-{number}", (number,)) for number in range(count))
        found = sum(1 for _ in through(client, nothing, named, 2 * TASKS_PER_WORKER * 32))
        seconds = time.perf_counter() - began
        used = processor_time() - used
    print(f"{found} tasks in {seconds:.1f} s: {found / seconds:.0f} tasks/s; {1e3 * used / found:.2f} ms of processors")


def main() -> None:
    """Measure what the words ask for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--edge", type=int, default=1024, help="pixels along each axis")
    parser.add_argument("--shots", type=int, default=60, help="shots; a third of them are not measured")
    parser.add_argument("--preset", default="jungfrau", help="detector")
    parser.add_argument("--workers", type=int, help="measure so many workers against one instead")
    parser.add_argument("--repeat", type=int, default=3, help="pairs of runs, with --workers")
    parser.add_argument("--tasks", type=int, help="measure the scheduler with so many tasks instead")
    words = parser.parse_args()
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    if words.tasks:
        tasks(words.tasks)
        return
    with tempfile.TemporaryDirectory() as folder:
        if words.workers:
            pairs(Path(folder), words.edge, words.shots, words.preset, words.workers, words.repeat)
            return
        shares(Path(folder), words.edge, words.shots, words.preset)


if __name__ == "__main__":
    main()
