"""The spectrum of one shot of a free-electron laser, as the source file ``sase_spectrum.txt`` beside this script.

Self-amplified spontaneous emission starts from shot noise: in the frequency domain the field is complex Gaussian noise
under the gain curve, with a correlation length given by the length of the pulse. Each shot has other spikes; this one
has those of ``SEED``. Columns: X Y Z towards the source (m), relative weight, wavelength (m).

Run it with ``python examples/gallery/sase_spectrum.py`` (needs numpy).
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

RESULT = Path(__file__).resolve().parent / "sase_spectrum.txt"
PHOTON_ENERGY = 7000.0  # eV
GAIN_WIDTH = 35.0  # eV, full width at half maximum
PULSE_LENGTH = 0.4  # fs, full width at half maximum; 1.8 eV fs over it is the width of a spike
LINES = 60
STEP = 1.5  # eV
SEED = 7
EV_ANGSTROM = 12398.42


def spectrum(seed: int = SEED) -> tuple[np.ndarray, np.ndarray]:
    """Photon energies (eV) and spectral intensities (mean 1) of one shot."""
    energy = PHOTON_ENERGY + STEP * (np.arange(LINES) - (LINES - 1) / 2)
    frequency = 2 * np.pi * energy / 4.135667  # rad/fs
    random = np.random.default_rng(seed)
    # Electrons at random times within the pulse, each emitting a wave of its own.
    times = random.normal(0.0, PULSE_LENGTH / 2.355, 2000)
    field = np.exp(1j * frequency[:, None] * times).sum(axis=1)
    gain = np.exp(-0.5 * ((energy - PHOTON_ENERGY) / (GAIN_WIDTH / 2.355)) ** 2)
    intensity = np.abs(field) ** 2 * gain
    return energy, intensity / intensity.mean()


def main() -> None:
    """Write the source file."""
    lines = ["# X Y Z (m)  weight  wavelength (m): one SASE pulse, written by sase_spectrum.py\n"]
    lines += [
        f"0 0 -10 {weight:.5f} {EV_ANGSTROM / energy * 1e-10:.7e}\n"
        for energy, weight in zip(*spectrum(), strict=True)
        if weight > 5e-4
    ]
    temporary = RESULT.with_name(RESULT.name + ".part")
    temporary.write_text("".join(lines), encoding="utf-8")
    os.replace(temporary, RESULT)
    print(f"{RESULT.name}: {len(lines) - 1} lines")


if __name__ == "__main__":
    main()
