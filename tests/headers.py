"""Files with a geometry, and what is read of them: for the tests of each kind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np

from nanobragg import Crystal, Detector, Experiment, Resolved, resolve

CRYSTAL = Crystal(cell=[79, 79, 38], default_F=10.0, cells=3)


def resolved_of(path: Path, **parts: Any) -> Resolved:
    detector = Detector(header=path, **parts.pop("detector", {}))
    return resolve(Experiment(**{"crystal": CRYSTAL, "detector": detector, **parts}))


def line_of(resolved: Resolved) -> str:
    return next(note for note in resolved.notes if note.startswith("from "))


def beam_pixels_of(resolved: Resolved) -> tuple[float, float]:
    size = resolved.scene.panels[0].pixel_size[0]
    return resolved.geometry.Fbeam / size, resolved.geometry.Sbeam / size


def put_item(group: Any, name: str, value: Any, **attributes: Any) -> Any:
    item = group.create_dataset(name, data=value)
    item.attrs.update(attributes)
    return item


def put_axis(group: Any, name: str, value: Any, kind: str, vector: Any, depends_on: str, **attributes: Any) -> Any:
    units = {"translation": "m", "rotation": "deg"}[kind]
    said = {"transformation_type": kind, "vector": np.array(vector, float), "depends_on": depends_on, "units": units}
    return put_item(group, name, value, **said | attributes)


def nxmx_file(path: Path, change: Any = None) -> Path:
    """20 (fast) x 30 (slow) pixels of 0.1 mm at 100 mm, beam at 8, 12, omega from 10 deg in steps of 0.1."""

    def group(parent: Any, name: str, nx_class: str) -> Any:
        made = parent.create_group(name)
        made.attrs["NX_class"] = nx_class
        return made

    with h5py.File(path, "w") as file:
        entry = group(file, "entry", "NXentry")
        group(entry, "data", "NXdata")["data_000001"] = np.ones((3, 30, 20), np.uint16)
        instrument = group(entry, "instrument", "NXinstrument")
        put_item(group(instrument, "beam", "NXbeam"), "incident_wavelength", 0.9, units="angstrom")
        detector = group(instrument, "detector", "NXdetector")
        arm = group(detector, "transformations", "NXtransformations")
        put_axis(arm, "translation", 0.1, "translation", (0, 0, 1), ".")
        module = group(detector, "module", "NXdetector_module")
        module["data_origin"], module["data_size"] = [0, 0], [30, 20]
        base = "/entry/instrument/detector/transformations/translation"
        moved = {"offset": [8e-4, 12e-4, 0.0], "offset_units": "m"}
        put_axis(module, "module_offset", 0.0, "translation", (1, 0, 0), base, **moved)
        put_axis(module, "fast_pixel_direction", 1e-4, "translation", (-1, 0, 0), f"{module.name}/module_offset")
        put_axis(module, "slow_pixel_direction", 1e-4, "translation", (0, -1, 0), f"{module.name}/module_offset")
        for axis, centre in (("x", 8.0), ("y", 12.0)):
            put_item(detector, f"{axis}_pixel_size", 1e-4, units="m")
            detector[f"beam_center_{axis}"] = centre
        put_item(detector, "detector_distance", 0.1, units="m")
        sample = group(entry, "sample", "NXsample")
        sample["depends_on"] = "/entry/sample/transformations/omega"
        axes = group(sample, "transformations", "NXtransformations")
        put_axis(axes, "omega", [10.0, 10.1, 10.2], "rotation", (-1, 0, 0), ".")
        if change is not None:
            change(entry)
    return path
