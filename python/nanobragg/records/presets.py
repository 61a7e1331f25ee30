"""Real detectors by name: the values that ``[response] preset`` stands for (``specs/response.md``, "Presets")."""

from __future__ import annotations

TYPE_CHECKING = False  # typing's own costs a millisecond
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_COUNTING = {"reading": "counting"}
# Calibrated values, in eV: 1000 ADU for 1 keV.
_CHARGE = {"reading": "integrating", "gain_per_kev": 1000.0, "bits": 32, "signed": True}

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "pilatus": {**_COUNTING, "bits": 20},
    "eiger": {**_COUNTING, "bits": 32},
    "rayonix": {
        "reading": "integrating",
        "psf": "fiber",
        "psf_fwhm": 41.0,
        "gain": 1.5,
        "offset": 10.0,
        "readout": 3.0,
        "bits": 16,
    },
    "jungfrau": {**_CHARGE, "readout": 300.0, "saturation": 1.2e8},
    "agipd": {**_CHARGE, "readout": 1000.0, "saturation": 1.2e8},
    "epix": {**_CHARGE, "readout": 245.0, "saturation": 8.8e7},
}
"""Fields of a :class:`~nanobragg.records.response.Response` by the name of a detector."""
