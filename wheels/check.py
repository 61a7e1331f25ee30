"""Look into wheels: is everything in them that must be, and nothing of the machine that built them?

    python wheels/check.py WHEEL...

Needs readelf of binutils.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from email.parser import Parser
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COMMANDS = ("nanobragg", "nb-compare", "nb-trace-diff")
_NEEDED = (
    "nanobragg/py.typed",
    "nanobragg/_core.pyi",
    "nanobragg/__init__.py",
    "nanobragg/inputs/experiment.schema.json",
)
_SOURCE = re.compile(rb"/[\w./+-]+\.(?:cpp|hpp|inl|cu)\b")


def main(names: list[str]) -> int:
    """Print what is wrong with each wheel; the exit status is 1 if anything is."""
    if not names:
        print(__doc__)
        return 2
    found = [f"{Path(name).name}: {sentence}" for name in names for sentence in problems(Path(name))]
    print("\n".join(found) if found else f"{', '.join(Path(name).name for name in names)}: nothing amiss")
    return 1 if found else 0


def problems(path: Path) -> Iterator[str]:
    """What is wrong with a wheel, one sentence each."""
    if not re.search(r"-manylinux_\d+_\d+_\w+", path.name):
        yield "found no manylinux tag, expected auditwheel to have repaired it"
    with zipfile.ZipFile(path) as wheel:
        names = wheel.namelist()
        yield from _missing(names)
        yield from _wrong_metadata(wheel, names)
        for name in names:
            content = wheel.read(name)
            if str(ROOT).encode() in content:
                yield f"{name}: found the path of the source tree"
            if content.startswith(b"\x7fELF"):
                yield from (f"{name}: {sentence}" for sentence in _wrong_library(content, ours="_core" in name))


def _missing(names: list[str]) -> Iterator[str]:
    for needed in _NEEDED:
        if needed not in names:
            yield f"{needed}: not there"
    if not any(re.fullmatch(r"nanobragg/_core\.[\w-]+\.so", name) for name in names):
        yield "nanobragg/_core: not there"
    if not any(re.fullmatch(r"nanobragg\.libs/libgomp[\w.-]*\.so[\w.]*", name) for name in names):
        yield "nanobragg.libs/libgomp: not there, expected the OpenMP runtime to come along"
    if not any(name.endswith(".dist-info/licenses/LICENSE") for name in names):
        yield "LICENSE: not there"
    for name in names:
        if name.split("/")[0] not in ("nanobragg", "nanobragg.libs") and ".dist-info/" not in name:
            yield f"{name}: found outside the package"
        if "__pycache__" in name:
            yield f"{name}: found compiled Python"


def _wrong_metadata(wheel: zipfile.ZipFile, names: list[str]) -> Iterator[str]:
    folder = next(name.split("/")[0] for name in names if name.endswith(".dist-info/METADATA"))
    metadata = Parser().parsestr(wheel.read(f"{folder}/METADATA").decode())
    version = re.search(r"project\(nanobragg VERSION ([\d.]+)", (ROOT / "CMakeLists.txt").read_text())
    if version is None or metadata["Version"] != version[1]:
        yield f"METADATA: found version {metadata['Version']}, expected that of CMakeLists.txt"
    if metadata["License-Expression"] != "BSD-3-Clause":
        yield f"METADATA: found license {metadata['License-Expression']!r}, expected BSD-3-Clause"
    scripts = wheel.read(f"{folder}/entry_points.txt").decode()
    for command in COMMANDS:
        if f"{command} = " not in scripts and f"{command}=" not in scripts:
            yield f"entry_points.txt: {command} is not there"


def _wrong_library(content: bytes, *, ours: bool) -> Iterator[str]:
    with tempfile.NamedTemporaryFile(suffix=".so") as file:
        file.write(content)
        file.flush()
        told = subprocess.run(["readelf", "-WSd", file.name], check=True, capture_output=True, text=True).stdout
    if ours and ".debug_" in told:
        yield "found debug information"
    for path in re.findall(r"\(R(?:UN)?PATH\).*\[(.*)\]", told):
        if not all(part.startswith("$ORIGIN") for part in path.split(":")):
            yield f"found the library path {path!r}, expected one relative to the file"
    if ours:
        for source in sorted(set(_SOURCE.findall(content))):
            yield f"found the name of a source file, {source.decode()}"


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
