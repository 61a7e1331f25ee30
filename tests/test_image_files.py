"""Images in CBF, NeXus, TIFF, NumPy and PNG, read back by other people's readers: what a user hands to XDS, DIALS or
a colleague.
"""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import fabio
import h5py
import numpy as np
import PIL.Image
import pytest

from nanobragg import Beam, Crystal, Detector, Image, InputError, Sampling, simulate
from nanobragg.cli import main
from nanobragg.inputs.words import parse_words
from nanobragg.io.images import cbf
from nanobragg.io.images.picture import Marks, chosen_rings, contrast, parse_rings, png_bytes, ring_lines, seen_of
from nanobragg.io.images.smv import read_smv
from nanobragg.results.image import write_nxmx

BASE = "-cell 70 80 90 75 85 95 -default_F 100 -lambda 1.0 -N 3 -detpixels_f 40 -detpixels_s 24 -distance 60 -pixel 2"


def _image(**detector: object) -> Image:
    """Small, asymmetric in everything, so that a swapped axis shows."""
    fields = {"shape": (40, 56), "pixel_size": 0.5, "distance": 80.0, "orgx": 20.3, "orgy": 25.8, "convention": "xds"}
    return simulate(
        crystal=Crystal(cell=(50, 60, 70, 80, 95, 100), cells=4, misset=(10, 20, 30), default_F=100),
        beam=Beam(wavelength=1.1, fluence=1e30, polarization=0.9, exposure=0.2),
        detector=Detector(**{**fields, **detector}),  # type: ignore[arg-type]
        sampling=Sampling(phi=5.0, oscillation=1.0, phi_steps=3),
        quirks="none",
    )


@pytest.fixture(scope="module")
def image() -> Image:
    return _image()


@pytest.fixture(scope="module")
def tilted() -> Image:
    return _image(rotx=7.0, roty=-4.0, rotz=3.0, twotheta=12.0, thickness=450.0, attenuation_depth=300.0)


# ---- pixels -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a.tif", "a.tiff", "a.npy", "a.h5", "a.nxs"])
@pytest.mark.parametrize("kind", ["photons", "counts"])
def test_every_pixel_survives(image: Image, tmp_path: Path, name: str, kind: str) -> None:
    written = image if kind == "photons" else image.noisy(seed=1)
    path = tmp_path / name
    written.write(path)
    if name.endswith(".nxs"):  # fabio goes by the extension
        path = path.rename(path.with_suffix(".h5"))
    read = np.load(path) if name.endswith(".npy") else fabio.open(str(path)).data
    assert read.dtype == written.data.dtype
    np.testing.assert_array_equal(read, written.data)
    assert os.listdir(tmp_path) == [path.name]


def test_cbf_counts_are_exact_in_fabio(image: Image, tmp_path: Path) -> None:
    counts = image.noisy(seed=1)
    counts.write(tmp_path / "a.cbf")
    read = fabio.open(str(tmp_path / "a.cbf"))
    np.testing.assert_array_equal(read.data, counts.data)
    assert read.data.dtype == np.int32


def test_cbf_holds_all_of_32_bits(image: Image, tmp_path: Path) -> None:
    """Byte-offset coding escapes to more bytes for large steps; each of them must come back."""
    values = [0, 1, -1, 127, -128, 128, 32767, -32768, 40000, 2**31 - 1, -(2**31), 2**31 - 1, 0, 65535]
    pixels = np.array(values * 160, dtype=np.int64).reshape(40, 56)
    cbf.write(tmp_path / "a.cbf", pixels, image.resolved)
    np.testing.assert_array_equal(fabio.open(str(tmp_path / "a.cbf")).data, pixels)
    for wrong in (pixels.astype(float), pixels * 2):
        with pytest.raises(InputError, match=r"a\.cbf"):
            cbf.write(tmp_path / "a.cbf", wrong, image.resolved)


def test_floats_never_become_whole_numbers_unasked(image: Image, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="whole numbers"):
        image.write(tmp_path / "a.cbf")
    assert os.listdir(tmp_path) == []
    image.integers().write(tmp_path / "a.cbf")


