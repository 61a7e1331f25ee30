"""TOML files of ``-write_config`` keep the comments, order and layout of the file of ``-config``."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nanobragg.cli import main
from nanobragg.errors import InputError
from nanobragg.inputs.toml import read_config, write_config
from nanobragg.inputs.toml_update import update_toml
from nanobragg.inputs.words import parse_words
from nanobragg.records.run import Run
from test_config import contents, runs

BASE = """#:schema experiment.schema.json
# A tetragonal crystal

# what nanoBragg.c does
quirks = "all"   # to be compared with it

# The beam of last Tuesday
[beam]   # calibrated
wavelength = 0.98  # Å, measured
flux = 1e12

# The crystal
[crystal]
cell = [
  70,  # a
  80,  # b
  90,  # c
]  # from the indexing
cells = 5  # a cube
structure_factors = "data/a.hkl"  # of last year

# The detector
[detector]
  distance  =  0x64  # hexadecimal
  shape = [ 20, 30 ]
# the end
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("sub").mkdir()
    Path("data").mkdir()
    Path("data/a.hkl").write_text("1 2 3 40\n")
    Path("in.toml").write_text(BASE)
    return tmp_path


def written(words: str = "", file: str = "out.toml") -> str:
    """What ``-write_config`` writes after ``-config in.toml`` and other words."""
    write_config(parse_words(f"-config in.toml {words}"), file, "in.toml")
    return Path(file).read_text()


def test_an_unchanged_run_is_the_same_file(folder: Path) -> None:
    assert written() == BASE


def test_the_command_keeps_the_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["-config", "in.toml", "-flux", "2e12", "-nonoise", "-nopgm", "-write_config", "in.toml"]) == 0
    assert Path("in.toml").read_text() == BASE.replace("flux = 1e12", "flux = 2000000000000.0") + (
        "\n[output]\npgmfile = false\nnoisefile = false\n"
    )


def test_without_a_file_to_start_from_nothing_is_kept(folder: Path) -> None:
    assert main(["-cell", "70", "80", "90", "-default_F", "1", "-detpixels", "4", "-write_config", "out.toml"]) == 0
    text = Path("out.toml").read_text()
    assert text.startswith("# A run of nanobragg;")
    assert "#" not in text.split("\n", 1)[1]


def test_a_changed_value_stays_in_its_line(folder: Path) -> None:
    assert written("-lambda 1.5 -detpixels_f 31 -N 6 -quirks none") == (
        BASE.replace("0.98", "1.5")
        .replace("[ 20, 30 ]", "[ 20, 31 ]")
        .replace("cells = 5", "cells = [6, 6, 6]")
        .replace('quirks = "all"', 'quirks = "none"')
    )


def test_elements_of_a_list_keep_their_comments(folder: Path) -> None:
    assert written("-cell 70 81 90") == BASE.replace("80,  # b", "81.0,  # b")


def test_a_longer_list_leaves_the_old_one_with_its_comments_above(folder: Path) -> None:
    text = written("-cell 70 80 90 90 90 120")
    assert (
        "# cell = [\n#   70,  # a\n#   80,  # b\n#   90,  # c\n# ]\n"
        "cell = [70.0, 80.0, 90.0, 90.0, 90.0, 120.0]  # from the indexing\n" in text
    )


def test_what_is_no_longer_set_is_commented_out_where_it_stood(folder: Path) -> None:
    text = written("-energy 12000")
    assert "# wavelength = 0.98  # Å, measured\nflux = 1e12\nenergy = 12000.0\n" in text


def test_new_keys_stand_before_the_comment_of_the_next_section(folder: Path) -> None:
    text = written("-threads 2 -mosaic 0.1 -roi 1 2 3 4")
    assert 'quirks = "all"   # to be compared with it\nthreads = 2\n\n# The beam of last Tuesday\n' in text
    assert "# of last year\nmosaic_spread = 0.1\n\n# The detector\n" in text
    assert "\n  roi = [1, 2, 3, 4]\n# the end\n" in text


def test_new_keys_at_the_top_stand_between_the_comments_of_the_file_and_of_its_first_section(folder: Path) -> None:
    Path("in.toml").write_text("#:schema x\n# mine\n\n# the beam\n[beam]\nflux = 1.0")
    assert written("-threads 2") == "#:schema x\n# mine\n\nthreads = 2\n\n# the beam\n[beam]\nflux = 1.0\n"
    Path("in.toml").write_text("#:schema x\n[beam]\nflux = 1.0\n")
    assert written("-threads 2") == "#:schema x\nthreads = 2\n\n[beam]\nflux = 1.0\n"
    Path("in.toml").write_text("")
    assert written("-threads 2 -flux 3") == "threads = 2\n\n[beam]\nflux = 3.0\n"


