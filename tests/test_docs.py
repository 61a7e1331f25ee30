"""The documentation: every example on its pages and in README.md runs and prints what it says, and the site builds."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pytest

from conftest import GOLDEN

pytestmark = pytest.mark.slow

ROOT = GOLDEN.parent
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
INPUTS = ("1orc.pdb", "1orc.hkl.gz", "1orc.toml")
"""Files of examples/ that lie in the folder in which a page's examples run."""
NOT_RUN = {
    "README.md": 3,
    "docs/installation.md": 4,
    "docs/guide/coming_from_nanobragg_c.md": 1,
    "docs/guide/drop_of_water.md": 1,
    "docs/guide/ensembles.md": 2,
    "docs/guide/performance.md": 1,
}
"""Blocks that cannot run here (installing, the original's program). Whoever adds one says so here, too."""

_MARK = re.compile(r"<!-- (not run|file|prints|needs)(?:: (.+?))? -->")
_COMMANDS = {"nanobragg": "nanobragg.cli", "nb-compare": "nanobragg.parity.compare"}


@dataclass(frozen=True)
class Block:
    """A block of code on a page."""

    line: int
    """number of its first line of code, from 1"""
    language: str
    mark: str
    """``not run``, ``file``, ``prints``, ``needs``, or nothing: it is run"""
    argument: str
    """what follows the mark: a reason, a file's name, a package"""
    code: str


def blocks_of(page: Path) -> list[Block]:
    """The blocks of code of a page: between fences, with the mark in the line above."""
    found: list[Block] = []
    lines = page.read_text(encoding="utf-8").splitlines()
    start, language = 0, ""
    for number, line in enumerate(lines, 1):
        if not line.startswith("```"):
            continue
        if not start:
            start, language = number, line[3:].strip()
            continue
        mark = _MARK.fullmatch(lines[start - 2]) if start > 1 else None
        code = "\n".join(lines[start : number - 1]) + "\n"
        found.append(Block(start + 1, language, mark[1] if mark else "", (mark and mark[2]) or "", code))
        start = 0
    assert not start, f"{page}:{start}: the block has no end"
    return found


def name_of(page: Path) -> str:
    """As it is called in messages: docs/index.md."""
    return str(page.relative_to(ROOT))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which a page's examples run, with the inputs, and the commands in reach of the shell."""
    for name in INPUTS:
        for place in (tmp_path, tmp_path / "examples"):  # pages tell to copy them, README.md starts in the repository
            place.mkdir(exist_ok=True)
            shutil.copy(ROOT / "examples" / name, place)
    scripts = tmp_path / ".commands"
    scripts.mkdir()
    for name, module in _COMMANDS.items():
        # An editable installation may be older than a command; of others the installed one is taken.
        if not (Path(sys.executable).parent / name).exists():
            script = scripts / name
            script.write_text(f"#!{sys.executable}\nimport sys\nfrom {module} import main\nsys.exit(main())\n")
            script.chmod(0o755)
    path = os.pathsep.join([str(Path(sys.executable).parent), str(scripts), os.environ["PATH"]])
    monkeypatch.setenv("PATH", path)
    monkeypatch.setenv("MPLBACKEND", "Agg")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def a_real_shot(folder: Path) -> None:
    """README.md's ``real_shot.cbf``: simulated, small."""
    from nanobragg import simulate

    shot = simulate(args="-cell 79 79 38 90 90 90 -default_F 10 -distance 150 -detpixels 300 -pixel 0.172 -xds")
    shot.noisy(seed=1).write(folder / "real_shot.cbf")


def run_python(block: Block, page: Path, names: dict[str, object]) -> str:
    """Run a block of Python in the page's namespace; what it printed."""
    printed = io.StringIO()
    code = compile("\n" * (block.line - 1) + block.code, str(page), "exec")
    with contextlib.redirect_stdout(printed):
        exec(code, names)
    return printed.getvalue()


def run_shell(block: Block, page: Path) -> str:
    """Run a block of shell; what it printed."""
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block.code], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, f"{name_of(page)}:{block.line}: status {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout + done.stderr


