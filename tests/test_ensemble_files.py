"""`nanobragg ensemble`: the same files whatever the workers and however often it was killed, and what is in them."""

from __future__ import annotations

import csv
import gc
import itertools
import json
import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import h5py
import hdf5plugin  # noqa: F401 - h5py reads what it compresses
import numpy as np
import pytest

from nanobragg import Ensemble
from nanobragg.cli import main
from nanobragg.ensemble import engine
from nanobragg.ensemble.folder import Folder
from nanobragg.ensemble.reading import plan_of, read_ensemble

SET = """
quirks = "none"
progress = false
[beam]
wavelength = 1.0
fluence = 1e26
[crystal]
structure_factors = "../list.hkl"
cell = [60, 70, 80, 90, 90, 90]
cells = 12
water = 1.0
[detector]
shape = [64, 48]
pixel_size = 0.8
distance = 100
[sampling]
oversample = 1
[response]
preset = "eiger"
[ensemble]
shots = 11
shots_per_file = 2
blank = 0.1
reflections = true
crystals = { range = [1, 2] }
[ensemble.crystal]
misset = { orientations = "uniform" }
cells = { log_normal = [12, 3], least = 8 }
[ensemble.detector]
distance = { add = { normal = [0, 0.1] } }
[ensemble.spectrum]
bandwidth = 0.5
spike = 0.1
wavelengths = 8
"""
MANY = "threads = 1\n" + SET.replace("shots = 11", "shots = 80")
"""It takes long enough for what happens in the middle of it, on a busy machine, too."""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with an ensemble in it and its structure factors beside it."""
    inner = lay(tmp_path, SET)
    monkeypatch.chdir(inner)
    return inner


def lay(outer: Path, text: str) -> Path:
    """A folder with an ensemble, in one with its structure factors."""
    indices = itertools.product(range(-9, 10), repeat=3)
    lines = "".join(f"{h} {k} {m} {100 + h}\n" for h, k, m in indices)
    (outer / "list.hkl").write_text(lines, encoding="utf-8")
    inner = outer / "inner"
    inner.mkdir()
    (inner / "set.toml").write_text(text, encoding="utf-8")
    return inner


def sums(folder: Path) -> dict[str, str]:
    """Checksums of all files of an ensemble, which are those of its manifest."""
    found = {
        path.relative_to(folder).as_posix(): sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }
    told = json.loads((folder / "manifest.json").read_text())["files"]
    assert {name: file["sha256"] for name, file in told.items()}.items() <= found.items()
    return found


@cache
def sums_of_many() -> dict[str, str]:
    """Those of ``MANY`` as one worker makes it that nothing happens to: once for all tests of a process."""
    with TemporaryDirectory() as outer, pytest.MonkeyPatch.context() as patch:
        patch.chdir(lay(Path(outer), MANY))
        assert main(["ensemble", "set.toml", "-o", "a", "-workers", "1"]) == 0
        return sums(Path("a"))


def run(*words: str, **options: Any) -> subprocess.Popen[bytes]:
    """The command in a process of its own."""
    command = [sys.executable, "-m", "nanobragg", "ensemble", *words]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, **options)


def finished(process: subprocess.Popen[bytes]) -> None:
    """Wait for it; it must have done its work."""
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors.decode()


def changed(folder: Path, old: str, new: str) -> None:
    """Change the ensemble's file."""
    text = (folder / "set.toml").read_text()
    assert old in text
    (folder / "set.toml").write_text(text.replace(old, new), encoding="utf-8")


# ---- the same files ---------------------------------------------------------------------------------------

SCHEDULER = """
import sys, distributed
from nanobragg.cli import main

if __name__ == "__main__":
    with distributed.LocalCluster(n_workers=1, threads_per_worker=2, dashboard_address="127.0.0.1:0") as cluster:
        sys.exit(main(["ensemble", "set.toml", "-o", "c", "--scheduler", cluster.scheduler_address]))
"""


