"""What is around the crystal: amorphous materials on the pixels and in the beam of the spots, and shadows."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nanobragg import (
    Around,
    Beam,
    Crystal,
    Detector,
    Experiment,
    InputError,
    Material,
    Response,
    background_profile,
    parse_words,
    read_config,
    resolve,
    simulate,
)
from nanobragg.cli import main
from nanobragg.rendering.surroundings import surrounded
from nanobragg.resolver.materials import SUBSTANCES, attenuation_of, form_factor

NOTHING = Crystal(cell=(50, 50, 50, 90, 90, 90), default_F=1e-9)
BEAM = Beam(wavelength=1.0, flux=1e12, exposure=1.0, size=0.1)
FLAT = np.array([[0.0, 2.57], [1.0, 2.57]])


def flat(thickness: float, **said: Any) -> Material:
    """A material of one F everywhere."""
    return Material(profile=FLAT, thickness=thickness, **{"density": 1.0, "molecular_weight": 18.0, **said})


def image_of(*materials: Material, crystal: Crystal = NOTHING, **said: Any) -> np.ndarray:
    around = said.pop("around", Around())
    parts = {"beam": BEAM, "detector": Detector(shape=(60, 80), pixel_size=1.0, distance=100), **said}
    return simulate(crystal=crystal, around=replace(around, materials=materials or None), quirks="none", **parts).data


# ---- the absolute scale -----------------------------------------------------------------------------------


def test_photons_are_those_of_a_calculation_by_hand() -> None:
    """2.57² · r_e² · 1e12 photons · 1 mm · 1 g/cm³ · N_A/18 g/mol · (1 mm/1 m)²."""
    found = image_of(
        flat(1.0),
        beam=replace(BEAM, polarization_correction=False),
        detector=Detector(shape=(1, 1), pixel_size=1.0, distance=1000),
    )
    assert found[0, 0] == pytest.approx(1754.72, abs=0.005)


GEOMETRIES = [
    {"convention": "mosflm", "beam_x": 30.0, "beam_y": 21.0},
    {"convention": "xds", "orgx": 10.0, "orgy": 50.0},
    {"convention": "adxv", "twotheta": 25.0},
    {"convention": "denzo", "rotx": 5.0, "roty": 8.0, "rotz": 11.0},
    {"convention": "dials"},
    {"curved": True},
    {"point_pixel": True},
    {"thickness": 450.0, "attenuation_depth": 300.0, "roty": 20.0},
    {"roi": (5, 60, 10, 40)},
]


@pytest.mark.parametrize("geometry", GEOMETRIES, ids=lambda geometry: "-".join(geometry))
def test_a_constant_profile_is_nanobraggs_water(geometry: dict[str, Any]) -> None:
    """On every detector the same pixels, solid angles, polarization and capture as the spots have."""
    beam = replace(BEAM, polarization=0.9, horizontal_divergence=5.0, horizontal_divergence_steps=3, dispersion=2.0)
    parts = {"beam": beam, "detector": Detector(shape=(60, 80), pixel_size=1.0, distance=100, **geometry)}
    water = image_of(crystal=replace(NOTHING, water=100.0), **parts)
    found = image_of(flat(0.1), **parts)
    assert water.max() > 100.0
    assert np.allclose(found, water, rtol=3e-7, atol=0.0)


def test_a_mask_hides_what_is_around_too() -> None:
    mask = np.ones((60, 80), np.uint8)
    mask[:, 40:] = 0
    found = image_of(flat(0.1), detector=Detector(shape=(60, 80), pixel_size=1.0, distance=100, mask=mask))
    assert (found > 0).all(axis=0).tolist() == [True] * 40 + [False] * 40


def test_photons_are_in_proportion_to_molecules_and_add_up() -> None:
    one = image_of(flat(0.1))
    assert np.allclose(image_of(flat(0.1, density=0.5, molecular_weight=9.0)), one, rtol=1e-6)
    assert np.allclose(image_of(flat(0.3)), 3 * one, rtol=1e-6)
    assert np.allclose(image_of(flat(0.1), flat(0.2)), 3 * one, rtol=1e-6)
    half = image_of(flat(0.1), beam=replace(BEAM, size=0.05))
    assert np.allclose(half, one, rtol=1e-6)  # as many photons, and as many molecules in their way
    spots = image_of(crystal=replace(NOTHING, cells=5, default_F=100.0))
    both = image_of(flat(0.1), crystal=replace(NOTHING, cells=5, default_F=100.0))
    assert np.allclose(both, spots + one, rtol=1e-6)


@pytest.mark.parametrize("quirks", ["all", "none"])
def test_blocks_of_a_crystal_add_up_and_nothing_else_does(quirks: str) -> None:
    crystal = replace(NOTHING, cells=5, default_F=100.0)

    def image(**said: Any) -> np.ndarray:
        detector = Detector(shape=(30, 40), pixel_size=1.0, distance=100)
        return simulate(crystal=replace(crystal, **said), beam=BEAM, detector=detector, quirks=quirks).data

    spots, many = image(), image(blocks=1000.0)
    assert np.allclose(many, 1000 * spots, rtol=1e-6)
    crystal = replace(crystal, water=100.0)
    wet, both = image(), image(blocks=1000.0)
    assert np.allclose(both - many, wet - spots, rtol=1e-3, atol=1e-5 * many.max())


def test_every_source_scatters_by_itself() -> None:
    """Its own direction and wavelength, by its weight."""
    sources = np.array([[-1.0, 0.0, 0.02, 1.0, 0.9e-10], [-1.0, 0.03, 0.0, 3.0, 1.4e-10]])
    water = Material("water", thickness=0.1)
    both = image_of(water, beam=replace(BEAM, sources=sources))
    each = [image_of(water, beam=replace(BEAM, sources=sources[i : i + 1])) for i in (0, 1)]
    assert np.allclose(both, 0.25 * each[0] + 0.75 * each[1], rtol=1e-6)
    assert np.abs(each[0] / each[1] - 1).max() > 0.1


def test_panels_are_rendered_one_by_one() -> None:
    """Two panels have what a Scene of each alone has."""
    around = Around(
        materials=(Material("water", thickness=0.1),), beamstop=3.0, beamstop_penumbra=0.1, flight_path="air"
    )
    detector = Detector(shape=(40, 50), pixel_size=1.0, distance=100)
    one = resolve(Experiment(crystal=NOTHING, beam=BEAM, detector=detector, around=around))
    other = resolve(Experiment(crystal=NOTHING, beam=BEAM, detector=replace(detector, twotheta=30.0), around=around))
    panels = (*one.scene.panels, *other.scene.panels)
    both = replace(one, scene=replace(one.scene, panels=panels))
    dark = np.zeros((40, 50), np.float32)
    found = surrounded(np.stack([dark, dark]), both)
    assert np.array_equal(found[0], surrounded(dark, one))
    assert np.array_equal(found[1], surrounded(dark, other))
    # Panels of unequal shapes are one after the other.
    small = replace(other.scene.panels[0], shape=(40, 20))
    uneven = replace(one, scene=replace(one.scene, panels=(one.scene.panels[0], small)))
    flat_image = surrounded(np.zeros(40 * 70, np.float32), uneven, threads=3)
    assert np.array_equal(flat_image[:2000].reshape(40, 50), found[0])
    assert np.array_equal(flat_image[2000:].reshape(40, 20), found[1][:, :20])


# ---- the way to the detector ------------------------------------------------------------------------------


def test_air_attenuates_spots_and_background() -> None:
    crystal = replace(NOTHING, cells=5, default_F=100.0)
    clear = image_of(flat(0.1), crystal=crystal)
    found = image_of(flat(0.1), crystal=crystal, around=Around(flight_path="air", flight_start=20.0))
    length = np.linalg.norm(_places(Detector(shape=(60, 80), pixel_size=1.0, distance=100)), axis=-1)
    expected = np.exp(-attenuation_of("air", 12.39842) * (length - 0.02))
    assert np.allclose(found / clear, expected, rtol=1e-6)
    assert 0.95 < expected.max() < 0.98


def test_a_curved_detector_is_as_far_everywhere() -> None:
    detector = Detector(shape=(60, 80), pixel_size=1.0, distance=100, curved=True)
    ratio = image_of(flat(0.1), detector=detector, around=Around(flight_path="helium")) / image_of(
        flat(0.1), detector=detector
    )
    assert np.allclose(ratio, math.exp(-attenuation_of("helium", 12.39842) * 0.1), rtol=1e-6)


@pytest.mark.parametrize(("gas", "kev", "expected"), [("air", 8.0, 9.921), ("helium", 20.0, 0.196), ("air", 9.0, 7.0)])
def test_gases_attenuate_as_tables_say(gas: Any, kev: float, expected: float) -> None:
    """cm²/g; between the table's energies it is nearly a power of the energy."""
    assert attenuation_of(gas, kev) / SUBSTANCES[gas].density / 100.0 == pytest.approx(expected, rel=0.01)


