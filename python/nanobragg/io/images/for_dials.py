"""What to tell DIALS of a file whose header does not say it, or says it otherwise than DIALS reads it
(``specs/formats.md``, "DIALS").

dxtbx, its reader, makes a detector at right angles to the beam and a spindle along the fast axis of SMV and CBF
headers. Options of ``dials.import`` say the rest, in DIALS' frame: x along the fast axis as far as that is across the
beam, z against the beam.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from nanobragg.maths.projection import direct_beam, is_mirrored, is_tilted

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from nanobragg.records.panel import ScenePanel
    from nanobragg.records.resolved import Geometry, Resolved

_ENOUGH = 1e-2
"""pixels; a beam centre that is nearer to the right one needs no word"""
_FRACTION = 0.999
"""polarization that DIALS takes where nothing is said, of which the normal is y"""


class Read(NamedTuple):
    """The detector that dxtbx makes of a header, at right angles to the beam."""

    fast: float
    """pixels from the outer corner of the first, where the beam meets it"""
    slow: float
    distance: float
    """m"""


def options(panel: ScenePanel, resolved: Resolved, read: Read) -> list[str]:
    """Options of ``dials.import`` that put right what dxtbx reads; none where it is right."""
    g = resolved.geometry
    turn = _to_dials(panel, g)
    if abs(float(panel.fast @ panel.slow)) > 1e-9:
        return []  # DIALS has no such panels
    rectangular = abs(panel.pixel_size[0] - panel.pixel_size[1]) > 1e-9 * panel.pixel_size[0]
    across = abs(float(panel.normal @ np.array(g.beam)) - 1.0) < 1e-9
    if across and not rectangular and not is_tilted(panel, g) and not is_mirrored(panel):
        words = _centre(panel, g, read)
    else:
        vectors = {"fast_axis": panel.fast, "slow_axis": panel.slow, "origin": 1e3 * panel.origin}
        words = [f"panel.{name}={_numbers(turn @ vector)}" for name, vector in vectors.items()]
        words += [f"panel.pixel_size={_numbers(1e3 * np.array(panel.pixel_size))}"] if rectangular else []
    spindle = turn @ np.array(g.spindle)
    if abs(float(spindle[0]) - 1.0) > 1e-9:
        words.append(f"goniometer.axis={_numbers(spindle)}")
    return words + polarization(resolved, turn)


def line(name: str, words: list[str]) -> str | None:
    """How to import the file into DIALS; ``None`` where its name is enough."""
    return f"for DIALS: dials.import {name} {' '.join(words)}" if words else None


def _centre(panel: ScenePanel, g: Geometry, read: Read) -> list[str]:
    """Options for the place of a detector at right angles to the beam."""
    fast, slow, distance = direct_beam(panel, g)
    off = max(abs(fast - read.fast), abs(slow - read.slow))
    farther = abs(distance - read.distance) > 1e-6 * distance
    if off < _ENOUGH and not farther:
        return []
    centre = (1e3 * slow * panel.pixel_size[1], 1e3 * fast * panel.pixel_size[0])
    words = [f"mosflm_beam_centre={_numbers(centre)}"]
    return [*words, f"detector.distance={1e3 * distance:.9g}"] if farther else words


def polarization(resolved: Resolved, turn: NDArray[np.float64] | None = None) -> list[str]:
    """Options for a beam that is not polarized along x but for a thousandth, which DIALS takes, whatever a file says.

    ``turn`` is the rotation to the frame of DIALS; ``None`` where that has x along the polarization.
    """
    if not resolved.radiation.polarization_correction:
        return []
    fraction = 0.5 * (1.0 + resolved.radiation.kahn_factor)
    words = []
    if abs(fraction - _FRACTION) > 1e-3:
        words.append(f"geometry.beam.polarization_fraction={fraction:.6g}")
    if turn is None:
        return words
    normal = turn @ np.cross(resolved.geometry.beam, resolved.geometry.polar)
    if abs(abs(float(normal[1])) - 1.0) > 1e-6 and abs(fraction - 0.5) > 1e-3:
        words.append(f"geometry.beam.polarization_normal={_numbers(normal)}")
    return words


def _to_dials(panel: ScenePanel, g: Geometry) -> NDArray[np.float64]:
    """(3, 3) rotation from our laboratory frame: rows are DIALS' x, y and z."""
    z = -np.array(g.beam)
    x = panel.fast - (panel.fast @ z) * z
    if np.linalg.norm(x) < 1e-9:
        x = np.array(g.polar) - (np.array(g.polar) @ z) * z
    x = x / np.linalg.norm(x)
    return np.array([x, np.cross(z, x), z])


def _numbers(values: ArrayLike) -> str:
    return ",".join(f"{0.0 if abs(value) < 1e-12 else value:.9g}" for value in np.asarray(values).tolist())