def has_line(output: str, line: str) -> bool:
    """Is ``line`` among those printed? ``...`` stands for anything."""
    pattern = ".*".join(re.escape(part) for part in line.strip().split("..."))
    return any(re.fullmatch(pattern, printed.strip()) for printed in output.splitlines())


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_examples_run(page: Path, folder: Path) -> None:
    """A reader who copies the blocks of a page, one after the other, gets what the page says."""
    if page.name == "README.md":
        a_real_shot(folder)
    names: dict[str, object] = {"__name__": "__main__"}
    output = ""
    missing_package = False
    for block in blocks_of(page):
        place = f"{name_of(page)}:{block.line}"
        if block.mark != "prints":  # What it prints belongs to the block before.
            missing_package = block.mark == "needs" and find_spec(block.argument) is None
        if block.mark == "not run" or missing_package:
            continue
        if block.mark == "file":
            (folder / block.argument).write_text(block.code, encoding="utf-8")
        elif block.mark == "prints":
            missing = [line for line in block.code.splitlines() if not has_line(output, line)]
            assert not missing, f"{place}: not printed: {missing}\nprinted:\n{output}"
        elif block.language == "python":
            output = run_python(block, page, names)
        elif block.language == "sh":
            output = run_shell(block, page)
        elif not block.language.startswith("{"):  # MyST's directives
            pytest.fail(
                f"{place}: found a block of {block.language!r}, expected python, sh, or a mark (CONTRIBUTING.md)"
            )
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


def test_blocks_that_are_not_run_are_few_and_have_a_reason() -> None:
    """The mark is for what cannot run, not for what fails."""
    kept = {name_of(page): [b for b in blocks_of(page) if b.mark == "not run"] for page in PAGES}
    assert all(block.argument for blocks in kept.values() for block in blocks)
    assert {name: len(blocks) for name, blocks in kept.items() if blocks} == NOT_RUN


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_code_is_between_fences(page: Path) -> None:
    """An indented block would be code that nobody runs."""
    before = ""
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        in_list = re.match(r"\s*([-*:>]|\d+\.)\s", before)
        if line.startswith("    ") and not before.strip() and not in_list:
            assert _inside_fence(page, number), f"{name_of(page)}:{number}: found an indented block, expected a fence"
        before = line


def _inside_fence(page: Path, number: int) -> bool:
    return any(b.line <= number < b.line + b.code.count("\n") for b in blocks_of(page))


def test_the_pages_have_examples() -> None:
    """The blocks are found at all."""
    kinds = Counter(b.language for page in PAGES for b in blocks_of(page) if not b.mark)
    assert kinds["python"] > 20
    assert kinds["sh"] > 12


def test_the_table_of_options_names_fields_that_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    """The column "Python, TOML" of the options' page is right."""
    monkeypatch.syspath_prepend(DOCS)
    import tables

    from nanobragg.inputs.options import ALL_OPTIONS
    from nanobragg.inputs.schema import schema

    top = schema()["properties"]
    known = set(top) | {f"{section}.{key}" for section in top for key in top[section].get("properties", ())}
    for option in ALL_OPTIONS:
        assert set(tables.fields_of(option)) <= known, option.names


def test_links_and_pictures_of_other_pages_arrive(monkeypatch: pytest.MonkeyPatch) -> None:
    """A gallery with pictures that are links, or HTML, shows them in the site, too."""
    monkeypatch.syspath_prepend(DOCS)
    from links import Links

    links = Links(
        Path("examples/README.md"), {"examples/README.md": "examples.md", "specs/cli.md": "specs/cli.md"}, ROOT
    )
    text = links.turn(
        '[![a](1orc.png)](1orc.toml) [b](../specs/cli.md#ours) <img src="1orc.png" width="90"> [c](https://d)'
    )
    picture = "pictures/examples-1orc.png"
    assert text == f'![a]({picture}) [b](specs/cli.md#ours) <img src="{picture}" width="90"> [c](https://d)'
    assert set(links.pictures) == {Path("examples/1orc.png")}
    with pytest.raises(SystemExit, match=r"nowhere\.md"):
        links.turn("[d](nowhere.md)")


def test_the_site_builds(tmp_path: Path) -> None:
    """Without a warning: no dead link, no page that is nowhere listed, no name that is not there."""
    pytest.importorskip("sphinx", reason="sphinx is not there (pip install 'nanobragg[docs]')")
    done = subprocess.run(
        [sys.executable, str(DOCS / "build.py"), str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    html = tmp_path / "html"
    assert "-default_F" in (html / "reference" / "options.html").read_text(encoding="utf-8")
    assert "mosaic_domains" in (html / "reference" / "toml.html").read_text(encoding="utf-8")
    assert "nanobragg.Crystal.mosaic_spread" in (html / "reference" / "api.html").read_text(encoding="utf-8")
    assert (html / "specs" / "physics.html").exists()
