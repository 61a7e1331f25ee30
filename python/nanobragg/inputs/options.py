"""The table of command-line options (``specs/cli.md``): what is matched, what follows, what is set, what help says.

The order is that in which nanoBragg.c tests one word; it matters for words that contain several keys and for the
options that end the scan of their word.
"""

from __future__ import annotations

from typing import NamedTuple

PRECISIONS = ("double", "mixed")
GROUPS = (
    "Structure factors and orientation",
    "Crystal",
    "Beam",
    "Detector",
    "Detector position",
    "Rotation and sampling",
    "Output",
    "Running",
)
_FILES, _CRYSTAL, _BEAM, _DETECTOR, _POSITION, _SAMPLING, _OUTPUT, _RUNNING = GROUPS


class Option(NamedTuple):
    """One option of nanoBragg.c, or one of ours."""

    keys: tuple[str, ...]
    """Recognised wherever they occur in a word that starts with ``-``."""
    whole: tuple[str, ...]
    """Recognised as whole words."""
    names: tuple[str, ...]
    """What people write, the plain name first."""
    values: str
    """One letter for each word that must follow: r (real), i (integer), t (text)."""
    action: str
    """The method of the scanner that carries it out."""
    sets: tuple[str, ...]
    """Fields set: section.field, or section.field.index."""
    to: bool | str | None
    """What an option without values sets them to."""
    pivot: str | None
    """The pivot that the option implies."""
    convention: str | None
    """The convention that the option selects."""
    ends_scan: bool
    """No further key is looked for in the word."""
    group: str
    arguments: str
    """Of the values, for help."""
    help: str

    def matches(self, word: str) -> str | None:
        """The key that ``word`` contains or is, or ``None``."""
        if word in self.whole:
            return word
        return next((key for key in self.keys if key in word), None)


def _option(
    match: str,
    group: str,
    help: str,
    *,
    values: str = "",
    arguments: str = "",
    names: str = "",
    action: str = "",
    sets: str = "",
    to: bool | str | None = None,
    pivot: str | None = None,
    convention: str | None = None,
    ends_scan: bool = False,
) -> Option:
    """One row. ``match``: keys separated by blanks, those with ``=`` at the end need the whole word."""
    words = match.split()
    return Option(
        keys=tuple(w for w in words if not w.endswith("=")),
        whole=tuple(w[:-1] for w in words if w.endswith("=")),
        names=tuple((names or match.replace("=", "")).split()),
        values=values,
        action=action or ("set_values" if values else "set_constant"),
        sets=tuple(sets.split()),
        to=to,
        pivot=pivot,
        convention=convention,
        ends_scan=ends_scan,
        group=group,
        arguments=arguments,
        help=help,
    )


_SIZE_X, _SIZE_Y, _SIZE_Z = "crystal.size.0", "crystal.size.1", "crystal.size.2"
_VECTOR = {"values": "rrr", "arguments": "x y z", "convention": "custom", "action": "set_vector"}
_FLAG = {"to": True}

EARLY_OPTIONS: tuple[Option, ...] = (
    _option(
        "-img",
        _FILES,
        "image (SMV, CBF, HDF5...) or DIALS .expt that gives defaults for the geometry",
        values="t",
        arguments="file",
        sets="detector.header",
    ),
    _option(
        "-mask",
        _DETECTOR,
        "image (SMV, CBF, TIFF...) whose pixels of 0 are not rendered; its header gives defaults, too",
        values="t",
        arguments="file",
        sets="detector.mask",
    ),
)
"""Looked for in every word before all others."""

