"""``python tests/external/geometry/readers.py [NAME...]``: whether others' readers find our panels where they are.

Every ready-made detector, tilted, is written as a CrystFEL geometry, as an NXmx file and as DIALS models. cfelpyutils
(what Cheetah and OM read geometries with) and EXtra-geom (European XFEL: AGIPD) read the first, nxmx (what newer dxtbx
reads NXmx with) the second, dxtbx the last two; the corners of all panels are compared with those of the simulation, to
1e-9 m. Prints a line for each detector and reader, and ends with status 1 if a corner is elsewhere or a reader fails.

    pip install cfelpyutils EXtra-geom nxmx
    apt-get install dials

A reader that is not installed is left out, with a line; dxtbx is that of the python3 of DIALS' programs on the PATH.
Three minutes on one slow core.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nanobragg import Crystal, Detector, Experiment, Resolved, Sampling, resolve
from nanobragg.io.images import nexus
from nanobragg.io.images.geometry_texts import write_expt, write_geom
from nanobragg.io.images.nexus import laboratory_to_nexus
from nanobragg.records.detectors import NAMES

NEAR = 1e-9
"""m"""
Corners = dict[int, NDArray[np.float64]]
"""By the number of the panel: (3, 3) m in NeXus' frame, the outer corners of the first pixel, of the last one of its
row, and of the last one of its column."""


def made(name: str) -> Resolved:
    """The detector, in no special place."""
    detector = Detector.named(name, distance=180.0, rotx=2.0, roty=-3.0, rotz=1.0)
    crystal = Crystal(cell=(50, 60, 70), default_F=1.0, cells=1)
    return resolve(Experiment(crystal=crystal, detector=detector, sampling=Sampling(oversample=1), quirks="none"))


def ours(resolved: Resolved) -> Corners:
    """Where nanobragg has the panels."""
    turn = laboratory_to_nexus(resolved.geometry)
    return {
        number: panel.at([0, panel.shape[1], 0], [0, 0, panel.shape[0]]) @ turn.T
        for number, panel in enumerate(resolved.scene.panels)
    }


def by_cfelpyutils(folder: Path, resolved: Resolved) -> Corners:
    """As Cheetah and OM read a geometry; its camera length comes with each panel, coffset apart."""
    from cfelpyutils.geometry import load_crystfel_geometry

    panels = load_crystfel_geometry(str(folder / "a.geom")).detector["panels"]
    found = {}
    for number, each in enumerate(panels.values()):
        first = np.array([each["cnx"], each["cny"], 0.0])
        fast, slow = (np.array([each[f"{axis}{x}"] for x in "xyz"]) for axis in ("fs", "ss"))
        counts = [each[f"orig_max_{axis}"] - each[f"orig_min_{axis}"] + 1 for axis in ("fs", "ss")]
        points = np.array([first, first + counts[0] * fast, first + counts[1] * slow]) / each["res"]
        points[:, 2] += each["clen"] + each["coffset"]
        found[number] = points
    return found


def by_extra_geom(folder: Path, resolved: Resolved) -> Corners | None:
    """As European XFEL's pipelines read a geometry: modules and tiles, found by their places in the data. It has the
    camera length apart. ``None`` for detectors that it does not know.
    """
    import extra_geom

    kinds = {"AGIPD 1M": extra_geom.AGIPD_1MGeometry}
    kind = kinds.get(resolved.experiment.detector.name or "")
    if kind is None:
        return None
    tiles = [tile for module in kind.from_crystfel_geom(str(folder / "a.geom")).modules for tile in module]
    far = np.array([0.0, 0.0, resolved.geometry.distance])
    return {
        number: np.array(
            [tile.corner_pos + step for step in (0.0, tile.fs_pixels * tile.fs_vec, tile.ss_pixels * tile.ss_vec)]
        )
        + far
        for number, tile in enumerate(tiles)
    }


def by_nxmx(folder: Path, resolved: Resolved) -> Corners:
    """As dxtbx reads NXmx."""
    import h5py
    import nxmx

    found = {}
    with h5py.File(folder / "a.h5") as file:
        (detector,) = nxmx.NXmx(file).entries[0].instruments[0].detectors
        for number, module in enumerate(sorted(detector.modules, key=lambda module: module.path or "")):
            slow, fast = (int(count) for count in module.data_size[-2:])
            axes = module.fast_pixel_direction, module.slow_pixel_direction
            chain = nxmx.get_cumulative_transformation(nxmx.get_dependency_chain(axes[0]))[0]
            inner = axes[0].matrix
            origin = chain[:3, 3] - (inner[0, :3, 3] if inner.ndim == 3 else inner[:3, 3])
            steps = []
            for axis in axes:
                outer = nxmx.get_cumulative_transformation(nxmx.get_dependency_chain(axis))[0]
                size = axis[()].to("mm").magnitude
                vector = np.asarray(axis.vector, float)
                steps.append(outer[:3, :3] @ vector / np.linalg.norm(vector) * float(np.ravel(size)[0]))
            found[number] = np.array([origin, origin + fast * steps[0], origin + slow * steps[1]]) / 1e3
    return found


_DXTBX = """
import json, sys
import dxtbx
from dxtbx.model.experiment_list import ExperimentListFactory
name = sys.argv[1]
if name.endswith(".expt"):
    detector = ExperimentListFactory.from_json_file(name, check_format=False)[0].detector
