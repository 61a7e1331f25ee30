"""Many images of one crystal: what does not change stays where it is."""

from __future__ import annotations

from _thread import allocate_lock  # the module threading costs a small image half a millisecond
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from nanobragg import _core
from nanobragg.errors import DeviceError, InputError
from nanobragg.records.experiment import Experiment
from nanobragg.rendering.binding import bound
from nanobragg.rendering.devices import ChosenDevice, Device, checked_threads, choose_device

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike

    from nanobragg.records.scene import Scene

Precision = Literal["double", "mixed"]


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
    left_out: int = 0
    """Terms that were left out within the Scene's tolerance."""
    error_bound: float = 0.0
    """photons that no pixel is wrong by for them, proved (``specs/physics.md``, "Within a stated error")"""
    all_terms: str = ""
    """Why none was left out in spite of a tolerance; empty otherwise."""
    device: str = "cpu"
    """Where it was rendered."""
    note: str = ""
    """Why ``auto`` took the CPU although the work is large; empty otherwise."""


class Renderer:
    """Renders a Scene, and then the same one in other orientations, or others like it.

    On a CUDA device the structure factors and buffers stay in its memory, so that a new orientation costs the copy of
    its nine numbers, and the image can be left there for CuPy, PyTorch and others::

        renderer = Renderer(experiment, device="cuda", precision="mixed")
        for cells in orientations:                   # (n, 3, 3) m: rows a, b, c of every mosaic domain and phi step
            image = renderer.render(cells)           # (panel, slow, fast), float32
            tensor = torch.from_dlpack(renderer.render_on_device(cells))

    Args:
        scene: what to render; an :class:`~nanobragg.Experiment` is resolved first. Its arrays become read-only.
        device: ``cpu``, ``cuda``, ``cuda:NUMBER`` or ``auto`` (a GPU if there is one and the work is worth it).
        precision: ``double`` or ``mixed``.
        threads: of the CPU; 0 for all processors.

    Raises:
        InputError: for a scene that cannot be rendered there.
        DeviceError: if there is no such device, or too little memory on it; with ``auto`` the CPU renders instead.

    """

    def __init__(
        self,
        scene: Scene | Experiment,
        *,
        device: Device = "auto",
        precision: Precision = "double",
        threads: int = 0,
    ) -> None:
        self._threads = checked_threads(threads)
        self._scene = _scene_of(scene)
        self._bound = bound(self._scene)
        self._precision: Precision = precision
        self._wanted = device
        self.place: ChosenDevice = choose_device(device, self._scene)
        """Where it renders, and why ``auto`` took the CPU."""
        self._device: Any = None
        self._turned = False  # the device has other orientations than the Scene's
        self._lock = allocate_lock()  # an orientation and its image belong together
        if self.place.number is not None:
            from nanobragg import _cuda

            with self._or_cpu():
                self._device = _cuda.Renderer(self.place.number)
                self._device.load(self._bound, precision)

    @property
    def scene(self) -> Scene:
        """The Scene as it was given last."""
        return self._scene

    def load(self, scene: Scene | Experiment) -> None:
        """Take another Scene, on the same device. Structure factors that are the same array are not copied again."""
        new = _scene_of(scene)
        with self._lock:
            self._bound = bound(new, like=self._bound)
            self._scene = new
            if self._device is not None:
                self._turned = False
                with self._or_cpu():
                    self._device.load(self._bound, self._precision)

    @contextmanager
    def _or_cpu(self) -> Iterator[None]:
        """Go on with the CPU if the device fails (too little memory, somebody else's device) and that is allowed."""
        try:
            yield
        except DeviceError as error:
            if self._wanted != "auto":
                raise
            self._device, self.place = None, ChosenDevice(None, str(error))

    def render(
        self,
        orientations: ArrayLike | None = None,
        *,
        first_orientations: ArrayLike | None = None,
        progress: Callable[[float], object] | None = None,
    ) -> np.ndarray:
        """One image, on the host.

        Args:
            orientations: (n, 3, 3) m: rows a, b, c of every orientation, in place of the Scene's; the image is scaled
                to their number. They hold for this image only.
            first_orientations: likewise for the run's very first evaluation (quirks of nanoBragg.c); none by default.
            progress: called now and then with the fraction done; what it raises stops the render.

        Returns:
            (panel, slow, fast) float32, photons per pixel.

        Raises:
            InputError: for orientations of another shape.
            DeviceError: for a failure of the device.

        """
        return self.result(orientations, first_orientations=first_orientations, progress=progress).image

    def result(
        self,
        orientations: ArrayLike | None = None,
        *,
        first_orientations: ArrayLike | None = None,
        progress: Callable[[float], object] | None = None,
    ) -> RenderResult:
        """One image, and what rendering it brought to light; arguments and errors as for :meth:`render`."""
        if self._device is not None:
            with self._or_cpu():
                image, *found = self._on_device(orientations, first_orientations, progress)
                all_terms = "no GPU leaves any out" if self._scene.tolerance > 0 else ""
                return RenderResult(image.numpy(), *found, all_terms=all_terms, device=self.place.name)
        return self._on_cpu(orientations, first_orientations, progress)

    def render_on_device(
        self,
        orientations: ArrayLike | None = None,
        *,
        first_orientations: ArrayLike | None = None,
        progress: Callable[[float], object] | None = None,
    ) -> Any:
        """One image, left on the device; arguments and errors as for :meth:`render`.

        Returns:
            An object with ``shape`` (panel, slow, fast), ``numpy()``, ``__dlpack__`` and ``__cuda_array_interface__``;
            its ``noisy(seed, adc_offset=40.0, roi=None)`` draws photons there, int32: those that
            :meth:`Image.noisy` draws for the same image and seed. :class:`DeviceDetector` makes counts of it.

        """
        if self._device is None:
            raise DeviceError("render_on_device: found a renderer on the cpu, expected one on a CUDA device")
        return self._on_device(orientations, first_orientations, progress)[0]

    def _on_cpu(self, orientations: Any, first: Any, progress: Any) -> RenderResult:
        with self._lock:
            scene = self._bound
        if orientations is not None:
            scene = scene.turned(orientations, first)
        found = _core.render(scene, self._precision, self._threads, progress=progress)
        return RenderResult(*found, note=self.place.note)

    def _on_device(self, orientations: Any, first: Any, progress: Any) -> Any:
        with self._lock:
            if orientations is not None:
                self._turned = True
                self._device.orient(orientations, first)
            elif self._turned:
                self._device.orient(self._scene.orientations, self._scene.first_orientations)
                self._turned = False
            return self._device.render(progress, self._threads)


def _scene_of(scene: Scene | Experiment) -> Scene:
    if isinstance(scene, Experiment):
        from nanobragg.resolver.resolve import resolve

        return resolve(scene).scene
    from nanobragg.records.scene import Scene

    if not isinstance(scene, Scene):
        raise InputError(f"scene: found {type(scene).__name__}, expected a Scene or an Experiment")
    return scene
