"""The sensor's layers (``specs/physics.md``, "Absorption in the sensor")."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from nanobragg.errors import InputError
from nanobragg.maths.absorption import mean_depth
from nanobragg.maths.duals import isinf
from nanobragg.records.record import Record
from nanobragg.records.solids import SOLIDS, solid_of
from nanobragg.resolver.beam import wavelength_of
from nanobragg.resolver.solids import absorption
from nanobragg.resolver.steps import sweep

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nanobragg.records.experiment import Detector, Panel
    from nanobragg.records.panel import ScenePanel
    from nanobragg.resolver.files import Said

MOST_LAYERS = 100_000


class Sensor(Record):
    """Resolved sensor. Metres; ``attenuation`` in 1/m, -1 when unset."""

    thickness: float
    step: float
    count: int
    attenuation: float
    material: str
    """as it is said; '': not known"""
    step_quirk: bool
    """the quirk thickness_step changed the layers"""
    at_front: bool
    """layers stand at their front faces (quirk layers_at_front_faces), not where they absorb"""
    notes: tuple[str, ...]
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


def sensor_of(said: Said, quirks: frozenset[str]) -> Sensor:
    """The sensor of one flat detector, as the step rules and the quirk thickness_step make it."""
    detector, header = said.experiment.detector, said.header
    depth = _attenuation_of(detector)
    known = (depth, detector.material, header.sensor_attenuation, header.sensor_material)
    return _sensor(_thickness_of(detector), known, detector.material or header.sensor_material, said, quirks)


def _thickness_of(detector: Detector) -> float:
    return 0.0 if detector.thickness is None else detector.thickness * 1e-6


def _attenuation_of(detector: Detector) -> float | None:
    """1/m; ``None``: nothing is said."""
    depth = detector.attenuation_depth
    if depth is None:
        return None
    return 0.0 if isinf(depth) or depth == 0.0 else 1.0 / (depth * 1e-6)


def sensors_of(said: Said, panels: Sequence[ScenePanel]) -> list[Sensor]:
    """The sensor of each panel of a detector of panels: the detector's, or, where panels' own are to be rendered
    (``specs/geometry.md``), what is known of the panel and else the detector's.

    Raises :class:`InputError` where the thickness of one is not known.
    """
    detector = said.experiment.detector
    thickness, depth = _thickness_of(detector), _attenuation_of(detector)
    own = detector.own_sensors or (
        detector.panels is not None and (thickness > 0.0 or any(map(_says_absorption, detector.panels)))
    )
    made: dict[tuple[Any, ...], Sensor] = {}
    sensors = []
    for panel in panels:
        mu = panel.sensor_attenuation if panel.sensor_attenuation > 0.0 else None
        material, deep = panel.sensor_material, thickness
        known: tuple[Any, ...] = (depth, detector.material, mu, material)
        material = detector.material or material
        if own:
            known = (mu, depth, panel.sensor_material, detector.material)
            material, deep = panel.sensor_material or material, _own_thickness(panel, thickness)
        key = (deep, *known)
        if key not in made:
            made[key] = _sensor(deep, known, material, said, frozenset())
        sensors.append(made[key])
    return sensors


def _own_thickness(panel: ScenePanel, common: Any) -> Any:
    own = panel.sensor_thickness if panel.sensor_thickness > 0.0 else common
    if not own > 0.0:
        raise InputError(
            f"panel {panel.name}: found no thickness of its sensor, expected one, or one of all panels "
            "(-detector_thick)"
        )
    return own


def _says_absorption(panel: Panel) -> bool:
    """Whether a panel that is said absorbs by what is said of it."""
    solid = panel.sensor_material is not None and solid_of(panel.sensor_material) is not None
    return panel.attenuation_depth is not None or (solid and bool(panel.sensor_thickness))


def _sensor(extent: Any, known: Sequence[Any], material: str, said: Said, quirks: frozenset[str]) -> Sensor:
    """A sensor of a thickness (m).

    ``known``: what tells its attenuation, the first that there is: a coefficient (1/m), or the name of a material.
    """
    detector = said.experiment.detector
    steps = -1 if detector.layers is None else detector.layers
    thickness, step, count = sweep("-thicksteps", extent, -1.0, steps, default_extent=0.5e-6, thickness=True)
    step_quirk = False
    if extent > 0.0 and steps > 0:
        step_quirk = "thickness_step" in quirks
        if not step_quirk:
            count, step = steps, extent / steps
    if count > MOST_LAYERS:
        raise InputError(f"-thicksteps: found {count}, expected at most {MOST_LAYERS} layers")
    attenuation, notes, warnings = _attenuation(thickness, known, said)
    return Sensor(
        thickness=thickness,
        step=step,
        count=count,
        attenuation=attenuation,
        material=material,
        step_quirk=step_quirk,
        at_front="layers_at_front_faces" in quirks,
        notes=notes,
        warnings=warnings,
    )


def _attenuation(thickness: Any, known: Sequence[Any], said: Said) -> tuple[Any, tuple[str, ...], tuple[str, ...]]:
    """1/m (-1: unset), with a note of where it is from, and warnings."""
    told = next((what for what in known if what is not None and (not isinstance(what, str) or solid_of(what))), None)
    if not thickness > 0.0:
        if said.experiment.detector.material is not None:
            raise InputError(
                f"-detector_material: found {said.experiment.detector.material} and a sensor without thickness, "
                "expected one (-detector_thick)"
            )
        return (-1.0 if told is None or isinstance(told, str) else told), (), ()
    if isinstance(told, str):
        solid, wavelength = solid_of(told) or "", wavelength_of(said.experiment.beam, said.header)
        mu = absorption(solid, wavelength)
        note = (
            f"sensor of {solid}: its attenuation depth is taken to be {1e6 / mu:.4g} um, by photoelectric absorption "
            f"at {1e10 * wavelength:.5g} Å and {SOLIDS[solid].density:g} g/cm^3"
        )
        return mu, (note,), ()
    if told is None:
        attenuation = 1.0 / thickness
        other = next((what for what in known if what), None)
        why = f", since nothing is known of the absorption of {other}" if other else ""
        doubt = f"the attenuation depth of the sensor is taken to be its thickness, {1e6 * thickness:g} um{why}"
        return attenuation, (), (doubt,)
    if told == 0.0:
        return told, (), ("a sensor that absorbs nothing captures nothing: the image is black (-detector_abs inf)",)
    return told, (), ()


def with_sensors(panels: Sequence[ScenePanel], sensors: Sequence[Sensor]) -> tuple[tuple[ScenePanel, ...], list[str]]:
    """Panels whose files tell the sensors that are rendered, and what differs from what they are known for, as a
    warning.

    Args:
        panels: one or more.
        sensors: of each panel.

    """
    out, others = [], set()
    for panel, sensor in zip(panels, sensors, strict=True):
        known, thickness = panel.sensor_thickness, sensor.thickness
        if known > 0.0 and abs(known - thickness) > 1e-6 * thickness > 0.0:
            others.add(known)
        told = {"sensor_thickness": thickness, "sensor_material": sensor.material}
        out.append(replace(panel, **told) if thickness > 0.0 else panel)
    if not others:
        return tuple(out), []
    found = ", ".join(f"{1e6 * other:g}" for other in sorted(others)[:3]) + ("..." if len(others) > 3 else "")
    doubt = (
        f"the sensors of all panels are rendered {1e6 * sensors[0].thickness:g} um thick (-detector_thick), not "
        f"{found} um (-own_sensors)"
    )
    return tuple(out), [doubt]


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
