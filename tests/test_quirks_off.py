"""Quirks off is physics: every row of ``specs/quirks.md`` against the oracle and against a closed form.

Whoever writes ``-quirks none``, or names the quirks to keep, must get what the specification promises for it.
"""

from __future__ import annotations

import math
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import oracle
from nanobragg import Beam, Crystal, Detector, Experiment, Factor, Sampling, _core, render, resolve, simulate
from nanobragg.maths.projection import pixels_of_rays
from nanobragg.records.quirks import QUIRKS
from nanobragg.resolver.crystal import cell_constants
from nanobragg.resolver.orientation import misset_of

FLUX = 1e12


def assert_like(image: Any, expected: np.ndarray, relative: float = 1e-6) -> None:
    """To ``relative`` of the largest pixel; what a float32 cannot hold is infinite in both."""
    with np.errstate(over="ignore"):
        finite = np.isfinite(np.asarray(expected).astype(np.float32))
    got = np.asarray(image, float)
    np.testing.assert_array_equal(np.isfinite(got), finite)
    largest = np.abs(expected[finite]).max(initial=0.0)
    np.testing.assert_allclose(got[finite], expected[finite], rtol=0, atol=relative * largest)


def rendered(experiment: Experiment, quirks: str, renderer: str = "cpu") -> np.ndarray:
    return render(resolve(replace(experiment, quirks=quirks)).scene, renderer=renderer)[0].astype(float)


# ---- everything at once ---------------------------------------------------------------------------------------


def some_quirks(seed: int) -> str:
    r = random.Random(f"quirks {seed}")
    return ",".join(["none", *(name for name in oracle.RENDER_QUIRKS if r.random() < 0.5)])


@pytest.mark.parametrize("seed", range(40))
def test_no_quirk_is_the_physics_of_the_specification(seed: int) -> None:
    """Conventions, layers, sources, phi, mosaic, interpolation, water…: all of it, and both renderers agree."""
    experiment = oracle.random_experiment(seed, "none")
    expected = oracle.render(experiment)
    for renderer in ("cpu", "reference"):
        assert_like(render(resolve(experiment).scene, renderer=renderer)[0], expected)


@pytest.mark.parametrize("seed", range(60))
def test_any_choice_of_quirks(seed: int) -> None:
    """Each quirk can be kept or left alone: no combination falls between two chairs."""
    experiment = oracle.random_experiment(1000 + seed, some_quirks(seed))
    expected = oracle.render(experiment)
    scene = resolve(experiment).scene
    for renderer in ("cpu", "reference"):
        assert_like(render(scene, renderer=renderer)[0], expected)


@pytest.mark.parametrize("seed", range(10))
def test_all_quirks_in_the_oracle(seed: int) -> None:
    """The oracle itself knows what nanoBragg.c does, or its word on the rest would mean little."""
    experiment = oracle.random_experiment(2000 + seed, "all")
    assert_like(render(resolve(experiment).scene)[0], oracle.render(experiment))


# ---- one quirk after the other --------------------------------------------------------------------------------

CUBIC = (30, 30, 30, 90, 90, 90)
NEAR = Detector(shape=(8, 9), pixel_size=2.0, distance=25.0)
SENSOR = replace(NEAR, thickness=400.0, layers=3, attenuation_depth=300.0)
CRYSTAL = Crystal(cell=(25, 30, 35, 90, 105, 90), misset=(10, 20, 30), cells=4, default_F=10.0)
BEAM = Beam(wavelength=1.5, flux=FLUX, polarization=0.9)
SOURCES = np.array([(-10, 0.1, 0.0, 1.0, 1.5e-10), (-10, 0.0, 0.3, 3.0, 1.52e-10), (-10, -0.3, 0.1, 0.5, 1.45e-10)])

