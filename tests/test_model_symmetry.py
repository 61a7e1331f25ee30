"""Symmetry, settings and atoms of models: another origin or unique axis is another crystal, without any other sign.

Right values are closed forms: sums over the atoms of the cell, written out by hand or by NumPy.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import gemmi
import numpy as np
import pytest

from nanobragg import Beam, Crystal, Detector, Experiment, InputError, resolve
from nanobragg.io.factors import atomic_model, density
from nanobragg.io.factors.atomic_model import Recipe, model_factors
from nanobragg.io.factors.group_names import find_group, group_of_number
from nanobragg.io.factors.model_files import read_model
from nanobragg.io.factors.models import ModelFile, in_group
from nanobragg.io.factors.types import Choice
from nanobragg.io.factors.waves import Reflections
from nanobragg.maths.lattice import ball_of
from nanobragg.records.structure_factors import StructureFactors

ENERGY = 12398.42
CUBIC = (5.431, 5.431, 5.431, 90, 90, 90)
TAGS = ("length_a", "length_b", "length_c", "angle_alpha", "angle_beta", "angle_gamma")
SITES = "_label _type_symbol _fract_x _fract_y _fract_z _U_iso_or_equiv"


def small(
    cell: tuple[float, ...], symmetry: str, atoms: str, sites: str = SITES, more: str = "", name: str = "x"
) -> str:
    constants = "".join(f"_cell_{tag} {value}\n" for tag, value in zip(TAGS, cell, strict=True))
    columns = "".join(f"_atom_site{tag}\n" for tag in sites.split())
    return f"data_{name}\n{constants}{symmetry}\n{more}\nloop_\n{columns}{atoms}\n"


def named(name: str) -> str:
    return f"_symmetry_space_group_name_H-M '{name}'"


def operators(triplets: list[str]) -> str:
    return "loop_\n_symmetry_equiv_pos_as_xyz\n" + "\n".join(f"'{triplet}'" for triplet in triplets)


def read(path: Path, text: str, **choice: str) -> ModelFile:
    path.write_text(text)
    return read_model(path, Choice(**choice))


def computed(model: ModelFile, resolution: float = 1.2) -> StructureFactors:
    return model_factors(model, Recipe(resolution=resolution, energy=ENERGY, k_sol=0.0, b_sol=46.0))


def F(factors: StructureFactors, *hkl: int) -> float:
    return float(factors.grid[tuple(i - low for i, low in zip(hkl, factors.minimum, strict=True))])


def scattering(element: str, d: float, u: float) -> float:
    """|f0 + f' + i f''| exp(-B/4d²) of one atom, electrons."""
    found = gemmi.Element(element)
    f_prime, f_double_prime = gemmi.cromer_liberman(z=found.atomic_number, energy=ENERGY)
    f = found.it92.calculate_sf(1 / (4 * d * d)) + f_prime + 1j * f_double_prime
    return abs(f) * np.exp(-2 * np.pi**2 * u / d**2)


# ---- diamond: 4√2 f for 1 1 1, nothing for 2 0 0 -----------------------------------------------------------

SI = "Si1 Si {0} {0} {0} 0.006"
SHIFTED = [
    op.triplet()
    for op in (lambda ops: (ops.change_basis_forward(gemmi.Op("x+1/8,y+1/24,z-1/12")), ops)[1])(
        gemmi.SpaceGroup("F d -3 m:1").operations()
    )
]


