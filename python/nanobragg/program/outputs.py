"""The files of a run, and the lines that nanoBragg.c prints about them (``specs/formats.md``)."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from nanobragg.errors import InputError
from nanobragg.records.counts import CountScale
from nanobragg.records.run import Output

if TYPE_CHECKING:
    import numpy as np

    from nanobragg.records.resolved import Resolved
    from nanobragg.records.response import DetectorModel
    from nanobragg.records.run import Run

_WORTH_A_THREAD = 1 << 16
"""pixels; smaller files are written sooner than a thread starts"""


def write_outputs(
    run: Run, resolved: Resolved, image: np.ndarray, seed: int | None, detector: DetectorModel | None = None
) -> None:
    """Write what ``run.output`` asks for.

    Args:
        run: the run.
        resolved: its experiment, resolved.
        image: float32 of the shape ``Scene.image_shape``, photons per pixel.
        seed: of the noise image and of the counts; ``None``: neither is written.
        detector: of the counts; ``None``: they are not written.

    Raises:
        InputError: when a file cannot be written; files are written whole or not at all.

    """
    from nanobragg.io.images.formats import FLOATS, option_format
    from nanobragg.io.support.in_background import Background

    with Background() as background:
        floatfile = run.output.floatfile
        if floatfile is not None:
            chosen = option_format(floatfile, floats=True)
            print(f"writing {floatfile} as {chosen.described(image)}")
            if chosen is FLOATS and image.size >= _WORTH_A_THREAD:
                background.start(chosen.write, floatfile, image, resolved)
            else:
                chosen.write(floatfile, image, resolved)
        _write_pictures(run, resolved, image)
        noise = _write_noise(run, resolved, image, seed)
        counts = None if detector is None else _write_counts(run, resolved, image, seed or 0, detector)
        shown = next(each for each in (counts, noise, image) if each is not None)
        _write_preview(run, resolved, shown)
        _write_truth(run, resolved, image)
        _write_geometry(run, resolved)


def without_stacks(run: Run, resolved: Resolved) -> Run:
    """``run`` without those images of its own accord that cannot hold panels behind each other in the file's array.

    Raises :class:`InputError` naming the option where one was asked for.
    """
    from nanobragg.io.images.formats import PGM, PNG, option_format
    from nanobragg.io.images.slab import is_stack

    if not is_stack(resolved.scene.panels):
        return run
    unasked = Output()
    left_out = []
    for field in ("floatfile", "intfile", "noisefile", "countsfile", "pgmfile", "pngfile"):
        name = getattr(run.output, field)
        if name is None:
            continue
        pictures = {"pgmfile": PGM, "pngfile": PNG}
        chosen = pictures[field] if field in pictures else option_format(name, floats=field == "floatfile")
        if chosen.stacks:
            continue
        if name != getattr(unasked, field):
            raise InputError(
                f"-{field}: found {os.fspath(name)!r} for {len(resolved.scene.panels)} panels in a stack, expected "
                "panels with a place in one slab, or .h5 or .npy"
            )
        left_out.append(field)
    if left_out:
        print(f"not written, since the panels are in a stack and not in a slab: {', '.join(left_out)}")
    nothing: dict[str, Any] = dict.fromkeys(left_out)
    return replace(run, output=replace(run.output, **nothing))


def _write_pictures(run: Run, resolved: Resolved, image: np.ndarray) -> None:
    """Statistics, and the images that are scaled by them."""
    from nanobragg.io.images.formats import PGM, option_format
    from nanobragg.response.integers import integer_scale, pgm_scale, to_integers, to_pgm_bytes
    from nanobragg.response.statistics import statistics

    output, panels = run.output, resolved.scene.panels
    found = statistics(image, mask=resolved.scene.image_mask, panels=panels, threads=run.threads)
    x, y = (0.0, 0.0) if found.maximum_at is None else _last_subpixel(resolved, found.maximum_at)
    print(f"max_I = {found.maximum:g}  at {x:g} {y:g}")
    print(f"mean= {found.mean:g} rms= {found.rms:g} rmsd= {found.rmsd:g}")
    scale = integer_scale(output.scale, found.maximum)
    if output.intfile is not None:
        print(f"intfile_scale = {scale:g}")
        wide = option_format(output.intfile, floats=False).bits > 16
        pixels = to_integers(image, scale, output.adc_offset, panels=panels, wide=wide, threads=run.threads)
        _write_integers(output.intfile, pixels, resolved, CountScale(offset=output.adc_offset))
    if output.pgmfile is not None:
        grey = pgm_scale(output.pgm_scale, found.rmsd, scale)
        print(f"pgm_scale = {grey:g}")
        print(f"writing {output.pgmfile} as 1-byte integers")
        PGM.write(output.pgmfile, to_pgm_bytes(image, grey, panels=panels), resolved, scale=grey)


def _write_integers(name: str, pixels: np.ndarray, resolved: Resolved, scale: CountScale) -> None:
    """An integer image: SMV, or what the extension says."""
    from nanobragg.io.images.formats import option_format

    chosen = option_format(name, floats=False)
    doubt = chosen.doubt(resolved)
    if doubt is not None:
        print(f"WARNING: {name}: {doubt}")
    print(f"writing {name} as {chosen.described(pixels)}")
    advice = chosen.advice(name, resolved)
    if advice is not None:
        print(advice)
    chosen.write(name, pixels, resolved, **({"scale": scale} if chosen.scaled else {}))


def _write_preview(run: Run, resolved: Resolved, pixels: np.ndarray) -> None:
    output = run.output
    if output.pngfile is None:
        return
    from nanobragg.io.images.formats import PNG
    from nanobragg.io.images.picture import Marks

    print(f"writing {output.pngfile} as {PNG.contents}")
    marks = Marks(rings=output.png_rings, beam=output.png_beam, roi=output.png_roi, raw=output.png_raw)
    PNG.write(output.pngfile, pixels, resolved, marks=marks)


def _write_geometry(run: Run, resolved: Resolved) -> None:
    output = run.output
    if output.geomfile is None and output.exptfile is None:
        return
    from nanobragg.io.images.geometry_texts import write_expt, write_geom

    images = (output.countsfile, output.noisefile, output.intfile, output.floatfile)
    image = next((name for name in images if name is not None and os.fspath(name).endswith((".h5", ".nxs"))), None)
    if output.geomfile is not None:
        print(f"writing {output.geomfile} as a CrystFEL geometry")
        write_geom(output.geomfile, resolved, image)
    if output.exptfile is not None:
        print(f"writing {output.exptfile} as DIALS models")
        write_expt(output.exptfile, resolved, image)


def _write_truth(run: Run, resolved: Resolved, image: np.ndarray) -> None:
    name = run.output.truthfile
    if name is None:
        return
    from nanobragg.io.tables import write_truth
    from nanobragg.results.truth import truth

    table = truth(resolved, image)
    print(f"writing {name} as a table of {len(table)} reflections")
    write_truth(name, table)


def _write_noise(run: Run, resolved: Resolved, image: np.ndarray, seed: int | None) -> np.ndarray | None:
    """Write the noise image, if it is wanted, and give its pixels."""
    from nanobragg.io.images.formats import option_format
    from nanobragg.response.photons import poisson_noise

    output = run.output
    if output.noisefile is None:
        return None
    noise = poisson_noise(
        image,
        seed=seed,
        rng=output.noise_rng,
        adc_offset=output.adc_offset,
        panels=resolved.scene.panels,
        random_state=resolved.random_state,
        wide=option_format(output.noisefile, floats=False).bits > 16,
        threads=run.threads,
    )
    print(f"{noise.photons:.0f} photons on noise image ({noise.overloads} overloads)")
    _write_integers(output.noisefile, noise.pixels, resolved, CountScale(offset=output.adc_offset))
    return noise.pixels


def _write_counts(run: Run, resolved: Resolved, image: np.ndarray, seed: int, detector: DetectorModel) -> np.ndarray:
    """Write the counts, and give them."""
    from nanobragg.results.measured import counts_of, scale_of, whole_image

    found = counts_of(image, resolved, detector, seed=seed, shot=run.output.shot, threads=run.threads)
    print(f"{found.photons:.0f} photons counted, {found.overloads} overloads (seed {seed}, shot {run.output.shot})")
    counts = whole_image(found.panels, image)
    assert run.output.countsfile is not None, "the detector is there for this file"
    _write_integers(run.output.countsfile, counts, resolved, scale_of(detector))
    return counts


def _last_subpixel(resolved: Resolved, index: tuple[int, ...]) -> tuple[float, float]:
    """Where on the detector (fast, slow; m) the original says that a pixel is: its last subpixel."""
    panels, (slow, fast) = resolved.scene.panels, index[-2:]
    pixel_size = panels[index[0] if len(index) > 2 else 0].pixel_size
    oversample = resolved.radiation.oversample

    def last(pixel: int, size: float) -> float:
        subpixel = size / oversample
        return subpixel * (pixel * oversample + oversample - 1) + subpixel / 2.0

    return last(fast, pixel_size[0]), last(slow, pixel_size[1])