ONE_QUIRK = {
    "phi_at_step_starts": Experiment(
        beam=BEAM, crystal=CRYSTAL, detector=NEAR, sampling=Sampling(phi=5, oscillation=6, phi_steps=3, oversample=1)
    ),
    "phi_at_step_starts of one step": Experiment(
        beam=BEAM, crystal=CRYSTAL, detector=NEAR, sampling=Sampling(oscillation=2, phi_steps=1, oversample=1)
    ),
    "stale_phi_zero": Experiment(
        beam=BEAM, crystal=CRYSTAL, detector=NEAR, sampling=Sampling(phi=0, oscillation=9, phi_steps=3, oversample=2)
    ),
    "stale_phi_zero in the middle": Experiment(
        beam=replace(BEAM, sources=SOURCES, wavelength=None),
        crystal=CRYSTAL,
        detector=NEAR,
        sampling=Sampling(phi=-2, oscillation=4, phi_step=2.0, phi_steps=2, oversample=1),
    ),
    "last_layer_capture": Experiment(beam=BEAM, crystal=CRYSTAL, detector=SENSOR, sampling=Sampling(oversample=2)),
    "thickness_step": Experiment(beam=BEAM, crystal=CRYSTAL, detector=SENSOR, sampling=Sampling(oversample=1)),
    "thickness_step of one layer": Experiment(
        beam=BEAM, crystal=CRYSTAL, detector=replace(SENSOR, layers=1), sampling=Sampling(oversample=1)
    ),
    "layers_at_front_faces": Experiment(
        beam=BEAM, crystal=CRYSTAL, detector=replace(SENSOR, roty=20.0), sampling=Sampling(oversample=2)
    ),
    "layers_at_front_faces of one layer": Experiment(
        beam=BEAM, crystal=CRYSTAL, detector=replace(SENSOR, layers=1, rotz=-15.0), sampling=Sampling(oversample=1)
    ),
    "first_subpixel_factors": Experiment(
        beam=replace(BEAM, sources=SOURCES, wavelength=None),
        crystal=CRYSTAL,
        detector=SENSOR,
        sampling=Sampling(oversample=3),
    ),
    "first_subpixel_factors with limit": Experiment(
        beam=replace(BEAM, sources=SOURCES, wavelength=None),
        crystal=CRYSTAL,
        detector=NEAR,
        sampling=Sampling(oversample=2, dmin=1.9),
    ),
    "running_product thick": Experiment(
        beam=BEAM, crystal=CRYSTAL, detector=SENSOR, sampling=Sampling(oversample=2, oversample_thick=True)
    ),
    "running_product polar": Experiment(
        beam=replace(BEAM, sources=SOURCES, wavelength=None),
        crystal=CRYSTAL,
        detector=SENSOR,
        sampling=Sampling(oversample=2, oversample_polar=True),
    ),
    "running_product omega": Experiment(
        beam=BEAM,
        crystal=replace(CRYSTAL, mosaic_spread=3.0, mosaic_domains=3),
        detector=NEAR,
        sampling=Sampling(oversample=2, oversample_omega=True),
    ),
    "running_product all": Experiment(
        beam=replace(BEAM, sources=SOURCES, wavelength=None),
        crystal=CRYSTAL,
        detector=SENSOR,
        sampling=Sampling(oversample=2, oversample_thick=True, oversample_polar=True, oversample_omega=True),
    ),
    "running_product without sensor": Experiment(
        beam=BEAM, crystal=CRYSTAL, detector=NEAR, sampling=Sampling(oversample=2, oversample_thick=True)
    ),
    "running_product without polarization": Experiment(
        beam=replace(BEAM, polarization_correction=False),
        crystal=CRYSTAL,
        detector=NEAR,
        sampling=Sampling(oversample=1, oversample_polar=True),
    ),
    "sticky_interpolation_fallback": Experiment(
        beam=BEAM,
        crystal=replace(CRYSTAL, structure_factors=oracle.random_factors(1, 0.0, 5), interpolate=True),
        detector=NEAR,
        sampling=Sampling(oversample=1),
    ),
    "interpolation_before_size": Experiment(
        beam=BEAM,
        crystal=replace(CRYSTAL, structure_factors=oracle.random_factors(1, 0.0, 40), size=8.9e-6, cells=1),
        detector=NEAR,
        sampling=Sampling(oversample=1),
    ),
    "interpolation_before_size the other way": Experiment(
        beam=BEAM,
        crystal=replace(CRYSTAL, structure_factors=oracle.random_factors(1, 0.0, 40), size=5.9e-6, cells=5),
        detector=NEAR,
        sampling=Sampling(oversample=1),
    ),
    "source_weights_ignored": Experiment(
        beam=replace(BEAM, sources=SOURCES, wavelength=None),
        crystal=CRYSTAL,
        detector=NEAR,
        sampling=Sampling(oversample=1),
    ),
    "water_scaling": Experiment(
        beam=replace(BEAM, sources=SOURCES, wavelength=None),
        crystal=replace(CRYSTAL, water=3.0),
        detector=SENSOR,
        sampling=Sampling(oversample=2),
    ),
    "pivot_overridden": Experiment(
        beam=BEAM, crystal=CRYSTAL, detector=replace(NEAR, twotheta=25.0), sampling=Sampling(oversample=1)
    ),
    "pivot_overridden by xds": Experiment(
        beam=BEAM,
        crystal=CRYSTAL,
        detector=replace(NEAR, convention="xds", pivot="beam", rotx=10.0, orgx=2.0),
        sampling=Sampling(oversample=1),
    ),
    "cell_angles": Experiment(
        beam=BEAM,
        crystal=replace(CRYSTAL, cell=(30, 30, 30, 60, 60, 60)),
        detector=NEAR,
        sampling=Sampling(oversample=1),
    ),
    "pix0_ignored": Experiment(
        beam=BEAM,
        crystal=CRYSTAL,
        detector=replace(NEAR, pix0=(0.03, 0.005, -0.002), roty=5.0),
        sampling=Sampling(oversample=1),
    ),
}


