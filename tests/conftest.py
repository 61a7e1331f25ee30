"""Shared by all tests: the golden data, and how near two images must be."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

if os.environ.pop("PYTHONDONTWRITEBYTECODE", None):
    # Programs that tests start would compile all their modules, every time anew.
    os.environ["PYTHONPYCACHEPREFIX"] = str(Path(__file__).resolve().parent.parent / "build" / "pycache")

for _name in (signal.SIGINT, signal.SIGHUP):
    # What a shell starts in the background ignores these, and so do all programs that tests start and then interrupt.
    if signal.getsignal(_name) == signal.SIG_IGN:
        signal.signal(_name, signal.default_int_handler if _name == signal.SIGINT else signal.SIG_DFL)

settings.register_profile(
    "any_machine",
    # Limits of time, for each example and for drawing them, would fail on a loaded machine for no fault of the program.
    deadline=None,
    # Folders that are shared by all examples of a test are meant to be.
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("any_machine")

GOLDEN = Path(__file__).resolve().parent.parent / "golden_data"

BARS = {"double": (1e-6, 1e-9), "mixed": (1e-5, 1e-7)}
"""(relative, of the largest finite pixel) by precision: specs/design.md, "Precision and parity"."""


CUDA = pytest.param("cuda", marks=pytest.mark.cuda)
"""The renderer of that name, for tests of all of them: ``pytest -m cuda`` takes those of a real GPU."""
_REAL = pytest.param("real", marks=pytest.mark.cuda)


def golden_cases() -> list[dict[str, Any]]:
    """The command lines of golden_data/cases.jsonl."""
    return [json.loads(line) for line in (GOLDEN / "cases.jsonl").read_text().splitlines()]


def golden_facts() -> dict[str, dict[str, Any]]:
    """What the original printed of each case, by identifier."""
    lines = (GOLDEN / "facts.jsonl").read_text().splitlines()
    return {fact["id"]: fact for fact in map(json.loads, lines)}


def outside_bar(image: np.ndarray, reference: np.ndarray, precision: str = "double") -> np.ndarray:
    """Pixels (bool) whose difference is beyond the bar; non-finite pixels must agree in kind."""
    relative, of_largest = BARS[precision]
    got, ref = np.asarray(image, float), np.asarray(reference, float)
    finite = np.isfinite(ref)
    largest = np.abs(ref[finite]).max(initial=0.0)
    with np.errstate(invalid="ignore"):
        near = np.abs(got - ref) <= relative * np.abs(ref) + of_largest * largest
    return ~np.where(finite, near, (got == ref) | (np.isnan(got) & np.isnan(ref)))


def player() -> Any:
    """The renderer on a GPU that the CPU plays."""
    from nanobragg import _core

    if not hasattr(_core, "PlayedRenderer"):
        pytest.skip("only builds with tests have the device that the CPU plays")
    return _core.PlayedRenderer  # type: ignore[attr-defined]


def emulator() -> Any:
    """The CUDA renderer on an emulated GPU (cpp/tests/emulator): nvcc's code, whose accesses to memory are checked."""
    if find_spec("nanobragg._emulated") is None:
        pytest.skip("only builds with tests and a CUDA compiler have the emulated GPU")
    from nanobragg import _emulated  # type: ignore[attr-defined]

    return _emulated


def rendered(scene: Any, renderer: str, precision: str) -> np.ndarray:
    """The image (panel, slow, fast) of ``reference``, ``cpu``, ``cuda``, or of a GPU that the CPU plays (``played``)
    or emulates (``emulated``).
    """
    from nanobragg.rendering.binding import bound
    from nanobragg.rendering.cuda_system import cuda_system
    from nanobragg.rendering.devices import only_cpu
    from nanobragg.rendering.render import render_scene

    if renderer in ("reference", "cpu"):
        return render_scene(scene, renderer=renderer, precision=precision).image  # type: ignore[arg-type]
    if renderer == "cuda" and cuda_system().reason:
        pytest.skip(cuda_system().reason)
    if only_cpu(scene):
        pytest.skip(f"only the CPU renders this scene: {only_cpu(scene)}")
    if renderer == "cuda":
        return render_scene(scene, device="cuda", precision=precision).image  # type: ignore[arg-type]
    device = player()() if renderer == "played" else emulator().Renderer()
    device.load(bound(scene), precision)
    return device.render()[0].numpy()


def _install(module: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import nanobragg

    monkeypatch.setitem(sys.modules, "nanobragg._cuda", module)
    monkeypatch.setattr(nanobragg, "_cuda", module, raising=False)


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> None:
    """A computer with a CUDA device, which the CPU plays."""
    info = {
        "number": 0, "name": "Played", "capability": (9, 0), "memory": 2**34,
        "multiprocessors": 100, "clock_hz": 1e9, "memory_bandwidth": 2e12,
    }  # fmt: skip
    system = {"devices": [info], "reason": "", "driver": 13000, "runtime": 13000}
    renderer = partial(player(), budget=1e4)  # many short launches
    from nanobragg import _core

    differentiator = _core.PlayedDifferentiator  # type: ignore[attr-defined]
    found = SimpleNamespace(Renderer=renderer, Differentiator=differentiator, system=lambda: system)
    _install(found, monkeypatch)


def _with_gpu(which: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make this a computer with a CUDA device that is asked for many short launches."""
    from nanobragg.rendering.cuda_system import cuda_system

    if which == "played":
        request.getfixturevalue("played")
        return
    if which == "emulated":
        module = emulator()
    elif cuda_system().reason:
        pytest.skip(cuda_system().reason)
    else:
        from nanobragg import _cuda as module
    renderer = partial(module.Renderer, budget=1e4)
    found = SimpleNamespace(Renderer=renderer, Differentiator=module.Differentiator, system=module.system)
    _install(found, monkeypatch)


@pytest.fixture(params=["played", "emulated", _REAL])
def gpu(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """A CUDA device: one that the CPU plays, one that it emulates, and a real one if there is one."""
    _with_gpu(request.param, request, monkeypatch)
    return str(request.param)


@pytest.fixture(params=["emulated", _REAL])
def cuda(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A GPU, emulated or real, for tests of what CUDA itself has a part in."""
    _with_gpu(request.param, request, monkeypatch)


@pytest.fixture(params=["cpu", "played", "emulated", _REAL])
def device(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """``cpu``, or ``cuda`` with one of these devices."""
    if request.param == "cpu":
        return "cpu"
    _with_gpu(request.param, request, monkeypatch)
    return "cuda"


@pytest.fixture
def in_folder(tmp_path: Path):
    """A function that makes an empty folder with some golden inputs the current one."""
    before = Path.cwd()

    def enter(files: list[str] | None = None) -> Path:
        for name in files or []:
            shutil.copy(GOLDEN / "inputs" / name, tmp_path)
        os.chdir(tmp_path)
        return tmp_path

    yield enter
    os.chdir(before)