@pytest.mark.parametrize(
    ("symmetry", "place"),
    [
        (named("F d 3 m"), "0"),
        (named("F d -3 m"), "0"),
        (named("Fd3barm"), "0"),
        (named("FD-3MS"), "0"),
        (named("F d -3 m Z"), "0.125"),
        (named("F d -3 m :2"), "0.125"),
        (named("F d -3 m (origin choice 2)"), "0.125"),
        (named("F 41/d -3 2/m"), "0"),
        (named("nonsense") + "\n_symmetry_Int_Tables_number 227", "0"),
        ("_space_group_IT_number 227", "0"),
        ("_space_group_name_Hall 'F 4d 2 3 -1d'", "0"),
        ("_space_group_name_Hall '-F 4vw 2vw 3'", "0.125"),
        (named("F d -3 m") + "\n_space_group_IT_coordinate_system_code 2", "0.125"),
        (operators([op.triplet() for op in gemmi.SpaceGroup("F d -3 m:2").operations()]), "0.125"),
    ],
)
def test_silicon_is_silicon_however_its_group_is_said(tmp_path: Path, symmetry: str, place: str) -> None:
    model = read(tmp_path / "si.cif", small(CUBIC, symmetry, SI.format(place)))
    factors = computed(model)
    assert F(factors, 1, 1, 1) == pytest.approx(4 * 2**0.5 * scattering("Si", 5.431 / 3**0.5, 0.006), rel=1e-6)
    assert F(factors, 2, 0, 0) == 0.0
    assert F(factors, 2, 2, 0) == pytest.approx(8 * scattering("Si", 5.431 / 8**0.5, 0.006), rel=1e-6)
    assert model.contents == "8 atoms in the cell (Si8)"
    assert "number 227" in model.symmetry.described


def test_the_operators_of_a_file_beat_its_name(tmp_path: Path) -> None:
    """Diamond about another origin: with the origin of the tables there would be 192 atoms."""
    shift = np.array([1 / 8, 1 / 24, -1 / 12])
    site = "Si1 Si {:.8f} {:.8f} {:.8f} 0.006".format(*shift)
    text = small(CUBIC, named("F d -3 m") + "\n" + operators(SHIFTED), site)
    model = read(tmp_path / "si.cif", text)
    assert model.contents == "8 atoms in the cell (Si8)"
    assert "a setting of its own), from its 192 operators" in model.symmetry.described
    assert F(computed(model), 1, 1, 1) == pytest.approx(4 * 2**0.5 * scattering("Si", 5.431 / 3**0.5, 0.006), rel=1e-6)
    assert F(computed(model), 2, 0, 0) == 0.0
    other = read(
        tmp_path / "b.cif", small(CUBIC, named("P 21 3") + "\n" + operators(["x,y,z", "-x,-y,-z"]), SI.format(0.1))
    )
    assert any("not those of 'P 21 3'" in warning for warning in other.warnings)
    assert other.contents == "2 atoms in the cell (Si2)"


def test_an_origin_that_nobody_says_is_told(tmp_path: Path) -> None:
    guessed = read(tmp_path / "a.cif", small(CUBIC, named("F d -3 m"), SI.format(0)))
    assert any("origin choice 1 is taken" in warning for warning in guessed.warnings)
    said = read(tmp_path / "a.cif", small(CUBIC, named("F d -3 m:1"), SI.format(0)))
    assert said.warnings == ()
    option = read(tmp_path / "a.cif", small(CUBIC, named("nonsense"), SI.format(0.125)), group="F d -3 m:2")
    assert option.contents == "8 atoms in the cell (Si8)"


def test_the_formula_decides_between_origins(tmp_path: Path) -> None:
    """At 1/8 there are 8 atoms about the second origin and 16 about the first."""
    formula = "_chemical_formula_sum Si\n_cell_formula_units_Z {}"
    model = read(tmp_path / "a.cif", small(CUBIC, named("F d -3 m"), SI.format(0.125), more=formula.format(8)))
    assert model.contents == "8 atoms in the cell (Si8)"
    assert "origin choice 2" in model.symmetry.described
    assert model.warnings == ()
    odd = read(tmp_path / "a.cif", small(CUBIC, named("F d -3 m"), SI.format(0.125), more=formula.format(4)))
    assert any("where its formula says 4" in warning for warning in odd.warnings)


