"""Reflections of other programs: a mate, a block or an equivalent that is taken for another changes intensities without
any other sign. Right values are worked out by hand from the rows.
"""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import gemmi
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nanobragg import Crystal, Detector, Experiment, InputError, resolve
from nanobragg.io.factors.kinds import structure_factor_kind
from nanobragg.io.factors.reflections import Expanded, expand_to_p1, read_reflection_file
from nanobragg.io.factors.types import Choice, ReflectionFile

CELL = (30.0, 40.0, 50.0, 90.0, 100.0, 90.0)
HEAD = """data_{name}
_cell.length_a {a}
_cell.length_b {b}
_cell.length_c {c}
_cell.angle_alpha {alpha}
_cell.angle_beta {beta}
_cell.angle_gamma {gamma}
_symmetry.space_group_name_H-M '{group}'
"""
KEEP = settings(max_examples=25)


def cif(
    group: str, columns: str, rows: str, cell: tuple[float, ...] = CELL, name: str = "x", category: str = "_refln."
) -> str:
    a, b, c, alpha, beta, gamma = cell
    head = HEAD.format(name=name, a=a, b=b, c=c, alpha=alpha, beta=beta, gamma=gamma, group=group)
    tags = "".join(f"{category}{tag}\n" for tag in ["index_h", "index_k", "index_l", *columns.split()])
    return f"{head}loop_\n{tags}{rows}\n"


def mtz(
    path: Path, columns: str, rows: list[list[float]], group: str = "P 1 21 1", cell: tuple[float, ...] = CELL
) -> Path:
    """``columns``: label:type, apart by blanks."""
    made = gemmi.Mtz(with_base=True)
    made.spacegroup = gemmi.SpaceGroup(group)
    made.set_cell_for_all(gemmi.UnitCell(*cell))
    made.add_dataset("data")
    for column in columns.split():
        label, _, kind = column.rpartition(":")
        made.add_column(label, kind)
    made.set_data(np.array(rows, dtype=np.float32))
    made.write_to_file(str(path))
    return path


def read(path: Path, text: str | None = None, **choice: str) -> ReflectionFile:
    if text is not None:
        path.write_text(text)
    return read_reflection_file(path, structure_factor_kind(path, choice.get("block")), Choice(**choice))


def values(expanded: Expanded, *indices: tuple[int, int, int]) -> list[float]:
    grid, low = expanded.factors.grid, expanded.factors.minimum
    return [round(float(grid[tuple(i - m for i, m in zip(hkl, low, strict=True))]), 3) for hkl in indices]


def warned(expanded: Expanded, text: str) -> bool:
    return any(text in warning for warning in expanded.factors.warnings)


# ---- mates ------------------------------------------------------------------------------------------------


def test_rows_beat_the_mates_that_symmetry_makes(tmp_path: Path) -> None:
    """In P 2 (1 -2 3) is the mate of an equivalent of (1 2 3): both are rows, and each keeps its value."""
    text = cif("P 1 2 1", "F_meas_au", "1 2 3 100\n1 -2 3 90\n2 1 1 50\n-2 -1 -1 40")
    expanded = expand_to_p1(read(tmp_path / "a.cif", text))
    assert values(expanded, (1, 2, 3), (-1, 2, -3), (1, -2, 3), (-1, -2, -3)) == [100, 100, 90, 90]
    assert values(expanded, (2, 1, 1), (-2, 1, -1), (-2, -1, -1), (2, -1, 1)) == [50, 50, 40, 40]
    assert "anomalous (2 pairs of mates)" in expanded.described
    assert expanded.factors.warnings == ()


def test_the_order_of_rows_does_not_matter(tmp_path: Path) -> None:
    rows = ["1 2 3 100", "1 -2 3 90", "2 1 1 50", "3 1 1 7"]
    grids = [
        expand_to_p1(read(tmp_path / f"{i}.cif", cif("P 1 2 1", "F_meas_au", "\n".join(order)))).factors.grid
        for i, order in enumerate((rows, rows[::-1]))
    ]
    np.testing.assert_array_equal(*grids)


@pytest.mark.parametrize("label", ["DANO_peak", "dano_peak", "D_peak", "DELANO_peak"])
def test_differences_of_mates_are_added_and_taken_away(tmp_path: Path, label: str) -> None:
    columns = f"F_peak:F SIGF_peak:Q {label}:D SIGD:Q F_low:F SIGF_low:Q D_low:D SIGD_low:Q"
    nan = np.nan
    rows = [
        [4, 3, 1, 100, 1, 10, 2, 1, 1, 1, 1],
        [1, 1, 4, 50, 1, -6, 2, 1, 1, 1, 1],
        [3, 2, 2, 80, 1, nan, nan, 1, 1, 1, 1],
    ]
    expanded = expand_to_p1(read(mtz(tmp_path / "a.mtz", columns, rows)))
    assert values(expanded, (4, 3, 1), (-4, -3, -1), (1, 1, 4), (-1, -1, -4)) == [105, 95, 47, 53]
    assert values(expanded, (-4, 3, -1), (4, -3, 1)) == [105, 95]
    assert values(expanded, (3, 2, 2), (-3, -2, -2)) == [80, 80]
    assert f"amplitudes F_peak ± {label}/2" in expanded.described
    assert warned(expanded, "1 Friedel mates were not measured")


