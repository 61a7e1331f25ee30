"""The golden cases: whoever changes the name of the program in a script gets the image that nanoBragg.c made.

Every case, pixel by pixel, by the reference renderer and by the CPU renderer in both precisions at every instruction
set of this machine; and the resolved scene, to 17 digits.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conftest import GOLDEN, golden_cases, golden_facts, outside_bar, rendered
from nanobragg import InputError, _core, resolve
from nanobragg.inputs.words import parse_words
from nanobragg.io.factors.hkl import write_dump
from nanobragg.records.structure_factors import StructureFactors
from nanobragg.rendering.render import render_scene

CASES = {case["id"]: case for case in golden_cases()}
FACTS = golden_facts()
FAILING = [name for name in CASES if name.startswith("fail_")]
RENDERED = [name for name in CASES if name not in FAILING]
WITH_SCENE = [name for name in RENDERED if "scene" in FACTS[name]]
"""Findings of the fuzzer have none: the original does not print it."""
RENDERERS = [
    ("reference", "double"),
    *((r, p) for r in ("cpu", "played", "emulated") for p in ("double", "mixed")),
    *(pytest.param("cuda", p, marks=pytest.mark.cuda) for p in ("double", "mixed")),
]


def resolved_case(case: dict[str, Any]):
    """Resolve a case in the current folder, which holds its input files."""
    if "pre" in case:
        first = resolve(parse_words(case["pre"]).experiment)
        factors = StructureFactors(grid=first.scene.f_grid, minimum=first.scene.f_min, count=first.sample.reflections)
        write_dump("Fdump.bin", factors)
    return resolve(parse_words(case["args"]).experiment)


def stored_part(case: dict[str, Any], image: np.ndarray) -> np.ndarray:
    """The part of the image that is in the golden file."""
    if "crop" not in case:
        return image
    x0, x1, y0, y1 = case["crop"]
    return image[y0:y1, x0:x1]


@pytest.mark.parametrize("name", RENDERED)
@pytest.mark.parametrize(("renderer", "precision"), RENDERERS)
def test_image(name: str, renderer: str, precision: str, in_folder) -> None:
    case = CASES[name]
    in_folder(case.get("files"))
    image = rendered(resolved_case(case).scene, renderer, precision)[0]
    reference = np.load(GOLDEN / f"{name}.npz")["float"]
    assert not outside_bar(stored_part(case, image), reference, precision).any()


OTHER_SETS = [name for name in _core.instruction_sets() if name != _core.instruction_sets()[-1]]


@pytest.mark.parametrize("level", OTHER_SETS)
def test_every_instruction_set(level: str, tmp_path: Path) -> None:
    """Whoever has an older processor gets the same images: all cases again in a process of each lower level."""
    code = f"""
import json, sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
import os, shutil, tempfile
import numpy as np
import test_golden as t
from conftest import outside_bar
from nanobragg import _core
assert _core.instruction_set() == {level!r}
bad = []
for name in t.RENDERED:
    case = t.CASES[name]
    folder = tempfile.mkdtemp(dir={str(tmp_path)!r})
    for f in case.get("files", []):
        shutil.copy(t.GOLDEN / "inputs" / f, folder)
    os.chdir(folder)
    scene = t.resolved_case(case).scene
    reference = np.load(t.GOLDEN / (name + ".npz"))["float"]
    for precision in ("double", "mixed"):
        image = t.render_scene(scene, precision=precision).image[0]
        if outside_bar(t.stored_part(case, image), reference, precision).any():
            bad.append((name, precision))