@pytest.mark.parametrize("case", ONE_QUIRK)
def test_one_quirk_off_and_only_that(case: str) -> None:
    """Switching one quirk off, or all, gives the specified image, in both renderers, and it is another one."""
    experiment, name = ONE_QUIRK[case], case.split()[0]
    assert name in [touched for touched, _ in resolve(experiment).quirks] or name.startswith("sticky")
    for quirks in ("all", f"all,-{name}", "none", f"none,{name}"):
        expected = oracle.render(experiment, quirks)
        assert_like(rendered(experiment, quirks), expected)
        assert_like(rendered(experiment, quirks, "reference"), expected)
    with_quirk, without = rendered(experiment, "all"), rendered(experiment, f"all,-{name}")
    assert np.abs(with_quirk - without).max() > 1e-6 * max(with_quirk.max(), without.max())


def test_every_quirk_has_a_test_with_it_off() -> None:
    """A quirk added without a test of its absence would be a promise nobody checks."""
    here = {case.split()[0] for case in ONE_QUIRK}
    words = {"twotheta_axis_parse", "misset_seed_parse", "curved_det_needs_word"}
    of_files_written = {"header_by_convention", "offset_in_masked_pixels"}  # tests/test_for_dials.py
    assert here | words | of_files_written | {"random_misset_units", "header_substring"} == set(QUIRKS)


# ---- closed forms: a single cell scatters F² everywhere, so that only the factors are seen ------------------------

ATOM = Crystal(cell=CUBIC, cells=1, default_F=10.0)


def factors_at(experiment: Experiment, along_fast: np.ndarray, along_slow: np.ndarray) -> np.ndarray:
    """Ω·P at (fast, slow) in pixels on a flat detector normal to the beam x, electric vector along z; no sensor."""
    scene = resolve(replace(experiment, quirks="none")).scene
    (panel,) = scene.panels
    at = panel.at(along_fast, along_slow)
    radius = np.linalg.norm(at, axis=-1)
    square = (at[..., 0] / radius) ** 2
    magnetic, electric = at[..., 1] / radius, at[..., 2] / radius
    with np.errstate(invalid="ignore"):
        cos2psi = (electric**2 - magnetic**2) / (electric**2 + magnetic**2)
    kahn = scene.kahn_factor
    polar = 0.5 * (1 + square - kahn * np.where(np.isnan(cos2psi), 1, cos2psi) * (1 - square))
    return panel.pixel_size[0] * panel.pixel_size[1] * panel.close_distance / radius**3 * polar


def centres(experiment: Experiment) -> tuple[np.ndarray, np.ndarray]:
    slow, fast = np.indices(resolve(experiment).scene.shape) + 0.5
    return fast, slow


