"""Random command lines within a tolerance: everything that bounds of terms know, and what they may go wrong with."""

from __future__ import annotations

import random
from itertools import product

from nanobragg.parity.command_line import CommandLine
from nanobragg.parity.draw import RandomLine

_MOST_TERMS = 2e5
"""About how many evaluations an image has: what the reference renderer does in 20 ms."""
_PIECES = (8, 16, 64, 256, 1024)
"""Pixels that are tested together, or rendered together, at one instruction set or another."""


def draw_tolerance(seed: int, number: int) -> CommandLine:
    """The command line ``number`` of ``seed``, without its tolerance."""
    return _Within(random.Random(f"tolerance {seed} {number}")).draw()


class _Within(RandomLine):
    def draw(self) -> CommandLine:
        self.wavelength = 1.0
        self._cell()
        if self.may(0.7):
            self.add("-misset", self.signed(180), self.signed(180), self.signed(180))
        self._structure_factors()
        self._crystal()
        if self.may(0.12):
            self._panels()
        else:
            self._pixels()
            self._position()
            self._sensor()
            self._wavelength()
        self._terms()
        if self.may(0.25):
            self.add("-polar", self.number(-1, 1))
        if self.may(0.15):
            self.add("-nopolar")
        if self.may(0.05):
            self.add("-water", self.decade(0.1, 100))
        if self.may(0.05):
            self.add("-dmin", self.number(1.0, 10.0))
        if self.may(0.04):
            self.add(f"-oversample_{self.rng.choice(('thick', 'polar', 'omega'))}")
        self.add("-quirks", self.rng.choice(("all", "none")))
        return CommandLine(units=tuple(self.units), files=self.files)

    def _cell(self) -> None:
        """Half of them have axes that nearly coincide or are nearly in one plane."""
        if self.may(0.6):
            super()._cell()
            return
        a = [self.number(20, 150) for _ in range(3)]
        near = self.rng.choice((0.3, 1.0, 5.0))
        gamma = self.rng.choice((near, 180 - near))
        flat = 120 - self.rng.choice((0.01, 0.5, 3.0))
        angles = self.rng.choice(((90, 90, gamma), (gamma, 90, 90), (near, near, near), (flat, flat, flat)))
        self.add("-cell", *a, *(f"{angle:g}" for angle in angles))

    def _structure_factors(self) -> None:
        """Half of them of a list, of which reflections are missing, or one is much stronger than all others."""
        if self.may(0.4):
            self.add("-default_F", self.decade(0.1, 1e4))
            return
        reach = [self.rng.randint(0, 9) for _ in range(3)]
        low = [-n if self.may(0.85) else self.rng.randint(-n, 0) for n in reach]
        indices = list(product(*(range(first, last + 1) for first, last in zip(low, reach, strict=True))))
        kept = self.rng.choice((0.1, 0.5, 1.0))
        chosen = [hkl for hkl in indices if self.may(kept)] or [(0, 0, 1)]
        strong = self.rng.choice(chosen) if self.may(0.4) else None
        self.files["P1.hkl"] = "".join(
            f"{h} {k} {l} {1e6 if (h, k, l) == strong else self.rng.randint(0, 1200) / 4.0:g}\n"
            for h, k, l in chosen  # noqa: E741
        ).encode()
        self.add("-hkl", "P1.hkl")
        if self.may(0.5):
            self.add("-default_F", f"{self.rng.randint(0, 400) / 4.0:g}")
        self.add("-interpolate" if self.may(0.25) else "-nointerpolate")

    def _crystal(self) -> None:
        if self.may(0.5):
            self.add("-N", self.decade_whole(1, 2000))
        else:
            for axis in "abc":
                self.add(f"-N{axis}", self.decade_whole(1, 300))
        self.add(
            self.rng.choice(
                ("-square_xtal", "-square_xtal", "-round_xtal", "-gauss_xtal", "-tophat_spots", "-gauss_index")
            )
        )
        if self.may(0.6):
            self.add("-fudge", self.decade(1e-4, 10.0))

    def decade_whole(self, low: float, high: float) -> int:
        """A whole number, every decade as likely as the next."""
        return round(float(self.decade(low, high)))

    def _pixels(self) -> None:
        """As a rule long rows: pieces and blocks of them are tested together."""
        if self.may(0.3):
            super()._pixels()
            return
        self.nfast = max(2, self.rng.choice((20, *_PIECES)) + self.rng.randint(-3, 3))
        self.nslow = self.rng.randint(1, 4)
        self.pixel = float(self.decade(0.01, 1.0))
        self.add("-pixel", f"{self.pixel:g}")
        self.add("-detpixels_f", self.nfast)
        self.add("-detpixels_s", self.nslow)

    def _panels(self) -> None:
        """Two or three panels in a CrystFEL geometry, side by side in the file and askew in space."""
        self.nslow, self.pixel = self.rng.randint(1, 6), 0.1
        self.nfast = self.rng.choice((7, 16, 40))
        count = self.rng.randint(2, 3)
        lines = [f"photon_energy = {self.number(7000, 12000)}", "clen = 0.1", "res = 10000", "data = /entry/data"]
        for i in range(count):
            turn = self.rng.uniform(-0.3, 0.3)
            lines += [
                f"p{i}/min_fs = 0\np{i}/max_fs = {self.nfast - 1}",
                f"p{i}/min_ss = {i * self.nslow}\np{i}/max_ss = {(i + 1) * self.nslow - 1}",
                f"p{i}/fs = +1.0x {turn:+.3f}y\np{i}/ss = {-turn:+.3f}x +1.0y",
                f"p{i}/corner_x = {self.rng.uniform(-300, 300):.2f}\np{i}/corner_y = {self.rng.uniform(-300, 300):.2f}",
            ]
        self.files["panels.geom"] = ("\n".join(lines) + "\n").encode()
        self.add("-img", "panels.geom")
        self.nslow *= count

    def _wavelength(self) -> None:
        self.add("-lambda", self.number(0.6, 6.2))

    def _terms(self) -> None:
        """Subpixels, layers, sources and orientations, as many as there is time for."""
        left = _MOST_TERMS / (self.nfast * self.nslow)
        for draw in self.rng.sample((self._domains, self._steps, self._lines, self._fan, self._subpixels), 5):
            if self.may(0.55):
                left /= draw(left)
        if self.may(0.07):
            self._source_file()
        if not any(unit[0] == "-oversample" for unit in self.units):
            self.add("-oversample", 1)

    def _domains(self, left: float) -> float:
        count = self.decade_whole(1, max(2.0, min(left, 600.0)))
        self.add("-mosaic", self.rng.choice((self.decade(0.001, 2.0), "90")))
        self.add("-mosaic_domains", count)
        return count

    def _steps(self, left: float) -> float:
        count = self.decade_whole(1, max(2.0, min(left, 100.0)))
        self.add("-osc", self.decade(0.001, 10))
        self.add("-phisteps", count)
        return count

    def _lines(self, left: float) -> float:
        count = self.decade_whole(2, max(3.0, min(left, 150.0)))
        self.add("-dispersion", self.decade(0.01, 10))
        self.add("-dispsteps", count)
        return count

    def _fan(self, left: float) -> float:
        count = self.decade_whole(2, max(3.0, min(left**0.5, 8.0)))
        self.add("-divergence", self.decade(0.05, 20))
        self.add("-divsteps", count)
        return count * count

    def _subpixels(self, left: float) -> float:
        count = 3 if left > 30 and self.may(0.3) else 2
        self.add("-oversample", count)
        return count * count


def corner(rng: random.Random, size: int) -> int:
    """A pixel of a row of ``size``: next to where a piece begins or ends, as a rule."""
    ends = [at + side for at in (0, size, *_PIECES) for side in (-1, 0) if 0 <= at + side < size]
    return rng.choice(ends) if rng.random() < 0.7 else rng.randrange(size)