MOVED = '[[detector.moves]]\npanel = "a"\nshift = [1.0, 2.0, 3.0]\n'
PANELS = (
    '[[detector.panels]]\nname = "a"\norigin = [0.0, 0.0, 100.0]\n'
    "fast_axis = [1.0, 0.0, 0.0]\nslow_axis = [0.0, 1.0, 0.0]\n"
)


@pytest.mark.parametrize("above", ["", "[detector]\n# mine\n\n", "[detector]\ndistance = 90\n"])
def test_new_keys_of_a_section_stand_above_its_tables(folder: Path, above: str) -> None:
    """Below their headers they would be the tables', and the file could not be read."""
    Path("in.toml").write_text(above + MOVED)
    text = written("-pixel 0.2")
    assert text.endswith(f"\n{MOVED}")
    assert read_config("out.toml").experiment.detector.pixel_size == 0.2


def test_tables_that_become_a_line_stand_above_other_tables(folder: Path) -> None:
    Path("in.toml").write_text(f"{PANELS}\n{MOVED}")
    run = read_config("in.toml")
    detector = run.experiment.detector
    moved = replace(detector, moves=(replace(detector.moves[0], shift=(4.0, 5.0, 6.0)),))
    changed = replace(run, experiment=replace(run.experiment, detector=moved))
    write_config(changed, "out.toml", "in.toml")
    assert contents(read_config("out.toml")) == contents(changed)


def test_dotted_keys_and_inline_tables_stay_what_they_are(folder: Path) -> None:
    Path("in.toml").write_text("beam.wavelength = 1 # first\ncrystal = {cells = 3, fudge = 2.0} # all\nthreads = 1\n")
    # Before 0.15.1 tomlkit put no blank after the comma.
    assert written("-energy 12000 -N 4 -mosaic 0.5 -phi 3").replace(",mosaic", ", mosaic") == (
        "# beam.wavelength = 1 # first\n"
        "crystal = {cells = [4, 4, 4], fudge = 2.0, mosaic_spread = 0.5} # all\nthreads = 1\n"
        "\n[beam]\nenergy = 12000.0\n\n[sampling]\nphi = 3.0\n"
    )
    Path("in.toml").write_text("beam.wavelength = 1 # first\nbeam.flux = 1e12\nthreads = 2\n")
    assert written("-energy 12000") == (
        "# beam.wavelength = 1 # first\nbeam.flux = 1e12\nbeam.energy = 12000.0\nthreads = 2\n"
    )


def test_line_ends_are_kept(folder: Path) -> None:
    Path("in.toml").write_bytes(b"# mine\r\n[beam]\r\nwavelength = 1.0 # A\r\n")
    write_config(parse_words("-config in.toml -energy 12000 -threads 2 -phi 1"), "out.toml", "in.toml")
    text = Path("out.toml").read_bytes()
    assert text.count(b"\r\n") == text.count(b"\n")
    assert b"# wavelength = 1.0 # A\r\n" in text


def test_files_are_still_found_from_another_folder(folder: Path) -> None:
    assert written(file="sub/out.toml") == BASE.replace("data/a.hkl", "../data/a.hkl")
    read = read_config("sub/out.toml").experiment.crystal.structure_factors
    assert read == str(Path("data/a.hkl"))


def test_a_file_keeps_its_spelling_in_the_same_folder(folder: Path) -> None:
    Path("sub/in.toml").write_text('[crystal]\nstructure_factors = "./../data/a.hkl" # here\n')
    write_config(read_config("sub/in.toml"), "sub/out.toml", "sub/in.toml")
    assert Path("sub/out.toml").read_text() == Path("sub/in.toml").read_text()


def test_a_pipe_gives_no_layout_but_the_right_run(folder: Path) -> None:
    words = "-config /dev/stdin -nonoise -nopgm -write_config out.toml"
    command = [sys.executable, "-m", "nanobragg", *words.split()]
    text = BASE.replace("data/", f"{folder}/data/")
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    said = parse_words("-config in.toml -nonoise -nopgm")
    crystal = read_config("out.toml").experiment.crystal
    assert crystal.cell == said.experiment.crystal.cell
    assert Path("out.toml").read_text().startswith("# A run of nanobragg;")


