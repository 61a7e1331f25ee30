"""From what is said of a detector's response to numbers and maps (``specs/response.md``)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nanobragg.errors import InputError
from nanobragg.maths.constants import ENERGY
from nanobragg.records.fields import checked, own_places
from nanobragg.records.presets import PRESETS
from nanobragg.records.response import DetectorModel, Response
from nanobragg.resolver.maps import panel_maps, pixels_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from nanobragg.records.resolved import Resolved

_DEFAULTS: dict[str, Any] = {
    "reading": "integrating",
    "flicker": 0.0,
    "capture": 1.0,
    "psf": "none",
    "psf_fwhm": 46.0,
    "calibration": 0.0,
    "gain": 1.0,
    "offset": 0.0,
    "readout": 0.0,
    "count_rate": "paralyzable",
    "dead_time": 0.0,
    "dead": 0.0,
    "hot": 0.0,
    "bits": 16,
    "signed": False,
}
"""What is taken for what neither the user nor a preset says."""
_INTEGRATING = ("gain", "gain_per_kev", "gain_map", "offset", "dark_map", "readout", "signed")
_COUNTING = ("count_rate", "dead_time")
"""Fields that only one kind of detector has."""
_OPTIONS = {place.key: place.spoken for place in own_places(Response)}


def detector_model(resolved: Resolved, response: Response | None = None) -> DetectorModel:
    """The detector of a resolved experiment, its files read.

    Args:
        resolved: the experiment.
        response: what is said of the detector, where that is not the experiment's own.

    Raises:
        InputError: for values that do not go together, and for files that cannot be read or have another shape than
            the image.

    """
    said = checked(Response, resolved.experiment.response if response is None else response)
    known = _Known(said)
    counting = known("reading") == "counting"
    _check_kind(said, counting)
    shapes = [(panel.shape[0], panel.shape[1]) for panel in resolved.scene.panels]
    lowest, highest = _limits(known)
    dead, hot = _bad_parts(known)
    return DetectorModel(
        counting=counting,
        flicker=known("flicker"),
        capture=known("capture"),
        psf=known("psf"),
        psf_fwhm=known("psf_fwhm") * 1e-6,
        psf_radius=said.psf_radius,
        psf_kernel=_kernel(said),
        calibration=known("calibration"),
        calibration_seed=said.calibration_seed,
        gain=_gain(said, known, resolved.radiation.wavelength),
        gain_map=panel_maps(said.gain_map, _OPTIONS["gain_map"], shapes, np.float32),
        offset=known("offset"),
        dark_map=panel_maps(said.dark_map, _OPTIONS["dark_map"], shapes, np.float32),
        readout=known("readout"),
        paralyzable=known("count_rate") == "paralyzable",
        dead_time=_dead_time(known, resolved.experiment.beam.exposure),
        dead=dead,
        hot=hot,
        bad_pixels=_bad_pixels(said, shapes),
        lowest=lowest,
        highest=highest,
    )


def without_effect(said: Response, *, counts: bool) -> list[str]:
    """Lines about what is said of a detector and makes no difference; ``counts``: whether they are asked for."""
    alone = Response()
    names = [
        name for name in _OPTIONS if not (getattr(said, name) is None or getattr(said, name) is getattr(alone, name))
    ]
    if not counts:
        return [f"{_spoken(names)}: without effect: there are no counts (-countsfile)"] if names else []
    known = _Known(said)
    reasons: list[tuple[tuple[str, ...], bool, str]] = [
        (("psf_fwhm",), said.psf_kernel is not None, "the point spread is -psf_kernel's"),
        (
            ("psf_fwhm", "psf_radius"),
            known("psf") == "none" and said.psf_kernel is None,
            f"there is no point spread ({_OPTIONS['psf']})",
        ),
        (("count_rate",), not known("dead_time") > 0.0, f"there is no dead time ({_OPTIONS['dead_time']})"),
        (
            ("calibration_seed",),
            not any(known(name) > 0.0 for name in ("calibration", "dead", "hot")),
            f"nothing is drawn for the detector ({_spoken(['calibration', 'dead', 'hot'])})",
        ),
    ]
    found = [([name for name in fields if name in names], reason) for fields, idle, reason in reasons if idle]
    return [f"{_spoken(idle)}: without effect: {reason}" for idle, reason in found if idle]


def _spoken(names: list[str]) -> str:
    return ", ".join(_OPTIONS[name] for name in names)


class _Known:
    """Values as said, else the preset's, else the defaults."""

    def __init__(self, said: Response) -> None:
        self._said = said
        self._preset = {} if said.preset is None else PRESETS[said.preset]

    def __call__(self, name: str) -> Any:
        value = getattr(self._said, name)
        return value if value is not None else self._preset.get(name, _DEFAULTS.get(name))


