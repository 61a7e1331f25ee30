"""What the user says: the experiment, in the user's units.

Four frozen dataclasses (:class:`Beam`, :class:`Crystal`, :class:`Detector`, :class:`Sampling`) make an
:class:`Experiment`. A field left at ``None`` is *unset*, which is not the same as zero: the step-count rules
of ``specs/geometry.md`` ask what was said and what was not. Nothing is computed here; that is the task of
:mod:`nanobragg.resolver`, which turns an experiment into a :class:`nanobragg.Scene`.

Units: Å for cell, wavelength and resolution; mm for everything on the detector and for crystal and beam
sizes; degrees for crystal and detector angles; mrad for divergence; percent for dispersion; µm for sensor
and water thickness; eV for energy.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from nanobragg.records.scene import Scene

    PathOrArray = str | os.PathLike[str] | np.ndarray

Vector = tuple[float, float, float]
Convention = Literal["mosflm", "xds", "adxv", "denzo", "dials", "custom"]
Pivot = Literal["beam", "sample"]
ColumnName = str
CrystalShape = Literal["square", "round", "gauss", "tophat"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Beam:
    """The incident X-rays."""

    wavelength: float | None = None
    """Å; 1.0 when neither this, nor ``energy``, nor an image header says otherwise."""
    energy: float | None = None
    """eV; an alternative to ``wavelength``."""
    fluence: float | None = None
    """photons/m²; default 1/r_e², so that an unscaled intensity is F²."""
    flux: float | None = None
    """photons/s; with ``exposure`` and ``size`` an alternative to ``fluence``, and stronger than it."""
    exposure: float | None = None
    """s (1)."""
    size: float | None = None
    """Edge of the square beam, mm (0.1). Also clips the crystal's y and z size."""
    dispersion: float | None = None
    """Full spectral width, percent of the wavelength."""
    dispersion_steps: int | None = None
    """Number of wavelengths."""
    horizontal_divergence: float | None = None
    """Full range, mrad."""
    vertical_divergence: float | None = None
    """Full range, mrad."""
    horizontal_divergence_step: float | None = None
    """mrad."""
    vertical_divergence_step: float | None = None
    """mrad."""
    horizontal_divergence_steps: int | None = None
    vertical_divergence_steps: int | None = None
    round_divergence: bool = True
    """Cut the divergence grid to an ellipse; ``False`` keeps the whole raster."""
    polarization: float = 0.0
    """Kahn polarization factor, −1…1 (0: unpolarized)."""
    polarization_correction: bool = True
    """``False`` makes the polarization factor 1."""
    direction: Vector | None = None
    """Direction of travel in the lab frame (any length); custom convention."""
    polarization_axis: Vector | None = None
    """Direction of the E vector (any length); custom convention."""
    sources: PathOrArray | None = None
    """Source file, or array (n, 5): x, y, z towards the source (any length), relative weight, wavelength in
    **metres**; NaN takes the default of ``specs/formats.md``."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Crystal:
    """The sample: cell, orientation, size, structure factors, mosaicity, and the water around it."""

    cell: Sequence[float] | None = None
    """a, b, c (Å), α, β, γ (degrees). Missing lengths copy a, missing angles are 90."""
    matrix: PathOrArray | None = None
    """A matrix file, or array (3, 3) with columns a*, b*, c* in units of 1/λ (MOSFLM)."""
    misset: Vector | Literal["random"] | None = None
    """Missetting angles about lab x, y, z (degrees), or ``"random"``."""
    misset_seed: int | None = None
    """Seed of ``misset="random"``; default: another one every time."""
    cells: int | tuple[int, int, int] = 1
    """Unit cells along a, b, c."""
    size: float | tuple[float | None, float | None, float | None] | None = None
    """Crystal size along x, y, z (mm); overrides ``cells``."""
    shape: CrystalShape = "square"
    fudge: float = 1.0
    """Scale of the lattice transform's radius (round, gauss, tophat)."""
    structure_factors: PathOrArray | None = None
    """A file, or array (n, 4) of h, k, l, F. Arrays and text lists are P1: no symmetry is applied, not even Friedel's.
    MTZ and CIF reflections are expanded by symmetry, models (PDB, mmCIF, CIF) are transformed; these files give the
    cell, too, where neither ``cell`` nor ``matrix`` does (``specs/formats.md``)."""
    sf_column: ColumnName | None = None
    """Column of an MTZ or CIF file; default: amplitudes, else intensities."""
    sf_block: ColumnName | None = None
    """Block of a CIF; default: the first with atoms or with values."""
    sf_group: ColumnName | None = None
    """Space group of a file of reflections or of a model, by name or number; stronger than what the file says."""
    sf_dmin: float | None = None
    """Resolution of structure factors from a model (default: the detector's corner) or MTZ or CIF file, Å."""
    k_sol: float | None = None
    """Density of bulk solvent around a model, electrons/Å³ (0.35; 0 in small-molecule crystals)."""
    b_sol: float = 46.0
    """B factor of the bulk solvent, Å²."""
    default_F: float = 0.0
    """Structure factor of reflections that are not in the list."""
    dump: str | os.PathLike[str] | None = None
    """Cache of the structure factors (``Fdump.bin``): read when ``structure_factors`` is unset and the file exists.
    The command writes it after it has read a text list; from Python, :func:`nanobragg.save_cache` does.
    ``None``: no cache."""
    interpolate: bool | None = None
    """Tricubic interpolation between structure factors; default: if any of ``cells`` ≤ 2."""
    mosaic_spread: float | None = None
    """Radius of the spherical cap of mosaic rotations, degrees."""
    mosaic_domains: int | None = None
    mosaic_seed: int | None = None
    """Default 12345678."""
    spindle_axis: Vector | None = None
    """Right-handed rotation axis (any length); custom convention."""
    water: float = 0.0
    """Thickness of water in the beam, µm."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Detector:
    """The detector: pixels, position and orientation, sensor."""

    shape: tuple[int | None, int | None] | None = None
    """Pixels (slow, fast); stronger than ``size``."""
    size: tuple[float | None, float | None] | None = None
    """mm (slow, fast); default 102.4 × 102.4."""
    pixel_size: float | None = None
    """mm (0.1)."""
    distance: float | None = None
    """Sample to detector along the beam, mm (100)."""
    close_distance: float | None = None
    """Sample to the nearest point of the detector plane, mm."""
    beam_x: float | None = None
    """Xbeam, mm, in the convention's frame."""
    beam_y: float | None = None
    """Ybeam, mm, in the convention's frame."""
    close_x: float | None = None
    """Xclose, mm."""
    close_y: float | None = None
    """Yclose, mm."""
    orgx: float | None = None
    """XDS ORGX, pixels."""
    orgy: float | None = None
    """XDS ORGY, pixels."""
    convention: Convention | None = None
    """Default: mosflm, or custom if any vector is given."""
    pivot: Pivot | None = None
    """What stays in place when the detector turns. Default: the near point (sample) with any of ``twotheta``,
    ``close_distance``, ``close_x``, ``close_y``, ``orgx``, ``orgy``; else the direct beam's spot (beam) with any of
    ``distance``, ``beam_x``, ``beam_y``; else the convention's (see the quirk pivot_overridden)."""
    rotx: float = 0.0
    """Rotation about lab x, degrees; then ``roty``, then ``rotz``."""
    roty: float = 0.0
    rotz: float = 0.0
    twotheta: float | None = None
    """Detector swing about ``twotheta_axis``, degrees."""
    twotheta_axis: Vector | None = None
    fast_axis: Vector | None = None
    slow_axis: Vector | None = None
    normal_axis: Vector | None = None
    pix0: Vector | None = None
    """Position of the first pixel before rotation, **metres** (see the quirk pix0_ignored)."""
    curved: bool = False
    """Every pixel at the same distance."""
    point_pixel: bool = False
    """Solid angle 1/R², without obliquity."""
    attenuation_depth: float | None = None
    """Sensor attenuation depth, µm; ``inf``: nothing is absorbed."""
    thickness: float | None = None
    """Sensor thickness, µm."""
    layers: int | None = None
    """Layers that the sensor is divided into."""
    roi: tuple[int, int, int, int] | None = None
    """fast min, fast max, slow min, slow max, inclusive, pixels; negative: the default."""
    mask: PathOrArray | None = None
    """Image (SMV, or any format that fabio reads), or array (slow, fast): pixels equal to 0 are not rendered."""
    header: str | os.PathLike[str] | None = None
    """Image, NeXus file or DIALS experiment list that gives defaults for the geometry (``-img``)."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Sampling:
    """Rotation and the fineness of the simulation."""

    phi: float | None = None
    """Start of the rotation about the spindle, degrees."""
    oscillation: float | None = None
    """Range of the rotation, degrees."""
    phi_step: float | None = None
    """degrees."""
    phi_steps: int | None = None
    oversample: int | None = None
    """Subpixels along each axis; default: from crystal size, wavelength and geometry."""
    oversample_thick: bool = False
    """Absorption in the sensor per subpixel."""
    oversample_polar: bool = False
    """Polarization per subpixel."""
    oversample_omega: bool = False
    """Solid angle per subpixel."""
    dmin: float | None = None
    """High-resolution limit, Å."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Experiment:
    """Everything that decides an image.

    ``quirks`` says which deviations of nanoBragg.c from physics are kept: ``"all"``, ``"none"``, or a
    comma-separated list of names (``"all,-stale_phi_zero"``); see ``specs/quirks.md``.
    """

    beam: Beam = field(default_factory=Beam)
    crystal: Crystal = field(default_factory=Crystal)
    detector: Detector = field(default_factory=Detector)
    sampling: Sampling = field(default_factory=Sampling)
    quirks: str = "all"

    if TYPE_CHECKING:
        # They are bound where the package is put together (nanobragg/simulation.py), since what they do is done in
        # rooms above this one.
        @classmethod
        def from_args(cls, args: str | Sequence[str]) -> Experiment: ...
        @classmethod
        def from_toml(cls, path: str | os.PathLike[str]) -> Experiment: ...
        def to_toml(self, path: str | os.PathLike[str]) -> None: ...
        def scene(self) -> Scene: ...
