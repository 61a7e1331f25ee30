"""From what the user says to vectors and counts: the rules of ``specs/geometry.md``."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import oracle
from nanobragg import Beam, Crystal, Detector, Experiment, InputError, Sampling, resolve
from nanobragg.records.experiment import Convention, Pivot
from nanobragg.records.quirks import parse_quirks
from nanobragg.resolver.crystal import cell_of

CRYSTAL = Crystal(cell=(40, 50, 60, 90, 90, 90), default_F=1.0)
SMALL = Detector(shape=(20, 30), pixel_size=0.5)
CONVENTIONS: tuple[Convention, ...] = ("mosflm", "denzo", "adxv", "xds", "dials")


def resolved(**parts: Any):
    return resolve(Experiment(**{"crystal": CRYSTAL, "detector": SMALL, **parts}))


quick = settings(max_examples=60, deadline=None)

# ---- step counts: one row of the table each ---------------------------------------------------------------------

# range and step (mrad), count -> range, step (mrad), count
SWEEPS = [
    ((None, None, None), (0, 0, 1)),
    ((None, 2.0, None), (2, 2, 2)),
    ((3.0, None, None), (3, 3, 2)),
    ((3.0, 0.8, None), (3, 0.8, 4)),
    ((None, None, 4), (1000, 250, 4)),
    ((None, 2.0, 5), (2, 2, 2)),
    ((3.0, None, 4), (3, 1, 4)),
    ((3.0, None, 1), (3, 3, 2)),
    ((3.0, 0.5, 5), (3, 0.5, 5)),
    ((0.0, None, 5), (0, 0, 1)),
    ((0.0, 1.0, None), (0, 0, 1)),
    ((3.0, -1.0, 4), (3, 1, 4)),
    ((3.0, None, 0), (3, 3, 2)),
    ((3.0, None, -2), (3, 3, 2)),
]


@pytest.mark.parametrize(("said", "expected"), SWEEPS)
def test_divergence_steps(said: tuple[Any, ...], expected: tuple[float, float, int]) -> None:
    """A divergence said by range, step or number is the one that nanoBragg.c makes of it."""
    extent, step, count = said
    horizontal = Beam(
        horizontal_divergence=extent,
        horizontal_divergence_step=step,
        horizontal_divergence_steps=count,
        round_divergence=False,
    )
    vertical = Beam(
        vertical_divergence=extent,
        vertical_divergence_step=step,
        vertical_divergence_steps=count,
        round_divergence=False,
    )
    r = resolved(beam=horizontal).radiation
    assert (r.hdivrange * 1000, r.hdivstep * 1000, r.divergence_steps) == pytest.approx(expected)
    r = resolved(beam=vertical).radiation
    assert (r.vdivrange * 1000, r.vdivstep * 1000, r.divergence_steps) == pytest.approx(expected)
    offsets = [v * 1000 for _, v in r.divergence_points]
    assert offsets == pytest.approx([expected[1] * i - expected[0] / 2 for i in range(expected[2])])


@pytest.mark.parametrize(
    ("percent", "count", "expected"),
    [(None, None, [1.0]), (4.0, None, [0.98, 1.02]), (4.0, 5, [0.98, 0.99, 1, 1.01, 1.02]), (4.0, 1, [0.98, 1.02]),
     (None, 5, [1.0]), (0.0, 3, [1.0])],
)  # fmt: skip
def test_dispersion_steps(percent: float | None, count: int | None, expected: list[float]) -> None:
    """The wavelengths of a beam with a bandwidth: both ends are in it."""
    r = resolved(beam=Beam(wavelength=2.0, dispersion=percent, dispersion_steps=count))
    assert r.scene.source_wavelength * 1e10 == pytest.approx([2 * f for f in expected])


@pytest.mark.parametrize(
    ("thickness", "layers", "expected"),
    [
        (None, None, (0, 0, 1)),
        (None, 5, (0, 0, 1)),
        (300.0, None, (300, 150, 2)),
        (300.0, 4, (300, 100, 4)),
        (300.0, 1, (300, 300, 2)),
        (0.0, 4, (0, 0, 1)),
    ],
)
def test_sensor_steps(thickness: float | None, layers: int | None, expected: tuple[float, float, int]) -> None:
    """Layers of a sensor with the quirk thickness_step (its absence is tested with the quirks)."""
    g = resolved(detector=replace(SMALL, thickness=thickness, layers=layers, attenuation_depth=200.0)).geometry
    assert (g.thickness * 1e6, g.thickness_step * 1e6, g.thickness_steps) == pytest.approx(expected)


# oscillation, step (degrees), count -> oscillation, step (degrees), count
ROTATIONS = [
    ((None, None, None), (0, 0, 1)),
    ((None, 0.5, None), (0.5, 0.5, 2)),
    ((2.0, None, None), (2, 1, 2)),
    ((2.0, 0.0, None), (2, 1, 2)),
    ((2.0, 0.3, None), (2, 0.3, 7)),
    ((None, None, 4), (1, 0.25, 4)),
    ((None, None, 0), (1, 1, 1)),
    ((None, 0.5, 4), (0.5, 0.5, 2)),
    ((2.0, None, 4), (2, 0.5, 4)),
    ((2.0, 0.3, 4), (2, 0.3, 4)),
    ((2.0, None, 0), (2, 2, 1)),
    ((0.0, None, 1), (0, 0, 1)),
]


@pytest.mark.parametrize(("said", "expected"), ROTATIONS)
def test_phi_steps(said: tuple[Any, ...], expected: tuple[float, float, int]) -> None:
    """A rotation said by range, step or number is the one that nanoBragg.c makes of it."""
    osc, step, count = said
    r = resolved(sampling=Sampling(phi=10.0, oscillation=osc, phi_step=step, phi_steps=count))
    got = (math.degrees(r.radiation.oscillation), math.degrees(r.radiation.phi_step), r.radiation.phi_steps)
    assert got == pytest.approx(expected)
    assert len(r.scene.orientations) == expected[2]


def test_an_oscillation_of_no_steps_is_refused() -> None:
    """-osc 0 -phistep x gave an image of NaN."""
    with pytest.raises(InputError, match="-osc: found 0 with a -phistep, expected"):
        resolved(sampling=Sampling(oscillation=0.0, phi_step=0.1))


@pytest.mark.parametrize(
    ("spread", "domains", "expected", "warned"),
    [(None, None, 1, False), (0.0, None, 1, False), (0.5, None, 10, True), (None, 7, 1, True), (0.0, 7, 1, True),
     (0.5, 7, 7, False), (0.5, 1, 1, False)],
)  # fmt: skip
def test_mosaic_domains(spread: float | None, domains: int | None, expected: int, warned: bool) -> None:
    """A mosaic spread without domains, or the reverse, is completed and said so."""
    r = resolved(crystal=replace(CRYSTAL, mosaic_spread=spread, mosaic_domains=domains))
    assert r.sample.mosaic_domains == expected == len(r.scene.orientations)
    assert any("mosaic" in w for w in r.warnings) == warned


def test_steps_multiply() -> None:
    """The divisor of the sum: sources × phi × mosaic × oversample²; layers are no samples."""
    r = resolved(
        beam=Beam(dispersion=1.0, dispersion_steps=3, horizontal_divergence=1.0, horizontal_divergence_steps=2),
        crystal=replace(CRYSTAL, mosaic_spread=1.0, mosaic_domains=5),
        detector=replace(SMALL, thickness=100.0, layers=4),
        sampling=Sampling(oversample=3, oscillation=1.0, phi_steps=4),
    )
    assert r.scene.steps == r.radiation.steps == 3 * 2 * 5 * 4 * 9
    assert len(r.scene.layers) == 4


def test_round_divergence_is_an_ellipse() -> None:
    """-round_div leaves out the corners of the divergence raster, -square_div keeps them."""
    beam = Beam(horizontal_divergence=4.0, vertical_divergence=2.0)
    beam = replace(beam, horizontal_divergence_steps=9, vertical_divergence_steps=9)
    square = resolved(beam=replace(beam, round_divergence=False)).radiation.divergence_points
    assert len(square) == 81
    expected = [p for p in square if 4 * ((p[0] / 4e-3) ** 2 + (p[1] / 2e-3) ** 2) <= 1.1]
    assert list(resolved(beam=beam).radiation.divergence_points) == expected
    directions = resolved(beam=beam).scene.source_direction
    np.testing.assert_allclose(np.linalg.norm(directions, axis=1), 1, rtol=1e-14)
    # Horizontal deviations turn about the vertical axis (b × p = −y), vertical ones about the polarization axis z.
    for (h, v), d in zip(expected, directions, strict=True):
        np.testing.assert_allclose(d, oracle.turn((0, -1, 0), h) @ oracle.turn((0, 0, 1), v) @ (1, 0, 0), atol=1e-14)


# ---- oversampling, sizes ----------------------------------------------------------------------------------------


@quick
@given(n=st.integers(1, 300), distance=st.floats(20, 500), pixel=st.floats(0.02, 0.5), wavelength=st.floats(0.5, 3))
def test_oversampling_resolves_the_spots(n: int, distance: float, pixel: float, wavelength: float) -> None:
    """Three subpixels per period of the lattice transform, unless the user knows better (and is told)."""
    detector = Detector(shape=(4, 4), pixel_size=pixel, distance=distance)
    crystal = Crystal(cell=(40, 50, 60, 90, 90, 90), cells=n, default_F=1.0)
    ratio = 3 * 60e-10 * n / (wavelength * 1e-10 * distance / pixel)
    assume(abs(ratio - round(ratio)) > 1e-9)
    chosen = resolved(beam=Beam(wavelength=wavelength), crystal=crystal, detector=detector)
    assert chosen.radiation.oversample == max(1, math.ceil(ratio))
    assert chosen.radiation.oversample_chosen
    said = resolved(
        beam=Beam(wavelength=wavelength), crystal=crystal, detector=detector, sampling=Sampling(oversample=2)
    )
    assert said.scene.oversample == 2
    assert any("-oversample" in w for w in said.warnings) == (ratio > 2)


@pytest.mark.parametrize(
    ("size", "beam", "expected"),
    [
        (0.001, 0.1, (250, 200, 167)),
        ((0.001, None, None), 0.1, (250, 3, 3)),
        (0.5, 0.002, (125000, 400, 334)),
        ((None, 0.01, 0.001), 0.002, (3, 400, 167)),
        (1e-9, 0.1, (1, 1, 1)),
    ],
)
def test_crystal_sizes_become_cells(size: Any, beam: float, expected: tuple[int, int, int]) -> None:
    """A crystal of so many mm has so many cells; what sticks out of the beam does not scatter."""
    crystal = replace(CRYSTAL, size=size, cells=3)
    r = resolved(beam=Beam(size=beam), crystal=crystal, sampling=Sampling(oversample=1))
    assert r.scene.cells == expected
    clipped = any(v is not None and v > beam for v in (size if isinstance(size, tuple) else (size,) * 3)[1:])
    assert any("clipping" in w for w in r.warnings) == clipped


@pytest.mark.parametrize(
    ("detector", "expected"),
    [
        (Detector(), (1024, 1024)),
        (Detector(shape=(20, 30)), (20, 30)),
        (Detector(size=(10.0, 20.0)), (100, 200)),
        (Detector(size=(10.0, 20.0), shape=(None, 7)), (100, 7)),
        (Detector(size=(10.04, 10.06), pixel_size=0.1), (100, 101)),
        (Detector(pixel_size=0.2), (512, 512)),
    ],
)
def test_numbers_of_pixels(detector: Detector, expected: tuple[int, int]) -> None:
    """Pixels by number or by size: number wins."""
    assert resolved(detector=detector).scene.shape == expected


# ---- the crystal ------------------------------------------------------------------------------------------------

lengths = st.floats(5, 500)
right_or_not = st.one_of(st.just(90.0), st.floats(55, 125))


@quick
@given(a=lengths, b=lengths, c=lengths, beta=right_or_not, misset=st.tuples(*[st.floats(-180, 180)] * 3))
def test_monoclinic_cells(a: float, b: float, c: float, beta: float, misset: tuple[float, float, float]) -> None:
    """The cell that was asked for is the cell that scatters, however it is oriented, and is right-handed."""
    crystal = Crystal(cell=(a, b, c, 90, beta, 90), misset=misset, default_F=1.0)
    r = resolved(crystal=crystal, sampling=Sampling(oversample=1))
    np.testing.assert_allclose(r.sample.cell, (a, b, c, 90, beta, 90), rtol=1e-6)
    direct, star = r.scene.orientations[0] * 1e10, r.scene.reciprocal
    np.testing.assert_allclose(direct @ star.T, np.eye(3), atol=1e-9)
    volume = a * b * c * math.sin(math.radians(beta))
    assert np.linalg.det(direct) == pytest.approx(volume, rel=1e-9)
    assert r.sample.volume == pytest.approx(volume, rel=1e-9)


@quick
@given(
    cell=st.tuples(lengths, lengths, lengths, *[st.floats(70, 110)] * 3),
    misset=st.tuples(*[st.floats(-180, 180)] * 3),
    quirks=st.sampled_from(["all", "none"]),
)
def test_triclinic_cells(cell: tuple[float, ...], misset: tuple[float, float, float], quirks: str) -> None:
    """Lengths and volume are as said; the orientation is the formula's, with the quirk cell_angles and without."""
    crystal = Crystal(cell=cell, misset=misset, default_F=1.0)
    r = resolved(crystal=crystal, sampling=Sampling(oversample=1), quirks=quirks)
    np.testing.assert_allclose(r.sample.cell[:3], cell[:3], rtol=1e-9)
    ca, cb, cg = (math.cos(math.radians(v)) for v in cell[3:])
    root = math.sqrt(1 - ca * ca - cb * cb - cg * cg + 2 * ca * cb * cg)
    assert r.sample.volume == pytest.approx(cell[0] * cell[1] * cell[2] * root, rel=1e-9)
    direct, star = oracle.lattice(cell, misset, parse_quirks(quirks))
    np.testing.assert_allclose(r.scene.orientations[0] * 1e10, direct, atol=1e-9 * max(cell[:3]))
    np.testing.assert_allclose(r.scene.reciprocal, star, atol=1e-9 / min(cell[:3]))


