"""Counts of images that lie on a CUDA device, where they lie (``specs/response.md``, "On a device")."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nanobragg.records.experiment import Experiment
from nanobragg.records.record import Record
from nanobragg.rendering.surroundings import veil_before
from nanobragg.resolver.resolve import resolve
from nanobragg.resolver.response import detector_model
from nanobragg.response.convolution import kernel_spectrum, whole_spectrum
from nanobragg.response.measure import Stream, bad_pixels, calibration_factors, shot_of, source_factor, spreading_of

if TYPE_CHECKING:
    from typing import SupportsIndex

    from numpy.typing import NDArray

    from nanobragg.records.panel import ScenePanel
    from nanobragg.records.resolved import Resolved
    from nanobragg.records.response import DetectorModel, Response


class DeviceDetector:
    """A detector that makes counts of images without taking them from their device.

    What it has for every pixel, and the transform of its point spread function, are copied to the device of the first
    image, once.

    Args:
        experiment: beam, detector, and what is around the crystal.
        response: what is said of the detector, where that is not the experiment's own.

    Raises:
        InputError: as :meth:`nanobragg.Image.measured`.

    """

    def __init__(self, experiment: Experiment | Resolved, response: Response | None = None) -> None:
        self._resolved = resolve(experiment) if isinstance(experiment, Experiment) else experiment
        self._model = detector_model(self._resolved, response)
        self._panels: list[_PanelMaps] | None = None
        self._bound: Any = None

    def measured(self, image: Any, *, seed: SupportsIndex, shot: SupportsIndex = 0) -> Any:
        """Counts, int32, of an image of ``Renderer.render_on_device``, on its device.

        What is around the crystal is added first. They are those of :meth:`nanobragg.Image.measured`, bit for bit
        where light is not spread; where it is, from light that is the same but for the rounding of single precision.

        Args:
            image: photons of the crystal.
            seed: of the random numbers.
            shot: number of the image in its series.

        Returns:
            An object as ``render_on_device`` gives it.

        Raises:
            InputError: for an image of another shape than the detector's, or of counts, and for wrong numbers.

        """
        drawn = shot_of(seed, shot)
        if self._bound is None:
            self._bound = image.detector(self._model, self._maps())
        keys = [
            tuple(drawn.key(stream, panel) for stream in (Stream.COUNTING, Stream.COUNT_RATE, Stream.READOUT))
            for panel in range(len(self._resolved.scene.panels))
        ]
        return self._bound.counts(image, source_factor(self._model, drawn), keys)

    def _maps(self) -> list[_PanelMaps]:
        found = []
        spreads: dict[Any, _Spread | None] = {}
        panels = self._resolved.scene.panels
        surroundings = self._resolved.surroundings
        for number, panel in enumerate(panels):
            shape, model = (panel.shape[0], panel.shape[1]), self._model
            veil = None if surroundings is None else veil_before(panel, self._resolved.scene, surroundings)
            shadow = None if surroundings is None else surroundings.shadow
            alike = (shape, panel.pixel_size)
            if alike not in spreads:
                spreads[alike] = _spread(model, shape, panel.pixel_size)
            found.append(
                _PanelMaps(
                    pixels=shape[0] * shape[1],
                    added=None if veil is None else veil.added,
                    passed=None if veil is None else veil.passed,
                    shadow=None if shadow is None else shadow[number],
                    calibration=calibration_factors(model, number, shape) if model.calibration > 0.0 else None,
                    gain_map=None if model.gain_map is None else model.gain_map[number],
                    dark_map=None if model.dark_map is None else model.dark_map[number],
                    fate=_fate(model, number, panel),
                    spread=spreads[alike],
                )
            )
        return found


class _PanelMaps(Record):
    """What a panel's pixels have, arrays (slow, fast) or nothing."""

    pixels: int
    added: NDArray[np.float32] | None
    passed: NDArray[np.float32] | None
    shadow: NDArray[np.float32] | None
    calibration: NDArray[np.float32] | None
    gain_map: NDArray[np.float32] | None
    dark_map: NDArray[np.float32] | None
    fate: NDArray[np.uint8]
    """1: holds 0, 2: holds the highest value, 3: not rendered."""
    spread: _Spread | None


class _Spread(Record):
    """A point spread function on a panel."""

    shape: tuple[int, int]
    """Pixels of the panel."""
    size: tuple[int, int]
    """The same of its transform, with room for what leaves the panel."""
    spectrum: NDArray[np.float32] | NDArray[np.complex64]


def _spread(model: DetectorModel, shape: tuple[int, int], pixel_size: tuple[float, float]) -> _Spread | None:
    spreading = spreading_of(model, pixel_size)
    if model.psf_kernel is not None:
        spectrum, size = kernel_spectrum(model.psf_kernel, shape)
    elif spreading is not None:
        spectrum, size = whole_spectrum(spreading, shape)
    else:
        return None
    return _Spread(shape=shape, size=size, spectrum=spectrum)


def _fate(model: DetectorModel, number: int, panel: ScenePanel) -> NDArray[np.uint8]:
    """Which pixels are dead, which hot, and which were not rendered."""
    bad = bad_pixels(model, number, (panel.shape[0], panel.shape[1]))
    fate = np.zeros(panel.shape, np.uint8) if bad is None else np.array(bad, np.uint8)
    if panel.mask is not None:
        fate[panel.mask == 0] = 3
    x0, x1, y0, y1 = panel.region
    fate[:y0] = fate[y1 + 1 :] = 3
    fate[:, :x0] = fate[:, x1 + 1 :] = 3
    return fate
