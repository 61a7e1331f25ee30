"""Structure factors from many stills: refined to what the photons allow, with honest standard deviations."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import gemmi
import numpy as np
import pytest

from nanobragg import Crystal, Experiment, InputError, refine_factors, resolve, simulate

BENCH = Path(__file__).resolve().parent.parent / "bench"
sys.path.insert(0, str(BENCH))

from nanobragg_bench.factor_shots import Series, compared, factor_series  # noqa: E402

SHOTS, EDGE = 8, 96


@pytest.fixture(scope="module")
def series() -> Series:
    """Few small stills of a crystal in P 1 2 1."""
    return factor_series(0, SHOTS, EDGE, symmetry="P 1 2 1")


@pytest.fixture(scope="module")
def found(series: Series) -> Any:
    """What was found."""
    return refine_factors(series.starts, series.images, group="P 1 2 1")


def test_factors_are_refined_with_scales_and_orientations(series: Series, found: Any) -> None:
    """From 20 % off to what the photons allow, within standard deviations that are neither too small nor too large."""
    often = compared(found, series.true)
    assert found.shots.converged
    assert often["reflections"] > 8
    assert often["R at the start"] > 0.1
    assert often["R"] < 0.02
    every = compared(found, series.true, times=0)
    assert every["within 3 sigma"] > 0.97
    assert 0.6 < every["chi2"] < 1.5
    assert found.shots.reduced_chi2 == pytest.approx(1.0, abs=0.05)


def test_factors_keep_their_scale(found: Any) -> None:
    """A factor for all of them, and its square for the scales, is no knowledge: they stay comparable with the start."""
    weights = found.values**2 / found.sigmas**2
    assert (weights * found.start / found.values).sum() / weights.sum() == pytest.approx(1.0, abs=0.02)


def test_shots_have_the_refined_factors(series: Series, found: Any) -> None:
    """The experiments make the images."""
    shot = found.shots.shots[0]
    image = simulate(shot.experiment).data
    data = series.images[0]
    assert (
        np.corrcoef(image.ravel(), data.ravel())[0, 1]
        > np.corrcoef(simulate(series.starts[0]).data.ravel(), data.ravel())[0, 1]
    )
    assert "reflections (P 1 2 1, Friedel mates together)" in str(found)
    assert found.csv().startswith("h,k,l,start,F,sigma,seen\n")
    assert found.csv().count("\n") == len(found.values) + 1


def test_a_refined_mtz_is_read_again(series: Series, found: Any, tmp_path: Path) -> None:
    """F and SIGF in the asymmetric unit, in the group: by others' programs, and as structure factors of ours."""
    found.write_mtz(tmp_path / "refined.mtz")
    mtz = gemmi.read_mtz_file(str(tmp_path / "refined.mtz"))
    assert mtz.column_labels() == ["H", "K", "L", "F", "SIGF"]
    assert (mtz.spacegroup.hm, mtz.nreflections) == ("P 1 2 1", len(found.values))
    assert mtz.cell.parameters == pytest.approx((55, 65, 75, 90, 95, 90))
    rows = {tuple(row[:3].astype(int).tolist()): row[3:] for row in mtz.array}
    unit, operations = gemmi.ReciprocalAsu(mtz.spacegroup), mtz.spacegroup.operations()
    for hkl, value, sigma in zip(found.hkl.tolist(), found.values, found.sigmas, strict=True):
        assert rows[tuple(unit.to_asu(hkl, operations)[0])] == pytest.approx((value, sigma), rel=1e-6)
    start = series.starts[0]
    again = replace(start, crystal=replace(start.crystal, structure_factors=tmp_path / "refined.mtz"))
    scene = resolve(again).scene
    values = [scene.f_grid[tuple(hkl - np.array(scene.f_min))] for hkl in found.hkl]
    assert values == pytest.approx(found.values, rel=1e-6)


