"""Does the installed package work? For environments that hold nothing but it and its dependencies.

    cd SOMEWHERE_ELSE && python .../wheels/smoke.py

Not the source tree but the installed package must be imported; it must choose the best instruction set that this
processor has; the commands must run; and the images of a few golden cases must be nanoBragg.c's.
"""

from __future__ import annotations

import json
import platform
import subprocess
import sys
import sysconfig
import tempfile
from importlib.metadata import version
from pathlib import Path

import numpy as np

import nanobragg
from nanobragg import _core, simulate
from nanobragg.inputs.words import parse_words

ROOT = Path(__file__).resolve().parent.parent
GOLDEN = ROOT / "golden_data"
_CASES = 12
_AVX512 = {"avx512f", "avx512dq", "avx512bw", "avx512vl"}


def main() -> int:
    """Raise an AssertionError that says what does not work, or print that all does."""
    _check_place()
    _check_instruction_sets()
    _check_commands()
    count = _check_images()
    print(f"nanobragg {nanobragg.__version__} works: {_core.instruction_set()}, {count} golden images")
    return 0


def _check_place() -> None:
    package = Path(nanobragg.__file__).resolve().parent
    assert ROOT not in package.parents or "site-packages" in package.parts, f"imported from the source tree: {package}"
    assert (package / "py.typed").is_file(), "py.typed is not there"
    assert nanobragg.__version__ == version("nanobragg"), "the core has another version than the package"


def _check_instruction_sets() -> None:
    expected = ["baseline"]
    if platform.machine() in ("x86_64", "AMD64"):
        flags = set(Path("/proc/cpuinfo").read_text().partition("flags")[2].partition("\n")[0].split())
        expected += ["avx2"] if {"avx2", "fma"} <= flags else []
        expected += ["avx512"] if flags >= _AVX512 | {"avx2", "fma"} else []
    assert set(_core.instruction_sets()) == set(expected), f"{_core.instruction_sets()}, expected {expected}"
    assert _core.instruction_set() == expected[-1], f"{_core.instruction_set()} was chosen, expected {expected[-1]}"


def _check_commands() -> None:
    scripts = Path(sysconfig.get_path("scripts"))
    for command, word in (("nanobragg", "--version"), ("nb-compare", "--help"), ("nb-trace-diff", "--help")):
        subprocess.run([scripts / command, word], check=True, capture_output=True)
    words = "-cell 70 80 90 90 90 120 -default_F 100 -N 5 -lambda 1 -detpixels 32 -write_config run.toml"
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([scripts / "nanobragg", *words.split()], check=True, capture_output=True, cwd=folder)
        again = ["-config", "run.toml", "-threads", "2", "-write_config", "run.toml"]
        subprocess.run([scripts / "nanobragg", *again], check=True, capture_output=True, cwd=folder)
        assert "threads = 2" in Path(folder, "run.toml").read_text()
        pixels = np.fromfile(Path(folder, "floatimage.bin"), np.float32)
    assert pixels.size == 32 * 32, f"{pixels.size} pixels, expected 1024"
    assert pixels.max() > 0.0, "the image is empty"


def _check_images() -> int:
    """Cases that need no file: the bars of specs/design.md. The number of cases that were compared."""
    cases = [json.loads(line) for line in (GOLDEN / "cases.jsonl").read_text().splitlines()]
    plain = [case for case in cases if not {"files", "pre", "crop"} & set(case) and not case["id"].startswith("fail_")]
    for case in plain[:_CASES]:
        with np.load(GOLDEN / f"{case['id']}.npz") as stored:
            reference = stored["float"].astype(float)
        for precision, relative in (("double", 1e-6), ("mixed", 1e-5)):
            image = simulate(parse_words(case["args"]).experiment, precision=precision).data
            largest = np.abs(reference).max()
            far = np.abs(image - reference) > relative * np.abs(reference) + relative / 100 * largest
            assert not far.any(), f"{case['id']}, {precision}: {far.sum()} pixels differ"
    assert len(plain) >= _CASES, "there are no golden cases to compare with"
    return _CASES


if __name__ == "__main__":
    sys.exit(main())
