"""The order of the rooms: a module knows only the rooms below its own, and there are no circles (specs/design.md)."""

from __future__ import annotations

import ast
import graphlib
import pickle
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import nanobragg
from nanobragg import Beam, Crystal, Detector, Experiment

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "python" / "nanobragg"
EXTENSIONS = ("_core", "_cuda")
"""Below all rooms: they are C++ and import nothing of ours."""
ASSEMBLY = ("", "__main__")
"""Above all rooms: the package itself, which imports by its table of names, and ``python -m nanobragg``."""
TABLES_OF_NAMES = ("", "torch", "jax")
"""Packages whose names are public: they import what they name when it is asked for."""


def order() -> list[list[str]]:
    """The rooms as specs/design.md has them, lowest first; those of one list do not know each other."""
    text = (ROOT / "specs" / "design.md").read_text(encoding="utf-8")
    line = re.search(r"^ *(errors < .*(?:\n.* < .*)*)$", text, re.MULTILINE)
    assert line is not None, "design.md: found no order of rooms, expected a line that starts with errors <"
    return [re.findall(r"\w+", level) for level in line[1].split("<")]


def modules() -> dict[str, Path]:
    """Files by module, without the leading ``nanobragg.``; a room itself is its ``__init__``."""
    found = {}
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = modules()


def arrows(module: str, source: str) -> Iterator[tuple[str, int]]:
    """What ``module`` imports of ours, with the line: anywhere, in functions and under TYPE_CHECKING too."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == "nanobragg":
                    yield alias.name.partition(".")[2], node.lineno
        elif isinstance(node, ast.ImportFrom):
            base = (node.module or "").split(".")
            if node.level:
                package = module.split(".") if MODULES[module].name == "__init__.py" else module.split(".")[:-1]
                base = ["nanobragg", *package[: len(package) - node.level + 1], *filter(None, base)]
            if base[0] == "nanobragg":
                for alias in node.names:
                    yield home(".".join(base[1:]), alias.name), node.lineno
        elif isinstance(node, ast.Call) and node.args:
            yield from by_name(node)


def home(package: str, name: str) -> str:
    """The module that ``from package import name`` means: a name of ``nanobragg`` itself stands for its home."""
    if not package and name in nanobragg._HOMES:
        return nanobragg._HOMES[name]
    inner = f"{package}.{name}".lstrip(".")
    return inner if inner in MODULES or inner in EXTENSIONS else package


def by_name(call: ast.Call) -> Iterator[tuple[str, int]]:
    """``import_module("nanobragg.io")``, with as much of the name as is written out."""
    function = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    if function not in ("import_module", "__import__"):
        return
    first = call.args[0]
    if isinstance(first, ast.JoinedStr) and first.values:
        first = first.values[0]
    text = first.value if isinstance(first, ast.Constant) else None
    if isinstance(text, str) and text.startswith("nanobragg"):
        yield text.partition(".")[2].rstrip("."), call.lineno


def all_arrows() -> dict[str, list[tuple[str, int]]]:
    """Arrows of every module but the assembly, which may know everything."""
    return {
        module: list(arrows(module, path.read_text(encoding="utf-8")))
        for module, path in sorted(MODULES.items())
        if module not in ASSEMBLY
    }


def room(module: str) -> str:
    """The first part of its name."""
    return module.partition(".")[0]


def test_every_room_has_its_place_in_the_order() -> None:
    """A new folder that nobody put in order would be outside of the house, and outside of the next test."""
    there = {room(module) for module in MODULES} - set(ASSEMBLY)
    placed = {name for level in order() for name in level}
    assert there <= placed, f"not in the order of specs/design.md: {there - placed}"
    assert len(placed) == sum(map(len, order()))


def test_no_import_runs_up_or_aside() -> None:
    """Whoever changes a room must look at the rooms above it only; that holds for late imports, too."""
    rank = {name: level for level, names in enumerate(order()) for name in names}
    wrong = []
    for module, found in all_arrows().items():
        for target, line in found:
            below = target in EXTENSIONS or room(target) == room(module)
            if not below and rank.get(room(target), 99) >= rank[room(module)]:
                wrong.append(f"{MODULES[module].relative_to(ROOT)}:{line} imports nanobragg.{target}")
    assert not wrong, "\n".join(wrong)


def test_no_two_modules_import_each_other() -> None:
    """A circle cannot be read, tested or moved in parts."""
    graph = {module: {target for target, _ in found if target != module} for module, found in all_arrows().items()}
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        pytest.fail(f"circle: {' <- '.join(error.args[1])}")


def imported(body: list[ast.stmt]) -> set[str | None]:
    """Modules that are imported when a module is, and not later."""
    found = {alias.name for node in body if isinstance(node, ast.Import) for alias in node.names}
    return found | {node.module for node in body if isinstance(node, ast.ImportFrom)}


def test_rooms_are_only_folders() -> None:
    """Importing a module runs the ``__init__`` of its room: with imports in it, every module would need all others."""
    full = []
    for module, path in MODULES.items():
        body = ast.parse(path.read_text(encoding="utf-8")).body
        table = module in TABLES_OF_NAMES and imported(body) <= {"__future__"}
        if path.name == "__init__.py" and not table and not (len(body) == 1 and isinstance(body[0], ast.Expr)):
            full.append(module)
    assert not full, f"expected nothing but a docstring in the __init__ of {full}"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("def f():\n    from nanobragg.inputs import words", [("inputs.words", 2)]),
        ("if TYPE_CHECKING:\n    import nanobragg.cli", [("cli", 2)]),
        ("from nanobragg import Image, _core", [("results.image", 1), ("_core", 1)]),
        ("from ..inputs.words import parse_words", [("inputs.words", 1)]),
        ("from . import experiment", [("records.experiment", 1)]),
        ("import nanobragg", [("", 1)]),
        ("import_module('nanobragg.cli')", [("cli", 1)]),
        ("import numpy.linalg\nfrom numpy import array", []),
    ],
)
def test_all_ways_to_import_are_seen(source: str, expected: list[tuple[str, int]]) -> None:
    """The tests above are worth as much as their eyes."""
    assert list(arrows("records.scene", source)) == expected


# ---- sizes ------------------------------------------------------------------------------------------------

TABLES = ("inputs/options.py", "records/experiment.py")
"""Modules that are one long table."""


@pytest.mark.parametrize("path", sorted(MODULES.values()), ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_modules_and_functions_are_short(path: Path) -> None:
    """A module is read at one sitting: 400 lines but for tables; a function without scrolling: 45."""
    name, source = path.relative_to(PACKAGE).as_posix(), path.read_text(encoding="utf-8")
    assert source.count("\n") <= 400 or name in TABLES
    functions = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef))
    assert [node.name for node in functions if (node.end_lineno or 0) - node.lineno + 1 > 45] == []


# ---- what users have all the same -------------------------------------------------------------------------

METHODS = ("from_args", "from_toml", "to_toml", "scene")


def run(code: str, stdin: bytes = b"") -> str:
    """What a new process prints."""
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, input=stdin).stdout.decode()


@pytest.mark.parametrize("name", sorted(set(nanobragg._HOMES) - {"Experiment"}))
def test_public_names_are_where_the_table_says(name: str) -> None:
    """A module that moved and left the table behind would be noticed by users only."""
    assert getattr(nanobragg, name) is not None
    assert name in dir(nanobragg)
    assert name in nanobragg.__all__


def test_type_checkers_see_the_same_names() -> None:
    """``__init__.pyi`` and the table say the same: editors complete what there is."""
    stub = ast.parse((PACKAGE / "__init__.pyi").read_text(encoding="utf-8"))
    listed = {
        alias.name: (node.module or "").removeprefix("nanobragg.")
        for node in stub.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.asname == alias.name
    }
    assert listed == nanobragg._HOMES


def test_the_reference_lists_all_public_names() -> None:
    """A name that is not on the page of the API is nobody's; one that is only there is a broken promise."""
    page = (ROOT / "docs" / "reference" / "api.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\.\. auto\w+:: (\w+)$", page, re.MULTILINE)) == set(nanobragg._HOMES)


