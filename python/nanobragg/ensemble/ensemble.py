"""Ensembles in Python: ``Ensemble("set.toml")[i]``."""

from __future__ import annotations

import operator
import os
from collections.abc import Iterator
from typing import Any, SupportsIndex

from nanobragg.ensemble.plan import Draw, Plan
from nanobragg.ensemble.reading import plan_of, read_ensemble
from nanobragg.ensemble.shot import Maker, Shot


class Ensemble:
    """Many shots of one experiment, whose fields are drawn from distributions (``specs/ensembles.md``).

    A sequence: ``image, truth = ensemble[i]`` makes shot i, which depends on the file and i alone. Nothing is kept but
    what all shots have in common. Ensembles can be pickled, and be used by forked processes and several threads.

    Args:
        path: a TOML file: an experiment, and a table ``[ensemble]``.
        threads: for each shot; default: as the file says (0: all processors). Images do not depend on it.

    Raises:
        InputError: one sentence naming the file, the key, what was found and what was expected.

    """

    def __init__(self, path: str | os.PathLike[str], *, threads: int | None = None) -> None:
        self.plan: Plan = read_ensemble(path)
        """What the file says."""
        self._threads = threads
        self._maker = Maker(self.plan, threads)

    def __len__(self) -> int:
        return self.plan.settings.shots

    def __getitem__(self, number: SupportsIndex) -> Shot:
        """Make a shot: ``image`` (counts, int32) and ``truth``; raises :class:`IndexError` where there is none."""
        return self._maker.shot(self._number(number))

    def __iter__(self) -> Iterator[Shot]:
        return (self._maker.shot(number) for number in range(len(self)))

    def draw(self, number: SupportsIndex) -> Draw:
        """Draw a shot without making its image: experiments, one for each crystal, and parameters."""
        return self.plan.draw(self._number(number))

    def _number(self, number: SupportsIndex) -> int:
        found = operator.index(number)
        if not -len(self) <= found < len(self):
            raise IndexError(f"shot {found} of {len(self)}")
        return found % len(self)

    def __reduce__(self) -> tuple[object, ...]:
        # What the file said goes along, but not what it names.
        return _unpickled, (self.plan.document, os.path.abspath(self.plan.path), self._threads)

    def __repr__(self) -> str:
        return f"<Ensemble {self.plan.path}: {len(self)} shots>"


def _unpickled(document: dict[str, Any], path: str, threads: int | None) -> Ensemble:
    ensemble = object.__new__(Ensemble)
    ensemble.plan, ensemble._threads = plan_of(document, path), threads
    ensemble._maker = Maker(ensemble.plan, threads)
    return ensemble