def _places(detector: Detector) -> np.ndarray:
    """Centres of pixels, (slow, fast, 3) m."""
    (panel,) = resolve(Experiment(crystal=NOTHING, beam=BEAM, detector=detector, quirks="none")).scene.panels
    slow, fast = np.indices(panel.shape) + 0.5
    return panel.at(fast, slow)


@pytest.mark.parametrize("shape", ["disc", "square"])
def test_a_beamstop_has_a_shadow_with_a_penumbra(shape: Any) -> None:
    """Its edge at size · distance ratio, half lit there; as wide as the beam makes it."""
    detector = Detector(shape=(200, 200), pixel_size=0.2, distance=100)
    around = Around(beamstop=4.0, beamstop_shape=shape, beamstop_distance=20.0, beamstop_penumbra=0.5)
    lit = image_of(flat(0.1), detector=detector, around=around) / image_of(flat(0.1), detector=detector)
    along, slow, fast = np.moveaxis(_places(detector), -1, 0) * 1000
    assert np.allclose(along, 100.0)
    off = np.maximum(abs(slow), abs(fast)) if shape == "square" else np.hypot(slow, fast)
    assert np.allclose(lit, np.clip((off / 5.0 - 2.0) / 0.5 + 0.5, 0.0, 1.0), atol=2e-6)
    sharp = image_of(flat(0.1), detector=detector, around=replace(around, beamstop_penumbra=0.0))
    assert np.array_equal(sharp > 0, off / 5.0 > 2.0)
    found = resolve(
        Experiment(crystal=NOTHING, beam=BEAM, detector=detector, around=replace(around, beamstop_penumbra=None))
    )
    assert found.surroundings is not None
    assert found.surroundings.stop is not None
    assert found.surroundings.stop.penumbra == pytest.approx(0.1e-3 * (1 - 20 / 100))


