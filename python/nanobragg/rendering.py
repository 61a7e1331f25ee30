"""From a Scene to an image."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from nanobragg import _core
from nanobragg.errors import InputError

if TYPE_CHECKING:
    import numpy as np

    from nanobragg.scene import Scene

Precision = Literal["double", "mixed"]
Device = Literal["cpu", "auto"]


@dataclass(frozen=True, eq=False)
class RenderResult:
    """An image and what rendering it brought to light."""

    image: np.ndarray
    """(panel, slow, fast) float32, photons/pixel"""
    solid_angle: float
    """steradian, of all rendered pixels"""
    interpolation_left: bool
    """A tricubic evaluation was out of range (quirk sticky_interpolation_fallback)."""


def render_scene(
    scene: Scene,
    *,
    precision: Precision = "double",
    threads: int = 0,
    device: Device = "cpu",
    renderer: Literal["cpu", "reference"] = "cpu",
    progress: Callable[[float], object] | None = None,
) -> RenderResult:
    """Render a Scene; see :func:`render` for the arguments."""
    if device not in ("cpu", "auto"):
        raise InputError(f"device: found {device!r}, expected cpu or auto (this build renders on the CPU)")
    if renderer not in ("cpu", "reference"):
        raise InputError(f"renderer: found {renderer!r}, expected cpu or reference")
    if threads < 0:
        raise InputError(f"threads: found {threads}, expected a positive number, or 0 for all processors")
    return RenderResult(*_core.render(scene, precision, threads, renderer == "reference", progress))


def render(
    scene: Scene,
    *,
    precision: Precision = "double",
    threads: int = 0,
    device: Device = "cpu",
    renderer: Literal["cpu", "reference"] = "cpu",
    progress: Callable[[float], object] | None = None,
) -> np.ndarray:
    """Render a Scene (``specs/physics.md``).

    Args:
        scene: what to render.
        precision: ``double``, or ``mixed``: the lattice transform in single precision, about twice as fast.
        threads: 0 for all processors. The image does not depend on it.
        device: ``cpu`` or ``auto``.
        renderer: ``reference`` is the slow scalar oracle, in one thread.
        progress: called now and then with the fraction done; what it raises stops the render.

    Returns:
        (panel, slow, fast) float32, photons per pixel; 0 where nothing was rendered.

    Raises:
        InputError: for a Scene that cannot be rendered.
        KeyboardInterrupt: on Ctrl-C, within a fraction of a second.

    """
    return render_scene(
        scene, precision=precision, threads=threads, device=device, renderer=renderer, progress=progress
    ).image
