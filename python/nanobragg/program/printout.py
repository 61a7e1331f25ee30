"""``-printout``: what the original prints of each pixel, from the last evaluation of its reference trace."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

from nanobragg.errors import InputError
from nanobragg.records.panel import panel_views
from nanobragg.rendering.trace import Trace, trace_pixel

if TYPE_CHECKING:
    import numpy as np

    from nanobragg.records.resolved import Resolved


def print_pixels(resolved: Resolved, pixel: tuple[int, int] | None, image: np.ndarray) -> None:
    """Print the quantities of one pixel, or of every rendered one, to standard output.

    Args:
        resolved: the run.
        pixel: (fast, slow) of each panel, or None for all.
        image: float32, the rendered image, of the shape ``Scene.image_shape``.

    Raises:
        InputError: for a pixel outside the detector.

    """
    scene = resolved.scene
    chosen = pixel if pixel is not None and pixel[0] >= 0 else None
    found = 0
    for number, (panel, values) in enumerate(zip(scene.panels, panel_views(image, scene.panels), strict=True)):
        x0, x1, y0, y1 = panel.region if chosen is None else (chosen[0], chosen[0], chosen[1], chosen[1])
        if chosen is not None and not (0 <= y0 < panel.shape[0] and 0 <= x0 < panel.shape[1]):
            continue
        found += 1
        for slow, fast in itertools.product(range(y0, y1 + 1), range(x0, x1 + 1)):
            trace = trace_pixel(scene, slow, fast, panel=number, last_only=True)
            if trace.rendered:
                print("\n".join(_lines(resolved, trace, float(values[slow, fast]))))
    if chosen is not None and not found:
        raise InputError(f"-printout_pixel: found fast {chosen[0]}, slow {chosen[1]}, expected a pixel of the detector")


def _lines(resolved: Resolved, trace: Trace, value: float) -> list[str]:
    if not trace.evaluations:  # every source is beyond dmin
        return [f"{trace.fast:4d} {trace.slow:4d} : nothing within dmin", f"pixel   {value:15.10g}"]
    last = trace.evaluations[-1]
    x, y, z = last.position
    two_theta = math.atan2(math.hypot(y, z), x)
    stol = math.sin(two_theta / 2.0) / (resolved.radiation.wavelength * 1e10)
    h, k, l = last.hkl  # noqa: E741
    rows = [
        f"{axis}: {last.a[i] * 1e10:11.8f} {last.b[i] * 1e10:11.8f} {last.c[i] * 1e10:11.8f}"
        for i, axis in enumerate("XYZ")
    ]
    return [
        f"{trace.fast:4d} {trace.slow:4d} : stol = {last.stol:g} or {stol:g}",
        f"at {x:g} {y:g} {z:g}",
        f"hkl= {h:f} {k:f} {l:f}  hkl0= {last.hkl0[0]} {last.hkl0[1]} {last.hkl0[2]}",
        f" F_cell={last.F_cell:g}  F_latt={last.F_latt:g}   I = {trace.sum:g}",
        f"I/steps {trace.per_step:15.10g}",
        f"polar   {trace.polar:15.10g}",
        f"omega   {trace.omega:15.10g}",
        f"capfrac {trace.capture:15.10g}",
        f"pixel   {value:15.10g}",
        "real-space cell vectors (Angstrom):",
        f"     {'a':<10}  {'b':<10}  {'c':<10}",
        *rows,
    ]
