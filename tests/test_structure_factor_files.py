"""MTZ, CIF and models as structure factors: a user who trusts them gets the intensities of another crystal if these
fail.
"""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
import sys
from pathlib import Path

import gemmi
import numpy as np
import pytest

from direct_sum import P21, P212121, direct_sum, read_pdb
from nanobragg import Beam, Crystal, Detector, Experiment, InputError, resolve
from nanobragg.cli import main
from nanobragg.inputs.words import parse_words
from nanobragg.io.factors.atomic_model import Recipe, model_factors
from nanobragg.io.factors.kinds import structure_factor_kind
from nanobragg.io.factors.model_files import read_model
from nanobragg.io.factors.reflections import expand_to_p1, read_reflection_file
from nanobragg.maths.lattice import inverse_d2
from nanobragg.resolver.memory import FILES

DATA = Path(__file__).parent / "data"
ORC = Path(__file__).parent.parent / "examples" / "1orc.pdb"
PEPTIDE, PEPTIDE_MTZ, SELENIUM = DATA / "5e5z.pdb", DATA / "5e5z.mtz", DATA / "1A8O.cif"
SE_ENERGY = 12700.0


def _atoms_only(resolution: float, energy: float = 12398.42) -> Recipe:
    return Recipe(resolution=resolution, energy=energy, k_sol=0.0, b_sol=46.0)


def _sample(shape: tuple[int, ...], minimum: tuple[int, ...], inside: np.ndarray, count: int) -> np.ndarray:
    hkl = np.argwhere(inside)
    chosen = np.random.default_rng(3).choice(len(hkl), min(count, len(hkl)), replace=False)
    return hkl[chosen] + np.array(minimum)


def _at(grid: np.ndarray, minimum: tuple[int, ...], hkl: np.ndarray) -> np.ndarray:
    return grid[tuple((hkl - np.array(minimum)).T)]


def _all_hkl(grid: np.ndarray, minimum: tuple[int, ...]) -> np.ndarray:
    return np.moveaxis(np.indices(grid.shape), 0, -1) + np.array(minimum)


def _crystal(**fields: object) -> Experiment:
    crystal = Crystal(**{"cells": 5, **fields})  # type: ignore[arg-type]
    return Experiment(crystal=crystal, detector=Detector(shape=(64, 64), pixel_size=1.5, distance=60))


# ---- models -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "symmetry", "resolution", "energy"),
    [(PEPTIDE, P21, 1.2, 7000.0), (ORC, P212121, 1.6, 7000.0)],
    ids=["anisotropic monoclinic", "isotropic orthorhombic with sulphur"],
)
def test_model_amplitudes_are_those_of_direct_summation(path, symmetry, resolution, energy) -> None:
    """Form factors, B factors, symmetry, f′ and f″: all of it against sums over atoms that do not use gemmi's."""
    model = read_model(path)
    factors = model_factors(model, _atoms_only(resolution, energy))
    atoms = read_pdb(path)
    numbers = {"C": 6, "N": 7, "O": 8, "S": 16}
    anomalous = {e: complex(*gemmi.cromer_liberman(z=numbers[e], energy=energy)) for e in set(atoms.elements)}
    inside = inverse_d2(model.cell, _all_hkl(factors.grid, factors.minimum)) <= resolution**-2
    hkl = _sample(factors.grid.shape, factors.minimum, inside, 800)
    expected = np.abs(direct_sum(atoms, symmetry, hkl, anomalous))
    found = _at(factors.grid, factors.minimum, hkl)
    assert np.abs(found - expected).max() < 2e-3 * np.sqrt(np.mean(expected**2))
    assert np.sqrt(np.mean((found - expected) ** 2) / np.mean(expected**2)) < 5e-4


def test_f000_counts_every_electron() -> None:
    """Without it the transform around the beam, and SAXS from one cell, would be empty."""
    factors = model_factors(read_model(PEPTIDE), _atoms_only(1.5, 30000.0))
    atoms = read_pdb(PEPTIDE)
    electrons = 2 * sum({"C": 6, "N": 7, "O": 8}[e] * o for e, o in zip(atoms.elements, atoms.occupancy, strict=True))
    assert _at(factors.grid, factors.minimum, np.array([[0, 0, 0]]))[0] == pytest.approx(electrons, rel=2e-3)