OPTIONS: tuple[Option, ...] = (
    _option(
        "-Na", _CRYSTAL, "unit cells along a (1)", values="i", arguments="n", sets="crystal.cells.0", ends_scan=True
    ),
    _option(
        "-Nb", _CRYSTAL, "unit cells along b (1)", values="i", arguments="n", sets="crystal.cells.1", ends_scan=True
    ),
    _option(
        "-Nc", _CRYSTAL, "unit cells along c (1)", values="i", arguments="n", sets="crystal.cells.2", ends_scan=True
    ),
    _option(
        "-N=",
        _CRYSTAL,
        "unit cells along a, b and c (1)",
        values="i",
        arguments="n",
        sets="crystal.cells.0 crystal.cells.1 crystal.cells.2",
        ends_scan=True,
    ),
    _option(
        "-cell",
        _FILES,
        "unit cell, Å and degrees; missing lengths copy a, missing angles are 90",
        arguments="a b c alpha beta gamma",
        action="set_cell",
    ),
    _option(
        "-misset",
        _FILES,
        "rotations of the crystal about lab x, y, z, degrees; or a random orientation",
        arguments="x y z | random",
        action="set_misset",
    ),
    _option(
        "-samplesize -sample_size -xtalsize -xtal_size",
        _CRYSTAL,
        "edge of the crystal, mm, instead of unit cells",
        values="r",
        arguments="mm",
        sets=f"{_SIZE_X} {_SIZE_Y} {_SIZE_Z}",
        names="-xtalsize -samplesize",
    ),
    _option(
        "-sample_thick -sample_x -xtal_thick -xtal_x",
        _CRYSTAL,
        "size of the crystal along a, mm",
        values="r",
        arguments="mm",
        sets=_SIZE_X,
        names="-xtal_thick -sample_thick -sample_x",
    ),
    _option(
        "-sample_width -sample_y -xtal_width -xtal_y -width",
        _CRYSTAL,
        "size of the crystal along b, mm",
        values="r",
        arguments="mm",
        sets=_SIZE_Y,
        names="-xtal_width -sample_width -sample_y -width",
    ),
    _option(
        "-sample_heigh -sample_z -xtal_heigh -xtal_z -heigh",
        _CRYSTAL,
        "size of the crystal along c, mm",
        values="r",
        arguments="mm",
        sets=_SIZE_Z,
        names="-xtal_height -sample_height -sample_z -height",
    ),
    _option(
        "-density -sample_den",
        _CRYSTAL,
        "density, g/cm³ (accepted, no effect)",
        values="r",
        arguments="g/cm³",
        action="ignore",
        names="-density -sample_density",
    ),
    _option(
        "-MW= -molec",
        _CRYSTAL,
        "molecular weight, g/mol (accepted, no effect)",
        values="r",
        arguments="g/mol",
        action="ignore",
        names="-MW -molecular_weight",
    ),
    _option(
        "-Xbeam",
        _POSITION,
        "direct beam, mm, in the convention's frame (centre of the detector); pivot beam",
        values="r",
        arguments="mm",
        sets="detector.beam_x",
        pivot="beam",
    ),
    _option(
        "-Ybeam",
        _POSITION,
        "direct beam, mm, in the convention's frame (centre of the detector); pivot beam",
        values="r",
        arguments="mm",
        sets="detector.beam_y",
        pivot="beam",
    ),
    _option(
        "-Xclose",
        _POSITION,
        "point nearest to the sample, mm; pivot sample",
        values="r",
        arguments="mm",
        sets="detector.close_x",
        pivot="sample",
    ),
    _option(
        "-Yclose",
        _POSITION,
        "point nearest to the sample, mm; pivot sample",
        values="r",
        arguments="mm",
        sets="detector.close_y",
        pivot="sample",
    ),
    _option(
        "-ORGX",
        _POSITION,
        "XDS origin, pixels; pivot sample",
        values="r",
        arguments="px",
        sets="detector.orgx",
        pivot="sample",
    ),
    _option(
        "-ORGY",
        _POSITION,
        "XDS origin, pixels; pivot sample",
        values="r",
        arguments="px",
        sets="detector.orgy",
        pivot="sample",
    ),
    _option(
        "-pivot",
        _POSITION,
        "what the detector turns about (the convention's; see specs/geometry.md)",
        arguments="sample | beam",
        values="t",
        action="set_pivot",
    ),
    _option("-mosflm", _POSITION, "MOSFLM's frame and beam centre (the default)", convention="mosflm", pivot="beam"),
    _option("-xds", _POSITION, "XDS's frame and beam centre; pivot sample", convention="xds", pivot="sample"),
    _option("-adxv", _POSITION, "ADXV's frame and beam centre", convention="adxv", pivot="beam"),
    _option("-denzo", _POSITION, "DENZO's frame and beam centre", convention="denzo", pivot="beam"),
    _option("-dials", _POSITION, "DIALS's frame and beam centre; pivot sample", convention="dials", pivot="beam"),
    _option("-fdet_vector", _POSITION, "fast axis; custom convention (0 0 1)", sets="detector.fast_axis", **_VECTOR),
    _option("-sdet_vector", _POSITION, "slow axis; custom convention (0 -1 0)", sets="detector.slow_axis", **_VECTOR),
    _option(
        "-odet_vector",
        _POSITION,
        "detector normal, away from the sample; custom convention (1 0 0)",
        sets="detector.normal_axis",
        **_VECTOR,
    ),
    _option("-beam_vector", _BEAM, "direction of travel; custom convention (1 0 0)", sets="beam.direction", **_VECTOR),
    _option(
        "-polar_vector",
        _BEAM,
        "direction of the E vector; custom convention (0 0 1)",
        sets="beam.polarization_axis",
        **_VECTOR,
    ),
    _option(
        "-spindle_axis",
        _SAMPLING,
        "right-handed rotation axis; custom convention (0 0 1)",
        sets="crystal.spindle_axis",
        **_VECTOR,
    ),
    _option(
        "-twotheta_axis",
        _POSITION,
        "axis of the detector swing; custom convention (0 1 0)",
        sets="detector.twotheta_axis",
        **_VECTOR,
    ),
    _option(
        "-pix0_vector",
        _POSITION,
        "first pixel before rotation, m (_mm: mm); custom convention; ignored with the quirk pix0_ignored",
        sets="detector.pix0",
        names="-pix0_vector -pix0_vector_mm",
        **_VECTOR,
    ),
    _option(
        "-distance",
        _POSITION,
        "sample to detector along the beam, mm (100); pivot beam",
        values="r",
        arguments="mm",
        sets="detector.distance",
        pivot="beam",
    ),
    _option(
        "-close_distance",
        _POSITION,
        "sample to the nearest point of the detector's plane, mm; pivot sample",
        values="r",
        arguments="mm",
        sets="detector.close_distance",
        pivot="sample",
    ),
    _option(
        "-detector_abs",
        _DETECTOR,
        "attenuation depth of the sensor, µm (inf: everything is captured)",
        values="t",
        arguments="µm | inf",
        action="set_absorption",
        names="-detector_absorb",
    ),
    _option(
        "-detector_thick=",
        _DETECTOR,
        "thickness of the sensor, µm (0)",
        values="r",
        arguments="µm",
        sets="detector.thickness",
    ),
    _option(
        "-detector_thicksteps -thicksteps",
        _DETECTOR,
        "layers that the sensor is divided into (1)",
        values="i",
        arguments="n",
        sets="detector.layers",
    ),
    _option(
        "-twotheta",
        _POSITION,
        "detector swing, degrees (0); pivot sample",
        values="r",
        arguments="deg",
        action="set_twotheta",
        pivot="sample",
    ),
    _option(
        "-detector_rotx",
        _POSITION,
        "rotation about lab x, degrees (0)",
        values="r",
        arguments="deg",
        sets="detector.rotx",
    ),
    _option(
        "-detector_roty",
        _POSITION,
        "rotation about lab y, after x, degrees (0)",
        values="r",
        arguments="deg",
        sets="detector.roty",
    ),
    _option(
        "-detector_rotz",
        _POSITION,
        "rotation about lab z, after y, degrees (0)",
        values="r",
        arguments="deg",
        sets="detector.rotz",
    ),
    _option(
        "-detsize=",
        _DETECTOR,
        "edge of the detector, mm (102.4)",
        values="r",
        arguments="mm",
        sets="detector.size.0 detector.size.1",
    ),
    _option(
        "-detsize_f", _DETECTOR, "size along the fast axis, mm", values="r", arguments="mm", sets="detector.size.1"
    ),
    _option(
        "-detsize_s", _DETECTOR, "size along the slow axis, mm", values="r", arguments="mm", sets="detector.size.0"
    ),
    _option(
        "-detpixels=",
        _DETECTOR,
        "pixels along both axes; stronger than the size (1024)",
        values="i",
        arguments="n",
        sets="detector.shape.0 detector.shape.1",
    ),
    _option(
        "-detpixels_f -detpixels_x",
        _DETECTOR,
        "pixels along the fast axis",
        values="i",
        arguments="n",
        sets="detector.shape.1",
    ),
    _option(
        "-detpixels_s -detpixels_y",
        _DETECTOR,
        "pixels along the slow axis",
        values="i",
        arguments="n",
        sets="detector.shape.0",
    ),
    _option(
        "-curved_det",
        _DETECTOR,
        "every pixel at the same distance from the sample",
        action="set_curved",
        sets="detector.curved",
    ),
    _option("-pixel", _DETECTOR, "edge of a pixel, mm (0.1)", values="r", arguments="mm", sets="detector.pixel_size"),
    _option("-point_pixel", _DETECTOR, "solid angle 1/R², without obliquity", sets="detector.point_pixel", **_FLAG),
    _option(
        "-polar=",
        _BEAM,
        "Kahn polarization factor, -1 to 1 (0: unpolarized)",
        values="r",
        arguments="K",
        action="set_polarization",
        sets="beam.polarization",
    ),
    _option("-nopolar", _BEAM, "no polarization correction", sets="beam.polarization_correction", to=False),
    _option(
        "-oversample_thick",
        _SAMPLING,
        "absorption in the sensor for every subpixel",
        sets="sampling.oversample_thick",
        ends_scan=True,
        **_FLAG,
    ),
    _option(
        "-oversample_polar",
        _SAMPLING,
        "polarization for every subpixel",
        sets="sampling.oversample_polar",
        ends_scan=True,
        **_FLAG,
    ),
    _option(
        "-oversample_omega",
        _SAMPLING,
        "solid angle for every subpixel",
        sets="sampling.oversample_omega",
        ends_scan=True,
        **_FLAG,
    ),
    _option(
        "-oversample",
        _SAMPLING,
        "subpixels along each axis of a pixel (from crystal size, wavelength and geometry)",
        values="i",
        arguments="n",
        sets="sampling.oversample",
    ),
    _option(
        "-roi",
        _DETECTOR,
        "render these pixels only, inclusive; negative: the default (all)",
        values="iiii",
        arguments="xmin xmax ymin ymax",
        action="set_roi",
        sets="detector.roi",
    ),
    _option(
        "-lambda -wave",
        _BEAM,
        "wavelength, Å (1.0)",
        values="r",
        arguments="Å",
        action="set_wavelength",
        names="-lambda -wavelength",
    ),
    _option(
        "-energy",
        _BEAM,
        "photon energy, eV, instead of the wavelength",
        values="r",
        arguments="eV",
        action="set_energy",
    ),
    _option(
        "-fluence",
        _BEAM,
        "photons/m² (1.25932e+29: intensities are F²)",
        values="r",
        arguments="ph/m²",
        sets="beam.fluence",
    ),
    _option(
        "-flux",
        _BEAM,
        "photons/s; with -exposure and -beamsize stronger than -fluence",
        values="r",
        arguments="ph/s",
        sets="beam.flux",
    ),
    _option("-exposure", _BEAM, "exposure, s (1)", values="r", arguments="s", sets="beam.exposure"),
    _option(
        "-beamsize",
        _BEAM,
        "edge of the square beam, mm (0.1); also clips the crystal",
        values="r",
        arguments="mm",
        sets="beam.size",
    ),
    _option(
        "-mosaic= -mosaici -mosaic_spr",
        _CRYSTAL,
        "radius of the cap of mosaic rotations, degrees (0)",
        values="r",
        arguments="deg",
        sets="crystal.mosaic_spread",
        names="-mosaic -mosaicity -mosaic_spread",
    ),
    _option(
        "-mosaic_dom",
        _CRYSTAL,
        "mosaic domains (1; 10 with a mosaic spread)",
        values="i",
        arguments="n",
        sets="crystal.mosaic_domains",
        names="-mosaic_domains",
    ),
    _option(
        "-dispersion",
        _BEAM,
        "spectral width, percent of the wavelength (0)",
        values="r",
        arguments="%",
        sets="beam.dispersion",
    ),
    _option("-dispsteps", _BEAM, "wavelengths in that width", values="i", arguments="n", sets="beam.dispersion_steps"),
    _option(
        "-divergence",
        _BEAM,
        "full divergence, both ways, mrad (0)",
        values="r",
        arguments="mrad",
        sets="beam.horizontal_divergence beam.vertical_divergence",
    ),
    _option(
        "-hdivrange",
        _BEAM,
        "full horizontal divergence, mrad (0)",
        values="r",
        arguments="mrad",
        sets="beam.horizontal_divergence",
    ),
    _option(
        "-vdivrange",
        _BEAM,
        "full vertical divergence, mrad (0)",
        values="r",
        arguments="mrad",
        sets="beam.vertical_divergence",
    ),
    _option(
        "-hdivstep=",
        _BEAM,
        "horizontal step, mrad",
        values="r",
        arguments="mrad",
        sets="beam.horizontal_divergence_step",
    ),
    _option(
        "-hdivsteps", _BEAM, "horizontal steps", values="i", arguments="n", sets="beam.horizontal_divergence_steps"
    ),
    _option(
        "-vdivstep=", _BEAM, "vertical step, mrad", values="r", arguments="mrad", sets="beam.vertical_divergence_step"
    ),
    _option("-vdivsteps", _BEAM, "vertical steps", values="i", arguments="n", sets="beam.vertical_divergence_steps"),
    _option(
        "-divsteps",
        _BEAM,
        "steps both ways",
        values="i",
        arguments="n",
        sets="beam.horizontal_divergence_steps beam.vertical_divergence_steps",
    ),
    _option(
        "-round_div", _BEAM, "cut the divergence to an ellipse (the default)", sets="beam.round_divergence", **_FLAG
    ),
    _option("-square_div", _BEAM, "keep the whole raster of the divergence", sets="beam.round_divergence", to=False),
    _option(
        "-adc",
        _OUTPUT,
        "offset of the integer and noise images (40)",
        values="r",
        arguments="x",
        sets="output.adc_offset",
        names="-adc -adcoffset",
    ),
    _option("-phi=", _SAMPLING, "start of the rotation, degrees (0)", values="r", arguments="deg", sets="sampling.phi"),
    _option(
        "-osc",
        _SAMPLING,
        "range of the rotation, degrees (0)",
        values="r",
        arguments="deg",
        sets="sampling.oscillation",
    ),
    _option(
        "-phistep=", _SAMPLING, "step of the rotation, degrees", values="r", arguments="deg", sets="sampling.phi_step"
    ),
    _option("-phisteps", _SAMPLING, "steps of the rotation (1)", values="i", arguments="n", sets="sampling.phi_steps"),
    _option(
        "-dmin",
        _SAMPLING,
        "high-resolution limit, Å (none)",
        values="r",
        arguments="Å",
        action="set_dmin",
        sets="sampling.dmin",
    ),
    _option(
        "-mat",
        _FILES,
        "orientation matrix, as MOSFLM writes it",
        values="t",
        arguments="file",
        sets="crystal.matrix",
        names="-mat -matrix",
    ),
    _option(
        "-hkl",
        _FILES,
        "structure factors: lines h k l F, MTZ, CIF, or a model (PDB, mmCIF, CIF) to compute them from",
        values="t",
        arguments="file",
        sets="crystal.structure_factors",
    ),
    _option(
        "-default_F",
        _FILES,
        "structure factor of reflections that are not listed, electrons (0)",
        values="r",
        arguments="F",
        sets="crystal.default_F",
    ),
    _option(
        "-dump",
        _FILES,
        "cache of the structure factors: written after -hkl, read without (Fdump.bin)",
        values="t",
        arguments="file",
        sets="crystal.dump",
    ),
    _option("-stolout", _FILES, "accepted, no effect", values="t", arguments="file", action="ignore"),
    _option(
        "-stol= -4stol= -Q=",
        _FILES,
        "amorphous structure factors (must be readable, no effect)",
        values="t",
        arguments="file",
        action="check_readable",
    ),
    _option(
        "-sourcefile",
        _BEAM,
        "list of sources: x y z towards the source, weight, wavelength (m)",
        values="t",
        arguments="file",
        sets="beam.sources",
    ),
    _option(
        "-floatfile -floatimage",
        _OUTPUT,
        "float image, photons/pixel (floatimage.bin); also .h5 .nxs .tif .npy",
        values="t",
        arguments="file",
        sets="output.floatfile",
    ),
    _option(
        "-intfile -intimage",
        _OUTPUT,
        "SMV image without noise (intimage.img); also .cbf .h5 .nxs .tif .npy",
        values="t",
        arguments="file",
        sets="output.intfile",
    ),
    _option(
        "-pgmfile -pgmimage",
        _OUTPUT,
        "8-bit picture (image.pgm)",
        values="t",
        arguments="file",
        sets="output.pgmfile",
        action="set_pgm",
    ),
    _option(
        "-noisefile -noiseimage",
        _OUTPUT,
        "SMV image with photon noise (noiseimage.img); also .cbf .h5 .nxs .tif .npy",
        values="t",
        arguments="file",
        sets="output.noisefile",
        action="set_noise",
    ),
    _option("-nonoise", _OUTPUT, "do not write the noise image", sets="write.noise", to=False),
    _option("-nopgm", _OUTPUT, "do not write the picture", sets="write.pgm", to=False),
    _option(
        "-scale",
        _OUTPUT,
        "scale of the integer image (the maximum becomes 55000)",
        values="r",
        arguments="x",
        sets="output.scale",
    ),
    _option(
        "-pgmscale",
        _OUTPUT,
        "scale of the picture (250 at five times the rmsd)",
        values="r",
        arguments="x",
        sets="output.pgm_scale",
        action="set_pgm",
    ),
    _option("-coherent", _SAMPLING, "accepted, no effect", action="ignore"),
    _option("-printout", _OUTPUT, "print the values of every pixel", sets="run.printout", **_FLAG),
    _option("-noprogress", _OUTPUT, "no progress bar or percentages", sets="run.progress", to=False),
    _option("-progress", _OUTPUT, "show progress (the default)", sets="run.progress", **_FLAG),
    _option(
        "-interpolate",
        _FILES,
        "tricubic interpolation of structure factors (if a side has at most 2 cells)",
        sets="crystal.interpolate",
        **_FLAG,
    ),
    _option(
        "-nointerpolate", _FILES, "structure factor of the nearest reflection", sets="crystal.interpolate", to=False
    ),
    _option("-round_xtal", _CRYSTAL, "ellipsoidal crystal", sets="crystal.shape", to="round"),
    _option("-square_xtal", _CRYSTAL, "parallelepiped (the default)", sets="crystal.shape", to="square"),
    _option("-gauss_xtal", _CRYSTAL, "gaussian spots, nothing between them", sets="crystal.shape", to="gauss"),
    _option(
        "-binary_spots -tophat_spots",
        _CRYSTAL,
        "spots cut off at half height, nothing between them",
        sets="crystal.shape",
        to="tophat",
        names="-tophat_spots -binary_spots",
    ),
    _option(
        "-fudge",
        _CRYSTAL,
        "scale of the spots' radius (1); not for -square_xtal",
        values="r",
        arguments="x",
        sets="crystal.fudge",
    ),
    _option(
        "-printout_pixel",
        _OUTPUT,
        "print the values of one pixel, fast axis first",
        values="ii",
        arguments="f s",
        action="set_printout_pixel",
    ),
    _option("-seed", _OUTPUT, "seed of the noise (the clock)", values="i", arguments="n", sets="output.seed"),
    _option(
        "-mosaic_seed",
        _CRYSTAL,
        "seed of the mosaic domains (12345678)",
        values="i",
        arguments="n",
        sets="crystal.mosaic_seed",
    ),
    _option(
        "-misset_seed",
        _FILES,
        "seed of -misset random (that of -seed, else the clock)",
        values="i",
        arguments="n",
        sets="crystal.misset_seed",
    ),
    _option("-water", _CRYSTAL, "water around the crystal, µm (0)", values="r", arguments="µm", sets="crystal.water"),
)
"""nanoBragg.c's options, in the order in which it tests a word."""

