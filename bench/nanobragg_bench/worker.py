"""Our engine, measured in a process of its own: one JSON request on standard input, one answer on standard output."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nanobragg.rendering import RenderResult
    from nanobragg.resolve import Resolved
    from nanobragg.scene import Scene


def _resolved(words: list[str]) -> Resolved:
    from nanobragg import resolve
    from nanobragg.words import parse_words

    return resolve(parse_words(words).experiment)


def _timed(work: Callable[[], object], at_least: float, at_most: int) -> list[float]:
    """Seconds of each run, for at least so many seconds or at most so many runs."""
    times: list[float] = []
    while not times or (sum(times) < at_least and len(times) < at_most):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return times


def peak_memory() -> int:
    """Most memory that this process ever held, bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return 1024 * int(line.split()[1])
    raise RuntimeError("/proc/self/status: found no line VmHWM, expected a Linux kernel")


def evaluations(scene: Scene) -> int:
    """Pixels x subpixels x layers x sources x orientations."""
    x0, x1, y0, y1 = scene.roi
    pixels = max(0, x1 - x0 + 1) * max(0, y1 - y0 + 1)
    terms = len(scene.layers) * len(scene.source_wavelength) * len(scene.orientations)
    return pixels * scene.oversample**2 * terms


def middle(roi: tuple[int, int, int, int], edge: int) -> tuple[int, int, int, int]:
    """At most ``edge`` pixels squared in the middle of a region of interest."""
    x0, x1, y0, y1 = roi
    wide, high = min(edge, x1 - x0 + 1), min(edge, y1 - y0 + 1)
    left, low = x0 + (x1 - x0 + 1 - wide) // 2, y0 + (y1 - y0 + 1 - high) // 2
    return left, left + wide - 1, low, low + high - 1


def render(
    words: list[str], precision: Any, threads: int, image: str | None, at_least: float, at_most: int
) -> dict[str, Any]:
    """Time the rendering alone; keep the image as bare floats if it has a name."""
    from nanobragg.rendering import render_scene

    scene = _resolved(words).scene
    # Threads are made and code is paged in by a first image of one pixel.
    render_scene(replace(scene, roi=(0, 0, 0, 0)), precision=precision, threads=threads)
    last: list[RenderResult] = []

    def once() -> None:
        last.clear()  # never two images at a time
        last.append(render_scene(scene, precision=precision, threads=threads))

    times = _timed(once, at_least, at_most)
    peak = peak_memory()
    if image is not None:
        last[0].image.tofile(image)
    return {"seconds": times, "peak_memory_bytes": peak}


def facts(words: list[str]) -> dict[str, Any]:
    """What the command line comes to, without rendering."""
    scene = _resolved(words).scene
    return {
        "evaluations": evaluations(scene),
        "pixels": scene.shape[0] * scene.shape[1],
        "shape": list(scene.shape),
        "roi": list(scene.roi),
        "order_dependent": len(scene.first_orientations) > 0,
    }


def reference(words: list[str], budget: float, image: str) -> dict[str, Any]:
    """What the scalar reference renderer makes of the middle of the image."""
    from nanobragg.rendering import render_scene

    scene = _resolved(words).scene
    x0, x1, y0, y1 = scene.roi
    per_pixel = evaluations(scene) / ((x1 - x0 + 1) * (y1 - y0 + 1))
    roi = middle(scene.roi, max(4, int((budget / per_pixel) ** 0.5)))
    # A stale orientation of the run's first evaluation belongs to the first pixel of the whole image.
    first = scene.first_orientations if (roi[0], roi[2]) == (x0, y0) else scene.first_orientations[:0]
    render_scene(replace(scene, roi=roi, first_orientations=first), renderer="reference").image.tofile(image)
    return {"roi": list(roi)}


def excuse(words: list[str], precision: str, pixels: list[list[int]]) -> list[bool]:
    """Whether a parity test leaves out each pixel (slow, fast)."""
    from nanobragg_bench.parity import excusable

    scene = _resolved(words).scene
    return [excusable(scene, slow, fast, precision) for slow, fast in pixels]


def noise(words: list[str], image: str, rng: Any, seed: int, threads: int, file: str) -> dict[str, Any]:
    """Time the noise image made from the float image in a file, and writing it."""
    import numpy as np

    from nanobragg.io.smv import write_smv
    from nanobragg.noise import poisson_noise

    resolved = _resolved(words)
    pixels = np.fromfile(image, np.float32).reshape(resolved.scene.shape)
    started = time.perf_counter()
    noisy = poisson_noise(pixels, seed=seed, rng=rng, threads=threads)
    drawn = time.perf_counter()
    write_smv(file, noisy.pixels, resolved)
    written = time.perf_counter()
    # Numbers of photons: the sum of many draws is near the sum of their means.
    small = pixels < 60000
    expected = float(pixels[small].sum(dtype=float))
    counted = float(noisy.pixels[small].sum(dtype=float)) - 40.0 * int(small.sum())
    return {
        "seconds": written - started,
        "drawing_seconds": drawn - started,
        "deviation": abs(counted - expected) / max(1.0, expected) ** 0.5,
        "pixels": pixels.size,
        "peak_memory_bytes": peak_memory(),
    }


def read(file: str, kind: str, at_least: float, at_most: int) -> dict[str, Any]:
    """Time the reading of structure factors."""
    import numpy as np

    from nanobragg.io.hkl import read_dump, read_hkl

    reader = read_dump if kind == "dump" else read_hkl
    factors = reader(file)
    total, shape = float(np.sum(factors.grid)), list(factors.grid.shape)
    del factors
    times = _timed(lambda: reader(file), at_least, at_most)
    return {"seconds": times, "sum": total, "shape": shape, "peak_memory_bytes": peak_memory()}


def cache(file: str, dump: str) -> dict[str, Any]:
    """Make a cache of a text file."""
    from nanobragg.io.hkl import read_hkl, write_dump

    write_dump(dump, read_hkl(file))
    return {}


COMMANDS: dict[str, Callable[..., Any]] = {
    "render": render,
    "facts": facts,
    "reference": reference,
    "excuse": excuse,
    "noise": noise,
    "read": read,
    "cache": cache,
}

if __name__ == "__main__":
    request = json.load(sys.stdin)
    print(json.dumps(COMMANDS[request.pop("do")](**request)))
