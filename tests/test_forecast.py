"""The warning before long runs: whoever asks for hours of work by one careless word learns which word it was."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nanobragg import Beam, Crystal, Detector, Experiment, Renderer, Sampling, resolve
from nanobragg.program import forecast as forecasts
from nanobragg.program.forecast import duration, forecast
from nanobragg.records.resolved import Resolved
from nanobragg.rendering.devices import evaluations

QUIET = "-cell 50 60 70 90 90 90 -N 5 -default_F 10 -nonoise -nopgm"
CRYSTAL = Crystal(cell=(50, 60, 70, 90, 90, 90), cells=5, default_F=10.0)
LARGE = Detector(shape=(2000, 2000), pixel_size=0.1, distance=150.0)
HKL = np.indices((9, 9, 9)).reshape(3, -1).T - 4
FACTORS = np.column_stack([HKL, np.ones(len(HKL))])
IRON = Crystal(cell=(5.035, 5.035, 13.747, 90, 90, 120), cells=1, size=0.02, structure_factors=FACTORS)


def told(experiment: Experiment, **how: Any) -> str | None:
    resolved = resolve(experiment)
    return forecast(resolved, Renderer(resolved.scene, device="cpu", **how))


LONG: dict[str, tuple[Experiment, list[str]]] = {
    "oversampling and interpolation": (
        Experiment(crystal=IRON, detector=Detector(shape=(256, 256), pixel_size=0.2, distance=100.0)),
        [
            "1201 x 1201 subpixels (-oversample, chosen for the crystal's size)",
            "tricubic interpolation of structure factors for 39722 x 39722 x 14549 cells (-nointerpolate)",
        ],
    ),
    "oversampling as said": (
        Experiment(crystal=CRYSTAL, detector=LARGE, sampling=Sampling(oversample=500)),
        ["500 x 500 subpixels (-oversample)"],
    ),
    "phi steps": (
        Experiment(crystal=CRYSTAL, detector=LARGE, sampling=Sampling(oversample=4, oscillation=1.0, phi_steps=20_000)),
        ["20000 phi steps (-phisteps)"],
    ),
    "mosaic domains": (
        Experiment(
            crystal=replace(CRYSTAL, mosaic_spread=0.5, mosaic_domains=50_000),
            detector=LARGE,
            sampling=Sampling(oversample=2),
        ),
        ["50000 mosaic domains (-mosaic_domains)"],
    ),
    "sources": (
        Experiment(
            beam=Beam(
                horizontal_divergence=1.0,
                horizontal_divergence_steps=100,
                vertical_divergence=1.0,
                vertical_divergence_steps=100,
                round_divergence=False,
            ),
            crystal=replace(CRYSTAL, cells=20),
            detector=LARGE,
            sampling=Sampling(oversample=10),
        ),
        ["10000 sources (-dispsteps, -hdivsteps, -vdivsteps)"],
    ),
    "layers": (
        Experiment(
            crystal=CRYSTAL,
            detector=replace(LARGE, thickness=300.0, attenuation_depth=200.0, layers=90_000),
            sampling=Sampling(oversample=2),
        ),
        ["90000 layers of the sensor (-detector_thicksteps)"],
    ),
    "running products": (
        Experiment(crystal=CRYSTAL, detector=LARGE, sampling=Sampling(oversample=30, oversample_omega=True)),
        ["30 x 30 subpixels (-oversample)", "factors that multiply the running sum (-quirks all,-running_product)"],
    ),
}


@pytest.mark.parametrize("name", LONG)
def test_long_runs_are_told_with_what_asks_for_them(name: str) -> None:
    experiment, expected = LONG[name]
    text = told(experiment)
    assert text is not None
    for words in expected:
        assert words in text
    assert text.count("(-") == len(expected), text
    count = re.match(r"(\S+) evaluations, about \S+ (seconds|minutes|hours|days) on this machine, mostly for ", text)
    assert count is not None, text
    assert float(count[1]) == pytest.approx(evaluations(resolve(experiment).scene), rel=0.06)


@pytest.mark.parametrize(
    "experiment",
    [
        Experiment(crystal=CRYSTAL, detector=replace(LARGE, shape=(512, 512))),
        Experiment(crystal=replace(CRYSTAL, mosaic_spread=0.5, mosaic_domains=25), detector=LARGE),
        Experiment(crystal=CRYSTAL, detector=LARGE, sampling=Sampling(oscillation=1.0, phi_steps=10)),
        Experiment(crystal=CRYSTAL, detector=replace(LARGE, roi=(5, 7, 5, 7)), sampling=Sampling(oversample=500)),
        Experiment(
            crystal=CRYSTAL, detector=replace(LARGE, mask=np.zeros(LARGE.shape)), sampling=Sampling(oversample=500)
        ),
    ],
)
def test_ordinary_runs_are_not_even_measured(experiment: Experiment, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody should wait for a forecast, or read one, of a run that is over in seconds."""
    monkeypatch.setattr(Renderer, "result", None)
    assert told(experiment, threads=2) is None