def test_factors_are_those_of_the_pixel_centre() -> None:
    """first_subpixel_factors off: oversampling must not shift the background by half a pixel."""
    for over in (1, 2, 5):
        experiment = Experiment(beam=BEAM, crystal=ATOM, detector=NEAR, sampling=Sampling(oversample=over))
        expected = 100 * resolve(experiment).scene.scale * factors_at(experiment, *centres(experiment))
        assert_like(rendered(experiment, "none"), expected)


def test_oversampled_factors_are_averages_of_products() -> None:
    """running_product off: each term meets its own solid angle and polarization, whatever the number of terms."""
    sampling = Sampling(oversample=3, oversample_omega=True, oversample_polar=True, phi=10, oscillation=3, phi_steps=3)
    experiment = Experiment(beam=BEAM, crystal=ATOM, detector=NEAR, sampling=sampling)
    fast, slow = centres(experiment)
    offsets = [(i, j) for i in (-1 / 3, 0, 1 / 3) for j in (-1 / 3, 0, 1 / 3)]
    mean = np.mean([factors_at(experiment, fast + i, slow + j) for i, j in offsets], axis=0)
    assert_like(rendered(experiment, "none"), 100 * resolve(experiment).scene.scale * mean)


def test_a_detector_without_sensor_is_not_black() -> None:
    """running_product off: -oversample_thick without a thickness must not cost the image."""
    plain = Experiment(beam=BEAM, crystal=CRYSTAL, detector=NEAR, sampling=Sampling(oversample=2))
    thick = replace(plain, sampling=replace(plain.sampling, oversample_thick=True))
    np.testing.assert_array_equal(rendered(thick, "none"), rendered(plain, "none"))
    assert rendered(thick, "none").max() > 0
    assert rendered(thick, "all").max() == 0


def test_nopolar_wins_over_oversample_polar() -> None:
    """running_product off: who switches polarization off has it off."""
    sampling = Sampling(oversample=2, oversample_polar=True)
    beam = replace(BEAM, polarization_correction=False)
    experiment = Experiment(beam=beam, crystal=CRYSTAL, detector=NEAR, sampling=sampling)
    scene = resolve(replace(experiment, quirks="none")).scene
    assert scene.polar == Factor.OFF
    plain = replace(experiment, sampling=Sampling(oversample=2))
    np.testing.assert_array_equal(rendered(experiment, "none"), rendered(plain, "none"))


@pytest.mark.parametrize("oversample_thick", [False, True])
@pytest.mark.parametrize("layers", [1, 2, 7])
def test_layers_do_not_change_what_is_absorbed(layers: int, oversample_thick: bool) -> None:
    """last_layer_capture and thickness_step off: a sensor absorbs 1 − exp(−Tμ/ρ) however finely it is divided."""
    detector = replace(SENSOR, layers=layers)
    sampling = Sampling(oversample=1, oversample_thick=oversample_thick)
    experiment = Experiment(beam=BEAM, crystal=ATOM, detector=detector, sampling=sampling)
    resolved = resolve(replace(experiment, quirks="none"))
    assert resolved.geometry.thickness_steps == layers
    assert resolved.geometry.thickness_step == pytest.approx(400e-6 / layers, rel=1e-15)
    assert resolved.scene.sensor_depth == pytest.approx(400e-6, rel=1e-15)
    bare = replace(experiment, detector=NEAR)
    fast, slow = centres(bare)
    (flat,) = resolve(replace(bare, quirks="none")).scene.panels
    at = flat.at(fast, slow)
    incidence = at[..., 0] / np.linalg.norm(at, axis=-1)
    absorbed = 1 - np.exp(-400.0 / 300.0 / incidence)
    # With the flag, layers are met at a slightly different angle.
    relative = 3e-3 if oversample_thick else 1e-6
    assert_like(rendered(experiment, "none"), rendered(bare, "none") * absorbed, relative)


