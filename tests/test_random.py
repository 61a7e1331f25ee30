"""Random numbers: published seeds must keep giving the same orientations and domains (specs/random.md)."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from nanobragg import _core
from nanobragg.errors import InputError

GOLDEN = Path(__file__).resolve().parent.parent / "golden_data"
FACTS = {fact["id"]: fact for fact in map(json.loads, (GOLDEN / "facts.jsonl").read_text().splitlines())}
DEGREES = 180.0 * 0.31830988618379067154

# Spread (degrees), domains, seed: the words -mosaic, -mosaic_dom and -mosaic_seed of the cases.
MOSAICS = {
    "simple_cubic_mosaic": (1.0, 10, 12345678),
    "mosaic": (1.5, 12, 12345678),
    "mosaic_default_domains": (0.8, 10, 12345678),
    "mosaic_seed": (1.5, 6, 42),
    "mosaic_phi_sources": (1.0, 4, 12345678),
    "shape_round_mosaic": (1.0, 5, 12345678),
    "running_polar": (1.0, 3, 12345678),
    "integration": (0.5, 5, 12345678),
}


def draw(seed: int, count: int, table: _core.RandomTable | None = None) -> list[float]:
    table = _core.RandomTable() if table is None else table
    stream = _core.Stream(seed)
    return [table.uniform(stream) for _ in range(count)]


def test_the_first_deviates_are_those_of_numerical_recipes() -> None:
    """Otherwise every seed of every published run would mean something else."""
    assert draw(1, 3) == pytest.approx([0.4159993529, 0.0919648930, 0.7564104795], abs=1e-10)


def test_deviates_are_float32_below_one() -> None:
    """A deviate of 1 would make an index or a logarithm run over."""
    values = np.array(draw(99, 20000))
    assert (values == values.astype(np.float32)).all()
    assert values.min() >= 0.0
    assert values.max() <= np.float32(1.0 - 1.2e-7)
    assert abs(values.mean() - 0.5) < 5 * math.sqrt(1 / 12 / len(values))


def test_seed_zero_acts_like_one() -> None:
    assert draw(0, 5) == draw(1, 5)


def test_a_negative_seed_fills_an_empty_table_as_seed_one() -> None:
    assert draw(-7, 5) == draw(1, 5)


def test_a_negative_seed_goes_on_with_the_table_of_another_stream() -> None:
    """As in a run of the original with mosaic domains and -seed -5."""
    table = _core.RandomTable()
    draw(12345678, 30, table)
    resumed = _core.RandomTable(table.state())
    continued = draw(-5, 10, table)
    assert continued != draw(1, 10)
    assert draw(-5, 10, resumed) == continued


def test_the_largest_seed_terminates() -> None:
    """2^31 - 1 is the generator's modulus: it fills the table with zeros, and is then replaced by seed 1."""
    assert draw(2**31 - 1, 2) == [0.0, draw(1, 1)[0]]


@pytest.mark.parametrize("seed", [2**31, -(2**31), 2**62])
def test_a_seed_beyond_the_modulus_is_an_error(seed: int) -> None:
    with pytest.raises(InputError, match="seed: found"):
        _core.Stream(seed)


def test_a_damaged_state_is_an_error() -> None:
    """It would make the generator read outside its table."""
    with pytest.raises(InputError, match="random state"):
        _core.RandomTable([2**31] * 33)
    with pytest.raises(InputError, match="random state"):
        _core.RandomTable([-1] * 33)


@pytest.mark.parametrize("case", MOSAICS)
def test_mosaic_domains_are_the_originals(case: str) -> None:
    """A mosaic crystal of a published run keeps its domains."""
    spread, count, seed = MOSAICS[case]
    expected = np.array(FACTS[case]["scene"]["umats"]).reshape(-1, 3, 3)
    matrices = _core.mosaic_rotations(spread / DEGREES, count, _core.Stream(seed), _core.RandomTable())
    np.testing.assert_allclose(matrices, expected, rtol=0, atol=1e-15)


def test_every_golden_case_with_mosaic_domains_is_checked() -> None:
    mosaic = {name for name, fact in FACTS.items() if len(fact.get("scene", {}).get("umats", [])) > 9}
    assert mosaic == set(MOSAICS)


def test_random_misset_angles_are_the_originals() -> None:
    """-misset random -misset_seed 12345 keeps its orientation."""
    matrix = _core.random_rotation(90.0, _core.Stream(12345), _core.RandomTable())
    angles = [angle * DEGREES for angle in _core.rotation_angles(matrix)]
    assert " ".join(f"{angle:.6f}" for angle in angles) == FACTS["misset_random"]["misset"]


def rotation(x: float, y: float, z: float) -> np.ndarray:
    """About x, then y, then z."""
    cx, cy, cz = np.cos([x, y, z])
    sx, sy, sz = np.sin([x, y, z])
    about_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    return about_z @ about_y @ about_x


@pytest.mark.parametrize(
    "angles", [(0.3, -0.7, 2.1), (-3.0, 1.2, -0.4), (0.0, math.pi / 2, 0.9), (0.0, -math.pi / 2, 1.5)]
)
def test_printed_angles_repeat_the_orientation(angles: tuple[float, float, float]) -> None:
    """The angles printed for a random orientation are there to be given to -misset in the next run."""
    matrix = rotation(*angles)
    np.testing.assert_allclose(rotation(*_core.rotation_angles(matrix)), matrix, atol=1e-12)


def test_domains_are_rotations_within_the_cap() -> None:
    matrices = _core.mosaic_rotations(0.02, 2000, _core.Stream(3), _core.RandomTable())
    np.testing.assert_array_equal(matrices[0], np.eye(3))
    np.testing.assert_allclose(
        matrices @ matrices.transpose(0, 2, 1), np.broadcast_to(np.eye(3), (2000, 3, 3)), atol=1e-14
    )
    angles = np.arccos(np.clip((np.trace(matrices, axis1=1, axis2=2) - 1) / 2, -1, 1))
    assert angles.max() <= 0.02 * (1 + 1e-6)
    assert angles.mean() > 0.01
