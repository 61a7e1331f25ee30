"""What a command line of ``nanobragg nonbragg`` says, the scene it becomes, and the quirks (``specs/nonbragg.md``)."""

from __future__ import annotations

from nanobragg.records.record import Record

Vec = tuple[float, float, float]

NONBRAGG_QUIRKS: dict[str, str] = {
    "linear_extrapolation": "outside the table F is on the straight line through its first or last two points",
    "text_lines_are_points": "a line of the table that begins with no number is a point (0, 0)",
    "unsorted_profile": "a table out of order is searched from where the evaluation before ended",
    "duplicate_points": "two points of equal x give infinity or NaN around",
    "negative_intensity": "a negative F gives a negative intensity, -F^2",
    "fmap_last_subpixel": "-Fmap shows F of the last subpixel and source",
    "source_weights_unnormalised": "weights of sources multiply, and the sum is divided by their number",
    "text_lines_are_sources": "a line of the source file that begins with no number is a source",
    "divsteps_is_radians": "a number of divergence steps alone spreads them over 1 radian",
    "divsteps_one_is_none": "one divergence step alone leaves no source, and an image of NaN",
    "extra_pixel": "ceil(detsize/pixel) pixels: one more than asked for, for some numbers",
    "default_centre": "the beam is half a pixel off the middle by default",
    "beam_centre_lost": "with the pivot at the sample -Xbeam and -Ybeam have no effect",
    "pivot_by_order": "the last option that implies a pivot wins",
    "twotheta_axis_parse": "-twotheta_axis x y z also sets twotheta to x degrees and the pivot to sample",
    "odet_ignored": "-odet_vector has no effect",
    "pix0_ignored": "-pix0_vector has no effect",
    "negative_close_distance": "a detector turned by more than 90 degrees has negative solid angles",
    "spot_without_twotheta": "beam centre and distance of headers, and a curved detector's radius, leave out 2theta",
    "curved_det_needs_word": "-curved_det as the very last word is ignored",
    "header_substring": "header keys match as the last substring in the header",
    "header_close_distance": "CLOSE_DISTANCE of the header of -img is stronger than -distance",
    "header_twotheta_ignored": "TWOTHETA of the header of -img is not used",
    "image_byte_order": "pixels of -img are read in the machine's byte order",
    "stolout_times_steps": "F from an image is the root of the number of steps too large",
    "stolout_mean_of_F": "-stolout holds means of F, the root of photons, which are low for weak images",
    "stolout_columns": "columns 4 and 5 of -stolout, median and median deviation, are 0",
    "roi_spoils_stolout": "pixels outside the region of interest stand, as zeros, among the first points' pixels",
    "stats_count": "with -img the number of pixels of mean and rms is that of the table's last point",
    "rmsd_shifted": "rmsd takes the pixel behind each pixel",
    "pgm_tail": "the original's PGM file ends with as many bytes of foreign memory (never copied)",
    "nopgm_ignored": "-nopgm has no effect",
    "gain_ignored": "-gain has no effect on the noise image",
    "solid_angle_printed": "the solid angle printed is oversample^2 times too large",
    "unknown_ignored": "options with too few words after them are ignored, and words that are no numbers are 0",
    "thicksteps_is_thickness": "-thicksteps n sets the thickness of the sample to n mm",
    "oversample_any": "-oversample_thick, _polar and _omega read the next word as the oversampling",
}


