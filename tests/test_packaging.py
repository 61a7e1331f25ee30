"""What packages promise: typed, the same requirements for pip and conda, wheels for every supported Python."""

from __future__ import annotations

import importlib.resources
import re
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parent.parent
PYPROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT: dict[str, Any] = PYPROJECT["project"]
RECIPE: dict[str, Any] = yaml.safe_load((ROOT / "conda" / "recipe.yaml").read_text())


def _spelled(requirement: str) -> tuple[str, str]:
    """(name, versions) of a requirement of pip or conda."""
    match = re.fullmatch(r"([\w.-]+)\s*(.*)", requirement.strip())
    assert match is not None
    return match[1].lower(), match[2].replace(" ", "")


def test_types_are_published() -> None:
    """Without the marker, type checkers of other projects ignore every annotation."""
    assert (importlib.resources.files("nanobragg") / "py.typed").is_file()
    assert "Typing :: Typed" in PROJECT["classifiers"]


def test_the_conda_package_is_this_version() -> None:
    version = re.search(r"project\(nanobragg VERSION ([\d.]+)", (ROOT / "CMakeLists.txt").read_text())
    assert version is not None
    assert RECIPE["context"]["version"] == version[1]
    assert RECIPE["package"]["name"] == PROJECT["name"]
    assert RECIPE["about"]["license"] == PROJECT["license"]
    assert [RECIPE["about"]["license_file"]] == PROJECT["license-files"]


def test_conda_installs_what_pip_installs() -> None:
    run = {_spelled(item) for item in RECIPE["requirements"]["run"] if isinstance(item, str)}
    conditions = [item for item in RECIPE["requirements"]["run"] if not isinstance(item, str)]
    plain = [item for item in PROJECT["dependencies"] if ";" not in item]
    assert run == {("python", PROJECT["requires-python"]), *map(_spelled, plain)}
    (marked,) = (item.split(";") for item in PROJECT["dependencies"] if ";" in item)
    assert [(item["if"], _spelled(item["then"])) for item in conditions] == [
        ('match(python, "<3.11")', _spelled(marked[0]))
    ]
    assert marked[1].strip() == "python_version < '3.11'"


def test_conda_builds_with_what_pip_builds_with() -> None:
    host = {_spelled(item) for item in RECIPE["requirements"]["host"]}
    assert {_spelled(item) for item in PYPROJECT["build-system"]["requires"]} <= host
    minimum = re.search(r"cmake_minimum_required\(VERSION ([\d.]+)\)", (ROOT / "CMakeLists.txt").read_text())
    assert minimum is not None
    assert f"cmake >={minimum[1]}" in RECIPE["requirements"]["build"]


def test_there_is_a_wheel_for_every_python_that_is_promised() -> None:
    promised = [c.split(" :: ")[-1] for c in PROJECT["classifiers"] if "Python :: 3." in c]
    assert PROJECT["requires-python"] == f">={promised[0]}"
    wheels = PYPROJECT["tool"]["cibuildwheel"]
    assert wheels["build"] == [f"cp{version.replace('.', '')}-*" for version in promised]
    assert wheels["linux"]["archs"] == ["x86_64", "aarch64"]


@pytest.mark.parametrize("command", ["test-command", "linux.repair-wheel-command"])
def test_the_files_that_wheels_are_tested_with_are_there(command: str) -> None:
    found: Any = PYPROJECT["tool"]["cibuildwheel"]
    for key in command.split("."):
        found = found[key]
    named = re.findall(r"\{project\}/(\S+)", " ".join(found))
    assert named
    for name in named:
        assert (ROOT / name).is_file()


def test_nothing_is_compiled_for_the_machine_that_builds() -> None:
    """A wheel would end with an illegal instruction on older processors."""
    for path in [ROOT / "CMakeLists.txt", *(ROOT / "cpp").rglob("CMakeLists.txt"), ROOT / "pyproject.toml"]:
        assert "-march=native" not in path.read_text()
        assert "-mtune=native" not in path.read_text()