# ---- unique axes and rhombohedral cells -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cell", "name", "images"),
    [
        ((7.1, 9.3, 11.2, 90, 90, 97.5), "P 2/m", "x,y,z -x,-y,z"),
        ((7.1, 9.3, 11.2, 90, 97.5, 90), "P 2/m", "x,y,z -x,y,-z"),
        ((7.1, 9.3, 11.2, 97.5, 90, 90), "P 2/m", "x,y,z x,-y,-z"),
        ((7.1, 9.3, 11.2, 90, 90, 97.5), "P 21/b", "x,y,z -x,-y+1/2,z+1/2"),
        ((7.1, 9.3, 11.2, 90, 97.5, 90), "P 2(1)/c", "x,y,z -x,y+1/2,-z+1/2"),
        ((7.1, 9.3, 11.2, 90, 97.5, 90), "P2_1/n", "x,y,z -x+1/2,y+1/2,-z+1/2"),
        ((7.1, 9.3, 11.2, 90, 90, 97.5), "B 2/m", "x,y,z -x,-y,z x+1/2,y,z+1/2 -x+1/2,-y,z+1/2"),
        ((7.1, 9.3, 11.2, 90, 90, 90), "P n m a :cab", None),
    ],
)
def test_the_unique_axis_is_that_of_the_cell(
    tmp_path: Path, cell: tuple[float, ...], name: str, images: str | None
) -> None:
    """Centrosymmetric groups: F = 2 f Σ cos 2π h·x over half of the operations."""
    model = read(tmp_path / "a.cif", small(cell, named(name), "C1 C 0.11 0.22 0.33 0.03"))
    factors = computed(model)
    if images is None:  # P n m a with its axes renamed is P b n m
        half = list(gemmi.SpaceGroup("P b n m").operations().sym_ops)[:4]
    else:
        half = [gemmi.Op(triplet) for triplet in images.split()]
    for hkl in ((1, 0, 1), (-1, 0, 1), (1, 2, 3), (2, 1, 0), (0, 0, 3)):
        d = gemmi.UnitCell(*cell).calculate_d(hkl)
        phases = [2 * np.pi * np.dot(hkl, op.apply_to_xyz([0.11, 0.22, 0.33])) for op in half]
        mirrored = [
            2 * np.pi * np.dot(hkl, op.combine(gemmi.Op("-x,-y,-z")).apply_to_xyz([0.11, 0.22, 0.33])) for op in half
        ]
        total = abs(np.exp(1j * np.array(phases + mirrored)).sum())
        assert F(factors, *hkl) == pytest.approx(total * scattering("C", d, 0.03), abs=1e-4), hkl


HEMATITE = (5.035, 5.035, 13.747, 90, 90, 120)
RHOMBOHEDRAL = (5.4243, 5.4243, 5.4243, 55.29, 55.29, 55.29)