def test_reflections_that_are_their_own_mates_lack_none(tmp_path: Path) -> None:
    """H 0 l of P 21: no warning about what cannot be measured."""
    rows = [[4, 3, 1, 100, 1, 10, 2], [2, 0, 1, 80, 1, np.nan, np.nan]]
    expanded = expand_to_p1(read(mtz(tmp_path / "a.mtz", "F:F SIGF:Q DANO:D SIGDANO:Q", rows)))
    assert values(expanded, (2, 0, 1), (-2, 0, -1)) == [80, 80]
    assert expanded.factors.warnings == ()


def test_differences_in_cif_are_used_too(tmp_path: Path) -> None:
    text = cif("P 1 2 1", "F_meas_au pdbx_anom_difference", "1 2 3 100 10\n2 1 1 50 ?")
    expanded = expand_to_p1(read(tmp_path / "a.cif", text))
    assert values(expanded, (1, 2, 3), (-1, -2, -3), (2, 1, 1)) == [105, 95, 50]


@pytest.mark.parametrize(
    "columns",
    [
        "F(+):G SIGF(+):L F(-):G SIGF(-):L",
        "F+:F SIGF+:Q F-:F SIGF-:Q",
        "FPLUS:G SIGFPLUS:L FMINUS:G SIGFMINUS:L",
        "F-obs(+):G SIGF-obs(+):L F-obs(-):G SIGF-obs(-):L",
        "one:G sigma1:L two:G sigma2:L",
    ],
)
def test_pairs_of_mates_by_any_name(tmp_path: Path, columns: str) -> None:
    rows = [[1, 2, 3, 10, 1, 20, 1], [2, 2, 2, 5, 1, np.nan, 1], [3, 1, 1, 0, 0, 8, 1]]
    expanded = expand_to_p1(read(mtz(tmp_path / "a.mtz", columns, rows)))
    assert values(expanded, (1, 2, 3), (-1, -2, -3), (2, 2, 2), (-2, -2, -2)) == [10, 20, 5, 5]
    assert values(expanded, (3, 1, 1), (-3, -1, -1)) == [8, 8]  # 0 with a sigma of 0: not measured
    assert warned(expanded, "2 Friedel mates were not measured")


def test_pairs_that_are_not_read_are_named(tmp_path: Path) -> None:
    columns = "F:F SIGF:Q F(+):G SIGF(+):L F(-):G SIGF(-):L"
    path = mtz(tmp_path / "a.mtz", columns, [[1, 2, 3, 15, 1, 10, 1, 20, 1]])
    file = read(path)
    assert values(expand_to_p1(file), (1, 2, 3), (-1, -2, -3)) == [15, 15]
    assert "-sf_column 'F(+)'" in file.notes[0]
    assert values(expand_to_p1(read(path, column="F(-)")), (1, 2, 3), (-1, -2, -3)) == [10, 20]


def test_measured_amplitudes_come_before_calculated_ones(tmp_path: Path) -> None:
    rows = [[1, 2, 3, 9, 10, 1]]
    file = read(mtz(tmp_path / "a.mtz", "FC:F F_XDSdataset:F SIGF_XDSdataset:Q", rows))
    assert file.column.label == "F_XDSdataset"
    assert any("calculated" in warning for warning in read(mtz(tmp_path / "b.mtz", "PHI:P FC:F B:R", rows)).warnings)


# ---- equivalents ------------------------------------------------------------------------------------------

TETRAGONAL = (79.0, 79.0, 38.0, 90.0, 90.0, 90.0)


def test_the_cell_of_an_mtz_is_that_of_the_columns_dataset(tmp_path: Path) -> None:
    """A derivative's cell is another one; and a number may stand for what is not there."""
    path = mtz(tmp_path / "a.mtz", "F:F SIGF:Q FD:F SIGFD:Q", [[1, 2, 3, 100, 1, 110, 1], [2, 1, 1, 50, 1, -999, 1]])
    made = gemmi.read_mtz_file(str(path))
    derivative = made.add_dataset("derivative")
    derivative.cell = gemmi.UnitCell(31, 41, 51, 90, 101, 90)
    for column in list(made.columns)[-2:]:
        column.dataset_id = derivative.id
    made.write_to_file(str(path))
    content = path.read_bytes()
    assert b"VALM NAN" in content
    path.write_bytes(content.replace(b"VALM NAN   ", b"VALM -999.0"))
    assert read(path).cell == CELL
    found = read(path, column="FD")
    assert found.cell == (31, 41, 51, 90, 101, 90)
    np.testing.assert_array_equal(found.values, [110.0, np.nan])


