"""``nanobragg.refine_shots``: many images, with numbers in common and numbers of each (``specs/refinement.md``)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from nanobragg.errors import InputError
from nanobragg.records.experiment import Experiment
from nanobragg.refinement.covariance import determined
from nanobragg.refinement.crew import Crew
from nanobragg.refinement.explained import doubts, explained_by, pictures, refined_shot
from nanobragg.refinement.result import RefinedShot
from nanobragg.refinement.settings import settings_of
from nanobragg.refinement.shot import Shot
from nanobragg.refinement.shots_result import Example, RefinedShots
from nanobragg.refinement.work import End, Work

if TYPE_CHECKING:
    from nanobragg.refinement.settings import Settings

    Progress = Callable[[int, float], object]


_WORST = 3
"""shots whose images are kept"""


def refine_shots(
    experiments: Experiment | Sequence[Experiment],
    images: Sequence[Any],
    each: Sequence[str],
    common: Sequence[str] = (),
    *,
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
        progress: called after each step with its number and the misfit of a pixel.
        how: what :func:`nanobragg.refine` takes; ``priors`` and ``bounds`` of what is common count once; ``mask``,
            ``spots`` and ``spots_image`` may be lists, one for each shot.

    Shots are worked on side by side; results do not depend on how many. Time and memory grow with their number. Ctrl-C
    ends the refinement with the best that was found, which is not ``converged``.

    Raises:
        InputError: as :func:`nanobragg.refine` does, naming the shot; and for common numbers that differ at the start.

    """
    settings = settings_of("refine_shots", how)
    shots, crew = shots_of(experiments, images, each, common, settings)
    return found_of(shots, Work(shots, crew, settings, progress).done())


def shots_of(
    experiments: Experiment | Sequence[Experiment],
    images: Sequence[Any],
    each: Sequence[str],
    common: Sequence[str],
    settings: Settings,
) -> tuple[list[Shot], Crew]:
    """The shots, and who works on them; arguments and errors as for :func:`refine_shots`."""
    pictures = _list("images", images)
    starts = [experiments] * len(pictures) if isinstance(experiments, Experiment) else list(experiments)
    if len(starts) != len(pictures) or not pictures:
        raise InputError(f"images: found {len(pictures)}, expected one for each of {len(starts)} experiments")
    own = [settings.of_shot(number, len(starts)) for number in range(len(starts))]
    crew = Crew(len(starts), settings.threads)

    def one(number: int) -> Shot:
        try:
            return Shot(starts[number], pictures[number], each, common, own[number], crew.each)
        except InputError as error:
            raise InputError(f"shot {number}: {error}") from error

    shots = crew.map(one, range(len(starts)))
    for number, shot in enumerate(shots):
        _check_common(shots[0], shot, number)
    return shots, crew


def _list(name: str, given: Any) -> list[Any]:
    if isinstance(given, (str, bytes)) or not hasattr(given, "__len__"):
        raise InputError(f"{name}: found {given!r:.60}, expected a list, one for each shot")
    return list(given)


def _check_common(first: Shot, other: Shot, number: int) -> None:
    """Raise :class:`InputError` for shots of other names, or with another start of what is common."""
    if first.variables.names != other.variables.names:
        odd = sorted(set(first.variables.names) ^ set(other.variables.names))
        raise InputError(f"shot {number}: found {odd[0]} there or in shot 0 alone, expected the same names in all")
    for one, two in zip(first.variables.items[first.own :], other.variables.items[other.own :], strict=True):
        if one.start != two.start:
            raise InputError(
                f"{one.name}: found {one.start:.9g} in shot 0 and {two.start:.9g} in shot {number}, expected the same "
                "start of what is common"
            )


def found_of(shots: list[Shot], end: End) -> RefinedShots:
    """What a refinement that ended there found."""
    target = end.target
    known = determined(end.slopes, target, end.state.x)
    explained = [explained_by(shot, part) for shot, part in zip(shots, end.state.parts, strict=True)]
    every = zip(shots, target.unpacked(end.state.x), known.covariances, explained, strict=True)
    refined = [RefinedShot(**refined_shot(*each)) for each in every]
    order = sorted(range(len(shots)), key=lambda number: -refined[number].Z)
    looked_at = [*order[:_WORST], *order[max(len(order) - 1, _WORST) :]]
    return RefinedShots(
        shots=tuple(refined),
        common=tuple(shots[0].variables.names[shots[0].own :]),
        weak=known.weak,
        misfit=end.state.misfit,
        misfits=end.misfits,
        jacobians=shots[0].model.jacobians,
        converged=end.converged,
        notes=end.notes([*_notes(shots), *doubts(explained)]),
        examples=tuple(Example(i, **pictures(shots[i], end.state.parts[i], explained[i])) for i in looked_at),
    )


def _notes(shots: Sequence[Shot]) -> list[str]:
    """What was assumed and left out; once where it is the same for all shots."""
    numbers: dict[str, list[int]] = {}
    for number, shot in enumerate(shots):
        for note in shot.notes:
            numbers.setdefault(note, []).append(number)
    return [
        note if len(found) == len(shots) else f"shot{'s' * (len(found) > 1)} {', '.join(map(str, found))}: {note}"
        for note, found in numbers.items()
    ]
