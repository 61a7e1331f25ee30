"""CONTRIBUTING's worked example, carried out on a copy of the repository: its steps are all that a new shape needs."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import site
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import added_shape

# It builds the package.
pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parent.parent
COPIED = ("CMakeLists.txt", "CHANGELOG.md", "cmake", "cpp", "python", "specs", "docs/tables.py", "tests/added_shape.py")


def _example() -> str:
    """The section of the page."""
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    found = re.search(r"^## A worked example.*?(?=^## |\Z)", page, re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[0]


def test_the_example_names_the_files_that_change() -> None:
    """... and no others, besides those of tests."""
    named = set(re.findall(r"`([\w./]+\.(?:md|py|json|[ch]pp|inl))`", _example()))
    changed = {name for name, _, _ in added_shape.EDITS} | set(added_shape.MADE)
    assert {name for name in named if "tests/" not in name} == changed
    assert all((ROOT / name).is_file() for name in named)


def _run(words: list[str | Path], folder: Path) -> None:
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the package with the shape says of it; the processes of one run of pytest build it once."""
    if shutil.which("cmake") is None:
        pytest.skip("cmake is not installed")
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    answer = shared / "added_shape.json"
    with open(shared / "added_shape.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not answer.exists():
            answer.write_text(_answer_of_a_build(tmp_path_factory.mktemp("tree")))
    found: dict[str, Any] = json.loads(answer.read_text())
    return found


def _answer_of_a_build(tree: Path) -> str:
    """Add the shape to a copy of the repository in ``tree``, build that, and ask it: a line of JSON."""
    import pybind11

    unwanted = shutil.ignore_patterns("__pycache__", "*.so")
    for name in COPIED:
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, tree / name, ignore=unwanted)
        else:
            shutil.copy(ROOT / name, tree / name)
    added_shape.add_to(tree)
    settings = ["QUICK=ON", "TESTS=ON", "CUDA=OFF", "WERROR=ON"]
    configure = ["cmake", "-S", ".", "-B", "build", *(f"-DNANOBRAGG_{setting}" for setting in settings)]
    configure += [f"-DPython_EXECUTABLE={sys.executable}", f"-Dpybind11_DIR={pybind11.get_cmake_dir()}"]
    if shutil.which("ninja"):
        configure += ["-G", "Ninja"]
    if shutil.which("ccache"):
        configure += ["-DCMAKE_CXX_COMPILER_LAUNCHER=ccache"]
    _run(configure, tree)
    _run(["cmake", "--build", "build", "--target", "_core", "--parallel", "2"], tree)
    for extension in (tree / "build").glob("_core*.so"):
        shutil.copy(extension, tree / "python" / "nanobragg")
    # Without site, an editable installation of the package does not come first.
    path = os.pathsep.join([str(tree / "python"), *site.getsitepackages()])
    done = subprocess.run(
        [sys.executable, "-S", "tests/added_shape.py"],
        cwd=tree,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.splitlines()[-1]


def test_files_help_and_messages_know_it(found: dict[str, Any]) -> None:
    assert '\nshape = "lorentz"\n' in found["toml"]
    assert found["read back"] == "lorentz"
    assert found["schema"] == ["square", "round", "gauss", "tophat", "gauss_index", "lorentz"]
    assert (
        found["refused"] == "crystal.shape: found 'cube', expected square, round, gauss, tophat, gauss_index or lorentz"
    )
    assert re.search(r"^  -lorentz_spots +spots with Lorentzian tails$", found["help"], re.MULTILINE)
    assert "  lorentz xtal: 5x5x5 cells\n" in found["summary"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_complete_it(found: dict[str, Any], shell: str) -> None:
    assert "lorentz_spots" in found["completion"][shell]


def test_the_documentation_lists_it(found: dict[str, Any]) -> None:
    assert "| `-lorentz_spots` | spots with Lorentzian tails | `crystal.shape` |" in found["options page"]
    assert '`"gauss_index"`, `"lorentz"`' in found["TOML page"]


def test_all_renderers_render_it(found: dict[str, Any]) -> None:
    """CPU and GPU agree with the reference renderer, in both precisions, however structure factors are looked up."""
    others = {name: beyond for name, beyond in found["beyond"].items() if "another shape" in name}
    renderers = {name: beyond for name, beyond in found["beyond"].items() if name not in others}
    assert len(renderers) == 12
    assert max(renderers.values()) <= 1.0, renderers
    assert min(others.values()) > 1e3, others


def test_the_reference_renderer_has_the_formula_of_the_page(found: dict[str, Any]) -> None:
    np.testing.assert_allclose(found["F_latt"], found["formula"], rtol=1e-9)
    assert 0.01 < found["F_latt"] / 5**3 < 0.99


def test_it_has_derivatives(found: dict[str, Any]) -> None:
    """... in both precisions."""
    assert found["slopes"] < 1e-5
    assert 0.0 < found["mixed slopes"] < 1e-4
