"""A sensor's attenuation depth follows from its material: right figures, told in a line, and what is said wins."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nanobragg import Beam, Crystal, Detector, Experiment, InputError, Panel, Sampling, resolve, simulate
from nanobragg.cli import main
from nanobragg.derivatives import jacobian, with_values
from nanobragg.io.images.geometry_texts import write_expt
from nanobragg.records.solids import SOLIDS
from nanobragg.resolver.solids import absorption

CRYSTAL = Crystal(cell=(60, 70, 80, 90, 90, 90), cells=6, default_F=100, misset=(10, 20, 30), water=1)
WORDS = ["-cell", "60", "70", "80", "90", "90", "90", "-N", "6", "-default_F", "100", "-oversample", "1"]

# Photoelectric absorption, cm²/g: C. T. Chantler et al., X-ray Form Factor, Attenuation and Scattering Tables, NIST
# Standard Reference Database 66. The pairs of energies (keV) stand on both sides of the edges of Ge, Ga, As, Cd and Te.
NIST = {
    "Si": {5: 235.4, 8: 62.49, 10: 32.16, 12.4: 16.75, 20: 3.937, 30: 1.140},
    "Ge": {5: 233.7, 11: 26.35, 11.2: 196.0, 20: 41.12, 30: 13.21},
    "GaAs": {5: 235.4, 10.3: 32.00, 10.5: 121.4, 11.2: 100.6, 11.9: 166.4, 30: 13.32},
    "CdTe": {5: 812.6, 10: 132.5, 12.4: 72.97, 26.5: 9.100, 26.9: 28.09, 31.7: 18.26, 32: 33.53},
}
ENERGY = 12.398419843
"""keV Å"""


def depth(solid: str, wavelength: float = 1.0) -> float:
    """µm, at a wavelength in Å."""
    return 1e6 / absorption(solid, wavelength * 1e-10)


def test_coefficients_are_those_that_nist_tells() -> None:
    """A sensor would capture too many photons, or too few, and spots stand too deep in it."""
    for solid, figures in NIST.items():
        for energy, expected in figures.items():
            found = absorption(solid, ENERGY / energy * 1e-10) / 100.0 / SOLIDS[solid].density
            assert found == pytest.approx(expected, rel=0.025), (solid, energy)
    # A tenth of the cadmium is zinc, which absorbs more than cadmium at 10 keV, and much less above cadmium's edge.
    ratios = [depth("CdTe", ENERGY / energy) / depth("CdZnTe", ENERGY / energy) for energy in (10, 27)]
    assert 1.0 < ratios[0] < 1.1
    assert 0.93 < ratios[1] < 1.0


def test_the_option_gives_the_depth_and_what_is_said_wins(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody has to look up the attenuation depth of silicon, and one that is looked up is taken."""
    words = [*WORDS, "-detpixels", "16", "-nonoise", "-nopgm", "-floatfile", str(tmp_path / "image.npy")]
    words += ["-intfile", str(tmp_path / "int.npy"), "-quirks", "none"]
    assert main([*words, "-detector_thick", "320", "-detector_material", "silicon"]) == 0
    told = capsys.readouterr().out
    assert f"sensor of Si: its attenuation depth is taken to be {depth('Si'):.4g} um, by photoelectric" in told
    assert f"mu= {1e6 / depth('Si'):g}" in told
    assert main([*words, "-detector_thick", "320", "-detector_material", "Si", "-detector_abs", "100"]) == 0
    told = capsys.readouterr().out
    assert "mu= 10000" in told
    assert "is taken to be" not in told
    assert main([*words, "-detector_material", "CdTe"]) == 9
    assert "-detector_material: found CdTe and a sensor without thickness, expected one" in capsys.readouterr().err
    assert main([*words, "-detector_thick", "320", "-detector_material", "wood"]) == 9
    assert "-detector_material: found 'wood', expected one of Si, Ge, GaAs" in capsys.readouterr().err
    assert main([*words, "-detector_thick", "320", "-detector_material", "Si", "-energy", "500"]) == 9
    assert "attenuation depth of Si: found photons of 0.5 keV, expected 3 to 70 keV" in capsys.readouterr().err


def test_panels_absorb_by_their_materials() -> None:
    """A detector of silicon and CdTe modules is said by their names, and each is as if its depth were said."""
    panels = [
        Panel(name="a", shape=(20, 30), pixel_size=0.4, origin=(90, 4, 6), sensor_thickness=320, sensor_material="Si"),
        Panel(
            name="b", shape=(20, 30), pixel_size=0.4, origin=(80, -9, 8), sensor_thickness=750, sensor_material="CZT"
        ),
        Panel(
            name="c", shape=(20, 30), pixel_size=0.4, origin=(80, -9, -30), sensor_thickness=300, sensor_material="X"
        ),
    ]
    detector = Detector(panels=panels, material="GaAs")
    by_name = Experiment(crystal=CRYSTAL, detector=detector, beam=Beam(wavelength=0.9)).scene()
    depths = [1e6 / by_name.sensor_of(panel).attenuation for panel in by_name.panels]
    assert depths == pytest.approx([depth(solid, 0.9) for solid in ("Si", "CdZnTe", "GaAs")])
    one_depth = replace(detector, material=None, attenuation_depth=50.0)
    said = Experiment(crystal=CRYSTAL, detector=one_depth).scene()
    assert [1e6 / said.sensor_of(panel).attenuation for panel in said.panels] == pytest.approx([50.0] * 3)
    unknown = [replace(panel, sensor_material="phosphor") for panel in panels]
    assert Experiment(crystal=CRYSTAL, detector=Detector(panels=unknown)).scene().attenuation == 0.0
    guessed = resolve(Experiment(crystal=CRYSTAL, detector=Detector(panels=unknown, thickness=100)))
    assert any("since nothing is known of the absorption of phosphor" in warning for warning in guessed.warnings)


