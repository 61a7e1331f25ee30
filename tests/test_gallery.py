"""The gallery: its entries render with one command each, and show the physics that their captions promise."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import h5py
import hdf5plugin  # noqa: F401  (reads the compressed series)
import numpy as np
import pytest
from PIL import Image as Picture

from nanobragg import Experiment
from nanobragg.io.factors.hkl import read_hkl
from nanobragg.io.lists.sources import read_sources
from nanobragg.resolver.resolve import resolve

pytestmark = pytest.mark.slow

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
GALLERY = EXAMPLES / "gallery"
THOMSON = 7.94079248018965e-30  # m², squared electron radius


def _load(path: Path) -> ModuleType:
    import importlib.util

    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    before = list(sys.path), sys.dont_write_bytecode
    sys.dont_write_bytecode = True
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path[:], sys.dont_write_bytecode = before
    return module


gallery = _load(EXAMPLES / "gallery.py")


class Shot:
    """A small rendering of an entry, and directions of its pixels worked out here from the detector's vectors."""

    def __init__(self, name: str, folder: Path) -> None:
        self.folder = folder
        self.picture = gallery.render(name, folder, small=True)
        words = ["-config", str(GALLERY / f"{name}.toml"), *gallery.SMALL[name]]
        self.resolved: Any = resolve(Experiment.from_args(words))
        g = self.resolved.geometry
        self.geometry = g
        self.panels = self.resolved.scene.panels
        self.panel = self.panels[0]
        self.wavelength = self.resolved.radiation.wavelength * 1e10
        self.beam = np.array(g.beam)
        if (folder / f"{name}.bin").exists():
            self.data = np.fromfile(folder / f"{name}.bin", np.float32).reshape(self.panel.shape).astype(float)

    def rays(self, slow: np.ndarray, fast: np.ndarray) -> np.ndarray:
        """Unit vectors (n, 3) from the sample to pixel coordinates, 0.5 being the middle of the first pixel."""
        there = self.panel.at(fast, slow)
        return there / np.linalg.norm(there, axis=-1, keepdims=True)

    def all_rays(self) -> np.ndarray:
        """Unit vectors from the sample to the pixels' middles, (slow, fast, 3)."""
        slow, fast = np.indices(self.panel.shape) + 0.5
        return self.rays(slow, fast)

    def two_theta(self) -> np.ndarray:
        """Scattering angles (slow, fast), radians."""
        return np.arccos(np.clip(self.all_rays() @ self.beam, -1.0, 1.0))

    def polarization(self, rays: np.ndarray) -> np.ndarray:
        """Kahn's factor of rays (..., 3), electric vector along the polarization axis."""
        across = rays @ np.array(self.geometry.polar)
        up = rays @ np.cross(self.beam, np.array(self.geometry.polar))
        k = self.resolved.radiation.kahn_factor
        return 1.0 - 0.5 * (1.0 + k) * across**2 - 0.5 * (1.0 - k) * up**2


@pytest.fixture(scope="module")
def shot(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Shot]:
    made: dict[str, Shot] = {}

    def make(name: str) -> Shot:
        if name not in made:
            made[name] = Shot(name, tmp_path_factory.mktemp(name))
        return made[name]

    return make


def _peaks(image: np.ndarray, least: float, half: int) -> list[tuple[int, int]]:
    """(slow, fast) of pixels above ``least`` that are the highest within ``half`` pixels, away from the edges."""
    found = []
    for slow, fast in np.argwhere(image > least):
        box = image[max(slow - half, 0) : slow + half + 1, max(fast - half, 0) : fast + half + 1]
        if box.shape == (2 * half + 1, 2 * half + 1) and image[slow, fast] == box.max():
            found.append((int(slow), int(fast)))
    return found