print(json.dumps(bad))
"""
    environment = {**os.environ, "NANOBRAGG_ISA": level}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == []


def test_an_unknown_instruction_set_is_refused() -> None:
    """A misspelt NANOBRAGG_ISA must not silently measure something else."""
    code = "from nanobragg import _core; _core.instruction_set()"
    environment = {**os.environ, "NANOBRAGG_ISA": "sse9"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "NANOBRAGG_ISA: found sse9, expected one that this processor has: baseline" in done.stderr


def scene_facts(resolved) -> dict[str, Any]:
    """Our quantities under the names of facts.jsonl."""
    g, s, r, scene = resolved.geometry, resolved.sample, resolved.radiation, resolved.scene
    (p,) = scene.panels
    sources = np.hstack([-scene.source_direction, scene.source_wavelength[:, None]])
    return {
        "pix0": p.origin, "fdet": p.fast, "sdet": p.slow, "odet": p.normal, "beam": g.beam, "polar": g.polar,
        "spindle": g.spindle, "distance": g.distance, "close_distance": p.close_distance, "Fbeam": g.Fbeam,
        "Sbeam": g.Sbeam, "Fclose": g.Fclose, "Sclose": g.Sclose, "Xbeam": g.Xbeam, "Ybeam": g.Ybeam,
        "fpixels": p.shape[1], "spixels": p.shape[0], "pixel_size": p.pixel_size[0], "a0": s.a0, "b0": s.b0, "c0": s.c0,
        "a_star": s.a_star, "b_star": s.b_star, "c_star": s.c_star, "N": s.cells, "interpolate": s.interpolate,
        "oversample": r.oversample, "steps": r.steps, "lambda0": r.wavelength, "fluence": r.fluence,
        "I_bg": scene.background_sum, "thick": g.thickness, "thickstep": g.thickness_step,
        "thicksteps": g.thickness_steps, "mu": g.attenuation, "phi0": r.phi, "phistep": r.phi_step,
        "phisteps": r.phi_steps, "kahn": r.kahn_factor, "nopolar": not r.polarization_correction, "roi": g.roi,
        "sources": sources,
    }  # fmt: skip


@pytest.mark.parametrize("name", WITH_SCENE)
def test_scene(name: str, in_folder) -> None:
    """Vectors, cell, sources and counts equal the original's to 1e-12 of their norm: nothing is right by chance."""
    in_folder(CASES[name].get("files"))
    ours = scene_facts(resolved_case(CASES[name]))
    theirs = FACTS[name]["scene"]
    assert set(theirs) - set(ours) <= {"umats"}
    for key, value in ours.items():
        got, expected = np.ravel(np.asarray(value, float)), np.ravel(np.asarray(theirs[key], float))
        assert got.shape == expected.shape, key
        assert np.linalg.norm(got - expected) <= 1e-12 * np.linalg.norm(expected), key


@pytest.mark.parametrize("name", [n for n in WITH_SCENE if len(FACTS[n]["scene"]["umats"]) > 9])
def test_mosaic_orientations(name: str, in_folder) -> None:
    """The mosaic domains of a published seed are the same crystal."""
    in_folder(CASES[name].get("files"))
    resolved = resolved_case(CASES[name])
    umats = np.array(FACTS[name]["scene"]["umats"]).reshape(-1, 3, 3)
    domains = len(umats)
    first_step = resolved.scene.orientations[:domains]
    expected = np.einsum("mij,kj->mki", umats, resolved.scene.orientations[0])
    np.testing.assert_allclose(first_step, expected, rtol=0, atol=1e-12 * np.abs(expected).max())


@pytest.mark.parametrize("name", FAILING)
def test_failing_commands(name: str, in_folder) -> None:
    """What cannot be simulated is refused with a sentence, not simulated as something else."""
    in_folder(CASES[name].get("files"))
    with pytest.raises(InputError, match=r"expected|cannot be read"):
        resolved_case(CASES[name])


SHARED = GOLDEN.parent.parent / "shared"
real_crystal_here = pytest.mark.skipif(
    not (SHARED / "golden" / "real_crystal.npz").exists(), reason="the real_crystal case is not part of the repository"
)


@real_crystal_here
@pytest.mark.parametrize("precision", ["double", "mixed"])
def test_real_crystal(precision: str, in_folder) -> None:
    """Measured structure factors on a 6-megapixel detector: the image of a real experiment."""
    import gzip

    folder = in_folder()
    case = json.loads((SHARED / "golden" / "real_crystal.json").read_text())
    (folder / "real_crystal.hkl").write_bytes(gzip.decompress((SHARED / "data" / "real_crystal.hkl.gz").read_bytes()))
    (folder / "real_crystal.mat").write_bytes((SHARED / "data" / "real_crystal.mat").read_bytes())
    image = render_scene(resolve(parse_words(case["args"]).experiment).scene, precision=precision).image[0]
    stored = np.load(SHARED / "golden" / "real_crystal.npz")
    slow, fast = case["crop_origin"]
    crop = image[slow : slow + 256, fast : fast + 256]
    parts = [(crop, stored["crop"]), (image[::16, ::16], stored["strided"]), (image[case["rows"]], stored["rows"])]
    relative = 1e-6 if precision == "double" else 1e-5
    largest = case["max"] * (1e-9 if precision == "double" else 1e-7)
    for got, expected in parts:
        assert (np.abs(got.astype(float) - expected) <= relative * np.abs(expected) + largest).all()
    assert image.sum(dtype=float) == pytest.approx(case["sum"], rel=relative)
    assert float(image.max()) == pytest.approx(case["max"], rel=relative)