@pytest.mark.parametrize("kinds", ["M/ISYM:Y BATCH:B I:J SIGI:Q", "M/ISYM:Y NUMBER:I I:J SIGI:Q"])
def test_unmerged_mtz_is_averaged_with_a_warning(tmp_path: Path, kinds: str) -> None:
    """Odd numbers of M/ISYM are measurements of h k l, even ones of its mate."""
    rows = [[4, 3, 1, 1, 1, 900, 9], [4, 3, 1, 3, 2, 1100, 9], [4, 3, 1, 2, 3, 400, 9], [1, 0, 4, 1, 1, 2500, 9]]
    expanded = expand_to_p1(read(mtz(tmp_path / "a.mtz", kinds, rows, "P 43 21 2", TETRAGONAL)))
    plus, minus = round(1000**0.5, 3), 20.0
    assert values(expanded, (4, 3, 1), (3, 4, -1), (-4, -3, 1), (-4, -3, -1), (4, -3, 1)) == [
        plus,
        plus,
        plus,
        minus,
        minus,
    ]
    assert values(expanded, (0, 1, 4)) == [50.0]
    assert warned(expanded, "unmerged")


def test_parts_of_reflections_are_refused(tmp_path: Path) -> None:
    path = mtz(tmp_path / "a.mtz", "M/ISYM:Y BATCH:B I:J", [[4, 3, 1, 257, 1, 900]], "P 43 21 2", TETRAGONAL)
    with pytest.raises(InputError, match="unmerged"):
        read(path)


def test_equivalent_rows_are_averaged_with_a_warning(tmp_path: Path) -> None:
    text = cif("P 1 2 1", "F_meas_au", "1 2 3 100\n-1 2 -3 80\n2 1 1 50\n-2 1 -1 50\n2 1 1 50")
    expanded = expand_to_p1(read(tmp_path / "a.cif", text))
    mean = round(((100**2 + 80**2) / 2) ** 0.5, 3)
    assert values(expanded, (1, 2, 3), (-1, 2, -3), (-1, -2, -3), (2, 1, 1)) == [mean, mean, mean, 50]
    assert warned(expanded, "reflections for which this is so: 1; unmerged?")


@pytest.mark.parametrize("label", ["wavelength_id", "crystal_id"])
def test_measurements_of_several_wavelengths_or_crystals_are_not_mixed(tmp_path: Path, label: str) -> None:
    text = cif("P 1 2 1", f"F_meas_au {label}", "1 2 3 100 2\n1 2 3 80 1\n2 1 1 50 2\n2 2 1 70 1")
    expanded = expand_to_p1(read(tmp_path / "a.cif", text))
    assert values(expanded, (1, 2, 3), (2, 1, 1)) == [100, 50]
    assert warned(expanded, f"{label} 2 is read, not 1")
    assert not warned(expanded, "unmerged")


@pytest.mark.parametrize("category", ["_diffrn_refln.", "_diffrn_refln_"])
def test_tables_of_measurements_are_unmerged(tmp_path: Path, category: str) -> None:
    text = cif("P 1 2 1", "intensity_net", "1 2 3 100\n-1 2 -3 80\n1 -2 3 40", category=category)
    expanded = expand_to_p1(read(tmp_path / "a.cif", text))
    assert values(expanded, (1, 2, 3), (-1, -2, -3)) == [round(90**0.5, 3), round(40**0.5, 3)]
    assert warned(expanded, "unmerged")