def _lattice(shot: Shot, misset: tuple[float, float, float]) -> np.ndarray:
    """Rows a, b, c (Å) of the orthorhombic cell turned about x, then y, then z."""
    turn = np.eye(3)
    for axis, angle in enumerate(np.radians(misset)):
        i, j = (axis + 1) % 3, (axis + 2) % 3
        one = np.eye(3)
        one[i, i] = one[j, j] = math.cos(angle)
        one[j, i], one[i, j] = math.sin(angle), -math.sin(angle)
        turn = one @ turn
    cell = shot.resolved.experiment.crystal.cell
    return (turn @ np.diag(cell[:3])).T


@pytest.mark.parametrize("name", gallery.NAMES)
def test_each_entry_renders_with_one_command(shot: Callable[[str], Shot], name: str) -> None:
    """What README.md shows could otherwise not be made again."""
    with Picture.open(shot(name).picture) as picture:
        grey = np.asarray(picture.convert("L"))
    assert min(grey.shape) >= 240
    assert grey.max() - grey.min() > 200
    with Picture.open(GALLERY / f"{name}.png") as shown:
        assert shown.width == gallery.WIDTH


def test_pictures_are_small_and_shown() -> None:
    pictures = [GALLERY / f"{name}.png" for name in gallery.NAMES]
    assert sum(path.stat().st_size for path in pictures) < 700_000
    for page, prefix in ((EXAMPLES.parent / "README.md", "examples/gallery/"), (EXAMPLES / "README.md", "gallery/")):
        text = page.read_text("utf-8")
        for path in pictures:
            assert f"{prefix}{path.name}" in text, (page.name, path.name)


def test_inputs_are_those_of_their_scripts() -> None:
    """Else nobody could change the spectrum or the molecule and know what to compare with."""
    energy, weight = _load(GALLERY / "sase_spectrum.py").spectrum()
    table = read_sources(GALLERY / "sase_spectrum.txt")
    np.testing.assert_allclose(table[:, 3], weight, atol=1e-5)
    np.testing.assert_allclose(12398.42e-10 / table[:, 4], energy, rtol=1e-6)
    script = _load(GALLERY / "saxs_structure_factors.py")
    some = np.array([[0, 0, 0], [1, 0, 0], [3, -2, 5], [8, 8, 0]], np.int32)
    expected = np.abs(script.contrast(script.molecule_in_box(), some))
    listed = read_hkl(script.RESULT)
    found = [listed.grid[tuple(hkl - np.array(listed.minimum))] for hkl in some]
    np.testing.assert_allclose(found, expected, rtol=1e-3)


def test_still_has_its_spots_where_the_lattice_puts_them(shot: Callable[[str], Shot]) -> None:
    still = shot("still")
    peaks = np.array(_peaks(still.data, 3 * float(np.median(still.data)), 4)) + 0.5
    away = np.hypot(*(peaks - 480).T) > 10
    q = (still.rays(*peaks[away].T) - still.beam) / still.wavelength
    indices = q @ _lattice(still, (52.0, 13.0, -35.0)).T
    off = np.abs(indices - np.rint(indices)).max(axis=1)
    assert len(off) > 100
    assert (off < 0.2).mean() > 0.97  # by chance: 0.06


def test_rotation_series_steps_on_and_shows_the_mosaic_crystals_rocking_curves(shot: Callable[[str], Shot]) -> None:
    rotation = shot("rotation")
    with h5py.File(rotation.folder / "rotation.h5") as file:
        data = file["/entry/data/data"][()].astype(float)
        omega = file["/entry/sample/transformations/omega"][()]
    np.testing.assert_allclose(omega, 0.25 * np.arange(gallery.IMAGES), atol=1e-9)
    misses, lengths = [], []
    total = data.sum(axis=0)
    for slow, fast in _peaks(total, 500.0 + 2 * float(np.median(total)), 5):
        box = data[:, slow - 3 : slow + 4, fast - 3 : fast + 4].sum(axis=(1, 2))
        around = np.median(data[:, max(slow - 9, 0) : slow + 10, max(fast - 9, 0) : fast + 10])
        curve = np.clip(box - 49 * around, 0.0, None)
        curve[curve < 0.1 * curve.max()] = 0.0
        if np.hypot(slow - 240, fast - 240) < 10 or curve[:2].any() or curve[-2:].any():
            continue
        middle = float(curve @ (omega + 0.125) / curve.sum())
        rays = rotation.rays(np.array([slow + 0.5]), np.array([fast + 0.5]))
        crossing = _crossing(rotation, (rays[0] - rotation.beam) / rotation.wavelength, middle)
        misses.append(middle - crossing)
        lengths.append(int((curve > 0).sum()))
    assert len(misses) > 30
    assert np.median(np.abs(misses)) < 0.1  # degrees
    assert 3.8 < np.mean(lengths) < 5.2  # images; without mosaicity 3.1, for the blocks are small


