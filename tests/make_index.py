"""Write tests/README.md: every group of tests by subject and identifier, and the command that selects it.

python tests/make_index.py            write it
python tests/make_index.py --check    is it up to date? (exit status 1 if not)
"""

from __future__ import annotations

import ast
import json
import re
import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parent
ROOT = TESTS.parent
INDEX = TESTS / "README.md"
_IDENTIFIER = re.compile(r"AT_([A-Z]+(?:_[A-Z]+)*)_(\d{3})")
_HEAD = """# Tests

Written by `python tests/make_index.py` from the tests themselves; `tests/test_index.py` checks that it is up to date.
`make test` runs everything; [CONTRIBUTING.md](../CONTRIBUTING.md) says how to run parts.

"""


def subject(path: Path) -> str:
    """The first sentence of a Python test file's docstring."""
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    if not text:
        raise SystemExit(f"{path.name}: found no docstring, expected one that says what the tests are for")
    return _sentence(text.split("\n\n")[0])


def _sentence(text: str) -> str:
    return " ".join(text.split()).rstrip(".").replace("``", "`").replace("|", "\\|")


def python_groups() -> list[tuple[str, str, str]]:
    """(subject, file, command) of every file of pytest."""
    return [
        (subject(path), f"[{path.name}]({path.name})", f"`pytest tests/{path.name}`")
        for path in sorted(TESTS.glob("test_*.py"))
    ]


def native_groups() -> list[tuple[str, str, str]]:
    """(subject, file, command) of every file of native tests."""
    groups = []
    folder = ROOT / "cpp" / "tests"
    for path in sorted(folder.rglob("test_*.cpp")):
        lines = path.read_text(encoding="utf-8").splitlines()
        comment = [line[2:].strip() for line in lines[: next(i for i, x in enumerate(lines) if not x.startswith("//"))]]
        if not comment:
            raise SystemExit(f"{path.name}: found no comment at its top, expected one that says what the tests are for")
        program = "native_tests" if path.parent == folder else "emulator_tests"
        command = f'`build/dev/cpp/tests/{program} -sf="*{path.name}"`'
        link = f"[{path.name}](../{path.relative_to(ROOT).as_posix()})"
        groups.append((_sentence(" ".join(comment)), link, command))
    return groups


def identifiers() -> dict[str, dict[str, int]]:
    """How many command lines (``words``) and tests (``tests``) each acceptance identifier has."""
    found: dict[str, dict[str, int]] = {}

    def count(identifier: str, kind: str) -> None:
        found.setdefault(identifier, {"words": 0, "tests": 0})[kind] += 1

    for line in (ROOT / "golden_data" / "acceptance.jsonl").read_text(encoding="utf-8").splitlines():
        count(json.loads(line)["at"], "words")
    for path in sorted(TESTS.glob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                for subject_, number in _named(node.name):
                    count(f"AT-{subject_.replace('_', '-')}-{number}", "tests")
    return dict(sorted(found.items()))


def _named(name: str) -> list[tuple[str, str]]:
    """Identifiers in a test's name: ``AT_CLI_005_and_ROI_001`` has two."""
    return _IDENTIFIER.findall(re.sub(r"_and_(?=[A-Z])", "_AT_", name))


def identifier_rows() -> list[tuple[str, str, str]]:
    """(identifier, what there is, command)."""
    rows = []
    for identifier, kinds in identifiers().items():
        parts = []
        if kinds["words"]:
            parts.append(f"{kinds['words']} command line{'s' * (kinds['words'] > 1)}")
        if kinds["tests"]:
            parts.append(f"{kinds['tests']} test{'s' * (kinds['tests'] > 1)}")
        short = identifier.removeprefix("AT-")
        names = [f"AT-{short}"] * bool(kinds["words"]) + [short.replace("-", "_")] * bool(kinds["tests"])
        rows.append((identifier, ", ".join(parts), f'`pytest -k "{" or ".join(names)}"'))
    return [(a, b, f"{c}`") for a, b, c in rows]


def table(head: tuple[str, ...], rows: list[tuple[str, str, str]]) -> str:
    """A table in Markdown."""
    lines = [head, ("---",) * len(head), *rows]
    return "".join("| " + " | ".join(row) + " |\n" for row in lines)


def index() -> str:
    """The text of tests/README.md."""
    return (
        _HEAD
        + "## By subject\n\n"
        + table(("subject", "file", "command"), python_groups())
        + "\n## Native tests\n\n"
        + table(("subject", "file", "command"), native_groups())
        + "\n## By identifier of the field's acceptance tests\n\n"
        + "Their command lines and criteria are in [golden_data/acceptance.md](../golden_data/acceptance.md).\n"
        + "PARALLEL-028 and PERF are timed in `bench/` besides.\n\n"
        + table(("identifier", "what there is", "command"), identifier_rows())
    )


def main(arguments: list[str]) -> int:
    """Write the index, or check it; the exit status."""
    text = index()
    if arguments == ["--check"]:
        if INDEX.exists() and INDEX.read_text(encoding="utf-8") == text:
            return 0
        print("tests/README.md is out of date: run python tests/make_index.py", file=sys.stderr)
        return 1
    INDEX.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
