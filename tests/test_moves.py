"""Panels and groups that are moved on their own: where they come to be, and what cannot be moved."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from nanobragg import Crystal, Detector, Experiment, InputError, Move, Panel, ScenePanel, resolve, simulate

CRYSTAL = Crystal(cell=(50, 60, 70), cells=3, default_F=10)
DETECTOR = Detector(
    panels=(
        Panel(name="a", group="q", shape=(4, 6), pixel_size=(1, 2), origin=(100, 5, -8)),
        Panel(name="b", group="q", shape=(4, 6), pixel_size=(1, 2), origin=(90, 5, 4)),
        Panel(name="c", shape=(4, 6), pixel_size=(1, 2), origin=(80, -5, 4), fast_axis=(0.1, 0.2, 1)),
    )
)


def panels(*moves: Move, detector: Detector = DETECTOR) -> tuple[ScenePanel, ...]:
    """The panels of the Scene."""
    return resolve(Experiment(crystal=CRYSTAL, detector=replace(detector, moves=moves or None))).scene.panels


def middle(panel: ScenePanel) -> np.ndarray:
    """Mm"""
    return 1000 * panel.at(panel.shape[1] / 2, panel.shape[0] / 2)


def turn_x(degrees: float) -> np.ndarray:
    """About lab x."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array([[1, 0, 0], [0, c, -s], [0, s, c]])


def test_a_panel_turns_about_its_middle_and_shifts() -> None:
    """The others stay where they are, bit for bit; a file with other numbers would be another detector."""
    before, after = panels(), panels(Move(panel="c", rotation=(30, 0, 0), shift=(1, 2, 3)))
    np.testing.assert_allclose(middle(after[2]), middle(before[2]) + np.array([1, 2, 3]), atol=1e-12)
    for axis in ("fast", "slow"):
        np.testing.assert_allclose(getattr(after[2], axis), turn_x(30) @ getattr(before[2], axis), atol=1e-15)
    assert after[2].normal @ after[2].origin == pytest.approx(after[2].close_distance)
    for one, other in zip(before[:2], after[:2], strict=True):
        assert (one.origin == other.origin).all()
    assert panels(Move(panel="2", shift=(1, 2, 3)))[2].origin == pytest.approx(
        before[2].origin + np.array([1, 2, 3]) / 1000
    )


def test_a_group_is_one_rigid_body() -> None:
    """About the mean of its panels' middles, or the pivot that is said; distances between its panels stay."""
    before = panels()
    mean = (middle(before[0]) + middle(before[1])) / 2
    for pivot in (None, (95.0, 1.0, -2.0)):
        after = panels(Move(group="q", rotation=(20, 0, 0), pivot=pivot))
        fixed = mean if pivot is None else np.array(pivot)
        for one, other in zip(before[:2], after[:2], strict=True):
            np.testing.assert_allclose(middle(other), turn_x(20) @ (middle(one) - fixed) + fixed, atol=1e-12)
        assert (after[2].origin == before[2].origin).all()


def test_moves_follow_each_other_and_the_whole_detector() -> None:
    """First the distance, then a panel, then its group; each about where things stand by then."""
    far = replace(DETECTOR, distance=150.0)
    alone = panels(Move(panel="a", shift=(0, 1, 0)), detector=far)
    both = panels(Move(panel="a", shift=(0, 1, 0)), Move(group="q", rotation=(90, 0, 0)), detector=far)
    fixed = (middle(alone[0]) + middle(alone[1])) / 2
    for one, other in zip(alone[:2], both[:2], strict=True):
        np.testing.assert_allclose(middle(other), turn_x(90) @ (middle(one) - fixed) + fixed, atol=1e-12)
    assert middle(alone[0])[1] - middle(panels(detector=far)[0])[1] == pytest.approx(1.0)


def test_moves_are_written_to_toml_and_read(tmp_path: Any) -> None:
    """A refined detector is kept in a file, and the image is that of its moves."""
    moves = (Move(panel="a", shift=(0, 1, 0)), Move(group="q", rotation=(3, 0, 0), pivot=(90, 0, 0)))
    experiment = Experiment(crystal=CRYSTAL, detector=replace(DETECTOR, moves=moves))
    experiment.to_toml(tmp_path / "moved.toml")
    again = Experiment.from_toml(tmp_path / "moved.toml")
    assert again.detector.moves is not None
    assert [vars(move) for move in again.detector.moves] == [vars(move) for move in moves]
    image = simulate(again)
    assert (image.data == simulate(experiment).data).all()
    assert (image.data != simulate(replace(experiment, detector=DETECTOR)).data).any()


@pytest.mark.parametrize(
    ("move", "sentence"),
    [
        (Move(), "detector.moves: found neither panel nor group in move 0, expected one of them"),
        (Move(panel="a", group="q"), "detector.moves: found panel and group in move 0, expected one of them"),
        (Move(panel="d"), "found the panel 'd' in move 0, expected a, b, c or a number from 0 to 2"),
        (Move(group="x"), "detector.moves: found the group 'x' in move 0, expected q"),
        (Move(panel="a", shift=(1, 2)), "found (1, 2) as the shift of move 0, expected three finite numbers"),  # type: ignore[arg-type]
    ],
)
def test_what_cannot_be_moved_is_named(move: Move, sentence: str) -> None:
    """In one sentence."""
    with pytest.raises(InputError) as caught:
        panels(move)
    assert sentence in str(caught.value)


def test_moves_of_one_flat_detector_and_twice_are_refused() -> None:
    """It has its own options; and what one name meant twice would be is nobody's guess."""
    with pytest.raises(InputError, match=r"detector.moves: found moves of one flat detector"):
        panels(Move(panel="0"), detector=Detector(shape=(4, 4)))
    with pytest.raises(InputError, match=r"detector.moves: found panel 0 twice, expected one move of it"):
        panels(Move(panel="a"), Move(panel="0"))