def _crossing(shot: Shot, q: np.ndarray, phi: float) -> float:
    """The spindle angle (degrees) nearest to ``phi`` at which the reflection at ``q`` (1/Å) is on the Ewald sphere."""
    lattice = _lattice(shot, (5.0, 13.0, 25.0))
    angles = np.radians(phi + np.linspace(-2.0, 2.0, 2001))
    index = np.rint(lattice @ _about_x(q, -np.radians([phi]))[0])
    turned = _about_x(np.linalg.solve(lattice, index), angles)
    excess = np.linalg.norm(turned + shot.beam / shot.wavelength, axis=1) - 1.0 / shot.wavelength
    return math.degrees(angles[np.abs(excess).argmin()])


def _about_x(v: np.ndarray, angles: np.ndarray) -> np.ndarray:
    """A vector turned about the spindle by each angle (radians), (n, 3)."""
    c, s = np.cos(angles), np.sin(angles)
    return np.stack([np.full_like(c, v[0]), c * v[1] - s * v[2], s * v[1] + c * v[2]], axis=1)


def test_xfel_streaks_are_spectra(shot: Callable[[str], Shot]) -> None:
    """Each pixel of a streak has the photon energy that Bragg's law says; together they have the file's spectrum."""
    xfel = shot("xfel")
    table = read_sources(GALLERY / "sase_spectrum.txt")
    energies, weights = 12398.42e-10 / table[:, 4], table[:, 3] / table[:, 3].sum()
    mean = float(energies @ weights)
    spread = math.sqrt(weights @ (energies - mean) ** 2)
    lattice = _lattice(xfel, (141.0, 31.0, -10.0))
    water = np.median(xfel.data[-60:, -60:])
    seen: list[tuple[float, float, float]] = []
    for slow, fast in _peaks(xfel.data, 40 * water, 8):
        if math.hypot(slow, fast) < 280:
            continue
        y, x = np.mgrid[slow - 8 : slow + 9, fast - 8 : fast + 9]
        box = xfel.data[y, x]
        box = np.clip(box - 1.5 * np.median(box), 0.0, None)
        rays = xfel.rays(y + 0.5, x + 0.5)
        point = np.linalg.solve(lattice, np.rint(lattice @ (rays[8, 8] - xfel.beam) * mean / 12398.42))
        # 2 d sin(theta) = wavelength
        sine = np.linalg.norm(rays - xfel.beam, axis=-1) / 2.0
        energy = 12398.42 * np.linalg.norm(point) / (2.0 * sine)
        seen.append((box.sum(), (box * energy).sum(), (box * energy**2).sum()))
    total, first, second = np.sum(seen, axis=0)
    assert len(seen) > 12
    assert first / total == pytest.approx(mean, abs=0.4 * spread)
    found = math.sqrt(second / total - (first / total) ** 2)
    without_weights = math.sqrt(np.mean((energies - energies.mean()) ** 2))
    assert found == pytest.approx(spread, rel=0.15)
    assert without_weights > 1.4 * spread


