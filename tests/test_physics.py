"""Closed forms of ``specs/physics.md``: numbers that follow from a textbook, not from another program."""

from __future__ import annotations

import itertools
import math
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import oracle
from nanobragg import (
    Beam,
    Crystal,
    Detector,
    Experiment,
    InputError,
    Sampling,
    Scene,
    render,
    resolve,
    simulate,
    trace_pixel,
)
from nanobragg.records.shapes import Shape
from nanobragg.rendering.render import render_scene

ATOM = Crystal(cell=(30, 30, 30, 90, 90, 90), cells=1, default_F=10.0)
"""A single cell scatters F² in every direction."""
NEAR = Detector(shape=(9, 11), pixel_size=2.0, distance=25.0)
ONCE = Sampling(oversample=1)


def scene_of(
    crystal: Crystal = ATOM,
    detector: Detector = NEAR,
    beam: Beam | None = None,
    sampling: Sampling = ONCE,
    quirks: str = "none",
) -> Scene:
    beam = Beam(wavelength=1.5) if beam is None else beam
    experiment = Experiment(crystal=crystal, detector=detector, beam=beam, sampling=sampling, quirks=quirks)
    return resolve(experiment).scene


def image_of(*args: Any, **kwargs: Any) -> np.ndarray:
    return render(scene_of(*args, **kwargs))[0].astype(float)


def pixel_centres(scene: Scene) -> np.ndarray:
    """(slow, fast, 3) m, flat detectors"""
    slow, fast = np.indices(scene.shape) + 0.5
    return scene.panels[0].at(fast, slow)


# ---- factors --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("quirks", ["none", "all"])
@pytest.mark.parametrize("kahn", [0.0, 0.95, -0.5])
def test_polarization_is_kahns(kahn: float, quirks: str) -> None:
    """A synchrotron's polarization shapes every background and intensity: Kahn's formula in each pixel, to 1e-12."""
    scene = scene_of(beam=Beam(wavelength=1.5, polarization=kahn), quirks=quirks)
    for slow, fast in itertools.product(range(0, 9, 2), range(0, 11, 2)):
        towards = oracle.unit(pixel_centres(scene)[slow, fast])
        # Beam along x, electric vector along z: sin²2θ cos2ψ is the difference of squares of the components.
        expected = 0.5 * (1 + towards[0] ** 2 - kahn * (towards[2] ** 2 - towards[1] ** 2))
        assert trace_pixel(scene, slow, fast).evaluations[0].polar == pytest.approx(expected, rel=1e-12)


def test_no_polarization_correction_is_one() -> None:
    """-nopolar: the factor is 1 everywhere."""
    scene = scene_of(beam=Beam(wavelength=1.5, polarization=0.9, polarization_correction=False))
    assert trace_pixel(scene, 0, 0).polar == 1.0


def test_a_finely_cut_spectrum_costs_no_more_than_a_coarse_one() -> None:
    """Who cuts a bandpass into 400 wavelengths instead of 40 would wait ten times as long for the same image."""
    words = "-lambda 1 -cell 80 90 100 90 100 90 -N 7 -default_F 10 -distance 100 -detpixels 40 -oversample 1"
    scenes = [
        resolve(Experiment.from_args([*words.split(), "-dispersion", "0.5", "-dispsteps", steps])).scene
        for steps in ("40", "400")
    ]
    coarse, fine = (render_scene(scene) for scene in scenes)
    assert fine.evaluations <= 1.2 * coarse.evaluations < 40 * 1600
    exact = render_scene(scenes[1], renderer="reference")
    assert exact.evaluations == 400 * 1600
    np.testing.assert_allclose(fine.image, exact.image, rtol=1e-6, atol=1e-9 * float(exact.image.max()))
    round_crystal = replace(scenes[1], crystal_shape=Shape.ROUND)  # nothing to be shortened
    assert render_scene(round_crystal).evaluations == 400 * 1600