def test_bijvoet_mates_differ_where_an_edge_is_near_and_only_there() -> None:
    """Anomalous signal is why people simulate selenium; 1A8O holds selenomethionine."""
    model = read_model(SELENIUM)
    differences = {}
    for energy in (SE_ENERGY, 60000.0):
        grid = model_factors(model, _atoms_only(4.0, energy)).grid
        mates = grid[::-1, ::-1, ::-1]
        differences[energy] = np.abs(grid - mates).sum() / grid.sum()
    assert differences[SE_ENERGY] > 0.02
    assert differences[60000.0] < 0.15 * differences[SE_ENERGY]


def test_f_double_prime_has_the_right_sign() -> None:
    """Else the other hand of the anomalous signal: substructure solution finds the enantiomer."""
    model = read_model(SELENIUM)
    factors = model_factors(model, _atoms_only(5.0, SE_ENERGY))
    atoms = gemmi.read_structure(str(SELENIUM))
    calculator = gemmi.StructureFactorCalculatorX(atoms.cell)
    real, absorbing = [], []
    hkl = np.array([[3, 2, 5], [1, 2, 4], [5, 3, 2], [2, 1, 7], [4, 1, 3], [6, 2, 5]])
    for index in hkl.tolist():
        calculator.addends.clear()
        calculator.addends.set(gemmi.Element("Se"), gemmi.cromer_liberman(z=34, energy=SE_ENERGY)[0])
        without = calculator.calculate_sf_from_model(atoms[0], index)
        calculator.addends.set(gemmi.Element("Se"), gemmi.cromer_liberman(z=34, energy=SE_ENERGY)[0] + 1.0)
        real.append(without)
        absorbing.append(
            gemmi.cromer_liberman(z=34, energy=SE_ENERGY)[1]
            * (calculator.calculate_sf_from_model(atoms[0], index) - without)
        )
    real, absorbing = np.array(real), np.array(absorbing)
    expected = np.abs(real + 1j * absorbing) - np.abs(np.conj(real) + 1j * np.conj(absorbing))
    found = _at(factors.grid, factors.minimum, hkl) - _at(factors.grid, factors.minimum, -hkl)
    assert np.corrcoef(expected, found)[0, 1] > 0.99


