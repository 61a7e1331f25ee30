"""``python tests/external/dials/recover.py``: whether DIALS finds in our images what they were made from.

Needs DIALS (Debian and Ubuntu: ``apt-get install dials``) on the PATH, and nanobragg with its extras ``files`` and
``examples``. For each case (``--list``; all of them without names) a series of 1ORC is simulated, written, imported,
searched for spots, indexed, refined, integrated and scaled; then the refined experiment is given back as ``-img``.
Prints a row of figures for each, and ends with status 1 where one is beyond its bar. About ten minutes a case on one
slow core.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import hdf5plugin
from series import CASES, Case, experiments, write
from truth import Figures, figures_of, heading, row

STEPS = (
    ("dials.find_spots", "imported.expt"),
    ("dials.index", "imported.expt", "strong.refl", "space_group=P212121"),
    ("dials.refine", "indexed.expt", "indexed.refl"),
    ("dials.integrate", "refined.expt", "refined.refl"),
    ("dials.scale", "integrated.expt", "integrated.refl"),
    ("dials.export", "scaled.expt", "scaled.refl"),
)
_FIXED = ("detector.fix=all", "beam.fix=all")
_STRATEGY = "refinement.reflections.weighting_strategy"
_WEIGHTS = (f"{_STRATEGY}.override=stills", f"{_STRATEGY}.delpsi_constant=10000")
"""Spots are where they should be to 0.013 mm, and reflections within 0.16 degrees of the sphere. DIALS weighs them as
0.043 mm and 0.057 degrees. With this constant the weights are to each other as what is found, so that chance in the
angles, which tell little, does not pull at the cell.
"""
STILLS = (
    ("dials.find_spots", "imported.expt"),
    (
        "dials.index",
        "imported.expt",
        "strong.refl",
        "space_group=P212121",
        "unit_cell=34.8,39.2,48.3,90,90,90",
        "stills.indexer=stills",
        "joint_indexing=False",
        *_FIXED,
    ),
    ("dials.refine", "indexed.expt", "indexed.refl", *_FIXED, *_WEIGHTS),
)
"""A still of 90 spots does not refine its detector, too."""
_MISSING = "xfel_mono_sim_ext"
"""A module that Debian's package lacks. Indexing of stills imports it and calls nothing in it."""
_LOOK = f"import importlib.util, sys; sys.exit(importlib.util.find_spec('{_MISSING}') is None)"


def run_dials(words: tuple[str, ...], folder: Path) -> None:
    """Run a program of DIALS, with its own Python and a plugin for the compression of our HDF5 files."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "VIRTUAL"))}
    environment = {**kept, "HDF5_PLUGIN_PATH": hdf5plugin.PLUGIN_PATH}
    indexes = words[0] in ("dials.index", "dials.stills_process")
    if indexes and subprocess.run([_python(), "-c", _LOOK], env=environment, check=False).returncode:
        (folder / "instead").mkdir(exist_ok=True)
        (folder / "instead" / f"{_MISSING}.py").touch()
        environment["PYTHONPATH"] = str(folder / "instead")
    program = shutil.which(words[0])
    if program is None:
        sys.exit(f"{words[0]}: found no such program, expected DIALS on the PATH (apt-get install dials)")
    nproc = ["nproc=1"] if words[0] in ("dials.find_spots", "dials.integrate") else []
    log = folder / f"{words[0]}.out"
    with log.open("w") as output:
        command = [program, *words[1:], *nproc]
        status = subprocess.run(
            command, cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT, check=False
        ).returncode
    if status != 0:
        sys.exit(f"{' '.join(words)[:200]}: ended with {status}:\n{log.read_text()[-2000:]}")


def _python() -> str:
    """The Python that DIALS runs in, by the first line of one of its programs."""
    program = shutil.which("dials.index")
    first = "" if program is None else Path(program).read_text(errors="replace").partition("\n")[0]
    return first[2:].strip() if first.startswith("#!/") and " " not in first.strip() else "python3"


def _say(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r{text:60}\r", end="", file=sys.stderr, flush=True)


def recovered(case: Case, frames: int, folder: Path) -> Figures:
    """Simulate, write and process one case in ``folder``."""
    images, words = write(case, frames, folder, _say)
    for step in (("dials.import", *words), *(STILLS if case.stills else STEPS)):
        _say(f"{case.name}: {step[0]}")
        run_dials(step, folder)
    _say("")
    return figures_of(case, experiments(case, frames), [image.resolved for image in images], folder)


def main() -> int:
    """Everything, or the cases that are named."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("cases", nargs="*", help="names of cases")
    parser.add_argument("--frames", type=int, default=180, help="frames of 0.5 degrees in a series (%(default)s)")
    parser.add_argument("--folder", type=Path, help="where everything is kept (default: nowhere)")
    parser.add_argument("--list", action="store_true", help="list the cases")
    asked = parser.parse_args()
    if asked.list:
        for case in CASES:
            print(f"{case.name:10} {case.title}")
        return 0
    chosen = [case for case in CASES if not asked.cases or case.name in asked.cases]
    if unknown := set(asked.cases) - {case.name for case in chosen}:
        sys.exit(f"cases: found {', '.join(sorted(unknown))}, expected {', '.join(case.name for case in CASES)}")
    print(heading())
    fine = True
    with tempfile.TemporaryDirectory() as temporary:
        for case in chosen:
            folder = (asked.folder or Path(temporary)).resolve() / case.name
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            found = recovered(case, asked.frames, folder)
            print(row(case, found), flush=True)
            for line in found.beyond(case):
                fine = False
                print(f"    {line}", flush=True)
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