@pytest.mark.parametrize("layers", [1, 2, 5, 50])
@pytest.mark.parametrize("swing", [0.0, 20.0])
def test_parallax_is_that_of_an_absorbing_sensor(layers: int, swing: float) -> None:
    """layers_at_front_faces off: spots are shifted by the mean depth of absorption, however few layers there are.

    450 um of silicon at 12.4 keV (attenuation depth 235 um), met at 37.9 degrees to the normal, or at 17.9.
    """
    two_theta, order = math.radians(37.9), 12
    # 0 12 0 turned about z onto the sphere at 1 Å.
    crystal = Crystal(cell=(50, order / (2 * math.sin(two_theta / 2)), 50, 90, 90, 90), default_F=10.0)
    crystal = replace(crystal, cells=10, shape="gauss", fudge=0.5, misset=(0, 0, math.degrees(two_theta / 2)))
    bare = Detector(shape=(25, 25), pixel_size=0.05, distance=100.0, beam_x=0.0, beam_y=0.0, rotz=swing)
    panel = resolve(Experiment(crystal=crystal, beam=Beam(wavelength=1.0), detector=bare)).scene.panels[0]
    ray = np.array([math.cos(two_theta), math.sin(two_theta), 0.0])
    (at,) = pixels_of_rays(panel, ray[None])
    bare = replace(bare, beam_x=(12.4 - at[1]) * 0.05, beam_y=(12.6 - at[0]) * 0.05)
    thick = replace(bare, thickness=450.0, attenuation_depth=235.0, layers=layers)
    seen = []
    for detector in (bare, thick):
        experiment = Experiment(
            crystal=crystal, beam=Beam(wavelength=1.0), detector=detector, sampling=Sampling(oversample=3)
        )
        image = rendered(experiment, "none")
        rows, columns = np.indices(image.shape) + 0.5
        seen.append(np.array([(image * columns).sum(), (image * rows).sum()]) / image.sum())
    # Rays go on through the sensor: 1/mu along the ray of a thick one, less what leaves it at the back.
    oblique = ray @ panel.normal
    absorption = 235.0 * oblique
    depth = absorption - 450.0 / math.expm1(450.0 / absorption)
    expected = depth / 50.0 * np.array([ray @ panel.fast, ray @ panel.slow]) / oblique
    assert np.abs(expected).max() > 0.5
    np.testing.assert_allclose(seen[1] - seen[0], expected, atol=0.01)


def test_phi_zero_is_phi_zero() -> None:
    """stale_phi_zero off: a rotation image is the mean of its stills."""
    sweep = Experiment(
        beam=BEAM, crystal=CRYSTAL, detector=NEAR, sampling=Sampling(phi=0, oscillation=9, phi_steps=3, oversample=2)
    )
    stills = [
        rendered(replace(sweep, sampling=Sampling(phi=p, oversample=2, oscillation=0, phi_steps=1)), "none")
        for p in (0.0, 3.0, 6.0)
    ]
    assert_like(rendered(sweep, "none,phi_at_step_starts"), np.mean(stills, axis=0))
    centred = replace(sweep, sampling=replace(sweep.sampling, phi=-1.5))
    assert_like(rendered(centred, "none"), np.mean(stills, axis=0))
    starts = "none,phi_at_step_starts,stale_phi_zero"
    assert np.abs(rendered(sweep, starts) - np.mean(stills, axis=0)).max() > 1e-3 * np.max(stills)


@pytest.mark.parametrize("steps", [1, 2])
def test_a_reflection_is_recorded_where_it_meets_the_sphere(steps: int) -> None:
    """phi_at_step_starts off: a series that is processed as its headers say gives the crystal's orientation."""
    crystal = Crystal(cell=(50, 50, 50, 90, 90, 90), cells=10, shape="gauss", fudge=0.25, default_F=10.0)
    detector = Detector(shape=(400, 400), pixel_size=0.2, distance=100.0)
    width, bragg = 0.25 * steps, math.asin(0.5 * 1.0 * 10 / 50)  # 0 10 0 at 1 Å: turned by theta from along y
    frames = [
        Experiment(
            beam=Beam(wavelength=1.0),
            crystal=crystal,
            detector=detector,
            sampling=Sampling(phi=phi, oscillation=width, phi_steps=steps, oversample=1),
        )
        for phi in np.arange(4.3, 7.3, width)
    ]
    (panel,) = resolve(frames[0]).scene.panels
    (at,) = pixels_of_rays(panel, np.array([[math.cos(2 * bragg), math.sin(2 * bragg), 0.0]]))
    fast, slow = (int(v) for v in at)
    detector = replace(detector, roi=(fast - 5, fast + 5, slow - 5, slow + 5))
    for quirks, late in (("none", 0.0), ("phi_at_step_starts", 0.125), ("all", 0.125)):
        seen = [resolve(replace(frame, detector=detector, quirks=quirks)) for frame in frames]
        middles = np.degrees([r.radiation.phi + 0.5 * r.radiation.oscillation for r in seen])
        sums = np.array([render(r.scene).sum(dtype=float) for r in seen])
        assert (sums * middles).sum() / sums.sum() == pytest.approx(math.degrees(bragg) + late, abs=0.005)


