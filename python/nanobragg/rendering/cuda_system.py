"""What there is of CUDA. The CUDA renderer is an extension of its own, imported when it is first asked for; whether it
was built, and whether there is a GPU and a driver, makes no difference to the rest.
"""

from __future__ import annotations

from typing import Any, NamedTuple


class CudaDevice(NamedTuple):
    """One CUDA device."""

    number: int
    name: str
    capability: tuple[int, int]
    memory: int
    """bytes"""
    multiprocessors: int
    clock_hz: float
    """Highest clock of the multiprocessors; 0: unknown."""
    memory_bandwidth: float
    """bytes per second, from the memory's clock and the width of its bus; 0: unknown"""


class CudaSystem(NamedTuple):
    """What there is of CUDA."""

    devices: tuple[CudaDevice, ...]
    reason: str
    """Why there are no devices; empty if there are."""
    driver: int
    """Newest version of CUDA that the driver runs, as 1000 major + 10 minor; 0: no driver."""
    runtime: int
    """Version of CUDA that this installation was built with; 0: without."""


def cuda_system() -> CudaSystem:
    """The CUDA devices of this computer, or why there are none. Never raises."""
    try:
        import nanobragg._cuda as cuda  # "from nanobragg" would not tell that it is missing from that it is broken
    except ModuleNotFoundError:
        return CudaSystem((), "this installation was built without CUDA", 0, 0)
    except ImportError as error:
        return CudaSystem((), f"the CUDA renderer could not be loaded: {error}", 0, 0)
    found: dict[str, Any] = cuda.system()
    devices = tuple(CudaDevice(**d) for d in found["devices"])
    return CudaSystem(devices, found["reason"], found["driver"], found["runtime"])
