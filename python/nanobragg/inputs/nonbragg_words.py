"""From the words after ``nanobragg nonbragg`` to a :class:`~nanobragg.records.nonbragg.NonBraggRun`
(``specs/nonbragg.md``, "Command line").
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from nanobragg.errors import InputError
from nanobragg.inputs.companion_words import Key, Scanner, check_seed, help_of, key, own_help, own_options
from nanobragg.maths.constants import ENERGY
from nanobragg.records.nonbragg import NONBRAGG_QUIRKS, NonBraggRun

USAGE = """usage: nanobragg nonbragg -stol FILE [options]

Scattering of amorphous material (water, air, ice, oil) as photons per pixel, from a table of structure factors against
sin(theta)/lambda; the words and files of nonBragg.c. -h lists all options; specs/nonbragg.md has the details.
"""
GROUPS = ("Profile", "Sample", "Beam", "Detector", "Detector position", "Image in", "Rendering", "Output")
_PROFILE, _SAMPLE, _BEAM, _DETECTOR, _POSITION, _IMAGE, _RENDERING, _OUTPUT = GROUPS

# The order is that in which a word's keys are looked for; it matters for words that contain several.
TABLE: tuple[Key, ...] = (
    key(
        "-samplesize -sample_size",
        _SAMPLE,
        "edge of the sample, mm (0.1)",
        values="r",
        sets="sample_x sample_y sample_z",
        arguments="mm",
    ),
    key(
        "-sample_thick -sample_x -thick",
        _SAMPLE,
        "thickness along the beam, mm (0.1)",
        values="r",
        arguments="mm",
        action="set_thickness",
    ),
    key("-sample_width -sample_y -width", _SAMPLE, "width, mm (0.1)", values="r", sets="sample_y", arguments="mm"),
    key("-sample_heigh -sample_z -heigh", _SAMPLE, "height, mm (0.1)", values="r", sets="sample_z", arguments="mm"),
    key("-density -sample_den", _SAMPLE, "density, g/cm³ (1)", values="r", sets="density", arguments="g/cm³"),
    key("-molecules -sample_molecules", _SAMPLE, "number of molecules, instead", values="r", sets="molecules"),
    key("-MW= -molecular", _SAMPLE, "molecular weight (18)", values="r", sets="molecular_weight", arguments="g/mol"),
    key("-Xbeam", _POSITION, "beam along the fast axis", values="r", sets="Xbeam", pivot="beam", arguments="mm"),
    key("-Ybeam", _POSITION, "beam along the slow axis", values="r", sets="Ybeam", pivot="beam", arguments="mm"),
    key("-Xclose", _POSITION, "near point, fast axis", values="r", sets="Xclose", pivot="sample", arguments="mm"),
    key("-Yclose", _POSITION, "near point, slow axis", values="r", sets="Yclose", pivot="sample", arguments="mm"),
    key("-ORGX", _POSITION, "near point, fast axis", values="r", sets="orgx", pivot="sample", arguments="pixels"),
    key("-ORGY", _POSITION, "near point, slow axis", values="r", sets="orgy", pivot="sample", arguments="pixels"),
    key(
        "-pivot",
        _POSITION,
        "what the detector turns about",
        values="t",
        arguments="sample | beam",
        action="set_pivot",
    ),
    key("-fdet_vector", _POSITION, "fast axis (0 0 1)", values="rrr", sets="fast_axis"),
    key("-sdet_vector", _POSITION, "slow axis (0 -1 0)", values="rrr", sets="slow_axis"),
    key("-odet_vector", _POSITION, "normal (quirk odet_ignored)", values="rrr", sets="normal_axis"),
    key("-beam_vector", _BEAM, "direction of travel (1 0 0)", values="rrr", sets="beam"),
    key("-polar_vector", _BEAM, "direction of the E vector (0 0 1)", values="rrr", sets="polarization_axis"),
    key("-spindle_axis", _RENDERING, "no effect: the sample is isotropic", values="rrr", sets="spindle"),
    key("-twotheta_axis", _POSITION, "axis of 2theta (0 1 0)", values="rrr", sets="twotheta_axis"),
    key("-pix0_vector", _POSITION, "corner of the first pixel, m (quirk pix0_ignored)", values="rrr", sets="pix0"),
    key("-distance", _POSITION, "along the beam (100)", values="r", sets="distance", pivot="beam", arguments="mm"),
    key(
        "-close_distance",
        _POSITION,
        "to the near point, stronger than -distance",
        values="r",
        sets="close_distance",
        pivot="sample",
        arguments="mm",
    ),
    key(
        "-source_distance", _BEAM, "of the list of sources (10000)", values="r", sets="source_distance", arguments="mm"
    ),
    key("-twotheta", _POSITION, "swing about the sample", values="r", arguments="deg", action="set_twotheta"),
    key("-detector_rotx", _POSITION, "rotation about lab x", values="r", sets="rotx", arguments="deg"),
    key("-detector_roty", _POSITION, "rotation about lab y", values="r", sets="roty", arguments="deg"),
    key("-detector_rotz", _POSITION, "rotation about lab z", values="r", sets="rotz", arguments="deg"),
    key("-detsize=", _DETECTOR, "both edges (102.4)", values="r", sets="detsize_f detsize_s", arguments="mm"),
    key("-detsize_x", _DETECTOR, "edge along the fast axis", values="r", sets="detsize_f", arguments="mm"),
    key("-detsize_y", _DETECTOR, "edge along the slow axis", values="r", sets="detsize_s", arguments="mm"),
    key("-detpixels=", _DETECTOR, "pixels along both axes", values="i", sets="pixels_f pixels_s"),
    key("-detpixels_f -detpixels_x", _DETECTOR, "pixels along the fast axis", values="i", sets="pixels_f"),
    key("-detpixels_s -detpixels_y", _DETECTOR, "pixels along the slow axis", values="i", sets="pixels_s"),
    key("-curved_det", _DETECTOR, "all pixels at the same distance (needs a word behind it)", action="set_curved"),
    key("-pixel", _DETECTOR, "edge of a pixel (0.1)", values="r", sets="pixel_size", arguments="mm"),
    key("-point_pixel", _DETECTOR, "solid angles 1/R²", sets="point_pixel"),
    key("-Fmap", _RENDERING, "show F instead of photons", sets="amplitudes"),
    key("-polar=", _BEAM, "Kahn's polarization factor (0)", values="r", arguments="K", action="set_polarization"),
    key("-nopolar", _BEAM, "no polarization factor", sets="polarized", to=False),
    key("-oversample", _RENDERING, "subpixels along both axes (1)", values="i", action="set_oversample"),
    key(
        "-roi",
        _RENDERING,
        "pixels to render, inclusive",
        values="iiii",
        sets="roi",
        arguments="xmin xmax ymin ymax",
    ),
    key("-lambda -wave", _BEAM, "wavelength (1)", values="r", arguments="Å", action="set_wavelength"),
    key("-energy", _BEAM, "instead of a wavelength", values="r", arguments="eV", action="set_energy"),
    key("-fluence", _BEAM, "default 1/r_e²", values="r", sets="fluence", arguments="photons/m²"),
    key("-flux", _BEAM, "with -exposure and -beamsize, instead", values="r", sets="flux", arguments="photons/s"),
    key("-exposure", _BEAM, "exposure time (1)", values="r", sets="exposure", arguments="s"),
    key("-beamsize", _BEAM, "edge of the beam; clips the sample (0.1)", values="r", sets="beamsize", arguments="mm"),
    key("-dispersion", _BEAM, "spectral width", values="r", sets="dispersion", arguments="%"),
    key("-dispsteps", _BEAM, "number of wavelengths", values="i", sets="dispersion_steps"),
    key("-divergence", _BEAM, "both ranges", values="r", sets="hdivrange vdivrange", arguments="mrad"),
    key("-hdivrange", _BEAM, "horizontal range", values="r", sets="hdivrange", arguments="mrad"),
    key("-vdivrange", _BEAM, "vertical range", values="r", sets="vdivrange", arguments="mrad"),
    key("-hdivstep=", _BEAM, "horizontal step", values="r", sets="hdivstep", arguments="mrad"),
    key("-hdivsteps", _BEAM, "horizontal number of steps", values="i", sets="hdivsteps"),
    key("-vdivstep=", _BEAM, "vertical step", values="r", sets="vdivstep", arguments="mrad"),
    key("-vdivsteps", _BEAM, "vertical number of steps", values="i", sets="vdivsteps"),
    key("-divsteps", _BEAM, "both numbers of steps", values="i", sets="hdivsteps vdivsteps"),
    key("-round_div", _BEAM, "an ellipse of the divergence grid (default)", sets="round_divergence"),
    key("-square_div", _BEAM, "the whole grid", sets="round_divergence", to=False),
    key("-adc", _OUTPUT, "offset of int and noise image (40)", values="r", sets="adc_offset", arguments="ADU"),
    key("-gain", _IMAGE, "of the image read (1)", values="r", sets="gain", arguments="ADU/photon"),
    key("-phi=", _RENDERING, "for the header", values="r", sets="phi", arguments="deg"),
    key("-osc", _RENDERING, "for the header", values="r", sets="oscillation", arguments="deg"),
    key("-phistep=", _RENDERING, "for the header", values="r", sets="phistep", arguments="deg"),
    key("-phisteps", _RENDERING, "for the header", values="i", sets="phisteps"),
    key("-img", _IMAGE, "SMV image: geometry, and a profile from its pixels", values="t", sets="image"),
    key("-ignore", _IMAGE, "pixel value not to use; may be repeated", values="r", action="add_ignored"),
    key("-stolout", _IMAGE, "profile from the image (output.stol)", values="t", sets="stolout"),
    key("-stol=", _PROFILE, "table of sin(theta)/lambda (1/Å) and F", values="t", action="set_profile"),
    key("-4stol=", _PROFILE, "the same with 4 sin(theta)/lambda", values="t", action="set_profile"),
    key("-Q=", _PROFILE, "the same with 4 pi sin(theta)/lambda", values="t", action="set_profile"),
    key("-sourcefile", _BEAM, "sources: x y z weight wavelength (m)", values="t", sets="sourcefile"),
    key("-floatfile -floatimage", _OUTPUT, "photons, float32 (floatimage.bin)", values="t", sets="floatfile"),
    key("-intfile -intimage", _OUTPUT, "scaled, SMV (intimage.img)", values="t", sets="intfile"),
    key("-pgmfile -pgmimage", _OUTPUT, "grey levels (image.pgm)", values="t", sets="pgmfile"),
    key("-noisefile -noiseimage", _OUTPUT, "counts, SMV (noiseimage.img)", values="t", sets="noisefile"),
    key("-nonoise", _OUTPUT, "no noise image", sets="noisefile", to=None),
    key("-nopgm", _OUTPUT, "no grey levels (quirk nopgm_ignored)", sets="nopgm"),
    key("-noreject", _IMAGE, "no effect", sets="noreject"),
    key("-scale", _OUTPUT, "of the int image (the maximum becomes 55000)", values="r", sets="scale"),
    key("-pgmscale", _OUTPUT, "of the grey levels (five rmsd become 250)", values="r", sets="pgm_scale"),
    key("-coherent", _RENDERING, "no effect", sets="coherent"),
    key("-printout", _OUTPUT, "print every pixel", sets="printout"),
    key("-noprogress", _OUTPUT, "no percentages", sets="progress", to=False),
    key("-progress", _OUTPUT, "percentages", sets="progress"),
    key("-printout_pixel", _OUTPUT, "print one pixel", values="ii", sets="printout_pixel", arguments="fast slow"),
    key("-seed", _OUTPUT, "of the noise (the clock)", values="i", sets="seed"),
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
    return "\n".join((USAGE, help_of(TABLE, GROUPS), own_help(NONBRAGG_QUIRKS)))


def parse_nonbragg(args: Sequence[str]) -> NonBraggRun | None:
    """The run that the words after ``nanobragg nonbragg`` describe; ``None`` where they name no profile.

    Raises :class:`InputError` for a wrong value of ours, and for numbers that no run can be made of.
    """
    own = own_options(args, NONBRAGG_QUIRKS)
    scan = _Scan(own.words, own.quirks)
    scan.run()
    fields = scan.fields
    if fields["profile"] is None:
        return None
    check_seed("-seed", fields["seed"])
    touched = scan.touched & own.quirks
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
        touched=frozenset(touched),
        warnings=tuple(scan.warnings),
        **{name: value for name, value in fields.items() if name not in ("spindle", "noreject", "coherent")},
    )


def _taken(fields: dict[str, Any], *names: str) -> Any:
    return tuple(fields.pop(name) for name in names)


class _Scan(Scanner):
    def __init__(self, words: Sequence[str], quirks: frozenset[str]) -> None:
        super().__init__(words, TABLE, dict(_DEFAULTS), lenient="unknown_ignored" in quirks)
        self.quirks = quirks

    def too_few(self, option: Key, at: int) -> None:
        super().too_few(option, at)
        self.touched.add("unknown_ignored")

    def set_profile(self, option: Key, at: int) -> bool:
        self.fields["profile"] = self.value(option, at)
        self.fields["profile_unit"] = option.whole[0].removeprefix("-")
        return True

    def set_thickness(self, option: Key, at: int) -> bool:
        if "-thicksteps" in self.words[at]:
            self.touched.add("thicksteps_is_thickness")
            if "thicksteps_is_thickness" not in self.quirks:
                self.warnings.append(f"{self.words[at]} has no effect: the sensor has no thickness")
                return True
        self.fields["sample_x"] = self.value(option, at)
        return True

    def set_oversample(self, option: Key, at: int) -> bool:
        if self.words[at] != "-oversample":
            self.touched.add("oversample_any")
            if "oversample_any" not in self.quirks:
                self.warnings.append(f"{self.words[at]} has no effect: every factor is that of the subpixel")
                return False
        self.fields["oversample"] = self.value(option, at)
        return True

    def set_pivot(self, option: Key, at: int) -> bool:
        value = self.words[at + 1]
        for name in ("sample", "beam"):
            if name in value:
                self.fields["pivot"] = self.fields["pivot_as_left"] = name
        if "sample" not in value and "beam" not in value:
            if not self.lenient:
                raise InputError(f"{self.words[at]}: found {value!r}, expected sample or beam")
            self.warnings.append(f"{self.words[at]}: found {value!r}, ignored; expected sample or beam")
        return True

    def set_twotheta(self, option: Key, at: int) -> bool:
        if "-twotheta_axis" in self.words[at]:
            self.touched.add("twotheta_axis_parse")
            if "twotheta_axis_parse" not in self.quirks:
                return False
        self.fields["twotheta"] = self.value(option, at)
        self.fields["pivot_as_left"] = "sample"
        return True

    def set_curved(self, option: Key, at: int) -> bool:
        if at + 1 >= len(self.words):
            self.touched.add("curved_det_needs_word")
            if "curved_det_needs_word" in self.quirks:
                return True
        self.fields["curved"] = True
        return True

    def set_polarization(self, option: Key, at: int) -> bool:
        self.fields["polarization"] = self.value(option, at)
        self.fields["polarized"] = True
        return True

    def set_wavelength(self, option: Key, at: int) -> bool:
        self.fields["wavelength"] = self.value(option, at) / 1.0e10
        return True

    def set_energy(self, option: Key, at: int) -> bool:
        energy = self.value(option, at)
        if energy == 0.0:
            raise InputError(f"{self.words[at]}: found {self.words[at + 1]!r}, expected an energy other than 0")
        self.fields["wavelength"] = (ENERGY / energy) / 1.0e10
        return True

    def add_ignored(self, option: Key, at: int) -> bool:
        value = math.trunc(self.value(option, at))
        self.fields["ignore"] = (*self.fields["ignore"], value % 65536 if abs(value) < 2**31 else 0)
        return True
