"""CrystFEL geometries: whoever simulates an XFEL detector of one panel gets it where CrystFEL has it, and of several
panels all positions are known, whoever renders them.
"""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import pytest

from nanobragg import Beam, Crystal, Detector, Experiment, InputError, Resolved, resolve
from nanobragg.io.geometry.any_file import Wanted, read_file_geometry
from nanobragg.io.geometry.crystfel_text import Value, vector_of

CRYSTAL = Crystal(cell=[50], default_F=1.0)
SHARED = Path(__file__).parents[2] / "shared" / "geometry"
ONE = """; one panel, tilted a little
photon_energy = 9.5 keV ; X-rays
res = 10000 ; 0.1 mm
clen = 120 mm
coffset = -0.02
adu_per_eV = 0.002
max_adu = 4000
p0/min_fs = 10
p0/max_fs = 29.9
p0/min_ss = 100
p0/max_ss = 139
p0/fs = + 0.8x -0.6y
p0/ss = 0.6x+0.8 y
p0/corner_x = -12.5
p0/corner_y = 30
bad_edge/panel = p0
bad_edge/min_fs = 10
bad_edge/max_fs = 10
bad_edge/min_ss = 138
bad_edge/max_ss = 900
group_all = p0
"""


def _write(folder: Path, text: str) -> Path:
    path = folder / "a.geom"
    path.write_text(text)
    return path


def _resolved(path: Path, **detector: float) -> Resolved:
    return resolve(Experiment(crystal=CRYSTAL, detector=Detector(header=path, **detector)))  # type: ignore[arg-type]


def test_one_panel_stands_where_crystfel_has_it(tmp_path: Path) -> None:
    found = _resolved(_write(tmp_path, ONE))
    panel = found.scene.panels[0]
    assert panel.shape == (40, 20)
    corner, fast, slow = np.array([-12.5, 30.0]), np.array([0.8, -0.6]), np.array([0.6, 0.8])
    for f, s in ((0.5, 0.5), (19.5, 39.5)):
        np.testing.assert_allclose(panel.at(f, s), [*1e-4 * (corner + f * fast + s * slow), 0.1], atol=1e-12)
    assert found.radiation.wavelength == pytest.approx(12398.42e-10 / 9500.0)
    assert np.argwhere(panel.mask == 0).tolist() == [[38, 0], [39, 0]]
    (line,) = (note for note in found.notes if note.startswith("from "))
    for words in ("(CrystFEL geometry)", "camera length 120 mm", "gain 19", "trusted range 0 to 4000", "phi 0 deg"):
        assert words in line


def test_what_is_in_a_data_file_is_asked_for(tmp_path: Path) -> None:
    path = _write(tmp_path, ONE.replace("clen = 120 mm", "clen = /LCLS/clen").replace("9.5 keV", "/LCLS/energy eV"))
    with pytest.raises(InputError, match=r"a\.geom: line 4: found clen at /LCLS/clen of a data file.*-clen MM says it"):
        _resolved(path)
    assert _resolved(path, distance=100.0).geometry.distance == pytest.approx(0.1)
    panel = _resolved(path, clen=500.0).scene.panels[0]
    assert panel.origin == pytest.approx((-1.25e-3, 3e-3, 0.48))
    found = resolve(Experiment(crystal=CRYSTAL, detector=Detector(header=path, distance=1), beam=Beam(energy=9500)))
    assert "not used: gain" not in "".join(found.notes)


@pytest.mark.parametrize(
    ("line", "wavelength"),
    [
        ("photon_energy = 12398.42", 1.0),
        ("photon_energy = 12.39842 keV", 1.0),
        ("wavelength = 1.125e-10", 1.125),
        ("wavelength = 1.125 A", 1.125),
        ("electron_voltage = 300 kV", 0.0196875),
    ],
)
def test_units_of_the_beam(line: str, wavelength: float, tmp_path: Path) -> None:
    found = read_file_geometry(_write(tmp_path, ONE.replace("photon_energy = 9.5 keV", line)))
    assert found.wavelength == pytest.approx(wavelength, rel=1e-5)


def test_limits_of_bad_regions_that_are_not_there_are_crystfels(tmp_path: Path) -> None:
    """As many pixels are bad as for indexamajig: a limit in fs or ss that is left out is 0, one in x or y leaves
    nothing; x and y are those of the shifted detector.
    """
    square = ONE.replace("+ 0.8x -0.6y", "x").replace("0.6x+0.8 y", "y")
    cut = square.index("bad_edge/panel")

    def bad(region: str) -> tuple[int, int]:
        """Bad pixels, and warnings."""
        found = read_file_geometry(_write(tmp_path, square[:cut] + region))
        pixels = found.panels[0].bad
        return 0 if pixels is None else int(pixels.sum()), len(found.warnings)

    assert bad("bad1/max_fs = 11\nbad1/min_ss = 100\nbad1/max_ss = 102\n") == (2 * 3, 1)
    assert bad("bad1/min_fs = 11\nbad1/min_ss = 100\nbad1/max_ss = 102\n") == (0, 1)
    in_x = "bad1/min_x = -13\nbad1/max_x = -10\nbad1/min_y = 29\n"
    assert bad(in_x) == (0, 1)
    assert bad(f"{in_x}bad1/max_y = 32\n") == (3 * 2, 0)
    shifted = f"{in_x}bad1/max_y = 32\ndetector_shift_x = 0.1 mm\n"
    assert bad(shifted)[0] == 2 * 2


