"""The program counter, sampled while a process renders: a request on standard input, an answer on standard output.

Runs the engine from a shared library with line tables, in place of the installed one.
"""

from __future__ import annotations

import ctypes
import importlib.util
import json
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

INTERVAL_MICROSECONDS = 1000
"""µs of CPU time between samples; the kernel makes it a tick of its own clock, 1 to 10 ms"""


def _load_core(path: str) -> Any:
    spec = importlib.util.spec_from_file_location("nanobragg._core", path)
    if spec is None or spec.loader is None:
        raise RuntimeError(f"{path}: found no extension module")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    sys.modules["nanobragg._core"] = module
    import nanobragg

    nanobragg._core = module  # type: ignore[attr-defined]
    return module


def _load_address(path: str) -> tuple[int, int]:
    """Where a shared library lies in this process: the first address, and the first behind it."""
    ranges = []
    for line in Path("/proc/self/maps").read_text().splitlines():
        words = line.split(maxsplit=5)
        if len(words) == 6 and words[5] == path:
            ranges.append([int(end, 16) for end in words[0].split("-")])
    return min(first for first, _ in ranges), max(last for _, last in ranges)


def profile(
    core: str, sampler: str, words: list[str], precision: Any, seconds: float, most_evaluations: float
) -> dict[str, Any]:
    """Render again and again for so many seconds of CPU time, at most so many evaluations at a time.

    Returns:
        ``inside``: samples by address in the library; ``elsewhere``: samples in other libraries; and what was rendered.

    """
    module = _load_core(str(Path(core).resolve()))
    from nanobragg import resolve
    from nanobragg.inputs.words import parse_words
    from nanobragg.rendering.devices import evaluations
    from nanobragg.rendering.render import render_scene
    from nanobragg_bench.worker import middle

    scene = resolve(parse_words(words).experiment).scene
    if evaluations(scene) > most_evaluations:
        x0, x1, y0, y1 = whole = scene.panels[0].region
        per_pixel = evaluations(scene) / ((x1 - x0 + 1) * (y1 - y0 + 1))
        scene = scene.cropped(middle(whole, max(16, int((most_evaluations / per_pixel) ** 0.5))))
    library = ctypes.CDLL(sampler)
    library.sampler_stop.restype = ctypes.c_size_t
    kept = ctypes.POINTER(ctypes.c_size_t)()
    render_scene(scene, precision=precision, threads=1)
    used, count = 0.0, 0
    while used < seconds or count == 0:
        started = time.process_time()
        if not library.sampler_start(ctypes.c_long(INTERVAL_MICROSECONDS)):
            raise RuntimeError("setitimer: found that the system refuses it")
        render_scene(scene, precision=precision, threads=1)
        count = library.sampler_stop(ctypes.byref(kept))
        used += time.process_time() - started
    first, behind = _load_address(str(Path(core).resolve()))
    inside = Counter(kept[i] - first for i in range(count) if first <= kept[i] < behind)
    return {
        "instruction_set": module.instruction_set(),
        "evaluations": int(evaluations(scene)),
        "inside": dict(inside),
        "elsewhere": count - sum(inside.values()),
    }


if __name__ == "__main__":
    print(json.dumps(profile(**json.load(sys.stdin))))