@pytest.mark.parametrize("name", ["a.cbf", "a.tif", "a.npy", "a.h5"])
def test_strong_reflections_are_not_clipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Only files of 16 bits saturate at 65535; the others hold the same counts, and more above that."""
    monkeypatch.chdir(tmp_path)
    words = "-cell 50 60 70 90 90 90 -N 5 -default_F 100 -lambda 1 -distance 100 -detpixels 24 -fluence 1e32 -seed 3"
    words += " -nopgm -floatfile /dev/null -scale 1 -intfile"
    assert main([*words.split(), "i.img", "-noisefile", "n.img"]) == 0
    assert main([*words.split(), f"i_{name}", "-noisefile", f"n_{name}"]) == 0
    for kind in "in":
        narrow = read_smv(f"{kind}.img").pixels
        file = f"{kind}_{name}"
        wide = np.load(file) if name == "a.npy" else fabio.open(file).data
        assert wide.max() > 90_000
        assert wide.dtype == np.int32
        np.testing.assert_array_equal(np.minimum(wide, 65535), narrow)
    if name == "a.cbf":
        assert b"Count_cutoff 2147483647 counts" in Path("n_a.cbf").read_bytes()
    if name == "a.h5":
        with h5py.File("n_a.h5") as content:
            assert content["entry/instrument/detector/saturation_value"][()] == 2**31 - 1


def test_counts_saturate_when_they_become_smv(image: Image, tmp_path: Path) -> None:
    """From Python too: 65535 and never a count that wrapped around."""
    bright = Image(image.data * np.float32(1e6), image.resolved).noisy(seed=1)
    assert bright.data.max() > 65535
    bright.write(tmp_path / "a.img")
    np.testing.assert_array_equal(read_smv(tmp_path / "a.img").pixels, np.minimum(bright.data, 65535))


# ---- headers ----------------------------------------------------------------------------------------------


def test_the_cbf_header_tells_the_geometry(image: Image, tmp_path: Path) -> None:
    """XDS and DIALS place the detector by these lines."""
    image.noisy(seed=1).write(tmp_path / "a.cbf")
    read = fabio.open(str(tmp_path / "a.cbf"))
    assert read.header["_array_data.header_convention"] == "GENERIC_MINI"
    header = read.header["_array_data.header_contents"]

    def numbers(key: str) -> list[float]:
        match = re.search(rf"# {key}\s+(.*)", header)
        assert match is not None, key
        return [float(x) for x in re.findall(r"[-+]?\d+\.?\d*(?:e[-+]?\d+)?", match[1])]

    assert numbers("Pixel_size") == [5e-4, 5e-4]
    assert numbers("Detector_distance") == [0.08]
    assert numbers("Beam_xy") == [20.3 - 0.5, 25.8 - 0.5]  # ORGX counts from 1 at a pixel's centre
    assert numbers("Wavelength") == [1.1]
    assert numbers("Start_angle") == [5.0]
    assert numbers("Angle_increment") == [1.0]
    assert numbers("Exposure_time") == [0.2]
    assert "sensor" not in header  # DIALS stops at a thickness of 0


def test_what_a_cbf_header_cannot_say_is_said(tilted: Image, tmp_path: Path) -> None:
    """A tilt lost silently gives wrong spot positions in every program that reads the file."""
    with pytest.warns(UserWarning, match="tilted"):
        tilted.noisy(seed=1).write(tmp_path / "a.cbf")


def _chain(file: h5py.File, path: str) -> list[tuple[str, float, np.ndarray]]:
    """The transformations that ``path`` (a dataset) is placed by, itself first."""
    steps = []
    while path != ".":
        item = file[path]
        assert np.allclose(item.attrs.get("offset", np.zeros(3)), 0)
        scale = {"m": 1.0, "deg": 1.0}[item.attrs["units"]]
        value = np.atleast_1d(item[()])[0] * scale
        steps.append((item.attrs["transformation_type"], value, np.array(item.attrs["vector"])))
        path = item.attrs["depends_on"]
    return steps


def _nexus_positions(file: h5py.File) -> np.ndarray:
    """Corners of the pixels (slow, fast, 3), m, as a reader of NXmx computes them."""
    module = file["entry/instrument/detector/module"]
    origin = sum(value * vector for _, value, vector in _chain(file, f"{module.name}/module_offset"))
    steps = {}
    for axis in ("fast", "slow"):
        item = module[f"{axis}_pixel_direction"]
        steps[axis] = item[()] * np.array(item.attrs["vector"])
    slow, fast = (np.arange(n)[..., None] for n in module["data_size"][()])
    return origin + slow[:, None] * steps["slow"] + fast[None, :] * steps["fast"]


@pytest.mark.parametrize("which", ["image", "tilted"])
def test_nxmx_places_every_pixel_where_the_simulation_had_it(
    which: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Lengths and angles between pixels, beam, spindle and crystal axes are those of the Scene."""
    image: Image = request.getfixturevalue(which)
    image.write(tmp_path / "a.nxs")
    scene, g, sample = image.resolved.scene, image.resolved.geometry, image.resolved.sample
    with h5py.File(tmp_path / "a.nxs") as file:
        positions = _nexus_positions(file)
        (kind, omega, spindle) = _chain(file, file["entry/sample/depends_on"][()].decode())[0]
        cell = file["entry/sample/real_space_vectors"][0]
        assert file["entry/definition"][()] == b"NXmx"
        assert file["entry/instrument/beam/incident_wavelength"][()] == pytest.approx(1.1)
        assert file["entry/sample/transformations/omega_end"][0] == pytest.approx(6.0)
        assert kind == "rotation"
        assert omega == pytest.approx(5.0)
    slow, fast = np.indices(scene.shape)
    (panel,) = scene.panels
    ours = panel.at(fast, slow)
    vectors_theirs = np.vstack([positions.reshape(-1, 3), [[0, 0, 1]], spindle[None], cell])
    axes = np.array([sample.a0, sample.b0, sample.c0]) * 1e10
    vectors_ours = np.vstack([ours.reshape(-1, 3), [g.beam], [g.spindle], axes])
    np.testing.assert_allclose(vectors_theirs @ vectors_theirs.T, vectors_ours @ vectors_ours.T, atol=1e-9)
    # The frames have the same handedness.
    np.testing.assert_allclose(
        np.linalg.det(vectors_theirs[[0, 5, -1]]), np.linalg.det(vectors_ours[[0, 5, -1]]), rtol=1e-6, atol=1e-12
    )