def test_bulk_solvent_changes_low_resolution_only_and_can_be_switched_off() -> None:
    model = read_model(ORC)
    bare, wet = (
        model_factors(model, Recipe(resolution=2.5, energy=12000.0, k_sol=k, b_sol=46.0)).grid for k in (0.0, 0.35)
    )
    d2 = inverse_d2(model.cell, _all_hkl(bare, tuple(-(n // 2) for n in bare.shape)))
    change = np.abs(wet - bare) / bare.mean()
    low, high = change[(d2 > 0) & (d2 < 15**-2)], change[(d2 > 2.7**-2) & (d2 < 2.5**-2)]
    assert low.mean() > 0.5
    assert high.mean() < 0.05


def test_the_resolution_of_a_model_is_that_of_the_detector_corner() -> None:
    """Else spots at the corners are missing, or time is lost on what nobody sees."""
    resolved = resolve(_crystal(structure_factors=PEPTIDE))
    corner = 48.0 * np.sqrt(2)
    seen = 1.0 / (2 * np.sin(np.arctan2(corner, 60.0) / 2))
    grid, minimum = resolved.scene.f_grid, resolved.scene.f_min
    d2 = inverse_d2(resolved.sample.cell, _all_hkl(grid, minimum))
    forbidden = (np.array(_all_hkl(grid, minimum)) * (1, 0, 1) == 0).all(axis=-1) & (
        _all_hkl(grid, minimum)[..., 1] % 2 == 1
    )
    assert (grid[(d2 <= seen**-2) & ~forbidden] > 0).all()
    assert (grid[forbidden] == 0).all()
    far = 1.0 / (2 * np.sin(np.arctan2(49.5 * np.sqrt(2), 60.0) / 2))  # the beam is a pixel off the centre
    assert d2[grid > 0].max() < (1 / far + 0.51 * (1 / 9.4 + 1 / 9.6 + 1 / 18.6)) ** 2
    coarse = resolve(_crystal(structure_factors=PEPTIDE, sf_dmin=3.0))
    d2 = inverse_d2(coarse.sample.cell, _all_hkl(coarse.scene.f_grid, coarse.scene.f_min))
    assert d2[coarse.scene.f_grid > 0].max() <= 3.0**-2


def test_the_shortest_wavelength_decides() -> None:
    narrow = resolve(_crystal(structure_factors=PEPTIDE))
    wide = Experiment(
        beam=Beam(dispersion=20.0, dispersion_steps=3),
        crystal=Crystal(structure_factors=PEPTIDE, cells=5),
        detector=narrow.experiment.detector,
    )
    assert resolve(wide).sample.reflections > 1.2 * narrow.sample.reflections


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
def test_mmcif_and_pdb_of_one_model_agree_and_may_be_compressed(tmp_path: Path, packed: bool) -> None:
    structure = gemmi.read_structure(str(PEPTIDE))
    text = structure.make_mmcif_document().as_string().encode()
    path = tmp_path / ("model.cif.gz" if packed else "model.cif")
    path.write_bytes(gzip.compress(text) if packed else text)
    assert structure_factor_kind(path) == "model"
    from_cif = model_factors(read_model(path), _atoms_only(2.0)).grid
    np.testing.assert_allclose(from_cif, model_factors(read_model(PEPTIDE), _atoms_only(2.0)).grid, atol=0.02)


SALT = """data_salt
_cell_length_a 5.64
_cell_length_b 5.64
_cell_length_c 5.64
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
_symmetry_space_group_name_H-M 'F m -3 m'
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
_atom_site_U_iso_or_equiv
Na1 Na 0 0 0 0.02
Cl1 Cl 0.5 0.5 0.5 0.02
"""


def test_a_small_molecule_cif_counts_atoms_on_symmetry_elements_once(tmp_path: Path) -> None:
    """Rock salt has four formula units in the cell: 4 (11 + 17) electrons, and no solvent."""
    path = tmp_path / "salt.cif"
    path.write_text(SALT)
    resolved = resolve(_crystal(structure_factors=path, sf_dmin=1.0))
    origin = tuple(-m for m in resolved.scene.f_min)
    assert resolved.scene.f_grid[origin] == pytest.approx(112.0, rel=0.02)  # f′ adds a little
    assert any("no bulk solvent" in note for note in resolved.notes)
    h, k, l = origin  # noqa: E741
    assert resolved.scene.f_grid[h + 1, k, l] < 0.01  # face-centred
    assert resolved.scene.f_grid[h + 2, k, l] > 50


def test_a_model_without_a_crystal_needs_a_cell(tmp_path: Path) -> None:
    path = tmp_path / "nmr.pdb"
    path.write_text("".join(s + "\n" for s in PEPTIDE.read_text().splitlines() if not s.startswith(("CRYST", "SCALE"))))
    with pytest.raises(InputError, match="-cell"):
        resolve(_crystal(structure_factors=path))
    resolved = resolve(_crystal(structure_factors=path, cell=(30, 30, 30, 90, 90, 90), sf_dmin=3.0, k_sol=0.0))
    atoms = read_pdb(PEPTIDE)
    electrons = sum({"C": 6, "N": 7, "O": 8}[e] * o for e, o in zip(atoms.elements, atoms.occupancy, strict=True))
    origin = tuple(-m for m in resolved.scene.f_min)
    assert resolved.scene.f_grid[origin] == pytest.approx(electrons, rel=0.01)


# ---- reflections ------------------------------------------------------------------------------------------


def _mtz(path: Path, columns: dict[str, str], rows: list[list[float]], group: str = "P 21 21 21") -> Path:
    mtz = gemmi.Mtz(with_base=True)
    mtz.spacegroup = gemmi.SpaceGroup(group)
    mtz.set_cell_for_all(gemmi.UnitCell(40, 50, 60, 90, 90, 90))
    mtz.add_dataset("data")
    for label, kind in columns.items():
        mtz.add_column(label, kind)
    mtz.set_data(np.array(rows, dtype=np.float32))
    mtz.write_to_file(str(path))
    return path


def test_an_mtz_is_expanded_to_every_symmetry_mate() -> None:
    """Against gemmi's own expansion to P1."""
    file = read_reflection_file(PEPTIDE_MTZ, "mtz")
    expanded = expand_to_p1(file, default_F=-1.0)
    theirs = gemmi.read_mtz_file(str(PEPTIDE_MTZ))
    theirs.expand_to_p1()
    table = np.array(theirs.array)
    labels = theirs.column_labels()
    measured = table[np.isfinite(table[:, labels.index("FP")])]
    hkl, f = measured[:, :3].astype(int), measured[:, labels.index("FP")]
    grid, minimum = expanded.factors.grid, expanded.factors.minimum
    np.testing.assert_allclose(_at(grid, minimum, hkl), f, rtol=1e-6)
    np.testing.assert_allclose(_at(grid, minimum, -hkl), f, rtol=1e-6)
    present = (grid > 0).sum()
    assert present == len({tuple(i) for i in np.concatenate([hkl, -hkl]).tolist()}) - (f == 0).sum()
    assert expanded.missing + expanded.factors.count == expanded.expected


def test_missing_reflections_take_the_default_and_absent_ones_are_zero() -> None:
    """A default for what was not measured must not light up what the space group forbids."""
    resolved = resolve(_crystal(structure_factors=PEPTIDE_MTZ, default_F=7.5))
    assert any("1560 reflections" in note and "default 7.5" in note for note in resolved.notes)
    h, k, l = (-m for m in resolved.scene.f_min)  # noqa: E741
    assert resolved.scene.f_grid[h, k + 1, l] == 0.0  # 0 1 0 in P21
    assert resolved.scene.f_grid[h, k + 3, l] == 0.0
    assert resolved.scene.f_grid[0, 0, 0] == 7.5


def test_the_column_is_chosen_and_reported_amplitudes_first() -> None:
    resolved = resolve(_crystal(structure_factors=PEPTIDE_MTZ))
    assert any("amplitudes FP" in note for note in resolved.notes)
    assert resolved.warnings == ()


def test_intensities_become_square_roots_with_a_warning() -> None:
    resolved = resolve(_crystal(structure_factors=PEPTIDE_MTZ, sf_column="I"))
    assert any("French-Wilson" in warning for warning in resolved.warnings)
    mtz = gemmi.read_mtz_file(str(PEPTIDE_MTZ))
    row = next(r for r in np.array(mtz.array) if np.isfinite(r[6]) and r[6] > 0)
    at = tuple(int(x) - m for x, m in zip(row[:3], resolved.scene.f_min, strict=True))
    assert resolved.scene.f_grid[at] == pytest.approx(np.sqrt(row[6]), rel=1e-6)


def test_friedel_pairs_in_a_file_stay_apart(tmp_path: Path) -> None:
    """Measured anomalous differences are what the column pair is for."""
    columns = {"F(+)": "G", "SIGF(+)": "L", "F(-)": "G", "SIGF(-)": "L"}
    path = _mtz(tmp_path / "a.mtz", columns, [[1, 2, 3, 10, 1, 20, 1], [2, 2, 2, 5, 1, np.nan, 1]])
    expanded = expand_to_p1(read_reflection_file(path, "mtz"), 0.5).factors
    assert any("1 Friedel mates were not measured" in warning for warning in expanded.warnings)
    pairs = {(1, 2, 3): 10, (-1, -2, 3): 10, (-1, -2, -3): 20, (1, -2, 3): 20, (2, 2, 2): 5, (-2, -2, -2): 5}
    for index, value in pairs.items():
        assert _at(expanded.grid, expanded.minimum, np.array([index]))[0] == value, index


def test_cif_reflections_give_what_the_mtz_gives(tmp_path: Path) -> None:
    text = gemmi.MtzToCif().write_cif_to_string(gemmi.read_mtz_file(str(PEPTIDE_MTZ)))
    path = tmp_path / "sf.cif.gz"
    path.write_bytes(gzip.compress(text.encode()))
    assert structure_factor_kind(path) == "reflections"
    one, other = (resolve(_crystal(structure_factors=p)).scene.f_grid for p in (path, PEPTIDE_MTZ))
    np.testing.assert_allclose(one, other, rtol=1e-4, atol=0.006)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"structure_factors": PEPTIDE_MTZ, "sf_column": "FOO"}, "-sf_column: found 'FOO', expected a column of"),
        ({"structure_factors": PEPTIDE, "sf_column": "F"}, "-sf_column"),
        ({"structure_factors": PEPTIDE, "sf_dmin": -1.0}, "-sf_dmin"),
        ({"structure_factors": PEPTIDE, "k_sol": -1.0}, "-k_sol"),
        ({"structure_factors": PEPTIDE, "sf_dmin": 1e-3}, "-sf_dmin"),
    ],
)
def test_mistakes_are_one_sentence(fields: dict, said: str) -> None:
    with pytest.raises(InputError, match=said):
        resolve(_crystal(**fields))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.mtz", b"MTZ nothing more"),
        ("a.cif", b"data_x\n_cell.length_a 3\n"),
        ("a.cif", b"data_x\nloop_\n_refln.index_h\n_refln.index_k\n1\n"),
        ("a.pdb", b"HEADER    NOTHING\nEND\n"),
        ("a.pdb", b""),
        ("a.pdb.gz", b"\x1f\x8bnot really"),
        ("a.cif", b"data_x\nloop_\n_atom_site.id\n_atom_site.type_symbol\n1\n"),
    ],
)
def test_damaged_files_are_one_sentence(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError, match=name):
        resolve(_crystal(structure_factors=path))