@quick
@given(
    elements=st.lists(st.floats(-0.05, 0.05), min_size=9, max_size=9),
    wavelength=st.floats(0.5, 3),
    misset=st.one_of(st.none(), st.tuples(*[st.floats(-180, 180)] * 3)),
)
def test_matrices(elements: list[float], wavelength: float, misset: tuple[float, float, float] | None) -> None:
    """An indexing result is used as it is: a·a* = 1, a·b* = 0, and the hand of the axes is kept."""
    star = np.array(elements).reshape(3, 3)
    assume(abs(star[0] @ np.cross(star[1], star[2])) > 1e-6)  # (numpy.linalg.det divides by denormal elements)
    crystal = Crystal(matrix=star, misset=misset, default_F=1.0)
    r = resolved(crystal=crystal, beam=Beam(wavelength=wavelength), sampling=Sampling(oversample=1))
    turned = (star if misset is None else oracle.turn_xyz(*misset) @ star) / wavelength
    direct = r.scene.orientations[0] * 1e10
    np.testing.assert_allclose(direct @ turned, np.eye(3), atol=1e-8)
    np.testing.assert_allclose(direct @ r.scene.reciprocal.T, np.eye(3), atol=1e-8)
    assert np.sign(np.linalg.det(direct)) == np.sign(np.linalg.det(star))