def test_saxs_is_the_molecules_transform(shot: Callable[[str], Shot]) -> None:
    """Forward scattering is F(000)² and one molecule's share of water; further out the average over directions."""
    saxs = shot("saxs")
    listed = read_hkl(GALLERY / "1orc_in_water.hkl.gz")
    g, fluence = saxs.geometry, saxs.resolved.radiation.fluence
    rays = saxs.all_rays()
    solid_angle = saxs.panel.pixel_size[0] ** 2 * (rays @ saxs.beam) ** 3 / g.distance**2
    water = 2.57**2 * (0.0086e-6) ** 3 * 1e6 * 6.02214179e23 / 18.0
    squared = saxs.data / (THOMSON * fluence * solid_angle * saxs.polarization(rays)) - water
    q = 2.0 * np.sin(saxs.two_theta() / 2.0) / saxs.wavelength
    forward = float(listed.grid[tuple(-np.array(listed.minimum))])
    middle = squared[119:121, 119:121].mean()
    assert middle == pytest.approx(forward**2, rel=0.01)
    index = np.indices(listed.grid.shape).reshape(3, -1).T + np.array(listed.minimum)
    radius = np.linalg.norm(index, axis=1) / 120.0
    values = listed.grid.reshape(-1)
    profile = []
    for low in np.arange(0.006, 0.062, 0.008):
        shell = (radius >= low) & (radius < low + 0.008)
        ring = (q >= low) & (q < low + 0.008)
        assert squared[ring].mean() == pytest.approx((values[shell] ** 2).mean(), rel=0.12)
        profile.append(squared[ring].mean())
    assert (np.diff(profile[:4]) < 0).all()
    assert profile[3] < 0.2 * forward**2


def test_powder_rings_are_braggs(shot: Callable[[str], Shot]) -> None:
    powder = shot("powder")
    angle = powder.two_theta()
    rays = powder.all_rays()
    corrected = powder.data / (powder.polarization(rays) * (rays @ powder.beam) ** 3)
    step = powder.panel.pixel_size[0] / powder.geometry.distance / 2.0

    def ring(square: int) -> tuple[float, float]:
        """Intensity above the background and mean angle of the ring with h² + k² + l² = ``square``."""
        expected = 2.0 * math.asin(powder.wavelength * math.sqrt(square) / (2.0 * 5.4113))
        bins = np.arange(expected - 8 * step, expected + 8.5 * step, step)
        profile = np.array([corrected[(angle >= low) & (angle < low + step)].mean() for low in bins])
        profile = np.clip(profile - np.median(np.r_[profile[:2], profile[-2:]]), 0.0, None)
        return profile.sum(), float(profile @ (bins + step / 2) / profile.sum()) - expected

    factors = powder.resolved.scene.f_grid
    origin = -np.array(powder.resolved.scene.f_min)
    powers = []
    for square, hkl, mates in ((3, (1, 1, 1), 8), (4, (2, 0, 0), 6), (8, (2, 2, 0), 12)):
        intensity, miss = ring(square)
        assert abs(miss) < 0.3 * step
        theta = math.asin(powder.wavelength * math.sqrt(square) / (2.0 * 5.4113))
        power = mates * factors[tuple(origin + hkl)] ** 2 / (math.sin(theta) * math.sin(2.0 * theta))
        powers.append(intensity / power)
    np.testing.assert_allclose(powers, np.mean(powers), rtol=0.15)
    assert ring(5)[0] < 0.02 * ring(4)[0]  # 2 1 0: not with a face-centred cell


