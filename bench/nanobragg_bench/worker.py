"""Our engine, measured in a process of its own: one JSON request on standard input, one answer on standard output."""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nanobragg.rendering.devices import evaluations
from nanobragg_bench.tolerance_growth import beside
from nanobragg_bench.tolerance_step import within

if TYPE_CHECKING:
    from nanobragg.records.resolved import Resolved
    from nanobragg.records.scene import Scene
    from nanobragg.rendering.renderer import RenderResult
    from nanobragg.response.photons import NoiseImage

_TURNS = 32
"""orientations of a small scene, after which the first comes again"""


def _resolved(words: list[str]) -> Resolved:
    from nanobragg import resolve
    from nanobragg.inputs.words import parse_words

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


def middle(roi: tuple[int, int, int, int], edge: int) -> tuple[int, int, int, int]:
    """At most ``edge`` pixels squared in the middle of a region of interest."""
    x0, x1, y0, y1 = roi
    wide, high = min(edge, x1 - x0 + 1), min(edge, y1 - y0 + 1)
    left, low = x0 + (x1 - x0 + 1 - wide) // 2, y0 + (y1 - y0 + 1 - high) // 2
    return left, left + wide - 1, low, low + high - 1


def turned(scene: Scene, number: int) -> Scene:
    """The Scene in the orientation of that number; number 0 is the Scene's own."""
    import numpy as np

    from nanobragg.maths.rotations import rotation

    if number == 0:
        return scene
    turn = rotation(np.ones(3) / 3**0.5, np.radians(0.7 * number)).T  # orientations are rows
    return replace(scene, orientations=scene.orientations @ turn, first_orientations=scene.first_orientations[:0])


def render(
    words: list[str],
    precision: Any,
    threads: int,
    image: str | None,
    at_least: float,
    at_most: int,
    device: str = "cpu",
) -> dict[str, Any]:
    """Time the rendering alone, up to the image on the host; keep it as bare floats if it has a name."""
    from nanobragg.rendering.render import render_scene

    scene = _resolved(words).scene
    # Threads are made, code is paged in and a GPU is woken by a first image of one pixel.
    render_scene(scene.cropped((0, 0, 0, 0)), precision=precision, threads=threads, device=device)
    last: list[RenderResult] = []

    def once() -> None:
        last.clear()  # never two images at a time
        last.append(render_scene(scene, precision=precision, threads=threads, device=device))

    times = _timed(once, at_least, at_most)
    peak = peak_memory()
    if image is not None:
        last[0].image.tofile(image)
    return {"seconds": times, "peak_memory_bytes": peak, "evaluations": last[0].evaluations}


class _Last:
    """Images one after another by their numbers, from 1; the last one is kept."""

    def __init__(self, make: Callable[[int], Any]) -> None:
        self._make, self.number, self.image = make, 0, None

    def another(self) -> None:
        self.number += 1
        self.image = None  # its memory first
        self.image = self._make(self.number)


def series(
    words: list[str],
    precision: Any,
    device: str,
    host: bool,
    moving: bool,
    image: str | None,
    at_least: float,
    at_most: int,
) -> dict[str, Any]:
    """Time one image after another of one Renderer that has made some already.

    Args:
        words: the command line.
        precision: ``double`` or ``mixed``.
        device: a CUDA device.
        host: images are copied to the host, and else left on the device.
        moving: every image has an orientation of its own (:func:`turned`).
        image: name of the file for the last one, bare floats.
        at_least: seconds.
        at_most: images.

    """
    import numpy as np

    from nanobragg import Renderer

    scene = _resolved(words).scene
    renderer = Renderer(scene, device=device, precision=precision)
    make = renderer.render if host else renderer.render_on_device
    turns = min(at_most, 32)  # after that many orientations, the first comes again
    cells = [turned(scene, number).orientations if moving else None for number in range(turns + 1)]
    last = _Last(lambda number: make(cells[1 + (number - 1) % turns]))
    _timed(lambda: make(cells[0]), min(0.5, at_least), at_most)  # code, memory, and the clocks of an idle GPU
    times = _timed(last.another, at_least, at_most)
    peak = peak_memory()
    if image is not None:
        np.asarray(last.image).tofile(image)
    return {"seconds": times, "peak_memory_bytes": peak, "turn": 1 + (last.number - 1) % turns if moving else 0}


