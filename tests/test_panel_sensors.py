"""Sensors that differ from panel to panel: each panel is as if it stood alone, and files and derivatives know of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nanobragg import (
    Crystal,
    Detector,
    Experiment,
    InputError,
    Panel,
    Sampling,
    Scene,
    SceneChange,
    SceneSensor,
    render,
    resolve,
    simulate,
    trace_pixel,
)
from nanobragg.cli import main
from nanobragg.derivatives import jacobian, parameters, with_values
from nanobragg.io.images.geometry_texts import write_expt
from nanobragg.records.panel import panel_views
from nanobragg.rendering.binding import bound
from nanobragg.rendering.derivatives import render_vjp

CRYSTAL = Crystal(cell=(60, 70, 80, 90, 90, 90), cells=6, default_F=100, misset=(10, 20, 30), water=1)
THIN = Panel(
    name="thin",
    shape=(20, 30),
    pixel_size=0.4,
    origin=(90, 4, 6),
    slow_axis=(0.4, -1, 0),
    sensor_thickness=320,
    attenuation_depth=240,
)
THICK = Panel(
    name="thick", shape=(24, 30), pixel_size=0.4, origin=(80, -9, 8), sensor_thickness=900, attenuation_depth=80
)


def experiment_of(*panels: Panel, **detector: object) -> Experiment:
    """A crystal before these panels, with layers."""
    return Experiment(
        crystal=CRYSTAL,
        detector=Detector(panels=panels, layers=3, **detector),  # type: ignore[arg-type]
        sampling=Sampling(oversample=2),
    )


@pytest.mark.parametrize("how", [{"renderer": "reference"}, {"precision": "double"}, {"precision": "mixed"}])
def test_each_panel_is_as_it_would_be_alone(how: dict[str, str]) -> None:
    """A detector of silicon and CdTe modules shows spots where each of them absorbs, and as much as it absorbs."""
    scene = experiment_of(THIN, THICK).scene()
    together = panel_views(render(scene, **how), scene.panels)  # type: ignore[arg-type]
    for image, panel in zip(together, (THIN, THICK), strict=True):
        assert np.array_equal(image, render(experiment_of(panel).scene(), **how)[0])  # type: ignore[arg-type]
    alike = replace(THICK, sensor_thickness=320, attenuation_depth=240)
    one_for_all = panel_views(render(experiment_of(THIN, alike).scene(), **how), scene.panels)  # type: ignore[arg-type]
    assert np.array_equal(one_for_all[0], together[0])
    assert abs(one_for_all[1] / together[1] - 1.0).max() > 0.05


def test_where_panels_agree_the_scene_has_one_sensor() -> None:
    """What is said once or for each panel is one and the same run."""
    same = [replace(panel, sensor_thickness=450, attenuation_depth=200) for panel in (THIN, THICK)]
    bare = [replace(panel, sensor_thickness=None, attenuation_depth=None) for panel in (THIN, THICK)]
    said = experiment_of(*same).scene()
    common = experiment_of(*bare, thickness=450, attenuation_depth=200).scene()
    assert all(panel.sensor is None for panel in (*said.panels, *common.panels))
    assert np.array_equal(said.layers, common.layers)
    assert (said.attenuation, said.sensor_depth) == (common.attenuation, common.sensor_depth)
    assert experiment_of(*same).scene().panels[1].sensor_thickness == pytest.approx(450e-6)


def test_what_a_panel_does_not_say_is_the_detectors() -> None:
    """A module is exchanged by saying what is new about it."""
    bare = replace(THIN, sensor_thickness=None, attenuation_depth=None)
    thicker = replace(THICK, attenuation_depth=None)
    scene = experiment_of(bare, thicker, thickness=300, attenuation_depth=150).scene()
    first, second = (scene.sensor_of(panel) for panel in scene.panels)
    assert (first.depth, 1 / first.attenuation) == pytest.approx((300e-6, 150e-6))
    assert (second.depth, 1 / second.attenuation) == pytest.approx((900e-6, 150e-6))
    for_files = experiment_of(replace(THIN, attenuation_depth=None), thicker).scene()
    assert for_files.sensor_depth == 0.0
    assert for_files.panels[1].sensor_thickness == pytest.approx(900e-6)


def test_a_thickness_that_nobody_says_is_an_error() -> None:
    """No panel is taken for one that captures nothing, or all."""
    with pytest.raises(InputError, match="panel thin: found no thickness of its sensor, expected one"):
        experiment_of(replace(THIN, sensor_thickness=None), THICK).scene()
    flat = Experiment(crystal=CRYSTAL, detector=Detector(own_sensors=True))
    with pytest.raises(InputError, match="-own_sensors: found one flat detector"):
        flat.scene()


def test_a_scene_says_how_many_layers_sensors_have() -> None:
    """A Scene that is filled by hand cannot have what the renderers do not know."""
    scene = experiment_of(THIN, THICK).scene()
    sensor = scene.panels[1].sensor
    assert sensor is not None
    fewer = replace(scene.panels[1], sensor=replace(sensor, layers=sensor.layers[:1]))
    with pytest.raises(InputError, match=r"panels\[1\].sensor.layers: found 1 layers, expected as many"):
        render(replace(scene, panels=(scene.panels[0], fewer)))
    with pytest.raises(InputError, match=r"SceneSensor: layers: found an array of shape \(3,\)"):
        SceneSensor(layers=np.zeros(3), attenuation=1.0, depth=1.0)
    assert bound(scene)


def test_dials_models_hold_each_panels_sensor(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An .expt of two sensors comes back as it was, where it is asked for; else its line says how to ask."""
    both = experiment_of(THIN, THICK)
    path = tmp_path / "two.expt"
    write_expt(path, resolve(both))
    read = replace(both, detector=Detector(header=path, convention="mosflm", layers=3, own_sensors=True))
    before, after = both.scene(), resolve(read).scene
    for old, new in zip(before.panels, after.panels, strict=True):
        mine, theirs = before.sensor_of(old), after.sensor_of(new)
        assert theirs.layers == pytest.approx(mine.layers, abs=1e-12)
        assert (theirs.depth, theirs.attenuation) == pytest.approx((mine.depth, mine.attenuation), rel=1e-12)
    expected, found = simulate(both), simulate(read)
    assert found.panels[1].pixels == pytest.approx(expected.panels[1].pixels, rel=1e-4)
    words = ["-img", str(path), "-cell", "60", "70", "80", "90", "90", "90", "-N", "6", "-default_F", "100"]
    words += ["-nonoise", "-nopgm", "-floatfile", str(tmp_path / "image.npy"), "-intfile", str(tmp_path / "int.npy")]
    assert main(words) == 0
    assert "that its panels have 2 sensors (-own_sensors)" in (told := capsys.readouterr().out)
    assert "sensor of Si 320 um thick (-detector_thick)" in told
    assert main([*words, "-own_sensors", "-detector_thicksteps", "2"]) == 0
    told = capsys.readouterr().out
    assert "the sensors of its panels" in told
    assert "not used" not in told
    assert "sensor of thin is 0.00032 m thick in 2 layers" in told
    assert "sensor of thick is 0.0009 m thick in 2 layers" in told