@pytest.mark.parametrize("rotations", [{}, {"rotx": 20.0, "roty": -15.0, "rotz": 30.0}])
@pytest.mark.parametrize("point_pixel", [False, True])
def test_solid_angle(rotations: dict[str, float], point_pixel: bool) -> None:
    """A pixel seen at an angle is smaller: pixel²·cos/R², or 1/R² for point pixels."""
    scene = scene_of(detector=replace(NEAR, point_pixel=point_pixel, **rotations))
    for slow, fast in ((0, 0), (4, 5), (8, 10)):
        at = pixel_centres(scene)[slow, fast]
        radius = np.linalg.norm(at)
        oblique = abs(at @ np.cross(scene.panels[0].fast, scene.panels[0].slow)) / radius
        expected = 1 / radius**2 if point_pixel else 0.002**2 / radius**2 * oblique
        assert trace_pixel(scene, slow, fast).omega == pytest.approx(expected, rel=1e-12)


def test_the_solid_angle_of_a_detector_is_that_of_its_outline() -> None:
    """Counting photons needs absolute solid angles: the sum over fine pixels is the closed form of a rectangle."""
    detector = Detector(shape=(200, 300), pixel_size=0.2, distance=25.0, beam_x=19.9, beam_y=29.9)
    image = simulate(crystal=ATOM, detector=detector, sampling=ONCE)
    a, b, d = 30.0 / 25.0, 20.0 / 25.0, 1.0
    expected = 4 * math.asin(a * b / math.sqrt((d + a * a) * (d + b * b)))
    assert image.solid_angle == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("depth", [100.0, 500.0])
def test_absorption(depth: float) -> None:
    """A sensor of thickness T absorbs 1 − exp(−T/(depth·cos)) of the photons."""
    detector = replace(NEAR, thickness=320.0, attenuation_depth=depth, layers=5, roty=10.0)
    scene = scene_of(detector=detector)
    at = pixel_centres(scene)
    oblique = (at @ scene.panels[0].normal) / np.linalg.norm(at, axis=-1)
    expected = image_of(detector=replace(NEAR, roty=10.0)) * (1 - np.exp(-320.0 / depth / oblique))
    np.testing.assert_allclose(render(scene)[0], expected, rtol=1e-6)


def test_a_curved_detector_is_everywhere_as_far_away() -> None:
    """-curved_det: every pixel at the distance, so the solid angle is the same for all."""
    scene = scene_of(detector=replace(NEAR, curved=True))
    assert scene.curved_distance == pytest.approx(0.025, rel=1e-15)
    for slow, fast in itertools.product((0, 4, 8), (0, 5, 10)):
        assert trace_pixel(scene, slow, fast).evaluations[0].airpath == pytest.approx(0.025, rel=1e-12)
    image = image_of(detector=replace(NEAR, curved=True), beam=Beam(wavelength=1.5, polarization_correction=False))
    np.testing.assert_allclose(image, image[0, 0], rtol=1e-6)


# ---- absolute scale -------------------------------------------------------------------------------------------


def test_the_default_fluence_makes_intensities_F_squared() -> None:
    """Without flux or fluence the image is F²·F_latt² per steradian: people read it as such."""
    detector = replace(NEAR, point_pixel=True)
    scene = scene_of(detector=detector, beam=Beam(wavelength=1.5, polarization_correction=False))
    assert scene.scale == pytest.approx(1.0, rel=1e-14)
    radius = np.linalg.norm(pixel_centres(scene), axis=-1)
    np.testing.assert_allclose(render(scene)[0], 100 / radius**2, rtol=1e-6)