def test_a_still_has_no_middle() -> None:
    """phi_at_step_starts concerns rotations: a still at phi is the crystal turned by phi, on or off."""
    for sampling in (Sampling(phi=7, oversample=1), Sampling(phi=7, oscillation=0, phi_steps=3, oversample=1)):
        still = Experiment(beam=BEAM, crystal=CRYSTAL, detector=NEAR, sampling=sampling)
        scenes = [resolve(replace(still, quirks=f"none{more}")).scene for more in ("", ",phi_at_step_starts")]
        np.testing.assert_array_equal(scenes[0].orientations, scenes[1].orientations)


def test_a_reflection_out_of_range_concerns_no_other_pixel() -> None:
    """sticky_interpolation_fallback off: a pixel's value does not depend on which pixels were rendered before it."""
    experiment = ONE_QUIRK["sticky_interpolation_fallback"]
    whole = rendered(experiment, "none")
    part = rendered(replace(experiment, detector=replace(NEAR, roi=(3, 6, 4, 6))), "none")
    np.testing.assert_array_equal(part[4:7, 3:7], whole[4:7, 3:7])
    assert np.abs(rendered(experiment, "all") - whole).max() > 1e-3 * whole.max()


def test_weights_are_relative_intensities() -> None:
    """source_weights_ignored off: a mixture of sources is the weighted mean of their images."""
    experiment = ONE_QUIRK["source_weights_ignored"]
    alone = [
        rendered(replace(experiment, beam=replace(experiment.beam, sources=SOURCES[i : i + 1])), "none")
        for i in range(len(SOURCES))
    ]
    expected = np.average(alone, axis=0, weights=SOURCES[:, 3])
    assert_like(rendered(experiment, "none"), expected)
    scaled = SOURCES.copy()
    scaled[:, 3] *= 17.0
    again = replace(experiment, beam=replace(experiment.beam, sources=scaled))
    assert_like(rendered(again, "none"), expected)
    assert_like(rendered(experiment, "none,source_weights_ignored"), np.mean(alone, axis=0))


def test_water_is_added_once() -> None:
    """water_scaling off: the same photons/pixel whatever the numbers of steps, and the formula's."""
    for sampling in (
        Sampling(oversample=1),
        Sampling(oversample=3, phi=1, oscillation=4, phi_steps=4),
        Sampling(oversample=2, oversample_omega=True, oversample_polar=True),
    ):
        wet_crystal = replace(ATOM, water=50.0, mosaic_spread=1.0, mosaic_domains=3)
        wet = Experiment(beam=BEAM, crystal=wet_crystal, detector=NEAR, sampling=sampling)
        dry = replace(wet, crystal=replace(wet_crystal, water=0.0))
        fluence = FLUX / 1e-8
        per_steradian = 2.57**2 * 7.94079248018965e-30 * fluence * (50e-6) ** 3 * 1e6 * 6.02214179e23 / 18
        expected = per_steradian * factors_at(wet, *centres(wet))
        assert_like(rendered(wet, "none") - rendered(dry, "none"), expected, 1e-5)


def test_a_swung_detector_keeps_its_distance() -> None:
    """pivot_overridden off: -twotheta swings the detector about the sample, as a 2θ arm does."""
    for convention in ("mosflm", "denzo", "adxv"):
        detector = replace(NEAR, convention=convention, twotheta=30.0)
        swung = resolve(Experiment(crystal=ATOM, detector=detector, quirks="none"))
        assert swung.geometry.pivot == "sample"
        assert swung.scene.panels[0].close_distance == pytest.approx(0.025, rel=1e-12)
        kept = resolve(Experiment(crystal=ATOM, detector=detector))
        assert kept.geometry.pivot == "beam"
        assert kept.scene.panels[0].close_distance == pytest.approx(0.025 * math.cos(math.radians(30)), rel=1e-12)


