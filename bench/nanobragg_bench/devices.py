"""Where the engine cases are rendered."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from nanobragg_bench import BenchError

if TYPE_CHECKING:
    from nanobragg.rendering.cuda_system import CudaDevice


@dataclass(frozen=True)
class BenchDevice:
    """The processors, or one CUDA device."""

    name: str = "cpu"
    """as ``render_scene`` takes it: ``cpu`` or ``cuda:NUMBER``"""
    gpu: CudaDevice | None = None
    rates: dict[str, float] | None = None
    """What the GPU reached in this run: multiply-adds per second in ``double`` and ``single``, bytes per second
    ``copied`` within its memory, those read and those written; ``None``: not measured."""

    @property
    def label(self) -> str:
        """What the rows say: ``cpu`` or the GPU's name."""
        return "cpu" if self.gpu is None else self.gpu.name

    def measured(self) -> BenchDevice:
        """With the GPU's rates; a GPU that is played or emulated has none."""
        if self.gpu is None:
            return self
        from nanobragg import _cuda

        measure = getattr(_cuda, "peak_rates", None)
        return self if measure is None else replace(self, rates=measure(self.gpu.number, 0.2))

    def described(self) -> dict[str, Any] | None:
        """The GPU and its rates, for JSON."""
        if self.gpu is None:
            return None
        return {**self.gpu._asdict(), "capability": list(self.gpu.capability), "measured": self.rates}


CPU = BenchDevice()


def device_of(option: str) -> BenchDevice:
    """The device that ``--device`` names.

    Raises:
        BenchError: for another word, or where there is no such device.

    """
    from nanobragg.rendering.cuda_system import cuda_system

    if option == "cpu":
        return CPU
    number = option.removeprefix("cuda:") if option != "cuda" else "0"
    if not (number.isascii() and number.isdigit()) or not option.startswith("cuda"):
        raise BenchError(f"--device: found {option!r}, expected cpu, cuda or cuda:NUMBER")
    system = cuda_system()
    if not system.devices:
        raise BenchError(f"--device: found {option!r}, but {system.reason}; expected a CUDA device, or cpu")
    for gpu in system.devices:
        if gpu.number == int(number):
            return BenchDevice(f"cuda:{gpu.number}", gpu)
    there = ", ".join(f"cuda:{gpu.number}" for gpu in system.devices)
    raise BenchError(f"--device: found {option!r}, expected one of {there}")


def why_not_cuda(device: BenchDevice) -> str:
    """Why cases for CUDA devices are skipped; empty if they are run."""
    from nanobragg.rendering.cuda_system import cuda_system

    if device.gpu is not None:
        return ""
    return f"it runs on a CUDA device only: {cuda_system().reason or 'ask for it with --device cuda'}"
