"""The line that is printed for each quirk that touches a run: there when it matters, absent when it does not.

Whoever reads no such line must be able to rely on the image being physics; whoever reads one must be able to see it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import oracle
from conftest import golden_cases
from nanobragg import Beam, Crystal, Detector, Experiment, Sampling, resolve
from nanobragg.inputs.words import parse_words
from nanobragg.io.factors.hkl import write_dump
from nanobragg.records.quirks import QUIRKS
from nanobragg.records.structure_factors import StructureFactors
from nanobragg.rendering.render import render_scene

CRYSTAL = Crystal(cell=(30, 30, 30, 90, 90, 90), default_F=10.0, cells=3)
SMALL = Detector(shape=(6, 7), pixel_size=2.0, distance=25.0)
SENSOR = replace(SMALL, thickness=300.0, attenuation_depth=200.0)
TWO = np.array([(-10, 0.1, 0.0, 1.0, 1.5e-10), (-10, 0.0, 0.3, 3.0, 1.52e-10)])
EQUAL = TWO * (1, 1, 1, 0, 1) + (0, 0, 0, 2, 0)
ONCE = Sampling(oversample=1)
WORDS = "-cell 30 30 30 90 90 90 -default_F 1 -detpixels 8 -pixel 1"


def made(
    detector: Detector = SMALL, crystal: Crystal = CRYSTAL, beam: Beam | None = None, sampling: Sampling = ONCE
) -> Experiment:
    return Experiment(
        detector=detector, crystal=crystal, beam=Beam(wavelength=1.5) if beam is None else beam, sampling=sampling
    )


def turned(phi: float, steps: int, oscillation: float = 4.0, oversample: int = 1) -> Experiment:
    return made(sampling=Sampling(phi=phi, oscillation=oscillation, phi_steps=steps, oversample=oversample))


HKL = np.indices((41, 41, 41)).reshape(3, -1).T - 20
LISTED = replace(CRYSTAL, structure_factors=np.column_stack([HKL, 10 + np.arange(len(HKL)) % 7]))

TOUCHED: dict[str, list[Experiment]] = {
    "phi_at_step_starts": [turned(0, 1), turned(3, 2), turned(-2, 4, 1.0)],
    "stale_phi_zero": [turned(0, 2), turned(-2, 2), turned(0, 4)],
    "last_layer_capture": [
        made(replace(SENSOR, layers=3)),
        made(SENSOR),
        made(replace(SENSOR, layers=2), sampling=Sampling(oversample=2)),
    ],
    "thickness_step": [
        made(replace(SENSOR, layers=3)),
        made(replace(SENSOR, layers=1)),
        made(replace(SENSOR, layers=2), sampling=Sampling(oversample=1, oversample_thick=True)),
    ],
    "layers_at_front_faces": [
        made(SENSOR),
        made(replace(SENSOR, layers=1)),
        made(replace(SENSOR, layers=3), sampling=Sampling(oversample=2, oversample_thick=True)),
    ],
    "first_subpixel_factors": [
        made(sampling=Sampling(oversample=2)),
        made(sampling=Sampling(oversample=2, oversample_omega=True)),
        made(sampling=Sampling(oversample=2, oversample_polar=True)),
        made(beam=Beam(sources=TWO)),
        made(replace(SENSOR, layers=2)),
        made(
            replace(SENSOR, layers=2),
            sampling=Sampling(oversample=1, oversample_polar=True, oversample_omega=True),
        ),
        made(crystal=replace(CRYSTAL, water=5.0), sampling=Sampling(oversample=1, dmin=20.0)),
    ],
    "running_product": [
        made(sampling=Sampling(oversample=2, oversample_omega=True)),
        made(beam=Beam(sources=TWO), sampling=Sampling(oversample=1, oversample_polar=True)),
        made(sampling=Sampling(oversample=1, oversample_thick=True)),
        made(
            beam=Beam(wavelength=1.5, polarization_correction=False),
            sampling=Sampling(oversample=1, oversample_polar=True),
        ),
        made(replace(SENSOR, layers=3), sampling=Sampling(oversample=1, oversample_thick=True)),
    ],
    "interpolation_before_size": [
        made(crystal=replace(LISTED, cells=1, size=1.19e-5)),
        made(crystal=replace(LISTED, cells=5, size=5.9e-6)),
    ],
    "source_weights_ignored": [made(beam=Beam(sources=TWO)), made(beam=Beam(sources=np.vstack([TWO, EQUAL])))],
    "water_scaling": [
        made(crystal=replace(CRYSTAL, water=5.0), sampling=Sampling(oversample=2)),
        made(crystal=replace(CRYSTAL, water=5.0), beam=Beam(wavelength=1.5, flux=1e12)),
    ],
    "pivot_overridden": [
        made(replace(SMALL, twotheta=20.0)),
        made(replace(SMALL, convention="xds", pivot="beam", rotx=10.0)),
        made(replace(SMALL, rotz=10.0, close_distance=25.0)),
    ],
    "pix0_ignored": [
        made(replace(SMALL, pix0=(0.03, 0.0, 0.0))),
        made(replace(SMALL, pix0=(0.03, 0.005, -0.005), rotx=3.0)),
    ],
    "cell_angles": [
        made(crystal=replace(CRYSTAL, cell=(30, 30, 30, 60, 60, 60))),
        made(crystal=replace(CRYSTAL, cell=(30, 40, 50, 80, 90, 100))),
    ],
    "random_misset_units": [
        made(crystal=replace(CRYSTAL, misset="random", misset_seed=1)),
        made(crystal=replace(CRYSTAL, misset="random", misset_seed=2), beam=Beam(wavelength=2.0)),
    ],
}

LEFT_ALONE: dict[str, list[Experiment]] = {
    "phi_at_step_starts": [made(), turned(3, 1, 0.0), turned(0, 2, 0.0), made(sampling=Sampling(phi=5, oversample=1))],
    "stale_phi_zero": [made(), turned(0, 1), turned(1, 3), turned(-1, 4, 8.0), made(beam=Beam(sources=TWO))],
    "last_layer_capture": [
        made(),
        made(replace(SENSOR, layers=3), sampling=Sampling(oversample=2, oversample_thick=True)),
        made(replace(SMALL, layers=4)),
    ],
    "thickness_step": [
        made(),
        made(SENSOR),
        made(replace(SMALL, layers=4)),
        made(replace(SENSOR, thickness=0.0, layers=3)),
    ],
    "layers_at_front_faces": [
        made(),
        made(replace(SMALL, layers=4)),
        made(replace(SENSOR, attenuation_depth=math.inf, layers=2)),
    ],
    "first_subpixel_factors": [
        made(),
        made(sampling=Sampling(oversample=3, oversample_polar=True, oversample_omega=True)),
        made(
            beam=Beam(wavelength=1.5, polarization_correction=False),
            crystal=replace(CRYSTAL, water=5.0),
            sampling=Sampling(oversample=1, dmin=20.0),
        ),
        made(sampling=Sampling(oversample=1, dmin=20.0)),
        made(
            beam=Beam(wavelength=1.5, polarization_correction=False),
            sampling=Sampling(oversample=3, oversample_omega=True),
        ),
        made(beam=Beam(wavelength=1.5, dispersion=2.0, dispersion_steps=3)),
        made(replace(SENSOR, layers=3), sampling=Sampling(oversample=1, oversample_thick=True)),
        turned(1, 3),
    ],
    "running_product": [
        made(sampling=Sampling(oversample=3)),
        made(sampling=Sampling(oversample=1, oversample_omega=True)),
        made(sampling=Sampling(oversample=1, oversample_polar=True)),
    ],
    "sticky_interpolation_fallback": [made()],
    "interpolation_before_size": [
        made(crystal=replace(CRYSTAL, cells=1, size=1.19e-5)),
        made(crystal=replace(LISTED, cells=1, size=1.19e-5, interpolate=False)),
        made(crystal=replace(LISTED, cells=1, size=5.9e-6)),
    ],
    "source_weights_ignored": [made(beam=Beam(sources=EQUAL)), made(beam=Beam(sources=TWO[:1])), made()],
    "water_scaling": [made(), made(sampling=Sampling(oversample=3))],
    "pivot_overridden": [
        made(replace(SMALL, pivot="beam", rotx=10.0)),
        made(replace(SMALL, convention="xds", orgx=3.0, twotheta=10.0)),
        made(replace(SMALL, fast_axis=(0, 0, 1), pivot="sample", rotx=10.0)),
        made(replace(SMALL, distance=30.0, beam_x=5.0, rotx=10.0)),
    ],
    "pix0_ignored": [made(), made(replace(SMALL, fast_axis=(0, 0, 1)))],
    "cell_angles": [
        made(),
        made(crystal=replace(CRYSTAL, cell=(30, 40, 50, 90, 105, 90))),
        made(crystal=replace(CRYSTAL, cell=(30, 30, 50, 90, 90, 120))),
        made(crystal=replace(CRYSTAL, cell=(30, 40, 50, 80, 90, 100), matrix=np.diag([0.05, 0.04, 0.03]))),
    ],
    "random_misset_units": [made(), made(crystal=replace(CRYSTAL, misset=(1.0, 2.0, 3.0)))],
}


def named(experiment: Experiment) -> set[str]:
    return {name for name, _ in resolve(experiment).quirks}


@pytest.mark.parametrize("name", TOUCHED)
def test_a_quirk_that_matters_is_named(name: str) -> None:
    """Each condition of quirks.md, met: the line is printed, the image differs, and off means no line."""
    for experiment in TOUCHED[name]:
        found = dict(resolve(experiment).quirks)
        assert found.get(name) == QUIRKS[name]
        without = replace(experiment, quirks=f"all,-{name}")
        assert name not in named(without)
        assert named(replace(experiment, quirks="none")) == set()
        images = [render_scene(resolve(e).scene).image for e in (experiment, without)]
        assert np.abs(images[0] - images[1]).max() > 1e-7 * np.max(images)


@pytest.mark.parametrize("name", LEFT_ALONE)
def test_a_quirk_that_does_not_matter_is_not_named(name: str) -> None:
    """Each condition of quirks.md, not met: no line, and the same image without it."""
    for experiment in LEFT_ALONE[name]:
        assert name not in named(experiment)
        images = [render_scene(resolve(replace(experiment, quirks=q)).scene).image for q in ("all", f"all,-{name}")]
        np.testing.assert_allclose(images[0], images[1], rtol=1e-6, atol=1e-9 * images[0].max())


def test_every_quirk_is_here() -> None:
    """A quirk whose line is never tested might never be printed."""
    files_and_words = {"header_substring", "twotheta_axis_parse", "misset_seed_parse", "curved_det_needs_word"}
    of_files_written = {"header_by_convention", "offset_in_masked_pixels"}  # tests/test_for_dials.py
    assert set(TOUCHED) | files_and_words | of_files_written | {"sticky_interpolation_fallback"} == set(QUIRKS)
    assert all(len(cases) >= 2 for cases in TOUCHED.values())


# ---- interpolation: known only after the image -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reach", "interpolate", "left"),
    [(5, True, True), (3, None, True), (30, True, False), (5, False, False), (25, None, False)],
)
def test_interpolation_that_was_left_is_reported(reach: int, interpolate: bool | None, left: bool) -> None:
    """A single reflection out of range switches interpolation off: the render says whether there was one."""
    hkl = np.array([(h, k, l_) for h in (-reach, 0, reach) for k in (-reach, 0, reach) for l_ in (-reach, 0, reach)])
    table = np.column_stack([hkl, np.arange(1, len(hkl) + 1)])
    experiment = made(crystal=replace(CRYSTAL, cells=2, structure_factors=table, interpolate=interpolate))
    results = [
        render_scene(resolve(replace(experiment, quirks=q)).scene)
        for q in ("all", "all,-sticky_interpolation_fallback")
    ]
    assert results[0].interpolation_left == left
    if not left:
        np.testing.assert_array_equal(results[0].image, results[1].image)


# ---- words ------------------------------------------------------------------------------------------------------

PARSED: dict[str, tuple[list[str], list[str]]] = {
    "twotheta_axis_parse": (
        ["-twotheta_axis 1 0 0", "-twotheta 5 -twotheta_axis 0 0 1", "-twotheta_axis 0 1 0"],
        ["-twotheta 5", "", "-twotheta_axis 3 0 0 -twotheta 5 -pivot sample"],
    ),
    "misset_seed_parse": (
        ["-misset_seed 5 -N 3 -lambda 1", "-misset_seed 1 2 3", "-misset 1 2 3 -misset_seed 9 -N 4"],
        ["-misset_seed 5", "-N 3 -misset_seed 5", "-misset_seed 5 -N 3 -misset 1 2 3", ""],
    ),
    "curved_det_needs_word": (
        ["-curved_det", "-N 3 -curved_det"],
        ["-curved_det 1", "-curved_det -N 3", "", "-curved_det -N 3 -curved_det"],
    ),
    "pivot_overridden": (  # in the custom convention; the resolver knows about the others
        ["-fdet_vector 0 0 1 -pivot sample -distance 100", "-distance 100 -xds -spindle_axis 0 0 1"],
        ["-fdet_vector 0 0 1 -distance 100 -pivot sample", "-pivot sample -distance 100", ""],
    ),
}


def parsed_names(words: str) -> set[str]:
    return {name for name, _ in parse_words(words).parse_quirks}


@pytest.mark.parametrize("name", PARSED)
def test_words_that_mean_something_else_are_named(name: str) -> None:
    """A line for the words that nanoBragg.c takes otherwise than they look, and only for those."""
    matters, does_not = PARSED[name]
    for words in matters:
        assert name in parsed_names(f"{WORDS} {words}"), words
        assert name not in parsed_names(f"-quirks all,-{name} {WORDS} {words}"), words
    for words in does_not:
        assert name not in parsed_names(f"{WORDS} {words}"), words


# ---- headers ----------------------------------------------------------------------------------------------------


def header_file(folder: Path, lines: str) -> Path:
    text = f"HEADER_BYTES=512;\nSIZE1=4;\nSIZE2=4;\nBYTE_ORDER=little_endian;\nTYPE=unsigned_short;\n{lines}"
    path = folder / "header.img"
    path.write_bytes(("{\n" + text + "}\f").encode().ljust(512) + bytes(32))
    return path


@pytest.mark.parametrize(
    ("lines", "matters"),
    [
        ("DISTANCE=100;\nCLOSE_DISTANCE=90;\n", True),
        ("ORGX=3;\nXDS_ORGX=5;\n", True),
        ("XDS_ORGX=5;\n", False),
        ("CLOSE_DISTANCE=90;\nDISTANCE=100;\n", False),
        ("DISTANCE=100;\nCLOSE_DISTANCE=100;\n", False),
        ("", False),
        ("WAVELENGTH=1.2;\nPHI=3;\n", False),
    ],
)
def test_headers_that_read_differently_are_named(tmp_path: Path, lines: str, matters: bool) -> None:
    """A line when a key was found inside another one with another value, and only then."""
    experiment = made(Detector(header=header_file(tmp_path, lines), convention="xds"))
    assert ("header_substring" in named(experiment)) == matters
    assert "header_substring" not in named(replace(experiment, quirks="none"))


# ---- the promise of the line ------------------------------------------------------------------------------------


@pytest.mark.parametrize("start", range(0, 120, 20))
def test_without_a_line_the_image_is_physics(start: int) -> None:
    """Quirks that are not named may be switched off together: the image is the same."""
    for seed in range(start, start + 20):
        experiment = oracle.random_experiment(5000 + seed, "all")
        resolved = resolve(experiment)
        result = render_scene(resolved.scene)
        touched = {name for name, _ in resolved.quirks}
        if result.interpolation_left:
            touched.add("sticky_interpolation_fallback")
        same = render_scene(resolve(replace(experiment, quirks=",".join(["none", *sorted(touched)]))).scene).image
        largest = float(result.image[np.isfinite(result.image)].max(initial=0.0))
        np.testing.assert_allclose(same, result.image, rtol=1e-6, atol=1e-7 * largest)


GOLDEN_CASES = {case["id"]: case for case in golden_cases() if not case["id"].startswith("fail_")}
SAME_IMAGE = {("img_header", "header_substring")}
"""Named, and without effect on the image: XDS_ORGX is read as ORGX, which the MOSFLM convention does not use."""


def golden_run(case: dict, quirks: str) -> tuple[np.ndarray, set[str]]:
    run = parse_words(["-quirks", quirks, *case["args"].split()])
    resolved = resolve(run.experiment)
    result = render_scene(resolved.scene)
    names = {name for name, _ in (*run.parse_quirks, *resolved.quirks)}
    return result.image, names | ({"sticky_interpolation_fallback"} if result.interpolation_left else set())


@pytest.mark.parametrize("name", GOLDEN_CASES)
def test_golden_images_change_with_the_named_quirks_and_only_with_them(
    name: str, in_folder: Callable[[list[str] | None], Path]
) -> None:
    """Scripts that people have: each printed line is about their image, and nothing else is."""
    case = GOLDEN_CASES[name]
    in_folder(case.get("files"))
    if "pre" in case:
        first = resolve(parse_words(case["pre"]).experiment)
        factors = StructureFactors(grid=first.scene.f_grid, minimum=first.scene.f_min, count=first.sample.reflections)
        write_dump("Fdump.bin", factors)
    image, touched = golden_run(case, "all")
    same, _ = golden_run(case, ",".join(["none", *sorted(touched)]))
    np.testing.assert_array_equal(same, image)
    for quirk in touched:
        other, _ = golden_run(case, f"all,-{quirk}")
        equal = other.shape == image.shape and np.array_equal(other, image, equal_nan=True)
        assert equal == ((name, quirk) in SAME_IMAGE), quirk
