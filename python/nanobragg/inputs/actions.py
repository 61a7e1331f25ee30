"""What options of nanoBragg.c do to a run. The table of options says which does what (``specs/cli.md``)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nanobragg.errors import InputError
from nanobragg.maths.c_numbers import leading_real

if TYPE_CHECKING:
    from nanobragg.inputs.option import Said


def set_values(said: Said) -> int:
    """Set the option's fields to the word that follows, or to all the words."""
    count = len(said.option.values)
    said.need(count)
    values = tuple(said.value(offset) for offset in range(1, count + 1))
    for target in said.option.sets:
        said.draft.set(target, values if count > 1 else values[0])
    return count


def set_constant(said: Said) -> int:
    """Set the option's fields to what its row says."""
    for target in said.option.sets:
        said.draft.set(target, said.option.to)
    return 0


def ignore(said: Said) -> int:
    """Look whether the values are right, and do nothing."""
    if said.option.values:
        said.need(1)
        said.value()
    return len(said.option.values)


def check_readable(said: Said) -> int:
    """Look whether the file is there; nobody reads what is in it."""
    said.need(1)
    name = said.words[said.at + 1]
    try:
        with open(name, "rb") as file:  # not pathlib: slow to import
            file.read(1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"{said.word}: found {name!r} ({reason}), expected a readable file") from error
    return 1


# ---- the sample -------------------------------------------------------------------------------------------


def set_cell(said: Said) -> int:
    """``-cell``: up to six numbers, which end at the first word that starts with ``-``."""
    said.need(1)
    count = 0
    for value in said.following(6):
        if value.startswith("-"):
            break
        count += 1
        said.draft.set_cell(count - 1, said.real(count))
    if not said.draft.has_cell:
        raise said.wrong(said.words[said.at + 1])
    return count


def set_misset(said: Said) -> int | None:
    """``-misset``; its key is in ``-misset_seed``, too, which the original therefore takes for both."""
    if "-misset_seed" in said.word:
        return _misset_of_seed(said) if said.quirks.on("misset_seed_parse") else None
    said.need(1)
    first = said.words[said.at + 1]
    if _is_random(said):
        return 1
    if leading_real(first) is None:
        raise said.wrong(first)
    said.need(3)
    said.draft.set("crystal.misset", tuple(said.real(offset) for offset in (1, 2, 3)))
    return 3


def _misset_of_seed(said: Said) -> int | None:
    if _is_random(said):
        return 1
    following = said.following(3)
    if len(following) < 3:
        return None
    read = [leading_real(value) for value in following]
    said.draft.set("crystal.misset", tuple(0.0 if number is None else number[0] for number in read))
    return 1


def _is_random(said: Said) -> bool:
    """Whether a random orientation is asked for, which is then set."""
    if not any("rand" in value for value in said.following(1)):
        return False
    said.draft.set("crystal.misset", "random")
    said.ends_word = True
    return True


# ---- the beam ---------------------------------------------------------------------------------------------


def set_wavelength(said: Said) -> int:
    """``-lambda``, which takes the place of an energy."""
    said.draft.set("beam.energy", None)
    return set_values(said)


def set_energy(said: Said) -> int:
    """``-energy``, which takes the place of a wavelength."""
    said.draft.set("beam.wavelength", None)
    return set_values(said)


def set_polarization(said: Said) -> int:
    """``-polar``, which undoes ``-nopolar``."""
    said.draft.set("beam.polarization_correction", True)
    return set_values(said)


# ---- the detector -----------------------------------------------------------------------------------------


def set_vector(said: Said) -> int:
    """Three numbers; ``-pix0_vector_mm`` has them in millimetres."""
    said.need(3)
    vector = tuple(said.real(offset) for offset in (1, 2, 3))
    if "-pix0_vector_mm" in said.word:
        vector = tuple(x / 1000.0 for x in vector)
    said.draft.set(said.option.sets[0], vector)
    return 3


def set_pivot(said: Said) -> int:
    """``-pivot``: a word that contains beam, else sample."""
    said.need(1)
    value = said.words[said.at + 1]
    pivot = next((each for each in ("beam", "sample") if each in value), None)
    if pivot is None:
        raise said.wrong(value)
    said.draft.say_pivot(pivot)
    return 1


def set_twotheta(said: Said) -> int | None:
    """``-twotheta``; its key is in ``-twotheta_axis``, too, whose first number the original takes for the angle."""
    if "-twotheta_axis" in said.word and not said.quirks.on("twotheta_axis_parse"):
        return None
    return set_values(said)


def set_absorption(said: Said) -> int:
    """``-detector_abs``; without any absorption the sensor has no thickness, until one is said."""
    said.need(1)
    depth = float("inf") if "inf" in said.words[said.at + 1] else said.real() or float("inf")
    said.draft.set("detector.attenuation_depth", depth)
    if depth == float("inf"):
        said.draft.set("detector.thickness", 0.0)
    return 1


def set_curved(said: Said) -> int | None:
    """``-curved_det``, which the original does not see as the very last word."""
    following = said.following(1)
    if not following and said.quirks.on("curved_det_needs_word"):
        return None
    said.draft.set("detector.curved", True)
    # Command lines give it a word that means nothing, as the original needs one.
    return sum(not value.startswith("-") for value in following)


# ---- sampling and output ----------------------------------------------------------------------------------


def set_dmin(said: Said) -> int:
    """``-dmin``. Scripts in Python are known to print an unset limit as ``None``."""
    if said.following(1) == ["None"]:
        said.draft.set("sampling.dmin", 0.0)
        said.draft.warn(f"{said.word}: found 'None', used as 0 (no limit)")
        return 1
    return set_values(said)


def set_pgm(said: Said) -> int:
    """Name, or scale, the picture, which undoes ``-nopgm``."""
    said.draft.write_picture(True)
    return set_values(said)


def set_noise(said: Said) -> int:
    """Name the noise image, which undoes ``-nonoise``."""
    said.draft.write_noise(True)
    return set_values(said)


def no_pgm(said: Said) -> int:
    """``-nopgm``."""
    said.draft.write_picture(False)
    return 0


def no_noise(said: Said) -> int:
    """``-nonoise``."""
    said.draft.write_noise(False)
    return 0


def set_printout_pixel(said: Said) -> int:
    """``-printout_pixel``: fast, slow; all pixels with a negative one."""
    said.need(2)
    fast, slow = said.integer(1), said.integer(2)
    said.draft.set("printout_pixel", None if fast < 0 else (fast, slow))
    return 2
