"""Many scenes of one experiment read its files once, and notice when a file has changed."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from nanobragg import Beam, Crystal, Detector, Experiment, InputError, resolve, simulate
from nanobragg.cli import main
from nanobragg.resolver.memory import FILES, Memory

DATA = Path(__file__).parent / "data"
CELL = (40.0, 50.0, 60.0, 90.0, 90.0, 90.0)
_listening: list[Counter[str]] = []


def _hear(event: str, arguments: tuple[object, ...]) -> None:
    if event == "open" and _listening:
        _listening[-1][str(arguments[0])] += 1


sys.addaudithook(_hear)


@contextmanager
def opened() -> Iterator[Counter[str]]:
    """Counts how often each file is opened from Python."""
    _listening.append(Counter())
    try:
        yield _listening[-1]
    finally:
        _listening.pop()


@pytest.fixture
def experiment(tmp_path: Path) -> Experiment:
    """Structure factors, header, mask, matrix and sources from files."""
    (tmp_path / "list.hkl").write_text("".join(f"{h} {k} 1 {10 + h + 3 * k}\n" for h in range(9) for k in range(9)))
    (tmp_path / "sources.txt").write_text("-10 0 0 1 1e-10\n-10 0.01 0 2 1.1e-10\n")
    (tmp_path / "A.mat").write_text("0.02 0 0\n0 0.018 0\n0 0 0.016\n")
    shot = simulate(crystal=Crystal(cell=CELL, default_F=1), detector=Detector(shape=(20, 30), distance=70))
    shot.noisy(seed=1).write(tmp_path / "shot.img")
    return Experiment(
        crystal=Crystal(cell=CELL, matrix=tmp_path / "A.mat", structure_factors=tmp_path / "list.hkl", cells=5),
        detector=Detector(header=tmp_path / "shot.img", mask=tmp_path / "shot.img"),
        beam=Beam(sources=tmp_path / "sources.txt"),
    )


def turned(experiment: Experiment, angle: float) -> Experiment:
    """The experiment with another orientation."""
    return replace(experiment, crystal=replace(experiment.crystal, misset=(angle, 0.0, 0.0)))


def test_a_loop_over_orientations_reads_its_files_once(experiment: Experiment, tmp_path: Path) -> None:
    """A thousand shots of one crystal would parse the same list of a million reflections a thousand times."""
    first = resolve(turned(experiment, 1.0))
    with opened() as files:
        others = [resolve(turned(experiment, angle)) for angle in (2.0, 3.0)]
    assert not [name for name in files if name.startswith(str(tmp_path))]
    for other in others:
        assert other.scene.f_grid is first.scene.f_grid
        assert not np.array_equal(other.scene.orientations, first.scene.orientations)
        assert other.notes == first.notes
        assert np.array_equal(other.scene.image_mask, first.scene.image_mask)


def test_a_file_that_changed_is_read_again(experiment: Experiment, tmp_path: Path) -> None:
    """An old list of structure factors under a new one's name would be a wrong image without a word."""
    before = resolve(experiment).scene
    (tmp_path / "list.hkl").write_text("0 0 1 7\n")
    after = resolve(experiment).scene
    assert before.f_grid.shape == (9, 9, 1)
    assert after.f_grid.tolist() == [[[7.0]]]
    (tmp_path / "list.hkl").write_text("0 0 1 8\n")
    os.utime(tmp_path / "list.hkl", ns=(0, 12345))
    assert resolve(experiment).scene.f_grid.tolist() == [[[8.0]]]
    (tmp_path / "list.hkl").unlink()
    with pytest.raises(InputError, match=r"list\.hkl: cannot be read"):
        resolve(experiment)


def test_what_else_decides_about_a_list_is_not_mixed_up(experiment: Experiment) -> None:
    """Holes of a list are filled with the default structure factor of the experiment at hand."""

    def hole(default_F: float) -> float:
        return float(resolve(replace(experiment, crystal=crystal(default_F))).scene.f_grid[0, 0, 0])

    def crystal(default_F: float) -> Crystal:
        return replace(experiment.crystal, default_F=default_F)

    sparse = Path(os.fspath(experiment.crystal.structure_factors))  # type: ignore[arg-type]
    sparse.write_text("0 0 1 5\n0 1 0 6\n")
    assert [hole(2.0), hole(3.0), hole(2.0)] == [2.0, 3.0, 2.0]


def test_symmetry_is_expanded_once() -> None:
    """Reading an MTZ file takes less time than what symmetry makes of it."""
    crystal = Crystal(structure_factors=DATA / "5e5z.mtz", cells=5)
    one, other = (resolve(Experiment(crystal=replace(crystal, misset=(a, 0.0, 0.0)))) for a in (1.0, 2.0))
    assert one.scene.f_grid is other.scene.f_grid
    assert one.notes == other.notes
    sharp = resolve(Experiment(crystal=replace(crystal, sf_dmin=5.0)))
    assert sharp.scene.f_grid.size < one.scene.f_grid.size


