"""The sensor's layers (``specs/physics.md``, "Absorption in the sensor")."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nanobragg.errors import InputError
from nanobragg.maths.absorption import mean_depth
from nanobragg.maths.duals import isinf
from nanobragg.records.record import Record
from nanobragg.resolver.steps import sweep

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nanobragg.records.experiment import Detector
    from nanobragg.records.panel import ScenePanel

MOST_LAYERS = 100_000


class Sensor(Record):
    """Resolved sensor. Metres; ``attenuation`` in 1/m, -1 when unset."""

    thickness: float
    step: float
    count: int
    attenuation: float
    step_quirk: bool
    """the quirk thickness_step changed the layers"""
    at_front: bool
    """layers stand at their front faces (quirk layers_at_front_faces), not where they absorb"""
    warnings: tuple[str, ...]

    @property
    def absorbs(self) -> bool:
        """Whether there is a capture fraction at all."""
        return self.thickness != 0.0

    @property
    def front_quirk(self) -> bool:
        """Whether the quirk layers_at_front_faces moved the layers, and any of them captures something."""
        return self.at_front and self.absorbs and self.attenuation > 0.0

    def layer_depths(self) -> list[float]:
        """Where each layer stands for rays that come straight in, m."""
        behind = 0.0 if self.at_front else float(mean_depth(self.step, max(self.attenuation, 0.0), 1.0))
        return [t * self.step + behind for t in range(self.count)]


def sensor_of(detector: Detector, quirks: frozenset[str]) -> Sensor:
    """The sensor as the step rules and the quirk thickness_step make it."""
    return _sensor(_thickness_of(detector), _attenuation_of(detector), detector, quirks)


def _thickness_of(detector: Detector) -> float:
    return 0.0 if detector.thickness is None else detector.thickness * 1e-6


def _attenuation_of(detector: Detector) -> float:
    """1/m; -1: nothing is said."""
    depth = detector.attenuation_depth
    if depth is None:
        return -1.0
    return 0.0 if isinf(depth) or depth == 0.0 else 1.0 / (depth * 1e-6)


def sensors_of(detector: Detector, panels: Sequence[ScenePanel]) -> list[Sensor]:
    """The sensor of each panel of a detector of panels: the detector's, or, where panels' own are to be rendered
    (``specs/geometry.md``), what is known of the panel and else the detector's.

    Raises :class:`InputError` where the thickness of one is not known.
    """
    none: frozenset[str] = frozenset()
    said = any(panel.attenuation_depth is not None for panel in detector.panels or ())
    thickness, attenuation = _thickness_of(detector), _attenuation_of(detector)
    if not detector.own_sensors and not said and (detector.panels is None or not thickness > 0.0):
        return [_sensor(thickness, attenuation, detector, none)] * len(panels)
    made: dict[tuple[float, float], Sensor] = {}
    for panel in panels:
        own = panel.sensor_thickness if panel.sensor_thickness > 0.0 else thickness
        if not own > 0.0:
            raise InputError(
                f"panel {panel.name}: found no thickness of its sensor, expected one, or one of all panels "
                "(-detector_thick)"
            )
        mu = panel.sensor_attenuation if panel.sensor_attenuation > 0.0 else attenuation
        key = (panel.sensor_thickness, panel.sensor_attenuation)
        made[key] = made.get(key) or _sensor(own, mu, detector, none)
    return [made[panel.sensor_thickness, panel.sensor_attenuation] for panel in panels]


def _sensor(said: float, attenuation: float, detector: Detector, quirks: frozenset[str]) -> Sensor:
    """A sensor of a thickness (m) and an attenuation coefficient (1/m; -1: not said)."""
    steps = -1 if detector.layers is None else detector.layers
    thickness, step, count = sweep("-thicksteps", said, -1.0, steps, default_extent=0.5e-6, thickness=True)
    step_quirk = False
    if said > 0.0 and steps > 0:
        step_quirk = "thickness_step" in quirks
        if not step_quirk:
            count, step = steps, said / steps
    if count > MOST_LAYERS:
        raise InputError(f"-thicksteps: found {count}, expected at most {MOST_LAYERS} layers")
    warnings: tuple[str, ...] = ()
    if thickness > 0.0 and attenuation < 0.0:
        attenuation = 1.0 / thickness
        warnings = (f"setting detector attenuation depth to {attenuation:g} m",)
    elif thickness > 0.0 and attenuation == 0.0:
        warnings = ("a sensor that absorbs nothing captures nothing: the image is black (-detector_abs inf)",)
    return Sensor(
        thickness=thickness,
        step=step,
        count=count,
        attenuation=attenuation,
        step_quirk=step_quirk,
        at_front="layers_at_front_faces" in quirks,
        warnings=warnings,
    )


def layer_table(sensor: Sensor, *, last_layer: bool) -> list[tuple[float, float, float, float, float]]:
    """Depth, slab front, slab back, incidence depth and thickness of each layer (m), as in ``Scene.layers``.

    ``last_layer``: every layer is multiplied by the last one's capture fraction (quirk last_layer_capture).
    """
    depths = [t * sensor.step for t in range(sensor.count)]
    thickness = 0.0 if sensor.at_front else sensor.step
    rows = []
    for t, depth in enumerate(depths):
        use = sensor.count - 1 if last_layer else t
        rows.append((depth, use * sensor.step, (use + 1) * sensor.step, depths[use], thickness))
    return rows


def scene_sensor(sensor: Sensor, *, last_layer: bool) -> dict[str, Any]:
    """The layers, attenuation and depth that a :class:`~nanobragg.records.panel.SceneSensor` has; of dual numbers, if
    the sensor is.
    """
    return {
        "layers": layer_table(sensor, last_layer=last_layer),
        "attenuation": sensor.attenuation if sensor.absorbs else 0.0,
        "depth": sensor.count * sensor.step,
    }