@pytest.mark.parametrize(
    "group", ["P 1", "P 1 21 1", "P 21 21 21", "P 43 21 2", "R 3:H", "I 2 3", "P -1", "F d -3 m:1"]
)
def test_every_equivalent_has_the_value_of_its_row(tmp_path: Path, group: str) -> None:
    """Against gemmi's lists and its operations on indices, mates with values of their own."""
    setting = gemmi.SpaceGroup(group)
    system = setting.crystal_system_str()
    cell = {
        "triclinic": (20, 25, 30, 80, 95, 100), "monoclinic": (20, 25, 30, 90, 95, 90),
        "orthorhombic": (20, 25, 30, 90, 90, 90), "tetragonal": (20, 20, 30, 90, 90, 90),
        "trigonal": (20, 20, 30, 90, 90, 120), "cubic": (25, 25, 25, 90, 90, 90),
    }[system]  # fmt: skip
    hkl = gemmi.make_miller_array(gemmi.UnitCell(*cell), setting, 5.03)
    rng = np.random.default_rng(2)
    centric = setting.operations().centric_flag_array(hkl)
    plus = rng.uniform(10, 100, len(hkl))
    minus = np.where(centric, plus, rng.uniform(10, 100, len(hkl)))
    rows = np.column_stack([hkl, plus, minus]).tolist()
    expanded = expand_to_p1(read(mtz(tmp_path / "a.mtz", "F(+):G F(-):G", rows, group, cell)), default_F=-1.0)
    for operation in setting.operations():
        for index, (one, other) in zip(hkl[::7].tolist(), np.column_stack([plus, minus])[::7], strict=True):
            turned = tuple(operation.apply_to_hkl(index))
            assert values(expanded, turned, tuple(-i for i in turned)) == [
                pytest.approx(one, rel=1e-4),
                pytest.approx(other, rel=1e-4),
            ]
    assert expanded.missing == 0
    half = gemmi.make_miller_array(gemmi.UnitCell(*cell), gemmi.SpaceGroup("P 1"), expanded.resolution * (1 - 1e-7))
    allowed = ~setting.operations().systematic_absences(half)
    assert expanded.factors.count == expanded.expected == 2 * int(allowed.sum())


# ---- CIF --------------------------------------------------------------------------------------------------

TWO = cif("P 21 21 21", "F_meas_au", "1 2 3 100\n0 0 4 33", (30, 40, 50, 90, 90, 90), "first") + (
    "data_second\nloop_\n_refln.index_h\n_refln.index_k\n_refln.index_l\n_refln.pdbx_F_plus\n_refln.pdbx_F_minus\n"
    "1 2 3 110 90\n0 0 4 33 ?\n"
)


def test_a_block_is_chosen_and_the_others_are_named(tmp_path: Path) -> None:
    first = read(tmp_path / "a.cif", TWO)
    assert values(expand_to_p1(first), (1, 2, 3), (-1, -2, -3)) == [100, 100]
    assert "second (-sf_block NAME)" in first.notes[0]
    for name in ("second", "data_second", "SECOND"):
        second = read(tmp_path / "a.cif", block=name)
        assert values(expand_to_p1(second), (1, 2, 3), (-1, -2, -3), (0, 0, 4)) == [110, 90, 33]
        assert any("that of block first is taken" in warning for warning in second.warnings)
    with pytest.raises(InputError, match=r"-sf_block: found 'third'.*first, second"):
        read(tmp_path / "a.cif", block="third")


def test_a_block_or_column_without_values_is_passed_over(tmp_path: Path) -> None:
    empty = cif("P 1 2 1", "F_meas_au", "1 2 3 ?", name="empty")
    both = cif("P 1 2 1", "F_meas_au F_meas_sigma_au intensity_meas", "1 2 3 ? ? 10000.\n2 1 1 . . 2500.", name="full")
    file = read(tmp_path / "a.cif", empty + both)
    assert values(expand_to_p1(file), (1, 2, 3), (2, 1, 1)) == [100, 50]
    assert "CIF, block full" in file.described
    with pytest.raises(InputError, match="found no value in amplitudes F_meas_au"):
        read(tmp_path / "b.cif", empty)


def test_standard_uncertainties_and_calculated_values(tmp_path: Path) -> None:
    expanded = expand_to_p1(read(tmp_path / "a.cif", cif("P 1 2 1", "F_calc", "1 2 3 100.5(3)")))
    assert values(expanded, (1, 2, 3)) == [100.5]
    assert warned(expanded, "calculated")


FCF = """#
# h,k,l, Fc-squared, Fo-squared, sigma(Fo-squared) and status flag
#
data_compound
_shelx_refln_list_code          {code}
loop_
 _symmetry_equiv_pos_as_xyz
  'x, y, z'
  '-x+1/2, -y, z+1/2'
  '-x, y+1/2, -z+1/2'
  'x+1/2, -y+1/2, -z'
_cell_length_a     5.2
_cell_length_b    10.3
_cell_length_c    21.0
_cell_angle_alpha  90.000
_cell_angle_beta   90.000
_cell_angle_gamma  90.000
_shelx_F_squared_multiplier    {multiplier}
loop_
 _refln_index_h
 _refln_index_k
 _refln_index_l
{columns}
"""


