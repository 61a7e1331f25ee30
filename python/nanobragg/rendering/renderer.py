"""Many images of one crystal: what does not change stays where it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from threading import Lock
from typing import TYPE_CHECKING, Any

from nanobragg import _core
from nanobragg.errors import DeviceError, InputError
from nanobragg.records.experiment import Experiment
from nanobragg.rendering.devices import ChosenDevice, choose_device
from nanobragg.rendering.render import Precision, RenderResult, render_scene

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike

    from nanobragg.records.scene import Scene


class Renderer:
    """Renders a Scene, and then the same one in other orientations, or others like it.

    On a CUDA device the structure factors and buffers stay in its memory, so that a new orientation costs the copy of
    its nine numbers, and the image can be left there for CuPy, PyTorch and others::

        renderer = Renderer(experiment, device="cuda", precision="mixed")
        for cells in orientations:                   # (n, 3, 3) m: rows a, b, c of every mosaic domain and phi step
            image = renderer.render(cells)           # (panel, slow, fast), float32
            tensor = torch.from_dlpack(renderer.render_on_device(cells))

    On the CPU, mixed precision keeps the squares of the structure factors. Their array must not change.

    Args:
        scene: what to render; an :class:`~nanobragg.Experiment` is resolved first.
        device: ``cpu``, ``cuda``, ``cuda:NUMBER`` or ``auto`` (a GPU if there is one and the work is worth it).
        precision: ``double`` or ``mixed``.
        threads: of the CPU; 0 for all processors.

    Raises:
        InputError: for a scene that cannot be rendered there.
        DeviceError: if there is no such device, or too little memory on it.

    """

    def __init__(
        self,
        scene: Scene | Experiment,
        *,
        device: str = "auto",
        precision: Precision = "double",
        threads: int = 0,
    ) -> None:
        self._scene = _scene_of(scene)
        self._precision: Precision = precision
        self._threads = threads
        self.place: ChosenDevice = choose_device(device, self._scene)
        """Where it renders, and why ``auto`` took the CPU."""
        self._factors: _core.SquaredFactors | None = None  # of the Scene, for mixed precision on the CPU
        self._device: Any = None
        self._turned = False  # the device has other orientations than the Scene's
        self._lock = Lock()  # an orientation and its image belong together
        if self.place.number is not None:
            from nanobragg import _cuda

            try:
                self._device = _cuda.Renderer(self.place.number)
                self._device.load(self._scene, precision)
            except DeviceError as error:  # too little memory, somebody else's device
                if device != "auto":
                    raise
                self._device = None
                self.place = ChosenDevice(None, str(error))

    @property
    def scene(self) -> Scene:
        """The Scene as it was given last."""
        return self._scene

    def load(self, scene: Scene | Experiment) -> None:
        """Take another Scene, on the same device. Structure factors that are the same array are not copied again."""
        new = _scene_of(scene)
        with self._lock:
            if self._device is not None:
                self._device.load(new, self._precision, new.f_grid is self._scene.f_grid)
                self._turned = False
            if not _same_factors(new, self._scene):
                self._factors = None
            self._scene = new

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
        if self._device is None:
            return self._on_cpu(orientations, first_orientations, progress).image
        return self._on_device(orientations, first_orientations, progress).numpy()

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
            :meth:`Image.noisy` draws for the same image and seed.

        """
        if self._device is None:
            raise DeviceError("render_on_device: found a renderer on the cpu, expected one on a CUDA device")
        return self._on_device(orientations, first_orientations, progress)

    def _on_cpu(self, orientations: Any, first: Any, progress: Any) -> RenderResult:
        with self._lock:
            scene = self._scene
            if self._factors is None and self._precision == "mixed":
                self._factors = _core.SquaredFactors(scene)
            factors = self._factors
        if orientations is not None:
            import numpy as np

            try:
                given = np.ascontiguousarray(orientations, dtype=np.float64)
            except (TypeError, ValueError):
                given = np.empty(0)
            if given.ndim != 3 or given.shape[1:] != (3, 3) or len(given) == 0:
                raise InputError("orientations: expected an array (n, 3, 3) of float64, with n of 1 or more")
            none = np.empty((0, 3, 3))
            steps = scene.steps * len(given) // len(scene.orientations)
            scene = replace(scene, orientations=given, first_orientations=none if first is None else first, steps=steps)
        return render_scene(scene, precision=self._precision, threads=self._threads, progress=progress, factors=factors)

    def _on_device(self, orientations: Any, first: Any, progress: Any) -> Any:
        with self._lock:
            if orientations is not None:
                self._turned = True
                self._device.orient(orientations, first)
            elif self._turned:
                self._device.orient(self._scene.orientations, self._scene.first_orientations)
                self._turned = False
            return self._device.render(progress, self._threads)[0]


def _same_factors(a: Scene, b: Scene) -> bool:
    return a.f_grid is b.f_grid and a.default_F == b.default_F and a.interpolation == b.interpolation


def _scene_of(scene: Scene | Experiment) -> Scene:
    if isinstance(scene, Experiment):
        from nanobragg.resolver.resolve import resolve

        return resolve(scene).scene
    from nanobragg.records.scene import Scene

    if not isinstance(scene, Scene):
        raise InputError(f"scene: found {type(scene).__name__}, expected a Scene or an Experiment")
    return scene