def test_a_model_is_transformed_once() -> None:
    """A transform of a protein's density takes seconds: a loop over orientations needs one."""
    crystal = Crystal(structure_factors=DATA / "5e5z.pdb", cells=5, sf_dmin=3.0)
    one, other = (resolve(Experiment(crystal=replace(crystal, misset=(a, 0.0, 0.0)))) for a in (1.0, 2.0))
    assert one.scene.f_grid is other.scene.f_grid
    soft = resolve(Experiment(crystal=replace(crystal, sf_dmin=3.0), beam=Beam(wavelength=1.5)))
    assert not np.array_equal(soft.scene.f_grid, one.scene.f_grid)


def test_a_rotation_series_is_one_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each frame begins where the one before it ends, as programs that index series want it, and the structure factors
    are read once.
    """
    (tmp_path / "list.hkl").write_text("0 0 1 7\n1 2 3 5\n")
    (tmp_path / "series.toml").write_text(
        'quirks = "none"\nprogress = false\n[beam]\nfluence = 1e26\nwavelength = 1.0\n'
        '[crystal]\nstructure_factors = "list.hkl"\ncell = [60, 70, 80, 90, 90, 90]\ncells = 9\n'
        "[detector]\nshape = [8, 9]\npixel_size = 4\ndistance = 100\n[sampling]\noscillation = 0.5\nphi_steps = 2\n"
        "[ensemble]\nshots = 5\nshots_per_file = 3\n[ensemble.sampling]\nphi = { start = 30, step = 0.5 }\n"
    )
    monkeypatch.chdir(tmp_path)
    FILES.forget()
    with opened() as names:
        assert main(["ensemble", "series.toml", "-o", "out", "-workers", "1"]) == 0
    assert sum(name.endswith("list.hkl") for name in names) <= 2, names
    with h5py.File("out/master.h5") as file:
        axes = file["entry/sample/transformations"]
        assert axes["omega"][()] == pytest.approx([30, 30.5, 31, 31.5, 32])
        assert axes["omega_end"][()] == pytest.approx([30.5, 31, 31.5, 32, 32.5])


def test_shared_structure_factors_cannot_be_written_to(experiment: Experiment) -> None:
    """Whoever changes the grid of one Scene would change all the others."""
    grid = resolve(experiment).scene.f_grid
    with pytest.raises(ValueError, match="read-only"):
        grid[0, 0, 0] = 0.0
    given = np.array([[0.0, 0.0, 1.0, 5.0]])
    own = resolve(Experiment(crystal=Crystal(cell=CELL, structure_factors=given))).scene.f_grid
    own[0, 0, 0] = 6.0
    assert given[0, 3] == 5.0


def test_a_pipe_is_read_every_time(tmp_path: Path) -> None:
    """What comes through a pipe is something else every time."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    seen = []
    for value in (5, 6):
        writer = threading.Thread(target=pipe.write_text, args=(f"0 0 1 {value}\n",), daemon=True)
        writer.start()
        seen.append(resolve(Experiment(crystal=Crystal(cell=CELL, structure_factors=pipe))).scene.f_grid[0, 0, 0])
        writer.join()
    assert seen == [5.0, 6.0]


# ---- the memory -------------------------------------------------------------------------------------------


@dataclass
class Record:
    """What a reader gives."""

    array: np.ndarray


def kilobytes(count: int) -> Record:
    return Record(np.zeros(count * 1024, np.uint8))


def test_memory_is_bounded() -> None:
    """A long program that reads many files does not fill the computer with them."""
    memory, made = Memory(limit=4096), Counter[str]()

    def get(key: str, size: int) -> None:
        def make() -> Record:
            made[key] += 1
            return kilobytes(size)

        memory.get(key, make)

    for key in ("a", "b", "a", "c", "d", "a", "b"):  # four fit
        get(key, 1)
    assert made == Counter("abcd")
    get("e", 1)  # and takes the place of c, which was not asked for the longest
    for key in "abde":
        get(key, 1)
    assert made == Counter("abcde")
    get("c", 1)
    assert made == Counter("abccde")
    get("large", 5)
    get("large", 5)
    assert made["large"] == 2
    get("c", 1)  # nothing was let go of for what is too large
    assert made["c"] == 2
    memory.forget()
    get("c", 1)
    assert made["c"] == 3


def test_threads_that_ask_at_once_wait_for_one_reader() -> None:
    """Sixteen workers that begin with the same file read it once."""
    memory, made, got = Memory(), [], []

    def make() -> Record:
        made.append(threading.get_ident())
        time.sleep(0.05)
        return kilobytes(1)

    workers = [threading.Thread(target=lambda: got.append(memory.get("file", make))) for _ in range(16)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(made) == 1
    assert len(got) == 16
    assert all(value is got[0] for value in got)


def test_a_failure_is_not_kept() -> None:
    """A file that could not be read may be there the next time."""
    memory = Memory()

    def fail() -> Record:
        raise InputError("not yet")

    with pytest.raises(InputError, match="not yet"):
        memory.get("file", fail)
    assert memory.get("file", lambda: kilobytes(1)).array.size == 1024