def test_friedel_mates_are_apart_where_that_is_said(tmp_path: Path) -> None:
    """Anomalous differences, ten times their noise, are not averaged away."""
    series = factor_series(1, SHOTS, EDGE, symmetry="P 1 2 1", apart=True)
    found = refine_factors(series.starts, series.images, group="P 1 2 1", friedel="apart")
    assert compared(found, series.true, times=1)["within 3 sigma"] > 0.97
    together = refine_factors(series.starts, series.images, group="P 1 2 1")
    assert found.shots.misfit < together.shots.misfit - 100.0
    found.write_mtz(tmp_path / "refined.mtz")
    mtz = gemmi.read_mtz_file(str(tmp_path / "refined.mtz"))
    assert mtz.column_labels()[3:] == ["F(+)", "SIGF(+)", "F(-)", "SIGF(-)"]
    both = mtz.array[np.isfinite(mtz.array).all(axis=1)]
    centric = both[:, 1] == 0
    assert (both[centric, 3] == both[centric, 5]).all()
    assert (both[~centric, 3] != both[~centric, 5]).any()


def test_a_prior_holds_factors_where_the_data_know_less(series: Series, found: Any) -> None:
    """A weak reflection with an absurd start is better off with nothing said; a strong prior holds all."""
    held = refine_factors(series.starts, series.images, group="P 1 2 1", prior=1e-4)
    strong = held.start > 30.0
    assert held.values[strong] == pytest.approx(held.start[strong], rel=2e-3)
    assert (held.sigmas[strong] < 2e-4 * held.start[strong]).all()
    assert held.shots.misfit > found.shots.misfit + 1000.0


def test_ctrl_c_keeps_the_best_so_far(series: Series) -> None:
    """Hours of shots would be lost."""

    def impatient(step: int, misfit: float) -> None:
        if step == 8:
            raise KeyboardInterrupt

    kept = refine_factors(series.starts, series.images, group="P 1 2 1", progress=impatient)
    assert not kept.shots.converged
    assert any("interrupted" in note for note in kept.shots.notes)
    assert (kept.values != kept.start).any()


def test_the_same_bits_on_any_number_of_threads(series: Series) -> None:
    """Whoever runs it again gets the same numbers."""
    runs = [refine_factors(series.starts[:3], series.images[:3], threads=n, steps=3).values for n in (1, 2)]
    assert np.array_equal(*runs)


@pytest.mark.parametrize(
    ("how", "sentence"),
    [
        ({"group": "P 7"}, r"^group: found 'P 7', expected the name of a space group"),
        ({"friedel": "maybe"}, r"^friedel: found 'maybe', expected together, apart"),
        ({"prior": 0.0}, r"^prior: found 0.0, expected a number above 0"),
        ({"speed": 1}, r"^refine_factors: found speed, expected one of "),
        ({"each": []}, r"parameters: found none"),
    ],
)
def test_what_cannot_be_is_said(series: Series, how: dict[str, Any], sentence: str) -> None:
    """One sentence, before any work."""
    with pytest.raises(InputError, match=sentence):
        refine_factors(series.starts[:2], series.images[:2], **how)


def test_shots_of_different_factors_are_no_series(series: Series) -> None:
    """And neither are those without a list."""
    other = replace(
        series.starts[1], crystal=replace(series.starts[1].crystal, structure_factors=np.array([[1, 2, 3, 4.0]]))
    )
    with pytest.raises(InputError, match=r"^shot 1: found other structure factors than in shot 0"):
        refine_factors([series.starts[0], other], series.images[:2])
    plain = Experiment(
        beam=series.starts[0].beam,
        crystal=Crystal(cell=(55, 65, 75), cells=5, default_F=10.0),
        detector=series.starts[0].detector,
        quirks="none",
    )
    with pytest.raises(InputError, match=r"^crystal.structure_factors: found none"):
        refine_factors(plain, series.images[:2])
