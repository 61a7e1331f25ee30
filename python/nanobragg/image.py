"""An image with everything needed to understand and to write it."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from nanobragg.errors import InputError

if TYPE_CHECKING:
    from nanobragg.noise import Statistics
    from nanobragg.resolve import Resolved


@dataclass(frozen=True, eq=False)
class Image:
    """A simulated image.

    ``np.asarray(image)`` gives the pixels: float32 photons per pixel, or uint16 after :meth:`noisy` and
    :meth:`integers`.
    """

    data: np.ndarray
    """(slow, fast)"""
    resolved: Resolved = field(repr=False)
    """the experiment and the Scene that it was made from"""
    solid_angle: float = 0.0
    """steradian, of all rendered pixels"""
    overloads: int = 0
    """pixels at the top of the integer range (noisy images)"""
    photons: float = 0.0
    """sum of all photons (noisy images)"""
    seed: int | None = None
    """of the noise"""

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if copy is False and dtype is not None and np.dtype(dtype) != self.data.dtype:
            raise ValueError("a copy is needed to convert the pixels")
        return np.array(self.data, dtype=dtype, copy=True) if copy else np.asarray(self.data, dtype=dtype)

    @property
    def shape(self) -> tuple[int, ...]:
        """(slow, fast) pixels."""
        return self.data.shape

    def statistics(self) -> Statistics:
        """Mean, rms, rmsd and maximum over the region of interest (``specs/physics.md``)."""
        from nanobragg.noise import statistics

        scene = self.resolved.scene
        mask = None if scene.mask is None else scene.mask.reshape(self.data.shape)
        return statistics(self.data, self.resolved.geometry.roi, mask)

    def _photons_only(self, what: str) -> None:
        if self.data.dtype != np.float32:
            raise InputError(f"{what}: found an image of {self.data.dtype}, expected float32 photons (without noise)")

    def noisy(
        self,
        seed: int | None = None,
        *,
        rng: Literal["exact", "fast"] = "fast",
        adc_offset: float = 40.0,
        threads: int = 0,
    ) -> Image:
        """The image as a counting detector sees it: a Poisson deviate of each pixel plus ``adc_offset``, uint16.

        Args:
            seed: the same seed gives the same image; default: the clock.
            rng: ``fast``: counter-based, the same for any number of threads; ``exact``: nanoBragg.c's, byte for byte.
            adc_offset: added to every pixel.
            threads: 0 for all processors (``fast`` only).

        """
        from nanobragg.noise import poisson_noise

        self._photons_only("noisy")
        noise = poisson_noise(
            self.data,
            seed=seed,
            rng=rng,
            adc_offset=adc_offset,
            roi=self.resolved.geometry.roi,
            random_state=self.resolved.random_state,
            threads=threads,
        )
        return Image(
            noise.pixels,
            self.resolved,
            solid_angle=self.solid_angle,
            overloads=noise.overloads,
            photons=noise.photons,
            seed=noise.seed,
        )

    def integers(self, scale: float | None = None, adc_offset: float = 40.0) -> Image:
        """The noiseless image scaled to uint16; by default the maximum becomes 55000 (plus the offset)."""
        from nanobragg.noise import to_integers

        self._photons_only("integers")
        pixels = to_integers(self.data, scale, adc_offset, self.resolved.geometry.roi)
        return Image(pixels, self.resolved, solid_angle=self.solid_angle)

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write the image; the file's extension says how.

        ``.img`` and ``.smv``: SMV with a full header (uint16; a float image is scaled as by :meth:`integers`).
        ``.bin``: bare float32. ``.npy``: NumPy. ``.pgm``: 8-bit picture.

        Raises:
            InputError: for another extension, and where the file cannot be written.

        """
        writers = {".img": _write_smv, ".smv": _write_smv, ".bin": _write_float, ".npy": _write_npy, ".pgm": _write_pgm}
        suffix = Path(path).suffix.lower()
        if suffix not in writers:
            raise InputError(f"{os.fspath(path)}: found extension {suffix!r}, expected {', '.join(sorted(writers))}")
        writers[suffix](self, path)


def _write_smv(image: Image, path: str | os.PathLike[str]) -> None:
    from nanobragg.io.smv import write_smv

    pixels = image.integers().data if image.data.dtype == np.float32 else image.data
    write_smv(path, pixels, image.resolved)


def _write_float(image: Image, path: str | os.PathLike[str]) -> None:
    from nanobragg.io.raw import write_float_image

    write_float_image(path, image.data)


def _write_npy(image: Image, path: str | os.PathLike[str]) -> None:
    from nanobragg.io.atomic import atomic_write

    with atomic_write(path) as file:
        np.save(file, image.data)


def _write_pgm(image: Image, path: str | os.PathLike[str]) -> None:
    from nanobragg.io.pgm import write_pgm
    from nanobragg.noise import integer_scale, pgm_scale, to_pgm_bytes

    found = image.statistics()
    scale = pgm_scale(None, found.rmsd, integer_scale(None, found.maximum))
    write_pgm(path, to_pgm_bytes(image.data, scale, image.resolved.geometry.roi), scale)