def test_importing_the_package_costs_nothing() -> None:
    """``import nanobragg`` in a program's head, and no more: neither NumPy nor a module of ours."""
    code = (
        f"import sys, __future__; sys.path.insert(0, {str(PACKAGE.parent)!r}); before = set(sys.modules); "
        "import nanobragg; print(sorted(set(sys.modules) - before))"
    )
    # Without site, since what finds an editable installation imports modules of Python's.
    done = subprocess.run([sys.executable, "-S", "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "['nanobragg']\n"


@pytest.mark.parametrize(
    "way",
    [
        "from nanobragg import Experiment",
        "import nanobragg; Experiment = nanobragg.Experiment",
        "from nanobragg import parse_words; Experiment = type(parse_words('-cell 50').experiment)",
        "from nanobragg import simulate; from nanobragg.records.experiment import Experiment",
    ],
)
def test_an_experiment_has_its_methods_however_it_is_reached(way: str) -> None:
    """They are bound where the package is put together, and that has always happened."""
    assert run(f"{way}\nprint(all(hasattr(Experiment, name) for name in {METHODS}))") == "True\n"


def test_a_pickled_experiment_brings_its_methods_along() -> None:
    """A worker that gets an experiment from another process has imported nothing before."""
    experiment = Experiment(
        crystal=Crystal(cell=(50, 60, 70), default_F=1.0), beam=Beam(wavelength=0.9), detector=Detector(shape=(8, 6))
    )
    code = "import pickle, sys; e = pickle.load(sys.stdin.buffer); print(e.scene().shape, e.beam.wavelength)"
    assert run(code, pickle.dumps(experiment)) == "(8, 6) 0.9\n"