@pytest.mark.parametrize(
    ("code", "columns", "multiplier", "right"),
    [
        (4, " _refln_F_squared_calc\n _refln_F_squared_meas\n _refln_F_squared_sigma\n _refln_observed_status\n"
            "   1   1   2  30.00  25.00   1.00 o\n   1   2   3   5.00  -4.00   2.00 <", 1, [5, 0]),
        (6, " _refln_F_squared_meas\n _refln_F_squared_sigma\n _refln_F_calc\n _refln_phase_calc\n"
            " 1 1 2 25.0 1.0 5.1 270.0\n 1 2 3 16. 1. 4 0", 1, [5, 4]),
        (3, " _refln_F_meas\n _refln_F_sigma\n _refln_A_calc\n _refln_B_calc\n"
            " 1 1 2 5.0 .1 5.1 0\n 1 2 3 4 1 4 0", 1, [5, 4]),
        (8, " _refln_F_squared_meas\n _refln_F_squared_sigma\n _refln_F_calc\n _refln_phase_calc\n"
            " 1 1 2 2.5 1.0 5.1 270.0\n 1 2 3 1.6 1. 4 0", 0.1, [5, 4]),
    ],
)  # fmt: skip
def test_fcf_files_of_shelx(tmp_path: Path, code: int, columns: str, multiplier: float, right: list[float]) -> None:
    """Measured values, not the calculated ones beside them; the group is that of the operators."""
    path = tmp_path / "a.fcf"
    path.write_text(FCF.format(code=code, columns=columns, multiplier=multiplier))
    expanded = expand_to_p1(read(path))
    assert values(expanded, (1, 1, 2), (1, 2, 3)) == right
    assert values(expanded, (-1, 1, 2), (1, -1, -2)) == [right[0]] * 2
    assert "P 21 21 21 (number 19), from its 4 operators" in expanded.described
    path.write_text(FCF.format(code=code, columns=columns, multiplier="1e-320"))
    if multiplier != 1:
        with pytest.raises(InputError, match="found values that overflow, divided by"):
            read(path)


LISTED = """_shelx_hkl_file
;
   1   1   2   25.00    1.00   1
   1   2   3   16.00    1.00   1
   1  -2   310000.00    1.00   1
   0   0   0    0.00    0.00   0

TITL what SHELXL keeps behind the end
;
_shelx_res_file
;
TITL x
{instructions}
END
;
"""


@pytest.mark.parametrize(
    ("instructions", "asked", "right"),
    [
        ("", [(1, 1, 2), (1, 2, 3), (1, -2, 3)], [5, 4, 100]),
        ("HKLF 3 1", [(1, 1, 2), (1, 2, 3), (1, -2, 3)], [25, 16, 1e4]),
        ("HKLF 4 1 0 1 0 1 0 0 0 0 -1", [(1, 1, -2), (2, 1, -3), (-2, 1, -3)], [5, 4, 100]),
    ],
)
def test_a_list_of_shelx_in_a_cif(tmp_path: Path, instructions: str, asked: list[Any], right: list[float]) -> None:
    """With the cell and group of the CIF; the HKLF line of its instructions says what the numbers are."""
    head = HEAD.format(name="x", a=5.2, b=10.3, c=21.0, alpha=90, beta=90, gamma=90, group="P 1")
    path = tmp_path / "a.cif"
    expanded = expand_to_p1(read(path, head + LISTED.format(instructions=instructions)))
    assert values(expanded, *asked) == pytest.approx(right)
    assert "SHELX's list" in expanded.described
    for number in ("1.2.3", "9" * 400):
        path.write_text(head + LISTED.format(instructions=f"HKLF 4 1 0 1 {number} 1 0 0 0 0 -1"))
        with pytest.raises(InputError, match=r"found HKLF 4 1 0 1 .* in its instructions, expected numbers"):
            read(path)
    path.write_text(head + LISTED.format(instructions="HKLF 5"))
    with pytest.raises(InputError, match="found HKLF 5 in its instructions, expected HKLF 4 or 3"):
        read(path)


# ---- text of other programs -------------------------------------------------------------------------------

XDS = """!FORMAT=XDS_ASCII    MERGE={merge}    FRIEDEL'S_LAW=FALSE
!SPACE_GROUP_NUMBER=   96
!UNIT_CELL_CONSTANTS=    78.9 78.9 37.0  90.000  90.000  90.000
!NUMBER_OF_ITEMS_IN_EACH_DATA_RECORD=5
!ITEM_H=1
!ITEM_K=2
!ITEM_L=3
!ITEM_IOBS=4
!ITEM_SIGMA(IOBS)=5
!END_OF_HEADER
"""