class NonBraggRun(Record):
    """What the words say, in their units; ``None``: not said."""

    profile: str
    """File of structure factors."""
    profile_unit: str
    """``stol``, ``4stol`` or ``Q``: what its first column is."""
    stolout: str
    image: str | None
    """SMV file whose header gives geometry, and whose pixels a profile."""
    gain: float
    ignore: tuple[int, ...]
    sample: Vec
    """mm, along the beam first."""
    density: float
    molecules: float
    molecular_weight: float
    pixel_size: float | None
    pixels: tuple[int | None, int | None]
    """fast, slow"""
    detsize: tuple[float | None, float | None]
    distance: float | None
    close_distance: float | None
    Xbeam: float | None
    Ybeam: float | None
    Xclose: float | None
    Yclose: float | None
    orgx: float | None
    orgy: float | None
    pivot: str | None
    """What ``-pivot`` says."""
    pivot_as_left: str
    """The pivot after the last option that implies one."""
    rotations: Vec
    twotheta: float | None
    twotheta_axis: Vec
    fast_axis: Vec
    slow_axis: Vec
    normal_axis: Vec | None
    beam: Vec
    polarization_axis: Vec
    pix0: Vec | None
    curved: bool
    point_pixel: bool
    roi: tuple[int, int, int, int]
    wavelength: float | None
    """m"""
    fluence: float
    flux: float
    exposure: float
    beamsize: float
    dispersion: float
    dispersion_steps: int
    horizontal: tuple[float | None, float | None, int]
    """Divergence: range, step (mrad), number."""
    vertical: tuple[float | None, float | None, int]
    round_divergence: bool
    source_distance: float
    sourcefile: str | None
    polarization: float
    polarized: bool
    oversample: int
    amplitudes: bool
    """Show F instead of photons."""
    phi: float | None
    oscillation: float | None
    phistep: float | None
    phisteps: int | None
    floatfile: str
    intfile: str
    pgmfile: str | None
    noisefile: str | None
    scale: float
    pgm_scale: float
    adc_offset: float
    seed: int | None
    printout: bool
    printout_pixel: tuple[int, int] | None
    progress: bool
    threads: int
    quirks: frozenset[str]
    touched: frozenset[str]
    """Quirks that decided what the words mean."""
    warnings: tuple[str, ...]


class AmorphousScene(Record):
    """One panel, the beam and the amorphous sample in it: plain numbers in SI units, nothing implied."""

    shape: tuple[int, int]
    """(slow, fast) pixels."""
    roi: tuple[int, int, int, int]
    """fast first, fast last, slow first, slow last, inclusive; may reach beyond the panel."""
    origin: Vec
    """Outer corner of the first pixel, m."""
    fast_axis: Vec
    slow_axis: Vec
    beam: Vec
    """Unit vectors."""
    pixel_size: tuple[float, float]
    """m, along fast and slow."""
    pixel_area: float
    """m²"""
    close_distance: float
    """m; its sign is that of the solid angle."""
    distance: float
    """m along the beam: a curved detector's radius."""
    oversample: int
    curved: bool
    point_pixel: bool
    source_travel: list[Vec]
    """Unit vectors of travel."""
    source_wavelength: list[float]
    """m"""
    source_weight: list[float]
    polarized: bool
    kahn_factor: float
    polarization_axis: Vec
    cross_section: float
    """m²; pixel = sum · cross_section · fluence · molecules / steps, in this order."""
    fluence: float
    molecules: float
    steps: float
    signed_intensity: bool
    """A negative F gives -F²."""
    show: int
    """0: photons; 1: F of the last subpixel and source; 2: the mean of F."""
    profile_stol: list[float]
    """sin θ/λ, 1/m."""
    profile_amplitude: list[float]
    """Electrons; NaN counts as 0."""
    profile_held: bool
    """Outside the table the first or last value; else a straight line through two points."""


class ResolvedNonBragg(Record):
    """A :class:`NonBraggRun` resolved: the scene, and what headers and printouts tell of it."""

    run: NonBraggRun
    scene: AmorphousScene
    profile_factor: float
    """From the profile's own unit to 1/m."""
    pivot: str
    detsize: tuple[float, float]
    """fast, slow, m"""
    Xbeam: float
    Ybeam: float
    Xclose: float
    Yclose: float
    wavelength: float
    phi: float
    oscillation: float
    twotheta: float
    """radians"""
    sample: Vec
    density: float
    """g/m³"""
    dispersion: tuple[float, int]
    horizontal: tuple[float, float, int]
    vertical: tuple[float, float, int]
    """Divergence: range, step (radians), number."""
    points: tuple[tuple[float, float], ...] | None
    """Points of the divergence grid; ``None`` with a source file."""
    wavelengths: tuple[float, ...]
    source_positions: tuple[Vec, ...]
    """Towards the sources, m, as printed."""
    warnings: tuple[str, ...]
    touched: frozenset[str]
    """Quirks that touch this run."""