def test_files_that_name_the_material_need_no_depth(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """NXmx has no attenuation coefficient: its material and the wavelength are enough; DIALS' coefficient is taken."""
    flat = Detector(shape=(16, 16), pixel_size=0.5, distance=80, thickness=450, material="CdTe")
    experiment = Experiment(crystal=CRYSTAL, detector=flat, sampling=Sampling(oversample=1), quirks="none")
    simulate(experiment).write(tmp_path / "flat.h5")
    absorbed = replace(flat, attenuation_depth=33.0)
    write_expt(tmp_path / "flat.expt", resolve(replace(experiment, detector=absorbed)))
    for name, expected in (("flat.h5", depth("CdTe")), ("flat.expt", 33.0)):
        read = Detector(header=tmp_path / name, thickness=300)
        found = resolve(replace(experiment, detector=read))
        assert 1e6 / found.scene.attenuation == pytest.approx(expected, rel=1e-6)
        assert found.scene.panels[0].sensor_material == "CdTe"
        (line,) = (note for note in found.notes if note.startswith("from"))
        assert f"the {'material' if name == 'flat.h5' else 'attenuation depth'} of its sensor" in line
        said = resolve(replace(experiment, detector=replace(read, attenuation_depth=77.0)))
        assert 1e6 / said.scene.attenuation == pytest.approx(77.0)
        other = resolve(replace(experiment, detector=replace(read, material="Si")))
        assert 1e6 / other.scene.attenuation == pytest.approx(depth("Si"))
    bare = replace(experiment, detector=replace(flat, thickness=None, material=None))
    simulate(bare).write(tmp_path / "bare.h5")  # it has a sensor for DIALS' sake alone
    guessed = resolve(replace(experiment, detector=Detector(header=tmp_path / "bare.h5", thickness=300)))
    assert 1.0 / guessed.scene.attenuation == pytest.approx(300e-6)


def test_modules_of_a_file_and_of_a_name_absorb_by_their_material(tmp_path: Path) -> None:
    """``-own_sensors`` gives a JUNGFRAU, and what is read from its file, the sensors that it has."""
    named = Detector.named("JUNGFRAU 4M", distance=200, own_sensors=True)
    experiment = Experiment(crystal=CRYSTAL, detector=named, beam=Beam(wavelength=0.7), sampling=Sampling(oversample=1))
    resolved = resolve(experiment)
    assert 1e6 / resolved.scene.attenuation == pytest.approx(depth("Si", 0.7))
    assert resolved.scene.sensor_depth == pytest.approx(320e-6)
    simulate(replace(experiment, detector=replace(named, roi=(0, 3, 0, 3)))).write(tmp_path / "jungfrau.h5")
    read = resolve(replace(experiment, detector=Detector(header=tmp_path / "jungfrau.h5", own_sensors=True)))
    assert read.scene.attenuation == pytest.approx(resolved.scene.attenuation)
    assert sum("sensor of Si: its attenuation depth" in note for note in read.notes) == 1


def test_derivatives_by_the_wavelength_know_of_the_depth() -> None:
    """A refined wavelength moves the spots and what the sensor captures of them."""
    flat = Detector(shape=(24, 24), pixel_size=0.5, distance=80, thickness=450, layers=2, material="GaAs")
    experiment = Experiment(
        crystal=CRYSTAL, detector=flat, sampling=Sampling(oversample=1), beam=Beam(wavelength=1.0), quirks="none"
    )
    _, (column,) = jacobian(experiment, ["beam.wavelength"])
    more, less = (jacobian(with_values(experiment, {"beam.wavelength": w}), [])[0] for w in (1 + 1e-6, 1 - 1e-6))
    assert column == pytest.approx((more - less) / 2e-6, abs=1e-6 * np.abs(column).max())


def test_an_energy_without_figures_is_an_error_only_where_they_are_needed() -> None:
    """A sensor whose depth is said works with X-rays of any energy."""
    flat = Detector(shape=(4, 4), thickness=10, material="Si", attenuation_depth=1.0)
    soft = Experiment(crystal=CRYSTAL, detector=flat, beam=Beam(energy=500.0), quirks="none")
    assert 1e6 / soft.scene().attenuation == pytest.approx(1.0)
    with pytest.raises(InputError, match="attenuation depth of Si: found photons"):
        replace(soft, detector=replace(flat, attenuation_depth=None)).scene()