def test_the_renderer_has_its_scene_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """A measurement must not leave its part of the Scene to be rendered as the image."""
    monkeypatch.setattr(forecasts, "LONG", 1e-9)
    resolved = resolve(Experiment(crystal=CRYSTAL, detector=replace(LARGE, shape=(40, 50))))
    renderer = Renderer(resolved.scene, device="cpu")
    expected = renderer.render()
    assert forecast(resolved, renderer) is not None
    assert renderer.scene is resolved.scene
    np.testing.assert_array_equal(renderer.render(), expected)


HONEST = {
    "mosaic": Experiment(
        crystal=replace(CRYSTAL, cells=12, mosaic_spread=0.5, mosaic_domains=300),
        detector=replace(LARGE, shape=(700, 700)),
        sampling=Sampling(oversample=2),
    ),
    "tricubic": Experiment(
        crystal=replace(IRON, size=0.001),
        detector=Detector(shape=(48, 48), pixel_size=0.5),
        sampling=Sampling(oversample=99),
    ),
    "spectrum": Experiment(
        beam=Beam(dispersion=1.0, dispersion_steps=100),
        crystal=replace(CRYSTAL, cells=20),
        detector=LARGE,
        sampling=Sampling(oversample=2),
    ),
}


@pytest.mark.parametrize("name", HONEST)
def test_the_time_is_about_that_which_it_takes(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A forecast of minutes for seconds would be laughed at, and one of seconds for hours would be useless."""
    foreseen: list[float] = []

    def seconds(value: float) -> str:
        foreseen.append(value)
        return duration(value)

    monkeypatch.setattr(forecasts, "LONG", 1e-9)
    monkeypatch.setattr(forecasts, "duration", seconds)
    # The processor's seconds, which other programs on a busy machine do not stretch.
    monkeypatch.setattr(forecasts.time, "perf_counter", time.process_time)
    resolved = resolve(HONEST[name])
    renderer = Renderer(resolved.scene, device="cpu", threads=1)
    assert forecast(resolved, renderer, 1) is not None
    start = time.process_time()
    renderer.result()
    assert 0.3 < foreseen[0] / (time.process_time() - start) < 3.0


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(12.3, "about 12 seconds"), (89, "about 89 seconds"), (91, "about 1.5 minutes"), (1234, "about 21 minutes"),
     (9000, "about 2.5 hours"), (1e6, "about 12 days"), (1e8, "about 1200 days")],
)  # fmt: skip
def test_times_have_the_digits_of_a_forecast(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_the_program_tells_before_it_begins(tmp_path: Path) -> None:
    """One line on standard error, so that it is seen where the output goes to a file; none from an ordinary run."""
    words = f"{QUIET} -detpixels 2000 -oversample 500".split()
    command = [sys.executable, "-m", "nanobragg", *words]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as run:
        assert run.stderr is not None
        line = run.stderr.readline()
        run.terminate()
        rest = run.stderr.read()
    assert re.fullmatch(r"WARNING: 1e\+12 evaluations, .* mostly for 500 x 500 subpixels \(-oversample\)\n", line)
    assert "evaluations" not in rest
    command[command.index("500")] = "1"
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stderr == ""


def test_a_long_run_can_be_ended(tmp_path: Path) -> None:
    """Whoever reads the warning stops the program, also while it looks for reflections that it cannot interpolate."""
    hkl = np.indices((19, 19, 19)).reshape(3, -1).T - 9
    np.savetxt(tmp_path / "f.hkl", np.column_stack([hkl, np.full(len(hkl), 7)]), fmt="%d")
    words = f"{QUIET} -cell 5 5 14 90 90 120 -N 1 -hkl f.hkl -xtalsize 0.02 -lambda 1 -detpixels 512".split()
    command = [sys.executable, "-m", "nanobragg", *words]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as run:
        assert run.stderr is not None
        line = run.stderr.readline()
        time.sleep(1.0)
        run.terminate()
        try:
            run.wait(timeout=60)
        finally:
            run.kill()
    assert "tricubic interpolation" in line
    assert run.returncode not in (0, -9)


def test_reasons_of_small_work() -> None:
    """Where no choice multiplies the work, its size is the image's."""
    resolved: Resolved = resolve(Experiment(crystal=CRYSTAL, sampling=Sampling(oversample=1)))
    assert forecasts.reason(resolved) == "for that many pixels (-roi renders a part)"
