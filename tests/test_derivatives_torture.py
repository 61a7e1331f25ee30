"""Derivatives by what users say, of experiments drawn at random with everything that an image may depend on, against
differences of images; and where formulas are 0/0.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from nanobragg import (
    Beam,
    Crystal,
    Detector,
    Experiment,
    Move,
    Panel,
    Sampling,
    resolve,
)
from nanobragg.derivatives import gradient, jacobian, parameters, with_values

SHAPES = ("square", "round", "gauss", "tophat", "gauss_index")
LOOKUPS = ("constant", "nearest", "tricubic")


class Drawn:
    """An experiment of one shape and lookup, all else at random."""

    def __init__(self, shape: str, lookup: str, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.experiment = Experiment(
            beam=self._beam(),
            crystal=self._crystal(shape, lookup),
            detector=self._detector(),
            sampling=Sampling(
                phi=self.between(1, 20),
                oscillation=self.between(0.5, 2) if self.may(0.6) else None,
                phi_steps=2 if self.may(0.6) else 1,
                oversample=int(self.rng.integers(1, 3)),
                oversample_omega=self.may(0.5),
                oversample_polar=self.may(0.5),
                oversample_thick=self.may(0.5),
            ),
            quirks="none",
        )

    def between(self, low: float, high: float) -> float:
        return float(self.rng.uniform(low, high))

    def may(self, chance: float) -> bool:
        return bool(self.rng.random() < chance)

    def three(self, size: float) -> Any:
        return tuple(self.rng.uniform(-size, size, 3).tolist())

    def _beam(self) -> Beam:
        of_light: dict[str, Any] = {"polarization": self.between(-1, 1), "fluence": 1e24}
        if self.may(0.4):  # sources with weights
            away = np.column_stack([-np.ones(3), self.rng.uniform(-0.003, 0.003, (3, 2))])
            table = [away, self.rng.uniform(0.5, 2, (3, 1)), self.rng.uniform(0.99e-10, 1.01e-10, (3, 1))]
            return Beam(sources=np.hstack(table), **of_light)
        if self.may(0.5):
            of_light |= {"dispersion": 1.0, "dispersion_steps": 2, "horizontal_divergence": 2.0}
            of_light |= {"horizontal_divergence_steps": 2}
        return Beam(wavelength=self.between(0.9, 1.3), **of_light)

    def _crystal(self, shape: str, lookup: str) -> Crystal:
        indices = np.array(list(itertools.product(range(-17, 18), repeat=3)), float)
        factors = np.column_stack([indices, self.rng.uniform(20, 90, len(indices))])
        spread = {"mosaic_spread": 0.2, "mosaic_domains": 2} if self.may(0.4) else {}
        return Crystal(
            cell=(*self.rng.uniform(30, 45, 3).tolist(), *self.rng.uniform(75, 105, 3).tolist()),
            misset=self.three(40),
            cells=tuple(self.rng.uniform(2.2, 5, 3).tolist()),
            cells_off_diagonal=self.three(0.9) if shape == "gauss_index" else None,
            shape=shape,  # type: ignore[arg-type]
            fudge=0.02 if shape in ("gauss", "tophat") else 1.0,
            structure_factors=None if lookup == "constant" else factors,
            default_F=40.0 if lookup == "constant" else 0.0,
            interpolate=lookup == "tricubic",
            water=self.between(0.005, 0.02) if self.may(0.3) else 0.0,
            **spread,  # type: ignore[arg-type]
        )

    def _detector(self) -> Detector:
        of_sensor: dict[str, Any] = {name: self.between(-5, 5) for name in ("rotx", "roty", "rotz")}
        if self.may(0.6):
            of_sensor |= {"thickness": 400.0, "attenuation_depth": 300.0, "layers": int(self.rng.integers(1, 3))}
        if self.may(0.4):
            panels = [
                Panel(name="a", group="g", shape=(5, 6), pixel_size=(1.0, 1.4), origin=(70, 9, -8)),
                Panel(name="b", group="g", shape=(4, 5), pixel_size=1.0, origin=(70, -2, 1), fast_axis=(0.2, 0.1, 1)),
            ]
            moves = (
                Move(panel="b", shift=self.three(0.4), rotation=self.three(3)),
                Move(group="g", rotation=self.three(3)),
            )
            return Detector(panels=tuple(panels), moves=moves, distance=self.between(60, 90), **of_sensor)
        at: dict[str, Any] = {"distance": self.between(60, 90), "beam_x": 4.0, "beam_y": 4.5}
        if self.may(0.5):
            at = {"close_distance": self.between(60, 90), "orgx": 4.0, "orgy": 3.0, "twotheta": self.between(2, 9)}
        return Detector(shape=(7, 8), pixel_size=1.0, **at, **of_sensor)


def names_of(experiment: Experiment) -> list[str]:
    """All numbers but those that are rounded on the way (mosaic_spread), and of structure factors those of few."""
    names = []
    for name, parameter in parameters(experiment).items():
        if name not in ("crystal.mosaic_spread", "crystal.structure_factors", "detector.pixel_size"):
            names += [f"{name}[{i}]" for i in range(parameter.shape[0])] if parameter.shape else [name]
    return names


def differences(experiment: Experiment, name: str, value: float, step: float) -> tuple[np.ndarray, np.ndarray]:
    """The image's slope without the first three errors of a difference, and how far two estimates of it are apart."""
    slopes = []
    for each in (step, step / 2, step / 4):
        more, less = (jacobian(with_values(experiment, {name: value + s}), [])[0] for s in (each, -each))
        slopes.append((more - less) / (2 * each))
    first, second = (4 * slopes[1] - slopes[0]) / 3, (4 * slopes[2] - slopes[1]) / 3
    return (16 * second - first) / 15, np.abs(second - first)


