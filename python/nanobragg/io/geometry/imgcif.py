"""Geometry in the header of a full imgCIF: axes, what they hang on, and their settings (``specs/formats.md``).

The frame is that of the dictionary (*International Tables for Crystallography* G, 3.7): x along the goniometer's
principal axis, z from the sample to the source.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from nanobragg.errors import InputError
from nanobragg.io.geometry.types import FilePanel, across, fields_of_panels, vec_of
from nanobragg.io.support.extras import need
from nanobragg.maths.rotations import rotation

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from nanobragg.io.geometry.detector_headers import Fields

_AXES = re.compile(rb"^[ \t]*_axis\.id\b", re.IGNORECASE | re.MULTILINE)
_OUTERMOST = ("", ".", "?")


class _Axis(NamedTuple):
    turns: bool
    equipment: str
    depends_on: str
    vector: NDArray[np.float64]
    offset: NDArray[np.float64]
    """mm"""


def is_imgcif(header: bytes) -> bool:
    """Whether a CBF's header has axes."""
    return _AXES.search(header) is not None


def imgcif_fields(name: str, header: bytes, shape: tuple[int, int]) -> Fields:
    """Fields of :class:`~nanobragg.io.geometry.types.FileGeometry`. ``shape``: (slow, fast) of the image.

    What cannot be used is in ``bad``.
    """
    gemmi = need("gemmi", name)
    try:
        block = gemmi.cif.read_string(header.decode("latin-1") + "\n;\n").sole_block()
        with np.errstate(all="ignore"):  # what is not finite is found afterwards
            return _Header(gemmi, name, block).fields(shape)
    except InputError as error:
        return {"bad": {"position": str(error)}}
    except (RuntimeError, ValueError, IndexError) as error:
        sentence = f"{name}: found a header that cannot be read, expected imgCIF"
        raise InputError(sentence) from error


