"""From an :class:`~nanobragg.Experiment` to a :class:`~nanobragg.Scene`: conventions, pivots, cells, step counts,
quirks. Pure functions of the experiment and of the files that it names; everything below knows SI units only.
"""

from __future__ import annotations

from nanobragg.records.resolved import Geometry, Radiation, Resolved, Sample
from nanobragg.resolver.resolve import resolve

__all__ = ["Geometry", "Radiation", "Resolved", "Sample", "resolve"]