OWN_OPTIONS: tuple[Option, ...] = (
    _option(
        "-sf_column=",
        _FILES,
        "column of an MTZ or CIF file (amplitudes, else intensities)",
        values="t",
        arguments="name",
        action="own_text",
        sets="crystal.sf_column",
    ),
    _option(
        "-sf_dmin=",
        _FILES,
        "resolution of structure factors from a model, MTZ or CIF, Å (a model's: the detector's corner)",
        values="r",
        arguments="Å",
        action="own_positive",
        sets="crystal.sf_dmin",
    ),
    _option(
        "-k_sol=",
        _FILES,
        "bulk solvent around a model, electrons/Å³ (0.35; 0 in small-molecule crystals)",
        values="r",
        arguments="electrons/Å³",
        action="own_real",
        sets="crystal.k_sol",
    ),
    _option(
        "-b_sol=",
        _FILES,
        "B factor of the bulk solvent, Å² (46)",
        values="r",
        arguments="Å²",
        action="own_real",
        sets="crystal.b_sol",
    ),
    _option(
        "-quirks=",
        _RUNNING,
        "deviations of nanoBragg.c from physics to keep (all); -name takes one away: all,-pix0_ignored",
        values="t",
        arguments="all | none | names",
        action="ignore",
    ),
    _option(
        "-config=",
        _RUNNING,
        "read a TOML experiment first; other options override it",
        values="t",
        arguments="file.toml",
        action="ignore",
    ),
    _option(
        "-write_config=",
        _RUNNING,
        "write the experiment down as TOML, then run it",
        values="t",
        arguments="file.toml",
        sets="write.config",
    ),
    _option(
        "-threads=",
        _RUNNING,
        "threads (0: all processors); the result is the same",
        values="i",
        arguments="n",
        action="own_threads",
    ),
    _option(
        "-precision=",
        _RUNNING,
        "mixed: 1e-5 instead of 1e-6 of every pixel, twice as fast (double)",
        values="t",
        arguments="double | mixed",
        action="own_choice",
        sets="run.precision",
    ),
    _option(
        "-device=",
        _RUNNING,
        "where to render; auto: on a GPU if there is one and the work is worth it (cpu)",
        values="t",
        arguments="cpu | cuda | cuda:n | auto",
        action="own_device",
        sets="run.device",
    ),
    _option(
        "-noise_rng=",
        _OUTPUT,
        "fast: parallel generator, other photons than nanoBragg.c's (exact)",
        values="t",
        arguments="exact | fast",
        action="own_choice",
        sets="output.noise_rng",
    ),
    _option(
        "-pngfile=",
        _OUTPUT,
        "preview with automatic contrast, of the noise image if there is one (not written)",
        values="t",
        arguments="file.png",
        action="own_text",
        sets="output.pngfile",
    ),
    _option(
        "-truthfile=",
        _OUTPUT,
        "table of reflections, their centroids and intensities: .h5, .csv or .npy (not written)",
        values="t",
        arguments="file.h5",
        action="own_text",
        sets="output.truthfile",
    ),
    _option(
        "-png_rings=",
        _OUTPUT,
        "resolution rings on the preview, Å",
        values="t",
        arguments="auto | d,d,...",
        action="own_rings",
        sets="output.png_rings",
    ),
    _option("-png_beam=", _OUTPUT, "mark the direct beam on the preview", action="own_flag", sets="output.png_beam"),
    _option(
        "-png_roi=", _OUTPUT, "mark the region of interest on the preview", action="own_flag", sets="output.png_roi"
    ),
    _option(
        "-trace_pixel=",
        _OUTPUT,
        "print every intermediate quantity of one pixel, slow axis first",
        values="ii",
        arguments="s f",
        action="own_trace_pixel",
    ),
    _option(
        "-trace_json=",
        _OUTPUT,
        "write the quantities of -trace_pixel as JSON, too",
        values="t",
        arguments="file.json",
        action="ignore",
    ),
    _option(
        "-completion=",
        _RUNNING,
        "print the script that completes these options in a shell",
        values="t",
        arguments="bash | zsh | fish",
        action="ignore",
    ),
    _option("-h= --help= -help=", _RUNNING, "this text", action="ignore"),
    _option("--devices=", _RUNNING, "list the devices that can render", action="ignore"),
    _option("--version=", _RUNNING, "the version", action="ignore"),
)
"""Ours: whole words, whose values are not looked at for other options."""

