"""Reading 4.7 million structure factors: text, and the cache that nanoBragg.c calls a dump."""

from __future__ import annotations

import random
import statistics
from pathlib import Path

from nanobragg_bench.comparison import Agreement
from nanobragg_bench.programs import Job, ask_worker, run_processes
from nanobragg_bench.rows import Row, Settings, median, ratios_of

LIMIT = {True: 14, False: 83}
"""Largest Miller index by ``quick``: 167^3 reflections, or 29^3."""
_PIXEL = (
    "-cell 100 100 100 90 90 90 -N 1 -lambda 1 -distance 100 -detpixels 8 -roi 0 0 0 0 -nonoise -nopgm -nointerpolate"
)
_NO_DUMP = "no_such_folder/Fdump.bin"
"""A cache that cannot be written: the original's reading is timed without it."""


def write_reflections(path: Path, limit: int) -> float:
    """Write ``h k l F`` for all indices up to ``limit``; the sum of all F, added as NumPy adds them."""
    import numpy as np

    draw = random.Random(1)
    indices = range(-limit, limit + 1)
    factors = []
    with path.open("w") as file:
        for h in indices:
            lines = []
            for k in indices:
                for ell in indices:
                    factor = f"{draw.expovariate(0.01):.2f}"
                    factors.append(float(factor))
                    lines.append(f"{h} {k} {ell} {factor}\n")
            file.writelines(lines)
    return float(np.sum(np.array(factors).reshape((2 * limit + 1,) * 3)))


def measure_reading(settings: Settings) -> list[Row]:
    """Rows for text and cache. The original's times are less that of its run with a constant F."""
    folder = settings.scratch / "read_hkl"
    folder.mkdir(parents=True)
    settings.say("read_hkl: writing the reflections")
    limit = LIMIT[settings.quick]
    total = write_reflections(folder / "big.hkl", limit)
    ask_worker(folder, "cache", file="big.hkl", dump="Fdump.bin")
    original: dict[str, list[float]] = {"text": [], "dump": []}
    ours: dict[str, list[float]] = {"text": [], "dump": []}
    sums: dict[str, float] = {}
    peaks: dict[str, int] = {}
    for pair in range(settings.repeat):
        settings.say(f"read_hkl: pair {pair + 1}")
        if settings.original is not None and pair % 2 == 0:
            _original(settings.original, folder, original)
        for kind, name in (("text", "big.hkl"), ("dump", "Fdump.bin")):
            answer = ask_worker(folder, "read", file=name, kind=kind, at_least=settings.at_least, at_most=5)
            ours[kind].append(statistics.median(answer["seconds"]))
            sums[kind], peaks[kind] = answer["sum"], answer["peak_memory_bytes"]
        if settings.original is not None and pair % 2 == 1:
            _original(settings.original, folder, original)
    count = (2 * limit + 1) ** 3
    return [
        Row(
            case="read_hkl",
            what="read_hkl",
            variant=kind,
            threads=1,
            seconds=statistics.median(ours[kind]),
            original_seconds=median(original[kind]),
            ratios=ratios_of(original[kind], ours[kind]),
            evaluations=count,
            peak_memory_bytes=peaks[kind],
            agreement=Agreement("what was written", count, 0 if sums[kind] == total else count),
            note="evaluations are reflections",
        )
        for kind in ("text", "dump")
    ]


def _original(program: str, folder: Path, times: dict[str, list[float]]) -> None:
    words = [program, *_PIXEL.split()]
    nothing, text, dump = run_processes(
        [
            Job([*words, "-default_F", "1", "-dump", _NO_DUMP], folder),
            Job([*words, "-hkl", "big.hkl", "-dump", _NO_DUMP], folder),
            Job([*words, "-dump", "Fdump.bin"], folder),
        ]
    )
    times["text"].append(text.seconds - nothing.seconds)
    times["dump"].append(dump.seconds - nothing.seconds)
