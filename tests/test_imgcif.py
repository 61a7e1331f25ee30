"""Full imgCIF: the detector stands where its chain of axes puts it. Otherwise whoever simulates an image of such a file
gets the default detector, or none.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nanobragg import Crystal, Detector, Experiment, InputError, Resolved, resolve
from nanobragg.io.geometry.any_file import read_file_geometry
from nanobragg.parity.imgcif_text import IMGCIF, write_imgcif

NFAST, NSLOW = 40, 50


def _write(path: Path, *changes: tuple[str, str]) -> Path:
    text = IMGCIF
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    write_imgcif(path, np.arange(NFAST * NSLOW, dtype=np.int32).reshape(NSLOW, NFAST), text)
    return path


def _resolved(path: Path) -> Resolved:
    return resolve(Experiment(crystal=Crystal(cell=[79, 79, 38], default_F=1.0), detector=Detector(header=path)))


def test_axes_and_settings_place_the_detector(tmp_path: Path) -> None:
    """By hand: the corner is at (-3.4, 4.2, -150), turned about y. A displacement is of the middle of a pixel."""
    path = _write(tmp_path / "a.cbf")
    found = read_file_geometry(path, mask=True)
    cos, sin = np.cos(np.radians(10.0)), np.sin(np.radians(10.0))
    assert found.vectors is not None
    np.testing.assert_allclose(found.vectors.origin, [-3.4 * cos - 150 * sin, 4.2, 3.4 * sin - 150 * cos])
    np.testing.assert_allclose(found.vectors.fast, [cos, 0, -sin])
    np.testing.assert_allclose(found.vectors.slow, [0, -1, 0])
    np.testing.assert_allclose(found.vectors.beam, [0, 0, -1])
    np.testing.assert_allclose(found.vectors.polarization, [1, 0, 0])
    assert found.pixels is not None
    assert found.pixels[1, 2] == NFAST + 2
    resolved = _resolved(path)
    assert resolved.radiation.wavelength == pytest.approx(0.9795e-10)
    assert found.polarization == 0.8
    assert np.degrees([resolved.radiation.phi, resolved.radiation.oscillation]) == pytest.approx([12.0, 0.5])
    assert resolved.geometry.spindle == pytest.approx((1.0, 0.0, 0.0))
    assert resolved.geometry.distance == pytest.approx(0.150 / cos)


def test_pixels_may_run_backwards_and_inner_axes_turn_the_crystal(tmp_path: Path) -> None:
    first = read_file_geometry(_write(tmp_path / "a.cbf")).panels[0]
    changes = (
        ("2 50 2 increasing", "2 50 2 decreasing"),
        ("SCAN1 PHI 0.0 0.0", "SCAN1 PHI 30.0 0.0"),
        ("PHI rotation goniometer OMEGA 1 0 0", "PHI rotation goniometer OMEGA 0 0 1"),
        ("SOURCE general source . 0 0 1", "SOURCE general source . 0 0 3"),
    )
    found = read_file_geometry(_write(tmp_path / "b.cbf", *changes))
    panel = found.panels[0]
    np.testing.assert_allclose(panel.at(0.5, 0.5), first.at(0.5, NSLOW - 0.5))
    np.testing.assert_allclose(panel.at(3.0, 7.0), first.at(3.0, NSLOW - 7.0))
    assert found.turn is not None
    np.testing.assert_allclose(found.turn @ [1, 0, 0], [np.sqrt(0.75), 0.5, 0])
    assert "OMEGA is scanned and PHI 30 deg turn the crystal" in found.used()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (("DETECTOR_Z translation detector PITCH", "DETECTOR_Z translation detector ELEMENT_Y"), "expected one that"),
        (("ARRAY1 2 50 2", "ARRAY1 2 50 1"), "expected the two of one detector"),
        (("ELEMENT_Y ELEMENT_Y 0.086 0.172", "ELEMENT_Y ELEMENT_Y 0.086 0"), "no axis with an increment"),
        (("PITCH rotation detector . 0 1 0", "PITCH rotation detector . 0 0 0"), "expected a direction"),
    ],
)
def test_a_detector_that_cannot_be_placed_is_an_options(change: tuple[str, str], sentence: str, tmp_path: Path) -> None:
    path = _write(tmp_path / "a.cbf", change)
    with pytest.raises(InputError, match=f"{sentence}.*; -distance, -Xbeam and -Ybeam can say it instead"):
        _resolved(path)
    told = Detector(header=path, distance=80.0, beam_x=3.0, beam_y=3.0)
    found = resolve(Experiment(crystal=Crystal(cell=[79, 79, 38], default_F=1.0), detector=told))
    assert found.geometry.distance == pytest.approx(0.08)