else:
    detector = dxtbx.load(name).get_detector()
found = []
for panel in detector:
    fast, slow = panel.get_image_size_mm()
    found.append([panel.get_lab_coord(point) for point in ((0, 0), (fast, 0), (0, slow))])
print(json.dumps(found))
"""


def by_dxtbx(file: Path) -> Corners:
    """As DIALS has the panels, in its frame."""
    python = (Path(shutil.which("dials.import") or "").resolve().parent / "dials.python").resolve()
    command = [str(python) if python.exists() else "/usr/bin/python3", "-c", _DXTBX, str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env={"PATH": "/usr/bin:/bin"})
    panels = json.loads(done.stdout.splitlines()[-1])
    return {number: np.array(points) @ np.diag([-1.0, 1.0, -1.0]) / 1e3 for number, points in enumerate(panels)}


READERS: dict[str, tuple[str, Callable[[Path, Resolved], Corners | None]]] = {
    "cfelpyutils": ("cfelpyutils", by_cfelpyutils),
    "EXtra-geom": ("extra_geom", by_extra_geom),
    "nxmx": ("nxmx", by_nxmx),
}
DXTBX: dict[str, Callable[[Path, Resolved], Corners | None]] = {
    "dxtbx (.h5)": lambda folder, _: by_dxtbx(folder / "a.h5"),
    "dxtbx (.expt)": lambda folder, _: by_dxtbx(folder / "a.expt"),
}


def written(folder: Path, resolved: Resolved) -> None:
    """A geometry, and an image of no photons."""
    write_geom(folder / "a.geom", resolved)
    write_expt(folder / "a.expt", resolved)
    nexus.write(folder / "a.h5", np.zeros(resolved.scene.image_shape, np.int32), resolved)


def miss(name: str, reader: str, found: Corners, expected: Corners) -> float:
    """How far the farthest corner is away, m; says so."""
    if found.keys() != expected.keys():
        print(f"{name}: {reader} finds {len(found)} panels, of {len(expected)}")
        return float("inf")
    off = max(float(np.abs(found[number] - expected[number]).max()) for number in expected)
    print(f"{name}: {reader} finds {len(found)} panels, {off:.1e} m away at most", flush=True)
    return off


def installed() -> dict[str, Callable[[Path, Resolved], Corners | None]]:
    """The readers that there are."""
    readers = {name: read for name, (module, read) in READERS.items() if find_spec(module) is not None}
    if shutil.which("dials.import"):
        readers |= DXTBX
    for name in {**READERS, **DXTBX}.keys() - readers.keys():
        print(f"{name} is not installed and left out")
    return readers


def main(names: Sequence[str]) -> int:
    """Compare all of them."""
    warnings.simplefilter("ignore")
    readers, wrong = installed(), 0
    for name in names or NAMES:
        resolved = made(name)
        with tempfile.TemporaryDirectory() as folder:
            written(Path(folder), resolved)
            for reader, read in readers.items():
                try:
                    found = read(Path(folder), resolved)
                except Exception as error:  # whatever a reader raises is a finding
                    print(f"{name}: {reader} fails: {error!r:.100}")
                    found = {}
                wrong += found is not None and not miss(name, reader, found, ours(resolved)) < NEAR
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