def test_nxmx_is_complete_and_compressed(tilted: Image, tmp_path: Path) -> None:
    """The groups that NXmx requires, with their classes, and bitshuffle (filter 32008) on the pixels."""
    write_nxmx(tilted, tmp_path / "a.h5")
    classes = {
        "entry": "NXentry",
        "entry/data": "NXdata",
        "entry/source": "NXsource",
        "entry/instrument": "NXinstrument",
        "entry/instrument/beam": "NXbeam",
        "entry/instrument/detector": "NXdetector",
        "entry/instrument/detector/module": "NXdetector_module",
        "entry/instrument/detector/transformations": "NXtransformations",
        "entry/sample": "NXsample",
        "entry/sample/transformations": "NXtransformations",
    }
    with h5py.File(tmp_path / "a.h5") as file:
        for path, kind in classes.items():
            assert file[path].attrs["NX_class"] == kind, path
        assert file["entry/data"].attrs["signal"] == "data"
        filters = file["entry/data/data"].id.get_create_plist()
        assert 32008 in [filters.get_filter(i)[0] for i in range(filters.get_nfilters())]
        detector = file["entry/instrument/detector"]
        assert detector["module/data_origin"][()].tolist() == [0, 0]
        assert detector["module/data_size"][()].tolist() == [40, 56]
        assert detector["sensor_thickness"][()] == pytest.approx(450e-6)


