"""The table of command-line options (``specs/cli.md``): what is matched, what follows, what is set, what help says.

The order is that in which nanoBragg.c tests one word; it matters for words that contain several keys and for the
options that end the scan of their word.
"""

from __future__ import annotations

from typing import Any

from nanobragg.inputs import actions, own_actions
from nanobragg.inputs.option import Option
from nanobragg.inputs.option_row import option
from nanobragg.records.kinds import FLAG
from nanobragg.records.run import PLACES

GROUPS = (
    "Structure factors and orientation",
    "Crystal",
    "Beam",
    "Detector",
    "Detector position",
    "Rotation and sampling",
    "Around the crystal",
    "Counts",
    "Output",
    "Running",
)
_FILES, _CRYSTAL, _BEAM, _DETECTOR, _POSITION, _SAMPLING, _AROUND, _COUNTS, _OUTPUT, _RUNNING = GROUPS


_SHORT = {
    "degrees": "deg",
    "photons/m²": "ph/m²",
    "photons/s": "ph/s",
    "percent of the wavelength": "%",
    "pixels": "px",
    "ADU/photon": "ADU/ph",
}
"""Units as help writes them for a value."""


def _field(match: str, group: str, field: str, help: str = "", *, arguments: str = "", **said: Any) -> Option:
    """One row of an option that gives one field its value: what follows it, its help and the words that are accepted
    are those of the field's row.
    """
    row = PLACES[field].row
    kind, letters = row.kind, row.kind.letter * row.kind.most
    flag, pivot = kind is FLAG, said.get("pivot")
    also = (f"; pivot {pivot}" if pivot else "") + (" (the default)" if flag and row.default else "")
    return option(
        match,
        group,
        help or row.summary + also,
        values=letters[: kind.least],
        more=letters[kind.least :],
        arguments=arguments or kind.argument.format(unit=_SHORT.get(row.unit, row.unit) or "x"),
        sets=field,
        to=True if flag else None,
        row=row,
        **said,
    )


def _own(match: str, group: str, field: str, **said: Any) -> Option:
    """The same for an option of ours, whose values must be right to the last character."""
    action = None if PLACES[field].row.kind is FLAG else own_actions.set_value
    return _field(match, group, field, action=action, **said)


def _vector(match: str, group: str, field: str, help: str = "", names: str = "") -> Option:
    """The same for a vector, which selects the custom convention."""
    help = help or f"{PLACES[field].row.summary}; custom convention"
    return _field(match, group, field, help, names=names, action=actions.set_vector, convention="custom")


_SIZE_X, _SIZE_Y, _SIZE_Z = "crystal.size.0", "crystal.size.1", "crystal.size.2"

