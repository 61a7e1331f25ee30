"""From a Scene to an image."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, NamedTuple

from nanobragg import _core
from nanobragg.errors import InputError

if TYPE_CHECKING:
    import numpy as np

    from nanobragg.records.scene import Scene

Precision = Literal["double", "mixed"]
Device = str
"""``cpu``, ``cuda``, ``cuda:NUMBER`` or ``auto``"""


class RenderResult(NamedTuple):
    """An image and what rendering it brought to light."""

    image: np.ndarray
    """(panel, slow, fast) float32, photons/pixel"""
    solid_angle: float
    """steradian, of all rendered pixels"""
    interpolation_left: bool
    """A tricubic evaluation was out of range (quirk sticky_interpolation_fallback)."""
    evaluations: int
    """Terms that were summed: pixels x subpixels x layers x sources x orientations; fewer where a spectrum was
    shortened, more where an image was rendered twice (``specs/performance.md``)."""
    device: str = "cpu"
    """Where it was rendered."""
    note: str = ""
    """Why ``auto`` took the CPU although the work is large; empty otherwise."""


def render_scene(
    scene: Scene,
    *,
    precision: Precision = "double",
    threads: int = 0,
    device: Device = "cpu",
    renderer: Literal["cpu", "reference"] = "cpu",
    progress: Callable[[float], object] | None = None,
    factors: _core.SquaredFactors | None = None,
) -> RenderResult:
    """Render a Scene; see :func:`render` for the arguments.

    ``factors``: what mixed precision on the CPU makes of the scene's structure factors, if that is known already.
    """
    if renderer not in ("cpu", "reference"):
        raise InputError(f"renderer: found {renderer!r}, expected cpu or reference")
    if not hasattr(threads, "__index__") or threads < 0:
        raise InputError(f"threads: found {threads!r}, expected a positive number, or 0 for all processors")
    note = ""
    if device != "cpu":
        from nanobragg.errors import DeviceError
        from nanobragg.rendering.devices import ChosenDevice, choose_device

        place = choose_device(device, scene)
        if renderer == "reference":
            if device != "auto":
                raise InputError(f"device: found {device!r}, expected cpu or auto for the reference renderer")
        elif place.number is not None:
            try:
                return _render_cuda(scene, place.number, precision, threads, progress)
            except DeviceError as error:  # too little memory, somebody else's device
                if device != "auto":
                    raise
                place = ChosenDevice(None, str(error))
        note = place.note
    result = _core.render(scene, precision, threads, renderer == "reference", progress, factors)
    return RenderResult(*result, note=note)


def _render_cuda(
    scene: Scene, number: int, precision: Precision, threads: int, progress: Callable[[float], object] | None
) -> RenderResult:
    from nanobragg import _cuda

    device = _cuda.Renderer(number)
    device.load(scene, precision)
    image, solid_angle, left, evaluations = device.render(progress, threads)
    return RenderResult(image.numpy(), solid_angle, left, evaluations, device=f"cuda:{number}")


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
        device: ``cpu``, ``cuda``, ``cuda:NUMBER``, or ``auto``: a GPU if there is one and the work is worth it.
        renderer: ``reference`` is the slow scalar oracle, in one thread.
        progress: called now and then with the fraction done; what it raises stops the render.

    Returns:
        (panel, slow, fast) float32, photons per pixel; 0 where nothing was rendered.

    Raises:
        InputError: for a Scene that cannot be rendered; on a GPU, for factors that depend on the order of evaluations.
        DeviceError: if there is no such device, or too little memory on it.
        KeyboardInterrupt: on Ctrl-C, within a fraction of a second.

    """
    return render_scene(
        scene, precision=precision, threads=threads, device=device, renderer=renderer, progress=progress
    ).image
