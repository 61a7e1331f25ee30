"""Files of any bytes: read, or refused in one sentence (``specs/parity.md``, "Damaged files")."""

from __future__ import annotations

import json
import os
import resource
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from nanobragg import Crystal, Detector, Experiment, InputError, resolve
from nanobragg.io.support import apart
from nanobragg.io.support.apart import read_apart
from nanobragg.parity.file_samples import BESIDE, Sample, samples
from nanobragg.parity.fuzz_files import read

SAMPLES = samples()


def _fuzz(folder: Path, *words: str, before: str = "") -> subprocess.CompletedProcess[str]:
    """The fuzzer in a process of its own, after ``before``."""
    script = f"import sys\nfrom nanobragg.parity import fuzz_files\n{before}\nsys.exit(fuzz_files.main(sys.argv[1:]))"
    command = [sys.executable, "-c", script, "--outdir", os.fspath(folder / "found"), *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600, check=False)


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.format)
def test_undamaged_files_are_read_in_every_way(
    sample: Sample, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Else the fuzzer would try refusals only, and a format would be lost."""
    monkeypatch.chdir(tmp_path)
    for name, content in {sample.name: sample.content, **BESIDE}.items():
        Path(name).write_bytes(content)
    for way in sample.ways:
        read(way.replace("{}", sample.name).split())
    assert not capsys.readouterr().err


@pytest.mark.slow
def test_a_minute_of_damaged_files(tmp_path: Path) -> None:
    """A traceback, another library's message or a killed process in place of the file's name and what is wrong."""
    done = _fuzz(tmp_path, "--count", "3500", "--seed", "22", "--minutes", "9")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "3500 files, 0 of them" in done.stdout
    assert not done.stderr


def test_some_damaged_files_of_every_format(tmp_path: Path) -> None:
    done = _fuzz(tmp_path, "--count", "500", "--seed", "1", "--minutes", "2")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    for sample in SAMPLES:
        assert sample.format in done.stdout


FAULTS = """
import os, signal
from nanobragg.errors import InputError
fuzz_files.SECONDS, fuzz_files.samples = 1, lambda: all_samples()[:7]

def read(words):
    number = int(open("number").read()) if os.path.exists("number") else 0
    open("number", "w").write(str(number + 1))
    if number == 0:
        {}["missing"]
    if number == 1:
        print("libfoo: bad magic", file=sys.stderr)
    if number == 2:
        os.kill(os.getpid(), signal.SIGSEGV)
    if number == 3:
        bytearray(3 * 10**9)
    if number == 4:
        while True:
            pass
    if number == 5:
        raise InputError("")
    raise InputError("a.img: found nothing, expected something")

fuzz_files.read = read
"""


def test_the_fuzzer_finds_what_must_not_be(tmp_path: Path) -> None:
    """Tracebacks, messages, crashes, memory, time, and refusals that say nothing; and goes on with the next file."""
    before = "from nanobragg.parity.file_samples import samples as all_samples\n" + FAULTS
    done = _fuzz(tmp_path, "--count", "7", before=before)
    assert done.returncode == 3, done.stderr
    assert "7 files, 6 of them neither read nor refused in one sentence" in done.stdout
    found = [json.loads(path.read_text())["found"] for path in sorted((tmp_path / "found").glob("*/finding.json"))]
    expected = ("KeyError", "libfoo: bad magic", "SIGSEGV", "MemoryError", "more than 1 s", "no sentence")
    assert len(found) == len(expected)
    assert all(words in sentence for words, sentence in zip(expected, found, strict=True)), found
    assert (tmp_path / "found" / "1_0" / SAMPLES[0].name).exists()


def test_a_finding_can_be_made_again(tmp_path: Path) -> None:
    """Whoever mends a reader wants that very file."""
    from nanobragg.parity.fuzz_files import Case

    again = samples()
    for number in range(len(SAMPLES)):
        one, other = Case(3, number, SAMPLES), Case(3, number, again)
        assert (one.content, one.words) == (other.content, other.words)


# ---- kinds of damage that were not refused in a sentence --------------------------------------------------

KINDS = [
    ("XDS_ASCII", b"!ITEM_H=1", "!ITEM_H=²".encode(), "ITEM_H=²"),
    ("XDS_ASCII", b"!ITEM_H=1", b"!ITEM_H=" + b"9" * 5000, "expected the number of a column"),
    ("MTZ", b"NCOL ", b"NCOL " + b"9" * 5000, "fewer numbers"),
    ("SHELX fcf", b"1/2-x", b"9" * 400 + b"x", "symmetry operator"),
    ("SHELX fcf", b"-x,1/2+y", b"-x," + b"9" * 400 + b"+y", "symmetry operator"),
    ("SHELX fcf", b"25.0", b"1e308", "expected structure factors"),
    ("PDB", b"MTRIX1   2 -1.000000  0.000000", b"MTRIX1   2 -1.000000  99999999", "no rotation"),
    ("PDB", b"11.104   6.134  -6.504", b"11.104 80000.0 80000.0", "strew its atoms"),
    ("PDB", b"1900   1900   1900     10", b"1900   1900   19009999999", "numbers that no atom has"),
    ("CrystFEL geometry", b"+1.0x -0.001y", b"9" * 400 + b"x", "expected a vector"),
    ("CrystFEL geometry", b"bad0/min_fs", b"1 " * 2000 + b"/min_fs", "found '1 1 1"),
    ("CrystFEL hkl", b"4/mmm", b"9" * 5000, "expected one of CrystFEL's point groups"),
    ("noisify header", b"HEADER_BYTES=512", b"HEADER_BYTES=inf", "HEADER_BYTES"),
    ("mar345", b"\nCCP4 packed image, X: 0024, Y: 0024\n", b"\nCCP4 packed image, X: 0024, Y: 0024\n      ", "packed"),
    ("NumPy", b"}", b"(", "expected a NumPy file"),
    ("ensemble", b"[50, 60, 70", b"[50, 1e308, 70", "expected lengths between"),
    ("ensemble", b"pixel_size = 0.4", b"pixel_size = 1e308", "-pixel: found 1e\\+308 mm, expected less"),
    ("table of an ensemble", b"1.5,", b"1 " * 700 + b",", "found '1 1 1"),
    ("table of an ensemble", b"x,y", b"a" * 2000 + b",y", "found the columns aaaa"),
]


@pytest.mark.parametrize(("name", "old", "new", "sentence"), KINDS, ids=[f"{k[0]}: {k[3]}" for k in KINDS])
def test_kinds_of_damage_are_told(
    name: str, old: bytes, new: bytes, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    sample = next(sample for sample in SAMPLES if sample.format == name)
    assert old in sample.content
    content = sample.content.replace(old, new, 1)
    for file, data in {sample.name: content, **BESIDE}.items():
        Path(file).write_bytes(data)
    with pytest.raises(InputError, match=sentence) as told:
        read(sample.ways[-1].replace("{}", sample.name).split())
    assert len(str(told.value)) < 700


def test_what_a_library_says_of_a_file_is_a_warning_with_its_name(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """On the error stream it stood without the name, and scripts took it for a failure."""
    sample = next(sample for sample in SAMPLES if sample.format == "PILATUS TIFF")
    path = tmp_path / "a.tif"
    place = sample.content.index(struct.pack("<HH", 270, 2)) + 8  # where its description stands
    path.write_bytes(sample.content[:place] + struct.pack("<I", 9_999_999) + sample.content[place + 4 :])
    experiment = Experiment(crystal=Crystal(cell=(50, 60, 70, 90, 90, 90), default_F=1), detector=Detector(header=path))
    assert any(warning.startswith(f"{path}: ") for warning in resolve(experiment).warnings)
    assert capfd.readouterr().err == ""


# ---- readers that crash -----------------------------------------------------------------------------------


def test_what_is_read_apart_comes_back() -> None:
    def refuse() -> None:
        raise InputError("a.h5: found nothing, expected something")

    np.testing.assert_array_equal(read_apart("a.h5", lambda: {"pixels": np.eye(2000)})["pixels"], np.eye(2000))
    with pytest.raises(InputError, match="found nothing"):
        read_apart("a.h5", refuse)


def test_more_pixels_than_memory_are_a_sentence() -> None:
    """A few bytes of HDF5 can say that they are a million pixels wide and high."""
    with pytest.raises(InputError, match=r"a\.h5: found an image for which there is not enough memory"):
        read_apart("a.h5", lambda: np.ones((1_000_000, 1_000_000_000)))


def test_readers_that_crash_or_never_end_are_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """HDF5 loops on some bytes, fabio on some headers; a crash would take the session of whoever asked along."""
    monkeypatch.setattr(apart, "_SECONDS", 1)
    monkeypatch.setattr(apart, "_PATIENCE", 0.5)  # shorter than that second, as on a busy machine

    def crash() -> None:
        os.write(2, b"free(): invalid pointer")
        os.kill(os.getpid(), signal.SIGABRT)

    here = os.getpid()

    def loop() -> None:
        while os.getpid() != here:
            pass

    for bad in (crash, loop):
        with pytest.raises(InputError, match=r"a\.h5: found bytes on which its reader crashes or never ends"):
            read_apart("a.h5", bad)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("case", ["ignored", "blocked", "unlimited"])
def test_readers_that_never_end_are_ended_whoever_started_us(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Services start programs with signals ignored or blocked, and limits may be out of reach: a job hung for ever."""
    monkeypatch.setattr(apart, "_SECONDS", 1)
    monkeypatch.setattr(apart, "_PATIENCE", 0.5)
    before = signal.getsignal(signal.SIGXCPU)
    if case == "ignored":
        signal.signal(signal.SIGXCPU, signal.SIG_IGN)
    elif case == "blocked":
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGXCPU})
    else:
        monkeypatch.setattr(resource, "setrlimit", lambda *_: None)

    here = os.getpid()

    def loop() -> None:
        while os.getpid() != here:
            pass

    try:
        with pytest.raises(InputError, match=r"a\.h5: found bytes on which its reader crashes or never ends"):
            read_apart("a.h5", loop)
    finally:
        signal.signal(signal.SIGXCPU, before)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGXCPU})


SIDE_BY_SIDE = """
import numpy as np
from nanobragg.io.support.apart import read_apart
from nanobragg.refinement.crew import Crew

table, turn = np.random.rand(300_000, 3), np.eye(3)

def work(number):
    for _ in range(10):
        if number % 2:
            assert read_apart("a.h5", lambda: number) == number
        table @ turn

Crew(8, 4).map(work, range(8))
print("done")
"""


def test_threads_that_read_and_threads_that_multiply_do_not_stop_each_other() -> None:
    """OpenBLAS's threads end as a process is copied to read a file; a refinement of many files waited for them for
    ever. (In a process of its own, which can be ended.)
    """
    done = subprocess.run([sys.executable, "-c", SIDE_BY_SIDE], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout == "done\n"


def test_without_another_process_files_are_read_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where processes are counted and there may be no more, or a lock of another thread is in the way."""

    def refuse() -> int:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    here = os.getpid()
    monkeypatch.setattr(apart, "_PATIENCE", 0.1)
    assert read_apart("a.h5", lambda: time.sleep(0.5 if os.getpid() != here else 0.0) or os.getpid()) == here
    monkeypatch.setattr(apart.os, "fork", refuse)
    assert read_apart("a.h5", os.getpid) == here
