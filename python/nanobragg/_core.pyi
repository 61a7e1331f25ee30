"""The compiled core (cpp/bindings)."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__version__: str

# rendering (register_render.cpp)
class BoundScene:
    """A Scene as C++ has it, and what rendering made of its structure factors."""

    def __init__(self, scene: Any) -> None: ...
    def turned(self, orientations: ArrayLike, first_orientations: ArrayLike | None = None) -> BoundScene: ...
    def share_factors(self, other: BoundScene) -> None: ...
    @property
    def evaluations(self) -> float: ...
    @property
    def reason_for_reference(self) -> str: ...

def render(
    scene: BoundScene,
    precision: str = "double",
    threads: int = 0,
    reference: bool = False,
    progress: Callable[[float], object] | None = None,
    only_if_faster: bool = True,
) -> tuple[NDArray[np.float32], float, bool, int, int, float, str]: ...
def trace_pixel(scene: BoundScene, panel: int, slow: int, fast: int, all: bool, threads: int = 0) -> dict[str, Any]: ...
def enumerations() -> dict[str, dict[str, int]]: ...
def instruction_sets() -> list[str]: ...
def instruction_set() -> str: ...
def peak_flops(precision: str = "double", seconds: float = 0.2) -> float: ...
def thread_count(threads: int = 0) -> int: ...

# derivatives (register_derivatives.cpp)
class Differentiator:
    """Derivatives of images on this computer's processors."""

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

# random numbers (register_random.cpp)
_Regions = Sequence[tuple[int, int, int, int, int, int]]

class Stream:
    """One stream of uniform deviates."""

    def __init__(self, seed: int) -> None: ...
    @property
    def state(self) -> int: ...

class RandomTable:
    """The shuffle table that streams share."""

    def __init__(self, state: Sequence[int] = ...) -> None: ...
    def state(self) -> list[int]: ...
    def uniform(self, stream: Stream) -> float: ...

def random_rotation(spread: float, stream: Stream, table: RandomTable) -> NDArray[np.float64]: ...
def mosaic_rotations(spread: float, count: int, stream: Stream, table: RandomTable) -> NDArray[np.float64]: ...
def rotation_angles(matrix: ArrayLike) -> tuple[float, float, float]: ...
def noise_exact(
    image: ArrayLike,
    adc_offset: float,
    regions: _Regions,
    stream: Stream,
    table: RandomTable,
    gain: float = 1.0,
) -> tuple[NDArray[np.uint16], float, int]: ...
def noise_exact_wide(
    image: ArrayLike,
    adc_offset: float,
    regions: _Regions,
    stream: Stream,
    table: RandomTable,
    gain: float = 1.0,
) -> tuple[NDArray[np.int32], float, int]: ...
def noise_fast(
    image: ArrayLike, adc_offset: float, regions: _Regions, seed: int, threads: int
) -> tuple[NDArray[np.uint16], float, int]: ...
def noise_fast_wide(
    image: ArrayLike, adc_offset: float, regions: _Regions, seed: int, threads: int
) -> tuple[NDArray[np.int32], float, int]: ...
def noise_fast_photons(
    image: ArrayLike, adc_offset: float, regions: _Regions, seed: int, threads: int
) -> tuple[NDArray[np.float32], float, int]: ...
def statistics(
    image: ArrayLike, regions: _Regions, mask: ArrayLike | None, threads: int
) -> tuple[float, float, float, float, int]: ...
def integers(image: ArrayLike, scale: float, offset: float, regions: _Regions, threads: int) -> NDArray[np.uint16]: ...
def integers_wide(
    image: ArrayLike, scale: float, offset: float, regions: _Regions, threads: int
) -> NDArray[np.int32]: ...
def pixel_poisson(mean: float, seed: int, first: int, count: int) -> list[float]: ...

# what is around the crystal, and what a detector makes of photons (register_response.cpp)
class AmorphousRenderer:
    def __init__(self, scene: Any) -> None: ...
    def rows(
        self,
        first: int,
        end: int,
        image: NDArray[np.float32] | NDArray[np.float64],
        threads: int = 0,
        facts: Any | None = None,
    ) -> None: ...
    @property
    def solid_angle(self) -> float: ...
    @property
    def outside(self) -> int: ...