def test_a_cell_forces_the_lengths_of_a_matrix() -> None:
    """With both, the orientation is the matrix', the lengths of the axes are the cell's."""
    star = oracle.turn_xyz(10, 20, 30) @ np.diag([0.025, 0.02, 0.0166])
    r = resolved(crystal=Crystal(cell=(41, 52, 63, 90, 90, 90), matrix=star, default_F=1.0))
    np.testing.assert_allclose(np.linalg.norm(r.scene.orientations[0], axis=1), (41e-10, 52e-10, 63e-10), rtol=1e-12)
    np.testing.assert_allclose(oracle.unit(r.scene.orientations[0][0]), oracle.turn_xyz(10, 20, 30)[:, 0], atol=1e-12)


@pytest.mark.parametrize(
    ("said", "full"),
    [((40,), (40, 40, 40, 90, 90, 90)), ((40, 50), (40, 50, 40, 90, 90, 90)),
     ((40, 50, 60, 80), (40, 50, 60, 80, 90, 90)), ((40, 0, -1, 0, 95), (40, 40, 40, 90, 95, 90))],
)  # fmt: skip
def test_missing_cell_constants(said: tuple[float, ...], full: tuple[float, ...]) -> None:
    """Missing lengths copy a, missing angles are right."""
    one, two = (resolved(crystal=Crystal(cell=c, default_F=1.0)).sample for c in (said, full))
    np.testing.assert_allclose(one.a_star + one.c0, two.a_star + two.c0, rtol=1e-14, atol=1e-20)


