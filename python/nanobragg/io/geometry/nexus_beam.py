"""The beam of a NeXus file: wavelength or spectrum, and polarization, wherever they stand (``specs/formats.md``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from nanobragg.io.geometry.hdf5 import (
    Said,
    Unusable,
    attribute,
    child,
    is_group,
    is_known,
    numbers,
    of_class,
    quantities,
)
from nanobragg.io.geometry.units import ANGSTROMS, ELECTRONVOLTS
from nanobragg.maths.constants import ENERGY

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray


class NexusBeam(NamedTuple):
    """The beam at the first image."""

    wavelength: float | None = None
    """Å"""
    spectrum: NDArray[np.float64] | None = None
    """(n, 2) wavelengths (Å), weights"""
    polarization: float | None = None
    """Kahn factor"""


def beam_of(entry: Any, images: int | None, said: Said) -> NexusBeam:
    """The beam of an entry. ``images``: of the series, which tells wavelengths of shots from those of a spectrum."""
    instruments = of_class(entry, "NXinstrument", "instrument")
    places = [beam for group in (*instruments, *of_class(entry, "NXsample", "sample"), entry) for beam in _beams(group)]
    wavelength = spectrum = None
    for group, key, convert in _wavelengths(instruments, places):
        found = said.attempt("wavelength", lambda g=group, k=key, c=convert: _spectrum(g, k, c, images))
        if found is not None:
            spectrum = found
            _say_spread(group, key, said)
            if len(found) == 1:
                _say_others(child(group, key), convert, said)
            break
    if spectrum is None and "wavelength" not in said.bad:
        spectrum = _elsewhere(entry, images, said)
    if spectrum is not None:
        said.bad.pop("wavelength", None)
        wavelength = float(np.average(spectrum[:, 0], weights=spectrum[:, 1]))
        if len(spectrum) > 1:
            low, high = spectrum[:, 0].min(), spectrum[:, 0].max()
            said.comments.append(f"a spectrum of {len(spectrum)} wavelengths, {low:g} to {high:g} Å, by its weights")
    polarization = None
    for beam in places:
        stokes = child(beam, "incident_polarization_stokes")
        if stokes is not None and polarization is None:
            polarization = said.attempt("polarization", lambda s=stokes: _kahn(s))
    return NexusBeam(wavelength, spectrum if spectrum is not None and len(spectrum) > 1 else None, polarization)


def _beams(group: Any) -> list[Any]:
    return of_class(group, "NXbeam", "beam")


def _angstroms(item: Any) -> NDArray[np.float64]:
    return quantities(item, ANGSTROMS, "a")


def _wavelengths(instruments: list[Any], beams: list[Any]) -> list[tuple[Any, str, Callable[[Any], Any]]]:
    """Places of a wavelength, the best first: group, key, and what makes Å of it."""

    def energies(item: Any) -> Any:
        values = quantities(item, ELECTRONVOLTS)
        if "units" not in item.attrs and values.max() < 500.0:  # nobody diffracts at 500 eV: these are keV
            values = 1e3 * values
        with np.errstate(divide="ignore"):
            return ENERGY / values

    places: list[tuple[Any, str, Callable[[Any], Any]]] = []
    for beam in beams:
        places += [(beam, "incident_wavelength", _angstroms), (beam, "incident_energy", energies)]
        places += [(beam, "wavelength", _angstroms), (beam, "energy", energies)]
    for instrument in instruments:
        for group in of_class(instrument, "NXmonochromator", "monochromator"):
            places += [(group, "wavelength", _angstroms), (group, "energy", energies)]
        for detector in of_class(instrument, "NXdetector", "detector"):
            specific = child(detector, "detectorSpecific")
            places += [(specific, "photon_energy", energies), (detector, "photon_energy", energies)]
    return places


def _elsewhere(entry: Any, images: int | None, said: Said) -> NDArray[np.float64] | None:
    """The wavelength of an item that is called one, wherever it is; the line names it."""
    found: list[Any] = []

    def visit(path: str, item: Any) -> None:
        name = path.rsplit("/", 1)[-1]
        if name in ("incident_wavelength", "photon_wavelength", "wavelength") and hasattr(item, "shape"):
            found.append((name != "incident_wavelength", path, item))

    said.attempt("search", lambda: entry.visititems(visit))
    said.bad.pop("search", None)
    for _, _, item in sorted(found, key=lambda each: each[:2]):
        name = item.name.rsplit("/", 1)[1]
        spectrum = said.attempt(
            "wavelength", lambda item=item, name=name: _spectrum(item.parent, name, _angstroms, images)
        )
        if spectrum is not None:
            said.comments.append(f"the wavelength of {item.name}")
            return spectrum
    return None


def _spectrum(
    group: Any, key: str, convert: Callable[[Any], NDArray[np.float64]], images: int | None
) -> NDArray[np.float64] | None:
    """(n, 2) of the first image: wavelengths in Å and weights; ``None`` where nothing is said."""
    item = child(group, key)
    if item is None or (getattr(item, "size", 2) == 1 and not is_known(item)):
        return None
    if numbers(item).max() <= 0.0:  # 0 or -1 of each image
        return None
    values = convert(item)
    weights = _weights(group, key)
    if weights is None and (other := _variant(group, item)):
        return _spectrum(group, other, convert, images)
    last = item.shape[-1] if item.shape else 1
    if weights is not None:
        shares = quantities(weights, {})
        count = min(last, weights.shape[-1] if weights.shape else 1)
        return _checked(item, values[:count], shares[:count])
    if len(values) > 1 and len(item.shape) == 1 and len(values) not in (images, 1) and images is not None:
        return _checked(item, values, np.ones(len(values)))
    return _checked(item, values[:1], np.ones(1))


def _weights(group: Any, key: str) -> Any:
    weights = child(group, f"{key}_weights")
    return child(group, f"{key}_weight") if weights is None else weights


def _variant(group: Any, item: Any) -> str:
    """The name of a spectrum that an item without weights says it is a variant of; ''. One may lead to the next."""
    seen: list[str] = []
    while item is not None and (other := attribute(item, "variant")) and other not in seen:
        if _weights(group, other) is not None and child(group, other) is not None:
            return other
        seen.append(other)
        item = child(group, other)
    return ""


def _say_spread(group: Any, key: str, said: Said) -> None:
    """That the width of a band is not used."""
    spread = child(group, f"{key}_spread")
    if spread is not None and not is_group(spread):
        width = said.attempt("spread", lambda: float(numbers(spread)[0]))
        said.bad.pop("spread", None)
        if width:
            said.unused.append(f"{key}_spread {width:g} (-dispersion)")


def _say_others(item: Any, convert: Callable[[Any], NDArray[np.float64]], said: Said) -> None:
    """That the images after the first have other wavelengths."""
    values = said.attempt("wavelengths", lambda: convert(item))
    said.bad.pop("wavelengths", None)
    known = np.zeros(1) if values is None else values[np.isfinite(values)]
    if np.ptp(known) > 1e-6 * np.abs(known).max():
        said.comments.append(f"the wavelength of the first image ({known.min():g} to {known.max():g} Å in the series)")


def _checked(item: Any, values: NDArray[np.float64], shares: NDArray[np.float64]) -> NDArray[np.float64] | None:
    kept = (shares > 0.0) & np.isfinite(values) & (values > 0.0)
    if len(values) == 1 and not kept[0]:
        raise Unusable(f"found {values[0]:g} Å in {item.name}, expected a positive wavelength or energy")
    if not kept.any():
        raise Unusable(f"found no wavelength of any weight in {item.name}, expected some")
    return np.stack([values[kept], shares[kept]], axis=1)


def _kahn(stokes: Any) -> float | None:
    """The Kahn factor of the first image's Stokes vector."""
    values = quantities(stokes, {})
    if values.size < 2 or not values[0] > 0:
        return None
    return float(values[1] / values[0])