def test_rhombohedral_groups_in_both_axes(tmp_path: Path) -> None:
    """The same crystal: a reflection h k l of hexagonal axes is (2h+k+l)/3, (-h+k+l)/3, (-h-2k+l)/3 of the others."""
    hexagonal = "Fe1 Fe 0 0 0.35530 0.004\nO1 O 0.3060 0 0.25 0.005"
    z, x = 0.35530, 0.3060
    rhombohedral = f"Fe1 Fe {z} {z} {z} 0.004\nO1 O {x + 0.25} {0.25 - x} 0.25 0.005"
    one = computed(read(tmp_path / "h.cif", small(HEMATITE, named("R -3 c"), hexagonal)))
    other_file = read(tmp_path / "r.cif", small(RHOMBOHEDRAL, named("R-3c"), rhombohedral))
    other = computed(other_file)
    assert "rhombohedral axes" in other_file.symmetry.described
    assert other_file.contents == "10 atoms in the cell (Fe4 O6)"
    for h, k, l in ((0, 1, 2), (1, 0, 4), (1, 1, 0), (1, 1, 3), (0, 2, 4), (1, 1, 6)):  # noqa: E741
        index = ((2 * h + k + l) // 3, (-h + k + l) // 3, (-h - 2 * k + l) // 3)
        assert F(one, h, k, l) == pytest.approx(3 * F(other, *index), rel=2e-3), (h, k, l)
    assert F(one, 0, 1, 1) == 0.0


@pytest.mark.parametrize(
    ("name", "cell", "setting"),
    [
        ("C m c e", (7, 9, 11, 90, 90, 90), "C m c a"),
        ("P 63/mmc", (7, 7, 11, 90, 90, 120), "P 63/m m c"),
        ("P 21/n 21/m 21/a", (7, 9, 11, 90, 90, 90), "P n m a"),
        ("P 4/m 2/m 2/m", (7, 7, 11, 90, 90, 90), "P 4/m m m"),
        ("F4-3m", CUBIC, "F -4 3 m"),
        ("P_21_21_21", (7, 9, 11, 90, 90, 90), "P 21 21 21"),
        ("p43212", (7, 7, 11, 90, 90, 90), "P 43 21 2"),
        ("H32", (7, 7, 11, 90, 90, 120), "R 3 2:H"),
        ("R 3 m H", (7, 7, 11, 90, 90, 120), "R 3 m:H"),
        ("P $\\bar{1}$", (7, 9, 11, 80, 85, 95), "P -1"),
        ("C 1 2/c 1 :b1", (7, 9, 11, 90, 95, 90), "C 1 2/c 1"),
        ("P 21/c (No. 14)", (7, 9, 11, 90, 95, 90), "P 1 21/c 1"),
        ("I 2/a", (7, 9, 11, 90, 95, 90), "I 1 2/a 1"),
        ("B2", (7, 9, 11, 90, 90, 95), "B 1 1 2"),
    ],
)
def test_names_as_people_write_them(name: str, cell: tuple[float, ...], setting: str) -> None:
    found = find_group(gemmi, name, cell)  # type: ignore[arg-type]
    assert found is not None
    assert found.group.xhm() == setting


def test_numbers_take_the_setting_that_fits() -> None:
    for number, cell, setting in (
        (3, (7, 9, 11, 90, 90, 95), "P 1 1 2"),
        (146, (7, 7, 7, 80, 80, 80), "R 3:R"),
        (146, (7, 7, 9, 90, 90, 120), "R 3:H"),
        (1146, (7, 7, 7, 80, 80, 80), "R 3:R"),
        (96, (7, 7, 9, 90, 90, 90), "P 43 21 2"),
    ):
        found = group_of_number(gemmi, number, cell)  # type: ignore[arg-type]
        assert found is not None
        assert found.group.xhm() == setting


@pytest.mark.parametrize(
    ("symmetry", "cell", "message"),
    [
        ("", CUBIC, "found no space group and no symmetry operators"),
        (named("nonsense"), CUBIC, "found the space group 'nonsense', expected one that is known"),
        (named("P 1 2/m 1"), (7.1, 9.3, 11.2, 90, 90, 97.5), "expected a cell that fits"),
        (named("R -3 c:R"), HEMATITE, "expected a cell that fits"),
        (named("F m -3 m"), (5, 5, 6, 90, 90, 90), "expected a cell that fits"),
        (operators(["x,y,z", "-x,y,z+1/4"]), (7, 9, 11, 90, 90, 90), "no group"),
        (operators(["x,y,z", "-x,y,w"]), CUBIC, "found the symmetry operator '-x,y,w'"),
        (operators(["x,x,z"]), CUBIC, "found the symmetry operator 'x,x,z'"),
    ],
)
def test_symmetry_that_cannot_be_is_one_sentence(
    tmp_path: Path, symmetry: str, cell: tuple[float, ...], message: str
) -> None:
    with pytest.raises(InputError, match=message) as caught:
        read(tmp_path / "a.cif", small(cell, symmetry, SI.format(0)))
    assert "a.cif" in str(caught.value)
    assert "-sf_group" in str(caught.value) or "operator" in str(caught.value)


def test_operators_as_files_write_them(tmp_path: Path) -> None:
    written = ["X, Y, Z", "1/2-x, .5+y, 0.5 - z", "2 -X,-Y,-Z", "+x+1/2,-y+1/2,z+.5"]
    model = read(tmp_path / "a.cif", small((7, 9, 11, 90, 95, 90), operators(written), SI.format(0.1)))
    assert model.symmetry.described.startswith("P 1 21/n 1 (number 14, unique axis b), from its 4 operators")
    without = read(tmp_path / "c.cif", small((7, 9, 11, 80, 95, 85), operators(["-x,-y,-z"]), SI.format(0.1)))
    assert without.contents == "2 atoms in the cell (Si2)"  # x,y,z goes without saying
    thirds = ["x,y,z", "-y,x-y,z+0.3333", "y-x,-x,z+.6667"]
    model = read(tmp_path / "b.cif", small((7, 7, 11, 90, 90, 120), operators(thirds), SI.format(0.1)))
    assert model.symmetry.described.startswith("P 31 (number 144)")


def test_a_name_and_a_number_that_differ_are_told(tmp_path: Path) -> None:
    both = named("P 21 21 21") + "\n_symmetry_Int_Tables_number 18"
    model = read(tmp_path / "a.cif", small((7, 9, 11, 90, 90, 90), both, SI.format(0.1)))
    assert any("number 19, not 18" in warning for warning in model.warnings)


# ---- PDB and mmCIF ----------------------------------------------------------------------------------------

ATOM = "ATOM      1  C   ALA A   1       1.000   2.000   3.000  1.00 10.00           C\n"
REMARK = (
    "REMARK 290      SYMOP   SYMMETRY\nREMARK 290     NNNMMM   OPERATOR\n"
    "REMARK 290       1555   X,Y,Z\nREMARK 290       2555   -X,Y+1/2,-Z\n"
)


def test_pdb_files_without_a_group_are_refused_or_read_by_their_remarks(tmp_path: Path) -> None:
    record = "CRYST1   20.000   25.000   30.000  90.00  95.00  90.00 {:11s}\n"
    with pytest.raises(InputError, match="no space group"):
        read(tmp_path / "a.pdb", record.format("") + ATOM)
    assert read(tmp_path / "a.pdb", record.format("") + ATOM, group="P 21").contents == "2 x 1 atoms in the cell"
    for group in ("", "P 9"):
        model = read(tmp_path / "a.pdb", REMARK + record.format(group) + ATOM)
        assert model.symmetry.described == "P 1 21 1 (number 4, unique axis b), from the 2 operators of REMARK 290"
    kept = read(tmp_path / "a.pdb", REMARK + record.format("P 1") + ATOM)
    assert kept.contents == "1 atoms in the cell"


def test_mmcif_models_have_their_operators(tmp_path: Path) -> None:
    structure = gemmi.read_pdb_string("CRYST1   20.000   25.000   30.000  90.00  95.00  90.00 P 1 21 1\n" + ATOM)
    text = structure.make_mmcif_document().as_string()
    text += "loop_\n_space_group_symop.id\n_space_group_symop.operation_xyz\n1 x,y,z\n2 -x,y,-z\n"
    model = read(tmp_path / "a.cif", text)
    assert model.symmetry.described == "P 1 2 1 (number 3, unique axis b), from its 2 operators"
    assert any("not those of 'P 1 21 1'" in warning for warning in model.warnings)


# ---- atoms ------------------------------------------------------------------------------------------------


def test_atoms_with_names_of_their_own(tmp_path: Path) -> None:
    """Waters were dropped, and nobody was told which."""
    sites = SITES.replace("_type_symbol ", "")
    atoms = (
        "Wat1 0.1 0.1 0.1 0.01\nOW2 0.3 0.1 0.1 0.01\nFe1 0.5 0.1 0.1 0.01\nQ9 0.7 0.1 0.1 0.01\nC1A 0.9 0.1 0.1 0.01\n"
        "HOH3 0.1 0.6 0.1 0.01"
    )
    model = read(tmp_path / "a.cif", small((9, 9, 9, 90, 90, 90), named("P 1"), atoms, sites))
    assert model.contents == "5 atoms in the cell (O3 Fe1 C1)"
    said = " ".join(model.warnings)
    assert "Wat1, OW2, HOH3 are taken for O" in said
    assert "1 atom of unknown element is left out: Q9" in said
    assert F(computed(model), 0, 0, 0) == pytest.approx(3 * 8 + 26 + 6, rel=0.01)


def test_atoms_that_symmetry_makes_are_told_where_they_are_listed_too(tmp_path: Path) -> None:
    """As programs write that list the whole cell and name its group; a site that two share is no such thing."""
    rows = ["Na1 Na 0 0 0 0.01", "Na2 Na 0.5 0.5 0 0.01", "Cl1 Cl 0.5 0.5 0.5 0.01", "Cl2 Cl 0 0 -0.5 0.01"]
    cell = (5.64, 5.64, 5.64, 90, 90, 90)
    model = read(tmp_path / "a.cif", small(cell, named("F m -3 m"), "\n".join(rows)))
    assert any("2 atoms are where symmetry puts others, and count twice: " in text for text in model.warnings)
    shared = "\n".join(f"{row} 0.5" for row in rows)
    assert not read(tmp_path / "b.cif", small(cell, named("F m -3 m"), shared, f"{SITES} _occupancy")).warnings
    assert not read(tmp_path / "c.cif", small(cell, named("F m -3 m"), "\n".join(rows[::2]))).warnings


def test_scale_records_that_are_not_of_the_cell_are_told(tmp_path: Path) -> None:
    head = "CRYST1   20.000   25.000   30.000  90.00  90.00  90.00 P 1\n"
    scale = "".join(
        "SCALE{}    {:10.6f}{:10.6f}{:10.6f}        0.00000\n".format(n + 1, *row)
        for n, row in enumerate(np.diag([0.05, 0.04, 0.05]).tolist())
    )
    model = read(tmp_path / "a.pdb", head + scale + ATOM)
    assert any("placed in the cell by its SCALE records" in text for text in model.warnings)
    assert not read(
        tmp_path / "b.pdb", head + scale.replace("  0.050000        0.0", "  0.033333        0.0") + ATOM
    ).warnings


def test_the_formula_tells_alpha_carbon_from_calcium(tmp_path: Path) -> None:
    sites, formula = SITES.replace("_type_symbol ", ""), "_chemical_formula_sum 'C2 O'"
    atoms = "CA1 0.1 0.1 0.1 0.01\nW1 0.3 0.1 0.1 0.01\nC2 0.5 0.1 0.1 0.01"
    cell = (9, 9, 9, 90, 90, 90)
    assert read(tmp_path / "a.cif", small(cell, named("P 1"), atoms, sites)).contents.endswith("(Ca1 W1 C1)")
    model = read(tmp_path / "a.cif", small(cell, named("P 1"), atoms.replace("W1", "Ow1"), sites, formula))
    assert model.contents.endswith("(C2 O1)")


def test_dummies_and_atoms_that_stand_still_are_told(tmp_path: Path) -> None:
    sites = SITES.replace("_U_iso_or_equiv", "_calc_flag")
    model = read(
        tmp_path / "a.cif",
        small((9, 9, 9, 90, 90, 90), named("P 1"), "C1 C 0 0 0 d\nC2 C 0.5 0 0 dum\nC3 C ? ? ? d", sites),
    )
    assert model.contents == "1 atoms in the cell (C1)"
    assert any("left out: C2, C3" in warning for warning in model.warnings)
    assert any("U = 0" in warning for warning in model.warnings)


@pytest.mark.parametrize("unit", [1.0, 8 * np.pi**2])
def test_displacements_are_u_or_b(tmp_path: Path, unit: float) -> None:
    """Along a* of a cell of right angles: exp(-2π² U h²/a²)."""
    kind = "U" if unit == 1.0 else "B"
    sites = SITES.replace("_U_iso_or_equiv", f"_{kind}_iso_or_equiv")
    numbers = " ".join(f"{unit * u:.8f}" for u in (0.01, 0.02, 0.04, 0, 0, 0))
    more = "loop_\n_atom_site_aniso_label\n" + "".join(
        f"_atom_site_aniso_{kind}_{ij}\n" for ij in (11, 22, 33, 12, 13, 23)
    )
    cell = (9, 9, 9, 90, 90, 90)
    isotropic = read(tmp_path / "i.cif", small(cell, named("P 1"), f"C1 C 0 0 0 {unit * 0.02:.8f}", sites))
    assert F(computed(isotropic), 0, 0, 4) == pytest.approx(scattering("C", 9 / 4, 0.02), rel=1e-5)
    tensor = read(tmp_path / "a.cif", small(cell, named("P 1"), "C1 C 0 0 0 0", sites, f"{more}C1 {numbers}"))
    for axis, u in enumerate((0.01, 0.02, 0.04)):
        hkl = [0, 0, 0]
        hkl[axis] = 4
        assert F(computed(tensor), *hkl) == pytest.approx(scattering("C", 9 / 4, u), rel=1e-5)


def test_a_block_with_atoms_is_chosen(tmp_path: Path) -> None:
    one = small(CUBIC, named("F d -3 m:1"), SI.format(0), name="one")
    other = small(CUBIC, named("F m -3 m"), SI.format(0), name="two")
    first = read(tmp_path / "a.cif", "data_global\n_journal_year 2000\n" + one + other)
    assert first.contents == "8 atoms in the cell (Si8)"
    assert first.notes == (f"{tmp_path / 'a.cif'}: block one is read, not two (-sf_block NAME)",)
    assert read(tmp_path / "a.cif", one + other, block="two").contents == "4 atoms in the cell (Si4)"


def test_electrons_are_told_that_form_factors_are_those_of_x_rays(tmp_path: Path) -> None:
    path = tmp_path / "a.cif"
    path.write_text(small(CUBIC, named("F d -3 m:1"), SI.format(0)))
    for wavelength, told in ((0.025, True), (0.2, False)):
        experiment = Experiment(
            beam=Beam(wavelength=wavelength),
            crystal=Crystal(structure_factors=path, cells=5, sf_dmin=1.0),
            detector=Detector(shape=(4, 4)),
        )
        assert any("X-rays" in warning for warning in resolve(experiment).warnings) == told


# ---- summation and transforms ------------------------------------------------------------------------------


@pytest.mark.parametrize("slab", [1, 2**25])
@pytest.mark.parametrize("own_setting", [False, True])
def test_transforms_agree_with_summation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own_setting: bool, slab: int
) -> None:
    """Both ways, for a group of gemmi's tables and for one about another origin, with an anisotropic atom; in slabs
    and in one piece.
    """
    site = "{:.8f} {:.8f} {:.8f}".format(*((1 / 8, 1 / 24, -1 / 12) if own_setting else (0, 0, 0)))
    symmetry = operators(SHIFTED) if own_setting else named("F d -3 m:1")
    atoms = f"Si1 Si {site} 0.01\nO1 O 0.31 0.17 0.44 0.02"
    aniso = "loop_\n_atom_site_aniso_label\n_atom_site_aniso_U_11\n_atom_site_aniso_U_22\n_atom_site_aniso_U_33\n" + (
        "_atom_site_aniso_U_12\n_atom_site_aniso_U_13\n_atom_site_aniso_U_23\nO1 0.01 0.02 0.04 0.004 -0.003 0.002\n"
    )
    cell = (9.0, 9.0, 9.0, 90, 90, 90)
    model = read(tmp_path / "a.cif", small(cell, symmetry, atoms, more=aniso))
    summed = computed(model, 1.0).grid
    monkeypatch.setattr(atomic_model, "cost_of", lambda *_: 1e99)
    monkeypatch.setattr(density, "_SLAB", slab)
    transformed = computed(model, 1.0).grid
    assert np.abs(summed - transformed).max() < 2e-3 * np.sqrt((summed**2).mean())