def _direct_beam(image: Image) -> tuple[float, float, float]:
    """Distance (m), fast, slow (pixels): distance * beam = origin + x * pixel size * fast + y * pixel size * slow."""
    (panel,) = image.resolved.scene.panels
    beam, (along_fast, along_slow) = image.resolved.geometry.beam, panel.pixel_size
    columns = np.array([beam, -along_fast * panel.fast, -along_slow * panel.slow]).T
    distance, x, y = np.linalg.solve(columns, panel.origin)
    return float(distance), float(x), float(y)


@pytest.mark.parametrize("which", ["image", "tilted"])
def test_nxmx_values_are_the_experiments(which: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """What programs read instead of vectors: the direct beam's pixel, its distance, sizes, polarization."""
    image: Image = request.getfixturevalue(which)
    write_nxmx(image.noisy(seed=1), tmp_path / "a.h5")
    distance, x, y = _direct_beam(image)
    with h5py.File(tmp_path / "a.h5") as file:
        detector, beam = file["entry/instrument/detector"], file["entry/instrument/beam"]
        values = {key: item[()] for key, item in detector.items() if isinstance(item, h5py.Dataset)}
        assert (values["beam_center_x"], values["beam_center_y"]) == pytest.approx((x, y))
        assert values["distance"] == pytest.approx(distance)
        assert (values["x_pixel_size"], values["y_pixel_size"]) == (0.5e-3, 0.5e-3)
        assert values["count_time"] == 0.2
        assert (values["saturation_value"], values["bit_depth_readout"]) == (2**31 - 1, 32)
        np.testing.assert_allclose(beam["incident_beam_size"][()], [1e-4, 1e-4])
        np.testing.assert_allclose(beam["incident_polarization_stokes"][()], [1, 0.9, 0, 0])


def test_a_cbf_is_named_and_its_range_is_checked_on_both_ends(image: Image, tmp_path: Path) -> None:
    cbf.write(tmp_path / "shot 1.cbf", np.array([[-(2**31), 2**31 - 1]]), image.resolved)
    assert b"\ndata_shot_1\r" in (tmp_path / "shot 1.cbf").read_bytes()
    for wrong in (-(2**31) - 1, 2**31):
        with pytest.raises(InputError, match="expected signed 32-bit integers"):
            cbf.write(tmp_path / "b.cbf", np.array([[wrong]]), image.resolved)
    assert not (tmp_path / "b.cbf").exists()


@pytest.mark.parametrize("which", ["image", "tilted"])
def test_a_cbf_header_has_the_direct_beam(which: str, request: pytest.FixtureRequest) -> None:
    """Also of a detector that -twotheta swings, which nanoBragg.c's beam centre leaves out."""
    image: Image = request.getfixturevalue(which)
    distance, x, y = _direct_beam(image)
    header = cbf.header_lines(image.resolved, 1000)
    assert f"Beam_xy ({x:.9f}, {y:.9f}) pixels" in header
    assert f"Detector_distance {distance:.12f} m" in header


def test_a_series_of_several_energies_has_one_wavelength_an_image(tmp_path: Path) -> None:
    """A MAD experiment: who integrates it needs each image's own."""
    experiment = _image().resolved.experiment
    series = [simulate(replace(experiment, beam=replace(experiment.beam, wavelength=w))) for w in (1.0, 1.1, 1.0)]
    write_nxmx(series, tmp_path / "mad.h5")
    with h5py.File(tmp_path / "mad.h5") as file:
        np.testing.assert_allclose(file["entry/instrument/beam/incident_wavelength"][()], [1.0, 1.1, 1.0])


def test_silx_reads_the_default_plot(image: Image, tmp_path: Path) -> None:
    from silx.io import nxdata

    write_nxmx(image, tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5") as file:
        plot = nxdata.get_default(file)
        assert plot is not None
        np.testing.assert_array_equal(plot.signal[0], image.data)


def test_a_scan_goes_into_one_file(image: Image, tmp_path: Path) -> None:
    """Rotation data are series; each image keeps its own angle."""
    experiment = image.resolved.experiment
    series = [
        simulate(replace(experiment, sampling=replace(experiment.sampling, phi=5.0 + i))).noisy(seed=i)
        for i in range(3)
    ]
    write_nxmx(series, tmp_path / "scan.h5")
    with h5py.File(tmp_path / "scan.h5") as file:
        np.testing.assert_array_equal(file["entry/data/data"][()], [one.data for one in series])
        np.testing.assert_allclose(file["entry/sample/transformations/omega"][()], [5, 6, 7])
        np.testing.assert_allclose(file["entry/sample/transformations/omega_end"][()], [6, 7, 8])
        assert file["entry/instrument/beam/incident_wavelength"].shape == ()
    assert fabio.open(str(tmp_path / "scan.h5")).nframes == 3
    with pytest.raises(InputError, match="another detector"):
        write_nxmx([image, _image(distance=90.0)], tmp_path / "no.h5")
    with pytest.raises(InputError, match="no image"):
        write_nxmx([], tmp_path / "no.h5")
    assert os.listdir(tmp_path) == ["scan.h5"]


# ---- pictures ---------------------------------------------------------------------------------------------


def test_previews_show_spots_on_white() -> None:
    """A white or black rectangle would be no preview."""
    rng = np.random.default_rng(1)
    counts = rng.poisson(20, (300, 400)).astype(np.uint16)
    counts[100:103, 200:203] += 500
    picture = np.array(PIL.Image.open(io.BytesIO(png_bytes(counts))))
    assert picture.shape == counts.shape
    assert np.median(picture) > 200
    assert picture[101, 201] == 0
    for flat in (np.zeros((5, 5), np.float32), np.full((5, 5), 7, np.uint16)):
        assert (np.array(PIL.Image.open(io.BytesIO(png_bytes(flat)))) == 255).all()
    nothing = np.array(PIL.Image.open(io.BytesIO(png_bytes(np.full((5, 5), np.nan, np.float32)))))
    assert (nothing == (225, 228, 240)).all()  # as gaps are drawn
    low, high = contrast(np.r_[np.zeros(1000), 1e6])
    assert low == 0.0
    assert 0 < high <= 1e6


def test_large_images_are_reduced_without_losing_spots() -> None:
    pixels = np.zeros((3300, 2000), np.float32)
    pixels[3001, 1001] = 1.0
    picture = np.array(PIL.Image.open(io.BytesIO(png_bytes(pixels))))
    assert max(picture.shape) <= 1600
    assert picture.min() == 0


@pytest.mark.parametrize("which", ["image", "tilted"])
def test_rings_are_where_the_resolution_is(which: str, request: pytest.FixtureRequest) -> None:
    """Against Bragg's law at each point of the ring."""
    image: Image = request.getfixturevalue(which)
    (panel,) = image.resolved.scene.panels
    seen = seen_of(image.data, image.resolved, Marks())
    (points,) = ring_lines(seen, 3.0)
    points = points[np.isfinite(points).all(axis=1)]
    at = panel.at(*points.T)
    cosine = at @ np.array(image.resolved.geometry.beam) / np.linalg.norm(at, axis=1)
    np.testing.assert_allclose(1.1 / (2 * np.sin(np.arccos(cosine) / 2)), 3.0, rtol=1e-9)
    assert len(points) > 700
    assert chosen_rings(seen)


def test_marks_are_drawn_in_colour(image: Image) -> None:
    plain = np.array(PIL.Image.open(io.BytesIO(png_bytes(image.data, image.resolved, Marks()))))
    assert plain.ndim == 2

    def coloured(marks: Marks) -> np.ndarray:
        """(n, 2) fast, slow."""
        picture = np.array(PIL.Image.open(io.BytesIO(png_bytes(image.data, image.resolved, marks)))).astype(int)
        assert picture.shape == (*image.data.shape, 3)
        return np.argwhere(np.abs(picture[..., 0] - picture[..., 2]) > 30)[:, ::-1]

    assert len(coloured(Marks(rings="auto"))) > 100
    seen = seen_of(image.data, image.resolved, Marks())
    d = chosen_rings(seen)[0]
    (points,) = ring_lines(seen, d)
    points = points[((points > 1) & (points < np.array(image.data.shape)[::-1] - 1)).all(axis=1)]
    apart = np.linalg.norm(coloured(Marks(rings=f"{d}"))[:, None] - points, axis=-1)
    assert apart.min(axis=0).max() < 2
    assert (apart.min(axis=1) < 2).mean() > 0.5  # the rest is the label
    g, (x0, x1, y0, y1) = image.resolved.geometry, image.resolved.scene.panels[0].region
    beam = np.array([g.Fbeam, g.Sbeam]) / image.resolved.scene.panels[0].pixel_size
    assert np.abs(coloured(Marks(beam=True)).mean(axis=0) - beam).max() < 2
    region = coloured(Marks(roi=True))
    assert np.abs(region.min(axis=0) - (x0, y0)).max() < 2
    assert np.abs(region.max(axis=0) - (x1, y1)).max() < 2
    for wrong in ("", "auto,3", "x", "-3", "3,,4", "inf"):
        with pytest.raises(InputError, match="-png_rings"):
            parse_rings(wrong)
    assert parse_rings("3,2.5") == [3.0, 2.5]


# ---- on the command line ----------------------------------------------------------------------------------


def _run(words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "nanobragg", *words.split()], cwd=folder, capture_output=True, text=True, check=False
    )


def test_extensions_choose_the_formats(tmp_path: Path) -> None:
    done = _run(
        f"{BASE} -floatfile a.h5 -intfile b.cbf -noisefile c.tif -nopgm -pngfile d.png -png_rings auto -png_beam "
        "-png_roi -noprogress -seed 1",
        tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert sorted(os.listdir(tmp_path)) == ["a.h5", "b.cbf", "c.tif", "d.png"]
    again = _run(f"{BASE} -floatfile a.bin -intfile b.img -noisefile c.img -nopgm -noprogress -seed 1", tmp_path)
    assert again.returncode == 0
    np.testing.assert_array_equal(
        fabio.open(str(tmp_path / "a.h5")).data.ravel(), np.fromfile(tmp_path / "a.bin", "f4")
    )
    for ours, smv in (("b.cbf", "b.img"), ("c.tif", "c.img")):
        np.testing.assert_array_equal(fabio.open(str(tmp_path / ours)).data, fabio.open(str(tmp_path / smv)).data)
    assert "writing b.cbf as CBF, 4-byte integers" in done.stdout


def test_a_float_cbf_is_refused_before_the_work(tmp_path: Path) -> None:
    done = _run(f"{BASE} -floatfile a.cbf", tmp_path)
    assert done.returncode == 9
    assert "-floatfile: found 'a.cbf', a format of whole numbers" in done.stderr
    assert os.listdir(tmp_path) == []


def test_old_names_keep_their_meaning(tmp_path: Path) -> None:
    """Scripts that name their float image .img or .dat go on getting bare floats."""
    done = _run(f"{BASE} -floatfile a.img -intfile b.dat -nonoise -nopgm -noprogress", tmp_path)
    assert done.returncode == 0
    assert (tmp_path / "a.img").stat().st_size == 40 * 24 * 4
    assert (tmp_path / "b.dat").read_bytes().startswith(b"{\nHEADER_BYTES=512;")


def test_words_of_the_preview() -> None:
    output = parse_words("-pngfile a.png -png_rings 3,2 -png_beam -png_roi").output
    assert (output.pngfile, output.png_rings, output.png_beam, output.png_roi) == ("a.png", "3,2", True, True)
    assert parse_words("-default_F 1").output.pngfile is None
    with pytest.raises(InputError, match="-png_rings"):
        parse_words("-png_rings 3x")


@pytest.mark.parametrize(
    ("name", "module", "package"),
    [("a.h5", "h5py", "h5py"), ("a.h5", "hdf5plugin", "hdf5plugin"), ("a.tif", "PIL.Image", "pillow")],
)
def test_a_missing_package_is_one_sentence(
    image: Image, tmp_path: Path, name: str, module: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(InputError, match=rf"found no package {package}.*nanobragg\[files\]"):
        image.write(tmp_path / name)
    assert os.listdir(tmp_path) == []