# ---- on the command line ----------------------------------------------------------------------------------


def test_the_words_reach_the_crystal() -> None:
    crystal = parse_words("-hkl a.mtz -sf_column FP -sf_dmin 2.5 -k_sol 0.4 -b_sol 50").experiment.crystal
    assert (crystal.sf_column, crystal.sf_dmin, crystal.k_sol, crystal.b_sol) == ("FP", 2.5, 0.4, 50.0)
    for words in ("-sf_dmin 2.5A", "-sf_dmin 0", "-k_sol -1", "-b_sol inf"):
        with pytest.raises(InputError, match=words.split()[0]):
            parse_words(words)


def test_a_model_is_all_that_a_run_needs_and_leaves_no_cache(tmp_path: Path) -> None:
    """No -cell, no -mat; a cache of a model would silently outlive a change of energy or detector."""
    shutil.copy(PEPTIDE, tmp_path)
    words = "-hkl 5e5z.pdb -N 5 -detpixels 32 -pixel 3 -distance 60 -nonoise -nopgm -noprogress"
    done = subprocess.run(
        [sys.executable, "-m", "nanobragg", *words.split()], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "unit cell 9.643" in done.stdout
    assert "bulk solvent of 0.35" in done.stdout
    assert sorted(os.listdir(tmp_path)) == ["5e5z.pdb", "floatimage.bin", "intimage.img"]
    assert np.fromfile(tmp_path / "floatimage.bin", dtype=np.float32).max() > 0


def test_a_given_cell_is_stronger_than_the_file_and_a_different_one_is_warned_about() -> None:
    resolved = resolve(_crystal(structure_factors=PEPTIDE_MTZ, cell=(20, 20, 20, 90, 90, 90)))
    assert resolved.sample.cell[0] == pytest.approx(20)
    assert any("unit cell" in warning for warning in resolved.warnings)


def test_without_gemmi_one_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    FILES.forget()
    monkeypatch.setitem(sys.modules, "gemmi", None)
    with pytest.raises(InputError, match=r"found no package gemmi.*nanobragg\[files\]"):
        resolve(_crystal(structure_factors=PEPTIDE))


def test_blocks_and_groups_are_said_on_the_command_line(tmp_path: Path) -> None:
    crystal = parse_words("-hkl a.cif -sf_block second -sf_group P212121").experiment.crystal
    assert (crystal.sf_block, crystal.sf_group) == ("second", "P212121")
    with pytest.raises(InputError, match="-sf_block: found 'x' without a file of blocks"):
        resolve(_crystal(structure_factors=PEPTIDE_MTZ, sf_block="x"))
    with pytest.raises(InputError, match="-sf_group: found 'Q 7', expected the name or the number of a space group"):
        resolve(_crystal(structure_factors=PEPTIDE_MTZ, sf_group="Q 7"))
    lower = resolve(_crystal(structure_factors=PEPTIDE_MTZ, sf_group="1")).sample.reflections
    assert lower < resolve(_crystal(structure_factors=PEPTIDE_MTZ)).sample.reflections


def test_a_cache_that_saves_no_time_is_not_written(tmp_path: Path) -> None:
    """Two reflections that are far apart made a file of 1 GB."""
    (tmp_path / "far.hkl").write_text("0 0 1 5\n200 200 150 7\n")
    (tmp_path / "near.hkl").write_text("0 0 1 5\n20 20 20 7\n")
    for name, written in (("far", False), ("near", True)):
        words = f"-hkl {name}.hkl -cell 79 79 38 90 90 90 -N 5 -detpixels 8 -nonoise -nopgm -noprogress"
        done = subprocess.run(
            [sys.executable, "-m", "nanobragg", *words.split()],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert os.path.exists(tmp_path / "Fdump.bin") == written
        assert ("no dump file is written" in done.stdout) != written


def test_work_on_structure_factors_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two minutes without a sign of life were reported."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("nanobragg.program.progress.QUIET_SECONDS", 0.0)
    (tmp_path / "salt.cif").write_text(SALT)
    words = "-hkl salt.cif -lambda 1 -N 5 -detpixels 8 -nonoise -nopgm -oversample 1"
    assert main(words.split()) == 0
    printed = capsys.readouterr().out
    assert "structure factors: 100% done" in printed
    assert "salt.cif: F m -3 m (number 225), from its name F m -3 m, 8 atoms in the cell (Na4 Cl4)" in printed