def test_xds_ascii_merged_and_not(tmp_path: Path) -> None:
    rows = (
        "     4     3     1  1.000E+02  2.0E+01\n    -3     4     1  3.000E+02  2.0E+01\n     4     3     2  9E2 -1.0\n"
    )
    end = "!END_OF_DATA\n"
    merged = expand_to_p1(
        read(tmp_path / "a.HKL", XDS.format(merge="TRUE") + "     1     0     7  1.234E+03  2.0E+01\n" + end)
    )
    assert values(merged, (1, 0, 7), (0, 1, -7)) == [round(1234**0.5, 3)] * 2
    assert "P 43 21 2 (number 96), from its number 96" in merged.described
    unmerged = expand_to_p1(read(tmp_path / "b.HKL", XDS.format(merge="FALSE") + rows + end))
    assert values(unmerged, (4, 3, 1), (-4, -3, -1)) == [round(200**0.5, 3)] * 2
    assert warned(unmerged, "unmerged (MERGE=FALSE)")
    assert warned(unmerged, "1 reflections that were rejected")
    mates = "    -4    -3    -1  6.000E+02  2.0E+01\n"
    for law, right in (("FALSE", [200, 600]), ("TRUE", [1000 / 3] * 2)):  # TRUE: mates are one reflection
        text = XDS.format(merge="FALSE").replace("LAW=FALSE", f"LAW={law}") + rows + mates + end
        expanded = expand_to_p1(read(tmp_path / "b.HKL", text))
        assert values(expanded, (4, 3, 1), (-4, -3, -1)) == pytest.approx(np.sqrt(right), abs=1e-3)
        assert warned(expanded, "mates together, since it says") == (law == "TRUE")


@pytest.mark.parametrize(
    ("symmetry", "alike", "apart"),
    [
        ("4/mmm", [(1, 2, 7), (2, -1, 7), (-1, -2, -7)], []),
        ("422", [(1, 2, 7), (2, 1, -7)], [(-1, -2, -7)]),
        ("2_uab", [(1, 2, 7), (-1, 2, -7)], [(1, -2, 7)]),
        ("2", [(1, 2, 7), (-1, -2, 7)], [(1, 2, -7)]),
        ("1", [(1, 2, 7)], [(-1, -2, -7)]),
    ],
)
def test_crystfel_lists_have_a_point_group(
    tmp_path: Path, symmetry: str, alike: list[tuple[int, int, int]], apart: list[tuple[int, int, int]]
) -> None:
    mate = "".join(f"  {h:3d}  {k:3d}  {l:3d}     400.00       -      20.00      11\n" for h, k, l in apart)  # noqa: E741
    text = (
        f"CrystFEL reflection list version 2.0\nSymmetry: {symmetry}\n"
        "   h    k    l          I    phase   sigma(I)   nmeas\n"
        f"   1    2    7     900.00       -      20.00      11\n{mate}"
        "End of reflections\nGenerated by CrystFEL 0.10.2\n"
    )
    file = read(tmp_path / "a.hkl", text)
    expanded = expand_to_p1(file, cell=TETRAGONAL)
    assert values(expanded, *alike) == [30] * len(alike)
    assert values(expanded, *apart) == [20] * len(apart)
    with pytest.raises(InputError, match="-cell"):
        expand_to_p1(file)


SCA = "    1\n -987\n    78.900    78.900    37.000    90.000    90.000    90.000 p43212\n"


def test_scalepack_files(tmp_path: Path) -> None:
    """Columns of fixed width may touch; a sigma of -1 says that a mate was not measured."""
    pairs = "   4   3   1  1600.0    20.0   900.0    21.0\n   5   3   1   400.0    20.0     0.0    -1.0\n"
    expanded = expand_to_p1(read(tmp_path / "a.sca", SCA + pairs))
    assert values(expanded, (4, 3, 1), (-4, -3, -1), (5, 3, 1), (-5, -3, -1)) == [40, 30, 20, 20]
    touching = expand_to_p1(read(tmp_path / "b.sca", SCA + "   4   3 -10160000.0    20.0\n"))
    assert values(touching, (4, 3, -10), (-4, -3, 10)) == [400.0] * 2
    unmerged = "    2 p2\n  1  0  0  0  1  0  0  0  1\n  0  0  0\n -1  0  0  0  1  0  0  0 -1\n  0  0  0\n"
    row = "   1   2   3   1   2   3     1 0 0  1  {:7.1f}    10.0\n"
    path = tmp_path / "c.sca"
    path.write_text(unmerged + row.format(100.0) + row.replace("   1   2   3 ", "  -1   2  -3 ", 1).format(300.0))
    averaged = expand_to_p1(read(path), cell=CELL)
    assert values(averaged, (1, 2, 3), (-1, -2, -3)) == [round(200**0.5, 3)] * 2
    assert warned(averaged, "unmerged")


SHELX = "   0   0   3 2521.57   85.05   1\n   1   0   499999.99   55.76   1\n  -2   3   5100000.0   55.76   1\n"


@pytest.mark.parametrize(
    "end", ["   0   0   0    0.00    0.00   0\n", "", "   0   0   0    0.00    0.00   0\n\nTITL more\n"]
)
def test_shelx_columns_may_touch(tmp_path: Path, end: str) -> None:
    """Read as free text, the second line is a reflection 1 0 499999.99."""
    path = tmp_path / "a.hkl"
    path.write_text(SHELX + end)
    assert structure_factor_kind(path) == "shelx"
    expanded = expand_to_p1(read(path), cell=TETRAGONAL)
    assert values(expanded, (0, 0, 3), (1, 0, 4), (-2, 3, 5)) == [50.215, 316.228, 316.228]
    assert warned(expanded, "HKLF 4")
    assert warned(expanded, "P 1 is taken")
    assert values(expand_to_p1(read(path, column="F"), cell=TETRAGONAL), (1, 0, 4)) == [99999.99]
    grouped = expand_to_p1(read(path, group="P 4"), cell=TETRAGONAL)
    assert values(grouped, (3, 2, 5), (2, -3, 5)) == [316.228, 316.228]


