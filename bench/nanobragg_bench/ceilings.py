"""What a GPU could do at most: one evaluation's arithmetic over the chip's rates, an image's bytes over its bandwidth.

Instructions are counted by reading ``cpp/cuda/thread_work.hpp`` and ``lattice.hpp``, ``lookup.hpp`` and ``physics.hpp``
of ``cpp/src/physics``, a multiply-add being one; whoever changes those, counts again. Left out: loads, loops, and what
is done once for several evaluations (an index before its wavelength, sums of terms).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nanobragg.rendering.cuda_system import CudaDevice

ISSUED = 128
"""Instructions that a multiprocessor starts in a clock: four warps of 32 threads, whatever they do."""
PIXEL_BYTES = 4 + 8 + 8
"""The image written, a sum of terms written and read: the least for one pixel."""


@dataclass(frozen=True)
class Instructions:
    """What one evaluation costs."""

    double: int
    """additions, products and multiply-adds in double"""
    single: int
    conversions: int = 0
    """whole numbers, and from those to single: no rate that matters, but they are issued"""

    def clocks(self, lanes: Lanes) -> float:
        """Clocks of one multiprocessor, bound by the busiest of its units."""
        return 1.0 / self.rate(lanes.double, lanes.single, ISSUED)

    def rate(self, double: float, single: float, issued: float) -> float:
        """Evaluations per second of a chip that finishes and starts so many instructions in one."""
        count = self.double + self.single + self.conversions
        return 1.0 / max(self.double / double, self.single / single, count / issued)


@dataclass(frozen=True)
class Lanes:
    """Instructions that a multiprocessor finishes in a clock."""

    double: int
    single: int


LANES = {
    (7, 0): Lanes(32, 64),
    (8, 0): Lanes(32, 64),
    (8, 6): Lanes(2, 128),
    (8, 9): Lanes(2, 128),
    (9, 0): Lanes(64, 128),
    (10, 0): Lanes(64, 128),
    (12, 0): Lanes(2, 128),
}
"""By compute capability."""

COUNTED: dict[tuple[tuple[str, str], str, bool], Instructions] = {
    # Three indices of 3; nearest whole number and distance 3 x 3; three cosines of 10; three polynomials of 2; their
    # product; its square and the sum, which are one.
    (("square 5", "constant"), "double", False): Instructions(double=9 + 9 + 30 + 6 + 2 + 1, single=0),
    # One for each index; the square is a product, since a weight follows.
    (("square 5", "constant"), "double", True): Instructions(double=3 + 9 + 30 + 6 + 2 + 2, single=0),
    # The phase is free, and a cosine takes 7.
    (("square 5", "constant"), "mixed", False): Instructions(double=9, single=21 + 6 + 2 + 1, conversions=3),
    (("square 5", "constant"), "mixed", True): Instructions(double=3, single=21 + 6 + 2 + 2, conversions=3),
    # Ties that go down 3 x 3, a place in the grid 11, the square of F and its product 2; or a place of whole numbers,
    # 12, and a product. Fetching F is a load.
    (("square 5", "nearest"), "double", True): Instructions(double=3 + 9 + 9 + 30 + 6 + 2 + 2 + 11 + 2, single=0),
    (("square 5", "nearest"), "mixed", True): Instructions(double=3, single=21 + 6 + 2 + 2 + 1, conversions=3 + 12),
}
"""By kernel (shape, source of F: ``arithmetic.py``), precision, and whether wavelengths share their indices."""


def arithmetic_ceiling(
    gpu: CudaDevice, kernel: tuple[str, str], precision: str, stored: bool, rates: dict[str, float] | None = None
) -> float | None:
    """Evaluations per second; ``None`` where the kernel was not counted or the chip's rates are not known.

    ``rates``: what the chip reached (``devices.py``), instead of what its clock promises.
    """
    counted, lanes = COUNTED.get((kernel, precision, stored)), LANES.get(gpu.capability)
    if counted is None or lanes is None or gpu.clock_hz <= 0:
        return None
    if rates is not None:
        return counted.rate(rates["double"], rates["single"], rates["single"] * ISSUED / lanes.single)
    return gpu.multiprocessors * gpu.clock_hz / counted.clocks(lanes)


def memory_ceiling(gpu: CudaDevice, pixels: int, rates: dict[str, float] | None = None) -> float | None:
    """Seconds that an image's bytes take at least; ``None`` where the bandwidth is not known."""
    bandwidth = gpu.memory_bandwidth if rates is None else rates["copied"]
    return PIXEL_BYTES * pixels / bandwidth if bandwidth > 0 else None


@dataclass(frozen=True)
class Ceilings:
    """Both ceilings of one image, and how near it came."""

    arithmetic: float | None
    """evaluations per second"""
    memory: float | None
    """seconds"""
    seconds: float
    """measured"""
    evaluations: int
    """evaluations that were made: with a spectrum, fewer than the scene asks for"""

    @property
    def arithmetic_fraction(self) -> float | None:
        """Evaluations per second over the ceiling."""
        return None if self.arithmetic is None else self.evaluations / self.seconds / self.arithmetic

    @property
    def memory_fraction(self) -> float | None:
        """The ceiling's time over the one that it took."""
        return None if self.memory is None else self.memory / self.seconds

    def as_json(self) -> dict[str, Any]:
        """Everything, for a file."""
        return {
            "evaluations": self.evaluations,
            "arithmetic_evaluations_per_second": self.arithmetic,
            "arithmetic_fraction": self.arithmetic_fraction,
            "memory_seconds": self.memory,
            "memory_fraction": self.memory_fraction,
        }

    def __str__(self) -> str:
        rate = f"{self.evaluations / self.seconds:.3g} evaluations/s"
        arithmetic, memory = "unknown", "unknown"
        if self.arithmetic is not None:
            arithmetic = f"{self.arithmetic:.3g}/s, {self.arithmetic_fraction:.2g} of it reached"
        if self.memory is not None:
            memory = f"{self.memory * 1e3:.3g} ms, {self.memory_fraction:.2g} of it reached"
        return f"{rate}; ceilings: arithmetic {arithmetic}; memory {memory}"


def ceilings_of(
    gpu: CudaDevice,
    kernel: tuple[str, str],
    precision: str,
    stored: bool,
    pixels: int,
    seconds: float,
    evaluations: int,
    rates: dict[str, float] | None = None,
) -> Ceilings:
    """The ceilings of an image that took ``seconds``."""
    rate = arithmetic_ceiling(gpu, kernel, precision, stored, rates)
    return Ceilings(rate, memory_ceiling(gpu, pixels, rates), seconds, evaluations)