def test_toml_holds_each_panels_sensor(tmp_path: Path) -> None:
    """An experiment that was written down is the same experiment."""
    both = experiment_of(THIN, THICK)
    both.to_toml(tmp_path / "two.toml")
    panels = Experiment.from_toml(tmp_path / "two.toml").detector.panels
    assert panels is not None
    assert [(p.sensor_thickness, p.attenuation_depth) for p in panels] == [(320, 240), (900, 80)]


def test_truth_and_trace_are_each_panels() -> None:
    """Predicted spots stand as deep as in their own sensor, and a trace says its capture."""
    image = simulate(experiment_of(THIN, THICK))
    truth = image.truth()
    found = truth[truth["panel"] == 1]
    alone = simulate(experiment_of(THICK)).truth()
    assert len(found) > 0
    assert found["fast"] == pytest.approx(alone["fast"], abs=1e-9)
    assert found["slow"] == pytest.approx(alone["slow"], abs=1e-9)
    trace = trace_pixel(image.resolved.scene, 3, 4, panel=1)
    other = trace_pixel(experiment_of(THICK).scene(), 3, 4)
    assert [e.capture for e in trace.evaluations] == [e.capture for e in other.evaluations]
    assert trace.value == other.value


def test_a_tolerance_holds_for_each_panel() -> None:
    """What is left out of a pixel is small in its own sensor, too."""
    both = experiment_of(THIN, THICK)
    many = replace(both, crystal=replace(CRYSTAL, cells=20, mosaic_spread=1, mosaic_domains=50))
    exact = simulate(many, precision="double").data
    bounded = simulate(replace(many, sampling=replace(many.sampling, tolerance=1e-3)), precision="double").data
    assert abs(exact - bounded).max() <= 1e-3 + 1e-6 * exact.max()