def ordered_statistics(
    image: NDArray[np.float32], roi: Sequence[int], count: int, shifted: bool
) -> tuple[float, float, float, float, int]: ...
def binned_profile(
    amplitude: NDArray[np.float32], bin: NDArray[np.int32], count: Sequence[int]
) -> tuple[list[float], list[float], NDArray[np.float32]]: ...

class DetectorNoise:
    def __init__(self, seed: int, calibration_state: int) -> None: ...
    def photons(
        self, expected: NDArray[np.float32], model: Any, map: NDArray[np.float32] | None = None
    ) -> tuple[NDArray[np.float32], float]: ...
    def counts(self, photons: NDArray[np.float32], model: Any) -> tuple[NDArray[Any], float, int]: ...

def calibration_map(state: int, shape: Sequence[int]) -> NDArray[np.float32]: ...
def whole_numbers(photons: NDArray[np.float32], model: Any, threads: int = 0) -> NDArray[Any]: ...
def psf_kernel(shape: str, width: float, radius: int, round: bool, threads: int = 0) -> NDArray[np.float64]: ...
def spread(
    image: NDArray[np.float32], shape: str, width: float, radius: int, rules: Any, threads: int = 0
) -> tuple[NDArray[np.float32], float, int, bool, bool, float]: ...

COARSE_STEP: int

def coarsen(image: NDArray[np.float32], threads: int = 0) -> NDArray[np.float32]: ...
def refine(coarse: NDArray[np.float32], image: NDArray[np.float32], threads: int = 0) -> None: ...
def measurement_key(seed: int, shot: int, stage: int, panel: int) -> int: ...
def normal_deviates(key: int, shape: Sequence[int], threads: int = 0) -> NDArray[np.float32]: ...
def counted_moments(
    photons: NDArray[np.float64], dead_time: float, paralyzable: bool
) -> tuple[NDArray[np.float64], NDArray[np.float64]]: ...
def with_dead_time(
    photons: NDArray[np.float32], dead_time: float, paralyzable: bool, key: int, threads: int = 0
) -> NDArray[np.float32]: ...
def digitize(
    photons: NDArray[np.float32],
    gain: float,
    offset: float,
    noise: float,
    lowest: float,
    highest: float,
    key: int,
    gain_map: NDArray[np.float32] | None = None,
    offset_map: NDArray[np.float32] | None = None,
    threads: int = 0,
) -> tuple[NDArray[np.int32], int]: ...

# files (register_files.cpp)
def read_columns(data: bytes, columns: int, titles: bool) -> tuple[NDArray[np.float64], int]: ...
def parse_hkl(
    data: bytes, default_F: float, likely: Sequence[int]
) -> tuple[NDArray[np.float64], list[int], int, list[str]]: ...

# reflections under symmetry (register_symmetry.cpp)
def unique_reflections(
    rotations: ArrayLike, translations: ArrayLike, metric: ArrayLike, largest: float, bounds: Sequence[int]
) -> NDArray[np.int32]: ...
def grid_of_holes(shape: Sequence[int]) -> NDArray[np.float64]: ...
def spread_reflections(
    rotations: ArrayLike,
    translations: ArrayLike,
    hkl: ArrayLike,
    plus: ArrayLike,
    minus: ArrayLike,
    minimum: Sequence[int],
    grid: NDArray[np.float64],
) -> None: ...
def complete_grid(
    rotations: ArrayLike,
    translations: ArrayLike,
    metric: ArrayLike,
    largest: float,
    bounds: Sequence[int],
    default_F: float,
    grid: NDArray[np.float64],
) -> tuple[int, int, int]: ...
def sum_over_symmetry(
    rotations: ArrayLike,
    translations: ArrayLike,
    waves: NDArray[np.complex64],
    hkl: ArrayLike,
    metric: ArrayLike,
    largest: float,
    scale: float,
    blur: float,
    sums: NDArray[np.complex64],
) -> None: ...
def put_planes(planes: NDArray[np.complex64], first: int, columns: NDArray[np.complex64]) -> None: ...
def amplitudes_of_mates(
    f: NDArray[np.complexfloating], absorbing: NDArray[np.complexfloating] | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]: ...
def sum_over_atoms(
    coefficients: ArrayLike,
    groups: ArrayLike,
    b_factors: ArrayLike,
    atoms: ArrayLike,
    tensors: ArrayLike,
    metric: ArrayLike,
    hkl: ArrayLike,
) -> tuple[NDArray[np.complex128], NDArray[np.complex128]]: ...