def test_an_explicit_pivot_wins() -> None:
    """pivot_overridden off: -pivot is obeyed whatever convention and other options say."""
    for convention in ("mosflm", "xds", "dials"):
        for pivot in ("beam", "sample"):
            detector = replace(NEAR, convention=convention, pivot=pivot, orgx=3.0, twotheta=5.0)
            assert resolve(Experiment(crystal=ATOM, detector=detector, quirks="none")).geometry.pivot == pivot


def test_the_given_origin_is_the_origin() -> None:
    """pix0_ignored off: a geometry refined elsewhere can be given as it is, in m or mm."""
    words = "-cell 30 30 30 90 90 90 -default_F 1 -detpixels 8 -pixel 1"
    for option in ("-pix0_vector 0.1 0.002 -0.003", "-pix0_vector_mm 100 2 -3"):
        experiment = Experiment.from_args(f"-quirks none {words} {option}")
        (panel,) = resolve(experiment).scene.panels
        np.testing.assert_allclose(panel.origin, (0.1, 0.002, -0.003), rtol=1e-15)
        turned = resolve(replace(experiment, detector=replace(experiment.detector, rotz=90.0))).scene.panels[0]
        np.testing.assert_allclose(turned.origin, (-0.002, 0.1, -0.003), atol=1e-15)
        ignored = resolve(replace(experiment, quirks="all,-pivot_overridden")).scene.panels[0]
        assert abs(ignored.origin[1] - 0.002) > 1e-4


# ---- words and headers ----------------------------------------------------------------------------------------

WORDS = "-cell 30 30 30 90 90 90 -default_F 1 -detpixels 8 -pixel 1"


def test_a_twotheta_axis_is_no_angle() -> None:
    """twotheta_axis_parse off: naming the axis must not swing the detector by its x component in degrees."""
    off = Experiment.from_args(f"-quirks all,-twotheta_axis_parse {WORDS} -twotheta_axis 1 0 0")
    on = Experiment.from_args(f"{WORDS} -twotheta_axis 1 0 0")
    assert resolve(off).geometry.twotheta == 0.0
    assert resolve(off).geometry.pivot == "beam"
    assert resolve(on).geometry.twotheta == pytest.approx(math.radians(1.0))
    assert resolve(on).geometry.pivot == "sample"


def test_a_seed_is_no_angle() -> None:
    """misset_seed_parse off: a seed in the middle of the line must not turn the crystal."""
    off = resolve(Experiment.from_args(f"-quirks all,-misset_seed_parse -misset_seed 5 {WORDS}"))
    on = resolve(Experiment.from_args(f"-misset_seed 5 {WORDS}"))
    assert off.sample.misset is None
    assert on.sample.misset == pytest.approx((math.radians(5.0), 0.0, math.radians(30.0)))


def test_curved_det_may_come_last() -> None:
    """curved_det_needs_word off: the last word of a command line counts like any other."""
    assert resolve(Experiment.from_args(f"-quirks all,-curved_det_needs_word {WORDS} -curved_det")).geometry.curved
    assert not resolve(Experiment.from_args(f"{WORDS} -curved_det")).geometry.curved


def test_header_keys_are_exact(tmp_path: Path) -> None:
    """header_substring off: CLOSE_DISTANCE is not DISTANCE, XDS_ORGX is not ORGX."""
    lines = "HEADER_BYTES=512;\nSIZE1=4;\nSIZE2=4;\nBYTE_ORDER=little_endian;\nTYPE=unsigned_short;\nDISTANCE=123;\n"
    lines += "ORGX=1.5;\nORGY=2.5;\nXDS_ORGX=77;\nXDS_ORGY=78;\nDETECTOR_DISTANCE=999;\n"
    path = tmp_path / "header.img"
    path.write_bytes(("{\n" + lines + "}\f").encode().ljust(512) + bytes(32))
    detector = Detector(header=path, convention="xds")
    exact = resolve(Experiment(crystal=ATOM, detector=detector, quirks="none")).geometry
    assert (exact.distance, exact.orgx, exact.orgy) == pytest.approx((0.123, 1.5, 2.5), rel=1e-12)
    loose = resolve(Experiment(crystal=ATOM, detector=detector)).geometry
    assert (loose.distance, loose.orgx, loose.orgy) == pytest.approx((0.999, 77, 78), rel=1e-12)


