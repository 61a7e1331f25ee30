"""Damaged files of other programs: one sentence, never a traceback, whatever is wrong with them."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import gemmi
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nanobragg import Beam, Crystal, Detector, Experiment, InputError, Sampling, resolve, simulate
from nanobragg.io.factors.kinds import FORMATS, structure_factor_kind
from nanobragg.io.geometry.any_file import read_file_geometry

DATA = Path(__file__).parent / "data"
KEEP = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


def _small_cif() -> bytes:
    structure = gemmi.read_structure(str(DATA / "5e5z.pdb"))
    return structure.make_mmcif_document().as_string().encode()


SOURCES = {
    "a.pdb": (DATA / "5e5z.pdb").read_bytes(),
    "a.mtz": (DATA / "5e5z.mtz").read_bytes(),
    "a.cif": _small_cif(),
    "sf.cif": gemmi.MtzToCif().write_cif_to_string(gemmi.read_mtz_file(str(DATA / "5e5z.mtz"))).encode(),
}
_CONSTANTS = "_cell_length_a 9\n_cell_length_b 9\n_cell_length_c 9\n_symmetry_space_group_name_H-M 'P 21 21 21'\n"
_SITES = "".join(f"_atom_site_{tag}\n" for tag in ("label", "fract_x", "fract_y", "fract_z", "U_iso_or_equiv"))
SOURCES |= {
    "a.fcf": f"data_x\n{_CONSTANTS}loop_\n_refln_index_h\n_refln_index_k\n_refln_index_l\n_refln_F_squared_meas\n"
    "1 1 2 25.0\n1 2 3 -4.0\n".encode(),
    "small.cif": f"data_x\n{_CONSTANTS}loop_\n{_SITES}Wat1 0.1 0.2 0.3 0.01\nC1 0.5 0.2 0.3 0.02\n".encode(),
    "shelx.hkl": b"   0   0   3 2521.57   85.05   1\n   1   0   499999.99   55.76   1\n"
    b"   0   0   0    0.00    0.00   0\n",
    "xds.hkl": b"!FORMAT=XDS_ASCII    MERGE=FALSE\n!SPACE_GROUP_NUMBER=   96\n!UNIT_CELL_CONSTANTS= 79 79 38 90 90 90\n"
    b"!END_OF_HEADER\n     1     0     7  1.234E+03  2.0E+01\n!END_OF_DATA\n",
    "crystfel.hkl": b"CrystFEL reflection list version 2.0\nSymmetry: 4/mmm\n"
    b"   h    k    l          I    phase   sigma(I)\n"
    b"   1    0    7    1234.00       -      20.00      11\nEnd of reflections\n",
    "a.sca": b"    1\n -987\n    78.900    78.900    37.000    90.000    90.000    90.000 p43212\n"
    b"   1   0   7  1234.0    20.0  1230.0    21.0\n",
}
EXPT = {
    "__id__": "ExperimentList",
    "experiment": [{"beam": 0, "detector": 0, "goniometer": 0, "scan": 0, "crystal": 0}],
    "beam": [{"direction": [0, 0, 1], "wavelength": 1.0, "polarization_normal": [0, 1, 0], "polarization_fraction": 1}],
    "detector": [
        {
            "panels": [
                {
                    "fast_axis": [1, 0, 0],
                    "slow_axis": [0, -1, 0],
                    "origin": [-5, 5, -100],
                    "pixel_size": [0.1, 0.1],
                    "image_size": [100, 100],
                }
            ]
        }
    ],
    "goniometer": [{"rotation_axis": [1, 0, 0]}],
    "scan": [{"oscillation": [0, 1]}],
    "crystal": [{"real_space_a": [50, 0, 0], "real_space_b": [0, 60, 0], "real_space_c": [0, 0, 70]}],
}


@pytest.fixture(autouse=True)
def small_grids(monkeypatch: pytest.MonkeyPatch) -> None:
    """A damaged cell may ask for all the memory that is allowed."""
    for place in ("atomic_model.LARGEST_GRID", "atomic_model._GRID_LIMIT", "reflections.LARGEST_GRID"):
        monkeypatch.setattr(f"nanobragg.io.factors.{place}", 2_000_000)


def _one_sentence(error: InputError) -> None:
    assert str(error)
    assert len(str(error)) < 600


@KEEP
@given(st.data())
@pytest.mark.parametrize("name", SOURCES)
def test_damaged_structure_factors_are_used_or_refused(name: str, tmp_path: Path, data: st.DataObject) -> None:
    content = bytearray(SOURCES[name])
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, min(len(content), 4000) - 1))
        content[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=6))
    path = tmp_path / name
    path.write_bytes(bytes(content[: data.draw(st.sampled_from([len(content), 300, 2000]))]))
    cell = (79.0, 79.0, 38.0, 90.0, 90.0, 90.0) if name in ("shelx.hkl", "crystfel.hkl") else None
    crystal = Crystal(structure_factors=path, sf_dmin=4.0, cell=cell)
    try:
        resolved = resolve(Experiment(crystal=crystal, detector=Detector(shape=(8, 8), pixel_size=5.0)))
    except InputError as error:
        _one_sentence(error)
    else:
        assert np.isfinite(resolved.scene.f_grid).all()


@KEEP
@given(st.binary(max_size=300))
def test_arbitrary_bytes_are_some_kind_of_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "any"
    path.write_bytes(content)
    try:
        assert structure_factor_kind(path) in {"text", "model", *FORMATS}
    except InputError as error:
        _one_sentence(error)


def _places(value: object, at: tuple = ()) -> list[tuple]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place for key, inner in items for place in [(*at, key), *_places(inner, (*at, key))]]


@KEEP
@given(
    place=st.sampled_from(_places(EXPT)),
    value=st.sampled_from([None, "x", -1, 0, 1e308, [], {}, [0, 0, 0], [1, 2], float("nan"), float("inf"), True]),
)
def test_wrong_values_in_an_experiment_list_are_used_or_refused(tmp_path: Path, place: tuple, value: object) -> None:
    document = json.loads(json.dumps(EXPT))
    inner = document
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    path = tmp_path / "a.expt"
    path.write_text(json.dumps(document))
    crystal = Crystal(default_F=1.0, cells=2)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            resolved = resolve(Experiment(crystal=crystal, detector=Detector(header=path), sampling=Sampling(phi=0.0)))
    except InputError as error:
        _one_sentence(error)
    else:
        assert np.isfinite(resolved.scene.orientations).all()
        assert np.isfinite(resolved.scene.panels[0].origin).all()


def test_the_list_itself_is_fine(tmp_path: Path) -> None:
    path = tmp_path / "a.expt"
    path.write_text(json.dumps(EXPT))
    resolved = resolve(Experiment(crystal=Crystal(default_F=1.0), detector=Detector(header=path)))
    assert resolved.sample.cell[:3] == pytest.approx((50, 60, 70))


@KEEP
@given(st.data())
@pytest.mark.parametrize("name", ["a.cbf", "a.h5", "a.tif"])
def test_damaged_images_are_used_or_refused(
    name: str, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    content = bytearray(_image_bytes(name, tmp_path_factory))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=6))
    path = tmp_path_factory.mktemp("damaged") / name
    path.write_bytes(bytes(content[: data.draw(st.sampled_from([len(content), 300, 2000]))]))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = read_file_geometry(path)
    except InputError as error:
        _one_sentence(error)
    else:
        assert found.bad or (found.nfast or 0) > 0


def test_a_cut_cbf_is_refused_at_once(tmp_path_factory: pytest.TempPathFactory, tmp_path: Path) -> None:
    """An interrupted copy: fabio would look for its pixels for ever."""
    content = _image_bytes("a.cbf", tmp_path_factory)
    path = tmp_path / "a.cbf"
    for cut in (200, content.index(b"--CIF-BINARY") + 40, content.index(b"\x0c\x1a\x04\xd5")):
        path.write_bytes(content[:cut])
        with pytest.raises(InputError, match=r"a\.cbf"):
            read_file_geometry(path)


_IMAGES: dict[str, bytes] = {}


def _image_bytes(name: str, folders: pytest.TempPathFactory) -> bytes:
    if name not in _IMAGES:
        image = simulate(
            crystal=Crystal(cell=(50, 60, 70, 90, 90, 90), cells=3, default_F=100),
            beam=Beam(wavelength=1.0),
            detector=Detector(shape=(20, 30), pixel_size=1.0, convention="xds"),
        )
        path = folders.mktemp("whole") / name
        image.noisy(seed=1).write(path)
        _IMAGES[name] = path.read_bytes()
    return _IMAGES[name]
