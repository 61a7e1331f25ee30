"""Ready-made detectors: whoever names one gets its pixels and gaps where the makers and other programs have them."""

from __future__ import annotations

import itertools
import subprocess
import sys

import numpy as np
import pytest

from nanobragg import Crystal, Detector, Experiment, InputError, Resolved, parse_words, resolve
from nanobragg.completion.scripts import completion_script
from nanobragg.records.detector_table import DETECTORS, modules_of
from nanobragg.records.detectors import NAMES

CRYSTAL = Crystal(cell=[50], default_F=1.0)
FLAT = [name for name in DETECTORS if name != "P12M"]


def resolved(detector: Detector) -> Resolved:
    return resolve(Experiment(crystal=CRYSTAL, detector=detector))


@pytest.mark.parametrize(
    ("name", "nfast", "nslow"),
    [
        ("PILATUS 1M", 981, 1043), ("PILATUS 2M", 1475, 1679), ("PILATUS 6M", 2463, 2527),
        ("EIGER 1M", 1030, 1065), ("EIGER 4M", 2070, 2167), ("EIGER 9M", 3110, 3269), ("EIGER 16M", 4150, 4371),
        ("EIGER2 1M", 1028, 1062), ("EIGER2 4M", 2068, 2162), ("EIGER2 9M", 3108, 3262), ("EIGER2 16M", 4148, 4362),
        ("JUNGFRAU 4M", 2068, 2164), ("Rayonix MX340-HS", 7680, 7680), ("Rayonix MX340-HS 4x4", 1920, 1920),
    ],
)  # fmt: skip
def test_images_have_the_size_that_people_know(name: str, nfast: int, nslow: int) -> None:
    found = resolved(Detector.named(name))
    edge = DETECTORS[name].pixel_size / 1000
    assert (found.geometry.detsize_f / edge, found.geometry.detsize_s / edge) == pytest.approx((nfast, nslow))
    ends = [np.add(p.place, p.shape) for p in found.scene.panels]
    assert np.max(ends, axis=0).tolist() == [nslow, nfast]


def test_a_slab_is_the_flat_detector_of_its_size() -> None:
    """Every pixel of every module is where the same detector without gaps has it, wherever the beam is said to be."""
    for said in (
        {},
        {"convention": "xds", "orgx": 700.0, "orgy": 800.0},
        {"beam_x": 100.0, "beam_y": 90.0, "rotz": 4.0},
    ):
        said = {**said, "distance": 150.0}
        whole = resolve(
            Experiment(
                crystal=CRYSTAL, quirks="none", detector=Detector(shape=(1679, 1475), pixel_size=0.172, **said)  # type: ignore[arg-type]
            )
        ).scene.panels[0]  # fmt: skip
        found = resolved(Detector.named("pilatus2m", **said)).scene.panels
        shift = np.zeros(3)
        if len(said) == 1:  # nanoBragg.c's beam is a pixel beside the middle
            shift = found[0].at(0, 0) - whole.at(0, 0)
            assert np.abs(shift).max() < 2e-4
        for panel in found:
            s, f = panel.place
            for i, j in ((0.5, 0.5), (486.5, 194.5)):
                np.testing.assert_allclose(panel.at(i, j) - shift, whole.at(f + i, s + j), atol=1e-12)


@pytest.mark.parametrize("name", FLAT)
def test_modules_do_not_overlap_and_stand_across_the_beam(name: str) -> None:
    panels = resolved(Detector.named(name, distance=123.0)).scene.panels
    boxes = []
    for panel in panels:
        assert abs(panel.normal[0]) == 1.0
        assert panel.close_distance == pytest.approx(0.123)
        ends = panel.at([0, panel.shape[1]], [0, panel.shape[0]])[:, 1:]
        boxes.append((ends.min(axis=0), ends.max(axis=0)))
    for (low, high), (other_low, other_high) in itertools.combinations(boxes, 2):
        assert max(np.maximum(low - other_high, other_low - high)) > 1e-4
    middle = (np.min([low for low, _ in boxes], axis=0) + np.max([high for _, high in boxes], axis=0)) / 2
    assert np.abs(middle).max() < 2e-3