def test_rows_of_twins_that_overlap_are_told(tmp_path: Path) -> None:
    """HKLF 5; -1 and 1 alone mark what refinement leaves out."""
    path, end = tmp_path / "a.hkl", "   0   0   0    0.00    0.00   0\n"
    for batches, told in (((-2, 1, 1), True), ((-1, 1, -1), False)):
        rows = (f"   {n}   1   2  100.00    1.00{batch:4}\n" for n, batch in enumerate(batches, 1))
        path.write_text("".join(rows) + end)
        assert warned(expand_to_p1(read(path), cell=TETRAGONAL), "1 rows are of a twin") == told


def test_lists_in_columns_stay_lists(tmp_path: Path) -> None:
    """Lines h k l F sigma that look like SHELX's, without its end: amplitudes, as nanoBragg.c takes them."""
    path = tmp_path / "a.hkl"
    path.write_text("   0   0   3 2521.57   85.05   1\n   1   0   4   99.99   55.76   1\n")
    assert structure_factor_kind(path) == "text"
    scene = resolve(Experiment(crystal=Crystal(cell=TETRAGONAL, cells=5, structure_factors=path))).scene
    assert scene.f_grid[0 - scene.f_min[0], 0, 3 - scene.f_min[2]] == 2521.57


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (b"NREFlection=  3\nANOMalous=FALSE\nINDEx 1 0 7 FOBS= 35.1\n", "CNS"),
        (b"\x89HDF\r\n\x1a\n" + bytes(40), "HDF5"),
        (b"\x93NUMPY\x01\x00" + bytes(40), "NumPy"),
    ],
)
def test_other_files_are_named(tmp_path: Path, content: bytes, named: str) -> None:
    path = tmp_path / "a.hkl"
    path.write_bytes(content)
    with pytest.raises(InputError, match=named):
        structure_factor_kind(path)


def test_byte_order_marks_are_no_part_of_text(tmp_path: Path) -> None:
    lists = {
        "bom.hkl": b"\xef\xbb\xbf1 0 7 35.1\n",
        "utf16.hkl": "1 0 7 35.1\r\n".encode("utf-16"),
        "gz.hkl": gzip.compress(b"\xef\xbb\xbf1 0 7 3.51D+01\n"),
    }
    for name, content in lists.items():
        (tmp_path / name).write_bytes(content)
        scene = resolve(Experiment(crystal=Crystal(cell=TETRAGONAL, cells=5, structure_factors=tmp_path / name))).scene
        assert scene.f_grid.tolist() == [[[35.1]]], name
    path = tmp_path / "a.cif"
    path.write_bytes(b"\xef\xbb\xbf" + cif("P 1 2 1", "F_meas_au", "1 2 3 100").encode())
    assert values(expand_to_p1(read(path)), (1, 2, 3)) == [100]


# ---- what cannot be ---------------------------------------------------------------------------------------


def test_absurd_indices_take_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "a.hkl"
    path.write_text("0 0 3 5\n1 0 499999.99 55.76\n2 3 1 8\n")
    with pytest.raises(InputError, match="found the reflection 1 0 500000, expected indices up to 791 791 381"):
        resolve(Experiment(crystal=Crystal(cell=TETRAGONAL, cells=5, structure_factors=path)))
    with pytest.raises(InputError, match=r"found the reflection 1 0 2000, expected none beyond 0\.1 Å"):
        expand_to_p1(read(tmp_path / "a.cif", cif("P 1 2 1", "F_meas_au", "1 0 2000 100")))


def test_labels_of_any_bytes(tmp_path: Path) -> None:
    """A label in Latin-1 was a traceback."""
    path = mtz(tmp_path / "a.mtz", "F:F SIGF:Q", [[1, 2, 3, 10, 1]])
    for old, new in ((b"COLUMN SIGF", b"COLUMN \xe9\xffGF"), (b"COLUMN F ", b"COLUMN \xc4 ")):
        content = path.read_bytes()
        assert old in content
        path.write_bytes(content.replace(old, new))
        assert values(expand_to_p1(read(path)), (1, 2, 3)) == [10]