def test_parallax_smears_spots_away_from_the_normal(shot: Callable[[str], Shot]) -> None:
    """By depth times the tangent of the angle of incidence, from where rays come straight in, not from the beam."""
    parallax = shot("parallax")
    g, panel = parallax.geometry, parallax.panel
    pixel_size = panel.pixel_size[0]
    near = np.array([g.Sclose, g.Fclose]) / pixel_size
    depth = 960e-6
    ratios, from_near, from_beam = [], [], []
    beam = np.array([g.Sbeam, g.Fbeam]) / pixel_size
    for slow, fast in _peaks(parallax.data, 100.0, 9):
        y, x = np.mgrid[slow - 9 : slow + 10, fast - 9 : fast + 10]
        box = parallax.data[y, x]
        box = np.where(box > 0.03 * box.max(), box, 0.0)
        here = np.array([slow + 0.5, fast + 0.5])
        if np.hypot(*(here - near)) < 100 or _crowded(box):
            continue
        centre = np.array([(box * y).sum(), (box * x).sum()]) / box.sum()
        dy, dx = y - centre[0], x - centre[1]
        moments = np.array(
            [[(box * dy * dy).sum(), (box * dy * dx).sum()], [(box * dy * dx).sum(), (box * dx * dx).sum()]]
        )
        moments /= box.sum()
        values, vectors = np.linalg.eigh(moments)
        along = vectors[:, 1]
        for origin, angles in ((near, from_near), (beam, from_beam)):
            outwards = (here - origin) / np.linalg.norm(here - origin)
            angles.append(math.degrees(math.acos(min(1.0, abs(float(along @ outwards))))))
        tangent = np.hypot(*(here - near)) * pixel_size / panel.close_distance
        length = depth / math.hypot(1.0, tangent)
        t = np.linspace(0.0, 1e-3, 2001)
        w = np.exp(-t / length)
        variance = (w @ t**2) / w.sum() - ((w @ t) / w.sum()) ** 2
        ratios.append((values[1] - values[0]) / (variance * (tangent / pixel_size) ** 2))
    assert len(ratios) > 20
    assert np.median(ratios) == pytest.approx(1.0, abs=0.2)
    assert np.median(from_near) < 5.0  # degrees
    assert np.median(from_beam) > 20.0


def _spots_of_panels(
    shot: Shot, least: float, misset: tuple[float, float, float], phis: np.ndarray
) -> list[tuple[float, float]]:
    """Spots above so many times their panel's median: 2theta (degrees), and how far from whole its indices are at
    the nearest of the spindle's angles (degrees).
    """
    lattice = _lattice(shot, misset)
    slab = np.load(shot.folder / f"{shot.picture.stem}.npy").astype(float)
    found = []
    for panel in shot.panels:
        (s0, f0), (slow, fast) = panel.place, panel.shape
        part = slab[s0 : s0 + slow, f0 : f0 + fast]
        for peak in _peaks(part, least * float(np.median(part)), 6):
            there = panel.at(peak[1] + 0.5, peak[0] + 0.5)
            ray = there / np.linalg.norm(there)
            index = _about_x((ray - shot.beam) / shot.wavelength, -np.radians(phis)) @ lattice.T
            angle = math.degrees(math.acos(float(ray @ shot.beam)))
            if angle > 2.0:
                found.append((angle, float(np.abs(index - np.rint(index)).max(axis=1).min())))
    return found


def test_jungfrau_has_its_spots_where_the_lattice_puts_them(shot: Callable[[str], Shot]) -> None:
    """On all modules, and none in their gaps."""
    jungfrau = shot("jungfrau")
    assert len(jungfrau.panels) == 8
    off = np.array([miss for _, miss in _spots_of_panels(jungfrau, 20.0, (12.0, 40.0, 25.0), np.zeros(1))])
    assert len(off) > 40
    assert (off < 0.2).mean() > 0.95  # by chance: 0.06
    with h5py.File(jungfrau.folder / "jungfrau.h5") as file:
        counts, unused = file["/entry/data/data"][0], file["/entry/instrument/detector/pixel_mask_slab"][()]
    assert counts.shape == (2164, 2068)
    assert (counts[unused == 1] == -1).all()
    assert unused.sum() == 2164 * 2068 - 8 * 514 * 1030


def test_barrel_has_spots_behind_the_sample(shot: Callable[[str], Shot]) -> None:
    """Rows beyond 2theta = 90 degrees are as full as others; an image that takes tan 2theta has none there."""
    spots = _spots_of_panels(shot("barrel"), 200.0, (20.0, 35.0, 10.0), np.linspace(0.0, 2.0, 21))
    behind = np.array([miss for angle, miss in spots if angle > 90.0])
    assert len(spots) > 60
    assert len(behind) >= 5
    assert (behind < 0.1).mean() > 0.9  # by chance: 0.1


def _crowded(box: np.ndarray) -> bool:
    """Whether light falls on the frame of the box: another spot, or one that is cut."""
    return bool(box[0].any() or box[-1].any() or box[:, 0].any() or box[:, -1].any())