def _batch(work: Callable[[], object], times: int) -> float:
    """Seconds of one call, of several in a row."""
    started = time.perf_counter()
    for _ in range(times):
        work()
    return (time.perf_counter() - started) / times


def _used(work: Callable[[], object], times: int) -> tuple[float, float]:
    """Seconds of the clock and of the processor of one call, of several in a row."""
    began = time.process_time()
    seconds = _batch(work, times)
    return seconds, (time.process_time() - began) / times


def _way_of_small(kind: str, scene: Scene, precision: Any) -> Callable[[int], Any]:
    """What makes the image of a number, in the way of :mod:`nanobragg_bench.small_scene`."""
    from nanobragg import Renderer, _core, render

    renderer = Renderer(scene, device="cpu", precision=precision, threads=1)
    cells = [turned(scene, number).orientations for number in range(_TURNS)]
    ways: dict[str, Callable[[int], Any]] = {
        "turned": lambda number: renderer.render(cells[number % _TURNS]),
        "bound anew": lambda number: _core.render(_core.BoundScene(scene), precision, 1)[0],
    }
    return ways.get(kind, lambda number: render(scene, precision=precision, threads=1))


def small(words: list[str], edge: int, precision: Any, kind: str, calls: int) -> dict[str, Any]:
    """Time many images of ``edge`` pixels squared, and what their pixels' work alone takes.

    A pixel's work is taken from an image of 8 x 8 times as many pixels of the same size. The two are timed in turn, so
    that a slow minute slows both.

    Args:
        words: the command line, without the number of pixels.
        edge: pixels.
        precision: ``double`` or ``mixed``.
        kind: see :mod:`nanobragg_bench.small_scene`.
        calls: of the small image.

    """
    from nanobragg import render
    from nanobragg.parity.bar import outside

    scene, large = (_resolved([*words, str(n)]).scene for n in (edge, 8 * edge))
    last = _Last(_way_of_small(kind, scene, precision))

    def whole() -> object:
        return render(large, precision=precision, threads=1)

    _batch(last.another, 3)
    _batch(whole, 1)
    rounds = 10
    pairs = [(_batch(last.another, calls // rounds), _batch(whole, 2)) for _ in range(rounds)]
    while last.number % _TURNS != 0:  # back in the Scene's own orientation
        last.another()
    return {
        "call": statistics.median(call for call, _ in pairs),
        "pixels": statistics.median(pixels for _, pixels in pairs) / 64,
        "outside": int(outside(last.image, render(scene, renderer="reference"), precision).sum()),
        "peak_memory_bytes": peak_memory(),
    }


def derivatives(
    words: list[str], kind: str, names: list[str], pairs: int, precision: Any, device: str
) -> dict[str, Any]:
    """Time the image and derivatives of it in turn.

    Args:
        words: the command line.
        kind: see :mod:`nanobragg_bench.derivatives_step`.
        names: the columns of a Jacobian.
        pairs: how often.
        precision: ``double`` or ``mixed``, of both.
        device: where both are computed.

    """
    import numpy as np

    from nanobragg import render
    from nanobragg.derivatives import gradient, jacobian
    from nanobragg.inputs.words import parse_words
    from nanobragg.parity.bar import outside

    experiment = parse_words(words).experiment
    scene = experiment.scene()
    weights = np.random.default_rng(1).random(scene.image_shape)

    def image() -> object:
        return render(scene, precision=precision, threads=1, device=device)

    def slopes() -> object:
        if kind == "gradient":
            return gradient(experiment, weights, precision=precision, threads=1, device=device)
        return jacobian(experiment, names, precision=precision, threads=1, device=device)

    columns = jacobian(experiment, names, threads=1, device=device)
    wanted = gradient(experiment, weights, names, precision=precision, threads=1, device=device)
    products = [weights * column for column in columns[1]]
    limit = 1e-11 if precision == "double" else 1e-6
    near = np.array(
        [abs(float(wanted[name]) - p.sum()) <= limit * np.abs(p).sum() for name, p in zip(names, products, strict=True)]
    )
    # (The reference renderer would take minutes for an image that a device has work with.)
    expected = render(scene, renderer="reference") if device == "cpu" else render(scene)
    different = outside(columns[0], expected, "double").sum()
    image(), slopes()
    times = [(*_used(image, 2), *_used(slopes, 1)) for _ in range(pairs)]
    image_seconds, image_processor, seconds, processor = (list(each) for each in zip(*times, strict=True))
    return {
        "image_seconds": image_seconds,
        "image_processor_seconds": min(image_processor),
        "seconds": seconds,
        "processor_seconds": min(processor),
        "outside": int(different + (~near).sum()),
        "peak_memory_bytes": peak_memory(),
    }


def refined(**how: Any) -> dict[str, Any]:
    """Refine stills (:func:`nanobragg_bench.stills.refined`)."""
    from nanobragg_bench import stills

    return {**stills.refined(**how), "peak_memory_bytes": peak_memory()}


def panels(panels: int, shape: list[int], apart: float, domains: int, pairs: int) -> dict[str, Any]:
    """Time the images of a detector of panels and of one panel of the same area in turn, and reading its geometry.

    Args:
        panels: how many, each a little tilted and shifted.
        shape: (slow, fast) pixels of each.
        apart: mm along the beam from a panel to the next.
        domains: mosaic domains.
        pairs: how often.

    """
    from dataclasses import replace

    import numpy as np

    from nanobragg import Crystal, Detector, Experiment, Panel, Sampling, render, resolve
    from nanobragg.io.images.geometry_texts import write_geom
    from nanobragg.parity.bar import outside

    random, (slow, fast), rows = np.random.default_rng(1), shape, int(panels**0.5)
    several = []
    for number in range(panels):
        down, right = divmod(number, -(-panels // rows))
        tilt = random.normal(0.0, 0.003, 2)
        origin = (
            200.0 + apart * number,
            0.075 * (slow + 9) * (rows / 2 - down),
            0.075 * (fast + 9) * (right - rows / 2),
        )
        several.append(Panel(shape=(slow, fast), origin=origin, fast_axis=(tilt[0], 0, 1), slow_axis=(tilt[1], -1, 0)))
    edge = round((panels * slow * fast) ** 0.5)
    crystal = Crystal(cell=(79, 79, 38), cells=10, misset=(10, 20, 30), default_F=100, mosaic_spread=0.3)
    one = Experiment(
        crystal=replace(crystal, mosaic_domains=domains),
        detector=Detector(shape=(edge, edge), pixel_size=0.075, distance=200),
        sampling=Sampling(oversample=1),
        quirks="none",
    )
    parts = replace(one, detector=Detector(panels=tuple(several), pixel_size=0.075))
    scenes = one.scene(), parts.scene()
    small = scenes[1].cropped((0, 15, 0, 1))
    compared = [render(small, precision="mixed"), render(small, renderer="reference")]
    write_geom("panels.geom", resolve(parts))
    read = replace(one, detector=Detector(header="panels.geom"))
    read.scene()  # with the imports

    def reading() -> object:
        os.utime("panels.geom")  # a file that has changed is read again
        return read.scene()

    def image(number: int) -> object:
        return render(scenes[number], precision="mixed", threads=1)

    times = [[_batch(lambda n=n: image(n), 1) for n in (0, 1)] for _ in range(pairs)]
    return {
        "whole_seconds": [whole for whole, _ in times],
        "seconds": [each * edge * edge / (panels * slow * fast) for _, each in times],
        "read_seconds": [_batch(reading, 1) for _ in range(pairs)],
        "compared": 32 * panels,
        "outside": int(outside(*compared, "mixed").sum()),
        "peak_memory_bytes": peak_memory(),
    }


def facts(words: list[str]) -> dict[str, Any]:
    """What the command line comes to, without rendering."""
    scene = _resolved(words).scene
    return {
        "evaluations": int(evaluations(scene)),
        "pixels": scene.shape[0] * scene.shape[1],
        "shape": list(scene.shape),
        "roi": list(scene.panels[0].region),
        "order_dependent": len(scene.first_orientations) > 0,
    }


def reference(
    words: list[str], budget: float, image: str, renderer: Any = "reference", turn: int = 0
) -> dict[str, Any]:
    """What the scalar reference renderer, or the CPU's, makes of the middle of the image."""
    from nanobragg.rendering.render import render_scene

    scene = turned(_resolved(words).scene, turn)
    x0, x1, y0, y1 = whole = scene.panels[0].region
    per_pixel = evaluations(scene) / ((x1 - x0 + 1) * (y1 - y0 + 1))
    roi = middle(whole, max(4, int((budget / per_pixel) ** 0.5)))
    # A stale orientation of the run's first evaluation belongs to the first pixel of the whole image.
    first = scene.first_orientations if (roi[0], roi[2]) == (x0, y0) else scene.first_orientations[:0]
    render_scene(replace(scene.cropped(roi), first_orientations=first), renderer=renderer).image.tofile(image)
    return {"roi": list(roi)}


def excuse(words: list[str], precision: str, pixels: list[list[int]], turn: int = 0) -> list[bool]:
    """Whether a parity test leaves out each pixel (slow, fast)."""
    from nanobragg.parity.excluded import reasons
    from nanobragg.rendering.trace import trace_pixel

    scene = turned(_resolved(words).scene, turn)
    return [bool(reasons(scene, trace_pixel(scene, slow, fast), precision)) for slow, fast in pixels]


def noise(
    words: list[str], image: str, rng: Any, seed: int, threads: int, file: str, at_least: float, at_most: int
) -> dict[str, Any]:
    """Time the noise image made from the float image in a file, and writing it to a new file."""
    import numpy as np

    from nanobragg.io.images import smv
    from nanobragg.response.photons import poisson_noise

    resolved = _resolved(words)
    pixels = np.fromfile(image, np.float32).reshape(resolved.scene.shape)
    drawing: list[float] = []

    def once() -> NoiseImage:
        Path(file).unlink(missing_ok=True)
        started = time.perf_counter()
        drawn = poisson_noise(pixels, seed=seed, rng=rng, threads=threads)
        drawing.append(time.perf_counter() - started)
        smv.write(file, drawn.pixels, resolved)
        return drawn

    times = _timed(once, at_least, at_most)
    noisy = once()
    # Numbers of photons: the sum of many draws is near the sum of their means.
    small = pixels < 60000
    expected = float(pixels[small].sum(dtype=float))
    counted = float(noisy.pixels[small].sum(dtype=float)) - 40.0 * int(small.sum())
    return {
        "seconds": statistics.median(times),
        "drawing_seconds": statistics.median(drawing),
        "deviation": abs(counted - expected) / max(1.0, expected) ** 0.5,
        "pixels": pixels.size,
        "peak_memory_bytes": peak_memory(),
    }


def device_noise(words: list[str], device: str, seed: int, at_least: float, at_most: int) -> dict[str, Any]:
    """Time the noise of an image that lies on a CUDA device, and count pixels that differ from the CPU's."""
    from nanobragg import Renderer
    from nanobragg.response.photons import poisson_noise

    renderer = Renderer(_resolved(words).scene, device=device)
    image = renderer.render_on_device()
    for _ in range(3):
        image.noisy(seed)
    times = _timed(lambda: image.noisy(seed), at_least, at_most)
    drawn = poisson_noise(image.numpy(), seed=seed, rng="fast", wide=True)
    return {
        "seconds": statistics.median(times),
        "different": int((image.noisy(seed).numpy() != drawn.pixels).sum()),
        "pixels": drawn.pixels.size,
        "peak_memory_bytes": peak_memory(),
    }


def _with_materials(words: list[str], materials: dict[str, list[float]]) -> Any:
    """An experiment with materials around the crystal, whose tables are written for the original."""
    import numpy as np

    from nanobragg import Around, Material, resolve
    from nanobragg.inputs.words import parse_words
    from nanobragg.resolver.materials import SUBSTANCES

    for name in materials:
        np.savetxt(f"{name}.stol", np.column_stack(SUBSTANCES[name].profile()), fmt="%.6g")
    around = Around(materials=tuple(Material(None, f"{name}.stol", *said) for name, said in materials.items()))
    return resolve(replace(parse_words(words).experiment, around=around, quirks="none"))


def counts(
    words: list[str],
    materials: dict[str, list[float]],
    frames: int,
    seed: int,
    threads: int,
    at_least: float,
    at_most: int,
) -> dict[str, Any]:
    """Time a background and so many images of counts made of it; the background is kept as bare floats.

    ``materials``: thickness, density and molecular weight by name.
    """
    import numpy as np

    from nanobragg.rendering.surroundings import VEILS, surrounded
    from nanobragg.resolver.response import detector_model
    from nanobragg.results.measured import counts_of

    resolved = _with_materials(words, materials)
    model = detector_model(resolved)
    dark = np.zeros(resolved.scene.image_shape, np.float32)
    kept: dict[str, Any] = {}

    def once() -> None:
        kept.clear()
        VEILS.forget()
        kept["background"] = surrounded(dark, resolved, threads=threads)
        for shot in range(frames):
            kept["counts"] = counts_of(kept["background"], resolved, model, seed=seed, shot=shot, threads=threads)

    processor: list[float] = []

    def timed() -> None:
        started = time.process_time()
        once()
        processor.append(time.process_time() - started)

    times = _timed(timed, at_least, at_most)
    peak = peak_memory()
    kept["background"].tofile("background.bin")
    expected = float(kept["background"].sum(dtype=float))
    return {
        "seconds": statistics.median(times),
        "processor_seconds": statistics.median(processor),
        "first_seconds": times[0],
        "deviation": abs(kept["counts"].photons - expected) / max(1.0, expected) ** 0.5,
        "mean": float(kept["counts"].panels[0].mean()),
        "peak_memory_bytes": peak,
    }


def device_counts(
    words: list[str], materials: dict[str, list[float]], seed: int, device: str, at_least: float, at_most: int
) -> dict[str, Any]:
    """Time counts of an image that lies on a CUDA device, and count pixels that differ from the CPU's."""
    import numpy as np

    from nanobragg import DeviceDetector, Renderer
    from nanobragg.rendering.surroundings import surrounded
    from nanobragg.resolver.response import detector_model
    from nanobragg.results.measured import counts_of

    resolved = _with_materials(words, materials)
    image = Renderer(resolved.scene, device=device).render_on_device()
    detector = DeviceDetector(resolved)
    first = _timed(lambda: detector.measured(image, seed=seed), 0.0, 1)
    for _ in range(3):
        detector.measured(image, seed=seed)
    times = _timed(lambda: detector.measured(image, seed=seed), at_least, at_most)
    photons = surrounded(image.numpy().reshape(resolved.scene.image_shape), resolved)
    expected = counts_of(photons, resolved, detector_model(resolved), seed=seed).panels[0]
    apart = np.abs(detector.measured(image, seed=seed).numpy()[0].astype(np.int64) - expected)
    return {
        "seconds": statistics.median(times),
        "first_seconds": first[0],
        "different": int((apart > 0).sum()),
        "beyond_one": int((apart > 1).sum()),
        "rms": float(np.sqrt(np.square(expected, dtype=float).mean())),
        "pixels": expected.size,
        "peak_memory_bytes": peak_memory(),
    }


def read(file: str, kind: str, at_least: float, at_most: int) -> dict[str, Any]:
    """Time the reading of structure factors."""
    import numpy as np

    from nanobragg.io.factors.hkl import read_dump, read_hkl

    reader = read_dump if kind == "dump" else read_hkl
    factors = reader(file)
    total, shape = float(np.sum(factors.grid)), list(factors.grid.shape)
    del factors
    times = _timed(lambda: reader(file), at_least, at_most)
    return {"seconds": times, "sum": total, "shape": shape, "peak_memory_bytes": peak_memory()}


def cache(file: str, dump: str) -> dict[str, Any]:
    """Make a cache of a text file."""
    from nanobragg.io.factors.hkl import read_hkl, write_dump

    write_dump(dump, read_hkl(file))
    return {}


COMMANDS: dict[str, Callable[..., Any]] = {
    "render": render,
    "series": series,
    "small": small,
    "facts": facts,
    "reference": reference,
    "excuse": excuse,
    "noise": noise,
    "device_noise": device_noise,
    "counts": counts,
    "device_counts": device_counts,
    "derivatives": derivatives,
    "within": within,
    "beside": beside,
    "refined": refined,
    "panels": panels,
    "read": read,
    "cache": cache,
}

if __name__ == "__main__":
    request = json.load(sys.stdin)
    print(json.dumps(COMMANDS[request.pop("do")](**request)))