def _check_kind(said: Response, counting: bool) -> None:
    """Refuse what the other kind of detector would have."""
    others, kind = (_INTEGRATING, "a counting") if counting else (_COUNTING, "an integrating")
    for name in others:
        if getattr(said, name) is not None:
            raise InputError(
                f"{_OPTIONS[name]}: found {_shown(getattr(said, name))}, expected none with {kind} detector"
            )
    if said.psf_kernel is not None and said.psf not in (None, "none"):
        raise InputError(f"{_OPTIONS['psf_kernel']}: found one besides -psf {said.psf}, expected one of them")
    if said.psf_radius is not None and said.psf_kernel is not None:
        raise InputError(f"{_OPTIONS['psf_radius']}: found {said.psf_radius} with -psf_kernel, which ends by itself")


def _shown(value: Any) -> str:
    return repr(value) if isinstance(value, (str, int, float)) else "a map"


def _gain(said: Response, known: _Known, wavelength: float) -> float:
    """ADU per photon; ``wavelength`` in m."""
    if said.gain is not None and said.gain_per_kev is not None:
        raise InputError("-gain and -gain_per_kev: found both, expected one of them")
    # What is said of either comes before what a preset has of the other.
    per_kev = None if said.gain is not None else known("gain_per_kev")
    if per_kev is None:
        return float(known("gain"))
    return float(per_kev) * ENERGY / (wavelength * 1e10) / 1000.0


def _limits(known: _Known) -> tuple[float, float]:
    """The lowest and the highest value."""
    bits, signed, saturation = known("bits"), known("signed"), known("saturation")
    if not 1 <= bits <= 32:
        raise InputError(f"{_OPTIONS['bits']}: found {bits}, expected 1 to 32")
    # Files of 32 bits have a sign, whether it is used or not.
    most = 2.0 ** (bits - 1 if signed or bits == 32 else bits) - 1.0
    if saturation is not None and saturation > most:
        raise InputError(
            f"{_OPTIONS['saturation']}: found {saturation:g}, expected at most {most:.0f}, for {bits} bits"
        )
    return (-most - 1.0 if signed else 0.0), (most if saturation is None else float(np.floor(saturation)))


def _bad_parts(known: _Known) -> tuple[float, float]:
    """The parts of the pixels that are dead, and hot."""
    dead, hot = known("dead"), known("hot")
    if dead + hot > 1.0:
        raise InputError(
            f"{_OPTIONS['dead']} and {_OPTIONS['hot']}: found {dead:g} and {hot:g} of the pixels, expected at most "
            "all of them"
        )
    return dead, hot


def _dead_time(known: _Known, exposure: float | None) -> float:
    seconds = known("dead_time") * 1e-9
    time = 1.0 if exposure is None else exposure
    if seconds > 0.0 and not time > 0.0:
        raise InputError(f"-exposure: found {time:g} s, expected a positive time for a dead time")
    return seconds / time if seconds > 0.0 else 0.0


# ---- files and arrays -------------------------------------------------------------------------------------


def _kernel(said: Response) -> NDArray[np.float64] | None:
    """The user's point spread function, of sum 1."""
    if said.psf_kernel is None:
        return None
    option = _OPTIONS["psf_kernel"]
    kernel = np.asarray(pixels_of(said.psf_kernel), np.float64)
    if kernel.ndim != 2 or not all(n % 2 for n in kernel.shape):
        raise InputError(f"{option}: found an array of shape {kernel.shape}, expected odd numbers of rows and columns")
    if not np.isfinite(kernel).all() or not kernel.sum() > 0.0:
        raise InputError(f"{option}: found a sum of {kernel.sum():g}, expected finite numbers of a sum above 0")
    return kernel / kernel.sum()


def _bad_pixels(said: Response, shapes: Sequence[tuple[int, int]]) -> tuple[NDArray[np.uint8], ...] | None:
    option = _OPTIONS["bad_pixels"]
    maps = panel_maps(said.bad_pixels, option, shapes, np.float64)
    if maps is not None and not all(np.isin(each, (0, 1, 2)).all() for each in maps):
        raise InputError(f"{option}: found other values than 0, 1 and 2, expected 0 good, 1 dead, 2 hot")
    return None if maps is None else tuple(each.astype(np.uint8) for each in maps)