def test_places_in_the_array_do_not_overlap() -> None:
    for detector in DETECTORS.values():
        taken: set[tuple[int, ...]] = set()
        for module in modules_of(detector):
            slow, fast = module.shape
            for s, f in itertools.product((0, slow - 1), (0, fast - 1)):
                place = (*module.place[:-2], module.place[-2] + s, module.place[-1] + f)
                assert place not in taken or (slow, fast) == (1, 1), detector.name
                taken.add(place)


def test_the_barrel_is_round() -> None:
    """All rows of the P12M are 250 mm from the sample, 8.344 degrees apart, and turn with the detector."""
    panels = resolved(Detector.named("P12M", convention="dials")).scene.panels
    assert len(panels) == 120
    assert {round(panel.close_distance, 12) for panel in panels} == {0.25}
    rows = [panel.normal for panel in panels[::5]]
    angles = [np.degrees(np.arccos(a @ b)) for a, b in itertools.pairwise(rows)]
    np.testing.assert_allclose(angles, 8.344)
    two_theta = [np.degrees(np.arccos(n[2])) for n in rows]
    assert max(two_theta) == pytest.approx(98.2485)
    farther = resolved(Detector.named("P12M", convention="dials", distance=260.0)).scene.panels
    for one, other in zip(panels, farther, strict=True):
        np.testing.assert_allclose(other.origin - one.origin, [0, 0, 0.01], atol=1e-15)


def test_chips_have_their_gaps() -> None:
    """Between the chips of a module there are wide pixels, which are not simulated."""
    gaps = {"CSPAD": 0.32976, "ePix10k2M": 0.25, "AGIPD 1M": 0.4, "JUNGFRAU 4M LCLS": 0.15}
    for name, gap in gaps.items():
        pixel = DETECTORS[name].pixel_size
        first, second = modules_of(DETECTORS[name])[:2]
        along_slow = name == "AGIPD 1M"
        axis, count = (first.slow, first.shape[0]) if along_slow else (first.fast, first.shape[1])
        step = np.dot(np.subtract(second.corner, first.corner), axis)
        assert step == pytest.approx(count * pixel + gap), name
        assert first.group == second.group != ""


def test_agipd_quadrants_are_turned() -> None:
    """EXtra-geom's example: x to the left as the beam sees it, y up, in pixels of 0.2 mm."""
    modules = modules_of(DETECTORS["AGIPD 1M"])
    for number, (x, y) in enumerate([(-525, 625), (-550, -10), (520, -160), (542.5, 475)]):
        first = modules[32 * number]
        np.testing.assert_allclose(np.array(first.corner[:2]) / 0.2, [-x, -y], atol=1e-9)
        sense = 1 if number < 2 else -1
        assert first.slow[:2] == (-sense, 0)
        assert first.fast[:2] == (0, sense)


def test_every_name_is_of_a_detector() -> None:
    """The names are apart from the table, so that command lines are read without it."""
    assert list(NAMES) == list(DETECTORS)


@pytest.mark.parametrize("spelt", ["EIGER2 16M", "eiger2_16m", "Eiger2 X 16M", "EIGER2-XE-16M"])
def test_names_are_read_as_people_write_them(spelt: str) -> None:
    assert Detector.named(spelt).name == "EIGER2 16M"
    assert resolved(Detector(name=spelt)).experiment.detector.name == "EIGER2 16M"
    assert parse_words(["-detector", spelt, "-cell", "50"]).experiment.detector.name == "EIGER2 16M"


def test_a_wrong_name_is_told_with_the_nearest() -> None:
    with pytest.raises(
        InputError, match=r"Detector\.named: found 'PILATUS 7M', expected .*; did you mean PILATUS \dM\?"
    ):
        Detector.named("PILATUS 7M")
    with pytest.raises(InputError, match=r"-detector: found 'camera', expected a detector that nanobragg --detectors"):
        parse_words("-detector camera -cell 50")
    with pytest.raises(InputError, match="-pixel: found it with the panels of -detector CSPAD"):
        resolved(Detector.named("CSPAD", pixel_size=0.1))


def test_the_list_names_all_of_them_with_their_source() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "nanobragg", "--detectors"], capture_output=True, text=True, check=True
    )
    lines = done.stdout.splitlines()
    assert len(lines) == len(DETECTORS)
    for line, detector in zip(lines, DETECTORS.values(), strict=True):
        assert line.startswith(detector.name)
        assert line.endswith(detector.source)
        assert f"{detector.pixel_size:g} mm" in line


def test_shells_complete_them() -> None:
    assert "EIGER2_16M" in completion_script("bash")
