"""Where images can be rendered: this computer's processors, and CUDA devices."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, NamedTuple, SupportsIndex

from nanobragg.errors import DeviceError, InputError
from nanobragg.records.kinds import DEVICE
from nanobragg.rendering.binding import bound

if TYPE_CHECKING:
    from nanobragg.records.scene import Scene

Device = str
"""``cpu``, ``cuda``, ``cuda:NUMBER`` or ``auto``"""
WORTHWHILE = 2e9
"""Evaluations (pixels x subpixels x layers x sources x orientations) from which ``auto`` wakes a GPU: that takes a
fraction of a second, in which the CPU renders an image of fewer."""


class ChosenDevice(NamedTuple):
    """Where a Scene is rendered."""

    number: int | None
    """The CUDA device's number; ``None``: on the CPU."""
    note: str
    """Why ``auto`` took the CPU although the work is large; empty otherwise."""

    @property
    def name(self) -> str:
        """``cpu`` or ``cuda:NUMBER``."""
        return "cpu" if self.number is None else f"cuda:{self.number}"


def evaluations(scene: Scene) -> float:
    """How many evaluations an image of ``scene`` takes."""
    return bound(scene).evaluations


def only_cpu(scene: Scene) -> str:
    """Why only the CPU renders ``scene``; empty if a GPU does too."""
    return bound(scene).reason_for_reference


def checked_threads(threads: object) -> int:
    """A number of threads, 0 for all processors; results do not depend on it, and thousands are of no use.

    Raises :class:`InputError` for anything else.
    """
    if not isinstance(threads, SupportsIndex) or operator.index(threads) < 0:
        raise InputError(f"threads: found {threads!r}, expected a positive number, or 0 for all processors")
    return min(operator.index(threads), 2**31 - 1)


def checked_precision(precision: object) -> str:
    """The precision of derivatives; raises :class:`InputError` for another one."""
    if precision not in ("double", "mixed"):
        raise InputError(f"precision: found {precision}, expected double or mixed")
    return str(precision)


def choose_device(device: str, scene: Scene) -> ChosenDevice:
    """Where to render ``scene`` if the user said ``device``.

    Raises:
        InputError: for an unknown device, or if CUDA was asked for and only the CPU can render this scene.
        DeviceError: if CUDA was asked for and there is no such device.

    """
    DEVICE.checked(device, "device")
    if device == "cpu" or (device == "auto" and evaluations(scene) < WORTHWHILE):
        return ChosenDevice(None, "")
    from nanobragg.rendering.cuda_system import cuda_system

    system = cuda_system()
    reason = only_cpu(scene)
    if device == "auto":
        why = system.reason or reason
        return ChosenDevice(None if why else system.devices[0].number, why)
    if not system.devices:
        raise DeviceError(f"device: found {device!r}, but {system.reason}; expected a CUDA device, or the device cpu")
    numbers = [d.number for d in system.devices]
    number = int(device[5:] or numbers[0])
    if number not in numbers:
        raise DeviceError(f"device: found {device!r}, expected {' or '.join(f'cuda:{n}' for n in numbers)}")
    if reason:
        raise InputError(f"device: found {device!r}, expected cpu or auto, since {reason}")
    return ChosenDevice(number, "")


def describe() -> str:
    """What ``nanobragg --devices`` prints."""
    from nanobragg import _core
    from nanobragg.rendering.cuda_system import cuda_system

    lines = [f"cpu: {_core.thread_count(0)} threads, {_core.instruction_set()}"]
    system = cuda_system()
    for d in system.devices:
        capability = ".".join(map(str, d.capability))
        lines.append(f"cuda:{d.number}: {d.name}, compute capability {capability}, {d.memory / 2**30:.0f} GiB")
    if system.devices:
        lines.append(f"CUDA: driver for {_version(system.driver)}, built with {_version(system.runtime)}")
    else:
        lines.append(f"cuda: not available: {system.reason}")
    return "\n".join(lines) + "\n"


def _version(number: int) -> str:
    return f"{number // 1000}.{number % 1000 // 10}"