# ---- conventions, centres, pivots -----------------------------------------------------------------------------

# beam, fast, slow, normal, polarization, spindle; Fbeam and Sbeam by default on 20 × 30 pixels of 0.5 mm, in mm
EXPECTED_FRAMES: dict[Convention, tuple[Any, ...]] = {
    "mosflm": ((1, 0, 0), (0, 0, 1), (0, -1, 0), (1, 0, 0), (0, 0, 1), (0, 0, 1), 8.0, 5.5),
    "denzo": ((1, 0, 0), (0, 0, 1), (0, -1, 0), (1, 0, 0), (0, 0, 1), (0, 0, 1), 7.75, 5.25),
    "adxv": ((0, 0, 1), (1, 0, 0), (0, -1, 0), (0, 0, 1), (1, 0, 0), (1, 0, 0), 7.75, 5.25),
    "xds": ((0, 0, 1), (1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 0, 0), (1, 0, 0), 7.5, 5.0),
    "dials": ((0, 0, 1), (1, 0, 0), (0, 1, 0), (0, 0, 1), (0, 1, 0), (0, 1, 0), 7.5, 5.0),
}


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_conventions(convention: Convention) -> None:
    """Each convention is its program's laboratory frame and default beam centre."""
    r = resolved(detector=replace(SMALL, convention=convention))
    g, (panel,) = r.geometry, r.scene.panels
    beam, fast, slow, normal, polar, spindle, fbeam, sbeam = EXPECTED_FRAMES[convention]
    assert (g.beam, g.polar, g.spindle) == (beam, polar, spindle)
    assert [axis.tolist() for axis in (panel.fast, panel.slow, panel.normal)] == [list(v) for v in (fast, slow, normal)]
    assert (g.Fbeam, g.Sbeam) == pytest.approx((fbeam / 1000, sbeam / 1000))
    assert g.pivot == ("sample" if convention in ("xds", "dials") else "beam")
    assert resolved().geometry.convention == "mosflm"