def test_a_beamstop_covers_nothing_behind_the_sample() -> None:
    detector = Detector(shape=(40, 40), pixel_size=1.0, distance=100, twotheta=180.0)
    assert image_of(flat(0.1), detector=detector, around=Around(beamstop=10.0)).min() > 0.0


def test_a_beamstop_covers_nothing_before_its_plane() -> None:
    """A panel close to the sample is lit though the stop that shadows another one stands beside its rays, too."""
    detector = Detector(shape=(40, 40), pixel_size=1.0, distance=100)
    for distance, darkest in ((99.0, 0.0), (150.0, 1.0)):
        around = Around(beamstop=10.0, beamstop_distance=distance)
        lit = image_of(flat(0.1), detector=detector, around=around) / image_of(flat(0.1), detector=detector)
        assert lit.min() == darkest
    # Pixels far from the beam are farther away, but no farther along it.
    near = image_of(flat(0.1), detector=detector, around=Around(beamstop=60.0, beamstop_distance=101.0))
    assert np.array_equal(near, image_of(flat(0.1), detector=detector))


def test_a_shadow_is_an_image() -> None:
    part = np.ones((60, 80))
    part[10:20], part[20:30] = 0.0, 0.25
    clear, found = (image_of(flat(0.1), around=Around(shadow=each)) for each in (None, part))
    assert np.allclose(found, clear * part, rtol=1e-6)


