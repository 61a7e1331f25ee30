"""Images drawn by matplotlib."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nanobragg.io.images.picture import contrast
from nanobragg.io.support.extras import need

if TYPE_CHECKING:
    from numpy.typing import NDArray


def plot(pixels: NDArray[Any], axes: Any = None, **options: Any) -> Any:
    """Draw an image with matplotlib, with the contrast of the previews; gives the axes.

    Args:
        pixels: (slow, fast).
        axes: matplotlib axes to draw in; default: those of a new figure.
        options: for ``imshow``.

    Raises:
        InputError: without matplotlib.

    """
    if axes is None:
        axes = need("matplotlib", "plot", module="matplotlib.pyplot", extra="plot").subplots()[1]
    colors = need("matplotlib", "plot", module="matplotlib.colors", extra="plot")
    white, black = contrast(pixels)
    chosen = {"cmap": "gray_r", "norm": colors.PowerNorm(0.5, white, black, clip=True), "interpolation": "none"}
    if "vmin" in options or "vmax" in options:
        del chosen["norm"]
    # A pixel's centre is at a half: positions are those of ORGX less a half.
    slow, fast = np.shape(pixels)
    axes.imshow(pixels, **{**chosen, "extent": (0, fast, slow, 0), **options})
    axes.set_xlabel("fast (pixels)")
    axes.set_ylabel("slow (pixels)")
    return axes
