"""Names of the deviations of nanoBragg.c from physics, and the choice among them (``specs/quirks.md``)."""

from __future__ import annotations

from nanobragg.errors import InputError
from nanobragg.records.kinds import Kind, Mismatch

TYPE_CHECKING = False  # typing's own costs a millisecond
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

QUIRKS: dict[str, str] = {
    "phi_at_step_starts": "a rotation is sampled at the starts of its phi steps, half a step before their middles",
    "stale_phi_zero": "a phi step of exactly 0 keeps the orientation of the step evaluated before it",
    "last_layer_capture": "the sum over the sensor's layers is multiplied by the last layer's capture fraction",
    "layers_at_front_faces": "sensor layers stand at their front faces, not where they absorb: parallax is too small",
    "thickness_step": "sensor layers are thickness/(steps-1) apart, so that they reach past the sensor",
    "first_subpixel_factors": "solid angle, polarization and capture are those of the pixel's first subpixel",
    "running_product": "-oversample_thick/polar/omega multiply the running sum after every addition",
    "sticky_interpolation_fallback": "the first reflection out of range switched interpolation off for good",
    "interpolation_before_size": "interpolation is chosen by the cells of -N, whatever size the crystal is given",
    "source_weights_ignored": "the weights of the source file have no effect",
    "water_scaling": "the water background goes through r_e^2 x fluence / steps a second time",
    "pivot_overridden": "the named convention sets the pivot, whatever the other options ask for",
    "pix0_ignored": "-pix0_vector selects the custom convention and is otherwise overwritten",
    "twotheta_axis_parse": "-twotheta_axis x y z also sets twotheta to x degrees and the pivot to sample",
    "misset_seed_parse": "-misset_seed reads the three words after it as missetting angles",
    "curved_det_needs_word": "-curved_det as the very last word is ignored",
    "cell_angles": "the angles of a triclinic or rhombohedral cell come out changed",
    "random_misset_units": "the random orientation is drawn with a cap of 90 radians",
    "header_substring": "header keys match as the last substring in the header",
    "header_by_convention": "SMV headers have the convention's beam centre, without -twotheta, to six digits",
    "offset_in_masked_pixels": "masked pixels of SMV images have the ADC offset, as if they had counted nothing",
}


def parse_quirks(text: str, known: Mapping[str, str] = QUIRKS) -> frozenset[str]:
    """The quirks of ``known`` that ``text`` keeps: ``all``, ``none``, names, ``-name`` to take one away.

    Raises :class:`InputError` for a name that is none.
    """
    try:
        return _kept(text, known)
    except Mismatch as mismatch:
        raise InputError(f"-quirks: found {mismatch.found}, expected {mismatch.expected}") from None


def _kept(text: str, known: Mapping[str, str]) -> frozenset[str]:
    kept: set[str] = set()
    words = [w.strip() for w in text.split(",") if w.strip()]
    if not words:
        raise Mismatch("nothing", QUIRK_NAMES.expected)
    for position, word in enumerate(words):
        name = word.removeprefix("-")
        if name in ("all", "none") and name == word:
            kept = set(known) if name == "all" else set()
        elif name not in known:
            import difflib

            near = difflib.get_close_matches(name, [*known, "all", "none"], 1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise Mismatch(repr(word), f"all, none or names of quirks{hint}")
        elif word.startswith("-"):
            if position == 0:
                kept = set(known)
            kept.discard(name)
        else:
            kept.add(name)
    return frozenset(kept)


def _names(value: Any) -> str:
    if not isinstance(value, str):
        raise Mismatch
    _kept(value, QUIRKS)
    return value


QUIRK_NAMES = Kind(
    expected="all, none or names separated by commas",
    read=_names,
    schema={"type": "string"},
    words=("all", "none"),
    argument="all | none | names",
)


def off_switch(name: str) -> str:
    """How to switch one quirk off on the command line."""
    return f"-quirks all,-{name}"
