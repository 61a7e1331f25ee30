"""The file of a refinement of many shots, written: it can be refined again (``specs/refinement.md``)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from nanobragg.inputs.toml import PLACES, REFINE, config_text, value_text
from nanobragg.inputs.toml_update import without_table
from nanobragg.records.experiment import Experiment
from nanobragg.records.fields import assembled, places
from nanobragg.refinement.request import FIELDS, OF_EACH_SHOT, SHOTS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from nanobragg.refinement.request import Request


def series_text(request: Request, experiments: Sequence[Experiment], path: str) -> str:
    """The file of the start with what shots have in common in place, comments and order kept; behind it what was
    refined, and a table of each shot.

    Args:
        request: what was asked for.
        experiments: of each shot, as they were refined.
        path: the name that the text will have.

    Raises:
        InputError: for what no file can hold.

    """
    shared, own = _parted(request.run.experiment, experiments)
    run = replace(request.run, experiment=shared)
    text = without_table(config_text(run, path, like=request.path), REFINE, request.path)
    lines = [f"[{REFINE}]", *_lines(request, path), *_by_name(request)]
    for number, said in enumerate(own):
        lines += ["", f"[[{REFINE}.{SHOTS}]]"]
        for key in OF_EACH_SHOT:
            value = request.images if key == "image" else request.values.get(key)
            if isinstance(value, tuple):
                lines.append(f"{key} = {value_text(FIELDS[key], value[number], path)}")
        texts = {name: value_text(PLACES[name], value, path) for name, value in said.items()}
        lines += [f"{name} = {value}" for name, value in texts.items() if value is not None]
    return text.rstrip("\n") + "\n\n" + "\n".join(lines) + "\n"


def _parted(base: Experiment, shots: Sequence[Experiment]) -> tuple[Experiment, list[dict[str, Any]]]:
    """What shots have in common, and by names of fields what each says besides."""
    common: dict[str, Any] = {}
    own: list[dict[str, Any]] = [{} for _ in shots]
    for place in places(Experiment):
        values = [place.value(shot) for shot in shots]
        if all(repr(value) == repr(values[0]) for value in values):
            common[place.name] = values[0]
            continue
        # What is said for all cannot be unsaid for one.
        common[place.name] = None if None in values else place.value(base)
        for said, value in zip(own, values, strict=True):
            said[place.name] = value
    return assembled(Experiment, common), own


def _lines(request: Request, path: str) -> Iterator[str]:
    for key, place in FIELDS.items():
        value = request.values.get(key)
        of_shots = key == "image" or (key in OF_EACH_SHOT and isinstance(value, tuple))
        if key in request.values and key not in PLACES and not of_shots and place.row.kind.schema != {"type": "object"}:
            yield f"{key} = {value_text(place, value, path)}"


def _by_name(request: Request) -> Iterator[str]:
    """Tables of priors and bounds."""
    for key in ("priors", "bounds"):
        known = request.values.get(key)
        if known:
            yield from ("", f"[{REFINE}.{key}]")
            for name, numbers in known.items():
                shown = list(numbers) if isinstance(numbers, (list, tuple)) else numbers
                yield f'"{name}" = {shown!r}'
