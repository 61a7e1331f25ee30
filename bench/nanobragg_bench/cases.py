"""The named cases: command lines that both programs understand."""

from __future__ import annotations

import gzip
import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from nanobragg_bench import BenchError

REPOSITORY = Path(__file__).resolve().parents[2]
INPUTS = REPOSITORY / "golden_data" / "inputs"
EXAMPLES = REPOSITORY / "examples"
_CUBE = "-cell 100 100 100 90 90 90 -N 5 -default_F 100"
_MOSAIC = "-mosaic 0.5 -mosaic_dom"
_MOSAIC_25 = f"-lambda 1 {_CUBE} -distance 100 -detpixels 1024 -oversample 1"
_DENSE = (
    "-cell 30 30 30 90 90 90 -hkl dense.hkl -lambda 4 -N 1 -distance 100 -detpixels 1024 -oversample 1 -mosaic 1 "
    "-mosaic_dom 25"
)


@dataclass(frozen=True, kw_only=True)
class Case:
    """One image, as a command line."""

    name: str
    command: str
    """Without output options."""
    quick: str
    """Options that make it small (the last occurrence of an option wins)."""
    files: tuple[str, ...] = ()
    """Input files that the command line names."""
    group: str = ""
    process: bool = False
    """Whether a whole process, files written, is measured, too."""
    original_edge: int | None = None
    """The original renders only so many pixels squared, in the middle, and its time is scaled."""
    kernel: tuple[str, str] = ("square 5", "constant")
    """Shape and source of F (``arithmetic.py``)."""
    stored: bool = False
    """Several wavelengths share their indices."""
    fan: bool = False
    """On the CPU, beams of one wavelength share their cosines."""

    @property
    def words(self) -> list[str]:
        """The command line of either program."""
        return [*self.command.split(), "-nonoise", "-nopgm"]

    def small(self) -> Case:
        """A case with the same features on few pixels."""
        return replace(self, command=f"{self.command} {self.quick}", original_edge=self.original_edge and 8)


REAL_CRYSTAL = Case(
    name="real_crystal",
    command="",
    quick="-roi 1200 1295 1200 1263",
    files=("real_crystal.hkl", "real_crystal.mat"),
    process=True,
    kernel=("square", "nearest"),
)
"""The case whose command line is in the shared folder; see :func:`load`."""

