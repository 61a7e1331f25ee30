"""What :func:`nanobragg.resolve` gives besides the Scene: the numbers that people read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nanobragg.records.record import Record

if TYPE_CHECKING:
    from nanobragg.records.around import Surroundings
    from nanobragg.records.experiment import Experiment
    from nanobragg.records.scene import Scene


class Geometry(Record):
    """The detector as the conventions describe it, and the beam: lengths in metres, angles in radians, lab frame.

    Where the pixels are is in ``Scene.panels``.
    """

    convention: str
    pivot: str
    detsize_f: float
    detsize_s: float
    distance: float
    Xbeam: float
    Ybeam: float
    Xclose: float
    Yclose: float
    Fbeam: float
    Sbeam: float
    Fclose: float
    Sclose: float
    orgx: float
    """pixels"""
    orgy: float
    """pixels"""
    dials_origin: tuple[float, float, float]
    """mm"""
    beam: tuple[float, float, float]
    polar: tuple[float, float, float]
    spindle: tuple[float, float, float]
    twotheta: float
    roi: tuple[int, int, int, int]
    """fast first, fast last, slow first, slow last as said, not clipped"""
    thickness: float
    thickness_step: float
    thickness_steps: int
    layer_depths: tuple[float, ...]
    """where each layer stands for rays that come straight in: its front face, or its mean depth of absorption (quirk
    layers_at_front_faces)"""
    attenuation: float
    """1/m, -1 when unset"""
    curved: bool
    point_pixel: bool
    mask_name: str
    """'' without a mask"""


class Sample(Record):
    """The resolved crystal. Å and degrees where people read them, metres where the Scene needs them."""

    cell: tuple[float, float, float, float, float, float]
    """Å, degrees"""
    reciprocal_cell: tuple[float, float, float, float, float, float]
    """1/Å, degrees"""
    volume: float
    """Å³"""
    a0: tuple[float, float, float]
    """m, at phi = 0"""
    b0: tuple[float, float, float]
    c0: tuple[float, float, float]
    a_star: tuple[float, float, float]
    """1/Å, at phi = 0"""
    b_star: tuple[float, float, float]
    c_star: tuple[float, float, float]
    cells: tuple[float, float, float]
    shape: str
    misset: tuple[float, float, float] | None
    """radians; the drawn angles of -misset random"""
    misset_random: bool
    mosaic_spread: float
    """radians"""
    mosaic_domains: int
    mosaic_seed: int
    reflections: int
    """entries of the structure-factor grid that came from a file"""
    default_F: float
    interpolate: bool
    water: float
    """m"""


class Radiation(Record):
    """The resolved beam and its sampling. SI units, radians."""

    wavelength: float
    fluence: float
    dispersion: float
    dispersion_steps: int
    hdivrange: float
    hdivstep: float
    vdivrange: float
    vdivstep: float
    divergence_steps: int
    """grid points kept; -1 with a source file, as the original prints it"""
    divergence_points: tuple[tuple[float, float], ...]
    """(horizontal, vertical) deviation of each point kept, radians"""
    wavelengths: tuple[float, ...]
    """m, the lines of the dispersion grid; empty with a source file"""
    kahn_factor: float
    polarization_correction: bool
    phi: float
    """where the oscillation begins"""
    oscillation: float
    phi_step: float
    phi_steps: int
    phi_angles: tuple[float, ...]
    """at which the crystal stands, one of each step: its start, or its middle (quirk phi_at_step_starts)"""
    oversample: int
    oversample_chosen: bool
    """True when nobody said -oversample"""
    steps: int


class Resolved(Record):
    """An experiment made explicit: the Scene, and how it came about."""

    experiment: Experiment
    scene: Scene
    geometry: Geometry
    sample: Sample
    radiation: Radiation
    surroundings: Surroundings | None
    """``None``: nothing is around the crystal."""
    notes: tuple[str, ...]
    """plain remarks, in order (files read, choices made)"""
    warnings: tuple[str, ...]
    """sentences, in order, without the word WARNING"""
    random_state: tuple[int, ...]
    """State of the random-number table after the orientations were drawn (``RandomTable.state()``): a negative
    noise seed goes on from it (``specs/random.md``)."""
    quirks: tuple[tuple[str, str], ...]
    """(name, sentence) of each quirk that touches this run, in the order of quirks.py"""