class _Header:
    """The tables of a header."""

    def __init__(self, gemmi: Any, name: str, block: Any) -> None:
        self._gemmi, self._name, self._block = gemmi, name, block
        vectors = [f"{key}[{n}]" for key in ("vector", "?offset") for n in (1, 2, 3)]
        self._axes = {
            row.str(0): _Axis(
                turns=row.str(1) == "rotation",
                depends_on=row.str(2),
                equipment=row.str(3) if row.has(3) else "",
                vector=self._numbers(row, range(4, 7)),
                offset=self._numbers(row, range(7, 10)),
            )
            for row in self._table("axis", "id", "type", "depends_on", "?equipment", *vectors)
        }
        self._settings = self._set()

    def _table(self, category: str, *columns: str) -> Any:
        return self._block.find(f"_{category}.", list(columns))

    def _numbers(self, row: Any, columns: Any) -> NDArray[np.float64]:
        """Numbers of a row; 0 for what is not said."""
        texts = [row.str(n) if row.has(n) else "" for n in columns]
        return np.array([0.0 if text in _OUTERMOST else self._gemmi.cif.as_number(text) for text in texts])

    def _set(self) -> dict[str, float]:
        """Degrees or mm, of the axes at the first image: where the scan starts, or what the image's own table says."""
        found: dict[str, float] = {}
        for category, suffix in (("diffrn_scan_axis", "_start"), ("diffrn_scan_frame_axis", "")):
            first: dict[str, float] = {}
            for row in self._table(category, "axis_id", f"?angle{suffix}", f"?displacement{suffix}"):
                axis = self._axes.get(row.str(0))
                if axis is not None:
                    first.setdefault(row.str(0), float(self._numbers(row, [1 if axis.turns else 2])[0]))
            found |= first
        return found

    def fields(self, shape: tuple[int, int]) -> Fields:
        """All that the header tells. Raises :class:`InputError` for a detector that cannot be placed."""
        beam = -self._direction(self._only("source"), (0.0, 0.0, 1.0))
        scan, spindle = self._scan()
        polarization, electric = self._polarization()
        frame = {
            "beam": vec_of(beam),
            "polarization": across(beam, electric),
            "spindle": spindle or across(beam, (1.0, 0.0, 0.0)),
            "spindle_said": spindle is not None,
        }
        return {
            **fields_of_panels(self._name, [self._panel(shape)], frame),
            **self._waves(),
            **scan,
            "polarization": polarization,
        }

    # ---- axes ---------------------------------------------------------------------------------------------

    def _only(self, equipment: str) -> _Axis | None:
        return next((axis for axis in self._axes.values() if axis.equipment.lower() == equipment), None)

    def _direction(self, axis: _Axis | None, otherwise: Any = None) -> NDArray[np.float64]:
        vector = np.array(otherwise if axis is None else axis.vector, float)
        length = float(np.linalg.norm(vector))
        if not 0.0 < length < math.inf:
            raise InputError(f"{self._name}: found an axis {vector.tolist()}, expected a direction")
        return vector / length

    def _chain(self, key: str) -> list[str]:
        """An axis and those that it hangs on, the outermost last."""
        found: list[str] = []
        while key not in _OUTERMOST:
            if key not in self._axes or key in found:
                raise InputError(f"{self._name}: found the axis {key[:40]!r} in a chain, expected one that ends")
            found.append(key)
            key = self._axes[key].depends_on
        return found

    def _matrix(self, keys: list[str], settings: dict[str, float]) -> NDArray[np.float64]:
        """(4, 4), mm: what axes do, the last of them outermost."""
        total = np.eye(4)
        for key in keys:
            axis, value, matrix = self._axes[key], settings.get(key, 0.0), np.eye(4)
            if axis.turns:
                matrix[:3, :3] = rotation(self._direction(axis), math.radians(value))
            elif value != 0.0:
                matrix[:3, 3] = value * self._direction(axis)
            matrix[:3, 3] += axis.offset
            total = matrix @ total
        return total

    # ---- detector -----------------------------------------------------------------------------------------

    def _panel(self, shape: tuple[int, int]) -> FilePanel:
        """The detector. A displacement is that of the middle of the first pixel."""
        (fast, first_fast, step_fast), (slow, first_slow, step_slow) = self._pixel_axes(shape)
        chain = self._chain(slow)
        if fast not in chain:
            chain = self._chain(fast)
        if fast not in chain or slow not in chain:
            raise InputError(f"{self._name}: found pixel axes {fast} and {slow} apart, expected one on the other")
        corner = self._settings | {fast: first_fast - 0.5 * step_fast, slow: first_slow - 0.5 * step_slow}
        origin = self._matrix(chain, corner)[:3, 3]
        along = [
            (self._matrix(chain, corner | {key: corner[key] + math.copysign(1.0, step)})[:3, 3] - origin)
            for key, step in ((fast, step_fast), (slow, step_slow))
        ]
        gain, overload = (self._first("array_intensities", key) for key in ("gain", "overload"))
        return FilePanel(
            name="",
            shape=shape,
            pixel_size=(abs(step_fast), abs(step_slow)),
            origin=vec_of(origin),
            fast=vec_of(along[0]),
            slow=vec_of(along[1]),
            gain=gain,
            trusted_range=None if overload is None else (0.0, overload),
        )

    def _pixel_axes(self, shape: tuple[int, int]) -> list[tuple[str, float, float]]:
        """Axis, displacement of the first pixel and of each step (mm) of the fast direction and of the slow one."""
        listed = self._table("array_structure_list", "precedence", "direction", "axis_set_id")
        sets = {
            row.str(0): (row.str(1), *self._numbers(row, (2, 3)).tolist())
            for row in self._table(
                "array_structure_list_axis", "axis_set_id", "axis_id", "?displacement", "?displacement_increment"
            )
        }
        rows = sorted((row.str(0), row.str(1).lower(), sets.get(row.str(2))) for row in listed)
        if [number for number, _, _ in rows] != ["1", "2"]:
            raise InputError(f"{self._name}: found {len(rows)} directions of pixels, expected the two of one detector")
        found = []
        for (_, direction, axis), count in zip(rows, (shape[1], shape[0]), strict=True):
            key, first, step = axis or ("", 0.0, 0.0)
            if key not in self._axes or self._axes[key].turns or not 0.0 < abs(step) < math.inf:
                raise InputError(f"{self._name}: found no axis with an increment for its pixels, expected two")
            backwards = direction == "decreasing"
            found.append((key, first + (count - 1) * step, -step) if backwards else (key, first, step))
        return found

    # ---- beam and scan ------------------------------------------------------------------------------------

    def _first(self, category: str, key: str) -> float | None:
        for row in self._table(category, key):
            number = self._gemmi.cif.as_number(row.str(0))
            return float(number) if math.isfinite(number) else None
        return None

    def _waves(self) -> Fields:
        rows = [self._numbers(row, (0, 1)) for row in self._table("diffrn_radiation_wavelength", "wavelength", "?wt")]
        table = np.array(rows).reshape(-1, 2)
        if len(table) == 1 or not (table[:, 1] > 0.0).any():
            return {"wavelength": float(table[0, 0])} if len(table) and table[0, 0] > 0.0 else {}
        table = table[(table > 0.0).all(axis=1)]
        mean = float(np.average(table[:, 0], weights=table[:, 1]))
        return {"wavelength": mean, "spectrum": table, "comments": (f"a spectrum of {len(table)} wavelengths",)}

    def _polarization(self) -> tuple[float | None, tuple[float, float, float]]:
        """Kahn factor, and the direction of E: its normal is at an angle to y."""
        ratio = self._first("diffrn_radiation", "polarizn_source_ratio")
        angle = math.radians(self._first("diffrn_radiation", "polarizn_source_norm") or 0.0)
        return ratio, (math.cos(angle), math.sin(angle), 0.0)

    def _scan(self) -> tuple[Fields, Any]:
        """Fields of the scan, and the spindle where there is a goniometer."""
        turning = {key for key, axis in self._axes.items() if axis.turns and axis.equipment.lower() == "goniometer"}
        held = {self._axes[key].depends_on for key in turning}
        inner = sorted(turning - held)
        if not inner:
            return {}, None
        keys = self._chain(inner[0])
        steps = {
            row.str(0): float(self._numbers(row, (1,))[0])
            for row in self._table("diffrn_scan_axis", "axis_id", "?angle_increment")
            if row.str(0) in turning
        }
        scanned = max(keys, key=lambda key: abs(steps.get(key, 0.0)))
        others = [key for key in keys if key != scanned]
        outer = self._matrix(keys[keys.index(scanned) + 1 :], self._settings)[:3, :3]
        fields: Fields = {"phi": self._settings.get(scanned, 0.0), "oscillation": steps.get(scanned)}
        turned = [key for key in others if self._axes[key].turns and abs(self._settings.get(key, 0.0)) > 1e-9]
        if turned:
            fields["turn"] = self._matrix(others, self._settings)[:3, :3]
            values = ", ".join(f"{key} {self._settings[key]:g}" for key in turned)
            fields["comments"] = (f"{scanned} is scanned and {values} deg turn the crystal",)
        return fields, vec_of(outer @ self._direction(self._axes[scanned]))