def test_the_custom_convention_is_mosflms_with_the_given_vectors() -> None:
    """Giving one vector keeps the others; the centre has no half pixels."""
    detector = replace(SMALL, fast_axis=(0, 0, 2.0), beam_x=3.0, beam_y=4.0)
    r = resolved(detector=detector)
    g, (panel,) = r.geometry, r.scene.panels
    assert g.convention == "custom"
    assert g.beam == (1, 0, 0)
    assert [axis.tolist() for axis in (panel.fast, panel.slow, panel.normal)] == [[0, 0, 1], [0, -1, 0], [1, 0, 0]]
    assert (g.Fbeam, g.Sbeam, g.Fclose, g.Sclose) == pytest.approx((3e-3, 4e-3, 3e-3, 4e-3))


angles = st.floats(-40, 40)


@quick
@given(
    convention=st.sampled_from(CONVENTIONS),
    x=st.floats(-20, 30),
    y=st.floats(-20, 30),
    distance=st.floats(50, 500),
    turn=st.tuples(angles, angles, angles),
    twotheta=angles,
    pivot=st.sampled_from(("beam", "sample", None)),
    quirks=st.sampled_from(("all", "none")),
)
def test_geometry_is_the_oracles(
    convention: Convention, x: float, y: float, distance: float, turn: tuple[float, float, float], twotheta: float,
    pivot: Pivot | None, quirks: str,
) -> None:  # fmt: skip
    """Whatever convention, centre, tilt, swing and pivot: pix0 and axes as the specification has them."""
    rotx, roty, rotz = turn
    detector = replace(
        SMALL, convention=convention, beam_x=x, beam_y=y, distance=distance, rotx=rotx, roty=roty, rotz=rotz,
        twotheta=twotheta, pivot=pivot,
    )  # fmt: skip
    experiment = Experiment(crystal=CRYSTAL, detector=detector, quirks=quirks)
    at = oracle.Oracle(experiment).at
    (panel,) = resolve(experiment).scene.panels
    np.testing.assert_allclose(panel.origin, at.pix0, atol=1e-12)
    frame = np.array([panel.fast, panel.slow, panel.normal])
    np.testing.assert_allclose(frame, [at.fast, at.slow, at.normal], atol=1e-12)
    assert panel.close_distance == pytest.approx(at.close_distance, rel=1e-9)
    np.testing.assert_allclose(frame @ frame.T, np.eye(3), atol=1e-12)