def test_flux_exposure_and_beam_size_make_the_fluence() -> None:
    """Photons per pixel follow from photons per second, seconds and beam area."""
    beam = Beam(wavelength=1.5, flux=3e11, exposure=0.25, size=0.05, fluence=1e10)
    assert resolve(Experiment(crystal=ATOM, beam=beam)).radiation.fluence == pytest.approx(3e11 * 0.25 / 0.05e-3**2)
    one = image_of(beam=Beam(wavelength=1.5, fluence=1e20))
    np.testing.assert_allclose(image_of(beam=Beam(wavelength=1.5, fluence=3e20)), 3 * one, rtol=1e-6)


def test_intensity_is_the_square_of_the_structure_factor() -> None:
    """Tripling F makes nine times the photons."""
    crystal = replace(ATOM, cells=5)
    np.testing.assert_allclose(
        image_of(crystal=replace(crystal, default_F=30.0)), 9 * image_of(crystal=crystal), rtol=1e-6
    )


def test_a_pixel_sees_the_inverse_square_of_the_distance() -> None:
    """Moving the detector away thins the photons out as 1/R²."""
    values = []
    for distance in (100.0, 200.0, 400.0):
        detector = Detector(shape=(1, 1), pixel_size=0.1, distance=distance, convention="xds", orgx=1, orgy=1)
        values.append(image_of(detector=detector)[0, 0] * distance**2)
    np.testing.assert_allclose(values, values[0], rtol=1e-5)


@pytest.mark.parametrize("quirks", ["none", "all"])
def test_water_in_photons(quirks: str) -> None:
    """A background of water is F²·r_e²·fluence·molecules·Ω·P photons: the level of a real exposure."""
    beam = Beam(wavelength=1.5, flux=1e12, exposure=0.1)
    detector = Detector(shape=(3, 3), pixel_size=0.1, distance=100.0)
    wet = Crystal(cell=(30, 30, 30, 90, 90, 90), default_F=1e-30, water=1000.0)
    scene = scene_of(crystal=wet, detector=detector, beam=beam, quirks=quirks)
    trace = trace_pixel(scene, 1, 1)
    molecules = 1e6 * 6.02214179e23 / 18 * 1e-9
    r2_fluence = 7.94079248018965e-30 * 1e11 / 1e-8
    expected = 2.57**2 * r2_fluence * molecules * trace.omega * trace.polar
    # With the quirk it goes through r_e² × fluence a second time.
    assert trace.value == pytest.approx(expected * (1 if quirks == "none" else r2_fluence), rel=1e-9)


# ---- the lattice transform ------------------------------------------------------------------------------------


def around_a_peak(crystal: Crystal, order: int, half: float, count: int) -> tuple[Scene, float]:
    """A cubic crystal in the reflecting position of (0, order, 0) at 1 Å, and the width of its rotation (radians).

    ``count`` pixels and phi steps on each axis, to ``half`` (in Miller indices) on either side of the peak.
    """
    a = float(crystal.cell[0])  # type: ignore[index]
    theta = math.asin(order / (2 * a))
    # b* (along y) turned by θ about z lies on the sphere of reflection; the ray goes towards y at 2θ.
    size = max(2 * half / a * 0.1 / math.cos(2 * theta) ** 2, 1e-9)
    detector = Detector(
        shape=(count, count),
        pixel_size=size / count * 1000,
        convention="custom",
        normal_axis=(1, 0, 0),
        pix0=(0.1, math.tan(2 * theta) * 0.1 + size / 2, -size / 2),
    )
    width = 2 * half / order
    start = math.degrees(theta - width / 2 * (count - 1) / count)
    sampling = Sampling(phi=start, oscillation=math.degrees(width), phi_steps=count, oversample=1)
    beam = Beam(wavelength=1.0, polarization_correction=False)
    return scene_of(crystal=crystal, detector=detector, beam=beam, sampling=sampling), width


