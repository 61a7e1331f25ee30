"""From a Scene to an image."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from nanobragg import _core
from nanobragg.errors import InputError
from nanobragg.records.kinds import DEVICE
from nanobragg.rendering.binding import bound
from nanobragg.rendering.devices import Device
from nanobragg.rendering.renderer import Precision, Renderer, RenderResult

if TYPE_CHECKING:
    import numpy as np

    from nanobragg.records.scene import Scene


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
    known = bound(scene)
    if renderer == "cpu":
        return Renderer(scene, device=device, precision=precision, threads=threads).result(progress=progress)
    if renderer != "reference":
        raise InputError(f"renderer: found {renderer!r}, expected cpu or reference")
    if DEVICE.checked(device, "device") not in ("cpu", "auto"):
        raise InputError(f"device: found {device!r}, expected cpu or auto for the reference renderer")
    return RenderResult(*_core.render(known, reference=True, progress=progress))


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
        scene: what to render. Its arrays become read-only; ``dataclasses.replace`` makes a Scene with others.
        precision: ``double``, or ``mixed``: the lattice transform in single precision, about twice as fast.
        threads: 0 for all processors. The image does not depend on it.
        device: ``cpu``, ``cuda``, ``cuda:NUMBER``, or ``auto``: a GPU if there is one and the work is worth it.
        renderer: ``reference`` is the slow scalar oracle, in one thread.
        progress: called now and then with the fraction done; what it raises stops the render.

    Returns:
        (panel, slow, fast) float32, photons per pixel; 0 where nothing was rendered. Where the panels' shapes differ
        (pixels,), one panel after the other.

    Raises:
        InputError: for a Scene that cannot be rendered; on a GPU, for factors that depend on the order of evaluations.
        DeviceError: if there is no such device, or too little memory on it.
        KeyboardInterrupt: on Ctrl-C, within a fraction of a second.

    """
    return render_scene(
        scene, precision=precision, threads=threads, device=device, renderer=renderer, progress=progress
    ).image