@quick
@given(
    convention=st.sampled_from(CONVENTIONS), x=st.floats(-20, 30), y=st.floats(-20, 30),
    turn=st.tuples(angles, angles, angles), distance=st.floats(50, 500),
)  # fmt: skip
def test_turning_about_the_beam_keeps_the_beam_centre(
    convention: Convention, x: float, y: float, turn: tuple[float, float, float], distance: float
) -> None:
    """Pivot beam: the direct beam hits the pixel that was named, at the distance that was named, at any tilt."""
    rotx, roty, rotz = turn
    detector = replace(
        SMALL, convention=convention, beam_x=x, beam_y=y, rotx=rotx, roty=roty, rotz=rotz, pivot="beam",
        distance=distance,
    )  # fmt: skip
    r = resolved(detector=detector, quirks="none")
    half = 0.5 * 0.5 if convention == "mosflm" else 0.0
    expected = {"mosflm": (y + half, x + half), "denzo": (y, x), "adxv": (x, 10 - y)}.get(convention, (x, y))
    assert (r.geometry.Fbeam * 1000, r.geometry.Sbeam * 1000) == pytest.approx(expected, abs=1e-9)
    (panel,) = r.scene.panels
    hit = panel.origin + r.geometry.Fbeam * panel.fast + r.geometry.Sbeam * panel.slow
    np.testing.assert_allclose(hit, np.array(r.geometry.beam) * distance / 1000, atol=1e-12)
    assert r.geometry.distance == pytest.approx(distance / 1000, rel=1e-9)


@quick
@given(orgx=st.floats(-20, 60), orgy=st.floats(-20, 60), turn=st.tuples(angles, angles, angles), twotheta=angles)
def test_turning_about_the_sample_keeps_the_near_point(
    orgx: float, orgy: float, turn: tuple[float, float, float], twotheta: float
) -> None:
    """Pivot sample: ORGX, ORGY and the shortest distance are the detector's own and survive every rotation."""
    rotx, roty, rotz = turn
    detector = replace(
        SMALL, convention="xds", orgx=orgx, orgy=orgy, close_distance=70.0, rotx=rotx, roty=roty, rotz=rotz,
        twotheta=twotheta,
    )  # fmt: skip
    r = resolved(detector=detector)
    assert (r.geometry.orgx, r.geometry.orgy) == pytest.approx((orgx, orgy), abs=1e-9)
    assert r.scene.panels[0].close_distance == pytest.approx(0.07, abs=1e-9)


def test_energy_is_wavelength() -> None:
    """12398.42 eV are 1 Å."""
    assert resolved(beam=Beam(energy=12398.42 / 1.5)).radiation.wavelength == pytest.approx(1.5e-10, rel=1e-14)


# ---- what cannot be simulated is refused in one sentence --------------------------------------------------------

