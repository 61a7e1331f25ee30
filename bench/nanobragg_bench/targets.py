"""What is to be reached, by case."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

MEMORY_ALLOWANCE = 150e6
"""bytes of peak memory beyond the arrays that are written"""


@dataclass(frozen=True)
class Target:
    """A figure to reach."""

    kind: Literal["ratio", "seconds", "rate"]
    """``ratio``: at least ``value`` times; ``seconds``: at most; ``rate``: at least so many evaluations per second."""
    value: float

    def met(self, ratio: float | None, seconds: float, evaluations: int | None = None) -> bool | None:
        """Whether it is reached; ``None`` where the ratio, or the number of evaluations, is not known."""
        if self.kind == "seconds":
            return seconds <= self.value
        if self.kind == "rate":
            return None if evaluations is None else evaluations / seconds >= self.value
        return None if ratio is None else ratio >= self.value

    def __str__(self) -> str:
        if self.kind == "rate":
            return f">= {self.value:.2g}/s"
        return f">= {self.value:g}x" if self.kind == "ratio" else f"<= {self.value * 1e3:g} ms"


_ENGINE = {
    **dict.fromkeys(((case, "mixed") for case in ("mosaic_25", "sources_100", "xfel_3000")), 120.0),
    **dict.fromkeys(((case, "double") for case in ("mosaic_25", "sources_100", "xfel_3000")), 60.0),
    ("everything_512", "mixed"): 80.0,
    ("real_crystal", "mixed"): 80.0,
    ("round", "mixed"): 50.0,
    ("gauss", "mixed"): 30.0,
    ("tophat", "mixed"): 30.0,
    ("tricubic", "mixed"): 8.0,
    ("nearest", "mixed"): 8.0,
}
"""Engine time of the original over ours, per thread, with AVX-512."""
_CUDA = {
    ("gpu_mosaic_1000", "double"): Target("rate", 1e11),
    ("gpu_mosaic_1000", "mixed"): Target("rate", 2.5e11),
    **{(f"gpu_{case}_3000", "double"): Target("seconds", 0.300) for case in ("xfel", "real")},
    **{(f"gpu_{case}_3000", "mixed"): Target("seconds", 0.120) for case in ("xfel", "real")},
    **{("gpu_next_image", f"{precision} host"): Target("seconds", 0.002) for precision in ("double", "mixed")},
    **{("gpu_next_image", f"{precision} device"): Target("seconds", 0.0005) for precision in ("double", "mixed")},
}
"""On an NVIDIA H200."""
_PROCESS = {"cubic_4096": 5.0, "real_crystal": 10.0}
_WITHIN = {
    "xfel_real N50": (15.0, 200.0, 200.0, 12.0),
    "xfel_real N100": (12.0, 200.0, 200.0, 12.0),
    "rotation_real": (2.0, 8.0, 0.0, 0.0),
    "powder_20000": (2.5, 25.0, 25.0, 2.5),
    "mosaic_100": (8.0, 0.0, 0.0, 0.0),
}
"""Within a tolerance of 0.01 photons: square, gauss, tophat, round; 0: none is set."""
_OTHER = {
    ("noise_4096", "fast"): Target("ratio", 5.0),
    ("noise_4096", "exact"): Target("ratio", 1.0),
    ("noise_4096", "on the device"): Target("seconds", 0.002),
    **{(case, "no psf"): Target("ratio", 10.0) for case in ("counts_6m", "series_1024")},
    **{(case, "fiber psf"): Target("ratio", 8.0) for case in ("counts_6m", "series_1024")},
    **{("derivatives", f"gradient {shape}"): Target("ratio", 1 / 2.5) for shape in ("square", "gauss")},
    **{("derivatives", f"jacobian {shape}"): Target("ratio", 1 / 4) for shape in ("square", "gauss")},
    **{
        ("tolerance", f"{scene} {shape}"): Target("ratio", value)
        for scene, values in _WITHIN.items()
        for shape, value in zip(("square", "gauss", "tophat", "round"), values, strict=True)
        if value
    },
    **{
        ("refine_still", f"{system} {shape} {start}"): Target("seconds", 0.3)
        for start in ("near", "far")
        for system in ("P 1 2 1", "cubic", "triclinic")
        for shape in ("square", "gauss")
    },
    ("panels", "32 of 514 x 1030"): Target("ratio", 1 / 1.05),
    ("panels", "process, 32 of 514 x 1030"): Target("ratio", 1 / 1.5),
    ("panels", "read 32 of 514 x 1030"): Target("seconds", 0.050),
    ("read_hkl", "text"): Target("ratio", 5.0),
    **{("small_scene", way): Target("seconds", 50e-6) for way in ("double render", "mixed render", "double turned")},
    ("start", "--version"): Target("seconds", 0.030),
    ("start", "8x8 image"): Target("seconds", 0.100),
}


def target_of(case: str, what: str, variant: str, instruction_set: str, device: str = "cpu") -> Target | None:
    """The target of one row of the table.

    Args:
        case: its name.
        what: ``engine``, ``process``, ``threads``, ``cuda`` or the case's own name.
        variant: precision, generator, kind of file, command.
        instruction_set: engine targets are halved with ``avx2``, and there are none with ``baseline``.
        device: targets of engine and derivatives are for ``cpu``.

    """
    if what == "cuda":
        return _CUDA.get((case, variant))
    if what in ("engine", "derivatives") and device != "cpu":
        return None
    if what == "engine":
        value = _ENGINE.get((case, variant))
        share = {"avx512": 1.0, "avx2": 0.5}.get(instruction_set)
        return None if value is None or share is None else Target("ratio", value * share)
    if what == "process":
        return Target("ratio", _PROCESS[case]) if case in _PROCESS else None
    if what == "threads":
        return Target("ratio", 1.9)
    if case == "tolerance_growth" and variant.startswith("off: "):
        return Target("ratio", 1 / 1.05)
    return _OTHER.get((case, variant))