# ---- materials by name ------------------------------------------------------------------------------------


def test_form_factors_are_those_of_the_international_tables() -> None:
    gemmi = pytest.importorskip("gemmi")
    stol = np.linspace(0.0, 1.0, 21)
    for element in ("H", "He", "C", "N", "O", "Ar"):
        expected = [gemmi.Element(element).it92.calculate_sf(s * s) for s in stol]
        assert np.allclose(form_factor(element, stol), expected, atol=2e-6), element


def test_gases_scatter_as_free_molecules() -> None:
    """All electrons of a molecule together forwards, every electron by itself at high angles."""
    (stol, air), (_, helium) = SUBSTANCES["air"].profile(), SUBSTANCES["helium"].profile()
    forwards = 0.781 * 14**2 + 0.21 * 16**2 + 0.009 * 18**2
    assert air[0] ** 2 == pytest.approx(forwards, rel=2e-3)
    assert helium[0] == pytest.approx(2.0, abs=1e-3)
    assert helium[-1] ** 2 == pytest.approx(2.0, abs=0.01)
    # nonBragg.c's table at three places, which is of nitrogen and counts other Compton scattering.
    for s, amplitude in ((0.1, 11.55), (0.2, 7.36), (0.3, 5.19)):
        assert np.interp(s, stol, air) == pytest.approx(amplitude, rel=0.08)


def test_water_has_its_ring() -> None:
    stol, amplitude = SUBSTANCES["water"].profile()
    assert 1.0 / (2.0 * stol[amplitude.argmax()]) == pytest.approx(3.12, abs=0.05)
    assert amplitude[0] == pytest.approx(2.57)  # the compressibility limit
    found = image_of(Material("water", thickness=0.1), detector=Detector(shape=(1, 400), pixel_size=0.25, distance=100))
    angle = np.arctan(abs(np.arange(400) + 0.5 - 200.5) * 0.25 / 100)
    assert 2 * np.sin(angle[found[0].argmax()] / 2) == pytest.approx(0.32, abs=0.02)


def test_ice_has_the_rings_of_hexagonal_ice() -> None:
    """At the spacings of Ih; those of small crystals are as strong, and wider."""
    (stol, ice), (_, small) = SUBSTANCES["ice"].profile(), SUBSTANCES["nanoice"].profile()
    for d in (3.895, 3.661, 3.437, 2.668, 2.249, 2.068, 1.948, 1.918):
        here = np.abs(stol - 1 / (2 * d)).argmin()
        assert ice[here - 3 : here + 4].max() > 1.5 * ice[here - 20]
    weight = stol * stol
    below = stol < 0.5
    assert (weight * small**2)[below].sum() == pytest.approx((weight * ice**2)[below].sum(), rel=0.01)
    assert ice.max() > 2.5 * small.max()
    # Ice and water hold as many molecules of the same electrons: they scatter alike on average.
    (at, water), here = SUBSTANCES["water"].profile(), (stol > 0.1) & (stol < 0.5)
    average = np.sqrt((weight * ice**2)[here].sum() / weight[here].sum())
    expected = np.sqrt((weight * np.interp(stol, at, water) ** 2)[here].sum() / weight[here].sum())
    assert average == pytest.approx(expected, rel=0.15)