IMPOSSIBLE: dict[str, tuple[dict[str, Any], str]] = {
    "no crystal": ({"crystal": Crystal(default_F=1.0)}, "-cell or -mat"),
    "no structure factors": ({"crystal": Crystal(cell=(40, 40, 40, 90, 90, 90))}, "-hkl"),
    "angles that do not close": ({"crystal": replace(CRYSTAL, cell=(40, 50, 60, 60, 60, 150))}, "-cell"),
    "angle of 180": ({"crystal": replace(CRYSTAL, cell=(40, 50, 60, 90, 90, 180))}, "-cell"),
    "no length": ({"crystal": replace(CRYSTAL, cell=(0, 50, 60, 90, 90, 90))}, "-cell"),
    "too many constants": ({"crystal": replace(CRYSTAL, cell=(40, 50, 60, 90, 90, 90, 90))}, "-cell"),
    "not a number": ({"crystal": replace(CRYSTAL, cell=(math.nan, 50, 60, 90, 90, 90))}, "-cell"),
    "flat matrix": ({"crystal": Crystal(matrix=np.array([[1.0, 2, 3], [2, 4, 6], [0, 0, 1]]), default_F=1.0)}, "-mat"),
    "small matrix": ({"crystal": Crystal(matrix=np.eye(2), default_F=1.0)}, "-mat"),
    "misset": ({"crystal": replace(CRYSTAL, misset="randum")}, "-misset"),
    "two missets": ({"crystal": replace(CRYSTAL, misset=(1.0, 2.0))}, "-misset"),
    "shape": (
        {"crystal": replace(CRYSTAL, shape="cube")},
        "crystal.shape: found 'cube', expected square, round, gauss, tophat or gauss_index",
    ),
    "no direction": ({"beam": Beam(direction=(0, 0, 0))}, "-beam_vector"),
    "no fast axis": ({"detector": replace(SMALL, fast_axis=(0, 0, 0))}, "-fdet_vector"),
    "no slow axis": ({"detector": replace(SMALL, slow_axis=(0, 0, 0))}, "-sdet_vector"),
    "no spindle": ({"crystal": replace(CRYSTAL, spindle_axis=(0, 0, 0))}, "-spindle_axis"),
    "no polarization": ({"beam": Beam(polarization_axis=(0, 0, 0))}, "-polar_vector"),
    "parallel axes": (
        {"detector": replace(SMALL, fast_axis=(0, 1, 0), slow_axis=(0, 2, 0), normal_axis=(2, 0, 0))},
        "-fdet_vector",
    ),
    "mask of another size": ({"detector": replace(SMALL, mask=np.ones((30, 20)))}, "-mask"),
    "pixel": ({"detector": replace(SMALL, pixel_size=0.0)}, "-pixel"),
    "pixels": ({"detector": replace(SMALL, shape=(-3, 5))}, "-detpixels"),
    "convention": ({"detector": replace(SMALL, convention="hkl2000")}, "detector.convention: found 'hkl2000'"),
    "pivot": (
        {"detector": replace(SMALL, pivot="detector")},
        "-pivot (detector.pivot): found 'detector', expected sample or beam",
    ),
    "distance": ({"detector": replace(SMALL, distance=math.nan)}, "-distance"),
    "region": ({"detector": replace(SMALL, roi=(0, 1, 2))}, "-roi"),
    "wavelength": ({"beam": Beam(wavelength=0.0)}, "-lambda"),
    "energy": ({"beam": Beam(energy=-1.0)}, "-energy"),
    "wavelength and energy": ({"beam": Beam(wavelength=1.0, energy=12000.0)}, "wavelength and energy"),
    "beam size": ({"beam": Beam(flux=1e12, size=0.0)}, "-beamsize"),
    "sources": ({"beam": Beam(sources=np.zeros((2, 4)))}, "-sourcefile"),
    "source in the sample": ({"beam": Beam(sources=np.array([[0, 0, 0, 1, 1e-10]]))}, "source 1"),
    "source without wavelength": ({"beam": Beam(sources=np.array([[1, 0, 0, 1, 0.0]]))}, "source 1"),
    "weights": (
        {"beam": Beam(sources=np.array([[1, 0, 0, 1, 1e-10], [1, 0, 0, -1, 1e-10]])), "quirks": "none"},
        "-sourcefile",
    ),
    "too many steps": ({"beam": Beam(horizontal_divergence=1e9, horizontal_divergence_step=1e-9)}, "-hdivstep"),
    "too many orientations": ({"sampling": Sampling(oscillation=1.0, phi_steps=10**8)}, "-phisteps"),
    "too many layers": ({"detector": replace(SMALL, thickness=1.0, layers=10**9)}, "-thicksteps"),
    "too fine": ({"sampling": Sampling(oversample=10**6)}, "-oversample"),
    "too large": (
        {"crystal": replace(CRYSTAL, size=1.0), "beam": Beam(size=5.0), "sampling": Sampling(oversample=None)},
        "-oversample: found none, and a crystal of 1 mm asks for",
    ),
    "quirk": ({"quirks": "all,-stale_phi"}, "-quirks"),
    "no quirk": ({"quirks": ""}, "-quirks"),
    "phi": ({"sampling": Sampling(phi=math.inf)}, "-phi"),
    "water": ({"crystal": replace(CRYSTAL, water=math.nan)}, "-water"),
    "fudge": ({"crystal": replace(CRYSTAL, fudge=math.inf)}, "-fudge"),
    "origin": ({"detector": replace(SMALL, pix0=(0.1, math.nan, 0)), "quirks": "none"}, "-pix0_vector"),
    "mosaic spread": ({"crystal": replace(CRYSTAL, mosaic_spread=1e308, mosaic_domains=3)}, "-mosaic: found 1e+308"),
    "far away": ({"detector": replace(SMALL, distance=1e250)}, "detector: found a position beyond 1e+100 m"),
    "swing onto itself": ({"detector": replace(SMALL, curved=True, distance=0.0)}, "-curved_det"),
}


