"""Completion in shells: Tab must offer what the command takes, and nothing that it does not."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from nanobragg.cli import main
from nanobragg.completion.scripts import SHELLS, completion_script
from nanobragg.completion.table import SUFFIXES, commands
from nanobragg.inputs.options import ALL_OPTIONS
from nanobragg.records.quirks import QUIRKS

_FILES = ("a.hkl", "b.mtz", "c d.hkl", "e.toml", "f.img", "g.h5", "h.png", "i.txt", "j.expt", "k.stol", "l.bin")


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The script for bash, in an empty folder."""
    path = tmp_path_factory.mktemp("script") / "completion.bash"
    path.write_text(completion_script("bash"))
    return path


@pytest.fixture
def files(tmp_path: Path) -> Path:
    for name in _FILES:
        (tmp_path / name).touch()
    (tmp_path / "folder").mkdir()
    return tmp_path


def offered(script: Path, folder: Path, line: str) -> set[str]:
    """What bash offers when Tab is pressed after ``line``, whose last word may be empty."""
    words = line.split(" ")
    command = (
        'source "$1"; shift; [[ $(complete -p "$1") =~ -F\\ ([^ ]+) ]]; COMP_WORDS=("$@"); COMP_CWORD=$(( $# - 1 ));'
        " ${BASH_REMATCH[1]}; printf '%s\\n' \"${COMPREPLY[@]}\""
    )
    done = subprocess.run(
        ["bash", "--norc", "-c", command, "bash", script, *words],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    return {word for word in done.stdout.splitlines() if word}


def test_all_options_are_offered(script: Path, files: Path) -> None:
    plain = {name for option in ALL_OPTIONS for name in option.names}
    assert offered(script, files, "nanobragg -") == plain
    assert offered(script, files, "nanobragg ") == plain | {
        "view",
        "nonbragg",
        "noisify",
        "add",
        "profile",
        "ensemble",
        "refine",
    }
    assert offered(script, files, "nanobragg -nopgm ") == plain
    assert offered(script, files, "nanobragg -lambda 1 -detpix") == {n for n in plain if n.startswith("-detpix")}


CHOICES = {"-precision": {"double", "mixed"}, "-noise_rng": {"exact", "fast"}, "-device": {"cpu", "cuda", "auto"}}


@pytest.mark.parametrize("option", CHOICES)
def test_alternatives_are_offered(script: Path, files: Path, option: str) -> None:
    assert offered(script, files, f"nanobragg {option} ") == CHOICES[option]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("nanobragg -precision m", {"mixed"}),
        ("nanobragg -pivot ", {"beam", "sample"}),
        ("nanobragg -misset ", {"random"}),
        ("nanobragg -detector_absorb i", {"inf"}),
        ("nanobragg -png_rings ", {"auto"}),
        ("nanobragg -completion ", {"bash", "zsh", "fish"}),
        ("nanobragg -lambda ", set()),
        ("nanobragg -roi 1 2 3 ", set()),
        ("nanobragg -misset 1 2 ", set()),
        ("nanobragg -cell 70 80 90 ", set()),
        ("nanobragg -cell 70 80 90 -moli", set()),
        ("nanobragg -cell 70 80 90 -lam", {"-lambda"}),
        ("nanobragg vi", {"view"}),
        ("nanobragg -nopgm vi", set()),
    ],
)
def test_values_are_offered(script: Path, files: Path, line: str, expected: set[str]) -> None:
    assert offered(script, files, line) == expected


def test_options_follow_after_all_values(script: Path, files: Path) -> None:
    assert "-nopgm" in offered(script, files, "nanobragg -roi 1 2 3 4 ")