@pytest.mark.parametrize("shape", ["square", "gauss", "tophat", "round"])
@pytest.mark.parametrize("n", [3, 10, 40])
def test_a_peak_is_the_square_of_the_number_of_cells(n: int, shape: str) -> None:
    """Peak intensity ∝ (number of cells)²: N⁶ for N×N×N cells, with the prefactor of a sphere where it is round."""
    crystal = Crystal(cell=(50, 50, 50, 90, 90, 90), cells=n, default_F=10.0, shape=shape)  # type: ignore[arg-type]
    scene, _ = around_a_peak(crystal, 1, 0.0, 1)
    trace = trace_pixel(scene, 0, 0)
    assert trace.evaluations[0].hkl == pytest.approx((0, 1, 0), abs=1e-6)
    volume = n**3 * (0.723601254558268 if shape == "round" else 1.0)
    # By the CPU renderer: the reference renderer loses the limit of ROUND at 0, as nanoBragg.c does (design.md).
    assert render(scene)[0, 0, 0] / trace.omega == pytest.approx(100 * volume**2, rel=1e-5)
    if shape != "round":
        assert trace.evaluations[0].F_latt ** 2 == pytest.approx(volume**2, rel=1e-9)


def evaluations(shape: str, fudge: float = 1.0, cells: Any = (5, 6, 4)) -> list[Any]:
    cell = (40, 50, 60, 90, 100, 90)
    crystal = Crystal(cell=cell, cells=cells, default_F=10.0, shape=shape, fudge=fudge, misset=(3, 4, 5))  # type: ignore[arg-type]
    scene = scene_of(crystal=crystal)
    return [(scene, trace_pixel(scene, s, f).evaluations[0]) for s, f in itertools.product((0, 3, 7), (1, 5, 9))]


