"""The files of a run, and the lines that nanoBragg.c prints about them (``specs/formats.md``)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from nanobragg.resolve.resolved import Resolved
    from nanobragg.run import Run


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
    from nanobragg.io.background import Background
    from nanobragg.io.raw import write_float_image

    with Background() as background:
        if run.output.floatfile is not None:
            print(f"writing {run.output.floatfile} as {image.size} 4-byte floats")
            background.start(write_float_image, run.output.floatfile, image)
        _write_pictures(run, resolved, image)
        if run.output.noisefile is not None:
            _write_noise(run, resolved, image, seed)


def _write_pictures(run: Run, resolved: Resolved, image: np.ndarray) -> None:
    """Statistics, and the images that are scaled by them."""
    from nanobragg.io.pgm import write_pgm
    from nanobragg.io.smv import write_smv
    from nanobragg.noise import integer_scale, pgm_scale, statistics, to_integers, to_pgm_bytes

    output, roi, scene = run.output, resolved.geometry.roi, resolved.scene
    found = statistics(image, roi, None if scene.mask is None else scene.mask[0], threads=run.threads)
    x, y = (0.0, 0.0) if found.maximum_at is None else _last_subpixel(resolved, found.maximum_at)
    print(f"max_I = {found.maximum:g}  at {x:g} {y:g}")
    print(f"mean= {found.mean:g} rms= {found.rms:g} rmsd= {found.rmsd:g}")
    scale = integer_scale(output.scale, found.maximum)
    if output.intfile is not None:
        print(f"intfile_scale = {scale:g}")
        print(f"writing {output.intfile} as 2-byte integers")
        write_smv(output.intfile, to_integers(image, scale, output.adc_offset, roi, threads=run.threads), resolved)
    if output.pgmfile is not None:
        grey = pgm_scale(output.pgm_scale, found.rmsd, scale)
        print(f"pgm_scale = {grey:g}")
        print(f"writing {output.pgmfile} as 1-byte integers")
        write_pgm(output.pgmfile, to_pgm_bytes(image, grey, roi), grey)


def _write_noise(run: Run, resolved: Resolved, image: np.ndarray, seed: int | None) -> None:
    from nanobragg.io.smv import write_smv
    from nanobragg.noise import poisson_noise

    output = run.output
    if output.noisefile is None:
        return
    noise = poisson_noise(
        image,
        seed=seed,
        rng=output.noise_rng,
        adc_offset=output.adc_offset,
        roi=resolved.geometry.roi,
        random_state=resolved.random_state,
        threads=run.threads,
    )
    print(f"{noise.photons:.0f} photons on noise image ({noise.overloads} overloads)")
    print(f"writing {output.noisefile} as 2-byte integers")
    write_smv(output.noisefile, noise.pixels, resolved)


def _last_subpixel(resolved: Resolved, index: tuple[int, ...]) -> tuple[float, float]:
    """Where on the detector (fast, slow; m) the original says that a pixel is: its last subpixel."""
    slow, fast = index[-2:]
    oversample = resolved.radiation.oversample
    subpixel = resolved.geometry.pixel_size / oversample
    return (
        subpixel * (fast * oversample + oversample - 1) + subpixel / 2.0,
        subpixel * (slow * oversample + oversample - 1) + subpixel / 2.0,
    )