OPTIONS: tuple[Option, ...] = (
    _field("-img", _FILES, "detector.header"),
    _field("-mask", _DETECTOR, "detector.mask"),
    option(
        "-Na", _CRYSTAL, "unit cells along a (1)", values="i", arguments="n", sets="crystal.cells.0", ends_scan=True
    ),
    option(
        "-Nb", _CRYSTAL, "unit cells along b (1)", values="i", arguments="n", sets="crystal.cells.1", ends_scan=True
    ),
    option(
        "-Nc", _CRYSTAL, "unit cells along c (1)", values="i", arguments="n", sets="crystal.cells.2", ends_scan=True
    ),
    option(
        "-N=",
        _CRYSTAL,
        "unit cells along a, b and c (1)",
        values="i",
        arguments="n",
        sets="crystal.cells.0 crystal.cells.1 crystal.cells.2",
        ends_scan=True,
    ),
    _field("-cell", _FILES, "crystal.cell", action=actions.set_cell),
    _field("-misset", _FILES, "crystal.misset", action=actions.set_misset),
    option(
        "-samplesize -sample_size -xtalsize -xtal_size",
        _CRYSTAL,
        "edge of the crystal, mm, instead of unit cells",
        values="r",
        arguments="mm",
        sets=f"{_SIZE_X} {_SIZE_Y} {_SIZE_Z}",
        names="-xtalsize -samplesize",
    ),
    option(
        "-sample_thick -sample_x -xtal_thick -xtal_x",
        _CRYSTAL,
        "size of the crystal along a, mm",
        values="r",
        arguments="mm",
        sets=_SIZE_X,
        names="-xtal_thick -sample_thick -sample_x",
    ),
    option(
        "-sample_width -sample_y -xtal_width -xtal_y -width",
        _CRYSTAL,
        "size of the crystal along b, mm",
        values="r",
        arguments="mm",
        sets=_SIZE_Y,
        names="-xtal_width -sample_width -sample_y -width",
    ),
    option(
        "-sample_heigh -sample_z -xtal_heigh -xtal_z -heigh",
        _CRYSTAL,
        "size of the crystal along c, mm",
        values="r",
        arguments="mm",
        sets=_SIZE_Z,
        names="-xtal_height -sample_height -sample_z -height",
    ),
    option(
        "-density -sample_den",
        _CRYSTAL,
        "density, g/cm³ (accepted, no effect)",
        values="r",
        arguments="g/cm³",
        action=actions.ignore,
        names="-density -sample_density",
    ),
    option(
        "-MW= -molec",
        _CRYSTAL,
        "molecular weight, g/mol (accepted, no effect)",
        values="r",
        arguments="g/mol",
        action=actions.ignore,
        names="-MW -molecular_weight",
    ),
    _field("-Xbeam", _POSITION, "detector.beam_x", pivot="beam"),
    _field("-Ybeam", _POSITION, "detector.beam_y", pivot="beam"),
    _field("-Xclose", _POSITION, "detector.close_x", pivot="sample"),
    _field("-Yclose", _POSITION, "detector.close_y", pivot="sample"),
    _field("-ORGX", _POSITION, "detector.orgx", pivot="sample"),
    _field("-ORGY", _POSITION, "detector.orgy", pivot="sample"),
    _field("-pivot", _POSITION, "detector.pivot", action=actions.set_pivot),
    option("-mosflm", _POSITION, "MOSFLM's frame and beam centre (the default)", convention="mosflm", pivot="beam"),
    option("-xds", _POSITION, "XDS's frame and beam centre; pivot sample", convention="xds", pivot="sample"),
    option("-adxv", _POSITION, "ADXV's frame and beam centre", convention="adxv", pivot="beam"),
    option("-denzo", _POSITION, "DENZO's frame and beam centre", convention="denzo", pivot="beam"),
    option("-dials", _POSITION, "DIALS's frame and beam centre; pivot sample", convention="dials", pivot="beam"),
    _vector("-fdet_vector", _POSITION, "detector.fast_axis"),
    _vector("-sdet_vector", _POSITION, "detector.slow_axis"),
    _vector("-odet_vector", _POSITION, "detector.normal_axis"),
    _vector("-beam_vector", _BEAM, "beam.direction"),
    _vector("-polar_vector", _BEAM, "beam.polarization_axis"),
    _vector("-spindle_axis", _SAMPLING, "crystal.spindle_axis"),
    _vector("-twotheta_axis", _POSITION, "detector.twotheta_axis"),
    _vector(
        "-pix0_vector",
        _POSITION,
        "detector.pix0",
        "first pixel before rotation, m (_mm: mm); custom convention; ignored with the quirk pix0_ignored",
        names="-pix0_vector -pix0_vector_mm",
    ),
    _field("-distance", _POSITION, "detector.distance", pivot="beam"),
    _field("-close_distance", _POSITION, "detector.close_distance", pivot="sample"),
    _field(
        "-detector_abs",
        _DETECTOR,
        "detector.attenuation_depth",
        names="-detector_absorb",
        action=actions.set_absorption,
    ),
    _field("-detector_thick=", _DETECTOR, "detector.thickness"),
    _field("-detector_thicksteps -thicksteps", _DETECTOR, "detector.layers"),
    _field("-twotheta", _POSITION, "detector.twotheta", action=actions.set_twotheta, pivot="sample"),
    _field("-detector_rotx", _POSITION, "detector.rotx"),
    _field("-detector_roty", _POSITION, "detector.roty"),
    _field("-detector_rotz", _POSITION, "detector.rotz"),
    option(
        "-detsize=",
        _DETECTOR,
        "edge of the detector, mm (102.4)",
        values="r",
        arguments="mm",
        sets="detector.size.0 detector.size.1",
    ),
    option("-detsize_f", _DETECTOR, "size along the fast axis, mm", values="r", arguments="mm", sets="detector.size.1"),
    option("-detsize_s", _DETECTOR, "size along the slow axis, mm", values="r", arguments="mm", sets="detector.size.0"),
    option(
        "-detpixels=",
        _DETECTOR,
        "pixels along both axes; stronger than the size (1024)",
        values="i",
        arguments="n",
        sets="detector.shape.0 detector.shape.1",
    ),
    option(
        "-detpixels_f -detpixels_x",
        _DETECTOR,
        "pixels along the fast axis",
        values="i",
        arguments="n",
        sets="detector.shape.1",
    ),
    option(
        "-detpixels_s -detpixels_y",
        _DETECTOR,
        "pixels along the slow axis",
        values="i",
        arguments="n",
        sets="detector.shape.0",
    ),
    _field("-curved_det", _DETECTOR, "detector.curved", action=actions.set_curved),
    _field("-pixel", _DETECTOR, "detector.pixel_size"),
    _field("-point_pixel", _DETECTOR, "detector.point_pixel"),
    _field("-polar=", _BEAM, "beam.polarization", arguments="K", action=actions.set_polarization),
    option("-nopolar", _BEAM, "no polarization correction", sets="beam.polarization_correction", to=False),
    _field("-oversample_thick", _SAMPLING, "sampling.oversample_thick", ends_scan=True),
    _field("-oversample_polar", _SAMPLING, "sampling.oversample_polar", ends_scan=True),
    _field("-oversample_omega", _SAMPLING, "sampling.oversample_omega", ends_scan=True),
    _field("-oversample", _SAMPLING, "sampling.oversample"),
    _field("-roi", _DETECTOR, "detector.roi"),
    _field("-lambda -wave", _BEAM, "beam.wavelength", names="-lambda -wavelength", action=actions.set_wavelength),
    _field("-energy", _BEAM, "beam.energy", action=actions.set_energy),
    _field("-fluence", _BEAM, "beam.fluence"),
    _field("-flux", _BEAM, "beam.flux"),
    _field("-exposure", _BEAM, "beam.exposure"),
    _field("-beamsize", _BEAM, "beam.size"),
    _field(
        "-mosaic= -mosaici -mosaic_spr",
        _CRYSTAL,
        "crystal.mosaic_spread",
        names="-mosaic -mosaicity -mosaic_spread",
    ),
    _field("-mosaic_dom", _CRYSTAL, "crystal.mosaic_domains", names="-mosaic_domains"),
    _field("-dispersion", _BEAM, "beam.dispersion"),
    _field("-dispsteps", _BEAM, "beam.dispersion_steps"),
    option(
        "-divergence",
        _BEAM,
        "full divergence, both ways, mrad (0)",
        values="r",
        arguments="mrad",
        sets="beam.horizontal_divergence beam.vertical_divergence",
    ),
    _field("-hdivrange", _BEAM, "beam.horizontal_divergence"),
    _field("-vdivrange", _BEAM, "beam.vertical_divergence"),
    _field("-hdivstep=", _BEAM, "beam.horizontal_divergence_step"),
    _field("-hdivsteps", _BEAM, "beam.horizontal_divergence_steps"),
    _field("-vdivstep=", _BEAM, "beam.vertical_divergence_step"),
    _field("-vdivsteps", _BEAM, "beam.vertical_divergence_steps"),
    option(
        "-divsteps",
        _BEAM,
        "steps both ways",
        values="i",
        arguments="n",
        sets="beam.horizontal_divergence_steps beam.vertical_divergence_steps",
    ),
    _field("-round_div", _BEAM, "beam.round_divergence"),
    option("-square_div", _BEAM, "keep the whole raster of the divergence", sets="beam.round_divergence", to=False),
    _field("-adc", _OUTPUT, "output.adc_offset", names="-adc -adcoffset"),
    _field("-phi=", _SAMPLING, "sampling.phi"),
    _field("-osc", _SAMPLING, "sampling.oscillation"),
    _field("-phistep=", _SAMPLING, "sampling.phi_step"),
    _field("-phisteps", _SAMPLING, "sampling.phi_steps"),
    _field("-dmin", _SAMPLING, "sampling.dmin", action=actions.set_dmin),
    _field("-mat", _FILES, "crystal.matrix", names="-mat -matrix"),
    _field("-hkl", _FILES, "crystal.structure_factors"),
    _field("-default_F", _FILES, "crystal.default_F", arguments="F"),
    _field("-dump", _FILES, "crystal.dump"),
    option("-stolout", _FILES, "accepted, no effect", values="t", arguments="file", action=actions.ignore),
    option(
        "-stol= -4stol= -Q=",
        _FILES,
        "amorphous structure factors (must be readable, no effect)",
        values="t",
        arguments="file",
        action=actions.check_readable,
    ),
    _field("-sourcefile", _BEAM, "beam.sources"),
    _field("-floatfile -floatimage", _OUTPUT, "output.floatfile"),
    _field("-intfile -intimage", _OUTPUT, "output.intfile"),
    _field("-pgmfile -pgmimage", _OUTPUT, "output.pgmfile", action=actions.set_pgm),
    _field("-noisefile -noiseimage", _OUTPUT, "output.noisefile", action=actions.set_noise),
    option("-nonoise", _OUTPUT, "do not write the noise image", action=actions.no_noise, sets="output.noisefile"),
    option("-nopgm", _OUTPUT, "do not write the picture", action=actions.no_pgm, sets="output.pgmfile"),
    _field("-scale", _OUTPUT, "output.scale"),
    _field("-pgmscale", _OUTPUT, "output.pgm_scale", action=actions.set_pgm),
    option("-coherent", _SAMPLING, "accepted, no effect", action=actions.ignore),
    _field("-printout", _OUTPUT, "printout"),
    option("-noprogress", _OUTPUT, "no progress bar or percentages", sets="progress", to=False),
    _field("-progress", _OUTPUT, "progress"),
    _field("-interpolate", _FILES, "crystal.interpolate"),
    option(
        "-nointerpolate", _FILES, "structure factor of the nearest reflection", sets="crystal.interpolate", to=False
    ),
    option("-round_xtal", _CRYSTAL, "ellipsoidal crystal", sets="crystal.shape", to="round"),
    option("-square_xtal", _CRYSTAL, "parallelepiped (the default)", sets="crystal.shape", to="square"),
    option("-gauss_xtal", _CRYSTAL, "gaussian spots, nothing between them", sets="crystal.shape", to="gauss"),
    option(
        "-binary_spots -tophat_spots",
        _CRYSTAL,
        "spots cut off at half height, nothing between them",
        sets="crystal.shape",
        to="tophat",
        names="-tophat_spots -binary_spots",
    ),
    _field("-fudge", _CRYSTAL, "crystal.fudge"),
    _field("-printout_pixel", _OUTPUT, "printout_pixel", arguments="f s", action=actions.set_printout_pixel),
    _field("-seed", _OUTPUT, "output.seed"),
    _field("-mosaic_seed", _CRYSTAL, "crystal.mosaic_seed"),
    _field("-misset_seed", _FILES, "crystal.misset_seed"),
    _field("-water", _CRYSTAL, "crystal.water"),
)
"""nanoBragg.c's options, in the order in which it tests a word; it looks for the first two in all words beforehand."""

