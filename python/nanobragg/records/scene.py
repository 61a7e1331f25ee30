"""The Scene: everything the render loop needs, explicit, in SI units, and nothing else.

It is the one contract between Python and C++ (``cpp/include/nanobragg/scene.hpp`` is its twin). Whoever fills
a Scene can render it; conventions, files and flags are unknown below this line.
"""

from __future__ import annotations

from dataclasses import replace
from enum import IntEnum
from typing import TYPE_CHECKING

from nanobragg.records.panel import ScenePanel, SceneSensor, common_shape
from nanobragg.records.record import Record
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


class Scene(Record):
    """Input of :func:`nanobragg.render`. Arrays are C-contiguous float64 unless said otherwise."""

    # detector
    panels: tuple[ScenePanel, ...]
    """Where the pixels are, and which of them are rendered."""
    curved_distance: float
    """m: every pixel is moved to this distance (0: flat panels)."""
    beam_direction: np.ndarray
    """(3,) unit vector of travel of the nominal beam (used by curved detectors only)."""
    layers: np.ndarray
    """(T, 5) m, layers of the sensor of panels that have none of their own: depth of the layer's pixel plane; front
    and back of the slab whose absorption multiplies the layer's terms; depth at which the angle of incidence is taken
    (Factor.FIRST); thickness of the layer: above 0, its pixels stand behind that depth, at the mean depth at which a
    slab of this thickness absorbs their rays (at the angle of incidence on the sensor's front surface)."""
    attenuation: float
    """1/m: linear attenuation coefficient of that sensor."""
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
    """Na, Nb, Nc ≥ 1, whole or not."""
    cells_off_diagonal: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """N_ab, N_bc, N_ac of the gauss_index shape, whose N is a symmetric, positive definite matrix."""
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
    tolerance: float = 0.0
    """photons that no pixel may be wrong by, for terms that are left out; 0: all are computed."""

    @property
    def shape(self) -> tuple[int, int]:
        """(slow, fast) pixels of every panel. Raises :class:`InputError` where they differ."""
        return common_shape(self.panels)

    @property
    def image_shape(self) -> tuple[int, ...]:
        """The image's shape, (slow, fast) of one panel, (panel, slow, fast) of several of one shape; where shapes
        differ (pixels,), one panel after the other.
        """
        shapes = {tuple(panel.shape) for panel in self.panels}
        if len(shapes) > 1:
            return (sum(panel.shape[0] * panel.shape[1] for panel in self.panels),)
        return self.shape if len(self.panels) == 1 else (len(self.panels), *self.shape)

    @property
    def image_mask(self) -> np.ndarray | None:
        """The panels' masks in the image's shape; ``None`` where none has one."""
        import numpy as np

        if all(panel.mask is None for panel in self.panels):
            return None
        masks = [np.ones(panel.shape, np.uint8) if panel.mask is None else panel.mask for panel in self.panels]
        return np.concatenate([mask.ravel() for mask in masks]).reshape(self.image_shape)

    def sensor_of(self, panel: ScenePanel) -> SceneSensor:
        """What absorbs in a panel."""
        if panel.sensor is not None:
            return panel.sensor
        return SceneSensor(layers=self.layers, attenuation=self.attenuation, depth=self.sensor_depth)

    def cropped(self, roi: tuple[int, int, int, int]) -> Scene:
        """The Scene with this region of interest (fast first, fast last, slow first, slow last), as far as it lies in
        a panel, of every panel.
        """
        return replace(self, panels=tuple(replace(panel, roi=_clipped(roi, panel)) for panel in self.panels))


def _clipped(roi: tuple[int, int, int, int], panel: ScenePanel) -> tuple[int, int, int, int]:
    """The region of interest without what is outside the panel."""
    x0, x1, y0, y1 = roi
    x0, x1, y0, y1 = max(x0, 0), min(x1, panel.shape[1] - 1), max(y0, 0), min(y1, panel.shape[0] - 1)
    return (x0, x1, y0, y1) if x0 <= x1 and y0 <= y1 else (0, -1, 0, -1)
