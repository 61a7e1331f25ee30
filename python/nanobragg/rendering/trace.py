"""Every intermediate quantity of one pixel, from the reference renderer watching it (``specs/trace.md``)."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from nanobragg import _core
from nanobragg.errors import InputError
from nanobragg.rendering.binding import bound

if TYPE_CHECKING:
    from nanobragg.records.scene import Scene

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
    """m, where the subpixel is in the laboratory"""
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
    """the sum of all terms"""
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

    def to_dict(self) -> dict[str, Any]:
        """The quantities by the names of ``specs/trace.md``, vectors as lists."""
        return trace_dict(self)

    def to_json(self) -> str:
        """The trace as JSON, numbers to the last bit; what is not finite is "nan", "inf" or "-inf"."""
        import json

        return json.dumps(_json_number(self.to_dict()), indent=1) + "\n"


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
    raw = _core.trace_pixel(bound(scene), panel, slow, fast, not last_only, threads)
    evaluations = tuple(Evaluation(**e) for e in raw.pop("evaluations"))
    raw["steps"] = int(raw["steps"])
    return Trace(slow=slow, fast=fast, panel=panel, evaluations=evaluations, **raw)


SCHEMA = 1
"""The version of the schema in ``specs/trace.md``: another number for any change of names, units or order."""
_TOTALS = ("sum", "steps", "per_step", "scale", "capture", "polar", "omega", "value")
_WHOLE = ("layer", "sub_slow", "sub_fast", "source", "orientation", "hkl0")
_FLAGS = ("interpolated", "skipped")


def _text(value: object) -> str:
    if isinstance(value, tuple):
        return " ".join(_text(v) for v in value)
    if isinstance(value, bool):
        return str(int(value))
    return f"{value:.17g}" if isinstance(value, float) else str(value)


def format_trace(trace: Trace) -> list[str]:
    """The trace as ``TRACE name value…`` lines, 17 digits; evaluations are prefixed with their number."""
    lines = [f"TRACE schema {SCHEMA}", f"TRACE pixel {trace.slow} {trace.fast}", f"TRACE panel {trace.panel}"]
    lines.append(f"TRACE rendered {int(trace.rendered)}")
    for number, evaluation in enumerate(trace.evaluations):
        for f in fields(Evaluation):
            lines.append(f"TRACE {number} {f.name} {_text(getattr(evaluation, f.name))}")  # noqa: PERF401
    for name in _TOTALS:
        lines.append(f"TRACE {name} {_text(getattr(trace, name))}")  # noqa: PERF401
    return lines


def trace_dict(trace: Trace) -> dict[str, Any]:
    """The trace under the names of ``specs/trace.md``."""
    head: dict[str, Any] = {"schema": SCHEMA, "pixel": [trace.slow, trace.fast], "panel": trace.panel}
    head["rendered"] = trace.rendered
    head["evaluations"] = [
        {f.name: _listed(getattr(evaluation, f.name)) for f in fields(Evaluation)} for evaluation in trace.evaluations
    ]
    return {**head, **{name: getattr(trace, name) for name in _TOTALS}}


def _listed(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value


def _json_number(value: Any) -> Any:
    """JSON has no word for what is not finite: ours are "nan", "inf" and "-inf"."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {key: _json_number(item) for key, item in value.items()}
    return [_json_number(item) for item in value] if isinstance(value, list) else value


def read_trace(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read a trace, text or JSON, as :func:`trace_dict` gives it.

    Text may be the whole output of the program: lines that do not begin with ``TRACE`` are skipped.

    Raises:
        InputError: when the file holds no trace of this schema.

    """
    import json

    from nanobragg.io.support.atomic import read_bytes

    name = os.fspath(path)
    text = read_bytes(path).decode("utf-8", "replace")
    try:
        found = _from_json(json.loads(text)) if text.lstrip().startswith("{") else _from_lines(text)
    except (ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
        raise InputError(f"{name}: found a trace that is incomplete or damaged ({error}), expected one") from error
    if found.get("schema") != SCHEMA or "value" not in found:
        raise InputError(f"{name}: found no trace of schema {SCHEMA}, expected what -trace_pixel or -trace_json gives")
    return found


def _from_json(value: Any) -> Any:
    """Undo :func:`_json_number`."""
    if value in ("nan", "inf", "-inf"):
        return float(value)
    if isinstance(value, dict):
        return {key: _from_json(item) for key, item in value.items()}
    return [_from_json(item) for item in value] if isinstance(value, list) else value


def _from_lines(text: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    evaluations: dict[int, dict[str, Any]] = {}
    for line in text.splitlines():
        words = line.split()
        if not words or words[0] != "TRACE":
            continue
        if words[1].isdigit():
            evaluations.setdefault(int(words[1]), {})[words[2]] = _value(words[2], words[3:])
        else:
            found[words[1]] = _value(words[1], words[2:])
    names = {f.name for f in fields(Evaluation)}
    for number, evaluation in evaluations.items():
        if set(evaluation) != names:
            raise ValueError(f"evaluation {number}: {' '.join(sorted(names ^ set(evaluation)))}")
    found["evaluations"] = [evaluations[number] for number in sorted(evaluations)]
    return found


def _value(name: str, words: list[str]) -> Any:
    whole = name in (*_WHOLE, "schema", "pixel", "panel", "steps")
    flag = name in (*_FLAGS, "rendered")
    values = [bool(int(word)) if flag else int(word) if whole else float(word) for word in words]
    return values[0] if len(values) == 1 else values
