"""The way of a refinement, from its start to where it ends."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from nanobragg.refinement.beginning import begin
from nanobragg.refinement.fit import Path, descend
from nanobragg.refinement.joint import Joint, State
from nanobragg.refinement.shot import LIKELY, MILD

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from nanobragg.refinement.arrow import Arrow
    from nanobragg.refinement.crew import Crew
    from nanobragg.refinement.far import FarCrew, FarShot
    from nanobragg.refinement.settings import Settings
    from nanobragg.refinement.shot import Shot

    Progress = Callable[[int, float], object]

_ENOUGH = 1e-3
"""The way down ends where a step would take no more from chi-squared: 0.03 standard deviations in all."""
_NEAR, _NEAR_PART = 1000.0, 0.1
"""What a step still promises where the mild misfit gives way to the likelihood: a chi-squared, and of a small image so
much of the misfit that it begins with."""
_ROUNDS = 4


class End(NamedTuple):
    """Where a refinement ended."""

    target: Joint
    state: State
    slopes: Arrow
    misfits: tuple[float, ...]
    """after each step of the last stage"""
    converged: bool
    interrupted: bool

    def notes(self, more: Iterable[str]) -> tuple[str, ...]:
        """That it was interrupted, and what else there is to say."""
        return (*(("interrupted: the best so far",) if self.interrupted else ()), *more)


class Work:
    """A refinement of images.

    Args:
        shots: of the same names.
        crew: who works on them.
        settings: how.
        progress: called after each step with its number and the misfit of a pixel.

    """

    def __init__(
        self,
        shots: Sequence[Shot | FarShot],
        crew: Crew | FarCrew,
        settings: Settings,
        progress: Progress | None = None,
    ) -> None:
        self.shots: list[Any] = list(shots)
        self.settings, self._crew, self._progress = settings, crew, progress
        self._steps = 0
        self._best: State | None = None

    def done(self) -> End:
        """Go down; Ctrl-C keeps the best so far."""
        try:
            target, path = self._way()
        except KeyboardInterrupt:
            if self._best is None:
                raise
            # The best so far may be of another likelihood and other pixels.
            target = self._joint(LIKELY)
            state = target.at(self._best.x)
            return End(target, state, target.slopes(state), (), False, True)
        slopes = target.slopes(path.state) if path.slopes is None else path.slopes
        return End(target, path.state, slopes, tuple(path.misfits), path.converged, False)

    def _way(self) -> tuple[Joint, Path]:
        settings = self.settings
        mild = self._joint(MILD)
        state = begin(mild, settings.search, max(shot.reach for shot in self.shots))
        near = min(_NEAR, _NEAR_PART * state.misfit)
        state = descend(mild, state, enough=near, leap=True, steps=settings.steps, told=self._told).state
        target = self._joint(LIKELY)
        path = self._down(target, target.again(state))
        for _ in range(_ROUNDS if settings.outliers else 0):
            if not self._left_out(target, path.state):
                break
            target = self._joint(LIKELY)
            path = self._down(target, target.at(path.state.x))
        return target, path

    def _down(self, target: Joint, state: State) -> Path:
        return descend(target, state, enough=_ENOUGH, steps=self.settings.steps, told=self._told)

    def _joint(self, kind: str) -> Joint:
        first = self.shots[0]
        targets = self._crew.targets(self.shots, kind)
        return Joint(targets, len(first.variables) - first.own, self._crew, leashed=kind == MILD)

    def _left_out(self, target: Joint, state: State) -> bool:
        return self._crew.left_out(self.shots, target.targets, state.parts)

    def _told(self, state: State, _: int) -> None:
        self._steps += 1
        self._best = state
        if self._progress is not None:
            self._progress(self._steps, state.misfit / sum(shot.size for shot in self.shots))
