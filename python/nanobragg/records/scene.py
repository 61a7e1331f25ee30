"""The Scene: everything the render loop needs, explicit, in SI units, and nothing else.

It is the one contract between Python and C++ (``cpp/include/nanobragg/scene.hpp`` is its twin). Whoever fills
a Scene can render it; conventions, files and flags are unknown below this line.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

from nanobragg.records.panel import ScenePanel, common_shape
from nanobragg.records.shapes import Shape

if TYPE_CHECKING:
    import numpy as np


class Factor(IntEnum):
    """Where a per-pixel factor (solid angle, polarization, capture) is evaluated."""

    OFF = 0
    """It is 1."""
    FIRST = 1
    """At the first subpixel; polarization of the first source that is not culled. Multiplies the sum."""
    CENTRE = 2
    """At the pixel's centre on the sensor's front surface; polarization for each source."""
    EACH = 3
    """At every subpixel of every layer."""


class Interpolation(IntEnum):
    """How a structure factor is looked up in the grid."""

    NEAREST = 0
    TRICUBIC = 1
    """An evaluation out of range falls back to the nearest grid point, itself only."""
    TRICUBIC_STICKY = 2
    """The first evaluation out of range, in loop order, switches to NEAREST for itself and the rest."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Scene:
    """Input of :func:`nanobragg.render`. Arrays are C-contiguous float64 unless said otherwise."""

    # detector
    panels: tuple[ScenePanel, ...]
    """Where the pixels are, and which of them are rendered. The renderers take panels of one shape."""
    curved_distance: float
    """m: every pixel is moved to this distance (0: flat panels)."""
    beam_direction: np.ndarray
    """(3,) unit vector of travel of the nominal beam (used by curved detectors only)."""
    layers: np.ndarray
    """(T, 4) m, sensor layers: depth of the layer's pixel plane; front and back of the slab whose absorption
    multiplies the layer's terms; depth at which the angle of incidence is taken (Factor.FIRST)."""
    attenuation: float
    """1/m: linear attenuation coefficient of the sensor."""
    sensor_depth: float
    """m: depth of all layers together; what captures the background."""
    # factors
    omega: Factor
    """FIRST, CENTRE or EACH."""
    point_pixel: bool
    polar: Factor
    capture: Factor
    running_product: bool
    """Factors with EACH multiply the running sum after every addition (capture, polar, omega) instead of the
    term."""
    kahn_factor: float
    polarization_axis: np.ndarray
    """(3,) unit vector."""
    # beam
    source_direction: np.ndarray
    """(S, 3) unit vectors of travel."""
    source_wavelength: np.ndarray
    """(S,) m."""
    source_weight: np.ndarray
    """(S,) multiplies the source's terms; mean 1."""
    # crystal
    orientations: np.ndarray
    """(O, 3, 3) m: rows a, b, c of every orientation, phi steps outermost, mosaic domains innermost."""
    first_orientations: np.ndarray
    """(O, 3, 3) m: the same for the very first evaluation of the run, or (0, 3, 3)."""
    crystal_shape: Shape
    cells: tuple[float, float, float]
    """Whole numbers Na, Nb, Nc ≥ 1."""
    fudge: float
    reciprocal: np.ndarray
    """(3, 3) 1/Å: rows a*, b*, c* without rotation (round, gauss and tophat shapes)."""
    # structure factors
    f_grid: np.ndarray
    """(H, K, L) amplitudes on whole Miller indices; (0, 0, 0): none."""
    f_min: tuple[int, int, int]
    """h, k, l of f_grid[0, 0, 0]."""
    default_F: float
    interpolation: Interpolation
    # sampling
    oversample: int
    dmin: float
    """m; 0: no limit."""
    background_sum: float
    """Starts every pixel's sum (F² units)."""
    background: float
    """photons/sr, added once per pixel at its centre, times solid angle, polarization (weighted mean over the
    sources) and capture (sum over the layers)."""
    scale: float
    """r_e² × fluence."""
    steps: int
    """Divisor: sources × orientations × oversample²."""
    roi: tuple[int, int, int, int]
    """fast first, fast last, slow first, slow last, of every panel (inclusive, inside it; last < first: nothing)."""

    @property
    def shape(self) -> tuple[int, int]:
        """(slow, fast) pixels of every panel. Raises :class:`InputError` where they differ."""
        return common_shape(self.panels)

    @property
    def image_shape(self) -> tuple[int, ...]:
        """The image's shape, (slow, fast) of one panel and (panel, slow, fast) of several."""
        return self.shape if len(self.panels) == 1 else (len(self.panels), *self.shape)

    @property
    def image_mask(self) -> np.ndarray | None:
        """The panels' masks in the image's shape; ``None`` where none has one."""
        import numpy as np

        masks = [panel.mask for panel in self.panels]
        if all(mask is None for mask in masks):
            return None
        whole = np.ones(self.shape, np.uint8)
        return np.stack([whole if mask is None else mask for mask in masks]).reshape(self.image_shape)