def test_the_line_about_a_file_names_what_was_understood(tmp_path: Path) -> None:
    path = tmp_path / "a.cif"
    path.write_text(cif("P 1 2 1", "F_meas_au", "1 2 3 100\n1 -2 3 90"))
    resolved = resolve(Experiment(crystal=Crystal(cells=5, structure_factors=path), detector=Detector(shape=(8, 8))))
    said = "\n".join(resolved.notes)
    for part in (
        "amplitudes F_meas_au",
        "block x",
        "P 1 2 1 (number 3, unique axis b)",
        "from its name",
        "anomalous",
        "Å",
        "% complete",
    ):
        assert part in said, part


@pytest.mark.parametrize(("wavelength", "told"), [(0.9795, True), (1.0, False)])
def test_anomalous_differences_of_another_wavelength_are_told(tmp_path: Path, wavelength: float, told: bool) -> None:
    """Wavelengths of MTZ, CIF and XDS files; -lambda is 1 Å where nothing says otherwise."""
    path = mtz(tmp_path / "a.mtz", "F(+):G F(-):G", [[1, 2, 3, 10, 20]])
    made = gemmi.read_mtz_file(str(path))
    made.datasets[1].wavelength = wavelength
    made.write_to_file(str(path))
    text = cif("P 1 2 1", "F_meas_au", "1 2 3 100\n1 -2 3 90")
    (tmp_path / "a.cif").write_text(f"{text}_diffrn_radiation_wavelength.wavelength {wavelength}\n")
    header = XDS.format(merge="TRUE").replace("!END", f"!X-RAY_WAVELENGTH=  {wavelength}\n!END")
    (tmp_path / "a.HKL").write_text(header + " 4 3 1 100 2\n -4 -3 -1 200 2\n")
    for name in ("a.mtz", "a.cif", "a.HKL"):
        crystal = Crystal(cells=5, structure_factors=tmp_path / name)
        resolved = resolve(Experiment(crystal=crystal, detector=Detector(shape=(4, 4))))
        assert any("differ as they do at 0.9795 Å" in warning for warning in resolved.warnings) == told, name


def test_amplitudes_of_other_probes_are_told(tmp_path: Path) -> None:
    text = cif("P 1 2 1", "F_meas_au", "1 2 3 100") + "_diffrn_radiation.pdbx_scattering_type neutron\n"
    assert warned(expand_to_p1(read(tmp_path / "a.cif", text)), "neutron diffraction")


# ---- round trips ------------------------------------------------------------------------------------------

GROUPS = [
    "P 1",
    "P 1 2 1",
    "C 1 2 1",
    "P 21 21 21",
    "P 43 21 2",
    "P 31 2 1",
    "R 3:H",
    "P 6",
    "I 2 3",
    "P 1 21/c 1",
    "P 1 1 2/m",
    "F d -3 m:2",
]
CELLS = {
    "triclinic": (20, 25, 30, 80, 95, 100), "monoclinic": (20, 25, 30, 90, 90, 90),
    "orthorhombic": (20, 25, 30, 90, 90, 90), "tetragonal": (20, 20, 30, 90, 90, 90),
    "trigonal": (20, 20, 30, 90, 90, 120), "hexagonal": (20, 20, 30, 90, 90, 120), "cubic": (25, 25, 25, 90, 90, 90),
}  # fmt: skip


@KEEP
@given(group=st.sampled_from(GROUPS), seed=st.integers(0, 1000), intensities=st.booleans())
def test_what_gemmi_writes_is_read(tmp_path: Path, group: str, seed: int, intensities: bool) -> None:
    """MTZ and the mmCIF that gemmi makes of it give each row its value, in every kind of group."""
    setting = gemmi.SpaceGroup(group)
    cell = CELLS[setting.crystal_system_str()]
    hkl = gemmi.make_miller_array(gemmi.UnitCell(*cell), setting, 6.0)
    rng = np.random.default_rng(seed)
    hkl = hkl[rng.random(len(hkl)) < 0.7] if len(hkl) > 5 else hkl
    found = rng.uniform(1, 1000, len(hkl))
    rows = np.column_stack([hkl, found, found / 10]).tolist()
    columns = "IMEAN:J SIGIMEAN:Q" if intensities else "FP:F SIGFP:Q"
    path = mtz(tmp_path / "a.mtz", columns, rows, group, cell)
    (tmp_path / "a.cif").write_text(gemmi.MtzToCif().write_cif_to_string(gemmi.read_mtz_file(str(path))))
    for name in ("a.mtz", "a.cif"):
        expanded = expand_to_p1(read(tmp_path / name))
        right = np.sqrt(found) if intensities else found
        grid, low = expanded.factors.grid, np.array(expanded.factors.minimum)
        np.testing.assert_allclose(grid[tuple((hkl - low).T)], right, rtol=1e-3)
        np.testing.assert_allclose(grid[tuple((-hkl - low).T)], right, rtol=1e-3)
        assert setting.hm in expanded.described
