"""The fuzzer of nonbragg and noisify finds what is different, and nothing that is not (specs/parity.md).

The "originals" here are small scripts that run ours with other quirks.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from nanobragg.parity import fuzz_companions
from nanobragg.parity.fuzz_companions import COMPANIONS, Bench

NAMES = sorted(COMPANIONS)


def other_build(folder: Path, name: str, quirks: str = "all") -> str:
    path = folder / f"{name}.py"
    path.write_text(
        f"#!{sys.executable}\nimport sys\nfrom nanobragg.cli import main\n"
        f"sys.exit(main([{name!r}, '-quirks', {quirks!r}, '-threads', '1', *sys.argv[1:]]))\n"
    )
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_draws_the_same_command_lines(name: str) -> None:
    """A finding is repeated by its number."""
    draw = COMPANIONS[name].draw
    for number in range(20):
        assert draw(7, number) == draw(7, number)
    assert len({" ".join(draw(7, n).words) for n in range(50)}) == 50


@pytest.mark.parametrize("name", NAMES)
def test_drawn_command_lines_are_mostly_carried_out(name: str, tmp_path: Path) -> None:
    """A fuzzer that draws what is refused proves nothing; and ours agrees with itself."""
    bench = Bench(name, other_build(tmp_path, name), tmp_path / "scratch")
    outcomes = [bench.run(COMPANIONS[name].draw(3, number)) for number in range(4)]
    assert [outcome.differences for outcome in outcomes] == [{}] * 4
    made = [path.name for path in (tmp_path / "scratch" / "nanobragg").iterdir()]
    assert len(made) > 2


@pytest.mark.parametrize("name", NAMES)
def test_options_are_covered(name: str) -> None:
    """An option that is never drawn is never compared."""
    from nanobragg.inputs import noisify_words, nonbragg_words

    table = {"noisify": noisify_words, "nonbragg": nonbragg_words}[name].TABLE
    drawn = {unit[0] for number in range(1500) for unit in COMPANIONS[name].draw(1, number).units if unit}
    unseen = [option.names[0] for option in table if not any(option.matches(word) for word in drawn)]
    assert set(unseen) <= {"-printout", "-progress", "-printout_pixel"}


@pytest.mark.parametrize(
    ("name", "quirk", "words", "file"),
    [
        ("nonbragg", "default_centre", "-stol t.stol -detpixels 6 -pixel 9", "floatimage.bin"),
        ("noisify", "calibration_by_default", "-bin t.stol -seed 1", "noiseimage.img"),
    ],
)
def test_a_difference_is_found_shrunk_and_kept(
    name: str, quirk: str, words: str, file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    """What is reported can be run again."""
    from nanobragg.parity.command_line import CommandLine

    data = b"0 2\n0.5 3\n" if name == "nonbragg" else np.full(4, 1e4, np.float32).tobytes()
    units = tuple(tuple(unit.split()) for unit in ("-" + rest for rest in words.removeprefix("-").split(" -")))
    line = CommandLine(units=(*units, ("-adc", "10")), files={"t.stol": data})
    companion = COMPANIONS[name]._replace(draw=lambda _seed, _number: line)
    monkeypatch.setitem(fuzz_companions.COMPANIONS, name, companion)
    monkeypatch.setenv(companion.variable, other_build(tmp_path, name, f"all,-{quirk}"))
    monkeypatch.chdir(tmp_path)
    assert fuzz_companions.main([name, "--cases", "1", "--outdir", "found"]) == 3
    assert "1 command lines compared" in capsys.readouterr().out
    finding = json.loads((tmp_path / "found" / f"{name}_1_0" / "finding.json").read_text())
    assert "-adc" not in finding["args"]
    assert (tmp_path / "found" / f"{name}_1_0" / "t.stol").read_bytes() == data
    assert file in finding["differences"] or "printed" in finding["differences"]


def test_without_an_original(capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    """One sentence says what is missing."""
    monkeypatch.delenv("NB_NOISIFY_BIN", raising=False)
    assert fuzz_companions.main(["noisify"]) == 1
    assert "expected --c-bin FILE or NB_NOISIFY_BIN" in capsys.readouterr().err


ORIGINALS = [(name, os.environ.get(COMPANIONS[name].variable)) for name in NAMES]


@pytest.mark.parametrize(("name", "original"), ORIGINALS, ids=NAMES)
def test_random_command_lines_against_the_original(name: str, original: str | None, tmp_path: Path) -> None:
    """Where the originals are at hand."""
    if original is None or shutil.which(original) is None:
        pytest.skip(f"no original: {COMPANIONS[name].variable} is not set")
    words = [name, "--cases", "100", "--seed", "11", "--c-bin", original, "--outdir", str(tmp_path / "found")]
    assert fuzz_companions.main(words) == 0
