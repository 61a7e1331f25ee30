"""One file of shots, and the record of what is in it."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from nanobragg.ensemble.identity import checksum
from nanobragg.errors import DeviceError, InputError
from nanobragg.io.images.masked import with_masked
from nanobragg.io.images.nexus import Frame, new_series
from nanobragg.io.support.atomic import atomic_write
from nanobragg.io.tables import write_truth
from nanobragg.resolver.resolve import resolve
from nanobragg.resolver.response import detector_model
from nanobragg.results.measured import scale_of

if TYPE_CHECKING:
    from nanobragg.ensemble.plan import Plan
    from nanobragg.ensemble.shot import Maker, Shot
    from nanobragg.records.counts import CountScale
    from nanobragg.records.resolved import Resolved


PIXELS = np.dtype(np.int32)


class Nominal(NamedTuple):
    """What all files tell of the detector."""

    resolved: Resolved
    scale: CountScale


def nominal_of(plan: Plan) -> Nominal:
    """The detector without what varies. Raises :class:`InputError` for what cannot be one."""
    resolved = resolve(plan.nominal())
    return Nominal(resolved, scale_of(detector_model(resolved)))


def file_count(plan: Plan) -> int:
    """Files of shots."""
    return -(-plan.settings.shots // plan.settings.shots_per_file)


def shots_of(plan: Plan, number: int) -> range:
    """The shots of a file."""
    first = number * plan.settings.shots_per_file
    return range(first, min(first + plan.settings.shots_per_file, plan.settings.shots))


def shots_name(number: int) -> str:
    """The file of shots of that number."""
    return f"shots_{number:06}.h5"


def part_name(number: int) -> str:
    """The record of a file of shots: it is written last."""
    return os.path.join("parts", f"{number:06}.json")


def write_shots(maker: Maker, nominal: Nominal, folder: str, number: int, identity: str) -> None:
    """Make the shots of a file and write it, whole or not at all, and its record after it.

    Args:
        maker: makes shots.
        nominal: the detector that the file tells.
        folder: where.
        number: of the file.
        identity: of the ensemble.

    Raises:
        InputError: when a file cannot be written. What is wrong with a shot is in the record.
        DeviceError: when the device fails.

    """
    numbers = shots_of(maker.plan, number)
    names = [shots_name(number)]
    rows, tables = [], []
    with new_series(os.path.join(folder, names[0]), nominal.resolved, len(numbers), PIXELS, nominal.scale) as series:
        for shot_number in numbers:
            try:
                shot = maker.shot(shot_number)
            except DeviceError:
                raise
            except (InputError, MemoryError) as error:
                series.add(None, frame_of(nominal.resolved))
                rows.append({"shot": shot_number, "error": " ".join(str(error).split()) or "out of memory"})
                continue
            series.add(with_masked(shot.image.data, nominal.resolved), frame_of(shot.image.resolved))
            rows.append(_row(shot))
            if maker.plan.settings.reflections:
                tables.append(_reflections(shot))
    if maker.plan.settings.reflections:
        names.append(f"reflections_{number:06}.h5")
        table = np.concatenate(tables) if tables else np.empty(0, [("shot", np.int64)])
        write_truth(os.path.join(folder, names[1]), table)
    files = {name: described(os.path.join(folder, name)) for name in names}
    write_json(os.path.join(folder, part_name(number)), {"ensemble": identity, "files": files, "shots": rows})


def frame_of(resolved: Resolved) -> Frame:
    """What files tell of a shot: not its crystals, which no experiment knows either."""
    radiation = resolved.radiation
    return Frame(radiation.wavelength * 1e10, radiation.phi, radiation.oscillation)


def described(path: str) -> dict[str, Any]:
    """Size and checksum of a file."""
    return {"bytes": os.path.getsize(path), "sha256": checksum(path)}


def write_json(path: str, value: object) -> None:
    """Write a value as JSON; raises :class:`InputError` when the file cannot be written."""
    with atomic_write(path) as file:
        file.write((json.dumps(value, indent=1, ensure_ascii=False, default=os.fspath) + "\n").encode())


def _row(shot: Shot) -> dict[str, Any]:
    """What the record has of a shot."""
    crystals = []
    for crystal in shot.truth.crystals:
        sample = crystal.resolved.sample
        axes = {name: [1e10 * x for x in axis] for name, axis in (("a", sample.a0), ("b", sample.b0), ("c", sample.c0))}
        crystals.append(crystal.parameters | axes)
    return {
        "shot": shot.truth.number,
        "photons": shot.image.photons,
        "overloads": shot.image.overloads,
        "parameters": shot.truth.parameters,
        "crystals": crystals,
    }


def _reflections(shot: Shot) -> np.ndarray:
    """The reflections of a shot, with its number in front."""
    found = shot.truth.reflections()
    table = np.empty(len(found), [("shot", np.int64), *found.dtype.descr])
    table["shot"] = shot.truth.number
    for name in found.dtype.names or ():
        table[name] = found[name]
    return table
