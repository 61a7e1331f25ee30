"""An image with everything needed to understand and to write it."""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from nanobragg.errors import InputError
from nanobragg.records.counts import CountScale
from nanobragg.records.panel import panel_views

if TYPE_CHECKING:
    from nanobragg.io.images.formats import Format
    from nanobragg.records.panel import ScenePanel
    from nanobragg.records.resolved import Resolved
    from nanobragg.records.response import Response
    from nanobragg.response.statistics import Statistics


class PanelImage(NamedTuple):
    """What an image has of one panel."""

    name: str
    pixels: np.ndarray
    """(slow, fast)"""
    geometry: ScenePanel
    """Where the pixels are, m."""


@dataclass(frozen=True, eq=False)
class Image:
    """A simulated image.

    ``np.asarray(image)`` gives the pixels: float32 photons per pixel, or int32 after :meth:`noisy`,
    :meth:`measured` and :meth:`integers`.
    """

    data: np.ndarray
    """(slow, fast) of one panel, (panel, slow, fast) of several of one shape; where shapes differ (pixels,), one panel
    after the other"""
    resolved: Resolved = field(repr=False)
    """the experiment and the Scene that it was made from"""
    solid_angle: float = 0.0
    """steradian, of all rendered pixels"""
    overloads: int = 0
    """pixels above what 32 bits hold (noisy images)"""
    photons: float = 0.0
    """sum of all photons (noisy images)"""
    seed: int | None = None
    """the seed of the noise"""
    stages: dict[str, np.ndarray] | None = field(default=None, repr=False)
    """what :meth:`measured` was asked to keep"""
    scale: CountScale = field(default_factory=CountScale)
    """what the numbers of the pixels mean (whole numbers)"""

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if copy is False and dtype is not None and np.dtype(dtype) != self.data.dtype:
            raise ValueError("a copy is needed to convert the pixels")
        return np.array(self.data, dtype=dtype, copy=True) if copy else np.asarray(self.data, dtype=dtype)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of ``data``."""
        return self.data.shape

    @property
    def panels(self) -> tuple[PanelImage, ...]:
        """Name, pixels (slow, fast; a view of ``data``) and geometry of each panel."""
        panels = self.resolved.scene.panels
        return tuple(
            PanelImage(panel.name, pixels, panel)
            for panel, pixels in zip(panels, panel_views(self.data, panels), strict=True)
        )

    def statistics(self) -> Statistics:
        """Mean, rms, rmsd and maximum over the region of interest (``specs/physics.md``)."""
        from nanobragg.response.statistics import statistics

        scene = self.resolved.scene
        return statistics(self.data, mask=scene.image_mask, panels=scene.panels)

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
        """The image as a counting detector sees it: a Poisson deviate of each pixel plus ``adc_offset``, int32.

        Files of 16 bits (SMV) saturate at 65535 when they are written.

        Args:
            seed: the same seed gives the same image; default: the clock.
            rng: ``fast``: counter-based, the same for any number of threads; ``exact``: nanoBragg.c's, byte for byte.
            adc_offset: added to every pixel.
            threads: 0 for all processors (``fast`` only).

        """
        from nanobragg.response.photons import poisson_noise

        self._photons_only("noisy")
        _finite("adc_offset", adc_offset)
        noise = poisson_noise(
            self.data,
            seed=seed,
            rng=rng,
            adc_offset=adc_offset,
            panels=self.resolved.scene.panels,
            random_state=self.resolved.random_state,
            wide=True,
            threads=threads,
        )
        return Image(
            noise.pixels,
            self.resolved,
            solid_angle=self.solid_angle,
            overloads=noise.overloads,
            photons=noise.photons,
            seed=noise.seed,
            scale=CountScale(offset=adc_offset),
        )

    def measured(
        self,
        seed: int | None = None,
        *,
        shot: int = 0,
        response: Response | None = None,
        stages: bool = False,
        threads: int = 0,
    ) -> Image:
        """The image as the detector of the experiment's ``response`` gives it, int32 (``specs/response.md``).

        Args:
            seed: the same seed and shot give the same image; default: the clock.
            shot: number of the image in a series of one seed. Calibration and bad pixels are the same in all.
            response: what is said of the detector, in place of the experiment's.
            stages: keep the truth in ``stages`` of the image, float32 photons of its shape: ``expected``, the means
                that photons are drawn of; ``photons``, those drawn; ``recorded``, what is digitized.
            threads: 0 for all processors. The image does not depend on it.

        Raises:
            InputError: for an image with noise, and for what cannot be a detector.

        """
        from nanobragg.results.measured import measured

        self._photons_only("measured")
        found = measured(self.data, self.resolved, seed, shot, response, stages=stages, threads=threads)
        return replace(self, **found)

    def integers(self, scale: float | None = None, adc_offset: float = 40.0) -> Image:
        """The noiseless image scaled to int32; by default the maximum becomes 55000 (plus the offset)."""
        from nanobragg.response.integers import to_integers

        self._photons_only("integers")
        _finite("adc_offset", adc_offset)
        if scale is not None:
            _finite("scale", scale)
        pixels = to_integers(self.data, scale, adc_offset, panels=self.resolved.scene.panels, wide=True)
        return Image(pixels, self.resolved, solid_angle=self.solid_angle, scale=CountScale(offset=adc_offset))

    def truth(self, *, tolerance: float | None = None, radius: int | None = None) -> np.ndarray:
        """Reflections near the Ewald sphere: indices, predicted centroids, intensities (``specs/formats.md``).

        A structured array: ``pandas.DataFrame(image.truth())``.

        Args:
            tolerance: how far from the sphere, 1/Å; default: three half widths of a spot.
            radius: half width of the square that is integrated, pixels; default: from the spots' size.

        Raises:
            InputError: for an image with noise, and for a curved detector.

        """
        from nanobragg.results.truth import truth

        self._photons_only("truth")
        return truth(self.resolved, self.data, tolerance=tolerance, radius=radius)

    def plot(self, axes: Any = None, **options: Any) -> Any:
        """Draw the image with matplotlib; gives the axes. ``options`` go to ``imshow``.

        Several panels are drawn as they are seen along the beam.

        Raises :class:`InputError` without matplotlib.
        """
        from nanobragg.results.plot import plot

        if len(self.resolved.scene.panels) > 1:
            from nanobragg.io.images.assembled import assembled

            return plot(assembled(self.data, self.resolved)[0], axes, **options)
        return plot(self.data, axes, **options)

    def _repr_png_(self) -> bytes | None:
        """The picture that Jupyter shows; none without pillow."""
        from nanobragg.io.images.picture import png_bytes

        try:
            return png_bytes(self.data, self.resolved)
        except InputError:
            return None

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write the image; the file's extension says how.

        ``.img`` and ``.smv``: SMV with a full header (uint16, saturated at 65535; a float image is scaled as by
        :meth:`integers`). ``.bin``: bare float32. ``.pgm``: 8-bit picture. ``.png``: preview. ``.npy``: NumPy.
        ``.tif``, ``.tiff``: TIFF. ``.h5``, ``.nxs``: NeXus NXmx with geometry, beam and goniometer. ``.cbf``: with the
        lines of a PILATUS header, for whole numbers only (see :meth:`noisy` and :meth:`integers`).

        Raises:
            InputError: for another extension, and where the file cannot be written.

        """
        from nanobragg.io.images.formats import FORMATS, format_of

        name = os.fspath(path)
        chosen = format_of(name)
        if chosen is None:
            known = sorted(extension for row in FORMATS for extension in row.extensions)
            raise InputError(f"{name}: found extension {Path(name).suffix.lower()!r}, expected {', '.join(known)}")
        pixels, details = _held(self, chosen, name)
        doubt = chosen.doubt(self.resolved)
        if doubt is not None:
            warnings.warn(f"{name}: {doubt}", stacklevel=2)
        chosen.check(f"write {name}")
        chosen.write(path, pixels, self.resolved, **details)


