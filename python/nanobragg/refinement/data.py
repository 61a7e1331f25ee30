"""Measured images as photons, and which of their pixels can be compared."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from nanobragg.errors import InputError
from nanobragg.io.any_image import read_pixels
from nanobragg.io.images import slab
from nanobragg.records.panel import panel_views, rendered_part
from nanobragg.resolver.response import detector_model

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from nanobragg.records.resolved import Resolved
    from nanobragg.records.response import DetectorModel
    from nanobragg.records.scene import Scene
    from nanobragg.refinement.settings import Settings


class Data(NamedTuple):
    """One image."""

    photons: NDArray[np.float64]
    """(``Scene.image_shape``)"""
    used: NDArray[np.bool_]
    """(``Scene.image_shape``) pixels that can be compared"""
    variance: float
    """photons², of the read-out"""
    notes: tuple[str, ...]
    detector: DetectorModel
    """what the experiment says of it"""


def data_of(image: Any, resolved: Resolved, settings: Settings) -> Data:
    """The photons of an image: an array, an image of nanobragg, or a file of any format that is read.

    Gain, offset, read-out noise and saturation are those said for the refinement, else those of the experiment's
    ``response``.

    Raises:
        InputError: for a file that cannot be read, and for pixels of another shape.

    """
    scene, response = resolved.scene, resolved.experiment.response
    name, raw = _pixels(image, scene)
    model = detector_model(resolved)
    gain = model.gain if settings.gain is None else settings.gain
    offset = model.offset if settings.offset is None else settings.offset
    readout = model.readout if settings.readout is None else settings.readout
    said = response.saturation is not None or response.bits is not None or response.preset is not None
    highest = (model.highest if said else np.inf) if settings.saturation is None else settings.saturation
    mask = _mask(settings.mask, scene)
    bad = ~np.isfinite(raw) | (raw < 0.0 if np.issubdtype(raw.dtype, np.integer) and readout == 0.0 else False)
    saturated = ~bad & (raw >= np.minimum(highest, _saturations(scene)))
    used = mask & ~bad & ~saturated
    left = {"saturated": saturated & mask, "bad (negative, or no numbers)": bad & mask}
    notes = tuple(f"{name}: {int(pixels.sum())} pixels left out: {why}" for why, pixels in left.items() if pixels.any())
    photons = (np.where(used, raw, 0.0).astype(np.float64) - offset) / gain
    return Data(np.where(used, photons, 0.0), used, (readout / gain) ** 2, notes, model)


def _pixels(image: Any, scene: Scene) -> tuple[str, NDArray[Any]]:
    if isinstance(image, (str, os.PathLike)):
        name = os.fspath(image)
        return name, _cut(name, read_pixels(name, slab.array_shape(scene.panels)), scene)
    try:
        found = np.asarray(image)
        if found.dtype.kind not in "biuf":
            raise TypeError
    except (TypeError, ValueError):
        raise InputError(f"images: found {image!r:.60}, expected an array of numbers or the name of a file") from None
    return "images", _cut("images", found, scene)


def _cut(name: str, pixels: NDArray[Any], scene: Scene) -> NDArray[Any]:
    """The pixels in the image's shape, from an array that holds panels at their places."""
    found = slab.as_rendered(pixels, scene)
    if found is None:
        raise InputError(
            f"{name}: found pixels of the shape {pixels.shape}, expected {tuple(scene.image_shape)} as the experiment "
            "has them"
        )
    return found


def _mask(given: Any, scene: Scene) -> NDArray[np.bool_]:
    """Pixels that are rendered and that no mask leaves out."""
    used = np.concatenate([rendered_part(panel).ravel() for panel in scene.panels]).reshape(scene.image_shape)
    if given is None:
        return used
    mask = _pixels(given, scene)[1]
    return used & (mask != 0)


def _saturations(scene: Scene) -> NDArray[np.float64]:
    """What each pixel holds at most."""
    tops = np.full(scene.image_shape, np.inf)
    for panel, part in zip(scene.panels, panel_views(tops, scene.panels), strict=True):
        if panel.saturation is not None:
            part[:] = panel.saturation
    return tops