def test_slabs_of_an_oblique_cell_make_one_crystal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Slabs lie along an axis that is not at right angles to them; atoms reach over their borders and the cell's, and
    most of the cell is empty.
    """
    atoms = "C1 C 0.02 0.97 0.01 0.03\nS1 S 0.11 0.02 0.23 0.05\nSe1 Se 0.9 0.06 0.98 0.02"
    model = read(tmp_path / "a.cif", small((23, 31, 67, 82, 65, 118), named("P 1"), atoms))
    summed = computed(model, 1.8).grid
    monkeypatch.setattr(atomic_model, "cost_of", lambda *_: 1e99)
    monkeypatch.setattr(density, "_SLAB", 1)
    in_slabs = computed(model, 1.8).grid
    monkeypatch.setattr(density, "_SLAB", 2**25)
    whole = computed(model, 1.8).grid
    mean = np.sqrt((summed**2).mean())
    assert np.abs(in_slabs - whole).max() < 1e-5 * mean
    assert np.sqrt(((whole - summed) ** 2).mean()) < 5e-4 * mean


def test_the_solvent_is_the_transform_of_its_mask(tmp_path: Path) -> None:
    """As gemmi transforms it, in an oblique cell and in one with symmetry; beyond the mask's grid there is none."""
    for cell, group in (((13, 17, 19, 82, 71, 112), "P 1"), ((16, 16, 21, 90, 90, 120), "P 32 2 1")):
        model = read(tmp_path / "a.cif", small(cell, named(group), "C1 C 0.1 0.2 0.3 0.05\nS1 S 0.4 0.3 0.2 0.05"))
        unit, spacing = model.structure.cell, 0.9
        recipe = Recipe(resolution=1.2, energy=ENERGY, k_sol=0.4, b_sol=50.0)
        metric, _ = ball_of(cell, recipe.resolution**-2)
        hkl = np.stack(np.meshgrid(range(6), range(-7, 8), range(-8, 9), indexing="ij"), axis=-1).reshape(-1, 3)
        hkl = np.concatenate([[[0, 0, 0]], hkl[(hkl != 0).any(axis=1)]]).astype(np.int32)
        sums = np.full(len(hkl), 2.0, np.complex64)
        atomic_model._add_solvent(gemmi, model, recipe, spacing, Reflections(hkl, metric, np.inf), sums)
        structure, mask = in_group(gemmi, model), gemmi.FloatGrid()
        mask.setup_from(structure, spacing=spacing)
        gemmi.SolventMasker(gemmi.AtomicRadiiSet.Refmac).put_mask_on_float_grid(mask, structure[0])
        assert 0.1 < np.array(mask).mean() < 0.99
        waves = gemmi.transform_map_to_f_phi(mask)
        for number, index in enumerate(hkl.tolist()):
            s2 = unit.calculate_1_d2(index)
            expected = 0.4 * np.exp(-12.5 * s2) * waves.get_value(*index) if s2 <= (2 * spacing) ** -2 else 0
            assert sums[number] == pytest.approx(2 + expected, rel=1e-5, abs=1e-3), (group, index)


