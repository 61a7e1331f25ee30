"""Everything that `make gpu` needs, in one file, for a machine with a GPU and without a network.

    python tests/external/gpu/bundle.py BUILD FILE.tar.xz

packs this Python with the packages of the tests, the extensions and the native tests of the build folder BUILD, and
the repository's files. There, where nothing but a driver, compute-sanitizer and tar is needed:

    tar xf FILE.tar.xz && bash gpu/run.sh RESULTS

(`make gpu-bundle`, and ``cpp/cuda/README.md``.)
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[3]
PACKAGES = ("numpy", "scipy", "pytest", "pytest-xdist", "hypothesis", "tomlkit", "tqdm")
UNWANTED = ("test", "tests", "idlelib", "tkinter", "turtledemo", "ensurepip", "lib2to3", "__pycache__", "site-packages")
"""Folders of Python's library and of packages that nothing here imports."""


def _unwanted(folder: str, names: list[str]) -> set[str]:
    return {name for name in names if name in UNWANTED or name.startswith("config-") or name.endswith((".a", ".pyi"))}


def _copy_python(to: Path) -> None:
    """The interpreter, its library, and the shared one that it may be linked with."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    (to / "bin").mkdir(parents=True)
    shutil.copyfile(Path(sys.executable).resolve(), to / "bin" / version)
    (to / "bin" / version).chmod(0o755)
    shutil.copytree(sysconfig.get_path("stdlib"), to / "lib" / version, ignore=_unwanted, symlinks=False)
    shared = Path(sysconfig.get_config_var("LIBDIR")) / str(sysconfig.get_config_var("INSTSONAME"))
    if shared.suffix != ".a" and shared.exists():
        shutil.copyfile(shared, to / "lib" / shared.name)
        subprocess.run(["strip", str(to / "lib" / shared.name)], check=False)


def _copy_packages(to: Path) -> None:
    """The packages, and those that they need."""
    wanted, copied = list(PACKAGES), set()
    while wanted:
        name = wanted.pop()
        if name.lower() in copied:
            continue
        try:
            found = distribution(name)
        except PackageNotFoundError:
            continue  # for another Python or system
        copied.add(name.lower())
        needs = [text for text in found.requires or () if "extra ==" not in text]
        wanted += [match[0] for match in (re.match(r"[\w.-]+", text) for text in needs) if match]
        for file in found.files or ():
            parts = set(file.parts)
            source = Path(str(found.locate_file(file)))
            if ".." not in parts and not parts & set(UNWANTED) and source.suffix not in (".a", ".pyi", ".pyc"):
                (to / file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, to / file)


def _copy_build(build: Path, repository: Path) -> None:
    """The repository's files with the extensions where the package looks for them, and the native tests."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    for name in listed.stdout.split("\0"):
        if name and (REPOSITORY / name).is_file():
            (repository / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(REPOSITORY / name, repository / name)
    made = [*build.glob("_core*.so"), *build.glob("_cuda*.so")]
    if len(made) != 2:
        raise SystemExit(f"bundle: {build}: found {len(made)} of the extensions _core and _cuda, expected both")
    for extension in made:
        shutil.copy(extension, repository / "python" / "nanobragg" / extension.name)
    shutil.copy(build / "cpp" / "tests" / "cuda_tests", repository.parent / "cuda_tests")
    stripped = [str(repository / "python" / "nanobragg" / extension.name) for extension in made]
    subprocess.run(["strip", str(repository.parent / "cuda_tests"), *stripped], check=True)


def main(build: str, file: str) -> None:
    """Pack."""
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder) / "gpu"
        _copy_python(whole / "py")
        _copy_packages(whole / "site")
        _copy_build(Path(build), whole / "repository")
        shutil.copy(Path(__file__).with_name("run.sh"), whole / "run.sh")
        with tarfile.open(file, "w:xz", preset=3) as archive:
            archive.add(whole, "gpu")
    print(f"{file}: {Path(file).stat().st_size / 1e6:.0f} MB")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise SystemExit("usage: bundle.py BUILD FILE.tar.xz")
    main(*sys.argv[1:])