@pytest.mark.parametrize(("shape", "lookup"), list(itertools.product(SHAPES, LOOKUPS)))
def test_columns_are_what_images_change_by(shape: str, lookup: str) -> None:
    """Per pixel, to 1e-7 (mixed: 1e-4): a parameter that forgot one of the factors or one of the panels would show."""
    drawn = Drawn(shape, lookup, seed=SHAPES.index(shape) * 3 + LOOKUPS.index(lookup))
    experiment = drawn.experiment
    everything = names_of(experiment)
    names = [everything[i] for i in drawn.rng.permutation(len(everything))[:5]]
    image, columns = jacobian(experiment, names)
    assert np.isfinite(columns).all()
    _, mixed = jacobian(experiment, names, precision="mixed")
    there = parameters(experiment)
    for name, column, single in zip(names, columns, mixed, strict=True):
        steep = float(np.abs(column).max())
        if steep == 0.0:  # the default of indices that are all listed, a wavelength where sources have their own
            continue
        value = there[name].value if name in there else there[name[:-3]].value[int(name[-2])]
        step = min(1e-3 * float(image.max()) / steep, 1e-3 * max(abs(value), 1.0))
        expected, apart = differences(experiment, name, value, step)
        noise = 1e-14 * float(image.max()) / step
        # Where an index passes a half within the steps, images have a kink or a step of their own.
        smooth = apart <= 1e-6 * float(np.abs(expected).max()) + noise
        assert smooth.mean() > 0.7, name
        off = float(np.linalg.norm((column - expected)[smooth]))
        assert off <= 1e-7 * float(np.linalg.norm(expected[smooth])) + noise * image.size**0.5, (name, off, step)
        assert np.linalg.norm(single - column) <= 1e-4 * np.linalg.norm(column), name
    weights = drawn.rng.normal(size=image.shape)
    for precision, found, limit in (("double", columns, 1e-11), ("mixed", mixed, 1e-6)):
        for name, slope in gradient(experiment, weights, names, precision=precision).items():
            products = weights * found[names.index(name)]
            assert abs(slope - products.sum()) <= limit * float(np.abs(products).sum()), name


@pytest.mark.parametrize("shape", SHAPES)
def test_derivatives_are_finite_at_the_direct_beam_and_on_peaks(shape: str) -> None:
    """A pixel's centre on the beam, and another exactly on a reflection: both are 0/0 in the formulas."""
    detector = Detector(shape=(9, 9), pixel_size=1.0, distance=60, beam_x=4.0, beam_y=4.0)
    still = Experiment(
        beam=Beam(wavelength=1.2, polarization=0.9),
        crystal=Crystal(
            cell=(40, 50, 60, 90, 90, 90), cells=5, shape=shape, fudge=0.02, default_F=10, misset=(0, 0, 0)
        ),  # type: ignore[arg-type]
        detector=detector,
        sampling=Sampling(oversample=1),
    )
    (panel,) = resolve(still).scene.panels
    towards = panel.at(7.5, 1.5) / np.linalg.norm(panel.at(7.5, 1.5))
    assert (panel.at(4.5, 4.5)[1:] == 0).all()
    q = (towards - [1, 0, 0]) / 1.2
    on_peak = with_values(still, {"crystal.cell": (*np.abs([2 / q[0], 5 / q[1], 4 / q[2]]), 90, 90, 90)})
    for experiment in (still, on_peak):
        names = names_of(experiment)
        image, columns = jacobian(experiment, names)
        assert np.isfinite(image).all()
        assert np.isfinite(columns).all()
        assert columns[names.index("beam.fluence"), 4, 4] == pytest.approx(image[4, 4] / 1.25932e29, rel=1e-4)
        found = gradient(experiment, np.ones(image.shape), names)
        assert np.isfinite(list(found.values())).all()
    if shape != "tophat":
        image, columns = jacobian(on_peak, ["crystal.misset[0]", "crystal.cells[0]"])
        assert image[1, 7] == pytest.approx(image[4, 4], rel=0.5)
        assert abs(columns[0, 1, 7]) < 1e-3 * np.abs(columns[0]).max()  # a maximum
        assert columns[1, 1, 7] == pytest.approx(2 * image[1, 7] / 5, rel=1e-6)