@pytest.mark.slow  # 9 s
def test_a_virus_sized_cell_fits_into_three_gigabytes(tmp_path: Path) -> None:
    """P 21 21 21, 415 Å to 1.6 Å: 73 million structure factors, as the command computes them."""
    rng = np.random.default_rng(1)
    lines = ["CRYST1  415.000  415.000  415.000  90.00  90.00  90.00 P 21 21 21    4"]
    for number, place in enumerate(rng.uniform(60, 110, (3000, 3))):
        x, y, z = place
        b = rng.uniform(15, 60)
        lines.append(
            f"ATOM  {number + 1:5}  C   ALA A{number // 5:4}    {x:8.3f}{y:8.3f}{z:8.3f}  1.00{b:6.2f}           C"
        )
    (tmp_path / "a.pdb").write_text("\n".join([*lines, "END", ""]))
    program = (
        "import resource\nfrom nanobragg import Experiment, resolve\n"
        "words = '-hkl a.pdb -sf_dmin 1.6 -lambda 1 -N 5 -distance 300 -detpixels 8'\n"
        "resolved = resolve(Experiment.from_args(words))\n"
        "print(resolved.scene.f_grid.shape[0], resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
    planes, kilobytes = map(int, done.stdout.split())
    assert planes == 519
    assert kilobytes < 3e6


def test_a_large_cell_with_few_atoms_is_quick(tmp_path: Path) -> None:
    """P 21 21 21, 120 Å to 2 Å, where the transform's grid would take longer; values are those of the sum."""
    places = np.arange(8)[:, None] * (0.03, 0.02, -0.03) + (0.01, 0.02, 0.3)
    atoms = "\n".join(f"C{i} C {x:.2f} {y:.2f} {z:.2f} {0.1 + 0.01 * i:.2f}" for i, (x, y, z) in enumerate(places))
    done: list[float] = []
    model = read(tmp_path / "a.cif", small((120, 130, 140, 90, 90, 90), named("P 21 21 21"), atoms))
    recipe = Recipe(resolution=2.0, energy=ENERGY, k_sol=0.0, b_sol=46.0)
    factors = model_factors(model, recipe, progress=done.append)
    assert done[-1] == 1.0
    f_prime, f_double_prime = gemmi.cromer_liberman(z=6, energy=ENERGY)
    rng = np.random.default_rng(4)
    for h, k, l in rng.integers(-30, 31, (200, 3)).tolist():  # noqa: E741
        s2 = (h / 120) ** 2 + (k / 130) ** 2 + (l / 140) ** 2
        if s2 == 0 or s2 > 0.24:
            continue
        f = gemmi.Element("C").it92.calculate_sf(s2 / 4) + f_prime + 1j * f_double_prime
        total = 0j
        for op in gemmi.SpaceGroup("P 21 21 21").operations():
            images = np.array([op.apply_to_xyz(site) for site in places.tolist()])
            damping = np.exp(-2 * np.pi**2 * (0.1 + 0.01 * np.arange(8)) * s2)
            total += (damping * np.exp(2j * np.pi * images @ [h, k, l])).sum()
        assert F(factors, h, k, l) == pytest.approx(abs(f * total), abs=1e-5)
