"""The detector in the laboratory: its raster, where it is, its sensor, and which of its pixels are wanted."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from nanobragg.errors import InputError
from nanobragg.records.panel import ScenePanel
from nanobragg.records.pivots import pivot_of
from nanobragg.resolver.detector import Pixels, Placement, pixels_of, place
from nanobragg.resolver.log import Log, which
from nanobragg.resolver.sensor import Sensor, sensor_of, sensors_of, with_sensors

if TYPE_CHECKING:
    from nanobragg.resolver.body import Body
    from nanobragg.resolver.files import Said


class PlacedDetector(NamedTuple):
    """The detector, made explicit."""

    pixels: Pixels
    """the panel's, or, where there are several, those of the file's array"""
    placement: Placement
    sensor: Sensor
    """that of all panels; of panels whose sensors differ, that of the first"""
    sensors: tuple[Sensor, ...]
    """each panel's"""
    roi: tuple[int, int, int, int]
    """fast first, fast last, slow first, slow last as said, not clipped"""
    panels: tuple[ScenePanel, ...]
    log: Log


def placed_detector(said: Said, quirks: frozenset[str]) -> PlacedDetector:
    """Put the detector where it is.

    Raises:
        InputError: for numbers of pixels, sizes and positions that cannot be.

    """
    if said.body is not None:
        return _of_panels(said, said.body)
    detector = said.experiment.detector
    if detector.moves is not None:
        raise InputError("detector.moves: found moves of one flat detector, expected a detector of panels")
    if detector.own_sensors:
        raise InputError(
            "-own_sensors: found one flat detector, whose sensor -detector_thick and -detector_abs say, expected a "
            "detector of panels"
        )
    pixels = pixels_of(detector, said.header)
    placement = _placement(said, pixels, quirks)
    if detector.curved and placement.distance == 0.0:
        raise InputError("-curved_det: found a detector distance of 0, expected a sphere with a radius")
    roi, doubts = _roi(detector.roi, (pixels.nslow, pixels.nfast))
    sensor = sensor_of(said, quirks)
    # The axes of a file are two: the third is to be generated.
    of_placement = () if said.framed else placement.warnings
    return PlacedDetector(
        pixels=pixels,
        placement=placement,
        sensor=sensor,
        sensors=(sensor,),
        roi=roi,
        panels=(_panel(said, pixels, placement, sensor),),
        log=Log(
            notes=sensor.notes,
            warnings=(*of_placement, *doubts, *sensor.warnings),
            touched=_touched(said, pixels, placement, quirks)
            | which(thickness_step=sensor.step_quirk, layers_at_front_faces=sensor.front_quirk),
        ),
    )


def _placement(said: Said, pixels: Pixels, quirks: frozenset[str]) -> Placement:
    experiment = said.experiment
    return place(experiment.beam, experiment.crystal, experiment.detector, said.header, pixels, quirks)


def _touched(said: Said, pixels: Pixels, placement: Placement, quirks: frozenset[str]) -> frozenset[str]:
    """Quirks without which the detector would be elsewhere."""
    detector, movers = said.experiment.detector, quirks & {"pivot_overridden", "pix0_ignored"}
    if detector.pix0 is None:
        movers -= {"pix0_ignored"}
    if placement.pivot == (said.header.pivot or pivot_of(placement.convention, detector, overridden=False)):
        movers -= {"pivot_overridden"}
    return frozenset(name for name in movers if not _same_place(_placement(said, pixels, quirks - {name}), placement))


def _same_place(one: Placement, other: Placement) -> bool:
    """Whether two placements are the same up to rounding."""

    def numbers(at: Placement) -> tuple[float, ...]:
        frame = at.frame
        return (*at.pix0, *frame.fast, *frame.slow, *frame.normal, at.close_distance)

    return all(
        math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-12) for a, b in zip(numbers(one), numbers(other), strict=True)
    )


def _roi(
    said: tuple[int, int, int, int] | None, shape: tuple[int, int]
) -> tuple[tuple[int, int, int, int], tuple[str, ...]]:
    """The region of interest, and what is odd about it."""
    nslow, nfast = shape
    defaults = (0, nfast, 0, nslow)
    x0, x1, y0, y1 = defaults
    if said is not None:
        x0, x1, y0, y1 = (default if v < 0 else v for v, default in zip(said, defaults, strict=True))
    if x1 < x0 or y1 < y0 or x0 >= nfast or y0 >= nslow:
        return (x0, x1, y0, y1), (f"the region of interest {x0} {x1} {y0} {y1} holds no pixel: the image is black",)
    return (x0, x1, y0, y1), ()


def _of_panels(said: Said, body: Body) -> PlacedDetector:
    """A detector of panels: none of nanoBragg.c's quirks touches it."""
    from nanobragg.resolver.body import place_body
    from nanobragg.resolver.moves import moved_panels, moves_of
    from nanobragg.resolver.panels import overlapping, with_mask

    detector = said.experiment.detector
    if detector.curved:
        raise InputError("-curved_det: found it with a detector of panels, expected panels that are flat")
    panels, placement, pixels = place_body(said.experiment, body)
    panels = moved_panels(panels, moves_of(detector, panels))
    if said.mask is not None:
        panels = with_mask(panels, said.mask, said.mask_name)
    largest = (max(panel.shape[0] for panel in panels), max(panel.shape[1] for panel in panels))
    roi, doubts = _roi(detector.roi, largest)
    if shared := overlapping(panels):
        doubts = (*doubts, f"panels {shared[0]} and {shared[1]} share pixels of the file's array")
    sensors = sensors_of(said, panels)
    panels, others = with_sensors(panels, sensors)
    return PlacedDetector(
        pixels=pixels,
        placement=placement,
        sensor=sensors[0],
        sensors=tuple(sensors),
        roi=roi,
        panels=panels,
        log=Log(
            notes=tuple(dict.fromkeys(note for s in sensors for note in s.notes)),
            warnings=(*placement.warnings, *doubts, *dict.fromkeys(w for s in sensors for w in s.warnings), *others),
        ),
    )


def _panel(said: Said, pixels: Pixels, placement: Placement, sensor: Sensor) -> ScenePanel:
    """The panel that the options of one flat detector describe."""
    mask, shape, frame = said.mask, (pixels.nslow, pixels.nfast), placement.frame
    if mask is not None and mask.shape != shape:
        found = " x ".join(str(n) for n in mask.shape[::-1])
        raise InputError(
            f"-mask: found {found} pixels in {said.mask_name}, expected the detector's {shape[1]} x {shape[0]}"
        )
    return ScenePanel(
        name="panel",
        shape=shape,
        pixel_size=(pixels.pixel_size, pixels.pixel_size),
        pixel_area=pixels.pixel_size**2,  # nanoBragg.c's, also where -fdet_vector and -sdet_vector are no unit vectors
        origin=np.array(placement.pix0),
        fast=np.array(frame.fast),
        slow=np.array(frame.slow),
        normal=np.array(frame.normal),
        close_distance=placement.close_distance,
        sensor_material=sensor.material,
        sensor_thickness=max(sensor.thickness, 0.0),
        mask=None if mask is None else mask != 0,
    )
