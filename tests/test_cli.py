"""The ``nanobragg`` program as people run it: files, messages, exit status."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from nanobragg import cli
from nanobragg.records.quirks import QUIRKS

BASE = "-cell 70 80 90 75 85 95 -default_F 100 -lambda 1.0 -N 3 -detpixels 24 -distance 60"
QUIET = f"{BASE} -nonoise -nopgm -noprogress"


def program(words: str | list[str], folder: Path, **options: object) -> subprocess.CompletedProcess[str]:
    arguments = words.split() if isinstance(words, str) else words
    return subprocess.run(
        [sys.executable, "-m", "nanobragg", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        **options,  # type: ignore[call-overload]
    )


def _heed_signals() -> None:
    # A test run in the background ignores SIGINT, one under nohup SIGHUP, and children inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def started(words: str, folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "nanobragg", *words.split()],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=_heed_signals,
    )


# ---- runs that work ---------------------------------------------------------------------------------------


def test_the_four_files_are_written_under_the_original_names(tmp_path: Path) -> None:
    result = program(f"{BASE} -seed 1", tmp_path)
    assert result.returncode == 0, result.stderr
    assert sorted(os.listdir(tmp_path)) == ["floatimage.bin", "image.pgm", "intimage.img", "noiseimage.img"]
    assert (tmp_path / "floatimage.bin").stat().st_size == 24 * 24 * 4
    for line in (
        r"^nanobragg \d+\.\d+\.\d+",
        r"^writing floatimage\.bin as 576 4-byte floats$",
        r"^max_I = \S+  at \S+ \S+$",
        r"^mean= \S+ rms= \S+ rmsd= \S+$",
        r"^intfile_scale = \S+$",
        r"^writing intimage\.img as 2-byte integers$",
        r"^pgm_scale = \S+$",
        r"^writing image\.pgm as 1-byte integers$",
        r"^\d+ photons on noise image \(\d+ overloads\)$",
        r"^writing noiseimage\.img as 2-byte integers$",
        r"^  seed: -1$",
    ):
        assert re.search(line, result.stdout, re.MULTILINE), line


def test_files_that_are_switched_off_are_not_written(tmp_path: Path) -> None:
    result = program(QUIET, tmp_path)
    assert result.returncode == 0
    assert sorted(os.listdir(tmp_path)) == ["floatimage.bin", "intimage.img"]
    assert "noise image" not in result.stdout


def test_the_same_seed_gives_the_same_noise_and_another_seed_another(tmp_path: Path) -> None:
    names = {"a": 1, "b": 1, "c": 2}
    for name, seed in names.items():
        assert program(f"{BASE} -seed {seed} -fluence 1e28 -noisefile {name}", tmp_path).returncode == 0
    a, b, c = ((tmp_path / name).read_bytes() for name in names)
    assert a == b
    assert a != c


def test_outputs_to_a_device_are_written_there(tmp_path: Path) -> None:
    """Old scripts throw images away like this; replacing the device by a file would break the machine."""
    result = program(f"{QUIET} -floatfile /dev/null -intfile /dev/null", tmp_path)
    assert result.returncode == 0, result.stderr
    assert not Path("/dev/null").is_file()


def test_the_cache_is_written_read_and_gives_the_same_image(tmp_path: Path) -> None:
    (tmp_path / "a.hkl").write_text("".join(f"{h} {k} 1 {50 + h}\n" for h in range(-3, 4) for k in range(-3, 4)))
    words = QUIET.replace("-default_F 100", "-default_F 3")
    first = program(f"{words} -hkl a.hkl", tmp_path)
    assert "writing dump file for next time: Fdump.bin" in first.stdout
    image = (tmp_path / "floatimage.bin").read_bytes()
    second = program(words, tmp_path)
    assert "Fdump.bin" in second.stdout
    assert (tmp_path / "floatimage.bin").read_bytes() == image


def test_a_cache_that_cannot_be_written_is_a_warning(tmp_path: Path) -> None:
    (tmp_path / "a.hkl").write_text("0 0 1 5\n1 1 1 5\n")
    result = program(f"{QUIET} -hkl a.hkl -dump no/F.bin", tmp_path)
    assert result.returncode == 0
    assert "WARNING: unable to write the dump file" in result.stdout


def test_a_run_written_down_is_repeated_byte_for_byte(tmp_path: Path) -> None:
    assert program(f"{BASE} -misset 10 20 30 -seed 5 -fluence 1e28 -write_config run.toml", tmp_path).returncode == 0
    files = ("floatimage.bin", "intimage.img", "image.pgm", "noiseimage.img")
    before = {name: (tmp_path / name).read_bytes() for name in files}
    for name in files:
        (tmp_path / name).unlink()
    result = program("-config run.toml", tmp_path)
    assert result.returncode == 0, result.stderr
    assert {name: (tmp_path / name).read_bytes() for name in files} == before


def test_threads_and_noise_generator_do_what_they_say(tmp_path: Path) -> None:
    for threads in (1, 2):
        files = f"-noisefile n{threads} -floatfile f{threads}"
        words = f"{BASE} -seed 5 -fluence 1e28 -threads {threads} -noise_rng fast {files}"
        assert program(words, tmp_path).returncode == 0
    assert (tmp_path / "f1").read_bytes() == (tmp_path / "f2").read_bytes()
    assert (tmp_path / "n1").read_bytes() == (tmp_path / "n2").read_bytes()
    program(f"{BASE} -seed 5 -fluence 1e28 -noisefile exact", tmp_path)
    assert (tmp_path / "exact").read_bytes() != (tmp_path / "n1").read_bytes()


def test_mixed_precision_stays_within_its_bar(tmp_path: Path) -> None:
    for precision in ("double", "mixed"):
        assert program(f"{QUIET} -precision {precision} -floatfile {precision}", tmp_path).returncode == 0
    double = np.fromfile(tmp_path / "double", dtype=np.float32)
    mixed = np.fromfile(tmp_path / "mixed", dtype=np.float32)
    np.testing.assert_allclose(mixed, double, rtol=1e-5, atol=1e-7 * float(double.max()))


def test_printout_and_trace_of_one_pixel_agree_with_the_image(tmp_path: Path) -> None:
    result = program(f"{QUIET} -printout_pixel 5 7 -trace_pixel 7 5", tmp_path)
    image = np.fromfile(tmp_path / "floatimage.bin", dtype=np.float32).reshape(24, 24)
    printed = re.search(r"^pixel\s+(\S+)$", result.stdout, re.MULTILINE)
    traced = re.search(r"^TRACE value (\S+)$", result.stdout, re.MULTILINE)
    assert printed is not None
    assert traced is not None
    assert float(printed[1]) == pytest.approx(image[7, 5], rel=1e-6)
    assert float(traced[1]) == pytest.approx(image[7, 5], rel=1e-6)
    assert len(re.findall(r"^pixel ", result.stdout, re.MULTILINE)) == 1


def test_printout_prints_every_pixel(tmp_path: Path) -> None:
    result = program(f"{QUIET} -printout -roi 2 4 3 4", tmp_path)
    assert len(re.findall(r"^pixel ", result.stdout, re.MULTILINE)) == 6


# ---- quirks -----------------------------------------------------------------------------------------------


def quirk_lines(text: str) -> list[str]:
    return re.findall(r"^quirk (\w+): .* \(switch off with -quirks all,-\w+\)$", text, re.MULTILINE)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("", []),
        ("-cell 50 60 70 80 90 100", ["cell_angles"]),
        ("-curved_det", ["curved_det_needs_word"]),
        ("-osc 1 -phisteps 2", ["phi_at_step_starts", "stale_phi_zero"]),
        ("-osc 0 -phisteps 2", []),
        ("-twotheta_axis 5 0 1 -quirks none", []),
        ("-twotheta_axis 5 0 1", ["twotheta_axis_parse"]),
        ("-osc 1 -phisteps 2 -quirks all,-stale_phi_zero", ["phi_at_step_starts"]),
    ],
)
def test_a_line_for_each_quirk_that_touches_the_run_and_no_other(
    tmp_path: Path, words: str, expected: list[str]
) -> None:
    result = program(f"{QUIET} -cell 50 60 70 90 100 90 -oversample 1 {words}", tmp_path)
    assert result.returncode == 0, result.stderr
    assert quirk_lines(result.stdout) == expected


def test_a_quirk_that_only_rendering_finds_is_told_afterwards(tmp_path: Path) -> None:
    (tmp_path / "few.hkl").write_text("".join(f"{h} {k} {i} 9\n" for h in (0, 1) for k in (0, 1) for i in (0, 1)))
    words = f"{QUIET} -cell 50 60 70 90 100 90 -oversample 1 -hkl few.hkl -interpolate"
    assert quirk_lines(program(words, tmp_path).stdout) == ["sticky_interpolation_fallback"]
    assert quirk_lines(program(f"{words} -quirks none", tmp_path).stdout) == []


def test_every_off_switch_that_is_told_is_accepted(tmp_path: Path) -> None:
    for name in QUIRKS:
        result = program(f"{QUIET} -detpixels 2 -quirks all,-{name}", tmp_path)
        assert result.returncode == 0, (name, result.stderr)


# ---- mistakes ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("", "-cell or -mat"),
        ("-default_F 10 -N 5", "-cell or -mat"),
        ("-cell 50 50 50 90 90 90", "-hkl"),
        (f"{QUIET} -hkl nowhere.hkl", "nowhere.hkl"),
        (f"{QUIET} -mat nowhere.mat", "nowhere.mat"),
        (f"{QUIET} -mask nowhere.img", "nowhere.img"),
        (f"{QUIET} -sourcefile nowhere.txt", "nowhere.txt"),
        (f"{QUIET} -distance far", "-distance: found 'far'"),
        (f"{QUIET} -lambda", "-lambda"),
        (f"{QUIET} -floatfile no/x.bin", "-floatfile"),
        (f"{QUIET} -intfile .", "-intfile"),
        (f"{QUIET} -write_config no/x.toml", "-write_config"),
        (f"{QUIET} -trace_pixel 24 0", "-trace_pixel"),
        (f"{QUIET} -device tpu", "-device"),
        (f"{QUIET} -quirks some", "-quirks"),
        (f"{QUIET} -config nowhere.toml", "nowhere.toml"),
        ("-cell 10 10 10 10 10 170 -default_F 5", "-cell"),
    ],
)
def test_mistakes_are_one_sentence_status_9_and_no_files(tmp_path: Path, words: str, sentence: str) -> None:
    result = program(words, tmp_path)
    assert result.returncode == 9
    assert result.stderr.startswith("nanobragg: ")
    assert sentence in result.stderr
    assert result.stderr.count("\n") == 1
    assert "Traceback" not in result.stderr + result.stdout
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("words", ["", "-cell 50 50 50 90 90 90", "-default_F 5"])
def test_usage_when_orientation_or_structure_factors_are_missing(tmp_path: Path, words: str) -> None:
    assert program(words, tmp_path).stdout.startswith("usage: nanobragg")


def test_an_image_that_no_memory_holds_is_one_sentence(tmp_path: Path) -> None:
    result = program(QUIET.replace("-detpixels 24", "-detpixels 2000000"), tmp_path)
    assert result.returncode == 9
    assert "Traceback" not in result.stderr
    assert result.stderr.count("\n") == 1


def test_an_old_image_survives_a_mistake(tmp_path: Path) -> None:
    (tmp_path / "floatimage.bin").write_bytes(b"precious")
    assert program(f"{QUIET} -hkl nowhere.hkl", tmp_path).returncode == 9
    assert (tmp_path / "floatimage.bin").read_bytes() == b"precious"


def test_unknown_options_are_a_warning_with_the_nearest_name(tmp_path: Path) -> None:
    result = program(f"{QUIET} -distnce 50", tmp_path)
    assert result.returncode == 0
    assert "WARNING: unknown option -distnce is ignored; did you mean -distance?" in result.stdout


# ---- help, version, start-up ------------------------------------------------------------------------------


@pytest.mark.parametrize("words", ["-h", "--help", "-help", "-cell 1 -distance x -h", "-h -quirks nonsense"])
def test_help_whatever_else_is_there(tmp_path: Path, words: str) -> None:
    result = program(words, tmp_path)
    assert result.returncode == 0
    assert "Detector position:" in result.stdout
    assert "-close_distance mm" in result.stdout


def test_help_on_a_terminal_that_knows_ascii_only(tmp_path: Path) -> None:
    result = program("-h", tmp_path, env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert result.returncode == 0


def test_version(tmp_path: Path) -> None:
    result = program("--version", tmp_path)
    assert result.returncode == 0
    assert re.fullmatch(r"nanobragg \d+\.\d+\.\d+\n", result.stdout)


def test_a_small_image_is_there_before_what_it_does_not_need_is_loaded(tmp_path: Path) -> None:
    """Loops over many small runs wait for what surroundings, panels, maps and foreign files need."""
    code = "import sys; from nanobragg.cli import main; status = main(sys.argv[1:]); print(status, *sys.modules)"
    words = "-cell 50 50 50 90 90 90 -N 3 -default_F 10 -detpixels 8 -noprogress"
    result = subprocess.run(
        [sys.executable, "-c", code, *words.split()],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    status, *loaded = result.stdout.splitlines()[-1].split()
    assert status == "0"
    rooms = ("io.geometry", "io.any_image", "rendering.surroundings", "resolver.bodies", "resolver.materials")
    assert not {f"nanobragg.{room}" for room in rooms} & set(loaded)


@pytest.mark.parametrize("words", ["--version", "-h", "-cell 1"])
def test_starting_up_does_not_load_numpy(tmp_path: Path, words: str) -> None:
    code = (
        "import sys; from nanobragg.cli import main; status = main(sys.argv[1:]);"
        "sys.exit(77 if {'numpy', 'tqdm'} & set(sys.modules) else 0)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, *words.split()], cwd=tmp_path, capture_output=True, check=False, timeout=60
    )
    assert result.returncode == 0


def test_main_gives_the_exit_status(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--version"]) == 0
    assert cli.main(["-cell", "x"]) == 9
    assert "Traceback" not in capsys.readouterr().err


# ---- progress, pipes, interruption ------------------------------------------------------------------------

LONG = (
    "-cell 100 100 100 90 90 90 -default_F 100 -N 10 -mosaic 1 -mosaic_domains 1000 -detpixels 1500 -oversample 4 "
    "-threads 2"
)


def test_a_short_run_shows_no_progress(tmp_path: Path) -> None:
    assert "% done" not in program(BASE, tmp_path).stdout


@pytest.mark.slow
def test_percentages_elsewhere_than_on_a_terminal_and_none_with_noprogress(tmp_path: Path) -> None:
    child = started(LONG, tmp_path)
    assert child.stdout is not None
    begin = time.monotonic()
    while not re.fullmatch(r"\d+% done\n", line := child.stdout.readline()):
        assert line
    took = time.monotonic() - begin
    child.send_signal(signal.SIGINT)
    child.communicate(timeout=20)
    child = started(f"{LONG} -noprogress", tmp_path)
    time.sleep(took + 0.5)
    child.send_signal(signal.SIGINT)
    output, _ = child.communicate(timeout=20)
    assert "oversample steps" in output
    assert "% done" not in output


def test_ctrl_c_stops_within_a_second_and_leaves_no_file(tmp_path: Path) -> None:
    child = started(LONG, tmp_path)
    assert child.stdout is not None
    while "oversample steps" not in child.stdout.readline():
        pass
    time.sleep(1.0)
    child.send_signal(signal.SIGINT)
    begin = time.monotonic()
    _, errors = child.communicate(timeout=20)
    assert time.monotonic() - begin < 1.5
    assert child.returncode == 130
    assert "Traceback" not in errors
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_the_limits_of_a_batch_system_leave_no_file(tmp_path: Path, number: signal.Signals) -> None:
    child = started("-cell 100 100 100 90 90 90 -default_F 100 -N 5 -detpixels 1000 -seed 1", tmp_path)
    while not os.listdir(tmp_path) and child.poll() is None:  # the first file, half written
        time.sleep(0.001)
    child.send_signal(number)
    _, errors = child.communicate(timeout=20)
    assert child.returncode in (128 + number, 0)
    assert errors == ""
    assert not [name for name in os.listdir(tmp_path) if name.startswith(".")]
    child = started(LONG, tmp_path)
    assert child.stdout is not None
    while "oversample steps" not in child.stdout.readline():
        pass
    time.sleep(0.5)
    child.send_signal(number)
    child.communicate(timeout=20)
    assert child.returncode == 128 + number


def test_a_daemon_has_no_output_stream(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "nanobragg", *BASE.split()]
    closed = subprocess.run(["sh", "-c", 'exec "$@" >&- 2>&-', "sh", *command], cwd=tmp_path, check=False, timeout=120)
    assert closed.returncode == 0
    assert (tmp_path / "floatimage.bin").exists()


def test_a_closed_pipe_is_no_traceback(tmp_path: Path) -> None:
    child = started(f"{QUIET} -printout", tmp_path)
    assert child.stdout is not None
    assert child.stderr is not None
    child.stdout.readline()
    child.stdout.close()
    errors = child.stderr.read()
    assert child.wait(timeout=60) == 141
    assert errors == ""
    child.stderr.close()


def test_a_bar_on_a_terminal(tmp_path: Path) -> None:
    leader, follower = pty.openpty()
    child = subprocess.Popen(
        [sys.executable, "-m", "nanobragg", *LONG.split()], cwd=tmp_path, stdout=follower, stderr=follower
    )
    os.close(follower)
    text = b""
    begin = time.monotonic()
    while b"%|" not in text and time.monotonic() - begin < 60:
        text += os.read(leader, 65536)
    child.kill()
    child.wait(timeout=20)
    os.close(leader)
    assert b"%|" in text
    assert b"% done" not in text