def test_quirks_are_completed_one_by_one(script: Path, files: Path) -> None:
    assert {"all", "none", *QUIRKS} <= offered(script, files, "nanobragg -quirks ")
    assert offered(script, files, "nanobragg -quirks all,-pix") == {"all,-pix0_ignored"}
    assert offered(script, files, "nanobragg -quirks none,pix0_ignored,wat") == {"none,pix0_ignored,water_scaling"}
    assert offered(script, files, "nb-compare --quirks no") == {"none"}


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("nanobragg -hkl ", {"a.hkl", "b.mtz", "c d.hkl", "folder"}),
        ("nanobragg -hkl c", {"c d.hkl"}),
        ("nanobragg -config ", {"e.toml", "folder"}),
        ("nanobragg -write_config e", {"e.toml"}),
        ("nanobragg -img ", {"f.img", "g.h5", "j.expt", "folder"}),
        ("nanobragg -pngfile ", {"h.png", "folder"}),
        ("nanobragg -mat ", {*_FILES, "folder"}),
        ("nanobragg -sourcefile ", {*_FILES, "folder"}),
        ("nanobragg view ", {"f.img", "g.h5", "l.bin", "folder"}),
        ("nanobragg view f.img -o ", {"h.png", "folder"}),
        ("nanobragg view -s", {"-shape"}),
        ("nanobragg view f.img -shape 1 ", set()),
        ("nanobragg profile ", {"f.img", "g.h5", "l.bin", "folder"}),
        ("nanobragg profile f.img -rin", {"-rings"}),
        ("nanobragg profile f.img -stolout ", {"k.stol", "folder"}),
        ("nanobragg profile f.img -config ", {"e.toml", "folder"}),
        ("nanobragg nonbragg -stol ", {"k.stol", "folder"}),
        ("nanobragg nonbragg -stol k.stol -hdivstep", {"-hdivstep", "-hdivsteps"}),
        ("nanobragg nonbragg -pivot ", {"sample", "beam"}),
        ("nanobragg nonbragg -quirks all,-linear", {"all,-linear_extrapolation"}),
        ("nanobragg nonbragg -quirks water", set()),
        ("nanobragg noisify ", {"l.bin", "folder"}),
        ("nanobragg noisify -header ", {"f.img", "folder"}),
        ("nanobragg noisify -psf ", {"gauss", "fiber"}),
        ("nanobragg noisify -quirks none,psf_w", {"none,psf_wraps_column"}),
        ("nanobragg add l", {"l.bin"}),
        ("nanobragg add -out", {"-outfile", "-output", "-outscale", "-outoffset"}),
        ("nanobragg ensemble ", {"e.toml", "folder"}),
        ("nanobragg ensemble e.toml -o ", {"folder"}),
        ("nanobragg ensemble -s", {"-scheduler", "-schema", "-status"}),
        ("nanobragg refine ", {"e.toml", "folder"}),
        ("nanobragg refine e.toml -loss ", {"none", "huber", "cauchy"}),
        (
            "nanobragg refine e.toml -s",
            {"-shoebox", "-saturation", "-search", "-spots", "-spots_image", "-steps", "-schema", "-scheduler"},
        ),
        ("nb-compare --images f.img ", {"f.img", "g.h5", "l.bin", "folder"}),
        ("nb-compare --outdir ", {"folder"}),
        ("nb-compare --precision ", {"double", "mixed"}),
        ("nb-compare --expl", {"--explain"}),
        ("nb-compare --explain -- -hkl a", {"a.hkl"}),
        ("nb-compare -- -lam", {"-lambda"}),
        ("nb-trace-diff i", {"i.txt"}),
        ("nb-trace-diff --a", {"--all"}),
    ],
)
def test_files_are_offered_by_their_extension(script: Path, files: Path, line: str, expected: set[str]) -> None:
    assert offered(script, files, line) == expected


def test_every_option_with_a_file_says_which() -> None:
    """Else a new option would offer no files, or all of them."""
    named = {o.names[0] for o in ALL_OPTIONS if o.arguments == "file"}
    assert named <= set(SUFFIXES)
    assert set(SUFFIXES) <= {option.names[0] for option in ALL_OPTIONS}


@pytest.mark.parametrize("shell", SHELLS)
def test_every_script_knows_every_option(shell: str) -> None:
    text, all_commands = completion_script(shell), commands()
    for command in (all_commands.main, *all_commands.subcommands, all_commands.compare, all_commands.trace_diff):
        for name in command.names():
            assert name.lstrip("-") in text


@pytest.mark.parametrize("shell", SHELLS)
def test_the_command_prints_a_script_that_the_shell_can_read(
    shell: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["-completion", shell]) == 0
    text = capsys.readouterr().out
    assert text == completion_script(shell)
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    path = tmp_path / "script"
    path.write_text(text)
    done = subprocess.run([shell, "-n", path], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_other_shells_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["-completion", "csh"]) == 9
    assert capsys.readouterr().err == "nanobragg: -completion: found 'csh', expected bash, zsh or fish\n"
    assert main(["-completion"]) == 9