def test_square_crystals_have_interference_functions() -> None:
    """sin(πNh)/sin(πh) on each axis: the fringes between Bragg peaks."""
    for _, e in evaluations("square"):
        expected = math.prod(
            math.sin(math.pi * n * h) / math.sin(math.pi * h) for n, h in zip((5, 6, 4), e.hkl, strict=True)
        )
        assert e.F_latt**2 == pytest.approx(expected**2, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("spread", [0.0, 3.0])
@pytest.mark.parametrize("cells", [(5.3, 2.5, 7.75), (1.5, 4, 3), (12.000001, 5, 5)])
def test_numbers_of_cells_need_not_be_whole(cells: tuple[float, float, float], spread: float) -> None:
    """A refinement of the crystal's size moves through them: the spots are those of the formula, by every renderer."""
    beam = Beam(wavelength=1.5, dispersion=spread, dispersion_steps=20 if spread else 1)  # a spectrum is shortened
    single = scene_of(beam=beam)
    scene = scene_of(replace(ATOM, cells=cells), beam=beam)
    centres = pixel_centres(scene)
    towards = centres / np.linalg.norm(centres, axis=-1, keepdims=True)
    expected = np.zeros(scene.shape)
    for source, wavelength in zip(scene.source_direction, scene.source_wavelength, strict=True):
        index = ((towards - source) / wavelength) @ scene.orientations[0].T
        miss = index - np.round(index)
        expected += np.prod((cells * np.sinc(miss * cells) / np.sinc(miss)) ** 2, axis=-1)
    expected *= render(single)[0] / len(scene.source_wavelength)
    for how in ({"renderer": "reference"}, {"precision": "double"}, {"precision": "mixed"}):
        np.testing.assert_allclose(render(scene, **how)[0], expected, rtol=2e-6, atol=1e-6 * expected.max())


def test_whole_numbers_of_cells_are_the_same_however_they_are_written() -> None:
    """cells=5.0, as a refinement that is done may leave it, is the crystal of -N 5 bit for bit."""
    assert (image_of(replace(ATOM, cells=(5.0, 7.0, 4.0))) == image_of(replace(ATOM, cells=(5, 7, 4)))).all()


def test_an_axis_of_one_cell_does_not_matter() -> None:
    """A 2-D crystal has rods: an axis with N = 1 contributes 1."""
    for _, e in evaluations("square", cells=(5, 1, 4)):
        expected = math.prod(
            math.sin(math.pi * n * e.hkl[i]) / math.sin(math.pi * e.hkl[i]) for i, n in ((0, 5), (2, 4))
        )
        assert e.F_latt**2 == pytest.approx(expected**2, rel=1e-9)


@pytest.mark.parametrize("fudge", [1.0, 0.3])
def test_round_gauss_and_tophat_shapes(fudge: float) -> None:
    """Spot shapes are those of the formulas, with the scale of -fudge."""
    inside = 0
    for shape in ("round", "gauss", "tophat"):
        for scene, e in evaluations(shape, fudge):
            delta = np.array(e.hkl) - np.array(e.hkl0)
            assert np.all(np.abs(delta) <= 0.5)
            square = float(np.sum((delta @ scene.reciprocal) ** 2)) * (5 * 6 * 4) ** 2
            if shape == "round":
                x = math.pi * math.sqrt(fudge * float(np.sum((delta * (5, 6, 4)) ** 2)))
                expected = 0.723601254558268 * 3 * (math.sin(x) / x - math.cos(x)) / x**2
            elif shape == "gauss":
                expected = math.exp(-fudge * square / 0.63)
            else:
                expected = 1.0 if fudge * square < 0.3969 else 0.0
                inside += int(expected)
            assert e.F_latt == pytest.approx(120 * expected, rel=1e-9, abs=1e-12)


def gaussian(off_diagonal: tuple[float, float, float], **said: Any) -> Crystal:
    cells: Any = (20, 15, 12)
    said = {"cell": (50, 50, 50, 90, 90, 90), "cells": cells, "default_F": 10.0} | said
    return Crystal(shape="gauss_index", cells_off_diagonal=off_diagonal, **said)


def test_a_gaussian_in_index_space_has_the_width_of_its_matrix() -> None:
    """The crystals of diffBragg: det N exp(-|N (h - h0)|^2 fudge/0.63), with its order of Nd, Ne, Nf."""
    matrix = np.array([[5, 1, -2], [1, 6, 1.5], [-2, 1.5, 4]])
    crystal = gaussian((1, 1.5, -2), cell=(40, 50, 60, 90, 100, 90), cells=(5, 6, 4), fudge=0.7, misset=(3, 4, 5))
    scene = scene_of(crystal=crystal)
    for slow, fast in itertools.product((0, 3, 7), (1, 5, 9)):
        one = trace_pixel(scene, slow, fast).evaluations[0]
        square = float(np.sum((matrix @ (np.array(one.hkl) - np.array(one.hkl0))) ** 2))
        assert one.F_latt == pytest.approx(np.linalg.det(matrix) * math.exp(-0.7 * square / 0.63), rel=1e-9)


def test_a_gaussian_in_index_space_has_the_photons_of_its_cells() -> None:
    """The peak is (det N)^2 and the integral over angles and detector goes with det N, whichever way N is elongated."""
    peaks, totals = [], []
    matrices: Any = [(0.0, 0.0, 0.0), (8.0, -3.0, 4.0), (-6.0, 5.0, 0.0)]
    for off_diagonal in matrices:
        scene, _ = around_a_peak(gaussian(off_diagonal), 1, 0.0, 1)
        peaks.append(float(render(scene)[0, 0, 0]))
        scene, width = around_a_peak(gaussian(off_diagonal), 10, 0.25, 60)
        totals.append(render(scene)[0].sum(dtype=float) * width)
    ab, bc, ac = np.array(matrices).T
    size = [np.linalg.det([[20, d, f], [d, 15, e], [f, e, 12]]) for d, e, f in zip(ab, bc, ac, strict=True)]
    np.testing.assert_allclose(np.array(peaks) / peaks[0], (np.array(size) / 3600) ** 2, rtol=1e-5)
    np.testing.assert_allclose(np.array(totals) / totals[0], np.array(size) / 3600, rtol=2e-3)


def test_both_gaussians_of_a_cube_are_one() -> None:
    """In a cubic crystal of as many cells along each axis, indices and Å differ by a factor alone."""
    cube = gaussian((0, 0, 0), cells=6)
    in_space = replace(cube, shape="gauss", fudge=0.9)
    in_indices = replace(cube, fudge=0.9 * 6**4 / 50**2)
    np.testing.assert_allclose(image_of(in_indices), image_of(in_space), rtol=1e-5)


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ({"cells_off_diagonal": (18, 0, 0)}, "-Ndef: found 18 0 0 beside a diagonal of 20 15 12, expected less"),
        (
            {"cells_off_diagonal": (1, 2)},
            "-Ndef (crystal.cells_off_diagonal): found (1, 2), expected three finite numbers",
        ),
    ],
)
def test_a_crystal_that_is_endless_is_refused(said: dict[str, Any], sentence: str) -> None:
    """N of a crystal without an end along some direction would make spots without a width."""
    with pytest.raises(InputError, match=re.escape(sentence)):
        scene_of(crystal=replace(gaussian((0, 0, 0)), **said))


