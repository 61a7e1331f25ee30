"""From the words after ``nanobragg nonbragg`` to a :class:`~nanobragg.records.nonbragg.NonBraggRun`
(``specs/nonbragg.md``, "Command line").
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from nanobragg.errors import InputError
from nanobragg.inputs.actions import set_values
from nanobragg.inputs.companion_words import CompanionScan, check_seed, help_of, own_options
from nanobragg.inputs.option import Option, Said
from nanobragg.inputs.option_row import option
from nanobragg.maths.constants import ENERGY
from nanobragg.records.nonbragg import NONBRAGG_QUIRKS, NonBraggRun

USAGE = """usage: nanobragg nonbragg -stol FILE [options]

Scattering of amorphous material (water, air, ice, oil) as photons per pixel, from a table of structure factors against
sin(theta)/lambda; the words and files of nonBragg.c. -h lists all options; specs/nonbragg.md has the details.
"""
GROUPS = ("Profile", "Sample", "Beam", "Detector", "Detector position", "Image in", "Rendering", "Output")
_PROFILE, _SAMPLE, _BEAM, _DETECTOR, _POSITION, _IMAGE, _RENDERING, _OUTPUT = GROUPS


def _set_profile(said: Said) -> int:
    said.draft.set("profile_unit", said.option.whole[0].removeprefix("-"))
    said.draft.set("profile", said.words[said.at + 1])
    return 1


def _set_thickness(said: Said) -> int:
    if "-thicksteps" in said.word and not said.quirks.on("thicksteps_is_thickness"):
        said.draft.warn(f"{said.word} has no effect: the sensor has no thickness")
    else:
        said.draft.set("sample_x", said.real())
    return 1


def _set_oversample(said: Said) -> int | None:
    if said.word != "-oversample" and not said.quirks.on("oversample_any"):
        said.draft.warn(f"{said.word} has no effect: every factor is that of the subpixel")
        return None
    said.draft.set("oversample", said.integer())
    return 1


def _set_pivot(said: Said) -> int:
    value = said.words[said.at + 1]
    for name in ("sample", "beam"):
        if name in value:
            said.draft.set("pivot", name)
            said.draft.imply_pivot(name)
    if "sample" not in value and "beam" not in value:
        said.draft.unreadable(said, value, "ignored")
    return 1


def _set_twotheta(said: Said) -> int | None:
    if "-twotheta_axis" in said.word and not said.quirks.on("twotheta_axis_parse"):
        return None
    said.draft.set("twotheta", said.real())
    said.draft.imply_pivot("sample")
    return 1


def _set_curved(said: Said) -> int:
    if said.following(1) or not said.quirks.on("curved_det_needs_word"):
        said.draft.set("curved", True)
    return 0


def _set_polarization(said: Said) -> int:
    said.draft.set("polarized", True)
    return set_values(said)


def _set_wavelength(said: Said) -> int:
    said.draft.set("wavelength", said.real() / 1.0e10)
    return 1


def _set_energy(said: Said) -> int:
    energy = said.real()
    if energy == 0.0:
        raise InputError(f"{said.word}: found {said.words[said.at + 1]!r}, expected an energy other than 0")
    said.draft.set("wavelength", (ENERGY / energy) / 1.0e10)
    return 1


def _add_ignored(said: Said) -> int:
    value = math.trunc(said.real())
    said.draft.set("ignore", (*said.draft.values["ignore"], value % 65536 if abs(value) < 2**31 else 0))
    return 1


# The order is that in which a word's keys are looked for; it matters for words that contain several.
TABLE: tuple[Option, ...] = (
    option(
        "-samplesize -sample_size",
        _SAMPLE,
        "edge of the sample, mm (0.1)",
        values="r",
        sets="sample_x sample_y sample_z",
        arguments="mm",
    ),
    option(
        "-sample_thick -sample_x -thick",
        _SAMPLE,
        "thickness along the beam, mm (0.1)",
        values="r",
        arguments="mm",
        action=_set_thickness,
    ),
    option("-sample_width -sample_y -width", _SAMPLE, "width, mm (0.1)", values="r", sets="sample_y", arguments="mm"),
    option("-sample_heigh -sample_z -heigh", _SAMPLE, "height, mm (0.1)", values="r", sets="sample_z", arguments="mm"),
    option("-density -sample_den", _SAMPLE, "density, g/cm³ (1)", values="r", sets="density", arguments="g/cm³"),
    option("-molecules -sample_molecules", _SAMPLE, "number of molecules, instead", values="r", sets="molecules"),
    option("-MW= -molecular", _SAMPLE, "molecular weight (18)", values="r", sets="molecular_weight", arguments="g/mol"),
    option("-Xbeam", _POSITION, "beam along the fast axis", values="r", sets="Xbeam", pivot="beam", arguments="mm"),
    option("-Ybeam", _POSITION, "beam along the slow axis", values="r", sets="Ybeam", pivot="beam", arguments="mm"),
    option("-Xclose", _POSITION, "near point, fast axis", values="r", sets="Xclose", pivot="sample", arguments="mm"),
    option("-Yclose", _POSITION, "near point, slow axis", values="r", sets="Yclose", pivot="sample", arguments="mm"),
    option("-ORGX", _POSITION, "near point, fast axis", values="r", sets="orgx", pivot="sample", arguments="pixels"),
    option("-ORGY", _POSITION, "near point, slow axis", values="r", sets="orgy", pivot="sample", arguments="pixels"),
    option(
        "-pivot",
        _POSITION,
        "what the detector turns about",
        values="t",
        arguments="sample | beam",
        action=_set_pivot,
    ),
    option("-fdet_vector", _POSITION, "fast axis (0 0 1)", values="rrr", sets="fast_axis"),
    option("-sdet_vector", _POSITION, "slow axis (0 -1 0)", values="rrr", sets="slow_axis"),
    option("-odet_vector", _POSITION, "normal (quirk odet_ignored)", values="rrr", sets="normal_axis"),
    option("-beam_vector", _BEAM, "direction of travel (1 0 0)", values="rrr", sets="beam"),
    option("-polar_vector", _BEAM, "direction of the E vector (0 0 1)", values="rrr", sets="polarization_axis"),
    option("-spindle_axis", _RENDERING, "no effect: the sample is isotropic", values="rrr", sets="spindle"),
    option("-twotheta_axis", _POSITION, "axis of 2theta (0 1 0)", values="rrr", sets="twotheta_axis"),
    option("-pix0_vector", _POSITION, "corner of the first pixel, m (quirk pix0_ignored)", values="rrr", sets="pix0"),
    option("-distance", _POSITION, "along the beam (100)", values="r", sets="distance", pivot="beam", arguments="mm"),
    option(
        "-close_distance",
        _POSITION,
        "to the near point, stronger than -distance",
        values="r",
        sets="close_distance",
        pivot="sample",
        arguments="mm",
    ),
    option(
        "-source_distance", _BEAM, "of the list of sources (10000)", values="r", sets="source_distance", arguments="mm"
    ),
    option("-twotheta", _POSITION, "swing about the sample", values="r", arguments="deg", action=_set_twotheta),
    option("-detector_rotx", _POSITION, "rotation about lab x", values="r", sets="rotx", arguments="deg"),
    option("-detector_roty", _POSITION, "rotation about lab y", values="r", sets="roty", arguments="deg"),
    option("-detector_rotz", _POSITION, "rotation about lab z", values="r", sets="rotz", arguments="deg"),
    option("-detsize=", _DETECTOR, "both edges (102.4)", values="r", sets="detsize_f detsize_s", arguments="mm"),
    option("-detsize_x", _DETECTOR, "edge along the fast axis", values="r", sets="detsize_f", arguments="mm"),
    option("-detsize_y", _DETECTOR, "edge along the slow axis", values="r", sets="detsize_s", arguments="mm"),
    option("-detpixels=", _DETECTOR, "pixels along both axes", values="i", sets="pixels_f pixels_s"),
    option("-detpixels_f -detpixels_x", _DETECTOR, "pixels along the fast axis", values="i", sets="pixels_f"),
    option("-detpixels_s -detpixels_y", _DETECTOR, "pixels along the slow axis", values="i", sets="pixels_s"),
    option("-curved_det", _DETECTOR, "all pixels at the same distance (needs a word behind it)", action=_set_curved),
    option("-pixel", _DETECTOR, "edge of a pixel (0.1)", values="r", sets="pixel_size", arguments="mm"),
    option("-point_pixel", _DETECTOR, "solid angles 1/R²", sets="point_pixel"),
    option("-Fmap", _RENDERING, "show F instead of photons", sets="amplitudes"),
    option(
        "-polar=",
        _BEAM,
        "Kahn's polarization factor (0)",
        values="r",
        sets="polarization",
        arguments="K",
        action=_set_polarization,
    ),
    option("-nopolar", _BEAM, "no polarization factor", sets="polarized", to=False),
    option("-oversample", _RENDERING, "subpixels along both axes (1)", values="i", action=_set_oversample),
    option(
        "-roi",
        _RENDERING,
        "pixels to render, inclusive",
        values="iiii",
        sets="roi",
        arguments="xmin xmax ymin ymax",
    ),
    option("-lambda -wave", _BEAM, "wavelength (1)", values="r", arguments="Å", action=_set_wavelength),
    option("-energy", _BEAM, "instead of a wavelength", values="r", arguments="eV", action=_set_energy),
    option("-fluence", _BEAM, "default 1/r_e²", values="r", sets="fluence", arguments="photons/m²"),
    option("-flux", _BEAM, "with -exposure and -beamsize, instead", values="r", sets="flux", arguments="photons/s"),
    option("-exposure", _BEAM, "exposure time (1)", values="r", sets="exposure", arguments="s"),
    option("-beamsize", _BEAM, "edge of the beam; clips the sample (0.1)", values="r", sets="beamsize", arguments="mm"),
    option("-dispersion", _BEAM, "spectral width", values="r", sets="dispersion", arguments="%"),
    option("-dispsteps", _BEAM, "number of wavelengths", values="i", sets="dispersion_steps"),
    option("-divergence", _BEAM, "both ranges", values="r", sets="hdivrange vdivrange", arguments="mrad"),
    option("-hdivrange", _BEAM, "horizontal range", values="r", sets="hdivrange", arguments="mrad"),
    option("-vdivrange", _BEAM, "vertical range", values="r", sets="vdivrange", arguments="mrad"),
    option("-hdivstep=", _BEAM, "horizontal step", values="r", sets="hdivstep", arguments="mrad"),
    option("-hdivsteps", _BEAM, "horizontal number of steps", values="i", sets="hdivsteps"),
    option("-vdivstep=", _BEAM, "vertical step", values="r", sets="vdivstep", arguments="mrad"),
    option("-vdivsteps", _BEAM, "vertical number of steps", values="i", sets="vdivsteps"),
    option("-divsteps", _BEAM, "both numbers of steps", values="i", sets="hdivsteps vdivsteps"),
    option("-round_div", _BEAM, "an ellipse of the divergence grid (default)", sets="round_divergence"),
    option("-square_div", _BEAM, "the whole grid", sets="round_divergence", to=False),
    option("-adc", _OUTPUT, "offset of int and noise image (40)", values="r", sets="adc_offset", arguments="ADU"),
    option("-gain", _IMAGE, "of the image read (1)", values="r", sets="gain", arguments="ADU/photon"),
    option("-phi=", _RENDERING, "for the header", values="r", sets="phi", arguments="deg"),
    option("-osc", _RENDERING, "for the header", values="r", sets="oscillation", arguments="deg"),
    option("-phistep=", _RENDERING, "for the header", values="r", sets="phistep", arguments="deg"),
    option("-phisteps", _RENDERING, "for the header", values="i", sets="phisteps"),
    option("-img", _IMAGE, "SMV image: geometry, and a profile from its pixels", values="t", sets="image"),
    option("-ignore", _IMAGE, "pixel value not to use; may be repeated", values="r", action=_add_ignored),
    option("-stolout", _IMAGE, "profile from the image (output.stol)", values="t", sets="stolout"),
    option("-stol=", _PROFILE, "table of sin(theta)/lambda (1/Å) and F", values="t", action=_set_profile),
    option("-4stol=", _PROFILE, "the same with 4 sin(theta)/lambda", values="t", action=_set_profile),
    option("-Q=", _PROFILE, "the same with 4 pi sin(theta)/lambda", values="t", action=_set_profile),
    option("-sourcefile", _BEAM, "sources: x y z weight wavelength (m)", values="t", sets="sourcefile"),
    option("-floatfile -floatimage", _OUTPUT, "photons, float32 (floatimage.bin)", values="t", sets="floatfile"),
    option("-intfile -intimage", _OUTPUT, "scaled, SMV (intimage.img)", values="t", sets="intfile"),
    option("-pgmfile -pgmimage", _OUTPUT, "grey levels (image.pgm)", values="t", sets="pgmfile"),
    option("-noisefile -noiseimage", _OUTPUT, "counts, SMV (noiseimage.img)", values="t", sets="noisefile"),
    option("-nonoise", _OUTPUT, "no noise image", sets="noisefile", to=None),
    option("-nopgm", _OUTPUT, "no grey levels (quirk nopgm_ignored)", sets="nopgm"),
    option("-noreject", _IMAGE, "no effect", sets="noreject"),
    option("-scale", _OUTPUT, "of the int image (the maximum becomes 55000)", values="r", sets="scale"),
    option("-pgmscale", _OUTPUT, "of the grey levels (five rmsd become 250)", values="r", sets="pgm_scale"),
    option("-coherent", _RENDERING, "no effect", sets="coherent"),
    option("-printout", _OUTPUT, "print every pixel", sets="printout"),
    option("-noprogress", _OUTPUT, "no percentages", sets="progress", to=False),
    option("-progress", _OUTPUT, "percentages", sets="progress"),
    option("-printout_pixel", _OUTPUT, "print one pixel", values="ii", sets="printout_pixel", arguments="fast slow"),
    option("-seed", _OUTPUT, "of the noise (the clock)", values="i", sets="seed"),
)

_UNSET = (
    *("Xbeam", "Ybeam", "Xclose", "Yclose", "orgx", "orgy", "pivot", "normal_axis", "pix0", "distance"),
    *("close_distance", "twotheta", "detsize_f", "detsize_s", "pixels_f", "pixels_s", "pixel_size", "wavelength"),
    *("hdivrange", "vdivrange", "hdivstep", "vdivstep", "phi", "oscillation", "phistep", "phisteps"),
    *("image", "profile", "sourcefile", "seed", "printout_pixel"),
)
_DEFAULTS: dict[str, Any] = {
    **dict.fromkeys(_UNSET),
    **dict.fromkeys(("sample_x", "sample_y", "sample_z", "beamsize"), 0.1),
    **dict.fromkeys(("rotx", "roty", "rotz", "flux", "dispersion", "polarization", "scale", "pgm_scale"), 0.0),
    **dict.fromkeys(("density", "gain", "exposure"), 1.0),
    **dict.fromkeys(("curved", "point_pixel", "amplitudes", "nopgm", "printout"), False),
    **dict.fromkeys(("polarized", "round_divergence", "progress"), True),
    **dict.fromkeys(("dispersion_steps", "hdivsteps", "vdivsteps", "oversample"), -1),
    "molecules": 0.0,
    "molecular_weight": 18.0,
    "pivot_as_left": "beam",
    "fast_axis": (0.0, 0.0, 1.0),
    "slow_axis": (0.0, -1.0, 0.0),
    "beam": (1.0, 0.0, 0.0),
    "polarization_axis": (0.0, 0.0, 1.0),
    "twotheta_axis": (0.0, 1.0, 0.0),
    "source_distance": 10000.0,
    "roi": (-1, -1, -1, -1),
    "fluence": 125932015286227086360700780544.0,
    "adc_offset": 40.0,
    "ignore": (),
    "profile_unit": "stol",
    "stolout": "output.stol",
    "floatfile": "floatimage.bin",
    "intfile": "intimage.img",
    "pgmfile": "image.pgm",
    "noisefile": "noiseimage.img",
}


def help_text() -> str:
    """All options, and the quirks."""
    return help_of(USAGE, TABLE, GROUPS, NONBRAGG_QUIRKS)


def parse_nonbragg(args: Sequence[str]) -> NonBraggRun | None:
    """The run that the words after ``nanobragg nonbragg`` describe; ``None`` where they name no profile.

    Raises :class:`InputError` for a wrong value of ours, and for numbers that no run can be made of.
    """
    own = own_options(args, NONBRAGG_QUIRKS)
    scan = CompanionScan(own.words, TABLE, _DEFAULTS, own.quirks, "unknown_ignored")
    scan.scan()
    fields = scan.draft.values
    if fields["profile"] is None:
        return None
    check_seed("-seed", fields["seed"])
    touched = scan.touched
    if fields.pop("nopgm"):
        if "nopgm_ignored" in own.quirks:
            touched |= {"nopgm_ignored"}
        else:
            fields["pgmfile"] = None
    return NonBraggRun(
        sample=_taken(fields, "sample_x", "sample_y", "sample_z"),
        pixels=_taken(fields, "pixels_f", "pixels_s"),
        detsize=_taken(fields, "detsize_f", "detsize_s"),
        rotations=_taken(fields, "rotx", "roty", "rotz"),
        horizontal=_taken(fields, "hdivrange", "hdivstep", "hdivsteps"),
        vertical=_taken(fields, "vdivrange", "vdivstep", "vdivsteps"),
        threads=own.threads,
        quirks=own.quirks,
        touched=touched,
        warnings=tuple(scan.draft.warnings),
        **{name: value for name, value in fields.items() if name not in ("spindle", "noreject", "coherent")},
    )


def _taken(fields: dict[str, Any], *names: str) -> Any:
    return tuple(fields.pop(name) for name in names)