CHOICES = {"-precision": PRECISIONS, "-noise_rng": ("exact", "fast"), "-device": ("cpu", "cuda", "auto")}


def own_option(word: str) -> Option | None:
    """The option of ours that ``word`` is."""
    return next((option for option in OWN_OPTIONS if word in option.whole), None)


def all_names() -> list[str]:
    """Every name that one may write."""
    rows = (*EARLY_OPTIONS, *OPTIONS, *OWN_OPTIONS)
    return list(dict.fromkeys(name for option in rows for name in (*option.names, *option.keys, *option.whole)))


def help_text() -> str:
    """All options, by subject, with units and defaults."""
    lines = [
        "usage: nanobragg -cell a b c alpha beta gamma -default_F F [options]",
        "       nanobragg -mat auto.mat -hkl P1.hkl [options]",
        "       nanobragg -config experiment.toml [options]",
        "       nanobragg view FILE... [-o PICTURE.png]",
        "",
        "X-ray diffraction images of crystals. Defaults are in parentheses.",
    ]
    rows = (*EARLY_OPTIONS, *OPTIONS, *OWN_OPTIONS)
    for group in GROUPS:
        lines += ["", f"{group}:"]
        for option in rows:
            if option.group == group:
                lines += _help_lines(option)
    return "\n".join(lines) + "\n"


_COLUMN = 34


def _help_lines(option: Option) -> list[str]:
    import textwrap

    spelled = f"  {option.names[0]} {option.arguments}".rstrip()
    text = option.help
    if len(option.names) > 1:
        text += "; also " + ", ".join(option.names[1:])
    wrapped = textwrap.wrap(text, 110 - _COLUMN)
    if len(spelled) >= _COLUMN - 1:
        return [spelled, *(" " * _COLUMN + line for line in wrapped)]
    first = f"{spelled:<{_COLUMN}}{wrapped[0]}"
    return [first, *(" " * _COLUMN + line for line in wrapped[1:])]


USAGE = """usage: nanobragg -cell a b c alpha beta gamma -default_F F [options]
       nanobragg -mat auto.mat -hkl P1.hkl [options]
       nanobragg -config experiment.toml [options]
A crystal orientation (-cell or -mat) and structure factors (-hkl, a cache, or -default_F) are needed.
nanobragg -h explains all options.
"""