def test_oil_has_its_halo() -> None:
    stol, amplitude = SUBSTANCES["paratone"].profile()
    assert 1.0 / (2.0 * stol[amplitude.argmax()]) == pytest.approx(4.6, abs=0.2)
    assert (amplitude > 0).all()


# ---- the way back -----------------------------------------------------------------------------------------


def test_a_measured_image_gives_its_profile_back() -> None:
    """Through air, beside a beamstop, under spots: the water that it was made with, and the same image again."""
    crystal = Crystal(cell=(60, 70, 80, 90, 90, 90), cells=8, default_F=2000.0, misset=(10, 20, 30))
    experiment = Experiment(
        beam=replace(BEAM, size=0.1),
        crystal=crystal,
        detector=Detector(shape=(400, 420), pixel_size=0.5, distance=100, roty=10.0, thickness=450),
        around=Around(materials=(Material("water", thickness=0.3),), flight_path="air", beamstop=4.0),
        quirks="none",
    )
    image = simulate(experiment)
    counts = image.measured(seed=1, response=Response(gain=1.5, offset=20.0, readout=2.0, bits=32))
    assert image.data.max() > 5 * np.median(image.data)  # there are spots
    mask = np.ones(image.shape)
    mask[:, :20] = 0
    found = background_profile(
        counts, experiment, Material("water", thickness=0.3), offset=20.0, gain=1.5, mask=mask, rings=80
    )
    water = np.interp(found.stol, *SUBSTANCES["water"].profile())
    assert len(found.stol) > 50
    assert np.allclose(found.amplitude, water, rtol=0.02, atol=0.05)
    assert found.pixels.sum() <= image.data.size - 400 * 20
    again = Material(profile=found.table, thickness=0.3, density=0.997, molecular_weight=18.015)
    dark = replace(experiment, crystal=NOTHING)
    one, two = (
        simulate(replace(dark, around=replace(experiment.around, materials=(material,)))).data
        for material in (again, Material("water", thickness=0.3))
    )
    assert np.abs(one - two).mean() < 0.01 * two.mean()


def test_a_profile_of_an_image_needs_pixels() -> None:
    experiment = Experiment(crystal=NOTHING, beam=BEAM, detector=Detector(shape=(8, 8)))
    water = Material("water", thickness=0.1)
    with pytest.raises(InputError, match=r"found shape \(3, 3\), expected the detector's \(8, 8\)"):
        background_profile(np.ones((3, 3)), experiment, water)
    with pytest.raises(InputError, match="found no ring of 100 pixels"):
        background_profile(np.ones((8, 8)), experiment, water)


# ---- the way back on the command line ---------------------------------------------------------------------

MEASURED = """
quirks = "none"
[beam]
wavelength = 1.0
flux = 1e12
exposure = 1.0
size = 0.1
[crystal]
structure_factors = "not_needed.hkl"
[detector]
shape = [200, 210]
pixel_size = 1.0
distance = 100.0
mask = "mask.npy"
[around]
flight_path = "air"
beamstop = 4.0
[[around.materials]]
name = "water"
thickness = 0.3
[[around.materials]]
name = "air"
thickness = 30.0
[response]
gain = 1.5
offset = 20.0
readout = 2.0
bits = 32
gain_map = "gain.npy"
dark_map = "dark.npy"
bad_pixels = "bad.npy"
"""


FROM_FILE = "-config run.toml -around water 0.3"
PANELS = (
    "-detector EIGER2_1M -distance 100 -lambda 1 -flux 1e12 -exposure 1 -beamsize 0.1 -around water 0.5 -quirks none"
)
WRITTEN = "-cell 50 50 50 90 90 90 -default_F 1e-9 -nonoise -nopgm -seed 1 -response eiger -countsfile shot.cbf"