def test_files_do_not_depend_on_workers(folder: Path) -> None:
    """One process, two, a scheduler's two threads: the same bytes, and no others."""
    (folder / "scheduler.py").write_text(SCHEDULER, encoding="utf-8")
    two = run("set.toml", "-o", "b", "-workers", "2")
    scheduler = subprocess.Popen([sys.executable, "scheduler.py"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert main(["ensemble", "set.toml", "-o", "a", "-workers", "1"]) == 0
    finished(two)
    finished(scheduler)
    assert sums(folder / "a") == sums(folder / "b") == sums(folder / "c")


def test_files_do_not_depend_on_who_watches(folder: Path) -> None:
    """Profilers, Dask's in each of its workers too, keep what a function had a little longer: the same bytes."""
    assert main(["ensemble", "set.toml", "-o", "a", "-workers", "1"]) == 0
    watched = []
    before = sys.getprofile()
    # (Python 3.11 crashes when it looks for garbage among frames that are kept, whosever they are.)
    gc.disable()
    sys.setprofile(lambda frame, event, _: watched.append(frame) if event == "return" else None)
    try:
        assert main(["ensemble", "set.toml", "-o", "b", "-workers", "1"]) == 0
        assert any(frame.f_code.co_name == "create_dataset" for frame in watched)
    finally:
        sys.setprofile(before)
        watched.clear()
        gc.enable()
    assert sums(folder / "a") == sums(folder / "b")


def test_threads_of_a_worker_share_what_they_keep(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tasks that begin at once read the inputs once, and none takes from another what it is about to use."""
    plan = read_ensemble("set.toml")
    place = Folder("b", plan)
    made = []

    def slow(*said: Any) -> Any:
        made.append(said)
        time.sleep(0.05)
        return plan_of(*said)

    monkeypatch.setattr(engine, "plan_of", slow)
    shared = (plan.document, plan.path, "b", place.identity)
    with ThreadPoolExecutor(6) as pool:
        assert sorted(pool.map(lambda number: engine.make_one(*shared, number), range(6))) == list(range(6))
    assert len(made) == 1
    assert main(["ensemble", "set.toml", "-o", "a", "-workers", "1"]) == 0
    assert main(["ensemble", "set.toml", "-o", "b", "-workers", "1"]) == 0
    assert sums(folder / "a") == sums(folder / "b")


KILLS = """
import os, random, signal, sys, time
from nanobragg.cli import main

draw = random.Random(3)


def forked(folder):
    child = os.fork()
    if not child:
        sys.stdout = open(os.devnull, "w")
        os._exit(main(["ensemble", "set.toml", "-o", folder, "-workers", "1"]))
    return child


began = time.monotonic()
os.waitpid(forked("whole"), 0)
seconds = time.monotonic() - began
for number in range(20):
    child = forked("killed")
    time.sleep(draw.uniform(0.0, 0.4 * seconds))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
assert os.waitpid(forked("killed"), 0)[1] == 0
"""


@pytest.mark.slow
def test_runs_that_were_killed_go_on(folder: Path) -> None:
    """Twenty times killed at any moment: in the end there are the files of a run that was left alone, and no others."""
    subprocess.run([sys.executable, "-c", KILLS], check=True, timeout=300)
    assert sums(folder / "whole") == sums(folder / "killed")


def is_worker(process: Any) -> bool:
    """Whether a process is a worker, and alive."""
    import psutil

    try:
        return "spawn_main" in " ".join(process.cmdline())
    except psutil.Error:
        return False


@pytest.mark.slow
def test_workers_that_are_killed_are_replaced(folder: Path) -> None:
    """A worker that the system kills costs time, not the run, nor a byte."""
    import psutil

    (folder / "set.toml").write_text(MANY, encoding="utf-8")
    process = run("set.toml", "-o", "b", "-workers", "2")
    until = time.monotonic() + 120
    killed = 0
    while killed < 2 and process.poll() is None and time.monotonic() < until:
        workers = [p for p in psutil.Process(process.pid).children() if is_worker(p)]
        if any((folder / "b" / "parts").glob("*.json")) and len(workers) > 1:
            workers[0].kill()
            killed += 1
            time.sleep(0.3)
        time.sleep(0.01)
    finished(process)
    assert killed > 0
    assert sums(folder / "b") == sums_of_many()


@pytest.mark.slow
def test_ctrl_c_ends_all_processes_with_one_word(folder: Path) -> None:
    """A terminal interrupts the workers, too: no traceback of theirs; the same command goes on later."""
    (folder / "set.toml").write_text(MANY, encoding="utf-8")
    process = run("set.toml", "-o", "b", "-workers", "2", start_new_session=True)
    until = time.monotonic() + 120
    while not any((folder / "b" / "parts").glob("*.json")) and time.monotonic() < until:
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (130, b"nanobragg: interrupted\n")
    assert not (folder / "b" / "manifest.json").exists()
    assert main(["ensemble", "set.toml", "-o", "b", "-workers", "1"]) == 0
    assert sums(folder / "b") == sums_of_many()


FULL = """
import resource, sys
from nanobragg.cli import main

resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
sys.exit(main(["ensemble", "set.toml", "-o", "b", "-workers", "1"]))
"""


def test_a_full_disk_is_a_sentence_and_the_run_goes_on_later(folder: Path) -> None:
    """What could not be written is not there; with space again, the rest is made."""
    assert main(["ensemble", "set.toml", "-o", "a", "-workers", "1"]) == 0
    done = subprocess.run([sys.executable, "-c", FULL], stderr=subprocess.PIPE, text=True, timeout=120, check=False)
    assert done.returncode == 9
    errors = done.stderr
    assert "shots_000000.h5: cannot be written (" in errors
    assert errors.count("\n") == 1
    assert sorted(path.name for path in (folder / "b").iterdir()) == ["ensemble.json", "parts", "set.toml"]
    assert main(["ensemble", "set.toml", "-o", "b", "-workers", "1"]) == 0
    assert sums(folder / "a") == sums(folder / "b")


def test_the_folder_makes_itself_again(folder: Path) -> None:
    """``set.toml`` of the folder, which may be moved with its inputs, makes the same shots."""
    assert main(["ensemble", "set.toml", "-o", "../deep/a", "-workers", "1"]) == 0
    assert main(["ensemble", "../deep/a/set.toml", "-o", "b", "-workers", "1"]) == 0
    text = (folder.parent / "deep" / "a" / "set.toml").read_text()
    assert text == SET.replace('"../list.hkl"', '"../../list.hkl"')
    assert sums(folder.parent / "deep" / "a") == sums(folder / "b")


# ---- what is in them --------------------------------------------------------------------------------------


@pytest.fixture
def made(folder: Path) -> Path:
    """The folder of an ensemble that is finished."""
    assert main(["ensemble", "set.toml", "-o", "out", "-workers", "1"]) == 0
    return folder / "out"


def rows(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_files_hold_the_shots_of_python(made: Path) -> None:
    """Images, parameters and reflections are those of ``Ensemble``, and the master file shows all of them."""
    ensemble = Ensemble("set.toml", threads=1)
    shots = rows(made / "shots.csv")
    crystals = rows(made / "crystals.csv")
    assert len(shots) == len(ensemble) == 11
    with h5py.File(made / "master.h5") as master:
        stack = master["entry/data/data"]
        waves = master["entry/instrument/beam/incident_wavelength"][()]
        assert stack.shape == (11, 64, 48)
        for i in (0, 3, 10):
            image, truth = ensemble[i]
            np.testing.assert_array_equal(stack[i], image.data)
            assert waves[i] == pytest.approx(float(shots[i]["mean_wavelength"]))
            assert float(shots[i]["detector.distance"]) == truth.parameters["detector.distance"]
            assert int(shots[i]["crystals"]) == len(truth.crystals)
            own = [row for row in crystals if int(row["shot"]) == i]
            assert len(own) == len(truth.crystals)
            for row, crystal in zip(own, truth.crystals, strict=True):
                axes = [float(row[f"a[{axis}]"]) for axis in range(3)]
                assert axes == pytest.approx(np.array(crystal.resolved.sample.a0) * 1e10)
                assert int(row["crystal.cells"]) == crystal.parameters["crystal.cells"]
            with h5py.File(made / shots[i]["file"]) as file:
                np.testing.assert_array_equal(file["entry/data/data"][int(shots[i]["image"])], image.data)
            with h5py.File(made / shots[i]["file"].replace("shots", "reflections")) as file:
                mine = file["truth/shot"][()] == i
                np.testing.assert_array_equal(file["truth/intensity"][()][mine], truth.reflections()["intensity"])


def test_files_tell_the_nominal_detector(made: Path) -> None:
    """A distance that jitters is not known in an experiment: whoever refines it compares with shots.csv."""
    with h5py.File(made / "shots_000001.h5") as file:
        detector = file["entry/instrument/detector"]
        assert detector["distance"][()] == pytest.approx(0.1)
        assert detector["saturation_value"][()] == 2**31 - 1
        assert "unit_cell" not in file["entry/sample"]


def test_sweeps_are_scans_and_shots_are_stills(folder: Path, made: Path) -> None:
    """DIALS takes images with an axis for a scan, and the first one's wavelength for all; without, each its own."""
    with h5py.File(made / "master.h5") as file:
        assert "depends_on" not in file["entry/sample"]
        assert len(set(file["entry/instrument/beam/incident_wavelength"][()].tolist())) == 11
    turn = "oscillation = { constant = 0.5 }\nphi = { start = 10, step = 0.5 }"
    changed(folder, "[ensemble.spectrum]", f"[ensemble.sampling]\n{turn}\n[ensemble.spectrum]")
    assert main(["ensemble", "set.toml", "-o", "scan", "-workers", "1"]) == 0
    with h5py.File(folder / "scan" / "master.h5") as file:
        assert file["entry/sample/depends_on"][()] == b"/entry/sample/transformations/omega"
        omega = file["entry/sample/transformations/omega"][()]
    np.testing.assert_allclose(omega, 10 + 0.5 * np.arange(11))


def test_a_shot_that_fails_is_told_and_the_rest_is_made(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One draw in a hundred thousand that is no experiment does not end the night's work."""
    text = SET.replace(
        "[ensemble.spectrum]", "[ensemble.response]\nbits = { list = [16, 16, 40] }\n[ensemble.spectrum]"
    )
    (folder / "set.toml").write_text(text, encoding="utf-8")
    assert main(["ensemble", "set.toml", "-o", "out", "-workers", "1"]) == 0
    said = capsys.readouterr()
    assert "11 shots in 6 files in out; 3 of them failed, see shots.csv" in said.out
    assert "shot 2: -bits: found 40, expected 1 to 32" in said.err
    found = rows(folder / "out" / "shots.csv")
    assert [int(row["shot"]) for row in found if row["error"]] == [2, 5, 8]
    with h5py.File(folder / "out" / "master.h5") as master:
        assert not master["entry/data/data"][2].any()
        assert master["entry/data/data"][3].any()
    assert [row["shot"] for row in json.loads((folder / "out" / "manifest.json").read_text())["failed"]] == [2, 5, 8]


# ---- what is said -----------------------------------------------------------------------------------------


def test_status_and_dry_run(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """How far it is, and what it would be, without making anything."""
    assert main(["ensemble", "set.toml", "-dry_run"]) == 0
    said = capsys.readouterr().out
    assert [line.split(":")[0] for line in said.splitlines() if line.startswith("shot ")] == [
        f"shot {i}" for i in range(10)
    ]
    assert "crystal.misset = [" in said
    assert "11 shots like shot 0: about 0:00:0" in said
    assert "anew" not in said
    assert not (folder / "out").exists()
    assert main(["ensemble", "set.toml", "-o", "out", "-workers", "1"]) == 0
    (folder / "out" / "manifest.json").unlink()
    (folder / "out" / "shots_000003.h5").unlink()
    assert main(["ensemble", "-o", "out", "--status"]) == 0
    assert "out: 5/6 files, 9/11 shots, " in capsys.readouterr().out
    assert main(["ensemble", "set.toml", "-o", "out", "-workers", "1"]) == 0
    assert "5 of 6 files are there" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("spectrum", "resolution", "anew"),
    [(True, True, True), (False, False, True), (False, True, False)],
    ids=["wavelengths", "distances", "neither"],
)
def test_factors_that_each_shot_computes_are_told(
    folder: Path, spectrum: bool, resolution: bool, anew: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    """A model's factors may take seconds: what makes every shot wait for its own is said beforehand, once."""
    model = Path(__file__).resolve().parent.parent / "examples" / "1orc.pdb"
    changed(folder, '"../list.hkl"', f'"{model}"')
    changed(folder, "blank = 0.1", "")
    if resolution:
        changed(folder, "cells = 12", "cells = 12\nsf_dmin = 4")
    if not spectrum:
        text = (folder / "set.toml").read_text()
        (folder / "set.toml").write_text(text.partition("[ensemble.spectrum]")[0], encoding="utf-8")
    assert main(["ensemble", "set.toml", "-dry_run"]) == 0
    said = capsys.readouterr().out
    assert bool(re.findall(r"1orc\.pdb: .* computed anew for each shot \(\S+ s\), since ", said)) == anew
    assert said.count("anew") == anew


def test_mistakes_are_one_sentence(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Wrong words and files end with status 9, one sentence, and nothing written."""
    cases = [
        ("set.toml", "ensemble: found no -o FOLDER, expected nanobragg ensemble SET.toml -o FOLDER"),
        ("-o out", "ensemble: found no SET.toml"),
        ("set.toml other.toml -o out", "ensemble: found 'set.toml' and 'other.toml', expected one file"),
        ("set.toml -o", "-o: found too few words after it, expected FOLDER"),
        ("set.toml -o out -workers 0", "-workers: found '0', expected a whole number, 1 or more"),
        ("set.toml -o out -wrokers 2", "ensemble: found the option '-wrokers', expected a file, -o, -workers"),
        ("set.toml -o out -workers 2 -scheduler x:1", "-workers and -scheduler: found both, expected one of them"),
        ("no.toml -o out", "no.toml: cannot be read (no such file or folder)"),
        ("-o out -status", "out/ensemble.json: cannot be read (no such file or folder)"),
    ]
    for words, sentence in cases:
        assert main(["ensemble", *words.split()]) == 9
        said = capfd.readouterr()
        assert f"nanobragg: {sentence}" in said.err
        assert said.err.count("\n") == 1
    assert not (folder / "out").exists()


def test_detectors_of_panels_are_stacks(folder: Path) -> None:
    """The master file shows the array that each file has, whatever the panels make of it."""
    panels = "".join(
        f"[[detector.panels]]\nshape = [32, 48]\npixel_size = 0.8\norigin = [-19.2, {y}, 100]\n" for y in (-26.0, 2.0)
    )
    changed(folder, "[detector]\nshape = [64, 48]\npixel_size = 0.8\ndistance = 100\n", panels)
    changed(folder, "[ensemble.detector]\ndistance = { add = { normal = [0, 0.1] } }\n", "")
    changed(folder, "reflections = true", "")
    changed(folder, "shots = 11", "shots = 3")
    assert main(["ensemble", "set.toml", "-o", "out", "-workers", "1"]) == 0
    image = Ensemble("set.toml", threads=1)[2].image.data
    with h5py.File(folder / "out" / "master.h5") as file:
        np.testing.assert_array_equal(file["entry/data/data"][2].ravel(), image.ravel())


def test_forked_processes_make_the_same_shots(folder: Path) -> None:
    """Loaders of training data fork: their processes have the ensemble of the parent, which has made shots before."""
    code = textwrap.dedent(
        """
        import multiprocessing
        from nanobragg import Ensemble

        ensemble = Ensemble("set.toml", threads=1)
        one = ensemble[1].image.data.tobytes()


        def pixels(number):
            return ensemble[number].image.data.tobytes()


        with multiprocessing.get_context("fork").Pool(2) as pool:
            found = pool.map(pixels, range(4))
        assert found[1] == one
        assert found == [pixels(number) for number in range(4)]
        """
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("change", ["file", "input"])
def test_another_ensemble_does_not_go_on_in_the_folder(
    made: Path, change: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """Half of the shots from one file and half from another would be nobody's."""
    if change == "file":
        changed(made.parent, "shots = 11", "shots = 12")
    else:
        with (made.parent.parent / "list.hkl").open("a") as file:
            file.write("30 0 0 5\n")
    before = sums(made)
    capfd.readouterr()
    assert main(["ensemble", "set.toml", "-o", "out", "-workers", "1"]) == 9
    assert "out: found the shots of another ensemble" in capfd.readouterr().err
    assert sums(made) == before


def test_a_file_of_which_no_shot_is_an_experiment_is_refused(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A mistake that every shot has is told at once, not a hundred thousand times."""
    changed(folder, "cells = 12", "cells = 12\nmosaic_spread = 0.1\nmosaic_domains = 90000000")
    assert main(["ensemble", "set.toml", "-o", "out", "-workers", "1"]) == 9
    assert "-mosaic_dom: found 1 x 90000000 orientations" in capfd.readouterr().err
    assert not (folder / "out").exists()


def test_help_names_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    """``nanobragg ensemble -h``."""
    assert main(["ensemble", "-h"]) == 0
    said = capsys.readouterr().out
    assert all(word in said for word in ("-o FOLDER", "-workers N", "-scheduler ADDRESS", "-dry_run", "-status"))
    assert main(["ensemble"]) == 9


def test_one_worker_needs_no_dask(folder: Path) -> None:
    """The plain loop is for machines without Dask: nothing of it is imported."""
    code = textwrap.dedent(
        """
        import sys
        from nanobragg.cli import main
        assert main(["ensemble", "set.toml", "-o", "out", "-workers", "1"]) == 0
        assert not {"dask", "distributed"} & set(sys.modules)
        """
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


def test_the_benchmark_tells_the_shares(tmp_path: Path) -> None:
    """Whoever plans a million shots on other machines measures a few there."""
    bench = Path(__file__).resolve().parent.parent / "bench" / "ensemble.py"
    said = subprocess.run(
        [sys.executable, str(bench), "--edge", "32", "--shots", "3"], check=True, capture_output=True, text=True
    ).stdout
    assert said.startswith("32 x 32 pixels, jungfrau: ")
    shares = [float(line.split()[-2]) for line in said.splitlines() if line.endswith("%")]
    assert len(shares) == 4
    assert sum(shares) == pytest.approx(100, abs=0.3)
