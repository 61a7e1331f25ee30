"""Which pixels are compared, as it is said: whole panels, or boxes around spots that are predicted or were found."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nanobragg.io.lists.spots import read_spots
from nanobragg.refinement.pixels import panels_of, shoeboxes_of, spots_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from nanobragg.records.resolved import Resolved
    from nanobragg.refinement.pixels import Pixels
    from nanobragg.refinement.settings import Settings


def chosen(resolved: Resolved, used: NDArray[np.bool_], settings: Settings) -> Pixels:
    """Those of the ``used`` pixels (of the image's shape) that are compared."""
    if settings.spots is not None:
        return spots_of(resolved, used, read_spots(settings.spots, settings.spots_image), settings.shoebox)
    if settings.pixels == "all":
        return panels_of(resolved, used)
    return shoeboxes_of(resolved, used, settings.shoebox)