@pytest.fixture
def measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> np.ndarray:
    """An image of water, in ``shot.npy``, with all that its detector does to it and ``run.toml`` that tells."""
    monkeypatch.chdir(tmp_path)
    rng, shape = np.random.default_rng(3), (200, 210)
    mask, bad = np.ones(shape, np.uint8), np.zeros(shape, np.uint8)
    mask[:, :20], bad[100:120] = 0, 1
    np.save("mask.npy", mask)
    np.save("bad.npy", bad)
    np.save("gain.npy", rng.uniform(0.5, 1.5, shape).astype(np.float32))
    np.save("dark.npy", rng.uniform(0.0, 30.0, shape).astype(np.float32))
    Path("run.toml").write_text(MEASURED)
    experiment = read_config("run.toml").experiment
    water = replace(experiment.around, materials=(Material("water", thickness=0.3),))
    counts = simulate(replace(experiment, crystal=NOTHING, around=water)).measured(seed=1)
    np.save("shot.npy", counts.data)
    return counts.data


def test_the_command_gives_a_profile_back(measured: np.ndarray, capsys: pytest.CaptureFixture[str]) -> None:
    """By what the file of -config tells of detector and beam; its crystal is not even looked for."""
    assert main(["profile", "shot.npy", *FROM_FILE.split(), "-stolout", "found.stol", "-rings", "60"]) == 0
    told = capsys.readouterr().out
    table = np.loadtxt("found.stol")
    assert f"shot.npy: background as of water, 0.3 mm: {len(table)} rings of 100 or more pixels" in told
    assert len(table) > 30
    assert np.allclose(table[:, 1], np.interp(table[:, 0], *SUBSTANCES["water"].profile()), rtol=0.03, atol=0.1)
    assert table[:, 3].min() >= 100
    assert table[:, 3].sum() <= measured.size - 200 * 20 - 20 * 190  # neither masked nor bad ones
    # -around takes the file, whose further columns it leaves out.
    found = Material(profile="found.stol", thickness=0.3, density=0.997, molecular_weight=18.015)
    experiment = replace(read_config("run.toml").experiment, crystal=NOTHING)
    one, two = (
        simulate(replace(experiment, around=replace(experiment.around, materials=(material,)))).data
        for material in (found, Material("water", thickness=0.3))
    )
    assert np.abs(one - two).mean() < 0.02 * two.mean()