OWN_OPTIONS: tuple[Option, ...] = (
    option("-gauss_index=", _CRYSTAL, "spots gaussian in h, k, l", sets="crystal.shape", to="gauss_index"),
    _own("-Ndef=", _CRYSTAL, "crystal.cells_off_diagonal"),
    _own("-blocks=", _CRYSTAL, "crystal.blocks"),
    _own("-tolerance=", _SAMPLING, "sampling.tolerance"),
    _own("-sf_column=", _FILES, "crystal.sf_column"),
    _own("-sf_block=", _FILES, "crystal.sf_block"),
    _own("-sf_group=", _FILES, "crystal.sf_group"),
    _own("-detector=", _DETECTOR, "detector.name"),
    _own("-panels=", _DETECTOR, "detector.rendered", arguments="a,b"),
    _own("-own_sensors=", _DETECTOR, "detector.own_sensors"),
    _own("-detector_material=", _DETECTOR, "detector.material"),
    _own("-experiment=", _DETECTOR, "detector.experiment"),
    _own("-clen=", _POSITION, "detector.clen"),
    _own("-geomdata=", _POSITION, "detector.geometry_data"),
    _own("-sf_dmin=", _FILES, "crystal.sf_dmin"),
    _own("-k_sol=", _FILES, "crystal.k_sol"),
    _own("-b_sol=", _FILES, "crystal.b_sol"),
    option(
        "-around=",
        _AROUND,
        "one more amorphous material in the beam: water, ice, nanoice, paratone, air, helium, or a file of structure "
        "factors; its thickness, mm",
        values="tr",
        arguments="name mm",
        action=own_actions.add_material,
        sets="around.materials",
    ),
    option(
        "-around_density=",
        _AROUND,
        "density of the material before, g/cm³ (its own, of materials by name)",
        values="r",
        arguments="g/cm³",
        action=own_actions.set_density,
        sets="around.materials",
    ),
    option(
        "-around_MW=",
        _AROUND,
        "molecular weight of the material before, g/mol (its own, of materials by name)",
        values="r",
        arguments="g/mol",
        action=own_actions.set_molecular_weight,
        sets="around.materials",
    ),
    _own("-flight_path=", _AROUND, "around.flight_path"),
    _own("-flight_start=", _AROUND, "around.flight_start"),
    _own("-beamstop=", _AROUND, "around.beamstop"),
    _own("-beamstop_shape=", _AROUND, "around.beamstop_shape"),
    _own("-beamstop_distance=", _AROUND, "around.beamstop_distance"),
    _own("-beamstop_penumbra=", _AROUND, "around.beamstop_penumbra"),
    _own("-shadow=", _AROUND, "around.shadow"),
    _own("-response=", _COUNTS, "response.preset"),
    _own("-reading=", _COUNTS, "response.reading"),
    _own("-flicker=", _COUNTS, "response.flicker"),
    _own("-capture=", _COUNTS, "response.capture"),
    _own("-psf=", _COUNTS, "response.psf"),
    _own("-psf_fwhm=", _COUNTS, "response.psf_fwhm"),
    _own("-psf_radius=", _COUNTS, "response.psf_radius"),
    _own("-psf_kernel=", _COUNTS, "response.psf_kernel"),
    _own("-calibration=", _COUNTS, "response.calibration"),
    _own("-calib_seed=", _COUNTS, "response.calibration_seed"),
    _own("-gain=", _COUNTS, "response.gain"),
    _own("-gain_per_kev=", _COUNTS, "response.gain_per_kev"),
    _own("-gain_map=", _COUNTS, "response.gain_map"),
    _own("-offset=", _COUNTS, "response.offset"),
    _own("-dark_map=", _COUNTS, "response.dark_map"),
    _own("-readout=", _COUNTS, "response.readout"),
    _own("-count_rate=", _COUNTS, "response.count_rate"),
    _own("-dead_time=", _COUNTS, "response.dead_time"),
    _own("-dead=", _COUNTS, "response.dead"),
    _own("-hot=", _COUNTS, "response.hot"),
    _own("-bad_pixels=", _COUNTS, "response.bad_pixels"),
    _own("-bits=", _COUNTS, "response.bits"),
    _own("-saturation=", _COUNTS, "response.saturation"),
    _own("-signed=", _COUNTS, "response.signed"),
    _own("-countsfile=", _COUNTS, "output.countsfile"),
    _own("-shot=", _COUNTS, "output.shot"),
    _field("-quirks=", _RUNNING, "quirks", asks="quirks"),
    option(
        "-config=",
        _RUNNING,
        "read a TOML experiment first; other options override it",
        values="t",
        arguments="file.toml",
        asks="config",
    ),
    option(
        "-write_config=",
        _RUNNING,
        "write the experiment down as TOML, then run it",
        values="t",
        arguments="file.toml",
        asks="write_config",
    ),
    _own("-threads=", _RUNNING, "threads"),
    _own("-precision=", _RUNNING, "precision"),
    _own("-device=", _RUNNING, "device"),
    _own("-noise_rng=", _OUTPUT, "output.noise_rng"),
    _own("-pngfile=", _OUTPUT, "output.pngfile", arguments="file.png"),
    _own("-truthfile=", _OUTPUT, "output.truthfile", arguments="file.h5"),
    _own("-geomfile=", _OUTPUT, "output.geomfile", arguments="file.geom"),
    _own("-exptfile=", _OUTPUT, "output.exptfile", arguments="file.expt"),
    _own("-png_rings=", _OUTPUT, "output.png_rings"),
    _own("-png_beam=", _OUTPUT, "output.png_beam"),
    _own("-png_roi=", _OUTPUT, "output.png_roi"),
    _own("-png_raw=", _OUTPUT, "output.png_raw"),
    _own("-trace_pixel=", _OUTPUT, "trace_pixel", arguments="[p] s f"),
    option(
        "-trace_json=",
        _OUTPUT,
        "write the quantities of -trace_pixel as JSON, too",
        values="t",
        arguments="file.json",
        asks="trace_json",
    ),
    option(
        "-completion=",
        _RUNNING,
        "print the script that completes these options in a shell",
        values="t",
        arguments="bash | zsh | fish",
        asks="completion",
    ),
    option("-h= --help= -help=", _RUNNING, "this text", asks="help"),
    option("--devices=", _RUNNING, "list the devices that can render", asks="devices"),
    option("--detectors=", _RUNNING, "list the ready-made detectors", asks="detectors"),
    option("--version=", _RUNNING, "the version", asks="version"),
)
"""Ours: whole words, whose values are not looked at for other options. Those that ask for a text are heeded wherever
they stand."""

ALL_OPTIONS = (*OPTIONS, *OWN_OPTIONS)
OWN = {word: option for option in OWN_OPTIONS for word in option.whole}
"""Options of ours by the words that they are."""
