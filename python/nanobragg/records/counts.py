"""What the whole numbers of an image mean, for the headers of files."""

from __future__ import annotations

import math

from nanobragg.records.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    import numpy as np


class CountScale(Record):
    """Where the numbers begin and end."""

    offset: float | None = None
    """ADU, of a pixel without photons; ``None``: not known."""
    lowest: float = 0.0
    """ADU: a pixel that was read has no less."""
    highest: float | None = None
    """ADU, of a pixel that is overloaded; ``None``: what its file holds."""

    def saturation(self, dtype: np.dtype, panel: float | None = None) -> int:
        """The number of an overloaded pixel in a file of ``dtype``; ``panel``: what is said of the panel."""
        import numpy as np

        limits = (self.highest, panel, float(np.iinfo(dtype).max), 2.0**31 - 1)
        return int(min(limit for limit in limits if limit is not None and math.isfinite(limit)))
