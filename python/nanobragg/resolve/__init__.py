"""From an :class:`~nanobragg.Experiment` to a :class:`~nanobragg.Scene`: conventions, pivots, cells, step counts,
quirks. Pure functions of the experiment and of the files that it names; everything below knows SI units only.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING

from .resolve import resolve
from .resolved import Geometry, Radiation, Resolved, Sample

if TYPE_CHECKING:
    from nanobragg.experiment import Experiment

__all__ = ["Geometry", "Radiation", "Resolved", "Sample", "resolve"]


class _CallableModule(ModuleType):
    """``nanobragg.resolve`` is a function and this package: whichever is imported last, calling it works."""

    def __call__(self, experiment: Experiment) -> Resolved:
        return resolve(experiment)


sys.modules[__name__].__class__ = _CallableModule
