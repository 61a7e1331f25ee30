"""What we write, we read back: every writer, every geometry that it can hold. If this fails, an image that is simulated
again from its own header is that of another detector.
"""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from nanobragg import Beam, Crystal, Detector, Experiment, Image, Resolved, Sampling, resolve
from nanobragg.io.images import cbf, smv
from nanobragg.io.images.formats import format_of
from nanobragg.io.images.geometry_texts import write_expt, write_geom
from nanobragg.io.images.nexus import laboratory_to_nexus

KEEP = settings(max_examples=25)
ANGLES = st.floats(-40.0, 40.0)
CRYSTAL = Crystal(cell=[50], default_F=1.0)


@st.composite
def detectors(draw: st.DrawFn, conventions: tuple[str, ...], tilts: bool) -> dict[str, Any]:
    """A detector anywhere in front of the sample, or behind it."""
    convention = draw(st.sampled_from(conventions))
    said: dict[str, Any] = {
        "convention": convention,
        "shape": (draw(st.integers(3, 40)), draw(st.integers(3, 40))),
        "pixel_size": draw(st.floats(0.01, 2.0)),
        "distance": draw(st.floats(10.0, 900.0)),
        "beam_x": draw(st.floats(-50.0, 80.0)),
        "beam_y": draw(st.floats(-50.0, 80.0)),
        "pivot": draw(st.sampled_from(["beam", "sample", None])),
    }
    if draw(st.booleans()):
        said["twotheta"] = draw(st.floats(-120.0, 120.0))
    if draw(st.booleans()):
        said |= {"orgx": draw(st.floats(-20.0, 60.0)), "orgy": draw(st.floats(-20.0, 60.0))}
    if tilts:
        said |= {axis: draw(ANGLES) for axis in ("rotx", "roty", "rotz")}
    if convention == "custom":
        frame = np.linalg.qr(
            np.array(draw(st.lists(st.floats(-1, 1), min_size=9, max_size=9))).reshape(3, 3) + np.eye(3)
        )[0]
        frame[2] = np.cross(frame[0], frame[1])
        said |= dict(zip(("fast_axis", "slow_axis", "normal_axis"), map(tuple, frame.tolist()), strict=True))
    return said


def _made(said: dict[str, Any], quirks: str) -> Resolved:
    beam = Beam(wavelength=1.0)
    if said["convention"] == "custom":
        beam = replace(beam, direction=tuple(np.cross(said["fast_axis"], said["slow_axis"]).tolist()))
    detector = Detector(**said)
    found = resolve(
        Experiment(crystal=CRYSTAL, beam=beam, detector=detector, sampling=Sampling(oversample=1), quirks=quirks)
    )
    return found


def _drawn(said: dict[str, Any], quirks: str) -> Resolved:
    """But for a detector along the beam, which has no place where the beam meets it."""
    found = _made(said, quirks)
    panel = found.scene.panels[0]
    assume(abs(float(panel.normal @ np.array(found.geometry.beam))) > 0.02)
    assume(panel.close_distance > 1e-3)
    return found


