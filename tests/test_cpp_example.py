"""The example of the C++ API (ctest ``installed`` builds and runs it): C++ and Python give the same image."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from nanobragg import Beam, Crystal, Detector, Experiment, Factor, Sampling, render, resolve

EXAMPLE = Path(__file__).resolve().parent.parent / "examples" / "cpp"


def test_the_example_prints_the_image_of_python() -> None:
    """The line on its page, which ctest compares with what the example prints, is Python's brightest pixel."""
    experiment = Experiment(
        beam=Beam(wavelength=1.0, fluence=1e28, polarization_correction=False),
        crystal=Crystal(cell=(50, 60, 70, 90, 90, 90), cells=12, default_F=100),
        detector=Detector(shape=(400, 400), pixel_size=0.25, distance=100, convention="dials"),
        sampling=Sampling(oversample=1),
        quirks="none",
    )
    scene = resolve(experiment).scene
    cell = np.diag([50e-10, 60e-10, 70e-10])
    turns = []
    for angle in 0.3 + np.arange(80) * 0.035 / 80:
        c, s = np.cos(angle), np.sin(angle)
        turns.append(cell @ np.array([[1, 0, 0], [0, c, s], [0, -s, c]]))
    scene = replace(
        scene,
        orientations=np.array(turns),
        steps=80,
        omega=Factor.FIRST,
    )
    image = render(scene)[0]
    slow, fast = np.unravel_index(image.argmax(), image.shape)
    line = f"brightest pixel: fast {fast}, slow {slow}, {image.max():.6g} photons"
    assert f"    {line}\n" in (EXAMPLE / "README.md").read_text()