CASES = (
    Case(
        name="cubic_1024",
        command=f"-lambda 6.2 {_CUBE} -distance 100 -detpixels 1024",
        quick="-detpixels 256",
    ),
    Case(
        name="cubic_4096",
        command=f"-lambda 0.5 {_CUBE} -distance 500 -detpixels 4096 -pixel 0.05",
        quick="-detpixels 400",
        process=True,
    ),
    Case(name="mosaic_25", command=f"{_MOSAIC_25} {_MOSAIC} 25", quick="-detpixels 128"),
    Case(
        name="everything_512",
        command=f"-lambda 1 -cell 70 80 90 75 85 95 -default_F 100 -N 5 {_MOSAIC} 5 -phi 10 -osc 90 -phisteps 9 "
        "-detector_rotx 5 -detector_roty 3 -detector_rotz 2 -twotheta 10 -detector_abs 500 -detector_thick 450 "
        "-thicksteps 5 -polar 0.95 -detpixels 512 -oversample 1",
        quick="-detpixels 48",
    ),
    Case(
        name="sources_100",
        command=f"{_MOSAIC_25} {_MOSAIC} 10 -divergence 2 -divsteps 6 -square_div -dispersion 1 -dispsteps 3",
        quick="-detpixels 24",
        stored=True,
        fan=True,
    ),
    REAL_CRYSTAL,
    *(
        Case(
            name=name,
            command=f"{_MOSAIC_25} {_MOSAIC} 25 {option}",
            quick="-detpixels 128",
            group="shapes",
            kernel=(name, "constant"),
        )
        for name, option in (("round", "-round_xtal"), ("gauss", "-gauss_xtal"), ("tophat", "-tophat_spots"))
    ),
    Case(
        name="tricubic",
        command=f"{_DENSE} -interpolate",
        quick="-detpixels 96",
        files=("dense.hkl",),
        kernel=("square 1", "tricubic"),
    ),
    Case(
        name="nearest",
        command=f"{_DENSE} -nointerpolate",
        quick="-detpixels 128",
        files=("dense.hkl",),
        kernel=("square 1", "nearest"),
    ),
    Case(
        name="xfel_3000",
        command=f"-lambda 1 {_CUBE} -distance 200 -detpixels 3000 -dispersion 0.3 -dispsteps 100 {_MOSAIC} 25 "
        "-oversample 1",
        quick="-detpixels 20",
        original_edge=100,
        stored=True,
    ),
)
CUDA_CASES = (
    Case(
        name="gpu_mosaic_1000",
        command=f"{_MOSAIC_25} {_MOSAIC} 1000",
        quick="-detpixels 32",
        group="cuda",
    ),
    replace(next(case for case in CASES if case.name == "xfel_3000"), name="gpu_xfel_3000", group="cuda"),
    Case(
        name="gpu_real_3000",
        command="-lambda 1 -hkl 1orc.hkl -cell 34.77 39.17 48.31 90 90 90 -N 5 -misset 37 -21 64 -distance 200 "
        f"-detpixels 3000 -dispersion 0.3 -dispsteps 100 {_MOSAIC} 25 -oversample 1 -nointerpolate",
        quick="-detpixels 20",
        files=("1orc.hkl",),
        group="cuda",
        kernel=("square 5", "nearest"),
        stored=True,
    ),
    Case(name="gpu_next_image", command=_MOSAIC_25, quick="-detpixels 64", group="cuda"),
)
"""Only for CUDA devices."""
OTHERS = (
    "noise_4096",
    "counts_6m",
    "series_1024",
    "read_hkl",
    "start",
    "small_scene",
    "derivatives",
    "tolerance",
    "tolerance_growth",
    "refine_still",
    "panels",
    "threads",
)
"""Cases that measure something else than the engine."""
NAMES = (*(case.name for case in (*CASES, *CUDA_CASES)), *OTHERS)
GROUPS = {
    "shapes": tuple(case.name for case in CASES if case.group == "shapes"),
    "cuda": (*(case.name for case in CUDA_CASES), "noise_4096", "derivatives"),
}


def by_name(name: str) -> Case:
    """The case of that name."""
    return next(case for case in (*CASES, *CUDA_CASES) if case.name == name)


def expand(names: list[str] | None) -> list[str]:
    """Names of cases, groups replaced by their members; all cases without ``names``.

    Raises:
        BenchError: for an unknown name.

    """
    chosen: list[str] = []
    for name in names or NAMES:
        members = GROUPS.get(name, (name,))
        if members[0] not in NAMES:
            raise BenchError(f"--case: found {name!r}, expected one of {', '.join((*NAMES, *GROUPS))}")
        chosen.extend(member for member in members if member not in chosen)
    return chosen


def load(case: Case, shared: Path) -> Case | str:
    """The case with its command line; a sentence when its inputs are not on this machine."""
    if case is not REAL_CRYSTAL:
        return case
    description = shared / "golden" / "real_crystal.json"
    inputs = (description, shared / "data" / "real_crystal.hkl.gz", shared / "data" / "real_crystal.mat")
    for path in inputs:
        if not path.exists():
            return f"its input golden/{path.name} or data/{path.name} is not in the folder that --shared names"
    words = json.loads(description.read_text())["args"].split()
    return replace(case, command=" ".join(word for word in words if word not in ("-nonoise", "-nopgm")))


def furnish(case: Case, folder: Path, shared: Path) -> None:
    """Put the case's input files into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in case.files:
        if name == "1orc.hkl":
            (folder / name).write_bytes(gzip.decompress((EXAMPLES / f"{name}.gz").read_bytes()))
        elif name == "real_crystal.hkl":
            (folder / name).write_bytes(gzip.decompress((shared / "data" / f"{name}.gz").read_bytes()))
        elif name == "real_crystal.mat":
            (folder / name).write_bytes((shared / "data" / name).read_bytes())
        else:
            shutil.copyfile(INPUTS / name, folder / name)
