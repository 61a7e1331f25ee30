"""The CUDA renderer (cpp/cuda, cpp/bindings/cuda_module.cpp); not in every build."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nanobragg._core import BoundScene

def system() -> dict[str, Any]: ...
def peak_rates(number: int, seconds: float) -> dict[str, float]: ...

class DeviceImage:
    """An image (panel, slow, fast) in the memory of its device: photons as float32 or float64, or counts as int32."""

    @property
    def shape(self) -> tuple[int, int, int]: ...
    def numpy(self) -> NDArray[Any]: ...
    def noisy(
        self, seed: int, *, adc_offset: float = 40.0, roi: tuple[int, int, int, int] | None = None
    ) -> DeviceImage: ...
    def detector(self, said: Any, panels: Sequence[Any]) -> DeviceDetector: ...
    def __array__(self, dtype: Any = None, copy: Any = None) -> NDArray[Any]: ...
    def __dlpack_device__(self) -> tuple[int, int]: ...
    def __dlpack__(
        self, *, stream: Any = None, max_version: Any = None, dl_device: Any = None, copy: Any = None
    ) -> Any: ...
    @property
    def __cuda_array_interface__(self) -> dict[str, Any]: ...

class DeviceDetector:
    """A detector whose maps lie on a device."""

    def counts(self, image: DeviceImage, factor: float, keys: Sequence[tuple[int, int, int]]) -> DeviceImage: ...

class Renderer:
    """Renders scenes on one device, where structure factors and buffers stay."""

    def __init__(self, number: int = 0, budget: float = 4e9) -> None: ...
    def load(self, scene: BoundScene, precision: str = "double") -> None: ...
    def orient(self, orientations: ArrayLike, first_orientations: ArrayLike | None = None) -> None: ...
    def render(
        self, progress: Callable[[float], object] | None = None, threads: int = 0
    ) -> tuple[DeviceImage, float, bool, int]: ...

class Differentiator:
    """Derivatives of images on one device."""

    def __init__(self, number: int = 0) -> None: ...
    def jvp(
        self,
        scene: BoundScene,
        directions: Sequence[Any],
        precision: str = "double",
        threads: int = 0,
        pixels: ArrayLike | None = None,
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]: ...
    def vjp(
        self,
        scene: BoundScene,
        weights: ArrayLike,
        precision: str = "double",
        threads: int = 0,
        grid: bool = True,
        pixels: ArrayLike | None = None,
        image: bool = True,
    ) -> tuple[NDArray[np.float64], dict[str, Any]]: ...
    def image(self, scene: BoundScene, threads: int = 0) -> DeviceImage: ...
    def slopes(self, scene: BoundScene, weights: Any, threads: int = 0, grid: bool = True) -> dict[str, Any]: ...
