"""``nanobragg.refine_shots``: many images, with numbers in common and numbers of each (``specs/refinement.md``)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from nanobragg.cluster.client import check_one_of
from nanobragg.errors import InputError
from nanobragg.records.experiment import Experiment
from nanobragg.records.kinds import COUNT
from nanobragg.refinement.covariance import determined
from nanobragg.refinement.crew import Crew
from nanobragg.refinement.explained import doubts, explained_by, pictures, refined_shot
from nanobragg.refinement.result import RefinedShot
from nanobragg.refinement.settings import settings_of
from nanobragg.refinement.shot import Recipe, Shot
from nanobragg.refinement.shots_result import Example, RefinedShots
from nanobragg.refinement.work import End, Work

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    import numpy as np
    from numpy.typing import NDArray

    from nanobragg.refinement.far import FarCrew, FarShot
    from nanobragg.refinement.settings import Settings
    from nanobragg.refinement.target import Part

    Progress = Callable[[int, float], object]


_WORST = 3
"""shots whose images are kept"""


def refine_shots(
    experiments: Experiment | Sequence[Experiment],
    images: Sequence[Any],
    each: Sequence[str],
    common: Sequence[str] = (),
    *,
    workers: int | None = None,
    scheduler: str | None = None,
    progress: Progress | None = None,
    **how: Any,
) -> RefinedShots:
    """Refine what experiments say against many images, with numbers that all of them have in common.

    Args:
        experiments: where to start: one for each image, or one for all.
        images: of each shot, as :func:`nanobragg.refine` takes it.
        each: what is free of each shot, by names as :func:`nanobragg.refine` has them: ``crystal.misset``, ``scale``.
        common: what is free and the same for all shots: ``beam.wavelength``, ``detector.groups[left].shift`` (of a
            group of panels), ``crystal.cell``. All shots start with the same values of it.
        workers: processes of this machine that share the shots, by Dask; default: none, but threads of this one.
        scheduler: the address of a running scheduler of Dask's, whose workers do it; they see the files that are named.
        progress: called after each step with its number and the misfit of a pixel.
        how: what :func:`nanobragg.refine` takes; ``priors`` and ``bounds`` of what is common count once; ``mask``,
            ``spots`` and ``spots_image`` may be lists, one for each shot.

    Shots are worked on side by side; results do not depend on how many. Time and memory grow with their number. Ctrl-C
    ends the refinement with the best that was found, which is not ``converged``.

    Raises:
        InputError: as :func:`nanobragg.refine` does, naming the shot; for common numbers that differ at the start; and
            for workers without the package distributed, and a scheduler that does not answer or is gone.

    """
    settings = settings_of("refine_shots", how)
    if workers is not None:
        COUNT.checked(workers, "workers")
    check_one_of(workers, scheduler)
    recipes = recipes_of(experiments, images, each, common, settings)
    with _crew_of(recipes, settings, min(workers or 1, len(recipes)), scheduler) as crew:
        shots: Sequence[Shot | FarShot] = crew.shots(recipes)
        check_alike(shots)
        return found_of(shots, Work(shots, crew, settings, progress).done(), crew)


def _crew_of(
    recipes: Sequence[Recipe], settings: Settings, workers: int, scheduler: str | None
) -> AbstractContextManager[Crew | FarCrew]:
    if workers == 1 and scheduler is None:
        return nullcontext(Crew(len(recipes), settings.threads))
    from nanobragg.refinement.far import far_crew

    return far_crew(recipes, workers, scheduler)


def recipes_of(
    experiments: Experiment | Sequence[Experiment],
    images: Sequence[Any],
    each: Sequence[str],
    common: Sequence[str],
    settings: Settings,
) -> list[Recipe]:
    """What the shots are made of; arguments and errors as for :func:`refine_shots`."""
    pictures = _list("images", images)
    starts = [experiments] * len(pictures) if isinstance(experiments, Experiment) else list(experiments)
    if len(starts) != len(pictures) or not pictures:
        raise InputError(f"images: found {len(pictures)}, expected one for each of {len(starts)} experiments")
    count = len(starts)
    return [
        Recipe(number, start, picture, each, common, settings.of_shot(number, count))
        for number, (start, picture) in enumerate(zip(starts, pictures, strict=True))
    ]


def _list(name: str, given: Any) -> list[Any]:
    if isinstance(given, (str, bytes)) or not hasattr(given, "__len__"):
        raise InputError(f"{name}: found {given!r:.60}, expected a list, one for each shot")
    return list(given)


def check_alike(shots: Sequence[Shot | FarShot]) -> None:
    """Raise :class:`InputError` for shots of other names, or with another start of what is common."""
    for number, shot in enumerate(shots):
        _check_common(shots[0], shot, number)


def _check_common(first: Shot | FarShot, other: Shot | FarShot, number: int) -> None:
    if first.variables.names != other.variables.names:
        odd = sorted(set(first.variables.names) ^ set(other.variables.names))
        raise InputError(f"shot {number}: found {odd[0]} there or in shot 0 alone, expected the same names in all")
    for one, two in zip(first.variables.items[first.own :], other.variables.items[other.own :], strict=True):
        if one.start != two.start:
            raise InputError(
                f"{one.name}: found {one.start:.9g} in shot 0 and {two.start:.9g} in shot {number}, expected the same "
                "start of what is common"
            )


def found_of(shots: Sequence[Shot | FarShot], end: End, crew: Crew | FarCrew) -> RefinedShots:
    """What a refinement that ended there found."""
    target, parts = end.target, end.state.parts
    known = determined(end.slopes, target, end.state.x)
    every = zip(shots, target.unpacked(end.state.x), known.covariances, parts, strict=True)
    refined = [RefinedShot(**fields) for fields in crew.starmap(_refined, every)]
    order = sorted(range(len(shots)), key=lambda number: -refined[number].Z)
    looked_at = [*order[:_WORST], *order[max(len(order) - 1, _WORST) :]]
    shown = crew.starmap(_shown, [(shots[i], parts[i]) for i in looked_at])
    return RefinedShots(
        shots=tuple(refined),
        common=tuple(shots[0].variables.names[shots[0].own :]),
        weak=known.weak,
        misfit=end.state.misfit,
        misfits=end.misfits,
        jacobians=shots[0].model.jacobians,
        converged=end.converged,
        notes=end.notes([*_notes(shots), *doubts([shot.shoeboxes for shot in refined])]),
        examples=tuple(Example(i, **images) for i, images in zip(looked_at, shown, strict=True)),
    )


def _refined(shot: Shot, x: NDArray[np.float64], covariance: NDArray[np.float64], part: Part) -> dict[str, Any]:
    return refined_shot(shot, x, covariance, explained_by(shot, part))


def _shown(shot: Shot, part: Part) -> dict[str, Any]:
    return pictures(shot, part, explained_by(shot, part))


def _notes(shots: Sequence[Shot | FarShot]) -> list[str]:
    """What was assumed and left out; once where it is the same for all shots."""
    numbers: dict[str, list[int]] = {}
    for number, shot in enumerate(shots):
        for note in shot.notes:
            numbers.setdefault(note, []).append(number)
    return [
        note if len(found) == len(shots) else f"shot{'s' * (len(found) > 1)} {', '.join(map(str, found))}: {note}"
        for note, found in numbers.items()
    ]