def test_several_panels_groups_and_defaults(tmp_path: Path) -> None:
    """A key at the top is for panels that are first mentioned later."""
    more = ONE.replace("group_all = p0", "coffset = 0.03\np1/min_fs = 0\np1/max_fs = 7\np1/min_ss = 0\np1/max_ss = 8\n"
                       "p1/fs = x\np1/ss = -2y\np1/corner_x = 1\np1/corner_y = 2\np1/no_index = 1\np1/dim0 = %\n"
                       "p1/dim1 = 3\np1/dim2 = ss\np1/dim3 = fs\nrigid_group_q1 = p1,p0\nmax_adu = 3")  # fmt: skip
    found = read_file_geometry(_write(tmp_path, more))
    one, other = found.panels
    assert other.origin == pytest.approx((0.1, 0.2, 150.0))
    assert other.pixel_size == pytest.approx((0.1, 0.2))
    assert (other.group, other.shape, other.place) == ("q1", (9, 8), (1, 0, 0))
    assert other.bad is not None
    assert other.bad.all()
    assert one.place == (0, 100, 10)
    assert any("max_adu stands behind all panels" in warning for warning in found.warnings)
    one, other = _resolved(tmp_path / "a.geom").scene.panels
    assert (other.name, other.group, other.place) == ("p1", "q1", (1, 0, 0))
    np.testing.assert_allclose(other.at(2, 1), [3e-4, 0.0, 0.15], atol=1e-12)
    assert other.mask is not None
    assert not other.mask.any()
    assert (one.saturation, one.gain) == (4000.0, pytest.approx(19.0, rel=1e-3))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (("p0/fs = + 0.8x -0.6y", "p0/fs = 0.8q"), r"line 12: found p0/fs '0.8q', expected a vector"),
        (("p0/corner_x = -12.5", "p0/corner_x = left"), r"line 14: found p0/corner_x 'left', expected a number"),
        (("p0/corner_x = -12.5", ""), r"line 8: found no corner_x of panel p0"),
        (("res = 10000", "res = 0"), r"line 3: found p0/res 0 for pixels"),
        (("clen = 120 mm", "clen = 120 miles"), r"line 4: found clen in 'miles', expected m or mm"),
        (("clen = 120 mm", "clen 120"), r"line 4: found 'clen 120', expected key = value"),
        (("9.5 keV", "-9.5 keV"), r"line 2: found photon_energy '-9.5 keV', expected a positive number"),
    ],
)
def test_a_mistake_is_named_by_line_and_key(change: tuple[str, str], sentence: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=sentence) as caught:
        read_file_geometry(_write(tmp_path, ONE.replace(*change)))
    assert "a.geom" in str(caught.value)


def test_unknown_keys_are_told(tmp_path: Path) -> None:
    found = read_file_geometry(_write(tmp_path, ONE.replace("coffset", "colour = red\ncoffset")))
    assert any("line 5: the key colour is not known" in warning for warning in found.warnings)


def test_vectors_are_sums(tmp_path: Path) -> None:
    assert vector_of("a", "fs", Value("-x + 2.5y+-1e-1z", 1)) == (-1.0, 2.5, -0.1)


@pytest.mark.skipif(not SHARED.is_dir(), reason="../shared is not there")
def test_real_files_have_their_pixels_where_an_independent_reader_has_them() -> None:
    """Detectors of CrystFEL, DIALS and NXmx; and the camera lengths of data files come from an option."""
    for expected in json.loads((SHARED / "expected.json").read_text()):
        wanted = Wanted(clen=expected.get("clen_mm") if expected["kind"] == "crystfel" else None)
        found = read_file_geometry(SHARED / "files" / expected["file"], wanted=wanted)
        assert len(found.panels) == expected["panels"]
        names = [panel.name for panel in found.panels]
        for pixel in expected["pixels_checked"]:
            number = names.index(pixel["panel"]) if pixel["panel"] in names else pixel["index"]
            place = found.panels[number].at(pixel["fast"] + 0.5, pixel["slow"] + 0.5)
            np.testing.assert_allclose(place, pixel["file"], atol=1e-6)  # mm
        bad = {panel.name: int(panel.bad.sum()) for panel in found.panels if panel.bad is not None}
        assert bad == (expected.get("bad_pixels") or {})


def test_a_geometry_of_hundreds_of_panels_is_read_at_once(tmp_path: Path) -> None:
    """JUNGFRAU 16M by its chips: 256 panels in 50 ms."""
    keys = ["min_fs = 0", "max_fs = 255", "min_ss = 0", "max_ss = 255", "fs = +1.000000x -0.002x", "ss = -0.0x +1.0y"]
    panels = [f"p{n}/{key}\n" for n in range(256) for key in [*keys, f"corner_x = {n}", f"corner_y = -{n}"]]
    path = _write(tmp_path, "res = 13333.3\nclen = 0.1\nphoton_energy = 9500\n" + "".join(panels))
    read_file_geometry(path)
    least = 1e9
    for _ in range(5):
        start = time.process_time()
        assert len(read_file_geometry(path).panels) == 256
        least = min(least, time.process_time() - start)
    assert least < 0.05