def write_nxmx(images: Image | Sequence[Image], path: str | os.PathLike[str]) -> None:
    """Write one image or a series (a rotation scan, or shots) into one file, compressed by bitshuffle and LZ4.

    Args:
        images: of one detector; phi, crystal and wavelength may differ from image to image.
        path: ``.h5`` or ``.nxs``.

    Raises:
        InputError: without images, for images of different detectors or pixel types, and when the file cannot be
            written.

    """
    from nanobragg.io.images.nexus import write_series

    series = [images] if isinstance(images, Image) else list(images)
    scale = series[0].scale if series else None
    write_series([image.data for image in series], [image.resolved for image in series], path, scale=scale)


def _held(image: Image, chosen: Format, name: str) -> tuple[np.ndarray, dict[str, Any]]:
    """The image's pixels as a format holds them, and what else it is to be told."""
    from nanobragg.io.images.formats import PGM

    if chosen is PGM:
        from nanobragg.response.integers import integer_scale, pgm_scale, to_pgm_bytes

        found = image.statistics()
        scale = pgm_scale(None, found.rmsd, integer_scale(None, found.maximum))
        return to_pgm_bytes(image.data, scale, panels=image.resolved.scene.panels), {"scale": scale}
    if image.data.dtype != np.float32 or chosen.floats or chosen.picture:
        return image.data, {"scale": image.scale} if chosen.scaled else {}
    if not chosen.original:
        raise InputError(
            f"{name}: found float32 photons, expected whole numbers for {chosen.name}: write image.noisy() or "
            "image.integers()"
        )
    whole = image.integers()
    return whole.data, {"scale": whole.scale}


def _finite(name: str, value: float) -> None:
    try:
        finite = math.isfinite(value)
    except TypeError:
        finite = False
    if not finite:
        raise InputError(f"{name}: found {value!r}, expected a finite number")