def test_derivatives_are_those_of_each_panels_sensor() -> None:
    """The detector's numbers move the panels that say none, and gradients by a panel's own sensor are differences."""
    bare = replace(THIN, sensor_thickness=None, attenuation_depth=None)
    both = experiment_of(bare, THICK, thickness=300.0, attenuation_depth=150.0)
    image, columns = jacobian(both, ["detector.thickness", "detector.attenuation_depth"])
    split = bare.shape[0] * bare.shape[1]  # type: ignore[index]
    for name, column in zip(("thickness", "attenuation_depth"), columns, strict=True):
        flat = np.asarray(column).ravel()
        assert not flat[split:].any()
        more, less = (
            simulate(replace(both, detector=replace(both.detector, **{name: getattr(both.detector, name) + step})))
            for step in (0.5, -0.5)
        )
        difference = more.panels[0].pixels.astype(float) - less.panels[0].pixels
        assert flat[:split] == pytest.approx(difference.ravel(), abs=2e-3 * abs(difference).max())
    assert np.asarray(image).size == split + 24 * 30
    _own_numbers(both.scene())


def test_a_panels_own_sensor_has_derivatives_by_name() -> None:
    """The thickness of one module of many is refined, also where it is like the others'."""
    alike = [replace(panel, sensor_thickness=450, attenuation_depth=200) for panel in (THIN, THICK)]
    by_material = [THICK, replace(THIN, sensor_thickness=20, attenuation_depth=None, sensor_material="GaAs")]
    own = ("sensor_thickness", "attenuation_depth")
    for panels, fields in (((THIN, THICK), own), (alike, own), (by_material, own[:1])):
        both = experiment_of(*panels, thickness=300.0)
        names = [f"detector.panels[{panels[1].name}].{field}" for field in fields]
        _, columns = jacobian(both, names)
        split = THIN.shape[0] * 30 if panels[0].name == "thin" else 24 * 30  # type: ignore[index]
        for name, field, column in zip(names, fields, columns, strict=True):
            value = parameters(both)[f"detector.panels[1].{field}"].value
            steps = (value + 1e-3, value - 1e-3)
            more, less = (jacobian(with_values(both, {name: step}), [])[0].ravel() for step in steps)
            slope = (more - less) / 2e-3
            assert np.asarray(column).ravel() == pytest.approx(slope, abs=1e-5 * abs(slope).max())
            assert abs(slope[split:]).max() > 0.0
            assert not slope[:split].any()
    assert parameters(experiment_of(*alike))["detector.panels[0].sensor_thickness"].unit == "µm"
    for_files = experiment_of(replace(THIN, attenuation_depth=None), replace(THICK, attenuation_depth=None))
    with pytest.raises(InputError, match="found that the image of this experiment does not depend on it"):
        jacobian(for_files, ["detector.panels[0].sensor_thickness"])


def _own_numbers(scene: Scene) -> None:
    """A gradient by the attenuation of the second panel's own sensor, beside a difference."""

    def total(times: float) -> float:
        sensor = scene.panels[1].sensor
        assert sensor is not None
        changed = replace(scene.panels[1], sensor=replace(sensor, attenuation=sensor.attenuation * times))
        image, _ = render_vjp(replace(scene, panels=(scene.panels[0], changed)), np.zeros(scene.image_shape))
        return float(image.sum())

    _, gradient = render_vjp(scene, np.ones(scene.image_shape))
    assert isinstance(gradient, SceneChange)
    assert gradient.panels is not None
    assert gradient.layers is not None
    assert gradient.layers.shape == (6, 5)
    sensor = scene.panels[1].sensor
    assert sensor is not None
    slope = (total(1.0001) - total(0.9999)) / (0.0002 * sensor.attenuation)
    assert gradient.panels[1, 16] == pytest.approx(slope, rel=1e-5)
    assert gradient.panels[0, 16:].tolist() == [0.0, 0.0]