def test_mistakes_in_the_file_to_keep_are_told(folder: Path) -> None:
    Path("bad.toml").write_text("[beam]\nwavelength = 'long'\n")
    with pytest.raises(InputError, match=r"bad\.toml: beam\.wavelength: found 'long'"):
        write_config(Run(), "out.toml", "bad.toml")
    with pytest.raises(InputError, match=r"bad\.toml: found .*, expected TOML"):
        update_toml("a = ", {}, "bad.toml")
    assert not Path("out.toml").exists()


# ---- any run in any layout --------------------------------------------------------------------------------

_LINE = re.compile(r"(\w+) = (.*)")


def laid_out(text: str, draw: Any) -> str:
    """A file as ``write_config`` writes it with comments, blank lines, and sections as dotted keys or inline tables."""
    top, *sections = re.split(r"^\[(\w+)\]\n", text, flags=re.MULTILINE)
    out, number = ["# 0 of the file\n"], 1
    headers: list[str] = []
    for section, body in [("", top), *zip(sections[::2], sections[1::2], strict=True)]:
        body, *tables = re.split(r"\n\[\[\w+\.(\w+)\]\]\n", body)  # a list's name, and a table of it, in turn
        lists: dict[str, list[str]] = {}
        for name, table in zip(tables[::2], tables[1::2], strict=True):
            lists.setdefault(name, []).append(table)
        found = [match for match in map(_LINE.fullmatch, body.split("\n")) if match]
        style = draw(st.sampled_from(["header", "dotted", "inline"])) if section else "top"
        for name, several in lists.items() if style != "header" else ():
            items = (", ".join(filter(None, table.split("\n"))) for table in several)
            records = _LINE.fullmatch(f"{name} = [{', '.join(f'{{{item}}}' for item in items)}]")
            found += [records] if records else []
        if style == "inline":
            out.append(f"{section} = {{{', '.join(match[0] for match in found)}}} # {number} of {section}\n")
            number += 1
            continue
        lines = headers if style == "header" else out
        if style == "header":
            lines.append(f"\n# {number} of {section}\n[{section}] # {number + 1}\n")
            number += 2
        for match in found:
            dotted = f"{section}." if style == "dotted" else ""
            value = match[2]
            if value.startswith("[") and draw(st.booleans()):
                value = value.replace("[", f"[ # {number} in it\n  ", 1)
                number += 1
            comment, number = (f"  # {number}", number + 1) if draw(st.booleans()) else ("", number)
            lines.append(f"{dotted}{match[1]} = {value}{comment}\n")
        if style == "header":
            lines += [f"\n[[{section}.{name}]]\n{table}\n" for name, several in lists.items() for table in several]
    # Keys at the top come before headers.
    return "".join(out + headers + [f"# {number} at the end\n"])


def spread(run: Run) -> Run:
    """One number that stands for three, written out."""
    crystal = run.experiment.crystal
    cells = (crystal.cells,) * 3 if isinstance(crystal.cells, int) else crystal.cells
    size = (crystal.size,) * 3 if isinstance(crystal.size, float) else crystal.size
    return replace(run, experiment=replace(run.experiment, crystal=replace(crystal, cells=cells, size=size)))


@pytest.mark.slow
@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(base=runs, run=runs, data=st.data(), file=st.sampled_from(["out.toml", "sub/out.toml", "in.toml"]))
def test_any_run_in_any_layout_is_read_back_and_keeps_the_comments(
    folder: Path, base: Run, run: Run, data: Any, file: str
) -> None:
    write_config(base, "plain.toml")
    text = laid_out(Path("plain.toml").read_bytes().decode(), data.draw)
    Path("in.toml").write_bytes(text.encode())
    assert contents(read_config("in.toml")) == contents(base)
    experiment = base.experiment
    for section in ("beam", "crystal", "detector", "sampling", "around", "response"):
        if data.draw(st.booleans()):
            experiment = replace(experiment, **{section: getattr(run.experiment, section)})
    mixed = replace(base, experiment=experiment, threads=run.threads)
    write_config(mixed, file, "in.toml")
    assert contents(spread(read_config(file))) == contents(spread(mixed))
    result = Path(file).read_bytes().decode()
    for comment in re.findall(r"# \d+(?: of \w+| in it| at the end)?$", text, re.MULTILINE):
        assert comment in result
