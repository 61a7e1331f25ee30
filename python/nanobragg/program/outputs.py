"""The files of a run, and the lines that nanoBragg.c prints about them (``specs/formats.md``)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from nanobragg.records.resolved import Resolved
    from nanobragg.records.run import Run

_WORTH_A_THREAD = 1 << 16
"""pixels; smaller files are written sooner than a thread starts"""


def write_outputs(run: Run, resolved: Resolved, image: np.ndarray, seed: int | None) -> None:
    """Write what ``run.output`` asks for.

    Args:
        run: the run.
        resolved: its experiment, resolved.
        image: (slow, fast) float32, photons per pixel.
        seed: of the noise image; ``None``: no noise image.

    Raises:
        InputError: when a file cannot be written; files are written whole or not at all.

    """
    from nanobragg.io.images.formats import format_of, write_format
    from nanobragg.io.images.raw import write_float_image
    from nanobragg.io.support.in_background import Background

    with Background() as background:
        floatfile = run.output.floatfile
        if floatfile is not None and format_of(floatfile) is not None:
            print(f"writing {floatfile} as {write_format(floatfile, image, resolved)}")
        elif floatfile is not None:
            print(f"writing {floatfile} as {image.size} 4-byte floats")
            if image.size < _WORTH_A_THREAD:
                write_float_image(floatfile, image)
            else:
                background.start(write_float_image, floatfile, image)
        _write_pictures(run, resolved, image)
        noise = _write_noise(run, resolved, image, seed)
        _write_preview(run, resolved, image if noise is None else noise)
        _write_truth(run, resolved, image)


def _write_pictures(run: Run, resolved: Resolved, image: np.ndarray) -> None:
    """Statistics, and the images that are scaled by them."""
    from nanobragg.io.images.formats import format_of
    from nanobragg.io.images.pgm import write_pgm
    from nanobragg.response.integers import integer_scale, pgm_scale, to_integers, to_pgm_bytes
    from nanobragg.response.statistics import statistics

    output, roi, scene = run.output, resolved.geometry.roi, resolved.scene
    found = statistics(image, roi, None if scene.mask is None else scene.mask[0], threads=run.threads)
    x, y = (0.0, 0.0) if found.maximum_at is None else _last_subpixel(resolved, found.maximum_at)
    print(f"max_I = {found.maximum:g}  at {x:g} {y:g}")
    print(f"mean= {found.mean:g} rms= {found.rms:g} rmsd= {found.rmsd:g}")
    scale = integer_scale(output.scale, found.maximum)
    if output.intfile is not None:
        print(f"intfile_scale = {scale:g}")
        wide = format_of(output.intfile) is not None
        pixels = to_integers(image, scale, output.adc_offset, roi, wide=wide, threads=run.threads)
        _write_integers(output.intfile, pixels, resolved)
    if output.pgmfile is not None:
        grey = pgm_scale(output.pgm_scale, found.rmsd, scale)
        print(f"pgm_scale = {grey:g}")
        print(f"writing {output.pgmfile} as 1-byte integers")
        write_pgm(output.pgmfile, to_pgm_bytes(image, grey, roi), grey)


def _write_integers(name: str, pixels: np.ndarray, resolved: Resolved) -> None:
    """An integer image: SMV, or what the extension says."""
    from nanobragg.io.images.formats import format_of, write_format
    from nanobragg.io.images.smv import write_smv

    if format_of(name) is None:
        print(f"writing {name} as 2-byte integers")
        write_smv(name, pixels, resolved)
        return
    if format_of(name) == ".cbf":
        from nanobragg.io.images.cbf import beyond_header

        doubt = beyond_header(resolved)
        if doubt is not None:
            print(f"WARNING: {name}: {doubt}")
    print(f"writing {name} as {write_format(name, pixels, resolved)}")


def _write_preview(run: Run, resolved: Resolved, pixels: np.ndarray) -> None:
    output = run.output
    if output.pngfile is None:
        return
    from nanobragg.io.images.picture import Marks, write_png

    print(f"writing {output.pngfile} as a preview")
    write_png(
        output.pngfile,
        pixels,
        resolved,
        Marks(rings=output.png_rings, beam=output.png_beam, roi=output.png_roi),
    )


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
    from nanobragg.io.images.formats import format_of
    from nanobragg.response.photons import poisson_noise

    output = run.output
    if output.noisefile is None:
        return None
    noise = poisson_noise(
        image,
        seed=seed,
        rng=output.noise_rng,
        adc_offset=output.adc_offset,
        roi=resolved.geometry.roi,
        random_state=resolved.random_state,
        wide=format_of(output.noisefile) is not None,
        threads=run.threads,
    )
    print(f"{noise.photons:.0f} photons on noise image ({noise.overloads} overloads)")
    _write_integers(output.noisefile, noise.pixels, resolved)
    return noise.pixels


def _last_subpixel(resolved: Resolved, index: tuple[int, ...]) -> tuple[float, float]:
    """Where on the detector (fast, slow; m) the original says that a pixel is: its last subpixel."""
    slow, fast = index[-2:]
    oversample = resolved.radiation.oversample
    subpixel = resolved.geometry.pixel_size / oversample
    return (
        subpixel * (fast * oversample + oversample - 1) + subpixel / 2.0,
        subpixel * (slow * oversample + oversample - 1) + subpixel / 2.0,
    )