@pytest.mark.parametrize("case", IMPOSSIBLE)
def test_impossible_experiments_are_refused(case: str) -> None:
    """One sentence that names the option, what was found and what was expected; never an image of something else."""
    parts, name = IMPOSSIBLE[case]
    with pytest.raises(InputError) as caught:
        resolved(**parts)
    message = str(caught.value)
    assert message.startswith(name)
    assert "expected" in message or "no point" in message or "did you mean" in message
    assert "\n" not in message


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "text": ({"beam": Beam(wavelength="1")}, "-lambda (beam.wavelength): found '1', expected a finite number"),  # type: ignore[arg-type]
    "one number": ({"detector": Detector(shape=256)}, "-detpixels (detector.shape): found 256, expected two"),  # type: ignore[arg-type]
    "none": ({"detector": Detector(rotx=None)}, "-detector_rotx (detector.rotx): found None, expected"),  # type: ignore[arg-type]
    "fraction": (
        {"crystal": Crystal(mosaic_domains=5.5)},
        "-mosaic_domains (crystal.mosaic_domains): found 5.5, expected",
    ),  # type: ignore[arg-type]
    "words": ({"crystal": Crystal(cell="79 79 38")}, "-cell (crystal.cell): found '79 79 38', expected one to six"),
    "flag": ({"detector": Detector(curved="no")}, "-curved_det (detector.curved): found 'no', expected true or"),  # type: ignore[arg-type]
    "path": ({"detector": Detector(header=3)}, "-img (detector.header): found 3, expected the name of a file"),  # type: ignore[arg-type]
    "infinite": ({"beam": Beam(horizontal_divergence=math.inf)}, "-hdivrange (beam.horizontal_divergence): found inf"),
    "size": ({"crystal": Crystal(size=(1.0, math.nan, None))}, "-xtalsize (crystal.size): found (1.0, nan, None)"),
    "part": ({"crystal": Beam()}, "crystal: found Beam("),
    "quirks": ({"quirks": ["none"]}, "-quirks: found ['none'], expected all, none or names"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_types_are_named(case: str) -> None:
    """A slip in a script is one sentence about the field, not a traceback from somewhere inside."""
    parts, sentence = WRONG[case]
    with pytest.raises(InputError) as caught:
        resolve(Experiment(**{"crystal": CRYSTAL, "detector": SMALL, **parts}))
    assert str(caught.value).startswith(sentence)


def test_numpys_numbers_are_numbers() -> None:
    """Parameters often come out of arrays."""
    plain = resolved(crystal=Crystal(cell=(50, 60, 70), cells=5, default_F=3.0), sampling=Sampling(phi_steps=2))
    crystal = Crystal(cell=np.array([50, 60, 70]), cells=np.int64(5), default_F=np.float32(3))  # type: ignore[arg-type]
    numpy = resolved(crystal=crystal, sampling=Sampling(phi_steps=np.uint8(2)))  # type: ignore[arg-type]
    assert (numpy.scene.orientations == plain.scene.orientations).all()
    assert numpy.scene.cells == plain.scene.cells


def test_random_missettings_differ() -> None:
    """Shots without a seed are different shots, also those of one second."""
    shots = {resolved(crystal=replace(CRYSTAL, misset="random")).sample.misset for _ in range(20)}
    assert len(shots) == 20


def test_a_black_image_is_announced() -> None:
    """What absorbs nothing, or lies outside, gives a black image: say so."""
    sensor = replace(SMALL, thickness=100.0, attenuation_depth=math.inf)
    assert any("black" in w for w in resolved(detector=sensor).warnings)
    assert any("black" in w for w in resolved(detector=replace(SMALL, roi=(25, 10, 0, 5))).warnings)
    assert not any("black" in w for w in resolved().warnings)


@quick
@given(seed=st.integers(0, 10**6), quirks=st.sampled_from(("all", "none")))
def test_scenes_are_whole(seed: int, quirks: str) -> None:
    """Whatever is resolved can be handed to the renderers: shapes, types and finite numbers."""
    scene = resolve(oracle.random_experiment(seed, quirks)).scene
    for name in ("source_direction", "orientations", "layers", "reciprocal", "source_weight"):
        array = getattr(scene, name)
        assert array.dtype == np.float64
        assert np.isfinite(array).all()
    assert all(np.isfinite(panel.origin).all() for panel in scene.panels)
    assert scene.source_weight.mean() == pytest.approx(1.0)
    assert scene.steps == len(scene.source_direction) * len(scene.orientations) * scene.oversample**2
    np.testing.assert_allclose(np.linalg.norm(scene.source_direction, axis=1), 1, rtol=1e-12)


@pytest.mark.parametrize(
    ("said", "lengths"),
    [((50,), (50, 50, 50)), ((50, 60), (50, 60, 50)), ((50, 60, 70), (50, 60, 70)), ((50, 0, 70), (50, 50, 70))],
)
def test_missing_lengths_of_the_cell_are_the_first(said: tuple[float, ...], lengths: tuple[float, ...]) -> None:
    """`-cell 50` is a cube, as in nanoBragg.c; no length is taken for missing because no angle was given."""
    assert cell_of(said).lengths == lengths
    assert cell_of(said).angles == (math.pi / 2,) * 3