def _again(path: Path, made: Resolved, *, quirks: str | None = None, **detector: Any) -> Resolved:
    pixels = np.zeros(made.scene.panels[0].shape, np.int32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the spindle, which a CBF cannot tell of the dials convention
        Image(pixels, made).write(path)
    experiment = Experiment(
        crystal=CRYSTAL, detector=Detector(header=path, **detector), quirks=quirks or made.experiment.quirks
    )
    return resolve(experiment)


def _corners(resolved: Resolved) -> np.ndarray:
    """(4, 3) in pixels."""
    panel = resolved.scene.panels[0]
    nslow, nfast = panel.shape
    return panel.at([0, nfast, 0, nfast], [0, 0, nslow, nslow]) / panel.pixel_size[0]


@KEEP
@given(
    said=detectors(("mosflm", "xds", "adxv", "denzo", "dials", "custom"), tilts=True),
    quirks=st.sampled_from(["all", "none"]),
)
def test_nxmx_holds_any_flat_detector(said: dict[str, Any], quirks: str, tmp_path: Path) -> None:
    made = _drawn(said, quirks)
    again = _again(tmp_path / "a.nxs", made)
    np.testing.assert_allclose(_corners(again), _corners(made) @ laboratory_to_nexus(made.geometry).T, atol=1e-6)


@KEEP
@given(
    said=detectors(("mosflm", "xds", "adxv", "denzo", "dials", "custom"), tilts=True),
    quirks=st.sampled_from(["all", "none"]),
)
@pytest.mark.parametrize("extension", ["expt", "geom"])
def test_geometry_files_hold_any_flat_detector(
    extension: str, said: dict[str, Any], quirks: str, tmp_path: Path
) -> None:
    """Each in its own laboratory frame: DIALS' x and z are minus those of NeXus, which are CrystFEL's."""
    made = _drawn(said, quirks)
    path = tmp_path / f"a.{extension}"
    write_expt(path, made) if extension == "expt" else write_geom(path, made)
    again = resolve(Experiment(crystal=CRYSTAL, detector=Detector(header=path), quirks=quirks))
    frame = np.diag([-1.0, 1.0, -1.0]) if extension == "expt" else np.eye(3)
    np.testing.assert_allclose(
        _corners(again) @ frame, _corners(made) @ laboratory_to_nexus(made.geometry).T, atol=1e-6
    )


@KEEP
@given(said=detectors(("mosflm", "denzo", "xds", "dials"), tilts=False), quirks=st.sampled_from(["all", "none"]))
def test_cbf_holds_a_detector_that_is_swung_about_its_fast_axis(
    said: dict[str, Any], quirks: str, tmp_path: Path
) -> None:
    """In the convention that it was made in; where the header cannot hold it, the writer says so."""
    made = _drawn(said, quirks)
    doubt = cbf.doubt(made)
    if said["convention"] == "dials" and "twotheta" in said:
        assert said["twotheta"] == 0.0 or abs(said["twotheta"]) < 1e-4 or (doubt and "tilted" in doubt)
        return
    again = _again(tmp_path / "a.cbf", made, convention=said["convention"])
    np.testing.assert_allclose(_corners(again), _corners(made), atol=1e-6)
    assert not again.warnings


@KEEP
@given(said=detectors(("mosflm", "denzo", "xds", "adxv", "dials"), tilts=False))
def test_smv_holds_a_detector_that_is_swung_about_its_fast_axis(said: dict[str, Any], tmp_path: Path) -> None:
    """With quirks off, to all digits, and read so whatever the quirks are then."""
    made = _drawn(said, "none")
    doubt = smv.doubt(made)
    if said["convention"] == "dials":
        assert doubt is not None
        assert ("tilted" if abs(said.get("twotheta", 0.0)) > 1e-4 else "spindle") in doubt or "twotheta" in said
        return
    assert doubt is None or (said["convention"] == "adxv" and "mirrored" in doubt)
    for quirks in ("none", "all"):
        again = _again(tmp_path / "a.img", made, convention=said["convention"], quirks=quirks)
        np.testing.assert_allclose(_corners(again), _corners(made), atol=1e-6)
        assert not again.warnings


@KEEP
@given(said=detectors(("mosflm", "xds", "adxv", "denzo", "dials", "custom"), tilts=True))
@pytest.mark.parametrize("extension", ["cbf", "img"])
def test_a_writer_that_cannot_hold_a_tilt_says_so(extension: str, said: dict[str, Any]) -> None:
    """In one line: a tilt that is lost silently puts every spot elsewhere."""
    made = _drawn(said, "none")
    panel, g = made.scene.panels[0], made.geometry
    across = abs(float(panel.fast @ np.array(g.beam))) < 1e-9
    doubt = format_of(f"a.{extension}").doubt(made)  # type: ignore[union-attr]
    assert across or (doubt is not None and "tilted" in doubt)


@KEEP
@given(
    convention=st.sampled_from(["mosflm", "denzo", "xds", "adxv"]),
    numbers=st.tuples(st.integers(10_000, 99_999), st.integers(1000, 99_999), st.integers(1000, 99_999)),
)
def test_smv_holds_six_digits(convention: str, numbers: tuple[int, int, int], tmp_path: Path) -> None:
    """The geometry of a detector at right angles to the beam, in nanoBragg.c's header."""
    distance, x, y = (number / 1000.0 for number in numbers)
    place = {"distance": distance, "beam_x": x, "beam_y": y}
    made = _made({"convention": convention, "shape": (20, 30), "pixel_size": 0.1, **place}, "all")
    again = _again(tmp_path / "a.img", made, convention=convention)
    np.testing.assert_allclose(_corners(again), _corners(made), atol=6e-3)


def test_nanobraggs_smv_header_does_not_hold_a_swing_and_says_so(tmp_path: Path) -> None:
    """nanoBragg.c does not use the header's TWOTHETA: its user would not know."""
    place = {"convention": "xds", "shape": (20, 30), "pixel_size": 0.1, "distance": 50.0, "twotheta": 12.5}
    made = _made(place, "all")
    assert "which way the detector is swung" in (smv.doubt(made) or "")
    again = _again(tmp_path / "a.img", made, convention="xds")
    assert any("TWOTHETA of 12.5 degrees is not used" in warning for warning in again.warnings)