def test_a_matrix_that_no_shape_asks_for_is_told() -> None:
    """Who forgets -gauss_index learns that -Ndef was for nothing."""
    crystal = replace(gaussian((1, 0, 0)), shape="round")
    (warning,) = resolve(Experiment(crystal=crystal)).warnings
    assert warning == "-Ndef is not used: crystals of shape round have none (-gauss_index has)"


def test_the_integrated_intensity_grows_with_the_volume() -> None:
    """Photons in a spot, over angles and detector, ∝ number of cells (N³), although the peak grows as N⁶."""
    totals = []
    for n in (20, 40, 80):
        crystal = Crystal(cell=(50, 50, 50, 90, 90, 90), cells=n, default_F=10.0)
        scene, width = around_a_peak(crystal, 10, 3.0 / n, 40)
        totals.append(render(scene)[0].sum(dtype=float) * width)
    slopes = np.diff(np.log2(totals))
    np.testing.assert_allclose(slopes, 3.0, atol=0.02)


# ---- averages -------------------------------------------------------------------------------------------------

XTAL = Crystal(cell=(25, 30, 35, 90, 105, 90), misset=(10, 20, 30), cells=4, default_F=10.0)


def test_mosaic_domains_are_an_average() -> None:
    """A mosaic crystal is the mean of its domains, each a rotated perfect crystal."""
    mosaic = scene_of(crystal=replace(XTAL, mosaic_spread=2.0, mosaic_domains=5))
    alone = [
        render(replace(mosaic, orientations=mosaic.orientations[i : i + 1].copy(), steps=mosaic.steps // 5))[0]
        for i in range(5)
    ]
    np.testing.assert_allclose(render(mosaic)[0], np.mean(alone, axis=0), rtol=1e-5, atol=1e-6 * np.max(alone))
    np.testing.assert_array_equal(alone[0], render(scene_of(crystal=XTAL))[0])
    for m in range(1, 5):
        turned = mosaic.orientations[m].T @ np.linalg.inv(mosaic.orientations[0].T)
        np.testing.assert_allclose(turned @ turned.T, np.eye(3), atol=1e-12)
        assert math.acos(min(1, (np.trace(turned) - 1) / 2)) <= math.radians(2.0) * (1 + 1e-6)


def test_dispersion_is_an_average_over_wavelengths() -> None:
    """A pink beam is the mean of monochromatic ones from −Δλ/2 to +Δλ/2."""
    pink = image_of(crystal=XTAL, beam=Beam(wavelength=1.5, dispersion=4.0, dispersion_steps=3))
    alone = [image_of(crystal=XTAL, beam=Beam(wavelength=1.5 * f)) for f in (0.98, 1.0, 1.02)]
    np.testing.assert_allclose(pink, np.mean(alone, axis=0), rtol=1e-5, atol=1e-6 * pink.max())


def test_oversampling_is_an_average_over_smaller_pixels() -> None:
    """-oversample n with exact factors is a detector of n times finer pixels, binned."""
    coarse = Detector(shape=(6, 7), pixel_size=2.0, distance=25.0, convention="xds", orgx=3.0, orgy=2.0)
    fine = replace(coarse, shape=(18, 21), pixel_size=2.0 / 3, orgx=2.5 * 3 + 0.5, orgy=1.5 * 3 + 0.5)
    sampling = Sampling(oversample=3, oversample_omega=True, oversample_polar=True)
    binned = image_of(crystal=XTAL, detector=fine).reshape(6, 3, 7, 3).sum(axis=(1, 3))
    np.testing.assert_allclose(
        image_of(crystal=XTAL, detector=coarse, sampling=sampling), binned, rtol=1e-5, atol=1e-6 * binned.max()
    )


def test_a_full_turn_changes_nothing() -> None:
    """A phi and phi + 360° are the same crystal."""
    images = [
        image_of(crystal=XTAL, sampling=Sampling(phi=p, oscillation=0, phi_steps=1, oversample=1))
        for p in (17.0, 377.0)
    ]
    np.testing.assert_allclose(images[0], images[1], rtol=1e-5, atol=1e-6 * images[0].max())


# ---- structure factors ----------------------------------------------------------------------------------------


def polynomial(hkl: np.ndarray) -> np.ndarray:
    h, k, l_ = np.moveaxis(hkl, -1, 0)
    return 300 + 2 * h - k + 0.5 * h * k * l_ - 0.02 * h**3 * k**2 + 0.01 * l_**3 + 0.03 * k**3 * l_


def test_tricubic_interpolation_is_exact_for_cubics() -> None:
    """Molecular transforms between Bragg spots: cubic polynomials are reproduced to rounding."""
    box = np.array(list(itertools.product(range(-14, 15), repeat=3)), float)
    table = np.column_stack([box, polynomial(box)])
    crystal = Crystal(cell=(25, 20, 22, 90, 100, 90), cells=1, structure_factors=table, misset=(10, 20, 30))
    scene = scene_of(crystal=crystal)
    for slow, fast in itertools.product(range(0, 9, 2), range(0, 11, 2)):
        e = trace_pixel(scene, slow, fast).evaluations[0]
        assert e.interpolated
        assert e.F_cell == pytest.approx(float(polynomial(np.array(e.hkl))), rel=1e-10)


def test_listed_reflections_are_looked_up_and_others_are_default() -> None:
    """Each spot has the amplitude of its own reflection; what is not listed has -default_F."""
    rng = np.random.default_rng(3)
    box = [hkl for hkl in itertools.product(range(-4, 5), repeat=3) if rng.random() < 0.7]
    table = np.array([(*hkl, rng.uniform(1, 100)) for hkl in box])
    known = {tuple(int(v) for v in row[:3]): row[3] for row in table}
    crystal = replace(XTAL, cells=5, structure_factors=table, default_F=7.0)
    scene = scene_of(crystal=crystal)
    found = set()
    for slow, fast in itertools.product(range(9), range(11)):
        e = trace_pixel(scene, slow, fast).evaluations[0]
        assert not e.interpolated
        assert e.F_cell == known.get(e.hkl0, 7.0)
        found.add(e.F_cell == 7.0)
    assert found == {True, False}


# ---- what is not rendered -------------------------------------------------------------------------------------


def test_dmin_is_a_sphere() -> None:
    """-dmin: nothing beyond the resolution limit, everything within."""
    scene = scene_of(sampling=Sampling(oversample=1, dmin=2.5))
    at = pixel_centres(scene)
    towards = at / np.linalg.norm(at, axis=-1, keepdims=True)
    resolution = 1.5 / np.linalg.norm(towards - np.array([1, 0, 0]), axis=-1)
    image = render(scene)[0]
    np.testing.assert_array_equal(image > 0, resolution >= 2.5)
    whole = image_of()
    np.testing.assert_array_equal(image[image > 0], whole[image > 0].astype(np.float32))


def test_mask_and_region_leave_the_rest_alone() -> None:
    """-roi and -mask save time and change no pixel that is rendered."""
    whole = render(scene_of(crystal=XTAL))[0]
    mask = np.random.default_rng(1).integers(0, 2, (9, 11)).astype(np.uint16) * 7
    image = render(scene_of(crystal=XTAL, detector=replace(NEAR, mask=mask, roi=(2, 8, 1, 6))))[0]
    expected = np.zeros_like(whole)
    expected[1:7, 2:9] = np.where(mask[1:7, 2:9] > 0, whole[1:7, 2:9], 0)
    np.testing.assert_array_equal(image, expected)


@pytest.mark.parametrize("roi", [(-1, -1, -1, -1), (0, 100, 0, 100), (-5, 10, 0, -1)])
def test_a_region_beyond_the_detector_is_the_detector(roi: tuple[int, int, int, int]) -> None:
    """Negative and too large bounds mean the detector's edge."""
    np.testing.assert_array_equal(
        render(scene_of(crystal=XTAL, detector=replace(NEAR, roi=roi)))[0], render(scene_of(crystal=XTAL))[0]
    )


# ---- symmetries -----------------------------------------------------------------------------------------------


def test_the_lab_frame_is_a_matter_of_convention() -> None:
    """The same detector, beam and crystal in another frame is the same image."""
    turn = oracle.turn((1, 2, -1), 0.7)
    axes = {"fast_axis": (0, 0, 1), "slow_axis": (0, -1, 0), "normal_axis": (1, 0, 0)}

    def image(matrix: np.ndarray) -> np.ndarray:
        vectors = {name: tuple(matrix @ np.array(v, float)) for name, v in axes.items()}
        detector = replace(NEAR, convention="custom", beam_x=10.0, beam_y=9.0, **vectors)
        beam = Beam(
            wavelength=1.5, direction=tuple(matrix[:, 0]), polarization_axis=tuple(matrix[:, 2]), polarization=0.9
        )
        star = matrix @ oracle.lattice((25, 30, 35, 90, 105, 90), (10, 20, 30), frozenset())[1].T * 1.5
        crystal = Crystal(matrix=star, cells=4, default_F=10.0)
        return image_of(crystal=crystal, detector=detector, beam=beam)

    upright = image(np.eye(3))
    np.testing.assert_allclose(image(turn), upright, rtol=1e-5, atol=1e-6 * upright.max())


def test_threads_and_renderers_agree() -> None:
    """The image depends neither on the number of processors nor on which renderer made it."""
    scene = scene_of(
        crystal=replace(XTAL, mosaic_spread=1.0, mosaic_domains=4),
        beam=Beam(wavelength=1.5, dispersion=2.0, dispersion_steps=3, polarization=0.9),
        sampling=Sampling(oversample=2, phi=0, oscillation=3, phi_steps=3),
    )
    one = render(scene, threads=1)
    np.testing.assert_array_equal(render(scene, threads=3), one)
    np.testing.assert_allclose(render(scene, renderer="reference"), one, rtol=1e-6, atol=1e-9 * one.max())


def test_the_trace_ends_at_the_image() -> None:
    """What -trace_pixel explains is what the file holds."""
    for quirks in ("all", "none"):
        for seed in range(20):
            scene = resolve(oracle.random_experiment(3000 + seed, quirks)).scene
            image = render(scene, renderer="reference")[0]
            for slow, fast in ((0, 0), (3, 4)):
                with np.errstate(over="ignore"):
                    assert np.float32(trace_pixel(scene, slow, fast).value) == image[slow, fast]