def test_full_pixels_and_those_without_gain_do_not_count(
    measured: np.ndarray, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where the ring of water fills the pixels its profile would be flat; it has a gap there, and the rest is right."""
    gain = np.load("gain.npy")
    gain[:, 150:] = 0.0
    np.save("gain.npy", gain)
    full = int(np.percentile(measured, 90))
    shot = np.minimum(measured, full)
    np.save("shot.npy", shot)
    words = [*FROM_FILE.split(), "-saturation", str(full), "-stolout", "found.stol", "-rings", "60"]
    assert main(["profile", "shot.npy", *words]) == 0
    assert f"{(shot == full).sum()} pixels of the highest value ({full}) do not count" in capsys.readouterr().out
    table = np.loadtxt("found.stol")
    assert table[:, 3].sum() <= ((shot < full) & (gain > 0)).sum()
    assert main(["profile", "shot.npy", *words, "-capture", "0"]) == 9
    assert "gain: found 0 for a photon, expected a number above 0" in capsys.readouterr().err


def test_bare_floats_have_the_shape_of_the_detector(measured: np.ndarray) -> None:
    """An image that is not square would be refused for an option that the command does not have."""
    measured.astype(np.float32).tofile("shot.bin")
    for name in ("shot.npy", "shot.bin"):
        assert main(["profile", name, *FROM_FILE.split(), "-stolout", f"{name}.stol"]) == 0
    assert Path("shot.bin.stol").read_bytes() == Path("shot.npy.stol").read_bytes()


def test_the_command_finds_panels_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([*PANELS.split(), *WRITTEN.split()]) == 0
    assert main(["profile", "shot.cbf", *PANELS.split()]) == 0
    table = np.loadtxt("output.stol")
    inside = table[:, 0] < 0.3
    assert inside.sum() > 50
    expected = np.interp(table[:, 0], *SUBSTANCES["water"].profile())
    assert np.allclose(table[inside, 1], expected[inside], rtol=0.1, atol=0.2)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("-around water 1", "profile: found '-around' as the first word, expected an image"),
        ("a.npy b.npy -around water 1", "profile: found 'b.npy' after 'a.npy', expected one image"),
        ("shot.npy -config run.toml", "-around: found 2 materials, expected the one that"),
        ("shot.npy -detpixels 30", "-around: found no materials, expected the one that"),
        (
            "shot.npy -around water 1 -detpixels 30",
            "shot.npy: found pixels of shape (200, 210), expected the detector's",
        ),
        ("none.npy -around water 1", "none.npy"),
        ("shot.npy -config run.toml -around water 1 -rings 0", "-rings: found '0', expected a whole number above 0"),
        ("shot.npy -config run.toml -around water 1 -fewest", "-fewest: found too few words after it, expected N"),
        ("shot.npy -config run.toml -around water 1 -fewest 99999", "found no ring of 99999 pixels"),
        (
            "shot.npy -config run.toml -around water 1 -stolout no/a.stol",
            "-stolout: found 'no/a.stol' in a folder that",
        ),
    ],
)
def test_mistakes_about_profiles_are_one_sentence(
    measured: np.ndarray, words: str, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["profile", *words.split()]) == 9
    assert sentence in capsys.readouterr().err
    assert not Path("output.stol").exists()


def test_profile_tells_how_it_is_used(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["profile"]) == 9
    assert main(["profile", "shot.img", "-h"]) == 0
    assert capsys.readouterr().out.count("usage: nanobragg profile IMAGE -around MATERIAL MM [options]") == 2


# ---- what is said -----------------------------------------------------------------------------------------

WORDS = "-cell 50 50 50 90 90 90 -default_F 100 -N 5 -detpixels 30 -pixel 1 -flux 1e12 -nonoise -nopgm -intfile i.img"
SAID = (
    "-around water 0.1 -around_density 0.94 -around oil.stol 0.02 -around_density 0.9 -around_MW 300 -flight_path air "
    "-beamstop 3 -beamstop_shape square -beamstop_distance 25"
)


def test_words_toml_and_python_say_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("oil.stol").write_text("# x F\n0.1 3\n0 2\n0.1 5\n0.3 1\n")
    words = f"{WORDS} {SAID} -floatfile one.npy -write_config sub/run.toml"
    Path("sub").mkdir()
    assert main(words.split()) == 0
    one = np.load("one.npy")
    text = Path("sub/run.toml").read_text()
    assert '[[around.materials]]\nname = "water"\nthickness = 0.1\ndensity = 0.94\n' in text
    assert '[[around.materials]]\nprofile = "../oil.stol"\n' in text
    assert main(["-config", "sub/run.toml", "-floatfile", "two.npy", "-write_config", "sub/run.toml"]) == 0
    assert np.array_equal(one, np.load("two.npy"))
    assert Path("sub/run.toml").read_text().count("oil.stol") == 1
    around = Around(
        materials=(
            Material("water", thickness=0.1, density=0.94),
            Material(profile="oil.stol", thickness=0.02, density=0.9, molecular_weight=300),
        ),
        flight_path="air",
        beamstop=3,
        beamstop_shape="square",
        beamstop_distance=25,
    )
    assert np.array_equal(simulate(args=WORDS, around=around), one)
    # Options take the place of the file's materials, and changes leave the file's layout.
    assert main(["-config", "sub/run.toml", "-around", "ice", "0.3", "-write_config", "sub/run.toml"]) == 0
    (ice,) = read_config("sub/run.toml").experiment.around.materials
    assert (ice.name, ice.thickness) == ("ice", 0.3)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("-around water thick", "-around: found 'water' and 'thick', expected a name or a file, and a thickness (mm)"),
        ("-around water -1", "-around: found 'water' and '-1', expected a name or a file, and a thickness"),
        ("-around_MW 18 -around water 1", "-around_MW: found 18 before any material, expected -around before it"),
        ("-around water 1 -around_density 0", "-around_density: found '0', expected a number above 0 (g/cm³)"),
        (f"-around {__file__} 1", "-around (materials): material 0: found a profile alone, expected its density"),
        ("-around watr 1", "material 0: found 'watr', expected water, ice, nanoice, paratone, air, helium or a file"),
        ("-around none.stol 1 -around_density 1 -around_MW 9", "none.stol"),
        ("-around water 1 -beamsize 0", "-beamsize: found 0 mm"),
        ("-flight_path air -lambda 100", "-flight_path: found photons of 0.123984 keV, expected 1 to 100 keV"),
        ("-shadow none.npy", "none.npy"),
    ],
)
def test_mistakes_are_one_sentence(words: str, sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*WORDS.replace("-flux 1e12 ", "").split(), *words.split()]) == 9
    told = capsys.readouterr()
    assert sentence in told.err
    assert "solid angle" not in told.out


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        (
            [Material("beer", thickness=1)],
            "found 'beer' as the name of material 0, expected water, ice, nanoice, paratone, air or helium",
        ),
        ([Material("water")], "material 0: found no thickness, expected one (mm)"),
        (
            [Material("water", thickness=-1)],
            "found -1 as the thickness of material 0, expected a number of 0 or more (mm)",
        ),
        ([Material("water", profile="a", thickness=1)], "found both a name and a profile, expected one of them"),
        ([Material(thickness=1)], "found neither a name and a profile, expected one of them"),
        ("water", "found 'water', expected a list of Materials"),
        (
            [Material(profile=np.ones((2, 3)), thickness=1, density=1, molecular_weight=1)],
            "found an array of shape (2, 3)",
        ),
        ([Material(profile=[[np.nan, 1]], thickness=1, density=1, molecular_weight=1)], "found numbers that cannot be"),
    ],
)
def test_materials_are_checked(said: Any, sentence: str) -> None:
    with pytest.raises(InputError) as caught:
        simulate(crystal=NOTHING, around=Around(materials=said))
    assert sentence in str(caught.value)


def test_what_is_taken_is_told() -> None:
    notes = resolve(parse_words(f"{WORDS} -around air 30 -flight_path air").experiment).notes
    assert any(note.startswith("around the crystal: air, 30 mm, 0.0012041 g/cm3, 28.97 g/mol") for note in notes)
    assert any(note.startswith("from the sample to the detector: air from 0 mm on, 0.33") for note in notes)
    assert resolve(parse_words(WORDS).experiment).surroundings is None


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ("-flight_start 5", "-flight_start: without effect: there is no gas (-flight_path)"),
        (
            "-beamstop_shape square -beamstop_penumbra 1",
            "-beamstop_shape, -beamstop_penumbra: without effect: there is",
        ),
        ("-beamstop 3 -beamstop_distance 1000", "-beamstop_distance: 1000 mm is not before the detector: pixels that"),
        ("-beamstop 3 -flight_path air -flight_start 5", None),
    ],
)
def test_what_makes_no_difference_is_told(words: str, line: str | None) -> None:
    """A word that was forgotten, not one that was said in vain, is what a user should look for."""
    notes = resolve(parse_words(f"{WORDS} {words}").experiment).notes
    told = [note for note in notes if "without effect" in note or "not before" in note]
    assert len(told) == (line is not None)
    assert line is None or told[0].startswith(line)
