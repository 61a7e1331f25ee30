"""Every intermediate quantity of one pixel, from the reference renderer watching it (``specs/trace.md``)."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from nanobragg import _core

if TYPE_CHECKING:
    from nanobragg.scene import Scene

Vec = tuple[float, float, float]


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """One subpixel, sensor layer, source and orientation. SI units, lab frame."""

    layer: int
    sub_slow: int
    sub_fast: int
    source: int
    orientation: int
    """index into ``Scene.orientations``: phi step × domains + domain"""
    position: Vec
    """of the subpixel, m"""
    airpath: float
    """sample to subpixel, m"""
    diffracted: Vec
    """unit vector to the subpixel"""
    incident: Vec
    """unit vector of travel"""
    wavelength: float
    """m"""
    scattering: Vec
    """(diffracted - incident)/wavelength, 1/m"""
    stol: float
    """sin(theta)/lambda, 1/m"""
    omega: float
    """solid angle as it stands, steradian"""
    capture: float
    """fraction of photons absorbed in the layer, as it stands"""
    polar: float
    """polarization factor as it stands"""
    a: Vec
    """direct cell vector of this orientation, m"""
    b: Vec
    c: Vec
    hkl: Vec
    """fractional Miller indices"""
    hkl0: tuple[int, int, int]
    """the nearest whole ones"""
    F_cell: float
    interpolated: bool
    """F_cell is a tricubic interpolation"""
    F_latt: float
    skipped: bool
    """F_latt is 0 and nothing was added"""
    term: float
    """what was added to the sum"""
    sum: float
    """the running sum after it"""


@dataclass(frozen=True, kw_only=True)
class Trace:
    """One pixel: its evaluations, and the scaling of their sum."""

    slow: int
    fast: int
    panel: int
    rendered: bool
    """False outside the region of interest and where the mask is 0 (the image has 0 there)"""
    evaluations: tuple[Evaluation, ...]
    sum: float
    """of all terms"""
    steps: int
    per_step: float
    """sum/steps"""
    scale: float
    """r_e² × fluence"""
    omega: float
    capture: float
    polar: float
    value: float
    """photons, before it is stored as float32"""


def trace_pixel(
    scene: Scene, slow: int, fast: int, *, panel: int = 0, threads: int = 0, last_only: bool = False
) -> Trace:
    """Follow one pixel through the reference renderer.

    Args:
        scene: what would be rendered.
        slow: pixel index along the slow axis.
        fast: pixel index along the fast axis.
        panel: index of the panel.
        threads: used to find where in the run interpolation ends, if it does.
        last_only: keep the last evaluation alone.

    Raises:
        InputError: for a pixel outside the detector.

    """
    return _trace(scene, slow, fast, panel, last_only, _core.locate(scene, threads))


def _trace(scene: Scene, slow: int, fast: int, panel: int, last_only: bool, located: tuple[int, int]) -> Trace:
    raw = _core.trace_pixel(scene, panel, slow, fast, not last_only, *located)
    evaluations = tuple(Evaluation(**e) for e in raw.pop("evaluations"))
    raw["steps"] = int(raw["steps"])
    return Trace(slow=slow, fast=fast, panel=panel, evaluations=evaluations, **raw)


def _text(value: object) -> str:
    if isinstance(value, tuple):
        return " ".join(_text(v) for v in value)
    if isinstance(value, bool):
        return str(int(value))
    return f"{value:.17g}" if isinstance(value, float) else str(value)


def format_trace(trace: Trace) -> list[str]:
    """The trace as ``TRACE name value…`` lines, 17 digits; evaluations are prefixed with their number."""
    lines = [f"TRACE pixel {trace.slow} {trace.fast}", f"TRACE panel {trace.panel}"]
    lines.append(f"TRACE rendered {int(trace.rendered)}")
    for number, evaluation in enumerate(trace.evaluations):
        for f in fields(Evaluation):
            lines.append(f"TRACE {number} {f.name} {_text(getattr(evaluation, f.name))}")  # noqa: PERF401
    for name in ("sum", "steps", "per_step", "scale", "capture", "polar", "omega", "value"):
        lines.append(f"TRACE {name} {_text(getattr(trace, name))}")  # noqa: PERF401
    return lines
