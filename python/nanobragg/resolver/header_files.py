"""What a file's geometry means for an experiment: what of it is used, what options replace, what is taken where nobody
says anything (``specs/formats.md``).
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from nanobragg.errors import InputError
from nanobragg.records.pivots import convention_of
from nanobragg.resolver.detector import FRAMES

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

    from nanobragg.io.geometry.types import FileGeometry
    from nanobragg.io.images.smv import SmvHeader
    from nanobragg.records.experiment import Beam, Detector, Experiment
    from nanobragg.resolver.headers import HeaderValues


# ---- what options replace ---------------------------------------------------------------------------------


def _distance(detector: Detector) -> bool:
    return detector.distance is not None or detector.close_distance is not None


def _centre(detector: Detector) -> bool:
    pairs = (
        (detector.beam_x, detector.beam_y),
        (detector.orgx, detector.orgy),
        (detector.close_x, detector.close_y),
    )
    return any(None not in pair for pair in pairs)


def _wavelength(beam: Beam) -> bool:
    return beam.wavelength is not None or beam.energy is not None or beam.sources is not None


_REPLACED: dict[str, tuple[str, Callable[[Experiment], bool]]] = {
    "pixel_size": ("-pixel", lambda e: e.detector.pixel_size is not None),
    "shape": ("-detpixels", lambda e: e.detector.shape is not None and None not in e.detector.shape),
    "distance": ("-distance", lambda e: _distance(e.detector)),
    "centre": ("-Xbeam and -Ybeam", lambda e: _centre(e.detector)),
    "position": ("-distance, -Xbeam and -Ybeam", lambda e: _distance(e.detector) and _centre(e.detector)),
    "axes": (
        "-fdet_vector and -sdet_vector",
        lambda e: e.detector.fast_axis is not None and e.detector.slow_axis is not None,
    ),
    "wavelength": ("-lambda", lambda e: _wavelength(e.beam)),
    "polarization": ("-polar", lambda e: e.beam.polarization != 0.0 or not e.beam.polarization_correction),
    "phi": ("-phi", lambda e: e.sampling.phi is not None),
    "oscillation": ("-osc", lambda e: e.sampling.oscillation is not None or e.sampling.phi_step is not None),
    "spindle": ("-spindle_axis", lambda e: e.crystal.spindle_axis is not None),
    "crystal": ("-cell or -mat", lambda e: e.crystal.cell is not None or e.crystal.matrix is not None),
    "turn": ("-mat", lambda e: e.crystal.matrix is not None),
}
"""By fields of a file: the option that says the same, and whether it is given."""


def refuse_what_is_bad(file: FileGeometry, experiment: Experiment) -> tuple[str, ...]:
    """Warnings on what no image needs. Raises :class:`InputError` for what cannot be used and no option replaces."""
    warnings = []
    for field, sentence in file.bad.items():
        option, replaced = _REPLACED.get(field, ("", None))
        if replaced is None:
            warnings.append(f"{sentence}; it is not used")
        elif not replaced(experiment):
            raise InputError(f"{sentence}; {option} can say it instead")
    return tuple(warnings)


def replaced_by_option(field: str, experiment: Experiment) -> tuple[str, bool]:
    """The option that says a field of a file, and whether it is given."""
    option, replaced = _REPLACED[field]
    return option, replaced(experiment)


def doubts_of_smv(image: SmvHeader, experiment: Experiment) -> tuple[str, ...]:
    """What the header says that is not used, as in nanoBragg.c, and zeros that are, though no image is made so."""
    said = tuple(_misunderstood(image, experiment))
    swing = image.value("TWOTHETA", substring=False)
    if not swing or math.isnan(swing) or experiment.detector.twotheta is not None:
        return said
    return (
        *said,
        f"{image.name}: its TWOTHETA of {swing:g} degrees is not used, as nanoBragg.c does not: "
        f"say -twotheta {swing:g}, about the pivot that it was made with (-pivot)",
    )


def _misunderstood(image: SmvHeader, experiment: Experiment) -> Iterator[str]:
    """Numbers that mean something else than what nanoBragg.c makes of them."""
    for key in ("PIXEL_SIZE", "DISTANCE", "WAVELENGTH"):
        option, given = replaced_by_option(key.lower(), experiment)
        if (value := image.value(key)) in (0.0, -1.0) and not given:
            yield f"{image.name}: its {key} of {value:g} is used, as nanoBragg.c does: {option} says another"
    width, start = image.value("OSC_RANGE"), image.value("PHI") or 0.0
    if width is not None and width < 0.0 and not replaced_by_option("oscillation", experiment)[1]:
        advice = f"say -phi {start + width:g} -osc {-width:g}"
        yield f"{image.name}: its OSC_RANGE of {width:g} degrees is not used, as nanoBragg.c does not: {advice}"


def check_choices(detector: Detector, image: SmvHeader | FileGeometry | None) -> None:
    """Raises :class:`InputError` for an option that is for another kind of file than ``-img`` gives."""
    kind = "" if image is None else getattr(image, "kind", "SMV")
    for option, value, wanted in (
        ("-experiment", detector.experiment, "DIALS experiment list"),
        ("-clen", detector.clen, "CrystFEL geometry"),
        ("-geomdata", detector.geometry_data, "CrystFEL geometry"),
    ):
        if value is not None and kind != wanted:
            said = f"{value:g}" if isinstance(value, (int, float)) else os.fspath(value)
            found = f"{said} with -img {detector.header} ({kind})" if kind else f"{said} without -img"
            raise InputError(f"{option}: found {found}, expected a {wanted}")


def line_of(file: FileGeometry, experiment: Experiment) -> str:
    """The line about a file; a crystal that options replace is not among what is used."""
    crystal = experiment.crystal
    detector = experiment.detector
    if detector.own_sensors:
        file = file.with_sensors("the sensors of its panels")
    elif detector.thickness and detector.attenuation_depth is None and detector.material is None:
        told = (file, *file.panels)
        depths = any(each.mu for each in told)
        if depths or any(each.material for each in told):
            file = file.with_sensors(f"the {'attenuation depth' if depths else 'material'} of its sensor")
    if file.swing and file.swing_known and detector.twotheta not in (None, file.swing, -file.swing):
        unused = f"its 2theta of {file.swing:g} deg, since -twotheta is given (about the sample)"
        file = replace(file, swing_known=False, unused=(*file.unused, unused))
    if file.real_space is None or (crystal.cell is None and crystal.matrix is None):
        return file.used()
    option = "-cell" if crystal.matrix is None else "-mat"
    return replace(file, real_space=None, unused=(*file.unused, f"its crystal, since {option} is given")).used()


# ---- what nobody says -------------------------------------------------------------------------------------


def assumed(values: HeaderValues, experiment: Experiment, file: FileGeometry | None) -> str:
    """What neither files nor options say and is taken instead, as the end of a line; '' for nothing."""
    beam, detector, sampling = experiment.beam, experiment.detector, experiment.sampling
    centre = (values.centre, values.orgx, values.beam_x)
    said_centre = any(x is not None for x in (*centre, detector.beam_x, detector.orgx, detector.close_x))
    missing = []
    several = file is not None and file.several
    if values.nfast is None and detector.shape is None and not several:
        missing.append("detector of 102.4 mm")
    if values.pixel_size is None and detector.pixel_size is None and not several:
        missing.append("pixel size 0.1 mm")
    if values.distance is None and values.close_distance is None and not _distance(detector) and not several:
        missing.append("distance 100 mm")
    if not said_centre and not several:
        missing.append("beam centre in the middle of the detector")
    if values.wavelength is None and not _wavelength(beam):
        missing.append("wavelength 1 Å")
    if file is not None:
        if values.phi is None and sampling.phi is None:
            missing.append("phi 0 deg")
        elif values.oscillation is None and sampling.oscillation is None and sampling.phi_step is None:
            missing.append("oscillation 0 deg")
        if file.polarization is None and beam.polarization == 0.0 and beam.polarization_correction:
            missing.append("polarization 0")
        spindle = None if file.vectors is None or file.vectors.spindle_said else file.vectors.spindle
        if spindle is not None and experiment.crystal.spindle_axis is None:
            missing.append(f"spindle {spindle[0]:g} {spindle[1]:g} {spindle[2]:g}, across the beam")
    return f"; not said, and taken: {', '.join(missing)}" if missing else ""


def doubts_of_rotation(file: FileGeometry, experiment: Experiment) -> tuple[str, ...]:
    """A warning where the crystal turns about an axis that the file does not name."""
    vectors, sampling = file.vectors, experiment.sampling
    turns = any((sampling.oscillation, sampling.phi, sampling.phi_step, (sampling.phi_steps or 1) > 1))
    if vectors is None or vectors.spindle_said or vectors.spindle is None or not turns:
        return ()
    if experiment.crystal.spindle_axis is not None or experiment.detector.convention not in (None, "custom"):
        return ()
    axis = " ".join(f"{x:g}" for x in vectors.spindle)
    return (f"{file.name} names no spindle: the crystal turns about {axis}, across the beam (-spindle_axis)",)


# ---- the swing --------------------------------------------------------------------------------------------


def swung(
    experiment: Experiment, values: HeaderValues, file: FileGeometry
) -> tuple[Experiment, HeaderValues, tuple[str, ...]]:
    """The detector at the 2theta of its file, and a warning where that cannot be had.

    A file's distance and beam centre are those at 0, so that the detector turns about the sample, whatever else the
    pivot would be. Its sense is known of some files: about minus the fast axis, by the right hand.
    """
    detector = experiment.detector
    if not file.swing:
        return experiment, values, ()
    if detector.twotheta is not None:
        return experiment, values._replace(pivot="sample"), ()
    advice = f"say -twotheta {file.swing:g} or {-file.swing:g}, which turns it about the sample, as -pivot sample does"
    doubt = f"{file.name}: its 2theta of {file.swing:g} degrees is not used: {advice}"
    if not file.swing_known:
        return experiment, values, (doubt,)
    convention = convention_of(experiment.beam, experiment.crystal, detector)
    frame = FRAMES.get(convention)
    if frame is None:
        fast = detector.fast_axis or (0.0, 0.0, 1.0)
        turned = replace(detector, twotheta=file.swing, twotheta_axis=(-fast[0], -fast[1], -fast[2]))
    else:
        along = float(np.dot(frame.twotheta_axis, frame.fast))
        if abs(abs(along) - 1.0) > 1e-9:
            return experiment, values, (f"{doubt}, in the {convention} convention",)
        turned = replace(detector, twotheta=-along * file.swing)
    return replace(experiment, detector=turned), values._replace(pivot="sample"), ()


# ---- masks ------------------------------------------------------------------------------------------------


def rendered_pixels(file: FileGeometry) -> tuple[NDArray[np.bool_], str]:
    """(slow, fast) pixels of a mask that are rendered, and what to say of it.

    0 in a mask is a pixel that is not. An image of counts has something else where there are no pixels: numbers below
    0, or, where it has no sign, the largest; its zeros are pixels without counts.
    """
    from nanobragg.io.geometry.types import holds

    pixels = np.asarray(file.pixels)
    marked = file.kind in ("NeXus", "HDF5") or pixels.dtype.itemsize > 2  # else the largest is where a CCD is full
    kept, comment = _without_gaps(pixels, largest=marked)
    if file.bad_pixels is not None and file.bad_pixels.shape == kept.shape:
        kept = kept & ~file.bad_pixels
    for panel in file.panels if file.several else ():
        if panel.bad is not None and holds(kept, panel):
            kept[panel.where] &= ~panel.bad
    return kept, comment


def _without_gaps(pixels: NDArray[Any], *, largest: bool) -> tuple[NDArray[np.bool_], str]:
    """The pixels that are rendered, and how they were told from others. ``largest``: whether the two largest numbers of
    an unsigned type stand where there are no pixels.
    """
    kept = pixels != 0
    if pixels.dtype.kind == "f":
        kept &= ~np.isnan(pixels)
    what = ""
    if pixels.dtype.kind in "if" and pixels.size and pixels.min() < 0:
        kept, what = pixels >= 0, "below 0"
    elif pixels.dtype.kind == "u" and pixels.dtype.itemsize > 1 and largest:
        most = int(np.iinfo(pixels.dtype).max)
        gaps = pixels >= most - 1
        if gaps.any() and (kept & ~gaps).any():
            kept, what = ~gaps, f"of {most - 1} and {most}"
    count = kept.size - int(np.count_nonzero(kept))
    if what:
        return kept, f"it is an image of counts: its pixels {what} ({count}) are not rendered, those of 0 are"
    return kept, f"a mask: its pixels of 0 ({count}) are not rendered"


def rendered_of_smv(image: SmvHeader) -> tuple[NDArray[np.bool_], str]:
    """Pixels of a mask in SMV that are rendered, and what to say of it, as :func:`rendered_pixels`."""
    return _without_gaps(np.asarray(image.pixels), largest=False)  # type: ignore[missing-attribute]