# ---- random orientation -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("angles", [(60, 60, 60), (80, 95, 100), (70, 90, 100), (111, 111, 111), (90, 105, 90)])
def test_the_cell_is_the_one_that_was_asked_for(angles: tuple[float, float, float]) -> None:
    """cell_angles off: spots of a triclinic or rhombohedral crystal lie where its cell puts them."""
    crystal = Crystal(cell=(20, 30, 40, *angles), default_F=1.0, misset=(10, 20, 30))
    edges = resolve(Experiment(crystal=crystal, quirks="none")).scene.orientations[0] * 1e10
    np.testing.assert_allclose(cell_constants(*edges), crystal.cell, rtol=1e-12)
    kept = resolve(Experiment(crystal=crystal)).scene.orientations[0] * 1e10
    changed = np.abs(np.subtract(cell_constants(*kept), crystal.cell)).max()
    assert (changed > 1e-3) == (angles != (90, 105, 90))


def drawn_rotations(count: int, quirks: frozenset[str]) -> np.ndarray:
    matrices = []
    for seed in range(1, count + 1):
        angles, drawn = misset_of(Crystal(misset="random", misset_seed=seed), _core.RandomTable(), quirks)
        assert drawn
        matrices.append(oracle.turn_xyz(*np.degrees(angles)))
    return np.array(matrices)


def test_random_orientations_are_uniform() -> None:
    """random_misset_units off: a serial experiment simulated with random crystals sees every orientation alike."""
    count = 4000
    rotations = drawn_rotations(count, frozenset())
    sigma = 1 / math.sqrt(count)
    # Every element of uniform rotations has mean 0 and variance 1/3, and no two of them are correlated.
    elements = rotations.reshape(count, 9)
    assert np.abs(elements.mean(0)).max() < 4 * sigma / math.sqrt(3)
    np.testing.assert_allclose(elements.T @ elements / count, np.eye(9) / 3, atol=4 * sigma / 3)
    # The angle has the density (1 − cos θ)/π: Kolmogorov–Smirnov at about 0.1 %.
    trace = np.trace(rotations, axis1=1, axis2=2)
    angle = np.sort(np.arccos(np.clip((trace - 1) / 2, -1, 1)))
    expected = (angle - np.sin(angle)) / math.pi
    assert np.abs(expected - (np.arange(count) + 0.5) / count).max() < 1.95 * sigma
    # Every direction of the sphere is as likely for the a axis: z is uniform.
    z = np.sort(rotations[:, 2, 0])
    assert np.abs((z + 1) / 2 - (np.arange(count) + 0.5) / count).max() < 1.95 * sigma


def test_random_orientations_depend_on_the_seed_alone() -> None:
    """The same seed is the same crystal; the angles printed in degrees repeat it."""
    crystal = Crystal(cell=CUBIC, default_F=1.0, misset="random", misset_seed=7)
    for quirks in ("all", "none"):
        one, two = (resolve(Experiment(crystal=crystal, quirks=quirks)) for _ in range(2))
        np.testing.assert_array_equal(one.scene.orientations, two.scene.orientations)
        said = tuple(np.degrees(one.sample.misset))
        again = resolve(Experiment(crystal=replace(crystal, misset=said)))
        np.testing.assert_allclose(again.scene.orientations, one.scene.orientations, rtol=0, atol=1e-20)
    drawn = [resolve(Experiment(crystal=crystal, quirks=quirks)).scene.orientations for quirks in ("all", "none")]
    assert np.abs(drawn[0] - drawn[1]).max() > 1e-10


def test_simulate_takes_the_choice() -> None:
    """``simulate(..., quirks=...)`` is the same choice as the experiment's."""
    experiment = ONE_QUIRK["first_subpixel_factors"]
    image = simulate(experiment, quirks="none")
    np.testing.assert_array_equal(np.asarray(image), rendered(experiment, "none").astype(np.float32))
